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

/* One more than the digit's value; 0 = no digit. */
static const unsigned char hex_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};
/* Where the text of each byte begins in 8-4-4-4-12. */
static const unsigned char places[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

bool uuid_parse(struct slice text, struct uuid *ret_uuid)
{
    bool is_dashed = text.len == UUID_TEXT_LEN;
    if (!is_dashed && text.len != 32)
        return false;
    const char *d = text.data;
    if (is_dashed && (d[8] != '-' || d[13] != '-' || d[18] != '-' || d[23] != '-'))
        return false;
    struct uuid u;
    bool is_hex = true;
    for (size_t i = 0; i < 16; i++) {
        const char *pair = d + (is_dashed ? places[i] : 2 * i);
        unsigned high = hex_values[(unsigned char)pair[0]];
        unsigned low = hex_values[(unsigned char)pair[1]];
        is_hex &= high && low;
        u.bytes[i] = (uint8_t)((high - 1) << 4 | (low - 1));
    }
    if (!is_hex)
        return false;
    *ret_uuid = u;
    return true;
}

char *uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1])
{
    char digits[32];
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
