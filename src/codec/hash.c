#include "codec/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/must.h"

/* OpenSSL 3 looks an algorithm up by name on every one-shot call; fetched once it is three times
 * as fast. Never freed: it lives as long as the process. */
static EVP_MD *md_sha256;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void md_fetch(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(md_sha256);
}

void sha256(struct slice data, uint8_t ret_hash[SHA256_BYTES])
{
    sha256_parts(&data, 1, ret_hash);
}

void sha256_parts(const struct slice *parts, uint32_t count, uint8_t ret_hash[SHA256_BYTES])
{
    pthread_once(&md_once, md_fetch);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    must(ctx && EVP_DigestInit_ex2(ctx, md_sha256, NULL) == 1);
    for (uint32_t i = 0; i < count; i++)
        must(parts[i].len == 0 || EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1);
    must(EVP_DigestFinal_ex(ctx, ret_hash, NULL) == 1);
    EVP_MD_CTX_free(ctx);
}

/* RFC 2104. OpenSSL's own looks HMAC up by name on every call, which costs more than the hashes. */
void hmac_sha256(struct slice key, struct slice data, uint8_t ret_mac[SHA256_BYTES])
{
    enum { BLOCK_BYTES = 64, INNER = 0x36, OUTER = 0x5c };
    uint8_t block[BLOCK_BYTES] = {0}, hash[SHA256_BYTES];
    if (key.len > BLOCK_BYTES)
        sha256(key, block);
    else if (key.len)
        memcpy(block, key.data, key.len);
    for (unsigned i = 0; i < BLOCK_BYTES; i++)
        block[i] ^= INNER;
    struct slice parts[] = {slice_of((const char *)block, BLOCK_BYTES), data};
    sha256_parts(parts, COUNT_OF(parts), hash);
    for (unsigned i = 0; i < BLOCK_BYTES; i++)
        block[i] ^= INNER ^ OUTER;
    parts[1] = slice_of((const char *)hash, sizeof(hash));
    sha256_parts(parts, COUNT_OF(parts), ret_mac);
    OPENSSL_cleanse(block, sizeof(block));
}
