/* weir store: the embedded store's process (started by serve); weir store query SQL: a read-only
 * query to the store of a running server. weir archive: the archive's files. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "app/node.h"
#include "base/log.h"

static enum rc print_bytes(void *ctx, struct slice bytes)
{
    (void)ctx;
    return os_write_all(STDOUT_FILENO, bytes.data, bytes.len, NULL);
}

static enum rc query(const struct config *cfg, const char *sql, struct err *err)
{
    char socket_path[OS_PATH_MAX];
    struct store_client *client;
    struct store_cfg sc = {.url = "http://localhost", .database = cfg->store_database};
    if (*cfg->store_url) {
        sc.url = cfg->store_url;
        sc.user = *cfg->store_user ? cfg->store_user : NULL;
        sc.password = *cfg->store_password ? cfg->store_password : NULL;
    } else {
        sc.unix_socket = os_path(socket_path, "%s/run/store.sock", cfg->data);
    }
    TRY(store_client_new(&sc, &client, err));
    struct store_query q = {
        .sql = sql, .format = "TabSeparatedWithNames", .read_only = true, .on_data = print_bytes};
    enum rc rc = store_query(NULL, client, &q, NULL, NULL, NULL, err);
    store_client_free(client);
    return rc;
}

/* The process itself: its arguments are the supervisor's business (store/child.h). */
static int run_child(int argc, char **argv)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none,
                NULL); /* serve had blocked them, and a mask lives through exec */
    struct store_child_cfg cfg;
    struct err err = ERR_INIT;
    char library[OS_PATH_MAX];
    enum rc rc = store_child_args(argc, argv, &cfg, &err);
    if (rc == RC_OK && !cfg.library) {
        rc = store_library_find(library, sizeof(library), &err);
        cfg.library = library;
    }
    if (rc == RC_OK)
        return store_child_main(&cfg);
    fprintf(stderr, "weir store: %s\nusage: %s", err.text, store_child_usage);
    return CLI_USAGE;
}

static int run_query(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    int code = cli_parse(&cli, argc, argv, NULL, 0, 2,
                         "usage: weir store query 'SELECT ...' [--data DIR]\n");
    if (code != 0)
        return code;
    enum rc rc = cli.arg_count == 2 ? query(&cli.cfg, cli.args[1], &err)
                                    : err_set(&err, RC_INVALID, "one statement is wanted");
    if (rc != RC_OK)
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}

int verb_store(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "query") == 0)
        return run_query(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        printf(
            "usage: weir store query 'SELECT ...' [--data DIR]   ask the store of a running server "
            "(read-only)\n"
            "       %s\nweir serve starts its own store process; this is for looking into one.\n",
            store_child_usage);
        return 0;
    }
    return run_child(argc, argv);
}
