#include "session_model.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum field {
    PROJECT,
    VISITOR,
    TIME,
    ID,
    KIND,
    EVENT,
    INTERACTIVE,
    ENGAGEMENT,
    USER,
    PATH,
    HOSTNAME,
    DOMAIN,
    SOURCE,
    CHANNEL,
    UTM,
    CLICK = UTM + 5,
    COUNTRY,
    REGION,
    CITY,
    BROWSER,
    BROWSER_VERSION,
    OS,
    OS_VERSION,
    DEVICE,
    SCREEN,
    LOCALE,
    BOT,
    DRAWER,
    OFFSET,
    FIELDS,
};
struct event {
    char *text[FIELDS];
    int64_t ms;
};

static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

static int compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int c = strcmp(x->text[PROJECT], y->text[PROJECT]);
    if (c == 0)
        c = strcmp(x->text[VISITOR], y->text[VISITOR]);
    if (c == 0)
        c = x->ms < y->ms ? -1 : x->ms > y->ms;
    if (c == 0)
        c = strcmp(x->text[ID], y->text[ID]);
    if (c)
        return c;
    return strtoull(x->text[OFFSET], NULL, 10) < strtoull(y->text[OFFSET], NULL, 10) ? -1 : 1;
}

static bool is_counted(const struct event *e)
{
    return strcmp(e->text[VISITOR], "0") != 0 && strcmp(e->text[KIND], "alias") != 0 &&
           strcmp(e->text[KIND], "group") != 0;
}

static struct event *read_events(struct buf *events, size_t *ret_count)
{
    size_t lines = 0, n = 0;
    for (size_t i = 0; i < events->len; i++)
        lines += events->data[i] == '\n';
    struct event *list = calloc(lines + 1, sizeof(*list));
    char *at = events->data, *end = events->data + events->len;
    while (list && at < end) {
        for (int f = 0; f < FIELDS; f++) {
            size_t len = strcspn(at, "\t\n");
            list[n].text[f] = at;
            at[len] = '\0';
            at += len + 1;
        }
        list[n].ms = strtoll(list[n].text[TIME], NULL, 10);
        if (is_counted(&list[n]))
            n++;
    }
    *ret_count = n;
    return list;
}

static bool is_view(const struct event *e)
{
    return strcmp(e->text[EVENT], "pageview") == 0;
}

static bool has_source(const struct event *e)
{
    bool has = e->text[DOMAIN][0] && strcmp(e->text[DOMAIN], e->text[HOSTNAME]) != 0;
    for (int f = UTM; f <= CLICK; f++)
        has |= e->text[f][0] != '\0';
    return has;
}

struct session {
    const struct event *first_view, *last_view, *source;
    const char *user, *bot;
    uint32_t views, plain, interactions;
    uint64_t engagement_ms;
    bool drawers[64];
};

static void add_event(struct session *s, const struct event *e)
{
    bool is_plain = e->text[KIND][0] == '\0';
    if (is_view(e)) {
        s->first_view = s->first_view ? s->first_view : e;
        s->last_view = e;
        s->views++;
        s->drawers[strtoul(e->text[DRAWER], NULL, 10)] = true;
    }
    if (!s->source && has_source(e))
        s->source = e;
    if (e->text[USER][0])
        s->user = e->text[USER];
    if (!s->bot[0])
        s->bot = e->text[BOT];
    s->plain += is_plain;
    s->interactions += is_plain && !is_view(e) && strcmp(e->text[INTERACTIVE], "1") == 0;
    s->engagement_ms += strtoull(e->text[ENGAGEMENT], NULL, 10);
}

/* docs/definitions.md, "Bot": a program in a browser's name. */
static bool is_behaviour(const struct session *s, const struct event *first, uint64_t duration)
{
    uint32_t pages = 0;
    for (int i = 0; i < 64; i++)
        pages += s->drawers[i];
    return s->views >= 30 && pages >= 20 && duration < (uint64_t)s->views * 1000 &&
           s->interactions == 0 && !s->user[0] && first->text[BROWSER][0];
}

static void write_session(const struct event *e, size_t n, bool is_cut, struct buf *out)
{
    struct session s = {.user = "", .bot = ""};
    for (size_t i = 0; i < n; i++)
        add_event(&s, &e[i]);
    uint64_t duration = (uint64_t)(e[n - 1].ms - e[0].ms);
    if (s.engagement_ms > duration)
        duration = s.engagement_ms;
    bool is_bounce = s.views <= 1 && s.interactions == 0 && s.engagement_ms < 10000;
    buf_addf(out, "%s\t%s\t%" PRId64 "\t%" PRId64 "\t%s\t%u\t%u\t%u\t%" PRIu64 "\t%" PRIu64,
             e[0].text[PROJECT], e[0].text[VISITOR], e[0].ms, e[n - 1].ms, s.user, s.views, s.plain,
             s.interactions, s.engagement_ms, duration);
    buf_addf(out, "\t%d\t%d\t%s\t%s\t%s", is_bounce, is_cut,
             s.first_view ? s.first_view->text[PATH] : "",
             s.last_view ? s.last_view->text[PATH] : "",
             s.first_view ? s.first_view->text[HOSTNAME] : "");
    for (int f = DOMAIN; f <= CLICK; f++)
        buf_addf(out, "\t%s", s.source ? s.source->text[f] : f == CHANNEL ? "Direct" : "");
    for (int f = COUNTRY; f <= LOCALE; f++)
        buf_addf(out, "\t%s", e[0].text[f]);
    uint64_t marks = 0;
    for (int i = 0; i < 64; i++)
        marks |= (uint64_t)s.drawers[i] << i;
    buf_addf(out, "\t%s\t%" PRIu64 "\n",
             !s.bot[0] && is_behaviour(&s, &e[0], duration) ? "behaviour" : s.bot, marks);
}

/* What no gap parts. */
static void write_chain(const struct event *e, size_t n, struct buf *out)
{
    size_t from = 0;
    bool is_cut = e[n - 1].ms - e[0].ms > day_ms;
    for (size_t i = 1; i <= n; i++)
        if (i == n || (is_cut && e[i].ms / day_ms != e[i - 1].ms / day_ms)) {
            write_session(e + from, i - from, is_cut, out);
            from = i;
        }
}

void session_model(struct buf *events, int64_t idle_ms, struct buf *out)
{
    size_t n = 0, from = 0;
    struct event *e = read_events(events, &n);
    if (!e)
        return;
    qsort(e, n, sizeof(*e), compare);
    for (size_t i = 1; i <= n; i++)
        if (i == n || strcmp(e[i].text[PROJECT], e[i - 1].text[PROJECT]) != 0 ||
            strcmp(e[i].text[VISITOR], e[i - 1].text[VISITOR]) != 0 ||
            e[i].ms - e[i - 1].ms > idle_ms) {
            write_chain(e + from, i - from, out);
            from = i;
        }
    free(e);
}
