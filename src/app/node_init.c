/* weir init: what a first start makes. credentials.json is the only place where the secret key
 * stands in the clear, written before anything is printed, so that a crash in between loses nothing
 * that was shown. */
#include <stdio.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "app/cli.h"
#include "app/node.h"
#include "base/os.h"
#include "tenant/user.h"

enum { CREDENTIALS_BYTES_MAX = 16 << 10 };

struct member {
    const char *name;
    char *to;
    size_t bytes;
};

static enum rc read_members(yyjson_val *object, const struct member *members, size_t count,
                            const char *path, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *value = yyjson_get_str(yyjson_obj_get(object, members[i].name));
        if (!value || strlen(value) >= members[i].bytes)
            return err_set(err, RC_CORRUPT, "%s has no good member \"%s\"", path, members[i].name);
        snprintf(members[i].to, members[i].bytes, "%s", value);
    }
    return RC_OK;
}

static enum rc read_document(yyjson_val *root, struct node_credentials *ret, const char *path,
                             struct err *err)
{
    const struct member first[] = {
        {"org", ret->org, sizeof(ret->org)},
        {"project", ret->project, sizeof(ret->project)},
        {"write_key", ret->write_key, sizeof(ret->write_key)},
        {"secret_key", ret->secret_key, sizeof(ret->secret_key)},
    };
    const struct member of_admin[] = {
        {"email", ret->admin_email, sizeof(ret->admin_email)},
        {"password", ret->admin_password, sizeof(ret->admin_password)},
    };
    yyjson_val *admin = yyjson_obj_get(root, "admin");
    TRY(read_members(root, first, COUNT_OF(first), path, err));
    return admin ? read_members(admin, of_admin, COUNT_OF(of_admin), path, err) : RC_OK;
}

/* All at once, so that nothing is left behind by growing. */
static void secrets_init(struct buf *text)
{
    buf_init(text, CREDENTIALS_BYTES_MAX);
    IGNORE(!buf_reserve(text, CREDENTIALS_BYTES_MAX), "told by whoever writes into it");
}

static enum rc read_credentials(const char *path, struct node_credentials *ret, struct err *err)
{
    struct buf text;
    secrets_init(&text);
    enum rc rc = os_read_file(path, &text, err);
    buf_add(&text, (const char[YYJSON_PADDING_SIZE]){0}, YYJSON_PADDING_SIZE);
    if (rc == RC_OK && text.is_failed)
        rc = err_set(err, RC_LIMIT, "%s is larger than %d bytes", path, CREDENTIALS_BYTES_MAX);
    /* In place: its texts are not copied, and go with the buffer. */
    yyjson_doc *doc = rc == RC_OK ? yyjson_read_opts(text.data, text.len - YYJSON_PADDING_SIZE,
                                                     YYJSON_READ_INSITU, NULL, NULL)
                                  : NULL;
    if (rc == RC_OK)
        rc = read_document(yyjson_doc_get_root(doc), ret, path, err);
    yyjson_doc_free(doc);
    buf_wipe(&text);
    return rc;
}

void node_credentials_json(const struct node_credentials *c, struct buf *out)
{
    const struct {
        const char *before, *text;
    } parts[] = {
        {"{\"org\":\"", c->org},
        {"\",\"project\":\"", c->project},
        {"\",\"write_key\":\"", c->write_key},
        {"\",\"secret_key\":\"", c->secret_key},
        {"\",\"admin\":{\"email\":\"", c->admin_email},
        {"\",\"password\":\"", c->admin_password},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) { /* printf would leave copies on the stack */
        buf_add_str(out, parts[i].before);
        buf_add_str(out, parts[i].text);
    }
    buf_add_str(out, "\"}}\n");
}

static enum rc write_credentials(const char *path, const struct node_credentials *c,
                                 struct err *err)
{
    struct buf text;
    secrets_init(&text);
    node_credentials_json(c, &text);
    mode_t old_mask = umask(0077);
    enum rc rc = os_write_file_durable(path, buf_slice(&text), err);
    umask(old_mask);
    buf_wipe(&text);
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
    explicit_bzero(&made, sizeof(made));
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

/* ---- the first person ---- */
struct admin {
    struct tenant *tenant;
    const char *email;
    struct uuid org;
    char org_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1];
    struct password_hash hash;
    struct user user;
    struct tenant_change change;
    bool is_left_alone; /* there is somebody already: nobody is made, no password is set */
};

