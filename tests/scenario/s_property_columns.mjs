// s: properties with a column of their own (store.property_columns): the same answers as without, of whatever a property
// may be, for rows of before and behind; and the tables' columns follow the setting, also those of a replay.
import { Server, assert, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const ready = () => until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
await ready();
const P = `/v1/projects/${s.keys.project}`, headers = { 'x-api-key': s.keys.secret_key };
const ask = (q, target = 'query') => s.fetch(`${P}/${target}`, { method: 'POST', headers, body: JSON.stringify({ date_range: ['2026-03-01', '2026-03-31'], ...q }) });

const names = ['plan', 'a b', 'Größe', 'it\'s "q"\\`', 'x.y'];
const values = ['pro', 'free', '', '"', '"x', '\\', '\\"', 'ü\u0001\n', '12', '1e3', 'null', 'true', 'a,b', '{"plan":1}', 12, 1.5, -0.25, 1e21, 0, true, false, null, [1, 'x'], [], { deep: 'x' }, {}, undefined];
const events = (from) => values.flatMap((v, i) => names.map((name, k) => ({ event: 'e', anonymous_id: `v${i % 5}`, timestamp: `2026-03-${10 + from}T10:${10 + i}:0${k}Z`, properties: { ...(v === undefined ? {} : { [name]: v }), other: { [name]: 'inner' } } })));
const send = async (from) => {
  const r = await s.send(events(from));
  assert.equal(r.status, 200, r.text);
};
const path = (name) => `property:${name.replace(/[.\\]/g, '\\$&')}`;
const questions = [...names.flatMap((name) => [
  { metrics: ['events', 'visitors'], dimensions: [path(name)] },
  { metrics: [`sum:${path(name)}`, `p90:${path(name)}`, `count:${path(name)}`], dimensions: ['time:day'] },
  ...[['is', path(name), ['pro', '12', '']], ['is_not', path(name), ['"']], ['contains', path(name), ['"']], ['contains', path(name), ['P'], { case_sensitive: false }], ['matches', path(name), ['^["\\\\]']], ['exists', path(name)], ['greater', path(name), 1]]
    .map((f) => ({ metrics: ['events'], filters: [f] })),
]),
{ metrics: ['visits', 'events'], dimensions: [path('plan'), 'source'] }, // with the visit of each event
{ metrics: ['persons', 'events'], dimensions: [path('plan'), 'person:x'] }, // and whose it is
{ report: 'funnel', window: 86400, steps: [{ event: 'e' }, { filters: [['is', path('plan'), ['free']]] }], dimensions: [path('plan')] },
{ report: 'paths', filters: [['exists', path('plan')]] },
{ report: 'events', filters: [['is', path('plan'), ['pro']]] }];
const answers = async () => {
  const all = [];
  for (const q of questions) {
    const r = await ask(q);
    assert.equal(r.status, 200, `${JSON.stringify(q)}: ${r.text}`);
    all.push(r.json.results);
  }
  return all;
};
const columns = async (table = 'events') => (await s.rows(`SELECT name FROM system.columns WHERE database = 'weir' AND table = '${table}' AND startsWith(name, 'property_') ORDER BY position`)).map((r) => r.name);
const begin = async (list, more = []) => {
  await s.stop();
  s.options = { args: ['--archive', 'false', '--store.property_columns', list, ...more] };
  await s.run();
  await ready();
};
const readsColumn = async (q) => /property_/.test((await ask(q, 'query/sql')).text);
const visits = (n) => until(`${n} visits`, async () => (await ask({ metrics: ['visits'] })).json.results[0].metrics[0] === n, 30000);
let before;

test('without any, the JSON is read', async () => {
  await send(0);
  await s.visible(events(0).length);
  await visits(5);
  before = await answers();
  assert.ok(before[0].length > 15, JSON.stringify(before[0]));
  assert.deepEqual(await columns(), []);
  assert.equal(await readsColumn(questions[0]), false);
});

test('with columns the same rows have the same answers', async () => {
  await begin(` ${names.join(' , ')} `);
  await until('the columns', async () => (await columns()).length === names.length && readsColumn(questions[0]), 30000);
  assert.deepEqual(await columns(), ['property_plan', 'property_a~20b', 'property_Gr~c3~b6~c3~9fe', 'property_it~27s~20~22q~22~5c~60', 'property_x~2ey']);
  for (const q of questions.slice(0, 9 * names.length)) assert.ok(await readsColumn(q), JSON.stringify(q));
  assert.deepEqual(await answers(), before);
  await until('the columns of all parts', async () => (await s.rows("SELECT count() AS n FROM system.mutations WHERE NOT is_done"))[0].n == 0, 30000);
  assert.deepEqual(await s.rows("SELECT name FROM system.parts WHERE active AND table = 'events' AND name NOT IN (SELECT name FROM system.parts_columns WHERE active AND table = 'events' AND column = 'property_plan')"), []);
  assert.deepEqual(await answers(), before);
});

test('and so have rows that come then, and what a replay makes of all of them', async () => {
  await send(1);
  await s.visible(2 * events(0).length);
  await visits(10);
  const withColumns = await answers();
  const replayed = await weir(['replay', '--from', '0', '--data', s.data], { timeout: 120000 });
  assert.equal(replayed.code, 0, replayed.err);
  assert.equal((await columns()).length, names.length);
  assert.deepEqual(await answers(), withColumns);
  await begin('');
  await until('no column', async () => (await columns()).length === 0, 30000);
  assert.equal(await readsColumn(questions[0]), false);
  assert.deepEqual(await answers(), withColumns);
  await begin('plan');
  await until('the column', () => readsColumn(questions[0]), 30000);
  assert.deepEqual(await answers(), withColumns);
});

test('a replay that waits gets the same columns', async () => {
  await s.storeExec('CREATE TABLE events_shadow AS events');
  await begin('plan,x.y');
  await until('the columns', async () => (await columns()).length === 2, 30000);
  await until('the shadow\'s', async () => (await columns('events_shadow')).length === 2, 30000);
  assert.deepEqual(await columns('events_shadow'), await columns());
  const [month] = await s.rows("SELECT DISTINCT partition_id AS id FROM system.parts WHERE active AND table = 'events'");
  const moved = await s.storeExec(`ALTER TABLE events_shadow REPLACE PARTITION ID '${month.id}' FROM events`);
  assert.equal(moved.status, 200, moved.text);
  await s.storeExec('DROP TABLE events_shadow SYNC');
});

test('a list that cannot be is refused', async () => {
  await s.stop();
  for (const [list, part] of [['a,,b', 'between two commas'], ['a,', 'between two commas'], ['a,b , a', "'a' stands there twice"], ['x'.repeat(41), 'longer than 40'], [Array.from({ length: 33 }, (_, i) => `n${i}`).join(), 'more than 32']]) {
    const r = await weir(['serve', '--data', s.data, '--listen', '127.0.0.1:0', '--store.property_columns', list]);
    assert.equal(r.code, 1, r.err);
    assert.ok(r.err.includes('store.property_columns') && r.err.includes(part), r.err);
  }
});
