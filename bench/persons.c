/* What persons cost: works off the events of a store that has them already, as if the projector had
 * done all of them at once, and then a few at a time.
 *
 *     weir-persons-bench URL PARTITIONS OFFSETS BATCH [START]
 *
 * URL: of a ClickHouse server or of `weir store --listen`, whose database weir has the tables;
 * OFFSETS of each partition; BATCH of both together per step. START: these are there before (a
 * generation is built of them first). One line per step: offsets, milliseconds, ids that joined a
 * person by one claim, and that were looked at with all of their claims. */
#include <stdio.h>
#include <stdlib.h>

#include "analytics/event/schema.h"
#include "analytics/person/persons.h"
#include "base/clock.h"
#include "base/os.h"

static uint64_t target;

static uint64_t projected(void *ctx, uint32_t partition)
{
    (void)ctx, (void)partition;
    return target;
}

static enum rc steps(struct persons *s, uint64_t share, uint64_t end, struct err *err)
{
    struct persons_counts was, is;
    bool is_building;
    for (enum rc rc = RC_OK; rc == RC_OK;) {
        mono_ns begun = mono_now();
        persons_counts(s, &was);
        rc = persons_step(s, err);
        if (rc == RC_END && target < end) {
            target = target + share < end ? target + share : end;
            rc = RC_OK;
            continue;
        }
        if (rc != RC_OK)
            return rc;
        persons_counts(s, &is);
        IGNORE(persons_lag(s, &is_building), "only whether it builds");
        printf("%s %llu offsets, %.1f ms, %llu leaves, %llu anew\n",
               is_building ? "build" : "step ", (unsigned long long)(is.offsets - was.offsets),
               (double)mono_diff_us(begun, mono_now()) / 1000,
               (unsigned long long)(is.leaves - was.leaves),
               (unsigned long long)(is.made_anew - was.made_anew));
    }
    return RC_OK;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct store_client *client = NULL;
    struct persons *s = NULL;
    char dir[] = "/tmp/weir-persons-XXXXXX";
    if (argc < 5 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: weir-persons-bench URL PARTITIONS OFFSETS BATCH [START]\n");
        return 2;
    }
    uint64_t end = strtoull(argv[3], NULL, 10), batch = strtoull(argv[4], NULL, 10);
    uint32_t partitions = (uint32_t)strtoul(argv[2], NULL, 10);
    target = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    const struct persons_cfg cfg = {.store = {.url = argv[1], .database = "weir"},
                                    .dir = dir,
                                    .partitions = partitions,
                                    .projected = projected,
                                    .batch_offsets_max = (uint32_t)batch};
    enum rc rc = store_client_new(&cfg.store, &client, &err);
    if (rc == RC_OK)
        rc = store_migrate(client, "weir", analytics_migrations, analytics_migration_count, &err);
    if (rc == RC_OK)
        rc = persons_new(&cfg, &s, &err);
    mono_ns begun = mono_now();
    if (rc == RC_OK)
        rc = steps(s, batch / (partitions ? partitions : 1), end, &err);
    printf("%.1f s\n", (double)mono_diff_us(begun, mono_now()) / 1e6);
    if (rc != RC_END)
        fprintf(stderr, "%s\n", err.text);
    persons_free(s);
    store_client_free(client);
    IGNORE(os_remove_tree(dir, NULL), "a folder in /tmp");
    return rc == RC_END ? 0 : 1;
}
