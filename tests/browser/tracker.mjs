// The tracker in a real Chromium, on a site of another origin than weir, and everything that arrives read back from the
// stream and the store. A test never waits for time to pass: where the tracker waits, the page's clock is the test's.
import http from 'node:http';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ROOT, SLOW, Server, assert, loadPackage, test as nodeTest, until, weir } from '../scenario/harness.mjs';
import { Relay, Site, launch, visit } from './browser.mjs';

// What waits for the page waits for ever if it never comes.
const test = Object.assign((name, body) => nodeTest(name, { timeout: 180000 * SLOW }, body), { after: nodeTest.after });
const browser = await launch();
test.after(() => browser.close());
const s = await Server.start({ args: ['--archive', 'false'] });
test.after(() => s.killNow());
const relay = await Relay.start(s.url);
test.after(() => relay.stop());
const key = s.keys.write_key;

// ---- pages ----
const pages = new Map();
const site = await Site.start((path) => (path.startsWith('/stats/') ? { relay } : pages.get(path)));
test.after(() => site.stop());
const stub = '<script>window.weir=window.weir||function(){(weir.q=weir.q||[]).push(arguments)}</script>';
const tag = (attributes = '', src = `${relay.url}/js/weir.js`) => `<script defer src="${src}" data-key="${key}" ${attributes}></script>`;
const html = (body = '', { attributes, src, title = 'A page', more = '' } = {}) => `<!doctype html><html><head><title>${title}</title>${stub}${tag(attributes, src)}${more}</head><body>${body}</body></html>`;
const put = (path, page) => { pages.set(path, page); return site.url + path; };

let number = 0;
/** A folder of its own for each test, so that its events are told apart by their URL. */
const folder = () => `/t${++number}`;
const under = (dir) => (e) => new URL(e.u, site.url).pathname.startsWith(`${dir}/`);
const place = (dir) => (e) => [e.n, e.u.slice(site.url.length + dir.length)];

async function open(t, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1000, height: 500 }, screen: { width: 1280, height: 720 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  page.on('pageerror', (e) => { page.failed = e; });
  return page;
}
const loaded = (page) => page.waitForFunction(() => window.weir && !window.weir.q);
/** The last event of a test: all before it have been sent when it has (the tracker keeps their order). */
async function end(page, dir) {
  await page.evaluate(() => { weir('end'); });
  await relay.saw(`the end of ${dir}`, (e) => under(dir)(e) && e.n === 'end');
  assert.equal(page.failed, undefined);
  return relay.events(under(dir)).filter((e) => e.n !== 'end');
}
/** Records of the stream whose page is in the folder; one that was sent again has the same id, and is one row of the table. */
const records = async (dir) => {
  const cat = await weir(['stream', 'cat', '--data', s.data]);
  assert.equal(cat.code, 0, cat.err);
  const all = cat.out.split('\n').filter(Boolean).map((l) => JSON.parse(l).value).filter((v) => v.page?.url?.startsWith(`${site.url}${dir}/`));
  return [...new Map(all.map((v) => [v.id, v])).values()];
};
const kept = (dir, count, where = () => true) => until(`${count} records of ${dir}`, async () => {
  const all = (await records(dir)).filter(where);
  return all.length >= count && all;
}, 60000);
/** Time stands still in the page; what waits is run by page.clock.runFor(). */
async function frozen(page) {
  await page.clock.install({ time: new Date('2026-05-04T10:00:00Z') });
  await page.clock.pauseAt(new Date('2026-05-04T10:00:01Z'));
}

