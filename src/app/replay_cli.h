#ifndef WEIR_APP_REPLAY_CLI_H
#define WEIR_APP_REPLAY_CLI_H
/* weir replay: puts the sources, the live consumer and the job (analytics/replay/) together. */
#include "analytics/replay/replay.h"
#include "app/job.h"
#include "app/node.h"

struct replay_args {
    struct replay_point from, to;
    enum { REPLAY_FROM_STREAM, REPLAY_FROM_ARCHIVE, REPLAY_FROM_BOTH } source;
    uint32_t partition; /* UINT32_MAX = all */
    bool is_forced, keep_old, is_abort;
};
/* The JSON that verb_replay sends: {"from","to","source","partition","force","keep","abort"}. */
enum rc replay_args_parse(struct slice json, struct replay_args *ret, struct err *err) MUST_CHECK;
/* The archive, if there is one, up to where the stream begins, then the stream. */
enum rc node_open_source(const struct node *n, struct replay_source *ret,
                         struct err *err) MUST_CHECK;
/* job NULL: progress goes to stderr. */
enum rc node_replay(struct node *n, const struct replay_args *args, struct job *job,
                    struct err *err) MUST_CHECK;
#endif
