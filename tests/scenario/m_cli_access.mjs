// m: organisations, projects, keys and people by the command line, beside a running server and without one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Server, WEIR, assert, contentsBelow, event, tempFolder, test, until, weir } from './harness.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const NOBODY = '01890000-0000-7000-8000-000000000000';
const PASSWORD = 'canary-of-a-long-password';
const VERBS = {
  org: ['ls', 'create', 'show', 'set'],
  project: ['ls', 'create', 'show', 'set', 'archive', 'jwt-secret'],
  key: ['ls', 'create', 'show', 'set', 'rotate', 'revoke', 'check'],
  user: ['ls', 'create', 'set-password', 'disable', 'enable', 'reset-link', 'totp-remove', 'logout'],
  member: ['ls', 'add', 'role', 'remove', 'transfer'],
  invite: ['ls', 'create', 'revoke'],
  issuer: ['ls', 'create', 'set', 'remove'],
};

/** weir with --data and --json, which must succeed; and as a person sees it; and what must fail. */
function cli(data) {
  const run = (words, more) => weir([...words, '--data', data], more);
  return {
    run,
    async json(...words) {
      const input = typeof words.at(-1) === 'object' ? words.pop().input : undefined;
      const r = await run([...words, '--json'], { input });
      assert.equal(r.code, 0, `${words.join(' ')}: ${r.err}`);
      assert.ok(r.json, `${words.join(' ')}: no JSON in ${r.out}`);
      return r.json;
    },
    async text(...words) {
      const r = await run(words);
      assert.equal(r.code, 0, `${words.join(' ')}: ${r.err}`);
      return r.out;
    },
    async fails(code, says, ...words) {
      const input = typeof words.at(-1) === 'object' ? words.pop().input : undefined;
      const r = await run(words, { input });
      assert.equal(r.code, code, `${words.join(' ')}: ${r.out} ${r.err}`);
      assert.equal(r.out, '', words.join(' '));
      assert.match(r.err, says, words.join(' '));
    },
  };
}

async function fresh(t) {
  const data = path.join(tempFolder(), 'data');
  const keys = await weir(['init', '--data', data, '--json']);
  assert.equal(keys.code, 0, keys.err);
  return { data, keys: keys.json, ...cli(data) };
}

/** What stands in the stream audit, with the server running or not. */
async function audit(data) {
  const cat = await weir(['stream', 'cat', '--stream', 'audit', '--data', data]);
  assert.equal(cat.code, 0, cat.err);
  return cat.out.split('\n').filter(Boolean).map((line) => JSON.parse(line).value);
}

test('help: every verb, every action; words and options that mean nothing are errors', async (t) => {
  const all = await weir(['help']);
  assert.equal(all.code, 0);
  for (const [verb, actions] of Object.entries(VERBS)) {
    assert.match(all.out, new RegExp(`^  ${verb}\\b`, 'm'));
    const own = await weir([verb, '--help']);
    assert.equal(own.code, 0, own.err);
    for (const action of actions) assert.match(own.out, new RegExp(`^  weir ${verb} ${action}\\b`, 'm'));
    assert.match(own.out, /--reason TEXT/);
  }
  const c = await fresh(t);
  await c.fails(2, /there is no 'weir org lsit'/, 'org', 'lsit');
  await c.fails(2, /'more' is one word too many/, 'org', 'ls', 'more');
  await c.fails(2, /needed is ID NAME=VALUE…/, 'project', 'set', c.keys.project);
  await c.fails(2, /--role means nothing for 'weir key ls'/, 'key', 'ls', '--project', c.keys.project, '--role', 'owner');
  await c.fails(2, /--reason means nothing for 'weir key ls'/, 'key', 'ls', '--project', c.keys.project, '--reason', 'x');
  await c.fails(2, /--password-stdin means nothing/, 'user', 'disable', 'a@b.example', '--password-stdin');
  await c.fails(2, /--project ID is needed/, 'key', 'create');
  await c.fails(2, /rol/, 'member', 'add', 'a@b.example', '--rol', 'owner');
});

