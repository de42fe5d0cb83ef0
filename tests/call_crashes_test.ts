import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import { CallCrashes, suspectOf } from "../lib/upstream/call_crashes.ts";
import { Supervisor } from "../lib/upstream/supervisor.ts";
import { Window } from "./helpers/instance.ts";
import { mountedUpstreams, TOOLS, windows } from "./helpers/mounted.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const ENDED = new ExaiError("UPSTREAM_UNAVAILABLE", "it was ended by SIGKILL");
const tool = (name: string) => ({ method: "tools/call", params: { name } });
const [ada, bob] = windows();

/** Crashes under `calls`, `aliveMs` after the start. */
function crash(crashes: CallCrashes, calls: Call[], { atMs = 0, aliveMs = 0 } = {}): void {
  crashes.processEnded({ begunAtMs: 0, startedAtMs: atMs - aliveMs, suspect: suspectOf(calls) }, ENDED, atMs);
}

function refusal(crashes: CallCrashes, call: Call, nowMs = 0): string {
  return assertThrows(() => crashes.check(call, nowMs), ExaiError).message;
}

Deno.test("a call under which a shared process crashed three times in a row is refused to its session for five minutes, by name, count and reason", () => {
  const crashes = new CallCrashes("files");
  const call = ada.call(tool("die"));
  for (let n = 0; n < 2; n++) crash(crashes, [call]);
  crashes.check(call, 0);
  crash(crashes, [call, ada.call(tool("die"))], { atMs: 1000 });
  const error = assertThrows(() => crashes.check(call, 1000), ExaiError);
  assertEquals([error.code, error.retryAfterMs, error.details], [
    "UPSTREAM_UNAVAILABLE",
    300_000,
    { server: "files", crashes: 3 },
  ]);
  assertMatch(
    error.message,
    /server "files" crashed 3 times in a row on tool "die", called by this session alone: .*300 s more.*SIGKILL/,
  );
  for (
    const other of [bob.call(tool("die")), ada.call(tool("live")), ada.call({ method: "resources/read" })]
  ) {
    crashes.check(other, 1000);
  }
  crashes.check(call, 301_000);
  // It is called once more then, and refused again if that ends it too, however well it was before.
  crash(crashes, [call], { atMs: 400_000, aliveMs: 90_000 });
  assertMatch(refusal(crashes, call, 400_000), /4 times/);
  crashes.clear();
  crashes.check(call, 400_000);
});

Deno.test("crashes a minute of good work apart, at a start, or under calls of several sessions are held against nobody's call", () => {
  const crashes = new CallCrashes("files");
  const call = ada.call(tool("die"));
  for (let n = 0; n < 9; n++) crash(crashes, [call], { atMs: n * 100_000, aliveMs: 60_000 });
  for (let n = 0; n < 9; n++) crash(crashes, [call, bob.call(tool("die"))]);
  for (let n = 0; n < 9; n++) crash(crashes, [ada.call({ method: "tools/list" })]);
  for (let n = 0; n < 9; n++) crashes.processEnded({ begunAtMs: 0, suspect: suspectOf([call]) }, ENDED, 0);
  crashes.check(call, 0);
  crashes.check(ada.call(tool("live")), 0);
});

Deno.test("of different calls of one session under way each may be the cause; after nine crashes all its calls are refused, whatever their names", () => {
  const crashes = new CallCrashes("files");
  for (let n = 0; n < 3; n++) {
    crash(crashes, [ada.call(tool("die")), ada.call(tool("live")), ada.call(tool(`${n}`))]);
  }
  for (const name of ["die", "live"]) assertMatch(refusal(crashes, ada.call(tool(name))), /3 times/);
  crashes.check(ada.call(tool("0")), 0);
  for (let n = 0; n < 6; n++) crash(crashes, [ada.call(tool(`other ${n}`))]);
  assertMatch(refusal(crashes, ada.call(tool("0"))), /crashed 9 times in a row on whatever it was asked/);
  crashes.check(bob.call(tool("0")), 0);
});

