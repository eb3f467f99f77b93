/* weir serve: from the settings to a running server, and back down in order.
 *
 * SIGNALS  All are blocked before the first thread starts; this thread takes them one by one:
 *          TERM, INT  drain and leave 0 (a second one skips the waiting); HUP  re-read what can be;
 *          USR2       sent by ourselves when the stream halted: leave 70, the next start recovers.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "access/access.h"
#include "analytics/bi/bi.h"
#include "analytics/definition/definition.h"
#include "analytics/import/import.h"
#include "analytics/ingest/ingest.h"
#include "analytics/live/live.h"
#include "analytics/report/query.h"
#include "analytics/watch/watch.h"
#include "app/cli.h"
#include "app/control.h"
#include "app/health.h"
#include "app/mail.h"
#include "app/node.h"
#include "app/notify.h"
#include "app/pipeline.h"
#include "app/version.h"
#include "base/log.h"
#include "base/must.h"
#include "net/net.h"
#include "web/web.h"

extern char **environ;

enum { LOOPS_MAX = 64, EXIT_HALTED = 70, HALT_GRACE_MS = 200, CONSUMER_STOP_MS = 5000 };
enum { SERVICES_MAX = 24 };

struct server {
    struct cli cli;
    struct node node;
    struct health health;
    struct control control;
    struct mail mail;
    struct ingest *ingest;
    struct definition *definition;
    struct ingest_releaser releaser;
    struct query *query;
    struct bi *bi;
    struct live *live;
    struct watch *watch;
    struct import_door door;
    struct import_service *import;
    struct access *access;
    struct web *web;
    struct erase_service *erase;
    struct jwks_cache *jwks;
    struct forwarded_cfg proxies;
    struct api_service services[SERVICES_MAX]; /* the last only on the control socket */
    uint32_t service_count;
    struct api *public_api, *control_api;
    struct net_loop *loops[LOOPS_MAX];
    uint32_t loop_count;
    struct net_server *public_server, *control_server;
    char control_listen[OS_PATH_MAX];
};

