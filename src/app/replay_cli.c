#include "app/replay_cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "archive/reader.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/must.h"

enum { PAUSE_MS = 120000, STORE_WAIT_MS = 60000, ARGS_BYTES_MAX = 4096 };

/* ---- the archive as a source ---- */

struct archive_source {
    struct object_store *objects; /* owned */
    struct archive_index *index;
    struct archive_reader *reader;
};

static enum rc source_bounds(void *ctx, uint32_t partition, uint64_t *ret_first, uint64_t *ret_next,
                             struct err *err)
{
    const struct archive_source *s = ctx;
    return archive_bounds(s->index, partition, ret_first, ret_next, err);
}

static enum rc source_offset_at(void *ctx, uint32_t partition, unix_ms t, uint64_t *ret_offset,
                                struct err *err)
{
    const struct archive_source *s = ctx;
    return archive_offset_at(s->index, partition, t, ret_offset, err);
}

static enum rc source_seek(void *ctx, uint32_t partition, uint64_t offset, struct err *err)
{
    struct archive_source *s = ctx;
    if (s->reader)
        archive_reader_close(take_ptr(&s->reader));
    return archive_reader_open(s->index, partition, offset, &s->reader, err);
}

static enum rc source_next(void *ctx, struct stream_record *ret, struct err *err)
{
    struct archive_source *s = ctx;
    return archive_reader_next(s->reader, ret, err);
}

static void source_close(void *ctx)
{
    struct archive_source *s = ctx;
    if (s->reader)
        archive_reader_close(s->reader);
    archive_index_free(s->index);
    object_store_free(s->objects);
    heap_free(s);
}

static void archive_dir(const struct node *n, char dir[OS_PATH_MAX])
{
    os_path(dir, *n->cfg->archive_dir ? "%s%s" : "%s/archive%s",
            *n->cfg->archive_dir ? n->cfg->archive_dir : n->cfg->data, "");
}

static enum rc open_archive_source(const struct node *n, struct replay_source *ret, struct err *err)
{
    static const struct replay_source_ops ops = {.name = "archive",
                                                 .bounds = source_bounds,
                                                 .offset_at = source_offset_at,
                                                 .seek = source_seek,
                                                 .next = source_next,
                                                 .close = source_close};
    char dir[OS_PATH_MAX];
    archive_dir(n, dir);
    struct archive_source *s = heap_alloc(HEAP_APP, sizeof(*s));
    enum rc rc = object_folder_new(dir, &s->objects, err);
    if (rc == RC_OK)
        rc = archive_index_open(s->objects, "events", UINT32_MAX, &s->index, err);
    if (rc != RC_OK) {
        source_close(s);
        return rc;
    }
    *ret = (struct replay_source){&ops, s};
    return RC_OK;
}

static enum rc open_source(const struct node *n, const struct replay_args *args,
                           struct replay_source *ret, struct err *err)
{
    struct replay_source stream = {NULL, NULL}, archive = {NULL, NULL};
    if (args->source == REPLAY_FROM_ARCHIVE)
        return open_archive_source(n, ret, err);
    TRY(replay_source_stream(n->events, &stream, err));
    if (args->source == REPLAY_FROM_STREAM) {
        *ret = stream;
        return RC_OK;
    }
    enum rc rc = open_archive_source(n, &archive, err);
    if (rc == RC_OK)
        return replay_source_joined(archive, stream, ret, err);
    replay_source_close(&stream);
    return rc;
}

enum rc node_open_source(const struct node *n, struct replay_source *ret, struct err *err)
{
    static const struct replay_args both = {.source = REPLAY_FROM_BOTH},
                                    stream = {.source = REPLAY_FROM_STREAM};
    char dir[OS_PATH_MAX];
    archive_dir(n, dir);
    return open_source(n, os_exists(dir) ? &both : &stream, ret, err);
}

/* ---- the live consumer ---- */

static uint64_t live_checkpoint(void *ctx, uint32_t partition)
{
    const struct node *n = ctx;
    const struct consumer *project = atomic_load(&n->project);
    if (project)
        return consumer_checkpoint(project, partition);
    char dir[OS_PATH_MAX];
    uint64_t offset = 0;
    os_path(dir, "%s/consumers/project", n->cfg->data);
    IGNORE(consumer_checkpoint_read(dir, partition, &offset, NULL),
           "no checkpoint yet: nothing is projected");
    return offset;
}

