/* WHAT    Persons in reports: whose each row is, and what is known about that person: traits,
 *         groups, traits of groups.
 * WHY     Rows have an id of their own (QUERY_OWN_ID); whose it is says a join with the ids that
 *         share their person with others. Each trait or group that a question names is a join more,
 *         over one row per person, made of the rows of that name alone. A question that names none
 *         of it has none of these joins.
 * LAYOUT  FROM (rows with fact_1 FROM (rows with fact_0 FROM (rows with person FROM (rows) ⋈
 *         identities) ⋈ traits) ⋈ groups) WHERE 1 */
#include "analytics/report/query_person_int.h"
#include "analytics/report/report_int.h"

/* ---- reading ---- */
static struct report_fact *add_fact(struct report *r, const struct report_at *at,
                                    const struct report_fact *fact)
{
    if (r->fact_count == REPORT_FACTS_MAX) {
        report_fail(r, at, "more than %d traits and groups", REPORT_FACTS_MAX);
        return NULL;
    }
    r->needs_person = true;
    r->facts[r->fact_count] = *fact;
    return &r->facts[r->fact_count++];
}

static bool take_trait(struct report *r, const struct report_at *at, struct slice path,
                       struct report_dim *dim)
{
    if (!report_bind_path(r, at, path, dim))
        return false;
    dim->fact = r->fact_count;
    return add_fact(r, at,
                    &(struct report_fact){.kind = FACT_TRAIT,
                                          .name = dim->name,
                                          .path_first = dim->param_first,
                                          .path_count = dim->param_count});
}

/* name: SLICE_EMPTY where it is not what was asked for itself. */
static bool take_member(struct report *r, const struct report_at *at, struct slice name,
                        struct slice type, struct report_dim *dim)
{
    if (type.len == 0)
        return report_fail(r, at, "name the type of group: group:company");
    dim->fact = r->fact_count;
    return add_fact(r, at,
                    &(struct report_fact){
                        .kind = FACT_MEMBER, .name = name, .type = report_bind(r, type)}) &&
           r->err.rc == RC_OK;
}

static bool take_group_trait(struct report *r, const struct report_at *at, struct slice rest,
                             struct report_dim *dim)
{
    struct slice type = slice_cut(&rest, ':');
    if (type.len == 0 || rest.len == 0)
        return report_fail(r, at, "name the type and the trait: group_trait:company:plan");
    if (!take_member(r, at, SLICE_EMPTY, type, dim) || !report_bind_path(r, at, rest, dim))
        return false;
    const struct report_fact trait = {.kind = FACT_GROUP_TRAIT,
                                      .name = dim->name,
                                      .type = r->facts[dim->fact].type,
                                      .member = dim->fact,
                                      .path_first = dim->param_first,
                                      .path_count = dim->param_count};
    dim->fact = r->fact_count;
    return add_fact(r, at, &trait);
}

bool report_take_fact(struct report *r, const struct report_at *at, struct slice rest,
                      struct report_dim *dim)
{
    for (uint32_t i = 0; i < r->fact_count; i++)
        if (slice_eq(r->facts[i].name, dim->name)) { /* asked for twice, joined once */
            dim->fact = i;
            return true;
        }
    switch (dim->field->kind) {
    case FIELD_PERSON:
        return take_trait(r, at, rest, dim);
    case FIELD_GROUP:
        return take_member(r, at, dim->name, rest, dim);
    default:
        return take_group_trait(r, at, rest, dim);
    }
}

/* ---- columns ---- */
/* The event's own group of that type, else the one that its person was seen with last; a visit has
 * none of its own. */
static void add_group(const struct report_sql *s, const char *row, uint32_t member)
{
    if (s->source & SOURCE_VISITS) {
        buf_addf(s->out, "%sfact_%u", row, member);
        return;
    }
    unsigned type = s->r->facts[member].type;
    buf_addf(s->out,
             "multiIf(%sgroup_type = {p%u:String} AND %sgroup_id != '', %sgroup_id, %sgroups != '' "
             "AND JSONExtractString(%sgroups, {p%u:String}) != '', JSONExtractString(%sgroups, "
             "{p%u:String}), %sfact_%u)",
             row, type, row, row, row, row, type, row, type, row, (unsigned)member);
}

