// n: reports against the independent model (report_model.mjs): random small histories, written straight into the
// tables, and random questions; every number must be equal. WEIR_TEST_SEED=N repeats one history,
// WEIR_TEST_ROUNDS=N does so many, WEIR_TEST_KIND=funnel asks for funnels only.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { Server, assert, sleep, test, until, weir } from './harness.mjs';
import * as model from './report_model.mjs';

const args = ['--archive', 'false'];
const s = await Server.start({ args });
test.after(() => s.killNow());
const ready = () => until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
await ready();
const rounds = Number(process.env.WEIR_TEST_ROUNDS || 8), questions = 16;
const firstSeed = Number(process.env.WEIR_TEST_SEED || 1);

// ---- chance ----
function makeRandom(seed) {
  let a = seed >>> 0;
  const next = () => { a = (a + 0x6d2b79f5) >>> 0; let t = Math.imul(a ^ (a >>> 15), 1 | a); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32; };
  const below = (n) => Math.floor(next() * n);
  const pick = (list) => list[below(list.length)];
  const some = (list, min, max) => { const rest = [...list], out = []; for (let n = min + below(max - min + 1); n > 0 && rest.length; n--) out.push(rest.splice(below(rest.length), 1)[0]); return out; };
  return { next, below, pick, some, chance: (p) => next() < p };
}

// ---- histories: around a change of clocks, the end of a year, or an ordinary day ----
const places = [['Europe/Berlin', '2026-03-29'], ['Europe/Berlin', '2026-10-25'], ['America/New_York', '2026-03-08'], ['America/New_York', '2026-11-01'], ['Australia/Lord_Howe', '2026-04-05'], ['Australia/Lord_Howe', '2026-10-04'],
  ['Asia/Kathmandu', '2026-01-01'], ['America/St_Johns', '2026-03-08'], ['America/St_Johns', '2026-11-01'], ['Asia/Kolkata', '2025-12-31'], ['Australia/Eucla', '2026-01-01'], ['Pacific/Chatham', '2026-04-05'], ['America/Santiago', '2026-09-06'], ['America/Santiago', '2026-04-05'],
  ['Asia/Beirut', '2026-03-29'], ['UTC', '2026-01-01'], ['UTC', '2024-02-29'], ['Pacific/Kiritimati', '2026-01-01'], ['Pacific/Pago_Pago', '2025-12-31'], ['Africa/Cairo', '2026-04-24'], ['Atlantic/Azores', '2026-10-25']];
// Half of the values lie on a threshold, or just above one.
function vital(r) {
  const [metric, good, poor] = r.pick([['LCP', 2500, 4000], ['LCP', 2500, 4000], ['INP', 200, 500], ['CLS', 0.1, 0.25], ['FCP', 1800, 3000], ['TTFB', 800, 1800], ['FID', 100, 300], ['inp', 200, 500], ['x', 1, 2], [3, 4, 5]]);
  return r.pick([null, { metric, value: '7' }, { metric, value: -1 }, ...Array(4).fill({ metric, value: r.below(2 * poor + 1) }), ...[0, good, good + 0.5, poor, poor + 1e-9].map((value) => ({ metric, value }))]);
}
const eventNames = ['pageview', 'pageview', 'pageview', 'signup', 'buy', 'Open'];
function history(r, isNow) {
  const [zone, text] = r.pick(places), day = isNow ? model.dayOf(Date.now(), zone) : Date.parse(text) / 86400e3, events = [];
  const people = 1 + r.below(6);
  for (let i = 0; i < people; i++) {
    const visitor = r.chance(0.08) ? 0 : i + 1;
    for (let n = r.below(5); n >= 0; n--) {
      let t = model.midnight(day + r.below(9) - 4, zone) + r.pick([0, -1, 3600e3, r.below(86400e3), r.below(86400e3), 2 * 3600e3 + r.below(3600e3)]);
      if (r.chance(0.05)) t -= 365 * 86400e3;
      for (let k = r.below(6); k >= 0; k--) {
        const kind = r.chance(0.7) ? '' : r.pick(['engagement', 'identify', 'vital', 'vital', 'vital']);
        events.push({ id: randomUUID(), timestamp: t, visitor, kind, event: kind || r.pick(eventNames), user_id: r.chance(0.3) ? `u${i % 3}` : '', page_path: r.pick(['/', '/a', '/a/b', '/B']),
          country: r.pick(['DE', 'US', '']), browser_name: r.pick(['Firefox', 'Chrome']), bot: r.chance(0.07) ? 'list' : '', engagement_ms: r.chance(0.3) ? r.below(20000) : 0, scroll_depth: r.chance(0.3) ? r.below(101) : 0,
          ...(r.chance(0.2) ? { revenue: r.below(100) / 4 - 5, currency: r.pick(['EUR', 'USD']) } : { revenue: 0, currency: '' }),
          ...(r.chance(0.2) ? r.pick([{ group_type: 'company', group_id: 'g1' }, { group_type: 'company', group_id: 'g2', groups: '{"team":"g1"}' }, { group_type: 'team', group_id: 'g1' }, { group_type: 'team', group_id: 'g2', groups: '{"c\\"":"g1","company":"g3"}' }]) : {}),
          properties: kind === 'vital' ? vital(r) : r.pick([null, { plan: 'a', value: r.below(50) }, { plan: "o'b\\", value: 2.5 }, { plan: 5, value: '7' }, { plan: true, deep: { x: 'y' } }, { plan: null, value: -3 }]) });
        t += r.pick([0, 1, 500, 60e3, 60e3, 29 * 60e3, 30 * 60e3, 30 * 60e3 + 1, 3 * 3600e3]);
      }
    }
  }
  const isBehaving = r.chance(0.5); // else the project has no bot by behaviour, and none is looked for
  const visits = model.visitsOf(events, () => ({ referrer_source: r.pick(['Google', 'News', '']), channel: r.pick(['Direct', 'Organic Search']), behaves: isBehaving && r.chance(0.2) }));
  const h = { zone, day, events, visits, isNow, who: whoIsWho(r) };
  model.knowPersons(h, h.who);
  return h;
}
/** Whose the ids are, and what is said about them, each at a time of its own (rank). */
function whoIsWho(r) {
  const ids = [1, 2, 3, 4, 5, 6, 'u0', 'u1', 'u2'], values = { plan: ['"a"', '"b"', 'null', '7'], age: ['30', '41', '"old"'], deep: ['{"x":"y"}', '{"x":5}', '[]'], tier: ['"gold"', '2', '"free"'] };
  const times = Array.from({ length: 200 }, (_, i) => i + 1), rank = () => times.splice(r.below(times.length), 1)[0];
  const traits = (more, names, n) => Array.from({ length: n }, () => { const name = r.pick(names); return { ...more(), name, is_once: Number(r.chance(0.4)), rank: rank(), value: r.pick(values[name]) }; });
  return { owners: Object.fromEntries(ids.filter(() => r.chance(0.6)).map((id) => [id, 101 + r.below(3)])), traits: traits(() => ({ id: r.pick(ids) }), ['plan', 'age', 'deep'], r.below(16)),
    members: Array.from({ length: r.below(8) }, () => ({ id: r.pick(ids), type: r.pick(['company', 'company', 'team']), rank: rank(), group_id: r.pick(['g1', 'g2', 'g3']) })),
    groupTraits: traits(() => ({ group_id: r.pick(['g1', 'g2', 'g3']) }), ['tier'], r.below(6)) };
}

