/* WHAT    Who sent a visitor: a host, a tag or an app to the name that reports show.
 * WHY     The same sender has many hosts (google.de, l.facebook.com, t.co) and many spellings in
 *         tags; a report must have one line for it. What is not in the list keeps its own name, so
 *         nothing is lost by the list's being incomplete.
 * LAYOUT  acquisition.def, three lists sorted by key, each asked by one binary search. The key of a
 *         host is the label left of its public suffix; the rows of one key differ in the suffix and
 *         in what stands before the label, and go from the general to the special.
 * INVARIANTS  Public suffixes are told by rule, not from the public list (10,000 entries for the
 *         sake of a few visits): two labels under a country (co.uk, com.br), else one. Hosting
 *         domains, where each name is another site, are listed here.
 * THREADS none. */
#include "analytics/projector/acquisition_int.h"

#include "analytics/projector/project_int.h"
#include "base/attr.h"

struct site {
    struct slice key; /* the label; first in all three, for find() */
    struct slice suffix, sub, name;
    uint8_t group;
    bool is_tag;
};
struct tag {
    struct slice key, name;
    uint8_t group;
    bool is_paid;
};
struct app {
    struct slice key, name;
    uint8_t group;
};

/* clang-format off */
#define ROW(key, suffix, sub, name) \
    SLICE_CONST(key), SLICE_CONST(suffix), SLICE_CONST(sub), SLICE_CONST(name)
#define SITE(key, suffix, sub, name, group) {ROW(key, suffix, sub, name), SOURCE_##group, false},
#define NAME(key, suffix, sub, name, group) {ROW(key, suffix, sub, name), SOURCE_##group, true},
static const struct site sites[] = {
#include "analytics/projector/acquisition.def"
};
#undef SITE
#undef NAME
#undef ROW
#define TAG(key, name, group) {SLICE_CONST(key), SLICE_CONST(name), SOURCE_##group, false},
#define AD(key, name, group) {SLICE_CONST(key), SLICE_CONST(name), SOURCE_##group, true},
static const struct tag tags[] = {
#include "analytics/projector/acquisition.def"
};
#undef TAG
#undef AD
#define APP(key, name, group) {SLICE_CONST(key), SLICE_CONST(name), SOURCE_##group},
static const struct app apps[] = {
#include "analytics/projector/acquisition.def"
};
#undef APP
/* clang-format on */

/* The first row whose key is this one; NULL if none is. */
static const void *find(const void *rows, size_t count, size_t width, struct slice key)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        const struct slice *at = (const void *)((const char *)rows + middle * width);
        size_t n = at->len < key.len ? at->len : key.len;
        int order = memcmp(at->data, key.data, n);
        if (order < 0 || (order == 0 && at->len < key.len))
            from = middle + 1;
        else
            to = middle;
    }
    if (from == count)
        return NULL;
    const void *row = (const char *)rows + from * width;
    return slice_eq(*(const struct slice *)row, key) ? row : NULL;
}
#define FIND(rows, key) find(rows, COUNT_OF(rows), sizeof((rows)[0]), key)

/* ---- a host, taken apart: [sub.]label.suffix ---- */
struct host_parts {
    struct slice sub, label, suffix;
};

static size_t label_begin(struct slice host, size_t end)
{
    const char *dot = end ? memrchr(host.data, '.', end) : NULL;
    return dot ? (size_t)(dot - host.data) + 1 : 0;
}

/* The second labels under which countries give names away. */
static bool is_second_level(struct slice label)
{
    static const struct slice labels[] = {
        SLICE_CONST("co"), SLICE_CONST("com"), SLICE_CONST("org"), SLICE_CONST("net"),
        SLICE_CONST("ac"), SLICE_CONST("edu"), SLICE_CONST("gov"), SLICE_CONST("go"),
        SLICE_CONST("ne"), SLICE_CONST("or"),
    };
    if (label.len > 3)
        return false;
    for (size_t i = 0; i < COUNT_OF(labels); i++)
        if (slice_eq(label, labels[i]))
            return true;
    return false;
}

/* False: an address, or a name without a dot. */
static bool host_split(struct slice host, struct host_parts *ret)
{
    size_t top = label_begin(host, host.len);
    if (top < 2 || top == host.len ||
        (host.data[host.len - 1] >= '0' && host.data[host.len - 1] <= '9') ||
        host.data[host.len - 1] == ']')
        return false;
    size_t suffix = top, label = label_begin(host, top - 1);
    if (host.len - top == 2 && label > 1 &&
        is_second_level(slice_of(host.data + label, top - 1 - label))) {
        suffix = label;
        label = label_begin(host, label - 1);
    }
    ret->sub = slice_of(host.data, label ? label - 1 : 0);
    ret->label = slice_of(host.data + label, suffix - 1 - label);
    ret->suffix = slice_sub(host, suffix);
    return true;
}

