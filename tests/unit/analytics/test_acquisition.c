/* Where visitors come from, and how a page's path is spelt: the tables of docs/definitions.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analytics/projector/acquisition.h"
#include "analytics/event/page.h"
#include "analytics/projector/project_int.h"
#include "base/attr.h"

static struct arena scratch;

static void assert_slice(struct slice got, const char *expected, const char *of)
{
    if (!slice_eq_str(got, expected))
        fail_msg("%s: \"%.*s\", not \"%s\"", of, SLICE_ARG(got), expected);
}

static struct acquisition derive(const char *page, const char *referrer)
{
    struct acquisition_query query;
    struct acquisition out;
    struct project_url url = project_url_split(slice_str(page));
    acquisition_query_read(url.query, &scratch, &query);
    const struct acquisition_in in = {.query = &query,
                                      .referrer = slice_str(referrer),
                                      .hostname = project_url_host(url.host, &scratch),
                                      .is_page = page != NULL};
    acquisition_derive(&in, &scratch, &out);
    return out;
}

static void test_a_host_has_the_name_people_know_it_by(void **state)
{
    (void)state;
    static const char *const hosts[][2] = {
        {"google.com", "Google"},
        {"www.google.de", "Google"},
        {"www.google.co.uk", "Google"},
        {"google.com.br", "Google"},
        {"images.google.fr", "Google"},
        {"news.google.com", "Google News"},
        {"mail.google.com", "Gmail"},
        {"gemini.google.com", "Gemini"},
        {"groups.google.com", "Google Groups"},
        {"google.evil", "google.evil"},
        {"notgoogle.com", "notgoogle.com"},
        {"google.com.evil.example", "google.com.evil.example"},
        {"cn.bing.com", "Bing"},
        {"edgeservices.bing.com", "Copilot"},
        {"copilot.microsoft.com", "Copilot"},
        {"m365.cloud.microsoft", "Copilot"},
        {"duckduckgo.com", "DuckDuckGo"},
        {"de.search.yahoo.com", "Yahoo"},
        {"us-mg5.mail.yahoo.com", "Yahoo Mail"},
        {"search.yahoo.co.jp", "Yahoo Japan"},
        {"yandex.com.tr", "Yandex"},
        {"ya.ru", "Yandex"},
        {"search.brave.com", "Brave"},
        {"l.facebook.com", "Facebook"},
        {"lm.facebook.com", "Facebook"},
        {"t.co", "X"},
        {"x.com", "X"},
        {"lnkd.in", "LinkedIn"},
        {"out.reddit.com", "Reddit"},
        {"news.ycombinator.com", "Hacker News"},
        {"www.ycombinator.com", "ycombinator.com"},
        {"youtu.be", "YouTube"},
        {"m.youtube.com", "YouTube"},
        {"l.wl.co", "WhatsApp"},
        {"statics.teams.cdn.office.net", "Microsoft Teams"},
        {"chatgpt.com", "ChatGPT"},
        {"chat.openai.com", "ChatGPT"},
        {"www.perplexity.ai", "Perplexity"},
        {"claude.ai", "Claude"},
        {"chat.mistral.ai", "Mistral"},
        {"x.ai", "Grok"},
        {"amazon.co.jp", "Amazon"},
        {"a.co", "Amazon"},
        {"en.m.wikipedia.org", "Wikipedia"},
        {"www.blog.example", "blog.example"},
        {"someone.github.io", "someone.github.io"},
        {"192.0.2.7", "192.0.2.7"},
        {"[2001:db8::1]", "[2001:db8::1]"},
        {"intranet", "intranet"},
        {".", "."},
        {"..", ".."},
        {"co.uk", "co.uk"},
    };
    for (size_t i = 0; i < COUNT_OF(hosts); i++)
        assert_slice(acquisition_source_of_host(slice_str(hosts[i][0]), false).name, hosts[i][1],
                     hosts[i][0]);
    assert_slice(acquisition_source_of_host(SLICE_LIT("com.google.android.gm"), true).name, "Gmail",
                 "an app");
    assert_slice(acquisition_source_of_host(SLICE_LIT("org.example.app"), true).name,
                 "org.example.app", "an app that nobody knows");
}

static void test_a_tag_is_understood_in_its_many_spellings(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"google", "Google"},
        {"GOOGLE", "Google"},
        {"google_ads", "Google"},
        {"twitter", "X"},
        {"x", "X"},
        {"fb", "Facebook"},
        {"Facebook", "Facebook"},
        {"ig", "Instagram"},
        {"hackernews", "Hacker News"},
        {"hacker%20news", "Hacker News"},
        {"chatgpt.com", "ChatGPT"},
        {"perplexity", "Perplexity"},
        {"l.facebook.com", "Facebook"},
        {"Newsletter", "Newsletter"},
        {"Spring+Mail", "Spring Mail"},
        {"www.Partner.example", "partner.example"},
        {"+padded+", "padded"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        static const char *const names[] = {"utm_source", "source", "ref"};
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            char *url = arena_printf(&scratch, "https://shop.example/?%s=%s", names[k], rows[i][0]);
            assert_slice(derive(url, NULL).referrer_source, rows[i][1], url);
        }
    }
}

static void test_what_says_more_about_the_source_wins(void **state)
{
    (void)state;
    static const struct {
        const char *page, *referrer, *source, *domain;
    } rows[] = {
        {"https://a.example/", "https://www.google.com/", "Google", "www.google.com"},
        {"https://a.example/?utm_source=b", "https://www.google.com/", "b", "www.google.com"},
        {"https://a.example/?ref=b&source=c&utm_source=d", NULL, "d", ""},
        {"https://a.example/?ref=b&source=c", NULL, "c", ""},
        {"https://a.example/?utm_source=(direct)&ref=b", NULL, "b", ""},
        {"https://a.example/?utm_source=null", "https://b.example/", "b.example", "b.example"},
        {"https://a.example/?utm_source=&utm_source=b", NULL, "b", ""},
        {"https://a.example/?fbclid=1", NULL, "Facebook", ""},
        {"https://a.example/?fbclid=1", "https://b.example/", "b.example", "b.example"},
        {"https://a.example/?mc_eid=1", NULL, "Mailchimp", ""},
        {"https://a.example/", "android-app://com.Slack/", "Slack", "com.slack"},
        {"https://a.example/", "android-app://com.unknown.app", "com.unknown.app",
         "com.unknown.app"},
        {"https://a.example/", "//b.example/x", "b.example", "b.example"},
        {"https://a.example/", "https://B.Example.:8080/x", "b.example", "b.example"},
        {"https://a.example/", "chrome-extension://abcdef/", "", "abcdef"},
        {"https://a.example/", "about:blank", "", ""},
        {"https://a.example/", "http://localhost:3000/", "", "localhost"},
        {"https://a.example/", "no URL at all", "", ""},
        {"https://a.example/", NULL, "", ""},
        {"/only/a/path", "https://b.example/", "b.example", "b.example"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct acquisition got = derive(rows[i].page, rows[i].referrer);
        assert_slice(got.referrer_source, rows[i].source, rows[i].page);
        assert_slice(got.referrer_domain, rows[i].domain, rows[i].page);
    }
}

static void test_the_site_itself_is_no_source(void **state)
{
    (void)state;
    static const struct {
        const char *page, *referrer;
        bool is_same;
    } rows[] = {
        {"a.example", "a.example", true},
        {"a.example", "www.a.example", true},
        {"www.a.example", "a.example", true},
        {"shop.a.example", "blog.a.example", true},
        {"a.co.uk", "www.blog.a.co.uk", true},
        {"a.co.uk", "b.co.uk", false},
        {"a.com", "a.org", false},
        {"one.github.io", "two.github.io", false},
        {"one.github.io", "www.one.github.io", true},
        {"app.one.vercel.app", "one.vercel.app", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"10.0.0.1", "10.1.0.1", false},
        {"wiki", "wiki", true},
        {"wiki", "other", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *page = arena_printf(&scratch, "https://%s/p", rows[i].page);
        char *referrer = arena_printf(&scratch, "https://%s/", rows[i].referrer);
        struct acquisition got = derive(page, referrer);
        assert_int_equal(got.referrer_source.len == 0, rows[i].is_same);
        assert_int_equal(got.channel.len == 0, rows[i].is_same);
        assert_slice(got.referrer_domain, rows[i].referrer, referrer);
    }
    /* Its own links say ?ref= and ?source= for reasons of their own; a tag or a click id counts. */
    assert_slice(
        derive("https://a.example/?ref=menu&source=b", "https://a.example/").referrer_source, "",
        "own ref");
    struct acquisition got = derive("https://a.example/?utm_source=b", "https://a.example/");
    assert_slice(got.referrer_source, "b", "own utm_source");
    assert_slice(got.channel, "Referral", "own utm_source");
    got = derive("https://a.example/?gclid=1", "https://www.a.example/");
    assert_slice(got.referrer_source, "Google", "a redirect of the site's own");
    assert_slice(got.channel, "Paid Search", "a redirect of the site's own");
}

