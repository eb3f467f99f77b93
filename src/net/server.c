/* Servers: one listening socket per loop on the same address (SO_REUSEPORT spreads connections in
 * the kernel), or one Unix socket.
 *
 * THREADS  start, drain and stop come from outside the loops and reach into them with
 *          loop_run_sync(). A server is freed when its last connection is. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "net/net_int.h"

enum { FD_RESERVE = 128, STOP_WAIT_MS = 10000 };

/* ---- addresses ---- */

/* "127.0.0.1:8080", "[::1]:0", "localhost:80"; else numeric only: no DNS for what we listen on. */
static enum rc parse_address(const char *listen, struct sockaddr_storage *ret, socklen_t *ret_len,
                             struct err *err)
{
    char host[128];
    const char *colon = strrchr(listen, ':');
    uint64_t port;
    if (!colon || !slice_to_u64(slice_str(colon + 1), &port) || port > 65535)
        return err_set(err, RC_INVALID, "listen address '%s' is not ADDRESS:PORT", listen);
    size_t len = (size_t)(colon - listen);
    bool is_bracketed = len >= 2 && listen[0] == '[' && listen[len - 1] == ']';
    if (len - (is_bracketed ? 2 : 0) >= sizeof(host))
        return err_set(err, RC_INVALID, "listen address '%.60s...' is too long", listen);
    snprintf(host, sizeof(host), "%.*s", (int)(len - (is_bracketed ? 2 : 0)),
             listen + (is_bracketed ? 1 : 0));
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof(host), "127.0.0.1");
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, host[0] ? host : "0.0.0.0", &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *ret_len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(*v6);
    } else {
        return err_set(err, RC_INVALID,
                       "'%s' is no numeric address; use 127.0.0.1, 0.0.0.0 or [::1]", host);
    }
    return RC_OK;
}

static enum rc bind_tcp(struct sockaddr_storage *address, socklen_t *len, const char *text,
                        int *ret_fd, struct err *err)
{
    const int on = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)address, *len) != 0) {
        int failed = errno;
        close(fd);
        return err_sys(err, failed, "cannot listen on %s", text);
    }
    *len = sizeof(*address);
    getsockname(fd, (struct sockaddr *)address, len); /* the real port, for the other loops */
    *ret_fd = fd;
    return RC_OK;
}

/* SO_REUSEPORT would let a second process share the port without a word: ask first. */
static enum rc check_unused(const struct sockaddr_storage *address, socklen_t len, const char *text,
                            struct err *err)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    if (fd < 0)
        return err_sys(err, errno, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int r = bind(fd, (const struct sockaddr *)address, len);
    int failed = errno;
    close(fd);
    return r == 0 ? RC_OK : err_sys(err, failed, "cannot listen on %s", text);
}

static void format_address(const struct sockaddr_storage *address, char *ret, size_t bytes)
{
    char host[INET6_ADDRSTRLEN];
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(ret, bytes, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(ret, bytes, "%s:%u", host, ntohs(v4->sin_port));
    }
}

/* Only a socket that nobody listens on is removed: never a file, never a living server's. */
static enum rc remove_stale(const struct sockaddr_un *address, const char *path, struct err *err)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return RC_OK; /* bind() tells what is wrong, if anything */
    if (!S_ISSOCK(found.st_mode))
        return err_set(err, RC_EXISTS, "%s exists and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a socket");
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    int failed = errno;
    close(fd);
    if (r == 0 || failed == EAGAIN)
        return err_set(err, RC_BUSY, "another process listens on %s", path);
    unlink(path);
    return RC_OK;
}

static enum rc bind_name(const struct sockaddr_un *address, const char *path, int *ret_fd,
                         struct err *err)
{
    TRY(remove_stale(address, path, err));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a socket");
    /* Linux gives the name the mode of the unbound socket: no moment in which others may connect,
     * and no change of the umask, which all threads share. */
    if (fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        int failed = errno;
        close(fd);
        return err_sys(err, failed, "cannot listen on %s", path);
    }
    *ret_fd = fd;
    return RC_OK;
}

