/* WHAT    The provider's side of a sign-in: where it is (OpenID Connect Discovery 1.0), the code
 *         for tokens (RFC 6749 section 4.1.3), and who the ID token is about (OpenID Connect Core
 *         section 3.1.3.7), with the userinfo endpoint for an address that the token leaves out.
 * WHY     An ID token is believed for its signature by a key of the issuer, its issuer, audience,
 *         time and nonce; never for the connection it came by. HS256 is not taken: the client
 *         secret would be a signing key.
 * THREADS the worker pool's. */
#include <stdio.h>

#include "access/oidc_int.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/random.h"
#include "codec/json.h"

enum { KNOWN_MS = 3600 * 1000, HTTP_OK = 200, HTTP_SERVER_ERROR = 500, KEYS_WAIT_MS = 5000 };

/* ---- settings ---- */
static enum rc check_settings(const struct access_cfg *cfg, struct err *err)
{
    struct uuid org;
    if (jwks_url_check(slice_str(cfg->oidc.issuer), err) != RC_OK)
        return err_set(err, RC_INVALID,
                       "oidc.issuer begins with https:// (http:// only for localhost)");
    if (!*cfg->oidc.client_id)
        return err_set(err, RC_INVALID, "oidc.issuer needs oidc.client_id as well");
    if (jwks_url_check(slice_str(cfg->public_url), err) != RC_OK)
        return err_set(err, RC_INVALID,
                       "oidc.issuer needs public_url, the address at which people reach this "
                       "server: https://… (http:// only for localhost)");
    if (*cfg->oidc.auto_join_org && !uuid_parse(slice_str(cfg->oidc.auto_join_org), &org))
        return err_set(err, RC_INVALID, "oidc.auto_join_org is no id of an organisation");
    return RC_OK;
}

enum rc oidc_new(const struct access_cfg *cfg, struct oidc **ret_oidc, struct err *err)
{
    TRY(check_settings(cfg, err));
    struct oidc *o = heap_alloc(HEAP_APP, sizeof(*o));
    *o = (struct oidc){.cfg = cfg->oidc, .jwks = cfg->jwks};
    snprintf(o->redirect_uri, sizeof(o->redirect_uri), "%.*s/v1/login/oidc/callback",
             SLICE_ARG(access_url(cfg->public_url)));
    random_bytes(o->key, sizeof(o->key));
    pthread_mutex_init(&o->lock, NULL);
    *ret_oidc = o;
    return RC_OK;
}

void oidc_free(struct oidc *o)
{
    if (!o)
        return;
    pthread_mutex_destroy(&o->lock);
    explicit_bzero(o->key, sizeof(o->key));
    heap_free(o);
}

/* ---- answers ---- */
static struct slice member(yyjson_val *object, const char *name)
{
    yyjson_val *v = json_get(object, name);
    return v && yyjson_is_str(v) ? json_text(v) : SLICE_EMPTY;
}

/* An object, whatever the status. */
static enum rc fetch_object(const struct oidc_request *request, struct arena *arena,
                            yyjson_val **ret, long *ret_status, struct err *err)
{
    CLEANUP(buf_done) struct buf body;
    buf_init(&body, OIDC_ANSWER_BYTES_MAX);
    enum rc rc = oidc_fetch(request, &body, ret_status, err);
    if (rc == RC_OK && *ret_status >= HTTP_SERVER_ERROR)
        rc = err_set(err, RC_UNAVAILABLE, "the provider answers with status %ld", *ret_status);
    if (rc == RC_OK &&
        (json_parse(arena, buf_slice(&body), ret, NULL) != RC_OK || !yyjson_is_obj(*ret)))
        rc = err_set(err, RC_UNAVAILABLE, "the provider's answer (status %ld) is no JSON object",
                     *ret_status);
    if (body.data)
        explicit_bzero(body.data, body.len);
    return rc;
}