Deno.test("of calls that end a process some hundreds are remembered, whatever they are named, and none of a session that is over", () => {
  const crashes = new CallCrashes("files");
  for (let n = 0; n < 300; n++) crash(crashes, [ada.call(tool(`${"n".repeat(1000)}${n}`))]);
  assertEquals(crashes.size, 256);
  crash(crashes, [bob.call(tool("die"))]);
  crashes.forget(ada.caller);
  assertEquals(crashes.size, 2);
  crashes.forget(bob.caller);
  assertEquals(crashes.size, 0);
});

Deno.test("a process that fails under the calls of one session alone rests for that session, and for all once another's are concerned", () => {
  const supervisor = new Supervisor("files");
  const fail = (session?: string) => {
    const suspect = session === undefined ? undefined : { session, calls: [] };
    supervisor.failed({ begunAtMs: 1e9, startedAtMs: 0, suspect }, ENDED, 1);
  };
  for (let n = 0; n < 5; n++) fail("ada");
  assertThrows(() => supervisor.beginFor("ada", 1), ExaiError, "5 times");
  supervisor.beginFor("bob", 1);
  fail();
  assertThrows(() => supervisor.beginFor("bob", 1), ExaiError, "6 times");
  fail("ada");
  assertThrows(() => supervisor.beginFor("bob", 1), ExaiError, "7 times");
  supervisor.resetBackoff();
  supervisor.beginFor("ada", 1);
  fail("ada");
  fail("bob");
  fail("bob");
  assertThrows(() => supervisor.beginFor("ada", 1), ExaiError, "3 times");
});

Deno.test("a window whose call crashes a shared process again and again is refused that call; the other window never waits", async () => {
  using clock = new SteadyClock();
  const it = mountedUpstreams({
    answer: (request, n) => request.params?.name === "die" ? undefined : TOOLS!(request, n),
  });
  const call = (window: Window, name: string) => it.mounted.target(window.call(tool(name)));
  const lives = async () => assertEquals((await call(bob, "b")).result?.name, "b");
  const dies = async () => {
    const began = it.upstreams.length;
    const dying = call(ada, "die");
    const last = () => it.upstreams.at(-1)!;
    while (
      !last()?.sent.some((message) => "params" in message && (message.params as JsonObject)?.name === "die")
    ) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      assert(it.upstreams.length <= began + 1);
    }
    last().onclose!();
    return await assertRejects(() => dying, ExaiError);
  };
  await lives();
  for (let n = 0; n < 3; n++) {
    const error = await dies();
    assertEquals([error.details?.outcome, error.details?.alone], ["unknown", true]);
    await lives();
  }
  for (let n = 0; n < 5; n++) {
    const refused = await assertRejects(() => call(ada, "die"), ExaiError);
    assertMatch(refused.message, /crashed 3 times in a row on tool "die"/);
    await lives();
    assertEquals((await call(ada, "b")).result?.name, "b");
  }
  assertEquals(it.starts(), 4);
  clock.pass(300_001);
  await dies();
  await lives();
  assertMatch((await assertRejects(() => call(ada, "die"), ExaiError)).message, /4 times/);
  it.mounted.detach(ada.caller);
  await it.mounted[Symbol.asyncDispose]();
});

Deno.test("a call that kills a server all windows share is refused to its window, and the server goes on for the others", async () => {
  await using it = await mountingDaemon({ one: bad("well") });
  await using sick = await McpWindow.open(`${it.url}mcp/one`);
  await using sound = await McpWindow.open(`${it.url}mcp/one`);
  const works = async (window: McpWindow) => assertEquals((await window.call("well_echo")).error, undefined);
  await works(sound);
  const messages: string[] = [];
  for (let n = 0; n < 6; n++) {
    messages.push(String(((await sick.call("well_die")).error as JsonObject).message));
    await works(sound);
  }
  for (const message of messages.slice(3)) {
    assertMatch(message, /server "one" crashed 3 times in a row on tool "well_die"/);
  }
  await works(sick);
});
