// l: signed tokens from end to end: an issuer with its key set on loopback, registered over REST; what is accepted,
// refused (401, with the article's own bodies on its pair of routes), and seen without a restart.
import { randomUUID } from 'node:crypto';
import { Client, Issuer, inParallel, jwt, makePeople } from './access.mjs';
import { Server, assert, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.stop());
const client = new Client(s);
test.after(() => client.close());
const issuer = await Issuer.start({ after: test.after });
const org = s.keys.org, projectA = s.keys.project;
const [owner, foreigner] = await makePeople(s, [`owner@a.example,${org}=owner`, 'owner@b.example']);
const { id: projectA2 } = await client.must(201, 'POST', `/v1/orgs/${org}/projects`, { as: owner, body: { name: 'second' } });
const { id: orgB } = await client.must(201, 'POST', '/v1/orgs', { as: foreigner, body: { name: 'B' } });
const { id: projectB } = await client.must(201, 'POST', `/v1/orgs/${orgB}/projects`, { as: foreigner, body: { name: 'b' } });

const issuers = `/v1/orgs/${org}/token-issuers`;
// Of one server, told apart by the audience: tokens of the organisation, and tokens of one project each.
const wide = await client.must(201, 'POST', issuers, { as: owner, body: issuer.settings({ role_claim: 'role' }) });
const ingestAudience = 'https://weir.example/ingest';
await client.must(201, 'POST', issuers, { as: owner, body: issuer.settings({ audience: ingestAudience, project_claim: 'weir_project', role_claim: 'role' }) });

const ask = (token, target = `/v1/orgs/${org}`) => client.call('GET', target, { as: { token } });
const seedEvent = () => ({ en: 'pageview', o: 'https://shop.example/a', ts: Date.now(), r: '', sw: 800, sh: 600 });
const seed = (token, target = '/view', body = seedEvent()) => client.call('POST', target, { body, headers: token === undefined ? {} : { authorization: `Bearer ${token}` } });
const ingestToken = (more = {}, options) => issuer.token({ aud: ingestAudience, weir_project: projectA, ...more }, options);

test('RS256, ES256 and EdDSA are accepted, on the API and by the article\'s routes', async () => {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    const r = await ask(issuer.token({ role: 'viewer' }, { alg }));
    assert.equal(r.status, 200, `${alg}: ${r.text}`);
    assert.equal(r.json.id, org);
    for (const target of ['/view', '/event', '/some/prefix/view']) {
      const sub = `${alg} ${target}`;
      const a = await seed(ingestToken({ sub }, { alg }), target);
      assert.equal(a.status, 202, `${alg} ${target}: ${a.text}`);
      assert.equal(a.text, 'ACCEPTED');
      const cat = await weir(['stream', 'cat', '--data', s.data]);
      const stored = cat.out.split('\n').filter(Boolean).map((l) => JSON.parse(l).value).filter((v) => v.user_id === sub);
      assert.deepEqual(stored.map((v) => v.project), [projectA]);
    }
  }
  const list = await ask(issuer.token({ role: 'viewer', aud: ['someone else', issuer.audience] }));
  assert.equal(list.status, 200, 'one of several audiences');
});

