/* WHAT  entity_int.h: JSON out of rows, values out of JSON.
 * WHY   A client's members are looked up in the table and anything else is refused by name: nobody
 *       sets a column that we did not mean to be set. Statements are put together from the table's
 *       constants alone; what a client sent is only ever bound. */
#include "tenant/entity_int.h"

#include <stdio.h>

#include "base/must.h"

enum { SQL_BYTES_MAX = 4096, LIST_ITEMS_MAX = 100 };

/* ---- out ---- */
static void add_parts(struct buf *out, struct slice text, char sep)
{
    const char *between = "";
    buf_add_char(out, '[');
    while (text.len) {
        buf_add_str(out, between);
        buf_add_json(out, slice_cut(&text, sep));
        between = ",";
    }
    buf_add_char(out, ']');
}

static void add_time(struct buf *out, const struct state_row *row, int at)
{
    char text[TIME_TEXT_BYTES];
    if (state_row_is_null(row, at))
        buf_add_str(out, "null");
    else
        buf_add_json(out, slice_str(time_format((unix_ms){state_row_i64(row, at)}, text)));
}

static void add_permissions(struct buf *out, struct slice role_text)
{
    enum tenant_role role = TENANT_NO_ROLE;
    CLEANUP(buf_done) struct buf words;
    buf_init(&words, SQL_BYTES_MAX);
    IGNORE(!tenant_role_parse(role_text, &role), "no role has no permission");
    tenant_permissions_text(tenant_role_permissions(role), &words);
    add_parts(out, buf_slice(&words), ' ');
}

static void add_column(struct buf *out, const struct column *c, const struct state_row *row, int at)
{
    buf_add_json(out, slice_str(c->name));
    buf_add_char(out, ':');
    switch (c->kind) {
    case COLUMN_TEXT:
    case COLUMN_MOMENT:
        if (state_row_is_null(row, at))
            buf_add_str(out, "null");
        else
            buf_add_json(out, state_row_text(row, at));
        break;
    case COLUMN_INT:
        if (state_row_is_null(row, at))
            buf_add_str(out, "null");
        else
            buf_add_i64(out, state_row_i64(row, at));
        break;
    case COLUMN_TIME:
        add_time(out, row, at);
        break;
    case COLUMN_FLAG:
        buf_add_str(out, state_row_is_null(row, at) ? "false" : "true");
        break;
    case COLUMN_WORDS:
        add_parts(out, state_row_text(row, at), ' ');
        break;
    case COLUMN_LINES:
        add_parts(out, state_row_text(row, at), '\n');
        break;
    case COLUMN_PERMISSIONS:
        add_permissions(out, state_row_text(row, at));
        break;
    case COLUMN_JSON:
        if (state_row_is_null(row, at))
            buf_add_str(out, "null");
        else
            buf_add_slice(out, state_row_text(row, at));
        break;
    }
}

enum rc entity_add_row(void *rows, const struct state_row *row)
{
    struct entity_rows *r = rows;
    if (r->limit && r->count == r->limit) {
        r->is_more = true;
        return RC_OK;
    }
    buf_add_str(r->out, r->count++ ? ",{\"id\":" : "{\"id\":");
    buf_add_json(r->out, state_row_text(row, 0));
    snprintf(r->last, sizeof(r->last), "%.*s", SLICE_ARG(state_row_text(row, 0)));
    for (uint32_t i = 0; r->entity->columns[i].name; i++) {
        if (r->is_audit && r->entity->columns[i].is_unaudited)
            continue;
        buf_add_char(r->out, ',');
        add_column(r->out, &r->entity->columns[i], row, (int)i + 1);
    }
    buf_add_char(r->out, '}');
    return buf_ok(r->out) ? RC_OK : RC_LIMIT;
}

void entity_select(const struct entity *e, struct buf *sql)
{
    buf_init(sql, SQL_BYTES_MAX);
    buf_addf(sql, "SELECT %s", e->id);
    for (uint32_t i = 0; e->columns[i].name; i++)
        buf_addf(sql, ", %s", e->columns[i].sql ? e->columns[i].sql : e->columns[i].name);
    buf_addf(sql, " FROM %s WHERE ", e->table);
}

/* ?1 is used in either case: PostgreSQL does not take a parameter that a statement lacks. */
static const char *parent_of(const struct entity *e)
{
    return e->parent ? e->parent : "''";
}

enum rc tenant_show(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice id, struct buf *out, struct err *err)
{
    return entity_show(s, entity, parent, id, false, out, err);
}

