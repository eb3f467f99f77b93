/* weir import access-log FILE[.gz]: through the running server, or straight into the stream of a
 * stopped one.
 *
 * The ids of the events are functions of the lines (analytics/import/access_log.h): a second import
 * of the same file is dropped by the projector, row by row. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analytics/import/access_log.h"
#include "app/cli.h"
#include "app/control_client.h"
#include "app/node.h"
#include "base/log.h"

enum { BODY_BYTES_MAX = 32 << 20 };

struct import {
    struct cli cli;
    struct err err;
    bool is_remote;
    struct node node; /* when stopped */
    struct tenant *tenant;
    struct state *state;
    struct buf body; /* when running: lines for /control/append */
};

static enum rc send_remote(struct import *im, const struct stream_record *records, uint32_t count,
                           struct err *err)
{
    buf_clear(&im->body);
    for (uint32_t i = 0; i < count; i++) {
        buf_add_slice(&im->body, records[i].key);
        buf_add_char(&im->body, '\t');
        buf_add_slice(&im->body, records[i].value);
        buf_add_char(&im->body, '\n');
    }
    if (!buf_ok(&im->body))
        return err_set(err, RC_LIMIT, "a batch of the import is larger than %d bytes",
                       BODY_BYTES_MAX);
    struct slice body = buf_slice(&im->body);
    for (int attempt = 0;; attempt++) {
        enum rc rc = control_call(im->cli.cfg.data, "append", &body, NULL, NULL, NULL, err);
        if (rc != RC_BUSY || attempt == 100)
            return rc;
        sleep_ms(100); /* the server is loaded; events have the same ids when sent again */
    }
}

static enum rc sink(void *ctx, struct stream_record *records, uint32_t count, struct err *err)
{
    struct import *im = ctx;
    if (im->is_remote)
        return send_remote(im, records, count, err);
    enum rc rc;
    while ((rc = stream_append_wait(im->node.events, records, count)) == RC_BUSY)
        sleep_ms(10);
    return rc == RC_OK ? RC_OK
                       : err_set(err, rc, "the stream does not take the events: %s", rc_text(rc));
}

static void show_progress(void *ctx, const struct access_log_counts *counts, uint64_t bytes_done,
                          uint64_t bytes_total)
{
    (void)ctx;
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%3u %%  %llu lines, %llu imported",
            bytes_total ? (unsigned)(bytes_done * 100 / bytes_total) : 0,
            (unsigned long long)counts->lines, (unsigned long long)counts->imported);
}

static void print_counts(const struct import *im, const struct access_log_counts *counts)
{
    struct buf out;
    buf_init(&out, 64 << 10);
    bool is_json = im->cli.is_json;
    uint64_t rejected = counts->lines - counts->imported;
    buf_addf(&out,
             is_json ? "{\"lines\":%llu,\"imported\":%llu,\"rejected\":%llu,\"reasons\":{"
                     : "%llu lines, %llu imported, %llu rejected\n",
             (unsigned long long)counts->lines, (unsigned long long)counts->imported,
             (unsigned long long)rejected);
    bool is_first = true;
    for (unsigned i = 0; i < ACCESS_LOG_REJECT_COUNT; i++) {
        if (counts->rejected[i] == 0)
            continue;
        const char *reason = access_log_reject_name((enum access_log_reject)i);
        if (is_json)
            buf_addf(&out, "%s\"%s\":%llu", is_first ? "" : ",", reason,
                     (unsigned long long)counts->rejected[i]);
        else
            buf_addf(&out, "  %-24s %llu\n", reason, (unsigned long long)counts->rejected[i]);
        is_first = false;
    }
    if (is_json)
        buf_add_str(&out, "}}\n");
    cli_print(&out);
    buf_done(&out);
}

static enum rc only_project(void *ctx, const struct tenant_project *p)
{
    struct uuid *id = ctx;
    static const struct uuid none;
    if (memcmp(id, &none, sizeof(none)) != 0)
        return RC_CONFLICT;
    *id = p->id;
    return RC_OK;
}

/* The project named, or the only one there is. */
static enum rc choose_project(struct import *im, const char *text, struct uuid *ret_id)
{
    *ret_id = (struct uuid){{0}};
    if (text)
        return uuid_parse(slice_str(text), ret_id)
                   ? RC_OK
                   : err_set(&im->err, RC_INVALID,
                             "'%s' is no project id (weir project ls shows them)", text);
    enum rc rc = tenant_projects(im->tenant, only_project, ret_id, &im->err);
    static const struct uuid none;
    if (rc == RC_CONFLICT || (rc == RC_OK && memcmp(ret_id, &none, sizeof(none)) == 0))
        return err_set(&im->err, RC_INVALID,
                       "which project? --project ID (weir project ls shows them)");
    return rc;
}

static enum rc open_target(struct import *im)
{
    const struct config *cfg = &im->cli.cfg;
    im->is_remote = control_is_running(cfg->data);
    if (!im->is_remote) {
        TRY(node_open(&im->node, cfg, NODE_STREAMS, &im->err));
        im->tenant = im->node.tenant;
        return RC_OK;
    }
    char path[OS_PATH_MAX];
    TRY(state_open(os_path(path, "%s/state.db", cfg->data), &im->state, &im->err));
    return tenant_open(im->state, &im->tenant, &im->err);
}

static void close_target(struct import *im)
{
    if (im->is_remote) {
        tenant_close(im->tenant);
        state_close(im->state);
    } else if (im->tenant) {
        node_close(&im->node);
    }
}

static enum rc run(struct import *im, const char *file, const char *project_text,
                   struct access_log_counts *counts)
{
    struct uuid id;
    TRY(open_target(im));
    TRY(choose_project(im, project_text, &id));
    struct tenant_view *view = tenant_view_take(im->tenant);
    const struct tenant_project *project = tenant_by_id(view, &id);
    enum rc rc =
        project ? access_log_import(file, project, sink, im, show_progress, im, counts, &im->err)
                : err_set(&im->err, RC_NOTFOUND, "there is no project %s", project_text);
    tenant_view_give(view);
    return rc;
}

int verb_import(int argc, char **argv)
{
    static struct import im;
    const char *project = NULL;
    const struct cli_option options[] = {{"project", NULL, &project}};
    int code = cli_parse(
        &im.cli, argc, argv, options, COUNT_OF(options), 2,
        "usage: weir import access-log FILE[.gz] [--project ID] [--data DIR] [--json]\n\n"
        "Reads Combined or Common log format (nginx, Apache). Works with the server running and\n"
        "stopped (then the rows appear when it starts). Importing a file twice changes nothing.\n"
        "Addresses are not kept: a visitor is a keyed hash of address and user agent.\n");
    if (code != 0)
        return code;
    struct access_log_counts counts = {.lines = 0};
    buf_init(&im.body, BODY_BYTES_MAX);
    enum rc rc;
    if (im.cli.arg_count != 2 || strcmp(im.cli.args[0], "access-log") != 0)
        rc = err_set(&im.err, RC_INVALID, "weir import access-log FILE is what there is");
    else
        rc = run(&im, im.cli.args[1], project, &counts);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    if (counts.lines)
        print_counts(&im, &counts);
    if (rc != RC_OK)
        code = cli_fail(&im.cli, &im.err);
    close_target(&im);
    buf_done(&im.body);
    config_done(&im.cli.cfg);
    return code;
}
