/* The article's routes about devices, places and web vitals: docs/definitions.md, counted by hand.
 */
#include "test_query_bed.h"

#define RANGE "startDate=2026-03-28&endDate=2026-03-30"

static void insert(const char *columns, const char *rows)
{
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, 64 * 1024);
    buf_addf(&sql, "INSERT INTO events (project_id, id, event, timestamp, anonymous_id, %s) %s",
             columns, rows);
    struct store_client *c;
    must(store_pool_take(bed.pool, &c, &bed.err) == RC_OK);
    if (store_exec(c, buf_cstr(&sql), &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    store_pool_give(bed.pool, c);
}

#define A "('" PROJECT_A "', generateUUIDv4(), "
#define B "('" PROJECT_B "', generateUUIDv4(), "
/* Ann reads twice on her phone in Berlin, 40 minutes apart: two sessions. Bob reads once at a desk
 * in Berlin and signs up. Eve comes from no known place; a server sends the rest. */
static void load(void)
{
    insert("device_type, browser_name, browser_version, os_name, os_version, country, city",
           "VALUES " A
           "'pageview', '2026-03-29 10:00:00', 'ann', 'mobile', 'Safari', '18', 'iOS', '18.1', "
           "'DE', 'Berlin')," A
           "'pageview', '2026-03-29 10:40:00', 'ann', 'mobile', 'Safari', '18', 'iOS', '18.1', "
           "'DE', 'Berlin')," A
           "'pageview', '2026-03-29 11:00:00', 'bob', 'desktop', 'Firefox', '140', 'Linux', '', "
           "'DE', 'Berlin')," A
           "'signup', '2026-03-29 11:01:00', 'bob', 'desktop', 'Firefox', '140', 'Linux', '', "
           "'DE', 'Berlin')," A
           "'pageview', '2026-03-29 12:00:00', 'dan', 'desktop', 'Firefox', '139', 'Linux', '', "
           "'AT', '')," A "'pageview', '2026-03-29 12:00:00', 'eve', 'desktop', 'Firefox', '140', "
           "'Windows', '11', '', '')," A
           "'invoice', '2026-03-29 12:00:00', '', '', '', '', '', '', '', '')," A
           "'pageview', '2026-03-31 12:00:00', 'late', 'tv', '', '', '', '', 'FR', '')," B
           "'pageview', '2026-03-29 12:00:00', 'x', 'console', 'Other', '', '', '', 'US', 'NYC')");
    insert("kind, page_path, properties",
           "VALUES " A "'v', '2026-03-30 10:00:00', 'ann', 'vital', '/', "
           "'{\"metric\":\"LCP\",\"value\":2500}')," A
           "'v', '2026-03-30 10:00:00', 'ann', 'vital', '/', "
           "'{\"metric\":\"LCP\",\"value\":2500.5}')," A
           "'v', '2026-03-30 10:00:00', 'bob', 'vital', '/a', "
           "'{\"metric\":\"LCP\",\"value\":4000}')," A
           "'v', '2026-03-30 10:00:00', 'bob', 'vital', '/a', "
           "'{\"metric\":\"LCP\",\"value\":4001}')," A
           "'webvital', '2026-03-30 10:00:00', 'bob', '', '/', "
           "'{\"metric\":\"CLS\",\"value\":0.1,\"rating\":\"poor\"}')," A
           "'v', '2026-03-30 10:00:00', 'bob', 'vital', '/', "
           "'{\"metric\":\"CLS\",\"value\":\"0.3\"}')," A
           "'v', '2026-03-30 10:00:00', 'bob', 'vital', '/', "
           "'{\"metric\":\"mine\",\"value\":1}')," A
           "'other', '2026-03-30 10:00:00', 'bob', '', '/', "
           "'{\"metric\":\"LCP\",\"value\":9}')," B "'v', '2026-03-30 10:00:00', 'x', 'vital', "
           "'/', '{\"metric\":\"TTFB\",\"value\":9}')");
    insert("device_type, page_path, country, channel, referrer_source, bot, kind",
           "SELECT '" PROJECT_A "', generateUUIDv4(), e, now64(3) - INTERVAL ago SECOND, who, "
           "'desktop', page, land, channel, source, bot, kind FROM values('e String, ago UInt32, "
           "who String, page String, land String, channel String, source String, bot String, "
           "kind String', "
           "('pageview', 90, 'l1', '/', 'DE', 'Organic Search', 'Google', '', ''), "
           "('pageview', 95, 'l1', '/a', 'DE', '', '', '', ''), "
           "('signup', 100, 'l1', '', 'DE', '', '', '', ''), "
           "('pageview', 650, 'l2', '/a', 'FR', 'Organic Search', 'Google', '', ''), "
           "('pageview', 655, 'l3', '/a', '', 'Direct', '', '', ''), "
           "('pageview', 90, 'crawler', '/x', 'US', 'Direct', '', 'list', ''), "
           "('engagement', 90, 'l4', '/x', 'US', '', '', '', 'engagement'), "
           "('pageview', 1900, 'l5', '/x', 'US', 'Direct', '', '', ''))");
    bed_sessionize();
}

#define DAY "startDate=2026-03-29&endDate=2026-03-29"
/* definitions.md, "Devices". */
static void devices_browsers_systems(void **state)
{
    (void)state;
    assert_answer(
        get("/devices", DAY),
        "{\"devices\":[{\"deviceType\":\"desktop\",\"count\":4,\"uniqueSessions\":3},"
        "{\"deviceType\":\"mobile\",\"count\":2,\"uniqueSessions\":2},"
        "{\"deviceType\":\"\",\"count\":1,\"uniqueSessions\":0}],"
        "\"browsers\":[{\"browserName\":\"Firefox\",\"browserVersion\":\"140\",\"count\":3},"
        "{\"browserName\":\"Safari\",\"browserVersion\":\"18\",\"count\":2},"
        "{\"browserName\":\"\",\"browserVersion\":null,\"count\":1},"
        "{\"browserName\":\"Firefox\",\"browserVersion\":\"139\",\"count\":1}],"
        "\"operatingSystems\":[{\"osName\":\"Linux\",\"osVersion\":null,\"count\":3},"
        "{\"osName\":\"iOS\",\"osVersion\":\"18.1\",\"count\":2},"
        "{\"osName\":\"\",\"osVersion\":null,\"count\":1},"
        "{\"osName\":\"Windows\",\"osVersion\":\"11\",\"count\":1}]}");
    assert_answer(get("/devices", "startDate=2026-01-01&endDate=2026-01-02"),
                  "{\"devices\":[],\"browsers\":[],\"operatingSystems\":[]}");
}

/* definitions.md, "Places". */
static void places(void **state)
{
    (void)state;
    assert_answer(get("/geo", DAY),
                  "{\"locations\":[{\"country\":\"DE\",\"city\":\"Berlin\",\"pageviews\":3,"
                  "\"uniqueSessions\":3,\"uniqueVisitors\":2},{\"country\":\"AT\",\"city\":null,"
                  "\"pageviews\":1,\"uniqueSessions\":1,\"uniqueVisitors\":1}]}");
    assert_answer(get("/geo", DAY "&country=AT"),
                  "{\"locations\":[{\"country\":\"AT\",\"city\":null,\"pageviews\":1,"
                  "\"uniqueSessions\":1,\"uniqueVisitors\":1}]}");
    assert_answer(get("/geo", DAY "&limit=1"),
                  "{\"locations\":[{\"country\":\"DE\",\"city\":\"Berlin\",\"pageviews\":3,"
                  "\"uniqueSessions\":3,\"uniqueVisitors\":2}]}");
    assert_refused(get("/geo", DAY "&country=Austria"), RC_INVALID, "country");
}

/* definitions.md, "Web vitals": a rating is worked out from the value, whatever the client said;
 * what is no number, or no vital, is not counted. */
static void web_vitals(void **state)
{
    (void)state;
    assert_answer(
        get("/webvitals", RANGE),
        "{\"metrics\":[{\"metric\":\"CLS\",\"p50\":0.1,\"p75\":0.1,\"p95\":0.1,\"p99\":0.1,"
        "\"goodCount\":1,\"needsImprovementCount\":0,\"poorCount\":0},"
        "{\"metric\":\"LCP\",\"p50\":4000,\"p75\":4001,\"p95\":4001,\"p99\":4001,"
        "\"goodCount\":1,\"needsImprovementCount\":2,\"poorCount\":1}]}");
    assert_answer(get("/webvitals", RANGE "&pagePath=/a"),
                  "{\"metrics\":[{\"metric\":\"LCP\",\"p50\":4001,\"p75\":4001,\"p95\":4001,"
                  "\"p99\":4001,\"goodCount\":0,\"needsImprovementCount\":1,\"poorCount\":1}]}");
}

static bool has(const char *text, const char *part)
{
    if (strstr(text, part))
        return true;
    print_error("%s is not in %s\n", part, text);
    return false;
}

/* definitions.md, "Live". */
static void who_is_here_now(void **state)
{
    (void)state;
    static char text[sizeof(answer.body)];
    bed_prefix = "/v1/projects/{projectId}";
    snprintf(text, sizeof(text), "%s", get("/live", ""));
    assert_int_equal(answer.status, 200);
    assert_true(has(text, "\"visitors\":1,\"visitors_30m\":3,\"pageviews_30m\":4,"
                          "\"events_30m\":5,\"minutes\":[{\"minutes_ago\":29,\"visitors\":0,"
                          "\"pageviews\":0},"));
    assert_true(has(text, "{\"minutes_ago\":10,\"visitors\":2,\"pageviews\":2},"));
    assert_true(has(text, "{\"minutes_ago\":1,\"visitors\":1,\"pageviews\":2},"));
    assert_int_equal(count_of(text, "minutes_ago"), 30);
    assert_true(has(text, "\"pages\":[{\"page\":\"/a\",\"visitors\":3,\"pageviews\":3},"
                          "{\"page\":\"/\",\"visitors\":1,\"pageviews\":1}],\"sources\":["
                          "{\"source\":\"Google\",\"channel\":\"Organic Search\",\"visitors\":2},"
                          "{\"source\":\"\",\"channel\":\"Direct\",\"visitors\":1}],"
                          "\"countries\":[{\"country\":\"DE\",\"visitors\":1},{\"country\":"
                          "\"FR\",\"visitors\":1}],\"events\":[{"));
    const char *events = strstr(text, "\"events\":[");
    assert_non_null(events);
    assert_int_equal(count_of(events, "\"id\":"), 5);
    assert_null(strstr(events, "\"/x\""));
    ask_project(PROJECT_B, NET_GET, "/live", "", "");
    assert_true(has(answer.body, "\"visitors\":0,\"visitors_30m\":0"));
    bed_prefix = "/projects/{projectId}";
}

static void the_tenants_are_apart(void **state)
{
    (void)state;
    static const char *const routes[] = {"/devices", "/geo", "/webvitals"};
    static const char *const theirs[] = {"console", "NYC", "TTFB"};
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        assert_null(strstr(get(routes[i], RANGE), theirs[i]));
        assert_non_null(strstr(ask_project(PROJECT_B, NET_GET, routes[i], "", RANGE), theirs[i]));
    }
}

int main(int argc, char **argv)
{
    if (!bed_open(argc > 1 ? argv[1] : NULL))
        return 77;
    load();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_browsers_systems),
        cmocka_unit_test(places),
        cmocka_unit_test(web_vitals),
        cmocka_unit_test(who_is_here_now),
        cmocka_unit_test(the_tenants_are_apart),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bed_close();
    return failed;
}