enum rc entity_show(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice id, bool is_audit, struct buf *out, struct err *err)
{
    const struct entity *e = &tenant_entities[entity];
    struct entity_rows rows = {.entity = e, .out = out, .is_audit = is_audit};
    CLEANUP(buf_done) struct buf sql;
    entity_select(e, &sql);
    buf_addf(&sql, "%s = ?1 AND %s = ?2", parent_of(e), e->id);
    TRY(state_run(
        s, buf_cstr(&sql),
        (struct state_value[]){STATE_SLICE(e->parent ? parent : SLICE_EMPTY), STATE_SLICE(id)}, 2,
        entity_add_row, &rows, err));
    if (rows.count == 0)
        return err_set(err, RC_NOTFOUND, "there is no such %s", e->type);
    return RC_OK;
}

enum rc tenant_list(struct state *s, enum tenant_entity entity, struct slice parent,
                    struct slice after, struct buf *out, struct err *err)
{
    const struct entity *e = &tenant_entities[entity];
    struct entity_rows rows = {.entity = e, .out = out, .limit = LIST_ITEMS_MAX};
    CLEANUP(buf_done) struct buf sql;
    entity_select(e, &sql);
    buf_addf(&sql, "%s = ?1 AND %s > ?2 ORDER BY %s LIMIT %d", parent_of(e), e->id, e->id,
             LIST_ITEMS_MAX + 1);
    buf_add_str(out, "{\"data\":[");
    TRY(state_run(
        s, buf_cstr(&sql),
        (struct state_value[]){STATE_SLICE(e->parent ? parent : SLICE_EMPTY), STATE_SLICE(after)},
        2, entity_add_row, &rows, err));
    if (rows.is_more)
        buf_addf(out, "],\"next\":\"%s\"}", rows.last);
    else
        buf_add_str(out, "],\"next\":null}");
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the list is too long");
}

static enum rc take_parent(void *ctx, const struct state_row *row)
{
    struct slice parent = state_row_text(row, 0);
    ENSURE(parent.len == UUID_TEXT_LEN, RC_CORRUPT);
    memcpy(ctx, parent.data, UUID_TEXT_LEN);
    ((char *)ctx)[UUID_TEXT_LEN] = '\0';
    return RC_OK;
}

enum rc tenant_parent_of(struct state *s, enum tenant_entity entity, struct slice id,
                         char ret_parent[UUID_TEXT_LEN + 1], struct err *err)
{
    const struct entity *e = &tenant_entities[entity];
    CLEANUP(buf_done) struct buf sql;
    must(e->parent && entity != TENANT_MEMBER && entity != TENANT_MEMBERSHIP);
    buf_init(&sql, SQL_BYTES_MAX);
    buf_addf(&sql, "SELECT %s FROM %s WHERE %s = ?1", e->parent, e->table, e->id);
    *ret_parent = '\0';
    TRY(state_run(s, buf_cstr(&sql), &STATE_SLICE(id), 1, take_parent, ret_parent, err));
    return *ret_parent ? RC_OK : err_set(err, RC_NOTFOUND, "there is no such %s", e->type);
}

/* ---- in ---- */
static enum rc wrong(const struct column *c, const char *what, struct err *err)
{
    return err_set(err, RC_INVALID, "\"%s\" must be %s", c->name, what);
}

static enum rc check_part(const struct column *c, yyjson_val *v, struct err *err)
{
    if (!v || !yyjson_is_str(v))
        return wrong(c, c->kind == COLUMN_TEXT ? "a string" : "a list of strings", err);
    if (memchr(json_text(v).data, '\0', json_text(v).len))
        return wrong(c, "without NUL", err);
    if (c->check && c->check(json_text(v), err) != RC_OK)
        return err_wrap(err, "\"%s\"", c->name);
    return RC_OK;
}

static enum rc read_parts(const struct column *c, yyjson_val *v, struct arena *arena,
                          struct state_value *ret, struct err *err)
{
    char sep = c->kind == COLUMN_WORDS ? ' ' : '\n';
    size_t len = 0, at = 0;
    size_t i, n;
    yyjson_val *item;
    if (!yyjson_is_arr(v))
        return wrong(c, "a list of strings", err);
    yyjson_arr_foreach(v, i, n, item)
    {
        TRY(check_part(c, item, err));
        struct slice text = json_text(item);
        if (!text.len || memchr(text.data, sep, text.len))
            return wrong(c, "a list of strings without blanks", err);
        len += text.len + 1;
    }
    char *joined = arena_alloc(arena, len + 1);
    ENSURE(joined, RC_NOMEM);
    yyjson_arr_foreach(v, i, n, item)
    {
        if (at)
            joined[at++] = sep;
        memcpy(joined + at, json_text(item).data, json_text(item).len);
        at += json_text(item).len;
    }
    *ret = STATE_SLICE(slice_of(joined, at));
    return RC_OK;
}

