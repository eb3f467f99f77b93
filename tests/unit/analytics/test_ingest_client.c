/* What a record says of its sender, and that it never says the address. */
#include "ingest_bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "mmdb_make.h"

static char folder[] = "/tmp/weir-client-XXXXXX";
static struct geo *geo;
static struct visitor_salts *salts;

/* Of the n-th record, from 0; "" if it has none. */
static const char *device(unsigned n)
{
    static char text[4][17];
    static unsigned next;
    const char *line = bed_values();
    while (n--)
        line = strchr(line, '\n') + 1;
    const char *end = strchr(line, '\n'), *at = strstr(line, "\"device\":\"");
    next = (next + 1) % 4;
    text[next][0] = '\0';
    if (at && at < end)
        snprintf(text[next], sizeof(text[next]), "%.16s", at + 10);
    return text[next];
}

/* A browser's page view of that host. */
static void post_from(const char *host)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"event\":\"pageview\",\"context\":{\"page\":{\"url\":\"https://%s/p\"}}}", host);
    bed_post_text(body);
    assert_int_equal(bed.status, 200);
}

static const char *device_at(const char *host)
{
    buf_clear(&bed.values);
    bed.answers = 0;
    post_from(host);
    return device(0);
}

static int setup(void **state)
{
    (void)state;
    bed_begin_with(geo, salts);
    bed.client = IP_V4(88, 198, 7, 9);
    bed_header("User-Agent", "Mozilla/5.0 (X11) Firefox/140");
    bed_header("Origin", "https://www.shop.example:8443");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bed_end();
    return 0;
}

static void a_browser_has_a_place_a_network_and_a_device(void **state)
{
    (void)state;
    post_from("shop.example");
    has(bed_values(),
        "\"geo\":{\"country\":\"DE\",\"region\":\"DE-BY\",\"city\":\"Nuremberg\",\"network\":"
        "\"datacentre\"}");
    assert_int_equal(strlen(device(0)), 16);
    has(bed_values(), "\"user_agent\":\"Mozilla/5.0 (X11) Firefox/140\"");
    lacks(bed_values(), "privacy");
    lacks(bed_values(), "88.198");
    /* The visitor's events stay in order: the device is the key. */
    assert_non_null(strstr(buf_cstr(&bed.keys), device(0)));
}

static void a_server_that_speaks_for_nobody_has_none(void **state)
{
    (void)state;
    bed_reset();
    bed_header("User-Agent", "python-requests/2");
    bed_header("Sec-GPC", "1");
    post_from("shop.example");
    lacks(bed_values(), "device");
    lacks(bed_values(), "geo");
    lacks(bed_values(), "privacy");
}

static void a_server_may_speak_for_a_visitor(void **state)
{
    (void)state;
    bed_reset();
    bed_post_text("[{\"event\":\"a\",\"context\":{\"ip\":\"81.2.69.7\",\"userAgent\":\"UA\"}},"
                  "{\"event\":\"b\",\"context\":{\"ip\":\"88.198.7.9\",\"userAgent\":\"UA\"}},"
                  "{\"event\":\"c\",\"context\":{\"ip\":\"81.2.69.7\"}},"
                  "{\"event\":\"d\",\"context\":{\"ip\":\"0.0.0.0\",\"userAgent\":\"UA\"}},"
                  "{\"event\":\"e\",\"context\":{\"ip\":\"junk\",\"userAgent\":\"UA\"}}]");
    assert_int_equal(bed.record_count, 5);
    has(bed_values(), "\"country\":\"GB\"");
    has(bed_values(), "\"country\":\"DE\"");
    lacks(bed_values(), "81.2.69");
    lacks(bed_values(), "88.198");
    lacks(bed_values(), "junk");
    assert_int_equal(strlen(device(0)), 16);
    assert_string_not_equal(device(0), device(1));
    assert_string_equal(device(2), ""); /* an address alone may be a whole town */
    assert_string_equal(device(3), "");
    assert_string_equal(device(4), "");
    assert_non_null(strstr(bed_answer(), "context.ip is no IP address"));
}

