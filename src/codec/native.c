/* Blocks of columns, whole or without some of their rows; the contract is in native.h. */
#include "codec/native.h"

#include "base/heap.h"
#include "base/must.h"

struct native_key {
    size_t at, len; /* in texts */
    uint32_t hash;
    uint32_t number; /* 0: nobody's, as the empty text is not looked up */
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are copied as they lie");

void native_uuid(struct native_column *c, const struct uuid *u)
{
    uint64_t halves[2];
    memcpy(halves, u->bytes, sizeof(halves));
    halves[0] = __builtin_bswap64(halves[0]);
    halves[1] = __builtin_bswap64(halves[1]);
    native_fixed(c, halves, sizeof(halves));
}

void native_init(struct native_column *c, size_t bytes_max)
{
    buf_init(&c->data, bytes_max);
    buf_init(&c->keys.texts, bytes_max);
}

void native_done(struct native_column *c)
{
    struct native_keys *k = &c->keys;
    buf_done(&c->data);
    buf_done(&k->texts);
    heap_free(take_ptr(&k->slots));
    k->slot_count = k->count = 0;
}

void native_clear(struct native_column *c)
{
    struct native_keys *k = &c->keys;
    if (k->count < k->slot_count / 16) /* emptying a table takes no longer than filling it */
        heap_free(take_ptr(&k->slots));
    if (k->slots)
        memset(k->slots, 0, k->slot_count * sizeof(k->slots[0]));
    else
        k->slot_count = 0;
    k->count = 0;
    buf_clear(&k->texts);
    buf_clear(&c->data);
}

bool native_ok(const struct native_column *c)
{
    return buf_ok(&c->data) && buf_ok(&c->keys.texts);
}

size_t native_bytes(const struct native_column *c)
{
    return c->data.len + c->keys.texts.len;
}

size_t native_room_bytes(const struct native_column *c)
{
    return c->data.cap + c->keys.texts.cap + c->keys.slot_count * sizeof(c->keys.slots[0]);
}

/* ---- keys ---- */
enum { SLOTS_MIN = 64, PROBES_MAX = 64 };

static uint32_t hash_of(struct slice s)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = s.len * odd, word;
    for (; s.len >= sizeof(word); s = slice_of(s.data + sizeof(word), s.len - sizeof(word))) {
        memcpy(&word, s.data, sizeof(word));
        h = (h ^ word) * odd;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, s.data, s.len);
    h = (h ^ word) * odd;
    return (uint32_t)(h >> 32);
}

/* A free slot, or that of the same text; NULL if neither is near: then the key is written once more
 * and not looked up again, so that texts chosen to collide cost no more than others. */
static struct native_key *slot_of(const struct native_keys *k, struct slice s, uint32_t hash)
{
    for (uint32_t i = 0; i < PROBES_MAX; i++) {
        struct native_key *key = &k->slots[(hash + i) & (k->slot_count - 1)];
        if (!key->number || (key->hash == hash && key->len == s.len &&
                             memcmp(k->texts.data + key->at, s.data, s.len) == 0))
            return key;
    }
    return NULL;
}

static bool grow(struct native_keys *k)
{
    if (k->slots && k->count < k->slot_count / 2)
        return true;
    struct native_key *old = k->slots;
    uint32_t count = k->slot_count, new_count = count ? 2 * count : SLOTS_MIN;
    k->slots = heap_try_alloc(HEAP_BUF, new_count * sizeof(k->slots[0]));
    if (!k->slots) {
        k->slots = old;
        return false;
    }
    k->slot_count = new_count;
    for (uint32_t i = 0; old && i < count; i++) {
        const struct native_key *key = &old[i];
        struct native_key *to =
            key->number ? slot_of(k, slice_of(k->texts.data + key->at, key->len), key->hash) : NULL;
        if (to)
            *to = *key;
    }
    heap_free(old);
    return true;
}