static enum rc create_apply(void *arg, struct state *s, struct err *err)
{
    struct admin *a = arg;
    TRY(user_create(s, slice_str(a->email), SLICE_LIT("Admin"), &a->hash, unix_now(), &a->user,
                    err));
    a->change.id = slice_str(uuid_format(&a->user.id, a->id_text));
    return RC_OK;
}

static enum rc password_apply(void *arg, struct state *s, struct err *err)
{
    const struct admin *a = arg;
    return user_password_set(s, &a->user.id, &a->hash, unix_now(), err);
}

static enum rc create_admin(struct admin *a, struct state *s, struct err *err)
{
    bool has_owner;
    TRY(tenant_org_has_owner(s, slice_str(a->org_text), &has_owner, err));
    if (has_owner) {
        a->is_left_alone = true;
        return RC_OK;
    }
    a->change = (struct tenant_change){
        .action = "user.create", .entity = TENANT_USER, .apply = create_apply, .arg = a};
    TRY(tenant_change(cli_ctx(), a->tenant, &a->change, err));
    return tenant_member_add(cli_ctx(), a->tenant, &a->org, &a->user.id, TENANT_OWNER, err);
}

/* Made by a start that was cut off before it wrote the password down: gets another. Whoever has
 * signed in, was disabled or is no owner (any more) is left alone. */
static enum rc renew_admin(struct admin *a, struct state *s, struct err *err)
{
    enum tenant_role role;
    uuid_format(&a->user.id, a->id_text);
    enum rc rc =
        tenant_member_role_of(s, slice_str(a->org_text), slice_str(a->id_text), &role, err);
    if (rc != RC_OK && rc != RC_NOTFOUND)
        return rc;
    a->is_left_alone = rc == RC_NOTFOUND || role != TENANT_OWNER || a->user.is_disabled ||
                       a->user.last_login_at.ms != 0;
    if (a->is_left_alone)
        return RC_OK;
    a->change = (struct tenant_change){.action = "user.set_password",
                                       .entity = TENANT_USER,
                                       .id = slice_str(a->id_text),
                                       .apply = password_apply,
                                       .arg = a};
    return tenant_change(cli_ctx(), a->tenant, &a->change, err);
}

static enum rc admin_body(void *arg, struct state *s, struct err *err)
{
    struct admin *a = arg;
    enum rc rc = user_find_by_email(s, slice_str(a->email), &a->user, err);
    if (rc == RC_NOTFOUND)
        return create_admin(a, s, err);
    TRY(rc);
    return renew_admin(a, s, err);
}

static enum rc make_admin(struct node *n, struct node_credentials *ret, struct err *err)
{
    struct admin a = {.tenant = n->tenant, .email = ret->admin_email};
    if (email_normalise(slice_str(n->cfg->admin_email), ret->admin_email, err) != RC_OK)
        return err_wrap(err, "admin.email: ");
    if (!uuid_parse(slice_str(ret->org), &a.org))
        return err_set(err, RC_CORRUPT, "credentials.json has no good member \"org\"");
    uuid_format(&a.org, a.org_text);
    password_make(ret->admin_password, NODE_PASSWORD_CHARS);
    TRY(password_hash(slice_str(ret->admin_password), &a.hash, err));
    TRY(state_transaction(tenant_state(n->tenant), admin_body, &a, err));
    if (a.is_left_alone)
        *ret->admin_password = '\0';
    return RC_OK;
}

enum rc node_init(struct node *n, struct node_credentials *ret, bool *ret_is_new, struct err *err)
{
    char path[OS_PATH_MAX];
    os_path(path, "%s/credentials.json", n->cfg->data);
    *ret = (struct node_credentials){.org = ""};
    *ret_is_new = !os_exists(path);
    if (*ret_is_new)
        TRY(make_first(n->tenant, ret, err));
    else
        TRY(read_credentials(path, ret, err));
    if (*ret->admin_email)
        return RC_OK;
    TRY(make_admin(n, ret, err)); /* also for a file of before there were people */
    return write_credentials(path, ret, err);
}
