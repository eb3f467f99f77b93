// The dashboard's map, what is shared with people who have no account, the palette, the demo project.
import { assert, until } from '../scenario/harness.mjs';
import { Site } from './browser.mjs';
import { digits, events, home, loaded, noFindings, open, opened, owner, question, rowsOf, s, settled, test, viewer } from './dashboard_bed.mjs';

const WIDTHS = [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 } }];
const nameOf = (options) => options.colorScheme ?? options.viewport?.width ?? 'light';
/** axe, the edge, and a picture for who wants to look (SHOTS names a folder). */
async function looksRight(page, what, options) {
  await noFindings(page, `${what} ${JSON.stringify(options)}`);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: no sideways scrolling`);
  if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${what}-${nameOf(options)}.png`, fullPage: !(await page.locator('dialog[open]').count()) });
}

// Germany, the United States, Japan; Singapore and Malta are hardly to be seen in true size.
const PLACES = { DE: '88.198.1.1', US: '8.8.8.8', JP: '133.11.0.1', SG: '165.21.83.88', MT: '193.188.32.10' };
const visits = Object.values(PLACES).flatMap((ip, i) => Array.from({ length: 6 - i }, (_v, n) => ({ event: 'pageview', anonymous_id: `${ip}-${n}`, timestamp: Date.now() - 86400000, context: { ip, page: { url: 'https://shop.example/' } } })));

test('there are events, and of some it is known where from', async () => {
  const r = await s.send({ batch: [...events, ...visits] });
  assert.ok(r.status === 200 && r.json.results.every((x) => x.result === 'ok'), r.text);
  await s.visible(events.length + visits.length, '1');
  const { results } = await question({ metrics: ['visitors'], date_range: '28d', dimensions: ['country'], filters: [['is_not', 'country', ['']]] });
  assert.deepEqual(results.map((r) => [r.dimensions[0], r.metrics[0]]), Object.keys(PLACES).map((code, i) => [code, 6 - i]));
});
test('the map has a colour for every country that the API names, small ones as points, and tells their numbers', async (t) => {
  const page = await opened(t);
  await loaded(page, '.map svg');
  const { results } = await question({ metrics: ['visitors'], date_range: '28d', dimensions: ['country'], limit: 300 });
  const codes = results.map((r) => r.dimensions[0]).filter(Boolean);
  assert.deepEqual((await page.locator('.map [data-code].has').evaluateAll((all) => all.map((x) => x.getAttribute('data-code')))).sort(), codes.toSorted());
  assert.deepEqual(await page.locator('.map .point').evaluateAll((all) => all.map((x) => x.getAttribute('data-code')).sort()), ['MT', 'SG']);
  await page.locator('.map').scrollIntoViewIfNeeded();
  const at = await page.locator('.map .point[data-code=SG] .dot').evaluate((x) => { const { x: left, y: top, width, height } = x.getBoundingClientRect(); return [left + width / 2, top + height / 2]; });
  await page.mouse.move(...at);
  await page.waitForSelector('.map-tip:has-text("Singapore")');
  assert.equal(digits(await page.textContent('.map-tip b')), '3');
  // What the pointer tells on the map, the keyboard tells in the list.
  await page.mouse.move(0, 0);
  await page.focus('section[aria-label="Places"] button[title="Germany"]');
  await page.waitForSelector('.map-tip:has-text("Germany")');
  assert.equal(await page.locator('.map .pointed').count(), 1);
  await page.mouse.click(...at);
  await page.waitForFunction(() => /f=is(~|%7E)country(~|%7E)SG/.test(location.search));
  await settled(page);
  assert.deepEqual(await rowsOf(page, 'Places'), [['Singapore', '3']]);
  assert.equal(await page.locator('.map [data-code].chosen').getAttribute('data-code'), 'SG');
  await page.click('section[aria-label="Places"] [role=tab]:has-text("Language")');
  await settled(page);
  assert.equal(await page.locator('.map [data-code].has').count(), 1, 'the map stays one of countries');
  assert.deepEqual(page.wrong, []);
});
test('the map fits a phone, and axe finds nothing beside it', async (t) => {
  for (const options of WIDTHS) {
    const page = await opened(t, owner, options);
    await loaded(page, '.map svg');
    await looksRight(page, 'map', options);
  }
});

