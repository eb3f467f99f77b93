/* weir export: a project's raw events: out of the server that runs on the data folder, out of the
 * folder's files when none does, or out of any server by its URL. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "app/export_files.h"
#include "app/node.h"
#include "base/os.h"

struct export
{
    struct cli cli;
    struct err err;
    struct state *state; /* of a server that runs; else the node has them */
    struct tenant *tenant;
    struct node node;
    bool has_node, is_partial;
    const char *project, *format, *from, *to, *out, *url;
    int fd;
    uint64_t bytes;
};
static const int64_t day_ms = INT64_C(24) * 3600 * 1000;

enum { PATH_BYTES_MAX = 4096 };

static enum rc write_piece(void *ctx, struct slice bytes)
{
    struct export *ex = ctx;
    if (os_write_all(ex->fd, bytes.data, bytes.len, &ex->err) != RC_OK)
        return err_wrap(&ex->err, "%s", ex->out ? ex->out : "the output");
    ex->bytes += bytes.len;
    return RC_OK;
}

static enum rc only_project(void *ctx, const struct tenant_project *p)
{
    struct export *ex = ctx;
    static char id[UUID_TEXT_LEN + 1];
    if (ex->project)
        return RC_CONFLICT;
    memcpy(id, p->id_text, sizeof(id));
    ex->project = id;
    return RC_OK;
}

static enum rc choose_project(struct export *ex, struct tenant *tenant)
{
    if (ex->project)
        return RC_OK;
    enum rc rc = tenant_projects(tenant, only_project, ex, &ex->err);
    if (rc != RC_CONFLICT && ex->project)
        return rc;
    return err_set(&ex->err, RC_INVALID,
                   "which project? --project ID (weir project ls shows them)");
}

