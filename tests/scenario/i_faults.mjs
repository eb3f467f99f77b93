// i: the disk fails, fills up, descriptors run out, the store hangs; and what each acknowledgement mode says.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Faults, Server, assert, event, results, sleep, tempFolder, test, until, weir } from './harness.mjs';

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
    const have = new Set(await s.streamIds());
    for (const id of acked) assert.ok(have.has(id), `${id} was acknowledged`);
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
  const r = await weir(['serve', '--data', path.join(tempFolder(), 'd'), '--stream.ack', 'hope']);
  assert.equal(r.code, 2);
  assert.match(r.err, /fsync/);
});

/** A server with one partition under faults; the ids that it acknowledged, in order. */
async function faulty(t, more = []) {
  const faults = new Faults();
  const s = await Server.start({ env: faults.env, args: [...noStore, '--stream.partitions', '1', ...more] });
  t.after(() => s.killNow());
  const acked = [];
  const send = async (n = 5, fill = 0) => {
    const list = Array.from({ length: n }, () => event(fill ? { properties: { fill: 'x'.repeat(fill) } } : {}));
    const r = await s.send(list).catch(() => ({ status: 0 }));
    if (r.status === 200) acked.push(...list.map((e) => e.id));
    return r;
  };
  return { s, faults, acked, send };
}
/** Everything acknowledged is in the stream and, exactly once, in the table; the files are whole. */
async function keptAll({ s, acked }) {
  const ids = await s.streamIds();
  assert.equal(new Set(ids).size, ids.length);
  const have = new Set(ids);
  for (const id of acked) assert.ok(have.has(id), `${id} was acknowledged`);
  await s.visible(ids.length);
  assert.deepEqual(await s.count(), { n: ids.length, ids: ids.length });
  await s.stop();
  const verify = await weir(['stream', 'verify', '--data', s.data]);
  assert.equal(verify.code, 0, verify.err + verify.out);
}
const skip = Faults.missing;
const [EIO, EMFILE, ENOSPC] = [5, 24, 28];

for (const [name, fault] of [['short writes', Faults.short], ['EINTR', Faults.interrupted]]) {
  test(`${name}: nobody notices`, { skip }, async (t) => {
    const f = await faulty(t, ['--stream.segment_bytes', '1M']);
    f.faults.set('pwritev', fault);
    for (let i = 0; i < 30; i++) assert.equal((await f.send(5, 12000)).status, 200);
    assert.ok(f.faults.get('pwritevs') > 20, 'there were faults');
    f.faults.set('pwritev', 0);
    await keptAll(f);
  });
}
test('EIO on write: nothing more is acknowledged, a non-zero exit, recovery at the next start', { skip }, async (t) => {
  const f = await faulty(t);
  for (let i = 0; i < 5; i++) assert.equal((await f.send()).status, 200);
  f.faults.set('pwritev', EIO);
  const refused = await f.send();
  assert.ok([0, 503].includes(refused.status), `${refused.status} ${refused.text}`);
  const exit = await f.s.ended;
  assert.ok(exit.code > 0 && exit.signal === null, JSON.stringify(exit));
  assert.match(f.s.log, /halt/);
  assert.ok(f.faults.get('pwritevs') > 0);
  f.faults.set('pwritev', 0);
  f.s.exit = undefined;
  await f.s.run();
  assert.equal((await f.send()).status, 200);
  await keptAll(f);
});
test('ENOSPC on write: 503 with Retry-After, and it goes on when there is room', { skip }, async (t) => {
  const f = await faulty(t);
  for (let i = 0; i < 3; i++) assert.equal((await f.send()).status, 200);
  f.faults.set('pwritev', ENOSPC);
  for (let i = 0; i < 3; i++) {
    const r = await f.send();
    assert.equal(r.status, 503, r.text);
    assert.ok(r.headers.get('retry-after'), 'Retry-After');
    assert.equal((await f.s.fetch('/healthz')).status, 200, 'alive');
  }
  f.faults.set('pwritev', 0);
  await until('it takes events again', async () => (await f.send()).status === 200);
  assert.match((await f.s.fetch('/metrics')).text, /weir_ingest_refused_requests_total\{status="503",reason="unavailable"\} [3-9]/);
  await keptAll(f);
});
test('no descriptor for the next segment: nothing is lost, and it goes on when there is one', { skip }, async (t) => {
  const f = await faulty(t, ['--stream.segment_bytes', '1M']);
  f.faults.set('openSegment', EMFILE);
  let refused;
  await until('a segment that cannot be made', async () => {
    const r = await f.send(5, 40000);
    if (r.status !== 200) refused = r;
    return f.faults.get('openSegments') > 2;
  });
  if (refused) {
    assert.equal(refused.status, 503, refused.text);
    assert.ok(refused.headers.get('retry-after'), 'Retry-After');
  }
  assert.equal((await f.s.fetch('/healthz')).status, 200, 'alive');
  f.faults.set('openSegment', 0);
  await until('it takes events again', async () => (await f.send(5, 40000)).status === 200);
  await keptAll(f);
});