/* docs/definitions.md, "Channel": the rules by number, in their order. */
static const struct {
    const char *query, *referrer, *channel;
} rules[] = {
    /* 1 */
    {"utm_campaign=Cross-Network-1&utm_medium=cpc", "https://www.google.com/", "Cross-network"},
    /* 2 */
    {"utm_source=amazon&utm_medium=cpc", NULL, "Paid Shopping"},
    {"utm_campaign=summer-shop&utm_medium=ppc&utm_source=google", NULL, "Paid Shopping"},
    {"utm_campaign=eshop&utm_medium=paid", NULL, "Paid Shopping"},
    /* 3 */
    {"utm_source=google&utm_medium=CPC", NULL, "Paid Search"},
    {"utm_source=google&utm_medium=cpm", NULL, "Paid Search"},
    {"utm_source=google_ads", NULL, "Paid Search"},
    {"utm_campaign=bishop&utm_medium=cpc", "https://www.bing.com/", "Paid Search"},
    {"gclid=1", "https://www.google.com/", "Paid Search"},
    {"gclid=1", NULL, "Paid Search"},
    {"gbraid=1", NULL, "Paid Search"},
    {"wbraid=1", "android-app://com.google.android.googlequicksearchbox/", "Paid Search"},
    {"msclkid=1", "https://www.bing.com/", "Paid Search"},
    {"yclid=1", "https://yandex.ru/", "Paid Search"},
    {"gclid=1&utm_source=google&utm_medium=organic", NULL, "Paid Search"},
    /* 4 */
    {"utm_source=facebook&utm_medium=paid-social", NULL, "Paid Social"},
    {"utm_source=fb_ads", NULL, "Paid Social"},
    {"utm_medium=cpc", "https://l.facebook.com/", "Paid Social"},
    {"ttclid=1", NULL, "Paid Social"},
    {"li_fat_id=1&utm_source=linkedin&utm_medium=social", NULL, "Paid Social"},
    /* 5 */
    {"utm_source=yt-ads", NULL, "Paid Video"},
    {"gclid=1", "https://www.youtube.com/", "Paid Video"},
    /* 6 */
    {"utm_medium=banner&utm_source=paper", NULL, "Display"},
    {"utm_medium=CPM&utm_source=paper", NULL, "Display"},
    {"utm_medium=interstitial", NULL, "Display"},
    {"dclid=1&gclid=2", NULL, "Display"},
    {"", "https://googleads.g.doubleclick.net/", "Display"},
    {"dicbo=1", NULL, "Display"},
    /* 7 */
    {"utm_medium=retargeting", NULL, "Paid Other"},
    {"utm_medium=cpc&utm_source=partner", NULL, "Paid Other"},
    {"gclid=1", "https://paper.example/", "Paid Other"},
    {"s_kwcid=1", NULL, "Paid Other"},
    /* 8 */
    {"", "https://www.etsy.com/", "Organic Shopping"},
    {"utm_campaign=shopping-week&utm_source=partner", NULL, "Organic Shopping"},
    /* 9 */
    {"", "https://t.co/", "Organic Social"},
    {"fbclid=1", NULL, "Organic Social"},
    {"fbclid=1", "https://m.facebook.com/", "Organic Social"},
    {"utm_medium=social-media&utm_source=agency", NULL, "Organic Social"},
    {"", "https://news.ycombinator.com/", "Organic Social"},
    /* 10 */
    {"", "https://vimeo.com/", "Organic Video"},
    {"utm_medium=embedded-video&utm_source=partner", NULL, "Organic Video"},
    /* 11 */
    {"", "https://chatgpt.com/", "AI Assistants"},
    {"utm_source=chatgpt.com", NULL, "AI Assistants"},
    {"", "https://gemini.google.com/", "AI Assistants"},
    {"", "android-app://ai.perplexity.app.android/", "AI Assistants"},
    /* 12 */
    {"", "https://www.google.com/", "Organic Search"},
    {"utm_medium=organic&utm_source=partner", NULL, "Organic Search"},
    {"gclid=", "https://www.google.com/", "Organic Search"},
    {"srsltid=1", NULL, "Organic Search"},
    /* 13 */
    {"", "https://mail.google.com/", "Email"},
    {"utm_medium=e-mail&utm_source=partner", NULL, "Email"},
    {"utm_source=Weekly%20Newsletter%207", NULL, "Email"},
    {"utm_medium=email&gclid=1&utm_source=crm", NULL, "Email"},
    {"mc_eid=1", NULL, "Email"},
    /* 14 */
    {"utm_medium=affiliate&utm_source=partner", NULL, "Affiliates"},
    {"irclickid=1", "https://deals.example/", "Affiliates"},
    {"", "https://www.awin1.com/", "Affiliates"},
    /* 15 */
    {"utm_medium=audio&utm_source=podcast", NULL, "Audio"},
    /* 16 */
    {"utm_source=sms", NULL, "SMS"},
    {"utm_medium=sms&utm_source=shop", NULL, "SMS"},
    {"", "android-app://com.google.android.apps.messaging/", "SMS"},
    /* 17 */
    {"utm_medium=webpush&utm_source=shop", NULL, "Mobile Push Notifications"},
    {"utm_medium=in-app-notification&utm_source=shop", NULL, "Mobile Push Notifications"},
    {"utm_source=firebase", NULL, "Mobile Push Notifications"},
    /* 18 */
    {"", "https://blog.example/", "Referral"},
    {"utm_medium=referral", NULL, "Referral"},
    {"ref=friend", NULL, "Referral"},
    /* 19 */
    {"", NULL, "Direct"},
    {"utm_campaign=x", NULL, "Direct"},
    {"x=1&utm_source=direct", NULL, "Direct"},
};

