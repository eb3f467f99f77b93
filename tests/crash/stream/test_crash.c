/* Power losses under load. Property, for every seed: what was acknowledged is there once, in its
 * place, after any number of crashes, also of the recovery itself; what readers had seen is there;
 * what was refused for want of space is not; opening twice changes nothing.
 *
 * WEIR_SEEDS = how many (60), WEIR_SEED = just this one. */
#include <pthread.h>

#include "../../unit/stream/util.h"
#include "base/crc32c.h"
#include "base/must.h"
#include "base/random.h"
#include "sim_disk.h"

enum { LIVES = 4, RECORDS_MAX = 6000, WAVE_MAX = 12, PER_APPEND_MAX = 5, VALUE_MAX = 60000 };

enum fate { UNKNOWN, ACKED, ABSENT };
struct sent { /* one record, ever; its id is its index */
    uint32_t partition, append;
    char key[8];
    uint64_t offset;
    uint32_t len;
    uint32_t fate;
    uint32_t seen;                 /* in the pass under way */
    bool may_be_erased, is_erased; /* an erasure was begun; was answered well */
};

static struct {
    struct prng prng;
    struct sent sent[RECORDS_MAX];
    uint32_t sent_n, appends;
    uint64_t visible[4]; /* what readers had been shown per partition */
    enum stream_ack ack;
    uint64_t seed;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t pending;
} t = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct job {
    struct stream_append append;
    struct stream_record records[PER_APPEND_MAX];
    char *values[PER_APPEND_MAX];
    char keys[PER_APPEND_MAX][8];
    uint32_t ids[PER_APPEND_MAX];
};

static void fill(char *value, uint32_t id, uint32_t len)
{
    struct prng p;
    prng_seed(&p, id);
    memcpy(value, &id, sizeof(id));
    for (uint32_t i = 4; i < len; i++)
        value[i] = (char)prng_next(&p);
}

static void job_done(struct stream_append *append, enum rc rc)
{
    struct job *j = append->ctx;
    pthread_mutex_lock(&t.mutex);
    for (uint32_t i = 0; i < append->count; i++) {
        struct sent *s = &t.sent[j->ids[i]];
        s->offset = append->records[i].offset;
        s->partition = append->records[i].partition;
        if (rc == RC_OK)
            s->fate = t.ack == STREAM_ACK_FSYNC ? ACKED : UNKNOWN;
        else if (rc == RC_NOSPACE && t.ack != STREAM_ACK_NONE)
            s->fate = ABSENT;
        else
            must(rc == RC_HALTED || rc == RC_NOSPACE || rc == RC_BUSY);
    }
    t.pending--;
    pthread_cond_signal(&t.changed);
    pthread_mutex_unlock(&t.mutex);
}

static void job_make(struct job *j, struct stream *s)
{
    uint32_t count = 1 + (uint32_t)prng_below(&t.prng, PER_APPEND_MAX);
    *j = (struct job){.append = {.count = count, .done = job_done}};
    j->append.records = j->records;
    j->append.ctx = j;
    uint32_t append = t.appends++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t len = 4 + (uint32_t)prng_below(&t.prng, prng_below(&t.prng, 40) ? 900 : VALUE_MAX);
        must(t.sent_n < RECORDS_MAX);
        j->ids[i] = t.sent_n++;
        j->values[i] = malloc(len);
        fill(j->values[i], j->ids[i], len);
        snprintf(j->keys[i], sizeof(j->keys[i]), "k%u", (unsigned)prng_below(&t.prng, 50));
        j->records[i] = (struct stream_record){.key = slice_str(j->keys[i]),
                                               .value = slice_of(j->values[i], len)};
        t.sent[j->ids[i]] = (struct sent){
            .append = append, .len = len, .partition = stream_partition_of(s, j->records[i].key)};
        memcpy(t.sent[j->ids[i]].key, j->keys[i], sizeof(j->keys[i]));
    }
}

static void show_bounds(struct stream *s)
{
    for (uint32_t p = 0; p < stream_partitions(s); p++) {
        struct stream_bounds b;
        stream_bounds(s, p, &b);
        assert_true(b.next >= t.visible[p]);
        t.visible[p] = b.next;
    }
}

/* Some appends at once, waited for together. False when the stream halted. */
static bool wave(struct stream *s)
{
    struct job jobs[WAVE_MAX];
    uint32_t n = 1 + (uint32_t)prng_below(&t.prng, WAVE_MAX), queued = 0;
    for (; queued < n; queued++) {
        job_make(&jobs[queued], s);
        pthread_mutex_lock(&t.mutex);
        t.pending++;
        pthread_mutex_unlock(&t.mutex);
        enum rc rc = stream_append(s, &jobs[queued].append);
        if (rc != RC_OK) {
            assert_int_equal(rc, RC_HALTED);
            for (uint32_t i = 0; i < jobs[queued].append.count; i++) {
                t.sent[jobs[queued].ids[i]].fate = ABSENT;
                free(jobs[queued].values[i]);
            }
            pthread_mutex_lock(&t.mutex);
            t.pending--;
            pthread_mutex_unlock(&t.mutex);
            break;
        }
    }
    pthread_mutex_lock(&t.mutex);
    while (t.pending)
        pthread_cond_wait(&t.changed, &t.mutex);
    pthread_mutex_unlock(&t.mutex);
    for (uint32_t i = 0; i < queued; i++)
        for (uint32_t k = 0; k < jobs[i].append.count; k++)
            free(jobs[i].values[k]);
    show_bounds(s);
    return !stream_is_halted(s);
}

