/* WHAT    GET …/persons, …/persons/{personId}: who there is, and one of them whole.
 * WHY     Persons are put together when they are asked for, of the facts of their ids
 *         (person/persons.h): so the list is never behind, and nothing is kept twice.
 *         An answer takes several statements, because each is short only when it knows whom it is
 *         about; their results wait in the body's buffer until the answer is written.
 * THREADS handlers on the request's loop, everything behind people_run() on the worker pool. */
#include "analytics/report/query_person_int.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/must.h"

enum {
    SCRATCH_BYTES = 64 * 1024,
    SCRATCH_BYTES_MAX = 32 << 20,
    IDS_IN_LIST = 20,
    IDS_OF_ONE = 1000,
    HASH_DIGITS = 16,
};

static enum rc bad_shape(struct err *err)
{
    return err_set(err, RC_STORE, "the store's answer has another shape than expected");
}

/* ---- stages ---- */
static enum rc next(struct query_call *call, struct slice result, bool *ret_has_next,
                    struct err *err)
{
    struct people *p = call->user;
    buf_add_slice(&call->body, result);
    p->ends[p->stage] = call->body.len;
    bool goes_on = true;
    TRY(p->after(call, p, result, &goes_on, err));
    p->stage++;
    *ret_has_next = goes_on && p->stage < p->count;
    return *ret_has_next ? query_next(call, p->statements[p->stage], err) : RC_OK;
}

static enum rc shape(struct query_call *call, struct slice result, struct buf *body,
                     struct err *err)
{
    struct people *p = call->user;
    struct arena scratch;
    (void)result;
    ENSURE(buf_ok(body), err_set(err, RC_LIMIT, "the answer is too large: ask for fewer rows"));
    CLEANUP(buf_done) struct buf kept = *body;
    buf_init(body, kept.bytes_max);
    size_t from = 0;
    for (uint32_t i = 0; i < p->stage; i++) {
        size_t len = p->ends[i] - from;
        p->results[i] = len ? slice_of(kept.data + from, len) : SLICE_EMPTY;
        from = p->ends[i];
    }
    arena_init(&scratch, SCRATCH_BYTES, SCRATCH_BYTES_MAX);
    enum rc rc = p->write(call, p, &scratch, body, err);
    arena_done(&scratch);
    return rc;
}

struct people *people_new(struct ctx *ctx, struct query_call *call)
{
    struct people *p = arena_zalloc(ctx->arena, sizeof(*p));
    if (!p)
        api_problem(call->req, RC_NOMEM, "no memory for this request");
    return p;
}

void people_run(struct ctx *ctx, struct query_call *call, struct people *p)
{
    call->user = p;
    call->format = "JSONCompactEachRow";
    call->next = next;
    call->shape = shape;
    query_run(ctx, call, p->statements[0]);
}

/* ---- values ---- */
uint64_t people_first_u64(struct slice result)
{
    struct slice row = slice_cut(&result, '\n');
    uint64_t number = 0;
    while (row.len && (row.data[0] < '0' || row.data[0] > '9'))
        row = slice_sub(row, 1);
    size_t n = 0;
    while (n < row.len && row.data[n] >= '0' && row.data[n] <= '9')
        n++;
    return slice_to_u64(slice_of(row.data, n), &number) ? number : 0;
}

const char people_resolve_sql[] =
    "SELECT toString(if(i.person != 0, i.person, p.hash)) FROM (SELECT hash FROM $PERSON_IDS AND "
    "((hash = sipHash64('anonymous', {id:String}) AND id = {id:String}) OR hash = {hash:UInt64}) "
    "ORDER BY id = {id:String} DESC, hash LIMIT 1) AS p LEFT ANY JOIN (SELECT hash, person FROM "
    "$IDENTITIES) AS i ON p.hash = i.hash";

void people_bind_id(struct query_call *call, struct slice id)
{
    uint8_t bytes[HASH_DIGITS / 2];
    uint64_t hash = 0;
    if (id.len == HASH_DIGITS && slice_unhex(id.data, sizeof(bytes), bytes))
        for (size_t i = 0; i < sizeof(bytes); i++)
            hash = hash << 8 | bytes[i];
    query_param(call, "id", id);
    query_param_u64(call, "hash", hash);
}

void people_put_time(struct buf *body, const char *name, yyjson_val *ms)
{
    char text[TIME_TEXT_BYTES];
    int64_t number = 0;
    if (json_to_i64(ms, &number) && number > 0 && number < INT64_MAX)
        buf_addf(body, ",\"%s\":\"%s\"", name, time_format((unix_ms){number}, text));
    else
        buf_addf(body, ",\"%s\":null", name);
}

