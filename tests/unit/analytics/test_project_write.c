/* The writer over a table in memory: what a crash, a lost answer, a retry and a wrong filter do to
 * the rows. */
#include "test_project_fake.h"

#include "base/random.h"
#include "project_same.h"

enum { BATCH_MAX = 400 };
struct bench {
    struct fake_table *table;
    struct project_writer *w;
    struct project_cfg cfg;
    char values[BATCH_MAX][2048];
    struct stream_record records[BATCH_MAX];
    struct consumer_batch batch;
    struct project_counts counts;
    uint32_t rejected_index;
    char reason[200];
    struct err err;
};

static void bench_restart(struct bench *b)
{
    project_writer_free(b->w);
    assert_int_equal(project_writer_new_over(&b->cfg, &fake_ops, b->table, &b->w, &b->err), RC_OK);
}
static struct bench *bench_new(void)
{
    struct bench *b = calloc(1, sizeof(*b));
    b->table = calloc(1, sizeof(*b->table));
    bench_restart(b);
    return b;
}
static void bench_free(struct bench *b)
{
    project_writer_free(b->w);
    fake_done(b->table);
    free(b);
}
static void batch_begin(struct bench *b, uint32_t partition, uint64_t first)
{
    b->batch = (struct consumer_batch){.stream = "events",
                                       .partition = partition,
                                       .first = first,
                                       .last = first,
                                       .records = b->records};
}
static void add_value(struct bench *b, const char *value)
{
    uint32_t i = b->batch.count++;
    assert_true(i < BATCH_MAX);
    snprintf(b->values[i], sizeof(b->values[i]), "%s", value);
    b->records[i] = (struct stream_record){.key = SLICE_LIT("p/v"),
                                           .value = slice_str(b->values[i]),
                                           .offset = b->batch.first + i,
                                           .partition = b->batch.partition};
    b->batch.last = b->records[i].offset;
}
static const int64_t t0 = INT64_C(1790000000000);
enum { DEDUPE = 1, HISTORICAL = 2, OTHER_PROJECT = 4 };
static void add_event_at(struct bench *b, uint32_t id, int64_t received_ms, int flags)
{
    char value[1024], at[TIME_TEXT_BYTES];
    time_format((unix_ms){received_ms}, at);
    snprintf(value, sizeof(value),
             "{\"id\":\"00000000-0000-4000-8000-%012u\","
             "\"project\":\"11111111-1111-4111-8111-%012u\",\"event\":\"e\",\"timestamp\":\"%s\","
             "\"received_at\":\"%s\",\"source\":\"api\"%s%s,\"properties\":{\"n\":%u}}",
             id, flags & OTHER_PROJECT ? 2 : 1, at, at, flags & DEDUPE ? ",\"dedupe\":true" : "",
             flags & HISTORICAL ? ",\"historical\":true" : "", id);
    add_value(b, value);
}
static void add_event(struct bench *b, uint32_t id, int flags)
{
    add_event_at(b, id, t0 + id, flags);
}
static void on_reject(void *ctx, uint32_t index, const char *reason)
{
    struct bench *b = ctx;
    b->rejected_index = index;
    snprintf(b->reason, sizeof(b->reason), "%s", reason);
}
static enum rc write(struct bench *b, bool is_repeat)
{
    snprintf(b->batch.token, sizeof(b->batch.token), "events/%u/%llu-%llu", b->batch.partition,
             (unsigned long long)b->batch.first, (unsigned long long)b->batch.last);
    b->batch.is_repeat = is_repeat;
    b->err = ERR_INIT;
    return project_writer_write(b->w, &b->batch, on_reject, b, &b->counts, &b->err);
}
static void write_ok(struct bench *b, bool is_repeat, uint64_t rows, uint64_t present,
                     uint64_t duplicate)
{
    assert_int_equal(write(b, is_repeat), RC_OK);
    assert_int_equal(b->counts.rows, rows);
    assert_int_equal(b->counts.present, present);
    assert_int_equal(b->counts.duplicate, duplicate);
}

