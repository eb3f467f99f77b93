/* WHAT  Ranges are kept as pairs of numbers, sorted and merged once, so that asking is a binary
 *       search: about ten steps for the longest list that a content network publishes.
 * WHY   Not a tree of prefixes: the lists are short, are read at start, and a merged array can be
 *       checked by looking at it. */
#include "http/cidr.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/heap.h"

enum { V4_SHIFT = 96, SHOWN_BYTES_MAX = 60 };

struct parser {
    struct buf ranges; /* struct cidr_range each, in the order written */
    struct err *err;
};

/* ---- ranges ---- */

static const struct ip v4_first = {0, UINT64_C(0xffff00000000)};
static const struct ip v4_last = {0, UINT64_C(0xffffffffffff)};

/* The bits behind the prefix. */
static struct ip host_mask(unsigned prefix)
{
    if (prefix == 0)
        return (struct ip){UINT64_MAX, UINT64_MAX};
    if (prefix < 64)
        return (struct ip){UINT64_MAX >> prefix, UINT64_MAX};
    return (struct ip){0, prefix == 64    ? UINT64_MAX
                          : prefix == 128 ? 0
                                          : UINT64_MAX >> (prefix - 64)};
}

static struct ip next_of(struct ip a)
{
    return (struct ip){a.high + (a.low == UINT64_MAX), a.low + 1};
}

static struct ip previous_of(struct ip a)
{
    return (struct ip){a.high - (a.low == 0), a.low - 1};
}

static void add(struct parser *p, struct ip first, struct ip last)
{
    struct cidr_range range = {first, last};
    buf_add(&p->ranges, &range, sizeof(range));
}

/* A wide range of IPv6 lies around the mapped addresses: without them it is two, or one if they are
 * its end (::/80). */
static void add_prefix(struct parser *p, struct ip first, unsigned prefix)
{
    struct ip mask = host_mask(prefix), last = {first.high | mask.high, first.low | mask.low};
    bool is_around_v4 =
        prefix < V4_SHIFT && !ip_is_before(v4_first, first) && !ip_is_before(last, v4_last);
    if (!is_around_v4) {
        add(p, first, last);
        return;
    }
    add(p, first, previous_of(v4_first));
    if (ip_is_before(v4_last, last))
        add(p, next_of(v4_last), last);
}

/* ---- one entry ---- */

static bool take_word(struct parser *p, struct slice entry)
{
    static const struct {
        const char *word;
        struct ip first;
        unsigned prefix;
    } words[] = {
        {"loopback", {0, UINT64_C(0xffff7f000000)}, V4_SHIFT + 8},
        {"loopback", {0, 1}, 128},
        {"private", {0, UINT64_C(0xffff0a000000)}, V4_SHIFT + 8},
        {"private", {0, UINT64_C(0xffffac100000)}, V4_SHIFT + 12},
        {"private", {0, UINT64_C(0xffffc0a80000)}, V4_SHIFT + 16},
        {"private", {UINT64_C(0xfc00) << 48, 0}, 7},
    };
    bool is_word = false;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!slice_eq_str(entry, words[i].word))
            continue;
        add_prefix(p, words[i].first, words[i].prefix);
        is_word = true;
    }
    return is_word;
}

static struct slice shown(struct slice entry)
{
    return slice_of(entry.data, entry.len < SHOWN_BYTES_MAX ? entry.len : SHOWN_BYTES_MAX);
}

static enum rc refuse_host_bits(struct parser *p, struct slice entry, struct ip address,
                                struct ip network, uint64_t prefix)
{
    char single[IP_TEXT_BYTES], range[IP_TEXT_BYTES];
    return err_set(p->err, RC_INVALID,
                   "'%.*s' has bits set behind its prefix: write %s/%llu for the range, or %s for "
                   "the one address",
                   SLICE_ARG(shown(entry)), ip_format(network, range), (unsigned long long)prefix,
                   ip_format(address, single));
}

