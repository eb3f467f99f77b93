/* A library with the functions of libchdb that src/store/chdb.c looks up, for what libchdb cannot
 * do: be loaded beside a sanitizer, and fail when it is told to. It is no engine; a statement's
 * words say what happens (the word anywhere in it):
 *
 *   echo        the answer tells the connection's arguments, its SETs and the parameters
 *   bytes=N     N bytes of result, all 'x', in blocks of 100,000 when it is streamed
 *   fail=N      an error instead of the block that would go beyond N bytes
 *   wait        until a KILL QUERY names the connection's log_comment: error 394
 *   crash       the process kills itself
 *   null        no result object at all
 *   count=K     how often K happened since the start: connects, closes, kills, destroyed, results
 *
 * An INSERT answers with as many written rows as it was given bytes; "fail=N" holds for it, too. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
enum { BLOCK = 100000, NOTES = 4096 };

struct chdb_session {
    struct chdb_session *next;
    char comment[128];
    char notes[NOTES]; /* arguments and SETs */
    bool is_killed;
};
struct chdb_result {
    char *data;
    size_t len;
    char *error;
    uint64_t written;
    size_t left, given, fail_at; /* of a stream */
    bool is_stream;
};
struct chdb_insert {
    size_t total, fail_at;
    char *error;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct chdb_session *sessions;
static atomic_ulong connects, closes, kills, results, destroyed;

static char *text_of(const char *data, size_t len)
{
    char *text = malloc(len + 1);
    memcpy(text, data, len);
    text[len] = '\0';
    return text;
}

static struct chdb_result *result_new(const char *data, size_t len)
{
    struct chdb_result *r = calloc(1, sizeof(*r));
    atomic_fetch_add(&results, 1);
    if (data)
        r->data = text_of(data, len);
    r->len = len;
    return r;
}

static struct chdb_result *failure(const char *error)
{
    struct chdb_result *r = result_new(NULL, 0);
    r->error = strdup(error);
    return r;
}

static bool number_after(const char *sql, const char *word, size_t *ret)
{
    const char *at = strstr(sql, word);
    if (at)
        *ret = strtoull(at + strlen(word), NULL, 10);
    return at != NULL;
}

/* ---- connections ---- */
API struct chdb_session **chdb_connect(int argc, char **argv)
{
    struct chdb_session **conn = calloc(1, sizeof(*conn)), *s = calloc(1, sizeof(*s));
    *conn = s;
    for (int i = 1; i < argc; i++) {
        size_t n = strlen(s->notes);
        snprintf(s->notes + n, sizeof(s->notes) - n, "%s\n", argv[i]);
        if (strncmp(argv[i], "--log_comment=", 14) == 0)
            snprintf(s->comment, sizeof(s->comment), "%s", argv[i] + 14);
    }
    pthread_mutex_lock(&lock);
    s->next = sessions;
    sessions = s;
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&connects, 1);
    return conn;
}

API void chdb_close_conn(struct chdb_session **conn)
{
    pthread_mutex_lock(&lock);
    struct chdb_session **at = &sessions;
    while (*at != *conn)
        at = &(*at)->next;
    *at = (*conn)->next;
    pthread_mutex_unlock(&lock);
    free(*conn);
    free(conn);
    atomic_fetch_add(&closes, 1);
}

static struct chdb_result *kill_query(const char *sql)
{
    char name[128] = "";
    const char *at = strstr(sql, "= '");
    if (at)
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 3, "'"), at + 3);
    pthread_mutex_lock(&lock);
    for (struct chdb_session *s = sessions; s; s = s->next)
        if (strcmp(s->comment, name) == 0)
            s->is_killed = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    atomic_fetch_add(&kills, 1);
    return result_new("", 0);
}

static struct chdb_result *wait_for_kill(struct chdb_session *s)
{
    pthread_mutex_lock(&lock);
    while (!s->is_killed)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return failure("Code: 394. DB::Exception: Query was cancelled. (QUERY_WAS_CANCELLED)");
}

