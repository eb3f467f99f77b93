/* Lists of ranges: what they hold, at both edges, and what a refusal tells to write. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "http/cidr.h"

static struct ip address_of(const char *text)
{
    struct ip a;
    assert_true(ip_parse(slice_str(text), &a));
    return a;
}

/* Every address of inside is held, none of outside; both are lists with one space between. */
static void check(const char *list, const char *inside, const char *outside)
{
    struct cidr_set set;
    struct err err = ERR_INIT;
    if (cidr_set_parse(slice_str(list), &set, &err) != RC_OK)
        fail_msg("%s: %s", list, err.text);
    const char *const texts[2] = {inside, outside};
    for (int i = 0; i < 2; i++) {
        struct slice rest = slice_str(texts[i]);
        while (rest.len) {
            struct slice one = slice_cut(&rest, ' ');
            struct ip a;
            assert_true(ip_parse(one, &a));
            if (cidr_set_has(&set, a) != (i == 0))
                fail_msg("%.*s in '%s'", SLICE_ARG(one), list);
        }
    }
    cidr_set_done(&set);
}

static void ranges_hold_their_edges_and_nothing_beyond(void **state)
{
    (void)state;
    check("10.0.0.0/8", "10.0.0.0 10.255.255.255 10.1.2.3", "9.255.255.255 11.0.0.0 ::a00:0");
    check("192.0.2.16/28", "192.0.2.16 192.0.2.31", "192.0.2.15 192.0.2.32");
    check("192.0.2.17", "192.0.2.17", "192.0.2.16 192.0.2.18");
    check("192.0.2.17/32", "192.0.2.17", "192.0.2.16 192.0.2.18");
    check("2001:db8::/32", "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
          "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9::");
    check("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::");
    check("2001:db8:0:0:8000::/65", "2001:db8:0:0:8000:: 2001:db8::ffff:ffff:ffff:ffff",
          "2001:db8::7fff:ffff:ffff:ffff 2001:db8:0:1::");
    check("2001:db8::1/128", "2001:db8::1", "2001:db8:: 2001:db8::2");
    check("2001:db8::8", "2001:db8::8", "2001:db8::7 2001:db8::9");
    check("fe80::/10", "fe80:: febf:ffff::", "fe7f:ffff:: fec0::");
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
    (void)state;
    check("10.0.0.0/8", "::ffff:10.1.2.3 ::ffff:a01:203", "::10.1.2.3 ::ffff:11.0.0.0");
    check("::ffff:10.0.0.0/104", "10.1.2.3 ::ffff:10.1.2.3", "11.0.0.0");
    check("::ffff:0:0/96", "0.0.0.0 255.255.255.255", "::fffe:ffff:ffff ::1:0:0:0");
}