/* ---- discovery ---- */
static enum rc take_url(yyjson_val *document, const char *name, char ret[OIDC_URL_BYTES_MAX + 1],
                        struct err *err)
{
    struct slice url = member(document, name);
    if (jwks_url_check(url, err) != RC_OK)
        return err_set(err, RC_UNAVAILABLE, "the provider's configuration has no good \"%s\"",
                       name);
    snprintf(ret, OIDC_URL_BYTES_MAX + 1, "%.*s", SLICE_ARG(url));
    return RC_OK;
}

static enum rc read_document(const struct oidc *o, yyjson_val *document, struct oidc_endpoints *ret,
                             struct err *err)
{
    *ret = (struct oidc_endpoints){.userinfo = ""};
    if (!slice_eq_str(member(document, "issuer"), o->cfg.issuer))
        return err_set(
            err, RC_UNAVAILABLE,
            "the provider calls itself by another name than oidc.issuer: '%.*s'",
            (int)(member(document, "issuer").len < 200 ? member(document, "issuer").len : 200),
            member(document, "issuer").data);
    TRY(take_url(document, "authorization_endpoint", ret->authorization, err));
    TRY(take_url(document, "token_endpoint", ret->token, err));
    TRY(take_url(document, "jwks_uri", ret->jwks, err));
    return member(document, "userinfo_endpoint").len
               ? take_url(document, "userinfo_endpoint", ret->userinfo, err)
               : RC_OK;
}

static bool is_known(struct oidc *o, struct oidc_endpoints *ret)
{
    pthread_mutex_lock(&o->lock);
    bool is_fresh = mono_is_before(mono_now(), o->known_until);
    if (is_fresh)
        *ret = o->endpoints;
    pthread_mutex_unlock(&o->lock);
    return is_fresh;
}

enum rc oidc_discover(struct oidc *o, struct arena *arena, struct oidc_endpoints *ret,
                      struct err *err)
{
    char url[OIDC_URL_BYTES_MAX + 64];
    yyjson_val *document;
    long status = 0;
    if (is_known(o, ret))
        return RC_OK;
    snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration",
             SLICE_ARG(access_url(o->cfg.issuer)));
    TRY(fetch_object(&(struct oidc_request){.url = url}, arena, &document, &status, err));
    if (status != HTTP_OK)
        return err_set(err, RC_UNAVAILABLE, "the provider's configuration: status %ld", status);
    TRY(read_document(o, document, ret, err));
    pthread_mutex_lock(&o->lock);
    o->endpoints = *ret;
    o->known_until = mono_add_ms(mono_now(), KNOWN_MS);
    pthread_mutex_unlock(&o->lock);
    jwks_cache_warm(o->jwks, slice_str(ret->jwks));
    return RC_OK;
}

/* ---- the code for tokens ---- */
struct tokens {
    struct slice id, access;
};

static void add_pair(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "%s%s=", out->len ? "&" : "", name);
    oidc_escape(out, slice_str(value));
}

/* The provider's word for what is wrong ("invalid_grant"), if it is one. */
static struct slice error_word(yyjson_val *answer)
{
    struct slice word = member(answer, "error");
    for (size_t i = 0; i < word.len; i++)
        if ((word.data[i] < 'a' || word.data[i] > 'z') && word.data[i] != '_')
            return SLICE_LIT("error");
    return word.len && word.len <= 40 ? word : SLICE_LIT("error");
}

