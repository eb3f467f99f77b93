/* WHAT    Sums that were imported (table `imported`): put in, and removed by import.
 * WHY     A row that is imported again replaces itself, and is then the later import's. Until the
 *         engine has merged it, the replaced one lies below it, so an import's removal takes all
 *         rows of the same key away: else those of the import before would come up again.
 * THREADS any that may block. */
#include <stdio.h>

#include "analytics/import/import.h"
#include "base/must.h"
#include "tenant/admin.h"

enum { SQL_BYTES = 2048, ANSWER_BYTES_MAX = 4096 };

/* The table's key behind project_id (event/schema.c). */
#define KEY                                                                                        \
    "sipHash128(toString(report), date, hostname, page, entry_page, exit_page, source, referrer, " \
    "utm_source, utm_medium, utm_campaign, utm_term, utm_content, country, region, city, "         \
    "browser, "                                                                                    \
    "browser_version, os, os_version, device, event, link_url, path)"

enum rc import_put_rows(struct store_pool *pool, struct slice lines, struct err *err)
{
    struct store_client *client;
    TRY(store_pool_take(pool, &client, err));
    enum rc rc =
        store_insert(client, "imported", NULL, "JSONEachRow", lines, NULL, NULL, NULL, err);
    store_pool_give(pool, client);
    return rc;
}

static enum rc count_rows(struct store_pool *pool, const char *sql, uint64_t *ret, struct err *err)
{
    const struct store_query q = {.sql = sql, .format = "TabSeparatedRaw", .read_only = true};
    struct store_client *client;
    TRY(store_pool_take(pool, &client, err));
    CLEANUP(buf_done) struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    enum rc rc = store_query(NULL, client, &q, &out, NULL, NULL, err);
    store_pool_give(pool, client);
    struct slice text = buf_slice(&out);
    if (rc == RC_OK && !slice_to_u64(slice_cut(&text, '\n'), ret))
        rc = err_set(err, RC_STORE, "the store did not answer with a number");
    return rc;
}

enum rc import_sums_find(struct store_pool *pool, const struct tenant_project *project,
                         const struct uuid *id, struct err *err)
{
    char sql[SQL_BYTES], text[UUID_TEXT_LEN + 1];
    uint64_t rows = 0;
    snprintf(sql, sizeof(sql),
             "SELECT count() FROM imported FINAL WHERE project_id = '%s' AND import_id = '%s'",
             project->id_text, uuid_format(id, text));
    TRY(count_rows(pool, sql, &rows, err));
    return rows ? RC_OK
                : err_set(err, RC_NOTFOUND, "the project has no sums of an import of that id");
}

enum rc import_sums_note(struct ctx *ctx, struct tenant *t, const struct tenant_project *project,
                         const struct uuid *id, struct err *err)
{
    char org[UUID_TEXT_LEN + 1], text[UUID_TEXT_LEN + 1];
    return tenant_change(ctx, t,
                         &(struct tenant_change){.action = "import.remove",
                                                 .entity = TENANT_IMPORT,
                                                 .parent = slice_str(project->id_text),
                                                 .id = slice_str(uuid_format(id, text)),
                                                 .org = slice_str(uuid_format(&project->org, org)),
                                                 .is_unseen = true},
                         err);
}

enum rc import_sums_remove(struct store_pool *pool, const struct tenant_project *project,
                           const struct uuid *id, struct err *err)
{
    static const struct store_setting settings[] = {{"mutations_sync", "1"}};
    char sql[SQL_BYTES], text[UUID_TEXT_LEN + 1];
    const struct store_query q = {
        .sql = sql, .settings = settings, .setting_count = COUNT_OF(settings)};
    struct store_client *client;
    TRY(store_pool_take(pool, &client, err));
    snprintf(sql, sizeof(sql),
             "ALTER TABLE imported DELETE WHERE project_id = '%s' AND " KEY " IN (SELECT " KEY
             " FROM imported FINAL WHERE project_id = '%s' AND import_id = '%s')",
             project->id_text, project->id_text, uuid_format(id, text));
    enum rc rc = store_query(NULL, client, &q, NULL, NULL, NULL, err);
    store_pool_give(pool, client);
    return rc;
}
