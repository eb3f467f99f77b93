#include "base/metrics.h"

#include <pthread.h>
#include <string.h>

#include "base/must.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *first; /* sorted by name, so that families stay together */

void metrics_register(struct metric *m)
{
    must(m->name && m->help);
    pthread_mutex_lock(&lock);
    struct metric **at = &first;
    while (*at && strcmp((*at)->name, m->name) <= 0) {
        must(*at != m);
        at = &(*at)->next;
    }
    m->next = *at;
    *at = m;
    pthread_mutex_unlock(&lock);
}

void metrics_unregister(struct metric *m)
{
    pthread_mutex_lock(&lock);
    for (struct metric **at = &first; *at; at = &(*at)->next) {
        if (*at == m) {
            *at = m->next;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

int64_t metric_get(const struct metric *m)
{
    return m->read ? m->read(m->read_ctx) : atomic_load_explicit(&m->value, memory_order_relaxed);
}

static void render_histogram(struct buf *out, const struct metric *m)
{
    static const uint64_t edges_us[] = {100,    250,    500,     1000,    2500,
                                        5000,   10000,  25000,   50000,   100000,
                                        250000, 500000, 1000000, 2500000, 10000000};
    const char *labels = m->labels ? m->labels : "";
    const char *comma = m->labels ? "," : "";
    uint64_t total = hist_total(m->hist);
    for (size_t i = 0; i < COUNT_OF(edges_us); i++)
        buf_addf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", m->name, labels, comma,
                 (double)edges_us[i] / 1e6,
                 (unsigned long long)hist_count_at_most(m->hist, edges_us[i]));
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", m->name, labels, comma,
             (unsigned long long)total);
    const char *open = m->labels ? "{" : "", *close = m->labels ? "}" : "";
    buf_addf(out, "%s_sum%s%s%s %.6f\n", m->name, open, labels, close,
             (double)hist_sum(m->hist) / 1e6);
    buf_addf(out, "%s_count%s%s%s %llu\n", m->name, open, labels, close, (unsigned long long)total);
}

void metrics_render(struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&lock);
    const char *family = "";
    for (const struct metric *m = first; m; m = m->next) {
        if (strcmp(family, m->name) != 0) {
            family = m->name;
            buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                     kinds[m->kind]);
        }
        if (m->kind == METRIC_HISTOGRAM) {
            render_histogram(out, m);
            continue;
        }
        if (m->labels)
            buf_addf(out, "%s{%s} ", m->name, m->labels);
        else
            buf_addf(out, "%s ", m->name);
        buf_add_i64(out, metric_get(m));
        buf_add_char(out, '\n');
    }
    pthread_mutex_unlock(&lock);
}
