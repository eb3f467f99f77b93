/* The rules of the key-set cache, with the time moved by hand: what is due when, who may ask, which
 * set is in force; and what an answer's head and a URL mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/heap.h"
#include "base/must.h"
#include "tenant/jwks_int.h"

#define URL SLICE_LIT("https://issuer.example/keys")
static struct jwks_table *table;
static mono_ns now;
static const uint8_t digest_a[SHA256_BYTES] = {1}, digest_b[SHA256_BYTES] = {2};

static void advance_s(int64_t seconds)
{
    now = mono_add_ms(now, seconds * 1000);
}

static struct jwks *empty_set(void)
{
    struct jwks *set;
    must(jwks_parse(SLICE_LIT("{\"keys\":[]}"), &set, NULL) == RC_OK);
    return set;
}

static struct jwks_source *get(struct slice url)
{
    bool is_new;
    enum rc rc;
    return jwks_table_get(table, url, now, &is_new, &rc);
}

static uint32_t start_due(void)
{
    struct jwks_source *due[JWKS_FETCHES_MAX];
    return jwks_table_start_due(table, now, JWKS_FETCHES_MAX, due);
}

static void no_op(void *ctx, enum rc rc)
{
    (void)ctx;
    (void)rc;
}

static enum rc wait_for(struct jwks_source *s, int64_t deadline_ms)
{
    struct jwks_wait *wait = heap_alloc(HEAP_MISC, sizeof(*wait));
    wait->done = no_op;
    wait->deadline = mono_add_ms(now, deadline_ms);
    enum rc rc = jwks_source_wait(table, s, wait, now);
    if (rc != RC_OK)
        heap_free(wait);
    return rc;
}

/* How many there are; all of them have that result. */
static int drop(struct jwks_wait *list, enum rc rc)
{
    int count = 0;
    while (list) {
        struct jwks_wait *wait = list;
        list = wait->next;
        assert_int_equal(wait->rc, rc);
        heap_free(wait);
        count++;
    }
    return count;
}

/* A source whose first fetch has just ended well. */
static struct jwks_source *fetched(struct slice url, const uint8_t *digest, uint32_t fresh_s)
{
    struct jwks_source *s = get(url);
    assert_int_equal(start_due(), 1);
    drop(jwks_source_succeed(table, s, empty_set(), digest, fresh_s, now), RC_OK);
    return s;
}

static uint64_t generation(const struct jwks_source *s)
{
    struct jwks_snapshot *snapshot = jwks_source_take(s, now);
    uint64_t value = snapshot ? snapshot->generation : 0;
    jwks_snapshot_give(snapshot);
    return value;
}

static void a_set_is_fetched_again_when_it_is_no_longer_fresh(void **state)
{
    (void)state;
    struct jwks_source *s = fetched(URL, digest_a, 3600);
    assert_int_equal(start_due(), 0);
    assert_int_equal(jwks_table_next(table, now, true).ns, mono_add_ms(now, 3600 * 1000).ns);
    advance_s(3599);
    assert_int_equal(start_due(), 0);
    advance_s(1);
    assert_int_equal(start_due(), 1);
    assert_int_equal(start_due(), 0); /* it runs already */
    assert_true(generation(s) != 0);  /* and the old set is in force meanwhile */
}

static void only_another_document_is_another_generation(void **state)
{
    (void)state;
    struct jwks_source *s = fetched(URL, digest_a, 300);
    uint64_t first = generation(s);
    assert_true(jwks_is_current(&table->current, first));
    advance_s(300);
    start_due();
    drop(jwks_source_succeed(table, s, empty_set(), digest_a, 300, now), RC_OK);
    assert_int_equal(generation(s), first);
    struct jwks_snapshot *held = jwks_source_take(s, now);
    advance_s(300);
    start_due();
    drop(jwks_source_succeed(table, s, empty_set(), digest_b, 300, now), RC_OK);
    assert_true(generation(s) != first);
    assert_true(jwks_is_current(&table->current, generation(s)));
    assert_false(jwks_is_current(&table->current, first));
    assert_false(jwks_is_current(&table->current, 0));
    assert_int_equal(held->set->key_count, 0); /* whoever holds the old one may still read it */
    jwks_snapshot_give(held);
}

