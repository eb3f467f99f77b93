/* WHAT    Properties of events that stand in a file of their own, until their events come by.
 * WHY     A record is appended once, whole; so what belongs to it has to be known before. The file
 *         has a row for each property, in any order.
 * LAYOUT  slots     open addressing by the event's id; the ends of its chain
 *         rows      one behind the other: next (its place, 0 = last), lengths, name, value
 *         The id is its UUID, or 16 bytes of another text's SHA-256.
 * THREADS the import's. */
#include "analytics/import/import_int.h"

#include <stddef.h>

#include "base/heap.h"
#include "base/must.h"

enum { FIRST_SLOTS = 1 << 10, ID_BYTES = 16, DEPTH_MAX = 8, OBJECT_BYTES_MAX = 8 << 20 };

struct slot {
    uint8_t id[ID_BYTES];
    uint64_t first, last; /* places in rows, from 1; first 0: free */
    uint32_t count;
    bool is_taken;
};
struct row {
    uint64_t next;
    uint32_t name_len, value_len;
};
struct import_join {
    uint64_t bytes_max;
    struct slot *slots;
    uint64_t slot_count, used;
    struct buf rows;
};

struct import_join *import_join_new(uint64_t bytes_max)
{
    struct import_join *j = heap_alloc(HEAP_ANALYTICS, sizeof(*j));
    j->bytes_max = bytes_max;
    buf_init(&j->rows, bytes_max);
    return j;
}

void import_join_free(struct import_join *j)
{
    if (!j)
        return;
    buf_done(&j->rows);
    heap_free(j->slots);
    heap_free(j);
}

uint64_t import_join_left(const struct import_join *j)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < j->slot_count; i++)
        n += j->slots[i].is_taken ? 0 : j->slots[i].count;
    return n;
}

/* ---- events ---- */

static void id_of(struct slice event, uint8_t id[ID_BYTES])
{
    uint8_t hash[SHA256_BYTES];
    struct uuid uuid;
    if (uuid_parse(event, &uuid)) {
        memcpy(id, uuid.bytes, ID_BYTES);
        return;
    }
    sha256_parts(&event, 1, hash);
    memcpy(id, hash, ID_BYTES);
}

