/* The list of properties with columns, what these are called, and what is wrong with a list. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "analytics/event/property_columns.h"

static struct property_columns *made(const char *list)
{
    struct property_columns *c = NULL;
    struct err err = ERR_INIT;
    assert_int_equal(property_columns_new(slice_str(list), &c, &err), RC_OK);
    return c;
}

static void lists(void **state)
{
    (void)state;
    struct property_columns *none = made(" "), *two = made(" plan , a b");
    assert_int_equal(none->count, 0);
    assert_int_equal(two->count, 2);
    assert_string_equal(two->columns[0].name, "plan");
    assert_string_equal(two->columns[1].name, "a b");
    property_columns_free(none);
    property_columns_free(two);
    property_columns_free(NULL);
}

static void columns_are_found_when_they_are_there(void **state)
{
    (void)state;
    struct property_columns *c = made("plan,it's `x\\~,\xc3\xbc$");
    assert_null(property_columns_find(c, SLICE_LIT("plan")));
    atomic_store(&c->is_applied, true);
    assert_string_equal(property_columns_find(c, SLICE_LIT("plan")), "`property_plan`");
    assert_string_equal(property_columns_find(c, SLICE_LIT("it's `x\\~")),
                        "`property_it~27s~20~60x~5c~7e`");
    assert_string_equal(property_columns_find(c, SLICE_LIT("\xc3\xbc$")), "`property_~c3~bc~24`");
    assert_null(property_columns_find(c, SLICE_LIT("pla")));
    assert_null(property_columns_find(c, SLICE_LIT("plans")));
    assert_null(property_columns_find(c, SLICE_EMPTY));
    assert_null(property_columns_find(NULL, SLICE_LIT("plan")));
    property_columns_free(c);
}

static void wrong_lists_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *list, *why;
    } wrong[] = {
        {",", "between two commas"},
        {"a,", "between two commas"},
        {"a, ,b", "between two commas"},
        {"a,b,a", "'a' stands there twice"},
        {"01234567890123456789012345678901234567890", "is longer than 40 bytes"},
        {"0,1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w", "more than 32"},
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct property_columns *c = NULL;
        struct err err = ERR_INIT;
        assert_int_equal(property_columns_new(slice_str(wrong[i].list), &c, &err), RC_INVALID);
        assert_null(c);
        assert_non_null(strstr(err.text, wrong[i].why));
    }
    property_columns_free(made("0123456789012345678901234567890123456789"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(columns_are_found_when_they_are_there),
        cmocka_unit_test(wrong_lists_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
