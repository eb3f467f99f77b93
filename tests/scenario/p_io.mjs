// p: data in and out. Random events through several dialects come out as NDJSON, go into another project, and come out
// there byte for byte the same; CSV and Parquet are read back by the engine itself. WEIR_TEST_SEED=N repeats one run.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import path from 'node:path';
import { ROOT, Server, assert, seeded, tempFolder, test, until, weir } from './harness.mjs';

const seed = Number(process.env.WEIR_TEST_SEED || 1 + Math.floor(Math.random() * 1e6));
console.log(`WEIR_TEST_SEED=${seed}`);
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
await until('the store', async () => (await s.fetch('/readyz')).json.store === 'ok', 60000);
const folder = tempFolder();
const A = s.keys.project;

/** A key that the running server knows, and with it all that was changed before. */
async function newKey(id) {
  const key = await weir(['key', 'create', '--project', id, '--kind', 'secret', '--scopes', 'stats:read,events:import', '--data', s.data, '--json']);
  assert.equal(key.code, 0, key.err);
  await until('the key', async () => (await s.fetch(`/v1/projects/${id}/export`, { headers: { 'x-api-key': key.json.key } })).status === 200);
  return key.json.key;
}
async function seesSettings(id, ...words) {
  const set = await weir(['project', 'set', id, ...words, '--data', s.data]);
  assert.equal(set.code, 0, set.err);
  return newKey(id);
}
async function newProject(name, ...settings) {
  const made = await weir(['project', 'create', name, '--data', s.data, '--json']);
  assert.equal(made.code, 0, made.err);
  const { id } = made.json;
  return { id, key: settings.length ? await seesSettings(id, ...settings) : await newKey(id) };
}
const own = { id: A, key: s.keys.secret_key };
const exported = async (project, query = '', headers = {}) => s.fetch(`/v1/projects/${project.id}/export${query}`, { headers: { 'x-api-key': project.key, ...headers } });
const imports = async (project, format, body, more = '') => s.fetch(`/v1/projects/${project.id}/imports?format=${format}${more}`, { method: 'POST', headers: { 'x-api-key': project.key, 'content-type': 'application/octet-stream' }, body });
const rowsOf = async (project) => Number((await s.rows(`SELECT count() AS n FROM events WHERE project_id = '${project.id}'`))[0].n);

/** The projector has seen all that was sent so far: a marker behind it in each partition would do; here the counts say it. */
const settled = (project, n) => until(`${n} rows`, async () => (await rowsOf(project)) === n, 60000);
/** Nothing more came: what was sent later is there. */
async function passed() {
  const before = (await s.count(`event = 'marker'`)).n;
  for (let i = 0; i < 8; i++) await s.send({ event: 'marker', anonymous_id: `m${i}` }); // both partitions
  await s.visible(before + 8, `event = 'marker'`);
}

