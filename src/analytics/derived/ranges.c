#include <inttypes.h>

#include "analytics/derived/derived.h"

void derived_ranges_sql(struct buf *sql, const struct derived_ranges *ranges)
{
    buf_add_char(sql, '(');
    for (uint32_t i = 0; i < ranges->count; i++)
        buf_addf(sql,
                 "%s(stream_partition = %u AND stream_offset >= %" PRIu64
                 " AND stream_offset < %" PRIu64 ")",
                 i ? " OR " : "", (unsigned)i, ranges->from[i], ranges->to[i]);
    buf_add_str(sql, ranges->count ? ")" : "0)");
}
