#ifndef WEIR_STORE_FREEZE_H
#define WEIR_STORE_FREEZE_H
/* A copy of the embedded store while it works, in two steps:
 *
 *   freeze  the engine gives every part of every table a second name, table by table in one moment
 *           each (ALTER TABLE … FREEZE); tables, settings and deduplication logs are copied. Short:
 *           whoever must not insert meanwhile rests only for this.
 *   copy    the frozen parts are linked (or copied) to their place. Merges, inserts and the removal
 *           of old parts go on and cannot touch them.
 *
 * The result is a folder that a child opens as its own. Block; one at a time per store. */
#include "base/rc.h"
#include "store/store.h"

/* Fails retryably if the store goes away in the middle; then call store_freeze_end() and begin
 * again with another `to`. store_dir is store_child_cfg's data_dir. */
enum rc store_freeze(struct store_client *client, const char *store_dir, const char *to,
                     struct err *err) MUST_CHECK;
enum rc store_freeze_copy(const char *store_dir, const char *to, struct err *err) MUST_CHECK;
/* Lets go of the frozen parts, also those that a killed backup left. */
enum rc store_freeze_end(const char *store_dir, struct err *err) MUST_CHECK;
#endif
