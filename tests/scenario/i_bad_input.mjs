// i: bad input on the real binary. Each gets a clear answer, and the next request is served: on the same connection where it may live.
import { deflateSync, gzipSync } from 'node:zlib';
import { Server, assert, event, results, statuses, test } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const post = (body, head = '') => Buffer.concat([Buffer.from(`POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${s.keys.write_key}\r\nContent-Length: ${body.length}\r\n${head}\r\n`), body]);
const bytes = (text) => Buffer.from(text, 'latin1');
const good = () => Buffer.from(JSON.stringify(event({ event: 'good' })));
const answers = (text) => text.split(/(?=HTTP\/1\.1 \d{3})/).filter((x) => x.startsWith('HTTP/1.1')).map((x) => {
  let json;
  try { json = JSON.parse(x.slice(x.indexOf('\r\n\r\n') + 4)); } catch { /* no JSON */ }
  return { status: statuses(x)[0], text: x, json };
});
let goods = 0;

/** The bad request, then a good one on the same connection; gives the answer to the bad one. */
async function served(body, head) {
  const r = await s.raw([post(body, head), post(good(), 'Connection: close\r\n')], { wait: 10000 });
  const list = answers(r.text);
  assert.equal(list.length, 2, `two answers on one connection: ${r.text.slice(0, 400)}`);
  assert.equal(list[1].status, 200, list[1].text.slice(0, 300));
  assert.equal(list[1].json.results[0].result, 'ok');
  goods++;
  return list[0];
}
/** 400 or 413 as problem+json with a sentence that tells what is wrong. */
function assertProblem(a, status, detail) {
  assert.equal(a.status, status, a.text.slice(0, 300));
  assert.match(a.text, /content-type: application\/problem\+json/i);
  assert.match(a.json.detail, detail);
  assert.equal(a.json.status, status);
  assert.ok(a.json.instance, 'the request id');
}

const whole = {
  'an empty body': ['', /empty/],
  'a number': ['7', /JSON object/],
  'a string': ['"x"', /JSON object/],
  'a NUL byte': ['\0', /./],
  'an array that breaks': ['[{"event":"a"},{"event"', /after event 1/],
  'an array of arrays, 20,000 deep': ['['.repeat(20000), /./],
};
for (const [name, [text, detail]] of Object.entries(whole)) {
  test(`refused as a whole: ${name}`, async () => assertProblem(await served(bytes(text)), 400, detail));
}

const single = {
  'invalid JSON': ['{"event":"a",}', /JSON/],
  'an object that ends too early': ['{"event":"a"', /JSON/],
  'a control character in a string': ['{"event":"a\n"}', /JSON/],
  'invalid UTF-8': ['{"event":"a\xff\xfe"}', /./],
  'an overlong UTF-8 sequence': ['{"event":"\xc0\xaf"}', /./],
  'a UTF-8 surrogate': ['{"event":"\xed\xa0\x80"}', /./],
  'a lone escaped surrogate': ['{"event":"a\\ud800"}', /./],
  'a NUL in a string': ['{"event":"a\0b"}', /./],
  'an escaped NUL': ['{"event":"a\\u0000b"}', /./],
  'depth 5,000': [`{"event":"a","properties":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`, /deep|levels/],
  'a key of 300 bytes': [`{"event":"a","properties":{"${'k'.repeat(300)}":1}}`, /key|200/],
  'a key of 100 KB': [`{"event":"a","properties":{"${'k'.repeat(100000)}":1}}`, /./],
  'a number out of range': ['{"event":"a","properties":{"n":1e999}}', /number|range/],
  'a number of 500 digits': [`{"event":"a","properties":{"n":${'1'.repeat(500)}}}`, /number|characters/],
  'an event of 300 KB': [`{"event":"a","properties":{"x":"${'x'.repeat(300000)}"}}`, /larger|bytes/],
};
for (const [name, [text, details]] of Object.entries(single)) {
  test(`one dropped event, with its reason: ${name}`, async () => {
    const a = await served(bytes(text));
    assert.equal(a.status, 200, a.text.slice(0, 300));
    const [r] = a.json.results;
    assert.equal(r.result, 'drop', JSON.stringify(r));
    assert.match(r.details, details);
    const mixed = await served(Buffer.concat([bytes('{"event":"before"}\n'), bytes(text.replaceAll('\n', ' ')), bytes('\n{"event":"after"}')]));
    assert.equal(mixed.status, 200, mixed.text.slice(0, 300));
    const list = mixed.json.results.map((x) => x.result);
    assert.deepEqual([list.at(0), list.at(-1)], ['ok', 'ok'], 'it spoils nobody');
  });
}
test('duplicate keys: the last one holds', async () => {
  const e = event();
  const a = await served(bytes(`{"event":"first","event":"dup","id":"${e.id}","properties":{"k":1,"k":2}}`));
  assert.equal(a.status, 200);
  assert.notEqual(a.json.results[0].result, 'drop');
  await s.visible(1, `id = '${e.id}'`);
  const [row] = await s.rows(`SELECT event, properties FROM events WHERE id = '${e.id}'`);
  assert.equal(row.event, 'dup');
  assert.equal(JSON.parse(row.properties).k, 2);
});
test('numbers are kept digit by digit', async () => {
  const e = event(), number = '12345678901234567890.12345678901234567890';
  const a = await served(bytes(`{"event":"digits","id":"${e.id}","properties":{"n":${number}}}`));
  assert.equal(a.json.results[0].result, 'ok', a.text);
  await s.visible(1, `id = '${e.id}'`);
  const [row] = await s.rows(`SELECT properties FROM events WHERE id = '${e.id}'`);
  assert.ok(row.properties.includes(number), row.properties);
});