// ---- questions ----
const columns = ['event', 'page', 'country', 'browser', 'source', 'channel', 'entry_page', 'exit_page', 'user', 'bot', 'property:plan', 'property:deep.x', 'person:plan', 'person:deep.x', 'group:company', 'group_trait:company:tier'];
const valuesOf = { event: ['pageview', 'signup', 'nothing'], page: ['/', '/a', '/B'], country: ['DE', 'US', ''], browser: ['Firefox'], source: ['Google', ''], channel: ['Direct'], entry_page: ['/', '/a'], exit_page: ['/a/b'], user: ['u0', 'u1'], bot: ['behaviour', 'list', ''], 'property:plan': ['a', "o'b\\", 5, true], 'property:deep.x': ['y'], 'property:metric': ['LCP', 'x'], 'person:plan': ['a', 7, ''], 'person:deep.x': ['y', '5'], 'group:company': ['g1', 'g3', ''], 'group_trait:company:tier': ['gold', 2] };
function simple(r, names) {
  const field = r.pick(names), values = valuesOf[field];
  if (r.chance(0.15)) return [r.pick(['exists', 'not_exists']), field];
  if (r.chance(0.2)) return [r.pick(['contains', 'contains_not']), field, [r.pick(['a', 'E', '/', 'oo', "'"])], ...(r.chance(0.5) ? [{ case_sensitive: false }] : [])];
  if (r.chance(0.15)) return [r.pick(['matches', 'matches_not']), field, [r.pick(['^/a', 'b$', '[A-Z]', '^$'])]];
  return [r.pick(['is', 'is', 'is_not']), field, r.some(values, 1, 2), ...(r.chance(0.1) ? [{ case_sensitive: false }] : [])];
}
function filter(r, names, depth = 0) {
  const p = r.next();
  if (depth < 3 && p < 0.15) return ['not', filter(r, names, depth + 1)];
  if (depth < 3 && p < 0.35) return [r.pick(['and', 'or']), [filter(r, names, depth + 1), filter(r, names, depth + 1)]];
  if (p < 0.45) return [r.pick(['has_done', 'has_not_done']), simple(r, ['event', 'page', 'country', 'property:plan', 'person:plan'])];
  if (p < 0.5 && names.includes('property:plan')) return [r.pick(['greater', 'less', 'greater_or_equal', 'less_or_equal']), r.pick(['property:value', 'scroll_depth', 'revenue', 'person:age', 'group_trait:company:tier']), r.below(20)];
  return simple(r, names);
}
const instant = (ms) => new Date(ms).toISOString();
const isInstants = (range) => (typeof range === 'string' ? range in model.minutes : range[0].length > 10);
function dates(r, h) {
  if (h.isNow && r.chance(0.8)) return r.pick(['day', '7d', '28d', '30d', '91d', 'month', '6mo', '12mo', 'year', 'all', 'all', '24h', '24h', '30m', 'realtime']);
  if (r.chance(0.25)) { const from = model.midnight(h.day + r.below(5) - 3, h.zone) + r.pick([0, 1, 5400e3, 12 * 3600e3]); return [instant(from), instant(from + r.pick([1, 3600e3, 36 * 3600e3, 86400e3]))]; }
  const first = h.day + r.below(6) - 4;
  return [first, first + r.below(7)].map(model.dayText);
}
function common(r, h, names) {
  return { date_range: dates(r, h), ...(r.chance(0.85) ? { timezone: h.zone } : {}), ...(r.chance(0.5) ? { filters: [filter(r, names), ...(r.chance(0.3) ? [filter(r, names)] : [])] } : {}), ...(r.chance(0.2) ? { bots: r.pick(['include', 'only']) } : {}) };
}
function breakdownQuestion(r, h) {
  const names = r.chance(0.5) ? columns : r.pick([columns.filter((c) => /source|channel|entry|exit|country/.test(c)), columns.filter((c) => /event|page$|country|user|prop/.test(c)), ['country', 'browser', 'user', 'person:plan']]);
  const q = common(r, h, names);
  if (r.chance(0.25)) q.goal = [simple(r, ['event', 'page', 'property:plan'])];
  q.dimensions = r.some(names, 0, 2);
  if (r.chance(0.5)) q.dimensions.splice(r.below(q.dimensions.length + 1), 0, `time:${r.pick(['hour', 'day', 'day', 'week', 'month', 'year', ...(isInstants(q.date_range) ? ['minute'] : [])])}`);
  const metrics = ['visitors', 'users', 'persons', 'visits', 'pageviews', 'events', 'views_per_visit', 'bounce_rate', 'visit_duration', 'engagement_time', 'scroll_depth', 'total_revenue', 'average_revenue', 'sum:property:value', 'avg:property:value', 'min:property:value', 'max:revenue', 'count:property:value', 'p50:property:value', 'p90:scroll_depth'];
  q.metrics = r.some([...metrics, ...(q.goal ? ['conversion_rate', 'group_conversion_rate'] : []), ...(q.dimensions.length ? ['percentage'] : [])], 1, 5);
  if (r.chance(0.3)) q.order_by = r.some([...q.metrics.filter((m) => !m.endsWith('_revenue')), ...q.dimensions], 1, 2).map((n) => [n, r.pick(['asc', 'desc'])]);
  if (r.chance(0.4)) { q.limit = 1 + r.below(4); if (r.chance(0.4)) q.offset = r.below(3); }
  q.include = { total_rows: true, ...(q.dimensions.some((d) => d.startsWith('time:')) ? { time_labels: true } : {}) };
  if (r.chance(0.1)) q.filters = [[r.pick(['has_done', 'has_not_done']), simple(r, ['event', 'page', 'country', 'property:plan'])], ['is', 'source', ['Google', '']], ...(q.filters ?? [])]; // of each of the two ranges
  if (r.chance(0.4) && q.date_range !== 'all') q.include.compare = isInstants(q.date_range) ? 'previous_period' : r.pick(['previous_period', 'year_over_year', [h.day - 2, h.day].map(model.dayText)]);
  return q;
}
function funnelQuestion(r, h) {
  const names = ['event', 'page', 'country', 'property:plan'], steps = 2 + r.below(3), order = r.pick(['ordered', 'ordered', 'strict', 'unordered']);
  const step = () => [r.chance(0.6) ? ['is', 'event', [r.pick(['pageview', 'signup', 'buy'])]] : simple(r, names)];
  const q = { report: 'funnel', ...common(r, h, r.chance(0.2) ? columns : names), order, window: r.pick([1, 60, 1800, 86400, 7 * 86400]), steps: Array.from({ length: steps }, () => ({ filters: step() })) };
  if (order === 'ordered' && r.chance(0.4)) { const from = 1 + r.below(steps - 1); q.exclusions = [{ filters: step(), from, to: from + 1 + r.below(steps - from) }]; }
  if (r.chance(0.4)) q.dimensions = [r.pick(['country', 'browser', 'page', 'property:plan'])];
  if (r.chance(0.3)) q.count_by = 'users';
  return q;
}
function retentionQuestion(r, h) {
  const names = ['event', 'page', 'country', 'property:plan'];
  return { report: 'retention', ...common(r, h, names), unit: r.pick(['day', 'day', 'week', 'month']), type: r.pick(['first_time', 'recurring']), periods: r.pick([1, 3, 12]),
    ...(r.chance(0.5) ? { start: [simple(r, names)] } : {}), ...(r.chance(0.5) ? { return: [simple(r, names)] } : {}), ...(r.chance(0.3) ? { count_by: r.pick(['users', 'persons', 'persons']) } : {}) };
}
function periodsQuestion(r, h, report) {
  const names = ['event', 'page', 'country', 'property:plan'];
  return { report, ...common(r, h, r.chance(0.2) ? columns : names), unit: r.pick(['day', 'day', 'week', 'month']), ...(r.chance(0.5) ? { goal: [simple(r, r.chance(0.2) ? columns : names)] } : {}), ...(r.chance(0.3) ? { count_by: r.pick(['users', 'persons', 'persons']) } : {}) };
}
function pathsQuestion(r, h, report) {
  const names = ['event', 'page', 'country', 'property:plan'], nodes = r.pick(['page', 'event', 'both']), groups = r.pick([[], [], ['/a**'], ['/a/*', '/B'], ['/*', 'sig**']]);
  const node = () => r.pick([...(nodes === 'event' ? [] : ['/', '/a', '/a/b']), ...(nodes === 'page' ? [] : ['signup', 'buy', 'pageview']), ...groups]);
  const from = node(), to = r.chance(0.3) ? from : node();
  return { report, ...common(r, h, r.chance(0.2) ? columns : names), nodes, steps: 2 + r.below(5), ...(r.chance(0.5) ? { within: r.pick(['visit', 'range']) } : {}), ...(r.chance(0.4) ? { window: r.pick([1, 60, 1800, 86400]) } : {}),
    ...(r.chance(0.4) ? { from } : {}), ...(r.chance(0.4) ? { to } : {}), ...(groups.length ? { groups } : {}), ...(r.chance(0.4) ? { rows: 'paths' } : {}), ...(r.chance(0.3) ? { count_by: r.pick(['users', 'persons', 'persons']) } : {}), ...(r.chance(0.3) ? { limit: 1 + r.below(5), offset: r.below(3) } : {}) };
}
function vitalsQuestion(r, h, report) {
  const q = { report, ...common(r, h, r.chance(0.2) ? columns : ['page', 'country', 'browser', 'property:metric']), ...(r.chance(0.4) ? { metrics: r.some(['LCP', 'INP', 'CLS', 'FCP', 'TTFB', 'FID'], 1, 3) } : {}), ...(r.chance(0.5) ? { order: r.pick(['count', 'p75']) } : {}), ...(r.chance(0.3) ? { limit: 1 + r.below(3), offset: r.below(2) } : {}) };
  q.dimensions = r.some(['page', 'page', 'country', 'browser', 'source'], 0, 2).filter((d, i, all) => all.indexOf(d) === i);
  if (r.chance(0.3)) q.dimensions.splice(r.below(q.dimensions.length + 1), 0, `time:${r.pick(['hour', 'day', 'week'])}`);
  return q;
}
function attributionQuestion(r, h, report) {
  const names = ['event', 'page', 'country', 'property:plan'];
  return { report, ...common(r, h, r.chance(0.2) ? columns : names), goal: [r.chance(0.6) ? ['is', 'event', [r.pick(['signup', 'buy', 'pageview'])]] : simple(r, names)], dimensions: r.some(['source', 'channel', 'country', 'entry_page', 'browser'], 0, 3), ...(r.chance(0.6) ? { lookback: r.pick([1, 3600, 86400, 5 * 86400]) } : {}),
    ...(r.chance(0.4) ? { models: r.some(['first_touch', 'last_touch', 'last_non_direct', 'linear', 'position_based', 'time_decay'], 1, 3) } : {}), ...(r.chance(0.3) ? { count_by: r.pick(['users', 'persons', 'persons']) } : {}), ...(r.chance(0.3) ? { limit: 1 + r.below(3), offset: r.below(2) } : {}) };
}
function listQuestion(r, h, report) {
  return { report, ...common(r, h, r.chance(0.4) ? columns : ['event', 'page', 'country', 'property:plan', 'property:deep.x']), ...(r.chance(0.6) ? { limit: 1 + r.below(4), ...(r.chance(0.3) ? { offset: r.below(3) } : {}) } : {}) };
}
const kinds = { breakdown: breakdownQuestion, funnel: funnelQuestion, retention: retentionQuestion, stickiness: periodsQuestion, lifecycle: periodsQuestion, paths: pathsQuestion, vitals: vitalsQuestion, attribution: attributionQuestion, events: listQuestion, properties: listQuestion };
const often = ['breakdown', 'breakdown', 'breakdown', ...Object.keys(kinds)].filter((k) => !process.env.WEIR_TEST_KIND || k === process.env.WEIR_TEST_KIND);

