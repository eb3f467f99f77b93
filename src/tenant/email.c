#include "tenant/email.h"

enum { LABEL_BYTES_MAX = 63 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static bool is_local(struct slice local)
{
    static const char further[] = ".!#$%&'*+-/=?^_`{|}~";
    if (local.len == 0 || local.len > EMAIL_LOCAL_BYTES_MAX)
        return false;
    for (size_t i = 0; i < local.len; i++)
        if (!is_alnum(local.data[i]) && !memchr(further, local.data[i], sizeof(further) - 1))
            return false;
    return true;
}

static bool is_domain(struct slice domain)
{
    if (domain.len == 0 || domain.data[domain.len - 1] == '.') /* the cut below eats a last dot */
        return false;
    while (domain.len) {
        struct slice label = slice_cut(&domain, '.');
        if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.data[0] == '-' ||
            label.data[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.data[i]) && label.data[i] != '-')
                return false;
    }
    return true;
}

enum rc email_normalise(struct slice text, char ret_email[EMAIL_BYTES_MAX + 1], struct err *err)
{
    char email[EMAIL_BYTES_MAX + 1];
    if (text.len > EMAIL_BYTES_MAX)
        return err_set(err, RC_INVALID, "an e-mail address has at most %d bytes", EMAIL_BYTES_MAX);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        email[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    email[text.len] = 0;
    struct slice domain = slice_of(email, text.len);
    struct slice local = slice_cut(&domain, '@');
    if (!is_local(local) || !is_domain(domain))
        return err_set(err, RC_INVALID,
                       "an e-mail address is name@domain in ASCII, without spaces or quotes "
                       "(international domains in their xn-- form)");
    memcpy(ret_email, email, text.len + 1);
    return RC_OK;
}
