#include "archive_test.h"

#include <errno.h>
#include <fcntl.h>

static char dir[OS_PATH_MAX];
static struct object_store *store;
static struct err err;

static int setup(void **state)
{
    (void)state;
    temp_dir(dir);
    assert_ok(object_folder_new(dir, &store, &err));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    object_store_free(store);
    store = NULL;
    remove_dir(dir);
    return 0;
}

static void put(const char *key, const char *content)
{
    assert_ok(object_put(store, key, slice_str(content), &err));
}

static void assert_content(const char *key, const char *content)
{
    struct buf got;
    uint64_t total = 0;
    buf_init(&got, 1 << 20);
    assert_ok(object_get(store, key, 0, 1 << 20, &got, &total, &err));
    assert_true(slice_eq_str(buf_slice(&got), content));
    assert_int_equal(total, strlen(content));
    buf_done(&got);
}

static void keys_that_could_leave_the_store_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "/",      "/a",    "a/",       "a//b",   "..",
                                      "../a", "a/../b", "a/..",  ".tmp/a",   "a/.hid", "a b",
                                      "a\\b", "a\nb",   "a%2fb", "\xc3\xa9", "a:b",    "~/x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(object_put(store, bad[i], SLICE_LIT("x"), &err), RC_INVALID);
    char longest[OBJECT_KEY_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    for (size_t i = 100; i < sizeof(longest); i += 100)
        longest[i] = '/';
    assert_true(object_key_is_valid(slice_of(longest, OBJECT_KEY_MAX)));
    assert_false(object_key_is_valid(slice_of(longest, OBJECT_KEY_MAX + 1)));
    longest[100] = 'a';
    longest[200] = 'a';
    assert_false(object_key_is_valid(slice_of(longest, 250)));
    assert_true(object_key_is_valid(SLICE_LIT("events/dt=2026-11-24/hour=08/p0000-1.ndjson.zst")));
}

static void what_was_put_is_got_whole_and_in_ranges(void **state)
{
    (void)state;
    struct buf got;
    uint64_t total, bytes;
    put("a/b/c.txt", "0123456789");
    assert_content("a/b/c.txt", "0123456789");
    buf_init(&got, 4);
    assert_ok(object_get(store, "a/b/c.txt", 7, 100, &got, &total, &err));
    assert_true(slice_eq_str(buf_slice(&got), "789"));
    assert_int_equal(total, 10);
    buf_clear(&got);
    assert_ok(object_get(store, "a/b/c.txt", 10, 100, &got, &total, &err));
    assert_int_equal(got.len, 0);
    assert_int_equal(object_get(store, "a/b/c.txt", 0, 100, &got, &total, &err), RC_LIMIT);
    buf_done(&got);
    assert_ok(object_head(store, "a/b/c.txt", &bytes, &err));
    assert_int_equal(bytes, 10);
    put("a/b/c.txt", "");
    assert_content("a/b/c.txt", "");
}

static void what_is_not_there_is_not_found(void **state)
{
    (void)state;
    uint64_t bytes;
    struct buf got;
    buf_init(&got, 10);
    put("a/b", "x");
    assert_int_equal(object_head(store, "a", &bytes, &err), RC_NOTFOUND);
    assert_int_equal(object_head(store, "z/z", &bytes, &err), RC_NOTFOUND);
    assert_int_equal(object_get(store, "z", 0, 1, &got, NULL, &err), RC_NOTFOUND);
    assert_ok(object_remove(store, "z", &err));
    assert_ok(object_remove(store, "a/b", &err));
    assert_int_equal(object_head(store, "a/b", &bytes, &err), RC_NOTFOUND);
    buf_done(&got);
}

static void a_multipart_object_appears_only_when_complete(void **state)
{
    (void)state;
    struct object_upload *u = NULL;
    uint64_t bytes;
    assert_ok(object_upload_begin(store, "m/x", &u, &err));
    assert_ok(object_upload_part(store, u, SLICE_LIT("first,"), &err));
    assert_int_equal(object_head(store, "m/x", &bytes, &err), RC_NOTFOUND);
    assert_ok(object_upload_part(store, u, SLICE_LIT("second"), &err));
    assert_ok(object_upload_complete(store, u, &err));
    assert_content("m/x", "first,second");
    assert_ok(object_upload_begin(store, "m/x", &u, &err));
    assert_ok(object_upload_part(store, u, SLICE_LIT("other"), &err));
    object_upload_abort(store, u);
    assert_content("m/x", "first,second");
}

