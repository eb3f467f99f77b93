/* How often a client may ask: by address before anything else is looked at, by key once it is
 * known. What was looked at is told in the answer (http/ratelimit.h). */
#include "api/api_int.h"

#include "base/must.h"

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

static bool take(struct api_request *req, const char *name, struct limit *limit, uint64_t key,
                 const struct limit_policy *policy)
{
    struct limit_answer a;
    bool is_allowed = limit_take(limit, key, 1, policy, mono_now(), &a);
    note(req, name, policy, &a);
    if (!is_allowed)
        api_too_many(req, a.retry_after_s,
                     *name == 'k' ? "This key is used too often; wait as long as Retry-After says."
                                  : "Too many requests from this address; wait as long as "
                                    "Retry-After says.");
    return is_allowed;
}

bool api_limit_address(struct api_request *req)
{
    struct limit *l = req->api->addresses;
    return !l ||
           take(req, "address", l, limit_key_address(l, req->client), &req->api->address_limit);
}

bool api_limit_key(struct api_request *req, const struct uuid *key)
{
    struct limit *l = req->api->keys;
    return !l ||
           take(req, "key", l, limit_key(l, slice_of((const char *)key->bytes, sizeof(key->bytes))),
                &req->api->key_limit);
}

void api_ingest_count(struct api *api, const struct tenant_project *project, uint32_t events)
{
    if (api->quota && project->events_per_month_max > 0)
        IGNORE(quota_add(api->quota, &project->id, (uint64_t)project->events_per_month_max, events,
                         unix_now()),
               "quota_flush() tells the owners");
}
