/* When alerts fire, at each border; and a saved report as a table in a letter. Pure: numbers and
 * the clock come in. docs/alerts.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "analytics/watch/watch_int.h"

static struct arena arena;
static struct err err;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096, 1 << 20);
    err = ERR_INIT;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static yyjson_val *json(const char *text)
{
    yyjson_val *v;
    assert_int_equal(json_parse(&arena, slice_str(text), &v, &err), RC_OK);
    return v;
}

/* ---- what holds ---- */
enum verdict { QUIET, FIRES, NOTHING /* no number: stays as it was */ };
#define NONE (-1e300) /* null in the answer */

static enum verdict judge(const char *condition, double value, double before)
{
    struct watch_finding f = {
        .value = value, .before = before, .has_value = value != NONE, .has_before = before != NONE};
    watch_judge(json(condition), &f);
    return !f.has_value ? NOTHING : f.is_firing ? FIRES : QUIET;
}

static void a_threshold_is_passed_and_not_met(void **state)
{
    (void)state;
#define ABOVE "{\"type\":\"above\",\"value\":2.5}"
#define BELOW "{\"type\":\"below\",\"value\":-1}"
    assert_int_equal(judge(ABOVE, 2.5, NONE), QUIET);
    assert_int_equal(judge(ABOVE, 2.500001, NONE), FIRES);
    assert_int_equal(judge(ABOVE, -100, NONE), QUIET);
    assert_int_equal(judge(ABOVE, NONE, NONE), NOTHING);
    assert_int_equal(judge(BELOW, -1, NONE), QUIET);
    assert_int_equal(judge(BELOW, -1.000001, NONE), FIRES);
    assert_int_equal(judge(BELOW, 0, NONE), QUIET);
    assert_int_equal(judge(BELOW, NONE, 5), NOTHING);
    assert_int_equal(judge("{\"type\":\"above\",\"value\":0}", 0, NONE), QUIET);
    assert_int_equal(judge("{\"type\":\"above\",\"value\":0}", 1, NONE), FIRES);
}

static void a_spike_is_at_least_so_much_more_than_before(void **state)
{
    (void)state;
#define SPIKE "{\"type\":\"spike\",\"percent\":50}"
    assert_int_equal(judge(SPIKE, 149, 100), QUIET);
    assert_int_equal(judge(SPIKE, 150, 100), FIRES);
    assert_int_equal(judge(SPIKE, 1, 100), QUIET);
    assert_int_equal(judge(SPIKE, 3, 2), FIRES);
    assert_int_equal(judge(SPIKE, 10, 0), NOTHING);
    assert_int_equal(judge(SPIKE, 10, -4), NOTHING);
    assert_int_equal(judge(SPIKE, 10, NONE), NOTHING);
    assert_int_equal(judge(SPIKE, NONE, 10), NOTHING);
}

static void a_drop_is_at_least_so_much_less_than_before(void **state)
{
    (void)state;
#define DROP "{\"type\":\"drop\",\"percent\":40}"
    assert_int_equal(judge(DROP, 61, 100), QUIET);
    assert_int_equal(judge(DROP, 60, 100), FIRES);
    assert_int_equal(judge(DROP, 0, 100), FIRES);
    assert_int_equal(judge(DROP, 1000, 100), QUIET);
    assert_int_equal(judge(DROP, 0, 0), NOTHING);
    assert_int_equal(judge("{\"type\":\"drop\",\"percent\":100}", 0, 3), FIRES);
    assert_int_equal(judge("{\"type\":\"drop\",\"percent\":100}", 1, 1000000), QUIET);
}

static void silence_is_no_event_at_all(void **state)
{
    (void)state;
#define SILENCE "{\"type\":\"no_data\",\"minutes\":30}"
    assert_int_equal(judge(SILENCE, 0, NONE), FIRES);
    assert_int_equal(judge(SILENCE, 1, NONE), QUIET);
    assert_int_equal(judge(SILENCE, NONE, NONE), NOTHING);
}

static void what_is_told_says_the_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        double value, before;
        const char *text;
    } cases[] = {
        {ABOVE, 3, 0, "3, above 2.5"},
        {ABOVE, 2.5, 0, "2.5, exactly 2.5"},
        {BELOW, -3, 0, "-3, below -1"},
        {SPIKE, 10, 4, "10, +150.0 % against 4 in the period before"},
        {DROP, 1, 3, "1, -66.7 % against 3 in the period before"},
        {SILENCE, 0, 0, "0 events in the last 30 minutes"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct watch_finding f = {.value = cases[i].value,
                                  .before = cases[i].before,
                                  .has_value = true,
                                  .has_before = true};
        watch_judge(json(cases[i].condition), &f);
        assert_string_equal(f.text, cases[i].text);
    }
}

