/* WHAT    query_question(), query_saved_csv(): a question that no request asked, answered on the
 *         caller's thread.
 * WHY     The same way that a request's goes, from the parser to the shape, so that an alert and a
 *         chart never count differently. A context, its arena and the request are made for it.
 * THREADS any that may block, never a loop. */
#include "analytics/report/report_run_int.h"

enum { ARENA_BYTES_MAX = 8 << 20 };

struct asking {
    const struct query_asker *who;
    struct slice body;
    struct query_saved *saved; /* NULL: the body is the question */
    struct arena *arena;       /* of what is told about it */
};

static enum rc ask(struct ctx *ctx, struct query *q, const struct asking *a, struct buf *out,
                   struct err *err)
{
    static const struct api_route route = {.pattern = "(a question of weir's own)"};
    struct ctx_claims claims = {.actor = {.kind = CTX_SYSTEM}, .executor = {.kind = CTX_SYSTEM}};
    struct tenant_project project = {.time_zone = a->who->time_zone};
    struct net_request net = {.ctx = ctx, .arena = ctx->arena, .body = a->body};
    struct api_request req = {.net = &net, .project = &project, .route = &route};
    const struct slice viewer = a->who->viewer;
    ENSURE(a->who->project.len == UUID_TEXT_LEN,
           err_set(err, RC_INVALID, "this is no project's id"));
    memcpy(project.id_text, a->who->project.data, UUID_TEXT_LEN);
    size_t n = viewer.len < sizeof(claims.actor.id) ? viewer.len : sizeof(claims.actor.id) - 1;
    memcpy(claims.actor.id, viewer.data, n); /* the rest is zero */
    ctx_set_claims(ctx, &claims);
    if (a->saved)
        req.params[1] = a->saved->id;
    TRY(report_ask(ctx, q, &req, a->saved, out, err));
    if (a->saved)
        a->saved->name = arena_copy(a->arena, a->saved->name);
    return RC_OK;
}

static enum rc ask_in_context(struct query *q, const struct asking *a, struct buf *out,
                              struct err *err)
{
    struct ctx_pool *pool = ctx_pool_new();
    struct ctx *ctx = ctx_new(pool, ARENA_BYTES_MAX);
    enum rc rc =
        ctx ? ask(ctx, q, a, out, err) : err_set(err, RC_NOMEM, "no memory for a question");
    if (ctx)
        ctx_release(ctx);
    ctx_pool_free(pool);
    return rc;
}

enum rc query_question(struct query *q, const struct query_asker *who, struct slice question,
                       struct buf *out, struct err *err)
{
    return ask_in_context(q, &(struct asking){.who = who, .body = question}, out, err);
}

enum rc query_saved_csv(struct query *q, const struct query_asker *who, struct arena *arena,
                        struct query_saved *saved, struct buf *out, struct err *err)
{
    const struct asking a = {.who = who, .body = saved->over, .saved = saved, .arena = arena};
    return ask_in_context(q, &a, out, err);
}
