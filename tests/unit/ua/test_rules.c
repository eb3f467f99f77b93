/* The rules: what the automaton leaves out could not have matched; limits hold; memory may go.
 *
 * argv[1] = folder of the npm packages: what crawler-user-agents lists is the corpus. */
#include "test_ua.h"

#include "base/buf.h"
#include "base/os.h"
#include "base/random.h"
#include "codec/json.h"

enum { FILE_BYTES_MAX = 8 << 20, INSTANCES_MIN = 2000 };
static const char *packages;

/* ---- the corpus ---- */
static const char *const browsers[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; U; Android 9; en-us; Redmi Note 8 Build/PKQ1.190616.001) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/89.0.4389.116 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/79.0.3945.79 Safari/537.36 WebAppManager",
    "MyApp/42 CFNetwork/1410.0.3 Darwin/22.6.0",
};

static void each_instance(void (*each)(struct slice ua))
{
    CLEANUP(buf_done) struct buf file;
    CLEANUP(arena_done) struct arena arena;
    char path[OS_PATH_MAX];
    yyjson_val *root, *entry, *instance;
    size_t i, k, max, kmax, n = 0;
    buf_init(&file, FILE_BYTES_MAX);
    arena_init(&arena, 1 << 20, 64 << 20);
    os_path(path, "%s/crawler-user-agents/crawler-user-agents.json", packages);
    assert_int_equal(os_read_file(path, &file, NULL), RC_OK);
    assert_int_equal(json_parse(&arena, buf_slice(&file), &root, NULL), RC_OK);
    yyjson_arr_foreach(root, i, max, entry)
    {
        yyjson_arr_foreach(json_get(entry, "instances"), k, kmax, instance)
        {
            each(slice_of(yyjson_get_str(instance), yyjson_get_len(instance)));
            n++;
        }
    }
    assert_true(n >= INSTANCES_MIN);
}

/* ---- one rule after the other says the same ---- */
static unsigned matches;

static void assert_same(struct slice text)
{
    for (int list = 0; list < UA_LIST_COUNT; list++) {
        ua_scan(parser, text);
        int32_t fast = ua_match(parser, (enum ua_list)list, text, false);
        ua_scan(parser, text);
        int32_t slow = ua_match(parser, (enum ua_list)list, text, true);
        if (fast != slow)
            print_error("%.*s\n  list %d: rule %d, not %d\n", SLICE_ARG(text), list, fast, slow);
        assert_int_equal(fast, slow);
        matches += fast >= 0;
    }
}

static void the_automaton_leaves_out_only_what_cannot_match(void **state)
{
    (void)state;
    matches = 0;
    each_instance(assert_same);
    for (size_t i = 0; i < COUNT_OF(browsers); i++)
        assert_same(slice_str(browsers[i]));
    assert_true(matches > INSTANCES_MIN);
}

/* Atoms put together at random, letters in any case: what a rule needs, and mostly not in the
 * order in which it needs it. */
static struct slice random_text(struct prng *r, char *to, size_t cap)
{
    size_t n = 0, pieces = 1 + prng_below(r, 12);
    while (pieces--) {
        const char *atom = ua_atoms[prng_below(r, ua_atom_count)];
        for (; *atom && n < cap; atom++)
            to[n++] =
                (char)(*atom >= 'a' && *atom <= 'z' && prng_below(r, 4) == 0 ? *atom - 32 : *atom);
        if (n < cap)
            to[n++] = "/ ;1)(."[prng_below(r, 7)];
    }
    return slice_of(to, n);
}

static void the_automaton_is_right_about_random_texts(void **state)
{
    (void)state;
    enum { TIMES = 600 };
    char text[256];
    struct prng r;
    prng_seed(&r, 7);
    matches = 0;
    for (int i = 0; i < TIMES; i++)
        assert_same(random_text(&r, text, sizeof(text)));
    assert_true(matches > TIMES / 2);
}

/* ---- bots ---- */
static void assert_is_bot(struct slice ua)
{
    struct ua_result r;
    ua_parse(parser, ua, NULL, &r);
    if (r.reason == UA_PERSON)
        print_error("taken for a person: %.*s\n", SLICE_ARG(ua));
    assert_int_not_equal(r.reason, UA_PERSON);
    assert_int_equal(r.device, UA_BOT);
}

static void every_crawler_of_the_list_is_found(void **state)
{
    (void)state;
    each_instance(assert_is_bot);
}

