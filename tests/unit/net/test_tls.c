/* TLS: ends that say so, new certificates for new connections only, and clients that misbehave. */
#include "net_fixture.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static char dir[64], certificate[96], key[96];
static SSL_CTX *client_ctx;

/* ---- certificates ---- */

static void write_certificate(const char *name)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    must(pair && x);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pair);
    X509_NAME *subject = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, subject);
    must(X509_sign(x, pair, EVP_sha256()) > 0);
    FILE *to = fopen(certificate, "w");
    must(to && PEM_write_X509(to, x) == 1 && fclose(to) == 0);
    to = fopen(key, "w");
    must(to && PEM_write_PrivateKey(to, pair, NULL, NULL, 0, NULL, NULL) == 1 && fclose(to) == 0);
    X509_free(x);
    EVP_PKEY_free(pair);
}

static int group_setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/weir-test-tls-XXXXXX");
    must(mkdtemp(dir));
    snprintf(certificate, sizeof(certificate), "%s/crt.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    client_ctx = SSL_CTX_new(TLS_client_method());
    must(client_ctx);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    SSL_CTX_free(client_ctx);
    unlink(certificate);
    unlink(key);
    rmdir(dir);
    return 0;
}

static void open_tls(struct net_limits limits)
{
    const struct net_tls tls = {certificate, key};
    write_certificate("one");
    open_server(&(struct net_server_cfg){.limits = limits, .tls = &tls});
}

/* ---- clients ---- */

static SSL *dial_tls(int version)
{
    SSL *ssl = SSL_new(client_ctx);
    must(ssl && SSL_set_fd(ssl, dial()) == 1);
    if (version)
        SSL_set_max_proto_version(ssl, version);
    if (SSL_connect(ssl) != 1)
        fail_msg("no handshake");
    return ssl;
}

static void hang_up(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

static void say_tls(SSL *ssl, const char *text)
{
    must(SSL_write(ssl, text, (int)strlen(text)) == (int)strlen(text));
}

/* As hear(); *ret_error is how it ended, if it did: SSL_ERROR_ZERO_RETURN = with close_notify. */
static char *hear_tls(SSL *ssl, const char *until, int *ret_error)
{
    char *all = heap_alloc(HEAP_MISC, ANSWER_MAX + 1);
    size_t len = 0;
    *ret_error = SSL_ERROR_NONE;
    while (!until || !strstr(all, until)) {
        ERR_clear_error();
        int n = SSL_read(ssl, all + len, (int)(ANSWER_MAX - len));
        if (n <= 0) {
            *ret_error = SSL_get_error(ssl, n);
            break;
        }
        len += (size_t)n;
        all[len] = '\0';
    }
    return all;
}

static void expect_tls(SSL *ssl, const char *until, const char *part, int end)
{
    int error;
    char *answer = hear_tls(ssl, until, &error);
    if (!strstr(answer, part) || error != end)
        fail_msg("not '%s', or an end of %d: %.300s", part, error, answer);
    heap_free(answer);
}

static void assert_peer(SSL *ssl, const char *name)
{
    char found[64] = "";
    X509 *x = SSL_get1_peer_certificate(ssl);
    must(x);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, found, sizeof(found));
    X509_free(x);
    assert_string_equal(found, name);
}

/* ---- stories ---- */

