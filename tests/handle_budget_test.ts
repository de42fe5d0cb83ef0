import { assert, assertEquals } from "@std/assert";
import { DenoListener, tcpAddress } from "../lib/edge/deno_listener.ts";
import { HandleBudget } from "../lib/edge/handle_budget.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const SECOND = 1000;
/** The daemon's own, beside those kept back. */
const OWN = 45;

/** Lets `ms` pass in steps in which what waits for a timer goes on. */
async function pass(timers: FakeTimers, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    timers.pass(100);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
}

/** Handles of which `open` are open. */
function budget(open: number) {
  const state = { open, closed: 0 };
  const handles = new HandleBudget({ max: 128, count: () => state.open });
  handles.onCrowded(() => state.closed++);
  return { handles, state };
}

Deno.test("while clients are refused for want of handles, idle connections are closed after three seconds, once", async () => {
  using timers = new FakeTimers();
  // 64 silent connections: none is left to spare, and none is wanting.
  const { handles, state } = budget(OWN + 8 + 64);
  using _ = handles;
  await pass(timers, 10 * SECOND);
  assertEquals([handles.isLow, state.closed], [true, 0], "nobody has been refused");
  handles.refused();
  await pass(timers, 2.9 * SECOND);
  assertEquals(state.closed, 0);
  await pass(timers, 0.2 * SECOND);
  assertEquals(state.closed, 1);
  // What is in use is not cut again.
  handles.refused();
  await pass(timers, 10 * SECOND);
  assertEquals(state.closed, 1);
  state.open = OWN + 8;
  await pass(timers, 0.2 * SECOND);
  assertEquals([handles.isLow, timers.size], [false, 0]);
  state.open = OWN + 8 + 64;
  await pass(timers, 0.2 * SECOND);
  handles.refused();
  await pass(timers, 3.1 * SECOND);
  assertEquals(state.closed, 2, "the next crowd is another");
});

Deno.test("handles that are low for a moment cost nobody a connection", async () => {
  using timers = new FakeTimers();
  const { handles, state } = budget(OWN + 8 + 64);
  using _ = handles;
  handles.refused();
  await pass(timers, 2 * SECOND);
  state.open = OWN + 8;
  await pass(timers, 0.2 * SECOND);
  state.open = OWN + 8 + 64;
  await pass(timers, 10 * SECOND);
  assertEquals([state.closed, timers.size], [0, 0]);
});

Deno.test("a listener that is crowded closes its silent connections, and serves its address again", async () => {
  const { handles, state } = budget(OWN + 8 + 64);
  using _ = handles;
  await using listener = new DenoListener({
    hostname: "127.0.0.1",
    port: 0,
    handles,
    handler: () => Promise.resolve(new Response("served")),
  });
  const { hostname, port } = tcpAddress(listener.address);
  using silent = await Deno.connect({ hostname, port });
  // Accepted, and not only in the queue of the system.
  assertEquals(await (await fetch(`http://127.0.0.1:${port}`)).text(), "served");
  {
    using timers = new FakeTimers();
    handles.refused();
    await pass(timers, 3.1 * SECOND);
  }
  assertEquals(state.closed, 1);
  assertEquals(await silent.read(new Uint8Array(1)), null);
  await listener.restarted;
  assertEquals(await (await fetch(`http://127.0.0.1:${port}`)).text(), "served");
  state.open = OWN;
  assert(listener.fault?.includes("is served again"));
});
