#include "base/slice.h"

#include "base/swar.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Most write a name the usual way. */
static bool is_same_word(const char *a, const char *b)
{
    uint64_t x = swar_load(a), y = swar_load(b);
    return x == y || swar_lower(x) == swar_lower(y);
}

bool slice_eq_nocase_same_len(struct slice a, struct slice b)
{
    if (a.len < SWAR_BYTES) {
        for (size_t i = 0; i < a.len; i++)
            if (a.data[i] != b.data[i] && lower(a.data[i]) != lower(b.data[i]))
                return false;
        return true;
    }
    for (size_t i = 0; i < a.len - SWAR_BYTES; i += SWAR_BYTES)
        if (!is_same_word(a.data + i, b.data + i))
            return false;
    return is_same_word(a.data + a.len - SWAR_BYTES, b.data + a.len - SWAR_BYTES); /* overlaps */
}

struct slice slice_trim(struct slice a)
{
    while (a.len && (a.data[0] == ' ' || a.data[0] == '\t')) {
        a.data++;
        a.len--;
    }
    while (a.len && (a.data[a.len - 1] == ' ' || a.data[a.len - 1] == '\t'))
        a.len--;
    return a;
}

struct slice slice_cut(struct slice *rest, char sep)
{
    const char *at = rest->len ? memchr(rest->data, sep, rest->len) : NULL;
    struct slice head = *rest;
    if (!at) {
        *rest = SLICE_EMPTY;
        return head;
    }
    head.len = (size_t)(at - rest->data);
    *rest = slice_of(at + 1, rest->len - head.len - 1);
    return head;
}

bool slice_to_u64(struct slice a, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (a.len == 0)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.data[i] < '0' || a.data[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(a.data[i] - '0'), &value))
            return false;
    }
    *ret_value = value;
    return true;
}

struct slice slice_of_u64(uint64_t value, char space[SLICE_U64_DIGITS])
{
    size_t at = SLICE_U64_DIGITS;
    do {
        space[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return slice_of(space + at, SLICE_U64_DIGITS - at);
}

bool slice_to_i64(struct slice a, int64_t *ret_value)
{
    bool is_negative = a.len > 1 && a.data[0] == '-';
    uint64_t value;
    if (!slice_to_u64(is_negative ? slice_sub(a, 1) : a, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + is_negative)
        return false;
    *ret_value = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

#define ROW(h) \
    h "0" h "1" h "2" h "3" h "4" h "5" h "6" h "7" h "8" h "9" h "a" h "b" h "c" h "d" h "e" h "f"
static const char hex_pairs[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6")
    ROW("7") ROW("8") ROW("9") ROW("a") ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");

static inline void put_pair(uint8_t byte, char *to)
{
    memcpy(to, hex_pairs + (size_t)2 * byte, 2);
}

/* Four in a row: every request writes some seventy bytes so, and the loop was half of the work. */
void slice_hex(const uint8_t *bytes, size_t n, char *ret_digits)
{
    for (; n >= 4; n -= 4, bytes += 4, ret_digits += 8) {
        put_pair(bytes[0], ret_digits);
        put_pair(bytes[1], ret_digits + 2);
        put_pair(bytes[2], ret_digits + 4);
        put_pair(bytes[3], ret_digits + 6);
    }
    for (; n; n--, bytes++, ret_digits += 2)
        put_pair(*bytes, ret_digits);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool slice_unhex(const char *digits, size_t n, uint8_t *ret_bytes)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(digits[2 * i]), low = hex_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

size_t slice_utf8_len(struct slice a)
{
    const unsigned char *p = (const unsigned char *)a.data;
    if (a.len == 0)
        return 0;
    unsigned char c = p[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || a.len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool slice_eq_const_time(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    volatile unsigned char diff = 0;
    for (size_t i = 0; i < a.len; i++)
        diff |= (unsigned char)(a.data[i] ^ b.data[i]);
    return diff == 0;
}
