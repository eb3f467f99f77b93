/* WHAT    Sampling: a question that asks about one in ten of those who did something, and tells of
 *         all.
 * WHY     By actor and not by event: of who is in it all is in it, so that funnels, retention,
 *         visits and shares are whole. Who is in it says a hash of the visitor (user, person): the
 *         same ones in every report and range, and those of a smaller sample are in a larger one,
 *         too. What nobody did (visitor 0) is taken by its quarter of an hour.
 * INVARIANTS  Counts and sums are divided by the share; means, shares and percentiles are not. */
#include "analytics/event/schema.h"
#include "analytics/report/report_int.h"

enum { PARTS = 10000, SCRATCH_BYTES = 4096, SCRATCH_BYTES_MAX = 1 << 20 };

bool report_take_sample(struct report *r, yyjson_val *v)
{
    const struct report_at at = {.name = "sample"};
    double share;
    if (!v || yyjson_is_null(v))
        return true;
    if (!json_to_double(v, &share) || share < 1.0 / PARTS || share > 1)
        return report_fail(r, &at, "give the share of visitors to look at, from 0.0001 to 1");
    if (share < 1 && !r->kind->is_sampled)
        return report_fail(r, &at, "%s shows single events, of which there is no sample",
                           r->kind->name);
    r->sample = share < 1 ? (uint32_t)(share * PARTS + 0.5) : 0;
    if (r->sample)
        report_bind_i64(r, "sample", r->sample);
    return true;
}

void report_sample_sql(const struct report_sql *s)
{
    const char *who = s->r->by_person             ? "intHash64(person)"
                      : s->r->by_user             ? "sipHash64(user_id)"
                      : s->source & SOURCE_VISITS ? "intHash64(visitor)"
                      : s->source & SOURCE_SLOTS
                          ? "intHash64(if(visitor = 0, toUInt64(slot), visitor))"
                          : "intHash64(if(visitor = 0, toUInt64(" ANALYTICS_SLOT "), visitor))";
    if (s->r->sample)
        buf_addf(s->out, " AND %s %% %d < {sample:UInt32}", who, PARTS);
}

void report_add_count(const struct report *r, struct buf *body, yyjson_val *v)
{
    double n;
    if (r->sample && json_to_double(v, &n))
        buf_add_u64(body, (uint64_t)(n * PARTS / r->sample + 0.5));
    else
        report_add_value(body, v);
}

void report_add_sum(const struct report *r, struct buf *body, yyjson_val *v)
{
    double n;
    if (r->sample && json_to_double(v, &n))
        buf_addf(body, "%.15g", n * PARTS / r->sample);
    else
        report_add_value(body, v);
}

enum rc report_add_sums(const struct report *r, struct buf *body, struct slice object,
                        struct err *err)
{
    struct arena scratch;
    yyjson_val *sums, *name, *v;
    size_t i, n;
    if (!r->sample) {
        buf_add_slice(body, object);
        return RC_OK;
    }
    arena_init(&scratch, SCRATCH_BYTES, SCRATCH_BYTES_MAX);
    enum rc rc = json_parse(&scratch, object, &sums, err);
    buf_add_char(body, '{');
    yyjson_obj_foreach(rc == RC_OK ? sums : NULL, i, n, name, v)
    {
        if (i)
            buf_add_char(body, ',');
        buf_add_json(body, json_text(name));
        buf_add_char(body, ':');
        report_add_sum(r, body, v);
    }
    buf_add_char(body, '}');
    arena_done(&scratch);
    return rc;
}
