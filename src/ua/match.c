/* WHAT    The first rule of a list that matches a text, and the texts that come of it.
 * WHY     set.c. The answer is that of trying all rules in their order; tests hold both together.
 * INVARIANTS  Each try has a limit of steps, and past CUTS_MAX tries cut short no rule of that text
 *         is tried any more: the worst user agent costs a bounded time (docs/internals/
 *         user_agent.md has the figure).
 * THREADS the parser's. */
#include "ua/ua_int.h"

enum { STEPS_MAX = 30000, DEPTH_MAX = 2000, CUTS_MAX = 4, WORD = 64 };

static pcre2_match_context *limits_new(const struct ua_set *set)
{
    pcre2_match_context *limits = pcre2_match_context_create(set->general);
    if (limits) {
        pcre2_set_match_limit(limits, STEPS_MAX);
        pcre2_set_depth_limit(limits, DEPTH_MAX);
    }
    return limits;
}

enum rc ua_parser_new(const struct ua_set *set, size_t cache_bytes_max,
                      struct ua_parser **ret_parser)
{
    CLEANUP(ua_parser_freep) struct ua_parser *p = heap_try_alloc(HEAP_ANALYTICS, sizeof(*p));
    ENSURE(p, RC_NOMEM);
    p->set = set;
    p->match = pcre2_match_data_create(UA_GROUPS_MAX + 1, set->general);
    p->limits = limits_new(set);
    p->rules = heap_try_alloc(HEAP_ANALYTICS, (ua_rule_count() + WORD - 1) / WORD * 8);
    p->atoms = heap_try_alloc(HEAP_ANALYTICS, (ua_atom_count + WORD - 1) / WORD * 8);
    p->space = heap_try_alloc(HEAP_ANALYTICS, UA_SPACE_BYTES);
    ENSURE(p->match && p->limits && p->rules && p->atoms && p->space, RC_NOMEM);
    p->cache = ua_cache_new(cache_bytes_max);
    ENSURE(p->cache, RC_NOMEM);
    *ret_parser = take_ptr(&p);
    return RC_OK;
}

void ua_parser_free(struct ua_parser *p)
{
    if (!p)
        return;
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    heap_free(p->rules);
    heap_free(p->atoms);
    heap_free(p->space);
    ua_cache_free(p->cache);
    heap_free(p);
}

struct ua_stats ua_parser_stats(const struct ua_parser *p)
{
    struct ua_stats stats = p->stats;
    stats.cache_bytes = ua_cache_bytes(p->cache);
    return stats;
}

/* ---- which rules ---- */
static bool bit_is(const uint64_t *bits, uint32_t i)
{
    return bits[i / WORD] >> i % WORD & 1;
}

static void atom_found(struct ua_parser *p, uint32_t atom)
{
    const struct ua_set *set = p->set;
    if (bit_is(p->atoms, atom))
        return;
    p->atoms[atom / WORD] |= UINT64_C(1) << atom % WORD;
    for (uint32_t i = set->atom_rules[atom]; i < set->atom_rules[atom + 1]; i++) {
        uint16_t rule = set->rules_of[i];
        p->rules[rule / WORD] |= UINT64_C(1) << rule % WORD;
    }
}

void ua_scan(struct ua_parser *p, struct slice text)
{
    const struct ua_set *set = p->set;
    memcpy(p->rules, set->always, (ua_rule_count() + WORD - 1) / WORD * 8);
    memset(p->atoms, 0, (ua_atom_count + WORD - 1) / WORD * 8);
    p->cut_now = 0;
    uint32_t state = 0;
    for (size_t i = 0; i < text.len; i++) {
        state = set->next[state * set->symbols + set->symbol[(unsigned char)text.data[i]]];
        for (uint32_t s = set->state_atom[state] ? state : set->state_more[state]; s;
             s = set->state_more[s])
            atom_found(p, set->state_atom[s] - 1U);
    }
}

/* All clauses but the first one, which brought the rule in. */
static bool may_match(const struct ua_parser *p, uint32_t rule)
{
    const uint16_t *clause = &ua_clauses[ua_rules[rule].clauses];
    if (*clause == 0)
        return true;
    for (clause += *clause + 1; *clause; clause += *clause + 1) {
        bool is_any = false;
        for (uint32_t i = 1; i <= *clause && !is_any; i++)
            is_any = bit_is(p->atoms, clause[i]);
        if (!is_any)
            return false;
    }
    return true;
}

