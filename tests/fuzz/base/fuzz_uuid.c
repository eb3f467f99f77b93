/* What uuid_parse accepts is, but for case and dashes, what uuid_format prints. */
#include <stdint.h>

#include "base/must.h"
#include "base/uuid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct uuid u;
    if (!uuid_parse(slice_of((const char *)data, size), &u))
        return 0;
    char text[UUID_TEXT_LEN + 1];
    uuid_format(&u, text);
    size_t at = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '-' && size == 32)
            continue;
        must(at < size && (*p | 0x20) == (data[at] | 0x20));
        at++;
    }
    must(at == size);
    return 0;
}
