/* The immutable picture of projects and keys that the edge looks things up in.
 *
 * WHY   A look-up per request must cost about a microsecond and take no lock that a writer holds
 * for long: so a reload builds a whole new view and swaps one pointer; requests hold a reference.
 * HOW   Two open-addressing tables (power of two, at most half full): keys by their SHA-256,
 * projects by id. Both are uniformly distributed for honest input; the key hash is SHA-256 and
 * project ids are made by us, so nobody outside can choose colliding entries. A third one of
 * projects by what clients call them: names.c. */
#include "tenant/tenant_int.h"

#include <stddef.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/must.h"
#include "codec/hash.h"
#include "tenant/admin.h"
#include "tenant/share.h"

enum { ARENA_CHUNK = 64 << 10, ARENA_MAX = 1 << 30 };

struct key_slot {
    uint8_t hash[SHA256_BYTES];
    bool is_used;
    _Atomic int64_t used_ms; /* 0: not in this view's time */
    int64_t written_ms;      /* what the database has of it; the watcher's */
    struct tenant_key key;
};

struct tenant_view {
    _Atomic uint32_t refs;
    uint64_t generation; /* no two views of a process have the same */
    struct arena arena;  /* everything below */
    struct key_slot *keys;
    uint64_t key_mask;
    const struct tenant_project **projects;
    uint64_t project_mask;
    struct name_table names; /* of projects that are not archived */
    struct share_table shares;
    struct tenant_issuer *issuers; /* a handful per organisation, looked through */
    uint32_t issuer_count;
};

struct tenant_view *tenant_view_take(struct tenant *t)
{
    pthread_mutex_lock(&t->view_lock);
    struct tenant_view *v = t->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&t->view_lock);
    return v;
}

uint64_t tenant_view_generation(const struct tenant_view *v)
{
    return v->generation;
}

void tenant_view_give(struct tenant_view *v)
{
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_done(&v->arena);
    heap_free(v);
}

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* The version and time bits of a UUIDv7 repeat; its tail is random. */
static uint64_t project_slot(const struct uuid *id)
{
    return word_of(id->bytes + 8);
}

static const struct tenant_project *find_project(const struct tenant_view *v,
                                                 const struct uuid *project)
{
    for (uint64_t at = project_slot(project) & v->project_mask; v->projects[at];
         at = (at + 1) & v->project_mask)
        if (memcmp(v->projects[at]->id.bytes, project->bytes, sizeof(project->bytes)) == 0)
            return v->projects[at];
    return NULL;
}

const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *project)
{
    const struct tenant_project *p = find_project(v, project);
    return p && !p->is_archived ? p : NULL;
}

void tenant_view_projects(const struct tenant_view *v,
                          void (*each)(void *ctx, const struct tenant_project *project), void *ctx)
{
    for (uint64_t i = 0; i <= v->project_mask; i++)
        if (v->projects[i])
            each(ctx, v->projects[i]);
}

const struct tenant_project *tenant_project_by_name(const struct tenant_view *v, struct slice name)
{
    const struct name_slot *slot = name_table_find(&v->names, name);
    return slot ? slot->project : NULL;
}

const struct tenant_issuer *tenant_issuer_find(const struct tenant_view *v, struct slice issuer,
                                               struct slice audience)
{
    for (uint32_t i = 0; i < v->issuer_count; i++)
        if (slice_eq(v->issuers[i].issuer, issuer) && slice_eq(v->issuers[i].audience, audience))
            return &v->issuers[i];
    return NULL;
}

const struct tenant_share *tenant_share_by_link(const struct tenant_view *v, struct slice link,
                                                unix_ms now)
{
    return share_table_by_link(&v->shares, link, now);
}

const struct tenant_share *tenant_share_by_visit(const struct tenant_view *v, struct slice visit,
                                                 unix_ms now)
{
    return share_table_by_visit(&v->shares, visit, now);
}

/* ---- keys ---- */
/* Write keys that this thread has found, by their text: the hash of the same few keys was a tenth
 * of an ingest request's instructions. Secret keys are not kept: their text is to be nowhere. */
enum { MEMOS_BITS = 6, MEMO_KEY_BYTES_MIN = 3 + 32, MEMO_KEY_BYTES_MAX = 3 + 32 + 6 };
struct key_memo {
    uint64_t generation; /* of the view it was found in; 0 = unused */
    size_t len;
    char text[MEMO_KEY_BYTES_MAX];
    const struct tenant_key *key;
};

