// h: kill -9 of the main process and of the store's child, at seeded random points under load. Every
// acknowledged id must be in the table exactly once afterwards. WEIR_TEST_SEED repeats a run.
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Server, assert, freePort, seeded, sleep, test, until, weir } from './harness.mjs';

const seed = Number(process.env.WEIR_TEST_SEED || Date.now() % 1000000);
const rounds = Number(process.env.WEIR_TEST_ROUNDS || 5);
const childRounds = Math.min(rounds, 40); // the supervisor waits longer after each death, up to half a minute
console.log(`# seed ${seed}`);
const random = seeded(seed);

/** Four senders; stop() gives the ids that were acknowledged and those whose fate is unknown. */
function load(s) {
  const acked = [], sent = [];
  let on = true;
  const senders = Array.from({ length: 4 }, async () => {
    while (on) {
      const batch = Array.from({ length: 1 + Math.floor(random() * 20) }, () => ({ id: randomUUID(), event: 'load', user_id: `u${Math.floor(random() * 50)}` }));
      sent.push(...batch.map((e) => e.id));
      try {
        const r = await s.send(batch);
        if (r.status === 200) acked.push(...batch.map((e) => e.id));
        else await sleep(20);
      } catch {
        await sleep(20);
      }
    }
  });
  return { acked, sent, async stop() { on = false; await Promise.all(senders); } };
}

/** Ids of all rows, a million at a time: more do not fit into what one answer of a command may be. */
async function idsIn(s) {
  const have = new Set(), { n } = await s.count(`event = 'load'`), parts = Math.ceil(n / 1e6);
  for (let i = 0; i < parts; i++) for (const { id } of await s.rows(`SELECT toString(id) AS id FROM events WHERE event = 'load' AND cityHash64(id) % ${parts} = ${i}`)) have.add(id);
  return have;
}

/** Every acked id exactly once; nothing that was never sent; no id twice. */
async function exact(s, acked, sent) {
  const want = new Set(acked), known = new Set(sent);
  await until('every acknowledged id', async () => {
    const { ids } = await s.count(`event = 'load'`);
    if (ids < want.size) return false;
    const have = await idsIn(s);
    return [...want].every((id) => have.has(id));
  }, 60000);
  const marker = randomUUID();
  await s.send({ id: marker, event: 'marker', user_id: 'm' });
  await s.visible(1, `id = '${marker}'`);
  const { n, ids } = await s.count(`event = 'load'`);
  assert.equal(n, ids, 'no id twice');
  for (const id of await idsIn(s)) assert.ok(known.has(id), `${id} was never sent`);
}

test(`kill -9 of the main process, ${rounds} times, seed ${seed}`, async (t) => {
  const port = await freePort();
  const s = await Server.start({ listen: `127.0.0.1:${port}`, args: ['--consumer.linger_ms', '20'] });
  t.after(() => s.killNow());
  await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
  const l = load(s);
  for (let i = 0; i < rounds; i++) {
    const had = l.acked.length;
    await until('some acknowledgements', () => l.acked.length > had);
    await sleep(random() * 700);
    const store = s.storePid;
    await s.kill9();
    s.exit = undefined;
    await until('the orphaned store gone', () => { try { process.kill(store, 0); return store === 0; } catch { return true; } });
    await s.run();
  }
  await until('acknowledgements after the last start', async () => { const n = l.acked.length; await sleep(100); return l.acked.length > n; });
  await l.stop();
  assert.ok(l.acked.length > 0);
  await exact(s, l.acked, l.sent);
  const verify = await weir(['stream', 'verify', '--data', s.data], { timeout: 120000 });
  assert.equal(verify.code, 0, verify.err + verify.out);
  await s.stop();
});

