/* WHAT    Which ids are one person: the rules of docs/definitions.md, "Person", over the claims and
 *         aliases of the ids that a step is about.
 * WHY     The statements hand over each id that could change, with all that is tied to it, so the
 *         answer needs nothing else: claims that hold and aliases of two known ids are edges, and a
 *         person is what they connect (union by halving paths).
 *         A leaf is an id of which only one new claim is known. It joins the person of its owner
 *         without a look at the others, unless that person is made anew in the same step.
 * THREADS pure. */
#include "analytics/person/persons_int.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/must.h"
#include "base/uuid.h"

enum { KEY_DIGITS = 64 };
struct key { /* when, in the order of events, as hexadecimal digits; all ones: never */
    char digits[KEY_DIGITS];
};
struct node {
    struct uuid project;
    uint64_t id;
    struct key known, claimed;
    uint64_t owner;  /* who claimed it first; 0: nobody */
    uint64_t person; /* as the table has it; 0: itself */
    uint32_t up;     /* towards the one that stands for the person */
};
struct alias {
    struct uuid project;
    uint64_t previous, id;
    struct key at;
};
struct leaf {
    struct node node; /* person: the owner's */
};
struct merge {
    struct node *nodes;
    struct alias *aliases;
    struct leaf *leaves;
    size_t node_count, alias_count, leaf_count;
    uint32_t generation;
    uint64_t version;
    struct buf *rows;
};

/* ---- reading ---- */
static bool take_u64(struct slice *row, uint64_t *ret)
{
    return slice_to_u64(slice_cut(row, '\t'), ret);
}

static bool take_key(struct slice *row, struct key *ret)
{
    struct slice text = slice_cut(row, '\t');
    if (!text.data || text.len != KEY_DIGITS)
        return false;
    memcpy(ret->digits, text.data, KEY_DIGITS);
    return true;
}

static bool read_node(struct slice row, struct node *ret)
{
    return uuid_parse(slice_cut(&row, '\t'), &ret->project) && take_u64(&row, &ret->id) &&
           take_key(&row, &ret->known) && take_u64(&row, &ret->owner) &&
           take_key(&row, &ret->claimed) && take_u64(&row, &ret->person);
}

static bool read_alias(struct slice row, struct alias *ret)
{
    return uuid_parse(slice_cut(&row, '\t'), &ret->project) && take_u64(&row, &ret->previous) &&
           take_u64(&row, &ret->id) && take_key(&row, &ret->at);
}

