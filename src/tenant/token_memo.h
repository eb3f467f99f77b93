#ifndef WEIR_TENANT_TOKEN_MEMO_H
#define WEIR_TENANT_TOKEN_MEMO_H
/* A memo of verified tokens: the same few tokens come with every request of a client for minutes,
 * and a signature costs 20 to 100 µs. With it they cost one SHA-256.
 *
 * What is noted holds for exactly these bytes of a token, as long as
 *   - the key set that verified it is in force (jwks_is_current),
 *   - the rules by which its claims were read are the same (rules: a number that changes whenever
 *     issuers, projects or roles do, such as the generation of the tenant's view), and
 *   - it has not expired.
 * The token itself is not kept, only its hash. One memo belongs to one thread. */
#include "codec/hash.h"
#include "tenant/jwks_cache.h"

enum { TOKEN_MEMO_SLOTS = 64, TOKEN_VALUE_BYTES_MAX = 448 };

struct token_id {
    uint8_t hash[SHA256_BYTES];
};
void token_id_of(struct slice token, struct token_id *ret_id);

struct token_memo_slot {
    struct token_id id;
    uint64_t keys; /* generation of the key set; 0: unused */
    uint64_t rules;
    unix_ms until; /* exclusive */
    size_t value_len;
    _Alignas(16) char value[TOKEN_VALUE_BYTES_MAX];
};
struct token_memo {
    struct token_memo_slot slots[TOKEN_MEMO_SLOTS];
};
struct token_memo *token_memo_mine(void); /* the calling thread's, for its life */

/* What was noted, aligned to 16 bytes, until the next put. */
bool token_memo_get(const struct token_memo *m, const struct token_id *id,
                    const struct jwks_current *current, uint64_t rules, unix_ms now,
                    struct slice *ret_value);
/* keys: generation of the snapshot that verified it. until: jwt_expires_at(). value: at most
 * TOKEN_VALUE_BYTES_MAX (longer: not noted). Takes the place of what had its slot. */
void token_memo_put(struct token_memo *m, const struct token_id *id, uint64_t keys, uint64_t rules,
                    unix_ms until, struct slice value);
#endif
