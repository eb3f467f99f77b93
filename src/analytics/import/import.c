/* From items to records: streamed, so that a file of any size needs memory for one batch, and for
 * a small entry per different line where lines have no ids (equal ones are told apart by their
 * ordinal, see import.h). */
#include "analytics/import/import_int.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/heap.h"
#include "base/must.h"

enum {
    BATCH_RECORDS = 5000,
    BATCH_BYTES = 8 << 20,
    OUT_BYTES_MAX = 1 << 30,
    SCRATCH_CHUNK = 256 << 10,
    SCRATCH_MAX = 128 << 20,
    FIRST_SLOTS = 1 << 12,
    CSV_SPACE_BYTES_MAX = CSV_RECORD_BYTES_MAX + 4096,
};

/* ---- formats ---- */

static const struct import_format *const formats[] = {
#define FORMAT(name) &import_format_##name,
#include "analytics/import/format.def"
#undef FORMAT
};

const struct import_format *import_format_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (slice_eq_str(name, formats[i]->name))
            return formats[i];
    return NULL;
}

void import_format_names(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        buf_addf(out, "%s%s", i ? ", " : "", formats[i]->name);
}

void import_format_help(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        buf_addf(out, "  %-16s %s\n", formats[i]->name, formats[i]->about);
}

/* ---- what came of it ---- */

static void count_reason(struct import_counts *c, const char *name, uint64_t count)
{
    uint32_t i = 0;
    if (!count)
        return;
    while (i < c->reason_count && !slice_eq_str(slice_str(c->reasons[i].name), name))
        i++;
    must(i < IMPORT_REASONS_MAX); /* names are of a fixed set */
    if (i == c->reason_count)
        c->reasons[c->reason_count++].name = name;
    c->reasons[i].count += count;
}

void import_reject(struct import *im, const char *name, const char *fmt, ...)
{
    struct import_counts *c = im->counts;
    if (im->is_bad)
        return;
    im->is_bad = true;
    c->rejected++;
    count_reason(c, name, 1);
    if (c->bad_told == IMPORT_BAD_TOLD)
        return;
    struct import_bad *bad = &c->bad[c->bad_told++];
    bad->line = c->lines;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(bad->text, sizeof(bad->text), fmt, ap);
    va_end(ap);
}

void import_count(struct import *im, const char *name)
{
    count_reason(im->counts, name, 1);
}

void import_pass_over(struct import *im, const char *name)
{
    if (!im->is_bad)
        count_reason(im->counts, name, 1);
    im->is_bad = true;
}

void import_counts_json(const struct import_counts *c, struct buf *out)
{
    buf_addf(out, "{\"lines\":%llu,\"imported\":%llu,\"rejected\":%llu,\"reasons\":{",
             (unsigned long long)c->lines, (unsigned long long)c->imported,
             (unsigned long long)c->rejected);
    for (uint32_t i = 0; i < c->reason_count; i++)
        buf_addf(out, "%s\"%s\":%llu", i ? "," : "", c->reasons[i].name,
                 (unsigned long long)c->reasons[i].count);
    buf_add_str(out, "},\"bad\":[");
    for (uint32_t i = 0; i < c->bad_told; i++) {
        buf_addf(out, "%s{\"line\":%llu,\"reason\":", i ? "," : "",
                 (unsigned long long)c->bad[i].line);
        buf_add_json(out, slice_str(c->bad[i].text));
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"lines_done\":%llu", (unsigned long long)c->lines_done);
    static const struct uuid none;
    char id[UUID_TEXT_LEN + 1];
    if (memcmp(&c->id, &none, sizeof(none)) != 0)
        buf_addf(out, ",\"import_id\":\"%s\"", uuid_format(&c->id, id));
    buf_add_char(out, '}');
}

/* ---- ids of lines ---- */

static struct import_slot *find_slot(struct import_slot *slots, uint64_t size, uint64_t hash)
{
    uint64_t at = hash & (size - 1);
    while (slots[at].hash && slots[at].hash != hash)
        at = (at + 1) & (size - 1);
    return &slots[at];
}

static bool grow_slots(struct import *im)
{
    uint64_t size = im->slot_count ? im->slot_count * 2 : FIRST_SLOTS;
    struct import_slot *grown = heap_try_alloc(HEAP_ANALYTICS, size * sizeof(*grown));
    if (!grown)
        return false;
    for (uint64_t i = 0; i < im->slot_count; i++)
        if (im->slots[i].hash)
            *find_slot(grown, size, im->slots[i].hash) = im->slots[i];
    heap_free(im->slots);
    im->slots = grown;
    im->slot_count = size;
    return true;
}

