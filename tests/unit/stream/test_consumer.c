/* Consumers: batches, checkpoints, repeats, poison, pausing, what a crash leaves. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/random.h"
#include "stream/consumer.h"
#include "util.h"

static int setup(void **state)
{
    *state = scratch_new(malloc(256));
    return 0;
}

static int teardown(void **state)
{
    scratch_free(*state);
    free(*state);
    return 0;
}

/* A sink that takes each token once, as the store does. */
enum { TOKENS_MAX = 4096, OFFSETS_MAX = 20000 };
struct sink {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char tokens[TOKENS_MAX][160];
    uint32_t tokens_n;
    uint8_t times[2][OFFSETS_MAX]; /* how often a record took effect */
    uint64_t taken, calls, repeats, idles;
    int fail_before, fail_after; /* one in n calls; 0 never */
    bool is_failing;             /* all of them */
    uint32_t fail_partition;     /* only of this one; UINT32_MAX: of all */
    uint32_t reject_every;       /* offsets that are multiples of it are poison */
    bool fail_after_reject;      /* once */
    struct prng prng;
};

static struct sink *sink_new(void)
{
    struct sink *k = calloc(1, sizeof(*k));
    pthread_mutex_init(&k->mutex, NULL);
    pthread_cond_init(&k->changed, NULL);
    k->fail_partition = UINT32_MAX;
    prng_seed(&k->prng, 7);
    return k;
}

static bool token_is_new(struct sink *k, const char *token)
{
    for (uint32_t i = 0; i < k->tokens_n; i++)
        if (strcmp(k->tokens[i], token) == 0)
            return false;
    assert_true(k->tokens_n < TOKENS_MAX);
    snprintf(k->tokens[k->tokens_n++], sizeof(k->tokens[0]), "%s", token);
    return true;
}

static bool one_in(struct sink *k, int n)
{
    return n && prng_below(&k->prng, (uint64_t)n) == 0;
}

static enum rc sink_process(void *ctx, struct consumer *c, const struct consumer_batch *b,
                            struct err *err)
{
    struct sink *k = ctx;
    enum rc rc = RC_OK;
    pthread_mutex_lock(&k->mutex);
    k->calls++;
    k->repeats += b->is_repeat;
    bool is_failing =
        k->is_failing && (k->fail_partition == UINT32_MAX || k->fail_partition == b->partition);
    if (is_failing || one_in(k, k->fail_before))
        rc = err_set(err, RC_UNAVAILABLE, "the sink is away");
    if (rc == RC_OK && token_is_new(k, b->token)) {
        for (uint32_t i = 0; i < b->count; i++) {
            assert_true(b->partition < 2 && b->records[i].offset < OFFSETS_MAX);
            if (k->reject_every && b->records[i].offset % k->reject_every == 0)
                continue;
            k->times[b->partition][b->records[i].offset]++;
            k->taken++;
        }
    }
    for (uint32_t i = 0; rc == RC_OK && k->reject_every && i < b->count; i++)
        if (b->records[i].offset % k->reject_every == 0)
            consumer_reject(c, i, "it is bad");
    if (rc == RC_OK && one_in(k, k->fail_after))
        rc = err_set(err, RC_TIMEOUT, "no answer");
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->mutex);
    return rc == RC_OK && k->reject_every ? RC_INVALID : rc;
}

static enum rc sink_idle(void *ctx, struct consumer *c, struct err *err)
{
    struct sink *k = ctx;
    (void)c;
    (void)err;
    pthread_mutex_lock(&k->mutex);
    k->idles++;
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->mutex);
    return RC_OK;
}

static const struct consumer_ops sink_ops = {
    .name = "sink", .process = sink_process, .idle = sink_idle};

static void await(struct sink *k, const uint64_t *what, uint64_t at_least)
{
    pthread_mutex_lock(&k->mutex);
    while (*what < at_least)
        pthread_cond_wait(&k->changed, &k->mutex);
    pthread_mutex_unlock(&k->mutex);
}

struct bed {
    char stream_dir[OS_PATH_MAX], dead_dir[OS_PATH_MAX], dir[OS_PATH_MAX];
    struct stream *stream, *dead;
    struct consumer *consumer;
    struct sink *sink;
    struct consumer_cfg cfg;
};