static void apply_logging(const struct config *cfg)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_INFO;
    for (unsigned i = 0; i < COUNT_OF(levels); i++)
        if (strcmp(cfg->log_level, levels[i]) == 0)
            level = (enum log_level)i;
    log_setup(level, strcmp(cfg->log_format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
}

static void on_halt(void *ctx, const struct err *why)
{
    (void)ctx;
    log_error(
        "the stream has halted: nothing more is acknowledged, the process leaves; the next start "
        "recovers from disk",
        LOG_ERR(why));
    kill(getpid(), SIGUSR2);
}

static enum rc start_loops(struct server *s, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t wanted = s->cli.cfg.loops ? s->cli.cfg.loops : cores > LOOPS_MAX ? LOOPS_MAX : cores;
    for (int64_t i = 0; i < wanted; i++) {
        char name[32];
        snprintf(name, sizeof(name), "edge%lld", (long long)i);
        TRY(net_loop_start(name, &s->loops[s->loop_count], err));
        s->loop_count++;
    }
    return RC_OK;
}

static struct net_limits limits_of(const struct config *cfg)
{
    return (struct net_limits){
        .head_bytes_max = (uint32_t)cfg->http_head_bytes_max,
        .header_count_max = (uint32_t)cfg->http_header_count_max,
        .target_bytes_max = (uint32_t)cfg->http_target_bytes_max,
        .body_bytes_max = (uint64_t)cfg->http_body_bytes_max,
        .connections_max = (uint32_t)cfg->http_connections_max,
        .head_deadline_ms = (uint32_t)cfg->http_head_deadline_ms,
        .body_bytes_per_s_min = (uint32_t)cfg->http_body_bytes_per_s_min,
        .write_deadline_ms = (uint32_t)cfg->http_write_deadline_ms,
        .idle_deadline_ms = (uint32_t)cfg->http_idle_deadline_ms,
    };
}

static enum rc start_public(struct server *s, struct err *err)
{
    const struct config *cfg = &s->cli.cfg;
    const struct net_tls tls = {cfg->tls_certificate, cfg->tls_key};
    struct net_server_cfg sc = {.listen = cfg->listen,
                                .loops = s->loops,
                                .loop_count = s->loop_count,
                                .limits = limits_of(cfg),
                                .tls = *cfg->tls_certificate ? &tls : NULL,
                                .app = api_app(s->public_api),
                                .name = "public"};
    return net_server_start(&sc, &s->public_server, err);
}

static enum rc start_control(struct server *s, struct err *err)
{
    os_path(s->control_listen, "unix:%s/run/control.sock", s->cli.cfg.data);
    struct net_server_cfg sc = {.listen = s->control_listen,
                                .loops = s->loops,
                                .loop_count = 1,
                                .app = api_app(s->control_api),
                                .is_end_gone = true, /* a verb that was interrupted */
                                .is_trace_trusted = true,
                                .name = "control"};
    return net_server_start(&sc, &s->control_server, err);
}

static struct limit_policy policy_of(int64_t per_second, int64_t burst)
{
    if (per_second == 0)
        return (struct limit_policy){.interval_ns = 0};
    if (burst == 0)
        burst = per_second * 10 < LIMIT_BURST_MAX ? per_second * 10 : LIMIT_BURST_MAX;
    return limit_policy_of((uint32_t)per_second, 1, (uint32_t)burst);
}

static enum rc new_api(struct server *s, uint32_t services, bool is_control, struct api **ret_api,
                       struct err *err)
{
    const struct config *cfg = &s->cli.cfg;
    struct api_cfg ac = {.tenant = s->node.tenant,
                         .state = s->node.state,
                         .services = s->services,
                         .service_count = services,
                         .version = WEIR_VERSION,
                         .is_control = is_control};
    if (!is_control) { /* who reaches the control socket is nobody to be limited */
        ac.jwks = s->jwks;
        ac.quota = s->node.quota;
        ac.proxies = s->proxies;
        ac.address_limit = policy_of(cfg->limit_address_per_second, cfg->limit_address_burst);
        ac.key_limit = policy_of(cfg->limit_key_per_second, cfg->limit_key_burst);
    }
    return api_new(&ac, ret_api, err);
}

static enum rc read_proxies(struct server *s, struct err *err)
{
    const struct config *cfg = &s->cli.cfg;
    if (strcmp(cfg->trusted_header, "forwarded") == 0)
        s->proxies.field = FORWARDED_RFC7239;
    if (cidr_set_parse(slice_str(cfg->trusted_proxies), &s->proxies.trusted, err) != RC_OK)
        return err_wrap(err, "trusted_proxies");
    return RC_OK;
}

static struct access_oidc oidc_of(const struct config *cfg)
{
    return (struct access_oidc){.issuer = cfg->oidc_issuer,
                                .client_id = cfg->oidc_client_id,
                                .client_secret = cfg->oidc_client_secret,
                                .scopes = cfg->oidc_scopes,
                                .name = cfg->oidc_name,
                                .auto_join_org = cfg->oidc_auto_join_org};
}

static void add_service(struct server *s, struct api_service service)
{
    must(s->service_count < SERVICES_MAX);
    s->services[s->service_count++] = service;
}

static enum rc send_mail(void *ctx, const struct watch_letter *l, struct err *err)
{
    const struct mail_message message = {l->to, l->subject, l->text, l->html};
    return mail_send(ctx, l->id, &message, err);
}

static enum rc start_watch(struct server *s, struct err *err)
{
    const struct watch_cfg cfg = {.state = s->node.state,
                                  .query = s->query,
                                  .pool = s->node.pool,
                                  .every_ms = (uint32_t)s->cli.cfg.alerts_check_seconds * 1000,
                                  .public_url = access_url(s->cli.cfg.public_url),
                                  .send = mail_is_there(&s->mail) ? send_mail : NULL,
                                  .ctx = &s->mail};
    return watch_start(&cfg, &s->watch, err);
}

static enum rc start_services(struct server *s, struct err *err)
{
    s->health.node = s->control.node = &s->node;
    s->mail = (struct mail){.command = s->cli.cfg.mail_command,
                            .smtp_url = s->cli.cfg.mail_smtp_url,
                            .smtp_user = s->cli.cfg.mail_smtp_user,
                            .smtp_password = s->cli.cfg.mail_smtp_password,
                            .smtp_ca_file = s->cli.cfg.mail_smtp_ca_file,
                            .from = s->cli.cfg.mail_from};
    TRY(jwks_cache_open(&(struct jwks_cache_cfg){.now = NULL}, &s->jwks, err));
    TRY(ingest_new(&(struct ingest_cfg){.events = s->node.events,
                                        .ack = s->cli.cfg.stream_ack,
                                        .body_bytes_max = (uint64_t)s->cli.cfg.http_body_bytes_max,
                                        .geo = s->node.geo,
                                        .salts = s->node.salts,
                                        .tracker_path = s->cli.cfg.tracker_endpoint_path,
                                        .rejected = rejected_sink(s->node.rejected)},
                   &s->ingest, err));
    s->definition = definition_new(&(struct definition_cfg){.tenant = s->node.tenant});
    TRY(query_new(&(struct query_cfg){.pool = s->node.pool,
                                      .property_columns = s->node.property_columns,
                                      .idle_minutes = (uint32_t)s->cli.cfg.sessions_idle_minutes,
                                      .stored = definition_source(s->definition),
                                      .sessions_version = node_sessions_version,
                                      .ctx = &s->node},
                  &s->query, err));
    s->control.query = s->query;
    add_service(s, ingest_service(s->ingest));
    add_service(s, query_service(s->query));
    TRY(access_new(&(struct access_cfg){.tenant = s->node.tenant,
                                        .jwks = s->jwks,
                                        .mail = mail_hook(&s->mail),
                                        .oidc = oidc_of(&s->cli.cfg),
                                        .public_url = s->cli.cfg.public_url},
                   &s->access, err));
    add_service(s, access_service(s->access));
    add_service(s, health_service(&s->health));
    add_service(s, pipeline_service(&s->node));
    TRY(web_new(&(struct web_cfg){.script_path = s->cli.cfg.tracker_script_path,
                                  .vitals_path = s->cli.cfg.tracker_vitals_path,
                                  .endpoint_path = s->cli.cfg.tracker_endpoint_path},
                &s->web, err));
    add_service(s, web_service(s->web));
    add_service(s, definition_service(s->definition));
    TRY(bi_new(
        &(struct bi_cfg){.store = s->node.store_cfg, .is_embedded = s->node.supervisor != NULL},
        &s->bi, err));
    add_service(s, bi_service(s->bi));
    TRY(live_new(&(struct live_cfg){.events = s->node.events}, &s->live, err));
    add_service(s, live_service(s->live));
    TRY(start_watch(s, err));
    add_service(s, definition_alert_service(s->definition));
    s->door = (struct import_door){.tenant = s->node.tenant,
                                   .events = s->node.events,
                                   .guard = s->node.guard,
                                   .quota = s->node.quota,
                                   .rejected = rejected_sink(s->node.rejected)};
    s->control.door = &s->door;
    s->import = import_service_new(
        &(struct import_service_cfg){.door = &s->door, .geo = s->node.geo, .pool = s->node.pool});
    add_service(s, definition_share_service(s->definition));
    add_service(s, import_service(s->import));
    s->releaser = (struct ingest_releaser){.ingest = s->ingest, .store = s->node.pool};
    add_service(s, ingest_release_service(&s->releaser));
    TRY(erase_service_new(s->node.tenant, &s->erase, err));
    add_service(s, erase_api_service(s->erase));
    add_service(s, control_service(&s->control));
    TRY(new_api(s, s->service_count - 1, false, &s->public_api, err));
    TRY(new_api(s, s->service_count, true, &s->control_api, err));
    s->health.api = s->public_api;
    health_metrics_register(&s->health);
    TRY(start_loops(s, err));
    TRY(start_public(s, err));
    s->control.address = net_server_address(s->public_server);
    return start_control(s, err);
}

static enum rc start(struct server *s, struct node_credentials *ret_credentials, struct err *err)
{
    bool is_new;
    TRY(read_proxies(s, err));
    TRY(node_open(&s->node, &s->cli.cfg, NODE_STREAMS | NODE_STORE | NODE_CONSUMERS, err));
    stream_on_halt(s->node.events, on_halt, s);
    stream_on_halt(s->node.audit, on_halt, s);
    stream_on_halt(s->node.rejects, on_halt, s);
    TRY(node_init(&s->node, ret_credentials, &is_new, err));
    return start_services(s, err);
}

/* Edge first, so that nothing new comes in; then what reads the stream; the stream and the store
 * last. */
static void stop(struct server *s)
{
    if (s->public_server)
        net_server_stop(s->public_server);
    if (s->control_server)
        net_server_stop(s->control_server);
    for (uint32_t i = 0; i < s->loop_count; i++)
        net_loop_stop(s->loops[i]);
    watch_stop(s->watch);
    node_stop_consumers(&s->node, CONSUMER_STOP_MS);
    api_free(s->control_api);
    api_free(s->public_api);
    if (s->jwks)
        jwks_cache_close(s->jwks);
    access_free(s->access);
    web_free(s->web);
    import_service_free(s->import);
    erase_service_free(s->erase);
    query_free(s->query);
    definition_free(s->definition);
    bi_free(s->bi);
    live_free(s->live);
    ingest_free(s->ingest);
    node_close(&s->node);
    cidr_set_done(&s->proxies.trusted);
    config_done(&s->cli.cfg);
}

static void print_ready(const struct server *s, const struct node_credentials *c)
{
    const char *scheme = *s->cli.cfg.tls_certificate ? "https" : "http";
    const char *address = net_server_address(s->public_server);
    printf("weir %s listening on %s://%s\n"
           "data folder   %s\n"
           "write key     %s\n"
           "secret key    in %s/credentials.json\n"
           "sign in as    %s, password in the same file\n"
           "\nSend an event:\n"
           "  curl -sS %s://%s/v1/events -H 'Authorization: Bearer %s' -d "
           "'{\"event\":\"signup\",\"user_id\":\"u1\"}'\n",
           WEIR_VERSION, scheme, address, s->cli.cfg.data, c->write_key, s->cli.cfg.data,
           c->admin_email, scheme, address, c->write_key);
    fflush(stdout);
}

static void reload(struct server *s)
{
    struct err err = ERR_INIT;
    struct config fresh;
    config_defaults(&fresh);
    enum rc rc = RC_OK;
    if (s->cli.cfg.file)
        rc = config_read_file(&fresh, s->cli.cfg.file, &err);
    if (rc == RC_OK)
        rc = config_read_env(&fresh, environ, &err);
    /* Without a file the flags of the start stay what holds. */
    if (rc == RC_OK && s->cli.cfg.file)
        rc = config_reload(&s->cli.cfg, &fresh, &err);
    config_done(&fresh);
    if (rc == RC_OK)
        apply_logging(&s->cli.cfg);
    if (rc == RC_OK && *s->cli.cfg.tls_certificate)
        rc = net_server_reload_tls(s->public_server, &err);
    if (rc == RC_OK)
        rc = tenant_reload(s->node.tenant, &err);
    const struct geo_cfg geo_cfg = node_geo_cfg(&s->cli.cfg);
    if (rc == RC_OK)
        rc = geo_reload(s->node.geo, &geo_cfg, &err);
    if (rc == RC_OK)
        node_geo_tell(&s->node);
    if (rc == RC_OK)
        log_info("settings, certificates, keys and geographic data were read again");
    else
        log_error("re-reading failed; what held before still holds", LOG_ERR(&err));
}

static void block_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
    sigaddset(ret_set, SIGUSR2);
    must(pthread_sigmask(SIG_BLOCK, ret_set, NULL) == 0);
}

