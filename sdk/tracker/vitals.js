// Web Vitals as events of the tracker: one for each value that the library reports, unrounded.
import { onCLS, onFCP, onINP, onLCP, onTTFB } from 'web-vitals';

export function report(track) {
  const send = ({ name, value, rating, id }) => track('vital', { metric: name, value, rating, id }, { interactive: false });
  for (const watch of [onLCP, onINP, onCLS, onFCP, onTTFB]) watch(send);
}
