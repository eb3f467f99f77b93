/* Opening and closing what stands on a data folder, bottom-up and top-down. */
#include "app/node.h"
#include "app/erase.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "analytics/event/schema.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"
#include "store/freeze.h"

enum {
    STORE_CLIENTS_MAX = 8,
    STORE_WAIT_MS = 1000,
    CONSUMER_STOP_MS = 5000,
    MS_PER_HOUR = 3600000,
    MS_PER_MINUTE = 60000,
};

static enum stream_ack ack_of(const char *text)
{
    return strcmp(text, "fsync") == 0 ? STREAM_ACK_FSYNC
           : strcmp(text, "os") == 0  ? STREAM_ACK_OS
                                      : STREAM_ACK_NONE;
}

static void stream_settings(const struct config *cfg, const char *name, struct stream_cfg *ret)
{
    struct stream_cfg sc;
    stream_cfg_defaults(&sc);
    sc.name = name;
    sc.ack = ack_of(cfg->stream_ack);
    sc.segment_bytes_max = (uint64_t)cfg->stream_segment_bytes;
    sc.retention_ms = (uint64_t)cfg->stream_retention_hours * MS_PER_HOUR;
    sc.retention_bytes = (uint64_t)cfg->stream_retention_bytes;
    sc.queue_bytes_max = (uint64_t)cfg->stream_queue_bytes;
    sc.disk_floor_bytes = (uint64_t)cfg->stream_disk_floor_bytes;
    *ret = sc;
}

/* The name is copied by the stream; the folder path only has to live during the call. */
static enum rc open_stream(const struct node *n, struct stream_cfg *sc, uint32_t partitions,
                           struct stream **ret, struct err *err)
{
    char dir[OS_PATH_MAX];
    sc->dir = os_path(dir, "%s/stream/%s", n->cfg->data, sc->name);
    sc->partitions = partitions; /* 0: as it was created, else stream_cfg_defaults() */
    return stream_open(sc, ret, err);
}

static enum rc open_streams(struct node *n, struct err *err)
{
    struct stream_cfg sc;
    stream_settings(n->cfg, "events", &sc);
    TRY(open_stream(n, &sc, (uint32_t)n->cfg->stream_partitions, &n->events, err));
    stream_settings(n->cfg, "events-dead", &sc);
    TRY(open_stream(n, &sc, 1, &n->dead, err));
    stream_settings(n->cfg, "audit", &sc);
    sc.ack = STREAM_ACK_FSYNC; /* leaves the outbox only for good */
    sc.retention_ms = sc.retention_bytes = 0;
    TRY(open_stream(n, &sc, 1, &n->audit, err));
    stream_settings(n->cfg, "rejected", &sc);
    rejected_stream_settings(&sc);
    return open_stream(n, &sc, 1, &n->rejects, err);
}

static enum rc start_child(struct node *n, struct err *err)
{
    const struct config *cfg = n->cfg;
    os_path(n->store_socket, "%s/run/store.sock", cfg->data);
    os_path(n->store_dir, "%s/store", cfg->data);
    if (*cfg->store_library)
        snprintf(n->library, sizeof(n->library), "%s", cfg->store_library);
    else
        TRY(store_library_find(n->library, sizeof(n->library), err));
    /* A build with sanitizers cannot host the engine: its tests name another build's weir. */
    const char *other = getenv("WEIR_STORE_EXECUTABLE");
    ssize_t len = readlink("/proc/self/exe", n->executable, sizeof(n->executable) - 1);
    if (len <= 0)
        return err_set(err, RC_IO, "cannot find this program's own file");
    if (other && *other)
        os_path(n->executable, "%s", other);
    n->child_cfg = (struct store_child_cfg){
        .executable = n->executable,
        .data_dir = n->store_dir,
        .socket_path = n->store_socket,
        .tcp_listen = *cfg->store_listen ? cfg->store_listen : NULL,
        .library = n->library,
        .memory_bytes_max = (uint64_t)cfg->store_memory_bytes_max,
        .query_memory_bytes_max = (uint64_t)cfg->store_query_memory_bytes_max,
        .query_seconds_max = (uint32_t)cfg->store_query_seconds_max,
        .nice = (uint32_t)cfg->store_nice,
    };
    TRY(os_mkdirs(n->store_dir, err));
    TRY(store_freeze_end(n->store_dir, err)); /* of a backup that was killed */
    n->store_cfg = (struct store_cfg){
        .url = "http://localhost", .unix_socket = n->store_socket, .database = cfg->store_database};
    return store_supervisor_start(&n->child_cfg, &n->supervisor, err);
}

