/* Stands in for the store where a test has none: it can be down, or "make Parquet" of a fixed
 * content. */
#include "no_store.h"

#include <stdio.h>
#include <string.h>

#include "base/heap.h"

static struct no_store_state state;

struct no_store_state *no_store(void)
{
    return &state;
}

static enum rc down(struct err *err)
{
    return err_set(err, RC_UNAVAILABLE, "no store");
}

enum rc store_pool_take(struct store_pool *p, struct store_client **ret_client, struct err *err)
{
    (void)p;
    (void)err;
    *ret_client = NULL;
    return RC_OK;
}

void store_pool_give(struct store_pool *p, struct store_client *c)
{
    (void)p, (void)c;
}

enum rc store_exec(struct store_client *c, const char *sql, struct err *err)
{
    (void)c;
    if (!state.is_up)
        return down(err);
    if (strncmp(sql, "CREATE", 6) == 0)
        state.rows = 0;
    return RC_OK;
}

enum rc store_insert(struct store_client *c, const char *table, const char *columns,
                     const char *format, struct slice body, const char *token,
                     struct store_summary *ret_summary, int *ret_code, struct err *err)
{
    (void)c, (void)table, (void)columns, (void)format, (void)token, (void)ret_summary,
        (void)ret_code;
    if (!state.is_up)
        return down(err);
    const unsigned char *p = (const unsigned char *)body.data, *end = p + body.len;
    while (p < end) { /* RowBinary: UInt64, String */
        size_t len = 0;
        p += 8;
        for (int shift = 0;; shift += 7) {
            len |= (size_t)(*p & 0x7f) << shift;
            if (!(*p++ & 0x80))
                break;
        }
        p += len;
        state.rows++;
    }
    return p == end ? RC_OK : RC_STORE;
}

enum rc store_query(struct ctx *ctx, struct store_client *c, const struct store_query *q,
                    struct buf *out, struct store_summary *ret_summary, int *ret_code,
                    struct err *err)
{
    (void)ctx, (void)c, (void)ret_summary, (void)ret_code;
    char text[64];
    if (!state.is_up)
        return down(err);
    snprintf(text, sizeof(text), q->on_data ? "PAR1 %llu rows PAR1" : "%llu\n",
             (unsigned long long)state.rows);
    if (q->on_data)
        return q->on_data(q->ctx, slice_str(text));
    buf_add_str(out, text);
    return RC_OK;
}
