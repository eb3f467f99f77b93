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
#include "codec/json.h"

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
        "Makes the data folder with a first organisation, project, keys and person "
        "(--admin.email).\n"
        "A second run changes nothing and prints the same (kept in DIR/credentials.json, mode\n"
        "0600).\n");
    if (code != 0)
        return admin_close(&a, RC_OK, code);
    struct node n = {.cfg = &a.cli.cfg, .tenant = a.tenant};
    struct node_credentials c;
    bool is_new;
    enum rc rc = node_init(&n, &c, &is_new, &a.err);
    if (rc == RC_OK && a.cli.is_json)
        node_credentials_json(&c, &a.out);
    else if (rc == RC_OK)
        buf_addf(&a.out,
                 "organisation  %s\nproject       %s\nwrite key     %s   (public: may only send "
                 "events)\n"
                 "secret key    %s   (reads: keep it)\nsign in as    %s   password %s\n"
                 "kept in       %s/credentials.json\n",
                 c.org, c.project, c.write_key, c.secret_key, c.admin_email,
                 *c.admin_password ? c.admin_password : "(yours)", a.cli.cfg.data);
    return admin_close(&a, rc, 0);
}

/* One object of a list on one line: its values, an empty one as "-". */
static void print_line(struct buf *out, yyjson_val *object, const yyjson_alc *alc)
{
    size_t at, n;
    yyjson_val *key, *value;
    const char *between = "";
    yyjson_obj_foreach(object, at, n, key, value)
    {
        buf_add_str(out, between);
        between = "  ";
        if (yyjson_is_str(value) && yyjson_get_len(value)) {
            buf_add_str(out, yyjson_get_str(value));
            continue;
        }
        char *text = yyjson_is_null(value) || yyjson_is_str(value)
                         ? NULL
                         : yyjson_val_write_opts(value, 0, alc, NULL, NULL);
        buf_add_str(out, text ? text : "-");
    }
    buf_add_char(out, '\n');
}

static enum rc print_page(struct admin *a, struct buf *page, char ret_next[UUID_TEXT_LEN + 1])
{
    size_t at, n;
    yyjson_val *item;
    struct arena arena;
    arena_init(&arena, 64 << 10, 64 << 20);
    const yyjson_alc alc = json_arena(&arena);
    yyjson_doc *doc = yyjson_read_opts(page->data, page->len, 0, &alc, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *next = yyjson_get_str(yyjson_obj_get(root, "next"));
    snprintf(ret_next, UUID_TEXT_LEN + 1, "%s", next ? next : "");
    yyjson_arr_foreach(yyjson_obj_get(root, "data"), at, n, item)
    {
        if (a->cli.is_json) {
            char *text = yyjson_val_write_opts(item, 0, &alc, NULL, NULL);
            buf_add_str(&a->out, a->is_first ? "" : ",");
            buf_add_str(&a->out, text ? text : "null");
        } else {
            print_line(&a->out, item, &alc);
        }
        a->is_first = false;
    }
    arena_done(&arena);
    return doc ? RC_OK : RC_BUG;
}

/* The whole list, page by page. */
static enum rc print_list(struct admin *a, enum tenant_entity entity, const char *parent)
{
    char after[UUID_TEXT_LEN + 1] = "";
    CLEANUP(buf_done) struct buf page;
    buf_init(&page, 16 << 20);
    buf_add_str(&a->out, a->cli.is_json ? "[" : "");
    do {
        buf_clear(&page);
        TRY(tenant_list(a->state, entity, slice_str(parent), slice_str(after), &page, &a->err));
        TRY(print_page(a, &page, after));
    } while (*after);
    buf_add_str(&a->out, a->cli.is_json ? "]\n" : "");
    return RC_OK;
}

/* Of the organisation named, or of the first. */
static enum rc list_projects(struct admin *a)
{
    struct uuid org;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_org_first(a->tenant, &org, &a->err));
    return print_list(a, TENANT_PROJECT, uuid_format(&org, text));
}

static enum rc create_project(struct admin *a, const char *name)
{
    struct uuid org, project;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_org_first(a->tenant, &org, &a->err));
    TRY(tenant_project_create(cli_ctx(), a->tenant, &org, name, &project, &a->err));
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
    char text[UUID_TEXT_LEN + 1];
    TRY(project_option(a, project_text, &project));
    return print_list(a, TENANT_KEY, uuid_format(&project, text));
}

static enum rc create_key(struct admin *a, const char *project_text, const char *kind,
                          const char *scopes, const char *name)
{
    struct uuid project;
    struct tenant_key_made made;
    struct tenant_key_spec spec = {.name = name};
    if (strcmp(kind, "write") != 0 && strcmp(kind, "secret") != 0)
        return err_set(&a->err, RC_INVALID, "--kind is write or secret, not '%s'", kind);
    spec.kind = *kind == 's' ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    spec.grantable = tenant_key_scopes_max(spec.kind);
    TRY(project_option(a, project_text, &project));
    TRY(tenant_permissions_parse(slice_str(scopes), &spec.scopes, &a->err));
    TRY(tenant_key_create(cli_ctx(), a->tenant, &project, &spec, &made, &a->err));
    if (a->cli.is_json)
        buf_addf(&a->out, "{\"id\":\"%s\",\"key\":\"%s\"}\n", made.id_text, made.text);
    else
        buf_addf(&a->out, "%s\n", made.text);
    return RC_OK;
}

static enum rc revoke_key(struct admin *a, const char *id_or_text)
{
    struct uuid project, id;
    char project_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1];
    TRY(tenant_key_find_any(a->tenant, slice_str(id_or_text), &project, &id, &a->err));
    return tenant_key_revoke(cli_ctx(), a->tenant, slice_str(uuid_format(&project, project_text)),
                             slice_str(uuid_format(&id, id_text)), &a->err);
}

int verb_key(int argc, char **argv)
{
    struct admin a;
    const char *project = NULL, *kind = "write", *name = "made by weir key", *scopes = "";
    const struct cli_option options[] = {{"project", NULL, &project},
                                         {"kind", NULL, &kind},
                                         {"scopes", NULL, &scopes},
                                         {"name", NULL, &name}};
    int code =
        admin_open(&a, argc, argv, options, COUNT_OF(options), 2,
                   "usage: weir key ls --project ID\n"
                   "       weir key create --project ID [--kind write|secret] [--scopes \"A B\"] "
                   "[--name TEXT]\n"
                   "       weir key revoke ID|KEY\n\n"
                   "A write key may only send events; a secret key reads and is shown once.\n");
    if (code != 0)
        return admin_close(&a, RC_OK, code);
    const char *what = a.cli.arg_count > 0 ? a.cli.args[0] : "ls";
    enum rc rc;
    if (strcmp(what, "ls") == 0)
        rc = list_keys(&a, project);
    else if (strcmp(what, "create") == 0)
        rc = create_key(&a, project, kind, scopes, name);
    else if (strcmp(what, "revoke") == 0 && a.cli.arg_count == 2)
        rc = revoke_key(&a, a.cli.args[1]);
    else
        rc = err_set(&a.err, RC_INVALID, "what is meant? see weir key --help");
    return admin_close(&a, rc, 0);
}
