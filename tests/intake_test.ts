import { assert, assertEquals } from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { InboundQueue } from "../lib/session/inbound_queue.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { receive } from "./helpers/inbound.ts";
import { daemonHooks, type MemoryChannel, settle } from "./helpers/memory_channel.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const note = (name: string, pad = 0) => ({
  jsonrpc: "2.0",
  method: `notifications/${name}`,
  params: pad ? { pad: "x".repeat(pad) } : {},
});

/** A client that has sent so much at once that what it says now waits while others have their turn. */
function flooded(hello: JsonObject, options: { budget?: ByteBudget } = {}) {
  const it = daemonHooks({}, { ...options, maxFrameBytes: 1_000_000 });
  const [channel, ack] = it.hello({ session_id: "s", ...hello });
  {
    using clock = new SteadyClock();
    // The turn of the event loop is looked at after some dozen messages, and is due when the slice has passed.
    for (let n = 0; n < 200; n++) channel.say({ op: "cancel", request_id: 1 });
    clock.pass(10);
    channel.say({ op: "cancel", request_id: 1 });
  }
  const taken = () => it.notified.map((notified) => (notified as string[])[1]!.replace("notifications/", ""));
  const session = it.registry.get("s")!;
  const back = (): [MemoryChannel, JsonObject, ...JsonObject[]] => {
    const resume = { token: ack.resume_token, received: 0 };
    return it.hello({ session_id: "s", ...hello, resume });
  };
  channel.say(note("a"));
  channel.say(note("b"));
  assertEquals(taken(), [], "it waits");
  return { ...it, channel, session, taken, back };
}

const CUT = { code: 1006, wasClean: false };
const GOODBYE = { code: 1000, wasClean: true };

Deno.test("what waits of a client that is there is taken in its turn, in order", async () => {
  const { channel, taken } = flooded({});
  channel.say(note("c"));
  await settle();
  await settle();
  assertEquals(taken(), ["a", "b", "c"]);
  channel.say(note("d"));
  assertEquals(taken(), ["a", "b", "c", "d"], "at once again");
});

Deno.test("of a session that can come back what waited is taken when its connection is cut, and once", async () => {
  const { channel, taken, registry, back } = flooded({ resume: true });
  channel.onclose!(CUT);
  assertEquals([taken(), registry.size], [["a", "b"], 1]);
  channel.say(note("late"));
  await settle();
  assertEquals(taken(), ["a", "b"], "nothing comes from a connection that is over");
  const [next] = back();
  next.say(note("c"));
  assertEquals(taken(), ["a", "b", "c"]);
});

Deno.test("where a client counts what has come, what waited is let go of and not counted: it sends that again", async () => {
  for (const how of ["cut", "replaced"]) {
    const { channel, taken, session, back } = flooded({ resume: true, receipts: true });
    if (how === "cut") channel.onclose!(CUT);
    const [next, ack] = back();
    assertEquals([taken(), ack.received], [[], 0], how);
    channel.say(note("late"));
    for (const name of ["a", "b", "c"]) next.say(note(name));
    await settle();
    await settle();
    assertEquals(taken(), ["a", "b", "c"], how);
    assertEquals(
      session.receivedCount,
      3,
      "what comes late from the old connection is not counted either",
    );
  }
});

Deno.test("what waited on a connection that is replaced is taken before what comes on the next", async () => {
  const { channel, taken, back } = flooded({ resume: true });
  const [next] = back();
  assertEquals(channel.closed?.[0], 4008);
  next.say(note("c"));
  channel.say(note("late"));
  await settle();
  await settle();
  assertEquals(taken(), ["a", "b", "c"]);
});

Deno.test("of a session that is over nothing that waited is done any more", async () => {
  for (const [end, hello] of [[CUT, {}], [GOODBYE, {}], [CUT, { receipts: true }]] as const) {
    const { channel, taken, registry } = flooded(hello);
    channel.onclose!(end);
    await settle();
    await settle();
    assertEquals([taken(), registry.size], [[], 0], JSON.stringify([end, hello]));
  }
});

Deno.test("a client that says goodbye behind what waits has it done first", () => {
  const { channel, taken, registry } = flooded({ resume: true });
  channel.onclose!(GOODBYE);
  assertEquals([taken(), registry.size], [["a", "b"], 0]);
});

Deno.test("a flood beyond the budget closes its connection with 4029, and nothing of it is done behind the gap", async () => {
  for (const receipts of [false, true]) {
    const budget = new ByteBudget({ maxBytes: 100_000 });
    const { channel, taken, session, registry, back } = flooded({ resume: true, receipts }, { budget });
    channel.say(note("large", 200_000));
    assertEquals(channel.closed, [4029, "more is sent to the daemon at once than it may hold"]);
    assertEquals([budget.bytes, budget.evictions], [0, 1]);
    // What was sent before the client read that its connection is closed.
    channel.say(note("late"));
    await settle();
    await settle();
    assertEquals(taken(), []);
    channel.onclose!({ code: 4029, wasClean: true });
    assertEquals(registry.size, 1, "its session is there to come back to");
    const [next] = back();
    next.say(note("c"));
    assertEquals([taken(), session.receivedCount], [["c"], receipts ? 1 : 0]);
  }
});

Deno.test("an intake that is over takes nothing, also where it is ended by what it takes", async () => {
  for (const end of ["flush", "discard"] as const) {
    using clock = new SteadyClock();
    const taken: string[] = [];
    const moves: number[] = [];
    const handle = (text: string) => {
      taken.push(text);
      if (text === "end") intake[end]();
    };
    const onSizeChange = (chars: number) => void moves.push(chars);
    const intake: InboundQueue = new InboundQueue({ maxChars: 1000, onSizeChange, handle });
    for (let n = 0; n < 200; n++) receive(intake, handle, "");
    clock.pass(10);
    for (const text of ["", "one", "end", "two"]) receive(intake, handle, text);
    taken.length = 0;
    await settle();
    await settle();
    receive(intake, handle, "three");
    assertEquals(taken, end === "flush" ? ["one", "end", "two"] : ["one", "end"]);
    assertEquals(intake.chars, 0);
    assert(moves.every((chars) => chars !== 0));
    assertEquals(moves.reduce((sum, chars) => sum + chars, 0), 0);
  }
});
