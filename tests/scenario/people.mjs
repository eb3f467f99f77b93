// A person's browser, and the authenticator app beside it.
import { createHmac } from 'node:crypto';
import { assert } from './harness.mjs';

let addresses = 0;
/** One that nobody had before: throttles and limits are per address. Needs --trusted_proxies loopback. */
const someAddress = () => `198.51.${100 + (++addresses >> 8)}.${addresses & 255}`;
/** What must be nowhere on disk or in a log. */
export const secrets = new Set();

/** A person at an address, with a cookie jar. Browser.server: where they go. */
export class Browser {
  constructor({ address = someAddress(), https = false } = {}) {
    Object.assign(this, { address, https, cookies: new Map() });
  }
  get cookie() {
    return [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
  }
  get token() {
    return this.cookies.get(this.https ? '__Host-weir_session' : 'weir_session');
  }
  async fetch(method, target, body, headers = {}) {
    const r = await Browser.server.fetch(target, {
      method,
      redirect: 'manual',
      body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
      headers: {
        'x-forwarded-for': this.address,
        'x-forwarded-proto': this.https ? 'https' : 'http',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(this.cookie ? { cookie: this.cookie } : {}),
        ...(this.csrf && method !== 'GET' ? { 'x-csrf-token': this.csrf } : {}),
        ...headers,
      },
    });
    r.setCookie = r.headers.getSetCookie();
    for (const line of r.setCookie) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/Max-Age=0(;|$)/.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
      if (value) secrets.add(value);
    }
    if (r.json?.csrf_token) this.csrf = r.json.csrf_token;
    return r;
  }
  get(target, headers) { return this.fetch('GET', target, undefined, headers); }
  post(target, body, headers) { return this.fetch('POST', target, body, headers); }
  login(email, pass, second_factor) { return this.post('/v1/login', { email, password: pass, second_factor }); }
  async mustLogin(...words) {
    const r = await this.login(...words);
    assert.equal(r.status, 200, r.text);
    return this;
  }
}

function base32(text) {
  let bits = 0n;
  for (const c of text) bits = (bits << 5n) | BigInt('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c));
  return Buffer.from(bits.toString(16).padStart((text.length * 5) / 4, '0'), 'hex');
}
/** RFC 6238, of the step around now. */
export function totp(secret, steps = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac('sha1', base32(secret)).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}
