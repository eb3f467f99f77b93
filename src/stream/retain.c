/* WHAT     Retention, the segment list for tools, and the consistent copy of a running stream.
 * WHY      Only whole sealed segments go, oldest first and each made durable before the next: a
 *          crash in the middle can leave too much, never a hole in the chain of offsets.
 * THREADS  stream_retain: the committer or any one caller; s->mutex covers the list, files are
 *          removed outside of it. Readers keep the descriptor they have. */
#include <stdio.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "stream/stream_int.h"

enum { RETAIN_EVERY_MS = 10000, BACKUP_TRIES_MAX = 10, CLOCK_SLACK_MS = 3600 * 1000 };

/* Wall time, but never far ahead of what the monotonic clock allows since the start: a clock that
 * jumps years ahead must not empty the stream. */
static int64_t retention_now_ms(const struct stream *s)
{
    int64_t now = stream_env_now(s).ms;
    int64_t bound = s->opened_unix_ms + mono_diff_us(s->opened, mono_now()) / 1000 + CLOCK_SLACK_MS;
    return now < bound ? now : bound;
}

static uint64_t stream_bytes_locked(const struct stream *s)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        for (size_t k = 0; k < s->partitions[i].segments_n; k++)
            bytes += s->partitions[i].segments[k].bytes;
    return bytes;
}

/* The partition whose oldest segment goes next, -1 if none: too old, or the oldest of all while the
 * stream is too large. */
static int pick_locked(const struct stream *s, int64_t now_ms)
{
    bool is_large = s->cfg.retention_bytes && stream_bytes_locked(s) > s->cfg.retention_bytes;
    int oldest = -1;
    int64_t oldest_ms = INT64_MAX;
    for (uint32_t i = 0; i < s->cfg.partitions; i++) {
        const struct partition *p = &s->partitions[i];
        if (p->segments_n < 2 || !p->segments[0].is_sealed)
            continue;
        int64_t last = p->segments[0].last_time_ms;
        if (s->cfg.retention_ms && last < now_ms - (int64_t)s->cfg.retention_ms)
            return (int)i;
        if (is_large && last < oldest_ms) {
            oldest_ms = last;
            oldest = (int)i;
        }
    }
    return oldest;
}

static enum rc retain_locked(struct stream *s, struct err *err)
{
    int64_t now_ms = retention_now_ms(s);
    for (;;) {
        char path[OS_PATH_MAX];
        pthread_mutex_lock(&s->mutex);
        int picked = pick_locked(s, now_ms);
        if (picked >= 0) {
            struct partition *p = &s->partitions[picked];
            segment_path(path, s->dir, (uint32_t)picked, p->segments[0].base);
            p->segments_n--;
            memmove(p->segments, p->segments + 1, p->segments_n * sizeof(*p->segments));
        }
        pthread_mutex_unlock(&s->mutex);
        if (picked < 0)
            return RC_OK;
        metric_add(&s->m.segments, -1);
        TRY(os_unlink_durable(path, err));
    }
}

enum rc stream_retain(struct stream *s, struct err *err)
{
    must(!s->cfg.read_only);
    pthread_mutex_lock(&s->files);
    enum rc rc = retain_locked(s, err);
    pthread_mutex_unlock(&s->files);
    return rc;
}

void stream_retain_if_due(struct stream *s)
{
    if (mono_is_before(mono_now(), mono_add_ms(s->retained, RETAIN_EVERY_MS)))
        return;
    if (pthread_mutex_trylock(&s->files) != 0)
        return; /* a backup or an erasure is at the files; soon enough */
    s->retained = mono_now();
    IGNORE(retain_locked(s, NULL), "a file that could not go now goes at the next start");
    pthread_mutex_unlock(&s->files);
}