// ---- shared links ----
const clipboard = { permissions: ['clipboard-read', 'clipboard-write'] };
const copied = (page) => page.evaluate(() => navigator.clipboard.readText());
async function makeLink(page, { name, more = async () => {} }) {
  await page.click('button:has-text("Share")');
  await page.waitForSelector('dialog[open] .share-form');
  await page.fill('.share-form input[placeholder="For the board"]', name);
  await more(page);
  await page.click('button:has-text("Make the link")');
  await page.click(`.links li:has-text("${name}") button:has-text("Copy")`);
  await page.waitForSelector(`.links li:has-text("${name}") button:has-text("Copied")`);
  return copied(page);
}
test('a link is made by keyboard, copied, opened by nobody in particular, bound to its filters, and revoked', async (t) => {
  const page = await opened(t, owner, clipboard, `${home}?f=is~country~DE~US`);
  const link = await makeLink(page, { name: 'Two countries', more: async (p) => { await p.check('.share-form label:has-text("Retention") input'); assert.match(await p.textContent('.share-form'), /Only Country is Germany, United States/); } });
  assert.match(link, new RegExp(`^${s.url}/app/share/sh_[0-9A-Za-z]{32}$`));
  assert.equal(await page.getAttribute('.links li:has-text("Two countries") a', 'href'), link);
  // Over plain http from another machine the browser has no API for it.
  await page.evaluate(() => { window.real = navigator.clipboard; Object.defineProperty(navigator, 'clipboard', { value: undefined }); return window.real.writeText(''); });
  await page.click('.links li:has-text("Two countries") button:has-text("Copied")');
  await page.waitForFunction((text) => window.real.readText().then((now) => now === text), link);
  const guest = await open(t, {}, link);
  await settled(guest);
  const { results: [row] } = await question({ metrics: ['visitors'], date_range: '28d', filters: [['is', 'country', ['DE', 'US']]] });
  assert.equal(Number(digits(await guest.textContent('.tile-value'))), row.metrics[0]);
  assert.deepEqual(await rowsOf(guest, 'Places'), [['Germany', '6'], ['United States', '5']]);
  assert.equal(await guest.locator('.filters').count(), 0, 'what it is bound to is not a filter of the page');
  assert.deepEqual(await guest.locator('nav a').allTextContents(), ['Overview', 'Retention']);
  assert.equal(await guest.locator('button:has-text("Share"), button[aria-label^="Account"], button[aria-label^="Project"]').count(), 0);
  assert.deepEqual(await guest.context().cookies(), []);
  // A filter of one's own narrows; other pages of the link work; a page that it does not show says so.
  await guest.click('section[aria-label="Places"] button[title="Germany"]');
  await settled(guest);
  assert.equal(Number(digits(await guest.textContent('.tile-value'))), 6);
  await guest.click('nav a:has-text("Retention")');
  await guest.waitForSelector('.grid tbody tr, .nothing, .card');
  assert.match(guest.url(), /\/app\/share\/sh_\w+\/retention\?/);
  const other = await open(t, {}, `${link}/funnel`);
  await other.waitForSelector('.card:has-text("does not show funnel")');
  // Revoked: the next question of an open page is refused, and the page says why.
  await page.click('.links li:has-text("Two countries") button:has-text("Revoke")');
  await page.click('.links li:has-text("Two countries") button:has-text("Revoke for good")');
  await page.waitForFunction(() => !document.querySelector('.links').textContent.includes('Two countries'));
  await guest.click('nav a:has-text("Overview")');
  await guest.waitForSelector('[role=alert]:has-text("revoked")');
  await page.keyboard.press('Escape');
  assert.ok(await page.evaluate(() => document.activeElement.textContent === 'Share'), 'the focus comes back');
  const errors = (p) => p.wrong.filter((w) => !/40[134]/.test(w));
  assert.deepEqual([...errors(page), ...errors(guest), ...errors(other)], []);
});
test('a link with a password asks for it, and tells a wrong one', async (t) => {
  const page = await opened(t, owner, clipboard);
  const link = await makeLink(page, { name: 'Secret', more: (p) => p.fill('.share-form input[name=password]', 'correct horse battery') });
  const guest = await open(t, {}, link);
  await guest.waitForSelector('input[name=password]');
  await noFindings(guest, 'password of a link');
  for (const word of ['wrong horse battery', 'correct horse battery']) {
    await guest.fill('input[name=password]', word);
    await guest.click('button:has-text("Show")');
    if (word[0] === 'w') await guest.waitForSelector('[role=alert]:has-text("wrong")');
  }
  await settled(guest);
});
test('a page that a link names may hold it in a frame, another may not', async (t) => {
  const html = { '/': '<!doctype html><title>A site</title><iframe src="LINK" width="900" height="900"></iframe>' };
  const sites = await Promise.all([1, 2].map(() => Site.start((p) => html[p])));
  t.after(() => Promise.all(sites.map((x) => x.stop())));
  const page = await opened(t, owner, clipboard);
  const link = await makeLink(page, { name: 'Framed', more: (p) => p.fill('.share-form input[placeholder="https://example.com"]', sites[0].url) });
  await page.click('.links li:has-text("Framed") button:has-text("Copy frame")');
  const snippet = await until('the frame', async () => { const text = await copied(page); return text.startsWith('<iframe') && text; });
  assert.ok(snippet.includes(`src="${link}?embed=1"`), snippet);
  html['/'] = html['/'].replace('LINK', `${link}?embed=1&theme=dark`);
  html['/plain'] = html['/'].replace('?embed=1', '');
  const context = await page.context().browser().newContext();
  t.after(() => context.close());
  const visit = async (url) => { const p = await context.newPage(); await p.goto(url); return p; };
  const inside = (p) => p.frames().find((f) => f.url().startsWith(s.url));
  const good = await visit(`${sites[0].url}/`);
  await good.waitForFunction(() => document.querySelector('iframe'));
  const frame = await until('the frame', () => inside(good));
  await frame.waitForSelector('.tile-value');
  await frame.waitForFunction(() => document.querySelectorAll('.rows tbody tr').length > 3);
  assert.equal(await frame.locator('header.top').count(), 0);
  assert.equal(await frame.evaluate(() => document.documentElement.dataset.theme), 'dark');
  for (const url of [`${sites[1].url}/`, `${sites[0].url}/plain`]) {
    const refused = await visit(url);
    await until('it is refused', () => refused.frames().some((f) => f.url().startsWith('chrome-error:')));
  }
});
test('the dialog and the shared page: axe, both colours, a phone; who may not share has no button', async (t) => {
  const maker = await opened(t, owner, clipboard);
  const link = await makeLink(maker, { name: 'To look at' });
  for (const options of WIDTHS) {
    const page = await opened(t, owner, options, `${home}?f=is~country~DE~US`);
    await page.click('button:has-text("Share")');
    await loaded(page, '.links li');
    await looksRight(page, 'share', options);
    const guest = await open(t, options, link);
    await settled(guest);
    await loaded(guest, '.map svg');
    await looksRight(guest, 'shared', options);
    assert.equal(await guest.locator('nav').count(), 0, 'one page needs no list of pages');
  }
  const page = await opened(t, viewer);
  assert.equal(await page.locator('button:has-text("Share")').count(), 0);
});

