#include "codec/ch_block.h"

#include <lz4.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they stand");

enum { CHECKSUM_BYTES = 16, HEAD_BYTES = 9, METHOD_LZ4 = 0x82 };

/* ---- CityHash128, version 1.0.2; names as there ---- */
static const uint64_t k0 = UINT64_C(0xc3a5c85c97cb3127), k1 = UINT64_C(0xb492b66fbe98f273),
                      k2 = UINT64_C(0x9ae16a3b2f90404f), k3 = UINT64_C(0xc949d7c7509e6557);

static uint64_t fetch64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t fetch32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t rotate(uint64_t v, unsigned by) /* 1 to 63 */
{
    return (v >> by) | (v << (64 - by));
}

static uint64_t shift_mix(uint64_t v)
{
    return v ^ (v >> 47);
}

static uint64_t hash_16(uint64_t low, uint64_t high)
{
    const uint64_t mul = UINT64_C(0x9ddfea08eb382d69);
    return shift_mix((high ^ shift_mix((low ^ high) * mul)) * mul) * mul;
}

static uint64_t hash_0_to_16(const char *s, size_t len)
{
    if (len > 8) {
        uint64_t b = fetch64(s + len - 8);
        return hash_16(fetch64(s), rotate(b + len, (unsigned)len)) ^ b;
    }
    if (len >= 4)
        return hash_16(len + (fetch32(s) << 3), fetch32(s + len - 4));
    if (len == 0)
        return k2;
    uint32_t y = (uint8_t)s[0] + ((uint32_t)(uint8_t)s[len >> 1] << 8);
    uint32_t z = (uint32_t)len + ((uint32_t)(uint8_t)s[len - 1] << 2);
    return shift_mix(y * k2 ^ z * k3) * k2;
}

/* 32 bytes and two seeds. */
static struct ch_checksum weak_hash(const char *s, uint64_t a, uint64_t b)
{
    uint64_t w = fetch64(s), x = fetch64(s + 8), y = fetch64(s + 16), z = fetch64(s + 24), c;
    a += w;
    b = rotate(b + a + z, 21);
    c = a;
    a += x + y;
    b += rotate(a, 44);
    return (struct ch_checksum){a + z, b + c};
}

static struct ch_checksum murmur(const char *s, size_t len, struct ch_checksum seed)
{
    uint64_t a = seed.low, b = seed.high, c, d;
    if (len <= 16) {
        a = shift_mix(a * k1) * k1;
        c = b * k1 + hash_0_to_16(s, len);
        d = shift_mix(a + (len >= 8 ? fetch64(s) : c));
    } else {
        c = hash_16(fetch64(s + len - 8) + k1, a);
        d = hash_16(b + len, c + fetch64(s + len - 16));
        a += d;
        for (size_t at = 0; at + 16 < len; at += 16) {
            a = (a ^ shift_mix(fetch64(s + at) * k1) * k1) * k1;
            b ^= a;
            c = (c ^ shift_mix(fetch64(s + at + 8) * k1) * k1) * k1;
            d ^= c;
        }
    }
    a = hash_16(a, c);
    b = hash_16(d, b);
    return (struct ch_checksum){a ^ b, hash_16(b, a)};
}

struct city {
    struct ch_checksum v, w;
    uint64_t x, y, z;
};

static void mix_64(struct city *h, const char *s)
{
    uint64_t z = h->z;
    h->x = rotate(h->x + h->y + h->v.low + fetch64(s + 16), 37) * k1;
    h->y = rotate(h->y + h->v.high + fetch64(s + 48), 42) * k1;
    h->x ^= h->w.high;
    h->y ^= h->v.low;
    z = rotate(z ^ h->w.low, 33);
    h->v = weak_hash(s, h->v.high * k1, h->x + h->w.low);
    h->w = weak_hash(s + 32, z + h->w.high, h->y);
    h->z = h->x;
    h->x = z;
}

static struct ch_checksum hash_seeded(const char *s, size_t len, struct ch_checksum seed)
{
    if (len < 128)
        return murmur(s, len, seed);
    struct city h = {.x = seed.low, .y = seed.high, .z = len * k1};
    h.v.low = rotate(h.y ^ k1, 49) * k1 + fetch64(s);
    h.v.high = rotate(h.v.low, 42) * k1 + fetch64(s + 8);
    h.w.low = rotate(h.y + h.z, 35) * k1 + h.x;
    h.w.high = rotate(h.x + fetch64(s + 88), 53) * k1;
    for (; len >= 128; len -= 128, s += 128) {
        mix_64(&h, s);
        mix_64(&h, s + 64);
    }
    h.y += rotate(h.w.low, 37) * k0 + h.z;
    h.x += rotate(h.v.low + h.z, 49) * k0;
    for (size_t done = 0; done < len;) { /* the rest, and some of what came before it again */
        done += 32;
        const char *tail = s + len - done;
        h.y = rotate(h.y - h.x, 42) * k0 + h.v.high;
        h.w.low += fetch64(tail + 16);
        h.x = rotate(h.x, 49) * k0 + h.w.low;
        h.w.low += h.v.low;
        h.v = weak_hash(tail, h.v.low, h.v.high);
    }
    h.x = hash_16(h.x, h.v.low);
    h.y = hash_16(h.y, h.w.low);
    return (struct ch_checksum){hash_16(h.x + h.v.high, h.w.high) + h.y,
                                hash_16(h.x + h.w.high, h.y + h.v.high)};
}

struct ch_checksum ch_checksum_of(const char *data, size_t len)
{
    struct ch_checksum seed = {k0, k1};
    if (len >= 16) {
        seed = (struct ch_checksum){fetch64(data) ^ k3, fetch64(data + 8)};
        return hash_seeded(data + 16, len - 16, seed);
    }
    if (len >= 8) {
        seed = (struct ch_checksum){fetch64(data) ^ (len * k0), fetch64(data + len - 8) ^ k1};
        return hash_seeded(NULL, 0, seed);
    }
    return hash_seeded(data, len, seed);
}

/* ---- blocks ---- */
static void put_u32(char *to, uint32_t v)
{
    memcpy(to, &v, sizeof(v));
}

static void add_block(struct buf *out, struct slice data)
{
    int room = LZ4_compressBound((int)data.len);
    char *block = buf_reserve(out, CHECKSUM_BYTES + HEAD_BYTES + (size_t)room);
    if (!block)
        return;
    char *head = block + CHECKSUM_BYTES;
    int packed = LZ4_compress_default(data.data, head + HEAD_BYTES, (int)data.len, room);
    head[0] = (char)METHOD_LZ4;
    put_u32(head + 1, (uint32_t)packed + HEAD_BYTES);
    put_u32(head + 5, (uint32_t)data.len);
    struct ch_checksum sum = ch_checksum_of(head, (size_t)packed + HEAD_BYTES);
    memcpy(block, &sum.low, sizeof(sum.low));
    memcpy(block + sizeof(sum.low), &sum.high, sizeof(sum.high));
    buf_commit(out, CHECKSUM_BYTES + HEAD_BYTES + (size_t)packed);
}

void ch_block_add(struct buf *out, struct slice data)
{
    while (data.len) {
        size_t n = data.len < CH_BLOCK_BYTES_MAX ? data.len : CH_BLOCK_BYTES_MAX;
        add_block(out, slice_of(data.data, n));
        data = slice_sub(data, n);
    }
}
