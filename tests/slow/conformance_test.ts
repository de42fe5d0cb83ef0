import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { ALL, conformanceServer, mountedDaemon, NOBODYS, runConformance } from "../helpers/conformance.ts";
import { httpBridge } from "../helpers/http_bridge.ts";

Deno.test("the server of the conformance tests conforms by itself", async () => {
  await using bridge = httpBridge(conformanceServer());
  assertEquals(await runConformance(bridge.url), ALL);
});

Deno.test("a stdio server conforms over HTTP, for two clients at once", async () => {
  await using it = await mountedDaemon("session");
  const url = new URL("/mcp/conformance", it.http).href;
  assertEquals(await Promise.all([runConformance(url), runConformance(url)]), [ALL, ALL]);
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