test('a page view arrives with address, title, referrer and screen', async (t) => {
  const dir = folder();
  put(`${dir}/from`, `<a id=go href="${dir}/to?utm_source=x#part">go</a>`);
  put(`${dir}/to`, html('', { title: 'Où' }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/from`);
  await page.click('#go');
  const [record] = await kept(dir, 1);
  assert.equal(record.event, 'pageview');
  assert.deepEqual(record.page, { url: `${site.url}${dir}/to?utm_source=x`, path: `${dir}/to`, title: 'Où', referrer: `${site.url}${dir}/from` });
  assert.deepEqual(record.screen, { width: 1280, height: 720 });
  assert.equal(record.source, 'tracker');
  assert.match(record.user_agent, /Chrome/);
  assert.equal(record.project, s.keys.project);
  assert.ok(Math.abs(Date.parse(record.timestamp) - Date.parse(record.received_at)) < 60000, `${record.timestamp}, ${record.received_at}`);
  await s.visible(1, `page_path = '${dir}/to'`);
  const { json } = await s.query('/pages');
  assert.deepEqual(json.pageviews.filter((p) => p.path.startsWith(dir)).map((p) => [p.path, p.title, p.pageviews]), [[`${dir}/to`, 'Où', 1]]);
});

test('what happens at once goes in one request, in order, also what was called before the script was there', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html(`<script>weir('first', {n: 1}); weir('second')</script>`));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  const all = await relay.saw('the three', under(dir), 3);
  assert.deepEqual(all.map((e) => e.n), ['pageview', 'first', 'second']);
  assert.equal(new Set(all.map((e) => e.from)).size, 1, 'requests');
  assert.deepEqual((await kept(dir, 3, (r) => r.event === 'first' || true)).find((r) => r.event === 'first').properties, { n: 1 });
});

test('pushState and popstate are page views, replaceState only with another path', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate((d) => {
    history.pushState({}, '', `${d}/b`);
    document.title = 'B';
    history.replaceState({ x: 1 }, '', `${d}/b?filter=1`);
    history.replaceState({ x: 2 }, '', `${d}/b#part`);
    history.replaceState({}, '', `${d}/c`);
    history.pushState({}, '', `${d}/c?page=2`);
  }, dir);
  await page.evaluate(() => new Promise((done) => { addEventListener('popstate', () => done()); history.go(-2); }));
  const all = (await end(page, dir)).filter((e) => e.n === 'pageview');
  assert.deepEqual(all.map(place(dir)), [['pageview', '/a'], ['pageview', '/b'], ['pageview', '/c'], ['pageview', '/a']]);
  assert.deepEqual(all.map((e) => e.from.body.d), ['A page', 'B', 'B', 'B'], 'each under the title that it had when it was left');
  assert.deepEqual(all.map((e) => 'r' in e), [true, false, false, false], 'the referrer once per load');
});

test('the part after # is a page only in hash mode', async (t) => {
  const [plain, hash] = [folder(), folder()];
  put(`${plain}/a`, html());
  put(`${hash}/a`, html('<a id=next href="#/next?x=1">next</a>', { attributes: 'data-hash' }));
  const page = await open(t);
  await page.goto(`${site.url}${plain}/a`);
  await loaded(page);
  await page.evaluate(() => { location.hash = '#one'; history.pushState({}, '', '#two'); });
  assert.deepEqual((await end(page, plain)).filter((e) => e.n === 'pageview').map(place(plain)), [['pageview', '/a']]);
  await page.goto(`${site.url}${hash}/a#/start`);
  await loaded(page);
  await page.click('#next');
  await page.evaluate(() => new Promise((done) => { addEventListener('hashchange', () => done()); location.hash = '#/third'; }));
  await end(page, hash);
  const views = await kept(hash, 3, (r) => r.event === 'pageview');
  assert.deepEqual(views.map((r) => r.page.path).sort(), [`${hash}/a#/next`, `${hash}/a#/start`, `${hash}/a#/third`]);
});

