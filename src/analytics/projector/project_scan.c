/* WHAT     An event record of the shape that our own writer gives it (event.c), in one pass.
 * WHY      Building a tree of a record and looking the members up by name is half of what a row
 *          costs here. The shape is fixed: docs/format/event.md, members in that order, no
 *          spaces. So they are taken one after the other where they stand.
 * HOW      Everything that is not exactly so (another order, an unknown member, an escape in a
 *          text that becomes a column, deep nesting, a number too odd) ends in false, and the
 *          caller reads the record with yyjson. What is taken must be what yyjson would take: a
 *          fuzzer holds both against each other.
 * THREADS  none. */
#include "analytics/projector/project_int.h"

struct cursor {
    const char *p, *end;
};

static bool take(struct cursor *c, const char *text, size_t len)
{
    if ((size_t)(c->end - c->p) < len || memcmp(c->p, text, len) != 0)
        return false;
    c->p += len;
    return true;
}
#define TAKE(c, lit) take(c, "" lit, sizeof(lit) - 1)

/* ---- strings ---- */
static const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);

static uint64_t zero_bytes(uint64_t w) /* not 0 if a byte of w is 0; the lowest mark is exact */
{
    return (w - ones) & ~w & tops;
}

/* Bytes that need no look: neither '"' nor '\', no control, ASCII. */
static const char *plain_end(const char *p, const char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t w;
        memcpy(&w, p, sizeof(w));
        uint64_t marks = (w & tops) | zero_bytes(w ^ ones * '"') | zero_bytes(w ^ ones * '\\') |
                         ((w - ones * 0x20) & ~w & tops);
        if (marks)
            return p + (unsigned)__builtin_ctzll(marks) / 8;
    }
    return p;
}

/* Behind the opening quote; moves behind the closing one. may_escape: the simple escapes are let
 * through as they stand. */
static bool string_rest(struct cursor *c, bool may_escape)
{
    for (;;) {
        c->p = plain_end(c->p, c->end);
        if (c->p == c->end)
            return false;
        unsigned char byte = (unsigned char)*c->p;
        if (byte == '"') {
            c->p++;
            return true;
        }
        size_t n = 1;
        if (byte >= 0x80)
            n = slice_utf8_len(slice_of(c->p, (size_t)(c->end - c->p)));
        else if (byte == '\\')
            n = may_escape && c->end - c->p > 1 && c->p[1] && strchr("\"\\/bfnrt", c->p[1]) ? 2 : 0;
        else if (byte < 0x20)
            n = 0;
        if (n == 0)
            return false;
        c->p += n;
    }
}

static bool text_rest(struct cursor *c, struct slice *ret)
{
    const char *from = c->p;
    if (!string_rest(c, false))
        return false;
    *ret = slice_of(from, (size_t)(c->p - from) - 1);
    return true;
}

/* ---- values that are kept as they stand ---- */
static bool digits(struct cursor *c)
{
    const char *from = c->p;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
        c->p++;
    return c->p > from;
}

static bool number(struct cursor *c)
{
    if (c->p < c->end && *c->p == '-')
        c->p++;
    const char *from = c->p;
    if (!digits(c) || (*from == '0' && c->p - from > 1))
        return false;
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        if (!digits(c))
            return false;
    }
    if (c->p < c->end && (*c->p | 0x20) == 'e') {
        c->p++;
        if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
            c->p++;
        return digits(c);
    }
    return true;
}

static bool scalar(struct cursor *c)
{
    if (c->p == c->end)
        return false;
    switch (*c->p) {
    case '"':
        c->p++;
        return string_rest(c, true);
    case 't':
        return TAKE(c, "true");
    case 'f':
        return TAKE(c, "false");
    case 'n':
        return TAKE(c, "null");
    default:
        return number(c);
    }
}

static bool name(struct cursor *c)
{
    return TAKE(c, "\"") && string_rest(c, true) && TAKE(c, ":");
}