void report_fact_sql(const struct report_sql *s, const struct report_dim *d)
{
    if (d->field->kind == FIELD_GROUP)
        add_group(s, "", d->fact);
    else
        buf_addf(s->out, "fact_%u", d->fact);
}

void report_fact_number_sql(const struct report_sql *s, const struct report_dim *d)
{
    buf_addf(s->out, "number_%u", d->fact);
}

/* ---- joins ---- */
/* v and n: the value as text and as number, of the trait's JSON in raw. */
static void add_values(const struct report_fact *f, struct buf *out)
{
    report_json_text_sql(out, "raw", f->path_first + 1, f->path_count - 1);
    buf_add_str(out, " AS v, ");
    report_json_number_sql(out, "raw", f->path_first + 1, f->path_count - 1);
    buf_add_str(out, " AS n");
}

static void add_fact_rows(const struct report_fact *f, struct buf *out)
{
    switch (f->kind) {
    case FACT_TRAIT:
        buf_add_str(out, "(SELECT person, ");
        add_values(f, out);
        buf_addf(
            out,
            " FROM (SELECT person, argMax(value, (is_once = 0, rank)) AS raw FROM " PERSON_FACTS(
                "value, is_once, rank", "$PERSON_TRAITS",
                " AND name = {p%u:String}") " GROUP BY person))",
            f->path_first);
        return;
    case FACT_MEMBER:
        buf_addf(
            out,
            "(SELECT person, argMax(group_id, rank) AS v, NULL AS n FROM " PERSON_FACTS(
                "group_id, rank", "$PERSON_GROUPS", " AND type = {p%u:String}") " GROUP BY person)",
            f->type);
        return;
    default:
        buf_add_str(out, "(SELECT group_id, ");
        add_values(f, out);
        buf_addf(out,
                 " FROM (SELECT group_id, argMax(value, (is_once = 0, rank)) AS raw FROM "
                 "$GROUP_TRAITS AND type = {p%u:String} AND name = {p%u:String} GROUP BY "
                 "group_id))",
                 f->type, f->path_first);
    }
}

void report_person_open_sql(const struct report_sql *s)
{
    if (!s->r->needs_person)
        return;
    for (uint32_t i = s->r->fact_count; i-- > 0;)
        buf_addf(s->out, " FROM (SELECT b.*, f.v AS fact_%u, f.n AS number_%u", i, i);
    buf_add_str(s->out, " FROM (SELECT b.*, if(i.hash != 0, i.person, b.own) AS person FROM "
                        "(SELECT *, " QUERY_OWN_ID " AS own");
}

void report_person_close_sql(const struct report_sql *s)
{
    const struct report *r = s->r;
    if (!r->needs_person)
        return;
    buf_add_str(s->out, ") AS b LEFT ANY JOIN (SELECT hash, person FROM $IDENTITIES) AS i ON b.own "
                        "= i.hash)");
    for (uint32_t i = 0; i < r->fact_count; i++) {
        const struct report_fact *f = &r->facts[i];
        buf_add_str(s->out, " AS b LEFT ANY JOIN ");
        add_fact_rows(f, s->out);
        buf_add_str(s->out, " AS f ON ");
        if (f->kind == FACT_GROUP_TRAIT)
            add_group(s, "b.", f->member);
        else
            buf_add_str(s->out, "b.person");
        buf_add_str(s->out, f->kind == FACT_GROUP_TRAIT ? " = f.group_id)" : " = f.person)");
    }
    buf_add_str(s->out, " WHERE 1");
}

void report_rows_sql(const struct report_sql *s)
{
    report_person_open_sql(s);
    report_plain_rows_sql(s);
    report_person_close_sql(s);
}
