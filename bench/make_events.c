/* Generated events (generate.h) as NDJSON for POST /v1/events: weir-make-events EVENTS VISITORS. */
#include <stdio.h>
#include <stdlib.h>

#include "generate.h"

int main(int argc, char **argv)
{
    static struct generator g;
    struct event_client client;
    if (argc != 3) {
        fprintf(stderr, "usage: weir-make-events EVENTS VISITORS\n");
        return 2;
    }
    uint32_t events = (uint32_t)strtoul(argv[1], NULL, 10);
    generator_init(&g, 1, events, (uint32_t)strtoul(argv[2], NULL, 10));
    for (uint32_t i = 0; i < events; i++) {
        struct slice text = generator_next(&g, &client);
        if (fwrite(text.data, 1, text.len, stdout) != text.len || putchar('\n') == EOF)
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
