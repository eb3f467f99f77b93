/* WHAT    Samples out of the store, for a release.
 * WHY     The project is bound here, in one place: a caller gives it or is the operator.
 * THREADS any; blocks. */
#include <stdio.h>

#include "analytics/rejected/rejected_int.h"
#include "analytics/rejected/rejected_mask.h"
#include "base/must.h"

enum {
    ROWS_BYTES_MAX = 128 << 20,
    ROW_ARENA_BYTES = 64 << 10,
    ROW_ARENA_BYTES_MAX = 64 << 20,
    SQL_BYTES = 2048,
    SAMPLE_BYTES_MAX = 2 << 20,
};
enum {
    PROJECT,
    ID,
    RECEIVED,
    DIALECT,
    ROUTE,
    METHOD,
    PATH,
    QUERY,
    HEADERS,
    BODY,
    USER,
    KEY,
    CLIENT,
    IS_KEY_IN_HEAD,
    IS_VISITOR,
    REASONS,
    INDEXES,
    DETAILS,
    VERSION,
    COLUMNS
};
static const char columns[] =
    "toString(project_id), toString(id), toUnixTimestamp64Milli(received_at), toString(dialect), "
    "toString(route), toString(method), path, query, headers, body, user_id, toString(key_id), "
    "client, is_key_in_head, is_visitor, reasons, indexes, details, version";

/* ---- a row ---- */
struct row {
    yyjson_val *fields[COLUMNS];
    struct arena arena;
    struct rejected_stored stored;
    char dialect[64];
};

static struct slice text_of(const struct row *r, unsigned i)
{
    yyjson_val *v = r->fields[i];
    return yyjson_is_str(v) || json_is_number(v) ? json_text(v) : SLICE_EMPTY;
}

static bool uuid_of(const struct row *r, unsigned i, struct uuid *ret)
{
    return uuid_parse(text_of(r, i), ret);
}

static yyjson_val *inner_of(struct row *r, unsigned i)
{
    struct err err = ERR_INIT;
    yyjson_val *root;
    return json_parse(&r->arena, text_of(r, i), &root, &err) == RC_OK ? root : NULL;
}

static void read_headers(struct row *r, struct rejected_sample *s)
{
    yyjson_val *root = inner_of(r, HEADERS), *key, *value;
    size_t i, n;
    if (!root || !yyjson_is_obj(root))
        return;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        if (s->header_count < REJECTED_HEADERS_MAX && yyjson_is_str(value))
            s->headers[s->header_count++] =
                (struct rejected_header){json_text(key), json_text(value)};
    }
}

