/* weir doctor: one probe event from HTTP to row, timed at each stage, and the state of disk, child
 * and lag. weir bench: what this disk and the stream on it can do, alone.
 *
 * The probe goes into a project of its own ("weir doctor"), so that nobody's numbers change. */
#include <curl/curl.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "app/cli.h"
#include "app/control_client.h"
#include "app/node.h"
#include "base/heap.h"
#include "base/hist.h"
#include "base/log.h"
#include "base/must.h"

enum {
    SYNC_ROUNDS = 200,
    SYNC_BYTES = 4096,
    STORE_WAIT_MS = 10000,
    VISIBLE_WAIT_MS = 30000,
    ANSWER_BYTES_MAX = 1 << 20
};
#define DOCTOR_PROJECT "weir doctor"

struct doctor {
    struct cli cli;
    struct err err;
    struct state *state;
    struct tenant *tenant;
    struct uuid project;
    char key[TENANT_KEY_TEXT_MAX];
    char address[128];
    struct buf status;
    bool is_json;
};

/* ---- disk ---- */

static enum rc measure_sync(const char *dir, struct hist *ret_us, struct err *err)
{
    char path[OS_PATH_MAX], block[SYNC_BYTES] = {0};
    CLEANUP(os_closep) int fd = -1;
    os_path(path, "%s/.doctor-sync", dir);
    TRY(os_open(path, O_RDWR | O_CREAT | O_TRUNC, &fd, err));
    enum rc rc = RC_OK;
    for (int i = 0; i < SYNC_ROUNDS && rc == RC_OK; i++) {
        mono_ns start = mono_now();
        rc = os_write_all(fd, block, sizeof(block), err);
        if (rc == RC_OK)
            rc = os_fdatasync(fd, err);
        hist_add(ret_us, (uint64_t)mono_diff_us(start, mono_now()));
    }
    IGNORE(os_unlink_durable(path, NULL), "an empty leftover is no harm");
    return rc;
}

static enum rc show_disk(const char *dir, struct err *err)
{
    struct hist *us = heap_alloc(HEAP_APP, sizeof(*us));
    uint64_t free_bytes = 0;
    enum rc rc = measure_sync(dir, us, err);
    if (rc == RC_OK)
        rc = os_free_bytes(dir, &free_bytes, err);
    if (rc == RC_OK)
        printf("disk       %.1f GB free; fsync of 4 KiB: median %llu us, p99 %llu us, max "
               "%llu us\n",
               (double)free_bytes / 1e9, (unsigned long long)hist_quantile(us, 0.5),
               (unsigned long long)hist_quantile(us, 0.99), (unsigned long long)hist_max(us));
    heap_free(us);
    return rc;
}

/* ---- the probe ---- */

static enum rc find_probe_project(void *ctx, const struct tenant_project *p)
{
    struct doctor *d = ctx;
    if (strcmp(p->name, DOCTOR_PROJECT) == 0)
        d->project = p->id;
    return RC_OK;
}

static enum rc open_probe_project(struct doctor *d)
{
    char path[OS_PATH_MAX];
    static const struct uuid none;
    struct uuid org;
    TRY(state_open(os_path(path, "%s/state.db", d->cli.cfg.data), &d->state, &d->err));
    TRY(tenant_open(d->state, &d->tenant, &d->err));
    TRY(tenant_projects(d->tenant, find_probe_project, d, &d->err));
    if (memcmp(&d->project, &none, sizeof(none)) == 0) {
        TRY(tenant_org_first(d->tenant, &org, &d->err));
        TRY(tenant_project_create(cli_ctx(), d->tenant, &org, DOCTOR_PROJECT, &d->project,
                                  &d->err));
    }
    enum rc rc = tenant_write_key_of(d->tenant, &d->project, d->key, &d->err);
    if (rc != RC_NOTFOUND)
        return rc;
    const struct tenant_key_spec spec = {.kind = TENANT_KEY_WRITE,
                                         .name = "doctor",
                                         .grantable = tenant_key_scopes_max(TENANT_KEY_WRITE)};
    struct tenant_key_made made;
    TRY(tenant_key_create(cli_ctx(), d->tenant, &d->project, &spec, &made, &d->err));
    snprintf(d->key, sizeof(d->key), "%s", made.text);
    sleep_ms(1000); /* the server sees a new key within a second */
    return RC_OK;
}

