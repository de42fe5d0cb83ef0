import { dirname, join } from "@std/path";
import { type Bundle, bundle, type Replacement } from "./bundle.ts";
import { bundleLate } from "./daemon.ts";

/** What the shim's bundle leaves out of the packages in it. */
const REPLACEMENTS: readonly Replacement[] = [
  { specifier: "../types.js", importer: "/dist/esm/shared/stdio.js", by: standIn("sdk_types.ts") },
  { specifier: "node:process", importer: "/dist/esm/server/stdio.js", by: standIn("sdk_process.ts") },
  { specifier: "./_os.js", importer: "/internal/os.js", by: standIn("std_os.ts") },
];

/** What it would need Node's modules for. They are loaded when a window is busy (lib/transport/process_stdio.ts). */
const BUILTINS = { "node:buffer": standIn("node_buffer.ts"), "node:events": standIn("node_events.ts") };
/** In one file: with the modules that are loaded late, esbuild begins each module with a call for each file. */
const GLOBALS = [standIn("globals.ts")];

function standIn(name: string): URL {
  return new URL(`stand_ins/${name}`, import.meta.url);
}

/** What only a shim on Windows loads: the client of named pipes, with `ws`. */
const PIPE = "shim_pipe.js";

/**
 * Makes one file of the shim: a third of the memory and start-up time of its source for each window. What few shims need
 * lies beside it.
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
    builtins: BUILTINS,
    globals: GLOBALS,
    apart: { "./pipe_client.ts": `./${PIPE}` },
  });
}