/* ---- statements ---- */
static struct chdb_result *count(const char *sql)
{
    char text[32];
    const char *what = strstr(sql, "count=") + 6;
    unsigned long n = atomic_load(what[0] == 'k'                      ? &kills
                                  : strncmp(what, "connects", 8) == 0 ? &connects
                                  : what[0] == 'c'                    ? &closes
                                  : what[0] == 'd'                    ? &destroyed
                                                                      : &results);
    int len = snprintf(text, sizeof(text), "%lu", n);
    return result_new(text, (size_t)len);
}

static struct chdb_result *echo(const struct chdb_session *s, const char *format, size_t format_len,
                                const char *const *names, const size_t *name_lens,
                                const char *const *values, const size_t *value_lens, size_t n)
{
    char text[2 * NOTES];
    int len = snprintf(text, sizeof(text), "%sformat=%.*s\n", s->notes, (int)format_len, format);
    for (size_t i = 0; i < n && len < NOTES; i++)
        len += snprintf(text + len, sizeof(text) - (size_t)len, "{%.*s}=%.*s\n", (int)name_lens[i],
                        names[i], (int)value_lens[i], values[i]);
    return result_new(text, (size_t)len);
}

static struct chdb_result *set(struct chdb_session *s, const char *sql)
{
    if (strstr(sql, "no_such"))
        return failure("Code: 115. DB::Exception: Unknown setting 'no_such'. (UNKNOWN_SETTING)");
    size_t n = strlen(s->notes);
    snprintf(s->notes + n, sizeof(s->notes) - n, "%s\n", sql);
    return result_new("", 0);
}

static struct chdb_result *filled(size_t n)
{
    struct chdb_result *r = result_new(NULL, n);
    r->data = malloc(n + 1);
    memset(r->data, 'x', n);
    r->data[n] = '\0';
    return r;
}

static struct chdb_result *run(struct chdb_session *s, const char *sql, const char *format,
                               size_t format_len, const char *const *names, const size_t *name_lens,
                               const char *const *values, const size_t *value_lens, size_t n)
{
    size_t bytes = 0, fail_at = SIZE_MAX;
    if (strncmp(sql, "KILL QUERY", 10) == 0)
        return kill_query(sql);
    if (strncmp(sql, "SET ", 4) == 0 || strncmp(sql, "USE ", 4) == 0)
        return set(s, sql);
    if (strcmp(sql, "SELECT version()") == 0)
        return result_new("26.7.0.0\n", 9);
    if (strcmp(sql, "SELECT timezone()") == 0)
        return result_new("UTC\n", 4);
    if (strstr(sql, "crash"))
        kill(getpid(), SIGKILL);
    if (strstr(sql, "wait"))
        return wait_for_kill(s);
    if (strstr(sql, "null"))
        return NULL;
    if (strstr(sql, "count="))
        return count(sql);
    if (strstr(sql, "echo"))
        return echo(s, format, format_len, names, name_lens, values, value_lens, n);
    number_after(sql, "bytes=", &bytes);
    if (number_after(sql, "fail=", &fail_at) && bytes > fail_at)
        return failure("Code: 241. DB::Exception: told to fail. (MEMORY_LIMIT_EXCEEDED)\n");
    return filled(bytes);
}

API struct chdb_result *chdb_query_with_params_n(struct chdb_session *s, const char *sql,
                                                 size_t sql_len, const char *format,
                                                 size_t format_len, const char *const *names,
                                                 const size_t *name_lens, const char *const *values,
                                                 const size_t *value_lens, size_t n)
{
    char *text = text_of(sql, sql_len);
    struct chdb_result *r =
        run(s, text, format, format_len, names, name_lens, values, value_lens, n);
    free(text);
    return r;
}

API struct chdb_result *chdb_stream_query_with_params_n(struct chdb_session *s, const char *sql,
                                                        size_t sql_len, const char *format,
                                                        size_t format_len, const char *const *names,
                                                        const size_t *name_lens,
                                                        const char *const *values,
                                                        const size_t *value_lens, size_t n)
{
    char *text = text_of(sql, sql_len);
    struct chdb_result *r;
    size_t bytes = 0, fail_at = SIZE_MAX;
    if (number_after(text, "bytes=", &bytes)) {
        r = result_new(NULL, 0);
        number_after(text, "fail=", &fail_at);
        r->fail_at = fail_at;
        r->left = bytes;
    } else {
        r = run(s, text, format, format_len, names, name_lens, values, value_lens, n);
    }
    free(text);
    if (r)
        r->is_stream = true;
    return r;
}

