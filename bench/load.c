/* WHAT: command line and report of weir-load. */
#include "load_int.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/os.h"

static const char usage[] =
    "usage: weir-load [options] URL\n"
    "URL: http://127.0.0.1:8080/path, redis://127.0.0.1:6379/stream, "
    "nats://127.0.0.1:4222/subject\n"
    "  -c N          connections (64)\n"
    "  -t N          threads (1)\n"
    "  -d SECONDS    measured time (10)\n"
    "  -w SECONDS    warm-up before it (1)\n"
    "  -r N          open loop: N requests per second in all; without it, closed loop\n"
    "  -n N          stop after N requests\n"
    "  -b N          events per request (1); more than one make an array\n"
    "  -P N          requests under way per connection (1)\n"
    "  -e TEXT       the event; {id} {ts} {seq} {n:LIMIT} are filled in afresh\n"
    "  -H 'A: b'     a further header; may be repeated\n"
    "  -X METHOD     (POST)\n"
    "  -z LEVEL      gzip the body\n"
    "  -o TOKEN      stands once in the answer for each accepted event; the others are missing\n"
    "  -p PID        CPU time of this process is read; may be repeated\n"
    "  -j FILE       the report as JSON; - is stdout, with nothing else on it\n"
    "  -q            no text\n";

static const char default_event[] =
    "{\"id\":\"{id}\",\"event\":\"pageview\",\"timestamp\":\"{ts}\",\"user_id\":\"user-{n:100000}"
    "\","
    "\"session_id\":\"session-{n:1000000}\",\"properties\":{\"url\":\"https://example.com/p/"
    "{n:1000}\","
    "\"referrer\":\"https://example.org/\",\"plan\":\"pro\",\"amount\":{n:500}}}";

static enum rc parse_url(struct load_cfg *cfg, const char *url, struct err *err)
{
    static const struct {
        struct slice scheme;
        enum load_protocol protocol;
    } known[] = {{SLICE_LIT("http://"), LOAD_HTTP},
                 {SLICE_LIT("redis://"), LOAD_REDIS},
                 {SLICE_LIT("nats://"), LOAD_NATS}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct slice rest = slice_str(url);
        if (!slice_has_prefix(rest, known[i].scheme))
            continue;
        cfg->protocol = known[i].protocol;
        rest = slice_sub(rest, known[i].scheme.len);
        struct slice host = slice_cut(&rest, '/');
        struct slice port_text = host;
        struct slice address = slice_cut(&port_text, ':');
        char text[80];
        uint64_t port;
        if (host.len >= sizeof(cfg->host) || rest.len + 2 > sizeof(cfg->target) ||
            !slice_to_u64(port_text, &port) || port > 65535)
            break;
        snprintf(text, sizeof(text), "%.*s", SLICE_ARG(address));
        snprintf(cfg->host, sizeof(cfg->host), "%.*s", SLICE_ARG(host));
        snprintf(cfg->target, sizeof(cfg->target), "%s%.*s", cfg->protocol == LOAD_HTTP ? "/" : "",
                 SLICE_ARG(rest));
        cfg->addr.sin_family = AF_INET;
        cfg->addr.sin_port = htons((uint16_t)port);
        if (inet_pton(AF_INET, text, &cfg->addr.sin_addr) == 1)
            return RC_OK;
        break;
    }
    return err_set(err, RC_INVALID, "'%s' is not http|redis|nats://IPv4:PORT/path", url);
}

static enum rc parse_number(const char *what, const char *text, uint64_t max, uint64_t *ret,
                            struct err *err)
{
    if (!slice_to_u64(slice_str(text), ret) || *ret > max)
        return err_set(err, RC_INVALID, "%s: '%s' is not a number up to %llu", what, text,
                       (unsigned long long)max);
    return RC_OK;
}

static enum rc parse_seconds(const char *text, int64_t *ret_ms, struct err *err)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || *end || !(s >= 0 && s <= 86400))
        return err_set(err, RC_INVALID, "'%s' is not a number of seconds", text);
    *ret_ms = (int64_t)(s * 1000);
    return RC_OK;
}

