/* WHAT  Encoding and checking of the bytes in docs/format/stream.md, and of the small text files.
 * WHY   Pure functions over memory, so that the fuzzer and the golden test reach them directly.
 * THREADS  None of their own; no state. */
#include "stream/format_int.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/must.h"
#include "base/os.h"

void segment_header_finish(struct disk_segment_header *h)
{
    h->magic = SEGMENT_MAGIC;
    h->version = FORMAT_VERSION;
    h->crc = crc32c(0, (const char *)h + 16, sizeof(*h) - 16);
}

const char *segment_header_check(const struct disk_segment_header *h)
{
    if (h->magic != SEGMENT_MAGIC)
        return "it is not a segment file (magic)";
    if (h->version != FORMAT_VERSION)
        return "its format version is not known to this program";
    if (h->crc != crc32c(0, (const char *)h + 16, sizeof(*h) - 16))
        return "its header is damaged (checksum)";
    if (h->partitions == 0 || h->partitions > STREAM_PARTITIONS_MAX ||
        h->partition >= h->partitions || h->prev_next_offset > h->base_offset)
        return "its header has impossible values";
    return NULL;
}

static uint32_t header_crc(const struct disk_batch_header *h, const uint8_t *salt)
{
    return crc32c(crc32c(0, salt, SALT_BYTES), (const char *)h + 8,
                  offsetof(struct disk_batch_header, header_crc) - 8);
}

static uint32_t batch_crc(const struct disk_batch_header *h, const uint8_t *salt,
                          const void *payload)
{
    uint32_t crc = crc32c(crc32c(0, salt, SALT_BYTES), (const char *)h + 8, sizeof(*h) - 8);
    return crc32c(crc, payload, h->payload_bytes);
}

void batch_finish(struct disk_batch_header *h, const uint8_t salt[SALT_BYTES], const void *payload)
{
    h->magic = BATCH_MAGIC;
    memset(h->zero, 0, sizeof(h->zero));
    h->header_crc = header_crc(h, salt);
    h->crc = batch_crc(h, salt, payload);
}

bool batch_header_is_good(const struct disk_batch_header *h, const uint8_t salt[SALT_BYTES])
{
    return h->magic == BATCH_MAGIC && h->header_crc == header_crc(h, salt) &&
           h->payload_bytes <= BATCH_PAYLOAD_MAX && h->kind <= BATCH_SEAL &&
           (h->kind == BATCH_DATA) == (h->count > 0) && h->base_offset <= UINT64_MAX - h->count;
}

bool batch_payload_is_good(const struct disk_batch_header *h, const uint8_t salt[SALT_BYTES],
                           const void *payload)
{
    return h->crc == batch_crc(h, salt, payload);
}

static uint32_t trailer_crc(const struct disk_trailer *t, const uint8_t *salt)
{
    return crc32c(crc32c(0, salt, SALT_BYTES), t, offsetof(struct disk_trailer, crc));
}

void trailer_finish(struct disk_trailer *t, const uint8_t salt[SALT_BYTES])
{
    t->magic = TRAILER_MAGIC;
    t->crc = trailer_crc(t, salt);
}

bool trailer_is_good(const struct disk_trailer *t, const uint8_t salt[SALT_BYTES])
{
    return t->magic == TRAILER_MAGIC && t->crc == trailer_crc(t, salt);
}

/* ---- records ---- */

static size_t varint_put(char *to, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        to[n++] = (char)(unsigned char)(v | 0x80);
        v >>= 7;
    }
    to[n++] = (char)(unsigned char)v;
    return n;
}

static size_t varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        n++;
        v >>= 7;
    }
    return n;
}

static bool varint_get(const char **at, const char *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char c = (unsigned char)*(*at)++;
        if (shift == 63 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static char *put_bytes(char *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

size_t record_encode(char *to, const struct stream_record *r)
{
    char *start = to;
    uint64_t rest = 1 + varint_len(r->key.len) + varint_len(r->headers.len) + record_bytes(r);
    to += varint_put(to, rest);
    *to++ = 0; /* every record of a batch is stamped with the batch's time */
    to += varint_put(to, r->key.len);
    to = put_bytes(to, r->key);
    to += varint_put(to, r->headers.len);
    to = put_bytes(to, r->headers);
    to = put_bytes(to, r->value);
    return (size_t)(to - start);
}

static bool get_bytes(const char **at, const char *end, struct slice *ret)
{
    uint64_t len;
    if (!varint_get(at, end, &len) || len > (uint64_t)(end - *at))
        return false;
    *ret = slice_of(*at, (size_t)len);
    *at += len;
    return true;
}

bool record_decode(const char **at, const char *end, int64_t batch_time_ms,
                   struct stream_record *ret)
{
    uint64_t rest, delta;
    const char *p = *at;
    if (!varint_get(&p, end, &rest) || rest > (uint64_t)(end - p))
        return false;
    end = p + rest;
    if (!varint_get(&p, end, &delta) || !get_bytes(&p, end, &ret->key) ||
        !get_bytes(&p, end, &ret->headers))
        return false;
    ret->value = slice_of(p, (size_t)(end - p));
    int64_t signed_delta = (int64_t)(delta >> 1) ^ -(int64_t)(delta & 1);
    ret->time.ms = (int64_t)((uint64_t)batch_time_ms + (uint64_t)signed_delta);
    *at = end;
    return true;
}

bool payload_is_whole(const char *payload, size_t len, uint32_t count)
{
    const char *at = payload, *end = payload + len;
    struct stream_record r;
    while (count && record_decode(&at, end, 0, &r))
        count--;
    return count == 0 && at == end;
}

/* ---- text files ---- */

enum { CRC_LINE_BYTES = 16 }; /* "crc32c 01234567\n" */

static void crc_line(const char *data, size_t len, char ret_line[CRC_LINE_BYTES + 1])
{
    snprintf(ret_line, CRC_LINE_BYTES + 1, "crc32c %08x\n", crc32c(0, data, len));
}

enum rc textfile_write(const char *path, struct buf *lines, struct err *err)
{
    char line[CRC_LINE_BYTES + 1];
    if (buf_ok(lines)) {
        crc_line(lines->data, lines->len, line);
        buf_add_str(lines, line);
    }
    if (!buf_ok(lines))
        return err_set(err, RC_NOMEM, "no memory to write %s", path);
    return os_write_file_durable(path, buf_slice(lines), err);
}

enum rc textfile_read(const char *path, struct buf *into, struct err *err)
{
    char line[CRC_LINE_BYTES + 1];
    TRY(os_read_file(path, into, err));
    if (into->len >= CRC_LINE_BYTES) {
        size_t body = into->len - CRC_LINE_BYTES;
        crc_line(into->data, body, line);
        if (memcmp(into->data + body, line, CRC_LINE_BYTES) == 0) {
            into->len = body;
            return RC_OK;
        }
    }
    return err_set(err, RC_CORRUPT, "%s is damaged (its last line must be the checksum)", path);
}

bool textfile_get(const struct buf *lines, const char *name, struct slice *ret_value)
{
    struct slice rest = buf_slice(lines), wanted = slice_str(name);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        if (line.len > wanted.len && slice_has_prefix(line, wanted) &&
            line.data[wanted.len] == ' ') {
            *ret_value = slice_sub(line, wanted.len + 1);
            return true;
        }
    }
    return false;
}

bool textfile_get_u64(const struct buf *lines, const char *name, uint64_t *ret_value)
{
    struct slice text;
    return textfile_get(lines, name, &text) && slice_to_u64(text, ret_value);
}
