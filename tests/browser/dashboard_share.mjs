// The dashboard's map, what is shared with people who have no account, the palette, the demo project.
import { assert } from '../scenario/harness.mjs';
import { digits, events, loaded, noFindings, opened, owner, question, rowsOf, s, settled, test } from './dashboard_bed.mjs';

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
  for (const options of [{}, { colorScheme: 'dark' }, { viewport: { width: 360, height: 740 } }]) {
    const page = await opened(t, owner, options);
    await loaded(page, '.map svg');
    await noFindings(page, JSON.stringify(options));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling');
    if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/map-${options.colorScheme ?? options.viewport?.width ?? 'light'}.png`, fullPage: true });
  }
});
test('it stops', () => s.stop());
