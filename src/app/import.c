/* weir import FORMAT FILE…: through the running server, or straight into the stream of a stopped
 * one.
 *
 * The ids of the events are functions of what the file has (analytics/import/import.h): a second
 * import of the same file is dropped by the projector, row by row. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analytics/import/import.h"
#include "app/cli.h"
#include "app/control_client.h"
#include "app/import_sums.h"
#include "app/node.h"
#include "base/log.h"
#include "base/os.h"

enum { BODY_BYTES_MAX = 32 << 20, PATH_BYTES_MAX = 4096, JOIN_BYTES_MAX = 1 << 30 };

struct import {
    struct cli cli;
    struct err err;
    bool is_remote;
    struct node node; /* when stopped: with what the server has otherwise */
    struct quota *quota;
    struct rejected *rejected;
    struct erase_guard *guard;
    struct import_door door;
    struct tenant *tenant;
    struct state *state;
    struct buf body; /* when running: records for /control/append */
    struct geo *geo;
    int fd;
    uint64_t at, bytes; /* of the file */
    struct import_cfg import;
    struct import_counts counts;
};

/* {"erased":n} */
static uint32_t erased_of(struct slice answer)
{
    uint64_t n = 0;
    slice_cut(&answer, ':');
    return slice_to_u64(slice_cut(&answer, '}'), &n) ? (uint32_t)n : 0;
}

static enum rc send_remote(struct import *im, const struct stream_record *records, uint32_t count,
                           uint32_t *ret_erased, struct err *err)
{
    CLEANUP(buf_done) struct buf path;
    CLEANUP(buf_done) struct buf answer;
    buf_init(&path, PATH_BYTES_MAX);
    buf_init(&answer, PATH_BYTES_MAX);
    buf_addf(&path, "append?project=%s", im->import.project->id_text);
    buf_clear(&im->body);
    for (uint32_t i = 0; i < count; i++) {
        buf_addf(&im->body, "%zu %zu\n", records[i].key.len, records[i].value.len);
        buf_add_slice(&im->body, records[i].key);
        buf_add_slice(&im->body, records[i].value);
    }
    if (!buf_ok(&im->body))
        return err_set(err, RC_LIMIT, "a batch of the import is larger than %d bytes",
                       BODY_BYTES_MAX);
    struct slice body = buf_slice(&im->body);
    for (int attempt = 0;; attempt++) {
        buf_clear(&answer);
        enum rc rc =
            control_call(im->cli.cfg.data, buf_cstr(&path), &body, NULL, NULL, &answer, err);
        if (rc == RC_OK)
            *ret_erased = erased_of(buf_slice(&answer));
        if (rc != RC_BUSY || attempt == 100)
            return rc;
        sleep_ms(100); /* the server is loaded; events have the same ids when sent again */
    }
}

static enum rc sink(void *ctx, struct stream_record *records, uint32_t count, uint32_t *ret_erased,
                    struct err *err)
{
    struct import *im = ctx;
    if (im->is_remote)
        return send_remote(im, records, count, ret_erased, err);
    enum rc rc;
    while ((rc = import_door_append(&im->door, im->import.project, records, count, ret_erased,
                                    err)) == RC_BUSY)
        sleep_ms(10);
    return rc;
}

static enum rc tell_remote(struct import *im, const struct import_counts *c)
{
    CLEANUP(buf_done) struct buf path;
    buf_init(&path, PATH_BYTES_MAX);
    buf_addf(&path, "not-taken?project=%s", im->import.project->id_text);
    buf_clear(&im->body);
    for (uint32_t i = 0; i < c->reason_count; i++)
        buf_addf(&im->body, "%s %llu\n", c->reasons[i].name,
                 (unsigned long long)c->reasons[i].count);
    struct slice body = buf_slice(&im->body);
    return control_call(im->cli.cfg.data, buf_cstr(&path), &body, NULL, NULL, NULL, &im->err);
}

/* What was not taken of a file, into the counts of the project. */
static enum rc tell_counts(struct import *im)
{
    if (im->is_remote)
        return im->counts.reason_count ? tell_remote(im, &im->counts) : RC_OK;
    import_tell_counts(&im->door, im->import.project, &im->counts);
    return RC_OK;
}

/* Sums of Plausible's; only through the server, which has the store. */
static enum rc put_rows(void *ctx, struct slice lines, struct err *err)
{
    struct import *im = ctx;
    return control_call(im->cli.cfg.data, "imported", &lines, NULL, NULL, NULL, err);
}

static enum rc read_file(void *ctx, char *to, size_t cap, size_t *ret_len, struct err *err)
{
    struct import *im = ctx;
    TRY(os_pread(im->fd, to, cap, im->at, ret_len, err));
    im->at += *ret_len;
    return RC_OK;
}

