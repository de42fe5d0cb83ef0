import { assertEquals, assertStringIncludes } from "@std/assert";
import { EarlyLogBuffer } from "../lib/upstream/instance/inbound.ts";
import type { RpcNotification } from "../lib/wire/rpc.ts";
import { instanceOf, settled, Upstream, Window } from "./helpers/instance.ts";
import { windows } from "./helpers/mounted.ts";

const line = (data: string) => ({
  jsonrpc: "2.0" as const,
  method: "notifications/message",
  params: { level: "info", data },
});

/** A server that logs before its answer to `initialize`, along with it, and once it is initialized. */
class Talkative extends Upstream {
  override send(message: Parameters<Upstream["send"]>[0]): Promise<void> {
    const method = "method" in message ? message.method : undefined;
    if (method === "initialize") this.say(line("before"));
    const sent = super.send(message);
    if (method === "initialize") this.say(line("along"));
    if (method === "notifications/initialized") this.say(line("after"));
    return sent;
  }
}

const linesOf = ({ heard }: Window) => heard.map(({ params }) => params?.data);

Deno.test("what a server logs while it is initialized reaches the window it was started for, in order", async () => {
  const { instance, upstream, logged } = await instanceOf({ upstream: new Talkative() });
  const [ada, bob] = windows();
  assertEquals(logged, []);
  instance.attach(ada.caller);
  await settled();
  upstream.say(line("later"));
  assertEquals([linesOf(ada), logged], [["before", "along", "after", "later"], []]);
  instance.attach(bob.caller);
  await settled();
  assertEquals([linesOf(ada).length, linesOf(bob)], [4, []]);
});

Deno.test("where several windows wait for its start, what a server logs meanwhile is nobody's and goes to its log file", async () => {
  const { instance, logged } = await instanceOf({ upstream: new Talkative() });
  const [ada, bob] = windows();
  for (const { caller } of [ada, bob]) instance.attach(caller);
  await settled();
  assertEquals([linesOf(ada), linesOf(bob), logged.length], [[], [], 3]);
});

Deno.test("what a server logs before it ends without a window is in its log file", async () => {
  const { upstream, logged } = await instanceOf({ upstream: new Talkative() });
  upstream.onclose!();
  assertEquals(logged.length, 3);
  assertStringIncludes(logged[0]!, "before");
});

Deno.test("a question that comes along with the answer to initialize is answered at once", async () => {
  const { upstream } = await instanceOf({ upstream: new Talkative() });
  upstream.say({ id: "p", method: "ping" });
  await settled();
  assertEquals(upstream.answered("p")?.result, {});
});

Deno.test("no more than a hundred lines and 256 KiB are held for the first window", () => {
  const delivered: RpcNotification[] = [];
  const held = (size: number, count: number) => {
    const logs = new EarlyLogBuffer((message) => void delivered.push(message));
    const taken = Array.from({ length: count }, () => logs.hold(line("x".repeat(size))));
    logs.release();
    assertEquals([logs.isHolding, logs.hold(line(""))], [false, false]);
    return taken.filter((isTaken) => isTaken).length;
  };
  assertEquals([held(10, 150), delivered.length], [100, 100]);
  assertEquals([held(100_000, 5), delivered.length], [2, 102]);
  const logs = new EarlyLogBuffer(() => {});
  assertEquals(logs.hold({ jsonrpc: "2.0", method: "notifications/tools/list_changed" }), false);
  assertEquals(logs.hold({ ...line("x"), id: 1 }), false);
});
