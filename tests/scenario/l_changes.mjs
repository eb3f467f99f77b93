// l: changes of access hold within a second on every loop and every open connection; rotation, expiry, origins, archived
// projects; limits per key and address behind proxies; quotas and what is left of them after a restart.
import { Client, auditEvents, makePeople } from './access.mjs';
import { Server, assert, event, test, until, weir } from './harness.mjs';

const quiet = ['--archive', 'false'];
const s = await Server.start({ args: [...quiet, '--loops', '4'] });
test.after(() => s.stop());
const client = new Client(s);
test.after(() => client.close());
const org = s.keys.org;
const [owner] = await makePeople(s, [`owner@a.example,${org}=owner`]);
const newProject = async (on = client, as = owner) => (await on.must(201, 'POST', `/v1/orgs/${on.s.keys.org}/projects`, { as, body: { name: 'p' } })).id;
const newKey = (project, body = {}, on = client, as = owner) => on.must(201, 'POST', `/v1/orgs/${on.s.keys.org}/projects/${project}/keys`, { as, body: { kind: 'secret', name: 'k', ...body } });
const keyPath = (project, id, tail = '') => `/v1/orgs/${org}/projects/${project}/keys/${id}${tail}`;

/** So many kept-alive connections, spread over the loops by the kernel. */
class Connections {
  constructor(t, count = 24) {
    this.all = Array.from({ length: count }, () => new Client(s, { sockets: 1 }));
    t.after(() => this.all.forEach((c) => c.close()));
  }
  /** The statuses of one request on each; they stay the connections that they were. */
  async statuses(...args) {
    const answers = await Promise.all(this.all.map((c) => c.call(...args)));
    answers.forEach((a, i) => {
      this.all[i].port ??= a.port;
      assert.equal(a.port, this.all[i].port, 'the same connection');
    });
    return [...new Set(answers.map((a) => a.status))];
  }
  becomes(status, ...args) {
    return until(`${status} on every connection`, async () => {
      const seen = await this.statuses(...args);
      return seen.length === 1 && seen[0] === status;
    }, 1000);
  }
}
const asks = (project, key) => ['GET', `/v1/orgs/${org}/projects/${project}/keys`, { as: { key } }];
const sends = (key) => ['POST', '/v1/events', { as: { token: key }, body: event() }];

test('a revoked key is refused on every loop and open connection', async (t) => {
  const project = await newProject();
  const secret = await newKey(project, { scopes: ['keys:read'] }), write = await newKey(project, { kind: 'write' });
  const reading = new Connections(t), writing = new Connections(t);
  assert.deepEqual(await reading.statuses(...asks(project, secret.key)), [200]);
  assert.deepEqual(await writing.statuses(...sends(write.key)), [200]);
  await client.must(204, 'DELETE', keyPath(project, secret.id), { as: owner });
  await reading.becomes(401, ...asks(project, secret.key));
  const cli = await weir(['key', 'revoke', write.key, '--data', s.data]); // another process
  assert.equal(cli.code, 0, cli.err);
  await writing.becomes(401, ...sends(write.key));
  const shown = await client.must(200, 'GET', keyPath(project, secret.id), { as: owner });
  assert.ok(shown.revoked_at && !JSON.stringify(shown).includes(secret.key));
  assert.equal((await client.call('DELETE', keyPath(project, secret.id), { as: owner })).status, 404, 'only once');
});

test('rotation: both for a while, then the new one alone; expiry', async (t) => {
  const project = await newProject(), c = new Connections(t, 8);
  const old = await newKey(project, { scopes: ['keys:read', 'stats:read'] });
  const fresh = await client.must(201, 'POST', keyPath(project, old.id, '/rotate'), { as: owner, body: { overlap_seconds: 600 } });
  assert.deepEqual([fresh.replaces, fresh.scopes, fresh.name], [old.id, old.scopes, old.name]);
  assert.deepEqual(await c.statuses(...asks(project, old.key)), [200]);
  assert.deepEqual(await c.statuses(...asks(project, fresh.key)), [200]);
  const next = await client.must(201, 'POST', keyPath(project, fresh.id, '/rotate'), { as: owner, body: { overlap_seconds: 0 } });
  await c.becomes(401, ...asks(project, fresh.key));
  assert.deepEqual(await c.statuses(...asks(project, next.key)), [200]);
  for (const overlap_seconds of [-1, 2592001, '1']) assert.equal((await client.call('POST', keyPath(project, next.id, '/rotate'), { as: owner, body: { overlap_seconds } })).status, 400);
  const brief = await newKey(project, { scopes: ['keys:read'], expires_at: new Date(Date.now() + 1500).toISOString() });
  assert.equal((await client.call(...asks(project, brief.key))).status, 200);
  await until('its end', async () => (await client.call(...asks(project, brief.key))).status === 401, 5000);
  assert.ok(Date.now() >= Date.parse(brief.expires_at), 'not before its end');
  assert.equal((await client.call('POST', `/v1/orgs/${org}/projects/${project}/keys`, { as: owner, body: { kind: 'secret', name: 'k', expires_at: '2020-01-01T00:00:00Z' } })).status, 400);
});

