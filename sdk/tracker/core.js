/* The tracker. One source for both: as a module for bundlers (index.js), and, its body put into web/tracker/weir.js, as the
 * script that weir serves. That one may have 1,024 bytes after gzip, so much is said here in few words:
 *
 * WIRE    {…options, i, t, w, h, d, e: [{n, t, u, p, r, i, …}]}, docs/ingest.md. The options are the script's data-
 *         attributes as they stand, so the key, the user and the hash mode need no line of code.
 * IDS     `i` of the body and `i` of the event: made once, so that what is sent again is recognised.
 * CLOCK   `t` of the body is the time of sending by the same clock as the events': only the difference counts.
 * TITLE   of the document when the body is sent. What waits is sent before another page begins, so it is the page's.
 * HIDE    flush() gets an event when the page is being hidden or left: then by beacon. These listeners are the only ones
 *         that let others go first: what Web Vitals say at the end is still to be taken along. */
export function start(options, endpoint) {
  let doc = document, page = location, on = addEventListener, now = Date.now, url = page.href, prefix = Math.random(), count = 0,
    queue = [], wait = 1e3, engaged = 0, depth = 0, seen, since,

    flush = (hide) => {
      let batch = queue, body = JSON.stringify({ ...options, i: prefix, t: now(), w: screen.width, h: screen.height, d: doc.title, e: batch });
      queue = [];
      // More than 64 KiB may not outlive the page. A status that asks for another try is thrown, as a broken connection is.
      batch[0] && (hide && navigator.sendBeacon(endpoint, body) || fetch(endpoint, { method: 'POST', body, keepalive: !body[2e4] }).then((answer) => wait = answer.status > 428 ? answer.x.x : 1e3).catch(() => {
        queue = batch.concat(queue);
        setTimeout(flush, wait *= 2);
      }));
    },

    // since: when the page became visible and focused; false while it is not.
    look = () => {
      if (since) engaged += now() - since;
      since = !doc.hidden && doc.hasFocus() && now();
      depth = Math.max(depth, (scrollY + innerHeight) / doc.documentElement.scrollHeight * 100 | 0);
    },
    leave = (hide) => {
      look();
      engaged && count && track('engagement', { m: engaged, s: depth });
      engaged = depth = 0;
      flush(hide);
    },

    track = (n, p, more) => {
      if (doc.prerendering) return on('prerenderingchange', () => track(n, p, more), 1); // it does not bubble
      if (n == 'pageview') {
        leave();
        url = page.href;
      }
      url.match(options.exclude || '^$') || queue.push({ n, t: now(), u: url, p, r: count++ ? void 0 : doc.referrer, i: count, ...more }) > 1 || setTimeout(flush, wait);
    },

    arrive = (event) => (seen != (seen = page.pathname + ('hash' in options ? page.hash : '')) || event && event.persisted) && track('pageview'),

    act = ({ target, button }, n) => {
      let marked = target.closest('[data-weir]:not(form)'), link = target.closest('a');
      if (button > 1) return; // the right one
      marked && track(marked.dataset.weir, marked.dataset);
      // No host: mailto: and the like, or a link in a drawing.
      link && link.host && (n = link.pathname.match(/\.(pdf|zip|rar|gz|7z|dmg|exe|msi|apk|csv|(xls|doc|ppt)x?|mp\d)$/i) ? 'download' : link.host != page.host && 'outbound') && track(n, { url: link.href });
    };

  on('click', act, 1); // on the way down: nobody below can stop them
  on('auxclick', act, 1);
  on('submit', ({ target }) => track(target.dataset.weir || 'form', { id: target.id + '', ...target.dataset }), 1);
  on('focus', look);
  on('blur', look);
  on('scroll', look);
  on('visibilitychange', leave);
  on('pagehide', leave);
  if (!('manual' in options)) {
    on('popstate', arrive);
    on('pageshow', arrive);
    ['pushState', 'replaceState'].map((n) => {
      let original = history[n];
      history[n] = (...x) => {
        original.apply(history, x);
        arrive();
      };
    });
    arrive();
  }
  return track;
}
