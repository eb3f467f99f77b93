/* A pool of store clients (store.h): made when first needed, then kept. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/heap.h"
#include "base/must.h"
#include "store/store.h"

struct store_pool {
    _Atomic bool is_open;
    pthread_mutex_t lock;
    pthread_cond_t given;
    uint32_t count;
    uint32_t free_count;
    struct store_client *clients[]; /* [0, free_count) are free */
};

enum rc store_pool_new(const struct store_cfg *cfg, uint32_t clients_max, struct store_pool **ret,
                       struct err *err)
{
    must(clients_max > 0 && clients_max <= 1024);
    struct store_pool *p =
        heap_alloc(HEAP_STORE, sizeof(*p) + clients_max * sizeof(struct store_client *));
    atomic_init(&p->is_open, false);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->given, NULL);
    p->count = clients_max;
    for (; p->free_count < clients_max; p->free_count++) {
        enum rc rc = store_client_new(cfg, &p->clients[p->free_count], err);
        if (rc != RC_OK) {
            p->count = p->free_count;
            store_pool_free(p);
            return rc;
        }
    }
    *ret = p;
    return RC_OK;
}

void store_pool_open(struct store_pool *p)
{
    atomic_store(&p->is_open, true);
}

enum rc store_pool_take(struct store_pool *p, struct store_client **ret_client, struct err *err)
{
    ENSURE(atomic_load(&p->is_open),
           err_set(err, RC_UNAVAILABLE, "the store is starting: try again in a moment"));
    pthread_mutex_lock(&p->lock);
    while (p->free_count == 0)
        pthread_cond_wait(&p->given, &p->lock);
    *ret_client = p->clients[--p->free_count]; /* the warmest connection first */
    pthread_mutex_unlock(&p->lock);
    return RC_OK;
}

void store_pool_give(struct store_pool *p, struct store_client *c)
{
    pthread_mutex_lock(&p->lock);
    must(p->free_count < p->count);
    p->clients[p->free_count++] = c;
    pthread_cond_signal(&p->given);
    pthread_mutex_unlock(&p->lock);
}

void store_pool_free(struct store_pool *p)
{
    if (!p)
        return;
    must(p->free_count == p->count);
    for (uint32_t i = 0; i < p->count; i++)
        store_client_free(p->clients[i]);
    pthread_cond_destroy(&p->given);
    pthread_mutex_destroy(&p->lock);
    heap_free(p);
}
