/* The key-set cache over real HTTP: an issuer on loopback that answers, rotates, hangs and lies;
 * the cache's clock is moved by hand. What is due when: test_jwks_table.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../codec/jwt_signer.h"
#include "base/heap.h"
#include "base/metrics.h"
#include "base/os.h"
#include "tenant/jwks_cache.h"

/* ---- the issuer ---- */
enum { ROUTES = 4, DEADLINE_MS = 60 * 1000 };
struct route {
    struct buf answer; /* head and body; empty: say nothing until released */
    int hits;
    int held[8]; /* connections that wait */
    int held_count;
};
static struct issuer {
    int listener;
    char base[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct route routes[ROUTES]; /* by the last character of the path: /keys0 … */
    char request[4096];          /* the last one */
    int connections;
    bool is_closing;
} issuer;

static void send_all(int fd, struct slice bytes)
{
    while (bytes.len) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the client has seen enough */
        bytes = slice_sub(bytes, (size_t)n);
    }
}

static bool read_head(int fd, char *to, size_t size)
{
    size_t len = 0;
    to[0] = '\0';
    while (!strstr(to, "\r\n\r\n")) {
        ssize_t n = recv(fd, to + len, size - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        to[len] = '\0';
    }
    return true;
}

static void serve(int fd)
{
    char head[4096];
    if (!read_head(fd, head, sizeof(head))) {
        close(fd);
        return;
    }
    pthread_mutex_lock(&issuer.lock);
    memcpy(issuer.request, head, sizeof(head));
    const char *path = strstr(head, "/keys");
    struct route *r = &issuer.routes[path ? (path[5] - '0') % ROUTES : 0];
    r->hits++;
    if (r->answer.len) {
        send_all(fd, buf_slice(&r->answer));
        close(fd);
    } else {
        must(r->held_count < (int)COUNT_OF(r->held));
        r->held[r->held_count++] = fd;
    }
    pthread_cond_broadcast(&issuer.changed);
    pthread_mutex_unlock(&issuer.lock);
}

static void *accept_all(void *arg)
{
    (void)arg;
    for (;;) {
        int fd = accept(issuer.listener, NULL, NULL);
        pthread_mutex_lock(&issuer.lock);
        bool is_closing = issuer.is_closing;
        issuer.connections++;
        pthread_mutex_unlock(&issuer.lock);
        if (is_closing) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        if (fd >= 0)
            serve(fd);
    }
}

static void issuer_start(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    memset(&issuer, 0, sizeof(issuer));
    pthread_mutex_init(&issuer.lock, NULL);
    pthread_cond_init(&issuer.changed, NULL);
    for (int i = 0; i < ROUTES; i++)
        buf_init(&issuer.routes[i].answer, 1 << 20);
    issuer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(issuer.listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
         listen(issuer.listener, 16) == 0 &&
         getsockname(issuer.listener, (struct sockaddr *)&a, &len) == 0);
    snprintf(issuer.base, sizeof(issuer.base), "http://127.0.0.1:%d", ntohs(a.sin_port));
    must(pthread_create(&issuer.thread, NULL, accept_all, NULL) == 0);
}

static void drop_held(struct route *r)
{
    while (r->held_count)
        close(r->held[--r->held_count]);
}

static void issuer_end(void)
{
    pthread_mutex_lock(&issuer.lock);
    issuer.is_closing = true;
    pthread_mutex_unlock(&issuer.lock);
    shutdown(issuer.listener, SHUT_RDWR);
    pthread_join(issuer.thread, NULL);
    close(issuer.listener);
    for (int i = 0; i < ROUTES; i++) {
        drop_held(&issuer.routes[i]);
        buf_done(&issuer.routes[i].answer);
    }
}

/* What /keysN answers from now on. */
static void answers(int n, const char *head, struct slice body)
{
    struct route *r = &issuer.routes[n];
    pthread_mutex_lock(&issuer.lock);
    buf_clear(&r->answer);
    buf_addf(&r->answer, "HTTP/1.1 %s\r\nConnection: close\r\n\r\n", head);
    buf_add_slice(&r->answer, body);
    must(buf_ok(&r->answer));
    pthread_mutex_unlock(&issuer.lock);
}

static void hangs(int n)
{
    pthread_mutex_lock(&issuer.lock);
    buf_clear(&issuer.routes[n].answer);
    pthread_mutex_unlock(&issuer.lock);
}

static void await_held(int n)
{
    pthread_mutex_lock(&issuer.lock);
    while (issuer.routes[n].held_count == 0)
        pthread_cond_wait(&issuer.changed, &issuer.lock);
    pthread_mutex_unlock(&issuer.lock);
}

static int hits(int n)
{
    pthread_mutex_lock(&issuer.lock);
    int count = issuer.routes[n].hits;
    pthread_mutex_unlock(&issuer.lock);
    return count;
}

static struct slice url_of(int n)
{
    static _Thread_local char url[2][100];
    static _Thread_local int at;
    at = !at;
    snprintf(url[at], sizeof(url[at]), "%s/keys%d", issuer.base, n);
    return slice_str(url[at]);
}

/* ---- the cache ---- */
static _Atomic int64_t clock_ns;
static mono_ns clock_now(void)
{
    return (mono_ns){atomic_load(&clock_ns)};
}
static void advance_s(int64_t seconds)
{
    atomic_fetch_add(&clock_ns, seconds * 1000000000);
}

static struct jwks_cache *cache;
static struct signer old_key, new_key;

/* One caller of jwks_cache_refresh. */
struct asker {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    enum rc rc;
};
static void asker_done(void *ctx, enum rc rc)
{
    struct asker *a = ctx;
    pthread_mutex_lock(&a->lock);
    must(!a->is_done); /* once */
    a->is_done = true;
    a->rc = rc;
    pthread_cond_signal(&a->done);
    pthread_mutex_unlock(&a->lock);
}
static enum rc ask(struct asker *a, struct slice url, uint32_t deadline_ms)
{
    *a = (struct asker){.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    return jwks_cache_refresh(cache, url, deadline_ms, asker_done, a);
}
static enum rc await(struct asker *a)
{
    pthread_mutex_lock(&a->lock);
    while (!a->is_done)
        pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
    return a->rc;
}
static enum rc refresh(struct slice url)
{
    struct asker a;
    enum rc rc = ask(&a, url, DEADLINE_MS);
    return rc == RC_OK ? await(&a) : rc;
}

static struct slice document_of(const struct signer *s, const char *members)
{
    static struct buf doc = {.bytes_max = 1 << 16};
    buf_clear(&doc);
    buf_add_str(&doc, "{\"keys\":[");
    signer_add_jwk(s, &doc, members);
    buf_add_str(&doc, "]}");
    return buf_slice(&doc);
}

/* Of a token of that signer, by the set in force. */
static enum jwt_result verify(struct slice url, const struct signer *s, const char *header)
{
    struct arena arena;
    struct buf space;
    struct jwt jwt;
    struct jwks_snapshot *snapshot = jwks_cache_take(cache, url);
    if (!snapshot)
        return JWT_NO_KEY;
    arena_init(&arena, 4096, 1 << 20);
    buf_init(&space, 1 << 16);
    enum jwt_result r =
        jwt_parse(&arena, signer_token(s, &space, header, "{}"), JWT_ALGS_PUBLIC, &jwt);
    if (r == JWT_OK)
        r = jwks_verify(snapshot->set, &jwt);
    jwks_snapshot_give(snapshot);
    buf_done(&space);
    arena_done(&arena);
    return r;
}
#define OLD_HEADER "{\"alg\":\"ES256\",\"kid\":\"old\"}"
#define NEW_HEADER "{\"alg\":\"ES256\",\"kid\":\"new\"}"

static int setup(void **state)
{
    const struct jwks_cache_cfg cfg = {.now = clock_now};
    (void)state;
    atomic_store(&clock_ns, INT64_C(1000000000000));
    old_key = signer_new(JWT_ES256);
    new_key = signer_new(JWT_ES256);
    issuer_start();
    answers(0, "200 OK\r\nCache-Control: max-age=3600", document_of(&old_key, "\"kid\":\"old\""));
    assert_int_equal(jwks_cache_open(&cfg, &cache, NULL), RC_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    jwks_cache_close(cache);
    issuer_end();
    signer_done(&old_key);
    signer_done(&new_key);
    return 0;
}

static void the_first_take_has_the_set_fetched(void **state)
{
    (void)state;
    assert_null(jwks_cache_take(cache, url_of(0)));
    enum rc rc = refresh(url_of(0)); /* RC_AGAIN: it has come already */
    assert_true(rc == RC_OK || rc == RC_AGAIN);
    assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_OK);
    assert_int_equal(verify(url_of(0), &new_key, OLD_HEADER), JWT_BAD_SIGNATURE);
    assert_int_equal(hits(0), 1);
    pthread_mutex_lock(&issuer.lock);
    assert_non_null(strstr(issuer.request, "GET /keys0 HTTP/1.1\r\n"));
    assert_non_null(strstr(issuer.request, "Accept: application/jwk-set+json"));
    assert_null(strstr(issuer.request, "Accept-Encoding"));
    pthread_mutex_unlock(&issuer.lock);
}

static void an_unknown_kid_brings_the_rotated_set(void **state)
{
    (void)state;
    assert_int_equal(refresh(url_of(0)), RC_OK);
    struct jwks_snapshot *before = jwks_cache_take(cache, url_of(0));
    answers(0, "200 OK", document_of(&new_key, "\"kid\":\"new\""));
    assert_int_equal(verify(url_of(0), &new_key, NEW_HEADER), JWT_NO_KEY);
    assert_int_equal(refresh(url_of(0)), RC_AGAIN);
    advance_s(JWKS_RETRY_MIN_S);
    assert_int_equal(refresh(url_of(0)), RC_OK);
    assert_int_equal(verify(url_of(0), &new_key, NEW_HEADER), JWT_OK);
    assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_NO_KEY);
    assert_int_equal(hits(0), 2);
    assert_false(jwks_is_current(jwks_cache_current(cache), before->generation));
    assert_int_equal(before->set->key_count, 1);
    jwks_snapshot_give(before);
}

static void a_set_that_is_no_longer_fresh_is_fetched_unasked(void **state)
{
    (void)state;
    assert_int_equal(refresh(url_of(0)), RC_OK);
    answers(0, "200 OK", document_of(&new_key, "\"kid\":\"new\""));
    advance_s(3600);
    jwks_cache_warm(cache, url_of(0));
    enum rc rc = refresh(url_of(0));
    assert_true(rc == RC_OK || rc == RC_AGAIN);
    assert_int_equal(hits(0), 2);
    assert_int_equal(verify(url_of(0), &new_key, NEW_HEADER), JWT_OK);
}

/* Whatever an issuer answers but a set: the last one stays, and who asked is told. */
static void nonsense_leaves_the_last_set_in_force(void **state)
{
    (void)state;
    static const struct {
        const char *head, *body;
    } nonsense[] = {
        {"500 Oops", "{\"keys\":[]}"},
        {"404 Not Found", ""},
        {"204 No Content", ""},
        {"200 OK", ""},
        {"200 OK", "<html>"},
        {"200 OK", "{}"},
        {"200 OK\r\nContent-Length: 1000", "{\"keys\":[]}"},
        {"200 OK\r\nContent-Length: 99999999", "{\"keys\":[]}"},
        {"302 Found\r\nLocation: /keys1", ""},
        {"302 Found\r\nLocation: file:///etc/passwd", ""},
    };
    answers(1, "200 OK", document_of(&new_key, "\"kid\":\"new\""));
    assert_int_equal(refresh(url_of(0)), RC_OK);
    for (size_t i = 0; i < COUNT_OF(nonsense); i++) {
        answers(0, nonsense[i].head, slice_str(nonsense[i].body));
        advance_s(JWKS_RETRY_MIN_S);
        assert_int_equal(refresh(url_of(0)), RC_UNAVAILABLE);
        assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_OK);
    }
    static char large[JWKS_BYTES_MAX + 1];
    memset(large, ' ', sizeof(large));
    memcpy(large, "{\"keys\":[]}", 11);
    answers(0, "200 OK", slice_of(large, sizeof(large)));
    advance_s(JWKS_RETRY_MIN_S);
    assert_int_equal(refresh(url_of(0)), RC_UNAVAILABLE);
    answers(0, "200 OK", slice_of(large, sizeof(large) - 1));
    advance_s(JWKS_RETRY_MIN_S);
    assert_int_equal(refresh(url_of(0)), RC_OK);
    assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_NO_KEY); /* all withdrawn */
    assert_int_equal(hits(1), 0);
}