static void bed_open(struct bed *b, const char *root, uint32_t partitions)
{
    os_path(b->stream_dir, "%s/s", root);
    os_path(b->dead_dir, "%s/dead", root);
    os_path(b->dir, "%s/consumers/sink", root);
    struct stream_cfg cfg = small_cfg(b->stream_dir, partitions);
    cfg.segment_bytes_max = 65536;
    b->stream = open_stream(&cfg);
    cfg.dir = b->dead_dir;
    cfg.name = "test-dead";
    b->dead = open_stream(&cfg);
    if (!b->sink)
        b->sink = sink_new();
    b->cfg = (struct consumer_cfg){.stream = b->stream,
                                   .dead = b->dead,
                                   .dir = b->dir,
                                   .ops = &sink_ops,
                                   .ctx = b->sink,
                                   .linger_ms_max = 1};
}

static void bed_start(struct bed *b)
{
    struct err err = ERR_INIT;
    assert_ok(consumer_start(&b->cfg, &b->consumer, &err));
}

static void bed_close(struct bed *b)
{
    if (b->consumer)
        consumer_stop(b->consumer, 10000);
    b->consumer = NULL;
    stream_close(b->stream);
    stream_close(b->dead);
}

static void bed_free(struct bed *b)
{
    bed_close(b);
    free(b->sink);
}

static void await_done(struct bed *b, uint32_t partition, uint64_t next)
{
    while (consumer_checkpoint(b->consumer, partition) < next)
        sleep_ms(1);
}

static void every_record_is_processed_once_and_the_checkpoint_follows(void **state)
{
    struct err err = ERR_INIT;
    struct bed b = {.sink = NULL};
    struct consumer_status st;
    bed_open(&b, *state, 1);
    put_values(b.stream, 0, 300, 10);
    b.cfg.batch_records_max = 50;
    bed_start(&b);
    await_done(&b, 0, 300);
    put_values(b.stream, 300, 10, 10);
    await_done(&b, 0, 310);
    assert_int_equal(b.sink->taken, 310);
    assert_true(b.sink->tokens_n >= 7);
    assert_string_equal(b.sink->tokens[0], "test/0/0-49");
    consumer_status(b.consumer, &st);
    assert_int_equal(st.processed, 310);
    assert_true(st.lag_records == 0 && st.lag_ms == 0 && st.last_error[0] == '\0');
    bed_close(&b);
    uint64_t offset;
    assert_ok(consumer_checkpoint_read(b.dir, 0, &offset, &err));
    assert_int_equal(offset, 310);
    bed_open(&b, *state, 1);
    bed_start(&b);
    put_values(b.stream, 310, 1, 10);
    await_done(&b, 0, 311);
    assert_int_equal(b.sink->taken, 311);
    bed_free(&b);
}

static void a_failing_sink_is_tried_again_with_the_same_range(void **state)
{
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    b.sink->fail_before = 3;
    b.sink->fail_after = 3;
    put_values(b.stream, 0, 60, 10);
    b.cfg.batch_records_max = 10;
    bed_start(&b);
    await_done(&b, 0, 60);
    assert_int_equal(b.sink->taken, 60);
    assert_int_equal(b.sink->tokens_n, 6);
    assert_true(b.sink->repeats > 0);
    bed_free(&b);
}

static void a_failing_partition_does_not_hold_up_the_others(void **state)
{
    struct bed b = {.sink = sink_new()};
    struct consumer_status st;
    char key[16] = "";
    bed_open(&b, *state, 2);
    for (int i = 0; stream_partition_of(b.stream, slice_str(key)) != 1; i++)
        snprintf(key, sizeof(key), "k%d", i);
    b.sink->is_failing = true;
    b.sink->fail_partition = 0;
    put(b.stream, "", "for 0");
    bed_start(&b);
    for (int i = 0; i < 10; i++)
        put(b.stream, key, "for 1");
    await_done(&b, 1, 10);
    consumer_status(b.consumer, &st);
    assert_int_equal(st.lag_records, 1);
    assert_true(st.retries > 0);
    assert_string_equal(st.last_error[0] ? st.last_error : "the sink is away", "the sink is away");
    pthread_mutex_lock(&b.sink->mutex);
    b.sink->is_failing = false;
    pthread_mutex_unlock(&b.sink->mutex);
    await_done(&b, 0, 1);
    bed_free(&b);
}

