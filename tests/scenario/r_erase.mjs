// r: one user is erased everywhere: streams, archive, tables; nobody else notices; nothing brings them back.
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import zlib from 'node:zlib';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Server, assert, contentsBelow, event, results, sleep, tempFolder, test, until, weir } from './harness.mjs';

const ERIKA = 'erika-mustermann-4711', ANON = 'anon-of-erika-4711', OTTO = 'otto-normal-0815', MAIL = 'erika.m@example.org';
const s = await Server.start({ args: ['--stream.partitions', '2'] });
test.after(() => s.killNow());
const project = s.keys.project;

const cli = async (...args) => {
  const r = await weir([...args, '--data', s.data, '--json'], { timeout: 120000 });
  assert.equal(r.code, 0, `${args.join(' ')}: ${r.err}${r.out}`);
  return r.json;
};
const secret = await cli('key', 'create', '--project', project, '--kind', 'secret', '--scopes', 'stats:read,privacy:erase,definitions:write');
const importer = await cli('key', 'create', '--project', project, '--kind', 'secret', '--scopes', 'events:import');
const other = { org: (await cli('org', 'create', 'Other')).id };
other.project = (await cli('project', 'create', 'Theirs', '--org', other.org)).id;
other.write = (await cli('key', 'create', '--project', other.project, '--kind', 'write')).key;
other.secret = (await cli('key', 'create', '--project', other.project, '--kind', 'secret', '--scopes', 'stats:read,privacy:erase')).key;

for (const key of [other.write, other.secret, secret.key, importer.key]) await until('a running server sees new keys', async () => (await s.send([], { key })).status !== 401);

