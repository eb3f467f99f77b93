/* What the rules and hints say of user agents, case by case: cases.txt. After an update of the npm
 * packages: test_ua_golden cases.txt --print > new.txt, and look at what has changed.
 *
 * A case is a line "ua: …", lines of hints ("brands: …", "platform: …" …) and, in one line behind
 * "= ", browser, version, system, version, brand, model, device, reason, with " | " between; "-" is
 * an empty one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/os.h"
#include "ua/ua.h"

enum { FILE_BYTES_MAX = 1 << 20, LINE_BYTES_MAX = 4096 };
static const char *path;
static bool is_printing;
static struct ua_set *set;
static struct ua_parser *parser;

struct one {
    struct slice ua;
    struct ua_hints hints;
    bool is_begun;
};

static bool take_line(struct one *c, struct slice line)
{
    static const struct {
        const char *name;
        size_t offset;
    } hints[] = {{"brands", offsetof(struct ua_hints, brands)},
                 {"platform", offsetof(struct ua_hints, platform)},
                 {"platform_version", offsetof(struct ua_hints, platform_version)},
                 {"model", offsetof(struct ua_hints, model)},
                 {"mobile", offsetof(struct ua_hints, mobile)}};
    struct slice value = line, name = slice_cut(&value, ':');
    value = slice_sub(value, 1);
    if (slice_eq_str(name, "ua")) {
        *c = (struct one){.ua = value, .is_begun = true};
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(hints); i++) {
        if (!slice_eq_str(name, hints[i].name))
            continue;
        memcpy((char *)&c->hints + hints[i].offset, &value, sizeof(value));
        return true;
    }
    return false;
}

static const char *answer(const struct one *c, struct buf *to)
{
    struct ua_result r;
    ua_parse(parser, c->ua, &c->hints, &r);
    struct slice parts[] = {r.browser_name,
                            r.browser_version,
                            r.os_name,
                            r.os_version,
                            r.device_brand,
                            r.device_model,
                            slice_str(ua_device_name(r.device)),
                            slice_str(ua_reason_name(r.reason))};
    buf_clear(to);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        buf_addf(to, "%s%.*s", i ? " | " : "", SLICE_ARG(parts[i].len ? parts[i] : SLICE_LIT("-")));
    return buf_cstr(to);
}

static void end_case(struct one *c, struct buf *to)
{
    if (c->is_begun && is_printing)
        printf("= %s\n", answer(c, to));
    c->is_begun = false;
}

/* Number of cases; each line of a failed one is printed. */
static unsigned run(struct slice text, unsigned *ret_failed)
{
    CLEANUP(buf_done) struct buf to;
    struct one c = {.is_begun = false};
    unsigned cases = 0;
    buf_init(&to, LINE_BYTES_MAX);
    while (text.len) {
        struct slice line = slice_cut(&text, '\n');
        bool is_answer = slice_has_prefix(line, SLICE_LIT("= "));
        if (line.len == 0 || line.data[0] == '#' || slice_has_prefix(line, SLICE_LIT("ua: ")))
            end_case(&c, &to);
        if (is_printing && !is_answer)
            printf("%.*s\n", SLICE_ARG(line));
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (!is_answer) {
            assert_true(take_line(&c, line));
            cases += slice_has_prefix(line, SLICE_LIT("ua: "));
        } else if (!is_printing && !slice_eq_str(slice_sub(line, 2), answer(&c, &to))) {
            ++*ret_failed;
            print_error("%.*s\n  want %.*s\n  got  %s\n", SLICE_ARG(c.ua),
                        SLICE_ARG(slice_sub(line, 2)), buf_cstr(&to));
        }
        c.is_begun &= !is_answer || is_printing;
    }
    end_case(&c, &to);
    return cases;
}

static void every_case_is_answered_as_it_was(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf file;
    unsigned failed = 0;
    buf_init(&file, FILE_BYTES_MAX);
    assert_int_equal(os_read_file(path, &file, NULL), RC_OK);
    assert_int_equal(ua_set_new(&set), RC_OK);
    assert_int_equal(ua_parser_new(set, 0, &parser), RC_OK);
    unsigned cases = run(buf_slice(&file), &failed);
    ua_parser_free(parser);
    ua_set_free(set);
    assert_true(cases >= 150);
    assert_int_equal(failed, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_is_answered_as_it_was)};
    if (argc < 2)
        return 2;
    path = argv[1];
    is_printing = argc > 2;
    if (is_printing) {
        every_case_is_answered_as_it_was(NULL);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
