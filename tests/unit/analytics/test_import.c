/* A small file of each foreign format (tests/data/import), and what arrives of it: the records, as
 * docs/import.md says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "analytics/import/import.h"
#include "base/os.h"
#include "codec/json.h"

enum { RECORDS_MAX = 64 };
static struct tenant_project project;
static struct import_counts counts;
static struct arena arena;
static yyjson_val *records[RECORDS_MAX];
static uint32_t record_count;
static uint32_t leaves_out; /* so many of each batch, as an erased user's */
static bool has_no_quota;

static enum rc sink(void *ctx, struct stream_record *r, uint32_t count, uint32_t *ret_erased,
                    struct err *err)
{
    (void)ctx;
    if (has_no_quota)
        return err_set(err, RC_RATE, "nothing is left");
    *ret_erased = leaves_out;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(record_count < RECORDS_MAX);
        assert_int_equal(json_parse(&arena, r[i].value, &records[record_count++], err), RC_OK);
        assert_null(memmem(r[i].value.data, r[i].value.len, "192.0.2.", 8)); /* no address */
    }
    return RC_OK;
}

struct file {
    int fd;
    uint64_t at;
    size_t piece;
};

static enum rc read_file(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err)
{
    struct file *f = ctx;
    TRY(os_pread(f->fd, to, cap < f->piece ? cap : f->piece, f->at, ret_len, err));
    f->at += *ret_len;
    return RC_OK;
}

static enum rc rewind_file(void *ctx, struct err *err)
{
    struct file *f = ctx;
    (void)err;
    f->at = 0;
    return RC_OK;
}

static struct import_join *join; /* of several files; else each has its own */
static bool is_last = true;

/* In pieces of so many bytes. */
static enum rc import(const char *format, const char *name, size_t piece, struct err *err)
{
    char path[1024];
    struct file f = {.fd = -1, .piece = piece};
    struct import_join *own = join ? NULL : import_join_new(1 << 20);
    const struct import_cfg cfg = {.format = import_format_find(slice_str(format)),
                                   .project = &project,
                                   .read = read_file,
                                   .rewind = rewind_file,
                                   .read_ctx = &f,
                                   .join = join ? join : own,
                                   .ends_join = is_last,
                                   .sink = sink};
    assert_non_null(cfg.format);
    snprintf(path, sizeof(path), "%s/import/%s", DATA, name);
    assert_int_equal(os_open(path, O_RDONLY, &f.fd, err), RC_OK);
    arena_reset(&arena);
    record_count = 0;
    enum rc rc = import_run(&cfg, &counts, err);
    os_close(f.fd);
    import_join_free(own);
    return rc;
}

static void ok(const char *format, const char *name, uint32_t events, uint32_t rejected)
{
    struct err err = ERR_INIT;
    char first[RECORDS_MAX][40];
    if (import(format, name, 5, &err) != RC_OK)
        fail_msg("%s: %s", name, err.text);
    for (uint32_t i = 0; i < counts.bad_told && counts.rejected != rejected; i++)
        print_message("line %d: %s\n", (int)counts.bad[i].line, counts.bad[i].text);
    assert_int_equal(counts.imported, events);
    assert_int_equal(counts.rejected, rejected);
    for (uint32_t i = 0; i < record_count; i++)
        snprintf(first[i], sizeof(first[i]), "%s", json_text(json_get(records[i], "id")).data);
    /* In one piece, and a second time: the same ids. */
    assert_int_equal(import(format, name, 1 << 20, &err), RC_OK);
    assert_int_equal(record_count, events);
    for (uint32_t i = 0; i < record_count; i++) {
        assert_string_equal(json_text(json_get(records[i], "id")).data, first[i]);
        assert_true(yyjson_is_true(json_get(records[i], "dedupe")));
        assert_true(yyjson_is_true(json_get(records[i], "historical")));
    }
}

/* The member at a path "page.url"; "" if it is not there. */
static const char *at(uint32_t i, const char *path)
{
    yyjson_val *v = records[i];
    struct slice rest = slice_str(path);
    while (rest.len && v) {
        struct slice name = slice_cut(&rest, '.');
        v = yyjson_obj_getn(v, name.data, name.len);
    }
    return v && (yyjson_is_str(v) || json_is_number(v)) ? json_text(v).data : "";
}

