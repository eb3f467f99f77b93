/* WHAT: the CPU time a process has used, from /proc, in all and by thread.
 * The kernel counts in ticks (10 ms): measure for seconds. */
#include "load_int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/os.h"

/* utime + stime: the 14th and 15th field; the name, second, is in parentheses and may hold any
 * byte. */
static enum rc read_stat(const char *path, char ret_name[16], uint64_t *ret_us, struct err *err)
{
    struct buf text;
    buf_init(&text, 4096);
    enum rc rc = os_read_file(path, &text, err);
    const char *open = rc == RC_OK ? memchr(text.data, '(', text.len) : NULL;
    const char *close = rc == RC_OK ? memrchr(text.data, ')', text.len) : NULL;
    if (rc == RC_OK && (!open || !close))
        rc = err_set(err, RC_CORRUPT, "%s cannot be read", path);
    if (rc == RC_OK) {
        size_t name_len = (size_t)(close - open) - 1;
        name_len = name_len > 15 ? 15 : name_len;
        memcpy(ret_name, open + 1, name_len);
        ret_name[name_len] = '\0';
        struct slice rest = slice_of(close + 2, text.len - (size_t)(close + 2 - text.data));
        uint64_t ticks = 0;
        for (int field = 3; field <= 15; field++) {
            struct slice word = slice_cut(&rest, ' ');
            uint64_t value;
            if (field >= 14 && slice_to_u64(word, &value))
                ticks += value;
        }
        *ret_us = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    }
    buf_done(&text);
    return rc;
}

enum rc cpu_read(int pid, struct cpu_sample *ret, struct err *err)
{
    char path[OS_PATH_MAX], name[16];
    *ret = (struct cpu_sample){0};
    TRY(read_stat(os_path(path, "/proc/%d/stat", pid), name, &ret->us, err));
    char **tids;
    size_t count;
    TRY(os_list(os_path(path, "/proc/%d/task", pid), &tids, &count, err));
    for (size_t i = 0; i < count && ret->thread_count < CPU_THREADS_MAX; i++) {
        struct cpu_thread *t = &ret->threads[ret->thread_count];
        uint64_t tid;
        os_path(path, "/proc/%d/task/%s/stat", pid, tids[i]);
        /* A thread may end between the list and the look. */
        if (slice_to_u64(slice_str(tids[i]), &tid) &&
            read_stat(path, t->name, &t->us, NULL) == RC_OK) {
            t->tid = (int)tid;
            ret->thread_count++;
        }
    }
    os_list_free(tids, count);
    return RC_OK;
}