static size_t lines_of(struct slice text)
{
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static enum rc make_room(struct merge *m, const struct persons_merge_in *in, struct err *err)
{
    size_t nodes = lines_of(in->nodes), leaves = lines_of(in->leaves);
    size_t aliases = lines_of(in->aliases);
    if (nodes + leaves >= UINT32_MAX) {
        IGNORE(err_set(err, RC_LIMIT, "too many ids in one step"), "it is what is returned");
        return RC_LIMIT;
    }
    m->nodes = heap_try_alloc(HEAP_ANALYTICS, (nodes + leaves + 1) * sizeof(*m->nodes));
    m->leaves = heap_try_alloc(HEAP_ANALYTICS, (leaves + 1) * sizeof(*m->leaves));
    m->aliases = heap_try_alloc(HEAP_ANALYTICS, (aliases + 1) * sizeof(*m->aliases));
    if (m->nodes && m->leaves && m->aliases)
        return RC_OK;
    IGNORE(err_set(err, RC_NOMEM, "no memory to put ids together"), "it is what is returned");
    return RC_NOMEM;
}

static enum rc read_all(struct merge *m, const struct persons_merge_in *in, struct err *err)
{
    struct slice nodes = in->nodes, leaves = in->leaves, aliases = in->aliases;
    bool is_fine = true;
    TRY(make_room(m, in, err));
    while (nodes.len && is_fine)
        is_fine = read_node(slice_cut(&nodes, '\n'), &m->nodes[m->node_count++]);
    while (leaves.len && is_fine)
        is_fine = read_node(slice_cut(&leaves, '\n'), &m->leaves[m->leaf_count++].node);
    while (aliases.len && is_fine)
        is_fine = read_alias(slice_cut(&aliases, '\n'), &m->aliases[m->alias_count++]);
    ENSURE(is_fine, err_set(err, RC_STORE, "the store's answer has another shape than expected"));
    return RC_OK;
}

/* ---- finding ---- */
static int compare_ids(const struct uuid *p, uint64_t a, const struct uuid *q, uint64_t b)
{
    int c = memcmp(p->bytes, q->bytes, sizeof(p->bytes));
    return c ? c : a < b ? -1 : a > b;
}

static int by_id(const void *x, const void *y)
{
    const struct node *a = x, *b = y;
    return compare_ids(&a->project, a->id, &b->project, b->id);
}

static struct node *find(const struct merge *m, size_t count, const struct uuid *project,
                         uint64_t id)
{
    size_t from = 0, to = count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        struct node *n = &m->nodes[middle];
        int c = compare_ids(&n->project, n->id, project, id);
        if (c == 0)
            return n;
        if (c < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

static int compare_keys(const struct key *a, const struct key *b)
{
    return memcmp(a->digits, b->digits, KEY_DIGITS);
}

static bool is_before(const struct key *a, const struct key *b)
{
    return compare_keys(a, b) < 0;
}

/* ---- persons ---- */
static uint32_t top_of(struct merge *m, uint32_t i)
{
    while (m->nodes[i].up != i) {
        m->nodes[i].up = m->nodes[m->nodes[i].up].up;
        i = m->nodes[i].up;
    }
    return i;
}

/* The one that was known first stands for all: it stays when others join it. */
static void join(struct merge *m, const struct node *a, const struct node *b)
{
    uint32_t i = top_of(m, (uint32_t)(a - m->nodes)), k = top_of(m, (uint32_t)(b - m->nodes));
    const struct node *x = &m->nodes[i], *y = &m->nodes[k];
    int c = compare_keys(&x->known, &y->known);
    if (c == 0)
        c = x->id < y->id ? -1 : x->id > y->id;
    if (c < 0)
        m->nodes[k].up = i;
    else
        m->nodes[i].up = k;
}

static void claim(struct node *n, uint64_t owner, const struct key *at)
{
    if (n->owner == 0 || is_before(at, &n->claimed)) {
        n->owner = owner;
        n->claimed = *at;
    }
}

/* An alias claims the id that is not yet known for the other one. Of two known ids it joins the
 * persons, and is all that does. */
static void apply_alias(struct merge *m, const struct alias *a)
{
    struct node *previous = find(m, m->node_count, &a->project, a->previous);
    struct node *id = find(m, m->node_count, &a->project, a->id);
    if (!previous || !id)
        return; /* one of another person, which has no part in this */
    if (is_before(&a->at, &previous->known))
        claim(previous, a->id, &a->at);
    else if (is_before(&a->at, &id->known))
        claim(id, a->previous, &a->at);
    else
        join(m, previous, id);
}

static enum rc apply_claims(struct merge *m, struct err *err)
{
    for (size_t i = 0; i < m->node_count; i++) {
        const struct node *n = &m->nodes[i];
        if (n->owner == 0 || !is_before(&n->claimed, &n->known))
            continue;
        const struct node *owner = find(m, m->node_count, &n->project, n->owner);
        ENSURE(owner, err_set(err, RC_CORRUPT, "identities do not fit the claims"));
        join(m, n, owner);
    }
    return RC_OK;
}

/* Leaves of persons that are made anew are made with them. */
static void sort_leaves(struct merge *m)
{
    size_t kept = 0, count = m->node_count;
    for (size_t i = 0; i < m->leaf_count; i++) {
        struct node *n = &m->leaves[i].node;
        const struct node *own = find(m, count, &n->project, n->id);
        if (own)
            continue; /* a member by itself, with the same claim */
        if (!find(m, count, &n->project, n->owner)) {
            m->leaves[kept++] = m->leaves[i];
            continue;
        }
        m->nodes[m->node_count] = *n;
        m->nodes[m->node_count++].person = 0;
    }
    m->leaf_count = kept;
    qsort(m->nodes, m->node_count, sizeof(*m->nodes), by_id);
}

/* ---- rows ---- */
static void add_row(const struct merge *m, const struct uuid *project, uint64_t id, uint64_t person,
                    bool is_deleted)
{
    char text[UUID_TEXT_LEN + 1];
    buf_addf(m->rows, "%u\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%d\n",
             (unsigned)m->generation, uuid_format(project, text), id, person, m->version,
             is_deleted);
}

/* An id that is a person by itself has no row. */
static void add_changed(struct merge *m, uint32_t *sizes)
{
    for (uint32_t i = 0; i < m->node_count; i++)
        sizes[top_of(m, i)]++;
    for (uint32_t i = 0; i < m->node_count; i++) {
        const struct node *n = &m->nodes[i];
        uint32_t top = top_of(m, i);
        uint64_t person = sizes[top] > 1 ? m->nodes[top].id : 0;
        if (person != n->person)
            add_row(m, &n->project, n->id, person ? person : n->id, person == 0);
    }
}

static void add_leaves(const struct merge *m)
{
    for (size_t i = 0; i < m->leaf_count; i++) {
        const struct node *n = &m->leaves[i].node;
        if (!is_before(&n->claimed, &n->known))
            continue;
        add_row(m, &n->project, n->id, n->person ? n->person : n->owner, false);
        if (n->person == 0) /* it was alone until now */
            add_row(m, &n->project, n->owner, n->owner, false);
    }
}

static enum rc merge(struct merge *m, const struct persons_merge_in *in, struct err *err)
{
    TRY(read_all(m, in, err));
    qsort(m->nodes, m->node_count, sizeof(*m->nodes), by_id);
    sort_leaves(m);
    for (uint32_t i = 0; i < m->node_count; i++)
        m->nodes[i].up = i;
    for (size_t i = 0; i < m->alias_count; i++)
        apply_alias(m, &m->aliases[i]);
    TRY(apply_claims(m, err));
    CLEANUP(heap_freep)
    uint32_t *sizes = heap_try_alloc(HEAP_ANALYTICS, (m->node_count + 1) * sizeof(*sizes));
    ENSURE(sizes, err_set(err, RC_NOMEM, "no memory to put ids together"));
    add_changed(m, sizes);
    add_leaves(m);
    ENSURE(buf_ok(m->rows), err_set(err, RC_NOMEM, "no memory to put ids together"));
    return RC_OK;
}

enum rc persons_merge(const struct persons_merge_in *in, uint32_t generation, uint64_t version,
                      struct buf *rows, struct err *err)
{
    struct merge m = {.generation = generation, .version = version, .rows = rows};
    enum rc rc = merge(&m, in, err);
    heap_free(m.nodes);
    heap_free(m.aliases);
    heap_free(m.leaves);
    return rc;
}
