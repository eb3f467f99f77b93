/* What is accepted is printable ASCII with one '@', within the limits, and its own normal form. */
#include "base/must.h"
#include "tenant/email.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char email[EMAIL_BYTES_MAX + 1], again[EMAIL_BYTES_MAX + 1];
    struct slice text = slice_of((const char *)data, size);
    if (email_normalise(text, email, NULL) != RC_OK)
        return 0;
    must(slice_eq_nocase(slice_str(email), text));
    unsigned ats = 0;
    for (const char *c = email; *c; c++) {
        must(*c > 0x20 && *c < 0x7f && !(*c >= 'A' && *c <= 'Z'));
        must(!memchr("\"<>,;:\\()[]", *c, 11));
        ats += *c == '@';
    }
    must(ats == 1);
    must(email_normalise(slice_str(email), again, NULL) == RC_OK && strcmp(email, again) == 0);
    return 0;
}
