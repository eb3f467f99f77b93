/* Runs a fuzz harness over the files of a corpus folder: the corpus as a plain test, without
 * libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
    struct buf b;
    struct err err = ERR_INIT;
    buf_init(&b, 16 << 20);
    enum rc rc = os_read_file(path, &b, &err);
    if (rc == RC_OK) {
        /* An exact copy on the heap, so that a sanitizer sees a byte read past the end. */
        uint8_t *copy = malloc(b.len ? b.len : 1);
        if (b.len)
            memcpy(copy, b.data, b.len);
        LLVMFuzzerTestOneInput(copy, b.len);
        free(copy);
    } else {
        printf("# %s\n", err.text);
    }
    buf_done(&b);
    return rc == RC_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    char **names;
    size_t n;
    int failed = 0;
    struct err err = ERR_INIT;
    if (argc != 2 || os_list(argv[1], &names, &n, &err) != RC_OK || n == 0) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER (with files in it) %s\n", argv[0], err.text);
        return 2;
    }
    for (size_t i = 0; i < n; i++) {
        char path[OS_PATH_MAX];
        failed |= replay(os_path(path, "%s/%s", argv[1], names[i]));
    }
    os_list_free(names, n);
    printf("%s 1 - %zu inputs of %s\n1..1\n", failed ? "not ok" : "ok", n, argv[1]);
    return failed;
}
