/* WHAT  The sessionizer as the worker of derived.h sees it, and its metrics. */
#include "analytics/session/sessionize.h"

static struct metric m_lag = {.name = "weir_sessions_lag_records",
                              .help =
                                  "Records in the table of events that sessions do not yet have.",
                              .kind = METRIC_GAUGE};
static struct metric m_sweeping = {.name = "weir_sessions_rebuilding",
                                   .help = "1 while all sessions are made anew.",
                                   .kind = METRIC_GAUGE};
static struct metric m_steps = {.name = "weir_sessions_steps_total",
                                .help = "Batches of events whose sessions were written.",
                                .kind = METRIC_COUNTER};
static struct metric m_retries = {.name = "weir_sessions_retries_total",
                                  .help = "Attempts at one that failed.",
                                  .kind = METRIC_COUNTER};
static struct metric m_grown = {.name = "weir_sessions_written_total",
                                .help = "Rows of sessions, by what they were made of.",
                                .labels = "from=\"new events\"",
                                .kind = METRIC_COUNTER};
static struct metric m_anew = {.name = "weir_sessions_written_total",
                               .help = "Rows of sessions, by what they were made of.",
                               .labels = "from=\"all events\"",
                               .kind = METRIC_COUNTER};
static struct metric *const own[] = {&m_grown, &m_anew};

static enum rc step(void *maker, struct err *err)
{
    return sessionizer_step(maker, err);
}

static void look(void *maker)
{
    sessionizer_look(maker);
}

static void progress(void *maker, struct derived_progress *ret)
{
    struct sessionize_counts counts;
    sessionizer_counts(maker, &counts);
    ret->lag_offsets = sessionizer_lag(maker, &ret->is_anew);
    ret->steps = counts.steps + counts.sweep_steps;
    ret->offsets = counts.offsets;
    ret->anew_done = counts.sweeps;
    metric_set(&m_grown, (int64_t)counts.grown);
    metric_set(&m_anew, (int64_t)counts.made_anew);
}

static void give_up(void *maker)
{
    sessionizer_give_up(maker);
}

static void maker_free(void *maker)
{
    sessionizer_free(maker);
}

static const struct derived_ops ops = {.name = "sessionize",
                                       .step = step,
                                       .look = look,
                                       .progress = progress,
                                       .give_up = give_up,
                                       .free = maker_free,
                                       .lag = &m_lag,
                                       .anew = &m_sweeping,
                                       .steps = &m_steps,
                                       .retries = &m_retries,
                                       .own = own,
                                       .own_count = COUNT_OF(own)};

enum rc sessionize_worker_start(const struct sessionize_worker_cfg *cfg,
                                struct derived_worker **ret, struct err *err)
{
    struct sessionizer *sessionizer;
    TRY(sessionizer_new(&cfg->sessionize, &sessionizer, err));
    return derived_worker_start(&ops, sessionizer, &cfg->pace, ret, err);
}

enum rc sessionize_worker_forget(struct derived_worker *w, struct err *err)
{
    return sessionizer_forget(derived_worker_maker(w), err);
}