static struct key_memo *memo_of(struct slice text)
{
    static _Thread_local struct key_memo memos[1 << MEMOS_BITS];
    uint64_t mixed = word_of((const uint8_t *)text.data + 3) * UINT64_C(0x9e3779b97f4a7c15);
    return &memos[mixed >> (64 - MEMOS_BITS)];
}

static const struct tenant_key *find_by_hash(const struct tenant_view *v, struct slice text)
{
    uint8_t hash[SHA256_BYTES];
    sha256(text, hash);
    /* Comparing hashes of a secret leaks nothing usable by its timing: the attacker cannot steer
     * them. */
    for (uint64_t at = word_of(hash) & v->key_mask; v->keys[at].is_used;
         at = (at + 1) & v->key_mask)
        if (memcmp(v->keys[at].hash, hash, sizeof(hash)) == 0)
            return &v->keys[at].key;
    return NULL;
}

static const struct tenant_key *find_write_key(const struct tenant_view *v, struct slice text)
{
    if (text.len < MEMO_KEY_BYTES_MIN || text.len > MEMO_KEY_BYTES_MAX)
        return find_by_hash(v, text);
    struct key_memo *memo = memo_of(text);
    if (memo->generation == v->generation && memo->len == text.len &&
        memcmp(memo->text, text.data, text.len) == 0)
        return memo->key;
    const struct tenant_key *key = find_by_hash(v, text);
    if (key) {
        *memo = (struct key_memo){.generation = v->generation, .len = text.len, .key = key};
        memcpy(memo->text, text.data, text.len);
    }
    return key;
}

const struct tenant_key *tenant_key_find(const struct tenant_view *v, struct slice text,
                                         unix_ms now)
{
    const struct tenant_key *key = NULL;
    if (text.len >= TENANT_KEY_TEXT_MAX)
        return NULL;
    if (slice_has_prefix(text, SLICE_LIT("wk_")))
        key = find_write_key(v, text);
    else if (slice_has_prefix(text, SLICE_LIT("sk_")))
        key = find_by_hash(v, text);
    if (!key || key->project->is_archived || (key->expires_at.ms && key->expires_at.ms <= now.ms))
        return NULL;
    return key;
}

const struct tenant_key *tenant_key_by_id(const struct tenant_view *v, const struct uuid *id,
                                          unix_ms now)
{
    for (uint64_t i = 0; i <= v->key_mask; i++) {
        const struct tenant_key *key = &v->keys[i].key;
        if (v->keys[i].is_used && memcmp(&key->id, id, sizeof(*id)) == 0)
            return key->project->is_archived || (key->expires_at.ms && key->expires_at.ms <= now.ms)
                       ? NULL
                       : key;
    }
    return NULL;
}

static bool is_allowed(struct slice lines, struct slice origin)
{
    if (!lines.len || !origin.len)
        return true;
    while (lines.len)
        if (slice_eq(slice_cut(&lines, '\n'), origin))
            return true;
    return false;
}

bool tenant_key_allows(const struct tenant_key *key, struct slice origin)
{
    return is_allowed(
        key->allowed_origins.len ? key->allowed_origins : key->project->allowed_origins, origin);
}

bool tenant_project_allows(const struct tenant_project *p, struct slice origin)
{
    return is_allowed(p->allowed_origins, origin);
}

static struct key_slot *slot_of(const struct tenant_key *key)
{
    return (struct key_slot *)((uintptr_t)key - offsetof(struct key_slot, key));
}

/* To the minute: most uses find nothing to write, so the line is not passed between the cores. */
void tenant_key_used(const struct tenant_key *key, unix_ms now)
{
    _Atomic int64_t *used = &slot_of(key)->used_ms;
    if (now.ms - atomic_load_explicit(used, memory_order_relaxed) >= 60000)
        atomic_store_explicit(used, now.ms, memory_order_relaxed);
}

static enum rc write_uses(void *ctx, struct state *s, struct err *err)
{
    struct tenant_view *v = ctx;
    for (uint64_t i = 0; i <= v->key_mask; i++) {
        struct key_slot *slot = &v->keys[i];
        int64_t used = atomic_load_explicit(&slot->used_ms, memory_order_relaxed);
        if (used <= slot->written_ms)
            continue;
        TRY(state_run(s,
                      "UPDATE keys SET last_used_at = ?1 WHERE id = ?2 AND "
                      "(last_used_at IS NULL OR last_used_at < ?1)",
                      (struct state_value[]){STATE_I64(used), STATE_STR(slot->key.id_text)}, 2,
                      NULL, NULL, err));
        slot->written_ms = used;
    }
    return RC_OK;
}

