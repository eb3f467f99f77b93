/* WHAT    A user agent and its hints to one result.
 * HOW     1. What the hints know of a frozen user agent is put back into it ("Android 10; K"
 *            becomes "Android 14; SM-S918B"): the rules see what they would have seen before.
 *         2. The rules of browser, system, device and bots.
 *         3. The hints have the last word where the user agent is known to say little.
 * THREADS the parser's. */
#include "ua/ua_int.h"

enum { TEXT_BYTES_MAX = UA_BYTES_MAX + 2 * UA_NAME_BYTES_MAX };

struct parse {
    struct ua_parser *p;
    struct ua_result *r;
    struct ua_hinted hinted;
    struct slice text; /* as the rules see it */
    struct slice lower;
    bool is_sdk, is_frozen; /* "Android 10; K", and nothing better is known */
    char restored[TEXT_BYTES_MAX], folded[TEXT_BYTES_MAX];
};

static struct slice slice_of_text(const struct ua_text *t)
{
    return slice_of(t->data, t->len);
}

/* ---- before the rules ---- */
static bool is_plain_model(struct slice model)
{
    for (size_t i = 0; i < model.len; i++)
        if (strchr(";()/", model.data[i]))
            return false;
    return model.len > 0;
}

static void restore(struct parse *s, struct slice ua)
{
    static const char frozen[] = "Android 10; K)";
    const char *at = ua.len ? memmem(ua.data, ua.len, frozen, sizeof(frozen) - 1) : NULL;
    struct slice model = slice_of_text(&s->hinted.model),
                 version = slice_of_text(&s->hinted.os_version);
    s->text = ua;
    if (!at)
        return;
    s->is_frozen = !is_plain_model(model);
    if (s->is_frozen || !slice_eq_str(s->hinted.os, "Android"))
        return;
    if (version.len == 0)
        version = SLICE_LIT("10");
    struct slice parts[] = {slice_of(ua.data, (size_t)(at - ua.data)),
                            SLICE_LIT("Android "),
                            version,
                            SLICE_LIT("; "),
                            model,
                            slice_sub(ua, (size_t)(at - ua.data) + sizeof(frozen) - 2)};
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        must(parts[i].len <= sizeof(s->restored) - n);
        memcpy(s->restored + n, parts[i].data, parts[i].len);
        n += parts[i].len;
    }
    s->text = slice_of(s->restored, n);
}

