/* WHAT        Repairs deduplication_logs of MergeTree tables after a crash (heal_int.h).
 * WHY         The engine notes a block's token in its log first and renames the part to its final
 *             name second, and syncs neither the log nor the table's folder. A kill -9 between
 *             the two (or a power loss that kept one of them) leaves a token without rows: the
 *             repeated insert would be taken for a duplicate and its rows would be lost. So each
 *             of the newest tokens must have its part, or one that it was merged into; if not, a
 *             DROP record is added, as the engine itself does.
 * LAYOUT      one record per line: operation (1 ADD, 2 DROP) TAB part TAB block LF; the files are
 *             numbered; parts are folders PARTITION_MIN_MAX_LEVEL[_MUTATION].
 * INVARIANTS  runs while no engine has the folder (the child's lock is held); run twice it
 *             changes nothing. A line that was not written whole is cut off. */
#include "store/heal_int.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/heap.h"
#include "base/os.h"
#include "base/slice.h"

enum {
    HEAL_LOG_BYTES_MAX = 64 << 20,
    HEAL_RECORDS =
        256, /* the newest ones are looked at: as many as inserts can be under way, and more */
};

struct part {
    struct slice partition;
    uint64_t min, max;
};
struct record {
    bool is_add;
    struct slice part_name, block;
};

static bool part_parse(struct slice name, struct part *ret)
{
    ret->partition = slice_cut(&name, '_');
    return ret->partition.len && slice_to_u64(slice_cut(&name, '_'), &ret->min) &&
           slice_to_u64(slice_cut(&name, '_'), &ret->max) && name.len;
}

static bool is_covered(struct slice name, char **names, size_t count)
{
    struct part want, have;
    if (!part_parse(name, &want))
        return true; /* not ours to judge */
    for (size_t i = 0; i < count; i++)
        if (part_parse(slice_str(names[i]), &have) && slice_eq(have.partition, want.partition) &&
            have.min <= want.min && have.max >= want.max)
            return true;
    return false;
}

static bool record_parse(struct slice line, struct record *ret)
{
    struct slice operation = slice_cut(&line, '\t');
    ret->is_add = slice_eq_str(operation, "1");
    ret->part_name = slice_cut(&line, '\t');
    ret->block = line;
    return (ret->is_add || slice_eq_str(operation, "2")) && ret->part_name.len && ret->block.len;
}

/* Length of the whole lines that can be read. */
static size_t sound_len(struct slice text)
{
    struct slice rest = text;
    size_t len = 0;
    struct record r;
    while (rest.len && memchr(rest.data, '\n', rest.len)) {
        struct slice line = slice_cut(&rest, '\n');
        if (!record_parse(line, &r))
            break;
        len = (size_t)(line.data - text.data) + line.len + 1;
        if (rest.len == 0)
            break;
    }
    return len;
}

static bool is_dropped_later(struct slice rest, struct slice part_name)
{
    struct record r;
    while (rest.len)
        if (record_parse(slice_cut(&rest, '\n'), &r) && !r.is_add &&
            slice_eq(r.part_name, part_name))
            return true;
    return false;
}

static struct slice newest_records(struct slice text)
{
    size_t at = text.len, lines = 0;
    while (at > 0 && lines <= HEAL_RECORDS)
        if (text.data[--at] == '\n')
            lines++;
    return lines > HEAL_RECORDS ? slice_sub(text, at + 1) : text;
}

static uint32_t collect(struct slice text, char **parts, size_t part_count, struct buf *ret_drops)
{
    uint32_t found = 0;
    struct slice rest = newest_records(text);
    while (rest.len) {
        struct record r;
        if (!record_parse(slice_cut(&rest, '\n'), &r) || !r.is_add ||
            is_dropped_later(rest, r.part_name) || is_covered(r.part_name, parts, part_count))
            continue;
        buf_addf(ret_drops, "2\t%.*s\t%.*s\n", SLICE_ARG(r.part_name), SLICE_ARG(r.block));
        found++;
    }
    return found;
}

static enum rc heal_log(const char *path, char **parts, size_t part_count, uint32_t *ret_tokens,
                        struct err *err)
{
    CLEANUP(buf_done) struct buf text;
    CLEANUP(buf_done) struct buf drops;
    buf_init(&text, HEAL_LOG_BYTES_MAX);
    buf_init(&drops, HEAL_LOG_BYTES_MAX);
    TRY(os_read_file(path, &text, err));
    size_t sound = text.len ? sound_len(buf_slice(&text)) : 0;
    uint32_t found = collect(slice_of(text.data, sound), parts, part_count, &drops);
    if (sound == text.len && found == 0)
        return RC_OK;
    text.len = sound;
    buf_add_slice(&text, buf_slice(&drops));
    ENSURE(buf_ok(&text) && buf_ok(&drops), err_set(err, RC_LIMIT, "%s is too long", path));
    TRY(os_write_file_durable(path, buf_slice(&text), err));
    *ret_tokens += found;
    return RC_OK;
}

/* The log file with the highest number: new records go there and nowhere else. */
static bool newest_log(char **names, size_t count, char ret[OS_PATH_MAX], const char *dir)
{
    static const char prefix[] = "deduplication_log_";
    uint64_t best = 0;
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_str(names[i]), number;
        uint64_t n;
        if (!slice_has_prefix(name, slice_str(prefix)))
            continue;
        name = slice_sub(name, sizeof(prefix) - 1);
        number = slice_cut(&name, '.');
        if (slice_to_u64(number, &n) && slice_eq_str(name, "txt") && n >= best) {
            best = n;
            os_path(ret, "%s/%s", dir, names[i]);
        }
    }
    return best > 0;
}

enum rc heal_table(const char *table_dir, uint32_t *ret_tokens, struct err *err)
{
    char dir[OS_PATH_MAX], log[OS_PATH_MAX];
    char **logs = NULL, **parts = NULL;
    size_t log_count = 0, part_count = 0;
    os_path(dir, "%s/deduplication_logs", table_dir);
    if (!os_is_dir(dir))
        return RC_OK;
    TRY(os_list(dir, &logs, &log_count, err));
    enum rc rc = os_list(table_dir, &parts, &part_count, err);
    if (rc == RC_OK && newest_log(logs, log_count, log, dir))
        rc = heal_log(log, parts, part_count, ret_tokens, err);
    os_list_free(logs, log_count);
    os_list_free(parts, part_count);
    return rc;
}

static enum rc heal_group(const char *group, uint32_t *ret_tokens, struct err *err)
{
    char path[OS_PATH_MAX];
    char **tables;
    size_t count;
    if (!os_is_dir(group))
        return RC_OK;
    TRY(os_list(group, &tables, &count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = heal_table(os_path(path, "%s/%s", group, tables[i]), ret_tokens, err);
    os_list_free(tables, count);
    return rc;
}

enum rc heal_deduplication(const char *db, uint32_t *ret_tokens, struct err *err)
{
    char store[OS_PATH_MAX], path[OS_PATH_MAX];
    char **groups;
    size_t count;
    *ret_tokens = 0;
    if (!os_is_dir(os_path(store, "%s/store", db)))
        return RC_OK;
    TRY(os_list(store, &groups, &count, err));
    enum rc rc = RC_OK;
    for (size_t i = 0; i < count && rc == RC_OK; i++)
        rc = heal_group(os_path(path, "%s/%s", store, groups[i]), ret_tokens, err);
    os_list_free(groups, count);
    return rc;
}
