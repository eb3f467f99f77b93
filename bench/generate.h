#ifndef WEIR_BENCH_GENERATE_H
#define WEIR_BENCH_GENERATE_H
/* Events as a site sends them, from a seed: visits of about six events that go on side by side,
 * with pages, sources, user agents and countries distributed like Zipf's law. The same seed, the
 * same events. */
#include "analytics/event/event.h"
#include "base/random.h"

enum { GENERATED_VISITS = 2000, GENERATED_BYTES_MAX = 2048 };
struct generated_visit {
    uint32_t visitor, left;
    bool is_begun;
};
struct generator {
    struct prng random;
    uint32_t visitors;
    int64_t at_us, step_us; /* of event time */
    struct generated_visit visits[GENERATED_VISITS];
    char text[GENERATED_BYTES_MAX];
};
/* So many events of so many visitors within two days from 2026-10-05 on. */
void generator_init(struct generator *g, uint64_t seed, uint32_t events, uint32_t visitors);
/* The next event as JSON of POST /v1/events, valid until the next call. What is known of its sender
 * by its address goes into *ret_client. */
struct slice generator_next(struct generator *g, struct event_client *ret_client);
#endif
