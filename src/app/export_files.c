/* WHAT    export_files.h.
 * WHY     The logs are the truth and the table is made of them: whoever has the folder has the
 *         events, also where the engine is not installed or does not start.
 * HOW     Archive and stream as a replay reads them, record by record; the projector's own
 *         judgement of what would be a row; the record's text without the members that an export
 *         leaves out.
 * THREADS the command's. */
#include "app/export_files.h"

#include <inttypes.h>

#include "app/replay_cli.h"
#include "base/must.h"
#include "codec/json.h"

enum { OUT_BYTES = 1 << 20, OUT_BYTES_MAX = 64 << 20 };
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

struct run {
    struct export_files *ex;
    const struct tenant_project *project;
    struct project_sieve *sieve;
    struct replay_source source;
    int64_t oldest_ms; /* older days have left the store */
    struct buf out;
};

/* ---- a line ---- */

static bool is_left_out(struct slice name)
{
    return slice_eq_str(name, "project") || slice_eq_str(name, "dedupe") ||
           slice_eq_str(name, "historical");
}

/* The record's members as they stand. */
static enum rc add_line(struct buf *out, struct slice record)
{
    struct json_members it;
    struct json_span span;
    struct slice name;
    const char *between = "{";
    enum rc rc = json_members_begin(&it, record);
    while (rc == RC_OK && (rc = json_members_next(&it, &name, &span)) == RC_OK) {
        if (is_left_out(name))
            continue;
        buf_addf(out, "%s\"%.*s\":", between, SLICE_ARG(name));
        buf_add_slice(out, span.text);
        between = ",";
    }
    buf_add_str(out, "}\n");
    return buf_ok(out) ? rc : RC_NOMEM;
}

static enum rc flush(struct run *r)
{
    enum rc rc = r->out.len ? r->ex->write(r->ex->ctx, buf_slice(&r->out)) : RC_OK;
    buf_clear(&r->out);
    return rc;
}

/* ---- records ---- */

static bool is_of_project(const struct run *r, const struct stream_record *record)
{
    struct slice key = record->key;
    return slice_eq_str(slice_cut(&key, '/'), r->project->id_text);
}

static enum rc take(struct run *r, const struct stream_record *record, struct err *err)
{
    enum project_why why;
    unix_ms t;
    if (stream_record_is_erased(record) || !is_of_project(r, record))
        return RC_OK;
    TRY(project_sieve_take(r->sieve, record, &why, &t, err));
    if (why != PROJECT_TAKEN || t.ms < r->oldest_ms || t.ms < r->ex->from_ms ||
        t.ms >= r->ex->to_ms)
        return RC_OK;
    if (add_line(&r->out, record->value) != RC_END)
        return err_set(err, RC_CORRUPT, "the record at offset %" PRIu64 " cannot be read",
                       record->offset);
    r->ex->events++;
    if (r->out.len < OUT_BYTES)
        return RC_OK;
    enum rc rc = flush(r);
    return rc == RC_OK ? rc : err_set(err, rc, "the output was not written");
}

static enum rc run_partition(struct run *r, uint32_t partition, struct err *err)
{
    uint64_t first = 0, next = 0, wanted;
    struct stream_record record;
    enum rc rc = r->source.ops->bounds(r->source.ctx, partition, &first, &next, err);
    if (rc == RC_NOTFOUND)
        return RC_OK;
    TRY(rc);
    TRY(r->source.ops->seek(r->source.ctx, partition, first, err));
    for (wanted = first; wanted < next; wanted = record.offset + 1) {
        rc = r->source.ops->next(r->source.ctx, &record, err);
        if (rc == RC_END)
            break;
        TRY(rc);
        r->ex->missing += record.offset - wanted;
        TRY(take(r, &record, err));
    }
    if (wanted < next)
        r->ex->missing += next - wanted;
    return RC_OK;
}

/* Records that were there once and are in no file. */
static enum rc check_beginning(struct run *r, uint32_t partitions, struct err *err)
{
    uint64_t lost = 0;
    for (uint32_t p = 0; p < partitions; p++) {
        uint64_t first = 0, next = 0;
        struct err ignored = ERR_INIT;
        if (r->source.ops->bounds(r->source.ctx, p, &first, &next, &ignored) == RC_OK)
            lost += first;
    }
    r->ex->missing = lost;
    return lost == 0 || r->ex->is_partial
               ? RC_OK
               : err_set(err, RC_NOTFOUND,
                         "the oldest %" PRIu64 " records are in the store only (of all projects; "
                         "the stream keeps some days, and the archive does not reach back that "
                         "far): start the server and export from it, or take what is here with "
                         "--partial",
                         lost);
}

static enum rc run_all(struct run *r, struct node *n, struct err *err)
{
    uint32_t partitions = stream_partitions(n->events);
    TRY(check_beginning(r, partitions, err));
    uint64_t before = r->ex->missing;
    for (uint32_t p = 0; p < partitions; p++)
        TRY(run_partition(r, p, err));
    enum rc rc = flush(r);
    if (rc != RC_OK)
        return err_set(err, rc, "the output was not written");
    return r->ex->missing == before || r->ex->is_partial
               ? RC_OK
               : err_set(err, RC_CORRUPT,
                         "%" PRIu64 " records between are in neither archive nor stream "
                         "(weir archive verify)",
                         r->ex->missing - before);
}

/* r->project is a live one's, and lives as long as the caller's view. */
static enum rc run_project(struct run *r, struct node *n, const struct uuid *id, struct err *err)
{
    ENSURE(r->project, err_set(err, RC_NOTFOUND, "there is no project %s", r->ex->project));
    if (r->project->retention_days > 0)
        r->oldest_ms = (unix_now().ms / day_ms - r->project->retention_days) * day_ms;
    TRY(node_open_source(n, &r->source, err));
    TRY(project_sieve_new(id, r->project->drops_bots, &r->sieve, err));
    return run_all(r, n, err);
}

enum rc export_files_run(struct node *n, struct export_files *ex, struct err *err)
{
    struct run r = {.ex = ex};
    struct uuid id;
    if (!ex->project || !uuid_parse(slice_str(ex->project), &id))
        return err_set(err, RC_INVALID, "--project ID is needed (weir project ls shows them)");
    struct tenant_view *view = tenant_view_take(n->tenant);
    r.project = tenant_by_id(view, &id);
    buf_init(&r.out, OUT_BYTES_MAX);
    enum rc rc = run_project(&r, n, &id, err);
    buf_done(&r.out);
    project_sieve_free(r.sieve);
    replay_source_close(&r.source);
    tenant_view_give(view);
    return rc;
}
