// What Umami's script does, by its names: the data attributes of the tag, window.umami, data-umami-event. Written anew for
// weir; what goes over the wire is Umami's. Otherwise than there: going back is a view, too; nothing is kept in the browser
// unless the tag asks for it; a click goes its way while its event is under way.
const script = document.currentScript, attribute = (name) => script.getAttribute(`data-${name}`);
const is = (name) => attribute(name) === 'true', storage = (use) => { try { return use(localStorage); } catch { /* it is switched off */ } };
const website = attribute('website-id'), tag = attribute('tag') || undefined, domains = (attribute('domains') || '').split(',').map((d) => d.trim()).filter(Boolean);
const base = (attribute('host-url') || script.src.replace(/\/[^/]*$/, '')).replace(/\/$/, '');
const refuses = () => storage((s) => s.getItem('umami.disabled')) || (domains[0] && !domains.includes(location.hostname)) ||
  (is('do-not-track') && ['1', 'yes'].includes(`${navigator.doNotTrack || window.doNotTrack}`));
const keep = (s) => {
  const id = s.getItem('umami.visitor') || crypto.randomUUID();
  s.setItem('umami.visitor', id);
  return id;
};
const visitor = is('identity-stitching') ? storage(keep) : undefined;
const clean = (url) => {
  const u = new URL(url, location.href);
  if (is('exclude-search')) u.search = '';
  if (is('exclude-hash')) u.hash = '';
  return `${u}`;
};
const ofOthers = document.referrer && !document.referrer.startsWith(`${location.origin}/`);
let url = clean(location.href), referrer = ofOthers ? clean(document.referrer) : '', id;
const payload = () => ({
  website, tag, id, vid: visitor, url, referrer, title: document.title, hostname: location.hostname, language: navigator.language, screen: `${screen.width}x${screen.height}`,
});

async function send(type, what) {
  if (!website || refuses()) return;
  const before = window[attribute('before-send')];
  const sent = typeof before === 'function' ? await before(type, what) : what;
  if (!sent) return;
  // As text: no preflight is needed for it.
  await fetch(`${base}/api/send`, { method: 'POST', body: JSON.stringify({ type, payload: sent }), keepalive: true, credentials: attribute('fetch-credentials') || 'omit' }).catch(() => {});
}
const track = (what, data) => send('event', typeof what === 'function' ? what(payload()) : typeof what === 'string' ? { ...payload(), name: what, data } : what || payload());
const identify = (who, data) => {
  if (typeof who === 'string') id = who;
  return send('identify', { ...payload(), data: typeof who === 'string' ? data : who });
};
window.umami = window.umami || { track, identify };

/** A view, once the page that was gone to has set its title. */
const moved = () => setTimeout(() => {
  const now = clean(location.href);
  if (now === url) return;
  [referrer, url] = [url, now];
  track();
}, 300);
function watch() {
  track();
  for (const name of ['pushState', 'replaceState']) {
    const of = history[name];
    history[name] = function (...args) { of.apply(this, args); moved(); };
  }
  addEventListener('popstate', moved);
  addEventListener('pageshow', (e) => e.persisted && track());
  document.addEventListener('click', ({ target }) => {
    const element = target.closest?.('[data-umami-event]');
    if (!element) return;
    const data = {};
    for (const { name, value } of element.attributes) if (name.startsWith('data-umami-event-')) data[name.slice(17)] = value;
    track(element.dataset.umamiEvent, data);
  }, true);
}
/** Each value once, when the page is left: some are final only then. */
function measure() {
  const library = document.createElement('script'), values = {};
  library.src = `${base}/js/web-vitals.js`;
  library.onload = () => {
    for (const name of ['LCP', 'INP', 'CLS', 'FCP', 'TTFB']) window.webVitals[`on${name}`](({ value }) => { values[name.toLowerCase()] = value; });
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState !== 'hidden') return;
      const some = { ...values };
      for (const name in some) delete values[name];
      if (Object.keys(some).length) send('performance', { ...payload(), ...some });
    });
  };
  document.head.append(library);
}
const start = () => {
  if (attribute('auto-track') !== 'false') watch();
  if (is('performance')) measure();
};
const ready = () => (document.prerendering ? document.addEventListener('prerenderingchange', start, { once: true }) : start());
document.readyState === 'loading' ? document.addEventListener('DOMContentLoaded', ready) : ready();
