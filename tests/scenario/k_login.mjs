// k: people: the first admin, signing in and out, one's own account, second factor, reset links, invitations.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Server, assert, contentsBelow, tempFolder, test, until, weir } from './harness.mjs';
import { Browser, secrets, totp } from './people.mjs';

const folder = tempFolder();
const mailbox = path.join(folder, 'mailbox');
const s = await Server.start({ args: ['--archive', 'false', '--trusted_proxies', 'loopback', '--public_url', 'https://weir.example.com/', '--mail.command', `tee -a ${mailbox}`] });
test.after(() => s.stop());
Browser.server = s;

const password = 'correct horse battery 9';
const admin = s.keys.admin;
secrets.add(admin.password);
const boss = await new Browser().mustLogin(admin.email, admin.password);

/** A new person with an account in the first organisation. */
async function newcomer(name, role = 'viewer') {
  const email = `${name}@example.com`;
  const invited = await boss.post(`/v1/orgs/${s.keys.org}/invitations`, { email, role });
  assert.equal(invited.status, 201, invited.text);
  secrets.add(invited.json.token);
  const browser = new Browser();
  const r = await browser.post('/v1/invitations/accept', { token: invited.json.token, name, password });
  assert.equal(r.status, 200, r.text);
  return { email, browser, id: r.json.user.id };
}
secrets.add(password);

/** What tells nothing about a single request. */
const shape = (r) => {
  const { instance, ...body } = r.json;
  const headers = Object.fromEntries([...r.headers].filter(([k]) => !['date', 'x-request-id', 'traceparent', 'content-length'].includes(k)));
  return { status: r.status, body, headers };
};
function sql(statement) {
  execFileSync('python3', ['-c', 'import sqlite3,sys; d=sqlite3.connect(sys.argv[1],timeout=20); d.execute(sys.argv[2]); d.commit()', path.join(s.data, 'state.db'), statement]);
}

test('the first start makes an admin, once', async (t) => {
  const data = path.join(tempFolder(), 'data');
  const first = await weir(['init', '--data', data, '--json', '--admin.email', 'Root@Example.com']);
  assert.equal(first.code, 0, first.err);
  assert.equal(first.json.admin.email, 'root@example.com');
  assert.match(first.json.admin.password, /^[0-9A-Za-z]{20}$/);
  const file = path.join(data, 'credentials.json');
  assert.equal(statSync(file).mode & 0o077, 0);
  assert.deepEqual((await weir(['init', '--data', data, '--json'])).json, first.json);

  const { admin: made, ...older } = first.json; // as it was written before there were people
  writeFileSync(file, JSON.stringify(older), { mode: 0o600 });
  const again = await weir(['init', '--data', data, '--json', '--admin.email', 'root@example.com']);
  assert.equal(again.json.admin.email, made.email);
  assert.notEqual(again.json.admin.password, made.password, 'nobody had signed in: a new first password');
  assert.equal(statSync(file).mode & 0o077, 0);
  writeFileSync(file, JSON.stringify(older), { mode: 0o600 });
  const other = await weir(['init', '--data', data, '--json', '--admin.email', 'second@example.com']);
  assert.deepEqual(other.json.admin, { email: 'second@example.com', password: '' }, 'there is an owner: no second one is made');
  const wrong = await weir(['init', '--data', path.join(tempFolder(), 'x'), '--admin.email', 'nobody']);
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.err, /admin\.email/);
});

