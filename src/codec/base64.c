#include "codec/base64.h"

static const char alphabet_std[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(struct buf *out, enum base64_kind kind, struct slice bytes)
{
    const char *alphabet = kind == BASE64_URL ? alphabet_url : alphabet_std;
    const uint8_t *p = (const uint8_t *)bytes.data;
    char *to = bytes.len ? buf_reserve(out, base64_encoded_max(bytes.len)) : NULL;
    if (!to)
        return;
    size_t n = 0, i = 0;
    for (; i + 3 <= bytes.len; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        to[n++] = alphabet[v >> 18];
        to[n++] = alphabet[v >> 12 & 63];
        to[n++] = alphabet[v >> 6 & 63];
        to[n++] = alphabet[v & 63];
    }
    size_t left = bytes.len - i;
    if (left) {
        uint32_t v = (uint32_t)p[i] << 16 | (left == 2 ? (uint32_t)p[i + 1] << 8 : 0);
        to[n++] = alphabet[v >> 18];
        to[n++] = alphabet[v >> 12 & 63];
        if (left == 2)
            to[n++] = alphabet[v >> 6 & 63];
        for (size_t pad = left; kind == BASE64_STD && pad < 3; pad++)
            to[n++] = '=';
    }
    buf_commit(out, n);
}

/* What a character stands for, and one more than that, so that 0 is "no such character". */
#define LETTERS(a, first)                                                                     \
    [a] = (first), [(a) + 1] = (first) + 1, [(a) + 2] = (first) + 2, [(a) + 3] = (first) + 3, \
    [(a) + 4] = (first) + 4, [(a) + 5] = (first) + 5, [(a) + 6] = (first) + 6,                \
    [(a) + 7] = (first) + 7, [(a) + 8] = (first) + 8, [(a) + 9] = (first) + 9
#define ALPHABET                                                                                  \
    LETTERS('A', 1), LETTERS('K', 11),                                                            \
        ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, LETTERS('a', 27), \
        LETTERS('k', 37), ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, \
        LETTERS('0', 53)
static const uint8_t values[2][256] = {
    [BASE64_STD] = {ALPHABET, ['+'] = 63, ['/'] = 64},
    [BASE64_URL] = {ALPHABET, ['-'] = 63, ['_'] = 64},
};

bool base64_decode(enum base64_kind kind, struct slice text, uint8_t *to, size_t *ret_len)
{
    size_t len = text.len, n = 0;
    if (kind == BASE64_STD && len && len % 4 == 0)
        for (int pad = 0; pad < 2 && len && text.data[len - 1] == '='; pad++)
            len--;
    if (len % 4 == 1)
        return false;
    const uint8_t *value = values[kind], *p = (const uint8_t *)text.data;
    uint32_t v = 0;
    size_t i = 0;
    for (; i + 4 <= len; i += 4) {
        uint32_t a = value[p[i]], b = value[p[i + 1]], c = value[p[i + 2]], d = value[p[i + 3]];
        if (!a || !b || !c || !d)
            return false;
        v = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        to[n++] = (uint8_t)(v >> 16);
        to[n++] = (uint8_t)(v >> 8);
        to[n++] = (uint8_t)v;
    }
    for (v = 0; i < len; i++) {
        if (!value[p[i]])
            return false;
        v = v << 6 | (uint32_t)(value[p[i]] - 1);
    }
    if (len % 4 == 2) {
        if (v & 15)
            return false; /* bits that belong to no byte */
        to[n++] = (uint8_t)(v >> 4);
    } else if (len % 4 == 3) {
        if (v & 3)
            return false;
        to[n++] = (uint8_t)(v >> 10);
        to[n++] = (uint8_t)(v >> 2);
    }
    *ret_len = n;
    return true;
}

char *hex_encode(char *to, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    return to;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_decode(struct slice text, uint8_t *to, size_t len)
{
    if (text.len / 2 != len || text.len % 2)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
