// What every test of the dashboard stands on: a browser, a server, people of each role, and what a page has to have shown before it is
// looked at. One server for each file that imports this.
import path from 'node:path';
import { readFileSync } from 'node:fs';
import { makePeople } from '../scenario/access.mjs';
import { ROOT, SLOW, Server, assert, test as nodeTest } from '../scenario/harness.mjs';
import { launch } from './browser.mjs';

export const test = Object.assign((name, body) => nodeTest(name, { timeout: 180000 * SLOW }, body), { after: nodeTest.after });
const browser = await launch();
test.after(() => browser.close());
export const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const axe = readFileSync(path.join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8');
export const PASSWORD = 'correct horse battery staple 7';
await makePeople(s, [`viewer@a.example,${s.keys.org}=viewer`, `auditor@a.example,${s.keys.org}=auditor`, 'nobody@else.example'], { password: PASSWORD });
export const owner = [s.keys.admin.email, s.keys.admin.password], viewer = ['viewer@a.example', PASSWORD];
export const home = `${s.url}/app/${s.keys.project}/overview`;

const DAY = 86400000, today = Math.floor(Date.now() / DAY) * DAY;
const CHROME = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0';
/** A known small history of 49 days. */
export const events = [];
for (let day = 1; day < 50; day++)
  for (let v = 0; v < 3 + (day % 4); v++)
    for (const [i, p] of ['/', '/pricing', '/docs/a~b%25?x=1'].slice(0, 1 + ((day + v) % 3)).entries())
      events.push({ event: 'pageview', anonymous_id: `a${day % 9}-${v}`, timestamp: today - day * DAY + (9 + v) * 3600000 + i * 60000, context: { page: { url: `https://shop.example${p}`, referrer: i ? '' : v % 2 ? 'https://www.google.com/' : '' }, userAgent: v % 2 ? CHROME : FIREFOX } });
events.push({ event: 'signup', anonymous_id: 'a1-0', timestamp: today - DAY, context: { userAgent: CHROME } });

export const question = (body) => s.fetch(`/v1/projects/${s.keys.project}/query`, { method: 'POST', headers: { 'x-api-key': s.keys.secret_key, 'content-type': 'application/json' }, body: JSON.stringify(body) }).then((r) => { assert.equal(r.status, 200, r.text); return r.json; });
export const digits = (text) => text.replace(/[^\d.–]/g, '');

export async function open(t, options = {}, url = s.url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-US', ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.wrong = [];
  page.on('pageerror', (e) => page.wrong.push(e.message));
  page.on('console', (m) => { if (m.type() === 'error' && !/401|403|503/.test(m.text())) page.wrong.push(m.text()); });
  page.on('request', (r) => { if (!r.url().startsWith(s.url)) page.wrong.push(`asked elsewhere: ${r.url()}`); });
  await page.goto(url);
  return page;
}
export async function signIn(page, [email, password]) {
  await page.fill('input[name=email]', email);
  await page.fill('input[name=password]', password);
  await page.click('button:has-text("Sign in")');
}
export const opened = async (t, who = owner, options = {}, url = home) => {
  const page = await open(t, options, url);
  await signIn(page, who);
  await settled(page);
  return page;
};
export const loaded = (page, selector) => page.waitForFunction((x) => document.querySelector(x) && !document.querySelector('[aria-busy=true]'), selector);
export const settled = (page) => page.waitForFunction(() => document.querySelectorAll('.rows tbody tr').length && document.querySelector('.tile-value')?.textContent.trim() && !document.querySelector('[aria-busy=true]'));
export const rowsOf = (page, panel) => page.locator(`section[aria-label="${panel}"] tbody tr`).evaluateAll((all) => all.map((tr) => [tr.querySelector('button')?.textContent, tr.querySelector('td')?.textContent]));
export async function noFindings(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  assert.deepEqual(found.violations.map((v) => [v.id, v.nodes.map((n) => `${n.html.slice(0, 120)} ${n.any.map((a) => a.message).join('; ')}`)]), [], what);
}
