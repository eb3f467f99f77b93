#include "analytics/ingest/ingest_int.h"

const struct dialect *const dialects[] = {
#define DIALECT(name) &dialect_##name,
#include "analytics/ingest/dialect.def"
#undef DIALECT
};
const uint32_t dialect_count = COUNT_OF(dialects);
_Static_assert(COUNT_OF(dialects) <= INGEST_DIALECTS_MAX, "ingest_int.h");