static void sweeping_drops_unfinished_uploads_only(void **state)
{
    (void)state;
    struct object_upload *u = NULL;
    char temp[OS_PATH_MAX];
    char **names;
    size_t n;
    put("keep", "x");
    assert_ok(object_upload_begin(store, "m/x", &u, &err));
    assert_ok(object_sweep(store, &err));
    object_upload_abort(store, u);
    os_path(temp, "%s/.tmp", dir);
    assert_ok(os_list(temp, &names, &n, &err));
    assert_int_equal(n, 0);
    os_list_free(names, n);
    assert_content("keep", "x");
}

static void listing_is_in_byte_order_of_whole_keys(void **state)
{
    (void)state;
    static const char *const sorted[] = {"a-b",   "a.c/x", "a/0", "a/b/c",
                                         "a/b/d", "a/b0",  "a0",  "b/a"};
    for (size_t i = COUNT_OF(sorted); i-- > 0;)
        put(sorted[i], "x");
    struct object_info *items = calloc(OBJECT_PAGE_MAX, sizeof(*items));
    struct object_page page = {.items = items};
    assert_ok(object_list(store, "", "", &page, &err));
    assert_int_equal(page.count, COUNT_OF(sorted));
    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        assert_string_equal(items[i].key, sorted[i]);
    for (size_t i = 0; i < COUNT_OF(sorted); i++) { /* after each of them: the rest */
        assert_ok(object_list(store, "", sorted[i], &page, &err));
        assert_int_equal(page.count, COUNT_OF(sorted) - 1 - i);
    }
    assert_ok(object_list(store, "a/b", "", &page, &err));
    assert_int_equal(page.count, 3);
    assert_ok(object_list(store, "a/b/", "a/b/c", &page, &err));
    assert_int_equal(page.count, 1);
    assert_string_equal(items[0].key, "a/b/d");
    assert_int_equal(object_list(store, "../", "", &page, &err), RC_INVALID);
    free(items);
}

static enum rc count_one(void *ctx, const struct object_info *info, struct err *e)
{
    (void)e;
    uint32_t *n = ctx;
    char want[32];
    snprintf(want, sizeof(want), "d%u/%05u", *n / 700, *n);
    assert_string_equal(info->key, want);
    (*n)++;
    return RC_OK;
}

static void pages_join_without_gap_or_double(void **state)
{
    (void)state;
    uint32_t n = 0;
    for (uint32_t i = 0; i < OBJECT_PAGE_MAX + 500; i++) {
        char path[OS_PATH_MAX];
        struct err e = ERR_INIT;
        int fd;
        os_path(path, "%s/d%u", dir, i / 700);
        assert_ok(os_mkdirs(path, &e));
        os_path(path, "%s/d%u/%05u", dir, i / 700, i);
        assert_ok(os_open(path, O_CREAT | O_WRONLY, &fd, &e));
        os_close(fd);
    }
    assert_ok(object_each(store, "", count_one, &n, &err));
    assert_int_equal(n, OBJECT_PAGE_MAX + 500);
}

static struct os_calls calls;
static int fails_fsync(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}
static ssize_t fails_write(int fd, const void *from, size_t n)
{
    (void)fd, (void)from, (void)n;
    errno = ENOSPC;
    return -1;
}

static void a_failed_write_leaves_the_former_object(void **state)
{
    (void)state;
    put("a/b", "former");
    calls = os_calls_real;
    calls.fsync = fails_fsync;
    os_calls_set(&calls);
    assert_int_equal(object_put(store, "a/b", SLICE_LIT("later"), &err), RC_IO);
    calls = os_calls_real;
    calls.write = fails_write;
    assert_int_equal(object_put(store, "a/b", SLICE_LIT("later"), &err), RC_NOSPACE);
    os_calls_set(NULL);
    assert_content("a/b", "former");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_that_could_leave_the_store_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_put_is_got_whole_and_in_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_multipart_object_appears_only_when_complete, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sweeping_drops_unfinished_uploads_only, setup, teardown),
        cmocka_unit_test_setup_teardown(listing_is_in_byte_order_of_whole_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_join_without_gap_or_double, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_the_former_object, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
