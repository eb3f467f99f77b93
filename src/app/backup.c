#include "app/backup.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analytics/erase/erase.h"
#include "app/cli.h"
#include "app/control_client.h"
#include "app/version.h"
#include "base/log.h"
#include "base/must.h"
#include "store/freeze.h"

enum {
    PAUSE_MS = 60000,
    STORE_UP_MS = 60000,
    FREEZE_TRIES_MAX = 5, /* the store's child may die under it */
    MANIFEST_BYTES_MAX = 4096
};

static void tell(struct job *job, const char *what)
{
    if (job)
        job_line(job, "{\"step\":\"%s\"}", what);
}

/* The store needs seconds to come up. The projector starts when it is up, so waiting for the
 * projector also keeps it from starting in the middle. */
static enum rc wait_for_store(struct node *n, struct err *err)
{
    if (!n->has_bring_up)
        return node_store_ready(n, STORE_UP_MS, err);
    mono_ns deadline = mono_add_ms(mono_now(), STORE_UP_MS);
    while (!atomic_load(&n->project)) {
        if (atomic_load(&n->is_closing) || !mono_is_before(mono_now(), deadline))
            return err_set(err, RC_UNAVAILABLE,
                           "the store is not up, and a backup needs it: see the log");
        sleep_ms(20);
    }
    return n->supervisor ? store_supervisor_wait(n->supervisor, STORE_UP_MS, err) : RC_OK;
}

/* ---- what has to be of one moment ---- */

static enum rc copy_folder(const struct node *n, const char *name, const char *to,
                           os_copy_fn *copy_one, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX];
    os_path(from, "%s/%s", n->cfg->data, name);
    return os_copy_tree(from, os_path(path, "%s/%s", to, name), copy_one, err);
}

static enum rc freeze_store(struct node *n, const char *to, struct err *err)
{
    char path[OS_PATH_MAX];
    enum rc rc = RC_UNAVAILABLE;
    os_path(path, "%s/store", to);
    for (int tries = 0; tries < FREEZE_TRIES_MAX; tries++) {
        if (err)
            *err = ERR_INIT;
        TRY(store_supervisor_wait(n->supervisor, STORE_UP_MS, err));
        TRY(os_remove_tree(path, err));
        struct store_client *client;
        rc = store_pool_take(n->pool, &client, err);
        if (rc == RC_OK) {
            rc = store_freeze(client, n->store_dir, path, err);
            store_pool_give(n->pool, client);
        }
        if (rc != RC_UNAVAILABLE && rc != RC_TIMEOUT)
            break;
        sleep_ms(200); /* so that the supervisor sees a dead child as dead */
    }
    return rc;
}

static enum rc copy_moment(struct node *n, const char *to, struct err *err)
{
    if (n->supervisor) /* a ClickHouse server has its own backups; said in docs/operations.md */
        TRY(freeze_store(n, to, err));
    TRY(copy_folder(n, "consumers", to, os_copy_whole, err));
    TRY(copy_folder(n, "archive-state", to, os_copy_whole, err));
    /* Objects are replaced by renaming, never written to. */
    return copy_folder(n, "archive", to, os_link_or_copy, err);
}

/* While all of them rest; each may be NULL. */
static enum rc copy_with_consumers(struct node *n, const char *to, struct err *err)
{
    struct consumer *const consumers[] = {atomic_load(&n->project), n->archiver,
                                          atomic_load(&n->rejecter)};
    static const char *const names[] = {"projector", "archiver", "consumer of what was rejected"};
    enum rc rc = RC_OK;
    unsigned paused = 0;
    for (; paused < COUNT_OF(consumers) && rc == RC_OK; paused++) {
        rc = consumers[paused] ? consumer_pause(consumers[paused], PAUSE_MS) : RC_OK;
        if (rc != RC_OK)
            IGNORE(err_set(err, rc, "the %s does not come to rest: its batch takes too long",
                           names[paused]),
                   "rc is returned");
    }
    if (rc == RC_OK)
        rc = copy_moment(n, to, err);
    while (paused--)
        if (consumers[paused])
            consumer_resume(consumers[paused]);
    return rc;
}

/* ---- the whole ---- */

static enum rc copy_at_rest(struct node *n, const char *to, struct err *err)
{
    struct derived_worker *const workers[] = {atomic_load(&n->sessionize),
                                              atomic_load(&n->persons)};
    static const char *const names[] = {"sessions", "persons"};
    enum rc rc = RC_OK;
    unsigned paused = 0;
    for (; paused < COUNT_OF(workers) && rc == RC_OK; paused++)
        if (workers[paused] && derived_worker_pause(workers[paused], PAUSE_MS) != RC_OK)
            rc = err_set(err, RC_TIMEOUT, "the %s do not come to rest: their batch takes too long",
                         names[paused]);
    if (rc == RC_OK)
        rc = copy_with_consumers(n, to, err);
    while (paused--)
        if (workers[paused])
            derived_worker_resume(workers[paused]);
    return rc;
}

