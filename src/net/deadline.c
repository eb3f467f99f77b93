/* Deadlines: when each connection has to be looked at, and what is wrong with it then.
 *
 * WHAT       A wheel per loop, lazily kept: a connection stays in its slot until that comes round,
 *            and only then is it put where its deadline is now.
 * WHY        Four deadlines per connection, and nearly none ever passes. A request moves nothing:
 *            it changes the times that look_at() adds up. Only a deadline that came nearer, as from
 *            idle to head, moves it at once.
 * PRECISION  NET_TICK_MS, always late, never early. One timer per loop; none without connections.
 */
#include "base/must.h"
#include "net/net_int.h"

static const int64_t far_away = INT64_MAX;
enum { PAID_MS_MAX = 1 << 30 }; /* 12 days, so that the product cannot overflow */

static int64_t after(mono_ns since, uint64_t ms)
{
    return since.ns + (int64_t)ms * 1000000;
}

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The moment at which the average would be below the minimum if no byte came any more; but a fast
 * start buys no long rest. */
static int64_t body_due_at(const struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    uint64_t paid_ms = c->req.body_bytes / limits->body_bytes_per_s_min * 1000;
    uint64_t grace_ms = limits->body_grace_ms;
    if (paid_ms > PAID_MS_MAX)
        paid_ms = PAID_MS_MAX;
    return min_of(after(c->since, paid_ms > grace_ms ? paid_ms : grace_ms),
                  after(c->body_since, limits->body_stall_ms));
}

static int64_t idle_due_at(const struct conn *c)
{
    bool is_draining = atomic_load_explicit(&c->server->is_draining, memory_order_relaxed);
    if (is_draining) /* one that never asked may be about to, and would not try again */
        return after(c->since, c->requests ? 0 : NET_FRESH_MS);
    return after(c->since, c->server->limits.idle_deadline_ms);
}

static int64_t state_due_at(const struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    switch (c->state) {
    case CONN_HEAD:
        if (c->is_blocked || c->is_writing)
            return far_away; /* the write deadline counts */
        if (!c->is_idle || (c->tls && !SSL_is_init_finished(c->tls)))
            return after(c->since, limits->head_deadline_ms);
        return idle_due_at(c);
    case CONN_BODY:
        return body_due_at(c);
    case CONN_LINGER:
        return c->is_shut ? after(c->since, NET_LINGER_MS) : far_away;
    case CONN_FINISH:
    case CONN_HANDLING:
    case CONN_CLOSED:
        return far_away;
    }
    return far_away;
}

static int64_t look_at(const struct conn *c)
{
    const struct net_limits *limits = &c->server->limits;
    int64_t due = state_due_at(c);
    if (c->is_writing) /* looked at more often than it may last, to see progress */
        due = min_of(due, after(c->write_since, limits->write_deadline_ms / 4 + 1));
    if (c->state == CONN_HEAD && c->is_idle && !c->is_cool)
        due = min_of(due, after(c->since, NET_COOL_MS));
    return due;
}

/* ---- the wheel ---- */

static int64_t tick_of(int64_t ns)
{
    return ns / (NET_TICK_MS * INT64_C(1000000)) + 1; /* rounded up: never early */
}

void conn_unschedule(struct conn *c)
{
    if (!c->wheel_link)
        return;
    *c->wheel_link = c->wheel_next;
    if (c->wheel_next)
        c->wheel_next->wheel_link = c->wheel_link;
    c->wheel_link = NULL;
}

static void put(struct conn *c, int64_t tick)
{
    struct net_loop *loop = c->loop;
    if (tick <= loop->tick)
        tick = loop->tick + 1;
    if (tick > loop->tick + NET_WHEEL_SLOTS - 1)
        tick = loop->tick + NET_WHEEL_SLOTS - 1;
    struct conn **slot = &loop->wheel[tick % NET_WHEEL_SLOTS];
    c->wheel_tick = tick;
    c->wheel_next = *slot;
    c->wheel_link = slot;
    if (*slot)
        (*slot)->wheel_link = &c->wheel_next;
    *slot = c;
}

void conn_schedule(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    int64_t due = look_at(c);
    int64_t tick = due == far_away ? INT64_MAX : tick_of(due);
    if (c->wheel_link && c->wheel_tick <= tick)
        return;
    conn_unschedule(c);
    put(c, tick);
}

/* ---- what has passed ---- */

static void on_missed(struct conn *c)
{
    if (c->state == CONN_HEAD && c->is_idle) {
        conn_close(c);
    } else if (c->state == CONN_HEAD) {
        count(&c->listener->counters.deadlines, 1);
        conn_error(c, 408, "The request head came too slowly.");
    } else if (c->state == CONN_BODY) {
        count(&c->listener->counters.deadlines, 1);
        conn_error(c, 408, "The body came too slowly.");
    } else {
        conn_close(c);
    }
}

static bool is_reader_stuck(struct conn *c)
{
    if (!c->is_writing)
        return false;
    size_t unsent = c->stream.write_queue_size;
    if (unsent < c->unsent_seen)
        c->write_since = c->loop->now;
    c->unsent_seen = unsent;
    return c->loop->now.ns >= after(c->write_since, c->server->limits.write_deadline_ms);
}

static void look(struct conn *c)
{
    int64_t now = c->loop->now.ns;
    if (is_reader_stuck(c)) {
        count(&c->listener->counters.deadlines, 1);
        conn_close(c);
    } else if (now >= state_due_at(c)) {
        on_missed(c);
    } else if (c->state == CONN_HEAD && c->is_idle && !c->is_cool && !c->is_writing &&
               now >= after(c->since, NET_COOL_MS)) {
        c->is_cool = true;
        conn_release(c);
    }
}

static void look_through(struct net_loop *loop, int64_t tick)
{
    /* Taken off the wheel as a list of its own: what is looked at may go back into this slot. */
    loop->looking = loop->wheel[tick % NET_WHEEL_SLOTS];
    loop->wheel[tick % NET_WHEEL_SLOTS] = NULL;
    if (loop->looking)
        loop->looking->wheel_link = &loop->looking;
    while (loop->looking) {
        struct conn *c = loop->looking;
        conn_unschedule(c);
        look(c);
        conn_schedule(c);
    }
}

void loop_tick(struct net_loop *loop)
{
    int64_t now = tick_of(loop->now.ns) - 1;
    if (now - loop->tick > NET_WHEEL_SLOTS) /* the machine slept: each slot once */
        loop->tick = now - NET_WHEEL_SLOTS;
    while (loop->tick < now) {
        loop->tick++;
        look_through(loop, loop->tick);
    }
}
