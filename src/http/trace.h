#ifndef WEIR_HTTP_TRACE_H
#define WEIR_HTTP_TRACE_H
/* What a request says about the trace it belongs to: W3C Trace Context (traceparent, tracestate)
 * and W3C Baggage. Pure. Everything here comes from outside and is believed to be a name, never an
 * instruction: docs/internals/context.md says what becomes of it. */
#include "base/ctx.h"

enum {
    TRACE_STATE_MEMBERS_MAX = 32,
    TRACE_BAGGAGE_MEMBERS_MAX = 64,
    TRACE_BAGGAGE_BYTES_MAX = 8192,
};
/* False: the header is as good as absent (not 2-32-16-2 lower-case hex digits, version ff, an id of
 * zeros only; more than that in version 00). Of a later version what version 00 has is read. */
bool trace_parse_parent(struct slice value, struct ctx_span *ret_span);
/* The whole list (several headers joined by a comma), or nothing of it, may be passed on. */
bool trace_state_is_valid(struct slice value);
bool trace_baggage_is_valid(struct slice value);
#endif
