/* WHAT    GET …/groups, …/groups/{groupType}, …/groups/{groupType}/{groupId}: accounts, teams and
 *         what else people belong to.
 * WHY     A person is a member of the group that it was seen with last (docs/definitions.md), so a
 *         group's members are counted over persons, not over ids.
 * THREADS handlers on the request's loop, everything behind query_run() on the worker pool. */
#include "analytics/report/query_person_int.h"

#include <stdio.h>

enum { GROUP_SEEN, GROUP_TRAITS, GROUP_MEMBERS, GROUP_STAGES, MEMBERS_SHOWN = 100 };

static enum rc bad_shape(struct err *err)
{
    return err_set(err, RC_STORE, "the store's answer has another shape than expected");
}

void query_groups(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call)
        return;
    query_run_rows(
        ctx, call, "types",
        "SELECT type, uniqExact(group_id) AS groups FROM $GROUP_IDS GROUP BY type ORDER BY "
        "type LIMIT 1000");
}

/* Persons by the group that they were seen with last. */
#define LATEST(more)                                                                            \
    "(SELECT person, argMax(group_id, rank) AS group_id FROM " PERSON_FACTS(                    \
        "group_id, rank", "$PERSON_GROUPS", " AND type = {groupType:String}" more) " GROUP BY " \
                                                                                   "person)"

/* ---- of one type ---- */
static enum rc after_list(struct query_call *call, struct people *p, struct slice result,
                          bool *ret_goes_on, struct err *err)
{
    (void)call, (void)p, (void)result, (void)ret_goes_on, (void)err;
    return RC_OK;
}

static enum rc put_traits(struct slice rows, struct slice group, struct arena *scratch,
                          struct buf *body, struct err *err)
{
    struct slice line;
    yyjson_val *row;
    const char *between = "";
    buf_add_str(body, ",\"traits\":{");
    while (json_line_next(&rows, &line)) {
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        struct slice value = json_text(yyjson_arr_get(row, 2));
        if (!slice_eq(json_text(yyjson_arr_get(row, 0)), group) || slice_eq_str(value, "null"))
            continue;
        buf_add_str(body, between);
        between = ",";
        buf_add_json(body, json_text(yyjson_arr_get(row, 1)));
        buf_add_char(body, ':');
        buf_add_slice(body, value); /* JSON */
    }
    buf_add_char(body, '}');
    return RC_OK;
}

/* group, first, last, members */
static enum rc put_group(struct query_call *call, yyjson_val *row, struct buf *body,
                         struct err *err)
{
    yyjson_val *members = yyjson_arr_get(row, 3);
    ENSURE(yyjson_arr_size(row) == 4 && json_is_number(members), bad_shape(err));
    buf_add_str(body, "\"type\":");
    buf_add_json(body, call->req->params[1]);
    people_put_text(body, "group_id", yyjson_arr_get(row, 0));
    people_put_time(body, "first_seen", yyjson_arr_get(row, 1));
    people_put_time(body, "last_seen", yyjson_arr_get(row, 2));
    buf_add_str(body, ",\"member_count\":");
    buf_add_slice(body, json_text(members));
    return RC_OK;
}

static enum rc write_list(struct query_call *call, struct people *p, struct arena *scratch,
                          struct buf *body, struct err *err)
{
    struct slice rows = p->results[0], line, seen = SLICE_EMPTY, id = SLICE_EMPTY;
    struct arena *arena = call->req->net->arena;
    yyjson_val *row;
    buf_add_str(body, "{\"groups\":[");
    for (uint32_t i = 0; i < call->limit && json_line_next(&rows, &line); i++) {
        buf_add_str(body, i ? ",{" : "{");
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        TRY(put_group(call, row, body, err));
        id = arena_copy(arena, json_text(yyjson_arr_get(row, 0)));
        seen = arena_copy(arena, json_text(yyjson_arr_get(row, 2)));
        TRY(put_traits(p->results[1], id, scratch, body, err));
        buf_add_char(body, '}');
    }
    buf_add_char(body, ']');
    if (json_line_next(&rows, &line))
        query_cursor_put(body, "next_cursor", seen, id);
    else
        buf_add_str(body, ",\"next_cursor\":null");
    buf_add_char(body, '}');
    return RC_OK;
}

#define SEEN                                                                                     \
    "(SELECT group_id, min(first_ms) AS first, max(last_ms) AS last FROM $GROUP_IDS AND type = " \
    "{groupType:String}"
#define MEMBERS(more)                                                        \
    " AS g LEFT ANY JOIN (SELECT group_id, count() AS members FROM " LATEST( \
        more) " GROUP BY "                                                   \
              "group_id) AS m ON "                                           \
              "g.group_id = "                                                \
              "m.group_id"
#define PAGE(cursor)                                                       \
    "SELECT g.group_id AS group_id, g.first, g.last, m.members FROM " SEEN \
    " GROUP BY group_id" cursor                                            \
    " ORDER BY last DESC, group_id DESC LIMIT {limit:UInt32})" MEMBERS(    \
        "") " ORDER BY g.last DESC, group_id DESC"
