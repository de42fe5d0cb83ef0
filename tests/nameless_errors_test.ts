import { assertEquals, assertRejects } from "@std/assert";
import { instanceOf, Window } from "./helpers/instance.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const OK = { result: { ok: true } };

Deno.test("an error without an id never ends a call while it may be about what another window withdrew or told", async () => {
  using clock = new SteadyClock();
  const { instance, upstream, logged } = await instanceOf();
  upstream.answer = ({ params }) => params?.name === "quick" ? OK : undefined;
  const [ada, eve] = [new Window("ada"), new Window("eve")];
  const quick = () => instance.call(eve.call({ params: { name: "quick" } }));
  const nameless = (code: number) => upstream.say({ id: null, error: { code, message: "what?" } });
  const waiting = () => instance.call(eve.call({ params: { name: "slow" } }));
  const first = waiting();
  // `notifications/initialized` is no method some servers know, but nothing any of them cannot parse.
  nameless(-32601);
  assertEquals([instance.inflight, logged.length], [1, 1]);
  nameless(-32700);
  assertEquals(await first, { error: { code: -32700, message: "what?" } });
  const unsure: [string, () => unknown][] = [
    ["withdrawn", async () => {
      const window = new AbortController();
      const call = instance.call(ada.call({ signal: window.signal, params: { name: "slow" } }));
      window.abort();
      await assertRejects(() => call);
    }],
    ["told", () => instance.notify(eve.caller, "notifications/x", { y: 1 })],
  ];
  for (const [what, tell] of unsure) {
    const second = waiting();
    const { id } = upstream.last("tools/call");
    await tell();
    for (const code of [-32601, -32600, -32700, 1]) nameless(code);
    assertEquals(instance.inflight, 1, what);
    clock.pass(60_000);
    nameless(-32700);
    assertEquals(instance.inflight, 1, `${what}: a server may be busy for long`);
    upstream.say({ id, ...OK });
    assertEquals(await second, OK);
    await quick();
    const third = waiting();
    nameless(-32601);
    assertEquals(await third, { error: { code: -32601, message: "what?" } }, `${what}: it has read it`);
  }
  instance.notify(eve.caller, "notifications/x", { y: 1 });
  await quick();
  const last = waiting();
  nameless(-32700);
  assertEquals(instance.inflight, 1, "its error may come a moment after the answer to what followed");
  upstream.say({ id: upstream.last("tools/call").id, ...OK });
  assertEquals(await last, OK);
});
