/* What a token costs per request: jwt_bench [seconds of each part, default 0.5].
 *
 * For each algorithm: reading a token of common size, checking its signature, both with the claims;
 * then the memo of verified tokens. One thread, microseconds of CPU on stdout, one line each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../tests/unit/codec/jwt_signer.h"
#include "codec/jwks.h"
#include "tenant/token_memo.h"

enum { ROUND = 200 };
#define ALGS_ALL (JWT_ALGS_PUBLIC | JWT_ALG_BIT(JWT_HS256))
static const char claims[] =
    "{\"iss\":\"https://issuer.example.com/realms/main\",\"aud\":[\"weir\",\"account\"],"
    "\"sub\":\"018f3c1e-7a6b-7c21-9d55-0c0ffee00001\",\"azp\":\"dashboard\",\"exp\":2000000000,"
    "\"iat\":1700000000,\"nbf\":1700000000,\"jti\":\"0b5c2d9e-2f0f-4d7c-8a55-7d6a0f0b1c2d\","
    "\"scope\":\"openid profile "
    "email\",\"org\":\"acme\",\"project\":\"shop\",\"role\":\"analyst\"}";

static struct {
    double seconds;
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

static void do_parse(void)
{
    arena_reset(&b.arena);
    must(jwt_parse(&b.arena, b.token, ALGS_ALL, &b.jwt) == JWT_OK);
}

static void do_verify(void)
{
    must(jwt_verify(&b.jwt, &b.key) == JWT_OK);
}

static void do_all(void)
{
    do_parse();
    do_verify();
    must(jwt_check(&b.jwt, &expect) == JWT_OK);
}

static void do_memo(void)
{
    struct slice value;
    token_id_of(b.token, &b.id);
    must(token_memo_get(b.memo, &b.id, &b.current, 1, expect.now, &value));
}

/* CPU time: other work on the machine is not a token's. */
static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void measure(const char *name, const char *part, void (*one)(void))
{
    uint64_t calls = 0;
    double start = cpu_us(), now = start;
    for (; now < start + b.seconds * 1e6; now = cpu_us(), calls += ROUND)
        for (int i = 0; i < ROUND; i++)
            one();
    printf("%-6s %-8s %8.2f us\n", name, part, (now - start) / (double)calls);
    fflush(stdout);
}

static void measure_memo(void)
{
    enum { GENERATION = JWKS_URLS_MAX + 1 };
    b.memo = token_memo_mine();
    atomic_store(&b.current.of[1], GENERATION);
    token_id_of(b.token, &b.id);
    token_memo_put(b.memo, &b.id, GENERATION, 1, jwt_expires_at(&b.jwt, JWT_CLOCK_SKEW_S),
                   SLICE_LIT("who it is"));
    measure("any", "memo", do_memo);
}

int main(int argc, char **argv)
{
    CLEANUP(buf_done) struct buf space;
    char header[64];
    b.seconds = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    buf_init(&space, JWT_BYTES_MAX);
    arena_init(&b.arena, 1 << 16, 1 << 20);
    for (int i = 0; i < JWT_ALG_COUNT; i++) {
        const char *name = jwt_alg_name((enum jwt_alg)i);
        struct signer signer = signer_new((enum jwt_alg)i);
        snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"2026-01\",\"typ\":\"JWT\"}",
                 name);
        b.token = signer_token(&signer, &space, header, claims);
        b.key = signer_key(&signer);
        measure(name, "parse", do_parse);
        measure(name, "verify", do_verify);
        measure(name, "all", do_all);
        jwt_key_done(&b.key);
        signer_done(&signer);
    }
    measure_memo();
    arena_done(&b.arena);
    return 0;
}
