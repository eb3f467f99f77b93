// The pages of the dashboard that one explores with: events, users, who is here now, goals, revenue, Web Vitals. What is shown is what the API answers.
import http from 'node:http';
import { assert, until } from '../scenario/harness.mjs';
import { PASSWORD, digits, events, loaded, noFindings, open, owner, question, s, signIn, test, viewer } from './dashboard_bed.mjs';

const DAY = 86400000, now = Date.now();
/** Sign-ups of which properties are known: text, number, within another, and one with a dot in its name. */
const signups = Array.from({ length: 30 }, (_, i) => ({
  event: 'signup', anonymous_id: `s${i % 20}`, ...(i % 3 ? {} : { user_id: `user ${i}` }), timestamp: now - i * 18 * 3600000 - 60000, context: { page: { url: 'https://shop.example/pricing' } },
  properties: { plan: ['free', 'pro', 'team'][i % 3 === 0 ? 0 : i % 2 ? 1 : 2], ...(i % 2 ? { seats: i } : {}), cart: { items: i % 4 }, 'trial.days': 14 },
}));
const others = Array.from({ length: 60 }, (_, i) => ({ event: `step ${String(i).padStart(2, '0')}`, anonymous_id: `o${i}`, timestamp: now - DAY }));
/** Of whom traits and groups are known; Ann comes twice, under two ids. */
const people = Array.from({ length: 30 }, (_, i) => ({ kind: 'identify', event: 'identify', user_id: `p${i}`, anonymous_id: `b${i}`, timestamp: now - (60 + i) * 3600000, group: { type: 'company', id: i % 2 ? 'acme' : 'globex' }, traits: i % 3 ? { plan: i % 2 ? 'pro' : 'free', seats: i, address: { city: 'Ulm' } } : { name: `Person ${i}`, email: `person${i}@shop.example` } }));
const visits = [3, 2].flatMap((days) => ['/', '/pricing', '/cart'].map((path, i) => ({ event: 'pageview', anonymous_id: 'b1', user_id: 'p1', timestamp: now - days * DAY + i * 60000, context: { page: { url: `https://shop.example${path}`, referrer: i ? '' : 'https://www.google.com/' } } })));
/** Purchases in two currencies, each in a visit that came from somewhere. */
const bought = Array.from({ length: 24 }, (_, i) => [
  { event: 'pageview', anonymous_id: `c${i % 9}`, timestamp: now - i * DAY - 3600000, context: { page: { url: 'https://shop.example/cart', referrer: ['https://www.google.com/', 'https://www.bing.com/', ''][i % 3] } } },
  { event: 'buy', anonymous_id: `c${i % 9}`, timestamp: now - i * DAY - 3500000, revenue: { amount: 10 + i / 4, currency: i % 4 ? 'EUR' : 'USD' }, properties: { size: i % 2 ? 'S' : 'L' }, context: { page: { url: 'https://shop.example/cart' } } },
]).flat();
const vitals = Array.from({ length: 60 }, (_, i) => ({ kind: 'vital', event: 'vital', anonymous_id: `v${i % 7}`, timestamp: now - i * 11 * 3600000, context: { page: { url: `https://shop.example${['/', '/pricing', '/slow'][i % 3]}` } }, properties: i % 2 ? { metric: 'LCP', value: (i % 3 === 2 ? 3000 : 900) + i * 20 } : { metric: 'CLS', value: (i % 10) / 40 } }));
const all = [...events, ...signups, ...others, ...people, ...visits, ...bought, ...vitals];

