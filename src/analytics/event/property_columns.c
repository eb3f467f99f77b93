/* WHAT    The list of the properties that have columns, and what these are called.
 * WHY     A column's name is made of the property's and says it to whoever looks at the table, so
 *         nothing else has to remember which is whose. */
#include "analytics/event/property_columns.h"

#include <stdio.h>

#include "base/heap.h"

/* Letters, digits and '_' as they are, any other byte as ~ and two digits. */
static void quote(struct property_column *c)
{
    char *p = c->quoted + snprintf(c->quoted, sizeof(c->quoted), "`" PROPERTY_COLUMNS_PREFIX);
    for (const char *from = c->name; *from; from++) {
        unsigned char byte = (unsigned char)*from;
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || byte == '_';
        p += snprintf(p, 4, is_plain ? "%c" : "~%02x", byte);
    }
    snprintf(p, 2, "`");
}

static enum rc add(struct property_columns *c, struct slice name, struct err *err)
{
    ENSURE(name.len > 0, err_set(err, RC_INVALID, "a name between two commas is missing"));
    ENSURE(name.len <= PROPERTY_COLUMNS_NAME_BYTES_MAX,
           err_set(err, RC_INVALID, "'%.*s' is longer than %d bytes", SLICE_ARG(name),
                   PROPERTY_COLUMNS_NAME_BYTES_MAX));
    ENSURE(c->count < PROPERTY_COLUMNS_MAX,
           err_set(err, RC_INVALID, "more than %d names", PROPERTY_COLUMNS_MAX));
    for (uint32_t i = 0; i < c->count; i++)
        ENSURE(!slice_eq_str(name, c->columns[i].name),
               err_set(err, RC_INVALID, "'%.*s' stands there twice", SLICE_ARG(name)));
    struct property_column *new = &c->columns[c->count++];
    snprintf(new->name, sizeof(new->name), "%.*s", SLICE_ARG(name));
    quote(new);
    return RC_OK;
}

enum rc property_columns_new(struct slice list, struct property_columns **ret, struct err *err)
{
    struct property_columns *c = heap_alloc(HEAP_ANALYTICS, sizeof(*c));
    enum rc rc = RC_OK;
    bool has_more = slice_trim(list).len > 0;
    while (rc == RC_OK && has_more) {
        const char *comma = memchr(list.data, ',', list.len);
        struct slice name = comma ? slice_of(list.data, (size_t)(comma - list.data)) : list;
        has_more = comma != NULL;
        list = slice_sub(list, name.len + has_more);
        rc = add(c, slice_trim(name), err);
    }
    if (rc == RC_OK)
        *ret = c;
    else
        property_columns_free(c);
    return rc;
}

void property_columns_free(struct property_columns *c)
{
    heap_free(c);
}

const char *property_columns_find(const struct property_columns *c, struct slice name)
{
    if (!c || !atomic_load_explicit(&c->is_applied, memory_order_acquire))
        return NULL;
    for (uint32_t i = 0; i < c->count; i++)
        if (slice_eq_str(name, c->columns[i].name))
            return c->columns[i].quoted;
    return NULL;
}