static void add_varint(struct buf *out, uint64_t value)
{
    char bytes[NATIVE_VARINT_BYTES_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[n++] = (char)(value | 0x80);
    bytes[n++] = (char)value;
    buf_add(out, bytes, n);
}

static void add_text(struct buf *out, struct slice s)
{
    add_varint(out, s.len);
    buf_add_slice(out, s);
}

/* False: there is no room for it, and texts has failed. */
static bool key_add(struct native_keys *k, struct slice s)
{
    add_text(&k->texts, s);
    if (!buf_ok(&k->texts))
        return false;
    k->last = k->count++;
    k->last_at = k->texts.len - s.len;
    k->last_len = s.len;
    return true;
}

void native_key_find(struct native_column *c, struct slice s)
{
    struct native_keys *k = &c->keys;
    if (!k->count && !key_add(k, SLICE_EMPTY))
        return;
    if (!s.len) {
        k->last = 0;
        k->last_len = 0;
        return;
    }
    if (!grow(k)) {
        c->data.is_failed = true;
        return;
    }
    uint32_t hash = hash_of(s);
    struct native_key *slot = slot_of(k, s, hash);
    if (slot && slot->number) {
        k->last = slot->number;
        k->last_at = slot->at;
        k->last_len = slot->len;
        return;
    }
    if (key_add(k, s) && slot)
        *slot = (struct native_key){k->last_at, s.len, hash, k->last};
}

/* The kept numbers of keys, behind the keys, in as few bytes as the greatest needs. */
static void add_numbers(struct buf *out, const struct native_column *c, uint32_t rows,
                        uint32_t kept, const uint8_t *keep)
{
    enum { HAS_KEYS = 1 << 9, VERSION = 1 };
    const struct native_keys *k = &c->keys;
    unsigned width_log = k->count <= UINT8_MAX + 1 ? 0 : k->count <= UINT16_MAX + 1 ? 1 : 2;
    const uint64_t head[] = {VERSION, HAS_KEYS | width_log, k->count}, count = kept;
    buf_add(out, head, sizeof(head));
    buf_add(out, k->texts.data, k->texts.len);
    buf_add(out, &count, sizeof(count));
    char *to = buf_reserve(out, (size_t)kept << width_log);
    if (!to)
        return;
    for (uint32_t i = 0; i < rows; i++) {
        if (keep && !keep[i])
            continue;
        memcpy(to, c->data.data + (size_t)i * c->width, (size_t)1 << width_log);
        to += (size_t)1 << width_log;
    }
    buf_commit(out, (size_t)kept << width_log);
}

/* Bytes of the value that begins at p. */
static size_t value_bytes(const struct native_column *c, const char *p)
{
    if (c->width)
        return c->width;
    size_t head = 0;
    uint64_t len = 0;
    unsigned char byte;
    do {
        must(head < NATIVE_VARINT_BYTES_MAX);
        byte = (unsigned char)p[head];
        len |= (uint64_t)(byte & 0x7f) << (7 * head++);
    } while (byte & 0x80);
    return head + len;
}

/* The kept values, neighbours in one copy. */
static void add_kept(struct buf *out, const struct native_column *c, uint32_t rows,
                     const uint8_t *keep)
{
    const char *p = c->data.data, *run = p, *end = p + c->data.len;
    for (uint32_t i = 0; i < rows; i++) {
        must(p < end);
        const char *next = p + value_bytes(c, p);
        if (!keep[i]) {
            buf_add(out, run, (size_t)(p - run));
            run = next;
        }
        p = next;
    }
    must(p == end);
    buf_add(out, run, (size_t)(p - run));
}

uint32_t native_block(struct buf *out, const struct native_column *columns, uint32_t count,
                      uint32_t rows, const uint8_t *keep)
{
    uint32_t kept = keep ? 0 : rows;
    for (uint32_t i = 0; keep && i < rows; i++)
        kept += keep[i] != 0;
    if (kept == 0)
        return 0;
    add_varint(out, count);
    add_varint(out, kept);
    for (const struct native_column *c = columns; c < columns + count; c++) {
        add_text(out, slice_str(c->name));
        add_text(out, slice_str(c->type));
        if (c->has_keys)
            add_numbers(out, c, rows, kept, keep);
        else if (kept == rows)
            buf_add(out, c->data.data, c->data.len);
        else
            add_kept(out, c, rows, keep);
    }
    return kept;
}
