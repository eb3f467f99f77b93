#include "http/ratelimit.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/must.h"

#define SF_INTEGER_MAX UINT64_C(999999999999999) /* RFC 9651 3.3.1 */

struct writer {
    struct ratelimit_fields *out;
    size_t used;  /* of text */
    size_t start; /* of the value under way */
};

PRINTF_LIKE(2, 3) static void add(struct writer *w, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof(w->out->text) - w->used;
    va_start(ap, fmt);
    int n = vsnprintf(w->out->text + w->used, room, fmt, ap);
    va_end(ap);
    must(n >= 0 && (size_t)n < room); /* four items with names of 32 bytes and full numbers fit */
    w->used += (size_t)n;
}

static void end_field(struct writer *w, const char *name)
{
    must(w->out->count < RATELIMIT_FIELDS_MAX);
    w->out->fields[w->out->count++] = (struct framing_header){
        slice_str(name), slice_of(w->out->text + w->start, w->used - w->start)};
    w->start = w->used;
}

static unsigned long long sf_integer(uint64_t value)
{
    return value < SF_INTEGER_MAX ? value : SF_INTEGER_MAX;
}

static uint64_t effective_window(const struct ratelimit_item *item, uint32_t retry_after_s)
{
    return retry_after_s && retry_after_s < item->reset_s ? retry_after_s : item->reset_s;
}

static void add_policies(struct writer *w, const struct ratelimit_item *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        must(strlen(items[i].name) <= RATELIMIT_NAME_BYTES_MAX);
        add(w, "%s\"%s\";q=%llu;w=%llu", i ? "," : "", items[i].name, sf_integer(items[i].quota),
            sf_integer(items[i].window_s ? items[i].window_s : 1));
    }
    end_field(w, "RateLimit-Policy");
}

static void add_limits(struct writer *w, const struct ratelimit_item *items, uint32_t count,
                       uint32_t retry_after_s)
{
    for (uint32_t i = 0; i < count; i++)
        add(w, "%s\"%s\";r=%llu;t=%llu", i ? "," : "", items[i].name,
            sf_integer(items[i].remaining), sf_integer(effective_window(&items[i], retry_after_s)));
    end_field(w, "RateLimit");
}

static void add_number(struct writer *w, const char *name, uint64_t value)
{
    add(w, "%llu", sf_integer(value));
    end_field(w, name);
}

static const struct ratelimit_item *tightest(const struct ratelimit_item *items, uint32_t count)
{
    const struct ratelimit_item *found = items;
    for (uint32_t i = 1; i < count; i++)
        if (items[i].remaining < found->remaining)
            found = &items[i];
    return found;
}

void ratelimit_fields(const struct ratelimit_item *items, uint32_t count, uint32_t retry_after_s,
                      struct ratelimit_fields *ret)
{
    struct writer w = {.out = ret};
    must(count <= RATELIMIT_ITEMS_MAX);
    ret->count = 0;
    if (count) {
        const struct ratelimit_item *least = tightest(items, count);
        add_policies(&w, items, count);
        add_limits(&w, items, count, retry_after_s);
        add_number(&w, "RateLimit-Limit", least->quota);
        add_number(&w, "RateLimit-Remaining", least->remaining);
        add_number(&w, "RateLimit-Reset", effective_window(least, retry_after_s));
    }
    if (retry_after_s)
        add_number(&w, "Retry-After", retry_after_s);
}