test('a page that comes back out of the back-forward cache is viewed again, without its referrer', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html(`<script>addEventListener('pageshow', (e) => {
    if (e.persisted) weir('returned');
    else fetch('${dir}/next').then(() => { location = '${dir}/b'; });
  })</script>`));
  put(`${dir}/b`, `<script>addEventListener('pageshow', () => fetch('${dir}/back').then(() => history.back()))</script>`);
  visit(t, `${site.url}${dir}/a`);
  await relay.saw('the second view', (e) => under(dir)(e) && e.n === 'pageview', 2);
  const all = relay.events(under(dir)).filter((e) => e.n !== 'engagement');
  assert.deepEqual(all.map((e) => [e.n, 'r' in e]), [['pageview', true], ['returned', false], ['pageview', false]]);
  await kept(dir, 2, (r) => r.event === 'pageview');
});

test('a prerendered page is viewed when it is shown, not before', async (t) => {
  const dir = folder();
  put(`${dir}/a`, `<script type="speculationrules">{"prerender":[{"source":"list","urls":["${dir}/b"],"eagerness":"immediate"}]}</script>
    <script>fetch('${dir}/go').then(() => { location = '${dir}/b'; })</script>`);
  put(`${dir}/b`, html(`<script>
    weir('early');
    addEventListener('load', () => setTimeout(() => fetch('${dir}/loaded?' + document.prerendering), 1500)); // behind the tracker's own timer, were there one
    document.addEventListener('prerenderingchange', () => { weir('shown'); });
  </script>`));
  let show;
  put(`${dir}/go`, { when: new Promise((go) => { show = go; }) });
  visit(t, `${site.url}${dir}/a`);
  const { path } = await until('the page to be prerendered', () => site.asked.find((r) => r.path.startsWith(`${dir}/loaded`)));
  assert.match(path, /true$/, 'it is not shown yet');
  assert.deepEqual(relay.events(under(dir)), [], 'nothing before it is shown');
  show();
  await relay.saw('the view', (e) => under(dir)(e) && e.n === 'shown');
  const all = relay.events(under(dir)).filter((e) => e.n !== 'engagement');
  assert.deepEqual(all.map((e) => [e.n, e.r]), [['pageview', `${site.url}${dir}/a`], ['early', undefined], ['shown', undefined]]);
});

test('links to other sites, files and forms', async (t) => {
  const dir = folder();
  const other = `http://localhost:${site.port}${dir}`;
  put(`${dir}/elsewhere`, 'elsewhere');
  put(`${dir}/in`, html('inside'));
  put(`${dir}/file.pdf`, { headers: { 'content-type': 'application/pdf', 'content-disposition': 'attachment' }, body: 'x' });
  put(`${dir}/a`, html(`
    <div onclick="event.stopPropagation()"><a id=out href="${other}/elsewhere?q=1"><b id=inner>out</b></a></div>
    <a id=in href="${dir}/in">in</a> <a id=file href="${dir}/file.pdf?v=2">file</a> <a id=outfile href="${other}/report.XLSX">file elsewhere</a>
    <a id=mail href="mailto:somebody@example.com">mail</a> <a id=anchor>no address</a> <a id=dotted href="${dir}/john.doe">in, with a dot</a>
    <svg width=10 height=10><a href="${other}/svg"><circle id=drawn cx=5 cy=5 r=5 /></a></svg>
    <form id=order data-more=x action="${dir}/in"><input name=field value=secret><button id=send>send</button></form>`));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  // Where the links lead does not matter here, so the page stays.
  await page.evaluate(() => { for (const n of ['click', 'submit']) addEventListener(n, (e) => { if (e.target.tagName !== 'BUTTON') e.preventDefault(); }, true); });
  for (const id of ['in', 'mail', 'anchor', 'dotted', 'drawn', 'inner', 'file', 'outfile', 'send']) await page.click(`#${id}`);
  await page.evaluate((id) => {
    for (const button of [1, 2]) document.getElementById(id).dispatchEvent(new MouseEvent('auxclick', { button, bubbles: true, cancelable: true }));
  }, 'out');
  const all = (await end(page, dir)).filter((e) => e.n !== 'pageview');
  assert.deepEqual(all.map((e) => [e.n, e.p]), [
    ['outbound', { url: `${other}/elsewhere?q=1` }],
    ['download', { url: `${site.url}${dir}/file.pdf?v=2` }],
    ['download', { url: `${other}/report.XLSX` }],
    ['form', { id: 'order', more: 'x' }],
    ['outbound', { url: `${other}/elsewhere?q=1` }], // the middle button
  ]);
  assert.ok(!JSON.stringify(all.map((e) => e.p)).includes('secret'));
  assert.deepEqual((await kept(dir, 7)).find((r) => r.event === 'form').properties, { id: 'order' }, 'only what is meant for us is kept');
});

