// q: who is who, by the SDKs that say so: anonymous → known, merging, traits, groups; the list, one person, its timeline;
// reports over persons; nobody else's; and the same again after a replay. docs/definitions.md, "Person".
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Server, assert, loadPackage, results, test, until, weir } from './harness.mjs';

const posthog = await loadPackage('posthog-node');
const segment = await loadPackage('@segment/analytics-node');
if (!posthog || !segment) {
  console.log('the SDKs are not in node_modules');
  process.exit(77);
}
const s = await Server.start({ args: ['--archive', 'false', '--consumer.linger_ms', '10'] });
test.after(() => s.killNow());
const { id } = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;
const newKey = async (kind) => (await weir(['key', 'create', '--project', id, '--kind', kind, '--data', s.data, '--json'])).json.key;
const other = { project: id, write_key: await newKey('write'), secret_key: await newKey('secret') };
const base = `/v1/projects/${s.keys.project}`;
const fetchAs = (key, target, more = {}) => s.fetch(target, { ...more, headers: { 'x-api-key': key, 'content-type': 'application/json' } });
const get = async (target) => {
  const r = await fetchAs(s.keys.secret_key, base + target);
  assert.equal(r.status, 200, `${target}: ${r.text}`);
  return r.json;
};
const who = async (id) => {
  const r = await fetchAs(s.keys.secret_key, `${base}/persons/${encodeURIComponent(id)}`);
  return r.status === 200 ? r.json : null;
};
const ids = (p) => [...(p?.user_ids ?? []), ...(p?.anonymous_ids ?? [])].sort();
const become = (id, wanted) => until(`${id} is ${wanted}`, async () => String(ids(await who(id))) === String([...wanted].sort()));
/** Facts follow one another within a moment. */
const soon = async (fn, wanted) => {
  let got;
  await until('it to be so', async () => { got = await fn(); return isDeepStrictEqual(got, wanted); }).catch(() => assert.deepEqual(got, wanted));
};
const at = (time) => `2026-03-${time}:00.000Z`;
const e = (timestamp, more) => ({ id: randomUUID(), event: 'click', timestamp: at(timestamp), ...more });
const view = (timestamp, path, more) => e(timestamp, { event: 'pageview', context: { page: { url: `https://shop.example${path}`, path } }, ...more });
async function send(list, key = s.keys.write_key) {
  const r = await s.send(list, { key });
  assert.ok(results(r).every((x) => ['ok', 'warning'].includes(x.result)), r.text);
}

// Ann looks around, signs up, comes back on a phone; then Bob signs in where Ann had been.
await send([
  view('01T10:00', '/', { anonymous_id: 'browser' }), view('01T10:05', '/pricing', { anonymous_id: 'browser' }),
  e('01T10:06', { kind: 'identify', event: 'identify', anonymous_id: 'browser', user_id: 'ann', traits: { email: 'Ann@shop.example', plan: 'free', age: 31, 'a"b': [1, { c: null }] }, traits_once: { source: 'ad' } }),
  e('01T10:07', { event: 'signup', anonymous_id: 'browser', user_id: 'ann', group: { type: 'company', id: 'acme' } }),
  e('02T09:00', { event: 'buy', anonymous_id: 'phone', user_id: 'ann', traits: { plan: 'pro' }, traits_once: { source: 'mail' } }),
  e('02T11:00', { kind: 'identify', event: 'identify', anonymous_id: 'browser', user_id: 'bob', traits: { plan: 'free' } }),
  view('02T11:05', '/', { anonymous_id: 'browser', user_id: 'bob' }), view('02T12:00', '/late', { anonymous_id: 'browser' }),
  view('03T08:00', '/', { anonymous_id: 'nobody' }),
  e('03T09:00', { kind: 'group', event: 'group', user_id: 'ann', group: { type: 'company', id: 'acme' }, traits: { name: 'Acme', seats: 5 } }),
  e('03T10:00', { event: 'click', user_id: 'bob', group: { type: 'company', id: 'bobs' } }),
]);