static size_t add_answer(char *data, size_t size, size_t n, void *arg)
{
    buf_add(arg, data, size * n);
    return size * n;
}

static enum rc post_probe(struct doctor *d, const char *id, long *ret_status)
{
    char url[256], auth[128], body[256];
    const char *scheme = *d->cli.cfg.tls_certificate ? "https" : "http";
    struct buf answer;
    buf_init(&answer, ANSWER_BYTES_MAX);
    snprintf(url, sizeof(url), "%s://%s/v1/events", scheme, d->address);
    snprintf(auth, sizeof(auth), "Authorization: Bearer %s", d->key);
    snprintf(body, sizeof(body),
             "{\"event\":\"doctor probe\",\"id\":\"%s\",\"user_id\":\"doctor\"}", id);
    CURL *curl = curl_easy_init();
    must(curl);
    struct curl_slist *headers = curl_slist_append(NULL, auth);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10000L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* our own server, on this machine */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, add_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    enum rc rc = code != CURLE_OK
                     ? err_set(&d->err, RC_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(code))
                 : *ret_status != 200 ? err_set(&d->err, RC_INVALID, "%s answered %ld: %.200s", url,
                                                *ret_status, buf_cstr(&answer))
                                      : RC_OK;
    buf_done(&answer);
    return rc;
}

static uint64_t sum_of(yyjson_val *stream, const char *member)
{
    size_t i, max;
    yyjson_val *partition;
    uint64_t sum = 0;
    yyjson_arr_foreach(yyjson_obj_get(stream, "partitions"), i, max, partition) sum +=
        yyjson_get_uint(yyjson_obj_get(partition, member));
    return sum;
}

/* Sum over the partitions of the stream events: member "next" or "projected". */
static uint64_t position(struct doctor *d, const char *member)
{
    buf_clear(&d->status);
    if (control_call(d->cli.cfg.data, "status", NULL, NULL, NULL, &d->status, NULL) != RC_OK)
        return 0;
    yyjson_doc *doc = yyjson_read(d->status.data, d->status.len, 0);
    uint64_t sum =
        sum_of(yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "streams")), member);
    yyjson_doc_free(doc);
    return sum;
}

static bool is_visible(struct doctor *d, const char *id)
{
    char path[256], project[UUID_TEXT_LEN + 1];
    snprintf(path, sizeof(path), "visible?project=%s&id=%s", uuid_format(&d->project, project), id);
    buf_clear(&d->status);
    return control_call(d->cli.cfg.data, path, NULL, NULL, NULL, &d->status, NULL) == RC_OK &&
           strstr(buf_cstr(&d->status), "true");
}

static enum rc follow_probe(struct doctor *d)
{
    struct uuid u = uuid_v7(unix_now());
    char id[UUID_TEXT_LEN + 1];
    long status = 0;
    uuid_format(&u, id);
    mono_ns start = mono_now();
    TRY(post_probe(d, id, &status));
    printf("probe      acknowledged (durable)   %8.1f ms\n",
           (double)mono_diff_us(start, mono_now()) / 1000);
    uint64_t target = position(d, "next");
    while (position(d, "projected") < target) {
        if (mono_diff_us(start, mono_now()) / 1000 > VISIBLE_WAIT_MS)
            return err_set(&d->err, RC_TIMEOUT, "the projector did not take the probe within %d s",
                           VISIBLE_WAIT_MS / 1000);
        sleep_ms(2);
    }
    printf("           projected (checkpoint)   %8.1f ms\n",
           (double)mono_diff_us(start, mono_now()) / 1000);
    while (!is_visible(d, id)) {
        if (mono_diff_us(start, mono_now()) / 1000 > VISIBLE_WAIT_MS)
            return err_set(&d->err, RC_TIMEOUT, "the probe's row is not in the store after %d s",
                           VISIBLE_WAIT_MS / 1000);
        sleep_ms(2);
    }
    printf("           visible in a query       %8.1f ms\n",
           (double)mono_diff_us(start, mono_now()) / 1000);
    return RC_OK;
}