test('a lost file does not take the password of who is signed in', async (t) => {
  const data = path.join(tempFolder(), 'data');
  const one = await Server.start({ data, args: ['--archive', 'false'] });
  t.after(() => one.killNow());
  const login = () => one.fetch('/v1/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(one.keys.admin) });
  assert.equal((await login()).status, 200);
  await one.stop();
  const { admin: _, ...older } = one.keys;
  writeFileSync(path.join(data, 'credentials.json'), JSON.stringify(older));
  await one.run();
  assert.equal(JSON.parse(readFileSync(path.join(data, 'credentials.json'))).admin.password, '');
  assert.equal((await login()).status, 200);
  await one.stop();
});

test('signing in, who one is, signing out', async () => {
  const b = new Browser();
  const r = await b.login('ADMIN@localhost', admin.password);
  assert.equal(r.status, 200);
  assert.equal(r.headers.get('cache-control'), 'no-store');
  assert.equal(r.json.user.email, 'admin@localhost');
  assert.equal(r.json.second_factor, false);
  assert.match(r.setCookie[0], /^weir_session=[\w-]{43}; Path=\/; Max-Age=7776000; HttpOnly; SameSite=Lax$/);
  const me = await b.get('/v1/me');
  assert.equal(me.status, 200);
  assert.equal(me.json.csrf_token, r.json.csrf_token);
  assert.equal(me.json.user.id, r.json.user.id);
  const [membership] = me.json.memberships.data;
  assert.equal(membership.role, 'owner');
  assert.equal(membership.id, s.keys.org);
  assert.ok(membership.permissions.includes('org:own'));
  assert.ok(!me.text.includes(b.token), 'the token is in the cookie only');
  const out = await b.post('/v1/logout');
  assert.equal(out.status, 204);
  assert.match(out.setCookie[0], /^weir_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax$/);
  assert.equal((await b.get('/v1/me', { cookie: `weir_session=${[...secrets].find((x) => r.setCookie[0].includes(x))}` })).status, 401);
});

test('on https the cookie is Secure and of this host alone', async () => {
  const b = await new Browser({ https: true }).mustLogin(admin.email, admin.password);
  assert.ok(b.token);
  assert.equal((await b.get('/v1/me')).status, 200);
  const plain = await b.get('/v1/me', { cookie: `weir_session=${b.token}` });
  assert.equal(plain.status, 401, 'the name without the prefix is not read on https');
  const out = await b.post('/v1/logout');
  assert.match(out.setCookie[0], /^__Host-weir_session=; Path=\/; Max-Age=0; HttpOnly; SameSite=Lax; Secure$/);
});

test('every kind of wrong is one answer', async () => {
  const { email, id } = await newcomer('enumerated');
  const gone = await newcomer('disabled');
  sql(`UPDATE users SET disabled_at = 1 WHERE id = '${gone.id}'`);
  const b = () => new Browser();
  const answers = [
    await b().login(email, 'not the password'),
    await b().login('nobody@example.com', password),
    await b().login('nobody@example.com', 'not the password'),
    await b().login('no address at all', password),
    await b().login("' OR 1=1 --", password),
    await b().login(gone.email, password),
    await b().login(gone.email, 'not the password'),
    await b().login(email, 'x', '123456'),
  ].map(shape);
  for (const a of answers) assert.deepEqual(a, answers[0]);
  assert.equal(answers[0].status, 401);
  assert.ok(!('set-cookie' in answers[0].headers));
  const cut = await gone.browser.get('/v1/me');
  assert.equal(cut.status, 401, 'the session of a disabled user is over');
  assert.ok(id);
});

test('a session needs its CSRF token for what changes something', async () => {
  const b = await new Browser().mustLogin(admin.email, admin.password);
  const other = await new Browser().mustLogin(admin.email, admin.password);
  for (const token of ['', 'x', other.csrf, b.csrf.slice(1), `${b.csrf}x`]) {
    const r = await b.post('/v1/logout', undefined, { 'x-csrf-token': token });
    assert.equal(r.status, 403, token);
  }
  assert.equal((await b.get('/v1/me')).status, 200, 'still signed in');
  assert.equal((await b.post('/v1/logout')).status, 204);
});

test('no other site signs anybody in', async () => {
  const body = { email: admin.email, password: admin.password };
  const tries = [
    [{ 'content-type': 'text/plain' }, 400],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 400],
    [{ 'content-type': 'multipart/form-data; boundary=x' }, 400],
    [{ 'content-type': '' }, 400],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: `http://${s.host}:${s.port + 1}` }, 403],
    [{ 'sec-fetch-site': 'cross-site', origin: s.url }, 403],
    [{ 'content-type': 'application/json; charset=utf-8' }, 200],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ 'sec-fetch-site': 'same-origin', origin: s.url }, 200],
    [{ origin: s.url }, 200],
    [{ origin: 'https://weir.example.com' }, 200],
  ];
  for (const [headers, status] of tries) {
    for (const target of status === 200 ? ['/v1/login'] : ['/v1/login', '/v1/password-reset', '/v1/password-reset/redeem', '/v1/invitations/accept']) {
      const r = await new Browser().post(target, body, headers);
      assert.equal(r.status, status, `${target} ${JSON.stringify(headers)}: ${r.text}`);
    }
  }
  const preflight = await s.fetch('/v1/login', { method: 'OPTIONS', headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' } });
  assert.equal(preflight.status, 405);
  assert.equal(preflight.headers.get('access-control-allow-origin'), null);
});

