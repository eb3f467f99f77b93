#ifndef WEIR_TEST_NO_STORE_H
#define WEIR_TEST_NO_STORE_H
#include "store/store.h"

struct no_store_state {
    bool is_up;
    uint64_t rows; /* of the work table */
};
struct no_store_state *no_store(void);
#endif
