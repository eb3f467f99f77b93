#include "person_model.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field {
    PROJECT,
    TIME,
    ID,
    OFFSET,
    KIND,
    USER,
    ANONYMOUS,
    PREVIOUS,
    TYPE,
    GROUP,
    GROUPS,
    TRAITS,
    ONCE,
    ERA,
    CUT,
    FIELDS,
};
enum { IDS_MAX = 40, TRAITS_MAX = 40, GROUPS_MAX = 20, MORE_MAX = 4 };
struct event {
    char *text[FIELDS];
    int64_t ms;
    const char *more[MORE_MAX][2]; /* groups: types and ids */
    uint32_t more_count;
};
struct id {
    const char *text;
    bool is_known, is_user, is_claimed, is_seen;
    int64_t heard;     /* when it was named last */
    uint32_t known_at; /* number of the event */
    uint32_t person;   /* index of an id; the same for all of a person */
    int64_t first, last;
};
struct trait { /* of a person, or of a group */
    uint32_t person;
    const char *type, *group;
    char name[40], value[80];
};
struct group {
    const char *type, *id;
    int64_t first, last;
};
struct forgotten {
    const char *ids[IDS_MAX];
    uint32_t id_count;
    const char *groups[GROUPS_MAX][2];
    uint32_t group_count;
};
struct world { /* of one project */
    const struct forgotten *forgotten;
    struct id ids[IDS_MAX];
    uint32_t id_count;
    struct trait traits[TRAITS_MAX], members[TRAITS_MAX];
    struct trait latest[TRAITS_MAX]; /* of each id, the group that it was seen with last */
    uint32_t trait_count, member_count, latest_count;
    struct group groups[GROUPS_MAX];
    uint32_t group_count;
};

static int compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    int c = strcmp(x->text[PROJECT], y->text[PROJECT]);
    if (c == 0)
        c = x->ms < y->ms ? -1 : x->ms > y->ms;
    if (c == 0)
        c = strcmp(x->text[ID], y->text[ID]);
    if (c)
        return c;
    return strtoull(x->text[OFFSET], NULL, 10) < strtoull(y->text[OFFSET], NULL, 10) ? -1 : 1;
}

/* {"type":"id","type":"id"}; the text is cut. */
static void read_groups(struct event *e)
{
    char *type = e->text[GROUPS];
    while (*type && *type != '}') {
        type += 2; /* {" or ," */
        char *id = type + strcspn(type, "\"") + 3, *end = id + strcspn(id, "\"");
        if (e->more_count == MORE_MAX)
            abort();
        id[-3] = *end = '\0';
        e->more[e->more_count][0] = type;
        e->more[e->more_count++][1] = id;
        type = end + 1;
    }
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
        read_groups(&list[n]);
        n++;
    }
    *ret_count = n;
    return list;
}

static struct id *id_of(struct world *w, const char *text)
{
    for (uint32_t i = 0; i < w->id_count; i++)
        if (strcmp(w->ids[i].text, text) == 0)
            return &w->ids[i];
    if (w->id_count == IDS_MAX)
        abort();
    struct id *id = &w->ids[w->id_count];
    *id = (struct id){.text = text, .person = w->id_count++};
    return id;
}

static bool is_of_past(const struct event *e)
{
    return e->text[ERA][0] == '0';
}

/* Nobody, or an event of the past would name somebody who is forgotten. */
static const char *named(const struct world *w, const struct event *e, enum field field)
{
    const char *text = e->text[field];
    for (uint32_t i = 0; is_of_past(e) && i < w->forgotten->id_count; i++)
        if (strcmp(w->forgotten->ids[i], text) == 0)
            return "";
    return text;
}

/* Who did it: whoever that was, even if it is nobody by now. */
static const char *doer(const struct world *w, const struct event *e)
{
    return named(w, e, e->text[USER][0] ? USER : ANONYMOUS);
}

static void join(struct world *w, const struct id *a, const struct id *b)
{
    uint32_t from = b->person, to = a->person;
    for (uint32_t i = 0; i < w->id_count; i++)
        if (w->ids[i].person == from)
            w->ids[i].person = to;
}

/* a is claimed for b, unless somebody has done so before, or it is known. */
static void claim(struct world *w, struct id *a, const struct id *b)
{
    if (a->is_known || a->is_claimed)
        return;
    a->is_claimed = true;
    join(w, a, b);
}

static void know(struct id *id, uint32_t number)
{
    if (!id->is_known)
        id->known_at = number;
    id->is_known = true;
}

/* NULL: nobody (any more). */
static struct id *hear(struct world *w, const struct event *e, enum field field)
{
    const char *text = named(w, e, field);
    struct id *id = *text ? id_of(w, text) : NULL;
    if (id)
        id->heard = e->ms > id->heard ? e->ms : id->heard;
    return id;
}