/* That of the id, or the free one where it belongs. */
static struct slot *find(struct slot *slots, uint64_t count, const uint8_t id[ID_BYTES])
{
    uint64_t word[2];
    memcpy(word, id, sizeof(word));
    uint64_t at = ((word[0] ^ word[1]) * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    for (;; at++) {
        struct slot *s = &slots[at & (count - 1)];
        if (!s->first || memcmp(s->id, id, ID_BYTES) == 0)
            return s;
    }
}

static bool grow(struct import_join *j)
{
    uint64_t count = j->slot_count ? 2 * j->slot_count : FIRST_SLOTS;
    if (count * sizeof(*j->slots) > j->bytes_max)
        return false;
    struct slot *grown = heap_try_alloc(HEAP_ANALYTICS, count * sizeof(*grown));
    if (!grown)
        return false;
    for (uint64_t i = 0; i < j->slot_count; i++)
        if (j->slots[i].first)
            *find(grown, count, j->slots[i].id) = j->slots[i];
    heap_free(j->slots);
    j->slots = grown;
    j->slot_count = count;
    return true;
}

static enum rc full(const struct import_join *j, struct err *err)
{
    return err_set(err, RC_LIMIT,
                   "the properties that are to be joined need more than %llu bytes of memory: "
                   "split the files",
                   (unsigned long long)j->bytes_max);
}

/* ---- rows ---- */

struct property {
    struct slice name, value;
    uint64_t next;
};

static struct property property_at(const struct import_join *j, uint64_t place)
{
    struct row r;
    const char *text = j->rows.data + place - 1 + sizeof(r);
    memcpy(&r, j->rows.data + place - 1, sizeof(r));
    return (struct property){slice_of(text, r.name_len), slice_of(text + r.name_len, r.value_len),
                             r.next};
}

/* 0: it does not fit. */
static uint64_t put_row(struct import_join *j, struct slice name, struct slice value)
{
    const struct row r = {.name_len = (uint32_t)name.len, .value_len = (uint32_t)value.len};
    uint64_t place = j->rows.len + 1;
    buf_add(&j->rows, &r, sizeof(r));
    buf_add_slice(&j->rows, name);
    buf_add_slice(&j->rows, value);
    return buf_ok(&j->rows) ? place : 0;
}

enum rc import_join_add(struct import *im, struct slice event, struct slice name,
                        struct slice value, struct err *err)
{
    struct import_join *j = im->cfg->join;
    uint8_t id[ID_BYTES];
    id_of(event, id);
    if (2 * j->used >= j->slot_count && !grow(j))
        return full(j, err);
    struct slot *s = find(j->slots, j->slot_count, id);
    if (s->count == IMPORT_JOIN_EVENT_MAX) {
        import_reject(im, "too_large", "the event has more than %d properties",
                      IMPORT_JOIN_EVENT_MAX);
        return RC_OK;
    }
    uint64_t place = put_row(j, name, value);
    if (!place)
        return full(j, err);
    if (s->first)
        memcpy(j->rows.data + s->last - 1 + offsetof(struct row, next), &place, sizeof(place));
    j->used += s->first == 0;
    memcpy(s->id, id, ID_BYTES);
    s->first = s->first ? s->first : place;
    s->last = place;
    s->count++;
    return RC_OK;
}

/* ---- as an object ---- */

struct list {
    uint32_t count;
    struct slice *name, *value;
    bool *is_done;
};

static bool has_name(const struct list *l, struct slice name)
{
    for (uint32_t i = 0; i < l->count; i++)
        if (slice_eq(l->name[i], name))
            return true;
    return false;
}

/* The part of the name behind the prefix up to a dot, if an object can stand there: not if a
 * property has that very name, and not without a name on either side. */
static struct slice object_of(const struct list *l, struct slice name, size_t prefix)
{
    const char *dot = memchr(name.data + prefix, '.', name.len - prefix);
    size_t end = dot ? (size_t)(dot - name.data) : 0;
    if (end <= prefix || end + 1 == name.len || has_name(l, slice_of(name.data, end)))
        return SLICE_EMPTY;
    return slice_of(name.data + prefix, end - prefix);
}

static void add_name(struct buf *out, struct slice name, bool *is_first)
{
    buf_add_char(out, *is_first ? '{' : ',');
    *is_first = false;
    buf_add_json(out, name);
    buf_add_char(out, ':');
}

/* Those of the list whose names begin with the first `prefix` bytes of `like`, and go on. Depth is
 * at most DEPTH_MAX. */
static void add_object(struct list *l, struct slice like, size_t prefix, int depth, struct buf *out)
{
    bool is_first = true;
    for (uint32_t i = 0; i < l->count; i++) {
        struct slice name = l->name[i];
        if (l->is_done[i] || name.len <= prefix ||
            (prefix && memcmp(name.data, like.data, prefix) != 0))
            continue;
        struct slice object = depth < DEPTH_MAX ? object_of(l, name, prefix) : SLICE_EMPTY;
        add_name(out, object.len ? object : slice_sub(name, prefix), &is_first);
        if (object.len) {
            add_object(l, name, prefix + object.len + 1, depth + 1, out);
            continue;
        }
        buf_add_slice(out, l->value[i]);
        l->is_done[i] = true;
    }
    buf_add_char(out, '}');
}

static enum rc no_memory(struct err *err)
{
    return err_set(err, RC_NOMEM, "no memory for the properties of an event");
}

static enum rc make_list(struct import *im, const struct slot *s, struct list *l, struct err *err)
{
    *l = (struct list){.name = arena_alloc(im->scratch, s->count * sizeof(*l->name)),
                       .value = arena_alloc(im->scratch, s->count * sizeof(*l->value)),
                       .is_done = arena_zalloc(im->scratch, s->count * sizeof(*l->is_done))};
    ENSURE(l->name && l->value && l->is_done, no_memory(err));
    for (uint64_t place = s->first; place;) {
        struct property p = property_at(im->cfg->join, place);
        place = p.next;
        if (has_name(l, p.name))
            continue;
        l->name[l->count] = p.name;
        l->value[l->count++] = p.value;
    }
    return RC_OK;
}

enum rc import_join_take(struct import *im, struct slice event, struct slice *ret_object,
                         struct err *err)
{
    struct import_join *j = im->cfg->join;
    struct list list;
    uint8_t id[ID_BYTES];
    *ret_object = SLICE_EMPTY;
    if (!j || !j->used || !event.len)
        return RC_OK;
    id_of(event, id);
    struct slot *s = find(j->slots, j->slot_count, id);
    if (!s->first)
        return RC_OK;
    TRY(make_list(im, s, &list, err));
    struct buf text;
    buf_init(&text, OBJECT_BYTES_MAX);
    add_object(&list, SLICE_EMPTY, 0, 0, &text);
    if (buf_ok(&text))
        *ret_object = arena_copy(im->scratch, buf_slice(&text));
    buf_done(&text);
    s->is_taken = true;
    return ret_object->len ? RC_OK : no_memory(err);
}