test('what is refused: 401, and why', async () => {
  const now = Math.floor(Date.now() / 1000), es = issuer.keys.ES256, stranger = (await Issuer.start({ after: test.after })).keys.ES256;
  const good = (more, options) => ingestToken({ role: 'owner', ...more }, options);
  const pem = issuer.keys.RS256.publicKey.export({ type: 'spki', format: 'pem' });
  const sign = (header, claims, alg = 'ES256', key = es.privateKey) => jwt(alg, key, issuer.claims({ aud: ingestAudience, weir_project: projectA, role: 'owner', ...claims }), header);
  const [head, body, mark] = good().split('.');
  const b64 = (text) => Buffer.from(text).toString('base64url');
  const badAlg = 'The JWT algorithm must be HS256, or one of your token issuer\'s', badSignature = 'Invalid JWT signature', badFormat = 'Invalid JWT format';
  const notKnown = 'The JWT\'s issuer and audience are not known here';
  const table = [
    ['alg none, unsigned', `${b64('{"alg":"none","typ":"JWT"}')}.${body}.`, badFormat],
    ['alg none', `${b64('{"alg":"none","typ":"JWT"}')}.${body}.${mark}`, badAlg],
    ['alg None', `${b64('{"alg":"None"}')}.${body}.${mark}`, badAlg],
    ['without alg', `${b64('{"typ":"JWT"}')}.${body}.${mark}`, badAlg],
    ['HS256 with the public key as the secret', sign({ kid: issuer.keys.RS256.kid }, { projectId: projectA }, 'HS256', pem), badSignature],
    ['HS256 with the public key in DER', sign({}, { projectId: projectA }, 'HS256', issuer.keys.RS256.publicKey.export({ type: 'spki', format: 'der' })), badSignature],
    ['HS256 with no secret', sign({}, { projectId: projectA }, 'HS256', ''), badSignature],
    ['ES256 says RS256', sign({ alg: 'RS256', kid: issuer.keys.RS256.kid }), badSignature],
    ['expired', good({ exp: now - 120 }), 'The JWT has expired'],
    ['not valid yet', good({ nbf: now + 300 }), 'The JWT is not valid yet'],
    ['without expiry', good({ exp: undefined }), 'The JWT has no expiry'],
    ['another audience', good({ aud: 'https://other.example' }), notKnown],
    ['no audience', good({ aud: undefined }), notKnown],
    ['another issuer', good({ iss: 'https://evil.example/' }), notKnown],
    ['the issuer with a slash more', good({ iss: `${issuer.url}/` }), notKnown],
    ['another\'s key under a known kid', sign({ kid: es.kid }, {}, 'ES256', stranger.privateKey), badSignature],
    ['its own key in the header', sign({ kid: es.kid, jwk: stranger.publicKey.export({ format: 'jwk' }), jku: 'http://127.0.0.1:1/' }, {}, 'ES256', stranger.privateKey), badSignature],
    ['changed claims', `${head}.${b64(JSON.stringify(issuer.claims({ aud: ingestAudience, weir_project: projectA, role: 'owner', sub: 'eve' })))}.${mark}`, badSignature],
    ['a cut signature', good().slice(0, -8), badSignature],
    ['too long', good({ filler: 'x'.repeat(4096) }), badFormat],
    ['two parts', `${head}.${body}`, badFormat],
    ['four parts', `${good()}.${mark}`, badFormat],
    ['a payload that is not base64url', `${head}.!!!.${mark}`, 'Failed to decode JWT payload'],
    ['claims that are no JSON', `${head}.${b64('{"sub":')}.${mark}`, 'Failed to parse JWT claims'],
    ['claims that are no object', `${head}.${b64('[1]')}.${mark}`, 'Failed to parse JWT claims'],
    ['without the user claim', good({ sub: undefined }), 'Failed to parse JWT claims'],
    ['a user claim that is a number', good({ sub: 7 }), 'Failed to parse JWT claims'],
    ['without the project claim', good({ weir_project: undefined }), 'Failed to parse JWT claims'],
    ['a project of another organisation', good({ weir_project: projectB }), 'Failed to parse JWT claims'],
    ['a project that is not there', good({ weir_project: randomUUID() }), 'Failed to parse JWT claims'],
  ];
  for (const [what, token, text] of table) {
    const r = await ask(token, `/projects/${projectA}/pages`);
    assert.equal(r.status, 401, `API, ${what}: ${r.text}`);
    assert.match(r.headers['content-type'], /^application\/problem\+json/);
    assert.match(r.headers['www-authenticate'], /^Bearer/);
    assert.ok(!r.text.includes(mark) && !r.text.includes(token), 'the token is not told again');
    for (const target of ['/view', '/event']) {
      const a = await seed(token, target);
      assert.equal(a.status, 401, `${target}, ${what}: ${a.text}`);
      assert.equal(a.text, JSON.stringify({ error: `Unauthorized: ${text}` }), `${target}, ${what}`);
    }
  }
  const missing = await seed(undefined);
  assert.deepEqual([missing.status, missing.text], [401, '{"error":"Unauthorized: Missing Authorization header"}']);
  const basic = await client.call('POST', '/event', { body: seedEvent(), headers: { authorization: `Basic ${good()}` } });
  assert.deepEqual([basic.status, basic.text], [401, '{"error":"Unauthorized: Invalid Authorization header format"}']);
  assert.equal((await ask(good(), `/projects/${projectA}/keys`)).status, 404, 'the good one of the table would have passed');
});

test('an issuer\'s own list of algorithms holds', async () => {
  const audience = 'https://weir.example/rsa-only';
  await client.must(201, 'POST', issuers, { as: owner, body: issuer.settings({ audience, algorithms: ['RS256'], role_claim: 'role' }) });
  const token = (alg) => issuer.token({ aud: audience, role: 'viewer' }, { alg });
  await until('RS256', async () => (await ask(token('RS256'))).status === 200);
  assert.equal((await ask(token('ES256'))).status, 401);
  for (const [body, what] of [[{ algorithms: ['HS256'] }, /algorithms/], [{ algorithms: ['none'] }, /algorithms/], [{ algorithms: [] }, /algorithms/], [{ jwks_url: 'http://keys.example/jwks' }, /https/], [{ jwks_url: 'http://127.0.0.1.evil.example/jwks' }, /https/], [{ jwks_url: 'file:///etc/passwd' }, /not a URL: \w+ .*host/i], [{ jwks_url: 'ftp://keys.example/x' }, /https/], [{ jwks_url: 'https://user:pw@keys.example/' }, /password/]]) {
    const r = await client.call('POST', issuers, { as: owner, body: issuer.settings({ audience: randomUUID(), ...body }) });
    assert.equal(r.status, 400, `${JSON.stringify(body)}: ${r.text}`);
    assert.match(r.json.detail, what);
  }
  const taken = await client.call('POST', `/v1/orgs/${orgB}/token-issuers`, { as: foreigner, body: issuer.settings() });
  assert.equal(taken.status, 409, `another organisation cannot claim the pair: ${taken.text}`);
});

