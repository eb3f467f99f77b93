#ifndef WEIR_BASE_HEAP_H
#define WEIR_BASE_HEAP_H
/* The only heap. Every block is counted under a tag (exported as a metric), and tests can make the
 * k-th allocation fail (heap_fail_after). Thread-safe. The *_try forms return NULL when memory is
 * gone; the plain forms are for small, bounded things and abort through must() instead. */
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

enum heap_tag {
    HEAP_MISC,
    HEAP_BUF,
    HEAP_ARENA,
    HEAP_CTX,
    HEAP_NET,
    HEAP_STREAM,
    HEAP_STORE,
    HEAP_STATE,
    HEAP_TENANT,
    HEAP_ANALYTICS,
    HEAP_GEO,
    HEAP_ARCHIVE,
    HEAP_APP,
    HEAP_TAG_COUNT
};

/* Once, at the start of a program that runs for long: what a burst needed goes back to the system
 * when it is over, instead of staying in malloc's arenas for good. */
void heap_configure(void);
/* Behind a burst: what is free inside malloc's arenas goes back to the system, too. Milliseconds;
 * others who allocate wait for parts of it. Any thread. */
void heap_trim(void);
void *heap_alloc(enum heap_tag tag, size_t bytes) MUST_CHECK;     /* zeroed; never NULL */
void *heap_try_alloc(enum heap_tag tag, size_t bytes) MUST_CHECK; /* zeroed; NULL if none */
void *heap_try_resize(void *block, enum heap_tag tag,
                      size_t bytes) MUST_CHECK; /* new bytes not zeroed */
char *heap_strdup(enum heap_tag tag, const char *cstr) MUST_CHECK;
char *heap_strndup(enum heap_tag tag, const char *data, size_t len) MUST_CHECK; /* adds the NUL */
void heap_free(void *block); /* NULL is allowed */

static inline void heap_freep(void *pp)
{
    void **p = (void **)pp;
    heap_free(*p);
    *p = NULL;
}

uint64_t heap_bytes(enum heap_tag tag); /* in use now */
uint64_t heap_calls(void);              /* allocations since start, for tests that want none */
const char *heap_tag_name(enum heap_tag tag);

/* Tests: the k-th heap_try_* from now on (1 = the next) returns NULL, once. 0 switches it off. */
void heap_fail_after(uint64_t k);

/* a * b that refuses to wrap: *ok = 0 on overflow. */
static inline size_t size_mul(size_t a, size_t b, int *ok)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r)) {
        *ok = 0;
        return 0;
    }
    return r;
}
#endif
