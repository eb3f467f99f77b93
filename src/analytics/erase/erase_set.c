/* WHAT  Whose records are meant: a set of salted hashes, asked about records and put into SQL.
 * WHY   The ids themselves are what is to be forgotten, so a job must not be the last place where
 *       they stand. A hash with a salt of the job's own is enough to find a record, a line or a
 *       row (the engine computes the same), also in a backup that is put back years later.
 * HOW   A record of a stream of events: its key names the project; the members of its value name
 *       the ids. What is no event (dead letters of garbage) is known by its key, whose second part
 *       is one of the ids.
 * THREADS  one: the worker's. */
#include "analytics/erase/erase_int.h"

#include <stdlib.h>
#include <string.h>

#include "analytics/event/event.h"
#include "base/heap.h"
#include "base/must.h"
#include "codec/hash.h"
#include "codec/json.h"

enum { ARENA_BYTES = 64 << 10, ARENA_BYTES_MAX = 64 << 20 };

static const char letters[ERASE_KINDS] = {'u', 'a', 'd'};

static void hex_put(const uint8_t *bytes, size_t n, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * n] = '\0';
}

void erase_set_init(struct erase_set *s, const char *project, const uint8_t salt[ERASE_SALT_BYTES])
{
    *s = (struct erase_set){.count = 0};
    memcpy(s->project, project, UUID_TEXT_LEN + 1);
    hex_put(salt, ERASE_SALT_BYTES, s->salt);
    arena_init(&s->arena, ARENA_BYTES, ARENA_BYTES_MAX);
}

void erase_set_done(struct erase_set *s)
{
    heap_free(s->hashes);
    arena_done(&s->arena);
    *s = (struct erase_set){.count = 0};
}

void erase_hash_of(const char *salt, enum erase_kind kind, struct slice id,
                   struct erase_hash *ret_hash)
{
    uint8_t hash[SHA256_BYTES];
    const struct slice parts[] = {slice_str(salt), slice_of(&letters[kind], 1), id};
    sha256_parts(parts, COUNT_OF(parts), hash);
    ret_hash->kind = (uint8_t)kind;
    memcpy(ret_hash->bytes, hash, ERASE_HASH_BYTES);
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct erase_hash));
}

static bool has_hash(const struct erase_set *s, const struct erase_hash *hash)
{
    return s->count && bsearch(hash, s->hashes, s->count, sizeof(*hash), by_bytes);
}

enum rc erase_set_add(struct erase_set *s, const struct erase_hash *hash, bool *ret_is_new,
                      struct err *err)
{
    bool is_new = !has_hash(s, hash);
    if (ret_is_new)
        *ret_is_new = is_new;
    if (!is_new)
        return RC_OK;
    if (s->count == ERASE_LINKED_MAX)
        return err_set(err, RC_LIMIT, "more than %d ids belong to this user: erase them in parts",
                       ERASE_LINKED_MAX);
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : 16;
        struct erase_hash *moved =
            heap_try_resize(s->hashes, HEAP_ANALYTICS, room * sizeof(*moved));
        if (!moved)
            return err_set(err, RC_NOMEM, "no memory for the ids of an erasure");
        s->hashes = moved;
        s->room = room;
    }
    s->hashes[s->count++] = *hash;
    qsort(s->hashes, s->count, sizeof(*s->hashes), by_bytes);
    return RC_OK;
}

bool erase_set_has(const struct erase_set *s, enum erase_kind kind, struct slice id)
{
    struct erase_hash hash;
    if (!id.len)
        return false;
    erase_hash_of(s->salt, kind, id, &hash);
    return has_hash(s, &hash);
}

static struct slice text_of(yyjson_val *object, const char *name)
{
    yyjson_val *v = json_get(object, name);
    return v && yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

uint32_t erase_ids_of(yyjson_val *event, struct erase_id ids[ERASE_EVENT_IDS_MAX])
{
    static const struct {
        const char *name;
        enum erase_kind kind;
    } members[ERASE_EVENT_IDS_MAX] = {{"user_id", ERASE_USER},
                                      {"anonymous_id", ERASE_ANONYMOUS},
                                      {"device", ERASE_DEVICE},
                                      {"previous_id", ERASE_USER},
                                      {"previous_id", ERASE_ANONYMOUS}};
    uint32_t count = 0;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        struct slice id = text_of(event, members[i].name);
        if (id.len)
            ids[count++] = (struct erase_id){members[i].kind, id};
    }
    return count;
}

static bool is_of_set(const struct erase_set *s, yyjson_val *event)
{
    struct erase_id ids[ERASE_EVENT_IDS_MAX];
    uint32_t count = erase_ids_of(event, ids);
    for (uint32_t i = 0; i < count; i++)
        if (erase_set_has(s, ids[i].kind, ids[i].id))
            return true;
    return false;
}

bool erase_set_wants(void *set, const struct stream_record *record)
{
    struct erase_set *s = set;
    struct slice visitor = record->key;
    struct err ignored = ERR_INIT;
    yyjson_val *root = NULL;
    /* Another tenant's record is not even read. */
    if (!slice_eq_str(slice_cut(&visitor, '/'), s->project))
        return false;
    arena_reset(&s->arena);
    if (json_parse(&s->arena, record->value, &root, &ignored) == RC_OK && yyjson_is_obj(root))
        return is_of_set(s, root);
    for (int kind = 0; kind < ERASE_KINDS; kind++)
        if (erase_set_has(s, (enum erase_kind)kind, visitor))
            return true;
    return false;
}

void erase_set_sql(const struct erase_set *s, enum erase_kind kind, const char *column,
                   struct buf *sql)
{
    bool is_first = true;
    for (uint32_t i = 0; i < s->count; i++) {
        char hex[2 * ERASE_HASH_BYTES + 1];
        if (s->hashes[i].kind != kind)
            continue;
        if (is_first)
            buf_addf(sql,
                     "(%s != '' AND lower(hex(substring(SHA256(concat('%s%c', %s)), 1, %d))) IN (",
                     column, s->salt, letters[kind], column, ERASE_HASH_BYTES);
        hex_put(s->hashes[i].bytes, ERASE_HASH_BYTES, hex);
        buf_addf(sql, "%s'%s'", is_first ? "" : ",", hex);
        is_first = false;
    }
    buf_add_str(sql, is_first ? "0" : "))");
}
