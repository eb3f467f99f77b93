// n: GA4's Measurement Protocol, and the real SDKs of OpenPanel, Rybbit and Snowplow, against one server.
import { Server, assert, loadPackage, test, until } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const wk = () => s.keys.write_key;
const post = (target, body, headers = {}) => fetch(`${s.url}${target}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
const rows = async (source, n, columns) => {
  await s.visible(n, `source = '${source}'`);
  return s.rows(`SELECT ${columns} FROM events WHERE source = '${source}' ORDER BY timestamp, event, kind`);
};

test('Google Analytics 4: events of one client, with revenue and traits', async () => {
  const target = `/mp/collect?measurement_id=G-XXXX&api_secret=${wk()}`;
  const at = Date.now() - 60000;
  const r = await post(target, { client_id: 'c.1', user_id: 'u1', timestamp_micros: String(at * 1000), user_properties: { plan: { value: 'pro' }, seats: { value: 7 } },
    events: [{ name: 'page_view', params: { page_location: 'https://shop.example/a?b=1', page_title: 'T', page_referrer: 'https://r.example/', session_id: 1234, engagement_time_msec: 100, screen_resolution: '1920x1080', language: 'de' } },
      { name: 'purchase', params: { currency: 'EUR', value: 12.5, transaction_id: 't1' } }, { name: 'user_engagement', params: { engagement_time_msec: 5000 } }] });
  assert.equal(r.status, 204);
  assert.equal(await r.text(), '');
  const got = await rows('ga4', 3, `event, kind, anonymous_id, user_id, session_id, page_url, page_path, page_title, page_referrer, locale, screen_width, engagement_ms, toString(revenue) AS revenue, currency, properties, traits, toUnixTimestamp64Milli(timestamp) AS ms`);
  const by = Object.fromEntries(got.map((row) => [row.event, row]));
  assert.deepEqual(Object.keys(by).sort(), ['engagement', 'pageview', 'purchase']);
  assert.ok(got.every((row) => row.anonymous_id === 'c.1' && row.user_id === 'u1' && Number(row.ms) === at));
  assert.deepEqual(JSON.parse(by.purchase.traits), { plan: 'pro', seats: 7 });
  assert.deepEqual([by.purchase.revenue, by.purchase.currency], ['12.5', 'EUR']);
  assert.deepEqual([by.pageview.page_path, by.pageview.page_title, by.pageview.page_referrer, by.pageview.session_id, Number(by.pageview.screen_width), by.pageview.locale], ['/a', 'T', 'https://r.example/', '1234', 1920, 'de']);
  assert.equal(by.pageview.properties, '');
  assert.deepEqual([by.engagement.kind, Number(by.engagement.engagement_ms)], ['engagement', 5000]);
});

test('Google Analytics 4: rubbish is answered 204, and /debug says what is wrong with it', async () => {
  const q = `?api_secret=${wk()}`;
  for (const body of ['{', '[]', '{"client_id":"c"}', '{"client_id":"c","events":[{"name":', '{"events":[{"name":"x"}]}']) assert.equal((await post(`/mp/collect${q}`, body)).status, 204, body);
  const debug = await post(`/debug/mp/collect${q}`, { client_id: 'c', events: [{ name: 'fine' }, { params: {} }, { name: 'odd', timestamp_micros: 'x' }] });
  assert.equal(debug.status, 200);
  const { validationMessages } = await debug.json();
  assert.deepEqual(validationMessages.map((m) => [m.fieldPath, m.validationCode]), [['events[1]', 'VALUE_REQUIRED'], ['events[2]', 'VALUE_INVALID']]);
  assert.equal((await post('/mp/collect?measurement_id=G-NOBODY', { client_id: 'c', events: [] })).status, 401);
  assert.match(await (await fetch(`${s.url}/metrics`)).text(), /weir_ingest_events_total\{source="ga4",outcome="bad_json"\} [1-9]/);
  assert.deepEqual(await s.rows(`SELECT event FROM events WHERE event = 'fine'`), [], 'judged, not kept');
});

test('OpenPanel: @openpanel/sdk', async (t) => {
  const sdk = await loadPackage('@openpanel/sdk');
  if (!sdk) return t.skip('@openpanel/sdk is not in node_modules');
  for (const profile of ['p1', 'p2']) {
    const op = new sdk.OpenPanel({ apiUrl: s.url, clientId: wk() });
    await op.identify({ profileId: profile, firstName: 'Ada', email: 'ada@a.example', properties: { plan: 'pro' } });
    await op.track('screen_view', { __path: 'https://shop.example/x', __title: 'X', color: 'red' });
    await op.revenue(9.5, { currency: 'usd' });
    await op.upsertGroup({ id: 'g1', type: 'company', name: 'Acme', properties: { tier: 3 } });
    await op.setGroup('g1');
    await op.increment({ profileId: profile, property: 'logins', value: 2 });
  }
  const got = await rows('openpanel', 12, 'event, kind, user_id, page_path, page_title, properties, traits, toString(revenue) AS revenue, currency, group_type, group_id');
  for (const profile of ['p1', 'p2']) {
    const mine = got.filter((row) => row.user_id === profile), kinds = (k) => mine.filter((row) => row.kind === k);
    assert.equal(JSON.parse(kinds('identify').find((row) => row.traits).traits).firstName, 'Ada');
    const view = mine.find((row) => row.event === 'pageview');
    assert.deepEqual([view.page_path, view.page_title, view.properties], ['/x', 'X', '{"color":"red"}']);
    const paid = mine.find((row) => row.event === 'revenue');
    assert.deepEqual([paid.revenue, paid.currency, paid.group_id], ['9.5', 'USD', '']);
    assert.deepEqual(kinds('group').map((row) => row.group_id), ['g1']);
  }
  assert.ok(got.some((row) => row.kind === 'group' && row.group_type === 'company' && JSON.parse(row.traits).tier === 3));
  const replay = await post('/track', { type: 'replay', payload: {} }, { 'openpanel-client-id': wk() });
  assert.equal(replay.status, 200);
  assert.equal((await post('/track', { type: 'track', payload: { name: 'x' } }, { 'openpanel-client-id': 'nobody' })).status, 401, 'it does not try again on 401');
});

test('Rybbit: @rybbit/node, and what its script sends', async (t) => {
  const sdk = await loadPackage('@rybbit/node');
  if (!sdk) return t.skip('@rybbit/node is not in node_modules');
  const rybbit = new (sdk.Rybbit ?? sdk.default.Rybbit)({ analyticsHost: `${s.url}/api`, siteId: '17', apiKey: wk() });
  await rybbit.pageview({ hostname: 'shop.example', pathname: '/y', querystring: '?a=1', page_title: 'Y', user_id: 'r1', screenWidth: 800, screenHeight: 600, language: 'en', ip_address: '203.0.113.77' });
  await rybbit.event('signup', { hostname: 'shop.example', pathname: '/y', user_id: 'r1' }, { plan: 'pro' });
  const vitals = await post('/api/track', { site_id: '17', api_key: wk(), type: 'performance', hostname: 'shop.example', pathname: '/y', lcp: 1200.5, cls: 0.07, inp: null });
  assert.deepEqual([vitals.status, await vitals.json()], [200, { success: true }]);
  const bad = await post('/api/track', { site_id: '17', api_key: wk(), type: 'custom_event' });
  assert.equal(bad.status, 400);
  assert.equal((await bad.json()).success, false);
  const got = await rows('rybbit', 4, 'event, kind, user_id, page_url, page_path, page_title, properties, context, screen_width');
  const view = got.find((row) => row.event === 'pageview');
  assert.deepEqual([view.page_url, view.page_path, view.user_id, Number(view.screen_width)], ['https://shop.example/y?a=1', '/y', 'r1', 800]);
  assert.ok(!JSON.stringify(got).includes('203.0.113.77'), 'an address is never kept');
  assert.equal(got.find((row) => row.event === 'signup').properties, '{"plan":"pro"}');
  assert.deepEqual(got.filter((row) => row.kind === 'vital').map((row) => JSON.parse(row.properties)).sort((a, b) => a.value - b.value), [{ metric: 'CLS', value: 0.07 }, { metric: 'LCP', value: 1200.5 }]);
});

test('Snowplow: @snowplow/node-tracker by POST and by GET, each event once', async (t) => {
  const sdk = await loadPackage('@snowplow/node-tracker');
  if (!sdk) return t.skip('@snowplow/node-tracker is not in node_modules');
  const { newTracker, buildPageView, buildStructEvent, buildSelfDescribingEvent, buildPagePing } = sdk.newTracker ? sdk : sdk.default;
  for (const [eventMethod, user, customHeaders] of [['post', 's1', {}], ['get', 's2', {}]]) {
    let sent = 0;
    const tracker = newTracker({ namespace: 'n', appId: wk(), encodeBase64: eventMethod === 'post' }, { endpoint: s.url, eventMethod, bufferSize: 1, customHeaders, onRequestSuccess: (events) => { sent += events.length; } });
    tracker.setUserId(user);
    tracker.setScreenResolution(1280, 720);
    tracker.setTimezone('Europe/Berlin');
    tracker.track(buildPageView({ pageUrl: 'https://shop.example/s?x=ü', pageTitle: 'S', referrer: 'https://r.example/' }), [{ schema: 'iglu:a/b/jsonschema/1-0-0', data: { k: 1 } }]);
    tracker.track(buildStructEvent({ category: 'shop', action: 'add', label: 'l', value: 3 }));
    tracker.track(buildSelfDescribingEvent({ event: { schema: 'iglu:com.acme/checkout/jsonschema/1-0-0', data: { total: 5 } } }));
    tracker.track(buildPagePing({ pageUrl: 'https://shop.example/s', minYOffset: 0, maxYOffset: 400 }));
    await until('the events to be sent', () => sent === 4);
  }
  const got = await rows('snowplow', 8, 'event, kind, user_id, page_url, page_title, properties, context, timezone, screen_height, dedupe');
  for (const user of ['s1', 's2']) {
    const mine = Object.fromEntries(got.filter((row) => row.user_id === user).map((row) => [row.event, row]));
    assert.deepEqual(Object.keys(mine).sort(), ['add', 'checkout', 'engagement', 'pageview']);
    assert.equal(mine.pageview.page_url, 'https://shop.example/s?x=ü');
    assert.deepEqual(JSON.parse(mine.pageview.context).data[0].data, { k: 1 });
    assert.deepEqual(JSON.parse(mine.add.properties), { category: 'shop', label: 'l', value: '3' });
    assert.deepEqual(JSON.parse(mine.checkout.properties), { total: 5 });
    assert.deepEqual([mine.add.timezone, Number(mine.add.screen_height), Number(mine.add.dedupe)], ['Europe/Berlin', 720, 1]);
  }
  const bad = await post('/com.snowplowanalytics.snowplow/tp2', { schema: 'x', data: 7 }, { authorization: `Bearer ${wk()}` });
  assert.equal(bad.status, 400);
});

test('it stops', () => s.stop());
