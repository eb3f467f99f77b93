// What the tests in a real browser share: Chromium, a site of static pages, and a relay in front of weir that writes
// down every request and can refuse or cut as told.
import { spawn } from 'node:child_process';
import http from 'node:http';
import { CHROMIUM } from '../scenario/chromium.mjs';
import { loadPackage, tempFolder, until } from '../scenario/harness.mjs';

/** Ends the process with 77 (Meson: skipped) and the reason where no browser can run. */
export async function launch(options = {}) {
  const skip = (why) => { console.log(`# skipped: ${why}`); process.exit(77); };
  const playwright = await loadPackage('playwright-core');
  if (!playwright) skip('playwright-core is not in node_modules');
  if (!CHROMIUM) skip(`there is no chromium here (Debian's package of that name; ${process.arch})`);
  const { args = [], ...more } = options;
  return playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', ...args], ...more })
    .catch((e) => skip(`chromium does not start: ${e.message.split('\n')[0]}`));
}

/** A browser that nobody drives, for what Chromium does not do while somebody does: the pages drive themselves. */
export function visit(t, url) {
  const profile = tempFolder(); // goes with this process: the browser has to end before
  const child = spawn(CHROMIUM, ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync', '--disable-background-networking', '--password-store=basic', `--user-data-dir=${profile}`, '--remote-debugging-port=0', url], { stdio: 'ignore', detached: true });
  const ended = new Promise((done) => { child.on('exit', done); });
  child.unref();
  t.after(async () => {
    try { process.kill(-child.pid, 'SIGKILL'); } catch { /* gone */ }
    await ended;
  });
}

function listen(handler) {
  return new Promise((done) => {
    const server = http.createServer(handler).listen(0, '127.0.0.1', () => done(server));
  });
}
function close(server) {
  server.closeAllConnections();
  return new Promise((done) => { server.close(done); });
}
const bodyOf = async (req) => {
  const parts = [];
  for await (const p of req) parts.push(p);
  return Buffer.concat(parts);
};

/** Hands everything on to weir. `requests`: {method, path, headers, body, text, status}. */
export class Relay {
  static async start(target) {
    const relay = new Relay();
    relay.requests = [];
    relay.target = new URL(target);
    relay.server = await listen((req, res) => relay.handle(req, res));
    relay.url = `http://127.0.0.1:${relay.server.address().port}`;
    return relay;
  }
  /** What becomes of the next POSTs, one word each: 'refuse' (503, not handed on), 'cut' (connection destroyed before),
   * 'lose' (handed on and kept, the answer destroyed), 'hold' (until release() is called), 'bad' (400). */
  plan(...words) { this.words = words; }
  words = [];
  held = [];
  release() { for (const go of this.held.splice(0)) go(); }
  async handle(req, res) {
    const body = await bodyOf(req).catch(() => null);
    if (!body) return;
    const entry = { method: req.method, path: req.url, headers: req.headers, text: body.toString(), status: 0 };
    try { entry.body = JSON.parse(entry.text); } catch { /* not JSON */ }
    this.requests.push(entry);
    const word = req.method === 'POST' ? this.words.shift() : undefined;
    entry.word = word;
    const refuse = (status) => { entry.status = status; res.writeHead(status, { 'access-control-allow-origin': req.headers.origin ?? '*' }).end(); };
    if (word === 'refuse') return refuse(503);
    if (word === 'bad') return refuse(400);
    if (word === 'cut') return res.destroy();
    if (word === 'hold') await new Promise((go) => { this.held.push(go); });
    await this.pass(req, res, body, entry, word);
  }
  pass(req, res, body, entry, word) {
    return new Promise((done) => {
      const on = http.request({ host: this.target.hostname, port: this.target.port, method: req.method, path: req.url, headers: req.headers, agent: false }, (answer) => {
        const parts = [];
        answer.on('data', (d) => parts.push(d));
        answer.on('end', () => {
          entry.status = answer.statusCode;
          if (word === 'lose') res.destroy();
          else res.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts));
          done();
        });
      });
      on.on('error', () => { res.destroy(); done(); });
      on.end(body);
    });
  }
  posts() { return this.requests.filter((r) => r.method === 'POST'); }
  /** Every event that came in any body, in the order of arrival, with `from` = the body it was in. */
  events(where = () => true) {
    return this.posts().flatMap((r) => (r.body?.e ?? []).map((e) => ({ ...e, from: r }))).filter(where);
  }
  /** Each of them once: what was under way when its page was left is sent again, and weir knows it by its ids. */
  saw(what, where, count = 1) {
    return until(what, () => {
      const all = [...new Map(this.events(where).map((e) => [`${e.from.body.i} ${e.i}`, e])).values()];
      return all.length >= count && all;
    }, 60000);
  }
  stop() { return close(this.server); }
}

/** Pages by path: a text, or {status, headers, body, when: what it waits for}. */
export class Site {
  static async start(pages) {
    const site = new Site();
    site.pages = pages;
    site.asked = [];
    site.server = await listen((req, res) => site.handle(req, res));
    site.port = site.server.address().port;
    site.url = `http://127.0.0.1:${site.port}`;
    return site;
  }
  async handle(req, res) {
    const { pathname } = new URL(req.url, this.url);
    this.asked.push({ path: req.url, headers: req.headers });
    let page = this.pages(pathname, req, this);
    if (page === undefined) page = { status: 404, body: 'nothing here' };
    if (typeof page === 'string') page = { body: page };
    if (page.relay) return page.relay.handle(req, res);
    if (page.when) await page.when;
    res.writeHead(page.status ?? 200, { 'content-type': 'text/html; charset=utf-8', ...page.headers });
    res.end(page.body);
  }
  stop() { return close(this.server); }
}
