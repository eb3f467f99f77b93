/* The entities of admin.h, column by column. */
#include "tenant/entity_int.h"

#include "base/os.h"
#include "tenant/definition.h"
#include "tenant/jwks_cache.h"
#include "tenant/watch.h"

enum { DAYS_MAX = 36500 };
#define EVENTS_MAX INT64_C(1000000000000)

static enum rc check_word(struct slice value, const char *const *words, struct err *err)
{
    for (; *words; words++)
        if (slice_eq_str(value, *words))
            return RC_OK;
    return err_set(err, RC_INVALID, "'%.*s' is none of the words that docs/access.md lists",
                   (int)(value.len < 40 ? value.len : 40), value.data);
}

static enum rc check_one_of(struct slice value, const char *const *words, struct err *err)
{
    char list[100] = "";
    for (uint32_t i = 0; words[i]; i++) {
        if (slice_eq_str(value, words[i]))
            return RC_OK;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
                 i == 0         ? ""
                 : words[i + 1] ? ", "
                                : " or ",
                 words[i]);
    }
    return err_set(err, RC_INVALID, "give %s", list);
}

static enum rc check_privacy(struct slice value, struct err *err)
{
    return check_word(value, (const char *const[]){"standard", "strict", "relaxed", NULL}, err);
}

static enum rc check_bots(struct slice value, struct err *err)
{
    return check_word(value, (const char *const[]){"mark", "drop", NULL}, err);
}

static enum rc check_algorithm(struct slice value, struct err *err)
{
    return check_word(value, (const char *const[]){"RS256", "ES256", "EdDSA", NULL}, err);
}

/* A name of the IANA database that this machine has. */
static enum rc check_time_zone(struct slice zone, struct err *err)
{
    char path[OS_PATH_MAX];
    bool is_good = zone.len > 0 && zone.len <= 64 && zone.data[0] != '/' && zone.data[0] != '.';
    for (size_t i = 0; i < zone.len && is_good; i++) {
        char c = zone.data[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '/' || c == '_' || c == '-' || c == '+';
    }
    if (is_good && !slice_eq_str(zone, "UTC"))
        is_good = os_exists(os_path(path, "/usr/share/zoneinfo/%.*s", SLICE_ARG(zone)));
    if (!is_good)
        return err_set(err, RC_INVALID, "there is no time zone '%.*s': write it as Europe/Berlin",
                       (int)(zone.len < 64 ? zone.len : 64), zone.data);
    return RC_OK;
}

static enum rc check_domain(struct slice domain, struct err *err)
{
    bool is_good = domain.len > 0 && domain.len <= 253;
    for (size_t i = 0; i < domain.len && is_good; i++) {
        char c = domain.data[i];
        is_good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    }
    if (!is_good)
        return err_set(err, RC_INVALID, "'%.*s' is no domain: write it as example.com",
                       (int)(domain.len < 100 ? domain.len : 100), domain.data);
    return RC_OK;
}

/* What the scripts of other products call a site, whatever that is; but a text that could be a key
 * is not to be had: who uses a revoked key would send his events to whoever claimed it. */
static enum rc check_client_id(struct slice id, struct err *err)
{
    bool is_key = slice_has_prefix(id, SLICE_LIT("wk_")) || slice_has_prefix(id, SLICE_LIT("sk_"));
    bool is_good = id.len > 0 && id.len <= TENANT_CLIENT_ID_MAX && !is_key;
    for (size_t i = 0; i < id.len && is_good; i++) {
        unsigned char c = (unsigned char)id.data[i];
        is_good = c > ' ' && c != 0x7f && c != ',';
    }
    if (!is_good)
        return err_set(err, RC_INVALID,
                       "'%.*s' is no name for a project: 1 to %d bytes without blanks and commas, "
                       "and no key of weir",
                       (int)(id.len < 100 ? id.len : 100), id.data, TENANT_CLIENT_ID_MAX);
    return RC_OK;
}

static enum rc check_url(struct slice url, struct err *err)
{
    bool is_https = slice_has_prefix(url, SLICE_LIT("https://"));
    bool is_loopback = slice_has_prefix(url, SLICE_LIT("http://127.0.0.1")) ||
                       slice_has_prefix(url, SLICE_LIT("http://localhost"));
    if (url.len > 2000 || (!is_https && !is_loopback))
        return err_set(err, RC_INVALID, "an address begins with https://");
    return RC_OK;
}

static enum rc check_claim(struct slice claim, struct err *err)
{
    if (claim.len > TENANT_NAME_MAX)
        return err_set(err, RC_INVALID, "a claim's name has at most %d bytes", TENANT_NAME_MAX);
    return RC_OK;
}

/* Whoever looks for a definition gives its id or its name: none of these is the other. */
static enum rc check_definition_name(struct slice name, struct err *err)
{
    struct uuid id;
    if (uuid_parse(name, &id))
        return err_set(err, RC_INVALID, "a name does not look like an id");
    return check_name(name, err);
}

static enum rc check_visibility(struct slice value, struct err *err)
{
    return check_one_of(value, (const char *const[]){"project", "personal", NULL}, err);
}

static enum rc check_note(struct slice value, struct err *err)
{
    if (value.len == 0 || value.len > 1000)
        return err_set(err, RC_INVALID, "a text has 1 to 1000 bytes");
    return RC_OK;
}

static enum rc check_word_or_none(struct slice value, struct err *err)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (value.len > 40 || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return err_set(err, RC_INVALID, "a kind is a word of a-z, 0-9 and _, at most 40 long");
    }
    return RC_OK;
}

