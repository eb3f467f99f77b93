#include "base_test.h"

#include "base/metrics.h"

static int64_t answer(void *ctx)
{
    return *(int64_t *)ctx;
}

static const char *rendered(struct buf *b)
{
    buf_clear(b);
    metrics_render(b);
    assert_true(buf_ok(b));
    return buf_cstr(b);
}

static void families_are_together_with_one_header(void **state)
{
    (void)state;
    int64_t held = 42;
    struct metric zero = {.name = "weir_z_total", .help = "Last.", .kind = METRIC_COUNTER};
    struct metric a0 = {
        .name = "weir_a_total", .help = "As.", .labels = "p=\"0\"", .kind = METRIC_COUNTER};
    struct metric gauge = {
        .name = "weir_g", .help = "G.", .kind = METRIC_GAUGE, .read = answer, .read_ctx = &held};
    struct metric a1 = {
        .name = "weir_a_total", .help = "As.", .labels = "p=\"1\"", .kind = METRIC_COUNTER};
    struct buf b;
    buf_init(&b, 1 << 16);
    metrics_register(&zero);
    metrics_register(&a0);
    metrics_register(&gauge);
    metrics_register(&a1);
    metric_add(&a0, 5);
    metric_add(&a0, 2);
    metric_set(&a1, -3);
    assert_string_equal(rendered(&b), "# HELP weir_a_total As.\n# TYPE weir_a_total counter\n"
                                      "weir_a_total{p=\"0\"} 7\nweir_a_total{p=\"1\"} -3\n"
                                      "# HELP weir_g G.\n# TYPE weir_g gauge\nweir_g 42\n"
                                      "# HELP weir_z_total Last.\n# TYPE weir_z_total counter\n"
                                      "weir_z_total 0\n");
    assert_int_equal(metric_get(&gauge), 42);
    metrics_unregister(&a0);
    metrics_unregister(&a1);
    metrics_unregister(&gauge);
    assert_null(strstr(rendered(&b), "weir_a_total"));
    metrics_unregister(&zero);
    assert_string_equal(rendered(&b), "");
    buf_done(&b);
}

static void histograms_are_cumulative_and_in_seconds(void **state)
{
    (void)state;
    static struct hist hist;
    struct metric m = {.name = "weir_ack_seconds",
                       .help = "H.",
                       .labels = "s=\"e\"",
                       .kind = METRIC_HISTOGRAM,
                       .hist = &hist};
    struct buf b;
    buf_init(&b, 1 << 16);
    metrics_register(&m);
    hist_add(&hist, 50);
    hist_add(&hist, 700);
    hist_add(&hist, 3000000);
    const char *text = rendered(&b);
    assert_non_null(strstr(text, "# TYPE weir_ack_seconds histogram\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_bucket{s=\"e\",le=\"0.0001\"} 1\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_bucket{s=\"e\",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_bucket{s=\"e\",le=\"10\"} 3\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_bucket{s=\"e\",le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_sum{s=\"e\"} 3.000750\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_count{s=\"e\"} 3\n"));
    metrics_unregister(&m);
    m.labels = NULL;
    metrics_register(&m);
    text = rendered(&b);
    assert_non_null(strstr(text, "weir_ack_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(text, "weir_ack_seconds_count 3\n"));
    metrics_unregister(&m);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_together_with_one_header),
        cmocka_unit_test(histograms_are_cumulative_and_in_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
