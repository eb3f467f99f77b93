/* A stream of requests leads to the same verdict, the same requests and the same end of each,
 * however it was cut into pieces. The first byte says how many of the next are sizes of pieces. */
#include "http_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t cuts = data[0] % 8;
    if (size < 1 + cuts)
        return 0;
    struct slice bytes = slice_of((const char *)data + 1 + cuts, size - 1 - cuts);
    const struct feed_result whole = feed_all(bytes, 0);
    const struct feed_result by_one = feed_all(bytes, 1);
    const struct feed_result cut = feed_cut(bytes, data + 1, cuts);
    must(feed_equal(&whole, &by_one));
    must(feed_equal(&whole, &cut));
    must(whole.used <= bytes.len);
    return 0;
}