static void a_redirect_from_http_is_not_followed_anywhere(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf head;
    buf_init(&head, 4096);
    buf_addf(&head, "302 Found\r\nLocation: https%s/keys1", issuer.base + strlen("http"));
    answers(0, buf_cstr(&head), SLICE_EMPTY);
    assert_int_equal(refresh(url_of(0)), RC_UNAVAILABLE);
    pthread_mutex_lock(&issuer.lock);
    assert_int_equal(issuer.connections, 1);
    pthread_mutex_unlock(&issuer.lock);
}

static void after_a_day_without_the_issuer_nothing_verifies(void **state)
{
    (void)state;
    assert_int_equal(refresh(url_of(0)), RC_OK);
    answers(0, "503 Away", SLICE_EMPTY);
    struct jwks_snapshot *held = jwks_cache_take(cache, url_of(0));
    advance_s(JWKS_STALE_MAX_S - 1);
    assert_int_equal(refresh(url_of(0)), RC_UNAVAILABLE);
    assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_OK);
    advance_s(JWKS_RETRY_MIN_S);
    assert_null(jwks_cache_take(cache, url_of(0)));
    assert_int_equal(refresh(url_of(0)), RC_UNAVAILABLE); /* and the thread has been round */
    assert_false(jwks_is_current(jwks_cache_current(cache), held->generation));
    jwks_snapshot_give(held);
}