test('another role, a removal: from the next request on', async () => {
  const [p] = await makePeople(s, [`p@a.example,${org}=admin`]);
  const look = async (target) => (await client.call('GET', target, { as: p })).status;
  const keys = `/v1/orgs/${org}/projects/${s.keys.project}/keys`;
  assert.equal(await look(keys), 200);
  await client.must(200, 'PATCH', `/v1/orgs/${org}/members/${p.id}`, { as: owner, body: { role: 'viewer' } });
  assert.equal(await look(keys), 403);
  assert.equal(await look(`/v1/orgs/${org}`), 200);
  await client.must(204, 'DELETE', `/v1/orgs/${org}/members/${p.id}`, { as: owner });
  assert.equal(await look(`/v1/orgs/${org}`), 404);
  assert.deepEqual((await client.must(200, 'GET', '/v1/orgs', { as: p })).data, []);
  const { id: alone } = await client.must(201, 'POST', '/v1/orgs', { as: owner, body: { name: 'of one' } });
  const last = await client.call('POST', `/v1/orgs/${alone}/leave`, { as: owner });
  assert.equal(last.status, 409, 'the last owner stays');
  assert.equal((await client.call('PATCH', `/v1/orgs/${alone}/members/${owner.id}`, { as: owner, body: { role: 'admin' } })).status, 409);
});

test('origins: a page elsewhere is refused, and can read that it is', async () => {
  const project = await newProject(), key = await newKey(project, { kind: 'write' });
  const post = (origin) => client.call('POST', '/v1/events', { as: { token: key.key }, body: event(), headers: origin ? { origin } : {} });
  const allow = (target, list) => client.must(200, 'PATCH', target, { as: owner, body: { allowed_origins: list } });
  assert.equal((await post('https://any.example')).status, 200);
  await allow(`/v1/orgs/${org}/projects/${project}`, ['https://shop.example']);
  assert.equal((await post('https://shop.example')).status, 200);
  assert.equal((await post()).status, 200, 'no browser');
  for (const origin of ['https://evil.example', 'http://shop.example', 'https://shop.example:8443', 'https://shop.example.evil.example', 'https://SHOP.example', 'null']) {
    const r = await post(origin);
    assert.equal(r.status, 403, `${origin}: ${r.text}`);
    assert.equal(r.headers['access-control-allow-origin'], origin);
  }
  await allow(keyPath(project, key.id), ['https://app.example']); // the key's own list instead
  assert.equal((await post('https://app.example')).status, 200);
  assert.equal((await post('https://shop.example')).status, 403);
  await allow(keyPath(project, key.id), []);
  assert.equal((await post('https://shop.example')).status, 200);
  for (const wrong of ['https://shop.example/', 'shop.example', '*', 'https://a b']) assert.equal((await client.call('PATCH', keyPath(project, key.id), { as: owner, body: { allowed_origins: [wrong] } })).status, 400, wrong);
});

