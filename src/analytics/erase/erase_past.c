/* WHAT   Who of a project was erased, asked about records that an import brings; and the guard that
 *        keeps imports and the beginning of an erasure apart.
 * WHY    The file of an import may be an export from before an erasure, or come from a product that
 *        still knows the user. The job's hashes are all that is left to tell by.
 * LAYOUT groups of hashes with the same salt (one, unless jobs were taken over from another data
 *        folder), each sorted; of equal ones the latest end counts.
 * THREADS the guard's lock: one at a time. A past belongs to who is within. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "analytics/erase/erase_int.h"
#include "base/heap.h"
#include "base/must.h"

enum { ARENA_BYTES = 64 << 10, ARENA_BYTES_MAX = 64 << 20, FIRST_ENTRIES = 64 };

struct erase_guard {
    struct state *state;
    pthread_mutex_t lock;
};
struct entry {
    struct erase_hash hash; /* first: bsearch() compares with one */
    int64_t until_ms;       /* INT64_MAX: it is under way */
};
struct group {
    char salt[2 * ERASE_SALT_BYTES + 1];
    uint32_t first, count;
};
struct erase_past {
    struct entry *entries;
    uint32_t entry_count, entry_room;
    struct group *groups;
    uint32_t group_count;
    struct arena arena; /* of the record looked at */
};

/* ---- reading ---- */

static enum rc grow(struct erase_past *p)
{
    uint32_t room = p->entry_room ? 2 * p->entry_room : FIRST_ENTRIES;
    struct entry *moved = heap_try_resize(p->entries, HEAP_ANALYTICS, room * sizeof(*moved));
    ENSURE(moved, RC_NOMEM);
    p->entries = moved;
    p->entry_room = room;
    return RC_OK;
}

/* The group of that salt, which is the last one or a new one: rows come by salt. */
static enum rc group_of(struct erase_past *p, struct slice salt, struct group **ret)
{
    struct erase_set set;
    char none[UUID_TEXT_LEN + 1] = "";
    ENSURE(salt.len == ERASE_SALT_BYTES, RC_CORRUPT);
    erase_set_init(&set, none, (const uint8_t *)salt.data);
    struct group *last = p->group_count ? &p->groups[p->group_count - 1] : NULL;
    if (!last || memcmp(last->salt, set.salt, sizeof(set.salt)) != 0) {
        last = heap_try_resize(p->groups, HEAP_ANALYTICS, (p->group_count + 1) * sizeof(*last));
        if (last) {
            p->groups = last;
            last += p->group_count++;
            *last = (struct group){.first = p->entry_count};
            memcpy(last->salt, set.salt, sizeof(set.salt));
        }
    }
    erase_set_done(&set);
    *ret = last;
    return last ? RC_OK : RC_NOMEM;
}

static enum rc take_row(void *ctx, const struct state_row *row)
{
    struct erase_past *p = ctx;
    struct slice bytes = state_row_blob(row, 2);
    int64_t kind = state_row_i64(row, 1);
    struct group *g;
    struct entry e = {.until_ms = state_row_is_null(row, 3) ? INT64_MAX : state_row_i64(row, 3)};
    ENSURE(bytes.len == ERASE_HASH_BYTES && kind >= 0 && kind < ERASE_KINDS, RC_CORRUPT);
    e.hash.kind = (uint8_t)kind;
    memcpy(e.hash.bytes, bytes.data, sizeof(e.hash.bytes));
    TRY(group_of(p, state_row_blob(row, 0), &g));
    struct entry *before = g->count ? &p->entries[p->entry_count - 1] : NULL;
    if (before && memcmp(&before->hash, &e.hash, sizeof(e.hash)) == 0) {
        if (e.until_ms > before->until_ms)
            before->until_ms = e.until_ms;
        return RC_OK;
    }
    if (p->entry_count == p->entry_room)
        TRY(grow(p));
    must(p->entries);
    p->entries[p->entry_count++] = e;
    g->count++;
    return RC_OK;
}

static void past_free(struct erase_past *p)
{
    if (!p)
        return;
    heap_free(p->entries);
    heap_free(p->groups);
    arena_done(&p->arena);
    heap_free(p);
}