static void is(uint32_t i, const char *path, const char *want)
{
    if (strcmp(at(i, path), want) != 0)
        fail_msg("record %u, %s: \"%s\" is not \"%s\"", i, path, at(i, path), want);
}

static void bad(uint32_t i, uint64_t line, const char *text)
{
    assert_true(i < counts.bad_told);
    assert_int_equal(counts.bad[i].line, line);
    if (!strstr(counts.bad[i].text, text))
        fail_msg("\"%s\" does not say \"%s\"", counts.bad[i].text, text);
}

static void test_goatcounter(void **state)
{
    (void)state;
    ok("goatcounter", "goatcounter.csv", 3, 2);
    bad(0, 4, "Date");
    bad(1, 5, "fields");
    is(0, "source", "goatcounter");
    is(0, "event", "pageview");
    is(0, "timestamp", "2026-02-01T10:00:00.000Z");
    is(0, "page.path", "/bread");
    is(0, "page.title", "Bread, and \"butter\"");
    is(0, "page.referrer", "https://search.example/find");
    is(0, "session_id", "1f0a2b");
    is(0, "screen.width", "1920");
    is(0, "geo.country", "DE");
    is(0, "geo.region", "DE-BE");
    is(0, "context.browser", "Firefox 140");
    is(0, "context.bot", "");
    is(1, "event", "signup");
    is(1, "context.referrer", "newsletter-7");
    is(1, "page.referrer", "");
    is(1, "geo.country", "DE");
    is(2, "page.title", "Two\nlines");
    is(2, "timestamp", "2026-02-01T09:00:00.000Z");
    is(2, "context.bot", "2");
    ok("goatcounter-api", "goatcounter_api.json", 2, 0);
    is(0, "page.path", "/one");
    is(0, "geo.region", "US-CA");
    is(1, "event", "click");
    is(1, "timestamp", "2026-02-03T00:00:01.000Z");
}

static uint64_t reason(const char *name)
{
    for (uint32_t i = 0; i < counts.reason_count; i++)
        if (strcmp(counts.reasons[i].name, name) == 0)
            return counts.reasons[i].count;
    return 0;
}

/* Of the second event, umami_event_data.csv. */
static void has_properties(void)
{
    static const char want[] =
        "{\"plan\":\"pro\",\"revenue\":12.5,\"currency\":\"EUR\",\"cart\":{\"items\":-3,\"first\":{"
        "\"name\":\"=Bread\"}},\"tags\":[\"a\",\"b, "
        "c\"],\"when\":\"2026-02-01T00:00:00.000Z\",\"n\":"
        "\"12 apples\",\"a\":1,\"a.b\":2}";
    char *text = yyjson_val_write(json_get(records[1], "properties"), 0, NULL);
    assert_string_equal(text, want);
    free(text);
    is(1, "revenue.amount", "12.5");
    is(1, "revenue.currency", "EUR");
    assert_true(yyjson_is_true(json_get(json_get(records[0], "properties"), "seen")));
}

static void test_properties_in_a_file_of_their_own(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    join = import_join_new(1 << 20);
    is_last = false;
    assert_int_equal(import("umami", "umami_event_data.csv", 7, &err), RC_OK);
    assert_int_equal(counts.imported, 0);
    assert_int_equal(counts.rejected, 1);
    is_last = true;
    assert_int_equal(import("umami", "umami.csv", 100, &err), RC_OK);
    import_join_free(join);
    assert_int_equal(counts.imported, 4);
    assert_int_equal(reason("no_event"), 1);
    has_properties();
    join = import_join_new(500); /* too small for them */
    assert_int_equal(import("umami", "umami_event_data.csv", 100, &err), RC_LIMIT);
    import_join_free(join);
    join = NULL;
    assert_int_equal(import("umami", "umami_event_data.csv", 100, &err), RC_OK); /* the wrong way */
    assert_int_equal(reason("no_event"), 13);
}

