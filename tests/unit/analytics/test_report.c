/* Questions without a store: what is refused and where, and that a client's text is never a
 * statement's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/report/report_int.h"
#include "codec/base64.h"

static struct arena arena;
static struct report report;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024, 8 << 20);
    return 0;
}

static int end_arena(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static bool parse(const char *body)
{
    arena_reset(&arena);
    return report_parse(&report, &arena, slice_str(body), NULL);
}

#define R "\"date_range\":\"7d\""
#define M "\"metrics\":[\"visitors\"]," R
#define F "\"report\":\"funnel\"," R ",\"steps\":[{\"filters\":[[\"is\",\"event\",[\"a\"]]]},"
#define F2 F "{\"filters\":[[\"is\",\"event\",[\"b\"]]]}]"

#define V "\"report\":\"vitals\"," R
#define A "\"report\":\"attribution\"," R ",\"goal\":[[\"is\",\"event\",[\"a\"]]]"
#define P "\"report\":\"paths\"," R
#define E "\"report\":\"events\"," R

struct mistake {
    const char *body, *pointer, *part;
};

static void check_mistakes(const struct mistake *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char start[100];
        assert_false(parse(table[i].body));
        snprintf(start, sizeof(start), "%s: ", table[i].pointer);
        if (strncmp(report.err.text, start, strlen(start)) != 0 ||
            !strstr(report.err.text, table[i].part))
            fail_msg("%s: %s", table[i].body, report.err.text);
        assert_int_equal(report.err.rc, RC_INVALID);
    }
}

static void a_mistake_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"", "the question", "no JSON"},
        {"[]", "the question", "object"},
        {"{\"metric\":[]}", "the question", "no member 'metric'"},
        {"{\"report\":\"x\"}", "/report", "breakdown"},
        {"{\"metrics\":[\"visitors\"]}", "/date_range", "give day"},
        {"{" R "}", "/metrics", "1 to 20"},
        {"{" R ",\"metrics\":[]}", "/metrics", "1 to 20"},
        {"{" R ",\"metrics\":[\"visitors\",7]}", "/metrics/1", "text"},
        {"{" R ",\"metrics\":[\"x\"]}", "/metrics/0", "'x' is not known"},
        {"{" R ",\"metrics\":[\"p0:property:a\"]}", "/metrics/0", "not known"},
        {"{" R ",\"metrics\":[\"p100:property:a\"]}", "/metrics/0", "not known"},
        {"{" R ",\"metrics\":[\"sum:page\"]}", "/metrics/0", "numbers"},
        {"{" R ",\"metrics\":[\"sum:property:\"]}", "/metrics/0", "names"},
        {"{" R ",\"metrics\":[\"conversion_rate\"]}", "/metrics/0", "goal"},
        {"{" R ",\"metrics\":[\"percentage\"]}", "/metrics/0", "dimension"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":\"8d\"}", "/date_range", "give day"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":[\"2026-01-01\"]}", "/date_range", "two days"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":[\"2026-02-30\",\"2026-03-01\"]}",
         "/date_range/0", "YYYY-MM-DD"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":[\"2026-03-02\",\"2026-03-01\"]}",
         "/date_range", "before"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":[\"2026-03-02T00:00:00Z\",\"2026-03-01\"]}",
         "/date_range/1", "instant"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":[\"2026-03-02T00:00:00Z\","
         "\"2026-03-02T00:00:00Z\"]}",
         "/date_range", "behind"},
        {"{" M ",\"timezone\":\"a'b\"}", "/timezone", "IANA"},
        {"{" M ",\"bots\":\"x\"}", "/bots", "exclude"},
        {"{" M ",\"sample\":0}", "/sample", "0.0001 to 1"},
        {"{" M ",\"sample\":1.1}", "/sample", "0.0001 to 1"},
        {"{" M ",\"sample\":\"0.5\"}", "/sample", "0.0001 to 1"},
        {"{" M ",\"sample\":0.5,\"include\":{\"imports\":true}}", "/include/imports", "sample"},
        {"{" M ",\"goal\":[[\"is\",\"page\",[\"/\"]]],\"include\":{\"imports\":true}}",
         "/include/imports", "goals"},
        {"{" M ",\"dimensions\":[\"page\"],\"filters\":[[\"is\",\"country\",[\"DE\"]]],"
         "\"include\":{\"imports\":true}}",
         "/include/imports", "together"},
        {"{" M
         ",\"filters\":[[\"or\",[[\"is\",\"os\",[\"iOS\"]],[\"is\",\"device\",[\"mobile\"]]]]],"
         "\"include\":{\"imports\":true}}",
         "/include/imports", "together"},
        {"{" M ",\"filters\":[[\"has_done\",[\"is\",\"page\",[\"/\"]]]],"
         "\"include\":{\"imports\":true}}",
         "/include/imports", "together"},
        {"{\"metrics\":[\"visitors\",\"persons\"],\"date_range\":\"day\",\"sample\":0.5}",
         "/metrics", "how many persons"},
        {"{\"report\":\"events\",\"date_range\":\"day\",\"sample\":0.5}", "/sample",
         "single events"},
        {"{" M ",\"dimensions\":[\"x\"]}", "/dimensions/0", "known are"},
        {"{" M ",\"dimensions\":[\"page\",\"page\"]}", "/dimensions/1", "twice"},
        {"{" M ",\"dimensions\":[\"time:day\",\"time:hour\"]}", "/dimensions/1", "already"},
        {"{" M ",\"dimensions\":[\"time:second\"]}", "/dimensions/0", "minute"},
        {"{" M ",\"dimensions\":[\"property:\"]}", "/dimensions/0", "names"},
        {"{" M ",\"dimensions\":[\"property:a..b\"]}", "/dimensions/0", "names"},
        {"{" M ",\"dimensions\":[\"property:a.b.c.d.e.f.g\"]}", "/dimensions/0", "names"},
        {"{" M ",\"dimensions\":[\"group:\"]}", "/dimensions/0", "group"},
        {"{" M ",\"dimensions\":[\"person:\"]}", "/dimensions/0", "names"},
        {"{" M ",\"dimensions\":[\"group_trait:company\"]}", "/dimensions/0", "trait"},
        {"{" M ",\"dimensions\":[\"group_trait::plan\"]}", "/dimensions/0", "type"},
        {"{" M ",\"filters\":[[\"greater\",\"group:company\",1]]}", "/filters/0/1", "numbers"},
        {"{" M ",\"filters\":{}}", "/filters", "array"},
        {"{" M ",\"filters\":[[\"is\"]]}", "/filters/0", "array"},
        {"{" M ",\"filters\":[[\"xor\",\"page\",[\"/\"]]]}", "/filters/0/0", "no operator"},
        {"{" M ",\"filters\":[[\"is\",\"x\",[\"/\"]]]}", "/filters/0/1", "known are"},
        {"{" M ",\"filters\":[[\"is\",\"time:day\",[\"/\"]]]}", "/filters/0/1", "date_range"},
        {"{" M ",\"filters\":[[\"is\",\"page\",\"/\"]]}", "/filters/0/2", "1 to 200"},
        {"{" M ",\"filters\":[[\"is\",\"page\",[[]]]]}", "/filters/0/2/0", "text"},
        {"{" M ",\"filters\":[[\"is\",\"page\",[\"a\\u0000\"]]]}", "/filters/0/2/0", "U+0000"},
        {"{" M ",\"filters\":[[\"is\",\"page\",[\"/\"],{\"x\":1}]]}", "/filters/0/3", "no member"},
        {"{" M ",\"filters\":[[\"is\",\"page\",[\"/\"],{\"case_sensitive\":1}]]}",
         "/filters/0/3/case_sensitive", "true"},
        {"{" M ",\"filters\":[[\"and\",[[\"is\",\"page\",[\"/\"]],[\"not\",[\"is\",\"y\",[1]]]]]]}",
         "/filters/0/1/1/1/1", "known are"},
        {"{" M ",\"filters\":[[\"greater\",\"page\",1]]}", "/filters/0/1", "numbers"},
        {"{" M ",\"filters\":[[\"greater\",\"revenue\",\"a\"]]}", "/filters/0/2", "number"},
        {"{" M ",\"filters\":[[\"is\",\"revenue\",[1]]]}", "/filters/0", "greater"},
        {"{" M ",\"filters\":[[\"has_done\",[\"is\",\"source\",[\"x\"]]]]}", "/filters/0/1",
         "events"},
        {"{" M ",\"order_by\":[[\"pageviews\",\"asc\"]]}", "/order_by/0/0", "of this question"},
        {"{" M ",\"order_by\":[[\"visitors\",\"up\"]]}", "/order_by/0/1", "asc"},
        {"{" M ",\"order_by\":[[\"visitors\",null]]}", "/order_by/0/1", "asc"},
        {"{" M ",\"limit\":0}", "/limit", "1 to 10000"},
        {"{" M ",\"limit\":1.5}", "/limit", "whole"},
        {"{" M ",\"offset\":-1}", "/offset", "0 to"},
        {"{" M ",\"include\":{\"x\":1}}", "/include", "no member"},
        {"{" M ",\"include\":{\"time_labels\":true}}", "/include/time_labels", "no dimension"},
        {"{" M ",\"include\":{\"compare\":\"x\"}}", "/include/compare", "previous_period"},
        {"{\"metrics\":[\"visitors\"],\"date_range\":\"all\",\"include\":{\"compare\":"
         "\"previous_period\"}}",
         "/include/compare", "before all"},
    };
    check_mistakes(table, COUNT_OF(table));
}

static void a_mistake_of_each_kind_of_report_likewise(void **state)
{
    (void)state;
    static const struct mistake table[] = {
        {"{\"report\":\"funnel\"," R ",\"steps\":[]}", "/steps", "2 to 20"},
        {"{" F "{\"name\":\"b\"}]}", "/steps/1", "which events"},
        {"{" F "{\"event\":\"\"}]}", "/steps/1/event", "1 to"},
        {"{" F2 ",\"window\":0}", "/window", "1 to"},
        {"{" F2 ",\"order\":\"x\"}", "/order", "strict"},
        {"{" F2 ",\"metrics\":[]}", "the question", "no member 'metrics'"},
        {"{" F2 ",\"exclusions\":[{}]}", "/exclusions/0", "which events"},
        {"{" F2 ",\"order\":\"strict\",\"exclusions\":[{}]}", "/exclusions", "in order"},
        {"{" F2 ",\"exclusions\":[{\"filters\":[[\"exists\",\"page\"]],\"to\":3}]}",
         "/exclusions/0/to", "2 to 2"},
        {"{" F2 ",\"dimensions\":[\"time:day\"]}", "/dimensions/0", "time"},
        {"{" F2 ",\"include\":{\"total_rows\":true}}", "/include", "no member 'total_rows'"},
        {"{\"report\":\"retention\"," R ",\"unit\":\"hour\"}", "/unit", "day"},
        {"{\"report\":\"retention\"," R ",\"periods\":61}", "/periods", "1 to 60"},
        {"{\"report\":\"stickiness\"," R ",\"unit\":\"year\"}", "/unit", "month"},
        {"{\"report\":\"stickiness\"," R ",\"periods\":3}", "the question", "'periods'"},
        {"{\"report\":\"lifecycle\"," R ",\"goal\":[[\"is\",\"x\",[1]]]}", "/goal/0/1", "known"},
        {"{\"report\":\"lifecycle\"," R ",\"count_by\":\"x\"}", "/count_by", "users"},
        {"{" P ",\"nodes\":\"x\"}", "/nodes", "both"},
        {"{" P ",\"within\":\"x\"}", "/within", "visit"},
        {"{" P ",\"rows\":\"x\"}", "/rows", "edges"},
        {"{" P ",\"steps\":1}", "/steps", "2 to 20"},
        {"{" P ",\"steps\":21}", "/steps", "2 to 20"},
        {"{" P ",\"window\":0}", "/window", "1 to"},
        {"{" P ",\"from\":\"\"}", "/from", "1 to"},
        {"{" P ",\"to\":7}", "/to", "text"},
        {"{" P ",\"groups\":[\"/a\",7]}", "/groups/1", "text"},
        {"{" P ",\"dimensions\":[]}", "the question", "'dimensions'"},
        {"{" V ",\"metrics\":[\"visitors\"]}", "/metrics/0", "LCP"},
        {"{" V ",\"metrics\":[null]}", "/metrics/0", "text"},
        {"{" V ",\"metrics\":[\"LCP\",\"LCP\"]}", "/metrics/1", "twice"},
        {"{" V ",\"order\":\"p50\"}", "/order", "p75"},
        {"{" V ",\"goal\":[]}", "the question", "'goal'"},
        {"{\"report\":\"attribution\"," R "}", "/goal", "conversion"},
        {"{" A ",\"models\":[\"x\"]}", "/models/0", "first_touch"},
        {"{" A ",\"models\":[\"linear\",\"linear\"]}", "/models/1", "twice"},
        {"{" A ",\"lookback\":0}", "/lookback", "1 to"},
        {"{" A ",\"dimensions\":[\"page\"]}", "/dimensions/0", "visits"},
        {"{" A ",\"dimensions\":[\"time:day\"]}", "/dimensions/0", "time"},
        {"{" A ",\"dimensions\":[\"source\",\"channel\",\"os\",\"city\"]}", "/dimensions",
         "at most 3"},
        {"{" E ",\"dimensions\":[\"page\"]}", "the question", "'dimensions'"},
        {"{" E ",\"limit\":0}", "/limit", "1 to"},
        {"{" E ",\"cursor\":\"WyIwIl0\"}", "/cursor", "another question"},
        {"{\"report\":\"properties\"," R ",\"cursor\":\"x\"}", "the question", "'cursor'"},
    };
    check_mistakes(table, COUNT_OF(table));
}

/* Deeper, more or longer than allowed: filters, metrics, values. */
static void a_question_has_a_size(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, 1 << 20);
    buf_add_str(&body, "{" M ",\"filters\":[");
    for (int i = 0; i < REPORT_FILTER_DEPTH_MAX; i++)
        buf_add_str(&body, "[\"not\",");
    buf_add_str(&body, "[\"exists\",\"page\"]");
    for (int i = 0; i < REPORT_FILTER_DEPTH_MAX; i++)
        buf_add_char(&body, ']');
    buf_add_str(&body, "]}");
    assert_false(parse(buf_cstr(&body)));
    assert_non_null(strstr(report.err.text, "deeper than"));

    buf_clear(&body);
    buf_add_str(&body, "{" M ",\"filters\":[[\"exists\",\"page\"]");
    for (int i = 0; i < REPORT_FILTERS_MAX; i++)
        buf_add_str(&body, ",[\"exists\",\"page\"]");
    buf_add_str(&body, "]}");
    assert_false(parse(buf_cstr(&body)));
    assert_non_null(strstr(report.err.text, "/filters/60: there are more"));

    buf_clear(&body);
    buf_add_str(&body, "{" M ",\"filters\":[[\"is\",\"page\",[\"0\"");
    for (int i = 0; i < REPORT_VALUES_MAX; i++)
        buf_addf(&body, ",\"%d\"", i);
    buf_add_str(&body, "]]]}");
    assert_false(parse(buf_cstr(&body)));
    assert_non_null(strstr(report.err.text, "1 to 200"));
}

