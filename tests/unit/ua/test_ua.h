#ifndef WEIR_TEST_UA_H
#define WEIR_TEST_UA_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ua/ua_int.h"

static struct ua_set *set;
static struct ua_parser *parser;

static inline int ua_setup(void **state)
{
    (void)state;
    assert_int_equal(ua_set_new(&set), RC_OK);
    assert_int_equal(ua_parser_new(set, 1 << 16, &parser), RC_OK);
    return 0;
}

static inline int ua_teardown(void **state)
{
    (void)state;
    ua_parser_free(parser);
    ua_set_free(set);
    return 0;
}

static inline void assert_slice(struct slice got, const char *want)
{
    if (!slice_eq_str(got, want))
        print_error("got \"%.*s\", want \"%.*s\"\n", SLICE_ARG(got), SLICE_ARG(slice_str(want)));
    assert_true(slice_eq_str(got, want));
}
#endif
