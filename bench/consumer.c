/* WHAT    What the consumer of events costs with everything that it adds, stage by stage:
 *
 *             weir-consumer-bench STREAM-DIR PROJECT EVENTS VISITORS URL PID
 *
 *         fills a new stream with generated events (generate.h), then works it off into the store
 *         at URL, whose process is PID, in batches as the server takes them of a backlog: rows, and
 *         behind each batch sessions and persons.
 * HOW     CPU time: this process's for what the server's threads do, the store's for the rest, with
 *         the merges that it does meanwhile; then until it has no more to merge. JSON on stdout,
 *         microseconds per event. The parts of a row are measured once more by themselves. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analytics/event/schema.h"
#include "analytics/ingest/dialect_read.h"
#include "analytics/person/persons.h"
#include "analytics/projector/project_int.h"
#include "analytics/session/sessionize.h"
#include "base/heap.h"
#include "base/must.h"
#include "base/os.h"
#include "codec/json.h"
#include "generate.h"

enum { PARTITIONS = 2, FILL = 1000, PART_RECORDS = 50000, SETTLE_SECONDS_MAX = 60 };

static struct {
    struct stream *stream;
    struct uuid project;
    const char *url;
    clockid_t store_clock;
    uint64_t projected[PARTITIONS];
    /* microseconds of CPU */
    double read, write, insert, sessions, sessions_main, persons, persons_main, merges;
    double decode, acquire, agent, encode; /* of a row, by themselves */
    struct project_counts counts;
} b;

static double us_of(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}
static double own_us(void)
{
    return us_of(CLOCK_PROCESS_CPUTIME_ID);
}
static double store_us(void)
{
    return us_of(b.store_clock);
}

/* ---- the stream ---- */

struct filled {
    struct buf out;
    size_t key_len[FILL], value_len[FILL];
    uint32_t count;
};

static void append_filled(struct filled *f)
{
    struct stream_record records[FILL] = {{.key = SLICE_EMPTY}};
    const char *p = f->out.data;
    for (uint32_t i = 0; i < f->count; i++) {
        records[i] = (struct stream_record){.key = slice_of(p, f->key_len[i]),
                                            .value = slice_of(p + f->key_len[i], f->value_len[i])};
        p += f->key_len[i] + f->value_len[i];
    }
    must(stream_append_wait(b.stream, records, f->count) == RC_OK);
    f->count = 0;
    buf_clear(&f->out);
}

static void add_event(struct filled *f, struct slice json, struct event_env *env)
{
    const struct dialect *native = dialect_read_find("api");
    struct event e;
    struct event_notes notes = {.reason = EVENT_FINE};
    struct err err = ERR_INIT;
    yyjson_val *root;
    arena_reset(env->arena);
    must(json_parse(env->arena, json, &root, &err) == RC_OK);
    event_init(&e, env);
    dialect_read_event(native, root, env, &e, &notes);
    must(notes.reason == EVENT_FINE);
    must(event_encode(&e, env, json.len, &f->out, env->arena, &notes, &f->key_len[f->count],
                      &f->value_len[f->count]) == RC_OK);
    f->count++;
    if (f->count == FILL)
        append_filled(f);
}

static void fill(uint32_t events, uint32_t visitors)
{
    static struct generator g;
    static struct filled f;
    struct event_env env;
    struct arena arena;
    arena_init(&arena, 64 << 10, 1 << 20);
    buf_init(&f.out, 64 << 20);
    event_env_init(&env, &b.project, "api", unix_now());
    dialect_read_env(dialect_read_find("api"), &env);
    env.arena = &arena;
    generator_init(&g, 1, events, visitors);
    for (uint32_t i = 0; i < events; i++) {
        struct slice json = generator_next(&g, &env.client);
        add_event(&f, json, &env);
    }
    if (f.count)
        append_filled(&f);
    buf_done(&f.out);
    arena_done(&arena);
}

static void add_bytes(void *ctx, const struct stream_segment_info *i)
{
    *(uint64_t *)ctx += i->bytes;
}

/* ---- a batch, copied out of the stream as the consumer does ---- */

struct taken {
    struct consumer_batch batch;
    struct stream_record *records;
    struct buf text;
};