void people_put_text(struct buf *body, const char *name, yyjson_val *text)
{
    buf_addf(body, ",\"%s\":", name);
    if (yyjson_is_str(text) && json_text(text).len)
        buf_add_json(body, json_text(text));
    else
        buf_add_str(body, "null");
}

void people_put_hash(struct buf *body, uint64_t hash)
{
    buf_addf(body, "\"%016" PRIx64 "\"", hash);
}

static void put_texts(struct buf *body, const char *name, yyjson_val *list)
{
    size_t i, n;
    yyjson_val *text;
    buf_addf(body, ",\"%s\":[", name);
    yyjson_arr_foreach(list, i, n, text)
    {
        if (i)
            buf_add_char(body, ',');
        buf_add_json(body, json_text(text));
    }
    buf_add_char(body, ']');
}

enum { P_HASH, P_FIRST, P_LAST, P_IDS, P_USER, P_USERS, P_OTHERS, P_COUNT };

static uint64_t hash_of(yyjson_val *v)
{
    uint64_t hash = 0;
    return yyjson_is_str(v) && slice_to_u64(json_text(v), &hash) ? hash : 0;
}

enum rc people_put_person(yyjson_val *row, struct buf *body, struct err *err)
{
    if (!yyjson_is_arr(row) || yyjson_arr_size(row) != P_COUNT ||
        !json_is_number(yyjson_arr_get(row, P_IDS)))
        return bad_shape(err);
    buf_add_str(body, "\"person_id\":");
    people_put_hash(body, hash_of(yyjson_arr_get(row, P_HASH)));
    people_put_text(body, "user_id", yyjson_arr_get(row, P_USER));
    put_texts(body, "user_ids", yyjson_arr_get(row, P_USERS));
    put_texts(body, "anonymous_ids", yyjson_arr_get(row, P_OTHERS));
    buf_add_str(body, ",\"id_count\":");
    buf_add_slice(body, json_text(yyjson_arr_get(row, P_IDS)));
    people_put_time(body, "first_seen", yyjson_arr_get(row, P_FIRST));
    people_put_time(body, "last_seen", yyjson_arr_get(row, P_LAST));
    return RC_OK;
}

/* ---- traits and groups ---- */
const char people_details_sql[] =
    "SELECT toString(person), what, name, value FROM (SELECT person, 0 AS what, name, "
    "argMax(value, (is_once = 0, rank)) AS value FROM " PERSON_FACTS(
        "name, value, is_once, rank", "$PERSON_TRAITS",
        " AND " PERSON_MEMBERS(
            "id")) " GROUP BY "
                   "person, name UNION ALL SELECT person, 1 AS what, type AS name, "
                   "argMax(group_id, rank) AS "
                   "value FROM " PERSON_FACTS(
                       "toString(type) AS type, group_id, rank", "$PERSON_GROUPS",
                       " AND " PERSON_MEMBERS("id")) " GROUP BY person, type) ORDER BY "
                                                     "person, what, name";

static void put_detail(struct buf *body, int64_t what, struct slice name, struct slice value,
                       bool is_first)
{
    if (!is_first)
        buf_add_char(body, ',');
    buf_add_json(body, name);
    buf_add_char(body, ':');
    if (what == 0)
        buf_add_slice(body, value); /* JSON */
    else
        buf_add_json(body, value);
}

static enum rc put_details_of(struct slice rows, uint64_t hash, int64_t what, struct arena *scratch,
                              struct buf *body, struct err *err)
{
    struct slice line;
    yyjson_val *row;
    bool is_first = true;
    while (json_line_next(&rows, &line)) {
        int64_t kind = -1;
        if (people_first_u64(line) != hash)
            continue;
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        if (yyjson_arr_size(row) != 4 || !json_to_i64(yyjson_arr_get(row, 1), &kind))
            return bad_shape(err);
        struct slice value = json_text(yyjson_arr_get(row, 3));
        if (kind != what || (what == 0 && slice_eq_str(value, "null")))
            continue;
        put_detail(body, what, json_text(yyjson_arr_get(row, 2)), value, is_first);
        is_first = false;
    }
    return RC_OK;
}

enum rc people_put_details(struct slice rows, uint64_t hash, struct arena *scratch,
                           struct buf *body, struct err *err)
{
    buf_add_str(body, ",\"traits\":{");
    TRY(put_details_of(rows, hash, 0, scratch, body, err));
    buf_add_str(body, "},\"groups\":{");
    TRY(put_details_of(rows, hash, 1, scratch, body, err));
    buf_add_char(body, '}');
    return RC_OK;
}