static enum rc live_pause(void *ctx, struct err *err)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->rest); /* until live_resume() */
    enum rc rc = consumer_pause(atomic_load(&n->project), PAUSE_MS);
    if (rc == RC_OK)
        return RC_OK;
    pthread_mutex_unlock(&n->rest);
    return err_set(err, rc, "the projector did not come to rest: %s", rc_text(rc));
}

static void live_resume(void *ctx, bool is_swapped)
{
    struct node *n = ctx;
    if (is_swapped)
        project_writer_forget(n->writer);
    consumer_resume(atomic_load(&n->project));
    pthread_mutex_unlock(&n->rest);
    struct derived_worker *sessionize = atomic_load(&n->sessionize);
    if (is_swapped && sessionize)
        derived_worker_poke(sessionize);
    struct derived_worker *persons = atomic_load(&n->persons);
    if (is_swapped && persons)
        derived_worker_poke(persons);
}

/* ---- the run ---- */

struct run {
    struct node *node;
    struct job *job;
    mono_ns next_line;
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int sig)
{
    (void)sig;
    is_interrupted = 1;
}

static void tell_node(struct node *n, bool is_under_way, const struct replay_progress *p)
{
    pthread_mutex_lock(&n->replaying.lock);
    n->replaying.is_under_way = is_under_way;
    n->replaying.progress = *p;
    pthread_mutex_unlock(&n->replaying.lock);
}

static void on_progress(void *ctx, const struct replay_progress *p)
{
    struct run *run = ctx;
    tell_node(run->node, true, p);
    if (mono_is_before(mono_now(), run->next_line) && p->done != p->total)
        return;
    run->next_line = mono_add_ms(mono_now(), 500);
    unsigned long long done = p->done, total = p->total, rate = p->rate;
    long long eta_ms = p->eta_ms;
    if (run->job)
        job_line(run->job,
                 "{\"phase\":\"%s\",\"done\":%llu,\"total\":%llu,\"rate\":%llu,\"eta_ms\":%lld}",
                 p->phase, done, total, rate, eta_ms);
    else
        fprintf(stderr, "%-8s %llu of %llu, %llu/s, %lld ms left\n", p->phase, done, total, rate,
                eta_ms);
}

static void on_report(void *ctx, const char *text)
{
    struct run *run = ctx;
    if (!run->job) {
        fprintf(stderr, "%s\n", text);
        return;
    }
    struct buf line;
    buf_init(&line, 4000);
    buf_add_str(&line, "{\"report\":");
    buf_add_json(&line, slice_str(text));
    buf_add_char(&line, '}');
    job_line(run->job, "%s", buf_cstr(&line));
    buf_done(&line);
}

static bool should_stop(void *ctx)
{
    const struct run *run = ctx;
    return is_interrupted || (run->job && atomic_load(job_cancelled(run->job)));
}

static bool drops_bots(void *ctx, const struct uuid *project)
{
    const struct run *run = ctx;
    return node_drops_bots(run->node, project);
}

static void tell_result(struct run *run, const struct replay_result *r)
{
    const unsigned long long n[] = {r->records,    r->missing,      r->rows_before,
                                    r->rows_after, r->total_before, r->total_after};
    const char *swapped = r->is_swapped ? "true" : "false";
    if (run->job)
        job_line(run->job,
                 "{\"records\":%llu,\"missing\":%llu,\"rows_before\":%llu,\"rows_after\":%llu,"
                 "\"total_before\":%llu,\"total_after\":%llu,\"swapped\":%s}",
                 n[0], n[1], n[2], n[3], n[4], n[5], swapped);
    else
        printf("replayed %llu records (%llu missing); rows of the range %llu before, %llu after; "
               "all rows %llu "
               "before, %llu after; swapped: %s\n",
               n[0], n[1], n[2], n[3], n[4], n[5], swapped);
}