static void who_is_who(struct world *w, const struct event *e, uint32_t number)
{
    bool is_alias = strcmp(e->text[KIND], "alias") == 0;
    struct id *user = hear(w, e, USER), *anonymous = hear(w, e, ANONYMOUS);
    struct id *previous = is_alias ? hear(w, e, PREVIOUS) : NULL;
    if (is_alias) {
        if (!user || !previous || user == previous)
            return;
        if (!previous->is_known)
            claim(w, previous, user);
        else if (!user->is_known)
            claim(w, user, previous);
        else
            join(w, previous, user);
        return;
    }
    bool is_pair =
        *e->text[USER] && *e->text[ANONYMOUS] && strcmp(e->text[USER], e->text[ANONYMOUS]) != 0;
    if (is_pair && user && anonymous)
        claim(w, anonymous, user);
    if (user && (is_pair || strcmp(e->text[KIND], "identify") == 0))
        know(user, number);
}

static void see(struct world *w, const struct event *e)
{
    if (strcmp(e->text[KIND], "alias") == 0)
        return;
    const char *who = doer(w, e);
    if (!*who)
        return;
    struct id *id = id_of(w, who);
    id->is_user |= e->text[USER][0] != '\0';
    id->first = id->is_seen ? id->first : e->ms;
    id->last = e->ms;
    id->is_seen = true;
}

/* ---- traits ---- */
static void set(struct trait *list, uint32_t *count, const struct trait *t, bool is_once)
{
    for (uint32_t i = 0; i < *count; i++) {
        struct trait *old = &list[i];
        if (old->person != t->person || strcmp(old->name, t->name) != 0 ||
            strcmp(old->type, t->type) != 0 || strcmp(old->group, t->group) != 0)
            continue;
        if (!is_once)
            *old = *t;
        return;
    }
    if (*count == TRAITS_MAX)
        abort();
    list[(*count)++] = *t;
}

/* {"a":1,"b":"x"} */
static void set_all(struct trait *list, uint32_t *count, const char *object, struct trait t,
                    bool is_once)
{
    for (const char *at = object; *at && *at != '}';) {
        at++; /* { or , */
        size_t name = strcspn(at + 1, "\""), value = strcspn(at + name + 3, ",}");
        if (*at != '"')
            return;
        snprintf(t.name, sizeof(t.name), "%.*s", (int)name, at + 1);
        snprintf(t.value, sizeof(t.value), "%.*s", (int)value, at + name + 3);
        set(list, count, &t, is_once);
        at += name + 3 + value;
    }
}

static bool is_forgotten_group(const struct world *w, const struct event *e, const char *type,
                               const char *group)
{
    for (uint32_t i = 0; is_of_past(e) && i < w->forgotten->group_count; i++)
        if (strcmp(w->forgotten->groups[i][0], type) == 0 &&
            strcmp(w->forgotten->groups[i][1], group) == 0)
            return true;
    return false;
}

static void tell_traits(struct world *w, const struct event *e)
{
    bool is_group = strcmp(e->text[KIND], "group") == 0;
    const char *who = doer(w, e);
    struct trait t = {.type = "", .group = ""};
    if (strcmp(e->text[KIND], "alias") == 0)
        return;
    if (is_group) {
        t.person = IDS_MAX;
        t.type = e->text[TYPE];
        t.group = e->text[GROUP];
    } else if (*who) {
        t.person = id_of(w, who)->person; /* as it is in the end */
    }
    if (is_group && is_forgotten_group(w, e, t.type, t.group))
        return;
    if (is_group ? t.type[0] && t.group[0] : *who) {
        set_all(w->traits, &w->trait_count, e->text[TRAITS], t, false);
        set_all(w->traits, &w->trait_count, e->text[ONCE], t, true);
    }
}

static void tell_group(struct world *w, const struct event *e, const char *type, const char *id)
{
    const char *who = doer(w, e);
    uint32_t i = 0;
    if (!*type || !*id || is_forgotten_group(w, e, type, id))
        return;
    while (i < w->group_count &&
           (strcmp(w->groups[i].type, type) != 0 || strcmp(w->groups[i].id, id) != 0))
        i++;
    if (i == GROUPS_MAX)
        abort();
    if (i == w->group_count)
        w->groups[w->group_count++] = (struct group){type, id, e->ms, e->ms};
    w->groups[i].last = e->ms;
    if (*who) {
        struct trait t = {.person = id_of(w, who)->person, .type = type, .group = ""};
        snprintf(t.value, sizeof(t.value), "%s", id);
        set(w->members, &w->member_count, &t, false);
        t.person = (uint32_t)(id_of(w, who) - w->ids);
        set(w->latest, &w->latest_count, &t, false);
    }
}

static void tell_groups(struct world *w, const struct event *e)
{
    if (strcmp(e->text[KIND], "alias") == 0)
        return;
    tell_group(w, e, e->text[TYPE], e->text[GROUP]);
    for (uint32_t i = 0; i < e->more_count; i++)
        tell_group(w, e, e->more[i][0], e->more[i][1]);
}

