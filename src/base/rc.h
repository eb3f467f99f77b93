#ifndef WEIR_BASE_RC_H
#define WEIR_BASE_RC_H
/* Result codes, and the detail that edges (config, HTTP, CLI, recovery) show to a person.
 *
 * Every fallible function is MUST_CHECK and returns enum rc; TRY() and ENSURE() return early.
 * Layers 0-2 return, layers 3-5 log: one failure, one line. */
#include <stdbool.h>

#include "base/attr.h"

enum rc {
#define X(name, http, retry, text) RC_##name,
#include "base/rc.def"
#undef X
    RC_COUNT
};

const char *rc_name(enum rc rc); /* "OK", "NOSPACE" ... */
const char *rc_text(enum rc rc);
int rc_http_status(enum rc rc);
bool rc_is_retryable(enum rc rc);

/* What went wrong, for a person. Written only on failure; zero-initialise with ERR_INIT. */
struct err {
    enum rc rc;
    int sys_errno;  /* 0 if no system call failed */
    char text[400]; /* one sentence: what, where, what to do */
};
#define ERR_INIT ((struct err){.rc = RC_OK})

/* Fill *err (NULL is allowed) and return rc, so that: return err_set(err, RC_INVALID, "…"). */
enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Same, with ": strerror(sys_errno)" appended and the code chosen from the errno. */
enum rc err_sys(struct err *err, int sys_errno, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put "context: " before an existing text; returns err->rc. */
enum rc err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
enum rc rc_from_errno(int sys_errno);

#define TRY(expr)                       \
    do {                                \
        enum rc try_rc_ = (expr);       \
        if (UNLIKELY(try_rc_ != RC_OK)) \
            return try_rc_;             \
    } while (0)
#define ENSURE(cond, code)     \
    do {                       \
        if (UNLIKELY(!(cond))) \
            return (code);     \
    } while (0)
#endif
