#include "base/uuid.h"

#include <string.h>

#include "base/random.h"

/* getrandom(2) costs about 300 ns a call: draw for many ids at once. */
enum { POOL_BYTES = 1024, RANDOM_PER_ID = 8 };
static _Thread_local uint8_t pool[POOL_BYTES];
static _Thread_local size_t pool_left;
static _Thread_local int64_t last_ms;
static _Thread_local unsigned counter; /* 12 bits; starts at random below half */

static const uint8_t *draw(void)
{
    if (pool_left < RANDOM_PER_ID) {
        random_bytes(pool, sizeof(pool));
        pool_left = sizeof(pool);
    }
    pool_left -= RANDOM_PER_ID;
    return pool + pool_left;
}

struct uuid uuid_v7(unix_ms now)
{
    struct uuid u;
    const uint8_t *r = draw();
    if (now.ms > last_ms) {
        last_ms = now.ms;
        counter = ((unsigned)r[0] << 8 | r[1]) & 0x7ff;
        r = draw();
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

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(struct slice text, struct uuid *ret_uuid)
{
    if (text.len != UUID_TEXT_LEN && text.len != 32)
        return false;
    struct uuid u;
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (text.len == UUID_TEXT_LEN && (at == 8 || at == 13 || at == 18 || at == 23))
            if (text.data[at++] != '-')
                return false;
        int high = hex_value(text.data[at]);
        int low = hex_value(text.data[at + 1]);
        if (high < 0 || low < 0)
            return false;
        u.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *ret_uuid = u;
    return true;
}

char *uuid_format(const struct uuid *u, char ret_text[UUID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    char *p = ret_text;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[u->bytes[i] >> 4];
        *p++ = hex[u->bytes[i] & 15];
    }
    *p = '\0';
    return ret_text;
}
