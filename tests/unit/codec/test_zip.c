/* ZIP archives made here with zlib, in every way in which others write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "codec/zip.h"

enum how { STORED, DEFLATED, DESCRIBED, DESCRIBED_BARE, DESCRIBED_64 };

static void add_le(struct buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_add_char(b, (char)(value >> (8 * i)));
}

static void add_entry(struct buf *zip, enum how how, const char *name, struct slice data)
{
    unsigned char packed[4096];
    uLong crc = crc32(0, (const Bytef *)data.data, (uInt)data.len);
    size_t len = data.len;
    const void *bytes = data.data;
    if (how != STORED) {
        z_stream z = {0};
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)(uintptr_t)data.data;
        z.avail_in = (uInt)data.len;
        z.next_out = packed;
        z.avail_out = sizeof(packed);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        len = sizeof(packed) - z.avail_out;
        bytes = packed;
        deflateEnd(&z);
    }
    bool is_described = how >= DESCRIBED;
    buf_add(zip, "PK\3\4", 4);
    add_le(zip, 20, 2);
    add_le(zip, is_described ? 8 : 0, 2);
    add_le(zip, how == STORED ? 0 : 8, 2);
    add_le(zip, 0, 4);
    add_le(zip, is_described ? 0 : crc, 4);
    add_le(zip, is_described ? 0 : len, 4);
    add_le(zip, is_described ? 0 : data.len, 4);
    add_le(zip, strlen(name), 2);
    add_le(zip, 3, 2);
    buf_add_str(zip, name);
    buf_add(zip, "xyz", 3);
    buf_add(zip, bytes, len);
    if (!is_described)
        return;
    if (how != DESCRIBED_BARE)
        buf_add(zip, "PK\7\10", 4);
    add_le(zip, crc, 4);
    add_le(zip, len, how == DESCRIBED_64 ? 8 : 4);
    add_le(zip, data.len, how == DESCRIBED_64 ? 8 : 4);
}

static void add_directory(struct buf *zip)
{
    buf_add(zip, "PK\1\2", 4);
    for (int i = 0; i < 60; i++)
        buf_add_char(zip, 0);
}

/* "name=data;" of each entry, read in pieces; or the error. */
static enum rc read_all(struct slice bytes, size_t in_step, size_t cap, struct buf *out,
                        bool *ret_done)
{
    struct zip *z = zip_new();
    struct err err = ERR_INIT;
    enum rc rc = RC_OK;
    enum zip_event event = ZIP_MORE;
    char to[64];
    assert_non_null(z);
    while (rc == RC_OK && event != ZIP_DONE && (bytes.len || event != ZIP_MORE)) {
        struct slice piece = slice_of(bytes.data, bytes.len < in_step ? bytes.len : in_step);
        bytes = slice_sub(bytes, piece.len);
        do {
            size_t n;
            rc = zip_feed(z, &piece, to, cap, &event, &n, &err);
            if (rc == RC_OK && event == ZIP_BEGIN) {
                buf_add_slice(out, zip_name(z));
                buf_add_char(out, '=');
            }
            if (rc == RC_OK && event == ZIP_DATA)
                buf_add(out, to, n);
            if (rc == RC_OK && event == ZIP_END)
                buf_add_char(out, ';');
        } while (rc == RC_OK && event != ZIP_MORE && event != ZIP_DONE);
    }
    *ret_done = event == ZIP_DONE;
    zip_free(z);
    return rc;
}

static void make(struct buf *zip)
{
    buf_clear(zip);
    add_entry(zip, STORED, "stored", SLICE_LIT("plain bytes"));
    add_entry(zip, DEFLATED, "deflated",
              SLICE_LIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    add_entry(zip, DESCRIBED, "d1", SLICE_LIT("with a signature"));
    add_entry(zip, DESCRIBED_BARE, "d2", SLICE_LIT("without"));
    add_entry(zip, STORED, "folder/", SLICE_EMPTY);
    add_entry(zip, DESCRIBED_64, "d3", SLICE_LIT("of 64 bits"));
    add_entry(zip, DEFLATED, "empty", SLICE_EMPTY);
    add_directory(zip);
}
static const char want[] = "stored=plain bytes;deflated="
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                           "aaaaaaaaaaaaaaaaaaaaaaaaa;"
                           "d1=with a signature;d2=without;folder/=;d3=of 64 bits;empty=;";

static void test_entries_of_every_kind_in_pieces_of_every_size(void **state)
{
    (void)state;
    struct buf zip, out;
    bool is_done;
    buf_init(&zip, 1 << 20);
    buf_init(&out, 1 << 20);
    make(&zip);
    assert_true(zip_is(buf_slice(&zip)));
    for (size_t step = 1; step < 80; step++) {
        for (size_t cap = 1; cap <= 64; cap += 9) {
            buf_clear(&out);
            assert_int_equal(read_all(buf_slice(&zip), step, cap, &out, &is_done), RC_OK);
            assert_true(is_done);
            assert_string_equal(buf_cstr(&out), want);
        }
    }
    buf_done(&zip);
    buf_done(&out);
}

static void test_damage_is_told_and_a_cut_one_is_not_done(void **state)
{
    (void)state;
    struct buf zip, out;
    bool is_done;
    buf_init(&zip, 1 << 20);
    buf_init(&out, 1 << 20);
    make(&zip);
    for (size_t len = 0; len + 64 < zip.len; len++) {
        buf_clear(&out);
        assert_int_equal(read_all(slice_of(zip.data, len), 1000, 64, &out, &is_done), RC_OK);
        assert_false(is_done);
    }
    char *data = memmem(zip.data, zip.len, "plain", 5);
    data[0] ^= 1;
    buf_clear(&out);
    assert_int_equal(read_all(buf_slice(&zip), 1000, 64, &out, &is_done), RC_INVALID);
    make(&zip);
    zip.data[6] |= 1; /* encrypted */
    assert_int_equal(read_all(buf_slice(&zip), 1000, 64, &out, &is_done), RC_UNSUPPORTED);
    make(&zip);
    zip.data[8] = 12; /* bzip2 */
    assert_int_equal(read_all(buf_slice(&zip), 1000, 64, &out, &is_done), RC_UNSUPPORTED);
    buf_done(&zip);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries_of_every_kind_in_pieces_of_every_size),
        cmocka_unit_test(test_damage_is_told_and_a_cut_one_is_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
