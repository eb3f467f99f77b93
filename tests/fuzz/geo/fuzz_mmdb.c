/* Any bytes as an MMDB file: refused, or every look-up in it ends and gives texts that a record may
 * hold. */
#include <stdint.h>

#include "base/must.h"
#include "geo/mmdb_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_text(const char *text, size_t bytes)
{
    must(memchr(text, 0, bytes));
    for (struct slice rest = slice_str(text); rest.len;) {
        size_t n = slice_utf8_len(rest);
        must(n > 0 && (unsigned char)rest.data[0] >= 0x20);
        rest = slice_sub(rest, n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ip addresses[] = {
        IP_V4(1, 0, 0, 1),         IP_V4(88, 198, 7, 9),
        IP_V4(255, 255, 255, 255), {0, 0},
        {UINT64_MAX, UINT64_MAX},  {UINT64_C(0x2a0104f8) << 32, 1},
    };
    struct mmdb *m = NULL;
    struct err err = ERR_INIT;
    enum rc rc = mmdb_open_bytes(slice_of((const char *)data, size), "fuzz", &m, &err);
    if (rc != RC_OK) {
        must(err.text[0]);
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        struct geo_place p = {.asn = 0};
        mmdb_look(m, addresses[i], &p);
        must_be_text(p.country, sizeof(p.country));
        must_be_text(p.region, sizeof(p.region));
        must_be_text(p.city, sizeof(p.city));
        must(p.network < GEO_NETWORK_COUNT);
    }
    mmdb_close(m);
    return 0;
}
