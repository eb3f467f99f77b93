/* From lines to records: streamed, so that a log of any size needs memory for one batch and for a
 * small entry per different line (equal lines are told apart by their ordinal, see the header). */
#include "analytics/import/access_log.h"

#include <fcntl.h>

#include "analytics/event/event.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "codec/base64.h"
#include "codec/compress.h"
#include "codec/hash.h"

enum {
    READ_BYTES = 256 << 10,
    BATCH_RECORDS = 5000,
    BATCH_BYTES = 8 << 20,
    SCRATCH_CHUNK = 256 << 10,
    SCRATCH_MAX = 64 << 20,
    FIRST_SLOTS = 1 << 12,
};

struct slot { /* of an open-addressing table; hash 0 = free */
    uint64_t hash;
    uint64_t count;
};
struct import {
    const struct tenant_project *project;
    struct access_log_counts *counts;
    access_log_sink *sink;
    void *sink_ctx;
    struct event_env env;
    struct arena scratch;
    struct buf out;
    size_t *lengths; /* key and value of each waiting record */
    uint32_t waiting;
    struct slot *slots;
    uint64_t slot_count, slot_used;
    bool is_too_long; /* the line under way is being skipped */
};

/* ---- ordinals ---- */

static struct slot *find_slot(struct slot *slots, uint64_t size, uint64_t hash)
{
    uint64_t at = hash & (size - 1);
    while (slots[at].hash && slots[at].hash != hash)
        at = (at + 1) & (size - 1);
    return &slots[at];
}

static bool grow_slots(struct import *im)
{
    uint64_t size = im->slot_count ? im->slot_count * 2 : FIRST_SLOTS;
    struct slot *grown = heap_try_alloc(HEAP_ANALYTICS, size * sizeof(*grown));
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
    struct slot *slot = find_slot(im->slots, im->slot_count, word);
    im->slot_used += slot->hash == 0;
    slot->hash = word;
    *ret = slot->count++;
    return RC_OK;
}

static enum rc line_id(struct import *im, struct slice line, struct uuid *ret_id)
{
    uint8_t hash[SHA256_BYTES];
    uint64_t ordinal;
    const struct slice parts[] = {slice_of((const char *)im->project->id.bytes, 16), line};
    sha256_parts(parts, COUNT_OF(parts), hash);
    TRY(ordinal_of(im, hash, &ordinal));
    const struct slice again[] = {slice_of((const char *)hash, sizeof(hash)),
                                  slice_of((const char *)&ordinal, sizeof(ordinal))};
    sha256_parts(again, COUNT_OF(again), hash);
    *ret_id = uuid_v8_from_hash(hash);
    return RC_OK;
}

/* ---- one line ---- */

/* \" and \\ and \xNN of Apache's and nginx's escaping; the bytes become valid UTF-8 text by
 * json_put_bytes. */
static struct slice unescape(struct arena *a, struct slice s)
{
    char *to = s.len ? arena_alloc(a, s.len * 3) : NULL;
    size_t n = 0;
    if (!to)
        return SLICE_EMPTY;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte;
        if (s.data[i] == '\\' && i + 3 < s.len && s.data[i + 1] == 'x' &&
            hex_decode(slice_of(s.data + i + 2, 2), &byte, 1)) {
            to[n++] = (char)byte;
            i += 3;
        } else if (s.data[i] == '\\' && i + 1 < s.len &&
                   (s.data[i + 1] == '"' || s.data[i + 1] == '\\')) {
            to[n++] = s.data[++i];
        } else {
            to[n++] = s.data[i];
        }
    }
    /* Through a JSON string and back would be the long way: replace what is not UTF-8 here. */
    struct json_out o;
    char *clean = arena_alloc(a, n * 6 + 2);
    if (!clean)
        return SLICE_EMPTY;
    o = (struct json_out){.p = clean, .end = clean + n * 6 + 2};
    json_put_bytes(&o, slice_of(to, n));
    yyjson_val *v;
    if (o.is_full || json_parse(a, slice_of(clean, (size_t)(o.p - clean)), &v, NULL) != RC_OK ||
        !yyjson_is_str(v))
        return SLICE_EMPTY;
    return json_text(v);
}