// ---- store ----
const insert = (table, rows) => new Promise((done, fail) => {
  const req = http.request({ socketPath: path.join(s.data, 'run/store.sock'), method: 'POST', path: `/?database=weir&query=${encodeURIComponent(`INSERT INTO ${table} FORMAT JSONEachRow`)}`, agent: false }, (res) => {
    let text = '';
    res.on('data', (d) => { text += d; });
    res.on('end', () => (res.statusCode === 200 ? done() : fail(new Error(text))));
  });
  req.on('error', fail);
  req.end(rows.map((x) => JSON.stringify(x)).join('\n'));
});
const hashOf = Object.fromEntries((await s.rows(`SELECT arrayJoin(['u0', 'u1', 'u2']) AS u, toString(sipHash64('anonymous', u)) AS h`)).map((x) => [x.u, x.h]));
await until('the tables of persons', async () => Number((await s.rows('SELECT max(generation) AS g FROM person_generations'))[0].g) === 1);
const personTables = ['identities', 'person_traits', 'person_groups', 'group_traits'];
/** As the worker would write them; to the other project other things about the same ids. */
async function loadPersons(who, projects) {
  const own = (id) => hashOf[id] ?? id, each = (rows, more) => projects.flatMap((project_id, i) => rows.map((x) => ({ generation: 1, project_id, ...more(x, i) })));
  const tables = { identities: each(Object.entries(who.owners), ([id, person], i) => ({ hash: own(id), person: i ? 999 : person, version: 1, is_deleted: 0 })),
    person_traits: each(who.traits, (t, i) => ({ ...t, id: own(t.id), ...(i ? { value: '"WRONG"' } : {}) })), person_groups: each(who.members, (m, i) => ({ ...m, id: own(m.id), ...(i ? { group_id: 'WRONG' } : {}) })),
    group_traits: each(who.groupTraits, (t, i) => ({ ...t, type: 'company', ...(i ? { value: '"WRONG"' } : {}) })) };
  for (const [table, rows] of Object.entries(tables)) if (rows.length) await insert(table, rows);
}
async function load(h) {
  for (const table of ['events', 'sessions', ...personTables]) assert.equal((await s.storeExec(`TRUNCATE TABLE ${table}`)).status, 200);
  const time = (ms) => instant(ms).replace('T', ' ').replace('Z', '');
  const other = randomUUID(); // the same history of somebody else, which no number may show
  const both = (make) => [s.keys.project, other].flatMap((project_id) => make(project_id));
  await insert('events', both((project_id) => h.events.map((e, i) => ({ ...e, project_id, id: project_id === other ? randomUUID() : e.id, timestamp: time(e.timestamp), received_at: time(e.timestamp), properties: JSON.stringify(e.properties ?? {}), stream_offset: i }))));
  if (h.who) await loadPersons(h.who, [s.keys.project, other]);
  // Rows of sessions that weir did not write itself: that a project has no bot by behaviour is believed for a second.
  if (h.visits.some((v) => v.bot === 'behaviour')) await sleep(Math.max(0, answeredAt + 1050 - Date.now()));
  if (h.visits.length) await insert('sessions', both((project_id) => h.visits.map(({ all, start, end, ...v }) => ({ ...v, behaviour: Number(v.bot === 'behaviour'), project_id, start: time(start), end: time(end), version: 1, is_deleted: 0 }))));
}
// ---- samples ----
// Of 10,000 of each, so many are taken first: docs/definitions.md, "Sample". The store's own hashes, of all ids that a history can have.
const places10k = (expression, ids) => s.rows(`SELECT x, ${expression} % 10000 AS place FROM (SELECT arrayJoin([${ids}]) AS x)`).then((rows) => new Map(rows.map((x) => [String(x.x), Number(x.place)])));
const visitorPlaces = await places10k('intHash64(toUInt64(x))', [1, 2, 3, 4, 5, 6, 101, 102, 103]), userPlaces = await places10k('sipHash64(x)', ["'u0'", "'u1'", "'u2'"]);
const hashPlaces = await places10k("intHash64(sipHash64('anonymous', x))", ["'u0'", "'u1'", "'u2'"]);
const intHash64 = (n) => [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n, 1n].reduce((x, by) => BigInt.asUintN(64, (x ^ (x >> 33n)) * by), BigInt(n) ^ 0x4cf2d2baae6da887n);
for (const [x, place] of visitorPlaces) assert.equal(Number(intHash64(x) % 10000n), place);
const slotPlace = (ms) => Number(intHash64(Math.floor(ms / 900e3)) % 10000n);
/** The history of who is in the sample. A visit is its visitor's; which a user's or a person's event lies in is no matter of the sample. */
function sampleOf(h, q) {
  const most = Math.round(q.sample * 10000);
  const placeOf = (e) => (q.count_by === 'users' ? userPlaces.get(e.user_id) ?? 0 : q.count_by === 'persons' ? visitorPlaces.get(String(e.known.person)) ?? hashPlaces.get(e.known.person) ?? 0 : e.visitor ? visitorPlaces.get(String(e.visitor)) : slotPlace(e.timestamp));
  return { ...h, events: h.events.filter((e) => placeOf(e) < most), visits: q.count_by && q.count_by !== 'visitors' ? h.visits : h.visits.filter((v) => visitorPlaces.get(String(v.visitor)) < most) };
}
const whole = (q) => (x) => (x === null ? null : Math.round(x / q.sample)), more = (q) => (x) => (x === null ? null : x / q.sample);
const each = (make) => (o) => Object.fromEntries(Object.entries(o).map(([k, v]) => [k, make(v)]));
/** What is told of all, for what the model counted in the sample. */
const told = {
  breakdown: (q) => { const values = (m) => m.map((v, i) => (/^(visitors|visits|pageviews|events|count:.*)$/.test(q.metrics[i]) ? whole(q)(v) : q.metrics[i] === 'total_revenue' ? each(more(q))(v) : q.metrics[i].startsWith('sum:') ? more(q)(v) : v));
    return (x) => ({ ...x, metrics: values(x.metrics), ...(x.comparison ? { comparison: { metrics: values(x.comparison.metrics) } } : {}) }); },
  funnel: (q) => (x) => ({ ...x, steps: x.steps.map((step) => ({ ...step, count: whole(q)(step.count) })) }),
  retention: (q) => (x) => ({ ...x, size: whole(q)(x.size), returned: x.returned.map(whole(q)) }),
  stickiness: (q) => (x) => ({ ...x, count: whole(q)(x.count), count_or_more: whole(q)(x.count_or_more) }),
  lifecycle: (q) => ({ period, ...x }) => ({ period, ...each(whole(q))(x) }),
  paths: (q) => (x) => ({ ...x, count: whole(q)(x.count) }),
  vitals: (q) => (x) => ({ ...x, count: whole(q)(x.count), vitals: each((v) => ({ ...v, count: whole(q)(v.count) }))(x.vitals) }),
  attribution: (q) => (x) => ({ ...x, models: each((m) => ({ conversions: more(q)(m.conversions), revenue: each(more(q))(m.revenue) }))(x.models) }),
  properties: (q) => (x) => ({ ...x, count: whole(q)(x.count), numbers: whole(q)(x.numbers) }),
};
/** A question of which the model can tell: who has done something is asked of all, and "all" begins with the first event of all. */
const canSample = (q, kind) => told[kind] && q.date_range !== 'all' && !(q.metrics ?? []).some((m) => m === 'users' || m === 'persons') && !(q.count_by === 'users' && /has_(not_)?done/.test(JSON.stringify(q)));
function answerOf(q, kind, h) {
  if (!q.sample) return model[kind](h, q);
  const want = model[kind](sampleOf(h, q), q);
  return { ...want, results: want.results.map(told[kind](q)) };
}

