// The pages of the dashboard that one explores with: events. What is shown is what the API answers.
import { assert } from '../scenario/harness.mjs';
import { digits, events, loaded, noFindings, open, owner, question, s, signIn, test } from './dashboard_bed.mjs';

const DAY = 86400000, now = Date.now();
/** Sign-ups of which properties are known: text, number, within another, and one with a dot in its name. */
const signups = Array.from({ length: 30 }, (_, i) => ({
  event: 'signup', anonymous_id: `s${i % 20}`, ...(i % 3 ? {} : { user_id: `user ${i}` }), timestamp: now - i * 18 * 3600000 - 60000, context: { page: { url: 'https://shop.example/pricing' } },
  properties: { plan: ['free', 'pro', 'team'][i % 3 === 0 ? 0 : i % 2 ? 1 : 2], ...(i % 2 ? { seats: i } : {}), cart: { items: i % 4 }, 'trial.days': 14 },
}));
const others = Array.from({ length: 60 }, (_, i) => ({ event: `step ${String(i).padStart(2, '0')}`, anonymous_id: `o${i}`, timestamp: now - DAY }));
const all = [...events, ...signups, ...others];

const at = (path) => `${s.url}/app/${s.keys.project}${path}`;
async function visit(t, path, selector, options = {}, who = owner) {
  const page = await open(t, options, at(path));
  await signIn(page, who);
  await loaded(page, selector);
  return page;
}
const table = (page, label) => page.locator(`section[aria-label="${label}"] .rows tbody tr`).evaluateAll((rows) => rows.map((tr) => [...tr.cells].map((c) => c.textContent)));
const range = { date_range: '28d' };
const own = (more = []) => [['is', 'event', ['signup']], ...more];
const looks = [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 } }];
async function everyLook(t, path, selector) {
  for (const options of looks) {
    const page = await visit(t, path, selector, options);
    await noFindings(page, `${path} ${JSON.stringify(options)}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${path}: no sideways scrolling`);
    assert.deepEqual(page.wrong, []);
  }
}