static void visitor_of(const struct import *im, const struct access_log_line *l, char ret[33])
{
    uint8_t mac[SHA256_BYTES];
    struct buf text;
    buf_init(&text, ACCESS_LOG_LINE_MAX + 16);
    buf_add_slice(&text, l->address);
    buf_add_char(&text, '\0');
    buf_add_slice(&text, l->user_agent);
    hmac_sha256(slice_of((const char *)im->project->hash_key, sizeof(im->project->hash_key)),
                buf_slice(&text), mac);
    buf_done(&text);
    hex_encode(ret, mac, 16);
    ret[32] = '\0';
}

static yyjson_val *properties_of(struct import *im, const struct access_log_line *l)
{
    struct buf text;
    yyjson_val *v = NULL;
    buf_init(&text, 4096);
    buf_addf(&text, "{\"status\":%u,\"method\":\"%.*s\"", l->status, SLICE_ARG(l->method));
    if (l->bytes >= 0)
        buf_addf(&text, ",\"bytes\":%lld", (long long)l->bytes);
    if (l->protocol.len && l->protocol.len < 32) {
        buf_add_str(&text, ",\"protocol\":");
        buf_add_json(&text, l->protocol);
    }
    buf_add_char(&text, '}');
    if (json_parse(&im->scratch, buf_slice(&text), &v, NULL) != RC_OK)
        v = NULL;
    buf_done(&text);
    return v;
}

static enum rc flush(struct import *im, struct err *err)
{
    if (im->waiting == 0)
        return RC_OK;
    struct stream_record *records = heap_alloc(HEAP_ANALYTICS, im->waiting * sizeof(*records));
    size_t at = 0;
    for (uint32_t i = 0; i < im->waiting; i++) {
        records[i].key = slice_of(im->out.data + at, im->lengths[2 * i]);
        records[i].value = slice_of(im->out.data + at + im->lengths[2 * i], im->lengths[2 * i + 1]);
        at += im->lengths[2 * i] + im->lengths[2 * i + 1];
    }
    enum rc rc = im->sink(im->sink_ctx, records, im->waiting, err);
    heap_free(records);
    if (rc == RC_OK)
        im->counts->imported += im->waiting;
    im->waiting = 0;
    buf_clear(&im->out);
    return rc;
}

static enum rc add_event(struct import *im, struct slice line, const struct access_log_line *l,
                         struct err *err)
{
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    char visitor[33];
    size_t *lengths = im->lengths + 2 * (size_t)im->waiting;
    arena_reset(&im->scratch);
    event_init(&e, &im->env);
    if (line_id(im, line, &e.id) != RC_OK)
        return err_set(err, RC_NOMEM, "no memory to tell equal lines apart: split the file");
    e.is_client_id = true;
    e.name = access_log_is_pageview(l) ? SLICE_LIT("pageview") : SLICE_LIT("request");
    e.timestamp = l->time;
    visitor_of(im, l, visitor);
    e.anonymous_id = slice_of(visitor, 32);
    e.url = event_cut(unescape(&im->scratch, l->target), EVENT_URL_BYTES_MAX);
    e.path = event_url_path(e.url);
    e.referrer = event_cut(unescape(&im->scratch, l->referrer), EVENT_URL_BYTES_MAX);
    e.user_agent = event_cut(unescape(&im->scratch, l->user_agent), EVENT_USER_AGENT_BYTES_MAX);
    e.properties = properties_of(im, l);
    /* Unescaping may make a text longer than the line (one broken byte, three of U+FFFD). */
    TRY(event_encode(&e, &im->env, line.len * 3 + 4096, &im->out, &im->scratch, &n, &lengths[0],
                     &lengths[1]));
    if (n.reason != EVENT_FINE)
        return err_set(err, RC_BUG, "a line could not be encoded: %s", n.details);
    im->waiting++;
    if (im->waiting == BATCH_RECORDS || im->out.len > BATCH_BYTES)
        return flush(im, err);
    return RC_OK;
}

static enum rc take_line(struct import *im, struct slice line, struct err *err)
{
    struct access_log_line l;
    im->counts->lines++;
    enum access_log_reject reason =
        line.len > ACCESS_LOG_LINE_MAX ? ACCESS_LOG_TOO_LONG : access_log_parse(line, &l);
    if (reason == ACCESS_LOG_OK)
        return add_event(im, line, &l, err);
    im->counts->rejected[reason]++;
    return RC_OK;
}