test('a session is new at every login, and the one that came along ends', async () => {
  const b = await new Browser().mustLogin(admin.email, admin.password);
  const before = b.token;
  await b.mustLogin(admin.email, admin.password);
  assert.notEqual(b.token, before);
  const old = await new Browser().get('/v1/me', { cookie: `weir_session=${before}` });
  assert.equal(old.status, 401);
  const chosen = randomBytes(32).toString('base64url'); // an attacker's choice
  const victim = new Browser();
  victim.cookies.set('weir_session', chosen);
  await victim.mustLogin(admin.email, admin.password);
  assert.notEqual(victim.token, chosen);
  assert.equal((await new Browser().get('/v1/me', { cookie: `weir_session=${chosen}` })).status, 401);
});

test('what does not belong into a body is refused by name', async () => {
  const { browser, id, email } = await newcomer('assigned');
  for (const more of [{ email: 'admin@localhost' }, { id }, { disabled_at: null }, { role: 'owner' }, { password_hash: 'x' }, { has_second_factor: false }]) {
    const r = await browser.fetch('PATCH', '/v1/me', { name: 'New', ...more });
    assert.equal(r.status, 400, r.text);
    assert.match(r.json.detail, new RegExp(Object.keys(more)[0]));
  }
  assert.equal((await browser.fetch('PATCH', '/v1/me', {})).status, 200, 'nothing is to be changed');
  const r = await browser.fetch('PATCH', '/v1/me', { name: 'Änne' });
  assert.equal(r.status, 200, r.text);
  assert.equal(r.json.name, 'Änne');
  assert.equal(r.json.email, email);
  for (const name of ['', 'a\u0000b', 'a\nb', 'x'.repeat(101), 7, null]) assert.equal((await browser.fetch('PATCH', '/v1/me', { name })).status, 400);
  const odd = [{ email, password, admin: true }, { email, password, user: { id } }, { email: [email], password }, { email, password: { $ne: '' } }, { email }, {}, [], 'x', null];
  for (const body of odd) assert.equal((await new Browser().post('/v1/login', JSON.stringify(body))).status, 400, JSON.stringify(body));
  for (const text of ['', '{', '{"email":', '\u0000']) assert.equal((await new Browser().post('/v1/login', text)).status, 400);
  const huge = await new Browser().post('/v1/login', { email, password: 'x'.repeat(1 << 20) }).catch(() => ({ status: 413 })); // cut off
  assert.equal(huge.status, 413);
  assert.equal((await new Browser().login(email, 'x'.repeat(1025))).status, 400);
  assert.equal((await new Browser().login(`${'x'.repeat(300)}@example.com`, 'x')).status, 400);
  assert.equal((await new Browser().login(email, password)).status, 200, 'all of that counted as no guess');
});

test('guessing is slowed down, at the account and at the address', async () => {
  const { email } = await newcomer('guessed');
  const answers = [];
  for (let i = 0; i < 8; i++) answers.push(await new Browser().login(email, `guess number ${i}`));
  assert.deepEqual([...new Set(answers.slice(0, 5).map((r) => r.status))], [401]);
  const slow = answers.find((r) => r.status === 429);
  assert.ok(slow, answers.map((r) => r.status).join());
  assert.ok(Number(slow.headers.get('retry-after')) >= 1);
  const right = await new Browser().login(email, password);
  assert.equal(right.status, 429, 'from a new place not even the right one is tried');
  const place = new Browser();
  const names = [];
  for (let i = 0; i < 25; i++) names.push((await place.login(`unknown${i}@example.com`, 'x')).status);
  assert.deepEqual([...new Set(names.slice(0, 20))], [401]);
  assert.ok(names.includes(429), names.join());
  const another = await newcomer('elsewhere');
  assert.equal((await new Browser().login(another.email, password)).status, 200, 'others are not touched');
});

