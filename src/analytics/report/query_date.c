/* Days and zones as clients write them. Pure. */
#include "analytics/report/query_int.h"

enum { DATE_LEN = 10 };

/* "2026-01-31": exactly that form, and a day of the calendar. */
bool query_date_parse(struct slice text, int64_t *ret_days)
{
    unix_ms t;
    uint64_t year;
    if (text.len != DATE_LEN || text.data[4] != '-' || text.data[7] != '-')
        return false;
    if (!slice_to_u64(slice_of(text.data, 4), &year) || year < QUERY_YEAR_MIN ||
        year > QUERY_YEAR_MAX)
        return false;
    if (!time_parse(text, &t))
        return false;
    *ret_days = t.ms / (INT64_C(24) * 3600 * 1000);
    return true;
}

bool query_zone_ok(struct slice zone)
{
    if (zone.len == 0 || zone.len > QUERY_ZONE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < zone.len; i++) {
        char c = zone.data[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!is_letter && !(c >= '0' && c <= '9') && !(c && strchr("_+-/", c)))
            return false;
    }
    return true;
}
