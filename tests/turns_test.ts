import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { SessionTurns, type Turn } from "../lib/upstream/turns.ts";

const FOREVER_MS = 1_000_000;

/** Turns of windows of which nothing else runs; `quietInMs` of each can be set. */
function rig(maxWaitMs = FOREVER_MS) {
  const quiet = new Map<string, number>();
  const looks: string[] = [];
  const turns = new SessionTurns((session) => (looks.push(session), quiet.get(session) ?? 0));
  const log: string[] = [];
  return {
    turns,
    quiet,
    looks,
    log,
    /** Asks for a turn; what becomes of it stands in `log`. */
    ask(session: string, signal = new AbortController().signal): Promise<Turn | undefined> {
      const turn = Promise.resolve(turns.acquire(session, { signal, maxWaitMs }));
      turn.then((got) => log.push(got ? session : `${session} late`), () => log.push(`${session} gone`));
      return turn;
    },
  };
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("one window calls as often as it likes at once, another when all of that is over", async () => {
  const { turns, ask, log } = rig();
  const [first, second] = [await ask("ada"), await ask("ada")];
  assertEquals(turns.holder, "ada");
  void ask("bob");
  first![Symbol.dispose]();
  first![Symbol.dispose]();
  await settled();
  assertEquals([log, turns.holder], [["ada", "ada"], "ada"]);
  second![Symbol.dispose]();
  await settled();
  assertEquals([log, turns.holder], [["ada", "ada", "bob"], "bob"]);
});

Deno.test("a free floor is given without waiting, and is free again afterwards", () => {
  const { turns } = rig();
  const options = { signal: new AbortController().signal, maxWaitMs: FOREVER_MS };
  const turn = turns.acquire("ada", options);
  assertEquals(turn instanceof Promise, false);
  const second = turns.acquire("ada", options);
  assertEquals(second instanceof Promise, false);
  (second as Turn)[Symbol.dispose]();
  (turn as Turn)[Symbol.dispose]();
  assertEquals(turns.holder, undefined);
  assertEquals(turns.acquire("bob", options) instanceof Promise, false);
});

Deno.test("turns go round in the order of asking: whoever holds the floor does not overtake those in line", async () => {
  const { ask, log } = rig();
  const first = await ask("ada");
  const waiting = [ask("bob"), ask("ada"), ask("ada"), ask("bob")];
  first![Symbol.dispose]();
  await settled();
  assertEquals(log, ["ada", "bob"]);
  (await waiting[0])![Symbol.dispose]();
  await settled();
  assertEquals(log, ["ada", "bob", "ada", "ada"]);
  (await waiting[1])![Symbol.dispose]();
  await settled();
  assertEquals(log.length, 4);
  (await waiting[2])![Symbol.dispose]();
  assertEquals(await waiting[3] === undefined, false);
  assertEquals(log.at(-1), "bob");
});

Deno.test("calls that run without a turn are waited for until their end, and until they are spoken of no more", async () => {
  const { turns, quiet, ask, log, looks } = rig();
  quiet.set("ada", Infinity);
  void ask("ada");
  await new Promise((resolve) => setTimeout(resolve, 30));
  assertEquals([log, looks.length], [[], 2]);
  quiet.set("ada", 30);
  turns.ended();
  await settled();
  assertEquals(log, []);
  quiet.set("ada", 0);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assertEquals([log, turns.holder], [["ada"], "ada"]);
});

Deno.test("whoever asks while others may still be spoken of gets its turn once they are not, with no call ending", async () => {
  const { turns, quiet, ask } = rig();
  quiet.set("ada", 30);
  const turn = ask("ada");
  quiet.set("ada", 0);
  await turn;
  assertEquals(turns.holder, "ada");
});

Deno.test("whoever is heard of again at the end of a call gets its turn at once", async () => {
  const { turns, quiet, ask, log } = rig();
  quiet.set("ada", 10_000);
  void ask("ada");
  await settled();
  assertEquals(log, []);
  quiet.set("ada", 0);
  turns.ended();
  await settled();
  assertEquals(log, ["ada"]);
});

Deno.test("a turn that does not come in time is given up, and the next in line gets its own", async () => {
  const { turns, quiet, log, ask } = rig(30);
  quiet.set("ada", Infinity);
  void ask("ada");
  const long = { signal: new AbortController().signal, maxWaitMs: FOREVER_MS };
  const bob = turns.acquire("bob", long) as Promise<Turn | undefined>;
  bob.then(() => log.push("bob"));
  await bob;
  await settled();
  assertEquals([log.toSorted(), turns.holder], [["ada late", "bob"], "bob"]);
});

Deno.test("a call that is cancelled leaves the line, and holds up nobody behind it", async () => {
  const { turns, quiet, ask, log } = rig();
  quiet.set("ada", Infinity);
  const controller = new AbortController();
  const gone = ask("ada", controller.signal);
  void ask("bob");
  await settled();
  assertEquals(log, []);
  controller.abort(new ExaiError("TIMEOUT", "too late"));
  const error = await assertRejects(() => gone, ExaiError);
  assertEquals([error.code, turns.holder], ["TIMEOUT", "bob"]);
});

Deno.test("a call that is cancelled already does not wait; one that was cancelled after its turn came keeps it", async () => {
  const { turns, ask, log } = rig();
  const first = await ask("ada");
  const options = { signal: AbortSignal.abort(new ExaiError("CANCELLED", "gone")), maxWaitMs: FOREVER_MS };
  assertThrows(() => turns.acquire("bob", options), ExaiError, "gone");
  const controller = new AbortController();
  const waited = ask("bob", controller.signal);
  void ask("cleo");
  first![Symbol.dispose]();
  await waited;
  controller.abort();
  await settled();
  assertEquals([log, turns.holder], [["ada", "bob"], "bob"]);
  (await waited)![Symbol.dispose]();
  await settled();
  assertEquals(turns.holder, "cleo");
});

Deno.test("a turn that came in time is not given up later", async () => {
  const { turns, ask, log } = rig(20);
  const first = await ask("ada");
  const waited = ask("bob");
  first![Symbol.dispose]();
  const his = await waited;
  const options = { signal: new AbortController().signal, maxWaitMs: FOREVER_MS };
  const cleo = Promise.resolve(turns.acquire("cleo", options));
  await new Promise((resolve) => setTimeout(resolve, 40));
  assertEquals([log, turns.holder], [["ada", "bob"], "bob"]);
  his![Symbol.dispose]();
  await cleo;
  assertEquals(turns.holder, "cleo");
});
