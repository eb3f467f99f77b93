// The independent model of reports: docs/definitions.md in slow and obvious steps over plain arrays. It shares
// nothing with the compiler: no SQL, no store, zones from Intl.
const HOUR = 3600e3, DAY = 24 * HOUR;

// ---- zones ----
const formats = new Map();
const local = (ms, zone) => {
  let f = formats.get(zone);
  if (!f) formats.set(zone, f = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' }));
  return Object.fromEntries(f.formatToParts(ms).map((p) => [p.type, Number(p.value)]));
};
/** Days since 1970 of the zone's calendar. */
export const dayOf = (ms, zone) => { const p = local(ms, zone); return Date.UTC(p.year, p.month - 1, p.day) / DAY; };
const offsetOf = (ms, zone) => { const p = local(ms, zone); return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000; };
const midnights = new Map();
/** The first moment of a day. */
export function midnight(day, zone) {
  const key = `${zone} ${day}`;
  if (!midnights.has(key)) {
    let t = day * DAY - 15 * HOUR;
    while (dayOf(t, zone) < day) t += 15 * 60e3;
    midnights.set(key, t);
  }
  return midnights.get(key);
}
export const dayText = (day) => new Date(day * DAY).toISOString().slice(0, 10);
const monthOf = (day) => { const d = new Date(day * DAY); return d.getUTCFullYear() * 12 + d.getUTCMonth(); };
const dayOfMonth = (month) => Date.UTC(Math.floor(month / 12), month % 12) / DAY;
const monday = (day) => day - ((day + 3) % 7 + 7) % 7;

/** A bucket is the number that orders it: a day for day … year, milliseconds for hour and minute. */
export function bucketOf(ms, unit, zone) {
  const day = dayOf(ms, zone);
  switch (unit) {
    case 'day': return day;
    case 'week': return monday(day);
    case 'month': return dayOfMonth(monthOf(day));
    case 'year': return dayOfMonth(Math.floor(monthOf(day) / 12) * 12);
    default: {
      const step = unit === 'hour' ? HOUR : 60e3, first = midnight(day, zone);
      return first + Math.floor((ms - first) / step) * step;
    }
  }
}
export function labelOf(bucket, unit, zone) {
  if (unit !== 'hour' && unit !== 'minute') return dayText(bucket);
  const offset = offsetOf(bucket, zone) / 60e3, pad = (n) => String(n).padStart(2, '0');
  const text = new Date(bucket + offset * 60e3).toISOString().slice(0, 19);
  return offset === 0 ? `${text}Z` : `${text}${offset < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(offset) / 60))}:${pad(Math.abs(offset) % 60)}`;
}
export function bucketsOf(range, unit, zone) {
  const all = new Set();
  if (unit === 'hour' || unit === 'minute') {
    const step = unit === 'hour' ? HOUR : 60e3;
    for (let day = range.first; day <= range.last; day++) {
      for (let t = midnight(day, zone); t < midnight(day + 1, zone); t += step) {
        const end = Math.min(t + step, midnight(day + 1, zone));
        if (t < range.to && end > range.from) all.add(t);
      }
    }
  } else {
    for (let day = range.first; day <= range.last; day++) all.add(bucketOf(midnight(day, zone), unit, zone));
  }
  return [...all].sort((a, b) => a - b);
}
const rangeOfDays = (first, last, zone) => ({ first, last, from: midnight(first, zone), to: midnight(last + 1, zone) });
const rangeOfInstants = (from, to, zone) => ({ from, to, first: dayOf(from, zone), last: dayOf(to - 1, zone) });
const dayNumber = (text) => Date.parse(`${text}T00:00:00Z`) / DAY;
const yearBefore = (day) => { const d = new Date(day * DAY), m = monthOf(day) - 12; return Math.min(dayOfMonth(m) + d.getUTCDate() - 1, dayOfMonth(m + 1) - 1); };
const words = { day: 1, '7d': 7, '28d': 28, '30d': 30, '91d': 91 }, months = { month: 1, '6mo': 6, '12mo': 12 };
export const minutes = { realtime: 5, '30m': 30, '24h': 24 * 60 };
/** A word's range at the moment q.now (milliseconds): days up to today, or the minutes before the next full second. */
function rangeOfWord(q, zone, data) {
  const word = q.date_range, today = dayOf(q.now, zone), till = (Math.floor(q.now / 1000) + 1) * 1000;
  if (minutes[word]) return rangeOfInstants(till - minutes[word] * 60e3, till, zone);
  if (words[word]) return rangeOfDays(today - words[word] + 1, today, zone);
  if (months[word]) return rangeOfDays(dayOfMonth(monthOf(today) - months[word] + 1), today, zone);
  if (word === 'year') return rangeOfDays(dayOfMonth(Math.floor(monthOf(today) / 12) * 12), today, zone);
  return rangeOfDays(Math.min(today, ...data.events.map((e) => dayOf(e.timestamp, zone))), today, zone);
}
export function rangesOf(q, data) {
  const zone = q.timezone ?? 'UTC', isWord = typeof q.date_range === 'string', isInstants = isWord ? q.date_range in minutes : q.date_range[0].length > 10;
  const range = isWord ? rangeOfWord(q, zone, data) : isInstants ? rangeOfInstants(Date.parse(q.date_range[0]), Date.parse(q.date_range[1]), zone) : rangeOfDays(dayNumber(q.date_range[0]), dayNumber(q.date_range[1]), zone);
  const compare = q.include?.compare;
  let other = null;
  if (Array.isArray(compare)) other = rangeOfDays(dayNumber(compare[0]), dayNumber(compare[1]), zone);
  else if (compare === 'year_over_year') other = rangeOfDays(yearBefore(range.first), yearBefore(range.last), zone);
  else if (compare && isInstants) other = rangeOfInstants(range.from - (range.to - range.from), range.from, zone);
  else if (compare) other = rangeOfDays(range.first - (range.last - range.first + 1), range.first - 1, zone);
  return { zone, range, other };
}

// ---- visits ----
/** The event's own, or that of a visit that its behaviour gave away. */
export const botOf = (x) => x.bot || (x.isOfBehaviour ? 'behaviour' : '');
/** Visits of a history: 30 minutes without anything end one, and none is longer than a day.
 *  more: what a visit has beside that, of its first event; behaves: it is a bot's by behaviour. */
export function visitsOf(events, more) {
  const visits = [];
  for (const visitor of new Set(events.map((e) => e.visitor))) {
    if (!visitor) continue;
    const own = events.filter((e) => e.visitor === visitor).sort((a, b) => a.timestamp - b.timestamp);
    let v = null;
    for (const e of own) {
      if (!v || e.timestamp - v.end > 30 * 60e3 || e.timestamp - v.start >= DAY) visits.push(v = { visitor, start: e.timestamp, end: e.timestamp, all: [], ...more(e) });
      v.end = e.timestamp;
      v.all.push(e);
    }
  }
  visits.forEach((v, i) => {
    const plain = v.all.filter((e) => e.kind === ''), views = plain.filter((e) => e.event === 'pageview');
    v.session = i + 1;
    v.pageviews = views.length;
    v.events = plain.length;
    v.engagement_ms = v.all.reduce((n, e) => n + e.engagement_ms, 0);
    v.duration_ms = Math.max(v.end - v.start, v.engagement_ms);
    v.is_bounce = Number(v.pageviews <= 1 && plain.every((e) => e.event === 'pageview') && v.engagement_ms < 10e3);
    v.entry_page = views[0]?.page_path ?? '';
    v.exit_page = views.at(-1)?.page_path ?? '';
    v.user_id = v.all.map((e) => e.user_id).filter(Boolean).at(-1) ?? '';
    v.bot = v.all.map((e) => e.bot).find(Boolean) ?? (v.behaves ? 'behaviour' : '');
    if (v.bot === 'behaviour') for (const e of v.all) Object.defineProperty(e, 'isOfBehaviour', { value: true });
    delete v.behaves;
    v.country = v.all[0].country;
    v.browser_name = v.all[0].browser_name;
  });
  return visits;
}

// ---- persons ----
/** who: { owners: { id: person }, traits: [{ id, name, is_once, rank, value }], members: [{ id, type, rank, group_id }], groupTraits: the
 * same of groups }. Each event and visit learns whose it is and what is known about that person: its `known`. */
export function knowPersons(h, who) {
  const personOf = (id) => (id ? who.owners[id] ?? id : null);
  const best = (list) => [...list].sort((a, b) => a.rank - b.rank).at(-1);
  const valuesOf = (rows) => Object.fromEntries([...new Set(rows.map((t) => t.name))].map((name) => {
    const mine = rows.filter((t) => t.name === name), set = mine.filter((t) => !t.is_once);
    return [name, JSON.parse(best(set.length ? set : mine).value)];
  }));
  for (const x of [...h.events, ...h.visits]) {
    const person = personOf(x.user_id || x.visitor), of = (rows) => rows.filter((t) => person !== null && personOf(t.id) === person);
    const company = best(of(who.members).filter((m) => m.type === 'company'))?.group_id ?? '';
    const named = x.group_type === 'company' ? x.group_id : JSON.parse(x.groups || '{}').company;
    const group = named || company;
    Object.defineProperty(x, 'known', { value: { person, traits: valuesOf(of(who.traits)), group, groupTraits: valuesOf(who.groupTraits.filter((t) => group && t.group_id === group)) } });
  }
}
/** by: a column, or person: whose it is. */
export const actorBy = (by, x) => (by === 'person' ? x.known.person : x[by]);
const actorOf = (q, x) => (q.count_by === 'persons' ? x.known.person : q.count_by === 'users' ? x.user_id : x.visitor);

// ---- fields and filters ----
const ofEvent = { event: 'event', kind: 'kind', page: 'page_path' };
const ofVisit = { source: 'referrer_source', channel: 'channel', entry_page: 'entry_page', exit_page: 'exit_page' };
const ofBoth = { country: 'country', browser: 'browser_name', user: 'user_id', bot: 'bot' };
const isEventField = (f) => f in ofEvent || /^(property|group|group_trait):/.test(f) || f === 'revenue' || f === 'scroll_depth';
const isVisitField = (f) => f in ofVisit;
const insideOf = (o, path) => path.split('.').reduce((o, k) => (o && typeof o === 'object' ? o[k] : undefined), o);
const jsonOf = (row, field) => {
  const [kind, ...rest] = field.split(':');
  if (kind === 'property') return insideOf(row.event.properties, rest.join(':'));
  return insideOf(kind === 'person' ? (row.event ?? row.visit).known.traits : row.event.known.groupTraits, rest.at(-1));
};
/** row: {event} or {visit} or both. Text; '' is "not known". */
function textOf(row, field) {
  if (field in ofVisit) return row.visit?.[ofVisit[field]] ?? '';
  if (field.startsWith('group:')) return row.event.known.group;
  if (/^(property|person|group_trait):/.test(field)) {
    const v = jsonOf(row, field);
    return v === undefined || v === null ? '' : typeof v === 'string' ? v : JSON.stringify(v);
  }
  if (field === 'bot') return botOf(row.event ?? row.visit);
  return (row.event ?? row.visit)[ofEvent[field] ?? ofBoth[field]];
}
const numberOf = (row, field) => {
  if (field === 'revenue' || field === 'scroll_depth') return row.event[field];
  const v = jsonOf(row, field);
  return typeof v === 'number' ? v : null;
};
const fieldsOf = (f) => (f[0] === 'and' || f[0] === 'or' ? f[1].flatMap(fieldsOf) : f[0] === 'not' ? fieldsOf(f[1]) : f[0].startsWith('has_') || f[0] === 'cohort' ? [] : [f[1]]);
export function passes(row, f, done) {
  const [op, field, values, flags] = f, fold = flags?.case_sensitive === false ? (x) => x.toLowerCase() : (x) => x;
  switch (op) {
    case 'and': return field.every((x) => passes(row, x, done));
    case 'or': return field.some((x) => passes(row, x, done));
    case 'not': return !passes(row, field, done);
    case 'cohort': return field.of.has(actorBy(field.by, row.event ?? row.visit)); // stored_model.mjs has put the people there
    case 'has_done': return done(field, row.event ?? row.visit);
    case 'has_not_done': return !done(field, row.event ?? row.visit);
    case 'is': return values.map((v) => fold(String(v ?? ''))).includes(fold(textOf(row, field)));
    case 'is_not': return !passes(row, ['is', field, values, flags], done);
    case 'contains': return values.some((v) => fold(textOf(row, field)).includes(fold(v)));
    case 'contains_not': return !passes(row, ['contains', field, values, flags], done);
    case 'matches': return values.some((v) => new RegExp(v).test(textOf(row, field)));
    case 'matches_not': return !passes(row, ['matches', field, values], done);
    case 'exists': return textOf(row, field) !== '';
    case 'not_exists': return textOf(row, field) === '';
    case 'greater': return numberOf(row, field) !== null && numberOf(row, field) > values;
    case 'greater_or_equal': return numberOf(row, field) !== null && numberOf(row, field) >= values;
    case 'less': return numberOf(row, field) !== null && numberOf(row, field) < values;
    case 'less_or_equal': return numberOf(row, field) !== null && numberOf(row, field) <= values;
    default: throw new Error(`no such operator: ${op}`);
  }
}

// ---- rows of a question ----
class Rows {
  constructor(data, q, range) {
    this.data = data;
    this.q = q;
    this.range = range;
    const fields = [...(q.dimensions ?? []), ...[...(q.filters ?? []), ...(q.goal ?? [])].flatMap(fieldsOf)].filter((f) => !f.startsWith('time:'));
    this.needsEvent = fields.some(isEventField) || Boolean(q.goal);
    this.needsVisit = fields.some(isVisitField);
    this.anyKind = fields.includes('kind') || (q.goal ?? []).flatMap(fieldsOf).includes('kind');
  }
  isBotOk(x) {
    const bots = this.q.bots ?? 'exclude';
    return bots === 'include' || (bots === 'only') === (botOf(x) !== '');
  }
  isIn(ms) { return ms >= this.range.from && ms < this.range.to; }
  plain(withPings, ever, vitals) {
    const isKind = (e) => (vitals ? e.kind === 'vital' : this.anyKind || e.kind === '' || (withPings && e.kind === 'engagement'));
    return this.data.events.filter((e) => (ever ? e.timestamp < this.range.to : this.isIn(e.timestamp)) && this.isBotOk(e) && isKind(e));
  }
  done(filter, x) {
    const who = (e) => (this.q.count_by === 'persons' ? e.known.person : e.visitor);
    return this.plain(false).some((e) => who(e) && who(e) === who(x) && passes({ event: e }, filter, null));
  }
  passes(row, filters) { return (filters ?? []).every((f) => passes(row, f, (...x) => this.done(...x))); }
  /** kind: 'events', 'visits', 'both' (events with their visits) */
  list(kind, { pings = false, goal = true, ever = false, vitals = false } = {}) {
    let rows;
    if (kind === 'visits') rows = this.data.visits.filter((v) => this.isIn(v.start) && this.isBotOk(v)).map((visit) => ({ visit }));
    else rows = this.plain(pings, ever, vitals).map((event) => ({ event, visit: kind === 'both' ? this.data.visits.find((v) => v.visitor === event.visitor && v.start <= event.timestamp && event.timestamp <= v.end) : undefined }));
    return rows.filter((r) => this.passes(r, this.q.filters) && (!goal || this.passes(r, this.q.goal)));
  }
}

// ---- metrics ----
const distinct = (list) => new Set(list).size;
const visitors = (rows) => distinct(rows.map((r) => (r.event ?? r.visit).visitor).filter(Boolean));
const sum = (list) => list.reduce((a, b) => a + b, 0);
const over = (a, b) => (b ? a / b : null);
const visitsIn = (rows) => [...new Set(rows.map((r) => r.visit).filter(Boolean))];
const byCurrency = (rows, make, worth) => {
  const out = {};
  for (const r of rows) {
    const n = worth ? numberOf(r, worth.property) : null;
    if (worth && n !== null) (out[worth.currency] ??= []).push(n);
  }
  for (const r of worth ? [] : rows) if (r.event.currency) (out[r.event.currency] ??= []).push(r.event.revenue);
  return Object.fromEntries(Object.entries(out).map(([k, v]) => [k, make(v)]));
};
const onlyVisits = new Set(['visits', 'views_per_visit', 'bounce_rate', 'visit_duration']);
const onlyEvents = (m) => /^(scroll_depth|conversion_rate|group_conversion_rate|total_revenue|average_revenue)$/.test(m) || m.includes(':');
function kindOf(metric, rows) {
  if (rows.needsVisit ? !rows.needsEvent && !onlyEvents(metric) : !rows.needsEvent && onlyVisits.has(metric)) return 'visits';
  return rows.needsVisit || onlyVisits.has(metric) ? 'both' : 'events';
}
function valueOf(metric, kind, rows, all) {
  const isVisits = kind === 'visits', events = rows.map((r) => r.event);
  switch (metric) {
    case 'visitors': return visitors(rows);
    case 'users': return distinct(rows.map((r) => (r.event ?? r.visit).user_id).filter(Boolean));
    case 'persons': return distinct(rows.map((r) => (r.event ?? r.visit).known.person).filter(Boolean));
    case 'visits': return visitsIn(rows).length;
    case 'pageviews': return isVisits ? sum(rows.map((r) => r.visit.pageviews)) : events.filter((e) => e.event === 'pageview').length;
    case 'events': return isVisits ? sum(rows.map((r) => r.visit.events)) : rows.length;
    case 'views_per_visit': return over(valueOf('pageviews', kind, rows), visitsIn(rows).length);
    case 'bounce_rate': return over(100 * visitsIn(rows).filter((v) => v.is_bounce).length, visitsIn(rows).length);
    case 'visit_duration': { const x = over(sum(visitsIn(rows).map((v) => v.duration_ms)), visitsIn(rows).length); return x === null ? null : x / 1000; }
    case 'engagement_time': {
      const x = isVisits ? over(sum(rows.map((r) => r.visit.engagement_ms)), visitors(rows)) : over(sum(events.map((e) => e.engagement_ms)), visitors(rows.filter((r) => r.event.kind === '')));
      return x === null ? null : x / 1000;
    }
    case 'scroll_depth': {
      const best = new Map();
      for (const e of events) if (e.visitor && e.scroll_depth > 0) best.set(e.visitor, Math.max(best.get(e.visitor) ?? 0, e.scroll_depth));
      return over(sum([...best.values()]), best.size);
    }
    case 'percentage': return over(100 * visitors(rows), visitors(all.list(kind)));
    case 'conversion_rate': return over(100 * visitors(rows), visitors(all.list(kind, { goal: false })));
    case 'group_conversion_rate': return over(100 * visitors(rows.filter((r) => all.passes(r, all.q.goal))), visitors(rows));
    case 'total_revenue': return byCurrency(rows, sum, all.q.worth);
    case 'average_revenue': return byCurrency(rows, (v) => sum(v) / v.length, all.q.worth);
    default: {
      const [how, ...name] = metric.split(':');
      const numbers = rows.map((r) => numberOf(r, name.join(':'))).filter((x) => x !== null).sort((a, b) => a - b);
      if (how === 'count') return numbers.length;
      if (!numbers.length) return null;
      if (how === 'sum') return sum(numbers);
      if (how === 'avg') return sum(numbers) / numbers.length;
      if (how === 'min') return numbers[0];
      if (how === 'max') return numbers.at(-1);
      return numbers[Math.min(numbers.length - 1, Math.floor(Number(how.slice(1)) / 100 * numbers.length))];
    }
  }
}
const isCount = (m) => ['visitors', 'users', 'persons', 'visits', 'pageviews', 'events'].includes(m) || m.startsWith('count:');
const emptyOf = (m) => (isCount(m) ? 0 : m.endsWith('_revenue') ? {} : null);

/** Map of dimensions as text → {key, values} of one range. */
function groupsOf(data, q, range, zone, buckets, here) {
  const all = new Rows(data, q, range), groups = new Map();
  const keyOf = (row) => (q.dimensions ?? []).map((d) => {
    if (!d.startsWith('time:')) return textOf(row, d);
    const at = buckets.indexOf(bucketOf((row.event ?? { timestamp: row.visit.start }).timestamp, d.slice(5), zone));
    return here[at];
  });
  q.metrics.forEach((metric, m) => {
    const kind = kindOf(metric, all), base = metric === 'group_conversion_rate';
    const rows = all.list(kind, { pings: ['engagement_time', 'scroll_depth'].includes(metric), goal: !base });
    const parts = new Map();
    if (!q.dimensions?.length) parts.set('[]', { key: [], rows: [] });
    for (const row of rows) {
      const key = keyOf(row), id = JSON.stringify(key);
      if (key.includes(undefined)) continue; // a bucket that the other range has and this one not
      if (!parts.has(id)) parts.set(id, { key, rows: [] });
      parts.get(id).rows.push(row);
    }
    for (const [id, part] of parts) {
      if (base && part.key.length && !part.rows.some((r) => all.passes(r, q.goal))) continue;
      if (!groups.has(id)) groups.set(id, { key: part.key, values: q.metrics.map(emptyOf) });
      groups.get(id).values[m] = valueOf(metric, kind, part.rows, all);
    }
  });
  return groups;
}

const compareValues = (a, b) => (a === b ? 0 : a < b ? -1 : 1);
export function breakdown(data, q) {
  const { zone, range, other } = rangesOf(q, data);
  const time = (q.dimensions ?? []).findIndex((d) => d.startsWith('time:')), unit = time >= 0 ? q.dimensions[time].slice(5) : null;
  const here = unit ? bucketsOf(range, unit, zone) : [], there = unit && other ? bucketsOf(other, unit, zone) : [];
  const groups = groupsOf(data, q, range, zone, here, here);
  const others = other ? groupsOf(data, q, other, zone, there, here) : new Map();
  if (unit && q.dimensions.length === 1) for (const b of here) if (!groups.has(JSON.stringify([b]))) groups.set(JSON.stringify([b]), { key: [b], values: q.metrics.map(emptyOf) });
  const orders = q.order_by ? q.order_by.map(([name, way]) => ({ m: q.metrics.indexOf(name), d: (q.dimensions ?? []).indexOf(name), way }))
    : [...(time >= 0 ? [{ m: -1, d: time, way: 'asc' }] : []), { m: q.metrics.findIndex((m) => !m.endsWith('_revenue')), d: -1, way: 'desc' }].filter((o) => o.m >= 0 || o.d >= 0);
  const list = [...groups.entries()].map(([id, g]) => ({ ...g, other: others.get(id)?.values ?? q.metrics.map(emptyOf) }));
  list.sort((a, b) => {
    for (const o of orders) {
      const x = o.m >= 0 ? a.values[o.m] : a.key[o.d], y = o.m >= 0 ? b.values[o.m] : b.key[o.d];
      if (x === y) continue;
      if (x === null || y === null) return x === null ? 1 : -1;
      return compareValues(x, y) * (o.way === 'desc' ? -1 : 1);
    }
    for (let i = 0; i < a.key.length; i++) if (a.key[i] !== b.key[i]) return compareValues(a.key[i], b.key[i]);
    return 0;
  });
  const total = list.length, page = list.slice(q.offset ?? 0, (q.offset ?? 0) + (q.limit ?? 10000));
  return {
    total, labels: here.map((b) => labelOf(b, unit, zone)),
    results: page.map((g) => ({ dimensions: g.key.map((k, i) => (i === time ? labelOf(k, unit, zone) : k)), metrics: g.values, ...(other ? { comparison: { metrics: g.other } } : {}) })),
  };
}

// ---- funnels ----
/** Every way through the steps is tried. {level, took: milliseconds of the first whole way, or null} */
function furthest(list, q) {
  const n = q.steps.length, window = (q.window ?? 86400) * 1000, order = q.order ?? 'ordered';
  let level = 0, took = null;
  if (order === 'unordered') {
    for (let i = 0; i < list.length; i++) {
      const latest = q.steps.map((_, k) => Math.max(-Infinity, ...list.slice(0, i + 1).filter((e) => e.steps[k]).map((e) => e.time)));
      const inside = latest.filter((t) => list[i].time - t <= window).length;
      level = Math.max(level, inside);
      if (inside === n && took === null) took = list[i].time - Math.min(...latest);
    }
    return { level, took };
  }
  let end = list.length;
  const walk = (way) => {
    const k = way.length, last = way[k - 1];
    for (const [, from, to] of q.exclusions?.map((x, i) => [i, x.from ?? 1, x.to ?? n]) ?? []) {
      if (k <= from) continue;
      const a = way[from - 1], b = way[Math.min(to, k) - 1];
      for (let i = a + 1; i < b; i++) if (list[i].ends.some((x, which) => x && (q.exclusions[which].from ?? 1) === from && (q.exclusions[which].to ?? n) === to) && !list[i].steps.some(Boolean)) return;
    }
    level = Math.max(level, k);
    if (k === n) {
      const time = list[last].time - list[way[0]].time;
      if (last < end || (last === end && time < took)) { end = last; took = time; }
      return;
    }
    for (let i = last + 1; i < list.length && (order !== 'strict' || i === last + 1); i++)
      if (list[i].steps[k] && list[i].time - list[way[0]].time <= window) walk([...way, i]);
  };
  list.forEach((e, i) => { if (e.steps[0]) walk([i]); });
  return { level, took };
}
export function funnel(data, q) {
  const { range } = rangesOf(q, data), all = new Rows(data, q, range), n = q.steps.length;
  const rows = all.list(all.needsVisit ? 'both' : 'events').filter((r) => actorOf(q, r.event));
  const actors = new Map(), groups = new Map();
  const bits = (list) => list.reduce((n2, x, i) => n2 + (x ? 2 ** i : 0), 0);
  for (const r of rows) {
    const id = actorOf(q, r.event);
    const e = { time: r.event.timestamp, steps: q.steps.map((s) => all.passes(r, s.filters)), ends: (q.exclusions ?? []).map((x) => all.passes(r, x.filters)), dim: q.dimensions?.length ? textOf(r, q.dimensions[0]) : '' };
    if (!actors.has(id)) actors.set(id, []);
    actors.get(id).push(e);
  }
  if (!q.dimensions?.length) groups.set('', []);
  for (const list of actors.values()) {
    const order = (a, b) => a.time - b.time || bits(a.steps) - bits(b.steps);
    list.sort((a, b) => order(a, b) || bits(a.ends) - bits(b.ends));
    const found = furthest(list, q);
    if (!found.level) continue;
    const [{ dim: first }] = list.filter((e) => (q.order === 'unordered' ? e.steps.some(Boolean) : e.steps[0])).sort((a, b) => order(a, b) || compareValues(a.dim, b.dim));
    if (!groups.has(first)) groups.set(first, []);
    groups.get(first).push(found);
  }
  const rows2 = [...groups.entries()].map(([dim, list]) => {
    const count = q.steps.map((_, k) => list.filter((x) => x.level > k).length);
    const took = list.map((x) => x.took).filter((x) => x !== null).sort((a, b) => a - b);
    return {
      dimensions: q.dimensions?.length ? [dim] : [],
      steps: count.map((c, k) => ({ step: k + 1, name: q.steps[k].name ?? null, count: c, conversion_rate: over(100 * c, count[0]), step_conversion_rate: over(100 * c, count[Math.max(0, k - 1)]) })),
      seconds_to_convert: { mean: took.length ? sum(took) / took.length / 1000 : null, median: took.length ? took[Math.floor(took.length / 2)] / 1000 : null },
    };
  });
  rows2.sort((a, b) => b.steps[0].count - a.steps[0].count || compareValues(a.dimensions[0], b.dimensions[0]));
  return { results: rows2, n };
}

// ---- retention ----
export function retention(data, q) {
  const { zone, range } = rangesOf(q, data), all = new Rows(data, q, range), unit = q.unit ?? 'day', isFirst = (q.type ?? 'first_time') === 'first_time';
  const buckets = bucketsOf(range, unit, zone), periods = q.periods ?? 12;
  const actors = new Map();
  for (const r of all.list(all.needsVisit ? 'both' : 'events', { ever: isFirst })) {
    const id = actorOf(q, r.event);
    if (!id) continue;
    if (!actors.has(id)) actors.set(id, { starts: [], backs: [] });
    const bucket = bucketOf(r.event.timestamp, unit, zone), a = actors.get(id);
    if (all.passes(r, q.start)) a.starts.push(bucket);
    if (all.passes(r, q.return)) a.backs.push(bucket);
  }
  return {
    results: buckets.map((b, k) => {
      const cohort = [...actors.values()].filter((a) => (isFirst ? a.starts.length && Math.min(...a.starts) === b : a.starts.includes(b)));
      return { cohort: labelOf(b, unit, zone), size: cohort.length, returned: buckets.slice(k + 1, k + 1 + periods).map((later) => cohort.filter((a) => a.backs.includes(later)).length) };
    }),
  };
}

// ---- stickiness, lifecycle ----
/** Map of actors to the set of their periods. */
function periodsOf(q, all, unit, zone, ever) {
  const actors = new Map();
  for (const r of all.list(all.needsVisit ? 'both' : 'events', { ever })) {
    const id = actorOf(q, r.event);
    if (!id) continue;
    if (!actors.has(id)) actors.set(id, new Set());
    actors.get(id).add(bucketOf(r.event.timestamp, unit, zone));
  }
  return [...actors.values()];
}
export function stickiness(data, q) {
  const { zone, range } = rangesOf(q, data), unit = q.unit ?? 'day';
  const sizes = periodsOf(q, new Rows(data, q, range), unit, zone, false).map((periods) => periods.size);
  return { results: bucketsOf(range, unit, zone).map((_, i) => {
    const count = sizes.filter((n) => n === i + 1).length;
    return { periods: i + 1, count, percentage: over(100 * count, sizes.length), count_or_more: sizes.filter((n) => n > i).length };
  }) };
}
export function lifecycle(data, q) {
  const { zone, range } = rangesOf(q, data), unit = q.unit ?? 'day', actors = periodsOf(q, new Rows(data, q, range), unit, zone, true);
  const before = (b) => (unit === 'day' ? b - 1 : unit === 'week' ? b - 7 : dayOfMonth(monthOf(b) - 1));
  return { results: bucketsOf(range, unit, zone).map((b) => {
    const count = (is) => actors.filter((p) => is(p.has(b), p.has(before(b)), [...p].some((x) => x < b))).length;
    return { period: labelOf(b, unit, zone), new: count((now, last, ever) => now && !ever), returning: count((now, last) => now && last), resurrecting: count((now, last, ever) => now && !last && ever), dormant: count((now, last) => !now && last) };
  }) };
}

// ---- paths ----
const wildcard = (text) => new RegExp(`^${text.split('**').map((part) => part.split('*').map((x) => x.replace(/[^0-9A-Za-z]/g, (c) => `\\${c}`)).join('[^/]*')).join('.*')}$`, 's');
export function paths(data, q) {
  const { range } = rangesOf(q, data), all = new Rows(data, q, range), isVisit = (q.within ?? 'visit') === 'visit', steps = q.steps ?? 5, window = (q.window ?? Infinity) * 1000;
  const nodeOf = (e) => (q.nodes === 'event' || (q.nodes === 'both' && e.event !== 'pageview') ? e.event : e.event === 'pageview' ? e.page_path : '');
  const named = (node) => (q.groups ?? []).find((g) => wildcard(g).test(node)) ?? node;
  const ways = new Map();
  for (const r of all.list(isVisit || all.needsVisit ? 'both' : 'events')) {
    const actor = actorOf(q, r.event), id = JSON.stringify([actor, isVisit ? r.visit?.session : 0]);
    if (!actor || !nodeOf(r.event) || (isVisit && !r.visit)) continue;
    if (!ways.has(id)) ways.set(id, []);
    ways.get(id).push({ time: r.event.timestamp, id: r.event.id, node: named(nodeOf(r.event)) });
  }
  const found = [];
  for (let way of ways.values()) {
    way.sort((a, b) => a.time - b.time || compareValues(a.id, b.id));
    way = way.filter((e, i) => i === 0 || e.node !== way[i - 1].node);
    if (q.from) {
      const begin = way.findIndex((e) => e.node === q.from);
      if (begin < 0) continue;
      way = way.slice(begin);
    }
    if (!q.to || q.from) way = way.filter((e) => e.time - way[0].time <= window);
    if (q.to) {
      const end = way.findIndex((e, i) => e.node === q.to && i >= (q.from ? 1 : 0));
      if (end < 0) continue;
      way = way.slice(0, end + 1);
      if (!q.from) way = way.filter((e) => way.at(-1).time - e.time <= window);
    }
    if (q.from && q.to && way.length > steps) continue;
    found.push(q.to ? way.slice(-steps) : way.slice(0, steps));
  }
  const rows = new Map();
  const count = (key, ms) => { const id = JSON.stringify(key); if (!rows.has(id)) rows.set(id, { key, times: [] }); rows.get(id).times.push(ms); };
  for (const way of found) {
    if (q.rows === 'paths') count(way.map((e) => e.node), way.at(-1).time - way[0].time);
    else way.slice(1).forEach((e, i) => count([i + 1 + (q.to && !q.from ? steps - way.length : 0), way[i].node, e.node], e.time - way[i].time));
  }
  const byKey = (a, b) => { for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return compareValues(a[i], b[i]); return a.length - b.length; };
  const list = [...rows.values()].sort((a, b) => b.times.length - a.times.length || byKey(a.key, b.key));
  return { results: list.slice(q.offset ?? 0, (q.offset ?? 0) + (q.limit ?? 50)).map(({ key, times }) => ({ ...(q.rows === 'paths' ? { path: key } : { step: key[0], source: key[1], target: key[2] }), count: times.length, seconds: sum(times) / times.length / 1000 })) };
}

// ---- web vitals ----
const thresholds = { LCP: [2500, 4000], INP: [200, 500], CLS: [0.1, 0.25], FCP: [1800, 3000], TTFB: [800, 1800], FID: [100, 300] };
export function vitals(data, q) {
  const { zone, range } = rangesOf(q, data), all = new Rows(data, q, range), dims = q.dimensions ?? [], names = q.metrics?.length ? q.metrics : Object.keys(thresholds), groups = new Map();
  if (!dims.length) groups.set('[]', { key: [], values: [] });
  for (const row of all.list(all.needsVisit ? 'both' : 'events', { vitals: true })) {
    const metric = String(jsonOf({ event: row.event }, 'property:metric') ?? '').toUpperCase(), value = jsonOf({ event: row.event }, 'property:value');
    if (!names.includes(metric) || typeof value !== 'number' || value < 0) continue;
    const key = dims.map((d) => (d.startsWith('time:') ? bucketOf(row.event.timestamp, d.slice(5), zone) : textOf(row, d))), id = JSON.stringify(key);
    if (!groups.has(id)) groups.set(id, { key, values: [] });
    groups.get(id).values.push([metric, value]);
  }
  const list = [...groups.values()].map(({ key, values }) => ({ key, count: values.length, of: Object.fromEntries(names.map((n) => [n, values.filter(([m]) => m === n).map(([, v]) => v).sort((a, b) => a - b)])) }));
  const at = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))], time = dims.findIndex((d) => d.startsWith('time:'));
  list.sort((a, b) => {
    if (time >= 0 && a.key[time] !== b.key[time]) return a.key[time] - b.key[time];
    const x = a.of[names[0]], y = b.of[names[0]];
    if (q.order === 'p75' && (!x.length || !y.length) && x.length + y.length) return x.length ? -1 : 1;
    if (q.order === 'p75' && x.length && at(x, 0.75) !== at(y, 0.75)) return at(y, 0.75) - at(x, 0.75);
    if (a.count !== b.count) return b.count - a.count;
    for (let i = 0; i < a.key.length; i++) if (a.key[i] !== b.key[i]) return compareValues(a.key[i], b.key[i]);
    return 0;
  });
  return { results: list.slice(q.offset ?? 0, (q.offset ?? 0) + (q.limit ?? 1000)).map(({ key, count, of }) => ({
    dimensions: key.map((k, i) => (i === time ? labelOf(k, dims[i].slice(5), zone) : k)), count,
    vitals: Object.fromEntries(names.filter((n) => of[n].length).map((n) => {
      const v = of[n], [good, poor] = thresholds[n], share = (is) => 100 * v.filter(is).length / v.length, p75 = at(v, 0.75);
      return [n, { count: v.length, p50: at(v, 0.5), p75, p90: at(v, 0.9), p95: at(v, 0.95), p99: at(v, 0.99), good: share((x) => x <= good), needs_improvement: share((x) => x > good && x <= poor), poor: share((x) => x > poor), rating: p75 <= good ? 'good' : p75 <= poor ? 'needs_improvement' : 'poor' }];
    })),
  })) };
}

