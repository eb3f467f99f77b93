#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

void must_fail(const char *expr, const char *file, int line, const char *func)
{
    /* stdio may hold a lock of another thread; one line on fd 2 is all that is wanted here. */
    fprintf(stderr, "weir: bug: must(%s) failed at %s:%d in %s(), request %s\n", expr, file, line,
            func, log_context());
    abort();
}