// ---- random events ----
const r = seeded(seed);
const below = (n) => Math.floor(r() * n);
const pick = (list) => list[below(list.length)];
const chance = (p) => r() < p;
const odd = ['plain', 'mit "Quotes", Komma', 'zwei\nZeilen', 'tab\there', '=1+1', '\\back\\', 'Grüße 🦊', "o'b", '\u2028\u0001', '/a/b?c=d&e#f', ' ', '{"a":1}'];
const agents = ['Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36', 'curl/8.0'];
const hints = { 'sec-ch-ua': '"Chromium";v="139", "Not;A=Brand";v="99"', 'sec-ch-ua-platform': '"Windows"', 'sec-ch-ua-platform-version': '"15.0.0"', 'sec-ch-ua-mobile': '?0' };
const start = Date.parse('2026-03-01T00:00:00Z');
const when = () => new Date(start + below(3 * 86400e3) + below(1000)).toISOString();
const value = (depth = 0) => pick([() => pick(odd), () => below(1000), () => below(1000) / 8, () => 12345678901234567890n, () => true, () => null, () => [1, pick(odd)], () => (depth > 2 ? 'deep' : { [pick(['k', 'a.b', 'ü'])]: value(depth + 1) })])();
const text = (o) => JSON.stringify(o, (k, v) => (typeof v === 'bigint' ? `#${v}#` : v)).replace(/"#(\d+)#"/g, '$1');
const properties = () => Object.fromEntries(Array.from({ length: below(4) }, () => [pick(['plan', 'n', 'x y', 'q"']), value()]));
const person = () => `user ${below(5)}`;
function native() {
  const kind = chance(0.3) ? pick(['identify', 'alias', 'group', 'engagement', 'vital']) : undefined;
  const e = { ...(chance(0.7) ? { id: chance(0.5) ? randomUUID() : `order ${below(1e9)}` } : {}), ...(kind ? { kind } : { event: pick(['pageview', 'signup', ...odd]) }), timestamp: when(), properties: properties() };
  if (chance(0.5)) e.user_id = person();
  if (chance(0.5)) e.anonymous_id = `a${below(9)}`;
  if (chance(0.3)) e.session_id = pick(odd);
  if (chance(0.2)) e.interactive = false;
  if (chance(0.2)) Object.assign(e, { engagement_ms: below(9999), scroll: below(101) });
  if (chance(0.2)) e.revenue = { amount: pick(['12.5', '-3', '0.0001', '99999999999999.9999', '7']), currency: pick(['EUR', 'usd']) };
  if (chance(0.2)) e.group = { type: pick(['', 'company', 'a"b']), id: pick(odd) };
  if (e.group && chance(0.5)) e.groups = { [pick(['crew', 'a"b', 'ü'])]: pick(odd), zoo: 'z' };
  if (e.group && chance(0.5)) e.groups = { [pick(['crew', 'a"b', 'ü'])]: pick(odd), zoo: 'z' };
  if (chance(0.2)) e.previous_id = person();
  if (chance(0.2)) Object.assign(e, { traits: properties(), traits_once: properties() });
  e.context = { page: chance(0.6) ? { url: `https://Shop.example:8443${pick(['/', '/a/B/', '/%C3%A4?utm_source=news&gclid=1', ''])}`, title: pick(odd), referrer: pick(['', 'https://google.com/', 'https://a.example/x']) } : {}, locale: pick(['de-DE', 'en']), timezone: 'Europe/Berlin', ...(chance(0.4) ? { screen: { width: below(4000), height: below(3000) } } : {}), ...(chance(0.5) ? { user_agent: pick(agents) } : {}), more: value() };
  return e;
}
async function sendRandom() {
  let n = 0;
  const ok = async (answer, count = 1) => { assert.ok((await answer).status < 300, (await answer).text); n += count; };
  for (let i = 0; i < 60; i++) await ok(s.send(text(Array.from({ length: 5 }, native)), { headers: chance(0.5) ? { origin: 'https://shop.example', 'user-agent': pick(agents), ...(chance(0.5) ? hints : {}), ...(chance(0.2) ? { 'sec-gpc': '1' } : {}) } : {} }), 5);
  for (let i = 0; i < 20; i++) await ok(s.fetch('/batch/', { method: 'POST', headers: { 'content-type': 'application/json' }, body: text({ api_key: s.keys.write_key, batch: [{ event: pick(['$pageview', 'paid', '$identify']), uuid: randomUUID(), distinct_id: person(), timestamp: when(), properties: { $current_url: 'https://shop.example/ph?utm_medium=cpc', $session_id: randomUUID(), $device_id: `d${below(5)}`, $set: { plan: pick(odd) }, ...properties() } }] }) }));
  for (let i = 0; i < 20; i++) await ok(s.fetch('/v1/batch', { method: 'POST', headers: { authorization: `Basic ${btoa(`${s.keys.write_key}:`)}` }, body: text({ batch: [{ type: pick(['track', 'page', 'identify']), event: 'Order', messageId: `m-${i}-${seed}`, userId: person(), timestamp: when(), properties: { revenue: below(100), currency: 'EUR', ...properties() }, traits: properties(), context: { ip: '8.8.8.8', page: { url: 'https://shop.example/seg' }, userAgent: agents[1] } }] }) }));
  for (let i = 0; i < 20; i++) await ok(s.fetch('/api/event', { method: 'POST', headers: { 'content-type': 'text/plain', 'user-agent': pick(agents), origin: 'https://shop.example', ...(chance(0.5) ? hints : {}) }, body: JSON.stringify({ n: pick(['pageview', 'Download']), u: `https://shop.example/p${below(3)}`, d: s.keys.write_key, r: 'https://bing.com/', p: { a: pick(odd) } }) }));
  return n;
}

const sent = await sendRandom();
await settled(own, sent);
const B = await newProject('B');

test('a round trip changes nothing', async (t) => {
  const first = await exported(own);
  assert.equal(first.status, 200);
  assert.match(first.headers.get('content-type'), /^application\/x-ndjson/);
  const lines = first.text.trimEnd().split('\n');
  assert.equal(lines.length, sent);
  for (const line of lines) assert.ok(!JSON.parse(line).project && !('dedupe' in JSON.parse(line)));
  assert.ok(!first.text.includes('8.8.8.8'), 'no address');
  assert.ok(lines.some((l) => JSON.parse(l).hints?.platform_version), 'what browsers say of themselves');
  const file = path.join(folder, 'a.ndjson.gz');
  await t.test('the command writes the same bytes', async () => {
    const out = path.join(folder, 'a.ndjson');
    const r = await weir(['export', '--project', A, '--out', out, '--data', s.data]);
    assert.equal(r.code, 0, r.err);
    assert.equal(readFileSync(out, 'utf8'), first.text);
    writeFileSync(file, gzipSync(first.text));
  });
  for (const how of ['by the command', 'over HTTP']) {
    await t.test(`imported ${how}`, async () => {
      const counts = how === 'over HTTP' ? (await imports(B, 'weir', gzipSync(first.text))).json : (await weir(['import', 'weir', file, '--project', B.id, '--data', s.data, '--json'])).json;
      assert.deepEqual([counts.lines, counts.imported, counts.rejected, counts.bad], [sent, sent, 0, []]);
      if (how !== 'over HTTP') await settled(B, sent);
      else await passed();
      const second = await exported(B);
      assert.equal(second.text, first.text, 'byte for byte, and the second import has added nothing');
    });
  }
  await t.test('every column that is not of the project or of the way is the same', async () => {
    const skip = new Set(['project_id', 'stream_partition', 'stream_offset', 'dedupe']);
    const columns = (await s.rows(`SELECT name FROM system.columns WHERE database = 'weir' AND table = 'events'`)).map((c) => c.name).filter((c) => !skip.has(c));
    const digest = async (project) => (await s.rows(`SELECT ${columns.map((c) => `groupBitXor(cityHash64(id, ${c})) AS h_${c}`)} FROM events WHERE project_id = '${project}' AND event != 'marker'`))[0];
    assert.deepEqual(await digest(B.id), await digest(A));
  });
  await t.test('and so are the reports', async () => {
    const range = ['2026-02-28', '2026-03-05'];
    const ask = async (project, more) => { const a = await s.fetch(`/v1/projects/${project.id}/query`, { method: 'POST', headers: { 'x-api-key': project.key, 'content-type': 'application/json' }, body: JSON.stringify({ date_range: range, ...more }) }); assert.equal(a.status, 200, a.text); return a.json.results; };
    for (const more of [{ metrics: ['visitors', 'visits', 'pageviews', 'events', 'bounce_rate', 'visit_duration', 'total_revenue'] }, { metrics: ['visitors', 'events'], dimensions: ['browser', 'os'] }, { metrics: ['visits'], dimensions: ['channel', 'source'] }, { metrics: ['events'], dimensions: ['event', 'property:plan'] }]) {
      const of = (answer) => JSON.stringify(answer);
      await until(`sessions: ${JSON.stringify(more)}`, async () => of(await ask(B, more)) === of(await ask(own, more)));
    }
  });
});

