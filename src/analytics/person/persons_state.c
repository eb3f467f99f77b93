/* WHAT        What persons know when they start again: <dir>/state, replaced whole.
 * LAYOUT      weir-persons 1
 *             table 2f1c…          uuid of the table of events
 *             generation 3 live    or building
 *             next 1200 1187       per partition
 *             crc32c 89abcdef
 * INVARIANTS  What was read must print as what stands in the file. */
#include "analytics/person/persons_int.h"

#include <inttypes.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/os.h"

enum { STATE_BYTES_MAX = 8192 };

static void encode(const struct persons_state *state, struct buf *out)
{
    buf_addf(out, "weir-persons 1\ntable %s\ngeneration %u %s\nnext", state->table,
             (unsigned)state->generation, state->is_building ? "building" : "live");
    for (uint32_t i = 0; i < state->partition_count; i++)
        buf_addf(out, " %" PRIu64, state->next[i]);
    buf_add_char(out, '\n');
    buf_addf(out, "crc32c %08x\n", (unsigned)crc32c(0, out->data, out->len));
}

/* The value of the next line, if that line has this name. */
static struct slice value_of(struct slice *rest, const char *name)
{
    struct slice line = slice_cut(rest, '\n');
    return slice_eq_str(slice_cut(&line, ' '), name) ? line : SLICE_EMPTY;
}

static void decode(struct slice rest, struct persons_state *ret)
{
    struct slice version = value_of(&rest, "weir-persons"), table = value_of(&rest, "table");
    struct slice word = value_of(&rest, "generation"), number = slice_cut(&word, ' ');
    struct slice next = value_of(&rest, "next");
    uint64_t generation = 0;
    if (!slice_to_u64(number, &generation) || generation > UINT32_MAX)
        generation = 0;
    *ret = (struct persons_state){.generation = (uint32_t)generation,
                                  .is_building = slice_eq_str(word, "building")};
    if (slice_eq_str(version, "1") && table.len < sizeof(ret->table))
        memcpy(ret->table, table.data, table.len);
    while (next.len && ret->partition_count < STREAM_PARTITIONS_MAX) {
        uint64_t offset = 0;
        IGNORE(slice_to_u64(slice_cut(&next, ' '), &offset), "printed again and compared");
        ret->next[ret->partition_count++] = offset;
    }
}

static bool is_whole(const struct persons_state *state, struct slice text)
{
    CLEANUP(buf_done) struct buf again;
    buf_init(&again, STATE_BYTES_MAX);
    encode(state, &again);
    return buf_ok(&again) && slice_eq(buf_slice(&again), text);
}

enum rc persons_state_load(const char *dir, struct persons_state *ret, struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    os_path(path, "%s/state", dir);
    ENSURE(os_exists(path), RC_NOTFOUND);
    TRY(os_read_file(path, &text, err));
    decode(buf_slice(&text), ret);
    ENSURE(is_whole(ret, buf_slice(&text)), err_set(err, RC_CORRUPT, "%s is damaged", path));
    return RC_OK;
}

enum rc persons_state_save(const char *dir, const struct persons_state *state, struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    encode(state, &text);
    ENSURE(buf_ok(&text), err_set(err, RC_NOMEM, "no memory for the state of the persons"));
    return os_write_file_durable(os_path(path, "%s/state", dir), buf_slice(&text), err);
}
