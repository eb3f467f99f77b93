#ifndef WEIR_TEST_PROJECT_FAKE_H
#define WEIR_TEST_PROJECT_FAKE_H
/* A table in memory behind struct project_table_ops. It reads Native with a decoder of its own
 * (the reference for the encoder), keeps insert tokens as the engine does, and fails on command. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/projector/project_int.h"

enum { FAKE_ROWS_MAX = 20000, FAKE_TOKENS_MAX = 4000, FAKE_TEXTS = 49 };
struct fake_row {
    struct project_seen seen;
    int64_t timestamp_ms;
    char *texts[FAKE_TEXTS]; /* by enum below */
    uint32_t width, height, engagement_ms;
    uint8_t dedupe, is_interactive, scroll_depth;
    uint64_t visitor, device;
    int64_t revenue;
    uint16_t partition;
    uint64_t offset;
};
enum fake_fault {
    FAKE_FINE,
    FAKE_LOST_REQUEST, /* insert: nothing happened, error */
    FAKE_LOST_ANSWER,  /* insert: took effect, error */
    FAKE_LOST_ROWS,    /* insert: token noted, rows gone, error (power loss between the two) */
    FAKE_NO_ANSWERS,   /* every question fails */
};
struct fake_table {
    struct fake_row rows[FAKE_ROWS_MAX];
    uint32_t count;
    char tokens[FAKE_TOKENS_MAX][256];
    uint32_t token_count;
    enum fake_fault fault; /* of the next insert; then FINE */
    uint32_t fault_after;  /* inserts that still go well before it */
    bool forgets_tokens;   /* as after a power loss without the log */
    uint32_t inserts, questions, ids_asked, recents;
    uint32_t rows_of_last_insert;
};

