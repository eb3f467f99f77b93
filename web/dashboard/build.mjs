// From the sources of the dashboard to what the program holds: bundled, hashed, compressed, as C.
//
//   node web/dashboard/build.mjs OUTDIR [DEPFILE]    writes web_dashboard.c there
//
// Each page but the first is a chunk of its own, loaded when it is opened. What the first page loads must not be larger
// than 150 KB after gzip: the build fails above.
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build, stop } from 'esbuild-wasm';
import { HEIGHT, WIDTH, sources, world } from './world.mjs';

const here = path.dirname(fileURLToPath(import.meta.url)), root = path.join(here, '../..');
const [, , out, depfile] = process.argv;
const FIRST_PAGE_MAX = 150 * 1024;

const NOTICE = '/*! Shapes of countries: world-atlas, Copyright 2013-2019 Michael Bostock (ISC), made of Natural Earth */';
const worldPlugin = {
  name: 'world',
  setup(b) {
    b.onResolve({ filter: /^weir:world$/ }, () => ({ path: 'world', namespace: 'weir' }));
    b.onLoad({ filter: /^world$/, namespace: 'weir' }, () => ({ contents: `${NOTICE}\nexport const WIDTH = ${WIDTH}, HEIGHT = ${HEIGHT}, COUNTRIES = ${JSON.stringify(world(root))};` }));
  },
};
const made = await build({
  absWorkingDir: root, entryPoints: { app: path.join(here, 'src/main.tsx') }, outdir: 'assets', write: false, metafile: true, bundle: true, splitting: true, format: 'esm', target: 'es2022',
  entryNames: '[name].[hash]', chunkNames: '[name].[hash]', minify: true, legalComments: 'inline', jsx: 'automatic', jsxImportSource: 'preact', plugins: [worldPlugin], logLevel: 'warning',
});
await stop();
const inputs = [...Object.keys(made.metafile.inputs).filter((f) => !f.startsWith('weir:')).map((f) => path.join(root, f)), path.join(here, 'world.mjs'), ...sources(root)];
if (depfile) writeFileSync(depfile, `web_dashboard.c: ${inputs.map((f) => f.replace(/ /g, '\\ ')).join(' ')}\n`);
const [entry, entryInfo] = Object.entries(made.metafile.outputs).find(([, o]) => o.entryPoint?.endsWith('src/main.tsx'));
const imported = (output) => output.imports.filter((i) => i.kind === 'import-statement').flatMap((i) => [i.path, ...imported(made.metafile.outputs[i.path])]);
const first = new Set([entry, ...imported(entryInfo)].map((name) => path.basename(name)));
const chart = readFileSync(path.join(root, 'node_modules/uplot/dist/uPlot.min.css'), 'utf8');
const hashed = (name, body) => name.replace(/\.(\w+)$/, `.${createHash('sha256').update(body).digest('hex').slice(0, 12)}.$1`);

const scripts = made.outputFiles.filter((f) => f.path.endsWith('.js')).map((f) => ({ name: path.basename(f.path), body: f.text, type: 'text/javascript; charset=utf-8' }));
const [style, icon] = [
  ['app.css', `${chart}\n${made.outputFiles.find((f) => f.path.endsWith('.css')).text}`, 'text/css; charset=utf-8'],
  ['icon.svg', readFileSync(path.join(here, 'icon.svg'), 'utf8'), 'image/svg+xml'],
].map(([name, body, type]) => ({ name: hashed(name, body), body, type }));
[style, icon].forEach((f) => first.add(f.name));
const preload = [...first].filter((name) => name.endsWith('.js') && name !== path.basename(entry)).map((name) => `<link rel="modulepreload" href="/app/assets/${name}">\n`).join('');
const marks = { SCRIPT: path.basename(entry), STYLE: style.name, ICON: icon.name, 'PRELOAD\n': preload };
const index = Object.entries(marks).reduce((html, [mark, text]) => html.replace(mark, text), readFileSync(path.join(here, 'index.html'), 'utf8'));
if (/SCRIPT|STYLE|ICON|PRELOAD/.test(index) || /<script(?![^>]*src=)|style=| on\w+=/.test(index)) throw new Error('index.html names something else, or has what the policy forbids');
first.add('index.html');

const files = [{ name: 'index.html', body: index, type: 'text/html; charset=utf-8' }, style, icon, ...scripts];
const bytes = (text) => { const lines = []; for (let i = 0; i < text.length; i += 24) lines.push(`    ${[...text.subarray(i, i + 24)].join(',')},`); return lines.join('\n'); };
let c = '#include "web/web_int.h"\n', table = '', total = 0;
files.forEach((f, i) => {
  const plain = Buffer.from(f.body), gzip = gzipSync(plain, { level: 9 });
  const brotli = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } });
  console.log(`${f.name}: ${plain.length} bytes, ${gzip.length} gzipped, ${brotli.length} brotli`);
  if (first.has(f.name)) total += gzip.length;
  for (const [kind, b] of Object.entries({ plain, gzip, brotli })) c += `\nstatic const uint8_t ${kind}_${i}[${b.length}] = {\n${bytes(b)}\n};\n`;
  table += `    {"${f.name}", "${f.type}", {[WEB_PLAIN] = {plain_${i}, ${plain.length}}, [WEB_GZIP] = {gzip_${i}, ${gzip.length}}, [WEB_BROTLI] = {brotli_${i}, ${brotli.length}}}},\n`;
});
console.log(`the first page: ${total} bytes gzipped`);
if (total > FIRST_PAGE_MAX) throw new Error(`the first page has ${total} bytes after gzip, of ${FIRST_PAGE_MAX} that it may have`);
c += `\nconst struct web_file web_dashboard_files[${files.length}] = {\n${table}};\nconst uint32_t web_dashboard_file_count = ${files.length};\n`;
writeFileSync(path.join(out, 'web_dashboard.c'), c);
