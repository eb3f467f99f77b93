// f: PostHog's own SDKs against our routes, unchanged: posthog-node in both capture modes, posthog-js in a real Chromium.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { ROOT, Server, assert, loadPackage, test, until } from './harness.mjs';
import { findChromium } from './chromium.mjs';

const sdk = await loadPackage('posthog-node');
if (!sdk) {
  console.log('posthog-node is not in node_modules');
  process.exit(77);
}
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const token = s.keys.write_key;

async function nodeClient(mode, fn) {
  process.env.POSTHOG_CAPTURE_MODE = mode;
  const client = new sdk.PostHog(token, { host: s.url, flushAt: 20, flushInterval: 50 });
  await fn(client);
  await client.shutdown(20000);
}
for (const mode of ['v0', 'v1']) {
  test(`posthog-node ${mode}: every event arrives once, in its place`, async () => {
    await nodeClient(mode, (client) => {
      for (let i = 0; i < 100; i++) {
        client.capture({ distinctId: `d${i % 7}`, event: `ordered-${mode}`, properties: { n: i, plan: 'pro', $current_url: 'https://shop.example/cart', revenue: 9.5, currency: 'EUR' }, groups: { company: 'acme' } });
      }
      client.identify({ distinctId: `u-${mode}`, properties: { email: 'a@b.c', $set_once: { first: 1 } } });
      client.alias({ distinctId: `u-${mode}`, alias: `old-${mode}` });
      client.groupIdentify({ groupType: 'company', groupKey: `acme-${mode}`, properties: { seats: 5 } });
    });
    await s.visible(100, `event = 'ordered-${mode}'`);
    assert.deepEqual(await s.count(`event = 'ordered-${mode}'`), { n: 100, ids: 100 });
    const rows = await s.rows(`SELECT source, user_id, group_type, group_id, toString(revenue) AS revenue, currency, page_path, JSONExtractInt(properties, 'n') AS n FROM events WHERE event = 'ordered-${mode}' ORDER BY n`);
    assert.deepEqual(rows.map((r) => Number(r.n)), Array.from({ length: 100 }, (_, i) => i));
    assert.deepEqual(rows[8], { source: 'posthog', user_id: 'd1', group_type: 'company', group_id: 'acme', revenue: '9.5', currency: 'EUR', page_path: '/cart', n: rows[8].n });
    await s.visible(1, `kind = 'identify' AND user_id = 'u-${mode}'`);
    await s.visible(1, `kind = 'alias' AND user_id = 'u-${mode}' AND previous_id = 'old-${mode}'`);
    await s.visible(1, `kind = 'group' AND group_id = 'acme-${mode}'`);
    const [who] = await s.rows(`SELECT traits, traits_once FROM events WHERE kind = 'identify' AND user_id = 'u-${mode}'`);
    assert.deepEqual([JSON.parse(who.traits).email, JSON.parse(who.traits_once).first], ['a@b.c', 1]);
    const [group] = await s.rows(`SELECT user_id, traits FROM events WHERE group_id = 'acme-${mode}'`);
    assert.deepEqual([group.user_id, JSON.parse(group.traits)], ['', { seats: 5 }]);
  });
}
test('posthog-node v0 halves a batch that is too large, and everything arrives once', async () => {
  process.env.POSTHOG_CAPTURE_MODE = 'v0';
  const client = new sdk.PostHog(token, { host: s.url, flushAt: 400, maxBatchSize: 400, flushInterval: 60000, disableCompression: true });
  for (let i = 0; i < 400; i++) client.capture({ distinctId: 'big', event: 'big', properties: { n: i, text: 'x'.repeat(60000) } }); // 24 MB
  await client.shutdown(60000);
  await s.visible(400, `event = 'big'`);
  assert.deepEqual(await s.count(`event = 'big'`), { n: 400, ids: 400 });
  assert.match((await s.fetch('/metrics')).text, /^weir_ingest_refused_requests_total\{status="413",reason="too_large"\} 1$/m);
});
test('version 1: results by uuid', async () => {
  const uuid = '0193f1a0-0000-7000-8000-00000000000f';
  const batch = [{ event: 'x', uuid, distinct_id: 'd', timestamp: new Date().toISOString(), options: {}, properties: {} }, { event: '', uuid: '0193f1a0-0000-7000-8000-00000000000e', distinct_id: 'd', properties: {} }];
  const r = await s.send({ created_at: new Date().toISOString(), batch }, { target: '/i/v1/analytics/events' });
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.results[uuid].result, 'ok');
  assert.equal(r.json.results['0193f1a0-0000-7000-8000-00000000000e'].result, 'drop');
  const wrong = await s.send({ batch }, { target: '/i/v1/analytics/events', key: 'wk_wrong' });
  assert.equal(wrong.status, 401);
});
test('version 0: exactly 200 on every route, with and without a slash, in every packing', async () => {
  const event = (name) => JSON.stringify({ api_key: token, batch: [{ event: name, uuid: randomUUID(), distinct_id: 'd', properties: {} }] });
  const routes = ['/e', '/i/v0/e', '/capture', '/track', '/engage', '/batch'].flatMap((r) => [r, `${r}/`]);
  const packings = {
    json: (t) => [t],
    gzip: (t) => [gzipSync(t)],
    base64: (t) => [Buffer.from(t).toString('base64')],
    form: (t) => [`data=${encodeURIComponent(Buffer.from(t).toString('base64'))}&compression=base64`, { 'content-type': 'application/x-www-form-urlencoded' }],
    'form of JSON': (t) => [`data=${encodeURIComponent(t)}`, { 'content-type': 'application/x-www-form-urlencoded' }],
  };
  let sent = 0;
  for (const route of routes) {
    for (const [name, pack] of Object.entries(packings)) {
      const [body, headers] = pack(event('packed'));
      const r = await s.send(body, { target: route, key: null, headers });
      assert.deepEqual([r.status, r.text], [200, '{"status":"Ok"}'], `${route} ${name}`);
      sent++;
    }
    const got = await s.fetch(`${route}?data=${encodeURIComponent(Buffer.from(event('packed')).toString('base64'))}&_=${Date.now()}`);
    assert.deepEqual([got.status, got.text], [200, '{"status":"Ok"}'], `GET ${route}`);
    const beacon = await s.send(event('packed'), { target: `${route}?beacon=1`, key: null });
    assert.deepEqual([beacon.status, beacon.text], [204, ''], `${route} as a beacon`);
    sent += 2;
  }
  await s.visible(sent, `event = 'packed'`);
  assert.deepEqual(await s.count(`event = 'packed'`), { n: sent, ids: sent });
  const wrong = await s.send(event('packed').replace(token, 'phc_nobody'), { target: '/e/', key: null });
  assert.equal(wrong.status, 401);
  const recording = await s.send(event('$snapshot'), { target: '/s/', key: null });
  assert.deepEqual([recording.status, recording.text], [200, '{"status":"Ok"}']);
  const counted = (await s.fetch('/metrics')).text.match(/^weir_ingest_events_total\{source="posthog",outcome="not_kept"\} (\d+)$/m);
  assert.equal(Number(counted?.[1]), 1);
});

