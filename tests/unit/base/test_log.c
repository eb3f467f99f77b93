#include "base_test.h"

#include <ctype.h>

#include "base/ctx.h"
#include "base/log.h"

static char text[65536];

static const char *logged(void (*fn)(void *ctx), void *ctx)
{
    stderr_of(fn, ctx, text, sizeof(text));
    return text;
}

static unsigned lines_in(const char *s)
{
    unsigned n = 0;
    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void say_plain(void *ctx)
{
    (void)ctx;
    log_info("segment sealed", LOG_STR("stream", "events"), LOG_U64("bytes", UINT64_MAX),
             LOG_I64("delta", -5), LOG_RC(RC_NOSPACE), LOG_STR("empty", ""));
}

static void a_line_has_its_fields(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    const char *line = logged(say_plain, NULL);
    assert_int_equal(lines_in(line), 1);
    assert_int_equal(strncmp(line, "time=20", 7), 0);
    assert_non_null(strstr(line, " level=info msg=\"segment sealed\" stream=events "
                                 "bytes=18446744073709551615 delta=-5 rc=NOSPACE empty=\"\"\n"));
    log_setup(LOG_INFO, LOG_JSON);
    line = logged(say_plain, NULL);
    assert_int_equal(strncmp(line, "{\"time\":\"20", 11), 0);
    assert_non_null(strstr(line,
                           ",\"level\":\"info\",\"msg\":\"segment sealed\",\"stream\":\"events\","
                           "\"bytes\":18446744073709551615,\"delta\":-5,\"rc\":\"NOSPACE\","
                           "\"empty\":\"\"}\n"));
}

static void say_levels(void *ctx)
{
    (void)ctx;
    log_debug("d");
    log_info("i");
    log_warn("w");
    log_error("e");
}

static void levels_below_the_minimum_are_silent(void **state)
{
    (void)state;
    log_setup(LOG_WARN, LOG_LOGFMT);
    const char *line = logged(say_levels, NULL);
    assert_int_equal(lines_in(line), 2);
    assert_null(strstr(line, "msg=i"));
    assert_false(log_is_on(LOG_INFO));
    log_setup(LOG_DEBUG, LOG_LOGFMT);
    assert_int_equal(lines_in(logged(say_levels, NULL)), 4);
}

static void say_value(void *ctx)
{
    const struct slice *value = ctx;
    log_info("x", LOG_SLICE("value", *value), LOG_STR("after", "1"));
}

static void a_value_cannot_forge_a_line_or_a_field(void **state)
{
    (void)state;
    static const struct {
        const char *value, *logfmt, *json;
    } cases[] = {
        {"a\ntime=1 level=error msg=forged",
         " value=\"a\\u000atime=1 level=error msg=forged\" after=1\n",
         ",\"value\":\"a\\u000atime=1 level=error msg=forged\",\"after\":\"1\"}\n"},
        {"\" after=2 x=\"", " value=\"\\\" after=2 x=\\\"\" after=1\n",
         ",\"value\":\"\\\" after=2 x=\\\"\",\"after\":\"1\"}\n"},
        {"back\\", " value=\"back\\\\\" after=1\n", ",\"value\":\"back\\\\\",\"after\":\"1\"}\n"},
        {"a=b", " value=\"a=b\" after=1\n", ",\"value\":\"a=b\",\"after\":\"1\"}\n"},
        {"\x1b[31mred\x7f\r", " value=\"\\u001b[31mred\\u007f\\u000d\" after=1\n",
         ",\"value\":\"\\u001b[31mred\\u007f\\u000d\",\"after\":\"1\"}\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice value = slice_str(cases[i].value);
        log_setup(LOG_INFO, LOG_LOGFMT);
        const char *line = logged(say_value, &value);
        assert_int_equal(lines_in(line), 1);
        assert_non_null(strstr(line, cases[i].logfmt));
        log_setup(LOG_INFO, LOG_JSON);
        line = logged(say_value, &value);
        assert_int_equal(lines_in(line), 1);
        assert_non_null(strstr(line, cases[i].json));
    }
}

static void every_byte_gives_one_printable_line(void **state)
{
    (void)state;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    struct slice value = slice_of(all, sizeof(all));
    log_setup(LOG_INFO, LOG_LOGFMT);
    const char *line = logged(say_value, &value);
    assert_int_equal(lines_in(line), 1);
    for (const char *p = line; *p && *p != '\n'; p++)
        assert_false(iscntrl((unsigned char)*p));
    assert_non_null(strstr(line, " after=1\n"));
}

static void say_too_much(void *ctx)
{
    struct slice v = *(struct slice *)ctx;
    log_info("much", LOG_SLICE("a", v), LOG_SLICE("b", v), LOG_SLICE("c", v), LOG_SLICE("d", v),
             LOG_SLICE("e", v), LOG_SLICE("f", v), LOG_SLICE("g", v), LOG_SLICE("h", v),
             LOG_SLICE("i", v), LOG_SLICE("j", v));
}

/* In a JSON line: no quote left open, braces closed, no backslash cut off. */
static void assert_whole_json(const char *line)
{
    bool is_inside = false;
    size_t len = strlen(line);
    assert_int_equal(line[0], '{');
    assert_string_equal(line + len - 2, "}\n");
    for (size_t i = 1; i < len - 2; i++) {
        if (is_inside && line[i] == '\\')
            i += line[i + 1] == 'u' ? 5 : 1;
        else if (line[i] == '"')
            is_inside = !is_inside;
    }
    assert_false(is_inside);
}

static void too_long_values_and_lines_stay_whole(void **state)
{
    (void)state;
    char big[5000];
    static const char fills[] = {'x', '\n', '"', '\\'};
    for (size_t i = 0; i < sizeof(fills); i++) {
        memset(big, fills[i], sizeof(big));
        for (size_t len = 1018; len < 1030; len++) {
            struct slice value = slice_of(big, len);
            log_setup(LOG_INFO, LOG_JSON);
            const char *line = logged(say_too_much, &value);
            assert_int_equal(lines_in(line), 1);
            assert_true(strlen(line) <= 8300);
            assert_whole_json(line);
            assert_whole_json(logged(say_value, &value));
        }
    }
}

static void invalid_utf8_is_no_json(void **state)
{
    (void)state;
    struct slice value = SLICE_LIT("ok ü \xff cut \xe2\x82");
    log_setup(LOG_INFO, LOG_JSON);
    const char *line = logged(say_value, &value);
    assert_non_null(strstr(
        line, "\"value\":\"ok ü \xef\xbf\xbd cut \xef\xbf\xbd\xef\xbf\xbd\",\"after\":\"1\"}\n"));
}

static void the_context_is_on_every_line(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    assert_string_equal(log_context(), "-");
    struct ctx_pool *pool = ctx_pool_new();
    struct ctx *ctx = ctx_new(pool, 1 << 20);
    assert_non_null(ctx);
    snprintf(ctx->request_id, sizeof(ctx->request_id), "req\n1");
    memset(ctx->trace_id, 0xab, sizeof(ctx->trace_id));
    struct ctx *entered = ctx_enter(ctx_ref(ctx));
    assert_ptr_equal(entered, ctx);
    assert_string_equal(log_context(), "req\n1");
    assert_non_null(strstr(logged(say_plain, NULL),
                           " request_id=\"req\\u000a1\" "
                           "trace_id=abababababababababababababababab stream=events"));
    ctx_leave(entered);
    assert_null(strstr(logged(say_plain, NULL), "request_id"));
    ctx_release(ctx);
    ctx_pool_free(pool);
    assert_null(strstr(logged(say_plain, NULL), "request_id"));
}

static void say_with_closed_stderr(void *ctx)
{
    (void)ctx;
    close(STDERR_FILENO);
    log_error("nobody hears it");
    _exit(0);
}

static void a_closed_stderr_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(say_with_closed_stderr, NULL), 0);
}

static void a_limited_line_comes_once_a_second(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    unsigned n = 0;
    for (int i = 0; i < 1000; i++)
        n += log_allowed(&limit);
    assert_int_equal(n, 1);
    limit.next_ns = 0; /* as if the second had passed */
    assert_true(log_allowed(&limit));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_fields),
        cmocka_unit_test(levels_below_the_minimum_are_silent),
        cmocka_unit_test(a_value_cannot_forge_a_line_or_a_field),
        cmocka_unit_test(every_byte_gives_one_printable_line),
        cmocka_unit_test(too_long_values_and_lines_stay_whole),
        cmocka_unit_test(invalid_utf8_is_no_json),
        cmocka_unit_test(the_context_is_on_every_line),
        cmocka_unit_test(a_closed_stderr_stops_nothing),
        cmocka_unit_test(a_limited_line_comes_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
