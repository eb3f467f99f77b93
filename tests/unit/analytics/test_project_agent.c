/* The columns browser_name … bot: from a record's user agent, hints and network, by the writer. */
#include "test_project_fake.h"

#define CHROME                                                                   \
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) " \
    "Chrome/126.0.0.0 Mobile Safari/537.36"
static struct ua_parser *agents;
static struct project_row row;

static void fill(const char *ua, const char *network, const struct ua_hints *hints)
{
    memset(&row, 0, sizeof(row));
    row.user_agent = slice_str(ua);
    row.network = slice_str(network);
    if (hints) {
        row.hints[HINT_BRANDS] = hints->brands;
        row.hints[HINT_PLATFORM] = hints->platform;
        row.hints[HINT_PLATFORM_VERSION] = hints->platform_version;
        row.hints[HINT_MODEL] = hints->model;
        row.hints[HINT_MOBILE] = hints->mobile;
    }
    project_agent_fill(agents, &row);
}

static void is(struct slice got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.data ? got.data : "", want, got.len);
}

static void a_user_agent_and_its_hints_become_columns(void **state)
{
    (void)state;
    static const struct ua_hints hints = {
        .brands = SLICE_CONST("\"Chromium\";v=\"126\", \"Brave\";v=\"126\""),
        .platform = SLICE_CONST("\"Android\""),
        .platform_version = SLICE_CONST("\"14.0.0\""),
        .model = SLICE_CONST("\"SM-S918B\""),
        .mobile = SLICE_CONST("?1")};
    fill(CHROME, "", &hints);
    is(row.browser_name, "Brave");
    is(row.browser_version, "126");
    is(row.os_name, "Android");
    is(row.os_version, "14");
    is(row.device_type, "mobile");
    is(row.device_brand, "Samsung");
    is(row.device_model, "SM-S918B");
    is(row.bot, "");
}

static void each_reason_has_its_word(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {CHROME, "isp", ""},
        {CHROME, "datacentre", "network"},
        {CHROME, "vpn", ""}, /* there are people behind those */
        {"curl/8.5.0", "", "tool"},
        {"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "datacentre",
         "list"},
        {"Mozilla/5.0 (X11) HeadlessChrome/126.0.0.0 Safari/537.36", "", "headless"},
        {"Mozilla/5.0 Umami/v20.20.2", "datacentre", ""},
        {"posthog-node/5.70.0", "datacentre", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        fill(cases[i][0], cases[i][1], NULL);
        is(row.bot, cases[i][2]);
        assert_int_equal(slice_eq_str(row.device_type, "bot"),
                         row.bot.len > 0 && !slice_eq_str(row.bot, "network"));
    }
}

static void an_event_without_a_user_agent_says_nothing(void **state)
{
    (void)state;
    fill("", "datacentre", NULL); /* a server's */
    is(row.bot, "");
    is(row.device_type, "");
    is(row.browser_name, "");
}

/* ---- by the writer ---- */
static void the_writer_fills_the_columns_of_each_row_with_its_own(void **state)
{
    (void)state;
    enum { RECORDS = 40 };
    static const char *const uas[][4] = {{CHROME, "Chrome Mobile", "mobile", ""},
                                         {"curl/8.5.0", "curl", "bot", "tool"},
                                         {"", "", "", ""},
                                         {"posthog-node/5.70.0", "", "", ""}};
    static char values[RECORDS][600];
    static struct stream_record records[RECORDS];
    struct project_cfg cfg = {0};
    struct project_writer *w = NULL;
    struct fake_table *t = calloc(1, sizeof(*t));
    assert_int_equal(project_writer_new_over(&cfg, &fake_ops, t, &w, NULL), RC_OK);
    for (uint32_t i = 0; i < RECORDS; i++) {
        const char *ua = uas[i % 4][0];
        snprintf(values[i], sizeof(values[i]),
                 "{\"id\":\"00000000-0000-4000-8000-%012u\","
                 "\"project\":\"11111111-1111-4111-8111-000000000001\",\"event\":\"e\","
                 "\"timestamp\":\"2026-01-02T03:04:05.678Z\","
                 "\"received_at\":\"2026-01-02T03:04:05.678Z\",\"source\":\"api\"%s%s%s}",
                 i, *ua ? ",\"user_agent\":\"" : "", ua, *ua ? "\"" : "");
        records[i] = (struct stream_record){.value = slice_str(values[i]), .offset = i};
    }
    struct consumer_batch batch = {
        .stream = "events", .last = RECORDS - 1, .records = records, .count = RECORDS};
    assert_int_equal(project_writer_write(w, &batch, NULL, NULL, NULL, NULL), RC_OK);
    assert_int_equal(t->count, RECORDS);
    for (uint32_t i = 0; i < RECORDS; i++) {
        assert_string_equal(t->rows[i].texts[FAKE_BROWSER_NAME], uas[i % 4][1]);
        assert_string_equal(t->rows[i].texts[FAKE_DEVICE_TYPE], uas[i % 4][2]);
        assert_string_equal(t->rows[i].texts[FAKE_BOT], uas[i % 4][3]);
    }
    project_writer_free(w);
    fake_done(t);
}

static void without_memory_there_is_an_answer_and_the_next_try_goes_well(void **state)
{
    (void)state;
    struct ua_parser *other = NULL;
    heap_fail_after(2);
    assert_int_equal(project_agents_new(&other), RC_NOMEM);
    heap_fail_after(0);
    assert_null(other);
    assert_int_equal(project_agents_new(&other), RC_OK);
    ua_parser_free(other);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(project_agents_new(&agents), RC_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ua_parser_free(agents);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_agent_and_its_hints_become_columns),
        cmocka_unit_test(each_reason_has_its_word),
        cmocka_unit_test(an_event_without_a_user_agent_says_nothing),
        cmocka_unit_test(the_writer_fills_the_columns_of_each_row_with_its_own),
        cmocka_unit_test(without_memory_there_is_an_answer_and_the_next_try_goes_well),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
