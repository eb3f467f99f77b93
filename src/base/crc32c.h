#ifndef WEIR_BASE_CRC32C_H
#define WEIR_BASE_CRC32C_H
/* CRC-32C (Castagnoli, RFC 3720 B.4): polynomial 0x1EDC6F41 reflected. crc32c(0, "123456789", 9) is
 * 0xE3069283. Chains: crc32c(crc32c(0, a), b) == crc32c(0, ab). Hardware where the CPU has it. */
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The table version, for the test that compares both. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);
#endif
