// e: the real access log in, and then the figures must be those that awk counts in the file.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ROOT, Server, assert, tempFolder, test, weir } from './harness.mjs';

const file = path.join(ROOT, 'tests/data/apache_access.log.gz');
if (!existsSync(file)) {
  console.log('tests/data/apache_access.log.gz is not there');
  process.exit(77);
}
const shell = (script) => execFileSync('sh', ['-c', script, 'sh', file], { encoding: 'utf8', maxBuffer: 64 << 20 }).trim();
const lines = Number(shell(`zcat "$1" | wc -l`));
// A line that both Combined and Common log format allow; the timestamp is [day/Mon/year:h:m:s zone].
const wellFormed = `zcat "$1" | awk '/^[^ ]+ [^ ]+ [^ ]+ \\[[^]]+\\] "[A-Z]+ [^ ]+( [^"]*)?" [0-9][0-9][0-9] /'`;
const byDay = shell(`${wellFormed} | awk '{split(substr($4,2),d,":"); n[d[1]]++} END {for (k in n) print k, n[k]}'`);
const days = Object.fromEntries(byDay.split('\n').map((l) => {
  const [when, n] = l.split(' ');
  const [d, m, y] = when.split('/');
  return [`${y}-${String('JanFebMarAprMayJunJulAugSepOctNovDec'.indexOf(m) / 3 + 1).padStart(2, '0')}-${d}`, Number(n)];
}));
const first = Object.keys(days).sort()[0], last = Object.keys(days).sort().at(-1);
const total = Object.values(days).reduce((a, b) => a + b, 0);
const range = `startDate=${first}&endDate=${last}`;

async function figures(s) {
  const o = await s.query(`/analytics/overview?${range}`);
  assert.equal(o.status, 200, o.text);
  assert.equal(Number(o.json.totalEvents), total);
  const series = (await s.query(`/analytics/timeseries?${range}&granularity=day`)).json.timeseries;
  assert.deepEqual(Object.fromEntries(series.map((x) => [x.time.slice(0, 10), Number(x.events)])), days);
}

test('with the server running, twice', async (t) => {
  const s = await Server.start();
  t.after(() => s.killNow());
  let counts;
  for (let i = 0; i < 2; i++) {
    const r = await weir(['import', 'access-log', file, '--data', s.data, '--json']);
    assert.equal(r.code, 0, r.err);
    counts = r.json;
    assert.equal(counts.lines, lines);
    assert.equal(counts.imported + counts.rejected, lines);
    assert.equal(counts.imported, total, JSON.stringify(counts));
    assert.equal(Object.values(counts.reasons).reduce((a, b) => a + b, 0), counts.rejected);
  }
  await s.visible(total);
  await s.send({ event: 'marker' });
  await s.visible(1, `event = 'marker'`);
  await t.test('a second import doubles nothing', async () => assert.deepEqual(await s.count(`source = 'import'`), { n: total, ids: total }));
  await t.test('the figures are those of awk', () => figures(s));
  await t.test('page views by path are those of awk', async () => {
    const top = shell(`${wellFormed} | awk '{split($7,p,"?"); n[p[1]]++} END {for (k in n) print n[k], k}' | sort -rn | head -1`).split(' ');
    const [row] = await s.rows(`SELECT page_path, count() AS n FROM events WHERE source = 'import' GROUP BY page_path ORDER BY n DESC LIMIT 1`);
    assert.deepEqual([row.page_path, Number(row.n)], [top[1], Number(top[0])]);
  });
  await t.test('visitors are pairs of address and user agent, without the address', async () => {
    const visitors = Number(shell(`${wellFormed} | awk -F'"' '{split($1,a," "); print a[1] "\\t" $6}' | sort -u | wc -l`));
    const o = await s.query(`/analytics/overview?${range}`);
    assert.equal(Number(o.json.uniqueVisitors), visitors);
    const address = shell(`zcat "$1" | awk 'NR==1 {print $1}'`);
    const [row] = await s.rows(`SELECT countIf(position(concat(anonymous_id, user_id, properties, context, page_url), '${address}') > 0) AS n FROM events`);
    assert.equal(Number(row.n), 0, 'the address is in no row');
    const cat = await weir(['stream', 'cat', '--data', s.data, '--limit', '2000']);
    assert.ok(!cat.out.includes(`"${address}"`), 'nor in the stream');
  });
  await s.stop();
});

test('with the server stopped: the rows appear when it starts', async (t) => {
  const data = path.join(tempFolder(), 'data');
  const made = (await weir(['init', '--data', data, '--json'])).json;
  const r = await weir(['import', 'access-log', file, '--project', made.project, '--data', data, '--json']);
  assert.equal(r.code, 0, r.err);
  assert.equal(r.json.imported, total);
  const s = await Server.start({ data });
  t.after(() => s.killNow());
  await s.visible(total);
  await figures(s);
  await s.stop();
});

test('what is no log is told', async (t) => {
  const data = path.join(tempFolder(), 'data');
  await weir(['init', '--data', data]);
  const none = await weir(['import', 'access-log', '/nonexistent.log', '--data', data]);
  assert.notEqual(none.code, 0);
  assert.match(none.err, /nonexistent/);
  const other = await weir(['import', 'access-log', path.join(ROOT, 'LICENSE'), '--data', data, '--json']);
  assert.equal(other.json?.imported ?? 0, 0);
});