static void a_dead_issuer_delays_only_its_own_tokens(void **state)
{
    (void)state;
    struct asker slow, late;
    hangs(2);
    assert_int_equal(ask(&slow, url_of(2), DEADLINE_MS), RC_OK);
    await_held(2);
    assert_int_equal(ask(&late, url_of(2), 2000), RC_OK);
    assert_int_equal(refresh(url_of(0)), RC_OK);
    assert_int_equal(verify(url_of(0), &old_key, OLD_HEADER), JWT_OK);
    advance_s(2);
    jwks_cache_warm(cache, url_of(0)); /* the clock was moved: look at it */
    assert_int_equal(await(&late), RC_TIMEOUT);
    pthread_mutex_lock(&issuer.lock);
    drop_held(&issuer.routes[2]);
    pthread_mutex_unlock(&issuer.lock);
    assert_int_equal(await(&slow), RC_UNAVAILABLE);
    assert_int_equal(hits(2), 1);
}

static void an_issuer_that_says_nothing_is_given_up(void **state)
{
    (void)state;
    const struct jwks_cache_cfg cfg = {.now = clock_now, .timeout_ms = 50};
    jwks_cache_close(cache);
    assert_int_equal(jwks_cache_open(&cfg, &cache, NULL), RC_OK);
    hangs(2);
    assert_int_equal(refresh(url_of(2)), RC_UNAVAILABLE);
}