enum rc tenant_view_write_uses(struct tenant_view *v, struct state *state, struct err *err)
{
    bool is_any = false;
    for (uint64_t i = 0; i <= v->key_mask && !is_any; i++)
        is_any =
            atomic_load_explicit(&v->keys[i].used_ms, memory_order_relaxed) > v->keys[i].written_ms;
    return is_any ? state_transaction(state, write_uses, v, err) : RC_OK;
}

/* ---- loading ---- */
static uint64_t table_size(int64_t entries)
{
    uint64_t size = 16;
    while (size < (uint64_t)entries * 2)
        size *= 2;
    return size;
}

/* A word of a later version asks for more privacy rather than for less. */
static enum tenant_privacy privacy_of(struct slice word)
{
    return slice_eq_str(word, "standard")  ? TENANT_PRIVACY_STANDARD
           : slice_eq_str(word, "relaxed") ? TENANT_PRIVACY_RELAXED
                                           : TENANT_PRIVACY_STRICT;
}

static enum rc load_project(void *ctx, const struct state_row *row)
{
    struct tenant_view *v = ctx;
    struct tenant_project *p = arena_zalloc(&v->arena, sizeof(*p));
    ENSURE(p, RC_NOMEM);
    struct slice hash_key = state_row_blob(row, 4);
    if (!uuid_parse(state_row_text(row, 0), &p->id) ||
        !uuid_parse(state_row_text(row, 1), &p->org) || hash_key.len != sizeof(p->hash_key))
        return RC_CORRUPT;
    uuid_format(&p->id, p->id_text);
    struct slice name = state_row_text(row, 2);
    size_t name_len = name.len < sizeof(p->name) ? name.len : sizeof(p->name) - 1;
    memcpy(p->name, name.data, name_len);
    p->jwt_secret = arena_copy(&v->arena, state_row_blob(row, 3));
    memcpy(p->hash_key, hash_key.data, sizeof(p->hash_key));
    p->allowed_origins = arena_copy(&v->arena, state_row_text(row, 5));
    p->events_per_month_max = state_row_i64(row, 6);
    p->is_archived = !state_row_is_null(row, 7);
    p->domains = arena_copy(&v->arena, state_row_text(row, 8));
    p->privacy = privacy_of(state_row_text(row, 9));
    p->client_ids = arena_copy(&v->arena, state_row_text(row, 10));
    p->time_zone = arena_copy(&v->arena, state_row_text(row, 11));
    p->retention_days = state_row_i64(row, 12);
    p->drops_bots = slice_eq_str(state_row_text(row, 13), "drop");
    uint64_t at = project_slot(&p->id) & v->project_mask;
    while (v->projects[at])
        at = (at + 1) & v->project_mask;
    v->projects[at] = p;
    return RC_OK;
}

static enum rc load_names(struct tenant_view *v)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i <= v->project_mask; i++)
        if (v->projects[i])
            count += name_count(v->projects[i]->domains) + name_count(v->projects[i]->client_ids);
    TRY(name_table_init(&v->names, &v->arena, count));
    for (uint64_t i = 0; i <= v->project_mask; i++) {
        const struct tenant_project *p = v->projects[i];
        if (!p || p->is_archived)
            continue;
        TRY(name_table_add(&v->names, &v->arena, p->domains, p));
        TRY(name_table_add(&v->names, &v->arena, p->client_ids, p));
    }
    return RC_OK;
}

static enum rc load_key(void *ctx, const struct state_row *row)
{
    struct tenant_view *v = ctx;
    struct uuid project;
    struct slice hash = state_row_blob(row, 2);
    if (!uuid_parse(state_row_text(row, 0), &project) || hash.len != SHA256_BYTES)
        return RC_CORRUPT;
    uint64_t at = word_of((const uint8_t *)hash.data) & v->key_mask;
    while (v->keys[at].is_used)
        at = (at + 1) & v->key_mask;
    struct key_slot *slot = &v->keys[at];
    struct tenant_key *key = &slot->key;
    memcpy(slot->hash, hash.data, SHA256_BYTES);
    slot->is_used = true;
    key->project = find_project(v, &project);
    if (!key->project || !uuid_parse(state_row_text(row, 3), &key->id))
        return RC_CORRUPT;
    uuid_format(&key->id, key->id_text);
    key->kind =
        slice_eq_str(state_row_text(row, 1), "secret") ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    key->expires_at = (unix_ms){state_row_i64(row, 5)};
    key->allowed_origins = arena_copy(&v->arena, state_row_text(row, 6));
    slot->written_ms = state_row_i64(row, 7);
    return tenant_permissions_parse(state_row_text(row, 4), &key->scopes, NULL);
}

