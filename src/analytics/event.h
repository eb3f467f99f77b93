#ifndef WEIR_ANALYTICS_EVENT_H
#define WEIR_ANALYTICS_EVENT_H
/* One event between what a client sent (a dialect) and the record of the stream
 * (docs/format/event.md). Dialects fill a struct event; event_encode writes the record. Pure: no
 * I/O, no clock, no heap beyond the buffers handed in. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "codec/json.h"

enum {
    EVENT_NAME_BYTES_MAX = 200,
    EVENT_ID_BYTES_MAX = 200, /* user_id, anonymous_id, session_id: cut there */
    EVENT_URL_BYTES_MAX = 4096,
    EVENT_TITLE_BYTES_MAX = 1000,
    EVENT_USER_AGENT_BYTES_MAX = 1024,
    EVENT_LOCALE_BYTES_MAX = 64,
    EVENT_BYTES_MAX = 256 * 1024,           /* as sent */
    EVENT_PROPERTIES_BYTES_MAX = 64 * 1024, /* compact */
    EVENT_CONTEXT_BYTES_MAX = 64 * 1024,
    EVENT_FUTURE_MS_MAX = 24 * 3600 * 1000,
    EVENT_DETAILS_BYTES = 256,
};

/* Why an event was dropped; a fixed set, the label of a metric. */
enum event_reason {
    EVENT_FINE,
    EVENT_BAD_JSON,
    EVENT_TOO_DEEP,
    EVENT_TOO_LARGE, /* the event, its properties or its context */
    EVENT_NO_NAME,
    EVENT_NAME_TOO_LONG,
    EVENT_NO_ID,     /* dialects that require an id of the visitor */
    EVENT_BAD_VALUE, /* U+0000, a key too long, a number out of range */
    EVENT_REASON_COUNT,
};
const char *event_reason_name(enum event_reason reason); /* "bad_json" … */

/* What there is to tell the client about one event. details ends in a NUL, "" = nothing. */
struct event_notes {
    enum event_reason reason; /* EVENT_FINE: it is stored */
    char details[EVENT_DETAILS_BYTES];
};
/* Adds to details ("; " between), stays within the space. */
void event_warn(struct event_notes *n, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Sets the reason (the first one counts) and replaces the details. */
void event_drop(struct event_notes *n, enum event_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same for every event of a request. */
struct event_env {
    struct uuid project;
    char project_text[UUID_TEXT_LEN + 1];
    const char *source;
    unix_ms received_at;
    char received_text[TIME_TEXT_BYTES];
    bool is_historical;
    struct slice default_user_id;    /* claim of a token; empty if none */
    struct slice default_user_agent; /* header of a browser; any bytes; empty if none */
};
void event_env_init(struct event_env *env, const struct uuid *project, const char *source,
                    unix_ms received_at);

/* Texts are valid UTF-8 without U+0000, unescaped, within their maxima; empty = absent. */
struct event {
    struct uuid id;
    bool is_client_id;    /* → dedupe */
    struct slice sent_id; /* as the client wrote it; for answers keyed by it */
    struct slice name;
    unix_ms timestamp;
    struct slice user_id, anonymous_id, session_id;
    struct slice url, path, title, referrer;
    int64_t screen_width, screen_height; /* -1 = absent */
    struct slice user_agent, locale;
    yyjson_val *properties;             /* NULL or an object */
    const char *const *properties_skip; /* names left out; NULL = none */
    yyjson_val *context;
    const char *const *context_skip;
};
void event_init(struct event *e, const struct event_env *env);

/* Appends key and value to out (in this order). sent_bytes: length of the text that the event was
 * read from, which bounds what is written. On a drop nothing is appended. RC_NOMEM if out is full.
 */
enum rc event_encode(const struct event *e, const struct event_env *env, size_t sent_bytes,
                     struct buf *out, struct arena *scratch, struct event_notes *n,
                     size_t *ret_key_len, size_t *ret_value_len) MUST_CHECK;

/* ---- fields, for dialects (event_fields.c); all warn and go on ---- */
/* A string; a number or boolean is taken as its text; anything else is left out. Cut at bytes_max.
 */
struct slice event_field_text(yyjson_val *v, const char *name, size_t bytes_max,
                              struct event_notes *n);
/* Cut at bytes_max, not inside a character. */
struct slice event_cut(struct slice text, size_t bytes_max);
/* Required; drops the event if it is absent, empty, too long or no string. */
void event_take_name(struct event *e, yyjson_val *v, const char *name, struct event_notes *n);
/* A UUID as it is; another text is hashed with the project to a UUIDv8, so that a retry has the
 * same id; absent or empty: a new UUIDv7. */
void event_take_id(struct event *e, yyjson_val *v, const char *name, const struct event_env *env,
                   struct event_notes *n);
/* RFC 3339 or a number (seconds below 10^11, else milliseconds). Absent or unreadable →
 * received_at; more than EVENT_FUTURE_MS_MAX ahead → received_at + that. */
void event_take_time(struct event *e, yyjson_val *v, const char *name, const struct event_env *env,
                     struct event_notes *n);
/* An object or nothing. */
yyjson_val *event_field_object(yyjson_val *v, const char *name, struct event_notes *n);
/* A whole number 0 … 2^31-1, -1 if absent or odd. */
int64_t event_field_pixels(yyjson_val *v, const char *name, struct event_notes *n);
/* The path of a URL ("/a/b" of "https://h/a/b?c#d"; "/" if there is none; a bare path is itself).
 */
struct slice event_url_path(struct slice url);
#endif