/* How many equal lines came before this one. */
static enum rc ordinal_of(struct import *im, const uint8_t hash[SHA256_BYTES], uint64_t *ret)
{
    uint64_t word;
    memcpy(&word, hash, sizeof(word));
    word |= 1; /* 0 marks a free slot */
    if (im->slot_used * 2 >= im->slot_count && !grow_slots(im))
        return RC_NOMEM;
    struct import_slot *slot = find_slot(im->slots, im->slot_count, word);
    im->slot_used += slot->hash == 0;
    slot->hash = word;
    *ret = slot->count++;
    return RC_OK;
}

enum rc import_text_id(struct import *im, struct slice text, struct uuid *ret_id, struct err *err)
{
    uint8_t hash[SHA256_BYTES];
    uint64_t ordinal;
    const struct slice parts[] = {slice_of((const char *)im->cfg->project->id.bytes, 16), text};
    sha256_parts(parts, COUNT_OF(parts), hash);
    if (ordinal_of(im, hash, &ordinal) != RC_OK)
        return err_set(err, RC_NOMEM, "no memory to tell equal lines apart: split the file");
    const struct slice again[] = {slice_of((const char *)hash, sizeof(hash)),
                                  slice_of((const char *)&ordinal, sizeof(ordinal))};
    sha256_parts(again, COUNT_OF(again), hash);
    *ret_id = uuid_v8_from_hash(hash);
    return RC_OK;
}

/* ---- events ---- */

/* lines_done: what is behind us for good then. */
static enum rc flush(struct import *im, uint64_t lines_done, struct err *err)
{
    enum rc rc = RC_OK;
    uint32_t erased = 0;
    if (im->waiting && im->has_rows) {
        rc = im->cfg->put_rows(im->cfg->sink_ctx, buf_slice(&im->out), err);
    } else if (im->waiting) {
        struct stream_record *records = heap_alloc(HEAP_ANALYTICS, im->waiting * sizeof(*records));
        size_t at = 0;
        for (uint32_t i = 0; i < im->waiting; i++) {
            records[i].key = slice_of(im->out.data + at, im->lengths[2 * i]);
            at += im->lengths[2 * i];
            records[i].value = slice_of(im->out.data + at, im->lengths[2 * i + 1]);
            at += im->lengths[2 * i + 1];
        }
        rc = im->cfg->sink(im->cfg->sink_ctx, records, im->waiting, &erased, err);
        heap_free(records);
    }
    if (rc == RC_OK) {
        im->counts->imported += im->waiting - erased;
        im->counts->lines_done = lines_done;
        count_reason(im->counts, rejected_reason_code(REJECTED_ERASED), erased);
    } else if (rc == RC_RATE) {
        count_reason(im->counts, rejected_reason_code(REJECTED_QUOTA), im->waiting);
    }
    im->waiting = 0;
    buf_clear(&im->out);
    return rc;
}

static bool is_batch(const struct import *im)
{
    return im->waiting == BATCH_RECORDS || im->out.len > BATCH_BYTES;
}

enum rc import_add_row(struct import *im, struct err *err)
{
    ENSURE(buf_ok(&im->out), err_set(err, RC_NOMEM, "no memory for a row"));
    im->has_rows = true;
    im->counts->id = im->cfg->id;
    im->waiting++;
    return RC_OK;
}

void import_event_init(struct import *im, struct event *e)
{
    event_init(e, &im->env);
}

/* Country, region, city and network of an address that the event brought; the address goes no
 * further. What the event says itself is believed first. */
static enum rc settle_place(struct import *im, struct event *e)
{
    if (!e->has_address || !im->geo || e->client->country.len)
        return RC_OK;
    struct geo_place *place = arena_alloc(im->scratch, sizeof(*place));
    struct event_client *client = arena_alloc(im->scratch, sizeof(*client));
    ENSURE(place && client, RC_NOMEM);
    *client = *e->client;
    geo_look(im->geo, e->address, place);
    client->country = slice_str(place->country);
    client->network = slice_str(geo_network_name(place->network));
    if (im->cfg->project->privacy != TENANT_PRIVACY_STRICT) {
        client->region = slice_str(place->region);
        client->city = slice_str(place->city);
    }
    e->client = client;
    return RC_OK;
}