/* Dialects whose server clients cannot be told from browsers by their head. */
static void umami_with_an_address_speaks_for_a_visitor(void **state)
{
    (void)state;
#define UMAMI(more)                                                                          \
    "{\"type\":\"event\",\"payload\":{\"website\":\"0198c0de-0000-7000-8000-000000000001\"," \
    "\"hostname\":\"shop.example\",\"url\":\"/x\"" more "}}"
    bed.path = "/api/send";
    bed_post_text(UMAMI(""));
    has(bed_values(), "\"city\":\"Nuremberg\"");
    char own[17];
    snprintf(own, sizeof(own), "%s", device(0));
    assert_int_equal(strlen(own), 16);
    buf_clear(&bed.values);
    bed.answers = 0;
    bed_post_text(UMAMI(",\"ip\":\"81.2.69.7\",\"userAgent\":\"UA\""));
    has(bed_values(), "\"country\":\"GB\"");
    lacks(bed_values(), "81.2.69");
    assert_int_equal(strlen(device(0)), 16);
    assert_string_not_equal(device(0), own);
    buf_clear(&bed.values);
    bed.answers = 0;
    bed_post_text(UMAMI(",\"ip\":\"junk\",\"userAgent\":\"UA\""));
    lacks(bed_values(), "geo");
    lacks(bed_values(), "device");
}

static void what_goatcounter_is_told_of_a_place_beats_the_address(void **state)
{
    (void)state;
    bed.path = "/api/v0/count"; /* of a server, whatever its head says */
    bed_post_text("{\"hits\":[{\"path\":\"/a\",\"user_agent\":\"UA\",\"ip\":\"81.2.69.7\"},"
                  "{\"path\":\"/b\",\"user_agent\":\"UA\",\"ip\":\"88.198.7.9\",\"location\":"
                  "\"US-CA\"},{\"path\":\"/c\"}]}");
    assert_int_equal(bed.record_count, 3);
    has(bed_values(), "\"geo\":{\"country\":\"GB\"}");
    has(bed_values(),
        "\"geo\":{\"country\":\"US\",\"region\":\"US-CA\",\"network\":\"datacentre\"}");
    lacks(bed_values(), "\"DE\"");
    assert_int_equal(strlen(device(0)), 16);
    assert_string_not_equal(device(0), device(1));
    assert_string_equal(device(2), "");
}

static void of_a_browser_the_connection_counts_not_what_its_page_says(void **state)
{
    (void)state;
    bed_post_text("{\"event\":\"a\",\"context\":{\"ip\":\"81.2.69.7\",\"userAgent\":\"UA\"}}");
    has(bed_values(), "\"country\":\"DE\"");
    lacks(bed_values(), "81.2.69");
}

static void each_project_of_a_request_is_under_its_own_rules(void **state)
{
    (void)state;
    const char *body = "{\"n\":\"x\",\"u\":\"https://shop.example/\",\"d\":\"one,two\"}";
    bed.path = "/api/event";
    bed.names = "one";
    bed.other_names = "two";
    bed_no_header("Authorization");
    bed_post_text(body);
    assert_int_equal(bed.record_count, 2);
    assert_int_equal(strlen(device(0)), 16);
    assert_int_equal(strlen(device(1)), 16);
    assert_string_not_equal(device(0), device(1)); /* two projects know nothing of each other */
    buf_clear(&bed.values);
    bed.answers = 0;
    bed.other.privacy = TENANT_PRIVACY_STRICT;
    bed_post_text(body);
    assert_int_equal(strlen(device(0)), 16);
    assert_string_equal(device(1), "");
    const char *second = strchr(bed_values(), '\n');
    assert_non_null(strstr(second, "\"geo\":{\"country\":\"DE\",\"network\""));
    bed.other.privacy = TENANT_PRIVACY_STANDARD;
}

