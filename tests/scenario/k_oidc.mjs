// k: signing in at an OpenID Connect provider: a real one from npm, and one that lies.
import { createHash, createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { findChromium } from './chromium.mjs';
import { ROOT, Server, assert, freePort, tempFolder, test, until, weir } from './harness.mjs';
import { Browser, secrets } from './people.mjs';

const clientSecret = 'a secret of the client: with / + and %';

function listen(handler) {
  return new Promise((done) => {
    const server = http.createServer(handler).listen(0, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${server.address().port}` }));
  });
}
const body = async (req) => {
  let text = '';
  for await (const part of req) text += part;
  return text;
};
/** weir on a port known before, since the provider has to know where it sends people back to. */
async function serve(t, issuer, args = [], data = undefined) {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  const s = await Server.start({ data, listen: `127.0.0.1:${port}`, args: ['--archive', 'false', '--trusted_proxies', 'loopback', '--public_url', `${publicUrl}/`, '--oidc.issuer', issuer, '--oidc.client_id', 'weir', ...args], env: { WEIR_OIDC_CLIENT_SECRET: clientSecret } });
  t.after(() => s.stop());
  Browser.server = s;
  s.boss = new Browser();
  assert.equal((await s.boss.login(s.keys.admin.email, s.keys.admin.password)).status, 200);
  s.invite = async (email, role = 'analyst') => {
    const r = await s.boss.post(`/v1/orgs/${s.keys.org}/invitations`, { email, role });
    assert.equal(r.status, 201, r.text);
    return r.json;
  };
  return s;
}
const back = (url) => `/v1/login/oidc/callback${new URL(url).search}`;

/** Follows the provider's redirects until it sends the browser back; returns that address. */
async function through(url, s) {
  const jar = new Map();
  for (let i = 0; i < 20; i++) {
    if (url.startsWith(`http://127.0.0.1:${s.port}/`)) return url;
    const r = await fetch(url, { redirect: 'manual', headers: { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; ') } });
    for (const line of r.headers.getSetCookie()) {
      const [, k, v] = /^([^=]+)=([^;]*)/.exec(line);
      if (v) jar.set(k, v);
      else jar.delete(k);
    }
    assert.ok(r.status >= 300 && r.status < 400, `${url}: ${r.status} ${await r.text()}`);
    url = new URL(r.headers.get('location'), url).href;
  }
  throw new Error('the provider goes in circles');
}

const { default: Provider } = await import(pathToFileURL(path.join(ROOT, 'node_modules/oidc-provider/lib/index.js'))).catch(() => ({}));

test('a real provider', { skip: !Provider && 'oidc-provider is not installed' }, async (t) => {
  let who = 'ada';
  const accounts = {
    ada: { email: 'Ada@Example.com', email_verified: true, name: 'Ada Lovelace' },
    eve: { email: 'admin@localhost', email_verified: false },
    bob: { email: 'bob@example.com', email_verified: true },
  };
  const front = await listen((req, res) => handle(req, res));
  t.after(() => front.server.close());
  const s = await serve(t, front.url);
  const provider = new Provider(front.url, {
    clients: [{ client_id: 'weir', client_secret: clientSecret, redirect_uris: [`http://127.0.0.1:${s.port}/v1/login/oidc/callback`] }],
    features: { devInteractions: { enabled: false } },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    pkce: { required: () => true },
    cookies: { keys: [randomUUID()] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
    interactions: { url: (_, i) => `/interaction/${i.uid}` },
  });
  const serveProvider = provider.callback();
  async function handle(req, res) {
    if (!req.url.startsWith('/interaction/')) return serveProvider(req, res);
    const details = await provider.interactionDetails(req, res);
    if (details.prompt.name === 'login') return provider.interactionFinished(req, res, { login: { accountId: who } });
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope('openid email profile');
    return provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
  }
  const signIn = async (b, returnTo = '/') => {
    const there = await b.get(`/v1/login/oidc?return_to=${encodeURIComponent(returnTo)}`);
    assert.equal(there.status, 302, there.text);
    const url = await through(there.headers.get('location'), s);
    return b.get(back(url));
  };

  await t.test('who is not invited does not get in', async () => {
    const b = new Browser();
    const r = await signIn(b);
    assert.equal(r.status, 403, r.text);
    assert.match(r.json.detail, /invited/);
    assert.equal(b.token, undefined);
  });
  await t.test('who is invited gets an account and the invited role', async () => {
    await s.invite('ada@example.com');
    const b = new Browser();
    const r = await signIn(b, '/dashboard?range=7d#top');
    assert.equal(r.status, 302, r.text);
    assert.equal(r.headers.get('location'), '/dashboard?range=7d#top');
    assert.ok(!b.cookies.has('weir_oidc'), 'the cookie of the flow is gone');
    const me = await b.get('/v1/me');
    assert.equal(me.status, 200);
    assert.equal(me.json.user.email, 'ada@example.com');
    assert.equal(me.json.memberships.data[0].role, 'analyst');
    assert.equal((await b.get('/v1/me/sessions')).json.data[0].authenticated_by, 'oidc');
    assert.equal((await new Browser().login('ada@example.com', '')).status, 400);
    assert.equal((await new Browser().login('ada@example.com', 'no password at all')).status, 401);
    accounts.ada.email = 'married@example.com'; // the identity stays, whatever the address becomes
    const again = new Browser();
    assert.equal((await signIn(again)).status, 302);
    assert.equal((await again.get('/v1/me')).json.user.id, me.json.user.id);
  });
  await t.test('an address that is not verified opens no account', async () => {
    who = 'eve';
    const r = await signIn(new Browser());
    assert.equal(r.status, 403);
    assert.match(r.json.detail, /verified/);
    accounts.eve.email_verified = 'maybe';
    assert.equal((await signIn(new Browser())).status, 403);
  });
  await t.test('a verified address is linked to its account', async () => {
    who = 'bob';
    const { token } = await s.invite('bob@example.com', 'auditor');
    const local = new Browser();
    assert.equal((await local.post('/v1/invitations/accept', { token, name: 'Bob', password: 'seven words and more 77' })).status, 200);
    const id = (await local.get('/v1/me')).json.user.id;
    const b = new Browser();
    assert.equal((await signIn(b)).status, 302);
    assert.equal((await b.get('/v1/me')).json.user.id, id);
    const old = b.token;
    assert.equal((await signIn(b)).status, 302);
    assert.notEqual(b.token, old);
    assert.equal((await new Browser().get('/v1/me', { cookie: `weir_session=${old}` })).status, 401, 'the old session is over');
  });
  const { missing, launch } = await findChromium();
  await t.test('the sign-in page names the provider, goes there and comes back to where one was; a refusal is told', { skip: missing }, async (t) => {
    const methods = await new Browser().get('/v1/login/methods');
    assert.deepEqual(methods.json, { password: true, oidc: { name: new URL(front.url).host } });
    const browser = await launch(t);
    if (!browser) return;
    const page = await browser.newPage(), there = `http://127.0.0.1:${s.port}/app/${s.keys.project}/retention?range=7d`;
    const press = () => page.click(`text=Sign in with ${methods.json.oidc.name}`);
    who = 'eve';
    await page.goto(there);
    await press();
    assert.match(await page.textContent('[role=alert]'), /were not invited/);
    assert.equal(new URL(page.url()).search, '?sign_in=refused');
    await page.context().clearCookies(); // the provider's own session with it
    who = 'ada';
    await page.goto(there);
    await press();
    await page.waitForSelector('header.top button:has-text("ada")');
    assert.equal(page.url(), there);
    const told = async (path) => { await page.goto(`http://127.0.0.1:${s.port}${path}`); return new URL(page.url()).search; };
    assert.equal(await told('/v1/login/oidc/callback?state=x&code=y'), '?sign_in=begin-again');
  });
});

/** A provider in a few lines, whose every answer can be bent. */
class Liar {
  static async start(t) {
    const p = new Liar();
    p.keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    p.kid = randomUUID();
    const { server, url } = await listen((req, res) => p.handle(req, res).catch((e) => { res.statusCode = 500; res.end(String(e)); }));
    t.after(() => server.close());
    p.url = url;
    p.bend = {};
    return p;
  }
  get jwks() {
    return { keys: [{ ...this.keys.publicKey.export({ format: 'jwk' }), kid: this.kid, use: 'sig', alg: 'ES256' }] };
  }
  sign(header, claims) {
    const part = (x) => Buffer.from(JSON.stringify(x)).toString('base64url');
    const text = `${part(header)}.${part(claims)}`;
    if (header.alg === 'none') return `${text}.`;
    if (header.alg === 'HS256') return `${text}.${createHmac('sha256', clientSecret).update(text).digest('base64url')}`;
    return `${text}.${sign('sha256', Buffer.from(text), { key: this.bend.key ?? this.keys.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
  async handle(req, res) {
    const json = (x, status = 200) => { res.writeHead(status, { 'content-type': 'application/json' }); res.end(typeof x === 'string' ? x : JSON.stringify(x)); };
    const { pathname } = new URL(req.url, this.url);
    if (this.bend.down) return req.socket.destroy();
    if (pathname === '/.well-known/openid-configuration') return json({ issuer: this.url, authorization_endpoint: `${this.url}/authorize?tenant=1`, token_endpoint: `${this.url}/token`, jwks_uri: `${this.url}/jwks`, userinfo_endpoint: `${this.url}/userinfo`, ...this.bend.discovery });
    if (pathname === '/jwks') return json(this.jwks);
    if (pathname === '/userinfo') return json({ sub: this.sub, email: 'userinfo@example.com', email_verified: true, ...this.bend.userinfo });
    this.form = new URLSearchParams(await body(req));
    this.authorization = req.headers.authorization;
    if (this.bend.token) return json(...this.bend.token);
    const ok = createHash('sha256').update(this.form.get('code_verifier')).digest('base64url') === this.query.get('code_challenge');
    if (!ok || this.form.get('code') !== this.code) return json({ error: 'invalid_grant' }, 400);
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.url, aud: 'weir', sub: this.sub, iat: now, exp: now + 300, nonce: this.query.get('nonce'), email: `${this.sub}@example.com`, email_verified: true, ...this.bend.claims };
    this.idToken = this.sign({ alg: 'ES256', kid: this.kid, ...this.bend.header }, JSON.parse(JSON.stringify(claims)));
    secrets.add(this.idToken);
    return json({ access_token: 'the-access-token', token_type: 'Bearer', id_token: this.idToken });
  }
  /** The browser goes there and comes back with a code. */
  async answer(b, query = {}) {
    const there = await b.get('/v1/login/oidc');
    assert.equal(there.status, 302, there.text);
    const url = new URL(there.headers.get('location'));
    this.query = url.searchParams;
    this.sub ??= 'someone';
    this.code = randomBytes(20).toString('hex');
    secrets.add(this.code);
    return `/v1/login/oidc/callback?${new URLSearchParams({ code: this.code, state: this.query.get('state'), iss: this.url, ...query })}`;
  }
  async signIn(b, bend = {}, query = {}) {
    const target = await this.answer(b, query);
    this.bend = bend;
    const r = await b.get(target);
    this.bend = {};
    return r;
  }
}

test('a provider that lies', async (t) => {
  const p = await Liar.start(t);
  p.bend = { down: true }; // at the start nobody has to be there
  const data = path.join(tempFolder(), 'data');
  const { json: keys } = await weir(['init', '--data', data, '--json']);
  const s = await serve(t, p.url, ['--oidc.auto_join_org', keys.org], data);
  assert.equal((await new Browser().get('/v1/login/oidc')).status, 503);
  p.bend = { discovery: { issuer: 'https://evil.example' } };
  assert.equal((await new Browser().get('/v1/login/oidc')).status, 503);
  p.bend = { discovery: { token_endpoint: 'http://169.254.169.254/token' } };
  assert.equal((await new Browser().get('/v1/login/oidc')).status, 503, 'plain http to anywhere but here');
  p.bend = {};

  await t.test('what is asked for', async () => {
    const b = new Browser();
    const r = await b.get('/v1/login/oidc');
    const url = new URL(r.headers.get('location'));
    assert.equal(url.origin + url.pathname, `${p.url}/authorize`);
    const { state, nonce, code_challenge, ...rest } = Object.fromEntries(url.searchParams);
    assert.deepEqual(rest, { tenant: '1', response_type: 'code', client_id: 'weir', redirect_uri: `http://127.0.0.1:${s.port}/v1/login/oidc/callback`, scope: 'openid email', code_challenge_method: 'S256' });
    assert.equal(new Set([state, nonce, code_challenge]).size, 3);
    assert.match(r.setCookie[0], /^weir_oidc=[\w.-]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    assert.ok(!r.setCookie[0].includes(state));
    const https = await new Browser({ https: true }).get('/v1/login/oidc');
    assert.match(https.setCookie[0], /^__Host-weir_oidc=.*; Secure$/);
  });
  await t.test('everybody is let in as a viewer, with the secret in Basic', async () => {
    const b = new Browser();
    const r = await p.signIn(b);
    assert.equal(r.status, 302, r.text);
    assert.equal((await b.get('/v1/me')).json.memberships.data[0].role, 'viewer');
    const [user, secret] = Buffer.from(p.authorization.slice(6), 'base64').toString().split(':').map(decodeURIComponent);
    assert.deepEqual([user, secret], ['weir', clientSecret]);
    assert.equal(p.form.get('client_secret'), null);
  });
  await t.test('an address from userinfo', async () => {
    p.sub = 'shy';
    const b = new Browser();
    assert.equal((await p.signIn(b, { claims: { email: undefined } })).status, 302);
    assert.equal((await b.get('/v1/me')).json.user.email, 'userinfo@example.com');
    p.sub = 'other';
    assert.equal((await p.signIn(new Browser(), { claims: { email: undefined }, userinfo: { sub: 'shy' } })).status, 403, "another person's");
  });
  const another = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const now = Math.floor(Date.now() / 1000);
  const bent = {
    'another nonce': { claims: { nonce: 'x' } },
    'no nonce': { claims: { nonce: undefined } },
    'another issuer': { claims: { iss: 'https://evil.example' } },
    'another audience': { claims: { aud: 'another' } },
    'several audiences and no azp': { claims: { aud: ['weir', 'another'] } },
    "another's azp": { claims: { azp: 'another' } },
    'several audiences, azp is another': { claims: { aud: ['weir', 'another'], azp: 'another' } },
    expired: { claims: { exp: now - 3600 } },
    'no expiry': { claims: { exp: undefined } },
    'not yet': { claims: { nbf: now + 3600 } },
    'no subject': { claims: { sub: undefined } },
    'an empty subject': { claims: { sub: '' } },
    'a subject that is too long': { claims: { sub: 'x'.repeat(256) } },
    'alg none': { header: { alg: 'none' } },
    'signed with the client secret': { header: { alg: 'HS256' } },
    'signed with another key': { key: another },
    'no ID token': { token: [{ access_token: 'x' }] },
    'an ID token that is none': { token: [{ id_token: 'x.y.z' }] },
    'a refusal': { token: [{ error: 'invalid_grant', error_description: 'the secret is unlikely-canary' }, 400] },
  };
  for (const [name, bend] of Object.entries(bent)) {
    await t.test(`refused: ${name}`, async () => {
      p.sub = 'liar';
      const b = new Browser();
      const r = await p.signIn(b, bend);
      assert.ok([403, 503].includes(r.status), `${r.status} ${r.text}`);
      assert.equal(b.token, undefined);
      assert.ok(!r.text.includes('unlikely-canary'));
      assert.equal(r.headers.get('content-type'), 'application/problem+json');
    });
  }
  await t.test('refused: what is no JSON, too long, or not there', async () => {
    for (const bend of [{ token: ['<html>'] }, { token: ['"x"'] }, { token: [`"${'x'.repeat(300 << 10)}"`] }, { token: [{}, 500] }, { down: true }]) {
      const r = await p.signIn(new Browser(), bend);
      assert.ok([403, 413, 503].includes(r.status), `${r.status} ${r.text}`);
    }
  });
  await t.test('several audiences with our azp are fine', async () => {
    p.sub = 'several';
    assert.equal((await p.signIn(new Browser(), { claims: { aud: ['another', 'weir'], azp: 'weir' } })).status, 302);
  });
  await t.test('the answer fits the browser that asked, once', async () => {
    p.sub = 'bound';
    const victim = new Browser(), attacker = new Browser();
    const target = await p.answer(attacker);
    const other = await victim.get(target); // a link that somebody sent
    assert.equal(other.status, 400, other.text);
    assert.equal(victim.token, undefined);
    const b = new Browser();
    const mine = await p.answer(b);
    const cookie = b.cookies.get('weir_oidc');
    for (const bad of [cookie.slice(1), `${cookie}x`, cookie.replace(/\.\d+\./, '.9999999999.'), cookie.replace(/\.[^.]*\.([^.]*)$/, '.Ly9ldmls.$1'), '', 'a.b.c.d', '....']) {
      assert.equal((await new Browser().get(mine, { cookie: `weir_oidc=${bad}` })).status, 400, bad);
    }
    for (const query of [{ state: 'x' }, { state: '' }]) {
      const c = new Browser();
      assert.equal((await c.get(await p.answer(c, query))).status, 400);
    }
    const c = new Browser();
    const mixed = await c.get(await p.answer(c, { iss: 'https://evil.example' }));
    assert.equal(mixed.status, 403);
    const denied = new Browser();
    const r = await denied.get((await p.answer(denied, { error: 'access_denied<script>' })).replace(/code=[^&]*&/, ''));
    assert.equal(r.status, 403);
    assert.ok(!r.text.includes('script'));
    p.code = undefined; // the provider takes a code once
    assert.equal((await b.get(mine)).status, 403);
    assert.equal((await b.get(mine)).status, 400, 'and the cookie is gone');
  });
  await t.test('a return address stays on this server and in its line', async () => {
    const bad = ['https://evil.example/', '//evil.example', '/\\evil.example', '\\\\evil.example', 'javascript:alert(1)', 'evil', '', '/a\r\nSet-Cookie: x=y', '/a\nb', '/\t/evil.example', `/${'x'.repeat(600)}`, '/ä'];
    for (const x of bad) {
      const r = await new Browser().get(`/v1/login/oidc?return_to=${encodeURIComponent(x)}`);
      assert.equal(r.status, 400, JSON.stringify(x));
      assert.equal(r.headers.get('location'), null);
      assert.deepEqual(r.setCookie, []);
    }
  });
  await t.test('a disabled person stays out', async () => {
    p.sub = 'bound';
    const b = new Browser();
    assert.equal((await p.signIn(b)).status, 302);
    execFileSync('python3', ['-c', "import sqlite3,sys; d=sqlite3.connect(sys.argv[1],timeout=20); d.execute(\"UPDATE users SET disabled_at = 1 WHERE email = 'bound@example.com'\"); d.commit()", path.join(s.data, 'state.db')]);
    const r = await p.signIn(new Browser());
    assert.equal(r.status, 403);
    assert.match(r.json.detail, /disabled/);
  });
  await t.test('all of it is in the audit log; codes and tokens are nowhere', async () => {
    const list = await until('the events', async () => {
      const cat = await weir(['stream', 'cat', '--stream', 'audit', '--data', s.data]);
      const events = cat.out.trim().split('\n').map((l) => JSON.parse(l).value);
      return events.some((e) => e.action === 'session.create' && e.outcome === 'failure' && e.resource.id) && events;
    });
    for (const a of ['user.create', 'user.add_identity', 'member.create', 'session.create']) assert.ok(list.some((e) => e.action === a && e.outcome === 'success' && e.authtype), a);
    const store = await until('the store', () => s.storePid);
    assert.ok(!readFileSync(`/proc/${store}/environ`).includes(clientSecret), 'the engine does not get it');
    for (const secret of [...secrets, clientSecret, 'the-access-token']) assert.ok(!s.log.includes(secret), secret);
  });
});

test('settings that cannot work stop the start with a sentence', async (t) => {
  const wrong = [
    [['--oidc.issuer', 'http://login.example.com'], /oidc\.issuer/],
    [['--oidc.issuer', 'https://login.example.com'], /oidc\.client_id/],
    [['--oidc.issuer', 'https://login.example.com', '--oidc.client_id', 'weir'], /public_url/],
    [['--oidc.issuer', 'https://login.example.com', '--oidc.client_id', 'weir', '--public_url', 'https://weir.example.com', '--oidc.auto_join_org', 'x'], /auto_join_org/],
  ];
  for (const [args, message] of wrong) {
    const r = await weir(['serve', '--data', path.join(tempFolder(), 'data'), '--listen', '127.0.0.1:0', ...args]);
    assert.equal(r.code, 1, r.err);
    assert.match(r.err, message);
  }
});
