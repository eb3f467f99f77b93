/* traceparent: what is read is written the same, whatever its version says. The lists: what is
 * passed on has no byte that could end a header or be read as anything but printable ASCII, and
 * stays valid when it is passed on again. */
#include "base/must.h"
#include "http/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parent(struct slice text)
{
    struct ctx_span span, again;
    char out[CTX_TRACEPARENT_LEN + 1];
    if (!trace_parse_parent(text, &span))
        return;
    ctx_span_format(&span, out);
    must(text.len >= CTX_TRACEPARENT_LEN);
    must(memcmp(out + 2, text.data + 2, CTX_TRACEPARENT_LEN - 2) == 0);
    must(ctx_span_parse(slice_str(out), &again));
    must(memcmp(&span, &again, sizeof(span)) == 0);
}

static void check_list(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        must(text.data[i] == '\t' || (text.data[i] >= 0x20 && text.data[i] < 0x7f));
    must(memchr(text.data, '=', text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    check_parent(text);
    if (trace_state_is_valid(text))
        check_list(text);
    if (trace_baggage_is_valid(text))
        check_list(text);
    return 0;
}