static void answers_and_says_that_it_closes(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    open_tls((struct net_limits){0});
    for (int i = 0; i < 2; i++) {
        SSL *ssl = dial_tls(versions[i]);
        say_tls(ssl, "GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n");
        expect_tls(ssl, "/two 0 ", "/one 0 ", SSL_ERROR_NONE);
        say_tls(ssl, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        int error;
        char *answer = hear_tls(ssl, NULL, &error);
        const char *body = strstr(answer, "\r\n\r\n");
        assert_non_null(body);
        assert_int_equal(strlen(body + 4), BIG_BYTES);
        assert_int_equal(error, SSL_ERROR_ZERO_RETURN);
        heap_free(answer);
        hang_up(ssl);
    }
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void a_refusal_is_heard_before_the_end(void **state)
{
    (void)state;
    open_tls((struct net_limits){.body_bytes_max = 10});
    SSL *ssl = dial_tls(0);
    say_tls(ssl, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world");
    expect_tls(ssl, NULL, "HTTP/1.1 413 ", SSL_ERROR_ZERO_RETURN);
    hang_up(ssl);
    close_server();
}

static void who_says_close_notify_still_gets_the_answer(void **state)
{
    (void)state;
    open_tls((struct net_limits){0});
    SSL *ssl = dial_tls(0);
    say_tls(ssl, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    must(SSL_shutdown(ssl) == 0);
    on_loop(echo_held, &held[0]);
    expect_tls(ssl, NULL, "/hold 0 ", SSL_ERROR_ZERO_RETURN);
    hang_up(ssl);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void a_body_cut_short_is_not_taken_for_whole(void **state)
{
    (void)state;
    open_tls((struct net_limits){0});
    SSL *ssl = dial_tls(0);
    say_tls(ssl, "POST /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    hang_up(ssl); /* no close_notify */
    WAIT_FOR(atomic_load(&done_count) == 1);
    WAIT_FOR(net_server_connections(server) == 0);
    assert_int_equal(atomic_load(&asked_count), 0);
    close_server();
}

static void a_new_certificate_is_for_new_connections(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    open_tls((struct net_limits){0});
    SSL *old = dial_tls(0);
    assert_peer(old, "one");
    write_certificate("two");
    assert_int_equal(net_server_reload_tls(server, &err), RC_OK);
    SSL *fresh = dial_tls(0);
    assert_peer(fresh, "two");
    say_tls(old, "GET /old HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_tls(old, "/old 0 ", "HTTP/1.1 200 ", SSL_ERROR_NONE);
    hang_up(fresh);
    FILE *broken = fopen(certificate, "w");
    must(broken && fclose(broken) == 0);
    assert_int_not_equal(net_server_reload_tls(server, &err), RC_OK);
    assert_non_null(strstr(err.text, certificate));
    fresh = dial_tls(0);
    assert_peer(fresh, "two");
    hang_up(fresh);
    hang_up(old);
    close_server();
}

static void *reload_often(void *arg)
{
    struct err err = ERR_INIT;
    (void)arg;
    for (int i = 0; i < 200; i++)
        must(net_server_reload_tls(server, &err) == RC_OK);
    return NULL;
}

static void reloading_goes_on_beside_handshakes(void **state)
{
    (void)state;
    pthread_t thread;
    open_tls((struct net_limits){0});
    must(pthread_create(&thread, NULL, reload_often, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        SSL *ssl = dial_tls(0);
        say_tls(ssl, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        expect_tls(ssl, "/x 0 ", "HTTP/1.1 200 ", SSL_ERROR_NONE);
        hang_up(ssl);
    }
    pthread_join(thread, NULL);
    close_server();
}

static void renegotiation_is_refused(void **state)
{
    (void)state;
    open_tls((struct net_limits){0});
    SSL *ssl = dial_tls(TLS1_2_VERSION);
    say_tls(ssl, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_tls(ssl, "/x 0 ", "HTTP/1.1 200 ", SSL_ERROR_NONE);
    must(SSL_renegotiate(ssl) == 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    hang_up(ssl);
    ssl = dial_tls(0);
    say_tls(ssl, "GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_tls(ssl, "/y 0 ", "HTTP/1.1 200 ", SSL_ERROR_NONE);
    hang_up(ssl);
    close_server();
}

static void no_handshake_no_answer(void **state)
{
    (void)state;
    open_tls((struct net_limits){.head_deadline_ms = 200});
    int stalled = dial(), plain = dial();
    say(stalled, "\x16\x03\x01");
    say(plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int error;
    char *nothing = hear_or(stalled, NULL, &error);
    assert_string_equal(nothing, "");
    heap_free(nothing);
    nothing = hear_or(plain, NULL, &error);
    assert_null(strstr(nothing, "HTTP/1.1"));
    heap_free(nothing);
    close(stalled);
    close(plain);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void an_idle_connection_gives_its_buffers_back_and_goes_on(void **state)
{
    (void)state;
    open_tls((struct net_limits){0});
    uint64_t before = heap_bytes(HEAP_BUF);
    SSL *ssl = dial_tls(0);
    for (int i = 0; i < 2; i++) {
        say_tls(ssl, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
        expect_tls(ssl, "/idle 0 ", "HTTP/1.1 200 ", SSL_ERROR_NONE);
        WAIT_FOR(heap_bytes(HEAP_BUF) == before);
    }
    hang_up(ssl);
    close_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_says_that_it_closes),
        cmocka_unit_test(a_refusal_is_heard_before_the_end),
        cmocka_unit_test(who_says_close_notify_still_gets_the_answer),
        cmocka_unit_test(a_body_cut_short_is_not_taken_for_whole),
        cmocka_unit_test(a_new_certificate_is_for_new_connections),
        cmocka_unit_test(reloading_goes_on_beside_handshakes),
        cmocka_unit_test(renegotiation_is_refused),
        cmocka_unit_test(no_handshake_no_answer),
        cmocka_unit_test(an_idle_connection_gives_its_buffers_back_and_goes_on),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
