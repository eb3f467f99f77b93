// f: clients of Plausible, Umami and GoatCounter, unchanged: their address is weir's, their site's name is theirs.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT, Server, assert, loadPackage, test, until, weir } from './harness.mjs';

const jsdom = await loadPackage('jsdom');
const umami = await loadPackage('@umami/node');
const oldTracker = await loadPackage('plausible-tracker');
if (!jsdom || !umami || !oldTracker) {
  console.log('jsdom, @umami/node or plausible-tracker is not in node_modules');
  process.exit(77);
}
const nodeFetch = fetch;
const SITE = '6f7c2d1e-0000-4000-8000-000000000001';
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const cli = async (...words) => {
  const r = await weir([...words, '--data', s.data, '--json']);
  assert.equal(r.code, 0, r.err);
  return r.json;
};
await cli('project', 'set', s.keys.project, 'domains=shop.example.com', `client_ids=${SITE},shop`);
const second = (await cli('project', 'create', 'second')).id;
await cli('project', 'set', second, 'domains=second.example');
// The running server sees what another process changed within a second; nothing is to be lost in it.
await until('the names', async () => (await s.fetch('/v1/events', { method: 'POST', headers: { authorization: 'Bearer second.example' }, body: '{"event":"ready"}' })).status === 200);

const columns = 'event, kind, source, page_url, page_path, page_referrer, is_interactive, engagement_ms, scroll_depth, revenue, currency, user_id, user_agent, properties, traits, utm_source, hostname';
const rows = async (where, n) => {
  await s.visible(n, where);
  const got = await s.rows(`SELECT ${columns} FROM events WHERE ${where} ORDER BY timestamp, event, id`);
  assert.equal(got.length, n, JSON.stringify(got));
  return got;
};
const PAGE = 'http://shop.example.com/pricing?utm_source=hn';

/** A browser's page for scripts that look for one around them. */
function page(t, url = PAGE) {
  const dom = new jsdom.JSDOM('<!doctype html><title>T</title><body>', { url, referrer: 'https://news.ycombinator.com/', pretendToBeVisual: true });
  const { window } = dom;
  window.__plausible = true; // Plausible's scripts leave automatic browsers out, but for its own tests
  const fetchOfBrowser = (target, options) => nodeFetch(target, { ...options, headers: { ...options?.headers, origin: window.origin, 'user-agent': window.navigator.userAgent } });
  window.fetch = fetchOfBrowser;
  const around = {
    window, document: window.document, location: window.location, history: window.history, navigator: window.navigator, XMLHttpRequest: window.XMLHttpRequest, localStorage: window.localStorage, addEventListener: window.addEventListener.bind(window), removeEventListener: window.removeEventListener.bind(window), fetch: fetchOfBrowser, ResizeObserver: class { observe() {} }, // jsdom lays nothing out
  };
  const before = Object.fromEntries(Object.keys(around).map((k) => [k, Object.getOwnPropertyDescriptor(globalThis, k)]));
  for (const [k, value] of Object.entries(around)) Object.defineProperty(globalThis, k, { value, configurable: true, writable: true });
  t.after(() => {
    for (const [k, d] of Object.entries(before)) d ? Object.defineProperty(globalThis, k, d) : delete globalThis[k];
    window.close();
  });
  return window;
}

