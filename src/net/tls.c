/* TLS over memory BIOs: libuv moves the records, OpenSSL makes and reads them. TLS 1.2 and up.
 *
 * RELOAD   A connection holds the context that it began with; only new ones see the new files.
 * CLOSING  Every orderly end says close_notify first. A client that ends its TCP side without one
 *          is treated as half-closed: a body cut short is not taken for whole, as it has a length.
 * BOUNDS   No renegotiation, no session cache. Nothing is read while the alerts that a client
 *          provoked wait for it to read them (conn.c). */
#include <openssl/err.h>

#include "base/must.h"
#include "net/net_int.h"

enum { RECORD_BYTES = 16 << 10 };

static const unsigned char alpn[] = "\x08http/1.1";

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    int r = SSL_select_next_proto(&chosen, out_len, alpn, sizeof(alpn) - 1, in, in_len);
    *out = chosen;
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum rc tls_error(const char *what, struct err *err)
{
    char reason[160];
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    return err_set(err, RC_INVALID, "%s: %s", what, reason);
}

enum rc tls_context_new(const char *certificate, const char *key, SSL_CTX **ret, struct err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    must(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    /* Tickets resume sessions; a cache would be memory that clients fill, behind one lock. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    enum rc rc = RC_OK;
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1)
        rc = tls_error(certificate, err);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        rc = tls_error(key, err);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        rc = tls_error("certificate and key do not belong together", err);
    if (rc != RC_OK) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *ret = ctx;
    return RC_OK;
}

enum rc tls_conn_init(struct conn *c)
{
    pthread_mutex_lock(&c->server->tls_lock);
    c->tls = SSL_new(c->server->tls); /* takes its own reference: a reload does not pull it away */
    pthread_mutex_unlock(&c->server->tls_lock);
    ENSURE(c->tls, RC_NOMEM);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(c->tls, in, out); /* owns them, also one alone */
    ENSURE(in && out, RC_NOMEM);
    SSL_set_accept_state(c->tls);
    return RC_OK;
}

void tls_conn_done(struct conn *c)
{
    if (c->tls)
        SSL_free(take_ptr(&c->tls));
}

/* A memory BIO keeps the size that it once had. */
void tls_conn_cool(struct conn *c)
{
    if (!SSL_is_init_finished(c->tls) || BIO_ctrl_pending(SSL_get_rbio(c->tls)) ||
        BIO_ctrl_pending(SSL_get_wbio(c->tls)))
        return;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    if (in && out) {
        SSL_set_bio(c->tls, in, out);
    } else {
        BIO_free(in);
        BIO_free(out);
    }
}

static bool take_records(struct conn *c)
{
    BIO *bio = SSL_get_wbio(c->tls);
    size_t pending;
    while ((pending = BIO_ctrl_pending(bio)) > 0) {
        char *to = buf_reserve(&c->raw_out, pending);
        if (!to)
            return false;
        int n = BIO_read(bio, to, (int)pending);
        if (n <= 0)
            return false;
        buf_commit(&c->raw_out, (size_t)n);
    }
    return true;
}

/* A record at a time, each taken away at once: the BIO does not grow with the answer. */
bool tls_output(struct conn *c)
{
    size_t at = 0;
    while (at < c->out.len && SSL_is_init_finished(c->tls)) {
        size_t left = c->out.len - at;
        ERR_clear_error();
        int n = SSL_write(c->tls, c->out.data + at, left < RECORD_BYTES ? (int)left : RECORD_BYTES);
        if (n <= 0) {
            ERR_clear_error();
            return false; /* a memory BIO takes everything: this is a broken connection */
        }
        at += (size_t)n;
        if (!take_records(c))
            return false;
    }
    if (at) {
        buf_drop_front(&c->out, at);
        if (c->out.len == 0 && c->out.cap > NET_KEEP_BYTES)
            buf_done(&c->out);
    }
    return take_records(c);
}

void tls_notify(struct conn *c)
{
    c->is_tls_notified = true;
    ERR_clear_error();
    if (SSL_is_init_finished(c->tls))
        IGNORE(SSL_shutdown(c->tls) < 0, "the connection ends either way");
    ERR_clear_error();
    IGNORE(!take_records(c), "the connection ends either way");
}

bool tls_input(struct conn *c, struct slice raw)
{
    if (BIO_write(SSL_get_rbio(c->tls), raw.data, (int)raw.len) != (int)raw.len)
        return false;
    char plain[RECORD_BYTES];
    for (;;) {
        ERR_clear_error();
        int n = SSL_read(c->tls, plain, sizeof(plain));
        if (n > 0) {
            conn_feed(c, slice_of(plain, (size_t)n));
            if (c->state == CONN_CLOSED)
                return true;
            continue;
        }
        int error = SSL_get_error(c->tls, n);
        ERR_clear_error();
        conn_flush(c); /* handshake records, alerts */
        if (c->state == CONN_CLOSED)
            return true;
        if (error == SSL_ERROR_ZERO_RETURN) {
            conn_end(c);
            return true;
        }
        conn_schedule(c); /* the end of the handshake changes the deadline */
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    }
}
