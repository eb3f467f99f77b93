/* Every number of docs/definitions.md against a data set small enough to be counted by hand. */
#include "test_query_bed.h"

#include "codec/json.h"

struct sample {
    const char *time, *event, *anonymous, *user, *session, *url, *title, *referrer;
};
/*    Berlin's clocks go from 02:00 to 03:00 on 29 March 2026, 01:00 UTC. */
static const struct sample samples[] = {
    /* 1 */ {"2026-03-28T22:30:00.000Z", "pageview", "a1", "", "s1", "https://shop.example/",
             "Home", "https://search.example/q"},
    /* 2 */
    {"2026-03-28T23:30:00.000Z", "pageview", "a1", "", "s1",
     "https://Shop.example/pricing?utm_source=x", "", "https://shop.example/"},
    /* 3 */ {"2026-03-29T00:30:00.000Z", "signup", "a1", "u1", "s1", "", "", ""},
    /* 4 */
    {"2026-03-29T01:30:00.000Z", "pageview", "a2", "", "s2", "https://shop.example", "Home, new",
     "http://search.example/"},
    /* 5 */ {"2026-03-29T01:30:00.000Z", "purchase", "a2", "", "s2", "", "", ""},
    /* 6 */
    {"2026-03-29T22:30:00.000Z", "pageview", "a2", "", "s3", "https://shop.example/pricing", "",
     ""},
    /* 7 */ {"2026-03-30T05:00:00.000Z", "signup", "", "u2", "", "", "", ""},
    /* 8 */ {"2026-03-30T06:00:00.000Z", "login", "", "", "", "", "", ""},
    /* 9 */
    {"2026-03-30T06:30:00.123Z", "pageview", "", "", "s9", "https://shop.example/", "",
     "https://News.example:8080/x"},
};
#define RANGE "startDate=2026-03-28&endDate=2026-03-30"

static void add_text(struct buf *b, const char *name, const char *value)
{
    if (!value[0])
        return;
    buf_addf(b, ",\"%s\":", name);
    buf_add_json(b, slice_str(value));
}

static void sample_record(struct buf *b, const struct sample *s, uint32_t number,
                          const char *project)
{
    buf_addf(b,
             "{\"id\":\"00000000-0000-4000-8000-%012u\",\"project\":\"%s\",\"event\":\"%s\","
             "\"timestamp\":\"%s\",\"received_at\":\"2026-03-31T00:00:00.000Z\",\"source\":"
             "\"api\",\"dedupe\":true",
             number, project, s->event, s->time);
    add_text(b, "anonymous_id", s->anonymous);
    add_text(b, "user_id", s->user);
    add_text(b, "session_id", s->session);
    if (s->url[0]) {
        buf_add_str(b, ",\"page\":{\"x\":0");
        add_text(b, "url", s->url);
        add_text(b, "title", s->title);
        add_text(b, "referrer", s->referrer);
        buf_add_char(b, '}');
    }
    buf_addf(b,
             ",\"properties\":{\"number\":%u,\"big\":12345678901234567890,\"a;\\\"}\":[1.50]},"
             "\"context\":{\"library\":{\"name\":\"t\"},\"page\":1}}",
             number);
}

