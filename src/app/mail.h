#ifndef WEIR_APP_MAIL_H
#define WEIR_APP_MAIL_H
/* Messages to people through the operator's own program (setting mail.command), as sendmail takes
 * them: a whole message on standard input, the recipient in its To. */
#include "access/access.h"

enum { MAIL_SECONDS_MAX = 15 };
/* The hook for access; send is NULL if command is empty. command is borrowed. */
struct access_mail mail_hook(const char *command);
#endif
