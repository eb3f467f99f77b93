/* WHAT: drives the connections: threads, each with an epoll, its share of connections and of the
 * schedule.
 *
 * WHY so: one thread drives hundreds of connections with one send and one recv per request, so that
 * the generator costs the two-core machine about what wrk does.
 *
 * SCHEDULE  open loop: request k of a thread is due at start + k * interval; it goes to a free
 * connection, and waits (its due time unchanged) while there is none. Closed loop: due = sent.
 * A request belongs to the measured time by its due time (latency) and by its answer's time (rate).
 *
 * THREADS   a thread writes only its own struct; the main thread reads them after the join. */
#include "load_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heap.h"

enum {
    RECEIVE_BYTES = 256 << 10,
    EPOLL_EVENTS = 512,
    PAUSE_NS = 100000, /* shortest sleep of the open loop */
    RECONNECT_NS = 100000000,
};

struct conn {
    int fd; /* -1: not connected */
    uint32_t number;
    int64_t retry_ns;
    bool is_waiting_out; /* EPOLLOUT is on: unsent holds bytes */
    bool is_free_listed;
    struct buf unsent;
    struct answer answer;
    int64_t due_ns[LOAD_PIPELINE_MAX]; /* ring of requests under way */
    uint32_t due_first, due_count;
};

struct run; /* shared */
struct thread {
    struct run *run;
    pthread_t pthread;
    int epoll_fd;
    struct conn *conns;
    uint32_t conn_count, conn_first;
    struct conn **free_conns; /* open loop: with room for a request */
    uint32_t free_count, dead_count;
    struct wire wire;
    char *receive;
    int64_t interval_ns, next_due_ns;
    uint64_t under_way;
    struct load_result own; /* merged at the end */
    enum rc rc;
    struct err err;
};

struct run {
    const struct load_cfg *cfg;
    int64_t start_ns, measure_ns, end_ns;
    _Atomic uint64_t tickets; /* requests handed out, when requests_max is set */
    _Atomic int64_t last_answer_ns;
};

static bool take_ticket(struct run *run)
{
    return run->cfg->requests_max == 0 ||
           atomic_fetch_add_explicit(&run->tickets, 1, memory_order_relaxed) <
               run->cfg->requests_max;
}

/* ---- connections ---- */
static void want(struct thread *t, struct conn *c, int op, bool out)
{
    struct epoll_event ev = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};
    if (epoll_ctl(t->epoll_fd, op, c->fd, &ev) < 0 && t->rc == RC_OK)
        t->rc = err_sys(&t->err, errno, "epoll_ctl failed");
    c->is_waiting_out = out;
}

static void conn_close(struct thread *t, struct conn *c)
{
    close(c->fd); /* a socket: nothing is lost by an error */
    c->fd = -1;
    c->retry_ns = mono_now().ns;
    t->dead_count++;
    t->under_way -= c->due_count;
    c->due_count = 0;
}

