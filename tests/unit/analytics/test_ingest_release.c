/* What was rejected is read again by its dialect (ingest_release.c), over a fake store. */
#include "ingest_bed.h"

#include <stdio.h>

#include "store/store.h"

static struct {
    struct rejected_stored stored;
    struct rejected_event events[4], rest[8];
    uint32_t rest_count, writes, appended;
    bool is_refused;
    struct buf values;
} fake;
static struct ingest_releaser releaser;

enum rc store_pool_take(struct store_pool *p, struct store_client **ret_client, struct err *err)
{
    (void)err;
    *ret_client = (struct store_client *)p;
    return RC_OK;
}

void store_pool_give(struct store_pool *p, struct store_client *c)
{
    assert_ptr_equal(p, c);
}

enum rc rejected_read(struct ctx *ctx, struct store_client *c, const struct rejected_query *q,
                      enum rc (*each)(void *ctx, const struct rejected_stored *s), void *each_ctx,
                      struct err *err)
{
    (void)ctx, (void)c, (void)err;
    assert_memory_equal(q->project, &bed.project.id, sizeof(*q->project));
    return each(each_ctx, &fake.stored);
}

enum rc rejected_store_rest(struct store_client *c, const struct rejected_stored *s,
                            const struct rejected_event *events, uint32_t count, struct err *err)
{
    (void)c, (void)err;
    assert_ptr_equal(s, &fake.stored);
    fake.writes++;
    fake.rest_count = count;
    for (uint32_t i = 0; i < count; i++)
        fake.rest[i] = events[i];
    return RC_OK;
}

enum rc stream_append_wait(struct stream *s, struct stream_record *records, uint32_t count)
{
    assert_ptr_equal(s, &bed);
    for (uint32_t i = 0; i < count; i++) {
        buf_add_slice(&fake.values, records[i].value);
        buf_add_char(&fake.values, '\n');
    }
    fake.appended += count;
    return RC_OK;
}

const char *api_ingest_again(const struct api_request *req, const struct tenant_project *project,
                             const struct uuid *key, struct slice origin)
{
    (void)req, (void)project, (void)key, (void)origin;
    return fake.is_refused ? "not from pages of this origin" : NULL;
}

static int begin(void **state)
{
    (void)state;
    bed_begin();
    memset(&fake, 0, sizeof(fake));
    buf_init(&fake.values, 1 << 20);
    releaser = (struct ingest_releaser){bed.ingest, (struct store_pool *)&fake};
    bed.service = ingest_release_service(&releaser);
    fake.stored.dialect = SLICE_LIT("api");
    fake.stored.version = 1;
    fake.stored.sample = (struct rejected_sample){.id = {{7}},
                                                  .project = bed.project.id,
                                                  .received_at = {1764128000000},
                                                  .dialect = "api",
                                                  .route = "/v1/events",
                                                  .method = "POST",
                                                  .path = SLICE_LIT("/v1/events"),
                                                  .query = SLICE_EMPTY,
                                                  .user_id = SLICE_EMPTY,
                                                  .is_key_in_head = true,
                                                  .events = fake.events};
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_done(&fake.values);
    bed_end();
    return 0;
}

static void holds(const char *body, uint32_t index, enum rejected_reason reason)
{
    struct rejected_sample *s = &fake.stored.sample;
    s->body = slice_str(body);
    fake.events[s->event_count++] =
        (struct rejected_event){.index = index, .reason = reason, .details = SLICE_EMPTY};
}

static void release(const char *query)
{
    static struct net_request net;
    static struct api_request req;
    if (bed.ctx)
        ctx_release(bed.ctx);
    bed.ctx = ctx_new(bed.contexts, 32 << 20);
    buf_clear(&bed.answer);
    buf_clear(&fake.values);
    fake.appended = fake.writes = 0;
    net = (struct net_request){.loop = (struct net_loop *)&bed,
                               .received_at = unix_now(),
                               .ctx = bed.ctx,
                               .arena = bed.ctx->arena,
                               .query = slice_str(query)};
    req =
        (struct api_request){.net = &net, .route = &bed.service.routes[0], .project = &bed.project};
    struct ctx *ctx = ctx_enter(ctx_ref(bed.ctx));
    req.route->handle(ctx, bed.service.ctx, &req);
    ctx_leave(ctx);
}

static void only_what_was_rejected_is_appended_and_always_under_the_same_id(void **state)
{
    char first[4096];
    (void)state;
    holds("[{\"event\":\"kept\"},{\"event\":\"now\"},{\"x\":1}]", 1, REJECTED_BAD_VALUE);
    holds("[{\"event\":\"kept\"},{\"event\":\"now\"},{\"x\":1}]", 2, REJECTED_NO_NAME);
    release("");
    has(bed_answer(), "\"released\":1,\"refused\":[{\"reason\":\"no_name\",\"events\":1}]");
    assert_int_equal(fake.appended, 1);
    has(buf_cstr(&fake.values), "\"event\":\"now\"");
    has(buf_cstr(&fake.values), "\"dedupe\":true");
    has(buf_cstr(&fake.values), "\"received_at\":\"2025-11-26T03:33:20.000Z\"");
    assert_int_equal(fake.rest_count, 1);
    assert_int_equal(fake.rest[0].index, 2);
    assert_int_equal(bed.counted, 1); /* against the quota */
    snprintf(first, sizeof(first), "%s", buf_cstr(&fake.values));
    release("");
    assert_string_equal(buf_cstr(&fake.values), first);
}

