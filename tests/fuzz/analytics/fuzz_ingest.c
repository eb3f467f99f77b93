/* A whole request on fakes: the first byte chooses the route, the rest is the body (of a GET, the
 * query). Exactly one answer of a known status; every record is one valid JSON object of this
 * project. */
#include "../../unit/analytics/ingest_bed.h"

#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"
#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
    WITH_KEY,
    WITH_TOKEN,
    WITH_NAME, /* the body says whose it is, "s"; a bad event may spoil the answer for the others */
};
static const struct {
    const char *path;
    enum how how;
    enum net_method method;
} targets[] = {
    {"/v1/events", WITH_KEY, NET_POST},
    {"/i/v1/analytics/events", WITH_KEY, NET_POST},
    {"/view", WITH_TOKEN, NET_POST},
    {"/api/event", WITH_NAME, NET_POST},
    {"/api/send", WITH_NAME, NET_POST},
    {"/api/batch", WITH_NAME, NET_POST},
    {"/s/count", WITH_NAME, NET_GET},
    {"/api/v0/count", WITH_NAME, NET_POST},
    {"/e", WITH_NAME, NET_POST},
    {"/e", WITH_NAME, NET_GET},
    {"/engage", WITH_NAME, NET_POST},
    {"/v1/batch", WITH_NAME, NET_POST},
    {"/v1/identify", WITH_KEY, NET_POST},
    {"/pixel/v1/track", WITH_NAME, NET_GET},
    {"/w", WITH_KEY, NET_POST},
    {"/mp/collect", WITH_KEY, NET_POST},
    {"/track", WITH_KEY, NET_POST},
    {"/api/track", WITH_NAME, NET_POST},
    {"/com.snowplowanalytics.snowplow/tp2", WITH_NAME, NET_POST},
    {"/i", WITH_NAME, NET_GET},
    {"/debug/mp/collect", WITH_KEY, NET_POST},
};
static char token[1024];

static void make_token(void)
{
    struct buf b;
    uint8_t mac[SHA256_BYTES];
    buf_init(&b, sizeof(token));
    buf_add_str(&b, "Bearer ");
    base64_encode(&b, BASE64_URL, SLICE_LIT("{\"alg\":\"HS256\"}"));
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL,
                  SLICE_LIT("{\"projectId\":\"0198c0de-0000-7000-8000-000000000001\"}"));
    hmac_sha256(bed.project.jwt_secret, slice_sub(buf_slice(&b), 7), mac);
    buf_add_char(&b, '.');
    base64_encode(&b, BASE64_URL, slice_of((char *)mac, sizeof(mac)));
    memcpy(token, buf_cstr(&b), b.len + 1);
    buf_done(&b);
}

static void check_records(void)
{
    struct slice rest = buf_slice(&bed.values), line;
    uint32_t n = 0;
    struct arena arena;
    arena_init(&arena, 64 << 10, 32 << 20);
    for (; json_line_next(&rest, &line); n++) {
        yyjson_val *root;
        arena_reset(&arena);
        must(json_parse(&arena, line, &root, NULL) == RC_OK && yyjson_is_obj(root));
        must(slice_eq_str(json_text(json_get(root, "project")), bed.project.id_text));
        must(yyjson_is_str(json_get(root, "event")) && json_text(json_get(root, "event")).len);
        must(json_text(json_get(root, "id")).len == UUID_TEXT_LEN);
        must(!memchr(line.data, 0, line.len));
    }
    arena_done(&arena);
    must(n == bed.record_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!bed.ingest) {
        bed_begin();
        make_token();
    }
    if (size == 0)
        return 0;
    size_t which = data[0] % COUNT_OF(targets);
    struct slice body = slice_of((const char *)data + 1, size - 1);
    bed_reset();
    bed.names = "s";
    bed.path = targets[which].path;
    bed.method = targets[which].method;
    bed_header("User-Agent", "fuzz\xff\x01");
    bed_header("Origin", "https://s");
    if (slice_eq_str(slice_str(bed.path), "/track"))
        bed_header("openpanel-client-id", "s"); /* else it is PostHog's */
    if (targets[which].how == WITH_TOKEN)
        bed_header("Authorization", token);
    else if (targets[which].how == WITH_NAME)
        bed_no_header("Authorization");
    if (bed.method == NET_GET) {
        size_t len = body.len < sizeof(bed.query) ? body.len : sizeof(bed.query) - 1;
        memcpy(bed.query, body.data, len);
        bed.query[len] = '\0';
        body = SLICE_EMPTY;
    }
    bed_post(body);
    must(bed.answers == 1);
    must(bed.status == 200 || bed.status == 202 || bed.status == 204 || bed.status == 400 ||
         bed.status == 413 || (bed.status == 401 && targets[which].how == WITH_NAME));
    must(bed.status < 300 || bed.record_count == 0 || targets[which].how == WITH_NAME);
    must(bed.counted == bed.record_count);
    check_records();
    return 0;
}
