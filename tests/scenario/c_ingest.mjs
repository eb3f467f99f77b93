// c: every way in: shapes of a body, places of the key, results per event, the article's pair.
import { gzipSync } from 'node:zlib';
import * as zlib from 'node:zlib';
import { createHmac, randomUUID } from 'node:crypto';
import { Server, assert, event, results, test, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const sent = [];
const mark = (e) => { sent.push(e.id); return e; };

test('one object', async () => {
  const r = await s.send(mark(event()));
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(results(r).map((x) => x.result), ['ok']);
});
test('the answer tells what the acknowledgement promised', async () => {
  const r = await s.send(mark(event()));
  assert.ok([...r.headers].some(([, v]) => v === 'fsync'), JSON.stringify([...r.headers]));
});
test('an array, {batch}, NDJSON', async () => {
  const list = [event(), event(), event()].map(mark);
  assert.equal(results(await s.send(list)).filter((x) => x.result === 'ok').length, 3);
  const batch = [event(), event()].map(mark);
  assert.equal(results(await s.send({ batch })).filter((x) => x.result === 'ok').length, 2);
  const lines = [event(), event(), event(), event()].map(mark).map((e) => JSON.stringify(e)).join('\n');
  assert.equal(results(await s.send(lines + '\n', { headers: { 'content-type': 'application/x-ndjson' } })).filter((x) => x.result === 'ok').length, 4);
});
test('gzip, told or not', async () => {
  for (const headers of [{ 'content-encoding': 'gzip' }, {}, { 'content-type': 'text/plain' }]) {
    const r = await s.send(gzipSync(JSON.stringify(mark(event()))), { headers });
    assert.equal(r.status, 200, r.text);
    assert.equal(results(r)[0].result, 'ok');
  }
});
test('zstd', { skip: !zlib.zstdCompressSync && 'this Node.js has no zstd' }, async () => {
  const r = await s.send(zlib.zstdCompressSync(JSON.stringify(mark(event()))), { headers: { 'content-encoding': 'zstd' } });
  assert.equal(results(r)[0].result, 'ok');
});
test('the key as bearer, basic user name and ?key=', async () => {
  const basic = Buffer.from(`${s.keys.write_key}:`).toString('base64');
  assert.equal((await s.send(mark(event()), { key: null, headers: { authorization: `Basic ${basic}` } })).status, 200);
  assert.equal((await s.send(mark(event()), { key: null, target: `/v1/events?key=${s.keys.write_key}` })).status, 200);
});
test('wrong, missing and secret keys are refused', async () => {
  for (const key of [null, 'wk_' + 'x'.repeat(32), s.keys.secret_key, `${s.keys.write_key}x`, '']) {
    const r = await s.send(event(), { key });
    assert.equal(r.status, key === s.keys.secret_key ? 403 : 401, `${key}: ${r.text}`); // known, but has no events:write
    assert.match(r.headers.get('content-type'), /problem\+json/);
    assert.ok(!key || !r.text.includes(key), 'the key is not echoed');
  }
});
test('results stand for each event, bad ones spoil nothing', async () => {
  const good = mark(event()), id = randomUUID();
  const r = await s.send([good, { event: '' }, { id, event: 7 }, 'x', mark(event())]);
  assert.equal(r.status, 200, r.text);
  assert.deepEqual(results(r).map((x) => x.result), ['ok', 'drop', 'drop', 'drop', 'ok']);
});
test('an event without an id gets a version 7', async () => {
  const r = await s.send({ event: 'no-id' });
  assert.match(r.text, /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/);
});
test('a retry with the same ids is not counted twice', async () => {
  const e = mark(event({ event: 'retried' }));
  for (let i = 0; i < 3; i++) assert.equal((await s.send([e, e])).status, 200);
  await s.visible(1, `event = 'retried'`);
  const last = mark(event({ event: 'after-retries' }));
  await s.send(last);
  await s.visible(1, `event = 'after-retries'`);
  assert.deepEqual(await s.count(`event = 'retried'`), { n: 1, ids: 1 });
});

const base64url = (x) => Buffer.from(typeof x === 'string' ? x : JSON.stringify(x)).toString('base64url');
function jwt(claims, secret, alg = 'HS256') {
  const head = `${base64url({ alg, typ: 'JWT' })}.${base64url(claims)}`;
  return `${head}.${alg === 'none' ? '' : createHmac('sha256', secret).update(head).digest('base64url')}`;
}
test("the article's pair with a token", async (t) => {
  const shown = await weir(['project', 'jwt-secret', s.keys.project, '--data', s.data, '--json']);
  assert.equal(shown.code, 0, shown.err);
  const secret = shown.json?.jwt_secret ?? shown.json?.secret ?? shown.out.trim();
  const body = { en: 'pageview', ts: Date.now(), o: 'https://shop.example/cart?x=1', r: 'https://google.com/', sw: 1920, sh: 1080, ed: { plan: 'pro' } };
  const claims = { userId: 'jwt-user', projectId: s.keys.project };
  const go = (token, target = '/view', b = body) => s.send(b, { key: null, target, headers: token ? { authorization: `Bearer ${token}` } : {} });
  await t.test('is accepted as the article says', async () => {
    for (const target of ['/view', '/event', '/any/prefix/view']) {
      const r = await go(jwt(claims, secret), target);
      assert.equal(r.status, 202, r.text);
      assert.equal(r.text, 'ACCEPTED');
    }
    await s.visible(3, `user_id = 'jwt-user'`);
    const [row] = await s.rows(`SELECT page_path, hostname, referrer_domain, screen_width FROM events WHERE user_id = 'jwt-user' LIMIT 1`);
    assert.equal(row.page_path, '/cart');
    assert.equal(row.hostname, 'shop.example');
    assert.match(row.referrer_domain, /google\.com/);
    assert.equal(Number(row.screen_width), 1920);
  });
  await t.test('is verified, which the article did not do', async () => {
    for (const bad of [jwt(claims, 'wrong'), jwt(claims, secret, 'none'), jwt(claims, secret).slice(0, -2), 'a.b', 'x', '', jwt({ ...claims, exp: 1 }, secret)]) {
      const r = await go(bad);
      assert.equal(r.status, 401, `${bad}: ${r.text}`);
      assert.match(r.json.error, /^Unauthorized/);
    }
  });
  await t.test('gives its errors', async () => {
    const token = jwt(claims, secret);
    for (const [b, text] of [[{ ...body, en: '' }, /en/], [{ ...body, o: '' }, /o/], ['{', /Invalid JSON/], [{ ...body, sw: -1 }, /./], [{ ...body, sw: 1.5 }, /./]]) {
      const r = await go(token, '/view', b);
      assert.equal(r.status, 400, r.text);
      assert.match(r.json.error, text);
    }
  });
});
test('everything acknowledged is a row, once', async () => {
  await s.visible(sent.length, `id IN (${sent.map((i) => `'${i}'`)})`);
  assert.deepEqual(await s.count(`id IN (${sent.map((i) => `'${i}'`)})`), { n: sent.length, ids: sent.length });
  await s.stop();
});
