/* WHAT        Lines -> one zstd frame -> temporary file -> object store.
 * WHY         An hour may be far larger than memory, so it goes through a file in the data
 *             folder. The file is never synced: after a crash it is thrown away and made again
 *             from the stream, which is the same work.
 * INVARIANTS  The bytes are a function of the records alone: fixed level and window, one thread,
 *             a checksum, no time, and the compressor is fed in pieces of exactly FEED_BYTES
 *             however the lines fall, because zstd promises equal output for equal calls only. */
#include "archive/spool_int.h"

#include <fcntl.h>
#include <string.h>
#include <zstd.h>

#include "archive/digest_int.h"
#include "archive/line_int.h"
#include "base/heap.h"
#include "base/os.h"

enum {
    FEED_BYTES = 128 << 10,
    OUT_BYTES = 256 << 10,
    WINDOW_LOG = 20, /* 1 MiB: little memory for writer and reader; events repeat near by */
};
struct spool {
    int fd;
    bool is_finished;
    ZSTD_CCtx *zstd;
    struct buf raw; /* lines not yet fed */
    char *out;
    struct digest digest;
    struct archive_object object;
    char path[OS_PATH_MAX];
};

static enum rc spool_setup(struct spool *s, int level, struct err *err)
{
    s->zstd = ZSTD_createCCtx();
    s->out = heap_try_alloc(HEAP_ARCHIVE, OUT_BYTES);
    if (!s->zstd || !s->out ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_windowLog, WINDOW_LOG)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)))
        return err_set(err, RC_NOMEM, "no memory for a zstd compressor");
    TRY(digest_init(&s->digest, err));
    return os_open(s->path, O_RDWR | O_CREAT | O_TRUNC, &s->fd, err);
}

enum rc spool_new(const char *path, int level, struct spool **ret_spool, struct err *err)
{
    CLEANUP(spool_freep) struct spool *s = heap_try_alloc(HEAP_ARCHIVE, sizeof(*s));
    if (!s)
        return err_set(err, RC_NOMEM, "no memory for %s", path);
    s->fd = -1;
    os_path(s->path, "%s", path);
    buf_init(&s->raw, LINE_BYTES_MAX + FEED_BYTES);
    TRY(spool_setup(s, level, err));
    *ret_spool = take_ptr(&s);
    return RC_OK;
}

