/* What project.c would link against if there were a store. */
#include "analytics/projector/project_int.h"

const struct project_table_ops project_table_ops;

enum rc project_table_new(const struct project_cfg *cfg, struct project_table **ret,
                          struct err *err)
{
    (void)cfg;
    (void)ret;
    return err_set(err, RC_UNSUPPORTED, "this test has no store");
}

void project_table_free(struct project_table *t)
{
    (void)t;
}
