"""The short table of README.md, out of the rows of bench/run: a line a figure, with what it is held against.

A part may print lines of its own, `figure: NAME | SEEN | GOAL`: bench/run adds them as they are.
"""
import collections

Line = collections.namedtuple("Line", "figure seen goal parts reached", defaults=(None,))


def number(x):
    if x is None:
        return ""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.1f}" if abs(x) >= 10 else f"{x:.2f}"


class Rows:
    def __init__(self, rows):
        self.rows = rows

    def one(self, start):
        return next((r for r in self.rows if r["what"].startswith(start)), None)

    def all(self, start="", end=""):
        return [r for r in self.rows if r["what"].startswith(start) and r["what"].endswith(end)]


def worst(rows, key):
    return max((r for r in rows if r.get(key) is not None), key=lambda r: r[key], default=None)


def beside(row):
    return f"{row['ratio']:.2f} x {row['peer']}" if row and row.get("ratio") else ""


def seen(row):
    return ", ".join(x for x in (f"{number(row['value'])} {row['unit']}", beside(row)) if x)


def line(figure, row, goal, parts):
    """One row as it is; nothing if it was not measured."""
    return [Line(figure, seen(row), goal, parts, row["reached"])] if row else []


def slowest(figure, rows, key, say, goal, parts):
    """The worst of several rows, which all have the same goal."""
    row = worst(rows, key)
    return [Line(figure.format(count=len(rows)), say(row), goal, parts, all(r["reached"] is not False for r in rows))] if row else []


def of_ingest(r):
    synced = "; ".join(beside(x) for x in r.all("one event at a time, ack=fsync"))
    keys = r.all("a write key of") + r.all("a secret key of") + r.all("a name of a project")
    return (line("one event per POST, ack=fsync, 256 connections", r.one("one event per POST, ack=fsync"), ">= 0.8 x", "nginx,weir")
            + line("CPU of that, edge and committer", r.one("CPU per request, ack=fsync ("), "<= 1.5 x", "nginx,weir")
            + ([Line("the same, beside others that sync each event", synced, "", "weir,redis,postgres,nats")] if synced else [])
            + line("batches of 100, ack=fsync, 64 connections", r.one("batches of 100, ack=fsync"), ">= 500,000", "weir")
            + line("acknowledgement at half load, p99", r.one("acknowledgement at half load, p99"), "< 10 ms", "weir")
            + slowest("whose key it is, of 100,000, the slowest way", keys, "value", seen, "<= 2 us", "access"))


def of_dialects(r):
    rows = [x for x in r.all("an event of ", ", from body to record") if x.get("ratio")]

    def say(row):
        return f"at most {row['ratio']:.2f} x ({row['what'].removeprefix('an event of ').removesuffix(', from body to record')})"
    return (slowest("CPU of an event in {count} ways of telling it, beside the native one", rows, "ratio", say, "<= 2 x", "dialects")
            + line("place and device of a sender", r.one("ingest: place and device: a request with one event"), "<= 1 us", "enrich"))


def of_consumer(r):
    sizes = [f"{x['what'].removeprefix('on disk per event, ')} {number(x['value'])}" + (f" ({x['ratio']:.2f} x)" if x.get("ratio") else "")
             for x in r.all("on disk per event, ")]
    return (line("consumer into the embedded store, by the clock", r.one("consumer into the embedded store"), ">= 300,000", "drain")
            + line("consumer, rows with all that is derived", r.one("consumer, rows with"), ">= 200,000", "consumer")
            + line("consumer, the same by the clock", r.one("consumer, generated events"), ">= 200,000", "consumer")
            + line("consumer, rows, sessions and persons", r.one("consumer, rows, sessions"), "", "consumer")
            + [x for row in r.all("backlog of sessions, ") for x in line(f"{row['what']}", row, ">= 200,000", "sessions")]
            + line("acknowledged to visible, p99", r.one("acknowledged to visible, p99"), "< 1 s", "visible")
            + ([Line("bytes per event on disk, beside raw NDJSON", "; ".join(sizes), "", "consumer")] if sizes else []))


def of_reports(r):
    found = []
    p95 = [x for x in r.rows if x["what"].endswith(", p95") and " days of " in x["what"]]
    for limit in sorted({x["goal"] for x in p95}):
        rows = [x for x in p95 if x["goal"] == limit]
        found += slowest("slowest of {count} reports" + rows[0]["what"].partition(",")[2].join((",", "")), rows, "value",
                         lambda row: f"{number(row['value'])} ms ({row['what'].partition(',')[0]})", limit, "reports")
    found += slowest("CPU of {count} reports, beside SQL by hand", [x for x in r.all("", ", CPU of the store") if x["goal"]], "ratio",
                     lambda row: f"at most {row['ratio']:.2f} x ({row['what'].partition(',')[0]})", "<= 1.2 x", "reports")
    ratios = sorted(x["ratio"] for x in r.all("", ", p50") if "Umami" in (x["peer"] or "") and x.get("ratio"))
    if ratios:
        found.append(Line(f"time of {len(ratios)} reports, beside Umami's on PostgreSQL", f"{ratios[0]:.3f} x to {ratios[-1]:.3f} x, median "
                          f"{ratios[len(ratios) // 2]:.3f} x", "", "reports,postgres"))
    return found


def of_rest(r):
    resident = [r.one(f"resident, {x}, after the load") for x in ("main", "child")]
    return (line("idle: main process and store", r.one("idle:"), "< 1 %", "idle")
            + ([Line("resident after the load: main, store", ", ".join(seen(x) for x in resident), "< 50 MB, < 300 MB", "idle",
                     all(x["reached"] for x in resident))] if all(resident) else [])
            + line("start to listening", r.one("start to listening"), "< 200 ms", "start"))


def lines(rows, own=()):
    """Of what was measured; own: [(part, text)] that parts have printed."""
    r = Rows(rows)
    found = [x for of in (of_ingest, of_dialects, of_consumer, of_reports, of_rest) for x in of(r)]
    for part, text in own:
        cells = [c.strip() for c in text.split("|")] + ["", ""]
        found.append(Line(*cells[:3], part))
    return found


def goal_of(x):
    return x.goal if x.reached is not False or not x.goal else f"{x.goal}: **missed**"


def markdown(rows, own=()):
    return ["| figure | seen | goal | again with `bench/run --only` |", "|---|---|---|---|",
            *(f"| {x.figure} | {x.seen} | {goal_of(x)} | `{x.parts}` |" for x in lines(rows, own))]


def text(rows, own=()):
    return [f"{x.figure} | {x.seen} | {goal_of(x)}" for x in lines(rows, own)]
