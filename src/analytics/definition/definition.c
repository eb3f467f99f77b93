/* WHAT    From a route to what is done with a definition, and back; the source that reports ask.
 * WHY     All of it blocks on the state, so each request goes to the worker pool and is answered on
 *         its loop. The project is the one of the path, which the router has compared with the
 *         caller's; everything below is found by it.
 * THREADS definition_handle() and answer() on the request's loop, work() on the pool; the source on
 *         the pool, or on a thread of who asks a stored question later. */
#include "analytics/definition/definition_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"

enum { ANSWER_BYTES_MAX = 8 << 20 };

/* ---- the way there and back ---- */
static void work(struct ctx *ctx, void *arg)
{
    struct definition_call *c = arg;
    c->rc = c->op->has_body ? api_body_object(c->req, &c->body, &c->err) : RC_OK;
    if (c->rc == RC_OK)
        c->rc = c->op->run(ctx, c);
    if (c->rc == RC_OK && !buf_ok(&c->out))
        c->rc = err_set(&c->err, RC_LIMIT, "the answer is too long");
}

static void answer(struct ctx *ctx, void *arg)
{
    struct definition_call *c = arg;
    struct net_header headers[2] = {{SLICE_LIT("Cache-Control"), SLICE_LIT("no-cache")}};
    uint32_t count = 1;
    (void)ctx;
    if (*c->etag)
        headers[count++] = (struct net_header){SLICE_LIT("ETag"), slice_str(c->etag)};
    if (c->rc == RC_OK) {
        api_answer(c->req, c->op->status, c->out.len ? "application/json" : NULL,
                   buf_slice(&c->out), headers, count);
    } else {
        if (c->err.rc == RC_OK)
            (void)err_set(&c->err, c->rc, "%s", rc_text(c->rc));
        api_problem_err(c->req, &c->err);
    }
    buf_done(&c->out);
    heap_free(c);
}

void definition_handle(struct ctx *ctx, void *service, struct api_request *req)
{
    struct definition_call *c = heap_alloc(HEAP_ANALYTICS, sizeof(*c));
    must(req->project); /* the router's promise */
    *c = (struct definition_call){
        .definition = service,
        .req = req,
        .op = req->route->arg,
        .where = {.project = slice_of(req->project->id_text, UUID_TEXT_LEN),
                  .viewer = slice_str(ctx->claims->actor.id)},
        .err = ERR_INIT};
    buf_init(&c->out, ANSWER_BYTES_MAX);
    net_loop_work(ctx, req->net->loop, work, answer, c);
}

/* ---- what most of them do ---- */
static struct slice id_of(const struct definition_call *c)
{
    return c->req->params[1]; /* behind the project's */
}

enum rc definition_shown(struct definition_call *c, struct slice id)
{
    yyjson_val *object;
    int64_t version = 0;
    TRY(tenant_definition_show(c->definition->state, c->op->kind->entity, &c->where, id, &c->out,
                               &c->err));
    TRY(json_parse(c->req->net->arena, buf_slice(&c->out), &object, &c->err));
    if (json_to_i64(json_get(object, "version"), &version))
        snprintf(c->etag, sizeof(c->etag), "\"%lld\"", (long long)version);
    return RC_OK;
}

enum rc definition_read_match(struct definition_call *c, int64_t *ret)
{
    struct slice tag = net_header_get(c->req->net, "If-Match");
    *ret = 0;
    if (!tag.len || slice_eq_str(tag, "*"))
        return RC_OK;
    if (tag.len < 3 || tag.data[0] != '"' || tag.data[tag.len - 1] != '"' ||
        !slice_to_i64(slice_of(tag.data + 1, tag.len - 2), ret) || *ret <= 0)
        return err_set(&c->err, RC_INVALID,
                       "If-Match: give the version that the ETag named, \"3\", or *");
    return RC_OK;
}

static enum rc check(struct definition_call *c, struct slice self)
{
    const struct stored_lookup lookup = {
        .source = &c->definition->source,
        .where = {.project = c->where.project, .viewer = c->where.viewer},
        .self = self};
    TRY(definition_alert_check(c->op->kind->entity, c->body, &lookup, &c->err));
    if (c->op->kind->stored == STORED_KINDS)
        return RC_OK;
    return stored_check(c->op->kind->stored, c->body, &lookup, c->req->net->arena, &c->err);
}

static enum rc check_needed(struct definition_call *c)
{
    for (size_t i = 0; i < COUNT_OF(c->op->kind->needed) && c->op->kind->needed[i]; i++) {
        yyjson_val *v = json_get(c->body, c->op->kind->needed[i]);
        if (!v || yyjson_is_null(v))
            return err_set(&c->err, RC_INVALID, "/%s: it is needed", c->op->kind->needed[i]);
    }
    return RC_OK;
}

enum rc definition_list(struct ctx *ctx, struct definition_call *c)
{
    struct slice after;
    (void)ctx;
    if (!net_query_get(c->req->net, "after", &after))
        after = SLICE_EMPTY;
    return tenant_definition_list(c->definition->state, c->op->kind->entity, &c->where, after,
                                  &c->out, &c->err);
}

