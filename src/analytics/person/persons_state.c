/* WHAT    What persons know when they start again (derived.h).
 * LAYOUT  weir-persons 1
 *         table 2f1c…          uuid of the table of events
 *         generation 3 live    or building; or building 2 5 16: something is left to be taken over
 *                              from generation 2, the part 5 of 16 and those behind it
 *         next 1200 1187       per partition
 *         crc32c 89abcdef */
#include <string.h>

#include "analytics/person/persons_int.h"

static void encode(const void *arg, struct buf *out)
{
    const struct persons_state *state = arg;
    const struct persons_old *old = &state->old;
    buf_addf(out, "weir-persons 1\ntable %s\ngeneration %u %s", state->table,
             (unsigned)state->generation, state->is_building ? "building" : "live");
    if (old->generation)
        buf_addf(out, " %u %u %u", (unsigned)old->generation, (unsigned)old->part,
                 (unsigned)old->parts);
    buf_add_char(out, '\n');
    derived_state_add_next(out, state->next, state->partition_count);
}

static void decode(struct slice rest, void *arg)
{
    struct persons_state *ret = arg;
    struct slice version = derived_state_line(&rest, "weir-persons");
    struct slice table = derived_state_line(&rest, "table");
    struct slice rest_of = derived_state_line(&rest, "generation");
    struct slice number = slice_cut(&rest_of, ' '), word = slice_cut(&rest_of, ' ');
    *ret = (struct persons_state){.generation = derived_state_u32(number),
                                  .is_building = slice_eq_str(word, "building")};
    if (rest_of.len) {
        ret->old.generation = derived_state_u32(slice_cut(&rest_of, ' '));
        ret->old.part = derived_state_u32(slice_cut(&rest_of, ' '));
        ret->old.parts = derived_state_u32(rest_of);
    }
    if (slice_eq_str(version, "1") && table.len < sizeof(ret->table))
        memcpy(ret->table, table.data, table.len);
    derived_state_take_next(&rest, ret->next, &ret->partition_count);
}

const struct derived_state persons_state_format = {.encode = encode, .decode = decode};