// ---- commands and keys ----
const options = (page) => page.locator('.palette [role=option] > span:first-child').allTextContents();
const active = (page) => page.evaluate(() => { const input = document.querySelector('.palette input'); return document.getElementById(input.getAttribute('aria-activedescendant'))?.querySelector('span').textContent; });
const command = async (page) => {
  await page.keyboard.press('Control+k');
  await page.waitForSelector('.palette [role=option]');
};
test('by the palette alone: a page, a range, a filter in two steps, colours; what is typed finds, arrows choose', async (t) => {
  const page = await opened(t);
  await command(page);
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'combobox');
  await page.keyboard.type('last 7');
  assert.deepEqual(await options(page), ['Last 7 days']);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('range=7d') && !document.querySelector('.palette'));
  await command(page);
  await page.keyboard.type('filter country');
  assert.equal((await options(page))[0], 'Filter by country …');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => [...document.querySelectorAll('.palette [role=option]')].some((o) => o.textContent === 'Singapore'));
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  const third = await active(page);
  assert.equal(third, (await options(page))[2]);
  await page.keyboard.press('Backspace'); // nothing is typed: back to all commands
  await page.waitForFunction(() => [...document.querySelectorAll('.palette [role=option]')].some((o) => o.textContent.startsWith('Overview')));
  await page.keyboard.type('filter country');
  await page.keyboard.press('Enter');
  await page.keyboard.type('singap');
  await page.waitForFunction(() => document.querySelector('.palette [role=option]')?.textContent === 'Singapore');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /f=is(~|%7E)country(~|%7E)SG/.test(location.search));
  await settled(page);
  assert.deepEqual(await rowsOf(page, 'Places'), [['Singapore', '3']]);
  await command(page);
  await page.keyboard.type('remove');
  assert.match((await options(page))[0], /^Remove: Country is Singapore$/);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => !document.querySelector('.filters'));
  await command(page);
  await page.keyboard.type('reten');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.pathname.endsWith('/retention') && location.search.includes('range=7d'));
  await command(page);
  await page.keyboard.type('colours dark');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await command(page);
  await page.keyboard.type('nothing like it');
  assert.deepEqual(await options(page), []);
  assert.match(await page.textContent('.palette-none'), /Nothing of that name/);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => !document.querySelector('.palette'));
  assert.deepEqual(page.wrong, []);
});
test('what is typed while the palette is still loading is its text, and no key', async (t) => {
  const page = await opened(t);
  let go;
  const held = new Promise((done) => { go = done; });
  await page.route('**/app/assets/palette.*', async (route) => { await held; await route.continue(); });
  await page.keyboard.press('Control+k');
  await page.keyboard.type('today');
  go();
  await page.waitForSelector('.palette [role=option]');
  assert.equal(await page.inputValue('.palette input'), 'today');
  assert.deepEqual([new URL(page.url()).search, await page.evaluate(() => document.documentElement.dataset.theme ?? 'system')], ['', 'system']);
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.search.includes('range=day'));
});
test('keys go to pages, choose ranges, are listed by ?, are not heard while somebody writes, and can be turned off', async (t) => {
  const page = await opened(t);
  const at = (part) => page.waitForFunction((x) => (location.pathname + location.search).includes(x), part);
  await page.keyboard.press('w');
  await at('range=7d');
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await at('/funnel?range=7d');
  await loaded(page, '.steps');
  await page.focus('input[aria-label="Step 2"]');
  await page.keyboard.type('gor?');
  assert.equal(await page.inputValue('input[aria-label="Step 2"]'), 'gor?');
  assert.equal(await page.locator('dialog').count(), 0);
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open] .keys');
  const listed = await page.locator('.keys div').evaluateAll((all) => all.map((d) => [[...d.querySelectorAll('kbd')].map((k) => k.textContent).join(' '), d.querySelector('dd').textContent]));
  for (const row of [['Ctrl K', 'Commands'], ['w', 'Last 7 days'], ['g o', 'Overview'], ['g f', 'Funnel'], ['?', 'This list']]) assert.ok(listed.some(([k, x]) => k === row[0] && x === row[1]), row.join());
  await page.uncheck('.keys-on input');
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  await page.keyboard.press('m');
  await page.keyboard.press('Control+k'); // this one stays
  await page.waitForSelector('.palette [role=option]');
  assert.match(page.url(), /\/funnel\?range=7d/);
  await page.keyboard.press('Escape');
  assert.deepEqual(page.wrong, []);
});
test('the palette and the list of keys: axe, both colours, a phone', async (t) => {
  for (const options of WIDTHS) {
    const page = await opened(t, owner, options);
    await page.click('button:has-text("Go to")');
    await page.waitForSelector('.palette [role=option]');
    await looksRight(page, 'palette', options);
    await page.keyboard.type('keys');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open] .keys');
    await looksRight(page, 'keys', options);
  }
});