static enum rc copy_parts(struct node *n, const char *to, struct err *err)
{
    char path[OS_PATH_MAX];
    return n->supervisor ? store_freeze_copy(n->store_dir, os_path(path, "%s/store", to), err)
                         : RC_OK;
}

static enum rc copy_state(struct node *n, const char *to, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX];
    TRY(state_backup(n->state, os_path(path, "%s/state.db", to), err));
    os_path(from, "%s/credentials.json", n->cfg->data);
    if (!os_exists(from))
        return RC_OK;
    return os_copy_whole(from, os_path(path, "%s/credentials.json", to), err);
}

static enum rc copy_all(struct node *n, const char *to, struct job *job, struct err *err)
{
    char path[OS_PATH_MAX], when[TIME_TEXT_BYTES], text[MANIFEST_BYTES_MAX];
    tell(job, "store");
    TRY(wait_for_store(n, err));
    pthread_mutex_lock(&n->rest);
    enum rc rc = copy_at_rest(n, to, err);
    pthread_mutex_unlock(&n->rest);
    TRY(rc);
    TRY(copy_parts(n, to, err));
    tell(job, "stream");
    TRY(stream_backup(n->events, os_path(path, "%s/stream/events", to), err));
    TRY(stream_backup(n->dead, os_path(path, "%s/stream/events-dead", to), err));
    TRY(stream_backup(n->rejects, os_path(path, "%s/stream/rejected", to), err));
    tell(job, "state");
    TRY(copy_state(n, to, err));
    /* After the state: what leaves its outbox meanwhile is in the stream. */
    TRY(stream_backup(n->audit, os_path(path, "%s/stream/audit", to), err));
    /* Written last: a folder without it is no whole backup, and restore refuses it. */
    int len = snprintf(text, sizeof(text), "{\"weir\":\"%s\",\"time\":\"%s\"}\n", WEIR_VERSION,
                       time_format(unix_now(), when));
    return os_write_file_durable(os_path(path, "%s/backup.json", to), slice_of(text, (size_t)len),
                                 err);
}

enum rc backup_run(struct node *n, const char *to, struct job *job, struct err *err)
{
    if (os_exists(to))
        return err_set(err, RC_EXISTS, "%s exists already; name a folder that does not", to);
    TRY(os_mkdirs(to, err));
    enum rc rc = copy_all(n, to, job, err);
    struct err end_err = ERR_INIT;
    if (n->supervisor && store_freeze_end(n->store_dir, &end_err) != RC_OK)
        log_warn("frozen parts stay until the next backup or start", LOG_ERR(&end_err));
    if (rc != RC_OK) /* ours alone, and of no use to anyone */
        IGNORE(os_remove_tree(to, NULL), "a folder without backup.json is no backup");
    return rc;
}

/* ---- verbs ---- */

static enum rc print_piece(void *ctx, struct slice bytes)
{
    (void)ctx;
    IGNORE(os_write_all(STDERR_FILENO, bytes.data, bytes.len, NULL), "progress only");
    return memmem(bytes.data, bytes.len, "\"error\"", 7) ? RC_INVALID : RC_OK;
}

static enum rc backup_running(const char *data, const char *to, struct err *err)
{
    char path[OS_PATH_MAX + 32];
    struct slice empty = SLICE_EMPTY;
    snprintf(path, sizeof(path), "backup?to=%s",
             to); /* a path with '%', '&' or '+' is refused by the caller */
    enum rc rc = control_call(data, path, &empty, print_piece, NULL, NULL, err);
    return rc == RC_INVALID && !err->text[0]
               ? err_set(err, RC_INVALID, "the server could not finish it (above)")
               : rc;
}

static enum rc backup_stopped(const struct config *cfg, const char *to, struct err *err)
{
    struct node n;
    TRY(node_open(&n, cfg, NODE_STREAMS | NODE_STORE, err));
    enum rc rc = node_store_ready(&n, 30000, err);
    if (rc == RC_OK)
        rc = backup_run(&n, to, NULL, err);
    node_close(&n);
    return rc;
}

