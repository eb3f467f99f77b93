/* init, project, key, version: small verbs on the state. They work beside a running server, which
 * sees the change within a second. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "app/cli.h"
#include "app/node.h"
#include "app/version.h"
#include "base/log.h"
#include "base/os.h"

int verb_version(int argc, char **argv)
{
    bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    printf(is_json ? "{\"version\":\"%s\"}\n" : "weir %s\n", WEIR_VERSION);
    return 0;
}

/* The state alone, without the lock: SQLite takes care of several processes. */
static enum rc open_state(const struct config *cfg, struct state **ret_state,
                          struct tenant **ret_tenant, struct err *err)
{
    char path[OS_PATH_MAX];
    TRY(os_mkdirs(cfg->data, err));
    os_path(path, "%s/state.db", cfg->data);
    TRY(state_open(path, ret_state, err));
    enum rc rc = tenant_open(*ret_state, ret_tenant, err);
    if (rc != RC_OK) {
        state_close(*ret_state);
        *ret_state = NULL;
    }
    return rc;
}

struct admin {
    struct cli cli;
    struct state *state;
    struct tenant *tenant;
    struct buf out;
    struct err err;
    bool is_first; /* of a JSON list */
};

static int admin_open(struct admin *a, int argc, char **argv, const struct cli_option *options,
                      uint32_t count, int args_max, const char *help)
{
    *a = (struct admin){.is_first = true};
    int code = cli_parse(&a->cli, argc, argv, options, count, args_max, help);
    buf_init(&a->out, 16 << 20);
    if (code == 0 && open_state(&a->cli.cfg, &a->state, &a->tenant, &a->err) != RC_OK)
        code = cli_fail(&a->cli, &a->err);
    return code;
}

static int admin_close(struct admin *a, enum rc rc, int code)
{
    if (rc != RC_OK)
        code = cli_fail(&a->cli, &a->err);
    else
        cli_print(&a->out);
    tenant_close(a->tenant);
    state_close(a->state);
    buf_done(&a->out);
    config_done(&a->cli.cfg);
    return code;
}

int verb_init(int argc, char **argv)
{
    struct admin a;
    int code = admin_open(
        &a, argc, argv, NULL, 0, 0,
        "usage: weir init [--data DIR] [--json]\n\n"
        "Makes the data folder with a first organisation, project and keys. A second run changes\n"
        "nothing and prints the same (they are kept in DIR/credentials.json, mode 0600).\n");
    if (code != 0)
        return admin_close(&a, RC_OK, code);
    struct node n = {.cfg = &a.cli.cfg, .tenant = a.tenant};
    struct node_credentials c;
    bool is_new;
    enum rc rc = node_init(&n, &c, &is_new, &a.err);
    if (rc == RC_OK && a.cli.is_json)
        buf_addf(&a.out,
                 "{\"org\":\"%s\",\"project\":\"%s\",\"write_key\":\"%s\",\"secret_key\":\"%s\","
                 "\"admin\":null}\n",
                 c.org, c.project, c.write_key, c.secret_key);
    else if (rc == RC_OK)
        buf_addf(&a.out,
                 "organisation  %s\nproject       %s\nwrite key     %s   (public: may only send "
                 "events)\n"
                 "secret key    %s   (reads: keep it)\nkept in       %s/credentials.json\n",
                 c.org, c.project, c.write_key, c.secret_key, a.cli.cfg.data);
    return admin_close(&a, rc, 0);
}

static enum rc print_project(void *ctx, const struct tenant_project *p)
{
    struct admin *a = ctx;
    if (!a->cli.is_json) {
        buf_addf(&a->out, "%s  %s\n", p->id_text, p->name);
        return RC_OK;
    }
    char org[UUID_TEXT_LEN + 1];
    buf_addf(&a->out, "%s{\"id\":\"%s\",\"org\":\"%s\",\"name\":", a->is_first ? "" : ",",
             p->id_text, uuid_format(&p->org, org));
    buf_add_json(&a->out, slice_str(p->name));
    buf_add_char(&a->out, '}');
    a->is_first = false;
    return RC_OK;
}

static enum rc list_projects(struct admin *a)
{
    if (a->cli.is_json)
        buf_add_char(&a->out, '[');
    TRY(tenant_projects(a->tenant, print_project, a, &a->err));
    if (a->cli.is_json)
        buf_add_str(&a->out, "]\n");
    return RC_OK;
}

static enum rc create_project(struct admin *a, const char *name)
{
    struct uuid org, project;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_org_first(a->tenant, &org, &a->err));
    TRY(tenant_project_create(a->tenant, &org, name, &project, &a->err));
    buf_addf(&a->out, a->cli.is_json ? "{\"id\":\"%s\"}\n" : "%s\n", uuid_format(&project, text));
    return RC_OK;
}

/* For whoever signs the tokens of the article's POST /view and /event. */
static enum rc show_jwt_secret(struct admin *a, const char *project_text)
{
    struct uuid project;
    if (!uuid_parse(slice_str(project_text), &project))
        return err_set(&a->err, RC_INVALID, "'%s' is no project id", project_text);
    TRY(tenant_jwt_secret(a->tenant, &project, &a->out, &a->err));
    buf_add_char(&a->out, '\n');
    return RC_OK;
}