static size_t times_in(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* A question that says nothing about persons has no join with them; one that asks twice for the
 * same has one. */
static void persons_are_joined_where_they_are_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *question;
        size_t identities, traits, groups;
    } cases[] = {
        {"{" M ",\"dimensions\":[\"property:a\"]}", 0, 0, 0},
        {"{" R ",\"metrics\":[\"persons\"]}", 1, 0, 0},
        {"{" M ",\"dimensions\":[\"person:a\"]}", 2, 1, 0},
        {"{" M ",\"dimensions\":[\"person:a\",\"group:b\"]}", 3, 1, 1},
        {"{" M ",\"dimensions\":[\"person:a\"],\"filters\":[[\"is\",\"person:b\",[1]],"
         "[\"is\",\"person:a\",[1]]]}",
         3, 2, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf sql;
        buf_init(&sql, 1 << 20);
        assert_true(parse(cases[i].question));
        report_main_sql(&report, &sql);
        assert_int_equal(times_in(buf_cstr(&sql), "$IDENTITIES"), cases[i].identities);
        assert_int_equal(times_in(buf_cstr(&sql), "$PERSON_TRAITS"), cases[i].traits);
        assert_int_equal(times_in(buf_cstr(&sql), "$PERSON_GROUPS"), cases[i].groups);
    }
}

