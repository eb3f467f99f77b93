#include "fake_stream.h"

#include <string.h>

#include "base/heap.h"
#include "base/must.h"

enum { FAKE_RECORDS_MAX = 20000, FAKE_PARTITIONS_MAX = 4 };
struct fake_partition {
    struct stream_record *records;
    uint64_t count, oldest;
};
struct stream {
    char name[STREAM_NAME_MAX + 1];
    uint32_t partitions;
    uint64_t reads;
    struct fake_partition p[FAKE_PARTITIONS_MAX];
};
struct stream_reader {
    struct stream *s;
    struct fake_partition *p;
    uint64_t offset;
};

struct stream *fake_stream_new(const char *name, uint32_t partitions)
{
    must(partitions <= FAKE_PARTITIONS_MAX);
    struct stream *s = heap_alloc(HEAP_MISC, sizeof(*s));
    memcpy(s->name, name, strlen(name) + 1);
    s->partitions = partitions;
    for (uint32_t i = 0; i < partitions; i++)
        s->p[i].records = heap_alloc(HEAP_MISC, FAKE_RECORDS_MAX * sizeof(struct stream_record));
    return s;
}

static void free_slice(struct slice s)
{
    char *data = NULL;
    memcpy(&data, &s.data, sizeof(data));
    heap_free(data);
}

void fake_stream_free(struct stream *s)
{
    for (uint32_t i = 0; i < s->partitions; i++) {
        for (uint64_t k = 0; k < s->p[i].count; k++) {
            free_slice(s->p[i].records[k].key);
            free_slice(s->p[i].records[k].headers);
            free_slice(s->p[i].records[k].value);
        }
        heap_free(s->p[i].records);
    }
    heap_free(s);
}

static struct slice copy(struct slice s)
{
    return slice_of(heap_strndup(HEAP_MISC, s.data, s.len), s.len);
}

uint64_t fake_stream_add(struct stream *s, uint32_t partition, unix_ms time, struct slice key,
                         struct slice headers, struct slice value)
{
    struct fake_partition *p = &s->p[partition];
    must(p->count < FAKE_RECORDS_MAX);
    p->records[p->count] = (struct stream_record){.key = copy(key),
                                                  .headers = copy(headers),
                                                  .value = copy(value),
                                                  .time = time,
                                                  .offset = p->count,
                                                  .partition = partition};
    return p->count++;
}

struct stream_record fake_stream_record(const struct stream *s, uint32_t partition, uint64_t offset)
{
    must(offset < s->p[partition].count);
    return s->p[partition].records[offset];
}

void fake_stream_retain(struct stream *s, uint32_t partition, uint64_t oldest)
{
    s->p[partition].oldest = oldest;
}

uint64_t fake_stream_reads(const struct stream *s)
{
    return s->reads;
}

/* ---- stream.h ---- */

const char *stream_name(const struct stream *s)
{
    return s->name;
}

uint32_t stream_partitions(const struct stream *s)
{
    return s->partitions;
}

void stream_bounds(const struct stream *s, uint32_t partition, struct stream_bounds *ret)
{
    *ret = (struct stream_bounds){.oldest = s->p[partition].oldest, .next = s->p[partition].count};
}

enum rc stream_reader_open(struct stream *s, uint32_t partition, uint64_t offset,
                           struct stream_reader **ret_reader, struct err *err)
{
    (void)err;
    *ret_reader = heap_alloc(HEAP_MISC, sizeof(**ret_reader));
    **ret_reader = (struct stream_reader){.s = s, .p = &s->p[partition], .offset = offset};
    return RC_OK;
}

enum rc stream_reader_next(struct stream_reader *r, struct stream_record *ret, struct err *err)
{
    if (r->offset < r->p->oldest) {
        ret->offset = r->p->oldest;
        return err_set(err, RC_NOTFOUND, "out of retention");
    }
    if (r->offset >= r->p->count)
        return RC_END;
    *ret = r->p->records[r->offset++];
    r->s->reads++;
    return RC_OK;
}

uint64_t stream_reader_offset(const struct stream_reader *r)
{
    return r->offset;
}

void stream_reader_seek(struct stream_reader *r, uint64_t offset)
{
    r->offset = offset;
}

void stream_reader_close(struct stream_reader *r)
{
    heap_free(r);
}

enum rc stream_offset_at(const struct stream *s, uint32_t partition, unix_ms t,
                         uint64_t *ret_offset, struct err *err)
{
    (void)err;
    const struct fake_partition *p = &s->p[partition];
    uint64_t offset = p->oldest;
    while (offset < p->count && p->records[offset].time.ms < t.ms)
        offset++;
    *ret_offset = offset;
    return RC_OK;
}
