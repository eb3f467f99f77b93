#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H
/* Two clocks as two types, so that they cannot be mixed unnoticed (valkey's monotonic.h).
 *
 * mono_ns  never goes back; for deadlines, timers and durations. Not comparable across processes.
 * unix_ms  wall time, may jump; for what is stored and shown. */
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

typedef struct {
    int64_t ns;
} mono_ns;
typedef struct {
    int64_t ms; /* since 1970-01-01T00:00:00Z, leap seconds ignored */
} unix_ms;

mono_ns mono_now(void);
unix_ms unix_now(void);
/* Tests: wall time = real + offset_ms from now on (process-wide). */
void unix_now_shift(int64_t offset_ms);

static inline mono_ns mono_add_ms(mono_ns t, int64_t ms)
{
    return (mono_ns){t.ns + ms * 1000000};
}
static inline int64_t mono_diff_us(mono_ns from, mono_ns to)
{
    return (to.ns - from.ns) / 1000;
}
static inline bool mono_is_before(mono_ns a, mono_ns b)
{
    return a.ns < b.ns;
}
void sleep_ms(int64_t ms); /* never on an edge loop */

enum { TIME_TEXT_BYTES = 32 };
/* RFC 3339, UTC, milliseconds: 2026-11-24T08:15:30.123Z. Years 0000-9999, others are clamped. */
char *time_format(unix_ms t, char ret_text[TIME_TEXT_BYTES]);
/* RFC 3339 (any offset, fraction cut to ms, 'T', 't' or space), or a bare date (midnight UTC).
 * Calendar-checked; a leap second :60 becomes :59. */
bool time_parse(struct slice text, unix_ms *ret_time);

/* Civil date <-> days since 1970-01-01 (proleptic Gregorian). */
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);
void civil_from_days(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day);
#endif