static enum rc take_range(struct parser *p, struct slice entry, struct slice text,
                          struct slice prefix_text, bool has_prefix)
{
    struct ip address;
    if (!ip_parse(text, &address))
        return err_set(p->err, RC_INVALID,
                       "'%.*s' is neither an address (192.0.2.17, 2001:db8::1), nor a range "
                       "(10.0.0.0/8, 2001:db8::/32), nor one of the words loopback and private",
                       SLICE_ARG(shown(entry)));
    bool is_v4_text = !memchr(text.data, ':', text.len);
    uint64_t bits_max = is_v4_text ? 32 : 128, prefix = bits_max;
    if (has_prefix && (!slice_to_u64(prefix_text, &prefix) || prefix > bits_max))
        return err_set(p->err, RC_INVALID,
                       "'%.*s' has no prefix length of 0 to %llu behind the slash (a netmask such "
                       "as 255.0.0.0 is written as its number of bits, 8)",
                       SLICE_ARG(shown(entry)), (unsigned long long)bits_max);
    unsigned wide = (unsigned)prefix + (is_v4_text ? V4_SHIFT : 0);
    struct ip mask = host_mask(wide);
    struct ip network = {address.high & ~mask.high, address.low & ~mask.low};
    if (!ip_eq(network, address))
        return refuse_host_bits(
            p, entry, address, network,
            prefix - (!is_v4_text && ip_is_v4(network) && wide >= V4_SHIFT ? V4_SHIFT : 0));
    add_prefix(p, network, wide);
    return RC_OK;
}

static enum rc take_entry(struct parser *p, struct slice entry)
{
    if (entry.len == 0)
        return err_set(p->err, RC_INVALID,
                       "an entry is empty: one comma stands between two entries");
    if (take_word(p, entry))
        return RC_OK;
    struct slice rest = entry, address = slice_cut(&rest, '/');
    return take_range(p, entry, address, rest, address.len < entry.len);
}

static enum rc take_list(struct parser *p, struct slice text)
{
    if (text.len > CIDR_TEXT_BYTES_MAX)
        return err_set(p->err, RC_LIMIT, "a list of ranges has at most %d bytes",
                       CIDR_TEXT_BYTES_MAX);
    text = slice_trim(text);
    for (uint32_t entries = 1; text.len; entries++) {
        const char *comma = memchr(text.data, ',', text.len);
        size_t len = comma ? (size_t)(comma - text.data) : text.len;
        if (entries > CIDR_ENTRIES_MAX)
            return err_set(p->err, RC_LIMIT, "a list of ranges has at most %d entries",
                           CIDR_ENTRIES_MAX);
        TRY(take_entry(p, slice_trim(slice_of(text.data, len))));
        text = slice_sub(text, len + 1);
        if (comma && slice_trim(text).len == 0)
            return take_entry(p, SLICE_EMPTY);
    }
    return RC_OK;
}

/* ---- the set ---- */

static int compare(const void *a, const void *b)
{
    const struct cidr_range *x = a, *y = b;
    return ip_is_before(x->first, y->first) ? -1 : ip_is_before(y->first, x->first);
}

/* Sorted ranges that touch or overlap become one; returns how many are left. */
static uint32_t merge(struct cidr_range *r, size_t count)
{
    static const struct ip highest = {UINT64_MAX, UINT64_MAX};
    uint32_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct cidr_range *before = kept ? &r[kept - 1] : NULL;
        if (!before ||
            (!ip_eq(before->last, highest) && ip_is_before(next_of(before->last), r[i].first)))
            r[kept++] = r[i];
        else if (ip_is_before(before->last, r[i].last))
            before->last = r[i].last;
    }
    return kept;
}

enum rc cidr_set_parse(struct slice text, struct cidr_set *ret_set, struct err *err)
{
    enum { RANGES_PER_ENTRY_MAX = 4 };
    struct parser p = {.err = err};
    buf_init(&p.ranges, sizeof(struct cidr_range) * CIDR_ENTRIES_MAX * RANGES_PER_ENTRY_MAX);
    enum rc rc = take_list(&p, text);
    if (rc == RC_OK && !buf_ok(&p.ranges))
        rc = err_set(err, RC_NOMEM, "no memory for a list of ranges");
    if (rc == RC_OK) {
        size_t count = p.ranges.len / sizeof(struct cidr_range);
        ret_set->ranges = (struct cidr_range *)(void *)take_ptr(&p.ranges.data);
        if (count)
            qsort(ret_set->ranges, count, sizeof(struct cidr_range), compare);
        ret_set->count = merge(ret_set->ranges, count);
    }
    buf_done(&p.ranges);
    return rc;
}

void cidr_set_done(struct cidr_set *set)
{
    heap_free(set->ranges);
    *set = (struct cidr_set){NULL, 0};
}

bool cidr_set_has(const struct cidr_set *set, struct ip address)
{
    uint32_t low = 0, high = set->count; /* the first range that does not end before address */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ip_is_before(set->ranges[middle].last, address))
            low = middle + 1;
        else
            high = middle;
    }
    return low < set->count && !ip_is_before(address, set->ranges[low].first);
}
