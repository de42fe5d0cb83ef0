import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { settled, Window } from "./helpers/instance.ts";
import { lists, mountedUpstreams, namesOf, sentTo, TOOLS, windows } from "./helpers/mounted.ts";
import { until } from "./helpers/until.ts";

Deno.test("its successor does what could not be begun, and takes its subscriptions over", async () => {
  await using old = mountedUpstreams({ answer: TOOLS });
  await using next = mountedUpstreams({ answer: TOOLS });
  const [ada] = windows();
  await old.mounted.target(ada.call({ method: "resources/subscribe", params: { uri: "a:" } }));
  next.mounted.inherit(old.mounted);
  await old.mounted.retire();
  await until("it is subscribed again", () => next.upstreams[0]?.last("resources/subscribe"));
  const bob = new Window("bob", {}, { cwd: "/x" });
  assertEquals((await old.mounted.target(bob.call())).result!.name, "probe");
  assertEquals(next.upstreams.length, 2);
  const { serverInfo } = await old.mounted.describe(bob.caller, new AbortController().signal);
  assertEquals([serverInfo.name, namesOf(await old.mounted.list("tools", lists(bob)))], ["it", [
    "probe",
    "b",
  ]]);
});

Deno.test("a window whose server has crashed is subscribed again where it goes on, and told what it may have missed", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada, bob] = windows();
  for (const uri of ["a:", "b:"]) {
    await it.mounted.target(ada.call({ method: "resources/subscribe", params: { uri } }));
  }
  await it.mounted.target(ada.call({ method: "resources/unsubscribe", params: { uri: "b:" } }));
  await it.mounted.target(bob.call());
  ada.heard.length = 0;
  it.upstreams[0]!.onclose!();
  await until("it is subscribed again", () => it.upstreams[1]?.last("resources/subscribe"));
  await until("it is told", () => ada.heard.length > 0 || undefined);
  assertEquals(sentTo(it.upstreams[1]!, "resources/subscribe").length, 1);
  assertEquals(ada.heard.at(-1), { method: "notifications/resources/updated", params: { uri: "a:" } });
  assertEquals([...it.mounted.slots].map(({ sessionIds }) => sessionIds), [["ada"]]);
});

Deno.test("a subscription that cannot be had again is lost, and the window is told", async () => {
  await using it = mountedUpstreams({
    answer: ({ method }, n) =>
      method === "resources/subscribe" && n === 2
        ? { error: { code: 1, message: "not here" } }
        : { result: {} },
  });
  const [ada] = windows();
  await it.mounted.target(ada.call({ method: "resources/subscribe", params: { uri: "a:" } }));
  ada.heard.length = 0;
  it.upstreams[0]!.onclose!();
  await until("it is told", () => ada.heard.length > 1 || undefined);
  const [said, updated] = ada.heard.slice(-2);
  assertEquals([said!.method, said!.params, updated!.method, updated!.params], [
    "notifications/message",
    {
      level: "warning",
      logger: "exai",
      data: 'server "shared": the subscription to a: is lost: not here; subscribe again',
    },
    "notifications/resources/updated",
    { uri: "a:" },
  ]);
});

Deno.test("a window that is over gets nothing any more, and a server nobody subscribes to is not started again", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada, bob] = windows();
  await it.mounted.target(ada.call({ method: "resources/subscribe", params: { uri: "a:" } }));
  await it.mounted.target(bob.call());
  it.mounted.detach(ada.caller);
  await settled();
  assert(it.upstreams[0]!.last("resources/unsubscribe"));
  it.upstreams[0]!.onclose!();
  await delay(20);
  assertEquals(it.starts(), 1);
});

Deno.test("a window whose roots change goes on in another process; a shared one passes the word on to none", async () => {
  const roots = [{ uri: "file:///a" }];
  const rooted = (id: string) => new Window(id, { roots: {} }, { roots: () => Promise.resolve([...roots]) });
  const changed = "notifications/roots/list_changed";
  await using it = mountedUpstreams({ answer: TOOLS });
  const ada = rooted("ada");
  await it.mounted.target(ada.call());
  roots[0] = { uri: "file:///b" };
  it.mounted.notify(ada.caller, changed, {});
  await settled();
  assertEquals((await it.mounted.target(ada.call())).result!.n, 2);
  await using machine = mountedUpstreams({ config: { share: "machine" }, answer: TOOLS });
  await machine.mounted.target(ada.call());
  machine.mounted.notify(ada.caller, changed, {});
  await settled();
  assertEquals([(await machine.mounted.target(ada.call())).result!.n, machine.upstreams[0]!.last(changed)], [
    1,
    undefined,
  ]);
  await using own = mountedUpstreams({ config: { share: "session" }, answer: TOOLS });
  await own.mounted.target(ada.call());
  own.mounted.notify(ada.caller, changed, { a: 1 });
  await settled();
  assertEquals([
    (await own.mounted.target(ada.call())).result!.n,
    own.upstreams[0]!.last(changed).params as unknown,
  ], [
    1,
    { a: 1 },
  ]);
});

Deno.test("other notifications of a window go to its instance, where it has one", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada, bob] = windows();
  await it.mounted.target(ada.call());
  for (const { caller } of [ada, bob]) it.mounted.notify(caller, "notifications/x", { id: caller.id });
  await settled();
  assertEquals(sentTo(it.upstreams[0]!, "notifications/x").length, 1);
  Object.assign(ada.caller, { logLevel: "error" });
  it.mounted.logLevelChanged(ada.caller);
  await settled();
  assertEquals(it.upstreams[0]!.last("logging/setLevel").params, { level: "error" });
});

Deno.test("what comes late for a window that is over starts nothing, and keeps no process running", async () => {
  await using it = mountedUpstreams({ answer: TOOLS });
  const [ada, bob] = windows();
  await it.mounted.target(bob.call());
  it.mounted.detach(ada.caller);
  const late = [
    it.mounted.target(ada.call({ signal: AbortSignal.abort(new Error("gone")) })),
    it.mounted.target(ada.call({ method: "resources/subscribe", params: { uri: "a:" } })),
  ];
  for (const outcome of await Promise.allSettled(late)) assertEquals(outcome.status, "rejected");
  // What is remembered may be shown; nobody runs for it.
  await it.mounted.list("prompts", lists(ada)).catch(() => {});
  assertEquals([...it.mounted.slots].map(({ sessionIds }) => sessionIds), [["bob"]]);
});