static void test_each_rule_of_a_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        char *url = arena_printf(&scratch, "https://a.example/?%s", rules[i].query);
        char *of =
            arena_printf(&scratch, "%s from %s", url, rules[i].referrer ? rules[i].referrer : "-");
        assert_slice(derive(url, rules[i].referrer).channel, rules[i].channel, of);
    }
    /* Something that a server reports is nobody's arrival. */
    assert_slice(derive(NULL, NULL).channel, "", "no page");
}

static void test_a_click_id_is_known_by_its_name_alone(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"gclid=abc", "gclid"},
        {"x=1&GCLID=abc&y=2", "gclid"},
        {"fbclid=1&gclid=2", "gclid"},
        {"ScCid=1", "sccid"},
        {"sscid=1", "sscid"},
        {"ranSiteID=1", "ransiteid"},
        {"elqTrackId=1", "elqtrackid"},
        {"ck_subscriber_id=1", "ck_subscriber_id"},
        {"_kx=1", "_kx"},
        {"gclid=", ""},
        {"gclid", ""},
        {"xgclid=1", ""},
        {"gclid2=1", ""},
        {"", ""},
        {"&&=&=1", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *url = arena_printf(&scratch, "https://a.example/?%s", rows[i][0]);
        assert_slice(derive(url, NULL).click_id, rows[i][1], url);
    }
}

