#ifndef WEIR_BASE_LOG_H
#define WEIR_BASE_LOG_H
/* Structured log lines on stderr: logfmt (default) or JSON, one line = one write(2).
 *
 *     log_info("segment sealed", LOG_STR("stream", name), LOG_U64("bytes", n));
 *
 * Control bytes and quotes in values are escaped, so a value can never forge a line. Values are
 * cut at LOG_VALUE_MAX. Never give it a secret, a token or an address of a visitor.
 * Thread: any. Libraries below layer 3 do not log, they return. */
#include <stdbool.h>
#include <stdint.h>

#include "base/rc.h"
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };
enum { LOG_VALUE_MAX = 1024 };

struct log_field {
    const char *name; /* [a-z_]+; NULL ends the list */
    enum { LOG_KIND_SLICE, LOG_KIND_I64, LOG_KIND_U64 } kind;
    struct slice text;
    int64_t i64;
    uint64_t u64;
};
#define LOG_SLICE(n, s) ((struct log_field){.name = (n), .kind = LOG_KIND_SLICE, .text = (s)})
#define LOG_STR(n, s) LOG_SLICE(n, slice_str(s))
#define LOG_I64(n, v) ((struct log_field){.name = (n), .kind = LOG_KIND_I64, .i64 = (v)})
#define LOG_U64(n, v) ((struct log_field){.name = (n), .kind = LOG_KIND_U64, .u64 = (v)})
#define LOG_ERR(e) LOG_STR("error", (e)->text)
#define LOG_RC(rc) LOG_STR("rc", rc_name(rc))

void log_setup(enum log_level level_min, enum log_format format);
void log_fields(enum log_level level, const char *message, const struct log_field *fields);
bool log_is_on(enum log_level level);

/* The first field only gives the comma of ##__VA_ARGS__ something to follow (cppcheck knows no
 * __VA_OPT__). */
#define LOG_AT(level, message, ...)                                                              \
    do {                                                                                         \
        if (log_is_on(level))                                                                    \
            log_fields(level, message,                                                           \
                       (const struct log_field[]){{.name = ""}, ##__VA_ARGS__, {.name = NULL}} + \
                           1);                                                                   \
    } while (0)
#define log_debug(message, ...) LOG_AT(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_ERROR, message, ##__VA_ARGS__)

/* Every line carries the request id and the trace id of the thread's current context
 * (base/ctx.h). For must(): the request id, "-" if there is none. */
const char *log_context(void);

/* Lets one line per second through per call site: static struct log_limit l; if (log_allowed(&l)) …
 */
struct log_limit {
    _Atomic int64_t next_ns;
};
bool log_allowed(struct log_limit *limit);
#endif
