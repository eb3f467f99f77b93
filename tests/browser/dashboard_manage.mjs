// The pages that change something: settings, keys, team, profile, definitions; and the health of ingestion. Each change is looked
// up at the API, and again on the page after a reload.
import { Client, makePeople } from '../scenario/access.mjs';
import { assert, until, weir } from '../scenario/harness.mjs';
import { totp } from '../scenario/people.mjs';
import { PASSWORD, digits, events, loaded, noFindings, open, opened, owner, question, s, settled, signIn, test, viewer } from './dashboard_bed.mjs';

const org = `/v1/orgs/${s.keys.org}`, project = `${org}/projects/${s.keys.project}`, of = `/v1/projects/${s.keys.project}`;
const sent = await s.send({ batch: events });
assert.ok(sent.status === 200 && sent.json.results.every((r) => r.result === 'ok'), sent.text);
await s.visible(events.length, '1');
const [boss] = await makePeople(s, [`boss@a.example,${s.keys.org}=admin`, `ana@a.example,${s.keys.org}=analyst`, `tess@a.example,${s.keys.org}=viewer`], { password: PASSWORD });
const client = new Client(s);
test.after(() => client.close());
/** What the API says, to somebody who may ask for all of it. */
const api = (method, path, body, status = method === 'POST' ? 201 : method === 'DELETE' ? 204 : 200) => client.must(status, method, path, { as: boss, body });
const ana = ['ana@a.example', PASSWORD], tess = ['tess@a.example', PASSWORD];
const at = (page, of = s.keys.project) => `${s.url}/app/${of}/${page}`;
/** Signed in, on that page, once it shows what `selector` says. */
async function on(t, what, selector, who = owner, options = {}) {
  const page = await open(t, options, at(what));
  await signIn(page, who);
  await loaded(page, selector);
  return page;
}
const get = (page, path) => page.evaluate((p) => fetch(p).then((r) => r.json()), path);
const reloaded = async (page, selector) => {
  await page.reload();
  await loaded(page, selector);
};
/** A button of the dialog; gone is the dialog when it is done. */
const finish = async (page, button) => {
  await page.click(`dialog button:text-is("${button}")`);
  await page.waitForSelector('dialog', { state: 'detached' });
};
const rowOf = (page, table, words) => page.locator(`section[aria-label="${table}"] tbody tr`, { hasText: words });
/** Refusals that a test provokes are written to the console by the browser. */
const noErrors = (...pages) => assert.deepEqual(pages.flatMap((p) => p.wrong).filter((w) => !/status of 4\d\d/.test(w)), []);

