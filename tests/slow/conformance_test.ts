import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { conformanceServer, REQUIRED, runConformance, UNSCORED } from "../helpers/conformance.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { httpBridge } from "../helpers/http_bridge.ts";

/**
 * What one client of the suite may miss on a process that it shares: it comes within two seconds after another, so a log
 * line that names no call, and the first question of a server that is not yet known to ask, are nobody's.
 */
const NOBODYS =
  /^(tools-call-with-logging: .*No log notifications received|(tools-call-(sampling|elicitation)|elicitation-sep\d+-[a-z]+): .*Server did not request )/;

const ALL = { scenarios: REQUIRED + UNSCORED, faults: [] };

/** A daemon with the suite's server mounted. */
async function mountedDaemon(share: "session" | "project" | "machine") {
  const home = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  const conformance = { ...conformanceServer(), share };
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { conformance } }));
  const it = await testDaemon({ settings: { home } });
  return {
    ...it,
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

Deno.test("a stdio server conforms over HTTP, for two clients at once", async () => {
  await using it = await mountedDaemon("session");
  const url = new URL("/mcp/conformance", it.http).href;
  assertEquals(await Promise.all([runConformance(url), runConformance(url)]), [ALL, ALL]);
});

Deno.test({
  name:
    "a server shared by all clients of the suite conforms but for what is nobody's, asks once in vain, and then conforms",
  // Once it is known to ask, each client of the suite waits two seconds for its turn after the one before.
  timeout: 150_000,
  fn: async () => {
    await using it = await mountedDaemon("project");
    const { scenarios, faults } = await runConformance(new URL("/mcp/conformance", it.http).href);
    assertEquals(scenarios, ALL.scenarios);
    assertEquals(faults.filter((fault) => !NOBODYS.test(fault)), []);
    assertEquals(faults.filter((fault) => !fault.startsWith("tools-call-with-logging")).length <= 1, true);
    assertEquals(
      await runConformance(new URL("/mcp/conformance", it.http).href),
      ALL,
      "once it is known to ask",
    );
  },
});

Deno.test("a server that is one for the whole machine conforms but for what is nobody's", async () => {
  await using it = await mountedDaemon("machine");
  const { scenarios, faults } = await runConformance(new URL("/mcp/conformance", it.http).href);
  assertEquals([scenarios, faults.filter((fault) => !NOBODYS.test(fault))], [ALL.scenarios, []]);
});

Deno.test("a stdio server conforms through shims", async () => {
  await using it = await mountedDaemon("session");
  const shim = fromFileUrl(new URL("../../shim.ts", import.meta.url));
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
});