enum rc segments_copy(const struct stream *cs, uint32_t partition, struct segment **ret_list,
                      size_t *ret_n, struct err *err)
{
    struct stream *s = __extension__(struct stream *)(uintptr_t) cs;
    const struct partition *p = &s->partitions[partition];
    pthread_mutex_lock(&s->mutex);
    size_t n = p->segments_n;
    struct segment *list = heap_try_alloc(HEAP_STREAM, (n + 1) * sizeof(*list));
    if (list && n)
        memcpy(list, p->segments, n * sizeof(*list));
    pthread_mutex_unlock(&s->mutex);
    if (!list)
        return err_set(err, RC_NOMEM, "no memory for the segment list");
    *ret_list = list;
    *ret_n = n;
    return RC_OK;
}

enum rc stream_segments(const struct stream *s,
                        void (*each)(void *ctx, const struct stream_segment_info *i), void *ctx,
                        struct err *err)
{
    for (uint32_t i = 0; i < s->cfg.partitions; i++) {
        struct segment *list = NULL;
        size_t n = 0;
        TRY(segments_copy(s, i, &list, &n, err));
        for (size_t k = 0; k < n; k++) {
            char path[OS_PATH_MAX];
            struct stream_segment_info info = {
                .partition = i,
                .first_offset = list[k].base,
                .next_offset = list[k].next,
                .bytes = list[k].bytes,
                .first_time.ms = list[k].first_time_ms,
                .last_time.ms = list[k].last_time_ms,
                .is_sealed = list[k].is_sealed,
            };
            segment_path(path, s->dir, i, list[k].base);
            snprintf(info.path, sizeof(info.path), "%.*s", (int)sizeof(info.path) - 1, path);
            each(ctx, &info);
        }
        heap_free(list);
    }
    return RC_OK;
}

/* ---- backup ---- */

static enum rc backup_segment(const struct stream *s, uint32_t partition, const struct segment *seg,
                              const char *to_dir, struct err *err)
{
    char from[OS_PATH_MAX], to[OS_PATH_MAX];
    segment_path(from, s->dir, partition, seg->base);
    segment_path(to, to_dir, partition, seg->base);
    return seg->is_sealed ? os_link_or_copy(from, to, err)
                          : os_copy_file(from, to, seg->bytes, err);
}

/* Newest first: retention removes the oldest first, so the first one that is gone ends the copy and
 * there is no hole in it. RC_NOTFOUND: even the newest is gone, look again. */
static enum rc backup_list(const struct stream *s, uint32_t partition, const struct segment *list,
                           size_t n, const char *to, struct err *err)
{
    for (size_t i = n; i > 0; i--) {
        struct err why = ERR_INIT;
        enum rc rc = backup_segment(s, partition, &list[i - 1], to, &why);
        if (rc == RC_NOTFOUND && i < n)
            return RC_OK;
        if (rc != RC_OK && err)
            *err = why;
        TRY(rc);
    }
    return RC_OK;
}

static enum rc backup_partition(struct stream *s, uint32_t partition, const char *to,
                                struct err *err)
{
    char dir[OS_PATH_MAX];
    TRY(os_mkdirs(partition_path(dir, to, partition), err));
    enum rc rc = RC_NOTFOUND;
    pthread_mutex_lock(&s->files); /* what the list says of a file stays true while it is copied */
    for (int tries = 0; rc == RC_NOTFOUND && tries < BACKUP_TRIES_MAX; tries++) {
        struct segment *list = NULL;
        size_t n = 0;
        rc = segments_copy(s, partition, &list, &n, err);
        if (rc == RC_OK)
            rc = backup_list(s, partition, list, n, to, err);
        heap_free(list);
    }
    pthread_mutex_unlock(&s->files);
    TRY(rc);
    return os_sync_dir(dir, err);
}

enum rc stream_backup(struct stream *s, const char *to, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX];
    TRY(os_mkdirs(to, err));
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        TRY(backup_partition(s, i, to, err));
    os_path(from, "%s/stream.meta", s->dir);
    os_path(path, "%s/stream.meta", to);
    TRY(os_copy_whole(from, path, err));
    return os_sync_dir(to, err);
}