test('a link that leads away at once is not lost', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html(`<a id=out href="http://localhost:${site.port}${dir}/b">out</a>`));
  put(`${dir}/b`, 'b');
  const page = await open(t);
  await frozen(page);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.click('#out');
  await relay.saw('the link', (e) => under(dir)(e) && e.n === 'outbound');
});

test('an event that the page names: a 404', async (t) => {
  const dir = folder();
  put(`${dir}/missing`, { status: 404, body: html('not here', { attributes: 'data-event="404"' }) });
  const page = await open(t);
  await page.goto(`${site.url}${dir}/missing`);
  await loaded(page);
  assert.deepEqual((await end(page, dir)).map(place(dir)), [['pageview', '/missing'], ['404', '/missing']]);
  await kept(dir, 1, (r) => r.event === '404' && r.page.path === `${dir}/missing`);
});

test('events with properties and revenue, from a call and from attributes', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html(`
    <div data-weir="buy" data-weir-plan="pro" data-weir-plan-size="10" data-other="no"><button id=buy>buy <b id=inner>now</b></button></div>
    <form data-weir="join" data-weir-list="news"><button id=join>join</button></form>`));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => {
    addEventListener('submit', (e) => { e.preventDefault(); });
    weir('signup', { plan: 'pro', seats: 3, trial: true }, { revenue: { amount: 9.5, currency: 'EUR' } });
    weir('seen', undefined, { interactive: false });
  });
  await page.click('#inner');
  await page.click('#join');
  const all = (await end(page, dir)).filter((e) => e.n !== 'pageview');
  assert.deepEqual(all.map((e) => e.n), ['signup', 'seen', 'buy', 'join']);
  const rows = await kept(dir, 6);
  const of = (name) => rows.find((r) => r.event === name);
  assert.deepEqual(of('signup').revenue, { amount: '9.5', currency: 'EUR' });
  assert.deepEqual(of('signup').properties, { plan: 'pro', seats: 3, trial: true });
  assert.equal(of('seen').interactive, false);
  assert.equal(of('signup').interactive, undefined);
  assert.deepEqual(of('buy').properties, { plan: 'pro', 'plan-size': '10' });
  assert.deepEqual(of('join').properties, { list: 'news' });
  await s.visible(1, `page_path = '${dir}/a' AND event = 'signup' AND revenue = 9.5 AND currency = 'EUR'`);
});

