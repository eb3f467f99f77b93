/* When the committer lets the next group grow (committer_gather()): whether it naps, not for how
 * long. A group has the wanted size because the committer stands in a done() while it is queued. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "util.h"

enum { APPENDS_MAX = 17, LARGE_RECORDS = 5, LARGE_BYTES = 1 << 20, MS = 1000000 };

static struct {
    struct stream *s;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct stream_append appends[APPENDS_MAX], large;
    struct stream_record record, large_records[LARGE_RECORDS];
    bool is_at_gate, is_open, is_large_wanted;
    uint32_t left;
    _Atomic uint32_t naps;
} t;

/* In place of libc's: the only one that sleeps less than a millisecond is the committer. */
int nanosleep(const struct timespec *time, struct timespec *ret_left)
{
    if (time->tv_sec == 0 && time->tv_nsec > 0 && time->tv_nsec < MS)
        t.naps++;
    return clock_nanosleep(CLOCK_REALTIME, 0, time, ret_left) ? -1 : 0;
}

static void done(struct stream_append *append, enum rc rc)
{
    assert_int_equal(rc, RC_OK);
    pthread_mutex_lock(&t.mutex);
    if (append == &t.appends[0]) {
        t.is_at_gate = true;
        pthread_cond_signal(&t.changed);
        while (!t.is_open)
            pthread_cond_wait(&t.changed, &t.mutex);
    }
    if (--t.left == 1 && t.is_large_wanted) /* behind the last of the group */
        assert_int_equal(stream_append(t.s, &t.large), RC_OK);
    pthread_cond_signal(&t.changed);
    pthread_mutex_unlock(&t.mutex);
}

/* How often it napped around a group of that size; a large append may come right behind it. */
static uint32_t naps_of(enum stream_ack ack, uint32_t group, bool is_large_wanted)
{
    static char bytes[LARGE_BYTES];
    char dir[256];
    struct stream_cfg cfg = small_cfg(scratch_new(dir), 1);
    cfg.ack = ack;
    t.is_at_gate = t.is_open = false;
    t.is_large_wanted = is_large_wanted;
    t.left = 1 + group + is_large_wanted;
    t.naps = 0;
    t.record = record_of("", "v");
    for (uint32_t i = 0; i < LARGE_RECORDS; i++)
        t.large_records[i].value = slice_of(bytes, sizeof(bytes));
    t.large =
        (struct stream_append){.records = t.large_records, .count = LARGE_RECORDS, .done = done};
    t.s = open_stream(&cfg);
    for (uint32_t i = 0; i < 1 + group; i++) {
        t.appends[i] = (struct stream_append){.records = &t.record, .count = 1, .done = done};
        assert_int_equal(stream_append(t.s, &t.appends[i]), RC_OK);
        pthread_mutex_lock(&t.mutex);
        while (!t.is_at_gate)
            pthread_cond_wait(&t.changed, &t.mutex);
        pthread_mutex_unlock(&t.mutex);
    }
    pthread_mutex_lock(&t.mutex);
    t.is_open = true;
    pthread_cond_signal(&t.changed);
    while (t.left)
        pthread_cond_wait(&t.changed, &t.mutex);
    pthread_mutex_unlock(&t.mutex);
    stream_close(t.s);
    scratch_free(dir);
    return t.naps;
}

static void behind_a_crowd_it_waits_for_the_next(void **state)
{
    (void)state;
    assert_true(naps_of(STREAM_ACK_FSYNC, 16, false) > 0);
}

static void few_are_never_kept_waiting(void **state)
{
    (void)state;
    assert_int_equal(naps_of(STREAM_ACK_FSYNC, 15, false), 0);
}

static void nor_who_waits_for_no_sync(void **state)
{
    (void)state;
    assert_int_equal(naps_of(STREAM_ACK_OS, 16, false), 0);
    assert_int_equal(naps_of(STREAM_ACK_NONE, 16, false), 0);
}

static void nor_what_is_half_a_group_by_now(void **state)
{
    (void)state;
    assert_int_equal(naps_of(STREAM_ACK_FSYNC, 16, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behind_a_crowd_it_waits_for_the_next),
        cmocka_unit_test(few_are_never_kept_waiting),
        cmocka_unit_test(nor_who_waits_for_no_sync),
        cmocka_unit_test(nor_what_is_half_a_group_by_now),
    };
    pthread_mutex_init(&t.mutex, NULL);
    pthread_cond_init(&t.changed, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
