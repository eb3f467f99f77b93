/* Counts of failures in two fixed tables.
 *
 * LAYOUT   A key is 64 bits of HMAC-SHA-256 under a random key of this process: nobody outside can
 *          aim at a set of the table, and no name is kept. Its lowest bits choose a set of eight
 *          slots; within the set the slot that failed longest ago is the next to be reused.
 * THREADS  One mutex around the few instructions on a set; the hashing is done before. */
#include "tenant/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/heap.h"
#include "base/random.h"
#include "codec/hash.h"

#define SECOND_NS INT64_C(1000000000)
#define FORGET_EVERY_NS (30 * 60 * SECOND_NS)
#define DELAY_NS_MAX (15 * 60 * SECOND_NS)

enum { ACCOUNT, ADDRESS, KINDS };
enum { WAYS = 8, SETS = 2048, DELAY_DOUBLINGS_MAX = 10, ADDRESS_BYTES = 16 };

static const uint32_t free_failures[KINDS] = {[ACCOUNT] = 5, [ADDRESS] = 20};
/* Beyond the free ones. Ten reach the longest delay; two more, so that what is forgotten between
 * two tries at that delay does not shorten it; no more, so that an attack is forgotten in hours. */
enum { FAILURES_BEYOND_MAX = DELAY_DOUBLINGS_MAX + 2 };

struct slot {
    uint64_t key; /* 0: free */
    int64_t failed_at_ns;
    int64_t counted_from_ns; /* what was to be forgotten before is forgotten */
    uint32_t count;
};

struct throttle {
    pthread_mutex_t lock;
    uint8_t hash_key[SHA256_BYTES];
    struct slot slots[KINDS][SETS][WAYS];
};

struct throttle *throttle_new(void)
{
    struct throttle *t = heap_alloc(HEAP_TENANT, sizeof(*t));
    pthread_mutex_init(&t->lock, NULL);
    random_bytes(t->hash_key, sizeof(t->hash_key));
    return t;
}

void throttle_free(struct throttle *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    heap_free(t);
}

/* ---- Keys ---- */

/* The bytes by which an address counts, in the caller's space: IPv4 as its IPv4-mapped form, IPv6
 * up to its /64. What is no address (a Unix socket's peer) counts as the text it is. */
static struct slice address_bytes(struct slice text, uint8_t space[ADDRESS_BYTES])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char cstr[INET6_ADDRSTRLEN];
    if (text.len >= sizeof(cstr) || memchr(text.data, 0, text.len))
        return text;
    memcpy(cstr, text.data, text.len);
    cstr[text.len] = 0;
    if (inet_pton(AF_INET, cstr, space + sizeof(mapped)) == 1)
        memcpy(space, mapped, sizeof(mapped));
    else if (inet_pton(AF_INET6, cstr, space) != 1)
        return text;
    else if (memcmp(space, mapped, sizeof(mapped)) != 0)
        memset(space + 8, 0, 8);
    return slice_of((const char *)space, ADDRESS_BYTES);
}

bool throttle_is_same_address(struct slice a, struct slice b)
{
    uint8_t space_a[ADDRESS_BYTES], space_b[ADDRESS_BYTES];
    return slice_eq(address_bytes(a, space_a), address_bytes(b, space_b));
}

static uint64_t key_of(const struct throttle *t, struct slice what, struct slice account,
                       struct slice address)
{
    uint8_t hash[3][SHA256_BYTES], mac[SHA256_BYTES];
    uint64_t key;
    sha256(what, hash[0]);
    sha256(account, hash[1]);
    sha256(address, hash[2]);
    hmac_sha256(slice_of((const char *)t->hash_key, sizeof(t->hash_key)),
                slice_of((const char *)hash, sizeof(hash)), mac);
    memcpy(&key, mac, sizeof(key));
    return key ? key : 1;
}

/* ---- Slots (under the lock) ---- */

static struct slot *find(struct throttle *t, int kind, uint64_t key)
{
    struct slot *set = t->slots[kind][key % SETS];
    for (int i = 0; i < WAYS; i++)
        if (set[i].key == key)
            return &set[i];
    return NULL;
}