test('engagement: the time seen and focused, and how far down, for each page by itself', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('<div style="height:2000px;margin:0"></div><style>body{margin:0}</style>'));
  const page = await open(t);
  await frozen(page);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  const focus = (yes) => page.evaluate((has) => {
    document.hasFocus = () => has;
    dispatchEvent(new Event(has ? 'focus' : 'blur'));
  }, yes);
  const scroll = (to) => page.evaluate((y) => new Promise((done) => { addEventListener('scroll', () => done(), { once: true }); scrollTo(0, y); }), to);
  await page.clock.runFor(5000);
  await scroll(1000); // of 2000, of which 500 are seen: 75 %
  await scroll(200);
  await focus(false);
  await page.clock.runFor(60000);
  await focus(true);
  await page.clock.runFor(2500);
  await page.evaluate((d) => { history.pushState({}, '', `${d}/b`); }, dir);
  await page.clock.runFor(1500);
  await page.evaluate(() => { // hidden, and back
    let hidden = true;
    Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
    document.dispatchEvent(new Event('visibilitychange', { bubbles: true }));
    window.show = () => { hidden = false; document.dispatchEvent(new Event('visibilitychange', { bubbles: true })); };
  });
  await page.clock.runFor(30000);
  await page.evaluate(() => { show(); });
  await page.clock.runFor(700);
  await page.evaluate(() => { document.querySelector('div').style.height = '4000px'; });
  await page.goto('about:blank');
  const all = await relay.saw('the engagement', (e) => under(dir)(e) && e.n === 'engagement', 3);
  assert.deepEqual(all.map((e) => [...place(dir)(e), e.p.m, e.p.s]), [['engagement', '/a', 7500, 75], ['engagement', '/b', 1500, 35], ['engagement', '/b', 700, 17]]);
  const rows = await kept(dir, 3, (r) => r.event === 'engagement');
  assert.deepEqual(rows.map((r) => [r.kind, r.engagement_ms, r.scroll]).sort(), [['engagement', 1500, 35], ['engagement', 700, 17], ['engagement', 7500, 75]]);
});

test('what waits when the page goes leaves by sendBeacon, as text, without asking first', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await frozen(page); // the timer of the batch never comes
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => { weir('last words'); });
  await page.goto('about:blank');
  const [event] = await relay.saw('the last words', (e) => under(dir)(e) && e.n === 'last words');
  assert.equal(event.from.headers['sec-fetch-mode'], 'no-cors', 'a beacon');
  assert.match(event.from.headers['content-type'], /^text\/plain/);
  await kept(dir, 2);
});

test('a beacon that the browser refuses goes as a request', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await frozen(page);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => { navigator.sendBeacon = () => false; dispatchEvent(new Event('pagehide')); });
  const [event] = await relay.saw('the page view', under(dir));
  assert.equal(event.from.headers['sec-fetch-mode'], 'cors');
});

test('refused, cut off or unanswered: sent again under the same ids, kept once', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await frozen(page);
  relay.plan('refuse', 'cut', 'lose');
  t.after(() => relay.plan());
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => { weir('once'); });
  const tries = () => relay.events((e) => under(dir)(e) && e.n === 'once');
  await until('the fourth try', async () => {
    await page.clock.runFor(1000);
    return tries().length >= 4;
  });
  assert.deepEqual(tries().map((e) => e.from.word), ['refuse', 'cut', 'lose', undefined]);
  assert.equal(new Set(tries().map((e) => `${e.from.body.i}/${e.i}`)).size, 1, 'one id');
  await until('the answer', () => tries()[3].from.status === 204);
  await page.evaluate(() => { weir('after'); });
  await page.clock.runFor(1000);
  await relay.saw('what comes after', (e) => under(dir)(e) && e.n === 'after');
  assert.equal(tries().length, 4, 'kept: not sent again');
  await s.visible(1, `page_path = '${dir}/a' AND event = 'after'`);
  assert.deepEqual(await s.count(`page_path = '${dir}/a'`), { n: 3, ids: 3 });
});

test('under way when its page is left: sent again under the same ids, and one row of the table', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await frozen(page);
  relay.plan('hold');
  t.after(() => { relay.plan(); relay.release(); });
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => { weir('once'); });
  await page.clock.runFor(1000);
  await until('it is under way', () => relay.held.length === 1);
  await page.goto('about:blank');
  const tries = () => relay.events((e) => under(dir)(e) && e.n === 'once');
  await until('the second try', () => tries().length === 2);
  relay.release();
  await until('both answers', () => tries().every((e) => e.from.status === 204));
  assert.equal(new Set(tries().map((e) => `${e.from.body.i}/${e.i}`)).size, 1, 'one id');
  for (let i = 0; i < 8; i++) await s.send({ event: 'behind it', anonymous_id: `${dir} ${i}` }); // in all partitions
  await s.visible(8, `event = 'behind it'`);
  assert.deepEqual(await s.count(`page_path = '${dir}/a' AND event IN ('pageview', 'once')`), { n: 2, ids: 2 });
});