static enum rc read_moment(const struct column *c, yyjson_val *v, struct arena *arena,
                           struct state_value *ret, struct err *err)
{
    char text[TIME_TEXT_BYTES];
    unix_ms when;
    if (!v || !yyjson_is_str(v) || !time_parse(json_text(v), &when))
        return wrong(c, "a day (2026-01-31) or an instant (2026-01-31T12:00:00Z)", err);
    struct slice moment = json_text(v);
    if (moment.len > strlen("2026-01-31"))
        moment = arena_copy(arena, slice_str(time_format(when, text)));
    *ret = STATE_SLICE(moment);
    return moment.len ? RC_OK : err_set(err, RC_NOMEM, "no memory for this request");
}

static enum rc read_json(const struct column *c, yyjson_val *v, struct arena *arena,
                         struct state_value *ret, struct err *err)
{
    char *space = arena_alloc(arena, (size_t)c->max);
    *ret = (struct state_value){.kind = STATE_NULL};
    if (yyjson_is_null(v))
        return RC_OK;
    ENSURE(space, err_set(err, RC_NOMEM, "no memory for this request"));
    struct json_out out = {.p = space, .end = space + c->max};
    enum json_problem problem = json_write(&out, v, NULL, arena);
    if (out.is_full)
        return err_set(err, RC_INVALID, "\"%s\" is longer than %lld bytes", c->name,
                       (long long)c->max);
    if (problem != JSON_FINE)
        return err_set(err, RC_INVALID, "\"%s\": %s", c->name, json_problem_text(problem));
    *ret = STATE_SLICE(slice_of(space, (size_t)(out.p - space)));
    return RC_OK;
}

static enum rc read_value(const struct column *c, yyjson_val *v, struct arena *arena,
                          struct state_value *ret, struct err *err)
{
    unix_ms when;
    switch (c->kind) {
    case COLUMN_TEXT:
        TRY(check_part(c, v, err));
        *ret = STATE_SLICE(json_text(v));
        return RC_OK;
    case COLUMN_INT:
        if (!json_to_i64(v, &ret->i64) || ret->i64 < c->min || ret->i64 > c->max)
            return err_set(err, RC_INVALID, "\"%s\" must be an integer from %lld to %lld", c->name,
                           (long long)c->min, (long long)c->max);
        ret->kind = STATE_INT;
        return RC_OK;
    case COLUMN_TIME:
        *ret = (struct state_value){.kind = STATE_NULL};
        if (yyjson_is_null(v))
            return RC_OK;
        if (!yyjson_is_str(v) || !time_parse(json_text(v), &when))
            return wrong(c, "an RFC 3339 time or null", err);
        *ret = STATE_I64(when.ms);
        return RC_OK;
    case COLUMN_WORDS:
    case COLUMN_LINES:
        return read_parts(c, v, arena, ret, err);
    case COLUMN_MOMENT:
        return read_moment(c, v, arena, ret, err);
    case COLUMN_JSON:
        return read_json(c, v, arena, ret, err);
    case COLUMN_FLAG:
    case COLUMN_PERMISSIONS:
        break;
    }
    must_not_reach("flags and permissions are never writable");
}

static const struct column *writable_of(const struct entity *e, struct slice name)
{
    for (uint32_t i = 0; e->columns[i].name; i++)
        if (e->columns[i].is_writable && slice_eq_str(name, e->columns[i].name))
            return &e->columns[i];
    return NULL;
}

enum rc entity_read(const struct entity *e, yyjson_val *object, struct arena *arena,
                    struct entity_values *ret, struct err *err)
{
    size_t at, n;
    yyjson_val *key, *value;
    *ret = (struct entity_values){.count = 0};
    if (!yyjson_is_obj(object))
        return err_set(err, RC_INVALID, "the body must be a JSON object");
    yyjson_obj_foreach(object, at, n, key, value)
    {
        const struct column *c = writable_of(e, json_text(key));
        if (!c)
            return err_set(err, RC_INVALID, "\"%.*s\" cannot be set on a %s",
                           (int)(json_text(key).len < 64 ? json_text(key).len : 64),
                           json_text(key).data, e->type);
        for (uint32_t i = 0; i < ret->count; i++)
            if (ret->columns[i] == c)
                return err_set(err, RC_INVALID, "\"%s\" is there twice", c->name);
        TRY(read_value(c, value, arena, &ret->values[ret->count], err));
        ret->columns[ret->count++] = c;
    }
    return RC_OK;
}

