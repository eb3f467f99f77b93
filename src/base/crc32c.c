#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint32_t (*update)(uint32_t, const unsigned char *, size_t);

static uint32_t update_portable(uint32_t crc, const unsigned char *p, size_t len)
{
    while (len--)
        crc = table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
    return crc;
}

/* The instruction takes one word per cycle, but its result only after three. So a long run is three
 * blocks side by side, put together by what a block of zeros behind it makes of a sum
 * (behind_zeros[k][v]: of byte k with value v; the sum of a XOR is the XOR of the sums). */
enum { BLOCK_BYTES = 1024 };
static uint32_t behind_zeros[4][256];

static void init_behind_zeros(void)
{
    static const unsigned char zeros[BLOCK_BYTES];
    for (unsigned bit = 0; bit < 32; bit++) {
        uint32_t sum = update_portable((uint32_t)1 << bit, zeros, sizeof(zeros));
        for (unsigned v = 0; v < 256; v++)
            if (v >> bit % 8 & 1)
                behind_zeros[bit / 8][v] ^= sum;
    }
}

static uint32_t behind_block(uint32_t crc)
{
    return behind_zeros[0][crc & 0xff] ^ behind_zeros[1][crc >> 8 & 0xff] ^
           behind_zeros[2][crc >> 16 & 0xff] ^ behind_zeros[3][crc >> 24];
}

#if defined(__x86_64__)
#define HW __attribute__((target("sse4.2")))
HW static inline uint64_t hw_word(uint64_t crc, const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return _mm_crc32_u64(crc, word);
}
HW static inline uint64_t hw_byte(uint64_t crc, unsigned char byte)
{
    return _mm_crc32_u8((uint32_t)crc, byte);
}
static int has_hw(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#define HW __attribute__((target("+crc")))
HW static inline uint64_t hw_word(uint64_t crc, const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return __crc32cd((uint32_t)crc, word);
}
HW static inline uint64_t hw_byte(uint64_t crc, unsigned char byte)
{
    return __crc32cb((uint32_t)crc, byte);
}
static int has_hw(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
#define HW
static inline uint64_t hw_word(uint64_t crc, const unsigned char *p)
{
    return update_portable((uint32_t)crc, p, 8);
}
static inline uint64_t hw_byte(uint64_t crc, unsigned char byte)
{
    return update_portable((uint32_t)crc, &byte, 1);
}
static int has_hw(void)
{
    return 0;
}
#endif

HW static uint32_t update_hw(uint32_t crc, const unsigned char *p, size_t len)
{
    uint64_t a = crc;
    for (; len >= (size_t)3 * BLOCK_BYTES; len -= (size_t)3 * BLOCK_BYTES, p += 3 * BLOCK_BYTES) {
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < BLOCK_BYTES; i += 8) {
            a = hw_word(a, p + i);
            b = hw_word(b, p + BLOCK_BYTES + i);
            c = hw_word(c, p + 2 * BLOCK_BYTES + i);
        }
        a = behind_block((uint32_t)a) ^ b;
        a = behind_block((uint32_t)a) ^ c;
    }
    for (; len >= 8; len -= 8, p += 8)
        a = hw_word(a, p);
    while (len--)
        a = hw_byte(a, *p++);
    return (uint32_t)a;
}

static void init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
        table[i] = crc;
    }
    init_behind_zeros();
    update = has_hw() ? update_hw : update_portable;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, init);
    return ~update(~crc, data, len);
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, init);
    return ~update_portable(~crc, data, len);
}
