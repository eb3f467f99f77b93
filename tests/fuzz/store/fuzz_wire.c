/* A request to the child of any bytes: query string, headers, body. It is answered once or handed
 * to a worker once, with settings, parameters and a statement that lie where they say; what is not
 * available is refused. Input: query string LF Content-Encoding LF Authorization LF body; the first
 * byte chooses the method and the face. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"
#include "store/child_int.h"
#include "store/sql_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct net_header headers[4];
    uint32_t answered, submitted;
    int status;
    struct job *job;
} seen;

/* ---- what wire.c needs of the others ---- */
const struct net_header *net_header_find(const struct net_request *req, struct slice name)
{
    for (uint32_t i = 0; i < req->header_count; i++)
        if (slice_eq_nocase(req->headers[i].name, name))
            return &req->headers[i];
    return NULL;
}
bool net_query_get(const struct net_request *req, const char *name, struct slice *ret_value)
{
    (void)req, (void)name;
    *ret_value = SLICE_EMPTY;
    return false;
}
void net_respond(struct net_request *req, const struct net_response *response)
{
    (void)req;
    must(response->status >= 200 && response->status < 600);
    must(response->header_count <= 16);
    seen.answered++;
    seen.status = response->status;
}
struct job *job_new(struct child *child, struct net_request *req)
{
    struct job *job = calloc(1, sizeof(*job));
    job->child = child;
    job->req = req;
    buf_init(&job->text, 1 << 20);
    return job;
}
void job_free(struct job *job)
{
    if (job->map)
        munmap(job->map, job->map_len);
    buf_done(&job->text);
    free(job);
}
void job_gone(struct ctx *ctx, struct net_request *req)
{
    (void)ctx;
    (void)req;
}
const char *engine_timezone(const struct engine *e)
{
    (void)e;
    return "UTC";
}

static uint32_t touch(struct slice s)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        sum += (unsigned char)s.data[i];
    return sum;
}

static void check_pairs(const struct engine_pair *pairs, uint32_t count)
{
    must(count <= CHILD_PAIRS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        touch(pairs[i].name);
        touch(pairs[i].value);
        must(pairs[i].value.len == 0 || pairs[i].value.data[pairs[i].value.len] == '\0');
    }
}

enum rc child_submit(struct child *child, struct job *job)
{
    const struct engine_query *q = &job->query;
    (void)child;
    check_pairs(q->params, q->param_count);
    check_pairs(q->settings, q->setting_count);
    for (uint32_t i = 0; i < q->setting_count; i++) {
        must(!slice_eq_str(q->settings[i].name, "async_insert"));
        must(!slice_eq_str(q->settings[i].name, "log_comment"));
        must(!slice_eq_str(q->settings[i].name, "readonly"));
    }
    must(touch(q->text) + touch(q->data) + touch(q->database) + touch(q->default_format) +
             touch(job->query_id) + 1 >
         0);
    must(q->data.len == 0 || sql_scan(q->text).kind == SQL_INSERT_DATA);
    must(q->readonly <= 2 && (job->req->method == NET_POST || q->readonly));
    must(strlen(job->tag) == CHILD_TAG_BYTES - 1 && strlen(q->id) < ENGINE_ID_BYTES);
    seen.submitted++;
    seen.job = job;
    /* A queue that is full is answered, too. */
    return touch(q->text) % 7 ? RC_OK : RC_BUSY;
}

static int body_fd(struct slice body)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, body.data ? body.data : "", body.len) == (ssize_t)body.len);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size);
    unsigned choice = size ? data[0] : 0;
    struct arena arena;
    static struct child child;
    struct child_face face = {
        .child = &child, .is_tcp = choice & 4, .password = choice & 8 ? "secret" : NULL};
    rest = slice_sub(rest, 1);
    arena_init(&arena, 64 << 10, 4 << 20);
    struct ctx ctx = {.arena = &arena, .request_id = "0190a0b0-c0d0-7e0f-8a1b-2c3d4e5f6071"};
    struct net_request req = {.ctx = &ctx,
                              .arena = &arena,
                              .method = choice & 1 ? NET_GET : NET_POST,
                              .path = SLICE_LIT("/"),
                              .headers = seen.headers};
    memset(&seen, 0, sizeof(seen));
    req.query = slice_cut(&rest, '\n');
    struct slice encoding = slice_cut(&rest, '\n'), authorization = slice_cut(&rest, '\n');
    seen.headers[0] = (struct net_header){SLICE_LIT("Content-Encoding"), encoding};
    seen.headers[1] = (struct net_header){SLICE_LIT("Authorization"), authorization};
    seen.headers[2] = (struct net_header){SLICE_LIT("Host"), SLICE_LIT("localhost:1")};
    req.header_count = 3;
    struct net_body_plan plan = {.mode = NET_BODY_MEMORY, .bytes_max = 1};
    wire_on_head(&face, &req, &plan);
    if (!seen.answered) {
        must(plan.mode == NET_BODY_FD);
        req.body_fd = body_fd(rest);
        req.body_bytes = rest.len;
        wire_on_request(&face, &req);
        close(req.body_fd);
        bool was_busy = seen.answered && seen.status == 503;
        must(seen.answered + seen.submitted == (was_busy && seen.submitted ? 2 : 1));
        if (seen.job && !seen.answered)
            job_free(seen.job);
    }
    must(seen.answered <= 1);
    arena_done(&arena);
    return 0;
}
