/* Any line: what is taken out lies within it. */
#include "analytics/import/access_log.h"
#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct slice part, struct slice line)
{
    must(part.len == 0 || (part.data >= line.data && part.data + part.len <= line.data + line.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice line = slice_of((const char *)data, size);
    struct access_log_line l;
    enum access_log_reject why = access_log_parse(line, &l);
    must(why < ACCESS_LOG_REJECT_COUNT && access_log_reject_name(why));
    if (why != ACCESS_LOG_OK)
        return 0;
    within(l.address, line);
    within(l.user, line);
    within(l.method, line);
    within(l.target, line);
    within(l.protocol, line);
    within(l.referrer, line);
    within(l.user_agent, line);
    must(l.address.len && l.method.len);
    access_log_is_pageview(&l);
    return 0;
}
