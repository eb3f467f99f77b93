// f: the real posthog-node SDK in its v1 capture mode against our route.
import { Server, assert, loadPackage, test } from './harness.mjs';

process.env.POSTHOG_CAPTURE_MODE = 'v1';
const sdk = await loadPackage('posthog-node');
if (!sdk) {
  console.log('posthog-node is not in node_modules');
  process.exit(77);
}
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());

test('events of the SDK arrive, once each, with their properties', async () => {
  const client = new sdk.PostHog(s.keys.write_key, { host: s.url, flushAt: 20, flushInterval: 50 });
  for (let i = 0; i < 100; i++) {
    client.capture({ distinctId: `d${i % 7}`, event: 'ordered', properties: { n: i, plan: 'pro', $current_url: 'https://shop.example/cart' } });
  }
  await client.shutdown(20000);
  await s.visible(100, `event = 'ordered'`);
  assert.deepEqual(await s.count(`event = 'ordered'`), { n: 100, ids: 100 });
  const rows = await s.rows(`SELECT source, JSONExtractInt(properties, 'n') AS n FROM events WHERE event = 'ordered' ORDER BY n`);
  assert.deepEqual(rows.map((r) => Number(r.n)), Array.from({ length: 100 }, (_, i) => i));
  assert.ok(rows.every((r) => r.source === 'posthog'));
});
test('the contract itself: results by uuid', async () => {
  const uuid = '0193f1a0-0000-7000-8000-00000000000f';
  const batch = [{ event: 'x', uuid, distinct_id: 'd', timestamp: new Date().toISOString(), options: {}, properties: {} }, { event: '', uuid: '0193f1a0-0000-7000-8000-00000000000e', distinct_id: 'd', properties: {} }];
  const r = await s.send({ created_at: new Date().toISOString(), batch }, { target: '/i/v1/analytics/events' });
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.results[uuid].result, 'ok');
  assert.equal(r.json.results['0193f1a0-0000-7000-8000-00000000000e'].result, 'drop');
  const wrong = await s.send({ batch }, { target: '/i/v1/analytics/events', key: 'wk_wrong' });
  assert.equal(wrong.status, 401);
});
test('it stops', () => s.stop());
