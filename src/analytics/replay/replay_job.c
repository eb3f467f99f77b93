/* WHAT        The state of a replay in <dir>/events.json.
 * WHY         A replay runs for hours; what it has done must outlive the program. The file is
 *             replaced whole and durably before the next step begins, so it is at most one step
 *             behind, and steps are repeatable.
 * INVARIANTS  What was read must print as what stands in the file; a CRC-32C closes it. */
#include "analytics/replay/replay_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "base/crc32c.h"
#include "base/heap.h"
#include "base/os.h"

enum { JOB_BYTES_MAX = 1 << 20 };

const char *const replay_phase_names[REPLAY_PHASES] = {"create", "copy", "replay", "swap", "clean"};

static void job_path(const char *dir, char ret_path[OS_PATH_MAX])
{
    os_path(ret_path, "%s/events.json", dir);
}

static void add_partition(struct buf *out, const struct replay_partition *p)
{
    buf_addf(out, "\n{\"replay\":%s,\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"next\":%" PRIu64,
             p->is_in_range ? "true" : "false", p->from, p->to, p->next);
    buf_addf(out, ",\"checkpoint\":%" PRIu64 "}", p->checkpoint);
}

static void job_encode(const struct replay_job *job, struct buf *out)
{
    buf_add_str(out, "{\"version\":1,\"arguments\":");
    buf_add_json(out, slice_str(job->arguments));
    buf_addf(out, ",\"phase\":\"%s\",\"shadow_uuid\":", replay_phase_names[job->phase]);
    buf_add_json(out, slice_str(job->shadow_uuid));
    buf_addf(out, ",\"records\":%" PRIu64 ",\"missing\":%" PRIu64, job->records, job->missing);
    buf_addf(out, ",\"rejected\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"partitions\":[",
             job->rejected, job->duplicates);
    for (uint32_t i = 0; i < job->partition_count; i++) {
        if (i)
            buf_add_char(out, ',');
        add_partition(out, &job->partitions[i]);
    }
    buf_add_str(out, "\n],\"months\":[");
    for (uint32_t i = 0; i < job->month_count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json(out, slice_str(job->months[i]));
    }
    buf_addf(out, "],\"crc32c\":\"%08x\"}\n", (unsigned)crc32c(0, out->data, out->len));
}

enum rc replay_job_save(const char *dir, const struct replay_job *job, struct err *err)
{
    char path[OS_PATH_MAX];
    struct buf text;
    job_path(dir, path);
    TRY(os_mkdirs(dir, err));
    buf_init(&text, JOB_BYTES_MAX);
    job_encode(job, &text);
    enum rc rc = buf_ok(&text) ? os_write_file_durable(path, buf_slice(&text), err)
                               : err_set(err, RC_NOMEM, "no memory for the state of the replay");
    buf_done(&text);
    return rc;
}

static void get_text(yyjson_val *root, const char *name, char *to, size_t bytes)
{
    const char *text = yyjson_get_str(yyjson_obj_get(root, name));
    snprintf(to, bytes, "%s", text ? text : "");
}

static uint64_t get_u64(yyjson_val *root, const char *name)
{
    return yyjson_get_uint(yyjson_obj_get(root, name));
}

static enum rc decode_lists(yyjson_val *root, struct replay_job *job, struct err *err)
{
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(root, "partitions"), i, n, item)
    {
        if (i == STREAM_PARTITIONS_MAX)
            return RC_CORRUPT;
        job->partitions[i] = (struct replay_partition){
            .is_in_range = yyjson_get_bool(yyjson_obj_get(item, "replay")),
            .from = get_u64(item, "from"),
            .to = get_u64(item, "to"),
            .next = get_u64(item, "next"),
            .checkpoint = get_u64(item, "checkpoint"),
        };
        job->partition_count = (uint32_t)i + 1;
    }
    yyjson_arr_foreach(yyjson_obj_get(root, "months"), i, n, item)
    {
        if (!yyjson_is_str(item) || yyjson_get_len(item) >= sizeof(job->months[0]))
            return RC_CORRUPT;
        TRY(replay_job_add_month(job, yyjson_get_str(item), err));
    }
    return RC_OK;
}

static enum rc decode(struct slice text, struct replay_job *job, struct err *err)
{
    yyjson_doc *doc = text.len ? yyjson_read(text.data, text.len, 0) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    char phase[16];
    get_text(root, "arguments", job->arguments, sizeof(job->arguments));
    get_text(root, "phase", phase, sizeof(phase));
    get_text(root, "shadow_uuid", job->shadow_uuid, sizeof(job->shadow_uuid));
    for (int i = 0; i < REPLAY_PHASES; i++)
        if (strcmp(phase, replay_phase_names[i]) == 0)
            job->phase = (enum replay_phase)i;
    job->records = get_u64(root, "records");
    job->missing = get_u64(root, "missing");
    job->rejected = get_u64(root, "rejected");
    job->duplicates = get_u64(root, "duplicates");
    enum rc rc = decode_lists(root, job, err);
    yyjson_doc_free(doc);
    TRY(rc);
    struct buf again;
    buf_init(&again, JOB_BYTES_MAX);
    job_encode(job, &again);
    bool ok = slice_eq(buf_slice(&again), text);
    buf_done(&again);
    return ok ? RC_OK : RC_CORRUPT;
}

enum rc replay_job_load(const char *dir, struct replay_job *ret, struct err *err)
{
    char path[OS_PATH_MAX];
    struct replay_job job = {0};
    struct buf text;
    job_path(dir, path);
    if (!os_exists(path))
        return err_set(err, RC_NOTFOUND, "no replay is under way");
    buf_init(&text, JOB_BYTES_MAX);
    enum rc rc = os_read_file(path, &text, err);
    if (rc == RC_OK)
        rc = decode(buf_slice(&text), &job, err);
    buf_done(&text);
    if (rc != RC_OK)
        replay_job_done(&job);
    if (rc == RC_CORRUPT)
        return err_set(err, rc, "%s is damaged; `weir replay --abort` throws the replay away",
                       path);
    TRY(rc);
    *ret = job;
    return RC_OK;
}

enum rc replay_job_remove(const char *dir, struct err *err)
{
    char path[OS_PATH_MAX];
    job_path(dir, path);
    return os_exists(path) ? os_unlink_durable(path, err) : RC_OK;
}

enum rc replay_job_add_month(struct replay_job *job, const char *month, struct err *err)
{
    if (job->month_count == REPLAY_MONTHS_MAX)
        return err_set(err, RC_LIMIT, "the table has more than %d partitions", REPLAY_MONTHS_MAX);
    char(*moved)[16] =
        heap_try_resize(job->months, HEAP_ANALYTICS, (job->month_count + 1) * sizeof(*moved));
    if (!moved)
        return err_set(err, RC_NOMEM, "no memory for the state of the replay");
    job->months = moved;
    snprintf(moved[job->month_count++], sizeof(*moved), "%s", month);
    return RC_OK;
}

bool replay_job_has_month(const struct replay_job *job, const char *month)
{
    for (uint32_t i = 0; i < job->month_count; i++)
        if (strcmp(job->months[i], month) == 0)
            return true;
    return false;
}

void replay_job_done(struct replay_job *job)
{
    heap_free(job->months);
    job->months = NULL;
    job->month_count = 0;
}