static enum rc load(struct state *s, const char *project, struct erase_past **ret, struct err *err)
{
    struct erase_past *p = heap_try_alloc(HEAP_ANALYTICS, sizeof(*p));
    if (!p)
        return err_set(err, RC_NOMEM, "no memory to look who was erased");
    *p = (struct erase_past){.entry_count = 0};
    arena_init(&p->arena, ARENA_BYTES, ARENA_BYTES_MAX);
    enum rc rc = state_run(s,
                           "SELECT e.salt, i.kind, i.hash, e.finished_at FROM erasures e"
                           " JOIN erasure_ids i ON i.erasure_id = e.id WHERE e.project_id = ?1 AND"
                           " e.is_dry_run IS NULL ORDER BY e.salt, i.kind, i.hash",
                           &STATE_STR(project), 1, take_row, p, err);
    if (rc == RC_OK && p->entry_count) {
        *ret = p;
        return RC_OK;
    }
    past_free(p);
    return rc;
}

/* ---- the question ---- */

static int by_hash(const void *key, const void *entry)
{
    return memcmp(key, &((const struct entry *)entry)->hash, sizeof(struct erase_hash));
}

/* INT64_MIN: nobody of that id was erased. */
static int64_t until_of(const struct erase_past *p, const struct erase_id *id)
{
    int64_t until_ms = INT64_MIN;
    for (uint32_t i = 0; i < p->group_count; i++) {
        const struct group *g = &p->groups[i];
        struct erase_hash hash;
        erase_hash_of(g->salt, id->kind, id->id, &hash);
        const struct entry *e =
            bsearch(&hash, p->entries + g->first, g->count, sizeof(*e), by_hash);
        if (e && e->until_ms > until_ms)
            until_ms = e->until_ms;
    }
    return until_ms;
}

/* When it happened or was received, whichever was first; unreadable ones count as long ago. */
static int64_t time_of(yyjson_val *event)
{
    static const char *const names[] = {"timestamp", "received_at"};
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        yyjson_val *v = json_get(event, names[i]);
        unix_ms t = {INT64_MIN};
        if (v && yyjson_is_str(v) && !time_parse(json_text(v), &t))
            t.ms = INT64_MIN;
        if (t.ms < first)
            first = t.ms;
    }
    return first;
}

bool erase_past_has(struct erase_past *past, const struct stream_record *record)
{
    struct erase_id ids[ERASE_EVENT_IDS_MAX];
    struct err ignored = ERR_INIT;
    yyjson_val *root = NULL;
    arena_reset(&past->arena);
    if (json_parse(&past->arena, record->value, &root, &ignored) != RC_OK || !yyjson_is_obj(root))
        return false; /* it will be no row */
    uint32_t count = erase_ids_of(root, ids);
    int64_t until_ms = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        int64_t of_id = until_of(past, &ids[i]);
        if (of_id > until_ms)
            until_ms = of_id;
    }
    return until_ms != INT64_MIN && time_of(root) <= until_ms;
}

/* ---- the guard ---- */

enum rc erase_guard_new(struct state *s, struct erase_guard **ret_guard, struct err *err)
{
    TRY(erase_migrate(s, err));
    struct erase_guard *g = heap_alloc(HEAP_ANALYTICS, sizeof(*g));
    g->state = s;
    must(pthread_mutex_init(&g->lock, NULL) == 0);
    *ret_guard = g;
    return RC_OK;
}

void erase_guard_free(struct erase_guard *g)
{
    if (!g)
        return;
    pthread_mutex_destroy(&g->lock);
    heap_free(g);
}

enum rc erase_guard_enter(struct erase_guard *g, const char *project, struct erase_past **ret_past,
                          struct err *err)
{
    *ret_past = NULL;
    pthread_mutex_lock(&g->lock);
    enum rc rc = load(g->state, project, ret_past, err);
    if (rc != RC_OK)
        pthread_mutex_unlock(&g->lock);
    return rc;
}

void erase_guard_leave(struct erase_guard *g, struct erase_past *past)
{
    past_free(past);
    pthread_mutex_unlock(&g->lock);
}
