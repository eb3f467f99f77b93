#ifndef WEIR_ANALYTICS_BI_BI_H
#define WEIR_ANALYTICS_BI_BI_H
/* SQL of others, read-only and bound to one project: ClickHouse's HTTP interface for Metabase,
 * Superset, official clients and curl. docs/bi.md is for who asks; what holds a statement within
 * its project: docs/internals/bi.md. Only over the embedded store. */
#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "store/store.h"

struct bi_cfg {
    struct store_cfg store;       /* strings borrowed */
    bool is_embedded;             /* false: the routes answer 501 */
    uint32_t seconds_max;         /* per statement; 0 = 20 */
    uint32_t running_max;         /* statements at once, all projects; 0 = 4 */
    uint32_t running_project_max; /* of one; 0 = 2 */
};
struct bi;
enum rc bi_new(const struct bi_cfg *cfg, struct bi **ret_bi, struct err *err) MUST_CHECK;
struct api_service bi_service(struct bi *bi);
void bi_free(struct bi *bi); /* after the last answer was given */
#endif
