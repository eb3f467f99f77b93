/* Any bytes as a manifest and as a manifest's key. What is read must be written the same way. */
#include <string.h>

#include "archive/manifest.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct archive_manifest m;
    struct err err = ERR_INIT;
    uint32_t partition;
    unix_ms hour;
    uint64_t first;
    if (archive_manifest_decode(text, &m, &err) == RC_OK) {
        struct buf again;
        char key[OBJECT_KEY_MAX + 1];
        buf_init(&again, MANIFEST_BYTES_MAX);
        must(archive_manifest_encode(&m, &again, &err) == RC_OK);
        must(slice_eq(buf_slice(&again), text));
        archive_manifest_key(key, &m);
        must(object_key_is_valid(slice_str(key)));
        must(archive_manifest_key_parse(slice_str(key), m.stream, &partition, &hour, &first));
        must(partition == m.partition && first == m.first && hour.ms == m.hour.ms);
        buf_done(&again);
        archive_manifest_done(&m);
    }
    if (archive_manifest_key_parse(text, "events", &partition, &hour, &first))
        must(object_key_is_valid(text));
    return 0;
}
