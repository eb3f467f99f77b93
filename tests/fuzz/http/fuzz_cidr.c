/* A list that is taken holds exactly the addresses that its entries hold one by one, by a reading
 * that knows nothing of sorting and merging. Input: 16 bytes of an address, then the list. */
#include "base/must.h"
#include "http/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ADDRESS_BYTES = 16 };

static struct ip ip_of_bytes(const uint8_t *bytes)
{
    struct ip a = {0, 0};
    for (int i = 0; i < 8; i++) {
        a.high = a.high << 8 | bytes[i];
        a.low = a.low << 8 | bytes[8 + i];
    }
    return a;
}

static unsigned bit_of(struct ip a, unsigned at)
{
    return (unsigned)((at < 64 ? a.high >> (63 - at) : a.low >> (127 - at)) & 1);
}

static bool has_prefix(struct ip a, struct ip network, unsigned prefix)
{
    for (unsigned i = 0; i < prefix; i++)
        if (bit_of(a, i) != bit_of(network, i))
            return false;
    return true;
}

static bool is_in_range(struct ip a, const char *network, unsigned prefix)
{
    struct ip n;
    must(ip_parse(slice_str(network), &n));
    return has_prefix(a, n, prefix);
}

static bool is_in_entry(struct ip a, struct slice entry)
{
    if (slice_eq_str(entry, "loopback"))
        return is_in_range(a, "127.0.0.0", 104) || is_in_range(a, "::1", 128);
    if (slice_eq_str(entry, "private"))
        return is_in_range(a, "10.0.0.0", 104) || is_in_range(a, "172.16.0.0", 108) ||
               is_in_range(a, "192.168.0.0", 112) || is_in_range(a, "fc00::", 7);
    struct slice prefix_text = entry, address = slice_cut(&prefix_text, '/');
    bool is_v4 = !memchr(entry.data, ':', entry.len);
    uint64_t prefix = is_v4 ? 32 : 128;
    struct ip network;
    must(ip_parse(address, &network));
    must(prefix_text.len == 0 || slice_to_u64(prefix_text, &prefix));
    prefix += is_v4 ? 96 : 0;
    return has_prefix(a, network, (unsigned)prefix) && (prefix >= 96 || !ip_is_v4(a));
}

static bool is_in_list(struct ip a, struct slice list)
{
    bool is_in = false;
    list = slice_trim(list);
    while (list.len)
        is_in |= is_in_entry(a, slice_trim(slice_cut(&list, ',')));
    return is_in;
}

static void check_spelling(struct ip a)
{
    char text[IP_TEXT_BYTES];
    struct ip again;
    must(ip_parse(slice_str(ip_format(a, text)), &again) && ip_eq(a, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < ADDRESS_BYTES)
        return 0;
    struct ip a = ip_of_bytes(data);
    struct slice list = slice_of((const char *)data + ADDRESS_BYTES, size - ADDRESS_BYTES);
    struct cidr_set set;
    struct err err = ERR_INIT;
    check_spelling(a);
    enum rc rc = cidr_set_parse(list, &set, &err);
    must((rc == RC_OK) == (err.text[0] == '\0'));
    if (rc != RC_OK)
        return 0;
    must(cidr_set_has(&set, a) == is_in_list(a, list));
    for (uint32_t i = 0; i < set.count; i++) { /* their edges are where a mistake would be */
        struct ip first = set.ranges[i].first, last = set.ranges[i].last;
        struct ip before = {first.high - (first.low == 0), first.low - 1};
        must(!ip_is_before(last, first));
        must(is_in_list(first, list) && is_in_list(last, list));
        must(cidr_set_has(&set, first) && cidr_set_has(&set, last));
        must(cidr_set_has(&set, before) == is_in_list(before, list));
    }
    cidr_set_done(&set);
    return 0;
}