/* Waits for requests under way. */
static void drain(struct server *s, const sigset_t *set)
{
    log_info("draining", LOG_U64("connections", net_server_connections(s->public_server)));
    notify_systemd("STOPPING=1");
    atomic_store(&s->health.is_draining, true);
    net_server_drain(s->public_server);
    live_drain(s->live);
    mono_ns deadline = mono_add_ms(mono_now(), s->cli.cfg.drain_ms);
    const struct timespec step = {0, 20 * 1000000};
    while (net_server_connections(s->public_server) > 0 && mono_is_before(mono_now(), deadline)) {
        int sig = sigtimedwait(set, NULL, &step);
        if (sig == SIGTERM || sig == SIGINT || sig == SIGUSR2)
            return;
    }
}

static int run(struct server *s, const sigset_t *set)
{
    for (;;) {
        int sig = sigwaitinfo(set, NULL);
        if (sig == SIGHUP)
            reload(s);
        if (sig == SIGUSR2) {
            sleep_ms(HALT_GRACE_MS); /* so that waiting requests get their 503 */
            return EXIT_HALTED;
        }
        if (sig == SIGTERM || sig == SIGINT) {
            drain(s, set);
            return 0;
        }
    }
}

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        IGNORE(setrlimit(RLIMIT_NOFILE, &limit) != 0,
               "the server cuts its connections to what there is");
    }
}

