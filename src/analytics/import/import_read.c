/* WHAT    From a file's bytes to its items.
 * LAYOUT  read → decompress, or the entries of a ZIP archive one after the other → text (a piece of
 *         a file) → lines, JSON values or CSV records
 * WHY     An item is taken only when it is whole within the text, and looked for again from its
 *         beginning when more has come: pieces are large, items small. What is longer than
 *         IMPORT_ITEM_BYTES_MAX is passed over to the next line end and told once. */
#include "analytics/import/import_int.h"

#include "base/heap.h"
#include "base/must.h"
#include "codec/compress.h"
#include "codec/zip.h"

enum { READ_BYTES = 256 << 10, TEXT_BYTES_MAX = 64 << 20 };

enum mode {
    MODE_BEGIN, /* what kind of JSON it is is not known yet */
    MODE_LINES,
    MODE_ITEMS, /* of an array; between two of them */
    MODE_CSV,
    MODE_OVER, /* behind an array: nothing more is looked at */
};
struct reading {
    struct decoder *decoder;
    struct zip *zip;         /* NULL: it is no archive */
    const char *entry;       /* part of the names of the files that are wanted of it; NULL: any */
    bool is_wanted, is_over; /* the entry under way; the archive */
    uint32_t entries;        /* that were wanted */
    char *raw, *plain;
    struct buf text;
    uint64_t plain_bytes;
    enum mode mode;
    bool is_too_long; /* the line under way is being passed over */
};

/* ---- lines ---- */

static enum rc take_line(struct import *im, struct slice line, struct err *err)
{
    bool is_json = im->cfg->format->shape == IMPORT_JSON;
    if (is_json && line.len && line.data[line.len - 1] == '\r')
        line.len--; /* elsewhere it belongs to what the id is made of */
    if (line.len > IMPORT_ITEM_BYTES_MAX)
        return import_take_bad(im, "too_long", "the line is too long", err);
    if (!line.len && is_json)
        return RC_OK; /* a blank line is none */
    return import_take(im, line, NULL, err);
}

/* Takes the whole lines from the front of the text. */
static enum rc take_lines(struct import *im, struct reading *r, bool is_end, struct err *err)
{
    struct slice text = buf_slice(&r->text);
    size_t at = 0;
    for (const char *lf;
         at < text.len && (lf = memchr(text.data + at, '\n', text.len - at)) != NULL;) {
        struct slice line = slice_of(text.data + at, (size_t)(lf - text.data) - at);
        at += line.len + 1;
        if (!r->is_too_long) /* else its end: told already */
            TRY(take_line(im, line, err));
        r->is_too_long = false;
    }
    struct slice rest = slice_sub(text, at);
    bool is_too_long = rest.len > IMPORT_ITEM_BYTES_MAX;
    if (rest.len && !r->is_too_long && (is_end || is_too_long))
        TRY(take_line(im, rest, err));
    r->is_too_long = r->is_too_long || is_too_long;
    buf_drop_front(&r->text, is_end || r->is_too_long ? text.len : at);
    return RC_OK;
}

/* ---- JSON ---- */

static bool is_list(const struct import_format *f, struct slice key)
{
    for (const char *const *name = f->lists; name && *name; name++)
        if (slice_eq_str(key, *name))
            return true;
    return false;
}

/* Looks for the array in {"count":1,"results":[…]}. RC_AGAIN: the text ends before that is known;
 * RC_NOTFOUND: there is none; *at behind its '['. */
static enum rc find_list(const struct import_format *f, struct slice text, size_t *at)
{
    for (bool is_first = true;; is_first = false) {
        struct json_span key, value;
        char c = json_peek(text, at);
        if (!is_first && c == ',') {
            (*at)++;
            c = json_peek(text, at);
        }
        if (!c)
            return RC_AGAIN;
        ENSURE(c == '"', RC_NOTFOUND); /* also of '}' */
        ENSURE(json_skip(text, at, &key), RC_AGAIN);
        c = json_peek(text, at);
        ENSURE(c == ':' || !c, RC_NOTFOUND);
        (*at)++;
        c = json_peek(text, at);
        if (c == '[' && is_list(f, slice_of(key.text.data + 1, key.text.len - 2))) {
            (*at)++;
            return RC_OK;
        }
        ENSURE(c && json_skip(text, at, &value) && *at < text.len, RC_AGAIN);
    }
}

