#ifndef WEIR_BASE_SECRET_H
#define WEIR_BASE_SECRET_H
/* Memory for keys that must not outlive their use: pages of their own, in no core dump, kept out of
 * swap where the system lets us (RLIMIT_MEMLOCK), overwritten before they are given back. Whole
 * pages: for a handful of long-lived blocks, not for every request. Thread: any. */
#include <stddef.h>

#include "base/attr.h"

void *secret_alloc(size_t bytes) MUST_CHECK; /* zeroed; never NULL */
void secret_free(void *block, size_t bytes); /* the same bytes; NULL is fine */
#endif