static void test_tags_are_decoded_and_the_first_with_a_value_holds(void **state)
{
    (void)state;
    struct acquisition_query q;
    acquisition_query_read(
        SLICE_LIT("utm_medium=&utm_medium=a%20b+c&utm_medium=d&utm_term=%ff&utm_x=1&"
                  "utm_content=caf%C3%A9&utm_campaign"),
        &scratch, &q);
    assert_slice(q.utm[ACQUISITION_UTM_MEDIUM], "a b c", "medium");
    assert_slice(q.utm[ACQUISITION_UTM_TERM], "", "term");
    assert_slice(q.utm[ACQUISITION_UTM_CONTENT], "café", "content");
    assert_slice(q.utm[ACQUISITION_UTM_CAMPAIGN], "", "campaign");
    assert_slice(q.utm[ACQUISITION_UTM_SOURCE], "", "source");
}

/* ---- acquisition.def ---- */
struct entry {
    const char *key, *suffix, *sub, *name;
    enum source_group group;
    bool is_tag;
};
/* clang-format off */
#define SITE(key, suffix, sub, name, group) {key, suffix, sub, name, SOURCE_##group, false},
#define NAME(key, suffix, sub, name, group) {key, suffix, sub, name, SOURCE_##group, true},
static const struct entry sites[] = {
#include "analytics/projector/acquisition.def"
};
#undef SITE
#undef NAME
#define TAG(key, name, group) {key, "", "", name, SOURCE_##group, true},
#define AD TAG
static const struct entry tags[] = {
#include "analytics/projector/acquisition.def"
};
#undef TAG
#undef AD
#define APP(key, name, group) {key, "", "", name, SOURCE_##group, false},
static const struct entry apps[] = {
#include "analytics/projector/acquisition.def"
};
#undef APP
/* clang-format on */