/** What a QR code says (of version 5 to 9, M), read the way back: mask of its format, columns in pairs from the right, blocks apart. */
function readQr(path) {
  const dark = new Set(path.match(/M\d+,\d+/g)), at = (x, y) => dark.has(`M${x + 4},${y + 4}`), size = Math.max(...path.match(/M\d+/g).map((m) => Number(m.slice(1)))) - 3, version = (size - 17) / 4;
  const mask = [2, 3, 4].reduce((v, x) => v * 2 + (at(x, 8) ^ [1, 0, 1][x - 2]), 0), align = [6, ...{ 5: [30], 6: [34], 7: [22, 38], 8: [24, 42], 9: [26, 46] }[version]];
  const flips = [(x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3, (x, y) => ((y >> 1) + Math.floor(x / 3)) % 2, (x, y) => (x * y) % 2 + (x * y) % 3, (x, y) => ((x * y) % 2 + (x * y) % 3) % 2, (x, y) => ((x + y) % 2 + (x * y) % 3) % 2][mask];
  const isFixed = (x, y) => x === 6 || y === 6 || (x < 9 && (y < 9 || y > size - 9)) || (x > size - 9 && y < 9) || (version > 6 && ((x < 6 && y > size - 12) || (y < 6 && x > size - 12)))
    || align.some((cx) => align.some((cy) => Math.abs(x - cx) < 3 && Math.abs(y - cy) < 3 && !(cx === 6 && cy === align.at(-1)) && !(cy === 6 && cx === align.at(-1))));
  const bits = [];
  for (let right = size - 1, isUp = true; right > 0; right -= right === 8 ? 3 : 2, isUp = !isUp)
    for (let i = 0; i < size; i++) for (const x of [right, right - 1]) { const y = isUp ? size - 1 - i : i; if (!isFixed(x, y)) bits.push(at(x, y) !== !flips(x, y) ? 1 : 0); }
  const words = bits.join('').match(/.{8}/g).map((b) => parseInt(b, 2)), [blocks, room] = { 5: [2, 86], 6: [4, 108], 7: [4, 124], 8: [4, 154], 9: [5, 182] }[version], short = Math.floor(room / blocks);
  const parts = Array.from({ length: blocks }, () => []);
  for (let i = 0, n = 0; i <= short; i++) parts.forEach((p, b) => { if (i < short || b >= blocks - (room % blocks)) p.push(words[n++]); });
  const text = parts.flat().map((w) => w.toString(2).padStart(8, '0')).join(''), length = parseInt(text.slice(4, 12), 2);
  return Buffer.from(text.slice(12, 12 + 8 * length).match(/.{8}/g).map((b) => parseInt(b, 2))).toString();
}

// ---- settings ----
test('a setting is changed, is what the API says, and survives a reload', async (t) => {
  const page = await on(t, 'settings', 'input[name=name]');
  await page.fill('input[name=name]', 'Shop');
  await page.fill('input[name=time_zone]', 'Europe/Berlin');
  await page.fill('textarea[name=domains]', 'shop.example\n\n  www.shop.example ');
  await page.fill('textarea[name=allowed_origins]', 'https://shop.example');
  await page.fill('input[name=retention_days]', '400');
  await page.selectOption('select[name=privacy_mode]', 'strict');
  await page.selectOption('select[name=bot_policy]', 'drop');
  await page.fill('input[name=events_per_month_max]', '1000000');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('.done:has-text("Saved.")');
  const now = await get(page, project);
  assert.deepEqual([now.name, now.time_zone, now.domains, now.allowed_origins, now.retention_days, now.privacy_mode, now.bot_policy, now.events_per_month_max], ['Shop', 'Europe/Berlin', ['shop.example', 'www.shop.example'], ['https://shop.example'], 400, 'strict', 'drop', 1000000]);
  assert.equal(await page.textContent('button[aria-label^="Project:"]'), 'Shop');
  await reloaded(page, 'input[name=name]');
  assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('form [name]')].map((e) => e.value)), ['Shop', 'Europe/Berlin', 'shop.example\nwww.shop.example', '', 'https://shop.example', '400', 'strict', 'drop', '1000000']);
  assert.ok(await page.isDisabled('button:text-is("Save")'), 'nothing is changed yet');
  // What was there before is put back by the same form, so that the other tests find it.
  for (const [name, value] of [['input[name=time_zone]', 'UTC'], ['textarea[name=domains]', ''], ['textarea[name=allowed_origins]', ''], ['input[name=retention_days]', '0'], ['input[name=events_per_month_max]', '0']]) await page.fill(name, value);
  await page.selectOption('select[name=privacy_mode]', 'standard');
  await page.selectOption('select[name=bot_policy]', 'mark');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('.done:has-text("Saved.")');
  noErrors(page);
});
test('a refused setting says why at its field, which has the focus, and nothing is changed', async (t) => {
  const page = await on(t, 'settings', 'input[name=name]'), before = await get(page, project);
  for (const [name, value, words] of [['time_zone', 'Mars/Olympus', /no time zone 'Mars\/Olympus'/], ['domains', 'not a domain', /'not a domain' is no domain/], ['retention_days', '1.5', /integer from 0 to 36500/], ['retention_days', '', /integer/], ['name', '', /1 to 100 bytes/], ['allowed_origins', 'https://a.example/path', /is no origin/]]) {
    const was = await page.inputValue(`[name=${name}]`);
    await page.fill(`[name=${name}]`, value);
    await page.press('button:text-is("Save")', 'Enter');
    await page.waitForSelector(`[name=${name}][aria-invalid=true]`);
    assert.equal(await page.locator('[aria-invalid=true]').count(), 1);
    const told = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute('aria-describedby').split(' ').find((id) => id.endsWith('e'))).textContent);
    assert.match(told, words);
    await page.fill(`[name=${name}]`, was);
  }
  assert.deepEqual(await get(page, project), before);
  noErrors(page);
});
test('a key is made, shown once, replaced and revoked', async (t) => {
  const page = await on(t, 'settings?tab=keys', 'section[aria-label="Keys"] tbody tr');
  const shown = async (button) => {
    await page.click(`dialog button:text-is("${button}")`);
    await page.waitForSelector('dialog .code');
    const text = await page.textContent('dialog code');
    await finish(page, 'Done');
    return text;
  };
  const works = (key) => s.query('/analytics/overview', { key }).then((r) => r.status);
  await page.click('button:text-is("New key")');
  await page.waitForSelector('dialog input[type=checkbox]');
  assert.ok(await page.evaluate(() => document.activeElement.name === 'name'), 'the first field has the focus');
  await page.click('dialog button:text-is("Make the key")');
  await page.waitForSelector('dialog [name=name][aria-invalid=true]');
  await page.fill('dialog [name=name]', 'Grafana');
  await page.check('dialog label:has-text("audit:read") input');
  await page.selectOption('dialog [name=expires_at]', '30');
  const text = await shown('Make the key');
  assert.match(text, /^sk_\w{49}$/);
  assert.equal(await works(text), 200);
  const [made] = (await get(page, `${project}/keys`)).data.filter((k) => k.name === 'Grafana');
  assert.deepEqual([made.kind, made.scopes.sort(), Math.round((Date.parse(made.expires_at) - Date.now()) / 86400000)], ['secret', ['audit:read', 'stats:read'], 30]);
  await reloaded(page, 'section[aria-label="Keys"] tbody tr');
  assert.ok(!(await page.content()).includes(text), 'it is shown nowhere else');
  await page.click('button[aria-label="Change Grafana"]');
  await page.fill('dialog [name=allowed_origins]', 'nonsense');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=allowed_origins][aria-invalid=true]');
  await page.fill('dialog [name=allowed_origins]', 'https://grafana.example');
  await finish(page, 'Save');
  assert.deepEqual((await get(page, `${project}/keys/${made.id}`)).allowed_origins, ['https://grafana.example']);
  await page.click('button[aria-label="Replace Grafana"]');
  await page.selectOption('dialog [name=overlap_seconds]', '0');
  const next = await shown('Make the new key');
  assert.notEqual(next, text);
  await until('the old key to stop', async () => (await works(text)) === 401);
  await page.click('button[aria-label="Revoke Grafana"]');
  await finish(page, 'Revoke');
  await until('the new key to stop', async () => (await works(next)) === 401);
  await page.waitForSelector('.faded:has-text("Revoked")');
  assert.equal(await rowOf(page, 'Keys', 'Grafana').locator('button').count(), 0);
  noErrors(page);
});
test('somebody is invited, joins by the link, gets another role, and is removed', async (t) => {
  const page = await on(t, 'settings?tab=team', 'section[aria-label="Members"] tbody tr');
  await page.click('button:has-text("Invite")');
  await page.fill('dialog [name=email]', 'nonsense');
  await page.click('dialog button:text-is("Make the invitation")');
  await page.waitForSelector('dialog [name=email][aria-invalid=true]');
  await page.fill('dialog [name=email]', 'grace@a.example');
  await page.check('dialog input[value=analyst]');
  await page.click('dialog button:text-is("Make the invitation")');
  await page.waitForSelector('dialog .code');
  const link = await page.textContent('dialog code');
  await finish(page, 'Done');
  await rowOf(page, 'Invitations', 'grace@a.example').filter({ hasText: 'Open until' }).waitFor();

  const invited = await open(t, {}, link);
  await invited.waitForSelector('p:has-text("You are invited to")');
  await noFindings(invited, 'an invitation');
  await invited.fill('[name=name]', 'Grace');
  await invited.fill('[name=password]', 'short');
  await invited.click('button:text-is("Make the account")');
  await invited.waitForSelector('[name=password][aria-invalid=true]');
  await invited.fill('[name=password]', PASSWORD);
  await invited.click('button:text-is("Make the account")');
  await invited.waitForSelector('nav[aria-label=Pages]');
  assert.equal(await invited.locator('nav a:has-text("Settings")').count(), 0, 'an analyst has no settings');
  assert.equal(new URL(invited.url()).hash, '');
  const again = await open(t, {}, link);
  await again.waitForSelector('[role=alert]:has-text("was used")');

  await reloaded(page, 'section[aria-label="Members"] tbody tr');
  await page.selectOption('select[aria-label="Role of Grace"]', 'admin');
  await until('the role', async () => (await get(page, `${org}/members`)).data.find((m) => m.name === 'Grace').role === 'admin');
  await reloaded(invited, 'nav a[href$="/settings"]');
  await page.click('button[aria-label="Remove Grace"]');
  await finish(page, 'Remove');
  await rowOf(page, 'Members', 'grace@a.example').waitFor({ state: 'detached' });
  assert.equal((await get(page, `${org}/members`)).data.filter((m) => m.name === 'Grace').length, 0);
  await page.selectOption('select[aria-label="Role of Admin"]', 'viewer');
  await page.waitForSelector('section[aria-label="Members"] [role=alert]');
  assert.equal(await page.inputValue('select[aria-label="Role of Admin"]'), 'owner', 'the last owner stays one');
  await page.click('button:has-text("Invite")');
  await page.fill('dialog [name=email]', 'linus@a.example');
  await page.click('dialog button:text-is("Make the invitation")');
  await page.waitForSelector('dialog .code');
  await page.keyboard.press('Escape');
  await page.click('button[aria-label="Withdraw the invitation of linus@a.example"]');
  await finish(page, 'Withdraw');
  await rowOf(page, 'Invitations', 'linus@a.example').filter({ hasText: 'Withdrawn' }).waitFor();
  noErrors(page, invited, again);
});
test('the organisation is renamed; a project is made, and archived after its name was typed', async (t) => {
  const page = await on(t, 'settings?tab=organisation', 'section[aria-label="Projects"] tbody tr');
  await page.fill('[name=name]', 'Example Ltd');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('.done:has-text("Saved.")');
  assert.equal((await get(page, org)).name, 'Example Ltd');
  await page.click('button:text-is("New project")');
  await page.click('dialog button:text-is("Make the project")');
  await page.waitForSelector('dialog [name=name][aria-invalid=true]');
  await page.fill('dialog [name=name]', 'Blog');
  await page.click('dialog button:text-is("Make the project")');
  await page.waitForSelector('.waiting');
  const blog = new URL(page.url()).pathname.split('/')[2];
  const [key] = (await get(page, `${org}/projects/${blog}/keys`)).data;
  await until('the key in the snippet', async () => (await page.textContent('.code')).includes(key.text));
  await page.click('nav a:has-text("Settings")');
  await page.click('button:has-text("Archive")');
  assert.ok(await page.isDisabled('dialog button:text-is("Archive")'), 'not before its name is typed');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.ok(await page.evaluate(() => document.activeElement.textContent.startsWith('Archive')), 'the focus comes back');
  await page.keyboard.press('Enter');
  await page.fill('dialog [name=word]', 'Blog');
  await finish(page, 'Archive');
  await page.waitForFunction((id) => !location.pathname.includes(id), blog);
  assert.equal((await get(page, `${org}/projects/${blog}`)).status, 404);
  await page.goto(at('settings?tab=organisation'));
  await rowOf(page, 'Projects', 'Blog').filter({ hasText: 'Archived' }).waitFor();
  noErrors(page);
});
test('a viewer has no settings, neither in the list nor by the address', async (t) => {
  const page = await on(t, 'settings', '#main .card', viewer);
  assert.equal(await page.locator('nav a:has-text("Settings")').count(), 0);
  assert.match(await page.textContent('main'), /does not show this page/);
  noErrors(page);
});
test('settings: a failing API is told and tried again', async (t) => {
  const page = await open(t, {}, at('settings'));
  const failing = (route) => (route.request().method() === 'GET' ? route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"The state is busy."}' }) : route.continue());
  await page.route(`**${project}`, failing);
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Project"] [role=alert]:has-text("The state is busy.")');
  await page.unroute(`**${project}`);
  await page.click('button:text-is("Try again")');
  await page.waitForSelector('input[name=name]');
  noErrors(page);
});

