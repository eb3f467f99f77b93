// d: known events in, known figures out of every query route; and nobody else's.
import { randomUUID } from 'node:crypto';
import { Server, assert, results, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const other = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;

// Two days, three visitors: ann (2 views, then signup, then buy), bob (1 view, signup), eve (1 view).
const day = (d, time) => `2026-0${d < 10 ? '3' : '4'}-${String(d).padStart(2, '0')}T${time}.000Z`;
const make = (user, event, timestamp, path, referrer) => ({ id: randomUUID(), event, timestamp, user_id: user, anonymous_id: `a-${user}`, session_id: `s-${user}`,
  ...(path ? { page: { url: `https://shop.example${path}`, path, referrer } } : {}), ...(path ? { context: { page: { url: `https://shop.example${path}`, path, referrer } } } : {}) });
const events = [
  make('ann', 'pageview', day(1, '10:00:00'), '/', 'https://news.example/x'),
  make('ann', 'pageview', day(1, '10:05:00'), '/pricing', 'https://shop.example/'),
  make('ann', 'signup', day(1, '10:06:00')),
  make('ann', 'buy', day(2, '09:00:00')),
  make('bob', 'pageview', day(1, '23:59:59'), '/', 'https://news.example/y'),
  make('bob', 'signup', day(2, '00:00:00')),
  make('eve', 'pageview', day(2, '12:00:00'), '/', 'https://search.example/'),
];
const range = 'startDate=2026-03-01&endDate=2026-03-02';
const accepted = await s.send(events);
assert.ok(results(accepted).every((x) => ['ok', 'warning'].includes(x.result)), accepted.text);
await s.visible(events.length);
const get = async (target) => {
  const r = await s.query(target);
  assert.equal(r.status, 200, `${target}: ${r.text}`);
  return r.json;
};

// docs/definitions.md, "Session": ann on either day, bob across midnight, eve. They follow the events by a second or two.
await until('four sessions', async () => Number((await get(`/analytics/overview?${range}`)).uniqueSessions) === 4);

test('overview', async () => {
  const o = await get(`/analytics/overview?${range}`);
  assert.deepEqual([o.totalEvents, o.totalPageviews, o.uniqueVisitors, o.uniqueSessions, o.uniqueUsers].map(Number), [7, 4, 3, 4, 3]);
  const first = await get('/analytics/overview?startDate=2026-03-01&endDate=2026-03-01');
  assert.equal(Number(first.totalEvents), 4);
  const signups = await get(`/analytics/overview?${range}&eventType=signup`);
  assert.equal(Number(signups.totalEvents), 2);
});
test('timeseries by day and by hour, with the empty ones', async () => {
  const days = (await get(`/analytics/timeseries?${range}&granularity=day`)).timeseries;
  assert.deepEqual(days.map((d) => [d.time.slice(0, 10), Number(d.events), Number(d.pageviews), Number(d.uniqueSessions)]), [['2026-03-01', 4, 3, 2], ['2026-03-02', 3, 1, 3]]);
  const hours = (await get(`/analytics/timeseries?${range}&granularity=hour`)).timeseries;
  assert.equal(hours.reduce((n, h) => n + Number(h.events), 0), 7);
});
test('pages and referrers', async () => {
  const pages = (await get(`/pages?${range}`)).pageviews;
  assert.deepEqual(pages.map((p) => [p.path, Number(p.pageviews), Number(p.uniqueVisitors)]), [['/', 3, 3], ['/pricing', 1, 1]]);
  assert.equal((await get(`/pages?${range}&limit=1`)).pageviews.length, 1);
  const only = (await get(`/pages?${range}&pagePath=/pricing`)).pageviews;
  assert.deepEqual(only.map((p) => p.path), ['/pricing']);
  const referrers = (await get(`/pages/top-referrers?${range}`)).referrers;
  assert.deepEqual(referrers.filter((r) => r.referrerDomain.endsWith('.example') && r.referrerDomain !== 'shop.example').map((r) => [r.referrerDomain, Number(r.visits)]), [['news.example', 2], ['search.example', 1]]);
});
test('events, one event, none', async () => {
  const list = (await get(`/events?${range}`)).events;
  assert.equal(list.length, 7);
  assert.deepEqual(new Set(list.map((e) => e.id ?? e.eventId)), new Set(events.map((e) => e.id)));
  assert.equal((await get(`/events?${range}&eventType=signup`)).events.length, 2);
  assert.equal((await get(`/events?${range}&userId=ann`)).events.length, 4);
  assert.equal((await get(`/events?${range}&sessionId=s-eve`)).events.length, 1);
  const one = await get(`/events/${events[0].id}`);
  assert.equal(one.id ?? one.eventId ?? one.event?.id, events[0].id);
  assert.equal((await s.query(`/events/${randomUUID()}`)).status, 404);
  assert.ok([400, 404].includes((await s.query('/events/no-uuid')).status));
});
test('users', async () => {
  const users = (await get(`/users/active?${range}`)).users;
  assert.deepEqual(Object.fromEntries(users.map((u) => [u.userId, Number(u.eventCount)])), { ann: 4, bob: 2, eve: 1 });
  assert.equal((await get(`/users/ann/events?${range}`)).events.length, 4);
  assert.equal((await get(`/users/nobody/events?${range}`)).events.length, 0);
  assert.equal((await get(`/users/${encodeURIComponent("x' OR 1=1 --")}/events?${range}`)).events.length, 0);
});
const funnel = (steps, more) => s.query('/funnels', { method: 'POST', headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ steps: steps.map((eventType) => ({ eventType })), startDate: '2026-03-01', endDate: '2026-03-02', ...more }) });
test('funnels', async () => {
  const r = await funnel(['pageview', 'signup', 'buy']);
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(r.json.steps.map((x) => Number(x.count)), [3, 2, 1]);
  assert.deepEqual((await funnel(['buy', 'signup'])).json.steps.map((x) => Number(x.count)), [1, 0]);
  for (const bad of [[], ['pageview']]) assert.equal((await funnel(bad)).status, 400);
});
test('wrong parameters are told', async () => {
  for (const q of ['startDate=yesterday', 'startDate=2026-02-30', 'endDate=2026-03-01&startDate=2026-03-02', 'limit=0&' + range, 'limit=100000&' + range, 'limit=x&' + range]) {
    const r = await s.query(`/events?${q}`);
    assert.equal(r.status, 400, `${q}: ${r.status} ${r.text}`);
  }
  assert.equal((await s.query(`/analytics/timeseries?${range}&granularity=minute`)).status, 400);
  assert.equal((await funnel(['a', 'b'], { startDate: 'x' })).status, 400);
});

