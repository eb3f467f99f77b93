#ifndef WEIR_TEST_ARCHIVE_TEST_H
#define WEIR_TEST_ARCHIVE_TEST_H
/* What the archive's unit tests share: cmocka, temporary folders, a digest of a whole object store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "archive/object.h"
#include "base/heap.h"
#include "base/os.h"
#include "base/random.h"
#include "codec/hash.h"

#define assert_ok(expr)                                     \
    do {                                                    \
        enum rc assert_rc_ = (expr);                        \
        if (assert_rc_ != RC_OK)                            \
            fail_msg("%s: %s", #expr, rc_name(assert_rc_)); \
    } while (0)

static inline void temp_dir(char ret_path[OS_PATH_MAX])
{
    const char *base = getenv("TMPDIR");
    struct err err = ERR_INIT;
    os_path(ret_path, "%s/weir-archive-%016llx", base ? base : "/tmp",
            (unsigned long long)random_u64());
    assert_ok(os_mkdirs(ret_path, &err));
}

static inline void remove_dir(const char *path)
{
    struct err err = ERR_INIT;
    assert_ok(os_remove_tree(path, &err));
}

struct store_digest {
    struct object_store *store;
    struct buf text; /* "key bytes sha256" of every object */
};

static inline enum rc digest_one(void *ctx, const struct object_info *info, struct err *err)
{
    struct store_digest *d = ctx;
    struct buf content;
    uint8_t hash[SHA256_BYTES];
    buf_init(&content, 64 << 20);
    enum rc rc = object_get(d->store, info->key, 0, 64 << 20, &content, NULL, err);
    sha256(buf_slice(&content), hash);
    buf_addf(&d->text, "%s %zu ", info->key, content.len);
    for (int i = 0; i < SHA256_BYTES; i++)
        buf_addf(&d->text, "%02x", hash[i]);
    buf_add_char(&d->text, '\n');
    buf_done(&content);
    return rc;
}

/* Every key, size and SHA-256, as text; free with buf_done. */
static inline struct buf digest_of(struct object_store *s)
{
    struct store_digest d = {.store = s};
    struct err err = ERR_INIT;
    buf_init(&d.text, 16 << 20);
    assert_ok(object_each(s, "", digest_one, &d, &err));
    return d.text;
}
#endif