static enum rc rewind_file(void *ctx, struct err *err)
{
    struct import *im = ctx;
    (void)err;
    im->at = 0;
    return RC_OK;
}

static void show_progress(void *ctx, const struct import_counts *counts, uint64_t bytes)
{
    const struct import *im = ctx;
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r%3u %%  %llu lines, %llu events, %llu bad",
            im->bytes ? (unsigned)(bytes * 100 / im->bytes) : 0, (unsigned long long)counts->lines,
            (unsigned long long)counts->imported, (unsigned long long)counts->rejected);
}

static void print_counts(const struct import *im)
{
    const struct import_counts *c = &im->counts;
    struct buf out;
    buf_init(&out, 64 << 10);
    if (im->cli.is_json) {
        import_counts_json(c, &out);
        buf_add_char(&out, '\n');
    } else {
        buf_addf(&out, "%llu lines, %llu events imported, %llu bad lines\n",
                 (unsigned long long)c->lines, (unsigned long long)c->imported,
                 (unsigned long long)c->rejected);
        for (uint32_t i = 0; i < c->reason_count; i++)
            buf_addf(&out, "  %-24s %llu\n", c->reasons[i].name,
                     (unsigned long long)c->reasons[i].count);
        for (uint32_t i = 0; i < c->bad_told; i++)
            buf_addf(&out, "  line %llu: %s\n", (unsigned long long)c->bad[i].line, c->bad[i].text);
    }
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

static enum rc open_door(struct import *im)
{
    TRY(quota_open(im->node.state, unix_now(), &im->quota, &im->err));
    TRY(erase_guard_new(im->node.state, &im->guard, &im->err));
    im->rejected = rejected_new(&(struct rejected_cfg){.stream = im->node.rejects});
    im->door = (struct import_door){.tenant = im->tenant,
                                    .events = im->node.events,
                                    .guard = im->guard,
                                    .quota = im->quota,
                                    .rejected = rejected_sink(im->rejected)};
    return RC_OK;
}

/* What was counted is written down first. */
static enum rc close_door(struct import *im)
{
    enum rc rc = im->quota ? quota_flush(im->quota, &im->err) : RC_OK;
    enum rc told = im->rejected ? rejected_flush(im->rejected, &im->err) : RC_OK;
    quota_close(im->quota);
    rejected_free(im->rejected);
    erase_guard_free(im->guard);
    return rc == RC_OK ? told : rc;
}

static enum rc open_target(struct import *im)
{
    const struct config *cfg = &im->cli.cfg;
    im->is_remote = control_is_running(cfg->data);
    if (!im->is_remote) {
        TRY(node_open(&im->node, cfg, NODE_STREAMS, &im->err));
        im->tenant = im->node.tenant;
        return open_door(im);
    }
    char path[OS_PATH_MAX];
    TRY(state_open(os_path(path, "%s/state.db", cfg->data), &im->state, &im->err));
    return tenant_open(im->state, &im->tenant, &im->err);
}

static enum rc close_target(struct import *im)
{
    enum rc rc = RC_OK;
    if (im->is_remote) {
        tenant_close(im->tenant);
        state_close(im->state);
    } else if (im->tenant) {
        rc = close_door(im);
        node_close(&im->node);
    }
    return rc;
}

static enum rc import_file(struct import *im, const char *file)
{
    im->at = im->bytes = 0;
    TRY(os_open(file, O_RDONLY, &im->fd, &im->err));
    enum rc rc = os_size(im->fd, &im->bytes, &im->err);
    if (rc == RC_OK) {
        rc = import_run(&im->import, &im->counts, &im->err);
        struct err own = im->err;
        enum rc told = tell_counts(im);
        if (rc == RC_OK)
            rc = told;
        else
            im->err = own;
    }
    os_close(im->fd);
    return rc == RC_OK ? rc : err_wrap(&im->err, "%s", file);
}

/* Each file by itself: equal lines are told apart within one. */
static enum rc import_each(struct import *im)
{
    for (int i = 1; i < im->cli.arg_count; i++) {
        im->import.ends_join = i + 1 == im->cli.arg_count;
        enum rc rc = import_file(im, im->cli.args[i]);
        if (isatty(STDERR_FILENO))
            fputc('\n', stderr);
        if (rc == RC_OK || im->counts.lines)
            print_counts(im);
        TRY(rc);
        im->import.skip = 0; /* the first one was begun before */
    }
    return RC_OK;
}

static enum rc import_files(struct import *im)
{
    const struct geo_cfg geo_cfg = node_geo_cfg(&im->cli.cfg);
    TRY(geo_open(&geo_cfg, &im->geo, &im->err));
    im->import.geo = im->geo;
    im->import.id = uuid_v7(unix_now());
    im->import.put_rows = im->is_remote ? put_rows : NULL;
    im->import.join = import_join_new(JOIN_BYTES_MAX);
    enum rc rc = import_each(im);
    import_join_free(take_ptr(&im->import.join));
    geo_close(im->geo);
    return rc;
}

static enum rc list_sums(struct import *im)
{
    return import_sums_cli_list(&im->cli, im->import.project, &im->err);
}

static enum rc remove_sums(struct import *im)
{
    return import_sums_cli_remove(&im->cli, im->tenant, im->import.project, im->cli.args[1],
                                  &im->err);
}

static enum rc run(struct import *im, const char *project_text, enum rc (*act)(struct import *im))
{
    struct uuid id;
    TRY(open_target(im));
    if (act != import_files && !im->is_remote)
        return err_set(&im->err, RC_UNAVAILABLE,
                       "imported sums are in the store: start the server first (weir serve --data "
                       "%s)",
                       im->cli.cfg.data);
    TRY(choose_project(im, project_text, &id));
    struct tenant_view *view = tenant_view_take(im->tenant);
    im->import.project = tenant_by_id(view, &id);
    enum rc rc = im->import.project
                     ? act(im)
                     : err_set(&im->err, RC_NOTFOUND, "there is no project %s", project_text);
    tenant_view_give(view);
    return rc;
}

static enum rc take_number(struct import *im, const char *name, const char *text, uint64_t *ret)
{
    if (!text || slice_to_u64(slice_str(text), ret))
        return RC_OK;
    return err_set(&im->err, RC_INVALID, "--%s: '%s' is no whole number", name, text);
}

static enum rc start(struct import *im, const char *project, const char *skip, const char *bad)
{
    CLEANUP(buf_done) struct buf names;
    buf_init(&names, 1024);
    import_format_names(&names);
    im->import = (struct import_cfg){.read = read_file,
                                     .rewind = rewind_file,
                                     .read_ctx = im,
                                     .sink = sink,
                                     .sink_ctx = im,
                                     .progress = show_progress,
                                     .progress_ctx = im};
    TRY(take_number(im, "skip", skip, &im->import.skip));
    TRY(take_number(im, "max-bad", bad, &im->import.bad_max));
    if (im->cli.arg_count == 1 && strcmp(im->cli.args[0], "ls") == 0)
        return run(im, project, list_sums);
    if (im->cli.arg_count == 2 && strcmp(im->cli.args[0], "rm") == 0)
        return run(im, project, remove_sums);
    if (im->cli.arg_count < 2)
        return err_set(&im->err, RC_INVALID, "a format (%s) and a file are wanted",
                       buf_cstr(&names));
    im->import.format = import_format_find(slice_str(im->cli.args[0]));
    if (!im->import.format)
        return err_set(&im->err, RC_INVALID, "'%s' is no format: %s", im->cli.args[0],
                       buf_cstr(&names));
    return run(im, project, import_files);
}

int verb_import(int argc, char **argv)
{
    static struct import im;
    const char *project = NULL, *skip = NULL, *bad = NULL, *reason = NULL;
    const struct cli_option options[] = {{"project", NULL, &project},
                                         {"skip", NULL, &skip},
                                         {"max-bad", NULL, &bad},
                                         {"reason", NULL, &reason}};
    CLEANUP(buf_done) struct buf help;
    buf_init(&help, 16 << 10);
    buf_add_str(
        &help, "usage: weir import FORMAT FILE… [--project ID] [--skip LINES] [--max-bad LINES]\n"
               "       [--data DIR] [--json]\n"
               "       weir import ls [--project ID]            which imports brought sums\n"
               "       weir import rm IMPORT [--project ID] [--reason TEXT]   remove those sums\n\n"
               "Brings in what another product, or another weir, exported; files may be packed\n"
               "with gzip or zstd. Formats:\n");
    import_format_help(&help);
    buf_add_str(
        &help, "Works with the server running and stopped (then the rows appear when it\n"
               "starts). Importing a file twice changes nothing: after a break just begin again,\n"
               "or go on with --skip. It counts against the project's events of the month; events\n"
               "of users who were erased are left out. A bad line is told and passed over; too "
               "many of them\n"
               "(1,000) end the import. Addresses are not kept. docs/import.md says what becomes\n"
               "of each field.\n");
    int code =
        cli_parse(&im.cli, argc, argv, options, COUNT_OF(options), CLI_ARGS_MAX, buf_cstr(&help));
    if (code != 0)
        return code;
    buf_init(&im.body, BODY_BYTES_MAX);
    if (reason)
        cli_ctx()->reason = slice_str(reason);
    if (start(&im, project, skip, bad) != RC_OK)
        code = cli_fail(&im.cli, &im.err);
    if (close_target(&im) != RC_OK && code == 0)
        code = cli_fail(&im.cli, &im.err);
    buf_done(&im.body);
    config_done(&im.cli.cfg);
    return code;
}
