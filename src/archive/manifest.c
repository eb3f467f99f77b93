/* WHAT  Manifest <-> text, and the names of all that belongs to one run.
 * WHY   Readers decide by this file alone whether an object counts, so a wrong byte in it must
 *       show. The decoder prints what it understood and compares with what it got: white space,
 *       order of members, digits, keys that point elsewhere, unknown members are all caught by
 *       that one comparison. */
#include "archive/manifest.h"

#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "base/crc32c.h"
#include "base/heap.h"
#include "base/must.h"
#include "codec/base64.h"

const char *const archive_format_suffix[ARCHIVE_FORMATS] = {"ndjson.zst", "parquet"};

/* ---- names ---- */

void archive_key(char ret_key[OBJECT_KEY_MAX + 1], const char *stream, unix_ms hour,
                 uint32_t partition, uint64_t first, const char *suffix)
{
    char time[TIME_TEXT_BYTES];
    time_format(hour, time);
    int n = snprintf(ret_key, OBJECT_KEY_MAX + 1, "%s/dt=%.10s/hour=%.2s/p%04u-%020llu.%s", stream,
                     time, time + 11, (unsigned)partition, (unsigned long long)first, suffix);
    must(n > 0 && n <= OBJECT_KEY_MAX);
}

void archive_manifest_key(char ret_key[OBJECT_KEY_MAX + 1], const struct archive_manifest *m)
{
    archive_key(ret_key, m->stream, m->hour, m->partition, m->first, "manifest.json");
}

void archive_object_key(char ret_key[OBJECT_KEY_MAX + 1], const struct archive_manifest *m,
                        const struct archive_part *part, enum archive_format format)
{
    char suffix[32];
    if (part->edition)
        snprintf(suffix, sizeof(suffix), "e%u.%s", (unsigned)part->edition,
                 archive_format_suffix[format]);
    else
        snprintf(suffix, sizeof(suffix), "%s", archive_format_suffix[format]);
    archive_key(ret_key, m->stream, m->hour, m->partition, part->first, suffix);
}

static bool is_stream_name(struct slice name)
{
    if (!name.data)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return name.len > 0 && name.len <= STREAM_NAME_MAX;
}

/* Fixed columns: "dt=YYYY-MM-DD/hour=HH/pNNNN-<20 digits>.<suffix>". What is right only by
 * chance does not survive its being written again. */
static bool place_parse(struct slice key, const char *stream, uint32_t *ret_partition,
                        unix_ms *ret_hour, uint64_t *ret_first, struct slice *ret_suffix)
{
    enum { DT = 3, HOUR = 19, PARTITION = 23, FIRST = 28, END = 48 };
    char time[TIME_TEXT_BYTES];
    size_t name_len = strlen(stream);
    uint64_t partition = 0;
    if (key.len <= name_len + 1 || !slice_has_prefix(key, slice_str(stream)))
        return false;
    struct slice rest = slice_sub(key, name_len + 1);
    if (rest.len < END + 1)
        return false;
    snprintf(time, sizeof(time), "%.10sT%.2s:00:00Z", rest.data + DT, rest.data + HOUR);
    if (!time_parse(slice_str(time), ret_hour) ||
        !slice_to_u64(slice_of(rest.data + PARTITION, 4), &partition) ||
        partition >= STREAM_PARTITIONS_MAX ||
        !slice_to_u64(slice_of(rest.data + FIRST, 20), ret_first))
        return false;
    *ret_partition = (uint32_t)partition;
    *ret_suffix = slice_sub(rest, END + 1);
    return true;
}

bool archive_manifest_key_parse(struct slice key, const char *stream, uint32_t *ret_partition,
                                unix_ms *ret_hour, uint64_t *ret_first)
{
    char again[OBJECT_KEY_MAX + 1];
    struct slice suffix;
    if (!place_parse(key, stream, ret_partition, ret_hour, ret_first, &suffix))
        return false;
    archive_key(again, stream, *ret_hour, *ret_partition, *ret_first, "manifest.json");
    return slice_eq_str(key, again);
}

bool archive_object_key_parse(struct slice key, const char *stream, uint32_t *ret_partition,
                              unix_ms *ret_hour, struct archive_part *ret_part,
                              enum archive_format *ret_format)
{
    char again[OBJECT_KEY_MAX + 1];
    struct slice suffix;
    uint64_t edition = 0;
    *ret_part = (struct archive_part){0};
    if (!place_parse(key, stream, ret_partition, ret_hour, &ret_part->first, &suffix))
        return false;
    if (suffix.len && suffix.data[0] == 'e') {
        struct slice digits = slice_cut(&suffix, '.');
        if (!slice_to_u64(slice_sub(digits, 1), &edition) || edition > UINT32_MAX)
            return false;
    }
    ret_part->edition = (uint32_t)edition;
    for (int i = 0; i < ARCHIVE_FORMATS; i++) {
        struct archive_manifest m = {.partition = *ret_partition, .hour = *ret_hour};
        *ret_format = (enum archive_format)i;
        snprintf(m.stream, sizeof(m.stream), "%s", stream);
        archive_object_key(again, &m, ret_part, *ret_format);
        if (slice_eq_str(key, again))
            return true;
    }
    return false;
}

