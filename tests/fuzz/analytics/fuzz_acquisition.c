/* A page's URL and its referrer, of any bytes, one line each: every text that comes out is bounded,
 * and the path and the host are fixed points. */
#include <stdlib.h>

#include "analytics/projector/acquisition.h"
#include "analytics/event/page.h"
#include "analytics/projector/project_int.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly that size, so that reading past its end is seen. */
static struct slice copy_of(struct slice s)
{
    char *copy = malloc(s.len ? s.len : 1);
    must(copy);
    if (s.len)
        memcpy(copy, s.data, s.len);
    return slice_of(copy, s.len);
}

static bool is_utf8(struct slice s)
{
    while (s.len) {
        size_t n = (unsigned char)*s.data < 0x80 ? 1 : slice_utf8_len(s);
        if (n == 0)
            return false;
        s = slice_sub(s, n);
    }
    return true;
}

static void check_path(struct slice path, struct arena *scratch)
{
    struct slice once = page_path_normal(path, scratch);
    must(once.len <= PAGE_PATH_BYTES_MAX && once.len <= 3 * path.len);
    if (path.len && path.data[0] == '/')
        must(once.len && once.data[0] == '/' && is_utf8(once));
    must(slice_eq(page_path_normal(once, scratch), once));
}

static void check_host(struct slice raw, struct arena *scratch)
{
    struct slice host = project_url_host(raw, scratch);
    must(host.len <= PROJECT_DOMAIN_BYTES_MAX);
    must(slice_eq(project_url_host(host, scratch), host));
    must(acquisition_is_same_site(host, host));
    must(acquisition_source_of_host(host, false).name.len <= PROJECT_DOMAIN_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena scratch;
    struct slice rest = slice_of((const char *)data, size);
    struct slice line = size ? slice_cut(&rest, '\n') : rest;
    struct slice page = copy_of(line), referrer = copy_of(rest);
    struct acquisition_query query;
    struct acquisition out;
    arena_init(&scratch, 64 * 1024, 16 << 20);
    struct project_url url = project_url_split(page);
    acquisition_query_read(url.query, &scratch, &query);
    for (size_t i = 0; i < ACQUISITION_UTM_COUNT; i++)
        must(query.utm[i].len <= ACQUISITION_VALUE_BYTES_MAX && is_utf8(query.utm[i]));
    const struct acquisition_in in = {.query = &query,
                                      .referrer = referrer,
                                      .hostname = project_url_host(url.host, &scratch),
                                      .is_page = true};
    acquisition_derive(&in, &scratch, &out);
    must(out.referrer_source.len <= PROJECT_DOMAIN_BYTES_MAX &&
         out.referrer_domain.len <= PROJECT_DOMAIN_BYTES_MAX);
    must(out.channel.len < 32 && out.click_id.len <= 16);
    must(out.channel.len || out.referrer_source.len == 0);
    struct slice host = project_url_host(project_url_split(referrer).host, &scratch);
    must(acquisition_is_same_site(in.hostname, host) ==
         acquisition_is_same_site(host, in.hostname));
    check_host(url.host, &scratch);
    check_host(referrer, &scratch);
    check_path(url.path, &scratch);
    check_path(page, &scratch);
    check_path(referrer, &scratch);
    arena_done(&scratch);
    free(UNCONST(page.data));
    free(UNCONST(referrer.data));
    return 0;
}
