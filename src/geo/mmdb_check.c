/* WHAT       mmdb_check(): is this file what it says it is (mmdb_int.h has the reason)?
 * HOW        The values of the data section lie one behind the other. A first walk over them marks
 *            where each begins, inner ones too (pointers may aim at them); a second one looks that
 *            every pointer, then that every leaf of the tree, aims at such a beginning. Both are
 *            linear in the file's size, whatever is in it: nothing is followed.
 * LAYOUT     tree (nodes of two records) | 16 bytes | values | marker | metadata (one map)
 *            A value: type (3 bits) and size (5), further type and size bytes, then the content.
 * SOURCE     https://maxmind.github.io/MaxMind-DB/, version 2.0 */
#include "base/heap.h"
#include "base/must.h"
#include "geo/mmdb_int.h"

enum {
    SEPARATOR_BYTES = 16,
    LIBRARY_LOOKS_BACK = 128 << 10, /* where libmaxminddb searches the marker */
    TYPE_EXTENDED = 0,
    SIZE_8 = 29, /* further bytes of size follow */
    SIZE_16 = 30,
    SIZE_24 = 31,
};
static const char marker[] = "\xab\xcd\xefMaxMind.com";
enum { MARKER_BYTES = sizeof(marker) - 1 };

struct area {
    const uint8_t *bytes;
    size_t len;
    uint8_t *starts;     /* bits: a value begins here; NULL in the metadata */
    bool is_second;      /* walk: the bits are there, pointers are held against them */
    const char *problem; /* why the last walk failed */
};
struct head {
    unsigned type; /* MMDB_DATA_TYPE_… */
    uint32_t size; /* bytes, or entries of a map or an array; a pointer's target */
};

static bool fail(struct area *a, const char *problem)
{
    a->problem = problem;
    return false;
}

static bool take(const struct area *a, size_t *at, unsigned n, uint32_t *ret)
{
    uint32_t value = 0;
    if (n > a->len - *at)
        return false;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | a->bytes[(*at)++];
    *ret = value;
    return true;
}

static bool take_pointer(const struct area *a, size_t *at, uint32_t control, uint32_t *ret)
{
    static const uint32_t bases[] = {0, 2048, 526336, 0};
    unsigned more = control >> 3 & 3;
    uint32_t low = 0, high = more == 3 ? 0 : (control & 7) << (8 * (more + 1));
    if (!take(a, at, more + 1, &low))
        return false;
    *ret = high + low + bases[more];
    return true;
}

static bool take_head(const struct area *a, size_t *at, struct head *ret)
{
    static const uint32_t bases[] = {29, 285, 65821};
    uint32_t control, extended = 0, more = 0;
    if (!take(a, at, 1, &control))
        return false;
    ret->type = control >> 5;
    ret->size = control & 31;
    if (ret->type == MMDB_DATA_TYPE_POINTER)
        return take_pointer(a, at, control, &ret->size);
    if (ret->type == TYPE_EXTENDED) {
        if (!take(a, at, 1, &extended))
            return false;
        ret->type = extended + 7;
    }
    if (ret->size < SIZE_8)
        return true;
    unsigned form = ret->size - SIZE_8;
    if (!take(a, at, form + 1, &more))
        return false;
    ret->size = more + bases[form];
    return true;
}

static bool is_size_right(const struct head *h)
{
    switch (h->type) {
    case MMDB_DATA_TYPE_UTF8_STRING:
    case MMDB_DATA_TYPE_BYTES:
        return true;
    case MMDB_DATA_TYPE_DOUBLE:
        return h->size == 8;
    case MMDB_DATA_TYPE_FLOAT:
        return h->size == 4;
    case MMDB_DATA_TYPE_UINT16:
        return h->size <= 2;
    case MMDB_DATA_TYPE_UINT32:
    case MMDB_DATA_TYPE_INT32:
        return h->size <= 4;
    case MMDB_DATA_TYPE_UINT64:
        return h->size <= 8;
    case MMDB_DATA_TYPE_UINT128:
        return h->size <= 16;
    case MMDB_DATA_TYPE_BOOLEAN:
        return h->size <= 1;
    default:
        return false; /* the reserved ones, and types of a later version */
    }
}

