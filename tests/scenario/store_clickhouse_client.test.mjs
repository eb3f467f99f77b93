// The official @clickhouse/client against `weir store` on a loopback TCP port.
// WEIR_STORE_CHILD (or WEIR_BIN): the executable that knows the verb `store`.
import test, { before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const binary = process.env.WEIR_STORE_CHILD ?? process.env.WEIR_BIN ?? join(root, 'build/weir')
const library =
  process.env.WEIR_CHDB_LIBRARY ??
  join(root, `node_modules/@chdb/lib-linux-${process.arch}-gnu/libchdb.so`)

let createClient
try {
  ;({ createClient } = await import('@clickhouse/client'))
} catch {
  // npm ci has not run
}
const missing = !existsSync(binary)
  ? `no ${binary}`
  : !existsSync(library)
    ? 'libchdb.so is not installed'
    : !createClient
      ? '@clickhouse/client is not installed'
      : false
const opts = { skip: missing, timeout: 60_000 }

let child, url, dir
const clients = []
function client(options = {}) {
  const c = createClient({ url, ...options })
  clients.push(c)
  return c
}

async function start(args = [], env = {}) {
  const data = await mkdtemp(join(tmpdir(), 'weir-store-'))
  const process_ = spawn(binary, ['store', '--data', data, '--listen', '127.0.0.1:0', ...args], {
    env: { ...process.env, WEIR_CHDB_LIBRARY: library, ...env },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  let log = ''
  const address = await new Promise((resolve, reject) => {
    process_.stderr.on('data', (piece) => {
      log += piece
      const m = /msg="store is up".* tcp=(\S+)/.exec(log)
      if (m) resolve(m[1])
    })
    process_.once('exit', (code) => reject(new Error(`store ended with ${code}: ${log}`)))
  })
  return { process: process_, url: `http://${address}`, data }
}

async function stop(s) {
  if (s.process.exitCode === null) {
    s.process.kill('SIGTERM')
    await once(s.process, 'exit')
  }
  await rm(s.data, { recursive: true, force: true })
}

before(async () => {
  if (missing) return
  child = await start()
  url = child.url
})
after(async () => {
  await Promise.all(clients.map((c) => c.close()))
  if (child) await stop(child)
})

async function rejected(promise, code, what) {
  await assert.rejects(promise, (e) => {
    assert.equal(e.code, String(code), `${what}: ${e.message}`)
    return true
  })
}

test('ping', opts, async () => {
  assert.equal((await client().ping()).success, true)
  assert.equal((await client().ping({ select: true })).success, true)
})

test('select with parameters of many types comes back as it went in', opts, async () => {
  const text = 'tab\t nl\n quote\' back\\slash ; -- {x:String} ünï \u{1F30A}'
  const rs = await client().query({
    query: `SELECT {s:String} AS s, {n:UInt64} AS n, {a:Array(String)} AS a, {b:Bool} AS b,
                   {d:DateTime64(3)} AS d, {m:Map(String, UInt8)} AS m, {z:Nullable(String)} AS z`,
    query_params: {
      s: text,
      n: '18446744073709551615',
      a: ['x', "y'", '\t'],
      b: true,
      d: new Date('2026-11-24T08:15:30.123Z'),
      m: { k: 7 },
      z: null,
    },
    format: 'JSONEachRow',
    clickhouse_settings: { session_timezone: 'UTC', output_format_json_quote_64bit_integers: 1 },
  })
  assert.deepEqual(await rs.json(), [
    {
      s: text,
      n: '18446744073709551615',
      a: ['x', "y'", '\t'],
      b: true,
      d: '2026-11-24 08:15:30.123',
      m: { k: 7 },
      z: null,
    },
  ])
})

test('JSON has meta and the count of its rows, also of many', opts, async () => {
  const rs = await client().query({ query: 'SELECT number AS n FROM numbers(300000)', format: 'JSON' })
  const json = await rs.json()
  assert.equal(json.rows, 300000)
  assert.equal(json.data.length, 300000)
  assert.deepEqual(json.meta, [{ name: 'n', type: 'UInt64' }])
})

for (const [format, header] of [
  ['JSONEachRow', 0],
  ['JSONCompactEachRow', 0],
  ['JSONCompactEachRowWithNames', 1],
  ['JSONCompactEachRowWithNamesAndTypes', 2],
  ['CSV', 0],
  ['CSVWithNames', 1],
  ['TabSeparatedWithNamesAndTypes', 2],
]) {
  test(`a stream of ${format} has each row once and one header`, opts, async () => {
    const rs = await client().query({
      query: "SELECT number AS n, concat('v', toString(number)) AS v FROM numbers(300000)",
      format,
    })
    let rows = 0
    let sum = 0n
    for await (const piece of rs.stream()) {
      for (const row of piece) {
        const m = /(\d+)/.exec(row.text)
        if (rows++ >= header) sum += BigInt(m[1])
      }
    }
    assert.equal(rows, 300000 + header)
    assert.equal(sum, (300000n * 299999n) / 2n)
  })
}

test('insert of an array, defaults for absent fields, summary and query id', opts, async () => {
  const c = client()
  await c.command({
    query: `CREATE TABLE t_array (id UInt64, name String DEFAULT 'none', at DateTime DEFAULT now())
            ENGINE = MergeTree ORDER BY id`,
  })
  const result = await c.insert({
    table: 't_array',
    values: [{ id: 1, name: "a;b'c\n" }, { id: 2 }],
    format: 'JSONEachRow',
  })
  assert.equal(result.executed, true)
  assert.ok(result.query_id)
  assert.equal(result.summary.written_rows, '2')
  const rs = await c.query({ query: 'SELECT id, name FROM t_array ORDER BY id', format: 'JSONCompactEachRow' })
  assert.deepEqual(await rs.json(), [
    ['1', "a;b'c\n"],
    ['2', 'none'],
  ].map(([id, name]) => [Number(id), name]))
})

test('insert of a stream, with a compressed body', opts, async () => {
  const c = client({ compression: { request: true, response: true } })
  await c.command({ query: 'CREATE TABLE t_stream (id UInt64, s String) ENGINE = MergeTree ORDER BY id' })
  function* rows() {
    for (let i = 0; i < 50_000; i++) yield { id: i, s: `row ${i}; \u0000` }
  }
  await c.insert({ table: 't_stream', values: Readable.from(rows(), { objectMode: true }), format: 'JSONEachRow' })
  const rs = await c.query({ query: 'SELECT count() AS n, sum(id) AS total, countIf(length(s) > 6) AS l FROM t_stream', format: 'JSONEachRow' })
  const [row] = await rs.json()
  assert.deepEqual([Number(row.n), Number(row.total), Number(row.l)], [50000, 1249975000, 50000])
})

test('CSV stream in', opts, async () => {
  const c = client()
  await c.command({ query: 'CREATE TABLE t_csv (a UInt32, b String) ENGINE = MergeTree ORDER BY a' })
  await c.insert({ table: 't_csv', values: Readable.from(['1,"x"\n2,"', 'y ""z"""\n'], { objectMode: false }), format: 'CSV' })
  const rs = await c.query({ query: 'SELECT b FROM t_csv ORDER BY a', format: 'JSONCompactEachRow' })
  assert.deepEqual(await rs.json(), [['x'], ['y "z"']])
})

test('exec gives a raw stream', opts, async () => {
  const r = await client().exec({ query: 'SELECT 1 AS x, 2 AS y FORMAT CSVWithNames' })
  let text = ''
  for await (const piece of r.stream) text += piece
  assert.equal(text, '"x","y"\n1,2\n')
})

test('errors have ClickHouse codes', opts, async () => {
  const c = client()
  await rejected(c.query({ query: 'SELEC 1' }), 62, 'syntax')
  await rejected(c.query({ query: 'SELECT nope' }), 47, 'identifier')
  await rejected(c.query({ query: 'SELECT * FROM nope' }), 60, 'table')
  await rejected(c.query({ query: 'SELECT 1', clickhouse_settings: { nope: 1 } }), 115, 'setting')
  await rejected(c.query({ query: 'SELECT {x:UInt8}' }), 456, 'parameter')
  await rejected(c.query({ query: 'SELECT 1; SELECT 2' }), 62, 'two statements')
  await rejected(c.command({ query: 'USE nope' }), 81, 'database')
  const other = client({ database: 'nope' })
  await rejected(other.query({ query: 'SELECT 1' }), 81, 'database of the client')
})

test('an error after rows were sent is an error of the stream', opts, async () => {
  const rs = await client().query({
    query: 'SELECT number, throwIf(number = 2000000) FROM numbers(3000000)',
    format: 'JSONEachRow',
    clickhouse_settings: { max_threads: 1 },
  })
  let rows = 0
  await assert.rejects(async () => {
    for await (const piece of rs.stream()) rows += piece.length
  })
  assert.ok(rows > 0 && rows <= 2000000, `${rows} rows came before`)
})

// The child kills the query as soon as net says that the client has gone. net takes the end of a client's
// stream for a half-close while an answer is awaited, so that today only max_execution_time ends it.
const abort = { ...opts, timeout: 10_000 }
test('abort stops the query in the engine', abort, async () => {
  const c = client()
  const stopper = new AbortController()
  const marker = 'abort_me_42'
  const running = c.query({
    query: `SELECT sum(sipHash64(number)) AS ${marker} FROM numbers(100000000000)`,
    abort_signal: stopper.signal,
    clickhouse_settings: { max_execution_time: 12 },
  })
  const seen = async () => {
    const rs = await c.query({
      query: "SELECT count() AS n FROM system.processes WHERE query LIKE {m:String} AND query NOT LIKE '%processes%'",
      query_params: { m: `%${marker}%` },
      format: 'JSONEachRow',
    })
    return Number((await rs.json())[0].n)
  }
  while ((await seen()) === 0) {
    // until it runs
  }
  stopper.abort()
  await assert.rejects(running)
  while ((await seen()) !== 0) {
    // until it is gone; the test's deadline says "never"
  }
})

test('settings, database and temporary tables of one request do not reach the next', opts, async () => {
  const c = client()
  const value = async (settings) => {
    const rs = await c.query({ query: "SELECT getSetting('max_block_size') AS v", format: 'JSONEachRow', clickhouse_settings: settings })
    return Number((await rs.json())[0].v)
  }
  const normal = await value({})
  assert.equal(await value({ max_block_size: '77' }), 77)
  for (let i = 0; i < 20; i++) assert.equal(await value({}), normal)
  await c.command({ query: 'SET max_block_size = 78' })
  await c.command({ query: 'CREATE TEMPORARY TABLE tmp_x (a UInt8)' })
  await c.command({ query: 'USE system' })
  for (let i = 0; i < 20; i++) {
    assert.equal(await value({}), normal)
    await rejected(c.query({ query: 'SELECT * FROM tmp_x' }), 60, 'temporary table')
  }
})

test('readonly is the engine’s', opts, async () => {
  const c = client()
  for (const readonly of ['1', '2'])
    for (const query of [
      'CREATE TABLE t_ro (a UInt8) ENGINE = Memory',
      'DROP TABLE IF EXISTS t_array',
      '/* SELECT */ ALTER TABLE t_array DELETE WHERE 1',
    ])
      await rejected(c.command({ query, clickhouse_settings: { readonly } }), 164, query)
  await rejected(
    c.insert({ table: 't_array', values: [{ id: 9 }], format: 'JSONEachRow', clickhouse_settings: { readonly: '1' } }),
    164,
    'insert',
  )
  const get = await fetch(`${url}/?query=${encodeURIComponent('DROP TABLE IF EXISTS t_array')}`)
  assert.equal(get.headers.get('x-clickhouse-exception-code'), '164')
})

test('limits cannot be raised', opts, async () => {
  const c = client()
  await rejected(c.query({ query: 'SELECT 1', clickhouse_settings: { max_memory_usage: '999999999999' } }), 452, 'memory')
  await rejected(c.query({ query: 'SELECT 1', clickhouse_settings: { max_execution_time: 0 } }), 452, 'no time limit')
  await rejected(c.query({ query: 'SELECT 1 SETTINGS max_execution_time = 86400' }), 452, 'time in SQL')
  await rejected(
    c.query({ query: 'SELECT sum(sipHash64(number)) FROM numbers(100000000000)', clickhouse_settings: { max_execution_time: 1 } }),
    159,
    'time',
  )
  await rejected(
    c.query({ query: 'SELECT groupArray(number) FROM numbers(100000000)', clickhouse_settings: { max_memory_usage: '50000000' } }),
    241,
    'memory used',
  )
  const rs = await c.query({ query: 'SELECT 1 AS x', format: 'JSONEachRow' })
  assert.deepEqual(await rs.json(), [{ x: 1 }], 'the next one is served')
})

test('nothing outside the tables is reachable', opts, async () => {
  const c = client()
  for (const query of [
    "SELECT file('/etc/hostname')",
    "SELECT `file`('/etc/hostname')",
    "SELECT /* x */ FILE /**/ ('/etc/hostname')",
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    'SELECT * FROM `/etc/hostname`',
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM s3('http://127.0.0.1:1/a/b', 'CSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM executable('x.sh', 'TSV', 'a String')",
    "SELECT 1 INTO OUTFILE '/tmp/weir-outfile'",
    "INSERT INTO t_csv FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('/tmp/weir-outfile', 'CSV', 'a UInt8') SELECT 1",
    "INSERT INTO t_csv VALUES (1, file('/etc/hostname'))",
    "CREATE TABLE t_f (a String) ENGINE = File(CSV, '/etc/passwd')",
    "CREATE TABLE t_u (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
    "CREATE DATABASE d_f ENGINE = Filesystem('/')",
    "CREATE DICTIONARY d_d (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE FUNCTION f_f AS (x) -> file(x)",
    "BACKUP TABLE t_csv TO File('/tmp/weir-outfile')",
    'CREATE USER u',
    'GRANT ALL ON *.* TO default',
    'SYSTEM SHUTDOWN',
  ])
    await rejected(c.exec({ query }), 497, query)
  assert.equal(existsSync('/tmp/weir-outfile'), false)
  const rs = await c.query({
    query: "SELECT * FROM {t:Identifier}", query_params: { t: '/etc/hostname' }, format: 'JSONEachRow',
  }).then((r) => r.text(), (e) => e)
  assert.ok(rs instanceof Error, 'an identifier is no way to a file either')
})

test('sessions and native compression are refused, not ignored', opts, async () => {
  await rejected(client({ session_id: 'x' }).query({ query: 'SELECT 1' }), 48, 'session')
  const r = await fetch(`${url}/?compress=1&query=SELECT+1`)
  assert.equal(r.status, 501)
})

test('without a password no web page is served; with one it is asked for', opts, async () => {
  const page = await fetch(`${url}/?query=SELECT+1`, { headers: { origin: 'http://example.com' } })
  assert.equal(page.status, 403)
  const guarded = await start(['--user', 'ana'], { WEIR_STORE_PASSWORD: 'corr:ect' })
  try {
    for (const [username, password, ok] of [
      ['ana', 'corr:ect', true],
      ['ana', 'wrong', false],
      ['default', 'corr:ect', false],
      ['ana', '', false],
    ]) {
      const c = createClient({ url: guarded.url, username, password })
      const q = c.query({ query: 'SELECT 1 AS x', format: 'JSONEachRow' })
      if (ok) assert.deepEqual(await (await q).json(), [{ x: 1 }])
      else await rejected(q, 516, `${username}:${password}`)
      await c.close()
    }
    assert.equal((await fetch(`${guarded.url}/?query=SELECT+1`)).status, 401)
    assert.equal((await fetch(`${guarded.url}/ping`)).status, 200)
  } finally {
    await stop(guarded)
  }
})
