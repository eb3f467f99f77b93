#ifndef WEIR_TENANT_ROW_INT_H
#define WEIR_TENANT_ROW_INT_H
/* Inside tenant/ only: what several files do with rows. */
#include "state/state.h"

/* Row callback that counts into a uint32_t. With RETURNING it says how many rows a statement
 * changed; state_changes() would say it only while no other thread runs one. */
static inline enum rc row_count(void *ctx, const struct state_row *row)
{
    (void)row;
    ++*(uint32_t *)ctx;
    return RC_OK;
}

/* Gives the err of a row callback that found a row it cannot read (RC_CORRUPT) its sentence. */
static inline enum rc row_result(enum rc rc, const char *what, struct err *err)
{
    if (rc == RC_CORRUPT && err && err->rc == RC_OK)
        return err_set(err, rc, "the state database holds %s that cannot be read", what);
    return rc;
}
#endif