test('a token for one project is nothing elsewhere', async () => {
  const token = ingestToken({ role: 'admin' });
  const at = async (target) => (await ask(token, target)).status;
  assert.notEqual(await at(`/projects/${projectA}/pages`), 404);
  assert.equal(await at(`/v1/orgs/${org}/projects/${projectA}`), 200);
  for (const target of [`/projects/${projectA2}/pages`, `/v1/orgs/${org}/projects/${projectA2}`, `/projects/${projectB}/pages`, `/v1/orgs/${org}`, `/v1/orgs/${org}/members`, `/v1/orgs/${orgB}`]) assert.equal(await at(target), 404, target);
  assert.equal((await client.call('POST', `/v1/orgs/${org}/projects/${projectA2}/keys`, { as: { token }, body: { kind: 'write', name: 'x' } })).status, 404);
  const secret = (await weir(['project', 'jwt-secret', projectA, '--data', s.data])).out.trim();
  const own = (claims) => jwt('HS256', secret, { exp: Math.floor(Date.now() / 1000) + 60, userId: 'u', ...claims });
  assert.equal((await seed(own({ projectId: projectA }))).status, 202);
  assert.equal((await seed(own({}), `/view?project=${projectA}`)).status, 202);
  for (const [claims, target] of [[{ projectId: projectA2 }, '/view'], [{ projectId: projectB }, '/view'], [{}, '/view'], [{}, `/view?project=${projectA2}`], [{ projectId: projectA2 }, `/view?project=${projectA}`]]) {
    const r = await seed(own(claims), target);
    assert.deepEqual([r.status, r.text], [401, '{"error":"Unauthorized: Invalid JWT signature"}'], JSON.stringify(claims));
  }
  assert.equal((await ask(own({ projectId: projectA }), `/projects/${projectA}/pages`)).status, 401, 'the project\'s secret is for the article\'s pair alone');
});

test('a change of the issuer holds within a second, on kept connections', async () => {
  const one = new Client(s, { sockets: 1 });
  test.after(() => one.close());
  const token = issuer.token({ role: 'viewer', weir_role: 'auditor' });
  const look = () => one.call('GET', `/v1/orgs/${org}`, { as: { token } });
  const { port } = await look();
  const change = (body) => client.must(200, 'PATCH', `${issuers}/${wide.id}`, { as: owner, body });
  const within = async (status) => {
    const r = await until(`${status}`, async () => { const x = await look(); return x.status === status && x; }, 1000);
    assert.equal(r.port, port, 'the same connection');
  };
  await change({ role_claim: '' });
  await within(403);
  await change({ role_claim: 'weir_role' });
  await within(200);
  await change({ audience: 'https://elsewhere.example' });
  await within(401);
  await change({ audience: issuer.audience, role_claim: 'role' });
  await within(200);
});

test('keys rotate without a restart; strangers do not make us ask', async () => {
  const old = issuer.token({ role: 'viewer' });
  assert.equal((await ask(old)).status, 200);
  issuer.addKey('ES256');
  const fresh = issuer.token({ role: 'viewer' });
  const asked = issuer.asked;
  await until('the new key', async () => (await ask(fresh)).status === 200, 45000); // at most one refresh in 30 s
  assert.equal(issuer.asked, asked + 1, 'asked once');
  assert.equal((await ask(old)).status, 401, 'the key was withdrawn, whatever was remembered of its tokens');
  const strangers = Array.from({ length: 200 }, () => issuer.token({ role: 'viewer' }, { header: { kid: randomUUID() } }));
  await inParallel(strangers, 16, async (t) => assert.equal((await ask(t)).status, 401));
  assert.ok(issuer.asked <= asked + 2, `asked ${issuer.asked - asked - 1} times for 200 unknown keys`);
});

test('while the issuer is away its last keys hold', async () => {
  issuer.isAway = true;
  for (let i = 0; i < 20; i++) assert.equal((await ask(issuer.token({ role: 'viewer', jti: randomUUID() }))).status, 200);
  assert.equal((await ask(issuer.token({ role: 'viewer' }, { header: { kid: 'new' } }))).status, 401);
  issuer.isAway = false;
});

test('an issuer that was removed signs nothing any more', async () => {
  const token = issuer.token({ role: 'viewer' });
  assert.equal((await ask(token)).status, 200);
  await client.must(204, 'DELETE', `${issuers}/${wide.id}`, { as: owner }).catch((e) => assert.fail(e));
  await until('401', async () => (await ask(token)).status === 401, 1000);
});
