/* weir archive ls|verify|flush: the archive's files. */
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "archive/object.h"
#include "archive/reader.h"
#include "base/log.h"
#include "base/os.h"

static void print_line(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
}

static enum rc parse_hour(const char *text, int64_t fallback, unix_ms *ret, const char *name,
                          struct err *err)
{
    ret->ms = fallback;
    if (!text || time_parse(slice_str(text), ret))
        return RC_OK;
    return err_set(err, RC_INVALID, "--%s is a time (2026-11-24T08:00:00Z or 2026-11-24)", name);
}

static enum rc verify(const struct config *cfg, const char *from_text, const char *to_text,
                      struct err *err)
{
    unix_ms from, to;
    char dir[OS_PATH_MAX];
    struct archive_verify_result r = {.manifests = 0};
    CLEANUP(object_store_freep) struct object_store *objects = NULL;
    TRY(parse_hour(from_text, 0, &from, "from", err));
    TRY(parse_hour(to_text, INT64_MAX, &to, "to", err));
    os_path(dir, *cfg->archive_dir ? "%s%s" : "%s/archive%s",
            *cfg->archive_dir ? cfg->archive_dir : cfg->data, "");
    TRY(object_folder_new(dir, &objects, err));
    enum rc rc = archive_verify(objects, "events", from, to, print_line, NULL, &r, err);
    printf("%llu runs, %llu objects, %llu bytes, %llu records; %llu damaged, %llu gaps, %llu "
           "overlaps, %llu without "
           "Parquet yet\n",
           (unsigned long long)r.manifests, (unsigned long long)r.objects,
           (unsigned long long)r.bytes, (unsigned long long)r.records,
           (unsigned long long)r.damaged, (unsigned long long)r.gaps,
           (unsigned long long)r.overlaps, (unsigned long long)r.missing_parquet);
    return rc;
}

static enum rc list(const struct config *cfg, struct err *err)
{
    char dir[OS_PATH_MAX];
    CLEANUP(object_store_freep) struct object_store *objects = NULL;
    CLEANUP(archive_index_freep) struct archive_index *index = NULL;
    os_path(dir, *cfg->archive_dir ? "%s%s" : "%s/archive%s",
            *cfg->archive_dir ? cfg->archive_dir : cfg->data, "");
    TRY(object_folder_new(dir, &objects, err));
    TRY(archive_index_open(objects, "events", UINT32_MAX, &index, err));
    for (uint32_t i = 0; i < archive_index_count(index); i++) {
        struct archive_run_key key = archive_index_at(index, i);
        char hour[TIME_TEXT_BYTES];
        printf("%s  p%u  from offset %llu\n", time_format(key.hour, hour), key.partition,
               (unsigned long long)key.first);
    }
    return RC_OK;
}

static enum rc take_answer(void *ctx, struct slice bytes)
{
    struct buf *all = ctx;
    buf_add_slice(all, bytes);
    return RC_OK;
}

static enum rc flush(const struct config *cfg, struct err *err)
{
    struct slice empty = SLICE_EMPTY;
    struct buf all;
    buf_init(&all, 64 << 10);
    enum rc rc = control_call(cfg->data, "archive-flush", &empty, take_answer, &all, NULL, err);
    if (rc == RC_OK && !strstr(buf_cstr(&all), "\"ok\":true"))
        rc = err_set(err, RC_IO, "the server could not: %s", buf_cstr(&all));
    else if (rc == RC_OK)
        printf("all that was committed is in the archive\n");
    buf_done(&all);
    return rc;
}

int verb_archive(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    const char *from = NULL, *to = NULL;
    const struct cli_option options[] = {{"from", NULL, &from}, {"to", NULL, &to}};
    int code = cli_parse(&cli, argc, argv, options, COUNT_OF(options), 1,
                         "usage: weir archive ls                              the archived runs\n"
                         "       weir archive verify [--from TIME] [--to TIME]   read every byte, "
                         "check every digest\n"
                         "       weir archive flush                             let the running "
                         "server write what is open\n");
    if (code != 0)
        return code;
    const char *what = cli.arg_count == 1 ? cli.args[0] : "";
    enum rc rc;
    if (strcmp(what, "ls") == 0)
        rc = list(&cli.cfg, &err);
    else if (strcmp(what, "verify") == 0)
        rc = verify(&cli.cfg, from, to, &err);
    else if (strcmp(what, "flush") == 0)
        rc = flush(&cli.cfg, &err);
    else
        rc = err_set(&err, RC_INVALID, "what is meant? see weir archive --help");
    if (rc != RC_OK)
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
