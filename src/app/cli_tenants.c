/* weir org, project, key. */
#include <stdio.h>
#include <string.h>

#include "app/cli_admin.h"
#include "base/clock.h"

enum { PATCH_BYTES_MAX = 64 << 10, JWT_SECRET_BYTES_MAX = 4096 };

/* ---- org ---- */
static enum rc org_list(struct admin *a)
{
    return admin_list(a, TENANT_ORG, "", "id name created_at");
}

static enum rc org_create(struct admin *a)
{
    struct uuid org;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_org_create(cli_ctx(), a->tenant, a->args[0], NULL, &org, &a->err));
    return admin_show(a, TENANT_ORG, "", uuid_format(&org, text), NULL, NULL);
}

static enum rc org_show(struct admin *a)
{
    struct uuid org;
    char text[UUID_TEXT_LEN + 1];
    TRY(admin_id(a, a->args[0], "an organisation", &org, text));
    return admin_show(a, TENANT_ORG, "", text, NULL, NULL);
}

static enum rc org_set(struct admin *a)
{
    struct uuid org;
    char text[UUID_TEXT_LEN + 1];
    TRY(admin_id(a, a->args[0], "an organisation", &org, text));
    return admin_set(a, TENANT_ORG, "", text);
}

static const struct admin_action org_actions[] = {
    {"ls", ADMIN_READS, "", "", org_list, "all of them"},
    {"create", ADMIN_CHANGES, "NAME", "", org_create, "one without members or projects"},
    {"show", ADMIN_READS, "ID", "", org_show, "one"},
    {"set", ADMIN_CHANGES, "ID NAME=VALUE…", "", org_set, "what can be set: name"},
};

int verb_org(int argc, char **argv)
{
    return admin_run(&(struct admin_verb){org_actions, COUNT_OF(org_actions), NULL}, argc, argv);
}

/* ---- project ---- */
static enum rc find_project(struct admin *a, const char *text, struct admin_place *ret)
{
    return admin_find(a, TENANT_PROJECT, "a project", text, ret);
}

static enum rc project_list(struct admin *a)
{
    return admin_list_of_org(
        a, TENANT_PROJECT,
        "id name time_zone domains retention_days events_per_month_max archived_at");
}

static enum rc project_create(struct admin *a)
{
    struct uuid org, project;
    char org_text[UUID_TEXT_LEN + 1], text[UUID_TEXT_LEN + 1];
    TRY(admin_org(a, &org, org_text));
    TRY(tenant_project_create(cli_ctx(), a->tenant, &org, a->args[0], &project, &a->err));
    return admin_show(a, TENANT_PROJECT, org_text, uuid_format(&project, text), NULL, NULL);
}

static enum rc project_show(struct admin *a)
{
    struct admin_place p;
    TRY(find_project(a, a->args[0], &p));
    return admin_show(a, TENANT_PROJECT, p.parent, p.text, NULL, NULL);
}

static enum rc project_set(struct admin *a)
{
    struct admin_place p;
    TRY(find_project(a, a->args[0], &p));
    return admin_set(a, TENANT_PROJECT, p.parent, p.text);
}

static enum rc project_archive(struct admin *a)
{
    struct admin_place p;
    TRY(find_project(a, a->args[0], &p));
    TRY(tenant_project_archive(cli_ctx(), a->tenant, slice_str(p.parent), slice_str(p.text),
                               &a->err));
    admin_done(a, p.text, "archived: its keys stop working, what it has stays");
    return RC_OK;
}

static enum rc project_jwt_secret(struct admin *a)
{
    struct admin_place p;
    CLEANUP(buf_done) struct buf secret;
    buf_init(&secret, JWT_SECRET_BYTES_MAX);
    TRY(find_project(a, a->args[0], &p));
    TRY(tenant_jwt_secret(a->tenant, &p.id, &secret, &a->err));
    if (a->cli.is_json)
        buf_addf(&a->out, "{\"id\":\"%s\",\"jwt_secret\":\"%s\"}\n", p.text, buf_cstr(&secret));
    else
        buf_addf(&a->out, "%s\n", buf_cstr(&secret));
    admin_wipe(&secret);
    return RC_OK;
}