test('anonymous → known: one person, its profile and what it did', async () => {
  await become('browser', ['ann', 'browser', 'phone']);
  const { person_id } = await who('ann');
  assert.match(person_id, /^[0-9a-f]{16}$/);
  await soon(() => who('ann'), { person_id, user_id: 'ann', user_ids: ['ann'], anonymous_ids: ['browser', 'phone'], id_count: 3, first_seen: at('01T10:00'), last_seen: at('03T09:00'),
    traits: { 'a"b': [1, { c: null }], age: 31, email: 'Ann@shop.example', plan: 'pro', source: 'ad' }, groups: { company: 'acme' }, events: 5, pageviews: 3, sessions: 3 });
  assert.deepEqual(await who('phone'), await who('ann'));
  assert.deepEqual(await who(person_id), await who('ann'));
  assert.deepEqual([(await who('bob')).user_ids, (await who('bob')).anonymous_ids], [['bob'], []]);
  assert.equal((await fetchAs(s.keys.secret_key, `${base}/persons/never-seen`)).status, 404);
});
test('the timeline goes over all ids, page by page, with its sessions', async () => {
  await until('all of its sessions', async () => (await get('/persons/ann/timeline?limit=1000')).events.every((x) => x.session || x.kind === 'group'));
  const all = await get('/persons/ann/timeline?limit=1000');
  assert.deepEqual(all.events.map((x) => [x.timestamp, x.event, x.kind]), [
    [at('03T09:00'), 'group', 'group'], [at('02T12:00'), 'pageview', null], [at('02T09:00'), 'buy', null], [at('01T10:07'), 'signup', null],
    [at('01T10:06'), 'identify', 'identify'], [at('01T10:05'), 'pageview', null], [at('01T10:00'), 'pageview', null]]);
  assert.deepEqual(all.events.map((x) => x.page?.path ?? null), [null, '/late', null, null, null, '/pricing', '/']);
  assert.equal(all.next_cursor, null);
  const { id: _, received_at, session, ...first } = all.events.at(-1);
  assert.ok(Date.parse(received_at) > Date.now() - 3600000 && session);
  assert.deepEqual(first, { event: 'pageview', timestamp: at('01T10:00'), kind: null, user_id: null, anonymous_id: 'browser', session_id: null, page: { url: 'https://shop.example/', path: '/' }, properties: null });
  const sessions = Object.fromEntries(all.sessions.map((x) => [x.session, x]));
  assert.deepEqual([...new Set(all.events.slice(3).map((x) => x.session))].map((x) => [sessions[x].start, sessions[x].end, sessions[x].pageviews, sessions[x].entry_page]), [[at('01T10:00'), at('01T10:07'), 2, '/']]);
  assert.equal(all.sessions.length, 3);
  const pages = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await get(`/persons/browser/timeline?limit=2${cursor && `&cursor=${cursor}`}`);
    pages.push(...page.events);
    cursor = page.next_cursor;
  }
  assert.deepEqual(pages, all.events);
  assert.equal((await fetchAs(s.keys.secret_key, `${base}/persons/ann/timeline?cursor=x`)).status, 400);
});