static enum rc bind_unix(struct net_server *s, const char *path, int *ret_fd, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct os_socket_name name;
    TRY(os_socket_name(path, &name, err));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", name.text);
    enum rc rc = bind_name(&address, path, ret_fd, err);
    os_socket_name_done(&name);
    TRY(rc);
    s->unix_path = heap_strdup(HEAP_NET, path); /* ours: removed at the stop */
    return RC_OK;
}

/* ---- listening ---- */

/* Draining brought the deadline of the idle ones nearer. They are not closed here: what they have
 * sent may lie unread in the kernel, and is read before the next tick. */
static void drain_loop(void *ctx)
{
    struct listener *l = ctx;
    listener_close(l);
    for (struct conn *c = l->loop->conns; c; c = c->next)
        if (c->server == l->server)
            conn_schedule(c);
}

static void drop_connections(void *ctx)
{
    struct listener *l = ctx;
    for (struct conn *c = l->loop->conns, *next; c; c = next) {
        next = c->next;
        if (c->server == l->server)
            conn_close(c);
    }
}

/* Handles closed in one turn of a loop are let go at its end: a task of the next turn comes after
 * that. */
static void next_turn(void *ctx)
{
    (void)ctx;
}

static void set_limits(struct net_server *s, const struct net_limits *given)
{
    struct net_limits *l = &s->limits;
    *l = *given;
#define DEFAULT(field, value) \
    if (l->field == 0)        \
    l->field = (value)
    DEFAULT(head_bytes_max, 16 << 10);
    DEFAULT(header_count_max, 100);
    DEFAULT(target_bytes_max, 8 << 10);
    DEFAULT(body_bytes_max, 10 << 20);
    DEFAULT(connections_max, 10000);
    DEFAULT(head_deadline_ms, 10000);
    DEFAULT(body_bytes_per_s_min, 512);
    DEFAULT(body_grace_ms, 5000);
    DEFAULT(body_stall_ms, 30000);
    DEFAULT(write_deadline_ms, 30000);
    DEFAULT(idle_deadline_ms, 60000);
#undef DEFAULT
    if (l->header_count_max > NET_HEADERS_HARD_MAX)
        l->header_count_max = NET_HEADERS_HARD_MAX;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    /* Segments, databases and children need descriptors too. */
    uint64_t reserve = files.rlim_cur > 2 * FD_RESERVE ? FD_RESERVE : files.rlim_cur / 2;
    if (files.rlim_cur - reserve < l->connections_max)
        l->connections_max = (uint32_t)(files.rlim_cur - reserve);
}

static enum rc bind_all(struct net_server *s, const struct net_server_cfg *cfg, struct err *err)
{
    s->is_unix = strncmp(cfg->listen, "unix:", 5) == 0;
    s->listener_count = s->is_unix ? 1 : cfg->loop_count;
    s->listeners = heap_alloc(HEAP_NET, s->listener_count * sizeof(*s->listeners));
    for (uint32_t i = 0; i < s->listener_count; i++)
        s->listeners[i] = (struct listener){.server = s, .loop = cfg->loops[i], .fd = -1};
    if (s->is_unix) {
        snprintf(s->address, sizeof(s->address), "%s", cfg->listen);
        return bind_unix(s, cfg->listen + 5, &s->listeners[0].fd, err);
    }
    struct sockaddr_storage address;
    socklen_t len = 0;
    memset(&address, 0, sizeof(address));
    TRY(parse_address(cfg->listen, &address, &len, err));
    must(len > 0);
    TRY(check_unused(&address, len, cfg->listen, err));
    for (uint32_t i = 0; i < s->listener_count; i++)
        TRY(bind_tcp(&address, &len, cfg->listen, &s->listeners[i].fd, err));
    format_address(&address, s->address, sizeof(s->address));
    return RC_OK;
}

