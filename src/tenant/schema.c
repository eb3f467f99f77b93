/* WHAT  The things of admin.h as JSON schemas.
 * WHY   Out of the table that their answers are made of: no member is told that is not there, and
 *       none is there that is not told. */
#include "tenant/entity_int.h"

/* "token_issuer" is TokenIssuer. */
static void add_name(struct buf *out, const char *type)
{
    bool is_first = true;
    buf_add_char(out, '"');
    for (; *type; type++) {
        if (*type != '_')
            buf_add_char(out, is_first ? (char)(*type - 'a' + 'A') : *type);
        is_first = *type == '_';
    }
    buf_add_str(out, "\":");
}

static const char *type_of(const struct column *c)
{
    switch (c->kind) {
    case COLUMN_INT:
        return "integer";
    case COLUMN_FLAG:
        return "boolean";
    default:
        return "string";
    }
}

static void add_column(struct buf *out, const struct column *c)
{
    buf_addf(out, ",\"%s\":", c->name);
    if (c->schema) {
        buf_add_str(out, c->schema);
        return;
    }
    if (c->kind == COLUMN_WORDS || c->kind == COLUMN_LINES || c->kind == COLUMN_PERMISSIONS) {
        buf_add_str(out, "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}");
        return;
    }
    buf_addf(out, c->may_be_null ? "{\"type\":[\"%s\",\"null\"]" : "{\"type\":\"%s\"", type_of(c));
    buf_add_str(out, c->kind == COLUMN_TIME ? ",\"format\":\"date-time\"}" : "}");
}

void tenant_schemas(struct buf *out)
{
    const char *between = "";
    for (int i = 0; i < TENANT_ENTITIES; i++) {
        const struct entity *e = &tenant_entities[i];
        /* analytics/erase tells its own; sessions have another shape for those whose they are. */
        if (!e->table || i == TENANT_ERASURE || i == TENANT_SESSION)
            continue;
        buf_add_str(out, between);
        between = ",";
        add_name(out, e->type);
        buf_add_str(out, "{\"type\":\"object\",\"required\":[\"id\"");
        for (const struct column *c = e->columns; c->name; c++)
            buf_addf(out, ",\"%s\"", c->name);
        buf_add_str(out, "],\"properties\":{\"id\":{\"type\":\"string\",\"format\":\"uuid\"}");
        for (const struct column *c = e->columns; c->name; c++)
            add_column(out, c);
        buf_add_str(out, "}}");
    }
}
