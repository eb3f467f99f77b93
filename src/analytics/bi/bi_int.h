#ifndef WEIR_ANALYTICS_BI_BI_INT_H
#define WEIR_ANALYTICS_BI_BI_INT_H
/* Inside of bi/: bi.c routes and limits, bi_intake.c from a request to a question, bi_job.c one
 * question under way, bi_views.c what the store has to have for it. */
#include "analytics/bi/bi.h"

#include <pthread.h>

#include "base/uuid.h"

enum {
    BI_PAIRS_MAX = 128,
    BI_STATEMENT_BYTES_MAX = 128 * 1024,
    BI_TOKEN_DIGITS = 64,
};
#define BI_DATABASE "analytics"
#define BI_ROLE "weir_reader"
#define BI_TOKEN_SETTING "query_cache_tag"

/* A project's right to the views: what nobody else can know. */
struct bi_token {
    struct uuid project;
    char text[BI_TOKEN_DIGITS + 1];
};
struct bi_running {
    struct uuid project;
    uint32_t count;
};
struct bi {
    struct bi_cfg cfg;
    pthread_mutex_t lock;
    bool is_set_up; /* views are there; under the lock, as is the rest */
    struct bi_token *tokens;
    uint32_t token_count, token_room;
    struct bi_running running[64];
    uint32_t running_count; /* projects in running[] */
    uint32_t running_sum;
};

/* What of a request goes on to the store; in the request's arena. */
struct bi_question {
    struct slice sql;
    struct store_pair pairs[BI_PAIRS_MAX];
    uint32_t pair_count;
    uint32_t seconds;
    bool wants_flags;      /* Native as of a version in which its columns have flags */
    bool is_packed;        /* the answer is wanted in compressed blocks (codec/ch_block.h) */
    struct slice database; /* what the client calls it */
    /* A refusal, in ClickHouse's words. */
    int code;
    const char *name, *why;
};
/* False: q->code, name, why say what is wrong. */
bool bi_intake(struct bi *bi, const struct net_request *net, struct bi_question *q);
/* An answer in the form that its clients read. */
void bi_fail(struct api_request *req, int status, int code, const char *name, const char *why);

/* The token of the project, with everything there that it opens. Blocks; any thread. RC_AGAIN: the
 * tables are not there yet. */
enum rc bi_views_token(struct bi *bi, struct store_client *c, const struct uuid *project,
                       char ret_token[BI_TOKEN_DIGITS + 1], struct err *err) MUST_CHECK;

/* Answers later, inside ctx. The place in bi->running is given back. */
void bi_job_start(struct ctx *ctx, struct bi *bi, struct api_request *req, struct bi_question *q);
bool bi_running_take(struct bi *bi, const struct uuid *project);
void bi_running_give(struct bi *bi, const struct uuid *project);

/* bi_openapi.c */
extern const char bi_openapi_get[], bi_openapi_post[], bi_openapi_get_slash[],
    bi_openapi_post_slash[], bi_openapi_project_get[], bi_openapi_project_post[],
    bi_openapi_project_get_slash[], bi_openapi_project_post_slash[], bi_openapi_post_root[],
    bi_openapi_ping[], bi_openapi_ping_root[], bi_openapi_project_ping[];
#endif