test('a range, and gzip', async () => {
  const whole = (await exported(B)).text.split('\n').filter(Boolean);
  const day = (await exported(B, '?from=2026-03-02&to=2026-03-02')).text.split('\n').filter(Boolean);
  assert.deepEqual(day, whole.filter((l) => JSON.parse(l).timestamp.startsWith('2026-03-02')));
  assert.ok(day.length > 0 && day.length < whole.length);
  const instants = (await exported(B, '?from=2026-03-02T06:00:00Z&to=2026-03-02T12:00:00%2B00:00')).text.split('\n').filter(Boolean);
  assert.deepEqual(instants, day.filter((l) => { const t = JSON.parse(l).timestamp; return t >= '2026-03-02T06' && t < '2026-03-02T12'; }));
  const packed = await exported(B, '', { 'accept-encoding': 'gzip' });
  assert.equal(packed.headers.get('content-encoding'), 'gzip');
  assert.deepEqual(packed.text.split('\n').filter(Boolean), whole);
  for (const bad of ['?format=xml', '?from=yesterday', '?to=2026-02-30']) assert.equal((await exported(B, bad)).status, 400, bad);
});

test('CSV and Parquet are what the table has', async () => {
  const header = (await exported(B, '?format=csv')).text.split('\n')[0].split(',');
  const texts = { id: 'toString(id)', device: `if(device = 0, '', leftPad(lower(hex(device)), 16, '0'))` };
  const shown = header.map((c) => `toString(${c}) AS ${c}_`).join();
  const types = Object.fromEntries((await s.rows(`SELECT name, type FROM system.columns WHERE database = 'weir' AND table = 'events'`)).map((c) => [c.name, c.type]));
  const table = await s.rows(`SELECT ${header.map((c) => `${texts[c] ?? `toString(${c})`} AS ${c}_`).join()} FROM events WHERE project_id = '${B.id}' ORDER BY id_`);
  assert.equal(table.length, await rowsOf(B));
  for (const [format, engine] of [['csv', 'CSVWithNames'], ['parquet', 'Parquet']]) {
    const answer = await fetch(`${s.url}/v1/projects/${B.id}/export?format=${format}`, { headers: { 'x-api-key': B.key } });
    assert.equal(answer.status, 200);
    const made = await s.storeExec(`CREATE TABLE io_${format} (${header.map((c) => `${c} ${texts[c] ? 'String' : types[c]}`).join()}) ENGINE = Memory`);
    assert.equal(made.status, 200, made.text);
    const put = await s.storePost(`INSERT INTO io_${format} FORMAT ${engine}`, Buffer.from(await answer.arrayBuffer()), '&date_time_input_format=best_effort');
    assert.equal(put.status, 200, put.text);
    assert.deepEqual(await s.rows(`SELECT ${shown} FROM io_${format} ORDER BY id_`), table, format);
  }
});

