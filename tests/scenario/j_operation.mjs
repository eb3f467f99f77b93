// j: what an operator does: reload, drain, TLS, backup and restore, doctor, the stream's tools, the API's description.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, openSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync, closeSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { randomUUID } from 'node:crypto';
import { Server, assert, event, results, sleep, tempFolder, test, until, weir } from './harness.mjs';

const noArchive = ['--archive', 'false'];

test('SIGTERM under load: what was acknowledged is stored, the exit is 0', async (t) => {
  const s = await Server.start({ args: noArchive });
  t.after(() => s.killNow());
  const acked = [];
  let on = true;
  const senders = Array.from({ length: 8 }, async () => {
    while (on) {
      const e = event({ event: 'drained' });
      try {
        const r = await s.send(e);
        if (r.status === 200) acked.push(e.id);
      } catch { /* refused: not acknowledged */ }
      if (s.exit) break;
    }
  });
  await until('some', () => acked.length > 200);
  const stopped = s.stop();
  await stopped;
  on = false;
  await Promise.all(senders);
  const cat = await weir(['stream', 'cat', '--data', s.data]);
  assert.equal(cat.code, 0, cat.err);
  const ids = cat.out.trim().split('\n').map((l) => JSON.parse(l).value.id);
  assert.equal(new Set(ids).size, ids.length);
  const have = new Set(ids);
  for (const id of acked) assert.ok(have.has(id), `${id} was acknowledged`);
});

function certificate(dir, name) {
  const key = path.join(dir, `${name}.key`), crt = path.join(dir, `${name}.crt`);
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', crt], { stdio: 'ignore' });
  return { key, crt };
}
function tlsGet(s, target) {
  return new Promise((done, fail) => {
    const req = https.get({ host: s.host, port: s.port, path: target, rejectUnauthorized: false, agent: false }, (res) => {
      const name = res.socket.getPeerCertificate().subject.CN, protocol = res.socket.getProtocol();
      let text = '';
      res.on('data', (d) => { text += d; });
      res.on('end', () => done({ status: res.statusCode, name, protocol, text }));
    });
    req.on('error', fail);
  });
}
test('TLS, and a new certificate on SIGHUP; a broken one changes nothing', async (t) => {
  const dir = tempFolder();
  const one = certificate(dir, 'one'), two = certificate(dir, 'two');
  const crt = path.join(dir, 'live.crt'), key = path.join(dir, 'live.key');
  const put = (c) => { copyFileSync(c.crt, crt); copyFileSync(c.key, key); };
  put(one);
  const s = await Server.start({ args: [...noArchive, '--tls.certificate', crt, '--tls.key', key] });
  t.after(() => s.killNow());
  assert.equal(s.scheme, 'https');
  const first = await tlsGet(s, '/healthz');
  assert.equal(first.status, 200);
  assert.equal(first.name, 'one');
  assert.ok(['TLSv1.2', 'TLSv1.3'].includes(first.protocol));
  writeFileSync(crt, 'broken');
  process.kill(s.pid, 'SIGHUP');
  await until('the complaint', () => /re-reading failed/.test(s.log));
  assert.equal((await tlsGet(s, '/healthz')).name, 'one');
  put(two);
  process.kill(s.pid, 'SIGHUP');
  await until('the new certificate', async () => (await tlsGet(s, '/healthz')).name === 'two');
  const plain = await s.raw('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', { wait: 1500 });
  assert.ok(!plain.text.includes(' 200 '), 'no plain HTTP on the TLS port');
  assert.equal((await tlsGet(s, '/healthz')).status, 200);
  await s.stop();
});

test('SIGHUP reads the settings again; a wrong file changes nothing', async (t) => {
  const dir = tempFolder(), file = path.join(dir, 'weir.conf');
  writeFileSync(file, 'log.level = info\n');
  const s = await Server.start({ args: [...noArchive, '--config', file] });
  t.after(() => s.killNow());
  writeFileSync(file, 'log.levle = debug\n');
  process.kill(s.pid, 'SIGHUP');
  await until('the complaint', () => /log\.levle/.test(s.log) && /log\.level/.test(s.log));
  writeFileSync(file, 'log.level = debug\nlog.format = json\n');
  process.kill(s.pid, 'SIGHUP');
  await until('a JSON line', () => /^\{"time":.*\}$/m.test(s.log));
  for (const line of s.log.split('\n').filter((l) => l.startsWith('{'))) JSON.parse(line);
  await s.stop();
});