static void who_waits_at_the_end_is_told_so(void **state)
{
    (void)state;
    const struct jwks_cache_cfg cfg = {.now = clock_now};
    struct asker a, b;
    hangs(2);
    assert_int_equal(ask(&a, url_of(2), DEADLINE_MS), RC_OK);
    assert_int_equal(ask(&b, url_of(2), DEADLINE_MS), RC_OK);
    await_held(2);
    jwks_cache_close(cache);
    assert_int_equal(await(&a), RC_CLOSED);
    assert_int_equal(await(&b), RC_CLOSED);
    assert_int_equal(jwks_cache_open(&cfg, &cache, NULL), RC_OK);
}

static void other_urls_are_not_fetched(void **state)
{
    (void)state;
    struct asker a;
    assert_int_equal(ask(&a, SLICE_LIT("http://issuer.example/"), 10), RC_INVALID);
    assert_null(jwks_cache_take(cache, SLICE_LIT("file:///etc/passwd")));
    assert_null(jwks_cache_take(cache, SLICE_EMPTY));
}

static void failures_and_age_can_be_seen(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, 1 << 20);
    answers(1, "500 Oops", SLICE_EMPTY);
    assert_int_equal(refresh(url_of(0)), RC_OK);
    assert_int_equal(refresh(url_of(1)), RC_UNAVAILABLE);
    advance_s(77);
    metrics_render(&out);
    assert_non_null(strstr(buf_cstr(&out), "\nweir_jwks_fetches_total 2\n"));
    assert_non_null(strstr(buf_cstr(&out), "\nweir_jwks_failures_total 1\n"));
    assert_non_null(strstr(buf_cstr(&out), "\nweir_jwks_age_seconds 77\n"));
}

