/* rejected_mask.h: what may not be kept goes, in whatever it stands; the rest stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analytics/rejected/rejected_mask.h"

static const struct ip nobody = {0, 0};

static void becomes_for(struct ip sender, const char *text, const char *want)
{
    struct buf out, twice;
    buf_init(&out, 4096);
    buf_init(&twice, 4096);
    rejected_mask(slice_str(text), sender, NULL, NULL, &out);
    assert_string_equal(buf_cstr(&out), want);
    rejected_mask(buf_slice(&out), sender, NULL, NULL, &twice);
    assert_string_equal(buf_cstr(&twice), want);
    buf_done(&out);
    buf_done(&twice);
}

static void becomes(const char *text, const char *want)
{
    becomes_for(nobody, text, want);
}

static void addresses_go_wherever_they_stand(void **state)
{
    (void)state;
    becomes("192.0.2.1", "0.0.0.0");
    becomes("seen at 192.0.2.1, 192.0.2.2.", "seen at 0.0.0.0, 0.0.0.0.");
    becomes("[\"192.0.2.1\",\"2001:db8::1\"]", "[\"0.0.0.0\",\"::\"]");
    becomes("https://192.0.2.1:8080/a?b=192.0.2.1", "https://0.0.0.0:8080/a?b=0.0.0.0");
    becomes("http://[2001:db8::1]/", "http://[::]/");
    becomes("::ffff:192.0.2.1", "0.0.0.0"); /* an IPv4 in IPv6's spelling */
    becomes("x=2001%3Adb8%3a%3A1&y=%22192.0.2.1%22", "x=::&y=%220.0.0.0%22");
    becomes("{\"a\":\"{\\\"b\\\":\\\"192.0.2.1\\\"}\"}", "{\"a\":\"{\\\"b\\\":\\\"0.0.0.0\\\"}\"}");
    becomes("{\"broken\":\"192.0.2.1", "{\"broken\":\"0.0.0.0");
}

static void what_is_called_an_address_goes_whatever_it_is(void **state)
{
    (void)state;
    becomes(
        "{\"ip\":\"3221225985\",\"$ip\": \"x\",\"X-Forwarded-For\":\"a, b\",\"ip\":\"\"}",
        "{\"ip\":\"0.0.0.0\",\"$ip\": \"0.0.0.0\",\"X-Forwarded-For\":\"0.0.0.0\",\"ip\":\"\"}");
    becomes("v=2&uip=c0000201&_uip=x&dl=y", "v=2&uip=0.0.0.0&_uip=0.0.0.0&dl=y");
    becomes("{\"ip\":\"open", "{\"ip\":\"0.0.0.0");
}

static uint32_t last_byte(void *ctx, struct ip address)
{
    (void)ctx;
    return (uint32_t)(address.low & 0xff);
}

static void an_address_that_is_known_is_its_place(void **state)
{
    static const struct {
        const char *text, *want;
    } table[] = {
        {"192.0.2.7 192.0.2.0", "0.0.0.7 0.0.0.0"},
        {"[2001:db8::1f]", "[::1f]"},
        {"{\"ip\":\"192.0.2.255\",\"$ip\":\"2001:db8::2\"}",
         "{\"ip\":\"0.0.0.255\",\"$ip\":\"::2\"}"},
        {"ip=192.0.2.9&uip=2001:db8::&ip=x", "ip=0.0.0.9&uip=0.0.0.0&ip=0.0.0.0"},
        {"{\"ip\":\"192.0.2.7", "{\"ip\":\"0.0.0.7"},
    };
    struct ip address;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct buf out;
        buf_init(&out, 4096);
        rejected_mask(slice_str(table[i].text), nobody, last_byte, NULL, &out);
        assert_string_equal(buf_cstr(&out), table[i].want);
        buf_done(&out);
    }
    assert_true(ip_parse(SLICE_LIT("0.0.0.255"), &address));
    assert_int_equal(rejected_place_of(address), 255);
    assert_true(ip_parse(SLICE_LIT("::1f"), &address));
    assert_int_equal(rejected_place_of(address), 0x1f);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const others[] = {"0.0.0.0", "0.0.1.1", "::100", "192.0.2.7"};
        assert_true(ip_parse(slice_str(others[i]), &address));
        assert_int_equal(rejected_place_of(address), 0);
    }
}