test('sessions are listed and ended, each and all', async () => {
  const { email, browser: one } = await newcomer('everywhere');
  const two = await new Browser().mustLogin(email, password);
  const three = await new Browser().mustLogin(email, password);
  const list = await one.get('/v1/me/sessions');
  assert.equal(list.status, 200);
  assert.equal(list.json.data.length, 3);
  assert.equal(list.json.data.filter((x) => x.is_current).length, 1);
  assert.ok(list.json.data.some((x) => x.address === two.address && x.authenticated_by === 'password'));
  for (const b of [one, two, three]) assert.ok(!list.text.includes(b.token));
  const id = list.json.data.find((x) => x.address === two.address).id;
  assert.equal((await boss.fetch('DELETE', `/v1/me/sessions/${id}`)).status, 404, "another person's");
  assert.equal((await one.fetch('DELETE', `/v1/me/sessions/${id}`, undefined, { 'x-csrf-token': '' })).status, 403);
  assert.equal((await one.fetch('DELETE', `/v1/me/sessions/${id}`)).status, 204);
  assert.equal((await one.fetch('DELETE', `/v1/me/sessions/${id}`)).status, 404);
  assert.equal((await one.fetch('DELETE', '/v1/me/sessions/x')).status, 404);
  assert.equal((await two.get('/v1/me')).status, 401);
  const out = await three.post('/v1/logout/everywhere');
  assert.equal(out.status, 204);
  for (const b of [one, two, three]) assert.equal((await b.get('/v1/me')).status, 401);
  const key = await s.fetch('/v1/me', { headers: { 'x-api-key': s.keys.secret_key } });
  assert.equal(key.status, 403, 'a key is nobody');
});

test('another password: with the old one only, and the other sessions end', async () => {
  const { email, browser: one } = await newcomer('renewed');
  const two = await new Browser().mustLogin(email, password);
  const next = 'another fine passphrase 7';
  secrets.add(next);
  const wrong = await one.post('/v1/me/password', { current: 'not it at all', new: next });
  assert.equal(wrong.status, 403);
  assert.match(wrong.json.type, /\/proof$/);
  for (const bad of ['short', 'renewed forever', 'password123', 'x'.repeat(1025)]) {
    const r = await one.post('/v1/me/password', { current: password, new: bad });
    assert.equal(r.status, 400, bad);
  }
  assert.equal((await two.get('/v1/me')).status, 200);
  assert.equal((await one.post('/v1/me/password', { current: password, new: next })).status, 204);
  assert.equal((await one.get('/v1/me')).status, 200);
  assert.equal((await two.get('/v1/me')).status, 401);
  assert.equal((await new Browser().login(email, password)).status, 401);
  assert.equal((await new Browser().login(email, next)).status, 200);
});

test('the second factor', async () => {
  const { email, browser } = await newcomer('careful');
  assert.equal((await browser.post('/v1/me/totp', {})).status, 400, 'a session alone cannot');
  assert.equal((await browser.post('/v1/me/totp', { password: 'not it at all' })).status, 403);
  const begun = await browser.post('/v1/me/totp', { password });
  assert.equal(begun.status, 200, begun.text);
  const { secret, uri } = begun.json;
  secrets.add(secret);
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.equal(new URL(uri).searchParams.get('secret'), secret);
  assert.equal((await new Browser().login(email, password)).status, 200, 'not in force yet');
  const bad = await browser.post('/v1/me/totp/confirm', { code: totp(secret, 5) });
  assert.equal(bad.status, 403);
  assert.match(bad.json.type, /\/proof$/);
  const used = totp(secret, -1);
  const confirmed = await browser.post('/v1/me/totp/confirm', { code: used });
  assert.equal(confirmed.status, 200, confirmed.text);
  const codes = confirmed.json.recovery_codes;
  assert.equal(new Set(codes).size, 10);
  for (const c of codes) secrets.add(c);
  assert.equal((await browser.post('/v1/me/totp', { password })).status, 409);

  const asked = await new Browser().login(email, password);
  assert.equal(asked.status, 401);
  assert.match(asked.json.type, /\/second-factor$/);
  assert.equal(asked.setCookie.length, 0);
  const unasked = await new Browser().login(email, 'not the password');
  assert.match(unasked.json.type, /\/unauthorized$/, 'only who has the password is told');
  const again = await new Browser().login(email, password, used);
  assert.equal(again.status, 401, 'each code once');
  assert.match(again.json.type, /\/unauthorized$/);
  const withCode = await new Browser().mustLogin(email, password, totp(secret, 0));
  assert.equal((await withCode.get('/v1/me/sessions')).json.data.find((x) => x.is_current).authenticated_by, 'password+totp');
  assert.equal((await withCode.get('/v1/me')).json.user.has_second_factor, true);

  await new Browser().mustLogin(email, password, codes[0].toLowerCase().replaceAll('-', ' '));
  assert.equal((await new Browser().login(email, password, codes[0])).status, 401, 'each recovery code once');
  assert.equal((await withCode.get('/v1/me')).json.recovery_codes_left, 9);
  const renewed = await withCode.post('/v1/me/recovery-codes', { password });
  assert.equal(renewed.status, 200);
  for (const c of renewed.json.recovery_codes) secrets.add(c);
  assert.equal((await new Browser().login(email, password, codes[1])).status, 401, 'the old ones are dead');

  assert.equal((await withCode.fetch('DELETE', '/v1/me/totp', {})).status, 400);
  assert.equal((await withCode.fetch('DELETE', '/v1/me/totp', { code: '000000' })).status, 403);
  assert.equal((await withCode.fetch('DELETE', '/v1/me/totp', { code: renewed.json.recovery_codes[0] })).status, 204);
  assert.equal((await new Browser().login(email, password)).status, 200);
});

