#ifndef WEIR_APP_CLI_H
#define WEIR_APP_CLI_H
/* The command line: one table of verbs (main.c), settings as flags everywhere, a few options per
 * verb. */
#include <stdbool.h>

#include "app/config.h"
#include "base/ctx.h"

struct cli_option {
    const char *name;   /* "json": given as --json */
    bool *flag;         /* set to true; or */
    const char **value; /* takes a value */
};
enum { CLI_ARGS_MAX = 16 };
struct cli {
    const char *verb;
    struct config cfg;
    const char *args[CLI_ARGS_MAX]; /* what is no flag */
    int arg_count;
    bool is_json; /* --json: for a script */
};
/* args_max: how many words the verb takes that are no flags; one more is an error, for it was meant
 * for something. Prints what is wrong and returns an exit code: 0 go on, else leave with it. */
enum { CLI_USAGE = 2 };
int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options,
              uint32_t count, int args_max, const char *help);
/* The same for what a verb itself finds wrong in its words; gives cli back. */
int cli_usage(struct cli *cli, const struct err *err);
/* "weir VERB: sentence" on stderr; returns 1 (or 75 for what a retry may mend). */
int cli_fail(const struct cli *cli, const struct err *err);
void cli_print(struct buf *out); /* whole to stdout, then cleared */

int verb_serve(int argc, char **argv);
int verb_init(int argc, char **argv);
int verb_org(int argc, char **argv);
int verb_project(int argc, char **argv);
int verb_key(int argc, char **argv);
int verb_user(int argc, char **argv);
int verb_member(int argc, char **argv);
int verb_invite(int argc, char **argv);
int verb_issuer(int argc, char **argv);
int verb_definition(int argc, char **argv);
int verb_import(int argc, char **argv);
int verb_export(int argc, char **argv);
int verb_erase(int argc, char **argv);
int verb_replay(int argc, char **argv);
int verb_rejected(int argc, char **argv);
int verb_stream(int argc, char **argv);
int verb_archive(int argc, char **argv);
int verb_store(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_bench(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_version(int argc, char **argv);

/* Of this command, as long as the process: whose work it is (CTX_SYSTEM, "cli"). */
struct ctx *cli_ctx(void);
#endif