/* Readers on several threads while the set rotates: for the thread sanitizer. */
static void *read_for_long(void *arg)
{
    _Atomic bool *is_over = arg;
    while (!atomic_load(is_over)) {
        enum jwt_result r = verify(url_of(0), &old_key, OLD_HEADER);
        must(r == JWT_OK || r == JWT_NO_KEY);
        struct jwks_snapshot *s = jwks_cache_take(cache, url_of(0));
        if (s)
            (void)jwks_is_current(jwks_cache_current(cache), s->generation);
        jwks_snapshot_give(s);
    }
    return NULL;
}

static void sets_rotate_under_their_readers(void **state)
{
    (void)state;
    pthread_t readers[3];
    _Atomic bool is_over = false;
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        must(pthread_create(&readers[i], NULL, read_for_long, &is_over) == 0);
    for (int i = 0; i < 20; i++) {
        answers(0, "200 OK",
                i % 2 ? document_of(&old_key, "\"kid\":\"old\"")
                      : document_of(&new_key, "\"kid\":\"new\""));
        advance_s(JWKS_RETRY_MIN_S);
        enum rc rc = refresh(url_of(0));
        assert_true(rc == RC_OK || rc == RC_AGAIN);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        pthread_join(readers[i], NULL);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_first_take_has_the_set_fetched),
        TEST(an_unknown_kid_brings_the_rotated_set),
        TEST(a_set_that_is_no_longer_fresh_is_fetched_unasked),
        TEST(nonsense_leaves_the_last_set_in_force),
        TEST(a_redirect_from_http_is_not_followed_anywhere),
        TEST(after_a_day_without_the_issuer_nothing_verifies),
        TEST(a_dead_issuer_delays_only_its_own_tokens),
        TEST(an_issuer_that_says_nothing_is_given_up),
        TEST(who_waits_at_the_end_is_told_so),
        TEST(other_urls_are_not_fetched),
        TEST(failures_and_age_can_be_seen),
        TEST(sets_rotate_under_their_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