static enum rc exchange(struct oidc *o, const struct oidc_endpoints *at, struct arena *arena,
                        const char *form, struct tokens *ret, struct err *err)
{
    /* RFC 6749 section 2.3.1: both are form-encoded before they are put together. */
    CLEANUP(buf_done) struct buf user;
    CLEANUP(buf_done) struct buf password;
    yyjson_val *answer;
    long status = 0;
    bool has_secret = *o->cfg.client_secret;
    buf_init(&user, OIDC_URL_BYTES_MAX);
    buf_init(&password, OIDC_URL_BYTES_MAX);
    oidc_escape(&user, slice_str(o->cfg.client_id));
    oidc_escape(&password, slice_str(o->cfg.client_secret));
    struct oidc_request request = {.url = at->token,
                                   .form = form,
                                   .user = has_secret ? buf_cstr(&user) : NULL,
                                   .password = buf_cstr(&password)};
    enum rc rc = fetch_object(&request, arena, &answer, &status, err);
    if (password.data)
        explicit_bzero(password.data, password.len);
    TRY(rc);
    if (status != HTTP_OK)
        return err_set(err, RC_FORBIDDEN, "the provider does not take the code (%.*s)",
                       SLICE_ARG(error_word(answer)));
    *ret = (struct tokens){member(answer, "id_token"), member(answer, "access_token")};
    return ret->id.len ? RC_OK
                       : err_set(err, RC_UNAVAILABLE, "the provider's answer has no ID token");
}

static enum rc exchange_code(struct oidc *o, const struct oidc_endpoints *at, struct arena *arena,
                             struct slice code, const struct oidc_flow *flow, struct tokens *ret,
                             struct err *err)
{
    CLEANUP(buf_done) struct buf form;
    buf_init(&form, OIDC_ANSWER_BYTES_MAX);
    add_pair(&form, "grant_type", "authorization_code");
    add_pair(&form, "redirect_uri", o->redirect_uri);
    add_pair(&form, "code_verifier", flow->verifier.text);
    if (!*o->cfg.client_secret)
        add_pair(&form, "client_id", o->cfg.client_id);
    buf_add_str(&form, "&code=");
    oidc_escape(&form, code);
    enum rc rc = exchange(o, at, arena, buf_cstr(&form), ret, err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    return rc;
}

/* ---- the ID token ---- */
struct keys_wait {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_over;
};

static void keys_are_here(void *ctx, enum rc rc)
{
    struct keys_wait *w = ctx;
    (void)rc; /* whatever came of it: the set that is there now decides */
    pthread_mutex_lock(&w->lock);
    w->is_over = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

static void wait_for_keys(struct oidc *o, struct slice url)
{
    struct keys_wait w = {.is_over = false};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.cond, NULL);
    if (jwks_cache_refresh(o->jwks, url, KEYS_WAIT_MS, keys_are_here, &w) == RC_OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.is_over) /* the cache calls back at its deadline at the latest */
            pthread_cond_wait(&w.cond, &w.lock);
        pthread_mutex_unlock(&w.lock);
    }
    pthread_cond_destroy(&w.cond);
    pthread_mutex_destroy(&w.lock);
}

static enum jwt_result try_keys(struct oidc *o, struct slice url, const struct jwt *jwt)
{
    struct jwks_snapshot *keys = jwks_cache_take(o->jwks, url);
    enum jwt_result result = keys ? jwks_verify(keys->set, jwt) : JWT_NO_KEY;
    jwks_snapshot_give(keys);
    return result;
}

static enum jwt_result verify(struct oidc *o, const struct oidc_endpoints *at,
                              const struct jwt *jwt)
{
    enum jwt_result result = try_keys(o, slice_str(at->jwks), jwt);
    if (result == JWT_NO_KEY) {
        wait_for_keys(o, slice_str(at->jwks));
        result = try_keys(o, slice_str(at->jwks), jwt);
    }
    if (result != JWT_OK)
        return result;
    return jwt_check(jwt, &(struct jwt_expect){.issuer = slice_str(o->cfg.issuer),
                                               .audience = slice_str(o->cfg.client_id),
                                               .now = unix_now(),
                                               .skew_s = JWT_CLOCK_SKEW_S});
}

/* Core section 3.1.3.7, 4 and 5: for several audiences, azp says whose it is. */
static bool is_ours(const struct oidc *o, yyjson_val *claims)
{
    yyjson_val *aud = json_get(claims, "aud");
    bool needs_azp = yyjson_is_arr(aud) && yyjson_arr_size(aud) > 1;
    struct slice azp = member(claims, "azp");
    return azp.len ? slice_eq_str(azp, o->cfg.client_id) : !needs_azp;
}

