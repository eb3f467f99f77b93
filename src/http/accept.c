#include "http/accept.h"

static bool is_zero(struct slice quality) /* "0", "0.", "0.000" */
{
    if (!quality.len || quality.data[0] != '0')
        return false;
    for (size_t i = 1; i < quality.len; i++)
        if (quality.data[i] != '.' && quality.data[i] != '0')
            return false;
    return true;
}

/* By the parameters behind it. */
static bool is_wanted(struct slice params)
{
    while (params.len) {
        struct slice p = slice_trim(slice_cut(&params, ';'));
        if (p.len >= 2 && slice_eq_nocase(slice_of(p.data, 2), SLICE_LIT("q=")))
            return !is_zero(slice_sub(p, 2));
    }
    return true;
}

bool accept_names(struct slice accept, const char *media_type)
{
    while (accept.len) {
        struct slice params = slice_cut(&accept, ',');
        if (slice_eq_nocase(slice_trim(slice_cut(&params, ';')), slice_str(media_type)))
            return is_wanted(params);
    }
    return false;
}

/* RFC 9110, 12.5.3 */
bool accept_takes_coding(struct slice accept, const char *coding)
{
    while (accept.len) {
        struct slice params = slice_cut(&accept, ',');
        struct slice one = slice_trim(slice_cut(&params, ';'));
        if (!slice_eq_nocase(one, slice_str(coding)) && !slice_eq_str(one, "*"))
            continue;
        return is_wanted(params);
    }
    return false;
}
