#ifndef WEIR_BASE_MPSC_H
#define WEIR_BASE_MPSC_H
/* Many producers, one consumer, intrusive and lock-free: producers push on an atomic stack, the
 * consumer takes the whole stack at once and gets it in push order.
 *
 * mpsc_push returns true if the queue was empty: then, and only then, the consumer needs a wake-up.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mpsc_node {
    struct mpsc_node *next;
};
struct mpsc {
    _Atomic(struct mpsc_node *) head;
};

static inline bool mpsc_push(struct mpsc *q, struct mpsc_node *node)
{
    struct mpsc_node *head = atomic_load_explicit(&q->head, memory_order_relaxed);
    do {
        node->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&q->head, &head, node, memory_order_release,
                                                    memory_order_relaxed));
    return head == NULL;
}

/* All nodes, oldest first, linked by ->next; NULL if none. */
static inline struct mpsc_node *mpsc_take_all(struct mpsc *q)
{
    struct mpsc_node *node = atomic_exchange_explicit(&q->head, NULL, memory_order_acquire);
    struct mpsc_node *in_order = NULL;
    while (node) {
        struct mpsc_node *next = node->next;
        node->next = in_order;
        in_order = node;
        node = next;
    }
    return in_order;
}
#endif
