/* WHAT     visitor.h.
 * HOW      Readers take both salts by a sequence lock whose every word is atomic: a torn read is
 *          seen by the sequence and repeated. There are two writes a day.
 * LAYOUT   of the file: a line of its name, then one per salt: day (since 1970), when it was made
 *          (unix ms), 32 hex digits. Replaced by renaming; then the old one is overwritten through
 *          the descriptor that still holds it, so that a destroyed salt is not left in free blocks
 *          (on a file system that writes in place).
 * MIDNIGHT The table holds, per device seen around midnight, most of its hash and the minute it was
 *          last seen, in one word. Buckets of four; the longest unseen makes room. */
#include "analytics/ingest/visitor.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/must.h"
#include "base/os.h"
#include "base/random.h"
#include "base/secret.h"
#include "base/siphash.h"

enum {
    MS_PER_MINUTE = 60000,
    MS_PER_DAY = 24 * 3600 * 1000,
    AHEAD_MS = 10 * MS_PER_MINUTE,       /* tomorrow's is made, yesterday's destroyed */
    CLOCK_SLACK_MS = 60 * MS_PER_MINUTE, /* a correction of the clock, not another time */
    EVENING_MINUTES = VISITOR_IDLE_MINUTES + 1,
    MINUTES_PER_DAY = 24 * 60,
    SALTS = 2,
    SALT_BYTES = 16,
    FILE_BYTES_MAX = 1024,
    SEEN_BITS = 15,
    SEEN_WAYS = 4,
    MINUTE_BITS = 20,
};
static const char file_head[] = "weir visitor salts 1\n";

struct salt { /* the writer's; in secret memory */
    int64_t day, made_ms;
    mono_ns since; /* when this process made or read it */
    uint64_t k0, k1;
    bool is_there;
};
struct shown {           /* the same for readers */
    _Atomic int64_t day; /* -1: there is none */
    _Atomic uint64_t k0, k1;
};
struct secrets {
    struct salt salts[SALTS];
    struct shown shown[SALTS];
};
struct visitor_salts {
    char path[OS_PATH_MAX];
    struct secrets *secrets;
    _Atomic uint64_t sequence; /* odd: shown is being written */
    bool is_unwritten;         /* the file does not hold what memory does */
    _Atomic int64_t seen_last; /* minute in which a device was last noted; 0 = never */
    _Atomic uint64_t seen[1 << SEEN_BITS][SEEN_WAYS];
    struct metric ready;
};

static int64_t day_of(unix_ms now)
{
    return (now.ms - (now.ms < 0 ? MS_PER_DAY - 1 : 0)) / MS_PER_DAY;
}

/* So late in the day that tomorrow's salt is wanted and yesterday's is not any more. */
static bool is_late(unix_ms now)
{
    return now.ms - day_of(now) * MS_PER_DAY >= MS_PER_DAY - AHEAD_MS;
}

/* ---- the writer ---- */

static bool is_kept(const struct salt *salt, unix_ms now, mono_ns up)
{
    int64_t first = day_of(now) - (is_late(now) ? 0 : 1), last = first + 1;
    return salt->is_there && salt->day >= first && salt->day <= last &&
           salt->made_ms <= now.ms + CLOCK_SLACK_MS &&
           up.ns - salt->since.ns < (int64_t)2 * MS_PER_DAY * 1000000;
}

static void show(struct visitor_salts *s)
{
    uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);
    atomic_store_explicit(&s->sequence, sequence + 1, memory_order_relaxed);
    for (unsigned i = 0; i < SALTS; i++) {
        const struct salt *from = &s->secrets->salts[i];
        struct shown *to = &s->secrets->shown[i];
        /* Release: none of them before the odd sequence. */
        atomic_store_explicit(&to->day, from->is_there ? from->day : -1, memory_order_release);
        atomic_store_explicit(&to->k0, from->k0, memory_order_release);
        atomic_store_explicit(&to->k1, from->k1, memory_order_release);
    }
    atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}

static bool drop_old(struct visitor_salts *s, unix_ms now, mono_ns up)
{
    bool is_any = false;
    for (unsigned i = 0; i < SALTS; i++) {
        struct salt *salt = &s->secrets->salts[i];
        if (!salt->is_there || is_kept(salt, now, up))
            continue;
        explicit_bzero(salt, sizeof(*salt));
        is_any = true;
    }
    return is_any;
}

static bool has_day(const struct visitor_salts *s, int64_t day)
{
    for (unsigned i = 0; i < SALTS; i++)
        if (s->secrets->salts[i].is_there && s->secrets->salts[i].day == day)
            return true;
    return false;
}

