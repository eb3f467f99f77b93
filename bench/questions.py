"""The questions of bench/reports: as they are asked of weir, as one would write them by hand over weir's tables, and as
Umami puts them to PostgreSQL, in its own tables.

Umami's tables and statements are rewritten from what version 2 of it does: a row per event, a visitor is a "session", a
visit is a part of one; its indexes; count(DISTINCT …) over the range."""
import datetime
import zoneinfo

ZONE, LAST = "Europe/Berlin", datetime.date(2026, 10, 29)
SITE = "00000000-0000-4000-8000-000000000001"

UMAMI_TABLES = [
    "CREATE UNLOGGED TABLE loaded (event_id uuid, session_id uuid, visit_id uuid, created_at timestamp, url_path text, referrer_domain text,"
    " event_type integer, event_name text, country text, browser text, device text)",
    "CREATE TABLE session (session_id uuid PRIMARY KEY, website_id uuid NOT NULL, browser varchar(20), device varchar(20), country char(2), created_at timestamptz)",
    "CREATE TABLE website_event (event_id uuid PRIMARY KEY, website_id uuid NOT NULL, session_id uuid NOT NULL, visit_id uuid NOT NULL,"
    " created_at timestamptz NOT NULL, url_path varchar(500) NOT NULL, referrer_domain varchar(500), event_type integer NOT NULL, event_name varchar(50))",
]
UMAMI_FILL = [
    f"INSERT INTO session SELECT DISTINCT ON (session_id) session_id, '{SITE}', browser, device, country, created_at AT TIME ZONE 'UTC' FROM loaded ORDER BY session_id, created_at",
    f"INSERT INTO website_event SELECT event_id, '{SITE}', session_id, visit_id, created_at AT TIME ZONE 'UTC', url_path, nullif(referrer_domain, ''), event_type, event_name FROM loaded ORDER BY created_at",
    "DROP TABLE loaded",
    *(f"CREATE INDEX ON session ({c})" for c in ("created_at", "website_id", "website_id, created_at, country", "website_id, created_at, browser")),
    *(f"CREATE INDEX ON website_event ({c})" for c in (
        "created_at", "session_id", "visit_id", "website_id", "website_id, created_at", "website_id, created_at, url_path",
        "website_id, created_at, event_name", "website_id, session_id, created_at", "website_id, visit_id, created_at")),
    "VACUUM ANALYZE",
]


def bounds(first, last):
    zone = zoneinfo.ZoneInfo(ZONE)
    return [datetime.datetime.combine(d, datetime.time(), zone).astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
            for d in (first, last + datetime.timedelta(days=1))]


def step(name):
    return {"filters": [["is", "event", [name]]]}


