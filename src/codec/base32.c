#include "codec/base32.h"

char *base32_encode(char *to, struct slice bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t held = 0; /* the low `bits` bits are still to be written */
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        held = held << 8 | (uint8_t)bytes.data[i];
        for (bits += 8; bits >= 5; bits -= 5)
            to[n++] = alphabet[held >> (bits - 5) & 31];
    }
    if (bits)
        to[n++] = alphabet[held << (5 - bits) & 31];
    return to;
}

static int value_of(char c)
{
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'z' ? c - 'a' : -1;
}

bool base32_decode(struct slice text, uint8_t *to, size_t *ret_len)
{
    size_t tail = text.len % 8, n = 0;
    if (tail == 1 || tail == 3 || tail == 6) /* lengths that no number of bytes gives */
        return false;
    uint32_t held = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int five = value_of(text.data[i]);
        if (five < 0)
            return false;
        held = held << 5 | (uint32_t)five;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            to[n++] = (uint8_t)(held >> bits);
        }
    }
    if (held & ((1u << bits) - 1))
        return false;
    *ret_len = n;
    return true;
}