/* Takes the whole lines from the front of text. */
static enum rc take_lines(struct import *im, struct buf *text, bool is_end, struct err *err)
{
    size_t at = 0;
    for (;;) {
        const char *lf = at < text->len ? memchr(text->data + at, '\n', text->len - at) : NULL;
        if (!lf)
            break;
        struct slice line = slice_of(text->data + at, (size_t)(lf - text->data) - at);
        at += line.len + 1;
        if (im->is_too_long) { /* its end: told already */
            im->is_too_long = false;
            continue;
        }
        TRY(take_line(im, line, err));
    }
    struct slice rest = slice_sub(slice_of(text->data, text->len), at);
    if (is_end && rest.len && !im->is_too_long) {
        TRY(take_line(im, rest, err));
        at = text->len;
    } else if (rest.len > ACCESS_LOG_LINE_MAX) {
        if (!im->is_too_long)
            TRY(take_line(im, rest, err));
        im->is_too_long = true;
        at = text->len;
    }
    buf_drop_front(text, at);
    return RC_OK;
}

/* ---- the file ---- */

struct reading {
    int fd;
    struct decoder *decoder;
    char *raw, *plain;
    struct buf text;
};

static enum rc feed(struct import *im, struct reading *r, struct slice raw, struct err *err)
{
    for (;;) {
        size_t n;
        enum rc rc = decoder_feed(r->decoder, &raw, r->plain, READ_BYTES, &n);
        if (rc != RC_OK)
            return err_set(err, rc, "the compressed file is damaged after line %llu",
                           (unsigned long long)im->counts->lines);
        buf_add(&r->text, r->plain, n);
        must(buf_ok(&r->text));
        TRY(take_lines(im, &r->text, false, err));
        if (raw.len == 0 && n < READ_BYTES)
            return RC_OK;
    }
}

static enum rc read_all(struct import *im, struct reading *r, access_log_progress *progress,
                        void *ctx, struct err *err)
{
    uint64_t total, at = 0;
    size_t n;
    TRY(os_size(r->fd, &total, err));
    for (;;) {
        TRY(os_pread(r->fd, r->raw, READ_BYTES, at, &n, err));
        if (n == 0)
            break;
        if (at == 0)
            TRY(decoder_start(r->decoder, codec_sniff(slice_of(r->raw, n))));
        at += n;
        TRY(feed(im, r, slice_of(r->raw, n), err));
        if (progress)
            progress(ctx, im->counts, at, total);
    }
    if (at > 0 && decoder_finish(r->decoder) != RC_OK)
        return err_set(err, RC_INVALID, "the compressed file ends too early");
    TRY(take_lines(im, &r->text, true, err));
    return flush(im, err);
}

enum rc access_log_import(const char *path, const struct tenant_project *project,
                          access_log_sink *sink, void *sink_ctx, access_log_progress *progress,
                          void *progress_ctx, struct access_log_counts *counts, struct err *err)
{
    struct reading r = {.fd = -1};
    struct import im = {.project = project, .counts = counts, .sink = sink, .sink_ctx = sink_ctx};
    TRY(os_open(path, O_RDONLY, &r.fd, err));
    *counts = (struct access_log_counts){.lines = 0};
    event_env_init(&im.env, &project->id, "import", unix_now());
    im.env.is_historical = true;
    arena_init(&im.scratch, SCRATCH_CHUNK, SCRATCH_MAX);
    buf_init(&im.out, 1 << 30);
    buf_init(&r.text, 64 << 20);
    im.lengths = heap_alloc(HEAP_ANALYTICS, 2 * BATCH_RECORDS * sizeof(*im.lengths));
    r.raw = heap_alloc(HEAP_ANALYTICS, READ_BYTES);
    r.plain = heap_alloc(HEAP_ANALYTICS, READ_BYTES);
    r.decoder = decoder_new();
    enum rc rc = r.decoder ? read_all(&im, &r, progress, progress_ctx, err)
                           : err_set(err, RC_NOMEM, "no memory");
    decoder_free(r.decoder);
    heap_free(r.plain);
    heap_free(r.raw);
    heap_free(im.lengths);
    heap_free(im.slots);
    buf_done(&r.text);
    buf_done(&im.out);
    arena_done(&im.scratch);
    os_close(r.fd);
    return rc;
}