static void umami_s_servers_and_goatcounter_s_speak_for_visitors(void **state)
{
    (void)state;
    bed.names = "site";
    bed.path = "/api/send";
    bed_reset();
    bed_no_header("Authorization");
    bed_post_text("{\"type\":\"event\",\"payload\":{\"website\":\"site\",\"ip\":\"81.2.69.7\","
                  "\"userAgent\":\"UA\"}}");
    assert_int_equal(bed.status, 200);
    has(bed_values(), "\"country\":\"GB\"");
    assert_int_equal(strlen(device(0)), 16);
    lacks(bed_values(), "81.2.69");
    bed.path = "/api/v0/count";
    bed_reset();
    bed_header("Origin", "https://shop.example"); /* whatever else it sends */
    bed_post_text(
        "{\"hits\":[{\"path\":\"/a\",\"ip\":\"81.2.69.7\",\"user_agent\":\"UA\","
        "\"location\":\"US\"},{\"path\":\"/b\",\"location\":\"US-CA\"},{\"path\":\"/c\"}]}");
    assert_int_equal(bed.status, 202);
    has(bed_values(),
        "\"geo\":{\"country\":\"US\"}"); /* what the site's own log says comes first */
    has(bed_values(), "\"geo\":{\"country\":\"US\",\"region\":\"US-CA\"}");
    lacks(bed_values(), "\"DE\"");
    lacks(bed_values(), "81.2.69");
    assert_int_equal(strlen(device(0)), 16);
    assert_string_equal(device(1), "");
    bed.project.privacy = TENANT_PRIVACY_STRICT;
    bed_reset();
    bed_post_text("{\"hits\":[{\"path\":\"/b\",\"location\":\"US-CA\"}]}");
    has(bed_values(), "\"geo\":{\"country\":\"US\"}");
    bed.project.privacy = TENANT_PRIVACY_STANDARD;
}

static void a_device_is_one_on_the_sites_of_a_project(void **state)
{
    (void)state;
    char shop[17], text[17];
    snprintf(shop, sizeof(shop), "%s", device_at("shop.example"));
    assert_string_equal(device_at("WWW.Shop.example:443"), shop);
    assert_string_equal(device_at("user@shop.example."), shop);
    snprintf(text, sizeof(text), "%s", device_at("app.shop.example"));
    assert_string_not_equal(text, shop);
    assert_string_not_equal(device_at("shop.example.evil.example"), shop);
    /* With its domain known to the project, hosts below it are one site. */
    bed.project.domains = SLICE_LIT("other.example\nwww.shop.example");
    assert_string_equal(device_at("app.shop.example"), shop);
    assert_string_equal(device_at("shop.example"), shop);
    assert_string_not_equal(device_at("notshop.example"), shop);
    /* Without a page, that of the request counts. */
    buf_clear(&bed.values);
    bed.answers = 0;
    bed_post_text("{\"event\":\"click\"}");
    assert_string_equal(device(0), shop);
}

static void a_batch_is_told_apart_by_site(void **state)
{
    (void)state;
    bed_post_text("[{\"event\":\"a\",\"context\":{\"page\":{\"url\":\"https://a.example/\"}}},"
                  "{\"event\":\"b\",\"context\":{\"page\":{\"url\":\"https://b.example/\"}}},"
                  "{\"event\":\"c\",\"context\":{\"page\":{\"url\":\"https://a.example/x\"}}}]");
    assert_string_equal(device(0), device(2));
    assert_string_not_equal(device(0), device(1));
}

static void who_asks_not_to_be_followed_is_not(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"Sec-GPC", "gpc"}, {"DNT", "dnt"}};
    for (unsigned i = 0; i < 2; i++) {
        char privacy[64];
        teardown(NULL);
        setup(NULL);
        bed_header(names[i][0], "1");
        bed_header("Sec-CH-UA-Model", "\"Pixel 9\"");
        post_from("shop.example");
        snprintf(privacy, sizeof(privacy), "\"privacy\":\"%s\"", names[i][1]);
        has(bed_values(), "\"geo\":{\"country\":\"DE\",\"network\":\"datacentre\"}");
        has(bed_values(), privacy);
        has(bed_values(), "\"user_agent\":\"Mozilla");
        lacks(bed_values(), "device");
        lacks(bed_values(), "Pixel");
    }
}

static void other_values_of_the_signals_ask_for_nothing(void **state)
{
    (void)state;
    bed_header("Sec-GPC", "0");
    bed_header("DNT", "0");
    post_from("shop.example");
    lacks(bed_values(), "privacy");
    assert_int_equal(strlen(device(0)), 16);
}

