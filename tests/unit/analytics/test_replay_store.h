#ifndef WEIR_TEST_REPLAY_STORE_H
#define WEIR_TEST_REPLAY_STORE_H
/* store/store.h straight onto the engine in this process: the same statements, settings and
 * parameters as through the child, without HTTP; and a call can be made to fail. */
#include <stdbool.h>
#include <stdint.h>

#include "base/os.h"
#include "base/rc.h"
#include "store/store.h"

/* A main(): makes a folder of that name, opens the engine there in a process of its own, with an
 * empty database and *ret_client, runs run_all() and removes the folder. What it returns is the
 * exit status; 77 (skip) without libchdb. */
int engine_store_main(const char *name, char root[OS_PATH_MAX], struct store_client **ret_client,
                      int (*run_all)(void));
struct engine_store {
    uint64_t calls;
    uint64_t fail_at; /* the call that fails; 0 = none */
    bool is_late;     /* after it took effect, as when the answer is lost */
    /* It does not fail: the store was started anew before it, and this statement empties what it
     * had in memory. */
    const char *truncate_work;
};
extern struct engine_store engine_store;
uint64_t env_number(const char *name, uint64_t otherwise); /* of the environment */
#endif
