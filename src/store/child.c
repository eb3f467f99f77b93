/* WHAT     The process `weir store`: engine, loop, workers, two addresses (child.h).
 * WHY      A process of its own, so that a crash or an out-of-memory kill of the engine costs one
 *          restart and not the ingestion.
 * THREADS  main waits for a signal; one loop serves HTTP; N workers run statements; one thread
 *          watches stdin (the parent's end closing means that the parent is gone). */
#include "store/child_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"
#include "base/os.h"
#include "store/sandbox_int.h"

/* ---- workers ---- */
enum rc child_submit(struct child *child, struct job *job)
{
    enum rc rc = RC_OK;
    pthread_mutex_lock(&child->lock);
    if (child->is_stopping) {
        rc = RC_CLOSED;
    } else if (child->waiting >= CHILD_QUEUE_MAX) {
        rc = RC_BUSY;
    } else {
        child->waiting++;
        if (child->last)
            child->last->next = job;
        else
            child->first = job;
        child->last = job;
        pthread_cond_signal(&child->work);
    }
    pthread_mutex_unlock(&child->lock);
    return rc;
}

static struct job *next_job(struct child *child)
{
    pthread_mutex_lock(&child->lock);
    while (!child->first && !child->is_stopping)
        pthread_cond_wait(&child->work, &child->lock);
    struct job *job = child->first;
    if (job) {
        child->first = job->next;
        if (!child->first)
            child->last = NULL;
        child->waiting--;
    }
    pthread_mutex_unlock(&child->lock);
    return job;
}

static void *worker(void *ctx)
{
    struct child *child = ctx;
    struct job *job;
    os_thread_name("store-worker");
    while ((job = next_job(child)))
        job_run(job);
    return NULL;
}

static void start_workers(struct child *child)
{
    uint32_t n = engine_threads_max(child->cfg);
    child->worker_count = n < CHILD_WORKERS_MAX ? n : CHILD_WORKERS_MAX;
    for (uint32_t i = 0; i < child->worker_count; i++)
        must(pthread_create(&child->workers[i], NULL, worker, child) == 0);
}

/* ---- servers ---- */
static void on_done(void *ctx, const struct net_request *req, int status, uint64_t bytes_sent)
{
    (void)ctx;
    (void)req;
    if (status >= 500 && log_is_on(LOG_DEBUG))
        log_debug("store answered", LOG_I64("status", status), LOG_U64("bytes", bytes_sent));
}

static enum rc serve(struct child *child, const char *listen, struct child_face *face,
                     const char *name, struct net_server **ret, struct err *err)
{
    struct net_loop *const loops[] = {child->loop};
    struct net_server_cfg cfg = {
        .listen = listen,
        .loops = loops,
        .loop_count = 1,
        .limits = {.head_bytes_max = 512 * 1024,
                   .target_bytes_max = 384 * 1024,
                   .body_bytes_max = CHILD_BODY_BYTES_MAX,
                   .connections_max = 512,
                   .write_deadline_ms = 60000,
                   .idle_deadline_ms = 3600 * 1000},
        .app = {.ctx = face,
                .on_head = wire_on_head,
                .on_request = wire_on_request,
                .render_problem = wire_render_problem,
                .on_done = on_done},
        .is_trace_trusted = !face->is_tcp, /* the socket is ours alone */
        .is_end_gone = true,               /* a query nobody waits for is stopped */
        .name = name,
    };
    return net_server_start(&cfg, ret, err);
}

static enum rc start_servers(struct child *child, struct err *err)
{
    char address[OS_PATH_MAX + 8];
    const struct store_child_cfg *cfg = child->cfg;
    TRY(net_loop_start("store-http", &child->loop, err));
    child->unix_face = (struct child_face){.child = child};
    child->tcp_face = (struct child_face){
        .child = child, .user = cfg->tcp_user, .password = cfg->tcp_password, .is_tcp = true};
    if (cfg->tcp_listen)
        TRY(serve(child, cfg->tcp_listen, &child->tcp_face, "store-tcp", &child->tcp_server, err));
    if (!cfg->socket_path)
        return RC_OK;
    IGNORE(os_calls_real.unlink(cfg->socket_path),
           "one that a killed child left; the lock says nobody lives");
    snprintf(address, sizeof(address), "unix:%s", cfg->socket_path);
    return serve(child, address, &child->unix_face, "store", &child->unix_server, err);
}

/* ---- the process ---- */
static void *watch_stdin(void *ctx)
{
    (void)ctx;
    char c;
    os_thread_name("store-parent");
    while (os_calls_real.read(STDIN_FILENO, &c, 1) > 0 || errno == EINTR) {
        errno = 0;
    }
    kill(getpid(), SIGTERM);
    return NULL;
}