static void the_last_set_stays_for_a_day_and_then_nothing_verifies(void **state)
{
    (void)state;
    struct jwks_source *s = fetched(URL, digest_a, 300);
    uint64_t first = generation(s);
    mono_ns end = mono_add_ms(now, INT64_C(1000) * JWKS_STALE_MAX_S);
    while (mono_is_before(mono_add_ms(now, 1800 * 1000), end)) {
        advance_s(1800);
        assert_int_equal(start_due(), 1);
        drop(jwks_source_fail(table, s, now), RC_UNAVAILABLE);
        assert_ptr_equal(get(URL), s); /* it is used */
        assert_int_equal(generation(s), first);
    }
    now = (mono_ns){end.ns - 1};
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_int_equal(generation(s), first);
    now = end;
    assert_int_equal(generation(s), 0); /* also before the thread has noticed */
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_false(jwks_is_current(&table->current, first));
    start_due();
    drop(jwks_source_succeed(table, s, empty_set(), digest_a, 300, now), RC_OK);
    assert_true(generation(s) != 0 && generation(s) != first);
}

static void failures_are_tried_again_ever_later(void **state)
{
    (void)state;
    static const int64_t seconds[] = {30, 60, 120, 240, 480, 900, 900, 900};
    for (uint32_t i = 0; i < COUNT_OF(seconds); i++)
        for (uint64_t jitter = 0; jitter < 2000000; jitter += 77777) {
            int64_t ms = jwks_retry_ms(i + 1, jitter);
            assert_in_range(ms, seconds[i] * 1000, seconds[i] * 1500 - 1);
        }
    assert_true(jwks_retry_ms(1, 5) != jwks_retry_ms(1, 6));
    assert_in_range(jwks_retry_ms(UINT32_MAX, 0), 900000, 900000);
    struct jwks_source *s = fetched(URL, digest_a, 300);
    advance_s(300);
    start_due();
    drop(jwks_source_fail(table, s, now), RC_UNAVAILABLE);
    advance_s(29);
    assert_int_equal(start_due(), 0);
    advance_s(16);
    assert_int_equal(start_due(), 1);
    drop(jwks_source_succeed(table, s, empty_set(), digest_a, 300, now), RC_OK);
    assert_int_equal(s->failures, 0);
}

static void a_refresh_is_asked_for_at_most_twice_a_minute(void **state)
{
    (void)state;
    struct jwks_source *s = get(URL);
    assert_int_equal(wait_for(s, 1000), RC_OK); /* the first fetch is due anyway */
    assert_int_equal(start_due(), 1);
    assert_int_equal(wait_for(s, 1000), RC_OK); /* it runs */
    assert_int_equal(drop(jwks_source_succeed(table, s, empty_set(), digest_a, 3600, now), RC_OK),
                     2);
    assert_int_equal(wait_for(s, 1000), RC_AGAIN);
    advance_s(29);
    assert_int_equal(wait_for(s, 1000), RC_AGAIN);
    advance_s(1);
    assert_int_equal(wait_for(s, 1000), RC_OK);
    assert_int_equal(start_due(), 1);
    assert_int_equal(drop(jwks_source_fail(table, s, now), RC_UNAVAILABLE), 1);
    assert_int_equal(wait_for(s, 1000), RC_AGAIN); /* a failure counts as well */
    advance_s(29);
    assert_int_equal(wait_for(s, 1000), RC_AGAIN);
    assert_int_equal(start_due(), 0);
    advance_s(1);
    assert_int_equal(wait_for(s, 1000), RC_OK); /* within its backoff, which is up to 45 s */
    assert_int_equal(start_due(), 1);
    assert_int_equal(drop(jwks_source_fail(table, s, now), RC_UNAVAILABLE), 1);
}

static void who_waits_is_told_at_the_deadline(void **state)
{
    (void)state;
    struct jwks_source *s = get(URL);
    assert_int_equal(wait_for(s, 2000), RC_OK);
    assert_int_equal(wait_for(s, 5000), RC_OK);
    assert_int_equal(wait_for(s, 2000), RC_OK);
    start_due();
    assert_int_equal(jwks_table_next(table, now, true).ns, mono_add_ms(now, 2000).ns);
    now = mono_add_ms(now, 1999);
    assert_int_equal(drop(jwks_table_expire(table, now), RC_TIMEOUT), 0);
    now = mono_add_ms(now, 1);
    assert_int_equal(drop(jwks_table_expire(table, now), RC_TIMEOUT), 2);
    assert_int_equal(drop(jwks_source_succeed(table, s, empty_set(), digest_a, 300, now), RC_OK),
                     1);
    assert_int_equal(table->wait_count, 0);
}

