// f: the SDKs of Segment, RudderStack and Jitsu against our routes, unchanged, on servers and in a real Chromium.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT, Server, assert, loadPackage, test } from './harness.mjs';
import { findChromium } from './chromium.mjs';

const segment = await loadPackage('@segment/analytics-node');
const Rudder = await loadPackage('@rudderstack/rudder-sdk-node');
const jitsu = await loadPackage('@jitsu/js');
if (!segment || !Rudder || !jitsu) {
  console.log('the SDKs are not in node_modules');
  process.exit(77);
}
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const writeKey = s.keys.write_key;

/** What every SDK of the family has to bring: name is the prefix of users and events. */
async function arrived(name, { groupTraits = true } = {}) {
  await s.visible(30, `event = '${name} ordered'`);
  assert.deepEqual(await s.count(`event = '${name} ordered'`), { n: 30, ids: 30 });
  const rows = await s.rows(`SELECT user_id, source, JSONExtractInt(properties, 'n') AS n FROM events WHERE event = '${name} ordered' ORDER BY n`);
  assert.deepEqual(rows.map((r) => Number(r.n)), Array.from({ length: 30 }, (_, i) => i));
  assert.ok(rows.every((r) => r.source === 'segment' && r.user_id === `${name}-u`));
  for (const where of [`kind = 'identify'`, `kind = 'group'`, `event = 'pageview'`]) {
    await s.visible(1, `user_id = '${name}-u' AND ${where}`);
    assert.deepEqual(await s.count(`user_id = '${name}-u' AND ${where}`), { n: 1, ids: 1 }, where);
  }
  const [who] = await s.rows(`SELECT traits FROM events WHERE kind = 'identify' AND user_id = '${name}-u'`);
  assert.equal(JSON.parse(who.traits).email, 'a@b.c');
  const [group] = await s.rows(`SELECT group_id, traits FROM events WHERE kind = 'group' AND user_id = '${name}-u'`);
  assert.equal(group.group_id, 'acme');
  if (groupTraits) assert.deepEqual(JSON.parse(group.traits), { seats: 5 });
  const ids = await s.streamIds(); // not because the store forgot one of two
  assert.equal(new Set(ids).size, ids.length);
}

test('@segment/analytics-node', async () => {
  const client = new segment.Analytics({ writeKey, host: s.url, flushAt: 7, flushInterval: 50 });
  const wrong = [];
  client.on('error', (e) => wrong.push(e));
  const userId = 'segment-u';
  for (let n = 0; n < 30; n++) client.track({ userId, event: 'segment ordered', properties: { n, revenue: 9.5, currency: 'EUR' }, context: { ip: '203.0.113.9', page: { url: 'https://shop.example/cart?x' } } });
  client.identify({ userId, traits: { email: 'a@b.c' } });
  client.group({ userId, groupId: 'acme', traits: { seats: 5 } });
  client.page({ userId, name: 'Home', properties: { url: 'https://shop.example/' } });
  client.alias({ userId, previousId: 'segment-old' });
  client.screen({ userId, name: 'Cart' });
  await client.closeAndFlush({ timeout: 20000 });
  assert.deepEqual(wrong, []);
  await arrived('segment');
  await s.visible(1, `kind = 'alias' AND previous_id = 'segment-old' AND user_id = 'segment-u'`);
  await s.visible(1, `event = 'screen' AND page_title = 'Cart' AND user_id = 'segment-u'`);
  const [row] = await s.rows(`SELECT toString(revenue) AS revenue, currency, page_path FROM events WHERE event = 'segment ordered' LIMIT 1`);
  assert.deepEqual(row, { revenue: '9.5', currency: 'EUR', page_path: '/cart' });
  assert.deepEqual(await s.rows(`SELECT id FROM events WHERE properties LIKE '%203.0.113.9%' OR context LIKE '%203.0.113.9%'`), []);
});