/** A page with posthog-js and what the browser's requests to weir were answered with. */
async function openPage(t, browser, init = {}) {
  const library = readFileSync(path.join(ROOT, 'node_modules/posthog-js/dist/array.full.no-external.js'));
  const site = createServer((req, res) => {
    res.setHeader('content-type', req.url === '/ph.js' ? 'text/javascript' : 'text/html');
    res.end(req.url === '/ph.js' ? library : `<!doctype html><title>Pricing</title><button id=b>Buy</button><script src=/ph.js></script><script>
      window.posthog.init(${JSON.stringify(token)}, Object.assign({ api_host: ${JSON.stringify(s.url)}, person_profiles: 'always', disable_external_dependency_loading: true, opt_out_useragent_filter: true }, ${JSON.stringify(init)}));</script>`);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  t.after(() => site.close());
  const context = await browser.newContext();
  t.after(() => context.close().catch(() => {}));
  const page = await context.newPage();
  const answers = [];
  context.on('requestfinished', async (req) => {
    if (req.url().startsWith(s.url)) answers.push({ url: req.url().slice(s.url.length), status: (await req.response())?.status() });
  });
  return { page, answers, url: (p) => `http://127.0.0.1:${site.address().port}${p}` };
}
const chromium = await findChromium();
test('posthog-js in Chromium: pageview, capture, identify, group, vitals and the beacon on leaving, each once', { skip: chromium.missing }, async (t) => {
  const browser = await chromium.launch(t);
  if (!browser) return;
  const { page, answers, url } = await openPage(t, browser, { capture_performance: { web_vitals: true, network_timing: false } });
  await page.goto(url('/pricing?utm_source=hn'), { referer: 'https://news.ycombinator.com/' });
  await page.waitForFunction(() => window.posthog.__loaded);
  const anonymous = await page.evaluate(() => window.posthog.get_distinct_id());
  await page.evaluate(() => {
    window.posthog.capture('signup', { plan: 'pro', $revenue: 12.5, currency: 'eur' });
    window.posthog.identify('u1', { email: 'a@b.c' }, { first_seen: 'x' });
    window.posthog.group('company', 'acme', { seats: 5 });
    window.posthog.capture('after');
  });
  await page.click('#b');
  await s.visible(1, `event = '$autocapture'`);
  await page.evaluate(() => window.posthog.capture('bye'));
  await page.goto('about:blank');
  await s.visible(1, `event = 'bye'`);
  await s.visible(1, `kind = 'engagement' AND source = 'posthog'`);
  const once = async (where) => assert.deepEqual(await s.count(`source = 'posthog' AND page_path = '/pricing' AND ${where}`), { n: 1, ids: 1 }, where);
  for (const where of [`event = 'pageview'`, `event = 'signup'`, `event = 'after'`, `event = 'bye'`, `event = '$autocapture'`, `kind = 'identify'`, `kind = 'group'`, `kind = 'engagement'`]) await once(where);
  const [view] = await s.rows(`SELECT anonymous_id, user_id, page_title, referrer_source, page_referrer, screen_width > 0 AS has_screen, timezone, locale, session_id != '' AS has_session, user_agent LIKE '%Chrome%' AS has_agent FROM events WHERE event = 'pageview' AND page_path = '/pricing'`);
  assert.equal(view.anonymous_id, anonymous);
  assert.deepEqual([view.user_id, view.page_title, view.page_referrer], ['', 'Pricing', 'https://news.ycombinator.com/']);
  assert.ok(Number(view.has_screen) && view.timezone && view.locale && Number(view.has_session) && Number(view.has_agent), JSON.stringify(view));
  const [known] = await s.rows(`SELECT anonymous_id, user_id, traits, traits_once FROM events WHERE kind = 'identify' AND page_path = '/pricing'`);
  assert.deepEqual([known.anonymous_id, known.user_id, JSON.parse(known.traits).email, JSON.parse(known.traits_once).first_seen], [anonymous, 'u1', 'a@b.c', 'x']);
  const [money] = await s.rows(`SELECT toString(revenue) AS amount, currency FROM events WHERE event = 'signup' AND page_path = '/pricing'`);
  assert.deepEqual(money, { amount: '12.5', currency: 'EUR' });
  const [after] = await s.rows(`SELECT user_id, anonymous_id, group_type, group_id FROM events WHERE event = 'after'`);
  assert.deepEqual(after, { user_id: 'u1', anonymous_id: anonymous, group_type: 'company', group_id: 'acme' });
  const [left] = await s.rows(`SELECT engagement_ms, scroll_depth FROM events WHERE kind = 'engagement'`);
  assert.ok(Number(left.engagement_ms) > 0 && Number(left.scroll_depth) > 0, JSON.stringify(left));
  await s.visible(1, `kind = 'vital' AND JSONExtractString(properties, 'metric') = 'FCP' AND JSONExtractFloat(properties, 'value') > 0`);
  // Nothing but 200 and no second attempt; and not because the store forgot one of two: each id is once in the stream.
  assert.ok(answers.every((a) => a.status === 200 && !a.url.includes('retry_count')), JSON.stringify(answers));
  assert.ok(answers.some((a) => a.url.startsWith('/array/')));
  const ids = await s.streamIds();
  assert.equal(new Set(ids).size, ids.length);
});
test('it stops', () => s.stop());