static void check_order(const struct entry *rows, size_t count, bool may_repeat)
{
    for (size_t i = 1; i < count; i++) {
        int order = strcmp(rows[i - 1].key, rows[i].key);
        if (order > 0 || (order == 0 && !may_repeat))
            fail_msg("\"%s\" stands behind \"%s\"", rows[i].key, rows[i - 1].key);
    }
}

static void check_groups(const struct entry *a, size_t a_count, const struct entry *b,
                         size_t b_count)
{
    for (size_t i = 0; i < a_count; i++)
        for (size_t k = 0; k < b_count; k++)
            if (a[i].name[0] && strcmp(a[i].name, b[k].name) == 0 && a[i].group != b[k].group)
                fail_msg("%s is in two groups", a[i].name);
}

static void test_the_list_is_sorted_and_each_of_its_rows_is_found(void **state)
{
    (void)state;
    check_order(sites, COUNT_OF(sites), true);
    check_order(tags, COUNT_OF(tags), false);
    check_order(apps, COUNT_OF(apps), false);
    check_groups(sites, COUNT_OF(sites), sites, COUNT_OF(sites));
    check_groups(sites, COUNT_OF(sites), tags, COUNT_OF(tags));
    check_groups(sites, COUNT_OF(sites), apps, COUNT_OF(apps));
    check_groups(tags, COUNT_OF(tags), apps, COUNT_OF(apps));
    for (size_t i = 0; i < COUNT_OF(sites); i++) {
        const struct entry *e = &sites[i];
        char *host = arena_printf(&scratch, "%s%s%s.%s", e->sub, e->sub[0] ? "." : "", e->key,
                                  strcmp(e->suffix, "*") == 0 ? "com" : e->suffix);
        struct acquisition_source got = acquisition_source_of_host(slice_str(host), false);
        assert_int_equal(got.group, e->group);
        assert_slice(got.name, e->name, host);
        if (e->is_tag)
            assert_slice(acquisition_source_of_tag(slice_str(e->key), &scratch).name, e->name,
                         e->key);
    }
    for (size_t i = 0; i < COUNT_OF(tags); i++)
        assert_slice(acquisition_source_of_tag(slice_str(tags[i].key), &scratch).name, tags[i].name,
                     tags[i].key);
    for (size_t i = 0; i < COUNT_OF(apps); i++)
        assert_slice(acquisition_source_of_host(slice_str(apps[i].key), true).name, apps[i].name,
                     apps[i].key);
}

/* ---- pages ---- */
static void test_a_page_has_one_spelling(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"/", "/"},
        {"", ""},
        {"/about", "/about"},
        {"/about/", "/about"},
        {"/about//", "/about"},
        {"//", "/"},
        {"//about", "/about"},
        {"/a//b///c", "/a/b/c"},
        {"/About", "/About"},
        {"/a/../b/./c", "/a/../b/./c"},
        {"/index.html", "/index.html"},
        {"/a?x=1", "/a"},
        {"/a/?x=/", "/a"},
        {"/?x", "/"},
        {"/app#/route", "/app#/route"},
        {"/app#/route/", "/app#/route"},
        {"/%7euser/%41%2d", "/~user/A-"},
        {"/a%2fb", "/a%2Fb"},
        {"/a%3fb%23", "/a%3Fb%23"},
        {"/a%20b", "/a%20b"},
        {"/a b", "/a%20b"},
        {"/a\nb\x7f", "/a%0Ab%7F"},
        {"/caf%c3%a9", "/café"},
        {"/café", "/café"},
        {"/%E6%97%A5%E6%9C%AC", "/日本"},
        {"/caf\xc3%a9", "/café"},
        {"/a%ff\xff", "/a%FF%FF"},
        {"/a%c3", "/a%C3"},
        {"/a%e2%80%8eb", "/a%E2%80%8Eb"},
        {"/a\xe2\x80\xae", "/a%E2%80%AE"},
        {"/100%", "/100%25"},
        {"/a%zz", "/a%25zz"},
        {"/%%341", "/%2541"},
        {"/users/{id}", "/users/{id}"},
        {"/users/123456", "/users/123456"},
        {"/web/https://b.example//x", "/web/https://b.example/x"},
        {"/web/https:///x", "/web/https://x"},
        {"checkout step 2/", "checkout step 2/"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_slice(page_path_normal(slice_str(rows[i][0]), &scratch), rows[i][1], rows[i][0]);
}

