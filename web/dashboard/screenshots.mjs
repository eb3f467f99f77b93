// Pictures of every page in both colours, of a server that ends with this program, with the demo project's data.
//
//   WEIR_BIN=build/weir node web/dashboard/screenshots.mjs [OUTDIR]      docs/img by default; "make screenshots"
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CHROMIUM } from '../../tests/scenario/chromium.mjs';
import { ROOT, Server, loadPackage } from '../../tests/scenario/harness.mjs';

const out = path.resolve(process.argv[2] ?? path.join(ROOT, 'docs/img'));
const playwright = await loadPackage('playwright-core');
if (!playwright || !CHROMIUM) throw new Error('playwright-core (npm) and chromium (Debian) are needed: tools/setup.sh test');
mkdirSync(out, { recursive: true });
const s = await Server.start({ args: ['--archive', 'false'] });
const browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', timezoneId: 'Europe/Berlin' });
const page = await context.newPage(), cdp = await context.newCDPSession(page);
page.setDefaultTimeout(120000);
const quiet = () => page.waitForFunction(() => document.querySelector('main')?.textContent.trim() && !document.querySelector('[aria-busy=true]') && [...document.querySelectorAll('.tile-value')].every((v) => v.textContent.trim()));

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
    const { data } = await cdp.send('Page.captureScreenshot', { format: 'webp', quality: 92 }); // a third of a PNG
    writeFileSync(path.join(out, `${name}-${theme}.webp`), Buffer.from(data, 'base64'));
  }
  console.log(name);
};
await shoot('start');
await page.click('button:has-text("Open a demo project")');
await page.waitForSelector('.tiles');
const project = new URL(page.url()).pathname.split('/')[2];
const ids = await page.locator('nav a').evaluateAll((all) => all.map((a) => a.pathname.split('/')[3]));
const more = { funnel: 's=page~/&s=page~/signup&s=event~signup&window=604800', users: 'range=28d' };
for (const id of [...ids, 'profile']) {
  await page.setViewportSize({ width: 1280, height: id === 'overview' ? 1300 : 800 }); // down to the map
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