static bool try_rule(struct ua_parser *p, uint32_t rule, struct slice text)
{
    int n = pcre2_match(p->set->codes[rule], (PCRE2_SPTR)text.data, text.len, 0, 0, p->match,
                        p->limits);
    if (n >= 0)
        return true;
    if (n != PCRE2_ERROR_NOMATCH) { /* a limit, of steps, depth, stack or memory */
        p->cut_now++;
        p->stats.cut_short++;
    }
    return false;
}

int32_t ua_match(struct ua_parser *p, enum ua_list list, struct slice text, bool all)
{
    uint32_t rule = ua_list_begin[list], end = ua_list_begin[list + 1];
    while (rule < end && p->cut_now < CUTS_MAX) {
        uint64_t left = all ? UINT64_MAX : p->rules[rule / WORD] >> rule % WORD;
        if (left == 0) {
            rule = (rule / WORD + 1) * WORD;
            continue;
        }
        rule += (uint32_t)__builtin_ctzll(left);
        if (rule < end && (all || may_match(p, rule)) && try_rule(p, rule, text))
            return (int32_t)rule;
        rule++;
    }
    return -1;
}

/* ---- texts ---- */
/* Without blanks at its ends, and no part of a character: expressions count bytes, and one that
 * takes "at most 200 of anything" may end inside of one. */
static struct slice whole(struct slice s)
{
    while (s.len && ((unsigned char)s.data[0] <= ' ' || ((unsigned char)s.data[0] & 0xC0) == 0x80))
        s = slice_sub(s, 1);
    size_t n = 0;
    while (n < s.len) {
        size_t step = (unsigned char)s.data[n] < 0x80 ? 1 : slice_utf8_len(slice_sub(s, n));
        if (step == 0 || n + step > UA_NAME_BYTES_MAX)
            break;
        n += step;
    }
    while (n && (unsigned char)s.data[n - 1] <= ' ')
        n--;
    return slice_of(s.data, n);
}

struct slice ua_keep(struct ua_parser *p, struct slice text)
{
    if (text.len == 0 || text.len > UA_SPACE_BYTES - p->space_used)
        return SLICE_EMPTY;
    char *to = p->space + p->space_used;
    memcpy(to, text.data, text.len);
    p->space_used += text.len;
    return slice_of(to, text.len);
}

struct slice ua_join(struct ua_parser *p, struct slice a, struct slice between, struct slice b)
{
    char joined[2 * UA_NAME_BYTES_MAX + 8];
    size_t n = between.len;
    if (a.len == 0 || b.len == 0 || a.len + n + b.len > sizeof(joined))
        return a;
    memcpy(joined, a.data, a.len);
    memcpy(joined + a.len, between.data, n);
    memcpy(joined + a.len + n, b.data, b.len);
    return ua_keep(p, whole(slice_of(joined, a.len + n + b.len)));
}

static struct slice group_of(const struct ua_parser *p, unsigned group, struct slice text)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->match);
    PCRE2_SIZE from = at[2 * (size_t)group], to = at[2 * (size_t)group + 1];
    return from == PCRE2_UNSET || to < from ? SLICE_EMPTY : slice_of(text.data + from, to - from);
}

struct slice ua_field(struct ua_parser *p, int32_t rule, unsigned field, struct slice text)
{
    const char *from = ua_rules[rule].fields[field];
    char filled[UA_BYTES_MAX];
    size_t n = 0;
    while (from && *from && n < sizeof(filled)) {
        if (from[0] != '$' || from[1] < '1' || from[1] > '9') {
            filled[n++] = *from++;
            continue;
        }
        struct slice part = group_of(p, (unsigned)(from[1] - '0'), text);
        size_t take = part.len < sizeof(filled) - n ? part.len : sizeof(filled) - n;
        memcpy(filled + n, part.data, take);
        n += take;
        from += 2;
    }
    return ua_keep(p, whole(slice_of(filled, n)));
}
