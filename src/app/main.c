/* weir: one program, its verbs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "base/heap.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} verbs[] = {
    {"serve", verb_serve, "take events, keep them, answer queries"},
    {"init", verb_init, "make the data folder, a first project and its keys"},
    {"org", verb_org, "organisations"},
    {"project", verb_project, "projects and their settings"},
    {"key", verb_key, "keys of a project: create, rotate, revoke, check"},
    {"user", verb_user, "people's accounts"},
    {"member", verb_member, "who belongs to an organisation, in which role"},
    {"invite", verb_invite, "invitations to an organisation"},
    {"issuer", verb_issuer, "who may sign tokens for an organisation"},
    {"definition", verb_definition, "goals, segments, cohorts, annotations, reports of a project"},
    {"import", verb_import, "bring in what others exported, and access logs"},
    {"export", verb_export, "write a project's raw events as NDJSON, CSV or Parquet"},
    {"erase", verb_erase, "erase everything about one user, with a report"},
    {"replay", verb_replay, "build the tables anew from the stream or the archive"},
    {"rejected", verb_rejected, "what was not taken: release it under today's rules"},
    {"stream", verb_stream, "look into the stream: ls, cat, verify, truncate-tail"},
    {"archive", verb_archive, "look into the archive: ls, verify"},
    {"store", verb_store, "the embedded store (started by serve), or a query to it"},
    {"doctor", verb_doctor, "follow a probe event from HTTP to row, and check the machine"},
    {"bench", verb_bench, "how fast this machine's disk and this program are"},
    {"backup", verb_backup, "copy the data folder while it is in use"},
    {"restore", verb_restore, "put a backup in place"},
    {"version", verb_version, "what this is"},
};

static int print_usage(FILE *to, int code)
{
    fprintf(to, "usage: weir VERB [options]\n\n");
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].what);
    fprintf(to, "\nweir VERB --help tells more.\n");
    return code;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    heap_configure();
    if (argc < 2)
        return print_usage(stderr, CLI_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return print_usage(stdout, 0);
    if (strcmp(argv[1], "--version") == 0)
        return verb_version(argc - 1, argv + 1);
    for (size_t i = 0; i < COUNT_OF(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "weir: there is no verb '%s'\n", argv[1]);
    return print_usage(stderr, CLI_USAGE);
}
