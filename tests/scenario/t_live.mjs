// t: who is here now, and the stream of events as they become durable. docs/live.md.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { Server, assert, event, sleep, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false', '--limit.key_per_second', '0', '--limit.address_per_second', '0'] });
test.after(() => s.killNow());
const made = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;
const keyOf = async (kind) => (await weir(['key', 'create', '--project', made.project ?? made.id, '--kind', kind, '--data', s.data, '--json'])).json.key;
const other = { project: made.project ?? made.id, write_key: await keyOf('write'), secret_key: await keyOf('secret') };
// Each is known on its own, within a second: the second one may be so after the first.
await until('the other project\'s keys are known', async () => (await s.send(event(), { key: other.write_key })).status === 200 && (await s.fetch(`/v1/projects/${other.project}/live`, { headers: { 'x-api-key': other.secret_key } })).status === 200);

/** A listener: .events (as they came), .gone, .close(). */
function listen({ project = s.keys.project, key = s.keys.secret_key, last, agent } = {}) {
  const l = { events: [], text: '', gone: false, status: 0 };
  const req = http.get(`${s.url}/v1/projects/${project}/live/events`, { agent: agent ?? false, headers: { 'x-api-key': key, ...(last !== undefined ? { 'last-event-id': last } : {}) } }, (res) => {
    l.status = res.statusCode;
    l.headers = res.headers;
    res.setEncoding('utf8');
    let rest = '';
    res.on('data', (d) => {
      l.text += d;
      const parts = (rest + d).split('\n\n');
      rest = parts.pop();
      for (const part of parts) {
        const e = { event: 'message' };
        for (const line of part.split('\n')) {
          const m = /^(id|event|data): (.*)$/.exec(line);
          if (m) e[m[1]] = m[2];
        }
        if (e.id !== undefined) l.last = e.id;
        if (e.data !== undefined) l.events.push({ ...e, data: JSON.parse(e.data) });
        else l.beats = (l.beats ?? 0) + 1;
      }
    });
    res.on('close', () => { l.gone = true; });
    res.on('error', () => { l.gone = true; });
  });
  req.on('error', () => { l.gone = true; });
  l.close = () => req.destroy();
  l.ids = () => l.events.map((e) => e.data.id);
  l.ready = until('the stream begins', () => l.beats > 0 || l.events.length > 0 || (l.status && l.status !== 200));
  return l;
}
const send = async (n, more = {}, options = {}) => {
  const list = Array.from({ length: n }, (_, i) => event({ user_id: `u${i % 7}`, ...more, id: randomUUID() }));
  assert.equal((await s.send(list, options)).status, 200);
  return list.map((e) => e.id);
};
const same = (a, b) => assert.deepEqual([...a].sort(), [...b].sort());

test('events come as they become durable, with few fields and no address', async () => {
  const l = listen();
  await l.ready;
  assert.match(l.headers['content-type'], /^text\/event-stream/);
  const page = { url: 'https://shop.example/pricing?token=1', title: 'Prices', referrer: 'https://user:pw@news.example/x?y=1' };
  const sent = event({ event: 'pageview', context: { page }, properties: { secret: 1 } });
  assert.equal((await s.send(sent)).status, 200);
  await until('it came', () => l.events.length === 1);
  assert.deepEqual(l.events[0].data, { id: sent.id, event: 'pageview', timestamp: sent.timestamp.replace(/(\.\d+)?Z$/, (m) => m), user_id: 'u1', page: '/pricing', title: 'Prices', referrer: 'news.example', source: 'api' });
  assert.match(l.events[0].id, /^[0-9a-f]+-[0-9a-f]+$/);
  l.close();
});

test('only those of the project', async () => {
  const mine = listen(), theirs = listen({ project: other.project, key: other.secret_key });
  await Promise.all([mine.ready, theirs.ready]);
  const [a, b] = [await send(20), await send(30, {}, { key: other.write_key })];
  await until('all came', () => mine.events.length >= 20 && theirs.events.length >= 30).catch((e) => { throw new Error(`${e.message}: ${mine.events.length}, ${theirs.events.length} ${theirs.status} ${theirs.text.slice(0, 300)}`); });
  same(mine.ids(), a);
  same(theirs.ids(), b);
  mine.close();
  theirs.close();
  const refused = listen({ key: other.secret_key });
  await until('another\'s key is refused', () => refused.status === 404);
  const write = listen({ key: s.keys.write_key });
  await until('a write key is refused', () => write.status === 403);
});

test('who comes again with the last id gets what lies between, once', async () => {
  const l = listen();
  await l.ready;
  const first = await send(50);
  await until('some came', () => l.events.length >= 10);
  const seen = l.events.slice(0, 10), last = seen.at(-1).id;
  l.close();
  const between = await send(40);
  await send(40, {}, { key: other.write_key });
  const again = listen({ last });
  const after = (await again.ready, await send(30));
  await until('all came', () => again.events.length >= 50 + 40 + 30 - 10);
  same([...seen.map((e) => e.data.id), ...again.ids()], [...first, ...between, ...after]);
  assert.equal(again.events.some((e) => e.event !== 'message'), false);
  again.close();
});