/* The kernel shall take the store, not the ingestion, when memory is short. */
static void set_oom_score(void)
{
    int fd = -1;
    if (os_open("/proc/self/oom_score_adj", O_WRONLY, &fd, NULL) == RC_OK) {
        IGNORE(os_write_all(fd, "800", 3, NULL), "without it the kernel chooses by size");
        os_close(fd);
    }
}

static bool follow_parent(int parent_pid)
{
    pthread_t thread;
    if (parent_pid <= 0)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent_pid)
        return false; /* it died before prctl */
    must(pthread_create(&thread, NULL, watch_stdin, NULL) == 0);
    pthread_detach(thread);
    return true;
}

static enum rc prepare(const struct store_child_cfg *cfg, int *ret_lock, struct err *err)
{
    char path[OS_PATH_MAX];
    TRY(os_mkdirs(os_path(path, "%s/tmp", cfg->data_dir), err));
    must(setenv("TMPDIR", path, 1) == 0);
    TRY(os_mkdirs(os_path(path, "%s/backups", cfg->data_dir), err));
    TRY(os_mkdirs(os_path(path, "%s/db", cfg->data_dir), err));
    TRY(os_lock(os_path(path, "%s/lock", cfg->data_dir), ret_lock, err));
    set_oom_score();
    if (cfg->data_dir[0] != '/' || (cfg->socket_path && cfg->socket_path[0] != '/'))
        return err_set(err, RC_INVALID,
                       "the store's data folder and socket must be absolute paths");
    /* The engine looks for ./config.xml, and a core of it would be of no use to anyone. */
    if (chdir(cfg->data_dir) != 0)
        return err_sys(err, errno, "cannot enter %s", cfg->data_dir);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    return RC_OK;
}

static void drain(struct child *child)
{
    if (child->tcp_server)
        net_server_drain(child->tcp_server);
    if (child->unix_server)
        net_server_drain(child->unix_server);
    for (int i = 0; i < 40; i++) { /* 4 s; the supervisor kills after 5 */
        uint32_t open = (child->tcp_server ? net_server_connections(child->tcp_server) : 0) +
                        (child->unix_server ? net_server_connections(child->unix_server) : 0);
        if (open == 0)
            break;
        sleep_ms(100);
    }
}

struct sealed_cfg {
    struct store_child_cfg cfg;
    char library[OS_PATH_MAX];
};

static int fail(const struct err *err)
{
    log_error("store does not start", LOG_ERR(err));
    return 1;
}

/* Finds the library and locks the rest of the file system away. */
static enum rc wall_in(struct sealed_cfg *s, struct err *err)
{
    struct err why = ERR_INIT;
    if (!s->cfg.library) {
        TRY(store_library_find(s->library, sizeof(s->library), err));
        s->cfg.library = s->library;
    }
    enum rc rc = sandbox_enter(&s->cfg, s->cfg.library, &why);
    if (rc != RC_OK)
        log_warn("store runs without a file sandbox", LOG_ERR(&why));
    return RC_OK;
}

int store_child_main(const struct store_child_cfg *given)
{
    struct err err = ERR_INIT;
    struct sealed_cfg sealed = {.cfg = *given};
    const struct store_child_cfg *cfg = &sealed.cfg;
    struct child child = {.cfg = cfg};
    sigset_t signals;
    int lock = -1, signal_number = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    mono_ns started = mono_now();
    os_thread_nice((int)cfg->nice); /* before any other thread: they inherit it */
    if (prepare(cfg, &lock, &err) != RC_OK)
        return fail(&err);
    if (wall_in(&sealed, &err) != RC_OK)
        return fail(&err);
    if (!follow_parent(cfg->parent_pid))
        return 1;
    pthread_mutex_init(&child.lock, NULL);
    pthread_cond_init(&child.work, NULL);
    if (engine_open(cfg, &child.engine, &err) != RC_OK)
        return fail(&err);
    start_workers(&child);
    if (start_servers(&child, &err) != RC_OK) {
        fail(&err);
        _exit(1); /* an open engine must not be torn down by exit handlers: its threads run */
    }
    log_info("store is up", LOG_STR("engine", engine_version(child.engine)),
             LOG_STR("tcp", child.tcp_server ? net_server_address(child.tcp_server) : "-"),
             LOG_I64("start_ms", mono_diff_us(started, mono_now()) / 1000));
    sigwait(&signals, &signal_number);
    log_info("store stops", LOG_I64("signal", signal_number));
    drain(&child);
    /* What was answered is durable (fsync after insert); a running merge is repeated. */
    if (cfg->socket_path)
        IGNORE(os_calls_real.unlink(cfg->socket_path), "the next one removes it");
    _exit(0);
}
