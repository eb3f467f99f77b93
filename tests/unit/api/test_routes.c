/* The table of routes: what api_new() refuses, and what GET /openapi.json says of each row. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "api/api.h"

#define DOC(id) "{\"operationId\":\"" id "\",\"responses\":{}}"

static void handle(struct ctx *ctx, void *service, struct api_request *req)
{
    (void)ctx;
    (void)service;
    (void)req;
}

static enum rc open_api(const struct api_route *routes, uint32_t count, struct api **ret_api,
                        struct err *err)
{
    static struct api_service service; /* api keeps a pointer to it */
    service = (struct api_service){.name = "test", .routes = routes, .route_count = count};
    return api_new(&(struct api_cfg){.services = &service, .service_count = 1, .version = "0"},
                   ret_api, err);
}

static void a_route_that_does_not_say_who_may_use_it_is_refused(void **state)
{
    (void)state;
    struct api *api = NULL;
    struct err err = ERR_INIT;
    const struct api_route routes[] = {
        {.pattern = "/open", .access = API_PUBLIC, .handle = handle, .openapi = DOC("open")},
        {.pattern = "/secret", .handle = handle, .openapi = DOC("secret")},
    };
    assert_int_equal(open_api(routes, 2, &api, &err), RC_BUG);
    assert_non_null(strstr(err.text, "/secret"));
    assert_null(api);
}

/* The generated walk (scenario l_permissions) takes its routes from the document. */
static void a_route_that_the_document_would_not_name_is_refused(void **state)
{
    (void)state;
    struct api *api = NULL;
    struct err err = ERR_INIT;
    const struct api_route hidden = {.pattern = "/hidden", .access = API_PUBLIC, .handle = handle},
                           control = {.pattern = "/c", .access = API_CONTROL, .handle = handle};
    assert_int_equal(open_api(&hidden, 1, &api, &err), RC_BUG);
    assert_non_null(strstr(err.text, "/hidden"));
    assert_int_equal(open_api(&control, 1, &api, &err), RC_OK);
    api_free(api);
}

static void the_document_says_what_each_row_asks(void **state)
{
    (void)state;
    struct api *api = NULL;
    struct buf out;
    const struct api_route routes[] = {
        {.pattern = "/a", .access = API_PUBLIC, .handle = handle, .openapi = DOC("a")},
        {.pattern = "/b", .access = API_SIGNED_IN, .handle = handle, .openapi = DOC("b")},
        {.pattern = "/c", .access = API_NEEDS(STATS_READ), .handle = handle, .openapi = DOC("c")},
        {.pattern = "/d", .access = API_NEEDS(KEYS_WRITE), .handle = handle, .openapi = DOC("d")},
        {.pattern = "/e", .access = API_CONTROL, .handle = handle, .openapi = DOC("e")},
    };
    static const char *const wanted[] = {
        "\"/a\":{\"get\":{\"x-weir-access\":\"public\",\"operationId\":\"a\"",
        "\"/b\":{\"get\":{\"x-weir-access\":\"signed-in\",\"operationId\":\"b\"",
        "\"/c\":{\"get\":{\"x-weir-access\":\"stats:read\",\"operationId\":\"c\"",
        "\"/d\":{\"get\":{\"x-weir-access\":\"keys:write\",\"operationId\":\"d\"",
    };
    assert_int_equal(open_api(routes, COUNT_OF(routes), &api, NULL), RC_OK);
    buf_init(&out, 1 << 20);
    api_openapi(api, &out);
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_non_null(strstr(buf_cstr(&out), wanted[i]));
    assert_null(strstr(buf_cstr(&out), "\"/e\""));
    buf_done(&out);
    api_free(api);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_that_does_not_say_who_may_use_it_is_refused),
        cmocka_unit_test(a_route_that_the_document_would_not_name_is_refused),
        cmocka_unit_test(the_document_says_what_each_row_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
