#ifndef WEIR_APP_CLI_ADMIN_H
#define WEIR_APP_CLI_ADMIN_H
/* What the verbs on organisations, projects, keys and people share: each verb is a table of actions
 * ("weir key rotate ID"), from which its help, the checks of its words and options, and the call
 * come. They work on the state database itself, with the server running or not; a running one sees
 * a change within a second. */
#include "app/cli.h"
#include "state/state.h"
#include "tenant/admin.h"

/* Options of all actions: name, and what stands for its value in the help. */
#define ADMIN_OPTIONS(X)                      \
    X(ORG, "org", "ID")                       \
    X(PROJECT, "project", "ID")               \
    X(NAME, "name", "TEXT")                   \
    X(KIND, "kind", "write|secret")           \
    X(SCOPES, "scopes", "A,B")                \
    X(EXPIRES, "expires", "TIME|30d")         \
    X(ORIGINS, "origins", "A,B")              \
    X(OVERLAP, "overlap", "24h")              \
    X(ROLE, "role", "ROLE")                   \
    X(FROM, "from", "EMAIL")                  \
    X(ISSUER, "issuer", "URL")                \
    X(AUDIENCE, "audience", "TEXT")           \
    X(JWKS_URL, "jwks-url", "URL")            \
    X(ALGORITHMS, "algorithms", "A,B")        \
    X(USER_CLAIM, "user-claim", "NAME")       \
    X(PROJECT_CLAIM, "project-claim", "NAME") \
    X(ROLE_CLAIM, "role-claim", "NAME")       \
    X(REASON, "reason", "TEXT")

enum admin_option {
#define X(id, name, value) ADMIN_##id,
    ADMIN_OPTIONS(X)
#undef X
        ADMIN_OPTION_COUNT
};

struct admin {
    struct cli cli;
    const struct admin_action *action;
    const char *const *args; /* after the action's name: as many as action->args has words */
    uint32_t arg_count;
    const char *options[ADMIN_OPTION_COUNT]; /* NULL: not given */
    bool is_password_on_stdin;
    struct state *state; /* NULL when the action is ADMIN_OFFLINE */
    struct tenant *tenant;
    struct buf out; /* printed when the action went well */
    struct err err;
};

enum admin_kind {
    ADMIN_READS,
    ADMIN_CHANGES, /* takes --reason, which goes into the audit log */
    ADMIN_OFFLINE, /* needs no data folder */
};
struct admin_action {
    const char *name;
    enum admin_kind kind;
    const char *args;    /* words for the help, one for each; "…" behind the last: one or more */
    const char *options; /* names; in [brackets] when it may be left out */
    enum rc (*run)(struct admin *a);
    const char *what;
};
struct admin_verb {
    const struct admin_action *actions; /* the first is the one of no word at all */
    uint32_t count;
    const char *note; /* below the actions in the help */
};
int admin_run(const struct admin_verb *verb, int argc, char **argv);

/* The data folder's state and tenant without the lock: SQLite takes care of several processes.
 * is_made: a folder that is not there yet is made, else refused. */
enum rc admin_state_open(const struct config *cfg, bool is_made, struct state **ret_state,
                         struct tenant **ret_tenant, struct err *err) MUST_CHECK;

/* ---- what is meant ---- */
/* --org, else the only organisation there is. */
enum rc admin_org(struct admin *a, struct uuid *ret_org,
                  char ret_text[UUID_TEXT_LEN + 1]) MUST_CHECK;
/* An id as a person copies it: any spelling of a UUID, in the one that the database has. */
enum rc admin_id(struct admin *a, const char *text, const char *what, struct uuid *ret_id,
                 char ret_text[UUID_TEXT_LEN + 1]) MUST_CHECK;
/* The thing of that id, in whatever tenant: what is called `what` in the message. */
struct admin_place {
    struct uuid id;
    char text[UUID_TEXT_LEN + 1], parent[UUID_TEXT_LEN + 1];
};
enum rc admin_find(struct admin *a, enum tenant_entity entity, const char *what, const char *text,
                   struct admin_place *ret) MUST_CHECK;
/* "90m", "24h", "30d"; a number alone is refused, for nobody could tell its unit. */
enum rc admin_duration(struct admin *a, const char *text, int64_t *ret_ms) MUST_CHECK;
enum rc admin_role(struct admin *a, const char *text, enum tenant_role *ret_role) MUST_CHECK;
/* A line from stdin, or what is typed at a prompt without echo. Bounded by `to`; without its
 * newline. */
enum rc admin_secret(struct admin *a, const char *prompt, struct buf *to) MUST_CHECK;

/* Of what held a secret, before buf_done(). */
void admin_wipe(struct buf *b);

/* ---- what is shown ---- */
/* The whole list: a JSON array, or a table of these columns (names with one blank between). */
enum rc admin_list(struct admin *a, enum tenant_entity entity, const char *parent,
                   const char *columns) MUST_CHECK;
/* The same of what belongs to --org, or to the only organisation. */
enum rc admin_list_of_org(struct admin *a, enum tenant_entity entity,
                          const char *columns) MUST_CHECK;
/* One object: as JSON, with the extra member in front if it has a name; or a line per member. */
enum rc admin_show(struct admin *a, enum tenant_entity entity, const char *parent, const char *id,
                   const char *extra_name, const char *extra) MUST_CHECK;
/* args[0] is the thing, the rest are NAME=VALUE: sets them, shows the thing as it is now. */
enum rc admin_set(struct admin *a, enum tenant_entity entity, const char *parent,
                  const char *id) MUST_CHECK;
/* {"id":…}, or "ID is revoked". */
void admin_done(struct admin *a, const char *id, const char *what);

/* ---- cli_table.c ---- */
/* JSON objects as a table under a head line; null and empty are "-". */
enum rc cli_table(struct buf *out, struct slice json_array, const char *columns,
                  struct err *err) MUST_CHECK;
/* One JSON object, a line per member. */
enum rc cli_card(struct buf *out, struct slice json_object, struct err *err) MUST_CHECK;
#endif
