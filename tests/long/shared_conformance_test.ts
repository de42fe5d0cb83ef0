import { assertEquals } from "@std/assert";
import { ALL, mountedDaemon, NOBODYS, runConformance } from "../helpers/conformance.ts";
import { conforms } from "../helpers/eras_conformance.ts";

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
  const { scenarios, faults } = await runConformance(new URL("/mcp/conformance", it.http));
  assertEquals([scenarios, faults.filter((fault) => !NOBODYS.test(fault))], [ALL.scenarios, []]);
});

for (const revision of ["2025-11-25", "2026-07-28"] as const) {
  for (const door of ["http", "shim"] as const) {
    Deno.test({
      name: `servers of both eras conform to ${revision} through ${door}`,
      timeout: 120_000,
      fn: () => conforms(revision, door),
    });
  }
}