const messages = () => (existsSync(mailbox) ? readFileSync(mailbox, 'utf8') : '');
const tokenIn = (text, email) => new RegExp(`To: ${email}\\r?\\n[^]*?#token=([\\w-]{43})`, 'g')[Symbol.matchAll](text);
const tokensFor = (email) => [...tokenIn(messages(), email)].map((m) => m[1]);

test('a reset link: the same answer for everybody, and it works once', async () => {
  const { email, browser: one } = await newcomer('forgetful');
  const asked = await new Browser().post('/v1/password-reset', { email: email.toUpperCase() });
  const unknown = await new Browser().post('/v1/password-reset', { email: 'nobody@example.com' });
  assert.equal(asked.status, 202);
  assert.equal(asked.text, unknown.text);
  assert.deepEqual(shape(asked), shape(unknown));
  for (const bad of ['', 'x', 'a@b@c', 'forgetful@example.com\nBcc: eve@example.com', 'forgetful@example.com, eve@example.com']) assert.equal((await new Browser().post('/v1/password-reset', { email: bad })).status, 400, bad);
  const [first] = await until('the message', () => tokensFor(email).length && tokensFor(email));
  await new Browser().post('/v1/password-reset', { email });
  const [, second] = await until('another', () => tokensFor(email).length > 1 && tokensFor(email));
  secrets.add(first).add(second);
  const text = messages();
  assert.match(text, /https:\/\/weir\.example\.com\/app\/reset-password#token=/);
  assert.match(text, /^Subject: Reset your password$/m);
  assert.ok(!text.includes('nobody@') && !text.includes('eve@'));
  const redeem = (token, pass) => new Browser().post('/v1/password-reset/redeem', { token, password: pass });
  const next = 'a password never seen before';
  secrets.add(next);
  for (const token of [first, 'x', second.slice(1), `${second.slice(0, 42)}!`]) assert.equal((await redeem(token, next)).status, 401, 'older, malformed');
  assert.equal((await redeem(second, 'short')).status, 400, 'the link is not used up by a bad password');
  const b = new Browser();
  const done = await b.post('/v1/password-reset/redeem', { token: second, password: next });
  assert.equal(done.status, 200, done.text);
  assert.equal(done.json.user.email, email);
  assert.equal((await b.get('/v1/me')).status, 200);
  assert.equal((await one.get('/v1/me')).status, 401, 'every other session is over');
  assert.equal((await redeem(second, 'yet another password 5')).status, 401);
  assert.equal((await new Browser().login(email, password)).status, 401);
  assert.equal((await new Browser().login(email, next)).status, 200);
});

test('a reset leaves the second factor alone', async () => {
  const { email, browser } = await newcomer('twofold');
  const { secret } = (await browser.post('/v1/me/totp', { password })).json;
  assert.equal((await browser.post('/v1/me/totp/confirm', { code: totp(secret) })).status, 200);
  await new Browser().post('/v1/password-reset', { email });
  const [token] = await until('the message', () => tokensFor(email).length && tokensFor(email));
  const next = 'words that nobody has used';
  const b = new Browser();
  const done = await b.post('/v1/password-reset/redeem', { token, password: next });
  assert.equal(done.status, 200);
  assert.equal(done.json.second_factor, true);
  assert.equal(done.setCookie.length, 0);
  assert.match((await b.login(email, next)).json.type, /\/second-factor$/);
});

test('reset links are limited per address and per mailbox', async () => {
  const one = new Browser();
  const statuses = [];
  for (let i = 0; i < 8; i++) statuses.push(await one.post('/v1/password-reset', { email: `n${i}@example.com` }));
  const slow = statuses.find((r) => r.status === 429);
  assert.ok(slow, statuses.map((r) => r.status).join());
  assert.ok(Number(slow.headers.get('retry-after')) > 1);
  const { email } = await newcomer('bombed');
  for (let i = 0; i < 6; i++) assert.equal((await new Browser().post('/v1/password-reset', { email })).status, 202);
  const last = await newcomer('after-bombed');
  await new Browser().post('/v1/password-reset', { email: last.email });
  await until('the last message', () => tokensFor(last.email).length);
  assert.ok(tokensFor(email).length <= 3);
});

test('a mail program gets the message on its input and nothing else', async (t) => {
  const dir = tempFolder(), script = path.join(dir, 'mail.sh'), seen = (name) => readFileSync(path.join(dir, name), 'utf8');
  writeFileSync(script, `cd ${dir}\ncat > message\ntr '\\0' '\\n' < /proc/$$/cmdline > words\ntr '\\0' '\\n' < /proc/$$/environ > env\nls -l /proc/$$/fd > fds\nexit 7\n`);
  const one = await Server.start({ args: ['--archive', 'false', '--mail.command', `/bin/sh  ${script} -t`], env: { WEIR_STORE_PASSWORD: 'a secret setting' } });
  t.after(() => one.killNow());
  const ask = (server, email) => server.fetch('/v1/password-reset', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email }) });
  assert.equal((await ask(one, one.keys.admin.email)).status, 202);
  await until('the complaint', () => /mail\.command ended with code 7/.test(one.log));
  const [, token] = /Token: ([\w-]{43})/.exec(seen('message'));
  assert.match(seen('message'), /^To: admin@localhost\nSubject: Reset your password\n/);
  assert.deepEqual(seen('words').trim().split('\n'), ['/bin/sh', script, '-t']);
  assert.deepEqual(seen('env').trim().split('\n').map((l) => l.split('=')[0]).sort(), ['HOME', 'PATH']);
  assert.ok(!/socket|state\.db|\.seg/.test(seen('fds')), seen('fds'));
  assert.ok(!one.log.includes(token));
  await one.stop();
  one.options.args.splice(-1, 1, path.join(dir, 'missing'));
  await one.run();
  assert.equal((await ask(one, one.keys.admin.email)).status, 202);
  await until('the complaint', () => /mail\.command: cannot start/.test(one.log));
  await one.stop();
});