/* ---- what changes ---- */
static void only_a_change_is_told_and_no_number_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        enum verdict verdict;
        bool is_firing;
        const char *what;
    } cases[] = {
        {"", QUIET, false, NULL},        {"", FIRES, true, "fired"},
        {"", NOTHING, false, NULL},      {"ok", QUIET, false, NULL},
        {"ok", FIRES, true, "fired"},    {"ok", NOTHING, false, NULL},
        {"firing", FIRES, true, NULL},   {"firing", QUIET, false, "recovered"},
        {"firing", NOTHING, true, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct watch_finding f = {.has_value = cases[i].verdict != NOTHING,
                                        .is_firing = cases[i].verdict == FIRES};
        const char *what = "unset";
        assert_int_equal(watch_turn(slice_str(cases[i].state), &f, &what), cases[i].is_firing);
        if (cases[i].what)
            assert_string_equal(what, cases[i].what);
        else
            assert_null(what);
    }
}

/* ---- what is asked ---- */
static const char *question(const char *condition, const char *own)
{
    struct buf out;
    const struct watch_item item = {.question = slice_str(own)};
    const unix_ms now = {INT64_C(1774746000123)}; /* 2026-03-29 01:00 UTC: Berlin's clocks move */
    buf_init(&out, 4096);
    enum rc rc = watch_question(&item, json(condition), now, &arena, &out, &err);
    const char *text = rc == RC_OK ? arena_strndup(&arena, buf_cstr(&out), out.len) : rc_name(rc);
    buf_done(&out);
    return text;
}

static void the_question_is_asked_with_what_its_condition_needs(void **state)
{
    (void)state;
    static const char own[] = "{\"metrics\":[\"visitors\"],\"date_range\":\"24h\"}";
    assert_string_equal(question(ABOVE, own), own);
    assert_string_equal(question(DROP, own),
                        "{\"include\":{\"compare\":\"previous_period\"},\"metrics\":[\"visitors\"],"
                        "\"date_range\":\"24h\"}");
    assert_string_equal(question(ABOVE, ""), "INVALID");
    assert_string_equal(question(SPIKE, "null"), "INVALID");
    assert_string_equal(question(SILENCE, ""),
                        "{\"metrics\":[\"events\"],\"date_range\":[\"2026-03-29T00:30:00.123Z\","
                        "\"2026-03-29T01:00:00.123Z\"]}");
    assert_string_equal(
        question("{\"type\":\"no_data\",\"minutes\":10080}",
                 "{\"metrics\":[\"visitors\"],\"date_range\":\"7d\",\"filters\":[[\"is\",\"event\","
                 "[\"a\"]]]}"),
        "{\"metrics\":[\"events\"],\"date_range\":[\"2026-03-22T01:00:00.123Z\","
        "\"2026-03-29T01:00:00.123Z\"],\"filters\":[[\"is\",\"event\",[\"a\"]]]}");
}

/* ---- a saved report in a letter ---- */
static struct watch_mail mail;

static enum rc tabulate(const char *csv)
{
    buf_done(&mail.text);
    buf_done(&mail.html);
    buf_init(&mail.text, 64 << 10);
    buf_init(&mail.html, 64 << 10);
    return watch_add_table(&mail, slice_str(csv), &err);
}

static void a_table_has_columns_of_one_width_and_no_markup_of_others(void **state)
{
    (void)state;
    assert_int_equal(tabulate("page,visitors,k\xC3\xBCrzer\r\n/a,3,x\r\n\"/<b>\"\"\n\",1200,\r\n"),
                     RC_OK);
    assert_string_equal(buf_cstr(&mail.text), "  page    visitors  k\xC3\xBCrzer\n"
                                              "  /a      3         x\n"
                                              "  /<b>\"   1200      \n");
    assert_string_equal(buf_cstr(&mail.html), WATCH_HTML_TABLE
                        "<tr><th>page</th><th>visitors</th><th>k\xC3\xBCrzer</th></tr>"
                        "<tr><td>/a</td><td>3</td><td>x</td></tr>"
                        "<tr><td>/&#60;b&#62;&#34;\n</td><td>1200</td><td></td></tr></table>");
    assert_int_equal(tabulate("visitors\r\n"), RC_OK);
    assert_string_equal(buf_cstr(&mail.text), "  visitors\n");
    assert_int_equal(tabulate(""), RC_INVALID);
    assert_int_equal(tabulate("a,b\r\n\"open"), RC_INVALID);
}

static void a_long_table_is_cut_and_says_so(void **state)
{
    (void)state;
    struct buf csv;
    buf_init(&csv, 64 << 10);
    for (int row = 0; row < 54; row++)
        for (int i = 0; i < 15; i++)
            buf_addf(&csv, "%s%c%d-%d", i ? "," : row ? "\r\n" : "", row ? 'v' : 'n', row, i);
    assert_int_equal(tabulate(buf_cstr(&csv)), RC_OK);
    assert_non_null(strstr(buf_cstr(&mail.text), "n0-11\n"));
    assert_null(strstr(buf_cstr(&mail.text), "n0-12"));
    assert_non_null(strstr(buf_cstr(&mail.text), "v50-0 "));
    assert_null(strstr(buf_cstr(&mail.text), "v51-0"));
    assert_non_null(strstr(buf_cstr(&mail.text), "\n  and 3 more rows\n  and 3 more columns\n"));
    assert_non_null(
        strstr(buf_cstr(&mail.html), "</table><p>and 3 more rows</p><p>and 3 more columns</p>"));
    /* Neither within a character. */
    buf_clear(&csv);
    for (int i = 0; i < 39; i++) /* the 40th byte is the first of two */
        buf_add_char(&csv, 'x');
    buf_add_str(&csv, "\xC3\xBCy\r\n1\r\n");
    assert_int_equal(tabulate(buf_cstr(&csv)), RC_OK);
    assert_string_equal(buf_cstr(&mail.text) + 2 + 39, "\xE2\x80\xA6\n  1\n");
    buf_done(&csv);
    buf_done(&mail.text);
    buf_done(&mail.html);
}

