/* weir init: what a first start makes. credentials.json is the only place where the secret key
 * stands in the clear, written before anything is printed, so that a crash in between loses nothing
 * that was shown. */
#include <stdio.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "app/cli.h"
#include "app/node.h"
#include "base/os.h"

enum { CREDENTIALS_BYTES_MAX = 16 << 10 };

static enum rc read_credentials(const char *path, struct node_credentials *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, CREDENTIALS_BYTES_MAX);
    enum rc rc = os_read_file(path, &text, err);
    yyjson_doc *doc = rc == RC_OK ? yyjson_read(text.data, text.len, 0) : NULL;
    const struct {
        const char *name;
        char *to;
        size_t bytes;
    } members[] = {
        {"org", ret->org, sizeof(ret->org)},
        {"project", ret->project, sizeof(ret->project)},
        {"write_key", ret->write_key, sizeof(ret->write_key)},
        {"secret_key", ret->secret_key, sizeof(ret->secret_key)},
    };
    for (size_t i = 0; i < COUNT_OF(members) && rc == RC_OK; i++) {
        const char *value =
            yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), members[i].name));
        if (!value || strlen(value) >= members[i].bytes)
            rc = err_set(err, RC_CORRUPT, "%s has no good member \"%s\"", path, members[i].name);
        else
            snprintf(members[i].to, members[i].bytes, "%s", value);
    }
    yyjson_doc_free(doc);
    buf_done(&text);
    return rc;
}

static enum rc write_credentials(const char *path, const struct node_credentials *c,
                                 struct err *err)
{
    struct buf text;
    buf_init(&text, CREDENTIALS_BYTES_MAX);
    buf_addf(&text,
             "{\"org\":\"%s\",\"project\":\"%s\",\"write_key\":\"%s\",\"secret_key\":\"%s\"}\n",
             c->org, c->project, c->write_key, c->secret_key);
    mode_t old_mask = umask(0077);
    enum rc rc = os_write_file_durable(path, buf_slice(&text), err);
    umask(old_mask);
    buf_done(&text);
    return rc;
}

static enum rc make_key(struct tenant *t, const struct uuid *project, enum tenant_key_kind kind,
                        char ret_text[TENANT_KEY_TEXT_MAX], struct err *err)
{
    const struct tenant_key_spec spec = {
        .kind = kind, .name = "default", .grantable = tenant_key_scopes_max(kind)};
    struct tenant_key_made made;
    TRY(tenant_key_create(cli_ctx(), t, project, &spec, &made, err));
    snprintf(ret_text, TENANT_KEY_TEXT_MAX, "%s", made.text);
    return RC_OK;
}

static enum rc make_first(struct tenant *t, struct node_credentials *ret, struct err *err)
{
    struct uuid org, project;
    enum rc rc = tenant_org_first(t, &org, err);
    if (rc == RC_NOTFOUND)
        rc = tenant_org_create(cli_ctx(), t, "default", NULL, &org, err);
    TRY(rc);
    TRY(tenant_project_create(cli_ctx(), t, &org, "default", &project, err));
    TRY(make_key(t, &project, TENANT_KEY_WRITE, ret->write_key, err));
    TRY(make_key(t, &project, TENANT_KEY_SECRET, ret->secret_key, err));
    uuid_format(&org, ret->org);
    uuid_format(&project, ret->project);
    return RC_OK;
}

enum rc node_init(struct node *n, struct node_credentials *ret, bool *ret_is_new, struct err *err)
{
    char path[OS_PATH_MAX];
    os_path(path, "%s/credentials.json", n->cfg->data);
    *ret_is_new = !os_exists(path);
    if (!*ret_is_new)
        return read_credentials(path, ret, err);
    TRY(make_first(n->tenant, ret, err));
    return write_credentials(path, ret, err);
}
