/* WHAT     Starts the store child, asks it /ping each second, and starts it again when it died,
 *          hangs or outgrew its memory (child.h).
 * WHY      Pings are answered by the child's loop, not by its engine: a heavy query is no hang. A
 *          child that loads its tables is given START_MS_MAX before it counts as one.
 * THREADS  one thread of its own, which also is the parent of the child (PR_SET_PDEATHSIG follows
 *          the thread that forked); everything it shares is under the lock or atomic. */
#include "store/child.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"
#include "store/engine_int.h"
#include "store/store.h"

enum {
    START_MS_MAX = 120 * 1000,
    HANG_MS_MAX = 10 * 1000,
    PING_EVERY_MS = 1000,
    PING_EVERY_START_MS = 50,
    BACKOFF_MS_MIN = 100,
    BACKOFF_MS_MAX = 30 * 1000,
    STEADY_MS = 60 * 1000, /* up for so long: the next death begins the backoff anew */
    STOP_MS_MAX = 5 * 1000,
    FAT_TIMES_MAX = 3,
    ARGS_MAX = 32,
};

struct store_supervisor {
    struct store_child_cfg cfg; /* strings owned */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* is_up or is_stopping; CLOCK_MONOTONIC */
    bool is_stopping;
    atomic_bool is_up;
    atomic_int pid;
    atomic_ullong restarts;
    struct store_client *client;
    /* the thread's own */
    int stdin_fd; /* our end; closing it tells the child */
    mono_ns started, answered;
    int64_t backoff_ms;
    uint32_t fat_times;
    struct metric up_metric, restarts_metric, rss_metric;
};

/* ---- small things ---- */
static char *dup_or_null(const char *text)
{
    return text ? heap_strdup(HEAP_STORE, text) : NULL;
}

/* The child changes its folder, so paths are made absolute here. */
static char *absolute(const char *path)
{
    char here[OS_PATH_MAX], full[OS_PATH_MAX];
    if (!path || path[0] == '/' || !getcwd(here, sizeof(here)))
        return dup_or_null(path);
    return heap_strdup(HEAP_STORE, os_path(full, "%s/%s", here, path));
}

static void cfg_copy(struct store_child_cfg *to, const struct store_child_cfg *from)
{
    *to = *from;
    to->executable = absolute(from->executable);
    to->data_dir = absolute(from->data_dir);
    to->socket_path = absolute(from->socket_path);
    to->tcp_listen = dup_or_null(from->tcp_listen);
    to->library = absolute(from->library);
    to->tcp_user = dup_or_null(from->tcp_user);
    to->tcp_password = dup_or_null(from->tcp_password);
}

static void free_const(const char *text)
{
    heap_free((void *)(uintptr_t)text);
}

static void cfg_done(struct store_child_cfg *cfg)
{
    free_const(cfg->executable);
    free_const(cfg->data_dir);
    free_const(cfg->socket_path);
    free_const(cfg->tcp_listen);
    free_const(cfg->library);
    free_const(cfg->tcp_user);
    free_const(cfg->tcp_password);
}

static struct timespec deadline(int64_t ms)
{
    int64_t ns = mono_add_ms(mono_now(), ms).ns;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Sleeps; true if it is time to stop. */
static bool pause_ms(struct store_supervisor *s, int64_t ms)
{
    struct timespec until = deadline(ms);
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT) {
    }
    bool is_stopping = s->is_stopping;
    pthread_mutex_unlock(&s->lock);
    return is_stopping;
}