static void conn_send(struct thread *t, struct conn *c, struct slice head, struct slice body)
{
    struct iovec iov[2] = {{(void *)(uintptr_t)head.data, head.len},
                           {(void *)(uintptr_t)body.data, body.len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    ssize_t sent = 0;
    if (!c->is_waiting_out) {
        sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return; /* the reading side will see it and count */
        sent = sent < 0 ? 0 : sent;
        t->own.bytes_sent += (uint64_t)sent;
    }
    size_t n = (size_t)sent;
    if (n == head.len + body.len)
        return;
    buf_add_slice(&c->unsent, slice_sub(head, n));
    buf_add_slice(&c->unsent, slice_sub(body, n > head.len ? n - head.len : 0));
    if (!c->is_waiting_out)
        want(t, c, EPOLL_CTL_MOD, true);
}

static void conn_send_rest(struct thread *t, struct conn *c)
{
    ssize_t sent = send(c->fd, c->unsent.data, c->unsent.len, MSG_NOSIGNAL);
    if (sent < 0)
        return;
    t->own.bytes_sent += (uint64_t)sent;
    buf_drop_front(&c->unsent, (size_t)sent);
    if (c->unsent.len == 0)
        want(t, c, EPOLL_CTL_MOD, false);
}

static bool conn_open(struct thread *t, struct conn *c)
{
    const struct load_cfg *cfg = t->run->cfg;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct timeval patience = {.tv_sec = 5};
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    if (fd < 0 || connect(fd, (const struct sockaddr *)&cfg->addr, sizeof(cfg->addr)) < 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        t->own.failed_connects++;
        c->retry_ns = mono_now().ns + RECONNECT_NS;
        errno = saved;
        return false;
    }
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    c->fd = fd;
    c->is_waiting_out = false;
    buf_clear(&c->unsent);
    answer_reset(&c->answer);
    want(t, c, EPOLL_CTL_ADD, false);
    wire_hello(&t->wire, c->number);
    if (t->wire.head.len)
        conn_send(t, c, buf_slice(&t->wire.head), SLICE_EMPTY);
    return true;
}

/* ---- requests ---- */
static void send_request(struct thread *t, struct conn *c, int64_t due_ns)
{
    struct slice body;
    enum rc rc = wire_request(&t->wire, c->number, &body);
    if (rc != RC_OK) {
        t->rc = err_set(&t->err, rc, "a request could not be made: %s", rc_text(rc));
        return;
    }
    c->due_ns[(c->due_first + c->due_count) % LOAD_PIPELINE_MAX] = due_ns;
    c->due_count++;
    t->under_way++;
    conn_send(t, c, buf_slice(&t->wire.head), body);
}

static void list_free(struct thread *t, struct conn *c)
{
    if (!c->is_free_listed && c->fd >= 0 && c->due_count < t->run->cfg->pipeline) {
        c->is_free_listed = true;
        t->free_conns[t->free_count++] = c;
    }
}

/* Open loop: everything that is due, as long as a connection is free. */
static void send_due(struct thread *t, int64_t now)
{
    while (t->next_due_ns <= now && t->next_due_ns < t->run->end_ns && t->free_count) {
        struct conn *c = t->free_conns[--t->free_count];
        c->is_free_listed = false;
        if (c->fd < 0)
            continue;
        if (!take_ticket(t->run)) {
            t->next_due_ns = t->run->end_ns;
            return;
        }
        send_request(t, c, t->next_due_ns);
        t->next_due_ns += t->interval_ns;
        list_free(t, c);
    }
}

static void fill_closed(struct thread *t, struct conn *c, int64_t now)
{
    while (c->fd >= 0 && c->due_count < t->run->cfg->pipeline && now < t->run->end_ns &&
           take_ticket(t->run))
        send_request(t, c, now);
}

static void count_answer(struct thread *t, struct conn *c, int64_t now)
{
    const struct load_cfg *cfg = t->run->cfg;
    struct load_result *r = &t->own;
    int64_t due = c->due_ns[c->due_first];
    c->due_first = (c->due_first + 1) % LOAD_PIPELINE_MAX;
    c->due_count--;
    t->under_way--;
    uint64_t events = cfg->batch;
    bool is_ok = c->answer.status >= 200 && c->answer.status < 300;
    if (is_ok && cfg->ok_token && c->answer.ok_events < cfg->batch) {
        r->missing_events += cfg->batch - c->answer.ok_events;
        events = c->answer.ok_events;
    }
    bool is_measured = now >= t->run->measure_ns && now < t->run->end_ns;
    if (is_measured)
        r->status[c->answer.status]++;
    if (!is_ok)
        return;
    r->requests_in_all++;
    r->events_in_all += events;
    if (is_measured) {
        r->requests++;
        r->events += events;
    }
    if (due >= t->run->measure_ns && (t->interval_ns || now < t->run->end_ns))
        hist_add(&r->latency_us, (uint64_t)(now - due) / 1000);
}

static void on_lost(struct thread *t, struct conn *c, const char *why)
{
    if (why) {
        t->own.bad_answers++;
        t->own.bad_example = why;
    } else {
        t->own.cut_connections++;
    }
    conn_close(t, c);
}

static void on_bytes(struct thread *t, struct conn *c, struct slice in, int64_t now)
{
    while (in.len) {
        enum answer_event event = answer_feed(&c->answer, &in);
        if (event == ANSWER_MORE)
            continue;
        if (event == ANSWER_PING) {
            conn_send(t, c, SLICE_LIT("PONG\r\n"), SLICE_EMPTY);
            continue;
        }
        if (event == ANSWER_BAD) {
            on_lost(t, c, c->answer.bad);
            return;
        }
        if (c->due_count == 0) {
            on_lost(t, c, "an answer to nothing");
            return;
        }
        bool is_last = c->answer.is_last;
        count_answer(t, c, now);
        if (is_last) {
            conn_close(t, c);
            return;
        }
    }
}

static void on_readable(struct thread *t, struct conn *c)
{
    ssize_t n = recv(c->fd, t->receive, RECEIVE_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        on_lost(t, c, NULL);
        return;
    }
    t->own.bytes_received += (uint64_t)n;
    int64_t now = mono_now().ns;
    on_bytes(t, c, slice_of(t->receive, (size_t)n), now);
    if (t->interval_ns)
        list_free(t, c);
    else
        fill_closed(t, c, now);
}

static void reopen(struct thread *t, int64_t now)
{
    for (uint32_t i = 0; i < t->conn_count && t->dead_count; i++) {
        struct conn *c = &t->conns[i];
        if (c->fd >= 0 || c->retry_ns > now || !conn_open(t, c))
            continue;
        t->dead_count--;
        if (t->interval_ns)
            list_free(t, c);
        else
            fill_closed(t, c, now);
    }
}

static bool is_over(struct thread *t, int64_t now)
{
    struct run *run = t->run;
    if (t->rc != RC_OK || now >= run->end_ns + (int64_t)LOAD_GRACE_MS * 1000000)
        return true;
    if (run->cfg->requests_max &&
        atomic_load_explicit(&run->tickets, memory_order_relaxed) >= run->cfg->requests_max)
        return t->under_way == 0;
    bool is_all_sent = t->interval_ns ? t->next_due_ns >= run->end_ns : now >= run->end_ns;
    return is_all_sent && t->under_way == 0;
}

static int64_t pause_ns(const struct thread *t, int64_t now)
{
    int64_t until = t->run->end_ns > now ? t->run->end_ns - now : 10000000;
    if (t->dead_count && until > 10000000)
        until = 10000000;
    if (t->interval_ns && t->free_count && t->next_due_ns < t->run->end_ns)
        until = t->next_due_ns - now;
    if (until > 50000000)
        until = 50000000;
    return until < PAUSE_NS ? PAUSE_NS : until;
}

static void turn(struct thread *t)
{
    struct epoll_event events[EPOLL_EVENTS];
    int64_t now = mono_now().ns;
    struct timespec pause = {.tv_nsec = pause_ns(t, now)};
    int n = epoll_pwait2(t->epoll_fd, events, EPOLL_EVENTS, &pause, NULL);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (c->fd >= 0 && events[i].events & EPOLLOUT)
            conn_send_rest(t, c);
        if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            on_readable(t, c);
    }
}

static void *thread_main(void *arg)
{
    struct thread *t = arg;
    prctl(PR_SET_TIMERSLACK, 1000);
    if (!t->interval_ns)
        for (uint32_t i = 0; i < t->conn_count; i++)
            fill_closed(t, &t->conns[i], mono_now().ns);
    while (true) {
        int64_t now = mono_now().ns;
        if (t->interval_ns)
            send_due(t, now);
        if (t->dead_count)
            reopen(t, now);
        if (is_over(t, now))
            break;
        turn(t);
    }
    t->own.unanswered = t->under_way;
    int64_t now = mono_now().ns;
    if (t->interval_ns) { /* what never came counts with the time waited so far */
        for (uint32_t i = 0; i < t->conn_count; i++)
            for (uint32_t k = 0; k < t->conns[i].due_count; k++) {
                struct conn *c = &t->conns[i];
                int64_t due = c->due_ns[(c->due_first + k) % LOAD_PIPELINE_MAX];
                hist_add(&t->own.latency_us, (uint64_t)(now - due) / 1000);
            }
        for (; t->next_due_ns < t->run->end_ns; t->next_due_ns += t->interval_ns) {
            hist_add(&t->own.latency_us, (uint64_t)(now - t->next_due_ns) / 1000);
            t->own.unanswered++;
        }
    }
    atomic_store(&t->run->last_answer_ns, now);
    return NULL;
}

/* ---- set-up and end ---- */
static enum rc thread_open(struct thread *t, struct run *run, uint32_t index, struct err *err)
{
    const struct load_cfg *cfg = run->cfg;
    uint32_t share = cfg->connections / cfg->threads;
    t->run = run;
    t->conn_first = index * share;
    t->conn_count = share + (index + 1 == cfg->threads ? cfg->connections % cfg->threads : 0);
    t->conns = heap_alloc(HEAP_MISC, sizeof(*t->conns) * t->conn_count);
    t->free_conns = heap_alloc(HEAP_MISC, sizeof(*t->free_conns) * t->conn_count);
    t->receive = heap_alloc(HEAP_MISC, RECEIVE_BYTES);
    if (cfg->rate > 0)
        t->interval_ns = (int64_t)(1e9 * cfg->threads / cfg->rate) + 1;
    TRY(wire_init(&t->wire, cfg, random_u64(), err));
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (t->epoll_fd < 0)
        return err_sys(err, errno, "epoll_create1 failed");
    for (uint32_t i = 0; i < t->conn_count; i++) {
        struct conn *c = &t->conns[i];
        c->number = t->conn_first + i;
        c->fd = -1;
        buf_init(&c->unsent, LOAD_BODY_BYTES_MAX);
        answer_init(&c->answer, cfg);
    }
    for (uint32_t i = 0; i < t->conn_count; i++) {
        if (!conn_open(t, &t->conns[i]))
            return err_sys(err, errno, "cannot connect to %s", cfg->host);
        if (t->interval_ns)
            list_free(t, &t->conns[i]);
    }
    return t->rc;
}

static void thread_close(struct thread *t)
{
    for (uint32_t i = 0; t->conns && i < t->conn_count; i++) {
        if (t->conns[i].fd > 0)
            close(t->conns[i].fd);
        buf_done(&t->conns[i].unsent);
        answer_done(&t->conns[i].answer);
    }
    if (t->epoll_fd > 0)
        close(t->epoll_fd);
    wire_done(&t->wire);
    heap_free(t->conns);
    heap_free(t->free_conns);
    heap_free(t->receive);
}

static void merge(struct load_result *into, const struct load_result *from)
{
    hist_merge(&into->latency_us, &from->latency_us);
    for (int i = 0; i < LOAD_STATUS_COUNT; i++)
        into->status[i] += from->status[i];
    into->requests += from->requests;
    into->events += from->events;
    into->requests_in_all += from->requests_in_all;
    into->events_in_all += from->events_in_all;
    into->bad_answers += from->bad_answers;
    into->cut_connections += from->cut_connections;
    into->failed_connects += from->failed_connects;
    into->unanswered += from->unanswered;
    into->missing_events += from->missing_events;
    into->bytes_sent += from->bytes_sent;
    into->bytes_received += from->bytes_received;
    if (from->bad_example)
        into->bad_example = from->bad_example;
}

static uint64_t own_cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static enum rc read_cpus(const struct load_cfg *cfg, struct cpu_sample *into, struct err *err)
{
    for (uint32_t i = 0; i < cfg->pid_count; i++)
        TRY(cpu_read(cfg->pids[i], &into[i], err));
    return RC_OK;
}

static void sleep_until(int64_t ns)
{
    int64_t left_ms = (ns - mono_now().ns) / 1000000;
    if (left_ms > 0)
        sleep_ms(left_ms);
}

static enum rc drive(struct run *run, struct thread *threads, struct load_result *ret,
                     struct err *err)
{
    const struct load_cfg *cfg = run->cfg;
    uint32_t started = 0;
    run->start_ns = mono_now().ns;
    run->measure_ns = run->start_ns + cfg->warmup_ms * 1000000;
    run->end_ns = run->measure_ns + cfg->duration_ms * 1000000;
    for (; started < cfg->threads; started++) {
        struct thread *t = &threads[started];
        t->next_due_ns = run->start_ns + t->interval_ns * started / cfg->threads;
        if (pthread_create(&t->pthread, NULL, thread_main, t) != 0)
            break;
    }
    enum rc rc = started == cfg->threads ? RC_OK : err_set(err, RC_NOMEM, "no more threads");
    sleep_until(run->measure_ns);
    uint64_t own_before = own_cpu_us();
    if (rc == RC_OK)
        rc = read_cpus(cfg, ret->cpu_before, err);
    if (!cfg->requests_max) {
        sleep_until(run->end_ns);
        ret->own_cpu_us = own_cpu_us() - own_before;
        if (rc == RC_OK)
            rc = read_cpus(cfg, ret->cpu_after, err);
    }
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i].pthread, NULL);
    ret->measured_ns = cfg->duration_ms * 1000000;
    if (cfg->requests_max) {
        ret->measured_ns = atomic_load(&run->last_answer_ns) - run->measure_ns;
        ret->own_cpu_us = own_cpu_us() - own_before;
        if (rc == RC_OK)
            rc = read_cpus(cfg, ret->cpu_after, err);
    }
    return rc;
}

enum rc load_run(const struct load_cfg *cfg, struct load_result *ret, struct err *err)
{
    struct run run = {.cfg = cfg};
    struct thread *threads = heap_alloc(HEAP_MISC, sizeof(*threads) * cfg->threads);
    enum rc rc = RC_OK;
    for (uint32_t i = 0; i < cfg->threads && rc == RC_OK; i++)
        rc = thread_open(&threads[i], &run, i, err);
    if (rc == RC_OK)
        rc = drive(&run, threads, ret, err);
    for (uint32_t i = 0; i < cfg->threads; i++) {
        if (threads[i].rc != RC_OK && rc == RC_OK) {
            rc = threads[i].rc;
            *err = threads[i].err;
        }
        merge(ret, &threads[i].own);
        thread_close(&threads[i]);
    }
    heap_free(threads);
    return rc;
}
