// i: the disk fails, fills up, descriptors run out, the store hangs; and what each acknowledgement mode says.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { Server, assert, event, results, sleep, tempFolder, test, until, weir } from './harness.mjs';

const can = (cmd, args) => { try { execFileSync(cmd, args, { stdio: 'ignore' }); return true; } catch { return false; } };
const hasStrace = can('strace', ['-e', 'trace=none', 'true']);
const isRoot = process.getuid() === 0;
const noStore = ['--archive', 'false'];

test('EIO on fdatasync: nothing more is acknowledged, a non-zero exit, recovery at the next start',
  { skip: !hasStrace && 'strace cannot trace here' }, async (t) => {
    const s = await Server.start({ args: noStore });
    t.after(() => s.killNow());
    const kept = [];
    for (let i = 0; i < 5; i++) {
      const e = event();
      assert.equal((await s.send(e)).status, 200);
      kept.push(e.id);
    }
    const { spawn } = await import('node:child_process');
    const tracer = spawn('strace', ['-f', '-qq', '-p', String(s.pid), '-e', 'trace=fdatasync,fsync', '-e', 'inject=fdatasync,fsync:error=EIO'], { stdio: ['ignore', 'ignore', 'pipe'] });
    t.after(() => tracer.kill('SIGKILL'));
    const refused = await until('a refusal', async () => {
      if (s.exit) return { status: 0 };
      const r = await s.send(event({ event: 'doubtful' })).catch(() => ({ status: 0 }));
      return r.status !== 200 && r;
    });
    assert.ok([0, 503].includes(refused.status), `${refused.status} ${refused.text}`);
    const exit = await s.ended;
    assert.ok(exit.code > 0 && exit.signal === null, JSON.stringify(exit));
    assert.match(s.log, /halt/);
    tracer.kill('SIGKILL');
    s.exit = undefined;
    await s.run();
    const after = event();
    assert.equal((await s.send(after)).status, 200);
    kept.push(after.id);
    const cat = await weir(['stream', 'cat', '--data', s.data]);
    assert.equal(cat.code, 0, cat.err);
    const ids = cat.out.trim().split('\n').map((l) => JSON.parse(l).value.id);
    for (const id of kept) assert.equal(ids.filter((x) => x === id).length, 1, `${id} is there once`);
    await s.stop();
  });

test('a full disk: 503 with Retry-After, and it goes on when there is room',
  { skip: !isRoot && 'needs root for a small tmpfs' }, async (t) => {
    const mnt = path.join(tempFolder(), 'small'); // removed at exit: after the umount
    mkdirSync(mnt);
    if (!can('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'none', mnt])) return t.skip('mount is not allowed here');
    t.after(() => can('umount', ['-l', mnt]));
    const s = await Server.start({ data: path.join(mnt, 'data'), args: [...noStore, '--stream.segment_bytes', '1M', '--stream.partitions', '1'] });
    t.after(() => s.killNow());
    const acked = [];
    const batch = () => Array.from({ length: 20 }, () => event({ event: 'fill', properties: { x: 'y'.repeat(20000) } }));
    const r = await until('the refusal', async () => {
      const b = batch();
      const answer = await s.send(b);
      if (answer.status === 200 && results(answer).every((x) => x.result === 'ok')) { acked.push(...b.map((e) => e.id)); return false; }
      return answer;
    }, 60000);
    if (r.status !== 200) {
      assert.ok([503, 429].includes(r.status), `${r.status} ${r.text}`);
      assert.ok(r.headers.get('retry-after'), 'Retry-After');
    } else {
      assert.ok(results(r).some((x) => x.result === 'retry'), r.text.slice(0, 200));
    }
    assert.equal((await s.fetch('/healthz')).status, 200, 'alive, if not ready');
    execFileSync('mount', ['-o', 'remount,size=128m', mnt]);
    const e = event();
    await until('it takes events again', async () => (await s.send(e)).status === 200, 30000);
    const cat = await weir(['stream', 'cat', '--data', s.data]);
    assert.equal(cat.code, 0, cat.err);
    for (const id of acked) assert.ok(cat.out.includes(id), `${id} was acknowledged`);
    await s.stop();
  });

test('no descriptors left: those who are in are served, and new ones again later', async (t) => {
  const s = await Server.start({ args: noStore, wrap: ['sh', '-c', 'ulimit -n 128; exec "$0" "$@"'] });
  t.after(() => s.killNow());
  const net = await import('node:net');
  const socks = Array.from({ length: 300 }, () => net.connect(s.port, s.host).on('error', () => {}));
  await until('connections', () => socks.filter((x) => !x.connecting).length > 50);
  await sleep(300);
  for (const x of socks) x.destroy();
  await until('it serves again', async () => (await s.send(event())).status === 200, 30000);
  await s.stop();
});

test('the store hangs: ingestion goes on, queries say so, and it comes back', async (t) => {
  const s = await Server.start({ args: noStore });
  t.after(() => s.killNow());
  await s.send(event({ event: 'before' }));
  await s.visible(1, `event = 'before'`);
  const pid = s.storePid;
  process.kill(pid, 'SIGSTOP');
  t.after(() => { try { process.kill(pid, 'SIGCONT'); } catch { /* replaced */ } });
  for (let i = 0; i < 20; i++) assert.equal((await s.send(event({ event: 'meanwhile' }))).status, 200);
  assert.equal((await s.fetch('/healthz')).status, 200);
  process.kill(pid, 'SIGCONT');
  await s.visible(20, `event = 'meanwhile'`);
  assert.deepEqual(await s.count(`event = 'meanwhile'`), { n: 20, ids: 20 });
  await s.stop();
});

for (const mode of ['fsync', 'os', 'none']) {
  test(`acknowledgement mode ${mode} says so in the answer`, async (t) => {
    const s = await Server.start({ args: [...noStore, '--stream.ack', mode] });
    t.after(() => s.killNow());
    const r = await s.send(event());
    assert.equal(r.status, 200);
    assert.ok([...r.headers].some(([, v]) => v === mode), JSON.stringify([...r.headers]));
    await s.stop();
  });
}
test('an unknown mode is refused', async (t) => {
  const r = await weir(['serve', '--data', path.join(tempFolder(t), 'd'), '--stream.ack', 'hope']);
  assert.equal(r.code, 2);
  assert.match(r.err, /fsync/);
});

test('the clock set back: ids and times stay good', { skip: 'needs a time namespace; the unit tests of base/ cover it' }, () => {});