static enum rc check_colour(struct slice value, struct err *err)
{
    bool is_good = value.len == 0 || (value.len == 7 && value.data[0] == '#');
    for (size_t i = 1; i < value.len && is_good; i++)
        is_good = strchr("0123456789abcdef", value.data[i]) != NULL;
    if (!is_good)
        return err_set(err, RC_INVALID, "a colour is written #2f80ed, or is empty");
    return RC_OK;
}

static enum rc check_count_by(struct slice value, struct err *err)
{
    return check_one_of(value, (const char *const[]){"visitors", "users", "persons", NULL}, err);
}

/* Pages of the dashboard; what of the reports each asks for: analytics/report. */
static enum rc check_shared_page(struct slice value, struct err *err)
{
    return check_word(
        value, (const char *const[]){"overview", "funnel", "retention", "paths", "vitals", NULL},
        err);
}

/* clang-format off */
#define TEXT(n, chk)       {.name = n, .kind = COLUMN_TEXT, .is_writable = true, .check = chk}
/* words: what chk takes. */
#define WORD(n, chk, words) {.name = n, .kind = COLUMN_TEXT, .is_writable = true, .check = chk, \
                            .schema = "{\"enum\":[" words "]}"}
#define LIST(n, k, chk)    {.name = n, .kind = k, .is_writable = true, .check = chk}
#define NUMBER(n, most)    {.name = n, .kind = COLUMN_INT, .is_writable = true, .max = most}
#define SEEN(n, k)         {.name = n, .kind = k}
#define SEEN_AS(n, k, sql_) {.name = n, .kind = k, .sql = sql_}
#define MAYBE(n, k)        {.name = n, .kind = k, .may_be_null = true}
#define MAYBE_AS(n, k, sql_) {.name = n, .kind = k, .sql = sql_, .may_be_null = true}
#define ONE_OF(n, words)   {.name = n, .kind = COLUMN_TEXT, .schema = "{\"enum\":[" words "]}"}
#define MOMENT(n)          {.name = n, .kind = COLUMN_MOMENT, .is_writable = true}
#define JSON(n, schema_)   {.name = n, .kind = COLUMN_JSON, .is_writable = true, \
                            .max = DEFINITION_JSON_MAX, .schema = schema_}
#define OBJECT             "{\"type\":\"object\"}"
#define OBJECT_OR_NULL     "{\"type\":[\"object\",\"null\"]}"
#define SOME               "{\"type\":\"array\",\"items\":{}}"
#define SOME_OR_NULL       "{\"type\":[\"array\",\"null\"],\"items\":{}}"
#define TEXTS              "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXT_OR_NULL       "{\"type\":[\"string\",\"null\"]}"
#define WORTH              "{\"type\":[\"object\",\"null\"],\"properties\":{\"property\":{" \
                           "\"type\":\"string\"},\"currency\":{\"type\":\"string\"}}}"
#define MADE               SEEN("created_at", COLUMN_TIME), SEEN("created_by", COLUMN_TEXT), \
                           SEEN("updated_at", COLUMN_TIME), SEEN("version", COLUMN_INT)
#define ALERT_STATE(column)  "(SELECT " column " FROM alert_states a WHERE a.id = alerts.id)"
#define MAIL_STATE(column) \
    "(SELECT " column " FROM mail_report_states m WHERE m.id = mail_reports.id)"
#define DEFINITION(type, table) type, table, "id", "project_id", "analytics"
/* clang-format on */