test('only init makes a data folder', async (t) => {
  const data = path.join(tempFolder(), 'none');
  for (const verb of Object.keys(VERBS).filter((v) => v !== 'key'))
    await cli(data).fails(1, /run weir init/, verb, 'ls');
  assert.ok(!existsSync(data));
});

test('a key is told by its checksum, without any state', async (t) => {
  const c = await fresh(t);
  const away = cli('/nowhere');
  assert.deepEqual(await away.json('key', 'check', c.keys.write_key), { genuine: true, kind: 'write' });
  assert.deepEqual(await away.json('key', 'check', '-', { input: `${c.keys.secret_key}\n` }), { genuine: true, kind: 'secret' });
  const wrong = c.keys.write_key.slice(0, -1) + (c.keys.write_key.endsWith('0') ? '1' : '0');
  await away.fails(1, /checksum is wrong/, 'key', 'check', wrong);
  await away.fails(1, /too long/, 'key', 'check', '-', { input: 'x'.repeat(5000) });
});

test('organisations and projects', async (t) => {
  const c = await fresh(t);
  await t.test('settings by their column', async () => {
    const set = await c.json('project', 'set', c.keys.project, 'time_zone=Europe/Berlin', 'domains=a.example, b.example', 'retention_days=30', 'name=Shop = Käse');
    assert.deepEqual([set.time_zone, set.domains, set.retention_days, set.name], ['Europe/Berlin', ['a.example', 'b.example'], 30, 'Shop = Käse']);
    assert.deepEqual((await c.json('project', 'set', c.keys.project, 'domains=')).domains, []);
    assert.deepEqual(await c.json('project', 'show', c.keys.project), { ...set, domains: [] });
    assert.match(await c.text('project', 'show', c.keys.project), /^time_zone +Europe\/Berlin$/m);
  });
  await t.test('what cannot be set', async () => {
    const set = (...words) => ['project', 'set', c.keys.project, ...words];
    await c.fails(1, /'tz' cannot be set on a project; what can: name, time_zone, /, ...set('tz=UTC'));
    await c.fails(1, /retention_days is a whole number, not 'x'/, ...set('retention_days=x'));
    await c.fails(1, /from 0 to 36500/, ...set('retention_days=40000'));
    await c.fails(1, /time_zone.*Mars\/Base/, ...set('time_zone=Mars/Base'));
    await c.fails(1, /write it as NAME=VALUE/, ...set('time_zone'));
    await c.fails(1, /twice/, ...set('name=a', 'name=b'));
    await c.fails(1, /'id' cannot be set/, ...set(`id=${NOBODY}`));
    await c.fails(1, /no id of a project/, 'project', 'set', 'shop', 'name=x');
    await c.fails(1, /no such project/, 'project', 'set', NOBODY, 'name=x');
    assert.equal((await c.json('project', 'show', c.keys.project)).name, 'Shop = Käse', 'nothing of a refused change stays');
  });
  await t.test('one organisation is meant when there is one; of several one is named', async () => {
    const made = await c.json('project', 'create', 'second');
    assert.match(made.id, UUID);
    const org = await c.json('org', 'create', 'Other');
    assert.match(org.id, UUID);
    assert.equal((await c.json('org', 'set', org.id, 'name=Another')).name, 'Another');
    assert.equal((await c.json('org', 'show', org.id)).name, 'Another');
    assert.deepEqual((await c.json('org', 'ls')).map((o) => o.name).sort(), ['Another', 'default']);
    await c.fails(1, /several organisations: say which with --org ID/, 'project', 'create', 'third');
    await c.fails(1, /no such organisation/, 'project', 'create', 'third', '--org', NOBODY);
    await c.json('project', 'create', 'third', '--org', org.id);
    assert.deepEqual((await c.json('project', 'ls', '--org', org.id)).map((p) => p.name), ['third']);
    assert.deepEqual((await c.json('project', 'ls', '--org', c.keys.org)).map((p) => p.name), ['Shop = Käse', 'second']);
  });
  await t.test('a table under a head line, in columns', async () => {
    const lines = (await c.text('project', 'ls', '--org', c.keys.org)).trimEnd().split('\n');
    assert.equal(lines.length, 3);
    assert.match(lines[0], /^id +name +time_zone +domains +retention_days/);
    const at = lines[0].indexOf('time_zone');
    assert.equal([...lines[1]].slice(at).join('').split(' ')[0], 'Europe/Berlin');
    assert.equal(lines[2].slice(at).split(' ')[0], 'UTC');
    assert.equal(lines.filter((l) => l !== l.trimEnd()).length, 0, 'no blanks at the end');
  });
  await t.test('an archived project is still shown, and archived once', async () => {
    const { id } = await c.json('project', 'create', 'old', '--org', c.keys.org);
    assert.deepEqual(await c.json('project', 'archive', id), { id });
    assert.ok((await c.json('project', 'show', id)).archived_at);
    await c.fails(1, /no such project/, 'project', 'archive', id);
  });
});