// {"event": "x"} is short for a filter that the event is x: every other time it is asked so.
let asked = 0;
function shorten(q) {
  const short = (x) => (x.filters[0]?.[0] === 'is' && x.filters[0][1] === 'event' && x.filters[0][2].length === 1 && asked++ % 2 ? { ...x, event: x.filters[0][2][0], filters: x.filters.slice(1) } : x);
  return { ...q, ...(Array.isArray(q.steps) ? { steps: q.steps.map(short) } : {}), ...(q.exclusions ? { exclusions: q.exclusions.map(short) } : {}) };
}
const post = (target, body) => s.fetch(`/v1/projects/${s.keys.project}/${target}`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key, 'content-type': 'application/json' }, body: JSON.stringify(body) });
let answeredAt = 0; // when the last one was answered
const ask = (body) => post('query', body).finally(() => { answeredAt = Date.now(); });

// Sums of decimals and their means go through another arithmetic; all else is equal to the last bit.
const isNear = (a, b) => a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(a)));
function same(got, want) {
  if (got === want || isNear(got, want)) return true;
  if (typeof got !== 'object' || typeof want !== 'object' || !got || !want) return false;
  const keys = new Set([...Object.keys(got), ...Object.keys(want)]);
  return [...keys].every((k) => same(got[k], want[k]));
}