// ---- attribution ----
const weights = {
  first_touch: (list) => list.map((_, i) => Number(i === 0)),
  last_touch: (list) => list.map((_, i) => Number(i === list.length - 1)),
  last_non_direct: (list) => { const sent = list.map((v) => !['', 'Direct'].includes(v.channel)).lastIndexOf(true); return list.map((_, i) => Number(i === (sent < 0 ? list.length - 1 : sent))); },
  linear: (list) => list.map(() => 1 / list.length),
  position_based: (list) => list.map((_, i) => (list.length < 3 ? 1 / list.length : i === 0 || i === list.length - 1 ? 0.4 : 0.2 / (list.length - 2))),
  time_decay: (list, at) => { const raw = list.map((v) => 2 ** ((v.start - at) / (7 * DAY))); return raw.map((x) => x / sum(raw)); },
};
export function attribution(data, q) {
  const { range } = rangesOf(q, data), dims = q.dimensions ?? [], all = new Rows(data, { ...q, dimensions: [] }, range), names = q.models?.length ? q.models : Object.keys(weights), groups = new Map();
  const group = (key) => { const id = JSON.stringify(key); if (!groups.has(id)) groups.set(id, { key, models: Object.fromEntries(names.map((n) => [n, { conversions: 0, revenue: {} }])) }); return groups.get(id); };
  if (!dims.length) group([]);
  for (const { event } of all.list(all.needsVisit ? 'both' : 'events')) {
    const actor = (x) => actorOf(q, x);
    if (!actor(event)) continue;
    const before = data.visits.filter((v) => actor(v) === actor(event) && all.isBotOk(v) && v.start <= event.timestamp && v.start >= event.timestamp - (q.lookback ?? 30 * 86400) * 1000);
    before.sort((a, b) => a.start - b.start || a.session - b.session);
    const list = before.length ? before : [{ start: event.timestamp, channel: '', referrer_source: '', entry_page: '', exit_page: '', country: '', browser_name: '', user_id: '' }];
    for (const n of names) weights[n](list, event.timestamp).forEach((w, i) => {
      const to = group(dims.map((d) => textOf({ visit: list[i] }, d))).models[n];
      to.conversions += w;
      for (const [currency, amount] of Object.entries(byCurrency([{ event }], sum, q.worth))) to.revenue[currency] = (to.revenue[currency] ?? 0) + w * amount;
    });
  }
  const round = (x) => Math.round(x * 1e9) / 1e9; // as it is told
  for (const of of [...groups.values()].flatMap((g) => Object.values(g.models))) Object.assign(of, { conversions: round(of.conversions), revenue: Object.fromEntries(Object.entries(of.revenue).map(([c, x]) => [c, round(x)])) });
  const list = [...groups.values()].sort((a, b) => b.models[names[0]].conversions - a.models[names[0]].conversions || compareValues(JSON.stringify(a.key), JSON.stringify(b.key)));
  return { results: list.slice(q.offset ?? 0, (q.offset ?? 0) + (q.limit ?? 1000)).map(({ key, models }) => ({ dimensions: key, models })) };
}

