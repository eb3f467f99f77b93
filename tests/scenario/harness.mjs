// Drives the real binary. One server per test file, on a free port and a folder of its own; whatever a test
// waits for, it polls a condition with a deadline. WEIR_BIN names the binary (given by Meson).
import { spawn, execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { closeSync, mkdtempSync, openSync, rmSync, existsSync, readFileSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import http from 'node:http';
import net from 'node:net';
import { randomUUID } from 'node:crypto';
import assert from 'node:assert/strict';
import test from 'node:test';

export const WEIR = process.env.WEIR_BIN;
export const SLOW = Number(process.env.WEIR_TEST_SLOW || 1); // factor on every deadline (sanitizers)
export const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
if (!WEIR || !existsSync(WEIR)) {
  console.log('WEIR_BIN does not name the binary');
  process.exit(77);
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Calls fn until it gives something true; then returns that. An exception counts as "not yet". */
export async function until(what, fn, ms = 20000) {
  const deadline = Date.now() + ms * SLOW;
  let last;
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    try {
      const got = await fn();
      if (got) return got;
      last = got;
    } catch (e) {
      last = e;
    }
    if (Date.now() > deadline) throw new Error(`waited ${ms * SLOW} ms for: ${what}; last: ${last?.stack ?? JSON.stringify(last)}`);
    await sleep(pause);
  }
}

const folders = [];
/** Gone with this process, not with the test: hooks run in the order in which they were made, and a server that still
 * writes there would be stopped too late. */
export function tempFolder() {
  const dir = mkdtempSync(path.join(tmpdir(), 'weir-scenario-'));
  folders.push(dir);
  return dir;
}

/** Runs weir to its end: {code, out, err, json}. */
export function weir(args, { env = {}, timeout = 60000, input } = {}) {
  return new Promise((done) => {
    const child = execFile(WEIR, args, { env: { ...process.env, ...env }, timeout: timeout * SLOW, maxBuffer: 256 << 20 }, (e, out, err) => {
      const code = e ? (typeof e.code === 'number' ? e.code : e.signal ?? e.code) : 0;
      let json;
      try { json = JSON.parse(out); } catch { /* no JSON */ }
      done({ code, out, err, json });
    });
    if (input !== undefined) child.stdin.end(input);
  });
}

/** A port that was free a moment ago, for a server that must come back on the same one. */
export function freePort() {
  return new Promise((done) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => done(port));
    });
  });
}