/* ---- writing ---- */

static void add_object(struct buf *out, const struct archive_manifest *m,
                       const struct archive_part *part, enum archive_format format)
{
    char key[OBJECT_KEY_MAX + 1], hex[2 * SHA256_BYTES];
    const struct archive_object *o = &part->objects[format];
    archive_object_key(key, m, part, format);
    buf_addf(
        out,
        "{\"format\":\"%s\",\"key\":\"%s\",\"bytes\":%llu,\"raw_bytes\":%llu,\"sha256\":\"%.*s\"",
        archive_format_suffix[format], key, (unsigned long long)o->bytes,
        (unsigned long long)o->raw_bytes, 2 * SHA256_BYTES,
        hex_encode(hex, o->sha256, SHA256_BYTES));
    buf_addf(out, ",\"crc32c\":\"%08x\"}", (unsigned)o->crc32c);
}

static void add_part(struct buf *out, const struct archive_manifest *m,
                     const struct archive_part *part)
{
    bool is_first = true;
    buf_addf(out, "\n{\"first\":%llu,\"last\":%llu,\"records\":%llu,",
             (unsigned long long)part->first, (unsigned long long)part->last,
             (unsigned long long)(part->last - part->first + 1));
    if (part->edition)
        buf_addf(out, "\"edition\":%u,", (unsigned)part->edition);
    buf_add_str(out, "\"objects\":[");
    for (int format = 0; format < ARCHIVE_FORMATS; format++) {
        if (!part->objects[format].is_there)
            continue;
        if (!is_first)
            buf_add_char(out, ',');
        add_object(out, m, part, (enum archive_format)format);
        is_first = false;
    }
    buf_add_str(out, "]}");
}

enum rc archive_manifest_encode(const struct archive_manifest *m, struct buf *out, struct err *err)
{
    char hour[TIME_TEXT_BYTES], time_min[TIME_TEXT_BYTES], time_max[TIME_TEXT_BYTES];
    size_t from = out->len;
    buf_addf(out,
             "{\"version\":1,\"stream\":\"%s\",\"partition\":%u,\"hour\":\"%s\",\"first\":%llu,",
             m->stream, (unsigned)m->partition, time_format(m->hour, hour),
             (unsigned long long)m->first);
    buf_addf(out,
             "\"last\":%llu,\"records\":%llu,\"time_min\":\"%s\",\"time_max\":\"%s\",\"parts\":[",
             (unsigned long long)m->last, (unsigned long long)(m->last - m->first + 1),
             time_format(m->time_min, time_min), time_format(m->time_max, time_max));
    for (uint32_t i = 0; i < m->part_count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_part(out, m, &m->parts[i]);
    }
    buf_add_str(out, "\n]");
    uint32_t crc = buf_ok(out) ? crc32c(0, out->data + from, out->len - from) : 0;
    buf_addf(out, ",\"crc32c\":\"%08x\"}\n", (unsigned)crc);
    if (!buf_ok(out))
        return err_set(err, RC_NOMEM, "no memory for a manifest");
    return RC_OK;
}

/* ---- reading: fill in what is there, then compare with how it would be written ---- */

static bool get_u64(yyjson_val *object, const char *name, uint64_t *ret)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    *ret = yyjson_get_uint(value);
    return yyjson_is_uint(value);
}

static struct slice get_text(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);
    return yyjson_is_str(value) ? slice_of(yyjson_get_str(value), yyjson_get_len(value))
                                : SLICE_EMPTY;
}

