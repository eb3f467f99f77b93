#include "ingest_bed.h"

#include <stdio.h>

#include "base/heap.h"

struct bed bed;
static struct net_loop *const the_loop = (struct net_loop *)&bed; /* never looked into */

static void release(void)
{
    if (bed.ctx)
        ctx_release(bed.ctx);
    bed.ctx = NULL;
}

void bed_begin(void)
{
    bed_begin_with(NULL, NULL);
}

static void begin_cfg(struct ingest_cfg cfg)
{
    struct err err = ERR_INIT;
    bed = (struct bed){.path = "/v1/events"};
    uuid_parse(SLICE_LIT("0198c0de-0000-7000-8000-000000000001"), &bed.project.id);
    uuid_format(&bed.project.id, bed.project.id_text);
    bed.project.jwt_secret = SLICE_LIT("the project's secret, of 43 characters: 012");
    uuid_parse(SLICE_LIT("0198c0de-0000-7000-8000-000000000002"), &bed.other.id);
    uuid_format(&bed.other.id, bed.other.id_text);
    bed.names = bed.other_names = "";
    bed.contexts = ctx_pool_new();
    buf_init(&bed.answer, 64 << 20);
    buf_init(&bed.ack, 64);
    buf_init(&bed.answer_headers, 4096);
    buf_init(&bed.values, 256 << 20);
    buf_init(&bed.keys, 64 << 20);
    buf_init(&bed.record_headers, 1 << 20);
    cfg.events = (struct stream *)&bed;
    cfg.ack = "fsync";
    assert_int_equal(ingest_new(&cfg, &bed.ingest, &err), RC_OK);
    bed.service = ingest_service(bed.ingest);
    bed_reset();
}

void bed_begin_with(struct geo *geo, struct visitor_salts *salts)
{
    begin_cfg((struct ingest_cfg){.geo = geo, .salts = salts});
}

void bed_begin_rejecting(struct rejected_sink sink)
{
    begin_cfg((struct ingest_cfg){.rejected = sink});
}

void bed_end(void)
{
    ingest_free(bed.ingest);
    release();
    ctx_pool_free(bed.contexts);
    buf_done(&bed.answer);
    buf_done(&bed.ack);
    buf_done(&bed.answer_headers);
    buf_done(&bed.values);
    buf_done(&bed.keys);
    buf_done(&bed.record_headers);
}

void bed_reset(void)
{
    bed.header_count = bed.answers = bed.record_count = bed.append_count = bed.worked = 0;
    bed.counted = bed.other_counted = 0;
    bed.query[0] = '\0';
    bed.method = NET_POST;
    bed.status = 0;
    bed.append_rc = bed.commit_rc = RC_OK;
    bed.is_waiting = false;
    buf_clear(&bed.answer);
    buf_clear(&bed.ack);
    buf_clear(&bed.answer_headers);
    buf_clear(&bed.values);
    buf_clear(&bed.keys);
    buf_clear(&bed.record_headers);
    bed_header("Authorization", "Bearer wk_test");
}

void bed_header(const char *name, const char *value)
{
    for (uint32_t i = 0; i < bed.header_count; i++) {
        if (slice_eq_str(bed.headers[i].name, name)) {
            bed.headers[i].value = slice_str(value);
            return;
        }
    }
    assert_true(bed.header_count < COUNT_OF(bed.headers));
    bed.headers[bed.header_count++] = (struct net_header){slice_str(name), slice_str(value)};
}

void bed_no_header(const char *name)
{
    for (uint32_t i = 0; i < bed.header_count; i++)
        if (slice_eq_str(bed.headers[i].name, name))
            bed.headers[i] = bed.headers[--bed.header_count];
}

static bool is_match(struct slice pattern, struct slice path)
{
    if (pattern.data[0] != '*')
        return slice_eq(path, pattern);
    pattern = slice_sub(pattern, 1);
    return path.len >= pattern.len && slice_eq(slice_sub(path, path.len - pattern.len), pattern);
}

