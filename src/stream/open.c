/* WHAT     Opening a stream folder: its meta file, the segment lists, recovery of the last
 *          segment.
 * WHY      Everything found after a crash is either kept because it was (or now is) on stable
 *          storage, cut because it provably belongs to a commit that was never acknowledged, or
 *          refused.
 *          1. A sealed segment is trusted by its seal; the chain of base offsets must be without a
 *             hole.
 *          2. Only the last segment may be unsealed. It is walked batch by batch; what follows the
 *             last good one is cut unless a later batch proves it had been acknowledged
 *             (segment.c).
 *          3. The file is synced before any of it is believed: what we read may have come from the
 *             page cache of a kernel that has not written it yet. A segment gets its name only
 *             after its header is on stable storage, so a bad header is damage, never a torn
 *             creation.
 * THREADS  Single-threaded until the committer starts, which is the last step. */
#include <fcntl.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "stream/stream_int.h"

enum { PARTITIONS_DEFAULT = 2 };

void stream_cfg_defaults(struct stream_cfg *cfg)
{
    *cfg = (struct stream_cfg){
        .partitions = PARTITIONS_DEFAULT,
        .ack = STREAM_ACK_FSYNC,
        .segment_bytes_max = UINT64_C(64) << 20,
        .segment_age_ms_max = 3600 * 1000,
        .retention_ms = UINT64_C(7) * 24 * 3600 * 1000,
        .queue_bytes_max = UINT64_C(64) << 20,
        .disk_floor_bytes = UINT64_C(256) << 20,
    };
}

static unix_ms real_now(void *ctx)
{
    (void)ctx;
    return unix_now();
}

static void real_random(void *ctx, void *to, size_t len)
{
    (void)ctx;
    random_bytes(to, len);
}

unix_ms stream_env_now(const struct stream *s)
{
    return s->env.now(s->env.ctx);
}

/* ---- meta file ---- */

