/* A body into events, each read and judged by itself. */
#include "analytics/ingest/ingest_int.h"

#include "http/url.h"

enum {
    SCRATCH_CHUNK = 64 << 10,
    SCRATCH_MAX = 64 << 20,
    SECOND_RESULTS = 8,
    ONE_EVENT_BYTES_MAX = 16 << 10
};

/* ---- one event ---- */

static bool grow_results(struct ingest_call *call)
{
    if (call->result_count < call->result_cap)
        return true;
    uint32_t cap = call->result_cap > 1 ? call->result_cap * 2
                   : call->result_cap   ? SECOND_RESULTS
                                        : 1;
    struct ingest_result *results = arena_alloc(call->req->net->arena, cap * sizeof(*results));
    uint32_t *lengths = arena_alloc(call->req->net->arena, 2 * cap * sizeof(*lengths));
    if (!results || !lengths)
        return false;
    if (call->result_count) {
        memcpy(results, call->results, call->result_count * sizeof(*results));
        memcpy(lengths, call->lengths, 2 * call->kept * sizeof(*lengths));
    }
    call->results = results;
    call->lengths = lengths;
    call->result_cap = cap;
    return true;
}

/* The request's own arena serves the first event; a batch gets one that is reset for each. */
static struct arena *scratch_of(struct ingest_call *call)
{
    if (call->result_count == 0)
        return call->req->net->arena;
    if (!call->space.has_scratch) {
        arena_init(&call->space.scratch, SCRATCH_CHUNK, SCRATCH_MAX);
        call->space.has_scratch = true;
    }
    arena_reset(&call->space.scratch);
    return &call->space.scratch;
}

static void read_event(struct ingest_call *call, const struct json_span *span,
                       struct arena *scratch, struct event *e, struct event_notes *n)
{
    struct err err = ERR_INIT;
    yyjson_val *root = NULL;
    if (span->text.len > EVENT_BYTES_MAX) {
        event_drop(n, EVENT_TOO_LARGE, "the event is larger than %d bytes", EVENT_BYTES_MAX);
        return;
    }
    enum rc rc = json_parse_span(scratch, span, &root, &err);
    if (rc == RC_LIMIT)
        event_drop(n, EVENT_TOO_DEEP, "nested deeper than %d levels", JSON_DEPTH_MAX);
    else if (rc != RC_OK)
        event_drop(n, EVENT_BAD_JSON, "not valid JSON: %s", err.text);
    else if (!yyjson_is_obj(root))
        event_drop(n, EVENT_BAD_JSON, "an event is a JSON object");
    else
        call->dialect->read(root, &call->env, e, n);
}

static struct slice id_for_answer(struct ingest_call *call, const struct event *e)
{
    struct arena *arena = call->req->net->arena;
    if (e->sent_id.len)
        return arena_copy(arena, e->sent_id);
    char text[UUID_TEXT_LEN + 1];
    return arena_copy(arena, slice_of(uuid_format(&e->id, text), UUID_TEXT_LEN));
}

/* Room for one more outcome. */
static enum rc room_for_one(struct ingest_call *call, struct err *err)
{
    if (call->result_count == INGEST_EVENTS_MAX)
        return err_set(err, RC_LIMIT, "A request holds at most %d events; send several.",
                       INGEST_EVENTS_MAX);
    if (!grow_results(call))
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    return RC_OK;
}

static void note_outcome(struct ingest_call *call, const struct event *e,
                         const struct event_notes *n)
{
    bool has_id = n->reason == EVENT_FINE || e->sent_id.len;
    call->results[call->result_count++] = (struct ingest_result){
        .id = has_id ? id_for_answer(call, e) : SLICE_EMPTY,
        .reason = n->reason,
        .details = n->details[0]
                       ? arena_strndup(call->req->net->arena, n->details, strlen(n->details))
                       : NULL,
    };
    call->outcomes[n->reason]++;
    if (n->reason != EVENT_FINE)
        ingest_note_drop(call, call->result_count - 1, n->reason,
                         call->results[call->result_count - 1].details);
}