test('the clock set back and far ahead: ids and times stay good, nothing leaves the stream', { skip }, async (t) => {
  const f = await faulty(t, ['--stream.segment_bytes', '1M', '--stream.retention_hours', '1']);
  const day = 86400;
  for (const seconds of [0, -3 * day, -40 * 365 * day, 0, 20 * 365 * day, 0]) {
    f.faults.set('clock', seconds);
    assert.equal((await f.send(10, 30000)).status, 200);
    const r = await f.s.send([{ event: 'no-id' }, { event: 'no-id' }]);
    assert.ok(results(r).every((x) => x.result === 'ok'), r.text);
    const off = Date.parse(r.headers.get('date')) - Date.now() - seconds * 1000;
    assert.ok(Math.abs(off) < 60000, `its clock is ${seconds} s off: ${r.headers.get('date')}`);
    f.acked.push(...results(r).map((x) => x.id));
  }
  const cat = await weir(['stream', 'cat', '--data', f.s.data], { timeout: 60000 });
  const times = cat.out.split('\n').filter(Boolean).map((l) => Date.parse(JSON.parse(l).time));
  assert.ok(times.length >= 72 && times.every((x) => x > 0));
  for (let i = 1; i < times.length; i++) assert.ok(times[i] >= times[i - 1], `the time of record ${i} is not before the one before it`);
  f.faults.set('clock', -day); // and over a restart
  await f.s.stop();
  f.s.exit = undefined;
  await f.s.run();
  assert.equal((await f.send()).status, 200);
  await keptAll(f);
});

test('the store is killed in the middle of an insert: every row once', { skip }, async (t) => {
  const f = await faulty(t, ['--consumer.linger_ms', '10']);
  await f.send();
  await f.s.visible(5);
  for (const nth of [1, 2]) {
    const deaths = f.faults.get('storeRenames');
    f.faults.set('storeRename', nth); // between writing the part and giving it its name
    await until('a death in an insert', async () => {
      assert.equal((await f.send()).status, 200, 'ingestion does not notice');
      return f.faults.get('storeRenames') > deaths;
    });
  }
  await keptAll(f);
});

test('the store outgrows its memory: it is killed and started again, every row comes, once', { skip }, async (t) => {
  const f = await faulty(t, ['--consumer.linger_ms', '10', '--store.memory_bytes_max', '256M']);
  await f.send();
  await f.s.visible(5);
  const pid = f.s.storePid;
  f.faults.set('storeGrows', 700 * 2 ** 20);
  await until('another one behind the one that grew', async () => { // then the log tells how that one ended
    assert.equal((await f.send()).status, 200, 'ingestion does not notice');
    return f.s.storePid && f.s.storePid !== pid;
  });
  assert.match(f.s.log, new RegExp(`store child is killed.*outgrew its memory.*pid=${pid}`));
  await keptAll(f);
});

test('the store runs out of memory: ingestion goes on, every row comes, once', async (t) => {
  const s = await Server.start({ args: [...noStore, '--consumer.linger_ms', '10', '--store.query_memory_bytes_max', '64M'] });
  t.after(() => s.killNow());
  const acked = [];
  const send = async () => {
    const list = Array.from({ length: 50 }, () => event({ properties: { fill: 'x'.repeat(2000) } }));
    assert.equal((await s.send(list)).status, 200, 'ingestion does not notice');
    acked.push(...list.map((e) => e.id));
  };
  await send();
  await s.visible(50);
  const pid = s.storePid;
  const big = await weir(['store', 'query', 'SELECT groupArray(toString(number) || repeat(\'x\', 100)) FROM numbers(10000000) FORMAT Null', '--data', s.data]);
  assert.notEqual(big.code, 0);
  assert.match(big.err, /memory limit exceeded|MEMORY_LIMIT/i, 'a query beyond its limit is told so');
  assert.equal(s.storePid, pid, 'and is the only one that ends');
  await send();
  await s.visible(100);
  if (can('prlimit', ['--version'])) { // no page more than it has: an insert, or the whole store, fails
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[0]);
    execFileSync('prlimit', ['--pid', String(pid), `--as=${pages * 4096}:`]);
    t.after(() => can('prlimit', ['--pid', String(pid), '--as=unlimited:']));
    const failed = async () => /^weir_consumer_retries_total\{consumer="project"\} [1-9]/m.test((await s.fetch('/metrics')).text);
    await until('a failure of the store', async () => {
      await send();
      s.storeExec('SELECT groupArray(number) FROM numbers(2000000) FORMAT Null').catch(() => {});
      return s.storePid !== pid || await failed();
    }, 30000);
    console.log(`# ${s.storePid === pid ? 'inserts failed' : 'the store died'}`);
    await send();
    can('prlimit', ['--pid', String(pid), '--as=unlimited:']);
  }
  await s.visible(acked.length);
  assert.deepEqual(await s.count(), { n: acked.length, ids: acked.length });
  await s.stop();
});
