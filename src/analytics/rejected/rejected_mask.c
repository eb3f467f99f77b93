/* WHAT   rejected_mask.h, in one pass over the bytes.
 * WHY    not by parsing: what is rejected is often what cannot be parsed. */
#include "analytics/rejected/rejected_mask.h"

enum { RUN_BYTES_MAX = 64, NAME_BYTES_MAX = 40, NAME_SPAN_MAX = 64, KEY_TAIL_MIN = 8 };

struct mask {
    struct slice text;
    size_t at;
    size_t seam; /* behind what was replaced last: there anything may begin */
    struct ip sender;
    rejected_place_fn *place;
    void *ctx;
    struct buf *out;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

static char byte_at(const struct mask *m, size_t at)
{
    return at < m->text.len ? m->text.data[at] : '\0';
}

static char before(const struct mask *m, size_t back)
{
    return m->at >= back ? m->text.data[m->at - back] : '\0';
}

static void copy_to(struct mask *m, size_t end)
{
    buf_add(m->out, m->text.data + m->at, end - m->at);
    m->at = end;
}

/* ---- names ---- */
enum name_kind { NAME_PLAIN, NAME_ADDRESS, NAME_SECRET, NAME_VERSION };

/* Small letters and digits only: "$IP", "x-real-ip" and "client_ip" are ip, xrealip, clientip. */
static struct slice bare_name(struct slice name, char space[NAME_BYTES_MAX])
{
    size_t len = 0;
    if (name.len > NAME_BYTES_MAX)
        return SLICE_EMPTY;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (is_letter(c) || is_digit(c))
            space[len++] = (char)(is_letter(c) ? c | 0x20 : c);
    }
    return slice_of(space, len);
}

static bool is_one_of(struct slice name, const char *const *names)
{
    for (; *names; names++)
        if (slice_eq_str(name, *names))
            return true;
    return false;
}

static enum name_kind kind_of(struct slice name)
{
    static const char *const addresses[] = {"ip",
                                            "ips",
                                            "uip",
                                            "ipaddress",
                                            "ipaddr",
                                            "ipv4",
                                            "ipv6",
                                            "clientip",
                                            "userip",
                                            "remoteaddr",
                                            "remoteip",
                                            "remoteaddress",
                                            "xforwardedfor",
                                            "forwardedfor",
                                            "forwarded",
                                            "xrealip",
                                            "cfconnectingip",
                                            "trueclientip",
                                            "ipoverride",
                                            "xclientip",
                                            "visitorip",
                                            NULL};
    static const char *const secrets[] = {
        "secret",        "apisecret",   "clientsecret", "password",  "passwd",
        "authorization", "accesstoken", "refreshtoken", "secretkey", "openpanelclientsecret",
        "cookie",        NULL};
    char space[NAME_BYTES_MAX];
    struct slice bare = bare_name(name, space);
    if (bare.len == 0)
        return NAME_PLAIN;
    if (is_one_of(bare, addresses))
        return NAME_ADDRESS;
    if (is_one_of(bare, secrets))
        return NAME_SECRET;
    return memmem(bare.data, bare.len, "version", 7) ? NAME_VERSION : NAME_PLAIN;
}

/* ---- what stands instead ---- */

static void put_stand_in(const struct mask *m, struct ip address)
{
    uint32_t number = m->place ? m->place(m->ctx, address) : 0;
    if (ip_is_v4(address))
        buf_addf(m->out, "0.0.0.%u", number);
    else if (number)
        buf_addf(m->out, "::%x", number);
    else
        buf_add_str(m->out, "::");
}

uint32_t rejected_place_of(struct ip masked)
{
    bool is_masked = masked.high == 0 && (masked.low <= REJECTED_PLACES_MAX ||
                                          masked.low >> 8 == UINT64_C(0xffff00000000) >> 8);
    return is_masked ? (uint32_t)(masked.low & 0xff) : 0;
}

