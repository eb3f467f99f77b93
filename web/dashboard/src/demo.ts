// A project of made-up data: a small product's site of two months, seeded, so that everybody sees the same. It is brought in as
// a file of another weir's export would be, and its name says what it is; archiving it in its settings takes it away.
import { ask, call, type Project } from './api.ts';

export const DEMO_NAME = 'Demo (made-up data)';
const DAYS = 60, SPIKE = 17, RELEASE = 31; // days ago
const HOUR = 3600e3, DAY = 24 * HOUR;

type Weighted<T> = readonly (readonly [T, number])[];
// ---- chance ----
function chance(seed: number) {
  let a = seed;
  const next = (): number => { // mulberry32
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  const pick = <T>(all: Weighted<T>): T => {
    let at = next() * all.reduce((sum, [, w]) => sum + w, 0);
    return (all.find(([, w]) => (at -= w) < 0) ?? all[0])?.[0] as T;
  };
  /** Most are small, some are large. */
  const long = (typical: number): number => Math.round(typical * -Math.log(1 - next() * 0.98));
  return { next, below, pick, long, is: (p: number): boolean => next() < p, one: <T>(all: readonly T[]): T => all[below(all.length)] as T };
}
type Chance = ReturnType<typeof chance>;

// ---- who ----
type Place = readonly [country: string, region: string, city: string, locale: string];
const PLACES: Weighted<Place> = [
  [['US', 'California', 'San Francisco', 'en-US'], 13], [['US', 'New York', 'New York', 'en-US'], 9], [['US', 'Texas', 'Austin', 'en-US'], 4], [['DE', 'BE', 'Berlin', 'de-DE'], 9], [['DE', 'BY', 'Munich', 'de-DE'], 5], [['GB', 'ENG', 'London', 'en-GB'], 9],
  [['FR', 'IDF', 'Paris', 'fr-FR'], 6], [['NL', 'NH', 'Amsterdam', 'nl-NL'], 4], [['CA', 'ON', 'Toronto', 'en-CA'], 4], [['IN', 'KA', 'Bengaluru', 'en-IN'], 7], [['BR', 'SP', 'São Paulo', 'pt-BR'], 4], [['ES', 'MD', 'Madrid', 'es-ES'], 3], [['PL', 'MZ', 'Warsaw', 'pl-PL'], 3],
  [['JP', '13', 'Tokyo', 'ja-JP'], 3], [['AU', 'NSW', 'Sydney', 'en-AU'], 3], [['SE', 'AB', 'Stockholm', 'sv-SE'], 2], [['CH', 'ZH', 'Zurich', 'de-CH'], 2], [['AT', '9', 'Vienna', 'de-AT'], 2], [['SG', '', 'Singapore', 'en-SG'], 2], [['ZA', 'WC', 'Cape Town', 'en-ZA'], 1], [['KE', '30', 'Nairobi', 'en-KE'], 1], [['MX', 'CMX', 'Mexico City', 'es-MX'], 2], [['UA', '30', 'Kyiv', 'uk-UA'], 1], [['IT', 'MI', 'Milan', 'it-IT'], 2],
];
const CHROME = 'AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0';
type Device = readonly [agent: string, width: number, height: number];
const DEVICES: Weighted<Device> = [
  [[`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36`, 1920, 1080], 26], [[`Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${CHROME} Safari/537.36`, 1512, 982], 17], [['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15', 1440, 900], 11],
  [['Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0', 1920, 1200], 9], [['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0', 2560, 1440], 7], [[`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${CHROME} Safari/537.36 Edg/141.0.0.0`, 1536, 864], 8],
  [['Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1', 393, 852], 15], [[`Mozilla/5.0 (Linux; Android 15; Pixel 9) ${CHROME} Mobile Safari/537.36`, 412, 915], 9], [['Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1', 820, 1180], 3],
];
const FIRST = ['Ada', 'Ben', 'Chen', 'Dara', 'Elif', 'Femi', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kim', 'Lena', 'Mateo', 'Nora', 'Omar', 'Priya', 'Quinn', 'Rosa', 'Sven', 'Tara'], LAST = ['Abara', 'Berg', 'Costa', 'Dietz', 'Evans', 'Fischer', 'Gupta', 'Haas', 'Ito', 'Jansen', 'Keller', 'Lopez', 'Moreau', 'Novak', 'Okafor', 'Park'];
const COMPANIES = ['Northwind', 'Hooli', 'Initech', 'Umbra', 'Vandelay', 'Stark Bikes', 'Acme', 'Globex'];
interface Visitor { id: string; device: Device; place: Place; user: string | null; traits: Record<string, unknown>; company: string | null; left: number }

// ---- where from, and what they look at ----
const SOURCES: Weighted<readonly [referrer: string, query: string]> = [[['', ''], 30], [['https://www.google.com/', ''], 34], [['https://duckduckgo.com/', ''], 6], [['https://www.bing.com/', ''], 4], [['https://github.com/', ''], 8], [['https://news.ycombinator.com/', ''], 3], [['https://www.reddit.com/r/selfhosted/', ''], 4], [['https://t.co/', ''], 3], [['https://www.linkedin.com/', ''], 3], [['', '?utm_source=newsletter&utm_medium=email&utm_campaign=october'], 5], [['https://www.google.com/', '?utm_source=google&utm_medium=cpc&utm_campaign=brand&gclid=x'], 4]];
const COMING_BACK: typeof SOURCES = [[['', ''], 62], [['https://www.google.com/', ''], 16], [['', '?utm_source=newsletter&utm_medium=email&utm_campaign=october'], 15], [['https://github.com/', ''], 7]];
const TITLES: Record<string, string> = { '/': 'Tidewater', '/pricing': 'Pricing', '/features': 'Features', '/docs': 'Documentation', '/docs/install': 'Install', '/docs/api': 'API', '/blog': 'Blog', '/blog/why-we-left-the-cloud': 'Why we left the cloud', '/blog/version-2': 'Version 2', '/customers': 'Customers', '/signup': 'Sign up', '/app': 'Your boards', '/app/board': 'A board' };
const ENTRIES: Weighted<string> = [['/', 52], ['/docs/install', 10], ['/docs', 7], ['/pricing', 8], ['/blog/why-we-left-the-cloud', 9], ['/blog/version-2', 6], ['/features', 6], ['/docs/api', 4]];
const NEXT: Record<string, Weighted<string>> = {
  '/': [['', 38], ['/pricing', 20], ['/features', 18], ['/docs', 10], ['/signup', 9], ['/customers', 5]], '/pricing': [['', 40], ['/signup', 34], ['/features', 14], ['/', 12]], '/features': [['', 34], ['/pricing', 30], ['/signup', 14], ['/customers', 12], ['/docs', 10]],
  '/docs': [['', 30], ['/docs/install', 46], ['/docs/api', 24]], '/docs/install': [['', 52], ['/docs/api', 24], ['/signup', 14], ['/', 10]], '/docs/api': [['', 62], ['/docs', 20], ['/pricing', 18]], '/blog': [['', 60], ['/', 40]], '/customers': [['', 50], ['/pricing', 30], ['/signup', 20]],
  '/blog/why-we-left-the-cloud': [['', 68], ['/', 22], ['/pricing', 10]], '/blog/version-2': [['', 50], ['/features', 30], ['/', 20]], '/signup': [['', 100]], '/app': [['/app/board', 74], ['', 26]], '/app/board': [['', 46], ['/app/board', 40], ['/app', 14]],
};
const HOURS = [2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 11, 12, 12, 11, 10, 8, 7, 6, 5, 4, 3].map((w, hour) => [hour, w] as const);
const NAMES = { '/app/board': ['card_moved', 'card_moved', 'card_created', 'comment_added'], '/app': ['board_opened', 'invite_sent'] };

export type DemoEvent = Record<string, unknown> & { event: string; timestamp: string };
function visitEvents(r: Chance, v: Visitor, begin: number, ago: number, now: number): DemoEvent[] {
  const out: DemoEvent[] = [], base = () => ({ anonymous_id: v.id, ...(v.user ? { user_id: v.user } : {}), user_agent: v.device[0], locale: v.place[3], screen: { width: v.device[1], height: v.device[2] }, geo: { country: v.place[0], ...(v.place[1] ? { region: v.place[1] } : {}), city: v.place[2], network: 'isp' } });
  let at = begin;
  const put = (event: string, more: Record<string, unknown> = {}): void => {
    const timestamp = new Date(at).toISOString();
    if (at < now) out.push({ event, timestamp, received_at: timestamp, source: 'api', ...base(), ...(v.company ? { group: { type: 'company', id: v.company } } : {}), ...more });
  };
  const isKnown = v.user !== null, [referrer, query] = isKnown ? r.pick(COMING_BACK) : ago === SPIKE && r.is(0.66) ? ['https://news.ycombinator.com/', ''] as const : r.pick(SOURCES);
  let path: string = isKnown ? '/app' : referrer.includes('ycombinator') ? r.pick<string>([['/', 5], ['/blog/why-we-left-the-cloud', 5]]) : r.pick(ENTRIES);
  for (let n = 0; path && n < 14; n++) {
    const page = { url: `https://tidewater.example${path}${n ? '' : query}`, path, title: TITLES[path] ?? path, ...(n || !referrer ? {} : { referrer }) };
    put('pageview', { page });
    const read = Math.min(r.long(path.startsWith('/blog') || path.startsWith('/docs') ? 70e3 : 24e3), 15 * 60e3), mobile = v.device[1] < 900;
    if (!n && r.is(0.2)) for (const [metric, typical, spread] of [['LCP', mobile ? 2100 : 1300, 900], ['INP', mobile ? 150 : 70, 90], ['CLS', 0.03, 0.07], ['FCP', mobile ? 1400 : 800, 500], ['TTFB', 260, 300]] as const) put('vital', { kind: 'vital', interactive: false, page, properties: { metric, value: Number((typical * 0.7 + (spread * r.long(100)) / 100).toFixed(3)) } });
    at += 800;
    for (const name of (NAMES as Record<string, string[]>)[path] ?? []) if (r.is(0.4)) { at += r.long(9e3); put(name, { page, properties: { plan: v.traits['plan'] } }); }
    if (path === '/signup' && !v.user && r.is(0.3)) {
      at += 20e3;
      const first = r.one(FIRST), last = r.one(LAST);
      v.user = `${first}.${last}.${v.id.slice(1)}`.toLowerCase();
      v.traits = { name: `${first} ${last}`, email: `${v.user}@example.com`, plan: 'free' };
      if (r.is(0.55)) v.company = r.one(COMPANIES);
      v.left = 3 + r.long(14);
      put('identify', { kind: 'identify', traits: v.traits });
      put('signup', { page, properties: { plan: 'free', team: v.company ? r.one(['2-5', '6-20', '21-100']) : '1' } });
    } else if (path.startsWith('/app') && v.traits['plan'] === 'free' && r.is(0.045)) {
      const [plan, amount] = r.pick<readonly [string, string]>([[['Team', '29.00'], 70], [['Business', '99.00'], 30]]);
      v.traits = { ...v.traits, plan };
      put('identify', { kind: 'identify', traits: { plan } });
      put('purchase', { page, properties: { plan }, revenue: { amount, currency: 'EUR' } });
    }
    at += read;
    if (r.is(0.5)) put('engagement', { kind: 'engagement', page, engagement_ms: Math.round(read * 0.8), scroll: Math.min(100, 20 + r.below(90)) });
    path = r.pick(NEXT[path] ?? [['', 1]]);
  }
  return out;
}
/** In no order of time; and how many visits they are. */
export function demoEvents(now: number): { events: DemoEvent[]; visits: number } {
  const r = chance(1), today = Math.floor(now / DAY) * DAY, visitors: Visitor[] = [], out: DemoEvent[] = [];
  let made = 0;
  const visit = (v: Visitor, begin: number, ago: number): void => {
    const events = visitEvents(r, v, begin, ago, now);
    made += events.length ? 1 : 0;
    out.push(...events);
  };
  for (let ago = DAYS; ago >= 0; ago--) {
    const day = today - ago * DAY, isWeekend = [0, 6].includes(new Date(day).getUTCDay());
    const visits = Math.round((36 + (DAYS - ago) * 0.7) * (isWeekend ? 0.55 : 1) * (0.9 + r.next() * 0.2) * (ago === SPIKE ? 3.1 : ago === SPIKE - 1 ? 1.7 : ago === RELEASE ? 1.5 : 1));
    const members = visitors.filter((v) => v.user && v.left > 0 && r.is(isWeekend ? 0.12 : 0.36));
    for (const v of members) { v.left--; visit(v, day + r.pick(HOURS) * HOUR + r.below(HOUR), ago); }
    for (let i = 0; i < visits; i++) {
      const known = r.is(0.24) ? visitors[visitors.length - 1 - r.below(Math.min(visitors.length, 700))] : undefined;
      const v = known && !known.user ? known : { id: `v${visitors.length + 1}`, device: r.pick(DEVICES), place: r.pick(PLACES), user: null, traits: {}, company: null, left: 0 };
      if (v !== known) visitors.push(v);
      visit(v, day + r.pick(HOURS) * HOUR + r.below(HOUR), ago);
    }
  }
  for (let i = 0; i < 14; i++) { // somebody is always there: the live view and the last half hour
    const v: Visitor = { id: `v${visitors.length + 1 + i}`, device: r.pick(DEVICES), place: r.pick(PLACES), user: null, traits: {}, company: null, left: 0 };
    visit(v, now - r.below(28) * 60e3, 0);
  }
  return { events: out, visits: made };
}

// ---- making it ----
const NEARLY = 0.95; // two visits of one visitor that follow each other closely are one
async function packed(events: DemoEvent[]): Promise<Blob> {
  const lines = events.map((e) => JSON.stringify(e)).join('\n');
  return new Response(new Blob([lines]).stream().pipeThrough(new CompressionStream('gzip'))).blob();
}
const define = (path: string, body: unknown): Promise<unknown> => call('POST', path, body).catch(() => undefined); // the project is one without it
/** The id of the organisation's demo, which is there once; told: what is being done. */
export async function makeDemo(org: string, there: readonly Pick<Project, 'id' | 'name'>[], tell: (text: string) => void): Promise<string> {
  const old = there.find((p) => p.name === DEMO_NAME);
  if (old) return old.id;
  tell('Making a project …');
  const path = `/v1/orgs/${org}/projects`, { id } = await call<Project>('POST', path, { name: DEMO_NAME }), now = Date.now(), at = `/v1/projects/${id}`;
  await call('PATCH', `${path}/${id}`, { time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone }).catch(() => undefined);
  const { events, visits } = demoEvents(now), day = (ago: number): string => new Date(now - ago * DAY).toISOString().slice(0, 10);
  tell(`Bringing in ${events.length.toLocaleString(navigator.language)} events …`);
  const { imported } = await call<{ imported: number }>('POST', `${at}/imports?format=weir`, await packed(events));
  await define(`${at}/goals`, { name: 'Signed up', filters: [['is', 'event', ['signup']]] });
  await define(`${at}/goals`, { name: 'Purchase', filters: [['is', 'event', ['purchase']]] });
  await define(`${at}/segments`, { name: 'On a phone', filters: [['is', 'device', ['mobile']]] });
  await define(`${at}/annotations`, { at: day(SPIKE), text: 'On the front page of Hacker News' });
  await define(`${at}/annotations`, { at: day(RELEASE), text: 'Version 2', kind: 'release' });
  tell('Counting …');
  const seen = events.filter((e) => !e['kind']).length * (imported / events.length);
  for (let i = 0; i < 120; i++) { // rows are there within seconds, visits behind them; whoever waits longer sees them come
    const [counted = 0, now = 0] = (await ask(id, { metrics: ['events', 'visits'], date_range: 'all' })).results[0]?.metrics.map((n) => n ?? 0) ?? [];
    if (counted >= seen && now > visits * NEARLY) break;
    await new Promise((done) => setTimeout(done, 700));
  }
  return id;
}
