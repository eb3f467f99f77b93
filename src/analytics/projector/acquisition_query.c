/* WHAT    What a page's query string says about where the visitor comes from.
 * WHY     One pass over the parameters, and nearly all of them are none of ours: the first byte
 *         decides whether a name is looked at.
 *         Of a click id only the parameter's name is kept. Its value identifies a person to the
 *         network that made it; it stays in page_url, which a project may choose not to keep.
 * THREADS none. */
#include "analytics/projector/acquisition_int.h"
#include "analytics/projector/project_int.h"

/* The first that occurs in a query holds, whatever its place there: an id that says more about the
 * visit stands before one that says less. Names are compared without regard to case. */
/* clang-format off */
#define CLICK(name, source, group, means) \
    {SLICE_CONST(name), SLICE_CONST(source), SOURCE_##group, CLICK_##means}
/* clang-format on */
static const struct acquisition_click clicks[] = {
    /* Beside gclid if both were set: then it was display. */
    CLICK("dclid", "Google", SEARCH, DISPLAY),
    CLICK("gclid", "Google", SEARCH, PAID),
    CLICK("gbraid", "Google", SEARCH, PAID),
    CLICK("wbraid", "Google", SEARCH, PAID),
    CLICK("msclkid", "Bing", SEARCH, PAID),
    CLICK("yclid", "Yandex", SEARCH, PAID),
    CLICK("ttclid", "TikTok", SOCIAL, PAID),
    CLICK("twclid", "X", SOCIAL, PAID),
    CLICK("li_fat_id", "LinkedIn", SOCIAL, PAID),
    CLICK("rdt_cid", "Reddit", SOCIAL, PAID),
    CLICK("sccid", "Snapchat", SOCIAL, PAID),
    CLICK("qclid", "Quora", SOCIAL, PAID),
    CLICK("ndclid", "Nextdoor", SOCIAL, PAID),
    CLICK("s_kwcid", "", OTHER, PAID), /* Adobe Advertising, on several networks */
    CLICK("ef_id", "", OTHER, PAID),
    CLICK("dicbo", "Outbrain", DISPLAY, DISPLAY),
    CLICK("obclid", "Outbrain", DISPLAY, DISPLAY),
    CLICK("tblci", "Taboola", DISPLAY, DISPLAY),
    CLICK("irclickid", "Impact", AFFILIATE, AFFILIATE),
    CLICK("cjevent", "CJ", AFFILIATE, AFFILIATE),
    CLICK("awc", "Awin", AFFILIATE, AFFILIATE),
    CLICK("sscid", "ShareASale", AFFILIATE, AFFILIATE),
    CLICK("ransiteid", "Rakuten Advertising", AFFILIATE, AFFILIATE),
    CLICK("tduid", "Tradedoubler", AFFILIATE, AFFILIATE),
    CLICK("mc_eid", "Mailchimp", EMAIL, EMAIL),
    CLICK("mc_cid", "Mailchimp", EMAIL, EMAIL),
    CLICK("_kx", "Klaviyo", EMAIL, EMAIL),
    CLICK("_hsenc", "HubSpot Email", EMAIL, EMAIL),
    CLICK("mkt_tok", "Marketo", EMAIL, EMAIL),
    CLICK("vero_id", "Vero", EMAIL, EMAIL),
    CLICK("ml_subscriber", "MailerLite", EMAIL, EMAIL),
    CLICK("ck_subscriber_id", "Kit", EMAIL, EMAIL),
    CLICK("dm_i", "Dotdigital", EMAIL, EMAIL),
    CLICK("elqtrackid", "Eloqua", EMAIL, EMAIL),
    CLICK("fbclid", "Facebook", SOCIAL, SOURCE),
    CLICK("igshid", "Instagram", SOCIAL, SOURCE),
    CLICK("igsh", "Instagram", SOCIAL, SOURCE),
    CLICK("epik", "Pinterest", SOCIAL, SOURCE),
    CLICK("ysclid", "Yandex", SEARCH, SOURCE),
    CLICK("srsltid", "Google", SEARCH, SOURCE),
};

struct slice acquisition_click_name(const struct acquisition_click *click)
{
    return click ? click->name : SLICE_EMPTY;
}

/* Does any name of ours begin so? A click id's may be in upper case. */
static bool is_first_byte(char c)
{
    switch (c | 0x20) {
    case 'a':
    case 'c':
    case 'd':
    case 'e':
    case 'f':
    case 'g':
    case 'i':
    case 'l':
    case 'm':
    case 'n':
    case 'o':
    case 'q':
    case 'r':
    case 's':
    case 't':
    case 'u':
    case 'v':
    case 'w':
    case 'y':
        return true;
    default:
        return c == '_';
    }
}

/* NULL if name is none, or one that says less than click does. */
static const struct acquisition_click *click_of(struct slice name,
                                                const struct acquisition_click *click)
{
    size_t end = click ? (size_t)(click - clicks) : COUNT_OF(clicks);
    for (size_t i = 0; i < end; i++)
        if (clicks[i].name.len == name.len &&
            (clicks[i].name.data[0] | 0x20) == (name.data[0] | 0x20) &&
            slice_eq_nocase(clicks[i].name, name))
            return &clicks[i];
    return NULL;
}

static struct slice *text_of(struct acquisition_query *q, struct slice name)
{
    static const struct slice utm[ACQUISITION_UTM_COUNT] = {
        SLICE_CONST("source"), SLICE_CONST("medium"), SLICE_CONST("campaign"), SLICE_CONST("term"),
        SLICE_CONST("content")};
    if (slice_has_prefix(name, SLICE_LIT("utm_"))) {
        name = slice_sub(name, 4);
        for (size_t i = 0; i < ACQUISITION_UTM_COUNT; i++)
            if (slice_eq(name, utm[i]))
                return &q->utm[i];
        return NULL;
    }
    if (slice_eq(name, SLICE_LIT("source")))
        return &q->source;
    return slice_eq(name, SLICE_LIT("ref")) ? &q->ref : NULL;
}

void acquisition_query_read(struct slice query, struct arena *scratch,
                            struct acquisition_query *ret_query)
{
    enum { NAME_BYTES_MAX = 16 };
    struct acquisition_query q = {0};
    while (query.len) {
        struct slice value = slice_cut(&query, '&');
        if (value.len == 0 || !is_first_byte(value.data[0]))
            continue;
        struct slice name = slice_cut(&value, '=');
        if (value.len == 0 || name.len > NAME_BYTES_MAX)
            continue;
        struct slice *text = text_of(&q, name);
        const struct acquisition_click *click = text ? NULL : click_of(name, q.click);
        if (text && text->len == 0)
            *text = project_url_value(value, scratch);
        if (click)
            q.click = click;
    }
    *ret_query = q;
}