/** RFC 4180, the other way round. */
function parseCsv(text) {
  const rows = [[]];
  for (const m of text.matchAll(/("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n)/g)) {
    rows.at(-1).push(m[1].startsWith('"') ? m[1].slice(1, -1).replaceAll('""', '"') : m[1]);
    if (m[2] !== ',') rows.push([]);
  }
  rows.pop();
  return rows;
}

test('every report is CSV too, and no cell is a formula', async () => {
  const ask = (question, headers = {}, query = '') => s.fetch(`/v1/projects/${B.id}/query${query}`, { method: 'POST', headers: { 'x-api-key': B.key, 'content-type': 'application/json', ...headers }, body: JSON.stringify({ date_range: ['2026-02-28', '2026-03-05'], ...question }) });
  const flat = (value, name, out) => {
    if (value === null || typeof value !== 'object') out[name] = value === null ? '' : typeof value === 'string' ? (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value) : value;
    else for (const [k, v] of Object.entries(value)) flat(v, [name, Array.isArray(value) ? Number(k) + 1 : k].filter((x) => x !== '').join('.'), out);
    return out;
  };
  const questions = [
    { metrics: ['visitors', 'events', 'bounce_rate', 'total_revenue'], dimensions: ['event', 'property:plan'], include: { compare: ['2026-03-01', '2026-03-02'] } },
    { metrics: ['events'], dimensions: ['time:day'] },
    { metrics: ['events', 'visitors'] },
    { report: 'funnel', steps: [{ event: 'pageview' }, { event: 'signup', name: '=Sign "up"' }], window: 86400 },
    { report: 'retention', unit: 'day', type: 'recurring' },
  ];
  for (const question of questions) {
    const json = await ask(question), csv = await ask(question, { accept: 'text/csv' });
    assert.equal(json.status, 200, json.text);
    assert.equal(csv.status, 200, csv.text);
    assert.match(csv.headers.get('content-type'), /^text\/csv/);
    const [header, ...rows] = parseCsv(csv.text);
    assert.equal(rows.length, json.json.results.length);
    assert.ok(rows.every((row) => row.length === header.length));
    json.json.results.forEach((result, i) => {
      const named = { ...result, ...Object.fromEntries(Object.entries({ dimensions: result.dimensions, metrics: result.metrics }).map(([k]) => [k, undefined])) };
      for (const k of ['dimensions', 'metrics']) delete named[k];
      const want = {};
      const asked = { dimensions: question.dimensions ?? [], metrics: question.metrics ?? [] };
      for (const k of ['dimensions', 'metrics']) (result[k] ?? []).forEach((v, n) => flat(v, asked[k][n] ?? String(n + 1), want));
      if (named.comparison) { named.comparison.metrics.forEach((v, n) => flat(v, `comparison.${asked.metrics[n]}`, want)); delete named.comparison; }
      flat(named, '', want);
      const got = Object.fromEntries(header.map((h, n) => [h, typeof want[h] === 'number' ? Number(rows[i][n]) : rows[i][n]]).filter(([h, v]) => v !== '' || h in want));
      assert.deepEqual(got, want, `${JSON.stringify(question)} row ${i}`);
    });
  }
  assert.ok((await ask(questions[0], { accept: 'text/csv' })).text.includes(`"'=1+1"`), 'what visitors sent is disarmed');
  assert.match((await ask(questions[0], {}, '?format=csv')).headers.get('content-type'), /^text\/csv/);
  assert.match((await ask(questions[0], { accept: 'text/csv, application/json' })).headers.get('content-type'), /json/);
  assert.equal((await ask({ ...questions[2], date_range: ['2020-01-01', '2020-01-02'], dimensions: ['event'] }, { accept: 'text/csv' })).text, 'event,events,visitors\r\n');
  assert.equal((await ask({ metrics: ['nothing'] }, { accept: 'text/csv' })).status, 400);
});

test('another tenant\'s events are not in it', async () => {
  const C = await newProject('C');
  assert.equal((await exported(C)).text, '');
  assert.equal((await s.fetch(`/v1/projects/${A}/export`, { headers: { 'x-api-key': C.key } })).status, 404);
  assert.equal((await s.fetch(`/v1/projects/${A}/imports?format=weir`, { method: 'POST', headers: { 'x-api-key': C.key, 'content-type': 'application/octet-stream' }, body: '{}' })).status, 404);
  assert.equal((await s.fetch(`/v1/projects/${A}/imports?format=weir`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key, 'content-type': 'application/octet-stream' }, body: '{}' })).status, 403, 'reading is not importing');
});

test('a bad line is told with its number and does not end the import; too many do', async () => {
  const D = await newProject('D');
  const good = (i) => JSON.stringify({ id: randomUUID(), event: 'e', timestamp: `2026-01-01T00:00:0${i}Z`, anonymous_id: 'x' });
  const body = [good(0), '{"event":', good(1), '', '{"event":"e"}', `{"event":"e","timestamp":"2026-01-01T00:00:00Z","kind":"odd"}`, good(2)].join('\n');
  const a = await imports(D, 'weir', body);
  assert.equal(a.status, 200, a.text);
  assert.deepEqual([a.json.lines, a.json.imported, a.json.rejected], [6, 3, 3]);
  assert.deepEqual(a.json.bad.map((b) => b.line), [2, 4, 5]);
  assert.deepEqual(a.json.reasons, { bad_json: 1, bad_value: 2 });
  const stopped = await imports(D, 'weir', `${good(3)}\n${'{}\n'.repeat(5)}`, '&max_bad=2');
  assert.equal(stopped.status, 400);
  assert.match(stopped.json.detail, /more than 2 lines are bad.*line 2: .*1 events of the first 4 lines are kept/);
  const again = await imports(D, 'weir', `${good(4)}\n${good(5)}\n${good(6)}`, '&skip=2');
  assert.deepEqual([again.json.lines, again.json.imported], [3, 1]);
  await settled(D, 5);
  for (const [format, status] of [['nothing', 400], ['', 400]]) assert.equal((await imports(D, format, good(1))).status, status);
  assert.equal((await imports(D, 'weir', '')).status, 400);
  const cut = gzipSync(`${good(7)}\n`.repeat(100));
  assert.equal((await imports(D, 'weir', cut.subarray(0, cut.length - 12))).status, 400);
});

test('an import counts against the quota, and what it does not take is told by reason', async () => {
  const Q = await newProject('Q', 'events_per_month_max=20');
  const lines = (n) => Array.from({ length: n }, () => JSON.stringify({ id: randomUUID(), event: 'e', timestamp: '2026-01-01T00:00:00Z', received_at: new Date().toISOString(), source: 'api', anonymous_id: 'x' })).join('\n');
  const file = path.join(folder, 'quota.ndjson');
  const byCommand = async (text, ...more) => { writeFileSync(file, text); return weir(['import', 'weir', file, '--project', Q.id, '--data', s.data, '--json', ...more]); };
  const counts = async (want) => until(`counts ${JSON.stringify(want)}`, async () => {
    const got = {};
    for (const c of (await s.fetch(`/v1/projects/${Q.id}/ingestion`, { headers: { 'x-api-key': Q.key } })).json.counts) got[`${c.dialect}/${c.outcome}`] = (got[`${c.dialect}/${c.outcome}`] ?? 0) + c.events;
    assert.deepEqual(got, want);
    return true;
  });
  assert.equal((await imports(Q, 'weir', lines(12))).json.imported, 12);
  assert.equal((await byCommand(lines(12))).json.imported, 12, 'a batch that begins below the maximum is taken whole');
  const over = await imports(Q, 'weir', `${lines(3)}\n{"event":`);
  assert.equal(over.status, 429, over.text);
  assert.match(over.json.detail, /used up its events of this month.*0 events of the first 0 lines are kept/);
  assert.ok(Number(over.headers.get('retry-after')) > 1);
  const told = await byCommand(lines(4));
  assert.equal(told.code, 75, 'later, perhaps');
  assert.match(told.err, /used up its events of this month/);
  assert.equal(told.json.reasons.quota, 4);
  await counts({ 'api/accepted': 24, 'import/quota': 7, 'import/bad_json': 1 });
  const warnings = (await weir(['stream', 'cat', '--stream', 'audit', '--data', s.data])).out.split('\n').filter((l) => l.includes('project.quota_warning') && l.includes(Q.id));
  assert.equal(warnings.length, 1, 'its owners were warned once');
  await seesSettings(Q.id, 'events_per_month_max=0');
  assert.deepEqual((await byCommand(`${lines(1)}\n{"event":\n${'x'.repeat((4 << 20) + 1)}\n{"event":"e"}`)).json.reasons, { bad_json: 1, too_long: 1, bad_value: 1 });
  await counts({ 'api/accepted': 25, 'import/quota': 7, 'import/bad_json': 2, 'import/bad_line': 1, 'import/bad_value': 1 });
});

