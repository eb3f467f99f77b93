// o: settings of a project that decide which rows there are: bot_policy and retention_days; and that samples leave after a day.
import { Server, assert, test, until, weir } from './harness.mjs';

const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.stop());
const bot = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';
const person = 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0';
const send = (agent, body) => s.send(body, { headers: { 'user-agent': agent, origin: 'https://shop.example' } });
const set = async (...words) => {
  const made = await weir(['project', 'set', s.keys.project, ...words, '--data', s.data]);
  assert.equal(made.code, 0, made.err);
};
async function counted() {
  const r = await s.fetch(`/v1/projects/${s.keys.project}/ingestion`, { headers: { 'x-api-key': s.keys.secret_key } });
  const sums = {};
  for (const c of r.json.counts) sums[c.outcome] = (sums[c.outcome] ?? 0) + c.events;
  return sums;
}
const replay = async (...more) => {
  const made = await weir(['replay', '--from', '0', '--data', s.data, ...more], { timeout: 120000 });
  assert.equal(made.code, 0, made.err + made.out);
};

test('bot_policy=drop leaves bots out, counts and samples them; a replay under mark brings them back, one under drop takes them away', async () => {
  let sent = 1;
  await send(bot, { event: 'marked' });
  await send(person, { event: 'person' });
  await s.visible(2);
  await set('bot_policy=drop');
  await until('the policy acts', async () => { await send(bot, { event: 'probe' }); sent++; return (await counted()).bot > 0; });
  await send(person, { event: 'person' });
  await s.visible(2, "event = 'person'");
  const rows = async () => (await s.count("bot != ''")).n;
  await until('each is a row or counted', async () => await rows() + (await counted()).bot === sent);
  const dropped = (await counted()).bot;
  const { json } = await s.fetch(`/v1/projects/${s.keys.project}/rejections?reason=bot&limit=1000`, { headers: { 'x-api-key': s.keys.secret_key } });
  assert.equal(json.rejections.length, dropped);
  assert.equal(JSON.parse(json.rejections[0].body).event, 'probe');
  await set('bot_policy=mark');
  const had = await rows();
  await until('the policy acts', async () => { await send(bot, { event: 'again' }); sent++; return await rows() > had; });
  await until('each is a row or counted', async () => await rows() + (await counted()).bot === sent);
  await replay();
  assert.equal(await rows(), sent, 'every bot is back');
  await set('bot_policy=drop');
  const counts = (await counted()).bot;
  await until('the policy acts', async () => { await send(bot, { event: 'no more' }); return (await counted()).bot > counts; });
  await replay('--force');
  assert.equal(await rows(), 0);
  assert.equal((await s.count("event = 'person'")).n, 2, 'people are not touched');
});

test('who opens forty pages in ten seconds in a browser\'s name is a bot by behaviour, marked whatever the policy, after a replay as before; a late event acquits', async () => {
  const begun = Date.now() - 40 * 60e3;
  const views = (who, n, gap, from = begun) => Array.from({ length: n }, (_, i) => ({ event: 'pageview', anonymous_id: who, timestamp: new Date(from + i * gap).toISOString(), context: { page: { url: `https://shop.example/behaviour/${i}` } } }));
  const ask = async (more) => {
    const r = await s.fetch(`/v1/projects/${s.keys.project}/query`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key }, body: JSON.stringify({ metrics: ['visitors', 'pageviews'], date_range: '7d', filters: [['contains', 'page', ['/behaviour/']]], ...more }) });
    assert.equal(r.status, 200, r.text);
    return r.json.results;
  };
  const people = async () => (await ask({}))[0].metrics.join();
  assert.equal((await send(person, [...views('robot', 40, 250), ...views('reader', 40, 2000)])).status, 200);
  await s.visible(80, "page_path LIKE '/behaviour/%'");
  await until('it is told from a person', async () => await people() === '1,40');
  const words = async () => (await ask({ bots: 'include', dimensions: ['bot'], order_by: [['bot', 'asc']] })).map((r) => [r.dimensions[0], ...r.metrics]);
  assert.deepEqual(await words(), [['', 1, 40], ['behaviour', 1, 40]]);
  assert.deepEqual((await ask({ bots: 'only' }))[0].metrics, [1, 40]);
  const visits = () => ask({ bots: 'only', metrics: ['visits'], filters: [['is', 'bot', ['behaviour']]] });
  assert.deepEqual((await visits())[0].metrics, [1]);
  const version = async (which) => (await s.rows(`SELECT toString(${which}(version)) AS v FROM sessions FINAL`))[0].v;
  const newest = await version('max');
  await replay('--force');
  await until('the sessions are made anew', async () => BigInt(await version('min')) > BigInt(newest));
  await until('the same', async () => await people() === '1,40');
  assert.deepEqual(await words(), [['', 1, 40], ['behaviour', 1, 40]]);
  await send(person, views('robot', 1, 0, begun - 10 * 60e3));
  await until('it was here before, and slower', async () => await people() === '2,81');
  assert.deepEqual(await words(), [['', 2, 81]]);
});