static void waits_are_bounded_in_all(void **state)
{
    (void)state;
    struct jwks_source *a = get(URL), *b = get(SLICE_LIT("https://b.example/"));
    for (int i = 0; i < JWKS_WAITS_MAX; i++)
        assert_int_equal(wait_for(i % 2 ? a : b, 1000), RC_OK);
    assert_int_equal(wait_for(a, 1000), RC_BUSY);
    assert_int_equal(drop(jwks_table_take_waits(table), RC_CLOSED), JWKS_WAITS_MAX);
}

static void what_nobody_uses_is_forgotten(void **state)
{
    (void)state;
    struct jwks_source *s = fetched(URL, digest_a, JWKS_FRESH_MAX_S);
    uint64_t first = generation(s);
    struct jwks_snapshot *held = jwks_source_take(s, now);
    advance_s(JWKS_IDLE_S - 1);
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_non_null(table->slots[0]);
    advance_s(1);
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_null(table->slots[0]);
    assert_false(jwks_is_current(&table->current, first));
    assert_int_equal(held->generation, first);
    jwks_snapshot_give(held);
    /* Its slot serves another URL, and an old generation never becomes current again. */
    s = fetched(SLICE_LIT("https://other.example/"), digest_a, 300);
    assert_int_equal(s->slot, 0);
    assert_false(jwks_is_current(&table->current, first));
    assert_true(jwks_is_current(&table->current, generation(s)));
    /* Not while it is being fetched. */
    advance_s(300);
    start_due();
    advance_s(JWKS_IDLE_S);
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_ptr_equal(table->slots[0], s);
}

static void the_table_is_bounded_and_finds_every_url(void **state)
{
    (void)state;
    char url[64];
    bool is_new;
    enum rc rc;
    for (int i = 0; i < JWKS_URLS_MAX; i++) {
        snprintf(url, sizeof(url), "https://i%d.example/", i);
        assert_non_null(jwks_table_get(table, slice_str(url), now, &is_new, &rc));
        assert_true(is_new);
    }
    assert_null(jwks_table_get(table, URL, now, &is_new, &rc));
    assert_int_equal(rc, RC_BUSY);
    for (int i = 0; i < JWKS_URLS_MAX; i++) {
        snprintf(url, sizeof(url), "https://i%d.example/", i);
        assert_string_equal(jwks_table_get(table, slice_str(url), now, &is_new, &rc)->url, url);
        assert_false(is_new);
    }
    struct jwks_source *due[JWKS_FETCHES_MAX];
    assert_int_equal(jwks_table_start_due(table, now, 5, due), 5);
    assert_int_equal(jwks_table_next(table, now, true).ns, now.ns);
    assert_true(mono_is_before(now, jwks_table_next(table, now, false)));
    advance_s(JWKS_IDLE_S);
    drop(jwks_table_expire(table, now), RC_TIMEOUT);
    assert_non_null(jwks_table_get(table, URL, now, &is_new, &rc));
}

static void urls_are_https_or_of_this_machine(void **state)
{
    (void)state;
    static const char *const good[] = {
        "https://issuer.example/.well-known/jwks.json",
        "https://issuer.example:8443/keys?tenant=1",
        "HTTPS://issuer.example",
        "https://10.0.0.1/keys",
        "http://localhost/",
        "http://LOCALHOST:9000/keys",
        "http://127.0.0.1:8080/keys",
        "http://127.8.8.8/",
        "http://[::1]:8080/keys",
    };
    static const char *const bad[] = {
        "",
        "issuer.example/keys",
        "//issuer.example/keys",
        "http://issuer.example/keys",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
        "http://10.0.0.1/",
        "http://[::2]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
        "https://user:password@issuer.example/",
        "https://user@issuer.example/",
        "http://localhost@issuer.example/",
        "http://127.0.0.1:80@issuer.example/",
        "http://issuer.example/@localhost",
        "http://issuer.example#@localhost/",
        "http://issuer.example\\@localhost/",
        "ftp://localhost/keys",
        "file:///etc/passwd",
        "unix:///tmp/s",
        "https://issuer.example/a b",
        "https://issuer.example/\r\nHost: x",
        "https://",
    };
    char long_url[JWKS_URL_BYTES_MAX + 2];
    struct err err = ERR_INIT;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (jwks_url_check(slice_str(good[i]), &err) != RC_OK)
            fail_msg("%s: %s", good[i], err.text);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (jwks_url_check(slice_str(bad[i]), &err) != RC_INVALID)
            fail_msg("%s was allowed", bad[i]);
    assert_int_equal(jwks_url_check(slice_of("https://a\0b", 11), NULL), RC_INVALID);
    memset(long_url, 'a', sizeof(long_url));
    memcpy(long_url, "https://i/", 10);
    assert_int_equal(jwks_url_check(slice_of(long_url, JWKS_URL_BYTES_MAX), NULL), RC_OK);
    assert_int_equal(jwks_url_check(slice_of(long_url, JWKS_URL_BYTES_MAX + 1), NULL), RC_INVALID);
    bool is_new;
    enum rc rc;
    assert_null(jwks_table_get(table, SLICE_LIT("http://evil.example/"), now, &is_new, &rc));
    assert_int_equal(rc, RC_INVALID);
}