/** Senders that note what was acknowledged; stop() waits for the last answers. */
function senders(t, s, count, name) {
  const acked = [];
  let on = true;
  t.after(() => { on = false; });
  const all = Array.from({ length: count }, async () => {
    while (on) {
      const list = Array.from({ length: 5 }, () => event({ event: name }));
      const r = await s.send(list).catch(() => ({ status: 0 }));
      if (r.status === 200) acked.push(...list.map((e) => e.id));
      else await sleep(10);
    }
  });
  return { acked, async stop() { on = false; await Promise.all(all); } };
}
const idsIn = (cat) => cat.out.trim().split('\n').filter(Boolean).map((l) => JSON.parse(l).value.id);
/** Restores `from` and starts it: every id of its stream is in its table exactly once, and nothing else is. */
async function restored(t, s, from, wanted) {
  const data = path.join(tempFolder(), 'restored');
  const r = await weir(['restore', '--from', from, '--data', data], { timeout: 120000 });
  assert.equal(r.code, 0, r.err + r.out);
  const again = await Server.start({ data });
  t.after(() => again.killNow());
  assert.deepEqual(again.keys, s.keys, 'the same project and keys');
  const cat = await weir(['stream', 'cat', '--data', data]);
  assert.equal(cat.code, 0, cat.err);
  const ids = idsIn(cat).sort();
  const have = new Set(ids);
  for (const id of wanted) assert.ok(have.has(id), `${id} was acknowledged before the backup`);
  await again.visible(ids.length);
  const rows = (await again.rows('SELECT toString(id) AS id FROM events')).map((x) => x.id).sort();
  assert.deepEqual(rows, ids);
  return again;
}
test('a backup of a running server restores to the same events', async (t) => {
  const s = await Server.start({ args: ['--consumer.linger_ms', '10', '--stream.segment_bytes', '1M'] });
  t.after(() => s.killNow());
  const first = event({ event: 'first' });
  assert.equal((await s.send(first)).status, 200);
  const dir = tempFolder();
  const backup = (name) => weir(['backup', '--to', path.join(dir, name), '--data', s.data], { timeout: 120000 });

  const early = await backup('early'); // the store is still coming up
  assert.equal(early.code, 0, early.err + early.out);
  const occupied = await backup('early');
  assert.notEqual(occupied.code, 0, 'an existing folder is not overwritten');

  const load = senders(t, s, 4, 'during');
  await until('rows', async () => load.acked.length > 300 && (await s.count()).n > 100);
  const flushed = await weir(['archive', 'flush', '--data', s.data], { timeout: 120000 });
  assert.equal(flushed.code, 0, flushed.err + flushed.out);
  let isMerging = true;
  t.after(() => { isMerging = false; });
  const merging = (async () => { while (isMerging) await s.storeExec('OPTIMIZE TABLE events FINAL').catch(() => sleep(20)); })();
  const before = [...load.acked];
  const under = await backup('under-load');
  assert.equal(under.code, 0, under.err + under.out);
  const pid = s.storePid; // the store dies under one: it is frozen again, or refused as a whole
  const killed = backup('killed');
  process.kill(pid, 'SIGKILL');
  const k = await killed;
  assert.equal(k.code === 0, existsSync(path.join(dir, 'killed', 'backup.json')), k.err);
  if (k.code !== 0) assert.ok(!existsSync(path.join(dir, 'killed')), 'nothing half made stays');
  isMerging = false;
  await load.stop();
  await merging;
  await s.stop();
  assert.ok(!existsSync(path.join(s.data, 'store/db/shadow/weir_backup')), 'no frozen parts are left');

  await (await restored(t, s, path.join(dir, 'early'), [first.id])).stop();
  if (k.code === 0) await (await restored(t, s, path.join(dir, 'killed'), before)).stop();
  const one = await restored(t, s, path.join(dir, 'under-load'), [first.id, ...before]);
  const verify = await weir(['archive', 'verify', '--data', one.data]);
  assert.equal(verify.code, 0, verify.err + verify.out);
  assert.match(verify.out, /[1-9]\d* objects/, 'the archive is in it');
  const sums = async () => (await one.rows('SELECT count() AS n, sum(cityHash64(id, event, timestamp, properties)) AS h FROM events'))[0];
  const now = await sums();
  const replay = await weir(['replay', '--from', '2020-01-01T00:00:00Z', '--data', one.data], { timeout: 120000 });
  assert.equal(replay.code, 0, replay.err + replay.out);
  assert.deepEqual(await sums(), now);
  const later = event({ event: 'later' });
  assert.equal((await one.send(later)).status, 200);
  await one.visible(1, `event = 'later'`);
  await one.stop();
});

