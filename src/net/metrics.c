/* Metrics of a server: per-loop counters, summed when they are read. */
#include <stdio.h>

#include "net/net_int.h"

static uint64_t counter_of(const struct counters *k, int what)
{
    const _Atomic uint64_t *const all[] = {
        [SUM_ACCEPTED] = &k->accepted,
        [SUM_REFUSED_CONNECTIONS] = &k->refused_connections,
        [SUM_REFUSED_REQUESTS] = &k->refused_requests,
        [SUM_DEADLINES] = &k->deadlines,
        [SUM_BYTES_IN] = &k->bytes_in,
        [SUM_BYTES_OUT] = &k->bytes_out,
    };
    const _Atomic uint64_t *c =
        what >= SUM_REQUESTS ? &k->requests[what - SUM_REQUESTS] : all[what];
    return atomic_load_explicit(c, memory_order_relaxed);
}

static int64_t read_sum(void *ctx)
{
    const struct sum *sum = ctx;
    const struct net_server *s = sum->server;
    if (sum->what == SUM_CONNECTIONS)
        return net_server_connections(s);
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->listener_count; i++)
        total += counter_of(&s->listeners[i].counters, sum->what);
    return (int64_t)total;
}

void net_metrics_init(struct net_server *s)
{
    static const struct {
        const char *name, *help;
        enum metric_kind kind;
    } known[] = {
        [SUM_CONNECTIONS] = {"weir_http_connections", "Open connections.", METRIC_GAUGE},
        [SUM_ACCEPTED] = {"weir_http_accepted_total", "Connections accepted.", METRIC_COUNTER},
        [SUM_REFUSED_CONNECTIONS] = {"weir_http_refused_connections_total",
                                     "Connections over the limit, and times without a descriptor.",
                                     METRIC_COUNTER},
        [SUM_REFUSED_REQUESTS] = {"weir_http_refused_requests_total",
                                  "Requests the server refused before any handler saw them.",
                                  METRIC_COUNTER},
        [SUM_DEADLINES] = {"weir_http_deadlines_total", "Deadlines that cut a slow client off.",
                           METRIC_COUNTER},
        [SUM_BYTES_IN] = {"weir_http_received_bytes_total", "Bytes received.", METRIC_COUNTER},
        [SUM_BYTES_OUT] = {"weir_http_sent_bytes_total", "Bytes sent.", METRIC_COUNTER},
        [SUM_REQUESTS] = {"weir_http_requests_total", "Answers by status class.", METRIC_COUNTER},
    };
    for (int i = 0; i < SUM_COUNT; i++) {
        struct sum *sum = &s->sums[i];
        int k = i < SUM_REQUESTS ? i : SUM_REQUESTS;
        sum->server = s;
        sum->what = i;
        if (k == SUM_REQUESTS)
            snprintf(sum->labels, sizeof(sum->labels), "server=\"%s\",status=\"%dxx\"", s->name,
                     i - SUM_REQUESTS + 1);
        else
            snprintf(sum->labels, sizeof(sum->labels), "server=\"%s\"", s->name);
        sum->metric = (struct metric){.name = known[k].name,
                                      .help = known[k].help,
                                      .labels = sum->labels,
                                      .kind = known[k].kind,
                                      .read = read_sum,
                                      .read_ctx = sum};
        metrics_register(&sum->metric);
    }
    for (uint32_t i = 0; i < s->listener_count; i++) {
        struct counters *k = &s->listeners[i].counters;
        snprintf(k->labels, sizeof(k->labels), "server=\"%s\",loop=\"%u\"", s->name, i);
        k->latency = (struct metric){.name = "weir_http_request_seconds",
                                     .help = "From the head of a request to its answer.",
                                     .labels = k->labels,
                                     .kind = METRIC_HISTOGRAM,
                                     .hist = &k->latency_us};
        metrics_register(&k->latency);
    }
}

void net_metrics_done(struct net_server *s)
{
    for (int i = 0; i < SUM_COUNT; i++)
        metrics_unregister(&s->sums[i].metric);
    for (uint32_t i = 0; i < s->listener_count; i++)
        metrics_unregister(&s->listeners[i].counters.latency);
}
