#ifndef WEIR_TENANT_THROTTLE_H
#define WEIR_TENANT_THROTTLE_H
/* Slows down the guessing of passwords and codes: per account and per address, in memory.
 *
 *   account   after 5 failures, each further one doubles a delay (1 s … 15 min) in which nothing is
 *             tried at all; one failure is forgotten every 30 min
 *   address   the same after 20, for many people may share one. IPv6: its /64, which is what one
 *             customer has
 *
 * An attempt is counted when it begins and given back when it turns out right, so that a hundred at
 * once are not a hundred tries before the first failure. What a success gives back at the address
 * is its own count only: who has an account here cannot wash off their guesses at others with it.
 *
 * Nobody is locked out of their account by another's guesses: attempts from an address where this
 * account has logged in before (is_known_place; the caller knows from the sessions) are counted
 * apart from the strangers'. A person at a new address has to share the strangers' turns while an
 * attack runs, at the office or at home not; the way in from there is a password reset. At most
 * 96 guesses a day and the first 5 reach an account from strangers.
 *
 * Accounts are counted by the name that was typed, whether there is such an account or not: the
 * answers tell nothing. Fixed memory (16,384 accounts and as many addresses, 1 MiB): the one that
 * failed longest ago makes room; to push an account out takes thousands of attempts, which the
 * address limits. Forgotten at a restart. Thread-safe; never blocks for long. */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/slice.h"

struct throttle;
struct throttle *throttle_new(void);
void throttle_free(struct throttle *t);

struct throttle_ticket { /* of one attempt; no names in it */
    struct {
        uint64_t key;
        int64_t failed_at_ns, failed_before_ns;
    } of[2]; /* account, address */
};
/* True: the attempt may be made, and is counted as a failure until throttle_cancel() or
 * throttle_success(). False: nothing was counted; *ret_wait_s is for Retry-After, 1 … 900. */
bool throttle_begin(struct throttle *t, struct slice account, struct slice address,
                    bool is_known_place, mono_ns now, struct throttle_ticket *ret_ticket,
                    uint32_t *ret_wait_s);
/* It was neither a failure nor a success (no second factor yet): as if it had not been. */
void throttle_cancel(struct throttle *t, const struct throttle_ticket *ticket);
/* The account (from such a place) starts afresh; the address gets this attempt back. */
void throttle_success(struct throttle *t, const struct throttle_ticket *ticket);
/* Whether two addresses are one to the throttle. */
bool throttle_is_same_address(struct slice a, struct slice b);
#endif