static struct slice member(yyjson_val *root, const char *name)
{
    yyjson_val *v = json_get(root, name);
    return v && yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

static void read_client(struct row *r, struct event_client *c)
{
    yyjson_val *root = inner_of(r, CLIENT), *value;
    size_t i, n;
    uint8_t bytes[8];
    struct slice device = member(root, "device");
    *c = (struct event_client){.country = member(root, "country"),
                               .region = member(root, "region"),
                               .city = member(root, "city"),
                               .network = member(root, "network"),
                               .privacy = member(root, "privacy")};
    if (device.len == EVENT_DEVICE_DIGITS && slice_unhex(device.data, sizeof(bytes), bytes))
        for (unsigned b = 0; b < sizeof(bytes); b++)
            c->device = c->device << 8 | bytes[b];
    yyjson_val *hints = json_get(root, "hints");
    if (!hints || !yyjson_is_arr(hints))
        return;
    yyjson_arr_foreach(hints, i, n, value)
    {
        if (i < HINT_COUNT && yyjson_is_str(value))
            c->hints[i] = json_text(value);
    }
}

static bool read_places(struct row *r, struct rejected_sample *s)
{
    yyjson_val *list = json_get(inner_of(r, CLIENT), "places"), *place;
    size_t i, n = list ? yyjson_arr_size(list) : 0;
    struct rejected_place *places = arena_zalloc(&r->arena, (n + 1) * sizeof(*places));
    if (!places || n > REJECTED_PLACES_MAX)
        return false;
    yyjson_arr_foreach(list, i, n, place)
    {
        places[i] = (struct rejected_place){member(place, "country"), member(place, "region"),
                                            member(place, "city"), member(place, "network")};
    }
    s->places = places;
    s->place_count = (uint32_t)n;
    return true;
}

static bool read_event(yyjson_val *reason, yyjson_val *index, yyjson_val *details,
                       struct rejected_event *ret)
{
    int64_t number;
    if (!reason || !index || !details || !yyjson_is_str(reason) || !yyjson_is_str(details) ||
        !json_to_i64(index, &number) || number < 0 || number > UINT32_MAX)
        return false;
    *ret = (struct rejected_event){.index = (uint32_t)number, .details = json_text(details)};
    return rejected_reason_find(json_text(reason), &ret->reason);
}

/* What a later version knows as a reason and this one does not is left out. */
static bool read_events(struct row *r, struct rejected_sample *s)
{
    size_t n = yyjson_arr_size(r->fields[REASONS]);
    struct rejected_event *events = arena_alloc(&r->arena, (n + 1) * sizeof(*events));
    if (!events || n > REJECTED_EVENTS_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (read_event(yyjson_arr_get(r->fields[REASONS], i), yyjson_arr_get(r->fields[INDEXES], i),
                       yyjson_arr_get(r->fields[DETAILS], i), &events[s->event_count]))
            s->event_count++;
    s->events = events;
    return true;
}

static const char *copy_of(struct row *r, unsigned i)
{
    struct slice text = text_of(r, i);
    const char *copy = arena_strndup(&r->arena, text.data, text.len);
    return copy ? copy : "";
}

static bool is_one(const struct row *r, unsigned i)
{
    return slice_eq_str(text_of(r, i), "1");
}

static enum rc read_row(struct row *r, struct slice line, struct err *err)
{
    yyjson_val *root, *value;
    size_t i, n;
    int64_t ms, version;
    struct rejected_sample *s = &r->stored.sample;
    arena_reset(&r->arena);
    TRY(json_parse(&r->arena, line, &root, err));
    ENSURE(yyjson_is_arr(root) && yyjson_arr_size(root) == COLUMNS,
           err_set(err, RC_STORE, "the store's answer has another shape than expected"));
    yyjson_arr_foreach(root, i, n, value)
    {
        r->fields[i] = value;
    }
    *s = (struct rejected_sample){.path = text_of(r, PATH),
                                  .query = text_of(r, QUERY),
                                  .body = text_of(r, BODY),
                                  .user_id = text_of(r, USER),
                                  .is_key_in_head = is_one(r, IS_KEY_IN_HEAD),
                                  .is_visitor = is_one(r, IS_VISITOR),
                                  .dialect = copy_of(r, DIALECT),
                                  .route = copy_of(r, ROUTE),
                                  .method = copy_of(r, METHOD)};
    ENSURE(uuid_of(r, PROJECT, &s->project) && uuid_of(r, ID, &s->id) &&
               uuid_of(r, KEY, &s->key_id) && json_to_i64(r->fields[RECEIVED], &ms) &&
               json_to_i64(r->fields[VERSION], &version) && read_events(r, s) && read_places(r, s),
           err_set(err, RC_STORE, "a row of what was rejected cannot be read"));
    s->received_at = (unix_ms){ms};
    r->stored.version = (uint64_t)version;
    r->stored.dialect = text_of(r, DIALECT);
    read_headers(r, s);
    read_client(r, &s->client);
    return r->arena.is_failed ? err_set(err, RC_NOMEM, "no memory for what was rejected") : RC_OK;
}

/* ---- the question ---- */

enum rc rejected_read(struct ctx *ctx, struct store_client *c, const struct rejected_query *q,
                      enum rc (*each)(void *ctx, const struct rejected_stored *s), void *each_ctx,
                      struct err *err)
{
    static const struct uuid nobody;
    char sql[SQL_BYTES], texts[5][UUID_TEXT_LEN + 1];
    CLEANUP(buf_done) struct buf rows;
    snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)q->since.ms);
    snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)q->after.ms);
    snprintf(texts[2], sizeof(texts[2]), "%u", q->limit);
    const struct store_param params[] = {
        {"since", slice_str(texts[0])},
        {"after", slice_str(texts[1])},
        {"limit", slice_str(texts[2])},
        {"afterId", slice_str(uuid_format(&q->after_id, texts[3]))},
        {"project", slice_str(uuid_format(q->project ? q->project : &nobody, texts[4]))},
        {"reason", slice_str(rejected_reason_code(q->reason))}};
    snprintf(sql, sizeof(sql),
             "SELECT %s FROM " REJECTED_SAMPLES_TABLE " FINAL WHERE %s AND is_whole = 1 AND "
             "length(reasons) > 0 AND received_at >= fromUnixTimestamp64Milli({since:Int64}) AND "
             "(received_at, id) > (fromUnixTimestamp64Milli({after:Int64}), {afterId:UUID})%s "
             "ORDER BY received_at, id LIMIT {limit:UInt32}",
             columns, q->project ? "project_id = {project:UUID}" : "1",
             q->has_reason ? " AND has(reasons, {reason:String})" : "");
    buf_init(&rows, ROWS_BYTES_MAX);
    const struct store_query sq = {.sql = sql,
                                   .format = "JSONCompactEachRow",
                                   .params = params,
                                   .param_count = COUNT_OF(params),
                                   .read_only = true};
    TRY(store_query(ctx, c, &sq, &rows, NULL, NULL, err));
    struct row row = {.dialect = ""};
    struct slice rest = buf_slice(&rows), line;
    enum rc rc = RC_OK;
    arena_init(&row.arena, ROW_ARENA_BYTES, ROW_ARENA_BYTES_MAX);
    while (rc == RC_OK && json_line_next(&rest, &line)) {
        rc = read_row(&row, line, err);
        if (rc == RC_OK)
            rc = each(each_ctx, &row.stored);
    }
    arena_done(&row.arena);
    return rc;
}

enum rc rejected_store_rest(struct store_client *c, const struct rejected_stored *s,
                            const struct rejected_event *events, uint32_t count, struct err *err)
{
    char token[128], id[UUID_TEXT_LEN + 1];
    CLEANUP(buf_done) struct buf line;
    struct rejected_sample rest = s->sample;
    rest.events = events;
    rest.event_count = count;
    buf_init(&line, SAMPLE_BYTES_MAX);
    rejected_put_sample(&line, &rest, s->version + 1);
    ENSURE(buf_ok(&line), err_set(err, RC_NOMEM, "no memory for what is still refused"));
    snprintf(token, sizeof(token), "release/%s/%llu", uuid_format(&rest.id, id),
             (unsigned long long)s->version + 1);
    return rejected_insert_samples(c, buf_slice(&line), token, err);
}
