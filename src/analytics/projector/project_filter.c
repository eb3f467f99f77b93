/* WHAT    Which client ids were seen in the last days, as a chain of Bloom filters.
 * WHY     Every event of an SDK carries an id that may come again (a retry). Asking the table for
 *         each would cost more than writing it; a set of all ids would cost 32 bytes and more per
 *         event. At 24 bits per id and 12 probes a full generation answers wrongly for 14 ids in a
 *         million, so a batch of 50,000 asks the table about a handful at most, and a question
 *         about a handful is answered from the table's own index.
 * LAYOUT  A generation holds ids of one day (UTC, by received_at) up to its capacity. The first of
 *         a day has room for what the day before brought, the next ones for twice the last: an idle
 *         server keeps 128 KiB a day, a busy one few generations. What lies more than eight days
 *         before the newest goes. When the memory limit is reached a generation is filled beyond
 *         its capacity: more wrong answers, which cost questions, never events.
 * THREADS one. */
#include "analytics/projector/project_int.h"

#include "base/heap.h"
#include "base/must.h"

enum {
    BITS_PER_ID = 24,
    PROBES = 12,
    BITS_LOG2_MIN = 20, /* 128 KiB, 43,690 ids */
    BITS_LOG2_MAX = 32, /* 512 MiB */
    GENERATIONS_MAX = 64,
};
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;
static const int64_t window_days = PROJECT_DEDUPE_MS / (INT64_C(24) * 3600 * 1000) + 1;

struct generation {
    uint64_t *words;
    uint32_t bits_log2;
    uint64_t count, count_max;
    int64_t day; /* of the newest received_at in it */
};
struct project_filter {
    struct generation generations[GENERATIONS_MAX]; /* in order of opening */
    uint32_t generation_count;
    uint64_t bytes, bytes_max;
    int64_t newest_ms;
};

struct project_filter *project_filter_new(uint64_t bytes_max)
{
    struct project_filter *f = heap_alloc(HEAP_ANALYTICS, sizeof(*f));
    f->bytes_max = bytes_max;
    return f;
}

void project_filter_clear(struct project_filter *f)
{
    for (uint32_t i = 0; i < f->generation_count; i++)
        heap_free(f->generations[i].words);
    f->generation_count = 0;
    f->bytes = 0;
    f->newest_ms = 0;
}

