// Debian's Chromium through playwright-core, for the trackers that only a real browser drives.
import { existsSync } from 'node:fs';
import { loadPackage } from './harness.mjs';

/** {missing: why a test that needs it has to be skipped, false if it is there; launch()} */
export async function findChromium() {
  const found = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((p) => existsSync(p));
  const playwright = await loadPackage('playwright-core');
  const missing = !found ? 'chromium is not installed (tools/setup.sh test)' : !playwright && 'playwright-core is not in node_modules';
  return {
    missing,
    // No sandbox: the tests may run as root, and open only pages of their own.
    launch: () => playwright.chromium.launch({ executablePath: found, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] }),
  };
}
