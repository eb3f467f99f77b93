// From the sources of the tracker to what the program holds: minified, gzipped, as C.
//
//   node web/tracker/build.mjs OUTDIR    writes weir.js, vitals.js, plausible.js, umami.js and web_files.c there
//
// weir.js must not be larger than 1,024 bytes after gzip -9 (whose header may hold the file's name): the build fails above.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { minify } from 'terser';

const here = path.dirname(fileURLToPath(import.meta.url)), root = path.join(here, '../..');
const out = process.argv[2];
const limits = { weir: 1024 - 'weir.js\0'.length, vitals: 4096, plausible: 4096, umami: 2048 };
const DEALS = 100;

const gzip = (code) => gzipSync(code, { level: 9 });
const terser = async (code, more) => (await minify(code, { ecma: 2018, format: { comments: false }, ...more })).code;

/** Names of one letter, in an order that the number decides. Which letters are dealt changes how well gzip does. */
function names(deal) {
  let state = deal;
  const random = () => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return state / 2 ** 32; };
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  for (let i = letters.length - 1; deal && i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [letters[i], letters[j]] = [letters[j], letters[i]];
  }
  return { get: (n) => { let s = ''; do { s += letters[n % 26]; n = Math.floor(n / 26); } while (n); return s; } };
}

async function weir() {
  const core = readFileSync(path.join(root, 'sdk/tracker/core.js'), 'utf8');
  const body = /export function start\(options, endpoint\) \{\n(.*)\n  return track;\n\}\n$/s.exec(core)?.[1];
  const around = readFileSync(path.join(here, 'weir.js'), 'utf8').split('START;');
  if (!body || around.length !== 2) throw new Error('core.js or weir.js has not the shape that this script knows');
  const whole = await terser(`(()=>{${around.join(body)}})()`, { mangle: false, compress: { passes: 4, unsafe_arrows: true, pure_getters: true } });
  let best;
  for (let deal = 0; deal < DEALS; deal++) {
    const code = await terser(whole, { compress: false, mangle: { nth_identifier: names(deal) } });
    if (!best || gzip(code).length < gzip(best).length) best = code;
  }
  if (best.split('../w').length !== 2) throw new Error('weir.js must hold its endpoint ../w once: the server may replace it');
  return best;
}

/** The library as it comes for a script tag, and what sends its values: one function around both. No bundler is needed. */
async function vitals() {
  const library = readFileSync(path.join(root, 'node_modules/web-vitals/dist/web-vitals.iife.js'), 'utf8');
  const report = readFileSync(path.join(root, 'sdk/tracker/vitals.js'), 'utf8').replace(/import (\{.*\}) from 'web-vitals';/, 'const $1 = webVitals;').replace('export ', '');
  const own = readFileSync(path.join(here, 'vitals.js'), 'utf8').replace(/import .*\n/, '');
  return terser(`(()=>{${library}\n${report}\n${own}})()`, { compress: { passes: 3 } });
}

/** Plausible's library and what makes its script tag of it. */
async function plausible() {
  const library = readFileSync(path.join(root, 'node_modules/@plausible-analytics/tracker/plausible.js'), 'utf8').replace(/export\s*\{[^}]*\};?\s*$/, '');
  if (library.includes('export')) throw new Error('@plausible-analytics/tracker has not the shape that this script knows');
  const own = readFileSync(path.join(here, 'plausible.js'), 'utf8').replace(/import .*\n/, '');
  return `/*! @plausible-analytics/tracker, (c) Plausible Analytics, MIT */\n${await terser(`(()=>{${library}\n{${own}}})()`)}`;
}

/** Umami's script: its bytes are ours, its names and its wire are Umami's. */
const umami = () => terser(`(()=>{${readFileSync(path.join(here, 'umami.js'), 'utf8')}})()`, { compress: { passes: 3 } });

/** A script of others as npm has it, minified already. */
const others = (file, notice) => `/*! ${notice} */\n${readFileSync(path.join(root, 'node_modules', file), 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')}`;
const posthog = (name) => others(`posthog-js/dist/${name}.js`, 'posthog-js, (c) PostHog, Apache-2.0 and MIT');

const array = (name, bytes) => {
  const lines = [];
  for (let i = 0; i < bytes.length; i += 16) lines.push(`    ${[...bytes.subarray(i, i + 16)].join(', ')},`);
  return `static const uint8_t ${name}[${bytes.length}] = {\n${lines.join('\n')}\n};\n`;
};
let c = '#include "web/web_int.h"\n';
const scripts = {
  weir: await weir(), vitals: await vitals(), plausible: await plausible(), umami: await umami(),
  web_vitals: others('web-vitals/dist/web-vitals.iife.js', 'web-vitals, (c) Google, Apache-2.0'),
  posthog_array: posthog('array'), posthog_web_vitals: posthog('web-vitals'), posthog_attribution: posthog('web-vitals-with-attribution'), posthog_exceptions: posthog('exception-autocapture'), posthog_dead_clicks: posthog('dead-clicks-autocapture'),
};
for (const [name, code] of Object.entries(scripts)) {
  const plain = Buffer.from(code), packed = gzip(code);
  console.log(`${name}.js: ${plain.length} bytes, ${packed.length} gzipped`);
  if (packed.length > limits[name]) throw new Error(`${name}.js has ${packed.length} bytes after gzip, of ${limits[name]} that it may have`);
  if (limits[name]) writeFileSync(path.join(out, `${name}.js`), plain);
  c += `\n${array(`${name}_plain`, plain)}${array(`${name}_gzip`, packed)}const struct web_file web_file_${name} = {.of = {[WEB_PLAIN] = {${name}_plain, ${plain.length}}, [WEB_GZIP] = {${name}_gzip, ${packed.length}}}};\n`;
}
writeFileSync(path.join(out, 'web_files.c'), c);
