/* weir export: a project's raw events, out of the running server. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "app/node.h"
#include "base/os.h"

struct export
{
    struct cli cli;
    struct err err;
    struct state *state;
    struct tenant *tenant;
    const char *project, *format, *from, *to, *out;
    int fd;
    uint64_t bytes;
};

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

static enum rc choose_project(struct export *ex)
{
    char path[OS_PATH_MAX];
    if (ex->project)
        return RC_OK;
    TRY(state_open(os_path(path, "%s/state.db", ex->cli.cfg.data), &ex->state, &ex->err));
    TRY(tenant_open(ex->state, &ex->tenant, &ex->err));
    enum rc rc = tenant_projects(ex->tenant, only_project, ex, &ex->err);
    if (rc != RC_CONFLICT && ex->project)
        return rc;
    return err_set(&ex->err, RC_INVALID,
                   "which project? --project ID (weir project ls shows them)");
}

static void add_param(struct buf *path, const char *name, const char *value)
{
    static const char plain[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~";
    if (!value)
        return;
    buf_addf(path, "&%s=", name);
    for (const char *p = value; *p; p++) {
        if (strchr(plain, *p))
            buf_add_char(path, *p);
        else
            buf_addf(path, "%%%02X", (unsigned char)*p);
    }
}

static enum rc run(struct export *ex)
{
    CLEANUP(buf_done) struct buf path;
    buf_init(&path, 4096);
    if (!control_is_running(ex->cli.cfg.data))
        return err_set(&ex->err, RC_UNAVAILABLE,
                       "the store has the events: start the server first (weir serve --data %s)",
                       ex->cli.cfg.data);
    TRY(choose_project(ex));
    buf_add_str(&path, "export?");
    add_param(&path, "project", ex->project);
    add_param(&path, "format", ex->format);
    add_param(&path, "from", ex->from);
    add_param(&path, "to", ex->to);
    ex->fd = STDOUT_FILENO;
    if (ex->out)
        TRY(os_open(ex->out, O_WRONLY | O_CREAT | O_TRUNC, &ex->fd, &ex->err));
    enum rc rc =
        control_call(ex->cli.cfg.data, buf_cstr(&path), NULL, write_piece, ex, NULL, &ex->err);
    if (ex->out)
        os_close(ex->fd);
    return rc;
}

int verb_export(int argc, char **argv)
{
    static struct export ex;
    const struct cli_option options[] = {{"project", NULL, &ex.project},
                                         {"format", NULL, &ex.format},
                                         {"from", NULL, &ex.from},
                                         {"to", NULL, &ex.to},
                                         {"out", NULL, &ex.out}};
    int code = cli_parse(
        &ex.cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir export [--project ID] [--format ndjson|csv|parquet] [--from TIME] [--to "
        "TIME]\n"
        "       [--out FILE] [--data DIR]\n\n"
        "Writes a project's raw events to a file or to the standard output. NDJSON is lossless:\n"
        "weir import weir FILE brings the same events back. A time is a day (of UTC; whole, also "
        "as\n"
        "the end) or an instant. The server has to run.\n");
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
    config_done(&ex.cli.cfg);
    return code;
}
