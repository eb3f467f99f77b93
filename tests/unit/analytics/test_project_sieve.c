/* What of a stream would be rows: repeats by id and time, bots and poison are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/projector/project.h"

#define PROJECT "11111111-1111-4111-8111-111111111111"
static const char other[] = "22222222-2222-4222-8222-222222222222";

static struct project_sieve *sieve_of(bool drops_bots)
{
    struct project_sieve *s;
    struct uuid project;
    struct err err = ERR_INIT;
    assert_true(uuid_parse(SLICE_LIT(PROJECT), &project));
    assert_int_equal(project_sieve_new(&project, drops_bots, &s, &err), RC_OK);
    return s;
}

static enum project_why take_text(struct project_sieve *s, const char *value)
{
    enum project_why why;
    unix_ms t = {0};
    struct err err = ERR_INIT;
    const struct stream_record r = {.key = SLICE_LIT(PROJECT "/x"), .value = slice_str(value)};
    assert_int_equal(project_sieve_take(s, &r, &why, &t, &err), RC_OK);
    if (why == PROJECT_TAKEN)
        assert_int_equal(t.ms, 1767268800000); /* 2026-01-01T12:00:00Z */
    return why;
}

/* An event of the id 0…0n that was received on that day of January 2026. */
static enum project_why take(struct project_sieve *s, unsigned n, unsigned day, const char *more)
{
    char value[1024];
    snprintf(value, sizeof(value),
             "{\"id\":\"00000000-0000-4000-8000-%012u\",\"project\":\"" PROJECT
             "\",\"event\":\"e\",\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"received_at\":\"2026-"
             "01-%02uT12:00:00.000Z\",\"source\":\"api\"%s}",
             n, day, more);
    return take_text(s, value);
}

#define DEDUPE ",\"dedupe\":true"
#define HISTORICAL ",\"dedupe\":true,\"historical\":true"

static void a_repeat_is_none_within_seven_days_and_of_an_import_ever(void **state)
{
    struct project_sieve *s = sieve_of(false);
    (void)state;
    assert_int_equal(take(s, 1, 1, DEDUPE), PROJECT_TAKEN);
    assert_int_equal(take(s, 1, 7, DEDUPE), PROJECT_DUPLICATE);
    assert_int_equal(take(s, 1, 8, DEDUPE), PROJECT_TAKEN);
    assert_int_equal(take(s, 1, 2, DEDUPE), PROJECT_DUPLICATE);
    assert_int_equal(take(s, 1, 31, HISTORICAL), PROJECT_DUPLICATE);
    assert_int_equal(take(s, 2, 1, ""), PROJECT_TAKEN); /* an id that was made here */
    assert_int_equal(take(s, 2, 31, HISTORICAL), PROJECT_DUPLICATE);
    assert_int_equal(take(s, 3, 1, HISTORICAL), PROJECT_TAKEN);
    for (unsigned n = 10; n < 5000; n++)
        assert_int_equal(take(s, n, 1, DEDUPE), PROJECT_TAKEN);
    for (unsigned n = 10; n < 5000; n++)
        assert_int_equal(take(s, n, 1, DEDUPE), PROJECT_DUPLICATE);
    project_sieve_free(s);
}

static void poison_and_records_of_another_project_are_none(void **state)
{
    struct project_sieve *s = sieve_of(false);
    char value[512];
    (void)state;
    assert_int_equal(take_text(s, "{\"id\":"), PROJECT_POISON);
    assert_int_equal(take_text(s, "{}"), PROJECT_POISON);
    snprintf(value, sizeof(value),
             "{\"id\":\"00000000-0000-4000-8000-000000000001\",\"project\":\"%s\",\"event\":\"e\","
             "\"timestamp\":\"2026-01-01T12:00:00.000Z\",\"received_at\":\"2026-01-01T12:00:00."
             "000Z\",\"source\":\"api\"}",
             other);
    assert_int_equal(take_text(s, value), PROJECT_POISON);
    project_sieve_free(s);
}

static void a_bot_is_none_where_the_project_drops_them(void **state)
{
    static const char bot[] = ",\"user_agent\":\"Mozilla/5.0 (compatible; Googlebot/2.1; "
                              "+http://www.google.com/bot.html)\"";
    static const char person[] = ",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
                                 "Gecko/20100101 Firefox/140.0\"";
    (void)state;
    for (int drops = 0; drops < 2; drops++) {
        struct project_sieve *s = sieve_of(drops);
        assert_int_equal(take(s, 1, 1, bot), drops ? PROJECT_BOT : PROJECT_TAKEN);
        assert_int_equal(take(s, 2, 1, person), PROJECT_TAKEN);
        project_sieve_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeat_is_none_within_seven_days_and_of_an_import_ever),
        cmocka_unit_test(poison_and_records_of_another_project_are_none),
        cmocka_unit_test(a_bot_is_none_where_the_project_drops_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
