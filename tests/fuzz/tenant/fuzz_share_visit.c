/* A text that is taken for a visit is one that was begun with a share's own key, and not over; any
 * other is nobody's. */
#include <string.h>

#include "base/must.h"
#include "tenant/share.h"
#include "tenant/tenant_int.h"

enum { SHARES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tenant_project project = {.is_archived = false};
    struct tenant_share all[SHARES], *by_link[SHARES];
    struct share_table table = {.all = all, .by_link = by_link, .count = SHARES};
    const unix_ms now = {INT64_C(1764000000000)};
    char visit[SHARE_VISIT_LEN + 1];
    memset(all, 0, sizeof(all));
    for (unsigned i = 0; i < SHARES; i++) {
        all[i].project = &project;
        all[i].id.bytes[0] = (uint8_t)i;
        memset(all[i].visit_key, (int)(7 + i), sizeof(all[i].visit_key));
        memset(all[i].link_hash, (int)(SHARES - i), sizeof(all[i].link_hash));
    }
    share_table_sort(&table);
    struct slice text = slice_of((const char *)data, size);
    must(!share_table_by_link(&table, text, now));  /* these are no hashes of any link */
    must(!share_table_by_visit(&table, text, now)); /* nobody can sign */
    /* A good one with one character of the input in it is no other one's, and mostly nobody's. */
    const struct tenant_share *share = &all[size ? data[0] % SHARES : 0];
    unix_ms end = tenant_share_begin(share, now, visit);
    must(share_table_by_visit(&table, slice_str(visit), now) == share);
    must(!share_table_by_visit(&table, slice_str(visit), end));
    if (size < 3)
        return 0;
    char *at = &visit[data[1] % SHARE_VISIT_LEN], before = *at;
    *at = (char)data[2];
    const struct tenant_share *found =
        share_table_by_visit(&table, slice_of(visit, SHARE_VISIT_LEN), now);
    must(before == (char)data[2] ? found == share : !found);
    return 0;
}