test('what is wrong for good is not sent again', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await frozen(page);
  relay.plan('bad');
  t.after(() => relay.plan());
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.clock.runFor(1000);
  await relay.saw('the page view', under(dir));
  await page.clock.runFor(60000);
  await page.evaluate(() => { weir('after'); });
  await page.clock.runFor(60000);
  const [after] = await relay.saw('what comes after', (e) => under(dir)(e) && e.n === 'after');
  assert.deepEqual(after.from.body.e.map((e) => e.n), ['after']);
  assert.equal(relay.events((e) => under(dir)(e) && e.n === 'pageview').length, 1);
});

test('more than a beacon may carry is sent all the same', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html());
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => { for (let i = 0; i < 40; i++) weir('big', { text: 'é'.repeat(2000), i }); });
  const all = await relay.saw('the big ones', (e) => under(dir)(e) && e.n === 'big', 40);
  assert.deepEqual(all.map((e) => e.p.i), Array.from({ length: 40 }, (_, i) => i));
});

test('pages that are excluded send nothing', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('', { attributes: 'data-exclude="/admin|[?&]preview"' }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate((d) => {
    history.pushState({}, '', `${d}/admin/x`);
    weir('hidden');
    history.pushState({}, '', `${d}/b?preview=1`);
    weir('hidden too');
    history.pushState({}, '', `${d}/c`);
  }, dir);
  assert.deepEqual((await end(page, dir)).filter((e) => e.n !== 'engagement').map(place(dir)), [['pageview', '/a'], ['pageview', '/c']]);
});

test('in manual mode only what is called for is sent', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('', { attributes: 'data-manual' }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate((d) => {
    weir('before');
    history.pushState({}, '', `${d}/b`);
    weir('pageview');
    weir('pageview', undefined, { u: `${location.origin}${d}/named` });
  }, dir);
  assert.deepEqual((await end(page, dir)).filter((e) => e.n !== 'engagement').map(place(dir)), [['before', '/a'], ['pageview', '/b'], ['pageview', '/named']]);
});

test('who is signed in is said by the page and goes with every event', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('', { attributes: 'data-user="u-17"' }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  const [record] = await kept(dir, 1);
  assert.equal(record.user_id, 'u-17');
});

test('on a path of the site itself', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('', { src: '/stats/js/weir.js' }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  const [event] = await relay.saw('the view', under(dir));
  assert.equal(event.from.path, '/stats/w');
  assert.equal(event.from.headers['sec-fetch-site'], 'same-origin');
  await kept(dir, 1);
});

test('under names of the operator\'s choice, beside the usual ones', async (t) => {
  const dir = folder();
  const own = await Server.start({ args: ['--archive', 'false', '--tracker.script_path', '/own/name.js', '--tracker.vitals_path', '/own/v.js', '--tracker.endpoint_path', '/own/place'] });
  t.after(() => own.killNow());
  const to = await Relay.start(own.url);
  t.after(() => to.stop());
  const page = await open(t);
  for (const name of ['/own/name.js', '/js/weir.js']) {
    put(`${dir}${name}`, html('', { src: to.url + name }).replace(key, own.keys.write_key));
    await page.goto(`${site.url}${dir}${name}`);
    const [event] = await to.saw(`the view by ${name}`, (e) => e.u.endsWith(name));
    assert.equal(event.from.path, '/own/place');
    await until('the answer', () => event.from.status === 204);
  }
  assert.equal((await own.fetch('/own/v.js')).text, (await own.fetch('/js/vitals.js')).text);
  for (const bad of ['name.js', '/a//b', '/a b', '/a/']) {
    const refused = await weir(['serve', '--data', own.data, '--listen', '127.0.0.1:0', '--tracker.script_path', bad]);
    assert.notEqual(refused.code, 0, bad);
  }
  await own.stop();
});

