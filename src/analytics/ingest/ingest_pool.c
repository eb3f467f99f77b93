/* WHAT    Buffers and decoders that ingest uses again.
 * WHY     A small request must not need the heap.
 * THREADS loops and workers; threads are dealt over several pools, each with a mutex, so that two
 *         loops seldom meet at one. */
#include "analytics/ingest/ingest_int.h"

#include <pthread.h>

#include "base/heap.h"

enum {
    POOLS = 16,
    POOL_BUFS = 256, /* one event each: as many as a loop may have under way */
    POOL_DECODERS = 4,
};

struct pool {
    pthread_mutex_t lock; /* guards what follows */
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
    struct ingest_pools *pools = heap_alloc(HEAP_ANALYTICS, sizeof(*pools));
    for (unsigned i = 0; i < POOLS; i++)
        pthread_mutex_init(&pools->pools[i].lock, NULL);
    return pools;
}

void ingest_pools_free(struct ingest_pools *pools)
{
    for (unsigned i = 0; i < POOLS; i++) {
        struct pool *p = &pools->pools[i];
        while (p->buf_count)
            buf_done(&p->bufs[--p->buf_count]);
        while (p->decoder_count)
            decoder_free(p->decoders[--p->decoder_count]);
        pthread_mutex_destroy(&p->lock);
    }
    heap_free(pools);
}

static struct pool *pool_of_thread(struct ingest_pools *pools)
{
    static _Atomic unsigned threads;
    static _Thread_local unsigned number; /* 0 = not dealt yet */
    if (!number)
        number = 1 + atomic_fetch_add(&threads, 1);
    return &pools->pools[number % POOLS];
}

void ingest_buf_take(struct ingest *in, size_t bytes_max, struct buf *ret_buf)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    buf_init(ret_buf, bytes_max);
    pthread_mutex_lock(&p->lock);
    if (p->buf_count)
        *ret_buf = p->bufs[--p->buf_count];
    pthread_mutex_unlock(&p->lock);
    ret_buf->bytes_max = bytes_max;
}

void ingest_buf_give(struct ingest *in, struct buf *b)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    if (b->cap > INGEST_POOL_BUF_BYTES_MAX)
        buf_done(b);
    buf_clear(b);
    pthread_mutex_lock(&p->lock);
    bool is_kept = b->cap && p->buf_count < POOL_BUFS;
    if (is_kept)
        p->bufs[p->buf_count++] = *b;
    pthread_mutex_unlock(&p->lock);
    if (!is_kept)
        buf_done(b);
}

struct decoder *ingest_decoder_take(struct ingest *in)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    pthread_mutex_lock(&p->lock);
    struct decoder *d = p->decoder_count ? p->decoders[--p->decoder_count] : NULL;
    pthread_mutex_unlock(&p->lock);
    return d ? d : decoder_new();
}

void ingest_decoder_give(struct ingest *in, struct decoder *d)
{
    struct pool *p = pool_of_thread(ingest_pools(in));
    pthread_mutex_lock(&p->lock);
    bool is_kept = p->decoder_count < POOL_DECODERS;
    if (is_kept)
        p->decoders[p->decoder_count++] = d;
    pthread_mutex_unlock(&p->lock);
    if (!is_kept)
        decoder_free(d);
}
