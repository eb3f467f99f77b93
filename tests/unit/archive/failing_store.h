#ifndef WEIR_TEST_FAILING_STORE_H
#define WEIR_TEST_FAILING_STORE_H
/* An object store in front of another one, whose k-th writing call fails: before it did anything,
 * or (is_late) after it took effect, as when the answer of a server is lost. */
#include "archive/object.h"

struct failing_store {
    struct object_store super;
    struct object_store *inner; /* borrowed */
    uint64_t calls;             /* writing calls so far */
    uint64_t fail_at;           /* 1 = the first; 0 = never */
    bool is_late;
    bool is_down; /* every call fails from then on */
};
void failing_store_init(struct failing_store *f, struct object_store *inner);
#endif
