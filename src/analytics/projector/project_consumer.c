/* WHAT    The live consumer "project": a writer behind the stream's consumer frame, and its
 *         metrics.
 * THREADS the consumer's; metrics are read from any. */
#include "analytics/projector/project_int.h"

#include "base/metrics.h"

static struct metric metric_rows = {.name = "weir_project_rows_total",
                                    .help = "Events written into the table",
                                    .kind = METRIC_COUNTER};
static struct metric metric_duplicates = {.name = "weir_project_duplicates_total",
                                          .help = "Events dropped because their client id was "
                                                  "there already",
                                          .kind = METRIC_COUNTER};
static struct metric metric_rejected = {.name = "weir_project_rejected_total",
                                        .help = "Records that could not become a row",
                                        .kind = METRIC_COUNTER};
static struct metric metric_bots = {.name = "weir_project_bots_total",
                                    .help = "Events of bots that their project does not keep",
                                    .kind = METRIC_COUNTER};
static struct metric metric_asked = {.name = "weir_project_ids_asked_total",
                                     .help = "Client ids that the table was asked about",
                                     .kind = METRIC_COUNTER};
static struct metric metric_filter = {.name = "weir_project_filter_bytes",
                                      .help = "Memory of the filter of client ids",
                                      .kind = METRIC_GAUGE};

void project_metrics_register(struct project_writer *w)
{
    static bool is_done;
    (void)w; /* the numbers are pushed by the consumer's thread */
    if (is_done)
        return;
    is_done = true;
    metrics_register(&metric_rows);
    metrics_register(&metric_duplicates);
    metrics_register(&metric_rejected);
    metrics_register(&metric_bots);
    metrics_register(&metric_asked);
    metrics_register(&metric_filter);
}

static void reject(void *ctx, uint32_t index, const char *reason)
{
    consumer_reject(ctx, index, reason);
}

static enum rc consumer_process(void *ctx, struct consumer *c, const struct consumer_batch *batch,
                                struct err *err)
{
    struct project_writer *w = ctx;
    struct project_counts counts;
    TRY(project_writer_write(w, batch, reject, c, &counts, err));
    metric_add(&metric_rows, (int64_t)counts.rows);
    metric_add(&metric_duplicates, (int64_t)counts.duplicate);
    metric_add(&metric_rejected, (int64_t)counts.rejected);
    metric_add(&metric_bots, (int64_t)counts.bots);
    metric_add(&metric_asked, (int64_t)counts.asked);
    metric_set(&metric_filter, (int64_t)project_writer_filter_bytes(w));
    return counts.rejected ? RC_INVALID : RC_OK;
}

static enum rc consumer_idle(void *ctx, struct consumer *c, struct err *err)
{
    (void)c;
    (void)err;
    project_writer_idle(ctx);
    return RC_OK;
}

const struct consumer_ops project_consumer_ops = {
    .name = "project", .process = consumer_process, .idle = consumer_idle};
