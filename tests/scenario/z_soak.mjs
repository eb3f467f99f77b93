// z: hours of ordinary life in minutes of WEIR_SOAK_MINUTES (long suite): senders that never stop, readers, imports, replays,
// backups, lost children and restarts, over a stream that keeps little. What it watches: every acknowledged event once in
// the table, and memory, descriptors and threads that do not grow.
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Server, assert, freePort, seeded, sleep, tempFolder, test, until, weir } from './harness.mjs';

const minutes = Number(process.env.WEIR_SOAK_MINUTES || 60);
const seed = Number(process.env.WEIR_TEST_SEED || Date.now() % 1000000);
const random = seeded(seed);
console.log(`# seed ${seed}, ${minutes} minutes`);

const MiB = 1 << 20;
const status = (pid, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const sample = (s) => ({
  rss: status(s.pid, 'VmRSS') * 1024,
  threads: status(s.pid, 'Threads'),
  fds: readdirSync(`/proc/${s.pid}/fd`).length,
});

test(`${minutes} minutes of everything at once, seed ${seed}`, async (t) => {
  const dir = tempFolder();
  const port = await freePort();
  const s = await Server.start({
    data: path.join(dir, 'data'), listen: `127.0.0.1:${port}`,
    args: ['--stream.segment_bytes', '1M', '--stream.retention_bytes', '256M'], // minutes: less than a replay and what came before it
  });
  t.after(() => s.killNow());
  await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);

  // Ids are numbered: "acknowledged" is a count per sender and a set of doubtful ones, not a list of millions.
  const senders = Array.from({ length: 8 }, (_, n) => ({ name: `soak-${n}-${randomUUID().slice(0, 8)}`, acked: 0, doubtful: 0 }));
  let on = true;
  t.after(() => { on = false; }); // a failure ends them, too
  const running = senders.map(async (me) => {
    while (on) {
      const count = 1 + Math.floor(random() * 30);
      const batch = Array.from({ length: count }, () => ({ id: randomUUID(), event: me.name, user_id: `u${Math.floor(random() * 1000)}`, properties: { url: `https://example.com/p/${Math.floor(random() * 100)}` } }));
      for (let tries = 0; ; tries++) { // the same ids until they are taken: what an SDK does
        try {
          const r = await s.send(batch, { timeout: 15000 });
          if (r.status === 200) break;
        } catch { /* a restart */ }
        if (!on && tries > 20) { me.doubtful += count; return; }
        await sleep(50 + random() * 200);
      }
      me.acked += count;
      await sleep(random() * 20);
    }
  });
  const reader = (async () => {
    while (on) {
      for (const target of ['/analytics/overview', '/analytics/timeseries', '/pages', '/users/active', '/events?limit=20']) {
        try { await s.query(target, { timeout: 30000 }); } catch { /* a restart */ }
      }
      await sleep(200);
    }
  })();

  const samples = [];
  const began = Date.now(), end = began + minutes * 60000;
  let turn = 0, isRestarted = false;
  while (Date.now() < end) {
    await sleep(3000);
    const at = (Date.now() - began) / (end - began);
    samples.push({ at, ...sample(s) });
    if (at > 0.25 && !isRestarted) {
      isRestarted = true;
      await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 120000);
      await s.stop();
      s.exit = undefined;
      await s.run();
      samples.length = 0; // another process: its own beginning
    }
    switch (turn++ % 40) {
      case 8: {
        const log = path.join(dir, 'access.log');
        const lines = Array.from({ length: 2000 }, (_, i) => `192.0.2.${i % 250} - - [24/Nov/2026:10:${String(turn % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')} +0000] "GET /page/${i % 50} HTTP/1.1" 200 ${i} "-" "Mozilla/5.0"`);
        writeFileSync(log, `${lines.join('\n')}\n`);
        const r = await weir(['import', 'access-log', log, '--data', s.data], { timeout: 120000 });
        assert.equal(r.code, 0, r.err);
        break;
      }
      case 16: {
        const r = await weir(['backup', '--to', path.join(dir, `backup-${turn}`), '--data', s.data], { timeout: 300000 });
        assert.equal(r.code, 0, r.err);
        rmSync(path.join(dir, `backup-${turn}`), { recursive: true });
        break;
      }
      case 32: {
        for (const words of [['archive', 'flush'], ['replay', '--from', '0', '--source', 'both']]) {
          const r = await weir([...words, '--data', s.data], { timeout: 600000 });
          assert.equal(r.code, 0, `${words}: ${r.err}`);
        }
        break;
      }
      case 24: {
        const pid = s.storePid;
        if (pid) process.kill(pid, 'SIGKILL');
        break;
      }
      default:
    }
  }
  on = false;
  await Promise.all([...running, reader]);

  for (const me of senders) {
    await until(`every event of ${me.name}`, async () => (await s.count(`event = '${me.name}'`)).ids >= me.acked, 300000);
    const { n, ids } = await s.count(`event = '${me.name}'`);
    assert.equal(n, ids, 'no id twice');
    assert.ok(ids <= me.acked + me.doubtful, `${ids} rows of ${me.acked} acknowledged and ${me.doubtful} doubtful events`);
  }
  const grown = samples.filter((x) => x.at > 0.9), young = samples.slice(0, Math.max(1, Math.floor(samples.length / 3)));
  const most = (list, key) => Math.max(...list.map((x) => x[key]));
  console.log(`# ${senders.reduce((n, x) => n + x.acked, 0)} events; memory ${most(young, 'rss') / MiB | 0} -> ${most(grown, 'rss') / MiB | 0} MiB, descriptors ${most(young, 'fds')} -> ${most(grown, 'fds')}, threads ${most(young, 'threads')} -> ${most(grown, 'threads')}`);
  if (grown.length && young.length) {
    assert.ok(most(grown, 'rss') < most(young, 'rss') * 1.25 + 32 * MiB, 'memory does not grow');
    assert.ok(most(grown, 'fds') <= most(young, 'fds') + 64, 'descriptors do not grow');
    assert.ok(most(grown, 'threads') <= most(young, 'threads') + 4, 'threads do not grow');
  }
  const verify = await weir(['stream', 'verify', '--data', s.data], { timeout: 300000 });
  assert.equal(verify.code, 0, verify.err + verify.out);
  await s.stop();
});
