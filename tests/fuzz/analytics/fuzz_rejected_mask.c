/* Any bytes: no address is left that stands by itself, also when what was masked is masked again,
 * and the result is bounded. With places, only these are left. */
#include <stddef.h>
#include <stdint.h>

#include "analytics/rejected/rejected_mask.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 1 << 20, WORD_BYTES_MAX = 40 };

/* Between blanks, so that nothing around it can make it another thing. */
static void must_hold_no_address(struct slice text, bool has_places)
{
    while (text.len) {
        struct ip address;
        struct slice word = slice_cut(&text, ' ');
        if (word.len <= WORD_BYTES_MAX && ip_parse(word, &address))
            must(ip_eq(address, IP_V4(0, 0, 0, 0)) || (address.high | address.low) == 0 ||
                 (has_places && rejected_place_of(address)));
    }
}

static uint32_t place_of(void *ctx, struct ip address)
{
    (void)ctx;
    return (uint32_t)(address.low ^ address.high) & 0xff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    const struct ip sender = IP_V4(192, 0, 2, 1);
    struct buf once, twice;
    buf_init(&once, OUT_BYTES_MAX);
    buf_init(&twice, OUT_BYTES_MAX);
    rejected_mask(text, sender, NULL, NULL, &once);
    must(buf_ok(&once) && once.len <= 8 * size + 16);
    rejected_mask(buf_slice(&once), sender, NULL, NULL, &twice);
    must_hold_no_address(buf_slice(&once), false);
    must_hold_no_address(buf_slice(&twice), false);
    buf_clear(&once);
    rejected_mask(text, sender, place_of, NULL, &once);
    must(buf_ok(&once) && once.len <= 8 * size + 16);
    must_hold_no_address(buf_slice(&once), true);
    buf_done(&once);
    buf_done(&twice);
    return 0;
}