static void test_umami(void **state)
{
    (void)state;
    ok("umami", "umami.csv", 4, 0);
    is(0, "id", "0198c0de-0000-7000-8000-0000000000a1");
    is(0, "source", "umami");
    is(0, "event", "pageview");
    is(0, "timestamp", "2026-02-01T10:00:00.000Z");
    is(0, "page.url", "https://shop.example/cart?utm_source=news&a=b");
    is(0, "page.path", "/cart");
    is(0, "page.title", "=Cart");
    is(0, "page.referrer", "https://search.example/find?q=shoes");
    is(0, "anonymous_id", "11111111-1111-4111-8111-111111111111");
    is(0, "session_id", "22222222-2222-4222-8222-222222222222");
    is(0, "geo.region", "DE-BE");
    is(0, "geo.city", "Berlin");
    is(0, "context.browser", "firefox");
    is(0, "context.tag", "spring");
    is(1, "event", "order");
    is(1, "user_id", "customer-9");
    is(1, "geo.region", "DE-BE");
    is(1, "timestamp", "2026-02-01T10:00:05.250Z");
    is(2, "kind", "vital");
    is(2, "properties.metric", "LCP");
    is(2, "properties.value", "1200.5");
    is(3, "properties.metric", "CLS");
    ok("umami", "umami.zip", 4, 1); /* of its three files those with events and their data */
    has_properties();
    assert_int_equal(reason("no_event"), 1);
    bad(0, 14, "the id of its event");
    is(0, "id", "0198c0de-0000-7000-8000-0000000000a1");
    ok("umami-api", "umami_api.json", 1, 0);
    is(0, "page.url", "https://shop.example/x");
    is(0, "geo.country", "DE");
}

static void test_posthog(void **state)
{
    (void)state;
    ok("posthog", "posthog.ndjson", 2, 1);
    bad(0, 3, "timestamp");
    is(0, "id", "0198c0de-0000-7000-8000-0000000000b1");
    is(0, "source", "posthog");
    is(0, "event", "pageview");
    is(0, "anonymous_id", "0198c0de-aaaa-7000-8000-000000000001");
    is(0, "session_id", "0198c0de-bbbb-7000-8000-000000000001");
    is(0, "page.url", "https://shop.example/a?utm_source=news");
    is(0, "geo.country", "DE");
    is(0, "geo.region", "DE-BE");
    is(0, "geo.city", "Berlin");
    is(0, "properties.plan", "pro");
    is(1, "event", "paid");
    is(1, "timestamp", "2026-02-01T10:05:00.500Z");
    is(1, "revenue.amount", "12.5");
    is(1, "properties.big", "12345678901234567890");
    ok("posthog", "posthog_api.json", 2, 0);
    is(0, "kind", "identify");
    is(0, "user_id", "bert");
    is(0, "traits.name", "Bert");
    is(1, "id", "0198c0de-0000-7000-8000-0000000000b5");
    is(1, "event", "opened");
}

static void test_segment(void **state)
{
    (void)state;
    ok("segment", "segment.ndjson", 3, 1);
    bad(0, 4, "type is none");
    is(0, "source", "segment");
    is(0, "event", "Order Completed");
    is(0, "timestamp", "2026-02-01T10:00:00.000Z"); /* corrected already */
    is(0, "received_at", "2026-02-01T10:00:01.000Z");
    is(0, "user_id", "u-1");
    is(0, "anonymous_id", "a-1");
    is(0, "revenue.amount", "25");
    is(0, "page.url", "https://shop.example/done");
    is(1, "event", "pageview");
    is(2, "kind", "identify");
    is(2, "traits.plan", "pro");
}

