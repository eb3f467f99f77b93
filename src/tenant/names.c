/* WHAT  What clients call a project that were made for other products: its domains and client_ids.
 * WHY   Who changes from another product changes the address in his pages and nothing else, so its
 *       ids have to be known here. They are public, as they were there: a name lets events in and
 *       proves nothing. What it must not do is to let a tenant take another's events: so a name has
 *       one project in the whole installation, is compared folded (capitals, "www."), and who comes
 *       later is refused without being told whose it is.
 * TWO   projects may have one all the same: both claimed it before this was refused, or the state
 *       was edited. Then the older one has it, by its id, which begins with the time of its making.
 */
#include "tenant/tenant_int.h"

#include "base/random.h"

enum { SLOTS_MIN = 16 };

/* Within TENANT_CLIENT_ID_MAX or DNS's 253. */
enum { FOLDED_MAX = 256 };

static struct slice fold(struct slice name, char space[FOLDED_MAX])
{
    if (name.len > FOLDED_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < name.len; i++)
        space[i] =
            (char)(name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] + 32 : name.data[i]);
    struct slice folded = slice_of(space, name.len);
    return slice_has_prefix(folded, SLICE_LIT("www.")) ? slice_sub(folded, 4) : folded;
}

uint64_t name_count(struct slice lines)
{
    uint64_t n = 0;
    for (; lines.len; n++)
        slice_cut(&lines, '\n');
    return n;
}

enum rc name_table_init(struct name_table *t, struct arena *a, uint64_t names)
{
    uint64_t size = SLOTS_MIN;
    while (size < names * 2)
        size *= 2;
    random_bytes(&t->key, sizeof(t->key));
    t->mask = size - 1;
    t->slots = arena_zalloc(a, size * sizeof(*t->slots));
    return t->slots ? RC_OK : RC_NOMEM;
}

/* The slot that has the folded name, else the free one where it belongs. */
static struct name_slot *slot_of(const struct name_table *t, struct slice folded)
{
    uint64_t at = siphash(&t->key, folded.data, folded.len) & t->mask;
    while (t->slots[at].project && !slice_eq(t->slots[at].name, folded))
        at = (at + 1) & t->mask;
    return &t->slots[at];
}

static bool is_older(const struct tenant_project *a, const struct tenant_project *b)
{
    return memcmp(a->id.bytes, b->id.bytes, sizeof(a->id.bytes)) < 0;
}

enum rc name_table_add(struct name_table *t, struct arena *a, struct slice lines,
                       const struct tenant_project *project)
{
    char space[FOLDED_MAX];
    while (lines.len) {
        struct slice folded = fold(slice_cut(&lines, '\n'), space);
        struct name_slot *slot = slot_of(t, folded);
        if (!folded.len || (slot->project && !is_older(project, slot->project)))
            continue;
        if (!slot->project) {
            slot->name = arena_copy(a, folded);
            ENSURE(slot->name.len == folded.len, RC_NOMEM);
        }
        slot->project = project;
    }
    return RC_OK;
}

const struct name_slot *name_table_find(const struct name_table *t, struct slice name)
{
    char space[FOLDED_MAX];
    struct slice folded = fold(name, space);
    if (!folded.len)
        return NULL;
    const struct name_slot *slot = slot_of(t, folded);
    return slot->project ? slot : NULL;
}

/* ---- changes ---- */
struct reading {
    struct arena *arena;
    struct names_before *to;
};

static enum rc take_names(void *ctx, const struct state_row *row)
{
    const struct reading *r = ctx;
    *r->to = (struct names_before){arena_copy(r->arena, state_row_text(row, 0)),
                                   arena_copy(r->arena, state_row_text(row, 1))};
    return RC_OK;
}

enum rc names_read(struct state *s, struct slice project, struct arena *a, struct names_before *ret,
                   struct err *err)
{
    struct reading r = {a, ret};
    *ret = (struct names_before){SLICE_EMPTY, SLICE_EMPTY};
    return state_run(s, "SELECT domains, client_ids FROM projects WHERE id = ?1",
                     &STATE_SLICE(project), 1, take_names, &r, err);
}

struct claim {
    struct name_table wanted;
    uint64_t count;
    struct slice taken; /* a name of the claim; empty: none is another's */
};

static enum rc look_for_taken(void *ctx, const struct state_row *row)
{
    struct claim *c = ctx;
    for (int column = 0; column < 2; column++) {
        struct slice lines = state_row_text(row, column);
        while (lines.len && !c->taken.len) {
            const struct name_slot *slot = name_table_find(&c->wanted, slice_cut(&lines, '\n'));
            if (slot)
                c->taken = slot->name;
        }
    }
    return RC_OK;
}

/* Lines of `now` that are not in the table of what was there before. */
static enum rc add_new(struct claim *c, const struct name_table *before, struct slice now,
                       const struct tenant_project *self, struct arena *a)
{
    while (now.len) {
        struct slice name = slice_cut(&now, '\n');
        if (name_table_find(before, name))
            continue;
        TRY(name_table_add(&c->wanted, a, name, self));
        c->count++;
    }
    return RC_OK;
}

enum rc names_check(struct state *s, struct slice project, const struct names_before *before,
                    struct arena *a, struct err *err)
{
    static const struct tenant_project self; /* only that a slot is taken */
    struct names_before now = {SLICE_EMPTY, SLICE_EMPTY};
    struct name_table had;
    struct claim claim = {.taken = SLICE_EMPTY};
    TRY(names_read(s, project, a, &now, err));
    TRY(name_table_init(&had, a, name_count(before->domains) + name_count(before->client_ids)));
    TRY(name_table_add(&had, a, before->domains, &self));
    TRY(name_table_add(&had, a, before->client_ids, &self));
    TRY(name_table_init(&claim.wanted, a, name_count(now.domains) + name_count(now.client_ids)));
    TRY(add_new(&claim, &had, now.domains, &self, a));
    TRY(add_new(&claim, &had, now.client_ids, &self, a));
    if (claim.count == 0)
        return RC_OK;
    TRY(state_run(s,
                  "SELECT domains, client_ids FROM projects WHERE archived_at IS NULL AND "
                  "id <> ?1 AND (domains <> '' OR client_ids <> '')",
                  &STATE_SLICE(project), 1, look_for_taken, &claim, err));
    if (!claim.taken.len)
        return RC_OK;
    return err_set(err, RC_CONFLICT,
                   "'%.*s' is what clients call another project of this installation: a name is "
                   "one project's only",
                   (int)(claim.taken.len < 100 ? claim.taken.len : 100), claim.taken.data);
}
