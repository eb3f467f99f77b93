/* WHAT  Erasures: what the worker needs of the node, and the verb `weir erase`.
 * WHY   The module knows streams and tables; who reads the stream, where the archive is and what a
 *       replay does is known here alone. */
#include "app/erase.h"

#include <stdio.h>
#include <string.h>

#include "analytics/erase/erase.h"
#include "app/cli_admin.h"
#include "app/control_client.h"
#include "base/must.h"

enum { PAUSE_MS = 60000, OUT_BYTES_MAX = 1 << 20, LOOK_EVERY_MS = 200 };

/* ---- hooks ---- */

static enum rc take_turn(struct node *n, struct err *err)
{
    if (pthread_mutex_trylock(&n->rest) != 0)
        return err_set(err, RC_BUSY, "a backup or a replay has the consumers at rest");
    return RC_OK;
}

static enum rc settle_one(struct consumer *c, struct err *err)
{
    enum rc rc = consumer_pause(c, PAUSE_MS);
    if (rc != RC_OK)
        return err_set(err, rc, "the consumer %s does not finish its batch", consumer_name(c));
    consumer_resume(c);
    return RC_OK;
}

static enum rc settle(void *ctx, struct err *err)
{
    struct node *n = ctx;
    struct consumer *project = atomic_load(&n->project);
    TRY(take_turn(n, err));
    enum rc rc = project ? settle_one(project, err) : RC_OK;
    if (rc == RC_OK && n->archiver)
        rc = settle_one(n->archiver, err);
    pthread_mutex_unlock(&n->rest);
    return rc;
}

static enum rc sessions_rest(void *ctx, struct err *err)
{
    struct node *n = ctx;
    if (!atomic_load(&n->project)) /* it begins before the sessions do */
        return err_set(err, RC_UNAVAILABLE, "the store is not up yet");
    TRY(take_turn(n, err));
    struct derived_worker *sessionize = atomic_load(&n->sessionize);
    if (sessionize && derived_worker_pause(sessionize, PAUSE_MS) == RC_OK)
        return RC_OK;
    pthread_mutex_unlock(&n->rest);
    return err_set(err, RC_TIMEOUT, "the sessions do not come to rest");
}

static enum rc sessions_go_on(void *ctx, bool is_anew, struct err *err)
{
    struct node *n = ctx;
    struct derived_worker *sessionize = atomic_load(&n->sessionize);
    enum rc rc = is_anew ? sessionize_worker_forget(sessionize, err) : RC_OK;
    derived_worker_resume(sessionize);
    pthread_mutex_unlock(&n->rest);
    return rc;
}

static enum rc persons_anew(void *ctx, bool (*gives_up)(void *arg), void *arg, struct err *err)
{
    struct node *n = ctx;
    struct derived_worker *persons = atomic_load(&n->persons);
    struct derived_status before, now;
    if (!persons)
        return err_set(err, RC_UNAVAILABLE, "persons are not up yet");
    derived_worker_status(persons, &before);
    TRY(persons_worker_rebuild(persons, err));
    do {
        if (gives_up(arg))
            return err_set(err, RC_CLOSED, "stopped");
        sleep_ms(LOOK_EVERY_MS);
        derived_worker_status(persons, &now);
    } while (now.progress.anew_done == before.progress.anew_done || now.progress.is_anew);
    return RC_OK;
}

static enum rc pass_archive(void *ctx, const struct erase_pass *pass, struct erase_count *ret,
                            struct err *err)
{
    struct node *n = ctx;
    struct archive_erased erased;
    const struct archive_erase what = {.before = pass->before,
                                       .is_wanted = pass->is_wanted,
                                       .gives_up = pass->gives_up,
                                       .ctx = pass->ctx,
                                       .is_dry_run = pass->is_dry_run};
    TRY(take_turn(n, err)); /* a backup copies the objects that a manifest names */
    enum rc rc = archive_erase(n->archive, &what, &erased, err);
    pthread_mutex_unlock(&n->rest);
    *ret = (struct erase_count){
        .records = erased.records, .objects = erased.objects, .bytes = erased.bytes_before};
    return rc;
}

/* ---- samples of what was rejected ---- */

/* A sample of the project, or of nobody: whose it is may come out later, by a release. */
static bool is_sample(void *project, const struct stream_record *record)
{
    char own[64], nobody[64];
    static const char head[] = "{\"project_id\":\"";
    int n = snprintf(own, sizeof(own), "%s%s\"", head, (const char *)project);
    snprintf(nobody, sizeof(nobody), "%s%s\"", head, "00000000-0000-0000-0000-000000000000");
    return slice_eq_str(record->key, "sample") &&
           (slice_has_prefix(record->value, slice_of(own, (size_t)n)) ||
            slice_has_prefix(record->value, slice_of(nobody, (size_t)n)));
}

