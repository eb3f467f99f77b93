/* A record of any bytes becomes a row or is refused; its columns end where they say,
 * both readers of it agree; its JSON pieces lie inside the record, its hosts and paths inside their
 * URLs. */
#include <stdlib.h>

#include "../../unit/analytics/project_same.h"
#include "analytics/projector/project_int.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text at p, as long as it says; returns what follows. */
static const char *check_text(const char *p, const char *end)
{
    uint64_t len = 0;
    for (unsigned shift = 0;; shift += 7) {
        must(p < end && shift < 35);
        len |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80))
            break;
    }
    must(len <= (uint64_t)(end - p));
    return p + len;
}

/* One value each; of keys, no more than the empty one and its own. */
static void check_columns(const struct native_column *columns)
{
    for (const struct native_column *c = columns; c < columns + PROJECT_COLUMN_COUNT; c++) {
        const char *p = c->data.data, *end = p + c->data.len;
        must(native_ok(c) && p < end);
        must(c->width ? end - p == c->width : check_text(p, end) == end);
        if (!c->has_keys)
            continue;
        uint32_t number;
        memcpy(&number, p, sizeof(number));
        must(number + 1 == c->keys.count && number <= 1);
        p = c->keys.texts.data;
        end = p + c->keys.texts.len;
        for (uint32_t i = 0; i < c->keys.count; i++)
            p = check_text(p, end);
        must(p == end);
    }
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
    project_check_same(slice_of(copy, size), &scratch);
    enum rc rc = project_row_decode(slice_of(copy, size), &scratch, &row, &reason);
    must(rc == RC_OK || rc == RC_NOMEM || (rc == RC_INVALID && reason));
    if (rc == RC_OK) {
        struct native_column columns[PROJECT_COLUMN_COUNT];
        project_columns_init(columns, 64 << 20);
        project_row_encode(columns, &row, 3, 77);
        check_columns(columns);
        for (uint32_t i = 0; i < PROJECT_COLUMN_COUNT; i++)
            native_done(&columns[i]);
        must(row.hostname.len <= PROJECT_DOMAIN_BYTES_MAX &&
             project_month(row.timestamp) < 180 * 12);
        must(!row.properties.len || (row.properties.data > copy &&
                                     row.properties.data + row.properties.len < copy + size));
    }
    struct project_url url = project_url_split(slice_of(copy, size));
    must(url.host.len + url.path.len + url.query.len <= size + 1);
    arena_done(&scratch);
    free(copy);
    return 0;
}
