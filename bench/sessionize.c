/* What sessionize costs: works off the events of a store that has them already, as if the projector
 * had done all of them at once, and then a few at a time.
 *
 *     weir-sessionize-bench URL PARTITIONS OFFSETS BATCH [START [PID]]
 *
 * URL: of a ClickHouse server or of `weir store --listen`, whose database weir has the tables;
 * OFFSETS of each partition; BATCH of both together per step. START: these are there before (a
 * sweep makes their sessions first). PID: of the store's process. One line per step: offsets,
 * milliseconds, those of CPU of the store (background work included), sessions that grew and that
 * were made anew. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analytics/event/schema.h"
#include "analytics/session/sessionize.h"
#include "base/clock.h"
#include "base/os.h"

static uint64_t target;
static clockid_t store_clock = CLOCK_PROCESS_CPUTIME_ID; /* if nobody says which process it is */

static double store_ms(void)
{
    struct timespec ts = {0};
    clock_gettime(store_clock, &ts);
    return (double)ts.tv_sec * 1000 + (double)ts.tv_nsec / 1e6;
}

static uint64_t projected(void *ctx, uint32_t partition)
{
    (void)ctx, (void)partition;
    return target;
}

static enum rc steps(struct sessionizer *s, uint64_t share, uint64_t end, struct err *err)
{
    struct sessionize_counts was, is;
    bool is_sweeping;
    for (enum rc rc = RC_OK; rc == RC_OK;) {
        mono_ns begun = mono_now();
        double used = store_ms();
        sessionizer_counts(s, &was);
        rc = sessionizer_step(s, err);
        if (rc == RC_END && target < end) {
            target = target + share < end ? target + share : end;
            rc = RC_OK;
            continue;
        }
        if (rc != RC_OK)
            return rc;
        sessionizer_counts(s, &is);
        IGNORE(sessionizer_lag(s, &is_sweeping), "only whether it sweeps");
        printf("%s %llu offsets, %.1f ms, %.1f ms of CPU, %llu grown, %llu anew\n",
               is_sweeping ? "sweep" : "step ", (unsigned long long)(is.offsets - was.offsets),
               (double)mono_diff_us(begun, mono_now()) / 1000, store_ms() - used,
               (unsigned long long)(is.grown - was.grown),
               (unsigned long long)(is.made_anew - was.made_anew));
    }
    return RC_OK;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct store_client *client = NULL;
    struct sessionizer *s = NULL;
    char dir[] = "/tmp/weir-sessionize-XXXXXX";
    if (argc < 5 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: weir-sessionize-bench URL PARTITIONS OFFSETS BATCH [START]\n");
        return 2;
    }
    uint64_t end = strtoull(argv[3], NULL, 10), batch = strtoull(argv[4], NULL, 10);
    uint32_t partitions = (uint32_t)strtoul(argv[2], NULL, 10);
    if (argc > 6)
        clock_getcpuclockid((pid_t)strtol(argv[6], NULL, 10), &store_clock);
    target = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    const struct sessionize_cfg cfg = {.store = {.url = argv[1], .database = "weir"},
                                       .dir = dir,
                                       .partitions = partitions,
                                       .projected = projected,
                                       .batch_offsets_max = (uint32_t)batch};
    enum rc rc = store_client_new(&cfg.store, &client, &err);
    if (rc == RC_OK)
        rc = store_migrate(client, "weir", analytics_migrations, analytics_migration_count, &err);
    if (rc == RC_OK)
        rc = sessionizer_new(&cfg, &s, &err);
    mono_ns begun = mono_now();
    if (rc == RC_OK)
        rc = steps(s, batch / (partitions ? partitions : 1), end, &err);
    printf("%.1f s\n", (double)mono_diff_us(begun, mono_now()) / 1e6);
    if (rc != RC_END)
        fprintf(stderr, "%s\n", err.text);
    sessionizer_free(s);
    store_client_free(client);
    IGNORE(os_remove_tree(dir, NULL), "a folder in /tmp");
    return rc == RC_END ? 0 : 1;
}