test('the data are there', async () => {
  const r = await s.send({ batch: all });
  assert.ok(r.status === 200 && r.json.results.every((x) => x.result === 'ok'), r.text);
  await s.visible(all.length);
});
test('the list of events says what the API says, is searched, sorted and goes on', async (t) => {
  const page = await visit(t, '/events', 'section[aria-label="Events"] tbody tr:nth-child(50)');
  const asked = { ...range, metrics: ['events', 'visitors'], dimensions: ['event'], include: { compare: 'previous_period', total_rows: true } };
  const { results, meta } = await question({ ...asked, limit: 50 });
  assert.deepEqual((await table(page, 'Events')).map(([name, , n, , visitors]) => [name, Number(digits(n)), Number(digits(visitors))]), results.map((r) => [r.dimensions[0], ...r.metrics]));
  assert.equal(await page.locator('.spark polyline').count(), 50);
  const [first] = results, change = ((first.metrics[0] - first.comparison.metrics[0]) / first.comparison.metrics[0]) * 100;
  assert.equal(Number(digits((await table(page, 'Events'))[0][3])), Number(Math.abs(change).toFixed(1)));
  await page.click('button:has-text("Show more of the")');
  await page.waitForFunction((n) => document.querySelectorAll('.rows tbody tr').length === n, meta.total_rows);
  await page.selectOption('label:has-text("Sorted by") select', 'event');
  await page.waitForFunction(() => document.querySelector('.rows tbody tr .row-name').textContent === 'pageview');
  await page.fill('input[aria-label="Search for a name"]', 'step 1');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('.rows tbody tr').length === 10);
  assert.deepEqual((await table(page, 'Events')).map(([name]) => name), others.slice(10, 20).map((e) => e.event));
  const other = await visit(t, page.url().slice(at('').length), '.rows tbody tr');
  assert.deepEqual(await table(other, 'Events'), await table(page, 'Events'));
  await page.fill('input[aria-label="Search for a name"]', 'nothing of the kind');
  await page.keyboard.press('Enter');
  await page.waitForSelector('td.nothing:has-text("No event of this range has such a name.")');
  assert.deepEqual([...page.wrong, ...other.wrong], []);
});
test('the trend of an event is its number of each day', async (t) => {
  const page = await visit(t, '/events?q=signup', '.spark polyline');
  const { results } = await question({ ...range, metrics: ['events'], dimensions: ['time:day'], filters: own() });
  const heights = await page.locator('.spark polyline').evaluate((p) => p.getAttribute('points').split(' ').map((xy) => 24 - Number(xy.split(',')[1])));
  const most = Math.max(...results.map((r) => r.metrics[0]));
  assert.deepEqual(heights.map((h) => Math.round((h / 24) * most)), results.map((r) => r.metrics[0]));
});
test('an event opened: its numbers, its properties to choose from, the values of one, and what was sent', async (t) => {
  const page = await visit(t, '/events', '.rows tbody tr');
  await page.click('.row-name:has-text("signup")');
  await loaded(page, '.events li');
  assert.equal(await page.textContent('h1'), 'signup');
  const metrics = ['events', 'visitors', 'users', 'visits'], { results: [row] } = await question({ ...range, metrics, filters: own() });
  assert.deepEqual((await page.locator('.tile-value').allTextContents()).map((x) => Number(digits(x))), row.metrics);
  assert.match(await page.getAttribute('.chart', 'aria-label'), new RegExp(`^Events, 28 values.*together ${row.metrics[0]}$`));
  const { results: seen } = await question({ ...range, report: 'properties', filters: own() });
  assert.deepEqual(seen.map((p) => p.property), ['cart', 'plan', 'trial.days', 'seats']);
  assert.deepEqual(await page.locator('optgroup[label="Properties"] option').allTextContents(), ['cart', 'plan', 'trial.days', 'seats', 'cart.items']);
  for (const [field, shown] of [['property:plan', 'plan'], ['property:trial\\.days', 'trial.days'], ['property:cart.items', 'cart.items'], ['source', 'Source']]) {
    await page.selectOption('section[aria-label="Breakdown"] select', field);
    await page.waitForFunction((text) => document.querySelector('section[aria-label="Breakdown"] thead th')?.textContent === text, shown);
    await loaded(page, 'section[aria-label="Breakdown"] tbody tr');
    const { results } = await question({ ...range, metrics: ['events', 'visitors'], dimensions: [field], filters: own() });
    assert.ok(results.length, field);
    assert.deepEqual((await table(page, 'Breakdown')).map(([, ...n]) => n.map((x) => Number(digits(x)))), results.map((r) => r.metrics), field);
  }
  await page.selectOption('section[aria-label="Breakdown"] select', 'property:seats');
  await loaded(page, '.facts');
  const of = ['count', 'avg', 'p50', 'p90', 'min', 'max', 'sum'], { results: [numbers] } = await question({ ...range, metrics: of.map((a) => `${a}:property:seats`), filters: own() });
  assert.deepEqual((await page.locator('.facts dd').allTextContents()).map((x) => Number(digits(x))), numbers.metrics.map((n) => Number(n.toFixed(2))));
  const latest = await question({ ...range, report: 'events', filters: own(), limit: 1000 });
  await page.click('button:has-text("Show older ones")');
  await page.waitForFunction((n) => document.querySelectorAll('.events li').length === n, latest.results.length);
  assert.deepEqual(await page.locator('.events time').evaluateAll((x) => x.map((e) => e.dateTime)), latest.results.map((e) => e.timestamp));
  await page.locator('.events summary').nth(1).click();
  assert.deepEqual(JSON.parse(await page.locator('.events pre').nth(1).textContent()), latest.results[1]);
  assert.deepEqual(page.wrong, []);
});
test('a value filters everything on the page; another property is written by hand; the address says it all', async (t) => {
  const page = await visit(t, '/events?event=signup&by=property%3Aplan', '.events li');
  await page.click('section[aria-label="Breakdown"] .row-name:has-text("team")');
  await loaded(page, '.filters li');
  const team = own([['is', 'property:plan', ['team']]]);
  const { results: [row] } = await question({ ...range, metrics: ['events'], filters: team });
  await page.waitForFunction((n) => document.querySelector('.tile-value').textContent === n, String(row.metrics[0]));
  await loaded(page, '.events li');
  const { results } = await question({ ...range, report: 'events', filters: team, limit: 20 });
  assert.deepEqual(await page.locator('.events time').evaluateAll((x) => x.map((e) => e.dateTime)), results.map((e) => e.timestamp));
  await page.selectOption('section[aria-label="Breakdown"] select', 'other');
  await page.fill('input[aria-label="Name of the property"]', 'cart.items');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('by=property%3Acart.items'));
  await loaded(page, 'section[aria-label="Breakdown"] tbody tr');
  const { results: values } = await question({ ...range, metrics: ['events'], dimensions: ['property:cart.items'], filters: team });
  assert.deepEqual((await table(page, 'Breakdown')).map(([name, n]) => [name, Number(n)]), values.map((r) => [r.dimensions[0], r.metrics[0]]));
  const other = await visit(t, page.url().slice(at('').length), '.events li');
  assert.deepEqual(await table(other, 'Breakdown'), await table(page, 'Breakdown'));
  await page.click('a:has-text("All events")');
  await loaded(page, 'section[aria-label="Events"] tbody tr');
  assert.deepEqual((await table(page, 'Events')).map(([name, , n]) => [name, Number(n)]), [['signup', row.metrics[0]]], 'filters stay');
  assert.deepEqual([...page.wrong, ...other.wrong], []);
});
test('events: by keyboard, on a phone, in the dark, and axe finds nothing', async (t) => {
  await everyLook(t, '/events', '.spark');
  await everyLook(t, '/events?event=signup&by=property%3Aseats', '.facts');
  const page = await visit(t, '/events?q=signup', '.row-name');
  await page.focus('.row-name');
  await page.keyboard.press('Enter');
  await loaded(page, '.events li');
  await page.focus('.events summary');
  await page.keyboard.press('Space');
  assert.ok(await page.locator('.events details').first().evaluate((d) => d.open));
  await page.focus('.tile:nth-child(2)');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.chart').getAttribute('aria-label').startsWith('Visitors'));
});
test('events: nothing there, and what fails is told where it fails', async (t) => {
  const empty = await visit(t, '/events?event=never', 'section[aria-label="Latest"] p');
  assert.equal(await empty.textContent('section[aria-label="Latest"] p'), 'None in this range.');
  assert.equal(await empty.textContent('section[aria-label="Breakdown"] td'), 'Nothing in this range.');
  const page = await open(t, {}, at('/events?event=signup'));
  await page.route('**/query', (route) => (route.request().postData().includes('"events","date') || route.request().postData().includes('"report":"events"') ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"The store is starting."}' }) : route.continue()));
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Latest"] [role=alert]:has-text("The store is starting.")');
  await loaded(page, 'section[aria-label="Breakdown"] tbody tr');
  await page.unroute('**/query');
  await page.click('section[aria-label="Latest"] button:has-text("Try again")');
  await loaded(page, '.events li');
});
test('it stops', () => s.stop());