#define TRAITS(which)                                                                          \
    "SELECT group_id, name, argMax(value, (is_once = 0, rank)) FROM $GROUP_TRAITS AND type = " \
    "{groupType:String}" which " GROUP BY group_id, name ORDER BY group_id, name"
#define AFTER_CURSOR " HAVING (last, group_id) < ({cursorSeen:Int64}, {cursorId:String})"

void query_groups_of_type(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    struct slice id;
    int64_t seen;
    bool has_cursor;
    if (!call || !query_check_text(call, "groupType", req->params[1]) || !query_take_limit(call) ||
        !query_cursor_take(call, &has_cursor, &seen, &id) ||
        (has_cursor && !query_check_text(call, "cursor", id)))
        return;
    struct people *p = people_new(ctx, call);
    if (!p)
        return;
    query_param(call, "groupType", req->params[1]);
    query_param_u64(call, "limit", call->limit + 1);
    if (has_cursor) {
        query_param_i64(call, "cursorSeen", seen);
        query_param(call, "cursorId", id);
    }
    p->statements[0] = has_cursor ? PAGE(AFTER_CURSOR) : PAGE("");
    p->statements[1] =
        has_cursor
            ? TRAITS(" AND group_id IN (SELECT group_id FROM " SEEN
                     " GROUP BY group_id" AFTER_CURSOR
                     " ORDER BY last DESC, group_id DESC LIMIT {limit:UInt32}))")
            : TRAITS(" AND group_id IN (SELECT group_id FROM " SEEN " GROUP BY group_id ORDER BY "
                     "last DESC, group_id DESC LIMIT {limit:UInt32}))");
    p->count = 2;
    p->after = after_list;
    p->write = write_list;
    people_run(ctx, call, p);
}

/* ---- one ---- */
static enum rc after_one(struct query_call *call, struct people *p, struct slice result,
                         bool *ret_goes_on, struct err *err)
{
    struct slice line;
    (void)call, (void)ret_goes_on;
    ENSURE(p->stage != GROUP_SEEN || json_line_next(&result, &line),
           err_set(err, RC_NOTFOUND, "this project has no group of that type and id"));
    return RC_OK;
}

/* The list's columns, of the members seen last. */
static enum rc put_members(struct slice rows, struct arena *scratch, struct buf *body,
                           struct err *err)
{
    struct slice line;
    yyjson_val *row;
    buf_add_str(body, ",\"members\":[");
    for (uint32_t i = 0; json_line_next(&rows, &line); i++) {
        buf_add_str(body, i ? ",{" : "{");
        arena_reset(scratch);
        TRY(json_parse(scratch, line, &row, err));
        TRY(people_put_person(row, body, err));
        buf_add_char(body, '}');
    }
    buf_add_char(body, ']');
    return RC_OK;
}

static enum rc write_one(struct query_call *call, struct people *p, struct arena *scratch,
                         struct buf *body, struct err *err)
{
    struct slice rows = p->results[GROUP_SEEN], line;
    yyjson_val *row;
    ENSURE(json_line_next(&rows, &line), bad_shape(err));
    TRY(json_parse(scratch, line, &row, err));
    buf_add_char(body, '{');
    TRY(put_group(call, row, body, err));
    TRY(put_traits(p->results[GROUP_TRAITS], call->req->params[2], scratch, body, err));
    TRY(put_members(p->results[GROUP_MEMBERS], scratch, body, err));
    buf_add_char(body, '}');
    return RC_OK;
}

void query_group(struct ctx *ctx, void *service, struct api_request *req)
{
    struct query_call *call = query_call_new(ctx, service, req);
    if (!call || !query_check_text(call, "groupType", req->params[1]) ||
        !query_check_text(call, "groupId", req->params[2]))
        return;
    struct people *p = people_new(ctx, call);
    if (!p)
        return;
    query_param(call, "groupType", req->params[1]);
    query_param(call, "groupId", req->params[2]);
    p->statements[GROUP_SEEN] =
        "SELECT g.group_id AS group_id, g.first, g.last, m.members FROM " SEEN
        " AND group_id = {groupId:String} GROUP BY group_id)" MEMBERS("");
    p->statements[GROUP_TRAITS] = TRAITS(" AND group_id = {groupId:String}");
    p->statements[GROUP_MEMBERS] =
        "SELECT " PEOPLE_COLUMNS "groupArraySortedIf(20)(id, user = 1), "
        "groupArraySortedIf(20)(id, user = 0) FROM " PERSON_ROWS(
            "") " WHERE person IN (SELECT "
                "person FROM " LATEST(
                    "") " WHERE group_id = {groupId:String}) GROUP BY person ORDER BY "
                        "seen DESC, person DESC LIMIT 100";
    p->count = GROUP_STAGES;
    p->after = after_one;
    p->write = write_one;
    people_run(ctx, call, p);
}
