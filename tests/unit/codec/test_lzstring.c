/* lz-string: texts that the library itself has packed, a dictionary that grows through many
 * widths, and nothing but refusals for what is cut, wrong or too large. */
#include "test_codec.h"

#include "codec/lzstring.h"
#include "lzstring_pack.h"

enum { OUT_MAX = 1 << 20 };

static enum rc decode(struct slice text, size_t bytes_max, struct buf *out)
{
    struct err err = ERR_INIT;
    buf_init(out, bytes_max);
    return lzstring_decode(text, out, &err);
}

static void test_what_the_library_has_packed(void **state)
{
    (void)state;
    static const struct {
        const char *packed, *text;
    } known[] = {
        {"Q===", ""},
        {"IZA=", "a"},
        {"BYUwNmD2Q===", "hello"},
        {"N4IgpgbmB2AuIC4QEMQBoQAcBOB7TY2sAlmAM6Kiy4DWMiIA7jQPqznwYAmxZJ0AY1gtiXBmIC+EoA==",
         "{\"event\":\"a\",\"properties\":{\"token\":\"wk_test\",\"distinct_id\":\"d\"}}"},
        {"N4IgpgbmB2AuIC4QEMQBoQAcBOB7TY2sAlmAM6Kiy4DWMiIA7jQPqznwYAmxZJ0AY1gtiXBmIC EoA",
         "{\"event\":\"a\",\"properties\":{\"token\":\"wk_test\",\"distinct_id\":\"d\"}}"},
        {"OYJwPw+wpgBINQRA", "gr\xc3\xbc\xc3\x9f"
                             "e \xe2\x82\xac"},
        {"rwbgA92gPUg=", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80x\xf0\x9f\x98\x80"},
        {"gAbA8g==", "\xef\xbf\xbdx"}, /* half a pair */
        {"IY18ZJA=", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct buf out;
        assert_int_equal(decode(slice_str(known[i].packed), OUT_MAX, &out), RC_OK);
        assert_slice(buf_slice(&out), known[i].text);
        buf_done(&out);
    }
}

static void test_codes_grow_wider(void **state)
{
    (void)state;
    struct buf text, packed, out;
    buf_init(&text, OUT_MAX);
    buf_init(&packed, OUT_MAX);
    for (unsigned i = 0; i < 5000; i++)
        buf_addf(&text, "n%u,", i * 7 % 1013);
    lzstring_pack(buf_slice(&text), &packed);
    assert_int_equal(packed.len, 11924); /* as the library does it */
    assert_int_equal(decode(buf_slice(&packed), OUT_MAX, &out), RC_OK);
    assert_true(slice_eq(buf_slice(&out), buf_slice(&text)));
    buf_done(&out);
    /* What stood there before stays. */
    buf_init(&out, OUT_MAX);
    buf_add_str(&out, "before");
    assert_int_equal(lzstring_decode(SLICE_LIT("BYUwNmD2Q==="), &out, NULL), RC_OK);
    assert_slice(buf_slice(&out), "beforehello");
    buf_done(&out);
    buf_done(&text);
    buf_done(&packed);
}

static void test_cut_or_wrong_is_refused(void **state)
{
    (void)state;
    static const char whole[] =
        "N4IgpgbmB2AuIC4QEMQBoQAcBOB7TY2sAlmAM6Kiy4DWMiIA7jQPqznwYAmxZJ0AY1gt"
        "iXBmIC+EoA";
    static const char *const wrong[] = {"", "=", "!", "w===", "{\"a\":1}", "IZ"};
    struct buf out;
    for (size_t len = 0; len < sizeof(whole) - 3; len++) {
        assert_int_equal(decode(slice_of(whole, len), OUT_MAX, &out), RC_INVALID);
        buf_done(&out);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(decode(slice_str(wrong[i]), OUT_MAX, &out), RC_INVALID);
        buf_done(&out);
    }
}

static void test_a_bomb_costs_its_cap(void **state)
{
    (void)state;
    struct buf text, packed, out;
    buf_init(&text, OUT_MAX);
    buf_init(&packed, OUT_MAX);
    for (unsigned i = 0; i < 500000; i++)
        buf_add_char(&text, 'a');
    lzstring_pack(buf_slice(&text), &packed);
    assert_true(packed.len < 4000);
    assert_int_equal(decode(buf_slice(&packed), 1 << 16, &out), RC_LIMIT);
    assert_true(out.len <= 1 << 16 && out.cap <= 1 << 16);
    buf_done(&out);
    assert_int_equal(decode(buf_slice(&packed), 500000, &out), RC_OK);
    assert_int_equal(out.len, 500000);
    buf_done(&out);
    buf_done(&text);
    buf_done(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_library_has_packed),
        cmocka_unit_test(test_codes_grow_wider),
        cmocka_unit_test(test_cut_or_wrong_is_refused),
        cmocka_unit_test(test_a_bomb_costs_its_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
