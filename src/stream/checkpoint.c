/* WHAT    A consumer's durable state: one small text file per partition, replaced in one step.
 * WHY     The id tells a checkpoint of a stream that was thrown away and made anew from one that
 *         fits.
 * LAYOUT
 *         weir-consumer 1
 *         stream <id of the stream, 32 hex digits>
 *         next 1200                 records below it are done
 *         intent 1200 1699          only while a batch is under way
 *         dead 17                   where the dead-letter stream stood then, per partition of it
 *         crc32c 89abcdef */
#include "stream/consumer_int.h"

#include <string.h>

#include "stream/format_int.h"

static char *checkpoint_path(char ret[OS_PATH_MAX], const char *dir, uint32_t partition)
{
    return os_path(ret, "%s/p%u.checkpoint", dir, partition);
}

static void id_text(const uint8_t *id, char ret_hex[33])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        ret_hex[2 * i] = digits[id[i] >> 4];
        ret_hex[2 * i + 1] = digits[id[i] & 15];
    }
    ret_hex[32] = '\0';
}

enum rc checkpoint_save(const char *dir, uint32_t partition, const uint8_t *stream_id,
                        const struct checkpoint *cp, struct err *err)
{
    char path[OS_PATH_MAX], hex[33];
    struct buf text;
    id_text(stream_id, hex);
    buf_init(&text, TEXTFILE_BYTES_MAX);
    buf_addf(&text, "weir-consumer 1\nstream %s\nnext %llu\n", hex, (unsigned long long)cp->next);
    if (cp->has_intent) {
        buf_addf(&text, "intent %llu %llu\n", (unsigned long long)cp->first,
                 (unsigned long long)cp->last);
        for (uint32_t i = 0; i < cp->dead_n; i++)
            buf_addf(&text, "%s %llu%s", i ? "" : "dead", (unsigned long long)cp->dead[i],
                     i + 1 == cp->dead_n ? "\n" : "");
    }
    enum rc rc = textfile_write(checkpoint_path(path, dir, partition), &text, err);
    buf_done(&text);
    return rc;
}

static bool parse_intent(const struct buf *text, struct checkpoint *cp)
{
    struct slice value;
    if (!textfile_get(text, "intent", &value))
        return true;
    struct slice first = slice_cut(&value, ' ');
    cp->has_intent = slice_to_u64(first, &cp->first) && slice_to_u64(value, &cp->last) &&
                     cp->first <= cp->last && cp->first >= cp->next && cp->last < UINT64_MAX;
    if (!cp->has_intent)
        return false;
    if (!textfile_get(text, "dead", &value))
        return true;
    while (value.len) {
        if (cp->dead_n == STREAM_PARTITIONS_MAX ||
            !slice_to_u64(slice_cut(&value, ' '), &cp->dead[cp->dead_n++]))
            return false;
    }
    return true;
}

static enum rc parse(const struct buf *text, const char *path, const uint8_t *stream_id,
                     struct checkpoint *ret, struct err *err)
{
    uint64_t version;
    struct slice id;
    char hex[33];
    struct checkpoint cp = {.next = 0};
    if (!textfile_get_u64(text, "weir-consumer", &version) || version != 1 ||
        !textfile_get(text, "stream", &id) || !textfile_get_u64(text, "next", &cp.next) ||
        !parse_intent(text, &cp))
        return err_set(err, RC_CORRUPT, "%s has impossible values", path);
    if (stream_id) {
        id_text(stream_id, hex);
        if (!slice_eq_str(id, hex))
            return err_set(err, RC_CONFLICT,
                           "%s belongs to another stream: was this one made anew? Remove the "
                           "checkpoints to begin with its oldest record",
                           path);
    }
    *ret = cp;
    return RC_OK;
}

enum rc checkpoint_load(const char *dir, uint32_t partition, const uint8_t *stream_id,
                        struct checkpoint *ret, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    buf_init(&text, TEXTFILE_BYTES_MAX);
    enum rc rc = textfile_read(checkpoint_path(path, dir, partition), &text, err);
    if (rc == RC_OK)
        rc = parse(&text, path, stream_id, ret, err);
    buf_done(&text);
    return rc;
}

enum rc consumer_checkpoint_read(const char *dir, uint32_t partition, uint64_t *ret_offset,
                                 struct err *err)
{
    struct checkpoint cp = {.next = 0};
    TRY(checkpoint_load(dir, partition, NULL, &cp, err));
    *ret_offset = cp.next;
    return RC_OK;
}
