#include "app/backup.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "app/version.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { PAUSE_MS = 60000, COPY_BYTES = 1 << 20, MANIFEST_BYTES_MAX = 4096 };

static enum rc copy_file(const char *from, const char *to, struct err *err)
{
    CLEANUP(os_closep) int in = -1;
    CLEANUP(os_closep) int out = -1;
    TRY(os_open(from, O_RDONLY, &in, err));
    TRY(os_open(to, O_WRONLY | O_CREAT | O_EXCL, &out, err));
    struct stat st;
    if (fstat(in, &st) == 0)
        IGNORE(fchmod(out, st.st_mode & 0777) != 0, "a stricter mode is no harm");
    CLEANUP(heap_freep) char *piece = heap_alloc(HEAP_APP, COPY_BYTES);
    for (uint64_t at = 0;;) {
        size_t n;
        TRY(os_pread(in, piece, COPY_BYTES, at, &n, err));
        if (n == 0)
            break;
        TRY(os_write_all(out, piece, n, err));
        at += n;
    }
    return os_fsync(out, err);
}

/* Folder by folder; sockets, locks and temporary files stay behind. */
static enum rc copy_tree(const char *from, const char *to, struct err *err)
{
    char **names;
    size_t count;
    if (!os_is_dir(from))
        return RC_OK;
    TRY(os_mkdirs(to, err));
    TRY(os_list(from, &names, &count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < count && rc == RC_OK; i++) {
        char source[OS_PATH_MAX], target[OS_PATH_MAX];
        struct stat st;
        os_path(source, "%s/%s", from, names[i]);
        os_path(target, "%s/%s", to, names[i]);
        if (lstat(source, &st) != 0)
            continue; /* merged away or renamed meanwhile */
        if (S_ISDIR(st.st_mode))
            rc = copy_tree(source, target, err);
        else if (S_ISREG(st.st_mode) && !strstr(names[i], ".tmp"))
            rc = copy_file(source, target, err);
        /* Parts that a merge has replaced are taken away in the background: their successor is in
         * the list. */
        if (rc == RC_NOTFOUND && !os_exists(source))
            rc = RC_OK;
    }
    os_list_free(names, count);
    TRY(rc);
    return os_sync_dir(to, err);
}

static void tell(struct job *job, const char *what)
{
    if (job)
        job_line(job, "{\"step\":\"%s\"}", what);
}

/* Parts of a MergeTree never change; only a merge could take one away while it is copied. */
static enum rc copy_store(struct node *n, const char *to, struct err *err)
{
    char path[OS_PATH_MAX];
    struct store_client *client = store_pool_take(n->pool);
    enum rc rc = store_exec(client, "SYSTEM STOP MERGES", err);
    if (rc == RC_OK) {
        rc = copy_tree(n->store_dir, os_path(path, "%s/store", to), err);
        struct err start_err = ERR_INIT;
        if (store_exec(client, "SYSTEM START MERGES", &start_err) != RC_OK)
            log_error("merges stay stopped until the store restarts", LOG_ERR(&start_err));
    }
    store_pool_give(n->pool, client);
    return rc;
}

static enum rc copy_consumers_and_store(struct node *n, const char *to, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX];
    os_path(from, "%s/consumers", n->cfg->data);
    TRY(copy_tree(from, os_path(path, "%s/consumers", to), err));
    os_path(from, "%s/archive-state", n->cfg->data);
    TRY(copy_tree(from, os_path(path, "%s/archive-state", to), err));
    if (!n->supervisor)
        return RC_OK; /* a ClickHouse server has its own backups; said in docs/operations.md */
    return copy_store(n, to, err);
}

static enum rc copy_at_rest(struct node *n, const char *to, struct err *err)
{
    struct consumer *project = atomic_load(&n->project);
    if (project)
        TRY(consumer_pause(project, PAUSE_MS));
    enum rc rc = RC_OK;
    if (n->archiver)
        rc = consumer_pause(n->archiver, PAUSE_MS);
    if (rc == RC_OK)
        rc = copy_consumers_and_store(n, to, err);
    if (n->archiver)
        consumer_resume(n->archiver);
    if (project)
        consumer_resume(project);
    return rc;
}

enum rc backup_run(struct node *n, const char *to, struct job *job, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX], when[TIME_TEXT_BYTES];
    if (os_exists(to))
        return err_set(err, RC_EXISTS, "%s exists already; name a folder that does not", to);
    TRY(os_mkdirs(to, err));
    tell(job, "state");
    TRY(state_backup(n->state, os_path(path, "%s/state.db", to), err));
    os_path(from, "%s/credentials.json", n->cfg->data);
    if (os_exists(from))
        TRY(copy_file(from, os_path(path, "%s/credentials.json", to), err));
    tell(job, "store");
    TRY(copy_at_rest(n, to, err));
    tell(job, "stream");
    TRY(stream_backup(n->events, os_path(path, "%s/stream/events", to), err));
    TRY(stream_backup(n->dead, os_path(path, "%s/stream/events-dead", to), err));
    /* Written last: a folder without it is no whole backup, and restore refuses it. */
    char text[MANIFEST_BYTES_MAX];
    int len = snprintf(text, sizeof(text), "{\"weir\":\"%s\",\"time\":\"%s\"}\n", WEIR_VERSION,
                       time_format(unix_now(), when));
    return os_write_file_durable(os_path(path, "%s/backup.json", to), slice_of(text, (size_t)len),
                                 err);
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
        &cli, argc, argv, options, COUNT_OF(options),
        "usage: weir backup --to FOLDER [--data DIR]\n\n"
        "A consistent copy of state, stream, checkpoints and embedded store, also while the "
        "server\n"
        "runs. FOLDER must not exist. The archive is not copied: it is plain files already.\n");
    if (code != 0)
        return code;
    char absolute[OS_PATH_MAX], cwd[OS_PATH_MAX];
    enum rc rc = RC_OK;
    if (!to || !*to || strpbrk(to, "%&+#? "))
        rc = err_set(&err, RC_INVALID,
                     "--to FOLDER is needed (without any of %% & + # ? and space)");
    else if (!getcwd(cwd, sizeof(cwd)))
        rc = err_set(&err, RC_IO, "the current folder is gone");
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
    TRY(copy_tree(from, cfg->data, err));
    return os_unlink_durable(os_path(path, "%s/backup.json", cfg->data), err);
}

int verb_restore(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    const char *from = NULL;
    const struct cli_option options[] = {{"from", NULL, &from}};
    int code =
        cli_parse(&cli, argc, argv, options, COUNT_OF(options),
                  "usage: weir restore --from FOLDER [--data DIR]\n\n"
                  "Puts a backup in place as data folder DIR, which must be empty or missing.\n");
    if (code != 0)
        return code;
    enum rc rc =
        from ? restore(&cli.cfg, from, &err) : err_set(&err, RC_INVALID, "--from FOLDER is needed");
    if (rc == RC_OK)
        printf("restored into %s; start it with: weir serve --data %s\n", cli.cfg.data,
               cli.cfg.data);
    else
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