const struct entity tenant_entities[TENANT_ENTITIES] = {
    [TENANT_ORG] = {"organisation", "orgs", "id", NULL,
                    .columns = {TEXT("name", check_name), SEEN("created_at", COLUMN_TIME)}},
    [TENANT_PROJECT] = {"project", "projects", "id", "org_id",
                        .columns = {TEXT("name", check_name), TEXT("time_zone", check_time_zone),
                                    LIST("domains", COLUMN_LINES, check_domain),
                                    LIST("client_ids", COLUMN_LINES, check_client_id),
                                    LIST("allowed_origins", COLUMN_LINES, check_origin),
                                    NUMBER("retention_days", DAYS_MAX),
                                    WORD("privacy_mode", check_privacy,
                                         "\"standard\",\"strict\",\"relaxed\""),
                                    WORD("bot_policy", check_bots, "\"mark\",\"drop\""),
                                    NUMBER("events_per_month_max", EVENTS_MAX),
                                    SEEN("created_at", COLUMN_TIME),
                                    MAYBE("archived_at", COLUMN_TIME)}},
    [TENANT_KEY] = {"key", "keys", "id", "project_id",
                    .columns = {TEXT("name", check_name), ONE_OF("kind", "\"write\",\"secret\""),
                                SEEN("prefix", COLUMN_TEXT),
                                MAYBE_AS("text", COLUMN_TEXT, "public_text"),
                                SEEN("scopes", COLUMN_WORDS),
                                LIST("allowed_origins", COLUMN_LINES, check_origin),
                                SEEN("created_at", COLUMN_TIME), MAYBE("created_by", COLUMN_TEXT),
                                MAYBE("expires_at", COLUMN_TIME),
                                MAYBE("last_used_at", COLUMN_TIME), MAYBE("replaces", COLUMN_TEXT),
                                MAYBE("revoked_at", COLUMN_TIME)}},
    [TENANT_MEMBER] =
        {"member", "members", "user_id", "org_id",
         .columns = {SEEN("role", COLUMN_TEXT),
                     SEEN_AS("email", COLUMN_TEXT,
                             "(SELECT email FROM users WHERE users.id = members.user_id)"),
                     SEEN_AS("name", COLUMN_TEXT,
                             "(SELECT name FROM users WHERE users.id = members.user_id)"),
                     SEEN("created_at", COLUMN_TIME)}},
    [TENANT_INVITATION] = {"invitation", "invitations", "id", "org_id",
                           .columns = {SEEN("email", COLUMN_TEXT), SEEN("role", COLUMN_TEXT),
                                       SEEN("invited_by", COLUMN_TEXT),
                                       SEEN("created_at", COLUMN_TIME),
                                       SEEN("expires_at", COLUMN_TIME),
                                       MAYBE("accepted_at", COLUMN_TIME),
                                       MAYBE("revoked_at", COLUMN_TIME)}},
    [TENANT_ISSUER] = {"token_issuer", "token_issuers", "id", "org_id",
                       .columns = {TEXT("issuer", check_url), TEXT("audience", check_name),
                                   TEXT("jwks_url", jwks_url_check),
                                   LIST("algorithms", COLUMN_WORDS, check_algorithm),
                                   TEXT("user_claim", check_claim),
                                   TEXT("project_claim", check_claim),
                                   TEXT("role_claim", check_claim),
                                   SEEN("created_at", COLUMN_TIME)}},
    [TENANT_USER] = {"user", "users", "id", NULL,
                     .columns = {SEEN("email", COLUMN_TEXT), TEXT("name", check_name),
                                 SEEN("created_at", COLUMN_TIME),
                                 SEEN_AS("has_second_factor", COLUMN_FLAG, "totp_confirmed_at"),
                                 MAYBE("last_login_at", COLUMN_TIME),
                                 MAYBE("disabled_at", COLUMN_TIME)}},
    [TENANT_MEMBERSHIP] =
        {"membership", "members", "org_id", "user_id",
         .columns = {SEEN("role", COLUMN_TEXT),
                     SEEN_AS("name", COLUMN_TEXT,
                             "(SELECT name FROM orgs WHERE orgs.id = members.org_id)"),
                     SEEN_AS("permissions", COLUMN_PERMISSIONS, "role")}},
    [TENANT_SESSION] = {"session", "sessions", "id", "user_id",
                        .columns = {SEEN("authenticated_by", COLUMN_TEXT),
                                    SEEN("address", COLUMN_TEXT), SEEN("user_agent", COLUMN_TEXT),
                                    SEEN("created_at", COLUMN_TIME),
                                    SEEN("last_seen_at", COLUMN_TIME),
                                    SEEN("expires_at", COLUMN_TIME),
                                    MAYBE("ended_at", COLUMN_TIME)}},
    [TENANT_GOAL] = {DEFINITION("goal", "goals"),
                     .columns = {TEXT("name", check_definition_name), JSON("filters", SOME),
                                 JSON("revenue", WORTH), MADE}},
    [TENANT_SEGMENT] = {DEFINITION("segment", "segments"),
                        .columns = {TEXT("name", check_definition_name), JSON("filters", SOME),
                                    WORD("visibility", check_visibility,
                                         "\"project\",\"personal\""),
                                    MADE}},
    [TENANT_COHORT] = {DEFINITION("cohort", "cohorts"),
                       .columns = {TEXT("name", check_definition_name),
                                   WORD("count_by", check_count_by,
                                        "\"visitors\",\"users\",\"persons\""),
                                   JSON("conditions", SOME_OR_NULL), MAYBE("list_id", COLUMN_TEXT),
                                   MAYBE("size", COLUMN_INT), MADE}},
    [TENANT_ANNOTATION] = {DEFINITION("annotation", "annotations"),
                           .columns = {MOMENT("at"), TEXT("text", check_note),
                                       TEXT("kind", check_word_or_none),
                                       TEXT("colour", check_colour), MADE}},
    [TENANT_REPORT] = {DEFINITION("report", "saved_reports"),
                       .columns = {TEXT("name", check_definition_name), JSON("question", OBJECT),
                                   MADE}},
    [TENANT_ERASURE] = {"erasure", "erasures", "id", "project_id",
                        .columns = {SEEN("status", COLUMN_TEXT), SEEN("reason", COLUMN_TEXT),
                                    SEEN_AS("dry_run", COLUMN_FLAG, "is_dry_run"),
                                    SEEN_AS("include_linked", COLUMN_FLAG, "has_linked"),
                                    SEEN_AS("ids", COLUMN_INT, "id_count"),
                                    SEEN("requested_at", COLUMN_TIME),
                                    MAYBE("started_at", COLUMN_TIME),
                                    MAYBE("finished_at", COLUMN_TIME), SEEN("attempts", COLUMN_INT),
                                    SEEN("error", COLUMN_TEXT), SEEN("report", COLUMN_JSON)}},
    [TENANT_ALERT] = {DEFINITION("alert", "alerts"),
                      .columns = {TEXT("name", check_definition_name),
                                  JSON("question", OBJECT_OR_NULL), JSON("condition", OBJECT),
                                  JSON("emails", TEXTS),
                                  MAYBE_AS("state", COLUMN_TEXT, ALERT_STATE("state")),
                                  MAYBE_AS("value", COLUMN_TEXT, ALERT_STATE("value")),
                                  MAYBE_AS("since", COLUMN_TIME, ALERT_STATE("since")),
                                  MAYBE_AS("checked_at", COLUMN_TIME, ALERT_STATE("checked_at")),
                                  MAYBE_AS("error", COLUMN_TEXT, ALERT_STATE("error")), MADE}},
    [TENANT_MAIL_REPORT] =
        {DEFINITION("mail_report", "mail_reports"),
         .columns = {TEXT("name", check_definition_name), JSON("schedule", WATCH_SCHEDULE_SCHEMA),
                     JSON("emails", TEXTS), JSON("report", TEXT_OR_NULL),
                     MAYBE_AS("next_at", COLUMN_TIME, MAIL_STATE("next_at")),
                     MAYBE_AS("sent_at", COLUMN_TIME, MAIL_STATE("sent_at")),
                     MAYBE_AS("error", COLUMN_TEXT, MAIL_STATE("nullif(error, '')")), MADE}},
    [TENANT_IMPORT] = {.type = "import", .service = "analytics"},
    [TENANT_SHARE] = {"share", "shares", "id", "project_id",
                      .columns = {TEXT("name", check_definition_name),
                                  {.name = "link", .kind = COLUMN_TEXT, .is_unaudited = true},
                                  LIST("pages", COLUMN_WORDS, check_shared_page),
                                  JSON("filters", SOME_OR_NULL),
                                  SEEN_AS("has_password", COLUMN_FLAG, "password_hash"),
                                  LIST("embed_origins", COLUMN_LINES, check_origin),
                                  {.name = "expires_at",
                                   .kind = COLUMN_TIME,
                                   .is_writable = true,
                                   .may_be_null = true},
                                  MADE}},
};
