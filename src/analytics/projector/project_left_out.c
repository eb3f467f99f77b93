/* WHAT    What the live projector leaves out, told to analytics/rejected.
 * WHY     Behind the rows and under the token of the same batch: a repeat leaves out the same and
 *         the store takes it once. Read again from the record, as it is rare.
 * THREADS the consumer's. */
#include "analytics/projector/project_int.h"

#include "analytics/rejected/rejected.h"
#include "base/heap.h"

enum { ARENA_BYTES = 64 << 10, ARENA_BYTES_MAX = 64 << 20 };
struct project_left_out {
    struct rejected_writer *writer;
    struct rejected_batch *batch;
    struct arena arena;
};

struct project_left_out *project_left_out_new(struct rejected_writer *writer)
{
    struct project_left_out *l = heap_alloc(HEAP_ANALYTICS, sizeof(*l));
    l->writer = writer;
    l->batch = rejected_batch_new();
    arena_init(&l->arena, ARENA_BYTES, ARENA_BYTES_MAX);
    return l;
}

void project_left_out_free(struct project_left_out *l)
{
    if (!l)
        return;
    rejected_batch_free(l->batch);
    arena_done(&l->arena);
    heap_free(l);
}

/* Of poison nothing is known but the key, which begins with the project. */
static void add_poison(struct project_left_out *l, const struct stream_record *record,
                       const char *reason)
{
    struct uuid project = {{0}};
    if (record->key.len < UUID_TEXT_LEN ||
        !uuid_parse(slice_of(record->key.data, UUID_TEXT_LEN), &project))
        project = (struct uuid){{0}};
    rejected_batch_add(l->batch, &project, record->time, SLICE_EMPTY, REJECTED_POISON,
                       slice_str(reason), SLICE_EMPTY);
}

static void add(struct project_left_out *l, const struct stream_record *record, uint8_t why)
{
    struct project_row row;
    const char *reason = "";
    arena_reset(&l->arena);
    if (project_row_decode(record->value, &l->arena, &row, &reason) != RC_OK) {
        add_poison(l, record, reason);
        return;
    }
    rejected_batch_add(l->batch, &row.project, row.received_at, row.source,
                       why == PROJECT_BOT ? REJECTED_BOT : REJECTED_DUPLICATE, SLICE_EMPTY,
                       record->value);
}

enum rc project_left_out_tell(struct project_left_out *l, const struct consumer_batch *batch,
                              const uint8_t *why, struct err *err)
{
    rejected_batch_clear(l->batch); /* of a try that failed */
    for (uint32_t i = 0; i < batch->count; i++)
        if (why[i] != PROJECT_TAKEN)
            add(l, &batch->records[i], why[i]);
    return rejected_batch_write(l->batch, l->writer, batch->token, err);
}