test('a name lets events in and nothing else; it is one project\'s, and obeys its origins', async () => {
  const project = await newProject(), other = await newProject();
  const { id: orgB } = await client.must(201, 'POST', '/v1/orgs', { as: owner, body: { name: 'B' } });
  const { id: foreign } = await client.must(201, 'POST', `/v1/orgs/${orgB}/projects`, { as: owner, body: { name: 'b' } });
  const name = (id, body, inside = org) => client.call('PATCH', `/v1/orgs/${inside}/projects/${id}`, { as: owner, body });
  const set = await name(project, { domains: ['names.example'], client_ids: ['phc_Names', '6f7c2d1e-0000-4000-8000-00000000aaaa'] });
  assert.deepEqual([set.status, set.json.domains, set.json.client_ids], [200, ['names.example'], ['phc_Names', '6f7c2d1e-0000-4000-8000-00000000aaaa']]);
  const post = (token, headers = {}) => client.call('POST', '/v1/events', { as: { token }, body: event(), headers });
  for (const known of ['names.example', 'www.Names.example', 'phc_Names', '6F7C2D1E-0000-4000-8000-00000000AAAA']) assert.equal((await post(known)).status, 200, known);
  for (const unknown of ['example', 'phc_', 'other.example', '', project]) assert.equal((await post(unknown)).status, 401, unknown);
  for (const [method, target] of [['GET', `/projects/${project}/pages`], ['GET', `/v1/orgs/${org}/projects/${project}`], ['GET', `/v1/orgs/${org}/projects/${project}/keys`], ['PATCH', `/v1/orgs/${org}/projects/${project}`]]) {
    for (const as of [{ token: 'names.example' }, { key: 'phc_Names' }]) assert.equal((await client.call(method, target, { as })).status, 401, `${method} ${target}`);
  }
  for (const [id, inside] of [[other, org], [foreign, orgB]]) {
    const taken = await name(id, { client_ids: ['PHC_names'] }, inside);
    assert.equal(taken.status, 409);
    assert.ok(!taken.text.includes(project) && !taken.text.includes(org), taken.text);
  }
  assert.equal((await name(other, { client_ids: ['wk_00000000000000000000000000000000'] })).status, 400);
  await client.must(200, 'PATCH', `/v1/orgs/${org}/projects/${project}`, { as: owner, body: { allowed_origins: ['https://names.example'] } });
  assert.equal((await post('phc_Names', { origin: 'https://names.example' })).status, 200);
  assert.equal((await post('phc_Names', { origin: 'https://evil.example' })).status, 403);
  assert.equal((await post('phc_Names')).status, 200, 'no browser');
  await client.must(204, 'DELETE', `/v1/orgs/${org}/projects/${project}`, { as: owner });
  assert.equal((await post('phc_Names')).status, 401);
  assert.equal((await name(foreign, { client_ids: ['phc_Names'] }, orgB)).status, 200, 'free again');
  assert.equal((await post('phc_Names', { origin: 'https://evil.example' })).status, 200);
  const updates = async () => (await auditEvents(s)).filter((e) => e.action === 'project.update' && e.resource.id === project);
  const told = await until('its audit event', async () => { const all = await updates(); return all.length && all; });
  assert.deepEqual(told[0].before.client_ids, []);
  assert.deepEqual(told[0].after.client_ids, ['phc_Names', '6f7c2d1e-0000-4000-8000-00000000aaaa']);
});

test('an archived project is not there any more, for anybody', async (t) => {
  const project = await newProject(), write = await newKey(project, { kind: 'write' }), secret = await newKey(project, { scopes: ['keys:read', 'stats:read'] });
  const c = new Connections(t, 8);
  assert.deepEqual(await c.statuses(...asks(project, secret.key)), [200]);
  await client.must(204, 'DELETE', `/v1/orgs/${org}/projects/${project}`, { as: owner });
  await c.becomes(401, ...asks(project, secret.key));
  await c.becomes(401, ...sends(write.key));
  for (const [method, target, body] of [['GET', `/v1/orgs/${org}/projects/${project}`], ['GET', `/projects/${project}/pages`], ['PATCH', `/v1/orgs/${org}/projects/${project}`, { name: 'x' }], ['DELETE', `/v1/orgs/${org}/projects/${project}`]]) {
    assert.equal((await client.call(method, target, { as: owner, body })).status, 404, `${method} ${target}`);
  }
});

