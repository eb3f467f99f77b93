#include "archive_test.h"

#include "archive/manifest.h"

static struct err err;
static struct archive_part parts[2];

static struct archive_manifest sample(void)
{
    struct archive_manifest m = {.stream = "events",
                                 .partition = 3,
                                 .hour = {1795000000000 / 3600000 * 3600000},
                                 .first = 100,
                                 .last = 250};
    m.time_min.ms = m.hour.ms + 5;
    m.time_max.ms = m.hour.ms + 3599999;
    parts[0] = (struct archive_part){.first = 100, .last = 199};
    parts[1] = (struct archive_part){.first = 200, .last = 250};
    for (int i = 0; i < 2; i++) {
        struct archive_object *o = &parts[i].objects[ARCHIVE_NDJSON_ZST];
        *o = (struct archive_object){
            .is_there = true, .bytes = 1000 + (uint64_t)i, .raw_bytes = 9000, .crc32c = 0xdeadbeef};
        memset(o->sha256, 0x5a + i, sizeof(o->sha256));
    }
    parts[1].objects[ARCHIVE_PARQUET] =
        (struct archive_object){.is_there = true, .bytes = 77, .crc32c = 1};
    m.parts = parts;
    m.part_count = 2;
    return m;
}

static struct buf text_of(const struct archive_manifest *m)
{
    struct buf text;
    buf_init(&text, MANIFEST_BYTES_MAX);
    assert_ok(archive_manifest_encode(m, &text, &err));
    return text;
}

static void it_reads_back_as_it_was(void **state)
{
    (void)state;
    struct archive_manifest m = sample(), got;
    struct buf text = text_of(&m);
    assert_ok(archive_manifest_decode(buf_slice(&text), &got, &err));
    assert_string_equal(got.stream, "events");
    assert_int_equal(got.partition, 3);
    assert_int_equal(got.hour.ms, m.hour.ms);
    assert_int_equal(got.last, 250);
    assert_int_equal(got.part_count, 2);
    assert_int_equal(got.parts[1].first, 200);
    assert_memory_equal(got.parts, parts, sizeof(parts));
    archive_manifest_done(&got);
    buf_done(&text);
}

static void every_changed_byte_is_seen(void **state)
{
    (void)state;
    struct archive_manifest m = sample(), got;
    struct buf text = text_of(&m);
    for (size_t i = 0; i < text.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
            if (archive_manifest_decode(buf_slice(&text), &got, &err) != RC_CORRUPT)
                fail_msg("bit %d of byte %zu", bit, i);
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
        }
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(archive_manifest_decode(slice_of(text.data, len), &got, &err), RC_CORRUPT);
    buf_add_char(&text, ' ');
    assert_int_equal(archive_manifest_decode(buf_slice(&text), &got, &err), RC_CORRUPT);
    buf_done(&text);
}

/* With a right CRC, but telling nonsense. */
static void unsound_ones_are_refused(void **state)
{
    (void)state;
    for (int kind = 0; kind < 9; kind++) {
        struct archive_manifest m = sample(), got;
        switch (kind) {
        case 0:
            parts[0].last = 198;
            break;
        case 1:
            parts[1].last = 251;
            break;
        case 2:
            parts[0].first = 99;
            break;
        case 3:
            m.first = 251;
            break;
        case 4:
            m.part_count = 0;
            break;
        case 5:
            m.time_max.ms = m.hour.ms + 3600000;
            break;
        case 6:
            m.hour.ms += 1;
            break;
        case 7:
            parts[0].objects[ARCHIVE_NDJSON_ZST].is_there = false;
            break;
        case 8:
            m.partition = STREAM_PARTITIONS_MAX;
            break;
        }
        struct buf text = text_of(&m);
        if (archive_manifest_decode(buf_slice(&text), &got, &err) != RC_CORRUPT)
            fail_msg("kind %d was read", kind);
        buf_done(&text);
    }
}

static void keys_are_read_back_and_others_are_not(void **state)
{
    (void)state;
    struct archive_manifest m = sample();
    char key[OBJECT_KEY_MAX + 1];
    uint32_t partition;
    uint64_t first;
    unix_ms hour;
    archive_manifest_key(key, &m);
    assert_string_equal(key,
                        "events/dt=2026-11-18/hour=11/p0003-00000000000000000100.manifest.json");
    assert_true(object_key_is_valid(slice_str(key)));
    assert_true(archive_manifest_key_parse(slice_str(key), "events", &partition, &hour, &first));
    assert_int_equal(partition, 3);
    assert_int_equal(first, 100);
    assert_int_equal(hour.ms, m.hour.ms);
    assert_false(archive_manifest_key_parse(slice_str(key), "event", &partition, &hour, &first));
    assert_false(archive_manifest_key_parse(slice_of(key, strlen(key) - 1), "events", &partition,
                                            &hour, &first));
    for (size_t i = 0; i < strlen(key); i++) {
        char was = key[i];
        key[i] = '/';
        if (was != '/')
            assert_false(
                archive_manifest_key_parse(slice_str(key), "events", &partition, &hour, &first));
        key[i] = was;
    }
    archive_object_key(key, &m, &parts[1], ARCHIVE_PARQUET);
    assert_string_equal(key, "events/dt=2026-11-18/hour=11/p0003-00000000000000000200.parquet");
    assert_false(archive_manifest_key_parse(slice_str(key), "events", &partition, &hour, &first));
}

static void one_under_a_foreign_key_is_refused(void **state)
{
    (void)state;
    char dir[OS_PATH_MAX], key[OBJECT_KEY_MAX + 1];
    struct object_store *store;
    struct archive_manifest m = sample(), got;
    struct buf text = text_of(&m);
    temp_dir(dir);
    assert_ok(object_folder_new(dir, &store, &err));
    assert_ok(archive_manifest_put(store, &m, &err));
    archive_manifest_key(key, &m);
    assert_ok(archive_manifest_get(store, key, &got, &err));
    archive_manifest_done(&got);
    archive_key(key, m.stream, m.hour, m.partition, 101, "manifest.json");
    assert_int_equal(archive_manifest_get(store, key, &got, &err), RC_NOTFOUND);
    assert_ok(object_put(store, key, buf_slice(&text), &err));
    assert_int_equal(archive_manifest_get(store, key, &got, &err), RC_CORRUPT);
    buf_done(&text);
    object_store_free(store);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_back_as_it_was),
        cmocka_unit_test(every_changed_byte_is_seen),
        cmocka_unit_test(unsound_ones_are_refused),
        cmocka_unit_test(keys_are_read_back_and_others_are_not),
        cmocka_unit_test(one_under_a_foreign_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