/* ---- the server's own view ---- */

static const char *text_of(yyjson_val *object, const char *member)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, member));
    return text ? text : "";
}

static bool is_store_ready(yyjson_val *root)
{
    return yyjson_get_bool(yyjson_obj_get(yyjson_obj_get(root, "store"), "ready"));
}

/* A server that has just started serves before its store is up: that is no finding yet. */
static enum rc ask_status(struct doctor *d, yyjson_doc **ret_doc)
{
    mono_ns until = mono_add_ms(mono_now(), STORE_WAIT_MS);
    for (;;) {
        buf_clear(&d->status);
        TRY(control_call(d->cli.cfg.data, "status", NULL, NULL, NULL, &d->status, &d->err));
        *ret_doc = yyjson_read(d->status.data, d->status.len, 0);
        yyjson_val *root = yyjson_doc_get_root(*ret_doc);
        bool is_whole =
            is_store_ready(root) && yyjson_arr_size(yyjson_obj_get(root, "consumers")) > 0;
        if (is_whole || !mono_is_before(mono_now(), until))
            return RC_OK;
        yyjson_doc_free(*ret_doc);
        sleep_ms(50);
    }
}

static void show_geo(yyjson_val *geo)
{
    size_t i, max;
    yyjson_val *file;
    yyjson_arr_foreach(yyjson_obj_get(geo, "files"), i, max, file)
    {
        printf("geo        %-8s %s, of %.10s\n", text_of(file, "kind"), text_of(file, "path"),
               text_of(file, "built"));
    }
    const char *missing = text_of(geo, "missing");
    if (*missing)
        printf("geo        MISSING: %s\n", missing);
}

static enum rc show_status(struct doctor *d)
{
    yyjson_doc *doc = NULL;
    TRY(ask_status(d, &doc));
    yyjson_val *root = yyjson_doc_get_root(doc), *store = yyjson_obj_get(root, "store"), *c;
    snprintf(d->address, sizeof(d->address), "%s", text_of(root, "address"));
    printf("server     weir %s at %s\n", text_of(root, "version"), d->address);
    printf("store      %s, %s, pid %llu, %llu restarts\n",
           yyjson_get_bool(yyjson_obj_get(store, "embedded")) ? "embedded" : "a ClickHouse server",
           is_store_ready(root) ? "ready" : "NOT READY",
           (unsigned long long)yyjson_get_uint(yyjson_obj_get(store, "pid")),
           (unsigned long long)yyjson_get_uint(yyjson_obj_get(store, "restarts")));
    size_t i, max;
    yyjson_arr_foreach(yyjson_obj_get(root, "consumers"), i, max, c)
    {
        const char *error = text_of(c, "last_error");
        printf("consumer   %-10s lag %llu records, %lld ms%s%s%s\n", text_of(c, "name"),
               (unsigned long long)yyjson_get_uint(yyjson_obj_get(c, "lag_records")),
               (long long)yyjson_get_sint(yyjson_obj_get(c, "lag_ms")),
               yyjson_get_bool(yyjson_obj_get(c, "rebuilding")) ? ", rebuilding" : "",
               *error ? "; " : "", error);
    }
    show_geo(yyjson_obj_get(root, "geo"));
    yyjson_doc_free(doc);
    return RC_OK;
}