static void all_of_ipv6_is_not_ipv4(void **state)
{
    (void)state;
    check("::/0",
          ":: ::1 ::fffe:ffff:ffff ::1:0:0:0 2001:db8::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          "0.0.0.0 10.0.0.1 255.255.255.255");
    check("::/80", ":: ::1 ::fffe:ffff:ffff", "10.0.0.1 0:0:0:0:1::");
    check("0.0.0.0/0", "0.0.0.0 10.0.0.1 255.255.255.255", ":: ::1 2001:db8::1");
    check("::/0, 0.0.0.0/0", ":: 0.0.0.0 10.0.0.1 255.255.255.255 2001:db8::1", "");
}

static void words_stand_for_ranges(void **state)
{
    (void)state;
    check("loopback", "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1",
          "126.255.255.255 128.0.0.0 :: ::2");
    check("private",
          "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 fc00:: "
          "fdff:ffff::",
          "127.0.0.1 ::1 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 fbff:ffff:: fe00:: "
          "169.254.0.1 100.64.0.1");
    check("private, loopback", "127.0.0.1 10.0.0.1 ::1", "8.8.8.8");
}

static void lists_may_overlap_and_have_space(void **state)
{
    (void)state;
    check(" 10.0.0.0/8 ,10.1.0.0/16,\t11.0.0.0/8, 10.0.0.0/8 ", "10.0.0.0 11.255.255.255",
          "9.255.255.255 12.0.0.0");
    check("", "", "0.0.0.0 :: 127.0.0.1");
    check("  ", "", "0.0.0.0");
    struct cidr_set set;
    assert_int_equal(cidr_set_parse(SLICE_LIT("11.0.0.0/8, 10.0.0.0/9, 10.128.0.0/9"), &set, NULL),
                     RC_OK);
    assert_int_equal(set.count, 1); /* touching ranges are one */
    cidr_set_done(&set);
    static const struct cidr_set empty;
    assert_false(cidr_set_has(&empty, address_of("127.0.0.1")));
}

static void a_refusal_says_what_to_write(void **state)
{
    (void)state;
    static const struct {
        const char *list, *told;
    } cases[] = {
        {"10.0.0.1/8",
         "'10.0.0.1/8' has bits set behind its prefix: write 10.0.0.0/8 for the range, "
         "or 10.0.0.1 for the one address"},
        {"::1, 2001:db8::1/32", "write 2001:db8::/32 for the range, or 2001:db8::1 for"},
        {"::ffff:10.0.0.1/104", "write 10.0.0.0/8 for the range, or 10.0.0.1 for"},
        {"::1/0", "write ::/0 for the range, or ::1 for"},
        {"10.0.0.0/33", "no prefix length of 0 to 32"},
        {"2001:db8::/129", "no prefix length of 0 to 128"},
        {"10.0.0.0/", "no prefix length"},
        {"10.0.0.0/+8", "no prefix length"},
        {"10.0.0.0/8/8", "no prefix length"},
        {"10.0.0.0/255.0.0.0", "written as its number of bits"},
        {"10.0.0.0/99999999999999999999", "no prefix length"},
        {"10/8", "neither an address"},
        {"010.0.0.0/8", "neither an address"},
        {"localhost", "neither an address"},
        {"Private", "the words loopback and private"},
        {"loopback/8", "neither an address"},
        {"10.0.0.1:80", "neither an address"},
        {"[::1]", "neither an address"},
        {"*", "neither an address"},
        {"10.0.0.0/8 10.1.0.0/16", "no prefix length"},
        {",", "an entry is empty"},
        {"10.0.0.1,,10.0.0.2", "an entry is empty"},
        {"10.0.0.1, ", "an entry is empty"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cidr_set set;
        struct err err = ERR_INIT;
        if (cidr_set_parse(slice_str(cases[i].list), &set, &err) != RC_INVALID)
            fail_msg("'%s' is taken", cases[i].list);
        if (!strstr(err.text, cases[i].told))
            fail_msg("'%s': %s", cases[i].list, err.text);
    }
}

static void lists_have_limits(void **state)
{
    (void)state;
    struct buf list;
    struct cidr_set set;
    buf_init(&list, CIDR_TEXT_BYTES_MAX * 2);
    for (unsigned i = 0; i < CIDR_ENTRIES_MAX; i++)
        buf_addf(&list, "%s10.%u.%u.8/30", i ? "," : "", i >> 8, i & 0xff);
    assert_int_equal(cidr_set_parse(buf_slice(&list), &set, NULL), RC_OK);
    assert_int_equal(set.count, CIDR_ENTRIES_MAX);
    assert_true(cidr_set_has(&set, address_of("10.15.255.11")));
    assert_true(cidr_set_has(&set, address_of("10.0.0.8")));
    assert_false(cidr_set_has(&set, address_of("10.7.7.12")));
    cidr_set_done(&set);
    buf_add_str(&list, ",::1");
    assert_int_equal(cidr_set_parse(buf_slice(&list), &set, NULL), RC_LIMIT);
    buf_clear(&list);
    for (unsigned i = 0; i <= CIDR_TEXT_BYTES_MAX; i++)
        buf_add_char(&list, ' ');
    assert_int_equal(cidr_set_parse(buf_slice(&list), &set, NULL), RC_LIMIT);
    buf_done(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_hold_their_edges_and_nothing_beyond),
        cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
        cmocka_unit_test(all_of_ipv6_is_not_ipv4),
        cmocka_unit_test(words_stand_for_ranges),
        cmocka_unit_test(lists_may_overlap_and_have_space),
        cmocka_unit_test(a_refusal_says_what_to_write),
        cmocka_unit_test(lists_have_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
