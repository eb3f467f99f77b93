/* What ends and what survives: limits of connections and descriptors, draining, half-closed and
 * vanished clients, broken streams, answers from other threads. */
#include "net_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>

/* ---- limits ---- */

static void one_connection_too_many_is_told_so(void **state)
{
    (void)state;
    open_with((struct net_limits){.connections_max = 2});
    int a = dial(), b = dial();
    say(a, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    say(b, "GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(a, "/a 0 ", "HTTP/1.1 200 ", NULL, NULL);
    expect(b, "/b 0 ", "HTTP/1.1 200 ", NULL, NULL);
    int c = dial();
    expect(c, NULL, "HTTP/1.1 503 ", "Retry-After: 1\r\n", NULL);
    close(c);
    WAIT_FOR(net_server_connections(server) == 2);
    close(a);
    WAIT_FOR(net_server_connections(server) == 1);
    assert_served();
    assert_int_equal(metric_of("weir_http_refused_connections_total{server=\"test\"}"), 1);
    close(b);
    close_server();
}

enum { CROWD = 70, TOLD = 64 };

static void a_crowd_over_the_limit_is_not_even_told(void **state)
{
    (void)state;
    int fds[CROWD], told = 0, silent = 0;
    struct call gate;
    open_with((struct net_limits){.connections_max = 2});
    call_begin(&gate, NULL, NULL, true); /* so that they all come at once */
    for (int i = 0; i < CROWD; i++)
        fds[i] = dial();
    call_end(&gate);
    for (int i = 2; i < CROWD; i++) {
        int error;
        char *answer = hear_or(fds[i], NULL, &error);
        told += strncmp(answer, "HTTP/1.1 503 ", 13) == 0;
        silent += answer[0] == '\0';
        heap_free(answer);
    }
    assert_int_equal(told, TOLD);
    assert_int_equal(silent, CROWD - 2 - TOLD);
    for (int i = 0; i < CROWD; i++)
        close(fds[i]);
    close_server();
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    for (uint64_t k = 1; k <= 30; k++) {
        int error;
        heap_fail_after(k);
        int fd = dial();
        say(fd, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        say(fd, "0\r\n\r\nPOST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        char *answer = hear_or(fd, NULL, &error); /* whole answers, a refusal, or an end */
        if (answer[0] && strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) != 0 &&
            strncmp(answer, "HTTP/1.1 503 ", 13) != 0)
            fail_msg("allocation %d: %.300s", (int)k, answer);
        heap_free(answer);
        close(fd);
        WAIT_FOR(net_server_connections(server) == 0);
        heap_fail_after(0);
        assert_served();
        WAIT_FOR(net_server_connections(server) == 0);
    }
    close_server();
}

enum { FULL_CLIENTS = 20, FULL_FDS = 512 };

/* Every descriptor below a low limit is taken. */
static int take_descriptors(int fds[FULL_FDS], struct rlimit *ret_before)
{
    int n = 0, fd;
    must(getrlimit(RLIMIT_NOFILE, ret_before) == 0);
    const struct rlimit low = {FULL_FDS, ret_before->rlim_max};
    must(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (n < FULL_FDS && (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0)
        fds[n++] = fd;
    must(errno == EMFILE);
    return n;
}

static void without_descriptors_accepting_pauses_and_nothing_is_lost(void **state)
{
    (void)state;
    int clients[FULL_CLIENTS], fds[FULL_FDS];
    struct rlimit before;
    struct call gate;
    open_with((struct net_limits){.connections_max = 100});
    const char *refused = "weir_http_refused_connections_total{server=\"test\"}";
    call_begin(&gate, NULL, NULL, true); /* the loop stands: they gather in the backlog */
    for (int i = 0; i < FULL_CLIENTS; i++) {
        clients[i] = dial();
        say(clients[i], "GET /full HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    int n = take_descriptors(fds, &before);
    close(fds[--n]); /* one is served, and keeps its connection */
    call_end(&gate);
    WAIT_FOR(metric_of(refused) >= 2); /* it paused, tried again, and paused again */
    assert_int_equal(atomic_load(&asked_count), 1);
    assert_in_range(metric_of(refused), 2, 4); /* it does not spin */
    while (n > 0)
        close(fds[--n]);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    for (int i = 0; i < FULL_CLIENTS; i++) {
        expect(clients[i], "/full 0 ", "HTTP/1.1 200 ", NULL, NULL);
        close(clients[i]);
    }
    close_server();
}

static void without_descriptors_the_long_idle_make_room(void **state)
{
    (void)state;
    int fds[FULL_FDS];
    struct rlimit before;
    open_with((struct net_limits){.connections_max = 100});
    uint64_t buffers = heap_bytes(HEAP_BUF);
    int idle = dial();
    say(idle, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(idle, "/idle 0 ", "HTTP/1.1 200 ", NULL, NULL);
    WAIT_FOR(heap_bytes(HEAP_BUF) == buffers); /* idle for so long that it gave its buffers back */
    int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = take_descriptors(fds, &before);
    dial_on(fresh);
    say(fresh, "GET /fresh HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(fresh, "/fresh 0 ", "HTTP/1.1 200 ", NULL, NULL);
    expect(idle, NULL, "", NULL, "HTTP");
    while (n > 0)
        close(fds[--n]);
    must(setrlimit(RLIMIT_NOFILE, &before) == 0);
    close(fresh);
    close(idle);
    close_server();
}

/* ---- draining ---- */

static void drain(void *ctx)
{
    (void)ctx;
    net_server_drain(server);
}

static void draining_answers_what_is_under_way_and_no_more(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    int idle = dial(), busy = dial(), half = dial();
    say(idle, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(idle, "/idle 0 ", "HTTP/1.1 200 ", NULL, "Connection: close");
    say(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    say(half, "GET /half HTTP/1.1\r\nHo");
    WAIT_FOR(atomic_load(&held_count) == 1);
    WAIT_FOR(metric_of("weir_http_received_bytes_total{server=\"test\"}") > 100);
    net_server_drain(server);
    expect(idle, NULL, "", NULL, "HTTP"); /* ends at once */
    say(half, "st: a\r\n\r\n");
    expect(half, NULL, "HTTP/1.1 200 ", "Connection: close\r\n", NULL);
    on_loop(echo_held, &held[0]);
    expect(busy, NULL, "HTTP/1.1 200 ", "Connection: close\r\n", "/next");
    assert_int_equal(atomic_load(&asked_count), 3);
    close(idle);
    close(busy);
    close(half);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void draining_serves_who_has_just_come(void **state)
{
    (void)state;
    struct call gate;
    open_with((struct net_limits){0});
    call_begin(&gate, drain, NULL, true); /* the loop stands, and drains before it looks again */
    int asks = dial(), silent = dial();
    say(asks, "GET /just HTTP/1.1\r\nHost: a\r\n\r\n");
    call_end(&gate);
    expect(asks, NULL, "HTTP/1.1 200 ", "Connection: close\r\n", NULL);
    expect(silent, NULL, "", NULL, "HTTP");
    close(asks);
    close(silent);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void draining_waits_for_who_has_not_asked_yet(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    int idle = dial();
    say(idle, "GET /idle HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(idle, "/idle 0 ", "HTTP/1.1 200 ", NULL, NULL);
    int fresh = dial();
    WAIT_FOR(net_server_connections(server) == 2);
    net_server_drain(server);
    expect(idle, NULL, "", NULL, "HTTP"); /* a tick has passed */
    say(fresh, "GET /fresh HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(fresh, NULL, "HTTP/1.1 200 ", "Connection: close\r\n", NULL);
    close(idle);
    close(fresh);
    close_server();
}

static void a_next_request_does_not_destroy_the_last_answer(void **state)
{
    (void)state;
    open_with((struct net_limits){.requests_per_connection_max = 1});
    int fd = dial();
    say(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&done_count) == 1);
    /* The client cannot know yet that this is the last: the end must not come as a reset. */
    for (int i = 0; i < 200; i++)
        say(fd, "GET /more HTTP/1.1\r\nHost: a\r\n\r\n");
    int error;
    char *answer = hear_or(fd, NULL, &error);
    assert_int_equal(error, 0);
    const char *body = strstr(answer, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), BIG_BYTES);
    assert_int_equal(atomic_load(&asked_count), 1);
    heap_free(answer);
    close(fd);
    close_server();
}

/* ---- clients that end their side, or are gone ---- */

static void a_half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\nGET /cut HT");
    WAIT_FOR(atomic_load(&held_count) == 1);
    shutdown(fd, SHUT_WR);
    assert_served(); /* a turn of the loop later */
    on_loop(echo_held, &held[0]);
    expect(fd, NULL, "HTTP/1.1 200 ", "/two 0 ", "/cut");
    close(fd);
    assert_int_equal(atomic_load(&gone_count), 0);
    close_server();
}

static void stream_begin(void *ctx)
{
    (void)ctx;
    net_stream_begin(held[0], &(struct net_response){.status = 200}, NULL);
}

static void stream_three(void *ctx)
{
    struct net_request *req = held[0];
    (void)ctx;
    for (int i = 0; i < 3; i++)
        must(net_stream_write(req, SLICE_LIT("abc")) == RC_OK);
    net_stream_end(req);
}

static void a_half_closed_client_gets_its_stream(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    on_loop(stream_begin, NULL);
    shutdown(fd, SHUT_WR);
    assert_served();
    on_loop(stream_three, NULL);
    expect(fd, NULL, "HTTP/1.1 200 ", "\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n",
           NULL);
    close(fd);
    close_server();
}

static void a_server_can_take_a_half_closed_client_for_gone(void **state)
{
    (void)state;
    open_server(&(struct net_server_cfg){.is_end_gone = true});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(atomic_load(&gone_count) == 1);
    on_loop(echo_held, &held[0]);
    expect(fd, NULL, "", NULL, "HTTP");
    close(fd);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void set_end_gone(void *ctx)
{
    struct net_request *req = ctx;
    req->is_end_gone = true;
}

static void a_request_can_take_a_half_closed_client_for_gone(void **state)
{
    (void)state;
    open_server(&(struct net_server_cfg){.name = "test"});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    on_loop(set_end_gone, held[0]);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(atomic_load(&gone_count) == 1);
    on_loop(echo_held, &held[0]);
    expect(fd, NULL, "", NULL, "HTTP");
    close(fd);
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

static void begin_for_one_who_is_gone(void *ctx)
{
    struct net_request *req = held[0];
    enum rc *ret = ctx;
    net_stream_begin(req, &(struct net_response){.status = 200}, NULL);
    must(atomic_load(&gone_count) == 0); /* not from inside: the handler would be pulled away */
    *ret = net_stream_write(req, SLICE_LIT("abc"));
    net_stream_end(req);
}

static void a_stream_for_a_vanished_client_is_told_by_its_write(void **state)
{
    (void)state;
    struct call gate;
    enum rc rc = RC_OK;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    call_begin(&gate, begin_for_one_who_is_gone, &rc, true);
    reset_connection(fd); /* before the loop looks again */
    call_end(&gate);
    assert_int_equal(rc, RC_CLOSED);
    WAIT_FOR(net_server_connections(server) == 0);
    assert_int_equal(atomic_load(&done_count), 1);
    close_server();
}

enum { LATE = 40 };
struct late {
    struct net_task task;
    struct net_request *req;
};

static void answer_late(struct ctx *ctx, struct net_task *task)
{
    (void)ctx;
    echo(CONTAINER_OF(task, struct late, task)->req);
}

static void *answer_all_late(void *arg)
{
    struct late *late = arg;
    for (int i = 0; i < LATE; i++) {
        while (atomic_load(&held_count) <= i)
            sleep_ms(1);
        late[i] = (struct late){.task = {.run = answer_late}, .req = held[i]};
        if (i % 2 == 0) /* half of them surely after the client has gone */
            while (atomic_load(&gone_count) + atomic_load(&done_count) <= i)
                sleep_ms(1);
        net_loop_post(loop, &late[i].task);
    }
    return NULL;
}

static void answers_from_another_thread_come_after_the_client_has_gone(void **state)
{
    (void)state;
    struct late late[LATE];
    pthread_t thread;
    open_with((struct net_limits){0});
    must(pthread_create(&thread, NULL, answer_all_late, late) == 0);
    for (int i = 0; i < LATE; i++) {
        int fd = dial();
        say(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /behind "
                "HTTP/1.1\r\n");
        WAIT_FOR(atomic_load(&held_count) == i + 1);
        reset_connection(fd);
    }
    pthread_join(thread, NULL);
    WAIT_FOR(atomic_load(&done_count) == LATE);
    WAIT_FOR(net_server_connections(server) == 0);
    assert_int_equal(atomic_load(&asked_count), LATE);
    assert_served();
    close_server();
}

static void stopping_waits_for_a_handler_that_still_owes_an_answer(void **state)
{
    (void)state;
    struct late late;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    late = (struct late){.task = {.run = answer_late}, .req = held[0]};
    net_server_drain(server);
    assert_int_equal(net_server_connections(server), 1);
    net_loop_post(loop, &late.task);
    net_server_stop(server);
    expect(fd, NULL, "", NULL, "HTTP/1.1 5");
    close(fd);
    net_loop_stop(loop);
}

/* ---- streams that break ---- */

static void abort_after_some(void *ctx)
{
    struct net_request *req = held[atomic_load(&held_count) - 1];
    (void)ctx;
    net_stream_begin(req, &(struct net_response){.status = 200}, NULL);
    must(net_stream_write(req, SLICE_LIT("abc")) == RC_OK);
    net_stream_abort(req);
}

static void an_aborted_stream_never_looks_whole(void **state)
{
    (void)state;
    int error;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    on_loop(abort_after_some, NULL);
    char *answer = hear_or(fd, NULL, &error);
    assert_null(strstr(answer, "0\r\n\r\n"));
    heap_free(answer);
    close(fd);
    fd = dial();
    say(fd, "GET /hold HTTP/1.0\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 2);
    on_loop(abort_after_some, NULL);
    heap_free(hear_or(fd, NULL, &error));
    assert_int_equal(error, ECONNRESET); /* without chunks an orderly end would be success */
    close(fd);
    assert_int_equal(atomic_load(&gone_count), 0); /* it was the handler that left */
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

/* ---- methods and expectations ---- */

static void continue_is_said_only_to_who_waits_for_it(void **state)
{
    (void)state;
    open_with((struct net_limits){.body_bytes_max = 10});
#define EXPECT "POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: "
    int fd = dial();
    say(fd, EXPECT "2\r\n\r\nok");
    expect(fd, "/e 2 ", "HTTP/1.1 200 ", NULL, "100 Continue");
    say(fd, EXPECT "2\r\n\r\n");
    expect(fd, "\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", NULL, NULL);
    say(fd, "ok");
    expect(fd, "/e 2 ", "HTTP/1.1 200 ", NULL, NULL);
    say(fd, EXPECT "0\r\n\r\n");
    expect(fd, "/e 0 ", "HTTP/1.1 200 ", NULL, "100 Continue");
    say(fd, EXPECT "11\r\n\r\n");
    expect(fd, NULL, "HTTP/1.1 413 ", "Connection: close", "100 Continue");
    close(fd);
    close_server();
}

static void head_and_options_keep_the_connection_in_step(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    int fd = dial();
    say(fd, "HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
            "HEAD /hold HTTP/1.1\r\nHost: a\r\n\r\nGET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    on_loop(stream_begin, NULL);
    on_loop(stream_three, NULL);
    char *answer = hear(fd, "/last 0 ");
    int answers = 0;
    for (const char *at = answer; (at = strstr(at, "HTTP/1.1 200 OK\r\n")) != NULL; at++)
        answers++;
    assert_int_equal(answers, 4);
    assert_non_null(strstr(answer, "Content-Length: 10\r\n\r\nHTTP/1.1 200")); /* "HEAD /h 0 " */
    assert_non_null(strstr(answer, "\r\n\r\n- * 0 HTTP/1.1 200"));
    assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 200"));
    heap_free(answer);
    close(fd);
    close_server();
}

static void a_body_can_be_had_as_a_file(void **state)
{
    (void)state;
    open_with((struct net_limits){0});
    for (int i = 0; i < 3; i++) {
        int fd = dial();
        say(fd, "POST /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        if (i == 0) { /* leaves in the middle: the descriptor must not stay */
            WAIT_FOR(metric_of("weir_http_received_bytes_total{server=\"test\"}") > 60);
            reset_connection(fd);
            continue;
        }
        say(fd, "0\r\n\r\n");
        expect(fd, "/file 0 ", "HTTP/1.1 200 ", NULL, NULL);
        close(fd);
    }
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_too_many_is_told_so),
        cmocka_unit_test(a_crowd_over_the_limit_is_not_even_told),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(without_descriptors_accepting_pauses_and_nothing_is_lost),
        cmocka_unit_test(without_descriptors_the_long_idle_make_room),
        cmocka_unit_test(draining_answers_what_is_under_way_and_no_more),
        cmocka_unit_test(draining_serves_who_has_just_come),
        cmocka_unit_test(draining_waits_for_who_has_not_asked_yet),
        cmocka_unit_test(a_next_request_does_not_destroy_the_last_answer),
        cmocka_unit_test(a_half_closed_client_gets_its_answers),
        cmocka_unit_test(a_half_closed_client_gets_its_stream),
        cmocka_unit_test(a_server_can_take_a_half_closed_client_for_gone),
        cmocka_unit_test(a_request_can_take_a_half_closed_client_for_gone),
        cmocka_unit_test(a_stream_for_a_vanished_client_is_told_by_its_write),
        cmocka_unit_test(answers_from_another_thread_come_after_the_client_has_gone),
        cmocka_unit_test(stopping_waits_for_a_handler_that_still_owes_an_answer),
        cmocka_unit_test(an_aborted_stream_never_looks_whole),
        cmocka_unit_test(continue_is_said_only_to_who_waits_for_it),
        cmocka_unit_test(head_and_options_keep_the_connection_in_step),
        cmocka_unit_test(a_body_can_be_had_as_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