static struct salt *free_slot(struct visitor_salts *s)
{
    for (unsigned i = 0; i < SALTS; i++)
        if (!s->secrets->salts[i].is_there)
            return &s->secrets->salts[i];
    must_not_reach("two days at most are kept, and neither is this one");
}

static bool make(struct visitor_salts *s, int64_t day, unix_ms now, mono_ns up)
{
    if (has_day(s, day))
        return false;
    struct salt *salt = free_slot(s);
    random_bytes(&salt->k0, sizeof(salt->k0));
    random_bytes(&salt->k1, sizeof(salt->k1));
    salt->day = day;
    salt->made_ms = now.ms;
    salt->since = up;
    salt->is_there = true;
    return true;
}

/* ---- the file ---- */

static size_t format(const struct visitor_salts *s, char to[FILE_BYTES_MAX])
{
    size_t len = (size_t)snprintf(to, FILE_BYTES_MAX, "%s", file_head);
    for (unsigned i = 0; i < SALTS; i++) {
        const struct salt *salt = &s->secrets->salts[i];
        if (salt->is_there)
            len += (size_t)snprintf(to + len, FILE_BYTES_MAX - len, "%lld %lld %016llx%016llx\n",
                                    (long long)salt->day, (long long)salt->made_ms,
                                    (unsigned long long)salt->k0, (unsigned long long)salt->k1);
    }
    return len;
}

/* A file that has no name any more. */
static void overwrite(int fd)
{
    static const char zeros[FILE_BYTES_MAX];
    struct iovec iov = {UNCONST(zeros), sizeof(zeros)};
    uint64_t written;
    IGNORE(os_pwritev_all(fd, &iov, 1, 0, &written, NULL) != RC_OK ||
               os_fdatasync(fd, NULL) != RC_OK,
           "it has no name, and nobody can try again");
}

/* What a crash before the renaming left behind. */
static void drop_temp(const char *temp)
{
    CLEANUP(os_closep) int fd = -1;
    if (!os_exists(temp) || os_open(temp, O_WRONLY, &fd, NULL) != RC_OK)
        return;
    overwrite(fd);
    IGNORE(os_unlink_durable(temp, NULL) != RC_OK, "it is empty, and written over the next time");
}

static enum rc write_temp(const char *temp, struct slice content, struct err *err)
{
    CLEANUP(os_closep) int fd = -1;
    TRY(os_open(temp, O_WRONLY | O_CREAT | O_TRUNC, &fd, err));
    if (fchmod(fd, 0600) != 0) /* before there is anything in it */
        return err_set(err, RC_IO, "cannot make %s private", temp);
    TRY(os_write_all(fd, content.data, content.len, err));
    return os_fsync(fd, err);
}

static enum rc write_file(struct visitor_salts *s, struct err *err)
{
    char temp[OS_PATH_MAX], text[FILE_BYTES_MAX];
    CLEANUP(os_closep) int old = -1;
    os_path(temp, "%s.new", s->path);
    if (os_exists(s->path))
        TRY(os_open(s->path, O_WRONLY, &old, err));
    size_t len = format(s, text);
    enum rc rc = write_temp(temp, slice_of(text, len), err);
    explicit_bzero(text, sizeof(text));
    TRY(rc);
    TRY(os_rename_durable(temp, s->path, err));
    if (old >= 0)
        overwrite(old);
    return RC_OK;
}

static bool parse_line(struct slice line, struct salt *ret)
{
    uint64_t words[2] = {0, 0};
    struct slice day = slice_cut(&line, ' '), made = slice_cut(&line, ' ');
    if (line.len != 2 * (size_t)SALT_BYTES || !slice_to_i64(day, &ret->day) ||
        !slice_to_i64(made, &ret->made_ms))
        return false;
    for (unsigned i = 0; i < line.len; i++) {
        uint8_t digit[1];
        const char pair[2] = {'0', line.data[i]};
        if (!slice_unhex(pair, 1, digit))
            return false;
        words[i / 16] = words[i / 16] << 4 | digit[0];
    }
    ret->k0 = words[0];
    ret->k1 = words[1];
    ret->is_there = true;
    return true;
}

static bool parse(struct visitor_salts *s, struct slice text, mono_ns up)
{
    unsigned n = 0;
    if (!slice_has_prefix(text, slice_str(file_head)))
        return false;
    text = slice_sub(text, sizeof(file_head) - 1);
    while (text.len) {
        struct salt *salt = &s->secrets->salts[n];
        if (n++ == SALTS || !parse_line(slice_cut(&text, '\n'), salt))
            return false;
        salt->since = up;
    }
    return n < 2 || s->secrets->salts[0].day != s->secrets->salts[1].day;
}