static enum rc load_issuer(void *ctx, const struct state_row *row)
{
    struct tenant_view *v = ctx;
    struct tenant_issuer *i = &v->issuers[v->issuer_count++];
    struct slice *const texts[] = {&i->issuer,     &i->audience,      &i->jwks_url,  &i->algorithms,
                                   &i->user_claim, &i->project_claim, &i->role_claim};
    if (!uuid_parse(state_row_text(row, 0), &i->id) || !uuid_parse(state_row_text(row, 1), &i->org))
        return RC_CORRUPT;
    for (size_t at = 0; at < COUNT_OF(texts); at++)
        *texts[at] = arena_copy(&v->arena, state_row_text(row, (int)at + 2));
    return RC_OK;
}

#define LIVE_KEYS "FROM keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)"

/* All reads inside one transaction, so that counts, projects and keys are of one moment. */
static enum rc load_all(void *ctx, struct state *s, struct err *err)
{
    struct tenant_view *v = ctx;
    int64_t projects = 0, keys = 0, issuers = 0;
    const struct state_value now = STATE_I64(unix_now().ms);
    TRY(state_run_i64(s, "SELECT count(*) FROM projects", NULL, 0, &projects, err));
    TRY(state_run_i64(s, "SELECT count(*) FROM token_issuers", NULL, 0, &issuers, err));
    TRY(state_run_i64(s, "SELECT count(*) " LIVE_KEYS, &now, 1, &keys, err));
    uint64_t project_size = table_size(projects), key_size = table_size(keys);
    v->project_mask = project_size - 1;
    v->key_mask = key_size - 1;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    v->projects = arena_zalloc(&v->arena, project_size * sizeof(*v->projects));
    v->keys = arena_zalloc(&v->arena, key_size * sizeof(*v->keys));
    v->issuers = arena_zalloc(&v->arena, (size_t)(issuers + 1) * sizeof(*v->issuers));
    if (!v->projects || !v->keys || !v->issuers)
        return err_set(err, RC_NOMEM, "no memory for %lld projects and %lld keys",
                       (long long)projects, (long long)keys);
    TRY(state_run(
        s,
        "SELECT id, org_id, name, jwt_secret, hash_key, allowed_origins, "
        "events_per_month_max, archived_at, domains, privacy_mode, client_ids, time_zone, "
        "retention_days, bot_policy FROM projects",
        NULL, 0, load_project, v, err));
    TRY(load_names(v));
    v->shares = (struct share_table){.arena = &v->arena, .find = find_project, .view = v};
    TRY(share_table_load(&v->shares, s, err));
    TRY(state_run(s,
                  "SELECT id, org_id, issuer, audience, jwks_url, algorithms, user_claim, "
                  "project_claim, role_claim FROM token_issuers",
                  NULL, 0, load_issuer, v, err));
    return state_run(s,
                     "SELECT project_id, kind, hash, id, scopes, expires_at, allowed_origins, "
                     "last_used_at " LIVE_KEYS,
                     &now, 1, load_key, v, err);
}

enum rc tenant_view_load(struct state *state, struct tenant_view **ret_view, struct err *err)
{
    struct tenant_view *v = heap_alloc(HEAP_TENANT, sizeof(*v));
    static _Atomic uint64_t views;
    atomic_init(&v->refs, 1);
    v->generation = 1 + atomic_fetch_add(&views, 1);
    arena_init(&v->arena, ARENA_CHUNK, ARENA_MAX);
    enum rc rc = state_transaction(state, load_all, v, err);
    if (rc != RC_OK) {
        tenant_view_give(v);
        if (err && err->rc == RC_OK)
            err_set(err, rc, "projects or keys in the state database are damaged");
        return rc;
    }
    *ret_view = v;
    return RC_OK;
}