#define HOLDS(cond)                                                                          \
    do {                                                                                     \
        if (!(cond))                                                                         \
            fail_msg("seed %llu: %s:%d: %s", (unsigned long long)t.seed, __FILE__, __LINE__, \
                     #cond);                                                                 \
    } while (0)

static void check_tombstone(const struct stream_record *r, uint32_t partition)
{
    /* Acknowledged before it is written (ack=none), a record may get its offset and then no space;
     * the offset goes to the next one. */
    uint32_t id = t.sent_n;
    while (id-- > 0 &&
           !(t.sent[id].may_be_erased && !t.sent[id].seen && t.sent[id].fate != ABSENT &&
             t.sent[id].partition == partition && t.sent[id].offset == r->offset))
        continue;
    HOLDS(id < t.sent_n); /* nobody's record is a tombstone who was not to be erased */
    t.sent[id].seen = 1;
    t.sent[id].fate = ACKED;
}

static void check_record(const struct stream_record *r, uint32_t partition)
{
    char *wanted = malloc(VALUE_MAX + 4);
    uint32_t id;
    HOLDS(r->value.len >= 4);
    memcpy(&id, r->value.data, sizeof(id));
    HOLDS(id < t.sent_n);
    struct sent *sent = &t.sent[id];
    fill(wanted, id, sent->len);
    HOLDS(r->value.len == sent->len && memcmp(wanted, r->value.data, sent->len) == 0);
    HOLDS(sent->partition == partition);
    HOLDS(sent->seen == 0);
    HOLDS(sent->fate != ABSENT);
    HOLDS(!sent->is_erased); /* also after a power loss it does not come back */
    if (sent->fate == ACKED)
        HOLDS(sent->offset == r->offset);
    sent->seen = 1;
    /* Once recovered it is on stable storage, and readers have it. */
    sent->fate = ACKED;
    sent->offset = r->offset;
    free(wanted);
}

/* Reads everything; returns a sum over what is there. */
static uint32_t check_all(struct stream *s, bool has_retention)
{
    struct err err = ERR_INIT;
    uint32_t sum = 0;
    uint64_t oldest[4];
    for (uint32_t i = 0; i < t.sent_n; i++)
        t.sent[i].seen = 0;
    for (uint32_t p = 0; p < stream_partitions(s); p++) {
        struct stream_bounds b;
        struct stream_reader *reader;
        struct stream_record r;
        enum rc rc;
        stream_bounds(s, p, &b);
        oldest[p] = b.oldest;
        HOLDS(b.next >= t.visible[p]);
        t.visible[p] = b.next;
        if (!has_retention)
            HOLDS(b.oldest == 0);
        assert_ok(stream_reader_open(s, p, b.oldest, &reader, &err));
        uint64_t at = b.oldest;
        while ((rc = stream_reader_next(reader, &r, &err)) == RC_OK) {
            HOLDS(r.offset == at);
            at++;
            if (stream_record_is_erased(&r))
                check_tombstone(&r, p);
            else
                check_record(&r, p);
            sum = crc32c(sum, r.value.data, r.value.len);
        }
        assert_rc(rc, RC_END);
        HOLDS(at == b.next);
        stream_reader_close(reader);
    }
    for (uint32_t i = 0; i < t.sent_n; i++) {
        struct sent *sent = &t.sent[i];
        if (sent->fate == ACKED && !sent->seen)
            HOLDS(has_retention && sent->offset < oldest[sent->partition]);
        /* Records of one append stand or fall together within a partition. */
        for (uint32_t k = i + 1; k < t.sent_n && t.sent[k].append == sent->append; k++)
            if (t.sent[k].partition == sent->partition && sent->seen != t.sent[k].seen)
                HOLDS(has_retention);
        if (!sent->seen)
            sent->fate = sent->fate == ACKED ? (uint32_t)ACKED : (uint32_t)ABSENT;
    }
    return sum;
}

/* Those of one key; `*ctx` is the key's text. */
static bool is_wanted(void *ctx, const struct stream_record *r)
{
    return slice_eq_str(r->key, ctx);
}

/* The records that readers have been shown, of one of the keys. */
static void mark(const char *key, const uint64_t *before, bool is_done)
{
    for (uint32_t i = 0; i < t.sent_n; i++) {
        struct sent *sent = &t.sent[i];
        if (sent->fate != ABSENT && sent->offset < before[sent->partition] &&
            strcmp(sent->key, key) == 0) {
            sent->may_be_erased = true;
            sent->is_erased |= is_done && sent->fate == ACKED;
        }
    }
}

static void erase_one_key(struct stream *s)
{
    struct err err = ERR_INIT;
    char key[8];
    uint64_t before[STREAM_PARTITIONS_MAX];
    snprintf(key, sizeof(key), "k%u", (unsigned)prng_below(&t.prng, 50));
    if (stream_roll(s, before, &err) != RC_OK)
        return;
    mark(key, before, false);
    for (uint32_t p = 0; p < stream_partitions(s); p++) {
        struct stream_erased erased;
        const struct stream_erase what = {
            .partition = p, .before = before[p], .is_wanted = is_wanted, .ctx = key};
        if (stream_erase(s, &what, &erased, &err) != RC_OK)
            return;
    }
    mark(key, before, true);
}

static struct stream_cfg random_cfg(const char *dir)
{
    struct stream_cfg cfg = small_cfg(dir, 1 + (uint32_t)prng_below(&t.prng, 3));
    cfg.segment_bytes_max = (uint64_t)4096 << prng_below(&t.prng, 6);
    cfg.retention_ms = 0;
    cfg.retention_bytes = prng_below(&t.prng, 4) ? 0 : 60000;
    cfg.ack =
        prng_below(&t.prng, 6) ? STREAM_ACK_FSYNC : (enum stream_ack)(1 + prng_below(&t.prng, 2));
    t.ack = cfg.ack;
    return cfg;
}

/* Opens after a crash, crashing some recoveries, too. */
static struct stream *open_after_crash(const struct stream_cfg *cfg)
{
    struct stream *s;
    for (;;) {
        struct err err = ERR_INIT;
        bool is_crashing = prng_below(&t.prng, 2);
        if (is_crashing)
            sim_crash_after(1 + prng_below(&t.prng, 25));
        enum rc rc = stream_open(cfg, &s, &err);
        if (rc == RC_OK && !is_crashing)
            return s;
        if (rc == RC_OK) {
            sim_cut_power();
            stream_close(s);
        } else if (!sim_is_dead()) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)t.seed, rc_name(rc), err.text);
        }
        sim_cut_power();
        sim_power_on();
    }
}