static void what_only_looks_like_one_stays(void **state)
{
    static const char *const texts[] = {
        "Mozilla/5.0 (X11) Chrome/120.0.0.0 Safari/537.36",
        "{\"browser_version\":\"120.0.0.0\",\"$lib_version\":\"1.2.3.4\"}",
        "\\\"Chromium\\\";v=\\\"120.0.0.0\\\"",
        "2026-11-26T07:19:10.000Z",
        "0198c0de-0000-7000-8000-000000000001",
        "aa:bb:cc:dd:ee:ff",
        "1.2.3",
        "1.2.3.4.5",
        "999.1.1.1",
        "{\"zip\":\"10115\",\"trip\":\"x\"}",
    };
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(texts); i++)
        becomes(texts[i], texts[i]);
}

static void a_version_is_the_whole_value(void **state)
{
    (void)state;
    becomes("{\"version\":\"of 192.0.2.1\"}", "{\"version\":\"of 0.0.0.0\"}");
    becomes("{\"203.0.113.7 version\":\"1.2.3.4\"}", "{\"0.0.0.0 version\":\"1.2.3.4\"}");
}

static void the_senders_own_address_goes_even_as_a_version(void **state)
{
    (void)state;
    becomes_for(IP_V4(192, 0, 2, 1), "X/192.0.2.1 Chrome/120.0.0.0", "X/0.0.0.0 Chrome/120.0.0.0");
    becomes_for(IP_V4(192, 0, 2, 1), "{\"version\":\"192.0.2.1\"}", "{\"version\":\"0.0.0.0\"}");
}

static void keys_and_secrets_go(void **state)
{
    (void)state;
    becomes("{\"key\":\"wk_0123456789abcdef\",\"api_key\":\"phx_0123456789\"}",
            "{\"key\":\"wk_***\",\"api_key\":\"phx_***\"}");
    becomes("Bearer sk_0123456789abcdef", "Bearer sk_***");
    becomes("{\"password\":\"p\",\"clientSecret\":\"q\"}",
            "{\"password\":\"***\",\"clientSecret\":\"***\"}");
    becomes("measurement_id=G-1&api_secret=abc", "measurement_id=G-1&api_secret=***");
    becomes("t eyJhbGciOiJI.eyJzdWIi.sig- end", "t eyJ*** end");
    becomes("{\"api_key\":\"phc_public\"}", "{\"api_key\":\"phc_public\"}");
}

/* Each quote could be the beginning of a name: that must not be looked for over the whole text. */
static void a_text_of_quotes_costs_little(void **state)
{
    enum { BYTES = 1 << 20 };
    static char text[BYTES];
    struct buf out;
    (void)state;
    buf_init(&out, 4 * BYTES);
    for (int i = 0; i < BYTES; i++)
        text[i] = i % 2 ? '"' : '\\';
    rejected_mask(slice_of(text, BYTES), nobody, NULL, NULL, &out);
    assert_int_equal(out.len, BYTES);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_go_wherever_they_stand),
        cmocka_unit_test(what_is_called_an_address_goes_whatever_it_is),
        cmocka_unit_test(an_address_that_is_known_is_its_place),
        cmocka_unit_test(what_only_looks_like_one_stays),
        cmocka_unit_test(a_version_is_the_whole_value),
        cmocka_unit_test(the_senders_own_address_goes_even_as_a_version),
        cmocka_unit_test(keys_and_secrets_go),
        cmocka_unit_test(a_text_of_quotes_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