test('posthog-node: identify with the browser\'s id, alias, groups', async () => {
  const client = new posthog.PostHog(s.keys.write_key, { host: s.url, flushAt: 20, flushInterval: 50 });
  client.capture({ distinctId: 'ph-anon', event: 'looked' });
  client.identify({ distinctId: 'ph-user', properties: { email: 'p@ph.example', $set_once: { first: 1 }, $anon_distinct_id: 'ph-anon' } });
  client.capture({ distinctId: 'ph-user', event: 'bought', groups: { company: 'hog' } });
  client.alias({ distinctId: 'ph-user', alias: 'ph-mail' });
  client.groupIdentify({ groupType: 'company', groupKey: 'hog', properties: { seats: 7 } });
  await client.shutdown(20000);
  const anonymous = { event: '$identify', distinct_id: 'ph-user', properties: { $anon_distinct_id: 'ph-browser', $set: { plan: 'hog' } } };
  assert.equal((await s.send({ api_key: s.keys.write_key, batch: [{ uuid: randomUUID(), event: 'x', distinct_id: 'ph-browser', properties: { $device_id: 'ph-browser', $is_identified: false } }, anonymous] }, { target: '/batch', key: null })).status, 200);
  const several = (uuid, timestamp, more) => ({ uuid, event: 'worked', distinct_id: 'ph-user', timestamp, ...more });
  const [now, before] = [new Date(), new Date(Date.now() - 1000)].map((t) => t.toISOString());
  const batch = [several(randomUUID(), now, { $unset: ['gone'], properties: { $set: { kept: 1 }, $unset: { lost: '' }, $groups: { company: 'hog', team: 'blue', shift: 'late' } } }),
    several(randomUUID(), before, { properties: { $set: { gone: 1, lost: 2 }, $set_once: { gone: 3 } } })]; // comes in behind what takes it away
  assert.equal((await s.send({ api_key: s.keys.write_key, batch }, { target: '/batch', key: null })).status, 200);
  await soon(async () => { const p = await who('ph-user'); return [p?.traits.kept, 'gone' in (p?.traits ?? {}), 'lost' in (p?.traits ?? {}), p?.groups]; }, [1, false, false, { company: 'hog', team: 'blue', shift: 'late' }]);
  assert.deepEqual((await get('/persons?group=team:blue')).persons.map((p) => p.user_id), ['ph-user']);
  assert.deepEqual((await get('/persons?trait=gone:null')).persons, []);
  await become('ph-user', ['ph-anon', 'ph-browser', 'ph-mail', 'ph-user']);
  await soon(async () => { const p = await who('ph-mail'); return [p.user_id, p.traits.email, p.traits.first, p.traits.plan, p.groups]; }, ['ph-user', 'p@ph.example', 1, 'hog', { company: 'hog', team: 'blue', shift: 'late' }]);
  await soon(async () => (await fetchAs(s.keys.secret_key, `${base}/groups/company/hog`)).json.traits, { seats: 7 });
});
test('analytics-node: identify, group, alias', async () => {
  const client = new segment.Analytics({ writeKey: s.keys.write_key, host: s.url, flushAt: 7, flushInterval: 50 });
  client.page({ anonymousId: 'seg-anon', name: 'Home' });
  client.identify({ anonymousId: 'seg-anon', userId: 'seg-user', traits: { email: 's@seg.example' } });
  client.group({ userId: 'seg-user', groupId: 'seg-co', traits: { tier: 'gold' } });
  client.identify({ userId: 'seg-old', traits: { old: true } });
  await client.flush();
  await become('seg-anon', ['seg-anon', 'seg-user']);
  await become('seg-old', ['seg-old']);
  client.alias({ previousId: 'seg-old', userId: 'seg-user' }); // two known users: only this makes them one
  await client.closeAndFlush({ timeout: 20000 });
  await become('seg-old', ['seg-anon', 'seg-old', 'seg-user']);
  const { person_id } = await who('seg-anon');
  await soon(async () => { const p = await who('seg-anon'); return [p.user_ids, p.traits, p.groups]; }, [['seg-old', 'seg-user'], { email: 's@seg.example', old: true }, { group: 'seg-co' }]);
  await soon(() => get('/groups/group/seg-co').then((g) => [g.traits, g.member_count, g.members.map((m) => m.person_id)]), [{ tier: 'gold' }, 1, [person_id]]);
});