static bool suffix_fits(struct slice suffix, struct slice of_row)
{
    if (!slice_eq(of_row, SLICE_LIT("*")))
        return slice_eq(suffix, of_row);
    size_t top = label_begin(suffix, suffix.len);
    return suffix.len - top == 2 || slice_eq(suffix, SLICE_LIT("com")) ||
           slice_eq(suffix, SLICE_LIT("net")) || slice_eq(suffix, SLICE_LIT("org"));
}

/* name is tail, or ends in "." tail. */
static bool ends_in(struct slice name, struct slice tail)
{
    if (tail.len == 0)
        return true;
    if (name.len < tail.len || memcmp(name.data + name.len - tail.len, tail.data, tail.len) != 0)
        return false;
    return name.len == tail.len || name.data[name.len - tail.len - 1] == '.';
}

/* Rows of one key go from the general to the special: the last that fits. */
static const struct site *site_of(const struct host_parts *parts)
{
    const struct site *best = NULL;
    for (const struct site *at = FIND(sites, parts->label);
         at && at < sites + COUNT_OF(sites) && slice_eq(at->key, parts->label); at++)
        if (suffix_fits(parts->suffix, at->suffix) && ends_in(parts->sub, at->sub))
            best = at;
    return best;
}

static struct slice without_www(struct slice host)
{
    return slice_has_prefix(host, SLICE_LIT("www.")) ? slice_sub(host, 4) : host;
}

/* ---- sources ---- */
static struct acquisition_source source_named(struct slice name)
{
    return (struct acquisition_source){.name = name, .group = SOURCE_OTHER};
}

struct acquisition_source acquisition_source_of_host(struct slice host, bool is_app)
{
    struct host_parts parts;
    if (is_app) {
        const struct app *app = FIND(apps, host);
        return app ? (struct acquisition_source){.name = app->name, .group = app->group}
                   : source_named(host);
    }
    const struct site *site = host_split(host, &parts) ? site_of(&parts) : NULL;
    return site ? (struct acquisition_source){.name = site->name, .group = site->group}
                : source_named(without_www(host));
}

