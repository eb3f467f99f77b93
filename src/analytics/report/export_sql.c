/* WHAT  An event of the table as a line of each format.
 * WHY   by the store: it has the columns at hand, and formats a hundred thousand lines a second
 *       beside its reading. The line of NDJSON is the record (docs/format/event.md) without what is
 *       of the project or of how it came (project, dedupe, historical): what is imported from it
 *       gives the same line again, byte for byte. */
#include "analytics/report/export_int.h"

const char *const export_format_names[EXPORT_FORMAT_COUNT] = {"ndjson", "csv", "parquet"};

/* ---- NDJSON ---- */

#define TEXT(name, column) \
    ",if(" column "='','',concat(',\"" name "\":',toJSONString(toString(" column "))))"
#define NUMBER(name, column) ",if(" column "=0,'',concat(',\"" name "\":',toString(" column ")))"
#define RAW(name, column) ",if(" column "='','',concat(',\"" name "\":'," column "))"
#define TIME(column)                                                                    \
    "formatDateTime(" column ",'%Y-%m-%dT%H:%i:%S','UTC'),'.',leftPad(toString(modulo(" \
    "toUnixTimestamp64Milli(" column "),1000)),3,'0'),'Z'"
/* members each begin with a comma: the first one goes; without any, the object goes. */
#define OBJECT_BEGIN ",if((concat(''"
#define OBJECT_END(name) \
    ") AS " name "_)='','',concat(',\"" name "\":{',substring(" name "_,2),'}'))"

static const char *const line_ndjson[] = {
    "concat('{\"id\":\"',toString(id),'\",\"event\":',toJSONString(toString(event)),",
    "',\"timestamp\":\"'," TIME("timestamp"),
    ",'\",\"received_at\":\"'," TIME("received_at"),
    ",'\",\"source\":',toJSONString(toString(source))",
    TEXT("user_id", "user_id"),
    TEXT("anonymous_id", "anonymous_id"),
    TEXT("session_id", "session_id"),
    OBJECT_BEGIN,
    TEXT("url", "page_url"),
    TEXT("path", "page_path"),
    TEXT("title", "page_title"),
    TEXT("referrer", "page_referrer"),
    OBJECT_END("page"),
    OBJECT_BEGIN,
    NUMBER("width", "screen_width"),
    NUMBER("height", "screen_height"),
    OBJECT_END("screen"),
    TEXT("user_agent", "user_agent"),
    TEXT("locale", "locale"),
    ",if(device=0,'',concat(',\"device\":\"',leftPad(lower(hex(device)),16,'0'),'\"'))",
    OBJECT_BEGIN,
    TEXT("country", "country"),
    TEXT("region", "region"),
    TEXT("city", "city"),
    TEXT("network", "network"),
    OBJECT_END("geo"),
    TEXT("privacy", "privacy"),
    RAW("hints", "toString(hints)"),
    TEXT("timezone", "timezone"),
    TEXT("kind", "kind"),
    ",if(is_interactive=0,',\"interactive\":false','')",
    NUMBER("engagement_ms", "engagement_ms"),
    NUMBER("scroll", "scroll_depth"),
    ",if(currency='','',concat(',\"revenue\":{\"amount\":\"',toString(revenue),",
    "'\",\"currency\":',toJSONString(toString(currency)),'}'))",
    ",if(group_id='','',concat(',\"group\":{\"type\":',toJSONString(toString(group_type)),",
    "',\"id\":',toJSONString(group_id),'}'))",
    RAW("groups", "groups"),
    TEXT("previous_id", "previous_id"),
    RAW("traits", "traits"),
    RAW("traits_once", "traits_once"),
    RAW("properties", "properties"),
    RAW("context", "context"),
    ",'}')",
};

/* ---- columns ---- */

