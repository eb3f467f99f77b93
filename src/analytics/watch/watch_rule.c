/* WHAT    When an alert fires, and when something is to be done about a mail report (watch_int.h).
 * WHY     Pure, so that each border can be tried: what is asked, what a number means under a
 *         condition, and what changes. Where there is no number (nothing to divide by), nothing
 *         does. */
#include "analytics/watch/watch_int.h"

#include <stdio.h>

enum { MADE_ATTEMPTS_MAX = 5 };

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

enum rc watch_question(const struct watch_item *item, yyjson_val *condition, unix_ms now,
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

static void judge_change(yyjson_val *condition, struct watch_finding *f)
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

void watch_judge(yyjson_val *condition, struct watch_finding *f)
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

bool watch_turn(struct slice state, const struct watch_finding *f, const char **ret_what)
{
    bool was_firing = slice_eq_str(state, "firing");
    bool is_firing = f->has_value ? f->is_firing : was_firing;
    *ret_what = is_firing == was_firing ? NULL : is_firing ? "fired" : "recovered";
    return is_firing;
}

/* ---- mail reports ---- */
struct slice watch_made_for(const struct watch_item *item, struct arena *arena)
{
    return slice_str(
        arena_printf(arena, "%.*s %.*s", SLICE_ARG(item->time_zone), SLICE_ARG(item->condition)));
}

enum watch_step watch_mail_step(int64_t next_at, struct slice made_for, struct slice made_for_now,
                                unix_ms now)
{
    if (next_at == 0 || (made_for.len && !slice_eq(made_for, made_for_now)))
        return WATCH_SETTLE;
    return next_at > now.ms ? WATCH_WAIT : WATCH_SEND;
}

/* A store that is away comes back. What it failed at it may fail at again, each time for as long as
 * a question may take: so that is not tried for ever. */
bool watch_mail_waits(enum rc rc, int64_t attempts)
{
    if (rc == RC_NOTFOUND || rc == RC_INVALID || rc == RC_LIMIT)
        return false;
    return rc == RC_UNAVAILABLE || attempts + 1 < MADE_ATTEMPTS_MAX;
}