const running = new Set();
process.on('exit', () => {
  for (const s of running) s.killNow();
  for (const dir of folders) rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

export class Server {
  constructor(data, options) {
    this.data = data;
    this.options = options;
    this.out = '';
    this.log = '';
  }

  /** options: data, args (settings as flags), env, listen, wrap (words before the binary), init (default true) */
  static async start(options = {}) {
    const data = options.data ?? path.join(tempFolder(), 'data');
    const s = new Server(data, options);
    if (options.init !== false) {
      const made = await weir(['init', '--data', data, '--json']);
      assert.equal(made.code, 0, made.err);
      s.keys = made.json;
    }
    await s.run();
    return s;
  }

  async run() {
    const { wrap = [], args = [], env = {}, listen = '127.0.0.1:0' } = this.options;
    const words = [...wrap, WEIR, 'serve', '--data', this.data, '--listen', listen, '--stream.disk_floor_bytes', '1M', ...args];
    this.out = '';
    this.exit = undefined;
    this.child = spawn(words[0], words.slice(1), { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this);
    this.ended = new Promise((done) => {
      this.child.on('close', (code, signal) => {
        running.delete(this);
        this.exit = { code, signal };
        done(this.exit);
      });
    });
    this.child.stdout.on('data', (d) => { this.out += d; });
    this.child.stderr.on('data', (d) => { this.log = (this.log + d).slice(-4 << 20); });
    await until('the listening line', () => {
      if (this.exit) throw new Error(`weir ended with ${JSON.stringify(this.exit)}: ${this.log.slice(-2000)}`);
      return /listening on (https?):\/\/(\S+):(\d+)/.exec(this.out);
    }, 30000).catch((e) => { this.killNow(); throw e; });
    const [, scheme, host, port] = /listening on (https?):\/\/(\S+):(\d+)/.exec(this.out);
    Object.assign(this, { scheme, host, port: Number(port), url: `${scheme}://${host}:${port}` });
    return this;
  }

  /** A wrapper (options.wrap) has to exec, so that this is the process that serves. */
  get pid() {
    return this.child.pid;
  }
  /** The embedded store's process. */
  get storePid() {
    for (const task of taskIds(this.pid)) {
      const kid = childrenOf(this.pid, task).find((k) => /\bstore\b/.test(commandOf(k)));
      if (kid) return kid;
    }
    return 0;
  }
  killNow(signal = 'SIGKILL') {
    try { process.kill(this.pid, signal); } catch { /* gone */ }
    try { this.child.kill(signal); } catch { /* gone */ }
  }
  async kill9() {
    this.killNow();
    return this.ended;
  }
  async stop() {
    process.kill(this.pid, 'SIGTERM');
    const timer = setTimeout(() => this.killNow(), 30000 * SLOW);
    const exit = await this.ended;
    clearTimeout(timer);
    assert.deepEqual(exit, { code: 0, signal: null }, `after SIGTERM; log: ${this.log.slice(-2000)}`);
    return exit;
  }

  async fetch(target, { method = 'GET', headers = {}, body, redirect, timeout = 30000 } = {}) {
    const r = await fetch(this.url + target, { method, headers, body, redirect, signal: AbortSignal.timeout(timeout * SLOW), duplex: 'half' });
    const text = await r.text();
    let json;
    try { json = JSON.parse(text); } catch { /* not JSON */ }
    return { status: r.status, headers: r.headers, text, json };
  }
  send(body, { key = this.keys.write_key, headers = {}, target = '/v1/events' } = {}) {
    const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    return this.fetch(target, { method: 'POST', headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers }, body: bytes });
  }
  query(target, { key = this.keys.secret_key, project = this.keys.project, ...more } = {}) {
    return this.fetch(`/projects/${project}${target}`, { ...more, headers: { ...(key ? { 'x-api-key': key } : {}), ...more.headers } });
  }
  /** Rows of a query to the embedded store, as JSONEachRow. */
  async rows(sql) {
    const r = await weir(['store', 'query', `${sql} FORMAT JSONEachRow`, '--data', this.data]);
    assert.equal(r.code, 0, r.err);
    return r.out.split('\n').filter(Boolean).map((l) => JSON.parse(l));
  }
  /** A statement that changes something, on the store's own socket. */
  storeExec(sql) {
    return this.storePost(undefined, sql);
  }
  /** An INSERT with its data as the body (or the statement itself as the body). */
  storePost(sql, body, more = '') {
    return new Promise((done, fail) => {
      const req = http.request({ socketPath: path.join(this.data, 'run/store.sock'), method: 'POST', path: `/?database=weir${sql ? `&query=${encodeURIComponent(sql)}` : ''}${more}`, agent: false }, (res) => {
        let text = '';
        res.on('data', (d) => { text += d; });
        res.on('end', () => done({ status: res.statusCode, text }));
      });
      req.on('error', fail);
      req.end(body);
    });
  }
  /** Ids in the stream, in order of partition and offset. */
  async streamIds() {
    const cat = await weir(['stream', 'cat', '--data', this.data], { timeout: 120000 });
    assert.equal(cat.code, 0, cat.err);
    return cat.out.split('\n').filter(Boolean).map((l) => JSON.parse(l).value.id);
  }
  async count(where = '1') {
    const [row] = await this.rows(`SELECT count() AS n, uniqExact(id) AS ids FROM events WHERE ${where}`);
    return { n: Number(row.n), ids: Number(row.ids) };
  }
  visible(n, where = '1', ms = 60000) {
    return until(`${n} rows where ${where}`, async () => (await this.count(where)).n >= n, ms);
  }
  metric(text, name) {
    const m = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text);
    return m ? Number(m[1]) : undefined;
  }

  /** Sends bytes on a raw connection; everything that comes back until it closes or `wait` ms of silence. */
  raw(bytes, { wait = 400, until: enough, half = false } = {}) {
    return new Promise((done) => {
      const parts = Array.isArray(bytes) ? bytes : [bytes];
      let text = '', timer, closed = false;
      const sock = net.connect(this.port, this.host);
      const finish = () => { clearTimeout(timer); sock.destroy(); done({ text, closed, status: statuses(text)[0], statuses: statuses(text) }); };
      const arm = () => { clearTimeout(timer); timer = setTimeout(finish, wait * SLOW); };
      sock.on('connect', () => {
        for (const p of parts) sock.write(p);
        if (half) sock.end();
        arm();
      });
      sock.on('data', (d) => { text += d.toString('latin1'); if (enough?.(text)) finish(); else arm(); });
      sock.on('error', () => { closed = true; finish(); });
      sock.on('close', () => { closed = true; finish(); });
    });
  }
}

/** Faults under the running binary (faults.c): env for Server.start, set() while it runs. */
export class Faults {
  static rules = ['clock', 'pwritev', 'pwritevs', 'openSegment', 'openSegments', 'sync', 'syncs', 'storeRename', 'storeRenames', 'storeGrows'];
  static short = 1;
  static interrupted = 2;
  static get missing() {
    return !process.env.WEIR_FAULTS_LIBRARY && 'WEIR_FAULTS_LIBRARY does not name the library';
  }
  constructor() {
    this.file = path.join(tempFolder(), 'faults');
    writeFileSync(this.file, Buffer.alloc(8 * Faults.rules.length));
    this.env = { WEIR_FAULTS: this.file, LD_PRELOAD: process.env.WEIR_FAULTS_LIBRARY };
  }
  set(rule, value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value));
    const fd = openSync(this.file, 'r+');
    writeSync(fd, bytes, 0, 8, 8 * Faults.rules.indexOf(rule));
    closeSync(fd);
  }
  get(rule) {
    return Number(readFileSync(this.file).readBigInt64LE(8 * Faults.rules.indexOf(rule)));
  }
}