/* Of a member or parameter, which is called an address or a secret. */
static void put_instead_of(const struct mask *m, enum name_kind kind, struct slice value)
{
    struct ip address;
    if (kind != NAME_ADDRESS)
        buf_add_str(m->out, "***");
    else if (ip_parse(value, &address) && ip_is_v4(address))
        put_stand_in(m, address);
    else if (m->place && ip_parse(value, &address) && m->place(m->ctx, address))
        put_stand_in(m, address);
    else
        buf_add_str(m->out, "0.0.0.0");
}

/* ---- addresses and keys within a text ---- */

/* The run of bytes that an address may consist of, with %3A as ':'; *ret_end behind it. False: too
 * long to be one. */
static bool take_run(const struct mask *m, bool is_v4, char space[RUN_BYTES_MAX],
                     struct slice *ret_run, size_t *ret_end)
{
    size_t at = m->at, len = 0;
    for (;;) {
        char c = byte_at(m, at);
        bool is_colon = c == '%' && byte_at(m, at + 1) == '3' && (byte_at(m, at + 2) | 0x20) == 'a';
        if (is_v4 ? !(is_digit(c) || c == '.') : !(is_hex(c) || c == '.' || c == ':' || is_colon))
            break;
        if (len == RUN_BYTES_MAX)
            return false;
        space[len++] = is_colon ? ':' : c;
        at += is_colon ? 3 : 1;
    }
    while (len && space[len - 1] == '.') { /* the end of a sentence */
        len--;
        at--;
    }
    *ret_run = slice_of(space, len);
    *ret_end = at;
    return len >= 2;
}

/* "Chrome/120.0.0.0", and v="120.0.0.0" of client hints. */
static bool is_after_version_mark(const struct mask *m)
{
    size_t back = 1;
    if (before(m, 1) == '/')
        return is_word(before(m, 2));
    while (before(m, back) == '"' || before(m, back) == '\\')
        back++;
    return before(m, back) == '=' && (before(m, back + 1) | 0x20) == 'v' &&
           !is_word(before(m, back + 2));
}

static bool mask_address(struct mask *m, bool is_version)
{
    char space[RUN_BYTES_MAX];
    struct slice run;
    struct ip address;
    size_t end;
    for (int is_v4 = 0; is_v4 < 2; is_v4++) {
        if (!take_run(m, is_v4, space, &run, &end) || is_word(byte_at(m, end)) ||
            !ip_parse(run, &address))
            continue;
        bool is_sender = (m->sender.high | m->sender.low) != 0 && ip_eq(address, m->sender);
        if (!is_sender && ip_is_v4(address) &&
            ((is_version && before(m, 1) == '"') || is_after_version_mark(m)))
            continue;
        put_stand_in(m, address);
        m->seam = m->at = end;
        return true;
    }
    return false;
}

static size_t tail_end(const struct mask *m, size_t at, bool is_dotted)
{
    while (is_word(byte_at(m, at)) || (is_dotted && byte_at(m, at) == '.'))
        at++;
    return at;
}

static bool mask_key(struct mask *m)
{
    static const char *const prefixes[] = {"wk_", "sk_", "phx_", "eyJ"};
    for (unsigned i = 0; i < COUNT_OF(prefixes); i++) {
        size_t len = strlen(prefixes[i]);
        if (!slice_has_prefix(slice_sub(m->text, m->at), slice_str(prefixes[i])))
            continue;
        bool is_jwt = i == 3;
        size_t end = tail_end(m, m->at + len, is_jwt);
        if (end - m->at - len < KEY_TAIL_MIN)
            continue;
        if (is_jwt && !memchr(m->text.data + m->at, '.', end - m->at))
            continue;
        buf_add_str(m->out, prefixes[i]);
        buf_add_str(m->out, "***");
        m->seam = m->at = end;
        return true;
    }
    return false;
}