enum rc node_replay(struct node *n, const struct replay_args *args, struct job *job,
                    struct err *err)
{
    TRY(node_store_ready(n, STORE_WAIT_MS, err));
    struct store_cfg store = n->store_cfg;
    store.timeout_ms = 0;
    if (args->is_abort)
        return replay_abort(&store, n->replay_dir, err);
    bool is_live = atomic_load(&n->project) != NULL;
    struct run run = {.node = n, .job = job};
    struct replay_source source;
    struct replay_result result = {.records = 0};
    TRY(open_source(n, args, &source, err));
    struct replay_cfg cfg = {
        .store = store,
        .dir = n->replay_dir,
        .stream = "events",
        .partitions = stream_partitions(n->events),
        .partition = args->partition,
        .source = source,
        .live = {.ctx = n,
                 .checkpoint = live_checkpoint,
                 .pause = is_live ? live_pause : NULL,
                 .resume = is_live ? live_resume : NULL},
        .from = args->from,
        .to = args->to,
        .is_forced = args->is_forced,
        .keep_old = args->keep_old,
        .drops_bots = drops_bots,
        .progress = on_progress,
        .report = on_report,
        .should_stop = should_stop,
        .ctx = &run,
    };
    const struct replay_progress begun = {.phase = "begin", .eta_ms = -1};
    tell_node(n, true, &begun);
    enum rc rc = replay_run(&cfg, &result, err);
    tell_node(n, false, &begun);
    replay_source_close(&source);
    tell_result(&run, &result);
    return rc;
}

/* ---- arguments and verb ---- */

static enum rc parse_point(const char *text, struct replay_point *ret, const char *name,
                           struct err *err)
{
    *ret = (struct replay_point){.kind = REPLAY_OPEN};
    if (!text || !*text)
        return RC_OK;
    if (slice_to_u64(slice_str(text), &ret->offset)) {
        ret->kind = REPLAY_OFFSET;
        return RC_OK;
    }
    if (time_parse(slice_str(text), &ret->time)) {
        ret->kind = REPLAY_TIME;
        return RC_OK;
    }
    return err_set(err, RC_INVALID, "%s is an offset or a time (2026-11-24T08:00:00Z), not '%s'",
                   name, text);
}

enum rc replay_args_parse(struct slice json, struct replay_args *ret, struct err *err)
{
    yyjson_doc *doc = yyjson_read(json.data, json.len, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    *ret = (struct replay_args){.partition = UINT32_MAX};
    enum rc rc = root ? RC_OK : err_set(err, RC_INVALID, "the arguments are no JSON");
    if (rc == RC_OK)
        rc = parse_point(yyjson_get_str(yyjson_obj_get(root, "from")), &ret->from, "from", err);
    if (rc == RC_OK)
        rc = parse_point(yyjson_get_str(yyjson_obj_get(root, "to")), &ret->to, "to", err);
    const char *source = yyjson_get_str(yyjson_obj_get(root, "source"));
    if (rc == RC_OK && source && strcmp(source, "archive") == 0)
        ret->source = REPLAY_FROM_ARCHIVE;
    else if (rc == RC_OK && source && strcmp(source, "both") == 0)
        ret->source = REPLAY_FROM_BOTH;
    else if (rc == RC_OK && source && strcmp(source, "stream") != 0)
        rc = err_set(err, RC_INVALID, "source is stream, archive or both, not '%s'", source);
    uint64_t partition;
    const char *text = yyjson_get_str(yyjson_obj_get(root, "partition"));
    if (rc == RC_OK && text && *text) {
        if (!slice_to_u64(slice_str(text), &partition) || partition >= STREAM_PARTITIONS_MAX)
            rc = err_set(err, RC_INVALID, "partition is a number");
        else
            ret->partition = (uint32_t)partition;
    }
    ret->is_forced = yyjson_get_bool(yyjson_obj_get(root, "force"));
    ret->keep_old = yyjson_get_bool(yyjson_obj_get(root, "keep"));
    ret->is_abort = yyjson_get_bool(yyjson_obj_get(root, "abort"));
    yyjson_doc_free(doc);
    return rc;
}

struct lines {
    struct err *err;
    struct buf rest; /* a line that is not whole yet */
};

/* Progress goes to stderr; the last line tells the outcome. */
static enum rc print_lines(void *ctx, struct slice bytes)
{
    struct lines *l = ctx;
    buf_add_slice(&l->rest, bytes);
    for (;;) {
        const char *end = l->rest.len ? memchr(l->rest.data, '\n', l->rest.len) : NULL;
        if (!end)
            return RC_OK;
        struct slice line = slice_of(l->rest.data, (size_t)(end - l->rest.data));
        yyjson_doc *doc = yyjson_read(line.data, line.len, 0);
        const char *error = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "error"));
        bool is_result = yyjson_obj_get(yyjson_doc_get_root(doc), "swapped") != NULL;
        if (error)
            err_set(l->err, RC_CONFLICT, "%s", error);
        else
            fprintf(is_result ? stdout : stderr, "%.*s\n", SLICE_ARG(line));
        yyjson_doc_free(doc);
        buf_drop_front(&l->rest, line.len + 1);
    }
}