static enum rc read_file(struct visitor_salts *s, mono_ns up, struct err *err)
{
    char space[FILE_BYTES_MAX];
    size_t len = 0;
    CLEANUP(os_closep) int fd = -1;
    if (!os_exists(s->path))
        return RC_OK;
    TRY(os_open(s->path, O_RDONLY, &fd, err));
    TRY(os_pread(fd, space, sizeof(space), 0, &len, err));
    if (!parse(s, slice_of(space, len), up)) {
        log_warn("the salts of visitors are damaged and made anew: today's devices are counted "
                 "once more",
                 LOG_STR("file", s->path));
        explicit_bzero(s->secrets->salts, sizeof(s->secrets->salts));
    }
    explicit_bzero(space, sizeof(space));
    return RC_OK;
}

/* ---- life ---- */

enum rc visitor_salts_tend(struct visitor_salts *s, unix_ms now, mono_ns up, struct err *err)
{
    bool is_changed = drop_old(s, now, up);
    is_changed |= make(s, day_of(now), now, up);
    if (is_late(now))
        is_changed |= make(s, day_of(now) + 1, now, up);
    if (!is_changed && !s->is_unwritten)
        return RC_OK;
    /* A salt that the file may never hold is not used: after a crash its visitors would be others.
     * What is destroyed is destroyed at once. */
    s->is_unwritten = true;
    if (write_file(s, err) != RC_OK) {
        for (unsigned i = 0; i < SALTS; i++)
            if (s->secrets->salts[i].made_ms == now.ms)
                explicit_bzero(&s->secrets->salts[i], sizeof(s->secrets->salts[i]));
        show(s);
        return err ? err_wrap(err, "%s", s->path) : RC_IO;
    }
    s->is_unwritten = false;
    show(s);
    return RC_OK;
}

enum rc visitor_salts_open(const char *path, unix_ms now, mono_ns up,
                           struct visitor_salts **ret_salts, struct err *err)
{
    struct visitor_salts *s = heap_alloc(HEAP_ANALYTICS, sizeof(*s));
    char temp[OS_PATH_MAX];
    os_path(s->path, "%s", path);
    drop_temp(os_path(temp, "%s.new", path));
    s->secrets = secret_alloc(sizeof(*s->secrets));
    enum rc rc = read_file(s, up, err);
    if (rc == RC_OK)
        rc = visitor_salts_tend(s, now, up, err);
    if (rc != RC_OK) {
        visitor_salts_close(s);
        return rc;
    }
    show(s);
    *ret_salts = s;
    return RC_OK;
}

void visitor_salts_close(struct visitor_salts *s)
{
    if (!s)
        return;
    if (s->ready.name)
        metrics_unregister(&s->ready);
    secret_free(s->secrets, sizeof(*s->secrets));
    heap_free(s);
}

/* ---- readers ---- */

struct keys {
    struct siphash_key today, before;
    bool has_today, has_before;
};

static void read_keys(struct visitor_salts *s, int64_t day, struct keys *ret)
{
    for (;;) {
        uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_acquire);
        *ret = (struct keys){.has_today = false};
        for (unsigned i = 0; i < SALTS && !(sequence & 1); i++) {
            struct shown *from = &s->secrets->shown[i];
            /* Acquire: all of them before the second look at the sequence. */
            int64_t of = atomic_load_explicit(&from->day, memory_order_acquire);
            uint64_t k0 = atomic_load_explicit(&from->k0, memory_order_acquire);
            uint64_t k1 = atomic_load_explicit(&from->k1, memory_order_acquire);
            if (of == day) {
                ret->today = (struct siphash_key){k0, k1};
                ret->has_today = true;
            } else if (of == day - 1) {
                ret->before = (struct siphash_key){k0, k1};
                ret->has_before = true;
            }
        }
        if (!(sequence & 1) && atomic_load_explicit(&s->sequence, memory_order_relaxed) == sequence)
            return;
    }
}

static uint64_t word_of(uint64_t device, int64_t minute)
{
    const uint64_t low = (UINT64_C(1) << MINUTE_BITS) - 1;
    return (device & ~low) | ((uint64_t)minute & low);
}

static uint32_t minutes_since(uint64_t word, int64_t minute)
{
    return (uint32_t)((uint64_t)minute - word) & ((1U << MINUTE_BITS) - 1);
}

