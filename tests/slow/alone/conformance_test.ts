import { assertEquals } from "@std/assert";
import { serveEras } from "../../fixtures/eras/http.ts";
import { all, type Revision, runConformance } from "../../helpers/conformance.ts";
import { conforms } from "../../helpers/eras_conformance.ts";

/** Each revision on the door that most of its clients use, with one server; all servers on all doors are in tests/long. */
const REVISIONS: { era: "legacy" | "modern"; revision: Revision; door: "http" | "shim"; upstream: string }[] =
  [
    { era: "legacy", revision: "2025-11-25", door: "shim", upstream: "legacy-stdio" },
    { era: "modern", revision: "2026-07-28", door: "http", upstream: "modern-http" },
  ];

for (const { era, revision, door, upstream } of REVISIONS) {
  Deno.test(`the ${era} face of the test server conforms to ${revision} by itself`, async () => {
    await using face = serveEras(era);
    assertEquals(await runConformance(face.url, revision), all(revision));
  });

  Deno.test({
    name: `a server of the ${era} era conforms to ${revision} through ${door}`,
    timeout: 120_000,
    fn: () => conforms(revision, door, [upstream]),
  });
}
