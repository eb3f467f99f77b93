/* WHAT    What one thread's parser was asked lately: a hash table and a list, the least lately used
 *         goes first.
 * WHY     A million events come from some thousand different user agents; finding one again costs
 *         a hash and a comparison.
 * INVARIANTS  bytes <= bytes_max. An entry is one block: itself, the key's texts, the result's.
 * THREADS the parser's. */
#include "ua/ua_int.h"

#include "base/random.h"
#include "base/siphash.h"

enum { PARTS = 6, TEXTS = 6, ENTRY_BYTES_TYPICAL = 512, BUCKETS_MIN = 16 };
struct entry {
    struct entry *chain, *newer, *older;
    uint64_t hash;
    size_t bytes;
    size_t key_len[PARTS];
    struct ua_result result;
    char texts[];
};
struct ua_cache {
    struct siphash_key key;
    struct entry **buckets;
    uint64_t mask;
    struct entry *newest, *oldest;
    size_t bytes, bytes_max;
};

struct ua_cache *ua_cache_new(size_t bytes_max)
{
    struct ua_cache *c = heap_try_alloc(HEAP_ANALYTICS, sizeof(*c));
    uint64_t buckets = BUCKETS_MIN;
    while (buckets < bytes_max / ENTRY_BYTES_TYPICAL)
        buckets *= 2;
    if (c)
        c->buckets = heap_try_alloc(HEAP_ANALYTICS, buckets * sizeof(struct entry *));
    if (!c || !c->buckets) {
        ua_cache_free(c);
        return NULL;
    }
    c->mask = buckets - 1;
    c->bytes_max = bytes_max;
    random_draw(&c->key, sizeof(c->key));
    return c;
}

void ua_cache_free(struct ua_cache *c)
{
    if (!c)
        return;
    for (struct entry *e = c->newest, *older; e; e = older) {
        older = e->older;
        heap_free(e);
    }
    heap_free(c->buckets);
    heap_free(c);
}

size_t ua_cache_bytes(const struct ua_cache *c)
{
    return c->bytes;
}

void ua_cache_key(const struct ua_cache *c, struct slice ua, const struct ua_hints *hints,
                  struct ua_key *ret)
{
    static const struct ua_hints none = {0};
    const struct ua_hints *h = hints ? hints : &none;
    *ret = (struct ua_key){
        .parts = {ua, h->brands, h->platform, h->platform_version, h->model, h->mobile}};
    struct siphash_key key = c->key;
    for (unsigned i = 0; i < PARTS; i++) {
        if (ret->parts[i].len == 0)
            continue;
        key.k0 ^= siphash(&key, ret->parts[i].data, ret->parts[i].len) + i;
        ret->hash = key.k0;
    }
}

/* ---- the list ---- */
static void unlink_entry(struct ua_cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct ua_cache *c, struct entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void drop_oldest(struct ua_cache *c)
{
    struct entry *e = c->oldest;
    struct entry **at = &c->buckets[e->hash & c->mask];
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_entry(c, e);
    c->bytes -= e->bytes;
    heap_free(e);
}

/* ---- entries ---- */
static bool is_same(const struct entry *e, const struct ua_key *key)
{
    const char *at = e->texts;
    if (e->hash != key->hash)
        return false;
    for (unsigned i = 0; i < PARTS; at += e->key_len[i], i++)
        if (e->key_len[i] != key->parts[i].len ||
            (e->key_len[i] && memcmp(at, key->parts[i].data, e->key_len[i]) != 0))
            return false;
    return true;
}

const struct ua_result *ua_cache_get(struct ua_cache *c, const struct ua_key *key)
{
    struct entry *e = c->buckets[key->hash & c->mask];
    while (e && !is_same(e, key))
        e = e->chain;
    if (!e)
        return NULL;
    if (e != c->newest) {
        unlink_entry(c, e);
        link_newest(c, e);
    }
    return &e->result;
}

static void result_texts(struct ua_result *r, struct slice *ret[TEXTS])
{
    struct slice *all[TEXTS] = {&r->browser_name, &r->browser_version, &r->os_name,
                                &r->os_version,   &r->device_brand,    &r->device_model};
    memcpy(ret, all, sizeof(all));
}

static char *put_text(char *to, struct slice text)
{
    if (text.len)
        memcpy(to, text.data, text.len);
    return to + text.len;
}

static void fill(struct entry *e, const struct ua_key *key, const struct ua_result *r)
{
    struct slice *texts[TEXTS];
    char *to = e->texts;
    e->hash = key->hash;
    e->result = *r;
    for (unsigned i = 0; i < PARTS; i++) {
        e->key_len[i] = key->parts[i].len;
        to = put_text(to, key->parts[i]);
    }
    result_texts(&e->result, texts);
    for (unsigned i = 0; i < TEXTS; i++) {
        char *from = to;
        to = put_text(to, *texts[i]);
        texts[i]->data = from;
    }
}

const struct ua_result *ua_cache_put(struct ua_cache *c, const struct ua_key *key,
                                     const struct ua_result *r)
{
    struct ua_result copy = *r;
    struct slice *texts[TEXTS];
    size_t bytes = sizeof(struct entry);
    result_texts(&copy, texts);
    for (unsigned i = 0; i < PARTS; i++)
        bytes += key->parts[i].len;
    for (unsigned i = 0; i < TEXTS; i++)
        bytes += texts[i]->len;
    if (bytes > c->bytes_max)
        return NULL;
    while (c->bytes > c->bytes_max - bytes)
        drop_oldest(c);
    struct entry *e = heap_try_alloc(HEAP_ANALYTICS, bytes);
    if (!e)
        return NULL;
    fill(e, key, r);
    e->bytes = bytes;
    e->chain = c->buckets[key->hash & c->mask];
    c->buckets[key->hash & c->mask] = e;
    link_newest(c, e);
    c->bytes += bytes;
    return &e->result;
}
