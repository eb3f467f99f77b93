#ifndef WEIR_HTTP_URL_H
#define WEIR_HTTP_URL_H
/* Percent-encoding (RFC 3986 2.1) and query strings (application/x-www-form-urlencoded). Pure. */
#include "base/arena.h"
#include "base/slice.h"

/* Decodes into the arena; with is_form '+' is a space. False: malformed %, a NUL, or no room. A
 * text without anything to decode is returned as it is, not copied. */
bool url_decode(struct arena *a, struct slice text, bool is_form, struct slice *ret);
/* First value of name in "a=1&b=2"; not decoded. False if absent. */
bool url_query_find(struct slice query, struct slice name, struct slice *ret_raw);
#endif