/* One byte, or what has to go. */
static void step(struct mask *m, bool is_version)
{
    char c = m->text.data[m->at], last = before(m, 1);
    bool is_begin = m->at == m->seam || (!is_word(last) && last != '.' && last != ':');
    if (last == '%' && is_hex(c) && is_hex(byte_at(m, m->at + 1)))
        is_begin = false;                                            /* of the escape */
    if (before(m, 3) == '%' && is_hex(before(m, 2)) && is_hex(last)) /* %22, %3D … */
        is_begin = true;
    if (is_begin && (is_hex(c) || c == ':' || c == '%') && mask_address(m, is_version))
        return;
    if (is_begin && is_letter(c) && mask_key(m))
        return;
    copy_to(m, m->at + 1);
}

static void mask_up_to(struct mask *m, size_t end, bool is_version)
{
    while (m->at < end)
        step(m, is_version);
}

/* ---- members and parameters ---- */

/* Behind the string that begins at `at`, but not behind `most`. */
static size_t string_end(const struct mask *m, size_t at, size_t most)
{
    if (most > m->text.len)
        most = m->text.len;
    for (at++; at < most && m->text.data[at] != '"'; at++)
        if (m->text.data[at] == '\\')
            at++;
    return at < most ? at + 1 : most;
}

static size_t blanks_end(const struct mask *m, size_t at)
{
    char c;
    while ((c = byte_at(m, at)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        at++;
    return at;
}

/* At a '"'. True if it was a member's name and its value was seen to. */
static bool mask_member(struct mask *m)
{
    size_t name_end = string_end(m, m->at, m->at + NAME_SPAN_MAX), colon = blanks_end(m, name_end);
    if (byte_at(m, colon) != ':' || name_end - m->at < 3)
        return false;
    enum name_kind kind = kind_of(slice_of(m->text.data + m->at + 1, name_end - m->at - 2));
    size_t value = blanks_end(m, colon + 1);
    if (kind == NAME_PLAIN || byte_at(m, value) != '"')
        return false;
    size_t end = string_end(m, value, m->text.len);
    mask_up_to(m, name_end, false); /* whoever calls something "203.0.113.7 version" */
    copy_to(m, value + 1);
    if (kind == NAME_VERSION) {
        mask_up_to(m, end, true);
        return true;
    }
    bool is_closed = end - value >= 2 && m->text.data[end - 1] == '"';
    if (end - value > 2)
        put_instead_of(m, kind, slice_of(m->text.data + value + 1, end - value - 1 - is_closed));
    if (is_closed)
        buf_add_char(m->out, '"');
    m->at = end;
    return true;
}

static bool ends_parameter(char c)
{
    return c == '&' || c == ';' || c == '"' || c == ' ' || c == '\r' || c == '\n';
}

/* At the beginning of a parameter of a form or query: "ip=…". */
static bool mask_parameter(struct mask *m)
{
    size_t at = m->at;
    while (is_word(byte_at(m, at)) || byte_at(m, at) == '$' || byte_at(m, at) == '.')
        if (++at - m->at > NAME_BYTES_MAX)
            return false;
    if (byte_at(m, at) != '=' || at == m->at)
        return false;
    enum name_kind kind = kind_of(slice_of(m->text.data + m->at, at - m->at));
    size_t end = at + 1;
    while (end < m->text.len && !ends_parameter(m->text.data[end]))
        end++;
    if ((kind != NAME_ADDRESS && kind != NAME_SECRET) || end == at + 1)
        return false;
    copy_to(m, at + 1);
    put_instead_of(m, kind, slice_of(m->text.data + at + 1, end - at - 1));
    m->at = end;
    return true;
}

void rejected_mask(struct slice text, struct ip sender, rejected_place_fn *place, void *ctx,
                   struct buf *out)
{
    struct mask m = {.text = text, .sender = sender, .place = place, .ctx = ctx, .out = out};
    while (m.at < text.len) {
        char last = before(&m, 1);
        bool is_parameter = m.at == 0 || last == '&' || last == '?' || last == ';';
        if (text.data[m.at] == '"' && mask_member(&m))
            continue;
        if (is_parameter && mask_parameter(&m))
            continue;
        step(&m, false);
    }
}
