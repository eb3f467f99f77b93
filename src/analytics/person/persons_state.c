/* WHAT    What persons know when they start again (derived.h).
 * LAYOUT  weir-persons 1
 *         table 2f1c…          uuid of the table of events
 *         generation 3 live    or building
 *         next 1200 1187       per partition
 *         crc32c 89abcdef */
#include <string.h>

#include "analytics/person/persons_int.h"

static void encode(const void *arg, struct buf *out)
{
    const struct persons_state *state = arg;
    buf_addf(out, "weir-persons 1\ntable %s\ngeneration %u %s\n", state->table,
             (unsigned)state->generation, state->is_building ? "building" : "live");
    derived_state_add_next(out, state->next, state->partition_count);
}

static void decode(struct slice rest, void *arg)
{
    struct persons_state *ret = arg;
    struct slice version = derived_state_line(&rest, "weir-persons");
    struct slice table = derived_state_line(&rest, "table");
    struct slice word = derived_state_line(&rest, "generation"), number = slice_cut(&word, ' ');
    *ret = (struct persons_state){.generation = derived_state_u32(number),
                                  .is_building = slice_eq_str(word, "building")};
    if (slice_eq_str(version, "1") && table.len < sizeof(ret->table))
        memcpy(ret->table, table.data, table.len);
    derived_state_take_next(&rest, ret->next, &ret->partition_count);
}

const struct derived_state persons_state_format = {.encode = encode, .decode = decode};
