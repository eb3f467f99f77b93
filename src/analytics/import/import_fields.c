/* What formats have in common: columns by name, objects for a dialect's reader, times. */
#include "analytics/import/import_int.h"

#include "base/must.h"

enum rc import_find_columns(struct import *im, const struct csv_record *header,
                            const char *const *names, uint32_t required, struct err *err)
{
    im->column_count = 0;
    for (uint32_t i = 0; names[i]; i++) {
        uint32_t at = 0;
        must(i < IMPORT_COLUMNS_MAX);
        while (at < header->count &&
               !slice_eq_nocase(slice_trim(header->fields[at]), slice_str(names[i])))
            at++;
        if (at == header->count && i < required)
            return err_set(err, RC_INVALID,
                           "the first line has no column '%s': it is not of the format %s",
                           names[i], im->cfg->format->name);
        im->columns[im->column_count++] = at < header->count ? at : UINT32_MAX;
    }
    return RC_OK;
}

struct slice import_column(const struct import *im, const struct import_item *item, uint32_t i)
{
    must(i < im->column_count);
    return im->columns[i] < item->csv->count ? item->csv->fields[im->columns[i]] : SLICE_EMPTY;
}

yyjson_val *import_object(struct import *im, const struct import_member *members, uint32_t count)
{
    CLEANUP(buf_done) struct buf text;
    yyjson_val *root = NULL;
    struct err err = ERR_INIT;
    const char *between = "{";
    buf_init(&text, 8 * CSV_RECORD_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!members[i].value.len)
            continue;
        buf_add_str(&text, between);
        buf_add_json(&text, slice_str(members[i].name));
        buf_add_char(&text, ':');
        buf_add_json(&text, members[i].value);
        between = ",";
    }
    buf_add_str(&text, *between == '{' ? "{}" : "}");
    ENSURE(buf_ok(&text) && json_parse(im->scratch, buf_slice(&text), &root, &err) == RC_OK, NULL);
    return root;
}

bool import_time(struct slice text, unix_ms *ret_time)
{
    char copy[TIME_TEXT_BYTES + 1];
    size_t len = text.len;
    if (time_parse(text, ret_time))
        return true;
    if (len + 1 > sizeof(copy) || len < 2)
        return false;
    memcpy(copy, text.data, len);
    /* PostgreSQL's "+00" and BigQuery's " UTC" are no RFC 3339. */
    if (len > 3 && (memcmp(copy + len - 3, "+00", 3) == 0))
        len -= 3;
    else if (len > 4 && memcmp(copy + len - 4, " UTC", 4) == 0)
        len -= 4;
    copy[len++] = 'Z';
    return time_parse(slice_of(copy, len), ret_time);
}
