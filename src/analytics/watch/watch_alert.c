/* WHAT    Asks an alert's question and settles how it stands (watch_int.h).
 * WHY     An alert fires once and recovers once: only a change of its state is told. Where there is
 *         no number (nothing to divide by), or the question fails, the state stays what it was. */
#include "analytics/watch/watch_int.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"

struct finding {
    double value, before;
    bool has_value, has_before, is_firing;
    char text[512];
};

static bool is_type(yyjson_val *condition, const char *type)
{
    return yyjson_equals_str(json_get(condition, "type"), type);
}

static double number_of(yyjson_val *condition, const char *name)
{
    double value = 0;
    yyjson_val *v = json_get(condition, name);
    return v && json_to_double(v, &value) ? value : 0;
}

/* The question with the period before beside it; or for silence, of the last minutes alone. */
static enum rc make_question(const struct watch_item *item, yyjson_val *condition,
                             struct arena *arena, struct buf *out, struct err *err)
{
    bool is_change = is_type(condition, "spike") || is_type(condition, "drop");
    if (!is_type(condition, "no_data")) {
        ENSURE(item->question.len > 1 && item->question.data[0] == '{',
               err_set(err, RC_INVALID, "the alert has no question"));
        buf_add_str(out, is_change ? "{\"include\":{\"compare\":\"previous_period\"}," : "{");
        buf_add_slice(out, slice_sub(item->question, 1));
        return RC_OK;
    }
    yyjson_val *question = NULL;
    if (item->question.len)
        TRY(json_parse(arena, item->question, &question, err));
    yyjson_val *filters = question ? json_get(question, "filters") : NULL;
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    unix_ms now = unix_now();
    int64_t ms = (int64_t)(number_of(condition, "minutes") * 60000);
    buf_addf(out, "{\"metrics\":[\"events\"],\"date_range\":[\"%s\",\"%s\"]",
             time_format((unix_ms){now.ms - ms}, from), time_format(now, to));
    if (filters) {
        const yyjson_alc alc = json_arena(arena);
        size_t n = 0;
        char *text = yyjson_val_write_opts(filters, 0, &alc, &n, NULL);
        ENSURE(text, err_set(err, RC_NOMEM, "no memory for a question"));
        buf_addf(out, ",\"filters\":%.*s", (int)n, text);
    }
    buf_add_char(out, '}');
    return RC_OK;
}

static void judge_change(yyjson_val *condition, struct finding *f)
{
    double percent = number_of(condition, "percent");
    bool is_spike = is_type(condition, "spike");
    if (!f->has_value || !f->has_before || f->before <= 0) {
        f->has_value = false; /* nothing to compare with */
        return;
    }
    double change = 100 * (f->value - f->before) / f->before;
    f->is_firing = is_spike ? change >= percent : -change >= percent;
    snprintf(f->text, sizeof(f->text), "%.10g, %+.1f %% against %.10g in the period before",
             f->value, change, f->before);
}

static void judge(yyjson_val *condition, struct finding *f)
{
    if (is_type(condition, "spike") || is_type(condition, "drop")) {
        judge_change(condition, f);
    } else if (is_type(condition, "no_data")) {
        f->is_firing = f->has_value && f->value == 0;
        snprintf(f->text, sizeof(f->text), "%.10g events in the last %.10g minutes", f->value,
                 number_of(condition, "minutes"));
    } else {
        double limit = number_of(condition, "value");
        bool is_above = is_type(condition, "above");
        f->is_firing = f->has_value && (is_above ? f->value > limit : f->value < limit);
        snprintf(f->text, sizeof(f->text), "%.10g, %s %.10g", f->value,
                 f->value > limit   ? "above"
                 : f->value < limit ? "below"
                                    : "exactly",
                 limit);
    }
}

static enum rc find_out(struct watch *w, const struct watch_item *item, struct arena *arena,
                        struct finding *f, struct err *err)
{
    CLEANUP(buf_done) struct buf question;
    yyjson_val *condition, *answer;
    buf_init(&question, WATCH_TEXT_BYTES_MAX);
    TRY(json_parse(arena, item->condition, &condition, err));
    TRY(make_question(item, condition, arena, &question, err));
    ENSURE(buf_ok(&question), err_set(err, RC_LIMIT, "the question is too long"));
    TRY(watch_ask(w, item, buf_slice(&question), arena, &answer, err));
    f->has_value = watch_number(answer, 0, 0, false, &f->value) && isfinite(f->value);
    f->has_before = watch_number(answer, 0, 0, true, &f->before) && isfinite(f->before);
    judge(condition, f);
    return RC_OK;
}

static enum rc settle(struct watch *w, const struct watch_item *item, struct arena *arena,
                      const struct finding *f, struct err *err)
{
    bool was_firing = slice_eq_str(item->state, "firing");
    bool is_firing = f->has_value ? f->is_firing : was_firing;
    char value[32] = "";
    struct watch_message messages[WATCH_EMAILS_MAX];
    struct watch_seen seen = {.id = item->id,
                              .project = item->project,
                              .state = is_firing ? SLICE_LIT("firing") : SLICE_LIT("ok"),
                              .messages = messages};
    if (f->has_value)
        snprintf(value, sizeof(value), "%.10g", f->value);
    seen.value = slice_str(value);
    if (is_firing != was_firing) {
        seen.what = is_firing ? "fired" : "recovered";
        seen.text = slice_str(arena_printf(arena, "%.*s: %s", SLICE_ARG(item->name), f->text));
        const struct watch_message message = {
            .subject = slice_str(arena_printf(
                arena, "[%.*s] %.*s %s",
                (int)(item->project_name.len < 60 ? item->project_name.len : 60),
                item->project_name.data, (int)(item->name.len < 90 ? item->name.len : 90),
                item->name.data, seen.what)),
            .text = slice_str(arena_printf(arena, "%.*s\nProject: %.*s\n", SLICE_ARG(seen.text),
                                           SLICE_ARG(item->project_name)))};
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
    struct finding f = {.has_value = false};
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
