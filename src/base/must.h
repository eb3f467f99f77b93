#ifndef WEIR_BASE_MUST_H
#define WEIR_BASE_MUST_H
/* must(x): "our bug" if it does not hold. Always compiled in; prints where and the log context,
 * then aborts. The world's faults (disk, network, input) are result codes, never must(). */
#include "base/attr.h"

NORETURN void must_fail(const char *expr, const char *file, int line, const char *func);

#define must(x) (LIKELY(x) ? (void)0 : must_fail(#x, __FILE__, __LINE__, __func__))
#define must_not_reach(why) must_fail("not reached: " why, __FILE__, __LINE__, __func__)
#endif
