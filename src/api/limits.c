/* How often a client may ask: by address before anything else is looked at, by key once it is
 * known. What was looked at is told in the answer (http/ratelimit.h). */
#include "api/api_int.h"

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "tenant/admin.h"

enum { WARNING_ARENA_BYTES = 64 << 10 };

static void note(struct api_request *req, const char *name, const struct limit_policy *policy,
                 const struct limit_answer *a)
{
    must(req->limit_count < COUNT_OF(req->limits));
    req->limits[req->limit_count++] = (struct ratelimit_item){.name = name,
                                                              .quota = policy->burst,
                                                              .window_s = limit_window_s(policy),
                                                              .remaining = a->remaining,
                                                              .reset_s = a->reset_s};
}

/* Whose requests are limited: of an ingest route, for who counts what was refused. */
struct limited {
    enum api_refusal why;
    const struct tenant_project *project;
    const struct tenant_key *key;
};

static bool take(struct api_request *req, const char *name, struct limit *limit, uint64_t key,
                 const struct limit_policy *policy, struct limited of)
{
    struct limit_answer a;
    bool is_allowed = limit_take(limit, key, 1, policy, mono_now(), &a);
    note(req, name, policy, &a);
    if (is_allowed)
        return true;
    api_tell_refused(req, of.why, of.project, of.key);
    api_too_many(req, a.retry_after_s,
                 *name == 'k' ? "This key is used too often; wait as long as Retry-After says."
                              : "Too many requests from this address; wait as long as "
                                "Retry-After says.");
    return false;
}

bool api_limit_address(struct api_request *req)
{
    struct limit *l = req->api->addresses;
    return !l || take(req, "address", l, limit_key_address(l, req->client),
                      &req->api->address_limit, (struct limited){.why = API_REFUSED_ADDRESS});
}

static bool take_of_key(struct api_request *req, const struct uuid *key, struct limited of)
{
    struct limit *l = req->api->keys;
    return !l ||
           take(req, "key", l, limit_key(l, slice_of((const char *)key->bytes, sizeof(key->bytes))),
                &req->api->key_limit, of);
}

bool api_limit_key(struct api_request *req, const struct uuid *key)
{
    return take_of_key(req, key, (struct limited){.why = API_REFUSED_RATE});
}

bool api_limit_sender(struct api_request *req, const struct tenant_project *project,
                      const struct tenant_key *key)
{
    return take_of_key(req, key ? &key->id : &project->id,
                       (struct limited){API_REFUSED_RATE, project, key});
}

bool api_limit_key_quietly(struct api_request *req, const struct uuid *key)
{
    struct limit *l = req->api->keys;
    struct limit_answer a;
    return !l || limit_take(l, limit_key(l, slice_of((const char *)key->bytes, sizeof(key->bytes))),
                            1, &req->api->key_limit, mono_now(), &a);
}

/* ---- quota ---- */
struct warning {
    struct tenant *tenant;
    struct ctx *ctx;
    struct uuid org, project;
};

static void tell_owners(struct ctx *ctx, void *arg)
{
    struct warning *w = arg;
    struct err err = ERR_INIT;
    char project[UUID_TEXT_LEN + 1];
    if (tenant_project_warn_quota(ctx, w->tenant, &w->org, &w->project, &err) != RC_OK)
        log_warn("nobody could be told that a project has used most of its events",
                 LOG_STR("project", uuid_format(&w->project, project)), LOG_ERR(&err));
}

static void told(struct ctx *ctx, void *arg)
{
    struct warning *w = arg;
    (void)ctx;
    ctx_release(w->ctx);
    heap_free(w);
}

void api_ingest_count(struct ctx *ctx, struct api_request *req,
                      const struct tenant_project *project, uint32_t events)
{
    struct quota *quota = req->api->quota;
    (void)ctx;
    if (!quota || project->events_per_month_max == 0 ||
        !quota_add(quota, &project->id, (uint64_t)project->events_per_month_max, events,
                   unix_now()))
        return;
    /* Not the request's doing: weir says it, and the request does not wait for it. */
    struct ctx *own =
        ctx_new_system(net_loop_contexts(req->net->loop), WARNING_ARENA_BYTES, "quota");
    if (!own)
        return;
    struct warning *w = heap_alloc(HEAP_APP, sizeof(*w));
    *w = (struct warning){
        .tenant = req->api->tenant, .ctx = own, .org = project->org, .project = project->id};
    net_loop_work(own, req->net->loop, tell_owners, told, w);
}
