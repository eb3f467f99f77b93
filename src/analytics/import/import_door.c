/* WHAT    The last steps of an import's batch: is there quota left, who was erased, the append;
 *         and what was not taken, for analytics/rejected.
 * WHY     Here and not in who reads the file: a file may be read by another process (app/import.c),
 *         but who was erased and what is left of the quota is settled where the stream is.
 * THREADS any that may block. */
#include "analytics/import/import.h"
#include "base/log.h"
#include "base/must.h"
#include "tenant/admin.h"

enum { WARNING_ARENA_BYTES = 64 << 10 };

/* ---- the quota ---- */

static bool has_events_left(const struct import_door *d, const struct tenant_project *p)
{
    return p->events_per_month_max <= 0 ||
           quota_look(d->quota, &p->id, (uint64_t)p->events_per_month_max, unix_now()) !=
               QUOTA_EXCEEDED;
}

/* Rare: once a month and project. */
static void warn_owners(const struct import_door *d, const struct tenant_project *p)
{
    struct err err = ERR_INIT;
    struct ctx_pool *contexts = ctx_pool_new();
    struct ctx *ctx = ctx_new_system(contexts, WARNING_ARENA_BYTES, "quota");
    enum rc rc = ctx ? tenant_project_warn_quota(ctx, d->tenant, &p->org, &p->id, &err) : RC_NOMEM;
    if (rc != RC_OK)
        log_warn("nobody could be told that a project has used most of its events",
                 LOG_STR("project", p->id_text), LOG_ERR(&err));
    if (ctx)
        ctx_release(ctx);
    ctx_pool_free(contexts);
}

static void count_events(const struct import_door *d, const struct tenant_project *p,
                         uint32_t events)
{
    if (p->events_per_month_max > 0 &&
        quota_add(d->quota, &p->id, (uint64_t)p->events_per_month_max, events, unix_now()))
        warn_owners(d, p);
}

/* ---- the append ---- */

/* Moves those that stay to the front. */
static uint32_t leave_out_erased(struct erase_past *past, struct stream_record *records,
                                 uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!past || !erase_past_has(past, &records[i]))
            records[kept++] = records[i];
    return kept;
}

enum rc import_door_append(const struct import_door *door, const struct tenant_project *project,
                           struct stream_record *records, uint32_t count, uint32_t *ret_erased,
                           struct err *err)
{
    struct erase_past *past = NULL;
    *ret_erased = 0;
    if (!has_events_left(door, project))
        return err_set(err, RC_RATE, "the project has used up its events of this month");
    TRY(erase_guard_enter(door->guard, project->id_text, &past, err));
    uint32_t kept = leave_out_erased(past, records, count);
    enum rc rc = kept ? stream_append_wait(door->events, records, kept) : RC_OK;
    erase_guard_leave(door->guard, past);
    if (rc != RC_OK)
        return err_set(err, rc, "the stream does not take the events: %s", rc_text(rc));
    count_events(door, project, kept);
    *ret_erased = count - kept;
    return RC_OK;
}

/* ---- what was not taken ---- */

void import_tell(const struct import_door *door, const struct tenant_project *project,
                 struct slice reason, uint64_t count)
{
    const struct rejected_sink *sink = &door->rejected;
    enum rejected_reason of;
    if (!rejected_reason_find(reason, &of))
        of = REJECTED_BAD_LINE;
    for (; count && sink->count; count -= count < UINT32_MAX ? count : UINT32_MAX)
        sink->count(sink->ctx, &project->id, "import", of,
                    count < UINT32_MAX ? (uint32_t)count : UINT32_MAX);
}

void import_tell_counts(const struct import_door *door, const struct tenant_project *project,
                        const struct import_counts *counts)
{
    for (uint32_t i = 0; i < counts->reason_count; i++)
        import_tell(door, project, slice_str(counts->reasons[i].name), counts->reasons[i].count);
}