enum rc entity_update(struct state *s, const struct entity *e, struct slice parent, struct slice id,
                      const struct entity_values *v, struct err *err)
{
    struct state_value params[ENTITY_COLUMNS_MAX + 2];
    CLEANUP(buf_done) struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    if (v->count == 0)
        return RC_OK;
    buf_addf(&sql, "UPDATE %s SET ", e->table);
    for (uint32_t i = 0; i < v->count; i++) {
        buf_addf(&sql, "%s%s = ?%u", i ? ", " : "", v->columns[i]->name, i + 1);
        params[i] = v->values[i];
    }
    buf_addf(&sql, " WHERE %s = ?%u AND %s = ?%u", e->id, v->count + 1, parent_of(e), v->count + 2);
    params[v->count] = STATE_SLICE(id);
    params[v->count + 1] = STATE_SLICE(e->parent ? parent : SLICE_EMPTY);
    return state_run(s, buf_cstr(&sql), params, v->count + 2, NULL, NULL, err);
}

/* ---- as a person writes it ---- */
static enum rc no_setting(const struct entity *e, struct slice name, struct err *err)
{
    CLEANUP(buf_done) struct buf known;
    buf_init(&known, sizeof(err->text));
    for (uint32_t i = 0; e->columns[i].name; i++)
        if (e->columns[i].is_writable)
            buf_addf(&known, "%s%s", known.len ? ", " : "", e->columns[i].name);
    return err_set(err, RC_INVALID, "'%.*s' cannot be set on a %s; what can: %s",
                   (int)(name.len < 64 ? name.len : 64), name.data, e->type, buf_cstr(&known));
}

static void add_list(struct buf *out, struct slice value)
{
    const char *between = "";
    buf_add_char(out, '[');
    while (value.len) {
        buf_add_str(out, between);
        buf_add_json(out, slice_trim(slice_cut(&value, ',')));
        between = ",";
    }
    buf_add_char(out, ']');
}

static enum rc add_setting(const struct column *c, struct slice value, struct buf *out,
                           struct err *err)
{
    int64_t n;
    switch (c->kind) {
    case COLUMN_INT:
        if (!slice_to_i64(value, &n))
            return err_set(err, RC_INVALID, "%s is a whole number, not '%.*s'", c->name,
                           (int)(value.len < 40 ? value.len : 40), value.data);
        buf_add_i64(out, n);
        return RC_OK;
    case COLUMN_WORDS:
    case COLUMN_LINES:
        add_list(out, value);
        return RC_OK;
    case COLUMN_TEXT:
    case COLUMN_TIME:
    case COLUMN_MOMENT:
        buf_add_json(out, value);
        return RC_OK;
    case COLUMN_JSON:
        buf_add_slice(out, value);
        return RC_OK;
    case COLUMN_FLAG:
    case COLUMN_PERMISSIONS:
        break;
    }
    must_not_reach("of a kind that is never writable");
}

enum rc tenant_patch_of(enum tenant_entity entity, const struct tenant_setting *settings,
                        uint32_t count, struct buf *out, struct err *err)
{
    const struct entity *e = &tenant_entities[entity];
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < count; i++) {
        const struct column *c = writable_of(e, settings[i].name);
        if (!c)
            return no_setting(e, settings[i].name, err);
        buf_addf(out, "%s\"%s\":", i ? "," : "", c->name);
        TRY(add_setting(c, settings[i].value, out, err));
    }
    buf_add_char(out, '}');
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the settings are too long");
}

/* ---- checks ---- */
enum rc check_name(struct slice name, struct err *err)
{
    if (name.len == 0 || name.len > TENANT_NAME_MAX)
        return err_set(err, RC_INVALID, "a name has 1 to %d bytes", TENANT_NAME_MAX);
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] < 0x20 || name.data[i] == 0x7f)
            return err_set(err, RC_INVALID, "a name has no control characters");
    return RC_OK;
}

/* scheme "://" host [":" port], as a browser sends it (RFC 6454, 6.1): lower case, no path. */
enum rc check_origin(struct slice origin, struct err *err)
{
    size_t scheme = slice_has_prefix(origin, SLICE_LIT("https://"))  ? 8
                    : slice_has_prefix(origin, SLICE_LIT("http://")) ? 7
                                                                     : 0;
    bool is_good = scheme && origin.len > scheme && origin.len <= 253 + 14;
    for (size_t i = scheme; i < origin.len && is_good; i++) {
        char c = origin.data[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                  c == ':' || c == '[' || c == ']';
    }
    if (!is_good)
        return err_set(err, RC_INVALID,
                       "'%.*s' is no origin: write it as https://example.com, without a path",
                       (int)(origin.len < 100 ? origin.len : 100), origin.data);
    return RC_OK;
}
