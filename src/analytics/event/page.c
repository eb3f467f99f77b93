/* WHAT    One spelling for each page's path.
 * WHY     The same page under two spellings is two lines in a report, which is what people complain
 *         of; two pages under one spelling is a report that is wrong. So only what a server and a
 *         browser take for the same is made the same (RFC 3986 6.2.2), and the two spellings that
 *         nearly every site treats alike: doubled slashes, and a slash at the end. The URL stays as
 *         it was sent.
 * INVARIANTS  The result is a fixed point. Hence a '%' that escapes nothing becomes %25 (else
 *         "%%341" would turn to "%41", and that to "A"), and a character is told from its bytes,
 *         whether they stand plain or in escapes or mixed.
 * THREADS none. */
#include "analytics/event/page.h"

#include "base/attr.h"

enum { PLAIN = 0, SLASH = 1, OTHER = 2, END = 3 };
static unsigned class_of(unsigned char c)
{
    if (c == '/')
        return SLASH;
    if (c == '?')
        return END;
    return c <= ' ' || c >= 0x7f || c == '%' ? OTHER : PLAIN;
}

/* The path as far as it goes, if it is normal already; else false. */
static bool is_normal(struct slice path, struct slice *ret)
{
    size_t i = 0;
    for (bool is_after_slash = false; i < path.len; i++) {
        unsigned class = class_of((unsigned char)path.data[i]);
        if (class == END)
            break;
        if (class == OTHER || (class == SLASH && is_after_slash))
            return false;
        is_after_slash = class == SLASH;
    }
    if (i > PAGE_PATH_BYTES_MAX || (i > 1 && path.data[i - 1] == '/'))
        return false;
    *ret = slice_of(path.data, i);
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that stands at i, plain or as an escape; returns how many bytes of text say it. */
static size_t byte_at(struct slice s, size_t i, unsigned char *ret_byte)
{
    if (s.data[i] == '%' && s.len - i > 2) {
        int high = hex_digit(s.data[i + 1]), low = hex_digit(s.data[i + 2]);
        if (high >= 0 && low >= 0) {
            *ret_byte = (unsigned char)(high * 16 + low);
            return 3;
        }
    }
    *ret_byte = (unsigned char)s.data[i];
    return 1;
}

/* Nothing that cannot be seen, or that turns the text around it about, is let out of its escape. */
static bool is_visible(const unsigned char *c, size_t len)
{
    static const struct {
        uint32_t first, last;
    } hidden[] = {
        {0x80, 0xa0},     {0xad, 0xad},     {0x61c, 0x61c},     {0x180e, 0x180e},
        {0x2000, 0x200f}, {0x2028, 0x202f}, {0x205f, 0x206f},   {0x3000, 0x3000},
        {0xfeff, 0xfeff}, {0xfff0, 0xffff}, {0xe0000, 0xe0fff},
    };
    uint32_t code = len == 2 ? c[0] & 0x1fu : len == 3 ? c[0] & 0x0fu : c[0] & 0x07u;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (c[i] & 0x3fu);
    for (size_t i = 0; i < COUNT_OF(hidden); i++)
        if (code >= hidden[i].first && code <= hidden[i].last)
            return false;
    return true;
}

/* The character that begins at i, in plain bytes or in escapes. 0: none that may stand plain. */
static size_t character_at(struct slice s, size_t i, unsigned char *ret_bytes, size_t *ret_len)
{
    size_t ends[4], n = 0;
    while (n < COUNT_OF(ends) && i < s.len) {
        i += byte_at(s, i, &ret_bytes[n]);
        ends[n++] = i;
    }
    size_t len = slice_utf8_len(slice_of((const char *)ret_bytes, n));
    if (len < 2 || !is_visible(ret_bytes, len))
        return 0;
    *ret_len = len;
    return ends[len - 1];
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static size_t escape(unsigned char byte, unsigned char *ret_bytes)
{
    static const char digits[] = "0123456789ABCDEF";
    ret_bytes[0] = '%';
    ret_bytes[1] = (unsigned char)digits[byte >> 4];
    ret_bytes[2] = (unsigned char)digits[byte & 15];
    return 3;
}

/* What stands at i, as it is written; returns where it ends. */
static size_t unit_at(struct slice s, size_t i, unsigned char *ret_bytes, size_t *ret_len)
{
    unsigned char byte;
    size_t width = byte_at(s, i, &byte);
    if (byte >= 0x80) {
        size_t end = character_at(s, i, ret_bytes, ret_len);
        if (end)
            return end;
    }
    bool is_plain = width == 1 ? byte > ' ' && byte < 0x7f && byte != '%' : is_unreserved(byte);
    ret_bytes[0] = byte;
    *ret_len = is_plain ? 1 : escape(byte, ret_bytes);
    return i + width;
}

/* A slash after a slash, but for the "//" of a URL inside the path. */
static bool is_doubled(const char *to, size_t n)
{
    return n > 0 && to[n - 1] == '/' && !(n > 1 && to[n - 2] == ':');
}

static struct slice rewrite(struct slice path, struct arena *scratch)
{
    size_t room = path.len < PAGE_PATH_BYTES_MAX / 3 ? path.len * 3 : PAGE_PATH_BYTES_MAX;
    char *to = arena_alloc(scratch, room);
    if (!to)
        return SLICE_EMPTY;
    size_t n = 0;
    for (size_t i = 0; i < path.len && path.data[i] != '?';) {
        unsigned char bytes[4];
        size_t len;
        bool is_slash = path.data[i] == '/';
        i = unit_at(path, i, bytes, &len);
        if (is_slash && is_doubled(to, n))
            continue;
        if (len > room - n)
            break;
        memcpy(to + n, bytes, len);
        n += len;
    }
    while (n > 1 && to[n - 1] == '/')
        n--;
    return slice_of(to, n);
}

struct slice page_path_normal(struct slice path, struct arena *scratch)
{
    struct slice normal;
    if (path.len && path.data[0] == '/')
        return is_normal(path, &normal) ? normal : rewrite(path, scratch);
    /* A name that the client gave: as it is. */
    size_t n = path.len < PAGE_PATH_BYTES_MAX ? path.len : PAGE_PATH_BYTES_MAX;
    while (n < path.len && n > 0 && ((unsigned char)path.data[n] & 0xc0) == 0x80)
        n--;
    return slice_of(path.data, n);
}

struct slice page_screen_class(uint32_t width)
{
    if (width == 0)
        return SLICE_EMPTY;
    if (width < 576)
        return SLICE_LIT("mobile");
    if (width < 992)
        return SLICE_LIT("tablet");
    return width < 1440 ? SLICE_LIT("laptop") : SLICE_LIT("desktop");
}