static enum rc open_store(struct node *n, struct err *err)
{
    const struct config *cfg = n->cfg;
    if (*cfg->store_url)
        n->store_cfg =
            (struct store_cfg){.url = cfg->store_url,
                               .database = cfg->store_database,
                               .user = *cfg->store_user ? cfg->store_user : NULL,
                               .password = *cfg->store_password ? cfg->store_password : NULL};
    else
        TRY(start_child(n, err));
    return store_pool_new(&n->store_cfg, STORE_CLIENTS_MAX, &n->pool, err);
}

static enum rc migrate(struct node *n, struct err *err)
{
    struct store_client *client;
    TRY(store_client_new(&n->store_cfg, &client, err));
    enum rc rc = store_migrate(client, n->store_cfg.database, analytics_migrations,
                               analytics_migration_count, err);
    store_client_free(client);
    TRY(rc);
    store_pool_open(n->pool);
    atomic_store(&n->is_migrated, true);
    return RC_OK;
}

enum rc node_store_ready(struct node *n, int64_t timeout_ms, struct err *err)
{
    if (atomic_load(&n->is_migrated))
        return RC_OK;
    mono_ns deadline = mono_add_ms(mono_now(), timeout_ms);
    for (;;) {
        enum rc rc = RC_OK;
        if (n->supervisor)
            rc = store_supervisor_wait(n->supervisor, timeout_ms, err);
        if (rc == RC_OK)
            rc = migrate(n, err);
        if (rc == RC_OK || !rc_is_retryable(rc) || atomic_load(&n->is_closing) ||
            !mono_is_before(mono_now(), deadline))
            return rc;
        sleep_ms(100);
    }
}

bool node_drops_bots(void *node, const struct uuid *project)
{
    const struct node *n = node;
    struct tenant_view *view = tenant_view_take(n->tenant);
    const struct tenant_project *p = tenant_by_id(view, project);
    bool is_dropped = p && p->drops_bots;
    tenant_view_give(view);
    return is_dropped;
}

static enum rc left_out(void *ctx, const struct consumer_batch *batch, const uint8_t *why,
                        struct err *err)
{
    const struct node *n = ctx;
    return project_left_out_tell(n->left_out, batch, why, err);
}

static void projector_free(struct node *n)
{
    project_writer_free(take_ptr(&n->writer));
    project_left_out_free(take_ptr(&n->left_out));
    rejected_writer_free(take_ptr(&n->left_out_writer));
}

static enum rc start_projector(struct node *n, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct consumer *project;
    TRY(rejected_writer_new(&n->store_cfg, &n->left_out_writer, err));
    n->left_out = project_left_out_new(n->left_out_writer);
    TRY(project_writer_new(&(struct project_cfg){.store = n->store_cfg,
                                                 .table = "events",
                                                 .drops_bots = node_drops_bots,
                                                 .left_out = left_out,
                                                 .ctx = n},
                           &n->writer, err));
    project_metrics_register(n->writer);
    struct consumer_cfg cfg = {.stream = n->events,
                               .dead = n->dead,
                               .dir = os_path(dir, "%s/consumers/project", n->cfg->data),
                               .ops = &project_consumer_ops,
                               .ctx = n->writer,
                               .batch_records_max = PROJECT_BATCH_RECORDS_MAX,
                               .batch_bytes_max = PROJECT_BATCH_BYTES_MAX,
                               .linger_ms_max = (uint32_t)n->cfg->consumer_linger_ms,
                               .nice = (int)n->cfg->consumer_nice};
    TRY(consumer_start(&cfg, &project, err));
    atomic_store(&n->project, project);
    return RC_OK;
}

static enum rc start_rejecter(struct node *n, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct consumer *consumer;
    TRY(rejected_writer_new(&n->store_cfg, &n->reject_writer, err));
    struct consumer_cfg cfg = {.stream = n->rejects,
                               .dir = os_path(dir, "%s/consumers/rejected", n->cfg->data),
                               .ops = &rejected_consumer_ops,
                               .ctx = n->reject_writer,
                               .linger_ms_max = (uint32_t)n->cfg->consumer_linger_ms,
                               .nice = (int)n->cfg->consumer_nice};
    TRY(consumer_start(&cfg, &consumer, err));
    atomic_store(&n->rejecter, consumer);
    return RC_OK;
}

static uint64_t projected(void *ctx, uint32_t partition)
{
    const struct node *n = ctx;
    return consumer_checkpoint(atomic_load(&n->project), partition);
}

static uint64_t unprojected(void *ctx)
{
    const struct node *n = ctx;
    struct consumer_status status;
    consumer_status(atomic_load(&n->project), &status);
    return status.lag_records;
}