/* Every place that takes a text of the client's, filled with one that would be SQL. */
static void a_text_of_the_client_is_bound_and_never_sql(void **state)
{
    (void)state;
#define EVIL "\\\\') OR 1=1 -- ~"
    static const char *const questions[] = {
        "{" M ",\"dimensions\":[\"property:" EVIL "\",\"group:" EVIL
        "\",\"time:hour\"],\"filters\":["
        "[\"is\",\"page\",[\"" EVIL "\",\"x\"]],[\"contains\",\"event\",[\"" EVIL "\"],{\"case_"
        "sensitive\":false}],[\"matches\",\"title\",[\"" EVIL "\"]],[\"greater\",\"property:" EVIL
        "\",1],[\"has_done\",[\"is_not\",\"property:" EVIL "\",[\"" EVIL "\"]]]],\"goal\":[[\"is\","
        "\"event\",[\"" EVIL "\"]]],\"timezone\":\"Europe/Berlin\",\"include\":{\"compare\":"
        "\"previous_period\"}}",
        "{" R ",\"metrics\":[\"p75:property:" EVIL "\"]}",
        "{" F "{\"name\":\"" EVIL "\",\"filters\":[[\"is\",\"event\",[\"" EVIL "\"]]]}],"
        "\"dimensions\":[\"property:" EVIL "\"]}",
        "{" R ",\"metrics\":[\"persons\"],\"dimensions\":[\"person:" EVIL "." EVIL
        "\",\"group_trait:" EVIL ":" EVIL "." EVIL "\"],\"filters\":[[\"greater\",\"person:" EVIL
        "\",1],[\"is\",\"group_trait:" EVIL ":" EVIL "\",[\"" EVIL "\"]]]}",
        "{\"report\":\"retention\"," R ",\"start\":[[\"is\",\"event\",[\"" EVIL "\"]]]}",
        "{\"report\":\"lifecycle\"," R ",\"goal\":[[\"is\",\"event\",[\"" EVIL "\"]]]}",
        "{" V ",\"dimensions\":[\"property:" EVIL "\",\"time:day\"]}",
        "{" A ",\"dimensions\":[\"source\"],\"filters\":[[\"is\",\"channel\",[\"" EVIL "\"]]]}",
        "{" P ",\"from\":\"" EVIL "\",\"to\":\"" EVIL "\",\"groups\":[\"" EVIL "\"]}",
    };
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        CLEANUP(buf_done) struct buf sql;
        buf_init(&sql, 1 << 20);
        if (!parse(questions[i]))
            fail_msg("%s", report.err.text);
        report_range_sql(&report, &sql);
        report_main_sql(&report, &sql);
        assert_true(buf_ok(&sql));
        assert_null(strstr(buf_cstr(&sql), "OR 1=1"));
        assert_null(strchr(buf_cstr(&sql), '~'));
        uint32_t bound = 0;
        for (uint32_t k = 0; k < report.param_count; k++)
            bound += memmem(report.params[k].value.data, report.params[k].value.len, "OR 1=1", 6) !=
                     NULL;
        assert_true(bound > 0);
    }
}

