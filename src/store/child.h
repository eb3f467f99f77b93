#ifndef WEIR_STORE_CHILD_H
#define WEIR_STORE_CHILD_H
/* The embedded store: a child process `weir store` that loads libchdb and serves ClickHouse's HTTP
 * interface on a Unix socket (and, when set, a loopback TCP port), and the supervisor that starts
 * it and starts it again (backoff 0.1 … 30 s) when it died, hangs (no /ping answer) or outgrew its
 * memory. The child ends when its parent does (PR_SET_PDEATHSIG, and its stdin closes). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rc.h"

struct store_child_cfg {
    const char *executable;    /* /proc/self/exe of weir */
    const char *data_dir;      /* <data>/store */
    const char *socket_path;   /* <data>/run/store.sock */
    const char *tcp_listen;    /* NULL or "127.0.0.1:8123" */
    const char *library;       /* path of libchdb.so; NULL = search (see store_library_find) */
    uint64_t memory_bytes_max; /* per process; 0 = default by machine size */
    uint64_t query_memory_bytes_max;     /* per query; 0 = default */
    uint32_t query_seconds_max;          /* 60 */
    uint32_t threads_max;                /* queries side by side; 0 = cores + 2 */
    uint32_t nice;                       /* how far the whole process steps back, 0 … 19 */
    const char *tcp_user, *tcp_password; /* of tcp_listen; NULL password = none needed, but then no
                                            browser page is served. Travels in the environment. */
    int parent_pid; /* > 0: end when that process does, or when stdin closes; the supervisor sets it
                     */
};
/* Body of `weir store`: serves until SIGTERM or the parent is gone. Returns an exit code. */
int store_child_main(const struct store_child_cfg *cfg);
/* The arguments of `weir store` (as store_supervisor_start gives them) into cfg; strings are
 * borrowed from argv. RC_INVALID names the wrong one. argv[0] is skipped. */
enum rc store_child_args(int argc, char **argv, struct store_child_cfg *ret_cfg,
                         struct err *err) MUST_CHECK;
extern const char store_child_usage[];
/* Where libchdb.so is: $WEIR_CHDB_LIBRARY, beside the executable, ../lib/weir, node_modules of the
 * build tree. RC_NOTFOUND with what to do. */
enum rc store_library_find(char *ret_path, size_t ret_bytes, struct err *err) MUST_CHECK;

struct store_supervisor;
enum rc store_supervisor_start(const struct store_child_cfg *cfg, struct store_supervisor **ret,
                               struct err *err) MUST_CHECK;
bool store_supervisor_is_up(const struct store_supervisor *s); /* last ping was answered */
uint64_t store_supervisor_restarts(const struct store_supervisor *s);
int store_supervisor_pid(const struct store_supervisor *s); /* 0 if none runs */
/* Waits until the child answers /ping. RC_TIMEOUT. */
enum rc store_supervisor_wait(struct store_supervisor *s, int64_t timeout_ms,
                              struct err *err) MUST_CHECK;
void store_supervisor_stop(
    struct store_supervisor *s); /* SIGTERM, then SIGKILL after 5 s; joins, frees */
#endif
