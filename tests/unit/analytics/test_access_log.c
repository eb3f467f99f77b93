/* Access logs: single lines, a real file against awk's figures, ids at a second import. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analytics/import/access_log.h"
#include "analytics/import/import.h"
#include "codec/json.h"
#include "base/os.h"

#define HEAD "192.0.2.1 - frank [10/Oct/2000:13:55:36 -0700] "
static struct tenant_project project;

static enum access_log_reject parse(const char *line, struct access_log_line *l)
{
    return access_log_parse(slice_str(line), l);
}

static void is(struct slice got, const char *want)
{
    if (!slice_eq_str(got, want))
        fail_msg("\"%.*s\" is not \"%s\"", SLICE_ARG(got), want);
}

static void test_lines_of_every_kind(void **state)
{
    (void)state;
    struct access_log_line l;
    char time[TIME_TEXT_BYTES];
    assert_int_equal(parse(HEAD "\"GET /apache_pb.gif HTTP/1.0\" 200 2326 "
                                "\"http://www.example.com/start.html\" \"Mozilla/4.08 [en]\"",
                           &l),
                     ACCESS_LOG_OK);
    is(l.address, "192.0.2.1");
    is(l.user, "frank");
    assert_string_equal(time_format(l.time, time), "2000-10-10T20:55:36.000Z");
    is(l.method, "GET");
    is(l.target, "/apache_pb.gif");
    is(l.protocol, "HTTP/1.0");
    assert_int_equal(l.status, 200);
    assert_int_equal(l.bytes, 2326);
    is(l.referrer, "http://www.example.com/start.html");
    is(l.user_agent, "Mozilla/4.08 [en]");
    /* Common format, IPv6, no bytes; \r of a file from Windows. */
    assert_int_equal(
        parse("2001:db8::1 - - [29/Feb/2024:23:59:60 +0530] \"HEAD / HTTP/2.0\" 304 -", &l),
        ACCESS_LOG_OK);
    is(l.address, "2001:db8::1");
    assert_int_equal(l.bytes, -1);
    assert_int_equal(l.user_agent.len, 0);
    assert_string_equal(time_format(l.time, time), "2024-02-29T18:29:59.000Z");
    /* Quotes inside. */
    assert_int_equal(
        parse(HEAD "\"GET /a\\\"b HTTP/1.1\" 200 5 \"-\" \"say \\\"hi\\\" \\x22\"", &l),
        ACCESS_LOG_OK);
    is(l.target, "/a\\\"b");
    assert_int_equal(l.referrer.len, 0);
    is(l.user_agent, "say \\\"hi\\\" \\x22");
}

static void test_lines_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum access_log_reject why;
    } bad[] = {
        {"", ACCESS_LOG_EMPTY},
        {"hello", ACCESS_LOG_NO_ADDRESS},
        {"1.2.3.4 - - 10/Oct/2000:13:55:36 -0700 \"GET / HTTP/1.0\" 200 1", ACCESS_LOG_BAD_TIME},
        {"1.2.3.4 - - [31/Apr/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1", ACCESS_LOG_BAD_TIME},
        {"1.2.3.4 - - [31/Dec/1969:23:59:59 +0000] \"GET / HTTP/1.0\" 200 1", ACCESS_LOG_BAD_TIME},
        {"1.2.3.4 - - [10/Okt/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1", ACCESS_LOG_BAD_TIME},
        {"1.2.3.4 - - [10/Oct/2000:24:55:36 -0700] \"GET / HTTP/1.0\" 200 1", ACCESS_LOG_BAD_TIME},
        {HEAD "\"\" 400 0", ACCESS_LOG_BAD_REQUEST},
        {HEAD "\"-\" 408 0", ACCESS_LOG_BAD_REQUEST},
        {HEAD "\"\\x16\\x03\\x01\" 400 226", ACCESS_LOG_BAD_REQUEST},
        {HEAD "\"GET / HTTP/1.0\" abc 1", ACCESS_LOG_BAD_STATUS},
        {HEAD "\"GET / HTTP/1.0\" 99 1", ACCESS_LOG_BAD_STATUS},
        {HEAD "\"GET / HTTP/1.0\" 200 1 referrer agent", ACCESS_LOG_BAD_TAIL},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct access_log_line l;
        enum access_log_reject why = parse(bad[i].line, &l);
        if (why != bad[i].why)
            fail_msg("%s: %s", bad[i].line, access_log_reject_name(why));
    }
}

static void test_page_views(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        bool is_view;
    } lines[] = {
        {"\"GET / HTTP/1.0\" 200 1", true},
        {"\"GET /a.html HTTP/1.0\" 304 1", true},
        {"\"GET /a?b=c.png HTTP/1.0\" 200 1", true},
        {"\"GET /a.PNG?x HTTP/1.0\" 200 1", false},
        {"\"POST / HTTP/1.0\" 200 1", false},
        {"\"GET / HTTP/1.0\" 404 1", false},
        {"\"GET /favicon.ico HTTP/1.0\" 200 1", false},
        {"\"HEAD / HTTP/1.0\" 200 1", false},
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct access_log_line l;
        char line[200];
        snprintf(line, sizeof(line), HEAD "%s", lines[i].request);
        assert_int_equal(parse(line, &l), ACCESS_LOG_OK);
        assert_int_equal(access_log_is_pageview(&l), lines[i].is_view);
    }
}