static enum rc start_sessionize(struct node *n, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct derived_worker *worker;
    const struct sessionize_worker_cfg cfg = {
        .sessionize = {.store = n->store_cfg,
                       .dir = os_path(dir, "%s/consumers/sessionize", n->cfg->data),
                       .partitions = stream_partitions(n->events),
                       .projected = projected,
                       .ctx = n,
                       .idle_ms = (uint32_t)n->cfg->sessions_idle_minutes * MS_PER_MINUTE},
        .pace = {.nice = (int)n->cfg->consumer_nice, .unprojected = unprojected, .ctx = n}};
    TRY(sessionize_worker_start(&cfg, &worker, err));
    atomic_store(&n->sessionize, worker);
    return RC_OK;
}

uint64_t node_sessions_version(void *node)
{
    struct node *n = node;
    struct derived_worker *worker = atomic_load(&n->sessionize);
    struct derived_status status = {0};
    if (worker)
        derived_worker_status(worker, &status);
    return status.progress.steps;
}

_Static_assert((int)PERSONS_RULES_MAX == (int)RETAIN_RULES_MAX, "one limit");

static uint32_t persons_rules(void *ctx, struct persons_rule *ret)
{
    struct node *n = ctx;
    struct retain_rule rules[RETAIN_RULES_MAX];
    uint32_t count = retention_rules(n->tenant, rules);
    unix_ms now = unix_now();
    for (uint32_t i = 0; i < count; i++)
        ret[i] = (struct persons_rule){.project = rules[i].project,
                                       .before_ms = retain_before(&rules[i], now).ms};
    return count;
}

/* Those whose last event is gone go, too. */
static void events_removed(void *ctx)
{
    struct node *n = ctx;
    struct derived_worker *persons = atomic_load(&n->persons);
    if (persons)
        persons_worker_retain(persons);
}

static enum rc start_persons(struct node *n, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct derived_worker *worker;
    const struct persons_worker_cfg cfg = {
        .persons = {.store = n->store_cfg,
                    .dir = os_path(dir, "%s/consumers/persons", n->cfg->data),
                    .partitions = stream_partitions(n->events),
                    .projected = projected,
                    .rules = persons_rules,
                    .ctx = n},
        .pace = {.nice = (int)n->cfg->consumer_nice, .unprojected = unprojected, .ctx = n}};
    TRY(persons_worker_start(&cfg, &worker, err));
    atomic_store(&n->persons, worker);
    return RC_OK;
}

/* What questions are faster with. Without it they are answered all the same. */
static void see_to_tables(struct node *n)
{
    struct err err = ERR_INIT;
    struct store_client *client;
    bool is_broken = false;
    if (store_client_new(&n->store_cfg, &client, &err) != RC_OK) {
        log_error("the tables are not looked after until the next start", LOG_ERR(&err));
        return;
    }
    if (property_columns_apply(n->property_columns, client, &err) != RC_OK)
        log_error("properties have no columns of their own until the next start", LOG_ERR(&err));
    if (analytics_slots_mend(client, &is_broken, &err) != RC_OK)
        log_error("whether slots are broken could not be looked up", LOG_ERR(&err));
    if (is_broken)
        log_warn("slots of visitors were broken, as after a power loss: they are made anew, and "
                 "events are read until they are there");
    store_client_free(client);
}

/* The store needs about a second to come up, and may be down for long: events are taken meanwhile.
 */
static void *bring_up(void *arg)
{
    struct node *n = arg;
    while (!atomic_load(&n->is_closing)) {
        struct err err = ERR_INIT;
        enum rc rc = node_store_ready(n, STORE_WAIT_MS, &err);
        if (rc == RC_OK)
            rc = start_projector(n, &err);
        if (rc == RC_OK) {
            see_to_tables(n);
            if (start_sessionize(n, &err) != RC_OK)
                log_error("no sessions are made until the next start", LOG_ERR(&err));
            if (start_persons(n, &err) != RC_OK)
                log_error("no persons are made until the next start", LOG_ERR(&err));
            if (start_rejecter(n, &err) != RC_OK)
                log_error("what is rejected is not shown until the next start", LOG_ERR(&err));
            const struct retention_cfg retention = {
                .tenant = n->tenant, .pool = n->pool, .removed = events_removed, .ctx = n};
            if (retention_start(&retention, &n->retention, &err) != RC_OK)
                log_error("old rows stay until the next start", LOG_ERR(&err));
            return NULL;
        }
        static struct log_limit limit;
        if (rc != RC_TIMEOUT && log_allowed(&limit))
            log_warn("the store is not ready; events wait in the stream", LOG_ERR(&err));
        projector_free(n);
        for (int i = 0; i < 10 && !atomic_load(&n->is_closing); i++)
            sleep_ms(50);
    }
    return NULL;
}

