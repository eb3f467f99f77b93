// Debian's Chromium through playwright-core, for the SDKs that only a real browser drives.
import { existsSync } from 'node:fs';
import { loadPackage } from './harness.mjs';

export const CHROMIUM = process.env.WEIR_CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((f) => existsSync(f));

/** {missing: why a test that needs it is skipped, false if it is there; launch(t): a browser that ends with the test} */
export async function findChromium() {
  const playwright = await loadPackage('playwright-core');
  const missing = !CHROMIUM ? `there is no chromium here (Debian's package of that name; ${process.arch})` : !playwright && 'playwright-core is not in node_modules';
  return {
    missing,
    // No sandbox: the tests may run as root, and open only pages of their own. null: it does not start here; the test is skipped.
    launch: async (t) => {
      const browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] })
        .catch((e) => { t.skip(`chromium does not start: ${e.message.split('\n')[0]}`); return null; });
      if (browser) t.after(() => browser.close());
      return browser;
    },
  };
}
