/* The memo of verified tokens (token.h): one slot per hash, chosen by its first bits. Whoever wants
 * to push others out needs tokens that verify. */
#include "tenant/token_memo.h"

#include "base/must.h"

void token_id_of(struct slice token, struct token_id *ret_id)
{
    sha256(token, ret_id->hash);
}

struct token_memo *token_memo_mine(void)
{
    static _Thread_local struct token_memo mine;
    return &mine;
}

static uint32_t slot_of(const struct token_id *id)
{
    _Static_assert(TOKEN_MEMO_SLOTS <= 256, "one byte chooses the slot");
    return id->hash[0] % TOKEN_MEMO_SLOTS;
}

bool token_memo_get(const struct token_memo *m, const struct token_id *id,
                    const struct jwks_current *current, uint64_t rules, unix_ms now,
                    struct slice *ret_value)
{
    const struct token_memo_slot *slot = &m->slots[slot_of(id)];
    if (memcmp(slot->id.hash, id->hash, sizeof(id->hash)) != 0 ||
        !jwks_is_current(current, slot->keys) || slot->rules != rules || now.ms >= slot->until.ms)
        return false;
    *ret_value = slice_of(slot->value, slot->value_len);
    return true;
}

void token_memo_put(struct token_memo *m, const struct token_id *id, uint64_t keys, uint64_t rules,
                    unix_ms until, struct slice value)
{
    must(keys != 0);
    if (value.len > TOKEN_VALUE_BYTES_MAX)
        return;
    struct token_memo_slot *slot = &m->slots[slot_of(id)];
    slot->id = *id;
    slot->keys = keys;
    slot->rules = rules;
    slot->until = until;
    slot->value_len = value.len;
    if (value.len)
        memcpy(slot->value, value.data, value.len);
}
