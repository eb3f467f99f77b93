// o: nothing is dropped silently. What is not taken is counted by project, dialect and reason, kept for a day with its
// body and without any address, survives a restart, and is released when the rules have changed.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { ROOT, Server, assert, contentsBelow, test, until, weir } from './harness.mjs';

const proxy = '127.0.0.1';
const visitor = '203.0.113.77', visitor6 = '2001:db8:77::a1';
const s = await Server.start({ args: ['--archive', 'false', '--trusted_proxies', proxy] });
test.after(() => s.stop());
const other = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;
const otherKey = (await weir(['key', 'create', '--project', other.id, '--kind', 'secret', '--data', s.data, '--json'])).json.key;

const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const from = (address, more = {}) => ({ 'user-agent': agent, 'x-forwarded-for': address, ...more });
const post = (target, body, headers = {}) => s.fetch(target, { method: 'POST', headers: from(visitor, headers), body: typeof body === 'string' ? body : JSON.stringify(body) });
const set = async (...words) => {
  const made = await weir(['project', 'set', s.keys.project, ...words, '--data', s.data]);
  assert.equal(made.code, 0, made.err);
};
const ask = (what, { project = s.keys.project, key = s.keys.secret_key, ...more } = {}) => s.fetch(`/v1/projects/${project}/${what}`, { headers: { 'x-api-key': key }, ...more });
/** {"api/bad_json": 2, …} of today. */
async function counts(options) {
  const { status, json, text } = await ask('ingestion?granularity=minute', options);
  assert.equal(status, 200, text);
  const sums = {};
  for (const c of json.counts) sums[`${c.dialect}/${c.outcome}`] = (sums[`${c.dialect}/${c.outcome}`] ?? 0) + c.events;
  return sums;
}
const counted = (want, options) => until(`counts ${JSON.stringify(want)}`, async () => {
  const got = await counts(options);
  if (Object.entries(want).every(([k, n]) => (got[k] ?? 0) === n)) return got;
  throw new Error(JSON.stringify(got));
});
async function samples(query = '', options) {
  const { status, json, text } = await ask(`rejections?limit=1000${query}`, options);
  assert.equal(status, 200, text);
  return json.rejections;
}
const auth = { authorization: `Bearer ${s.keys.write_key}` };

