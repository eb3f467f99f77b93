/* The arguments of `weir store`, read here and written by the supervisor, so that both agree. */
#include <stdlib.h>
#include <string.h>

#include "store/child.h"

#include "base/attr.h"
#include "base/slice.h"

const char store_child_usage[] =
    "weir store --data DIR [--socket PATH] [--listen 127.0.0.1:PORT] [--library libchdb.so]\n"
    "           [--memory-bytes N] [--query-memory-bytes N] [--query-seconds N] [--threads N]\n"
    "           [--nice 0…19] [--user NAME] (password of --listen: WEIR_STORE_PASSWORD)\n";

static const char **text_option(const char *name, struct store_child_cfg *cfg)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = {{"--data", &cfg->data_dir},
                   {"--socket", &cfg->socket_path},
                   {"--listen", &cfg->tcp_listen},
                   {"--library", &cfg->library},
                   {"--user", &cfg->tcp_user}};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (strcmp(name, options[i].name) == 0)
            return options[i].to;
    return NULL;
}

static bool number_option(const char *name, uint64_t value, struct store_child_cfg *cfg)
{
    if (strcmp(name, "--memory-bytes") == 0)
        cfg->memory_bytes_max = value;
    else if (strcmp(name, "--query-memory-bytes") == 0)
        cfg->query_memory_bytes_max = value;
    else if (strcmp(name, "--query-seconds") == 0 && value <= 86400)
        cfg->query_seconds_max = (uint32_t)value;
    else if (strcmp(name, "--threads") == 0 && value <= 64)
        cfg->threads_max = (uint32_t)value;
    else if (strcmp(name, "--nice") == 0 && value <= 19)
        cfg->nice = (uint32_t)value;
    else if (strcmp(name, "--parent") == 0 && value <= INT32_MAX)
        cfg->parent_pid = (int)value;
    else
        return false;
    return true;
}

enum rc store_child_args(int argc, char **argv, struct store_child_cfg *ret_cfg, struct err *err)
{
    struct store_child_cfg cfg = {.executable = argv[0]};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i];
        if (i + 1 >= argc)
            return err_set(err, RC_INVALID, "%s needs a value", name);
        const char **text = text_option(name, &cfg);
        uint64_t value;
        if (text)
            *text = argv[i + 1];
        else if (!slice_to_u64(slice_str(argv[i + 1]), &value) || !number_option(name, value, &cfg))
            return err_set(err, RC_INVALID, "unknown option or value: %s %s", name, argv[i + 1]);
    }
    ENSURE(cfg.data_dir, err_set(err, RC_INVALID, "--data is missing"));
    ENSURE(cfg.socket_path || cfg.tcp_listen,
           err_set(err, RC_INVALID, "--socket or --listen is missing"));
    cfg.tcp_password = getenv("WEIR_STORE_PASSWORD");
    *ret_cfg = cfg;
    return RC_OK;
}