// ---- profile ----
test('a name is changed, a wrong password told at its field, the right one replaced, and the other sessions end', async (t) => {
  const page = await on(t, 'profile', 'section[aria-label="Sessions"] tbody tr', tess), other = await on(t, 'profile', 'section[aria-label="Sessions"] tbody tr', tess);
  await page.fill('section[aria-label="Account"] [name=name]', '');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('[name=name][aria-invalid=true]');
  await page.fill('section[aria-label="Account"] [name=name]', 'Tess T.');
  await page.click('button:text-is("Save")');
  await page.waitForSelector('.done:has-text("Saved.")');
  assert.equal((await get(page, '/v1/me')).user.name, 'Tess T.');
  assert.equal(await page.textContent('button[aria-label^="Account:"]'), 'Tess T.');
  const next = 'six dancing otters in May', change = async (current, password, field) => {
    await page.fill('[name=current]', current);
    await page.fill('[name=new]', password);
    await page.click('button:text-is("Change the password")');
    await page.waitForSelector(field ? `[name=${field}][aria-invalid=true]` : '.done:has-text("Changed.")');
  };
  await change('not it at all', next, 'current');
  await change(PASSWORD, 'short', 'new');
  await change(PASSWORD, next);
  await until('the other session to end', async () => (await other.evaluate(() => fetch('/v1/me').then((r) => r.status))) === 401);
  await reloaded(page, 'section[aria-label="Sessions"] tbody tr');
  assert.equal(await page.inputValue('section[aria-label="Account"] [name=name]'), 'Tess T.');
  tess[1] = next;
  await signIn(await open(t), tess);
  noErrors(page, other);
});
test('a second factor is set up by its code, asked for at the next login, and removed', async (t) => {
  const page = await on(t, 'profile', 'section[aria-label="Second factor"] button', tess);
  const prove = async (button, password) => {
    await page.fill('dialog [name=password]', password);
    await page.click(`dialog button:text-is("${button}")`);
  };
  await page.click('button:has-text("Set up")');
  await prove('Go on', 'not it at all');
  await page.waitForSelector('dialog [name=password][aria-invalid=true]');
  await prove('Go on', tess[1]);
  await page.waitForSelector('.qr');
  const secret = await page.textContent('dialog code'), uri = await page.getAttribute('dialog a', 'href');
  assert.match(uri, new RegExp(`^otpauth://totp/.*secret=${secret}`));
  assert.equal(readQr(await page.getAttribute('.qr path', 'd')), uri);
  await page.fill('dialog [name=code]', '12345');
  await page.click('dialog button:text-is("Confirm")');
  await page.waitForSelector('dialog [name=code][aria-invalid=true]');
  await page.fill('dialog [name=code]', totp(secret));
  await page.click('dialog button:text-is("Confirm")');
  await page.waitForSelector('dialog:has-text("Recovery codes")');
  const codes = (await page.textContent('dialog code')).split('\n');
  assert.equal(codes.length, 10);
  await finish(page, 'Done');
  await page.waitForSelector('p:has-text("10 recovery codes are left.")');
  assert.equal((await get(page, '/v1/me')).user.has_second_factor, true);

  const other = await open(t);
  await signIn(other, tess);
  await other.fill('[name=code]', codes[0]);
  await other.click('button:has-text("Sign in")');
  await other.waitForSelector('nav[aria-label=Pages]');
  await reloaded(page, 'section[aria-label="Second factor"] button');
  await page.waitForSelector('p:has-text("9 recovery codes are left.")');
  await page.click('button:has-text("New recovery codes")');
  await prove('Make them', tess[1]);
  await page.waitForSelector('dialog .code');
  assert.ok(!(await page.textContent('dialog code')).includes(codes[1]));
  await finish(page, 'Done');
  await page.click('section[aria-label="Second factor"] button:has-text("Remove")');
  await prove('Remove', tess[1]);
  await page.waitForSelector('button:has-text("Set up")');
  assert.equal((await get(page, '/v1/me')).user.has_second_factor, false);
  noErrors(page, other);
});
test('sessions are those of the API; one is ended, and all', async (t) => {
  const page = await on(t, 'profile', 'section[aria-label="Sessions"] tbody tr', tess), other = await on(t, 'profile', 'section[aria-label="Sessions"] tbody tr', tess);
  await reloaded(page, 'section[aria-label="Sessions"] tbody tr');
  const all = (await get(page, '/v1/me/sessions')).data, rows = page.locator('section[aria-label="Sessions"] tbody tr');
  assert.deepEqual(await rows.evaluateAll((x) => x.map((r) => !r.querySelector('button'))), all.map((x) => x.is_current));
  const mine = (await get(other, '/v1/me/sessions')).data.findIndex((x) => x.is_current);
  await rows.nth(mine).locator('button').click();
  await finish(page, 'End it');
  await until('that session to end', async () => (await other.evaluate(() => fetch('/v1/me').then((r) => r.status))) === 401);
  await page.waitForFunction((n) => document.querySelectorAll('section[aria-label="Sessions"] tbody tr').length === n, all.length - 1);
  await page.click('button:has-text("Sign out everywhere")');
  await page.click('dialog button:text-is("Sign out")');
  await page.waitForSelector('input[name=password]');
  noErrors(page, other);
});
test('the last owner cannot leave, and who is of no organisation has a profile', async (t) => {
  const page = await on(t, 'profile', 'section[aria-label="Organisations"] tbody tr');
  await page.click('button[aria-label^="Leave"]');
  await page.click('dialog button:text-is("Leave")');
  await page.waitForSelector('dialog [role=alert]:has-text("owner")');
  await page.keyboard.press('Escape');
  const nobody = await open(t, {}, `${s.url}/app`);
  await signIn(nobody, ['nobody@else.example', PASSWORD]);
  await nobody.click('button[aria-label^="Account"]');
  await nobody.click('.menu-list button:text-is("Profile")');
  await nobody.waitForSelector('section[aria-label="Organisations"]:has-text("not a member")');
  noErrors(page, nobody);
});

