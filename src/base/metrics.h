#ifndef WEIR_BASE_METRICS_H
#define WEIR_BASE_METRICS_H
/* Counters, gauges and histograms in Prometheus text format 0.0.4.
 *
 * A metric is a static object registered once at start by its module's xxx_metrics_register();
 * after that updates are relaxed atomics from any thread. Labels are fixed at registration
 * ('stream="events", partition="0"'): a label value never comes from user input. Registration is
 * not thread-safe against rendering; do it before serving, or under metrics_register's own lock (it
 * has one). */
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hist.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
struct metric {
    const char *name;   /* weir_stream_appended_events_total; borrowed for ever */
    const char *help;   /* one line */
    const char *labels; /* 'a="x",b="y"' or NULL; borrowed until unregistered */
    enum metric_kind kind;
    _Atomic int64_t value;      /* counter or gauge */
    const struct hist *hist;    /* histogram: values in microseconds, shown in seconds */
    int64_t (*read)(void *ctx); /* gauge by callback instead of value; any thread */
    void *read_ctx;
    struct metric *next; /* registry's */
};
void metrics_register(struct metric *m);
void metrics_unregister(struct metric *m);
void metrics_render(struct buf *out); /* grouped by name, HELP and TYPE once each */

static inline void metric_add(struct metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t value)
{
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}
int64_t metric_get(const struct metric *m);
#endif
