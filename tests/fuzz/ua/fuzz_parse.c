/* Any user agent and any hints (a line each) have one bounded answer, in good UTF-8 if they are,
 * remembered or not; and what the automaton leaves out could not have matched. */
#include "ua/ua_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ua_set *set;
static struct ua_parser *parser;

static bool is_utf8(struct slice s)
{
    while (s.len) {
        size_t n = slice_utf8_len(s);
        if (n == 0)
            return false;
        s = slice_sub(s, n);
    }
    return true;
}

static void check_texts(const struct ua_result *r, bool is_good)
{
    struct slice texts[] = {r->browser_name, r->browser_version, r->os_name,
                            r->os_version,   r->device_brand,    r->device_model};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        must(texts[i].len <= UA_NAME_BYTES_MAX && texts[i].data);
        must(!is_good || is_utf8(texts[i]));
    }
    must(r->device < UA_DEVICE_COUNT && r->reason < UA_NETWORK);
    must((r->reason != UA_PERSON) == (r->device == UA_BOT));
}

static uint64_t sum(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.data[i]) * UINT64_C(0x100000001b3);
    return h * 31 + s.len;
}

static uint64_t digest(const struct ua_result *r)
{
    uint64_t h = r->device * 64U + r->reason * 2U + r->is_browser;
    h = sum(sum(sum(h, r->browser_name), r->browser_version), r->os_name);
    return sum(sum(sum(h, r->os_version), r->device_brand), r->device_model);
}

static void check_rules(struct slice ua)
{
    if (ua.len > UA_BYTES_MAX)
        ua.len = UA_BYTES_MAX;
    for (int list = 0; list < UA_LIST_COUNT; list++) {
        uint64_t cuts = ua_parser_stats(parser).cut_short;
        ua_scan(parser, ua);
        int32_t fast = ua_match(parser, (enum ua_list)list, ua, false);
        ua_scan(parser, ua);
        int32_t slow = ua_match(parser, (enum ua_list)list, ua, true);
        must(fast == slow || ua_parser_stats(parser).cut_short > cuts);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size), lines[6];
    struct ua_result r;
    if (!set)
        must(ua_set_new(&set) == RC_OK && ua_parser_new(set, 1 << 16, &parser) == RC_OK);
    bool is_good = size <= UA_BYTES_MAX && is_utf8(rest);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        lines[i] = slice_cut(&rest, '\n');
    struct ua_hints hints = {lines[1], lines[2], lines[3], lines[4], lines[5]};
    ua_parse(parser, lines[0], &hints, &r);
    check_texts(&r, is_good);
    uint64_t want = digest(&r);
    for (int i = 0; i < 2; i++) {
        ua_lookup(parser, lines[0], &hints, &r);
        must(digest(&r) == want);
    }
    uint64_t cuts = ua_parser_stats(parser).cut_short;
    check_rules(lines[0]);
    must(ua_parser_stats(parser).cut_short - cuts <= UINT64_C(8) * UA_LIST_COUNT);
    return 0;
}