static void begin_json(struct import *im, struct reading *r, bool is_end)
{
    size_t at = 0;
    struct slice text = buf_slice(&r->text);
    if (slice_has_prefix(text, SLICE_LIT("\xef\xbb\xbf")))
        at = 3;
    char c = json_peek(text, &at);
    if (!c && !is_end)
        return;
    r->mode = MODE_LINES;
    if (c == '[') {
        at++;
        r->mode = MODE_ITEMS;
    } else if (c == '{' && im->cfg->format->lists) {
        size_t behind = at + 1;
        enum rc rc = find_list(im->cfg->format, text, &behind);
        if (rc == RC_AGAIN && !is_end && text.len <= IMPORT_ITEM_BYTES_MAX) {
            r->mode = MODE_BEGIN;
            return;
        }
        if (rc == RC_OK) {
            r->mode = MODE_ITEMS;
            at = behind;
        }
    }
    buf_drop_front(&r->text, at);
}

static enum rc broken(const struct import *im, const char *what, struct err *err)
{
    return err_set(err, RC_INVALID, "the array is broken behind element %llu: %s",
                   (unsigned long long)im->counts->lines, what);
}

/* The elements that are whole; RC_OK also if the text ends inside one. */
static enum rc take_items(struct import *im, struct reading *r, bool is_end, struct err *err)
{
    struct slice text = buf_slice(&r->text);
    size_t at = 0, done = 0;
    while (r->mode == MODE_ITEMS) {
        struct json_span span;
        char c = json_peek(text, &at);
        if (c == ',' && at < text.len) {
            at++;
            c = json_peek(text, &at);
        }
        if (c == ']') {
            r->mode = MODE_OVER;
            break;
        }
        /* A number or word that ends with the text may go on. */
        if (!c || !json_skip(text, &at, &span) || (at == text.len && !is_end)) {
            if (is_end)
                return broken(im, "it ends in the middle", err);
            if (text.len - done > IMPORT_ITEM_BYTES_MAX)
                return broken(im, "the next one is too long", err);
            break;
        }
        TRY(import_take(im, span.text, NULL, err));
        done = at;
    }
    buf_drop_front(&r->text, r->mode == MODE_OVER ? text.len : done);
    return RC_OK;
}

/* ---- CSV ---- */

static enum rc take_header(struct import *im, struct err *err)
{
    const struct import_format *f = im->cfg->format;
    struct csv_record *header = &im->csv;
    struct slice bom = SLICE_LIT("\xef\xbb\xbf");
    if (header->count && slice_has_prefix(header->fields[0], bom))
        header->fields[0] = slice_sub(header->fields[0], bom.len);
    im->has_header = true;
    im->header_count = header->count;
    return f->begin ? f->begin(im, header, err) : RC_OK;
}

static enum rc take_record(struct import *im, struct slice text, enum rc rc, struct err *err)
{
    while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (!im->has_header && rc == RC_OK)
        return take_header(im, err);
    if (!im->has_header)
        return err_set(err, RC_INVALID, "the first line names no columns");
    if (rc == RC_LIMIT)
        return import_take_bad(im, "too_long", "the record has too many bytes or fields", err);
    if (rc != RC_OK)
        return import_take_bad(im, "bad_csv", "the quotes are wrong", err);
    if (!text.len)
        return RC_OK; /* a blank line */
    if (im->csv.count != im->header_count)
        return import_take_bad(im, "bad_csv", "it has not as many fields as the first line", err);
    return import_take(im, text, &im->csv, err);
}

