#include "http/framing.h"

#include "base/attr.h"
#include "base/swar.h"

#define REJECT(code, text)          \
    return (struct framing_verdict) \
    {                               \
        code, text                  \
    }

/* ---- characters ---- */

enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };
#define IN_TOKEN TOKEN | VALUE | TARGET
#define OUTSIDE_TOKEN VALUE | TARGET
/* RFC 9110 5.6.2 token; 5.5 field content with obs-text; any visible ASCII in a target (llhttp is
 * narrower about it); in a host what ends no authority and needs no escape (RFC 3986 3.2.2). */
/* clang-format off */
static const unsigned char char_kinds[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = IN_TOKEN | HOST,
    ['"'] = OUTSIDE_TOKEN,
    ['#'] = IN_TOKEN,
    ['$' ... '\''] = IN_TOKEN | HOST,
    ['(' ... ')'] = OUTSIDE_TOKEN | HOST,
    ['*' ... '+'] = IN_TOKEN | HOST,
    [','] = OUTSIDE_TOKEN,
    ['-' ... '.'] = IN_TOKEN | HOST,
    ['/'] = OUTSIDE_TOKEN,
    ['0' ... '9'] = IN_TOKEN | HOST,
    [':' ... ';'] = OUTSIDE_TOKEN | HOST,
    ['<'] = OUTSIDE_TOKEN,
    ['='] = OUTSIDE_TOKEN | HOST,
    ['>' ... '@'] = OUTSIDE_TOKEN,
    ['A' ... 'Z'] = IN_TOKEN | HOST,
    ['['] = OUTSIDE_TOKEN | HOST,
    ['\\'] = OUTSIDE_TOKEN,
    [']'] = OUTSIDE_TOKEN | HOST,
    ['^'] = IN_TOKEN,
    ['_'] = IN_TOKEN | HOST,
    ['`'] = IN_TOKEN,
    ['a' ... 'z'] = IN_TOKEN | HOST,
    ['{'] = OUTSIDE_TOKEN,
    ['|'] = IN_TOKEN,
    ['}'] = OUTSIDE_TOKEN,
    ['~'] = IN_TOKEN | HOST,
    [0x80 ... 0xff] = VALUE,
};
/* clang-format on */

static size_t count_of_kind(struct slice text, unsigned kind)
{
    size_t n = 0;
    while (n < text.len && (char_kinds[(unsigned char)text.data[n]] & kind))
        n++;
    return n;
}

/* How far the characters of a field's value go, eight at a time where none of them is a control. */
static size_t count_of_value(struct slice text)
{
    size_t n = 0;
    for (; text.len - n >= SWAR_BYTES; n += SWAR_BYTES) {
        uint64_t word = swar_load(text.data + n);
        uint64_t controls = swar_has_below(word, ' ') | swar_has(word, 0x7f);
        if (controls) {
            n += swar_first(controls);
            break;
        }
    }
    return n + count_of_kind(slice_sub(text, n), VALUE); /* behind a tab there may be more */
}

bool framing_is_token(struct slice text)
{
    return text.len && count_of_kind(text, TOKEN) == text.len;
}

/* ---- lines ---- */

static struct framing_verdict split_request_line(struct slice line, struct framing_line *ret)
{
    size_t method = count_of_kind(line, TOKEN);
    if (method == 0 || method == line.len || line.data[method] != ' ')
        REJECT(400, "The request line does not begin with a method and one space.");
    struct slice rest = slice_sub(line, method + 1);
    size_t target = count_of_kind(rest, TARGET);
    if (target == 0 || target >= rest.len || rest.data[target] != ' ')
        REJECT(400, "The request line is not 'METHOD target HTTP/1.1' with single spaces.");
    struct slice version = slice_sub(rest, target + 1);
    if (version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[5] < '0' ||
        version.data[5] > '9' || version.data[6] != '.' || version.data[7] < '0' ||
        version.data[7] > '9')
        REJECT(400, "The request line does not end with HTTP/1.1 or HTTP/1.0.");
    if (version.data[5] != '1' || version.data[7] > '1')
        REJECT(505, "HTTP/1.1 and HTTP/1.0 are spoken here.");
    ret->method = slice_of(line.data, method);
    ret->target = slice_of(rest.data, target);
    ret->minor = (unsigned)(version.data[7] - '0');
    return FRAMING_FINE;
}

/* What stands where a line, cut off by its kind of characters, should end with CRLF. */
static struct framing_verdict take_line_end(struct slice *rest, const char *else_detail)
{
    if (rest->len >= 2 && rest->data[0] == '\r' && rest->data[1] == '\n') {
        *rest = slice_sub(*rest, 2);
        return FRAMING_FINE;
    }
    if (rest->len == 0)
        REJECT(400, "The head does not end with an empty line.");
    if (rest->data[0] == '\n')
        REJECT(400, "A line ends with LF alone; CRLF is needed.");
    REJECT(400, else_detail);
}

static struct framing_verdict take_field(struct slice *rest, struct framing_header *ret)
{
    if (rest->data[0] == ' ' || rest->data[0] == '\t')
        REJECT(400, "A header line begins with a space (obsolete line folding).");
    size_t name = count_of_kind(*rest, TOKEN);
    if (name == 0 || name == rest->len || rest->data[name] != ':')
        REJECT(400, "A header line is not 'name: value' (no space may stand before the colon).");
    struct slice behind = slice_sub(*rest, name + 1);
    size_t value = count_of_value(behind);
    ret->name = slice_of(rest->data, name);
    ret->value = slice_trim(slice_of(behind.data, value));
    *rest = slice_sub(behind, value);
    return take_line_end(rest, "A header value has a control character.");
}