static const struct {
    const char *name, *value; /* NULL: the column of that name */
} columns[] = {
    {"id", "toString(id)"},
    {"event", "toString(event)"},
    {"kind", "toString(kind)"},
    {"timestamp", NULL},
    {"received_at", NULL},
    {"source", "toString(source)"},
    {"user_id", NULL},
    {"anonymous_id", NULL},
    {"session_id", NULL},
    {"device", "if(device=0,'',leftPad(lower(hex(device)),16,'0'))"},
    {"visitor", NULL},
    {"page_url", NULL},
    {"page_path", "toString(page_path)"},
    {"page_title", NULL},
    {"page_referrer", NULL},
    {"hostname", "toString(hostname)"},
    {"referrer_domain", "toString(referrer_domain)"},
    {"referrer_source", "toString(referrer_source)"},
    {"channel", "toString(channel)"},
    {"click_id", "toString(click_id)"},
    {"utm_source", "toString(utm_source)"},
    {"utm_medium", "toString(utm_medium)"},
    {"utm_campaign", "toString(utm_campaign)"},
    {"utm_term", NULL},
    {"utm_content", NULL},
    {"screen_width", NULL},
    {"screen_height", NULL},
    {"screen_class", "toString(screen_class)"},
    {"user_agent", NULL},
    {"hints", "toString(hints)"},
    {"browser_name", "toString(browser_name)"},
    {"browser_version", "toString(browser_version)"},
    {"os_name", "toString(os_name)"},
    {"os_version", "toString(os_version)"},
    {"device_type", "toString(device_type)"},
    {"device_brand", "toString(device_brand)"},
    {"device_model", "toString(device_model)"},
    {"bot", "toString(bot)"},
    {"locale", "toString(locale)"},
    {"timezone", "toString(timezone)"},
    {"country", "toString(country)"},
    {"region", "toString(region)"},
    {"city", "toString(city)"},
    {"network", "toString(network)"},
    {"privacy", "toString(privacy)"},
    {"is_interactive", NULL},
    {"engagement_ms", NULL},
    {"scroll_depth", NULL},
    {"revenue", NULL},
    {"currency", "toString(currency)"},
    {"group_type", "toString(group_type)"},
    {"group_id", NULL},
    {"groups", NULL},
    {"previous_id", NULL},
    {"traits", NULL},
    {"traits_once", NULL},
    {"properties", NULL},
    {"context", NULL},
};

static const char *value_of(size_t i)
{
    return columns[i].value ? columns[i].value : columns[i].name;
}

void export_csv_header(struct buf *out)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++)
        buf_addf(out, "%s%s", i ? "," : "", columns[i].name);
    buf_add_char(out, '\n');
}

/* An alias that is a column's name would stand for it in the whole statement. */
static void add_columns(struct buf *sql, const char *prefix)
{
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        buf_addf(sql, "%s%s", i ? "," : "", value_of(i));
        if (prefix)
            buf_addf(sql, " AS %s%s", prefix, columns[i].name);
    }
}

static const char from_events[] =
    " FROM $EVENTS AND toDate(timestamp)>=toDate(fromUnixTimestamp64Milli({from:Int64},'UTC'))"
    " AND toDate(timestamp)<=toDate(fromUnixTimestamp64Milli({to:Int64},'UTC'))"
    " AND timestamp>=fromUnixTimestamp64Milli({from:Int64},'UTC')"
    " AND timestamp<fromUnixTimestamp64Milli({to:Int64},'UTC')";
static const char in_order[] = " ORDER BY toDate(timestamp),event,visitor,timestamp,id";
static const char behind_last[] =
    " AND toDate(timestamp)>={after_day:Date} AND (toDate(timestamp)>{after_day:Date} OR"
    " (event,visitor,toUnixTimestamp64Milli(timestamp),id)>"
    "({after_event:String},{after_visitor:UInt64},{after_time:Int64},{after_id:UUID}))";

static void add_line(struct buf *sql)
{
    for (size_t i = 0; i < COUNT_OF(line_ndjson); i++)
        buf_add_str(sql, line_ndjson[i]);
}