/* Both projects get the same ids; B has the first sample only, once more under its own id. */
static void load(void)
{
    enum { N = COUNT_OF(samples) + 2 };
    struct buf values[N];
    struct stream_record records[N];
    struct project_writer *w;
    struct project_counts counts;
    for (uint32_t i = 0; i < N; i++) {
        bool is_a = i < COUNT_OF(samples);
        buf_init(&values[i], 4096);
        sample_record(&values[i], &samples[is_a ? i : 0],
                      i < N - 1 ? i % COUNT_OF(samples) + 1 : 77, is_a ? PROJECT_A : PROJECT_B);
        assert_true(buf_ok(&values[i]));
        records[i] = (struct stream_record){.value = buf_slice(&values[i]), .offset = i};
    }
    struct consumer_batch batch = {.stream = "events",
                                   .last = N - 1,
                                   .records = records,
                                   .count = N,
                                   .token = "events/0/0-10"};
    assert_int_equal(project_writer_new(&(struct project_cfg){.store = bed.cfg}, &w, &bed.err),
                     RC_OK);
    if (project_writer_write(w, &batch, NULL, NULL, &counts, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    assert_int_equal(counts.rows, N);
    assert_int_equal(counts.rejected, 0);
    project_writer_free(w);
    for (uint32_t i = 0; i < N; i++)
        buf_done(&values[i]);
    bed_sessionize();
}

static void overview(void **state)
{
    (void)state;
    assert_answer(get("/analytics/overview", RANGE),
                  "{\"totalEvents\":9,\"totalPageviews\":5,\"uniqueSessions\":7,"
                  "\"uniqueVisitors\":4,\"uniqueUsers\":2}");
    assert_answer(get("/analytics/overview", RANGE "&eventType=pageview"),
                  "{\"totalEvents\":5,\"totalPageviews\":5,\"uniqueSessions\":5,"
                  "\"uniqueVisitors\":3,\"uniqueUsers\":0}");
    assert_answer(get("/analytics/overview", "startDate=2026-03-29&endDate=2026-03-29"),
                  "{\"totalEvents\":4,\"totalPageviews\":2,\"uniqueSessions\":3,"
                  "\"uniqueVisitors\":2,\"uniqueUsers\":1}");
    assert_answer(
        get("/analytics/overview",
            "startDate=2026-03-29&endDate=2026-03-29&timezone=Europe/Berlin"),
        "{\"totalEvents\":4,\"totalPageviews\":2,\"uniqueSessions\":3,\"uniqueVisitors\":2,"
        "\"uniqueUsers\":1}");
    assert_answer(get("/analytics/overview", RANGE "&country=DE"),
                  "{\"totalEvents\":0,\"totalPageviews\":0,\"uniqueSessions\":0,"
                  "\"uniqueVisitors\":0,\"uniqueUsers\":0}");
}

static void a_value_is_never_sql(void **state)
{
    (void)state;
    static const char *const values[] = {"x' OR 1=1 --", "\\' OR 1 --", "pageview\\", "a\tb\n",
                                         "{x:String}"};
    char query[200];
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        snprintf(query, sizeof(query), RANGE "&eventType=%s", values[i]);
        assert_answer(get("/analytics/overview", query),
                      "{\"totalEvents\":0,\"totalPageviews\":0,\"uniqueSessions\":0,"
                      "\"uniqueVisitors\":0,\"uniqueUsers\":0}");
    }
}

static void the_tenants_are_apart(void **state)
{
    (void)state;
    assert_answer(ask_project(PROJECT_B, NET_GET, "/analytics/overview", "", RANGE),
                  "{\"totalEvents\":2,\"totalPageviews\":2,\"uniqueSessions\":1,"
                  "\"uniqueVisitors\":1,\"uniqueUsers\":0}");
    /* 1 is an id of both, 77 of B only, 2 of A only. */
    ask_project(PROJECT_B, NET_GET, "/events/{eventId}", "00000000-0000-4000-8000-000000000077",
                "");
    assert_int_equal(answer.status, 200);
    assert_refused(ask_project(PROJECT_A, NET_GET, "/events/{eventId}",
                               "00000000-0000-4000-8000-000000000077", ""),
                   RC_NOTFOUND, "no event");
    assert_refused(ask_project(PROJECT_B, NET_GET, "/events/{eventId}",
                               "00000000-0000-4000-8000-000000000002", ""),
                   RC_NOTFOUND, "no event");
    assert_answer(ask_project(PROJECT_B, NET_GET, "/users/active", "", RANGE), "{\"users\":[]}");
    assert_answer(ask_project(PROJECT_B, NET_GET, "/pages", "", RANGE),
                  "{\"pageviews\":[{\"path\":\"/\",\"title\":\"Home\",\"pageviews\":2,"
                  "\"uniqueSessions\":1,\"uniqueVisitors\":1}]}");
    assert_answer(
        ask_project("cccccccc-0000-4000-8000-00000000000c", NET_GET, "/events", "", RANGE),
        "{\"events\":[],\"nextCursor\":null}");
}

#define POINT(time, events, pageviews, sessions, visitors)                    \
    "{\"time\":\"" time "\",\"events\":" #events ",\"pageviews\":" #pageviews \
    ",\"uniqueSessions\":" #sessions ",\"uniqueVisitors\":" #visitors "}"

static void series_by_day(void **state)
{
    (void)state;
    assert_answer(
        get("/analytics/timeseries", "startDate=2026-03-27&endDate=2026-03-31&granularity=day"),
        "{\"timeseries\":[" POINT("2026-03-27T00:00:00Z", 0, 0, 0, 0) "," POINT(
            "2026-03-28T00:00:00Z", 2, 2, 2,
            1) "," POINT("2026-03-29T00:00:00Z", 4, 2, 3,
                         2) "," POINT("2026-03-30T00:00:00Z", 3, 1, 2,
                                      2) "," POINT("2026-03-31T00:00:00Z", 0, 0, 0, 0) "]}");
    assert_answer(get("/analytics/timeseries", RANGE "&timezone=Europe/Berlin"),
                  "{\"timeseries\":[" POINT("2026-03-28T00:00:00+01:00", 1, 1, 1, 1) "," POINT(
                      "2026-03-29T00:00:00+01:00", 4, 2, 3,
                      2) "," POINT("2026-03-30T00:00:00+02:00", 4, 2, 3, 3) "]}");
    assert_answer(
        get("/analytics/timeseries", "startDate=2026-03-30&endDate=2026-03-30&eventType=signup"),
        "{\"timeseries\":[" POINT("2026-03-30T00:00:00Z", 1, 0, 1, 1) "]}");
}

static void series_by_hour(void **state)
{
    (void)state;
    const char *text = get("/analytics/timeseries", "startDate=2026-03-29&endDate=2026-03-29&"
                                                    "granularity=hour&timezone=Europe/Berlin");
    assert_int_equal(count_of(text, "\"time\""), 23);
    assert_non_null(
        strstr(text, "[" POINT("2026-03-29T00:00:00+01:00", 1, 1, 1, 1) "," POINT(
                         "2026-03-29T01:00:00+01:00", 1, 0, 1,
                         1) "," POINT("2026-03-29T03:00:00+02:00", 2, 1, 1,
                                      1) "," POINT("2026-03-29T04:00:00+02:00", 0, 0, 0, 0) ","));
    assert_non_null(strstr(text, POINT("2026-03-29T23:00:00+02:00", 0, 0, 0, 0) "]}"));
    text = get("/analytics/timeseries", "startDate=2026-10-25&endDate=2026-10-25&granularity=hour&"
                                        "timezone=Europe/Berlin");
    assert_int_equal(count_of(text, "\"time\""), 25);
    assert_non_null(strstr(text, "2026-10-25T02:00:00+02:00"));
    assert_non_null(strstr(text, "2026-10-25T02:00:00+01:00"));
    text = get("/analytics/timeseries", "startDate=2026-03-29&endDate=2026-03-29&granularity=hour&"
                                        "timezone=Asia/Kathmandu");
    assert_int_equal(count_of(text, "\"time\""), 24);
    assert_non_null(strstr(text, POINT("2026-03-29T04:00:00+05:45", 1, 1, 1, 1)));
    assert_non_null(strstr(text, POINT("2026-03-29T07:00:00+05:45", 2, 1, 1, 1)));
    text = get("/analytics/timeseries", "startDate=2026-03-29&endDate=2026-03-29&granularity=hour&"
                                        "timezone=America/St_Johns"); /* -02:30 in summer */
    assert_non_null(strstr(text, POINT("2026-03-29T20:00:00-02:30", 1, 1, 1, 1)));
    /* Half an hour of DST: a day of 24.5 hours, and no point is there twice. */
    text = get("/analytics/timeseries", "startDate=2026-04-05&endDate=2026-04-06&granularity=hour&"
                                        "timezone=Australia/Lord_Howe");
    assert_int_equal(count_of(text, "\"time\""), 49);
    assert_non_null(strstr(text, "2026-04-05T00:00:00+11:00"));
    assert_non_null(strstr(text, "2026-04-05T01:30:00+10:30"));
}

static void pages_and_referrers(void **state)
{
    (void)state;
    assert_answer(
        get("/pages", RANGE),
        "{\"pageviews\":[{\"path\":\"/\",\"title\":\"Home, new\",\"pageviews\":3,"
        "\"uniqueSessions\":3,\"uniqueVisitors\":3},{\"path\":\"/pricing\",\"title\":null,"
        "\"pageviews\":2,\"uniqueSessions\":2,\"uniqueVisitors\":2}]}");
    assert_answer(get("/pages", RANGE "&pagePath=/pricing&limit=1"),
                  "{\"pageviews\":[{\"path\":\"/pricing\",\"title\":null,\"pageviews\":2,"
                  "\"uniqueSessions\":2,\"uniqueVisitors\":2}]}");
    assert_answer(get("/pages", RANGE "&pagePath=/%70ricing/&limit=1"),
                  "{\"pageviews\":[{\"path\":\"/pricing\",\"title\":null,\"pageviews\":2,"
                  "\"uniqueSessions\":2,\"uniqueVisitors\":2}]}");
    assert_answer(get("/pages/top-referrers", RANGE),
                  "{\"referrers\":[{\"referrerDomain\":\"search.example\",\"visits\":2,"
                  "\"uniqueSessions\":2},{\"referrerDomain\":\"news.example\",\"visits\":1,"
                  "\"uniqueSessions\":1}]}");
    assert_answer(get("/pages/top-referrers", RANGE "&limit=1"),
                  "{\"referrers\":[{\"referrerDomain\":\"search.example\",\"visits\":2,"
                  "\"uniqueSessions\":2}]}");
}

static void users(void **state)
{
    (void)state;
    assert_answer(get("/users/active", RANGE),
                  "{\"users\":[{\"userId\":\"u2\",\"lastSeen\":\"2026-03-30T05:00:00.000Z\","
                  "\"eventCount\":1},{\"userId\":\"u1\",\"lastSeen\":\"2026-03-29T00:30:00.000Z\","
                  "\"eventCount\":1}]}");
    const char *text = ask_project(PROJECT_A, NET_GET, "/users/{userId}/events", "u1", RANGE);
    assert_int_equal(count_of(text, "\"eventType\""), 1);
    assert_non_null(strstr(text, "\"eventType\":\"signup\""));
}

static void an_event_is_shown_whole(void **state)
{
    (void)state;
    assert_answer(
        ask_project(PROJECT_A, NET_GET, "/events/{eventId}", "00000000-0000-4000-8000-000000000001",
                    ""),
        "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"eventType\":\"pageview\",\"timestamp\":"
        "1774737000000,\"sessionId\":\"s1\",\"userId\":null,\"anonymousId\":\"a1\",\"properties\":"
        "{\"number\":1,\"big\":12345678901234567890,\"a;\\\"}\":[1.50]},\"context\":{\"page\":"
        "{\"url\":\"https://shop.example/\",\"title\":\"Home\",\"path\":\"/\",\"referrer\":"
        "\"https://search.example/"
        "q\"},\"receivedAt\":1774915200000,\"library\":{\"name\":\"t\"}}}");
    assert_refused(ask_project(PROJECT_A, NET_GET, "/events/{eventId}", "evt_1", ""), RC_NOTFOUND,
                   "UUID");
}

static void the_list_goes_on_where_it_stopped(void **state)
{
    (void)state;
    /* 4 and 5 have the same time: the page ends between them. */
    char query[300], cursor[200] = "", seen[COUNT_OF(samples) + 1] = {0};
    uint32_t pages = 0, rows = 0;
    do {
        snprintf(query, sizeof(query), RANGE "&limit=1%s%s", cursor[0] ? "&cursor=" : "", cursor);
        const char *text = get("/events", query);
        assert_int_equal(answer.status, 200);
        const char *number = strstr(text, "\"number\":");
        assert_non_null(number);
        seen[atoi(number + 9)]++;
        rows++;
        const char *next = strstr(text, "\"nextCursor\":\"");
        cursor[0] = '\0';
        if (next)
            assert_int_equal(sscanf(next + 14, "%199[^\"]", cursor), 1);
    } while (cursor[0] && ++pages < 50);
    assert_int_equal(rows, COUNT_OF(samples));
    for (size_t i = 1; i <= COUNT_OF(samples); i++)
        assert_int_equal(seen[i], 1);
    const char *text = get("/events", RANGE "&eventType=pageview&sessionId=s1");
    assert_int_equal(count_of(text, "\"eventType\""), 2);
    assert_int_equal(count_of(get("/events", RANGE "&userId=u2"), "\"eventType\""), 1);
}

#define STEP(name, event, count, dropoff, conversion)                      \
    "{\"name\":\"" name "\",\"eventType\":\"" event "\",\"count\":" #count \
    ",\"dropoffRate\":" #dropoff ",\"conversionRate\":" #conversion "}"
#define DATES "\"startDate\":\"2026-03-28\",\"endDate\":\"2026-03-30\""

static void funnels(void **state)
{
    (void)state;
    assert_answer(
        funnel("{\"steps\":[{\"eventType\":\"pageview\",\"name\":\"Look\"},{\"eventType\":"
               "\"signup\"},{\"eventType\":\"purchase\"}]," DATES "}"),
        "{\"steps\":[" STEP("Look", "pageview", 3, 66.67, 100) "," STEP(
            "signup", "signup", 1, 100, 33.33) "," STEP("purchase", "purchase", 0, 0, 0) "]}");
    /* The last page view lies 3,600 s before the signup. */
    assert_answer(funnel("{\"steps\":[{\"eventType\":\"pageview\"},{\"eventType\":\"signup\"}],"
                         "\"windowSeconds\":3600," DATES "}"),
                  "{\"steps\":[" STEP("pageview", "pageview", 3, 66.67,
                                      100) "," STEP("signup", "signup", 1, 0, 33.33) "]}");
    assert_answer(funnel("{\"steps\":[{\"eventType\":\"pageview\"},{\"eventType\":\"signup\"}],"
                         "\"windowSeconds\":3599," DATES "}"),
                  "{\"steps\":[" STEP("pageview", "pageview", 3, 100,
                                      100) "," STEP("signup", "signup", 0, 0, 0) "]}");
    /* The same event twice takes two events, a page is also a page view. */
    assert_answer(
        funnel("{\"steps\":[{\"eventType\":\"pageview\"},{\"eventType\":\"pageview\"}]," DATES "}"),
        "{\"steps\":[" STEP("pageview", "pageview", 3, 33.33, 100) "," STEP("pageview", "pageview",
                                                                            2, 0, 66.67) "]}");
    assert_answer(
        funnel("{\"steps\":[{\"eventType\":\"/\"},{\"eventType\":\"/pricing\"}]," DATES "}"),
        "{\"steps\":[" STEP("/", "/", 3, 33.33, 100) "," STEP("/pricing", "/pricing", 2, 0,
                                                              66.67) "]}");
    assert_answer(
        funnel("{\"steps\":[{\"eventType\":\"/\"},{\"eventType\":\"//pricing/\"}]," DATES "}"),
        "{\"steps\":[" STEP("/", "/", 3, 33.33, 100) "," STEP("//pricing/", "//pricing/", 2, 0,
                                                              66.67) "]}");
    assert_answer(
        funnel("{\"steps\":[{\"eventType\":\"pageview\"},{\"eventType\":\"/pricing\"}]," DATES "}"),
        "{\"steps\":[" STEP("pageview", "pageview", 3, 33.33, 100) "," STEP("/pricing", "/pricing",
                                                                            2, 0, 66.67) "]}");
    assert_answer(funnel("{\"steps\":[{\"eventType\":\"pageview\"},{\"eventType\":\"/pricing\"}],"
                         "\"filters\":{\"hostname\":\"other.example\"}," DATES "}"),
                  "{\"steps\":[" STEP("pageview", "pageview", 0, 0,
                                      0) "," STEP("/pricing", "/pricing", 0, 0, 0) "]}");
}

static void the_last_seven_days_by_default(void **state)
{
    (void)state;
    /* 2026-03-30T12:00:00Z: 24 to 30 March; the day before, the 30th is not there yet. */
    int64_t noon = INT64_C(1774872000000);
    static const struct {
        int days;
        int events;
    } table[] = {{0, 9}, {-1, 6}, {4, 9}, {5, 7}, {6, 3}, {7, 0}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        unix_now_shift(0);
        unix_now_shift(noon + table[i].days * INT64_C(86400000) - unix_now().ms);
        char want[40];
        snprintf(want, sizeof(want), "{\"totalEvents\":%d,", table[i].events);
        assert_non_null(strstr(get("/analytics/overview", ""), want));
        assert_int_equal(count_of(get("/analytics/timeseries", ""), "\"time\""), 7);
        snprintf(want, sizeof(want), "startDate=2026-03-30");
        assert_int_equal(count_of(get("/analytics/timeseries", want), "\"time\""),
                         table[i].days < 0 ? 1 : table[i].days + 1);
    }
    unix_now_shift(0);
    assert_int_equal(count_of(get("/analytics/timeseries", "endDate=2026-03-30"), "\"time\""), 7);
}

static void parameters_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *route, *query, *part;
    } table[] = {
        {"/analytics/overview", "startDate=2026-3-1", "startDate"},
        {"/analytics/overview", "startDate=2026-02-30", "startDate"},
        {"/analytics/overview", "startDate=1969-12-31", "startDate"},
        {"/analytics/overview", "startDate=2026-01-01T00", "startDate"},
        {"/analytics/overview", "startDate=", "startDate"},
        {"/analytics/overview", "endDate=tomorrow", "endDate"},
        {"/analytics/overview", "endDate=2101-01-01", "endDate"},
        {"/analytics/overview", "startDate=2026-01-02&endDate=2026-01-01", "after endDate"},
        {"/analytics/overview", "startDate=2000-01-01&endDate=2026-01-01", "days long"},
        {"/analytics/overview", "country=de", "country"},
        {"/analytics/overview", "country=DEU", "country"},
        {"/analytics/overview", "eventType=", "eventType"},
        {"/analytics/overview", "eventType=\xff", "eventType"},
        {"/analytics/overview", "timezone=a'b", "timezone"},
        {"/analytics/overview", "timezone=Mars/Olympus", "no such time zone"},
        {"/analytics/timeseries", "granularity=week", "granularity"},
        {"/analytics/timeseries", "granularity=hour&startDate=2024-01-01&endDate=2026-01-01",
         "days long"},
        {"/pages", "limit=0", "limit"},
        {"/pages", "limit=1001", "limit"},
        {"/pages", "limit=ten", "limit"},
        {"/pages", "limit=", "limit"},
        {"/pages/top-referrers", "limit=-1", "limit"},
        {"/users/active", "limit=1.5", "limit"},
        {"/events", "cursor=x", "cursor"},
        {"/events", "cursor=MTI6Mw", "cursor"},
        {"/events", "cursor=", "cursor"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_refused(get(table[i].route, table[i].query), RC_INVALID, table[i].part);
}

static void funnel_bodies_are_checked(void **state)
{
    (void)state;
#define TWO "\"steps\":[{\"eventType\":\"a\"},{\"eventType\":\"b\"}]"
    static const struct {
        const char *body, *part;
    } table[] = {
        {"", "no JSON"},
        {"[]", "object"},
        {"{}", "steps"},
        {"{\"steps\":[{\"eventType\":\"a\"}]}", "2 to 20"},
        {"{\"steps\":[{\"eventType\":\"a\"},{}]}", "eventType"},
        {"{\"steps\":[{\"eventType\":\"a\"},7]}", "eventType"},
        {"{\"steps\":[{\"eventType\":\"a\"},{\"eventType\":7}]}", "eventType"},
        {"{\"steps\":[{\"eventType\":\"a\"},{\"eventType\":\"b\\u0000\"}]}", "eventType"},
        {"{\"steps\":[{\"eventType\":\"a\"},{\"eventType\":\"b\",\"name\":7}]}", "name"},
        {"{" TWO ",\"windowSeconds\":0}", "windowSeconds"},
        {"{" TWO ",\"windowSeconds\":1.5}", "windowSeconds"},
        {"{" TWO ",\"windowSeconds\":\"9\"}", "windowSeconds"},
        {"{" TWO ",\"windowSeconds\":99999999}", "windowSeconds"},
        {"{" TWO ",\"startDate\":20260101}", "startDate"},
        {"{" TWO ",\"startDate\":\"2026-01-32\"}", "startDate"},
        {"{" TWO ",\"filters\":[]}", "filters"},
        {"{" TWO ",\"filters\":{\"project_id\":\"x\"}}", "filters"},
        {"{" TWO ",\"filters\":{\"country\":7}}", "country"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_refused(funnel(table[i].body), RC_INVALID, table[i].part);
    char many[2048] = "{\"steps\":[{\"eventType\":\"a\"}";
    for (int i = 0; i < 20; i++)
        strcat(many, ",{\"eventType\":\"a\"}");
    strcat(many, "]}");
    assert_refused(funnel(many), RC_INVALID, "2 to 20");
    /* Twenty are answered. */
    strcpy(many, "{\"steps\":[{\"eventType\":\"s0\"}");
    for (int i = 1; i < 20; i++)
        sprintf(many + strlen(many), ",{\"eventType\":\"s%d\"}", i);
    strcat(many, "]}");
    assert_int_equal(count_of(funnel(many), "\"count\":0"), 20);
    assert_int_equal(answer.status, 200);
}

/* docs/definitions.md: uniq is exact for small sets, off by well under 2 % for large ones. */
static void uniq_is_as_good_as_we_say(void **state)
{
    (void)state;
    assert_string_equal(bed_scalar("SELECT uniq(toString(number)) FROM numbers(30000)"), "30000");
    assert_string_equal(bed_scalar("SELECT abs(uniq(toString(number)) / 1000000 - 1) < 0.02 FROM "
                                   "numbers(1000000)"),
                        "1");
}

static void the_store_is_gone(void **state)
{
    (void)state;
    struct store_cfg cfg = {.url = "http://127.0.0.1:9", .connect_timeout_ms = 500};
    struct store_pool *pool;
    struct query *query, *good = bed.query;
    assert_int_equal(store_pool_new(&cfg, 1, &pool, &bed.err), RC_OK);
    assert_int_equal(query_new(&(struct query_cfg){.pool = pool}, &query, &bed.err), RC_OK);
    bed.query = query;
    assert_refused(get("/analytics/overview", RANGE), RC_UNAVAILABLE, "is starting");
    store_pool_open(pool); /* its tables are there, and then it is gone */
    assert_refused(get("/analytics/overview", RANGE), RC_UNAVAILABLE, "cannot be reached");
    bed.query = good;
    query_free(query);
    store_pool_free(pool);
}

static void the_openapi_texts_are_json_and_their_schemas_exist(void **state)
{
    (void)state;
    struct api_service service = query_service(bed.query);
    struct arena arena;
    CLEANUP(buf_done) struct buf schemas;
    yyjson_val *root;
    arena_init(&arena, 1 << 20, 8 << 20);
    buf_init(&schemas, 1 << 20);
    buf_addf(&schemas, "{%s}", service.openapi_schemas);
    if (json_parse(&arena, buf_slice(&schemas), &root, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    for (uint32_t i = 0; i < service.route_count; i++) {
        const char *text = service.routes[i].openapi;
        yyjson_val *operation;
        if (json_parse(&arena, slice_str(text), &operation, &bed.err) != RC_OK)
            fail_msg("%s: %s", service.routes[i].pattern, bed.err.text);
        assert_non_null(json_get(operation, "operationId"));
        for (const char *p = text; (p = strstr(p, "#/components/schemas/")); p++) {
            char name[64];
            assert_int_equal(sscanf(p + 21, "%63[A-Za-z]", name), 1);
            if (strcmp(name, "Cohort") != 0) /* the tenant's; j_operation sees all of them */
                assert_non_null(json_get(root, name));
        }
    }
    arena_done(&arena);
}

static const uint32_t slots_migration = 15;

static uint64_t number_of(struct store_client *c, const char *sql_template)
{
    static const struct query_range none;
    static const struct store_param project = {"project", SLICE_CONST(PROJECT_A)};
    CLEANUP(buf_done) struct buf sql;
    CLEANUP(buf_done) struct buf out;
    uint64_t number = 0;
    buf_init(&sql, 1 << 16);
    buf_init(&out, 4096);
    assert_true(query_expand(&none, sql_template, &sql));
    const struct store_query q = {
        .sql = buf_cstr(&sql), .format = "TabSeparated", .params = &project, .param_count = 1};
    if (store_query(NULL, c, &q, &out, NULL, NULL, &bed.err) != RC_OK)
        fail_msg("%s", bed.err.text);
    struct slice rest = buf_slice(&out);
    if (!slice_to_u64(slice_cut(&rest, '\n'), &number))
        fail_msg("%s: %s", sql_template, buf_cstr(&out));
    return number;
}

/* Of the table as the last migration left it: slots of all rows, read when all have theirs. */
static void check_slots(struct store_client *c, uint32_t number, uint64_t rows)
{
    static const char missing[] = "SELECT count() FROM $NO_SLOTS",
                      all[] = "SELECT countMerge(times) FROM $SLOTS";
    bool is_before = number < slots_migration;
    if (is_before) {
        assert_int_equal(number_of(c, missing), 1);
        return;
    }
    if (number == slots_migration) { /* its work was held up */
        assert_int_equal(number_of(c, missing), 1);
        assert_true(number_of(c, all) < rows);
        assert_int_equal(store_exec(c, "SYSTEM START MERGES events", &bed.err), RC_OK);
    }
    while (number_of(c, missing))
        sleep_ms(20);
    assert_int_equal(number_of(c, all), rows);
}

/* Rows that were written before a migration are read behind it as they were, and so are new ones
 * beside them. */
static void what_an_older_version_wrote_is_read(void **state)
{
    static const char rows[] =
        "INSERT INTO events (project_id, event, timestamp, id, page_path, anonymous_id) SELECT "
        "'" PROJECT_A "', 'pageview', toDateTime64('2026-03-01 00:00:00.001', 3, 'UTC') + number, "
        "generateUUIDv4(), concat('/', toString(number)), 'x' FROM numbers(20000)";
    struct store_cfg cfg = bed.cfg;
    struct store_client *c = NULL;
    CLEANUP(buf_done) struct buf out;
    (void)state;
    buf_init(&out, 4096);
    cfg.database = "weir_older";
    assert_int_equal(store_client_new(&bed.cfg, &c, &bed.err), RC_OK);
    assert_int_equal(store_exec(c, "DROP DATABASE IF EXISTS weir_older SYNC", &bed.err), RC_OK);
    store_client_free(c);
    assert_int_equal(store_client_new(&cfg, &c, &bed.err), RC_OK);
    for (uint32_t n = 3; n <= analytics_migration_count; n++) {
        if (n == slots_migration)
            assert_int_equal(store_exec(c, "SYSTEM STOP MERGES events", &bed.err), RC_OK);
        if (store_migrate(c, "weir_older", analytics_migrations, n, &bed.err) != RC_OK ||
            store_exec(c, rows, &bed.err) != RC_OK)
            fail_msg("migration %u: %s", n, bed.err.text);
        const struct store_query q = {
            .sql = "SELECT count(), uniqExact(page_path), sum(toUInt64OrZero(substring(page_path, "
                   "2))), toUnixTimestamp64Milli(max(timestamp)) FROM events",
            .format = "TabSeparated"};
        char expected[100];
        snprintf(expected, sizeof(expected), "%u\t20000\t%llu\t1772343199001\n", (n - 2) * 20000,
                 (n - 2) * 199990000ULL);
        buf_clear(&out);
        if (store_query(NULL, c, &q, &out, NULL, NULL, &bed.err) != RC_OK)
            fail_msg("%s", bed.err.text);
        assert_string_equal(buf_cstr(&out), expected);
        check_slots(c, n, (uint64_t)(n - 2) * 20000);
    }
    assert_int_equal(store_exec(c, "DROP DATABASE weir_older SYNC", &bed.err), RC_OK);
    store_client_free(c);
}

int main(int argc, char **argv)
{
    if (!bed_open(argc > 1 ? argv[1] : NULL))
        return 77;
    load();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overview),
        cmocka_unit_test(a_value_is_never_sql),
        cmocka_unit_test(the_tenants_are_apart),
        cmocka_unit_test(series_by_day),
        cmocka_unit_test(series_by_hour),
        cmocka_unit_test(pages_and_referrers),
        cmocka_unit_test(users),
        cmocka_unit_test(an_event_is_shown_whole),
        cmocka_unit_test(the_list_goes_on_where_it_stopped),
        cmocka_unit_test(funnels),
        cmocka_unit_test(the_last_seven_days_by_default),
        cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(funnel_bodies_are_checked),
        cmocka_unit_test(uniq_is_as_good_as_we_say),
        cmocka_unit_test(what_an_older_version_wrote_is_read),
        cmocka_unit_test(the_store_is_gone),
        cmocka_unit_test(the_openapi_texts_are_json_and_their_schemas_exist),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bed_close();
    return failed;
}