static bool take(struct taken *t, uint32_t partition, struct err *err)
{
    struct stream_reader *reader;
    struct stream_record r;
    enum rc rc = RC_OK;
    uint32_t count = 0;
    buf_clear(&t->text);
    must(stream_reader_open(b.stream, partition, b.projected[partition], &reader, err) == RC_OK);
    while (count < PROJECT_BATCH_RECORDS_MAX && t->text.len < PROJECT_BATCH_BYTES_MAX &&
           (rc = stream_reader_next(reader, &r, err)) == RC_OK) {
        t->records[count] = r;
        t->records[count].value = slice_of(NULL, r.value.len);
        t->records[count++].key = SLICE_EMPTY;
        buf_add_slice(&t->text, r.value);
    }
    must(rc == RC_OK || rc == RC_END);
    stream_reader_close(reader);
    must(buf_ok(&t->text));
    const char *p = t->text.data;
    for (uint32_t i = 0; i < count; i++) {
        t->records[i].value.data = p;
        p += t->records[i].value.len;
    }
    t->batch = (struct consumer_batch){
        .stream = "events", .partition = partition, .records = t->records, .count = count};
    if (!count)
        return false;
    t->batch.first = t->records[0].offset;
    t->batch.last = t->records[count - 1].offset;
    snprintf(t->batch.token, sizeof(t->batch.token), "events/%u/%llu-%llu", partition,
             (unsigned long long)t->batch.first, (unsigned long long)t->batch.last);
    return true;
}

/* ---- the parts of a row ---- */

/* Each once more for the first records of a batch; what is measured is what it adds. */
static void measure_parts(const struct taken *t)
{
    struct ua_parser *agents;
    struct native_column columns[PROJECT_COLUMN_COUNT];
    struct project_row row;
    struct arena scratch;
    const char *reason;
    double at[5];
    arena_init(&scratch, 64 << 10, 1 << 20);
    must(project_agents_new(&agents) == RC_OK);
    project_columns_init(columns, 256 << 20);
    uint32_t n = t->batch.count < PART_RECORDS ? t->batch.count : PART_RECORDS;
    for (int pass = 0; pass < 2; pass++) { /* the second one is as in a running server */
        at[0] = own_us();
        for (uint32_t i = 0; i < n; i++)
            must(project_row_scan(t->records[i].value, &row));
        at[1] = own_us();
        for (uint32_t i = 0; i < n; i++) {
            arena_reset(&scratch);
            must(project_row_decode(t->records[i].value, &scratch, &row, &reason) == RC_OK);
        }
        at[2] = own_us();
        for (uint32_t i = 0; i < n; i++) {
            must(project_row_scan(t->records[i].value, &row));
            project_agent_fill(agents, &row);
        }
        at[3] = own_us();
        for (unsigned c = 0; c < PROJECT_COLUMN_COUNT; c++)
            native_clear(&columns[c]);
        for (uint32_t i = 0; i < n; i++) {
            must(project_row_scan(t->records[i].value, &row));
            project_row_encode(columns, &row, 0, i);
        }
        at[4] = own_us();
    }
    b.decode = (at[1] - at[0]) / n;
    b.acquire = (at[2] - at[1]) / n - b.decode;
    b.agent = (at[3] - at[2]) / n - b.decode;
    b.encode = (at[4] - at[3]) / n - b.decode;
    for (unsigned c = 0; c < PROJECT_COLUMN_COUNT; c++)
        native_done(&columns[c]);
    ua_parser_free(agents);
    arena_done(&scratch);
}

/* ---- stages ---- */

static uint64_t projected(void *ctx, uint32_t partition)
{
    (void)ctx;
    return b.projected[partition];
}

static void write_batch(struct project_writer *w, const struct taken *t, struct err *err)
{
    struct project_counts counts;
    double own = own_us(), store = store_us();
    if (project_writer_write(w, &t->batch, NULL, NULL, &counts, err) != RC_OK) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
    b.write += own_us() - own;
    b.insert += store_us() - store;
    b.counts.rows += counts.rows;
    b.projected[t->batch.partition] = t->batch.last + 1;
}

static void derive(struct sessionizer *s, struct persons *p, struct err *err)
{
    enum rc rc;
    double own = own_us(), store = store_us();
    while ((rc = sessionizer_step(s, err)) == RC_OK)
        continue;
    must(rc == RC_END);
    b.sessions_main += own_us() - own;
    b.sessions += store_us() - store;
    own = own_us();
    store = store_us();
    while ((rc = persons_step(p, err)) == RC_OK)
        continue;
    must(rc == RC_END);
    b.persons_main += own_us() - own;
    b.persons += store_us() - store;
}

