/* What the stream alone can take, without HTTP: stream_bench DIR [partitions] [ack: fsync|os|none].
 *
 * Part 1: batches of 100 records of 300 bytes, two producers, a window of appends each.
 * Part 2: single records at a fixed 50,000/s from two producers: CPU per append, all threads
 * counted. Part 3: reading all of it back. Figures on stdout, one line each. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/must.h"
#include "base/os.h"
#include "stream/stream.h"

enum { PRODUCERS = 2, WINDOW = 256, BATCH = 100, VALUE = 300, KEYS = 1000 };

struct slot {
    struct stream_append append;
    struct stream_record records[BATCH];
    _Atomic bool is_free;
    mono_ns sent;
};

static struct {
    struct stream *s;
    _Atomic uint64_t acked, busy, wait_us_max;
    char keys[KEYS][32];
    char value[VALUE];
    uint32_t batch, window;
    uint64_t per_second; /* of one producer; 0: as fast as it goes */
    double seconds;
} t;

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void slot_done(struct stream_append *append, enum rc rc)
{
    struct slot *slot = append->ctx;
    must(rc == RC_OK);
    t.acked += append->count;
    uint64_t us = (uint64_t)mono_diff_us(slot->sent, mono_now());
    if (us > t.wait_us_max)
        t.wait_us_max = us;
    slot->is_free = true;
}

static void send_one(struct slot *slot, uint64_t i)
{
    slot->is_free = false;
    slot->sent = mono_now();
    slot->append = (struct stream_append){
        .records = slot->records, .count = t.batch, .done = slot_done, .ctx = slot};
    for (uint32_t k = 0; k < t.batch; k++)
        slot->records[k] = (struct stream_record){.key = slice_str(t.keys[(i * 7 + k / 10) % KEYS]),
                                                  .value = slice_of(t.value, VALUE)};
    enum rc rc;
    while ((rc = stream_append(t.s, &slot->append)) == RC_BUSY) {
        t.busy++;
        sleep_ms(1);
    }
    must(rc == RC_OK);
}

static void *producer(void *arg)
{
    struct slot *slots = calloc(t.window, sizeof(*slots));
    mono_ns began = mono_now(), end = mono_add_ms(began, (int64_t)(t.seconds * 1000));
    (void)arg;
    for (uint32_t i = 0; i < t.window; i++)
        slots[i].is_free = true;
    for (uint64_t i = 0; mono_is_before(mono_now(), end); i++) {
        if (t.per_second) { /* a tick of 1 ms, as a loop that serves many connections */
            double due = (double)mono_diff_us(began, mono_now()) / 1e6 * (double)t.per_second;
            if ((double)i >= due)
                sleep_ms(1);
        }
        struct slot *slot = &slots[i % t.window];
        while (!slot->is_free)
            sleep_ms(0);
        send_one(slot, i);
    }
    for (uint32_t i = 0; i < t.window; i++)
        while (!slots[i].is_free)
            sleep_ms(1);
    free(slots);
    return NULL;
}

static void run(const char *name, uint32_t batch, uint32_t window, uint64_t per_second)
{
    pthread_t threads[PRODUCERS];
    t.batch = batch;
    t.window = window;
    t.per_second = per_second / PRODUCERS;
    t.acked = t.busy = t.wait_us_max = 0;
    double cpu = cpu_seconds();
    mono_ns began = mono_now();
    for (int i = 0; i < PRODUCERS; i++)
        must(pthread_create(&threads[i], NULL, producer, NULL) == 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    double took = (double)mono_diff_us(began, mono_now()) / 1e6;
    cpu = cpu_seconds() - cpu;
    printf("%s: %.0f records/s, %.2f us CPU per record (all threads), longest wait %.1f ms, busy "
           "%llu\n",
           name, (double)t.acked / took, cpu / (double)t.acked * 1e6, (double)t.wait_us_max / 1e3,
           (unsigned long long)t.busy);
}

static void read_back(void)
{
    uint64_t n = 0;
    double cpu = cpu_seconds();
    mono_ns began = mono_now();
    for (uint32_t p = 0; p < stream_partitions(t.s); p++) {
        struct stream_reader *r;
        struct stream_record rec;
        must(stream_reader_open(t.s, p, 0, &r, NULL) == RC_OK);
        while (stream_reader_next(r, &rec, NULL) == RC_OK)
            n++;
        stream_reader_close(r);
    }
    double took = (double)mono_diff_us(began, mono_now()) / 1e6;
    printf("read back: %.0f records/s, %.2f us CPU per record\n", (double)n / took,
           (cpu_seconds() - cpu) / (double)n * 1e6);
}

int main(int argc, char **argv)
{
    struct stream_cfg cfg;
    struct err err = ERR_INIT;
    stream_cfg_defaults(&cfg);
    if (argc < 2)
        return 2;
    uint64_t partitions = 4;
    if (argc > 2 && !slice_to_u64(slice_str(argv[2]), &partitions))
        return 2;
    cfg.dir = argv[1];
    cfg.name = "bench";
    cfg.partitions = (uint32_t)partitions;
    cfg.ack = argc > 3 && !strcmp(argv[3], "os")     ? STREAM_ACK_OS
              : argc > 3 && !strcmp(argv[3], "none") ? STREAM_ACK_NONE
                                                     : STREAM_ACK_FSYNC;
    for (int i = 0; i < KEYS; i++)
        snprintf(t.keys[i], sizeof(t.keys[i]), "project/visitor-%d", i);
    memset(t.value, 'v', VALUE);
    if (stream_open(&cfg, &t.s, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    t.seconds = 4;
    run("batches of 100", BATCH, WINDOW, 0);
    run("singles at 50,000/s", 1, 4096, 50000);
    run("singles, no pause", 1, 256, 0);
    read_back();
    stream_close(t.s);
    return 0;
}
