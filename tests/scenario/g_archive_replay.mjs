// g: hourly files with a manifest, and tables built anew from the stream and from the archive.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { Server, assert, event, results, test, weir } from './harness.mjs';

const s = await Server.start();
test.after(() => s.killNow());
const N = 500;
for (let i = 0; i < 5; i++) {
  const r = await s.send(Array.from({ length: N / 5 }, (_, k) => event({ event: 'kept', properties: { n: i * 100 + k } })));
  assert.ok(results(r).every((x) => x.result === 'ok'));
}
await s.visible(N);
const sums = async () => (await s.rows(`SELECT count() AS n, uniqExact(id) AS ids, sum(JSONExtractInt(properties, 'n')) AS total, sum(cityHash64(id, event, timestamp, properties)) AS h FROM events`))[0];
const before = await sums();
const files = (dir) => readdirSync(dir, { recursive: true }).map((f) => path.join(dir, String(f))).filter((f) => statSync(f).isFile());

test('replay from the stream changes nothing, however often', async () => {
  for (let i = 0; i < 2; i++) {
    const r = await weir(['replay', '--from', '2020-01-01T00:00:00Z', '--data', s.data], { timeout: 120000 });
    assert.equal(r.code, 0, r.err + r.out);
    assert.deepEqual(await sums(), before);
  }
});
test('events go on arriving after a replay', async () => {
  await s.send(event({ event: 'later' }));
  await s.visible(1, `event = 'later'`);
  assert.deepEqual(await s.count(`event = 'kept'`), { n: N, ids: N });
});
test('the archive can be written out, listed and verified', async () => {
  const flushed = await weir(['archive', 'flush', '--data', s.data], { timeout: 120000 });
  assert.equal(flushed.code, 0, flushed.err + flushed.out);
  const ls = await weir(['archive', 'ls', '--data', s.data]);
  assert.equal(ls.code, 0, ls.err);
  const verify = await weir(['archive', 'verify', '--data', s.data], { timeout: 120000 });
  assert.equal(verify.code, 0, verify.err + verify.out);
  const all = files(path.join(s.data, 'archive'));
  assert.ok(all.some((f) => f.includes('.ndjson.zst')), all.join('\n'));
  const damaged = all.find((f) => f.endsWith('.ndjson.zst'));
  assert.ok(createHash('sha256').update(readFileSync(damaged)).digest('hex').length === 64);
});
test('replay from the archive gives the same rows', async () => {
  const now = await sums();
  const r = await weir(['replay', '--source', 'archive', '--from', '2020-01-01T00:00:00Z', '--data', s.data], { timeout: 120000 });
  assert.equal(r.code, 0, r.err + r.out);
  assert.deepEqual(await sums(), now);
});
test('it stops', () => s.stop());
