#include "tenant/token.h"

#include "base/must.h"
#include "base/random.h"
#include "codec/base64.h"

void token_write(const uint8_t bytes[TOKEN_BYTES], struct token *ret_token)
{
    struct buf text;
    buf_init(&text, base64_encoded_max(TOKEN_BYTES));
    base64_encode(&text, BASE64_URL, slice_of((const char *)bytes, TOKEN_BYTES));
    must(buf_ok(&text) && text.len == TOKEN_TEXT);
    memcpy(ret_token->text, text.data, TOKEN_TEXT);
    ret_token->text[TOKEN_TEXT] = 0;
    explicit_bzero(text.data, text.len);
    buf_done(&text);
}

void token_make(struct token *ret_token, uint8_t ret_hash[TOKEN_HASH_BYTES])
{
    uint8_t bytes[TOKEN_BYTES];
    random_bytes(bytes, sizeof(bytes));
    token_write(bytes, ret_token);
    sha256(slice_of(ret_token->text, TOKEN_TEXT), ret_hash);
    explicit_bzero(bytes, sizeof(bytes));
}

bool token_hash(struct slice text, uint8_t ret_hash[TOKEN_HASH_BYTES])
{
    uint8_t bytes[TOKEN_BYTES + 3]; /* base64_decoded_max() */
    size_t len;
    _Static_assert(sizeof(bytes) >= TOKEN_TEXT / 4 * 3 + 3, "room for what is decoded");
    if (text.len != TOKEN_TEXT || !base64_decode(BASE64_URL, text, bytes, &len))
        return false;
    explicit_bzero(bytes, sizeof(bytes));
    sha256(text, ret_hash);
    return true;
}
