/* Any bytes as the segment file of a stream: scan, seal, a read-only open, a reader, verify.
 * Nothing may crash, hang or read past an end; what a reader returns lies inside the bounds it was
 * told.
 *
 * Byte 0 odd: checksums and identity are put right first, as far as the bytes have the shape of
 * batches, so that the fuzzer gets behind them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "stream/stream_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[OS_PATH_MAX];
static const uint8_t id[16] = "fuzzed stream id";

static void make_stream(void)
{
    char path[OS_PATH_MAX], base[] = "/dev/shm/weir-fuzz-XXXXXX", other[] = "/tmp/weir-fuzz-XXXXXX";
    struct buf text;
    const char *made = mkdtemp(access("/dev/shm", W_OK) == 0 ? base : other);
    must(made);
    os_path(dir, "%s", made);
    must(os_mkdirs(os_path(path, "%s/p00", dir), NULL) == RC_OK);
    buf_init(&text, 4096);
    buf_addf(&text, "weir-stream 1\nname fuzz\nid ");
    for (size_t i = 0; i < sizeof(id); i++)
        buf_addf(&text, "%02x", id[i]);
    buf_addf(&text, "\npartitions 1\ncreated 2026-01-01T00:00:00.000Z\n");
    must(textfile_write(os_path(path, "%s/stream.meta", dir), &text, NULL) == RC_OK);
    buf_done(&text);
}

static void remove_stream(void)
{
    IGNORE(os_remove_tree(dir, NULL), "leaving a scratch folder is no failure");
}

static void repair(char *file, size_t size)
{
    struct disk_segment_header h;
    if (size < sizeof(h))
        return;
    memcpy(&h, file, sizeof(h));
    memcpy(h.stream_id, id, sizeof(id));
    h.base_offset = h.prev_next_offset = h.partition = 0;
    h.partitions = 1;
    segment_header_finish(&h);
    memcpy(file, &h, sizeof(h));
    uint32_t prev_crc = h.crc;
    uint64_t at = sizeof(h);
    while (at < size && size - at >= sizeof(struct disk_batch_header)) {
        struct disk_batch_header b;
        memcpy(&b, file + at, sizeof(b));
        if (b.payload_bytes > size - at - sizeof(b))
            break;
        b.prev_crc = prev_crc;
        batch_finish(&b, h.salt, file + at + sizeof(b));
        memcpy(file + at, &b, sizeof(b));
        prev_crc = b.crc;
        at += batch_span(b.payload_bytes);
    }
    if (size >= 2 * SECTOR_BYTES) {
        struct disk_trailer t;
        memcpy(&t, file + size - sizeof(t), sizeof(t));
        trailer_finish(&t, h.salt);
        if (t.magic == TRAILER_MAGIC && (h.salt[0] & 1))
            memcpy(file + size - sizeof(t), &t, sizeof(t));
    }
}

static void put_file(const char *path, const char *file, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, file, size) == (ssize_t)size);
    close(fd);
}

static void look_at(const char *path)
{
    struct scan sc;
    CLEANUP(os_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0);
    if (segment_scan(fd, path, UINT64_MAX, &sc, NULL) == RC_OK) {
        must(sc.next >= sc.header.base_offset && sc.data_end <= sc.end);
        must(sc.next - sc.header.base_offset == sc.records);
        scan_done(&sc);
    }
    if (segment_load_seal(fd, path, &sc, NULL) == RC_OK) {
        must(sc.is_sealed && sc.end == sc.file_bytes);
        scan_done(&sc);
    }
}

static void read_all(void)
{
    struct stream_cfg cfg = {.dir = dir, .read_only = true};
    struct stream *s;
    struct stream_reader *r;
    struct stream_record rec;
    struct stream_bounds b;
    uint64_t offset, last = 0, n = 0;
    if (stream_open(&cfg, &s, NULL) != RC_OK)
        return;
    stream_bounds(s, 0, &b);
    must(stream_reader_open(s, 0, 0, &r, NULL) == RC_OK);
    while (stream_reader_next(r, &rec, NULL) == RC_OK) {
        must(n++ == 0 || rec.offset > last);
        last = rec.offset;
    }
    stream_reader_seek(r, b.next / 2);
    IGNORE(stream_reader_next(r, &rec, NULL), "may be damaged");
    stream_reader_close(r);
    IGNORE(stream_offset_at(s, 0, (unix_ms){1000}, &offset, NULL), "may be damaged");
    stream_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[OS_PATH_MAX];
    if (size < 1)
        return 0;
    if (!dir[0]) {
        make_stream();
        atexit(remove_stream);
    }
    char *file = malloc(size);
    memcpy(file, data + 1, size - 1);
    if (data[0] & 1)
        repair(file, size - 1);
    put_file(segment_path(path, dir, 0, 0), file, size - 1);
    free(file);
    look_at(path);
    read_all();
    IGNORE(stream_verify(dir, NULL, NULL, NULL), "may be damaged");
    return 0;
}