/* Memory holds keys in the clear for as long as a request does. A limit of 1 is less than any dump
 * needs, and the one value that also keeps the kernel from piping a dump to a program (core(5): for
 * a pipe no other limit counts). */
static void forbid_core_dumps(void)
{
    const struct rlimit none = {1, 1};
    IGNORE(setrlimit(RLIMIT_CORE, &none) != 0, "the limit is 0 already, and nobody may raise it");
}

int verb_serve(int argc, char **argv)
{
    static struct server s;
    int code = cli_parse(
        &s.cli, argc, argv, NULL, 0, 0,
        "usage: weir serve [--data DIR] [--listen ADDRESS] [--config FILE] [settings]\n\n"
        "Takes events over HTTP, keeps them in a durable stream, projects them into the store and\n"
        "answers queries. The first start makes a project and its keys.\n"
        "TERM: finish and leave. HUP: read certificates, keys, geographic data, log settings "
        "again.\n");
    if (code != 0)
        return code;
    apply_logging(&s.cli.cfg);
    raise_fd_limit();
    if (!s.cli.cfg.core_dumps)
        forbid_core_dumps();
    sigset_t set;
    block_signals(&set);
    struct err err = ERR_INIT;
    struct node_credentials credentials;
    if (start(&s, &credentials, &err) != RC_OK) {
        code = cli_fail(&s.cli, &err);
        stop(&s);
        return code;
    }
    print_ready(&s, &credentials);
    explicit_bzero(&credentials, sizeof(credentials)); /* not for a core dump */
    notify_systemd("READY=1");
    code = run(&s, &set);
    if (code == EXIT_HALTED)
        _exit(code); /* what was acknowledged is on disk; the rest of memory is not to be trusted
                        with more */
    stop(&s);
    log_info("stopped");
    return code;
}
