#ifndef WEIR_STORE_HEAL_INT_H
#define WEIR_STORE_HEAL_INT_H
/* Before the engine starts: takes back tokens in its deduplication logs whose rows never came in.
 */
#include <stdint.h>

#include "base/rc.h"

/* db: the engine's folder. *ret_tokens: how many were taken back. */
enum rc heal_deduplication(const char *db, uint32_t *ret_tokens, struct err *err) MUST_CHECK;
/* One table's folder. */
enum rc heal_table(const char *table_dir, uint32_t *ret_tokens, struct err *err) MUST_CHECK;
#endif
