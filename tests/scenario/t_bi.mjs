// t: SQL of others. The official client, curl's ways and whatever the SQL says: the rows of the key's project and no
// other's. docs/bi.md, docs/internals/bi.md.
import { createClient } from '@clickhouse/client';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { Server, assert, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const made = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;
const keyOf = async (kind) => (await weir(['key', 'create', '--project', made.project ?? made.id, '--kind', kind, '--data', s.data, '--json'])).json.key;
const other = { project: made.project ?? made.id, write_key: await keyOf('write'), secret_key: await keyOf('secret') };
assert.ok(other.write_key && other.secret_key);
const marker = 'theirs-7f3a';
const own = Array.from({ length: 5 }, (_, i) => ({ id: randomUUID(), event: i < 3 ? 'pageview' : 'signup', user_id: `u${i}`, anonymous_id: `a${i}`, timestamp: '2026-03-01T10:00:00.000Z' }));
const theirs = Array.from({ length: 7 }, () => ({ id: randomUUID(), event: marker, user_id: marker, anonymous_id: marker, timestamp: '2026-03-01T10:00:00.000Z' }));
assert.equal((await s.send(own)).status, 200);
await until('their key is known', async () => (await s.send(theirs, { key: other.write_key })).status === 200);

await s.visible(own.length + theirs.length);

const clients = [];
test.after(() => Promise.all(clients.map((c) => c.close())));
const client = (options = {}) => {
  const c = createClient({ url: s.url, pathname: '/clickhouse', username: 'weir', password: s.keys.secret_key, ...options });
  clients.push(c);
  return c;
};
const mine = client();
const rows = async (query, more = {}) => (await mine.query({ query, format: 'JSONEachRow', ...more })).json();
/** The whole text that a statement gives: an answer or an error. */
const raw = async (query, params = '', headers = {}) => {
  const r = await fetch(`${s.url}/clickhouse/?${params}`, { method: 'POST', body: query, headers: { 'x-clickhouse-key': s.keys.secret_key, ...headers } });
  return { status: r.status, text: await r.text(), code: Number(r.headers.get('x-clickhouse-exception-code') ?? 0), headers: r.headers };
};

/** A statement on the store's own socket, with nothing between. */
const store = (sql, more = '') => new Promise((done, fail) => {
  http.request({ socketPath: path.join(s.data, 'run/store.sock'), method: 'POST', path: `/?database=default${more}`, agent: false }, (res) => {
    let text = '';
    res.on('data', (d) => { text += d; });
    res.on('end', () => (res.statusCode === 200 ? done(text) : fail(new Error(text))));
  }).on('error', fail).end(sql);
});

test('the official client reads the project of its key', async () => {
  assert.equal((await mine.ping()).success, true);
  assert.equal((await mine.ping({ select: true })).success, true);
  assert.deepEqual(await rows('SELECT event, count() AS n FROM events GROUP BY event ORDER BY n DESC'), [{ event: 'pageview', n: 3 }, { event: 'signup', n: 2 }].map((r) => ({ ...r, n: r.n })).map((r) => ({ event: r.event, n: r.n })));
  assert.deepEqual(await rows('SELECT uniq(user_id) AS n FROM analytics.events WHERE event = {e:String}', { query_params: { e: 'signup' } }), [{ n: 2 }]);
  const [theirCount] = await (await client({ password: other.secret_key }).query({ query: 'SELECT count() AS n, any(event) AS e FROM events', format: 'JSONEachRow' })).json();
  assert.deepEqual([Number(theirCount.n), theirCount.e], [7, marker], 'the other one sees its own');
  await until('sessions', async () => Number((await rows('SELECT count() AS n FROM sessions'))[0].n) === 5);
});

/** What ClickHouse's clients read with compress=1: blocks of checksum (tests/unit/codec/test_ch_block.c), method, sizes and LZ4. */
function unpack(bytes) {
  const out = [];
  for (let at = 0; at < bytes.length;) {
    assert.equal(bytes[at + 16], 0x82);
    const end = at + 16 + bytes.readUInt32LE(at + 17), block = [], size = bytes.readUInt32LE(at + 21);
    const length = (i, n) => { if (n < 15) return [i, n]; let more; do { more = bytes[i++]; n += more; } while (more === 255); return [i, n]; };
    for (let i = at + 25; i < end;) {
      const token = bytes[i];
      let literals, match;
      [i, literals] = length(i + 1, token >> 4);
      block.push(...bytes.subarray(i, i + literals));
      i += literals;
      if (i >= end) break;
      const from = block.length - bytes.readUInt16LE(i);
      [i, match] = length(i + 2, token & 15);
      for (let k = 0; k < match + 4; k++) block.push(block[from + k]);
    }
    assert.equal(block.length, size);
    out.push(Buffer.from(block));
    at = end;
  }
  return Buffer.concat(out);
}
test('as JDBC asks by default: in compressed blocks, at the root, with the names of columns in full', async () => {
  const post = (query, params) => fetch(`${s.url}/?${params}`, { method: 'POST', body: query, headers: { authorization: 'Basic ' + Buffer.from(`weir:${s.keys.secret_key}`).toString('base64'), 'x-clickhouse-format': 'TabSeparated', 'x-clickhouse-database': 'default' } });
  const small = await post('SELECT event FROM events ORDER BY event', 'compress=1&wait_end_of_query=1');
  assert.equal(unpack(Buffer.from(await small.arrayBuffer())).toString(), 'pageview\n'.repeat(3) + 'signup\n'.repeat(2));
  assert.equal(JSON.parse(small.headers.get('x-clickhouse-summary')).result_rows, '5', 'a driver that finds 0 here reads no row');
  const large = await post('SELECT number, toString(cityHash64(number)) FROM numbers(20000)', 'compress=1'), plain = await post('SELECT number, toString(cityHash64(number)) FROM numbers(20000)', '');
  const packed = Buffer.from(await large.arrayBuffer()), text = await plain.text();
  assert.ok(packed.length < text.length);
  assert.equal(unpack(packed).toString(), text);
  const refused = await post('SELECT * FROM system.processes', 'compress=1');
  assert.deepEqual([refused.status, (await refused.text()).startsWith('Code: 497.')], [403, true], 'a refusal is readable as it is');
  const tables = await post('SELECT t.name, d.engine FROM system.tables t JOIN system.databases d ON system.tables.database = system.databases.name WHERE t.database LIKE \'analytics\' ORDER BY 1', '');
  assert.match(await tables.text(), /^events\t.*\nsessions\t.*\n$/);
  assert.equal((await post('SELECT system.processes.query FROM system.tables', '')).status, 403);
  assert.equal(await (await fetch(`${s.url}/ping`)).text(), 'Ok.\n');
  assert.equal((await fetch(`${s.url}/`, { method: 'POST', body: 'SELECT 1' })).status, 401);
});

test('a key goes in as clients send it, and no other way in', async () => {
  const q = '?query=' + encodeURIComponent('SELECT count() FROM events');
  const basic = (user, key) => ({ authorization: 'Basic ' + Buffer.from(`${user}:${key}`).toString('base64') });
  const status = async (target, headers = {}) => { const r = await fetch(s.url + target, { headers }); return [r.status, (await r.text()).trim()]; };
  assert.deepEqual(await status('/clickhouse/' + q, basic('any', s.keys.secret_key)), [200, '5']);
  assert.deepEqual(await status('/clickhouse' + q, { 'x-clickhouse-user': 'x', 'x-clickhouse-key': s.keys.secret_key }), [200, '5']);
  assert.deepEqual(await status(`/clickhouse/${q}&user=x&password=${s.keys.secret_key}`), [200, '5']);
  assert.deepEqual(await status('/clickhouse/' + q, { 'x-api-key': s.keys.secret_key }), [200, '5']);
  assert.deepEqual(await status(`/v1/projects/${s.keys.project}/clickhouse/` + q, basic('any', s.keys.secret_key)), [200, '5']);
  assert.equal((await status(`/v1/projects/${other.project}/clickhouse/` + q, basic('any', s.keys.secret_key)))[0], 404);
  assert.equal((await status('/clickhouse/' + q))[0], 401);
  assert.equal((await status('/clickhouse/' + q, basic('any', 'sk_wrong')))[0], 401);
  assert.equal((await status('/clickhouse/' + q, basic('any', s.keys.write_key)))[0], 403);
  assert.equal((await status('/v1/projects/' + s.keys.project + '/query/sql', basic('any', s.keys.secret_key)))[0] >= 401, true, 'a password is one here only');
  assert.deepEqual(await status('/clickhouse/ping'), [200, 'Ok.']);
});

test('what a BI tool asks at its start is answered, and shows the two tables', async () => {
  assert.match((await rows('SELECT version() AS v, timezone() AS z'))[0].v, /^\d+\.\d+/);
  assert.deepEqual((await rows('SELECT name FROM system.databases')).map((r) => r.name), ['analytics']);
  assert.deepEqual((await rows("SELECT database, name FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY name")).map((r) => `${r.database}.${r.name}`), ['analytics.events', 'analytics.sessions']);
  const columns = (await rows("SELECT name, type FROM system.columns WHERE database = 'analytics' AND table = 'events'")).map((r) => r.name);
  assert.ok(columns.includes('event') && !columns.includes('project_id'), columns.join());
  assert.deepEqual([...new Set((await rows("SELECT database AS d FROM system.columns WHERE database != 'system'")).map((r) => r.d.toLowerCase()))].sort(), ['analytics']);
  assert.deepEqual((await rows("SELECT table_name AS t FROM information_schema.tables WHERE table_schema NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema') ORDER BY t")).map((r) => r.t), ['events', 'sessions']);
  assert.equal((await raw('SHOW DATABASES')).text, 'analytics\n');
  assert.equal((await raw('SHOW TABLES')).text, 'events\nsessions\n');
  assert.match((await raw('DESCRIBE TABLE events')).text, /^event\tLowCardinality/);
  assert.equal((await raw('EXISTS TABLE events')).text, '1\n');
  assert.equal((await raw('-- Metabase:: userID: 1 queryType: native\nSELECT count() FROM `analytics`.`events` LIMIT 10;')).text, '5\n');
  assert.match((await raw('SELECT count() AS n FROM events FORMAT JSON')).text, /"n": "?5/);
});

// Each of these is answered without anything of the others in it: an error, or the own rows.
const attacks = [
  // names of tables, in all spellings
  'SELECT * FROM weir.events', 'SELECT * FROM `weir`.`events`', 'SELECT * FROM "weir"."events"', 'SELECT * FROM `we\\x69r`.events', 'SELECT * FROM weir . events AS analytics',
  'SELECT * FROM weir.sessions FINAL', 'SELECT * FROM weir.reader_tokens', 'SELECT * FROM weir.schema_migrations', 'SELECT count() FROM weir.events', "SELECT 1 FROM events WHERE (SELECT count() FROM weir.events) > 5",
  'SELECT * FROM events, weir.events', 'SELECT * FROM events JOIN weir.events AS e2 ON 1 = 1', "SELECT 1 WHERE 'x' IN weir.events", 'SELECT * FROM events UNION ALL SELECT * FROM weir.events',
  'WITH x AS (SELECT * FROM weir.events) SELECT * FROM x', 'WITH events AS (SELECT * FROM weir.events) SELECT * FROM events', 'SELECT (SELECT groupArray(user_id) FROM weir.events)', 'SELECT * EXCEPT id FROM weir.events', "SELECT COLUMNS('user') FROM weir.events",
  'SELECT * FROM (SELECT * FROM weir.events)', 'SELECT * FROM view(SELECT * FROM weir.events)', 'SELECT events.project_id FROM events', 'DESCRIBE TABLE weir.events', 'SHOW CREATE TABLE weir.events', 'SHOW TABLES FROM weir', 'EXISTS TABLE weir.events', 'SELECT weir.events.user_id FROM events',
  // settings that change whose rows the views show (a subquery's are not checked by the engine)
  ...['SELECT * FROM events SETTINGS %', 'SELECT * FROM (SELECT * FROM events SETTINGS %)', 'WITH x AS (SELECT * FROM events SETTINGS %) SELECT * FROM x', 'SELECT (SELECT any(user_id) FROM events SETTINGS %)', 'SELECT * FROM view(SELECT * FROM events SETTINGS %)', "SELECT 1 WHERE 'x' IN (SELECT user_id FROM events SETTINGS %)", 'EXPLAIN SELECT * FROM (SELECT * FROM events SETTINGS %)', 'DESCRIBE (SELECT * FROM events SETTINGS %)', 'SELECT * FROM events UNION ALL (SELECT * FROM events SETTINGS %)', 'SET %']
    .flatMap((q) => ["query_cache_tag = ''", 'readonly = 0', "additional_table_filters = {'weir.events': '1'}", 'max_execution_time = 0', 'enable_analyzer = 0', 'allow_introspection_functions = 1'].map((x) => q.replace('%', x))),
  // roles, users, statements of other kinds
  'SET ROLE weir_all', 'SET ROLE DEFAULT', 'SET ROLE ALL', 'USE weir', 'EXECUTE AS default SELECT 1', 'GRANT ALL ON *.* TO default', 'CREATE USER x', 'SYSTEM SHUTDOWN', 'SYSTEM FLUSH LOGS', 'KILL QUERY WHERE 1', 'SHOW PROCESSLIST', 'SHOW GRANTS', 'SHOW USERS', 'SHOW CREATE TABLE events', 'BACKUP TABLE events TO Null', 'CHECK TABLE events', 'OPTIMIZE TABLE weir.events',
  'INSERT INTO events (event) VALUES (\'x\')', "INSERT INTO weir.events (event) VALUES ('x')", "INSERT INTO FUNCTION file('/tmp/weir-bi-out', 'CSV', 'a UInt8') SELECT 1", "INSERT INTO FUNCTION null('a UInt8') SELECT 1", 'CREATE TABLE t (a UInt8) ENGINE = Memory', 'CREATE TEMPORARY TABLE t (a UInt8)', 'CREATE VIEW v AS SELECT * FROM weir.events', 'DROP TABLE events', 'DROP VIEW analytics.events', 'ALTER TABLE weir.events DELETE WHERE 1', 'TRUNCATE TABLE weir.reader_tokens', 'CREATE FUNCTION f AS (x) -> x', 'RENAME TABLE analytics.events TO analytics.e', 'DETACH TABLE analytics.events', 'ATTACH TABLE x', 'WATCH events', 'CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE \'events\')) LAYOUT(FLAT()) LIFETIME(0)',
  'SELECT 1 PARALLEL WITH SELECT 2',
  // several statements
  'SELECT 1; SELECT * FROM weir.events', 'SET ROLE weir_all; SELECT * FROM weir.events', "SELECT ';' ; SELECT * FROM weir.events", "SELECT '\\'; SET ROLE weir_all; SELECT * FROM weir.events -- '", 'SELECT 1 -- ;\n; SELECT * FROM weir.events', '/* ; */ SELECT 1; SELECT * FROM weir.events', '$a$;$a$ SELECT 1; SELECT * FROM weir.events', 'SELECT 1;; SELECT * FROM weir.events',
  // system
  'SELECT * FROM system.processes', 'SELECT query, Settings FROM system.processes', 'SELECT * FROM `sys\\x74em`.processes', 'SELECT * FROM "system" . /* x */ "processes"', 'SELECT * FROM system.query_log', 'SELECT * FROM system.parts', 'SELECT * FROM system.query_cache', 'SELECT * FROM system.stack_trace', 'SELECT * FROM system.server_settings', 'SELECT * FROM system.mutations', 'SELECT * FROM system.user_processes', 'SELECT * FROM system.asynchronous_inserts', 'SELECT 1 IN system.processes', 'SELECT (SELECT groupArray(query) FROM system.processes)', 'SELECT * APPLY (x -> (SELECT any(query) FROM system.processes)) FROM events', 'SELECT * REPLACE ((SELECT any(query) FROM system.processes) AS user_id) FROM events', 'WITH system AS (SELECT 1) SELECT * FROM system.processes', 'SELECT * FROM system.tables WHERE name IN (SELECT query FROM system.processes)', 'SHOW TABLES WHERE name = (SELECT any(query) FROM system.processes)', 'SHOW TABLES LIMIT (SELECT count() FROM system.processes)', 'SHOW COLUMNS FROM events WHERE field IN (SELECT query FROM system.processes)', 'SHOW MERGES',
  'SELECT user_id FROM events ORDER BY user_id WITH FILL INTERPOLATE (user_id AS (SELECT any(query) FROM system.processes))', 'SELECT sum(1) OVER (ORDER BY (SELECT any(query) FROM system.processes)) FROM events', 'SELECT 1 FROM events LIMIT (SELECT count() FROM system.processes)', 'SELECT 1 FROM events LIMIT 1 BY (SELECT any(query) FROM system.processes)',
  // table functions
  "SELECT * FROM merge('weir', 'events')", "SELECT * FROM merge(REGEXP('.*'), 'events')", "SELECT * FROM merge('weir', '.*')", "SELECT * FROM remote('127.0.0.1', weir.events)", "SELECT * FROM remote('127.0.0.1', 'weir', 'events')", "SELECT * FROM cluster('default', weir.events)", "SELECT * FROM clusterAllReplicas('default', weir.events)", 'SELECT * FROM loop(weir.events) LIMIT 1', "SELECT * FROM mergeTreeIndex('weir', 'events')", "SELECT * FROM mergeTreeProjection('weir', 'events', 'visitor_slots')", "SELECT * FROM mergeTreeParts('weir', 'events')", "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SELECT * FROM s3('http://127.0.0.1:1/a', 'CSV', 'a String')", "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')", "SELECT * FROM executable('x.sh', 'TSV', 'a String')", "SELECT * FROM sqlite('/etc/x', 't')", "SELECT * FROM dictionary('weir.x')", "SELECT * FROM input('a String')", "SELECT * FROM viewIfPermitted(SELECT * FROM weir.events ELSE null('a UInt8'))", "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM weir.events))", "SELECT * FROM Python(x)", 'SELECT * FROM `/etc/passwd`', "SELECT * FROM '/etc/passwd'", 'SELECT * FROM default.`/etc/passwd`', 'SELECT * FROM `default`.`../../etc/passwd`', "SELECT * FROM format(LineAsString, 'x')", 'SELECT * FROM generateRandom(\'a UInt8\') LIMIT 1', "SELECT * FROM `fi\\x6ce`('/etc/passwd', 'LineAsString')",
  // functions
  "SELECT file('/etc/passwd')", "SELECT `file`('/etc/passwd')", "SELECT `fi\\x6ce`('/etc/passwd')", "SELECT hasColumnInTable('weir', 'events', 'user_id')", "SELECT joinGet('weir.events', 'user_id', 1)", "SELECT dictGet('weir.d', 'a', 1)", "SELECT dictGetAll('weir.d', 'a', 1)", 'SELECT getServerSetting(\'max_thread_pool_size\')', 'SELECT serverUUID()', 'SELECT filesystemAvailable()', "SELECT catboostEvaluate('/etc/passwd', 1)", 'SELECT addressToLine(1)', "SELECT executable('x')", "SELECT getMacro('x')",
  // out of the answer
  "SELECT * FROM events INTO OUTFILE '/tmp/weir-bi-out'", "SELECT * FROM events INTO /* x */ OUTFILE '/tmp/weir-bi-out' FORMAT CSV", "SELECT 1 INTO OUTFILE '/tmp/weir-bi-out' TRUNCATE",
  // explanations of what is below the views
  'EXPLAIN SELECT * FROM events', 'EXPLAIN PLAN indexes = 1 SELECT * FROM events', 'EXPLAIN ESTIMATE SELECT * FROM events', 'EXPLAIN QUERY TREE SELECT * FROM events', 'EXPLAIN PIPELINE SELECT * FROM weir.events', 'EXPLAIN AST SELECT * FROM weir.events', 'EXPLAIN SYNTAX SELECT * FROM weir.events',
  'SELECT * FROM {t:Identifier}', 'SELECT * FROM {d:Identifier}.{e:Identifier}', 'SELECT * FROM {s:Identifier}.processes',
];
// What an answer must not have in it, besides the other project's rows: their count, other tables' names, the machine.
const foreign = new RegExp(`${marker}|root:|^12$`, 'm');
const params = `param_t=weir.events&param_d=weir&param_e=events&param_s=system`;
for (const [how, place, head] of [['by the plain address', '/clickhouse/', {}], ['by the project\'s', `/v1/projects/${s.keys.project}/clickhouse/`, {}]])
  test(`whatever the SQL says, nothing of another project comes back, ${how}`, async () => {
    const through = [];
    for (const query of attacks) {
      const r = await fetch(`${s.url}${place}?${params}`, { method: 'POST', body: query, headers: { 'x-clickhouse-key': s.keys.secret_key, ...head } });
      const text = await r.text();
      assert.ok(!foreign.test(text), `${query}\n${r.status} ${text.slice(0, 500)}`);
      if (r.status === 200) through.push(`${query} => ${JSON.stringify(text.slice(0, 60))}`);
    }
    // Those that are answered at all: what they say does no harm, and the list says so.
    const known = [/^SHOW TABLES FROM weir => ""$/, /^EXISTS TABLE/, /^SELECT events\.project_id/];
    assert.deepEqual(through.filter((x) => !known.some((k) => k.test(x))), []);
    assert.equal(existsSync('/tmp/weir-bi-out'), false);
  });

test('the control: the same questions, asked without the bounds, do bring the other project\'s rows', async () => {
  const all = await store('SELECT count() FROM weir.events');
  assert.equal(all.trim(), '12', 'so the attacks above had something to find');
});

test('a subquery can change its settings, and gains nothing: the token of another project is not to be guessed', async () => {
  // The engine itself lets it through (this is what the check of the statement is for); asked here without that check.
  const value = await store("SELECT * FROM (SELECT getSetting('query_cache_tag') SETTINGS query_cache_tag = 'x')", '&readonly=1&query_cache_tag=y');
  assert.equal(value.trim(), 'x', 'if this is no longer so, docs/internals/bi.md can say less');
  const tokens = (await store('SELECT token FROM weir.reader_tokens')).trim().split('\n');
  assert.equal(new Set(tokens).size, 2);
  for (const t of tokens) assert.match(t, /^[0-9a-f]{64}$/);
});

test('nothing of the URL reaches the engine but what is listed', async () => {
  for (const [param, code] of [['readonly=0', 0], ['user=default', 0], ['role=weir_all', 0], ['log_comment=x', 0], ['query_id=x', 0], ['database=weir', 81], ['database=system', 81], ['additional_table_filters=%7B%7D', 164], ['additional_result_filter=1', 164], ['query_cache_tag=x', 164], ['allow_ddl=1', 164], ['session_id=x', 0], ['decompress=1', 48], ['client_protocol_version=54460&default_format=Native', 48], ['client_protocol_version=54460', 0], ['format_schema=/etc/passwd', 164], ['enable_analyzer=0', 164], ['use_query_cache=1', 164], ['max_memory_usage=1', 164], ['send_logs_level=trace', 164], ['max_execution_time=9999', 0], ['max_execution_time=x', 36], ['nonsense=1', 164], ['param_x=1', 0], ['output_format_json_quote_64bit_integers=0', 0], ['max_result_rows=100', 0]]) {
    const r = await raw('SELECT count() FROM events', param);
    assert.equal(r.code, code, `${param}: ${r.text}`);
    if (code === 0) assert.equal(r.text, '5\n', param);
  }
  assert.equal((await raw('DROP TABLE events', 'readonly=0')).code, 497);
  assert.equal((await raw('SELECT 1', '', { 'x-clickhouse-database': 'weir' })).code, 81);
  assert.equal((await raw('SELECT 1', '', { 'content-encoding': 'gzip' })).code, 48);
  assert.match((await raw("SELECT getSetting('readonly'), getSetting('max_execution_time')", 'max_execution_time=3')).text, /^1\t3/);
});

test('limits: time, rows, statements at once', async () => {
  const slow = 'SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))';
  assert.equal((await raw(slow, 'max_execution_time=1')).code, 159);
  assert.equal((await raw('SELECT number FROM numbers(1000)', 'max_result_rows=10&result_overflow_mode=throw')).code, 396);
  assert.equal((await raw(`SELECT ${'1+'.repeat(70000)}1`)).code > 0, true);
  const many = await Promise.all(Array.from({ length: 6 }, () => raw(slow, 'max_execution_time=2')));
  const codes = many.map((r) => r.code).sort();
  assert.deepEqual([...new Set(codes)], [159, 202], codes.join());
  assert.equal(many.find((r) => r.code === 202).status, 503);
  assert.equal((await raw('SELECT count() FROM events')).text, '5\n', 'and after it the next one is answered');
});

test('a long answer comes in pieces, whole; an error behind its first rows is an error', async () => {
  const rs = await mine.query({ query: 'SELECT number AS n FROM numbers(2000000)', format: 'JSONEachRow' });
  let n = 0, last;
  for await (const piece of rs.stream()) { n += piece.length; last = piece.at(-1) ?? last; }
  assert.equal(n, 2000000);
  assert.equal(Number(last.json().n), 1999999);
  const broken = await mine.query({ query: 'SELECT number, throwIf(number = 2000000) FROM numbers(3000000)', format: 'JSONEachRow' });
  await assert.rejects(async () => { for await (const piece of broken.stream()) n += piece.length; });
});

test('a client that goes away ends its statement', async () => {
  const stopper = new AbortController();
  const running = mine.query({ query: 'SELECT count() FROM numbers(100000000000) WHERE NOT ignore(sipHash64(number))', abort_signal: stopper.signal }).catch((e) => e);
  const seen = async () => Number(await store("SELECT count() FROM system.processes WHERE query LIKE '%100000000000%' AND query NOT LIKE '%processes%'"));
  await until('it runs', async () => (await seen()) === 1);
  stopper.abort();
  assert.ok((await running) instanceof Error);
  await until('it is gone before its time is over', async () => (await seen()) === 0, 10000);
});

test('the child\'s role: what has no role has all, a role it does not know is refused', async () => {
  await assert.rejects(store('SELECT 1', '&role=nobody'), /511/);
  await assert.rejects(store('SELECT 1 FROM weir.events', '&role=weir_reader'), /497/);
  assert.equal((await store('SELECT 1', '&role=weir_reader')).trim(), '1');
});