int verb_backup(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    const char *to = NULL;
    const struct cli_option options[] = {{"to", NULL, &to}};
    int code = cli_parse(
        &cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir backup --to FOLDER [--data DIR]\n\n"
        "A consistent copy of state, stream, checkpoints and embedded store, also while the "
        "server\n"
        "runs. FOLDER must not exist. On the same file system, files that never change are hard\n"
        "links: quick and small; copy the folder to another disk. An archive outside of the data\n"
        "folder (archive.dir) and a ClickHouse server (store.url) are not in it.\n");
    if (code != 0)
        return code;
    char absolute[OS_PATH_MAX], cwd[OS_PATH_MAX];
    enum rc rc = RC_OK;
    if (!to || !*to || strpbrk(to, "%&+#? "))
        rc = err_set(&err, RC_INVALID,
                     "--to FOLDER is needed (without any of %% & + # ? and space)");
    else if (!getcwd(cwd, sizeof(cwd)))
        rc = err_set(&err, RC_IO, "the current folder is gone, or its path is too long");
    else if (strlen(to) + (to[0] == '/' ? 0 : strlen(cwd) + 1) > CONFIG_TEXT_BYTES_MAX)
        rc = err_set(&err, RC_LIMIT, "--to: the path is longer than %d bytes",
                     CONFIG_TEXT_BYTES_MAX);
    if (rc == RC_OK && to) {
        os_path(absolute, to[0] == '/' ? "%s%s" : "%s/%s", to[0] == '/' ? "" : cwd, to);
        if (control_is_running(cli.cfg.data))
            rc = backup_running(cli.cfg.data, absolute, &err);
        else
            rc = backup_stopped(&cli.cfg, absolute, &err);
    }
    if (rc == RC_OK)
        printf("backup in %s\n", absolute);
    else
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}

static enum rc restore(const struct config *cfg, const char *from, struct err *err)
{
    char path[OS_PATH_MAX], **names;
    size_t count;
    ENSURE(
        strlen(from) <= CONFIG_TEXT_BYTES_MAX,
        err_set(err, RC_LIMIT, "--from: the path is longer than %d bytes", CONFIG_TEXT_BYTES_MAX));
    if (!os_exists(os_path(path, "%s/backup.json", from)))
        return err_set(err, RC_INVALID, "%s is no whole backup (no backup.json in it)", from);
    if (os_is_dir(cfg->data)) {
        TRY(os_list(cfg->data, &names, &count, err));
        os_list_free(names, count);
        if (count)
            return err_set(err, RC_EXISTS,
                           "%s is not empty; move it away first, nothing is overwritten",
                           cfg->data);
    }
    TRY(os_copy_tree(from, cfg->data, os_copy_whole, err));
    return os_unlink_durable(os_path(path, "%s/backup.json", cfg->data), err);
}

/* Users whose data was erased since the backup must not come back with it. */
static enum rc plan_erasures(const struct config *cfg, const char *newer, uint64_t *ret_count,
                             struct err *err)
{
    char path[OS_PATH_MAX];
    struct state *state = NULL, *other = NULL;
    TRY(state_open(os_path(path, "%s/state.db", cfg->data), &state, err));
    enum rc rc = RC_OK;
    if (newer)
        rc = state_open(os_path(path, "%s/state.db", newer), &other, err);
    if (rc == RC_OK)
        rc = erase_again(state, other, ret_count, err);
    state_close(other);
    state_close(state);
    return rc;
}

static enum rc check_newer(const char *newer, struct err *err)
{
    char path[OS_PATH_MAX];
    if (newer &&
        (strlen(newer) > CONFIG_TEXT_BYTES_MAX || !os_exists(os_path(path, "%s/state.db", newer))))
        return err_set(err, RC_INVALID, "--erasures: %s is no data folder and no backup", newer);
    return RC_OK;
}

int verb_restore(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    const char *from = NULL, *newer = NULL;
    uint64_t erasures = 0;
    const struct cli_option options[] = {{"from", NULL, &from}, {"erasures", NULL, &newer}};
    int code = cli_parse(
        &cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir restore --from FOLDER [--erasures FOLDER] [--data DIR]\n\n"
        "Puts a backup in place as data folder DIR, which must be empty or missing.\n"
        "--erasures: the data folder of before, or a newer backup. Users whom it knows to "
        "be\n"
        "erased are erased here as well, at the next start.\n");
    if (code != 0)
        return code;
    enum rc rc =
        from ? check_newer(newer, &err) : err_set(&err, RC_INVALID, "--from FOLDER is needed");
    if (rc == RC_OK && from)
        rc = restore(&cli.cfg, from, &err);
    if (rc == RC_OK)
        rc = plan_erasures(&cli.cfg, newer, &erasures, &err);
    if (rc == RC_OK && erasures)
        printf("%llu erasures are carried out again at the next start\n",
               (unsigned long long)erasures);
    if (rc == RC_OK)
        printf("restored into %s; start it with: weir serve --data %s\n", cli.cfg.data,
               cli.cfg.data);
    else
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
