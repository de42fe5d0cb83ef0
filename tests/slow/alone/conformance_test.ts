import { assertEquals } from "@std/assert";
import { serveEras } from "../../fixtures/eras/http.ts";
import { all, type Revision, runConformance } from "../../helpers/conformance.ts";
import { conforms } from "../../helpers/eras_conformance.ts";

/** Each revision on the door that its clients use; the other, 2025-11-25 over HTTP, is in tests/long. */
const REVISIONS: { era: "legacy" | "modern"; revision: Revision; doors: readonly ("http" | "shim")[] }[] = [
  { era: "legacy", revision: "2025-11-25", doors: ["shim"] },
  { era: "modern", revision: "2026-07-28", doors: ["http", "shim"] },
];

for (const { era, revision, doors } of REVISIONS) {
  Deno.test(`the ${era} face of the test server conforms to ${revision} by itself`, async () => {
    await using face = serveEras(era);
    assertEquals(await runConformance(face.url, revision), all(revision));
  });

  for (const door of doors) {
    Deno.test({
      name: `servers of both eras conform to ${revision} through ${door}`,
      timeout: 120_000,
      fn: () => conforms(revision, door),
    });
  }
}
