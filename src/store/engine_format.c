/* WHAT  Which output formats can be streamed from chdb, and how.
 * WHY   chdb_stream_fetch_result gives one block at a time and begins the format anew for each:
 *       with CSVWithNames every piece repeats the header, JSON counts only the last block in
 *       "rows", and Parquet's offsets are wrong (each compared byte by byte with the whole
 *       result, 300,000 rows). So formats of plain rows are streamed, those with a header have it
 *       cut from every piece but the first, and all others are made whole in the engine, under a
 *       limit. */
#include "store/engine_int.h"

static const struct format_info formats[] = {
    {"TabSeparated", FORMAT_HEAD_NONE, 0},
    {"TSV", FORMAT_HEAD_NONE, 0},
    {"TabSeparatedRaw", FORMAT_HEAD_NONE, 0},
    {"TSVRaw", FORMAT_HEAD_NONE, 0},
    {"TabSeparatedWithNames", FORMAT_HEAD_LINES, 1},
    {"TSVWithNames", FORMAT_HEAD_LINES, 1},
    {"TabSeparatedWithNamesAndTypes", FORMAT_HEAD_LINES, 2},
    {"TSVWithNamesAndTypes", FORMAT_HEAD_LINES, 2},
    {"CSV", FORMAT_HEAD_NONE, 0},
    {"CSVWithNames", FORMAT_HEAD_CSV, 1},
    {"CSVWithNamesAndTypes", FORMAT_HEAD_CSV, 2},
    {"JSONEachRow", FORMAT_HEAD_NONE, 0},
    {"JSONLines", FORMAT_HEAD_NONE, 0},
    {"NDJSON", FORMAT_HEAD_NONE, 0},
    {"JSONStringsEachRow", FORMAT_HEAD_NONE, 0},
    {"JSONCompactEachRow", FORMAT_HEAD_NONE, 0},
    {"JSONCompactEachRowWithNames", FORMAT_HEAD_LINES, 1},
    {"JSONCompactEachRowWithNamesAndTypes", FORMAT_HEAD_LINES, 2},
    {"JSONCompactStringsEachRow", FORMAT_HEAD_NONE, 0},
    {"JSONCompactStringsEachRowWithNames", FORMAT_HEAD_LINES, 1},
    {"JSONCompactStringsEachRowWithNamesAndTypes", FORMAT_HEAD_LINES, 2},
    {"RowBinary", FORMAT_HEAD_NONE, 0},
    {"RowBinaryWithNames", FORMAT_HEAD_BINARY, 1},
    {"RowBinaryWithNamesAndTypes", FORMAT_HEAD_BINARY, 2},
    {"Native", FORMAT_HEAD_NONE, 0},
    {"TSKV", FORMAT_HEAD_NONE, 0},
    {"MsgPack", FORMAT_HEAD_NONE, 0},
    {"LineAsString", FORMAT_HEAD_NONE, 0},
    {"RawBLOB", FORMAT_HEAD_NONE, 0},
};

const struct format_info *format_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (slice_eq_nocase(name, slice_str(formats[i].name)))
            return &formats[i];
    return NULL;
}

/* A CSV header may hold line ends inside quotes; in the other text formats they are escaped. */
static size_t text_head(struct slice piece, uint32_t rows, bool is_csv)
{
    bool in_quotes = false;
    for (size_t i = 0; i < piece.len; i++) {
        if (is_csv && piece.data[i] == '"')
            in_quotes = !in_quotes;
        if (piece.data[i] == '\n' && !in_quotes && --rows == 0)
            return i + 1;
    }
    return piece.len;
}

static bool take_varint(struct slice *in, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 63 && in->len; shift += 7) {
        unsigned char c = (unsigned char)in->data[0];
        *in = slice_sub(*in, 1);
        value |= (uint64_t)(c & 127) << shift;
        if (c < 128) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* varint n, n names, and with types n type names: each varint length and bytes. */
static size_t binary_head(struct slice piece, uint32_t rows)
{
    struct slice in = piece;
    uint64_t columns, len;
    if (!take_varint(&in, &columns) || columns > piece.len)
        return piece.len;
    for (uint64_t i = 0; i < columns * rows; i++) {
        if (!take_varint(&in, &len) || len > in.len)
            return piece.len;
        in = slice_sub(in, (size_t)len);
    }
    return piece.len - in.len;
}

size_t format_head_len(const struct format_info *f, struct slice piece)
{
    switch (f->head) {
    case FORMAT_HEAD_NONE:
        return 0;
    case FORMAT_HEAD_LINES:
        return text_head(piece, f->head_rows, false);
    case FORMAT_HEAD_CSV:
        return text_head(piece, f->head_rows, true);
    case FORMAT_HEAD_BINARY:
        return binary_head(piece, f->head_rows);
    }
    return 0;
}

static bool is_like(struct slice name, const char *prefix)
{
    struct slice p = slice_str(prefix);
    return name.len >= p.len && slice_eq_nocase(slice_of(name.data, p.len), p);
}

const char *format_content_type(struct slice name)
{
    if (is_like(name, "JSON") && !is_like(name, "JSONEachRow") && !is_like(name, "JSONLines"))
        return (name.len && memmem(name.data, name.len, "EachRow", 7))
                   ? "application/x-ndjson; charset=UTF-8"
                   : "application/json; charset=UTF-8";
    if (is_like(name, "JSON") || is_like(name, "NDJSON"))
        return "application/x-ndjson; charset=UTF-8";
    if (is_like(name, "CSV"))
        return "text/csv; charset=UTF-8; header=absent";
    if (is_like(name, "TabSeparated") || is_like(name, "TSV"))
        return "text/tab-separated-values; charset=UTF-8";
    if (is_like(name, "XML"))
        return "application/xml; charset=UTF-8";
    if (is_like(name, "RowBinary") || is_like(name, "Native") || is_like(name, "Parquet") ||
        is_like(name, "Arrow") || is_like(name, "ORC") || is_like(name, "Avro") ||
        is_like(name, "MsgPack") || is_like(name, "RawBLOB") || is_like(name, "BSON"))
        return "application/octet-stream";
    return "text/plain; charset=UTF-8";
}
