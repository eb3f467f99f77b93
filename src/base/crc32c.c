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

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t update_hw(uint32_t crc, const unsigned char *p,
                                                            size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    while (len--)
        crc = _mm_crc32_u8(crc, *p++);
    return crc;
}

static int has_hw(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
__attribute__((target("+crc"))) static uint32_t update_hw(uint32_t crc, const unsigned char *p,
                                                          size_t len)
{
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
    }
    while (len--)
        crc = __crc32cb(crc, *p++);
    return crc;
}

static int has_hw(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
#define update_hw update_portable
static int has_hw(void)
{
    return 0;
}
#endif

static void init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
        table[i] = crc;
    }
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
