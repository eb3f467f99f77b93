/* Deadlines, with settings so short that they pass: each story ends with what the server did, and
 * what it did is what is waited for. */
#include "net_fixture.h"

#define POST "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: "

/* Says one more piece now and then, until an answer or the end comes. */
static void drip(int fd, const char *piece)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    mono_ns end = mono_add_ms(mono_now(), WAIT_MS);
    while (poll(&pfd, 1, 10) == 0) {
        if (!mono_is_before(mono_now(), end))
            fail_msg("never cut off");
        say(fd, piece);
    }
}

static void a_head_that_drips_is_cut_off(void **state)
{
    (void)state;
    open_with((struct net_limits){.head_deadline_ms = 300});
    int fd = dial();
    say(fd, "GET / HTTP/1.1\r\nHost: a\r\n");
    drip(fd, "X: y\r\n");
    expect(fd, NULL, "HTTP/1.1 408 ", "Connection: close", "HTTP/1.1 200");
    close(fd);
    assert_int_equal(metric_of("weir_http_deadlines_total{server=\"test\"}"), 1);
    assert_served();
    close_server();
}

static void a_body_that_drips_is_cut_off(void **state)
{
    (void)state;
    open_with((struct net_limits){.body_grace_ms = 200, .body_bytes_per_s_min = 100000});
    int fd = dial();
    say(fd, POST "100000\r\n\r\n");
    drip(fd, "x");
    expect(fd, NULL, "HTTP/1.1 408 ", "The body came too slowly", NULL);
    close(fd);
    assert_int_equal(done_status, 408); /* the application had seen its head */
    assert_served();
    close_server();
}

static void a_fast_start_buys_no_long_rest(void **state)
{
    (void)state;
    open_with(
        (struct net_limits){.body_grace_ms = 100, .body_bytes_per_s_min = 1, .body_stall_ms = 300});
    int fd = dial();
    char text[4096];
    snprintf(text, sizeof(text), POST "100000\r\n\r\n%03000d", 0); /* an average for 50 minutes */
    say(fd, text);
    expect(fd, NULL, "HTTP/1.1 408 ", "The body came too slowly", NULL);
    close(fd);
    close_server();
}

static void a_steady_body_outlives_every_deadline(void **state)
{
    (void)state;
    open_with((struct net_limits){.body_grace_ms = 1,
                                  .body_bytes_per_s_min = 1,
                                  .body_stall_ms = 20000,
                                  .head_deadline_ms = 1,
                                  .idle_deadline_ms = 20000});
    int fd = dial();
    say(fd, POST "2000\r\n\r\n");
    char piece[101];
    memset(piece, 'x', 100);
    piece[100] = '\0';
    for (int i = 0; i < 20; i++) {
        say(fd, piece);
        sleep_ms(20); /* together several ticks of the wheel */
    }
    expect(fd, "/p 2000 ", "HTTP/1.1 200 OK\r\n", NULL, NULL);
    close(fd);
    close_server();
}

static void an_idle_connection_ends_without_a_word(void **state)
{
    (void)state;
    open_with((struct net_limits){.head_deadline_ms = 100, .idle_deadline_ms = 600});
    int fd = dial();
    say(fd, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n\r\n"); /* the empty line more is no head begun */
    expect(fd, NULL, "HTTP/1.1 200 OK\r\n", "/one 0 ", " 408 ");
    close(fd);
    int silent = dial();
    int error;
    char *nothing = hear_or(silent, NULL, &error);
    assert_string_equal(nothing, "");
    assert_int_equal(error, 0);
    heap_free(nothing);
    close(silent);
    assert_int_equal(metric_of("weir_http_deadlines_total{server=\"test\"}"), 0);
    close_server();
}

static void a_refusal_has_an_id_of_its_own(void **state)
{
    (void)state;
    open_with((struct net_limits){.head_deadline_ms = 200});
    int fd = dial();
    say(fd, "GET /one HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n");
    expect(fd, "/one 0 ", "HTTP/1.1 200 OK\r\n", "X-Request-Id: mine\r\n", NULL);
    say(fd, "GET /two HT");
    expect(fd, NULL, "HTTP/1.1 408 ", "X-Request-Id: ", "mine");
    close(fd);
    close_server();
}

/* Asks for as much as the server takes of it. */
static int ask_until_full(int fd)
{
    static const char ask[] = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
    int asked = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    while (asked < 100000 && poll(&pfd, 1, 200) == 1 && !(pfd.revents & (POLLERR | POLLHUP))) {
        if (send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof(ask) - 1)
            break;
        asked++;
    }
    return asked;
}

static void a_reader_that_never_reads_costs_little_and_is_cut_off(void **state)
{
    (void)state;
    open_with((struct net_limits){.write_deadline_ms = 1500});
    uint64_t before = heap_bytes(HEAP_BUF);
    int fd = dial();
    int asked = ask_until_full(fd);
    assert_served(); /* others meanwhile */
    assert_true(atomic_load(&asked_count) < asked);
    WAIT_FOR(net_server_connections(server) == 0);
    assert_int_equal(metric_of("weir_http_deadlines_total{server=\"test\"}"), 1);
    /* 256 KiB and an answer unsent, twice for what is with libuv; 320 KiB of requests that wait. */
    assert_in_range(atomic_load(&buffers_seen) - before, 1, 3 << 20);
    close(fd);
    assert_served();
    WAIT_FOR(net_server_connections(server) == 0);
    close_server();
    assert_true(heap_bytes(HEAP_BUF) <= before);
}

static void pour(void *ctx)
{
    struct net_request *req = held[0];
    static char piece[64 << 10];
    enum rc rc = RC_OK;
    (void)ctx;
    net_stream_begin(req, &(struct net_response){.status = 200}, NULL);
    while (rc == RC_OK)
        rc = net_stream_write(req, slice_of(piece, sizeof(piece)));
    must(rc == RC_BUSY);
}

static void end_gone(void *ctx)
{
    (void)ctx;
    net_stream_end(held[0]);
}

static void a_stream_that_nobody_reads_is_cut_off(void **state)
{
    (void)state;
    open_with((struct net_limits){.write_deadline_ms = 300});
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    WAIT_FOR(atomic_load(&held_count) == 1);
    on_loop(pour, NULL);
    WAIT_FOR(atomic_load(&gone_count) == 1);
    assert_int_equal(net_server_connections(server), 1); /* its memory waits for the handler */
    on_loop(end_gone, NULL);
    WAIT_FOR(net_server_connections(server) == 0);
    close(fd);
    close_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_drips_is_cut_off),
        cmocka_unit_test(a_body_that_drips_is_cut_off),
        cmocka_unit_test(a_fast_start_buys_no_long_rest),
        cmocka_unit_test(a_steady_body_outlives_every_deadline),
        cmocka_unit_test(an_idle_connection_ends_without_a_word),
        cmocka_unit_test(a_refusal_has_an_id_of_its_own),
        cmocka_unit_test(a_reader_that_never_reads_costs_little_and_is_cut_off),
        cmocka_unit_test(a_stream_that_nobody_reads_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