test('sums of Plausible\'s are kept apart, and count for the days before the first own event', async () => {
  const F = await newProject('F');
  const file = (name) => readFileSync(path.join(ROOT, `tests/data/import/imported_${name}.csv`));
  const ask = (more, include = { imports: true }) => s.fetch(`/v1/projects/${F.id}/query`, { method: 'POST', headers: { 'x-api-key': F.key, 'content-type': 'application/json' }, body: JSON.stringify({ date_range: ['2025-12-29', '2026-01-31'], metrics: ['visitors', 'visits', 'pageviews', 'bounce_rate', 'visit_duration', 'views_per_visit'], include, ...more }) });
  const results = async (more, include) => { const a = await ask(more, include); assert.equal(a.status, 200, a.text); return a.json.results.map((r) => [...r.dimensions, ...r.metrics]); };
  for (let i = 0; i < 2; i++) { // the second time changes nothing
    const sources = await imports(F, 'plausible', file('sources'));
    assert.deepEqual([sources.json.lines, sources.json.imported, sources.json.rejected, sources.json.bad.map((b) => b.line)], [6, 4, 2, [5, 6]], sources.text);
    for (const name of ['visitors', 'pages']) {
      const r = await weir(['import', 'plausible', path.join(ROOT, `tests/data/import/imported_${name}.csv`), '--project', F.id, '--data', s.data, '--json']);
      assert.equal(r.code, 0, r.err);
      assert.equal(r.json.rejected, 0);
    }
  }
  const zip = await imports(F, 'plausible', readFileSync(path.join(ROOT, 'tests/data/import/plausible.zip')));
  assert.deepEqual([zip.json.lines, zip.json.imported, zip.json.rejected], [6 + 3 + 1, 4 + 3 + 1, 2], `and so does the archive that they come in: ${zip.text}`);
  const one = (v, views, bounces, visits, seconds) => [v, visits, views, 100 * bounces / visits, seconds / visits, views / visits];
  // Nothing of its own yet: everything counts, 10 January as well.
  assert.deepEqual(await results({}), [one(10 + 12 + 999, 30 + 25 + 999, 6 + 6 + 999, 12 + 12 + 999, 1200 + 840 + 999)]);
  assert.deepEqual(await results({}, {}), [[0, 0, 0, null, null, null]]);
  // An own visit on 10 January, of two pages in a minute: the imported 10 January is over.
  const visit = ['00', '01'].map((m) => JSON.stringify({ id: randomUUID(), event: 'pageview', timestamp: `2026-01-10T10:${m}:00Z`, anonymous_id: 'v', page: { url: 'https://shop.example/a?utm_source=Google', referrer: 'https://www.google.com/' } }));
  assert.equal((await imports(F, 'weir', visit.join('\n'))).json.imported, 2);
  await settled(F, 2);
  const total = one(10 + 12 + 1, 30 + 25 + 2, 6 + 6, 12 + 12 + 1, 1200 + 840 + 60);
  await until('the session', async () => JSON.stringify(await results({})) === JSON.stringify([total]));
  assert.deepEqual(await results({ dimensions: ['source'] }), [['Google', ...one(19, 52, 8, 21, 2060)], ['', ...one(4, 5, 4, 4, 40)]]);
  const first = (await ask({ dimensions: ['source'], metrics: ['visits'], limit: 1 }, { imports: true, total_rows: true })).json;
  assert.deepEqual([first.results.map((r) => [...r.dimensions, ...r.metrics]), first.meta.total_rows], [[['Google', 21]], 2]);
  assert.deepEqual((await results({ dimensions: ['source'], metrics: ['visits'], limit: 1, ...(first.meta.next_cursor ? { cursor: first.meta.next_cursor } : { offset: 1 }) })), [['', 4]]);
  assert.deepEqual((await results({ dimensions: ['page'], metrics: ['visitors', 'pageviews'] })), [['/a', 9, 14]]);
  // Filters, where one file has their columns and the dimensions'.
  const visitors = (more) => results({ metrics: ['visitors'], ...more });
  assert.deepEqual(await results({ filters: [['is', 'source', ['Google']]] }), [one(19, 52, 8, 21, 2060)]);
  assert.deepEqual(await visitors({ filters: [['is_not', 'source', ['google'], { case_sensitive: false }]] }), [[4]]);
  assert.deepEqual(await visitors({ filters: [['or', [['is', 'source', ['Bing']], ['not', ['exists', 'source']]]]] }), [[4]]);
  assert.deepEqual(await visitors({ dimensions: ['time:day', 'source'], filters: [['matches', 'source', ['^Goo']]] }), [['2025-12-30', 'Google', 10], ['2025-12-31', 'Google', 8], ['2026-01-10', 'Google', 1]]);
  assert.deepEqual(await visitors({ dimensions: ['source', 'utm_source'], filters: [['contains', 'source', ['oo']]] }), [['Google', '', 18], ['Google', 'Google', 1]]);
  assert.deepEqual(await visitors({ dimensions: ['page'], filters: [['is', 'hostname', ['shop.example']]] }), [['/a', 9]]);
  assert.deepEqual(await visitors({ dimensions: ['page'], filters: [['contains', 'page', ["/b', '"]]] }), []);
  assert.deepEqual(await visitors({ dimensions: ['page'], filters: [['is', 'event', ['pageview']]] }), [['/a', 9]], 'what was counted are page views');
  assert.deepEqual(await visitors({ filters: [['is_not', 'event', ['pageview']]] }), [[0]]);
  const soft = async (more) => { const a = await ask({ metrics: ['visitors'], ...more }, { imports: 'where_known' }); assert.equal(a.status, 200, a.text); return [a.json.results.map((x) => x.metrics[0]), a.json.meta.imports_included]; };
  assert.deepEqual([await soft({}), await soft({ dimensions: ['city'] }), await soft({ metrics: ['events'] })], [[[23], true], [[1], false], [[2], false]]);
  const ever = (await ask({ metrics: ['visitors'], date_range: 'all' })).json;
  assert.deepEqual([ever.results[0].metrics, ever.query.date_range[0].slice(0, 10)], [[23], '2025-12-30'], 'all begins with the first of either');
  // Beside another range: either may be of imported days, of own ones, or of both.
  const compared = async (from, to, compare, more) => (await ask({ metrics: ['visitors', 'bounce_rate'], date_range: [from, to], ...more }, { imports: true, compare, total_rows: true })).json;
  const both = (answer) => answer.results.map((x) => [...x.dimensions, ...x.metrics, ...x.comparison.metrics]);
  const eve = await compared('2025-12-31', '2025-12-31', 'previous_period', { dimensions: ['source'] });
  assert.deepEqual([both(eve), eve.meta.total_rows], [[['Google', 8, 25, 10, 50], ['', 4, 100, 0, null]], 2], JSON.stringify(eve));
  assert.deepEqual(both(await compared('2026-01-10', '2026-01-10', ['2025-12-30', '2025-12-31'], { dimensions: ['source'] })), [['Google', 1, 0, 18, 40]], 'sources of the other range alone have no row');
  assert.deepEqual(both(await compared('2025-12-30', '2025-12-30', ['2026-01-10', '2026-01-10'], { dimensions: ['source'] })), [['Google', 10, 50, 1, 0]]);
  assert.deepEqual(both(await compared('2025-12-31', '2025-12-31', ['2025-12-29', '2026-01-31'], {})), [[12, 50, 23, 48]]);
  assert.deepEqual(both(await compared('2026-01-09', '2026-01-10', ['2025-12-30', '2025-12-31'], { dimensions: ['time:day'] })), [['2026-01-09', 0, null, 10, 50], ['2026-01-10', 1, 0, 12, 50]]);
  assert.deepEqual(both(await compared('2026-01-09', '2026-01-10', ['2025-12-30', '2025-12-31'], { dimensions: ['time:day', 'source'] })), [['2026-01-10', 'Google', 1, 0, 8, 25]]);
  const series = await results({ dimensions: ['time:day'], metrics: ['visitors'] });
  assert.equal(series.length, 34);
  assert.deepEqual(series.filter((x) => x[1]), [['2025-12-30', 10], ['2025-12-31', 12], ['2026-01-10', 1]]);
  assert.deepEqual((await results({ dimensions: ['time:month'], metrics: ['visitors'] })), [['2025-12-01', 22], ['2026-01-01', 1]]);
  assert.equal((await exported(F)).text.trim().split('\n').length, 2, 'they are no events');
  const E = await newProject('G');
  assert.deepEqual((await (await s.fetch(`/v1/projects/${E.id}/query`, { method: 'POST', headers: { 'x-api-key': E.key, 'content-type': 'application/json' }, body: JSON.stringify({ date_range: ['2025-12-29', '2026-01-31'], metrics: ['visitors'], include: { imports: true } }) })).json.results), [{ dimensions: [], metrics: [0] }], 'nobody else\'s');
  const theirs = async (more) => (await s.fetch('/api/v2/query', { method: 'POST', headers: { authorization: `Bearer ${F.key}`, 'content-type': 'application/json' }, body: JSON.stringify({ site_id: F.id, date_range: ['2025-12-29', '2026-01-31'], metrics: ['visitors'], include: { imports: true }, ...more }) })).json;
  assert.deepEqual([(await theirs({})).results, (await theirs({})).meta], [[{ dimensions: [], metrics: [23] }], { imports_included: true }]);
  assert.deepEqual((await theirs({ metrics: ['events'] })).meta, { imports_included: false, imports_skip_reason: 'unsupported_query' });
  assert.deepEqual([(await theirs({ filters: [['is', 'visit:source', ['Google']]] })).results, (await theirs({ filters: [['is', 'visit:source', ['Google']]] })).meta], [[{ dimensions: [], metrics: [19] }], { imports_included: true }]);
  for (const wrong of [{ filters: [['is', 'source', ['Google']]], dimensions: ['page'] }, { dimensions: ['event'] }, { goal: [['is', 'event', ['pageview']]] }, { dimensions: ['source', 'page'] }, { metrics: ['events'] }, { dimensions: ['property:x'] }, { dimensions: ['time:hour'] }]) {
    const a = await ask(wrong);
    assert.equal(a.status, 400, JSON.stringify(wrong));
    assert.match(a.json.detail, /^\/include\/imports: /);
  }
  // Which import brought them, and one of them away.
  const list = async (of = F) => { const a = await s.fetch(`/v1/projects/${of.id}/imports`, { headers: { 'x-api-key': of.key } }); assert.equal(a.status, 200, a.text); return a.json.data; };
  const remove = (id, of = F) => s.fetch(`/v1/projects/${F.id}/imports/${id}`, { method: 'DELETE', headers: { 'x-api-key': of.key } });
  const all = await list();
  assert.deepEqual(await list(E), []);
  assert.equal(all[0].id, zip.json.import_id, 'a row is the last import\'s that had it');
  assert.deepEqual([all[0].rows, all[0].files, all[0].first_day, all[0].last_day], [8, ['pages', 'sources', 'visitors'], '2025-12-30', '2026-01-10']);
  assert.equal(all[0].visitors, 10 + 12 + 999);
  assert.match(all[0].imported_at, /^\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z$/);
  assert.ok(all.length >= 1 && new Set(all.map((x) => x.id)).size === all.length);
  assert.equal((await remove(all[0].id, E)).status, 404, 'another tenant\'s');
  assert.equal((await remove(randomUUID())).status, 404);
  assert.equal((await remove('x')).status, 404);
  assert.equal((await list()).length, all.length);
  await s.storeExec('SYSTEM STOP MERGES imported'); // so that what was replaced lies below
  const later = await imports(F, 'plausible', file('visitors'));
  assert.equal((await list())[0].id, later.json.import_id);
  const removed = remove(later.json.import_id);
  await until('the mutation', async () => Number((await s.rows(`SELECT count() AS n FROM system.mutations WHERE table = 'imported' AND NOT is_done`))[0].n) === 1);
  await s.storeExec('SYSTEM START MERGES imported');
  assert.equal((await removed).status, 204);
  assert.deepEqual(await results({}), [[1, 1, 2, 0, 60, 2]], 'no import before comes up again');
  assert.equal((await remove(later.json.import_id)).status, 404, 'it is gone');
  assert.deepEqual(await results({ dimensions: ['source'], metrics: ['visitors'] }), [['Google', 19], ['', 4]], 'other rows stay');
  const ls = await weir(['import', 'ls', '--project', F.id, '--data', s.data, '--json']);
  assert.deepEqual(ls.json?.data, await list(), ls.err);
  assert.match((await weir(['import', 'ls', '--project', F.id, '--data', s.data])).out, new RegExp(`^id +imported_at .*files\n${zip.json.import_id} `));
  const gone = await weir(['import', 'rm', zip.json.import_id, '--project', F.id, '--reason', 'wrong site', '--data', s.data]);
  assert.equal(gone.code, 0, gone.err);
  assert.deepEqual((await list()).filter((x) => x.id === zip.json.import_id), []);
  assert.match((await weir(['import', 'rm', zip.json.import_id, '--project', F.id, '--data', s.data])).err, /no sums of the import/);
  await until('the audit events', async () => {
    const events = (await weir(['stream', 'cat', '--stream', 'audit', '--data', s.data])).out.split('\n').filter((l) => l.includes('import.remove')).map((l) => JSON.parse(l).value);
    assert.deepEqual(events.map((e) => [e.action, e.service, e.resource, e.org, e.authtype, e.reason]), [['import.remove', 'analytics', { type: 'import', id: later.json.import_id }, s.keys.org, 'api_key', undefined], ['import.remove', 'analytics', { type: 'import', id: zip.json.import_id }, s.keys.org, 'system', 'wrong site']]);
    return true;
  });
});