API struct chdb_result *chdb_stream_fetch_result(struct chdb_session *s, struct chdb_result *stream)
{
    (void)s;
    if (stream->data && !stream->given) { /* one made whole */
        stream->given = 1;
        return result_new(stream->data, stream->len);
    }
    size_t n = stream->left < BLOCK ? stream->left : BLOCK;
    if (n && stream->given + n > stream->fail_at)
        return failure("Code: 241. DB::Exception: told to fail. (MEMORY_LIMIT_EXCEEDED)");
    stream->left -= n;
    stream->given += n;
    return filled(n);
}

API void chdb_stream_cancel_query(struct chdb_session *s, struct chdb_result *stream)
{
    (void)s;
    stream->left = 0;
}

/* ---- inserts ---- */
API struct chdb_insert *
chdb_stream_insert_with_params_n(struct chdb_session *s, const char *sql, size_t sql_len,
                                 const char *format, size_t format_len, const char *const *names,
                                 const size_t *name_lens, const char *const *values,
                                 const size_t *value_lens, size_t n)
{
    (void)s, (void)format, (void)format_len, (void)names, (void)name_lens, (void)values,
        (void)value_lens, (void)n;
    struct chdb_insert *in = calloc(1, sizeof(*in));
    char *text = text_of(sql, sql_len);
    in->fail_at = SIZE_MAX;
    number_after(text, "fail=", &in->fail_at);
    if (strstr(text, "unknown_table"))
        in->error = strdup("Code: 60. DB::Exception: no such table. (UNKNOWN_TABLE)");
    if (strstr(text, "crash"))
        kill(getpid(), SIGKILL);
    free(text);
    return in;
}

API int chdb_stream_append(struct chdb_insert *in, const void *data, size_t n)
{
    const unsigned char *p = data;
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) /* touches all of it: a sanitizer looks on */
        sum += p[i];
    in->total += n + (sum & 0);
    return in->total > in->fail_at ? -1 : 0;
}

API struct chdb_result *chdb_stream_done(struct chdb_insert *in)
{
    if (in->total > in->fail_at)
        return failure("Code: 27. DB::Exception: told to fail. (CANNOT_PARSE_INPUT)");
    struct chdb_result *r = result_new("", 0);
    r->written = in->total;
    return r;
}

API void chdb_stream_cancel_insert(struct chdb_insert *in)
{
    in->total = 0;
}

API const char *chdb_stream_insert_error(struct chdb_insert *in)
{
    return in ? in->error : "no insert";
}

API void chdb_destroy_insert_stream(struct chdb_insert *in)
{
    if (in)
        free(in->error);
    free(in);
}

/* ---- results ---- */
API char *chdb_result_buffer(struct chdb_result *r)
{
    return r->data;
}
API size_t chdb_result_length(struct chdb_result *r)
{
    return r->len;
}
API const char *chdb_result_error(struct chdb_result *r)
{
    return r->error;
}
API uint64_t chdb_result_rows_read(struct chdb_result *r)
{
    return r->len;
}
API uint64_t chdb_result_storage_rows_read(struct chdb_result *r)
{
    return r->len;
}
API uint64_t chdb_result_storage_bytes_read(struct chdb_result *r)
{
    return r->len;
}
API uint64_t chdb_result_rows_written(struct chdb_result *r)
{
    return r->written;
}
API uint64_t chdb_result_bytes_written(struct chdb_result *r)
{
    return r->written;
}
API void chdb_destroy_query_result(struct chdb_result *r)
{
    atomic_fetch_add(&destroyed, 1);
    free(r->data);
    free(r->error);
    free(r);
}
API void chdb_set_signal_handlers_enabled(int enabled)
{
    (void)enabled;
}
API const char *chdb_version(void)
{
    return "26.7.0.0";
}
