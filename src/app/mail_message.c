/* WHAT  A message as RFC 5322 and MIME want it (mail.h).
 * WHY   Bodies that are not plain ASCII in short lines go as base64, which every server takes. What
 *       stands in a header is checked, never mended: a line end in it would be a header of somebody
 *       else's choice. */
#include "app/mail.h"

#include <stdio.h>
#include <time.h>

#include "codec/base64.h"

enum {
    ADDRESS_BYTES_MAX = 254,
    SUBJECT_BYTES_MAX = 200,
    WORD_BYTES = 39,
    LINE_BYTES = 57,
    LINE_BYTES_MAX = 900
};

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7E)
            return false;
    return true;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7F)
            return true;
    return false;
}

/* local@domain, without what could end it: a bare address is all that weir writes to. */
static bool is_address(const char *text)
{
    const char *at = strchr(text, '@');
    return at && at != text && at[1] && !strchr(at + 1, '@') && is_plain(text) &&
           !strpbrk(text, " <>,;:\"\\()[]") && strlen(text) <= ADDRESS_BYTES_MAX;
}

/* RFC 2047, where it has to be; words end between characters. */
static void add_subject(struct buf *out, const char *subject, const char *eol)
{
    struct slice rest = slice_str(subject);
    bool is_first = true;
    buf_add_str(out, "Subject: ");
    if (is_plain(subject)) {
        buf_addf(out, "%s%s", subject, eol);
        return;
    }
    while (rest.len) {
        size_t n = 0;
        while (n < rest.len) {
            size_t step = slice_utf8_len(slice_sub(rest, n));
            if (n + (step ? step : 1) > WORD_BYTES)
                break;
            n += step ? step : 1;
        }
        buf_addf(out, "%s=?utf-8?B?", is_first ? "" : " ");
        base64_encode(out, BASE64_STD, slice_of(rest.data, n));
        buf_addf(out, "?=%s", eol);
        rest = slice_sub(rest, n);
        is_first = false;
    }
}

/* Lines that every server takes as they are. */
static bool is_seven_bit(struct slice text)
{
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c > 0x7E || (c < 0x20 && c != '\n'))
            return false;
        line = c == '\n' ? 0 : line + 1;
        if (line > LINE_BYTES_MAX)
            return false;
    }
    return true;
}

static void add_part(struct buf *out, const char *type, const char *text, const char *eol)
{
    struct slice rest = slice_str(text);
    bool is_plain_text = is_seven_bit(rest);
    buf_addf(out, "Content-Type: text/%s; charset=utf-8%sContent-Transfer-Encoding: %s%s%s", type,
             eol, is_plain_text ? "7bit" : "base64", eol, eol);
    while (rest.len) {
        size_t n = rest.len < LINE_BYTES ? rest.len : LINE_BYTES;
        if (is_plain_text) {
            buf_add_slice(out, slice_cut(&rest, '\n'));
        } else {
            base64_encode(out, BASE64_STD, slice_of(rest.data, n));
            rest = slice_sub(rest, n);
        }
        buf_add_str(out, eol);
    }
}

static void add_date(struct buf *out, unix_ms now, const char *eol)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    time_t seconds = (time_t)(now.ms / 1000);
    gmtime_r(&seconds, &t);
    buf_addf(out, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d +0000%s", days + (size_t)t.tm_wday * 3,
             t.tm_mday, months + (size_t)t.tm_mon * 3, t.tm_year + 1900, t.tm_hour, t.tm_min,
             t.tm_sec, eol);
}

static void add_body(struct buf *out, const struct mail_message *m, const char *id, const char *eol)
{
    if (!m->html) {
        add_part(out, "plain", m->text, eol);
        return;
    }
    buf_addf(out, "Content-Type: multipart/alternative; boundary=\"=_%s\"%s%s--=_%s%s", id, eol,
             eol, id, eol);
    add_part(out, "plain", m->text, eol);
    buf_addf(out, "--=_%s%s", id, eol);
    add_part(out, "html", m->html, eol);
    buf_addf(out, "--=_%s--%s", id, eol);
}

enum rc mail_write(const struct mail_message *m, const char *from, unix_ms now, const char *id,
                   bool is_crlf, struct buf *out, struct err *err)
{
    const char *eol = is_crlf ? "\r\n" : "\n";
    ENSURE(is_address(m->to), err_set(err, RC_INVALID, "this is no address to write to"));
    ENSURE(!*from || is_address(from),
           err_set(err, RC_INVALID, "mail.from must be a bare address: weir@example.com"));
    ENSURE(
        !has_control(m->subject) && strlen(m->subject) <= SUBJECT_BYTES_MAX,
        err_set(err, RC_INVALID, "a subject is one line of at most %d bytes", SUBJECT_BYTES_MAX));
    if (*from)
        buf_addf(out, "From: weir <%s>%s", from, eol);
    buf_addf(out, "To: %s%s", m->to, eol);
    add_subject(out, m->subject, eol);
    add_date(out, now, eol);
    if (*from) /* a program like sendmail makes one itself */
        buf_addf(out, "Message-ID: <%s%s>%s", id, strchr(from, '@'), eol);
    buf_addf(out, "Auto-Submitted: auto-generated%sMIME-Version: 1.0%s", eol, eol);
    add_body(out, m, id, eol);
    return buf_ok(out) ? RC_OK : err_set(err, RC_LIMIT, "the message is too long");
}