// ---- ingestion ----
test('what arrived, what was not taken and why is what the API says, with samples', async (t) => {
  assert.equal((await s.send([{ event: 'a' }, { x: 1 }])).status, 200);
  await s.send('{"event":');
  const outcome = (name) => async () => (await api('GET', `${of}/ingestion?granularity=day`)).counts.filter((c) => c.outcome === name).reduce((n, c) => n + c.events, 0);
  await until('the counts', async () => (await outcome('bad_json')()) === 1 && (await outcome('no_name')()) === 1 && (await outcome('accepted')()) === events.length + 1);
  await until('the samples', async () => (await api('GET', `${of}/rejections`)).rejections.length === 2);
  const { counts } = await api('GET', `${of}/ingestion?granularity=day`), sum = (member, where = () => true) => counts.filter(where).reduce((n, c) => n + c[member], 0);
  const page = await on(t, 'ingestion', '.sample');
  const isTaken = (c) => c.outcome === 'accepted', figures = await page.locator('.figures .tile-value').allTextContents();
  assert.deepEqual(figures.map((f) => Number(digits(f))), [sum('events', isTaken), sum('events', (c) => !isTaken(c)), sum('late'), sum('ahead')]);
  assert.match(await page.getAttribute('.chart', 'aria-label'), new RegExp(`^Events taken, 7 values .* together ${sum('events', isTaken)}$`));
  assert.deepEqual(await page.locator('section[aria-label="By dialect"] tbody tr').evaluateAll((all) => all.map((tr) => [...tr.cells].map((c) => c.textContent))), [['weir’s API', String(sum('events', isTaken)), String(sum('late')), String(sum('ahead')), '2']]);
  assert.deepEqual((await page.locator('section[aria-label="Not taken"] tbody tr').evaluateAll((all) => all.map((tr) => [...tr.cells].map((c) => c.textContent)))).sort(), [['No valid JSON', 'weir’s API', '1'], ['Without a name', 'weir’s API', '1']]);
  assert.equal(await page.locator('.sample').count(), 2);
  await page.click('section[aria-label="Not taken"] button:text-is("Without a name")');
  await page.waitForFunction(() => document.querySelectorAll('.sample').length === 1);
  assert.match(page.url(), /reason=no_name/);
  await page.click('.sample summary');
  const [sample] = (await api('GET', `${of}/rejections?reason=no_name`)).rejections;
  assert.ok((await page.textContent('.sample')).includes(sample.rejected[0].details));
  assert.deepEqual(JSON.parse(await page.textContent('.sample code')), JSON.parse(sample.body));
  await page.click('button:has-text("Show all")');
  await page.waitForFunction(() => document.querySelectorAll('.sample').length === 2);
  await page.selectOption('label:has-text("Of the") select', '1');
  await loaded(page, '.chart[aria-label^="Events taken, 24 values"]');
  assert.equal(Number(digits(await page.textContent('.figures .tile-value'))), sum('events', isTaken));
  assert.equal(Number(/together (\d+)$/.exec(await page.getAttribute('.chart', 'aria-label'))[1]), sum('events', isTaken), 'each hour is on the chart');
  noErrors(page);
});
test('what a changed rule lets pass is brought in, and a viewer is not asked to', async (t) => {
  await api('PATCH', project, { allowed_origins: ['https://shop.example'] });
  const send = () => s.send({ event: 'from elsewhere', user_id: 'u9' }, { headers: { origin: 'https://other.example' } });
  await until('the rule', async () => (await send()).status === 403);
  await api('PATCH', project, { allowed_origins: [] });
  const refused = () => api('GET', `${of}/rejections?reason=origin`).then((r) => r.rejections.length);
  const page = await on(t, 'ingestion?reason=origin', '#main .card');
  await until('the sample', refused);
  await reloaded(page, '.sample');
  await page.click('button:has-text("Bring in")');
  await page.waitForSelector('dialog p:has-text("would be taken")');
  await noFindings(page, 'bringing in');
  const [, count] = /(\d+) events would/.exec(await page.textContent('dialog'));
  assert.ok(Number(count) > 0);
  await page.click(`dialog button:text-is("Bring in ${count}")`);
  await page.waitForSelector(`dialog p:has-text("${count} events were brought in.")`);
  await finish(page, 'Done');
  await s.visible(Number(count), "event = 'from elsewhere'");
  await page.waitForFunction(() => !document.querySelector('.sample'));
  assert.equal(await refused(), 0);
  const seen = await on(t, 'ingestion', '.sample', viewer);
  assert.equal(await seen.locator('button:has-text("Bring in")').count(), 0);
  noErrors(page, seen);
});
test('the pipeline: each consumer, the month, the room; and how far a replay is', async (t) => {
  await api('PATCH', project, { events_per_month_max: 5000 });
  await until('the month', async () => (await s.send({ event: 'counted', user_id: 'u1' })).status === 200 && (await api('GET', `${of}/pipeline`)).month?.events > 0);
  const page = await on(t, 'ingestion', '.pairs'), rows = page.locator('section[aria-label="Pipeline"] tbody tr');
  const said = await until('all up to date', async () => { const p = await api('GET', `${of}/pipeline`); return p.consumers.length === 4 && p.consumers.every((c) => !c.lag_records) && p; });
  assert.deepEqual(said.consumers.map((c) => c.name).sort(), ['persons', 'project', 'rejected', 'sessionize']);
  await until('the same on the page', async () => JSON.stringify(await rows.evaluateAll((all) => all.map((tr) => [tr.cells[1].textContent, tr.cells[3].textContent]))) === JSON.stringify(said.consumers.map(() => ['0', 'Up to date'])));
  await until('the month', async () => (await page.textContent('.pairs')).includes(`${said.month.events} of 5,000 events`));
  assert.equal(said.replay, null);
  assert.ok(said.stream.records > 0 && said.stream.bytes > 0 && said.disk.free_bytes > said.disk.floor_bytes);
  // A store that does not answer holds the replay where it is.
  const store = s.storePid;
  process.kill(store, 'SIGSTOP');
  const replay = weir(['replay', '--from', '0', '--source', 'stream', '--data', s.data]);
  await page.waitForSelector('.replay progress').finally(() => process.kill(store, 'SIGCONT'));
  assert.equal((await replay).code, 0, (await replay).err);
  await page.waitForSelector('.replay', { state: 'detached' });
  await api('PATCH', project, { events_per_month_max: 0 });
  noErrors(page);
});
test('ingestion: a part that fails is told there, and the rest stays', async (t) => {
  const page = await open(t, {}, at('ingestion'));
  await page.route('**/v1/**/pipeline', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"The disk is away."}' }));
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Pipeline"] [role=alert]:has-text("The disk is away.")');
  await page.waitForSelector('.sample');
  await page.unroute('**/v1/**/pipeline');
  await page.waitForSelector('.pairs');
  assert.deepEqual(page.wrong, []);
});

