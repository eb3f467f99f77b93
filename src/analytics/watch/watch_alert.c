/* WHAT    Asks an alert's question and settles how it stands (watch_int.h).
 * WHY     An alert fires once and recovers once: only a change of its state is told. Where the
 *         question fails, the state stays what it was. */
#include "analytics/watch/watch_int.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"

static enum rc find_out(struct watch *w, const struct watch_item *item, struct arena *arena,
                        struct watch_finding *f, struct err *err)
{
    CLEANUP(buf_done) struct buf question;
    yyjson_val *condition, *answer;
    buf_init(&question, WATCH_TEXT_BYTES_MAX);
    TRY(json_parse(arena, item->condition, &condition, err));
    TRY(watch_question(item, condition, unix_now(), arena, &question, err));
    ENSURE(buf_ok(&question), err_set(err, RC_LIMIT, "the question is too long"));
    TRY(watch_ask(w, item, buf_slice(&question), arena, &answer, err));
    f->has_value = watch_number(answer, 0, 0, false, &f->value) && isfinite(f->value);
    f->has_before = watch_number(answer, 0, 0, true, &f->before) && isfinite(f->before);
    watch_judge(condition, f);
    return RC_OK;
}

static enum rc settle(struct watch *w, const struct watch_item *item, struct arena *arena,
                      const struct watch_finding *f, struct err *err)
{
    char value[32] = "";
    struct watch_message messages[WATCH_EMAILS_MAX];
    struct watch_seen seen = {.id = item->id, .project = item->project, .messages = messages};
    bool is_firing = watch_turn(item->state, f, &seen.what);
    seen.state = is_firing ? SLICE_LIT("firing") : SLICE_LIT("ok");
    if (f->has_value)
        snprintf(value, sizeof(value), "%.10g", f->value);
    seen.value = slice_str(value);
    if (seen.what) {
        const char *link = watch_link(w, item, arena, "alerts");
        seen.text = slice_str(arena_printf(arena, "%.*s: %s", SLICE_ARG(item->name), f->text));
        const struct watch_message message = {
            .subject = slice_str(arena_printf(
                arena, "[%.*s] %.*s %s",
                (int)(item->project_name.len < 60 ? item->project_name.len : 60),
                item->project_name.data, (int)(item->name.len < 90 ? item->name.len : 90),
                item->name.data, seen.what)),
            .text = slice_str(arena_printf(arena, "%.*s\nProject: %.*s\n%s%s", SLICE_ARG(seen.text),
                                           SLICE_ARG(item->project_name), link ? link : "",
                                           link ? "\n" : ""))};
        if (w->cfg.send)
            seen.message_count = watch_address(arena, item->emails, message, messages);
    }
    TRY(watch_alert_seen(w->cfg.state, &seen, unix_now(), err));
    if (seen.what && w->cfg.on_change)
        w->cfg.on_change(w->cfg.ctx, item->project, item->id, seen.what, seen.text);
    return RC_OK;
}

enum rc watch_alert(struct watch *w, const struct watch_item *item, struct arena *arena,
                    struct err *err)
{
    struct watch_finding f = {.has_value = false};
    struct err why = ERR_INIT;
    enum rc rc = find_out(w, item, arena, &f, &why);
    if (rc == RC_OK)
        return settle(w, item, arena, &f, err);
    const struct watch_seen seen = {.id = item->id,
                                    .project = item->project,
                                    .state = item->state.len ? item->state : SLICE_LIT("ok"),
                                    .error = slice_str(why.text)};
    return watch_alert_seen(w->cfg.state, &seen, unix_now(), err);
}
