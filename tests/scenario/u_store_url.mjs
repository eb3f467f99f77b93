// u: a ClickHouse server of one's own (store.url). Another weir's store, which answers ClickHouse's HTTP, stands for it: the
// same events have the same answers there as in the embedded store, slots and columns of properties included; a replay
// works on it, and while it is away nothing is lost.
import { Server, assert, freePort, test, until, weir } from './harness.mjs';

const port = await freePort();
const host = await Server.start({ args: ['--archive', 'false', '--store.listen', `127.0.0.1:${port}`] });
test.after(() => host.killNow());
const columns = ['--store.property_columns', 'plan'];
const embedded = await Server.start({ args: ['--archive', 'false', ...columns] });
test.after(() => embedded.killNow());
const ready = (s) => until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
await Promise.all([host, embedded].map(ready));
const outside = await Server.start({ args: ['--archive', 'false', ...columns, '--store.url', `http://127.0.0.1:${port}`, '--store.database', 'other'] });
test.after(() => outside.killNow());
await ready(outside);
const both = [embedded, outside];

const day = '2026-03-10', questions = [
  { metrics: ['visitors', 'pageviews', 'events'], dimensions: ['time:hour'] },
  { metrics: ['visits', 'bounce_rate', 'visit_duration'] },
  { metrics: ['visitors', 'percentage'], dimensions: ['property:plan'], filters: [['has_done', ['is', 'event', ['signup']]]] },
  { metrics: ['visitors', 'conversion_rate'], dimensions: ['source'], goal: [['is', 'event', ['signup']]] },
  { metrics: ['persons', 'users'], dimensions: ['person:tier'] },
  { report: 'funnel', window: 86400, steps: [{ event: 'pageview' }, { event: 'signup' }] },
  { report: 'retention', unit: 'day' }, { report: 'paths' }, { report: 'lifecycle', unit: 'day' },
];
const events = Array.from({ length: 60 }, (_, i) => ({ id: `01900000-0000-7000-8000-0000000000${String(i + 10)}`, event: i % 4 === 3 ? 'signup' : 'pageview', anonymous_id: `v${i % 7}`, timestamp: `${day}T${10 + (i % 5)}:${10 + (i % 40)}:00Z`,
  page: { url: `https://shop.example/p${i % 3}`, referrer: i % 2 ? 'https://www.google.com/' : '' }, properties: { plan: ['a', 'b', 5][i % 3] } }));
const ask = async (s, q, target = 'query') => {
  const r = await s.fetch(`/v1/projects/${s.keys.project}/${target}`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify({ date_range: [day, day], timezone: 'UTC', ...q }) });
  assert.equal(r.status, 200, r.text);
  return r.json;
};
const answers = async (s) => { const all = []; for (const q of questions) all.push((await ask(s, q)).results); return all; };
const eventsOf = async (s) => (await ask(s, { metrics: ['events', 'visits'] })).results[0].metrics;
const sendAll = async (list) => { for (const s of both) assert.equal((await s.send(list)).status, 200); };

test('the same events have the same answers', async () => {
  await sendAll(events);
  await sendAll([{ type: 'identify', event: 'identify', user_id: 'u1', anonymous_id: 'v1', traits: { tier: 'gold' }, timestamp: `${day}T09:00:00Z` }]);
  for (const s of both) await until('events, visits and persons', async () => (await eventsOf(s))[0] >= 60 && (await eventsOf(s))[1] > 0 && (await ask(s, questions[4])).results.some((r) => r.dimensions[0] === 'gold'), 60000);
  const want = await answers(embedded);
  assert.deepEqual(await answers(outside), want);
  assert.ok(want.filter((r) => r.length > 0).length >= 8, JSON.stringify(want));
  for (const s of both) {
    assert.match((await ask(s, questions[0], 'query/sql')).statements.at(-1), /mergeTreeProjection/);
    assert.match((await ask(s, questions[2], 'query/sql')).statements.at(-1), /property_plan/);
  }
  const [row] = await host.rows('SELECT count() AS n FROM other.events');
  assert.equal(Number(row.n), 61);
});

test('a replay makes the table anew', async () => {
  const want = await answers(outside);
  const r = await weir(['replay', '--from', '0', '--data', outside.data], { timeout: 120000 });
  assert.equal(r.code, 0, r.err);
  assert.deepEqual(await answers(outside), want);
});

test('SQL of BI tools has an answer that says why not', async () => {
  const r = await outside.fetch('/clickhouse/?query=SELECT%201', { headers: { 'x-clickhouse-user': outside.keys.project, 'x-clickhouse-key': outside.keys.secret_key } });
  assert.equal(r.status, 501, r.text);
});

test('while it is away events are taken, and are there behind it', async () => {
  await host.kill9();
  const more = events.map((e, i) => ({ ...e, id: e.id.replace('01900000', '01910000'), timestamp: `2026-03-11T10:${10 + (i % 40)}:00Z` }));
  await sendAll(more);
  const away = await outside.fetch(`/v1/projects/${outside.keys.project}/query`, { method: 'POST', headers: { 'x-api-key': outside.keys.secret_key }, body: JSON.stringify({ date_range: [day, day], metrics: ['events'] }) });
  assert.equal(away.status, 503, away.text);
  assert.ok(away.headers.get('retry-after'));
  await host.run();
  await ready(host);
  const range = { date_range: [day, '2026-03-11'], metrics: ['events', 'visits', 'visitors'], dimensions: ['time:day'] };
  await until('the events that waited', async () => {
    const r = await Promise.all(both.map(async (s) => JSON.stringify((await ask(s, range).catch(() => ({}))).results)));
    return r[0] === r[1] && JSON.parse(r[0])[1]?.metrics[0] === 60;
  }, 60000);
});
