#ifndef WEIR_ANALYTICS_PROJECTOR_PROJECT_INT_H
#define WEIR_ANALYTICS_PROJECTOR_PROJECT_INT_H
/* Inside of the projector: a record becomes a row (project_row.c, project_url.c), what was seen
 * lately is remembered (project_filter.c), the table is asked (project_ask.c), and the writer puts
 * them together (project.c). */
#include "analytics/projector/acquisition.h"
#include "analytics/event/event.h"
#include "analytics/projector/project.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "codec/decimal.h"
#include "codec/native.h"
#include "ua/ua.h"

/* ---- a record, decoded; slices point into the record or into the arena of the decoding ---- */
struct project_row {
    struct uuid project, id;
    unix_ms timestamp, received_at;
    struct slice event, user_id, anonymous_id, session_id;
    struct slice page_url, page_path, page_title, page_referrer;
    struct slice referrer_domain, hostname;
    struct slice utm[ACQUISITION_UTM_COUNT];
    struct slice user_agent, locale, source;
    struct slice properties, context, traits, traits_once; /* JSON text; empty if absent */
    uint32_t screen_width, screen_height;
    bool is_dedupe, is_historical;
    uint64_t device;
    struct slice country, region, city, network, privacy, time_zone;
    struct slice hints[HINT_COUNT];
    struct slice hints_json; /* the member as it stands; empty if absent */
    struct slice kind;
    bool is_passive;
    uint32_t engagement_ms;
    uint8_t scroll_depth; /* 0: not known */
    struct decimal revenue;
    struct slice currency;
    struct slice group_type, group_id, previous_id;
    struct slice groups; /* JSON text; empty if absent */
    /* derived, as everything of this struct that a record has no member for */
    struct slice browser_name, browser_version, os_name, os_version, device_type, device_brand,
        device_model, bot;
    struct slice channel, referrer_source, click_id, screen_class;
    struct slice properties_shape; /* {"plan":"","seats":0}: docs/internals/project.md */
};
enum { PROJECT_DOMAIN_BYTES_MAX = 255 };
/* RC_INVALID: poison, *ret_reason says why (static text). RC_NOMEM: the arena is full. */
enum rc project_row_decode(struct slice value, struct arena *scratch, struct project_row *ret_row,
                           const char **ret_reason) MUST_CHECK;
/* Its two ways, both without what is derived: any JSON by yyjson; and the very shape that
 * our own writer gives a record in one pass, false for anything else (project_scan.c). */
enum rc project_row_parse(struct slice value, struct arena *scratch, struct project_row *ret_row,
                          const char **ret_reason) MUST_CHECK;
bool project_row_scan(struct slice value, struct project_row *ret_row) MUST_CHECK;
bool project_device_parse(struct slice text, uint64_t *ret_device); /* 16 hex digits */
extern const char *const project_hint_names[HINT_COUNT];
bool project_time_parse(struct slice text, unix_ms *ret_time); /* within 1970 to 2149 */

/* The columns that a row fills; the rest are defaults of the table. */
enum { PROJECT_COLUMN_COUNT = 63 };
extern const char *const project_columns; /* their names, for INSERT */
void project_columns_init(struct native_column *columns, uint64_t bytes_max);
void project_row_encode(struct native_column *columns, const struct project_row *row,
                        uint32_t partition, uint64_t offset);

/* ---- pieces of a URL: lower-case host without port and user, path without query ---- */
struct project_url {
    struct slice host; /* empty if the URL has none */
    struct slice path; /* from '/' on, up to '?' or '#'; "/" if there is a host and no path */
    struct slice query;
};
struct project_url project_url_split(struct slice url);
/* In lower case, without a dot at its end; SLICE_EMPTY if it is longer than a host name can be. */
struct slice project_url_host(struct slice host, struct arena *scratch);
/* A value of a query, percent- and '+'-decoded: at most 200 bytes, up to the first that is no part
 * of a character. */
struct slice project_url_value(struct slice raw, struct arena *scratch);

/* ---- who sent it (project_agent.c) ----
 * One thread's; ua_parser_free() ends it. RC_NOMEM. */
enum rc project_agents_new(struct ua_parser **ret_agents) MUST_CHECK;
/* browser_name … bot from the record's user agent, hints and network; nothing without a user agent
 * (an event of a server). The texts are valid until the next call. */
void project_agent_fill(struct ua_parser *agents, struct project_row *row);

/* ---- ids seen lately: Bloom filters by generation ----
 * Never says "no" for an id that was added and whose received_at lies less than
 * PROJECT_DEDUPE_MS + one day before the newest. "Yes" may be wrong. */
struct project_filter;
struct project_filter *project_filter_new(uint64_t bytes_max);
void project_filter_free(struct project_filter *f);
void project_filter_clear(struct project_filter *f);
uint64_t project_id_hash(const struct uuid *project, const struct uuid *id);
/* False: memory is gone and nothing was noted (the filter must not be trusted any more). */
bool project_filter_add(struct project_filter *f, uint64_t hash, unix_ms received_at) MUST_CHECK;
bool project_filter_has(const struct project_filter *f, uint64_t hash);
uint64_t project_filter_bytes(const struct project_filter *f);
/* The newest received_at that was added; 0 if none. */
unix_ms project_filter_newest(const struct project_filter *f);

/* ---- what the table knows; an interface, so that tests can put one of their own under it ---- */
struct project_seen { /* an event that is in the table */
    struct uuid project, id;
    unix_ms received_at;
};
struct project_table_ops {
    /* Calls each() with every offset of [first, last] of the partition that the table has. */
    enum rc (*offsets)(void *ctx, uint32_t partition, uint64_t first, uint64_t last,
                       void (*each)(void *each_ctx, uint64_t offset), void *each_ctx,
                       struct err *err);
    /* Calls each() for every row whose id is one of ids (any project). */
    enum rc (*ids)(void *ctx, const struct project_seen *ids, uint32_t count,
                   void (*each)(void *each_ctx, const struct project_seen *row), void *each_ctx,
                   struct err *err);
    /* Calls each() for every row marked dedupe of the last days before the newest row. */
    enum rc (*recent)(void *ctx, void (*each)(void *each_ctx, const struct project_seen *row),
                      void *each_ctx, struct err *err);
    /* block: Native. */
    enum rc (*insert)(void *ctx, struct slice block, const char *token, struct err *err);
};
struct project_table; /* the real one: a store client and a table name */
enum rc project_table_new(const struct project_cfg *cfg, struct project_table **ret,
                          struct err *err) MUST_CHECK;
void project_table_free(struct project_table *t);
extern const struct project_table_ops project_table_ops;

/* Only for tests: a writer over another table; cfg->store is not used. */
enum rc project_writer_new_over(const struct project_cfg *cfg, const struct project_table_ops *ops,
                                void *ops_ctx, struct project_writer **ret_writer,
                                struct err *err) MUST_CHECK;

void project_writer_idle(struct project_writer *w); /* gives the buffers of large batches back */
uint64_t project_writer_filter_bytes(const struct project_writer *w);

/* Months of one insert at most: the server refuses more than 100 partitions per block. A batch
 * that spans more (an import of history) is written in pieces, each under a token of its own. */
enum { PROJECT_MONTHS_PER_INSERT_MAX = 90 };
uint32_t project_month(unix_ms t); /* months since 1970-01 */
#endif