def questions(days):
    first = LAST - datetime.timedelta(days=days - 1)
    since, till = bounds(first, LAST)
    base = {"date_range": [str(first), str(LAST)], "timezone": ZONE}
    own = f"project_id = '{{project}}' AND toDate(timestamp) BETWEEN '{since[:10]}' AND '{till[:10]}' AND timestamp >= '{since}' AND timestamp < '{till}' AND kind = '' AND bot = ''"
    visits = f"project_id = '{{project}}' AND toDate(start) BETWEEN '{since[:10]}' AND '{till[:10]}' AND start >= '{since}' AND start < '{till}' AND bot = ''"
    site = f"website_id = '{SITE}' AND created_at >= '{since}+00' AND created_at < '{till}+00'"
    goal = [["is", "event", ["signup"]]]
    of_three = {"report": "funnel", "steps": [step("pageview"), step("signup"), step("purchase")]}
    ways = ("windowFunnel(86400000)(toUInt64(toUnixTimestamp64Milli(timestamp)), event = 'pageview', event = 'signup', event = 'purchase') AS level"
            f" FROM events WHERE {own} AND visitor != 0 GROUP BY visitor")
    ever = own.split(" AND toDate")[0] + f" AND toDate(timestamp) <= '{till[:10]}' AND timestamp < '{till}' AND kind = '' AND bot = '' AND visitor != 0"
    by_week = f"SELECT groupUniqArray(toMonday(timestamp, '{ZONE}')) AS weeks, arrayMin(weeks) AS born FROM events WHERE {ever} GROUP BY visitor"
    monday = f"toMonday(toDate('{first}'))"
    with_visits = (f"(SELECT visitor, timestamp, id, page_path FROM events WHERE {own} AND event = 'pageview' AND visitor != 0) AS e ASOF JOIN (SELECT visitor, start, end, session FROM sessions FINAL"
                   f" WHERE {visits.replace(since, bounds(first - datetime.timedelta(days=1), LAST)[0])}) AS v ON e.visitor = v.visitor AND e.timestamp >= v.start")
    of_people = (f" FROM (SELECT visitor, timestamp, event, page_path FROM events WHERE {own}) AS e ASOF LEFT JOIN (SELECT visitor, start, end FROM sessions FINAL"
                 f" WHERE {visits.replace(since, bounds(first - datetime.timedelta(days=1), LAST)[0]).replace(chr(39) * 2, chr(39) + 'behaviour' + chr(39))}) AS v"
                 " ON e.visitor = v.visitor AND e.timestamp >= v.start WHERE v.end < e.timestamp")
    weeks = ("SELECT cohort, count(), sumForEach(arrayMap(k -> has(weeks, cohort + 7 * k), range(1, 13))) FROM (SELECT weeks, arrayJoin(weeks) AS cohort"
             f" FROM (SELECT groupUniqArray(toMonday(timestamp, '{ZONE}')) AS weeks FROM events WHERE {own} AND visitor != 0 GROUP BY visitor)) GROUP BY cohort ORDER BY cohort")

    def breakdown(metrics, *dimensions, **more):
        return {**base, "metrics": metrics, "dimensions": list(dimensions), "limit": 100, **more}

    def top(column, rest="", where=own, table="events", more=""):
        return f"SELECT {column} AS d, uniq(visitor) AS u{rest} FROM {table} WHERE {where}{more} GROUP BY d ORDER BY u DESC, d LIMIT 100"

    def q(question, hand=None, check=1, umami=None, goal_ms=100, behaviour=False):
        return {"question": question, "hand": hand, "check": check, "umami": umami, "goal": goal_ms, "behaviour": behaviour}

    def umami_top(column, table="website_event", where=""):
        return f"SELECT {column}, count(DISTINCT website_event.session_id) AS u FROM {table} WHERE website_event.{site.replace('AND created_at', 'AND website_event.created_at')}{where} GROUP BY 1 ORDER BY u DESC LIMIT 100"

    with_session = "website_event JOIN session ON session.session_id = website_event.session_id AND session.website_id = website_event.website_id"
    main = ["visitors", "visits", "pageviews", "bounce_rate", "visit_duration"]
    return {
        "overview": q(breakdown(main), f"SELECT e.*, v.* FROM (SELECT uniq(visitor), countIf(event = 'pageview') FROM events WHERE {own}) AS e,"
                      f" (SELECT count(), 100 * avg(is_bounce), avg(duration_ms) / 1000 FROM sessions FINAL WHERE {visits}) AS v", 0,
                      "SELECT sum(n), count(DISTINCT session_id), count(DISTINCT visit_id), sum(CASE WHEN n = 1 THEN 1 ELSE 0 END), sum(extract(epoch FROM last - first)) FROM ("
                      f"SELECT session_id, visit_id, count(*) AS n, min(created_at) AS first, max(created_at) AS last FROM website_event WHERE {site} AND event_type = 1 GROUP BY 1, 2) AS t"),
        "overview, compared": q(breakdown(main, include={"compare": "previous_period"})),
        "visitors": q(breakdown(["visitors"]), f"SELECT uniq(visitor) FROM events WHERE {own}", 0, f"SELECT count(DISTINCT session_id) FROM website_event WHERE {site}"),
        "by day": q({**breakdown(["visitors", "visits", "pageviews"], "time:day"), "limit": 10000},
                    f"SELECT d, v, n, p FROM (SELECT toDate(timestamp, '{ZONE}') AS d, uniq(visitor) AS v, countIf(event = 'pageview') AS p FROM events WHERE {own} GROUP BY d) AS e"
                    f" LEFT JOIN (SELECT toDate(start, '{ZONE}') AS d, count() AS n FROM sessions FINAL WHERE {visits} GROUP BY d) AS s USING d ORDER BY d", 1,
                    f"SELECT date_trunc('day', created_at AT TIME ZONE '{ZONE}') AS d, count(*), count(DISTINCT session_id) FROM website_event WHERE {site} AND event_type = 1 GROUP BY 1 ORDER BY 1"),
        "by hour": q({**breakdown(["visitors", "pageviews"], "time:hour"), "limit": 10000},
                     f"SELECT toStartOfHour(timestamp) AS d, uniq(visitor), countIf(event = 'pageview') FROM events WHERE {own} GROUP BY d ORDER BY d", 1,
                     f"SELECT date_trunc('hour', created_at AT TIME ZONE '{ZONE}') AS d, count(*), count(DISTINCT session_id) FROM website_event WHERE {site} AND event_type = 1 GROUP BY 1 ORDER BY 1"),
        "pages": q(breakdown(["visitors", "pageviews"], "page"), top("page_path", ", countIf(event = 'pageview')"), umami=umami_top("url_path", where=" AND event_type = 1")),
        "entry pages": q(breakdown(["visitors", "visits", "bounce_rate"], "entry_page"), top("entry_page", ", count(), 100 * avg(is_bounce)", visits, "sessions FINAL"),
                         umami=f"SELECT url_path, count(DISTINCT e.session_id) AS u FROM website_event AS e JOIN (SELECT visit_id, min(created_at) AS first FROM website_event WHERE {site} AND event_type = 1 GROUP BY visit_id) AS x"
                         f" ON x.visit_id = e.visit_id AND x.first = e.created_at WHERE e.website_id = '{SITE}' AND event_type = 1 GROUP BY 1 ORDER BY u DESC LIMIT 100"),
        "sources": q(breakdown(["visitors", "visits", "bounce_rate"], "source"), top("referrer_source", ", count(), 100 * avg(is_bounce)", visits, "sessions FINAL"),
                     umami=umami_top("referrer_domain", where=" AND event_type = 1 AND referrer_domain IS NOT NULL")),
        "countries": q(breakdown(["visitors", "percentage"], "country"), top("country", f", 100 * u / (SELECT uniq(visitor) FROM events WHERE {own})"),
                       umami=umami_top("country", with_session, " AND event_type = 1")),
        "browsers": q(breakdown(["visitors"], "browser"), top("browser_name"), umami=umami_top("browser", with_session, " AND event_type = 1")),
        "events": q(breakdown(["events", "visitors"], "event"), f"SELECT event, count() AS n, uniq(visitor) FROM events WHERE {own} GROUP BY event ORDER BY n DESC", 1,
                    f"SELECT event_name, count(*) FROM website_event WHERE {site} AND event_type = 2 GROUP BY 1 ORDER BY 2 DESC LIMIT 100"),
        "pages of a country": q(breakdown(["visitors"], "page", filters=[["is", "country", ["DE"]]]), top("page_path", more=" AND country = 'DE'"),
                                umami=umami_top("url_path", with_session, " AND event_type = 1 AND country = 'DE'")),
        "property": q(breakdown(["visitors"], "property:plan"), top("JSONExtractString(properties, 'plan')")),
        "percentiles": q(breakdown(["p75:property:value"], "page"),
                         f"SELECT page_path AS d, quantileExact(0.75)(JSONExtractFloat(properties, 'value')) AS n FROM events WHERE {own} GROUP BY d ORDER BY n DESC, d LIMIT 100"),
        "conversion by country": q(breakdown(["visitors", "conversion_rate"], "country", goal=goal),
                                   top("country", f", 100 * u / (SELECT uniq(visitor) FROM events WHERE {own})", more=" AND event = 'signup'")),
        "goal by source (join)": q(breakdown(["visitors", "conversion_rate"], "source", goal=goal),
                                   f"SELECT v.referrer_source AS d, uniq(e.visitor) AS u, 100 * u / (SELECT uniq(visitor) FROM events WHERE {own}) FROM (SELECT visitor, timestamp FROM events WHERE {own} AND event = 'signup') AS e"
                                   f" ASOF LEFT JOIN (SELECT visitor, start, referrer_source FROM sessions FINAL WHERE {visits.replace(since, bounds(first - datetime.timedelta(days=1), LAST)[0])}) AS v"
                                   " ON e.visitor = v.visitor AND e.timestamp >= v.start GROUP BY d ORDER BY u DESC, d LIMIT 100"),
        "who signed up, pages": q(breakdown(["visitors"], "page", filters=[["has_done", ["is", "event", ["signup"]]]]),
                                  top("page_path", more=f" AND visitor IN (SELECT visitor FROM events WHERE {own} AND event = 'signup')")),
        "funnel of 3": q({**base, **of_three}, f"SELECT countIf(level >= 1), countIf(level >= 2), countIf(level >= 3) FROM (SELECT {ways})", 0,
                         f"WITH a AS (SELECT DISTINCT session_id, created_at FROM website_event WHERE {site} AND event_type = 1),"
                         f" b AS (SELECT DISTINCT e.session_id, e.created_at FROM a JOIN website_event AS e ON a.session_id = e.session_id WHERE e.website_id = '{SITE}' AND e.created_at BETWEEN a.created_at AND a.created_at + interval '1 day' AND event_name = 'signup'),"
                         f" c AS (SELECT DISTINCT e.session_id, e.created_at FROM b JOIN website_event AS e ON b.session_id = e.session_id WHERE e.website_id = '{SITE}' AND e.created_at BETWEEN b.created_at AND b.created_at + interval '1 day' AND event_name = 'purchase')"
                         " SELECT 1, count(DISTINCT session_id) FROM a UNION SELECT 2, count(DISTINCT session_id) FROM b UNION SELECT 3, count(DISTINCT session_id) FROM c", 300),
        "funnel of 3 by country": q({**base, **of_three, "dimensions": ["country"]},
                                    f"SELECT d, countIf(level >= 1) AS a, countIf(level >= 2), countIf(level >= 3) FROM (SELECT argMinIf(country, timestamp, event = 'pageview') AS d, {ways}) GROUP BY d ORDER BY a DESC", 1, None, 300),
        "retention by week": q({**base, "report": "retention", "unit": "week", "type": "recurring"}, weeks, 1,
                               f"WITH f AS (SELECT session_id, min(date_trunc('week', created_at AT TIME ZONE '{ZONE}')) AS week FROM website_event WHERE {site} GROUP BY 1),"
                               f" x AS (SELECT DISTINCT e.session_id, f.week, date_trunc('week', e.created_at AT TIME ZONE '{ZONE}') - f.week AS later FROM website_event AS e JOIN f ON f.session_id = e.session_id WHERE {site})"
                               " SELECT week, later, count(*) FROM x GROUP BY 1, 2 ORDER BY 1, 2", 300),
        "retention, first time": q({**base, "report": "retention", "unit": "week", "type": "first_time"},
                                   f"SELECT born, count(), sumForEach(arrayMap(k -> has(weeks, born + 7 * k), range(1, 13))) FROM ({by_week}) WHERE born >= {monday} GROUP BY born ORDER BY born", 1, None, 300),
        "stickiness by day": q({**base, "report": "stickiness", "unit": "day"},
                               f"SELECT n, count() FROM (SELECT uniqExact(toDate(timestamp, '{ZONE}')) AS n FROM events WHERE {own} AND visitor != 0 GROUP BY visitor) GROUP BY n ORDER BY n"),
        "lifecycle by week": q({**base, "report": "lifecycle", "unit": "week"},
                               "SELECT week, countIf(week = born), countIf(week != born AND has(weeks, week - 7)), countIf(week != born AND NOT has(weeks, week - 7)), countIf(NOT has(weeks, week + 7))"
                               f" FROM (SELECT weeks, born, arrayJoin(weeks) AS week FROM ({by_week})) WHERE week >= {monday} GROUP BY week ORDER BY week"),
        "paths of visits": q({**base, "report": "paths", "steps": 5},
                             "SELECT x.1, x.2, x.3, count() AS n FROM (SELECT arrayJoin(arrayMap((a, b, i) -> (i, a, b), arrayPopBack(p), arrayPopFront(p), range(1, length(p)))) AS x FROM ("
                             f"SELECT arraySlice(arrayCompact(arrayMap(e -> e.3, arraySort(groupArray((timestamp, id, page_path))))), 1, 5) AS p FROM {with_visits} WHERE timestamp <= end GROUP BY visitor, session))"
                             " GROUP BY x.1, x.2, x.3 ORDER BY n DESC, x.1, x.2, x.3 LIMIT 50", 3),
        "paths to a signup, grouped": q({**base, "report": "paths", "nodes": "both", "to": "signup", "within": "range", "window": 86400, "groups": ["/page/1*", "/page/**"]}),
        "web vitals by page": q({**base, "report": "vitals", "dimensions": ["page"], "metrics": ["LCP"]},
                                "SELECT page_path AS d, count() AS n, quantilesExact(0.5, 0.75, 0.9, 0.95, 0.99)(JSONExtractFloat(properties, 'value') AS value), countIf(value <= 2500), countIf(value > 4000)"
                                f" FROM events WHERE {own.replace(chr(39) * 2, chr(39) + 'vital' + chr(39), 1)} AND JSONExtractString(properties, 'metric') = 'LCP' GROUP BY d ORDER BY n DESC, d LIMIT 1000"),
        "properties": q({**base, "report": "properties"}),
        "events, the newest 50": q({**base, "report": "events", "limit": 50}),
        "attribution, six models": q({**base, "report": "attribution", "goal": [["is", "event", ["purchase"]]], "dimensions": ["source"]}),
        # one visit in a hundred is a bot's by behaviour, whose events have to be found
        "visitors, behaviour": q(breakdown(["visitors"]), f"SELECT uniq(e.visitor){of_people}", 0, behaviour=True),
        "pages, behaviour": q(breakdown(["visitors", "pageviews"], "page"), f"SELECT e.page_path AS d, uniq(e.visitor) AS u, countIf(e.event = 'pageview'){of_people} GROUP BY d ORDER BY u DESC, d LIMIT 100", behaviour=True),
    }
