// deno-lint-ignore-file no-console -- a program of the command line speaks on it
/**
 * Makes `lib/page/assets/page.js`, what the browser loads of the daemon's page, of `lib/page/browser/`. It is committed,
 * so that the daemon runs from its source without a build; tests/page_bundle_test.ts says when it is stale.
 */
import { fromFileUrl } from "@std/path";
import { formatBytes } from "../lib/base/units.ts";
import { bundle } from "./compile/bundle.ts";

export const PAGE_SCRIPT = new URL("../lib/page/assets/page.js", import.meta.url);

/** Bundles the page's program into `outfile`; its size in bytes. */
export async function bundlePage(outfile: string): Promise<number> {
  const { bytes } = await bundle({
    entry: new URL("../lib/page/browser/main.ts", import.meta.url),
    outfile,
  });
  return bytes;
}

if (import.meta.main) {
  console.log(`lib/page/assets/page.js: ${formatBytes(await bundlePage(fromFileUrl(PAGE_SCRIPT)))}`);
}
