/* Cutting, reading and writing JSON: limits, duplicates, numbers as sent, refusals. */
#include "test_codec.h"

#include "base/heap.h"
#include "codec/json.h"

struct rewritten {
    enum rc rc;
    enum json_problem problem;
    char text[8192];
};
static struct arena arena;

static struct rewritten rewrite(struct slice in)
{
    struct rewritten r = {0};
    yyjson_val *root;
    struct err err = ERR_INIT;
    arena_reset(&arena);
    r.rc = json_parse(&arena, in, &root, &err);
    if (r.rc != RC_OK)
        return r;
    struct json_out out = {.p = r.text, .end = r.text + sizeof(r.text) - 1};
    r.problem = json_write(&out, root, NULL, &arena);
    assert_false(out.is_full);
    assert_true((size_t)(out.p - r.text) <= in.len);
    *out.p = '\0';
    return r;
}

static void test_written_as_sent_but_compact(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {" { \"a\" : [ 1 , 2.50 , -0 , 1e5 , true , null ] } ",
         "{\"a\":[1,2.50,-0,1e5,true,null]}"},
        {"12345678901234567890123", "12345678901234567890123"},
        {"\"\\u00e9\\/\\n\\u0001\\\"\"", "\"\xc3\xa9/\\n\\u0001\\\"\""},
        {"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
        {"{\"a\":1,\"b\":2,\"a\":{\"c\":3,\"c\":4}}", "{\"b\":2,\"a\":{\"c\":4}}"},
        {"[]", "[]"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct rewritten r = rewrite(slice_str(pairs[i][0]));
        assert_int_equal(r.rc, RC_OK);
        assert_int_equal(r.problem, JSON_FINE);
        assert_string_equal(r.text, pairs[i][1]);
    }
}

/* Strings are copied eight bytes at once: what is to be escaped, at every place of every length. */
static void what_needs_an_escape_gets_it_wherever_it_stands(void **state)
{
    static const char *const escaped[] = {
        ['\n'] = "\\n", ['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\", [1] = "\\u0001"};
    (void)state;
    for (size_t len = 1; len <= 24; len++)
        for (size_t at = 0; at < len; at++)
            for (size_t c = 1; c < COUNT_OF(escaped); c++) {
                char sent[24], wanted[40], got[40];
                if (!escaped[c])
                    continue;
                memset(sent, 0xc3, sizeof(sent));
                sent[at] = (char)c;
                int n = snprintf(wanted, sizeof(wanted), "\"%.*s%s%.*s\"", (int)at, at ? sent : "",
                                 escaped[c], (int)(len - at - 1), sent + at + 1);
                struct json_out out = {.p = got, .end = got + n};
                assert_true(json_put_string(&out, slice_of(sent, len)));
                assert_int_equal(out.p - got, n);
                assert_memory_equal(got, wanted, (size_t)n);
                assert_false(out.is_full);
                out = (struct json_out){.p = got, .end = got + n - 1};
                assert_true(json_put_string(&out, slice_of(sent, len)));
                assert_true(out.is_full);
            }
}

static void a_string_that_just_fits_is_written_and_no_longer_one(void **state)
{
    (void)state;
    char text[24], got[32];
    memset(text, 'x', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        struct json_out out = {.p = got, .end = got + len + 2};
        assert_true(json_put_string(&out, slice_of(text, len)) && !out.is_full);
        assert_ptr_equal(out.p, out.end);
        assert_true(got[0] == '"' && got[len + 1] == '"');
        assert_memory_equal(got + 1, text, len);
        out = (struct json_out){.p = got, .end = got + len + 1};
        assert_true(json_put_string(&out, slice_of(text, len)) && out.is_full);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "{",         "[1,]",           "{\"a\" 1}", "nul",
                                      "01",  "\"\xff\"",  "\"\\ud800\"",    "\"\n\"",    "1 2",
                                      "[1}", "{\"a\":1]", "\xef\xbb\xbf[]", "NaN",       "'a'"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_not_equal(rewrite(slice_str(bad[i])).rc, RC_OK);
    assert_int_equal(rewrite(SLICE_LIT("[\"a\\u0000b\"]")).problem, JSON_HAS_NUL);
    assert_int_equal(rewrite(SLICE_LIT("{\"\\u0000\":1}")).problem, JSON_HAS_NUL);
    assert_int_equal(rewrite(SLICE_LIT("[1e999]")).problem, JSON_NUMBER_RANGE);
    assert_int_equal(rewrite(SLICE_LIT("[1e-999]")).problem, JSON_FINE);
    char text[512] = "[";
    memset(text + 1, '9', 65);
    text[66] = ']';
    assert_int_equal(rewrite(slice_str(text)).problem, JSON_NUMBER_RANGE);
    memcpy(text, "{\"", 2);
    memset(text + 2, 'k', 201);
    memcpy(text + 203, "\":1}", 5);
    assert_int_equal(rewrite(slice_str(text)).problem, JSON_KEY_TOO_LONG);
}

static void test_depth(void **state)
{
    (void)state;
    char text[3000];
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    assert_int_equal(rewrite(slice_of(text, 64)).rc, RC_OK);
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    assert_int_equal(rewrite(slice_of(text, 66)).rc, RC_LIMIT);
    char beside[] =
        "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
        "[],[],[],[],[],[],[],[],\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]";
    assert_int_equal(rewrite(slice_str(beside)).rc, RC_OK); /* many brackets, but not deep */
    memset(text, '[', sizeof(text));                        /* never closed: no recursion either */
    assert_int_equal(rewrite(slice_of(text, sizeof(text))).rc, RC_INVALID);
}

/* Both ways of finding duplicates (few and many members) agree with the rule. */
static void no_text_is_deeper_than_the_brackets_that_open_in_it(void **state)
{
    static char text[9000];
    (void)state;
    assert_int_equal(json_depth_bound(SLICE_EMPTY), 0);
    assert_int_equal(json_depth_bound(SLICE_LIT("{\"a\":[1,{}],\"b[\":\"]}[[[\"}")), 7);
    for (size_t at = 0; at < 40; at++) { /* in every place, and nothing else counts */
        for (int c = 0; c < 256; c++) {
            memset(text, c, 40);
            text[at] = '[';
            bool is_bracket = c == '[' || c == '{';
            assert_int_equal(json_depth_bound(slice_of(text, 40)), is_bracket ? 40 : 1);
        }
    }
    memset(text, '{', sizeof(text));
    for (size_t len = 4070; len < 4100; len++)
        assert_int_equal(json_depth_bound(slice_of(text, len)), len);
    assert_int_equal(json_depth_bound(slice_of(text, sizeof(text))), sizeof(text));
}

static void test_many_duplicates(void **state)
{
    (void)state;
    for (unsigned n = 1; n < 200; n++) {
        char in[4096] = "{", want[4096] = "{";
        size_t at = 1, to = 1;
        for (unsigned i = 0; i < n; i++)
            at +=
                (size_t)snprintf(in + at, sizeof(in) - at, "%s\"k%u\":%u", i ? "," : "", i % 40, i);
        for (unsigned i = n > 40 ? n - 40 : 0; i < n; i++)
            to += (size_t)snprintf(want + to, sizeof(want) - to, "%s\"k%u\":%u", to > 1 ? "," : "",
                                   i % 40, i);
        memcpy(in + at, "}", 2);
        memcpy(want + to, "}", 2);
        assert_string_equal(rewrite(slice_str(in)).text, want);
    }
}

/* Names that are left out may be many, and their repetitions with them. */
static void what_is_left_out_is_not_there_twice_either(void **state)
{
    (void)state;
    static const char *const skip[] = {"s0", "s1", "s2", "s3", "s4", "s5", "s6",
                                       "s7", "s8", "s9", "x",  "",   NULL};
    for (unsigned n = 1; n < 60; n++) {
        char in[4096] = "{", want[4096] = "{", text[4096];
        size_t at = 1, to = 1;
        yyjson_val *root;
        struct err err = ERR_INIT;
        for (unsigned i = 0; i < n; i++)
            at += (size_t)snprintf(in + at, sizeof(in) - at, "%s\"%c%u\":%u", i ? "," : "",
                                   i % 3 ? 's' : 'k', i % 3 ? i % 10 : i % 12, i);
        for (unsigned i = 0; i < n; i += 3)
            if (i + 12 >= n)
                to += (size_t)snprintf(want + to, sizeof(want) - to, "%s\"k%u\":%u",
                                       to > 1 ? "," : "", i % 12, i);
        memcpy(in + at, "}", 2);
        memcpy(want + to, "}", 2);
        arena_reset(&arena);
        assert_int_equal(json_parse(&arena, slice_str(in), &root, &err), RC_OK);
        struct json_out out = {.p = text, .end = text + sizeof(text)};
        assert_int_equal(json_write(&out, root, skip, &arena), JSON_FINE);
        assert_slice(slice_of(text, (size_t)(out.p - text)), want);
    }
}

/* A quote, a backslash with a quote, at each place of texts of any length. */
static void a_string_ends_at_its_quote_wherever_that_is(void **state)
{
    (void)state;
    for (size_t len = 0; len < 50; len++) {
        for (size_t rest = 0; rest < 20; rest++) {
            char text[80];
            struct json_span span;
            size_t at = 0;
            memset(text, 'a', sizeof(text));
            text[0] = text[len + 1] = '"';
            assert_true(json_skip(slice_of(text, len + 2 + rest), &at, &span));
            assert_int_equal(at, len + 2);
            at = 0;
            assert_false(json_skip(slice_of(text, len + 1), &at, &span));
            for (size_t escape = 1; escape + 1 <= len; escape++) {
                text[escape] = '\\';
                text[escape + 1] = rest % 2 ? '"' : '\\';
                at = 0;
                assert_true(json_skip(slice_of(text, len + 2 + rest), &at, &span));
                assert_int_equal(at, len + 2);
                text[escape] = text[escape + 1] = 'a';
            }
        }
    }
}

static void test_items(void **state)
{
    (void)state;
    struct json_items it;
    struct json_span s;
    assert_int_equal(json_items_begin(&it, SLICE_LIT(" [ {\"a\":\"]\\\"}\"} , 5,\"x\" ] tail")),
                     RC_OK);
    assert_int_equal(json_items_next(&it, &s), RC_OK);
    assert_slice(s.text, "{\"a\":\"]\\\"}\"}");
    assert_int_equal(s.depth, 1);
    assert_int_equal(json_items_next(&it, &s), RC_OK);
    assert_slice(s.text, "5");
    assert_int_equal(json_items_next(&it, &s), RC_OK);
    assert_int_equal(json_items_next(&it, &s), RC_END);
    assert_int_equal(json_items_next(&it, &s), RC_END);
    static const char *const broken[] = {"[1 2]",      "[1",    "[1,", "[,1]",
                                         "[{\"a\":1]", "[\"x]", "[1,]"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        enum rc rc = json_items_begin(&it, slice_str(broken[i]));
        while (rc == RC_OK)
            rc = json_items_next(&it, &s);
        assert_int_equal(rc, RC_INVALID);
    }
    assert_int_equal(json_items_begin(&it, SLICE_LIT("{}")), RC_INVALID);
}

static void test_members(void **state)
{
    (void)state;
    struct json_members it;
    struct json_span s;
    struct slice key;
    assert_int_equal(json_members_begin(&it, SLICE_LIT("{ \"a\" : 1 , \"b\":[2,{}] }")), RC_OK);
    assert_int_equal(json_members_next(&it, &key, &s), RC_OK);
    assert_slice(key, "a");
    assert_int_equal(json_members_next(&it, &key, &s), RC_OK);
    assert_slice(s.text, "[2,{}]");
    assert_int_equal(s.depth, 2);
    assert_int_equal(json_members_next(&it, &key, &s), RC_END);
    assert_int_equal(json_members_begin(&it, SLICE_LIT("{\"a\": [1],\"b\":[2")), RC_OK);
    assert_int_equal(json_members_key(&it, &key), RC_OK);
    assert_true(json_skip(it.text, &it.at, &s));
    assert_slice(s.text, "[1]");
    assert_int_equal(json_members_key(&it, &key), RC_OK); /* whose value is not looked at */
    assert_slice(key, "b");
    assert_slice(slice_sub(it.text, it.at), "[2");
    static const char *const broken[] = {"{\"a\"}", "{a:1}", "{\"a\":1,}", "{\"a\":1 \"b\":2}",
                                         "{\"a\":"};
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        enum rc rc = json_members_begin(&it, slice_str(broken[i]));
        while (rc == RC_OK)
            rc = json_members_next(&it, &key, &s);
        assert_int_equal(rc, RC_INVALID);
    }
}

static void test_lines(void **state)
{
    (void)state;
    struct slice rest = SLICE_LIT("\n one \r\n\n\ntwo"), line;
    assert_true(json_line_next(&rest, &line));
    assert_slice(line, "one");
    assert_true(json_line_next(&rest, &line));
    assert_slice(line, "two");
    assert_false(json_line_next(&rest, &line));
}

static void test_numbers(void **state)
{
    (void)state;
    yyjson_val *v;
    int64_t i;
    double d;
    arena_reset(&arena);
    assert_int_equal(json_parse(&arena, SLICE_LIT("9223372036854775807"), &v, NULL), RC_OK);
    assert_true(json_to_i64(v, &i));
    assert_int_equal(i, INT64_MAX);
    assert_int_equal(json_parse(&arena, SLICE_LIT("9223372036854775808"), &v, NULL), RC_OK);
    assert_false(json_to_i64(v, &i));
    assert_int_equal(json_parse(&arena, SLICE_LIT("1.5e3"), &v, NULL), RC_OK);
    assert_false(json_to_i64(v, &i));
    assert_true(json_to_double(v, &d));
    assert_true(d == 1500.0);
}

static void test_many_names_at_once(void **state)
{
    (void)state;
    enum { NAMES = JSON_NAMES_MAX };
    static char texts[NAMES][16];
    struct slice names[NAMES];
    struct json_names table;
    yyjson_val *root, *got[NAMES];
    struct buf object;
    buf_init(&object, 1 << 16);
    for (unsigned i = 0; i < NAMES; i++) { /* many of them fall into one slot */
        snprintf(texts[i], sizeof(texts[i]), "$name_%02u_x", i);
        names[i] = slice_str(texts[i]);
    }
    json_names_init(&table, names, NAMES);
    buf_add_str(&object, "{\"$name_03_x\":\"first\"");
    for (unsigned i = 0; i < 400; i++)
        if (i % 5)
            buf_addf(&object, ",\"$name_%02u_x\":%u,\"other%u\":0,\"\":1", i, i, i);
    buf_add_char(&object, '}');
    arena_reset(&arena);
    assert_int_equal(json_parse(&arena, buf_slice(&object), &root, NULL), RC_OK);
    json_get_named(root, &table, got);
    for (unsigned i = 0; i < NAMES; i++)
        assert_ptr_equal(got[i], json_get(root, texts[i]));
    assert_null(got[5]);
    assert_non_null(got[63]);
    json_get_named(NULL, &table, got);
    assert_null(got[1]);
    buf_done(&object);
}

static void test_no_heap_after_the_first(void **state)
{
    (void)state;
    rewrite(SLICE_LIT("{\"a\":[1,2,{\"b\":\"c\"}]}"));
    uint64_t calls = heap_calls();
    for (int i = 0; i < 1000; i++)
        rewrite(SLICE_LIT("{\"a\":[1,2,{\"b\":\"c\"}]}"));
    assert_int_equal(heap_calls(), calls);
}

static void test_bytes_of_unknown_origin(void **state)
{
    (void)state;
    char text[64];
    struct json_out out = {.p = text, .end = text + sizeof(text)};
    json_put_bytes(&out, slice_of("a\xff\0\n\xc3\xa9\xed\xa0\x80", 9));
    assert_slice(slice_of(text, (size_t)(out.p - text)),
                 "\"a\xef\xbf\xbd\\n\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    for (size_t len = 0; len < 40; len++) { /* one odd byte at each place */
        for (size_t odd = 0; odd < len; odd++) {
            char bytes[40], want[64];
            memset(bytes, 'a', sizeof(bytes));
            bytes[odd] = odd % 2 ? '\n' : '\xff';
            const char *there = odd % 2 ? "\\n" : "\xef\xbf\xbd";
            snprintf(want, sizeof(want), "\"%.*s%s%.*s\"", (int)odd, bytes, there,
                     (int)(len - odd - 1), bytes + odd + 1);
            out = (struct json_out){.p = text, .end = text + sizeof(text)};
            json_put_bytes(&out, slice_of(bytes, len));
            assert_slice(slice_of(text, (size_t)(out.p - text)), want);
        }
    }
    struct json_out small = {.p = text, .end = text + 4};
    json_put_bytes(&small, SLICE_LIT("too long"));
    assert_true(small.is_full && small.p <= small.end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_as_sent_but_compact),
        cmocka_unit_test(what_needs_an_escape_gets_it_wherever_it_stands),
        cmocka_unit_test(a_string_that_just_fits_is_written_and_no_longer_one),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(no_text_is_deeper_than_the_brackets_that_open_in_it),
        cmocka_unit_test(test_many_duplicates),
        cmocka_unit_test(what_is_left_out_is_not_there_twice_either),
        cmocka_unit_test(a_string_ends_at_its_quote_wherever_that_is),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_many_names_at_once),
        cmocka_unit_test(test_no_heap_after_the_first),
        cmocka_unit_test(test_bytes_of_unknown_origin),
    };
    arena_init(&arena, 64 * 1024, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return failed;
}