test('a data folder with a long path works, a longer one is a clear error', async (t) => {
  const longest = 440, dir = path.join(tempFolder(), ...Array(3).fill('d'.repeat(100)));
  const data = path.join(dir, 'e'.repeat(longest - dir.length - 1)); // sockets hold 107
  const s = await Server.start({ data });
  t.after(() => s.killNow());
  assert.equal((await s.send(event())).status, 200);
  await s.visible(1);
  const b = await weir(['backup', '--to', path.join(tempFolder(), 'copy'), '--data', data]);
  assert.equal(b.code, 0, b.err);
  const ls = await weir(['stream', 'ls', '--data', data]);
  assert.equal(ls.code, 0, ls.err);
  await s.stop();
  for (const long of [`${data}f`, `/tmp/${'f'.repeat(2000)}`]) {
    for (const words of [['serve', '--listen', '127.0.0.1:0'], ['stream', 'ls'], ['store', 'query', 'SELECT 1']]) {
      const r = await weir([...words, '--data', long]);
      assert.equal(r.code, 2, `${words}: ${r.code} ${r.err}`);
      assert.match(r.err, /data is \d+ bytes long; at most 440/, words.join(' '));
    }
  }
  const r = await weir(['backup', '--to', `/tmp/${'f'.repeat(1000)}`, '--data', data]);
  assert.match(r.err, /--to: the path is longer than 440/);
});

test('doctor follows an event from HTTP to row', async (t) => {
  const s = await Server.start({ args: noArchive });
  t.after(() => s.killNow());
  const r = await weir(['doctor', '--data', s.data], { timeout: 90000 });
  assert.equal(r.code, 0, r.err + r.out);
  for (const word of [/fsync/i, /lag/i, /ms|µs/]) assert.match(r.out, word);
  await s.stop();
  const stopped = await weir(['doctor', '--data', s.data], { timeout: 90000 });
  assert.notEqual(stopped.code, 0);
});

test("the stream's tools", async (t) => {
  const s = await Server.start({ args: [...noArchive, '--stream.partitions', '1'] });
  t.after(() => s.killNow());
  const ids = [];
  for (let i = 0; i < 50; i++) {
    const e = event();
    ids.push(e.id);
    assert.equal((await s.send(e)).status, 200);
  }
  const cat = async (...more) => {
    const r = await weir(['stream', 'cat', '--data', s.data, ...more]);
    assert.equal(r.code, 0, r.err);
    return r.out.trim().split('\n').filter(Boolean).map((l) => JSON.parse(l));
  };
  await t.test('ls and cat beside the running server', async () => {
    const ls = await weir(['stream', 'ls', '--data', s.data, '--json']);
    assert.equal(ls.code, 0, ls.err);
    assert.equal(JSON.parse(ls.out.trim().split('\n').at(-1)).next, 50);
    assert.deepEqual((await cat()).map((r) => r.value.id), ids);
    assert.deepEqual((await cat('--from', '10', '--limit', '5')).map((r) => r.offset), [10, 11, 12, 13, 14]);
    assert.equal((await cat('--from', '2100-01-01')).length, 0);
    assert.equal((await weir(['stream', 'verify', '--data', s.data])).code, 0);
  });
  await s.stop();
  const folder = path.join(s.data, 'stream/events');
  const segments = readdirSync(folder, { recursive: true }).map((f) => path.join(folder, String(f))).filter((f) => /\.seg/.test(f) && statSync(f).isFile()).sort();
  const spoil = (file, needle) => {
    const at = readFileSync(file).indexOf(needle);
    assert.ok(at > 0, 'the event is in the segment in the clear');
    const fd = openSync(file, 'r+');
    writeSync(fd, 'X', at);
    closeSync(fd);
  };
  await t.test('damage in the middle is found, the start refuses, truncate-tail mends', async () => {
    const file = segments.find((f) => readFileSync(f).includes(ids[25]));
    spoil(file, ids[25]);
    const verify = await weir(['stream', 'verify', '--data', s.data]);
    assert.notEqual(verify.code, 0);
    assert.match(verify.err + verify.out, /truncate-tail|offset|damage|corrupt/i);
    const start = await weir(['serve', '--data', s.data, '--listen', '127.0.0.1:0'], { timeout: 20000 });
    assert.notEqual(start.code, 0, 'it does not start over damage');
    assert.match(start.err, /truncate-tail/);
    const cut = await weir(['stream', 'truncate-tail', '--partition', '0', '--data', s.data]);
    assert.equal(cut.code, 0, cut.err);
    assert.ok(readdirSync(folder, { recursive: true }).some((f) => String(f).endsWith('.cut')), 'what was cut is kept');
    assert.equal((await weir(['stream', 'verify', '--data', s.data])).code, 0);
    assert.deepEqual((await cat()).map((r) => r.value.id), ids.slice(0, 25));
    s.exit = undefined;
    await s.run();
    assert.equal((await s.send(event())).status, 200);
    await s.stop();
  });
});

