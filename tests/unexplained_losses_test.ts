import { assertEquals } from "@std/assert";
import { UnexplainedLosses } from "../lib/remote/unexplained_losses.ts";

const URL = "http://one/";
const [one, two, three, four] = [{}, {}, {}, {}];
const call = (name: string) => ({ jsonrpc: "2.0" as const, id: 1, method: "tools/call", params: { name } });
const list = { jsonrpc: "2.0" as const, id: 1, method: "tools/list" };
const kind = JSON.stringify([URL, "tools/call", "a"]);

function remembered() {
  const clock = { nowMs: 1_000_000 };
  return { clock, losses: new UnexplainedLosses(() => clock.nowMs) };
}

Deno.test("a session is given up once for a refusal without words; when the next is refused too, not for a pause that grows to two minutes", () => {
  const { clock, losses } = remembered();
  const pauses: number[] = [];
  let before: WeakKey = one!;
  for (let n = 0; n < 8; n++) {
    assertEquals(losses.mayProbe(URL), true);
    // All that was under way on it.
    assertEquals([losses.isLoss(URL, before, kind), losses.isLoss(URL, before, kind)], [true, true]);
    const next = {};
    assertEquals([losses.isLoss(URL, next, kind), losses.mayProbe(URL)], [false, false]);
    assertEquals(losses.mayProbe("http://other/"), true);
    const beganMs = clock.nowMs;
    while (!losses.mayProbe(URL)) clock.nowMs += 1000;
    pauses.push((clock.nowMs - beganMs) / 1000);
    before = next;
  }
  assertEquals(pauses, [5, 10, 20, 40, 80, 120, 120, 120]);
});

Deno.test("a session that was of use is given up at once, however lately the one before was", () => {
  const { losses } = remembered();
  losses.isLoss(URL, one!, kind);
  // What the old one still answers says nothing of the next.
  losses.accepted(call("a"), URL, one!);
  losses.accepted(call("b"), URL, two!);
  losses.accepted(call("a"), URL, two!);
  assertEquals(losses.isLoss(URL, two!, kind), true);
  losses.accepted(list, URL, three!);
  assertEquals(losses.isLoss(URL, three!, kind), true);
  losses.accepted(call("b"), URL, four!);
  assertEquals(losses.isLoss(URL, four!, kind), false);
  losses.accepted(list, URL, four!);
  assertEquals([losses.mayProbe(URL), losses.isLoss(URL, four!, kind)], [true, true]);
});

Deno.test("no more than 256 servers are remembered", () => {
  const { losses } = remembered();
  for (let n = 0; n < 257; n++) losses.isLoss(`http://${n}/`, one!, kind);
  assertEquals([losses.isLoss("http://1/", two!, kind), losses.isLoss("http://0/", two!, kind)], [
    false,
    true,
  ]);
});