void export_sql(enum export_format format, struct buf *sql)
{
    if (format == EXPORT_PARQUET) {
        buf_add_str(sql, "SELECT ");
        for (size_t i = 0; i < COUNT_OF(columns); i++)
            buf_addf(sql, "%sx_%s AS %s", i ? "," : "", columns[i].name, columns[i].name);
        buf_add_str(sql, " FROM (SELECT ");
        add_columns(sql, "x_");
        buf_add_str(sql, from_events);
        buf_add_str(sql, in_order);
        buf_add_char(sql, ')');
        return;
    }
    buf_add_str(sql, "SELECT ");
    if (format == EXPORT_NDJSON) {
        add_line(sql);
    } else {
        buf_add_str(sql, "formatRowNoNewline('CSV',");
        add_columns(sql, NULL);
        buf_add_char(sql, ')');
    }
    buf_add_str(sql, " AS line_,toString(event) AS event_,visitor,"
                     "toUnixTimestamp64Milli(timestamp) AS time_,id");
    buf_add_str(sql, from_events);
    buf_add_str(sql, behind_last);
    buf_add_str(sql, in_order);
    buf_add_str(sql, " LIMIT {limit:UInt32}");
}

/* ---- one user ---- */

static const char is_of_user[] =
    " (has({user_ids:Array(String)},user_id) OR has({anonymous_ids:Array(String)},anonymous_id)"
    " OR (device!=0 AND has({devices:Array(String)},leftPad(lower(hex(device)),16,'0')))"
    " OR (previous_id!='' AND (has({user_ids:Array(String)},previous_id)"
    " OR has({anonymous_ids:Array(String)},previous_id))))";

void export_user_sql(struct buf *sql)
{
    buf_add_str(sql, "SELECT ");
    add_line(sql);
    buf_add_str(sql, " AS line_,toString(event) AS event_,visitor,"
                     "toUnixTimestamp64Milli(timestamp) AS time_,id");
    buf_add_str(sql, from_events);
    buf_add_str(sql, behind_last);
    buf_add_str(sql, " AND");
    buf_add_str(sql, is_of_user);
    buf_add_str(sql, in_order);
    buf_add_str(sql, " LIMIT {limit:UInt32}");
}

void export_user_sessions_sql(struct buf *sql)
{
    buf_add_str(sql,
                "SELECT concat('{\"session\":',formatRowNoNewline('JSONEachRow',start,end,user_id,"
                "pageviews,events,interactions,engagement_ms,duration_ms,is_bounce,entry_page,"
                "exit_page,referrer_source,channel,utm_source,utm_medium,utm_campaign,country,"
                "region,city,browser_name,os_name,device_type,locale),'}') AS line_,'' AS event_,"
                "visitor,toUnixTimestamp64Milli(start) AS time_,"
                "toUUID('00000000-0000-0000-0000-000000000000') AS id FROM $SESSIONS"
                " AND (visitor,toUnixTimestamp64Milli(start))>({after_visitor:UInt64},"
                "{after_time:Int64}) AND (has({user_ids:Array(String)},user_id) OR visitor IN"
                " (SELECT visitor FROM $EVENTS AND visitor!=0 AND");
    buf_add_str(sql, is_of_user);
    buf_add_str(sql, ")) ORDER BY visitor,start LIMIT {limit:UInt32}");
}

/* ---- RowBinary ---- */

static bool take(struct slice *rest, void *to, size_t n)
{
    if (rest->len < n)
        return false;
    memcpy(to, rest->data, n);
    *rest = slice_sub(*rest, n);
    return true;
}

static bool take_text(struct slice *rest, struct slice *ret)
{
    uint64_t len = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 28 || !take(rest, &byte, 1))
            return false;
        len |= (uint64_t)(byte & 0x7f) << shift;
    }
    if (rest->len < len)
        return false;
    *ret = slice_of(rest->data, len);
    *rest = slice_sub(*rest, len);
    return true;
}

bool export_row_next(struct slice *rest, struct export_row *ret)
{
    uint8_t id[16]; /* two numbers of 64 bits, each with its last byte first */
    if (!take_text(rest, &ret->line) || !take_text(rest, &ret->event) ||
        !take(rest, &ret->visitor, 8) || !take(rest, &ret->time_ms, 8) || !take(rest, id, 16))
        return false;
    for (unsigned i = 0; i < 16; i++)
        ret->id.bytes[i] = id[i < 8 ? 7 - i : 23 - i];
    return true;
}
