#ifndef WEIR_APP_IMPORT_SUMS_H
#define WEIR_APP_IMPORT_SUMS_H
/* weir import ls, weir import rm: which imports brought the sums that a project has, and one of
 * them away. They are in the store, so a server has to run on the data folder. */
#include "app/cli.h"
#include "tenant/admin.h"

/* To stdout: a table, or with --json the answer of GET …/imports. */
enum rc import_sums_cli_list(const struct cli *cli, const struct tenant_project *project,
                             struct err *err) MUST_CHECK;
/* With an audit event. RC_NOTFOUND. */
enum rc import_sums_cli_remove(const struct cli *cli, struct tenant *t,
                               const struct tenant_project *project, const char *id,
                               struct err *err) MUST_CHECK;
#endif
