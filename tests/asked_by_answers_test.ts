import { erasDaemon, runPairing } from "./helpers/eras_matrix.ts";
import { QUESTION_ROWS } from "./helpers/eras_question_rows.ts";

Deno.test("a server that asks is answered by a client of the new era, on every door", async (t) => {
  await using it = await erasDaemon(["legacy-stdio"]);
  for (const door of ["shim", "websocket", "http"] as const) {
    const pairing = { client: "modern", door, upstream: "legacy-stdio" } as const;
    for (const { name, fault } of await runPairing(pairing, it, Object.keys(QUESTION_ROWS))) {
      // How long that takes is no matter of this test.
      if (name.endsWith(": connect")) continue;
      await t.step(name, () => {
        if (fault !== undefined) throw new Error(fault);
      });
    }
  }
});
