// s: stored definitions: goals, segments, cohorts, annotations, saved reports. Kept, changed and seen by whom; used in
// questions, where every number has to be the independent model's (report_model.mjs, stored_model.mjs) over random
// histories. WEIR_TEST_SEED=N repeats one history, WEIR_TEST_ROUNDS=N does so many.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { Client, auditEvents, makePeople } from './access.mjs';
import { Server, assert, seeded, sleep, test, until, weir } from './harness.mjs';
import * as model from './report_model.mjs';
import { expand, membersOf } from './stored_model.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const client = new Client(s);
test.after(() => client.close());
await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
const rounds = Number(process.env.WEIR_TEST_ROUNDS || 6), firstSeed = Number(process.env.WEIR_TEST_SEED || 1);

// ---- who asks ----
const org = s.keys.org, project = s.keys.project, P = `/v1/projects/${project}`;
const [owner, analyst, second, viewer, outsider] = await makePeople(s, [`owner@a.example,${org}=owner`, `analyst@a.example,${org}=analyst`, `second@a.example,${org}=analyst`, `viewer@a.example,${org}=viewer`, 'outsider@b.example']);
const other = await client.must(201, 'POST', '/v1/orgs', { as: outsider, body: { name: 'B' } });
const foreign = await client.must(201, 'POST', `/v1/orgs/${other.id}/projects`, { as: outsider, body: { name: 'b' } });
const make = (kind, body, as = analyst) => client.must(201, 'POST', `${P}/${kind}`, { as, body });
const refused = async (status, part, method, target, options) => {
  const r = await client.call(method, target, options);
  assert.equal(r.status, status, `${method} ${target}: ${r.text}`);
  if (part) assert.match(r.json.detail, part);
  return r;
};
process.on('exit', (code) => { if (code) console.log(s.log.split('\n').filter((l) => /level=error/.test(l)).join('\n')); });
let answeredAt = 0; // when the last one was answered
const ask = (body, as = analyst) => client.call('POST', `${P}/query`, { as, body }).finally(() => { answeredAt = Date.now(); });

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
const time = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
const ids = [1, 2, 3, 4, 5, 6, 7, 8, 'u0', 'u1', 'u2', 'u3'];
const hashOf = Object.fromEntries((await s.rows(`SELECT arrayJoin(['u0', 'u1', 'u2', 'u3']) AS u, toString(sipHash64('anonymous', u)) AS h`)).map((x) => [x.u, x.h]));
await until('the tables of persons', async () => Number((await s.rows('SELECT max(generation) AS g FROM person_generations'))[0].g) === 1);
/** Whose an id is, as the worker would write it; in the other project everybody is one. */
const owning = (owners) => [project, foreign.id].flatMap((project_id, i) => Object.entries(owners).map(([id, person]) => ({ generation: 1, project_id, hash: hashOf[id] ?? id, person: i ? 999 : person, version: 1, is_deleted: 0 })));
async function load(events, visits, owners = {}) {
  for (const table of ['events', 'sessions', 'identities']) assert.equal((await s.storeExec(`TRUNCATE TABLE ${table}`)).status, 200);
  const both = (rows) => [project, foreign.id].flatMap((project_id) => rows(project_id)); // somebody else's, which no number may show
  await insert('events', both((project_id) => events.map((e, i) => ({ ...e, project_id, id: project_id === project ? e.id : randomUUID(), timestamp: time(e.timestamp), received_at: time(e.timestamp), properties: JSON.stringify(e.properties ?? {}), stream_offset: i }))));
  if (Object.keys(owners).length) await insert('identities', owning(owners));
  // Rows of sessions that weir did not write itself: that a project has no bot by behaviour is believed for a second.
  if (visits.some((v) => v.bot === 'behaviour')) await sleep(Math.max(0, answeredAt + 1050 - Date.now()));
  if (visits.length) await insert('sessions', both((project_id) => visits.map(({ all, start, end, ...v }) => ({ ...v, behaviour: Number(v.bot === 'behaviour'), project_id, start: time(start), end: time(end), version: 1, is_deleted: 0 }))));
}

// ---- chance ----
function chanceOf(seed) {
  const next = seeded(seed), below = (n) => Math.floor(next() * n);
  return { below, pick: (list) => list[below(list.length)], chance: (p) => next() < p };
}
const DAY = 86400e3;
function history(r, until_ms) {
  const events = [];
  for (let i = 0, people = 2 + r.below(7); i < people; i++) {
    const visitor = r.chance(0.1) ? 0 : i + 1;
    for (let n = r.below(6); n >= 0; n--) {
      let t = until_ms - r.below(12 * DAY);
      for (let k = r.below(4); k >= 0 && t <= until_ms; k--, t += r.pick([0, 1, 1000, 60e3, 2 * 3600e3])) {
        const kind = r.chance(0.88) ? '' : r.pick(['engagement', 'identify']);
        events.push({ id: randomUUID(), timestamp: t, visitor, kind, event: kind || r.pick(['pageview', 'pageview', 'signup', 'buy']), user_id: r.chance(0.4) ? `u${i % 4}` : '', page_path: r.pick(['/', '/a', '/b']), country: r.pick(['DE', 'AT', 'US', '']),
          browser_name: 'Firefox', bot: r.chance(0.07) ? 'list' : '', engagement_ms: 0, scroll_depth: 0, ...(r.chance(0.2) ? { revenue: r.below(100) / 4, currency: 'USD' } : { revenue: 0, currency: '' }), properties: r.pick([null, { plan: 'a', amount: r.below(50) }, { plan: 'b', amount: '7' }, { plan: 'a', amount: 2.5 }]) });
      }
    }
  }
  const visits = model.visitsOf(events, () => ({ referrer_source: r.pick(['Google', '']), channel: r.pick(['Direct', 'Email']), behaves: r.chance(0.07) }));
  const owners = Object.fromEntries(ids.filter(() => r.chance(0.6)).map((id) => [id, 101 + r.below(3)]));
  model.knowPersons({ events, visits }, { owners, traits: [], members: [], groupTraits: [] });
  return { events, visits, owners };
}
const ofEvents = [['event', ['pageview', 'signup', 'buy']], ['page', ['/', '/a', '/b']], ['country', ['DE', 'AT', 'US', '']], ['property:plan', ['a', 'b']], ['user', ['u0', 'u1', 'u2']]];
function filterOf(r, fields, depth = 0) {
  if (depth < 2 && r.chance(0.25)) return r.pick([['not', filterOf(r, fields, depth + 1)], [r.pick(['and', 'or']), [filterOf(r, fields, depth + 1), filterOf(r, fields, depth + 1)]]]);
  const [field, values] = r.pick(fields);
  return [r.pick(['is', 'is', 'is_not']), field, [r.pick(values), r.pick(values)]];
}
const isNear = (a, b) => a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(a)));
function same(got, want) {
  if (isNear(got, want)) return true;
  if (typeof got !== 'object' || typeof want !== 'object' || !got || !want) return false;
  return [...new Set([...Object.keys(got), ...Object.keys(want)])].every((k) => same(got[k], want[k]));
}
async function compare(told, data, q, stored, kind = q.report ?? 'breakdown') {
  const now = Date.now(), answer = await ask(q);
  assert.equal(answer.status, 200, `${told} ${JSON.stringify(q)}: ${answer.text}`);
  const want = model[kind](data, expand(q, stored, { data, zone: q.timezone ?? 'UTC', now })).results;
  if (!same(answer.json.results, want)) assert.deepEqual(answer.json.results, want, `${told} ${JSON.stringify(q)}`);
}

