/* WHAT    The database that statements of others see, and the tokens that open a project in it.
 * WHY     The views are the same for everybody and read the project out of a table of tokens, by
 *         the one that the session has in a setting. So a session that can change its settings (a
 *         subquery can, see store/confine.c) gains nothing by it: it would have to know the token
 *         of another project, 256 random bits that live as long as this process.
 *         query_cache_tag is the setting because it is a free text that changes nothing: no query
 *         cache is used.
 * THREADS any, under the lock: a project's first question waits for its token to be written. */
#include "analytics/bi/bi_int.h"

#include <stdio.h>

#include "base/heap.h"
#include "base/random.h"

enum { SQL_BYTES_MAX = 4096 };

static enum rc exec(struct store_client *c, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static enum rc exec(struct store_client *c, struct err *err, const char *fmt, ...)
{
    char sql[SQL_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(sql, sizeof(sql), fmt, args);
    va_end(args);
    ENSURE(n > 0 && (size_t)n < sizeof(sql), err_set(err, RC_LIMIT, "a statement is too long"));
    return store_exec(c, sql, err);
}

static enum rc make_view(struct bi *bi, struct store_client *c, const char *table,
                         const char *hidden, const char *final, struct err *err)
{
    const char *database = bi->cfg.store.database;
    return exec(c, err,
                "CREATE OR REPLACE VIEW " BI_DATABASE ".%s DEFINER = CURRENT_USER "
                "SQL SECURITY DEFINER AS SELECT * EXCEPT (%s) FROM `%s`.%s%s WHERE project_id = "
                "(SELECT project_id FROM `%s`.reader_tokens WHERE token = "
                "getSetting('" BI_TOKEN_SETTING "'))",
                table, hidden, database, table, final, database);
}

/* Once per process; the columns are those that the tables have now. */
static enum rc set_up(struct bi *bi, struct store_client *c, struct err *err)
{
    const char *database = bi->cfg.store.database;
    TRY(exec(c, err,
             "CREATE TABLE IF NOT EXISTS `%s`.reader_tokens (token String, project_id UUID) "
             "ENGINE = MergeTree ORDER BY token",
             database));
    TRY(exec(c, err, "TRUNCATE TABLE `%s`.reader_tokens", database));
    TRY(exec(c, err, "CREATE DATABASE IF NOT EXISTS " BI_DATABASE));
    TRY(make_view(bi, c, "events",
                  "project_id, dedupe, stream_partition, stream_offset, properties_shape", "",
                  err));
    return make_view(bi, c, "sessions", "project_id, version, is_deleted, page_marks, behaviour",
                     " FINAL", err);
}

static const struct bi_token *find(const struct bi *bi, const struct uuid *project)
{
    for (uint32_t i = 0; i < bi->token_count; i++)
        if (memcmp(&bi->tokens[i].project, project, sizeof(*project)) == 0)
            return &bi->tokens[i];
    return NULL;
}

static void remember(struct bi *bi, const struct bi_token *token)
{
    if (bi->token_count == bi->token_room) {
        uint32_t room = bi->token_room ? bi->token_room * 2 : 16;
        struct bi_token *more = heap_alloc(HEAP_ANALYTICS, room * sizeof(*more));
        if (bi->token_count)
            memcpy(more, bi->tokens, bi->token_count * sizeof(*more));
        heap_free(bi->tokens);
        bi->tokens = more;
        bi->token_room = room;
    }
    bi->tokens[bi->token_count++] = *token;
}

static enum rc make_token(struct bi *bi, struct store_client *c, const struct uuid *project,
                          struct bi_token *ret, struct err *err)
{
    uint8_t random[BI_TOKEN_DIGITS / 2];
    char id[UUID_TEXT_LEN + 1];
    random_bytes(random, sizeof(random));
    ret->project = *project;
    slice_hex(random, sizeof(random), ret->text);
    ret->text[BI_TOKEN_DIGITS] = '\0';
    return exec(c, err, "INSERT INTO `%s`.reader_tokens SELECT '%s', toUUID('%s')",
                bi->cfg.store.database, ret->text, uuid_format(project, id));
}

static enum rc token_locked(struct bi *bi, struct store_client *c, const struct uuid *project,
                            struct bi_token *ret, struct err *err)
{
    if (!bi->is_set_up)
        TRY(set_up(bi, c, err));
    bi->is_set_up = true;
    const struct bi_token *known = find(bi, project);
    if (known) {
        *ret = *known;
        return RC_OK;
    }
    TRY(make_token(bi, c, project, ret, err));
    remember(bi, ret);
    return RC_OK;
}

enum rc bi_views_token(struct bi *bi, struct store_client *c, const struct uuid *project,
                       char ret_token[BI_TOKEN_DIGITS + 1], struct err *err)
{
    struct bi_token token;
    pthread_mutex_lock(&bi->lock);
    enum rc rc = token_locked(bi, c, project, &token, err);
    pthread_mutex_unlock(&bi->lock);
    if (rc == RC_OK)
        memcpy(ret_token, token.text, sizeof(token.text));
    return rc == RC_STORE ? err_set(err, RC_AGAIN, "the tables are not there yet") : rc;
}