static enum rc start_archiver(struct node *n, struct err *err)
{
    char dir[OS_PATH_MAX];
    if (*n->cfg->archive_dir)
        os_path(n->archive_dir, "%s", n->cfg->archive_dir);
    else
        os_path(n->archive_dir, "%s/archive", n->cfg->data);
    os_path(n->archive_state_dir, "%s/archive-state/events", n->cfg->data);
    TRY(os_mkdirs(n->archive_dir, err));
    TRY(os_mkdirs(n->archive_state_dir, err));
    TRY(object_folder_new(n->archive_dir, &n->objects, err));
    TRY(archive_new(&(struct archive_cfg){.stream = n->events,
                                          .objects = n->objects,
                                          .dir = n->archive_state_dir,
                                          .store = n->pool,
                                          .database = n->store_cfg.database,
                                          .grace_ms = -1},
                    &n->archive, err));
    struct consumer_cfg cfg = {.stream = n->events,
                               .dead = n->dead,
                               .dir = os_path(dir, "%s/consumers/archive", n->cfg->data),
                               .ops = &archive_consumer_ops,
                               .ctx = n->archive,
                               .nice = (int)n->cfg->consumer_nice};
    return consumer_start(&cfg, &n->archiver, err);
}

/* A stream that is shorter than what was processed has lost acknowledged records (a file was cut or
 * put back from elsewhere). Going on would give their offsets to new events, which the consumers
 * would then pass over. */
static enum rc check_progress(const struct node *n, const char *consumer, struct err *err)
{
    char dir[OS_PATH_MAX];
    os_path(dir, "%s/consumers/%s", n->cfg->data, consumer);
    for (uint32_t p = 0; p < stream_partitions(n->events); p++) {
        struct stream_bounds b;
        struct err why = ERR_INIT;
        uint64_t done = 0;
        enum rc rc = consumer_checkpoint_read(dir, p, &done, &why);
        if (rc == RC_NOTFOUND)
            continue;
        if (rc != RC_OK && err)
            *err = why;
        TRY(rc);
        stream_bounds(n->events, p, &b);
        if (done > b.next)
            return err_set(err, RC_CORRUPT,
                           "%s/stream/events: partition %u ends at offset %llu, but %s has "
                           "processed up to %llu: acknowledged records are gone; put the folder "
                           "back from a backup (weir restore)",
                           n->cfg->data, p, (unsigned long long)b.next, consumer,
                           (unsigned long long)done);
    }
    return RC_OK;
}

struct geo_cfg node_geo_cfg(const struct config *cfg)
{
    return (struct geo_cfg){.files = {[GEO_COUNTRY] = cfg->geo_country_file,
                                      [GEO_CITY] = cfg->geo_city_file,
                                      [GEO_ASN] = cfg->geo_asn_file}};
}

void node_geo_tell(struct node *n)
{
    struct geo_view *view = geo_view_take(n->geo);
    const char *missing = geo_view_missing(view);
    if (missing)
        log_warn(missing);
    geo_view_give(view);
}

/* What is made of a visitor's address. */
static enum rc open_visitors(struct node *n, struct err *err)
{
    char path[OS_PATH_MAX];
    const struct geo_cfg geo_cfg = node_geo_cfg(n->cfg);
    TRY(geo_open(&geo_cfg, &n->geo, err));
    geo_metrics_register(n->geo);
    node_geo_tell(n);
    TRY(visitor_salts_open(os_path(path, "%s/visitor-salts", n->cfg->data), unix_now(), mono_now(),
                           &n->salts, err));
    visitor_salts_metrics_register(n->salts);
    return RC_OK;
}

static enum rc start_consumers(struct node *n, struct err *err)
{
    TRY(check_progress(n, "project", err));
    TRY(check_progress(n, "archive", err));
    if (n->cfg->archive)
        TRY(start_archiver(n, err));
    TRY(quota_open(n->state, unix_now(), &n->quota, err));
    TRY(open_visitors(n, err));
    n->rejected = rejected_new(&(struct rejected_cfg){.stream = n->rejects});
    TRY(chores_start(&(struct chores_cfg){.tenant = n->tenant,
                                          .audit = n->audit,
                                          .quota = n->quota,
                                          .salts = n->salts,
                                          .rejected = n->rejected},
                     &n->chores, err));
    if (pthread_create(&n->bring_up, NULL, bring_up, n) != 0)
        return err_set(err, RC_NOMEM, "cannot start a thread");
    n->has_bring_up = true;
    return node_erase_start(n, err);
}

