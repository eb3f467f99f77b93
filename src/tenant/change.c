/* WHAT  Every change to access: one transaction with its audit event, then the view.
 * WHY   The stream and the database cannot commit together. So the event is put into a table by the
 *       transaction that makes the change (an outbox), and moved to the stream from there: at least
 *       once, under an id of its own that readers tell repeats by. */
#include "tenant/entity_int.h"

#include <endian.h>

#include "base/heap.h"
#include "base/must.h"
#include "tenant/tenant_int.h"

enum { AUDIT_BYTES_MAX = 256 << 10, OUTBOX_BATCH = 100 };

struct step {
    struct ctx *ctx;
    const struct tenant_change *change;
    struct buf before, after, event;
};

/* What is not there (yet, or any more) leaves the buffer empty. */
static enum rc snapshot(struct state *s, const struct tenant_change *c, struct buf *out,
                        struct err *err)
{
    struct err ignored = ERR_INIT;
    if (c->is_unseen)
        return RC_OK;
    enum rc rc = entity_show(s, c->entity, c->parent, c->id, true, out, &ignored);
    if (rc == RC_OK || rc == RC_NOTFOUND)
        return RC_OK;
    return err_set(err, rc, "%s", ignored.text);
}

static void add_member(struct buf *out, const char *name, struct slice value)
{
    if (!value.len)
        return;
    buf_addf(out, ",\"%s\":", name);
    buf_add_json(out, value);
}

static void add_event(struct step *step, const struct uuid *id)
{
    const struct tenant_change *c = step->change;
    const struct ctx *ctx = step->ctx;
    const char *service = tenant_entities[c->entity].service;
    char text[UUID_TEXT_LEN + 1], when[TIME_TEXT_BYTES];
    struct buf *out = &step->event;
    buf_addf(out, "{\"id\":\"%s\",\"occurred_at\":\"%s\",\"service\":\"%s\",\"action\":\"%s\"",
             uuid_format(id, text), time_format(unix_now(), when), service ? service : "access",
             c->action);
    buf_addf(out, ",\"outcome\":\"%s\"", c->outcome ? c->outcome : "success");
    add_member(out, "org", c->org);
    buf_addf(out, ",\"resource\":{\"type\":\"%s\",\"id\":", tenant_entities[c->entity].type);
    buf_add_json(out, c->id);
    buf_add_char(out, '}');
    if (step->before.len) {
        buf_add_str(out, ",\"before\":");
        buf_add_slice(out, buf_slice(&step->before));
    }
    if (step->after.len) {
        buf_add_str(out, ",\"after\":");
        buf_add_slice(out, buf_slice(&step->after));
    }
    add_member(out, "reason", ctx->reason);
    add_member(out, "address", ctx->client_address);
    add_member(out, "user_agent", ctx->user_agent);
    add_member(out, "request_id", slice_str(ctx->request_id));
    buf_add_char(out, ',');
    ctx_export(ctx, out);
    buf_add_char(out, '}');
}

static enum rc take_id(void *ctx, const struct state_row *row)
{
    if (state_row_is_null(row, 0))
        return RC_OK;
    return uuid_parse(state_row_text(row, 0), ctx) ? RC_OK : RC_CORRUPT;
}

/* Greater than all that wait: the outbox is emptied in the order of its ids, and uuid_v7() promises
 * an order within one thread only. The head of a UUIDv7 is 48 bits of time, 4 of version, 12 that
 * count. */
static enum rc next_id(struct state *s, struct uuid *ret, struct err *err)
{
    struct uuid last = {{0}};
    uint64_t head, last_head;
    TRY(state_run(s, "SELECT max(id) FROM audit_outbox", NULL, 0, take_id, &last, err));
    *ret = uuid_v7(unix_now());
    memcpy(&head, ret->bytes, sizeof(head));
    memcpy(&last_head, last.bytes, sizeof(last_head));
    last_head = be64toh(last_head);
    if (be64toh(head) > last_head)
        return RC_OK;
    head = (last_head & 0xfff) < 0xfff ? last_head + 1 : ((last_head >> 16) + 1) << 16 | 0x7000;
    head = htobe64(head);
    memcpy(ret->bytes, &head, sizeof(head));
    return RC_OK;
}

/* A login must not make every process read all keys again. */
static bool is_in_view(const struct tenant_change *c)
{
    return !c->is_unseen &&
           (c->entity == TENANT_ORG || c->entity == TENANT_PROJECT || c->entity == TENANT_KEY ||
            c->entity == TENANT_ISSUER || c->entity == TENANT_SHARE);
}