static uint32_t fresh_by(const char *const *lines)
{
    struct jwks_fetch f = {.max_age_s = 0};
    for (; *lines; lines++) {
        char line[200];
        snprintf(line, sizeof(line), "%s\r\n", *lines);
        assert_int_equal(jwks_fetch_header(line, 1, strlen(line), &f), strlen(line));
    }
    return jwks_fetch_fresh_s(&f);
}
#define FRESH(...) fresh_by((const char *const[]){__VA_ARGS__, NULL})

static void freshness_is_what_the_answer_says_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(FRESH("HTTP/1.1 200 OK"), 300);
    assert_int_equal(FRESH("HTTP/1.1 200 OK", "Cache-Control: max-age=3600"), 3600);
    assert_int_equal(FRESH("cache-control: public , MAX-AGE=7200, must-revalidate"), 7200);
    assert_int_equal(FRESH("Cache-Control: max-age=\"3600\""), 3600);
    assert_int_equal(FRESH("Cache-Control: max-age=1"), 300);
    assert_int_equal(FRESH("Cache-Control: max-age=0"), 300);
    assert_int_equal(FRESH("Cache-Control: max-age=86401"), 86400);
    assert_int_equal(FRESH("Cache-Control: max-age=99999999999999999999"), 300);
    assert_int_equal(FRESH("Cache-Control: max-age=-5"), 300);
    assert_int_equal(FRESH("Cache-Control: max-age"), 300);
    assert_int_equal(FRESH("Cache-Control:"), 300);
    assert_int_equal(FRESH("Cache-Control: s-maxage=3600"), 300);
    assert_int_equal(FRESH("Cache-Control: max-age=3600, no-store"), 300);
    assert_int_equal(FRESH("Cache-Control: no-cache", "Cache-Control: max-age=3600"), 300);
    assert_int_equal(FRESH("X-Cache-Control: max-age=3600"), 300);
    assert_int_equal(FRESH("HTTP/1.1 302 Found", "Cache-Control: max-age=9000", "", "HTTP/2 200",
                           "Cache-Control: max-age=600", ""),
                     600);
    assert_int_equal(FRESH("HTTP/1.1 302 Found", "Cache-Control: max-age=9000", "", "HTTP/2 200"),
                     300);
}

static int setup(void **state)
{
    (void)state;
    now = (mono_ns){INT64_C(5000000000)};
    table = heap_alloc(HEAP_MISC, sizeof(*table));
    jwks_table_init(table);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    drop(jwks_table_take_waits(table), RC_CLOSED);
    jwks_table_done(table);
    heap_free(table);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_set_is_fetched_again_when_it_is_no_longer_fresh),
        TEST(only_another_document_is_another_generation),
        TEST(the_last_set_stays_for_a_day_and_then_nothing_verifies),
        TEST(failures_are_tried_again_ever_later),
        TEST(a_refresh_is_asked_for_at_most_twice_a_minute),
        TEST(who_waits_is_told_at_the_deadline),
        TEST(waits_are_bounded_in_all),
        TEST(what_nobody_uses_is_forgotten),
        TEST(the_table_is_bounded_and_finds_every_url),
        TEST(urls_are_https_or_of_this_machine),
        TEST(freshness_is_what_the_answer_says_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