static enum rc load_tls(struct net_server *s, const struct net_tls *tls, struct err *err)
{
    s->has_tls = tls != NULL;
    if (!tls)
        return RC_OK;
    snprintf(s->certificate_file, sizeof(s->certificate_file), "%s", tls->certificate_file);
    snprintf(s->key_file, sizeof(s->key_file), "%s", tls->key_file);
    return tls_context_new(s->certificate_file, s->key_file, &s->tls, err);
}

static void server_free(struct net_server *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++)
        if (s->listeners[i].fd >= 0)
            close(s->listeners[i].fd);
    if (s->tls)
        SSL_CTX_free(s->tls);
    pthread_mutex_destroy(&s->tls_lock);
    heap_free(s->listeners);
    heap_free(s->unix_path);
    heap_free(s);
}

enum rc net_server_start(const struct net_server_cfg *cfg, struct net_server **ret_server,
                         struct err *err)
{
    struct net_server *s = heap_alloc(HEAP_NET, sizeof(*s));
    pthread_mutex_init(&s->tls_lock, NULL);
    s->app = cfg->app;
    s->is_end_gone = cfg->is_end_gone;
    s->is_trace_trusted = cfg->is_trace_trusted;
    snprintf(s->name, sizeof(s->name), "%s", cfg->name);
    set_limits(s, &cfg->limits);
    enum rc rc = load_tls(s, cfg->tls, err);
    if (rc == RC_OK)
        rc = bind_all(s, cfg, err);
    if (rc != RC_OK) {
        server_free(s);
        return rc;
    }
    net_metrics_init(s);
    for (uint32_t i = 0; i < s->listener_count; i++) {
        struct listener *l = &s->listeners[i];
        loop_run_sync(l->loop, listener_open, l);
        if (!l->is_open) {
            err_set(err, RC_IO, "cannot listen on %s", cfg->listen);
            net_server_stop(s);
            return RC_IO;
        }
    }
    *ret_server = s;
    return RC_OK;
}

const char *net_server_address(const struct net_server *s)
{
    return s->address;
}

enum rc net_server_reload_tls(struct net_server *s, struct err *err)
{
    SSL_CTX *fresh;
    if (!s->has_tls)
        return RC_OK;
    TRY(tls_context_new(s->certificate_file, s->key_file, &fresh, err));
    pthread_mutex_lock(&s->tls_lock);
    SSL_CTX *old = s->tls;
    s->tls = fresh;
    pthread_mutex_unlock(&s->tls_lock);
    SSL_CTX_free(old);
    return RC_OK;
}

void net_server_drain(struct net_server *s)
{
    atomic_store(&s->is_draining, true);
    for (uint32_t i = 0; i < s->listener_count; i++)
        loop_run_sync(s->listeners[i].loop, drain_loop, &s->listeners[i]);
}

uint32_t net_server_connections(const struct net_server *s)
{
    return atomic_load(&s->connections);
}

void net_server_stop(struct net_server *s)
{
    if (!s)
        return;
    net_server_drain(s);
    for (uint32_t i = 0; i < s->listener_count; i++)
        loop_run_sync(s->listeners[i].loop, drop_connections, &s->listeners[i]);
    /* A handler that still owes an answer keeps its connection's memory: wait, with an end. */
    mono_ns deadline = mono_add_ms(mono_now(), STOP_WAIT_MS);
    while (net_server_connections(s) > 0 && mono_is_before(mono_now(), deadline))
        sleep_ms(2);
    for (uint32_t i = 0; i < s->listener_count; i++)
        loop_run_sync(s->listeners[i].loop, next_turn, NULL);
    if (s->unix_path)
        unlink(s->unix_path);
    net_metrics_done(s);
    if (net_server_connections(s) == 0)
        server_free(s);
}