test('more than a page of a list', async (t) => {
  const c = await fresh(t);
  for (let i = 0; i < 13; i++)
    await Promise.all(Array.from({ length: 8 }, (_, k) => c.json('org', 'create', `org ${8 * i + k}`)));
  const all = await c.json('org', 'ls');
  assert.equal(new Set(all.map((o) => o.id)).size, 105);
  assert.equal((await c.text('org', 'ls')).trimEnd().split('\n').length, 106);
});

test('keys', async (t) => {
  const c = await fresh(t);
  const project = ['--project', c.keys.project];
  const key = await c.json('key', 'create', ...project, '--kind', 'secret', '--scopes', 'stats:read,audit:read', '--expires', '30d', '--name', 'nightly');
  assert.match(key.key, /^sk_/);
  assert.deepEqual([key.kind, key.scopes, key.name, key.text], ['secret', ['stats:read', 'audit:read'], 'nightly', null]);
  assert.ok(Math.abs(Date.parse(key.expires_at) - Date.now() - 30 * 864e5) < 36e5);
  const write = await c.json('key', 'create', ...project, '--origins', 'https://a.example,https://b.example', '--expires', '2999-01-01T00:00:00Z');
  assert.deepEqual([write.kind, write.scopes, write.allowed_origins, write.expires_at], ['write', ['events:write'], ['https://a.example', 'https://b.example'], '2999-01-01T00:00:00.000Z']);
  assert.deepEqual((await c.json('key', 'set', write.id, 'allowed_origins=', 'name=all')).allowed_origins, []);
  assert.equal((await c.json('key', 'show', write.id)).name, 'all');
  const list = await c.json('key', 'ls', ...project);
  assert.equal(list.length, 4);
  assert.ok(!JSON.stringify(list).includes(key.key), 'a secret key is shown once');
  assert.ok(!(await c.text('key', 'ls', ...project)).includes(key.key));

  const rotated = await c.json('key', 'rotate', key.id, '--overlap', '1h');
  assert.match(rotated.key, /^sk_/);
  assert.deepEqual([rotated.replaces, rotated.scopes, rotated.name], [key.id, key.scopes, 'nightly']);
  assert.ok(Math.abs(Date.parse((await c.json('key', 'show', key.id)).expires_at) - Date.now() - 36e5) < 6e5);
  assert.deepEqual(await c.json('key', 'revoke', rotated.id), { id: rotated.id });
  assert.deepEqual(await c.json('key', 'revoke', '-', { input: `${key.key}\n` }), { id: key.id });
  assert.ok((await c.json('key', 'show', key.id)).revoked_at);
  await c.fails(1, /no live key/, 'key', 'revoke', key.id);

  await c.fails(1, /no scope 'all'/, 'key', 'create', ...project, '--scopes', 'all');
  await c.fails(1, /a write key cannot hold stats:read/, 'key', 'create', ...project, '--scopes', 'stats:read');
  await c.fails(1, /write or secret/, 'key', 'create', ...project, '--kind', 'sharp');
  await c.fails(1, /--expires is a time/, 'key', 'create', ...project, '--expires', 'soon');
  await c.fails(1, /expired already/, 'key', 'create', ...project, '--expires', '2020-01-01T00:00:00Z');
  await c.fails(1, /no origin/, 'key', 'create', ...project, '--origins', 'a.example/path');
  await c.fails(1, /no duration/, 'key', 'rotate', write.id, '--overlap', '24');
  await c.fails(1, /30 more days/, 'key', 'rotate', write.id, '--overlap', '31d');
  await c.fails(1, /no such project/, 'key', 'create', '--project', NOBODY);
  await c.fails(1, /no such key/, 'key', 'rotate', NOBODY);
  assert.equal((await c.json('key', 'ls', ...project)).length, 5, 'nothing was made by what failed');
});

