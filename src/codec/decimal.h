#ifndef WEIR_CODEC_DECIMAL_H
#define WEIR_CODEC_DECIMAL_H
/* Amounts of money: decimal numbers with four digits behind the point, exact, as ClickHouse's
 * Decimal(18, 4) keeps them. Binary fractions would not add up. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct decimal {
    int64_t units; /* 1/10000 */
};
enum { DECIMAL_SCALE = 10000, DECIMAL_TEXT_BYTES = 24 };
/* "-12.5", "1e3": a number as JSON writes it, also with a leading "+" or "."; rounded half away
 * from zero behind the fourth digit. False: no number, or 10^14 and more. */
bool decimal_parse(struct slice text, struct decimal *ret);
/* The shortest text, "9.5"; in buf. */
struct slice decimal_format(struct decimal d, char buf[DECIMAL_TEXT_BYTES]);
#endif