static void a_record_becomes_the_row_it_describes(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 3, 70);
    add_value(b,
              "{\"id\":\"0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071\","
              "\"project\":\"11111111-2222-4333-8444-555555555555\",\"event\":\"pageview\","
              "\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"received_at\":"
              "\"2026-01-02T03:04:06.000Z\",\"source\":\"seed\",\"dedupe\":true,\"user_id\":"
              "\"u\\n\\u00e9\","
              "\"anonymous_id\":\"a\",\"session_id\":\"s\",\"page\":{\"url\":"
              "\"https://me@Shop.Example:8443/a%20b?x=1&utm_source=news+letter&utm_medium=%C3%A9&"
              "utm_campaign=c;d&utm_term=&utm_content=z#frag\",\"title\":\"T\",\"referrer\":"
              "\"http://WWW.Search.example/q?utm_source=no\"},\"screen\":{\"width\":1920,"
              "\"height\":1080},\"user_agent\":\"UA\",\"locale\":\"de-DE\","
              "\"device\":\"00000000deadbeef\",\"geo\":{\"country\":\"DE\",\"region\":\"DE-BE\""
              ",\"city\":\"Berlin\",\"network\":\"hosting\"},\"privacy\":\"gpc\""
              ",\"hints\":{\"brands\":\"b\",\"platform\":\"p\",\"platform_version\":\"v\""
              ",\"model\":\"m\",\"mobile\":\"?0\"},\"timezone\":\"Europe/Berlin\""
              ",\"kind\":\"group\",\"interactive\":false,\"engagement_ms\":1234,\"scroll\":80"
              ",\"revenue\":{\"amount\":\"9.5\",\"currency\":\"EUR\"}"
              ",\"group\":{\"type\":\"company\",\"id\":\"g1\"},\"groups\":{\"team\":\"t\"}"
              ",\"previous_id\":\"old\""
              ",\"traits\":{\"plan\":\"pro\"},\"traits_once\":{\"first\":1},"
              "\"properties\":{\"a;b\":"
              "\"}\\\"{\",\"big\":12345678901234567890},\"context\":{\"page\":{}},\"new\":[1]}");
    write_ok(b, false, 1, 0, 0);
    const struct fake_row *row = &b->table->rows[0];
    char text[UUID_TEXT_LEN + 1];
    assert_string_equal(uuid_format(&row->seen.id, text), "0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071");
    assert_string_equal(uuid_format(&row->seen.project, text),
                        "11111111-2222-4333-8444-555555555555");
    assert_int_equal(row->timestamp_ms, INT64_C(1767323045678));
    assert_int_equal(row->seen.received_at.ms, INT64_C(1767323046000));
    static const char *const want[FAKE_TEXTS] = {
        "pageview",
        "u\n\xc3\xa9",
        "a",
        "s",
        ("https://me@Shop.Example:8443/a%20b?x=1&utm_source=news+letter&utm_medium=%C3%A9&"
         "utm_campaign=c;d&utm_term=&utm_content=z#frag"),
        "/a%20b",
        "T",
        "http://WWW.Search.example/q?utm_source=no",
        "www.search.example",
        "shop.example",
        "news letter",
        "\xc3\xa9",
        "c;d",
        "",
        "z",
        "UA",
        "de-DE",
        "seed",
        "{\"a;b\":\"}\\\"{\",\"big\":12345678901234567890}",
        "{\"page\":{}}",
        "{\"plan\":\"pro\"}",
        "{\"first\":1}",
        "DE",
        "DE-BE",
        "Berlin",
        "hosting",
        "gpc",
        "Europe/Berlin",
        "group",
        "EUR",
        "company",
        "g1",
        "{\"team\":\"t\"}",
        "old",
    };
    for (int i = 0; i <= FAKE_PREVIOUS_ID; i++)
        assert_string_equal(row->texts[i], want[i]);
    assert_string_equal(row->texts[FAKE_SHAPE], "{\"a;b\":\"\",\"big\":0}");
    assert_int_equal(row->width, 1920);
    assert_int_equal(row->height, 1080);
    assert_int_equal(row->dedupe, 1);
    assert_int_equal(row->device, 0xdeadbeef);
    assert_int_equal(row->is_interactive, 0);
    assert_int_equal(row->engagement_ms, 1234);
    assert_int_equal(row->scroll_depth, 80);
    assert_int_equal(row->revenue, 95000);
    assert_int_equal(row->partition, 3);
    assert_int_equal(row->offset, 70);
    bench_free(b);
}

