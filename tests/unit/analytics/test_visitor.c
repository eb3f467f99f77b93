/* Devices: the same within a day, another the next, one over midnight; and what becomes of the
 * salts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analytics/ingest/visitor.h"
#include "base/os.h"

enum { MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
static const int64_t NOON = INT64_C(20783) * DAY + 12 * HOUR; /* of some day */

static char folder[] = "/tmp/weir-visitor-XXXXXX";
static char path[OS_PATH_MAX];
static const struct visitor alice = {.project = {{1, 2, 3}},
                                     .site = SLICE_CONST("shop.example"),
                                     .address = IP_V4(88, 198, 7, 9),
                                     .user_agent = SLICE_CONST("Mozilla/5.0 (X11) Firefox/140")};

/* Both clocks at t ms, or apart. */
static mono_ns up_at(int64_t t)
{
    return (mono_ns){(t - NOON + 1000) * 1000000};
}

static struct visitor_salts *open_at(int64_t t)
{
    struct visitor_salts *s = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(visitor_salts_open(path, (unix_ms){t}, up_at(t), &s, &err), RC_OK);
    return s;
}

static void tend(struct visitor_salts *s, int64_t t)
{
    struct err err = ERR_INIT;
    assert_int_equal(visitor_salts_tend(s, (unix_ms){t}, up_at(t), &err), RC_OK);
}

static uint64_t device(struct visitor_salts *s, int64_t t)
{
    return visitor_device(s, &alice, (unix_ms){t});
}

/* The file as text; the caller's to use before the next. */
static const char *file_text(void)
{
    static struct buf text;
    struct err err = ERR_INIT;
    buf_done(&text);
    buf_init(&text, 4096);
    assert_int_equal(os_read_file(path, &text, &err), RC_OK);
    return buf_cstr(&text);
}

static unsigned salts_in_file(void)
{
    unsigned lines = 0;
    for (const char *p = file_text(); *p; p++)
        lines += *p == '\n';
    return lines - 1;
}

static void a_device_is_the_same_all_day_and_after_a_restart(void **state)
{
    (void)state;
    struct visitor_salts *s = open_at(NOON);
    uint64_t first = device(s, NOON);
    assert_int_not_equal(first, 0);
    assert_int_equal(device(s, NOON + 11 * HOUR), first);
    visitor_salts_close(s);
    s = open_at(NOON + HOUR);
    assert_int_equal(device(s, NOON + HOUR), first);
    visitor_salts_close(s);
}