// ---- what people define ----
/** The values of one filter, each done with Enter. */
async function values(page, label, all) {
  for (const v of all) {
    await page.fill(`dialog input[aria-label="${label}: a value"]`, v);
    await page.keyboard.press('Enter');
  }
}
const tile = async (page) => Number(digits(await page.textContent('.tile-value')));
const visitors = async (filters) => (await question({ metrics: ['visitors'], date_range: '28d', filters })).results[0].metrics[0];
test('a segment is built, refused with the reason at its field, looked at, changed and removed', async (t) => {
  const page = await on(t, 'segments', 'section[aria-label="Segments"] .nothing', ana);
  await page.click('button:text-is("New segment")');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog fieldset .error');
  await page.click('dialog button:text-is("Add a filter")');
  await values(page, 'Filter 1', ['pageview']);
  await page.click('dialog button:text-is("Add a filter")');
  await page.selectOption('dialog select[aria-label="Filter 2: field"]', 'browser');
  await page.selectOption('dialog select[aria-label="Filter 2: how"]', 'is_not');
  await values(page, 'Filter 2', ['Firefox', 'A, B']);
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=name][aria-invalid=true]');
  await page.fill('dialog [name=name]', 'Not Firefox');
  await finish(page, 'Save');
  const filters = [['is', 'event', ['pageview']], ['is_not', 'browser', ['Firefox', 'A, B']]], [made] = (await api('GET', `${of}/segments`)).data;
  assert.deepEqual([made.name, made.filters, made.visibility], ['Not Firefox', filters, 'project']);
  await page.click('button:text-is("New segment")');
  await page.fill('dialog [name=name]', 'Not Firefox');
  await page.click('dialog button:text-is("Add a filter")');
  await values(page, 'Filter 1', ['x']);
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=name][aria-invalid=true]');
  await page.keyboard.press('Escape');
  await reloaded(page, 'tbody tr');
  assert.match(await rowOf(page, 'Segments', 'Not Firefox').textContent(), /Event is pageview and Browser is not Firefox, A, B/);
  await page.click('a[aria-label="Look at Not Firefox"]');
  await settled(page);
  assert.match(await page.textContent('.filters'), /segment is Not Firefox/);
  assert.equal(await tile(page), await visitors(filters));
  assert.notEqual(await tile(page), await visitors([]));
  await page.goBack();
  // Who changed it meanwhile is not overwritten.
  await page.click('button[aria-label="Change Not Firefox"]');
  await api('PATCH', `${of}/segments/${made.id}`, { visibility: 'project' });
  await page.fill('dialog [name=name]', 'Chrome');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog .error');
  await page.keyboard.press('Escape');
  await reloaded(page, 'tbody tr');
  await page.click('button[aria-label="Change Not Firefox"]');
  await page.fill('dialog [name=name]', 'Chrome');
  await finish(page, 'Save');
  assert.deepEqual((({ name, filters: f }) => [name, f])(await api('GET', `${of}/segments/${made.id}`)), ['Chrome', filters]);
  await page.click('button[aria-label="Remove Chrome"]');
  await finish(page, 'Remove');
  await page.waitForSelector('section[aria-label="Segments"] .nothing');
  assert.deepEqual((await api('GET', `${of}/segments`)).data, []);
  noErrors(page);
});
test('filters that the form does not know are kept as they are, and written as JSON', async (t) => {
  const filters = [['or', [['is', 'country', ['DE']], ['has_done', ['is', 'event', ['signup']]]]]], { id } = await api('POST', `${of}/segments`, { name: 'Either', filters });
  const page = await on(t, 'segments', 'tbody tr', ana);
  await page.click('button[aria-label="Change Either"]');
  await page.fill('dialog [name=name]', 'One or the other');
  await finish(page, 'Save');
  assert.deepEqual((await api('GET', `${of}/segments/${id}`)).filters, filters);
  await page.click('button[aria-label="Change One or the other"]');
  for (const [text, words] of [['[["is",', /no JSON/], ['[["is", "evnt", ["x"]]]', /'evnt' is not known/], ['{"is": 1}', /list of filters/]]) {
    await page.fill('dialog textarea', text);
    await page.click('dialog button:text-is("Save")');
    await page.waitForFunction((w) => new RegExp(w).test(document.querySelector('dialog .error')?.textContent), words.source);
  }
  await page.fill('dialog textarea', '[["is", "country", ["AT"]]]');
  await page.click('dialog button:text-is("As a form")');
  assert.equal(await page.inputValue('dialog select[aria-label="Filter 1: field"]'), 'country');
  await finish(page, 'Save');
  assert.deepEqual((await api('GET', `${of}/segments/${id}`)).filters, [['is', 'country', ['AT']]]);
  await api('DELETE', `${of}/segments/${id}`);
  noErrors(page);
});
test('the filters of a report become a segment and a cohort, which filter like every value', async (t) => {
  const page = await opened(t, ana);
  await page.click('section[aria-label="Pages"] button:has-text("/pricing")');
  await settled(page);
  const filters = [['is', 'page', ['/pricing']]];
  for (const kind of ['segment', 'cohort']) {
    await page.click('button[aria-label^="Save as"]');
    await page.click(`.menu-list button:text-is("A ${kind}")`);
    await page.fill('dialog [name=name]', `Priced ${kind}`);
    await finish(page, 'Save');
    await page.waitForSelector('tbody tr');
    assert.ok(!page.url().includes('new='));
    await page.goto(`${at('overview')}?f=is~page~%2Fpricing`);
    await settled(page);
  }
  const [segment] = (await api('GET', `${of}/segments`)).data, [cohort] = (await api('GET', `${of}/cohorts`)).data;
  assert.deepEqual(segment.filters, filters);
  assert.deepEqual(cohort.conditions, [{ did: { filters }, days: 30 }]);
  await page.goto(at('overview'));
  await settled(page);
  for (const [kind, sent_] of [['segment', ['segment', segment.id]], ['cohort', ['cohort', cohort.id]]]) {
    await page.click('button[aria-label="Segments and cohorts"]');
    await page.click(`.menu-list button:text-is("Priced ${kind}")`);
    await page.waitForSelector(`.filters:has-text("Priced ${kind}")`);
    await settled(page);
    assert.equal(await tile(page), await visitors([sent_]), kind);
    await page.click(`button[aria-label="Remove the filter ${kind}"]`);
    await page.waitForFunction(() => !document.querySelector('.filters'));
    await settled(page);
  }
  await page.goto(at('cohorts'));
  await loaded(page, 'tbody tr');
  const { count } = await api('GET', `${of}/cohorts/${cohort.id}/count`);
  const people = (name) => rowOf(page, 'Cohorts', name).locator('td').nth(2).textContent();
  assert.equal(await people('Priced cohort'), String(count));
  await page.click('button[aria-label="Members of Priced cohort"]');
  await page.waitForSelector('dialog tbody tr');
  if (count > 50) await page.click('dialog button:text-is("Show more")');
  await page.waitForFunction((n) => document.querySelectorAll('dialog tbody tr').length === n, Math.min(count, 100));
  await page.keyboard.press('Escape');
  await page.click('button[aria-label="Keep who is in Priced cohort now"]');
  await page.fill('dialog [name=name]', 'Priced, kept');
  await finish(page, 'Keep');
  await page.waitForSelector('tbody tr:has-text("Priced, kept")');
  await loaded(page, 'tbody tr');
  assert.equal(await people('Priced, kept'), String(count));
  // A cohort of conditions, and one of a list.
  await page.click('button:text-is("New cohort")');
  await page.fill('dialog [name=name]', 'Came often');
  await page.fill('dialog input[aria-label="Condition 1: how often"]', '3');
  await page.click('dialog button:text-is("Add a condition")');
  await page.locator('dialog .condition').nth(1).locator('select').first().selectOption('did_not');
  await page.locator('dialog .condition').nth(1).locator('button[aria-label="Remove pageview"]').click();
  await values(page, 'Condition 2, filter 1', ['signup']);
  await finish(page, 'Save');
  await page.click('button:text-is("New cohort")');
  await page.fill('dialog [name=name]', 'Listed');
  await page.selectOption('dialog label:has-text("Made of") select', 'list');
  await page.fill('dialog [name=members]', 'u1\n u2 \n\nu1');
  await finish(page, 'Save');
  const all = (await api('GET', `${of}/cohorts`)).data, of_ = (name) => all.find((c) => c.name === name);
  assert.deepEqual(of_('Came often').conditions, [{ did: { filters: [['is', 'event', ['pageview']]] }, at_least: 3, days: 30 }, { did_not: { filters: [['is', 'event', ['signup']]] }, days: 30 }]);
  assert.equal(of_('Listed').size, 2);
  await reloaded(page, 'tbody tr');
  await page.click('button[aria-label="Change Came often"]');
  assert.equal(await page.inputValue('dialog input[aria-label="Condition 1: how often"]'), '3');
  await page.fill('dialog input[aria-label="Condition 1: how often"]', '2');
  await finish(page, 'Save');
  assert.equal((await api('GET', `${of}/cohorts/${of_('Came often').id}`)).conditions[0].at_least, 2);
  noErrors(page);
});
test('an annotation is marked on the chart where it was, and told in words', async (t) => {
  const day = new Date(Date.now() - 5 * 86400000).toISOString().slice(0, 10), long = new Date(Date.now() - 400 * 86400000).toISOString().slice(0, 10);
  const page = await on(t, 'annotations', 'section[aria-label="Annotations"] .nothing', ana);
  await page.click('button:text-is("New annotation")');
  await page.fill('dialog [name=at]', day);
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=text][aria-invalid=true]');
  await page.fill('dialog [name=text]', 'New prices');
  await page.fill('dialog [name=kind]', 'Two words');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=kind][aria-invalid=true]');
  await page.fill('dialog [name=kind]', 'release');
  await finish(page, 'Save');
  const [made] = (await api('GET', `${of}/annotations`)).data;
  assert.deepEqual([made.at, made.text, made.kind], [day, 'New prices', 'release']);
  await api('POST', `${of}/annotations`, { at: long, text: 'Long ago' });
  await api('POST', `${of}/annotations`, { at: new Date(Date.now() - 6 * 86400000).toISOString(), text: 'At a moment' });
  await page.goto(at('overview'));
  await page.waitForSelector('.marks li');
  const short = (at_) => new Date(`${at_}T00:00:00Z`).toLocaleDateString('en-US', { timeZone: 'UTC', day: 'numeric', month: 'short' }), before = new Date(Date.now() - 6 * 86400000).toISOString().slice(0, 10);
  assert.deepEqual((await page.locator('.marks li').allTextContents()).sort(), [`${short(before)} At a moment`, `${short(day)} New prices`].sort());
  await page.goto(`${at('overview')}?range=24h`);
  await settled(page);
  assert.equal(await page.locator('.marks').count(), 0, 'not of this range');
  await page.goto(`${at('overview')}?range=12mo`);
  await page.waitForSelector('.marks li');
  assert.equal(await page.locator('.marks li').count(), 2);
  await page.goto(at('annotations'));
  await page.click('button[aria-label="Change New prices"]');
  await page.fill('dialog [name=text]', 'Other prices');
  await finish(page, 'Save');
  await page.click('button[aria-label="Remove Long ago"]');
  await finish(page, 'Remove');
  assert.deepEqual((await api('GET', `${of}/annotations`)).data.map((a) => a.text), ['Other prices', 'At a moment']);
  noErrors(page);
});
test('an alert is made, with what is refused at its field; how it stands and what was told is what the API says', async (t) => {
  const page = await on(t, 'alerts', 'section[aria-label="Alerts"] .nothing', ana);
  await page.click('button:text-is("New alert")');
  await page.fill('dialog [name=name]', 'Few signups');
  await page.selectOption('dialog label:has-text("The number of") select', 'events');
  await page.selectOption('dialog select[aria-label="Condition"]', 'drop');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=amount][aria-invalid=true]');
  await page.fill('dialog [name=amount]', '40');
  await page.click('dialog button:text-is("Add a filter")');
  await values(page, 'Filter 1', ['signup']);
  await page.fill('dialog [name=emails]', 'not an address');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=emails][aria-invalid=true]');
  await page.fill('dialog [name=emails]', 'ann@example.com\nops@example.com');
  await finish(page, 'Save');
  const [made] = (await api('GET', `${of}/alerts`)).data;
  assert.deepEqual([made.name, made.question, made.condition, made.emails], ['Few signups', { metrics: ['events'], date_range: '24h', filters: [['is', 'event', ['signup']]] }, { type: 'drop', percent: 40 }, ['ann@example.com', 'ops@example.com']]);
  await reloaded(page, 'tbody tr');
  assert.match(await rowOf(page, 'Alerts', 'Few signups').textContent(), /Events of the last 24 hours, Event is signup falls, against the period before, by 40 %/);
  await page.click('button[aria-label="Change Few signups"]');
  assert.equal(await page.inputValue('dialog [name=amount]'), '40');
  await page.selectOption('dialog select[aria-label="Condition"]', 'no_data');
  await page.fill('dialog [name=amount]', '30');
  await finish(page, 'Save');
  assert.deepEqual((await api('GET', `${of}/alerts/${made.id}`)).condition, { type: 'no_data', minutes: 30 });
  // The numbers of how it stands come once a minute: what the page makes of them is looked at with an answer of that shape.
  const answer = (body) => (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify(body) });
  await page.route('**/v1/**/alerts', answer({ data: [{ ...made, state: 'firing', value: '1234', since: '2026-03-01T12:00:00.000Z', checked_at: '2026-03-01T12:01:00.000Z' }, { ...made, id: made.id.replace(/.$/, '0'), name: 'Broken', error: 'there is no such goal' }], next: null }));
  await page.route('**/v1/**/alert-log', answer({ data: [{ id: 'x', alert_id: made.id, at: '2026-03-01T12:00:00.000Z', what: 'fired', text: 'Few signups: 1,234 is too few' }] }));
  await page.reload();
  await page.waitForSelector('tbody tr:has-text("Fires, since Mar 1, 2026, 12:00")');
  assert.match(await rowOf(page, 'Alerts', 'Few signups').textContent(), /1,234/);
  assert.match(await rowOf(page, 'Alerts', 'Broken').textContent(), /Cannot be asked: there is no such goal/);
  assert.match(await page.textContent('.told'), /Mar 1, 2026, 12:00.*Few signups: 1,234 is too few/);
  noErrors(page);
});
test('what a page asks is saved under a name, and is sent by mail on the day and at the hour that are chosen', async (t) => {
  const page = await on(t, 'overview?f=is~country~DE', 'table', ana);
  const chosen = (label) => page.locator('dialog .choices label').filter({ hasText: new RegExp(`^${label}`) }).locator('select');
  await settled(page);
  await page.click('button:text-is("Save report")');
  await page.selectOption('dialog label:has-text("What") select', { label: 'Sources' });
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=name][aria-invalid=true]');
  await page.fill('dialog [name=name]', 'Sources of Germany');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [role=status]:has-text("is saved")');
  await noFindings(page, 'a report is saved');
  const [report] = (await api('GET', `${of}/reports`)).data;
  assert.deepEqual([report.name, report.question.dimensions, report.question.filters, report.question.include], ['Sources of Germany', ['source'], [['is', 'country', ['DE']]], undefined]);
  await page.click('dialog a:text-is("sent by mail")');
  await page.waitForSelector('section[aria-label="Reports by mail"] .nothing');
  await page.waitForSelector('section[aria-label="Saved reports"] tbody tr:has-text("Sources of Germany")');
  await page.click('button:text-is("New report")');
  await page.fill('dialog [name=name]', 'Weekly numbers');
  await page.selectOption('dialog [name=report]', { label: 'Sources of Germany' });
  await chosen('on').selectOption('friday');
  await page.fill('dialog [name=emails]', 'ann');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=emails][aria-invalid=true]');
  await page.fill('dialog [name=emails]', 'ann@example.com');
  await chosen('at').selectOption('17');
  await noFindings(page, 'a report by mail');
  await finish(page, 'Save');
  const [made] = (await api('GET', `${of}/mail-reports`)).data;
  assert.deepEqual([made.name, made.schedule, made.report, made.emails], ['Weekly numbers', { every: 'week', weekday: 'friday', hour: 17 }, report.id, ['ann@example.com']]);
  await reloaded(page, 'section[aria-label="Reports by mail"] tbody tr');
  await page.waitForSelector('section[aria-label="Reports by mail"] tbody tr:has-text("Sources of Germany")');
  assert.match(await rowOf(page, 'Reports by mail', 'Weekly numbers').textContent(), /Every Friday at 17:00/);
  await page.click('button[aria-label="Change Weekly numbers"]');
  assert.equal(await chosen('on').inputValue(), 'friday');
  await page.waitForSelector('dialog [name=report] optgroup', { state: 'attached' });
  await page.selectOption('dialog [name=report]', { label: 'The overview' });
  await page.selectOption('dialog select[aria-label="How often"]', 'day');
  assert.equal(await chosen('on').count(), 0);
  await finish(page, 'Save');
  const changed = await api('GET', `${of}/mail-reports/${made.id}`);
  assert.deepEqual([changed.schedule, changed.report], [{ every: 'day', hour: 17 }, null]);
  // A saved report's question is changed as JSON; what is none is refused at its field. One that is gone is said to be.
  await page.click('button[aria-label="Change Sources of Germany"]');
  await page.fill('dialog [name=question]', '{"metrics": ["odd"], "date_range": "28d"}');
  await page.click('dialog button:text-is("Save")');
  await page.waitForSelector('dialog [name=question][aria-invalid=true]');
  await page.fill('dialog [name=question]', '{"report": "paths", "date_range": "28d"}');
  await finish(page, 'Save');
  await page.waitForSelector('section[aria-label="Saved reports"] tbody tr:has-text("Paths")');
  await api('PATCH', `${of}/mail-reports/${made.id}`, { report: report.id });
  await page.click('button[aria-label="Remove Sources of Germany"]');
  await finish(page, 'Remove');
  await reloaded(page, 'section[aria-label="Reports by mail"] tbody tr');
  await page.waitForSelector('section[aria-label="Reports by mail"] tbody tr:has-text("A report that is gone")');
  // That it was not sent comes at its hour: what the page makes of that is looked at with an answer of that shape.
  await page.route('**/v1/**/mail-reports', (route) => route.fulfill({ contentType: 'application/json', body: JSON.stringify({ data: [{ ...made, error: 'there is no report' }, { ...made, id: made.id.replace(/.$/, '0'), name: 'Sent', sent_at: '2026-03-01T12:00:00.000Z' }], next: null }) }));
  await page.reload();
  await page.waitForSelector('section[aria-label="Reports by mail"] tbody tr:has-text("Not sent: there is no report")');
  assert.match(await rowOf(page, 'Reports by mail', 'Mar 1, 2026, 12:00').textContent(), /Sent/);
  noErrors(page);
});
test('a viewer sees what is defined and changes nothing, and is told an error', async (t) => {
  const page = await on(t, 'cohorts', 'tbody tr', viewer);
  assert.equal(await page.locator('button:has-text("New"), button:has-text("Change"), button:has-text("Remove")').count(), 0);
  await page.goto(`${at('segments')}?new=`);
  await loaded(page, 'tbody tr');
  assert.equal(await page.locator('dialog').count(), 0);
  await page.goto(at('overview'));
  await page.waitForSelector('button:text-is("SQL")');
  assert.equal(await page.locator('button:text-is("Save report")').count(), 0);
  await page.route('**/v1/**/alerts', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"detail":"The state is busy."}' }));
  await page.goto(at('alerts'));
  await page.waitForSelector('section[aria-label="Alerts"] [role=alert]:has-text("The state is busy.")');
  await page.waitForSelector('section[aria-label="Reports by mail"] tbody tr');
  await page.unroute('**/v1/**/alerts');
  await page.click('button:text-is("Try again")');
  await page.waitForSelector('section[aria-label="Alerts"] tbody tr');
  noErrors(page);
});