static void a_number_of_the_other_range_becomes_the_change(void **state)
{
    (void)state;
    assert_int_equal(tabulate("source,visitors,bounce_rate,comparison.visitors,"
                              "comparison.bounce_rate\r\n"
                              "Google,120,41.2,98,\r\nBing,3,,0,50\r\n,7,0,14,20\r\n"),
                     RC_OK);
    assert_string_equal(buf_cstr(&mail.text), "  source  visitors       bounce_rate\n"
                                              "  Google  120 (+22.4 %)  41.2\n"
                                              "  Bing    3              \n"
                                              "          7 (-50.0 %)    0 (-100.0 %)\n");
    assert_non_null(strstr(buf_cstr(&mail.html), "<td>120 (+22.4 %)</td><td>41.2</td>"));
    /* Of a name that is none of the metrics, it is a column like any other. */
    assert_int_equal(tabulate("comparison.x\r\n1\r\n"), RC_OK);
    assert_string_equal(buf_cstr(&mail.text), "  comparison.x\n  1\n");
    /* Those of the other range take no room of the twelve. */
    struct buf csv;
    buf_init(&csv, 4096);
    for (int i = 0; i < 24; i++)
        buf_addf(&csv, "%s%s%c", i ? "," : "", i < 12 ? "" : "comparison.", 'a' + i % 12);
    assert_int_equal(tabulate(buf_cstr(&csv)), RC_OK);
    assert_string_equal(buf_cstr(&mail.text), "  a  b  c  d  e  f  g  h  i  j  k  l\n");
    buf_done(&csv);
    buf_done(&mail.text);
    buf_done(&mail.html);
}

/* ---- when something is to be done about a mail report ---- */
static void a_mail_report_waits_is_settled_anew_or_is_sent(void **state)
{
    (void)state;
    const struct slice was = SLICE_LIT("UTC {\"every\":\"day\"}"),
                       is = SLICE_LIT("UTC {\"every\":\"week\"}");
    const unix_ms now = {1000};
    assert_int_equal(watch_mail_step(0, SLICE_EMPTY, is, now), WATCH_SETTLE);
    assert_int_equal(watch_mail_step(1001, is, is, now), WATCH_WAIT);
    assert_int_equal(watch_mail_step(1000, is, is, now), WATCH_SEND);
    assert_int_equal(watch_mail_step(1, is, is, now), WATCH_SEND);
    /* Another schedule, or another zone: the time that was settled is none of it. */
    assert_int_equal(watch_mail_step(1001, was, is, now), WATCH_SETTLE);
    assert_int_equal(watch_mail_step(1, was, is, now), WATCH_SETTLE);
    /* Settled by a version that did not say by what. */
    assert_int_equal(watch_mail_step(1001, SLICE_EMPTY, is, now), WATCH_WAIT);
    assert_int_equal(watch_mail_step(1000, SLICE_EMPTY, is, now), WATCH_SEND);
}

static void a_message_that_cannot_be_made_is_not_tried_for_ever(void **state)
{
    (void)state;
    assert_false(watch_mail_waits(RC_NOTFOUND, 0));
    assert_false(watch_mail_waits(RC_INVALID, 0));
    assert_false(watch_mail_waits(RC_LIMIT, 0));
    assert_true(watch_mail_waits(RC_STORE, 0));
    assert_true(watch_mail_waits(RC_TIMEOUT, 3));
    assert_false(watch_mail_waits(RC_STORE, 4));
    assert_false(watch_mail_waits(RC_TIMEOUT, 4));
    assert_true(watch_mail_waits(RC_UNAVAILABLE, 1000));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_threshold_is_passed_and_not_met),
        T(a_spike_is_at_least_so_much_more_than_before),
        T(a_drop_is_at_least_so_much_less_than_before),
        T(silence_is_no_event_at_all),
        T(what_is_told_says_the_numbers),
        T(only_a_change_is_told_and_no_number_changes_nothing),
        T(the_question_is_asked_with_what_its_condition_needs),
        T(a_table_has_columns_of_one_width_and_no_markup_of_others),
        T(a_long_table_is_cut_and_says_so),
        T(a_number_of_the_other_range_becomes_the_change),
        T(a_mail_report_waits_is_settled_anew_or_is_sent),
        T(a_message_that_cannot_be_made_is_not_tried_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
