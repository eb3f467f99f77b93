/* WHAT  The maker of persons as the worker of derived.h sees it, and its metrics. */
#include "analytics/person/persons.h"

static struct metric m_lag = {.name = "weir_persons_lag_records",
                              .help =
                                  "Records in the table of events that persons do not yet have.",
                              .kind = METRIC_GAUGE};
static struct metric m_building = {.name = "weir_persons_rebuilding",
                                   .help = "1 while all persons are made anew.",
                                   .kind = METRIC_GAUGE};
static struct metric m_steps = {.name = "weir_persons_steps_total",
                                .help = "Batches of events that persons were made of.",
                                .kind = METRIC_COUNTER};
static struct metric m_retries = {.name = "weir_persons_retries_total",
                                  .help = "Attempts at one that failed.",
                                  .kind = METRIC_COUNTER};
static struct metric m_leaves = {.name = "weir_persons_ids_total",
                                 .help = "Ids that were put to a person.",
                                 .labels = "by=\"one claim\"",
                                 .kind = METRIC_COUNTER};
static struct metric m_ids = {.name = "weir_persons_ids_total",
                              .help = "Ids that were put to a person.",
                              .labels = "by=\"all claims\"",
                              .kind = METRIC_COUNTER};
static struct metric m_forgotten = {.name = "weir_persons_forgotten_ids_total",
                                    .help = "Ids of persons that were too old for their project.",
                                    .kind = METRIC_COUNTER};
static struct metric *const own[] = {&m_leaves, &m_ids, &m_forgotten};

static enum rc step(void *maker, struct err *err)
{
    return persons_step(maker, err);
}

static void look(void *maker)
{
    persons_look(maker);
}

static void progress(void *maker, struct derived_progress *ret)
{
    struct persons_counts counts;
    persons_counts(maker, &counts);
    ret->lag_offsets = persons_lag(maker, &ret->is_anew);
    ret->steps = counts.steps;
    ret->offsets = counts.offsets;
    ret->anew_done = counts.generations;
    metric_set(&m_leaves, (int64_t)counts.leaves);
    metric_set(&m_ids, (int64_t)counts.made_anew);
    metric_set(&m_forgotten, (int64_t)counts.forgotten);
}

static void give_up(void *maker)
{
    persons_give_up(maker);
}

static void maker_free(void *maker)
{
    persons_free(maker);
}

static const struct derived_ops ops = {.name = "persons",
                                       .step = step,
                                       .look = look,
                                       .progress = progress,
                                       .give_up = give_up,
                                       .free = maker_free,
                                       .lag = &m_lag,
                                       .anew = &m_building,
                                       .steps = &m_steps,
                                       .retries = &m_retries,
                                       .own = own,
                                       .own_count = COUNT_OF(own)};

enum rc persons_worker_start(const struct persons_worker_cfg *cfg, struct derived_worker **ret,
                             struct err *err)
{
    struct persons *persons;
    TRY(persons_new(&cfg->persons, &persons, err));
    return derived_worker_start(&ops, persons, &cfg->pace, ret, err);
}

enum rc persons_worker_rebuild(struct derived_worker *w, struct err *err)
{
    TRY(persons_rebuild(derived_worker_maker(w), err));
    derived_worker_poke(w);
    return RC_OK;
}

void persons_worker_retain(struct derived_worker *w)
{
    persons_retain(derived_worker_maker(w));
    derived_worker_poke(w);
}