// ---- SQL ----
test('every report shows the statements that its question becomes, with parameters, to copy', async (t) => {
  const page = await opened(t, owner, { permissions: ['clipboard-read', 'clipboard-write'] });
  const steps = [{ filters: [['is', 'event', ['pageview']]] }, { filters: [['is', 'event', ['signup']]] }];
  const questions = {
    'overview?f=is~segment~Priced segment': { metrics: ['visitors', 'visits', 'pageviews', 'views_per_visit', 'bounce_rate', 'visit_duration'], date_range: '28d', filters: [['segment', 'Priced segment']], include: { compare: 'previous_period' } },
    'funnel?s=event~pageview&s=event~signup': { report: 'funnel', date_range: '28d', filters: [], steps, window: 86400, order: 'ordered', count_by: 'visitors' },
    retention: { report: 'retention', date_range: '91d', filters: [], unit: 'week', type: 'first_time', periods: 12, count_by: 'visitors' },
    paths: { report: 'paths', date_range: '28d', filters: [], nodes: 'page', steps: 4, limit: 28 },
  };
  const squeezed = (text) => text.replace(/\s+/g, ' ').replace(/\( /g, '(').replace(/ \)/g, ')').trim();
  for (const [where, asked] of Object.entries(questions)) {
    await page.goto(at(where));
    await page.click('button:text-is("SQL")');
    await page.waitForSelector('dialog .code');
    const { statements, parameters } = await api('POST', `${of}/query/sql`, asked, 200);
    assert.deepEqual((await page.locator('dialog .code code').allTextContents()).map(squeezed), statements.map(squeezed), where);
    const shown = Object.fromEntries(await page.locator('dialog tbody tr').evaluateAll((all) => all.map((tr) => [...tr.cells].map((c) => c.textContent))));
    assert.deepEqual({ ...shown, now: '' }, { ...parameters, now: '' }, where);
    await page.click('dialog .code button');
    await page.waitForSelector('dialog .code button:text-is("Copied")');
    assert.equal(squeezed(await page.evaluate(() => navigator.clipboard.readText())), squeezed(statements[0]));
    await noFindings(page, `SQL of ${where}`);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'SQL');
  }
  await page.goto(at('overview'));
  await page.click('button:text-is("SQL")');
  await page.click('dialog [role=tab]:text-is("Devices")');
  await page.waitForFunction(() => document.querySelector('dialog code')?.textContent.includes('browser'));
  await page.keyboard.press('Escape');
  await page.setViewportSize({ width: 360, height: 740 });
  for (const where of Object.keys(questions)) {
    await page.goto(at(where));
    await page.click('button:text-is("SQL")');
    await page.waitForSelector('dialog .code');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && document.querySelector('dialog').scrollWidth <= document.querySelector('dialog').clientWidth), `${where}: no sideways scrolling`);
  }
  noErrors(page);
});

