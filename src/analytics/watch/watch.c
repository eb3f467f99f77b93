/* WHAT    The thread of watch.h: every so often, all alerts, all mail reports that are due, and the
 *         messages that wait.
 * THREADS one; it blocks on the store and on mail servers, and nobody waits for it. */
#include "analytics/watch/watch_int.h"

#include <errno.h>
#include <time.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { ANSWER_BYTES_MAX = 1 << 20, ARENA_BYTES_MAX = 8 << 20, SENT_AT_ONCE_MAX = 200 };

struct query_asker watch_asker(const struct watch_item *item)
{
    return (struct query_asker){
        .project = item->project, .time_zone = item->time_zone, .viewer = item->created_by};
}

enum rc watch_ask(struct watch *w, const struct watch_item *item, struct slice question,
                  struct arena *arena, yyjson_val **ret_answer, struct err *err)
{
    CLEANUP(buf_done) struct buf answer;
    buf_init(&answer, ANSWER_BYTES_MAX);
    const struct query_asker who = watch_asker(item);
    TRY(query_question(w->cfg.query, &who, question, &answer, err));
    return json_parse(arena, buf_slice(&answer), ret_answer, err);
}

bool watch_number(yyjson_val *answer, size_t row, size_t metric, bool is_comparison, double *ret)
{
    yyjson_val *result = yyjson_arr_get(json_get(answer, "results"), row);
    if (is_comparison)
        result = json_get(result, "comparison");
    yyjson_val *v = yyjson_arr_get(json_get(result, "metrics"), metric);
    return v && json_to_double(v, ret);
}

const char *watch_link(const struct watch *w, const struct watch_item *item, struct arena *arena,
                       const char *page)
{
    const struct slice url = w->cfg.public_url;
    return url.len ? arena_printf(arena, "%.*s/app/%.*s/%s", SLICE_ARG(url),
                                  SLICE_ARG(item->project), page)
                   : NULL;
}

uint32_t watch_address(struct arena *arena, struct slice emails, struct watch_message message,
                       struct watch_message ret[WATCH_EMAILS_MAX])
{
    yyjson_val *list, *email;
    struct err err = ERR_INIT;
    uint32_t count = 0;
    size_t i, n;
    if (json_parse(arena, emails, &list, &err) != RC_OK || !yyjson_is_arr(list))
        return 0;
    yyjson_arr_foreach(list, i, n, email)
    {
        if (!yyjson_is_str(email) || count == WATCH_EMAILS_MAX)
            continue;
        message.to = json_text(email);
        ret[count++] = message;
    }
    return count;
}

/* ---- items: copied first, as their questions are asked without the state's lock ---- */
struct list {
    struct arena arena;
    struct watch_item *items;
    uint32_t count, room;
};

static enum rc keep(void *ctx, const struct watch_item *item)
{
    struct list *l = ctx;
    if (l->count == WATCH_ITEMS_MAX)
        return RC_OK;
    if (l->count == l->room) {
        uint32_t room = l->room ? l->room * 2 : 64;
        struct watch_item *more = heap_alloc(HEAP_ANALYTICS, room * sizeof(*more));
        if (l->count)
            memcpy(more, l->items, l->count * sizeof(*more));
        heap_free(l->items);
        l->items = more;
        l->room = room;
    }
    struct watch_item *to = &l->items[l->count++];
    *to = *item;
    struct slice *const texts[] = {&to->id,         &to->project, &to->project_name, &to->time_zone,
                                   &to->created_by, &to->name,    &to->question,     &to->condition,
                                   &to->emails,     &to->state};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = arena_copy(&l->arena, *texts[i]);
    return l->arena.is_failed ? RC_NOMEM : RC_OK;
}

static bool is_stopping(struct watch *w)
{
    pthread_mutex_lock(&w->lock);
    bool is = w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    return is;
}

typedef enum rc list_fn(struct state *s, enum rc (*each)(void *, const struct watch_item *), void *,
                        struct err *err);
typedef enum rc item_fn(struct watch *w, const struct watch_item *item, struct arena *arena,
                        struct err *err);

static void look_at_all(struct watch *w, list_fn *all, item_fn *one)
{
    static struct log_limit limit;
    struct list l = {.count = 0};
    struct arena arena;
    struct err err = ERR_INIT;
    arena_init(&l.arena, 64 * 1024, UINT32_MAX);
    arena_init(&arena, 64 * 1024, ARENA_BYTES_MAX);
    enum rc rc = all(w->cfg.state, keep, &l, &err);
    for (uint32_t i = 0; rc == RC_OK && i < l.count && !is_stopping(w); i++) {
        struct err why = ERR_INIT;
        arena_reset(&arena);
        if (one(w, &l.items[i], &arena, &why) != RC_OK && log_allowed(&limit))
            log_warn("an alert or a mail report was not looked after",
                     LOG_SLICE("id", l.items[i].id), LOG_ERR(&why));
    }
    if (rc != RC_OK && log_allowed(&limit))
        log_warn("alerts and mail reports cannot be read", LOG_ERR(&err));
    arena_done(&arena);
    arena_done(&l.arena);
    heap_free(l.items);
}

/* ---- messages ---- */
static enum rc send_one(struct watch *w, struct watch_due *due, struct err *err)
{
    struct err why = ERR_INIT;
    const struct watch_letter letter = {.id = due->id,
                                        .to = buf_cstr(&due->to),
                                        .subject = buf_cstr(&due->subject),
                                        .text = buf_cstr(&due->text),
                                        .html = due->html.len ? buf_cstr(&due->html) : NULL};
    enum rc rc = w->cfg.send(w->cfg.ctx, &letter, &why);
    if (rc == RC_OK)
        return watch_mail_sent(w->cfg.state, due, unix_now(), err);
    log_warn("a message was not taken", LOG_I64("attempt", due->attempts + 1), LOG_ERR(&why));
    return watch_mail_failed(w->cfg.state, due, why.text, rc == RC_INVALID || rc == RC_LIMIT,
                             unix_now(), err);
}

static void send_due(struct watch *w)
{
    struct err err = ERR_INIT;
    for (uint32_t i = 0; w->cfg.send && i < SENT_AT_ONCE_MAX && !is_stopping(w); i++) {
        struct watch_due due;
        enum rc rc = watch_mail_due(w->cfg.state, unix_now(), &due, &err);
        if (rc == RC_OK)
            rc = send_one(w, &due, &err);
        watch_due_done(&due);
        if (rc != RC_OK)
            return;
    }
}

/* ---- the thread ---- */
static bool is_over(struct watch *w)
{
    int64_t until_ns = mono_add_ms(mono_now(), w->cfg.every_ms).ns;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    pthread_mutex_lock(&w->lock);
    while (!w->is_stopping && pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT) {
    }
    bool is = w->is_stopping;
    pthread_mutex_unlock(&w->lock);
    return is;
}

static void *run(void *arg)
{
    struct watch *w = arg;
    while (!is_over(w)) {
        look_at_all(w, watch_alerts, watch_alert);
        look_at_all(w, watch_mail_reports, watch_mail_report);
        send_due(w);
    }
    return NULL;
}

enum rc watch_start(const struct watch_cfg *cfg, struct watch **ret_watch, struct err *err)
{
    struct watch *w = heap_alloc(HEAP_ANALYTICS, sizeof(*w));
    pthread_condattr_t attr;
    *w = (struct watch){.cfg = *cfg};
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&w->lock, NULL);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        heap_free(w);
        return err_set(err, RC_NOMEM, "cannot start a thread");
    }
    *ret_watch = w;
    return RC_OK;
}

void watch_stop(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    heap_free(w);
}