static void a_row_says_where_the_visitor_came_from(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 0, 0);
    add_value(b, "{\"id\":\"0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071\","
                 "\"project\":\"11111111-2222-4333-8444-555555555555\",\"event\":\"pageview\","
                 "\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"received_at\":"
                 "\"2026-01-02T03:04:06.000Z\",\"source\":\"api\",\"page\":{\"url\":"
                 "\"https://WWW.Shop.Example.:8443/x\",\"path\":\"//caf%c3%a9/?gclid=no\","
                 "\"referrer\":\"https://www.google.co.uk/\"},\"screen\":{\"width\":991}}");
    add_value(b, "{\"id\":\"0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6072\","
                 "\"project\":\"11111111-2222-4333-8444-555555555555\",\"event\":\"invoice paid\","
                 "\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"received_at\":"
                 "\"2026-01-02T03:04:06.000Z\",\"source\":\"api\"}");
    add_value(b, "{\"id\":\"0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6073\","
                 "\"project\":\"11111111-2222-4333-8444-555555555555\",\"event\":\"pageview\","
                 "\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"received_at\":"
                 "\"2026-01-02T03:04:06.000Z\",\"source\":\"api\",\"page\":{\"url\":"
                 "\"https://a.example/?utm_medium=cpc&msclkid=1\"}}");
    write_ok(b, false, 3, 0, 0);
    static const char *const want[][7] = {
        /* page_path, hostname, referrer_domain, channel, referrer_source, click_id, screen_class */
        {"/caf\xc3\xa9", "www.shop.example", "www.google.co.uk", "Organic Search", "Google", "",
         "tablet"},
        {"", "", "", "", "", "", ""},
        {"/", "a.example", "", "Paid Search", "Bing", "msclkid", ""},
    };
    static const unsigned at[] = {
        FAKE_PATH,     FAKE_HOST,        FAKE_REFERRER_DOMAIN, FAKE_CHANNEL, FAKE_REFERRER_SOURCE,
        FAKE_CLICK_ID, FAKE_SCREEN_CLASS};
    for (size_t i = 0; i < COUNT_OF(want); i++)
        for (size_t k = 0; k < COUNT_OF(at); k++)
            assert_string_equal(b->table->rows[i].texts[at[k]], want[i][k]);
    bench_free(b);
}

