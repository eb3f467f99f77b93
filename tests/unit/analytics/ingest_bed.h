#ifndef WEIR_TEST_INGEST_BED_H
#define WEIR_TEST_INGEST_BED_H
/* The ingest on fakes of net, api, tenant and stream: a request goes in, an answer and records come
 * out, all on the test's thread. The stream can refuse, fail, or keep the caller waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analytics/ingest/ingest.h"

enum { BED_RECORDS_MAX = 20000 };
struct bed {
    struct ingest *ingest;
    struct api_service service;
    struct tenant_project project;   /* "wk_test", and the names in bed.names */
    struct tenant_project other;     /* "wk_other", and those in bed.other_names */
    const char *names, *other_names; /* lines */
    const char *refused;             /* a name whose project takes nothing now; NULL: none */
    struct ctx_pool *contexts;
    struct ctx *ctx; /* the request's, until the next one */
    struct net_header headers[8];
    uint32_t header_count;
    char query[4096];
    const char *path; /* "/v1/events" … */
    struct ip client; /* the request's */
    enum net_method method;
    struct slice param; /* the first {…} of the pattern */
    /* what came out */
    int status;
    struct buf answer, ack;
    struct buf answer_headers;       /* "Name: value" lines */
    uint32_t counted, other_counted; /* events, against the projects' quotas */
    uint32_t answers;
    struct buf values; /* of the records, one per line */
    struct buf keys;
    struct buf record_headers;
    uint32_t record_count, append_count, worked;
    /* how the stream behaves */
    enum rc append_rc, commit_rc;
    bool is_waiting; /* done() only at bed_commit() */
    struct stream_append *waiting;
};
extern struct bed bed;

void bed_begin(void);
void bed_begin_with(struct geo *geo, struct visitor_salts *salts);
void bed_begin_rejecting(struct rejected_sink sink);
void bed_end(void);
void bed_reset(void); /* forget the last request; "Bearer wk_test" again */
void bed_header(const char *name, const char *value);
void bed_no_header(const char *name);
void bed_post(struct slice body); /* to bed.path */
/* The same in two steps, for who measures the second. */
const struct api_route *bed_route(void);
void bed_post_to(const struct api_route *route, struct slice body);
void bed_commit(void);
const char *bed_answer(void);
const char *bed_values(void);
static inline void bed_post_text(const char *body)
{
    bed_post(slice_str(body));
}
/* Looking at texts. */
static inline void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in %s", part, text);
}
static inline void lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" is in %s", part, text);
}
#endif