static bool is_start(const struct area *a, uint64_t at)
{
    return at < a->len && (a->starts[at / 8] >> (at % 8) & 1);
}

static bool see_pointer(struct area *a, uint32_t target)
{
    if (!a->starts)
        return fail(a, "its metadata holds a pointer");
    return !a->is_second || is_start(a, target) || fail(a, "a pointer aims at no value");
}

static bool walk(struct area *a, size_t *at, unsigned depth);

static bool walk_entries(struct area *a, size_t *at, const struct head *h, unsigned depth)
{
    bool is_map = h->type == MMDB_DATA_TYPE_MAP;
    if (depth == MMDB_DEPTH_MAX)
        return fail(a, "values are nested too deeply");
    for (uint32_t i = 0; i < h->size; i++) {
        size_t key_at = *at;
        struct head key;
        if (is_map) {
            if (!take_head(a, &key_at, &key) ||
                (key.type != MMDB_DATA_TYPE_UTF8_STRING && key.type != MMDB_DATA_TYPE_POINTER))
                return fail(a, "a key of a map is no text");
            if (!walk(a, at, depth + 1))
                return false;
        }
        if (!walk(a, at, depth + 1)) /* each takes a byte at least: size cannot make this long */
            return false;
    }
    return true;
}

/* One value, with all that is inside it. */
static bool walk(struct area *a, size_t *at, unsigned depth)
{
    struct head h;
    size_t start = *at;
    if (!take_head(a, at, &h))
        return fail(a, "a value is cut off");
    if (a->starts)
        a->starts[start / 8] |= (uint8_t)(1U << (start % 8));
    if (h.type == MMDB_DATA_TYPE_POINTER)
        return see_pointer(a, h.size);
    if (h.type == MMDB_DATA_TYPE_MAP || h.type == MMDB_DATA_TYPE_ARRAY)
        return walk_entries(a, at, &h, depth);
    if (!is_size_right(&h))
        return fail(a, "a value has an unknown type or a wrong size");
    unsigned inside = h.type == MMDB_DATA_TYPE_BOOLEAN ? 0 : h.size;
    if (inside > a->len - *at)
        return fail(a, "a value is cut off");
    *at += inside;
    return true;
}

static bool walk_all(struct area *a)
{
    size_t at = 0;
    while (at < a->len) {
        size_t start = at;
        if (!walk(a, &at, 0))
            return false;
        if (at - start > MMDB_VALUE_BYTES_MAX)
            return fail(a, "a value is too large");
    }
    return true;
}

/* ---- metadata ---- */

static bool find_metadata(const uint8_t *bytes, size_t len, size_t *ret_marker)
{
    size_t last = len < MARKER_BYTES ? 0 : len - MARKER_BYTES;
    size_t first = len > LIBRARY_LOOKS_BACK ? len - LIBRARY_LOOKS_BACK : 0;
    for (size_t at = last + 1; at-- > first && len >= MARKER_BYTES;)
        if (memcmp(bytes + at, marker, MARKER_BYTES) == 0) {
            *ret_marker = at;
            return true;
        }
    return false;
}

static void take_number(const struct area *a, size_t at, const struct head *h, uint64_t *to)
{
    bool is_number = h->type == MMDB_DATA_TYPE_UINT16 || h->type == MMDB_DATA_TYPE_UINT32 ||
                     h->type == MMDB_DATA_TYPE_UINT64;
    uint64_t value = 0;
    if (!is_number)
        return;
    for (uint32_t i = 0; i < h->size; i++)
        value = value << 8 | a->bytes[at + i];
    *to = value;
}

static bool read_metadata(struct area *a, struct mmdb_shape *ret, uint64_t *ret_major)
{
    const struct {
        const char *name;
        uint64_t *to;
    } members[] = {{"node_count", &ret->node_count},
                   {"record_size", &ret->record_bits},
                   {"ip_version", &ret->ip_version},
                   {"build_epoch", &ret->built_s},
                   {"binary_format_major_version", ret_major}};
    struct head map, key, value;
    size_t at = 0, end = 0;
    if (!walk(a, &end, 0))
        return false;
    must(take_head(a, &at, &map));
    if (map.type != MMDB_DATA_TYPE_MAP)
        return fail(a, "its metadata is no map");
    for (uint32_t i = 0; i < map.size; i++) {
        must(take_head(a, &at, &key));
        struct slice name = slice_of((const char *)a->bytes + at, key.size);
        at += key.size;
        size_t value_at = at;
        must(take_head(a, &value_at, &value) && walk(a, &at, 1));
        for (size_t m = 0; m < COUNT_OF(members); m++)
            if (slice_eq_str(name, members[m].name))
                take_number(a, value_at, &value, members[m].to);
    }
    return true;
}

