// What the scenarios of access share: people with sessions (make_people.c), a token issuer with its key set on
// loopback, requests over kept-alive connections with any credential.
import { execFile } from 'node:child_process';
import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { assert, weir } from './harness.mjs';

/** Accounts, memberships and a live session each: [{id, email, session, csrf}]. Words: "a@b.c,ORG=role". */
export function makePeople(s, words, { password } = {}) {
  assert.ok(process.env.WEIR_MAKE_PEOPLE, 'WEIR_MAKE_PEOPLE names the program');
  const env = { ...process.env, ...(password ? { WEIR_TEST_PASSWORD: password } : {}) };
  return new Promise((done, fail) => {
    execFile(process.env.WEIR_MAKE_PEOPLE, [path.join(s.data, 'state.db'), ...words], { env }, (e, out, err) => {
      if (e) fail(new Error(`make_people: ${err || e}`));
      else done(JSON.parse(out));
    });
  });
}

/** Headers of a credential: {key}, {token}, {session, csrf}, or nothing. */
export function credential(c, method = 'GET') {
  if (c?.key) return { 'x-api-key': c.key };
  if (c?.token) return { authorization: `Bearer ${c.token}` };
  if (c?.session) return { cookie: `weir_session=${c.session}`, ...(method === 'GET' ? {} : { 'x-csrf-token': c.csrf ?? '' }) };
  return {};
}

/** Requests on kept-alive connections. */
export class Client {
  constructor(s, { sockets = 16 } = {}) {
    this.s = s;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: sockets });
  }
  close() { this.agent.destroy(); }
  call(method, target, { as, body, headers = {} } = {}) {
    const bytes = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const all = { ...credential(as, method), ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(bytes) }), ...headers };
    return new Promise((done, fail) => {
      const req = http.request({ host: this.s.host, port: this.s.port, path: target, method, headers: all, agent: this.agent }, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (d) => { text += d; });
        res.on('end', () => {
          let json;
          try { json = JSON.parse(text); } catch { /* not JSON */ }
          done({ status: res.statusCode, headers: res.headers, text, json, port: res.socket?.localPort });
        });
      });
      req.on('error', fail);
      req.end(bytes);
    });
  }
  /** The same, but it has to be this status. */
  async must(status, method, target, options) {
    const r = await this.call(method, target, options);
    assert.equal(r.status, status, `${method} ${target}: ${r.text.slice(0, 400)}`);
    return r.json;
  }
}

/** Runs fn over all items, so many at a time. */
export async function inParallel(items, width, fn) {
  let next = 0;
  await Promise.all(Array.from({ length: width }, async () => { while (next < items.length) await fn(items[next++]); }));
}

const b64 = (v) => Buffer.from(typeof v === 'string' ? v : JSON.stringify(v)).toString('base64url');
const kinds = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};
function signature(alg, input, key) {
  if (alg === 'none') return '';
  if (alg === 'HS256') return createHmac('sha256', key).update(input).digest('base64url');
  if (alg === 'RS256') return sign('sha256', Buffer.from(input), key).toString('base64url');
  if (alg === 'ES256') return sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  return sign(null, Buffer.from(input), key).toString('base64url');
}
/** A compact JWT. */
export function jwt(alg, key, claims, header = {}) {
  const input = `${b64({ typ: 'JWT', alg, ...header })}.${b64(claims)}`;
  return `${input}.${signature(alg, input, key)}`;
}

/** An issuer whose key set is served on loopback; what it serves can be changed, and it can be away. */
export class Issuer {
  static async start(t, { audience = 'https://weir.example/api' } = {}) {
    const i = new Issuer();
    i.audience = audience;
    i.keys = {};
    i.asked = 0;
    i.server = http.createServer((req, res) => {
      i.asked++;
      if (i.isAway) { res.writeHead(500).end(); return; }
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: i.published() }));
    }).listen(0, '127.0.0.1');
    await once(i.server, 'listening');
    t?.after(() => { i.server.closeAllConnections(); i.server.close(); });
    i.url = `http://127.0.0.1:${i.server.address().port}`;
    for (const alg of Object.keys(kinds)) i.addKey(alg);
    return i;
  }
  addKey(alg) {
    this.keys[alg] = { alg, kid: `${alg}-${randomUUID().slice(0, 8)}`, ...kinds[alg]() };
    return this.keys[alg];
  }
  published() {
    return Object.values(this.keys).map((k) => ({ ...k.publicKey.export({ format: 'jwk' }), kid: k.kid, alg: k.alg, use: 'sig' }));
  }
  claims(more = {}) {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, aud: this.audience, sub: 'ada', iat: now, exp: now + 600, ...more };
  }
  token(more = {}, { alg = 'ES256', key = this.keys[alg], header = {} } = {}) {
    return jwt(alg, key.privateKey, this.claims(more), { kid: key.kid, ...header });
  }
  settings(more = {}) {
    return { issuer: this.url, audience: this.audience, jwks_url: `${this.url}/jwks.json`, algorithms: ['RS256', 'ES256', 'EdDSA'], user_claim: 'sub', ...more };
  }
}

/** The events of the stream audit, oldest first. */
export async function auditEvents(s) {
  const cat = await weir(['stream', 'cat', '--stream', 'audit', '--data', s.data], { timeout: 120000 });
  assert.equal(cat.code, 0, cat.err);
  return cat.out.split('\n').filter(Boolean).map((l) => ({ key: JSON.parse(l).key, ...JSON.parse(l).value }));
}
