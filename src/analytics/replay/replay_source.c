/* WHAT  Sources of a replay: the stream, and two sources behind one another.
 * WHY   The archive is another module of this layer's neighbourhood and is handed in by app/ as a
 *       third table of these functions; joined to the stream it makes the range of a replay as
 *       long as what was ever archived. */
#include "analytics/replay/replay.h"

#include <inttypes.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"

void replay_source_close(struct replay_source *source)
{
    if (source->ops)
        source->ops->close(source->ctx);
    *source = (struct replay_source){0};
}

/* ---- the stream ---- */

struct from_stream {
    struct stream *stream;
    struct stream_reader *reader;
};

static enum rc stream_source_bounds(void *ctx, uint32_t partition, uint64_t *ret_first,
                                    uint64_t *ret_next, struct err *err)
{
    struct from_stream *f = ctx;
    struct stream_bounds bounds;
    stream_bounds(f->stream, partition, &bounds);
    if (bounds.next == bounds.oldest)
        return err_set(err, RC_NOTFOUND, "partition %u of the stream is empty",
                       (unsigned)partition);
    *ret_first = bounds.oldest;
    *ret_next = bounds.next;
    return RC_OK;
}

static enum rc stream_source_offset_at(void *ctx, uint32_t partition, unix_ms t,
                                       uint64_t *ret_offset, struct err *err)
{
    struct from_stream *f = ctx;
    return stream_offset_at(f->stream, partition, t, ret_offset, err);
}

static void close_reader(struct from_stream *f)
{
    if (f->reader)
        stream_reader_close(f->reader);
    f->reader = NULL;
}

static enum rc stream_source_seek(void *ctx, uint32_t partition, uint64_t offset, struct err *err)
{
    struct from_stream *f = ctx;
    close_reader(f);
    return stream_reader_open(f->stream, partition, offset, &f->reader, err);
}

/* What fell out of retention while the replay ran is a gap, and gaps are the job's to judge. */
static enum rc stream_source_next(void *ctx, struct stream_record *ret, struct err *err)
{
    struct from_stream *f = ctx;
    enum rc rc = stream_reader_next(f->reader, ret, err);
    if (rc != RC_NOTFOUND)
        return rc;
    stream_reader_seek(f->reader, ret->offset);
    return stream_reader_next(f->reader, ret, err);
}

static void stream_source_close(void *ctx)
{
    struct from_stream *f = ctx;
    close_reader(f);
    heap_free(f);
}

static const struct replay_source_ops stream_source_ops = {
    .name = "stream",
    .bounds = stream_source_bounds,
    .offset_at = stream_source_offset_at,
    .seek = stream_source_seek,
    .next = stream_source_next,
    .close = stream_source_close,
};

enum rc replay_source_stream(struct stream *s, struct replay_source *ret, struct err *err)
{
    struct from_stream *f = heap_try_alloc(HEAP_ANALYTICS, sizeof(*f));
    if (!f)
        return err_set(err, RC_NOMEM, "no memory for a replay");
    f->stream = s;
    *ret = (struct replay_source){&stream_source_ops, f};
    return RC_OK;
}

/* ---- two behind one another ----
 *
 * A replay takes hours, and the newer source loses its oldest records meanwhile (retention). So
 * where it begins is asked again when it is reached, and what it lost while it was read is looked
 * for in the older one. */

struct joined {
    struct replay_source older, newer;
    uint32_t partition;
    uint64_t wanted; /* the next offset */
    uint64_t seam;   /* where newer began when it was asked last */
    bool is_newer;   /* now */
};

/* Where newer begins; UINT64_MAX if it has nothing. */
static enum rc find_seam(struct joined *j, uint32_t partition, uint64_t *ret_seam,
                         uint64_t *ret_next, struct err *err)
{
    enum rc rc = j->newer.ops->bounds(j->newer.ctx, partition, ret_seam, ret_next, err);
    if (rc != RC_NOTFOUND)
        return rc;
    *ret_seam = UINT64_MAX;
    *ret_next = 0;
    return RC_OK;
}

static enum rc joined_bounds(void *ctx, uint32_t partition, uint64_t *ret_first, uint64_t *ret_next,
                             struct err *err)
{
    struct joined *j = ctx;
    uint64_t seam = 0, newer_next = 0, first = 0, next = 0;
    TRY(find_seam(j, partition, &seam, &newer_next, err));
    enum rc rc = j->older.ops->bounds(j->older.ctx, partition, &first, &next, err);
    if (rc != RC_OK && (rc != RC_NOTFOUND || newer_next == 0))
        return rc;
    *ret_first = rc == RC_OK && first < seam ? first : seam;
    *ret_next = newer_next > next ? newer_next : next;
    return RC_OK;
}