static enum rc examine(struct doctor *d)
{
    TRY(show_disk(d->cli.cfg.data, &d->err));
    if (!control_is_running(d->cli.cfg.data))
        return err_set(&d->err, RC_UNAVAILABLE, "no server runs on %s; start one with weir serve",
                       d->cli.cfg.data);
    TRY(show_status(d));
    TRY(open_probe_project(d));
    return follow_probe(d);
}

int verb_doctor(int argc, char **argv)
{
    static struct doctor d;
    int code = cli_parse(
        &d.cli, argc, argv, NULL, 0, 0,
        "usage: weir doctor [--data DIR]\n\n"
        "Checks the disk, asks the running server how it is, and follows one probe event (in a\n"
        "project of its own) from HTTP to row.\n");
    if (code != 0)
        return code;
    buf_init(&d.status, ANSWER_BYTES_MAX);
    if (examine(&d) != RC_OK)
        code = cli_fail(&d.cli, &d.err);
    else
        printf("all well\n");
    tenant_close(d.tenant);
    state_close(d.state);
    buf_done(&d.status);
    config_done(&d.cli.cfg);
    return code;
}

/* ---- bench ---- */

enum { BENCH_RECORD_BYTES = 300, BENCH_SECONDS = 3 };

static enum rc bench_appends(struct stream *s, uint32_t batch, struct err *err)
{
    static char value[BENCH_RECORD_BYTES];
    struct stream_record *records = heap_alloc(HEAP_APP, batch * sizeof(*records));
    mono_ns start = mono_now(), end = mono_add_ms(start, BENCH_SECONDS * 1000);
    uint64_t count = 0;
    enum rc rc = RC_OK;
    memset(value, 'x', sizeof(value));
    while (rc == RC_OK && mono_is_before(mono_now(), end)) {
        for (uint32_t i = 0; i < batch; i++)
            records[i] = (struct stream_record){.value = slice_of(value, sizeof(value))};
        rc = stream_append_wait(s, records, batch);
        count += batch;
    }
    heap_free(records);
    if (rc != RC_OK)
        return err_set(err, rc, "the stream does not take records: %s", rc_text(rc));
    double seconds = (double)mono_diff_us(start, mono_now()) / 1e6;
    printf("stream     %4u records of %d B per append, fsync, one writer: %.0f records/s\n", batch,
           BENCH_RECORD_BYTES, (double)count / seconds);
    return RC_OK;
}

static enum rc bench(const struct config *cfg, struct err *err)
{
    char dir[OS_PATH_MAX];
    struct stream_cfg sc;
    struct stream *s;
    TRY(os_mkdirs(cfg->data, err));
    TRY(show_disk(cfg->data, err));
    stream_cfg_defaults(&sc);
    sc.dir = os_path(dir, "%s/bench-%08x", cfg->data, (unsigned)getpid());
    sc.name = "bench";
    sc.partitions = 1;
    TRY(stream_open(&sc, &s, err));
    enum rc rc = bench_appends(s, 1, err);
    if (rc == RC_OK)
        rc = bench_appends(s, 1000, err);
    stream_close(s);
    struct err ignored = ERR_INIT;
    IGNORE(os_remove_tree(dir, &ignored), "a leftover is named by its folder");
    return rc;
}

int verb_bench(int argc, char **argv)
{
    struct cli cli;
    struct err err = ERR_INIT;
    int code = cli_parse(
        &cli, argc, argv, NULL, 0, 0,
        "usage: weir bench [--data DIR]\n\n"
        "Measures this disk and the stream on it, in a folder of its own that is removed again.\n"
        "The comparison with other programs is make bench in the source tree.\n");
    if (code == 0 && bench(&cli.cfg, &err) != RC_OK)
        code = cli_fail(&cli, &err);
    config_done(&cli.cfg);
    return code;
}