static bool parse_after(const char *question, const char *keys)
{
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, 4096);
    buf_addf(&body, "{%s,\"cursor\":\"", question);
    base64_encode(&body, BASE64_URL, slice_str(keys));
    buf_add_str(&body, "\"}");
    return parse(buf_cstr(&body));
}

static const char *cursor_of(const char *question, const char *keys)
{
    static char cursor[1000];
    struct err err = ERR_INIT;
    struct slice made;
    yyjson_val *list;
    assert_true(parse(question));
    assert_int_equal(json_parse(&arena, slice_str(keys), &list, &err), RC_OK);
    assert_int_equal(report_cursor_make(&report, list, &made, &err), RC_OK);
    snprintf(cursor, sizeof(cursor), "%.*s", SLICE_ARG(made));
    return cursor;
}

#define Q M ",\"dimensions\":[\"page\"]"
/* What the cursor of one question says is bound for the next page of the same question only. */
static void a_cursor_belongs_to_its_question(void **state)
{
    (void)state;
    char body[2000];
    const char *cursor = cursor_of("{" Q "}", "[\"4611686018427387904\",\"/x' OR 1=1\"]");
    snprintf(body, sizeof(body), "{" Q ",\"limit\":7,\"cursor\":\"%s\"}", cursor);
    assert_true(parse(body));
    assert_true(report.is_continued);
    assert_true(slice_eq_str(report.params[report.after[1]].value, "/x' OR 1=1"));
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, 1 << 20);
    report_main_sql(&report, &sql);
    assert_null(strstr(buf_cstr(&sql), "OR 1=1"));
    assert_non_null(strstr(buf_cstr(&sql), " WHERE 0 OR (ifNull(toFloat64(m0) < "));

    snprintf(body, sizeof(body), "{" Q ",\"bots\":\"only\",\"cursor\":\"%s\"}", cursor);
    assert_false(parse(body));
    assert_non_null(strstr(report.err.text, "/cursor: belongs to another question"));
    snprintf(body, sizeof(body), "{" Q ",\"offset\":1,\"cursor\":\"%s\"}", cursor);
    assert_false(parse(body));
    assert_non_null(strstr(report.err.text, "not both"));
}