static void live(const struct stream_cfg *cfg, bool is_first)
{
    struct err err = ERR_INIT;
    struct stream *s = open_after_crash(cfg);
    sim_crash_after(0); /* one that the life before did not reach */
    uint32_t before = check_all(s, cfg->retention_bytes);
    if (prng_below(&t.prng, 3) == 0 && !is_first) { /* opening again changes nothing */
        stream_close(s);
        HOLDS(stream_verify(cfg->dir, NULL, NULL, &err) == RC_OK);
        assert_ok(stream_open(cfg, &s, &err));
        HOLDS(check_all(s, cfg->retention_bytes) == before);
    }
    if (prng_below(&t.prng, 2))
        sim_full_disk_every(4 + (uint32_t)prng_below(&t.prng, 20));
    if (prng_below(&t.prng, 4))
        sim_crash_after(1 + prng_below(&t.prng, 120));
    uint64_t waves = 1 + prng_below(&t.prng, 10);
    bool is_alive = true;
    while (is_alive && waves--) {
        is_alive = wave(s);
        if (is_alive && cfg->retention_bytes && prng_below(&t.prng, 3) == 0)
            IGNORE(stream_retain(s, &err), "may fail at the crash");
        if (is_alive && prng_below(&t.prng, 2) == 0)
            erase_one_key(s);
    }
    show_bounds(s);
    if (prng_below(&t.prng, 3))
        sim_cut_power();
    stream_close(s);
    sim_full_disk_every(0);
    if (sim_is_dead() || prng_below(&t.prng, 2)) {
        sim_cut_power();
        if (prng_below(&t.prng, 3))
            sim_power_on();
        else
            sim_revive();
    }
}

static void run_seed(uint64_t seed)
{
    char root[256], dir[OS_PATH_MAX];
    memset(t.visible, 0, sizeof(t.visible));
    t.sent_n = t.appends = 0;
    t.seed = seed;
    prng_seed(&t.prng, seed);
    scratch_new(root);
    os_path(dir, "%s/s", root);
    sim_start(root, seed * 2654435761u + 1);
    struct stream_cfg cfg = random_cfg(dir);
    for (int i = 0; i < LIVES; i++)
        live(&cfg, i == 0);
    sim_crash_after(0);
    struct stream *s = open_after_crash(&cfg);
    check_all(s, cfg.retention_bytes);
    stream_close(s);
    sim_stop();
    scratch_free(root);
}

static void power_losses_lose_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    const char *one = getenv("WEIR_SEED"), *many = getenv("WEIR_SEEDS");
    uint64_t seeds = 60, seed;
    if (one && slice_to_u64(slice_str(one), &seed)) {
        run_seed(seed);
        return;
    }
    if (many && !slice_to_u64(slice_str(many), &seeds))
        fail_msg("WEIR_SEEDS is no number");
    for (seed = 1; seed <= seeds; seed++)
        run_seed(seed);
    print_message("%llu seeds\n", (unsigned long long)seeds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_losses_lose_nothing_that_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
