/* Accepting.
 *
 * WHAT  One listening socket per loop, our own accept4() under uv_poll.
 * WHY   What has to happen when the process runs out of descriptors is ours to decide: libuv closes
 *       what comes, with a spare descriptor that several loops take from each other. Here accepting
 *       pauses; who waits in the backlog is served later, and nothing spins.
 * END   Draining takes what waits in the backlog before the socket is closed. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "net/net_int.h"

enum { ACCEPT_BATCH = 64, BACKLOG_DRAIN = 4096 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_resume(uv_timer_t *timer)
{
    struct listener *l = timer->data;
    if (l->is_open)
        must(uv_poll_start(&l->poll, UV_READABLE, on_readable) == 0);
}

/* No descriptor left: those who wait in the backlog wait half a second more, and whoever has held a
 * connection without using it for a while makes room. (Not the idle ones that have just come: what
 * they ask may lie unread in the kernel.) */
static void pause_accepting(struct listener *l)
{
    uv_poll_stop(&l->poll);
    must(uv_timer_start(&l->resume, on_resume, NET_ACCEPT_PAUSE_MS, 0) == 0);
    count(&l->counters.refused_connections, 1);
    for (struct conn *c = l->loop->conns; c; c = c->next) /* closing frees on a later turn */
        if (c->state == CONN_HEAD && c->is_cool)
            conn_close(c);
}

/* Of the connection that was to be accepted, which is gone; the next may be fine (accept(2)). */
static bool is_of_one(int failed)
{
    switch (failed) {
    case EINTR:
    case ECONNABORTED:
    case EPERM: /* a firewall */
    case EPROTO:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
        return true;
    default:
        return false;
    }
}

static void accept_some(struct listener *l, int batch)
{
    for (int i = 0; i < batch; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_UNIX};
        socklen_t len = sizeof(peer);
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_accept(l, fd, &peer);
            continue;
        }
        if (is_of_one(errno))
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            pause_accepting(l); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
        return;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    (void)events;
    l->loop->now = mono_now();
    if (status == 0)
        accept_some(l, ACCEPT_BATCH);
    else
        pause_accepting(l); /* libuv has stopped the poll */
}

void listener_open(void *listener)
{
    struct listener *l = listener;
    if (listen(l->fd, SOMAXCONN) != 0)
        return;
    must(uv_poll_init(&l->loop->uv, &l->poll, l->fd) == 0);
    must(uv_timer_init(&l->loop->uv, &l->resume) == 0);
    l->poll.data = l->resume.data = l;
    must(uv_poll_start(&l->poll, UV_READABLE, on_readable) == 0);
    l->is_open = true;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    close(l->fd);
    l->fd = -1;
}

void listener_close(void *listener)
{
    struct listener *l = listener;
    if (!l->is_open)
        return;
    l->loop->now = mono_now();
    accept_some(l, BACKLOG_DRAIN); /* else the kernel would reset them */
    l->is_open = false;
    uv_close((uv_handle_t *)&l->resume, NULL);
    uv_close((uv_handle_t *)&l->poll, on_poll_closed);
}
