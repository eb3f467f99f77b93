/* weir stream ls|cat|verify|truncate-tail: looks into the stream's folder without a server. ls, cat
 * and verify change nothing and may run beside one. */
#include <stdio.h>
#include <string.h>

#include "app/cli.h"
#include "base/log.h"
#include "base/os.h"
#include "stream/stream.h"

struct stream_verb {
    struct cli cli;
    struct buf out;
    struct err err;
    const char *name;
    const char *from; /* offset or time */
    const char *to;   /* offset, exclusive */
    const char *partition;
    const char *limit;
    char dir[OS_PATH_MAX];
    struct stream *stream;
};

static enum rc open_read_only(struct stream_verb *v)
{
    struct stream_cfg cfg;
    stream_cfg_defaults(&cfg);
    cfg.dir = v->dir;
    cfg.name = v->name;
    cfg.partitions = 0; /* as it was made */
    cfg.read_only = true;
    return stream_open(&cfg, &v->stream, &v->err);
}

static void print_segment(void *ctx, const struct stream_segment_info *i)
{
    struct stream_verb *v = ctx;
    char first[TIME_TEXT_BYTES], last[TIME_TEXT_BYTES];
    time_format(i->first_time, first);
    time_format(i->last_time, last);
    if (v->cli.is_json)
        buf_addf(
            &v->out,
            "{\"partition\":%u,\"first\":%llu,\"next\":%llu,\"bytes\":%llu,\"first_time\":\"%s\","
            "\"last_time\":\"%s\",\"sealed\":%s,\"path\":\"%s\"}\n",
            i->partition, (unsigned long long)i->first_offset, (unsigned long long)i->next_offset,
            (unsigned long long)i->bytes, first, last, i->is_sealed ? "true" : "false", i->path);
    else
        buf_addf(&v->out, "p%-3u %12llu .. %-12llu %12llu B  %s  %s  sealed=%-5s  %s\n",
                 i->partition, (unsigned long long)i->first_offset,
                 (unsigned long long)i->next_offset, (unsigned long long)i->bytes, first, last,
                 i->is_sealed ? "true" : "false", i->path);
}

static enum rc run_ls(struct stream_verb *v)
{
    TRY(open_read_only(v));
    TRY(stream_segments(v->stream, print_segment, v, &v->err));
    cli_print(&v->out);
    return RC_OK;
}

static void add_record(struct stream_verb *v, const struct stream_record *r)
{
    char when[TIME_TEXT_BYTES];
    buf_addf(&v->out, "{\"partition\":%u,\"offset\":%llu,\"time\":\"%s\",\"key\":", r->partition,
             (unsigned long long)r->offset, time_format(r->time, when));
    buf_add_json(&v->out, r->key);
    if (r->headers.len) {
        struct slice rest = r->headers;
        buf_add_str(&v->out, ",\"headers\":{");
        for (bool is_first = true; rest.len; is_first = false) {
            if (!is_first)
                buf_add_char(&v->out, ',');
            buf_add_json(&v->out, slice_cut(&rest, '\0'));
            buf_add_char(&v->out, ':');
            buf_add_json(&v->out, slice_cut(&rest, '\0'));
        }
        buf_add_char(&v->out, '}');
    }
    bool is_json = r->value.len && r->value.data[0] == '{';
    buf_add_str(&v->out, ",\"value\":");
    if (is_json)
        buf_add_slice(&v->out, r->value);
    else
        buf_add_json(&v->out, r->value);
    buf_add_str(&v->out, "}\n");
}

static enum rc start_offset(struct stream_verb *v, uint32_t partition, uint64_t *ret_offset)
{
    struct stream_bounds bounds;
    unix_ms t;
    stream_bounds(v->stream, partition, &bounds);
    *ret_offset = bounds.oldest;
    if (!v->from)
        return RC_OK;
    if (slice_to_u64(slice_str(v->from), ret_offset)) {
        if (*ret_offset < bounds.oldest)
            *ret_offset = bounds.oldest;
        return RC_OK;
    }
    if (!time_parse(slice_str(v->from), &t))
        return err_set(&v->err, RC_INVALID,
                       "--from is an offset or a time (2026-11-24T08:00:00Z), not '%s'", v->from);
    return stream_offset_at(v->stream, partition, t, ret_offset, &v->err);
}