test('ids that say nothing here are told as a gap, and the stream goes on', async () => {
  for (const last of ['nonsense', 'ffffffff-ffffffff', '1', '0-0-0', '-', '00000000000000000000-1']) {
    const l = listen({ last });
    await until(`gap for ${last}`, () => l.events[0]?.event === 'gap');
    const ids = await send(2);
    await until('it goes on', () => ids.every((id) => l.ids().includes(id)));
    l.close();
  }
});

test('a slow reader is told and let go; the others get all', async () => {
  const good = listen();
  await good.ready;
  const slow = net.connect(s.port, s.host);
  let text = '';
  slow.on('error', () => {});
  slow.write(`GET /v1/projects/${s.keys.project}/live/events HTTP/1.1\r\nHost: a\r\nX-API-Key: ${s.keys.secret_key}\r\n\r\n`);
  await until('it listens', async () => { const d = slow.read(); if (d) text += d; return text.includes('\nid: '); });
  const title = 'x'.repeat(900);
  const ids = [];
  let closed = false;
  slow.on('close', () => { closed = true; });
  for (let i = 0; i < 200 && !closed; i++) {
    ids.push(...await send(100, { event: 'pageview', context: { page: { url: 'https://a.example/', title } } }));
    if (i >= 60) break; // 6,000 × 1.1 kB: more than sockets and buffers hold
    // Not faster than the good one reads: 240 of them that wait make anybody a slow reader (docs/live.md).
    await until('the good one has all', () => good.events.length >= ids.length, 60000);
  }
  await until('the good one has all', () => good.events.length >= ids.length, 60000);
  same(new Set(good.ids()), new Set(ids));
  slow.on('data', (d) => { text += d; });
  slow.resume();
  await until('the slow one was told', () => text.includes('event: overflow') || closed, 60000);
  assert.ok(text.includes('event: overflow'), `${text.length} bytes, closed: ${closed}`);
  good.close();
  slow.destroy();
});

/** Who has closed is gone for the server when it reads so, which may be later than the next request. */
const listening = async () => Number(/^weir_live_listeners (\d+)$/m.exec((await s.fetch('/metrics')).text)[1]);

test('two hundred listen, one more is refused; their memory goes with them', async () => {
  await until('nobody listens any more', async () => await listening() === 0);
  const agent = new http.Agent({ maxSockets: Infinity });
  const listeners = Array.from({ length: 200 }, () => listen({ agent }));
  await Promise.all(listeners.map((l) => l.ready));
  const more = listen();
  await until('one more is refused', () => more.status === 429);
  const elsewhere = listen({ project: other.project, key: other.secret_key });
  await elsewhere.ready;
  assert.equal(elsewhere.status, 200, 'another project has its own');
  const begun = Date.now();
  const ids = await send(100);
  await until('all have all', () => listeners.every((l) => l.events.length >= 100), 30000);
  console.log(`# 100 events to 200 listeners: ${Date.now() - begun} ms`);
  for (const l of listeners) same(l.ids(), ids);
  for (const l of [...listeners, elsewhere]) l.close();
  await until('they are gone', async () => await listening() === 0);
  await until('there is room again', async () => { const l = listen(); await l.ready; l.close(); return l.status === 200; });
});

test('a heartbeat comes while nothing happens, and moves the id on', async () => {
  const l = listen();
  await l.ready;
  const before = l.last;
  await send(5, {}, { key: other.write_key });
  await until('a heartbeat', () => l.beats >= 2, 30000);
  assert.equal(l.events.length, 0);
  assert.notEqual(l.last, before, 'past what was not about this project');
  l.close();
});

test('who is here now', async () => {
  await send(3, { event: 'pageview', user_id: 'now1', anonymous_id: 'now1', timestamp: new Date().toISOString(), context: { page: { url: 'https://shop.example/now', referrer: 'https://www.google.com/' } } });
  const live = await until('it is counted', async () => {
    const r = await s.fetch(`/v1/projects/${s.keys.project}/live`, { headers: { 'x-api-key': s.keys.secret_key } });
    return r.json?.pages?.some((p) => p.page === '/now' && p.pageviews === 3) && r.json;
  });
  assert.equal(live.minutes.length, 30);
  assert.ok(live.visitors >= 1 && live.visitors_30m >= live.visitors);
  assert.equal(live.minutes.reduce((n, m) => n + m.pageviews, 0), live.pageviews_30m);
  assert.ok(live.sources.some((x) => x.source === 'Google'));
  assert.equal(live.events.length, 20);
  const theirs = await s.fetch(`/v1/projects/${s.keys.project}/live`, { headers: { 'x-api-key': other.secret_key } });
  assert.equal(theirs.status, 404);
});

test('the server ends while somebody listens: the stream ends, the server leaves at once, and the id still holds', async () => {
  const l = listen();
  await l.ready;
  await send(3);
  await until('they came', () => l.events.length === 3);
  const begun = Date.now();
  await s.stop();
  assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
  await until('it ended', () => l.gone);
  s.exit = undefined;
  await s.run();
  const ids = await send(2);
  const again = listen({ last: l.last });
  await until('what came meanwhile', () => again.events.length === 2);
  same(again.ids(), ids);
  again.close();
  await s.stop();
});