/* ---- the list ---- */
/* Who is on the page is settled on narrow columns, and only these are put together whole. */
enum { LIST_PAGE, LIST_PERSONS, LIST_DETAILS, LIST_STAGES };
#define SEEN_ROWS                                                                               \
    "(SELECT if(i.person != 0, i.person, p.hash) AS person, p.id AS id, p.first_ms AS first, "  \
    "p.last_ms AS last, p.is_user AS user FROM (SELECT * FROM $PERSON_IDS) AS p LEFT ANY JOIN " \
    "(SELECT hash, "                                                                            \
    "person FROM $IDENTITIES) AS i ON p.hash = i.hash)"
/* What the list is in the order of; ties by the person. */
struct list_order {
    const char *at; /* over the ids of a person */
    bool is_first, is_ascending;
};
/* {list} of the first values of these rows; false if there is none. */
static bool bind_list(struct query_call *call, struct slice rows, uint32_t rows_max)
{
    CLEANUP(buf_done) struct buf list;
    struct slice line;
    buf_init(&list, (size_t)(QUERY_LIMIT_MAX + 1) * 24);
    for (uint32_t i = 0; i < rows_max && json_line_next(&rows, &line); i++) {
        if (list.len)
            buf_add_char(&list, ',');
        buf_add_u64(&list, people_first_u64(line));
    }
    if (list.len == 0)
        return false;
    query_param(call, "list", arena_copy(call->req->net->arena, buf_slice(&list)));
    return true;
}

static enum rc after_page(struct query_call *call, struct people *p, struct slice result,
                          bool *ret_goes_on, struct err *err)
{
    (void)err;
    if (p->stage == LIST_PAGE)
        *ret_goes_on = bind_list(call, result, call->limit);
    return RC_OK;
}

static bool has_more(struct query_call *call, struct slice rows)
{
    struct slice line;
    uint32_t n = 0;
    while (n <= call->limit && json_line_next(&rows, &line))
        n++;
    return n > call->limit;
}

static enum rc write_page(struct query_call *call, struct people *p, struct arena *scratch,
                          struct buf *body, struct err *err)
{
    struct slice rows = p->results[LIST_PERSONS], line;
    struct slice last_at = SLICE_EMPTY, last_hash = SLICE_EMPTY;
    const struct list_order *order = p->own;
    struct arena *arena = call->req->net->arena;
    yyjson_val *row;
    buf_add_str(body, "{\"persons\":[");
    for (uint32_t i = 0; json_line_next(&rows, &line); i++) {
        buf_add_str(body, i ? ",{" : "{");
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        TRY(people_put_person(row, body, err));
        uint64_t hash = hash_of(yyjson_arr_get(row, P_HASH));
        last_at =
            arena_copy(arena, json_text(yyjson_arr_get(row, order->is_first ? P_FIRST : P_LAST)));
        last_hash = arena_copy(arena, json_text(yyjson_arr_get(row, P_HASH)));
        TRY(people_put_details(p->results[LIST_DETAILS], hash, scratch, body, err));
        buf_add_char(body, '}');
    }
    buf_add_char(body, ']');
    if (last_at.len && has_more(call, p->results[LIST_PAGE]))
        query_cursor_put(body, "next_cursor", last_at, last_hash);
    else
        buf_add_str(body, ",\"next_cursor\":null");
    buf_add_char(body, '}');
    return RC_OK;
}

/* "name:value" in a parameter; bound as {<name>Name} and {<name>Value}. */
static bool take_pair(struct query_call *call, const char *name, const char *as_name,
                      const char *as_value, bool *ret_is_given)
{
    struct slice value;
    *ret_is_given = net_query_get(call->req->net, name, &value);
    if (!*ret_is_given)
        return true;
    if (!query_check_text(call, name, value))
        return false;
    struct slice key = slice_cut(&value, ':');
    if (!key.len || !value.len) {
        api_problem(call->req, RC_INVALID, "%s: give name:value", name);
        return false;
    }
    query_param(call, as_name, key);
    query_param(call, as_value, value);
    return true;
}

#define TRAIT_TEXT "if(JSONType(v) = 'String', JSONExtractString(v), v)"
#define TRAITS_NOW(columns, more)                                                            \
    "(SELECT person, " columns "argMax(value, (is_once = 0, rank)) AS v FROM " PERSON_FACTS( \
        "name, value, is_once, rank", "$PERSON_TRAITS", more) " GROUP BY person"