/* The object that begins here. is_object has a bit per level, the lowest is the innermost. */
static bool object(struct cursor *c, struct slice *ret)
{
    enum { LEVELS_MAX = 60 };
    const char *from = c->p;
    uint64_t is_object = 1;
    unsigned level = 1;
    if (!TAKE(c, "{\"")) /* an empty one is not written */
        return false;
    c->p--;
    if (!name(c))
        return false;
    for (;;) { /* a value begins here */
        char byte = c->p < c->end ? *c->p : '\0';
        bool is_open = false;
        if (byte == '{' || byte == '[') {
            c->p++;
            if (++level > LEVELS_MAX)
                return false;
            is_object = is_object << 1 | (byte == '{');
            is_open = c->p < c->end && *c->p != (byte == '{' ? '}' : ']');
            if (is_open && byte == '{' && !name(c))
                return false;
            if (is_open)
                continue;
        } else if (!scalar(c)) {
            return false;
        }
        while (c->p < c->end && *c->p == (is_object & 1 ? '}' : ']')) {
            c->p++;
            is_object >>= 1;
            if (--level == 0) {
                *ret = slice_of(from, (size_t)(c->p - from));
                return true;
            }
        }
        if (!TAKE(c, ",") || (is_object & 1 && !name(c)))
            return false;
    }
}

/* ---- members ---- */
static bool uuid_rest(struct cursor *c, struct uuid *ret)
{
    if (c->end - c->p < UUID_TEXT_LEN || !uuid_parse(slice_of(c->p, UUID_TEXT_LEN), ret))
        return false;
    c->p += UUID_TEXT_LEN;
    return TAKE(c, "\"");
}

static bool time_rest(struct cursor *c, unix_ms *ret)
{
    struct slice text;
    return text_rest(c, &text) && project_time_parse(text, ret);
}

static bool page(struct cursor *c, struct project_row *row)
{
    bool ok = true;
    bool is_any = false;
#define PART(lit, member)                                                          \
    if (ok && (is_any ? TAKE(c, ",\"" lit "\":\"") : TAKE(c, "\"" lit "\":\""))) { \
        ok = text_rest(c, &row->member);                                           \
        is_any = true;                                                             \
    }
    PART("url", page_url)
    PART("path", page_path)
    PART("title", page_title)
    PART("referrer", page_referrer)
#undef PART
    return ok && is_any && TAKE(c, "}");
}