test('a flood of logins is cut short, and leaves nothing behind', async () => {
  const { email } = await newcomer('patient');
  const flood = await Promise.all(Array.from({ length: 150 }, (_, i) => new Browser().login(`flood${i}@example.com`, 'x')));
  const statuses = [...new Set(flood.map((r) => r.status))].sort();
  assert.deepEqual(statuses, [401, 503]);
  assert.ok(flood.filter((r) => r.status === 503).every((r) => r.headers.get('retry-after')));
  for (let i = 0; i < 20; i++) assert.equal((await new Browser().login(email, password)).status, 200);
});

test('invitations: looked at, accepted by the right person, once', async () => {
  const email = 'invited@example.com';
  const invited = await boss.post(`/v1/orgs/${s.keys.org}/invitations`, { email, role: 'analyst' });
  const { token } = invited.json;
  secrets.add(token);
  const b = new Browser();
  const seen = await b.post('/v1/invitations/lookup', { token });
  assert.equal(seen.status, 200, seen.text);
  assert.equal(seen.json.email, email);
  assert.equal(seen.json.role, 'analyst');
  assert.equal(seen.json.organisation.id, s.keys.org);
  assert.equal((await b.post('/v1/invitations/lookup', { token: token.slice(1) })).status, 404);
  const accept = (browser, more, headers) => browser.post('/v1/invitations/accept', { token, ...more }, headers);
  assert.equal((await accept(b, {})).status, 400);
  assert.equal((await accept(b, { name: 'In', password: 'short' })).status, 400);
  for (const more of [{ role: 'owner' }, { email: 'eve@example.com' }, { org_id: s.keys.org }]) assert.equal((await accept(b, { name: 'In', password, ...more })).status, 400);
  const other = await newcomer('someone-else');
  assert.equal((await accept(other.browser, {})).status, 403, 'for another address');
  const done = await accept(b, { name: 'In', password });
  assert.equal(done.status, 200, done.text);
  assert.equal(done.json.user.email, email);
  assert.equal((await b.get('/v1/me')).json.memberships.data[0].role, 'analyst');
  assert.equal((await accept(new Browser(), { name: 'In', password })).status, 404, 'once');
  assert.equal((await b.get(`/v1/orgs/${s.keys.org}/members`)).status, 200);
});