test('the list: the last seen first, by part of an id or trait, by trait, by group', async () => {
  const names = (l) => l.persons.map((p) => p.user_id ?? p.anonymous_ids[0]);
  const all = await get('/persons?limit=1000');
  assert.equal(all.next_cursor, null);
  assert.deepEqual(all.persons.map((p) => p.last_seen), all.persons.map((p) => p.last_seen).sort().reverse());
  assert.deepEqual(names(all).slice(-3), ['bob', 'ann', 'nobody']);
  assert.deepEqual(all.persons.find((p) => p.user_id === 'ann').traits.plan, 'pro');
  assert.deepEqual(names(await get('/persons?search=ANN@')), ['ann']);
  assert.deepEqual(names(await get('/persons?search=phon')), ['ann']);
  assert.deepEqual(names(await get('/persons?trait=plan:free')), ['bob']);
  assert.deepEqual(names(await get('/persons?trait=age:31')), ['ann']);
  assert.deepEqual(names(await get('/persons?group=company:acme')), ['ann']);
  assert.deepEqual(names(await get('/persons?identified=false')), ['nobody']);
  assert.ok(!names(await get('/persons?identified=true')).includes('nobody'));
  const pages = [];
  for (let cursor = ''; cursor !== null;) {
    const page = await get(`/persons?limit=2${cursor && `&cursor=${cursor}`}`);
    pages.push(...page.persons);
    cursor = page.next_cursor;
  }
  assert.deepEqual(pages, all.persons);
  for (const sort of ['last_seen', 'first_seen']) {
    for (const order of ['asc', 'desc']) {
      const seen = [];
      for (let cursor = ''; cursor !== null;) {
        const page = await get(`/persons?limit=2&sort=${sort}&order=${order}${cursor && `&cursor=${cursor}`}`);
        seen.push(...page.persons);
        cursor = page.next_cursor;
      }
      const keys = seen.map((p) => `${p[sort]} ${p.person_id}`), sorted = [...keys].sort();
      assert.deepEqual(keys, order === 'asc' ? sorted : sorted.reverse(), `${sort} ${order}`);
      assert.equal(new Set(seen.map((p) => p.person_id)).size, all.persons.length);
    }
  }
  for (const wrong of ['sort=name', 'order=up', 'trait=x', 'group=:', 'identified=maybe', 'limit=0', 'cursor=eHg', 'search=']) assert.equal((await fetchAs(s.keys.secret_key, `${base}/persons?${wrong}`)).status, 400, wrong);
});
test('groups: types, list, one', async () => {
  assert.deepEqual((await get('/groups')).types, [{ type: 'company', groups: 3 }, { type: 'group', groups: 1 }, { type: 'shift', groups: 1 }, { type: 'team', groups: 1 }]);
  const companies = await get('/groups/company');
  assert.deepEqual(companies.groups.map((g) => [g.group_id, g.member_count, g.traits]), [['hog', 1, { seats: 7 }], ['bobs', 1, {}], ['acme', 1, { name: 'Acme', seats: 5 }]]);
  const first = await get('/groups/company?limit=1');
  assert.deepEqual((await get(`/groups/company?limit=5&cursor=${first.next_cursor}`)).groups, companies.groups.slice(1));
  assert.deepEqual(await get('/groups/company/acme').then((g) => [g.first_seen, g.last_seen, g.members.map((m) => m.user_id)]), [at('01T10:07'), at('03T09:00'), ['ann']]);
  assert.equal((await fetchAs(s.keys.secret_key, `${base}/groups/company/none`)).status, 404);
});

