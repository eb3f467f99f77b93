// From the sources of the dashboard to what the program holds: bundled, hashed, compressed, as C.
//
//   node web/dashboard/build.mjs OUTDIR [DEPFILE]    writes index.html, the assets and web_dashboard.c there
//
// What the first page loads must not be larger than 150 KB after gzip: the build fails above.
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build, stop } from 'esbuild-wasm';

const here = path.dirname(fileURLToPath(import.meta.url)), root = path.join(here, '../..');
const [, , out, depfile] = process.argv;
const FIRST_PAGE_MAX = 150 * 1024;

const made = await build({
  absWorkingDir: root, entryPoints: [path.join(here, 'src/main.tsx')], outdir: 'assets', write: false, metafile: true, bundle: true, format: 'esm', target: 'es2022',
  minify: true, legalComments: 'inline', jsx: 'automatic', jsxImportSource: 'preact', logLevel: 'warning',
});
await stop();
if (depfile) writeFileSync(depfile, `web_dashboard.c: ${Object.keys(made.metafile.inputs).map((f) => path.join(root, f).replace(/ /g, '\\ ')).join(' ')}\n`);
const text = (ending) => made.outputFiles.find((f) => f.path.endsWith(ending)).text;
const chart = readFileSync(path.join(root, 'node_modules/uplot/dist/uPlot.min.css'), 'utf8');
const hashed = (name, body) => name.replace(/\.(\w+)$/, `.${createHash('sha256').update(body).digest('hex').slice(0, 12)}.$1`);

const assets = [
  ['SCRIPT', 'app.js', text('.js'), 'text/javascript; charset=utf-8'],
  ['STYLE', 'app.css', `${chart}\n${text('.css')}`, 'text/css; charset=utf-8'],
  ['ICON', 'icon.svg', readFileSync(path.join(here, 'icon.svg'), 'utf8'), 'image/svg+xml'],
].map(([mark, name, body, type]) => ({ mark, name: hashed(name, body), body, type }));
const index = assets.reduce((html, a) => html.replace(a.mark, a.name), readFileSync(path.join(here, 'index.html'), 'utf8'));
if (/SCRIPT|STYLE|ICON/.test(index) || /<script(?![^>]*src=)|style=| on\w+=/.test(index)) throw new Error('index.html names something else, or has what the policy forbids');

const files = [{ name: 'index.html', body: index, type: 'text/html; charset=utf-8' }, ...assets];
const bytes = (text) => { const lines = []; for (let i = 0; i < text.length; i += 24) lines.push(`    ${[...text.subarray(i, i + 24)].join(',')},`); return lines.join('\n'); };
let c = '#include "web/web_int.h"\n', table = '', total = 0;
files.forEach((f, i) => {
  const plain = Buffer.from(f.body), gzip = gzipSync(plain, { level: 9 });
  const brotli = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } });
  console.log(`${f.name}: ${plain.length} bytes, ${gzip.length} gzipped, ${brotli.length} brotli`);
  total += gzip.length;
  writeFileSync(path.join(out, f.name.replace(/\.[0-9a-f]{12}\./, '.')), plain);
  for (const [kind, b] of Object.entries({ plain, gzip, brotli })) c += `\nstatic const uint8_t ${kind}_${i}[${b.length}] = {\n${bytes(b)}\n};\n`;
  table += `    {"${f.name}", "${f.type}", {[WEB_PLAIN] = {plain_${i}, ${plain.length}}, [WEB_GZIP] = {gzip_${i}, ${gzip.length}}, [WEB_BROTLI] = {brotli_${i}, ${brotli.length}}}},\n`;
});
if (total > FIRST_PAGE_MAX) throw new Error(`the first page has ${total} bytes after gzip, of ${FIRST_PAGE_MAX} that it may have`);
c += `\nconst struct web_file web_dashboard_files[${files.length}] = {\n${table}};\nconst uint32_t web_dashboard_file_count = ${files.length};\n`;
writeFileSync(path.join(out, 'web_dashboard.c'), c);
