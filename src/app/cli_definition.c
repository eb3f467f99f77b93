/* weir definition: what people defined for a project, seen and removed. It is made and changed over
 * HTTP, where the reports' parser checks it. Personal segments are their owners' affair. */
#include <string.h>

#include "app/cli_admin.h"
#include "base/must.h"
#include "tenant/definition.h"

static const struct kind {
    const char *name;
    enum tenant_entity entity;
    const char *columns;
} kinds[] = {
    {"goals", TENANT_GOAL, "id name filters version"},
    {"segments", TENANT_SEGMENT, "id name visibility filters version"},
    {"cohorts", TENANT_COHORT, "id name count_by size version"},
    {"annotations", TENANT_ANNOTATION, "id at text kind"},
    {"reports", TENANT_REPORT, "id name version"},
    {"shares", TENANT_SHARE, "id name link pages has_password expires_at"},
};

static enum rc find_kind(struct admin *a, const struct kind **ret)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(a->args[0], kinds[i].name) == 0) {
            *ret = &kinds[i];
            return RC_OK;
        }
    }
    return err_set(&a->err, RC_INVALID,
                   "there are goals, segments, cohorts, annotations, reports and shares, not "
                   "'%.40s'",
                   a->args[0]);
}

static enum rc definition_list(struct admin *a)
{
    const struct kind *kind;
    struct admin_place project;
    TRY(find_kind(a, &kind));
    TRY(admin_find(a, TENANT_PROJECT, "a project", a->options[ADMIN_PROJECT], &project));
    return admin_list(a, kind->entity, project.text, kind->columns);
}

static enum rc definition_show(struct admin *a)
{
    const struct kind *kind;
    struct admin_place p;
    TRY(find_kind(a, &kind));
    TRY(admin_find(a, kind->entity, "a definition", a->args[1], &p));
    return admin_show(a, kind->entity, p.parent, p.text, NULL, NULL);
}

static enum rc definition_remove(struct admin *a)
{
    const struct kind *kind;
    struct admin_place p;
    TRY(find_kind(a, &kind));
    TRY(admin_find(a, kind->entity, "a definition", a->args[1], &p));
    TRY(tenant_definition_remove(cli_ctx(), a->tenant, kind->entity,
                                 &(struct tenant_definitions){.project = slice_str(p.parent)},
                                 slice_str(p.text), 0, &a->err));
    admin_done(a, p.text, "removed");
    return RC_OK;
}

static const struct admin_action actions[] = {
    {"ls", ADMIN_READS, "KIND", "project", definition_list, "those of a project"},
    {"show", ADMIN_READS, "KIND ID", "", definition_show, "one"},
    {"remove", ADMIN_CHANGES, "KIND ID", "", definition_remove, "one, for good"},
};

int verb_definition(int argc, char **argv)
{
    return admin_run(
        &(struct admin_verb){actions, COUNT_OF(actions),
                             "\nKinds: goals, segments, cohorts, annotations, reports, shares.\n"},
        argc, argv);
}
