#include "base/rc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

static const struct {
    const char *name;
    const char *text;
    int http_status;
    bool is_retryable;
} codes[RC_COUNT] = {
#define X(name, http, retry, text) [RC_##name] = {#name, text, http, retry},
#include "base/rc.def"
#undef X
};

const char *rc_name(enum rc rc)
{
    must(rc < RC_COUNT);
    return codes[rc].name;
}

const char *rc_text(enum rc rc)
{
    must(rc < RC_COUNT);
    return codes[rc].text;
}

int rc_http_status(enum rc rc)
{
    must(rc < RC_COUNT);
    return codes[rc].http_status;
}

bool rc_is_retryable(enum rc rc)
{
    must(rc < RC_COUNT);
    return codes[rc].is_retryable;
}

enum rc rc_from_errno(int sys_errno)
{
    switch (sys_errno) {
    case 0:
        return RC_OK;
    case ENOENT:
        return RC_NOTFOUND;
    case EEXIST:
        return RC_EXISTS;
    case ENOMEM:
        return RC_NOMEM;
    case ENOSPC:
    case EDQUOT:
        return RC_NOSPACE;
    case EMFILE:
    case ENFILE:
        return RC_BUSY;
    case EACCES:
    case EPERM:
        return RC_FORBIDDEN;
    case EAGAIN:
        return RC_AGAIN;
    case ETIMEDOUT:
        return RC_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return RC_UNAVAILABLE;
    default:
        return RC_IO;
    }
}

enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...)
{
    if (!err)
        return rc;
    va_list ap;
    va_start(ap, fmt);
    /* The arguments may point into err->text itself: format aside first. */
    char text[sizeof(err->text)];
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err->rc = rc;
    err->sys_errno = 0;
    memcpy(err->text, text, sizeof(text));
    return rc;
}

enum rc err_sys(struct err *err, int sys_errno, const char *fmt, ...)
{
    enum rc rc = rc_from_errno(sys_errno);
    if (!err)
        return rc;
    char what[300];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    char reason[80];
    err->rc = rc;
    err->sys_errno = sys_errno;
    snprintf(err->text, sizeof(err->text), "%s: %s", what,
             strerror_r(sys_errno, reason, sizeof(reason)));
    return rc;
}

enum rc err_wrap(struct err *err, const char *fmt, ...)
{
    must(err);
    char text[sizeof(err->text)];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    must(n >= 0);
    size_t used = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    const char *const parts[] = {": ", err->text};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t len = strnlen(parts[i], sizeof(text) - 1 - used);
        memcpy(text + used, parts[i], len);
        used += len;
    }
    text[used] = '\0';
    memcpy(err->text, text, sizeof(text));
    return err->rc;
}