// ---- kept ----
test('a goal and a segment are kept, shown, changed by version, and removed', async () => {
  const goal = await make('goals', { name: 'Signed up', filters: [['is', 'event', ['signup']]], revenue: { property: 'property:amount', currency: 'EUR' } });
  assert.match(goal.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  assert.deepEqual([goal.name, goal.filters, goal.revenue, goal.version, goal.created_by], ['Signed up', [['is', 'event', ['signup']]], { property: 'property:amount', currency: 'EUR' }, 1, analyst.id]);
  const shown = await client.call('GET', `${P}/goals/${goal.id}`, { as: viewer });
  assert.deepEqual([shown.status, shown.json, shown.headers.etag], [200, goal, '"1"']);
  assert.deepEqual((await client.must(200, 'GET', `${P}/goals`, { as: { key: s.keys.secret_key } })).data.map((g) => g.id), [goal.id]);
  const renamed = await client.call('PATCH', `${P}/goals/${goal.id}`, { as: second, body: { name: 'Sign-up' }, headers: { 'if-match': '"1"' } });
  assert.deepEqual([renamed.status, renamed.json.name, renamed.json.version, renamed.headers.etag], [200, 'Sign-up', 2, '"2"']);
  await refused(412, /its version is 2, not 1/, 'PATCH', `${P}/goals/${goal.id}`, { as: analyst, body: { name: 'late' }, headers: { 'if-match': '"1"' } });
  await refused(412, null, 'DELETE', `${P}/goals/${goal.id}`, { as: analyst, headers: { 'if-match': '"1"' } });
  await refused(400, /If-Match/, 'PATCH', `${P}/goals/${goal.id}`, { as: analyst, body: {}, headers: { 'if-match': '3' } });
  await refused(409, /of that name/, 'POST', `${P}/goals`, { as: analyst, body: { name: 'Sign-up', filters: [['exists', 'user']] } });
  assert.equal((await client.must(200, 'PATCH', `${P}/goals/${goal.id}`, { as: analyst, body: { revenue: null } })).revenue, null);
  assert.equal((await client.call('DELETE', `${P}/goals/${goal.id}`, { as: analyst, headers: { 'if-match': '"3"' } })).status, 204);
  await refused(404, null, 'GET', `${P}/goals/${goal.id}`, { as: analyst });
});

test('a mistake is told with its place before it is kept', async () => {
  const wrong = (kind, body, part) => refused(400, part, 'POST', `${P}/${kind}`, { as: analyst, body });
  await wrong('goals', { filters: [['exists', 'user']] }, /^\/name: it is needed/);
  await wrong('goals', { name: 'x' }, /^\/filters: it is needed/);
  await wrong('goals', { name: 'x', filters: [] }, /^\/filters: give an array/);
  await wrong('goals', { name: 'x', filters: [['is', 'event', ['a']], ['is', 'evnt', ['b']]] }, /^\/filters\/1\/1: 'evnt' is not known/);
  await wrong('goals', { name: 'x', filters: [['exists', 'user']], revenue: { property: 'revenue', currency: 'EUR' } }, /^\/revenue\/property/);
  await wrong('goals', { name: 'x', filters: [['exists', 'user']], revenue: { property: 'property:a', currency: 'eur' } }, /^\/revenue\/currency/);
  await wrong('goals', { name: 'x', filters: [['exists', 'user']], more: 1 }, /"more" cannot be set on a goal/);
  await wrong('goals', { name: randomUUID(), filters: [['exists', 'user']] }, /does not look like an id/);
  await wrong('segments', { name: 'x', filters: [['segment', 'nowhere']] }, /^\/filters\/0\/1: there is no segment 'nowhere'/);
  await wrong('segments', { name: 'x', filters: [['exists', 'user']], visibility: 'all' }, /project or personal/);
});

test('a viewer reads and an analyst writes; nothing of another project is found', async () => {
  const { id } = await make('segments', { name: 'DACH', filters: [['is', 'country', ['DE', 'AT', 'CH']]] });
  await client.must(200, 'GET', `${P}/segments/${id}`, { as: viewer });
  for (const [method, tail, body] of [['POST', '', { name: 'v', filters: [['exists', 'user']] }], ['PATCH', `/${id}`, { name: 'v' }], ['DELETE', `/${id}`]]) await refused(403, /definitions:write/, method, `${P}/segments${tail}`, { as: viewer, body });
  const F = `/v1/projects/${foreign.id}`;
  await refused(404, null, 'GET', `${F}/segments/${id}`, { as: outsider });
  await refused(404, null, 'PATCH', `${F}/segments/${id}`, { as: outsider, body: { name: 'mine' } });
  await refused(404, null, 'DELETE', `${F}/segments/${id}`, { as: outsider });
  for (const name of [id, 'DACH']) await refused(400, /^\/filters\/0\/1: there is no segment/, 'POST', `${F}/query`, { as: outsider, body: { metrics: ['visitors'], date_range: '7d', filters: [['segment', name]] } });
  await refused(400, /no segment/, 'POST', `${F}/segments`, { as: outsider, body: { name: 'x', filters: [['segment', id]] } });
  assert.deepEqual((await client.must(200, 'GET', `${F}/segments`, { as: outsider })).data, []);
});

test("a personal segment is its owner's, beside one of the project of the same name", async () => {
  const shared = await make('segments', { name: 'Mine', filters: [['is', 'country', ['DE']]] });
  const own = await make('segments', { name: 'Mine', filters: [['is', 'country', ['US']]], visibility: 'personal' });
  await make('segments', { name: 'Mine', filters: [['is', 'country', ['AT']]], visibility: 'personal' }, second);
  const list = async (as) => (await client.must(200, 'GET', `${P}/segments`, { as })).data.filter((x) => x.name === 'Mine').map((x) => x.filters[0][2][0]);
  assert.deepEqual([await list(analyst), await list(second), await list(viewer), await list({ key: s.keys.secret_key })], [['DE', 'US'], ['DE', 'AT'], ['DE'], ['DE']]);
  for (const [method, body] of [['GET'], ['PATCH', { name: 'x' }], ['DELETE']]) await refused(404, null, method, `${P}/segments/${own.id}`, { as: second, body });
  await refused(400, /there is no segment/, 'POST', `${P}/query`, { as: second, body: { metrics: ['visitors'], date_range: '7d', filters: [['segment', own.id]] } });
  await load([{ id: randomUUID(), timestamp: Date.now() - 1000, visitor: 1, event: 'pageview', country: 'US' }], []);
  const visitors = async (as) => (await ask({ metrics: ['visitors'], date_range: '7d', filters: [['segment', 'Mine']] }, as)).json.results[0].metrics[0];
  assert.deepEqual([await visitors(analyst), await visitors(second), await visitors(viewer)], [1, 0, 0], "one's own goes first");
  await client.must(200, 'PATCH', `${P}/segments/${shared.id}`, { as: analyst, body: { name: 'Ours' } });
  assert.equal((await client.must(200, 'PATCH', `${P}/segments/${own.id}`, { as: analyst, body: { visibility: 'project' } })).visibility, 'project');
});

test('a segment never comes to hold itself, and limits hold behind names', async () => {
  const a = await make('segments', { name: 'A', filters: [['is', 'country', ['DE']]] });
  const b = await make('segments', { name: 'B', filters: [['segment', a.id]] });
  for (const filters of [[['segment', 'A']], [['segment', b.id]], [['not', ['segment', 'B']]]]) await refused(400, /hold itself/, 'PATCH', `${P}/segments/${a.id}`, { as: analyst, body: { filters } });
  let last = b.id;
  for (let i = 0; i < 5; i++) last = (await make('segments', { name: `deep ${i}`, filters: [['segment', last]] })).id;
  await refused(400, /^\/filters\/0\/1\/1 \(segment '[0-9a-f-]+'\)\/filters\/0: filters go deeper than 8$/, 'POST', `${P}/segments`, { as: analyst, body: { name: 'too deep', filters: [['not', ['segment', last]]] } });
  const wide = await make('segments', { name: 'wide', filters: Array.from({ length: 25 }, (_, i) => ['is', 'country', [`${i}`]]) });
  await refused(400, /more than 60 filters/, 'POST', `${P}/query`, { as: analyst, body: { metrics: ['visitors'], date_range: '7d', filters: [['segment', wide.id], ['segment', wide.id], ['segment', wide.id]] } });
});

test('each change is an event of the audit log, with before and after', async () => {
  const marked = (id) => ({ 'x-request-id': id });
  const ids = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const g = await client.call('POST', `${P}/goals`, { as: analyst, body: { name: 'audited', filters: [['exists', 'user']] }, headers: marked(ids[0]) });
  await client.call('PATCH', `${P}/goals/${g.json.id}`, { as: second, body: { name: 'renamed' }, headers: marked(ids[1]) });
  await refused(400, null, 'PATCH', `${P}/goals/${g.json.id}`, { as: second, body: { filters: [['x']] }, headers: marked(ids[2]) });
  await client.call('DELETE', `${P}/goals/${g.json.id}`, { as: owner, headers: marked(ids[3]) });
  const events = await until('the events', async () => { const all = await auditEvents(s); return all.some((e) => e.request_id === ids[3]) && all; });
  const of = (id) => events.filter((e) => e.request_id === id).map((e) => [e.service, e.action, e.org, e.authid, e.resource.id, e.before?.name, e.after?.name]);
  assert.deepEqual(ids.map(of), [[['analytics', 'goal.create', org, analyst.id, g.json.id, undefined, 'audited']], [['analytics', 'goal.update', org, second.id, g.json.id, 'audited', 'renamed']], [], [['analytics', 'goal.remove', org, owner.id, g.json.id, 'renamed', undefined]]]);
});

test('a command lists, shows and removes, with its event', async () => {
  const g = await make('goals', { name: 'by command', filters: [['exists', 'user']] });
  const command = (...args) => weir(['definition', ...args, '--data', s.data, '--json']);
  const list = await command('ls', 'goals', '--project', project);
  assert.equal(list.code, 0, list.err);
  assert.deepEqual(list.json.find((x) => x.id === g.id), g);
  assert.deepEqual((await command('show', 'goals', g.id)).json, g);
  const removed = await command('remove', 'goals', g.id, '--reason', 'not needed');
  assert.deepEqual([removed.code, removed.json], [0, { id: g.id }], removed.err);
  await refused(404, null, 'GET', `${P}/goals/${g.id}`, { as: analyst });
  const e = await until('the event', async () => (await auditEvents(s)).find((x) => x.action === 'goal.remove' && x.resource.id === g.id));
  assert.deepEqual([e.authid, e.reason, e.before.name], ['cli', 'not needed', 'by command']);
  for (const [args, part] of [[['show', 'goals', g.id], /no such goal/], [['ls', 'things', '--project', project], /goals, segments/]]) { const r = await command(...args); assert.notEqual(r.code, 0); assert.match(r.err, part); }
});

// ---- used ----
for (let round = 0; round < rounds; round++) {
  test(`goals and segments in questions, history of seed ${firstSeed + round}`, async () => {
    const r = chanceOf(firstSeed + round), now = Date.now(), data = history(r, now - 1000), told = `seed ${firstSeed + round}`;
    await load(data.events, data.visits);
    const ofVisits = [['source', ['Google', '']], ['channel', ['Direct', 'Email']], ['country', ['DE', 'US']]];
    const segments = [], goals = [];
    for (let i = 0; i < 3; i++) {
      const filters = [filterOf(r, r.chance(0.3) ? ofVisits : ofEvents), ...(segments.length && r.chance(0.4) ? [r.pick([['segment', r.pick(segments).id], ['not', ['segment', r.pick(segments).name]]])] : [])];
      segments.push(await make('segments', { name: `s${firstSeed + round}.${i}`, filters }));
      goals.push(await make('goals', { name: `g${firstSeed + round}.${i}`, filters: [filterOf(r, ofEvents)], ...(r.chance(0.5) ? { revenue: { property: 'property:amount', currency: 'EUR' } } : {}) }));
    }
    const stored = { segments, goals, cohorts: [] };
    const range = [model.dayText(Math.floor(now / DAY) - 5 - r.below(5)), model.dayText(Math.floor(now / DAY) - r.below(4))];
    const name = (x) => r.pick([x.id, x.name]);
    const filters = () => [r.pick([['segment', name(r.pick(segments))], ['not', ['segment', name(r.pick(segments))]], ['or', [['segment', name(r.pick(segments))], filterOf(r, ofEvents)]]])];
    for (let i = 0; i < 4; i++) {
      await compare(told, data, { metrics: ['visitors', 'events', 'pageviews'], date_range: range, filters: filters(), dimensions: r.pick([[], ['country'], ['source']]) }, stored);
      await compare(told, data, { metrics: ['visitors', 'conversion_rate', 'events', 'total_revenue', 'average_revenue'], date_range: range, goal: r.pick([(g) => g.name, (g) => g.id, (g) => ({ id: g.id })])(r.pick(goals)), dimensions: r.pick([[], ['country']]), ...(r.chance(0.3) ? { filters: filters() } : {}) }, stored);
      await compare(told, data, { report: 'attribution', date_range: range, goal: name(r.pick(goals)), dimensions: ['source'], models: ['linear', 'last_non_direct'] }, stored);
      await compare(told, data, { report: 'funnel', date_range: range, steps: [{ goal: name(r.pick(goals)) }, { goal: name(r.pick(goals)), filters: [filterOf(r, ofEvents)] }] }, stored);
    }
  });
}

const removeGoals = async () => { for (let page; !page || page.data.length;) { page = await client.must(200, 'GET', `${P}/goals`, { as: analyst }); for (const g of page.data) await client.call('DELETE', `${P}/goals/${g.id}`, { as: analyst }); } };
const plausible = (q) => s.fetch('/api/v2/query', { method: 'POST', headers: { authorization: `Bearer ${s.keys.secret_key}` }, body: JSON.stringify({ site_id: project, ...q }) }).finally(() => { answeredAt = Date.now(); });
for (let round = 0; round < rounds; round++) {
  test(`all goals in one answer, history of seed ${firstSeed + round}`, async () => {
    const seed = firstSeed + round, r = chanceOf(seed + 3000), now = Date.now(), data = history(r, now - 1000), range = [model.dayText(Math.floor(now / DAY) - 8), model.dayText(Math.floor(now / DAY) - r.below(3))];
    await load(data.events, data.visits);
    await removeGoals();
    const goals = [];
    for (let i = 0; i < 4; i++) goals.push(await make('goals', { name: `d${seed}.${i}`, filters: [filterOf(r, ofEvents)] }));
    const stored = { segments: [], goals, cohorts: [] }, metrics = ['visitors', 'events', 'conversion_rate', 'pageviews'];
    const rowsOf = (list, more = {}) => list.map((g) => ({ dimensions: [g.name], metrics: model.breakdown(data, expand({ metrics, date_range: range, goal: g.id, ...more }, stored, { data, zone: 'UTC', now })).results[0].metrics })).filter((x) => x.metrics[1] > 0);
    const byName = (a, b) => (a.dimensions[0] < b.dimensions[0] ? -1 : 1), near = (got, want, told) => { if (!same(got, want)) assert.deepEqual(got, want, told); };
    const more = r.chance(0.5) ? { filters: [filterOf(r, ofEvents)] } : {};
    const all = await ask({ metrics, date_range: range, dimensions: ['goal'], ...more });
    assert.equal(all.status, 200, all.text);
    near(all.json.results.sort(byName), rowsOf(goals, more), `seed ${seed} ${JSON.stringify([more, goals])}`);
    // Plausible's words: all of them, those that are named, and one by one
    const theirs = async (q) => { const a = await plausible({ metrics: ['visitors', 'events', 'conversion_rate'], date_range: range, ...q }); assert.equal(a.status, 200, a.text); return a.json.results.sort(byName); };
    const rounded = (rows) => rows.map((x) => ({ metrics: [x.metrics[0], x.metrics[1], Math.round(x.metrics[2] * 100) / 100], dimensions: x.dimensions }));
    near(await theirs({ dimensions: ['event:goal'] }), rounded(rowsOf(goals)), `seed ${seed}`);
    const some = [goals[0], goals[2]];
    near(await theirs({ dimensions: ['event:goal'], filters: [['is', 'event:goal', [goals[0].name, goals[2].name, goals[0].name]]] }), rounded(rowsOf(some)), `seed ${seed}`);
    near(await theirs({ dimensions: ['event:goal'], filters: [['contains', 'event:goal', ['.1']]] }), rounded(rowsOf([goals[1]])), `seed ${seed}`);
    const either = model.breakdown(data, { metrics, date_range: range, goal: [['or', some.map((g) => ['and', g.filters])]] }).results[0].metrics;
    near(await theirs({ filters: [['is', 'event:goal', some.map((g) => g.name)]] }), rounded([{ dimensions: [], metrics: either }]), `seed ${seed}`);
  });
}

test("Plausible's goals are stored ones, else events; its segments are ours", async () => {
  await removeGoals();
  const at = (ms, more) => ({ id: randomUUID(), timestamp: Date.now() - ms, visitor: 1, kind: '', event: 'pageview', user_id: '', page_path: '/', country: '', browser_name: 'Firefox', bot: '', properties: null, ...more });
  await load([at(9000, { event: 'Signup', properties: { amount: 5 } }), at(8000, { event: 'Buy', visitor: 2, country: 'DE' }), at(7000, { visitor: 3, page_path: '/thanks' }), at(6000, { visitor: 4 })], []);
  const rows = async (q) => { const a = await plausible({ date_range: '7d', ...q }); assert.equal(a.status, 200, a.text); return a.json.results; };
  assert.deepEqual((await rows({ metrics: ['visitors'], dimensions: ['event:goal'], order_by: [['event:goal', 'asc']] })), [{ metrics: [1], dimensions: ['Buy'] }, { metrics: [1], dimensions: ['Signup'] }], 'no goal is stored: events');
  await make('goals', { name: 'Visit /thanks', filters: [['is', 'page', ['/thanks']]] });
  await make('goals', { name: 'Signup', filters: [['is', 'event', ['Signup']]], revenue: { property: 'property:amount', currency: 'EUR' } });
  assert.deepEqual(await rows({ metrics: ['visitors', 'conversion_rate'], dimensions: ['event:goal'], order_by: [['event:goal', 'asc']] }), [{ metrics: [1, 25], dimensions: ['Signup'] }, { metrics: [1, 25], dimensions: ['Visit /thanks'] }]);
  assert.deepEqual(await rows({ metrics: ['visitors', 'conversion_rate'], filters: [['is', 'event:goal', ['Visit /thanks', 'Buy']]] }), [{ metrics: [2, 50], dimensions: [] }], 'a stored one, and an event');
  assert.deepEqual(await rows({ metrics: ['visitors'], dimensions: ['event:goal'], filters: [['is', 'event:goal', ['Visit /thanks', 'Buy']]], order_by: [['event:goal', 'asc']] }), [{ metrics: [1], dimensions: ['Buy'] }, { metrics: [1], dimensions: ['Visit /thanks'] }]);
  assert.deepEqual((await rows({ metrics: ['total_revenue'], filters: [['is', 'event:goal', ['Signup']]] }))[0].metrics, [{ value: 5, currency: 'EUR', short: 'EUR 5', long: 'EUR 5' }]);
  assert.deepEqual(await rows({ metrics: ['visitors'], filters: [['not', ['is', 'event:goal', ['Visit /thanks']]]] }), [{ metrics: [3], dimensions: [] }]);
  const segment = await make('segments', { name: 'of Plausible', filters: [['is', 'country', ['DE']]] });
  assert.deepEqual(await rows({ metrics: ['visitors'], filters: [['is', 'segment', [segment.id]]] }), [{ metrics: [1], dimensions: [] }]);
  assert.deepEqual(await rows({ metrics: ['visitors'], filters: [['is_not', 'segment', ['of Plausible']]] }), [{ metrics: [3], dimensions: [] }]);
  for (const [q, part] of [[{ filters: [['is', 'segment', [77]]] }, /there is no segment '77'/], [{ filters: [['contains', 'segment', ['x']]] }, /segment/], [{ filters: [['is', 'event:goal', []]] }, /event:goal/]]) {
    const a = await plausible({ metrics: ['visitors'], date_range: '7d', ...q });
    assert.equal(a.status, 400, a.text);
    assert.match(a.json.error, part);
  }
});

// ---- cohorts ----
const zones = ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns', 'Pacific/Kiritimati'];
const day = (now, back) => model.dayText(Math.floor(now / DAY) - back);
function period(r, now) {
  const back = r.below(12);
  return r.pick([{ days: 1 + r.below(10) }, { range: [day(now, back), day(now, r.below(back + 1))] }, { range: [now - (1 + r.below(10)) * DAY, now - r.below(DAY)].map((t) => new Date(t).toISOString()) }]);
}
function conditionOf(r, now, goals, depth = 0) {
  if (depth < 2 && r.chance(0.25)) return r.pick([{ not: conditionOf(r, now, goals, depth + 1) }, { any: [conditionOf(r, now, goals, depth + 1), conditionOf(r, now, goals, depth + 1)] }, { all: [conditionOf(r, now, goals, depth + 1)] }]);
  const what = r.pick([{ event: r.pick(['pageview', 'signup', 'buy']) }, { filters: [filterOf(r, ofEvents)] }, { event: 'pageview', filters: [filterOf(r, ofEvents)] }, { filters: [['is', 'kind', ['engagement']]] }, ...(goals.length ? [{ goal: r.pick(goals).id }] : [])]);
  const times = r.pick([{}, {}, { at_least: 2 }, { at_least: 1, at_most: 2 }]);
  return r.pick([{ did: what, ...times, ...(r.chance(0.7) ? period(r, now) : {}) }, { did_not: what, ...(r.chance(0.7) ? period(r, now) : {}) }, { first_did: what, ...period(r, now) }, { latest: [filterOf(r, ofEvents)] }]);
}
async function everybody(cohort, query = '') {
  const list = [];
  for (let cursor = null, first = true; first || cursor !== null; first = false) {
    const page = await client.must(200, 'GET', `${P}/cohorts/${cohort.id}/members?limit=2${query}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`, { as: viewer });
    list.push(...page.data.map((x) => x.user_id ?? (x.person_id ? BigInt(`0x${x.person_id}`) : Number(x.visitor))));
    cursor = page.next;
  }
  return list;
}
for (let round = 0; round < rounds; round++) {
  test(`cohorts: who is in them, and questions about them, history of seed ${firstSeed + round}`, async () => {
    const seed = firstSeed + round, r = chanceOf(seed + 7000), now = Date.now(), data = history(r, now - 1000), told = `seed ${seed}`;
    await load(data.events, data.visits, data.owners);
    const goals = [await make('goals', { name: `cg${seed}`, filters: [filterOf(r, ofEvents)] })], cohorts = [];
    for (let i = 0; i < 5; i++) cohorts.push(await make('cohorts', { name: `c${seed}.${i}`, count_by: r.pick(['visitors', 'users', 'persons', 'persons']), conditions: Array.from({ length: 1 + r.below(2) }, () => conditionOf(r, now, goals)) }));
    const listed = ['u0', 'u2', 'u9', 'u2'], stored = { segments: [], goals, cohorts };
    const list = await make('cohorts', { name: `list${seed}`, members: listed });
    assert.deepEqual([list.size, list.count_by, list.conditions], [3, 'users', null]);
    cohorts.push({ ...list, people: [...new Set(listed)] });
    const segment = await make('segments', { name: `cs${seed}`, filters: [['not', ['cohort', cohorts[0].name]]] });
    stored.segments.push(segment);
    const number = (x) => BigInt(hashOf[x] ?? x); // of a person
    for (const c of cohorts) {
      const is = membersOf(c, stored, { data, zone: 'UTC', now: Date.now() });
      const want = c.count_by === 'persons' ? is.map(number).sort((a, b) => (a < b ? -1 : 1)) : is;
      assert.deepEqual(await everybody(c), want, `${told}: ${JSON.stringify(c)}`);
      assert.equal((await client.must(200, 'GET', `${P}/cohorts/${c.id}/count`, { as: viewer })).count, want.length, `${told}: ${JSON.stringify(c)}`);
    }
    const snapped = await client.must(201, 'POST', `${P}/cohorts/${cohorts[1].id}/snapshot`, { as: analyst, body: { name: `snapshot${seed}` } });
    const people = membersOf(cohorts[1], stored, { data, zone: 'UTC', now: Date.now() });
    assert.deepEqual([snapped.size, snapped.count_by, snapped.conditions], [people.length, cohorts[1].count_by, null]);
    cohorts.push({ ...snapped, people });
    const range = [day(now, 4 + r.below(6)), day(now, r.below(4))], name = () => { const c = r.pick(cohorts); return r.pick([c.id, c.name]); };
    const one = () => r.pick([['cohort', name()], ['not', ['cohort', name()]], ['segment', segment.id], ['or', [['cohort', name()], filterOf(r, ofEvents)]]]);
    for (let i = 0; i < 5; i++) {
      const common = { date_range: range, timezone: r.pick(zones), filters: [one()], ...(r.chance(0.2) ? { bots: 'include' } : {}) };
      await compare(told, data, { ...common, metrics: ['visitors', 'users', 'events', 'visits', 'bounce_rate'], dimensions: r.pick([[], ['country'], ['source'], ['time:day']]), ...(r.chance(0.3) ? { include: { compare: 'previous_period' } } : {}) }, stored);
      const more = r.pick([{ report: 'funnel', steps: [{ event: 'pageview' }, { filters: [['cohort', name()]] }] }, { report: 'retention', start: [['cohort', name()]] }]);
      await compare(told, data, { ...common, ...more, ...r.pick([{}, { count_by: 'users' }, { count_by: 'persons' }]) }, stored);
    }
    if (snapped.count_by !== 'persons') return;
    // whoever was kept by a number is found by what it has become
    const [from, to] = [101, 104], became = Object.fromEntries(Object.entries({ [from]: from, ...data.owners }).map(([id, p]) => [id, p === from ? to : p]));
    await load(data.events, data.visits, became);
    assert.deepEqual(await everybody(snapped), people.map((p) => number(p === from ? to : p)).sort((a, b) => (a < b ? -1 : 1)));
  });
}

test('a mistake in a cohort is told with its place; it is not made of cohorts', async () => {
  const wrong = (body, part) => refused(400, part, 'POST', `${P}/cohorts`, { as: analyst, body: { name: 'x', ...body } });
  await wrong({}, /^\/conditions: they are needed, or members/);
  await wrong({ conditions: [] }, /^\/conditions: give an array/);
  await wrong({ conditions: [{ done: {} }] }, /^\/conditions\/0: give an object with did/);
  await wrong({ conditions: [{ did: { event: 'a' }, day: 3 }] }, /^\/conditions\/0: has no member 'day'/);
  await wrong({ conditions: [{ did: {} }] }, /^\/conditions\/0\/did: say which events/);
  await wrong({ conditions: [{ did: { event: 'a' }, days: 0 }] }, /^\/conditions\/0\/days/);
  await wrong({ conditions: [{ did: { event: 'a' }, at_least: 3, at_most: 2 }] }, /^\/conditions\/0\/at_most/);
  await wrong({ conditions: [{ first_did: { event: 'a' } }] }, /^\/conditions\/0: say when/);
  await wrong({ conditions: [{ did: { event: 'a' }, days: 3, range: [] }] }, /^\/conditions\/0\/range: give days or a range/);
  await wrong({ conditions: [{ any: [{ not: { all: [{ did: { event: 'a' } }] } }] }] }, /deeper/);
  await wrong({ conditions: [{ latest: [['is', 'source', ['x']]] }] }, /^\/conditions\/0\/latest: a cohort asks for something of events/);
  await wrong({ conditions: [{ latest: [['has_done', ['is', 'event', ['x']]]] }] }, /conditions of its own/);
  const c = await make('cohorts', { name: 'base', conditions: [{ did: { event: 'a' } }] });
  await wrong({ conditions: [{ latest: [['not', ['cohort', c.id]]] }] }, /not made of cohorts/);
  const s2 = await make('segments', { name: 'of a cohort', filters: [['cohort', c.id]] });
  await wrong({ conditions: [{ did: { filters: [['segment', s2.id]] } }] }, /not made of cohorts/);
  await wrong({ members: [] }, /^\/members: give 1 to/);
  await wrong({ members: ['a', 7] }, /^\/members\/1/);
  await wrong({ members: ['a'], conditions: [{ did: { event: 'a' } }] }, /name and members only/);
  await wrong({ members: ['a'], count_by: 'visitors' }, /^\/count_by/);
  await wrong({ members: ['a'], count_by: 'persons' }, /^\/count_by/);
  await wrong({ count_by: 'groups', conditions: [{ did: { event: 'a' } }] }, /"count_by": give visitors, users or persons/);
  await refused(400, /^\/count_by/, 'PATCH', `${P}/cohorts/${c.id}`, { as: analyst, body: { count_by: 'users' } });
  const list = await make('cohorts', { name: 'a list', members: ['a'] });
  await refused(409, /not both/, 'PATCH', `${P}/cohorts/${list.id}`, { as: analyst, body: { conditions: [{ did: { event: 'a' } }] } });
  await refused(404, null, 'GET', `/v1/projects/${foreign.id}/cohorts/${c.id}/members`, { as: outsider });
  await refused(404, null, 'POST', `/v1/projects/${foreign.id}/cohorts/${list.id}/snapshot`, { as: outsider, body: { name: 'mine' } });
  await refused(403, /definitions:write/, 'POST', `${P}/cohorts/${c.id}/snapshot`, { as: viewer, body: { name: 'x' } });
  await refused(400, /cursor/, 'GET', `${P}/cohorts/${c.id}/members?cursor=x`, { as: viewer });
});

test('a list is as long as it may be, and the store gets its copy again', async () => {
  const all = Array.from({ length: 50000 }, (_, i) => `user-${String(i).padStart(6, '0')}`);
  const list = await make('cohorts', { name: 'long', members: all });
  await refused(400, /1 to 50000/, 'POST', `${P}/cohorts`, { as: analyst, body: { name: 'too long', members: [...all, 'more'] } });
  const events = ['user-000000', 'user-049999', 'stranger'].map((user_id, i) => ({ id: randomUUID(), timestamp: Date.now() - 5000, visitor: i + 1, event: 'pageview', user_id }));
  await load(events, []);
  const count = async () => (await ask({ metrics: ['visitors'], date_range: '7d', filters: [['cohort', list.id]] })).json.results[0].metrics[0];
  assert.equal(await count(), 2);
  assert.equal((await s.storeExec('TRUNCATE TABLE cohort_members')).status, 200);
  assert.equal(await count(), 2, 'as after the store was made anew');
  assert.equal((await s.rows(`SELECT count() AS n FROM cohort_members WHERE list = '${list.list_id}'`))[0].n.toString(), '50000');
  assert.equal(await count(), 2);
  assert.equal((await s.rows(`SELECT count() AS n FROM cohort_members WHERE list = '${list.list_id}'`))[0].n.toString(), '50000', 'copied once');
  assert.equal((await client.call('DELETE', `${P}/cohorts/${list.id}`, { as: analyst })).status, 204);
  await refused(400, /there is no cohort/, 'POST', `${P}/query`, { as: analyst, body: { metrics: ['visitors'], date_range: '7d', filters: [['cohort', list.id]] } });
});

test('annotations stand at days or moments, and are listed by day', async () => {
  const at = async (when, text, more = {}) => (await make('annotations', { at: when, text, ...more })).id;
  const a = await at('2026-03-01', 'launch', { kind: 'release', colour: '#2f80ed' }), b = await at('2026-03-02T00:30:00+01:00', 'outage'), c = await at('2026-03-02', 'mended');
  const list = async (query) => (await client.must(200, 'GET', `${P}/annotations${query}`, { as: viewer })).data.map((x) => x.text);
  assert.deepEqual(await list(''), ['launch', 'outage', 'mended']);
  assert.deepEqual(await list('?from=2026-03-01&to=2026-03-01'), ['launch', 'outage'], '23:30 of the first, in UTC');
  assert.deepEqual([await list('?from=2026-03-02'), await list('?to=2026-02-28'), await list(`?after=${b}`)], [['mended'], [], ['mended']]);
  const shown = await client.must(200, 'GET', `${P}/annotations/${b}`, { as: viewer });
  assert.deepEqual([shown.at, shown.kind, shown.colour, shown.version], ['2026-03-01T23:30:00.000Z', '', '', 1]);
  assert.equal((await client.must(200, 'PATCH', `${P}/annotations/${c}`, { as: analyst, body: { text: 'really mended' } })).text, 'really mended');
  for (const [body, part] of [[{ text: 'x' }, /^\/at: it is needed/], [{ at: 'yesterday', text: 'x' }, /"at" must be a day/], [{ at: '2026-02-30', text: 'x' }, /"at"/], [{ at: '2026-03-01', text: '' }, /"text"/], [{ at: '2026-03-01', text: 'x', colour: 'red' }, /"colour"/], [{ at: '2026-03-01', text: 'x', kind: 'A B' }, /"kind"/]]) await refused(400, part, 'POST', `${P}/annotations`, { as: analyst, body });
  await refused(400, /^from: give a day/, 'GET', `${P}/annotations?from=now`, { as: viewer });
  await refused(403, /definitions:write/, 'POST', `${P}/annotations`, { as: viewer, body: { at: '2026-03-01', text: 'x' } });
  await refused(404, null, 'GET', `/v1/projects/${foreign.id}/annotations/${a}`, { as: outsider });
});

test('a saved report is asked by its id, with a range, a zone and further filters over it', async () => {
  const now = Date.now(), events = [['DE', '/'], ['DE', '/a'], ['US', '/']].map(([country, page_path], i) => ({ id: randomUUID(), timestamp: now - i * DAY - 5000, visitor: i + 1, event: 'pageview', country, page_path, browser_name: 'Firefox' }));
  await load(events, []);
  const segment = await make('segments', { name: 'report home', filters: [['is', 'page', ['/', '/a']]] });
  const question = { metrics: ['visitors', 'pageviews'], date_range: '30d', dimensions: ['country'], filters: [['segment', segment.id]] };
  const report = await make('reports', { name: 'Countries', question });
  assert.deepEqual([report.question, report.version], [question, 1]);
  const run = async (body, as = viewer) => client.call('POST', `${P}/reports/${report.id}/run`, { as, body });
  const plain = await run();
  assert.equal(plain.status, 200, plain.text);
  assert.deepEqual(plain.json.results, (await ask(question)).json.results);
  assert.deepEqual(plain.json.results, [{ dimensions: ['DE'], metrics: [2, 2] }, { dimensions: ['US'], metrics: [1, 1] }]);
  const today = await run({ date_range: 'day', timezone: 'Asia/Kathmandu', filters: [['is', 'country', ['DE']]], include: { total_rows: true } });
  assert.deepEqual([today.json.query.timezone, today.json.meta.total_rows ?? 0], ['Asia/Kathmandu', today.json.results.length]);
  assert.deepEqual(today.json.results, (await ask({ ...question, date_range: 'day', timezone: 'Asia/Kathmandu', filters: [...question.filters, ['is', 'country', ['DE']]] })).json.results);
  assert.deepEqual((await run({ filters: [['is', 'country', ['US']]] })).json.results, [{ dimensions: ['US'], metrics: [1, 1] }]);
  const first = await run({ limit: 1 });
  assert.deepEqual([first.json.results.length, (await run({ limit: 1, cursor: first.json.meta.next_cursor })).json.results], [1, [{ dimensions: ['US'], metrics: [1, 1] }]]);
  const csv = await client.call('POST', `${P}/reports/${report.id}/run?format=csv`, { as: viewer });
  assert.equal(csv.text, 'country,visitors,pageviews\r\nDE,2,2\r\nUS,1,1\r\n');
  for (const [body, part] of [[{ metrics: ['visits'] }, /has no member 'metrics'/], [{ filters: {} }, /^\/filters: give an array/], [{ date_range: 'x' }, /^\/date_range/], ['{', /is no JSON/]]) await refused(400, part, 'POST', `${P}/reports/${report.id}/run`, { as: viewer, body });
  await refused(404, /there is no report/, 'POST', `${P}/reports/${randomUUID()}/run`, { as: viewer });
  await refused(404, null, 'POST', `/v1/projects/${foreign.id}/reports/${report.id}/run`, { as: outsider });
  const wrong = (q, part) => refused(400, part, 'POST', `${P}/reports`, { as: analyst, body: { name: 'x', question: q } });
  await wrong({ metrics: ['visitors'] }, /^\/question\/date_range/);
  await wrong({ metrics: ['visitors'], date_range: '7d', filters: [['is', 'x', [1]]] }, /^\/question\/filters\/0\/1: 'x' is not known/);
  await wrong({ metrics: ['visitors'], date_range: '7d', more: 1 }, /^\/question: .*has no member 'more'/);
  await wrong('x', /^\/question/);
  await wrong({ report: 'funnel', date_range: '7d', steps: [{ goal: 'nowhere' }, { event: 'x' }] }, /^\/question\/steps\/0\/goal: there is no goal/);
  const funnel = await make('reports', { name: 'A funnel', question: { report: 'funnel', date_range: '7d', steps: [{ event: 'pageview' }, { event: 'signup' }] } });
  assert.equal((await client.must(200, 'POST', `${P}/reports/${funnel.id}/run`, { as: viewer })).results[0].steps.length, 2);
  await client.call('DELETE', `${P}/segments/${segment.id}`, { as: analyst });
  await refused(400, /^\/filters\/0\/1: there is no segment/, 'POST', `${P}/reports/${report.id}/run`, { as: viewer });
});

test('the statements are shown with what names stand for, and nothing of it in them', async () => {
  await make('segments', { name: "Quote'", filters: [['is', 'page', ["/x' OR 1=1"]]] });
  const r = await client.must(200, 'POST', `${P}/query/sql`, { as: analyst, body: { metrics: ['visitors'], date_range: '7d', filters: [['segment', "Quote'"]] } });
  assert.ok(!r.statements.join().includes('OR 1=1') && !r.statements.join().includes('Quote'));
  assert.ok(Object.values(r.parameters).some((v) => v.includes('OR 1=1') || v.includes('OR%201=1')), JSON.stringify(r.parameters));
});
// ---- shared links ----
const share = (body, as = owner) => client.must(201, 'POST', `${P}/shares`, { as, body });
const tryOpen = (link, password) => client.call('POST', '/v1/shares/open', { body: { link, ...(password === undefined ? {} : { password }) } });
const visitOf = async (link, password) => { const r = await tryOpen(link, password); assert.equal(r.status, 200, r.text); return { token: r.json.visit }; };
const EVERY_PAGE = ['overview', 'funnel', 'retention', 'paths', 'vitals'];
for (let round = 0; round < rounds; round++) {
  test(`a shared link shows the numbers behind its own filters, history of seed ${firstSeed + round}`, async () => {
    const seed = firstSeed + round, r = chanceOf(seed + 9000), now = Date.now(), data = history(r, now - 1000);
    await load(data.events, data.visits);
    const open = ofEvents.filter(([field]) => ['event', 'page', 'country'].includes(field));
    const segment = await make('segments', { name: `shared${seed}`, filters: [filterOf(r, ofEvents)] }), stored = { segments: [segment], goals: [], cohorts: [] };
    const range = [model.dayText(Math.floor(now / DAY) - 8), model.dayText(Math.floor(now / DAY) - r.below(3))];
    for (let i = 0; i < 4; i++) {
      const own = r.pick([[filterOf(r, ofEvents)], [['segment', segment.id]], [filterOf(r, ofEvents), ['not', ['segment', segment.name]]], [['has_done', filterOf(r, ofEvents)]]]);
      const as = await visitOf((await share({ name: `walk ${seed}.${i}`, filters: own, pages: EVERY_PAGE })).link);
      for (let k = 0; k < 3; k++) {
        const filters = r.chance(0.6) ? [filterOf(r, open)] : [];
        const q = r.pick([{ metrics: ['visitors', 'events', 'visits', 'bounce_rate'], dimensions: r.pick([[], ['country'], ['source'], ['time:day']]) }, { metrics: ['visitors', 'conversion_rate'], goal: [filterOf(r, open)], dimensions: r.pick([[], ['page']]) }, { report: 'funnel', steps: [{ event: 'pageview' }, { filters: [filterOf(r, open)] }] }, { report: 'retention', start: [filterOf(r, open)] }]);
        const answer = await ask({ ...q, date_range: range, filters }, as), told = `seed ${seed} ${JSON.stringify([own, q, filters])}`;
        assert.equal(answer.status, 200, `${told}: ${answer.text}`);
        const want = model[q.report ?? 'breakdown'](data, expand({ ...q, date_range: range, filters: [...own, ...filters] }, stored, { data, zone: 'UTC', now })).results;
        if (!same(answer.json.results, want)) assert.deepEqual(answer.json.results, want, told);
        assert.deepEqual(answer.json.query.filters ?? [], filters, 'what it is bound to is not told');
      }
    }
  });
}

test('a shared link tells nothing of persons, properties and names, and no reports that it does not show', async () => {
  await make('segments', { name: 'known', filters: [['is', 'country', ['DE']]] });
  await make('goals', { name: 'known', filters: [['is', 'event', ['signup']]] });
  const { link, id } = await share({ name: 'small' });
  const as = await visitOf(link), B = { metrics: ['visitors'], date_range: '7d' };
  assert.equal((await ask(B, as)).status, 200);
  const no = async (q, part = /shared link/) => { const r = await ask({ ...B, ...q }, as); assert.equal(r.status, 400, JSON.stringify(q) + r.text); assert.match(r.json.detail, part, JSON.stringify(q)); };
  for (const field of ['user', 'click_id', 'bot', 'currency', 'property:plan', 'person:email', 'group:company', 'group_trait:company:tier', 'goal']) {
    await no({ dimensions: [field] });
    if (field !== 'goal') for (const wrap of [(f) => f, (f) => ['not', f], (f) => ['or', [f]]]) await no({ filters: [wrap(['is', field, ['x']])] });
  }
  for (const f of [['segment', 'known'], ['cohort', 'known'], ['has_done', ['is', 'page', ['/']]], ['has_not_done', ['is', 'page', ['/']]]]) await no({ filters: [f] });
  await no({ goal: 'known' });
  await no({ goal: [['is', 'user', ['u1']]] });
  for (const m of ['sum:property:amount', 'p50:property:amount', 'max:revenue', 'total_revenue', 'average_revenue']) await no({ metrics: [m] });
  await no({ include: { sql: true } });
  for (const report of ['funnel', 'retention', 'stickiness', 'lifecycle', 'paths', 'vitals', 'attribution']) await no({ report }, /the link does not show this report/);
  // Of a link without the overview: names of events and pages to choose from, and points of time; no more of breakdowns.
  const funnel = await visitOf((await share({ name: 'only funnels', pages: ['funnel'] })).link), F = { metrics: ['events'], date_range: '7d' };
  for (const [q, status] of [[{ dimensions: ['event'] }, 200], [{ dimensions: ['page'] }, 200], [{ dimensions: ['time:day'] }, 200], [{}, 400], [{ dimensions: ['country'] }, 400], [{ dimensions: ['event', 'page'] }, 400], [{ dimensions: ['page'], metrics: ['visitors'] }, 400], [{ dimensions: ['page'], goal: [['is', 'event', ['signup']]] }, 400], [{ report: 'retention', metrics: undefined }, 400]]) assert.equal((await ask({ ...F, ...q }, funnel)).status, status, JSON.stringify(q));
  assert.equal((await ask({ report: 'funnel', date_range: '7d', steps: [{ event: 'pageview' }, { event: 'signup' }] }, funnel)).status, 200);
  // What it may: the fields of the dashboard, annotations, another zone, as CSV.
  for (const field of ['page', 'entry_page', 'source', 'utm_campaign', 'country', 'city', 'browser', 'os', 'device', 'screen_class', 'locale', 'event', 'time:hour']) assert.equal((await ask({ ...B, dimensions: [field] }, as)).status, 200, field);
  assert.equal((await ask({ ...B, timezone: 'Asia/Kathmandu', include: { compare: 'previous_period', total_rows: true } }, as)).status, 200);
  assert.match((await client.call('POST', `${P}/query?format=csv`, { as, body: B })).text, /^visitors\r\n/);
  await make('annotations', { at: '2026-01-31', text: 'A launch' });
  assert.ok((await client.must(200, 'GET', `${P}/annotations`, { as })).data.some((a) => a.text === 'A launch'));
  for (const path of [`${P}/annotations/x`, `${P}/segments`, `${P}/shares`, `${P}/export`, `${P}/live`, `/projects/${project}/events`, '/v1/me', '/v1/orgs', `/v1/orgs/${org}/projects`]) await refused(403, null, 'GET', path, { as });
  await refused(404, null, 'POST', `/v1/projects/${foreign.id}/query`, { as, body: B });
  // More pages, at once; and none of them when it is revoked, on the same connection.
  await client.must(200, 'PATCH', `${P}/shares/${id}`, { as: owner, body: { pages: ['overview', 'retention'] } });
  assert.equal((await ask({ report: 'retention', date_range: '7d' }, as)).status, 200);
  assert.equal((await client.call('DELETE', `${P}/shares/${id}`, { as: owner })).status, 204);
  await refused(401, /revoked/, 'POST', `${P}/query`, { as, body: B });
  assert.equal((await tryOpen(link)).status, 404);
});

test('a shared link is kept like all that is stored: with a name, a version, and events without its text', async () => {
  const made = await share({ name: 'For the board', filters: [['is', 'country', ['DE']]], embed_origins: ['https://board.example'], expires_at: '2100-01-01T00:00:00Z' });
  assert.match(made.link, /^sh_[0-9A-Za-z]{32}$/);
  assert.deepEqual([made.pages, made.filters, made.has_password, made.embed_origins, made.expires_at, made.version], [['overview'], [['is', 'country', ['DE']]], false, ['https://board.example'], '2100-01-01T00:00:00.000Z', 1]);
  assert.deepEqual((await client.must(200, 'GET', `${P}/shares`, { as: owner })).data.find((x) => x.id === made.id), made, 'it can be copied later');
  await refused(403, /shares:write/, 'GET', `${P}/shares`, { as: viewer });
  await refused(403, /shares:write/, 'POST', `${P}/shares`, { as: analyst, body: { name: 'x' } });
  await refused(409, /of that name/, 'POST', `${P}/shares`, { as: owner, body: { name: 'For the board' } });
  await refused(412, null, 'PATCH', `${P}/shares/${made.id}`, { as: owner, body: { name: 'y' }, headers: { 'if-match': '"9"' } });
  const wrong = (body, part) => refused(400, part, 'POST', `${P}/shares`, { as: owner, body: { name: 'wrong', ...body } });
  await refused(400, /name: it is needed/, 'POST', `${P}/shares`, { as: owner, body: {} });
  await wrong({ pages: [] }, /pages/);
  await wrong({ pages: ['settings'] }, /pages/);
  await wrong({ embed_origins: ['https://x.example/path'] }, /embed_origins/);
  await wrong({ embed_origins: ["https://x.example; script-src *"] }, /embed_origins/);
  await wrong({ filters: [['is', 'nothing', ['x']]] }, /^\/filters\/0\/1/);
  await wrong({ expires_at: '2020-01-01T00:00:00Z' }, /expired already/);
  await wrong({ password: 'short' }, /10/);
  await wrong({ link: 'sh_mine' }, /"link" cannot be set/);
  const personal = await make('segments', { name: 'only mine', filters: [['is', 'country', ['DE']]], visibility: 'personal' }, owner);
  await wrong({ filters: [['segment', personal.id]] }, /there is no segment/);
  await client.must(200, 'PATCH', `${P}/shares/${made.id}`, { as: owner, body: { filters: null } });
  const events = await until('the events', async () => { const all = (await auditEvents(s)).filter((e) => e.resource.id === made.id); return all.length >= 2 && all; });
  assert.deepEqual(events.map((e) => [e.service, e.action, e.authid, e.after.name]), [['access', 'share.create', owner.id, 'For the board'], ['access', 'share.update', owner.id, 'For the board']]);
  assert.ok(!JSON.stringify(await auditEvents(s)).includes(made.link), 'no event has the link');
  const command = await weir(['definition', 'remove', 'shares', made.id, '--data', s.data, '--json']);
  assert.equal(command.code, 0, command.err);
  await until('another process sees it', async () => (await tryOpen(made.link)).status === 404);
});

test('a filter of a link that is not there any more shows nothing, and does not say what it was', async () => {
  const segment = await make('segments', { name: 'secret plans', filters: [['is', 'country', ['DE']]] });
  const as = await visitOf((await share({ name: 'bound', filters: [['segment', segment.id]] })).link);
  await client.call('DELETE', `${P}/segments/${segment.id}`, { as: analyst });
  const r = await ask({ metrics: ['visitors'], date_range: '7d' }, as);
  assert.equal(r.status, 409, r.text);
  assert.ok(!r.text.includes('secret') && !r.text.includes(segment.id), r.text);
});

test('a password of a shared link: tried as slowly as at login; another one ends the visits of the first', async () => {
  const { id, link } = await share({ name: 'with password', password: 'correct horse battery' });
  const B = { metrics: ['visitors'], date_range: '7d' };
  for (const password of [undefined, '', 'wrong horse battery']) {
    const r = await tryOpen(link, password);
    assert.deepEqual([r.status, r.json.type.split('/').pop()], [401, 'share-password'], r.text);
  }
  const as = await visitOf(link, 'correct horse battery');
  assert.equal((await ask(B, as)).status, 200);
  const forged = { token: as.token.slice(0, -1) + (as.token.endsWith('A') ? 'B' : 'A') };
  await refused(401, null, 'POST', `${P}/query`, { as: forged, body: B });
  const shown = (await client.must(200, 'GET', `${P}/shares`, { as: owner })).data.find((x) => x.id === id);
  assert.equal(shown.has_password, true);
  assert.ok(!JSON.stringify(shown).includes('argon') && !JSON.stringify(shown).includes('horse'));
  await client.must(200, 'PATCH', `${P}/shares/${id}`, { as: owner, body: { password: 'another horse battery' } });
  await refused(401, /opened again/, 'POST', `${P}/query`, { as, body: B });
  await visitOf(link, 'another horse battery');
  await client.must(200, 'PATCH', `${P}/shares/${id}`, { as: owner, body: { name: 'still with password' } });
  await visitOf(link, 'another horse battery');
  let last;
  for (let i = 0; i < 12 && last?.status !== 429; i++) last = await tryOpen(link, `guess number ${i}`);
  assert.equal(last.status, 429, last.text);
  assert.ok(Number(last.headers['retry-after']) >= 1);
  assert.equal((await tryOpen(link, 'another horse battery')).status, 429, 'nothing is tried meanwhile');
  await client.must(200, 'PATCH', `${P}/shares/${id}`, { as: owner, body: { password: null } });
  await visitOf(link);
  const failures = await until('the events', async () => { const all = (await auditEvents(s)).filter((e) => e.action === 'share.open'); return all.length >= 2 && all; });
  assert.ok(failures.every((e) => e.outcome === 'failure' && e.resource.id === id && e.org === org));
  assert.ok(!JSON.stringify(failures).includes('horse'));
});

test('a page of a shared link may be held in a frame by the sites that it names, and by no other', async () => {
  const policy = async (target) => { const r = await client.call('GET', target); assert.equal(r.status, 200, target); return [/frame-ancestors (.*?)\s*(;|$)/.exec(r.headers['content-security-policy'])[1], r.headers['x-frame-options'], r.headers['x-robots-tag'], r.headers['referrer-policy']]; };
  const { link, id } = await share({ name: 'framed', embed_origins: ['https://a.example', 'http://b.example:8080'] }), plain = await share({ name: 'not framed' });
  const closed = ["'none'", 'DENY', 'noindex', 'no-referrer'], opened = ['https://a.example http://b.example:8080', undefined, 'noindex', 'no-referrer'];
  for (const page of ['', '/overview']) {
    assert.deepEqual(await policy(`/app/share/${link}${page}?embed=1`), opened);
    for (const [l, query] of [[link, ''], [link, '?embed=0'], [plain.link, '?embed=1'], ['sh_unknown', '?embed=1']]) assert.deepEqual(await policy(`/app/share/${l}${page}${query}`), closed);
  }
  assert.deepEqual((await policy(`/app/${project}/overview?embed=1`)).slice(0, 2), ["'none'", 'DENY']);
  await client.call('DELETE', `${P}/shares/${id}`, { as: owner });
  assert.deepEqual(await policy(`/app/share/${link}?embed=1`), closed);
});
test('it stops', () => s.stop());