/** From page to page by the cursor: together they are the whole. */
async function pages(q, kind, first, about, h) {
  const all = [...first.results], want = answerOf({ ...q, limit: 10000 }, kind, h);
  for (let cursor = first.meta.next_cursor, n = 0; cursor && n < 12; n++) {
    const { json, text } = await ask({ ...q, limit: q.limit + n, cursor });
    assert.ok(json?.results?.length, `${about}: ${text}`);
    if (kind === 'breakdown') assert.equal(json.meta.total_rows, want.total, about);
    all.push(...json.results);
    cursor = json.meta.next_cursor;
    if (!cursor) assert.equal(all.length, want.total, about);
  }
  if (!same(all, want.results.slice(0, all.length))) assert.deepEqual(all, want.results.slice(0, all.length), about);
}
/** The moment between two that the answer was made at, by the range it says it is about. */
function momentOf(q, h, answer, since, till) {
  if (typeof q.date_range !== 'string') return since;
  const seconds = Array.from({ length: Math.floor(till / 1000) - Math.floor(since / 1000) + 1 }, (_, i) => (Math.floor(since / 1000) + i) * 1000);
  const is = (now) => { const { range } = model.rangesOf({ ...q, now }, h); return answer.query.date_range[0] === instant(range.from) && answer.query.date_range[1] === instant(range.to); };
  const found = seconds.find(is);
  assert.ok(found, `${q.date_range} ${q.timezone} is ${answer.query.date_range} between ${instant(since)} and ${instant(till)}`);
  return found;
}
async function check(q, kind, h, about) {
  const since = Date.now(), answer = await ask(shorten(q)), till = Date.now();
  assert.equal(answer.status, 200, `${about}: ${answer.text} ${s.log.split('\n').filter((l) => l.includes('refused')).at(-1)}`);
  assert.ok(answer.json, `${about}: ${answer.text}`);
  const now = momentOf(q, h, answer.json, since, till), want = answerOf({ ...q, now }, kind, h);
  const isExact = kind === 'attribution' && !q.sample; // whole numbers were added up
  if (isExact || !same(answer.json.results, want.results)) assert.deepEqual(answer.json.results, want.results, about);
  if (kind !== 'breakdown' && kind !== 'events') return;
  if (kind === 'breakdown' && want.results.length) assert.equal(answer.json.meta.total_rows, want.total, about);
  if (q.include?.time_labels) assert.deepEqual(answer.json.meta.time_labels, want.labels, about);
  const isLast = (q.offset ?? 0) + want.results.length >= want.total;
  assert.equal(answer.json.meta.next_cursor === null, isLast, about);
  if (!isLast && !q.offset && typeof q.date_range !== 'string') await pages(q, kind, answer.json, about, h);
}
// Every fourth history is of these days, and its questions are about "7d", "month", "all" … The second half is asked while
// properties have columns of their own.
for (let seed = firstSeed; seed < firstSeed + rounds; seed++) {
  if (seed === firstSeed + (rounds >> 1))
    test('the store gets columns of properties', async () => {
      await s.stop();
      s.options = { args: [...args, '--store.property_columns', 'plan,value'] };
      await s.run();
      await ready();
    });
  test(`history of seed ${seed}`, async () => {
    const r = makeRandom(seed), h = history(r, seed % 4 === 0);
    await load(h);
    for (let i = 0; i < questions; i++) {
      const kind = r.pick(often), q = kinds[kind](r, h, kind);
      if (canSample(q, kind) && r.chance(0.2)) q.sample = r.pick([0.75, 0.5, 0.3]);
      await check(q, kind, h, `seed ${seed}, question ${i}: ${JSON.stringify(q)}`);
    }
  });
}
// ---- what is no number ----
const at = (time, more) => ({ id: randomUUID(), timestamp: Date.parse(time), visitor: 1, kind: '', event: 'pageview', user_id: '', page_path: '/', country: '', browser_name: 'Firefox', bot: '', engagement_ms: 0, scroll_depth: 0, revenue: 0, currency: '', properties: null, ...more });
test("Plausible's question, in its words and numbers", async () => {
  const events = [at('2026-03-01T10:00:00Z'), at('2026-03-01T10:00:30Z', { page_path: '/pricing' }), at('2026-03-01T10:01:00Z', { event: 'Signup', properties: { 'a.b': 'x' } }), at('2026-03-02T09:00:00Z', { visitor: 2 }), at('2026-03-02T09:00:00Z', { visitor: 3, event: 'Buy', revenue: 12.5, currency: 'EUR' })];
  await load({ events, visits: model.visitsOf(events, (e) => ({ referrer_source: e.visitor === 1 ? 'Google' : '', channel: '' })) });
  const query = (q, key = s.keys.secret_key) => s.fetch('/api/v2/query', { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ site_id: s.keys.project, date_range: ['2026-03-01', '2026-03-02'], ...q }) });
  const rows = async (q) => { const r = await query(q); assert.equal(r.status, 200, r.text); return r.json.results; };
  assert.deepEqual(await rows({ metrics: ['visitors', 'visits', 'pageviews', 'events', 'views_per_visit', 'bounce_rate', 'visit_duration'] }), [{ metrics: [3, 3, 3, 5, 1, 33, 20], dimensions: [] }]);
  assert.deepEqual(await rows({ metrics: ['visitors'], dimensions: ['visit:source'] }), [{ metrics: [2], dimensions: ['Direct / None'] }, { metrics: [1], dimensions: ['Google'] }]);
  assert.deepEqual(await rows({ metrics: ['visitors'], filters: [['is', 'visit:source', ['Direct / None']]] }), [{ metrics: [2], dimensions: [] }]);
  assert.deepEqual(await rows({ metrics: ['visitors', 'conversion_rate'], filters: [['is', 'event:goal', ['Signup', 'Buy']]] }), [{ metrics: [2, 66.67], dimensions: [] }]);
  assert.deepEqual(await rows({ metrics: ['events', 'total_revenue'], dimensions: ['event:goal'], order_by: [['event:goal', 'asc']] }), [{ metrics: [1, { value: 12.5, currency: 'EUR', short: 'EUR 12.5', long: 'EUR 12.5' }], dimensions: ['Buy'] }, { metrics: [1, null], dimensions: ['Signup'] }]);
  assert.deepEqual(await rows({ metrics: ['visitors'], dimensions: ['event:props:a.b'] }), [{ metrics: [3], dimensions: ['(none)'] }, { metrics: [1], dimensions: ['x'] }]);
  const hours = await query({ metrics: ['pageviews'], date_range: ['2026-03-01T10:00:00Z', '2026-03-01T11:59:59Z'], dimensions: ['time:hour'], include: { time_labels: true, total_rows: true } });
  assert.deepEqual([hours.json.results, hours.json.meta], [[{ metrics: [2], dimensions: ['2026-03-01 10:00:00'] }], { time_labels: ['2026-03-01 10:00:00', '2026-03-01 11:00:00'], total_rows: 2 }]);
  assert.equal((await weir(['project', 'set', s.keys.project, 'domains=own.example', '--data', s.data])).code, 0);
  await until('the site to go by its domain', async () => (await query({ metrics: ['visitors'], site_id: 'own.example' })).status === 200);
  assert.deepEqual((await rows({ metrics: ['visitors'], dimensions: ['time'] })).map((r) => r.dimensions[0]), ['2026-03-01', '2026-03-02']);
  for (const [status, q] of [[400, { metrics: ['x'] }], [400, { metrics: ['visitors'], dimensions: ['visit:x'] }], [400, { metrics: ['visitors'], filters: [['is', 'time:day', ['x']]] }], [401, { metrics: ['visitors'], site_id: 'other.example' }], [400, { metrics: ['visitors'], site_id: 7 }], [400, { metrics: ['visitors'], filters: [['matches', 'event:page', ['(']]] }]]) {
    const r = await query(q);
    assert.equal(r.status, status, r.text);
    assert.equal(typeof r.json.error, 'string');
  }
});
test("days begin in the project's own time zone, where a question names none", async () => {
  await load({ events: [at('2026-03-01T18:30:00Z'), at('2026-03-01T18:00:00Z', { visitor: 2 })], visits: [] });
  const days = async (more) => (await ask({ metrics: ['pageviews'], date_range: ['2026-03-01', '2026-03-02'], dimensions: ['time:day'], ...more })).json;
  assert.deepEqual((await days({})).results.map((r) => r.metrics[0]), [2, 0]);
  assert.equal((await weir(['project', 'set', s.keys.project, 'time_zone=Asia/Kathmandu', '--data', s.data])).code, 0);
  await until('the zone to hold', async () => (await days({})).query.timezone === 'Asia/Kathmandu');
  assert.deepEqual((await days({})).results.map((r) => r.metrics[0]), [1, 1], '+05:45');
  assert.deepEqual((await days({ timezone: 'UTC' })).results.map((r) => r.metrics[0]), [2, 0]);
  const series = await s.fetch(`/projects/${s.keys.project}/analytics/timeseries?startDate=2026-03-01&endDate=2026-03-02&granularity=day`, { headers: { 'x-api-key': s.keys.secret_key } });
  assert.deepEqual(series.json.timeseries.map((x) => [x.time, Number(x.pageviews)]), [['2026-03-01T00:00:00+05:45', 1], ['2026-03-02T00:00:00+05:45', 1]]);
});
test('a goal that is reached behind midnight is of the visit that began before', async () => {
  const events = [at('2026-03-01T23:50:00Z'), at('2026-03-02T00:05:00Z', { event: 'signup', page_path: '/a' }), at('2026-03-02T12:00:00Z', { visitor: 2, event: 'signup', page_path: '/a' })];
  await load({ events, visits: model.visitsOf(events, (e) => ({ referrer_source: e.visitor === 1 ? 'Google' : 'News', channel: '' })) });
  for (const goal of [['is', 'event', ['signup']], ['is', 'page', ['/a']]]) { // of slots, and of events
    const { results } = (await ask({ metrics: ['visitors'], date_range: ['2026-03-02', '2026-03-02'], timezone: 'UTC', dimensions: ['source'], goal: [goal] })).json;
    assert.deepEqual(results, [{ dimensions: ['Google'], metrics: [1] }, { dimensions: ['News'], metrics: [1] }], goal[1]);
  }
});
test('a range worked out from a zone that is known is the one that the store tells', async () => {
  const named = ['Europe/Berlin', 'Asia/Kathmandu', 'America/Sao_Paulo', 'Africa/Casablanca', 'Pacific/Apia', 'Pacific/Kiritimati', 'America/Scoresbysund', 'Antarctica/Troll', 'Asia/Gaza', 'Pacific/Chatham', 'America/St_Johns', 'America/Havana', 'Asia/Beirut', 'Australia/Lord_Howe'];
  const others = (await s.rows(`SELECT time_zone FROM system.time_zones WHERE cityHash64(time_zone, ${firstSeed}) % 30 = 0`)).map((x) => x.time_zone);
  const r = makeRandom(firstSeed), day = () => Date.UTC(1972 + r.below(127), r.below(12), 1 + r.below(28)) / 86400e3;
  const days = () => { const first = day(); return [first, first + r.below(40)].map(model.dayText); };
  const instants = () => { const from = day() * 86400e3 + r.below(86400) * 1000; return [from, from + 1 + r.below(10 * 86400e3)].map((t) => new Date(t).toISOString()); };
  for (const timezone of [...named, ...others]) {
    for (let i = 0; i < 8; i++) {
      const date_range = r.pick([days, days, instants, () => r.pick(['day', '28d', 'month', '6mo', '12mo', 'year', '24h', 'realtime'])])();
      const q = { metrics: ['visitors'], date_range, timezone, include: { sql: true, compare: r.pick(['previous_period', isInstants(date_range) ? null : 'year_over_year', days(), instants()]) } };
      const told = await post('query/sql', q), known = await ask(q);
      assert.equal(told.status, 200, `${JSON.stringify(q)} ${told.text}`);
      assert.equal(known.status, 200, `${JSON.stringify(q)} ${known.text}`);
      if (told.json.parameters.now === known.json.meta.parameters.now) assert.deepEqual(known.json.meta.parameters, told.json.parameters, JSON.stringify(q));
    }
  }
});
test('a mistake that only the store sees is told, too', async () => {
  const wrong = async (q, part) => { const r = await ask({ metrics: ['visitors'], date_range: 'day', ...q }); assert.equal(r.status, 400, r.text); assert.match(r.json.detail, part); };
  await wrong({ date_range: ['2026-03-01', '2026-03-02'], filters: [['matches', 'page', ['(']]] }, /regular expression/); // where there are events to try it on
  await wrong({ timezone: 'Mars/Olympus' }, /time zone/);
  await wrong({ date_range: ['2000-01-01', '2020-01-01'] }, /^\/date_range: it is 7306 days/);
  await wrong({ date_range: ['2020-01-01', '2026-01-01'], dimensions: ['time:hour'] }, /points of time/);
});
test('the statements are shown, with nothing of the client in them', async () => {
  const q = { metrics: ['visitors'], date_range: 'all', dimensions: ['page'], filters: [['is', 'event', ["x' OR 1=1"]]] };
  const r = await s.fetch(`/v1/projects/${s.keys.project}/query/sql`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify(q) });
  assert.equal(r.status, 200, r.text);
  assert.match(r.json.statements.at(-1), /FROM events.* WHERE project_id = \{project:UUID\}/);
  assert.ok(!r.json.statements.join().includes('OR 1=1'));
  const got = await s.fetch(`/v1/projects/${s.keys.project}/query/sql?question=${encodeURIComponent(JSON.stringify(q))}`, { headers: { 'x-api-key': s.keys.secret_key } });
  assert.deepEqual(got.json, { ...r.json, parameters: { ...r.json.parameters, now: got.json.parameters.now } });
  const none = await s.fetch(`/v1/projects/${s.keys.project}/query/sql`, { headers: { 'x-api-key': s.keys.secret_key } });
  assert.equal(none.status, 400);
  assert.match(none.json.detail, /the parameter question/);
  const visitors = await s.fetch(`/v1/projects/${s.keys.project}/query/sql`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify({ metrics: ['visitors'], date_range: '7d' }) });
  assert.match(visitors.json.statements.at(-1), /FROM mergeTreeProjection\(.*WHERE project_id = \{project:UUID\}/, 'of slots, so that the model is asked about these');
  assert.ok(Object.values(r.json.parameters).includes("x' OR 1=1"));
  const shown = (await ask({ ...q, include: { sql: true } })).json.meta;
  assert.equal(shown.statements.at(-1), r.json.statements.at(-1));
});
test('it stops', () => s.stop());
