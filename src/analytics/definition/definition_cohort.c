/* WHAT  What is particular of cohorts: a list of people that was uploaded.
 * WHY   A list is kept sorted, each id once, as one text: it is only ever read whole. */
#include "analytics/definition/definition_int.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/must.h"

enum { ID_BYTES_MAX = 200 };
_Static_assert((int)STORED_PEOPLE_MAX == (int)DEFINITION_MEMBERS_MAX &&
                   (int)STORED_PEOPLE_BYTES_MAX == (int)DEFINITION_LIST_BYTES_MAX,
               "one limit");

static int compare(const void *a, const void *b)
{
    const struct slice *one = a, *two = b;
    size_t len = one->len < two->len ? one->len : two->len;
    int order = memcmp(one->data, two->data, len);
    return order ? order : (one->len > two->len) - (one->len < two->len);
}

static enum rc read_ids(struct definition_call *c, yyjson_val *list, struct slice *ids)
{
    size_t i, n;
    yyjson_val *v;
    yyjson_arr_foreach(list, i, n, v)
    {
        struct slice id = yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
        if (id.len == 0 || id.len > ID_BYTES_MAX || memchr(id.data, '\0', id.len))
            return err_set(&c->err, RC_INVALID, "/members/%zu: give the id of a user", i);
        ids[i] = id;
    }
    return RC_OK;
}

static void join(struct slice *ids, size_t count, struct buf *text, struct tenant_people *ret)
{
    qsort(ids, count, sizeof(*ids), compare);
    for (size_t i = 0; i < count; i++) {
        if (i && slice_eq(ids[i], ids[i - 1]))
            continue;
        if (ret->count++)
            buf_add_char(text, '\0');
        buf_add_slice(text, ids[i]);
    }
    ret->ids = buf_slice(text);
}

static enum rc create_listed(struct ctx *ctx, struct definition_call *c, struct slice *ids,
                             size_t count)
{
    CLEANUP(buf_done) struct buf text;
    struct tenant_people people = {.count_by = "users"};
    struct uuid id;
    char id_text[UUID_TEXT_LEN + 1];
    buf_init(&text, DEFINITION_LIST_BYTES_MAX);
    TRY(read_ids(c, json_get(c->body, "members"), ids));
    join(ids, count, &text, &people);
    if (!buf_ok(&text))
        return err_set(&c->err, RC_LIMIT, "/members: longer than %d bytes",
                       DEFINITION_LIST_BYTES_MAX);
    yyjson_val *name = json_get(c->body, "name");
    if (!yyjson_is_str(name))
        return err_set(&c->err, RC_INVALID, "/name: give a text");
    TRY(tenant_cohort_create(ctx, c->definition->tenant, &c->where, json_text(name), &people, &id,
                             &c->err));
    return definition_shown(c, slice_str(uuid_format(&id, id_text)));
}

static enum rc check_members(struct definition_call *c)
{
    static const char *const names[] = {"name", "members", "count_by"};
    yyjson_val *members = json_get(c->body, "members"), *by = json_get(c->body, "count_by"), *key,
               *value;
    size_t at, n, count = yyjson_arr_size(members);
    yyjson_obj_foreach(c->body, at, n, key, value)
    {
        size_t i = 0;
        while (i < COUNT_OF(names) && !slice_eq_str(json_text(key), names[i]))
            i++;
        if (i == COUNT_OF(names))
            return err_set(&c->err, RC_INVALID, "a list of people has a name and members only");
    }
    if (by && !(yyjson_is_str(by) && slice_eq_str(json_text(by), "users")))
        return err_set(&c->err, RC_INVALID, "/count_by: members are ids of users");
    if (!yyjson_is_arr(members) || count == 0 || count > DEFINITION_MEMBERS_MAX)
        return err_set(&c->err, RC_INVALID, "/members: give 1 to %d ids of users",
                       DEFINITION_MEMBERS_MAX);
    return RC_OK;
}

enum rc definition_create_cohort(struct ctx *ctx, struct definition_call *c)
{
    size_t count = yyjson_arr_size(json_get(c->body, "members"));
    if (!json_get(c->body, "members")) {
        if (!json_get(c->body, "conditions"))
            return err_set(&c->err, RC_INVALID, "/conditions: they are needed, or members");
        return definition_create(ctx, c);
    }
    TRY(check_members(c));
    struct slice *ids = heap_alloc(HEAP_ANALYTICS, count * sizeof(*ids));
    enum rc rc = create_listed(ctx, c, ids, count);
    heap_free(ids);
    return rc;
}

enum rc definition_update_cohort(struct ctx *ctx, struct definition_call *c)
{
    if (json_get(c->body, "count_by"))
        return err_set(&c->err, RC_INVALID, "/count_by: it is settled when a cohort is made");
    return definition_update(ctx, c);
}
