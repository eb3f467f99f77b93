/* WHAT        Which route a path is: a tree of the patterns' segments, made once by api_new().
 * WHY         A walk over the table costs each request, of which nearly all are events, more the
 *             more routes there are. Here a path costs its own segments.
 * LAYOUT      Two trees over one list of nodes: patterns from their first segment on, and those
 *             that begin with "*" from their last. A node has at most one child for a parameter;
 *             the others are found in one hash table by node and text. The entries of a node are
 *             those whose pattern ends there, in the order of the table.
 * INVARIANTS  The answer is that of a walk over the entries in their order: the first that matches
 *             path and method, else the first that matches the path (tests/unit/api/test_match.c).
 * THREADS     Read-only once it is made. */
#include "api/api_int.h"

#include "base/heap.h"
#include "base/must.h"

#define NO_ENTRY UINT32_MAX
enum { ROOT, SUFFIX_ROOT, ROOTS };

struct api_node {
    uint32_t param;       /* the child that any segment leads to; 0: none, as no root is a child */
    uint32_t first, last; /* entries whose pattern ends here (NO_ENTRY: none) */
};
struct api_child {
    struct slice segment;
    uint32_t node, child; /* child 0: an empty slot */
};

static bool is_param(struct slice segment)
{
    return segment.len > 1 && segment.data[0] == '{';
}

/* FNV-1a; the table is ours, so nobody can choose what collides in it. */
static struct api_child *slot_of(const struct api_tree *tree, uint32_t node, struct slice segment)
{
    uint32_t hash = 2166136261U ^ node;
    for (size_t i = 0; i < segment.len; i++)
        hash = (hash ^ (uint8_t)segment.data[i]) * 16777619U;
    for (hash ^= hash >> 15;; hash++) {
        struct api_child *slot = &tree->slots[hash & tree->slot_mask];
        if (!slot->child || (slot->node == node && slice_eq(slot->segment, segment)))
            return slot;
    }
}

/* ---- making it ---- */
static uint32_t new_node(struct api_tree *tree)
{
    tree->nodes[tree->node_count] = (struct api_node){.first = NO_ENTRY, .last = NO_ENTRY};
    return tree->node_count++;
}

static uint32_t child_of(struct api_tree *tree, uint32_t node, struct slice segment)
{
    if (is_param(segment)) {
        if (!tree->nodes[node].param)
            tree->nodes[node].param = new_node(tree);
        return tree->nodes[node].param;
    }
    struct api_child *slot = slot_of(tree, node, segment);
    if (!slot->child)
        *slot = (struct api_child){.segment = segment, .node = node, .child = new_node(tree)};
    if (segment.len > tree->literal_bytes_max)
        tree->literal_bytes_max = segment.len;
    return slot->child;
}

static void add_entry(struct api *api, uint32_t index)
{
    struct api_entry *e = &api->entries[index];
    uint32_t node = e->is_suffix ? SUFFIX_ROOT : ROOT;
    for (uint32_t i = 0; i < e->segment_count; i++)
        node = child_of(&api->tree, node, e->segments[e->is_suffix ? e->segment_count - 1 - i : i]);
    struct api_node *end = &api->tree.nodes[node];
    e->next = NO_ENTRY;
    if (end->first == NO_ENTRY)
        end->first = index;
    else
        api->entries[end->last].next = index;
    end->last = index;
}

void api_tree_make(struct api *api)
{
    uint32_t nodes_max = ROOTS, slots = 8;
    for (uint32_t i = 0; i < api->entry_count; i++)
        nodes_max += api->entries[i].segment_count;
    while (slots < nodes_max * 2)
        slots *= 2;
    api->tree.nodes = heap_alloc(HEAP_APP, nodes_max * sizeof(*api->tree.nodes));
    api->tree.slots = heap_alloc(HEAP_APP, slots * sizeof(*api->tree.slots));
    api->tree.slot_mask = slots - 1;
    for (uint32_t i = 0; i < ROOTS; i++)
        must(new_node(&api->tree) == i);
    for (uint32_t i = 0; i < api->entry_count; i++)
        add_entry(api, i);
    must(api->tree.node_count <= nodes_max);
}

void api_tree_free(struct api_tree *tree)
{
    heap_free(tree->nodes);
    heap_free(tree->slots);
}

