import { assertEquals } from "@std/assert";
import { serveEras } from "../../fixtures/eras/http.ts";
import { all, type Revision, runConformance } from "../../helpers/conformance.ts";
import { conforms } from "../../helpers/eras_conformance.ts";

const REVISION: Revision = "2025-11-25";

Deno.test("the legacy face of the test server conforms to 2025-11-25 by itself", async () => {
  await using face = serveEras("legacy");
  assertEquals(await runConformance(face.url, REVISION), all(REVISION));
});

Deno.test({
  name: "servers of both eras conform to 2025-11-25 over HTTP",
  timeout: 120_000,
  fn: () => conforms(REVISION, "http"),
});

Deno.test({
  name: "servers of both eras conform to 2025-11-25 through shims",
  timeout: 120_000,
  fn: () => conforms(REVISION, "shim"),
});