test('the reasons of the program and of docs/ingest.md are the same', () => {
  const program = [...readFileSync(path.join(ROOT, 'src/analytics/rejected/reason.def'), 'utf8').matchAll(/^REASON\(\w+, "(\w+)", (\w+), "([^"]+)"\)$/gm)]
    .map(([, code, keeps, what]) => `| \`${code}\` | ${what} | ${keeps === 'SAMPLE' ? 'yes' : 'no'} |`);
  const docs = readFileSync(path.join(ROOT, 'docs/ingest.md'), 'utf8');
  assert.ok(program.length >= 20);
  for (const row of program) assert.ok(docs.includes(row), row);
});

test('each of seven dialects: what is bad is counted under its reason, what is good as accepted', async () => {
  await set('domains=shop.example', 'client_ids=phc_project');
  await until('the names are known', async () => !(await post('/api/event', { n: 'pageview', u: 'https://shop.example/', d: 'shop.example' })).headers.has('x-plausible-dropped')
    && (await post('/e', { api_key: 'phc_project', event: 'hello', distinct_id: 'u1' })).status === 200);
  const before = await until('both are there', async () => { const c = await counts(); return c['plausible/accepted'] >= 1 && c['posthog/accepted'] >= 1 && c; });
  // native: three bad ones among two good ones, one of them with the address within
  await post('/v1/events', [{ event: 'a' }, { properties: { n: 1 }, context: { ip: visitor, note: `seen ${visitor}` } }, { event: 'x'.repeat(201) }, 7, { event: 'b' }], auth);
  await post('/v1/events', 'neither', auth);
  // plausible: no name, with the address in a property
  await post('/api/event', { u: 'https://shop.example/p', d: 'shop.example', p: { ip: visitor6, seen: visitor6 } });
  // umami: a type that it does not have
  await post('/api/send', { type: 'odd', payload: { website: 'shop.example' } });
  // posthog: no distinct_id, $ip
  await post('/e', { api_key: 'phc_project', batch: [{ event: 'x', properties: { $ip: visitor, $set: { ip: visitor } } }, { event: 'y', distinct_id: 'u1' }] });
  // segment: a track without an event's name
  await post('/v1/track', { userId: 'u1', context: { ip: visitor } }, { authorization: `Basic ${Buffer.from(`${s.keys.write_key}:`).toString('base64')}` });
  // the tracker: an event without a name
  await post('/w', { key: s.keys.write_key, i: 1, t: Date.now(), e: [{ u: 'https://shop.example/' }, { n: 'pageview', u: 'https://shop.example/' }] });
  // goatcounter: no path
  await s.fetch(`/shop.example/count?t=x&ip=${visitor}`, { headers: from(visitor) });
  const now = await counted({
    'api/accepted': 2, 'api/no_name': 1, 'api/name_too_long': 1, 'api/bad_json': 1, 'api/bad_request': 1,
    'plausible/no_name': 1, 'segment/no_name': 1, 'tracker/no_name': 1, 'tracker/accepted': 1,
    'posthog/accepted': before['posthog/accepted'] + 1, 'posthog/no_id': 1, 'umami/bad_value': 1, 'goatcounter/no_name': 1,
  });
  assert.equal(now['umami/accepted'], undefined);
});

test('a request that is refused as a whole is counted: origin, nobody\'s key', async () => {
  await post('/v1/events', { event: 'lost' }, { authorization: 'Bearer wk_nobody_at_all_has_this_key_000000000' });
  await set('allowed_origins=https://shop.example');
  await until('the origin is refused', async () => (await post('/v1/events', { event: 'foreign' }, { ...auth, origin: 'https://evil.example' })).status === 403);
  await until('it is counted', async () => (await counts())['api/origin'] >= 1);
  const [row] = await until('nobody\'s is counted', () => s.rows('SELECT sum(events) AS n FROM ingest_counts WHERE project_id = toUUID(\'00000000-0000-0000-0000-000000000000\') AND reason = \'no_project\' HAVING n > 0'));
  assert.ok(Number(row.n) >= 1);
});

test('samples show what was sent and why it was not taken, by filter and page by page', async () => {
  const all = await until('all samples', async () => { const x = await samples(); return new Set(x.map((r) => r.dialect)).size >= 7 && x; });
  const native = all.find((r) => r.dialect === 'api' && r.rejected.some((e) => e.reason === 'name_too_long'));
  assert.deepEqual(native.rejected.map((e) => [e.index, e.reason]), [[1, 'no_name'], [2, 'name_too_long'], [3, 'bad_json']]);
  assert.equal(JSON.parse(native.body)[1].properties.n, 1, 'the whole body is there');
  assert.equal(JSON.parse(native.body)[1].context.ip, '0.0.0.0');
  assert.equal(native.is_releasable, true);
  assert.equal(native.headers['User-Agent'], agent);
  assert.ok((await samples('&reason=no_name')).every((r) => r.rejected.some((e) => e.reason === 'no_name')));
  assert.ok((await samples('&dialect=posthog')).every((r) => r.dialect === 'posthog'));
  const paged = [];
  for (let cursor = '';;) {
    const { json } = await ask(`rejections?limit=2${cursor}`);
    paged.push(...json.rejections.map((r) => r.id));
    if (!json.next_cursor) break;
    cursor = `&cursor=${json.next_cursor}`;
  }
  assert.deepEqual(paged, (await samples()).map((r) => r.id), 'pages are the whole, each once');
  assert.equal((await ask('rejections?reason=nonsense')).status, 400);
});

test('a sample says why it cannot be released', async () => {
  const id = randomUUID();
  await post('/v1/events', [{ nameless: 'large' }, { event: 'large', properties: { pad: 'x'.repeat(60000) } }, ...Array.from({ length: 5 }, () => ({ event: 'large', properties: { pad: 'x'.repeat(60000) } }))], auth);
  for (let i = 0; i < 2; i++) await post('/v1/events', { event: 'twice', id }, auth);
  const find = (what) => until(what, async () => (await samples()).find((r) => r.why_not_releasable === what));
  const large = await find('body_too_large');
  assert.deepEqual([large.is_releasable, large.body, large.rejected.map((e) => [e.index, e.reason])], [false, '', [[0, 'no_name']]]);
  const record = await find('record');
  assert.deepEqual([record.is_releasable, JSON.parse(record.body).id], [false, id]);
  assert.ok((await samples()).every((r) => r.is_releasable === (r.why_not_releasable === null)));
});

const release = (query = '', { key, project = s.keys.project } = {}) => s.fetch(`/v1/projects/${project}/rejections/release${query}`, { method: 'POST', headers: { 'x-api-key': key } });
const must = async (sql) => { const r = await s.storeExec(sql); assert.equal(r.status, 200, `${sql}: ${r.text}`); };
const kept = async (where) => (await s.rows(`SELECT count() AS n FROM events WHERE ${where}`))[0].n * 1;

test('a changed rule releases what it would accept now, once', async () => {
  const writer = (await weir(['key', 'create', '--project', s.keys.project, '--kind', 'secret', '--scopes', 'stats:read,projects:write', '--data', s.data, '--json'])).json.key;
  await until('the key is known', async () => (await release('?dry_run=true', { key: writer })).status === 200);
  await set('allowed_origins=https://shop.example');
  await until('the origin is refused', async () => (await post('/v1/events', { event: 'probe' }, { ...auth, origin: 'https://new.example' })).status === 403);
  await post('/v1/events', [{ event: 'wanted', properties: { n: 1 } }, { event: 'wanted', properties: { n: 2 } }, { nameless: 1 }], { ...auth, origin: 'https://new.example' });
  await post('/api/event', { n: 'wanted', u: 'https://shop.example/released', d: 'shop.example' }, { origin: 'https://new.example' });
  await until('they are sampled', async () => (await samples('&reason=origin')).filter((r) => r.body.includes('wanted')).length === 2);
  const still = await release('?reason=origin', { key: writer });
  assert.equal(still.json.released, 0, still.text);
  assert.ok(still.json.refused.find((x) => x.reason === 'origin').events >= 2);
  await set('allowed_origins=https://shop.example,https://new.example');
  await until('the origin is allowed', async () => (await release('?reason=origin&dry_run=true', { key: writer })).json.released >= 3);
  assert.equal(await kept('event = \'wanted\''), 0, 'a dry run appends nothing');
  await must('CREATE TABLE rejections_before AS rejections');
  await must('INSERT INTO rejections_before SELECT * FROM rejections FINAL');
  const first = await release('?reason=origin', { key: writer });
  assert.equal(first.status, 200, first.text);
  assert.ok(first.json.released >= 3, first.text);
  assert.ok(first.json.refused.some((x) => x.reason === 'no_name'), first.text);
  await s.visible(3, 'event = \'wanted\'');
  const second = await release('?reason=origin', { key: writer });
  assert.equal(second.json.released, 0, second.text);
  const rows = await s.rows('SELECT event, source, device, user_agent, page_path FROM events WHERE event = \'wanted\' ORDER BY source, properties');
  assert.equal(rows.length, 3);
  assert.ok(rows.every((r) => Number(BigInt(r.device) > 0n) && r.user_agent === agent), `the visitor is settled: ${JSON.stringify(rows)}`);
  assert.equal(rows[2].page_path, '/released');
  assert.equal((await samples('&reason=origin')).filter((r) => r.body.includes('"wanted"') && r.rejected.some((e) => e.reason === 'origin')).length, 0);
  const rest = (await samples('&reason=no_name')).find((r) => r.body.includes('nameless'));
  assert.deepEqual(rest.rejected.map((e) => [e.index, e.reason]), [[2, 'no_name']], 'what is still refused is still shown');
});

test('a release that died before its note doubles nothing', async () => {
  const [{ id }] = await s.rows('SELECT toString(id) AS id FROM rejections FINAL WHERE body LIKE \'%nameless%\'');
  const writer = (await weir(['key', 'create', '--project', s.keys.project, '--kind', 'secret', '--scopes', 'projects:write', '--data', s.data, '--json'])).json.key;
  await until('the key is known', async () => (await release('?dry_run=true', { key: writer })).status === 200);
  // As it stood before. Taking the later versions out would not do: a merge may have left nothing but these.
  await must('TRUNCATE TABLE rejections');
  await must('INSERT INTO rejections SELECT * FROM rejections_before SETTINGS insert_deduplicate = 0');
  await must('DROP TABLE rejections_before SYNC');
  const before = await counts();
  const again = await release('?reason=origin', { key: writer });
  assert.ok(again.json.released >= 3, again.text);
  await until('they are found to be the same', async () => ((await counts())['api/duplicate'] ?? 0) >= (before['api/duplicate'] ?? 0) + 2);
  assert.equal(await kept('event = \'wanted\''), 3, id);
});

test('what was nobody\'s is released by the operator when its name is somebody\'s', async () => {
  await weir(['rejected', 'release', '--data', s.data]); // what the tests before have left
  await post('/api/event', { n: 'early', u: 'https://later.example/', d: 'later.example' });
  await until('it is sampled', async () => (await s.rows('SELECT count() AS n FROM rejections WHERE body LIKE \'%later.example%\''))[0].n * 1 === 1);
  const nothing = await weir(['rejected', 'release', '--reason', 'no_project', '--data', s.data]);
  assert.equal(nothing.code, 0, nothing.err);
  assert.equal(JSON.parse(nothing.out).released, 0);
  await set('domains=shop.example,later.example');
  await until('the name is known', async () => JSON.parse((await weir(['rejected', 'release', '--reason', 'no_project', '--dry-run', '--data', s.data])).out).released === 1);
  const made = await weir(['rejected', 'release', '--reason', 'no_project', '--data', s.data]);
  assert.equal(JSON.parse(made.out).released, 1, made.out);
  await s.visible(1, `event = 'early' AND project_id = toUUID('${s.keys.project}')`);
  assert.equal((await weir(['rejected', 'release', '--reason', 'nonsense', '--data', s.data])).code, 1);
});

test('another tenant sees nothing of it', async () => {
  assert.deepEqual(await counts({ project: other.id, key: otherKey }), {});
  assert.deepEqual(await samples('', { project: other.id, key: otherKey }), []);
  assert.equal((await ask('ingestion', { key: otherKey })).status, 404);
  assert.equal((await ask('rejections', { key: otherKey })).status, 404);
  const strange = (await weir(['key', 'create', '--project', other.id, '--kind', 'secret', '--scopes', 'projects:write', '--data', s.data, '--json'])).json.key;
  await until('the key is known', async () => (await release('?dry_run=true', { key: strange, project: other.id })).status === 200);
  assert.equal((await release('', { key: strange })).status, 404);
  assert.equal((await release('', { key: strange, project: other.id })).json.requests, 0);
  assert.equal((await release('', { key: s.keys.secret_key })).status, 403, 'who may only read releases nothing');
});

test('duplicates are counted once, also over a kill -9 of the server', async () => {
  const id = randomUUID();
  const before = (await counts())['api/duplicate'];
  for (let i = 0; i < 4; i++) await post('/v1/events', { event: 'same', id }, auth);
  const now = await counted({ 'api/duplicate': before + 3 });
  const dup = await until('its sample', async () => (await samples('&reason=duplicate')).find((r) => JSON.parse(r.body).id === id));
  assert.equal(JSON.parse(dup.body).event, 'same');
  await s.kill9();
  await s.run();
  await until('the store is up', async () => (await ask('ingestion')).status === 200);
  await counted(now);
});

test('no address is anywhere: not in the samples, not in any file', async () => {
  const text = JSON.stringify(await samples()) + JSON.stringify(await s.rows('SELECT * FROM rejections'));
  for (const address of [visitor, visitor6, encodeURIComponent(visitor6)]) {
    assert.ok(!text.includes(address), address);
    for (const [file, content] of contentsBelow(s.data)) assert.ok(!content.includes(address), `${address} in ${file}`);
  }
  assert.ok(!text.includes(s.keys.write_key), 'no key in the clear');
});