static enum rc take_records(struct import *im, struct reading *r, bool is_end, struct err *err)
{
    struct slice text = buf_slice(&r->text);
    size_t at = 0, used;
    for (;;) {
        struct slice rest = slice_sub(text, at);
        enum rc rc = csv_next(rest, is_end, &im->csv_space, &im->csv, &used);
        if (rc == RC_AGAIN || rc == RC_END)
            break;
        ENSURE(rc != RC_NOMEM, err_set(err, rc, "no memory for a record"));
        TRY(take_record(im, slice_of(rest.data, used), rc, err));
        at += used;
    }
    buf_drop_front(&r->text, at);
    return RC_OK;
}

/* ---- pieces ---- */

static enum rc take_text(struct import *im, struct reading *r, bool is_end, struct err *err)
{
    if (r->mode == MODE_BEGIN)
        begin_json(im, r, is_end);
    switch (r->mode) {
    case MODE_LINES:
        return take_lines(im, r, is_end, err);
    case MODE_ITEMS:
        return take_items(im, r, is_end, err);
    case MODE_CSV:
        return take_records(im, r, is_end, err);
    case MODE_OVER:
        buf_clear(&r->text);
        return RC_OK;
    case MODE_BEGIN:
        break;
    }
    return RC_OK;
}

static enum rc take_plain(struct import *im, struct reading *r, size_t n, struct err *err)
{
    buf_add(&r->text, r->plain, n);
    must(buf_ok(&r->text)); /* what is in it is less than an item and a piece */
    r->plain_bytes += n;
    if (im->cfg->plain_bytes_max && r->plain_bytes > im->cfg->plain_bytes_max)
        return err_set(err, RC_LIMIT, "decompressed it is larger than %llu bytes",
                       (unsigned long long)im->cfg->plain_bytes_max);
    return take_text(im, r, false, err);
}

/* Folders, and what some systems put beside the files, are passed over. */
static bool is_wanted(const struct reading *r, struct slice name)
{
    if (name.data[name.len - 1] == '/' || slice_has_prefix(name, SLICE_LIT("__MACOSX/")))
        return false;
    return !r->entry || memmem(name.data, name.len, r->entry, strlen(r->entry)) != NULL;
}

static const enum mode first_modes[] = {
    [IMPORT_LINES] = MODE_LINES, [IMPORT_JSON] = MODE_BEGIN, [IMPORT_CSV] = MODE_CSV};

static void begin_entry(struct import *im, struct reading *r)
{
    r->is_wanted = is_wanted(r, zip_name(r->zip));
    r->entries += r->is_wanted;
    r->mode = first_modes[im->cfg->format->shape];
    r->is_too_long = false;
    im->has_header = false;
    buf_clear(&r->text);
}

static enum rc feed_archive(struct import *im, struct reading *r, struct slice raw, struct err *err)
{
    enum zip_event event = ZIP_BEGIN;
    size_t n;
    while (event != ZIP_MORE && event != ZIP_DONE) {
        TRY(zip_feed(r->zip, &raw, r->plain, READ_BYTES, &event, &n, err));
        if (event == ZIP_BEGIN)
            begin_entry(im, r);
        else if (event == ZIP_DATA && r->is_wanted)
            TRY(take_plain(im, r, n, err));
        else if (event == ZIP_END && r->is_wanted)
            TRY(take_text(im, r, true, err));
    }
    r->is_over = event == ZIP_DONE;
    return RC_OK;
}

static enum rc feed(struct import *im, struct reading *r, struct slice raw, struct err *err)
{
    if (r->zip)
        return feed_archive(im, r, raw, err);
    for (;;) {
        size_t n;
        enum rc rc = decoder_feed(r->decoder, &raw, r->plain, READ_BYTES, &n);
        if (rc != RC_OK)
            return err_set(err, rc, "the compressed file is damaged behind line %llu",
                           (unsigned long long)im->counts->lines);
        TRY(take_plain(im, r, n, err));
        if (raw.len == 0 && n < READ_BYTES)
            return RC_OK;
    }
}