/* ---- files ---- */

enum { TEXTS = 20000, TEXT_LEN = 36 };
struct seen {
    uint32_t records, pageviews, favicons, status_200, status_404, with_referrer;
    uint64_t bytes;
    bool has_address;
    char ids[TEXTS][TEXT_LEN + 1];
    char visitors[TEXTS][32 + 1];
    struct arena arena;
    enum rc fail_with;
};
static struct seen seen;

static void copy_text(char *to, yyjson_val *v, size_t len)
{
    assert_non_null(v);
    assert_int_equal(json_text(v).len, len);
    memcpy(to, json_text(v).data, len);
    to[len] = '\0';
}

static enum rc sink(void *ctx, struct stream_record *records, uint32_t count, uint32_t *ret_erased,
                    struct err *err)
{
    struct seen *s = ctx;
    *ret_erased = 0;
    if (s->fail_with != RC_OK)
        return err_set(err, s->fail_with, "the sink is full");
    for (uint32_t i = 0; i < count; i++) {
        yyjson_val *root;
        int64_t n;
        arena_reset(&s->arena);
        assert_int_equal(json_parse(&s->arena, records[i].value, &root, err), RC_OK);
        assert_true(slice_has_prefix(records[i].key, slice_str(project.id_text)));
        copy_text(s->ids[s->records], json_get(root, "id"), TEXT_LEN);
        copy_text(s->visitors[s->records], json_get(root, "anonymous_id"), 32);
        s->records++;
        yyjson_val *page = json_get(root, "page"), *p = json_get(root, "properties");
        is(json_text(json_get(root, "source")), "import");
        assert_true(yyjson_is_true(json_get(root, "historical")));
        assert_true(yyjson_is_true(json_get(root, "dedupe")));
        s->pageviews += slice_eq_str(json_text(json_get(root, "event")), "pageview");
        s->favicons += slice_eq_str(json_text(json_get(page, "path")), "/favicon.ico");
        s->with_referrer += json_get(page, "referrer") != NULL;
        assert_true(json_to_i64(json_get(p, "status"), &n));
        s->status_200 += n == 200;
        s->status_404 += n == 404;
        if (json_to_i64(json_get(p, "bytes"), &n))
            s->bytes += (uint64_t)n;
        s->has_address |= memmem(records[i].value.data, records[i].value.len, "83.149.9.216", 12) ||
                          memmem(records[i].key.data, records[i].key.len, "83.149.9.216", 12);
    }
    return RC_OK;
}

struct file {
    int fd;
    uint64_t at;
};

static enum rc read_file(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err)
{
    struct file *f = ctx;
    TRY(os_pread(f->fd, to, cap, f->at, ret_len, err));
    f->at += *ret_len;
    return RC_OK;
}