static void a_cursor_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "7", "[]", "[7]", "[\"0123456789abcdef\"]", "{", "null"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(parse_after(Q, bad[i]));
        if (strncmp(report.err.text, "/cursor: ", 9) != 0)
            fail_msg("%s: %s", bad[i], report.err.text);
    }
    assert_false(parse("{" Q ",\"cursor\":\"*\"}"));
    assert_false(parse("{" Q ",\"cursor\":7}"));
    /* The right hash, the wrong keys: too few, too many, no number, null where there is none. */
    static const char *const keys[] = {
        "[]",           "[\"1\"]",   "[\"1\",\"/\",\"/\"]", "[\"x\",\"/\"]",
        "[\"1\",null]", "[1,\"/\"]", "[\"-1\",\"/\"]"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        char body[2000];
        snprintf(body, sizeof(body), "{" Q ",\"cursor\":\"%s\"}", cursor_of("{" Q "}", keys[i]));
        assert_false(parse(body));
        assert_non_null(strstr(report.err.text, "/cursor: give back"));
    }
}

/* A dot in front of which a backslash stands belongs to the name. */
static void a_property_is_a_path(void **state)
{
    (void)state;
    assert_true(parse("{" M ",\"dimensions\":[\"property:a.b\\\\.c\\\\\\\\\"]}"));
    assert_int_equal(report.dims[0].param_count, 2);
    const struct store_param *p = &report.params[report.dims[0].param_first];
    assert_true(slice_eq_str(p[0].value, "a"));
    assert_true(slice_eq_str(p[1].value, "b.c\\"));
}

