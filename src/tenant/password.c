/* Passwords on libsodium's Argon2id and a compiled-in Bloom filter.
 *
 * WHY   32 MiB and three passes: two and a half times OWASP's minimum (19 MiB, two), and small
 *       enough that all of libuv's four workers logging somebody in take 128 MiB.
 *
 * INVARIANTS   One password_verify() is one Argon2id with the costs of the hash it is given. All
 *       accounts have today's costs (user_login_accept hashes anew when they change), and so has
 *       the decoy for accounts that do not exist: a test asks password_needs_rehash() of it. */
#include "tenant/password.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/must.h"
#include "tenant/password_int.h"
#include "tenant/tenant_int.h"

enum { PASSES = 3, MEMORY_BYTES = 32 << 20, LOCAL_PART_BYTES_MIN = 3 };

_Static_assert(PASSWORD_HASH_BYTES == crypto_pwhash_argon2id_STRBYTES, "libsodium's text fits");
_Static_assert(PASSWORD_BYTES_MAX <= crypto_pwhash_argon2id_PASSWD_MAX,
               "and so does what it takes");

const struct password_hash password_decoy = {
    "$argon2id$v=19$m=32768,t=3,p=1$qB2nGNbbhrTlrH9R1jSCWQ$"
    "kArug0YHfW8Hk5iVzCq7UtIdlcUhaojPm1kK2UWex7c"};

static void start_sodium(void)
{
    must(sodium_init() >= 0); /* fails only where the kernel has no randomness */
}

static void need_sodium(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, start_sodium) == 0);
}

/* ---- Which are accepted ---- */

static char fold(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool password_is_breached(struct slice password)
{
    char folded[PASSWORD_BYTES_MAX];
    uint8_t hash[crypto_hash_sha256_BYTES];
    if (password.len > sizeof(folded))
        return false;
    for (size_t i = 0; i < password.len; i++)
        folded[i] = fold(password.data[i]);
    crypto_hash_sha256(hash, (const unsigned char *)folded, password.len);
    bool is_breached = true;
    for (size_t i = 0; i < sizeof(hash); i += 4) {
        uint32_t word = (uint32_t)hash[i] << 24 | (uint32_t)hash[i + 1] << 16 |
                        (uint32_t)hash[i + 2] << 8 | hash[i + 3];
        uint32_t bit = word % (PASSWORD_BREACHED_WORDS * 64);
        is_breached &= password_breached[bit / 64] >> bit % 64 & 1;
    }
    explicit_bzero(folded, sizeof(folded));
    explicit_bzero(hash, sizeof(hash));
    return is_breached;
}

static bool is_text(struct slice password)
{
    while (password.len) {
        size_t len = slice_utf8_len(password);
        if (len == 0 || password.data[0] == 0)
            return false;
        password = slice_sub(password, len);
    }
    return true;
}

static bool contains_nocase(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (slice_eq_nocase(slice_of(text.data + i, part.len), part))
            return true;
    return false;
}

enum rc password_check(struct slice password, struct slice email, struct err *err)
{
    if (password.len < PASSWORD_BYTES_MIN || password.len > PASSWORD_BYTES_MAX)
        return err_set(err, RC_INVALID, "a password has %d to %d bytes", PASSWORD_BYTES_MIN,
                       PASSWORD_BYTES_MAX);
    if (!is_text(password))
        return err_set(err, RC_INVALID, "a password is UTF-8 text without NUL");
    struct slice local = slice_cut(&email, '@');
    if (local.len >= LOCAL_PART_BYTES_MIN && contains_nocase(password, local))
        return err_set(err, RC_INVALID,
                       "this password contains the name from the e-mail address: choose another");
    if (password_is_breached(password))
        return err_set(err, RC_INVALID,
                       "this password is among those known from breaches: choose another");
    return RC_OK;
}

/* ---- How they are kept and tried ---- */

enum rc password_hash(struct slice password, struct password_hash *ret_hash, struct err *err)
{
    need_sodium();
    must(password.len <= PASSWORD_BYTES_MAX);
    if (crypto_pwhash_argon2id_str(ret_hash->text, password.data, password.len, PASSES,
                                   MEMORY_BYTES) != 0)
        return err_set(err, RC_NOMEM, "no memory to hash a password (%d MiB)", MEMORY_BYTES >> 20);
    return RC_OK;
}

enum rc password_verify(const struct password_hash *hash, struct slice password, bool *ret_is_right,
                        struct err *err)
{
    need_sodium();
    bool is_too_long = password.len > PASSWORD_BYTES_MAX;
    size_t len = is_too_long ? PASSWORD_BYTES_MAX : password.len;
    errno = 0;
    int r = crypto_pwhash_argon2id_str_verify(hash ? hash->text : password_decoy.text,
                                              password.len ? password.data : "", len);
    /* EINVAL: another password. Anything else is our trouble and must not pass for a wrong one. */
    if (r != 0 && errno != EINVAL)
        return err_set(err, RC_NOMEM,
                       "cannot try a password: no memory, or its stored hash is damaged");
    *ret_is_right = r == 0 && hash && !is_too_long;
    return RC_OK;
}

bool password_needs_rehash(const struct password_hash *hash)
{
    need_sodium();
    return crypto_pwhash_argon2id_str_needs_rehash(hash->text, PASSES, MEMORY_BYTES) != 0;
}

void password_make(char *to, size_t len)
{
    tenant_random_text(to, len);
}