static void poison_goes_to_the_dead_letters_once(void **state)
{
    struct err err = ERR_INIT;
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    b.sink->reject_every = 10;
    put_values(b.stream, 0, 100, 10);
    b.cfg.batch_records_max = 25;
    bed_start(&b);
    await_done(&b, 0, 100);
    assert_int_equal(b.sink->taken, 90);
    struct consumer_status st;
    consumer_status(b.consumer, &st);
    assert_true(st.rejected == 10 && st.processed == 90);
    struct stream_reader *r;
    struct stream_record rec;
    assert_ok(stream_reader_open(b.dead, 0, 0, &r, &err));
    for (int i = 0; i < 10; i++) {
        char value[8], origin[64];
        assert_ok(stream_reader_next(r, &rec, &err));
        snprintf(value, sizeof(value), "v%d", i * 10);
        assert_memory_equal(rec.value.data, value, strlen(value));
        int len =
            snprintf(origin, sizeof(origin), "reason%cit is bad%cconsumer%csink%c", 0, 0, 0, 0);
        assert_memory_equal(rec.headers.data, origin, (size_t)len);
        len = snprintf(origin, sizeof(origin), "partition%c0%coffset%c%d%c", 0, 0, 0, i * 10, 0);
        assert_memory_equal(rec.headers.data + rec.headers.len - len, origin, (size_t)len);
    }
    assert_rc(stream_reader_next(r, &rec, &err), RC_END);
    stream_reader_close(r);
    bed_free(&b);
}

/* The checkpoint cannot be written for a while: the letters are there, the range comes again. */
static _Atomic bool is_rename_failing;
static int failing_rename(const char *from, const char *to)
{
    if (is_rename_failing && strstr(to, ".checkpoint")) {
        errno = EIO;
        return -1;
    }
    return rename(from, to);
}

static void letters_are_not_written_twice_when_the_checkpoint_fails(void **state)
{
    struct err err = ERR_INIT;
    struct os_calls calls = os_calls_real;
    calls.rename = failing_rename;
    os_calls_set(&calls);
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    b.sink->reject_every = 5;
    b.cfg.linger_ms_max = 1;
    bed_start(&b);
    pthread_mutex_lock(&b.sink->mutex); /* the handler waits for us, behind its intent */
    put_values(b.stream, 0, 1, 0);
    while (!os_exists(b.dir))
        sleep_ms(1);
    struct stream_bounds bounds;
    uint64_t letters = 0;
    for (bool is_held = true;;) {
        char path[OS_PATH_MAX];
        struct buf text;
        buf_init(&text, 4096);
        bool has_intent =
            os_read_file(os_path(path, "%s/p0.checkpoint", b.dir), &text, &err) == RC_OK &&
            memmem(text.data, text.len, "intent", 6);
        buf_done(&text);
        if (has_intent && is_held) {
            is_rename_failing = true;
            pthread_mutex_unlock(&b.sink->mutex);
            is_held = false;
        }
        stream_bounds(b.dead, 0, &bounds);
        if (!is_held && bounds.next)
            break;
        sleep_ms(1);
    }
    await(b.sink, &b.sink->repeats, 2);
    consumer_stop(b.consumer, 10000); /* the intent stands */
    b.consumer = NULL;
    is_rename_failing = false;
    bed_start(&b);
    await_done(&b, 0, 1);
    stream_bounds(b.dead, 0, &bounds);
    letters = bounds.next;
    assert_int_equal(letters, 1);
    bed_free(&b);
    os_calls_set(NULL);
}

static void it_can_be_paused_moved_and_resumed(void **state)
{
    struct err err = ERR_INIT;
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    put_values(b.stream, 0, 20, 10);
    bed_start(&b);
    await_done(&b, 0, 20);
    assert_rc(consumer_seek(b.consumer, 0, 0, &err), RC_CONFLICT);
    assert_ok(consumer_pause(b.consumer, 10000));
    put_values(b.stream, 20, 5, 10);
    assert_rc(consumer_seek(b.consumer, 0, 26, &err), RC_INVALID);
    assert_rc(consumer_seek(b.consumer, 1, 0, &err), RC_NOTFOUND);
    assert_ok(consumer_seek(b.consumer, 0, 23, &err));
    assert_int_equal(consumer_checkpoint(b.consumer, 0), 23);
    assert_int_equal(b.sink->taken, 20);
    consumer_resume(b.consumer);
    await_done(&b, 0, 25);
    assert_int_equal(b.sink->taken, 22);
    /* A batch that fails for ever does not hold the pause up. */
    pthread_mutex_lock(&b.sink->mutex);
    b.sink->is_failing = true;
    uint64_t calls = b.sink->calls;
    pthread_mutex_unlock(&b.sink->mutex);
    put_values(b.stream, 25, 1, 10);
    await(b.sink, &b.sink->calls, calls + 1);
    assert_ok(consumer_pause(b.consumer, 10000));
    assert_ok(consumer_seek(b.consumer, 0, 26, &err));
    consumer_resume(b.consumer);
    bed_free(&b);
}