void project_filter_free(struct project_filter *f)
{
    if (!f)
        return;
    project_filter_clear(f);
    heap_free(f);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t project_id_hash(const struct uuid *project, const struct uuid *id)
{
    uint64_t w[4];
    memcpy(w, project->bytes, 16);
    memcpy(w + 2, id->bytes, 16);
    uint64_t h = mix(w[0] ^ UINT64_C(0xa0761d6478bd642f), w[1] ^ UINT64_C(0xe7037ed1a0b428db));
    h = mix(h ^ w[2] ^ UINT64_C(0x8ebc6af09c88c6e3), w[3] ^ UINT64_C(0x589965cc75374cc3));
    return mix(h ^ UINT64_C(0x1d8e4e27c47d124f), UINT64_C(0x9e3779b97f4a7c15));
}

static uint64_t bytes_of(uint32_t bits_log2)
{
    return UINT64_C(1) << (bits_log2 - 3);
}

static void drop_generation(struct project_filter *f, uint32_t i)
{
    f->bytes -= bytes_of(f->generations[i].bits_log2);
    heap_free(f->generations[i].words);
    f->generation_count--;
    memmove(f->generations + i, f->generations + i + 1,
            (f->generation_count - i) * sizeof(f->generations[0]));
}

static void expire(struct project_filter *f)
{
    for (uint32_t i = f->generation_count; i-- > 0;)
        if (f->generations[i].day < f->newest_ms / day_ms - window_days)
            drop_generation(f, i);
}

static uint32_t next_bits_log2(const struct project_filter *f, int64_t day)
{
    uint64_t same_day = 0, day_before = 0;
    for (uint32_t i = 0; i < f->generation_count; i++) {
        const struct generation *g = &f->generations[i];
        if (g->day == day && g->count > same_day)
            same_day = g->count;
        if (g->day == day - 1)
            day_before += g->count;
    }
    uint64_t want = same_day ? same_day * 2 : day_before;
    uint32_t bits_log2 = BITS_LOG2_MIN;
    while (bits_log2 < BITS_LOG2_MAX && (UINT64_C(1) << bits_log2) < want * BITS_PER_ID)
        bits_log2++;
    return bits_log2;
}

/* NULL if neither memory nor a place is left. */
static struct generation *open_generation(struct project_filter *f, int64_t day)
{
    expire(f);
    if (f->generation_count == GENERATIONS_MAX)
        return NULL;
    uint32_t bits_log2 = next_bits_log2(f, day);
    while (bits_log2 > BITS_LOG2_MIN && f->bytes + bytes_of(bits_log2) > f->bytes_max)
        bits_log2--;
    if (f->generation_count && f->bytes + bytes_of(bits_log2) > f->bytes_max)
        return NULL;
    uint64_t *words = heap_try_alloc(HEAP_ANALYTICS, bytes_of(bits_log2));
    if (!words)
        return NULL;
    f->bytes += bytes_of(bits_log2);
    struct generation *g = &f->generations[f->generation_count++];
    *g = (struct generation){.words = words,
                             .bits_log2 = bits_log2,
                             .count_max = (UINT64_C(1) << bits_log2) / BITS_PER_ID,
                             .day = day};
    return g;
}

/* Where an id of that day goes; the largest one beyond its capacity if there is no room left. */
static struct generation *generation_for(struct project_filter *f, int64_t day)
{
    for (uint32_t i = f->generation_count; i-- > 0;)
        if (f->generations[i].day == day && f->generations[i].count < f->generations[i].count_max)
            return &f->generations[i];
    struct generation *opened = open_generation(f, day);
    if (opened || f->generation_count == 0)
        return opened;
    struct generation *largest = &f->generations[0];
    for (uint32_t i = 1; i < f->generation_count; i++)
        if (f->generations[i].bits_log2 > largest->bits_log2)
            largest = &f->generations[i];
    if (largest->day < day)
        largest->day = day; /* it must live as long as the youngest id in it */
    return largest;
}

static bool generation_test(const struct generation *g, uint64_t hash)
{
    uint64_t at = hash, step = mix(hash, UINT64_C(0xd6e8feb86659fd93)) | 1;
    for (int i = 0; i < PROBES; i++, at += step) {
        uint64_t bit = at >> (64 - g->bits_log2);
        if (!(g->words[bit >> 6] >> (bit & 63) & 1))
            return false;
    }
    return true;
}

static void generation_set(struct generation *g, uint64_t hash)
{
    uint64_t at = hash, step = mix(hash, UINT64_C(0xd6e8feb86659fd93)) | 1;
    for (int i = 0; i < PROBES; i++, at += step) {
        uint64_t bit = at >> (64 - g->bits_log2);
        g->words[bit >> 6] |= UINT64_C(1) << (bit & 63);
    }
}

bool project_filter_add(struct project_filter *f, uint64_t hash, unix_ms received_at)
{
    if (received_at.ms > f->newest_ms)
        f->newest_ms = received_at.ms;
    struct generation *g = generation_for(f, received_at.ms / day_ms);
    if (!g)
        return false;
    generation_set(g, hash);
    g->count++;
    return true;
}

bool project_filter_has(const struct project_filter *f, uint64_t hash)
{
    for (uint32_t i = f->generation_count; i-- > 0;)
        if (generation_test(&f->generations[i], hash))
            return true;
    return false;
}

uint64_t project_filter_bytes(const struct project_filter *f)
{
    return f->bytes + sizeof(*f);
}

unix_ms project_filter_newest(const struct project_filter *f)
{
    return (unix_ms){f->newest_ms};
}