static bool width(struct cursor *c, uint32_t *ret)
{
    const char *from = c->p;
    uint64_t n = 0;
    while (c->p < c->end && *c->p >= '0' && *c->p <= '9' && c->p - from < 10)
        n = n * 10 + (uint64_t)(*c->p++ - '0');
    if (c->p == from || (*from == '0' && c->p - from > 1) || n > UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static bool screen(struct cursor *c, struct project_row *row)
{
    if (TAKE(c, "\"width\":")) {
        if (!width(c, &row->screen_width))
            return false;
        if (TAKE(c, "}"))
            return true;
        if (!TAKE(c, ","))
            return false;
    }
    return TAKE(c, "\"height\":") && width(c, &row->screen_height) && TAKE(c, "}");
}

/* {"<name>":"<text>",…} with the names in order, any of them absent but not all. */
struct part {
    const char *name;
    struct slice *to;
};
static bool parts(struct cursor *c, const struct part *part, unsigned count)
{
    bool is_any = false;
    for (unsigned i = 0; i < count; i++) {
        struct cursor at = *c;
        if (!(is_any ? TAKE(&at, ",\"") : TAKE(&at, "\"")) ||
            !take(&at, part[i].name, strlen(part[i].name)) || !TAKE(&at, "\":\""))
            continue;
        *c = at;
        is_any = true;
        if (!text_rest(c, part[i].to))
            return false;
    }
    return is_any && TAKE(c, "}");
}

static bool geo(struct cursor *c, struct project_row *row)
{
    const struct part part[] = {{"country", &row->country},
                                {"region", &row->region},
                                {"city", &row->city},
                                {"network", &row->network}};
    return parts(c, part, COUNT_OF(part));
}

static bool hints(struct cursor *c, struct project_row *row)
{
    struct part part[HINT_COUNT];
    for (unsigned i = 0; i < HINT_COUNT; i++)
        part[i] = (struct part){project_hint_names[i], &row->hints[i]};
    const char *begin = c->p - 1; /* its bracket */
    bool is_read = parts(c, part, HINT_COUNT);
    row->hints_json = slice_of(begin, (size_t)(c->p - begin));
    return is_read;
}

static bool device(struct cursor *c, struct project_row *row)
{
    struct slice text;
    return text_rest(c, &text) && project_device_parse(text, &row->device);
}

static bool scroll(struct cursor *c, struct project_row *row)
{
    uint32_t percent;
    if (!width(c, &percent) || percent > 100)
        return false;
    row->scroll_depth = (uint8_t)percent;
    return true;
}

static bool revenue(struct cursor *c, struct project_row *row)
{
    struct slice amount;
    return text_rest(c, &amount) && decimal_parse(amount, &row->revenue) &&
           TAKE(c, ",\"currency\":\"") && text_rest(c, &row->currency) && TAKE(c, "}");
}

static bool group(struct cursor *c, struct project_row *row)
{
    return text_rest(c, &row->group_type) && TAKE(c, ",\"id\":\"") &&
           text_rest(c, &row->group_id) && TAKE(c, "}");
}

/* The members that most records lack. */
static bool kind(struct cursor *c, struct project_row *row)
{
    if (TAKE(c, ",\"kind\":\"") && !text_rest(c, &row->kind))
        return false;
    row->is_passive = TAKE(c, ",\"interactive\":false");
    return !((TAKE(c, ",\"engagement_ms\":") && !width(c, &row->engagement_ms)) ||
             (TAKE(c, ",\"scroll\":") && !scroll(c, row)) ||
             (TAKE(c, ",\"revenue\":{\"amount\":\"") && !revenue(c, row)) ||
             (TAKE(c, ",\"group\":{\"type\":\"") && !group(c, row)) ||
             (TAKE(c, ",\"groups\":") && !object(c, &row->groups)) ||
             (TAKE(c, ",\"previous_id\":\"") && !text_rest(c, &row->previous_id)) ||
             (TAKE(c, ",\"traits\":") && !object(c, &row->traits)) ||
             (TAKE(c, ",\"traits_once\":") && !object(c, &row->traits_once)));
}

static bool head(struct cursor *c, struct project_row *row)
{
    return TAKE(c, "{\"id\":\"") && uuid_rest(c, &row->id) && TAKE(c, ",\"project\":\"") &&
           uuid_rest(c, &row->project) && TAKE(c, ",\"event\":\"") && text_rest(c, &row->event) &&
           row->event.len && TAKE(c, ",\"timestamp\":\"") && time_rest(c, &row->timestamp) &&
           TAKE(c, ",\"received_at\":\"") && time_rest(c, &row->received_at) &&
           TAKE(c, ",\"source\":\"") && text_rest(c, &row->source);
}

bool project_row_scan(struct slice value, struct project_row *ret_row)
{
    struct cursor at = {value.data, value.data + value.len}, *c = &at;
    struct project_row *row = ret_row;
    memset(row, 0, sizeof(*row));
    if (!head(c, row))
        return false;
    row->is_dedupe = TAKE(c, ",\"dedupe\":true");
    row->is_historical = TAKE(c, ",\"historical\":true");
    if ((TAKE(c, ",\"user_id\":\"") && !text_rest(c, &row->user_id)) ||
        (TAKE(c, ",\"anonymous_id\":\"") && !text_rest(c, &row->anonymous_id)) ||
        (TAKE(c, ",\"session_id\":\"") && !text_rest(c, &row->session_id)) ||
        (TAKE(c, ",\"page\":{") && !page(c, row)) ||
        (TAKE(c, ",\"screen\":{") && !screen(c, row)) ||
        (TAKE(c, ",\"user_agent\":\"") && !text_rest(c, &row->user_agent)) ||
        (TAKE(c, ",\"locale\":\"") && !text_rest(c, &row->locale)) ||
        (TAKE(c, ",\"device\":\"") && !device(c, row)) || (TAKE(c, ",\"geo\":{") && !geo(c, row)) ||
        (TAKE(c, ",\"privacy\":\"") && !text_rest(c, &row->privacy)) ||
        (TAKE(c, ",\"hints\":{") && !hints(c, row)) ||
        (TAKE(c, ",\"timezone\":\"") && !text_rest(c, &row->time_zone)) || !kind(c, row) ||
        (TAKE(c, ",\"properties\":") && !object(c, &row->properties)) ||
        (TAKE(c, ",\"context\":") && !object(c, &row->context)))
        return false;
    return TAKE(c, "}") && c->p == c->end;
}
