#ifndef WEIR_TENANT_DEFINITION_H
#define WEIR_TENANT_DEFINITION_H
/* What people define for a project and use in its reports: goals, segments, cohorts, annotations,
 * saved reports. Kept here like everything else that is the tenant's: rows of one table each, a
 * change and its audit event together (admin.h). What may stand in them is settled by
 * analytics/definition, before.
 *
 * WHO      `viewer` is who looks (the handle of an actor: ctx_party.id): of segments, only those of
 *          the project and the viewer's own are there.
 * VERSIONS grow with every change; a change may name the one that it was made from.
 * Blocks on the state: command line and worker pool only. */
#include "tenant/admin.h"

enum {
    DEFINITIONS_MAX = 1000,         /* of each kind and project */
    DEFINITION_JSON_MAX = 64 << 10, /* bytes of one member */
    DEFINITION_MEMBERS_MAX = 50000, /* of a list of people */
    DEFINITION_LIST_BYTES_MAX = 4 << 20,
};
struct tenant_definitions { /* where one looks; borrowed */
    struct slice project, viewer;
};

/* One object, by its id. RC_NOTFOUND. */
enum rc tenant_definition_show(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id,
                               struct buf *out, struct err *err) MUST_CHECK;
/* By its id or its name; of segments of the same name, the viewer's own before the project's. */
enum rc tenant_definition_find(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice id_or_name,
                               struct buf *out, struct err *err) MUST_CHECK;
/* {"data":[…],"next":id or null}: up to 100 in order of their ids, behind `after`. */
enum rc tenant_definition_list(struct state *s, enum tenant_entity entity,
                               const struct tenant_definitions *where, struct slice after,
                               struct buf *out, struct err *err) MUST_CHECK;
/* Annotations alone, of these days (both included, of UTC; empty: from the first, to the last). */
enum rc tenant_annotation_list(struct state *s, const struct tenant_definitions *where,
                               struct slice first, struct slice last, struct slice after,
                               struct buf *out, struct err *err) MUST_CHECK;
/* The same, all of them: "[…]". */
enum rc tenant_definition_all(struct state *s, enum tenant_entity entity,
                              const struct tenant_definitions *where, struct buf *out,
                              struct err *err) MUST_CHECK;

/* object: the members that a client may set. RC_INVALID names a member; RC_EXISTS: the name is
 * taken; RC_CONFLICT: there are DEFINITIONS_MAX. */
enum rc tenant_definition_create(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice object,
                                 struct uuid *ret_id, struct err *err) MUST_CHECK;
/* version: 0, or the one that is to be changed (RC_STALE: it is another by now). */
enum rc tenant_definition_update(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice id,
                                 int64_t version, struct slice object, struct err *err) MUST_CHECK;
/* A cohort of the people in a list: ids with U+0000 between, count of them. */
struct tenant_people {
    const char *count_by; /* "users", "visitors" or "persons" */
    uint32_t count;
    struct slice ids;
};
enum rc tenant_cohort_create(struct ctx *ctx, struct tenant *t,
                             const struct tenant_definitions *where, struct slice name,
                             const struct tenant_people *people, struct uuid *ret_id,
                             struct err *err) MUST_CHECK;
/* The ids of a list. RC_NOTFOUND. */
enum rc tenant_cohort_people(struct state *s, struct slice project, struct slice list,
                             struct buf *out, struct err *err) MUST_CHECK;
/* Takes a user (or a visitor, its number as text) out of all lists of the project, for who erases
 * them; the audit event is the caller's. Each list gets a new id, so that the store's copy of the
 * old one (cohort_members) is not asked any more: its rows of the member are the caller's to
 * delete. *ret_count: lists that had them. */
enum rc tenant_cohorts_forget(struct state *s, struct slice project, bool by_user, struct slice id,
                              uint32_t *ret_count, struct err *err) MUST_CHECK;
enum rc tenant_definition_remove(struct ctx *ctx, struct tenant *t, enum tenant_entity entity,
                                 const struct tenant_definitions *where, struct slice id,
                                 int64_t version, struct err *err) MUST_CHECK;
#endif
