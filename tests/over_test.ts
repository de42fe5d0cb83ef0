import { assertEquals, assertRejects } from "@std/assert";
import { NotificationThrottle } from "../lib/base/notification_throttle.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { Asks } from "../lib/session/asks.ts";

Deno.test(
  "a client whose session is over is asked nothing, and nobody waits for it",
  { sanitizeOps: true },
  async () => {
    const sent: unknown[] = [];
    const asks = new Asks((message) => sent.push(message));
    const before = asks.ask({ method: "roots/list", params: {} }, { timeoutMs: 60_000 });
    asks.end(new ExaiError("CANCELLED", "the session is over"));
    await assertRejects(() => before, ExaiError, "the session is over");
    const after = () => asks.ask({ method: "roots/list", params: {} }, { timeoutMs: 60_000 });
    await assertRejects(after, ExaiError, "the session is over");
    assertEquals(sent.length, 1);
  },
);

Deno.test("what a peer that is gone still says is passed on at once, and no timer is left", {
  sanitizeOps: true,
}, () => {
  const told: string[] = [];
  const changes = new NotificationThrottle();
  for (const what of ["first", "second", "third"]) changes.notify("tools", () => told.push(what));
  changes.end();
  assertEquals(told, ["first", "third"]);
  changes.notify("tools", () => told.push("fourth"));
  assertEquals(told, ["first", "third", "fourth"]);
});