/* The child and the verbs use it as an absolute path, below a folder that may be deep itself. */
static enum rc check_length(const char *data, struct err *err)
{
    char here[OS_PATH_MAX];
    if (data[0] == '/')
        return RC_OK; /* config.c has seen to it */
    if (!getcwd(here, sizeof(here)) || strlen(here) + 1 + strlen(data) > CONFIG_TEXT_BYTES_MAX)
        return err_set(err, RC_LIMIT,
                       "the data folder %s has an absolute path of more than %d bytes here", data,
                       CONFIG_TEXT_BYTES_MAX);
    return RC_OK;
}

static enum rc open_parts(struct node *n, unsigned parts, struct err *err)
{
    char path[OS_PATH_MAX];
    const char *data = n->cfg->data;
    TRY(check_length(data, err));
    if (property_columns_new(slice_str(n->cfg->store_property_columns), &n->property_columns,
                             err) != RC_OK)
        return err_wrap(err, "store.property_columns");
    TRY(os_mkdirs(data, err));
    TRY(os_lock(os_path(path, "%s/weir.lock", data), &n->lock_fd, err));
    TRY(os_mkdirs(os_path(path, "%s/run", data), err));
    TRY(os_mkdirs(os_path(n->replay_dir, "%s/replay", data), err));
    TRY(state_open(os_path(path, "%s/state.db", data), &n->state, err));
    TRY(tenant_open(n->state, &n->tenant, err));
    if (parts & NODE_STREAMS)
        TRY(open_streams(n, err));
    if (parts & NODE_STORE)
        TRY(open_store(n, err));
    if (parts & NODE_CONSUMERS)
        TRY(start_consumers(n, err));
    return RC_OK;
}

enum rc node_open(struct node *n, const struct config *cfg, unsigned parts, struct err *err)
{
    *n = (struct node){.cfg = cfg,
                       .lock_fd = -1,
                       .rest = PTHREAD_MUTEX_INITIALIZER,
                       .replaying.lock = PTHREAD_MUTEX_INITIALIZER};
    enum rc rc = open_parts(n, parts, err);
    if (rc != RC_OK)
        node_close(n);
    return rc;
}

void node_stop_consumers(struct node *n, int64_t deadline_ms)
{
    atomic_store(&n->is_closing, true);
    erase_worker_stop(take_ptr(&n->eraser)); /* it asks all below */
    if (n->has_bring_up)
        pthread_join(n->bring_up, NULL);
    n->has_bring_up = false;
    derived_worker_stop(atomic_exchange(&n->sessionize, NULL)); /* they look at the projector */
    derived_worker_stop(atomic_exchange(&n->persons, NULL));
    retention_stop(take_ptr(&n->retention));
    struct consumer *project = atomic_exchange(&n->project, NULL);
    if (project)
        consumer_stop(project, deadline_ms);
    if (n->archiver)
        consumer_stop(take_ptr(&n->archiver), deadline_ms);
    struct consumer *rejecter = atomic_exchange(&n->rejecter, NULL);
    if (rejecter)
        consumer_stop(rejecter, deadline_ms);
    chores_stop(take_ptr(&n->chores));
}

void node_close(struct node *n)
{
    node_stop_consumers(n, CONSUMER_STOP_MS);
    archive_free(take_ptr(&n->archive));
    object_store_free(take_ptr(&n->objects));
    projector_free(n);
    rejected_writer_free(take_ptr(&n->reject_writer));
    rejected_free(take_ptr(&n->rejected));
    if (n->pool)
        store_pool_free(take_ptr(&n->pool));
    property_columns_free(take_ptr(&n->property_columns));
    if (n->events)
        stream_close(take_ptr(&n->events));
    if (n->dead)
        stream_close(take_ptr(&n->dead));
    if (n->audit)
        stream_close(take_ptr(&n->audit));
    if (n->rejects)
        stream_close(take_ptr(&n->rejects));
    if (n->supervisor)
        store_supervisor_stop(take_ptr(&n->supervisor));
    if (n->quota)
        quota_close(take_ptr(&n->quota));
    erase_guard_free(take_ptr(&n->guard));
    visitor_salts_close(take_ptr(&n->salts));
    geo_close(take_ptr(&n->geo));
    tenant_close(take_ptr(&n->tenant));
    state_close(take_ptr(&n->state));
    os_close(n->lock_fd);
    n->lock_fd = -1;
}
