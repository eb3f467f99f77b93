// b: HTTP as it comes from outside. After every hostile request a good one on a new connection must be served.
import { gzipSync } from 'node:zlib';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { Server, SLOW, assert, event, results, sleep, test, until } from './harness.mjs';

// Made before there is a connection: it takes longer than the server lets an idle one wait.
const bomb = gzipSync(Buffer.alloc(300 << 20, 32), { level: 9 });
const s = await Server.start({ args: ['--http.head_deadline_ms', '700', '--http.idle_deadline_ms', '1500',
  '--http.body_bytes_per_s_min', '4096', '--http.write_deadline_ms', '2000', '--archive', 'false'] });
test.after(() => s.killNow());
const auth = `Authorization: Bearer ${s.keys.write_key}\r\n`;
const good = JSON.stringify(event());
const post = (head, body, line = 'POST /v1/events HTTP/1.1') => `${line}\r\nHost: x\r\n${auth}${head}\r\n${body}`;

async function goodOne() {
  const r = await s.send(event());
  assert.equal(r.status, 200, r.text);
}
async function refused(bytes, codes, options) {
  const r = await s.raw(bytes, options);
  assert.ok(codes.includes(r.status), `${JSON.stringify(String(bytes).slice(0, 120))} → ${r.text.slice(0, 200) || '(nothing)'}`);
  assert.equal(r.statuses.length, 1, `answered once: ${r.statuses}`);
  assert.ok(r.closed, 'closed after the error');
  await goodOne();
}