static void poison_is_named_and_the_rest_goes_in(void **state)
{
    (void)state;
    static const struct {
        const char *value, *reason;
    } table[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{\"id\":", "not a JSON object"},
        {"{\"id\":\"\xff\"}", "not a JSON object"},
        {"{}", "project"},
        {"{\"project\":\"11111111-2222-4333-8444-555555555555\",\"id\":7}", "id"},
        {"{\"project\":\"11111111-2222-4333-8444-555555555555\",\"id\":"
         "\"11111111-2222-4333-8444-555555555555\",\"event\":\"\"}",
         "event name"},
        {"{\"project\":\"11111111-2222-4333-8444-555555555555\",\"id\":"
         "\"11111111-2222-4333-8444-555555555555\",\"event\":\"e\",\"timestamp\":"
         "\"2149-06-08T00:00:00Z\",\"received_at\":\"2026-01-01\"}",
         "timestamp"},
        {"{\"project\":\"11111111-2222-4333-8444-555555555555\",\"id\":"
         "\"11111111-2222-4333-8444-555555555555\",\"event\":\"e\",\"timestamp\":"
         "\"2026-01-01\",\"received_at\":\"1969-12-31\"}",
         "received_at"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct bench *b = bench_new();
        batch_begin(b, 0, 0);
        add_event(b, 1, 0);
        add_value(b, table[i].value);
        add_event(b, 2, 0);
        write_ok(b, false, 2, 0, 0);
        assert_int_equal(b->counts.rejected, 1);
        assert_int_equal(b->rejected_index, 1);
        assert_non_null(strstr(b->reason, table[i].reason));
        assert_int_equal(b->table->count, 2);
        bench_free(b);
    }
}

static const char whole_record[] =
    "{\"id\":\"0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071\",\"project\":"
    "\"11111111-2222-4333-8444-555555555555\",\"event\":\"pageview\",\"timestamp\":"
    "\"2026-01-02T03:04:05.678Z\",\"received_at\":\"2026-01-02T03:04:06.000Z\",\"source\":\"seed\","
    "\"dedupe\":true,\"historical\":true,\"user_id\":\"u\xc3\xa9\",\"anonymous_id\":\"a\","
    "\"session_id\":\"s\",\"page\":{\"url\":\"https://example.com/p?utm_source=x\",\"path\":\"/p\","
    "\"title\":\"T\",\"referrer\":\"http://r.example/\"},\"screen\":{\"width\":1920,\"height\":0},"
    "\"user_agent\":\"UA\",\"locale\":\"de\","
    "\"device\":\"00000000deadbeef\",\"geo\":{\"country\":\"DE\",\"region\":\"DE-BE\""
    ",\"city\":\"Berlin\",\"network\":\"hosting\"},\"privacy\":\"gpc\""
    ",\"hints\":{\"brands\":\"b\",\"platform\":\"p\",\"platform_version\":\"v\""
    ",\"model\":\"m\",\"mobile\":\"?0\"},\"timezone\":\"Europe/Berlin\""
    ",\"kind\":\"group\",\"interactive\":false,\"engagement_ms\":1234,\"scroll\":80"
    ",\"revenue\":{\"amount\":\"9.5\",\"currency\":\"EUR\"}"
    ",\"group\":{\"type\":\"company\",\"id\":\"g1\"},\"groups\":{\"team\":\"t\"}"
    ",\"previous_id\":\"old\""
    ",\"traits\":{\"plan\":\"pro\"},\"traits_once\":{\"first\":1},"
    "\"properties\":{\"a\\n\":[1,-0.5e+3,[],{},\"\\\\\"],"
    "\"b\":{\"c\":null,\"d\":[true,false]},\"e\":0},\"context\":{\"x\":\"\xf0\x9f\x8c\x8d\"}}";

static void both_readers_agree_on_every_record_one_byte_away(void **state)
{
    (void)state;
    static const char bytes[] = "\"\\{}[],:0-1.eEtn/ \n\x01\x7f\x80\xc3\xff";
    enum { LEN = sizeof(whole_record) - 1 };
    struct arena scratch;
    uint32_t taken = 0;
    arena_init(&scratch, 64 << 10, 1 << 20);
    for (size_t at = 0; at <= LEN; at++) {
        char *text = malloc(LEN + 1); /* exactly: reading past it is seen */
        memcpy(text, whole_record, at);
        taken += project_check_same(slice_of(text, at), &scratch); /* cut */
        if (at < LEN) {                                            /* one left out */
            memcpy(text + at, whole_record + at + 1, LEN - at - 1);
            taken += project_check_same(slice_of(text, LEN - 1), &scratch);
        }
        for (size_t k = 0; k < sizeof(bytes); k++) { /* one put in, the NUL too */
            text[at] = bytes[k];
            memcpy(text + at + 1, whole_record + at, LEN - at);
            taken += project_check_same(slice_of(text, LEN + 1), &scratch);
            if (at < LEN) /* and one in place of another */
                memcpy(text + at + 1, whole_record + at + 1, LEN - at - 1);
            taken += project_check_same(slice_of(text, LEN), &scratch);
        }
        free(text);
    }
    assert_true(taken > 1000); /* it is about both */
    arena_done(&scratch);
}

/* What event_encode writes, members left out in every combination. */
static void what_the_writer_writes_is_read_in_one_pass(void **state)
{
    (void)state;
    static const char *const optional[] = {
        ",\"dedupe\":true",
        ",\"historical\":true",
        ",\"user_id\":\"u\"",
        ",\"anonymous_id\":\"a\"",
        ",\"session_id\":\"s\"",
        ",\"page\":{\"url\":\"http://h/\"}",
        ",\"screen\":{\"height\":7}",
        ",\"user_agent\":\"UA\"",
        ",\"locale\":\"de\"",
        ",\"device\":\"0123456789abcdef\",\"geo\":{\"region\":\"r\"}",
        ",\"hints\":{\"mobile\":\"?1\"},\"timezone\":\"UTC\"",
        ",\"kind\":\"vital\",\"interactive\":false",
        ",\"scroll\":7,\"revenue\":{\"amount\":\"-0.25\",\"currency\":\"USD\"}",
        ",\"traits\":{\"t\":1}",
        ",\"properties\":{\"p\":{}}",
        ",\"context\":{\"c\":[\"\\\"\"]}",
    };
    struct arena scratch;
    arena_init(&scratch, 64 << 10, 1 << 20);
    const char *from = strstr(whole_record, ",\"dedupe\"");
    for (uint32_t set = 0; set < 1U << COUNT_OF(optional); set++) {
        char text[1024];
        int n = snprintf(text, sizeof(text), "%.*s", (int)(from - whole_record), whole_record);
        for (uint32_t i = 0; i < COUNT_OF(optional); i++)
            if (set >> i & 1)
                n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", optional[i]);
        n += snprintf(text + n, sizeof(text) - (size_t)n, "}");
        assert_true(project_check_same(slice_of(text, (size_t)n), &scratch));
        text[n - 1] = ',';
        assert_false(project_check_same(slice_of(text, (size_t)n), &scratch));
    }
    /* Not the writer's: whitespace, an escape in a text that becomes a column. The other reader's
     * business, and the row is the same. */
    assert_false(project_check_same(SLICE_LIT(" {}"), &scratch));
    arena_done(&scratch);
}

static void a_repeated_batch_adds_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 1, 10);
    for (uint32_t i = 0; i < 5; i++)
        add_event(b, i, i % 2 ? DEDUPE : 0);
    write_ok(b, false, 5, 0, 0);
    bench_restart(b); /* crash before the checkpoint */
    write_ok(b, true, 0, 5, 0);
    assert_int_equal(b->table->count, 5);
    b->table->token_count = 0; /* and the store forgot its tokens, too */
    bench_restart(b);
    write_ok(b, true, 0, 5, 0);
    assert_int_equal(b->table->count, 5);
    bench_free(b);
}

