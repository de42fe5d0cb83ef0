import { assert, assertEquals } from "@std/assert";
import { runClientConformance } from "../helpers/client_conformance.ts";

/** What the suite requires of clients and concerns a gateway: authorization is no part of it. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  "2026-07-28": [
    "tools_call",
    "request-metadata",
    "sep-2322-client-request-state",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    // Run beside them without a score.
    "json-schema-2020-12-preservation",
  ],
  "2025-11-25": ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"],
};

for (const [revision, scenarios] of Object.entries(REQUIRED)) {
  for (const scenario of scenarios) {
    Deno.test(`the daemon conforms as a client of ${revision}: ${scenario}`, async () => {
      const { passed, faults } = await runClientConformance(scenario, revision);
      assertEquals(faults, []);
      assert(passed > 0);
    });
  }
}
