/* WHAT     Dead letters: a rejected record goes, with its key, headers and value, to the
 *          dead-letter stream; more headers say why and where it came from.
 * WHY      Once only: between the append here and the checkpoint lies a crash. So the intent of
 *          the batch remembers where the dead-letter stream stood before; when the same range
 *          comes again, what was appended there since is looked through for letters of this very
 *          origin.
 * THREADS  The consumer's. */
#include "stream/consumer_int.h"

#include <stdio.h>
#include <string.h>

#include "stream/format_int.h"

void dead_note_bounds(const struct consumer *c, struct checkpoint *cp)
{
    cp->dead_n = c->cfg.dead ? stream_partitions(c->cfg.dead) : 0;
    for (uint32_t i = 0; i < cp->dead_n; i++) {
        struct stream_bounds b;
        stream_bounds(c->cfg.dead, i, &b);
        cp->dead[i] = b.next;
    }
}

/* The part of the headers that tells the origin; it ends the header block, so a suffix tells all.
 */
static void origin_add(struct buf *to, const struct consumer *c, uint32_t partition,
                       uint64_t offset)
{
    buf_addf(to, "consumer%c%s%cstream%c%s%cpartition%c%u%coffset%c%llu%c", 0, c->cfg.ops->name, 0,
             0, stream_name(c->cfg.stream), 0, 0, partition, 0, 0, (unsigned long long)offset, 0);
}

static bool has_suffix(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len && memcmp(s.data + s.len - suffix.len, suffix.data, suffix.len) == 0;
}

static void match_letter(struct consumer *c, const struct consumer_batch *b,
                         const struct stream_record *letter, struct buf *origin)
{
    for (uint32_t i = 0; i < c->rejected_n; i++) {
        struct rejected *r = &c->rejected[i];
        buf_clear(origin);
        origin_add(origin, c, b->partition, b->records[r->index].offset);
        if (!r->is_buried && buf_ok(origin) && has_suffix(letter->headers, buf_slice(origin)))
            r->is_buried = true;
    }
}

static enum rc find_in(struct consumer *c, const struct consumer_batch *b, uint32_t dead_partition,
                       uint64_t from, struct err *err)
{
    struct stream_reader *reader;
    struct stream_record letter;
    struct buf origin;
    buf_init(&origin, 4096);
    TRY(stream_reader_open(c->cfg.dead, dead_partition, from, &reader, err));
    enum rc rc;
    for (;;) {
        rc = stream_reader_next(reader, &letter, err);
        if (rc == RC_NOTFOUND)
            stream_reader_seek(reader, letter.offset);
        else if (rc == RC_OK)
            match_letter(c, b, &letter, &origin);
        else
            break;
    }
    stream_reader_close(reader);
    buf_done(&origin);
    return rc == RC_END ? RC_OK : rc;
}

static enum rc bury_one(struct consumer *c, const struct consumer_batch *b, struct rejected *r,
                        struct err *err)
{
    const struct stream_record *record = &b->records[r->index];
    struct buf headers;
    buf_init(&headers, 2 * STREAM_RECORD_BYTES_MAX);
    buf_add_slice(&headers, record->headers);
    buf_addf(&headers, "reason%c%s%c", 0, r->reason, 0);
    size_t room = STREAM_RECORD_BYTES_MAX - record->key.len;
    struct stream_record letter = {.key = record->key, .value = record->value};
    if (headers.len + letter.value.len + 400 > room) {
        /* A record of nearly the largest size: with the headers it would be too large. */
        buf_addf(&headers, "value_bytes%c%zu%c", 0, letter.value.len, 0);
        letter.value.len = headers.len + 400 < room ? room - headers.len - 400 : 0;
    }
    origin_add(&headers, c, b->partition, record->offset);
    letter.headers = buf_slice(&headers);
    enum rc rc = buf_ok(&headers) ? stream_append_wait(c->cfg.dead, &letter, 1) : RC_NOMEM;
    buf_done(&headers);
    if (rc != RC_OK)
        return err_set(err, rc, "a dead letter could not be kept: %s", rc_text(rc));
    r->is_buried = true;
    return RC_OK;
}

enum rc dead_bury(struct consumer *c, const struct consumer_batch *b, const struct checkpoint *cp,
                  struct err *err)
{
    if (!c->cfg.dead)
        return err_set(err, RC_INVALID,
                       "a record is poison and there is no stream for dead letters: %s",
                       c->rejected[0].reason);
    uint32_t n = stream_partitions(c->cfg.dead);
    for (uint32_t i = 0; b->is_repeat && i < n; i++)
        TRY(find_in(c, b, i, i < cp->dead_n ? cp->dead[i] : 0, err));
    for (uint32_t i = 0; i < c->rejected_n; i++)
        if (!c->rejected[i].is_buried)
            TRY(bury_one(c, b, &c->rejected[i], err));
    return RC_OK;
}
