/* A record of any bytes becomes a row or is refused; a row is RowBinary that ends where it says,
 * its JSON pieces lie inside the record, its hosts and paths inside their URLs. */
#include <stdlib.h>

#include "analytics/project_int.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads past one length-prefixed text. */
static const char *skip_text(const char *p, const char *end)
{
    uint64_t len = 0;
    unsigned shift = 0;
    do {
        must(p < end && shift < 35);
        len |= (uint64_t)(*p & 0x7f) << shift;
        shift += 7;
    } while (*p++ & 0x80);
    must(len <= (uint64_t)(end - p));
    return p + len;
}

static void check_row(struct slice row)
{
    const char *p = row.data + 16, *end = row.data + row.len;
    p = skip_text(p, end) + 8 + 16; /* event, timestamp, id */
    for (int i = 0; i < 15; i++)
        p = skip_text(p, end);
    p += 8; /* screen */
    for (int i = 0; i < 4; i++)
        p = skip_text(p, end);
    must(p + 8 + 1 + 2 + 8 == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena scratch;
    struct project_row row;
    const char *reason = NULL;
    /* A copy of exactly that size, so that reading past its end is seen. */
    char *copy = malloc(size ? size : 1);
    if (size)
        memcpy(copy, data, size);
    arena_init(&scratch, 64 * 1024, 16 << 20);
    enum rc rc = project_row_decode(slice_of(copy, size), &scratch, &row, &reason);
    must(rc == RC_OK || rc == RC_NOMEM || (rc == RC_INVALID && reason));
    if (rc == RC_OK) {
        CLEANUP(buf_done) struct buf out;
        buf_init(&out, 64 << 20);
        project_row_encode(&out, &row, 3, 77);
        must(buf_ok(&out));
        check_row(buf_slice(&out));
        must(row.hostname.len <= PROJECT_DOMAIN_BYTES_MAX &&
             project_month(row.timestamp) < 180 * 12);
        must(!row.properties.len || (row.properties.data > copy &&
                                     row.properties.data + row.properties.len < copy + size));
    }
    struct project_url url = project_url_split(slice_of(copy, size));
    must(url.host.len + url.path.len + url.query.len <= size + 1);
    struct slice utm[PROJECT_UTM_COUNT];
    project_url_utm(url.query, &scratch, utm);
    arena_done(&scratch);
    free(copy);
    return 0;
}