static void note(struct visitor_salts *s, uint64_t device, int64_t minute, bool is_known_only,
                 bool *ret_is_active)
{
    _Atomic uint64_t *bucket = s->seen[device & ((1U << SEEN_BITS) - 1)], *to = NULL;
    uint32_t oldest = 0;
    *ret_is_active = false;
    for (unsigned i = 0; i < SEEN_WAYS; i++) {
        uint64_t word = atomic_load_explicit(&bucket[i], memory_order_relaxed);
        uint32_t age = word ? minutes_since(word, minute) : UINT32_MAX;
        if (word && word >> MINUTE_BITS == device >> MINUTE_BITS) {
            *ret_is_active = age <= VISITOR_IDLE_MINUTES;
            to = &bucket[i];
            break;
        }
        if (age >= oldest) {
            oldest = age;
            to = &bucket[i];
        }
    }
    if (is_known_only && !*ret_is_active)
        return;
    uint64_t word = word_of(device, minute);
    if (atomic_load_explicit(to, memory_order_relaxed) != word)
        atomic_store_explicit(to, word, memory_order_relaxed);
    if (atomic_load_explicit(&s->seen_last, memory_order_relaxed) != minute)
        atomic_store_explicit(&s->seen_last, minute, memory_order_relaxed);
}

static size_t lay_out(const struct visitor *v, char *to)
{
    struct slice site = slice_of(
        v->site.data, v->site.len < VISITOR_SITE_BYTES_MAX ? v->site.len : VISITOR_SITE_BYTES_MAX);
    struct slice agent =
        slice_of(v->user_agent.data, v->user_agent.len < VISITOR_USER_AGENT_BYTES_MAX
                                         ? v->user_agent.len
                                         : VISITOR_USER_AGENT_BYTES_MAX);
    /* Of an IPv6 address the host's half is random and changes within the day (RFC 8981). */
    const uint64_t address[2] = {v->address.high, ip_is_v4(v->address) ? v->address.low : 0};
    size_t len = 0;
    memcpy(to, v->project.bytes, sizeof(v->project.bytes));
    len += sizeof(v->project.bytes);
    memcpy(to + len, address, sizeof(address));
    len += sizeof(address);
    to[len++] = (char)site.len; /* so that no two visitors are laid out alike */
    if (site.len)
        memcpy(to + len, site.data, site.len);
    len += site.len;
    if (agent.len)
        memcpy(to + len, agent.data, agent.len);
    return len + agent.len;
}

static uint64_t hash(const struct siphash_key *key, const char *bytes, size_t len)
{
    uint64_t device = siphash(key, bytes, len);
    return device ? device : 1;
}

uint64_t visitor_device(struct visitor_salts *s, const struct visitor *v, unix_ms now)
{
    enum { BYTES = 16 + 16 + 1 + VISITOR_SITE_BYTES_MAX + VISITOR_USER_AGENT_BYTES_MAX };
    char bytes[BYTES];
    struct keys keys;
    int64_t day = day_of(now), minute = now.ms / MS_PER_MINUTE;
    size_t len = lay_out(v, bytes);
    uint64_t device = 0;
    bool is_active = false;
    read_keys(s, day, &keys);
    bool may_go_on =
        keys.has_before &&
        minute - atomic_load_explicit(&s->seen_last, memory_order_relaxed) <= VISITOR_IDLE_MINUTES;
    if (may_go_on || (keys.has_before && !keys.has_today)) {
        device = hash(&keys.before, bytes, len);
        note(s, device, minute, true, &is_active);
        if (!keys.has_today)
            is_active = true; /* the clock has just jumped over midnight */
    }
    if (!is_active)
        device = keys.has_today ? hash(&keys.today, bytes, len) : 0;
    if (!is_active && device && minute - day * MINUTES_PER_DAY >= MINUTES_PER_DAY - EVENING_MINUTES)
        note(s, device, minute, false, &is_active);
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(bytes, len); /* the address among them */
    return device;
}

static int64_t is_ready(void *arg)
{
    struct visitor_salts *s = arg;
    struct keys keys;
    read_keys(s, day_of(unix_now()), &keys);
    bool is_there = keys.has_today;
    explicit_bzero(&keys, sizeof(keys));
    return is_there;
}

void visitor_salts_metrics_register(struct visitor_salts *s)
{
    s->ready = (struct metric){.name = "weir_visitor_salt_available",
                               .help = "1 when there is a salt for today: visitors without cookies "
                                       "are counted.",
                               .kind = METRIC_GAUGE,
                               .read = is_ready,
                               .read_ctx = s};
    metrics_register(&s->ready);
}
