#ifndef WEIR_STORE_CLIENT_INT_H
#define WEIR_STORE_CLIENT_INT_H
/* Shared by the parts of the client: request.c builds the URL, answer.c takes the answer apart. */
#include <curl/curl.h>

#include "base/buf.h"
#include "base/os.h"
#include "store/store.h"

enum {
    STORE_URL_BYTES_MAX = 256 * 1024,
    STORE_ERROR_BYTES_MAX = 16 * 1024,
    STORE_TAG_BYTES = 64,
    STORE_HOLD_BYTES_MAX = 128, /* longer than the marker before an exception inside a body */
};

struct store_client {
    CURL *curl;
    struct curl_slist *headers;
    struct store_cfg cfg; /* strings owned */
    struct os_socket_name socket;
    struct buf url;
};

/* One answer while it comes in. */
struct answer {
    CURL *curl;
    const struct store_query *query; /* on_data; NULL = out */
    struct buf *out;
    size_t out_from;
    enum rc sink_rc; /* why on_data or out stopped it */
    struct buf error;
    struct buf held; /* the last bytes, not handed on yet: an exception may begin in them */
    char tag[STORE_TAG_BYTES];
    bool is_exception; /* the marker was seen; what follows is the error's text */
    int code;
    struct store_summary summary;
};
void answer_init(struct answer *a, CURL *curl, const struct store_query *query, struct buf *out);
void answer_done(struct answer *a);
/* curl's callbacks; ctx is the struct answer. */
size_t answer_header(char *data, size_t size, size_t count, void *ctx);
size_t answer_body(char *data, size_t size, size_t count, void *ctx);
/* After curl_easy_perform: the result of the call. */
enum rc answer_result(struct answer *a, CURLcode curl_code, const char *curl_error,
                      struct store_summary *ret_summary, int *ret_code, struct err *err) MUST_CHECK;

/* memmem that takes an empty slice. */
static inline const char *find_in(struct slice text, const char *what, size_t len)
{
    return text.data ? memmem(text.data, text.len, what, len) : NULL;
}

/* Without the configured database, which may not exist yet. */
enum rc store_query_any_database(struct store_client *c, const struct store_query *q,
                                 struct buf *out, struct err *err) MUST_CHECK;

/* Appends "name=value" percent-encoded, with '&' before it. */
void url_add(struct buf *url, const char *prefix, const char *name, struct slice value);
/* ClickHouse's TSV escapes, which HTTP's param_… values are read with. */
void url_escape_param(struct buf *out, struct slice value);
void sql_add_name(struct buf *out,
                  const char *name); /* `name`, backticks and backslashes escaped */
#endif
