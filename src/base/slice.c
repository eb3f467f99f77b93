#include "base/slice.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
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

bool slice_to_i64(struct slice a, int64_t *ret_value)
{
    bool is_negative = a.len > 1 && a.data[0] == '-';
    uint64_t value;
    if (!slice_to_u64(is_negative ? slice_sub(a, 1) : a, &value))
        return false;
    if (value > (uint64_t)INT64_MAX)
        return false;
    *ret_value = is_negative ? -(int64_t)value : (int64_t)value;
    return true;
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
