/* WHAT    What it costs to know who asks: weir-access-bench STATE.DB [seconds of each part, 0.5].
 *         Puts 10,000 projects with 100,000 keys and 50,000 names into the database (which weir
 *         init has made), loads the view of them, looks keys and names up, verifies tokens of each
 *         algorithm. JSON on stdout.
 * HOW     CPU time of the one thread, the least of several rounds: other work on the machine can
 *         only make it more. "few" is one client's view of it (all in the caches), "many" a
 *         different key each time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../tests/unit/codec/jwt_signer.h"
#include "base/heap.h"
#include "base/random.h"
#include "codec/jwks.h"
#include "tenant/admin.h"
#include "tenant/token_memo.h"

enum {
    PROJECTS = 10000,
    KEYS_PER_PROJECT = 10, /* write and secret in turn */
    KEYS = PROJECTS * KEYS_PER_PROJECT,
    FEW = 4,
    CHECK_CHARS = 6, /* of the checksum, which no look-up computes */
    TIMES = 1000,
    ROUNDS = 10, /* of a part's time */
};
#define ALGS_ALL (JWT_ALGS_PUBLIC | JWT_ALG_BIT(JWT_HS256))
static const char claims[] =
    "{\"iss\":\"https://issuer.example.com/realms/main\",\"aud\":[\"weir\",\"account\"],"
    "\"sub\":\"018f3c1e-7a6b-7c21-9d55-0c0ffee00001\",\"azp\":\"dashboard\",\"exp\":2000000000,"
    "\"iat\":1700000000,\"nbf\":1700000000,\"jti\":\"0b5c2d9e-2f0f-4d7c-8a55-7d6a0f0b1c2d\","
    "\"scope\":\"openid profile "
    "email\",\"org\":\"acme\",\"project\":\"shop\",\"role\":\"analyst\"}";

static struct {
    double seconds;
    struct tenant *tenant;
    struct tenant_view *view;
    char (*keys)[TENANT_KEY_TEXT_MAX];
    uint32_t next, among, step; /* which of them is looked up next */
    struct arena arena;
    struct slice token;
    struct jwt jwt;
    struct jwt_key key;
    struct token_id id;
    struct token_memo *memo;
    struct jwks_current current;
} b;

static const struct jwt_expect expect = {
    .issuer = SLICE_CONST("https://issuer.example.com/realms/main"),
    .audience = SLICE_CONST("weir"),
    .now = {1800000000000},
    .skew_s = JWT_CLOCK_SKEW_S,
};

/* ---- time ---- */
static double us_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double ns_of(void (*one)(void))
{
    double least = 1e12;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t calls = 0;
        double start = us_of(CLOCK_THREAD_CPUTIME_ID), now = start;
        for (; now < start + b.seconds * 1e6 / ROUNDS; now = us_of(CLOCK_THREAD_CPUTIME_ID)) {
            for (int i = 0; i < TIMES / ROUNDS; i++)
                one();
            calls += TIMES / ROUNDS;
        }
        double ns = (now - start) * 1e3 / (double)calls;
        least = ns < least ? ns : least;
    }
    return least;
}

/* ---- 100,000 keys ---- */
static void make_text(bool is_secret, char ret[TENANT_KEY_TEXT_MAX])
{
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t len = (is_secret ? 43U : 32U) + CHECK_CHARS;
    uint8_t bytes[64];
    memcpy(ret, is_secret ? "sk_" : "wk_", 3);
    random_draw(bytes, len);
    for (size_t i = 0; i < len; i++)
        ret[3 + i] = base62[bytes[i] % 62];
    ret[3 + len] = '\0';
}

