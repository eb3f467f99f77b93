#include "base/uuid.h"

#include <string.h>

#include "base/random.h"

enum { RANDOM_PER_ID = 8 };
static _Thread_local int64_t last_ms;
static _Thread_local unsigned counter; /* 12 bits; starts at random below half */

struct uuid uuid_v7(unix_ms now)
{
    struct uuid u;
    uint8_t r[RANDOM_PER_ID];
    random_draw(r, sizeof(r));
    if (now.ms > last_ms) {
        last_ms = now.ms;
        counter = ((unsigned)r[0] << 8 | r[1]) & 0x7ff;
        random_draw(r, sizeof(r));
    } else if (++counter > 0xfff) {
        last_ms++; /* RFC 9562 6.2: run ahead of the clock rather than repeat */
        counter = 0;
    }
    for (int i = 0; i < 6; i++)
        u.bytes[i] = (uint8_t)(last_ms >> (40 - 8 * i));
    u.bytes[6] = (uint8_t)(0x70 | counter >> 8);
    u.bytes[7] = (uint8_t)counter;
    memcpy(u.bytes + 8, r, RANDOM_PER_ID);
    u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
    return u;
}

struct uuid uuid_v8_from_hash(const uint8_t hash[16])
{
    struct uuid u;
    memcpy(u.bytes, hash, sizeof(u.bytes));
    u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0f) | 0x80);
    u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
    return u;
}

/* The digit's value with IS_HEX; 0 = no digit. */
enum { IS_HEX = 0x10 };
static const unsigned char hex_values[256] = {
    ['0'] = 0x10, ['1'] = 0x11, ['2'] = 0x12, ['3'] = 0x13, ['4'] = 0x14, ['5'] = 0x15,
    ['6'] = 0x16, ['7'] = 0x17, ['8'] = 0x18, ['9'] = 0x19, ['a'] = 0x1a, ['b'] = 0x1b,
    ['c'] = 0x1c, ['d'] = 0x1d, ['e'] = 0x1e, ['f'] = 0x1f, ['A'] = 0x1a, ['B'] = 0x1b,
    ['C'] = 0x1c, ['D'] = 0x1d, ['E'] = 0x1e, ['F'] = 0x1f,
};

enum { DIGITS = 32 };
/* Without the dashes; false if they are not where they belong, or the length is neither. */
static bool take_digits(struct slice text, char ret_digits[DIGITS])
{
    const char *d = text.data;
    if (text.len == DIGITS) {
        memcpy(ret_digits, d, DIGITS);
        return true;
    }
    if (text.len != UUID_TEXT_LEN || d[8] != '-' || d[13] != '-' || d[18] != '-' || d[23] != '-')
        return false;
    memcpy(ret_digits, d, 8);
    memcpy(ret_digits + 8, d + 9, 4);
    memcpy(ret_digits + 12, d + 14, 4);
    memcpy(ret_digits + 16, d + 19, 4);
    memcpy(ret_digits + 20, d + 24, 12);
    return true;
}

bool uuid_parse(struct slice text, struct uuid *ret_uuid)
{
    char digits[DIGITS];
    struct uuid u;
    unsigned all = IS_HEX;
    if (!take_digits(text, digits))
        return false;
    for (size_t i = 0; i < sizeof(u.bytes); i++) {
        unsigned high = hex_values[(unsigned char)digits[2 * i]];
        unsigned low = hex_values[(unsigned char)digits[2 * i + 1]];
        all &= high & low;
        u.bytes[i] = (uint8_t)(high << 4 | (low & 0xf));
    }
    if (!all)
        return false;
    *ret_uuid = u;
    return true;
}

char *uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1])
{
    char digits[DIGITS];
    slice_hex(u->bytes, sizeof(u->bytes), digits);
    memcpy(ret_text, digits, 8);
    memcpy(ret_text + 9, digits + 8, 4);
    memcpy(ret_text + 14, digits + 12, 4);
    memcpy(ret_text + 19, digits + 16, 4);
    memcpy(ret_text + 24, digits + 20, 12);
    ret_text[8] = ret_text[13] = ret_text[18] = ret_text[23] = '-';
    ret_text[UUID_TEXT_LEN] = '\0';
    return ret_text;
}
