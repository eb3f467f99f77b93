#include "app/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/os.h"

enum { CTX_ARENA_BYTES_MAX = 1 << 20 };

extern char **environ;

static void print_markdown(void)
{
    struct buf out;
    buf_init(&out, 256 << 10);
    config_markdown(&out);
    cli_print(&out);
    buf_done(&out);
}

static void print_help(const struct cli *cli, const char *help)
{
    struct buf out;
    buf_init(&out, 256 << 10);
    buf_addf(&out, "%s\nSettings (flag, WEIR_* variable or line of --config FILE):\n", help);
    config_help(&out);
    cli_print(&out);
    buf_done(&out);
    (void)cli;
}

int cli_usage(struct cli *cli, const struct err *err)
{
    fprintf(stderr, "weir %s: %s\nTry: weir %s --help\n", cli->verb, err->text, cli->verb);
    config_done(&cli->cfg);
    return CLI_USAGE;
}

struct flag {
    struct slice name;
    struct slice value;
    bool has_value; /* --name=value */
};

static struct flag cut_flag(const char *arg)
{
    struct flag f = {.value = slice_str(arg + 2)};
    f.has_value = strchr(arg, '=') != NULL;
    f.name = slice_cut(&f.value, '=');
    return f;
}

static bool is_truth(const char *arg)
{
    return strcmp(arg, "true") == 0 || strcmp(arg, "false") == 0;
}

/* One flag; *at moves past a value taken from the next argument. */
static enum rc take_flag(struct cli *cli, int argc, char **argv, int *at,
                         const struct cli_option *options, uint32_t count, struct err *err)
{
    struct flag f = cut_flag(argv[*at]);
    const struct cli_option *option = NULL;
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq_str(f.name, options[i].name))
            option = &options[i];
    bool is_flag = option ? option->flag != NULL : config_is_bool(f.name);
    if (!f.has_value && is_flag && option) {
        *option->flag = true;
        return RC_OK;
    }
    if (!f.has_value && is_flag && !is_truth(*at + 1 < argc ? argv[*at + 1] : ""))
        return config_set(&cli->cfg, f.name, SLICE_LIT("true"), argv[*at], err);
    if (option && option->flag)
        return err_set(err, RC_INVALID, "--%s takes no value", option->name);
    const char *where = argv[*at];
    if (!f.has_value) {
        if (!option && !config_is_setting(f.name))
            return config_set(&cli->cfg, f.name, SLICE_EMPTY, where, err); /* says what is near */
        if (*at + 1 >= argc)
            return err_set(err, RC_INVALID, "%s needs a value", where);
        f.value = slice_str(argv[++*at]);
    }
    if (option) {
        *option->value = f.value.data ? f.value.data : ""; /* argv's own text: NUL-terminated */
        return RC_OK;
    }
    return config_set(&cli->cfg, f.name, f.value, where, err);
}

static bool is_flag_arg(const char *arg)
{
    return strncmp(arg, "--", 2) == 0 && arg[2];
}

/* The file comes before environment and flags: find it first. */
static const char *config_file_of(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return getenv("WEIR_CONFIG");
}

int cli_parse(struct cli *cli, int argc, char **argv, const struct cli_option *options,
              uint32_t count, int args_max, const char *help)
{
    struct err err = ERR_INIT;
    *cli = (struct cli){.verb = argv[0]};
    config_defaults(&cli->cfg);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(cli, help);
            config_done(&cli->cfg);
            exit(0);
        }
        if (strcmp(argv[i], "--help=markdown") == 0) {
            print_markdown();
            config_done(&cli->cfg);
            exit(0);
        }
    }
    struct cli_option all[24];
    const char *file = NULL;
    must(count + 2 <= COUNT_OF(all) && args_max <= CLI_ARGS_MAX);
    if (count)
        memcpy(all, options, count * sizeof(*options));
    all[count++] = (struct cli_option){.name = "json", .flag = &cli->is_json};
    all[count++] = (struct cli_option){.name = "config", .value = &file};
    cli->cfg.file = config_file_of(argc, argv);
    if (cli->cfg.file && config_read_file(&cli->cfg, cli->cfg.file, &err) != RC_OK)
        return cli_usage(cli, &err);
    if (config_read_env(&cli->cfg, environ, &err) != RC_OK)
        return cli_usage(cli, &err);
    for (int i = 1; i < argc; i++) {
        if (is_flag_arg(argv[i])) {
            if (take_flag(cli, argc, argv, &i, all, count, &err) != RC_OK)
                return cli_usage(cli, &err);
        } else if (cli->arg_count == args_max) {
            err_set(&err, RC_INVALID, "'%.100s' is not understood here; see weir %s --help",
                    argv[i], cli->verb);
            return cli_usage(cli, &err);
        } else {
            cli->args[cli->arg_count++] = argv[i];
        }
    }
    return 0;
}

int cli_fail(const struct cli *cli, const struct err *err)
{
    fprintf(stderr, "weir %s: %s\n", cli->verb, err->text[0] ? err->text : rc_text(err->rc));
    return rc_is_retryable(err->rc) ? 75 : 1;
}

void cli_print(struct buf *out)
{
    must(buf_ok(out));
    IGNORE(os_write_all(STDOUT_FILENO, out->data, out->len, NULL),
           "a closed stdout has no reader to tell");
    buf_clear(out);
}

struct ctx *cli_ctx(void)
{
    static struct ctx_pool *pool;
    static struct ctx *ctx;
    if (!ctx) {
        pool = ctx_pool_new();
        must(pool);
        ctx = ctx_new_system(pool, CTX_ARENA_BYTES_MAX, "cli");
        must(ctx);
    }
    return ctx;
}