test('Umami\'s properties are joined to their events, out of the archive and out of two files', async () => {
  const U = await newProject('U');
  const data = path.join(ROOT, 'tests/data/import');
  const zip = readFileSync(path.join(data, 'umami.zip'));
  const first = await imports(U, 'umami', zip);
  assert.deepEqual([first.json?.imported, first.json?.reasons], [4, { bad_value: 1, no_event: 1 }], first.text);
  await settled(U, 4);
  const rest = await imports(U, 'umami', zip, `&skip=${first.json.lines - 1}`);
  assert.deepEqual([rest.json.lines, rest.json.imported, rest.json.reasons.no_event], [first.json.lines, 2, 13], 'the properties are read also when their lines are skipped');
  const command = await weir(['import', 'umami', path.join(data, 'umami_event_data.csv'), path.join(data, 'umami.csv'), '--project', U.id, '--data', s.data]);
  assert.equal(command.code, 0, command.err);
  assert.match(command.out, /4 events imported, 0 bad lines\n +no_event +1\n/);
  await passed();
  const events = (await exported(U)).text.trim().split('\n').map((l) => JSON.parse(l));
  assert.equal(events.length, 4, 'and nothing came twice');
  const order = events.find((e) => e.event === 'order');
  assert.deepEqual([order.properties.cart, order.properties.tags, order.revenue], [{ items: -3, first: { name: '=Bread' } }, ['a', 'b, c'], { amount: '12.5', currency: 'EUR' }]);
  const asked = await s.fetch(`/v1/projects/${U.id}/query`, { method: 'POST', headers: { 'x-api-key': U.key, 'content-type': 'application/json' }, body: JSON.stringify({ date_range: ['2026-01-31', '2026-02-02'], metrics: ['events', 'total_revenue'], dimensions: ['property:cart.first.name'], filters: [['is', 'event', ['order']]] }) });
  assert.deepEqual(asked.json?.results.map((r) => [...r.dimensions, ...r.metrics]), [['=Bread', 1, { EUR: 12.5 }]], asked.text);
});

