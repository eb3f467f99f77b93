/* INVARIANTS  What was read must print as what stands in the file. */
#include <inttypes.h>

#include "analytics/derived/derived.h"
#include "base/crc32c.h"
#include "base/os.h"

enum { STATE_BYTES_MAX = 8192 };

static void encode(const struct derived_state *format, const void *state, struct buf *out)
{
    format->encode(state, out);
    buf_addf(out, "crc32c %08x\n", (unsigned)crc32c(0, out->data, out->len));
}

enum rc derived_state_load(const struct derived_state *format, const char *dir, void *ret_state,
                           struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf again;
    buf_init(&text, STATE_BYTES_MAX);
    buf_init(&again, STATE_BYTES_MAX);
    os_path(path, "%s/state", dir);
    ENSURE(os_exists(path), RC_NOTFOUND);
    TRY(os_read_file(path, &text, err));
    format->decode(buf_slice(&text), ret_state);
    encode(format, ret_state, &again);
    ENSURE(buf_ok(&again) && slice_eq(buf_slice(&again), buf_slice(&text)),
           err_set(err, RC_CORRUPT, "%s is damaged", path));
    return RC_OK;
}

enum rc derived_state_save(const struct derived_state *format, const char *dir, const void *state,
                           struct err *err)
{
    char path[OS_PATH_MAX];
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, STATE_BYTES_MAX);
    os_path(path, "%s/state", dir);
    encode(format, state, &text);
    ENSURE(buf_ok(&text), err_set(err, RC_NOMEM, "no memory for %s", path));
    return os_write_file_durable(path, buf_slice(&text), err);
}

enum rc derived_state_remove(const char *dir, struct err *err)
{
    char path[OS_PATH_MAX];
    return os_unlink_durable(os_path(path, "%s/state", dir), err);
}

struct slice derived_state_line(struct slice *rest, const char *name)
{
    struct slice line = slice_cut(rest, '\n');
    return slice_eq_str(slice_cut(&line, ' '), name) ? line : SLICE_EMPTY;
}

uint32_t derived_state_u32(struct slice text)
{
    uint64_t n = 0;
    return slice_to_u64(text, &n) && n <= UINT32_MAX ? (uint32_t)n : 0;
}

void derived_state_add_next(struct buf *out, const uint64_t *next, uint32_t count)
{
    buf_add_str(out, "next");
    for (uint32_t i = 0; i < count; i++)
        buf_addf(out, " %" PRIu64, next[i]);
    buf_add_char(out, '\n');
}

void derived_state_take_next(struct slice *rest, uint64_t next[STREAM_PARTITIONS_MAX],
                             uint32_t *ret_count)
{
    struct slice line = derived_state_line(rest, "next");
    *ret_count = 0;
    while (line.len && *ret_count < STREAM_PARTITIONS_MAX) {
        uint64_t offset = 0;
        IGNORE(slice_to_u64(slice_cut(&line, ' '), &offset), "printed again and compared");
        next[(*ret_count)++] = offset;
    }
}
