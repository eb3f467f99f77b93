// l: what is written down of access: every change once, with who, what, why; a change and its event together or neither,
// through kill -9; and no secret anywhere: data folder, log, processes, core dump.
import { closeSync, openSync, readSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { randomBytes, randomUUID } from 'node:crypto';
import { Client, Issuer, auditEvents, jwt, makePeople } from './access.mjs';
import { SLOW, Server, assert, event, hasStore, seeded, sleep, tempFolder, test, until, weir } from './harness.mjs';

const seed = Number(process.env.WEIR_TEST_SEED || Date.now() % 1000000);
const rounds = Number(process.env.WEIR_TEST_ROUNDS || 4);
console.log(`# seed ${seed}`);
const random = seeded(seed);
const start = async (t, options = {}) => {
  const s = await Server.start({ ...options, args: ['--archive', 'false', ...(options.args ?? [])] });
  t.after(() => s.killNow());
  const client = new Client(s);
  t.after(() => client.close());
  return [s, client];
};
const byId = (events) => [...new Map(events.map((e) => [e.id, e])).values()];

test('every change over REST and by command stands in the stream, once, with who, what, from where and why', async (t) => {
  const [s, client] = await start(t);
  const org = s.keys.org, ORG = `/v1/orgs/${org}`, issuer = await Issuer.start(t);
  const [owner, second, third, leaver] = await makePeople(s, [`owner@a.example,${org}=owner`, `second@a.example,${org}=viewer`, `third@a.example,${org}=viewer`, `leaver@a.example,${org}=viewer`]);
  const wanted = [], secrets = [], tried = new Set();
  /** One change; `seen`: what its event has to say beside what all say. */
  const change = async (operation, method, target, { as = owner, body, ...seen }) => {
    tried.add(operation);
    const mark = { 'x-reason': `because "${operation}"`, 'x-request-id': randomUUID(), traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-01`, 'user-agent': 'scenario/1' };
    const r = await client.call(method, target, { as, body, headers: mark });
    assert.ok(r.status >= 200 && r.status < 300, `${operation}: ${r.status} ${r.text}`);
    for (const name of ['key', 'token']) if (r.json?.[name]) secrets.push(r.json[name]);
    wanted.push({ mark, who: as, id: seen.id ?? r.json?.id, org: seen.org ?? org, ...seen });
    return r.json;
  };
  const other = await change('createOrg', 'POST', '/v1/orgs', { body: { name: 'new' }, action: 'organisation.create', org: null, after: { name: 'new' } });
  wanted.at(-1).org = other.id;
  await change('updateOrg', 'PATCH', ORG, { body: { name: 'renamed' }, action: 'organisation.update', before: { name: 'default' }, after: { name: 'renamed' } });
  const project = await change('createProject', 'POST', `${ORG}/projects`, { body: { name: 'p' }, action: 'project.create', after: { name: 'p', time_zone: 'UTC' } });
  const PROJECT = `${ORG}/projects/${project.id}`;
  await change('updateProject', 'PATCH', PROJECT, { body: { time_zone: 'Europe/Berlin', domains: ['a.example'] }, action: 'project.update', before: { time_zone: 'UTC', domains: [] }, after: { time_zone: 'Europe/Berlin', domains: ['a.example'] } });
  const admin = await change('createKey', 'POST', `${PROJECT}/keys`, { body: { kind: 'secret', name: 'deploy', scopes: ['keys:read', 'keys:write', 'stats:read'] }, action: 'key.create', after: { name: 'deploy', created_by: owner.id } });
  const byKey = { key: admin.key, id: admin.id, type: 'api_key' };
  const small = await change('createKey', 'POST', `${PROJECT}/keys`, { as: byKey, body: { kind: 'secret', name: 'small' }, action: 'key.create', after: { name: 'small', scopes: ['stats:read'], created_by: admin.id } });
  await change('updateKey', 'PATCH', `${PROJECT}/keys/${small.id}`, { as: byKey, body: { name: 'smaller' }, action: 'key.update', before: { name: 'small' }, after: { name: 'smaller' } });
  const rotated = await change('rotateKey', 'POST', `${PROJECT}/keys/${small.id}/rotate`, { as: byKey, body: {}, action: 'key.rotate', after: { name: 'smaller', replaces: small.id } });
  await change('revokeKey', 'DELETE', `${PROJECT}/keys/${rotated.id}`, { id: rotated.id, action: 'key.revoke', before: { revoked_at: null }, after: { name: 'smaller' } });
  const invitation = await change('invite', 'POST', `${ORG}/invitations`, { body: { email: 'new@a.example', role: 'analyst' }, action: 'invitation.create', after: { role: 'analyst', revoked_at: null } });
  await change('revokeInvitation', 'DELETE', `${ORG}/invitations/${invitation.id}`, { id: invitation.id, action: 'invitation.revoke', before: { revoked_at: null }, after: { role: 'analyst' } });
  const settings = issuer.settings({ role_claim: 'role' });
  const signer = await change('createTokenIssuer', 'POST', `${ORG}/token-issuers`, { body: settings, action: 'token_issuer.create', after: settings });
  const byToken = { token: issuer.token({ role: 'admin', sub: 'ada' }), type: 'app_user', id: `${signer.id.slice(24)}/ada` };
  await change('updateMember', 'PATCH', `${ORG}/members/${second.id}`, { as: byToken, body: { role: 'analyst' }, id: second.id, action: 'member.update', before: { role: 'viewer' }, after: { role: 'analyst' } });
  await change('updateTokenIssuer', 'PATCH', `${ORG}/token-issuers/${signer.id}`, { body: { user_claim: 'email' }, action: 'token_issuer.update', before: { user_claim: 'sub' }, after: { user_claim: 'email' } });
  await change('removeTokenIssuer', 'DELETE', `${ORG}/token-issuers/${signer.id}`, { id: signer.id, action: 'token_issuer.remove', before: { user_claim: 'email' } });
  await change('removeMember', 'DELETE', `${ORG}/members/${third.id}`, { id: third.id, action: 'member.remove', before: { role: 'viewer' } });
  await change('leaveOrg', 'POST', `${ORG}/leave`, { as: leaver, id: leaver.id, action: 'member.remove', before: { role: 'viewer' } });
  await change('transferOwnership', 'POST', `${ORG}/owner`, { body: { user_id: second.id }, id: second.id, action: 'member.transfer_ownership', before: { role: 'analyst' }, after: { role: 'owner' } });
  await change('archiveProject', 'DELETE', PROJECT, { as: second, id: project.id, action: 'project.archive', before: { archived_at: null }, after: { name: 'p' } });
  const openapi = await client.must(200, 'GET', '/openapi.json');
  const changing = Object.entries(openapi.paths).filter(([p]) => p === '/v1/orgs' || p.startsWith('/v1/orgs/')).flatMap(([, item]) => Object.entries(item).filter(([m]) => m !== 'get').map(([, o]) => o.operationId));
  assert.deepEqual(changing.filter((id) => !tried.has(id)), [], 'every operation that changes something was tried');

  const removed = await weir(['member', 'remove', s.keys.admin.email, '--org', org, '--data', s.data]); // the first admin is an owner, too
  assert.equal(removed.code, 0, removed.err);

  // refused, looked at, or changing nothing: no event
  for (const [as, method, target, body, status] of [[second, 'GET', ORG, undefined, 200], [leaver, 'PATCH', ORG, { name: 'x' }, 404], [byKey, 'POST', `${ORG}/projects`, { name: 'x' }, 401], [second, 'PATCH', ORG, { nmae: 'x' }, 400], [second, 'PATCH', ORG, {}, 200], [owner, 'DELETE', `/v1/orgs/${other.id}/members/${owner.id}`, undefined, 409], [second, 'PATCH', `${ORG}/token-issuers/${signer.id}`, {}, 404], [second, 'DELETE', `${ORG}/invitations/${invitation.id}`, undefined, 404]]) {
    const r = await client.call(method, target, { as, body, headers: { 'x-request-id': 'must-not-be-there' } });
    assert.equal(r.status, status, `${method} ${target}: ${r.text}`);
  }
  // by command, beside the running server and without it
  const command = async (...args) => { const r = await weir([...args, '--data', s.data, '--json']); assert.equal(r.code, 0, r.err); return r.json; };
  const { id: made } = await command('project', 'create', 'by command', '--org', org);
  const { key } = await command('key', 'create', '--project', made, '--kind', 'secret');
  secrets.push(key);
  await command('key', 'revoke', key);
  const commands = [['project.create', made], ['key.create'], ['key.revoke']];
  const strange = { 'x-reason': 'caf\xe9 "quoted" \\ \tbecause', 'user-agent': 'a"\xff' };
  await until('the view has it', async () => (await client.call('PATCH', `${ORG}/projects/${made}`, { as: second, body: { name: 'n' }, headers: strange })).status === 200, 1000);

  const events = await until('all events', async () => { const all = await auditEvents(s); return all.some((e) => e.resource.id === made && e.action === 'project.update') && all; });
  assert.equal(new Set(events.map((e) => e.id)).size, events.length, 'no id twice');
  assert.ok(!events.some((e) => e.request_id === 'must-not-be-there'), 'what changed nothing left nothing');
  for (const w of wanted) {
    const mine = events.filter((e) => e.request_id === w.mark['x-request-id']);
    assert.equal(mine.length, 1, `${w.action}: ${mine.length} events`);
    const [e] = mine, what = `${w.action}: ${JSON.stringify(e)}`;
    assert.deepEqual([e.action, e.outcome, e.service, e.org, e.key, e.resource.id, e.reason, e.address, e.user_agent], [w.action, 'success', 'access', w.org, w.org, w.id, w.mark['x-reason'], '127.0.0.1', 'scenario/1'], what);
    assert.deepEqual([e.authtype, e.authid, e.executortype, e.executorid], [w.who.type ?? 'user', w.who.id, w.who.type ?? 'user', w.who.id], what);
    assert.match(e.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    assert.equal(e.tracelink, w.mark.traceparent, what);
    assert.ok(Math.abs(Date.parse(e.occurred_at) - Date.now()) < 600000);
    for (const side of ['before', 'after']) {
      if (!w[side]) assert.equal(e[side], undefined, `${side} of ${what}`);
      else for (const [name, value] of Object.entries(w[side])) assert.deepEqual(e[side][name], value, `${side}.${name} of ${what}`);
    }
    if (w.action === 'key.revoke') assert.ok(e.after.revoked_at);
    if (w.action === 'project.archive') assert.ok(e.after.archived_at);
  }
  for (const [action, id] of commands) {
    const mine = events.filter((e) => e.action === action && e.authtype === 'system' && e.authid === 'cli' && (id ? e.resource.id === id : e.after.name === 'made by weir key'));
    assert.equal(mine.length, 1, action);
    assert.equal(mine[0].org, org);
  }
  const told = wanted.map((w) => events.findIndex((e) => e.request_id === w.mark['x-request-id'])).filter((_, i) => wanted[i].org === org);
  assert.deepEqual(told, [...told].sort((a, b) => a - b), 'in the order of the changes');
  const text = JSON.stringify(events);
  for (const secret of [...secrets, owner.session, owner.csrf, byToken.token, s.keys.secret_key]) assert.ok(!text.includes(secret), 'no secret in it');
  await s.stop();
  await command('project', 'create', 'while it was down', '--org', org);
  assert.ok(!(await auditEvents(s)).some((e) => e.after?.name === 'while it was down'));
  s.exit = undefined;
  await s.run();
  await until('what a command changed meanwhile', async () => (await auditEvents(s)).some((e) => e.after?.name === 'while it was down'));
  await s.stop();
});

test(`a change and its event: both or neither, ${rounds} times kill -9, seed ${seed}`, async (t) => {
  const [s, first] = await start(t);
  const ORG = `/v1/orgs/${s.keys.org}`;
  const [owner] = await makePeople(s, [`owner@a.example,${s.keys.org}=owner`]);
  const targets = [];
  for (let i = 0; i < 6; i++) targets.push(`${ORG}/projects/${(await first.must(201, 'POST', `${ORG}/projects`, { as: owner, body: { name: `start ${i}` } })).id}`);
  const answered = new Set();
  for (let round = 0; round < rounds; round++) {
    const c = new Client(s, { sockets: 12 });
    const before = answered.size;
    let on = true;
    const workers = Array.from({ length: 12 }, async (_, w) => { // two to a project: their order is the server's
      for (let n = 0; on; n++) {
        const name = `${round}.${w}.${n}`;
        const r = await c.call('PATCH', targets[w % targets.length], { as: owner, body: { name } }).catch(() => null);
        if (r?.status === 200) answered.add(`${targets[w % targets.length]} ${name}`);
        else if (!r) return; // killed: whether it was made is not known
        else assert.fail(`${r.status} ${r.text}`);
      }
    });
    await until('some changes', () => answered.size > before + 40);
    await sleep(random() * 600);
    await s.kill9();
    on = false;
    await Promise.all(workers);
    c.close();
    s.exit = undefined;
    await s.run();
  }
  const c = new Client(s);
  t.after(() => c.close());
  await c.must(200, 'PATCH', ORG, { as: owner, body: { name: 'the end' } });
  const all = await until('the last event', async () => { const e = await auditEvents(s); return e.some((x) => x.after?.name === 'the end') && e; });
  const events = byId(all).filter((e) => e.action === 'project.update');
  console.log(`# ${answered.size} answered, ${events.length} events, ${all.length - byId(all).length} repeated`);
  const has = new Set(events.map((e) => `${ORG}/projects/${e.resource.id} ${e.after.name}`));
  for (const a of answered) assert.ok(has.has(a), `${a} was answered and has no event`);
  for (const target of targets) { // each event takes over from the one before: none is missing, none is of a change that was not
    const chain = events.filter((e) => target.endsWith(e.resource.id));
    for (let i = 1; i < chain.length; i++) assert.equal(chain[i].before.name, chain[i - 1].after.name, `event ${i} of ${target}: ${JSON.stringify(chain.slice(i - 3, i + 2).map((e) => [e.id, e.before.name, e.after.name]))}`);
    assert.match(chain[0].before.name, /^start/);
    assert.equal((await c.must(200, 'GET', target, { as: owner })).name, chain.at(-1).after.name, 'the last event is what is there');
  }
  await s.stop();
});

// ---- canaries ----
/** All names at one time: the store renames folders, and a listing that meets one is begun again. */
function namesIn(folder) {
  for (;;) {
    try {
      return readdirSync(folder, { recursive: true });
    } catch (e) {
      if (e.code !== 'ENOENT' || !statSync(folder, { throwIfNoEntry: false })) throw e;
    }
  }
}
function* filesOf(folder) {
  for (const name of namesIn(folder)) {
    const file = path.join(folder, String(name));
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) yield file;
  }
}
/** Uses every kind of secret; gives {name: text}. */
async function useSecrets(t, s, client) {
  const password = `canary-${randomBytes(12).toString('hex')}`, issuer = await Issuer.start(t);
  const [owner, member] = await makePeople(s, [`owner@a.example,${s.keys.org}=owner`, `member@a.example,${s.keys.org}=viewer`], { password });
  const ORG = `/v1/orgs/${s.keys.org}`, KEYS = `${ORG}/projects/${s.keys.project}/keys`;
  const make = (body) => client.must(201, 'POST', KEYS, { as: owner, body });
  const [reading, sending, revoked] = [await make({ kind: 'secret', name: 'a', scopes: ['stats:read', 'keys:read'] }), await make({ kind: 'secret', name: 'b', scopes: ['events:write'] }), await make({ kind: 'secret', name: 'c' })];
  const rotated = await client.must(201, 'POST', `${KEYS}/${reading.id}/rotate`, { as: owner, body: {} });
  await client.must(204, 'DELETE', `${KEYS}/${revoked.id}`, { as: owner });
  const invitation = await client.must(201, 'POST', `${ORG}/invitations`, { as: owner, body: { email: 'x@a.example', role: 'viewer' } });
  await client.must(201, 'POST', `${ORG}/token-issuers`, { as: owner, body: issuer.settings({ role_claim: 'role' }) });
  const secret = (await weir(['project', 'jwt-secret', s.keys.project, '--data', s.data])).out.trim();
  const token = issuer.token({ role: 'viewer' }), refused = issuer.token({ role: 'viewer', exp: 1 });
  const own = jwt('HS256', secret, { exp: Math.floor(Date.now() / 1000) + 60, projectId: s.keys.project });
  const unknown = `sk_${randomBytes(30).toString('hex').slice(0, 49)}`;
  const calls = [['GET', KEYS, { as: { key: reading.key } }], ['GET', KEYS, { as: { token: rotated.key } }], ['GET', KEYS, { as: { key: revoked.key } }], ['GET', KEYS, { as: { key: unknown } }], ['GET', ORG, { as: { token } }], ['GET', ORG, { as: { token: refused } }], ['GET', ORG, { as: member }], ['PATCH', ORG, { as: member, body: { name: 'x' } }],
    ['POST', '/v1/events', { as: { token: sending.key }, body: event() }], ['POST', `/v1/events?key=${sending.key}`, { body: event() }], ['POST', '/v1/events', { body: event(), headers: { authorization: `Basic ${Buffer.from(`${sending.key}:`).toString('base64')}` } }], ['POST', '/v1/events', { as: { token: sending.key }, body: '{"event":' }], ['POST', '/view', { as: { token: own }, body: { en: 'pageview', o: 'https://a.example/', ts: Date.now(), r: '', sw: 1, sh: 1 } }], ['GET', `/projects/${s.keys.project}/pages`, { as: { key: s.keys.secret_key } }], ['PATCH', ORG, { as: owner, body: { name: 7 } }]];
  for (const [method, target, options] of calls) {
    const { status } = await client.call(method, target, options);
    assert.ok(status < 500 || status === 503, `${method} ${target}: ${status}`); // the store may be on its way up
  }
  const mark = (j) => j.split('.')[2];
  return { 'a secret key': reading.key, 'a key that ingests': sending.key, 'that key, as Basic': Buffer.from(`${sending.key}:`).toString('base64'), 'a rotated key': rotated.key, 'a revoked key': revoked.key, 'an unknown key': unknown, 'a session': owner.session, 'another session': member.session, 'a CSRF token': owner.csrf, 'an invitation': invitation.token, 'a password': password, 'a token': mark(token), 'a refused token': mark(refused), 'an own token': mark(own), 'the HS256 secret': secret, 'the first secret key': s.keys.secret_key };
}
const findIn = (bytes, secrets, but = []) => Object.entries(secrets).filter(([name, text]) => !but.includes(name) && bytes.includes(text)).map(([name]) => name);

test('no secret in the data folder, the log, the arguments and variables of a process', async (t) => {
  const [s, client] = await start(t, { args: ['--log.level', 'debug'] });
  const secrets = await useSecrets(t, s, client);
  await until('the audit events', async () => (await auditEvents(s)).some((e) => e.action === 'token_issuer.create'));
  if (hasStore()) await until('the store', () => s.storePid);
  for (const pid of [s.pid, s.storePid].filter(Boolean)) {
    for (const file of ['cmdline', 'environ']) assert.deepEqual(findIn(readFileSync(`/proc/${pid}/${file}`), secrets), [], `/proc/PID/${file}`);
  }
  const look = (when) => {
    let files = 0;
    for (const file of filesOf(s.data)) {
      const name = path.relative(s.data, file);
      const but = name === 'credentials.json' ? ['the first secret key'] : /^state\.db/.test(name) ? ['the HS256 secret'] : [];
      assert.deepEqual(findIn(readFileSync(file), secrets, but), [], `${name}, ${when}`);
      files++;
    }
    return files;
  };
  assert.ok(look('while it runs') > 8);
  for (const name of ['state.db', 'credentials.json']) assert.equal(statSync(path.join(s.data, name)).mode & 0o077, 0, `${name} is the owner's alone`);
  await s.stop();
  look('after it');
  assert.match(s.log, /level=debug|DEBUG|debug/, 'the log is the talkative one');
  assert.deepEqual(findIn(s.log + s.out, secrets), [], 'log and output');
});

// What a core dump of it would hold.
function memoryOf(pid) {
  const mem = openSync(`/proc/${pid}/mem`, 'r');
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').map((l) => /^(\w+)-(\w+) rw.. \S+ \S+ \S+\s*(.*)/.exec(l)).filter((m) => m && !m[3].startsWith('/dev/')).map(([, from, to]) => {
      const bytes = Buffer.alloc(Math.min(Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)), 256 << 20));
      try { return bytes.subarray(0, readSync(mem, bytes, 0, bytes.length, BigInt(`0x${from}`))); } catch { return bytes.subarray(0, 0); } // gone meanwhile, or a hole
    });
  } finally { closeSync(mem); }
}

