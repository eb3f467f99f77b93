#include "base_test.h"

#include <errno.h>

#include "base/must.h"
#include "base/rc.h"

static void every_code_has_a_name_a_text_and_a_status(void **state)
{
    (void)state;
    for (int i = 0; i < RC_COUNT; i++) {
        assert_true(strlen(rc_name((enum rc)i)) > 0);
        assert_true(strlen(rc_text((enum rc)i)) > 0);
        assert_in_range(rc_http_status((enum rc)i), 200, 599);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rc_name((enum rc)i), rc_name((enum rc)j));
    }
    assert_string_equal(rc_name(RC_OK), "OK");
    assert_int_equal(RC_OK, 0);
    assert_int_equal(rc_http_status(RC_NOSPACE), 503);
    assert_true(rc_is_retryable(RC_BUSY));
    assert_false(rc_is_retryable(RC_INVALID));
}

static void errnos_map_to_codes(void **state)
{
    (void)state;
    static const struct {
        int sys_errno;
        enum rc rc;
    } cases[] = {{0, RC_OK},
                 {ENOENT, RC_NOTFOUND},
                 {EEXIST, RC_EXISTS},
                 {ENOMEM, RC_NOMEM},
                 {ENOSPC, RC_NOSPACE},
                 {EDQUOT, RC_NOSPACE},
                 {EMFILE, RC_BUSY},
                 {ENFILE, RC_BUSY},
                 {EACCES, RC_FORBIDDEN},
                 {EPERM, RC_FORBIDDEN},
                 {EAGAIN, RC_AGAIN},
                 {ETIMEDOUT, RC_TIMEOUT},
                 {EIO, RC_IO},
                 {EPIPE, RC_UNAVAILABLE},
                 {EBADF, RC_IO}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(rc_from_errno(cases[i].sys_errno), cases[i].rc);
}

static void an_err_keeps_code_errno_and_sentence(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(err_sys(&err, ENOSPC, "cannot write %s", "x.seg"), RC_NOSPACE);
    assert_int_equal(err.rc, RC_NOSPACE);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_string_equal(err.text, "cannot write x.seg: No space left on device");
    assert_int_equal(err_wrap(&err, "stream %s", "events"), RC_NOSPACE);
    assert_string_equal(err.text, "stream events: cannot write x.seg: No space left on device");
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(err_set(&err, RC_INVALID, "outer (%s)", err.text), RC_INVALID);
    assert_string_equal(err.text,
                        "outer (stream events: cannot write x.seg: No space left on device)");
    assert_int_equal(err.sys_errno, 0);
    assert_int_equal(err_set(NULL, RC_BUSY, "nobody listens"), RC_BUSY);
    assert_int_equal(err_sys(NULL, EIO, "nobody listens"), RC_IO);
}

static void long_texts_are_cut_and_terminated(void **state)
{
    (void)state;
    char big[2000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    struct err err = ERR_INIT;
    err_set(&err, RC_IO, "%s", big);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_wrap(&err, "%s", big);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    err_sys(&err, EIO, "%s", big);
    assert_non_null(strstr(err.text, "Input/output error"));
    err_set(&err, RC_IO, "short");
    err_wrap(&err, "%.*s", 396, big);
    assert_true(strlen(err.text) < sizeof(err.text));
}

static enum rc try_it(enum rc inner, int *reached)
{
    TRY(inner);
    *reached = 1;
    ENSURE(inner == RC_OK, RC_BUG);
    return RC_OK;
}

static void try_returns_early(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(try_it(RC_NOSPACE, &reached), RC_NOSPACE);
    assert_int_equal(reached, 0);
    assert_int_equal(try_it(RC_OK, &reached), RC_OK);
    assert_int_equal(reached, 1);
}

static void fail_must(void *ctx)
{
    int one = 1;
    (void)ctx;
    must(one == 2);
}

static void out_of_range(void *ctx)
{
    (void)ctx;
    IGNORE(rc_name(RC_COUNT) == NULL, "it aborts");
}

static void must_aborts(void **state)
{
    (void)state;
    int status = status_of_child(fail_must, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_dies(out_of_range, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_a_text_and_a_status),
        cmocka_unit_test(errnos_map_to_codes),
        cmocka_unit_test(an_err_keeps_code_errno_and_sentence),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(try_returns_early),
        cmocka_unit_test(must_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