test('an export of many pages has every event once, in order; who reads slowly or leaves holds nobody up', async (t) => {
  const E = await newProject('E');
  const n = 25000; // three pages; the same day, name and time, so that the id alone tells them apart
  const lines = Array.from({ length: n }, (_, i) => JSON.stringify({ id: randomUUID(), event: 'e', timestamp: '2026-01-01T00:00:00Z', anonymous_id: `a${i % 3}`, properties: { text: 'x'.repeat(300) } }));
  assert.equal((await imports(E, 'weir', gzipSync(lines.join('\n')))).json.imported, n);
  await settled(E, n);
  await t.test('once and in order', async () => {
    const out = (await exported(E)).text.trimEnd().split('\n').map((l) => JSON.parse(l));
    assert.equal(new Set(out.map((e) => e.id)).size, n);
    assert.equal(out.length, n);
    const order = (await s.rows(`SELECT toString(id) AS text FROM events WHERE project_id = '${E.id}' ORDER BY toDate(timestamp), event, visitor, timestamp, id`)).map((x) => x.text);
    assert.deepEqual(out.map((e) => e.id), order);
  });
  await t.test('slowly', async () => {
    const answer = await fetch(`${s.url}/v1/projects/${E.id}/export`, { headers: { 'x-api-key': E.key, 'accept-encoding': 'identity' } });
    let bytes = 0, pieces = 0;
    for await (const piece of answer.body) {
      bytes += piece.length;
      if (pieces++ < 3) assert.equal((await s.fetch('/healthz')).status, 200); // the loop is free meanwhile
    }
    assert.equal(bytes, (await exported(E)).text.length);
  });
  await t.test('left', async () => {
    for (let i = 0; i < 9; i++) { // more than may run at once
      const gone = new AbortController();
      const answer = await fetch(`${s.url}/v1/projects/${E.id}/export`, { headers: { 'x-api-key': E.key, 'accept-encoding': 'identity' }, signal: gone.signal });
      if (answer.status === 200) await answer.body.getReader().read();
      gone.abort();
    }
    await until('a free place', async () => (await exported(E)).status === 200);
  });
});

