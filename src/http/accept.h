#ifndef WEIR_HTTP_ACCEPT_H
#define WEIR_HTTP_ACCEPT_H
/* What a client takes, by its Accept-… fields. Pure. Source: RFC 9110, 12.5. */
#include <stdbool.h>

#include "base/slice.h"

/* A content coding ("gzip", "br") is named, or "*", and not with q=0. */
bool accept_takes_coding(struct slice accept_encoding, const char *coding);
/* The media type ("text/csv") stands in the list by its name, and not with q=0. */
bool accept_names(struct slice accept, const char *media_type);
#endif