static uint32_t told;
static enum rc tell(void *ctx, const struct consumer_batch *batch, const uint8_t *why,
                    struct err *err)
{
    (void)ctx;
    (void)err;
    for (uint32_t i = 0; i < batch->count; i++)
        told += why[i] != PROJECT_TAKEN;
    return RC_OK;
}

/* Also within a range that was under way when it was erased, and beside what is left out. */
static void an_erased_record_is_no_row_and_no_poison(void **state)
{
    (void)state;
    for (uint32_t lost = 0; lost < 2; lost++) {
        struct bench *b = bench_new();
        b->cfg.chunk_records = 2;
        b->cfg.left_out = tell;
        bench_restart(b);
        told = 0;
        batch_begin(b, 0, 0);
        for (uint32_t i = 0; i < 7; i++)
            add_event(b, i, 0);
        add_value(b, "poison");
        b->table->fault = lost ? FAKE_LOST_REQUEST : b->table->fault;
        IGNORE(write(b, false), "lost or not: the range comes again");
        bench_restart(b);
        for (uint32_t i = 0; i < 4; i++) /* a whole chunk, and the halves of two */
            b->records[i + 1] = (struct stream_record){.offset = i + 1};
        told = 0;
        assert_int_equal(write(b, true), RC_OK);
        assert_int_equal(b->counts.rows, lost ? 3 : 0);
        assert_int_equal(b->counts.present, lost ? 0 : 3);
        assert_int_equal(b->counts.rejected, 1);
        assert_int_equal(b->rejected_index, 7);
        assert_int_equal(told, 1);
        bench_free(b);
    }
}

static void a_lost_answer_is_made_good_without_doubling(void **state)
{
    (void)state;
    static const enum fake_fault faults[] = {FAKE_LOST_REQUEST, FAKE_LOST_ANSWER, FAKE_LOST_ROWS};
    for (size_t f = 0; f < COUNT_OF(faults); f++)
        for (int restart = 0; restart < 2; restart++) {
            struct bench *b = bench_new();
            batch_begin(b, 0, 0);
            for (uint32_t i = 0; i < 7; i++)
                add_event(b, i, i % 2 ? DEDUPE : 0);
            b->table->fault = faults[f];
            assert_int_not_equal(write(b, false), RC_OK);
            if (restart)
                bench_restart(b);
            /* Without a restart the writer itself remembers that the last try is in doubt. */
            assert_int_equal(write(b, restart), RC_OK);
            assert_int_equal(b->table->count, 7);
            assert_int_equal(b->counts.rows + b->counts.present, 7);
            bench_free(b);
        }
}

static void an_id_goes_in_once(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 0, 0);
    add_event(b, 1, DEDUPE);
    add_event(b, 1, DEDUPE);                 /* twice in one batch */
    add_event(b, 1, DEDUPE | OTHER_PROJECT); /* another tenant's: another event */
    add_event(b, 2, 0);
    add_event(b, 2, 0); /* made here: never looked at */
    write_ok(b, false, 4, 0, 1);
    batch_begin(b, 0, 5);
    add_event(b, 1, DEDUPE);
    add_event(b, 3, DEDUPE);
    write_ok(b, false, 1, 0, 1); /* in a later batch */
    batch_begin(b, 2, 0);
    add_event(b, 3, DEDUPE);
    write_ok(b, false, 0, 0, 1); /* from another partition */
    bench_restart(b);
    batch_begin(b, 0, 7);
    add_event(b, 3, DEDUPE);
    add_event(b, 4, DEDUPE);
    write_ok(b, false, 1, 0, 1); /* behind a restart: the filter was built from the table */
    assert_int_equal(b->table->recents, 2);
    assert_int_equal(b->table->count, 6);
    bench_free(b);
}

