// How long the dashboard takes in a real browser over many events: a cold first page, and a filter.
//
//   bench/reports --events 10000000 --data FOLDER --only overview       makes the events, once
//   node bench/dashboard.mjs FOLDER [ROUNDS]
//
// "usable": from the navigation of a browser that has nothing of it to the last panel's numbers. "filter": from a click on
// a country to all panels' numbers. Beside each what the slowest of its questions took in the same round, by the browser's
// own account: what is above that is the page's.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CHROMIUM } from '../tests/scenario/chromium.mjs';
import { ROOT, loadPackage } from '../tests/scenario/harness.mjs';

const [data, rounds = '10'] = process.argv.slice(2);
if (!data) throw new Error('name the data folder of bench/reports --data');
const playwright = await loadPackage('playwright-core');
if (!playwright || !CHROMIUM) throw new Error('playwright-core (npm) and chromium (Debian) are needed: tools/setup.sh test');
const binary = process.env.WEIR_BIN ?? path.join(ROOT, 'build/weir'), keys = JSON.parse(readFileSync(path.join(data, 'credentials.json')));
const server = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--archive', 'false', '--stream.disk_floor_bytes', '1M'], { stdio: ['ignore', 'pipe', 'ignore'] });
let out = '';
const url = await new Promise((done) => {
  server.stdout.on('data', (d) => {
    out += d;
    const found = /listening on (http:\S+)/.exec(out);
    if (found) done(found[1]);
  });
});
while ((await (await fetch(`${url}/readyz`)).json()).store !== 'ok') await new Promise((done) => setTimeout(done, 200));
const browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });
const first = await browser.newContext();
const page = await first.newPage();
await page.goto(`${url}/app`);
await page.fill('input[name=email]', keys.admin.email);
await page.fill('input[name=password]', keys.admin.password);
await page.click('button:has-text("Sign in")');
await page.waitForSelector('.top');
const cookies = await first.cookies();
await first.close();

const home = `${url}/app/${keys.project}/overview?range=2026-10-01..2026-10-30`;
// Runs in the page: the moment at which every panel has its numbers, on the clock of the navigation; and the slowest question since.
const settled = (since) => new Promise((done) => {
  const look = () => {
    const isThere = document.querySelectorAll('.panel tbody tr').length > 20 && document.querySelector('.tile-value')?.textContent.trim() && !document.querySelector('[aria-busy=true]');
    if (!isThere) return requestAnimationFrame(look);
    const asked = performance.getEntriesByType('resource').filter((e) => e.name.endsWith('/query') && e.startTime >= since);
    return done([performance.now() - since, Math.max(...asked.map((e) => e.duration))]);
  };
  requestAnimationFrame(look);
});
const results = { usable: [], filter: [] };
for (let i = 0; i < Number(rounds); i++) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.addCookies(cookies);
  const p = await context.newPage();
  await p.goto(home, { waitUntil: 'commit' });
  results.usable.push(await p.evaluate(settled, 0));
  const since = await p.evaluate((n) => { const at = performance.now(); document.querySelectorAll('section[aria-label="Places"] tbody .row-name')[n].click(); return at; }, i % 5);
  results.filter.push(await p.evaluate(settled, since));
  await context.close();
}
await browser.close();
server.kill('SIGTERM');
const at = (all, share) => all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))];
for (const [name, all] of Object.entries(results)) {
  const whole = all.map(([ms]) => ms), asked = all.map(([, ms]) => ms);
  console.log(`${name.padEnd(8)} p50 ${at(whole, 0.5).toFixed(0)} ms, p95 ${at(whole, 0.95).toFixed(0)} ms; slowest question p50 ${at(asked, 0.5).toFixed(0)} ms, p95 ${at(asked, 0.95).toFixed(0)} ms; ${(at(whole, 0.5) / at(asked, 0.5)).toFixed(2)} x`);
}
process.exit(0);
