/* Trace Context and Baggage: the examples and the rules of the two specifications. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/attr.h"
#include "http/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define ZEROS_16 "0000000000000000"

static void reads_what_is_valid(void **state)
{
    static const struct {
        const char *text;
        uint8_t flags;
    } valid[] = {
        {"00-" TRACE "-" SPAN "-01", 0x01},
        {"00-" TRACE "-" SPAN "-00", 0x00},
        {"00-" TRACE "-" SPAN "-ff", 0xff}, /* bits that are not known yet */
        {"01-" TRACE "-" SPAN "-09", 0x09},
        {"cc-" TRACE "-" SPAN "-01-what-the-future-holds", 0x01},
        {"cc-" TRACE "-" SPAN "-01-", 0x01},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(valid); i++) {
        struct ctx_span span;
        assert_true(trace_parse_parent(slice_str(valid[i].text), &span));
        assert_int_equal(span.trace_id[0], 0x4b);
        assert_int_equal(span.trace_id[15], 0x36);
        assert_int_equal(span.span_id[1], 0xf0);
        assert_int_equal(span.span_id[7], 0xb7);
        assert_int_equal(span.flags, valid[i].flags);
        char again[CTX_TRACEPARENT_LEN + 1];
        ctx_span_format(&span, again);
        assert_memory_equal(again + 2, valid[i].text + 2, CTX_TRACEPARENT_LEN - 2);
    }
}

static void refuses_what_is_not(void **state)
{
    static const char *const broken[] = {
        "",
        "00",
        "ff-" TRACE "-" SPAN "-01",
        "FF-" TRACE "-" SPAN "-01",
        "0g-" TRACE "-" SPAN "-01",
        "00-" ZEROS_16 ZEROS_16 "-" SPAN "-01",
        "00-" TRACE "-" ZEROS_16 "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "-" SPAN "-0G",
        "00-" TRACE "-" SPAN "-1",
        "00-" TRACE "-" SPAN "-010",
        "00-" TRACE "-" SPAN "-01-", /* version 00 ends here */
        "00-" TRACE "-" SPAN "-01 ",
        "01-" TRACE "-" SPAN "-01x",
        "01-" TRACE "-" SPAN "-01.more",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        " 00-" TRACE "-" SPAN "-01",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct ctx_span span = {.flags = 77};
        if (trace_parse_parent(slice_str(broken[i]), &span))
            fail_msg("taken: %s", broken[i]);
        assert_int_equal(span.flags, 77);
    }
}

/* "k0=v,k1=v…": n members. */
static struct slice members(char *to, size_t bytes, unsigned n)
{
    size_t at = 0;
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(to + at, bytes - at, "%sk%u=v", i ? "," : "", i);
    return slice_of(to, at);
}

static void a_state_is_whole_or_nothing(void **state)
{
    static const char *const valid[] = {
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "foo=1",
        "foo=1 , bar=2\t,\tbaz=3",
        "fw529a3039@dt=FfAAAA",
        "1tenant@sys=x",
        "a/b-c_d*e=1",
        "foo=1,,bar=2",
        "foo= x",
    };
    static const char *const broken[] = {
        "",       ",",         "foo",          "foo=",          "=1",
        "Foo=1",  "1foo=1",    "foo=1,foo=2",  "foo=a=b",       "foo@=1",
        "@bar=1", "foo@Bar=1", "foo@0bar=1",   "foo@bar@baz=1", "foo@bcdefghijklmnop=1",
        "fo o=1", "foo=\x01",  "foo=\xc3\xbc", "foo=1,bar",
    };
    char text[1024];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(valid); i++)
        if (!trace_state_is_valid(slice_str(valid[i])))
            fail_msg("refused: %s", valid[i]);
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        if (trace_state_is_valid(slice_str(broken[i])))
            fail_msg("taken: %s", broken[i]);
    assert_true(trace_state_is_valid(members(text, sizeof(text), TRACE_STATE_MEMBERS_MAX)));
    assert_false(trace_state_is_valid(members(text, sizeof(text), TRACE_STATE_MEMBERS_MAX + 1)));
}

static void baggage_is_whole_or_nothing(void **state)
{
    static const char *const valid[] = {
        "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
        "userId=alice",
        "a=",
        "a=b=c",
        "a=%20%C3%BC",
        "a=1;p=",
        "SomeKey=1,x-!#$=2",
    };
    static const char *const broken[] = {
        "",        "a",      "=1",         "a b=1",  "a=b c",     "a=\"x\"",
        "a=1,",    ",a=1",   "a=1,,b=2",   "a=x\\y", "a=1;",      "a=1;=2",
        "a=1;p q", "a=\x7f", "a=\xc3\xbc", ";a=1",   "a\t\x01=1",
    };
    static char text[TRACE_BAGGAGE_BYTES_MAX + 2];
    (void)state;
    for (size_t i = 0; i < COUNT_OF(valid); i++)
        if (!trace_baggage_is_valid(slice_str(valid[i])))
            fail_msg("refused: %s", valid[i]);
    for (size_t i = 0; i < COUNT_OF(broken); i++)
        if (trace_baggage_is_valid(slice_str(broken[i])))
            fail_msg("taken: %s", broken[i]);
    assert_true(trace_baggage_is_valid(members(text, sizeof(text), TRACE_BAGGAGE_MEMBERS_MAX)));
    assert_false(
        trace_baggage_is_valid(members(text, sizeof(text), TRACE_BAGGAGE_MEMBERS_MAX + 1)));
    memset(text, 'a', sizeof(text));
    text[1] = '=';
    assert_true(trace_baggage_is_valid(slice_of(text, TRACE_BAGGAGE_BYTES_MAX)));
    assert_false(trace_baggage_is_valid(slice_of(text, TRACE_BAGGAGE_BYTES_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_valid),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(a_state_is_whole_or_nothing),
        cmocka_unit_test(baggage_is_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