static struct framing_verdict take_request_line(struct slice *rest, struct framing_line *ret)
{
    const char *cr = rest->len ? memchr(rest->data, '\r', rest->len) : NULL;
    size_t len = cr ? (size_t)(cr - rest->data) : rest->len;
    struct framing_verdict v = split_request_line(slice_of(rest->data, len), ret);
    if (v.status)
        return v;
    *rest = slice_sub(*rest, len);
    return take_line_end(rest, "The request line does not end with CRLF.");
}

struct framing_verdict framing_split(struct slice head, struct framing_line *ret_line,
                                     struct framing_header *headers, uint32_t header_max,
                                     uint32_t *ret_count)
{
    uint32_t count = 0;
    struct framing_verdict v = take_request_line(&head, ret_line);
    while (v.status == 0 && head.len && head.data[0] != '\r') {
        if (count == header_max)
            REJECT(431, "There are too many header fields.");
        v = take_field(&head, &headers[count]);
        count++;
    }
    if (v.status == 0)
        v = take_line_end(&head, "A line ends with CR alone; CRLF is needed.");
    if (v.status == 0 && head.len)
        REJECT(400, "The head has an empty line inside.");
    *ret_count = count;
    return v;
}

/* ---- fields ---- */

/* Empty is refused: every http request has a host. */
bool framing_is_host(struct slice value)
{
    return value.len && value.len <= 255 && count_of_kind(value, HOST) == value.len;
}

struct framing_verdict framing_check_fields(const struct framing_header *headers, uint32_t count,
                                            unsigned http_minor, struct framing_body *ret_body)
{
    unsigned hosts = 0, lengths = 0, codings = 0;
    struct framing_body body = {.is_chunked = false};
    for (uint32_t i = 0; i < count; i++) {
        struct slice name = headers[i].name, value = headers[i].value;
        if (name.len == 4 && slice_eq_nocase(name, SLICE_LIT("Host"))) {
            if (++hosts > 1)
                REJECT(400, "There are two Host fields.");
            if (!framing_is_host(value))
                REJECT(400, "The Host field is not a host and port.");
        } else if (name.len == 14 && slice_eq_nocase(name, SLICE_LIT("Content-Length"))) {
            if (++lengths > 1)
                REJECT(400, "There are two Content-Length fields.");
            if (!slice_to_u64(value, &body.length) || body.length > (uint64_t)INT64_MAX)
                REJECT(400, "Content-Length is not a decimal number.");
            body.has_length = true;
        } else if (name.len == 17 && slice_eq_nocase(name, SLICE_LIT("Transfer-Encoding"))) {
            if (++codings > 1)
                REJECT(400, "There are two Transfer-Encoding fields.");
            if (!slice_eq_nocase(value, SLICE_LIT("chunked")))
                REJECT(501, "Transfer-Encoding can only be chunked.");
            body.is_chunked = true;
        }
    }
    if (hosts == 0 && http_minor >= 1)
        REJECT(400, "The Host field is missing.");
    if (body.is_chunked && body.has_length)
        REJECT(400, "Content-Length and Transfer-Encoding must not come together.");
    if (body.is_chunked && http_minor == 0)
        REJECT(400, "HTTP/1.0 has no Transfer-Encoding.");
    *ret_body = body;
    return FRAMING_FINE;
}

/* ---- target ---- */

static bool take_prefix_nocase(struct slice *text, struct slice prefix)
{
    if (text->len < prefix.len || !slice_eq_nocase(slice_of(text->data, prefix.len), prefix))
        return false;
    *text = slice_sub(*text, prefix.len);
    return true;
}

/* The authority of an absolute-form target counts, not the Host field (RFC 9112 3.2.2): were they
 * allowed to differ, a proxy and we could mean different hosts. */
static struct framing_verdict check_absolute(struct slice host, struct slice *target)
{
    if (!take_prefix_nocase(target, SLICE_LIT("http://")) &&
        !take_prefix_nocase(target, SLICE_LIT("https://")))
        REJECT(400, "The target is neither a path nor an http URL.");
    size_t len = 0;
    while (len < target->len && target->data[len] != '/' && target->data[len] != '?')
        len++;
    struct slice authority = slice_of(target->data, len);
    if (!framing_is_host(authority))
        REJECT(400, "The host of the target is malformed.");
    if (host.len && !slice_eq_nocase(host, authority))
        REJECT(400, "The host of the target and the Host field differ.");
    *target = slice_sub(*target, len);
    return FRAMING_FINE;
}

struct framing_verdict framing_check_target(struct slice method, struct slice target,
                                            struct slice host, struct slice *ret_path,
                                            struct slice *ret_query)
{
    if (target.len == 0)
        REJECT(400, "The target is empty.");
    if (memchr(target.data, '#', target.len))
        REJECT(400, "The target has a fragment ('#').");
    if (slice_eq_str(target, "*")) {
        if (!slice_eq_str(method, "OPTIONS"))
            REJECT(400, "The target * belongs to OPTIONS alone.");
    } else if (target.data[0] != '/') {
        struct framing_verdict v = check_absolute(host, &target);
        if (v.status)
            return v;
    }
    struct slice rest = target;
    *ret_path = slice_cut(&rest, '?');
    if (ret_path->len == 0)
        *ret_path = SLICE_LIT("/");
    *ret_query = rest;
    return FRAMING_FINE;
}