static enum rc run_step(void *arg, struct state *s, struct err *err)
{
    struct step *step = arg;
    const struct tenant_change *c = step->change;
    struct uuid id;
    char text[UUID_TEXT_LEN + 1];
    TRY(next_id(s, &id, err));
    TRY(snapshot(s, c, &step->before, err));
    if (c->apply)
        TRY(c->apply(c->arg, s, err));
    TRY(snapshot(s, c, &step->after, err));
    add_event(step, &id);
    if (is_in_view(c))
        TRY(state_run(s, "UPDATE view_version SET number = number + 1", NULL, 0, NULL, NULL, err));
    if (!buf_ok(&step->event) || !buf_ok(&step->before) || !buf_ok(&step->after))
        return err_set(err, RC_LIMIT, "the change is too large to be written down");
    return state_run(s, "INSERT INTO audit_outbox (id, org_id, value) VALUES (?1, ?2, ?3)",
                     (struct state_value[]){STATE_STR(uuid_format(&id, text)), STATE_SLICE(c->org),
                                            STATE_BYTES(step->event.data, step->event.len)},
                     3, NULL, NULL, err);
}

enum rc tenant_change(struct ctx *ctx, struct tenant *t, const struct tenant_change *change,
                      struct err *err)
{
    struct step step = {.ctx = ctx, .change = change};
    buf_init(&step.before, AUDIT_BYTES_MAX);
    buf_init(&step.after, AUDIT_BYTES_MAX);
    buf_init(&step.event, AUDIT_BYTES_MAX);
    enum rc rc = state_transaction(t->state, run_step, &step, err);
    buf_done(&step.before);
    buf_done(&step.after);
    buf_done(&step.event);
    return rc;
}

enum rc statement_apply(void *statement, struct state *s, struct err *err)
{
    const struct statement *st = statement;
    TRY(state_run(s, st->sql, st->params, st->count, NULL, NULL, err));
    if (state_changes(s) == 0)
        return err_set(err, RC_NOTFOUND, "there is no such %s", st->missing);
    return RC_OK;
}

enum rc tenant_run(struct ctx *ctx, struct tenant *t, const struct tenant_change *change,
                   const struct statement *statement, struct err *err)
{
    struct tenant_change c = *change;
    struct statement st = *statement;
    c.apply = statement_apply;
    c.arg = &st;
    TRY(tenant_change(ctx, t, &c, err));
    return tenant_reload(t, err);
}

/* ---- the outbox ---- */
struct parcel { /* its value follows it */
    char id[UUID_TEXT_LEN + 1], org[UUID_TEXT_LEN + 1];
    size_t value_len;
};

static enum rc take_parcel(void *ctx, const struct state_row *row)
{
    struct buf *waiting = ctx;
    struct slice id = state_row_text(row, 0), org = state_row_text(row, 1),
                 value = state_row_blob(row, 2);
    struct parcel p = {.value_len = value.len};
    ENSURE(id.len == UUID_TEXT_LEN && org.len <= UUID_TEXT_LEN, RC_CORRUPT);
    memcpy(p.id, id.data, id.len);
    memcpy(p.org, org.data, org.len);
    buf_add(waiting, &p, sizeof(p));
    buf_add_slice(waiting, value);
    return buf_ok(waiting) ? RC_OK : RC_NOMEM;
}

static enum rc hand_out(struct state *s, struct slice *rest,
                        enum rc (*publish)(void *ctx, struct slice key, struct slice value),
                        void *ctx, struct err *err)
{
    struct parcel p;
    memcpy(&p, rest->data, sizeof(p));
    enum rc rc = publish(ctx, slice_str(p.org), slice_of(rest->data + sizeof(p), p.value_len));
    if (rc != RC_OK)
        return err_set(err, rc, "an audit event could not be published");
    *rest = slice_sub(*rest, sizeof(p) + p.value_len);
    return state_run(s, "DELETE FROM audit_outbox WHERE id = ?1", &STATE_STR(p.id), 1, NULL, NULL,
                     err);
}

enum rc tenant_outbox_drain(struct state *s,
                            enum rc (*publish)(void *ctx, struct slice key, struct slice value),
                            void *ctx, uint32_t *ret_count, struct err *err)
{
    struct buf waiting;
    buf_init(&waiting, (size_t)OUTBOX_BATCH * (AUDIT_BYTES_MAX + sizeof(struct parcel)));
    enum rc rc = state_run(s, "SELECT id, org_id, value FROM audit_outbox ORDER BY id LIMIT ?1",
                           &STATE_I64(OUTBOX_BATCH), 1, take_parcel, &waiting, err);
    struct slice rest = buf_slice(&waiting);
    *ret_count = 0;
    while (rc == RC_OK && rest.len) {
        rc = hand_out(s, &rest, publish, ctx, err);
        *ret_count += rc == RC_OK;
    }
    buf_done(&waiting);
    return rc;
}
