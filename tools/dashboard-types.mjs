// The types of the dashboard, against the API of the program as it is: asks a server for its openapi.json, makes TypeScript
// of it, lets tsc look at the sources. A member that the server calls otherwise is a finding here.
//
//   node tools/dashboard-types.mjs [BINARY]      build/weir, if nothing is said
//
// The types are written to build/dashboard/openapi.d.ts: they are gone in what is bundled, so the bundle needs no server.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { typesOf } from '../web/dashboard/types.mjs';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..'), binary = path.resolve(process.argv[2] ?? path.join(root, 'build/weir'));
const folder = mkdtempSync(path.join(tmpdir(), 'weir-types-')), data = path.join(folder, 'data');
/** No store: nothing is asked of it. */
function ask() {
  execFileSync(binary, ['init', '--data', data, '--json']);
  const server = spawn(binary, ['serve', '--data', data, '--listen', '127.0.0.1:0', '--store.url', 'http://127.0.0.1:1', '--stream.disk_floor_bytes', '1M'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise((done) => { server.on('close', done); });
  return new Promise((done, fail) => {
    let out = '', log = '';
    server.stderr.on('data', (d) => { log += d; });
    ended.then(() => fail(new Error(`${binary} ended: ${log.slice(-2000)}`)));
    server.stdout.on('data', (d) => {
      const before = out;
      out += d;
      const [, url] = /listening on (http:\S+)/.exec(out) ?? [];
      if (url && !/listening on (http:\S+)/.test(before)) fetch(`${url}/openapi.json`).then((r) => r.json()).then(done, fail);
    });
  }).finally(() => { server.kill('SIGKILL'); return ended; });
}
const openapi = await ask().finally(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
mkdirSync(path.join(root, 'build/dashboard'), { recursive: true });
writeFileSync(path.join(root, 'build/dashboard/openapi.d.ts'), typesOf(openapi));
process.exitCode = spawnSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', path.join(root, 'web/dashboard')], { stdio: 'inherit' }).status ?? 1;
