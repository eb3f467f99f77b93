/* The immutable picture of projects and keys that the edge looks things up in.
 *
 * WHY   A look-up per request must cost about a microsecond and take no lock that a writer holds
 * for long: so a reload builds a whole new view and swaps one pointer; requests hold a reference.
 * HOW   Two open-addressing tables (power of two, at most half full): keys by their SHA-256,
 * projects by id. Both are uniformly distributed for honest input; the key hash is SHA-256 and
 * project ids are made by us, so nobody outside can choose colliding entries. */
#include "tenant/tenant_int.h"

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/heap.h"
#include "base/must.h"

enum { ARENA_CHUNK = 64 << 10, ARENA_MAX = 1 << 30 };

struct key_slot {
    uint8_t hash[TENANT_HASH_BYTES];
    const struct tenant_project *project; /* NULL = free slot */
    enum tenant_key_kind kind;
};

struct tenant_view {
    _Atomic uint32_t refs;
    uint64_t generation; /* no two views of a process have the same */
    struct arena arena;  /* everything below */
    struct key_slot *keys;
    uint64_t key_mask;
    const struct tenant_project **projects;
    uint64_t project_mask;
};

/* OpenSSL 3 looks an algorithm up by its name with every SHA256(): once is enough. */
static EVP_MD *digest;

static void fetch_sha256(void)
{
    digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    must(digest);
}

void tenant_hash_key(struct slice key, uint8_t ret_hash[TENANT_HASH_BYTES])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    must(pthread_once(&once, fetch_sha256) == 0);
    must(EVP_Digest(key.data, key.len, ret_hash, NULL, digest, NULL) == 1);
}

struct tenant_view *tenant_view_take(struct tenant *t)
{
    pthread_mutex_lock(&t->view_lock);
    struct tenant_view *v = t->view;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    pthread_mutex_unlock(&t->view_lock);
    return v;
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

const struct tenant_project *tenant_by_id(const struct tenant_view *v, const struct uuid *project)
{
    for (uint64_t at = project_slot(project) & v->project_mask; v->projects[at];
         at = (at + 1) & v->project_mask)
        if (memcmp(v->projects[at]->id.bytes, project->bytes, sizeof(project->bytes)) == 0)
            return v->projects[at];
    return NULL;
}

/* Write keys that this thread has found, by their text: the hash of the same few keys was a tenth
 * of an ingest request's instructions. Secret keys are not kept: their text is to be nowhere. */
enum { MEMOS_BITS = 6, MEMO_KEY_BYTES = 3 + 32 };
struct key_memo {
    uint64_t generation; /* of the view it was found in; 0 = unused */
    char key[MEMO_KEY_BYTES];
    const struct tenant_project *project;
};

static struct key_memo *memo_of(struct slice key)
{
    static _Thread_local struct key_memo memos[1 << MEMOS_BITS];
    uint64_t mixed = word_of((const uint8_t *)key.data + 3) * UINT64_C(0x9e3779b97f4a7c15);
    return &memos[mixed >> (64 - MEMOS_BITS)];
}

static const struct tenant_project *find_by_hash(const struct tenant_view *v, struct slice key,
                                                 enum tenant_key_kind kind)
{
    uint8_t hash[TENANT_HASH_BYTES];
    tenant_hash_key(key, hash);
    /* Comparing hashes of a secret leaks nothing usable by its timing: the attacker cannot steer
     * them. */
    for (uint64_t at = word_of(hash) & v->key_mask; v->keys[at].project;
         at = (at + 1) & v->key_mask)
        if (v->keys[at].kind == kind && memcmp(v->keys[at].hash, hash, sizeof(hash)) == 0)
            return v->keys[at].project;
    return NULL;
}

const struct tenant_project *tenant_by_key(const struct tenant_view *v, struct slice key,
                                           enum tenant_key_kind kind)
{
    struct slice prefix = kind == TENANT_KEY_WRITE ? SLICE_LIT("wk_") : SLICE_LIT("sk_");
    if (key.len > 64 || !slice_has_prefix(key, prefix))
        return NULL;
    if (kind != TENANT_KEY_WRITE || key.len != MEMO_KEY_BYTES)
        return find_by_hash(v, key, kind);
    struct key_memo *memo = memo_of(key);
    if (memo->generation == v->generation && memcmp(memo->key, key.data, sizeof(memo->key)) == 0)
        return memo->project;
    const struct tenant_project *project = find_by_hash(v, key, kind);
    if (project) {
        *memo = (struct key_memo){.generation = v->generation, .project = project};
        memcpy(memo->key, key.data, sizeof(memo->key));
    }
    return project;
}

static uint64_t table_size(int64_t entries)
{
    uint64_t size = 16;
    while (size < (uint64_t)entries * 2)
        size *= 2;
    return size;
}

static enum rc take_count(void *ctx, const struct state_row *row)
{
    *(int64_t *)ctx = state_row_i64(row, 0);
    return RC_OK;
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
    uint64_t at = project_slot(&p->id) & v->project_mask;
    while (v->projects[at])
        at = (at + 1) & v->project_mask;
    v->projects[at] = p;
    return RC_OK;
}

static enum rc load_key(void *ctx, const struct state_row *row)
{
    struct tenant_view *v = ctx;
    struct uuid project;
    struct slice hash = state_row_blob(row, 2);
    if (!uuid_parse(state_row_text(row, 0), &project) || hash.len != TENANT_HASH_BYTES)
        return RC_CORRUPT;
    const struct tenant_project *p = tenant_by_id(v, &project);
    ENSURE(p, RC_CORRUPT);
    uint64_t at = word_of((const uint8_t *)hash.data) & v->key_mask;
    while (v->keys[at].project)
        at = (at + 1) & v->key_mask;
    memcpy(v->keys[at].hash, hash.data, TENANT_HASH_BYTES);
    v->keys[at].kind =
        slice_eq_str(state_row_text(row, 1), "secret") ? TENANT_KEY_SECRET : TENANT_KEY_WRITE;
    v->keys[at].project = p;
    return RC_OK;
}

/* All reads inside one transaction, so that counts, projects and keys are of one moment. */
static enum rc load_all(void *ctx, struct state *s, struct err *err)
{
    struct tenant_view *v = ctx;
    int64_t projects = 0, keys = 0;
    TRY(state_run(s, "SELECT count(*) FROM projects", NULL, 0, take_count, &projects, err));
    TRY(state_run(s, "SELECT count(*) FROM keys WHERE revoked_at IS NULL", NULL, 0, take_count,
                  &keys, err));
    uint64_t project_size = table_size(projects), key_size = table_size(keys);
    v->project_mask = project_size - 1;
    v->key_mask = key_size - 1;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a table of pointers */
    v->projects = arena_zalloc(&v->arena, project_size * sizeof(*v->projects));
    v->keys = arena_zalloc(&v->arena, key_size * sizeof(*v->keys));
    if (!v->projects || !v->keys)
        return err_set(err, RC_NOMEM, "no memory for %lld projects and %lld keys",
                       (long long)projects, (long long)keys);
    TRY(state_run(s, "SELECT id, org_id, name, jwt_secret, hash_key FROM projects", NULL, 0,
                  load_project, v, err));
    return state_run(s, "SELECT project_id, kind, hash FROM keys WHERE revoked_at IS NULL", NULL, 0,
                     load_key, v, err);
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
