// l: the proof that access holds. Every route of /openapi.json × every kind of caller × own, another's and no tenant;
// what has to come of it is worked out from GET /v1/permissions and x-weir-access alone.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Client, Issuer, inParallel, makePeople } from './access.mjs';
import { ROOT, Server, assert, test } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.stop());
const client = new Client(s);
test.after(() => client.close());
const issuer = await Issuer.start({ after: test.after });

const permissions = (await client.must(200, 'GET', '/v1/permissions')).data;
const roles = [...new Set(permissions.flatMap((p) => p.roles))];
const ofRole = (role) => permissions.filter((p) => p.roles.includes(role)).map((p) => p.name);
const scopes = permissions.filter((p) => p.secret_keys).map((p) => p.name);
const openapi = (await client.must(200, 'GET', '/openapi.json'));
const routes = Object.entries(openapi.paths).flatMap(([pattern, item]) => Object.entries(item).map(([method, o]) => ({
  method: method.toUpperCase(), pattern, access: o['x-weir-access'], isShared: o['x-weir-shared'] === true, id: o.operationId,
  isIngest: /\{"writeKey":\[\]\}\]$/.test(JSON.stringify(o.security)), isArticle: /^article/.test(o.operationId),
  // Answers who is not known in the words of the product that it stands for (ok, or an error of its own) and keeps nothing.
  isForeign: /^(plausible|umami|goatcounter)/.test(o.operationId), hasOwnErrors: /^(plausible|umami|goatcounter|ingestRybbit|clickhouse)/.test(o.operationId),
})));

// ---- tenants and callers ----
const orgA = s.keys.org, projectA = s.keys.project;
const people = await makePeople(s, [...roles.map((r) => `${r}@a.example,${orgA}=${r}`), 'nobody@else.example', 'owner@b.example']);
const person = Object.fromEntries([...roles, 'outsider', 'ownerB'].map((name, i) => [name, people[i]]));
const { id: orgB } = await client.must(201, 'POST', '/v1/orgs', { as: person.ownerB, body: { name: 'B' } });
const { id: projectB } = await client.must(201, 'POST', `/v1/orgs/${orgB}/projects`, { as: person.ownerB, body: { name: 'b' } });
await client.must(201, 'POST', `/v1/orgs/${orgA}/token-issuers`, { as: person.owner, body: issuer.settings({ role_claim: 'role' }) });
const newKey = (project, kind, list) => client.must(201, 'POST', `/v1/orgs/${orgA}/projects/${project}/keys`, { as: person.owner, body: { kind, name: 'walk', ...(list ? { scopes: list } : {}) } });

/** {name, kind, may: names of permissions, as: credential, in: project of a key} */
const callers = [{ name: 'nobody', kind: 'nobody', may: [] }];
for (const list of [...scopes.map((x) => [x]), scopes]) {
  const k = await newKey(projectA, 'secret', list);
  assert.deepEqual(k.scopes, list, 'a key has the scopes that were asked for');
  callers.push({ name: `secret key: ${list.length > 1 ? 'all' : list}`, kind: 'key', may: list, as: { key: k.key } });
}
callers.push({ name: 'write key', kind: 'key', may: permissions.filter((p) => p.write_keys).map((p) => p.name), as: { key: s.keys.write_key } });
callers.push({ name: 'token without role', kind: 'token', may: ['events:write'], as: { token: issuer.token() } });
for (const role of roles) {
  const may = ofRole(role === 'owner' ? 'admin' : role); // no token makes an owner
  callers.push({ name: `token: ${role}`, kind: 'token', may: [...may, 'events:write'], as: { token: issuer.token({ role }) } });
  callers.push({ name: `member: ${role}`, kind: 'member', may: ofRole(role), as: person[role] });
}
const share = await client.must(201, 'POST', `/v1/projects/${projectA}/shares`, { as: person.owner, body: { name: 'walk', pages: ['overview', 'funnel', 'retention', 'paths', 'vitals'] } });
const { visit } = await client.must(200, 'POST', '/v1/shares/open', { body: { link: share.link } });
callers.push({ name: 'shared link', kind: 'share', may: [], as: { token: visit } });
callers.push({ name: 'signed in, no member', kind: 'outsider', may: [], as: person.outsider });