static enum rc add_key(struct state *s, const char *project, uint32_t n, struct err *err)
{
    static const struct state_value null = {.kind = STATE_NULL};
    char id[UUID_TEXT_LEN + 1];
    uint8_t hash[SHA256_BYTES];
    bool is_secret = n % 2;
    struct uuid uuid = uuid_v7(unix_now());
    make_text(is_secret, b.keys[n]);
    sha256(slice_str(b.keys[n]), hash);
    return state_run(
        s,
        "INSERT INTO keys (id, project_id, kind, prefix, public_text, hash, name, scopes, "
        "created_at) VALUES (?1, ?2, ?3, 'bench', ?4, ?5, 'bench', ?6, 0)",
        (struct state_value[]){
            STATE_STR(uuid_format(&uuid, id)), STATE_STR(project),
            STATE_STR(is_secret ? "secret" : "write"), is_secret ? null : STATE_STR(b.keys[n]),
            STATE_BYTES(hash, sizeof(hash)), STATE_STR(is_secret ? "stats:read" : "events:write")},
        6, NULL, NULL, err);
}

static enum rc fill(void *org, struct state *s, struct err *err)
{
    uint8_t secret[32];
    char id[UUID_TEXT_LEN + 1], domains[100], ids[200];
    for (uint32_t p = 0; p < PROJECTS; p++) {
        struct uuid uuid = uuid_v7(unix_now());
        random_draw(secret, sizeof(secret));
        snprintf(domains, sizeof(domains), "shop%u.example.com\nblog%u.example.org", p, p);
        snprintf(ids, sizeof(ids), "6f7c2d1e-0000-4000-8000-0000%08x\nG-%u\nphc_AbCdEfGhIjKl%u", p,
                 p, p);
        TRY(state_run(s,
                      "INSERT INTO projects (id, org_id, name, jwt_secret, hash_key, created_at, "
                      "domains, client_ids) VALUES (?1, ?2, 'bench', ?3, ?3, 0, ?4, ?5)",
                      (struct state_value[]){STATE_STR(uuid_format(&uuid, id)), STATE_STR(org),
                                             STATE_BYTES(secret, sizeof(secret)),
                                             STATE_STR(domains), STATE_STR(ids)},
                      5, NULL, NULL, err));
        for (uint32_t k = 0; k < KEYS_PER_PROJECT; k++)
            TRY(add_key(s, id, p * KEYS_PER_PROJECT + k, err));
    }
    return RC_OK;
}

static uint64_t view_bytes(void)
{
    return heap_bytes(HEAP_TENANT) + heap_bytes(HEAP_ARENA);
}

