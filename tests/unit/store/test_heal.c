/* Tokens without rows are taken back; those with rows stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/must.h"
#include "base/os.h"
#include "store/heal_int.h"

static char root[64];

static int start(void **state)
{
    static const char *const parts[] = {"all_1_1_0", "all_2_7_1", "202611_9_9_0_12",
                                        "tmp_insert_all_8_8_0"};
    struct err err = ERR_INIT;
    char path[OS_PATH_MAX];
    (void)state;
    strcpy(root, "/tmp/weir-heal-XXXXXX");
    must(mkdtemp(root) != NULL);
    must(os_mkdirs(os_path(path, "%s/store/abc/u/deduplication_logs", root), &err) == RC_OK);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        must(os_mkdirs(os_path(path, "%s/store/abc/u/%s", root, parts[i]), &err) == RC_OK);
    return 0;
}

static int end(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    return os_remove_tree(root, &err) == RC_OK ? 0 : 1;
}

static void put(const char *name, const char *text)
{
    char path[OS_PATH_MAX];
    struct err err = ERR_INIT;
    os_path(path, "%s/store/abc/u/deduplication_logs/%s", root, name);
    must(os_write_file_durable(path, slice_str(text), &err) == RC_OK);
}

static void expect(const char *name, const char *text)
{
    char path[OS_PATH_MAX];
    struct err err = ERR_INIT;
    struct buf b;
    buf_init(&b, 1 << 20);
    os_path(path, "%s/store/abc/u/deduplication_logs/%s", root, name);
    must(os_read_file(path, &b, &err) == RC_OK);
    assert_string_equal(buf_cstr(&b), text);
    buf_done(&b);
}

static uint32_t heal(void)
{
    struct err err = ERR_INIT;
    uint32_t tokens;
    assert_int_equal(heal_deduplication(root, &tokens, &err), RC_OK);
    return tokens;
}

static void a_token_without_its_part_is_dropped_once(void **state)
{
    (void)state;
    const char before[] = "1\tall_1_1_0\tall_a\n1\tall_3_3_0\tall_b\n1\tall_8_8_0\tall_c\n";
    const char after[] = "1\tall_1_1_0\tall_a\n1\tall_3_3_0\tall_b\n1\tall_8_8_0\tall_c\n"
                         "2\tall_8_8_0\tall_c\n";
    put("deduplication_log_1.txt", before);
    put("deduplication_log_2.txt", before);
    assert_int_equal(heal(), 1);
    expect("deduplication_log_1.txt", before); /* only the newest file can hold it */
    expect("deduplication_log_2.txt", after);
    assert_int_equal(heal(), 0);
    expect("deduplication_log_2.txt", after);
}

static void parts_of_another_partition_cover_nothing(void **state)
{
    (void)state;
    put("deduplication_log_9.txt", "1\t202611_9_9_0\tx\n1\t202612_9_9_0\ty\n");
    put("deduplication_log_10.txt", "1\t202611_9_9_0\tx\n1\t202612_9_9_0\ty\n");
    assert_int_equal(heal(), 1);
    expect("deduplication_log_10.txt",
           "1\t202611_9_9_0\tx\n1\t202612_9_9_0\ty\n2\t202612_9_9_0\ty\n");
}

static void a_torn_line_is_cut(void **state)
{
    (void)state;
    put("deduplication_log_1.txt", "1\tall_1_1_0\tall_a\n1\tall_1_1_0\tal");
    assert_int_equal(heal(), 0);
    expect("deduplication_log_1.txt", "1\tall_1_1_0\tall_a\n");
    put("deduplication_log_1.txt", "1\tall_1_1_0");
    assert_int_equal(heal(), 0);
    expect("deduplication_log_1.txt", "");
    put("deduplication_log_1.txt", "");
    assert_int_equal(heal(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_without_its_part_is_dropped_once, start, end),
        cmocka_unit_test_setup_teardown(parts_of_another_partition_cover_nothing, start, end),
        cmocka_unit_test_setup_teardown(a_torn_line_is_cut, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