enum rc ingest_event(struct ingest_call *call, const struct json_span *span, struct err *err)
{
    struct arena *scratch = scratch_of(call);
    TRY(room_for_one(call, err));
    struct event e;
    struct event_notes n = {.reason = EVENT_FINE};
    size_t key_len = 0, value_len = 0;
    call->env.arena = scratch;
    event_init(&e, &call->env);
    read_event(call, span, scratch, &e, &n);
    if (n.reason == EVENT_FINE)
        ingest_client_settle(call, &e);
    bool is_taken = n.reason == EVENT_FINE && (!call->again || ingest_again_takes(call, &e));
    if (is_taken && event_encode(&e, &call->env, span->text.len, &call->space.out, scratch, &n,
                                 &key_len, &value_len) != RC_OK)
        return err_set(err, RC_NOMEM, "There is no memory for this request now.");
    if (is_taken && n.reason == EVENT_FINE) {
        call->lengths[2 * call->kept] = (uint32_t)key_len;
        call->lengths[2 * call->kept + 1] = (uint32_t)value_len;
        call->kept++;
        call->shares[call->share].kept++;
    }
    note_outcome(call, &e, &n);
    call->results[call->result_count - 1].is_kept = is_taken && n.reason == EVENT_FINE;
    return RC_OK;
}

enum rc ingest_drop(struct ingest_call *call, enum event_reason reason, const char *details,
                    struct err *err)
{
    struct event e = {.sent_id = SLICE_EMPTY};
    struct event_notes n = {.reason = EVENT_FINE};
    TRY(room_for_one(call, err));
    event_drop(&n, reason, "%s", details);
    note_outcome(call, &e, &n);
    return RC_OK;
}

void ingest_keep_nothing(struct ingest_call *call)
{
    call->kept = 0;
    for (uint32_t i = 0; i < call->share_count; i++)
        call->shares[i].kept = 0; /* else the quota would be used up */
    memset(call->outcomes, 0, sizeof(call->outcomes));
    call->drops = NULL;
}

void ingest_begin_share(struct ingest_call *call, const struct tenant_project *project)
{
    call->first_share = (struct ingest_share){.project = project, .key = call->key};
    call->shares = &call->first_share;
    call->share_count = 1;
}

/* Most requests are for one project. */
static bool has_room_for_shares(struct ingest_call *call)
{
    if (call->shares != &call->first_share)
        return true;
    struct ingest_share *shares =
        arena_alloc(call->req->net->arena, INGEST_PROJECTS_MAX * sizeof(*shares));
    if (!shares)
        return false;
    shares[0] = call->first_share;
    call->shares = shares;
    return true;
}

const char *ingest_turn_to(struct ingest_call *call, struct slice key)
{
    const char *why;
    uint32_t i = 0;
    while (i < call->share_count && !slice_eq(call->shares[i].key, key))
        i++;
    if (i == INGEST_PROJECTS_MAX)
        return "the request has events for too many projects";
    if (i == call->share_count) {
        const struct tenant_project *project = api_ingest_further(call->req, key, &why);
        if (!project)
            return why;
        if (!has_room_for_shares(call))
            return "there is no memory for the events of another project";
        call->shares[call->share_count++] = (struct ingest_share){.project = project, .key = key};
    }
    const struct tenant_project *project = call->shares[i].project;
    if (i == call->share)
        return NULL;
    call->share = i;
    call->env.project = project->id;
    memcpy(call->env.project_text, project->id_text, sizeof(call->env.project_text));
    ingest_client_begin(call, project, call->client.is_visitor); /* its own devices and privacy */
    return NULL;
}

/* ---- cutting ---- */

enum rc ingest_cut_array(struct ingest_call *call, struct slice array, struct err *err)
{
    struct json_items items;
    struct json_span span;
    enum rc rc = json_items_begin(&items, array);
    while (rc == RC_OK && (rc = json_items_next(&items, &span)) == RC_OK)
        TRY(ingest_event(call, &span, err));
    if (rc == RC_END)
        return RC_OK;
    return err_set(err, RC_INVALID, "The array of events is broken after event %u.",
                   call->result_count);
}

