/* WHAT: a text with placeholders, filled in afresh for every event.
 * WHY: requests that are all the same flatter a server (deduplication, compression, caches); ids
 * must be unique and users spread. It must cost far less than the server's own work: no snprintf
 * and no clock per event. */
#include "load_int.h"

#include <string.h>

#include "base/clock.h"

static const char hex_digits[] = "0123456789abcdef";

static bool take_placeholder(struct slice *rest, struct template_part *ret)
{
    static const struct {
        struct slice text;
        enum template_kind kind;
    } plain[] = {{SLICE_LIT("{id}"), TEMPLATE_ID},
                 {SLICE_LIT("{ts}"), TEMPLATE_TIME},
                 {SLICE_LIT("{seq}"), TEMPLATE_SEQ}};
    for (size_t i = 0; i < COUNT_OF(plain); i++)
        if (slice_has_prefix(*rest, plain[i].text)) {
            *ret = (struct template_part){.kind = plain[i].kind};
            *rest = slice_sub(*rest, plain[i].text.len);
            return true;
        }
    if (!slice_has_prefix(*rest, SLICE_LIT("{n:")))
        return false;
    struct slice after = slice_sub(*rest, 3);
    const char *close = after.len ? memchr(after.data, '}', after.len) : NULL;
    uint64_t below;
    if (!close || !slice_to_u64(slice_of(after.data, (size_t)(close - after.data)), &below) ||
        below == 0)
        return false;
    *ret = (struct template_part){.kind = TEMPLATE_NUMBER, .below = below};
    *rest = slice_sub(after, (size_t)(close - after.data) + 1);
    return true;
}

enum rc template_parse(struct slice source, struct template *ret, struct err *err)
{
    *ret = (struct template){0};
    size_t text_from = 0; /* start of the text that is not yet a part */
    for (size_t at = 0; at <= source.len;) {
        struct template_part part;
        struct slice rest = slice_sub(source, at);
        bool is_end = rest.len == 0;
        if (!is_end && !take_placeholder(&rest, &part)) {
            at++;
            continue;
        }
        if (ret->part_count + 2 > TEMPLATE_PARTS_MAX)
            return err_set(err, RC_LIMIT, "the template has too many placeholders");
        if (at > text_from)
            ret->parts[ret->part_count++] = (struct template_part){
                .kind = TEMPLATE_TEXT, .text = slice_of(source.data + text_from, at - text_from)};
        if (is_end)
            break;
        ret->parts[ret->part_count++] = part;
        text_from = at = source.len - rest.len;
    }
    return RC_OK;
}

void template_state_init(struct template_state *s, uint64_t seed)
{
    *s = (struct template_state){0};
    prng_seed(&s->random, seed);
}

/* Version 4, as most SDKs send. */
static void render_id(struct template_state *s, struct buf *out)
{
    char *to = buf_reserve(out, 36);
    if (!to)
        return;
    uint64_t words[2] = {prng_next(&s->random), prng_next(&s->random)};
    words[0] = (words[0] & ~UINT64_C(0xf000)) | 0x4000;
    words[1] = (words[1] & ~(UINT64_C(3) << 62)) | UINT64_C(1) << 63;
    unsigned at = 0;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            to[at++] = '-';
        to[at++] = hex_digits[words[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    buf_commit(out, 36);
}

static void render_time(struct template_state *s, struct buf *out)
{
    unix_ms now = unix_now();
    if (now.ms != s->time_ms) {
        s->time_ms = now.ms;
        time_format(now, s->time_text);
    }
    buf_add_str(out, s->time_text);
}

void template_render(const struct template *t, struct template_state *s, struct buf *out)
{
    for (uint32_t i = 0; i < t->part_count; i++) {
        const struct template_part *part = &t->parts[i];
        switch (part->kind) {
        case TEMPLATE_TEXT:
            buf_add_slice(out, part->text);
            break;
        case TEMPLATE_ID:
            render_id(s, out);
            break;
        case TEMPLATE_TIME:
            render_time(s, out);
            break;
        case TEMPLATE_SEQ:
            buf_add_u64(out, ++s->seq);
            break;
        case TEMPLATE_NUMBER:
            buf_add_u64(out, prng_below(&s->random, part->below));
            break;
        }
    }
}