static void settle(struct store_client *client, struct err *err)
{
    double store = store_us();
    for (int i = 0; i < SETTLE_SECONDS_MAX; i++) {
        struct buf answer;
        buf_init(&answer, 1 << 10);
        const struct store_query q = {.sql = "SELECT count() FROM system.merges",
                                      .format = "TabSeparated"};
        must(store_query(NULL, client, &q, &answer, NULL, NULL, err) == RC_OK);
        bool is_calm = slice_eq_str(buf_slice(&answer), "0\n");
        buf_done(&answer);
        if (is_calm && i > 2)
            break;
        sleep_ms(1000);
    }
    b.merges = store_us() - store;
}

static void work_off(const char *dir, struct err *err)
{
    struct store_client *client;
    struct project_writer *w;
    struct sessionizer *s;
    struct persons *p;
    char places[2][OS_PATH_MAX];
    const struct store_cfg store = {.url = b.url, .database = "weir", .timeout_ms = 120000};
    const struct project_cfg project = {.store = store};
    must(store_client_new(&store, &client, err) == RC_OK);
    must(store_migrate(client, "weir", analytics_migrations, analytics_migration_count, err) ==
         RC_OK);
    must(project_writer_new(&project, &w, err) == RC_OK);
    const struct sessionize_cfg sessions = {.store = store,
                                            .dir = os_path(places[0], "%s/sessionize", dir),
                                            .partitions = PARTITIONS,
                                            .projected = projected};
    const struct persons_cfg persons = {.store = store,
                                        .dir = os_path(places[1], "%s/persons", dir),
                                        .partitions = PARTITIONS,
                                        .projected = projected};
    must(sessionizer_new(&sessions, &s, err) == RC_OK && persons_new(&persons, &p, err) == RC_OK);
    derive(s, p, err); /* their beginning, over nothing */
    b.sessions = b.sessions_main = b.persons = b.persons_main = 0;
    struct taken t = {
        .records = heap_alloc(HEAP_ANALYTICS, PROJECT_BATCH_RECORDS_MAX * sizeof(*t.records))};
    buf_init(&t.text, PROJECT_BATCH_BYTES_MAX + (4 << 20));
    for (bool is_more = true; is_more;) {
        is_more = false;
        for (uint32_t partition = 0; partition < PARTITIONS; partition++) {
            double own = own_us();
            bool is_any = take(&t, partition, err);
            b.read += own_us() - own;
            is_more |= is_any;
            if (is_any && b.decode <= 0)
                measure_parts(&t);
            if (is_any)
                write_batch(w, &t, err);
        }
        derive(s, p, err);
    }
    settle(client, err);
    buf_done(&t.text);
    heap_free(t.records);
    persons_free(p);
    sessionizer_free(s);
    project_writer_free(w);
    store_client_free(client);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct stream_cfg cfg;
    char dir[] = "/tmp/weir-consumer-XXXXXX";
    if (argc != 7 || !uuid_parse(slice_str(argv[2]), &b.project) || !mkdtemp(dir)) {
        fprintf(stderr, "usage: weir-consumer-bench STREAM-DIR PROJECT EVENTS VISITORS URL PID\n");
        return 2;
    }
    uint32_t events = (uint32_t)strtoul(argv[3], NULL, 10);
    b.url = argv[5];
    clock_getcpuclockid((pid_t)strtol(argv[6], NULL, 10), &b.store_clock);
    stream_cfg_defaults(&cfg);
    cfg.dir = argv[1];
    cfg.name = "events";
    cfg.partitions = PARTITIONS;
    cfg.ack = STREAM_ACK_NONE;
    cfg.disk_floor_bytes = 1 << 20;
    if (stream_open(&cfg, &b.stream, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    fill(events, (uint32_t)strtoul(argv[4], NULL, 10));
    uint64_t stream_bytes = 0;
    must(stream_segments(b.stream, add_bytes, &stream_bytes, &err) == RC_OK);
    work_off(dir, &err);
    stream_close(b.stream);
    IGNORE(os_remove_tree(dir, NULL), "a folder in /tmp");
    double n = (double)b.counts.rows;
    printf("{\"rows\":%.0f,\"read\":%.3f,\"decode\":%.3f,\"acquire\":%.3f,\"agent\":%.3f,"
           "\"encode\":%.3f,\"write\":%.3f,\"insert\":%.3f,\"sessions\":%.3f,\"persons\":%.3f,"
           "\"merges\":%.3f,\"stream_bytes\":%llu}\n",
           n, b.read / n, b.decode, b.acquire, b.agent, b.encode, b.write / n, b.insert / n,
           (b.sessions + b.sessions_main) / n, (b.persons + b.persons_main) / n, b.merges / n,
           (unsigned long long)stream_bytes);
    return 0;
}