static enum rc import(const char *path, struct import_counts *counts)
{
    struct err err = ERR_INIT;
    memset(&seen, 0, offsetof(struct seen, ids));
    arena_init(&seen.arena, 64 << 10, 4 << 20);
    struct file file = {.fd = -1};
    const struct import_cfg cfg = {.format = import_format_find(SLICE_LIT("access-log")),
                                   .project = &project,
                                   .read = read_file,
                                   .read_ctx = &file,
                                   .sink = sink,
                                   .sink_ctx = &seen};
    enum rc rc = os_open(path, O_RDONLY, &file.fd, &err);
    if (rc == RC_OK)
        rc = import_run(&cfg, counts, &err);
    os_close(file.fd);
    arena_done(&seen.arena);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static uint32_t distinct(void *texts, uint32_t count, size_t size)
{
    uint32_t n = 0;
    char *t = texts;
    qsort(t, count, size, by_text);
    for (uint32_t i = 0; i < count; i++)
        n += i == 0 || strcmp(t + i * size, t + (i - 1) * size) != 0;
    return n;
}

/* The figures are awk's, over `zcat tests/data/apache_access.log.gz`, with FS="\"":
 *   pageviews  split($2,r," "); split($3,t," "); p=tolower(r[2]) up to [?#]; r[1]=="GET" && t[1] in
 *              200 … 399 && p !~ /\.(css|js|mjs|map|png|jpg|jpeg|gif|svg|webp|avif|ico|bmp|woff|
 *              woff2|ttf|otf|eot|mp3|mp4|webm|ogg|pdf|zip|gz|tar|xml|txt|json|rss|atom)$/
 *   visitors   distinct $1's first word with $6     bytes  sum of t[2] unless "-"
 *   status     t[1]     referrer  $4 != "-" && $4 != ""     favicons  r[2] up to [?#] */
static void test_a_real_file_against_awk(void **state)
{
    (void)state;
    struct import_counts counts = {.lines = 0};
    assert_int_equal(import(ACCESS_LOG_GZ, &counts), RC_OK);
    assert_int_equal(counts.lines, 10000);
    assert_int_equal(counts.imported, 10000);
    assert_int_equal(seen.records, 10000);
    assert_int_equal(seen.pageviews, 4115);
    assert_int_equal(seen.favicons, 807);
    assert_int_equal(seen.status_200, 9126);
    assert_int_equal(seen.status_404, 213);
    assert_int_equal(seen.bytes, 2747282740);
    assert_int_equal(seen.with_referrer, 5927);
    assert_false(seen.has_address);
    assert_int_equal(distinct(seen.ids, seen.records, sizeof(seen.ids[0])), 10000);
    assert_int_equal(distinct(seen.visitors, seen.records, sizeof(seen.visitors[0])), 1862);
}

static void test_a_second_import_has_the_same_ids(void **state)
{
    (void)state;
    static char first[TEXTS][TEXT_LEN + 1];
    struct import_counts counts = {.lines = 0};
    assert_int_equal(import(ACCESS_LOG_GZ, &counts), RC_OK);
    memcpy(first, seen.ids, sizeof(first));
    assert_int_equal(import(ACCESS_LOG_GZ, &counts), RC_OK);
    assert_memory_equal(first, seen.ids, sizeof(first[0]) * 10000);
    project.id.bytes[0] ^= 1; /* another project: other ids */
    uuid_format(&project.id, project.id_text);
    assert_int_equal(import(ACCESS_LOG_GZ, &counts), RC_OK);
    project.id.bytes[0] ^= 1;
    uuid_format(&project.id, project.id_text);
    assert_memory_not_equal(first[0], seen.ids[0], TEXT_LEN);
}

static uint64_t reason(const struct import_counts *c, const char *name)
{
    for (uint32_t i = 0; i < c->reason_count; i++)
        if (strcmp(c->reasons[i].name, name) == 0)
            return c->reasons[i].count;
    return 0;
}

static void write_file(char *path, struct slice text)
{
    struct err err = ERR_INIT;
    snprintf(path, 64, "/tmp/weir-access-log-%d", (int)getpid());
    assert_int_equal(os_write_file_durable(path, text, &err), RC_OK);
}

static void test_damage_is_counted_or_told(void **state)
{
    (void)state;
    struct import_counts counts = {.lines = 0};
    char path[64];
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_str(&text, HEAD "\"GET / HTTP/1.0\" 200 1\r\n\ngarbage\n");
    for (int i = 0; i < ACCESS_LOG_LINE_MAX + 100; i++)
        buf_add_char(&text, 'x');
    /* Twice the same line, bytes that are no UTF-8, and no end of line at the end. */
    buf_add_str(&text, "\n" HEAD "\"GET /\xff\\xe9\\\" HTTP/1.0\" 200 1 \"-\" \"a\\\\b\"\n" HEAD
                       "\"GET / HTTP/1.0\" 200 1");
    write_file(path, buf_slice(&text));
    assert_int_equal(import(path, &counts), RC_OK);
    assert_int_equal(counts.lines, 6);
    assert_int_equal(counts.imported, 3);
    assert_int_equal(reason(&counts, "empty"), 1);
    assert_int_equal(reason(&counts, "too_long"), 1);
    assert_int_equal(reason(&counts, "no_address"), 1);
    assert_int_equal(distinct(seen.ids, 3, sizeof(seen.ids[0])), 3);
    buf_done(&text);
    /* A compressed file that was cut. */
    struct err err = ERR_INIT;
    buf_init(&text, 1 << 20);
    assert_int_equal(os_read_file(ACCESS_LOG_GZ, &text, &err), RC_OK);
    write_file(path, slice_of(text.data, text.len / 2));
    assert_int_equal(import(path, &counts), RC_INVALID);
    write_file(path, SLICE_EMPTY);
    assert_int_equal(import(path, &counts), RC_OK);
    assert_int_equal(counts.lines, 0);
    buf_done(&text);
    assert_int_equal(os_unlink_durable(path, &err), RC_OK);
    assert_int_not_equal(import(path, &counts), RC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_every_kind),
        cmocka_unit_test(test_lines_that_are_none),
        cmocka_unit_test(test_page_views),
        cmocka_unit_test(test_a_real_file_against_awk),
        cmocka_unit_test(test_a_second_import_has_the_same_ids),
        cmocka_unit_test(test_damage_is_counted_or_told),
    };
    uuid_parse(SLICE_LIT("0198c0de-0000-7000-8000-000000000001"), &project.id);
    uuid_format(&project.id, project.id_text);
    memset(project.hash_key, 7, sizeof(project.hash_key));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
