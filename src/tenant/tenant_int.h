#ifndef WEIR_TENANT_TENANT_INT_H
#define WEIR_TENANT_TENANT_INT_H
/* Inside tenant/ only. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/siphash.h"
#include "state/state.h"
#include "tenant/admin.h"
#include "tenant/tenant.h"

enum { TENANT_OVERLAP_DAYS_MAX = 30 };

struct tenant {
    struct state *state; /* borrowed */
    /* Guards `view` against its swap; held for a pointer and a count only. */
    pthread_mutex_t view_lock;
    struct tenant_view *view;
    pthread_mutex_t reload_lock; /* one reload at a time */
    int64_t view_version;        /* of the view; under reload_lock */
    pthread_t watcher;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool is_closing; /* under wake_lock */
    bool has_watcher;
};

enum rc tenant_migrate(struct state *s, struct err *err) MUST_CHECK;
enum rc watch_migrate(struct state *s, struct err *err) MUST_CHECK;      /* likewise */
enum rc definition_migrate(struct state *s, struct err *err) MUST_CHECK; /* behind the other */
enum rc share_migrate(struct state *s, struct err *err) MUST_CHECK;      /* likewise */
void tenant_random_text(char *to, size_t len);                           /* base62, and a NUL */
/* The organisation of a project, as text in ret; empty if there is none. */
struct slice tenant_org_of(struct tenant *t, struct slice project, char ret[UUID_TEXT_LEN + 1]);
/* ---- names of projects (names.c) ---- */
/* Both lists of both kinds in one table: a name is a name, whoever sends it. */
struct name_slot {
    struct slice name; /* folded; in the arena */
    const struct tenant_project *project;
};
struct name_table {
    struct siphash_key key; /* tenants choose the names */
    struct name_slot *slots;
    uint64_t mask;
};
/* Room for so many names. */
enum rc name_table_init(struct name_table *t, struct arena *a, uint64_t names) MUST_CHECK;
/* Each of the lines; of a name that is there already, the older project's holds. */
enum rc name_table_add(struct name_table *t, struct arena *a, struct slice lines,
                       const struct tenant_project *project) MUST_CHECK;
const struct name_slot *name_table_find(const struct name_table *t, struct slice name);
uint64_t name_count(struct slice lines);
/* A change of domains or client_ids within its transaction: RC_CONFLICT if a name that the project
 * had not before is another's. */
struct names_before {
    struct slice domains, client_ids;
};
enum rc names_read(struct state *s, struct slice project, struct arena *a, struct names_before *ret,
                   struct err *err) MUST_CHECK;
enum rc names_check(struct state *s, struct slice project, const struct names_before *before,
                    struct arena *a, struct err *err) MUST_CHECK;

/* ---- stored definitions that have more than definition.c knows of (definition.c) ---- */
struct tenant_definitions;
struct definition_more {
    /* Within the change's transaction, behind what a client may set. */
    enum rc (*apply)(void *arg, struct state *s, struct slice id, struct err *err);
    void *arg;
};
enum rc definition_create_with(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice object,
                               const struct definition_more *more, struct uuid *ret_id,
                               struct err *err) MUST_CHECK;
enum rc definition_update_with(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id,
                               int64_t version, struct slice object,
                               const struct definition_more *more, struct err *err) MUST_CHECK;

/* ---- shared links in a view (share.c; share_visit.c) ---- */
struct tenant_share;
struct share_table {
    struct tenant_share *all;      /* by id */
    struct tenant_share **by_link; /* by the link's hash */
    uint32_t count;
    /* while it is loaded */
    struct arena *arena;
    const struct tenant_project *(*find)(const struct tenant_view *v, const struct uuid *project);
    const struct tenant_view *view;
};
enum rc share_table_load(struct share_table *t, struct state *s, struct err *err) MUST_CHECK;
void share_table_sort(struct share_table *t); /* fills by_link */
const struct tenant_share *share_table_by_link(const struct share_table *t, struct slice link,
                                               unix_ms now);
const struct tenant_share *share_table_by_visit(const struct share_table *t, struct slice visit,
                                                unix_ms now);

/* Reads everything into a new view with one reference. */
enum rc tenant_view_load(struct state *state, struct tenant_view **ret_view,
                         struct err *err) MUST_CHECK;
/* Writes down when the view's keys were used since the last time. */
enum rc tenant_view_write_uses(struct tenant_view *v, struct state *state,
                               struct err *err) MUST_CHECK;
#endif