/* {"batch":[…]} has no "event" beside it; anything else is an event. */
static bool find_batch(struct slice object, struct slice *ret_array)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    bool is_found = false;
    if (!memchr(object.data, '[', object.len) || /* most events hold no array: quicker to see */
        !memmem(object.data, object.len, "\"batch\"", 7) ||
        json_members_begin(&members, object) != RC_OK)
        return false;
    while (json_members_next(&members, &key, &span) == RC_OK) {
        if (slice_eq_str(key, "event"))
            return false;
        if (slice_eq_str(key, "batch") && span.text.len && span.text.data[0] == '[') {
            *ret_array = span.text;
            is_found = true;
        }
    }
    return is_found;
}

struct json_span ingest_whole(struct slice body)
{
    struct json_span span;
    size_t at = 0;
    if (!json_skip(body, &at, &span) || json_peek(body, &at) != 0)
        span = (struct json_span){.text = body, .depth = 1};
    return span;
}

enum rc ingest_cut_one(struct ingest_call *call, struct slice body, struct err *err)
{
    struct json_span span = ingest_whole(body);
    return ingest_event(call, &span, err);
}

static enum rc cut_lines(struct ingest_call *call, struct slice body, struct err *err)
{
    struct slice line;
    while (json_line_next(&body, &line))
        TRY(ingest_cut_one(call, line, err));
    return RC_OK;
}

/* Nearly all bodies with one event, told without looking for its end: there is no second line and
 * no array that could be a batch. If something is wrong with it, the parser says what. */
static bool is_one_event(struct slice object, struct json_span *ret_span)
{
    if (object.len > ONE_EVENT_BYTES_MAX || memchr(object.data, '\n', object.len) ||
        memchr(object.data, '[', object.len))
        return false;
    *ret_span = (struct json_span){.text = object, .depth = json_depth_bound(object)};
    return ret_span->depth <=
           JSON_DEPTH_MAX; /* there may be brackets in its texts: to be counted */
}

enum rc ingest_cut_any(struct ingest_call *call, struct slice body, struct err *err)
{
    size_t at = 0;
    char first = json_peek(body, &at);
    if (first == 0)
        return err_set(err, RC_INVALID, "The body is empty; send an event as JSON.");
    if (first == '[')
        return ingest_cut_array(call, slice_sub(body, at), err);
    if (first != '{')
        return err_set(err, RC_INVALID,
                       "The body is neither a JSON object, an array, nor lines of JSON.");
    struct json_span span;
    if (is_one_event(slice_sub(body, at), &span))
        return ingest_event(call, &span, err);
    size_t end = at;
    bool is_whole = json_skip(body, &end, &span);
    size_t rest = end;
    if (is_whole && json_peek(body, &rest) == 0) {
        struct slice array;
        if (find_batch(span.text, &array))
            return ingest_cut_array(call, array, err);
        return ingest_event(call, &span, err);
    }
    bool has_lines = memchr(body.data + at, '\n', body.len - at) != NULL;
    if (has_lines)
        return cut_lines(call, slice_sub(body, at), err);
    span = (struct json_span){.text = slice_sub(body, at), .depth = 1};
    return ingest_event(call, &span, err);
}

enum rc ingest_cut_vitals(struct ingest_call *call, struct slice object,
                          const struct json_span *span, int first, struct err *err)
{
    struct json_span value;
    bool is_any = false;
    for (int i = 0; i < EVENT_VITALS; i++) {
        if (!ingest_member(object, event_vitals[i].member, &value) ||
            slice_eq_str(value.text, "null"))
            continue;
        is_any = true;
        call->env.variant = first + i;
        TRY(ingest_event(call, span, err));
    }
    return is_any ? RC_OK
                  : ingest_drop(call, EVENT_BAD_VALUE, "none of lcp, inp, cls, fcp, ttfb is there",
                                err);
}

/* ---- what a body says beside its events ---- */

/* How it ended; *members is behind it then. */
static enum rc find_members(struct slice body, const struct slice *names, uint32_t count,
                            struct json_span *ret, struct json_members *members,
                            uint32_t *ret_deepest)
{
    struct json_span span;
    struct slice key;
    uint32_t deepest = 0;
    memset(ret, 0, count * sizeof(*ret));
    enum rc rc = json_members_begin(members, body);
    while (rc == RC_OK && (rc = json_members_next(members, &key, &span)) == RC_OK) {
        deepest = span.depth > deepest ? span.depth : deepest;
        for (uint32_t i = 0; i < count; i++)
            if (slice_eq(names[i], key))
                ret[i] = span;
    }
    *ret_deepest = deepest;
    return rc;
}