static void seven_days_apart_are_two_events_unless_historical(void **state)
{
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct bench *b = bench_new();
        batch_begin(b, 0, 0);
        add_event_at(b, 1, t0, DEDUPE);
        add_event_at(b, 2, t0, DEDUPE);
        write_ok(b, false, 2, 0, 0);
        if (restart)
            bench_restart(b);
        batch_begin(b, 0, 2);
        add_event_at(b, 1, t0 + PROJECT_DEDUPE_MS - 1, DEDUPE);
        add_event_at(b, 2, t0 + PROJECT_DEDUPE_MS, DEDUPE);
        write_ok(b, false, 1, 0, 1);
        batch_begin(b, 0, 4);
        add_event_at(b, 1, t0 + 40 * PROJECT_DEDUPE_MS, DEDUPE | HISTORICAL);
        add_event_at(b, 9, t0 + 40 * PROJECT_DEDUPE_MS, DEDUPE | HISTORICAL);
        write_ok(b, false, 1, 0, 1);
        assert_int_equal(b->counts.asked, 2);
        bench_free(b);
    }
}

static void a_partition_that_lags_is_still_compared(void **state)
{
    (void)state;
    const int64_t day = INT64_C(24) * 3600 * 1000;
    struct bench *b = bench_new();
    batch_begin(b, 0, 0);
    add_event_at(b, 1, t0, DEDUPE);
    write_ok(b, false, 1, 0, 0);
    for (uint32_t i = 0; i < 20; i++) { /* the others run 20 days ahead: generations expire */
        batch_begin(b, 0, 1 + i);
        add_event_at(b, 100 + i, t0 + i * day, DEDUPE);
        write_ok(b, false, 1, 0, 0);
    }
    batch_begin(b, 1, 0);
    add_event_at(b, 1, t0 + day, DEDUPE);
    write_ok(b, false, 0, 0, 1);
    bench_free(b);
}

static void a_full_filter_asks_more_and_loses_nothing(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->cfg.filter_bytes_max = 1; /* the smallest generation, for ever */
    bench_restart(b);
    /* 128 KiB hold 43,690 ids; the table is smaller than that, so fill the filter itself. */
    struct project_filter *f = project_filter_new(1);
    struct prng p;
    prng_seed(&p, 7);
    for (int i = 0; i < 2000000; i++)
        assert_true(project_filter_add(f, prng_next(&p), (unix_ms){t0}));
    assert_true(project_filter_bytes(f) < 200 * 1024);
    uint32_t wrong = 0;
    for (int i = 0; i < 1000; i++)
        wrong += project_filter_has(f, prng_next(&p));
    assert_true(wrong > 900); /* it says yes to nearly everything … */
    prng_seed(&p, 7);
    for (int i = 0; i < 2000000; i++)
        assert_true(project_filter_has(f, prng_next(&p))); /* … and never no to one it has */
    project_filter_free(f);
    /* A yes is only a reason to ask: the row is kept when the table does not have it. */
    batch_begin(b, 0, 0);
    add_event(b, 1, DEDUPE);
    write_ok(b, false, 1, 0, 0);
    fake_row_done(&b->table->rows[--b->table->count]); /* the filter knows it, the table not */
    batch_begin(b, 0, 1);
    add_event(b, 1, DEDUPE);
    write_ok(b, false, 1, 0, 0);
    assert_int_equal(b->counts.asked, 1);
    bench_free(b);
}

static void the_filter_is_exact_enough(void **state)
{
    (void)state;
    struct project_filter *f = project_filter_new(UINT64_C(64) << 20);
    struct prng p;
    prng_seed(&p, 11);
    assert_true(project_filter_bytes(f) < 64 * 1024);
    for (int i = 0; i < 1000000; i++)
        assert_true(project_filter_add(f, prng_next(&p), (unix_ms){t0 + i}));
    uint32_t wrong = 0;
    for (int i = 0; i < 1000000; i++)
        wrong += project_filter_has(f, prng_next(&p));
    assert_true(wrong < 200);
    assert_true(project_filter_bytes(f) < 12 << 20);
    project_filter_free(f);
}