static void it_starts_at_the_newest_when_asked(void **state)
{
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    put_values(b.stream, 0, 20, 10);
    b.cfg.start_at_newest = true;
    bed_start(&b);
    put_values(b.stream, 20, 3, 10);
    await_done(&b, 0, 23);
    assert_int_equal(b.sink->taken, 3);
    bed_free(&b);
}

static void what_retention_took_is_counted_as_lost(void **state)
{
    struct err err = ERR_INIT;
    struct bed b = {.sink = sink_new()};
    struct consumer_status st;
    struct stream_bounds bounds;
    bed_open(&b, *state, 1);
    bed_start(&b);
    consumer_stop(b.consumer, 10000); /* the checkpoint stands at 0 */
    b.consumer = NULL;
    bed_close(&b);
    struct stream_cfg cfg = small_cfg(b.stream_dir, 1);
    cfg.segment_bytes_max = 8192;
    cfg.retention_bytes = 20000;
    struct stream *s = open_stream(&cfg);
    put_values(s, 0, 100, 1000);
    assert_ok(stream_retain(s, &err));
    stream_bounds(s, 0, &bounds);
    stream_close(s);
    bed_open(&b, *state, 1);
    bed_start(&b);
    await_done(&b, 0, 100);
    consumer_status(b.consumer, &st);
    assert_int_equal(st.lost, bounds.oldest);
    assert_int_equal(st.processed, 100 - bounds.oldest);
    bed_free(&b);
}

static void a_checkpoint_that_does_not_fit_the_stream_is_refused(void **state)
{
    struct err err = ERR_INIT;
    struct bed b = {.sink = sink_new()};
    char path[OS_PATH_MAX];
    bed_open(&b, *state, 1);
    put_values(b.stream, 0, 10, 10);
    bed_start(&b);
    await_done(&b, 0, 10);
    bed_close(&b);
    /* Its end is gone (the mark is cut with it): recovery cannot know, the checkpoint does. */
    os_path(path, "%s/p00/%020d.seg", b.stream_dir, 0);
    assert_int_equal(truncate(path, 512 * 4), 0);
    bed_open(&b, *state, 1);
    assert_rc(consumer_start(&b.cfg, &b.consumer, &err), RC_CORRUPT);
    b.consumer = NULL;
    bed_close(&b);
    assert_ok(os_remove_tree(b.stream_dir, &err));
    bed_open(&b, *state, 1);
    assert_rc(consumer_start(&b.cfg, &b.consumer, &err), RC_CONFLICT);
    b.consumer = NULL;
    bed_close(&b);
    os_path(path, "%s/p0.checkpoint", b.dir);
    assert_int_equal(truncate(path, 20), 0);
    bed_open(&b, *state, 1);
    assert_rc(consumer_start(&b.cfg, &b.consumer, &err), RC_CORRUPT);
    b.consumer = NULL;
    bed_free(&b);
}

static void idle_is_called_while_nothing_comes(void **state)
{
    struct bed b = {.sink = sink_new()};
    bed_open(&b, *state, 1);
    bed_start(&b);
    await(b.sink, &b.sink->idles, 2);
    bed_free(&b);
}

/* ---- kill -9 ---- */

/* In the child: every token goes into a file with its count, by one write. */
static enum rc file_process(void *ctx, struct consumer *c, const struct consumer_batch *b,
                            struct err *err)
{
    char line[256];
    (void)c;
    (void)err;
    int fd = open(ctx, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof(line), "%u %llu %llu %u\n", b->partition,
                     (unsigned long long)b->first, (unsigned long long)b->last, b->count);
    enum rc rc = fd >= 0 && write(fd, line, (size_t)n) == n ? RC_OK : RC_IO;
    close(fd);
    return rc;
}