static enum rc parse_u32(const char *what, const char *text, uint32_t min, uint32_t max,
                         uint32_t *ret, struct err *err)
{
    uint64_t value;
    TRY(parse_number(what, text, max, &value, err));
    if (value < min)
        return err_set(err, RC_INVALID, "%s must be at least %u", what, min);
    *ret = (uint32_t)value;
    return RC_OK;
}

static enum rc parse_option(struct load_cfg *cfg, int option, const char *arg, struct err *err)
{
    uint64_t number = 0;
    switch (option) {
    case 'c':
        return parse_u32("-c", arg, 1, LOAD_CONNECTIONS_MAX, &cfg->connections, err);
    case 't':
        return parse_u32("-t", arg, 1, LOAD_THREADS_MAX, &cfg->threads, err);
    case 'b':
        return parse_u32("-b", arg, 1, LOAD_BATCH_MAX, &cfg->batch, err);
    case 'P':
        return parse_u32("-P", arg, 1, LOAD_PIPELINE_MAX, &cfg->pipeline, err);
    case 'z':
        return parse_u32("-z", arg, 1, 9, &cfg->gzip_level, err);
    case 'n':
        return parse_number("-n", arg, UINT64_C(1) << 40, &cfg->requests_max, err);
    case 'r':
        TRY(parse_number("-r", arg, 100000000, &number, err));
        cfg->rate = (double)number;
        return RC_OK;
    case 'd':
        return parse_seconds(arg, &cfg->duration_ms, err);
    case 'w':
        return parse_seconds(arg, &cfg->warmup_ms, err);
    case 'e':
        return template_parse(slice_str(arg), &cfg->event, err);
    case 'X':
        cfg->method = arg;
        return RC_OK;
    case 'H':
        buf_addf(&cfg->headers, "%s\r\n", arg);
        return RC_OK;
    case 'o':
        cfg->ok_token = arg;
        return strlen(arg) >= 2 && strlen(arg) <= 16
                   ? RC_OK
                   : err_set(err, RC_INVALID, "-o takes 2 to 16 bytes");
    case 'p':
        if (cfg->pid_count == LOAD_PIDS_MAX)
            return err_set(err, RC_LIMIT, "too many -p");
        TRY(parse_number("-p", arg, 1 << 30, &number, err));
        cfg->pids[cfg->pid_count++] = (int)number;
        return RC_OK;
    case 'j':
        cfg->json_path = arg;
        return RC_OK;
    case 'q':
        cfg->is_quiet = true;
        return RC_OK;
    default:
        return err_set(err, RC_INVALID, "see weir-load -h");
    }
}

static enum rc parse(struct load_cfg *cfg, int argc, char **argv, struct err *err)
{
    int option;
    while ((option = getopt(argc, argv, "c:t:d:w:r:n:b:P:e:H:X:z:o:p:j:qh")) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(0);
        }
        TRY(parse_option(cfg, option, optarg, err));
    }
    if (optind + 1 != argc)
        return err_set(err, RC_INVALID, "exactly one URL is needed; see weir-load -h");
    if (cfg->threads > cfg->connections)
        cfg->threads = cfg->connections;
    if (cfg->requests_max) { /* all of them are measured */
        cfg->warmup_ms = 0;
        cfg->duration_ms = 86400000;
    }
    if (cfg->protocol == LOAD_HTTP && cfg->event.part_count &&
        !memmem(buf_cstr(&cfg->headers), cfg->headers.len, "Content-Type:", 13))
        buf_add_str(&cfg->headers, "Content-Type: application/json\r\n");
    if (!buf_ok(&cfg->headers))
        return err_set(err, RC_LIMIT, "the headers are too long");
    return parse_url(cfg, argv[optind], err);
}

/* ---- report ---- */
struct figures {
    double seconds, requests_per_s, events_per_s;
    uint64_t cpu_us;  /* of all given processes */
    uint64_t refused; /* answers that are not 2xx */
};

