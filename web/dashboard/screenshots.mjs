// Pictures of every page in both colours, of a server that ends with this program, with the demo project's data.
//
//   WEIR_BIN=build/weir node web/dashboard/screenshots.mjs [OUTDIR]      docs/img by default; "make screenshots"
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { CHROMIUM } from '../../tests/scenario/chromium.mjs';
import { ROOT, Server, loadPackage, until } from '../../tests/scenario/harness.mjs';

const out = path.resolve(process.argv[2] ?? path.join(ROOT, 'docs/img'));
const playwright = await loadPackage('playwright-core');
if (!playwright || !CHROMIUM) throw new Error('playwright-core (npm) and chromium (Debian) are needed: tools/setup.sh test');
mkdirSync(out, { recursive: true });
const s = await Server.start({ args: ['--archive', 'false'] });
const browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', timezoneId: 'Europe/Berlin' });
const page = await context.newPage();
page.setDefaultTimeout(120000);
const quiet = () => page.waitForFunction(() => document.querySelector('main')?.textContent.trim() && !document.querySelector('[aria-busy=true]'));

await page.goto(`${s.url}/app`);
await page.fill('input[name=email]', s.keys.admin.email);
await page.fill('input[name=password]', s.keys.admin.password);
await page.click('button:has-text("Sign in")');
await page.waitForSelector('.waiting');
const shoot = async (name) => {
  for (const theme of ['light', 'dark']) {
    await page.evaluate((t) => { document.documentElement.dataset.theme = t; dispatchEvent(new Event('weir-theme')); }, theme); // as chosen, and the charts with it
    await page.mouse.move(0, 0);
    await quiet();
    await page.screenshot({ path: path.join(out, `${name}-${theme}.png`) });
  }
  console.log(name);
};
await shoot('start');
await page.click('button:has-text("Open a demo project")');
await page.waitForSelector('.tiles');
const project = new URL(page.url()).pathname.split('/')[2];
const query = (body) => page.evaluate(async ([id, q]) => { const { csrf_token } = await (await fetch('/v1/me')).json(); return (await fetch(`/v1/projects/${id}/query`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': csrf_token }, body: JSON.stringify(q) })).json(); }, [project, body]);
await until('the visits', async () => (await query({ metrics: ['visits'], date_range: 'all', filters: [['is', 'entry_page', ['/']]] })).results[0].metrics[0] > 500, 120000); // sessions come behind events
const ids = await page.locator('nav a').evaluateAll((all) => all.map((a) => a.pathname.split('/')[3]));
const more = { funnel: 's=page~/&s=page~/signup&s=event~signup&window=604800', users: 'range=28d' };
for (const id of [...ids, 'profile']) {
  await page.goto(`${s.url}/app/${project}/${id}?${more[id] ?? ''}`);
  await page.waitForSelector('main');
  await quiet();
  await page.waitForTimeout(400); // what is drawn behind what was loaded: charts, the map
  await shoot(id);
}
await page.goto(`${s.url}/app/${project}/overview`);
await quiet();
await page.keyboard.press('Control+k');
await page.waitForSelector('.palette [role=option]');
await shoot('commands');
await page.keyboard.press('Escape');
await page.click('button:has-text("Share")');
await page.waitForSelector('dialog[open] .share-form');
await shoot('share');
await browser.close();
s.killNow();
process.exit(0);
