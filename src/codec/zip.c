/* Local headers, data, descriptors: a machine of states over the bytes (zip.h). */
#include "codec/zip.h"

#include <zlib.h>

#include "base/heap.h"
#include "base/must.h"

enum state {
    ZIP_HEADER, /* collecting HEADER_BYTES */
    ZIP_NAME,
    ZIP_EXTRA, /* passed over */
    ZIP_STORED,
    ZIP_DEFLATED,
    ZIP_DESCRIPTOR, /* collecting LOOK_BYTES: the descriptor and what follows */
    ZIP_CLOSED,
};
enum {
    HEADER_BYTES = 30,
    LOOK_BYTES = 28, /* the longest descriptor and a signature */
    SIGNATURE_BYTES = 4,
    FLAG_ENCRYPTED = 1,
    FLAG_DESCRIPTOR = 8,
    METHOD_STORED = 0,
    METHOD_DEFLATE = 8,
};
static const char entry_signature[] = "PK\3\4", directory_signature[] = "PK\1\2",
                  descriptor_signature[] = "PK\7\10";

struct zip {
    enum state state;
    unsigned char head[HEADER_BYTES];
    size_t head_len;
    char name[ZIP_NAME_BYTES_MAX];
    size_t name_len, name_left, extra_left;
    unsigned flags, method;
    uint32_t crc_wanted, crc;
    uint64_t left; /* of a stored entry */
    z_stream inflate;
    bool has_inflate;
    bool is_full; /* zlib may hold more of what it has read */
};