int verb_project(int argc, char **argv)
{
    struct admin a;
    int code = admin_open(
        &a, argc, argv, NULL, 0, 2,
        "usage: weir project ls | create NAME | jwt-secret ID   [--data DIR] [--json]\n\n"
        "jwt-secret prints the HS256 secret for tokens of POST /view and /event.\n");
    if (code != 0)
        return admin_close(&a, RC_OK, code);
    const char *what = a.cli.arg_count > 0 ? a.cli.args[0] : "ls";
    enum rc rc;
    if (strcmp(what, "ls") == 0)
        rc = list_projects(&a);
    else if (strcmp(what, "create") == 0 && a.cli.arg_count == 2)
        rc = create_project(&a, a.cli.args[1]);
    else if (strcmp(what, "jwt-secret") == 0 && a.cli.arg_count == 2)
        rc = show_jwt_secret(&a, a.cli.args[1]);
    else
        rc = err_set(&a.err, RC_INVALID, "what is meant? see weir project --help");
    return admin_close(&a, rc, 0);
}

static enum rc print_key(void *ctx, const struct tenant_key *k)
{
    struct admin *a = ctx;
    char id[UUID_TEXT_LEN + 1], when[TIME_TEXT_BYTES];
    const char *kind = k->kind == TENANT_KEY_SECRET ? "secret" : "write";
    const char *shown = k->text[0] ? k->text : k->prefix;
    uuid_format(&k->id, id);
    time_format(k->created_at, when);
    if (!a->cli.is_json) {
        buf_addf(&a->out, "%s  %-6s  %s%s  %s  %s%s\n", id, kind, shown, k->text[0] ? "" : "...",
                 when, k->name, k->is_revoked ? "  (revoked)" : "");
        return RC_OK;
    }
    buf_addf(&a->out,
             "%s{\"id\":\"%s\",\"kind\":\"%s\",\"%s\":\"%s\",\"created_at\":\"%s\",\"revoked\":%s,"
             "\"name\":",
             a->is_first ? "" : ",", id, kind, k->text[0] ? "key" : "prefix", shown, when,
             k->is_revoked ? "true" : "false");
    buf_add_json(&a->out, slice_str(k->name));
    buf_add_char(&a->out, '}');
    a->is_first = false;
    return RC_OK;
}

static enum rc project_option(struct admin *a, const char *text, struct uuid *ret_project)
{
    if (!text)
        return err_set(&a->err, RC_INVALID, "--project ID is needed (weir project ls shows them)");
    if (!uuid_parse(slice_str(text), ret_project))
        return err_set(&a->err, RC_INVALID, "'%s' is no project id", text);
    return RC_OK;
}

static enum rc list_keys(struct admin *a, const char *project_text)
{
    struct uuid project;
    TRY(project_option(a, project_text, &project));
    if (a->cli.is_json)
        buf_add_char(&a->out, '[');
    TRY(tenant_keys(a->tenant, &project, print_key, a, &a->err));
    if (a->cli.is_json)
        buf_add_str(&a->out, "]\n");
    return RC_OK;
}

static enum rc create_key(struct admin *a, const char *project_text, const char *kind,
                          const char *name)
{
    struct uuid project;
    struct tenant_key key;
    char id[UUID_TEXT_LEN + 1];
    if (strcmp(kind, "write") != 0 && strcmp(kind, "secret") != 0)
        return err_set(&a->err, RC_INVALID, "--kind is write or secret, not '%s'", kind);
    TRY(project_option(a, project_text, &project));
    TRY(tenant_key_create(a->tenant, &project, *kind == 's' ? TENANT_KEY_SECRET : TENANT_KEY_WRITE,
                          name, &key, &a->err));
    if (a->cli.is_json)
        buf_addf(&a->out, "{\"id\":\"%s\",\"key\":\"%s\"}\n", uuid_format(&key.id, id), key.text);
    else
        buf_addf(&a->out, "%s\n", key.text);
    return RC_OK;
}

int verb_key(int argc, char **argv)
{
    struct admin a;
    const char *project = NULL, *kind = "write", *name = "made by weir key";
    const struct cli_option options[] = {
        {"project", NULL, &project}, {"kind", NULL, &kind}, {"name", NULL, &name}};
    int code =
        admin_open(&a, argc, argv, options, COUNT_OF(options), 2,
                   "usage: weir key ls --project ID\n"
                   "       weir key create --project ID [--kind write|secret] [--name TEXT]\n"
                   "       weir key revoke ID|KEY\n\n"
                   "A write key may only send events; a secret key reads and is shown once.\n");
    if (code != 0)
        return admin_close(&a, RC_OK, code);
    const char *what = a.cli.arg_count > 0 ? a.cli.args[0] : "ls";
    enum rc rc;
    if (strcmp(what, "ls") == 0)
        rc = list_keys(&a, project);
    else if (strcmp(what, "create") == 0)
        rc = create_key(&a, project, kind, name);
    else if (strcmp(what, "revoke") == 0 && a.cli.arg_count == 2)
        rc = tenant_key_revoke(a.tenant, slice_str(a.cli.args[1]), &a.err);
    else
        rc = err_set(&a.err, RC_INVALID, "what is meant? see weir key --help");
    return admin_close(&a, rc, 0);
}
