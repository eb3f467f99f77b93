/* What is read, written again, is read as the same; and reading piece by piece gives what reading
 * at once gives. The first byte says where the pieces end. */
#include <string.h>

#include "base/must.h"
#include "codec/csv.h"

static struct csv_record record, again;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf space, written, space2;
    if (!size)
        return 0;
    struct slice text = slice_of((const char *)data + 1, size - 1);
    size_t step = 1u + data[0] % 16u;
    buf_init(&space, CSV_RECORD_BYTES_MAX + 16);
    buf_init(&space2, CSV_RECORD_BYTES_MAX + 16);
    buf_init(&written, 4 * CSV_RECORD_BYTES_MAX);
    for (size_t used = 0; text.len; text = slice_sub(text, used)) {
        enum rc rc = csv_next(text, true, &space, &record, &used);
        must(rc != RC_AGAIN && rc != RC_END && used > 0 && used <= text.len);
        if (rc != RC_OK)
            continue;
        size_t seen = 0, used2 = 0;
        enum rc piece = RC_AGAIN;
        while (piece == RC_AGAIN && seen < text.len) {
            seen = seen + step < text.len ? seen + step : text.len;
            piece = csv_next(slice_of(text.data, seen), seen == text.len, &space2, &again, &used2);
        }
        must(piece == RC_OK && used2 == used && again.count == record.count);
        for (uint32_t i = 0; i < record.count; i++)
            must(slice_eq(record.fields[i], again.fields[i]));
        buf_clear(&written);
        for (uint32_t i = 0; i < record.count; i++) {
            if (i)
                buf_add_char(&written, ',');
            csv_add(&written, record.fields[i]);
        }
        buf_add_char(&written, '\n');
        must(csv_next(buf_slice(&written), true, &space2, &again, &used2) == RC_OK);
        must(used2 == written.len && again.count == record.count);
        for (uint32_t i = 0; i < record.count; i++)
            must(slice_eq(record.fields[i], again.fields[i]));
    }
    buf_done(&space);
    buf_done(&space2);
    buf_done(&written);
    return 0;
}