static bool decode_object(yyjson_val *from, struct archive_part *part)
{
    struct slice format = get_text(from, "format");
    uint8_t crc[4];
    for (int i = 0; i < ARCHIVE_FORMATS; i++) {
        if (!slice_eq_str(format, archive_format_suffix[i]))
            continue;
        struct archive_object *o = &part->objects[i];
        o->is_there = true;
        bool ok = get_u64(from, "bytes", &o->bytes) && get_u64(from, "raw_bytes", &o->raw_bytes) &&
                  hex_decode(get_text(from, "sha256"), o->sha256, SHA256_BYTES) &&
                  hex_decode(get_text(from, "crc32c"), crc, sizeof(crc));
        if (ok)
            o->crc32c =
                (uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 | (uint32_t)crc[2] << 8 | crc[3];
        return ok;
    }
    return false;
}

static bool decode_part(yyjson_val *from, struct archive_part *part)
{
    size_t i, n;
    yyjson_val *object;
    uint64_t edition = 0;
    if (!get_u64(from, "first", &part->first) || !get_u64(from, "last", &part->last))
        return false;
    if (yyjson_obj_get(from, "edition") &&
        (!get_u64(from, "edition", &edition) || edition > UINT32_MAX))
        return false;
    part->edition = (uint32_t)edition;
    yyjson_arr_foreach(yyjson_obj_get(from, "objects"), i, n, object)
    {
        if (!decode_object(object, part))
            return false;
    }
    return part->objects[ARCHIVE_NDJSON_ZST].is_there;
}

static bool decode_parts(yyjson_val *list, struct archive_manifest *m)
{
    size_t i, n = yyjson_arr_size(list);
    yyjson_val *part;
    if (n == 0 || n > MANIFEST_PARTS_MAX)
        return false;
    m->parts = heap_try_alloc(HEAP_ARCHIVE, n * sizeof(*m->parts));
    if (!m->parts)
        return false;
    m->part_count = (uint32_t)n;
    uint64_t next = m->first;
    yyjson_arr_foreach(list, i, n, part)
    {
        struct archive_part *p = &m->parts[i];
        if (!decode_part(part, p) || p->first != next || p->last < p->first || p->last > m->last)
            return false;
        next = p->last + 1;
    }
    return next == m->last + 1;
}

static bool decode_manifest(yyjson_val *root, struct archive_manifest *m)
{
    struct slice name = get_text(root, "stream");
    uint64_t partition = 0;
    if (!is_stream_name(name) || !get_u64(root, "partition", &partition) ||
        partition >= STREAM_PARTITIONS_MAX || !get_u64(root, "first", &m->first) ||
        !get_u64(root, "last", &m->last) || m->last < m->first || m->last == UINT64_MAX ||
        !time_parse(get_text(root, "hour"), &m->hour) ||
        !time_parse(get_text(root, "time_min"), &m->time_min) ||
        !time_parse(get_text(root, "time_max"), &m->time_max))
        return false;
    memcpy(m->stream, name.data, name.len);
    m->partition = (uint32_t)partition;
    return archive_hour_of(m->hour) == m->hour.ms && archive_hour_of(m->time_min) == m->hour.ms &&
           archive_hour_of(m->time_max) == m->hour.ms &&
           decode_parts(yyjson_obj_get(root, "parts"), m);
}

static bool is_written_so(const struct archive_manifest *m, struct slice text)
{
    struct buf again;
    struct err err = ERR_INIT;
    buf_init(&again, MANIFEST_BYTES_MAX);
    bool ok =
        archive_manifest_encode(m, &again, &err) == RC_OK && slice_eq(buf_slice(&again), text);
    buf_done(&again);
    return ok;
}

enum rc archive_manifest_decode(struct slice text, struct archive_manifest *ret, struct err *err)
{
    struct archive_manifest m = {0};
    yyjson_doc *doc =
        text.len <= MANIFEST_BYTES_MAX && text.len ? yyjson_read(text.data, text.len, 0) : NULL;
    bool ok = doc && decode_manifest(yyjson_doc_get_root(doc), &m) && is_written_so(&m, text);
    yyjson_doc_free(doc);
    if (!ok) {
        archive_manifest_done(&m);
        return err_set(err, RC_CORRUPT, "the manifest is damaged, or written by a newer weir");
    }
    *ret = m;
    return RC_OK;
}

void archive_manifest_done(struct archive_manifest *m)
{
    heap_free(m->parts);
    m->parts = NULL;
    m->part_count = 0;
}

/* ---- in the object store ---- */

enum rc archive_manifest_get(struct object_store *s, const char *key, struct archive_manifest *ret,
                             struct err *err)
{
    struct buf text;
    struct archive_manifest m = {0};
    char own_key[OBJECT_KEY_MAX + 1];
    buf_init(&text, MANIFEST_BYTES_MAX + 1);
    enum rc rc = object_get(s, key, 0, MANIFEST_BYTES_MAX + 1, &text, NULL, err);
    if (rc == RC_OK)
        rc = archive_manifest_decode(buf_slice(&text), &m, err);
    buf_done(&text);
    if (rc == RC_CORRUPT)
        err_wrap(err, "%s", key);
    TRY(rc);
    archive_manifest_key(own_key, &m);
    if (strcmp(own_key, key) != 0) {
        archive_manifest_done(&m);
        return err_set(err, RC_CORRUPT, "%s: the manifest in it belongs to %s", key, own_key);
    }
    *ret = m;
    return RC_OK;
}

enum rc archive_manifest_put(struct object_store *s, const struct archive_manifest *m,
                             struct err *err)
{
    char key[OBJECT_KEY_MAX + 1];
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    archive_manifest_key(key, m);
    enum rc rc = archive_manifest_encode(m, &text, err);
    if (rc == RC_OK)
        rc = object_put(s, key, buf_slice(&text), err);
    buf_done(&text);
    return rc;
}