const ask = (method, target, body, key = secret.key) => s.fetch(`/v1/projects/${key === other.secret ? other.project : project}${target}`, { method, headers: { 'x-api-key': key, 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
const erase = async (body, key) => {
  const r = await ask('POST', '/erasures', body, key);
  assert.equal(r.status, 202, r.text);
  assert.match(r.json.status, /^(queued|running)$/); // the worker may have it already
  return r.json.id;
};
const done = (id, key) => until(`erasure ${id}`, async () => {
  const r = await ask('GET', `/erasures/${id}`, undefined, key);
  assert.equal(r.status, 200, r.text);
  return r.json.status === 'done' ? r.json : assert.fail(r.text);
}, 120000);
const place = (report, name) => report.report.places.find((p) => p.place === name) ?? assert.fail(`${name} is not in ${JSON.stringify(report)}`);

const native = async (more, key) => assert.ok(results(await s.send(more.map((m) => event(m)), key ? { key } : {})).every((x) => x.result === 'ok'));
const segment = async (route, body) => {
  const r = await s.fetch(`/v1/${route}`, { method: 'POST', headers: { authorization: `Basic ${Buffer.from(`${s.keys.write_key}:`).toString('base64')}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  assert.equal(r.status, 200, r.text);
};
const posthog = async (body) => {
  const r = await s.fetch('/capture', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ api_key: s.keys.write_key, ...body }) });
  assert.equal(r.status, 200, r.text);
};

let erikas = 0;
const history = async (rounds) => {
  for (let i = 0; i < rounds; i++) {
    await native([{ user_id: ERIKA, properties: { mail: MAIL, i } }, { user_id: OTTO, properties: { i } }]);
    await native([{ user_id: OTTO, properties: { i } }, { user_id: `u${i}`, anonymous_id: `a${i}` }], other.write);
    await native([{ anonymous_id: ANON, event: 'pageview' }, { user_id: `u${i}`, event: 'pageview' }]);
    await segment('track', { userId: ERIKA, anonymousId: ANON, event: 'bought', properties: { mail: MAIL } });
    await posthog({ event: 'clicked', distinct_id: ERIKA, properties: { $current_url: 'https://shop.example/x' } });
    erikas += 4;
  }
};
await segment('identify', { userId: ERIKA, anonymousId: ANON, traits: { email: MAIL } });
erikas++;
await history(20);
await s.visible(1 + 20 * 8);
assert.equal((await weir(['archive', 'flush', '--data', s.data], { timeout: 120000 })).code, 0);
await history(20); // these stand in the hour that is open, and in active segments
await s.visible(1 + 40 * 8);

/** An older Node.js has no zstd; without the command either, objects are looked at as they lie there. */
const hasZstd = (() => { try { execFileSync('zstd', ['--version']); return true; } catch { return false; } })();
const unpack = (f, bytes) => (zlib.zstdDecompressSync ? zlib.zstdDecompressSync(bytes) : hasZstd ? execFileSync('zstd', ['-dc'], { input: bytes, maxBuffer: 256 << 20 }) : bytes);
/** Every file of the data folder that holds one of the words, archive objects unpacked. */
const found = (...words) => [...contentsBelow(s.data)].filter(([f, bytes]) => {
  const plain = f.endsWith('.zst') ? unpack(f, bytes) : bytes;
  return words.some((w) => plain.includes(w));
}).map(([f]) => f);
const rest = () => s.rows(`SELECT project_id, user_id, count() AS n, sum(cityHash64(id, event, timestamp, properties, context, visitor)) AS h FROM events WHERE user_id != '${ERIKA}' AND anonymous_id != '${ANON}' GROUP BY ALL ORDER BY ALL`);
const sessions = () => s.rows(`SELECT project_id, toString(visitor) AS v, count() AS n, sum(events) AS e FROM sessions FINAL WHERE visitor NOT IN (SELECT visitor FROM events WHERE anonymous_id = '${ANON}' OR user_id = '${ERIKA}') GROUP BY ALL ORDER BY ALL`);
const everything = (table, word) => s.rows(`SELECT count() AS n FROM ${table} WHERE position(toString(tuple(*)), '${word}') > 0`).then(([r]) => Number(r.n));
await until('sessions', async () => Number((await s.rows('SELECT sum(events) AS n FROM sessions FINAL'))[0].n) === 40 * 8);
const before = { rest: await rest(), sessions: await sessions() };

test('the words are to be found before, wherever they are then to be missed', () => {
  const where = found(ERIKA);
  for (const part of ['stream/events', ...(zlib.zstdDecompressSync || hasZstd ? ['archive/events'] : [])]) assert.ok(where.some((f) => f.includes(part)), `${part}: ${where.join('\n')}`);
});

const cohort = async (name, members) => {
  const r = await ask('POST', '/cohorts', { name, members, count_by: 'users' });
  assert.equal(r.status, 201, r.text);
  return r.json.id;
};
const inCohort = async (id) => {
  const r = await ask('POST', '/query', { metrics: ['users'], date_range: 'all', filters: [['cohort', id]] }); // the store makes its copy
  assert.equal(r.status, 200, r.text);
  return (await ask('GET', `/cohorts/${id}/members`)).json.data.map((m) => m.user_id).sort();
};
let listed;
test('the user is in a list that somebody entered', async () => {
  listed = await cohort('listed', [OTTO, ERIKA, 'u1']);
  assert.deepEqual(await inCohort(listed), [ERIKA, OTTO, 'u1']);
  assert.ok(found(ERIKA).some((f) => f.includes('state.db')));
});

let odd = [];
const exported = async (body, key) => {
  const r = await ask('POST', '/privacy/export', body, key);
  assert.equal(r.status, 200, r.text);
  assert.match(r.headers.get('content-type'), /ndjson/);
  return r.text.split('\n').filter(Boolean).map((l) => JSON.parse(l));
};
test('everything about one user can be had: events with traits, sessions', async () => {
  const lines = await exported({ user_ids: [ERIKA], anonymous_ids: [ANON] });
  const events = lines.filter((l) => l.event), visits = lines.filter((l) => l.session);
  assert.equal(events.length, erikas);
  assert.ok(events.every((e) => e.user_id === ERIKA || e.anonymous_id === ANON));
  assert.equal(events.find((e) => e.kind === 'identify').traits.email, MAIL);
  assert.equal(new Set(events.map((e) => e.id)).size, erikas);
  assert.ok(visits.length >= 1 && visits.reduce((n, v) => n + v.session.events, 0) >= erikas - 1, JSON.stringify(visits));
  assert.deepEqual(await exported({ user_ids: [ERIKA] }, other.secret), []);
  assert.deepEqual(await exported({ user_ids: [`${ERIKA}' OR '1'='1`, '\\', "'"] }), []);
  odd = ["it's", 'back\\slash', 'tab\there', "\\'", '日本"']; // whatever an id is made of
  await native(odd.map((user_id) => ({ user_id, event: 'odd' })));
  await s.visible(odd.length, `event = 'odd'`);
  for (const user_id of odd) assert.deepEqual((await exported({ user_ids: [user_id] })).filter((l) => l.event).map((e) => e.user_id), [user_id]);
  for (const body of [{}, { user_ids: 'x' }, { user_ids: [] }, []]) assert.equal((await ask('POST', '/privacy/export', body)).status, 400);
});

// What was not taken of the user lies beside it for a day; whose key it was is not always known.
const nameless = (more, key) => s.send([{ properties: { mail: MAIL }, ...more }], key ? { key } : {});
const samplesHave = (word) => everything('rejections', word);
test('the user is in samples of what was rejected', async () => {
  for (const [more, key] of [[{ user_id: ERIKA }], [{ anonymous_id: ANON }], [{ user_id: ERIKA, properties: {} }, 'wk_of_nobody_at_all_0000000000000000000'], [{ user_id: OTTO, properties: { mark: 'ottos-sample' } }]]) await nameless(more, key);
  await until('the samples', async () => await samplesHave(ERIKA) === 2 && await samplesHave(ANON) === 1 && await samplesHave('ottos-sample') === 1);
  assert.ok(found(ERIKA).some((f) => f.includes('stream/rejected')));
});

test('a dry run counts and changes nothing', async () => {
  const report = await done(await erase({ user_ids: [ERIKA], include_linked: true, dry_run: true }));
  assert.equal(place(report, 'stream events').records, erikas);
  assert.equal(place(report, 'table events').rows, erikas);
  assert.ok(place(report, 'archive').records >= erikas / 2);
  assert.equal(place(report, 'table rejections').rows, 2, 'those that are the project\'s');
  assert.equal(await everything('events', ERIKA), erikas - 40);
  assert.equal(await samplesHave(ERIKA), 2);
});

let old = ''; // an export from before

test('an export from before is kept by somebody', async () => {
  const r = await ask('GET', '/export');
  assert.equal(r.status, 200, r.text);
  old = r.text;
  assert.equal(old.split('\n').filter((l) => l.includes(ERIKA) || l.includes(ANON)).length, erikas);
});

let acked = 0;
test('what others send meanwhile is taken and stays, and the report is right', async () => {
  let isSending = true;
  const sender = (async () => {
    for (; isSending; acked += 2) await native([{ user_id: 'meanwhile', properties: { acked } }, { user_id: 'meanwhile', properties: { acked: acked + 1 } }]);
  })();
  const id = await erase({ user_ids: [ERIKA], include_linked: true, reason: 'ticket 17' });
  const report = await done(id).finally(() => { isSending = false; });
  await sender;
  assert.equal(report.reason, 'ticket 17');
  assert.deepEqual([report.report.user_ids, report.report.anonymous_ids], [1, 1]);
  assert.equal(place(report, 'stream events').records, erikas);
  assert.ok(place(report, 'stream events').objects >= 1);
  assert.equal(place(report, 'table events').rows, erikas);
  assert.ok(place(report, 'table sessions').rows >= 1);
  assert.ok(place(report, 'archive').records >= erikas / 2, 'what was archived before');
  assert.equal(place(report, 'table rejections').rows, 2);
  await s.visible(acked, `user_id = 'meanwhile'`);
  assert.deepEqual(await s.count(`user_id = 'meanwhile'`), { n: acked, ids: acked });
});

test('no file and no column holds the user; nothing of others changed', async () => {
  assert.deepEqual(await exported({ user_ids: [ERIKA], anonymous_ids: [ANON] }), []);
  assert.deepEqual(found(ERIKA, ANON, MAIL), []);
  assert.deepEqual(await inCohort(listed), [OTTO, 'u1']);
  assert.equal(await samplesHave('ottos-sample'), 1);
  for (const table of ['events', 'sessions', 'cohort_members', 'rejections']) for (const word of [ERIKA, ANON, MAIL]) assert.equal(await everything(table, word), 0);
  assert.deepEqual((await rest()).filter((r) => r.user_id !== 'meanwhile' && !odd.includes(r.user_id)), before.rest);
  for (const row of before.sessions) assert.deepEqual((await s.rows(`SELECT project_id, toString(visitor) AS v, count() AS n, sum(events) AS e FROM sessions FINAL WHERE project_id = '${row.project_id}' AND visitor = ${row.v} GROUP BY ALL`))[0], row);
});

test('stream and archive verify', async () => {
  for (const args of [['stream', 'verify'], ['archive', 'flush'], ['archive', 'verify'], ['stream', 'verify', '--stream', 'events-dead']]) {
    const r = await weir([...args, '--data', s.data], { timeout: 120000 });
    assert.equal(r.code, 0, `${args}: ${r.err}${r.out}`);
  }
  assert.deepEqual(found(ERIKA, ANON, MAIL), []);
});

test('neither a replay from the stream nor one from the archive brings the user back', async () => {
  for (const more of [[], ['--source', 'archive']]) {
    const r = await weir(['replay', ...more, '--from', '2020-01-01T00:00:00Z', '--data', s.data], { timeout: 180000 });
    assert.equal(r.code, 0, r.err + r.out);
    assert.equal(await everything('events', ERIKA), 0);
    assert.deepEqual((await rest()).filter((x) => x.user_id !== 'meanwhile' && !odd.includes(x.user_id)), before.rest);
    assert.deepEqual(await s.count(`user_id = 'meanwhile'`), { n: acked, ids: acked });
  }
});

const ms = (n) => new Date(Date.now() + n).toISOString();
const imported = async (format, text, name = 'again.ndjson') => {
  const file = path.join(tempFolder(), name);
  writeFileSync(file, text);
  return cli('import', format, file, '--project', project);
};
test('an import does not bring the user back, whoever wrote the file and whether a server runs', async (t) => {
  const rows = await s.count();
  const mine = old.split('\n').filter((l) => l.includes(ERIKA) || l.includes(ANON));
  const counts = await imported('weir', old);
  assert.deepEqual([counts.imported, counts.rejected, counts.reasons], [counts.lines - erikas, 0, { erased: erikas }]);
  const segments = (key) => [-86400e3, 86400e3 / 2].map((t) => JSON.stringify({ type: 'track', event: `of ${key}`, ...(key === ANON ? { anonymousId: ANON } : { userId: key }), timestamp: ms(t) })).join('\n');
  assert.deepEqual((await imported('segment', segments(ERIKA))).reasons, { erased: 1 }, 'what happened behind the erasure is anybody\'s');
  assert.deepEqual((await imported('segment', segments(ANON))).reasons, { erased: 1 });
  const http = await s.fetch(`/v1/projects/${project}/imports?format=weir`, { method: 'POST', headers: { 'x-api-key': importer.key, 'content-type': 'application/octet-stream' }, body: mine.join('\n') });
  assert.deepEqual([http.status, http.json?.imported, http.json?.reasons], [200, 0, { erased: erikas }], http.text);
  const lines = (text) => text.split('\n').filter(Boolean).map((l) => { const e = JSON.parse(l); delete e.page?.path; return JSON.stringify(e); }).sort();
  await s.visible(2, `event IN ('of ${ERIKA}', 'of ${ANON}')`);
  const now = lines((await ask('GET', '/export')).text);
  await s.stop();
  await t.test('the files have what the table has, by archive and stream, and nobody who was erased', async () => {
    const files = await weir(['export', '--project', project, '--data', s.data]);
    assert.equal(files.code, 0, files.err);
    assert.deepEqual(lines(files.out), now);
  });
  await t.test('what the files do not reach back to is told', async () => {
    const copy = path.join(tempFolder(), 'data');
    cpSync(s.data, copy, { recursive: true, filter: (f) => !/\/(archive|store|run)$/.test(f) });
    const segments = path.join(copy, 'stream/events/p00');
    rmSync(path.join(segments, readdirSync(segments).filter((f) => f.endsWith('.seg')).sort()[0]));
    const none = await weir(['export', '--project', project, '--data', copy]);
    assert.notEqual(none.code, 0);
    assert.match(none.err, /the oldest \d+ records are in the store only/);
    assert.equal(none.out, '');
    const part = await weir(['export', '--project', project, '--partial', '--data', copy]);
    assert.equal(part.code, 0, part.err);
    assert.match(part.err, /\d+ records \(of all projects\) are in no file any more/);
    const got = lines(part.out);
    assert.ok(got.length > 0 && got.every((l) => now.includes(l)));
  });
  assert.deepEqual((await imported('weir', mine.join('\n'))).reasons, { erased: erikas });
  await s.run();
  await s.visible(2, `event IN ('of ${ERIKA}', 'of ${ANON}')`);
  await native([{ event: 'marker' }]);
  await s.visible(1, `event = 'marker'`);
  assert.equal((await s.count()).n, rows.n + 3, 'nobody came back and nothing came twice');
  assert.equal((await s.count(`(user_id = '${ERIKA}' OR anonymous_id = '${ANON}') AND timestamp < now()`)).n, 0);
  await until('the counts', async () => {
    const { counts: told } = (await ask('GET', '/ingestion?dialect=import&reason=erased')).json;
    return told.reduce((n, x) => n + x.events, 0) === 3 * erikas + 2 || assert.fail(JSON.stringify(told));
  });
  await done(await erase({ user_ids: [ERIKA], anonymous_ids: [ANON] }));
  assert.deepEqual(found(ERIKA, ANON), []);
});

test('samples are found in whatever spelling, and only those of the user', async () => {
  const who = 'Zoë "Z" 77\\b', b64 = (o) => Buffer.from(JSON.stringify(o)).toString('base64');
  const mark = (n) => ({ mark: `spelt-${n}-` });
  const form = (text) => s.fetch('/e', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: text });
  const key = s.keys.write_key;
  const sent = [
    () => nameless({ user_id: who, properties: mark(0) }),
    () => s.send(`[{"user_id":${JSON.stringify(who).replaceAll('Z', '\\u005a')},"properties":{"mark":"spelt-1-"}}]`),
    () => s.send(`{"user_id": ${JSON.stringify(who)}, "mark": "spelt-2-", "event`),
    () => nameless({ user_id: 7700123, properties: mark(3) }),
    () => form(`data=${encodeURIComponent(b64({ api_key: key, event: '', distinct_id: who, properties: mark(4) }))}`),
    () => form(`data=${encodeURIComponent(JSON.stringify({ api_key: key, event: '', distinct_id: who, properties: mark(5) }))}`),
    () => s.fetch(`/i?aid=${key}&e=se&uid=${encodeURIComponent(who)}&se_ca=spelt-6-`, {}),
    () => s.send(`[{"user_id" :\t${JSON.stringify(who)},"properties":{"mark":"spelt-7-"}}]`),
  ];
  const others = [() => nameless({ user_id: `${who}x`, properties: mark('others') }), () => nameless({ user_id: 77001234, properties: mark('others') })];
  for (const send of [...sent, ...others]) await send();
  await until('the samples', async () => {
    for (let i = 0; i < sent.length; i++) assert.equal(await samplesHave(`spelt-${i}-`), 1, `sample ${i}: ${JSON.stringify(await s.rows('SELECT body, query, details FROM rejections ORDER BY received_at DESC LIMIT 12'))}`);
    assert.equal(await samplesHave('spelt-others-'), 2);
    return true;
  });
  const report = await done(await erase({ user_ids: [who, '7700123'] }));
  assert.equal(place(report, 'table rejections').rows, sent.length);
  assert.equal(await samplesHave('spelt-others-'), 2);
  for (let i = 0; i < sent.length; i++) assert.equal(await samplesHave(`spelt-${i}-`), 0, `sample ${i}`);
});

test('another tenant neither sees nor touches it, and has its user of the same name still', async () => {
  const mine = (await ask('GET', '/erasures')).json.data;
  assert.equal(mine.length, 4);
  assert.equal((await ask('GET', `/erasures/${mine[0].id}`, undefined, other.secret)).status, 404);
  assert.deepEqual((await ask('GET', '/erasures', undefined, other.secret)).json.data, []);
  const report = await done(await erase({ user_ids: [OTTO] }));
  assert.equal(place(report, 'table events').rows, 40);
  assert.equal((await s.count(`project_id = '${other.project}' AND user_id = '${OTTO}'`)).n, 40);
  assert.equal((await s.count(`project_id = '${project}' AND user_id = '${OTTO}'`)).n, 0);
});

test('who comes back afterwards is taken again', async () => {
  await native([{ user_id: ERIKA }]);
  await s.visible(1, `user_id = '${ERIKA}'`);
  await done(await erase({ user_ids: [ERIKA] }));
  assert.equal(await everything('events', ERIKA), 0);
});

test('killed again and again in the middle, it ends, with the report right', async () => {
  const N = 400;
  for (let i = 0; i < N / 20; i++) await native(Array.from({ length: 20 }, (_, k) => ({ user_id: k % 4 ? `x${k}` : 'killed-user-99', properties: { pad: 'p'.repeat(300) } })));
  await s.visible(N, `user_id LIKE 'x%' OR user_id = 'killed-user-99'`);
  assert.equal((await weir(['archive', 'flush', '--data', s.data], { timeout: 120000 })).code, 0);
  const others = await s.count(`user_id LIKE 'x%'`);
  const id = await erase({ user_ids: ['killed-user-99'] });
  for (const ms of [0, 30, 120, 300, 700, 1200]) {
    await sleep(ms);
    await s.kill9();
    await s.run();
  }
  const report = await done(id);
  assert.equal(place(report, 'stream events').records, N / 4);
  assert.equal(place(report, 'table events').rows, N / 4);
  assert.deepEqual(found('killed-user-99'), []);
  await until('the store', async () => (await s.count()).n > 0);
  assert.deepEqual(await s.count(`user_id LIKE 'x%'`), others);
  for (const args of [['stream', 'verify'], ['archive', 'flush'], ['archive', 'verify']]) {
    const r = await weir([...args, '--data', s.data], { timeout: 120000 });
    assert.equal(r.code, 0, `${args}: ${r.err}${r.out}`);
  }
  assert.deepEqual(found('killed-user-99'), []);
});

test('a backup from before that is put back forgets the user again', async () => {
  const backup = path.join(tempFolder(), 'backup'), data = path.join(tempFolder(), 'data');
  await native(Array.from({ length: 10 }, (_, i) => ({ user_id: i % 2 ? 'in-the-backup-7' : 'stays-7' })));
  await s.visible(10, `user_id IN ('in-the-backup-7', 'stays-7')`);
  assert.equal((await weir(['backup', '--to', backup, '--data', s.data], { timeout: 120000 })).code, 0);
  await done(await erase({ user_ids: ['in-the-backup-7'] }));
  const restored = await weir(['restore', '--from', backup, '--erasures', s.data, '--data', data], { timeout: 120000 });
  assert.equal(restored.code, 0, restored.err);
  assert.match(restored.out, /erasures are carried out again/);
  const r = await Server.start({ data, init: false });
  try {
    await until('the erasures', async () => (await (await fetch(`${r.url}/v1/projects/${project}/erasures`, { headers: { 'x-api-key': secret.key } })).json()).data.every((e) => e.status === 'done'), 120000);
    assert.deepEqual(await r.count(`user_id IN ('in-the-backup-7', 'stays-7')`), { n: 5, ids: 5 });
    assert.deepEqual([...contentsBelow(data)].filter(([, bytes]) => bytes.includes('in-the-backup-7')), []);
  } finally {
    await r.kill9();
  }
});

test('requests that cannot be meant are refused', async () => {
  for (const [body, why] of [[{}, /1 to 1000 ids/], [{ user_ids: 'x' }, /a list/], [{ user_ids: [''] }, /1 to 200/], [{ devices: ['XYZ'] }, /hex/], [{ user_ids: ['abc'], reason: 'abc left' }, /names an id/], [{ users: ['x'] }, /no meaning/]]) {
    const r = await ask('POST', '/erasures', body);
    assert.equal(r.status, 400, r.text);
    assert.match(r.text, why);
  }
  const reader = await cli('key', 'create', '--project', project, '--kind', 'secret', '--scopes', 'stats:read');
  await until('the key is known, and lacks the permission', async () => (await ask('POST', '/erasures', { user_ids: ['x'] }, reader.key)).status === 403);
});

test('the command line does the same, and waits for the report', async () => {
  await native([{ user_id: 'cli-user' }]);
  await s.visible(1, `user_id = 'cli-user'`);
  const r = await weir(['erase', '--project', project, '--user', 'cli-user', '--dry-run', '--data', s.data], { timeout: 120000 });
  assert.equal(r.code, 0, r.err);
  assert.equal(place(r.json, 'table events').rows, 1);
});
test('it stops', () => s.stop());
