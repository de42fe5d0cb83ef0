import { assertEquals } from "@std/assert";
import { serveEras } from "../fixtures/eras/http.ts";
import {
  ALL,
  all,
  type ConformanceRun,
  mountedDaemon,
  NOBODYS,
  type Revision,
  runConformance,
} from "../helpers/conformance.ts";
import { type Place, shimCommand } from "../helpers/era_client.ts";
import { erasDaemon } from "../helpers/eras_matrix.ts";
import { httpBridge } from "../helpers/http_bridge.ts";
import { modernBridge } from "../helpers/modern_bridge.ts";

const UPSTREAMS = ["legacy-stdio", "legacy-http", "modern-stdio", "modern-http"];

/** What the suite's runs may find, and why. */
const ALLOWED: { revision: Revision; door?: "shim"; upstream?: RegExp; fault: RegExp; why: string }[] = [
  {
    revision: "2026-07-28",
    door: "shim",
    fault: /^http-(custom-)?header-/,
    why: "headers are the bridge's of the test, there are none on stdio",
  },
];

/** A run without what is allowed. */
function judged(
  { scenarios, faults }: ConformanceRun,
  revision: Revision,
  door: "http" | "shim",
  upstream: string,
): ConformanceRun {
  const allowed = ALLOWED.filter((one) =>
    one.revision === revision && (one.door ?? door) === door && (one.upstream ?? /./).test(upstream)
  );
  return { scenarios, faults: faults.filter((line) => !allowed.some(({ fault }) => fault.test(line))) };
}

async function conforms(revision: Revision, door: "http" | "shim"): Promise<void> {
  await using it = await erasDaemon(UPSTREAMS);
  const runs = UPSTREAMS.map(async (server) => {
    const place: Place = { door, http: it.http, home: it.home, server };
    if (door === "http") return await runConformance(new URL(`/mcp/${server}`, it.http), revision);
    const command = shimCommand(place);
    await using bridge = revision === "2025-11-25" ? httpBridge(command) : await modernBridge(command);
    return await runConformance(bridge.url, revision);
  });
  const results = await Promise.all(runs);
  const found = UPSTREAMS.map((server, i) => [server, judged(results[i]!, revision, door, server)]);
  assertEquals(found, UPSTREAMS.map((server) => [server, all(revision)]));
}

for (const [revision, era] of [["2025-11-25", "legacy"], ["2026-07-28", "modern"]] as const) {
  Deno.test(`the ${era} face of the test server conforms to ${revision} by itself`, async () => {
    await using face = serveEras(era);
    assertEquals(await runConformance(face.url, revision), all(revision));
  });

  Deno.test({
    name: `servers of both eras conform to ${revision} over HTTP`,
    timeout: 120_000,
    fn: () => conforms(revision, "http"),
  });

  Deno.test({
    name: `servers of both eras conform to ${revision} through shims`,
    timeout: 120_000,
    fn: () => conforms(revision, "shim"),
  });
}

Deno.test("a stdio server conforms for two clients at once", async () => {
  await using it = await mountedDaemon("session");
  const url = new URL("/mcp/conformance", it.http);
  assertEquals(await Promise.all([runConformance(url), runConformance(url)]), [ALL, ALL]);
});

Deno.test("a server that is one for the whole machine conforms but for what is nobody's", async () => {
  await using it = await mountedDaemon("machine");
  const { scenarios, faults } = await runConformance(new URL("/mcp/conformance", it.http));
  assertEquals([scenarios, faults.filter((fault) => !NOBODYS.test(fault))], [ALL.scenarios, []]);
});