test('any server is asked by its URL', async () => {
  const at = (url, key, ...more) => weir(['export', '--url', url, ...more], { env: { WEIR_API_KEY: key } });
  const got = await at(`${s.url}/`, B.key, '--project', B.id, '--from', '2026-03-02');
  assert.equal(got.code, 0, got.err);
  assert.equal(got.out, (await exported(B, '?from=2026-03-02')).text);
  for (const [answer, why] of [[await at(s.url, B.key, '--project', A), /nothing of that id/], [await at(s.url, '', '--project', B.id), /WEIR_API_KEY/], [await at(s.url, B.key), /--project/], [await at('ftp://127.0.0.1/', B.key, '--project', B.id), /Unsupported protocol|not supported/i]]) {
    assert.notEqual(answer.code, 0);
    assert.match(answer.err, why);
  }
});

/** Lines in order, without what a record has as it came and the table in its own way: a page's path, and zeros, which are nothing. */
const bare = (text) => text.split('\n').filter(Boolean).map((l) => { const e = JSON.parse(l); delete e.page?.path; for (const o of [e, e.screen ?? {}]) for (const k in o) if (o[k] === 0) delete o[k]; return JSON.stringify(e); }).sort();
test('without a server the same events come out of the files', async (t) => {
  const projects = (await s.rows('SELECT DISTINCT toString(project_id) AS id FROM events')).map((r) => r.id);
  assert.ok(projects.length >= 5);
  const byCommand = (id, ...more) => weir(['export', '--project', id, ...more, '--data', s.data], { timeout: 120000 });
  const want = {}, day = ['--from', '2026-03-02', '--to', '2026-03-02'];
  for (const id of projects) want[id] = (await byCommand(id)).out;
  const wantDay = bare((await byCommand(B.id, ...day)).out);
  assert.ok(wantDay.length > 10 && wantDay.length < bare(want[B.id]).length);
  const again = await newProject('of the files');
  await s.stop();
  for (const id of projects) {
    const got = await byCommand(id);
    assert.equal(got.code, 0, got.err);
    assert.equal(got.err, '');
    assert.deepEqual(bare(got.out), bare(want[id]), `${id}: and what came twice is there once`);
  }
  assert.deepEqual(bare((await byCommand(B.id, ...day)).out), wantDay);
  for (const [args, why] of [[[B.id, '--format', 'csv'], /the store makes csv: start the server/], [[randomUUID()], /no project/], [[B.id, '--from', 'yesterday'], /--from is a day/]]) {
    const got = await byCommand(...args);
    assert.notEqual(got.code, 0);
    assert.match(got.err, why);
  }
  await t.test('who holds the folder and does not answer is asked by URL', async (u) => {
    const holder = spawn('flock', [path.join(s.data, 'weir.lock'), 'sh', '-c', 'echo held; read x'], { stdio: ['pipe', 'pipe', 'ignore'] });
    const ended = new Promise((done) => holder.once('close', done));
    u.after(() => { holder.stdin.end(); return ended; });
    await new Promise((done) => holder.stdout.once('data', done));
    const got = await byCommand(B.id);
    assert.equal(got.code, 75, got.err);
    assert.match(got.err, /is locked: another weir .*weir export --url/);
  });
  const file = path.join(folder, 'files.ndjson');
  assert.equal((await byCommand(B.id, '--out', file)).code, 0);
  const counts = await weir(['import', 'weir', file, '--project', again.id, '--data', s.data, '--json']);
  assert.equal(counts.json?.rejected, 0, counts.err);
  await s.run();
  await settled(again, counts.json.imported);
  assert.equal((await exported(again)).text, want[B.id], 'imported, they are the same rows: byte for byte');
});
