/* dlopen of libchdb and the search for it (chdb_int.h, child.h). */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"
#include "base/os.h"
#include "store/chdb_int.h"
#include "store/child.h"

static enum rc lookup(void *handle, const char *name, void *ret_fn, struct err *err)
{
    void *fn = dlsym(handle, name);
    if (!fn)
        return err_set(err, RC_UNSUPPORTED, "libchdb has no %s: version 26.7 is needed", name);
    memcpy(ret_fn, &fn, sizeof(fn)); /* C has no conversion from void * to a function */
    return RC_OK;
}

enum rc chdb_load(const char *path, struct chdb *ret_chdb, struct err *err)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return err_set(err, RC_UNAVAILABLE, "cannot load %s: %s", path, dlerror());
    struct chdb c = {.handle = handle};
    const struct {
        const char *name;
        void *fn;
    } table[] = {
        {"chdb_connect", &c.connect},
        {"chdb_close_conn", &c.close},
        {"chdb_query_with_params_n", &c.query},
        {"chdb_stream_query_with_params_n", &c.stream},
        {"chdb_stream_fetch_result", &c.stream_fetch},
        {"chdb_stream_cancel_query", &c.stream_cancel},
        {"chdb_stream_insert_with_params_n", &c.insert},
        {"chdb_stream_append", &c.insert_append},
        {"chdb_stream_done", &c.insert_done},
        {"chdb_stream_cancel_insert", &c.insert_cancel},
        {"chdb_stream_insert_error", &c.insert_error},
        {"chdb_destroy_insert_stream", &c.insert_destroy},
        {"chdb_result_buffer", &c.result_buffer},
        {"chdb_result_length", &c.result_length},
        {"chdb_result_error", &c.result_error},
        {"chdb_result_rows_read", &c.result_rows},
        {"chdb_result_storage_rows_read", &c.result_rows_read},
        {"chdb_result_storage_bytes_read", &c.result_bytes_read},
        {"chdb_result_rows_written", &c.result_rows_written},
        {"chdb_result_bytes_written", &c.result_bytes_written},
        {"chdb_destroy_query_result", &c.result_destroy},
        {"chdb_set_signal_handlers_enabled", &c.set_signal_handlers},
        {"chdb_version", &c.version},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        TRY(lookup(handle, table[i].name, table[i].fn, err));
    *ret_chdb = c;
    return RC_OK;
}

#if defined(__aarch64__)
#define CHDB_PACKAGE "@chdb/lib-linux-arm64-gnu"
#else
#define CHDB_PACKAGE "@chdb/lib-linux-x64-gnu"
#endif

enum rc store_library_find(char *ret_path, size_t ret_bytes, struct err *err)
{
    char exe[OS_PATH_MAX], candidate[OS_PATH_MAX];
    must(ret_bytes >= OS_PATH_MAX);
    const char *from_env = getenv("WEIR_CHDB_LIBRARY");
    if (from_env && from_env[0]) {
        if (!os_exists(from_env))
            return err_set(err, RC_NOTFOUND, "WEIR_CHDB_LIBRARY names %s, which is not there",
                           from_env);
        os_path(ret_path, "%s", from_env);
        return RC_OK;
    }
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 128);
    if (n <= 0)
        return err_sys(err, errno, "cannot read /proc/self/exe");
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    /* Beside the binary, where packages install it, and in the tree that built it (at any depth).
     */
    static const char *const places[] = {"%s/libchdb.so",
                                         "%s/../lib/weir/libchdb.so",
                                         "%s/node_modules/" CHDB_PACKAGE "/libchdb.so",
                                         "%s/../node_modules/" CHDB_PACKAGE "/libchdb.so",
                                         "%s/../../node_modules/" CHDB_PACKAGE "/libchdb.so",
                                         "%s/../../../node_modules/" CHDB_PACKAGE "/libchdb.so",
                                         "%s/../../../../node_modules/" CHDB_PACKAGE "/libchdb.so"};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *suffix = places[i] + 2;
        os_path(candidate, "%s%s", exe, suffix);
        if (os_exists(candidate)) {
            os_path(ret_path, "%s", candidate);
            return RC_OK;
        }
    }
    return err_set(err, RC_NOTFOUND,
                   "libchdb.so was not found: run `npm ci` in the source tree, or set "
                   "WEIR_CHDB_LIBRARY to its path");
}