static enum rc read_day(struct definition_call *c, const char *name, struct slice *ret)
{
    unix_ms when;
    if (!net_query_get(c->req->net, name, ret))
        *ret = SLICE_EMPTY;
    if (ret->len && (ret->len != strlen("2026-01-31") || !time_parse(*ret, &when)))
        return err_set(&c->err, RC_INVALID, "%s: give a day, 2026-01-31", name);
    return RC_OK;
}

/* Of the days of a chart, if they are named. */
enum rc definition_list_annotations(struct ctx *ctx, struct definition_call *c)
{
    struct slice first, last, after;
    (void)ctx;
    TRY(read_day(c, "from", &first));
    TRY(read_day(c, "to", &last));
    if (!net_query_get(c->req->net, "after", &after))
        after = SLICE_EMPTY;
    return tenant_annotation_list(c->definition->state, &c->where, first, last, after, &c->out,
                                  &c->err);
}

enum rc definition_create(struct ctx *ctx, struct definition_call *c)
{
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    TRY(check_needed(c));
    TRY(check(c, SLICE_EMPTY));
    TRY(tenant_definition_create(ctx, c->definition->tenant, c->op->kind->entity, &c->where,
                                 c->req->net->body, &id, &c->err));
    return definition_shown(c, slice_str(uuid_format(&id, text)));
}

enum rc definition_show(struct ctx *ctx, struct definition_call *c)
{
    (void)ctx;
    return definition_shown(c, id_of(c));
}

enum rc definition_update(struct ctx *ctx, struct definition_call *c)
{
    int64_t version;
    TRY(definition_read_match(c, &version));
    TRY(check(c, id_of(c)));
    TRY(tenant_definition_update(ctx, c->definition->tenant, c->op->kind->entity, &c->where,
                                 id_of(c), version, c->req->net->body, &c->err));
    return definition_shown(c, id_of(c));
}

enum rc definition_remove(struct ctx *ctx, struct definition_call *c)
{
    int64_t version;
    TRY(definition_read_match(c, &version));
    return tenant_definition_remove(ctx, c->definition->tenant, c->op->kind->entity, &c->where,
                                    id_of(c), version, &c->err);
}

/* ---- for reports ---- */
static const enum tenant_entity entities[STORED_KINDS] = {[STORED_GOAL] = TENANT_GOAL,
                                                          [STORED_SEGMENT] = TENANT_SEGMENT,
                                                          [STORED_COHORT] = TENANT_COHORT,
                                                          [STORED_REPORT] = TENANT_REPORT};

static enum rc source_find(void *ctx, const struct stored_where *where, enum stored_kind kind,
                           struct slice id_or_name, struct buf *out, struct err *err)
{
    const struct definition *d = ctx;
    return tenant_definition_find(d->state, entities[kind],
                                  &(struct tenant_definitions){where->project, where->viewer},
                                  id_or_name, out, err);
}

static enum rc source_all(void *ctx, const struct stored_where *where, enum stored_kind kind,
                          struct buf *out, struct err *err)
{
    const struct definition *d = ctx;
    return tenant_definition_all(d->state, entities[kind],
                                 &(struct tenant_definitions){where->project, where->viewer}, out,
                                 err);
}

static enum rc source_people(void *ctx, const struct stored_where *where, struct slice list,
                             struct buf *out, struct err *err)
{
    const struct definition *d = ctx;
    return tenant_cohort_people(d->state, where->project, list, out, err);
}

static enum rc source_keep(void *ctx, struct ctx *request, const struct stored_where *where,
                           struct slice name, const struct stored_people *people, struct buf *out,
                           struct err *err)
{
    const struct definition *d = ctx;
    const struct tenant_definitions at = {where->project, where->viewer};
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    TRY(tenant_cohort_create(request, d->tenant, &at, name,
                             &(struct tenant_people){people->count_by, people->count, people->ids},
                             &id, err));
    return tenant_definition_show(d->state, TENANT_COHORT, &at, slice_str(uuid_format(&id, text)),
                                  out, err);
}

/* ---- the service ---- */
struct definition *definition_new(const struct definition_cfg *cfg)
{
    struct definition *d = heap_alloc(HEAP_ANALYTICS, sizeof(*d));
    *d = (struct definition){.tenant = cfg->tenant,
                             .state = tenant_state(cfg->tenant),
                             .source = {.find = source_find,
                                        .all = source_all,
                                        .people = source_people,
                                        .keep = source_keep,
                                        .ctx = d}};
    return d;
}

struct api_service definition_service(struct definition *d)
{
    return (struct api_service){.name = "definition",
                                .ctx = d,
                                .routes = definition_routes,
                                .route_count = definition_route_count,
                                .openapi_schemas = NULL};
}

const struct stored_source *definition_source(struct definition *d)
{
    return &d->source;
}

void definition_free(struct definition *d)
{
    heap_free(d);
}
