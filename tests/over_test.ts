import { assertEquals, assertRejects } from "@std/assert";
import { NotificationThrottle } from "../lib/base/notification_throttle.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { ServerRequests } from "../lib/session/server_requests.ts";

Deno.test(
  "a client whose session is over is asked nothing, and nobody waits for it",
  { sanitizeOps: true },
  async () => {
    const sent: unknown[] = [];
    const asks = new ServerRequests((message) => sent.push(message));
    const before = asks.request({ method: "roots/list", params: {} }, { timeoutMs: 60_000 });
    asks.close(new ExaiError("CANCELLED", "the session is over"));
    await assertRejects(() => before, ExaiError, "the session is over");
    const after = () => asks.request({ method: "roots/list", params: {} }, { timeoutMs: 60_000 });
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