test('retention_days removes whole days of events and sessions of that project, and of no other, and whom it leaves nothing of', async () => {
  const other = (await weir(['project', 'create', 'other', '--data', s.data, '--json'])).json;
  const key = (await weir(['key', 'create', '--project', other.id, '--data', s.data, '--json'])).json.key;
  const day = 86400e3, midnight = Math.floor(Date.now() / day) * day;
  const at = (ms) => new Date(ms).toISOString();
  const old = [{ event: 'old', user_id: 'u', timestamp: at(midnight - 10 * day - 1) }, { event: 'older', user_id: 'u', timestamp: at(midnight - 100 * day) },
    { event: 'edge', user_id: 'u', timestamp: at(midnight - 10 * day) }, { event: 'new', user_id: 'u', timestamp: at(Date.now()) }];
  const knew = (who) => ({ kind: 'identify', user_id: who, anonymous_id: `${who}'s browser`, traits: { told: who }, timestamp: at(midnight - 20 * day) });
  await s.send([...old, knew('kept'), knew('left'), knew('gone'), ...['kept', 'left'].map((user_id) => ({ event: 'here', user_id, timestamp: at(Date.now()) }))]);
  const who = async (id) => (await s.fetch(`/v1/projects/${s.keys.project}/persons/${id}`, { headers: { 'x-api-key': s.keys.secret_key } })).json;
  await until('persons are made', async () => (await who('gone')).traits?.told === 'gone' && (await who('left')).events === 1);
  await until('the other key is known', async () => (await s.send(old, { key })).status === 200);
  const mine = `project_id = toUUID('${s.keys.project}')`, theirs = `project_id = toUUID('${other.id}')`;
  await s.visible(1, `${mine} AND event = 'edge'`);
  await s.visible(4, theirs);
  const sessions = async (where) => (await s.rows(`SELECT count() AS n FROM sessions FINAL WHERE ${where}`))[0].n * 1;
  await until('sessions are made', async () => await sessions(`${mine} AND user_id = 'u' AND start < now() - toIntervalDay(5)`) === 2 && await sessions(theirs) === 3);
  await set('retention_days=10');
  await s.stop(); // the server looks at its start, and then once an hour
  await s.run();
  await until('old rows are gone', async () => (await s.count(`${mine} AND event IN ('old', 'older')`)).n === 0, 60000);
  assert.equal((await s.count(`${mine} AND event IN ('edge', 'new')`)).n, 2, 'the day at the edge stays');
  await until('old sessions are gone', async () => await sessions(`${mine} AND end < now() - toIntervalDay(11)`) === 0, 60000);
  assert.equal(await sessions(`${mine} AND user_id = 'u' AND start < now() - toIntervalDay(5)`), 1, 'the one over the edge stays');
  assert.equal((await s.count(theirs)).n, 4, 'another project keeps what it has');
  await until('whose last event is gone is gone', async () => (await who('gone')).status === 404, 60000);
  const facts = async (text) => (await s.rows(`SELECT count() AS n FROM (SELECT id AS text FROM person_ids UNION ALL SELECT value FROM person_traits) WHERE position(text, '${text}') > 0`))[0].n * 1;
  await until('it is in no table', async () => await facts('gone') === 0);
  const kept = await who('kept');
  assert.deepEqual([kept.user_ids, kept.anonymous_ids, kept.traits, kept.first_seen, kept.events], [['kept'], ["kept's browser"], { told: 'kept' }, at(midnight - 20 * day), 1], 'whoever is still seen is whole');
  // An erasure makes persons anew: what the events no longer say is taken over, but for whoever is erased.
  const erased = await weir(['erase', '--project', s.keys.project, '--user', 'left', '--data', s.data], { timeout: 120000 });
  assert.equal(erased.code, 0, erased.err);
  assert.equal((await who('left')).status, 404);
  assert.equal(await facts('"left"'), 0);
  assert.deepEqual(await who('kept'), kept);
});

test('samples leave the store after a day, counts after ninety', async () => {
  const insert = async (table, columns, values) => assert.equal((await s.storeExec(`INSERT INTO ${table} (${columns}) VALUES ${values}`)).status, 200);
  const zeros = "'00000000-0000-0000-0000-000000000000'";
  await insert('rejections', 'project_id, received_at, body', `(${zeros}, now() - 26 * 3600, 'gone'), (${zeros}, now() - 22 * 3600, 'there')`);
  await insert('ingest_counts', 'project_id, minute, reason, events', `(${zeros}, now() - toIntervalDay(98), 'gone', 1), (${zeros}, now() - toIntervalDay(89), 'there', 1)`);
  await s.stop();
  await s.run();
  const names = async (table, column) => (await s.rows(`SELECT ${column} AS name FROM ${table} WHERE ${column} IN ('gone', 'there')`)).map((r) => r.name);
  await until('what is too old is gone', async () => `${await names('rejections', 'body')} ${await names('ingest_counts', 'reason')}` === 'there there');
});
