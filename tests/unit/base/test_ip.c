/* Addresses: what is one, how it is written, and that the two spellings of an IPv4 address meet. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/ip.h"

static void assert_written(const char *text, const char *expected)
{
    struct ip a;
    char out[IP_TEXT_BYTES];
    assert_true(ip_parse(slice_str(text), &a));
    assert_string_equal(ip_format(a, out), expected);
}

static void addresses_are_written_in_one_way(void **state)
{
    (void)state;
    assert_written("192.0.2.1", "192.0.2.1");
    assert_written("0.0.0.0", "0.0.0.0");
    assert_written("255.255.255.255", "255.255.255.255");
    assert_written("::ffff:192.0.2.1", "192.0.2.1");
    assert_written("::FFFF:c000:201", "192.0.2.1");
    assert_written("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1");
    assert_written("::", "::");
    assert_written("::1", "::1");
    assert_written("2001:DB8:0:0:8:0:0:1", "2001:db8::8:0:0:1");
    assert_written("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const struct slice wrong[] = {
        SLICE_CONST(""),
        SLICE_CONST(" 1.2.3.4"),
        SLICE_CONST("1.2.3"),
        SLICE_CONST("1.2.3.4.5"),
        SLICE_CONST("1.2.3.256"),
        SLICE_CONST("01.2.3.4"), /* octal to some */
        SLICE_CONST("0x1.2.3.4"),
        SLICE_CONST("16909060"),
        SLICE_CONST("1.2.3.4\0"),
        SLICE_CONST("1.2.3.4:80"),
        SLICE_CONST("1.2.3.4/32"),
        SLICE_CONST("[::1]"),
        SLICE_CONST("fe80::1%eth0"),
        SLICE_CONST(":::"),
        SLICE_CONST("1::2::3"),
        SLICE_CONST("12345::"),
        SLICE_CONST("::ffff:1.2.3.4:5:6:7:8:9:10:11:12:13:14:15:16:17:18"),
        SLICE_CONST("localhost"),
    };
    struct ip a;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(ip_parse(wrong[i], &a));
}

static struct ip of_text(const char *text)
{
    struct ip a;
    assert_true(ip_parse(slice_str(text), &a));
    return a;
}

static void order_is_that_of_the_numbers(void **state)
{
    (void)state;
    assert_true(ip_is_before(of_text("::1"), of_text("10.0.0.0")));
    assert_true(ip_is_before(of_text("10.0.0.0"), of_text("10.0.0.1")));
    assert_true(ip_is_before(of_text("10.0.0.1"), of_text("2001:db8::")));
    assert_true(ip_is_before(of_text("2001:db8::"), of_text("2001:db8::1")));
    assert_false(ip_is_before(of_text("2001:db8::"), of_text("2001:db8::")));
    assert_true(ip_eq(IP_V4(192, 0, 2, 1), of_text("192.0.2.1")));
    assert_true(ip_is_v4(of_text("::ffff:0:0")));
    assert_false(ip_is_v4(of_text("::1.2.3.4"))); /* IPv4-compatible is something else */
}

static void every_kind_of_peer_has_an_address(void **state)
{
    (void)state;
    struct sockaddr_storage peer = {.ss_family = AF_UNIX};
    struct ip a;
    assert_true(ip_of_sockaddr(&peer, &a));
    assert_true(ip_eq(a, of_text("127.0.0.1")));
    struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(0xc0000201)}};
    assert_true(ip_of_sockaddr(&peer, &a));
    assert_true(ip_eq(a, of_text("192.0.2.1")));
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&peer;
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    memcpy(v6->sin6_addr.s6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
    assert_true(ip_of_sockaddr(&peer, &a));
    assert_true(ip_eq(a, of_text("192.0.2.1")));
    peer.ss_family = AF_UNSPEC;
    assert_false(ip_of_sockaddr(&peer, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written_in_one_way),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(order_is_that_of_the_numbers),
        cmocka_unit_test(every_kind_of_peer_has_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
