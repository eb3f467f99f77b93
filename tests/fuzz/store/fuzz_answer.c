/* Any bytes as an answer of the store: headers up to a line "--", then the body in pieces. */
#include <stddef.h>
#include <stdint.h>

#include "base/must.h"
#include "store/client_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size);
    struct err err = ERR_INIT;
    struct answer a;
    struct buf out;
    int code = 0;
    CURL *curl = curl_easy_init();
    must(curl != NULL);
    buf_init(&out, 1 << 20);
    answer_init(&a, curl, NULL, &out);
    while (rest.len) {
        struct slice line = slice_cut(&rest, '\n');
        if (slice_eq_str(line, "--"))
            break;
        answer_header((char *)(uintptr_t)line.data, 1, line.len, &a);
    }
    while (rest.len) {
        size_t n = rest.len < 7 ? rest.len : 7;
        answer_body((char *)(uintptr_t)rest.data, 1, n, &a);
        rest = slice_sub(rest, n);
    }
    enum rc rc = answer_result(&a, CURLE_OK, "", NULL, &code, &err);
    must(rc != RC_OK || err.rc == RC_OK);
    answer_done(&a);
    buf_done(&out);
    curl_easy_cleanup(curl);
    return 0;
}