static const struct store_param *value_of(uint32_t number)
{
    assert_true(number < report.param_count);
    return &report.params[number];
}

/* What stands for a group is a pattern; all but the stars in it stands for itself. */
static void a_group_of_pages_is_a_pattern(void **state)
{
    (void)state;
    assert_true(parse("{" P ",\"groups\":[\"/a.b/*\",\"/c/**/d\",\"x*\",\"/\u00e9/\"]}"));
    static const char *const want[] = {"(?s)^\\/a\\.b\\/[^/]*$", "(?s)^\\/c\\/.*\\/d$",
                                       "(?s)^x[^/]*$", "(?s)^\\/\u00e9$"};
    for (uint32_t i = 0; i < COUNT_OF(want); i++)
        if (!slice_eq_str(value_of(2 * i)->value, want[i]))
            fail_msg("%.*s", SLICE_ARG(value_of(2 * i)->value));
    assert_true(slice_eq_str(value_of(1)->value, "/a.b/*"));
    assert_true(slice_eq_str(value_of(7)->value, "/\u00e9")); /* in the spelling of pages */
}

static void the_range_of_the_store_becomes_parameters(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_true(parse("{" M ",\"dimensions\":[\"time:hour\"]}"));
    uint32_t before = report.param_count;
    assert_int_equal(report_range_read(&report,
                                       SLICE_LIT("[20541, 20542, 1774738800000, 1774908000000, "
                                                 "1, 2, 3, 4, 1, 0]\n"),
                                       &err),
                     RC_OK);
    assert_int_equal(report.param_count, before + 4);
    assert_true(report.has_behaviour);
    assert_true(slice_eq_str(report.params[before].value, "2026-03-29"));
    assert_true(slice_eq_str(report.params[before + 2].value, "1774738800000"));
    /* 10,001 hours are too many points, a day too long a range. */
    assert_int_equal(
        report_range_read(&report, SLICE_LIT("[0,417,0,36003600000,0,0,0,0,0,0]\n"), &err),
        RC_INVALID);
    assert_non_null(strstr(err.text, "/date_range: 10001 points"));
    assert_int_equal(report_range_read(&report, SLICE_LIT("[0,3660,0,1,0,0,0,0,0,0]\n"), &err),
                     RC_INVALID);
    assert_int_equal(report_range_read(&report, SLICE_LIT("[0,1]\n"), &err), RC_STORE);
    assert_int_equal(report_range_read(&report, SLICE_LIT(""), &err), RC_STORE);
}

/* ---- the range of a zone that is known ---- */
#define BERLIN "1:3600 20542:7200 20752:3600" /* from 2026 on */

static void a_known_zone_gives_the_range_of_the_store(void **state)
{
    (void)state;
    /* At half past midnight of 2026-03-31, two days behind the one of 23 hours. */
    static const unix_ms now = {INT64_C(1774909800000)};
    static const struct {
        const char *range, *compare;
        int64_t n[8]; /* as the store's row */
    } all[] = {
        {"[\"2026-03-29\",\"2026-03-30\"]",
         NULL,
         {20541, 20542, 1774738800000, 1774908000000, 0, 0, 0, 0}},
        {"\"day\"",
         "\"previous_period\"",
         {20543, 20543, 1774908000000, 1774994400000, 20542, 20542, 1774821600000, 1774908000000}},
        {"\"7d\"",
         "[\"2024-02-29\",\"2024-02-29\"]",
         {20537, 20543, 1774393200000, 1774994400000, 19782, 19782, 1709161200000, 1709247600000}},
        {"\"month\"",
         "\"year_over_year\"",
         {20513, 20543, 1772319600000, 1774994400000, 20148, 20178, 1740783600000, 1743462000000}},
        {"\"6mo\"", NULL, {20362, 20543, 1759273200000, 1774994400000, 0, 0, 0, 0}},
        {"\"year\"", NULL, {20454, 20543, 1767222000000, 1774994400000, 0, 0, 0, 0}},
        {"[\"2024-02-29\",\"2024-03-01\"]",
         "\"year_over_year\"",
         {19782, 19783, 1709161200000, 1709334000000, 19416, 19417, 1677538800000, 1677711600000}},
        {"\"30m\"",
         "\"previous_period\"",
         {20543, 20543, 1774908001000, 1774909801000, 20542, 20543, 1774906201000, 1774908001000}},
        {"[\"2026-03-29T00:00:00+01:00\",\"2026-03-31T00:00:00+02:00\"]",
         "[\"2026-03-28T23:59:59+01:00\",\"2026-03-29T00:00:00+01:00\"]",
         {20541, 20542, 1774738800000, 1774908000000, 20540, 20540, 1774738799000, 1774738800000}},
    };
    struct report_zone zone;
    struct err err = ERR_INIT;
    assert_true(report_zone_read(SLICE_LIT(BERLIN), &zone));
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        char question[500];
        snprintf(question, sizeof(question),
                 "{\"metrics\":[\"visitors\"],\"date_range\":%s,\"include\":{\"compare\":%s}}",
                 all[i].range, all[i].compare ? all[i].compare : "null");
        if (!parse(question))
            fail_msg("%s: %s", question, report.err.text);
        assert_int_equal(report_range_know(&report, &zone, now, &err), RC_OK);
        const int64_t got[] = {
            report.first_day,       report.last_day,          report.from.ms,
            report.to.ms,           report.compare_first_day, report.compare_last_day,
            report.compare_from.ms, report.compare_to.ms,
        };
        for (size_t k = 0; k < COUNT_OF(got); k++)
            if (got[k] != all[i].n[k])
                fail_msg("%s, number %zu: %lld", question, k, (long long)got[k]);
    }
}