static void a_relaxed_project_does_not_ask(void **state)
{
    (void)state;
    bed.project.privacy = TENANT_PRIVACY_RELAXED;
    bed_header("Sec-GPC", "1");
    post_from("shop.example");
    has(bed_values(), "\"city\":\"Nuremberg\"");
    lacks(bed_values(), "privacy");
    assert_int_equal(strlen(device(0)), 16);
}

static void a_strict_project_keeps_less_of_everybody(void **state)
{
    (void)state;
    bed.project.privacy = TENANT_PRIVACY_STRICT;
    post_from("shop.example");
    has(bed_values(), "\"geo\":{\"country\":\"DE\",\"network\":\"datacentre\"}");
    lacks(bed_values(), "device");
    lacks(bed_values(), "privacy");
    teardown(NULL);
    setup(NULL);
    bed.project.privacy = TENANT_PRIVACY_STRICT;
    bed_reset();
    bed_post_text("{\"event\":\"a\",\"context\":{\"ip\":\"88.198.7.9\",\"userAgent\":\"UA\"}}");
    has(bed_values(), "\"country\":\"DE\"");
    lacks(bed_values(), "city");
    lacks(bed_values(), "device");
}

static void client_hints_are_kept_as_sent(void **state)
{
    (void)state;
    bed_header("Sec-CH-UA", "\"Chromium\";v=\"140\"");
    bed_header("sec-ch-ua-platform", "\"Linux\"");
    bed_header("Sec-CH-UA-Mobile", "?0");
    post_from("shop.example");
    has(bed_values(),
        "\"hints\":{\"brands\":\"\\\"Chromium\\\";v=\\\"140\\\"\",\"platform\":\"\\\"Linux\\\"\","
        "\"mobile\":\"?0\"}");
}

static int set_up(void **state)
{
    static struct mmdb_make make;
    char path[OS_PATH_MAX];
    struct buf bytes;
    struct err err = ERR_INIT;
    (void)state;
    buf_init(&bytes, 1 << 20);
    mmdb_make_init(&make, 6, 24);
    mmdb_make_put(
        &make, "88.198.0.0/16",
        "{\"country\":{\"iso_code\":\"DE\"},\"subdivisions\":[{\"iso_code\":\"BY\"}],"
        "\"city\":{\"names\":{\"en\":\"Nuremberg\"}},\"autonomous_system_number\":24940}");
    mmdb_make_put(&make, "81.2.69.0/24", "{\"country\":{\"iso_code\":\"GB\"}}");
    mmdb_make_finish(&make, &bytes);
    if (!mkdtemp(folder))
        return -1;
    os_path(path, "%s/x.mmdb", folder);
    const struct geo_cfg cfg = {.files = {[GEO_COUNTRY] = path}};
    enum rc rc = os_write_file_durable(path, buf_slice(&bytes), &err);
    buf_done(&bytes);
    if (rc == RC_OK)
        rc = geo_open(&cfg, &geo, &err);
    os_path(path, "%s/salts", folder);
    if (rc == RC_OK)
        rc = visitor_salts_open(path, unix_now(), mono_now(), &salts, &err);
    return rc == RC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    visitor_salts_close(salts);
    geo_close(geo);
    return os_remove_tree(folder, &err) == RC_OK ? 0 : -1;
}

int main(void)
{
#define STORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        STORY(a_browser_has_a_place_a_network_and_a_device),
        STORY(a_server_that_speaks_for_nobody_has_none),
        STORY(a_server_may_speak_for_a_visitor),
        STORY(umami_with_an_address_speaks_for_a_visitor),
        STORY(what_goatcounter_is_told_of_a_place_beats_the_address),
        STORY(of_a_browser_the_connection_counts_not_what_its_page_says),
        STORY(each_project_of_a_request_is_under_its_own_rules),
        STORY(umami_s_servers_and_goatcounter_s_speak_for_visitors),
        STORY(a_device_is_one_on_the_sites_of_a_project),
        STORY(a_batch_is_told_apart_by_site),
        STORY(who_asks_not_to_be_followed_is_not),
        STORY(other_values_of_the_signals_ask_for_nothing),
        STORY(a_relaxed_project_does_not_ask),
        STORY(a_strict_project_keeps_less_of_everybody),
        STORY(client_hints_are_kept_as_sent),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
