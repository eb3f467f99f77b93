/* Any bytes as a question: refused with a pointer, or statements of our own words only, that read
 * nothing but what is bound; by a shared link, nothing of what it does not tell. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analytics/report/report_int.h"

static void check(int is_true)
{
    if (!is_true)
        abort();
}

static void check_statement(const char *sql)
{
    for (const char *p = sql; *p; p++) {
        bool is_ours =
            p > sql && p[-1] == '\'' && p[1] == '\''; /* '"', what JSON's texts begin with */
        check(*p >= ' ' && *p <= 'z' + 3 && *p != '~' && *p != '`' && *p != ';');
        check(*p != '"' || is_ours);
    }
    for (const char *p = sql; (p = strstr(p, "FROM ")); p += 5)
        check(p[5] == '(' || p[5] == '$');
    check(!strstr(sql, "--") && !strstr(sql, "/*"));
}

/* What is stored, by the first letter of its name: good, of the wrong kind, nested, in a circle. */
static enum rc find(void *ctx, const struct stored_where *where, enum stored_kind kind,
                    struct slice name, struct buf *out, struct err *err)
{
    static const char *const filters[] = {
        "[[\"is\",\"event\",[\"a\",\"b\"]]]", "[[\"segment\",\"c\"]]",
        "[[\"or\",[[\"is\",\"source\",[\"x\"]],[\"not\",[\"segment\",\"a\"]]]]]", "[[\"nothing\"]]",
        "[]"};
    (void)ctx;
    (void)where;
    if (name.data[0] < 'a' || name.data[0] > 'e')
        return err_set(err, RC_NOTFOUND, "nothing");
    /* A cohort's conditions are any bytes that the question brings. */
    if (kind == STORED_COHORT && name.len > 1)
        buf_addf(out, "{\"id\":\"x\",\"count_by\":\"users\",\"conditions\":%.*s}",
                 (int)name.len - 1, name.data + 1);
    else if (kind == STORED_COHORT)
        buf_add_str(out, name.data[0] == 'a' ? "{\"id\":\"x\",\"list_id\":\"y'z\",\"size\":3}"
                                             : "{\"id\":\"x\",\"conditions\":[{\"did\":{\"goal\":"
                                               "\"a\"},\"at_least\":2,\"range\":[\"2026-01-01\","
                                               "\"2026-01-02\"]}]}");
    else
        buf_addf(out,
                 "{\"id\":\"%.*s\",\"filters\":%s,\"revenue\":{\"property\":\"property:a.b\","
                 "\"currency\":\"EUR\"}}",
                 1, name.data,
                 kind == STORED_GOAL && name.data[0] == 'c' ? "7" : filters[name.data[0] - 'a']);
    return RC_OK;
}

static enum rc all(void *ctx, const struct stored_where *where, enum stored_kind kind,
                   struct buf *out, struct err *err)
{
    (void)ctx;
    (void)where;
    (void)kind;
    (void)err;
    buf_add_str(out, "[{\"id\":\"x\",\"name\":\"it's\",\"filters\":[[\"segment\",\"a\"]]}]");
    return RC_OK;
}

/* The same bytes by a shared link: its own filter stands first, and nothing of properties, of what
 * was paid and of what is stored gets into a statement. */
static void check_bounded(struct slice body, const struct stored_lookup *lookup)
{
    static const struct report_bounds bounds = {
        .pages = SLICE_CONST("overview funnel retention paths"),
        .filters = SLICE_CONST("[[\"is\",\"country\",[\"ZZ\"]]]")};
    static struct report r;
    struct arena arena;
    struct buf sql;
    arena_init(&arena, 64 * 1024, 16 << 20);
    buf_init(&sql, 4 << 20);
    if (report_parse_within(&r, &arena, body, lookup, &bounds)) {
        check(r.filter && r.filter->op == OP_AND && r.filter->children->op == OP_IS &&
              slice_eq_str(r.filter->children->dim.name, "country"));
        check(!r.goals && !r.worth.is_known && !r.list_count && !r.has_sql);
        report_main_sql(&r, &sql);
        check(!strstr(buf_cstr(&sql), "properties") && !strstr(buf_cstr(&sql), "revenue"));
    }
    buf_done(&sql);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stored_source source = {.find = find, .all = all};
    static const struct stored_lookup lookup = {
        .source = &source, .where = {SLICE_LIT("p"), SLICE_LIT("v")}, .self = SLICE_LIT("d")};
    static struct report r;
    struct arena arena;
    struct buf sql;
    struct err err = ERR_INIT;
    arena_init(&arena, 64 * 1024, 16 << 20);
    buf_init(&sql, 4 << 20);
    if (!report_parse(&r, &arena, slice_of((const char *)data, size), &lookup)) {
        check(r.err.rc == RC_INVALID || arena.is_failed);
    } else {
        r.has_behaviour = size % 2;
        report_range_sql(&r, &sql);
        report_main_sql(&r, &sql);
        check_statement(buf_cstr(&sql));
        check(report_range_read(&r,
                                SLICE_LIT("[20541,20542,1774742400000,1774915200000,20541,20542,"
                                          "1774742400000,1774915200000,1,0]\n"),
                                &err) == RC_OK);
        buf_clear(&sql);
        report_main_sql(&r, &sql); /* with slots */
        check_statement(buf_cstr(&sql));
        buf_clear(&sql);
        report_query_shape(&r, &sql);
    }
    buf_done(&sql);
    arena_done(&arena);
    check_bounded(slice_of((const char *)data, size), &lookup);
    return 0;
}
