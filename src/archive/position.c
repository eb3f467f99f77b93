/* WHAT  The durable position of each partition: <dir>/p0000.position, one line of text:
 *         weir-archive 1 <stream> <partition> <next> <closing_last or -> <crc32c>
 * WHY   It is small, moves twice per run, and a person can read it. If it is gone (a restored data
 *       folder), the manifests in the object store tell the same, so that nothing is archived under
 *       two different runs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive_int.h"
#include "base/crc32c.h"
#include "base/log.h"

enum { POSITION_BYTES_MAX = 512 };

static void position_path(const struct archive *a, uint32_t partition, char ret_path[OS_PATH_MAX])
{
    os_path(ret_path, "%s/p%04u.position", a->dir, (unsigned)partition);
}

static void position_encode(const struct archive *a, const struct archive_partition *p,
                            struct buf *out)
{
    buf_addf(out, "weir-archive 1 %s %u %" PRIu64 " ", stream_name(a->cfg.stream),
             (unsigned)p->number, p->next);
    if (p->is_closing)
        buf_add_u64(out, p->closing_last);
    else
        buf_add_char(out, '-');
    buf_addf(out, " %08x\n", (unsigned)crc32c(0, out->data, out->len));
}

enum rc position_save(struct archive *a, const struct archive_partition *p, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    buf_init(&text, POSITION_BYTES_MAX);
    position_encode(a, p, &text);
    position_path(a, p->number, path);
    enum rc rc = os_write_file_durable(path, buf_slice(&text), err);
    buf_done(&text);
    return rc;
}

/* Same rule as everywhere here: what was understood must print as what was read. */
static bool position_decode(const struct archive *a, struct archive_partition *p, struct slice text)
{
    struct archive_partition got = {.number = p->number};
    struct slice rest = text;
    for (int i = 0; i < 4; i++)
        (void)slice_cut(&rest, ' ');
    struct slice next = slice_cut(&rest, ' '), closing = slice_cut(&rest, ' ');
    got.is_closing = !slice_eq_str(closing, "-");
    if (!slice_to_u64(next, &got.next) ||
        (got.is_closing && !slice_to_u64(closing, &got.closing_last)))
        return false;
    struct buf again;
    buf_init(&again, POSITION_BYTES_MAX);
    position_encode(a, &got, &again);
    bool ok = slice_eq(buf_slice(&again), text);
    buf_done(&again);
    if (ok) {
        p->next = got.next;
        p->is_closing = got.is_closing;
        p->closing_last = got.closing_last;
    }
    return ok;
}

struct newest { /* the manifest with the greatest first offset of one partition */
    const struct archive *a;
    uint32_t partition;
    bool is_found;
    uint64_t first;
    char key[OBJECT_KEY_MAX + 1];
};

static enum rc look_at_key(void *ctx, const struct object_info *info, struct err *err)
{
    (void)err;
    struct newest *n = ctx;
    uint32_t partition = 0;
    uint64_t first = 0;
    unix_ms hour;
    if (!archive_manifest_key_parse(slice_str(info->key), stream_name(n->a->cfg.stream), &partition,
                                    &hour, &first) ||
        partition != n->partition || (n->is_found && first < n->first))
        return RC_OK;
    n->is_found = true;
    n->first = first;
    snprintf(n->key, sizeof(n->key), "%s", info->key);
    return RC_OK;
}

static enum rc position_from_manifests(struct archive *a, struct archive_partition *p,
                                       struct err *err)
{
    char prefix[OBJECT_KEY_MAX + 1];
    struct newest newest = {.a = a, .partition = p->number};
    struct archive_manifest m = {0};
    struct stream_bounds bounds;
    stream_bounds(a->cfg.stream, p->number, &bounds);
    p->next = bounds.oldest;
    snprintf(prefix, sizeof(prefix), "%s/dt=", stream_name(a->cfg.stream));
    TRY(object_each(a->cfg.objects, prefix, look_at_key, &newest, err));
    if (!newest.is_found)
        return RC_OK;
    TRY(archive_manifest_get(a->cfg.objects, newest.key, &m, err));
    uint64_t next = m.last + 1;
    archive_manifest_done(&m);
    if (next > bounds.next)
        return err_set(err, RC_CONFLICT,
                       "the archive holds offset %" PRIu64
                       " of %s/%u, but the stream ends before %" PRIu64
                       ": is this the archive of another data folder?",
                       next - 1, stream_name(a->cfg.stream), (unsigned)p->number, bounds.next);
    log_info("archive position taken from its newest manifest", LOG_STR("manifest", newest.key));
    p->next = next > bounds.oldest ? next : bounds.oldest;
    return RC_OK;
}

enum rc position_load(struct archive *a, struct archive_partition *p, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    bool ok = false;
    position_path(a, p->number, path);
    if (!os_exists(path))
        return position_from_manifests(a, p, err);
    buf_init(&text, POSITION_BYTES_MAX);
    enum rc rc = os_read_file(path, &text, err);
    if (rc == RC_OK)
        ok = position_decode(a, p, buf_slice(&text));
    buf_done(&text);
    TRY(rc);
    if (!ok)
        return err_set(err, RC_CORRUPT,
                       "%s is damaged; remove it and the archive's manifests are asked instead",
                       path);
    return RC_OK;
}