const at = (path) => `${s.url}/app/${s.keys.project}${path}`;
async function visit(t, path, selector, options = {}, who = owner) {
  const page = await open(t, options, at(path));
  await signIn(page, who);
  await loaded(page, selector);
  return page;
}
const get = (path) => s.fetch(`/v1/projects/${s.keys.project}${path}`, { headers: { 'x-api-key': s.keys.secret_key } }).then((r) => { assert.equal(r.status, 200, r.text); return r.json; });
const table = (page, label) => page.locator(`section[aria-label="${label}"] .rows tbody tr`).evaluateAll((rows) => rows.map((tr) => [...tr.cells].map((c) => c.textContent)));
const range = { date_range: '28d' };
const own = (more = []) => [['is', 'event', ['signup']], ...more];
/** In light, in dark, and on a phone: axe finds nothing, and nothing hangs over the edge. */
async function everyLook(page) {
  const wide = page.viewportSize();
  for (const [colorScheme, size] of [['light', wide], ['dark', wide], ['light', { width: 360, height: 740 }]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    await noFindings(page, `${page.url()} ${colorScheme} ${size.width}`);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${page.url()}: no sideways scrolling`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(wide);
}

test('the data are there', async () => {
  const r = await s.send({ batch: all });
  assert.ok(r.status === 200 && r.json.results.every((x) => x.result === 'ok'), r.text);
  await s.visible(all.length);
  await until('who they are', async () => (await get('/persons?identified=true&limit=1000')).persons.filter((p) => p.groups.company).length === people.length);
  await until('the visits', async () => (await get('/persons/p1/timeline')).events.every((e) => e.kind || e.session));
});
test('the list of events says what the API says, is searched, sorted and goes on', async (t) => {
  const page = await visit(t, '/events', 'section[aria-label="Events"] tbody tr:nth-child(50)');
  const asked = { ...range, metrics: ['events', 'visitors'], dimensions: ['event'], include: { compare: 'previous_period', total_rows: true } };
  const { results, meta } = await question({ ...asked, limit: 50 });
  assert.deepEqual((await table(page, 'Events')).map(([name, , n, , visitors]) => [name, Number(digits(n)), Number(digits(visitors))]), results.map((r) => [r.dimensions[0], ...r.metrics]));
  await page.waitForFunction(() => document.querySelectorAll('.spark polyline').length === 50);
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
  const page = await visit(t, '/events', '.spark');
  await everyLook(page);
  await page.goto(at('/events?event=signup&by=property%3Aseats'));
  await loaded(page, '.facts');
  await loaded(page, '.events li');
  await everyLook(page);
  await page.goto(at('/events?q=signup'));
  await loaded(page, '.row-name');
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
const users = (page) => page.locator('.list tbody th').evaluateAll((all_) => all_.map((th) => new URL(th.querySelector('a').href).searchParams.get('user')));
test('users: the list says what the API says, page by page, searched, sorted and narrowed', async (t) => {
  const page = await visit(t, '/users', '.list tbody tr');
  const all_ = (await get('/persons?limit=1000')).persons.map((p) => p.person_id), seen = [];
  for (let n = 0; n < Math.ceil(all_.length / 25); n++) {
    if (n) await page.click('a:has-text("Next page")');
    await page.waitForFunction((first) => document.querySelector('.list tbody a')?.href.includes(first), all_[n * 25]);
    seen.push(...await users(page));
  }
  assert.deepEqual(seen, all_);
  assert.equal(await page.locator('a:has-text("Next page")').count(), 0);
  await page.goBack();
  await page.waitForFunction((first) => document.querySelector('.list tbody a')?.href.includes(first), all_[seen.length - (seen.length % 25 || 25) - 25]);
  await page.click('a:has-text("First page")');
  const expect = async (query) => {
    const { persons } = await get(`/persons?limit=25&${query}`);
    await page.waitForFunction((ids) => ids === String([...document.querySelectorAll('.list tbody th a')].map((a) => new URL(a.href).searchParams.get('user'))), String(persons.map((p) => p.person_id)));
    return persons;
  };
  await page.selectOption('label:has-text("Sorted by") select', 'first_seen');
  await page.selectOption('label:has-text("Order") select', 'asc');
  await expect('sort=first_seen&order=asc');
  await page.selectOption('label:has-text("Show") select', 'true');
  await expect('sort=first_seen&order=asc&identified=true');
  await page.fill('label:has-text("Trait") input', 'plan:pro');
  await page.keyboard.press('Enter');
  await page.fill('label:has-text("Group") input', 'company:acme');
  await page.keyboard.press('Enter');
  const found = await expect('sort=first_seen&order=asc&identified=true&trait=plan:pro&group=company:acme');
  assert.ok(found.length > 3);
  const other = await visit(t, page.url().slice(at('').length), '.list tbody tr');
  assert.deepEqual(await users(other), found.map((p) => p.person_id));
  await page.goto(at('/users'));
  await loaded(page, '.list');
  await page.fill('input[aria-label="Search in ids and traits"]', 'PERSON12@');
  await page.keyboard.press('Enter');
  await expect('search=PERSON12@');
  assert.deepEqual(await page.locator('.list tbody th').allInnerTexts(), ['Person 12\np12']);
  await page.fill('label:has-text("Trait") input', 'nonsense');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=alert]:has-text("trait: give name:value")');
  assert.deepEqual([...page.wrong.filter((w) => !w.includes('400')), ...other.wrong], []);
});
test('a user: traits, groups, ids and what they did, visit by visit, as the API has it', async (t) => {
  const page = await visit(t, '/users?q=p1', '.list tbody tr');
  const person = await get('/persons/p1'), timeline = await get('/persons/p1/timeline?limit=50');
  await page.click(`.list a[href*="${person.person_id}"]`);
  await loaded(page, '.visit-part');
  const pairs = (label) => page.locator(`section[aria-label="${label}"] .pairs > div`).evaluateAll((all_) => all_.map((d) => [d.querySelector('dt').textContent, d.querySelector('dd').textContent]));
  assert.equal(await page.textContent('h1'), 'p1');
  assert.deepEqual((await pairs('Numbers')).slice(0, 3), [['Events', String(person.events)], ['Page views', String(person.pageviews)], ['Visits', String(person.sessions)]]);
  assert.deepEqual(await pairs('Traits'), Object.entries(person.traits).map(([k, v]) => [k, typeof v === 'string' ? v : JSON.stringify(v)]));
  assert.deepEqual(await pairs('Groups'), [['company', 'acme']]);
  assert.deepEqual(await page.locator('.ids li').allTextContents(), ['p1 user', 'b1']);
  assert.deepEqual(await page.locator('.events li').evaluateAll((all_) => all_.map((li) => [li.querySelector('time').dateTime, li.children[1].textContent, li.children[2].textContent])), timeline.events.map((e) => [e.timestamp, e.event, e.page?.path ?? '']));
  assert.deepEqual(await page.locator('.visit-part').evaluateAll((all_) => all_.map((x) => [x.querySelectorAll('li').length, x.querySelector('.visit').textContent.includes('Google'), x.querySelector('.visit').textContent.includes('3 page views, 3 events, 2 min 0 s')])), [[3, true, true], [1, false, false], [3, true, true]]);
  await page.click('section[aria-label="Groups"] a');
  await loaded(page, '.list tbody tr');
  assert.deepEqual((await users(page)).sort(), (await get('/persons?group=company:acme')).persons.map((p) => p.person_id).sort());
  await page.goto(at('/users?user=nobody'));
  await page.waitForSelector('[role=alert]:has-text("seen nobody under that id")');
  await page.goto(at('/events?event=signup'));
  await loaded(page, '.events li');
  await page.click('.events a:has-text("user 9")');
  await loaded(page, '.visit-part');
  assert.equal(await page.textContent('h1'), 'user 9');
});
test('a long timeline goes on', async (t) => {
  const many = Array.from({ length: 120 }, (_, i) => ({ event: `tick ${i}`, user_id: 'busy', timestamp: now - 3600000 - i * 61000 }));
  await s.send({ batch: many });
  await s.visible(many.length, "user_id = 'busy'");
  await until('it is known', async () => (await s.fetch(`/v1/projects/${s.keys.project}/persons/busy`, { headers: { 'x-api-key': s.keys.secret_key } })).status === 200);
  const page = await visit(t, '/users?user=busy', '.visit-part');
  for (const n of [100, 120]) {
    await page.click('button:has-text("Show earlier")');
    await page.waitForFunction((count) => document.querySelectorAll('.events li').length === count, n);
  }
  assert.deepEqual(await page.locator('.events li').evaluateAll((all_) => all_.map((li) => li.children[1].textContent)), many.map((e) => e.event));
  assert.equal(await page.locator('button:has-text("Show earlier")').count(), 0);
  assert.deepEqual(page.wrong, []);
});
test('users: on a phone, in the dark, and axe finds nothing; who may not see numbers sees none of these pages', async (t) => {
  const wide = await visit(t, '/users?group=company:acme', '.list tbody tr');
  await everyLook(wide);
  await wide.goto(at('/users?user=p1'));
  await loaded(wide, '.visit-part');
  await everyLook(wide);
  const page = await open(t, {}, at('/users'));
  await signIn(page, ['auditor@a.example', PASSWORD]);
  await page.waitForSelector('.card:has-text("does not show numbers")');
  assert.equal(await page.locator('nav[aria-label=Pages] a').count(), 0);
});
const view = (path, more = {}) => ({ event: 'pageview', anonymous_id: 'here', context: { page: { url: `https://shop.example${path}`, referrer: 'https://www.google.com/' } }, ...more });
const send = async (...batch) => { const r = await s.send({ batch }); assert.ok(r.status === 200 && r.json.results.every((x) => x.result === 'ok'), r.text); };
const shownLive = (page) => page.evaluate(() => {
  const rows = (label) => [...document.querySelectorAll(`section[aria-label="${label}"] .rows tbody tr`)].map((tr) => [tr.querySelector('.row-name')?.textContent ?? '', ...[...tr.querySelectorAll('td:not(.nothing)')].map((td) => Number(td.textContent))]);
  return { numbers: [...document.querySelectorAll('.tile-value')].map((d) => Number(d.textContent)), pages: rows('Pages'), sources: rows('Sources'), bars: [...document.querySelectorAll('.minutes title')].map((x) => Number(x.textContent.match(/: (\d+) visitors/)[1])), latest: [...document.querySelectorAll('.latest li')].map((li) => [li.querySelector('time').dateTime, li.children[1].textContent]) };
});
const askedLive = async () => {
  const a = await get('/live');
  return { numbers: [a.visitors, a.visitors_30m, a.pageviews_30m, a.events_30m], pages: a.pages.map((p) => [p.page, p.visitors, p.pageviews]), sources: a.sources.map((x) => [x.source ? `${x.source} · ${x.channel}` : x.channel, x.visitors]), bars: a.minutes.map((m) => m.visitors), latest: a.events.slice(0, 10).map((e) => [e.timestamp, e.event]) };
};
const agree = (page) => until('the page and the API to say the same', async () => { const [shown, asked] = await Promise.all([shownLive(page), askedLive()]); assert.deepEqual(shown, asked); return true; });
test('live: what is shown is what the API says, and an event that comes is seen without anybody asking', async (t) => {
  await send(view('/now'), view('/now', { anonymous_id: 'there', timestamp: Date.now() - 20 * 60000 }), view('/pricing', { anonymous_id: 'there', timestamp: Date.now() - 600000 }));
  const page = await visit(t, '/live', '.minutes rect');
  await agree(page);
  await page.waitForSelector('.stream:has-text("as they come") .pulse:not(.off)');
  const before = (await shownLive(page)).numbers;
  let asked = 0;
  page.on('request', (r) => { if (r.url().endsWith('/live')) asked++; });
  await page.evaluate(() => { window.cameAt = new Promise((done) => new MutationObserver(() => { if (document.querySelector('.latest').textContent.includes('bought')) done(Date.now()); }).observe(document.querySelector('.latest'), { childList: true, subtree: true, characterData: true })); });
  const since = Date.now();
  await send({ event: 'bought', anonymous_id: 'new one', user_id: 'p1', context: { page: { url: 'https://shop.example/now' } } });
  t.diagnostic(`seen ${await page.evaluate(() => window.cameAt) - since} ms after it was sent`);
  await page.waitForFunction((n) => Number(document.querySelectorAll('.tile-value')[0].textContent) === n, before[0] + 1);
  t.diagnostic(`in the numbers after ${Date.now() - since} ms and ${asked} questions`);
  await agree(page);
  assert.match(await page.getAttribute('.latest a', 'href'), /users\?user=p1$/);
  assert.match(await page.textContent('h1 + [role=status]'), /^\d+ visitors now, \d+ in the last 30 minutes$/);
  await page.click('section[aria-label="Pages"] a:has-text("/now")');
  await loaded(page, '.filters li');
  assert.match(decodeURIComponent(page.url()), /overview\?range=day&f=is~page~\/now$/);
  assert.deepEqual(page.wrong, []);
});
test('live: a connection that breaks goes on behind the last event, and nothing is shown twice', async (t) => {
  let isCut = false;
  const streams = new Set(), asked = [];
  const proxy = http.createServer((req, res) => {
    const isStream = req.url.includes('/live/events');
    if (isStream) asked.push(req.headers['last-event-id'] ?? new URL(req.url, s.url).searchParams.get('last_event_id'));
    if (isStream && isCut) return res.writeHead(503).end(); // the browser gives up on this one: the page has to come again
    const on = http.request({ host: s.host, port: s.port, method: req.method, path: req.url, headers: req.headers }, (answer) => { res.writeHead(answer.statusCode, answer.headers); answer.pipe(res); });
    on.on('error', () => res.destroy());
    if (isStream) { streams.add(res); res.on('close', () => on.destroy()); }
    req.pipe(on);
  });
  await new Promise((done) => { proxy.listen(0, '127.0.0.1', done); });
  t.after(() => { proxy.closeAllConnections(); proxy.close(); });
  const page = await open(t, {}, `http://127.0.0.1:${proxy.address().port}/app/${s.keys.project}/live`);
  await signIn(page, owner);
  await page.waitForSelector('.stream:has-text("as they come")');
  const latest = (name) => page.waitForFunction((text) => document.querySelector('.latest li:first-child')?.children[1].textContent === text, name);
  await send({ event: 'first', anonymous_id: 'c' });
  await latest('first');
  await page.route('**/live', (route) => route.abort()); // so that only the stream can tell
  isCut = true;
  for (const res of streams) res.destroy();
  await page.waitForSelector('.stream:has-text("Connecting")');
  await send({ event: 'meanwhile', anonymous_id: 'c' });
  await until('it to try', () => asked.length > 2);
  isCut = false;
  await latest('meanwhile');
  await send({ event: 'after', anonymous_id: 'c' });
  await latest('after');
  assert.ok(asked.slice(1).every(Boolean), `each says behind which: ${asked}`);
  assert.deepEqual((await page.locator('.latest li > :nth-child(2)').allTextContents()).slice(0, 3), ['after', 'meanwhile', 'first']);
});
test('live: an empty half hour, an error and its end, on a phone, in the dark; axe finds nothing', async (t) => {
  await everyLook(await visit(t, '/live', '.latest li'));
  const page = await open(t, {}, at('/live')), none = { now: '', visitors: 0, visitors_30m: 0, pageviews_30m: 0, events_30m: 0, minutes: [], pages: [], sources: [], countries: [], events: [] };
  let status = 503;
  await page.route('**/live', (route) => route.fulfill(status === 200 ? { json: none } : { status, contentType: 'application/problem+json', body: '{"detail":"The store is starting."}' }));
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Now"] [role=alert]:has-text("The store is starting.")');
  status = 200;
  await page.click('button:has-text("Try again")');
  await page.waitForSelector('section[aria-label="Latest events"] :text("Nothing in the last 30 minutes.")');
  assert.equal(await page.locator('td:has-text("Nobody in the last 30 minutes.")').count(), 3);
  assert.equal(await page.locator('[role=alert]').count(), 0);
});
const tiles = (page) => page.locator('.tile-value').allTextContents().then((texts) => texts.map((x) => Number(digits(x))));
const grid = (page, label) => page.locator(`section[aria-label="${label}"] .grid tbody tr`).evaluateAll((rows) => rows.map((tr) => [...tr.cells].map((c) => c.textContent)));
const round = (x, n) => Number(x.toFixed(n));
test('goals: one is kept, has its numbers, its values and its visits, and is removed', async (t) => {
  const page = await visit(t, '/goals', 'section[aria-label="Goals"] .nothing');
  assert.match(await page.textContent('section[aria-label="Goals"] .nothing'), /^None yet/);
  const keep = async (name, ...reached) => {
    await page.click('button:has-text("New goal")');
    await page.fill('dialog input[name=name]', name);
    for (const [i, [field, value]] of reached.entries()) {
      await page.click('dialog button:has-text("Add a filter")');
      await page.selectOption(`select[aria-label="Filter ${i + 1}: field"]`, field);
      await page.fill(`input[aria-label="Filter ${i + 1}: a value"]`, value);
      await page.keyboard.press('Enter');
    }
    await page.click('dialog button:has-text("Save")');
  };
  for (const [i, goal] of [['Signed up', ['event', 'signup']], ['Saw prices', ['event', 'pageview'], ['page', '/pricing']], ['Never', ['event', 'never']]].entries()) {
    await keep(...goal);
    await loaded(page, `section[aria-label="Goals"] tbody tr:nth-child(${i + 1})`);
  }
  await keep('Never', ['event', 'x']);
  await page.waitForSelector('dialog .error');
  await noFindings(page, 'the form of a goal');
  await page.click('dialog button:has-text("Cancel")');
  const { results } = await question({ ...range, metrics: ['events', 'visitors', 'conversion_rate'], dimensions: ['goal'], include: { compare: 'previous_period' } });
  const wanted = [...results.map((r) => [r.dimensions[0], r.metrics[0], r.metrics[1], round(r.metrics[2], 1)]), ['Never', 0, 0, 0]].sort((a, b) => b[3] - a[3]);
  assert.deepEqual((await table(page, 'Goals')).map(([name, n, , visitors, rate]) => [name, ...[n, visitors, rate].map((x) => Number(digits(x)))]), wanted);
  await everyLook(page);
  await page.click('section[aria-label="Goals"] a:has-text("Signed up")');
  await loaded(page, 'section[aria-label="Attribution"] tbody tr');
  const goal = own(), { results: [row] } = await question({ ...range, metrics: ['events', 'visitors', 'group_conversion_rate'], goal });
  assert.deepEqual(await tiles(page), [row.metrics[0], row.metrics[1], round(row.metrics[2], 1)]);
  assert.match(await page.textContent('.about'), /Event is signup/);
  await page.selectOption('section[aria-label="Breakdown"] select', 'property:plan');
  await page.waitForSelector('section[aria-label="Breakdown"] .row-name:has-text("team")');
  const { results: plans } = await question({ ...range, metrics: ['events', 'visitors', 'group_conversion_rate'], dimensions: ['property:plan'], goal });
  assert.deepEqual((await table(page, 'Breakdown')).map(([name, ...n]) => [name, ...n.map((x) => Number(digits(x)))]), plans.map((r) => [r.dimensions[0] || 'Not known', r.metrics[0], r.metrics[1], round(r.metrics[2], 1)]));
  const models = ['first_touch', 'last_touch', 'last_non_direct', 'linear', 'position_based', 'time_decay'];
  const { results: owed } = await question({ ...range, report: 'attribution', dimensions: ['source'], goal, lookback: 2592000, limit: 20 });
  assert.deepEqual((await grid(page, 'Attribution')).map(([, ...n]) => n.map((x) => Number(digits(x)))), owed.map((r) => models.map((m) => round(r.models[m].conversions, 2))));
  await page.click('.tile:has-text("Conversion rate")');
  await page.waitForFunction(() => document.querySelector('.chart')?.getAttribute('aria-label').startsWith('Conversion rate'));
  await everyLook(page);
  const seen = await visit(t, '/goals', 'section[aria-label="Goals"] tbody tr', {}, viewer);
  assert.equal(await seen.locator('button:has-text("New goal")').count(), 0, 'a viewer changes nothing');
  await page.goto(at('/goals'));
  await loaded(page, 'section[aria-label="Goals"] tbody tr');
  await page.click('section[aria-label="Goals"] a:has-text("Never")');
  await page.click('button:has-text("Change")');
  await page.fill('dialog input[name=name]', 'Hardly ever');
  await page.click('dialog button:has-text("Save")');
  await page.waitForFunction(() => document.querySelector('h1').textContent === 'Hardly ever');
  await page.click('button:has-text("Remove")');
  await page.click('dialog button.danger');
  await page.waitForFunction(() => !location.search.includes('goal=') && document.querySelectorAll('section[aria-label="Goals"] tbody tr').length === 2);
  assert.deepEqual((await get('/goals')).data.map((g) => g.name), ['Signed up', 'Saw prices']);
  assert.deepEqual(page.wrong.filter((w) => !w.includes('409')), []);
});
test('revenue: each currency by itself, what brought it, and to which visits it is owed', async (t) => {
  const page = await visit(t, '/revenue', 'section[aria-label="Attribution"] tbody tr');
  assert.deepEqual(await page.locator('[role=tab]').allTextContents(), ['EUR (18)', 'USD (6)']);
  for (const currency of ['EUR', 'USD']) {
    await page.click(`[role=tab]:has-text("${currency}")`);
    await page.waitForFunction((sign) => document.querySelector('.tile-value')?.textContent.startsWith(sign), { EUR: '€', USD: '$' }[currency]);
    await loaded(page, 'section[aria-label="Attribution"] tbody tr');
    const filters = [['is', 'currency', [currency]]], metrics = ['sum:revenue', 'events', 'avg:revenue', 'visitors'];
    const { results: [row] } = await question({ ...range, metrics, filters });
    assert.deepEqual(await tiles(page), [round(row.metrics[0], 2), row.metrics[1], round(row.metrics[2], 2), row.metrics[3]]);
    const { results } = await question({ ...range, metrics: ['sum:revenue', 'events', 'visitors'], filters, dimensions: ['source'] });
    assert.deepEqual((await table(page, 'Breakdown')).map(([, ...n]) => n.map((x) => Number(digits(x)))), results.map((r) => [round(r.metrics[0], 2), ...r.metrics.slice(1)]));
    const { results: owed } = await question({ ...range, report: 'attribution', dimensions: ['source'], goal: filters, lookback: 2592000, limit: 20 });
    const shown = await grid(page, 'Attribution');
    assert.deepEqual(shown.map(([, ...n]) => n.map((x) => Number(digits(x)))), owed.map((r) => Object.values(r.models).map((m) => round(m.revenue[currency] ?? 0, 2))));
  }
  const { results } = await question({ ...range, metrics: ['sum:revenue'], filters: [['is', 'currency', ['USD']]], dimensions: ['property:size'] });
  await page.selectOption('section[aria-label="Breakdown"] select', 'property:size');
  await page.waitForFunction(() => document.querySelector('section[aria-label="Breakdown"] thead th').textContent === 'size');
  await loaded(page, 'section[aria-label="Breakdown"] tbody tr');
  assert.deepEqual((await table(page, 'Breakdown')).map(([name, n]) => [name, Number(digits(n))]), results.map((r) => [r.dimensions[0], round(r.metrics[0], 2)]));
  await page.click('section[aria-label="Attribution"] .row-name:has-text("Google")');
  await page.waitForSelector('.filters li:has-text("Google")');
  await loaded(page, 'section[aria-label="Attribution"] tbody tr');
  await everyLook(page);
  const none = await visit(t, '/revenue?f=is~country~XX', 'section[aria-label="Revenue"] h2');
  assert.equal(await none.textContent('section[aria-label="Revenue"] h2'), 'No revenue in this range');
  assert.deepEqual([...page.wrong, ...none.wrong], []);
});
test('Web Vitals: percentiles, ratings and shares by page, and the thresholds in words', async (t) => {
  const page = await visit(t, '/vitals', 'section[aria-label="By value"] tbody tr');
  const { results: [{ vitals: of }] } = await question({ ...range, report: 'vitals' });
  const shown = { LCP: (n) => (n < 1000 ? `${n} ms` : `${round(n / 1000, 2)} s`), CLS: (n) => String(round(n, 3)) }, words = { good: 'Good', needs_improvement: 'Needs improvement', poor: 'Poor' };
  const told = () => page.locator('.tile').evaluateAll((all_) => all_.map((x) => [x.querySelector('.tile-name').textContent, x.querySelector('.tile-value').textContent, x.querySelector('.rating').textContent]));
  assert.deepEqual(await told(), [['LCP', shown.LCP(of.LCP.p75), words[of.LCP.rating]], ['INP', '–', 'Not measured'], ['CLS', shown.CLS(of.CLS.p75), words[of.CLS.rating]], ['FCP', '–', 'Not measured'], ['TTFB', '–', 'Not measured']]);
  assert.match(await page.textContent('.about'), /Good up to 2\.5 s, poor above 4 s/);
  const rows = async (metric, order) => {
    const { results } = await question({ ...range, report: 'vitals', metrics: [metric], dimensions: ['page'], order });
    assert.deepEqual((await grid(page, 'By value')).map(([name, rating, , ...n]) => [name, rating, ...n]), results.map((r) => { const v = r.vitals[metric]; return [r.dimensions[0], words[v.rating], ...['p50', 'p75', 'p90', 'p95', 'p99'].map((p) => shown[metric](v[p])), String(v.count)]; }));
    const [first] = results, v = first.vitals[metric];
    assert.equal(await page.getAttribute('.shares >> nth=0', 'aria-label'), `Good ${round(v.good, 1)} %, Needs improvement ${round(v.needs_improvement, 1)} %, Poor ${round(v.poor, 1)} %`);
  };
  await rows('LCP', 'count');
  await page.selectOption('label:has-text("First") select', 'p75');
  await page.waitForFunction(() => document.querySelector('.grid tbody .row-name')?.textContent === '/slow');
  await rows('LCP', 'p75');
  await page.click('.tile:has-text("CLS")');
  await page.waitForFunction(() => document.querySelector('.chart')?.getAttribute('aria-label').startsWith('Cumulative Layout Shift'));
  await loaded(page, 'section[aria-label="By value"] tbody tr');
  await rows('CLS', 'p75');
  assert.match(await page.textContent('.about'), /Good up to 0\.1, poor above 0\.25/);
  await page.selectOption('label:has-text("Shown") select', 'p99');
  await page.waitForFunction((text) => document.querySelectorAll('.tile-value')[2].textContent === text, shown.CLS(of.CLS.p99));
  assert.match(await page.getAttribute('.chart', 'aria-label'), /99th percentile, 28 values/);
  await page.click('.grid .row-name:has-text("/slow")');
  await page.waitForSelector('.filters li:has-text("/slow")');
  await loaded(page, 'section[aria-label="By value"] tbody tr');
  await everyLook(page);
  const none = await visit(t, '/vitals?f=is~country~XX', 'section[aria-label="By value"] p');
  assert.equal(await none.textContent('section[aria-label="By value"] p'), 'Nothing was measured in this range.');
  assert.deepEqual([...page.wrong, ...none.wrong], []);
});
// ---- what the types of the dashboard are made of (tools/dashboard-types.mjs) ----
const openapi = (await s.fetch('/openapi.json')).json, named = (ref) => openapi.components.schemas[ref.split('/').pop()];
const typeOf = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v === 'number' && Number.isInteger(v) ? 'integer' : typeof v);
/** What a value has that its schema does not tell, or the other way round; an object of an answer has all that it tells, unless that says which. */
function misfits(schema, value, at = '') {
  if (schema.$ref) return misfits(named(schema.$ref), value, at);
  if (schema.allOf) {
    const parts = schema.allOf.map((x) => (x.$ref ? named(x.$ref) : x));
    return misfits({ type: 'object', required: parts.flatMap((x) => x.required ?? Object.keys(x.properties)), properties: Object.assign({}, ...parts.map((x) => x.properties)) }, value, at);
  }
  if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf).some((x) => !misfits(x, value, at).length) ? [] : [`${at}: none of the kinds: ${JSON.stringify(value)?.slice(0, 200)}`];
  if (schema.enum) return schema.enum.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is no word of ${schema.enum}`];
  const type = typeOf(value), types = [schema.type ?? []].flat();
  if (types.length && !types.includes(type) && !(type === 'integer' && types.includes('number'))) return [`${at}: ${type} ${JSON.stringify(value)?.slice(0, 80)}, not ${types}`];
  if (type === 'array') return schema.items ? value.flatMap((v, i) => misfits(schema.items, v, `${at}/${i}`)) : [];
  if (type !== 'object') return [];
  const { properties, required = Object.keys(properties ?? {}), additionalProperties } = schema;
  return [...required.filter((k) => !(k in value)).map((k) => `${at}/${k}: is not there`), ...Object.entries(value).flatMap(([k, v]) => (properties?.[k] ? misfits(properties[k], v, `${at}/${k}`) : additionalProperties ? misfits(additionalProperties, v, `${at}/${k}`) : properties ? [`${at}/${k}: is not told`] : []))];
}
test('what is answered is what openapi.json says of it, member by member, and the types of the dashboard with it', async () => {
  const login = await s.fetch('/v1/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: owner[0], password: owner[1] }) });
  const headers = { cookie: login.headers.getSetCookie()[0].split(';')[0], 'x-csrf-token': login.json.csrf_token, 'content-type': 'application/json' };
  const operations = new Map(Object.entries(openapi.paths).flatMap(([path, item]) => Object.entries(item).map(([method, op]) => [op.operationId, { path, method: method.toUpperCase(), op }])));
  const ids = { orgId: s.keys.org, projectId: s.keys.project, personId: 'p1', groupType: 'company', groupId: 'acme' };
  const wrong = [];
  /** Asks, compares, and gives the answer. */
  const ask = async (id, { body, query = '', of = {} } = {}) => {
    const { path, method, op } = operations.get(id), { status, json, text } = await s.fetch(path.replace(/\{(\w+)\}/g, (_m, name) => of[name] ?? ids[name]) + query, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    assert.ok(status >= 200 && status < 300, `${id}: ${status} ${text}`);
    const [, { content }] = Object.entries(op.responses).find(([code]) => code.startsWith('2')), { schema } = content['application/json'];
    assert.ok(schema || status === 204, `${id} says what it answers`);
    if (schema) wrong.push(...misfits(schema, json, id));
    return json;
  };
  wrong.push(...misfits(operations.get('login').op.responses['2XX'].content['application/json'].schema, login.json, 'login'));
  for (const id of ['getMe', 'listOrgs', 'getOrg', 'listProjects', 'getProject', 'listMembers', 'listTokenIssuers', 'listPermissions', 'listSessions', 'getPerson', 'listGroupTypes', 'listGroups', 'getGroup', 'getLive', 'getPipeline', 'getIngestion', 'getRejections']) await ask(id);
  await ask('listPersons', { query: '?limit=100' });
  await ask('getPersonTimeline', { query: '?limit=100' });
  const key = await ask('createKey', { body: { kind: 'secret', name: 'k', scopes: ['stats:read'] } });
  await ask('rotateKey', { of: { keyId: key.id }, body: { overlap_seconds: 60 } });
  await ask('getKey', { of: { keyId: key.id } });
  const { token } = await ask('invite', { body: { email: 'somebody@new.example', role: 'viewer' } });
  await ask('lookupInvitation', { body: { token } });
  const filters = [['is', 'event', ['signup']]];
  const kept = {};
  for (const [kind, body] of Object.entries({
    Goal: { name: 'worth it', filters, revenue: { property: 'property:seats', currency: 'EUR' } }, Segment: { name: 'some', filters }, Cohort: { name: 'who', conditions: [{ did: { event: 'signup' } }] }, Annotation: { at: '2026-03-01', text: 'x' },
    Report: { name: 'saved', question: { metrics: ['visitors'], date_range: '7d' } }, Alert: { name: 'low', question: { metrics: ['visitors'], date_range: 'day' }, condition: { type: 'below', value: 1 }, emails: [] }, MailReport: { name: 'weekly', schedule: { every: 'week' }, emails: ['a@b.example'] }, Share: { name: 'all', pages: ['overview'] },
  })) kept[kind] = await ask(`create${kind}`, { body });
  for (const id of ['listKeys', 'listInvitations', 'listGoals', 'listSegments', 'listCohorts', 'listAnnotations', 'listReports', 'listAlerts', 'listMailReports', 'listShares', 'listAlertLog']) await ask(id);
  for (const id of ['getCohort', 'countCohort', 'listCohortMembers']) await ask(id, { of: { cohortId: kept.Cohort.id } });
  await ask('snapshotCohort', { of: { cohortId: kept.Cohort.id }, body: { name: 'then' } });
  await ask('runReport', { of: { reportId: kept.Report.id }, body: {} });
  await ask('openShare', { body: { link: kept.Share.link } });
  await ask('showReportSql', { body: { ...range, metrics: ['visitors'] } });
  const steps = [{ event: 'pageview' }, { event: 'signup' }], goal = filters;
  for (const [row, body] of [
    ['BreakdownRow', { metrics: ['visitors', 'bounce_rate', 'total_revenue'], dimensions: ['source'], include: { compare: 'previous_period', total_rows: true } }], ['BreakdownRow', { metrics: ['visitors'], dimensions: ['time:day'], include: { time_labels: true, sql: true } }], ['FunnelRow', { report: 'funnel', steps }], ['FunnelRow', { report: 'funnel', steps, dimensions: ['browser'] }],
    ['RetentionRow', { report: 'retention' }], ['StickinessRow', { report: 'stickiness' }], ['LifecycleRow', { report: 'lifecycle', unit: 'week' }], ['EdgeRow', { report: 'paths' }], ['PathRow', { report: 'paths', rows: 'paths' }], ['VitalsRow', { report: 'vitals', dimensions: ['page'] }], ['AttributionRow', { report: 'attribution', goal, dimensions: ['source'] }],
    ['AttributionRow', { report: 'attribution', goal, models: ['linear'] }], ['EventRow', { report: 'events', limit: 100 }], ['PropertyRow', { report: 'properties' }],
  ]) {
    const { results } = await ask('queryReport', { body: { ...range, ...body } });
    assert.ok(results.length, JSON.stringify(body));
    wrong.push(...results.flatMap((r) => misfits(openapi.components.schemas[row], r, row)));
  }
  assert.deepEqual(wrong, []);
});
test('it stops', () => s.stop());