test('who has an account accepts with the session, and a token opens no account', async () => {
  const { email, browser } = await newcomer('settled');
  const made = await boss.post('/v1/orgs', { name: 'Second' });
  assert.equal(made.status, 201, made.text);
  const { token } = (await boss.post(`/v1/orgs/${made.json.id}/invitations`, { email, role: 'admin' })).json;
  const stolen = await new Browser().post('/v1/invitations/accept', { token, name: 'Eve', password: 'a password of eve 88' });
  assert.equal(stolen.status, 409, stolen.text);
  assert.equal((await new Browser().login(email, 'a password of eve 88')).status, 401);
  assert.equal((await browser.post('/v1/invitations/accept', { token }, { 'x-csrf-token': 'x' })).status, 403);
  const done = await browser.post('/v1/invitations/accept', { token });
  assert.equal(done.status, 200, done.text);
  assert.equal(done.json.membership.role, 'admin');
  assert.equal((await browser.get(`/v1/orgs/${made.json.id}`)).status, 200);
});

test('all of it is in the audit log, and no secret is anywhere', async () => {
  const failed = await new Browser().login('audit-canary@example.com', 'canary of a password');
  assert.equal(failed.status, 401);
  secrets.add('canary of a password').add('audit-canary@example.com');
  const events = await until('the audit events', async () => {
    const cat = await weir(['stream', 'cat', '--stream', 'audit', '--data', s.data]);
    assert.equal(cat.code, 0, cat.err);
    const list = cat.out.trim().split('\n').map((l) => JSON.parse(l).value);
    return list.some((e) => e.request_id === failed.json.instance) && list;
  });
  const actions = new Set(events.map((e) => `${e.action} ${e.outcome}`));
  for (const a of ['session.create success', 'session.create failure', 'session.end success', 'user.end_sessions success', 'user.create success', 'user.update success', 'user.set_password success', 'user.begin_second_factor success', 'user.add_second_factor success', 'user.remove_second_factor success', 'user.renew_recovery_codes success', 'user.begin_reset success', 'user.redeem_reset success', 'invitation.accept success']) assert.ok(actions.has(a), `${a}: ${[...actions].join()}`);
  const mine = events.find((e) => e.request_id === failed.json.instance);
  assert.equal(mine.resource.id, '', 'there is no such account');
  const guessed = events.filter((e) => e.outcome === 'failure' && e.resource.id);
  assert.ok(guessed.length > 0, 'failures at an account are of that account');
  const created = events.find((e) => e.action === 'session.create' && e.outcome === 'success');
  assert.equal(created.resource.type, 'session');
  assert.equal(created.authtype, 'user');
  assert.equal(created.after.address, boss.address);
  await s.stop();
  const texts = new Map([['the log', Buffer.from(s.log)]]);
  for (const [file, content] of contentsBelow(s.data)) if (!file.endsWith('credentials.json')) texts.set(file, content);
  for (const secret of secrets) {
    for (const [name, bytes] of texts) assert.ok(!bytes.includes(secret), `${secret} is in ${name}`);
  }
  await s.run();
});