static void test_a_long_path_is_cut_between_characters(void **state)
{
    (void)state;
    char path[3 * PAGE_PATH_BYTES_MAX];
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    assert_int_equal(page_path_normal(slice_of(path, sizeof(path)), &scratch).len,
                     PAGE_PATH_BYTES_MAX);
    assert_int_equal(page_path_normal(slice_of(path, PAGE_PATH_BYTES_MAX), &scratch).len,
                     PAGE_PATH_BYTES_MAX);
    memcpy(path + PAGE_PATH_BYTES_MAX - 2, "%2f", 3);
    assert_int_equal(page_path_normal(slice_of(path, sizeof(path)), &scratch).len,
                     PAGE_PATH_BYTES_MAX - 2);
    memcpy(path + PAGE_PATH_BYTES_MAX - 2, "/\xc3\xa9", 3);
    assert_int_equal(page_path_normal(slice_of(path, sizeof(path)), &scratch).len,
                     PAGE_PATH_BYTES_MAX - 2);
    path[0] = 'a';
    assert_int_equal(page_path_normal(slice_of(path, sizeof(path)), &scratch).len,
                     PAGE_PATH_BYTES_MAX - 1);
    memset(path + 1, ' ', sizeof(path) - 1);
    path[0] = '/';
    assert_int_equal(page_path_normal(slice_of(path, sizeof(path)), &scratch).len,
                     1 + (PAGE_PATH_BYTES_MAX - 1) / 3 * 3);
}

static void test_a_host_is_lower_case_without_port_and_dot(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"https://Shop.Example:8443/", "shop.example"},
        {"https://shop.example./", "shop.example"},
        {"https://user:pw@shop.example/", "shop.example"},
        {"https://XN--Bcher-Kva.example/", "xn--bcher-kva.example"},
        {"https://[2001:DB8::1]:80/", "[2001:db8::1]"},
        {"https://./", ""},
        {"/path", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_slice(project_url_host(project_url_split(slice_str(rows[i][0])).host, &scratch),
                     rows[i][1], rows[i][0]);
}

static void test_a_screen_has_a_class(void **state)
{
    (void)state;
    static const struct {
        uint32_t width;
        const char *name;
    } rows[] = {{0, ""},           {1, "mobile"},          {575, "mobile"},  {576, "tablet"},
                {991, "tablet"},   {992, "laptop"},        {1439, "laptop"}, {1440, "desktop"},
                {3840, "desktop"}, {UINT32_MAX, "desktop"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_slice(page_screen_class(rows[i].width), rows[i].name, "width");
}

static void test_a_full_arena_leaves_texts_empty(void **state)
{
    (void)state;
    struct arena full;
    struct acquisition_query query;
    struct acquisition out;
    arena_init(&full, 16, 16);
    acquisition_query_read(SLICE_LIT("utm_source=a%20b&gclid=1"), &full, &query);
    const struct acquisition_in in = {.query = &query,
                                      .referrer = SLICE_LIT("https://LONG.EXAMPLE.of.a.host/"),
                                      .hostname = SLICE_LIT("a.example"),
                                      .is_page = true};
    acquisition_derive(&in, &full, &out);
    assert_slice(out.click_id, "gclid", "click id");
    assert_slice(out.referrer_domain, "", "domain");
    assert_int_equal(page_path_normal(SLICE_LIT("/a/very/long/path/"), &full).len, 0);
    arena_done(&full);
}

static int set_up(void **state)
{
    (void)state;
    arena_init(&scratch, 1 << 16, 64 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_done(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_host_has_the_name_people_know_it_by),
        cmocka_unit_test(test_a_tag_is_understood_in_its_many_spellings),
        cmocka_unit_test(test_what_says_more_about_the_source_wins),
        cmocka_unit_test(test_the_site_itself_is_no_source),
        cmocka_unit_test(test_each_rule_of_a_channel),
        cmocka_unit_test(test_a_click_id_is_known_by_its_name_alone),
        cmocka_unit_test(test_tags_are_decoded_and_the_first_with_a_value_holds),
        cmocka_unit_test(test_the_list_is_sorted_and_each_of_its_rows_is_found),
        cmocka_unit_test(test_a_page_has_one_spelling),
        cmocka_unit_test(test_a_long_path_is_cut_between_characters),
        cmocka_unit_test(test_a_host_is_lower_case_without_port_and_dot),
        cmocka_unit_test(test_a_screen_has_a_class),
        cmocka_unit_test(test_a_full_arena_leaves_texts_empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
