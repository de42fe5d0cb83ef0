import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { findEra, type KnownEra, StartAgainError } from "../lib/upstream/instance/link/find_era.ts";

/** How a start goes with a server whose `initialize` fails with `why`: what it ends with, and what is remembered of it. */
async function failed(why: string, { known, hasEnded = false }: { known: KnownEra; hasEnded?: boolean }) {
  const found: unknown[] = [];
  const ended = Promise.withResolvers<string>();
  if (hasEnded) ended.resolve(why);
  const thrown = await assertRejects(() =>
    findEra({
      name: "it",
      known,
      discover: () => Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", "it was asked")),
      initialize: () => Promise.reject(new ExaiError("UPSTREAM_UNAVAILABLE", why)),
      silence: hasEnded ? () => new Promise(() => {}) : undefined,
      ended: ended.promise,
      onFound: (era) => void found.push(era),
    })
  );
  return { thrown, found };
}

Deno.test("a server remembered as of the legacy era that ends at initialize is started again, and asked", async () => {
  const { thrown, found } = await failed("exited", {
    known: { is: "remembered", era: "legacy" },
    hasEnded: true,
  });
  assertInstanceOf(thrown, StartAgainError);
  assertEquals([thrown.next, found], [{ is: "unknown" }, [undefined]]);
});

Deno.test("whatever fails, what was remembered is forgotten, so that the next start asks", async () => {
  const { thrown, found } = await failed("no answer", { known: { is: "remembered", era: "legacy" } });
  assertInstanceOf(thrown, ExaiError);
  assertEquals([thrown.message, found], ["no answer", [undefined]]);
});

Deno.test("what is configured, or ended at the question, is not asked", async () => {
  for (const is of ["configured", "presumed"] as const) {
    const { thrown, found } = await failed("exited", { known: { is, era: "legacy" }, hasEnded: true });
    assertInstanceOf(thrown, ExaiError);
    assertEquals([thrown.message, found], ["exited", []]);
  }
});
