#ifndef WEIR_STORE_CHDB_INT_H
#define WEIR_STORE_CHDB_INT_H
/* The functions of libchdb 26.7 that are used, declared by hand (its package ships no header) and
 * looked up with dlopen, so that the program needs the library only where an embedded store runs.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct chdb_result;
struct chdb_insert;
struct chdb_session; /* what a connection points to */

struct chdb_params {
    const char *const *names;
    const size_t *name_lens;
    const char *const *values;
    const size_t *value_lens;
    size_t count;
};
struct chdb {
    void *handle;
    struct chdb_session **(*connect)(int argc,
                                     char **argv); /* NULL on failure; close gives it back */
    void (*close)(struct chdb_session **conn);
    struct chdb_result *(*query)(struct chdb_session *, const char *, size_t, const char *, size_t,
                                 const char *const *, const size_t *, const char *const *,
                                 const size_t *, size_t);
    struct chdb_result *(*stream)(struct chdb_session *, const char *, size_t, const char *, size_t,
                                  const char *const *, const size_t *, const char *const *,
                                  const size_t *, size_t);
    struct chdb_result *(*stream_fetch)(struct chdb_session *, struct chdb_result *);
    void (*stream_cancel)(struct chdb_session *, struct chdb_result *);
    struct chdb_insert *(*insert)(struct chdb_session *, const char *, size_t, const char *, size_t,
                                  const char *const *, const size_t *, const char *const *,
                                  const size_t *, size_t);
    int (*insert_append)(struct chdb_insert *, const void *, size_t);
    struct chdb_result *(*insert_done)(struct chdb_insert *);
    void (*insert_cancel)(struct chdb_insert *);
    const char *(*insert_error)(struct chdb_insert *);
    void (*insert_destroy)(struct chdb_insert *);
    char *(*result_buffer)(struct chdb_result *);
    size_t (*result_length)(struct chdb_result *);
    const char *(*result_error)(struct chdb_result *);
    uint64_t (*result_rows)(struct chdb_result *);       /* of the result */
    uint64_t (*result_rows_read)(struct chdb_result *);  /* from storage */
    uint64_t (*result_bytes_read)(struct chdb_result *); /* from storage */
    uint64_t (*result_rows_written)(struct chdb_result *);
    uint64_t (*result_bytes_written)(struct chdb_result *);
    void (*result_destroy)(struct chdb_result *);
    void (*set_signal_handlers)(int enabled);
    const char *(*version)(void);
};
/* Loads the library; 0.4 … 1.6 s and 160 MB resident. It is never unloaded. */
enum rc chdb_load(const char *path, struct chdb *ret_chdb, struct err *err) MUST_CHECK;
#endif
