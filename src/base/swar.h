#ifndef WEIR_BASE_SWAR_H
#define WEIR_BASE_SWAR_H
/* Eight bytes at once in one register (SIMD within a register; after "Bit Twiddling Hacks", hasless
 * and haszero). Pure; exact for the question "is there any such byte", on either byte order. */
#include <stdint.h>
#include <string.h>

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
#endif