static void hex_put(const uint8_t *bytes, size_t n, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex_get(struct slice text, uint8_t *ret_bytes, size_t n)
{
    if (text.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool name_is_good(struct slice name)
{
    if (name.len == 0 || name.len > STREAM_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static enum rc meta_parse(const struct buf *text, const char *path, struct stream *s,
                          struct err *err)
{
    struct slice name, id;
    uint64_t version, partitions;
    if (!textfile_get_u64(text, "weir-stream", &version) || version != FORMAT_VERSION)
        return err_set(err, RC_UNSUPPORTED, "%s is of a format this program does not know", path);
    if (!textfile_get(text, "name", &name) || !name_is_good(name) ||
        !textfile_get(text, "id", &id) || !hex_get(id, s->id, sizeof(s->id)) ||
        !textfile_get_u64(text, "partitions", &partitions) || partitions == 0 ||
        partitions > STREAM_PARTITIONS_MAX)
        return err_set(err, RC_CORRUPT, "%s has impossible values", path);
    memcpy(s->name, name.data, name.len);
    s->name[name.len] = '\0';
    s->cfg.partitions = (uint32_t)partitions;
    return RC_OK;
}

enum rc meta_read(const char *dir, struct stream *s, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    buf_init(&text, TEXTFILE_BYTES_MAX);
    os_path(path, "%s/stream.meta", dir);
    enum rc rc = textfile_read(path, &text, err);
    if (rc == RC_OK)
        rc = meta_parse(&text, path, s, err);
    buf_done(&text);
    return rc;
}

static enum rc meta_create(struct stream *s, struct err *err)
{
    char path[OS_PATH_MAX], id[33], time[TIME_TEXT_BYTES];
    struct buf text;
    s->env.random(s->env.ctx, s->id, sizeof(s->id));
    hex_put(s->id, sizeof(s->id), id);
    buf_init(&text, TEXTFILE_BYTES_MAX);
    buf_addf(&text, "weir-stream %d\nname %s\nid %s\npartitions %u\ncreated %s\n", FORMAT_VERSION,
             s->name, id, s->cfg.partitions, time_format(stream_env_now(s), time));
    os_path(path, "%s/stream.meta", s->dir);
    enum rc rc = textfile_write(path, &text, err);
    buf_done(&text);
    return rc;
}

static enum rc meta_open(struct stream *s, struct err *err)
{
    char path[OS_PATH_MAX];
    struct stream_cfg wanted = s->cfg;
    os_path(path, "%s/stream.meta", s->dir);
    if (!os_exists(path)) {
        os_path(path, "%s/p00", s->dir);
        if (os_is_dir(path))
            return err_set(err, RC_CORRUPT, "%s has segments but no stream.meta", s->dir);
        if (wanted.read_only)
            return err_set(err, RC_NOTFOUND, "there is no stream in %s", s->dir);
        if (s->cfg.partitions == 0)
            s->cfg.partitions = PARTITIONS_DEFAULT;
        return meta_create(s, err);
    }
    TRY(meta_read(s->dir, s, err));
    if (wanted.read_only)
        return RC_OK;
    if (wanted.name && strcmp(wanted.name, s->name) != 0)
        return err_set(err, RC_INVALID, "%s holds the stream \"%s\", not \"%s\"", s->dir, s->name,
                       wanted.name);
    if (wanted.partitions != 0 && wanted.partitions != s->cfg.partitions)
        return err_set(err, RC_INVALID,
                       "stream %s was created with %u partitions; the setting says %u and the "
                       "number cannot be changed",
                       s->name, s->cfg.partitions, wanted.partitions);
    return RC_OK;
}

/* ---- segments ---- */

enum rc segment_list(const char *dir, uint32_t partition, uint64_t **ret_bases, size_t *ret_n,
                     struct err *err)
{
    char path[OS_PATH_MAX];
    char **names;
    size_t names_n, n = 0;
    TRY(os_list(partition_path(path, dir, partition), &names, &names_n, err));
    uint64_t *bases = heap_try_alloc(HEAP_STREAM, (names_n + 1) * sizeof(*bases));
    for (size_t i = 0; bases && i < names_n; i++) {
        struct slice name = slice_str(names[i]);
        if (name.len == 24 && slice_eq_str(slice_sub(name, 20), ".seg") &&
            slice_to_u64(slice_of(name.data, 20), &bases[n]))
            n++; /* sorted by name is sorted by number: 20 digits each */
    }
    os_list_free(names, names_n);
    if (!bases)
        return err_set(err, RC_NOMEM, "no memory to list %s", path);
    *ret_bases = bases;
    *ret_n = n;
    return RC_OK;
}

static enum rc remove_temps(const char *dir, struct err *err)
{
    char path[OS_PATH_MAX];
    char **names;
    size_t n;
    TRY(os_list(dir, &names, &n, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && rc == RC_OK; i++)
        if (strstr(names[i], ".tmp"))
            rc = os_unlink_durable(os_path(path, "%s/%s", dir, names[i]), err);
    os_list_free(names, n);
    return rc;
}

static enum rc segment_belongs(const struct stream *s, uint32_t partition, uint64_t base,
                               const char *path, const struct scan *sc, struct err *err)
{
    const struct disk_segment_header *h = &sc->header;
    if (h->partition != partition || h->partitions != s->cfg.partitions || h->base_offset != base ||
        memcmp(h->stream_id, s->id, sizeof(s->id)) != 0)
        return corrupt_segment(err, path, 0, "its header belongs to another stream or place");
    return RC_OK;
}

static struct segment *list_add(struct partition *p, const struct scan *sc, struct err *err)
{
    if (p->segments_n == p->segments_cap) {
        size_t cap = p->segments_cap ? p->segments_cap * 2 : 16;
        struct segment *moved = heap_try_resize(p->segments, HEAP_STREAM, cap * sizeof(*moved));
        if (!moved) {
            IGNORE(err_set(err, RC_NOMEM, "no memory for the segment list"), "told by NULL");
            return NULL;
        }
        p->segments = moved;
        p->segments_cap = cap;
    }
    struct segment *seg = &p->segments[p->segments_n++];
    *seg = (struct segment){
        .base = sc->header.base_offset,
        .prev_next = sc->header.prev_next_offset,
        .next = sc->next,
        .bytes = sc->end,
        .first_time_ms = sc->first_time_ms,
        .last_time_ms = sc->last_time_ms,
        .created_ms = sc->header.created_unix_ms,
        .header_crc = sc->header.crc,
        .is_sealed = sc->is_sealed,
    };
    return seg;
}

static void active_from_scan(struct partition *p, int fd, struct scan *sc)
{
    p->a = (struct active){
        .fd = fd,
        .header = sc->header,
        .size = sc->end,
        .synced = sc->end,
        .data_end = sc->data_end,
        .claimed_to = sc->claimed_to,
        .next = sc->next,
        .records = sc->records,
        .first_time_ms = sc->first_time_ms,
        .last_time_ms = sc->last_time_ms,
        .prev_crc = sc->prev_crc,
        .is_sealed = sc->is_sealed,
        .opened = mono_now(),
    };
    p->next = sc->next;
    p->index = sc->index;
    sc->index = (struct index){0};
}

/* Cut what was never acknowledged; then nothing of the file is believed before it is synced. */
static enum rc recover_tail(int fd, const char *path, const struct scan *sc, struct err *err)
{
    if (sc->is_damage_acked)
        return err_set(err, RC_CORRUPT,
                       "%s, byte %llu: %s, and the batch at byte %llu proves that this had been "
                       "acknowledged. Restore the file from a backup, or give up what follows with "
                       "`weir stream truncate-tail`",
                       path, (unsigned long long)sc->end, sc->why,
                       (unsigned long long)sc->evidence_at);
    if (sc->end != sc->file_bytes)
        TRY(os_truncate(fd, sc->end, err));
    TRY(os_fsync(fd, err));
    return RC_OK;
}

enum rc segment_load_last(struct stream *s, uint32_t partition, uint64_t base, struct err *err)
{
    struct partition *p = &s->partitions[partition];
    char path[OS_PATH_MAX];
    struct scan sc;
    CLEANUP(os_closep) int fd = -1;
    segment_path(path, s->dir, partition, base);
    TRY(os_open(path, s->cfg.read_only ? O_RDONLY : O_RDWR, &fd, err));
    enum rc rc = segment_load_seal(fd, path, &sc, err);
    /* Of the last segment even a whole seal proves only what had been synced when it was composed.
     */
    bool is_proven = rc == RC_OK && sc.claimed_to == sc.seal_at;
    if (rc == RC_OK && !is_proven)
        scan_done(&sc);
    if (!is_proven && (rc == RC_OK || rc == RC_NOTFOUND || rc == RC_CORRUPT))
        rc = segment_scan(fd, path, UINT64_MAX, &sc, err);
    TRY(rc);
    rc = segment_belongs(s, partition, base, path, &sc, err);
    if (rc == RC_OK && !s->cfg.read_only)
        rc = recover_tail(fd, path, &sc, err);
    if (rc == RC_OK && !list_add(p, &sc, err))
        rc = RC_NOMEM;
    if (rc == RC_OK) {
        bool keep = !sc.is_sealed && !s->cfg.read_only;
        active_from_scan(p, keep ? fd : -1, &sc);
        if (keep)
            fd = -1;
    }
    scan_done(&sc);
    return rc;
}

static enum rc load_sealed(struct stream *s, uint32_t partition, uint64_t base, struct err *err)
{
    char path[OS_PATH_MAX];
    struct scan sc;
    CLEANUP(os_closep) int fd = -1;
    segment_path(path, s->dir, partition, base);
    TRY(os_open(path, O_RDONLY, &fd, err));
    enum rc rc = segment_load_seal(fd, path, &sc, err);
    if (rc == RC_NOTFOUND)
        return corrupt_segment(err, path, 0, "a segment in the middle has no valid seal");
    TRY(rc);
    rc = segment_belongs(s, partition, base, path, &sc, err);
    if (rc == RC_OK && !list_add(&s->partitions[partition], &sc, err))
        rc = RC_NOMEM;
    scan_done(&sc);
    return rc;
}

static enum rc check_chain(const struct stream *s, uint32_t partition, struct err *err)
{
    const struct partition *p = &s->partitions[partition];
    for (size_t i = 1; i < p->segments_n; i++) {
        char path[OS_PATH_MAX];
        if (p->segments[i].prev_next != p->segments[i - 1].next)
            return corrupt_segment(err, segment_path(path, s->dir, partition, p->segments[i].base),
                                   0, "a segment before this one is missing");
    }
    return RC_OK;
}

static enum rc load_partition(struct stream *s, uint32_t partition, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct partition *p = &s->partitions[partition];
    uint64_t *bases = NULL;
    size_t n = 0;
    partition_path(dir, s->dir, partition);
    if (!s->cfg.read_only) {
        TRY(os_mkdirs(dir, err));
        TRY(os_sync_dir(dir, err)); /* names seen now must still be there after a power loss */
        TRY(remove_temps(dir, err));
    }
    TRY(segment_list(s->dir, partition, &bases, &n, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n && rc == RC_OK; i++) {
        rc = i + 1 < n ? load_sealed(s, partition, bases[i], err)
                       : segment_load_last(s, partition, bases[i], err);
        /* Beside a running writer the oldest may just have gone to retention. */
        if (rc == RC_NOTFOUND && s->cfg.read_only && p->segments_n == 0)
            rc = RC_OK;
    }
    heap_free(bases);
    TRY(rc);
    TRY(check_chain(s, partition, err));
    if (s->cfg.read_only || p->a.fd >= 0)
        return RC_OK;
    return segment_start(s, partition, p->next, p->next, err);
}

/* ---- open, close ---- */

static void metric_init(struct stream *s, struct metric *m, enum metric_kind kind, const char *name,
                        const char *help)
{
    m->name = name;
    m->help = help;
    m->kind = kind;
    m->labels = s->m.labels;
    metrics_register(m);
}

static int64_t read_queue_bytes(void *ctx)
{
    struct stream *s = ctx;
    return (int64_t)atomic_load_explicit(&s->queue_bytes, memory_order_relaxed);
}

static void register_metrics(struct stream *s)
{
    struct buf labels;
    buf_init(&labels, sizeof(s->m.labels) - 1);
    buf_addf(&labels, "stream=\"%s\"", s->name);
    memcpy(s->m.labels, buf_cstr(&labels), labels.len + 1);
    buf_done(&labels);
    metric_init(s, &s->m.records, METRIC_COUNTER, "weir_stream_appended_records_total",
                "Records committed.");
    metric_init(s, &s->m.bytes, METRIC_COUNTER, "weir_stream_appended_bytes_total",
                "Bytes written to segments, headers and padding included.");
    metric_init(s, &s->m.commits, METRIC_COUNTER, "weir_stream_commits_total",
                "Group commits; appended records per commit is the batch size.");
    s->m.seconds.hist = &s->m.seconds_hist;
    metric_init(s, &s->m.seconds, METRIC_HISTOGRAM, "weir_stream_commit_seconds",
                "Encode, write and sync of one group commit.");
    metric_init(s, &s->m.halted, METRIC_GAUGE, "weir_stream_halted",
                "1 after a storage failure: the process must leave.");
    metric_init(s, &s->m.segments, METRIC_GAUGE, "weir_stream_segments", "Segment files.");
    metric_init(s, &s->m.free_bytes, METRIC_GAUGE, "weir_stream_disk_free_bytes",
                "Free space seen by the committer.");
    s->m.queue.read = read_queue_bytes;
    s->m.queue.read_ctx = s;
    metric_init(s, &s->m.queue, METRIC_GAUGE, "weir_stream_queue_bytes", "Waiting appends.");
    metric_init(s, &s->m.busy, METRIC_COUNTER, "weir_stream_refused_busy_total",
                "Appends refused because the queue was full.");
    metric_init(s, &s->m.nospace, METRIC_COUNTER, "weir_stream_refused_nospace_total",
                "Appends refused because of the free-space floor.");
    s->m.is_registered = true;
    int64_t segments = 0;
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        segments += (int64_t)s->partitions[i].segments_n;
    metric_set(&s->m.segments, segments);
}

static void unregister_metrics(struct stream *s)
{
    struct metric *all[] = {&s->m.records, &s->m.bytes,    &s->m.commits,    &s->m.seconds,
                            &s->m.halted,  &s->m.segments, &s->m.free_bytes, &s->m.queue,
                            &s->m.busy,    &s->m.nospace};
    for (size_t i = 0; s->m.is_registered && i < COUNT_OF(all); i++)
        metrics_unregister(all[i]);
}

void stream_free(struct stream *s)
{
    unregister_metrics(s);
    for (uint32_t i = 0; s->partitions && i < s->cfg.partitions; i++) {
        struct partition *p = &s->partitions[i];
        os_close(p->a.fd);
        heap_free(p->segments);
        index_done(&p->index);
        buf_done(&p->out);
    }
    heap_free(s->partitions);
    os_close(s->lock_fd);
    pthread_mutex_destroy(&s->files);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->readable);
    heap_free(s);
}
static enum rc cfg_check(const struct stream_cfg *cfg, struct err *err)
{
    if (!cfg->dir || strlen(cfg->dir) > OS_PATH_MAX - 64)
        return err_set(err, RC_INVALID, "the stream's folder is missing or its path is too long");
    if (cfg->read_only)
        return RC_OK;
    if (!cfg->name || !name_is_good(slice_str(cfg->name)))
        return err_set(err, RC_INVALID, "a stream's name is 1 to %d of [a-z0-9_-]",
                       STREAM_NAME_MAX);
    if (cfg->partitions > STREAM_PARTITIONS_MAX)
        return err_set(err, RC_INVALID, "a stream has 1 to %d partitions", STREAM_PARTITIONS_MAX);
    if (cfg->segment_bytes_max < 4096 || cfg->queue_bytes_max == 0)
        return err_set(err, RC_INVALID,
                       "segment_bytes_max must be 4096 or more, queue_bytes_max "
                       "more than 0");
    return RC_OK;
}

static struct stream *stream_alloc(const struct stream_cfg *cfg, const struct stream_env *env)
{
    struct stream *s = heap_try_alloc(HEAP_STREAM, sizeof(*s));
    if (!s)
        return NULL;
    s->cfg = *cfg;
    s->env = env ? *env : (struct stream_env){.now = real_now, .random = real_random};
    s->lock_fd = -1;
    s->can_reserve = true;
    os_path(s->dir, "%s", cfg->dir);
    if (cfg->name)
        memcpy(s->name, cfg->name, strlen(cfg->name) < sizeof(s->name) ? strlen(cfg->name) + 1 : 0);
    s->cfg.dir = s->dir;
    s->opened = s->floor_checked = s->retained = s->synced = s->committed = mono_now();
    s->opened_unix_ms = s->env.now(s->env.ctx).ms;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->readable, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&s->files, NULL);
    pthread_mutex_init(&s->mutex, NULL);
    return s;
}

static enum rc partitions_alloc(struct stream *s, struct err *err)
{
    s->partitions = heap_try_alloc(HEAP_STREAM, s->cfg.partitions * sizeof(*s->partitions));
    if (!s->partitions)
        return err_set(err, RC_NOMEM, "no memory for the partitions");
    for (uint32_t i = 0; i < s->cfg.partitions; i++) {
        s->partitions[i].a.fd = -1;
        buf_init(&s->partitions[i].out, (size_t)64 << 20);
    }
    return RC_OK;
}

enum rc stream_alloc_closed(const char *dir, struct stream **ret_stream, struct err *err)
{
    struct stream_cfg cfg;
    stream_cfg_defaults(&cfg);
    cfg.dir = dir;
    cfg.read_only = true;
    TRY(cfg_check(&cfg, err));
    CLEANUP(stream_freep) struct stream *s = stream_alloc(&cfg, NULL);
    if (!s)
        return err_set(err, RC_NOMEM, "no memory for a stream");
    s->cfg.read_only = false;
    TRY(meta_read(s->dir, s, err));
    TRY(partitions_alloc(s, err));
    *ret_stream = take_ptr(&s);
    return RC_OK;
}

enum rc stream_open_env(const struct stream_cfg *cfg, const struct stream_env *env,
                        struct stream **ret_stream, struct err *err)
{
    char path[OS_PATH_MAX];
    TRY(cfg_check(cfg, err));
    CLEANUP(stream_freep) struct stream *s = stream_alloc(cfg, env);
    if (!s)
        return err_set(err, RC_NOMEM, "no memory for a stream");
    if (!cfg->read_only) {
        TRY(os_mkdirs(s->dir, err));
        TRY(os_lock(os_path(path, "%s/LOCK", s->dir), &s->lock_fd, err));
        TRY(remove_temps(s->dir, err));
    }
    TRY(meta_open(s, err));
    s->cfg.name = s->name;
    TRY(partitions_alloc(s, err));
    for (uint32_t i = 0; i < s->cfg.partitions; i++)
        TRY(load_partition(s, i, err));
    if (!cfg->read_only) {
        register_metrics(s);
        if (pthread_create(&s->thread, NULL, committer_run, s) != 0)
            return err_set(err, RC_NOMEM, "cannot start the committer thread");
        s->has_thread = true;
    }
    *ret_stream = take_ptr(&s);
    return RC_OK;
}

enum rc stream_open(const struct stream_cfg *cfg, struct stream **ret_stream, struct err *err)
{
    return stream_open_env(cfg, NULL, ret_stream, err);
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    atomic_store(&s->is_closing, true);
    stream_interrupt(s);
    if (s->has_thread) {
        committer_wake(s);
        pthread_join(s->thread, NULL);
    }
    stream_free(s);
}
