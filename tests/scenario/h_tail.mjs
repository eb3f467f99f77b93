// h: what a crash or a disk can do to the end of a segment, on the real binary. Behind the last acknowledged byte everything
// may be there: it is cut. In what was acknowledged nothing may change: the start refuses and names file and command.
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, readdirSync, statSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { Faults, Server, assert, event, test, until, weir } from './harness.mjs';

const args = ['--archive', 'false', '--stream.partitions', '1'];
const EIO = 5;

function segments(s) {
  const folder = path.join(s.data, 'stream/events');
  return readdirSync(folder, { recursive: true }).map((f) => path.join(folder, String(f))).filter((f) => f.endsWith('.seg') && statSync(f).isFile()).sort();
}
function edit(file, fn) {
  const fd = openSync(file, 'r+');
  try { fn(fd, fstatSync(fd).size); } finally { closeSync(fd); }
}
function flip(fd, at, length = 1) {
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, at);
  for (let i = 0; i < length; i++) bytes[i] ^= 0x55;
  writeSync(fd, bytes, 0, length, at);
}
/** Behind the last batch; what follows in the file is zeros filled ahead (docs/format/stream.md). */
function dataEnd(file) {
  const bytes = readFileSync(file);
  let end = bytes.length;
  while (end && bytes[end - 1] === 0) end--;
  return Math.ceil(end / 512) * 512;
}
async function start(t, more = {}) {
  const s = await Server.start({ args, ...more });
  t.after(() => s.killNow());
  return s;
}
async function send(s, n, acked) {
  for (let i = 0; i < n; i++) {
    const e = event();
    assert.equal((await s.send(e)).status, 200);
    acked.push(e.id);
  }
}
/** Starts again; every acknowledged id is in the stream once and first, and it goes on. */
async function goesOn(s, acked) {
  s.exit = undefined;
  await s.run();
  await send(s, 3, acked);
  const ids = await s.streamIds();
  assert.equal(new Set(ids).size, ids.length, 'no id twice');
  assert.deepEqual(ids.filter((id) => acked.includes(id)), acked);
  await s.stop();
  const verify = await weir(['stream', 'verify', '--data', s.data]);
  assert.equal(verify.code, 0, verify.err + verify.out);
}

test('garbage of any length behind the last batch is cut', async (t) => {
  const s = await start(t), acked = [];
  await send(s, 5, acked);
  for (const garbage of [Buffer.alloc(1), Buffer.alloc(4096), randomBytes(100), randomBytes(70000), Buffer.from('WEIR'.repeat(500))]) {
    await s.kill9();
    for (const at of [dataEnd(segments(s).at(-1)), undefined]) // right there, and at the end of the file
      edit(segments(s).at(-1), (fd, size) => writeSync(fd, garbage, 0, garbage.length, at ?? size));
    s.exit = undefined;
    await s.run();
    await send(s, 2, acked);
  }
  await s.kill9();
  await goesOn(s, acked);
});

/** A batch that is on disk and was never acknowledged: its sync failed. Gives where it begins. */
async function unacknowledged(t) {
  const faults = new Faults();
  const s = await start(t, { env: faults.env }), acked = [];
  await send(s, 5, acked);
  const size = dataEnd(segments(s).at(-1));
  faults.set('sync', EIO);
  const doubtful = event({ event: 'doubtful', properties: { fill: 'x'.repeat(9000) } });
  const r = await s.send(doubtful).catch(() => ({ status: 0 }));
  assert.notEqual(r.status, 200, 'not acknowledged');
  assert.ok((await s.ended).code > 0, 'it leaves');
  assert.ok(faults.get('syncs') > 0);
  faults.set('sync', 0);
  const file = segments(s).at(-1);
  const at = readFileSync(file).indexOf(doubtful.id);
  assert.ok(at >= size, 'the batch is behind what was acknowledged');
  return { s, acked, file, from: size, to: dataEnd(file), at };
}
test('an unacknowledged batch may be cut anywhere', { skip: Faults.missing }, async (t) => {
  for (const share of [0.02, 0.5, 0.99]) {
    const { s, acked, file, from, to } = await unacknowledged(t);
    edit(file, (fd) => ftruncateSync(fd, Math.floor(from + (to - from) * share)));
    await goesOn(s, acked);
  }
});
test('an unacknowledged batch may be garbled', { skip: Faults.missing }, async (t) => {
  for (const damage of [({ from }) => [from, 8], ({ at }) => [at, 36], ({ from, to }) => [from, to - from]]) {
    const u = await unacknowledged(t);
    edit(u.file, (fd) => flip(fd, ...damage(u)));
    await goesOn(u.s, u.acked);
  }
});

test('one changed byte in what was acknowledged: refused, with file and command', async (t) => {
  const s = await start(t), acked = [];
  await send(s, 10, acked);
  await s.stop();
  for (const id of [acked[0], acked[9]]) {
    const file = segments(s).find((f) => readFileSync(f).includes(id));
    const at = readFileSync(file).indexOf(id);
    edit(file, (fd) => flip(fd, at));
    const r = await weir(['serve', '--data', s.data, '--listen', '127.0.0.1:0', ...args], { timeout: 20000 });
    assert.ok(r.code > 0, `it does not start: ${r.err}`);
    assert.ok(r.err.includes(file), `the file is named: ${r.err}`);
    assert.match(r.err, /weir stream truncate-tail/);
    edit(file, (fd) => flip(fd, at)); // flipped back
  }
  await goesOn(s, acked);
});
test('a segment that ends within what was acknowledged and processed: refused, with folder and command', async (t) => {
  const s = await start(t), acked = [];
  await send(s, 10, acked);
  await s.visible(10);
  await s.stop();
  const file = segments(s).at(-1);
  const bytes = readFileSync(file), at = bytes.indexOf(acked[5]);
  edit(file, (fd) => ftruncateSync(fd, at));
  const r = await weir(['serve', '--data', s.data, '--listen', '127.0.0.1:0', ...args], { timeout: 20000 });
  assert.ok(r.code > 0, `it does not start: ${r.err}`);
  assert.match(r.err, /stream\/events: partition 0 ends at offset \d+, but project has processed up to 10.*weir restore/);
  edit(file, (fd) => writeSync(fd, bytes, 0, bytes.length, 0));
  await goesOn(s, acked);
});
