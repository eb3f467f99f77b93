/* WHAT    What sessionize knows when it starts again (derived.h).
 * LAYOUT  weir-sessions 2
 *         table 2f1c…            uuid of the table of events
 *         idle_ms 1800000
 *         sweep 20000 0 0        day, slice, slices that a sweep goes on with; - - - if none is
 *         next 1200 1187         per partition
 *         crc32c 89abcdef */
#include <string.h>

#include "analytics/session/sessionize_int.h"

static void encode(const void *arg, struct buf *out)
{
    const struct sessionize_state *state = arg;
    buf_addf(out, "weir-sessions 2\ntable %s\nidle_ms %u\nsweep ", state->table,
             (unsigned)state->idle_ms);
    if (state->is_sweeping)
        buf_addf(out, "%u %u %u\n", (unsigned)state->sweep_day, (unsigned)state->sweep_slice,
                 (unsigned)state->sweep_slices);
    else
        buf_add_str(out, "- - -\n");
    derived_state_add_next(out, state->next, state->partition_count);
}

static void decode(struct slice rest, void *arg)
{
    struct sessionize_state *ret = arg;
    struct slice version = derived_state_line(&rest, "weir-sessions");
    struct slice table = derived_state_line(&rest, "table");
    struct slice idle = derived_state_line(&rest, "idle_ms");
    struct slice sweep = derived_state_line(&rest, "sweep"), day = slice_cut(&sweep, ' ');
    struct slice number = slice_cut(&sweep, ' ');
    *ret = (struct sessionize_state){.idle_ms = derived_state_u32(idle),
                                     .is_sweeping = !slice_eq_str(day, "-"),
                                     .sweep_day = derived_state_u32(day),
                                     .sweep_slice = derived_state_u32(number),
                                     .sweep_slices = derived_state_u32(sweep)};
    if (slice_eq_str(version, "2") && table.len < sizeof(ret->table))
        memcpy(ret->table, table.data, table.len);
    derived_state_take_next(&rest, ret->next, &ret->partition_count);
}

const struct derived_state sessionize_state_format = {.encode = encode, .decode = decode};
