/* What time_parse accepts, it must give again after formatting; what it refuses, it must not write.
 */
#include <stdint.h>

#include "base/clock.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unix_ms t = {42}, again;
    if (!time_parse(slice_of((const char *)data, size), &t)) {
        must(t.ms == 42);
        return 0;
    }
    char text[TIME_TEXT_BYTES];
    time_format(t, text);
    must(time_parse(slice_str(text), &again));
    /* An offset may lead out of the years 0000-9999, where formatting clamps. */
    must(again.ms == t.ms || t.ms < -62167219200000 || t.ms > 253402300799999);
    return 0;
}
