#ifndef WEIR_ANALYTICS_REPORT_REPORT_OPENAPI_INT_H
#define WEIR_ANALYTICS_REPORT_REPORT_OPENAPI_INT_H
/* What reports answer, as JSON schemas: members of components/schemas. Events and visits stand in
 * other answers, too. */
/* A macro between two texts makes clang-format break the line behind it, further right each time.
 */
/* clang-format off */
#define SCHEMA_TEXT "{\"type\":\"string\"}"
#define SCHEMA_MAYBE "{\"type\":[\"string\",\"null\"]}"
#define SCHEMA_NUMBER "{\"type\":\"number\"}"
#define SCHEMA_NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define SCHEMA_COUNT "{\"type\":\"integer\"}"
#define SCHEMA_FLAG "{\"type\":\"boolean\"}"
#define SCHEMA_LIST(of) "{\"type\":\"array\",\"items\":" of "}"
#define SCHEMA_OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
/* (Of its own: cppcheck takes one within another for a recursion.) */
#define SCHEMA_WITHIN(members) "{\"type\":\"object\",\"properties\":{" members "}}"
/* Members that are left out where nothing is known. */
#define SCHEMA_SOME(needed, members) \
    "{\"type\":\"object\",\"required\":[" needed "],\"properties\":{" members "}}"
#define SCHEMA_SOME_WITHIN(members) \
    "{\"type\":\"object\",\"required\":[],\"properties\":{" members "}}"
#define SCHEMA_BY_NAME(of) "{\"type\":\"object\",\"additionalProperties\":" of "}"

#define SCHEMA_DIMENSIONS "\"dimensions\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
/* Revenue is a number for each currency. */
#define SCHEMA_METRICS \
    "\"metrics\":{\"type\":\"array\",\"items\":{\"type\":[\"number\",\"object\",\"null\"]," \
    "\"additionalProperties\":{\"type\":\"number\"}}}"
#define SCHEMA_EVENT \
    SCHEMA_SOME("\"id\",\"event\",\"timestamp\",\"received_at\",\"user_id\",\"anonymous_id\"," \
                "\"session_id\",\"properties\",\"kind\"", \
        "\"id\":" SCHEMA_TEXT ",\"event\":" SCHEMA_TEXT ",\"timestamp\":" SCHEMA_TEXT \
        ",\"received_at\":" SCHEMA_TEXT ",\"user_id\":" SCHEMA_MAYBE ",\"anonymous_id\":" \
        SCHEMA_MAYBE ",\"session_id\":" SCHEMA_MAYBE ",\"page\":" SCHEMA_SOME_WITHIN("\"url\":" \
        SCHEMA_TEXT ",\"title\":" SCHEMA_TEXT ",\"path\":" SCHEMA_TEXT ",\"referrer\":" \
        SCHEMA_TEXT) ",\"screen\":" SCHEMA_WITHIN("\"width\":" SCHEMA_COUNT ",\"height\":" \
        SCHEMA_COUNT) ",\"user_agent\":" SCHEMA_TEXT ",\"locale\":" SCHEMA_TEXT ",\"geo\":" \
        SCHEMA_SOME_WITHIN("\"country\":" SCHEMA_TEXT ",\"region\":" SCHEMA_TEXT ",\"city\":" \
        SCHEMA_TEXT) ",\"properties\":{\"type\":[\"object\",\"null\"]},\"context\":{\"type\":" \
        "\"object\"},\"kind\":" SCHEMA_MAYBE)
#define SCHEMA_VITAL \
    SCHEMA_WITHIN("\"count\":" SCHEMA_COUNT ",\"p50\":" SCHEMA_NUMBER ",\"p75\":" SCHEMA_NUMBER \
        ",\"p90\":" SCHEMA_NUMBER ",\"p95\":" SCHEMA_NUMBER ",\"p99\":" SCHEMA_NUMBER \
        ",\"good\":" SCHEMA_NUMBER ",\"needs_improvement\":" SCHEMA_NUMBER ",\"poor\":" \
        SCHEMA_NUMBER ",\"rating\":{\"enum\":[\"good\",\"needs_improvement\",\"poor\"]}")
#define SCHEMA_STEP \
    SCHEMA_WITHIN("\"step\":" SCHEMA_COUNT ",\"name\":" SCHEMA_MAYBE ",\"count\":" \
        SCHEMA_COUNT ",\"conversion_rate\":" SCHEMA_NUMBER_OR_NULL \
        ",\"step_conversion_rate\":" SCHEMA_NUMBER_OR_NULL)
#define SCHEMA_CREDIT \
    SCHEMA_WITHIN("\"conversions\":" SCHEMA_NUMBER ",\"revenue\":" SCHEMA_BY_NAME(SCHEMA_NUMBER))

