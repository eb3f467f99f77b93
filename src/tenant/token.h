#ifndef WEIR_TENANT_TOKEN_H
#define WEIR_TENANT_TOKEN_H
/* Bearer tokens that we make and somebody brings back: of sessions, password resets, invitations.
 * 32 random bytes as base64url; kept as SHA-256 of the text, so that the state file is no list of
 * them. A plain hash is enough, for there is nothing to guess in 256 bits; finding one by its hash
 * in an index leaks nothing by its timing, for nobody can steer hashes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "codec/hash.h"

enum { TOKEN_BYTES = 32, TOKEN_TEXT = 43, TOKEN_HASH_BYTES = SHA256_BYTES };
struct token {
    char text[TOKEN_TEXT + 1]; /* a secret: wiped by whoever holds it, never logged */
};
void token_write(const uint8_t bytes[TOKEN_BYTES], struct token *ret_token);
/* A new one, and the hash to keep. */
void token_make(struct token *ret_token, uint8_t ret_hash[TOKEN_HASH_BYTES]);
/* False if text cannot be a token: nothing has to be looked up then. */
bool token_hash(struct slice text, uint8_t ret_hash[TOKEN_HASH_BYTES]);
#endif