/** A zstd frame of RLE blocks: 4 bytes for each 128 KiB. */
function zstdBomb(size) {
  const frame = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  const block = 128 << 10, count = Math.ceil(size / block);
  for (let i = 0; i < count; i++) {
    const header = (block << 3) | (1 << 1) | (i === count - 1 ? 1 : 0);
    frame.push(Buffer.from([header & 255, (header >> 8) & 255, header >> 16, 0x20]));
  }
  return Buffer.concat(frame);
}
const rss = async () => s.metric((await s.fetch('/metrics')).text, 'weir_heap_bytes');
const bombs = { gzip: () => gzipSync(Buffer.alloc(400 << 20, 32), { level: 9 }), zstd: () => zstdBomb(400 << 20) };
for (const [name, make] of Object.entries(bombs)) {
  test(`a ${name} bomb: 413, and the connection lives`, async () => {
    const bomb = make();
    assert.ok(bomb.length < 1 << 20);
    assertProblem(await served(bomb, name === 'gzip' ? 'Content-Encoding: gzip\r\n' : ''), 413, /decompressed/);
    await Promise.all(Array.from({ length: 8 }, async () => assert.equal((await s.send(bomb)).status, 413)));
    assert.ok(await rss() < 200 << 20);
  });
}
const packed = gzipSync(Buffer.from('{"event":"a"}'));
const archives = {
  'cut gzip': packed.subarray(0, packed.length - 6),
  'gzip with a wrong sum': Buffer.concat([packed.subarray(0, -8), Buffer.from('00000000', 'hex'), packed.subarray(-4)]),
  'gzip with garbage inside': Buffer.concat([packed.subarray(0, 12), Buffer.alloc(20, 0xff), packed.subarray(12)]),
  'cut zstd': zstdBomb(1 << 20).subarray(0, -3),
  'zlib, which nobody said': deflateSync(Buffer.from('{"event":"a"}')),
};
for (const [name, body] of Object.entries(archives)) {
  test(`a damaged archive: ${name}`, async () => assertProblem(await served(body), 400, /./));
}
test('10,001 events: 413, and the connection lives', async () => {
  assertProblem(await served(Buffer.from(`[${Array(10001).fill('{"event":"a"}').join()}]`)), 413, /10000|10,000/);
});
test('11 MB: 413, closed, and the next connection is served', async () => {
  const r = await s.raw([post(Buffer.alloc(11 << 20, 32))], { wait: 5000, until: (x) => x.includes('\r\n\r\n{') });
  assertProblem(answers(r.text)[0], 413, /./);
  assert.equal(results(await s.send(event({ event: 'good' })))[0].result, 'ok');
  goods++;
});
test('a smuggled request is never seen', async () => {
  const inner = event({ event: 'smuggled' });
  const hidden = post(Buffer.from(JSON.stringify(inner)));
  for (const head of ['Content-Length: 6\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', 'Transfer-Encoding : chunked\r\n', 'Content-Length: 5\r\nContent-Length: 6\r\n']) {
    const r = await s.raw([bytes(`POST /v1/events HTTP/1.1\r\nHost: x\r\n${head}\r\n0\r\n\r\n`), hidden], { wait: 3000 });
    assert.deepEqual(r.statuses, [400], r.text.slice(0, 300));
    assert.ok(r.closed, 'closed');
    assert.equal((await s.send(event({ event: 'good' }))).status, 200);
    goods++;
  }
});
test('refusals are counted, good ones are rows', async () => {
  await s.fetch('/v1/events', { method: 'POST', body: '{}' }); // no key
  const { text } = await s.fetch('/metrics');
  const refused = (status) => Number(new RegExp(`^weir_ingest_refused_requests_total\\{status="${status}",reason="\\w+"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  assert.equal(refused(400), Object.keys(whole).length + Object.keys(archives).length, text);
  assert.equal(refused(401), 1);
  assert.equal(refused(413), 2 * 9 + 2);
  assert.equal(refused(503), 0);
  await s.visible(goods, `event = 'good'`);
  assert.deepEqual(await s.count(`event = 'good'`), { n: goods, ids: goods });
  assert.deepEqual(await s.count(`event = 'smuggled'`), { n: 0, ids: 0 });
  await s.stop();
  assert.doesNotMatch(s.log, /must\(|Sanitizer|runtime error/);
});