// ---- limits ----
const server = async (t, args) => {
  const one = await Server.start({ args: [...quiet, ...args] });
  t.after(() => one.killNow());
  const c = new Client(one);
  t.after(() => c.close());
  return [one, c];
};
const limitFields = (r) => ['retry-after', 'ratelimit', 'ratelimit-policy', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'].map((h) => r.headers[h]);

test('a limit per key: 429 with what a client has to know; other keys are not touched', async (t) => {
  const [one, c] = await server(t, ['--limit.key_per_second', '1', '--limit.key_burst', '5']);
  const [boss] = await makePeople(one, [`o@a.example,${one.keys.org}=owner`]);
  const a = await newKey(one.keys.project, {}, c, boss), b = await newKey(one.keys.project, {}, c, boss);
  const ask = (key) => c.call('GET', `/projects/${one.keys.project}/pages`, { as: { key } });
  const first = await ask(a.key);
  assert.deepEqual([first.headers['ratelimit-limit'], first.headers['ratelimit-remaining']], ['5', '4']);
  const refused = await until('a refusal', async () => { const r = await ask(a.key); return r.status === 429 && r; });
  assert.match(refused.headers['content-type'], /problem\+json/);
  const [retry, rate, policy, , remaining, reset] = limitFields(refused);
  assert.ok(Number(retry) >= 1 && Number(retry) <= 5, retry);
  assert.match(rate, /"key";r=0;t=\d/);
  assert.match(policy, /"key";q=5;w=5/);
  assert.deepEqual([remaining, Number(reset) >= 1], ['0', true]);
  assert.notEqual((await ask(b.key)).status, 429);
  const ingest = await until('ingest', async () => { const r = await c.call('POST', '/v1/events', { as: { token: one.keys.write_key }, body: event() }); return r.status === 429 && r; });
  assert.ok(Number(ingest.headers['retry-after']) >= 1);
  assert.equal(ingest.headers['access-control-allow-origin'], '*', 'a page can read it');
  const metrics = (await c.call('GET', '/metrics')).text;
  assert.ok(one.metric(metrics.replaceAll('kind="address"', 'x="y"'), 'weir_limit_refused_total') >= 0 && /weir_limit_refused_total\{kind="key"\} [1-9]/.test(metrics));
});

test('a limit per address: X-Forwarded-For is believed from trusted proxies only', async (t) => {
  const args = ['--limit.address_per_second', '1', '--limit.address_burst', '5'];
  const [, plain] = await server(t, args);
  const via = (c, forwarded) => c.call('GET', '/healthz', { headers: { 'x-forwarded-for': forwarded } });
  const until429 = (c, forwarded) => until('a refusal', async () => { const r = await via(c, forwarded()); return r.status === 429 && r; });
  let n = 0;
  const refused = await until429(plain, () => `203.0.113.${n++ % 250}`); // whatever is claimed, it is one address
  assert.ok(Number(refused.headers['retry-after']) >= 1);
  assert.match(refused.headers.ratelimit, /"address";r=0/);
  const [one, behind] = await server(t, [...args, '--trusted_proxies', 'loopback']);
  await until429(behind, () => '203.0.113.1');
  assert.equal((await via(behind, '203.0.113.2')).status, 200, 'another client of the same proxy');
  await until429(behind, () => `198.51.100.${n++ % 250}, 203.0.113.3`); // what stands left of the client is its own claim
  assert.equal((await via(behind, '203.0.113.4')).status, 200);
  const [boss] = await makePeople(one, [`o@a.example,${one.keys.org}=owner`]);
  await behind.must(200, 'PATCH', `/v1/orgs/${one.keys.org}`, { as: boss, body: { name: 'renamed' }, headers: { 'x-forwarded-for': '192.0.2.1, 203.0.113.77' } });
  const seen = await until('the event', async () => (await auditEvents(one)).find((e) => e.action === 'organisation.update'));
  assert.equal(seen.address, '203.0.113.77');
});

test('a quota: a warning at 80 %, 429 at its end, and the count outlives the process', async (t) => {
  const [one, c] = await server(t, []);
  const [boss] = await makePeople(one, [`o@a.example,${one.keys.org}=owner`]);
  const project = await newProject(c, boss), key = await newKey(project, { kind: 'write' }, c, boss);
  await c.must(200, 'PATCH', `/v1/orgs/${one.keys.org}/projects/${project}`, { as: boss, body: { events_per_month_max: 20 } });
  const send = (count) => one.send(Array.from({ length: count }, () => event()), { key: key.key });
  const warnings = async () => (await auditEvents(one)).filter((e) => e.action === 'project.quota_warning');
  assert.equal((await send(15)).status, 200);
  assert.equal((await send(1)).status, 200);
  const [warning] = await until('the warning', async () => { const w = await warnings(); return w.length && w; });
  assert.deepEqual([warning.resource, warning.org, warning.authtype, warning.authid], [{ type: 'project', id: project }, one.keys.org, 'system', 'quota']);
  assert.equal((await send(3)).status, 200);
  assert.equal((await send(5)).status, 200, 'a batch that began below the maximum is taken whole');
  const over = await send(1);
  assert.equal(over.status, 429, over.text);
  assert.ok(Number(over.headers.get('retry-after')) > 60, over.headers.get('retry-after'));
  assert.match(over.json.detail, /month/);
  assert.equal((await one.send(event())).status, 200, 'another project');
  c.close();
  await one.stop();
  one.exit = undefined;
  await one.run();
  assert.equal((await send(1)).status, 429, 'after a restart');
  assert.equal((await warnings()).length, 1, 'told once');
  const after = new Client(one);
  t.after(() => after.close());
  await after.must(200, 'PATCH', `/v1/orgs/${one.keys.org}/projects/${project}`, { as: boss, body: { events_per_month_max: 30 } });
  await until('room again', async () => (await send(1)).status === 200, 1000);
  await one.stop();
});