static void what_only_the_store_knows_is_asked(void **state)
{
    (void)state;
    static const unix_ms now = {INT64_C(1774909800000)};
    static const char *const questions[] = {
        "{\"metrics\":[\"visitors\"],\"date_range\":\"all\"}",
        /* before the first midnight that is known */
        "{\"metrics\":[\"visitors\"],\"date_range\":[\"1970-01-01\",\"1970-01-02\"]}",
        "{\"metrics\":[\"visitors\"],\"date_range\":[\"1970-01-02\",\"1970-01-03\"],\"include\":{"
        "\"compare\":\"previous_period\"}}",
        /* the clock on the wall, a year before */
        "{\"metrics\":[\"visitors\"],\"date_range\":\"24h\",\"include\":{\"compare\":\"year_over_"
        "year\"}}",
    };
    static const char *const no_zones[] = {
        "",
        "x",
        "1",
        "1:",
        "2:3600",
        "1:3600 1:7200",
        "1:3600 5:7200 4:3600",
        "1:172801",
        "1:3600 47848:0",
        "1:3600,2:7200",
    };
    struct report_zone zone;
    struct err err = ERR_INIT;
    assert_true(report_zone_read(SLICE_LIT(BERLIN), &zone));
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        assert_true(parse(questions[i]));
        assert_int_equal(report_range_know(&report, &zone, now, &err), RC_NOTFOUND);
    }
    assert_true(
        parse("{\"metrics\":[\"visitors\"],\"date_range\":[\"2000-01-01\",\"2020-01-01\"]}"));
    assert_int_equal(report_range_know(&report, &zone, now, &err), RC_INVALID);
    assert_non_null(strstr(err.text, "/date_range: it is 7306 days long"));
    for (size_t i = 0; i < COUNT_OF(no_zones); i++)
        if (report_zone_read(slice_str(no_zones[i]), &zone))
            fail_msg("'%s'", no_zones[i]);
    /* A zone that cannot be read is not kept, and the row is. */
    assert_true(parse("{" M "}"));
    assert_int_equal(report_range_read(&report, SLICE_LIT("[1,2,3,4,0,0,0,0,0,0,\"1:x\"]\n"), &err),
                     RC_OK);
    assert_null(report.zone);
    assert_true(parse("{" M "}"));
    assert_int_equal(
        report_range_read(&report, SLICE_LIT("[1,2,3,4,0,0,0,0,0,0,\"" BERLIN "\"]\n"), &err),
        RC_OK);
    assert_int_equal(report.zone->count, 3);
}

/* ---- slots ---- */
static bool is_of_slots(const char *question, const char *range, bool has_short_visits)
{
    CLEANUP(buf_done) struct buf sql;
    struct err err = ERR_INIT;
    buf_init(&sql, 1 << 20);
    if (!parse(question))
        fail_msg("%s: %s", question, report.err.text);
    report.has_short_visits = has_short_visits;
    assert_int_equal(report_range_read(&report, slice_str(range), &err), RC_OK);
    report_main_sql(&report, &sql);
    assert_true(buf_ok(&sql));
    return strstr(buf_cstr(&sql), "FROM $SLOTS");
}

/* Two days; two that begin at a minute past midnight; two of 2022; two of a store without slots;
 * two of a project with bots by behaviour. */
