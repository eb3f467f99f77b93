#ifndef WEIR_APP_NODE_H
#define WEIR_APP_NODE_H
/* The opened data folder and everything that runs on it, put together from the modules: the only
 * place that knows which implementation stands behind which interface.
 *
 *   <data>/weir.lock          one process at a time
 *   <data>/state.db           tenants and keys (SQLite)
 *   <data>/credentials.json   what init made (mode 0600)
 *   <data>/visitor-salts      two days' salts (mode 0600), in no backup: ingest/visitor.h
 *   <data>/stream/<name>/     segments of the streams events, events-dead, audit and rejected
 *   <data>/consumers/<name>/  checkpoints
 *   <data>/store/             the embedded store
 *   <data>/archive/           hourly files (unless archive.dir is set)
 *   <data>/replay/            the state of a replay under way
 *   <data>/run/               sockets */
#include <pthread.h>
#include <stdatomic.h>

#include "analytics/erase/erase.h"
#include "analytics/event/property_columns.h"
#include "analytics/projector/project.h"
#include "analytics/person/persons.h"
#include "analytics/replay/replay.h"
#include "analytics/rejected/rejected.h"
#include "analytics/session/sessionize.h"
#include "analytics/ingest/visitor.h"
#include "app/chores.h"
#include "app/config.h"
#include "app/retention.h"
#include "archive/archive.h"
#include "archive/object.h"
#include "base/os.h"
#include "geo/geo.h"
#include "store/child.h"
#include "store/store.h"
#include "stream/consumer.h"
#include "stream/stream.h"
#include "tenant/admin.h"

enum node_parts {
    NODE_STATE = 0,     /* lock, state, tenants */
    NODE_STREAMS = 1,   /* + streams */
    NODE_STORE = 2,     /* + the store (child started when embedded) */
    NODE_CONSUMERS = 4, /* + project and archive */
};
/* A replay under way, for who asks how far it is (app/pipeline.h). */
struct node_replaying {
    pthread_mutex_t lock;
    bool is_under_way;
    struct replay_progress progress;
};
struct node {
    const struct config *cfg;
    int lock_fd;
    struct state *state;
    struct tenant *tenant;
    struct stream *events;
    struct stream *dead;
    struct stream *audit;
    struct stream *rejects; /* what was rejected, for a day */
    struct quota *quota;
    struct rejected *rejected;
    struct rejected_writer *reject_writer, *left_out_writer; /* of two consumers */
    struct project_left_out *left_out;
    _Atomic(struct consumer *) rejecter; /* NULL until the store is ready */
    struct chores *chores;
    struct erase_guard *guard; /* between imports and erasures */
    struct erase_worker *eraser;
    pthread_mutex_t rest; /* whoever has consumers or sessions at rest: backup, replay, erasure */
    struct visitor_salts *salts;
    struct geo *geo;
    struct store_supervisor *supervisor; /* NULL with a server of the user's own */
    struct store_cfg store_cfg;
    struct store_child_cfg child_cfg;
    char store_socket[OS_PATH_MAX], store_dir[OS_PATH_MAX], library[OS_PATH_MAX];
    char executable[OS_PATH_MAX], archive_dir[OS_PATH_MAX], archive_state_dir[OS_PATH_MAX];
    char replay_dir[OS_PATH_MAX];
    struct node_replaying replaying;
    struct store_pool *pool;
    _Atomic bool is_migrated;
    struct property_columns *property_columns;
    struct project_writer *writer;
    _Atomic(struct consumer *) project;          /* NULL until the store is ready */
    _Atomic(struct derived_worker *) sessionize; /* likewise, a moment later */
    _Atomic(struct derived_worker *) persons;
    pthread_t bring_up;
    bool has_bring_up;
    _Atomic bool is_closing;
    struct retention *retention; /* bring_up's until it ends */
    struct object_store *objects;
    struct archive *archive;
    struct consumer *archiver;
};
enum rc node_open(struct node *n, const struct config *cfg, unsigned parts,
                  struct err *err) MUST_CHECK;
void node_close(struct node *n); /* half-open is fine; consumers, streams, store in this order */
void node_stop_consumers(struct node *n,
                         int64_t deadline_ms); /* earlier than node_close, for a drain */
/* The files of geo.* in the settings; borrowed. What is missing gets a line in the log. */
struct geo_cfg node_geo_cfg(const struct config *cfg);
void node_geo_tell(struct node *n);
/* For projector and replay: whether a project's bots are left out of its rows. ctx: the node. Any
 * thread. */
bool node_drops_bots(void *node, const struct uuid *project);
/* Another number once this process has written sessions. node: the node. Any thread, not behind
 * node_stop_consumers(). */
uint64_t node_sessions_version(void *node);
/* Waits for the store and brings its tables to this program's version. Blocks. */
enum rc node_store_ready(struct node *n, int64_t timeout_ms, struct err *err) MUST_CHECK;

/* The first organisation, project, keys and person (its owner), once; the same answer every time
 * after, from credentials.json. That the person has another password by now shows nowhere: what is
 * kept is the first. */
enum { NODE_PASSWORD_CHARS = 20 };
struct node_credentials {
    char org[UUID_TEXT_LEN + 1], project[UUID_TEXT_LEN + 1];
    char write_key[TENANT_KEY_TEXT_MAX], secret_key[TENANT_KEY_TEXT_MAX];
    char admin_email[EMAIL_BYTES_MAX + 1];
    char admin_password[NODE_PASSWORD_CHARS + 1]; /* empty: there were people already */
};
void node_credentials_json(const struct node_credentials *c, struct buf *out);
enum rc node_init(struct node *n, struct node_credentials *ret, bool *ret_is_new,
                  struct err *err) MUST_CHECK;
#endif
