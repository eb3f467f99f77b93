#ifndef WEIR_TENANT_TOTP_H
#define WEIR_TENANT_TOTP_H
/* Second factors: one-time passwords of authenticator apps (RFC 6238 over RFC 4226: HMAC-SHA-1, six
 * digits, steps of 30 s), and recovery codes for who lost the app. Pure: no state, no clock. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "codec/hash.h"

enum {
    TOTP_SECRET_BYTES = 20, /* RFC 4226 section 4, R6 */
    TOTP_DIGITS = 6,
    TOTP_STEP_MS = 30000,
    TOTP_STEPS_AROUND = 1, /* accepted before and after the present step: clocks differ */
};
struct totp_secret {
    uint8_t bytes[TOTP_SECRET_BYTES];
};
struct totp_secret totp_secret_make(void);
/* HOTP (RFC 4226 section 5.3) of that counter: 0 … 999999. */
uint32_t totp_code(const struct totp_secret *secret, uint64_t counter);
/* Whether code (exactly six ASCII digits) is that of a step around now which is later than
 * last_step, the last one accepted (0: none): a code seen over a shoulder is worth nothing once
 * used. ret_step: which one it was, the caller's next last_step. Takes the same time whichever step
 * it is, and if it is none. */
bool totp_is_valid(const struct totp_secret *secret, struct slice code, unix_ms now,
                   int64_t last_step, int64_t *ret_step);
/* Appends "otpauth://totp/ISSUER:ACCOUNT?secret=…", which apps read from a QR code (Google
 * Authenticator's key URI format). It holds the secret: to be shown once, wiped, never logged. */
void totp_uri(struct buf *out, struct slice issuer, struct slice account,
              const struct totp_secret *secret);

/* Recovery codes: 80 random bits as "ABCD-EFGH-IJKL-MNOP" (Base32). So many bits that a plain
 * SHA-256 keeps them: there is nothing to guess. */
enum { RECOVERY_CODES = 10, RECOVERY_CODE_TEXT = 19, RECOVERY_HASH_BYTES = SHA256_BYTES };
struct recovery_codes {
    char text[RECOVERY_CODES][RECOVERY_CODE_TEXT + 1];
};
void recovery_codes_make(struct recovery_codes *ret_codes);
/* The hash that is stored for that user. Case, dashes and spaces of what a person typed do not
 * matter; false if it cannot be a recovery code. */
bool recovery_code_hash(const struct uuid *user, struct slice text,
                        uint8_t ret_hash[RECOVERY_HASH_BYTES]);
#endif
