/* weir rejected release: what was rejected is read again under the rules of now. */
#include <stdio.h>
#include <string.h>

#include "analytics/rejected/rejected.h"
#include "app/cli.h"
#include "app/control_client.h"
#include "base/uuid.h"
#include "codec/json.h"

enum { PATH_BYTES = 512, ANSWER_BYTES_MAX = 64 << 10, ARENA_BYTES = 64 << 10 };

static const char help[] =
    "usage: weir rejected release [--project ID] [--reason CODE] [--dry-run]\n\n"
    "Reads the requests that were kept of what was rejected in the last 24 hours again, under the\n"
    "rules of now, and appends what they let pass: each event once, however often this is called.\n"
    "Without --project: of all projects, and what was nobody's at the time. What was counted\n"
    "without a sample cannot be released. --dry-run only says what would happen.\n";

struct release_args {
    const char *project, *reason;
    bool is_dry_run;
};

static enum rc check(const struct release_args *a, struct err *err)
{
    struct uuid id;
    enum rejected_reason reason;
    if (a->project && !uuid_parse(slice_str(a->project), &id))
        return err_set(err, RC_INVALID, "--project is the id of a project");
    if (a->reason && !rejected_reason_find(slice_str(a->reason), &reason))
        return err_set(err, RC_INVALID, "there is no reason '%.40s'; see docs/ingest.md",
                       a->reason);
    return RC_OK;
}

/* Where to go on; empty: it is done. */
static enum rc next_of(struct slice answer, char cursor[PATH_BYTES], struct err *err)
{
    struct arena arena;
    yyjson_val *root;
    arena_init(&arena, ARENA_BYTES, ANSWER_BYTES_MAX * 4);
    enum rc rc = json_parse(&arena, answer, &root, err);
    yyjson_val *next = rc == RC_OK ? json_get(root, "next_cursor") : NULL;
    struct slice text = next && yyjson_is_str(next) ? json_text(next) : SLICE_EMPTY;
    snprintf(cursor, PATH_BYTES, "%.*s", SLICE_ARG(text));
    arena_done(&arena);
    return rc;
}

/* A line for each part. */
static enum rc release(const struct cli *cli, const struct release_args *a, struct err *err)
{
    char cursor[PATH_BYTES] = "", path[2 * PATH_BYTES];
    struct slice empty = SLICE_EMPTY;
    struct buf answer;
    enum rc rc = RC_OK;
    buf_init(&answer, ANSWER_BYTES_MAX);
    do {
        buf_clear(&answer);
        snprintf(path, sizeof(path), "release?dry_run=%s%s%s%s%s%s%s",
                 a->is_dry_run ? "true" : "false", a->project ? "&project=" : "",
                 a->project ? a->project : "", a->reason ? "&reason=" : "",
                 a->reason ? a->reason : "", *cursor ? "&cursor=" : "", cursor);
        rc = control_call(cli->cfg.data, path, &empty, NULL, NULL, &answer, err);
        if (rc == RC_OK)
            rc = next_of(buf_slice(&answer), cursor, err);
        if (rc == RC_OK) {
            buf_add_char(&answer, '\n');
            cli_print(&answer);
        }
    } while (rc == RC_OK && *cursor);
    buf_done(&answer);
    return rc;
}

int verb_rejected(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    struct release_args args = {.project = NULL};
    const struct cli_option options[] = {{"project", NULL, &args.project},
                                         {"reason", NULL, &args.reason},
                                         {"dry-run", &args.is_dry_run, NULL}};
    int code = cli_parse(&cli, argc, argv, options, COUNT_OF(options), 1, help);
    if (code != 0)
        return code;
    enum rc rc = RC_OK;
    if (cli.arg_count != 1 || strcmp(cli.args[0], "release") != 0)
        rc = err_set(&err, RC_INVALID, "what is meant? see weir rejected --help");
    if (rc == RC_OK)
        rc = check(&args, &err);
    if (rc == RC_OK)
        rc = release(&cli, &args, &err);
    if (rc != RC_OK)
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