static const struct admin_action project_actions[] = {
    {"ls", ADMIN_READS, "", "[org]", project_list, "the organisation's"},
    {"create", ADMIN_CHANGES, "NAME", "[org]", project_create, "a new one, without keys"},
    {"show", ADMIN_READS, "ID", "", project_show, "one and its settings"},
    {"set", ADMIN_CHANGES, "ID NAME=VALUE…", "", project_set,
     "time_zone=Europe/Berlin domains=a.example,b.example retention_days=30 …"},
    {"archive", ADMIN_CHANGES, "ID", "", project_archive,
     "its keys stop working, what it has stays"},
    {"jwt-secret", ADMIN_READS, "ID", "", project_jwt_secret,
     "the HS256 secret for tokens of POST /view and /event"},
};

int verb_project(int argc, char **argv)
{
    return admin_run(
        &(struct admin_verb){
            project_actions, COUNT_OF(project_actions),
            "\nWhat can be set: name, time_zone, domains, client_ids, "
            "allowed_origins, retention_days,\nprivacy_mode (standard, strict, relaxed), "
            "bot_policy (mark, drop), events_per_month_max.\n"},
        argc, argv);
}

/* ---- key ---- */
static enum rc key_list(struct admin *a)
{
    struct admin_place p;
    TRY(find_project(a, a->options[ADMIN_PROJECT], &p));
    return admin_list(a, TENANT_KEY, p.text,
                      "id kind name prefix scopes expires_at last_used_at revoked_at");
}

/* A list with commas as one with `sep`; blanks are separators, too. */
static struct slice list_of(const char *text, char sep, struct buf *space)
{
    for (struct slice rest = slice_str(text); rest.len;) {
        struct slice words = slice_cut(&rest, ',');
        while (words.len) {
            struct slice word = slice_cut(&words, ' ');
            if (word.len && space->len)
                buf_add_char(space, sep);
            buf_add_slice(space, word);
        }
    }
    return buf_slice(space);
}

static enum rc read_expires(struct admin *a, const char *text, unix_ms *ret)
{
    int64_t from_now;
    if (time_parse(slice_str(text), ret))
        return RC_OK;
    if (admin_duration(a, text, &from_now) != RC_OK || from_now == 0)
        return err_set(&a->err, RC_INVALID,
                       "--expires is a time (2026-11-24T08:00:00Z) or how long from now (30d), "
                       "not '%.40s'",
                       text);
    if (__builtin_add_overflow(unix_now().ms, from_now, &ret->ms))
        return err_set(&a->err, RC_INVALID, "--expires is too far away");
    return RC_OK;
}

static enum rc read_spec(struct admin *a, struct buf *space, struct tenant_key_spec *ret)
{
    const char *kind = a->options[ADMIN_KIND] ? a->options[ADMIN_KIND] : "write";
    const char *name = a->options[ADMIN_NAME];
    if (strcmp(kind, "write") != 0 && strcmp(kind, "secret") != 0)
        return err_set(&a->err, RC_INVALID, "--kind is write or secret, not '%.40s'", kind);
    *ret = (struct tenant_key_spec){.kind = *kind == 's' ? TENANT_KEY_SECRET : TENANT_KEY_WRITE,
                                    .name = name ? name : "made by weir key"};
    ret->grantable = tenant_key_scopes_max(ret->kind);
    if (a->options[ADMIN_SCOPES]) {
        TRY(tenant_permissions_parse(list_of(a->options[ADMIN_SCOPES], ' ', space), &ret->scopes,
                                     &a->err));
        buf_clear(space);
    }
    if (a->options[ADMIN_EXPIRES])
        TRY(read_expires(a, a->options[ADMIN_EXPIRES], &ret->expires_at));
    ret->allowed_origins = list_of(a->options[ADMIN_ORIGINS], '\n', space);
    return RC_OK;
}

/* The key as a list shows it, its text in front: of a secret key this is the one time. */
static enum rc show_made(struct admin *a, const char *project, struct tenant_key_made *made)
{
    enum rc rc = admin_show(a, TENANT_KEY, project, made->id_text, "key", made->text);
    explicit_bzero(made, sizeof(*made));
    return rc;
}

static enum rc key_create(struct admin *a)
{
    struct admin_place p;
    struct tenant_key_made made;
    struct tenant_key_spec spec;
    CLEANUP(buf_done) struct buf space;
    buf_init(&space, PATCH_BYTES_MAX);
    TRY(find_project(a, a->options[ADMIN_PROJECT], &p));
    TRY(read_spec(a, &space, &spec));
    TRY(tenant_key_create(cli_ctx(), a->tenant, &p.id, &spec, &made, &a->err));
    return show_made(a, p.text, &made);
}

