// The dashboard in a real Chromium, against a real server: what is shown is what the API answers, for who may see it.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { assert, tempFolder, until, weir } from '../scenario/harness.mjs';
import { PASSWORD, digits, events, home, loaded, noFindings, open, opened, owner, question, rowsOf, s, settled, signIn, test, viewer } from './dashboard_bed.mjs';

test('who opens the printed address comes to the dashboard, and what may be cached is', async () => {
  const root = await s.fetch('/', { headers: { accept: 'text/html,*/*;q=0.8' }, redirect: 'manual' });
  assert.deepEqual([root.status, root.headers.get('location')], [303, '/app']);
  assert.equal((await s.fetch('/')).json.name, 'weir');
  const page = await s.fetch('/app/x/y/z');
  assert.deepEqual([page.status, page.headers.get('content-type'), page.headers.get('cache-control'), page.headers.get('x-frame-options')], [200, 'text/html; charset=utf-8', 'no-cache', 'DENY']);
  assert.match(page.headers.get('content-security-policy'), /^default-src 'none'; script-src 'self'; style-src 'self';/);
  for (const [, file] of page.text.matchAll(/\/app\/assets\/([\w.]+)/g)) {
    for (const coding of ['br', 'gzip', 'identity']) {
      const r = await fetch(`${s.url}/app/assets/${file}`, { headers: { 'accept-encoding': coding } });
      assert.deepEqual([r.status, r.headers.get('content-encoding'), r.headers.get('cache-control')], [200, coding === 'identity' ? null : coding, 'public, max-age=31536000, immutable'], file);
      assert.ok((await r.arrayBuffer()).byteLength > 0);
      const again = await fetch(`${s.url}/app/assets/${file}`, { headers: { 'accept-encoding': coding, 'if-none-match': r.headers.get('etag') } });
      assert.equal(again.status, 304);
    }
  }
  assert.equal((await s.fetch('/app/assets/app.000000000000.js')).status, 404);
});
test('signing in: a mistake is told, and the first project waits for its first event, which is seen when it comes', async (t) => {
  const page = await open(t);
  await signIn(page, ['admin@localhost', 'wrong']);
  await page.waitForSelector('[role=alert]');
  await signIn(page, owner);
  await page.waitForSelector('.waiting');
  assert.equal(new URL(page.url()).pathname, `/app/${s.keys.project}/overview`);
  await loaded(page, '.code');
  assert.match(await page.textContent('.code'), new RegExp(`data-key="${s.keys.write_key}"`));
  await noFindings(page, 'the page of a project without events');
  for (const [tab, words] of [['curl', 'curl -sS'], ['PostHog', 'api_host']]) {
    await page.click(`[role=tab]:has-text("${tab}")`);
    assert.ok((await page.textContent('.code')).includes(words));
  }
  // An automated browser: it is seen at once, and why it is in no number.
  const robot = await s.fetch('/api/event', { method: 'POST', headers: { 'content-type': 'text/plain', 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36' }, body: JSON.stringify({ n: 'pageview', u: 'https://shop.example/robot', d: s.keys.write_key }) });
  assert.equal(robot.status, 202, robot.text);
  await page.waitForSelector('.waiting:has-text("Here is “pageview” of /robot. Counting …")');
  await page.waitForSelector('.waiting:has-text("reports leave out bots")');
  const r = await s.send({ batch: events });
  assert.ok(r.status === 200 && r.json.results.every((x) => x.result === 'ok'), r.text);
  await page.waitForSelector('.tiles');
  await s.visible(events.length, "page_path != '/robot'");
  await until('the sessions', async () => (await question({ metrics: ['pageviews'], date_range: 'all', filters: [['is', 'entry_page', ['/']]] })).results[0].metrics[0] === events.length - 1);
  assert.deepEqual(page.wrong, []);
});
test('what is shown is what the API answers', async (t) => {
  const page = await opened(t);
  const metrics = ['visitors', 'visits', 'pageviews', 'views_per_visit', 'bounce_rate'];
  const { results: [row] } = await question({ metrics, date_range: '28d', include: { compare: 'previous_period' } });
  const tiles = await page.locator('.tile').evaluateAll((all) => all.map((x) => [x.querySelector('.tile-value').textContent, x.querySelector('.delta').textContent]));
  const round = (v, n) => Number(v.toFixed(n));
  assert.deepEqual(tiles.slice(0, 3).map(([v]) => Number(digits(v))), row.metrics.slice(0, 3));
  assert.deepEqual(tiles.slice(3, 5).map(([v]) => Number(digits(v))), [round(row.metrics[3], 2), round(row.metrics[4], 1)]);
  const delta = ((row.metrics[0] - row.comparison.metrics[0]) / row.comparison.metrics[0]) * 100;
  assert.equal(Math.abs(Number(digits(tiles[0][1]))), round(Math.abs(delta), 1));
  for (const [panel, dimension, more = []] of [['Sources', 'source'], ['Pages', 'page', [['is', 'event', ['pageview']]]], ['Devices', 'browser']]) {
    const { results } = await question({ metrics: ['visitors'], date_range: '28d', dimensions: [dimension], filters: more, limit: 9 });
    assert.deepEqual((await rowsOf(page, panel)).map(([, n]) => Number(n)), results.map((r) => r.metrics[0]), panel);
  }
  assert.deepEqual((await rowsOf(page, 'Sources')).map(([n]) => n), ['Direct', 'Google']);
  assert.deepEqual(await rowsOf(page, 'Events'), [['signup', '1']]);
  assert.match(await page.getAttribute('.chart', 'aria-label'), /^Visitors, 28 values/);
  assert.deepEqual(page.wrong, []);
});
test('a click filters every panel, stands in the address, and goes away with back', async (t) => {
  const page = await opened(t);
  const before = await page.textContent('.tile-value');
  await page.click('section[aria-label="Sources"] button:has-text("Google")');
  await page.waitForFunction((b) => document.querySelector('.tile-value').textContent !== b, before);
  await settled(page);
  const { results: [row] } = await question({ metrics: ['visitors'], date_range: '28d', filters: [['is', 'source', ['Google']]] });
  assert.equal(Number(digits(await page.textContent('.tile-value'))), row.metrics[0]);
  assert.match(page.url(), /[?&]f=is%7Esource%7EGoogle|[?&]f=is~source~Google/);
  assert.deepEqual((await rowsOf(page, 'Devices')).map(([n]) => n), ['Chrome']);
  // The same address elsewhere shows the same; a value with the characters of the address's own grammar survives.
  await page.click('section[aria-label="Pages"] button:has-text("/docs/a~b")');
  await settled(page);
  assert.equal(await page.locator('.filters li').count(), 3);
  const other = await opened(t, owner, {}, page.url());
  assert.equal(await other.textContent('.tile-value'), await page.textContent('.tile-value'));
  await page.goBack();
  await page.goBack();
  await page.waitForFunction((b) => document.querySelector('.tile-value').textContent === b, before);
  assert.equal(await page.locator('.filters').count(), 0);
  assert.deepEqual([...page.wrong, ...other.wrong], []);
});
test('range, comparison, metric and lists are chosen by keyboard alone', async (t) => {
  const page = await opened(t);
  await page.focus('button[aria-label^="Range:"]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.menu-list');
  for (let i = 0; i < 20 && !(await page.evaluate(() => document.activeElement.textContent === 'Last 7 days')); i++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('range=7d'));
  await settled(page);
  assert.match(await page.getAttribute('.chart', 'aria-label'), /, 7 values/);
  await page.focus('.tile:nth-child(3)');
  await page.keyboard.press('Space');
  await page.waitForFunction(() => document.querySelector('.chart')?.getAttribute('aria-label').startsWith('Page views'));
  await page.focus('section[aria-label="Devices"] [role=tab][aria-selected=true]');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.querySelector('section[aria-label="Devices"] thead th').textContent === 'System');
  await page.focus('button[aria-label^="Compared with"]');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  assert.ok(await page.evaluate(() => document.activeElement.getAttribute('aria-label').startsWith('Compared with')), 'the focus comes back');
  assert.deepEqual(page.wrong, []);
});
test('axe finds nothing, in light and dark, wide and on a phone, where nothing hangs over the edge', async (t) => {
  for (const options of [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 } }]) {
    const page = await opened(t, owner, options);
    await noFindings(page, JSON.stringify(options));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling');
  }
  const page = await open(t);
  await page.waitForSelector('form');
  await noFindings(page, 'signing in');
});
test('a viewer sees numbers, an auditor is told why not, and somebody of no organisation, too', async (t) => {
  const seen = await opened(t, viewer);
  assert.ok(await seen.textContent('.tile-value'));
  for (const [who, words] of [['auditor@a.example', 'does not show numbers'], ['nobody@else.example', 'not a member']]) {
    const page = await open(t, {}, `${s.url}/app`);
    await signIn(page, [who, PASSWORD]);
    await page.waitForSelector(`main .card:has-text("${words}"), main.card:has-text("${words}"), p.card:has-text("${words}")`);
    assert.equal(await page.locator('.tiles').count(), 0);
  }
});
test('a funnel is built by hand, stands in the address, and says what the API says', async (t) => {
  const page = await opened(t);
  await page.click('nav a:has-text("Funnel")');
  await page.waitForSelector('.steps');
  const write = async (n, kind, value) => {
    await page.selectOption(`select[aria-label="Step ${n}: event or page"]`, kind);
    await page.fill(`input[aria-label="Step ${n}"]`, value);
    await page.keyboard.press('Tab');
  };
  await write(2, 'page', '/pricing');
  await page.click('button:has-text("Add a step")');
  await write(3, 'event', 'signup');
  await loaded(page, '.funnel li:nth-child(3)');
  const asked = { report: 'funnel', date_range: '28d', steps: [{ event: 'pageview' }, { filters: [['is', 'event', ['pageview']], ['is', 'page', ['/pricing']]] }, { event: 'signup' }], window: 86400 };
  const { results: [row] } = await question(asked);
  assert.ok(row.steps[1].count > 0);
  assert.deepEqual(await page.locator('.funnel-number b').allTextContents(), row.steps.map((x) => String(x.count)));
  await page.selectOption('label:has-text("Broken down by") select', 'browser');
  await loaded(page, '.grid tbody tr');
  const { results } = await question({ ...asked, dimensions: ['browser'] });
  assert.deepEqual(await page.locator('.grid tbody tr').evaluateAll((all) => all.map((tr) => [tr.cells[0].textContent, Number(tr.cells[1].textContent)])), results.map((r) => [r.dimensions[0], r.steps[0].count]));
  await noFindings(page, 'funnel');
  const other = await open(t, {}, page.url());
  await signIn(other, owner);
  await loaded(other, '.grid tbody tr');
  assert.deepEqual(await other.locator('.funnel-number b').allTextContents(), row.steps.map((x) => String(x.count)));
  assert.deepEqual([...page.wrong, ...other.wrong], []);
});
test('retention and paths say what the API says', async (t) => {
  const page = await opened(t);
  await page.click('nav a:has-text("Retention")');
  await loaded(page, '.grid tbody tr');
  const { results: cohorts } = await question({ report: 'retention', date_range: '91d', unit: 'week', type: 'first_time', periods: 12 });
  const shown = cohorts.slice(cohorts.findIndex((c) => c.size));
  assert.deepEqual(await page.locator('.grid tbody tr:not(.mean) td:nth-child(2)').allTextContents(), shown.map((c) => String(c.size)));
  assert.deepEqual(await page.locator('.grid tbody tr:nth-child(2) .heat').evaluateAll((all) => all.map((td) => Number(td.title.split(' ')[0]))), shown[0].returned);
  await noFindings(page, 'retention');
  await page.click('nav a:has-text("Paths")');
  await loaded(page, '.flow-node');
  const { results: edges } = await question({ report: 'paths', date_range: '28d', nodes: 'page', steps: 4, limit: 28 });
  assert.equal(await page.locator('.flow-band').count(), edges.length);
  await page.click('summary');
  assert.deepEqual(await page.locator('.grid tbody tr').evaluateAll((all) => all.map((tr) => [Number(tr.cells[0].textContent), tr.cells[1].textContent, tr.cells[2].textContent, Number(tr.cells[3].textContent)])), edges.map((e) => [e.step, e.source, e.target, e.count]));
  await noFindings(page, 'paths');
  await page.locator('.flow-node', { hasText: '/pricing' }).first().press('Enter');
  await page.waitForFunction(() => location.search.includes('from=%2Fpricing') && document.querySelectorAll('.flow-node').length);
  assert.deepEqual(page.wrong, []);
});
test('an error of one panel is told there, the rest stays, and trying again mends it', async (t) => {
  const page = await open(t, {}, home);
  await page.route('**/query', (route) => (route.request().postData().includes('"browser"') ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"The store is starting."}' }) : route.continue()));
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Devices"] [role=alert]:has-text("The store is starting.")');
  await page.waitForSelector('section[aria-label="Pages"] tbody tr');
  await page.unroute('**/query');
  await page.click('section[aria-label="Devices"] button:has-text("Try again")');
  await page.waitForSelector('section[aria-label="Devices"] tbody tr');
  assert.deepEqual(page.wrong, []);
});
test('a store that is starting is waited for, and nobody has to try again', async (t) => {
  const page = await open(t, {}, home), asked = [];
  await page.route('**/query', (route) => {
    asked.push(route.request().postData());
    if (asked.length > 3) return route.continue();
    return route.fulfill({ status: 503, contentType: 'application/problem+json', headers: { 'retry-after': '1' }, body: '{"detail":"The store is starting."}' });
  });
  await signIn(page, owner);
  await settled(page);
  assert.equal(await page.locator('[role=alert]').count(), 0);
  for (const again of asked.slice(0, 3)) assert.ok(asked.lastIndexOf(again) > 2, 'it was asked again');
  assert.deepEqual(page.wrong, []);
});
test('on paper: what it is, nothing to press, in light colours whatever the screen has, within its edges', async (t) => {
  const page = await opened(t, owner, { colorScheme: 'dark' });
  await page.click('section[aria-label="Sources"] button:has-text("Google")');
  await settled(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.querySelector('.card')).backgroundColor), dark = await ground();
  await page.evaluate(() => { addEventListener('beforeprint', () => { window.printed = getComputedStyle(document.querySelector('.card')).backgroundColor; }); });
  assert.ok((await page.pdf({ format: 'A4' })).length > 10000);
  assert.equal(await page.evaluate(() => window.printed), 'rgb(255, 255, 255)');
  assert.equal(await ground(), dark, 'and as before behind it');
  await page.setViewportSize({ width: 718, height: 1000 });
  await page.emulateMedia({ media: 'print' });
  assert.match(await page.locator('.on-paper').innerText(), /^Overview of default, Last 28 days, with the previous period, as of /);
  assert.equal(await page.locator('.top, .side, .button').filter({ visible: true }).count(), 0);
  assert.deepEqual(await page.locator('.filters li').filter({ visible: true }).allInnerTexts(), ['source is Google']);
  await page.waitForFunction(() => document.documentElement.scrollWidth <= 718 && [...document.querySelectorAll('canvas')].every((c) => c.getBoundingClientRect().right <= 718));
  assert.deepEqual(page.wrong, []);
});
test('what another product counted is added for the days before the first event, unless one looks without it', async (t) => {
  const day = new Date(Date.now() - 90 * 86400000).toISOString().slice(0, 10);
  const file = path.join(tempFolder(), 'sums.csv');
  for (const csv of [`date,visitors,pageviews,bounces,visits,visit_duration\n${day},7,20,2,8,80\n`, `date,source,referrer,utm_source,utm_medium,utm_campaign,utm_content,utm_term,pageviews,visitors,visits,visit_duration,bounces\n${day},Bing,,,,,,,12,5,6,60,1\n${day},,,,,,,,8,2,2,20,1\n`]) {
    writeFileSync(file, csv);
    const r = await weir(['import', 'plausible', file, '--project', s.keys.project, '--data', s.data]);
    assert.equal(r.code, 0, r.err);
  }
  const page = await opened(t, owner, {}, `${home}?range=${day}..${day}`);
  const first = () => page.locator('.tile-value').allInnerTexts();
  await page.waitForFunction(() => document.querySelector('.tile-value')?.textContent === '7' && !document.querySelector('[aria-busy=true]'));
  assert.deepEqual((await first()).slice(0, 5).map(digits), ['7', '8', '20', '2.5', '25']);
  assert.deepEqual(await rowsOf(page, 'Sources'), [['Bing', '5'], ['Direct', '2']]);
  assert.deepEqual(await page.locator('section.panel:has-text("Without imported data") h2').allInnerTexts(), ['Events'], 'what is not known there says so');
  await noFindings(page, 'with imported data');
  await page.click('section[aria-label="Sources"] button:has-text("Bing")');
  await page.waitForFunction(() => document.querySelector('.tile-value')?.textContent === '5' && !document.querySelector('[aria-busy=true]'));
  await page.click('.tools button:has-text("Imported data")');
  await page.waitForFunction(() => document.querySelector('.tile-value')?.textContent === '0' && !document.querySelector('[aria-busy=true]'));
  assert.equal(await page.getAttribute('.tools button:has-text("Imported data")', 'aria-pressed'), 'false');
  assert.equal(await page.locator('text=Without imported data').count(), 0, 'nobody asked for it');
  assert.deepEqual(page.wrong, []);
});
test('signing out ends the session here and at the server; an ended session asks to sign in again', async (t) => {
  const page = await opened(t);
  await page.click('button[aria-label^="Account"]');
  await page.click('button:has-text("Sign out")');
  await page.waitForSelector('input[name=password]');
  assert.equal(await page.evaluate(() => fetch('/v1/me').then((r) => r.status)), 401);
  await signIn(page, owner);
  await settled(page);
  await page.context().clearCookies();
  // By the next question, whoever asks it: the page itself may have done so before there is something to click.
  await page.evaluate(() => [...document.querySelectorAll('section[aria-label="Sources"] button')].find((b) => b.textContent.includes('Google'))?.click());
  await page.waitForSelector('input[name=password]');
});
test('it stops', () => s.stop());
