#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/poison.h"

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap;
    size_t used;
    size_t unused_; /* keeps data 16-byte aligned behind the heap's 16-byte header */
    char data[];
};
_Static_assert(offsetof(struct arena_chunk, data) % 16 == 0, "data is aligned");

void arena_init(struct arena *a, size_t chunk_bytes, size_t bytes_max)
{
    must(chunk_bytes > 0 && bytes_max >= chunk_bytes);
    *a = (struct arena){.chunk_bytes = chunk_bytes, .bytes_max = bytes_max, .tag = HEAP_ARENA};
}

static struct arena_chunk *chunk_new(enum heap_tag tag, size_t cap)
{
    struct arena_chunk *c = heap_try_resize(NULL, tag, sizeof(*c) + cap);
    if (!c)
        return NULL;
    c->next = NULL;
    c->used = 0;
    c->cap = cap;
    POISON(c->data, cap);
    return c;
}

static void chunk_free(struct arena *a, struct arena_chunk *c)
{
    a->bytes_held -= c->cap;
    UNPOISON(c->data, c->cap);
    heap_free(c);
}

void arena_reset(struct arena *a)
{
    if (a->first) {
        struct arena_chunk *next = a->first->next;
        while (next) {
            struct arena_chunk *c = next;
            next = c->next;
            chunk_free(a, c);
        }
        a->first->next = NULL;
        POISON(a->first->data, a->first->cap);
        a->first->used = 0;
    }
    a->current = a->first;
    a->bytes_used = 0;
    a->is_failed = false;
}

void arena_wipe(struct arena *a)
{
    for (struct arena_chunk *c = a->first; c; c = c->next) {
        UNPOISON(c->data, c->used);
        memset(c->data, POISON_BYTE, c->used);
    }
    arena_reset(a);
}

void arena_done(struct arena *a)
{
    arena_reset(a);
    if (a->first)
        chunk_free(a, a->first);
    a->first = a->current = NULL;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (UNLIKELY(bytes > a->bytes_max || a->bytes_used > a->bytes_max - bytes)) {
        a->is_failed = true;
        return NULL;
    }
    size_t rounded = (bytes + 15) & ~(size_t)15;
    struct arena_chunk *c = a->current;
    if (UNLIKELY(!c || rounded > c->cap - c->used)) {
        c = chunk_new(a->tag, rounded > a->chunk_bytes ? rounded : a->chunk_bytes);
        if (!c) {
            a->is_failed = true;
            return NULL;
        }
        if (a->current)
            a->current->next = c;
        else
            a->first = c;
        a->current = c;
        a->bytes_held += c->cap;
    }
    void *p = c->data + c->used;
    UNPOISON(p, bytes);
    c->used += rounded;
    a->bytes_used += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *p = arena_alloc(a, bytes);
    if (p)
        memset(p, 0, bytes);
    return p;
}

char *arena_strndup(struct arena *a, const char *data, size_t len)
{
    char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
    if (!p)
        return NULL;
    if (len)
        memcpy(p, data, len);
    p[len] = '\0';
    return p;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_strndup(a, s.data, s.len);
    return p ? slice_of(p, s.len) : SLICE_EMPTY;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    must(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}