#define REPORT_SCHEMAS \
    "\"BreakdownRow\":" SCHEMA_SOME("\"dimensions\",\"metrics\"", SCHEMA_DIMENSIONS "," \
        SCHEMA_METRICS ",\"comparison\":" SCHEMA_WITHIN(SCHEMA_METRICS)) \
    ",\"FunnelRow\":" SCHEMA_OBJECT(SCHEMA_DIMENSIONS ",\"steps\":" SCHEMA_LIST(SCHEMA_STEP) \
        ",\"seconds_to_convert\":" SCHEMA_WITHIN("\"mean\":" SCHEMA_NUMBER_OR_NULL \
        ",\"median\":" SCHEMA_NUMBER_OR_NULL)) \
    ",\"RetentionRow\":" SCHEMA_OBJECT("\"cohort\":" SCHEMA_TEXT ",\"size\":" SCHEMA_COUNT \
        ",\"returned\":" SCHEMA_LIST(SCHEMA_COUNT)) \
    ",\"StickinessRow\":" SCHEMA_OBJECT("\"periods\":" SCHEMA_COUNT ",\"count\":" SCHEMA_COUNT \
        ",\"percentage\":" SCHEMA_NUMBER_OR_NULL ",\"count_or_more\":" SCHEMA_COUNT) \
    ",\"LifecycleRow\":" SCHEMA_OBJECT("\"period\":" SCHEMA_TEXT ",\"new\":" SCHEMA_COUNT \
        ",\"returning\":" SCHEMA_COUNT ",\"resurrecting\":" SCHEMA_COUNT ",\"dormant\":" \
        SCHEMA_COUNT) \
    ",\"EdgeRow\":" SCHEMA_OBJECT("\"step\":" SCHEMA_COUNT ",\"source\":" SCHEMA_TEXT \
        ",\"target\":" SCHEMA_TEXT ",\"count\":" SCHEMA_COUNT ",\"seconds\":" \
        SCHEMA_NUMBER_OR_NULL) \
    ",\"PathRow\":" SCHEMA_OBJECT("\"path\":" SCHEMA_LIST(SCHEMA_TEXT) ",\"count\":" \
        SCHEMA_COUNT ",\"seconds\":" SCHEMA_NUMBER_OR_NULL) \
    ",\"VitalsRow\":" SCHEMA_OBJECT(SCHEMA_DIMENSIONS ",\"count\":" SCHEMA_COUNT ",\"vitals\":" \
        SCHEMA_BY_NAME(SCHEMA_VITAL)) \
    ",\"AttributionRow\":" SCHEMA_OBJECT(SCHEMA_DIMENSIONS ",\"models\":" \
        SCHEMA_SOME_WITHIN("\"first_touch\":" SCHEMA_CREDIT ",\"last_touch\":" SCHEMA_CREDIT \
        ",\"last_non_direct\":" SCHEMA_CREDIT ",\"linear\":" SCHEMA_CREDIT \
        ",\"position_based\":" SCHEMA_CREDIT ",\"time_decay\":" SCHEMA_CREDIT)) \
    ",\"EventRow\":" SCHEMA_EVENT \
    ",\"PropertyRow\":" SCHEMA_OBJECT("\"property\":" SCHEMA_TEXT ",\"count\":" SCHEMA_COUNT \
        ",\"numbers\":" SCHEMA_COUNT) \
    ",\"ReportAnswer\":" SCHEMA_OBJECT("\"results\":{\"oneOf\":[" \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/BreakdownRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/FunnelRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/RetentionRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/StickinessRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/LifecycleRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/EdgeRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/PathRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/VitalsRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/AttributionRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/EventRow\"}") "," \
        SCHEMA_LIST("{\"$ref\":\"#/components/schemas/PropertyRow\"}") "]},\"meta\":" \
        SCHEMA_SOME_WITHIN("\"time_labels\":" SCHEMA_LIST(SCHEMA_TEXT) ",\"total_rows\":" \
        SCHEMA_COUNT ",\"imports_included\":" SCHEMA_FLAG \
        ",\"next_cursor\":" SCHEMA_MAYBE ",\"statements\":" SCHEMA_LIST(SCHEMA_TEXT) \
        ",\"parameters\":" SCHEMA_BY_NAME(SCHEMA_TEXT)) ",\"query\":{" \
        "\"type\":\"object\",\"required\":[\"report\",\"date_range\",\"timezone\"]," \
        "\"additionalProperties\":{},\"properties\":{\"report\":" SCHEMA_TEXT \
        ",\"date_range\":" SCHEMA_LIST(SCHEMA_TEXT) ",\"compare_range\":" \
        SCHEMA_LIST(SCHEMA_TEXT) ",\"timezone\":" SCHEMA_TEXT "}}")
/* clang-format on */
#endif