static enum rc read_token(struct oidc *o, const struct oidc_endpoints *at, struct arena *arena,
                          struct slice token, const struct oidc_flow *flow, yyjson_val **ret_claims,
                          struct err *err)
{
    struct jwt jwt;
    enum jwt_result result = jwt_parse(arena, token, JWT_ALGS_PUBLIC, &jwt);
    if (result == JWT_OK)
        result = verify(o, at, &jwt);
    if (result == JWT_OK && !jwt.has_exp)
        result = JWT_NO_EXPIRY;
    if (result != JWT_OK)
        return err_set(err, RC_FORBIDDEN, "the provider's ID token is refused: %s",
                       jwt_result_text(result));
    struct slice subject = member(jwt.claims, "sub");
    if (!is_ours(o, jwt.claims) ||
        !slice_eq_const_time(member(jwt.claims, "nonce"), slice_of(flow->nonce.text, TOKEN_TEXT)) ||
        subject.len == 0 || subject.len > IDENTITY_SUBJECT_BYTES_MAX)
        return err_set(err, RC_FORBIDDEN,
                       "the provider's ID token is refused: it is for another client or sign-in");
    *ret_claims = jwt.claims;
    return RC_OK;
}

/* ---- who it is ---- */
static bool is_true(yyjson_val *v)
{
    return v && (yyjson_is_true(v) || (yyjson_is_str(v) && slice_eq_str(json_text(v), "true")));
}

static void take_name(struct slice name, struct oidc_person *ret)
{
    if (name.len == 0 || name.len > USER_NAME_MAX) {
        struct slice rest = slice_str(ret->email);
        name = slice_cut(&rest, '@');
    }
    snprintf(ret->name, sizeof(ret->name), "%.*s", SLICE_ARG(name));
    for (char *c = ret->name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

static void take_claims(yyjson_val *claims, struct oidc_person *ret)
{
    if (!*ret->email && email_normalise(member(claims, "email"), ret->email, NULL) == RC_OK)
        ret->is_email_verified = is_true(json_get(claims, "email_verified"));
    if (*ret->email && !*ret->name)
        take_name(member(claims, "name"), ret);
}

/* Many providers give the address here only. */
static enum rc ask_userinfo(const struct oidc_endpoints *at, struct arena *arena,
                            struct slice access_token, struct oidc_person *ret, struct err *err)
{
    yyjson_val *claims;
    long status = 0;
    const char *bearer = arena_strndup(arena, access_token.data, access_token.len);
    ENSURE(bearer, RC_NOMEM);
    TRY(fetch_object(&(struct oidc_request){.url = at->userinfo, .bearer = bearer}, arena, &claims,
                     &status, err));
    /* Core section 5.3.4: not this person's, not used. */
    if (status == HTTP_OK && slice_eq(member(claims, "sub"), ret->subject))
        take_claims(claims, ret);
    return RC_OK;
}

enum rc oidc_identify(struct oidc *o, struct arena *arena, struct slice code,
                      const struct oidc_flow *flow, struct oidc_person *ret, struct err *err)
{
    struct oidc_endpoints at;
    struct tokens tokens = {SLICE_EMPTY, SLICE_EMPTY};
    yyjson_val *claims = NULL;
    TRY(oidc_discover(o, arena, &at, err));
    TRY(exchange_code(o, &at, arena, code, flow, &tokens, err));
    TRY(read_token(o, &at, arena, tokens.id, flow, &claims, err));
    *ret = (struct oidc_person){.subject = member(claims, "sub")};
    take_claims(claims, ret);
    if (!*ret->email && *at.userinfo && tokens.access.len)
        TRY(ask_userinfo(&at, arena, tokens.access, ret, err));
    return RC_OK;
}
