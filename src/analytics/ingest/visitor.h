#ifndef WEIR_ANALYTICS_INGEST_VISITOR_H
#define WEIR_ANALYTICS_INGEST_VISITOR_H
/* A visitor without cookies: a hash of who asks under a key that is random and destroyed. What it
 * promises is docs/definitions.md, "Device".
 *
 * SALT     16 random bytes per UTC day, in memory and in one file (mode 0600, nowhere else: not in
 *          backups, not in the state database). Made ten minutes before its day begins (or at the
 *          start of the server, if that comes later) and destroyed ten minutes before the end of
 *          the day after: never older than 48 h, by the clock of the wall and by the monotonic one.
 * MIDNIGHT A device that was active within the last 30 minutes of its day keeps its hash until it
 *          has been idle for 30 minutes, so that a visit over midnight is one. Which devices those
 *          are is kept in memory only, and only around midnight.
 * CLOCK    Set back to an earlier day, what was made for a later one is destroyed.
 * THREADS  visitor_device(): any, no lock. The others: one at a time. */
#include "base/clock.h"
#include "base/ip.h"
#include "base/rc.h"
#include "base/uuid.h"

enum {
    VISITOR_SITE_BYTES_MAX = 253,
    VISITOR_USER_AGENT_BYTES_MAX = 1024, /* what is longer is cut */
    VISITOR_IDLE_MINUTES = 30,
};
struct visitor {
    struct uuid project;
    struct slice site;       /* host of the page, as the project groups them; empty = none */
    struct ip address;       /* of IPv6 the network (the first 64 bits) counts */
    struct slice user_agent; /* any bytes */
};

struct visitor_salts; /* one per process */
/* Reads the file or makes it; when it returns, today's salt is on stable storage. A damaged file is
 * replaced, with a line in the log: devices are then counted anew. */
enum rc visitor_salts_open(const char *path, unix_ms now, mono_ns up,
                           struct visitor_salts **ret_salts, struct err *err) MUST_CHECK;
/* Makes and destroys what is due. Cheap when nothing is; else it writes and syncs the file. After a
 * failure what is too old is gone from memory all the same. Call it about once a second. */
enum rc visitor_salts_tend(struct visitor_salts *s, unix_ms now, mono_ns up,
                           struct err *err) MUST_CHECK;
void visitor_salts_close(struct visitor_salts *s); /* the file stays; NULL is fine */
void visitor_salts_metrics_register(struct visitor_salts *s);

/* Never 0, but for: there is no salt now (the disk does not take the file). About 0.2 us. */
uint64_t visitor_device(struct visitor_salts *s, const struct visitor *v, unix_ms now);
#endif
