#ifndef WEIR_TESTS_BASE_TEST_H
#define WEIR_TESTS_BASE_TEST_H
/* What the unit tests of base/ share: cmocka's includes in the order it wants, children that are
 * expected to die, and stderr as a string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs fn(ctx) in a child with a silent stderr; the child's wait status. It ends with 0 if fn
 * returns. */
static inline int status_of_child(void (*fn)(void *ctx), void *ctx)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        fn(ctx);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static inline void assert_dies(void (*fn)(void *ctx), void *ctx)
{
    assert_int_not_equal(status_of_child(fn, ctx), 0);
}

/* Everything fn writes to fd 2, as a string in text. */
static inline size_t stderr_of(void (*fn)(void *ctx), void *ctx, char *text, size_t text_bytes)
{
    char name[] = "/tmp/weir-test-XXXXXX";
    int fd = mkstemp(name), kept = dup(STDERR_FILENO);
    assert_true(fd >= 0 && kept >= 0);
    unlink(name);
    dup2(fd, STDERR_FILENO);
    fn(ctx);
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t n = pread(fd, text, text_bytes - 1, 0);
    close(fd);
    assert_true(n >= 0);
    text[n] = '\0';
    return (size_t)n;
}
#endif
