#include "codec/decimal.h"

#include <stdio.h>

enum { FRACTION_DIGITS = 4, WHOLE_DIGITS_MAX = 14, EXPONENT_MAX = 1000, TEXT_BYTES_MAX = 100 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind the e: a sign and digits to the end. */
static bool exponent(struct slice text, int *ret)
{
    bool is_minus = text.len && text.data[0] == '-';
    if (text.len && (is_minus || text.data[0] == '+'))
        text = slice_sub(text, 1);
    int value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return false;
        if (value < EXPONENT_MAX)
            value = value * 10 + (text.data[i] - '0');
    }
    *ret = is_minus ? -value : value;
    return text.len > 0;
}

/* The digits of the number and where its point stands behind them, the exponent counted in. */
static bool digits(struct slice text, char *ret_digits, int *ret_count, int *ret_point)
{
    int count = 0, point = -1, shift = 0;
    size_t i = 0;
    for (; i < text.len && (is_digit(text.data[i]) || text.data[i] == '.'); i++) {
        if (text.data[i] != '.')
            ret_digits[count++] = text.data[i];
        else if (point >= 0)
            return false;
        else
            point = count;
    }
    if (i < text.len && ((text.data[i] | 0x20) != 'e' || !exponent(slice_sub(text, i + 1), &shift)))
        return false;
    *ret_point = (point < 0 ? count : point) + shift;
    *ret_count = count;
    return count > 0;
}

bool decimal_parse(struct slice text, struct decimal *ret)
{
    char d[TEXT_BYTES_MAX];
    int count, point;
    bool is_minus = text.len && text.data[0] == '-';
    if (text.len && (is_minus || text.data[0] == '+'))
        text = slice_sub(text, 1);
    if (text.len > TEXT_BYTES_MAX || !digits(text, d, &count, &point))
        return false;
    int zeros = 0;
    while (zeros < count && d[zeros] == '0')
        zeros++;
    if (zeros < count && point - zeros > WHOLE_DIGITS_MAX)
        return false;
    int64_t units = 0;
    for (int i = zeros; zeros < count && i < point + FRACTION_DIGITS; i++)
        units = units * 10 + (i < count ? d[i] - '0' : 0);
    int next = point + FRACTION_DIGITS;
    units += next >= zeros && next < count && d[next] >= '5';
    ret->units = is_minus ? -units : units;
    return true;
}

struct slice decimal_format(struct decimal d, char buf[DECIMAL_TEXT_BYTES])
{
    uint64_t units = d.units < 0 ? -(uint64_t)d.units : (uint64_t)d.units;
    int len = snprintf(buf, DECIMAL_TEXT_BYTES, "%s%llu.%04llu", d.units < 0 ? "-" : "",
                       (unsigned long long)(units / DECIMAL_SCALE),
                       (unsigned long long)(units % DECIMAL_SCALE));
    while (buf[len - 1] == '0')
        len--;
    return slice_of(buf, (size_t)len - (buf[len - 1] == '.'));
}
