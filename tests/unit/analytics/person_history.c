#include "person_history.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { DAY_MS = 24 * 3600 * 1000 };
static uint32_t id_count;

static void add_history(struct person_history *h, struct prng *rng, uint32_t history)
{
    uint32_t n = 1 + (uint32_t)prng_below(rng, 30);
    int64_t ms = INT64_C(1767225600000) + (int64_t)prng_below(rng, 40) * 86400000;
    for (uint32_t i = 0; i < n && h->count < HISTORY_EVENTS_MAX; i++) {
        struct person_event *e = &h->events[h->count++];
        *e = (struct person_event){.order = (uint64_t)i * 1000 +
                                            prng_below(rng, 4) * prng_below(rng, 4) * 1000 +
                                            prng_below(rng, 1000),
                                   .ms = ms,
                                   .history = history,
                                   .id = ++id_count,
                                   .luck = prng_next(rng)};
        if (prng_below(rng, 6) == 0)
            e->order = prng_below(rng, 20000); /* any time */
        if (prng_below(rng, 10) == 0 &&
            h->count < HISTORY_EVENTS_MAX) { /* the client sends it again */
            h->events[h->count] = *e;
            h->events[h->count++].order += 1 + prng_below(rng, 9000);
        }
        ms += prng_below(rng, 4) ? (int64_t)prng_below(rng, 100000) : 0;
        ms += prng_below(rng, 8) ? 0 : (int64_t)prng_below(rng, 5 * (uint64_t)DAY_MS);
    }
}

static int by_order(const void *a, const void *b)
{
    const struct person_event *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

void person_history_make(struct person_history *h, struct prng *rng, uint32_t round)
{
    h->count = 0;
    for (uint32_t i = 0; i < HISTORIES; i++)
        add_history(h, rng, round * HISTORIES + i);
    qsort(h->events, h->count, sizeof(*h->events), by_order);
}

static const char *pick(uint64_t *luck, const char *const *of, uint32_t n)
{
    const char *text = of[*luck % n];
    *luck /= n;
    return text;
}
#define PICK(luck, ...)                            \
    pick(luck, (const char *const[]){__VA_ARGS__}, \
         (uint32_t)COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* What an event says; few ids, some of them in every role. */
struct saying {
    const char *kind, *user, *anonymous, *previous, *type, *group, *groups, *traits, *once;
};
#define KINDS "", "", "", "identify", "identify", "alias", "group", "engagement"
#define USERS "", "", "u1", "u1", "u2", "u3", "x"
#define ANONYMOUS "", "a1", "a1", "a2", "a2", "a3", "a4", "u2", "x"
#define TRAITS                                                                    \
    "", "", "{\"plan\":\"pro\"}", "{\"plan\":\"free\",\"age\":7}", "{\"age\":8}", \
        "{\"plan\":null}", "{\"email\":\"a@b.example\"}"
#define GROUPS "", "", "{\"crew\":\"g1\"}", "{\"crew\":\"g3\",\"zoo\":\"g2\"}"
#define ONCE \
    "", "", "", "{\"plan\":\"first\"}", "{\"age\":1,\"source\":\"ad\"}", "{\"source\":\"mail\"}"

static struct saying saying_of(const struct person_event *e)
{
    uint64_t luck = e->luck;
    struct saying s = {0};
    s.kind = PICK(&luck, KINDS);
    s.user = PICK(&luck, USERS);
    s.anonymous = PICK(&luck, ANONYMOUS);
    s.previous = strcmp(s.kind, "alias") == 0 ? PICK(&luck, ANONYMOUS, USERS) : "";
    s.type = PICK(&luck, "", "", "company", "team", "crew");
    s.group = *s.type ? PICK(&luck, "g1", "g2") : "";
    s.groups = *s.type && strcmp(s.type, "crew") != 0 ? PICK(&luck, GROUPS) : "";
    s.traits = PICK(&luck, TRAITS);
    s.once = PICK(&luck, ONCE);
    return s;
}

void person_add_text(struct buf *out, const char *name, const char *value)
{
    if (*value) {
        buf_addf(out, ",\"%s\":", name);
        buf_add_json(out, slice_str(value));
    }
}

/* The record, as ingestion writes it. */
void person_event_record(struct buf *out, const struct person_event *e)
{
    char time[TIME_TEXT_BYTES];
    struct saying s = saying_of(e);
    buf_addf(out,
             "{\"id\":\"%08llx-0000-4000-8000-%012u\",\"project\":\"%08u-0000-4000-8000-"
             "000000000001\",\"event\":\"%s\",\"timestamp\":\"%s\",\"received_at\":"
             "\"2026-03-31T00:00:00.000Z\",\"source\":\"api\",\"dedupe\":true",
             (unsigned long long)(e->luck >> 40), (unsigned)e->id, (unsigned)e->history,
             *s.kind ? s.kind : "click", time_format((unix_ms){e->ms}, time));
    person_add_text(out, "user_id", s.user);
    person_add_text(out, "anonymous_id", s.anonymous);
    person_add_text(out, "kind", s.kind);
    if (*s.type)
        buf_addf(out, ",\"group\":{\"type\":\"%s\",\"id\":\"%s\"}", s.type, s.group);
    if (*s.groups)
        buf_addf(out, ",\"groups\":%s", s.groups);
    person_add_text(out, "previous_id", s.previous);
    if (*s.traits)
        buf_addf(out, ",\"traits\":%s", s.traits);
    if (*s.once)
        buf_addf(out, ",\"traits_once\":%s", s.once);
    buf_add_char(out, '}');
}

/* The row, without deduplication. */
void person_event_row(struct buf *out, const struct person_event *e, uint32_t partition,
                      uint64_t offset)
{
    struct saying s = saying_of(e);
    buf_addf(
        out,
        "{\"id\":\"%08llx-0000-4000-8000-%012u\",\"project_id\":\"%08u-0000-4000-8000-"
        "000000000001\",\"event\":\"%s\",\"timestamp\":\"%lld.%03lld\",\"received_at\":1774915200,"
        "\"stream_partition\":%u,\"stream_offset\":%llu",
        (unsigned long long)(e->luck >> 40), (unsigned)e->id, (unsigned)e->history,
        *s.kind ? s.kind : "click", (long long)(e->ms / 1000), (long long)(e->ms % 1000),
        (unsigned)partition, (unsigned long long)offset);
    person_add_text(out, "user_id", s.user);
    person_add_text(out, "anonymous_id", s.anonymous);
    person_add_text(out, "kind", s.kind);
    person_add_text(out, "group_type", s.type);
    person_add_text(out, "group_id", s.group);
    person_add_text(out, "groups", s.groups);
    person_add_text(out, "previous_id", s.previous);
    person_add_text(out, "traits", s.traits);
    person_add_text(out, "traits_once", s.once);
    buf_add_str(out, "}\n");
}

uint32_t person_event_partition(const struct person_event *e)
{
    return (uint32_t)(e->luck >> 20) %
           HISTORY_PARTITIONS; /* of one project, and one person, in both */
}