static enum rc cat_partition(struct stream_verb *v, uint32_t partition, uint64_t *left, uint64_t to)
{
    uint64_t from;
    struct stream_reader *reader;
    struct stream_record record;
    TRY(start_offset(v, partition, &from));
    TRY(stream_reader_open(v->stream, partition, from, &reader, &v->err));
    enum rc rc = RC_OK;
    while (*left > 0) {
        rc = stream_reader_next(reader, &record, &v->err);
        if (rc != RC_OK || record.offset >= to)
            break;
        add_record(v, &record);
        (*left)--;
        if (v->out.len > 1 << 20)
            cli_print(&v->out);
    }
    stream_reader_close(reader);
    cli_print(&v->out);
    return rc == RC_END ? RC_OK : rc;
}

static enum rc run_cat(struct stream_verb *v)
{
    uint64_t left = UINT64_MAX, only = 0, to = UINT64_MAX;
    if (v->limit && !slice_to_u64(slice_str(v->limit), &left))
        return err_set(&v->err, RC_INVALID, "--limit is a number");
    if (v->to && !slice_to_u64(slice_str(v->to), &to))
        return err_set(&v->err, RC_INVALID, "--to is an offset");
    if (v->partition && !slice_to_u64(slice_str(v->partition), &only))
        return err_set(&v->err, RC_INVALID, "--partition is a number");
    TRY(open_read_only(v));
    if (v->partition && only >= stream_partitions(v->stream))
        return err_set(&v->err, RC_INVALID, "the stream has partitions 0 to %u",
                       stream_partitions(v->stream) - 1);
    for (uint32_t p = 0; p < stream_partitions(v->stream); p++)
        if (!v->partition || p == only)
            TRY(cat_partition(v, p, &left, to));
    return RC_OK;
}

static void print_line(void *ctx, const char *line)
{
    struct stream_verb *v = ctx;
    buf_addf(&v->out, "%s\n", line);
    cli_print(&v->out);
}

static enum rc run_truncate(struct stream_verb *v)
{
    uint64_t partition, next, cut;
    if (!v->partition || !slice_to_u64(slice_str(v->partition), &partition) ||
        partition >= STREAM_PARTITIONS_MAX)
        return err_set(&v->err, RC_INVALID, "say which: --partition N");
    TRY(stream_truncate_tail(v->dir, (uint32_t)partition, &next, &cut, &v->err));
    buf_addf(&v->out,
             "partition %llu ends before offset %llu now; %llu bytes were cut and kept as *.cut\n",
             (unsigned long long)partition, (unsigned long long)next, (unsigned long long)cut);
    cli_print(&v->out);
    return RC_OK;
}

int verb_stream(int argc, char **argv)
{
    struct stream_verb v = {.name = "events"};
    const struct cli_option options[] = {{"stream", NULL, &v.name},
                                         {"from", NULL, &v.from},
                                         {"to", NULL, &v.to},
                                         {"partition", NULL, &v.partition},
                                         {"limit", NULL, &v.limit}};
    int code = cli_parse(
        &v.cli, argc, argv, options, COUNT_OF(options), 1,
        "usage: weir stream ls|cat|verify|truncate-tail [--stream NAME] [--partition N]\n"
        "                   [--from OFFSET|TIME] [--to OFFSET] [--limit N] [--json]\n\n"
        "  ls             the segments\n"
        "  cat            records as NDJSON\n"
        "  verify         read every byte, check every sum\n"
        "  truncate-tail  after verify named damage: cut the partition behind the last whole "
        "batch\n"
        "                 before it (what is cut is kept as *.cut); the server must be stopped\n");
    if (code != 0)
        return code;
    buf_init(&v.out, 64 << 20);
    os_path(v.dir, "%s/stream/%.64s", v.cli.cfg.data, v.name);
    const char *what = v.cli.arg_count > 0 ? v.cli.args[0] : "ls";
    enum rc rc;
    if (strcmp(what, "ls") == 0)
        rc = run_ls(&v);
    else if (strcmp(what, "cat") == 0)
        rc = run_cat(&v);
    else if (strcmp(what, "verify") == 0)
        rc = stream_verify(v.dir, print_line, &v, &v.err);
    else if (strcmp(what, "truncate-tail") == 0)
        rc = run_truncate(&v);
    else
        rc = err_set(&v.err, RC_INVALID, "what is meant? see weir stream --help");
    if (rc != RC_OK)
        code = cli_fail(&v.cli, &v.err);
    if (v.stream)
        stream_close(v.stream);
    buf_done(&v.out);
    config_done(&v.cli.cfg);
    return code;
}