// ---- by keyboard; slowly ----
test('a segment is made and removed by keyboard alone', async (t) => {
  const page = await on(t, 'segments', 'tbody tr', ana);
  /** Tab until the focus is on that; it must not take longer than the page has things to stop at. */
  const tabTo = async (what) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      if (await page.evaluate((w) => { const e = document.activeElement; return (e.getAttribute('aria-label') ?? e.textContent) === w; }, what)) return;
    }
    assert.fail(`Tab does not reach ${what}`);
  };
  await page.evaluate(() => document.getElementById('main').focus());
  await tabTo('New segment');
  await page.keyboard.press('Enter');
  await page.keyboard.type('By hand');
  await tabTo('Add a filter');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Shift+Tab'); // the remover of the row
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.type('signup');
  await page.keyboard.press('Enter');
  await tabTo('Save');
  await page.keyboard.press('Enter');
  await page.waitForSelector('tbody tr:has-text("By hand")');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'New segment', 'the focus is where it was');
  assert.deepEqual((await api('GET', `${of}/segments`)).data.find((x) => x.name === 'By hand').filters, [['is', 'event', ['signup']]]);
  await tabTo('Remove By hand');
  await page.keyboard.press('Enter');
  await tabTo('Cancel');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('tbody tr:has-text("By hand")', { state: 'detached' });
  noErrors(page);
});
test('while an answer is awaited, that is said, and nothing of it is shown', async (t) => {
  const held = [];
  const page = await open(t, {}, at('settings?tab=keys'));
  await page.route(`**${project}/keys`, (route) => { held.push(route); });
  await signIn(page, owner);
  await page.waitForSelector('section[aria-label="Keys"] [aria-busy=true]');
  assert.equal(await page.locator('section[aria-label="Keys"] .nothing').count(), 0, 'not as if there were none');
  await until('the question', () => held.length);
  for (const route of held) await route.continue();
  await page.waitForSelector('section[aria-label="Keys"] tbody tr');
  await page.click('button:text-is("New key")');
  await page.fill('dialog [name=name]', 'Slow');
  await page.unroute(`**${project}/keys`);
  let wait;
  await page.route(`**${project}/keys`, async (route) => { if (route.request().method() === 'POST') await new Promise((go) => { wait = go; }); await route.continue(); });
  await page.click('dialog button:text-is("Make the key")');
  await page.waitForSelector('dialog button:text-is("Make the key"):disabled');
  await until('the request', () => wait);
  wait();
  await page.waitForSelector('dialog .code');
  noErrors(page);
});

// ---- how they look ----
const PAGES = [
  ['settings', 'input[name=name]'], ['settings?tab=keys', 'tbody tr'], ['settings?tab=team', 'tbody tr'], ['settings?tab=organisation', 'tbody tr'], ['profile', 'section[aria-label="Sessions"] tbody tr'], ['ingestion', '.pairs'],
  ['segments', 'tbody tr'], ['cohorts', 'tbody tr'], ['annotations', 'tbody tr'], ['alerts', 'tbody tr'], ['overview', '.marks'], ['cohorts?new=', 'dialog .condition'], ['segments?new=&f=is~country~DE', 'dialog .filter-row'],
];
for (const [look, options] of [['wide and light', {}], ['dark and on a phone', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }]]) {
  test(`axe finds nothing and nothing hangs over the edge, ${look}`, async (t) => {
    const page = await on(t, ...PAGES[0], owner, options);
    for (const [what, selector] of PAGES) {
      await page.goto(at(what));
      await loaded(page, selector);
      await noFindings(page, what);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: no sideways scrolling`);
    }
    noErrors(page);
  });
}
test('it stops', () => s.stop());