/* As the router does it: what is no "*" comes first. */
const struct api_route *bed_route(void)
{
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < bed.service.route_count; i++) {
            const struct api_route *route = &bed.service.routes[i];
            if (route->method == bed.method && (route->pattern[0] == '*') == (pass == 1) &&
                is_match(slice_str(route->pattern), slice_str(bed.path)))
                return route;
        }
    }
    fail_msg("no route %s", bed.path);
    return NULL;
}

/* A request's context as net would make it. */
static void begin(void)
{
    struct ctx_span span;
    release();
    bed.ctx = ctx_new(bed.contexts, 32 << 20);
    assert_non_null(bed.ctx);
    for (uint32_t i = 0; i < bed.header_count; i++) {
        if (slice_eq_str(bed.headers[i].name, "User-Agent"))
            bed.ctx->user_agent = bed.headers[i].value;
        if (slice_eq_str(bed.headers[i].name, "traceparent") &&
            ctx_span_parse(bed.headers[i].value, &span))
            ctx_link_trace(bed.ctx, &span);
    }
}

void bed_post_to(const struct api_route *route, struct slice body)
{
    static struct net_request net;
    static struct api_request req;
    begin();
    net = (struct net_request){.loop = the_loop,
                               .received_at = unix_now(),
                               .ctx = bed.ctx,
                               .arena = bed.ctx->arena,
                               .method = bed.method,
                               .path = slice_str(bed.path),
                               .headers = bed.headers,
                               .header_count = bed.header_count,
                               .query = slice_str(bed.query),
                               .body = body,
                               .body_bytes = body.len};
    req = (struct api_request){
        .net = &net, .route = route, .params = {bed.param}, .client = bed.client};
    struct ctx *ctx = ctx_enter(ctx_ref(bed.ctx));
    req.route->handle(ctx, bed.service.ctx, &req);
    ctx_leave(ctx);
    if (!bed.is_waiting)
        assert_int_equal(bed.answers, 1);
}

void bed_post(struct slice body)
{
    bed_post_to(bed_route(), body);
}

const char *bed_answer(void)
{
    return buf_cstr(&bed.answer);
}

const char *bed_values(void)
{
    return buf_cstr(&bed.values);
}

/* ---- net ---- */

const struct net_header *net_header_find(const struct net_request *req, struct slice name)
{
    for (uint32_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, name))
            return &req->headers[i];
    return NULL;
}

bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value)
{
    struct slice rest = req->query;
    while (rest.len) {
        struct slice value = slice_cut(&rest, '&');
        struct slice key = slice_cut(&value, '=');
        if (slice_eq_str(key, name)) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

void net_loop_post(struct net_loop *loop, struct net_task *task)
{
    assert_ptr_equal(loop, the_loop);
    struct ctx *ctx = ctx_enter(task->ctx);
    assert_non_null(ctx);
    task->run(ctx, task);
    ctx_leave(ctx);
}

void net_loop_work(struct ctx *ctx, struct net_loop *loop, void (*work)(struct ctx *ctx, void *arg),
                   void (*done)(struct ctx *ctx, void *arg), void *arg)
{
    assert_ptr_equal(loop, the_loop);
    bed.worked++;
    work(ctx, arg);
    done(ctx, arg);
}

/* ---- api ---- */

void api_answer(struct api_request *req, int status, const char *content_type, struct slice body,
                const struct net_header *headers, uint32_t header_count)
{
    (void)req;
    (void)content_type;
    bed.status = status;
    bed.answers++;
    buf_add_slice(&bed.answer, body);
    for (uint32_t i = 0; i < header_count; i++)
        if (slice_eq_str(headers[i].name, "X-Weir-Ack"))
            buf_add_slice(&bed.ack, headers[i].value);
    for (uint32_t i = 0; i < header_count; i++)
        buf_addf(&bed.answer_headers, "%.*s: %.*s\n", SLICE_ARG(headers[i].name),
                 SLICE_ARG(headers[i].value));
}

void api_problem(struct api_request *req, enum rc rc, const char *detail_fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, detail_fmt);
    vsnprintf(text, sizeof(text), detail_fmt, ap);
    va_end(ap);
    api_answer(req, rc_http_status(rc), "application/problem+json", slice_str(text), NULL, 0);
}

void api_problem_err(struct api_request *req, const struct err *err)
{
    api_problem(req, err->rc, "%s", err->text);
}

/* ---- tenant ---- */

bool api_ingest_admit(struct api_request *req, const struct tenant_project *project,
                      enum ctx_actor_kind kind, struct slice id)
{
    (void)req, (void)project, (void)kind, (void)id;
    return true;
}

enum jwt_result api_ingest_token(struct api_request *req, struct slice token,
                                 const struct tenant_project **ret_project, struct slice *ret_user,
                                 enum rc *ret_rc)
{
    (void)req, (void)token, (void)ret_project, (void)ret_user;
    *ret_rc = RC_OK;
    return JWT_BAD_ISSUER;
}

void api_ingest_count(struct ctx *ctx, struct api_request *req,
                      const struct tenant_project *project, uint32_t events)
{
    (void)ctx, (void)req;
    *(project == &bed.project ? &bed.counted : &bed.other_counted) += events;
}

static bool has_line(const char *lines, struct slice line)
{
    struct slice rest = slice_str(lines);
    while (rest.len)
        if (slice_eq(slice_cut(&rest, '\n'), line) && line.len)
            return true;
    return false;
}

static const struct tenant_project *project_of(struct slice key)
{
    return slice_eq_str(key, "wk_test") || has_line(bed.names, key)          ? &bed.project
           : slice_eq_str(key, "wk_other") || has_line(bed.other_names, key) ? &bed.other
                                                                             : NULL;
}

const struct tenant_project *api_ingest_project(struct api_request *req, struct slice key)
{
    const struct tenant_project *project = project_of(key);
    if (!project)
        api_problem(req, RC_UNAUTHORIZED, "unknown key");
    return project;
}

bool api_ingest_knows(const struct api_request *req, struct slice key)
{
    (void)req;
    return project_of(key) != NULL;
}

const struct tenant_project *api_ingest_further(struct api_request *req, struct slice key,
                                                const char **ret_why)
{
    (void)req;
    const struct tenant_project *project = project_of(key);
    *ret_why = !project ? "unknown key" : NULL;
    if (project && bed.refused && slice_eq_str(key, bed.refused)) {
        *ret_why = "it takes nothing now";
        return NULL;
    }
    return project;
}

void api_json(struct api_request *req, int status, struct slice body)
{
    api_answer(req, status, "application/json", body, NULL, 0);
}

const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *project)
{
    (void)v;
    return memcmp(project, &bed.project.id, sizeof(*project)) == 0 ? &bed.project : NULL;
}

/* ---- stream ---- */

enum rc stream_append(struct stream *s, struct stream_append *append)
{
    assert_ptr_equal(s, &bed);
    bed.append_count++;
    if (bed.append_rc != RC_OK)
        return bed.append_rc;
    bed.waiting = append;
    if (!bed.is_waiting)
        bed_commit();
    return RC_OK;
}

void bed_commit(void)
{
    struct stream_append *append = bed.waiting;
    assert_non_null(append);
    for (uint32_t i = 0; bed.commit_rc == RC_OK && i < append->count; i++) {
        buf_add_slice(&bed.values, append->records[i].value);
        buf_add_char(&bed.values, '\n');
        buf_add_slice(&bed.keys, append->records[i].key);
        buf_add_char(&bed.keys, '\n');
        if (i == 0)
            buf_add_slice(&bed.record_headers, append->records[i].headers);
        bed.record_count++;
    }
    bed.waiting = NULL;
    append->done(append, bed.commit_rc);
}
