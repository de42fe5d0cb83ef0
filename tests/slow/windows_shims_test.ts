import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { processTable } from "../../lib/process/process_table.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";

/** Tests of what only Windows has; `deno task windows` runs them elsewhere. */
const onWindows = { ignore: Deno.build.os !== "windows" };

const AUTO_TOKEN = { EXAI_WS_TOKEN: "auto" };

Deno.test({
  name:
    "a window starts the daemon in a directory with any letters, ends at once, and the daemon can be stopped",
  ...onWindows,
  // Each program is compiled from its source, which takes Wine seconds.
  timeout: 180_000,
  async fn() {
    await using dir = await tempDir({});
    const home = join(dir.path, "Größe und Ω");
    const env = { ...AUTO_TOKEN, EXAI_WS_AUTOSTART: "true" };
    const shim = await Shim.ready({ port: 0, home, env });
    assertEquals((await shim.call("version")).error, undefined);
    const startMs = performance.now();
    await shim.end();
    assert(performance.now() - startMs < 5000, "the end of the window waited for the daemon");
    const { pid } = JSON.parse(await Deno.readTextFile(join(home, "daemon.json")));
    assert((await processTable()).some((row) => row.pid === pid), "the daemon goes on");
    const stopped = await runDaemon({ home, args: ["stop"], env: AUTO_TOKEN });
    assertEquals(stopped.code, 0, stopped.stderr);
    assertEquals((await processTable()).some((row) => row.pid === pid), false);
    // The state directory is free: the next daemon starts in it at once.
    await using _next = await startDaemon({ home, env: AUTO_TOKEN });
  },
});
