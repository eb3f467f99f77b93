// a: it starts, says what it is, keeps to one process per folder, and stops.
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Server, assert, tempFolder, test, until, weir } from './harness.mjs';

test('version and help', async () => {
  const version = await weir(['version']);
  assert.equal(version.code, 0);
  assert.match(version.out, /weir \d+\.\d+\.\d+/);
  const help = await weir(['--help']);
  assert.equal(help.code, 0);
  for (const verb of ['serve', 'init', 'org', 'project', 'key', 'user', 'member', 'invite', 'issuer', 'import', 'replay', 'stream', 'archive', 'store', 'doctor', 'bench', 'backup', 'version']) {
    assert.match(help.out, new RegExp(`^  ${verb}\\b`, 'm'));
    const own = await weir([verb, '--help']);
    assert.equal(own.code, 0, `${verb} --help: ${own.err}`);
    assert.match(own.out, /usage|weir/i);
  }
  assert.notEqual((await weir([])).code, 0);
  const wrong = await weir(['sevre']);
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.err, /sevre/);
});

test('init is idempotent and keeps its secrets to itself', async (t) => {
  const data = path.join(tempFolder(), 'data');
  const first = await weir(['init', '--data', data, '--json']);
  assert.equal(first.code, 0, first.err);
  assert.match(first.json.write_key, /^wk_[A-Za-z0-9_-]{20,}$/);
  assert.match(first.json.secret_key, /^sk_[A-Za-z0-9_-]{30,}$/);
  assert.match(first.json.project, /^[0-9a-f-]{36}$/);
  assert.match(first.json.org, /^[0-9a-f-]{36}$/);
  const second = await weir(['init', '--data', data, '--json']);
  assert.deepEqual(second.json, first.json);
  assert.equal(statSync(path.join(data, 'credentials.json')).mode & 0o077, 0);
  for (const f of ['state.db']) assert.ok(!readFileSync(path.join(data, f)).includes(first.json.secret_key), `the secret key is in ${f}`);
});

test('an unknown setting is an error that names the nearest', async (t) => {
  const dir = tempFolder();
  const flag = await weir(['serve', '--data', dir, '--listne', '127.0.0.1:0']);
  assert.equal(flag.code, 2, flag.err);
  assert.match(flag.err, /listne.*listen/s);
  const env = await weir(['serve', '--data', dir], { env: { WEIR_LISTNE: '127.0.0.1:0' } });
  assert.equal(env.code, 2, env.err);
  assert.match(env.err, /listen/);
  const value = await weir(['serve', '--data', dir, '--stream.partitions', '1000']);
  assert.equal(value.code, 2, value.err);
  assert.match(value.err, /stream\.partitions.*64/s);
});

test('a running server', async (t) => {
  const s = await Server.start();
  t.after(() => s.killNow());
  await t.test('answers healthz, readyz, metrics and the root', async () => {
    assert.equal((await s.fetch('/healthz')).status, 200);
    assert.equal((await s.fetch('/readyz')).json.ready, true);
    assert.ok((await s.fetch('/')).json.version);
    const m = await s.fetch('/metrics');
    assert.equal(m.status, 200);
    assert.match(m.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
    assert.match(m.text, /^# TYPE weir_\w+ (counter|gauge|histogram)$/m);
    for (const line of m.text.trim().split('\n')) assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[^}]*\})? -?[0-9.e+-]+)$/);
    const names = m.text.match(/^# TYPE \S+/gm);
    assert.equal(new Set(names).size, names.length, 'each family once');
  });
  await t.test('prints a line that works and no secret key', async () => {
    assert.match(s.out, /curl/);
    assert.ok(!s.out.includes(s.keys.secret_key));
    assert.ok(!s.log.includes(s.keys.secret_key) && !s.log.includes(s.keys.write_key));
  });
  await t.test('unknown paths give problem+json with a request id', async () => {
    const r = await s.fetch('/nowhere', { headers: { 'x-request-id': 'abc-123' } });
    assert.equal(r.status, 404);
    assert.match(r.headers.get('content-type'), /application\/problem\+json/);
    for (const member of ['type', 'title', 'status', 'detail']) assert.ok(r.json[member], member);
    assert.equal(r.headers.get('x-request-id'), 'abc-123');
    const forged = await s.fetch('/nowhere', { headers: { 'x-request-id': 'a"b <x>' } });
    assert.notEqual(forged.headers.get('x-request-id'), 'a"b <x>');
  });
  await t.test('a second process on the folder refuses', async () => {
    const second = await weir(['serve', '--data', s.data, '--listen', '127.0.0.1:0'], { timeout: 20000 });
    assert.notEqual(second.code, 0);
    assert.match(second.err, /another weir|locked|uses this folder/);
    assert.match(second.err, new RegExp(String(s.pid)));
    assert.equal((await s.fetch('/healthz')).status, 200);
  });
  await t.test('an address in use is an error', async () => {
    const second = await weir(['serve', '--data', path.join(tempFolder(), 'd'), '--listen', `127.0.0.1:${s.port}`], { timeout: 20000 });
    assert.notEqual(second.code, 0);
    assert.match(second.err, /in use|address/i);
  });
  await t.test('SIGTERM ends it with 0, and its store with it', async () => {
    await until('the store child', () => s.storePid);
    const store = s.storePid;
    await s.stop();
    await until('the store child gone', () => { try { process.kill(store, 0); return false; } catch { return true; } });
  });
});

test('until the store has its tables, questions are told to come again', async (t) => {
  const held = []; // a store that takes its time over the tables
  const store = http.createServer((req, res) => { held.push(res); }).listen(0, '127.0.0.1');
  await new Promise((done) => { store.on('listening', done); });
  t.after(() => { store.closeAllConnections(); store.close(); });
  const s = await Server.start({ args: ['--archive', 'false', '--store.url', `http://127.0.0.1:${store.address().port}`] });
  t.after(() => s.killNow());
  await until('it makes its tables', () => held.length);
  const r = await s.fetch(`/v1/projects/${s.keys.project}/query`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: '{"metrics":["events"],"date_range":"all"}' });
  assert.equal(r.status, 503, r.text);
  assert.equal(r.headers.get('retry-after'), '1');
  assert.match(r.json.detail, /starting/);
  assert.equal((await s.fetch('/readyz')).json.store, 'starting or down');
});