function taskIds(pid) {
  try { return readdirSync(`/proc/${pid}/task`); } catch { return []; }
}
function childrenOf(pid, task) {
  try { return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(/\s+/).filter(Boolean).map(Number); } catch { return []; }
}
function commandOf(pid) {
  try { return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '); } catch { return ''; }
}
export const statuses = (text) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((m) => Number(m[1]));

export const event = (more = {}) => ({ id: randomUUID(), event: 'signup', user_id: 'u1', timestamp: new Date().toISOString(), ...more });

/** The results of an ingest answer as a list of {result, …}, in order. */
export function results(answer) {
  const r = answer.json?.results;
  assert.ok(r, `no results in ${answer.status} ${answer.text.slice(0, 300)}`);
  return Array.isArray(r) ? r : Object.values(r);
}

/** A package from node_modules of the tree, or WEIR_TEST_MODULES; null if it is not there. */
export async function loadPackage(name) {
  for (const base of [process.env.WEIR_TEST_MODULES, ROOT].filter(Boolean)) {
    try {
      return createRequire(path.join(base, 'index.js'))(name);
    } catch { /* next */ }
  }
  return null;
}

export const hasStore = () => !!process.env.WEIR_CHDB_LIBRARY || existsSync(path.join(ROOT, 'node_modules/@chdb'));

/** Repeatable randomness (mulberry32); the seed is printed by whoever uses it. */
export function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
export { assert, test };

/** The files below a folder that a server may be writing in, as [path, content]: what goes away meanwhile is left out. */
export function* contentsBelow(folder) {
  const there = (fn) => { try { return fn(); } catch (e) { assert.equal(e.code, 'ENOENT'); return null; } };
  for (const entry of there(() => readdirSync(folder, { withFileTypes: true })) ?? []) {
    const full = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* contentsBelow(full);
    const content = entry.isFile() && there(() => readFileSync(full));
    if (content) yield [full, content];
  }
}
