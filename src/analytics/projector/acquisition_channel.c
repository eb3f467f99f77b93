/* WHAT    The marketing channel of a visit.
 * WHY     The rules are those of Google Analytics' default channel group, which people know, with
 *         what that product sees by other means (paid clicks without tags) read off tags and click
 *         ids, and with assistants as a channel of their own. docs/definitions.md says each rule in
 *         a sentence; a test has a case for each, in this order. The first that holds decides.
 * THREADS none. */
#include "analytics/projector/acquisition_int.h"

#include "base/attr.h"

#define IS(text, lit) slice_eq(text, SLICE_LIT(lit))

static bool has(struct slice text, struct slice part)
{
    return text.len >= part.len && memmem(text.data, text.len, part.data, part.len);
}
#define HAS(text, lit) has(text, SLICE_LIT(lit))

static bool is_one_of(struct slice text, const struct slice *words, size_t count)
{
    for (size_t i = 0; text.len && i < count; i++)
        if (slice_eq(text, words[i]))
            return true;
    return false;
}

/* A click id counts where no tag says how the visitor came, or where the tag names the same
 * network: links with an old id in them go round in mails and posts. */
static bool click_says(const struct channel_facts *f, enum click_means means)
{
    return f->click && f->click->means == means &&
           (f->medium.len == 0 || (f->source.len && slice_eq(f->source, f->click->source)));
}

static bool is_paid_medium(struct slice m)
{
    return HAS(m, "cp") || IS(m, "ppc") || IS(m, "retargeting") ||
           slice_has_prefix(m, SLICE_LIT("paid"));
}

static bool is_paid(const struct channel_facts *f)
{
    return is_paid_medium(f->medium) || f->is_paid_tag || click_says(f, CLICK_PAID);
}

/* "shop" as a word's beginning, "eshop", "shopping"; not "bishop". */
static bool is_shopping_campaign(struct slice c)
{
    while (c.len >= 4) {
        const char *at = memmem(c.data, c.len, "shop", 4);
        if (!at)
            return false;
        size_t i = (size_t)(at - c.data);
        bool is_inside = i > 0 && c.data[i - 1] >= 'a' && c.data[i - 1] <= 'z';
        if (!is_inside || c.data[i - 1] == 'e' ||
            slice_has_prefix(slice_sub(c, i), SLICE_LIT("shopping")))
            return true;
        /* What is left begins inside a word: "shopshop" is one. */
        c = slice_sub(c, i + 3);
    }
    return false;
}

static bool is_shopping(const struct channel_facts *f)
{
    return f->group == SOURCE_SHOPPING || is_shopping_campaign(f->campaign);
}

static bool is_email_word(struct slice text)
{
    return HAS(text, "email") || HAS(text, "e-mail") || HAS(text, "e_mail") ||
           HAS(text, "e mail") || HAS(text, "newsletter");
}

static bool cross_network(const struct channel_facts *f)
{
    return HAS(f->campaign, "cross-network");
}
static bool paid_shopping(const struct channel_facts *f)
{
    return is_shopping(f) && is_paid(f);
}
static bool paid_search(const struct channel_facts *f)
{
    return f->group == SOURCE_SEARCH && is_paid(f);
}
static bool paid_social(const struct channel_facts *f)
{
    return f->group == SOURCE_SOCIAL && is_paid(f);
}
static bool paid_video(const struct channel_facts *f)
{
    return f->group == SOURCE_VIDEO && is_paid(f);
}
static bool display(const struct channel_facts *f)
{
    static const struct slice words[] = {SLICE_CONST("display"), SLICE_CONST("banner"),
                                         SLICE_CONST("expandable"), SLICE_CONST("interstitial"),
                                         SLICE_CONST("cpm")};
    return is_one_of(f->medium, words, COUNT_OF(words)) || f->group == SOURCE_DISPLAY ||
           click_says(f, CLICK_DISPLAY);
}
static bool organic_social(const struct channel_facts *f)
{
    static const struct slice words[] = {
        SLICE_CONST("social"), SLICE_CONST("social-network"), SLICE_CONST("social-media"),
        SLICE_CONST("sm"),     SLICE_CONST("social network"), SLICE_CONST("social media")};
    return f->group == SOURCE_SOCIAL || is_one_of(f->medium, words, COUNT_OF(words));
}
static bool organic_video(const struct channel_facts *f)
{
    return f->group == SOURCE_VIDEO || HAS(f->medium, "video");
}
static bool ai_assistants(const struct channel_facts *f)
{
    return f->group == SOURCE_AI;
}
static bool organic_search(const struct channel_facts *f)
{
    return f->group == SOURCE_SEARCH || IS(f->medium, "organic");
}
static bool email(const struct channel_facts *f)
{
    return f->group == SOURCE_EMAIL || is_email_word(f->utm_source) || is_email_word(f->medium) ||
           click_says(f, CLICK_EMAIL);
}
static bool affiliates(const struct channel_facts *f)
{
    return IS(f->medium, "affiliate") || IS(f->medium, "affiliates") ||
           f->group == SOURCE_AFFILIATE || click_says(f, CLICK_AFFILIATE);
}
static bool audio(const struct channel_facts *f)
{
    return IS(f->medium, "audio");
}
static bool sms(const struct channel_facts *f)
{
    return IS(f->utm_source, "sms") || IS(f->medium, "sms") || f->group == SOURCE_SMS;
}
static bool push(const struct channel_facts *f)
{
    struct slice m = f->medium;
    return (m.len >= 4 && memcmp(m.data + m.len - 4, "push", 4) == 0) || HAS(m, "mobile") ||
           HAS(m, "notification") || f->group == SOURCE_PUSH;
}
static bool referral(const struct channel_facts *f)
{
    static const struct slice words[] = {SLICE_CONST("referral"), SLICE_CONST("app"),
                                         SLICE_CONST("link")};
    return f->source.len || is_one_of(f->medium, words, COUNT_OF(words));
}

struct slice acquisition_channel(const struct channel_facts *facts)
{
    static const struct {
        bool (*holds)(const struct channel_facts *f);
        struct slice name;
    } rules[] = {
        {cross_network, SLICE_CONST("Cross-network")},
        {paid_shopping, SLICE_CONST("Paid Shopping")},
        {paid_search, SLICE_CONST("Paid Search")},
        {paid_social, SLICE_CONST("Paid Social")},
        {paid_video, SLICE_CONST("Paid Video")},
        {display, SLICE_CONST("Display")},
        {is_paid, SLICE_CONST("Paid Other")},
        {is_shopping, SLICE_CONST("Organic Shopping")},
        {organic_social, SLICE_CONST("Organic Social")},
        {organic_video, SLICE_CONST("Organic Video")},
        {ai_assistants, SLICE_CONST("AI Assistants")},
        {organic_search, SLICE_CONST("Organic Search")},
        {email, SLICE_CONST("Email")},
        {affiliates, SLICE_CONST("Affiliates")},
        {audio, SLICE_CONST("Audio")},
        {sms, SLICE_CONST("SMS")},
        {push, SLICE_CONST("Mobile Push Notifications")},
        {referral, SLICE_CONST("Referral")},
    };
    for (size_t i = 0; i < COUNT_OF(rules); i++)
        if (rules[i].holds(facts))
            return rules[i].name;
    return SLICE_LIT("Direct");
}