static void test_ga4(void **state)
{
    (void)state;
    ok("ga4", "ga4.ndjson", 3, 1);
    bad(0, 4, "event_timestamp");
    is(0, "source", "ga4");
    is(0, "event", "pageview");
    is(0, "timestamp", "2026-02-01T10:00:00.123Z");
    is(0, "anonymous_id", "1234.5678");
    is(0, "session_id", "1769940000");
    is(0, "page.url", "https://shop.example/a");
    is(0, "page.title", "A");
    is(0, "page.referrer", "https://search.example/");
    is(0, "engagement_ms", "4000");
    is(0, "traits.plan", "pro");
    is(0, "locale", "de-de");
    is(0, "context.country", "Germany");
    is(0, "context.browser", "Firefox");
    is(1, "event", "purchase");
    is(1, "user_id", "u-9");
    is(1, "revenue.amount", "25.5");
    is(1, "revenue.currency", "EUR");
    is(1, "properties.transaction_id", "T-1");
    is(2, "kind", "engagement");
}

static void test_matomo(void **state)
{
    (void)state;
    ok("matomo", "matomo.json", 6, 1);
    bad(0, 2, "actionDetails");
    is(0, "source", "matomo");
    is(0, "event", "pageview");
    is(0, "timestamp", "2026-02-01T10:00:00.000Z");
    is(0, "anonymous_id", "0a1b2c3d4e5f6071");
    is(0, "user_id", "anna");
    is(0, "session_id", "77");
    is(0, "page.path", "/a");
    is(0, "page.title", "A");
    is(0, "page.referrer", "https://search.example/?q=a");
    is(0, "geo.country", "DE");
    is(0, "geo.region", "DE-BE");
    is(0, "geo.city", "Berlin");
    is(0, "screen.height", "1080");
    is(0, "context.browser", "Firefox");
    is(1, "event", "play");
    is(1, "properties.category", "video");
    is(1, "page.referrer", "");
    is(2, "event", "Newsletter");
    is(2, "revenue.amount", "5");
    is(3, "event", "order");
    is(3, "revenue.amount", "99.9");
    is(3, "revenue.currency", "EUR");
    is(3, "properties.order_id", "O-1");
    is(4, "event", "outlink");
    is(4, "page.url", "https://elsewhere.example/");
    is(5, "event", "search");
    is(5, "properties.keyword", "shoes");
}

static void test_a_file_of_another_format_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(import("umami", "goatcounter.csv", 100, &err), RC_INVALID);
    assert_non_null(strstr(err.text, "event_id"));
    assert_int_equal(import("goatcounter", "umami.csv", 100, &err), RC_INVALID);
    assert_int_equal(import("umami", "plausible.zip", 100, &err), RC_INVALID);
    assert_non_null(strstr(err.text, "website_event"));
    assert_int_equal(import("plausible", "plausible.zip", 100, &err), RC_UNAVAILABLE);
    assert_int_equal(import("posthog", "segment.ndjson", 100, &err), RC_OK);
    assert_int_equal(counts.imported + counts.rejected, counts.lines);
}

static void test_what_the_sink_leaves_out_or_refuses_is_counted(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    leaves_out = 2;
    assert_int_equal(import("goatcounter", "goatcounter.csv", 100, &err), RC_OK);
    leaves_out = 0;
    assert_int_equal(counts.imported, 1);
    assert_int_equal(counts.rejected, 2); /* lines; events that were left out are no bad lines */
    assert_int_equal(reason("erased"), 2);
    has_no_quota = true;
    assert_int_equal(import("goatcounter", "goatcounter.csv", 100, &err), RC_RATE);
    has_no_quota = false;
    assert_int_equal(counts.imported, 0);
    assert_int_equal(counts.lines_done, 0);
    assert_int_equal(reason("quota"), 3);
    assert_int_equal(reason("erased"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goatcounter),
        cmocka_unit_test(test_umami),
        cmocka_unit_test(test_properties_in_a_file_of_their_own),
        cmocka_unit_test(test_posthog),
        cmocka_unit_test(test_segment),
        cmocka_unit_test(test_ga4),
        cmocka_unit_test(test_matomo),
        cmocka_unit_test(test_a_file_of_another_format_is_refused),
        cmocka_unit_test(test_what_the_sink_leaves_out_or_refuses_is_counted),
    };
    uuid_parse(SLICE_LIT("0198c0de-0000-7000-8000-000000000001"), &project.id);
    uuid_format(&project.id, project.id_text);
    arena_init(&arena, 64 << 10, 64 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
