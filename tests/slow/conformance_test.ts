import { assertEquals } from "@std/assert";
import { serveEras } from "../fixtures/eras/http.ts";
import { all, runConformance } from "../helpers/conformance.ts";
import { conforms } from "../helpers/eras_conformance.ts";

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
