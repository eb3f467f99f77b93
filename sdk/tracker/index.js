import { start } from './core.js';

const waiting = [];
let send;

/** Begins. On a server (no document) nothing happens; a second call changes nothing. */
export function init({ key, endpoint, hash, manual, exclude, user }) {
  if (send || typeof document === 'undefined') return;
  const options = { key };
  if (hash) options.hash = '';
  if (manual) options.manual = '';
  if (exclude) options.exclude = exclude.source || exclude;
  if (user) options.user = user;
  send = start(options, endpoint);
  for (const call of waiting.splice(0)) send(...call);
}

/** An event; what comes before init() waits for it. */
export function track(...call) {
  if (send) send(...call);
  else if (typeof document !== 'undefined' && waiting.length < 100) waiting.push(call);
}
