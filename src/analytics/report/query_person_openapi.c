/* OpenAPI texts of the routes about persons and groups. */
#include "analytics/report/query_int.h"

/* A macro between two texts makes clang-format break the line behind it, further right each time.
 */
/* clang-format off */
#define QUERY(name, schema, text) \
    "{\"name\":\"" name "\",\"in\":\"query\",\"description\":\"" text "\",\"schema\":" schema "}"
#define PATH(name, text) \
    "{\"name\":\"" name "\",\"in\":\"path\",\"required\":true,\"description\":\"" text "\"," \
    "\"schema\":" TEXT "}"
#define TEXT "{\"type\":\"string\"}"
#define TEXTS "{\"type\":\"array\",\"items\":" TEXT "}"
#define MAYBE "{\"type\":[\"string\",\"null\"]}"
#define FLAG "{\"type\":\"boolean\"}"
#define NUMBER "{\"type\":\"integer\"}"
#define ANY "{\"type\":\"object\"}"
#define OBJECT(members) "{\"type\":\"object\",\"properties\":{" members "}}"
/* (Of their own: cppcheck takes an OBJECT within another for a recursion.) */
#define ITEM(members) "{\"type\":\"object\",\"properties\":{" members "}}"
#define ARRAY(of) "{\"type\":\"array\",\"items\":" of "}"
#define PROJECT PATH("projectId", "The project of the key")
#define PERSON PATH("personId", "A person_id, or any id that the person was seen under")
#define TYPE PATH("groupType", "company, team …; Segment's groups are of the type group")
#define LIMIT \
    QUERY("limit", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000,\"default\":20}", \
          "How many at most")
#define CURSOR QUERY("cursor", TEXT, "next_cursor of the answer before")
#define PROBLEM(code, text) \
    "\"" code "\":{\"description\":\"" text \
    "\",\"content\":{\"application/problem+json\":{\"schema\":" ANY "}}}"
#define PROBLEMS \
    PROBLEM("400", "A parameter is wrong; detail says which and what to give") "," \
    PROBLEM("401", "No key, or a wrong one") "," \
    PROBLEM("403", "The key does not have the permission") "," \
    PROBLEM("404", "Nobody, or nothing, is known under that id") "," \
    PROBLEM("503", "The store is not there at the moment; Retry-After") "," \
    PROBLEM("504", "The question takes too long")
#define OPERATION(id, summary, parameters, schema) \
    "{\"operationId\":\"" id "\",\"summary\":\"" summary "\",\"tags\":[\"Persons\"]," \
    "\"parameters\":[" parameters "],\"responses\":{\"200\":{\"description\":\"OK\"," \
    "\"content\":{\"application/json\":{\"schema\":" schema "}}}," PROBLEMS "}}"
#define SEEN "\"first_seen\":" MAYBE ",\"last_seen\":" MAYBE
#define WHO \
    "\"person_id\":" TEXT ",\"user_id\":" MAYBE ",\"user_ids\":" TEXTS "," \
    "\"anonymous_ids\":" TEXTS ",\"id_count\":" NUMBER "," SEEN
#define KNOWN \
    "\"traits\":" ANY ",\"groups\":{\"type\":\"object\",\"additionalProperties\":" TEXT "}"
#define GROUP \
    "\"type\":" TEXT ",\"group_id\":" TEXT "," SEEN ",\"member_count\":" NUMBER ",\"traits\":" ANY

const char query_openapi_persons[] = OPERATION(
    "listPersons", "Who was seen, the last seen first if nothing else is asked for",
    PROJECT ","
    QUERY("search", TEXT, "A part of any id or trait, in any case") ","
    QUERY("identified", FLAG, "true: a user id is known; false: none") ","
    QUERY("trait", TEXT, "name:value, a trait as it is now") ","
    QUERY("group", TEXT, "type:id, members of it now") ","
    QUERY("sort", "{\"enum\":[\"last_seen\",\"first_seen\"]}", "Default: last_seen") ","
    QUERY("order", "{\"enum\":[\"desc\",\"asc\"]}", "Default: desc, the latest first") ","
    LIMIT "," CURSOR,
    OBJECT("\"persons\":" ARRAY(ITEM(WHO "," KNOWN)) ",\"next_cursor\":" MAYBE));
const char query_openapi_person[] = OPERATION(
    "getPerson", "One person: ids, traits, groups, totals",
    PROJECT "," PERSON,
    OBJECT(WHO "," KNOWN ",\"events\":" NUMBER ",\"pageviews\":" NUMBER ",\"sessions\":" NUMBER));
#define EVENT "{\"allOf\":[" API_REF("EventRow") "," ITEM("\"session\":" MAYBE) "]}"
#define SESSION \
    ITEM("\"session\":" TEXT ",\"start\":" TEXT ",\"end\":" TEXT ",\"pageviews\":" NUMBER \
           ",\"events\":" NUMBER ",\"duration_ms\":" NUMBER ",\"is_bounce\":" FLAG \
           ",\"entry_page\":" MAYBE ",\"exit_page\":" MAYBE ",\"source\":" MAYBE \
           ",\"channel\":" MAYBE ",\"country\":" MAYBE ",\"browser\":" MAYBE ",\"os\":" MAYBE \
           ",\"device\":" MAYBE)
const char query_openapi_timeline[] = OPERATION(
    "getPersonTimeline", "What a person did under all of its ids, newest first, by sessions",
    PROJECT "," PERSON "," LIMIT "," CURSOR,
    OBJECT("\"events\":" ARRAY(EVENT) ",\"sessions\":" ARRAY(SESSION) ",\"next_cursor\":" MAYBE));
const char query_openapi_groups[] = OPERATION(
    "listGroupTypes", "The types of groups that were seen",
    PROJECT,
    OBJECT("\"types\":" ARRAY(ITEM("\"type\":" TEXT ",\"groups\":" NUMBER))));
const char query_openapi_groups_of_type[] = OPERATION(
    "listGroups", "Groups of a type, the last seen first",
    PROJECT "," TYPE "," LIMIT "," CURSOR,
    OBJECT("\"groups\":" ARRAY(ITEM(GROUP)) ",\"next_cursor\":" MAYBE));
const char query_openapi_group[] = OPERATION(
    "getGroup", "One group: traits, and the members seen last",
    PROJECT "," TYPE "," PATH("groupId", "The group's id"),
    OBJECT(GROUP ",\"members\":" ARRAY(ITEM(WHO))));
/* clang-format on */
