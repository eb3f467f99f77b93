/* WHAT    Buffers and decoders that ingest uses again.
 * WHY     A small request must not need the heap.
 * THREADS loops and workers: each has a pool of its own, so that there is nothing to lock. Threads
 *         beyond the number of pools have none, and use the heap. */
#include "analytics/ingest/ingest_int.h"

#include "base/heap.h"

enum {
    POOLS = 64,
    POOL_BUFS = 256, /* one event each: as many as a loop may have under way */
    POOL_DECODERS = 4,
};

struct pool {
    struct buf bufs[POOL_BUFS];
    uint32_t buf_count;
    struct decoder *decoders[POOL_DECODERS];
    uint32_t decoder_count;
};
struct ingest_pools {
    struct pool pools[POOLS];
};

struct ingest_pools *ingest_pools_new(void)
{
    return heap_alloc(HEAP_ANALYTICS, sizeof(struct ingest_pools));
}

void ingest_pools_free(struct ingest_pools *pools)
{
    for (unsigned i = 0; i < POOLS; i++) {
        struct pool *p = &pools->pools[i];
        while (p->buf_count)
            buf_done(&p->bufs[--p->buf_count]);
        while (p->decoder_count)
            decoder_free(p->decoders[--p->decoder_count]);
    }
    heap_free(pools);
}

/* NULL: it has none. */
static struct pool *pool_of_thread(struct ingest_pools *pools)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number; /* 0 = not dealt yet */
    if (!number)
        number = 1 + atomic_fetch_add(&threads, 1);
    return number <= POOLS ? &pools->pools[number - 1] : NULL;
}

void ingest_buf_take(struct ingest *in, size_t bytes_max, struct buf *ret_buf)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    buf_init(ret_buf, bytes_max);
    if (p && p->buf_count)
        *ret_buf = p->bufs[--p->buf_count];
    ret_buf->bytes_max = bytes_max;
}

void ingest_buf_give(struct ingest *in, struct buf *b)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    if (b->cap > INGEST_POOL_BUF_BYTES_MAX)
        buf_done(b);
    buf_clear(b);
    if (p && b->cap && p->buf_count < POOL_BUFS)
        p->bufs[p->buf_count++] = *b;
    else
        buf_done(b);
}

struct decoder *ingest_decoder_take(struct ingest *in)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    return p && p->decoder_count ? p->decoders[--p->decoder_count] : decoder_new();
}

void ingest_decoder_give(struct ingest *in, struct decoder *d)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    if (p && p->decoder_count < POOL_DECODERS)
        p->decoders[p->decoder_count++] = d;
    else
        decoder_free(d);
}