/* ---- finding ---- */
static uint32_t cut_path(struct slice path, struct slice segments[API_SEGMENTS_MAX])
{
    uint32_t count = 0;
    if (path.len == 0 || path.data[0] != '/')
        return 0;
    path = slice_sub(path, 1);
    if (path.len && path.data[path.len - 1] == '/')
        path.len--; /* one trailing slash is the same resource: PostHog's clients send it */
    for (;;) {
        if (count == API_SEGMENTS_MAX)
            return 0;
        const char *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
        size_t len = slash ? (size_t)(slash - path.data) : path.len;
        segments[count++] = slice_of(path.data, len);
        if (!slash)
            return count;
        path = slice_sub(path, len + 1);
    }
}

struct search {
    const struct api *api;
    enum net_method method;
    struct slice segments[API_SEGMENTS_MAX];
    uint32_t count;
    uint32_t any, full; /* least entry that matches the path; with the method */
};

static void consider(struct search *s, const struct api_node *node)
{
    if (node->first < s->any)
        s->any = node->first;
    for (uint32_t i = node->first; i < s->full; i = s->api->entries[i].next) {
        enum net_method is = s->api->entries[i].route->method;
        if (is == s->method || (s->method == NET_HEAD && is == NET_GET))
            s->full = i;
    }
}

/* Down all ways that the segments allow, at most two from a node; one more node waits per depth. */
static void walk(struct search *s, uint32_t root)
{
    const struct api_tree *tree = &s->api->tree;
    struct place {
        uint32_t node, depth;
    } waiting[API_SEGMENTS_MAX + 1];
    waiting[0] = (struct place){root, 0};
    for (uint32_t n = 1; n > 0;) {
        struct place at = waiting[--n];
        if (root == SUFFIX_ROOT || at.depth == s->count)
            consider(s, &tree->nodes[at.node]);
        if (at.depth == s->count)
            continue;
        struct slice segment =
            s->segments[root == SUFFIX_ROOT ? s->count - 1 - at.depth : at.depth];
        uint32_t any = segment.len ? tree->nodes[at.node].param : 0, own = 0;
        if (segment.len <= tree->literal_bytes_max)
            own = slot_of(tree, at.node, segment)->child;
        if (any)
            waiting[n++] = (struct place){any, at.depth + 1};
        if (own)
            waiting[n++] = (struct place){own, at.depth + 1};
    }
}

static void take_params(const struct search *s, const struct api_entry *e,
                        struct slice params[API_PARAMS_MAX])
{
    const struct slice *segments = s->segments + (s->count - e->segment_count);
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->segment_count; i++)
        if (is_param(e->segments[i]))
            params[n++] = segments[i];
    while (n < API_PARAMS_MAX)
        params[n++] = SLICE_EMPTY;
}

enum api_match api_find(const struct api *api, enum net_method method, struct slice path,
                        const struct api_entry **ret_entry, struct slice ret_params[API_PARAMS_MAX])
{
    struct search s; /* its segments are not worth being made zero */
    s.api = api;
    s.method = method;
    s.any = s.full = NO_ENTRY;
    s.count = cut_path(path, s.segments);
    if (s.count == 0)
        return API_MATCH_NONE;
    walk(&s, ROOT);
    if (s.full == NO_ENTRY) /* they stand behind all others in the table */
        walk(&s, SUFFIX_ROOT);
    if (s.any == NO_ENTRY)
        return API_MATCH_NONE;
    *ret_entry = &api->entries[s.full != NO_ENTRY ? s.full : s.any];
    take_params(&s, *ret_entry, ret_params);
    return s.full != NO_ENTRY ? API_MATCH_FULL : API_MATCH_METHOD;
}

enum rc api_entry_cut(struct api_entry *e, struct err *err)
{
    const char *pattern = e->route->pattern;
    struct slice rest = slice_str(pattern);
    uint32_t params = 0;
    if (rest.len == 0 || (rest.data[0] != '/' && rest.data[0] != '*'))
        return err_set(err, RC_BUG, "route pattern '%s' must begin with / or */", pattern);
    e->is_suffix = rest.data[0] == '*';
    rest = slice_sub(rest, e->is_suffix ? 2 : 1);
    for (;;) {
        bool is_last = !rest.len || !memchr(rest.data, '/', rest.len);
        struct slice segment = slice_cut(&rest, '/');
        params += is_param(segment);
        if (e->segment_count == API_SEGMENTS_MAX || params > API_PARAMS_MAX)
            return err_set(err, RC_BUG, "route pattern '%s' has too many segments or parameters",
                           pattern);
        e->segments[e->segment_count++] = segment;
        if (is_last)
            return RC_OK;
    }
}
