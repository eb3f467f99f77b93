// What plausible.io/js/script*.js does, by Plausible's own tracker: which of its extensions are on stands in the name that
// the page asks for (script.hash.outbound-links.js). web.c answers all of these names with this file.
import { init, track } from '@plausible-analytics/tracker';
let script = document.currentScript, on = (name) => script.src.includes(`.${name}.`), before = (window.plausible || 0).q || [];
init({
  domain: script.dataset.domain, endpoint: script.dataset.api || `${new URL('../api/event', script.src)}`, logging: false, bindToWindow: false,
  autoCapturePageviews: !on('manual'), hashBasedRouting: on('hash'), outboundLinks: on('outbound-links'), fileDownloads: on('file-downloads'),
  formSubmissions: on('form-submissions'), captureOnLocalhost: on('local'),
});
window.plausible = (name, { u, ...options } = {}) => track(name, u ? { url: u, ...options } : options);
before.map((call) => window.plausible(...call));