static void add_param(struct buf *path, char mark, const char *name, const char *value)
{
    static const char plain[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~";
    if (!value)
        return;
    buf_addf(path, "%c%s=", mark, name);
    for (const char *p = value; *p; p++) {
        if (strchr(plain, *p))
            buf_add_char(path, *p);
        else
            buf_addf(path, "%%%02X", (unsigned char)*p);
    }
}

/* ---- a server ---- */

static enum rc open_out(struct export *ex)
{
    ex->fd = STDOUT_FILENO;
    return ex->out ? os_open(ex->out, O_WRONLY | O_CREAT | O_TRUNC, &ex->fd, &ex->err) : RC_OK;
}

static void add_question(struct export *ex, struct buf *path)
{
    add_param(path, '?', "format", ex->format ? ex->format : "ndjson");
    add_param(path, '&', "from", ex->from);
    add_param(path, '&', "to", ex->to);
}

static enum rc from_running(struct export *ex)
{
    CLEANUP(buf_done) struct buf path;
    char state[OS_PATH_MAX];
    buf_init(&path, PATH_BYTES_MAX);
    TRY(state_open(os_path(state, "%s/state.db", ex->cli.cfg.data), &ex->state, &ex->err));
    TRY(tenant_open(ex->state, &ex->tenant, &ex->err));
    TRY(choose_project(ex, ex->tenant));
    buf_add_str(&path, "export");
    add_question(ex, &path);
    add_param(&path, '&', "project", ex->project);
    TRY(open_out(ex));
    return control_call(ex->cli.cfg.data, buf_cstr(&path), NULL, write_piece, ex, NULL, &ex->err);
}

static enum rc from_url(struct export *ex)
{
    CLEANUP(buf_done) struct buf url;
    const char *key = getenv("WEIR_API_KEY");
    struct uuid id;
    size_t len = strlen(ex->url);
    buf_init(&url, PATH_BYTES_MAX);
    if (!key || !*key || strpbrk(key, "\r\n"))
        return err_set(&ex->err, RC_INVALID,
                       "a secret key with stats:read is wanted in the variable WEIR_API_KEY");
    if (!ex->project || !uuid_parse(slice_str(ex->project), &id))
        return err_set(&ex->err, RC_INVALID, "--project ID is needed with --url");
    while (len && ex->url[len - 1] == '/')
        len--;
    buf_addf(&url, "%.*s/v1/projects/%s/export", (int)len, ex->url, ex->project);
    add_question(ex, &url);
    if (!buf_ok(&url))
        return err_set(&ex->err, RC_INVALID, "--url is too long");
    TRY(open_out(ex));
    return remote_get(buf_cstr(&url), key, write_piece, ex, &ex->err);
}

/* ---- the files ---- */

static enum rc take_bound(struct export *ex, const char *name, const char *text, bool is_end,
                          int64_t *ret_ms)
{
    unix_ms t;
    if (!text)
        return RC_OK;
    if (!time_parse(slice_str(text), &t))
        return err_set(&ex->err, RC_INVALID,
                       "--%s is a day (2026-01-31, of UTC) or an instant (RFC 3339)", name);
    *ret_ms = t.ms + (is_end && strlen(text) == 10 ? day_ms : 0);
    return RC_OK;
}

static enum rc open_folder(struct export *ex)
{
    if (ex->format && strcmp(ex->format, "ndjson") != 0)
        return err_set(&ex->err, RC_UNAVAILABLE,
                       "the store makes %s: start the server first (weir serve --data %s); ndjson "
                       "needs none",
                       ex->format, ex->cli.cfg.data);
    enum rc rc = node_open(&ex->node, &ex->cli.cfg, NODE_STREAMS, &ex->err);
    ex->has_node = rc == RC_OK;
    if (rc != RC_BUSY)
        return rc;
    struct err why = ex->err;
    return err_set(&ex->err, RC_BUSY,
                   "%s. It does not answer on its control socket: ask its server with weir export "
                   "--url http://HOST:PORT --project ID, and a secret key in WEIR_API_KEY",
                   why.text);
}

static enum rc from_files(struct export *ex)
{
    struct export_files files = {
        .to_ms = INT64_MAX, .is_partial = ex->is_partial, .write = write_piece, .ctx = ex};
    TRY(take_bound(ex, "from", ex->from, false, &files.from_ms));
    TRY(take_bound(ex, "to", ex->to, true, &files.to_ms));
    TRY(open_folder(ex));
    TRY(choose_project(ex, ex->node.tenant));
    files.project = ex->project;
    TRY(open_out(ex));
    enum rc rc = export_files_run(&ex->node, &files, &ex->err);
    if (rc == RC_OK && files.missing)
        fprintf(stderr, "weir export: %llu records (of all projects) are in no file any more\n",
                (unsigned long long)files.missing);
    return rc;
}

static enum rc run(struct export *ex)
{
    enum rc rc;
    if (ex->url)
        rc = from_url(ex);
    else if (control_is_running(ex->cli.cfg.data))
        rc = from_running(ex);
    else
        rc = from_files(ex);
    if (ex->out && ex->fd > STDERR_FILENO)
        os_close(ex->fd);
    return rc;
}

int verb_export(int argc, char **argv)
{
    static struct export ex;
    const struct cli_option options[] = {
        {"project", NULL, &ex.project},   {"format", NULL, &ex.format},
        {"from", NULL, &ex.from},         {"to", NULL, &ex.to},
        {"out", NULL, &ex.out},           {"url", NULL, &ex.url},
        {"partial", &ex.is_partial, NULL}};
    int code = cli_parse(
        &ex.cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir export [--project ID] [--format ndjson|csv|parquet] [--from TIME] [--to "
        "TIME]\n"
        "       [--out FILE] [--data DIR | --url URL] [--partial]\n\n"
        "Writes a project's raw events to a file or to the standard output. NDJSON is lossless:\n"
        "weir import weir FILE brings the same events back. A time is a day (of UTC; whole, also "
        "as\n"
        "the end) or an instant. With a server running on the folder, or with --url (and a secret\n"
        "key in WEIR_API_KEY), out of its store. Without one, as NDJSON out of the files of "
        "archive\n"
        "and stream, in their order; what only the store has any more is an error, unless "
        "--partial.\n");
    if (code != 0)
        return code;
    if (run(&ex) != RC_OK)
        code = cli_fail(&ex.cli, &ex.err);
    else if (ex.out)
        fprintf(stderr, "%llu bytes in %s\n", (unsigned long long)ex.bytes, ex.out);
    if (ex.tenant)
        tenant_close(ex.tenant);
    if (ex.state)
        state_close(ex.state);
    if (ex.has_node)
        node_close(&ex.node);
    config_done(&ex.cli.cfg);
    return code;
}