static bool take_identified(struct query_call *call, const char **ret_condition)
{
    struct slice value;
    *ret_condition = "";
    if (!net_query_get(call->req->net, "identified", &value))
        return true;
    if (slice_eq_str(value, "true"))
        *ret_condition = " AND max(user) = 1";
    else if (slice_eq_str(value, "false"))
        *ret_condition = " AND max(user) = 0";
    else
        api_problem(call->req, RC_INVALID, "identified: give true or false");
    return **ret_condition;
}

/* Ends in ""; what is given was bound. */
static bool take_conditions(struct query_call *call, struct buf *sql)
{
    bool has_search, has_trait, has_group;
    const char *identified;
    if (!query_take_text(call, "search", &has_search) ||
        !take_pair(call, "trait", "traitName", "traitValue", &has_trait) ||
        !take_pair(call, "group", "groupType", "groupId", &has_group) ||
        !take_identified(call, &identified))
        return false;
    buf_add_str(sql, identified);
    if (has_search)
        buf_add_str(sql,
                    " AND (countIf(positionCaseInsensitiveUTF8(id, {search:String}) > 0) > 0 "
                    "OR person IN (SELECT person FROM " TRAITS_NOW(
                        "name, ",
                        "") ", name) WHERE v != 'null' AND positionCaseInsensitiveUTF8(" TRAIT_TEXT
                            ", {search:String}) > 0))");
    if (has_trait)
        buf_add_str(sql,
                    " AND person IN (SELECT person FROM " TRAITS_NOW(
                        "", " AND name = {traitName:String}") ") WHERE v != 'null' AND " TRAIT_TEXT
                                                              " = {traitValue:String})");
    if (has_group)
        buf_add_str(
            sql,
            " AND person IN (SELECT person FROM (SELECT person, argMax(group_id, "
            "rank) AS g FROM " PERSON_FACTS(
                "group_id, rank", "$PERSON_GROUPS",
                " AND type = {groupType:String}") " GROUP BY person) WHERE g = {groupId:String})");
    return true;
}

static bool take_order(struct query_call *call, struct list_order *order)
{
    struct slice sort = slice_str("last_seen"), way = slice_str("desc");
    IGNORE(net_query_get(call->req->net, "sort", &sort), "the last seen first");
    IGNORE(net_query_get(call->req->net, "order", &way), "the last seen first");
    order->is_first = slice_eq_str(sort, "first_seen");
    order->is_ascending = slice_eq_str(way, "asc");
    order->at = order->is_first ? "min(first)" : "max(last)";
    if (!order->is_first && !slice_eq_str(sort, "last_seen"))
        api_problem(call->req, RC_INVALID, "sort: give last_seen or first_seen");
    else if (!order->is_ascending && !slice_eq_str(way, "desc"))
        api_problem(call->req, RC_INVALID, "order: give asc or desc");
    else
        return true;
    return false;
}

static bool take_cursor(struct query_call *call, const struct list_order *order, struct buf *sql)
{
    bool is_given;
    int64_t seen;
    uint64_t hash;
    struct slice text;
    if (!query_cursor_take(call, &is_given, &seen, &text))
        return false;
    if (!is_given)
        return true;
    if (!slice_to_u64(text, &hash)) {
        api_problem(call->req, RC_INVALID, "cursor: give back what an answer called next_cursor");
        return false;
    }
    query_param_i64(call, "cursorSeen", seen);
    query_param(call, "cursorHash", text);
    buf_addf(sql, " AND (%s, person) %s ({cursorSeen:Int64}, {cursorHash:UInt64})", order->at,
             order->is_ascending ? ">" : "<");
    return true;
}

static void add_page(struct buf *sql, const char *more, uint32_t ids_max)
{
    buf_addf(sql,
             "SELECT " PEOPLE_COLUMNS "groupArraySortedIf(%u)(id, user = 1), "
             "groupArraySortedIf(%u)(id, user = 0) FROM %s GROUP BY person HAVING seen > 0",
             (unsigned)ids_max, (unsigned)ids_max, more);
}

static void add_order(struct buf *sql, const struct list_order *order, const char *at)
{
    const char *way = order->is_ascending ? "" : " DESC";
    buf_addf(sql, " ORDER BY %s%s, person%s", at, way, way);
}

/* The two statements of who is on the page; NULL in p where there is no memory. */
static void add_statements(struct query_call *call, struct people *p, struct buf *page)
{
    const struct list_order *order = p->own;
    struct arena *arena = call->req->net->arena;
    CLEANUP(buf_done) struct buf persons;
    buf_init(&persons, QUERY_SQL_BYTES_MAX);
    add_page(&persons, PERSON_ROWS(" AND " PERSON_MEMBERS("hash")), IDS_IN_LIST);
    add_order(page, order, order->at);
    buf_add_str(page, " LIMIT {limit:UInt32}");
    add_order(&persons, order, order->is_first ? "min(first)" : "seen");
    query_param_u64(call, "limit", call->limit + 1);
    p->statements[LIST_PAGE] = arena_strndup(arena, buf_cstr(page), page->len);
    p->statements[LIST_PERSONS] = arena_strndup(arena, buf_cstr(&persons), persons.len);
    p->statements[LIST_DETAILS] = people_details_sql;
}

