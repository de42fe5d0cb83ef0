import { assertEquals } from "@std/assert";
import { serveEras } from "../../fixtures/eras/http.ts";
import { all, type Revision, runConformance } from "../../helpers/conformance.ts";
import { conforms } from "../../helpers/eras_conformance.ts";

const REVISION: Revision = "2026-07-28";

Deno.test("the modern face of the test server conforms to 2026-07-28 by itself", async () => {
  await using face = serveEras("modern");
  assertEquals(await runConformance(face.url, REVISION), all(REVISION));
});

Deno.test({
  name: "servers of both eras conform to 2026-07-28 over HTTP",
  timeout: 120_000,
  fn: () => conforms(REVISION, "http"),
});

Deno.test({
  name: "servers of both eras conform to 2026-07-28 through shims",
  timeout: 120_000,
  fn: () => conforms(REVISION, "shim"),
});
