/* WHAT  Opening a shared link: the link, and its password if it has one, for a visit.
 * WHY   A visit is carried by the page in a header, not in a cookie: it works within a frame of
 *       another site, takes nothing from who is signed in here, and no foreign page can make a
 *       browser send it. Passwords are slowed down as at login (tenant/throttle.h). */
#include "access/access_int.h"

#include "tenant/share.h"

enum { LINK_BYTES_MAX = 128 };

static enum rc note_failed(struct ctx *ctx, struct access_call *c, const struct tenant_share *share)
{
    char org[UUID_TEXT_LEN + 1];
    return tenant_change(
        ctx, c->access->tenant,
        &(struct tenant_change){.action = "share.open",
                                .entity = TENANT_SHARE,
                                .id = slice_str(share->id_text),
                                .org = slice_str(uuid_format(&share->project->org, org)),
                                .is_unseen = true,
                                .outcome = "failure"},
        &c->err);
}

static enum rc verify(struct access_call *c, const struct tenant_share *share,
                      struct slice password, bool *ret_is_right)
{
    struct password_hash hash;
    TRY(tenant_share_hash(c->access->state, share, &hash, &c->err));
    if (!access_has_room(c->access, ACCESS_HASHING))
        return err_set(&c->err, RC_BUSY, "too many are signing in at this moment: try again");
    enum rc rc = password_verify(&hash, password, ret_is_right, &c->err);
    atomic_fetch_sub(&c->access->under_way[ACCESS_HASHING], 1);
    return rc;
}

static enum rc check_password(struct ctx *ctx, struct access_call *c,
                              const struct tenant_share *share, struct slice password)
{
    struct throttle_ticket ticket;
    bool is_right = false;
    c->slug = "share-password";
    if (!password.len)
        return err_set(&c->err, RC_UNAUTHORIZED, "this link has a password: send it as well");
    if (!throttle_begin(c->access->throttle, slice_str(share->id_text), ctx->client_address, false,
                        mono_now(), &ticket, &c->retry_after_s))
        return err_set(&c->err, RC_RATE, "too many attempts: wait");
    enum rc rc = verify(c, share, password, &is_right);
    if (rc != RC_OK) {
        throttle_cancel(c->access->throttle, &ticket);
        return rc;
    }
    if (is_right) {
        throttle_success(c->access->throttle, &ticket);
        return RC_OK;
    }
    TRY(note_failed(ctx, c, share));
    return err_set(&c->err, RC_UNAUTHORIZED, "the password is wrong");
}

static void answer_visit(struct access_call *c, const struct tenant_share *share)
{
    char visit[SHARE_VISIT_LEN + 1], end[TIME_TEXT_BYTES];
    const char *between = "";
    time_format(tenant_share_begin(share, unix_now(), visit), end);
    buf_addf(&c->out,
             "{\"visit\":\"%s\",\"ends_at\":\"%s\",\"project\":{\"id\":\"%s\",\"name\":", visit,
             end, share->project->id_text);
    buf_add_json(&c->out, slice_str(share->project->name));
    buf_add_str(&c->out, ",\"time_zone\":");
    buf_add_json(&c->out,
                 share->project->time_zone.len ? share->project->time_zone : SLICE_LIT("UTC"));
    buf_add_str(&c->out, "},\"pages\":[");
    for (struct slice rest = share->pages; rest.len; between = ",") {
        buf_add_str(&c->out, between);
        buf_add_json(&c->out, slice_cut(&rest, ' '));
    }
    buf_add_str(&c->out, "]}");
    explicit_bzero(visit, sizeof(visit));
}

static enum rc open_share(struct ctx *ctx, struct access_call *c)
{
    struct slice link, password;
    TRY(access_only(c, (const char *const[]){"link", "password", NULL}));
    TRY(access_text(c, "link", true, LINK_BYTES_MAX, &link));
    TRY(access_text(c, "password", false, PASSWORD_BYTES_MAX, &password));
    const struct tenant_share *share = tenant_share_by_link(c->req->view, link, unix_now());
    if (!share)
        return err_set(&c->err, RC_NOTFOUND,
                       "there is no such link: it was revoked, or has expired");
    if (share->has_password)
        TRY(check_password(ctx, c, share, password));
    answer_visit(c, share);
    return RC_OK;
}

static const struct access_op op_open = {open_share, 200, ACCESS_FORM};

#define VISIT                                                                                  \
    ACCESS_ANSWER("\"visit\"" ACCESS_TEXT ",\"ends_at\"" ACCESS_TEXT ",\"project\":{\"type\":" \
                  "\"object\",\"properties\":{\"id\"" ACCESS_TEXT ",\"name\"" ACCESS_TEXT      \
                  ",\"time_zone\"" ACCESS_TEXT "}},\"pages\"" ACCESS_TEXTS)
static const struct api_route routes[] = {
    ACCESS_FORM_ROUTE("/v1/shares/open", op_open,
                      ACCESS_BODY("\"link\"" ACCESS_TEXT ",\"password\"" ACCESS_TEXT, "\"link\""),
                      "openShare", "A shared link for a visit, with which its reports are asked",
                      VISIT),
};
const struct access_routes access_share_routes = {routes, COUNT_OF(routes)};