static void a_dry_run_appends_and_writes_nothing(void **state)
{
    (void)state;
    holds("{\"event\":\"now\"}", REJECTED_WHOLE, REJECTED_ORIGIN);
    release("dry_run=true");
    has(bed_answer(), "\"dry_run\":true,\"requests\":1,\"released\":1,\"refused\":[]");
    assert_int_equal(fake.appended + fake.writes + bed.counted, 0);
}

static void what_the_rules_still_refuse_stays(void **state)
{
    (void)state;
    fake.is_refused = true;
    holds("{\"event\":\"now\"}", REJECTED_WHOLE, REJECTED_ORIGIN);
    release("");
    has(bed_answer(), "\"released\":0,\"refused\":[{\"reason\":\"origin\",\"events\":1}]");
    assert_int_equal(fake.appended + fake.writes, 0);
}

static void of_a_whole_request_each_bad_event_stays_by_itself(void **state)
{
    (void)state;
    holds("[{\"event\":\"a\"},{\"x\":1},{\"event\":\"b\"}]", REJECTED_WHOLE, REJECTED_QUOTA);
    release("");
    assert_int_equal(fake.appended, 2);
    assert_int_equal(fake.rest_count, 1);
    assert_int_equal(fake.rest[0].index, 1);
    assert_int_equal(fake.rest[0].reason, REJECTED_NO_NAME);
}

static void an_event_that_goes_to_another_project_by_now_is_not_taken(void **state)
{
    (void)state;
    bed.names = "mine";
    bed.other_names = "site";
    fake.stored.dialect = SLICE_LIT("umami");
    fake.stored.sample.dialect = "umami";
    fake.stored.sample.route = "/api/batch";
    fake.stored.sample.is_key_in_head = false;
    holds("[{\"type\":\"event\",\"payload\":{\"website\":\"mine\"}},"
          "{\"type\":\"event\",\"payload\":{\"website\":\"site\"}}]",
          1, REJECTED_BAD_VALUE);
    release("");
    assert_int_equal(fake.appended, 0);
    has(bed_answer(), "\"released\":0");
}

static void a_masked_address_still_tells_where_it_was(void **state)
{
    static const struct rejected_place places[] = {
        {.country = SLICE_CONST("GB"), .network = SLICE_CONST("isp")},
        {.country = SLICE_CONST("DE"),
         .region = SLICE_CONST("DE-BY"),
         .city = SLICE_CONST("Fürth")}};
    (void)state;
    bed.names = "mine";
    fake.stored.dialect = SLICE_LIT("umami");
    fake.stored.sample.dialect = "umami";
    fake.stored.sample.route = "/api/batch";
    fake.stored.sample.is_key_in_head = false;
    fake.stored.sample.places = places;
    fake.stored.sample.place_count = COUNT_OF(places);
    holds("[{\"type\":\"event\",\"payload\":{\"website\":\"mine\",\"ip\":\"0.0.0.2\",\"userAgent\":"
          "\"x\"}},"
          "{\"type\":\"event\",\"payload\":{\"website\":\"mine\",\"ip\":\"0.0.0.0\"}},"
          "{\"type\":\"event\",\"payload\":{\"website\":\"mine\",\"ip\":\"::1\"}},"
          "{\"type\":\"event\",\"payload\":{\"website\":\"mine\",\"ip\":\"0.0.0.3\"}}]",
          REJECTED_WHOLE, REJECTED_QUOTA);
    release("");
    assert_int_equal(fake.appended, 4);
    has(buf_cstr(&fake.values),
        "\"geo\":{\"country\":\"DE\",\"region\":\"DE-BY\",\"city\":\"Fürth\"}");
    has(buf_cstr(&fake.values), "\"geo\":{\"country\":\"GB\",\"network\":\"isp\"}");
    lacks(buf_cstr(&fake.values), "\"device\"");
    assert_null(strstr(strstr(buf_cstr(&fake.values), "\"GB\"") + 4, "\"geo\""));
}

static void parameters_are_judged(void **state)
{
    static const char *const wrong[] = {"reason=nonsense", "dry_run=perhaps", "cursor=!"};
    (void)state;
    for (unsigned i = 0; i < COUNT_OF(wrong); i++) {
        release(wrong[i]);
        assert_int_equal(bed.status, 400);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(only_what_was_rejected_is_appended_and_always_under_the_same_id),
        T(a_dry_run_appends_and_writes_nothing),
        T(what_the_rules_still_refuse_stays),
        T(of_a_whole_request_each_bad_event_stays_by_itself),
        T(an_event_that_goes_to_another_project_by_now_is_not_taken),
        T(a_masked_address_still_tells_where_it_was),
        T(parameters_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