test('a strict Content-Security-Policy that names the host is enough', async (t) => {
  const dir = folder();
  put(`${dir}/a`, { headers: { 'content-security-policy': `default-src 'none'; script-src ${relay.url}; connect-src ${relay.url}` }, body: `<!doctype html><title>A</title>${tag()}<script defer src="${relay.url}/js/vitals.js"></script>` });
  const page = await open(t);
  const complaints = [];
  page.on('console', (m) => { if (m.type() === 'error' && !/favicon/.test(m.text())) complaints.push(m.text()); });
  await page.goto(`${site.url}${dir}/a`);
  await relay.saw('the view', under(dir));
  assert.deepEqual(complaints, []);
});

test('nothing is stored in the browser', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html('', { more: `<script defer src="${relay.url}/js/vitals.js"></script>` }));
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await end(page, dir);
  assert.deepEqual(await page.context().cookies(), []);
  assert.deepEqual(await page.evaluate(async () => [document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length, await navigator.serviceWorker.getRegistrations().then((r) => r.length)]), ['', 0, 0, 0, 0]);
  for (const r of relay.requests) assert.equal(r.headers.cookie, undefined, r.path);
});

test('Web Vitals come as events of their own, unrounded', async (t) => {
  const dir = folder();
  put(`${dir}/a`, html(`<div id=space></div><p>text</p><button id=press onclick="const end = performance.now() + 60; while (performance.now() < end);">press</button>`, { more: `<script defer src="${relay.url}/js/vitals.js"></script>` }));
  put(`${dir}/b`, 'b');
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  await loaded(page);
  await page.evaluate(() => new Promise((done) => { // what moves by itself counts
    new PerformanceObserver((list, o) => { o.disconnect(); done(); }).observe({ type: 'layout-shift', buffered: true });
    requestAnimationFrame(() => requestAnimationFrame(() => { document.getElementById('space').style.height = '97px'; }));
  }));
  await page.evaluate(() => {
    window.pressed = new Promise((done) => { new PerformanceObserver((list, o) => { if (list.getEntriesByName('click').length) { o.disconnect(); done(); } }).observe({ type: 'event', durationThreshold: 16 }); });
  });
  await page.click('#press');
  await page.evaluate(() => window.pressed.then(() => new Promise((done) => { requestIdleCallback(() => done(), { timeout: 1500 }); }))); // behind the library's own, which may take a second
  await page.goto(`${site.url}${dir}/b`);
  const all = await relay.saw('five metrics', (e) => under(dir)(e) && e.n === 'vital', 5)
    .catch(() => assert.fail(JSON.stringify(relay.events(under(dir)).map((e) => [e.n, e.p]))));
  const metric = Object.fromEntries(all.map((e) => [e.p.metric, e.p]));
  assert.deepEqual(Object.keys(metric).sort(), ['CLS', 'FCP', 'INP', 'LCP', 'TTFB']);
  assert.ok(metric.CLS.value > 0 && metric.CLS.value < 1, `CLS ${metric.CLS.value}`);
  assert.ok(metric.INP.value >= 56, `INP ${metric.INP.value}`);
  assert.ok(metric.LCP.value >= metric.FCP.value && metric.FCP.value > 0 && metric.TTFB.value > 0, JSON.stringify(metric));
  for (const m of Object.values(metric)) assert.match(m.rating, /^(good|needs-improvement|poor)$/);
  const rows = await kept(dir, 5, (r) => r.event === 'vital');
  assert.ok(rows.every((r) => r.kind === 'vital' && r.interactive === false), JSON.stringify(rows[0]));
  assert.equal(rows.find((r) => r.properties.metric === 'CLS').properties.value, metric.CLS.value);
});