bool ingest_members_of_whole(struct slice body, const struct slice *names, uint32_t count,
                             struct json_span *ret, struct json_span *ret_whole)
{
    struct json_members members;
    uint32_t deepest;
    size_t begin = 0;
    if (find_members(body, names, count, ret, &members, &deepest) != RC_END) {
        *ret_whole = ingest_whole(body);
        return false;
    }
    size_t end = members.at, rest = end;
    if (json_peek(body, &rest) != 0) {
        *ret_whole = ingest_whole(body);
        return false;
    }
    json_peek(body, &begin);
    *ret_whole =
        (struct json_span){.text = slice_of(body.data + begin, end - begin), .depth = deepest + 1};
    return true;
}

void ingest_members(struct slice body, const struct slice *names, uint32_t count,
                    struct json_span *ret)
{
    struct json_members members;
    uint32_t deepest;
    IGNORE(find_members(body, names, count, ret, &members, &deepest) != RC_END,
           "what was found up to where it is broken");
}

bool ingest_member(struct slice body, const char *name, struct json_span *ret)
{
    struct slice names[] = {slice_str(name)};
    struct json_span span;
    ingest_members(body, names, 1, &span);
    if (span.text.len)
        *ret = span;
    return span.text.len > 0;
}

struct slice ingest_member_begin(struct slice body, const char *name)
{
    struct json_members members;
    struct json_span span;
    struct slice key;
    enum rc rc = json_members_begin(&members, body);
    while (rc == RC_OK && (rc = json_members_key(&members, &key)) == RC_OK) {
        if (slice_eq_str(key, name))
            return slice_sub(members.text, members.at);
        if (!json_skip(members.text, &members.at, &span))
            break;
    }
    return SLICE_EMPTY;
}

/* Without escapes and beyond doubt, so that it need not be read. */
static bool is_simple_text(struct slice text)
{
    if (text.len < 2 || text.data[0] != '"')
        return false;
    for (size_t i = 1; i + 1 < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~' || text.data[i] == '\\')
            return false;
    return true;
}

struct slice ingest_span_text(struct ingest_call *call, const struct json_span *span)
{
    struct err err = ERR_INIT;
    yyjson_val *v;
    if (!span->text.len || span->depth > 0 || span->text.len > EVENT_BYTES_MAX)
        return SLICE_EMPTY;
    if (is_simple_text(span->text))
        return slice_of(span->text.data + 1, span->text.len - 2);
    if (json_parse_span(call->req->net->arena, span, &v, &err) != RC_OK || !yyjson_is_str(v))
        return SLICE_EMPTY;
    return json_text(v);
}

struct slice ingest_member_text(struct ingest_call *call, struct slice body, const char *name)
{
    struct json_span span;
    return ingest_member(body, name, &span) ? ingest_span_text(call, &span) : SLICE_EMPTY;
}

enum rc ingest_form_to_json(struct ingest_call *call, struct slice form, struct slice *ret_json,
                            struct err *err)
{
    struct buf *out = &call->space.json;
    struct slice rest = form;
    bool is_first = true;
    buf_clear(out);
    buf_add_char(out, '{');
    while (rest.len) {
        struct slice value = slice_cut(&rest, '&'), name;
        struct slice raw_name = slice_cut(&value, '=');
        if (!raw_name.len)
            continue;
        if (!url_decode(call->req->net->arena, raw_name, true, &name) ||
            !url_decode(call->req->net->arena, value, true, &value))
            return err_set(err, RC_INVALID, "The query is not percent-encoded as it should be.");
        if (!is_first)
            buf_add_char(out, ',');
        is_first = false;
        buf_add_json(out, name);
        buf_add_char(out, ':');
        buf_add_json(out, value);
    }
    buf_add_char(out, '}');
    ENSURE(!out->is_failed, err_set(err, RC_NOMEM, "There is no memory for this request now."));
    *ret_json = buf_slice(out);
    return RC_OK;
}
