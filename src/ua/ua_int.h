#ifndef WEIR_UA_UA_INT_H
#define WEIR_UA_UA_INT_H
/* Inside of ua/: tables of the rules (made by tools/ua_data.py), their matching (set.c, match.c),
 * what a text says about device and bot (judge.c), hints (hints.c), the memory (cache.c). */
#include "ua/ua.h"

#include "base/heap.h"
#include "base/must.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* ---- tables ---- */
enum ua_list { UA_LIST_BROWSER, UA_LIST_OS, UA_LIST_DEVICE, UA_LIST_BOT, UA_LIST_COUNT };
enum { UA_FIELDS_MAX = 5, UA_GROUPS_MAX = 9 };
struct ua_rule {
    const char *pattern;
    /* Texts with $1 … $9; NULL = none. browser: family, v1, v2, v3. os: family, v1 … v4. device:
     * family, brand, model. */
    const char *fields[UA_FIELDS_MAX];
    uint32_t clauses; /* where ua_clauses has its clauses */
    bool is_caseless;
};
extern const struct ua_rule ua_rules[];                 /* list by list, each in its order */
extern const uint32_t ua_list_begin[UA_LIST_COUNT + 1]; /* the last one is the number of rules */
extern const char *const ua_atoms[];                    /* lower case, sorted */
extern const uint32_t ua_atom_count;
/* A clause is n and n atoms, one of which must be in the text; a rule's clauses end with 0. */
extern const uint16_t ua_clauses[];

/* ---- the set ---- */
enum { UA_SYMBOLS_MAX = 64 };
struct ua_set {
    pcre2_general_context *general;
    pcre2_code **codes; /* by rule */
    /* The automaton: state 0 is the start; next[state * symbols + symbol]. */
    uint8_t symbol[256]; /* of a byte; upper case as lower; 0 = in no atom */
    uint32_t symbols, states;
    uint16_t *next;
    uint16_t *state_atom; /* atom + 1 that ends in the state, 0 = none */
    uint16_t *state_more; /* the next state in which a shorter one ends, 0 = none */
    /* rules_of[atom_rules[a]] up to atom_rules[a + 1]: whose first clause has the atom. */
    uint32_t *atom_rules;
    uint16_t *rules_of;
    uint64_t *always; /* rules without clauses */
};
static inline uint32_t ua_rule_count(void)
{
    return ua_list_begin[UA_LIST_COUNT];
}

/* ---- matching ---- */
struct ua_parser {
    const struct ua_set *set;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    uint64_t *rules;  /* that may match the text, of ua_scan; a bit each */
    uint64_t *atoms;  /* that are in the text */
    uint32_t cut_now; /* rules cut short in this text */
    char *space;      /* the texts of a result */
    size_t space_used;
    struct ua_cache *cache;
    struct ua_stats stats;
};
enum { UA_SPACE_BYTES = 8192 };

/* Finds the rules that may match. text must stay until the matches are done. */
void ua_scan(struct ua_parser *p, struct slice text);
/* The first rule of the list that matches the text just scanned, -1 if none does. all: without the
 * help of ua_scan, one rule after the other (for the tests: the same answer). */
int32_t ua_match(struct ua_parser *p, enum ua_list list, struct slice text, bool all);
/* Text of a field of the rule just matched, trimmed, cut; empty if there is none. */
struct slice ua_field(struct ua_parser *p, int32_t rule, unsigned field, struct slice text);
/* Copies into the space of the result; SLICE_EMPTY if that is full. */
struct slice ua_keep(struct ua_parser *p, struct slice text);
struct slice ua_join(struct ua_parser *p, struct slice a, struct slice between, struct slice b);

/* ---- judging; user agents in lower case ---- */
bool ua_has(struct slice text, const char *word);
bool ua_has_any(struct slice text, const char *const *words); /* ends with NULL */
bool ua_is_server_sdk(struct slice ua);
enum ua_reason ua_reason_of(struct slice ua); /* without the lists */
struct ua_said {                              /* what the rules said */
    struct slice os, family, brand, model;
};
enum ua_device ua_device_of(struct slice ua, const struct ua_said *said);

/* ---- hints ---- */
enum { UA_BRAND_BYTES_MAX = 64, UA_VERSION_BYTES_MAX = 32 };
struct ua_text { /* a decoded string */
    char data[UA_NAME_BYTES_MAX];
    size_t len;
};
struct ua_hinted {
    /* Of the browser among the brands that says most, by uap-core's name; empty if none is known.
     * on_mobile: its name there. */
    struct slice browser, browser_on_mobile;
    struct ua_text version;
    bool is_chromium; /* Chromium is among the brands */
    bool is_headless; /* a brand is HeadlessChrome */
    int mobile;       /* -1 = not known */
    struct slice os;  /* by uap-core's name; empty if not known */
    struct ua_text os_version, model;
};
void ua_hints_read(const struct ua_hints *hints, struct ua_hinted *ret);
/* RFC 8941: a string item, a list of strings with parameters, a boolean item. The whole text must
 * be one. */
bool ua_sf_string(struct slice text, struct ua_text *ret);
bool ua_sf_boolean(struct slice text, bool *ret);
struct ua_brand {
    struct ua_text name, version; /* version: of the parameter v; empty if there is none */
};
enum { UA_BRANDS_MAX = 16 };
bool ua_sf_brands(struct slice text, struct ua_brand ret[UA_BRANDS_MAX], size_t *ret_n);
bool ua_is_grease(struct slice brand);

/* ---- memory of one thread ---- */
struct ua_cache;
struct ua_cache *ua_cache_new(size_t bytes_max); /* NULL: no memory */
void ua_cache_free(struct ua_cache *c);
struct ua_key {
    struct slice parts[6]; /* user agent, hints */
    uint64_t hash;
};
void ua_cache_key(const struct ua_cache *c, struct slice ua, const struct ua_hints *hints,
                  struct ua_key *ret);
const struct ua_result *ua_cache_get(struct ua_cache *c, const struct ua_key *key);
/* Returns the copy that it keeps, or NULL if it keeps none. */
const struct ua_result *ua_cache_put(struct ua_cache *c, const struct ua_key *key,
                                     const struct ua_result *r);
size_t ua_cache_bytes(const struct ua_cache *c);
#endif