static void set_up(struct store_supervisor *s, bool is_up)
{
    if (atomic_exchange(&s->is_up, is_up) == is_up)
        return;
    metric_set(&s->up_metric, is_up);
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- starting ---- */
struct args {
    char *argv[ARGS_MAX];
    int count;
    char numbers[8][24];
    int number_count;
};

static void add_text(struct args *a, const char *name, const char *value)
{
    if (!value)
        return;
    must(a->count + 3 < ARGS_MAX);
    a->argv[a->count++] = (char *)(uintptr_t)name;
    a->argv[a->count++] = (char *)(uintptr_t)value;
}

static void add_number(struct args *a, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    char *text = a->numbers[a->number_count++];
    snprintf(text, sizeof(a->numbers[0]), "%llu", (unsigned long long)value);
    add_text(a, name, text);
}

static void build_args(const struct store_supervisor *s, struct args *a)
{
    const struct store_child_cfg *cfg = &s->cfg;
    *a = (struct args){.count = 2};
    a->argv[0] = (char *)(uintptr_t)cfg->executable;
    a->argv[1] = UNCONST("store");
    add_text(a, "--data", cfg->data_dir);
    add_text(a, "--socket", cfg->socket_path);
    add_text(a, "--listen", cfg->tcp_listen);
    add_text(a, "--library", cfg->library);
    add_text(a, "--user", cfg->tcp_user);
    add_number(a, "--memory-bytes", cfg->memory_bytes_max);
    add_number(a, "--query-memory-bytes", cfg->query_memory_bytes_max);
    add_number(a, "--query-seconds", cfg->query_seconds_max);
    add_number(a, "--threads", cfg->threads_max);
    add_number(a, "--nice", cfg->nice);
    add_number(a, "--parent", (uint64_t)getpid());
}

/* A setting of ours that nobody but this process may know (app/config.def: CONFIG_SECRET). */
static bool is_secret(const char *variable)
{
    struct slice rest = slice_str(variable), name = slice_cut(&rest, '=');
    const struct slice ends[] = {SLICE_LIT("_PASSWORD"), SLICE_LIT("_SECRET")};
    bool is_ours = slice_has_prefix(name, SLICE_LIT("WEIR_"));
    for (size_t i = 0; i < COUNT_OF(ends) && is_ours; i++)
        if (name.len > ends[i].len && slice_eq(slice_sub(name, name.len - ends[i].len), ends[i]))
            return true;
    return false;
}

/* environ without secrets, but for the one that the engine needs. */
static char **build_env(const char *password, char **ret_own)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **env = heap_alloc(HEAP_STORE, (n + 2) * sizeof(*env));
    for (size_t i = 0; i < n; i++)
        if (!is_secret(environ[i]))
            env[kept++] = environ[i];
    *ret_own = NULL;
    if (password) {
        size_t bytes = strlen(password) + 32;
        *ret_own = heap_alloc(HEAP_STORE, bytes);
        snprintf(*ret_own, bytes, "WEIR_STORE_PASSWORD=%s", password);
        env[kept++] = *ret_own;
    }
    return env;
}

static enum rc spawn(struct store_supervisor *s, struct err *err)
{
    struct args a;
    int ends[2];
    pid_t pid = 0;
    char *own;
    build_args(s, &a);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return err_sys(err, errno, "cannot make a pipe for the store");
    char **env = build_env(s->cfg.tcp_password, &own);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGTERM);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setpgroup(&attr, 0); /* Ctrl-C on a terminal reaches the main process only */
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    int code = posix_spawn(&pid, s->cfg.executable, &actions, &attr, a.argv, env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    heap_free(own);
    heap_free(env);
    os_close(ends[0]);
    if (code != 0) {
        os_close(ends[1]);
        return err_sys(err, code, "cannot start %s store", s->cfg.executable);
    }
    s->stdin_fd = ends[1];
    s->started = s->answered = mono_now();
    s->fat_times = 0;
    atomic_store(&s->pid, pid);
    return RC_OK;
}

/* ---- watching ---- */
static uint64_t resident_bytes(int pid)
{
    char path[64];
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 4096);
    snprintf(path, sizeof(path), "/proc/%d/statm", pid);
    if (os_read_file(path, &b, NULL) != RC_OK)
        return 0;
    struct slice text = buf_slice(&b);
    slice_cut(&text, ' ');
    uint64_t pages = 0;
    return slice_to_u64(slice_cut(&text, ' '), &pages) ? pages * (uint64_t)sysconf(_SC_PAGESIZE)
                                                       : 0;
}

/* The engine keeps itself below memory_bytes_max; what it does not count may take half as much
 * more. */
static bool is_too_fat(struct store_supervisor *s, uint64_t rss)
{
    uint64_t limit = engine_memory_max(&s->cfg);
    limit += limit / 2 + (256ull << 20);
    s->fat_times = rss > limit ? s->fat_times + 1 : 0;
    return s->fat_times >= FAT_TIMES_MAX;
}

/* One look at a running child; the reason to kill it, or NULL. */
static const char *look(struct store_supervisor *s)
{
    struct err err = ERR_INIT;
    uint64_t rss = resident_bytes(atomic_load(&s->pid));
    metric_set(&s->rss_metric, (int64_t)rss);
    if (is_too_fat(s, rss))
        return "it outgrew its memory";
    if (store_ping(s->client, &err) == RC_OK) {
        s->answered = mono_now();
        set_up(s, true);
        return NULL;
    }
    int64_t silent_ms = mono_diff_us(s->answered, mono_now()) / 1000;
    bool was_up = atomic_load(&s->is_up) || s->answered.ns != s->started.ns;
    set_up(s, false);
    if (silent_ms > (was_up ? HANG_MS_MAX : START_MS_MAX))
        return was_up ? "it does not answer" : "it does not come up";
    return NULL;
}

static void describe_exit(int status, char *ret, size_t bytes)
{
    if (WIFSIGNALED(status))
        snprintf(ret, bytes, "killed by signal %d", WTERMSIG(status));
    else
        snprintf(ret, bytes, "exit code %d", WEXITSTATUS(status));
}

static void buried(struct store_supervisor *s)
{
    set_up(s, false);
    atomic_store(&s->pid, 0);
    metric_set(&s->rss_metric, 0);
    os_closep(&s->stdin_fd);
}

