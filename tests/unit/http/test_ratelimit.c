/* The fields that tell a client about its limits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "http/ratelimit.h"

static const char *written(const struct ratelimit_item *items, uint32_t count, uint32_t retry_s)
{
    static char text[2048];
    struct ratelimit_fields f;
    size_t n = 0;
    ratelimit_fields(items, count, retry_s, &f);
    text[0] = '\0';
    for (uint32_t i = 0; i < f.count; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s: %.*s\n",
                              SLICE_ARG(f.fields[i].name), SLICE_ARG(f.fields[i].value));
    return text;
}

static void an_answer_tells_both_forms(void **state)
{
    (void)state;
    const struct ratelimit_item item = {"key", 100, 10, 50, 5};
    assert_string_equal(written(&item, 1, 0), "RateLimit-Policy: \"key\";q=100;w=10\n"
                                              "RateLimit: \"key\";r=50;t=5\n"
                                              "RateLimit-Limit: 100\n"
                                              "RateLimit-Remaining: 50\n"
                                              "RateLimit-Reset: 5\n");
}

static void a_refusal_names_no_time_behind_retry_after(void **state)
{
    (void)state;
    const struct ratelimit_item items[] = {{"address", 200, 2, 20, 2}, {"key", 1000, 10, 0, 10}};
    assert_string_equal(written(items, 2, 1),
                        "RateLimit-Policy: \"address\";q=200;w=2,\"key\";q=1000;w=10\n"
                        "RateLimit: \"address\";r=20;t=1,\"key\";r=0;t=1\n"
                        "RateLimit-Limit: 1000\n"
                        "RateLimit-Remaining: 0\n"
                        "RateLimit-Reset: 1\n"
                        "Retry-After: 1\n");
}

static void a_refusal_without_a_bucket_has_retry_after_alone(void **state)
{
    (void)state;
    assert_string_equal(written(NULL, 0, 3600), "Retry-After: 3600\n");
    assert_string_equal(written(NULL, 0, 0), "");
}

static void the_largest_numbers_fit_a_structured_field(void **state)
{
    (void)state;
    static const char name[] = "abcdefghijklmnopqrstuvwxyz012345"; /* 32 bytes */
    struct ratelimit_item items[RATELIMIT_ITEMS_MAX];
    for (int i = 0; i < RATELIMIT_ITEMS_MAX; i++)
        items[i] = (struct ratelimit_item){name, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const char *text = written(items, RATELIMIT_ITEMS_MAX, UINT32_MAX);
    assert_non_null(strstr(text, ";q=999999999999999;w=999999999999999,"));
    assert_non_null(strstr(text, "RateLimit-Limit: 999999999999999\n"));
    items[0].window_s = 0; /* "MUST be non-zero" */
    assert_non_null(strstr(written(items, 1, 0), ";w=1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_tells_both_forms),
        cmocka_unit_test(a_refusal_names_no_time_behind_retry_after),
        cmocka_unit_test(a_refusal_without_a_bucket_has_retry_after_alone),
        cmocka_unit_test(the_largest_numbers_fit_a_structured_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