#define DAYS "[20541,20542,1774742400000,1774915200000,0,0,0,0,0,0]\n"
#define MINUTE "[20541,20542,1774742460000,1774915200000,0,0,0,0,0,0]\n"
#define OLD "[19080,19081,1648512000000,1648684800000,0,0,0,0,0,0]\n"
#define NONE "[20541,20542,1774742400000,1774915200000,0,0,0,0,0,1]\n"
#define BEHAVIOUR "[20541,20542,1774742400000,1774915200000,0,0,0,0,1,0]\n"

static void what_slots_tell_is_asked_of_them(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "{" M "}",
        "{" M ",\"dimensions\":[\"time:hour\",\"country\"],\"bots\":\"only\"}",
        "{" R ",\"metrics\":[\"visitors\",\"bounce_rate\"]}",
        "{" M ",\"filters\":[[\"or\",[[\"is\",\"event\",[\"a\"]],[\"not\",[\"contains\","
        "\"city\",[\"b\"]]]]]]}",
        "{" M ",\"dimensions\":[\"page\"],\"filters\":[[\"has_done\",[\"is\",\"event\",[\"a\"]]]]"
        "}",
        "{" R ",\"metrics\":[\"conversion_rate\"],\"dimensions\":[\"source\"],\"goal\":[[\"is\","
        "\"event\",[\"a\"]]]}",
        "{\"report\":\"lifecycle\"," R "}",
        "{\"report\":\"stickiness\"," R ",\"goal\":[[\"is\",\"event\",[\"a\"]]]}",
        "{\"report\":\"retention\"," R ",\"start\":[[\"is\",\"event\",[\"a\"]]]}",
        "{" F2 "}"};
    static const char *const no[] = {
        "{" R ",\"metrics\":[\"users\",\"persons\",\"engagement_time\",\"sum:revenue\"]}",
        "{" M ",\"dimensions\":[\"page\"]}",
        "{" M ",\"dimensions\":[\"source\"]}",
        "{" M ",\"dimensions\":[\"time:minute\"]}",
        "{" M ",\"filters\":[[\"or\",[[\"is\",\"event\",[\"a\"]],[\"not\",[\"is\",\"page\",[\"b"
        "\"]]]]]]}",
        "{" M ",\"dimensions\":[\"page\"],\"filters\":[[\"has_done\",[\"is\",\"page\",[\"a\"]]]]"
        "}",
        "{" R ",\"metrics\":[\"group_conversion_rate\"],\"goal\":[[\"is\",\"property:x\",[\"a\"]]]"
        "}",
        "{\"report\":\"lifecycle\"," R ",\"count_by\":\"users\"}",
        "{\"report\":\"stickiness\"," R ",\"count_by\":\"persons\"}",
        "{\"report\":\"retention\"," R ",\"return\":[[\"is\",\"page\",[\"/a\"]]]}",
        "{" F2 ",\"dimensions\":[\"country\"]}"};
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (!is_of_slots(yes[i], DAYS, true) || is_of_slots(yes[i], MINUTE, false) ||
            is_of_slots(yes[i], OLD, false) || is_of_slots(yes[i], NONE, false))
            fail_msg("%s", yes[i]);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        if (is_of_slots(no[i], DAYS, false))
            fail_msg("%s", no[i]);
}

/* A slot tells bots by behaviour where it is of one visit, and of plain events. */
static void bots_by_behaviour_are_told_of_slots_where_each_is_of_one_visit(void **state)
{
    (void)state;
    static const char kinds[] = "{" M ",\"dimensions\":[\"kind\"]}";
    assert_true(is_of_slots("{" M "}", BEHAVIOUR, false));
    assert_false(is_of_slots("{" M "}", BEHAVIOUR, true));
    assert_true(is_of_slots(kinds, DAYS, false));
    assert_false(is_of_slots(kinds, BEHAVIOUR, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_slots_tell_is_asked_of_them),
        cmocka_unit_test(bots_by_behaviour_are_told_of_slots_where_each_is_of_one_visit),
        cmocka_unit_test(a_mistake_is_told_with_its_place),
        cmocka_unit_test(a_mistake_of_each_kind_of_report_likewise),
        cmocka_unit_test(a_question_has_a_size),
        cmocka_unit_test(persons_are_joined_where_they_are_asked_for),
        cmocka_unit_test(a_text_of_the_client_is_bound_and_never_sql),
        cmocka_unit_test(a_property_is_a_path),
        cmocka_unit_test(a_cursor_belongs_to_its_question),
        cmocka_unit_test(a_cursor_that_is_none_is_refused),
        cmocka_unit_test(a_group_of_pages_is_a_pattern),
        cmocka_unit_test(the_range_of_the_store_becomes_parameters),
        cmocka_unit_test(a_known_zone_gives_the_range_of_the_store),
        cmocka_unit_test(what_only_the_store_knows_is_asked),
    };
    return cmocka_run_group_tests(tests, make_arena, end_arena);
}