// ---- places ----
const nowhere = randomUUID();
const places = { own: [orgA, projectA], other: [orgB, projectB], none: [nowhere, nowhere], malformed: ['x', 'x'], 'own, in capitals': [orgA.toUpperCase(), projectA.toUpperCase()], 'own org, other project': [orgA, projectB], 'other org, own project': [orgB, projectA], 'own org, no project': [orgA, nowhere] };
const placesOf = (route) => {
  const hasOrg = route.pattern.includes('{orgId}'), hasProject = route.pattern.includes('{projectId}');
  if (hasOrg && hasProject) return Object.keys(places);
  return hasOrg || hasProject ? ['own', 'other', 'none', 'malformed', 'own, in capitals'] : ['own'];
};
const target = (route, place, more = {}) => route.pattern.replace('{orgId}', more.org ?? places[place][0]).replace('{projectId}', more.project ?? places[place][1]).replace(/\{\w+\}/g, nowhere);

// ---- what has to come of it ----
function expected(route, caller, place) {
  const hasOrg = route.pattern.includes('{orgId}'), hasProject = route.pattern.includes('{projectId}');
  const may = caller.may.includes(route.access);
  if (route.access === 'public') return 'passes';
  if (route.isIngest) { // the dialect's own credential, and no other: keys; signed tokens for the article's pair (l_tokens)
    if (route.isForeign && caller.kind !== 'key') return route.pattern === '/api/v0/count' ? '401' : 'passes';
    if (caller.kind !== 'key' || route.isArticle) return '401';
    return may ? 'passes' : '403';
  }
  if (caller.kind === 'nobody') return '401';
  if (route.access === 'signed-in') return ['member', 'outsider'].includes(caller.kind) ? 'passes' : '403';
  if (['malformed', 'own, in capitals'].includes(place) && (hasOrg || hasProject)) return '404'; // an id has one spelling
  if (['key', 'share'].includes(caller.kind)) {
    if (hasOrg && !hasProject) return '403'; // a key is its project's; also of an organisation that is not there
    return place !== 'own' ? '404' : may || (caller.kind === 'share' && route.isShared) ? 'passes' : '403';
  }
  if (hasOrg || hasProject) {
    if (caller.kind === 'outsider' || place !== 'own') return '404';
    return may ? 'passes' : '403';
  }
  if (caller.kind === 'member') return '403'; // the path names no tenant: it is the key's or token's own, and people have none
  return may ? 'passes' : '403';
}
const notThere = 'There is nothing of that id that you can reach.';
function came(answer) {
  if (answer.status === 401) return '401';
  if (answer.status === 403) return '403';
  return answer.status === 404 && answer.json?.detail === notThere ? '404' : 'passes';
}
/** What may differ between two answers that tell the same. */
function bare(answer) {
  const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !['date', 'x-request-id', 'traceparent', 'traceresponse'].includes(name)));
  return JSON.stringify([answer.status, headers, answer.json?.instance ? answer.text.replace(answer.json.instance, '') : answer.text]);
}
const bodyOf = (route) => (['POST', 'PATCH', 'PUT'].includes(route.method) ? { 'no such member': 1 } : undefined);
/** What changes something even so: walked last, each time on something of its own. */
const isEndless = (route) => route.id === 'listenToEvents'; // t_live
const isGrave = (route) => ['archiveProject', 'leaveOrg'].includes(route.id) || (route.access === 'signed-in' && route.method !== 'GET');

