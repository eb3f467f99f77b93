#ifndef WEIR_APP_MAIL_H
#define WEIR_APP_MAIL_H
/* Messages to people: handed to an SMTP server (setting mail.smtp_url), or else to the operator's
 * own program (mail.command), as sendmail takes them: a whole message on standard input, the
 * recipient in its To. */
#include "access/access.h"

enum { MAIL_SECONDS_MAX = 15, MAIL_BYTES_MAX = 256 << 10 };
struct mail { /* texts are borrowed; "" where there is none */
    const char *command;
    const char *smtp_url; /* smtps://host[:465], smtp://host[:587] (STARTTLS, needed unless the
                             host is this machine) */
    const char *smtp_user, *smtp_password;
    const char *smtp_ca_file; /* of whoever signed the server's certificate; "": the system's */
    const char *from;
};
struct mail_message {
    const char *to;      /* one address */
    const char *subject; /* UTF-8 */
    const char *text;
    const char *html; /* NULL: text alone */
};
/* RC_INVALID: a line end or another control character in an address or the subject, or no address;
 * RC_UNAVAILABLE, RC_TIMEOUT: another time may do. id: of this message, as mail_write() has it;
 * NULL: one is made. Blocks up to MAIL_SECONDS_MAX. */
enum rc mail_send(const struct mail *mail, const char *id, const struct mail_message *message,
                  struct err *err) MUST_CHECK;
bool mail_is_there(const struct mail *mail);
/* The hook for access; send is NULL if there is no mail. mail is borrowed. */
struct access_mail mail_hook(const struct mail *mail);

/* ---- mail_message.c, for mail.c and its test ---- */
/* The whole message. is_crlf: line ends as SMTP has them. now: for Date. id: for Message-ID and the
 * boundary, at most 60 of a-z, 0-9 and "-". */
enum rc mail_write(const struct mail_message *m, const char *from, unix_ms now, const char *id,
                   bool is_crlf, struct buf *out, struct err *err) MUST_CHECK;
/* ---- mail_smtp.c ---- */
enum rc mail_smtp(const struct mail *mail, const char *to, struct slice message,
                  struct err *err) MUST_CHECK;
#endif