test(`kill -9 of the store's child under inserts, ${childRounds} times, seed ${seed}`, async (t) => {
  const s = await Server.start({ args: ['--consumer.linger_ms', '20'] });
  t.after(() => s.killNow());
  await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
  const l = load(s);
  for (let i = 0; i < childRounds; i++) {
    const pid = await until('the store child', () => s.storePid, 30000);
    await sleep(200 + random() * 800);
    const had = l.acked.length;
    process.kill(pid, 'SIGKILL');
    await until('ingestion goes on without the store', () => l.acked.length > had + 10);
    await until('a new child', () => s.storePid && s.storePid !== pid, 60000);
  }
  await l.stop();
  await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
  await exact(s, l.acked, l.sent);
  await s.stop();
});

test('slots that a power loss left broken are made anew, and meanwhile nothing is counted wrong', async (t) => {
  const s = await Server.start({ args: ['--archive', 'false'] });
  t.after(() => s.killNow());
  const ready = () => until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
  await ready();
  for (let hour = 10; hour < 14; hour++)
    assert.equal((await s.send(Array.from({ length: 200 }, (_, i) => ({ event: i % 3 ? 'pageview' : 'signup', anonymous_id: `v${i % 40}`, timestamp: `2026-03-10T${hour}:${10 + (i % 40)}:00Z` })))).status, 200);
  await s.visible(800);
  const ask = async (target) => {
    const r = await s.fetch(`/v1/projects/${s.keys.project}/${target}`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify({ date_range: ['2026-03-10', '2026-03-10'], timezone: 'UTC', metrics: ['visitors', 'events'], dimensions: ['event'] }) });
    assert.equal(r.status, 200, r.text);
    return r.json;
  };
  const readsSlots = async () => /mergeTreeProjection/.test((await ask('query/sql')).statements.at(-1));
  const want = (await ask('query')).results;
  assert.ok(want.length === 2 && await readsSlots());
  await s.stop();
  const slotsFolders = () => readdirSync(path.join(s.data, 'store'), { recursive: true }).filter((f) => /^db\/store\/.*\/visitor_slots\.proj$/.test(f)).map((f) => path.join(s.data, 'store', f));
  const folders = slotsFolders();
  assert.ok(folders.length > 0);
  const damages = [ // files that were not written, were written in part, or whose names were not
    (folder) => truncateSync(path.join(folder, 'data.bin'), 100), (folder) => rmSync(folder, { recursive: true }),
    (folder) => { for (const f of readdirSync(folder)) truncateSync(path.join(folder, f), 0); }, (folder) => rmSync(path.join(folder, 'data.bin')),
  ];
  folders.forEach((folder, i) => damages[(i + seed) % damages.length](folder));
  s.log = '';
  await s.run();
  await ready();
  assert.deepEqual((await ask('query')).results, want);
  await until('slots again', readsSlots, 60000);
  assert.match(s.log, /slots of visitors were broken/);
  assert.deepEqual((await ask('query')).results, want);
  const merged = await s.storeExec('OPTIMIZE TABLE events FINAL SETTINGS optimize_throw_if_noop = 1');
  assert.equal(merged.status, 200, merged.text);
  assert.deepEqual((await ask('query')).results, want);
  // What the disk gave back changed, in its old size, is found when it is read.
  const [part] = await s.rows("SELECT name FROM system.parts WHERE active AND table = 'events'");
  await s.stop();
  const spoilt = slotsFolders().find((f) => f.includes(`/${part.name}/`));
  writeFileSync(path.join(spoilt, 'data.bin'), Buffer.alloc(statSync(path.join(spoilt, 'data.bin')).size));
  await s.run();
  await ready();
  await assert.rejects(ask('query'), /a file of the store cannot be read; ask again/);
  assert.deepEqual((await ask('query')).results, want);
  assert.ok(s.log.includes(`${part.name}/visitor_slots.proj`), s.log);
  await s.stop();
  rmSync(spoilt, { recursive: true });
  await s.run();
  await ready();
  await until('slots once more', readsSlots, 60000);
  assert.deepEqual((await ask('query')).results, want);
  await s.stop();
});
