import { dirname, join } from "@std/path";
import { type Bundle, bundle, type Replacement } from "./bundle.ts";
import { bundleLate } from "./daemon.ts";

/** What the shim's bundle leaves out of the SDK's stdio transport. */
const REPLACEMENTS: readonly Replacement[] = [
  {
    specifier: "../types.js",
    importer: "/dist/esm/shared/stdio.js",
    by: new URL("sdk_types.ts", import.meta.url),
  },
  {
    specifier: "node:process",
    importer: "/dist/esm/server/stdio.js",
    by: new URL("sdk_process.ts", import.meta.url),
  },
];

/** What only a shim on Windows loads: the client of named pipes, with `ws`. */
const PIPE = "shim_pipe.js";

/**
 * Makes one file of the shim: less than half the memory and start-up time of its source for each window. What few
 * shims need lies beside it.
 */
export async function bundleShim(outfile: string): Promise<Bundle> {
  await bundleLate(
    new URL("../../lib/transport/pipe_client.ts", import.meta.url),
    join(dirname(outfile), PIPE),
  );
  return await bundle({
    entry: new URL("../../shim.ts", import.meta.url),
    outfile,
    replace: REPLACEMENTS,
    apart: { "./pipe_client.ts": `./${PIPE}` },
  });
}