test('@plausible-analytics/tracker: page view, event with revenue, engagement', async (t) => {
  const window = page(t);
  const tracker = await import(pathToFileURL(path.join(ROOT, 'node_modules/@plausible-analytics/tracker/plausible.js')));
  tracker.init({ domain: 'shop.example.com', endpoint: `${s.url}/api/event`, logging: false });
  const status = await new Promise((done) => tracker.track('signup', { props: { plan: 'pro' }, interactive: false, revenue: { amount: 9.5, currency: 'USD' }, callback: (r) => done(r.status) }));
  assert.equal(status, 202);
  Object.defineProperty(window.document, 'visibilityState', { value: 'hidden', configurable: true });
  window.document.dispatchEvent(new window.Event('visibilitychange'));
  const [view, signup, engagement] = (await rows(`source = 'plausible' AND project_id = '${s.keys.project}'`, 3)).sort((a, b) => ['pageview', 'signup', 'engagement'].indexOf(a.event) - ['pageview', 'signup', 'engagement'].indexOf(b.event));
  assert.deepEqual([view.event, view.kind, view.page_url, view.page_path, view.page_referrer, view.utm_source, view.hostname], ['pageview', '', PAGE, '/pricing', 'https://news.ycombinator.com/', 'hn', 'shop.example.com']);
  assert.match(view.user_agent, /jsdom/);
  assert.deepEqual([signup.event, signup.is_interactive, Number(signup.revenue), signup.currency, JSON.parse(signup.properties)], ['signup', 0, 9.5, 'USD', { plan: 'pro' }]);
  assert.deepEqual([engagement.event, engagement.kind, engagement.page_path], ['engagement', 'engagement', '/pricing']);
});
test("Plausible's script by its address, with what its name says", async (t) => {
  const window = page(t, 'http://second.example/shop#/cart'), name = 'script.hash.outbound-links.js';
  const served = await fetch(`${s.url}/js/${name}`);
  assert.deepEqual([served.status, served.headers.get('content-type')], [200, 'text/javascript; charset=utf-8']);
  window.plausible = function () { (window.plausible.q = window.plausible.q || []).push(arguments); }; // their snippet
  window.plausible('early', { props: { plan: 'pro' }, u: 'http://second.example/other' });
  Object.defineProperty(window.document, 'currentScript', { value: { src: `${s.url}/js/${name}`, dataset: { domain: 'second.example' } } });
  (0, eval)(await served.text());
  const status = await new Promise((done) => window.plausible('late', { callback: (r) => done(r.status) }));
  assert.equal(status, 202);
  const link = Object.assign(window.document.createElement('a'), { href: 'https://elsewhere.example/x', target: '_blank' });
  window.document.body.append(link);
  link.click();
  const got = await rows(`source = 'plausible' AND hostname = 'second.example' AND event IN ('pageview', 'early', 'late', 'Outbound Link: Click')`, 4);
  const by = Object.fromEntries(got.map((r) => [r.event, r]));
  assert.deepEqual([by.pageview.page_path, by.early.page_path, JSON.parse(by.early.properties), JSON.parse(by['Outbound Link: Click'].properties)], ['/shop#/cart', '/other', { plan: 'pro' }, { url: 'https://elsewhere.example/x' }]);
  for (const [file, code] of [['script.js', 200], ['plausible.js', 200], ['script.tagged-events.js', 200], ['script.js.map', 404], ['scripts.js', 404], ['weir.js', 200]]) assert.equal((await fetch(`${s.url}/js/${file}`)).status, code, file);
});
test('plausible-tracker', async (t) => {
  page(t, 'http://shop.example.com/old#/deep');
  const { trackPageview, trackEvent } = oldTracker.default({ domain: 'www.shop.example.com', apiHost: s.url, hashMode: true });
  await new Promise((done) => trackPageview({}, { callback: done }));
  await new Promise((done) => trackEvent('old signup', { props: { plan: 'pro' }, callback: done }));
  const [signup, view] = await rows(`source = 'plausible' AND page_url LIKE '%/old%'`, 2).then((r) => r.sort((a, b) => (a.event < b.event ? -1 : 1)));
  assert.deepEqual([view.event, view.page_path], ['pageview', '/old#/deep']);
  assert.deepEqual([signup.event, JSON.parse(signup.properties)], ['old signup', { plan: 'pro' }]);
});
test('an event of two sites is in both, and of a third it is told', async () => {
  const r = await s.fetch('/api/event', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: JSON.stringify({ n: 'both', u: 'https://second.example/', d: 'shop.example.com,second.example,nobody.example' }) });
  assert.deepEqual([r.status, r.text, r.headers.get('x-plausible-dropped')], [202, 'ok', '1']);
  await s.visible(2, `event = 'both'`);
  const got = await s.rows(`SELECT project_id FROM events WHERE event = 'both'`);
  assert.deepEqual(got.map((x) => x.project_id).sort(), [s.keys.project, second].sort());
});
test('@umami/node', async () => {
  const client = new umami.Umami({ hostUrl: s.url, websiteId: SITE });
  const page = await client.track({ url: '/docs?utm_source=node', hostname: 'shop.example.com', title: 'Docs' });
  const answer = await page.json();
  assert.equal(page.status, 200);
  assert.deepEqual(Object.keys(answer).sort(), ['cache', 'sessionId', 'visitId']);
  assert.equal((await client.track('order', { revenue: 12.5, currency: 'EUR', n: 3 })).status, 200);
  assert.equal((await client.identify({ email: 'a@b.c' })).status, 200);
  assert.equal((await new umami.Umami({ hostUrl: s.url, websiteId: SITE.replace(/1$/, '9') }).track('x')).status, 400);
  const got = Object.fromEntries((await rows(`source = 'umami'`, 3)).map((r) => [r.event, r]));
  assert.deepEqual([got.pageview.page_url, got.pageview.page_path, got.pageview.utm_source], ['https://shop.example.com/docs?utm_source=node', '/docs', 'node']);
  assert.deepEqual([Number(got.order.revenue), got.order.currency, JSON.parse(got.order.properties)], [12.5, 'EUR', { revenue: 12.5, currency: 'EUR', n: 3 }]);
  assert.deepEqual([got.identify.kind, JSON.parse(got.identify.traits)], ['identify', { email: 'a@b.c' }]);
});
test('what Umami\'s script sends, with its preflight and its cache', async () => {
  const preflight = await s.fetch('/api/send', { method: 'OPTIONS', headers: { origin: 'http://shop.example.com', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,x-umami-cache' } });
  assert.equal(preflight.status, 200);
  assert.match(preflight.headers.get('access-control-allow-headers'), /x-umami-cache/);
  const wire = JSON.parse(readFileSync(path.join(ROOT, 'tests/data/wire/umami.json'), 'utf8'));
  let cache;
  for (const sent of wire) {
    const r = await s.fetch(sent.url, { method: sent.method, headers: { 'content-type': 'application/json', origin: sent.headers.origin, 'user-agent': sent.headers['user-agent'], ...(cache === undefined ? {} : { 'x-umami-cache': cache }) }, body: JSON.stringify(sent.body) });
    assert.equal(r.status, 200, r.text);
    assert.equal(r.headers.get('access-control-allow-origin'), sent.headers.origin);
    assert.ok(!r.json.disabled && r.json.cache);
    cache = r.json.cache;
  }
  const got = await rows(`source = 'umami' AND page_path = '/pricing'`, 3);
  assert.deepEqual(got.map((r) => r.event).sort(), ['identify', 'pageview', 'signup']);
  assert.equal(got.find((r) => r.event === 'identify').user_id, 'u1');
  const vitals = await s.fetch('/api/send', { method: 'POST', body: JSON.stringify({ type: 'performance', payload: { website: SITE, url: '/vitals', lcp: 1200.5, cls: 0.05 } }) });
  assert.equal(vitals.status, 200);
  const measured = await rows(`kind = 'vital'`, 2);
  assert.deepEqual(measured.map((r) => JSON.parse(r.properties)).sort((a, b) => (a.metric < b.metric ? -1 : 1)), [{ metric: 'CLS', value: 0.05 }, { metric: 'LCP', value: 1200.5 }]);
  const batch = await s.fetch('/api/batch', { method: 'POST', body: JSON.stringify([wire[0].body, { type: 'event', payload: { website: 'nobody' } }]) });
  assert.deepEqual([batch.json.size, batch.json.processed, batch.json.errors, batch.json.details[0].index], [2, 1, 1, 1]);
  assert.deepEqual((await s.fetch('/api/heartbeat')).json, { ok: true });
});
test('GoatCounter: beacon, picture, and the API of servers', async () => {
  const query = 'p=%2Fgoat&t=Goat&r=https%3A%2F%2Fnews.ycombinator.com%2F&e=false&s=1920%2C1080%2C1&b=0&q=%3Futm_source%3Dgc&rnd=x1y2z';
  const beacon = await fetch(`${s.url}/count?${query}`, { method: 'POST', headers: { origin: 'https://shop.example.com', 'user-agent': 'Mozilla/5.0 (X11)' } });
  assert.deepEqual([beacon.status, beacon.headers.get('content-type'), (await beacon.arrayBuffer()).byteLength], [200, 'image/gif', 43]);
  const picture = await s.fetch(`/shop/count?p=/goat`, { headers: { referer: 'https://elsewhere.example/' } });
  assert.equal(picture.status, 200);
  const nobody = await s.fetch(`/count?p=/goat`, { headers: { origin: 'https://nobody.example' } });
  assert.deepEqual([nobody.status, nobody.headers.get('x-goatcounter')], [400, 'no site of that name']);
  const api = await s.send({ no_sessions: true, hits: [{ path: '/goat', created_at: '2026-01-02T03:04:05Z' }, { title: 'no path' }, { path: 'click', event: true }] }, { target: '/api/v0/count' });
  assert.deepEqual([api.status, api.json], [400, { errors: { 1: 'path: must be set' } }]);
  const got = await rows(`source = 'goatcounter'`, 4);
  assert.deepEqual(got.map((r) => r.event).sort(), ['click', 'pageview', 'pageview', 'pageview']);
  const first = got.find((r) => r.utm_source === 'gc');
  assert.deepEqual([first.page_url, first.page_path, first.hostname, first.page_referrer], ['https://shop.example.com/goat?utm_source=gc', '/goat', 'shop.example.com', 'https://news.ycombinator.com/']);
});
test('nothing that was refused is silent', async () => {
  const metrics = (await s.fetch('/metrics')).text;
  const of = (source) => Number(new RegExp(`^weir_ingest_events_total\\{source="${source}",outcome="no_project"\\} (\\d+)$`, 'm').exec(metrics)[1]);
  assert.deepEqual(['plausible', 'umami', 'goatcounter'].map(of), [1, 2, 1]);
});
test('it stops', () => s.stop());
