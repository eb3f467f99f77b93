/* WHAT    The client hints Sec-CH-UA…: what they say about browser, system and device.
 * WHY     Browsers of the Chromium family freeze their user agent ("Windows NT 10.0", "Android 10;
 *         K"): what is true is in these fields.
 * HOW     Structured fields (RFC 8941), read strictly: a field that is not one is as if it were not
 *         there. Of the brands, those made up on purpose (GREASE: "Not;A=Brand" with any
 *         punctuation) are ignored, and so are brands that are not in the table: a column of names
 *         must not be anybody's to fill. */
#include "ua/ua_int.h"

/* ---- structured fields ---- */
struct sf {
    const char *at, *end;
};

static bool sf_take(struct sf *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static void sf_blanks(struct sf *s, bool with_tabs)
{
    while (s->at < s->end && (*s->at == ' ' || (with_tabs && *s->at == '\t')))
        s->at++;
}

/* What does not fit into ret is read and left out. */
static bool sf_string(struct sf *s, struct ua_text *ret)
{
    ret->len = 0;
    if (!sf_take(s, '"'))
        return false;
    while (s->at < s->end && *s->at != '"') {
        char c = *s->at++;
        if (c == '\\') {
            if (s->at == s->end || (*s->at != '"' && *s->at != '\\'))
                return false;
            c = *s->at++;
        }
        if (c < ' ' || c > '~')
            return false;
        if (ret->len < sizeof(ret->data))
            ret->data[ret->len++] = c;
    }
    return sf_take(s, '"');
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool sf_run(struct sf *s, bool (*is_in)(char c))
{
    const char *from = s->at;
    while (s->at < s->end && is_in(*s->at))
        s->at++;
    return s->at > from;
}

static bool is_key(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || (c && strchr("_-.*", c));
}

static bool is_token(char c)
{
    return is_alpha(c) || is_digit(c) || (c && strchr("!#$%&'*+-.^_`|~:/", c));
}

static bool is_base64(char c)
{
    return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '=';
}

static bool sf_number(struct sf *s) /* at most 15 digits, or 12 and 3 behind the dot */
{
    if (s->at < s->end && *s->at == '-')
        s->at++;
    const char *from = s->at;
    if (!sf_run(s, is_digit) || s->at - from > 15)
        return false;
    if (s->at == s->end || *s->at != '.')
        return true;
    if (s->at - from > 12)
        return false;
    from = ++s->at;
    return sf_run(s, is_digit) && s->at - from <= 3;
}

/* A bare item; its text if it is a string. */
static bool sf_bare(struct sf *s, struct ua_text *ret)
{
    ret->len = 0;
    if (s->at == s->end)
        return false;
    if (*s->at == '"')
        return sf_string(s, ret);
    if (sf_take(s, '?'))
        return sf_take(s, '0') || sf_take(s, '1');
    if (sf_take(s, ':')) {
        sf_run(s, is_base64);
        return sf_take(s, ':');
    }
    if (is_alpha(*s->at) || *s->at == '*')
        return sf_run(s, is_token);
    return sf_number(s);
}

/* Parameters; the text of the last one named v goes to ret_v. */
static bool sf_parameters(struct sf *s, struct ua_text *ret_v)
{
    struct ua_text value;
    ret_v->len = 0;
    while (sf_take(s, ';')) {
        sf_blanks(s, false);
        const char *key = s->at;
        if (s->at == s->end || ((*key < 'a' || *key > 'z') && *key != '*') || !sf_run(s, is_key))
            return false;
        bool is_v = s->at - key == 1 && *key == 'v';
        value.len = 0;
        if (sf_take(s, '=') && !sf_bare(s, &value))
            return false;
        if (is_v)
            *ret_v = value;
    }
    return true;
}

static bool sf_begin(struct slice text, struct sf *ret)
{
    if (text.len == 0 || text.len > UA_HINT_BYTES_MAX)
        return false;
    *ret = (struct sf){text.data, text.data + text.len};
    sf_blanks(ret, false);
    return true;
}

static bool sf_end(struct sf *s)
{
    sf_blanks(s, false);
    return s->at == s->end;
}

bool ua_sf_string(struct slice text, struct ua_text *ret)
{
    struct sf s;
    struct ua_text v;
    if (sf_begin(text, &s) && sf_string(&s, ret) && sf_parameters(&s, &v) && sf_end(&s))
        return true;
    ret->len = 0;
    return false;
}

bool ua_sf_boolean(struct slice text, bool *ret)
{
    struct sf s;
    struct ua_text v;
    if (!sf_begin(text, &s) || !sf_take(&s, '?') || s.at == s.end)
        return false;
    *ret = *s.at == '1';
    return (sf_take(&s, '0') || sf_take(&s, '1')) && sf_parameters(&s, &v) && sf_end(&s);
}

bool ua_sf_brands(struct slice text, struct ua_brand ret[UA_BRANDS_MAX], size_t *ret_n)
{
    struct sf s;
    *ret_n = 0;
    if (!sf_begin(text, &s))
        return false;
    for (;;) {
        if (*ret_n == UA_BRANDS_MAX || !sf_string(&s, &ret[*ret_n].name) ||
            !sf_parameters(&s, &ret[*ret_n].version))
            return false;
        ++*ret_n;
        sf_blanks(&s, true);
        if (s.at == s.end)
            return true;
        if (!sf_take(&s, ','))
            return false;
        sf_blanks(&s, true);
    }
}

/* ---- brands ---- */
bool ua_is_grease(struct slice brand)
{
    static const char letters[] = "notabrand";
    size_t n = 0;
    for (size_t i = 0; i < brand.len; i++) {
        if (!is_alpha(brand.data[i]))
            continue;
        if (n == sizeof(letters) - 1 || (brand.data[i] | 0x20) != letters[n])
            return false;
        n++;
    }
    return n == sizeof(letters) - 1;
}

struct known_brand {
    struct slice brand, name, on_mobile;
};
/* Those that say more first: a list names the engine (Chromium), often Chrome, and the browser. */
#define BRAND(brand, name, mobile)                                 \
    {                                                              \
        SLICE_CONST(brand), SLICE_CONST(name), SLICE_CONST(mobile) \
    }
static const struct known_brand known_brands[] = {
    BRAND("Microsoft Edge", "Edge", "Edge Mobile"),
    BRAND("Microsoft Edge WebView2", "Edge", "Edge Mobile"),
    BRAND("Opera", "Opera", "Opera Mobile"),
    BRAND("Opera GX", "Opera", "Opera Mobile"),
    BRAND("Opera Mobile", "Opera", "Opera Mobile"),
    BRAND("Samsung Internet", "Samsung Internet", "Samsung Internet"),
    BRAND("Brave", "Brave", "Brave"),
    BRAND("YaBrowser", "Yandex Browser", "Yandex Browser"),
    BRAND("Yandex", "Yandex Browser", "Yandex Browser"),
    BRAND("Vivaldi", "Vivaldi", "Vivaldi"),
    BRAND("Whale", "Whale", "Whale"),
    BRAND("CocCoc", "Coc Coc", "Coc Coc"),
    BRAND("DuckDuckGo", "DuckDuckGo", "DuckDuckGo Mobile"),
    BRAND("Android WebView", "Chrome Mobile WebView", "Chrome Mobile WebView"),
    BRAND("Google Chrome", "Chrome", "Chrome Mobile"),
};

static struct slice text_slice(const struct ua_text *t)
{
    return slice_of(t->data, t->len);
}

/* Digits and dots, up to three parts, as the rules give it. Behind: trailing zero parts go if
 * is_short. */
static void take_version(struct ua_text *to, struct slice from, bool is_short)
{
    size_t n = 0, dots = 0;
    to->len = 0;
    while (n < from.len && n < UA_VERSION_BYTES_MAX &&
           (is_digit(from.data[n]) || from.data[n] == '.')) {
        if (from.data[n] == '.' && (n == 0 || from.data[n - 1] == '.' || ++dots == 3))
            break;
        n++;
    }
    if (n && from.data[n - 1] == '.')
        n--;
    while (is_short && n > 2 && from.data[n - 1] == '0' && from.data[n - 2] == '.')
        n -= 2;
    if (n)
        memcpy(to->data, from.data, n);
    to->len = n;
}

static void read_brands(struct slice text, struct ua_hinted *ret)
{
    struct ua_brand brands[UA_BRANDS_MAX];
    size_t n, best = COUNT_OF(known_brands);
    if (!ua_sf_brands(text, brands, &n))
        return;
    for (size_t i = 0; i < n; i++) {
        struct slice name = text_slice(&brands[i].name);
        if (ua_is_grease(name))
            continue;
        ret->is_chromium |= slice_eq_str(name, "Chromium");
        ret->is_headless |= slice_eq_str(name, "HeadlessChrome");
        for (size_t k = 0; k < best; k++) {
            if (!slice_eq(name, known_brands[k].brand))
                continue;
            best = k;
            ret->browser = known_brands[k].name;
            ret->browser_on_mobile = known_brands[k].on_mobile;
            take_version(&ret->version, text_slice(&brands[i].version), false);
        }
    }
}

/* ---- the system ---- */
/* The first number of a version, -1 if there is none. */
static int64_t major_of(struct slice version)
{
    uint64_t n;
    struct slice rest = version;
    return slice_to_u64(slice_cut(&rest, '.'), &n) && n < 1000 ? (int64_t)n : -1;
}

/* The version of a kernel interface: 1 to 10 are Windows 10, 13 and above Windows 11; before, 0 and
 * a number. */
static void windows_version(struct ua_text *to, struct slice from)
{
    static const char *const old[] = {"7", "8", "8.1"};
    struct slice rest = from;
    int64_t major = major_of(from);
    IGNORE(slice_cut(&rest, '.').len, "the rest counts");
    int64_t minor = major_of(rest);
    const char *text = "";
    if (major >= 13)
        text = "11";
    else if (major > 0)
        text = "10";
    else if (major == 0 && minor >= 1 && minor <= (int64_t)COUNT_OF(old))
        text = old[minor - 1];
    to->len = strlen(text);
    memcpy(to->data, text, to->len);
}

static void read_platform(const struct ua_hints *hints, struct ua_hinted *ret)
{
    static const struct {
        const char *platform;
        struct slice os;
    } known[] = {{"Windows", SLICE_CONST("Windows")},
                 {"macOS", SLICE_CONST("Mac OS X")},
                 {"Android", SLICE_CONST("Android")},
                 {"Linux", SLICE_CONST("Linux")},
                 {"Chrome OS", SLICE_CONST("Chrome OS")},
                 {"Chromium OS", SLICE_CONST("Chrome OS")},
                 {"iOS", SLICE_CONST("iOS")}};
    struct ua_text platform, version;
    if (!ua_sf_string(hints->platform, &platform))
        return;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq_str(text_slice(&platform), known[i].platform))
            ret->os = known[i].os;
    if (ret->os.len == 0 || !ua_sf_string(hints->platform_version, &version))
        return;
    if (slice_eq_str(ret->os, "Windows"))
        windows_version(&ret->os_version, text_slice(&version));
    else if (!slice_eq_str(ret->os, "Linux")) /* there it is the kernel's: of no system */
        take_version(&ret->os_version, text_slice(&version), !slice_eq_str(ret->os, "Chrome OS"));
}

void ua_hints_read(const struct ua_hints *hints, struct ua_hinted *ret)
{
    bool mobile;
    ret->browser = ret->browser_on_mobile = ret->os = SLICE_EMPTY;
    ret->version.len = ret->os_version.len = ret->model.len = 0;
    ret->is_chromium = ret->is_headless = false;
    ret->mobile = -1;
    if (!hints)
        return;
    read_brands(hints->brands, ret);
    read_platform(hints, ret);
    if (ua_sf_boolean(hints->mobile, &mobile))
        ret->mobile = mobile;
    if (!ua_sf_string(hints->model, &ret->model))
        ret->model.len = 0;
}
