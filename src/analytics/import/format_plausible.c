/* Plausible: the CSV files of its export (imported_visitors_….csv, imported_pages_….csv …), or the
 * ZIP archive that they come in. They hold sums by day and dimension, no events, and none are made
 * up of them: they go into a table of their own (event/schema.c, `imported`), which reports look at
 * when they are asked to (docs/reports.md). Which file it is, its columns say. */
#include "analytics/import/import_int.h"

enum { COUNTS = 5, DIMS_MAX = 7 };
/* column of the file → of the table */
struct column {
    const char *from, *to;
};
static const struct file {
    const char *report;
    struct column dims[DIMS_MAX + 1]; /* the first one is what the file is known by */
    const char *visits;               /* what its visits are called; NULL: it has none */
} files[] = {
    {"entry_pages", {{"entry_page", "entry_page"}}, "entrances"},
    {"exit_pages", {{"exit_page", "exit_page"}}, "exits"},
    {"pages", {{"page", "page"}, {"hostname", "hostname"}}, "visits"},
    {"sources",
     {{"source", "source"},
      {"referrer", "referrer"},
      {"utm_source", "utm_source"},
      {"utm_medium", "utm_medium"},
      {"utm_campaign", "utm_campaign"},
      {"utm_content", "utm_content"},
      {"utm_term", "utm_term"}},
     "visits"},
    {"locations", {{"country", "country"}, {"region", "region"}, {"city", "city"}}, "visits"},
    {"devices", {{"device", "device"}}, "visits"},
    {"browsers", {{"browser", "browser"}, {"browser_version", "browser_version"}}, "visits"},
    {"operating_systems",
     {{"operating_system", "os"}, {"operating_system_version", "os_version"}},
     "visits"},
    {"custom_events", {{"name", "event"}, {"link_url", "link_url"}, {"path", "path"}}, NULL},
    {"visitors", {{NULL, NULL}}, "visits"}, /* what is none of the others */
};
static const struct column counts[COUNTS] = {{"visitors", "visitors"},
                                             {"pageviews", "pageviews"},
                                             {"events", "events"},
                                             {"bounces", "bounces"},
                                             {"visit_duration", "visit_duration"}};

static const struct file *file_of(const struct csv_record *header)
{
    const struct file *f = files;
    while (f->dims[0].from && !import_has_column(header, f->dims[0].from))
        f++;
    return f;
}

/* date, visits, the counts, then the file's dimensions. */
static enum rc begin(struct import *im, const struct csv_record *header, struct err *err)
{
    const char *names[2 + COUNTS + DIMS_MAX + 1] = {"date"};
    const struct file *f = file_of(header);
    uint32_t n = 1;
    ENSURE(im->cfg->put_rows,
           err_set(err, RC_UNAVAILABLE,
                   "sums of Plausible's go straight into the store: start the server first"));
    names[n++] = f->visits ? f->visits : "visits";
    for (uint32_t i = 0; i < COUNTS; i++)
        names[n++] = counts[i].from;
    for (const struct column *c = f->dims; c->from; c++)
        names[n++] = c->from;
    names[n] = NULL;
    if (!import_has_column(header, "visitors"))
        return err_set(err, RC_INVALID,
                       "the first line has no column 'visitors': it is none of the files "
                       "imported_….csv of Plausible's export");
    im->own = f;
    return import_find_columns(im, header, names, 1, err);
}

static bool add_count(struct buf *row, const char *name, struct slice text)
{
    uint64_t value = 0;
    if (text.len && !slice_to_u64(text, &value))
        return false;
    buf_addf(row, ",\"%s\":%llu", name, (unsigned long long)value);
    return true;
}

static enum rc take(struct import *im, const struct import_item *item, struct err *err)
{
    const struct file *f = im->own;
    struct slice date = import_column(im, item, 0);
    struct buf *rows = &im->out;
    size_t before = rows->len;
    char id[UUID_TEXT_LEN + 1];
    unix_ms t;
    if (date.len != 10 || !time_parse(date, &t)) {
        import_reject(im, "bad_value", "date is no day (2026-01-31)");
        return RC_OK;
    }
    buf_addf(rows,
             "{\"project_id\":\"%s\",\"import_id\":\"%s\",\"report\":\"%s\",\"date\":\"%.*s\","
             "\"version\":%lld",
             im->cfg->project->id_text, uuid_format(&im->cfg->id, id), f->report, SLICE_ARG(date),
             (long long)im->now.ms);
    bool is_fine = add_count(rows, "visits", import_column(im, item, 1));
    for (uint32_t i = 0; i < COUNTS; i++)
        is_fine = add_count(rows, counts[i].to, import_column(im, item, 2 + i)) && is_fine;
    for (uint32_t i = 0; f->dims[i].from; i++) {
        buf_addf(rows, ",\"%s\":", f->dims[i].to);
        buf_add_json(rows, event_cut(import_column(im, item, 2 + COUNTS + i), EVENT_URL_BYTES_MAX));
    }
    buf_add_str(rows, "}\n");
    if (is_fine)
        return import_add_row(im, err);
    rows->len = before;
    import_reject(im, "bad_value", "a count is no whole number");
    return RC_OK;
}

const struct import_format import_format_plausible = {
    .name = "plausible",
    .about = "Plausible: the ZIP archive of its export, or its CSV files (sums by day; needs the "
             "server)",
    .shape = IMPORT_CSV,
    .source = "plausible",
    .entry = "imported_",
    .begin = begin,
    .take = take,
};
