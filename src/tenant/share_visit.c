/* WHAT  share.h: links and visits as the edge finds them in a view. Pure.
 * WHY   A visit is signed and not kept: whoever opens a public page must not make us write. */
#include "tenant/share.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "codec/base64.h"
#include "codec/hash.h"
#include "tenant/tenant_int.h"

enum {
    PREFIX_LEN = 3,
    UUID_BYTES = sizeof(struct uuid),
    END_BYTES = 8,
    SIGNED_BYTES = UUID_BYTES + END_BYTES,
    VISIT_BYTES = SIGNED_BYTES + SHA256_BYTES,
};
static const struct slice link_prefix = SLICE_CONST("sh_"), visit_prefix = SLICE_CONST("sv_");

static int compare_links(const void *a, const void *b)
{
    const struct tenant_share *const *one = a, *const *two = b;
    return memcmp((*one)->link_hash, (*two)->link_hash, SHA256_BYTES);
}

void share_table_sort(struct share_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        t->by_link[i] = &t->all[i];
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    qsort(t->by_link, t->count, sizeof(*t->by_link), compare_links);
}

static const struct tenant_share *live(const struct tenant_share *s, unix_ms now)
{
    bool is_over = s && s->expires_at.ms && s->expires_at.ms <= now.ms;
    return s && !is_over && !s->project->is_archived ? s : NULL;
}

/* Comparing hashes leaks nothing usable by its timing: nobody can steer them. */
const struct tenant_share *share_table_by_link(const struct share_table *t, struct slice link,
                                               unix_ms now)
{
    struct tenant_share wanted = {.project = NULL}, *key = &wanted;
    if (link.len != SHARE_LINK_LEN || !slice_has_prefix(link, link_prefix) || !t->count)
        return NULL;
    sha256(link, wanted.link_hash);
    struct tenant_share *const *found =
        /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
        bsearch(&key, t->by_link, t->count, sizeof(*t->by_link), compare_links);
    return live(found ? *found : NULL, now);
}

static int compare_ids(const void *a, const void *b)
{
    const struct tenant_share *one = a, *two = b;
    return memcmp(&one->id, &two->id, sizeof(one->id));
}

static void sign(const struct tenant_share *s, const uint8_t bytes[SIGNED_BYTES],
                 uint8_t ret_mac[SHA256_BYTES])
{
    hmac_sha256(slice_of((const char *)s->visit_key, sizeof(s->visit_key)),
                slice_of((const char *)bytes, SIGNED_BYTES), ret_mac);
}

const struct tenant_share *share_table_by_visit(const struct share_table *t, struct slice visit,
                                                unix_ms now)
{
    uint8_t bytes[VISIT_BYTES + 3], mac[SHA256_BYTES]; /* base64_decoded_max() */
    struct tenant_share wanted = {.project = NULL};
    uint64_t end;
    size_t len;
    _Static_assert(sizeof(bytes) >= (SHARE_VISIT_LEN - PREFIX_LEN) / 4 * 3 + 3, "what is decoded");
    if (visit.len != SHARE_VISIT_LEN || !slice_has_prefix(visit, visit_prefix) || !t->count ||
        !base64_decode(BASE64_URL, slice_sub(visit, PREFIX_LEN), bytes, &len) || len != VISIT_BYTES)
        return NULL;
    memcpy(&wanted.id, bytes, UUID_BYTES);
    memcpy(&end, bytes + UUID_BYTES, END_BYTES);
    const struct tenant_share *s = bsearch(&wanted, t->all, t->count, sizeof(*t->all), compare_ids);
    if (!s)
        return NULL;
    sign(s, bytes, mac);
    if (!slice_eq_const_time(slice_of((const char *)mac, sizeof(mac)),
                             slice_of((const char *)bytes + SIGNED_BYTES, SHA256_BYTES)))
        return NULL;
    return (int64_t)be64toh(end) > now.ms ? live(s, now) : NULL;
}

unix_ms tenant_share_begin(const struct tenant_share *s, unix_ms now,
                           char ret_visit[SHARE_VISIT_LEN + 1])
{
    static const int64_t visit_ms = INT64_C(3600000) * SHARE_VISIT_HOURS;
    uint8_t bytes[VISIT_BYTES];
    struct buf text;
    unix_ms end = {now.ms + visit_ms};
    uint64_t end_be = htobe64((uint64_t)end.ms);
    memcpy(bytes, &s->id, UUID_BYTES);
    memcpy(bytes + UUID_BYTES, &end_be, END_BYTES);
    sign(s, bytes, bytes + SIGNED_BYTES);
    buf_init(&text, base64_encoded_max(VISIT_BYTES));
    base64_encode(&text, BASE64_URL, slice_of((const char *)bytes, VISIT_BYTES));
    must(buf_ok(&text) && text.len == SHARE_VISIT_LEN - PREFIX_LEN);
    snprintf(ret_visit, SHARE_VISIT_LEN + 1, "%s%.*s", visit_prefix.data, (int)text.len, text.data);
    buf_done(&text);
    return end;
}