const routes = ['/analytics/overview', '/analytics/timeseries', '/pages', '/pages/top-referrers', '/events', `/events/${events[0].id}`, '/users/active', '/users/ann/events', '/devices', '/geo', '/webvitals'];
test('no key, a wrong one, a write key: nothing', async () => {
  for (const target of routes) {
    for (const key of [null, 'sk_' + 'x'.repeat(43), s.keys.write_key]) {
      const r = await s.query(target, { key });
      assert.ok([401, 403].includes(r.status), `${target} with ${key?.slice(0, 3)}: ${r.status}`);
    }
  }
});
test("another project's key opens nothing, on any route", async () => {
  const id = other.project ?? other.id;
  const key = other.secret_key ?? (await weir(['key', 'create', '--project', id, '--kind', 'secret', '--data', s.data, '--json'])).json.key;
  await until('the new key', async () => (await s.query('/events', { key, project: id })).status === 200);
  for (const target of routes) {
    const r = await s.query(`${target}?${range}`, { key });
    assert.ok([401, 403, 404].includes(r.status), `${target}: ${r.status}`);
    assert.ok(!r.text.includes('ann'), target);
    const own = await s.query(`${target}?${range}`, { key, project: id });
    assert.ok([200, 404].includes(own.status), `${target}: ${own.status} ${own.text}`);
    assert.ok(!own.text.includes('ann') && !own.text.includes('shop.example'), `${target} leaks: ${own.text}`);
  }
  const f = await s.fetch(`/projects/${s.keys.project}/funnels`, { method: 'POST', headers: { 'x-api-key': key, 'content-type': 'application/json' }, body: JSON.stringify({ steps: [{ eventType: 'pageview' }, { eventType: 'signup' }] }) });
  assert.ok([401, 403, 404].includes(f.status));
});
test('it stops', () => s.stop());