void query_persons(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    struct people *p = call ? people_new(ctx, call) : NULL;
    struct list_order *order = p ? arena_zalloc(ctx->arena, sizeof(*order)) : NULL;
    CLEANUP(buf_done) struct buf page;
    buf_init(&page, QUERY_SQL_BYTES_MAX);
    if (p && !order)
        api_problem(req, RC_NOMEM, "no memory for this request");
    if (!order || !query_take_limit(call) || !take_order(call, order))
        return;
    buf_add_str(&page, "SELECT toString(person), max(last) AS seen FROM " SEEN_ROWS
                       " GROUP BY person HAVING seen > 0");
    if (!take_conditions(call, &page) || !take_cursor(call, order, &page))
        return;
    p->own = order;
    add_statements(call, p, &page);
    p->count = LIST_STAGES;
    p->after = after_page;
    p->write = write_page;
    if (p->statements[LIST_PAGE] && p->statements[LIST_PERSONS])
        people_run(ctx, call, p);
    else
        api_problem(req, RC_NOMEM, "no memory for this request");
}

/* ---- one ---- */
enum { ONE_RESOLVE, ONE_PERSON, ONE_DETAILS, ONE_COUNTS, ONE_STAGES };

static enum rc after_one(struct query_call *call, struct people *p, struct slice result,
                         bool *ret_goes_on, struct err *err)
{
    (void)ret_goes_on;
    bool is_there = p->stage > ONE_PERSON || people_first_u64(result);
    ENSURE(is_there, err_set(err, RC_NOTFOUND, "this project has seen nobody under that id"));
    if (p->stage == ONE_RESOLVE)
        IGNORE(bind_list(call, result, 1), "there is one");
    return RC_OK;
}

static enum rc write_one(struct query_call *call, struct people *p, struct arena *scratch,
                         struct buf *body, struct err *err)
{
    static const char *const names[] = {"events", "pageviews", "sessions"};
    struct slice rows = p->results[ONE_PERSON], line, counts = p->results[ONE_COUNTS];
    yyjson_val *row;
    (void)call;
    ENSURE(json_line_next(&rows, &line), bad_shape(err));
    TRY(json_parse(scratch, line, &row, err));
    uint64_t hash = hash_of(yyjson_arr_get(row, P_HASH));
    buf_add_char(body, '{');
    TRY(people_put_person(row, body, err));
    TRY(people_put_details(p->results[ONE_DETAILS], hash, scratch, body, err));
    ENSURE(json_line_next(&counts, &line), bad_shape(err));
    arena_reset(scratch);
    TRY(json_parse(scratch, line, &row, err));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        yyjson_val *number = yyjson_arr_get(row, i);
        ENSURE(number && json_is_number(number), bad_shape(err));
        buf_addf(body, ",\"%s\":", names[i]);
        buf_add_slice(body, json_text(number));
    }
    buf_add_char(body, '}');
    return RC_OK;
}

void query_person(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call || !query_check_text(call, "personId", req->params[1]))
        return;
    struct people *p = people_new(ctx, call);
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, QUERY_SQL_BYTES_MAX);
    add_page(&sql, PERSON_ROWS(" AND " PERSON_MEMBERS("hash")), IDS_OF_ONE);
    if (!p)
        return;
    people_bind_id(call, req->params[1]);
    p->statements[ONE_RESOLVE] = people_resolve_sql;
    p->statements[ONE_PERSON] = arena_strndup(ctx->arena, buf_cstr(&sql), sql.len);
    p->statements[ONE_DETAILS] = people_details_sql;
    p->statements[ONE_COUNTS] =
        "SELECT countIf(kind = ''), countIf(kind = '' AND event = 'pageview'), (SELECT count() "
        "FROM $SESSIONS AND " PERSON_MEMBERS(QUERY_OWN_ID) ") FROM $EVENTS AND " PERSON_MEMBERS(
            QUERY_OWN_ID);
    p->count = ONE_STAGES;
    p->after = after_one;
    p->write = write_one;
    if (p->statements[ONE_PERSON])
        people_run(ctx, call, p);
    else
        api_problem(req, RC_NOMEM, "no memory for this request");
}