static enum rc load(struct state *s, struct err *err)
{
    struct uuid org;
    char org_text[UUID_TEXT_LEN + 1];
    TRY(tenant_open(s, &b.tenant, err));
    TRY(tenant_org_first(b.tenant, &org, err));
    uint64_t before = view_bytes();
    double start = us_of(CLOCK_MONOTONIC);
    TRY(state_transaction(s, fill, uuid_format(&org, org_text), err));
    double filled = us_of(CLOCK_MONOTONIC), cpu = us_of(CLOCK_THREAD_CPUTIME_ID);
    TRY(tenant_reload(b.tenant, err));
    printf("{\"projects\":%d,\"keys\":%d,\"fill_ms\":%.0f,\"load_ms\":%.1f,\"load_cpu_ms\":%.1f,"
           "\"view_bytes\":%llu,\"write_key\":\"%s\",\n\"ns\":{",
           PROJECTS, KEYS, (filled - start) / 1e3, (us_of(CLOCK_MONOTONIC) - filled) / 1e3,
           (us_of(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e3,
           (unsigned long long)(view_bytes() - before), b.keys[KEYS / 2]);
    b.view = tenant_view_take(b.tenant);
    return RC_OK;
}

/* ---- keys ---- */
static void find_key(void)
{
    b.next = (b.next + b.step) % b.among;
    must(tenant_key_find(b.view, slice_str(b.keys[b.next]), expect.now));
}

static void find_none(void)
{
    must(!tenant_key_find(b.view, SLICE_LIT("sk_0000000000000000000000000000000000000000000abcdef"),
                          expect.now));
}

/* first: 0 for write keys, 1 for secret ones. With an even step that has no other factor in common
 * with KEYS every key of the kind has its turn, none near the one before. */
static void measure_keys(const char *name, uint32_t first, uint32_t among, uint32_t step)
{
    b.next = first;
    b.among = among;
    b.step = step;
    printf("\"%s\":%.0f,", name, ns_of(find_key));
}

/* ---- names ---- */
static char names[1000][40];

static void find_name(void)
{
    b.next = (b.next + 1) % COUNT_OF(names);
    must(tenant_project_by_name(b.view, slice_str(names[b.next])));
}

static void measure_names(void)
{
    for (unsigned i = 0; i < COUNT_OF(names); i++)
        snprintf(names[i], sizeof(names[i]),
                 i % 2 ? "www.Shop%u.example.com" : "6f7c2d1e-0000-4000-8000-0000%08x", i * 9);
    printf("\"name, many\":%.0f,", ns_of(find_name));
}

/* ---- tokens ---- */
static void check_token(void)
{
    arena_reset(&b.arena);
    must(jwt_parse(&b.arena, b.token, ALGS_ALL, &b.jwt) == JWT_OK);
    must(jwt_verify(&b.jwt, &b.key) == JWT_OK);
    must(jwt_check(&b.jwt, &expect) == JWT_OK);
}

static void recall_token(void)
{
    struct slice value;
    token_id_of(b.token, &b.id);
    must(token_memo_get(b.memo, &b.id, &b.current, 1, expect.now, &value));
}

static void remember_token(void)
{
    enum { GENERATION = JWKS_URLS_MAX + 1 };
    b.memo = token_memo_mine();
    atomic_store(&b.current.of[1], GENERATION);
    token_id_of(b.token, &b.id);
    token_memo_put(b.memo, &b.id, GENERATION, 1, jwt_expires_at(&b.jwt, JWT_CLOCK_SKEW_S),
                   SLICE_LIT("who it is"));
}

static void measure_tokens(void)
{
    CLEANUP(buf_done) struct buf space;
    char header[64];
    buf_init(&space, JWT_BYTES_MAX);
    arena_init(&b.arena, 1 << 16, 1 << 20);
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        const char *name = jwt_alg_name((enum jwt_alg)i);
        struct signer signer = signer_new((enum jwt_alg)i);
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"2026-01\",\"typ\":\"JWT\"}",
                 name);
        b.token = signer_token(&signer, &space, header, claims);
        b.key = signer_key(&signer);
        printf("\"%s\":%.0f,", name, ns_of(check_token));
        remember_token();
        printf("\"%s again\":%.0f,", name, ns_of(recall_token));
        jwt_key_done(&b.key);
        signer_done(&signer);
    }
    arena_done(&b.arena);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct state *s = NULL;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: weir-access-bench STATE.DB [SECONDS]\n");
        return 2;
    }
    b.seconds = argc > 2 ? strtod(argv[2], NULL) : 0.5;
    b.keys = heap_alloc(HEAP_MISC, KEYS * sizeof(*b.keys));
    if (state_open(argv[1], &s, &err) != RC_OK || load(s, &err) != RC_OK) {
        fprintf(stderr, "weir-access-bench: %s\n", err.text);
        return 1;
    }
    measure_keys("write key, few", 0, FEW, 2);
    measure_keys("write key, many", 0, KEYS, 7358);
    measure_keys("secret key, few", 1, FEW, 2);
    measure_keys("secret key, many", 1, KEYS, 7358);
    measure_names();
    measure_tokens();
    printf("\"unknown key\":%.0f}}\n", ns_of(find_none));
    tenant_view_give(b.view);
    tenant_close(b.tenant);
    state_close(s);
    heap_free(b.keys);
    return 0;
}