test('the module for bundlers does the same', async (t) => {
  const esbuild = await loadPackage('esbuild');
  const dir = folder();
  const made = await esbuild.build({
    stdin: { contents: `
      import { init, track } from './index.js';
      import { report } from './vitals.js';
      track('early', { n: 1 });
      init({ key: '${key}', endpoint: '${relay.url}/w', user: 'u-18', exclude: /\\/secret/, hash: false });
      init({ key: 'another', endpoint: '/nowhere' });
      report(track);
      track('late');
      history.pushState({}, '', '${dir}/secret');
      history.pushState({}, '', '${dir}/b#part');
      history.pushState({}, '', '${dir}/b#other');
      track('end');`, resolveDir: path.join(ROOT, 'sdk/tracker') },
    bundle: true, write: false, format: 'esm',
  });
  put(`${dir}/m.js`, { headers: { 'content-type': 'text/javascript' }, body: made.outputFiles[0].text });
  put(`${dir}/a`, `<!doctype html><title>A</title><script type=module src="${dir}/m.js"></script>`);
  const page = await open(t);
  await page.goto(`${site.url}${dir}/a`);
  const all = await relay.saw('the end', (e) => under(dir)(e) && e.n === 'end').then(() => relay.events(under(dir)), () => assert.fail(`${page.failed} ${JSON.stringify(relay.events())}`));
  assert.deepEqual(all.filter((e) => !['engagement', 'vital'].includes(e.n)).map(place(dir)), [['pageview', '/a'], ['early', '/a'], ['late', '/a'], ['pageview', '/b#part'], ['end', '/b#part']]);
  const [view] = await kept(dir, 1, (r) => r.event === 'pageview' && r.page.path === `${dir}/b`);
  assert.equal(view.user_id, 'u-18');
  assert.equal(await page.evaluate(() => typeof window.weir), 'undefined');
});

test('the script is small, and is not sent twice', async () => {
  const get = (name, headers = {}) => new Promise((done, fail) => { // fetch() would decode it
    http.get(s.url + name, { headers }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('end', () => done({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
    }).on('error', fail);
  });
  for (const name of ['/js/weir.js', '/any/prefix/js/weir.js', '/js/vitals.js']) {
    const plain = await get(name), packed = await get(name, { 'accept-encoding': 'br, gzip;q=0.5' });
    assert.equal(plain.status, 200);
    assert.equal(plain.headers['content-encoding'], undefined);
    assert.match(plain.headers['content-type'], /^text\/javascript/);
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.deepEqual(gunzipSync(packed.body), plain.body);
    for (const refused of ['br', 'gzip;q=0', 'gzip; q=0.000, br']) assert.equal((await get(name, { 'accept-encoding': refused })).headers['content-encoding'], undefined, refused);
    if (name.endsWith('weir.js')) assert.ok(gzipSync(plain.body, { level: 9 }).length <= 1024 && packed.body.length <= 1024, `${packed.body.length}`);
    for (const answer of [plain, packed]) {
      assert.equal(answer.headers.vary, 'Accept-Encoding');
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin');
      assert.match(answer.headers['cache-control'], /max-age=86400/);
    }
    assert.notEqual(plain.headers.etag, packed.headers.etag);
    const again = await get(name, { 'if-none-match': `"x", W/${plain.headers.etag}` });
    assert.equal(again.status, 304);
    assert.equal(again.body.length, 0);
    assert.equal((await get(name, { 'if-none-match': packed.headers.etag })).status, 200, 'the other representation');
  }
});

test('after all of this: no request asked for leave first, and none was anything but text', () => {
  assert.deepEqual(relay.requests.filter((r) => !['GET', 'POST'].includes(r.method)).map((r) => [r.method, r.path]), []);
  assert.ok(relay.posts().length > 20);
  for (const r of relay.posts()) assert.match(r.headers['content-type'], /^text\/plain/);
  for (const r of relay.posts()) assert.equal(r.headers.authorization, undefined);
});
test('it stops', () => s.stop());