static struct slot *find_or_make(struct throttle *t, int kind, uint64_t key, int64_t now_ns)
{
    struct slot *slot = find(t, kind, key);
    if (slot)
        return slot;
    struct slot *set = t->slots[kind][key % SETS];
    slot = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].key == 0) {
            slot = &set[i];
            break;
        }
        if (set[i].failed_at_ns < slot->failed_at_ns)
            slot = &set[i];
    }
    *slot = (struct slot){.key = key, .failed_at_ns = now_ns, .counted_from_ns = now_ns};
    return slot;
}

static void forget(struct slot *slot, int64_t now_ns)
{
    int64_t steps = (now_ns - slot->counted_from_ns) / FORGET_EVERY_NS;
    if (steps <= 0)
        return;
    slot->count = steps < slot->count ? slot->count - (uint32_t)steps : 0;
    slot->counted_from_ns += steps * FORGET_EVERY_NS;
}

static int64_t wait_ns(struct throttle *t, int kind, uint64_t key, int64_t now_ns)
{
    struct slot *slot = find(t, kind, key);
    if (!slot)
        return 0;
    forget(slot, now_ns);
    if (slot->count < free_failures[kind])
        return 0;
    uint32_t doublings = slot->count - free_failures[kind];
    if (doublings > DELAY_DOUBLINGS_MAX)
        doublings = DELAY_DOUBLINGS_MAX;
    int64_t delay_ns = SECOND_NS << doublings;
    return slot->failed_at_ns + (delay_ns < DELAY_NS_MAX ? delay_ns : DELAY_NS_MAX) - now_ns;
}

static void count_failure(struct throttle *t, int kind, uint64_t key, int64_t now_ns,
                          struct throttle_ticket *ticket)
{
    struct slot *slot = find_or_make(t, kind, key, now_ns);
    ticket->of[kind].key = key;
    ticket->of[kind].failed_before_ns = slot->failed_at_ns;
    ticket->of[kind].failed_at_ns = now_ns;
    if (slot->count == 0)
        slot->counted_from_ns = now_ns;
    if (slot->count < free_failures[kind] + FAILURES_BEYOND_MAX)
        slot->count++;
    slot->failed_at_ns = now_ns;
}

static void give_back(struct throttle *t, int kind, const struct throttle_ticket *ticket)
{
    struct slot *slot = find(t, kind, ticket->of[kind].key);
    if (!slot || slot->count == 0)
        return;
    slot->count--;
    if (slot->failed_at_ns == ticket->of[kind].failed_at_ns) /* none since: its delay goes too */
        slot->failed_at_ns = ticket->of[kind].failed_before_ns;
}

/* ---- The interface ---- */

bool throttle_begin(struct throttle *t, struct slice account, struct slice address,
                    bool is_known_place, mono_ns now, struct throttle_ticket *ret_ticket,
                    uint32_t *ret_wait_s)
{
    uint8_t space[ADDRESS_BYTES];
    struct slice place = address_bytes(address, space);
    const uint64_t keys[KINDS] = {
        [ACCOUNT] = is_known_place ? key_of(t, SLICE_LIT("account at place"), account, place)
                                   : key_of(t, SLICE_LIT("account"), account, SLICE_EMPTY),
        [ADDRESS] = key_of(t, SLICE_LIT("address"), SLICE_EMPTY, place),
    };
    pthread_mutex_lock(&t->lock);
    int64_t wait = 0;
    for (int kind = 0; kind < KINDS; kind++) {
        int64_t of_kind = wait_ns(t, kind, keys[kind], now.ns);
        wait = of_kind > wait ? of_kind : wait;
    }
    for (int kind = 0; kind < KINDS && wait == 0; kind++)
        count_failure(t, kind, keys[kind], now.ns, ret_ticket);
    pthread_mutex_unlock(&t->lock);
    if (wait)
        *ret_wait_s = (uint32_t)((wait + SECOND_NS - 1) / SECOND_NS);
    return wait == 0;
}

void throttle_cancel(struct throttle *t, const struct throttle_ticket *ticket)
{
    pthread_mutex_lock(&t->lock);
    for (int kind = 0; kind < KINDS; kind++)
        give_back(t, kind, ticket);
    pthread_mutex_unlock(&t->lock);
}

void throttle_success(struct throttle *t, const struct throttle_ticket *ticket)
{
    pthread_mutex_lock(&t->lock);
    struct slot *account = find(t, ACCOUNT, ticket->of[ACCOUNT].key);
    if (account)
        account->count = 0;
    give_back(t, ADDRESS, ticket);
    pthread_mutex_unlock(&t->lock);
}
