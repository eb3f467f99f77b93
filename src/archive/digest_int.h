#ifndef WEIR_ARCHIVE_DIGEST_INT_H
#define WEIR_ARCHIVE_DIGEST_INT_H
/* Bytes, SHA-256 and CRC-32C of something that passes by piece by piece. */
#include <openssl/evp.h>

#include "archive/manifest.h"
#include "base/crc32c.h"
#include "base/must.h"

struct digest {
    EVP_MD_CTX *sha; /* NULL after digest_done() */
    uint32_t crc;
    uint64_t bytes;
};
static inline enum rc digest_init(struct digest *d, struct err *err)
{
    *d = (struct digest){.sha = EVP_MD_CTX_new()};
    if (!d->sha || EVP_DigestInit_ex(d->sha, EVP_sha256(), NULL) != 1)
        return err_set(err, RC_NOMEM, "no memory for a digest");
    return RC_OK;
}
static inline void digest_add(struct digest *d, struct slice s)
{
    if (s.len)
        must(EVP_DigestUpdate(d->sha, s.data, s.len) == 1);
    d->crc = crc32c(d->crc, s.data, s.len);
    d->bytes += s.len;
}
/* Fills bytes, sha256, crc32c; once. */
static inline void digest_end(struct digest *d, struct archive_object *ret)
{
    must(EVP_DigestFinal_ex(d->sha, ret->sha256, NULL) == 1);
    ret->crc32c = d->crc;
    ret->bytes = d->bytes;
}
static inline void digest_done(struct digest *d)
{
    EVP_MD_CTX_free(d->sha);
    d->sha = NULL;
}
static inline bool digest_is_same(const struct archive_object *a, const struct archive_object *b)
{
    return a->bytes == b->bytes && a->crc32c == b->crc32c &&
           memcmp(a->sha256, b->sha256, SHA256_BYTES) == 0;
}
#endif
