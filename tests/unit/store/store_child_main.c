/* `weir store` alone, so that the store's tests need no other module. */
#include <stdio.h>
#include <string.h>

#include "store/child.h"

int main(int argc, char **argv)
{
    struct store_child_cfg cfg;
    struct err err = ERR_INIT;
    if (argc < 2 || strcmp(argv[1], "store") != 0 ||
        store_child_args(argc - 1, argv + 1, &cfg, &err) != RC_OK) {
        fprintf(stderr, "%s\n%s", err.text, store_child_usage);
        return 2;
    }
    return store_child_main(&cfg);
}