test('reports: anonymous history is the same person\'s; traits and groups are dimensions and filters', async () => {
  const ask = async (q) => {
    const r = await s.fetch(`${base}/query`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify({ date_range: ['2026-03-01', '2026-03-03'], ...q }) });
    assert.equal(r.status, 200, r.text);
    return r.json.results;
  };
  const rows = async (q) => (await ask(q)).map((x) => [...x.dimensions, ...x.metrics]);
  assert.deepEqual(await rows({ metrics: ['visitors', 'users', 'persons'] }), [[4, 2, 3]]);
  await soon(() => rows({ metrics: ['persons', 'visits'], dimensions: ['person:plan'] }), [['', 1, 1], ['free', 1, 2], ['pro', 1, 3]]); // a visit is its last user's
  assert.deepEqual(await rows({ metrics: ['events'], dimensions: ['person:plan'] }), [['pro', 5], ['free', 2], ['', 1]]);
  assert.deepEqual(await rows({ metrics: ['events'], dimensions: ['group:company', 'group_trait:company:name'] }), [['acme', 'Acme', 5], ['bobs', '', 2], ['', '', 1]]);
  assert.deepEqual(await rows({ metrics: ['pageviews', 'persons'], filters: [['greater', 'person:age', 30]] }), [[3, 1]]);
  assert.deepEqual(await rows({ metrics: ['events'], filters: [['is', 'group_trait:company:seats', ['5']], ['is_not', 'event', ['pageview']]] }), [[2]]);
  const key = (await weir(['key', 'create', '--project', s.keys.project, '--kind', 'secret', '--scopes', 'definitions:write,stats:read', '--data', s.data, '--json'])).json.key;
  const cohort = { name: 'pros', count_by: 'visitors', conditions: [{ did: { filters: [['is', 'person:plan', ['pro']], ['is', 'group_trait:company:name', ['Acme']]] } }] };
  await until('the key to hold', async () => (await s.fetch(`${base}/cohorts`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' }, body: JSON.stringify(cohort) })).status === 201);
  await soon(() => rows({ metrics: ['visitors'], filters: [['cohort', 'pros']] }), [[2]]); // browser and phone
  const counts = async (count_by) => (await ask({ report: 'funnel', steps: [{ event: 'pageview' }, { event: 'signup' }, { event: 'buy' }], window: 2 * 86400, count_by }))[0].steps.map((x) => x.count);
  assert.deepEqual([await counts('visitors'), await counts('users'), await counts('persons')], [[2, 1, 0], [1, 0, 0], [3, 1, 1]]);
  const returned = async (count_by) => (await ask({ report: 'retention', unit: 'day', periods: 2, count_by })).map((x) => [x.size, x.returned]);
  assert.deepEqual([await returned('visitors'), await returned('persons')], [[[1, [1, 0]], [1, [0]], [2, []]], [[1, [1, 0]], [1, [1]], [1, []]]]);
});
test('the same ids in another project are somebody else, and nobody sees them there', async () => {
  await send([view('01T10:00', '/', { anonymous_id: 'browser' }), e('01T10:01', { kind: 'identify', event: 'identify', anonymous_id: 'browser', user_id: 'eve', traits: { email: 'eve@other.example' }, group: { type: 'company', id: 'acme' } })], other.write_key);
  const theirs = `/v1/projects/${other.project}`;
  await until('eve with all of hers', async () => (await fetchAs(other.secret_key, `${theirs}/groups/company/acme`)).status === 200 && (await fetchAs(other.secret_key, `${theirs}/persons/browser`)).json?.user_id === 'eve'
    && (await fetchAs(other.secret_key, `${theirs}/persons/browser/timeline`)).json.events.length >= 2); // the two lie in different partitions
  assert.deepEqual(ids(await who('browser')), ['ann', 'browser', 'phone']);
  const list = (await fetchAs(other.secret_key, `${theirs}/persons`)).json.persons;
  assert.deepEqual(list.map((p) => p.user_id), ['eve']);
  assert.equal((await fetchAs(other.secret_key, `${theirs}/persons/ann`)).status, 404);
  assert.equal((await fetchAs(other.secret_key, `${theirs}/persons/${(await who('ann')).person_id}`)).status, 404);
  assert.deepEqual((await fetchAs(other.secret_key, `${theirs}/groups/company`)).json.groups.map((g) => g.group_id), ['acme']);
  assert.equal((await fetchAs(other.secret_key, `${theirs}/persons/browser/timeline`)).json.events.length, 2);
  for (const path of ['/persons', '/persons/ann', '/persons/ann/timeline', '/groups', '/groups/company', '/groups/company/acme'])
    assert.equal((await fetchAs(other.secret_key, base + path)).status, 404, path);
});

test('a replay gives the same persons', async () => {
  const before = await get('/persons?limit=1000');
  const r = await weir(['replay', '--from', '2020-01-01T00:00:00Z', '--data', s.data], { timeout: 120000 });
  assert.equal(r.code, 0, r.err + r.out);
  const generation = async () => Number((await s.rows('SELECT max(generation) AS g FROM person_generations'))[0].g);
  await until('the second generation', async () => await generation() === 2, 60000);
  assert.deepEqual(await get('/persons?limit=1000'), before);
});
