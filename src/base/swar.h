#ifndef WEIR_BASE_SWAR_H
#define WEIR_BASE_SWAR_H
/* Eight bytes at once in one register (SIMD within a register; after "Bit Twiddling Hacks", hasless
 * and haszero). Pure. A borrow can mark bytes behind a true find, never before it: "is there any"
 * and "where is the first" are exact. */
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest one");

enum { SWAR_BYTES = 8 };

static inline uint64_t swar_load(const char *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof(word));
    return word;
}
static inline uint64_t swar_of(unsigned char byte)
{
    return UINT64_C(0x0101010101010101) * byte;
}
/* Not zero if a byte is below n (n <= 128). */
static inline uint64_t swar_has_below(uint64_t word, unsigned char n)
{
    return (word - swar_of(n)) & ~word & swar_of(0x80);
}
/* Not zero if a byte is this one. */
static inline uint64_t swar_has(uint64_t word, unsigned char byte)
{
    return swar_has_below(word ^ swar_of(byte), 1);
}
/* Of what one of the above found: the place of the first such byte in memory. */
static inline unsigned swar_first(uint64_t found)
{
    return (unsigned)__builtin_ctzll(found) / 8;
}
/* Not zero if a byte must be escaped inside a JSON string (RFC 8259 7). */
static inline uint64_t swar_has_json_special(uint64_t word)
{
    return swar_has_below(word, 0x20) | swar_has(word, '"') | swar_has(word, '\\');
}
/* Not zero if a byte is outside ASCII. */
static inline uint64_t swar_has_high(uint64_t word)
{
    return word & swar_of(0x80);
}
/* Its letters A to Z as small ones. */
static inline uint64_t swar_lower(uint64_t word)
{
    uint64_t low = word & ~swar_of(0x80); /* so that no sum carries into the next byte */
    uint64_t is_from_a = low + swar_of(0x80 - 'A'), is_beyond_z = low + swar_of(0x7f - 'Z');
    return word | ((is_from_a & ~is_beyond_z & ~word & swar_of(0x80)) >> 2);
}
/* Sixteen bytes at once, where the processor has registers for that: the place of the first that is
 * a or b, SWAR_WIDE_BYTES if none is. */
enum { SWAR_WIDE_BYTES = 16 };
typedef uint8_t swar_wide __attribute__((vector_size(SWAR_WIDE_BYTES)));
static inline unsigned swar_wide_first(const char *from, unsigned char a, unsigned char b)
{
    swar_wide bytes;
    uint64_t half[2];
    memcpy(&bytes, from, sizeof(bytes));
    swar_wide found = (swar_wide)(bytes == a) | (swar_wide)(bytes == b);
    memcpy(half, &found, sizeof(half));
    if (half[0])
        return swar_first(half[0]);
    return half[1] ? SWAR_BYTES + swar_first(half[1]) : SWAR_WIDE_BYTES;
}
/* How many bytes are this one if the bits of mask are set in them. At most 4,080 bytes. */
static inline uint32_t swar_wide_count(const char *from, size_t len, unsigned char mask,
                                       unsigned char byte)
{
    swar_wide counts = {0}; /* a count per lane */
    uint32_t n = 0;
    size_t i = 0;
    for (; len - i >= SWAR_WIDE_BYTES; i += SWAR_WIDE_BYTES) {
        swar_wide bytes;
        memcpy(&bytes, from + i, sizeof(bytes));
        counts -= (swar_wide)((bytes | mask) == byte); /* 255 where it is */
    }
    for (unsigned lane = 0; lane < SWAR_WIDE_BYTES; lane++)
        n += counts[lane];
    for (; i < len; i++)
        n += ((unsigned char)from[i] | mask) == byte;
    return n;
}
#endif