/* The consumer's rows are what is looked at: it has to have made them all. */
static enum rc wait_for_rejecter(struct node *n, uint64_t before, bool (*gives_up)(void *arg),
                                 void *arg, struct err *err)
{
    mono_ns deadline = mono_add_ms(mono_now(), PAUSE_MS);
    struct consumer *rejecter = atomic_load(&n->rejecter);
    if (!rejecter)
        return err_set(err, RC_UNAVAILABLE, "the store is not up yet");
    while (consumer_checkpoint(rejecter, 0) < before) {
        if (gives_up(arg))
            return err_set(err, RC_CLOSED, "stopped");
        if (!mono_is_before(mono_now(), deadline))
            return err_set(err, RC_TIMEOUT, "what was rejected is not in its table yet");
        sleep_ms(LOOK_EVERY_MS);
    }
    return RC_OK;
}

/* The stream `rejected` is read once, by that consumer. What is in the table is found there, by its
 * words; here, by then, nothing of the project is needed any more, whoever it is of. */
static enum rc samples_settle(void *ctx, const char *project, bool is_dry_run,
                              bool (*gives_up)(void *arg), void *arg, struct err *err)
{
    struct node *n = ctx;
    uint64_t before[STREAM_PARTITIONS_MAX];
    char text[UUID_TEXT_LEN + 1];
    struct stream_erased erased;
    TRY(rejected_flush(n->rejected, err));
    TRY(stream_roll(n->rejects, before, err));
    TRY(wait_for_rejecter(n, before[0], gives_up, arg, err));
    snprintf(text, sizeof(text), "%s", project);
    const struct stream_erase what = {.partition = 0,
                                      .before = before[0],
                                      .is_wanted = is_sample,
                                      .ctx = text,
                                      .is_dry_run = false};
    return is_dry_run ? RC_OK : stream_erase(n->rejects, &what, &erased, err);
}

static bool is_replaying(void *ctx)
{
    const struct node *n = ctx;
    char path[OS_PATH_MAX];
    return os_exists(os_path(path, "%s/events.json", n->replay_dir));
}

/* A sample holds whatever was sent, well-formed or not, so it is cut into words: what stands
 * between two quotes, wherever they are; texts of JSON without their escapes; numbers, as some send
 * ids; values of a query or a form, also in base64, and what they hold in their turn; what a reason
 * quotes. The device, and the user of a token, stand beside the body. */
#define SAMPLE_PIECES                                                       \
    "arrayFlatten(arrayMap(p -> [p, substring(p, position(p, '=') + 1)], "  \
    "arrayConcat(splitByChar('&', query), splitByChar('&', if(match(body, " \
    "'^\\\\s*[\\\\[{]'), '', body)))))"
#define SAMPLE_TEXTS                                                              \
    "arrayConcat([body], arrayFlatten(arrayMap(p -> [decodeURLFormComponent(p), " \
    "tryBase64Decode(p), tryBase64Decode(decodeURLComponent(p))], " SAMPLE_PIECES ")))"
#define SAMPLE_CHAR "(?:[^\"\\\\\\\\]|\\\\\\\\.)*"
#define SAMPLE_WORDS                                                                         \
    "arrayDistinct(arrayFlatten(arrayMap(t -> arrayConcat(splitByChar('\"', t), "            \
    "arrayMap(x -> JSONExtractString(concat('\"', x, '\"')), extractAll(t, '\"(" SAMPLE_CHAR \
    "\\\\\\\\" SAMPLE_CHAR ")\"')), extractAll(t, '[:,\\\\[\\\\s](-?[0-9][0-9eE.+-]*)')), "  \
    "arrayConcat(" SAMPLE_TEXTS                                                              \
    ", arrayFlatten(arrayMap(d -> splitByRegexp('[\\\\s\\':;,()]', d), "                     \
    "details))))))"
static const char sample_where[] =
    "$TEXT(user_id) OR arrayExists(w -> $TEXT(w), arrayConcat([JSONExtractString(client, "
    "'device')], " SAMPLE_WORDS "))";

enum rc node_erase_start(struct node *n, struct err *err)
{
    TRY(erase_guard_new(n->state, &n->guard, err));
    struct stream *const others[] = {n->dead};
    static const struct erase_table tables[] = {
        /* The store's copies of cohorts' lists, which the next question makes anew. */
        {.name = "cohort_members", .where = "$USER(member)"},
        {.name = "rejections", .where = sample_where, .has_nobodys = true},
    };
    const struct erase_cfg cfg = {.tenant = n->tenant,
                                  .store = n->store_cfg,
                                  .events = n->events,
                                  .guard = n->guard,
                                  .others = others,
                                  .other_count = COUNT_OF(others),
                                  .tables = tables,
                                  .table_count = COUNT_OF(tables),
                                  .hooks = {.ctx = n,
                                            .settle = settle,
                                            .sessions_rest = sessions_rest,
                                            .sessions_go_on = sessions_go_on,
                                            .persons_anew = persons_anew,
                                            .archive = n->archive ? pass_archive : NULL,
                                            .samples_settle = samples_settle,
                                            .is_replaying = is_replaying}};
    return erase_worker_start(&cfg, &n->eraser, err);
}