static void months_beyond_the_limit_go_in_pieces(void **state)
{
    (void)state;
    const int64_t month = INT64_C(31) * 24 * 3600 * 1000;
    for (int fail_at = 0; fail_at < 3; fail_at++) {
        struct bench *b = bench_new();
        batch_begin(b, 0, 0);
        for (uint32_t i = 0; i < 200; i++)
            add_event_at(b, i, i * month, i % 3 ? DEDUPE | HISTORICAL : 0);
        if (fail_at == 0) {
            write_ok(b, false, 200, 0, 0);
            assert_int_equal(b->table->inserts, 3);
        } else {
            b->table->fault = fail_at == 1 ? FAKE_LOST_ANSWER : FAKE_LOST_ROWS;
            assert_int_not_equal(write(b, false), RC_OK);
            write_ok(b, true, fail_at == 1 ? 110 : 200, fail_at == 1 ? 90 : 0, 0);
        }
        assert_int_equal(b->table->count, 200);
        bench_free(b);
    }
}

static void nothing_is_written_while_the_store_cannot_answer(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 0, 0);
    add_event(b, 1, DEDUPE);
    b->table->fault = FAKE_NO_ANSWERS;
    assert_int_equal(write(b, false), RC_UNAVAILABLE);
    assert_int_equal(b->table->inserts, 0);
    b->table->fault = FAKE_FINE;
    write_ok(b, false, 1, 0, 0);
    bench_free(b);
}

static void idle_gives_the_memory_back(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    batch_begin(b, 0, 0);
    for (uint32_t i = 0; i < BATCH_MAX; i++)
        add_event(b, i, DEDUPE);
    write_ok(b, false, BATCH_MAX, 0, 0);
    project_writer_idle(b->w);
    batch_begin(b, 0, BATCH_MAX);
    add_event(b, 0, DEDUPE);
    write_ok(b, false, 0, 0, 1);
    bench_free(b);
}

/* A crash between the chunks, at each of them, in each way; the repeat uses the same tokens. */
static void chunks_that_a_crash_parted_come_together(void **state)
{
    (void)state;
    static const enum fake_fault faults[] = {FAKE_LOST_REQUEST, FAKE_LOST_ANSWER, FAKE_LOST_ROWS};
    for (size_t f = 0; f < COUNT_OF(faults); f++)
        for (uint32_t at = 0; at < 4; at++)
            for (int restart = 0; restart < 2; restart++) {
                struct bench *b = bench_new();
                b->cfg.chunk_records = 5;
                bench_restart(b);
                batch_begin(b, 0, 7);
                for (uint32_t i = 0; i < 18; i++)
                    add_event(b, i, i % 2 ? 0 : DEDUPE);
                b->table->fault = faults[f];
                b->table->fault_after = at;
                assert_int_not_equal(write(b, false), RC_OK);
                /* Nothing follows the chunk that failed. */
                assert_int_equal(b->table->inserts, at + 1);
                if (restart)
                    bench_restart(b);
                assert_int_equal(write(b, restart), RC_OK);
                assert_int_equal(b->table->count, 18);
                assert_int_equal(b->counts.rows + b->counts.present, 18);
                write_ok(b, true, 0, 18, 0);
                for (uint32_t i = 0; i < b->table->token_count; i++)
                    assert_true(strncmp(b->table->tokens[i], "events/0/7-24/", 14) == 0);
                bench_free(b);
            }
}

static void an_id_of_an_earlier_chunk_is_a_duplicate(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->cfg.chunk_records = 2;
    bench_restart(b);
    batch_begin(b, 0, 0);
    const uint32_t ids[] = {1, 2, 3, 1, 4, 2, 1};
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        add_event(b, ids[i], DEDUPE);
    add_value(b, "poison");
    write_ok(b, false, 4, 0, 3);
    assert_int_equal(b->counts.rejected, 1);
    assert_int_equal(b->table->inserts, 3); /* the last chunk has nothing left */
    write_ok(b, true, 0, 4, 3);
    assert_int_equal(b->table->count, 4);
    bench_free(b);
}

