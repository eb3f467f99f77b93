#include "base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ctx.h"

enum { LINE_MAX_BYTES = 8192 };

static _Atomic int level_min = LOG_INFO;
static _Atomic int line_format = LOG_LOGFMT;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store(&level_min, (int)level);
    atomic_store(&line_format, (int)format);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&level_min, memory_order_relaxed);
}

const char *log_context(void)
{
    const struct ctx *ctx = ctx_current();
    return ctx && ctx->request_id[0] ? ctx->request_id : "-";
}

/* A line under construction. A field that does not fit is left out whole, so that what is printed
 * can be parsed; a log line must never fail its caller. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool is_full;
};

static void put(struct line *l, const char *data, size_t len)
{
    if (l->is_full || len > sizeof(l->text) - l->len) {
        l->is_full = true;
        return;
    }
    memcpy(l->text + l->len, data, len);
    l->len += len;
}

static void put_str(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void put_quoted(struct line *l, struct slice s)
{
    put(l, "\"", 1);
    for (size_t i = 0; i < s.len && i < LOG_VALUE_MAX;) {
        unsigned char c = (unsigned char)s.data[i];
        size_t n = slice_utf8_len(slice_sub(s, i));
        char esc[8];
        if (c == '"' || c == '\\') {
            put(l, (char[2]){'\\', (char)c}, 2);
        } else if (c < 0x20 || c == 0x7f) {
            snprintf(esc, sizeof(esc), "\\u%04x", c);
            put(l, esc, 6);
        } else if (n == 0) {
            put(l, "\xef\xbf\xbd", 3); /* U+FFFD: JSON takes nothing but UTF-8 */
        } else {
            put(l, s.data + i, n);
        }
        i += n ? n : 1;
    }
    put(l, "\"", 1);
}

static bool is_plain(struct slice s)
{
    if (s.len == 0 || s.len > 64)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return true;
}

static void put_name(struct line *l, const char *name, bool is_json)
{
    put_str(l, l->len == 0 ? "" : is_json ? "," : " ");
    if (is_json)
        put(l, "\"", 1);
    put_str(l, name);
    put_str(l, is_json ? "\":" : "=");
}

static void put_text(struct line *l, const char *name, struct slice value, bool is_json)
{
    put_name(l, name, is_json);
    if (!is_json && is_plain(value))
        put(l, value.data, value.len);
    else
        put_quoted(l, value);
}

static void put_field(struct line *l, const struct log_field *f, bool is_json)
{
    char digits[24];
    switch (f->kind) {
    case LOG_KIND_SLICE:
        put_text(l, f->name, f->text, is_json);
        return;
    case LOG_KIND_I64:
        snprintf(digits, sizeof(digits), "%lld", (long long)f->i64);
        break;
    case LOG_KIND_U64:
        snprintf(digits, sizeof(digits), "%llu", (unsigned long long)f->u64);
        break;
    }
    put_name(l, f->name, is_json);
    put_str(l, digits);
}

static void put_context(struct line *l, bool is_json)
{
    const struct ctx *ctx = ctx_current();
    char trace[2 * sizeof(ctx->trace_id)];
    if (!ctx)
        return;
    put_text(l, "request_id", slice_str(ctx->request_id), is_json);
    slice_hex(ctx->trace_id, sizeof(ctx->trace_id), trace);
    put_text(l, "trace_id", slice_of(trace, sizeof(trace)), is_json);
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields)
{
    bool is_json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON;
    struct line l;
    l.len = 0; /* not the whole: it has 8 KiB */
    l.is_full = false;
    char when[TIME_TEXT_BYTES];
    struct line *to = &l;
    put_text(to, "time", slice_str(time_format(unix_now(), when)), is_json);
    put_text(to, "level", slice_str(level_names[level]), is_json);
    put_text(to, "msg", slice_str(message), is_json);
    put_context(to, is_json);
    for (; fields->name; fields++) {
        size_t before = to->len;
        put_field(to, fields, is_json);
        if (to->is_full)
            to->len = before;
        to->is_full = false;
    }
    char out[LINE_MAX_BYTES + 3];
    size_t n = 0;
    if (is_json)
        out[n++] = '{';
    memcpy(out + n, l.text, l.len);
    n += l.len;
    if (is_json)
        out[n++] = '}';
    out[n++] = '\n';
    /* A full pipe or closed stderr loses the line: logging never stops the program. */
    IGNORE(write(STDERR_FILENO, out, n) < 0, "nowhere left to report it");
}

bool log_allowed(struct log_limit *limit)
{
    int64_t now = mono_now().ns;
    int64_t next = atomic_load_explicit(&limit->next_ns, memory_order_relaxed);
    return now >= next && atomic_compare_exchange_strong(&limit->next_ns, &next, now + 1000000000);
}
