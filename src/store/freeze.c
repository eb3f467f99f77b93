/* WHAT    A consistent copy of the engine's folder while it works (freeze.h).
 * WHY     Copying the folder itself races with merges and with the removal of what they replaced:
 *         a part could be copied half. Frozen parts are hard links that only we remove.
 * LAYOUT  db/metadata, db/store/GROUP/DATABASE/TABLE.sql; db/store/GROUP/TABLE/ with its parts,
 *         deduplication_logs, format_version.txt, mutation_N.txt; frozen,
 *         db/shadow/NAME/store/GROUP/TABLE/PART. Everything else is made anew by a start.
 * INVARIANTS  what belongs to the parts is copied on the safe side of the freeze: mutations before
 *         it (one that ran since is not run twice: the part's name has its number), deduplication
 *         logs behind it (heal.c drops a token whose part is missing; it could not add one). */
#include "store/freeze.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/heap.h"
#include "base/os.h"

#define FREEZE_NAME "weir_backup" /* letters and _ only: the engine escapes the rest */
enum { TABLES_BYTES_MAX = 4 << 20, NAME_BYTES_MAX = 256 };

enum rc store_freeze_end(const char *store_dir, struct err *err)
{
    char path[OS_PATH_MAX];
    return os_remove_tree(os_path(path, "%s/db/shadow/" FREEZE_NAME, store_dir), err);
}

/* ---- the engine's part ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unhex(struct slice hex, char ret[NAME_BYTES_MAX], struct slice *ret_name)
{
    if (hex.len % 2 || hex.len / 2 > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_value(hex.data[i]), low = hex_value(hex.data[i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret[i / 2] = (char)(high * 16 + low);
    }
    *ret_name = slice_of(ret, hex.len / 2);
    return true;
}

static enum rc freeze_table(struct store_client *client, struct slice line, struct err *err)
{
    char database[NAME_BYTES_MAX], table[NAME_BYTES_MAX];
    struct store_param params[] = {{"d", SLICE_EMPTY}, {"t", SLICE_EMPTY}};
    if (!unhex(slice_cut(&line, '\t'), database, &params[0].value) ||
        !unhex(line, table, &params[1].value))
        return err_set(err, RC_STORE, "the store's list of tables is not readable");
    const struct store_query q = {
        .sql = "ALTER TABLE {d:Identifier}.{t:Identifier} FREEZE WITH NAME '" FREEZE_NAME "'",
        .params = params,
        .param_count = COUNT_OF(params)};
    return store_query(NULL, client, &q, NULL, NULL, NULL, err);
}

static enum rc freeze_tables(struct store_client *client, struct err *err)
{
    CLEANUP(buf_done) struct buf list;
    buf_init(&list, TABLES_BYTES_MAX);
    const struct store_query q = {.sql = "SELECT hex(database), hex(name) FROM system.tables"
                                         " WHERE engine LIKE '%MergeTree' AND database != 'system'",
                                  .format = "TSVRaw",
                                  .read_only = true};
    TRY(store_query(NULL, client, &q, &list, NULL, NULL, err));
    struct slice rest = buf_slice(&list);
    while (rest.len)
        TRY(freeze_table(client, slice_cut(&rest, '\n'), err));
    return RC_OK;
}

/* ---- files ---- */

/* GROUP/UUID for GROUP/UUID below db/store, or db/shadow/NAME/store. */
typedef enum rc table_fn(const char *from, const char *to, struct err *err);

static enum rc each_table(const char *from, const char *to, table_fn *fn, struct err *err)
{
    char **groups, **tables, group[OS_PATH_MAX], source[OS_PATH_MAX], target[OS_PATH_MAX];
    size_t group_count, table_count;
    if (!os_is_dir(from))
        return RC_OK;
    TRY(os_list(from, &groups, &group_count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < group_count && rc == RC_OK; i++) {
        if (!os_is_dir(os_path(group, "%s/%s", from, groups[i])))
            continue;
        rc = os_list(group, &tables, &table_count, err);
        if (rc != RC_OK)
            break;
        for (size_t k = 0; k < table_count && rc == RC_OK; k++) {
            os_path(source, "%s/%s", group, tables[k]);
            os_path(target, "%s/%s/%s", to, groups[i], tables[k]);
            rc = fn(source, target, err);
        }
        os_list_free(tables, table_count);
    }
    os_list_free(groups, group_count);
    return rc;
}

/* The files of a table's or database's folder itself: definitions, mutations, the format's number.
 */
static enum rc copy_definition(const char *from, const char *to, struct err *err)
{
    char **names, source[OS_PATH_MAX], target[OS_PATH_MAX];
    size_t count;
    struct stat st;
    if (!os_is_dir(from))
        return RC_OK;
    TRY(os_mkdirs(to, err));
    TRY(os_list(from, &names, &count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < count && rc == RC_OK; i++) {
        os_path(source, "%s/%s", from, names[i]);
        os_path(target, "%s/%s", to, names[i]);
        if (lstat(source, &st) != 0 || !S_ISREG(st.st_mode) || strstr(names[i], ".tmp") ||
            strncmp(names[i], "tmp_", 4) == 0)
            continue;
        rc = os_copy_whole(source, target, err);
        if (rc == RC_NOTFOUND) /* a mutation that has ended */
            rc = RC_OK;
    }
    os_list_free(names, count);
    TRY(rc);
    return os_sync_dir(to, err);
}

static enum rc copy_logs(const char *from, const char *to, struct err *err)
{
    char source[OS_PATH_MAX], target[OS_PATH_MAX];
    os_path(source, "%s/deduplication_logs", from);
    os_path(target, "%s/deduplication_logs", to);
    return os_copy_tree(source, target, os_copy_whole, err);
}

static enum rc link_parts(const char *from, const char *to, struct err *err)
{
    return os_copy_tree(from, to, os_link_or_copy, err);
}

enum rc store_freeze(struct store_client *client, const char *store_dir, const char *to,
                     struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX], store[OS_PATH_MAX];
    TRY(store_freeze_end(store_dir, err));
    os_path(from, "%s/db/metadata", store_dir);
    TRY(os_copy_tree(from, os_path(path, "%s/db/metadata", to), os_copy_whole, err));
    os_path(from, "%s/db/store", store_dir);
    os_path(store, "%s/db/store", to);
    TRY(each_table(from, store, copy_definition, err));
    TRY(freeze_tables(client, err));
    /* The list of migrations is a table that always has a part. */
    os_path(path, "%s/db/shadow/" FREEZE_NAME "/store", store_dir);
    ENSURE(os_is_dir(path), err_set(err, RC_STORE, "the store froze nothing at %s", path));
    return each_table(from, store, copy_logs, err);
}

enum rc store_freeze_copy(const char *store_dir, const char *to, struct err *err)
{
    char from[OS_PATH_MAX], path[OS_PATH_MAX];
    os_path(from, "%s/db/shadow/" FREEZE_NAME "/store", store_dir);
    return each_table(from, os_path(path, "%s/db/store", to), link_parts, err);
}