static struct figures figures_of(const struct load_cfg *cfg, const struct load_result *r)
{
    struct figures f = {.seconds = (double)r->measured_ns / 1e9};
    if (f.seconds > 0) {
        f.requests_per_s = (double)r->requests / f.seconds;
        f.events_per_s = (double)r->events / f.seconds;
    }
    for (uint32_t i = 0; i < cfg->pid_count; i++)
        f.cpu_us += r->cpu_after[i].us - r->cpu_before[i].us;
    for (int i = 0; i < LOAD_STATUS_COUNT; i++)
        if (i < 200 || i > 299)
            f.refused += r->status[i];
    return f;
}

static double per(uint64_t us, uint64_t n)
{
    return n ? (double)us / (double)n : 0;
}

static void json_cpu(struct buf *out, int pid, const struct cpu_sample *before,
                     const struct cpu_sample *after)
{
    buf_addf(out, "{\"pid\":%d,\"us\":%llu,\"threads\":[", pid,
             (unsigned long long)(after->us - before->us));
    for (uint32_t i = 0; i < after->thread_count; i++) {
        const struct cpu_thread *t = &after->threads[i];
        uint64_t us = t->us;
        for (uint32_t k = 0; k < before->thread_count; k++)
            if (before->threads[k].tid == t->tid)
                us -= before->threads[k].us;
        buf_addf(out, "%s{\"name\":", i ? "," : "");
        buf_add_json(out, slice_str(t->name));
        buf_addf(out, ",\"us\":%llu}", (unsigned long long)us);
    }
    buf_add_str(out, "]}");
}

static void json_report(struct buf *out, const struct load_cfg *cfg, const struct load_result *r)
{
    struct figures f = figures_of(cfg, r);
    const struct hist *h = &r->latency_us;
    buf_addf(out,
             "{\"mode\":\"%s\",\"connections\":%u,\"threads\":%u,\"batch\":%u,\"pipeline\":%u,"
             "\"seconds\":%.3f,\"wanted_rate\":%.0f,\"requests\":%llu,\"events\":%llu,"
             "\"requests_in_all\":%llu,\"events_in_all\":%llu,\"requests_per_s\":%.1f,"
             "\"events_per_s\":%.1f,",
             cfg->rate > 0 ? "open" : "closed", cfg->connections, cfg->threads, cfg->batch,
             cfg->pipeline, f.seconds, cfg->rate, (unsigned long long)r->requests,
             (unsigned long long)r->events, (unsigned long long)r->requests_in_all,
             (unsigned long long)r->events_in_all, f.requests_per_s, f.events_per_s);
    buf_addf(out,
             "\"latency_us\":{\"count\":%llu,\"mean\":%.1f,\"p50\":%llu,\"p90\":%llu,"
             "\"p99\":%llu,\"p99.9\":%llu,\"max\":%llu},",
             (unsigned long long)hist_total(h), per(hist_sum(h), hist_total(h)),
             (unsigned long long)hist_quantile(h, 0.5), (unsigned long long)hist_quantile(h, 0.9),
             (unsigned long long)hist_quantile(h, 0.99),
             (unsigned long long)hist_quantile(h, 0.999), (unsigned long long)hist_max(h));
    buf_add_str(out, "\"status\":{");
    bool is_first = true;
    for (int i = 0; i < LOAD_STATUS_COUNT; i++)
        if (r->status[i]) {
            buf_addf(out, "%s\"%d\":%llu", is_first ? "" : ",", i,
                     (unsigned long long)r->status[i]);
            is_first = false;
        }
    buf_addf(out,
             "},\"errors\":{\"refused\":%llu,\"bad_answers\":%llu,\"cut_connections\":%llu,"
             "\"failed_connects\":%llu,\"unanswered\":%llu,\"missing_events\":%llu,\"example\":",
             (unsigned long long)f.refused, (unsigned long long)r->bad_answers,
             (unsigned long long)r->cut_connections, (unsigned long long)r->failed_connects,
             (unsigned long long)r->unanswered, (unsigned long long)r->missing_events);
    buf_add_json(out, slice_str(r->bad_example ? r->bad_example : ""));
    buf_addf(out,
             "},\"bytes_sent\":%llu,\"bytes_received\":%llu,\"cpu_us\":%llu,"
             "\"cpu_us_per_request\":%.3f,\"cpu_us_per_event\":%.3f,"
             "\"own_cpu_us_per_request\":%.3f,\"cpu\":[",
             (unsigned long long)r->bytes_sent, (unsigned long long)r->bytes_received,
             (unsigned long long)f.cpu_us, per(f.cpu_us, r->requests), per(f.cpu_us, r->events),
             per(r->own_cpu_us, r->requests));
    for (uint32_t i = 0; i < cfg->pid_count; i++) {
        if (i)
            buf_add_char(out, ',');
        json_cpu(out, cfg->pids[i], &r->cpu_before[i], &r->cpu_after[i]);
    }
    buf_add_str(out, "]}\n");
}

