/* What is read as a structured field can be written and read again to the same; every text of a
 * hint is printable ASCII. */
#include "ua/ua_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WRITTEN_MAX = 8 * 1024 };
struct written {
    char data[WRITTEN_MAX];
    size_t len;
};

static void put_char(struct written *w, char c)
{
    must(w->len < sizeof(w->data));
    w->data[w->len++] = c;
}

static void put_string(struct written *w, const struct ua_text *t)
{
    put_char(w, '"');
    for (size_t i = 0; i < t->len; i++) {
        must(t->data[i] >= ' ' && t->data[i] <= '~');
        if (t->data[i] == '"' || t->data[i] == '\\')
            put_char(w, '\\');
        put_char(w, t->data[i]);
    }
    put_char(w, '"');
}

static bool is_same(const struct ua_text *a, const struct ua_text *b)
{
    return slice_eq(slice_of(a->data, a->len), slice_of(b->data, b->len));
}

static void check_string(struct slice text)
{
    struct ua_text t, again;
    struct written w = {.len = 0};
    if (!ua_sf_string(text, &t)) {
        must(t.len == 0);
        return;
    }
    must(t.len <= text.len && text.len <= UA_HINT_BYTES_MAX);
    put_string(&w, &t);
    must(ua_sf_string(slice_of(w.data, w.len), &again) && is_same(&t, &again));
}

static void check_brands(struct slice text)
{
    struct ua_brand brands[UA_BRANDS_MAX], again[UA_BRANDS_MAX];
    size_t n, n_again;
    struct written w = {.len = 0};
    if (!ua_sf_brands(text, brands, &n))
        return;
    must(n >= 1 && n <= UA_BRANDS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i)
            put_char(&w, ',');
        put_string(&w, &brands[i].name);
        put_char(&w, ';');
        put_char(&w, 'v');
        put_char(&w, '=');
        put_string(&w, &brands[i].version);
    }
    if (w.len > UA_HINT_BYTES_MAX) /* every byte of it escaped */
        return;
    must(ua_sf_brands(slice_of(w.data, w.len), again, &n_again) && n_again == n);
    for (size_t i = 0; i < n; i++)
        must(is_same(&brands[i].name, &again[i].name) &&
             is_same(&brands[i].version, &again[i].version));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct ua_hints hints = {text, text, text, text, text};
    struct ua_hinted hinted;
    bool is = false;
    check_string(text);
    check_brands(text);
    /* One text is at most of one kind but for a string, which is also a list of one. */
    struct ua_text t;
    must(!ua_sf_boolean(text, &is) || !ua_sf_string(text, &t));
    ua_hints_read(&hints, &hinted);
    must(hinted.version.len <= UA_VERSION_BYTES_MAX &&
         hinted.os_version.len <= UA_VERSION_BYTES_MAX);
    must(hinted.os.len < 16 && hinted.browser.len < 32);
    return 0;
}