static enum rc end_archive(const struct import *im, const struct reading *r, struct err *err)
{
    const struct import_format *f = im->cfg->format;
    bool is_optional = f->joined_entry && r->entry == f->joined_entry;
    if (!r->is_over)
        return err_set(err, RC_INVALID, "the archive ends too early");
    if (!r->entries && !is_optional)
        return err_set(err, RC_INVALID, "the archive has no file%s%s",
                       f->entry ? " with a name that has " : "", f->entry ? f->entry : "");
    return RC_OK;
}

/* Its first bytes say how it is packed: as many as there are, up to four. */
static enum rc read_begin(struct import *im, struct reading *r, size_t *ret_len, struct err *err)
{
    size_t n = 0;
    *ret_len = 0;
    do {
        TRY(im->cfg->read(im->cfg->read_ctx, r->raw + *ret_len, READ_BYTES - *ret_len, &n, err));
        *ret_len += n;
    } while (n && *ret_len < 4);
    return RC_OK;
}

static enum rc read_rest(struct import *im, struct reading *r, size_t n, struct err *err)
{
    uint64_t done = 0;
    while (n) {
        done += n;
        TRY(feed(im, r, slice_of(r->raw, n), err));
        if (im->cfg->progress)
            im->cfg->progress(im->cfg->progress_ctx, im->counts, done);
        TRY(im->cfg->read(im->cfg->read_ctx, r->raw, READ_BYTES, &n, err));
    }
    if (r->zip)
        return end_archive(im, r, err);
    if (done > 0 && decoder_finish(r->decoder) != RC_OK)
        return err_set(err, RC_INVALID, "the compressed file ends too early");
    return take_text(im, r, true, err);
}

static enum rc begin_archive(struct reading *r, const char *entry, struct err *err)
{
    zip_free(take_ptr(&r->zip));
    r->entry = entry;
    r->entries = 0;
    r->plain_bytes = 0;
    ENSURE((r->zip = zip_new()) != NULL, err_set(err, RC_NOMEM, "no memory"));
    return RC_OK;
}

/* Files that are to be joined may stand behind the others, so the archive is read twice. */
static enum rc read_archive(struct import *im, struct reading *r, size_t n, struct err *err)
{
    const struct import_cfg *cfg = im->cfg;
    if (cfg->format->joined_entry && cfg->join && cfg->rewind) {
        TRY(begin_archive(r, cfg->format->joined_entry, err));
        TRY(read_rest(im, r, n, err));
        TRY(cfg->rewind(cfg->read_ctx, err));
        TRY(read_begin(im, r, &n, err));
    }
    TRY(begin_archive(r, cfg->format->entry, err));
    return read_rest(im, r, n, err);
}

static enum rc read_all(struct import *im, struct reading *r, struct err *err)
{
    size_t n;
    TRY(read_begin(im, r, &n, err));
    if (zip_is(slice_of(r->raw, n)))
        return read_archive(im, r, n, err);
    TRY(decoder_start(r->decoder, codec_sniff(slice_of(r->raw, n))));
    return read_rest(im, r, n, err);
}

enum rc import_read_all(struct import *im, struct err *err)
{
    struct reading r = {.mode = first_modes[im->cfg->format->shape], .decoder = decoder_new()};
    ENSURE(r.decoder, err_set(err, RC_NOMEM, "no memory"));
    buf_init(&r.text, TEXT_BYTES_MAX);
    r.raw = heap_alloc(HEAP_ANALYTICS, READ_BYTES);
    r.plain = heap_alloc(HEAP_ANALYTICS, READ_BYTES);
    enum rc rc = read_all(im, &r, err);
    zip_free(r.zip);
    decoder_free(r.decoder);
    heap_free(r.plain);
    heap_free(r.raw);
    buf_done(&r.text);
    return rc;
}
