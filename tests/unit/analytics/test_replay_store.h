#ifndef WEIR_TEST_REPLAY_STORE_H
#define WEIR_TEST_REPLAY_STORE_H
/* store/store.h straight onto the engine in this process: the same statements, settings and
 * parameters as through the child, without HTTP; and a call can be made to fail. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"

/* RC_NOTFOUND: libchdb is not there (skip). */
enum rc engine_store_open(const char *dir, struct err *err);
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