struct fake_reader {
    const char *p, *end;
};
static inline void fake_take(struct fake_reader *r, void *to, size_t n)
{
    assert_true((size_t)(r->end - r->p) >= n);
    memcpy(to, r->p, n);
    r->p += n;
}
static inline char *fake_take_text(struct fake_reader *r)
{
    size_t len = 0;
    unsigned shift = 0;
    unsigned char byte;
    do {
        fake_take(r, &byte, 1);
        len |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    char *text = calloc(1, len + 1);
    fake_take(r, text, len);
    return text;
}
static inline void fake_take_uuid(struct fake_reader *r, struct uuid *to)
{
    unsigned char b[16];
    fake_take(r, b, 16);
    for (int i = 0; i < 16; i++)
        to->bytes[i] = b[i < 8 ? 7 - i : 23 - i];
}
enum { FAKE_COLUMNS = 63, FAKE_BLOCK_MAX = 1000 };
static inline char **fake_text_place(struct fake_row *row, const char *column)
{
    static const char *const texts[FAKE_TEXTS - 1] = {"event",
                                                      "user_id",
                                                      "anonymous_id",
                                                      "session_id",
                                                      "page_url",
                                                      "page_path",
                                                      "page_title",
                                                      "page_referrer",
                                                      "referrer_domain",
                                                      "hostname",
                                                      "utm_source",
                                                      "utm_medium",
                                                      "utm_campaign",
                                                      "utm_term",
                                                      "utm_content",
                                                      "user_agent",
                                                      "locale",
                                                      "source",
                                                      "properties",
                                                      "context",
                                                      "traits",
                                                      "traits_once",
                                                      "country",
                                                      "region",
                                                      "city",
                                                      "network",
                                                      "privacy",
                                                      "timezone",
                                                      "kind",
                                                      "currency",
                                                      "group_type",
                                                      "group_id",
                                                      "groups",
                                                      "previous_id",
                                                      "browser_name",
                                                      "browser_version",
                                                      "os_name",
                                                      "os_version",
                                                      "device_type",
                                                      "device_brand",
                                                      "device_model",
                                                      "bot",
                                                      "channel",
                                                      "referrer_source",
                                                      "click_id",
                                                      "screen_class",
                                                      "hints",
                                                      "properties_shape"};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (strcmp(column, texts[i]) == 0) {
            assert_null(row->texts[i]);
            return &row->texts[i];
        }
    fail_msg("no column %s", column);
    return NULL;
}
/* Numbers of texts, which stand before them. */
static inline void fake_take_keyed(struct fake_reader *r, const char *column, struct fake_row *rows,
                                   uint32_t n)
{
    uint64_t head[3], count;
    fake_take(r, head, sizeof(head));
    assert_int_equal(head[0], 1);
    assert_true((head[1] & ~UINT64_C(3)) == 1 << 9 && head[2] > 0 && head[2] <= FAKE_BLOCK_MAX + 1);
    char *keys[FAKE_BLOCK_MAX + 1];
    for (uint64_t i = 0; i < head[2]; i++)
        keys[i] = fake_take_text(r);
    fake_take(r, &count, sizeof(count));
    assert_int_equal(count, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t number = 0;
        fake_take(r, &number, (size_t)1 << (head[1] & 3));
        assert_true(number < head[2]);
        *fake_text_place(&rows[i], column) = strdup(keys[number]);
    }
    for (uint64_t i = 0; i < head[2]; i++)
        free(keys[i]);
}
/* Where the values of a column go. */
static inline void fake_take_value(struct fake_reader *r, const char *column, const char *type,
                                   struct fake_row *row)
{
    const struct {
        const char *column, *type;
        void *to;
        size_t bytes;
    } fixed[] = {
        {"timestamp", "DateTime64(3, 'UTC')", &row->timestamp_ms, 8},
        {"received_at", "DateTime64(3, 'UTC')", &row->seen.received_at.ms, 8},
        {"screen_width", "UInt32", &row->width, 4},
        {"screen_height", "UInt32", &row->height, 4},
        {"dedupe", "UInt8", &row->dedupe, 1},
        {"stream_partition", "UInt16", &row->partition, 2},
        {"stream_offset", "UInt64", &row->offset, 8},
        {"visitor", "UInt64", &row->visitor, 8},
        {"device", "UInt64", &row->device, 8},
        {"is_interactive", "UInt8", &row->is_interactive, 1},
        {"engagement_ms", "UInt32", &row->engagement_ms, 4},
        {"scroll_depth", "UInt8", &row->scroll_depth, 1},
        {"revenue", "Decimal(18, 4)", &row->revenue, 8},
    };
    if (strcmp(type, "UUID") == 0) {
        assert_true(strcmp(column, "id") == 0 || strcmp(column, "project_id") == 0);
        fake_take_uuid(r, column[0] == 'i' ? &row->seen.id : &row->seen.project);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        if (strcmp(column, fixed[i].column) == 0) {
            assert_string_equal(type, fixed[i].type);
            fake_take(r, fixed[i].to, fixed[i].bytes);
            return;
        }
    assert_string_equal(type, "String");
    *fake_text_place(row, column) = fake_take_text(r);
}
/* One block; the rows are the caller's to free. Returns how many. */
static inline uint32_t fake_take_block(struct fake_reader *r, struct fake_row *rows)
{
    uint8_t columns, low, high = 0;
    fake_take(r, &columns, 1);
    assert_int_equal(columns, FAKE_COLUMNS);
    fake_take(r, &low, 1);
    if (low & 0x80)
        fake_take(r, &high, 1);
    uint32_t n = (low & 0x7fU) | (uint32_t)high << 7;
    assert_true(n > 0 && n <= FAKE_BLOCK_MAX);
    memset(rows, 0, n * sizeof(*rows));
    for (int c = 0; c < columns; c++) {
        char *name = fake_take_text(r), *type = fake_take_text(r);
        bool is_keyed = strcmp(type, "LowCardinality(String)") == 0;
        if (is_keyed)
            fake_take_keyed(r, name, rows, n);
        for (uint32_t i = 0; i < n && !is_keyed; i++)
            fake_take_value(r, name, type, &rows[i]);
        free(name);
        free(type);
    }
    assert_ptr_equal(r->p, r->end);
    return n;
}
enum { /* places in texts[] */
       FAKE_EVENT,
       FAKE_USER,
       FAKE_ANONYMOUS,
       FAKE_SESSION,
       FAKE_URL,
       FAKE_PATH,
       FAKE_TITLE,
       FAKE_REFERRER,
       FAKE_REFERRER_DOMAIN,
       FAKE_HOST,
       FAKE_UTM,
       FAKE_AGENT = FAKE_UTM + 5,
       FAKE_LOCALE,
       FAKE_SOURCE,
       FAKE_PROPERTIES,
       FAKE_CONTEXT,
       FAKE_TRAITS,
       FAKE_TRAITS_ONCE,
       FAKE_COUNTRY,
       FAKE_REGION,
       FAKE_CITY,
       FAKE_NETWORK,
       FAKE_PRIVACY,
       FAKE_TIME_ZONE,
       FAKE_KIND,
       FAKE_CURRENCY,
       FAKE_GROUP_TYPE,
       FAKE_GROUP_ID,
       FAKE_GROUPS,
       FAKE_PREVIOUS_ID,
       FAKE_BROWSER_NAME,
       FAKE_BROWSER_VERSION,
       FAKE_OS_NAME,
       FAKE_OS_VERSION,
       FAKE_DEVICE_TYPE,
       FAKE_DEVICE_BRAND,
       FAKE_DEVICE_MODEL,
       FAKE_BOT,
       FAKE_CHANNEL,
       FAKE_REFERRER_SOURCE,
       FAKE_CLICK_ID,
       FAKE_SCREEN_CLASS,
       FAKE_HINTS,
       FAKE_SHAPE,
};

static inline void fake_row_done(struct fake_row *row)
{
    for (int i = 0; i < FAKE_TEXTS; i++)
        free(row->texts[i]);
    memset(row, 0, sizeof(*row));
}
static inline void fake_done(struct fake_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        fake_row_done(&t->rows[i]);
    free(t);
}

static inline bool fake_knows(const struct fake_table *t, const char *token)
{
    for (uint32_t i = 0; i < t->token_count; i++)
        if (strcmp(t->tokens[i], token) == 0)
            return true;
    return false;
}

static inline enum rc fake_insert(void *ctx, struct slice block, const char *token, struct err *err)
{
    struct fake_table *t = ctx;
    enum fake_fault fault = t->fault_after ? FAKE_FINE : t->fault;
    if (t->fault_after)
        t->fault_after--;
    else
        t->fault = FAKE_FINE;
    t->inserts++;
    if (fault == FAKE_LOST_REQUEST)
        return err_set(err, RC_UNAVAILABLE, "lost on the way");
    bool is_known = fake_knows(t, token);
    if (!is_known && !t->forgets_tokens) {
        assert_true(t->token_count < FAKE_TOKENS_MAX && strlen(token) < 256);
        snprintf(t->tokens[t->token_count++], 256, "%s", token);
    }
    struct fake_reader r = {block.data, block.data + block.len};
    struct fake_row rows[FAKE_BLOCK_MAX];
    t->rows_of_last_insert = fake_take_block(&r, rows);
    for (uint32_t i = 0; i < t->rows_of_last_insert; i++) {
        assert_true(t->count < FAKE_ROWS_MAX);
        if (is_known || fault == FAKE_LOST_ROWS)
            fake_row_done(&rows[i]);
        else
            t->rows[t->count++] = rows[i];
    }
    return fault == FAKE_FINE ? RC_OK : err_set(err, RC_TIMEOUT, "the answer was lost");
}
static inline enum rc fake_offsets(void *ctx, uint32_t partition, uint64_t first, uint64_t last,
                                   void (*each)(void *ctx, uint64_t offset), void *each_ctx,
                                   struct err *err)
{
    struct fake_table *t = ctx;
    t->questions++;
    if (t->fault == FAKE_NO_ANSWERS)
        return err_set(err, RC_UNAVAILABLE, "no answer");
    for (uint32_t i = 0; i < t->count; i++)
        if (t->rows[i].partition == partition && t->rows[i].offset >= first &&
            t->rows[i].offset <= last)
            each(each_ctx, t->rows[i].offset);
    return RC_OK;
}
static inline enum rc fake_ids(void *ctx, const struct project_seen *ids, uint32_t count,
                               void (*each)(void *ctx, const struct project_seen *row),
                               void *each_ctx, struct err *err)
{
    struct fake_table *t = ctx;
    t->questions++;
    t->ids_asked += count;
    if (t->fault == FAKE_NO_ANSWERS)
        return err_set(err, RC_UNAVAILABLE, "no answer");
    for (uint32_t i = 0; i < t->count; i++)
        for (uint32_t k = 0; k < count; k++)
            if (memcmp(&t->rows[i].seen.id, &ids[k].id, sizeof(ids[k].id)) == 0)
                each(each_ctx, &t->rows[i].seen);
    return RC_OK;
}
static inline enum rc fake_recent(void *ctx,
                                  void (*each)(void *ctx, const struct project_seen *row),
                                  void *each_ctx, struct err *err)
{
    struct fake_table *t = ctx;
    int64_t newest = 0;
    t->recents++;
    if (t->fault == FAKE_NO_ANSWERS)
        return err_set(err, RC_UNAVAILABLE, "no answer");
    for (uint32_t i = 0; i < t->count; i++)
        if (t->rows[i].seen.received_at.ms > newest)
            newest = t->rows[i].seen.received_at.ms;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->rows[i].dedupe &&
            t->rows[i].seen.received_at.ms > newest - INT64_C(8) * 24 * 3600 * 1000)
            each(each_ctx, &t->rows[i].seen);
    return RC_OK;
}
static const struct project_table_ops fake_ops = {
    .offsets = fake_offsets, .ids = fake_ids, .recent = fake_recent, .insert = fake_insert};
#endif