static void another_address_agent_site_or_project_is_another_device(void **state)
{
    (void)state;
    struct visitor_salts *s = open_at(NOON);
    struct visitor v[6] = {alice, alice, alice, alice, alice, alice};
    v[1].address = IP_V4(88, 198, 7, 10);
    v[2].user_agent = SLICE_LIT("Mozilla/5.0 (X11) Firefox/141");
    v[3].site = SLICE_LIT("blog.example");
    v[4].project.bytes[0] = 9;
    v[5].site = SLICE_LIT("shop.exampleM"); /* the same bytes, cut elsewhere */
    v[5].user_agent = slice_sub(alice.user_agent, 1);
    for (unsigned i = 0; i < COUNT_OF(v); i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(visitor_device(s, &v[i], (unix_ms){NOON}),
                                 visitor_device(s, &v[j], (unix_ms){NOON}));
    visitor_salts_close(s);
}

static void of_ipv6_the_network_counts(void **state)
{
    (void)state;
    struct visitor_salts *s = open_at(NOON);
    struct visitor a = alice, b = alice, c = alice;
    a.address = (struct ip){UINT64_C(0x2a0104f800010002), 1};
    b.address = (struct ip){UINT64_C(0x2a0104f800010002), 0xffff00000002};
    c.address = (struct ip){UINT64_C(0x2a0104f800010003), 1};
    uint64_t of_a = visitor_device(s, &a, (unix_ms){NOON});
    assert_int_equal(visitor_device(s, &b, (unix_ms){NOON}), of_a);
    assert_int_not_equal(visitor_device(s, &c, (unix_ms){NOON}), of_a);
    visitor_salts_close(s);
}

static void the_next_day_it_is_another(void **state)
{
    (void)state;
    struct visitor_salts *s = open_at(NOON);
    uint64_t first = device(s, NOON);
    tend(s, NOON + DAY);
    assert_int_not_equal(device(s, NOON + DAY), first);
    visitor_salts_close(s);
}

static void a_visit_over_midnight_is_one_device_until_it_pauses(void **state)
{
    (void)state;
    int64_t midnight = NOON + 12 * HOUR;
    struct visitor_salts *s = open_at(NOON);
    tend(s, midnight - 9 * MINUTE); /* tomorrow's salt is there */
    uint64_t first = device(s, midnight - 5 * MINUTE);
    tend(s, midnight + 1000);
    assert_int_equal(device(s, midnight + 20 * MINUTE), first);
    assert_int_equal(device(s, midnight + 45 * MINUTE), first);
    uint64_t second = device(s, midnight + 80 * MINUTE);
    assert_int_not_equal(second, first);
    assert_int_equal(device(s, midnight + 85 * MINUTE), second);
    visitor_salts_close(s);
}

static void who_was_not_there_before_midnight_is_new(void **state)
{
    (void)state;
    int64_t midnight = NOON + 12 * HOUR;
    struct visitor_salts *s = open_at(NOON);
    uint64_t first = device(s, NOON); /* too early to count as still there */
    struct visitor other = alice;
    other.address = IP_V4(9, 9, 9, 9);
    visitor_device(s, &other, (unix_ms){midnight - MINUTE});
    tend(s, midnight - 9 * MINUTE);
    tend(s, midnight + 1000);
    assert_int_not_equal(device(s, midnight + MINUTE), first);
    visitor_salts_close(s);
}

/* Many devices at midnight: at most a few are forgotten. Salts are random: that five of them share
 * a bucket of four happens in one of fifty runs, three times in one of 800,000 (Poisson, 0.019). */
static void midnight_holds_many_devices(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static uint64_t before[MANY];
    int64_t midnight = NOON + 12 * HOUR;
    struct visitor_salts *s = open_at(NOON);
    struct visitor v = alice;
    unsigned kept = 0;
    tend(s, midnight - 9 * MINUTE);
    for (unsigned i = 0; i < MANY; i++) {
        v.address.low = alice.address.low + i;
        before[i] = visitor_device(s, &v, (unix_ms){midnight - MINUTE});
    }
    for (unsigned i = 0; i < MANY; i++) {
        v.address.low = alice.address.low + i;
        kept += visitor_device(s, &v, (unix_ms){midnight + MINUTE}) == before[i];
    }
    assert_in_range(kept, MANY - 2, MANY);
    visitor_salts_close(s);
}

static void a_salt_is_gone_from_the_file_within_48_hours(void **state)
{
    (void)state;
    char first[64];
    struct visitor_salts *s = open_at(NOON);
    const char *last = strrchr(file_text(), ' ');
    snprintf(first, sizeof(first), "%.32s", last + 1);
    assert_int_equal(salts_in_file(), 1);
    for (int64_t t = NOON; t < NOON + 48 * HOUR; t += MINUTE) {
        tend(s, t);
        assert_true(salts_in_file() <= 2);
        if (t == NOON + 35 * HOUR)
            assert_non_null(strstr(file_text(), first));
    }
    assert_null(strstr(file_text(), first));
    visitor_salts_close(s);
    /* And when the server was down meanwhile, by its next start. */
    last = strrchr(file_text(), ' ');
    snprintf(first, sizeof(first), "%.32s", last + 1);
    s = open_at(NOON + 90 * HOUR + DAY);
    assert_null(strstr(file_text(), first));
    visitor_salts_close(s);
}

static void a_clock_that_stands_still_does_not_keep_a_salt(void **state)
{
    (void)state;
    struct visitor_salts *s = open_at(NOON);
    struct err err = ERR_INIT;
    uint64_t first = device(s, NOON);
    assert_int_equal(visitor_salts_tend(s, (unix_ms){NOON}, up_at(NOON + 47 * HOUR), &err), RC_OK);
    assert_int_equal(device(s, NOON), first);
    assert_int_equal(visitor_salts_tend(s, (unix_ms){NOON}, up_at(NOON + 48 * HOUR), &err), RC_OK);
    assert_int_not_equal(device(s, NOON), first);
    visitor_salts_close(s);
}

static void a_clock_set_back_destroys_what_was_made_for_later(void **state)
{
    (void)state;
    char wrong[64];
    struct visitor_salts *s = open_at(NOON + 400 * (int64_t)DAY);
    snprintf(wrong, sizeof(wrong), "%.32s", strrchr(file_text(), ' ') + 1);
    uint64_t first = device(s, NOON + 400 * (int64_t)DAY);
    tend(s, NOON);
    assert_null(strstr(file_text(), wrong));
    assert_int_not_equal(device(s, NOON), 0);
    assert_int_not_equal(device(s, NOON), first);
    tend(s, NOON - DAY);
    assert_int_not_equal(device(s, NOON - DAY), 0);
    tend(s, -1);
    assert_int_not_equal(device(s, -1), 0); /* before 1970 */
    visitor_salts_close(s);
}

static void the_file_is_private_and_alone(void **state)
{
    (void)state;
    struct stat st;
    char **names;
    size_t n;
    struct err err = ERR_INIT;
    struct visitor_salts *s = open_at(NOON);
    tend(s, NOON + DAY);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(os_list(folder, &names, &n, &err), RC_OK);
    assert_int_equal(n, 1); /* nothing temporary is left */
    os_list_free(names, n);
    visitor_salts_close(s);
}

static void the_replaced_file_is_overwritten(void **state)
{
    (void)state;
    char bytes[128] = "";
    struct visitor_salts *s = open_at(NOON);
    int fd = open(path, O_RDONLY); /* of the file that is about to be replaced */
    assert_true(fd >= 0 && pread(fd, bytes, sizeof(bytes), 0) > 60 && bytes[0] == 'w');
    tend(s, NOON + DAY);
    assert_true(pread(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
    for (unsigned i = 0; i < sizeof(bytes); i++)
        assert_int_equal(bytes[i], 0);
    close(fd);
    visitor_salts_close(s);
}

static void what_a_crash_left_is_cleared_away(void **state)
{
    (void)state;
    char temp[OS_PATH_MAX];
    struct err err = ERR_INIT;
    os_path(temp, "%s.new", path);
    assert_int_equal(os_write_file_durable(temp, SLICE_LIT("a salt"), &err), RC_OK);
    visitor_salts_close(open_at(NOON));
    assert_false(os_exists(temp));
}

#define LINE "20783 5 00112233445566778899aabbccddeeff\n"
#define TWICE "weir visitor salts 1\n" LINE LINE
static void a_damaged_file_is_made_anew(void **state)
{
    (void)state;
    static const char *const damaged[] = {
        "",
        "x",
        "weir visitor salts 1\n20783 5 00112233445566778899aabbccddeefg\n",
        "weir visitor salts 1\n20783 5 0011\n",
        "weir visitor salts 2\n",
        TWICE,
        "weir visitor salts 1\n\n\n\n\n",
    };
    struct err err = ERR_INIT;
    for (unsigned i = 0; i < COUNT_OF(damaged); i++) {
        assert_int_equal(os_write_file_durable(path, slice_str(damaged[i]), &err), RC_OK);
        struct visitor_salts *s = open_at(NOON);
        assert_int_not_equal(device(s, NOON), 0);
        assert_int_equal(salts_in_file(), 1);
        visitor_salts_close(s);
    }
}

/* ---- a disk that fails ---- */
static int refuse_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static void a_salt_that_cannot_be_kept_is_not_used(void **state)
{
    (void)state;
    struct os_calls broken = os_calls_real;
    struct err err = ERR_INIT;
    struct visitor_salts *s = open_at(NOON);
    broken.fsync = refuse_sync;
    os_calls_set(&broken);
    enum rc rc =
        visitor_salts_tend(s, (unix_ms){NOON + 3 * (int64_t)DAY}, up_at(NOON + HOUR), &err);
    uint64_t of_failure = device(s, NOON + 3 * (int64_t)DAY);
    os_calls_set(NULL);
    assert_int_equal(rc, RC_IO);
    assert_int_equal(of_failure, 0);
    tend(s, NOON + 3 * (int64_t)DAY + 1);
    assert_int_not_equal(device(s, NOON + 3 * (int64_t)DAY + 1), 0);
    visitor_salts_close(s);
}

/* ---- readers beside the writer ---- */
static struct visitor_salts *shared;
static _Atomic int64_t now_shared;
static _Atomic bool is_over;

static void *read_on(void *arg)
{
    unsigned *torn = arg;
    while (!is_over) {
        int64_t t = now_shared;
        if (device(shared, t) == 0 && t == now_shared)
            (*torn)++;
    }
    return NULL;
}

static void readers_always_find_a_salt_while_days_go_by(void **state)
{
    (void)state;
    pthread_t threads[2];
    unsigned torn[2] = {0, 0};
    shared = open_at(NOON);
    now_shared = NOON;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &torn[i]), 0);
    for (int64_t t = NOON; t < NOON + 20 * (int64_t)DAY; t += 5 * MINUTE) {
        tend(shared, t);
        now_shared = t;
    }
    is_over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(torn[0] + torn[1], 0);
    visitor_salts_close(shared);
}

static int start_without_file(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    return os_unlink_durable(path, &err) == RC_OK ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    os_path(path, "%s/visitor-salts", folder);
    return 0;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    return os_remove_tree(folder, &err) == RC_OK ? 0 : -1;
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup(test, start_without_file)
    const struct CMUnitTest tests[] = {
        FRESH(a_device_is_the_same_all_day_and_after_a_restart),
        FRESH(another_address_agent_site_or_project_is_another_device),
        FRESH(of_ipv6_the_network_counts),
        FRESH(the_next_day_it_is_another),
        FRESH(a_visit_over_midnight_is_one_device_until_it_pauses),
        FRESH(who_was_not_there_before_midnight_is_new),
        FRESH(midnight_holds_many_devices),
        FRESH(a_salt_is_gone_from_the_file_within_48_hours),
        FRESH(a_clock_that_stands_still_does_not_keep_a_salt),
        FRESH(a_clock_set_back_destroys_what_was_made_for_later),
        FRESH(the_file_is_private_and_alone),
        FRESH(the_replaced_file_is_overwritten),
        FRESH(what_a_crash_left_is_cleared_away),
        FRESH(a_damaged_file_is_made_anew),
        FRESH(a_salt_that_cannot_be_kept_is_not_used),
        FRESH(readers_always_find_a_salt_while_days_go_by),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