const smuggled = `${good.length.toString(16)}\r\n${good}\r\n0\r\n\r\n`;
const shapes = {
  'Content-Length with Transfer-Encoding': post(`Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, smuggled),
  'two Content-Lengths that differ': post('Content-Length: 3\r\nContent-Length: 5\r\n', '{}   '),
  'a list in Content-Length': post('Content-Length: 3, 5\r\n', '{}   '),
  'Content-Length with a sign': post('Content-Length: +3\r\n', '{} '),
  'Content-Length in hex': post('Content-Length: 0x3\r\n', '{} '),
  'Content-Length beyond 2^64': post('Content-Length: 18446744073709551617\r\n', '{} '),
  'Transfer-Encoding: identity': post('Transfer-Encoding: identity\r\n', good),
  'Transfer-Encoding: xchunked': post('Transfer-Encoding: xchunked\r\n', smuggled),
  'Transfer-Encoding: chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', smuggled),
  'Transfer-Encoding twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', smuggled),
  'a space before the colon': post('Content-Length : 3\r\n', '{} '),
  'a folded header': post('X-A: 1\r\n  Content-Length: 3\r\nContent-Length: 2\r\n', '{}'),
  'a bare LF': `POST /v1/events HTTP/1.1\nHost: x\n${auth.replace('\r', '')}Content-Length: 2\n\n{}`,
  'NUL in a header': post('X-A: a\0b\r\nContent-Length: 2\r\n', '{}'),
  'a bare CR in a header': post('X-A: a\rb\r\nContent-Length: 2\r\n', '{}'),
  'no Host': `GET /healthz HTTP/1.1\r\n\r\n`,
  'two Hosts': 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'a bad chunk size': post('Transfer-Encoding: chunked\r\n', `zz\r\n${good}\r\n0\r\n\r\n`),
  'a chunk size beyond 2^64': post('Transfer-Encoding: chunked\r\n', `fffffffffffffffff\r\n{}\r\n0\r\n\r\n`),
  'chunk data longer than its size': post('Transfer-Encoding: chunked\r\n', `2\r\n{}xx\r\n0\r\n\r\n`),
  'no method': ' / HTTP/1.1\r\nHost: x\r\n\r\n',
  'a space in the target': 'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n',
  'TLS to a plain port': Buffer.from('16030100a5010000a10303', 'hex'),
  'HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
};
for (const [name, bytes] of Object.entries(shapes)) test(`refused: ${name}`, () => refused(bytes, [400, 411, 414, 501, 505]));

test('HTTP versions other than 1.0 and 1.1', () => refused('GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n', [400, 505]));
test('a head of 100 KB', () => refused(post(`X-A: ${'a'.repeat(100000)}\r\n`, ''), [431]));
test('1,000 header fields', () => refused(post(Array.from({ length: 1000 }, (_, i) => `X-${i}: 1\r\n`).join(''), ''), [431]));
test('a target of 12 KB', () => refused(`GET /${'a'.repeat(12000)} HTTP/1.1\r\nHost: x\r\n\r\n`, [414]));
test('a body larger than the limit is refused by its length', () => refused(post('Content-Length: 99999999\r\n', ''), [413]));
test('a chunked body larger than the limit is refused on the way', async () => {
  const chunk = Buffer.from(`100000\r\n${'x'.repeat(1 << 20)}\r\n`);
  const r = await s.raw([post('Transfer-Encoding: chunked\r\n', ''), ...Array(12).fill(chunk)], { wait: 3000, until: (x) => x.includes('HTTP/1.1') });
  assert.equal(r.status, 413);
  await goodOne();
});
test('a body of nearly 10 MB is taken', async () => {
  const batch = [];
  for (let i = 0; i < 160; i++) batch.push(event({ properties: { fill: 'x'.repeat(60000) } }));
  const body = JSON.stringify(batch);
  assert.ok(body.length > 9 << 20);
  const r = await s.send(body);
  assert.equal(r.status, 200, r.text.slice(0, 300));
  assert.ok(results(r).every((x) => x.result === 'ok'));
});

test('pipelined requests are answered in order', async () => {
  const r = await s.raw(`GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\n\r\n${post(`Content-Length: ${good.length}\r\n`, good)}GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, { wait: 3000 });
  assert.deepEqual(r.statuses, [200, 404, 200, 200]);
  assert.ok(r.closed);
});
test('chunked bodies, split at every byte', async () => {
  const bytes = Buffer.from(post('Transfer-Encoding: chunked\r\nConnection: close\r\n', `${good.length.toString(16)};ext=1\r\n${good}\r\n0\r\nX-Trailer: 1\r\n\r\n`));
  const sock = net.connect(s.port, s.host);
  sock.setNoDelay(true);
  let text = '';
  sock.on('data', (d) => { text += d; });
  for (const b of bytes) { sock.write(Buffer.of(b)); await new Promise(setImmediate); }
  await until('the answer', () => text.includes('\r\n\r\n'));
  sock.destroy();
  assert.match(text, /^HTTP\/1\.1 200/);
});
test('Expect: 100-continue', async () => {
  const r = await s.raw(post(`Content-Length: ${good.length}\r\nExpect: 100-continue\r\n`, ''), { until: (x) => /100 Continue\r\n\r\n/.test(x), wait: 3000 });
  assert.equal(r.status, 100);
  const over = await s.raw(post('Content-Length: 99999999\r\nExpect: 100-continue\r\n', ''), { wait: 2000 });
  assert.equal(over.status, 413, 'refused before the body');
  await refused(post('Content-Length: 2\r\nExpect: a-pony\r\n', '{}'), [417]);
});
test('HEAD has the headers of GET and no body', async () => {
  const r = await s.raw('HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', { wait: 2000 });
  assert.equal(r.status, 200);
  assert.match(r.text, /content-length: [1-9]/i);
  assert.ok(r.text.endsWith('\r\n\r\n'));
});
test('OPTIONS answers CORS for browsers', async () => {
  const r = await s.fetch('/v1/events', { method: 'OPTIONS', headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' } });
  assert.ok([200, 204].includes(r.status));
  assert.equal(r.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.match(r.headers.get('access-control-allow-headers'), /authorization/i);
  const real = await s.send(event(), { headers: { origin: 'https://shop.example' } });
  assert.equal(real.headers.get('access-control-allow-origin'), 'https://shop.example');
});
test('a wrong method is 405 with Allow', async () => {
  const r = await s.fetch('/v1/events', { method: 'DELETE' });
  assert.equal(r.status, 405);
  assert.match(r.headers.get('allow'), /POST/);
});
test('HTTP/1.0 closes unless it is asked not to', async () => {
  const r = await s.raw('GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n', { wait: 1000 });
  assert.equal(r.status, 200);
  assert.ok(r.closed);
});

async function held(bytes, what, { drip, codes = [408] } = {}) {
  const sock = net.connect(s.port, s.host);
  let text = '', closed = false;
  sock.on('data', (d) => { text += d; });
  sock.on('close', () => { closed = true; });
  sock.on('error', () => { closed = true; });
  sock.write(bytes);
  const timer = drip && setInterval(() => sock.write(drip), 100);
  await until(`${what} to be cut off`, () => closed, 15000).finally(() => clearInterval(timer));
  if (text) assert.ok(codes.some((c) => text.startsWith(`HTTP/1.1 ${c}`)), text.slice(0, 100));
  sock.destroy();
  await goodOne();
}
test('a head that drips is cut off', () => held('GET /healthz HTTP/1.1\r\nHost: x\r\n', 'the slow head', { drip: 'X-A: b\r\n' }));
test('a body that drips is cut off', () => held(post('Content-Length: 100000\r\n', '{'), 'the slow body', { drip: ' ' }));
test('an idle connection is closed', () => held('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'the idle connection', { codes: [200] }));
test('a client that leaves in the middle', async () => {
  for (let i = 0; i < 50; i++) {
    const sock = net.connect(s.port, s.host);
    sock.on('error', () => {});
    sock.write(post(`Content-Length: ${good.length}\r\n`, good.slice(0, i)));
    await new Promise((done) => sock.once('connect', done));
    sock.resetAndDestroy();
  }
  await goodOne();
});

test('a client that asks for much and never reads is cut off, and costs little meanwhile', async () => {
  const rss = () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${s.pid}/status`, 'utf8'))[1]) * 1024;
  const ask = Buffer.from('GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500));
  await goodOne();
  const before = rss();
  const open = Array.from({ length: 20 }, () => {
    const sock = net.connect(s.port, s.host);
    sock.pause();
    const state = { sock, closed: false, taken: 0 };
    sock.on('error', () => { state.closed = true; });
    sock.on('close', () => { state.closed = true; });
    const more = () => { while (!state.closed && state.taken < 4000 && sock.write(ask)) state.taken++; };
    sock.on('drain', more);
    sock.on('connect', more);
    return state;
  });
  let most = 0;
  await until('all of them to be cut off', async () => {
    most = Math.max(most, rss());
    await goodOne();
    return open.every((c) => c.closed);
  }, 30000);
  const each = (SLOW > 1 ? 16 : 4) << 20; // a sanitizer keeps what was freed for a while
  assert.ok(most - before < 20 * each, `${(most - before) >> 20} MiB for 20 of them`);
  for (const c of open) assert.ok(c.taken < 4000, 'it stopped taking requests');
});

test('gzip bombs and cut gzip', async () => {
  const r = await s.send(bomb, { headers: { 'content-encoding': 'gzip' } });
  assert.equal(r.status, 413, r.text.slice(0, 200));
  const cut = await s.send(gzipSync(good).subarray(0, 40));
  assert.equal(cut.status, 400, cut.text.slice(0, 200));
  const twice = await s.send(gzipSync(gzipSync(good)));
  assert.equal(twice.status, 400);
  await goodOne();
});

const json = (text) => s.send(Buffer.from(text, 'latin1'));
const worst = {
  'no JSON': '{', 'an empty body': '', 'a number': '7', 'a string': '"x"', 'null': 'null', 'an empty array': '[]',
  'garbage after it': '{"event":"a"} x', 'single quotes': "{'event':'a'}", 'a comment': '{"event":"a"/**/}',
  'NaN': '{"event":"a","properties":{"n":NaN}}', 'depth 10,000': '['.repeat(10000) + ']'.repeat(10000),
  'a NUL byte': '{"event":"a\0b"}', 'invalid UTF-8': '{"event":"a\xff"}',
};
for (const [name, text] of Object.entries(worst)) {
  test(`bad body: ${name}`, async () => {
    const r = await json(text);
    assert.ok(r.status === 400 || (r.status === 200 && results(r).every((x) => x.result === 'drop')), `${r.status} ${r.text.slice(0, 200)}`);
    if (r.status === 400) assert.ok(r.json?.detail?.length > 10, `a clear reason: ${r.text}`);
    await goodOne();
  });
}
const odd = {
  'depth 200 in properties': { properties: JSON.parse(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`) },
  'a key of 100 KB': { properties: { ['k'.repeat(100000)]: 1 } },
  'properties of 200 KB': { properties: { a: 'x'.repeat(200000) } },
  'an event name of 1,000 bytes': { event: 'e'.repeat(1000) },
  'an empty event name': { event: '' },
  'an event name that is a number': { event: 7 },
  'a wrong id': { id: 'not-a-uuid' },
  'a wrong time': { timestamp: 'yesterday' },
  'a user id of 10 KB': { user_id: 'u'.repeat(10000) },
  'properties that are an array': { properties: [1] },
};
for (const [name, more] of Object.entries(odd)) {
  test(`odd event spoils nobody else: ${name}`, async () => {
    const r = await s.send([event(), event(more), event()]);
    assert.equal(r.status, 200, r.text.slice(0, 300));
    const list = results(r);
    assert.equal(list[0].result, 'ok');
    assert.equal(list[2].result, 'ok');
    assert.ok(['drop', 'warning'].includes(list[1].result), `${name}: ${JSON.stringify(list[1])}`);
    assert.ok(list[1].details || list[1].reason, 'with a reason');
  });
}
test('numbers out of range, duplicate keys and an escaped NUL go through or are told', async () => {
  for (const text of ['{"event":"a","properties":{"n":1e999}}', '{"event":"a","properties":{"n":123456789012345678901234567890}}',
    '{"event":"a","event":"b"}', '{"event":"a","properties":{"k":1,"k":2}}', '{"event":"a\\u0000b"}', '{"event":"a\\ud800"}',
    '{"event":"a","timestamp":"9999-12-31T23:59:59Z"}', '{"event":"a","timestamp":"0001-01-01T00:00:00Z"}']) {
    const r = await json(text);
    assert.ok([200, 400].includes(r.status), `${text}: ${r.status}`);
    await goodOne();
  }
});
test('many connections at once', async () => {
  const all = await Promise.all(Array.from({ length: 300 }, () => s.raw('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', { wait: 5000 })));
  assert.ok(all.every((r) => r.status === 200));
});
test('it still stops as it should', async () => {
  await sleep(10);
  await s.stop();
  assert.doesNotMatch(s.log, /must\(|Sanitizer|runtime error/);
});
