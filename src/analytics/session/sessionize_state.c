/* WHAT        What sessionize knows when it starts again: <dir>/state, replaced whole.
 * LAYOUT      weir-sessions 1
 *             table 2f1c…            uuid of the table of events
 *             idle_ms 1800000
 *             sweep 20000 0 0        day, slice, slices that a sweep goes on with; - - - if none is
 *             next 1200 1187         per partition
 *             crc32c 89abcdef
 * INVARIANTS  What was read must print as what stands in the file. */
#include "analytics/session/sessionize_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/os.h"

enum { STATE_BYTES_MAX = 8192 };

static void encode(const struct sessionize_state *state, struct buf *out)
{
    buf_addf(out, "weir-sessions 1\ntable %s\nidle_ms %u\nsweep ", state->table,
             (unsigned)state->idle_ms);
    if (state->is_sweeping)
        buf_addf(out, "%u %u %u\nnext", (unsigned)state->sweep_day, (unsigned)state->sweep_slice,
                 (unsigned)state->sweep_slices);
    else
        buf_add_str(out, "- - -\nnext");
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

static uint32_t u32_of(struct slice text)
{
    uint64_t n = 0;
    return slice_to_u64(text, &n) && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static void decode(struct slice rest, struct sessionize_state *ret)
{
    struct slice version = value_of(&rest, "weir-sessions"), table = value_of(&rest, "table");
    struct slice idle = value_of(&rest, "idle_ms"), sweep = value_of(&rest, "sweep");
    struct slice next = value_of(&rest, "next"), day = slice_cut(&sweep, ' ');
    struct slice number = slice_cut(&sweep, ' ');
    *ret = (struct sessionize_state){.idle_ms = u32_of(idle),
                                     .is_sweeping = !slice_eq_str(day, "-"),
                                     .sweep_day = u32_of(day),
                                     .sweep_slice = u32_of(number),
                                     .sweep_slices = u32_of(sweep)};
    if (slice_eq_str(version, "1") && table.len < sizeof(ret->table))
        memcpy(ret->table, table.data, table.len);
    while (next.len && ret->partition_count < STREAM_PARTITIONS_MAX) {
        uint64_t offset = 0;
        IGNORE(slice_to_u64(slice_cut(&next, ' '), &offset), "printed again and compared");
        ret->next[ret->partition_count++] = offset;
    }
}

static bool is_whole(const struct sessionize_state *state, struct slice text)
{
    CLEANUP(buf_done) struct buf again;
    buf_init(&again, STATE_BYTES_MAX);
    encode(state, &again);
    return buf_ok(&again) && slice_eq(buf_slice(&again), text);
}

enum rc sessionize_state_load(const char *dir, struct sessionize_state *ret, struct err *err)
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

enum rc sessionize_state_save(const char *dir, const struct sessionize_state *state,
                              struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    encode(state, &text);
    ENSURE(buf_ok(&text), err_set(err, RC_NOMEM, "no memory for the state of the sessions"));
    return os_write_file_durable(os_path(path, "%s/state", dir), buf_slice(&text), err);
}

enum rc sessionize_state_remove(const char *dir, struct err *err)
{
    char path[OS_PATH_MAX];
    return os_unlink_durable(os_path(path, "%s/state", dir), err);
}
