/* Everything at once, for ThreadSanitizer: appends of two threads, the committer, readers, a
 * consumer, retention, bounds, metrics, backup. Small segments, so that rolling and dropping happen
 * all the time. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "stream/consumer.h"
#include "util.h"

enum { PER_PRODUCER = 5000, PRODUCERS = 2, PARTITIONS = 2, WINDOW = 16 };

struct slot {
    struct stream_append append;
    struct stream_record records[3];
    char key[16], value[600];
    _Atomic bool is_free;
};

static struct {
    struct stream *s;
    char dir[OS_PATH_MAX];
    _Atomic uint64_t acked, consumed, read;
    _Atomic bool is_done;
} t;

static void slot_done(struct stream_append *append, enum rc rc)
{
    struct slot *slot = append->ctx;
    assert_int_equal(rc, RC_OK);
    t.acked += append->count;
    slot->is_free = true;
}

static void *producer(void *arg)
{
    struct slot *slots = calloc(WINDOW, sizeof(*slots));
    for (int i = 0; i < WINDOW; i++)
        slots[i].is_free = true;
    for (int i = 0; i < PER_PRODUCER; i++) {
        struct slot *slot = &slots[i % WINDOW];
        while (!slot->is_free)
            sleep_ms(0);
        slot->is_free = false;
        snprintf(slot->key, sizeof(slot->key), "%d/%d", *(int *)arg, i);
        memset(slot->value, 'x', sizeof(slot->value));
        slot->append = (struct stream_append){
            .records = slot->records, .count = 3, .done = slot_done, .ctx = slot};
        for (int k = 0; k < 3; k++)
            slot->records[k] = (struct stream_record){
                .key = slice_str(slot->key), .value = slice_of(slot->value, (size_t)(200 * k))};
        enum rc rc;
        while ((rc = stream_append(t.s, &slot->append)) == RC_BUSY)
            sleep_ms(1);
        assert_int_equal(rc, RC_OK);
    }
    for (int i = 0; i < WINDOW; i++)
        while (!slots[i].is_free)
            sleep_ms(0);
    free(slots);
    return NULL;
}

static void *reader(void *arg)
{
    struct err err = ERR_INIT;
    uint32_t partition = *(uint32_t *)arg;
    struct stream_reader *r;
    struct stream_record rec;
    uint64_t next = 0;
    assert_ok(stream_reader_open(t.s, partition, 0, &r, &err));
    for (;;) {
        bool was_done = t.is_done;
        enum rc rc = stream_reader_next(r, &rec, &err);
        if (rc == RC_NOTFOUND) {
            stream_reader_seek(r, rec.offset);
            next = rec.offset;
        } else if (rc == RC_END) {
            if (was_done)
                break;
            stream_wait(t.s, partition, next, 5);
        } else {
            assert_rc(rc, RC_OK);
            assert_int_equal(rec.offset, next++);
            t.read++;
        }
    }
    stream_reader_close(r);
    return NULL;
}

static enum rc consume(void *ctx, struct consumer *c, const struct consumer_batch *b,
                       struct err *err)
{
    (void)ctx;
    (void)c;
    (void)err;
    t.consumed += b->count;
    return RC_OK;
}

static void *observer(void *arg)
{
    struct err err = ERR_INIT;
    struct consumer *c = arg;
    for (int i = 0; !t.is_done; i++) {
        struct stream_bounds b;
        struct consumer_status st;
        struct buf text;
        uint64_t offset;
        char to[OS_PATH_MAX];
        stream_bounds(t.s, 0, &b);
        consumer_status(c, &st);
        buf_init(&text, 1 << 20);
        metrics_render(&text);
        assert_non_null(strstr(buf_cstr(&text), "weir_consumer_lag_records{consumer=\"all\"}"));
        buf_done(&text);
        assert_ok(stream_offset_at(t.s, 0, (unix_ms){unix_now().ms - 5}, &offset, &err));
        if (i % 20 == 0 && i < 100) {
            os_path(to, "%s/copy%d", t.dir, i);
            assert_ok(stream_backup(t.s, to, &err));
            assert_ok(stream_verify(to, NULL, NULL, &err));
        }
        assert_true(segment_count(t.s) >= PARTITIONS);
        sleep_ms(2);
    }
    return NULL;
}

static void *dropper(void *arg)
{
    struct err err = ERR_INIT;
    (void)arg;
    while (!t.is_done) {
        assert_ok(stream_retain(t.s, &err));
        sleep_ms(3);
    }
    return NULL;
}

static void all_threads_at_once(void **state)
{
    struct err err = ERR_INIT;
    char root[256], dir[OS_PATH_MAX], consumer_dir[OS_PATH_MAX];
    static const struct consumer_ops ops = {.name = "all", .process = consume};
    (void)state;
    os_path(t.dir, "%s", scratch_new(root));
    struct stream_cfg cfg = small_cfg(os_path(dir, "%s/s", root), PARTITIONS);
    cfg.segment_bytes_max = 32768;
    cfg.retention_bytes = 300000;
    cfg.queue_bytes_max = 20000;
    t.s = open_stream(&cfg);
    struct consumer_cfg consumer_cfg = {.stream = t.s,
                                        .dir = os_path(consumer_dir, "%s/consumer", root),
                                        .ops = &ops,
                                        .batch_records_max = 500,
                                        .linger_ms_max = 2};
    struct consumer *c;
    assert_ok(consumer_start(&consumer_cfg, &c, &err));
    pthread_t producers[PRODUCERS], readers[PARTITIONS], watch, drop;
    int names[PRODUCERS] = {1, 2};
    uint32_t partitions[PARTITIONS] = {0, 1};
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader, &partitions[i]), 0);
    assert_int_equal(pthread_create(&watch, NULL, observer, c), 0);
    assert_int_equal(pthread_create(&drop, NULL, dropper, NULL), 0);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&producers[i], NULL, producer, &names[i]), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    assert_int_equal(t.acked, PRODUCERS * PER_PRODUCER * 3);
    struct stream_bounds b[PARTITIONS];
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        stream_bounds(t.s, i, &b[i]);
        while (consumer_checkpoint(c, i) < b[i].next)
            sleep_ms(1);
    }
    assert_int_equal(b[0].next + b[1].next, t.acked);
    t.is_done = true;
    for (int i = 0; i < PARTITIONS; i++)
        pthread_join(readers[i], NULL);
    pthread_join(watch, NULL);
    pthread_join(drop, NULL);
    struct consumer_status st;
    consumer_status(c, &st);
    assert_int_equal(t.consumed + st.lost, t.acked);
    consumer_stop(c, 10000);
    stream_close(t.s);
    assert_ok(stream_verify(dir, NULL, NULL, &err));
    scratch_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_threads_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