enum { KILL_TOTAL = 60000 };

static void child_run(const char *root, uint64_t total)
{
    struct bed b = {.sink = NULL};
    char path[OS_PATH_MAX];
    static const struct consumer_ops ops = {.name = "file", .process = file_process};
    bed_open(&b, root, 2);
    b.cfg.ops = &ops;
    b.cfg.ctx = os_path(path, "%s/sink", root);
    b.cfg.batch_records_max = 40;
    if (consumer_start(&b.cfg, &b.consumer, NULL) != RC_OK)
        _exit(3);
    struct stream_bounds bounds[2];
    for (uint64_t i = 0;; i++) {
        char key[16];
        stream_bounds(b.stream, 0, &bounds[0]);
        stream_bounds(b.stream, 1, &bounds[1]);
        if (bounds[0].next + bounds[1].next >= total)
            break;
        struct stream_record r[8];
        snprintf(key, sizeof(key), "%llu", (unsigned long long)i);
        for (int k = 0; k < 8; k++)
            r[k] = record_of(k % 2 ? key : "", "value");
        if (stream_append_wait(b.stream, r, 8) != RC_OK)
            _exit(4);
    }
    await_done(&b, 0, bounds[0].next);
    await_done(&b, 1, bounds[1].next);
    _exit(0);
}

static void kill_9_at_any_moment_neither_loses_nor_doubles(void **state)
{
    struct err err = ERR_INIT;
    struct prng prng;
    char path[OS_PATH_MAX];
    int status = 0, kills = 0;
    prng_seed(&prng, 42);
    do {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            child_run(*state, KILL_TOTAL);
        if (kills < 25) {
            sleep_ms((int64_t)prng_below(&prng, 30));
            kill(pid, SIGKILL);
            kills++;
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    } while (WIFSIGNALED(status) || kills < 25);
    /* The sink's view, each token once: the ranges tile both partitions. */
    struct buf text;
    uint64_t next[2] = {0, 0}, doubles = 0, last_first[2] = {0, 0}, last_last[2] = {0, 0};
    buf_init(&text, 8 << 20);
    assert_ok(os_read_file(os_path(path, "%s/sink", (char *)*state), &text, &err));
    struct slice rest = buf_slice(&text);
    while (rest.len) {
        uint64_t v[4];
        struct slice line = slice_cut(&rest, '\n');
        for (int i = 0; i < 4; i++)
            assert_true(slice_to_u64(slice_cut(&line, ' '), &v[i]));
        uint64_t p = v[0];
        assert_true(p < 2 && v[3] == v[2] - v[1] + 1);
        if (next[p] && v[1] == last_first[p]) {
            assert_int_equal(v[2], last_last[p]); /* repeated: the very same range */
            doubles++;
            continue;
        }
        assert_int_equal(v[1], next[p]);
        next[p] = v[2] + 1;
        last_first[p] = v[1];
        last_last[p] = v[2];
    }
    buf_done(&text);
    struct stream_cfg tool = {.read_only = true};
    char dir[OS_PATH_MAX];
    tool.dir = os_path(dir, "%s/s", (char *)*state);
    struct stream *s = open_stream(&tool);
    for (uint32_t p = 0; p < 2; p++) {
        struct stream_bounds b;
        stream_bounds(s, p, &b);
        assert_int_equal(b.next, next[p]);
    }
    assert_true(next[0] + next[1] >= KILL_TOTAL);
    print_message("%d kills, %llu repeated ranges\n", kills, (unsigned long long)doubles);
    stream_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_record_is_processed_once_and_the_checkpoint_follows),
        T(a_failing_sink_is_tried_again_with_the_same_range),
        T(a_failing_partition_does_not_hold_up_the_others),
        T(poison_goes_to_the_dead_letters_once),
        T(letters_are_not_written_twice_when_the_checkpoint_fails),
        T(it_can_be_paused_moved_and_resumed),
        T(it_starts_at_the_newest_when_asked),
        T(what_retention_took_is_counted_as_lost),
        T(a_checkpoint_that_does_not_fit_the_stream_is_refused),
        T(idle_is_called_while_nothing_comes),
        T(kill_9_at_any_moment_neither_loses_nor_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