static uint32_t u16(const unsigned char *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const unsigned char *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static bool is_signature(const void *bytes, const char *signature)
{
    return memcmp(bytes, signature, SIGNATURE_BYTES) == 0;
}

bool zip_is(struct slice bytes)
{
    return bytes.len >= SIGNATURE_BYTES && is_signature(bytes.data, entry_signature);
}

struct zip *zip_new(void)
{
    struct zip *z = heap_try_alloc(HEAP_MISC, sizeof(*z));
    if (!z)
        return NULL;
    z->has_inflate = inflateInit2(&z->inflate, -MAX_WBITS) == Z_OK;
    if (z->has_inflate)
        return z;
    heap_free(z);
    return NULL;
}

void zip_free(struct zip *z)
{
    if (z)
        inflateEnd(&z->inflate);
    heap_free(z);
}

struct slice zip_name(const struct zip *z)
{
    return slice_of(z->name, z->name_len);
}

/* Into head, up to n bytes in all. True: they are there. */
static bool collect(struct zip *z, struct slice *in, size_t n)
{
    size_t take = n - z->head_len < in->len ? n - z->head_len : in->len;
    if (take)
        memcpy(z->head + z->head_len, in->data, take);
    z->head_len += take;
    *in = slice_sub(*in, take);
    return z->head_len == n;
}

static enum rc read_header(struct zip *z, struct err *err)
{
    if (is_signature(z->head, directory_signature)) {
        z->state = ZIP_CLOSED;
        return RC_OK;
    }
    if (!is_signature(z->head, entry_signature))
        return err_set(err, RC_INVALID, "the archive is damaged: an entry should begin here");
    z->flags = u16(z->head + 6);
    z->method = u16(z->head + 8);
    z->crc_wanted = u32(z->head + 14);
    z->left = u32(z->head + 18);
    z->name_len = 0;
    z->name_left = u16(z->head + 26);
    z->extra_left = u16(z->head + 28);
    z->head_len = 0;
    z->crc = 0;
    if (z->flags & FLAG_ENCRYPTED)
        return err_set(err, RC_UNSUPPORTED, "the archive is encrypted");
    if (z->name_left == 0 || z->name_left > ZIP_NAME_BYTES_MAX)
        return err_set(err, RC_UNSUPPORTED, "the archive has an entry with a name of %zu bytes",
                       z->name_left);
    bool is_stored = z->method == METHOD_STORED;
    if (!is_stored && z->method != METHOD_DEFLATE)
        return err_set(err, RC_UNSUPPORTED, "the archive has an entry packed by method %u",
                       z->method);
    if (is_stored && (z->flags & FLAG_DESCRIPTOR || z->left == UINT32_MAX))
        return err_set(err, RC_UNSUPPORTED,
                       "the archive has a stored entry whose length is not before it");
    z->state = ZIP_NAME;
    return RC_OK;
}

static enum rc take_name(struct zip *z, struct slice *in, struct err *err)
{
    size_t take = z->name_left < in->len ? z->name_left : in->len;
    memcpy(z->name + z->name_len, in->data, take);
    z->name_len += take;
    z->name_left -= take;
    *in = slice_sub(*in, take);
    if (z->name_left == 0) {
        z->state = ZIP_EXTRA;
        if (memchr(z->name, 0, z->name_len))
            return err_set(err, RC_INVALID, "the archive is damaged: a name has a zero byte");
    }
    return RC_OK;
}

static enum rc begin_data(struct zip *z, struct err *err)
{
    z->state = z->method == METHOD_STORED ? ZIP_STORED : ZIP_DEFLATED;
    z->is_full = false;
    if (inflateReset(&z->inflate) != Z_OK)
        return err_set(err, RC_NOMEM, "no memory for the archive");
    return RC_OK;
}

static enum rc end_entry(struct zip *z, struct err *err)
{
    z->state = ZIP_HEADER;
    if (z->crc != z->crc_wanted)
        return err_set(err, RC_INVALID, "the archive is damaged: %.*s has another checksum",
                       SLICE_ARG(zip_name(z)));
    return RC_OK;
}

/* Where a descriptor ends is told by what follows it: with or without its signature, with lengths
 * of 32 or 64 bits. What was looked at beyond it is the beginning of the next header. */
static enum rc read_descriptor(struct zip *z, struct err *err)
{
    for (int has_signature = 1; has_signature >= 0; has_signature--) {
        size_t at = has_signature ? SIGNATURE_BYTES : 0;
        if (has_signature && !is_signature(z->head, descriptor_signature))
            continue;
        for (size_t lengths = 8; lengths <= 16; lengths += 8) {
            const unsigned char *next = z->head + at + 4 + lengths;
            if (u32(z->head + at) != z->crc ||
                (!is_signature(next, entry_signature) && !is_signature(next, directory_signature)))
                continue;
            z->crc_wanted = z->crc;
            z->head_len = LOOK_BYTES - (size_t)(next - z->head);
            memmove(z->head, next, z->head_len);
            return end_entry(z, err);
        }
    }
    return err_set(err, RC_INVALID, "the archive is damaged: %.*s has no valid end",
                   SLICE_ARG(zip_name(z)));
}

/* *ret_is_end: the entry's data are complete. */
static enum rc take_data(struct zip *z, struct slice *in, char *to, size_t cap, size_t *ret_len,
                         bool *ret_is_end, struct err *err)
{
    if (z->state == ZIP_STORED) {
        size_t n = z->left < in->len ? (size_t)z->left : in->len;
        n = n < cap ? n : cap;
        memcpy(to, in->data, n);
        *in = slice_sub(*in, n);
        z->left -= n;
        *ret_len = n;
        *ret_is_end = z->left == 0;
    } else {
        enum { STEP_MAX = 1 << 30 };
        uInt in_len = (uInt)(in->len < STEP_MAX ? in->len : STEP_MAX);
        uInt out_len = (uInt)(cap < STEP_MAX ? cap : STEP_MAX);
        z->inflate.next_in = (Bytef *)(uintptr_t)in->data;
        z->inflate.avail_in = in_len;
        z->inflate.next_out = (Bytef *)to;
        z->inflate.avail_out = out_len;
        int r = inflate(&z->inflate, Z_NO_FLUSH);
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
            return err_set(err, RC_INVALID, "the archive is damaged within %.*s",
                           SLICE_ARG(zip_name(z)));
        *in = slice_sub(*in, in_len - z->inflate.avail_in);
        *ret_len = out_len - z->inflate.avail_out;
        *ret_is_end = r == Z_STREAM_END;
        z->is_full = !*ret_is_end && z->inflate.avail_out == 0;
    }
    z->crc = (uint32_t)crc32(z->crc, (const Bytef *)to, (uInt)*ret_len);
    return RC_OK;
}

/* From the header to the first byte of data. */
static enum rc head_step(struct zip *z, struct slice *in, enum zip_event *ret_event,
                         struct err *err)
{
    switch (z->state) {
    case ZIP_HEADER:
        return collect(z, in, HEADER_BYTES) ? read_header(z, err) : RC_OK;
    case ZIP_NAME:
        return take_name(z, in, err);
    default: {
        size_t skip = z->extra_left < in->len ? z->extra_left : in->len;
        z->extra_left -= skip;
        *in = slice_sub(*in, skip);
        if (z->extra_left)
            return RC_OK;
        *ret_event = ZIP_BEGIN;
        return begin_data(z, err);
    }
    }
}

/* An entry of no bytes needs no more of the input. */
static bool is_waiting(const struct zip *z, struct slice in)
{
    return in.len == 0 && !(z->state == ZIP_EXTRA && z->extra_left == 0) &&
           !(z->state == ZIP_STORED && z->left == 0) && !(z->state == ZIP_DEFLATED && z->is_full);
}

enum rc zip_feed(struct zip *z, struct slice *in, char *to, size_t cap, enum zip_event *ret_event,
                 size_t *ret_len, struct err *err)
{
    bool is_end = false;
    *ret_event = ZIP_MORE;
    *ret_len = 0;
    while (*ret_event == ZIP_MORE && z->state != ZIP_CLOSED && !is_waiting(z, *in)) {
        if (z->state < ZIP_STORED) {
            TRY(head_step(z, in, ret_event, err));
        } else if (z->state == ZIP_DESCRIPTOR) {
            if (!collect(z, in, LOOK_BYTES))
                continue;
            TRY(read_descriptor(z, err));
            *ret_event = ZIP_END;
        } else if (z->left == 0 && z->state == ZIP_STORED) {
            TRY(end_entry(z, err));
            *ret_event = ZIP_END;
        } else {
            TRY(take_data(z, in, to, cap, ret_len, &is_end, err));
            if (*ret_len)
                *ret_event = ZIP_DATA;
            if (!is_end || z->state == ZIP_STORED)
                continue;
            z->state = z->flags & FLAG_DESCRIPTOR ? ZIP_DESCRIPTOR : ZIP_STORED;
            z->left = 0; /* the rest is as that of a stored one: its checksum is compared */
            z->head_len = 0;
        }
    }
    if (z->state == ZIP_CLOSED)
        *ret_event = ZIP_DONE;
    return RC_OK;
}
