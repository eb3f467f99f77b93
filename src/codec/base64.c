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

static int value_of(enum base64_kind kind, char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (kind == BASE64_URL ? '-' : '+'))
        return 62;
    return c == (kind == BASE64_URL ? '_' : '/') ? 63 : -1;
}

bool base64_decode(enum base64_kind kind, struct slice text, uint8_t *to, size_t *ret_len)
{
    size_t len = text.len, n = 0;
    if (kind == BASE64_STD && len && len % 4 == 0)
        for (int pad = 0; pad < 2 && len && text.data[len - 1] == '='; pad++)
            len--;
    if (len % 4 == 1)
        return false;
    uint32_t v = 0;
    for (size_t i = 0; i < len; i++) {
        int six = value_of(kind, text.data[i]);
        if (six < 0)
            return false;
        v = v << 6 | (uint32_t)six;
        if (i % 4 == 3) {
            to[n++] = (uint8_t)(v >> 16);
            to[n++] = (uint8_t)(v >> 8);
            to[n++] = (uint8_t)v;
            v = 0;
        }
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