test('@rudderstack/rudder-sdk-node, gzip under a form\'s Content-Type', async () => {
  const client = new Rudder(writeKey, { dataPlaneUrl: s.url, flushAt: 10, flushInterval: 50, logLevel: 'silent' });
  const userId = 'rudder-u';
  for (let n = 0; n < 30; n++) client.track({ userId, event: 'rudder ordered', properties: { n } });
  client.identify({ userId, traits: { email: 'a@b.c' } });
  client.group({ userId, groupId: 'acme', traits: { seats: 5 } });
  client.page({ userId, name: 'Home', properties: { url: 'https://shop.example/' } });
  await client.flush();
  await arrived('rudder');
});

test('@jitsu/js on a server', async () => {
  const client = jitsu.jitsuAnalytics({ host: s.url, writeKey: `${writeKey}:secret`, s2s: true, fetch, errorPolicy: 'rethrow' });
  await client.identify('jitsu-u', { email: 'a@b.c' });
  for (let n = 0; n < 30; n++) await client.track('jitsu ordered', { n });
  await client.group('acme', { seats: 5 });
  await client.page({ url: 'https://shop.example/' });
  await arrived('jitsu');
});

const chromium = await findChromium();
const library = path.join(ROOT, 'node_modules/@segment/analytics-next/dist/umd/standalone.js');
test('@segment/analytics-next in Chromium, with nothing but cdnURL changed', { skip: chromium.missing }, async (t) => {
  const site = createServer((req, res) => {
    res.setHeader('content-type', req.url === '/a.js' ? 'text/javascript' : 'text/html');
    res.end(req.url === '/a.js' ? readFileSync(library) : `<!doctype html><title>Pricing</title><script>
      window.analytics = window.analytics || []; window.analytics._cdn = ${JSON.stringify(s.url)}; window.analytics._writeKey = ${JSON.stringify(writeKey)};
      </script><script src=/a.js></script>`);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  t.after(() => site.close());
  const browser = await chromium.launch(t);
  if (!browser) return;
  const page = await browser.newPage();
  const answers = [];
  page.on('requestfinished', async (req) => { answers.push({ url: req.url(), status: (await req.response())?.status() }); });
  await page.goto(`http://127.0.0.1:${site.address().port}/pricing?utm_source=hn`, { referer: 'https://news.ycombinator.com/' });
  await page.waitForFunction(() => window.analytics?.initialized);
  await page.evaluate(async () => {
    const { analytics } = window;
    await analytics.page();
    await analytics.identify('next-u', { email: 'a@b.c' });
    for (let n = 0; n < 30; n++) await analytics.track('next ordered', { n });
    await analytics.group('acme', { seats: 5 });
    await analytics.page('Cart');
  });
  await s.visible(2, `event = 'pageview' AND page_path = '/pricing' AND source = 'segment'`);
  await s.visible(30, `event = 'next ordered'`);
  await s.visible(1, `kind = 'group' AND user_id = 'next-u'`);
  assert.deepEqual(await s.count(`event = 'next ordered'`), { n: 30, ids: 30 });
  const [first] = await s.rows(`SELECT user_id, anonymous_id != '' AS has_id, page_title, page_referrer, locale, timezone, user_agent LIKE '%Chrome%' AS has_agent FROM events WHERE event = 'pageview' AND page_path = '/pricing' AND source = 'segment' ORDER BY timestamp LIMIT 1`);
  assert.deepEqual([first.user_id, first.page_title, first.page_referrer, Number(first.has_id), Number(first.has_agent)], ['', 'Pricing', 'https://news.ycombinator.com/', 1, 1]);
  assert.ok(first.locale && first.timezone, JSON.stringify(first));
  const foreign = answers.filter((a) => !a.url.startsWith('http://127.0.0.1'));
  assert.deepEqual(foreign, [], 'the page asked nobody else');
  assert.ok(answers.filter((a) => a.url.startsWith(s.url)).every((a) => a.status === 200), JSON.stringify(answers));
  const ids = await s.streamIds();
  assert.equal(new Set(ids).size, ids.length);
});
test('it stops', () => s.stop());
