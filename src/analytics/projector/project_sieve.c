/* WHAT    Which records would be rows of the table, without a table (project.h).
 * WHY     Who reads stream and archive by himself has to leave out what the projector leaves out,
 *         by the same code: poison, bots, repeats of an id.
 * LAYOUT  ids of the rows so far, open addressing: 24 bytes each, half of them free. Of rows that
 *         share an id (more than PROJECT_DEDUPE_MS apart) the last one's time.
 * THREADS one. */
#include "analytics/projector/project_int.h"

#include "base/heap.h"
#include "base/must.h"

enum { FIRST_SLOTS = 1 << 10, ARENA_BYTES = 256 << 10, ARENA_BYTES_MAX = 64 << 20 };

struct slot {
    struct uuid id;
    int64_t received_ms; /* INT64_MIN: free */
};
struct project_sieve {
    struct uuid project;
    bool drops_bots;
    struct ua_parser *agents;
    struct arena arena; /* of a record */
    struct slot *slots;
    uint64_t slot_count, used;
};

enum rc project_sieve_new(const struct uuid *project, bool drops_bots,
                          struct project_sieve **ret_sieve, struct err *err)
{
    struct project_sieve *s = heap_alloc(HEAP_ANALYTICS, sizeof(*s));
    s->project = *project;
    s->drops_bots = drops_bots;
    arena_init(&s->arena, ARENA_BYTES, ARENA_BYTES_MAX);
    if (drops_bots && project_agents_new(&s->agents) != RC_OK) {
        project_sieve_free(s);
        return err_set(err, RC_NOMEM, "no memory for the rules of user agents");
    }
    *ret_sieve = s;
    return RC_OK;
}

void project_sieve_free(struct project_sieve *s)
{
    if (!s)
        return;
    ua_parser_free(s->agents);
    arena_done(&s->arena);
    heap_free(s->slots);
    heap_free(s);
}

static struct slot *find(struct slot *slots, uint64_t count, const struct project_row *row)
{
    uint64_t at = project_id_hash(&row->project, &row->id);
    for (;; at++) {
        struct slot *slot = &slots[at & (count - 1)];
        if (slot->received_ms == INT64_MIN || memcmp(&slot->id, &row->id, sizeof(slot->id)) == 0)
            return slot;
    }
}

static bool grow(struct project_sieve *s)
{
    uint64_t count = s->slot_count ? 2 * s->slot_count : FIRST_SLOTS;
    struct slot *grown = heap_try_alloc(HEAP_ANALYTICS, count * sizeof(*grown));
    if (!grown)
        return false;
    for (uint64_t i = 0; i < count; i++)
        grown[i].received_ms = INT64_MIN;
    for (uint64_t i = 0; i < s->slot_count; i++) {
        const struct project_row row = {.project = s->project, .id = s->slots[i].id};
        if (s->slots[i].received_ms != INT64_MIN)
            *find(grown, count, &row) = s->slots[i];
    }
    heap_free(s->slots);
    s->slots = grown;
    s->slot_count = count;
    return true;
}

static bool is_near(const struct project_row *row, int64_t other_ms)
{
    int64_t apart = row->received_at.ms - other_ms;
    return row->is_historical || (apart < PROJECT_DEDUPE_MS && -apart < PROJECT_DEDUPE_MS);
}

static enum rc look_and_note(struct project_sieve *s, const struct project_row *row,
                             enum project_why *ret_why)
{
    if (2 * s->used >= s->slot_count && !grow(s))
        return RC_NOMEM;
    struct slot *slot = find(s->slots, s->slot_count, row);
    bool is_there = slot->received_ms != INT64_MIN;
    if (is_there && row->is_dedupe && is_near(row, slot->received_ms)) {
        *ret_why = PROJECT_DUPLICATE;
        return RC_OK;
    }
    s->used += !is_there;
    slot->id = row->id;
    slot->received_ms = row->received_at.ms;
    *ret_why = PROJECT_TAKEN;
    return RC_OK;
}

enum rc project_sieve_take(struct project_sieve *s, const struct stream_record *record,
                           enum project_why *ret_why, unix_ms *ret_timestamp, struct err *err)
{
    struct project_row row;
    const char *reason;
    arena_reset(&s->arena);
    *ret_why = PROJECT_POISON;
    enum rc rc = project_row_decode(record->value, &s->arena, &row, &reason);
    if (rc == RC_INVALID)
        return RC_OK;
    if (rc == RC_OK && memcmp(&row.project, &s->project, sizeof(row.project)) != 0)
        return RC_OK; /* its key says otherwise: the table has it for another project, or not */
    if (rc == RC_OK && s->drops_bots) {
        project_agent_fill(s->agents, &row);
        if (row.bot.len) {
            *ret_why = PROJECT_BOT;
            return RC_OK;
        }
    }
    *ret_timestamp = row.timestamp;
    if (rc == RC_OK)
        rc = look_and_note(s, &row, ret_why);
    return rc == RC_OK ? RC_OK : err_set(err, rc, "no memory to tell events apart");
}