test('people, members, invitations, issuers', async (t) => {
  const c = await fresh(t);
  const create = (email, name, ...more) => c.json('user', 'create', email, '--name', name, ...more);
  const ada = await create('Ada@Example.com', 'Ada', '--password-stdin', { input: `${PASSWORD}\n` });
  assert.equal(ada.email, 'ada@example.com');
  assert.match(ada.id, UUID);
  const bob = await create('bob@example.com', 'Bob');
  const org = ['--org', (await c.json('org', 'create', 'Theirs')).id]; // init's has an owner of its own
  await c.fails(1, /./, 'user', 'create', 'ada@example.com', '--name', 'Again');
  await c.fails(2, /--name TEXT is needed/, 'user', 'create', 'eve@example.com');
  assert.deepEqual((await c.json('user', 'ls')).map((u) => u.email).filter((e) => e.endsWith('example.com')).sort(), ['ada@example.com', 'bob@example.com']);

  await t.test('passwords come from stdin, good ones only, and are shown nowhere', async () => {
    await c.fails(1, /write it to stdin/, 'user', 'set-password', 'bob@example.com');
    for (const bad of ['short', 'password123', 'bob bob bob bob', '']) {
      const r = await c.run(['user', 'set-password', 'bob@example.com', '--password-stdin'], { input: `${bad}\n` });
      assert.equal(r.code, 1, r.out);
      assert.ok(!bad || !r.err.includes(bad), r.err);
    }
    await c.fails(1, /no password on stdin/, 'user', 'create', 'eve@example.com', '--name', 'Eve', '--password-stdin', { input: '' });
    await c.fails(1, /too long/, 'user', 'set-password', 'bob@example.com', '--password-stdin', { input: 'x'.repeat(1e5) });
    assert.deepEqual(await c.json('user', 'set-password', 'bob@example.com', '--password-stdin', { input: `${PASSWORD} of another` }), { id: bob.id });
  });
  await t.test('accounts', async () => {
    for (const action of ['disable', 'enable', 'totp-remove']) assert.deepEqual(await c.json('user', action, 'bob@example.com'), { id: bob.id });
    assert.deepEqual(await c.json('user', 'logout', 'BOB@example.com'), { id: bob.id, sessions_ended: 0 });
    const link = await c.json('user', 'reset-link', 'bob@example.com');
    assert.match(link.token, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(link.expires_in_seconds, 3600);
    await c.json('user', 'disable', 'bob@example.com');
    assert.ok((await c.json('user', 'ls')).find((u) => u.id === bob.id).disabled_at);
    await c.fails(1, /disabled: enable it/, 'user', 'reset-link', 'bob@example.com');
    await c.json('user', 'enable', 'bob@example.com');
    for (const action of ['disable', 'enable', 'reset-link', 'totp-remove', 'logout'])
      await c.fails(1, /nobody has that address/, 'user', action, 'eve@example.com');
  });
  await t.test('members; the last owner stays', async () => {
    assert.equal((await c.json('member', 'add', 'ada@example.com', '--role', 'owner', ...org)).role, 'owner');
    assert.equal((await c.json('member', 'add', 'bob@example.com', '--role', 'viewer', ...org)).role, 'viewer');
    assert.equal((await c.json('member', 'role', 'bob@example.com', 'analyst', ...org)).role, 'analyst');
    await c.fails(1, /already/, 'member', 'add', 'bob@example.com', '--role', 'viewer', ...org);
    await c.fails(1, /no role; there are owner/, 'member', 'role', 'bob@example.com', 'king', ...org);
    await c.fails(1, /last owner/, 'member', 'remove', 'ada@example.com', ...org);
    await c.fails(1, /last owner/, 'member', 'role', 'ada@example.com', 'admin', ...org);
    assert.equal((await c.json('member', 'transfer', 'bob@example.com', ...org)).role, 'owner');
    const roles = Object.fromEntries((await c.json('member', 'ls', ...org)).map((m) => [m.email, m.role]));
    assert.deepEqual(roles, { 'ada@example.com': 'admin', 'bob@example.com': 'owner' });
    await c.json('member', 'role', 'ada@example.com', 'owner', ...org);
    await c.fails(1, /several owners.*--from EMAIL/, 'member', 'transfer', 'ada@example.com', ...org);
    await c.json('member', 'transfer', 'ada@example.com', '--from', 'bob@example.com', ...org);
    assert.deepEqual(await c.json('member', 'remove', 'bob@example.com', ...org), { id: bob.id });
    assert.equal((await c.json('member', 'ls', ...org)).length, 1);
  });
  await t.test('invitations', async () => {
    const made = await c.json('invite', 'create', 'New@example.com', '--role', 'auditor', ...org);
    assert.match(made.token, /^[A-Za-z0-9_-]{43}$/);
    assert.deepEqual([made.email, made.role], ['new@example.com', 'auditor']);
    await c.fails(1, /member already/, 'invite', 'create', 'ada@example.com', '--role', 'viewer', ...org);
    assert.deepEqual(await c.json('invite', 'revoke', made.id), { id: made.id });
    await c.fails(1, /no such open invitation/, 'invite', 'revoke', made.id);
    await c.fails(1, /no such invitation/, 'invite', 'revoke', NOBODY);
    const [listed] = await c.json('invite', 'ls', ...org);
    assert.ok(listed.revoked_at && !('token' in listed));
  });
  await t.test('issuers', async () => {
    const options = ['--issuer', 'https://id.example.com', '--audience', 'weir', '--jwks-url', 'https://id.example.com/jwks', '--algorithms', 'RS256,EdDSA'];
    const made = await c.json('issuer', 'create', ...options, '--role-claim', 'role', ...org);
    assert.deepEqual([made.algorithms, made.role_claim], [['RS256', 'EdDSA'], 'role']);
    await c.fails(1, /known already/, 'issuer', 'create', ...options, ...org);
    await c.fails(1, /algorithms.*none/, 'issuer', 'create', ...options.with(-1, 'none').with(1, 'https://x.example'), ...org);
    await c.fails(1, /https:/, 'issuer', 'set', made.id, 'jwks_url=http://id.example.com/jwks');
    assert.deepEqual((await c.json('issuer', 'set', made.id, 'algorithms=ES256')).algorithms, ['ES256']);
    assert.equal((await c.json('issuer', 'ls', ...org)).length, 1);
    assert.deepEqual(await c.json('issuer', 'remove', made.id), { id: made.id });
    await c.fails(1, /no such token_issuer/, 'issuer', 'remove', made.id);
  });
  await t.test('no password and no token in the clear', () => {
    for (const [file, content] of contentsBelow(c.data)) assert.ok(!content.includes(PASSWORD), file);
  });
});

test('a password is asked for without echo', { skip: !existsSync('/usr/bin/script') && 'script(1) makes the terminal' }, async (t) => {
  const c = await fresh(t);
  const talk = (command, answers) => new Promise((done, fail) => {
    const child = spawn('/usr/bin/script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const left = [...answers];
    let shown = '';
    child.stdout.on('data', (d) => {
      shown += d;
      if (left.length && shown.includes(left[0][0], shown.length - d.length - left[0][0].length)) child.stdin.write(left.shift()[1]);
    });
    child.on('error', fail);
    child.on('close', (code) => done({ code, shown }));
  });
  const set = `'${WEIR}' user set-password ada@example.com --data '${c.data}'`;
  await c.json('user', 'create', 'ada@example.com', '--name', 'Ada');
  const good = await talk(set, [['password: ', `${PASSWORD}\r`], ['again: ', `${PASSWORD}\r`]]);
  assert.equal(good.code, 0, good.shown);
  assert.match(good.shown, /set to the new password/);
  assert.ok(!good.shown.includes(PASSWORD), good.shown);
  const differs = await talk(set, [['password: ', `${PASSWORD}\r`], ['again: ', `${PASSWORD}?\r`]]);
  assert.equal(differs.code, 1);
  assert.match(differs.shown, /the two differ: nothing was changed/);
  const ended = await talk(set, [['password: ', '\x03']]);
  assert.notEqual(ended.code, 0);
  assert.ok(!/again/.test(ended.shown), ended.shown);
});

test('every change is an audit event, of the command line, with its reason', async (t) => {
  const c = await fresh(t);
  const reason = ['--reason', 'asked for in ticket "7"'];
  await c.json('project', 'set', c.keys.project, 'name=Shop', ...reason);
  const ada = await c.json('user', 'create', 'ada@example.com', '--name', 'Ada', '--password-stdin', ...reason, { input: `${PASSWORD}\n` });
  await c.json('user', 'set-password', 'ada@example.com', '--password-stdin', { input: `${PASSWORD}\n` });
  await c.json('member', 'add', 'ada@example.com', '--role', 'owner', ...reason);
  const key = await c.json('key', 'create', '--project', c.keys.project, '--kind', 'secret', ...reason);
  const link = await c.json('user', 'reset-link', 'ada@example.com', ...reason);
  await c.fails(1, /nobody/, 'user', 'disable', 'eve@example.com', ...reason);
  const s = await Server.start({ data: c.data });
  t.after(() => s.killNow());
  const events = await until('the events of before the start', async () => {
    const seen = await audit(c.data);
    return seen.some((e) => e.action === 'user.begin_reset') && seen;
  });
  const of = (action) => events.filter((e) => e.action === action);
  for (const action of ['project.update', 'user.create', 'user.set_password', 'member.create', 'key.create', 'user.begin_reset']) {
    const e = of(action).at(-1);
    assert.ok(e, action);
    assert.deepEqual([e.authtype, e.authid, e.executortype, e.executorid, e.outcome], ['system', 'cli', 'system', 'cli', 'success'], action);
    assert.equal(e.reason, action === 'user.set_password' ? undefined : 'asked for in ticket "7"', action);
  }
  const [update] = of('project.update');
  assert.deepEqual([update.before.name, update.after.name, update.org], ['default', 'Shop', c.keys.org]);
  const made = of('user.create').at(-1);
  assert.deepEqual([made.resource.id, made.after.email, 'before' in made], [ada.id, 'ada@example.com', false]);
  assert.equal(of('user.disable').length, 0, 'what failed is no event');
  const text = JSON.stringify(events);
  for (const secret of [PASSWORD, key.key, link.token, 'argon2id']) assert.ok(!text.includes(secret), secret);
  await s.stop();
});

test('beside a running server', async (t) => {
  const s = await Server.start();
  t.after(() => s.killNow());
  const c = cli(s.data);
  const status = async (key) => (await s.send(event(), { key })).status;
  const key = await c.json('key', 'create', '--project', s.keys.project);
  await until('the new key', async () => (await status(key.key)) === 200, 3000);
  const next = await c.json('key', 'rotate', key.id, '--overlap', '1h');
  await until('the newer key', async () => (await status(next.key)) === 200, 3000);
  assert.equal(await status(key.key), 200, 'the old one works on');
  await c.json('key', 'revoke', key.id);
  await until('the old key gone', async () => (await status(key.key)) === 401, 3000);
  assert.equal(await status(next.key), 200);
  await c.json('project', 'archive', s.keys.project);
  await until('the archived project\'s keys gone', async () => (await status(next.key)) === 401, 3000);
  for (const [verb, actions] of Object.entries(VERBS))
    if (actions.includes('ls') && verb !== 'key') assert.ok(Array.isArray(await c.json(verb, 'ls')));
  await until('the audit stream', async () => (await audit(s.data)).some((e) => e.action === 'project.archive'));
  await s.stop();
});

test('a stream that is not there is named', async (t) => {
  const c = await fresh(t);
  await c.fails(1, /audti/, 'stream', 'cat', '--stream', 'audti');
});
