/* Events without a request: the readers of the dialects for whoever imports. */
#include "analytics/ingest/dialect_read.h"

#include "analytics/ingest/ingest_int.h"
#include "base/must.h"

const struct dialect *dialect_read_find(const char *source)
{
    uint32_t i = 0;
    while (i < dialect_count && !slice_eq_str(slice_str(dialects[i]->source), source))
        i++;
    must(i < dialect_count);
    return dialects[i];
}

void dialect_read_env(const struct dialect *d, struct event_env *env)
{
    env->variant = 0;
    env->shared = d->alone;
    env->shared_bytes = 0;
}

void dialect_read_event(const struct dialect *d, yyjson_val *root, const struct event_env *env,
                        struct event *e, struct event_notes *n)
{
    d->read(root, env, e, n);
}
