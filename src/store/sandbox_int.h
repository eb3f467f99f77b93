#ifndef WEIR_STORE_SANDBOX_INT_H
#define WEIR_STORE_SANDBOX_INT_H
/* Landlock around the child: the engine can read the system's libraries and /proc, and write its
 * own data folder, whatever a statement makes it try. */
#include "base/rc.h"
#include "store/child.h"

/* Before the first thread is made. RC_UNSUPPORTED: the kernel has no Landlock; the grants and the
 * refusals of sql.c then stand alone. */
enum rc sandbox_enter(const struct store_child_cfg *cfg, const char *library,
                      struct err *err) MUST_CHECK;
#endif
