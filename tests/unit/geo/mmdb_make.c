#include "mmdb_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

#include "base/ip.h"
#include "base/must.h"

enum { T_TEXT = 2, T_U32 = 6, T_MAP = 7, T_U64 = 9, T_ARRAY = 11, T_BOOL = 14, T_U16 = 5 };

void mmdb_make_init(struct mmdb_make *m, unsigned ip_version, unsigned record_bits)
{
    memset(m, 0, sizeof(*m));
    m->ip_version = ip_version;
    m->record_bits = record_bits;
    m->node_count = 1;
    buf_init(&m->data, 1 << 20);
}

static void put_head(struct buf *out, unsigned type, size_t size)
{
    unsigned first = size < 29 ? (unsigned)size : size < 285 ? 29 : 30;
    must(size < 65821);
    buf_add_char(out, (char)((type <= 7 ? type << 5 : 0) | first));
    if (type > 7)
        buf_add_char(out, (char)(type - 7));
    if (first == 29)
        buf_add_char(out, (char)(size - 29));
    if (first == 30) {
        buf_add_char(out, (char)((size - 285) >> 8));
        buf_add_char(out, (char)((size - 285) & 255));
    }
}

static void put_number(struct buf *out, unsigned type, uint64_t value)
{
    unsigned n = 0;
    for (uint64_t v = value; v; v >>= 8)
        n++;
    put_head(out, type, n);
    while (n--)
        buf_add_char(out, (char)(value >> (8 * n) & 255));
}

static void put_text(struct mmdb_make *m, struct buf *out, const char *text)
{
    size_t len = strlen(text);
    for (uint32_t i = 0; m && i < m->text_count; i++)
        if (strcmp(m->texts[i].text, text) == 0) {
            uint32_t at = m->texts[i].at;
            if (at < 2048) {
                buf_add_char(out, (char)(1 << 5 | at >> 8));
                buf_add_char(out, (char)(at & 255));
            } else { /* the form of two bytes */
                at -= 2048;
                must(at < 1 << 19);
                buf_add_char(out, (char)(1 << 5 | 1 << 3 | at >> 16));
                buf_add_char(out, (char)(at >> 8 & 255));
                buf_add_char(out, (char)(at & 255));
            }
            return;
        }
    if (m && len > 3 && len < sizeof(m->texts[0].text) && m->text_count < MMDB_MAKE_TEXTS_MAX) {
        memcpy(m->texts[m->text_count].text, text, len + 1);
        m->texts[m->text_count++].at = (uint32_t)out->len;
    }
    put_head(out, T_TEXT, len);
    buf_add(out, text, len);
}

static void put_value(struct mmdb_make *m, struct buf *out, yyjson_val *v)
{
    size_t i, max;
    yyjson_val *key, *item;
    if (yyjson_is_obj(v)) {
        put_head(out, T_MAP, yyjson_obj_size(v));
        yyjson_obj_foreach(v, i, max, key, item)
        {
            put_text(m, out, yyjson_get_str(key));
            put_value(m, out, item);
        }
    } else if (yyjson_is_arr(v)) {
        put_head(out, T_ARRAY, yyjson_arr_size(v));
        yyjson_arr_foreach(v, i, max, item) put_value(m, out, item);
    } else if (yyjson_is_bool(v)) {
        put_head(out, T_BOOL, yyjson_get_bool(v));
    } else if (yyjson_is_str(v)) {
        put_text(m, out, yyjson_get_str(v));
    } else {
        must(yyjson_is_uint(v));
        put_number(out, T_U32, yyjson_get_uint(v));
    }
}

static unsigned bit_of(struct ip a, unsigned bit)
{
    return (unsigned)(bit < 64 ? a.high >> (63 - bit) : a.low >> (127 - bit)) & 1;
}

void mmdb_make_put(struct mmdb_make *m, const char *network, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), 0);
    struct slice rest = slice_str(network), text = slice_cut(&rest, '/');
    struct ip address;
    uint64_t bits = 0;
    must(doc && ip_parse(text, &address) && slice_to_u64(rest, &bits));
    unsigned first = m->ip_version == 4 ? 96 : 0;
    if (ip_is_v4(address)) {
        bits += 96;
        address.low &= UINT32_MAX; /* ::a.b.c.d is where they stand */
    }
    uint64_t leaf = 2 * (uint64_t)m->data.len + 2;
    put_value(m, &m->data, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    uint64_t node = 0;
    for (unsigned bit = first; bit < bits; bit++) {
        uint64_t *to = &m->nodes[node][bit_of(address, bit)];
        if (bit + 1 == bits) {
            *to = leaf;
        } else if (!(*to & 1)) {
            must(*to == 0 && m->node_count < MMDB_MAKE_NODES_MAX);
            *to = 2 * (uint64_t)m->node_count++ + 1;
        }
        node = *to >> 1;
    }
}

static uint64_t record_of(const struct mmdb_make *m, uint64_t mark)
{
    if (mark == 0)
        return m->node_count;
    return mark & 1 ? mark >> 1 : m->node_count + 16 + (mark - 2) / 2;
}

static void put_node(const struct mmdb_make *m, uint32_t n, struct buf *out)
{
    uint64_t left = record_of(m, m->nodes[n][0]), right = record_of(m, m->nodes[n][1]);
    unsigned bytes = m->record_bits / 8;
    for (unsigned i = bytes; i--;)
        buf_add_char(out, (char)(left >> (8 * i) & 255));
    if (m->record_bits == 28)
        buf_add_char(out, (char)((left >> 24 & 15) << 4 | (right >> 24 & 15)));
    for (unsigned i = bytes; i--;)
        buf_add_char(out, (char)(right >> (8 * i) & 255));
}

void mmdb_make_finish(struct mmdb_make *m, struct buf *out)
{
    for (uint32_t n = 0; n < m->node_count; n++)
        put_node(m, n, out);
    for (int i = 0; i < 16; i++)
        buf_add_char(out, 0);
    buf_add(out, m->data.data, m->data.len);
    buf_add_str(out, "\xab\xcd\xefMaxMind.com");
    put_head(out, T_MAP, 9);
    put_text(NULL, out, "binary_format_major_version");
    put_number(out, T_U16, 2);
    put_text(NULL, out, "binary_format_minor_version");
    put_number(out, T_U16, 0);
    put_text(NULL, out, "build_epoch");
    put_number(out, T_U64, 1764115200);
    put_text(NULL, out, "database_type");
    put_text(NULL, out, "Test");
    put_text(NULL, out, "description");
    put_head(out, T_MAP, 0);
    put_text(NULL, out, "ip_version");
    put_number(out, T_U16, m->ip_version);
    put_text(NULL, out, "languages");
    put_head(out, T_ARRAY, 0);
    put_text(NULL, out, "node_count");
    put_number(out, T_U32, m->told_count ? m->told_count : m->node_count);
    put_text(NULL, out, "record_size");
    put_number(out, T_U16, m->record_bits);
    buf_done(&m->data);
    must(buf_ok(out));
}