/* ---- the tree ---- */

static uint64_t record_of(const uint8_t *node, unsigned bits, bool is_right)
{
    const uint8_t *p;
    switch (bits) {
    case 24:
        p = node + 3 * is_right;
        return (uint64_t)p[0] << 16 | (uint64_t)p[1] << 8 | p[2];
    case 28:
        p = node + 4 * is_right;
        return (uint64_t)(is_right ? node[3] & 15 : node[3] >> 4) << 24 | (uint64_t)p[0] << 16 |
               (uint64_t)p[1] << 8 | p[2];
    default:
        p = node + 4 * is_right;
        return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
    }
}

static bool is_tree_whole(const uint8_t *tree, const struct mmdb_shape *s, const struct area *data)
{
    size_t node_bytes = s->record_bits / 4;
    for (uint64_t n = 0; n < s->node_count; n++)
        for (unsigned side = 0; side < 2; side++) {
            uint64_t to = record_of(tree + n * node_bytes, (unsigned)s->record_bits, side);
            bool is_leaf = to > s->node_count; /* equal: there is nothing */
            if (is_leaf && (to - s->node_count < SEPARATOR_BYTES ||
                            !is_start(data, to - s->node_count - SEPARATOR_BYTES)))
                return false;
        }
    return true;
}

static enum rc check_data(const uint8_t *bytes, const struct mmdb_shape *s, struct err *err)
{
    struct area data = {.bytes = bytes + s->data_at, .len = s->data_len};
    data.starts = heap_try_alloc(HEAP_GEO, data.len / 8 + 1);
    if (!data.starts)
        return err_set(err, RC_NOMEM, "no memory to check it");
    bool is_fine = walk_all(&data);
    data.is_second = true;
    is_fine = is_fine && walk_all(&data);
    if (is_fine && !is_tree_whole(bytes, s, &data))
        is_fine = fail(&data, "its tree aims at no value");
    heap_free(data.starts);
    return is_fine ? RC_OK : err_set(err, RC_CORRUPT, "%s", data.problem);
}

static bool is_shape_right(const struct mmdb_shape *s, uint64_t major, size_t marker_at)
{
    bool is_known = major == 2 && (s->ip_version == 4 || s->ip_version == 6) &&
                    (s->record_bits == 24 || s->record_bits == 28 || s->record_bits == 32);
    return is_known && s->node_count > 0 && s->node_count <= UINT32_MAX &&
           s->node_count * (s->record_bits / 4) + SEPARATOR_BYTES <= marker_at;
}

enum rc mmdb_check(const uint8_t *bytes, size_t len, struct mmdb_shape *ret_shape, struct err *err)
{
    struct mmdb_shape s = {.node_count = 0};
    uint64_t major = 0;
    size_t at = 0;
    if (len > MMDB_FILE_BYTES_MAX)
        return err_set(err, RC_CORRUPT, "it is larger than %d bytes", MMDB_FILE_BYTES_MAX);
    if (!find_metadata(bytes, len, &at))
        return err_set(err, RC_CORRUPT, "it is no MMDB file (no metadata at its end)");
    struct area meta = {.bytes = bytes + at + MARKER_BYTES, .len = len - at - MARKER_BYTES};
    if (meta.len > MMDB_METADATA_BYTES_MAX)
        return err_set(err, RC_CORRUPT, "its metadata is too large");
    if (!read_metadata(&meta, &s, &major))
        return err_set(err, RC_CORRUPT, "%s", meta.problem);
    if (!is_shape_right(&s, major, at))
        return err_set(err, RC_CORRUPT, "its metadata does not fit the file");
    s.data_at = s.node_count * (s.record_bits / 4) + SEPARATOR_BYTES;
    s.data_len = at - s.data_at;
    TRY(check_data(bytes, &s, err));
    *ret_shape = s;
    return RC_OK;
}