// ---- the events themselves, and their properties ----
const rowsOf = (data, q) => { const all = new Rows(data, q, rangesOf(q, data).range); return all.list(all.needsVisit ? 'both' : 'events').map((r) => r.event); };
export function events(data, q) {
  const list = rowsOf(data, q).sort((a, b) => b.timestamp - a.timestamp || compareValues(b.id, a.id)), offset = q.offset ?? 0, limit = q.limit ?? 20;
  const time = (ms) => new Date(ms).toISOString();
  return { total: list.length, results: list.slice(offset, offset + limit).map((e) => ({
    id: e.id, event: e.event, timestamp: time(e.timestamp), received_at: time(e.timestamp), user_id: e.user_id || null, anonymous_id: null, session_id: null, page: { path: e.page_path },
    ...(e.country ? { geo: { country: e.country } } : {}), properties: e.properties ?? {}, kind: e.kind || null })) };
}
export function properties(data, q) {
  const found = new Map();
  for (const [name, value] of rowsOf(data, q).flatMap((e) => Object.entries(e.properties ?? {}))) {
    if (value === null) continue;
    const of = found.get(name) ?? { property: name, count: 0, numbers: 0 };
    found.set(name, { property: name, count: of.count + 1, numbers: of.numbers + Number(typeof value === 'number') });
  }
  const list = [...found.values()].sort((a, b) => b.count - a.count || compareValues(a.property, b.property));
  return { results: list.slice(q.offset ?? 0, (q.offset ?? 0) + (q.limit ?? 1000)) };
}