struct slice acquisition_lower(struct slice text, char space[ACQUISITION_VALUE_BYTES_MAX])
{
    if (text.len > ACQUISITION_VALUE_BYTES_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        space[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return slice_of(space, text.len);
}

static bool is_host(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return text.len && memchr(text.data, '.', text.len);
}

struct acquisition_source acquisition_source_of_tag(struct slice tag_text, struct arena *scratch)
{
    char space[ACQUISITION_VALUE_BYTES_MAX];
    tag_text = slice_trim(tag_text);
    struct slice key = acquisition_lower(tag_text, space);
    const struct tag *tag = FIND(tags, key);
    if (tag)
        return (struct acquisition_source){tag->name, tag->group, tag->is_paid};
    const struct site *site = FIND(sites, key);
    for (; site && site < sites + COUNT_OF(sites) && slice_eq(site->key, key); site++)
        if (site->is_tag)
            return (struct acquisition_source){.name = site->name, .group = site->group};
    if (!is_host(key))
        return source_named(tag_text);
    struct host_parts parts;
    site = host_split(key, &parts) ? site_of(&parts) : NULL;
    if (site)
        return (struct acquisition_source){.name = site->name, .group = site->group};
    return source_named(arena_copy(scratch, without_www(key)));
}

/* ---- is the referrer the site itself? ---- */

/* Under these each name is a site of its own. Sorted; the key is what follows that name. */
static const struct slice hosting[] = {
    SLICE_CONST("amazonaws.com"),     SLICE_CONST("appspot.com"),
    SLICE_CONST("azurewebsites.net"), SLICE_CONST("blogspot.com"),
    SLICE_CONST("carrd.co"),          SLICE_CONST("cloudfront.net"),
    SLICE_CONST("codeberg.page"),     SLICE_CONST("firebaseapp.com"),
    SLICE_CONST("fly.dev"),           SLICE_CONST("framer.app"),
    SLICE_CONST("framer.website"),    SLICE_CONST("ghost.io"),
    SLICE_CONST("github.io"),         SLICE_CONST("gitlab.io"),
    SLICE_CONST("glitch.me"),         SLICE_CONST("hashnode.dev"),
    SLICE_CONST("herokuapp.com"),     SLICE_CONST("lovable.app"),
    SLICE_CONST("myshopify.com"),     SLICE_CONST("neocities.org"),
    SLICE_CONST("netlify.app"),       SLICE_CONST("ngrok.app"),
    SLICE_CONST("ngrok.io"),          SLICE_CONST("notion.site"),
    SLICE_CONST("onrender.com"),      SLICE_CONST("pages.dev"),
    SLICE_CONST("railway.app"),       SLICE_CONST("readthedocs.io"),
    SLICE_CONST("replit.app"),        SLICE_CONST("run.app"),
    SLICE_CONST("squarespace.com"),   SLICE_CONST("substack.com"),
    SLICE_CONST("surge.sh"),          SLICE_CONST("tumblr.com"),
    SLICE_CONST("typepad.com"),       SLICE_CONST("vercel.app"),
    SLICE_CONST("web.app"),           SLICE_CONST("webflow.io"),
    SLICE_CONST("weebly.com"),        SLICE_CONST("wixsite.com"),
    SLICE_CONST("wordpress.com"),     SLICE_CONST("workers.dev"),
};

/* From where on a host names its site; 0: the whole host does. */
static size_t site_begin(struct slice host, const struct host_parts *parts)
{
    size_t begin = (size_t)(parts->label.data - host.data);
    if (begin && FIND(hosting, slice_sub(host, begin)))
        begin = label_begin(host, begin - 1);
    return begin;
}

bool acquisition_is_same_site(struct slice host, struct slice other)
{
    struct host_parts a, b;
    if (slice_eq(host, other) || slice_eq(without_www(host), without_www(other)))
        return true;
    /* Most pairs end here: two sites whose names' ends differ. */
    if (!host_split(host, &a) || !host_split(other, &b) || !slice_eq(a.label, b.label) ||
        !slice_eq(a.suffix, b.suffix))
        return false;
    return slice_eq(slice_sub(host, site_begin(host, &a)), slice_sub(other, site_begin(other, &b)));
}

/* ---- an event ---- */
enum came { CAME_UNKNOWN, CAME_FROM_SITE_ITSELF, CAME_FROM_OTHER };

/* Whose page the visitor left for this one. */
static enum came source_of_referrer(const struct acquisition_in *in, struct arena *scratch,
                                    struct acquisition *ret, struct acquisition_source *ret_source)
{
    if (in->referrer.len == 0)
        return CAME_UNKNOWN;
    struct slice host = project_url_split(in->referrer).host;
    ret->referrer_domain = host = project_url_host(host, scratch);
    bool is_app = slice_has_prefix(in->referrer, SLICE_LIT("android-app:"));
    bool is_web = slice_has_prefix(in->referrer, SLICE_LIT("http")) ||
                  slice_has_prefix(in->referrer, SLICE_LIT("//"));
    if (host.len == 0 || !(is_app || is_web) || slice_eq(host, SLICE_LIT("localhost")))
        return CAME_UNKNOWN; /* about:, file:, a browser's extension; somebody tries something */
    if (!is_app && in->hostname.len && acquisition_is_same_site(in->hostname, host))
        return CAME_FROM_SITE_ITSELF;
    *ret_source = acquisition_source_of_host(host, is_app);
    return CAME_FROM_OTHER;
}

/* ?ref= and ?source= on a site's own links are the site's own business. */
static bool source_of_tags(const struct acquisition_query *q, enum came came, struct arena *scratch,
                           struct acquisition_source *ret_source)
{
    const struct slice texts[] = {q->utm[ACQUISITION_UTM_SOURCE], q->source, q->ref};
    size_t count = came == CAME_FROM_SITE_ITSELF ? 1 : COUNT_OF(texts);
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len == 0)
            continue;
        struct acquisition_source source = acquisition_source_of_tag(texts[i], scratch);
        if (source.name.len == 0)
            continue;
        *ret_source = source;
        return true;
    }
    return false;
}

static bool is_tagged(const struct acquisition_query *q)
{
    return q->utm[ACQUISITION_UTM_MEDIUM].len || q->utm[ACQUISITION_UTM_CAMPAIGN].len || q->click;
}

void acquisition_derive(const struct acquisition_in *in, struct arena *scratch,
                        struct acquisition *ret_acquisition)
{
    char space[3][ACQUISITION_VALUE_BYTES_MAX];
    const struct acquisition_query *q = in->query;
    struct acquisition out = {SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY,
                              acquisition_click_name(q->click)};
    struct acquisition_source source = source_named(SLICE_EMPTY);
    enum came came = source_of_referrer(in, scratch, &out, &source);
    if (source_of_tags(q, came, scratch, &source))
        came = CAME_FROM_OTHER;
    else if (q->click && source.name.len == 0)
        source = (struct acquisition_source){.name = q->click->source, .group = q->click->group};
    out.referrer_source = source.name;
    if (came != CAME_FROM_SITE_ITSELF ? in->is_page || source.name.len : is_tagged(q)) {
        const struct channel_facts facts = {
            .source = source.name,
            .group = source.group,
            .is_paid_tag = source.is_paid,
            .utm_source = acquisition_lower(q->utm[ACQUISITION_UTM_SOURCE], space[0]),
            .medium = acquisition_lower(q->utm[ACQUISITION_UTM_MEDIUM], space[1]),
            .campaign = acquisition_lower(q->utm[ACQUISITION_UTM_CAMPAIGN], space[2]),
            .click = q->click,
        };
        out.channel = acquisition_channel(&facts);
    }
    *ret_acquisition = out;
}
