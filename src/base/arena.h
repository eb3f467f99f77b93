#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H
/* Bump allocation by lifetime: a request, a consumer batch. Reset, not freed piece by piece.
 *
 * Bounded: past bytes_max an allocation returns NULL and is_failed stays set until the reset.
 * Under ASan what was given out is poisoned at the reset. Owned by one thread. */
#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/heap.h"
#include "base/slice.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *first; /* kept across resets */
    struct arena_chunk *current;
    size_t chunk_bytes; /* size of the first chunk; larger requests get their own */
    size_t bytes_max;
    size_t bytes_used; /* given out since the reset */
    size_t bytes_held; /* of the heap */
    bool is_failed;
    enum heap_tag tag; /* HEAP_ARENA unless it is set after arena_init() */
};

void arena_init(struct arena *a, size_t chunk_bytes, size_t bytes_max);
void arena_reset(struct arena *a); /* keeps the first chunk */
/* The same, and what was given out is overwritten (POISON_BYTE): for memory of one tenant that the
 * next may get. */
void arena_wipe(struct arena *a);
void arena_done(struct arena *a);

void *arena_alloc(struct arena *a,
                  size_t bytes) MUST_CHECK; /* 16-byte aligned, NOT zeroed, NULL if full */
void *arena_zalloc(struct arena *a, size_t bytes) MUST_CHECK;
char *arena_strndup(struct arena *a, const char *data, size_t len) MUST_CHECK; /* adds the NUL */
struct slice arena_copy(struct arena *a, struct slice s) MUST_CHECK; /* SLICE_EMPTY if full */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
#endif