// ---- the demo ----
test('a project of made-up data is one click from the empty state, says what it is, and is archived like any other', async (t) => {
  const org = s.keys.org;
  const page = await opened(t);
  const made = await page.evaluate(async (o) => { const { csrf_token } = await (await fetch('/v1/me')).json(); return (await fetch(`/v1/orgs/${o}/projects`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf_token }, body: '{"name":"Empty"}' })).json(); }, org);
  await page.goto(`${s.url}/app/${made.id}/overview`);
  await page.waitForSelector('.waiting');
  for (const viewport of [{ width: 360, height: 740 }, { width: 1280, height: 900 }]) {
    await page.setViewportSize(viewport);
    await looksRight(page, 'start', { viewport });
  }
  await page.click('button:has-text("Open a demo project")');
  await page.waitForSelector('.tiles');
  await settled(page);
  const demo = new URL(page.url()).pathname.split('/')[2];
  assert.notEqual(demo, made.id);
  assert.match(await page.textContent('button[aria-label^="Project:"]'), /Demo \(made-up data\)/);
  const ask = (body) => page.evaluate(async ([id, q]) => { const { csrf_token } = await (await fetch('/v1/me')).json(); return (await (await fetch(`/v1/projects/${id}/query`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf_token }, body: JSON.stringify(q) })).json()).results; }, [demo, body]);
  // It has something for every page: countries, devices, people who come back, signups, money, vitals, a day that stands out.
  const [[all], countries, browsers, [money], [retention], [vitals]] = await Promise.all([
    ask({ metrics: ['visitors', 'events', 'users'], date_range: 'all' }), ask({ metrics: ['visitors'], date_range: 'all', dimensions: ['country'] }), ask({ metrics: ['visitors'], date_range: 'all', dimensions: ['browser'] }),
    ask({ metrics: ['total_revenue'], date_range: 'all' }), ask({ report: 'retention', date_range: '91d', unit: 'week', count_by: 'users' }), ask({ report: 'vitals', date_range: 'all' })]);
  assert.ok(all.metrics[0] > 2000 && all.metrics[1] > 9000 && all.metrics[2] > 50, JSON.stringify(all));
  assert.ok(countries.length > 15 && browsers.length >= 4 && money.metrics[0].EUR > 500 && vitals.count > 1000, JSON.stringify([countries.length, browsers, money, vitals?.count]));
  assert.ok(retention);
  // It is there once; the other project is as empty as before.
  await page.goto(`${s.url}/app/${made.id}/overview`);
  await page.waitForSelector('.waiting');
  await page.click('button:has-text("Open a demo project")');
  await page.waitForSelector('.tiles');
  assert.equal(new URL(page.url()).pathname.split('/')[2], demo);
  await page.goto(`${s.url}/app/${made.id}/overview`);
  await page.waitForSelector('.waiting');
  const gone = await page.evaluate(async ([o, id]) => { const { csrf_token } = await (await fetch('/v1/me')).json(); return (await fetch(`/v1/orgs/${o}/projects/${id}`, { method: 'DELETE', headers: { 'x-csrf-token': csrf_token } })).status; }, [org, demo]);
  assert.ok(gone < 300, `${gone}`);
  const viewing = await opened(t, viewer, {}, `${s.url}/app/${s.keys.project}/overview`);
  await viewing.goto(`${s.url}/app/${made.id}/overview`);
  await viewing.waitForSelector('.waiting');
  assert.equal(await viewing.locator('button:has-text("demo")').count(), 0, 'who may make no project is not offered one');
  assert.deepEqual(page.wrong, []);
});
test('it stops', () => s.stop());