static void fold(struct parse *s)
{
    for (size_t i = 0; i < s->text.len; i++) {
        char c = s->text.data[i];
        s->folded[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    s->lower = slice_of(s->folded, s->text.len);
}

/* ---- the rules ---- */
static bool is_other(struct slice s)
{
    return slice_eq_str(s, "Other");
}

/* Name and version of the first rule of the list. */
static void take_named(struct parse *s, enum ua_list list, unsigned fields, struct slice *ret_name,
                       struct slice *ret_version)
{
    int32_t rule = ua_match(s->p, list, s->text, false);
    *ret_name = *ret_version = SLICE_EMPTY;
    if (rule < 0)
        return;
    struct slice name = ua_field(s->p, rule, 0, s->text);
    if (name.len == 0 || is_other(name))
        return;
    *ret_name = name;
    for (unsigned i = 1; i < fields; i++) {
        struct slice part = ua_field(s->p, rule, i, s->text);
        if (part.len == 0)
            break;
        *ret_version = i == 1 ? part : ua_join(s->p, *ret_version, SLICE_LIT("."), part);
    }
}

static void take_device(struct parse *s, struct ua_said *said)
{
    int32_t rule = ua_match(s->p, UA_LIST_DEVICE, s->text, false);
    said->family = said->brand = said->model = SLICE_EMPTY;
    if (rule < 0)
        return;
    said->family = ua_field(s->p, rule, 0, s->text);
    said->brand = ua_field(s->p, rule, 1, s->text);
    said->model = ua_field(s->p, rule, 2, s->text);
}

/* Models that uap-core's rules only know with a word behind them that browsers no longer send. */
static struct slice brand_of_model(struct slice model)
{
    static const struct {
        struct slice prefix, brand;
    } known[] = {{SLICE_CONST("SM-"), SLICE_CONST("Samsung")},
                 {SLICE_CONST("GT-"), SLICE_CONST("Samsung")},
                 {SLICE_CONST("Pixel"), SLICE_CONST("Google")},
                 {SLICE_CONST("AFT"), SLICE_CONST("Amazon")},
                 {SLICE_CONST("KF"), SLICE_CONST("Amazon")},
                 {SLICE_CONST("Moto"), SLICE_CONST("Motorola")},
                 {SLICE_CONST("moto"), SLICE_CONST("Motorola")},
                 {SLICE_CONST("BRAVIA"), SLICE_CONST("Sony")}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_has_prefix(model, known[i].prefix))
            return known[i].brand;
    return SLICE_EMPTY;
}

/* uap-core's brands "Generic…" and "Spider" are none; of "Generic_Android" the model is true. */
static void keep_device(struct parse *s, const struct ua_said *said)
{
    bool is_generic = slice_has_prefix(said->brand, SLICE_LIT("Generic"));
    bool is_named = !is_generic || slice_has_prefix(said->brand, SLICE_LIT("Generic_Android"));
    if (s->is_frozen || slice_eq_str(said->brand, "Spider"))
        return;
    if (!is_generic)
        s->r->device_brand = said->brand;
    if (is_named && !is_other(said->model))
        s->r->device_model = said->model;
    if (s->r->device_brand.len == 0)
        s->r->device_brand = brand_of_model(s->r->device_model);
}

/* "okhttp" behind the name of an application is how that speaks, and no sign of a crawler, as it is
 * for lists in which anything with "http" is one. */
static bool is_listed(struct parse *s)
{
    static const char library[] = " okhttp/";
    const char *at =
        s->lower.len ? memmem(s->lower.data, s->lower.len, library, sizeof(library) - 1) : NULL;
    if (at) {
        if (s->text.data != s->restored)
            memcpy(s->restored, s->text.data, s->text.len);
        s->text = slice_of(s->restored, s->text.len);
        memset(s->restored + (at - s->lower.data) + 1, '_', sizeof("okhttp") - 1);
        ua_scan(s->p, s->text);
    }
    return ua_match(s->p, UA_LIST_BOT, s->text, false) >= 0;
}

static enum ua_reason reason_of(struct parse *s, const struct ua_said *said)
{
    if (s->is_sdk)
        return UA_PERSON;
    if (s->hinted.is_headless)
        return UA_HEADLESS;
    enum ua_reason reason = ua_reason_of(s->lower);
    if (reason != UA_PERSON)
        return reason;
    return slice_eq_str(said->brand, "Spider") || is_listed(s) ? UA_LIST : UA_PERSON;
}

/* ---- the hints ---- */
static bool is_chrome(struct slice name)
{
    return slice_eq_str(name, "Chrome") || slice_eq_str(name, "Chrome Mobile") ||
           slice_eq_str(name, "Chromium") || slice_eq_str(name, "Chrome Mobile WebView");
}

static bool is_same_major(struct slice a, struct slice b)
{
    return slice_eq(slice_cut(&a, '.'), slice_cut(&b, '.'));
}

static void refine_browser(struct parse *s)
{
    struct ua_result *r = s->r;
    /* As the rules have it: what does not say "Mobile" is no mobile browser, on tablets, too. */
    bool on_mobile = s->hinted.mobile == 1 || (s->hinted.mobile < 0 && r->device == UA_MOBILE);
    struct slice name = on_mobile ? s->hinted.browser_on_mobile : s->hinted.browser;
    struct slice version = slice_of_text(&s->hinted.version);
    bool is_same = slice_eq(name, r->browser_name);
    if (name.len == 0 || (!is_same && r->browser_name.len && !is_chrome(r->browser_name)))
        return;
    r->browser_name = name;
    bool is_full = version.len && memchr(version.data, '.', version.len);
    if (version.len && (is_full || !is_same || !is_same_major(version, r->browser_version)))
        r->browser_version = ua_keep(s->p, version);
}

static void refine_os(struct parse *s)
{
    static const char *const linuxes[] = {"ubuntu", "fedora", "debian", "suse",       "red hat",
                                          "mint",   "gentoo", "centos", "arch linux", NULL};
    struct ua_result *r = s->r;
    struct slice version = slice_of_text(&s->hinted.os_version);
    if (s->hinted.os.len == 0 || s->is_sdk)
        return;
    bool is_same = slice_eq(s->hinted.os, r->os_name);
    if (slice_eq_str(s->hinted.os, "Linux") && ua_has_any(s->lower, linuxes))
        return; /* the user agent names the distribution */
    r->os_name = s->hinted.os;
    if (version.len || !is_same)
        r->os_version = ua_keep(s->p, version);
}

static void refine_device(struct parse *s)
{
    struct ua_result *r = s->r;
    if (r->device_model.len == 0 && s->hinted.model.len) {
        r->device_model = ua_keep(s->p, slice_of_text(&s->hinted.model));
        if (r->device_brand.len == 0)
            r->device_brand = brand_of_model(r->device_model);
    }
    if (s->hinted.mobile == 1 && (r->device == UA_DESKTOP || r->device == UA_DEVICE_UNKNOWN))
        r->device = UA_MOBILE;
}

static void run(struct parse *s)
{
    struct ua_result *r = s->r;
    struct ua_said said;
    ua_scan(s->p, s->text);
    take_named(s, UA_LIST_BROWSER, 4, &r->browser_name, &r->browser_version);
    take_named(s, UA_LIST_OS, 5, &r->os_name, &r->os_version);
    take_device(s, &said);
    said.os = r->os_name;
    keep_device(s, &said);
    r->reason = reason_of(s, &said);
    r->device = r->reason != UA_PERSON ? UA_BOT : ua_device_of(s->lower, &said);
    bool is_shaped = slice_has_prefix(s->lower, SLICE_LIT("mozilla/")) ||
                     slice_has_prefix(s->lower, SLICE_LIT("opera/"));
    r->is_browser = !s->is_sdk && is_shaped && r->browser_name.len;
    refine_browser(s);
    refine_os(s);
    refine_device(s);
}

void ua_parse(struct ua_parser *p, struct slice ua, const struct ua_hints *hints,
              struct ua_result *ret)
{
    struct parse s;
    s.p = p;
    s.r = ret;
    s.is_frozen = false;
    p->space_used = 0;
    *ret = (struct ua_result){.browser_name = SLICE_EMPTY,
                              .browser_version = SLICE_EMPTY,
                              .os_name = SLICE_EMPTY,
                              .os_version = SLICE_EMPTY,
                              .device_brand = SLICE_EMPTY,
                              .device_model = SLICE_EMPTY};
    if (ua.len > UA_BYTES_MAX)
        ua.len = UA_BYTES_MAX;
    if (ua.len == 0)
        ua = SLICE_EMPTY;
    ua_hints_read(hints, &s.hinted);
    restore(&s, ua);
    fold(&s);
    s.is_sdk = ua_is_server_sdk(s.lower);
    run(&s);
}

void ua_lookup(struct ua_parser *p, struct slice ua, const struct ua_hints *hints,
               struct ua_result *ret)
{
    struct ua_key key;
    ua_cache_key(p->cache, ua, hints, &key);
    const struct ua_result *kept = ua_cache_get(p->cache, &key);
    if (kept) {
        p->stats.hits++;
        *ret = *kept;
        return;
    }
    p->stats.misses++;
    ua_parse(p, ua, hints, ret);
    kept = ua_cache_put(p->cache, &key, ret);
    if (kept)
        *ret = *kept;
}