/* ---- lines ---- */
static const char *smallest(const struct world *w, uint32_t person)
{
    const char *text = NULL;
    for (uint32_t i = 0; i < w->id_count; i++)
        if (w->ids[i].person == person && (!text || strcmp(w->ids[i].text, text) < 0))
            text = w->ids[i].text;
    return text;
}

static const char *top(const struct world *w, uint32_t person)
{
    const struct id *top = NULL;
    for (uint32_t i = 0; i < w->id_count; i++) {
        const struct id *id = &w->ids[i];
        if (id->person == person && id->is_known && (!top || id->known_at < top->known_at))
            top = id;
    }
    return top ? top->text : "-";
}

static void write_world(const struct world *w, const char *project, struct buf *out)
{
    for (uint32_t i = 0; i < w->id_count; i++) {
        const struct id *id = &w->ids[i];
        buf_addf(out, "id\t%s\t%s\t%s\t%s\n", project, id->text, smallest(w, id->person),
                 top(w, id->person));
        buf_addf(out, "seen\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%d\n", project, id->text, id->first,
                 id->last, id->is_user);
    }
    for (uint32_t i = 0; i < w->trait_count; i++) {
        const struct trait *t = &w->traits[i];
        if (t->person == IDS_MAX)
            buf_addf(out, "gtrait\t%s\t%s\t%s\t%s\t%s\n", project, t->type, t->group, t->name,
                     t->value);
        else
            buf_addf(out, "trait\t%s\t%s\t%s\t%s\n", project, smallest(w, t->person), t->name,
                     t->value);
    }
    for (uint32_t i = 0; i < w->member_count; i++)
        buf_addf(out, "member\t%s\t%s\t%s\t%s\n", project, smallest(w, w->members[i].person),
                 w->members[i].type, w->members[i].value);
    for (uint32_t i = 0; i < w->group_count; i++)
        buf_addf(out, "group\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\n", project, w->groups[i].type,
                 w->groups[i].id, w->groups[i].first, w->groups[i].last);
}

/* is_past: what had come in when some were forgotten; else all. */
static void make_world(struct world *w, const struct forgotten *forgotten, const struct event *e,
                       size_t n, bool is_past)
{
    memset(w, 0, sizeof(*w));
    w->forgotten = forgotten;
    for (size_t i = 0; i < n; i++) {
        if (is_past && !is_of_past(&e[i]))
            continue;
        who_is_who(w, &e[i], (uint32_t)i);
        see(w, &e[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (is_past && !is_of_past(&e[i]))
            continue;
        tell_traits(w, &e[i]);
        tell_groups(w, &e[i]);
    }
}

static void forget_ids(const struct world *w, int64_t cut, struct forgotten *ret)
{
    for (uint32_t i = 0; i < w->id_count; i++) {
        int64_t heard = 0;
        for (uint32_t k = 0; k < w->id_count; k++)
            if (w->ids[k].person == w->ids[i].person && w->ids[k].heard > heard)
                heard = w->ids[k].heard;
        if (heard < cut)
            ret->ids[ret->id_count++] = w->ids[i].text;
    }
}

/* Of a world that has forgotten people: groups not named for so long, and nobody's latest. */
static void forget_groups(const struct world *w, int64_t cut, struct forgotten *ret)
{
    for (uint32_t i = 0; i < w->group_count; i++) {
        const struct group *g = &w->groups[i];
        bool is_wanted = g->last >= cut;
        for (uint32_t k = 0; k < w->latest_count; k++)
            is_wanted |=
                strcmp(w->latest[k].type, g->type) == 0 && strcmp(w->latest[k].value, g->id) == 0;
        if (is_wanted)
            continue;
        ret->groups[ret->group_count][0] = g->type;
        ret->groups[ret->group_count++][1] = g->id;
    }
}

static void go_through(const struct event *e, size_t n, struct buf *out)
{
    static struct world w;
    static const struct forgotten nobody;
    struct forgotten forgotten = {.id_count = 0};
    int64_t cut = strtoll(e[0].text[CUT], NULL, 10);
    if (cut) {
        make_world(&w, &nobody, e, n, true);
        forget_ids(&w, cut, &forgotten);
        make_world(&w, &forgotten, e, n, true);
        forget_groups(&w, cut, &forgotten);
    }
    make_world(&w, &forgotten, e, n, false);
    write_world(&w, e[0].text[PROJECT], out);
}

void person_model(struct buf *events, struct buf *out)
{
    size_t n = 0, from = 0;
    struct event *e = read_events(events, &n);
    if (!e)
        return;
    qsort(e, n, sizeof(*e), compare);
    for (size_t i = 1; i <= n; i++)
        if (i == n || strcmp(e[i].text[PROJECT], e[i - 1].text[PROJECT]) != 0) {
            go_through(e + from, i - from, out);
            from = i;
        }
    free(e);
}