/* What retention took since does not move the others into other chunks. */
static void chunks_are_ranges_of_offsets(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    b->cfg.chunk_records = 4;
    bench_restart(b);
    batch_begin(b, 0, 100);
    for (uint32_t i = 0; i < 12; i++)
        add_event(b, i, 0);
    b->table->fault = FAKE_LOST_REQUEST;
    b->table->fault_after = 1;
    assert_int_not_equal(write(b, false), RC_OK);
    assert_int_equal(b->table->count, 4);
    memmove(b->records, b->records + 6, 6 * sizeof(b->records[0]));
    b->batch.count = 6;
    write_ok(b, true, 6, 0, 0);
    assert_int_equal(b->table->count, 10);
    assert_int_equal(b->table->token_count, 3);
    assert_string_equal(b->table->tokens[1], "events/0/100-111/c1");
    assert_string_equal(b->table->tokens[2], "events/0/100-111/c2");
    bench_free(b);
}

/* Sent: 60 ids, each one to three times, in random batches over three partitions; before every
 * batch the store may fail in any way, the process may die, the store may lose its tokens. */
static void random_faults_never_lose_or_double(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct bench *b = bench_new();
        struct prng p;
        uint64_t next[3] = {0};
        b->cfg.chunk_records = (uint32_t)(seed % 4); /* 1 to 3, or whole batches */
        bench_restart(b);
        bool sent[61] = {false};
        uint32_t plain = 0, plain_id = 1000;
        prng_seed(&p, seed);
        for (int round = 0; round < 25; round++) {
            uint32_t partition = (uint32_t)prng_below(&p, 3);
            batch_begin(b, partition, next[partition]);
            uint32_t n = 1 + (uint32_t)prng_below(&p, 6);
            for (uint32_t i = 0; i < n; i++) {
                uint32_t id = (uint32_t)prng_below(&p, 61);
                bool is_plain = prng_below(&p, 4) == 0;
                if (is_plain)
                    plain++;
                else
                    sent[id] = true;
                add_event(b, is_plain ? plain_id++ : id, is_plain ? 0 : DEDUPE);
            }
            next[partition] += n;
            bool is_repeat = false;
            for (;;) {
                b->table->fault =
                    prng_below(&p, 3) ? FAKE_FINE : (enum fake_fault)prng_below(&p, 5);
                b->table->fault_after = (uint32_t)prng_below(&p, 3);
                b->table->forgets_tokens = prng_below(&p, 5) == 0;
                enum rc rc = write(b, is_repeat);
                if (b->table->fault == FAKE_NO_ANSWERS)
                    b->table->fault = FAKE_FINE;
                bool dies = prng_below(&p, 5) == 0; /* also behind a success: no checkpoint */
                if (dies) {
                    bench_restart(b);
                    is_repeat = true;
                }
                if (rc == RC_OK && !dies)
                    break;
            }
        }
        uint32_t distinct = 0;
        for (uint32_t id = 0; id < 61; id++)
            distinct += sent[id];
        if (b->table->count != distinct + plain)
            print_error("seed %llu\n", (unsigned long long)seed);
        assert_int_equal(b->table->count, distinct + plain);
        bench_free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_becomes_the_row_it_describes),
        cmocka_unit_test(a_row_says_where_the_visitor_came_from),
        cmocka_unit_test(poison_is_named_and_the_rest_goes_in),
        cmocka_unit_test(an_erased_record_is_no_row_and_no_poison),
        cmocka_unit_test(both_readers_agree_on_every_record_one_byte_away),
        cmocka_unit_test(what_the_writer_writes_is_read_in_one_pass),
        cmocka_unit_test(a_repeated_batch_adds_nothing),
        cmocka_unit_test(a_lost_answer_is_made_good_without_doubling),
        cmocka_unit_test(an_id_goes_in_once),
        cmocka_unit_test(seven_days_apart_are_two_events_unless_historical),
        cmocka_unit_test(a_partition_that_lags_is_still_compared),
        cmocka_unit_test(a_full_filter_asks_more_and_loses_nothing),
        cmocka_unit_test(the_filter_is_exact_enough),
        cmocka_unit_test(months_beyond_the_limit_go_in_pieces),
        cmocka_unit_test(nothing_is_written_while_the_store_cannot_answer),
        cmocka_unit_test(idle_gives_the_memory_back),
        cmocka_unit_test(chunks_that_a_crash_parted_come_together),
        cmocka_unit_test(an_id_of_an_earlier_chunk_is_a_duplicate),
        cmocka_unit_test(chunks_are_ranges_of_offsets),
        cmocka_unit_test(random_faults_never_lose_or_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
