/* WHAT    What the store has told about zones and projects, kept for the next questions.
 * WHY     A question about days of a zone would ask for them anew, each time, and that is a tenth
 *         of what a report of a million events takes. Only the last zones asked for are kept, as
 *         anyone who may ask can name 600, and for an hour, as a store elsewhere may get new ones.
 *         Whether a project has bots by behaviour holds until sessions are written: here, which
 *         their version tells, or by another process, for which it is forgotten after a second.
 * THREADS any; the lock is held for a copy. */
#include "analytics/report/report_run_int.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/siphash.h"

enum { ZONES = 16, PROJECTS = 256, BEHAVIOUR_KNOWN_MS = 1000, ZONE_KNOWN_MS = 3600000 };

struct known_zone {
    char name[QUERY_ZONE_BYTES_MAX + 1];
    uint64_t used; /* the more, the later */
    mono_ns until;
    struct report_zone zone;
};
struct known_project {
    char id[UUID_TEXT_LEN];
    bool has_behaviour;
    uint64_t version;
    mono_ns until;
};
struct report_known {
    pthread_mutex_t lock;
    uint64_t uses;
    uint32_t zone_count;
    struct known_zone *zones[ZONES];
    struct known_project projects[PROJECTS]; /* a place has the last one of its hash */
};

struct report_known *report_known_new(void)
{
    struct report_known *known = heap_alloc(HEAP_ANALYTICS, sizeof(*known));
    *known = (struct report_known){0};
    pthread_mutex_init(&known->lock, NULL);
    return known;
}

void report_known_free(struct report_known *known)
{
    if (!known)
        return;
    for (uint32_t i = 0; i < known->zone_count; i++)
        heap_free(known->zones[i]);
    pthread_mutex_destroy(&known->lock);
    heap_free(known);
}

/* lock is held. */
static struct known_zone *find(struct report_known *known, struct slice name)
{
    for (uint32_t i = 0; i < known->zone_count; i++)
        if (slice_eq_str(name, known->zones[i]->name))
            return known->zones[i];
    return NULL;
}

bool report_known_zone(struct report_known *known, struct slice name, struct report_zone *ret_zone)
{
    pthread_mutex_lock(&known->lock);
    struct known_zone *z = find(known, name);
    bool is_known = z && mono_is_before(mono_now(), z->until);
    if (is_known) {
        z->used = ++known->uses;
        *ret_zone = z->zone;
    }
    pthread_mutex_unlock(&known->lock);
    return is_known;
}

/* A new one, or the one that was not used for longest. lock is held. */
static struct known_zone *place(struct report_known *known)
{
    struct known_zone *oldest = known->zones[0];
    if (known->zone_count < ZONES) {
        oldest = heap_alloc(HEAP_ANALYTICS, sizeof(*oldest));
        known->zones[known->zone_count++] = oldest;
        return oldest;
    }
    for (uint32_t i = 1; i < ZONES; i++)
        if (known->zones[i]->used < oldest->used)
            oldest = known->zones[i];
    return oldest;
}

void report_known_keep_zone(struct report_known *known, struct slice name,
                            const struct report_zone *zone)
{
    if (name.len > QUERY_ZONE_BYTES_MAX)
        return;
    pthread_mutex_lock(&known->lock);
    struct known_zone *z = find(known, name);
    if (!z)
        z = place(known);
    memcpy(z->name, name.data, name.len);
    z->name[name.len] = '\0';
    z->used = ++known->uses;
    z->until = mono_add_ms(mono_now(), ZONE_KNOWN_MS);
    z->zone = *zone;
    pthread_mutex_unlock(&known->lock);
}

static struct known_project *project_place(struct report_known *known, struct slice id)
{
    static const struct siphash_key any = {0}; /* nobody chooses an id */
    return &known->projects[siphash(&any, id.data, id.len) % PROJECTS];
}

bool report_known_behaviour(struct report_known *known, struct slice project, uint64_t version,
                            bool *ret_has)
{
    pthread_mutex_lock(&known->lock);
    const struct known_project *p = project_place(known, project);
    bool is_known = slice_eq(project, slice_of(p->id, sizeof(p->id))) && p->version == version &&
                    mono_is_before(mono_now(), p->until);
    *ret_has = is_known && p->has_behaviour;
    pthread_mutex_unlock(&known->lock);
    return is_known;
}

void report_known_keep_behaviour(struct report_known *known, struct slice project, uint64_t version,
                                 bool has)
{
    if (project.len != UUID_TEXT_LEN)
        return;
    pthread_mutex_lock(&known->lock);
    struct known_project *p = project_place(known, project);
    memcpy(p->id, project.data, project.len);
    p->version = version;
    p->has_behaviour = has;
    p->until = mono_add_ms(mono_now(), BEHAVIOUR_KNOWN_MS);
    pthread_mutex_unlock(&known->lock);
}