test('a server that has started remembers nothing of the first credentials', async (t) => {
  const [s] = await start(t);
  const admin = JSON.parse(readFileSync(path.join(s.data, 'credentials.json'), 'utf8')).admin;
  const secrets = { 'the secret key': s.keys.secret_key, 'the password': admin.password };
  let parts;
  try { parts = memoryOf(s.pid); } catch (e) { return t.skip(`the memory of another process cannot be read here: ${e.code}`); }
  assert.ok(parts.some((p) => p.includes('127.0.0.1')), 'it is the memory of that process');
  assert.deepEqual(parts.flatMap((p) => findIn(p, secrets)), []);
});

test('a crash leaves no core dump, unless a setting asks for one', async (t) => {
  const crash = async (args) => {
    const folder = tempFolder();
    const [s, client] = await start(t, { args, wrap: ['sh', '-c', `ulimit -c unlimited && cd '${folder}' && exec "$@"`, 'sh'] });
    const limit = /Max core file size\s+(\S+)\s+(\S+)/.exec(readFileSync(`/proc/${s.pid}/limits`, 'utf8')).slice(1);
    const secrets = await useSecrets(t, s, client);
    process.kill(s.pid, 'SIGABRT');
    await s.ended;
    const dumps = readdirSync(folder).filter((f) => /core/.test(f)).map((f) => readFileSync(path.join(folder, f)));
    return { limit, dumps, secrets };
  };
  const without = await crash([]);
  assert.deepEqual(without.limit, ['1', '1'], 'below any dump, and what keeps the kernel from piping one');
  assert.equal(without.dumps.length, 0);
  if (SLOW > 1) return; // the sanitizers forbid dumps themselves
  const asked = await crash(['--core_dumps', 'true']);
  assert.equal(asked.limit[0], 'unlimited');
  if (!asked.dumps.length) return t.diagnostic('this machine keeps no core dumps in the working folder');
  t.diagnostic(`in a dump that was asked for: ${findIn(asked.dumps[0], asked.secrets).join(', ')}`);
});
