#include "base_test.h"

#include <pthread.h>
#include <sched.h>

#include "base/hist.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/mpsc.h"
#include "base/uuid.h"

enum { PRODUCERS = 4, PER_PRODUCER = 50000 };

struct item {
    struct mpsc_node node;
    unsigned producer;
    unsigned number;
};
struct producer {
    pthread_t thread;
    struct mpsc *queue;
    struct item *items;
    unsigned id;
    _Atomic unsigned *wakes;
};

static void order_of_one_thread(void **state)
{
    (void)state;
    struct mpsc q = {NULL};
    struct item items[3];
    assert_null(mpsc_take_all(&q));
    assert_true(mpsc_push(&q, &items[0].node));
    assert_false(mpsc_push(&q, &items[1].node));
    assert_false(mpsc_push(&q, &items[2].node));
    struct mpsc_node *node = mpsc_take_all(&q);
    assert_ptr_equal(node, &items[0].node);
    assert_ptr_equal(node->next, &items[1].node);
    assert_ptr_equal(node->next->next, &items[2].node);
    assert_null(node->next->next->next);
    assert_true(mpsc_push(&q, &items[0].node)); /* empty again: a wake-up is due */
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (unsigned i = 0; i < PER_PRODUCER; i++) {
        p->items[i].producer = p->id;
        p->items[i].number = i;
        if (mpsc_push(p->queue, &p->items[i].node))
            atomic_fetch_add(p->wakes, 1);
        if (i % 1024 == 0)
            sched_yield();
    }
    return NULL;
}

/* The consumer takes only when a wake-up was signalled: if one were missing, it would wait for ever
 * (the test's time limit ends it); and each producer's items come in its order, each once. */
static void nothing_is_lost_or_reordered_and_no_wake_up_missed(void **state)
{
    (void)state;
    struct mpsc q = {NULL};
    _Atomic unsigned wakes = 0;
    struct producer producers[PRODUCERS];
    unsigned next[PRODUCERS] = {0}, taken = 0, served = 0;
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){.queue = &q, .id = i, .wakes = &wakes};
        producers[i].items = calloc(PER_PRODUCER, sizeof(struct item));
        assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
    }
    while (taken < PRODUCERS * PER_PRODUCER) {
        if (atomic_load(&wakes) == served) {
            sched_yield();
            continue;
        }
        served++;
        for (struct mpsc_node *n = mpsc_take_all(&q); n; n = n->next) {
            struct item *item = CONTAINER_OF(n, struct item, node);
            assert_int_equal(item->number, next[item->producer]);
            next[item->producer]++;
            taken++;
        }
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i].thread, NULL);
        free(producers[i].items);
        assert_int_equal(next[i], PER_PRODUCER);
    }
    assert_null(mpsc_take_all(&q));
}

static struct hist shared_hist;
static struct metric shared_metric = {.name = "weir_t_total", .help = "T.", .kind = METRIC_COUNTER};
static struct log_limit shared_limit;
static _Atomic unsigned allowed;

static void *use_everything(void *arg)
{
    struct uuid *ids = arg;
    for (unsigned i = 0; i < 2000; i++) {
        metric_add(&shared_metric, 1);
        ids[i] = uuid_v7((unix_ms){1900000000000});
        if (log_allowed(&shared_limit))
            atomic_fetch_add(&allowed, 1);
        if (i % 500 == 0) {
            struct buf b;
            buf_init(&b, 65536);
            metrics_render(&b);
            hist_quantile(&shared_hist, 0.99);
            buf_done(&b);
        }
    }
    return NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

static void metrics_ids_and_limits_under_threads(void **state)
{
    (void)state;
    pthread_t threads[PRODUCERS];
    struct uuid *ids = calloc((size_t)PRODUCERS * 2000, sizeof(*ids));
    metrics_register(&shared_metric);
    for (unsigned i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_everything, ids + (size_t)i * 2000),
                         0);
    for (unsigned i = 0; i < 2000; i++)
        hist_add(&shared_hist, i); /* one writer, the others read */
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metric_get(&shared_metric), PRODUCERS * 2000);
    assert_int_equal(hist_total(&shared_hist), 2000);
    assert_true(allowed >= 1);
    qsort(ids, (size_t)PRODUCERS * 2000, sizeof(*ids), by_bytes);
    for (unsigned i = 1; i < PRODUCERS * 2000; i++)
        assert_int_not_equal(memcmp(&ids[i - 1], &ids[i], sizeof(*ids)), 0);
    metrics_unregister(&shared_metric);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_one_thread),
        cmocka_unit_test(nothing_is_lost_or_reordered_and_no_wake_up_missed),
        cmocka_unit_test(metrics_ids_and_limits_under_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