/* ---- weir erase ---- */

struct verb {
    struct cli cli;
    struct state *state;
    struct tenant *tenant;
    const char *project, *ids[ERASE_KINDS], *reason;
    char org_text[UUID_TEXT_LEN + 1], project_text[UUID_TEXT_LEN + 1];
    bool is_linked, is_dry_run;
    struct buf out;
    struct err err;
};

static enum rc request_of(struct verb *v, struct erase_request *r, struct erase_id *ids,
                          struct uuid *ret_id)
{
    struct uuid id;
    if (!v->project || !uuid_parse(slice_str(v->project), &id))
        return err_set(&v->err, RC_INVALID, "--project ID is needed (weir project ls shows them)");
    r->project = slice_str(uuid_format(&id, v->project_text));
    TRY(tenant_parent_of(v->state, TENANT_PROJECT, r->project, v->org_text, &v->err));
    r->org = slice_str(v->org_text);
    for (int kind = 0; kind < ERASE_KINDS; kind++) {
        struct slice rest = v->ids[kind] ? slice_str(v->ids[kind]) : SLICE_EMPTY;
        while (rest.len && r->count < ERASE_IDS_MAX)
            ids[r->count++] = (struct erase_id){(enum erase_kind)kind, slice_cut(&rest, ',')};
    }
    r->ids = ids;
    r->include_linked = v->is_linked;
    r->is_dry_run = v->is_dry_run;
    r->reason = v->reason ? slice_str(v->reason) : SLICE_EMPTY;
    if (v->reason)
        cli_ctx()->reason = r->reason;
    return erase_request(cli_ctx(), v->tenant, r, ret_id, &v->err);
}

static enum rc show_when_done(struct verb *v, const struct uuid *id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    bool is_waiting = control_is_running(v->cli.cfg.data);
    for (;;) {
        buf_clear(&v->out);
        TRY(tenant_show(v->state, TENANT_ERASURE, slice_str(v->project_text), slice_str(text),
                        &v->out, &v->err));
        buf_add_char(&v->out, '\n');
        if (!is_waiting || !buf_ok(&v->out) || strstr(buf_cstr(&v->out), "\"status\":\"done\""))
            break;
        sleep_ms(LOOK_EVERY_MS);
        is_waiting = control_is_running(v->cli.cfg.data);
    }
    if (!is_waiting)
        fprintf(stderr, "no server runs on %s: it is carried out when one does\n", v->cli.cfg.data);
    return RC_OK;
}

static enum rc act(struct verb *v)
{
    static struct erase_id ids[ERASE_IDS_MAX];
    struct erase_request r = {.count = 0};
    struct uuid id;
    TRY(admin_state_open(&v->cli.cfg, false, &v->state, &v->tenant, &v->err));
    TRY(erase_migrate(v->state, &v->err));
    TRY(request_of(v, &r, ids, &id));
    return show_when_done(v, &id);
}

int verb_erase(int argc, char **argv)
{
    struct verb v = {.err = ERR_INIT};
    const struct cli_option options[] = {
        {"project", NULL, &v.project},
        {"user", NULL, &v.ids[ERASE_USER]},
        {"anonymous", NULL, &v.ids[ERASE_ANONYMOUS]},
        {"device", NULL, &v.ids[ERASE_DEVICE]},
        {"reason", NULL, &v.reason},
        {"linked", &v.is_linked, NULL},
        {"dry-run", &v.is_dry_run, NULL},
    };
    int code = cli_parse(
        &v.cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir erase --project ID --user ID[,ID…] [--anonymous ID[,ID…]] [--device HEX[,…]]\n"
        "                  [--linked] [--dry-run] [--reason TEXT] [--data DIR]\n\n"
        "Erases everything about one user of a project: stream, archive, tables. --linked follows\n"
        "identify and alias to the user's other ids. --dry-run counts what would be touched. The\n"
        "running server does it, and this waits for the report (JSON); without one it is done "
        "after\n"
        "the next start. What the user sends afterwards stays. Backups age out: docs/operations.md."
        "\n");
    if (code != 0)
        return code;
    buf_init(&v.out, OUT_BYTES_MAX);
    enum rc rc = act(&v);
    if (rc == RC_OK)
        cli_print(&v.out);
    else
        code = cli_fail(&v.cli, &v.err);
    tenant_close(v.tenant);
    state_close(v.state);
    buf_done(&v.out);
    config_done(&v.cli.cfg);
    return code;
}
