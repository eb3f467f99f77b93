/* WHAT    The rules, compiled, and the automaton that says which of them a text can match at all.
 * WHY     2,900 regular expressions in a row cost a quarter of a millisecond per user agent. Nearly
 *         each needs some literal; what a text holds of the 4,700 literals is found in one pass
 *         (Aho, Corasick 1975), and then a dozen expressions are left to try.
 * LAYOUT  trie of the atoms → failure links, breadth first → dense table of next states.
 * INVARIANTS  A rule that is left out cannot match: atoms are folded to lower case, as the text is.
 *         Expressions work on bytes (no PCRE2_UTF): its case folding beyond ASCII (U+212A is a k)
 *         would match what the atoms miss.
 * THREADS none; immutable once made. */
#include "ua/ua_int.h"

enum { STATES_MAX = 65535 };

static void *pcre_alloc(PCRE2_SIZE bytes, void *ctx)
{
    (void)ctx;
    return heap_try_alloc(HEAP_ANALYTICS, bytes);
}

static void pcre_free(void *block, void *ctx)
{
    (void)ctx;
    heap_free(block);
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

/* ---- expressions ---- */
static enum rc compile(struct ua_set *set)
{
    uint32_t n = ua_rule_count();
    pcre2_compile_context *ctx = pcre2_compile_context_create(set->general);
    set->codes = heap_try_alloc(HEAP_ANALYTICS, n * sizeof(pcre2_code *));
    enum rc rc = ctx && set->codes ? RC_OK : RC_NOMEM;
    for (uint32_t i = 0; i < n && rc == RC_OK; i++) {
        const struct ua_rule *rule = &ua_rules[i];
        uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
                           (rule->is_caseless ? PCRE2_CASELESS : 0);
        int code = 0;
        PCRE2_SIZE at = 0;
        set->codes[i] = pcre2_compile((PCRE2_SPTR)rule->pattern, PCRE2_ZERO_TERMINATED, options,
                                      &code, &at, ctx);
        must(set->codes[i] || code == PCRE2_ERROR_HEAP_FAILED);
        if (!set->codes[i])
            rc = RC_NOMEM;
        else
            IGNORE(pcre2_jit_compile(set->codes[i], PCRE2_JIT_COMPLETE) != 0,
                   "where no code may be made at run time it is interpreted");
    }
    pcre2_compile_context_free(ctx);
    return rc;
}

/* ---- the automaton ---- */
static void count_symbols(struct ua_set *set)
{
    bool is_used[256] = {false};
    for (uint32_t a = 0; a < ua_atom_count; a++)
        for (const char *c = ua_atoms[a]; *c; c++)
            is_used[(unsigned char)*c] = true;
    set->symbols = 1;
    for (unsigned c = 0; c < 256; c++)
        if (is_used[c])
            set->symbol[c] = (uint8_t)set->symbols++;
    for (unsigned c = 'A'; c <= 'Z'; c++)
        set->symbol[c] = set->symbol[lower((unsigned char)c)];
    must(set->symbols <= UA_SYMBOLS_MAX);
}

/* An upper bound of the states: the atoms are sorted, so each adds what it has not in common with
 * the one before. */
static uint32_t count_states(void)
{
    uint32_t n = 1;
    const char *before = "";
    for (uint32_t a = 0; a < ua_atom_count; a++) {
        size_t same = 0;
        while (before[same] && before[same] == ua_atoms[a][same])
            same++;
        n += (uint32_t)(strlen(ua_atoms[a]) - same);
        before = ua_atoms[a];
    }
    must(n <= STATES_MAX);
    return n;
}

static void add_atom(struct ua_set *set, uint32_t atom)
{
    uint32_t state = 0;
    for (const char *c = ua_atoms[atom]; *c; c++) {
        uint16_t *to = &set->next[state * set->symbols + set->symbol[(unsigned char)*c]];
        if (*to == 0)
            *to = (uint16_t)set->states++;
        state = *to;
    }
    set->state_atom[state] = (uint16_t)(atom + 1);
}

/* Breadth first: fail[] of a state lies nearer to the root and is ready. */
static void link_state(struct ua_set *set, uint32_t state, uint16_t *fail, uint16_t *queue,
                       uint32_t *tail)
{
    uint16_t *row = &set->next[state * set->symbols];
    const uint16_t *other = &set->next[(size_t)fail[state] * set->symbols];
    for (uint32_t s = 0; s < set->symbols; s++) {
        if (row[s] == 0) {
            row[s] = state ? other[s] : 0;
            continue;
        }
        fail[row[s]] = state ? other[s] : 0;
        uint16_t link = fail[row[s]];
        set->state_more[row[s]] = set->state_atom[link] ? link : set->state_more[link];
        queue[(*tail)++] = row[s];
    }
}

static enum rc build(struct ua_set *set)
{
    count_symbols(set);
    uint32_t states = count_states(), head = 0, tail = 0;
    set->next = heap_try_alloc(HEAP_ANALYTICS, (size_t)states * set->symbols * sizeof(uint16_t));
    set->state_atom = heap_try_alloc(HEAP_ANALYTICS, states * sizeof(uint16_t));
    set->state_more = heap_try_alloc(HEAP_ANALYTICS, states * sizeof(uint16_t));
    CLEANUP(heap_freep) uint16_t *fail = heap_try_alloc(HEAP_ANALYTICS, states * sizeof(uint16_t));
    CLEANUP(heap_freep) uint16_t *queue = heap_try_alloc(HEAP_ANALYTICS, states * sizeof(uint16_t));
    ENSURE(set->next && set->state_atom && set->state_more && fail && queue, RC_NOMEM);
    set->states = 1;
    for (uint32_t a = 0; a < ua_atom_count; a++)
        add_atom(set, a);
    must(set->states == states);
    link_state(set, 0, fail, queue, &tail);
    while (head < tail)
        link_state(set, queue[head++], fail, queue, &tail);
    return RC_OK;
}

/* ---- from atoms to rules ---- */
static enum rc index_rules(struct ua_set *set)
{
    uint32_t n = ua_rule_count(), total = 0;
    set->atom_rules = heap_try_alloc(HEAP_ANALYTICS, (ua_atom_count + 2) * sizeof(uint32_t));
    set->always = heap_try_alloc(HEAP_ANALYTICS, (n + 63) / 64 * sizeof(uint64_t));
    ENSURE(set->atom_rules && set->always, RC_NOMEM);
    for (uint32_t r = 0; r < n; r++) {
        const uint16_t *clause = &ua_clauses[ua_rules[r].clauses];
        if (*clause == 0)
            set->always[r / 64] |= UINT64_C(1) << r % 64;
        for (uint32_t i = 1; i <= *clause; i++, total++)
            set->atom_rules[clause[i] + 2]++;
    }
    for (uint32_t a = 2; a < ua_atom_count + 2; a++)
        set->atom_rules[a] += set->atom_rules[a - 1];
    set->rules_of = heap_try_alloc(HEAP_ANALYTICS, (total + 1) * sizeof(uint16_t));
    ENSURE(set->rules_of, RC_NOMEM);
    for (uint32_t r = 0; r < n;
         r++) { /* atom_rules[a + 1] moves from the beginning of a to its end */
        const uint16_t *clause = &ua_clauses[ua_rules[r].clauses];
        for (uint32_t i = 1; i <= *clause; i++)
            set->rules_of[set->atom_rules[clause[i] + 1]++] = (uint16_t)r;
    }
    return RC_OK;
}

enum rc ua_set_new(struct ua_set **ret_set)
{
    CLEANUP(ua_set_freep) struct ua_set *set = heap_try_alloc(HEAP_ANALYTICS, sizeof(*set));
    ENSURE(set, RC_NOMEM);
    set->general = pcre2_general_context_create(pcre_alloc, pcre_free, NULL);
    ENSURE(set->general, RC_NOMEM);
    must(ua_rule_count() <= UINT16_MAX);
    TRY(compile(set));
    TRY(build(set));
    TRY(index_rules(set));
    *ret_set = take_ptr(&set);
    return RC_OK;
}

void ua_set_free(struct ua_set *set)
{
    if (!set)
        return;
    for (uint32_t i = 0; set->codes && i < ua_rule_count(); i++)
        pcre2_code_free(set->codes[i]);
    pcre2_general_context_free(set->general);
    heap_free(set->codes);
    heap_free(set->next);
    heap_free(set->state_atom);
    heap_free(set->state_more);
    heap_free(set->atom_rules);
    heap_free(set->rules_of);
    heap_free(set->always);
    heap_free(set);
}
