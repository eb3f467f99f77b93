#ifndef WEIR_STORE_CONFINE_INT_H
#define WEIR_STORE_CONFINE_INT_H
/* What a statement of a confined session (engine_query.role) may be, beyond what the role's grants
 * hold: the engine lets everybody read most of `system`, and takes SETTINGS in a subquery in spite
 * of readonly. Pure; any bytes. */
#include "base/slice.h"

/* The one role that statements can be confined to; users.xml grants it SELECT on this database. */
#define CONFINE_ROLE "weir_reader"
#define CONFINE_DATABASE "analytics"

/* Why the engine must not see this text at all; NULL: it may be explained. */
const char *confine_text(struct slice sql);
/* listing: what EXPLAIN AST of sql printed. NULL: it may be run. */
const char *confine_listing(struct slice sql, struct slice listing);
#endif