static void text_report(const struct load_cfg *cfg, const struct load_result *r)
{
    struct figures f = figures_of(cfg, r);
    const struct hist *h = &r->latency_us;
    printf("%.2f s: %.0f requests/s, %.0f events/s (%llu requests)\n", f.seconds, f.requests_per_s,
           f.events_per_s, (unsigned long long)r->requests);
    printf("latency ms: p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f\n",
           (double)hist_quantile(h, 0.5) / 1e3, (double)hist_quantile(h, 0.9) / 1e3,
           (double)hist_quantile(h, 0.99) / 1e3, (double)hist_quantile(h, 0.999) / 1e3,
           (double)hist_max(h) / 1e3);
    printf("errors: refused %llu, bad answers %llu%s%s, cut connections %llu, failed connects "
           "%llu, unanswered %llu, missing events %llu\n",
           (unsigned long long)f.refused, (unsigned long long)r->bad_answers,
           r->bad_example ? ": " : "", r->bad_example ? r->bad_example : "",
           (unsigned long long)r->cut_connections, (unsigned long long)r->failed_connects,
           (unsigned long long)r->unanswered, (unsigned long long)r->missing_events);
    if (cfg->pid_count)
        printf("CPU: %.2f us per request, %.3f us per event; ", per(f.cpu_us, r->requests),
               per(f.cpu_us, r->events));
    printf("generator %.2f us per request\n", per(r->own_cpu_us, r->requests));
}

static enum rc write_json(const char *path, struct slice text, struct err *err)
{
    if (strcmp(path, "-") == 0)
        return os_write_all(1, text.data, text.len, err);
    return os_write_file_durable(path, text, err);
}

static enum rc run(int argc, char **argv, struct err *err)
{
    struct load_cfg cfg = {.connections = 64,
                           .threads = 1,
                           .batch = 1,
                           .pipeline = 1,
                           .method = "POST",
                           .duration_ms = 10000,
                           .warmup_ms = 1000};
    buf_init(&cfg.headers, 16 << 10);
    TRY(template_parse(slice_str(default_event), &cfg.event, err));
    TRY(parse(&cfg, argc, argv, err));
    struct load_result *result = heap_alloc(HEAP_MISC, sizeof(*result));
    enum rc rc = load_run(&cfg, result, err);
    bool is_stdout = cfg.json_path && strcmp(cfg.json_path, "-") == 0;
    if (rc == RC_OK && !cfg.is_quiet && !is_stdout)
        text_report(&cfg, result);
    if (rc == RC_OK && cfg.json_path) {
        struct buf json;
        buf_init(&json, 1 << 20);
        json_report(&json, &cfg, result);
        rc = write_json(cfg.json_path, buf_slice(&json), err);
        buf_done(&json);
    }
    heap_free(result);
    buf_done(&cfg.headers);
    return rc;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (run(argc, argv, &err) == RC_OK)
        return 0;
    fprintf(stderr, "weir-load: %s\n", err.text);
    return 1;
}
