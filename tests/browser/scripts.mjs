// The scripts of other products in a real Chromium, loaded from weir's address: what a page changes is the host in its
// snippet, and everything arrives.
import { Server, assert, test as nodeTest, until, weir, SLOW } from '../scenario/harness.mjs';
import { Relay, Site, launch } from './browser.mjs';

const test = Object.assign((name, body) => nodeTest(name, { timeout: 180000 * SLOW }, body), { after: nodeTest.after });
const browser = await launch();
test.after(() => browser.close());
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const relay = await Relay.start(s.url);
test.after(() => relay.stop());
const pages = new Map();
const site = await Site.start((path) => (path.startsWith('/stats/') ? { relay } : pages.get(path)));
test.after(() => site.stop());
const WEBSITE = '6f7c2d1e-0000-4000-8000-000000000002', TOKEN = 'phc_ofTheirSnippet';
const set = await weir(['project', 'set', s.keys.project, `client_ids=${WEBSITE},${TOKEN}`, 'domains=127.0.0.1', '--data', s.data, '--json']);
assert.equal(set.code, 0, set.err);
// The running server sees what another process changed within a second; nothing is to be lost in it.
await until('the names', async () => (await s.fetch('/v1/events', { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` }, body: '{"event":"ready"}' })).status === 200);

async function open(t, path, html, options = {}) {
  pages.set(path.split('?')[0], `<!doctype html><html><head><title>T ${path}</title>${html}`);
  const context = await browser.newContext({ screen: { width: 1280, height: 720 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.on('pageerror', (e) => { page.failed = e; });
  page.failed = undefined;
  await page.goto(site.url + path, { referer: 'https://news.ycombinator.com/' });
  return page;
}
const columns = 'event, kind, page_url, page_title, page_referrer, anonymous_id, user_id, screen_width, properties, traits, context';
const rows = async (where, n) => {
  await s.visible(n, where);
  const got = await s.rows(`SELECT ${columns} FROM events WHERE ${where} ORDER BY timestamp, received_at, stream_partition, stream_offset`);
  assert.equal(got.length, n, JSON.stringify(got));
  return got;
};
const umami = (attributes = '', src = `${relay.url}/script.js`) => `<script defer src="${src}" data-website-id="${WEBSITE}" ${attributes}></script></head><body>`;
const sent = (path) => relay.requests.filter((r) => r.path.endsWith('/api/send') && r.body.payload?.url?.startsWith(site.url + path));

test("Umami's tag: views, going on and back, events by attribute and by call, and nothing is stored or asked before", async (t) => {
  const page = await open(t, '/u?utm_source=x', `${umami('data-tag="b"')}<button id=buy data-umami-event="Buy" data-umami-event-plan="pro"><b id=in>x</b></button>`);
  await page.waitForFunction(() => window.umami);
  const view = (url) => until(`the view of ${url}`, () => relay.requests.find((r) => r.body?.payload?.url === site.url + url && !r.body.payload.name && r.status));
  await view('/u?utm_source=x');
  await page.evaluate(() => { history.pushState({}, '', '/u/next'); document.title = 'Next'; });
  await view('/u/next');
  await page.click('#in');
  await page.evaluate(() => umami.track('order', { n: 1 }));
  await page.evaluate(() => umami.track((payload) => ({ ...payload, url: '/u/virtual' })));
  await page.evaluate(() => umami.identify('u1', { plan: 'pro' }));
  await page.evaluate(() => umami.track('after'));
  const got = await rows(`source = 'umami' AND page_path LIKE '/u%'`, 7);
  const by = (event) => got.filter((r) => r.event === event);
  assert.deepEqual(by('pageview').map((r) => [r.page_url, r.page_title, r.page_referrer]), [
    [`${site.url}/u?utm_source=x`, 'T /u?utm_source=x', 'https://news.ycombinator.com/'], [`${site.url}/u/next`, 'Next', `${site.url}/u?utm_source=x`], ['https://127.0.0.1/u/virtual', 'Next', `${site.url}/u?utm_source=x`]]);
  assert.deepEqual(JSON.parse(by('Buy')[0].properties), { plan: 'pro' });
  assert.deepEqual(JSON.parse(by('order')[0].properties), { n: 1 });
  assert.deepEqual([by('identify')[0].user_id, JSON.parse(by('identify')[0].traits), by('after')[0].user_id], ['u1', { plan: 'pro' }, 'u1']);
  assert.deepEqual([JSON.parse(got[0].context).tag, got[0].screen_width, got[0].anonymous_id], ['b', 1280, '']);
  assert.deepEqual(await page.evaluate(() => [document.cookie, Object.keys(localStorage)]), ['', []]);
  assert.ok(!relay.requests.some((r) => r.method === 'OPTIONS'));
  await page.evaluate(() => history.back());
  await until('the view after going back', () => sent('/u?').length === 2);
  assert.equal(page.failed, undefined);
});
test("Umami's attributes: host, domains, automatic views off, what is cut, what a page's own function lets through, stitching", async (t) => {
  const off = await open(t, '/off', umami('data-auto-track="false" data-exclude-search="true" data-exclude-hash="true" data-identity-stitching="true" data-before-send="mine" ' + `data-host-url="${relay.url}/"`, `${relay.url}/umami.js`) + '<script>window.mine=(type,payload)=>payload.name==="no"?null:{...payload,title:"ours"}</script>', {});
  await off.waitForFunction(() => window.umami);
  await off.evaluate(() => { history.replaceState({}, '', '/off?secret=1#x'); });
  await off.evaluate(async () => { await umami.track('no'); await umami.track('yes'); });
  const [yes] = await rows(`source = 'umami' AND page_path LIKE '/off%'`, 1);
  assert.deepEqual([yes.event, yes.page_url, yes.page_title], ['yes', `${site.url}/off`, 'ours']);
  assert.equal(yes.anonymous_id, await off.evaluate(() => localStorage.getItem('umami.visitor')));
  for (const attributes of ['data-domains="example.com"', 'data-do-not-track="true"']) {
    const page = await open(t, '/none', `<script>Object.defineProperty(navigator,'doNotTrack',{value:'1'})</script>${umami(attributes)}`);
    await page.waitForFunction(() => window.umami);
    await page.evaluate(() => umami.track('x'));
  }
  assert.deepEqual(sent('/none'), []);
});
test("Umami's vitals", async (t) => {
  const page = await open(t, '/vitals', umami('data-performance="true"') + '<p>text</p>');
  await page.waitForFunction(() => window.webVitals);
  await page.evaluate(() => new Promise((done) => { window.webVitals.onFCP(done); }));
  await page.goto('about:blank');
  await s.visible(1, `source = 'umami' AND kind = 'vital' AND JSONExtractString(properties, 'metric') = 'FCP'`);
});
/** As PostHog's snippet: a list that keeps what is called until the library is there. */
const posthog = (token, config) => `<script>{const p = window.posthog = []; p.__SV = 1; p._i = []; p.init = (...a) => p._i.push(a);
  p.capture = (...a) => { p.push(['capture', ...a]); };
  const e = document.createElement('script'); e.async = true; e.crossOrigin = 'anonymous'; e.src = ${JSON.stringify(relay.url)} + '/static/array.js'; document.head.append(e); }
  posthog.init(${JSON.stringify(token)}, ${JSON.stringify({ api_host: relay.url, opt_out_useragent_filter: true, person_profiles: 'always', ...config })});
  posthog.capture('early');</script></head><body>`;
test("PostHog's snippet: the library, what it loads itself, and what was called before it was there", async (t) => {
  const page = await open(t, '/ph', posthog(TOKEN, { capture_performance: { web_vitals: true }, capture_exceptions: true }));
  await page.waitForFunction(() => window.posthog.__loaded);
  await page.evaluate(() => window.posthog.capture('signup', { plan: 'pro' }));
  await until('what it loads', () => ['web-vitals-with-attribution', 'exception-autocapture'].every((name) => relay.requests.some((r) => /^\/static\/[\d.]+\//.test(r.path) && r.path.endsWith(`/${name}.js`) && r.status === 200)));
  await page.goto('about:blank');
  const got = await rows(`source = 'posthog' AND page_path = '/ph' AND event IN ('pageview', 'early', 'signup')`, 3);
  assert.deepEqual(got.map((r) => r.event).sort(), ['early', 'pageview', 'signup']);
  assert.equal(page.failed, undefined);
  for (const path of [`/array/${TOKEN}/array.js`, '/in/front/static/array.js', '/static/web-vitals.js?v=1.0.0', '/static/dead-clicks-autocapture.js']) {
    const r = await s.fetch(path);
    assert.deepEqual([r.status, r.headers.get('content-type')], [200, 'text/javascript; charset=utf-8'], path);
  }
  assert.equal((await s.fetch('/static/toolbar.js')).status, 404);
});
test("Plausible's tag", async (t) => {
  const page = await open(t, '/pl', `<script>window.__plausible=true</script><script defer data-domain="127.0.0.1" src="${relay.url}/js/script.local.outbound-links.js"></script></head><body>`);
  await page.waitForFunction(() => window.plausible);
  await page.evaluate(() => window.plausible('signup', { props: { plan: 'pro' } }));
  const got = await rows(`source = 'plausible' AND page_path = '/pl' AND kind = ''`, 2);
  assert.deepEqual(got.map((r) => r.event).sort(), ['pageview', 'signup']);
});
test('it stops', () => s.stop());