static enum rc replay_remote(const char *data, struct slice args, struct err *err)
{
    struct lines lines = {.err = err};
    buf_init(&lines.rest, 1 << 20);
    enum rc rc = control_call(data, "replay", &args, print_lines, &lines, NULL, err);
    buf_done(&lines.rest);
    return rc == RC_OK ? err->rc : rc;
}

static enum rc replay_local(const struct config *cfg, struct slice json, struct err *err)
{
    struct replay_args args;
    struct node n;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    TRY(replay_args_parse(json, &args, err));
    TRY(node_open(&n, cfg, NODE_STREAMS | NODE_STORE, err));
    enum rc rc = node_replay(&n, &args, NULL, err);
    node_close(&n);
    return rc;
}

int verb_replay(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    const char *from = "", *to = "", *source = "stream", *partition = "", *into = "shadow",
               *stream = "events";
    bool is_forced = false, keep = false, abort_it = false;
    const struct cli_option options[] = {
        {"from", NULL, &from},           {"to", NULL, &to},          {"source", NULL, &source},
        {"partition", NULL, &partition}, {"into", NULL, &into},      {"force", &is_forced, NULL},
        {"keep", &keep, NULL},           {"abort", &abort_it, NULL}, {"stream", NULL, &stream},
    };
    int code = cli_parse(
        &cli, argc, argv, options, COUNT_OF(options), 0,
        "usage: weir replay --from TIME|OFFSET [--to TIME|OFFSET] [--source stream|archive|both]\n"
        "                   [--partition N] [--into shadow] [--force] [--keep] [--data DIR]\n"
        "       weir replay --abort\n\n"
        "Builds the table of events again beside the live one, compares the counts and swaps the "
        "two\n"
        "in one step. Interrupted, the same command goes on where it stopped. Twice changes "
        "nothing.\n"
        "--source archive reads what has left the stream. --force swaps also if rows are fewer;\n"
        "--keep leaves the old table as events_before. Works with the server running or "
        "stopped.\n");
    if (code != 0)
        return code;
    struct buf json;
    buf_init(&json, ARGS_BYTES_MAX);
    const struct {
        const char *name, *value;
    } members[] = {{"from", from}, {"to", to}, {"source", source}, {"partition", partition}};
    buf_addf(&json, "{\"force\":%s,\"keep\":%s,\"abort\":%s", is_forced ? "true" : "false",
             keep ? "true" : "false", abort_it ? "true" : "false");
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        buf_addf(&json, ",\"%s\":", members[i].name);
        buf_add_json(&json, slice_str(members[i].value));
    }
    buf_add_char(&json, '}');
    enum rc rc;
    if (!*from && !abort_it)
        rc = err_set(&err, RC_INVALID, "--from TIME|OFFSET is needed (0 = from the oldest)");
    else if (strcmp(into, "shadow") != 0 || strcmp(stream, "events") != 0)
        rc = err_set(&err, RC_INVALID, "the stream events into shadow is what can be replayed");
    else if (control_is_running(cli.cfg.data))
        rc = replay_remote(cli.cfg.data, buf_slice(&json), &err);
    else
        rc = replay_local(&cli.cfg, buf_slice(&json), &err);
    if (rc != RC_OK)
        code = cli_fail(&cli, &err);
    buf_done(&json);
    config_done(&cli.cfg);
    return code;
}