enum rc import_add(struct import *im, const struct import_item *item, struct event *e,
                   struct event_notes *n, struct err *err)
{
    if (is_batch(im)) /* in the middle of an item with many events */
        TRY(flush(im, im->counts->lines - 1, err));
    size_t *lengths = im->lengths + 2 * (size_t)im->waiting;
    if (n->reason == EVENT_FINE && !e->is_client_id) {
        TRY(import_text_id(im, item->text, &e->id, err));
        e->is_client_id = true;
    }
    if (settle_place(im, e) != RC_OK)
        return err_set(err, RC_NOMEM, "no memory for line %llu",
                       (unsigned long long)im->counts->lines);
    /* What is unescaped may be longer than the item (one broken byte, three of U+FFFD). */
    if (n->reason == EVENT_FINE && event_encode(e, &im->env, item->text.len * 3 + 4096, &im->out,
                                                im->scratch, n, &lengths[0], &lengths[1]) != RC_OK)
        return err_set(err, RC_NOMEM, "no memory for line %llu",
                       (unsigned long long)im->counts->lines);
    if (n->reason == EVENT_NOT_KEPT) {
        import_pass_over(im, event_reason_name(n->reason));
        return RC_OK;
    }
    if (n->reason != EVENT_FINE) {
        import_reject(im, event_reason_name(n->reason), "%s", n->details);
        return RC_OK;
    }
    im->waiting++;
    return RC_OK;
}

/* ---- items ---- */

static bool is_enough(const struct import *im)
{
    const struct import_cfg *cfg = im->cfg;
    uint64_t most = cfg->bad_max              ? cfg->bad_max
                    : cfg->format->is_lenient ? UINT64_MAX
                                              : IMPORT_BAD_MAX_DEFAULT;
    return im->counts->rejected > most;
}

static enum rc end_item(struct import *im, struct err *err)
{
    if (is_enough(im)) {
        TRY(flush(im, im->counts->lines, err));
        return err_set(err, RC_INVALID,
                       "more than %llu lines are bad: is it of the format %s? (line %llu: %s)",
                       (unsigned long long)im->counts->rejected - 1, im->cfg->format->name,
                       (unsigned long long)im->counts->bad[0].line, im->counts->bad[0].text);
    }
    return is_batch(im) ? flush(im, im->counts->lines, err) : RC_OK;
}

/* True: it was passed over. */
static bool begin_item(struct import *im)
{
    im->counts->lines++;
    im->is_bad = false;
    arena_reset(im->scratch);
    return im->counts->lines <= im->cfg->skip;
}

static void read_json(struct import *im, struct import_item *item)
{
    struct err why = ERR_INIT;
    enum rc rc = json_parse(im->scratch, item->text, &item->root, &why);
    if (rc != RC_OK)
        import_reject(im, rc == RC_LIMIT ? "too_deep" : "bad_json", "%s", why.text);
    else if (!yyjson_is_obj(item->root))
        import_reject(im, "bad_json", "an event is a JSON object");
}

enum rc import_take(struct import *im, struct slice text, const struct csv_record *csv,
                    struct err *err)
{
    struct import_item item = {.text = text, .csv = csv};
    if (begin_item(im) && !im->is_joining) /* what is joined is needed all the same */
        return RC_OK;
    if (im->cfg->format->shape == IMPORT_JSON)
        read_json(im, &item);
    if (!im->is_bad)
        TRY(im->cfg->format->take(im, &item, err));
    return end_item(im, err);
}

enum rc import_take_bad(struct import *im, const char *name, const char *why, struct err *err)
{
    if (begin_item(im))
        return RC_OK;
    import_reject(im, name, "%s", why);
    return end_item(im, err);
}

/* ---- the file ---- */

enum rc import_run(const struct import_cfg *cfg, struct import_counts *counts, struct err *err)
{
    struct import im = {.cfg = cfg, .counts = counts, .now = unix_now()};
    *counts = (struct import_counts){.lines = 0};
    event_env_init(&im.env, &cfg->project->id, cfg->format->source, im.now);
    im.env.is_historical = true;
    im.scratch = im.env.arena = &im.arena;
    im.geo = cfg->geo ? geo_view_take(cfg->geo) : NULL;
    arena_init(&im.arena, SCRATCH_CHUNK, SCRATCH_MAX);
    buf_init(&im.out, OUT_BYTES_MAX);
    buf_init(&im.csv_space, CSV_SPACE_BYTES_MAX);
    im.lengths = heap_alloc(HEAP_ANALYTICS, 2 * BATCH_RECORDS * sizeof(*im.lengths));
    enum rc rc = import_read_all(&im, err);
    if (rc == RC_OK)
        rc = flush(&im, counts->lines, err);
    if (rc == RC_OK && cfg->join && cfg->ends_join)
        count_reason(counts, "no_event", import_join_left(cfg->join));
    heap_free(im.lengths);
    heap_free(im.slots);
    buf_done(&im.csv_space);
    buf_done(&im.out);
    arena_done(&im.arena);
    geo_view_give(im.geo);
    return rc;
}
