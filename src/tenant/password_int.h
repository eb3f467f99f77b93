#ifndef WEIR_TENANT_PASSWORD_INT_H
#define WEIR_TENANT_PASSWORD_INT_H
/* Inside tenant/ only: what password.c is compiled with. */
#include <stdint.h>

#include "tenant/password.h"

enum { PASSWORD_BREACHED_WORDS = (1 << 21) / 64 };
/* breached.bin; tools/breached.py describes it. The words are little-endian in the file, so that
 * bit n of the filter is bit n % 64 of word n / 64. */
extern const uint64_t password_breached[PASSWORD_BREACHED_WORDS];
/* Of a random password that nobody knows, with today's costs. */
extern const struct password_hash password_decoy;
#endif
