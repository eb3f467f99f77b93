/* Any bytes as a question: refused with a pointer, or statements of our own words only, that read
 * nothing but what is bound. */
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
    for (const char *p = sql; *p; p++)
        check(*p >= ' ' && *p <= 'z' + 3 && *p != '~' && *p != '`' && *p != '"' && *p != ';');
    for (const char *p = sql; (p = strstr(p, "FROM ")); p += 5)
        check(p[5] == '(' || p[5] == '$');
    check(!strstr(sql, "--") && !strstr(sql, "/*"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct report r;
    struct arena arena;
    struct buf sql;
    struct err err = ERR_INIT;
    arena_init(&arena, 64 * 1024, 16 << 20);
    buf_init(&sql, 4 << 20);
    if (!report_parse(&r, &arena, slice_of((const char *)data, size))) {
        check(r.err.rc == RC_INVALID || arena.is_failed);
    } else {
        report_range_sql(&r, &sql);
        report_main_sql(&r, &sql);
        check_statement(buf_cstr(&sql));
        check(report_range_read(&r, SLICE_LIT("[20541,20542,0,86400000,20541,20542,0,1]\n"),
                                &err) == RC_OK);
        buf_clear(&sql);
        report_query_shape(&r, &sql);
    }
    buf_done(&sql);
    arena_done(&arena);
    return 0;
}
