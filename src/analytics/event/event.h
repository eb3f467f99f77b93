#ifndef WEIR_ANALYTICS_EVENT_EVENT_H
#define WEIR_ANALYTICS_EVENT_EVENT_H
/* One event between what a client sent (a dialect) and the record of the stream
 * (docs/format/event.md). Dialects fill a struct event; event_encode writes the record. Pure: no
 * I/O, no clock, no heap beyond the buffers handed in. */
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/uuid.h"
#include "codec/decimal.h"
#include "codec/json.h"

enum {
    EVENT_NAME_BYTES_MAX = 200,
    EVENT_ID_BYTES_MAX = 200, /* user_id, anonymous_id, session_id: cut there */
    EVENT_URL_BYTES_MAX = 4096,
    EVENT_TITLE_BYTES_MAX = 1000,
    EVENT_USER_AGENT_BYTES_MAX = 1024,
    EVENT_LOCALE_BYTES_MAX = 64,
    EVENT_TIME_ZONE_BYTES_MAX = 64,
    EVENT_GROUP_TYPE_BYTES_MAX = 100,
    EVENT_GROUPS_MAX = 10,                      /* of different types */
    EVENT_UNSET_MAX = 100,                      /* traits that one event takes away */
    EVENT_ENGAGEMENT_MS_MAX = 24 * 3600 * 1000, /* of one event; more is cut */
    EVENT_BYTES_MAX = 256 * 1024,               /* as sent */
    EVENT_PROPERTIES_BYTES_MAX = 64 * 1024,     /* compact */
    EVENT_CONTEXT_BYTES_MAX = 64 * 1024,
    EVENT_TRAITS_BYTES_MAX = 64 * 1024,
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
    EVENT_NO_ID,      /* dialects that require an id of the visitor */
    EVENT_BAD_VALUE,  /* U+0000, a key too long, a number out of range */
    EVENT_NO_PROJECT, /* what it names as its project is nobody's, or takes nothing now */
    EVENT_NOT_KEPT,   /* of a kind that weir has no use for (session recordings, heatmaps) */
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

/* What an event is. Only plain ones are "events" in a report; the others say something about a
 * visitor or a page (docs/definitions.md). */
enum event_kind {
    EVENT_PLAIN,
    EVENT_IDENTIFY,   /* this visitor is user_id; traits */
    EVENT_ALIAS,      /* previous_id is user_id */
    EVENT_GROUP,      /* user_id belongs to group_type, group_id; traits are the group's */
    EVENT_ENGAGEMENT, /* engagement_ms and scroll_depth of a page that is left */
    EVENT_VITAL,      /* a web vital: properties metric, value */
    EVENT_KIND_COUNT,
};
const char *event_kind_name(enum event_kind kind); /* "" for a plain one */

/* Sec-CH-UA and its kin as the browser sent them. */
enum event_hint {
    HINT_BRANDS,
    HINT_PLATFORM,
    HINT_PLATFORM_VERSION,
    HINT_MODEL,
    HINT_MOBILE,
    HINT_COUNT
};

/* What is known about the machine that an event comes from: settled before the append, because the
 * address that it was made of is not kept. Texts are valid UTF-8 of at most EVENT_PLACE_BYTES_MAX;
 * hints are headers: any bytes, cut at EVENT_HINT_BYTES_MAX. */
struct event_client {
    uint64_t device; /* keyed hash that lasts a day; 0: none */
    struct slice country, region, city, network;
    struct slice privacy; /* "gpc", "dnt": the browser asked not to be followed */
    struct slice hints[HINT_COUNT];
};
enum { EVENT_PLACE_BYTES_MAX = 100, EVENT_HINT_BYTES_MAX = 256 };

/* The same for every event of a request. */
struct event_env {
    struct uuid project;
    char project_text[UUID_TEXT_LEN + 1];
    const char *source;
    unix_ms received_at;
    char received_text[TIME_TEXT_BYTES];
    bool is_historical;
    int variant;           /* of the route: the dialect's own */
    const void *shared;    /* what a body says of all its events: the dialect's own */
    size_t shared_bytes;   /* as sent, of texts in it that an event may take */
    int64_t clock_skew_ms; /* how far the client's clock is behind ours; added to its times */
    struct slice default_user_id;    /* claim of a token; empty if none */
    struct slice default_user_agent; /* header of a browser; any bytes; empty if none */
    struct event_client client;      /* of whoever sends the request, if that is the visitor */
    struct arena *arena; /* for what a dialect has to make for the event that it reads */
    const void *own;     /* the dialect's own: from its cut() to its read() */
};
void event_env_init(struct event_env *env, const struct uuid *project, const char *source,
                    unix_ms received_at);

struct event_group {
    struct slice type, id;
};

/* Texts are valid UTF-8 without U+0000, unescaped, within their maxima; empty = absent. */
struct event {
    struct uuid id;
    bool is_client_id;    /* → dedupe */
    struct slice sent_id; /* as the client wrote it; for answers keyed by it */
    enum event_kind kind;
    struct slice name;
    unix_ms timestamp;
    struct slice user_id, anonymous_id, session_id;
    struct slice url, path, title, referrer;
    int64_t screen_width, screen_height; /* -1 = absent */
    struct slice user_agent, locale, time_zone;
    bool is_passive;        /* happened without the visitor: does not end a bounce */
    int64_t engagement_ms;  /* -1 = absent */
    int32_t scroll_depth;   /* percent of the page; -1 = absent */
    struct decimal revenue; /* absent if the currency is */
    char currency[4];       /* three capital letters; "" */
    struct slice group_type, group_id, previous_id;
    const struct event_group *more_groups; /* of other types (event_take_groups) */
    uint32_t more_group_count;
    yyjson_val *traits, *traits_once; /* of a person or group; once: only where not set yet */
    const char *const *traits_skip;
    /* Names, in arrays or as an object's: each is null among the traits, whatever these say. */
    yyjson_val *traits_unset[2];
    const struct event_client *client; /* another than env's: what the dialect says beats ours */
    /* Of the visitor, where a server speaks for it (event_take_address): looked up, never kept. */
    struct ip address;
    bool has_address;
    /* Set by a dialect whose server clients look like browsers: this one is a server's. */
    bool is_spoken_for;
    yyjson_val *properties;             /* NULL or an object */
    const char *const *properties_skip; /* names left out; NULL = none */
    yyjson_val *context;
    const char *const *context_skip;
};
void event_init(struct event *e, const struct event_env *env);

/* A device as records and answers write it: 16 hex digits. */
enum { EVENT_DEVICE_DIGITS = 16 };
struct slice event_device_text(uint64_t device, char ret_digits[EVENT_DEVICE_DIGITS + 1]);

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
/* The id that a client's own text stands for, a UUIDv8: of the project and the parts one after the
 * other, at most EVENT_ID_PARTS_MAX; the same parts, the same id. */
enum { EVENT_ID_PARTS_MAX = 4 };
void event_derive_id(struct event *e, const struct event_env *env, const struct slice *parts,
                     uint32_t count);
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
/* The same id without the warning, for clients whose ids are never UUIDs. */
void event_take_text_id(struct event *e, struct slice id, const struct event_env *env);
/* How far the client's clock is behind ours, going by the time at which it says that it sent
 * (RFC 3339, or seconds or milliseconds). Below ten seconds, which a request may take on its way,
 * and for what is no time: 0. */
int64_t event_clock_skew_ms(struct slice sent_at, const struct event_env *env);
/* The same for a time that is at hand already. */
void event_set_time(struct event *e, unix_ms t, const char *name, const struct event_env *env,
                    struct event_notes *n);
/* "1920x1080", as several clients write it. */
void event_take_screen(struct event *e, yyjson_val *v, const char *name, struct event_notes *n);
/* What several clients call the web vitals. */
struct event_vital {
    const char *member, *metric;
};
enum { EVENT_VITALS = 5 };
extern const struct event_vital event_vitals[EVENT_VITALS];
/* The event is that vital: kind, name, properties. */
void event_take_vital(struct event *e, const struct event_vital *vital, yyjson_val *value,
                      const struct event_env *env, struct event_notes *n);
/* An object or nothing. */
yyjson_val *event_field_object(yyjson_val *v, const char *name, struct event_notes *n);
/* {"company":"acme","team":"x"}: the first one is the event's group, unless it has one already; the
 * others are beside it. Each type counts once, and EVENT_GROUPS_MAX of them. */
void event_take_groups(struct event *e, yyjson_val *object, const char *name,
                       const struct event_env *env, struct event_notes *n);
/* A name that is the dialect's own word, not the client's. */
void event_set_kind(struct event *e, enum event_kind kind);
/* Both needed: a number or its text, and a currency of ISO 4217's form (lower case is mended). */
void event_take_revenue(struct event *e, yyjson_val *amount, yyjson_val *currency,
                        struct event_notes *n);
/* Milliseconds of engagement; percent of the page seen (more than 100 is 100). */
void event_take_engagement(struct event *e, yyjson_val *ms, yyjson_val *scroll_depth,
                           struct event_notes *n);
/* The visitor's address, as a server's SDK hands it over: counts if the request itself is not from
 * the visitor. 0.0.0.0 and :: are how some say "none". The dialect leaves the member out of what is
 * kept (properties_skip, context_skip). */
void event_take_address(struct event *e, yyjson_val *v, const char *name, struct event_notes *n);
/* A whole number 0 … 2^31-1, -1 if absent or odd. */
int64_t event_field_pixels(yyjson_val *v, const char *name, struct event_notes *n);
/* The path of a URL ("/a/b" of "https://h/a/b?c#d"; "/" if there is none; a bare path is itself).
 */
struct slice event_url_path(struct slice url);
/* The same with the fragment ("/a#b"), for sites that put their pages there. */
struct slice event_url_path_hash(struct slice url, struct arena *arena);
/* One text of several; empty if the arena is full. */
struct slice event_join(struct arena *arena, const struct slice *parts, uint32_t count);
#endif
