import type { track } from './index.js';

/** Sends LCP, INP, CLS, FCP and TTFB through the tracker: `report(track)`. */
export function report(send: typeof track): void;