static enum rc find_key(struct admin *a, const char *text, struct admin_place *ret)
{
    return admin_find(a, TENANT_KEY, "a key", text, ret);
}

static enum rc key_show(struct admin *a)
{
    struct admin_place p;
    TRY(find_key(a, a->args[0], &p));
    return admin_show(a, TENANT_KEY, p.parent, p.text, NULL, NULL);
}

static enum rc key_set(struct admin *a)
{
    struct admin_place p;
    TRY(find_key(a, a->args[0], &p));
    return admin_set(a, TENANT_KEY, p.parent, p.text);
}

static enum rc key_rotate(struct admin *a)
{
    struct admin_place p;
    struct tenant_key_made made;
    const char *overlap = a->options[ADMIN_OVERLAP] ? a->options[ADMIN_OVERLAP] : "24h";
    int64_t overlap_ms;
    TRY(admin_duration(a, overlap, &overlap_ms));
    TRY(find_key(a, a->args[0], &p));
    TRY(tenant_key_rotate(cli_ctx(), a->tenant, slice_str(p.parent), slice_str(p.text), UINT64_MAX,
                          overlap_ms, &made, &a->err));
    return show_made(a, p.parent, &made);
}

/* The argument, or with "-" a line from stdin: a key in argv can be seen by every user of the
 * machine. */
static enum rc key_text(struct admin *a, struct buf *ret_text)
{
    buf_init(ret_text, TENANT_KEY_TEXT_MAX);
    if (strcmp(a->args[0], "-") == 0)
        return admin_secret(a, "key", ret_text);
    buf_add_str(ret_text, a->args[0]);
    return buf_ok(ret_text) ? RC_OK : err_set(&a->err, RC_INVALID, "that is too long for a key");
}

static enum rc key_revoke(struct admin *a)
{
    struct uuid project, id;
    CLEANUP(buf_done) struct buf text;
    char project_text[UUID_TEXT_LEN + 1], id_text[UUID_TEXT_LEN + 1];
    TRY(key_text(a, &text));
    TRY(tenant_key_find_any(a->tenant, buf_slice(&text), &project, &id, &a->err));
    TRY(tenant_key_revoke(cli_ctx(), a->tenant, slice_str(uuid_format(&project, project_text)),
                          slice_str(uuid_format(&id, id_text)), &a->err));
    admin_done(a, id_text, "revoked: it is refused within a second");
    return RC_OK;
}

static enum rc key_check(struct admin *a)
{
    CLEANUP(buf_done) struct buf text;
    TRY(key_text(a, &text));
    if (!tenant_key_is_genuine(buf_slice(&text)))
        return err_set(&a->err, RC_INVALID, "that is no key of weir: its checksum is wrong");
    const char *kind = text.data[0] == 's' ? "secret" : "write";
    buf_addf(&a->out,
             a->cli.is_json ? "{\"genuine\":true,\"kind\":\"%s\"}\n"
                            : "a %s key that some weir made: its checksum is right\n",
             kind);
    return RC_OK;
}

static const struct admin_action key_actions[] = {
    {"ls", ADMIN_READS, "", "project", key_list, "a project's keys; never their text"},
    {"create", ADMIN_CHANGES, "", "project [kind] [scopes] [expires] [origins] [name]", key_create,
     "a write key unless --kind secret; a secret key's text is shown this once"},
    {"show", ADMIN_READS, "ID", "", key_show, "one"},
    {"set", ADMIN_CHANGES, "ID NAME=VALUE…", "", key_set,
     "what can be set: name, allowed_origins=https://a.example,https://b.example"},
    {"rotate", ADMIN_CHANGES, "ID", "[overlap]", key_rotate,
     "a new key like it; the old one works for the overlap (24h; at most 30d)"},
    {"revoke", ADMIN_CHANGES, "ID|KEY|-", "", key_revoke, "it is refused from now on"},
    {"check", ADMIN_OFFLINE, "KEY|-", "", key_check,
     "whether some weir made it, by its checksum alone"},
};

int verb_key(int argc, char **argv)
{
    return admin_run(
        &(struct admin_verb){key_actions, COUNT_OF(key_actions),
                             "\nA write key is public and may only send events; a secret key has "
                             "scopes. \"-\" reads the\nkey from stdin: a key in argv can be seen "
                             "by every user of the machine.\n"},
        argc, argv);
}