/* ---- limits ---- */
static void a_long_user_agent_is_cut_and_its_texts_are_bounded(void **state)
{
    (void)state;
    static char ua[4 * UA_BYTES_MAX];
    struct ua_result r;
    memset(ua, 'x', sizeof(ua));
    memcpy(ua, "Mozilla/5.0 (Linux; Android 4; ", 31);
    memcpy(ua + 900, " Build/A)", 9);
    ua_parse(parser, slice_of(ua, sizeof(ua)), NULL, &r);
    assert_slice(r.os_name, "Android");
    assert_true(r.device_model.len <= UA_NAME_BYTES_MAX);
    struct ua_result cut = r;
    char model[UA_NAME_BYTES_MAX];
    memcpy(model, r.device_model.data, r.device_model.len);
    ua_parse(parser, slice_of(ua, UA_BYTES_MAX), NULL, &r);
    assert_int_equal(r.device_model.len, cut.device_model.len);
    assert_memory_equal(r.device_model.data, model, cut.device_model.len);
}

static void a_text_is_never_cut_inside_a_character(void **state)
{
    (void)state;
    char ua[300] = "";
    struct ua_result r;
    for (int i = 0; i < 67; i++) /* cut at 120 bytes, in the middle of one of three */
        strcat(ua, i ? "\xe3\x81\x82" : "M");
    strcat(ua, "/42 CFNetwork/1410.0.3 Darwin/22.6.0");
    ua_parse(parser, slice_str(ua), NULL, &r);
    assert_slice(r.browser_version, "42");
    assert_int_equal(r.browser_name.len, 118);
    for (struct slice left = r.browser_name; left.len;) {
        size_t n = slice_utf8_len(left);
        assert_true(n > 0);
        left = slice_sub(left, n);
    }
}

/* A rule that begins with "anything of these" begins anew at each of a thousand blanks; no answer
 * is worth that. Without the limit of steps nothing is cut short. */
static void a_text_made_to_be_slow_is_given_up(void **state)
{
    (void)state;
    static char ua[UA_BYTES_MAX];
    struct ua_result r;
    uint64_t before = ua_parser_stats(parser).cut_short;
    memset(ua, ' ', sizeof(ua));
    memcpy(ua + 250, "st8", 3);
    memcpy(ua + 480, "K7mlwcbot", 9);
    ua_parse(parser, slice_of(ua, sizeof(ua)), NULL, &r);
    uint64_t cuts = ua_parser_stats(parser).cut_short - before;
    assert_true(cuts >= 1 && cuts <= 4);
    ua_parse(parser, slice_str(browsers[0]), NULL, &r); /* the next one is not affected */
    assert_slice(r.browser_name, "Edge");
}

static void without_memory_nothing_is_made_and_nothing_is_lost(void **state)
{
    (void)state;
    uint64_t before = heap_bytes(HEAP_ANALYTICS);
    enum rc rc = RC_NOMEM;
    for (uint64_t k = 1, step = 1; rc != RC_OK; k += step++ * 7) {
        struct ua_set *other = NULL;
        heap_fail_after(k);
        rc = ua_set_new(&other);
        heap_fail_after(0);
        ua_set_free(other);
        assert_true(rc == RC_OK || rc == RC_NOMEM);
        assert_int_equal(heap_bytes(HEAP_ANALYTICS), before);
    }
    for (uint64_t k = 1; k <= 7; k++) {
        struct ua_parser *other = NULL;
        heap_fail_after(k);
        assert_int_equal(ua_parser_new(set, 1000, &other), RC_NOMEM);
        heap_fail_after(0);
        assert_int_equal(heap_bytes(HEAP_ANALYTICS), before);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_automaton_leaves_out_only_what_cannot_match),
        cmocka_unit_test(the_automaton_is_right_about_random_texts),
        cmocka_unit_test(every_crawler_of_the_list_is_found),
        cmocka_unit_test(a_long_user_agent_is_cut_and_its_texts_are_bounded),
        cmocka_unit_test(a_text_is_never_cut_inside_a_character),
        cmocka_unit_test(a_text_made_to_be_slow_is_given_up),
        cmocka_unit_test(without_memory_nothing_is_made_and_nothing_is_lost),
    };
    if (argc != 2)
        return 2;
    packages = argv[1];
    return cmocka_run_group_tests(tests, ua_setup, ua_teardown);
}
