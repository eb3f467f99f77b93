#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H
/* Randomness: the kernel's for secrets and ids, a seeded generator for tests and jitter. */
#include <stddef.h>
#include <stdint.h>

void random_bytes(void *to, size_t len); /* getrandom(2); aborts if the kernel has none */
uint64_t random_u64(void);
/* The same bytes, drawn from the kernel for many calls at once (getrandom(2) costs about 300 ns):
 * for ids. Not for keys: what is to be drawn next lies in memory. */
void random_draw(void *to, size_t len);

/* xoshiro256** (Blackman, Vigna 2018): repeatable from its seed, never for secrets. One thread. */
struct prng {
    uint64_t s[4];
};
void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
uint64_t prng_below(struct prng *p, uint64_t bound); /* [0, bound), bound > 0 */
#endif
