#include "tenant/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/must.h"
#include "base/random.h"
#include "codec/base32.h"

enum { SHA1_BYTES = 20, CODES = 1000000, RECOVERY_BYTES = 10, RECOVERY_CHARS = 16 };

struct totp_secret totp_secret_make(void)
{
    struct totp_secret secret = {.bytes = {0}};
    random_bytes(secret.bytes, sizeof(secret.bytes));
    return secret;
}

uint32_t totp_code(const struct totp_secret *secret, uint64_t counter)
{
    uint8_t message[8], mac[SHA1_BYTES];
    unsigned len = sizeof(mac);
    for (int i = 0; i < 8; i++)
        message[i] = (uint8_t)(counter >> (56 - 8 * i));
    must(HMAC(EVP_sha1(), secret->bytes, sizeof(secret->bytes), message, sizeof(message), mac,
              &len));
    const uint8_t *at = mac + (mac[SHA1_BYTES - 1] & 15); /* dynamic truncation */
    uint32_t number =
        ((uint32_t)at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return number % CODES;
}

bool totp_is_valid(const struct totp_secret *secret, struct slice code, unix_ms now,
                   int64_t last_step, int64_t *ret_step)
{
    uint64_t given = 0;
    bool is_code = code.len == TOTP_DIGITS && slice_to_u64(code, &given);
    int64_t step = now.ms / TOTP_STEP_MS, found = 0;
    /* From the oldest on, without leaving early; a later step of the same code wins. */
    for (int64_t at = step - TOTP_STEPS_AROUND; at <= step + TOTP_STEPS_AROUND; at++) {
        bool is_equal = (totp_code(secret, (uint64_t)at) ^ (uint32_t)given) == 0;
        found = (is_equal & (at > last_step)) ? at : found;
    }
    if (!is_code || !found)
        return false;
    *ret_step = found;
    return true;
}

/* RFC 3986: everything but the unreserved is escaped. */
static void add_escaped(struct buf *out, struct slice text)
{
    static const char further[] = "-._~", digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || memchr(further, c, sizeof(further) - 1);
        if (is_plain)
            buf_add_char(out, (char)c);
        else
            buf_add(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

void totp_uri(struct buf *out, struct slice issuer, struct slice account,
              const struct totp_secret *secret)
{
    char text[TOTP_SECRET_BYTES / 5 * 8];
    base32_encode(text, slice_of((const char *)secret->bytes, sizeof(secret->bytes)));
    buf_add_str(out, "otpauth://totp/");
    add_escaped(out, issuer);
    buf_add_char(out, ':');
    add_escaped(out, account);
    buf_add_str(out, "?secret=");
    buf_add(out, text, sizeof(text));
    buf_add_str(out, "&issuer=");
    add_escaped(out, issuer);
    buf_addf(out, "&algorithm=SHA1&digits=%d&period=%d", TOTP_DIGITS, TOTP_STEP_MS / 1000);
    explicit_bzero(text, sizeof(text));
}

void recovery_codes_make(struct recovery_codes *ret_codes)
{
    uint8_t bytes[RECOVERY_BYTES];
    char chars[RECOVERY_CHARS];
    for (int i = 0; i < RECOVERY_CODES; i++) {
        random_bytes(bytes, sizeof(bytes));
        base32_encode(chars, slice_of((const char *)bytes, sizeof(bytes)));
        char *to = ret_codes->text[i];
        for (int k = 0; k < RECOVERY_CHARS; k++) {
            if (k && k % 4 == 0)
                *to++ = '-';
            *to++ = chars[k];
        }
        *to = 0;
    }
    explicit_bzero(bytes, sizeof(bytes));
    explicit_bzero(chars, sizeof(chars));
}

bool recovery_code_hash(const struct uuid *user, struct slice text,
                        uint8_t ret_hash[RECOVERY_HASH_BYTES])
{
    char chars[RECOVERY_CHARS];
    uint8_t bytes[RECOVERY_CHARS]; /* base32_decoded_max() of them is 15 */
    size_t n = 0, len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '-' || text.data[i] == ' ')
            continue;
        if (n < sizeof(chars))
            chars[n] = text.data[i];
        n++;
    }
    bool is_code = n == sizeof(chars) && base32_decode(slice_of(chars, n), bytes, &len);
    if (is_code)
        sha256_parts((struct slice[]){SLICE_LIT("weir recovery code 1\n"),
                                      slice_of((const char *)user->bytes, sizeof(user->bytes)),
                                      slice_of((const char *)bytes, len)},
                     3, ret_hash);
    explicit_bzero(chars, sizeof(chars));
    explicit_bzero(bytes, sizeof(bytes));
    return is_code;
}
