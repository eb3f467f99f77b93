/* The table of reasons (reason.def). */
#include "analytics/rejected/rejected.h"

#include "base/must.h"

enum keeps { COUNT, SAMPLE };
static const struct {
    const char *code, *text;
    enum keeps keeps;
} reasons[REJECTED_REASON_COUNT] = {
#define REASON(name, code, keeps, what) [REJECTED_##name] = {code, what, keeps},
#include "analytics/rejected/reason.def"
#undef REASON
};

const char *rejected_reason_code(enum rejected_reason reason)
{
    must(reason < REJECTED_REASON_COUNT);
    return reasons[reason].code;
}

const char *rejected_reason_text(enum rejected_reason reason)
{
    must(reason < REJECTED_REASON_COUNT);
    return reasons[reason].text;
}

bool rejected_reason_is_sampled(enum rejected_reason reason)
{
    must(reason < REJECTED_REASON_COUNT);
    return reasons[reason].keeps == SAMPLE;
}

const char *rejected_lack_code(enum rejected_lack lack)
{
    static const char *const codes[REJECTED_LACKS_COUNT] = {
        [REJECTED_LACKS_NOTHING] = "",
        [REJECTED_TOO_LARGE_TO_KEEP] = "body_too_large",
        [REJECTED_OF_SEVERAL] = "several_projects",
        [REJECTED_NO_TEXT] = "not_text",
        [REJECTED_IS_RECORD] = "record",
    };
    must(lack < REJECTED_LACKS_COUNT);
    return codes[lack];
}

bool rejected_reason_find(struct slice code, enum rejected_reason *ret_reason)
{
    for (unsigned i = 0; i < REJECTED_REASON_COUNT; i++) {
        if (!slice_eq_str(code, reasons[i].code))
            continue;
        *ret_reason = (enum rejected_reason)i;
        return true;
    }
    return false;
}

enum rejected_reason rejected_reason_of(enum event_reason reason)
{
    static const enum rejected_reason of[EVENT_REASON_COUNT] = {
        [EVENT_BAD_JSON] = REJECTED_BAD_JSON,           [EVENT_TOO_DEEP] = REJECTED_TOO_DEEP,
        [EVENT_TOO_LARGE] = REJECTED_TOO_LARGE,         [EVENT_NO_NAME] = REJECTED_NO_NAME,
        [EVENT_NAME_TOO_LONG] = REJECTED_NAME_TOO_LONG, [EVENT_NO_ID] = REJECTED_NO_ID,
        [EVENT_BAD_VALUE] = REJECTED_BAD_VALUE,         [EVENT_NO_PROJECT] = REJECTED_NO_PROJECT,
        [EVENT_NOT_KEPT] = REJECTED_NOT_KEPT,
    };
    must(reason > EVENT_FINE && reason < EVENT_REASON_COUNT);
    return of[reason];
}
