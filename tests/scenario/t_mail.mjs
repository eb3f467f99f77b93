// t: mail over SMTP (a small server in here), alerts and reports by mail. docs/alerts.md, docs/access.md.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { Server, assert, tempFolder, test, until } from './harness.mjs';

const dir = tempFolder();
const key = path.join(dir, 'key.pem'), crt = path.join(dir, 'crt.pem');
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=mail', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', crt], { stdio: 'ignore' });

/** An SMTP server: {port, mails: [{from, to, data, isTls, auth}], refuse(n): the next n messages get 451}. */
export function smtp({ secure = false, starttls = false, auth } = {}) {
  const s = { mails: [], refusals: 0, refuse: (n) => { s.refusals = n; }, seen: [] };
  const options = { key: readFileSync(key), cert: readFileSync(crt) };
  const serve = (sock, isTls, greet = true) => {
    let rest = '', mail = { to: [], isTls }, inData = false, isPlain = false;
    const say = (line) => sock.write(`${line}\r\n`);
    sock.on('error', () => {});
    sock.on('data', (d) => {
      rest += d.toString('latin1');
      for (;;) {
        if (inData) {
          const end = rest.indexOf('\r\n.\r\n');
          if (end < 0) return;
          mail.data = Buffer.from(rest.slice(0, end), 'latin1').toString().replace(/\r\n\.\./g, '\r\n.');
          rest = rest.slice(end + 5);
          inData = false;
          if (s.refusals > 0) { s.refusals--; say('451 later'); } else { s.mails.push(mail); say('250 ok'); }
          mail = { to: [], isTls, auth: mail.auth };
          continue;
        }
        const at = rest.indexOf('\r\n');
        if (at < 0) return;
        const line = rest.slice(0, at);
        rest = rest.slice(at + 2);
        s.seen.push(line);
        const word = line.toUpperCase();
        if (isPlain) { mail.auth = Buffer.from(line, 'base64').toString(); isPlain = false; say('235 ok'); }
        else if (word.startsWith('EHLO')) sock.write(`250-test\r\n${starttls && !isTls ? '250-STARTTLS\r\n' : ''}${auth ? '250-AUTH PLAIN\r\n' : ''}250 8BITMIME\r\n`);
        else if (word === 'STARTTLS') { say('220 go'); sock.removeAllListeners('data'); serve(new tls.TLSSocket(sock, { isServer: true, ...options }), true, false); return; }
        else if (word.startsWith('AUTH PLAIN ')) { mail.auth = Buffer.from(line.slice(11), 'base64').toString(); say('235 ok'); }
        else if (word === 'AUTH PLAIN') { isPlain = true; say('334 '); }
        else if (word.startsWith('MAIL FROM')) { mail.from = /<(.*?)>/.exec(line)[1]; say('250 ok'); }
        else if (word.startsWith('RCPT TO')) { mail.to.push(/<(.*?)>/.exec(line)[1]); say('250 ok'); }
        else if (word === 'DATA') { inData = true; say('354 go'); }
        else if (word === 'QUIT') { say('221 bye'); sock.end(); } else say('250 ok');
      }
    });
    if (greet) say('220 test');
  };
  const server = secure ? tls.createServer(options, (sock) => serve(sock, true)) : net.createServer((sock) => serve(sock, false));
  return new Promise((done) => server.listen(0, '127.0.0.1', () => { s.port = server.address().port; s.close = () => server.close(); done(s); }));
}
/** Head and decoded parts of a message. */
export function parse(data) {
  const [head, ...rest] = data.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const boundary = /boundary="([^"]+)"/.exec(head)?.[1];
  const decode = (h, b) => (/base64/.test(h) ? Buffer.from(b, 'base64').toString() : b);
  if (!boundary) return { head, text: decode(head, body) };
  const parts = body.split(`--${boundary}`).slice(1, -1).map((p) => { const [h, ...b] = p.trimStart().split('\r\n\r\n'); return decode(h, b.join('\r\n\r\n')); });
  return { head, text: parts[0], html: parts[1] };
}

const reset = async (s, mailbox, more = {}) => {
  const r = await s.fetch('/v1/password-reset', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: mailbox, ...more }) });
  assert.equal(r.status, 202, r.text);
};
const settings = (server, scheme, more = []) => ['--archive', 'false', '--public_url', 'https://weir.example.com', '--mail.smtp_url', `${scheme}://127.0.0.1:${server.port}`, '--mail.from', 'weir@example.com', ...more];

for (const [name, scheme, options, more, env] of [
  ['plain, to this machine', 'smtp', {}, [], {}],
  ['smtps, with user and password', 'smtps', { secure: true, auth: true }, ['--mail.smtp_ca_file', crt, '--mail.smtp_user', 'ana'], { WEIR_MAIL_SMTP_PASSWORD: 'corr ect' }],
  ['STARTTLS', 'smtp', { starttls: true }, ['--mail.smtp_ca_file', crt], {}],
])
  test(`a message goes out by SMTP: ${name}`, async (t) => {
    const server = await smtp(options);
    const s = await Server.start({ args: settings(server, scheme, more), env });
    t.after(() => { s.killNow(); server.close(); });
    await reset(s, 'admin@localhost');
    const mail = await until('the message', () => server.mails[0]);
    assert.deepEqual([mail.from, mail.to, mail.isTls], ['weir@example.com', ['admin@localhost'], scheme === 'smtps' || !!options.starttls]);
    if (options.auth) assert.equal(mail.auth, '\0ana\0corr ect');
    const { head, text } = parse(mail.data);
    assert.match(head, /^From: weir <weir@example\.com>\r\nTo: admin@localhost\r\nSubject: Reset your password\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\nMessage-ID: <[0-9a-f]{32}@example\.com>\r\n/);
    assert.match(text, /https:\/\/weir\.example\.com\/\S+/);
  });

test('a server whose certificate is nobody\'s gets no message', async (t) => {
  const server = await smtp({ secure: true });
  const s = await Server.start({ args: settings(server, 'smtps') });
  t.after(() => { s.killNow(); server.close(); });
  await reset(s, 'admin@localhost');
  await until('it is said', () => /mail/.test(s.log) && /certificate|SSL|verif/i.test(s.log));
  assert.equal(server.mails.length, 0);
});

test('STARTTLS that is only offered in appearance, or not at all, is not done without: another machine gets nothing in the clear', async (t) => {
  const server = await smtp();
  const s = await Server.start({ args: ['--archive', 'false', '--public_url', 'https://weir.example.com', '--mail.from', 'weir@example.com', '--mail.smtp_url', `smtp://127.1.2.3:${server.port}`] });
  t.after(() => { s.killNow(); server.close(); });
  const there = net.createServer((sock) => sock.pipe(net.connect(server.port, '127.0.0.1')).pipe(sock));
  await new Promise((done) => there.listen(server.port, '127.1.2.3', done));
  t.after(() => there.close());
  await reset(s, 'admin@localhost');
  await until('it is said', () => /mail/.test(s.log));
  assert.equal(server.mails.length, 0);
  assert.equal(server.seen.some((l) => /^(MAIL|RCPT|DATA)/i.test(l)), false);
});