/* Until the child is dead or we stop; true if we stop. */
static bool watch(struct store_supervisor *s)
{
    int pid = atomic_load(&s->pid), status = 0;
    for (;;) {
        char how[64];
        if (waitpid(pid, &status, WNOHANG) == pid) {
            describe_exit(status, how, sizeof(how));
            log_warn("store child ended", LOG_STR("how", how), LOG_I64("pid", pid));
            buried(s);
            return false;
        }
        const char *why = look(s);
        if (why) {
            log_error("store child is killed", LOG_STR("why", why), LOG_I64("pid", pid));
            kill(pid, SIGKILL);
        }
        bool is_starting = s->answered.ns == s->started.ns;
        if (pause_ms(s, is_starting ? PING_EVERY_START_MS
                                    : (atomic_load(&s->is_up) ? PING_EVERY_MS : 100)))
            return true;
    }
}

static void end_child(struct store_supervisor *s)
{
    int pid = atomic_load(&s->pid), status;
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    mono_ns until = mono_add_ms(mono_now(), STOP_MS_MAX);
    bool is_dead = false;
    while (!is_dead && mono_is_before(mono_now(), until)) {
        is_dead = waitpid(pid, &status, WNOHANG) == pid;
        if (!is_dead)
            sleep_ms(10);
    }
    if (!is_dead) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    buried(s);
}

static void *supervise(void *ctx)
{
    struct store_supervisor *s = ctx;
    struct err err = ERR_INIT;
    os_thread_name("store-watch");
    for (;;) {
        if (spawn(s, &err) != RC_OK)
            log_error("store child does not start", LOG_ERR(&err));
        else if (watch(s))
            break;
        if (mono_diff_us(s->started, mono_now()) / 1000 > STEADY_MS)
            s->backoff_ms = BACKOFF_MS_MIN;
        if (pause_ms(s, s->backoff_ms))
            break;
        s->backoff_ms = s->backoff_ms * 2 < BACKOFF_MS_MAX ? s->backoff_ms * 2 : BACKOFF_MS_MAX;
        atomic_fetch_add(&s->restarts, 1);
        metric_add(&s->restarts_metric, 1);
    }
    end_child(s);
    return NULL;
}

/* ---- the interface ---- */
static void register_metrics(struct store_supervisor *s)
{
    s->up_metric = (struct metric){.name = "weir_store_up",
                                   .help = "1 if the embedded store answered the last ping.",
                                   .kind = METRIC_GAUGE};
    s->restarts_metric = (struct metric){.name = "weir_store_restarts_total",
                                         .help = "Times the embedded store was started again.",
                                         .kind = METRIC_COUNTER};
    s->rss_metric = (struct metric){.name = "weir_store_resident_bytes",
                                    .help = "Resident memory of the embedded store.",
                                    .kind = METRIC_GAUGE};
    metrics_register(&s->up_metric);
    metrics_register(&s->restarts_metric);
    metrics_register(&s->rss_metric);
}

enum rc store_supervisor_start(const struct store_child_cfg *cfg, struct store_supervisor **ret,
                               struct err *err)
{
    const struct store_cfg client = {.url = "http://localhost",
                                     .unix_socket = cfg->socket_path,
                                     .connect_timeout_ms = 1000,
                                     .timeout_ms = 2000};
    pthread_condattr_t attr;
    ENSURE(cfg->socket_path && cfg->data_dir && cfg->executable,
           err_set(err, RC_INVALID, "the store needs an executable, a data folder and a socket"));
    struct store_supervisor *s = heap_alloc(HEAP_STORE, sizeof(*s));
    enum rc rc = store_client_new(&client, &s->client, err);
    if (rc != RC_OK) {
        heap_free(s);
        return rc;
    }
    cfg_copy(&s->cfg, cfg);
    s->stdin_fd = -1;
    s->backoff_ms = BACKOFF_MS_MIN;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    register_metrics(s);
    must(pthread_create(&s->thread, NULL, supervise, s) == 0);
    *ret = s;
    return RC_OK;
}

bool store_supervisor_is_up(const struct store_supervisor *s)
{
    return atomic_load(&s->is_up);
}

uint64_t store_supervisor_restarts(const struct store_supervisor *s)
{
    return atomic_load(&s->restarts);
}

int store_supervisor_pid(const struct store_supervisor *s)
{
    return atomic_load(&s->pid);
}

enum rc store_supervisor_wait(struct store_supervisor *s, int64_t timeout_ms, struct err *err)
{
    struct timespec until = deadline(timeout_ms);
    int code = 0;
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->is_up) && !s->is_stopping && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    pthread_mutex_unlock(&s->lock);
    if (atomic_load(&s->is_up))
        return RC_OK;
    return err_set(err, RC_TIMEOUT,
                   "the store did not come up within %lld ms (its messages are in "
                   "the log)",
                   (long long)timeout_ms);
}

void store_supervisor_stop(struct store_supervisor *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    metrics_unregister(&s->up_metric);
    metrics_unregister(&s->restarts_metric);
    metrics_unregister(&s->rss_metric);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    store_client_free(s->client);
    cfg_done(&s->cfg);
    heap_free(s);
}