static enum rc compress(struct spool *s, struct slice piece, ZSTD_EndDirective mode,
                        struct err *err)
{
    ZSTD_inBuffer in = {piece.data, piece.len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {s->out, OUT_BYTES, 0};
        left = ZSTD_compressStream2(s->zstd, &out, &in, mode);
        if (ZSTD_isError(left))
            return err_set(err, RC_NOMEM, "zstd: %s", ZSTD_getErrorName(left));
        digest_add(&s->digest, slice_of(s->out, out.pos));
        TRY(os_write_all(s->fd, s->out, out.pos, err));
    } while (mode == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return RC_OK;
}

enum rc spool_add(struct spool *s, const struct stream_record *record, struct err *err)
{
    size_t before = s->raw.len, fed = 0;
    must(!s->is_finished);
    TRY(line_encode(record, &s->raw, err));
    s->object.raw_bytes += s->raw.len - before;
    while (s->raw.len - fed >= FEED_BYTES) {
        TRY(compress(s, slice_of(s->raw.data + fed, FEED_BYTES), ZSTD_e_continue, err));
        fed += FEED_BYTES;
    }
    buf_drop_front(&s->raw, fed);
    return RC_OK;
}

uint64_t spool_raw_bytes(const struct spool *s)
{
    return s->object.raw_bytes;
}

enum rc spool_finish(struct spool *s, struct archive_object *ret, struct err *err)
{
    if (!s->is_finished) {
        TRY(compress(s, buf_slice(&s->raw), ZSTD_e_end, err));
        digest_end(&s->digest, &s->object);
        s->object.is_there = true;
        s->is_finished = true;
    }
    *ret = s->object;
    return RC_OK;
}

enum rc spool_upload(struct spool *s, struct object_store *objects, const char *key,
                     struct err *err)
{
    struct archive_object got;
    must(s->is_finished);
    return file_upload(s->path, objects, key, &s->object, &got, err);
}

void spool_free(struct spool *s)
{
    struct err err = ERR_INIT;
    if (!s)
        return;
    if (s->fd >= 0)
        IGNORE(os_unlink_durable(s->path, &err), "the next one empties it");
    os_closep(&s->fd);
    ZSTD_freeCCtx(s->zstd);
    digest_done(&s->digest);
    buf_done(&s->raw);
    heap_free(s->out);
    heap_free(s);
}

/* ---- file -> object store ---- */

struct upload {
    struct object_store *objects;
    const char *key;
    int fd;
    uint64_t bytes;
    char *piece;
    struct digest digest;
};

static enum rc read_piece(struct upload *u, uint64_t at, size_t want, struct err *err)
{
    size_t got = 0;
    TRY(os_pread(u->fd, u->piece, want, at, &got, err));
    if (got != want)
        return err_set(err, RC_CORRUPT, "%s: the temporary file became shorter", u->key);
    digest_add(&u->digest, slice_of(u->piece, got));
    return RC_OK;
}

static enum rc check_digest(struct upload *u, const struct archive_object *want,
                            struct archive_object *ret, struct err *err)
{
    digest_end(&u->digest, ret);
    ret->is_there = true;
    if (want && !digest_is_same(ret, want))
        return err_set(err, RC_CORRUPT, "%s: the temporary file changed on disk", u->key);
    return RC_OK;
}

static enum rc upload_parts(struct upload *u, struct object_upload *to,
                            const struct archive_object *want, struct archive_object *ret,
                            struct err *err)
{
    for (uint64_t at = 0; at < u->bytes; at += OBJECT_PART_BYTES) {
        uint64_t left = u->bytes - at;
        size_t n = left < OBJECT_PART_BYTES ? (size_t)left : OBJECT_PART_BYTES;
        TRY(read_piece(u, at, n, err));
        TRY(object_upload_part(u->objects, to, slice_of(u->piece, n), err));
    }
    return check_digest(u, want, ret, err);
}

static enum rc upload_all(struct upload *u, const struct archive_object *want,
                          struct archive_object *ret, struct err *err)
{
    if (u->bytes <= OBJECT_PUT_BYTES_MAX) {
        TRY(read_piece(u, 0, (size_t)u->bytes, err));
        TRY(check_digest(u, want, ret, err));
        return object_put(u->objects, u->key, slice_of(u->piece, (size_t)u->bytes), err);
    }
    struct object_upload *to = NULL;
    TRY(object_upload_begin(u->objects, u->key, &to, err));
    enum rc rc = upload_parts(u, to, want, ret, err);
    if (rc != RC_OK) {
        object_upload_abort(u->objects, to);
        return rc;
    }
    return object_upload_complete(u->objects, to, err);
}

enum rc file_upload(const char *path, struct object_store *objects, const char *key,
                    const struct archive_object *want, struct archive_object *ret, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    struct upload u = {.objects = objects, .key = key};
    struct archive_object got = {.raw_bytes = want ? want->raw_bytes : 0};
    TRY(os_open(path, O_RDONLY, &fd, err));
    u.fd = fd;
    TRY(os_size(fd, &u.bytes, err));
    TRY(digest_init(&u.digest, err));
    size_t room = u.bytes < OBJECT_PART_BYTES ? (size_t)u.bytes : OBJECT_PART_BYTES;
    u.piece = heap_try_alloc(HEAP_ARCHIVE, room + 1);
    enum rc rc = u.piece ? upload_all(&u, want, &got, err)
                         : err_set(err, RC_NOMEM, "no memory to upload %s", key);
    heap_free(u.piece);
    digest_done(&u.digest);
    TRY(rc);
    *ret = got;
    return RC_OK;
}
