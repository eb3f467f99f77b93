#ifndef WEIR_TENANT_TENANT_INT_H
#define WEIR_TENANT_TENANT_INT_H
/* Inside tenant/ only. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "state/state.h"
#include "tenant/tenant.h"

enum { TENANT_HASH_BYTES = 32 };

struct tenant {
    struct state *state; /* borrowed */
    pthread_mutex_t
        view_lock; /* guards `view` against its swap; held for a pointer and a count only */
    struct tenant_view *view;
    pthread_mutex_t reload_lock; /* one reload at a time */
    int64_t state_version;       /* of the view; under reload_lock */
    pthread_t watcher;
    pthread_mutex_t wake_lock;
    pthread_cond_t wake;
    bool is_closing; /* under wake_lock */
    bool has_watcher;
};

void tenant_hash_key(struct slice key, uint8_t ret_hash[TENANT_HASH_BYTES]); /* SHA-256 */
/* Reads everything into a new view with one reference. */
enum rc tenant_view_load(struct state *state, struct tenant_view **ret_view,
                         struct err *err) MUST_CHECK;
#endif