/** Members and parameters of weir's own routes that are not in snake_case. What an article or another product's wire fixes is not weir's own. */
function notSnakeCase({ paths, components }) {
  const wrong = [];
  const look = (at, v, seen) => {
    if (typeof v !== 'object' || v === null) return;
    if (v.$ref) {
      const schema = v.$ref.startsWith('#/components/schemas/') && v.$ref.split('/').at(-1);
      if (schema && !seen.includes(schema)) look(at, components.schemas[schema], [...seen, schema]);
    }
    for (const [name, x] of Object.entries(v)) {
      if (name === 'properties') wrong.push(...Object.keys(x).filter((n) => !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(n)).map((n) => `${at}: ${n}`));
      look(at, x, seen);
    }
  };
  for (const [path, item] of Object.entries(paths).filter(([p]) => p.startsWith('/v1/') && p !== '/v1/projects/{writeKey}/settings')) {
    for (const [method, o] of Object.entries(item)) {
      wrong.push(...(o.parameters ?? []).filter((p) => p.in === 'query' && !/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(p.name)).map((p) => `${method} ${path}?${p.name}`));
      look(`${method} ${path}`, { requestBody: o.requestBody, responses: o.responses }, []);
    }
  }
  return wrong;
}
test('openapi.json and the server do not drift apart', async (t) => {
  const s = await Server.start({ args: noArchive });
  t.after(() => s.killNow());
  const r = await s.fetch('/openapi.json');
  assert.equal(r.status, 200);
  assert.match(r.json.openapi, /^3\.1/);
  const names = [...r.text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual(names.filter((name) => !r.json.components.schemas[name]), [], 'schemas that are named are there');
  const operations = [];
  for (const [p, item] of Object.entries(r.json.paths)) {
    for (const method of Object.keys(item).filter((m) => ['get', 'post', 'put', 'delete', 'patch'].includes(m))) {
      operations.push([method.toUpperCase(), p]);
      assert.ok(item[method].responses, `${method} ${p} has responses`);
    }
  }
  assert.ok(operations.length >= 12, `${operations.length} operations`);
  for (const want of ['/v1/events', '/projects/{projectId}/analytics/overview', '/projects/{projectId}/funnels', '/healthz']) assert.ok(r.json.paths[want], want);
  for (const [method, p] of operations) {
    const target = p.replaceAll('{orgId}', s.keys.org).replaceAll('{projectId}', s.keys.project).replaceAll('{eventId}', randomUUID()).replace(/\{\w+\}/g, 'x');
    const isEndless = !!r.json.paths[p][method.toLowerCase()].responses['200']?.content?.['text/event-stream'];
    const a = await s.fetch(target, { method: isEndless ? 'HEAD' : method, headers: { 'x-api-key': s.keys.secret_key }, body: method === 'POST' ? '{}' : undefined });
    const isMissing = a.status === 405 || a.status === 501 || (a.status === 404 && /^There is nothing at/.test(a.json?.detail));
    assert.ok(!isMissing, `${method} ${target}: ${a.status} ${a.text.slice(0, 100)}`);
  }
  const ids = operations.map(([m, p]) => r.json.paths[p][m.toLowerCase()].operationId);
  assert.equal(new Set(ids).size, ids.length, 'operation ids are unique');
  assert.deepEqual(notSnakeCase(r.json), [], 'CONTRIBUTING.md, "Names in the API"');
  await s.stop();
});
