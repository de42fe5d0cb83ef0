import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { conformanceServer, REQUIRED, runConformance, UNSCORED } from "./helpers/conformance.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { httpBridge } from "./helpers/http_bridge.ts";

/** The suite's clients come with two sets of capabilities; sessions with the same set share one process. */
const PROCESSES = 2;

const ALL = { scenarios: REQUIRED + UNSCORED, faults: [] };

/** A daemon with the suite's server mounted for everyone, and how often that was started. */
async function mountedDaemon() {
  const home = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  const starts = `${home}/starts`;
  const conformance = { ...conformanceServer({ CONFORMANCE_STARTS: starts }), share: "machine" };
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { conformance } }));
  const it = await testDaemon({ settings: { home } });
  return {
    ...it,
    starts: async () => (await Deno.readTextFile(starts)).length,
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}

Deno.test("the server of the conformance tests conforms by itself", async () => {
  await using bridge = httpBridge(conformanceServer());
  assertEquals(await runConformance(bridge.url), ALL);
});

Deno.test("a shared stdio server conforms over HTTP, for two clients at once", async () => {
  await using it = await mountedDaemon();
  const url = new URL("/mcp/conformance", it.http).href;
  assertEquals(await Promise.all([runConformance(url), runConformance(url)]), [ALL, ALL]);
  assertEquals(await it.starts(), PROCESSES);
});

Deno.test("a shared stdio server conforms through shims", async () => {
  await using it = await mountedDaemon();
  const shim = fromFileUrl(new URL("../shim.ts", import.meta.url));
  const { port } = new URL(it.http);
  await using bridge = httpBridge({
    command: Deno.execPath(),
    args: [
      "run",
      "-A",
      "--no-check",
      shim,
      "--server",
      "conformance",
      "--port",
      port,
      "--autostart",
      "false",
    ],
    env: { EXAI_HOME: it.home, ENV_FILE: "" },
  });
  assertEquals(await runConformance(bridge.url), ALL);
  assertEquals(await it.starts(), PROCESSES);
});