test('who has a shared link may ask questions and read annotations', () => {
  assert.deepEqual(routes.filter((r) => r.isShared).map((r) => r.id).sort(), ['listAnnotations', 'queryReport']);
});
test('the table of permissions, the document and the routes name the same things', () => {
  assert.ok(routes.length >= 40, `${routes.length} routes`);
  const known = new Set(['public', 'signed-in', ...permissions.map((p) => p.name)]);
  for (const r of routes) assert.ok(known.has(r.access), `${r.method} ${r.pattern} asks for ${r.access}`);
  // A second opinion, written by hand: a row that asks for less by mistake would otherwise be walked as it stands.
  const opinions = [
    [/^\/$/, 'public', 'stats:read'], // GET is the dashboard's, POST a statement of ClickHouse's clients
    [/^\/(healthz|readyz|metrics|openapi\.json|api\/heartbeat|v1\/permissions|v1\/shares\/open|v1\/(login|invitations|password-reset)(\/.*)?)?$/, 'public'],
    [/^\/(v1\/events|i\/v1\/analytics\/events|view|event|w|api\/(event|send|batch|v0\/count)|count)$/, 'events:write'],
    [/^\/((debug\/)?mp\/collect|api\/track|com\.snowplowanalytics\.snowplow\/tp2|i)$/, 'events:write', 'events:write'], // GA4, Rybbit, Snowplow
    [/^\/(js\/(weir|vitals|web-vitals)\.js|js\/\{file\}|(script|umami)\.js|static\/(\{version\}\/)?\{file\}|array\/\{token\}\/array\.js)$/, 'public'], // scripts
    [/^\/app(\/.*)?$/, 'public'], // the dashboard: says nothing before somebody signs in
    [/^\/(e|i\/v0\/e|capture|track|engage|batch|s)$/, 'events:write', 'events:write'], // PostHog
    [/^\/(array\/\{token\}\/config(\.js)?|flags|decide|v1\/projects\/\{writeKey\}\/settings)$/, 'public'], // what SDKs ask at their start
    [/^\/(v1\/(track|page|screen|identify|group|alias|batch|[tpsigab])|beacon\/v1\/batch|pixel\/v1\/\w+|v1\/pixel\/\w+|api\/s\/(s2s\/)?\w+)$/, 'events:write'], // Segment
    [/^\/v1\/(orgs|me(\/.*)?|logout(\/.*)?)$/, 'signed-in'],
    [/^\/projects\/\{projectId\}\//, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/(query(\/sql)?|export)$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/imports(\/\{importId\})?$/, 'stats:read', 'events:import'],
    [/^\/v1\/projects\/\{projectId\}\/(persons|groups)(\/\{\w+\})?(\/(timeline|\{groupId\}))?$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/(ingestion|rejections|pipeline)$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/rejections\/release$/, 'projects:write'],
    [/^\/api\/v2\/query$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/(alerts|mail-reports)(\/\{\w+\})?$/, 'stats:read', 'definitions:write'],
    [/^\/v1\/projects\/\{projectId\}\/alert-log$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/shares(\/\{shareId\})?$/, 'shares:write', 'shares:write'],
    [/^\/v1\/projects\/\{projectId\}\/live(\/events)?$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/(goals|segments|cohorts|annotations|reports)(\/\{\w+\})?$/, 'stats:read', 'definitions:write'],
    [/^\/v1\/projects\/\{projectId\}\/reports\/\{reportId\}\/run$/, 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/cohorts\/\{cohortId\}\/(members|count|snapshot)$/, 'stats:read', 'definitions:write'],
    [/^(\/clickhouse)?\/ping$/, 'public'],
    [/^(\/v1\/projects\/\{projectId\})?\/clickhouse(\/(ping)?)?$/, 'stats:read', 'stats:read'],
    [/^\/v1\/projects\/\{projectId\}\/(erasures(\/.*)?|privacy\/export)$/, 'privacy:erase', 'privacy:erase'],
    [/\/keys(\/.*)?$/, 'keys:read', 'keys:write'],
    [/\/members(\/.*)?$/, 'org:read', 'members:write'],
    [/\{orgId\}\/invitations(\/.*)?$/, 'members:write'],
    [/\/token-issuers(\/.*)?$/, 'org:read', 'org:write'],
    [/\{orgId\}\/owner$/, 'org:own'],
    [/\{orgId\}\/leave$/, 'org:read'],
    [/\{orgId\}\/projects(\/\{projectId\})?$/, 'org:read', 'projects:write'],
    [/\{orgId\}$/, 'org:read', 'org:write'],
  ];
  for (const r of routes) {
    const [, reading, changing = reading] = opinions.find(([pattern]) => pattern.test(r.pattern)) ?? assert.fail(`${r.method} ${r.pattern}: say here what it should ask`);
    assert.equal(r.access, r.method === 'GET' ? reading : changing, `${r.method} ${r.pattern}`);
  }
  const rows = readFileSync(path.join(ROOT, 'docs/access.md'), 'utf8').split('\n').filter((l) => /^\| `[a-z]+:[a-z]+` \|/.test(l)).map((l) => l.split('|').slice(1, -1).map((c) => c.trim()));
  assert.deepEqual(rows, permissions.map((p) => [`\`${p.name}\``, ...['owner', 'admin', 'analyst', 'viewer', 'auditor'].map((r) => (p.roles.includes(r) ? 'x' : '')), p.write_keys ? 'x' : '', p.secret_keys ? 'x' : '', p.about]), 'docs/access.md and permission.def');
});

test('every route × every caller × own, another\'s, none', async () => {
  const walk = routes.flatMap((route) => callers.flatMap((caller) => placesOf(route).map((place) => ({ route, caller, place, want: expected(route, caller, place) }))))
    .filter((w) => !((isGrave(w.route) || isEndless(w.route)) && w.want === 'passes'));
  const wrong = [], answers = new Map();
  await inParallel(walk, 16, async (w) => {
    const as = w.route.isIngest && w.caller.as?.key ? { token: w.caller.as.key } : w.caller.as; // there a key is a bearer's
    const a = await client.call(w.route.method, target(w.route, w.place), { as, body: bodyOf(w.route) });
    answers.set(`${w.route.id} ${w.caller.name} ${w.place}`, a);
    assert.ok(a.status !== 405 && a.status < 500 || a.status === 503, `${w.route.id}: ${a.status} ${a.text}`);
    if (w.route.access !== 'public' && came(a) !== w.want) wrong.push(`${w.route.method} ${w.route.pattern} as ${w.caller.name}, ${w.place}: ${w.want} expected, got ${a.status} ${a.json?.detail ?? a.text.slice(0, 120)}`);
    assert.ok(!/^There is nothing at/.test(a.json?.detail ?? ''), `${w.route.id} is served`);
    if (a.status >= 400 && !w.route.isArticle && !w.route.hasOwnErrors) assert.match(String(a.headers['content-type']), /^application\/problem\+json/, w.route.id);
  });
  assert.deepEqual(wrong.slice(0, 20), [], `${wrong.length} of ${walk.length}`);
  const kept = (await client.call('GET', '/metrics')).text.match(/^weir_ingest_events_total\{source="(plausible|umami|goatcounter)",outcome="kept"\} \d+$/gm);
  assert.ok(kept.length === 3 && kept.every((line) => line.endsWith(' 0')), kept.join());
  let pairs = 0;
  for (const route of routes.filter((r) => placesOf(r).length > 1)) {
    for (const caller of callers) {
      const at = (place) => answers.get(`${route.id} ${caller.name} ${place}`);
      const same = [['other', 'none'], ['other', 'malformed'], ['own org, other project', 'own org, no project'], ['other org, own project', 'none']];
      for (const [one, two] of same.filter(([one, two]) => at(one) && expected(route, caller, one) === expected(route, caller, two))) {
        assert.equal(bare(at(one)), bare(at(two)), `${route.method} ${route.pattern} as ${caller.name}: "${one}" and "${two}" can be told apart`);
        pairs++;
      }
    }
  }
  console.log(`# ${routes.length} routes, ${callers.length} callers, ${walk.length} requests, ${pairs} pairs that cannot be told apart`);
});

test('HEAD asks what GET asks', async () => {
  for (const route of routes.filter((r) => r.method === 'GET' && !['/metrics', '/openapi.json'].includes(r.pattern) && !isEndless(r))) {
    for (const caller of callers.filter((c) => /nobody|write key|viewer|no member/.test(c.name))) {
      const [get, head] = await Promise.all(['GET', 'HEAD'].map((m) => client.call(m, target(route, 'own'), { as: caller.as })));
      assert.equal(head.status, get.status, `${route.pattern} as ${caller.name}`);
      assert.equal(head.text, '');
    }
  }
});

test('keys can be told from look-alikes as docs/access.md says', async () => {
  const page = readFileSync(path.join(ROOT, 'docs/access.md'), 'utf8');
  const find = new RegExp(/```\n(\\b\(wk_.*)\n```/.exec(page)[1], 'g');
  const isGenuine = new Function(`${/```js\n([^]*?)```/.exec(page)[1]}; return isGenuine;`)();
  const keys = [s.keys.write_key, s.keys.secret_key, (await newKey(projectA, 'secret')).key, (await newKey(projectA, 'write')).key];
  assert.deepEqual(`const a = '${keys.join("', b = \"")}';`.match(find), keys);
  for (const k of keys) {
    assert.ok(isGenuine(k), k);
    const at = 3 + Math.floor(k.length / 2);
    assert.ok(!isGenuine(k.slice(0, at) + (k[at] === 'x' ? 'y' : 'x') + k.slice(at + 1)), 'one character is another');
  }
});

test('who is refused before they are known learns nothing of ids', async () => {
  const strangers = { 'a dead cookie': { cookie: `weir_session=${'A'.repeat(43)}` }, 'an unknown key': { 'x-api-key': `sk_${'A'.repeat(49)}` }, 'a bad token': { authorization: `Bearer ${issuer.token().slice(0, -4)}AAAA` }, garbage: { authorization: 'Bearer ?' } };
  for (const [name, headers] of Object.entries(strangers)) {
    for (const route of routes.filter((r) => placesOf(r).length > 1 && r.method === 'GET')) {
      const [own, none] = await Promise.all(['own', 'none'].map((p) => client.call('GET', target(route, p), { headers })));
      assert.equal(own.status, 401, `${name}: ${own.text}`);
      assert.equal(bare(own), bare(none), `${route.pattern}: ${name}`);
    }
  }
});

test('a cookie alone changes nothing; foreign pages are not let in', async () => {
  const name = async () => (await client.must(200, 'GET', `/v1/orgs/${orgA}`, { as: person.owner })).name;
  const before = await name();
  for (const csrf of ['', 'x', person.admin.csrf]) {
    const r = await client.call('PATCH', `/v1/orgs/${orgA}`, { as: { session: person.owner.session, csrf }, body: { name: 'taken' } });
    assert.equal(r.status, 403, r.text);
    assert.match(r.json.detail, /X-CSRF-Token/);
  }
  assert.equal(await name(), before);
  for (const route of routes.filter((r) => r.access !== 'public' && !r.isIngest)) {
    const r = await client.call('OPTIONS', target(route, 'own'), { headers: { origin: 'https://evil.example', 'access-control-request-method': route.method, 'access-control-request-headers': 'x-csrf-token' } });
    assert.equal(r.status, 405, `${route.pattern}: ${r.text}`);
    assert.equal(r.headers['access-control-allow-origin'], undefined);
    assert.ok(r.headers.allow.split(', ').includes(route.method), `${route.pattern}: Allow: ${r.headers.allow}`);
  }
});

test('no more than one\'s own can be given away', async () => {
  const keys = `/v1/orgs/${orgA}/projects/${projectA}/keys`;
  const small = await newKey(projectA, 'secret', ['keys:write', 'keys:read', 'stats:read']);
  const r = await client.call('POST', keys, { as: { key: small.key }, body: { kind: 'secret', name: 'more', scopes: ['secrets:read'] } });
  assert.equal(r.status, 403, r.text);
  const big = await newKey(projectA, 'secret', ['secrets:read']);
  assert.equal((await client.call('POST', `${keys}/${big.id}/rotate`, { as: { key: small.key }, body: {} })).status, 403);
  for (const as of [person.admin, { token: issuer.token({ role: 'owner' }) }]) {
    assert.equal((await client.call('POST', `/v1/orgs/${orgA}/invitations`, { as, body: { email: 'x@a.example', role: 'owner' } })).status, 403);
    assert.equal((await client.call('PATCH', `/v1/orgs/${orgA}/members/${person.viewer.id}`, { as, body: { role: 'owner' } })).status, 403);
    assert.equal((await client.call('DELETE', `/v1/orgs/${orgA}/members/${person.owner.id}`, { as })).status, 403);
  }
  for (const [target2, body] of [[`/v1/orgs/${orgA}`, { id: orgB }], [`/v1/orgs/${orgA}/projects/${projectA}`, { org_id: orgB }], [`/v1/orgs/${orgA}/projects/${projectA}`, { archived_at: null }], [`${keys}/${big.id}`, { scopes: ['stats:read'] }], [`${keys}/${big.id}`, { kind: 'write' }], [`${keys}/${big.id}`, { project_id: projectB }]]) {
    const m = await client.call('PATCH', target2, { as: person.owner, body });
    assert.equal(m.status, 400, `${JSON.stringify(body)}: ${m.text}`);
    assert.match(m.json.detail, new RegExp(Object.keys(body)[0]), 'it is named');
  }
  const foreign = await client.must(201, 'POST', `/v1/orgs/${orgB}/projects/${projectB}/keys`, { as: person.ownerB, body: { kind: 'secret', name: 'b' } });
  for (const [method, tail] of [['GET', ''], ['PATCH', ''], ['POST', '/rotate'], ['DELETE', '']]) {
    const x = await client.call(method, `${keys}/${foreign.id}${tail}`, { as: person.owner, body: method === 'PATCH' ? { name: 'mine' } : method === 'POST' ? {} : undefined });
    assert.equal(x.status, 404, `another tenant's key under one's own project: ${method} ${x.text}`);
  }
  assert.equal((await client.call('GET', `/projects/${projectB}/pages`, { as: { key: foreign.key } })).status !== 401, true, 'it is still alive');
});

test('what ends something, each on something of its own', async () => {
  const wrong = [];
  let done = 0;
  for (const route of routes.filter(isGrave)) {
    for (const caller of callers.filter((c) => expected(route, c, 'own') === 'passes')) {
      let as = caller.as, project = projectA;
      if (route.id === 'archiveProject') {
        ({ id: project } = await client.must(201, 'POST', `/v1/orgs/${orgA}/projects`, { as: person.owner, body: { name: 'to be archived' } }));
        if (caller.kind === 'key') as = { key: (await newKey(project, 'secret', caller.may)).key };
      } else if (caller.as.session) {
        const role = caller.name.split(': ')[1];
        [as] = await makePeople(s, [`${randomUUID()}@a.example${caller.kind === 'member' ? `,${orgA}=${role}` : ''}`]);
      }
      const a = await client.call(route.method, target(route, 'own', { project }), { as, body: bodyOf(route) });
      done++;
      if (came(a) !== 'passes' || a.status >= 500) wrong.push(`${route.id} as ${caller.name}: ${a.status} ${a.text.slice(0, 120)}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.ok(done >= 20, `${done} were tried`);
});