static enum rc joined_offset_at(void *ctx, uint32_t partition, unix_ms t, uint64_t *ret_offset,
                                struct err *err)
{
    struct joined *j = ctx;
    uint64_t seam = 0, newer_next = 0, offset = 0;
    TRY(find_seam(j, partition, &seam, &newer_next, err));
    enum rc rc = j->older.ops->offset_at(j->older.ctx, partition, t, &offset, err);
    if (rc == RC_OK && (newer_next == 0 || offset < seam)) {
        *ret_offset = offset;
        return RC_OK;
    }
    if (rc != RC_OK && rc != RC_NOTFOUND)
        return rc;
    return j->newer.ops->offset_at(j->newer.ctx, partition, t, ret_offset, err);
}

/* Goes on at j->wanted with one of the two. */
static enum rc go_on_with(struct joined *j, bool is_newer, struct err *err)
{
    struct replay_source *s = is_newer ? &j->newer : &j->older;
    j->is_newer = is_newer;
    return s->ops->seek(s->ctx, j->partition, j->wanted, err);
}

static enum rc joined_seek(void *ctx, uint32_t partition, uint64_t offset, struct err *err)
{
    struct joined *j = ctx;
    uint64_t next = 0;
    TRY(find_seam(j, partition, &j->seam, &next, err));
    j->partition = partition;
    j->wanted = offset;
    return go_on_with(j, offset >= j->seam, err);
}

/* RC_END: newer goes on at j->wanted. */
static enum rc next_of_older(struct joined *j, struct stream_record *ret, struct err *err)
{
    uint64_t next = 0;
    enum rc rc = j->older.ops->next(j->older.ctx, ret, err);
    if (rc == RC_OK && ret->offset == j->wanted && ret->offset < j->seam)
        return RC_OK;
    if (rc != RC_OK && rc != RC_END)
        return rc;
    TRY(find_seam(j, j->partition, &j->seam, &next, err));
    if (rc == RC_OK && ret->offset < j->seam)
        return RC_OK;
    if (j->wanted < j->seam)
        j->wanted = j->seam; /* nobody has what is between */
    return RC_END;
}

/* What newer skips it has just lost: older may have it. */
static enum rc next_of_newer(struct joined *j, struct stream_record *ret, struct err *err)
{
    TRY(j->newer.ops->next(j->newer.ctx, ret, err));
    if (ret->offset <= j->wanted)
        return RC_OK;
    uint64_t behind_gap = ret->offset;
    TRY(go_on_with(j, false, err));
    enum rc rc = j->older.ops->next(j->older.ctx, ret, err);
    if (rc == RC_OK && ret->offset < behind_gap) {
        j->seam = behind_gap;
        return RC_OK;
    }
    if (rc != RC_OK && rc != RC_END)
        return rc;
    j->wanted = behind_gap;
    TRY(go_on_with(j, true, err));
    return j->newer.ops->next(j->newer.ctx, ret, err);
}

static enum rc joined_next(void *ctx, struct stream_record *ret, struct err *err)
{
    struct joined *j = ctx;
    enum rc rc = RC_END;
    if (!j->is_newer)
        rc = next_of_older(j, ret, err);
    if (!j->is_newer && rc == RC_END && j->seam != UINT64_MAX)
        TRY(go_on_with(j, true, err));
    if (j->is_newer)
        rc = next_of_newer(j, ret, err);
    if (rc == RC_OK)
        j->wanted = ret->offset + 1;
    return rc;
}

static void joined_close(void *ctx)
{
    struct joined *j = ctx;
    replay_source_close(&j->older);
    replay_source_close(&j->newer);
    heap_free(j);
}

static const struct replay_source_ops joined_ops = {
    .name = "archive+stream",
    .bounds = joined_bounds,
    .offset_at = joined_offset_at,
    .seek = joined_seek,
    .next = joined_next,
    .close = joined_close,
};

enum rc replay_source_joined(struct replay_source older, struct replay_source newer,
                             struct replay_source *ret, struct err *err)
{
    struct joined *j = heap_try_alloc(HEAP_ANALYTICS, sizeof(*j));
    if (!j)
        return err_set(err, RC_NOMEM, "no memory for a replay");
    j->older = older;
    j->newer = newer;
    *ret = (struct replay_source){&joined_ops, j};
    return RC_OK;
}
