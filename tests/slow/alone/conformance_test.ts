import { assertEquals } from "@std/assert";
import { serveEras } from "../../fixtures/eras/http.ts";
import { all, type Revision, runConformance } from "../../helpers/conformance.ts";
import { conforms } from "../../helpers/eras_conformance.ts";

const REVISIONS: { era: "legacy" | "modern"; revision: Revision }[] = [
  { era: "legacy", revision: "2025-11-25" },
  { era: "modern", revision: "2026-07-28" },
];

for (const { era, revision } of REVISIONS) {
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
