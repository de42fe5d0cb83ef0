import { assertEquals } from "@std/assert";
import type { Result } from "../lib/wire/rpc.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { settled, type Upstream, Window } from "./helpers/instance.ts";
import { type MountedOptions, mountedUpstreams, sentTo, TOOLS } from "./helpers/mounted.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { rawServer } from "./helpers/raw_server.ts";
import { until } from "./helpers/until.ts";

const URI = "test://r";
const OK: Result = { result: {} };
const NO: Result = { error: { code: -32050, message: "not today" } };

const subscribe = (window: Window) => window.call({ method: "resources/subscribe", params: { uri: URI } });
const unsubscribe = (window: Window) =>
  window.call({ method: "resources/unsubscribe", params: { uri: URI } });

/** What `upstream` was asked about subscriptions. */
const askedOf = (upstream: Upstream | undefined) =>
  (upstream?.sent ?? []).flatMap((message) =>
    "method" in message && message.method.endsWith("subscribe") ? [message.method.split("/")[1]] : []
  );

const update = { method: "notifications/resources/updated", params: { uri: URI } };

/** A server before and after its entry changes; the one before answers what is named in `held` when it is told to. */
function changing(held: string, now: MountedOptions["answer"] = TOOLS) {
  const old = mountedUpstreams({ answer: (request) => request.method === held ? undefined : OK });
  const next = mountedUpstreams({ answer: now });
  return {
    old,
    next,
    /** Puts the new entry in force while `held` is not answered. */
    async change(): Promise<{ retired: Promise<void> }> {
      await until("it is asked", () => old.upstreams[0]?.last(held));
      next.mounted.inherit(old.mounted);
      return { retired: old.mounted.retire() };
    },
    answer: (answer: Result) => old.upstreams[0]!.say({ id: old.upstreams[0]!.last(held).id, ...answer }),
    async [Symbol.asyncDispose]() {
      for (const each of [old, next]) await each[Symbol.asyncDispose]();
    },
  };
}

/** What a window is told that unsubscribes while its server changes, once the entry of before is gone. */
async function unsubscribedMeanwhile(it: ReturnType<typeof changing>, window: Window): Promise<Result> {
  await it.old.mounted.target(subscribe(window));
  const asked = it.old.mounted.target(unsubscribe(window));
  const { retired } = await it.change();
  await until("it is carried over", () => askedOf(it.next.upstreams[0]).length > 0 || undefined);
  await settled();
  it.answer(OK);
  const told = await asked;
  await retired;
  return told;
}

Deno.test("a subscription that is under way when its server changes is made with the server of now", async () => {
  await using it = changing("resources/subscribe");
  const ada = new Window("ada");
  const asked = it.old.mounted.target(subscribe(ada));
  const { retired } = await it.change();
  it.answer(OK);
  assertEquals((await asked).error, undefined);
  assertEquals(askedOf(it.next.upstreams[0]), ["subscribe"]);
  ada.heard.length = 0;
  it.next.upstreams[0]!.say(update);
  assertEquals(ada.heard, [update]);
  await retired;
  assertEquals(ada.heard, [update], "nothing is lost, and it is told of nothing lost");
  it.next.upstreams[0]!.onclose!();
  await until("it is subscribed again", () => askedOf(it.next.upstreams[1]).length > 0 || undefined);
});

Deno.test("a window whose subscription the changed server refuses is told so", async () => {
  await using it = changing("resources/subscribe", ({ method }) => /subscribe/.test(method) ? NO : OK);
  const asked = it.old.mounted.target(subscribe(new Window("ada")));
  const { retired } = await it.change();
  it.answer(OK);
  assertEquals(await asked, NO);
  await retired;
});

Deno.test("of a server that changes twice while it is asked for a subscription the last is subscribed to", async () => {
  await using it = changing("resources/subscribe");
  await using last = mountedUpstreams({ answer: TOOLS });
  const asked = it.old.mounted.target(subscribe(new Window("ada")));
  const retired = [(await it.change()).retired];
  last.mounted.inherit(it.next.mounted);
  retired.push(it.next.mounted.retire());
  it.answer(OK);
  assertEquals((await asked).error, undefined);
  await Promise.all(retired);
  assertEquals([askedOf(last.upstreams[0]), it.next.starts()], [["subscribe"], 0]);
});

Deno.test("an unsubscribing that is under way when its server changes ends the subscription that was carried over", async () => {
  await using it = changing("resources/unsubscribe");
  const ada = new Window("ada");
  assertEquals((await unsubscribedMeanwhile(it, ada)).error, undefined);
  assertEquals(askedOf(it.next.upstreams[0]), ["subscribe", "unsubscribe"]);
  ada.heard.length = 0;
  it.next.upstreams[0]!.say(update);
  assertEquals(ada.heard, []);
  it.next.upstreams[0]!.onclose!();
  await settled();
  assertEquals(it.next.starts(), 1, "nobody is subscribed to it");
});

Deno.test("a window that has unsubscribed before the changed server runs is not subscribed there", async () => {
  const started = Promise.withResolvers<void>();
  await using old = mountedUpstreams({
    answer: ({ method }) => method === "resources/unsubscribe" ? undefined : OK,
  });
  await using next = mountedUpstreams({ answer: TOOLS, onStart: () => started.promise });
  const ada = new Window("ada");
  await old.mounted.target(subscribe(ada));
  const asked = old.mounted.target(unsubscribe(ada));
  await until("it is asked", () => old.upstreams[0]!.last("resources/unsubscribe"));
  next.mounted.inherit(old.mounted);
  const retired = old.mounted.retire();
  await until("it starts", () => next.starts() > 0 || undefined);
  old.upstreams[0]!.say({ id: old.upstreams[0]!.last("resources/unsubscribe").id, ...OK });
  await settled();
  started.resolve();
  assertEquals((await asked).error, undefined);
  await retired;
  assertEquals(askedOf(next.upstreams[0]), []);
});

Deno.test("a window that the changed server does not let go is told so, and stays subscribed to its next process", async () => {
  await using it = changing(
    "resources/unsubscribe",
    ({ method }) => method === "resources/unsubscribe" ? NO : OK,
  );
  const ada = new Window("ada");
  assertEquals(await unsubscribedMeanwhile(it, ada), NO);
  it.next.upstreams[0]!.onclose!();
  await until("it is subscribed again", () => askedOf(it.next.upstreams[1]).length > 0 || undefined);
});

Deno.test("a process that crashes while its changed server runs takes no subscription along", async () => {
  await using it = changing("tools/call");
  const ada = new Window("ada");
  await it.old.mounted.target(subscribe(ada));
  const running = it.old.mounted.target(ada.call()).catch(() => {});
  const { retired } = await it.change();
  await until("it is carried over", () => ada.heard.length > 0 || undefined);
  it.old.upstreams[0]!.onclose!();
  await running;
  await retired;
  assertEquals(ada.heard, [update]);
  assertEquals(sentTo(it.next.upstreams[0]!, "resources/subscribe").length, 1);
});

Deno.test("a window is told of each subscription that is lost with a server taken out of the configuration", async () => {
  await using raw = rawServer({
    capabilities: { resources: { subscribe: true } },
    answer: ({ method }) => method === "resources/list" ? { resources: [{ uri: URI, name: "r" }] } : {},
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url);
  await using bob = await McpWindow.open(it.url);
  for (const window of [ada, bob]) await window.request("resources/list");
  await ada.request("resources/subscribe", { uri: URI });
  await raw.mounted.retire();
  await until("it is told", () => ada.heard.length > 1 || undefined);
  assertEquals(ada.heard.map(({ method, params }) => ({ method, params })), [{
    method: "notifications/message",
    params: {
      level: "warning",
      logger: "exai",
      data: `server "raw": the subscription to ${URI} is lost: it was taken out of mcp.json`,
    },
  }, update]);
  assertEquals(bob.heard, []);
});

Deno.test("a subscription that is lost with its server is not one of those a session may have", async () => {
  const lost: string[] = [];
  const ada = new Window("ada", {}, { subscriptionLost: (uri) => void lost.push(uri) });
  const it = mountedUpstreams({ answer: TOOLS });
  await it.mounted.target(subscribe(ada));
  await it.mounted.retire();
  assertEquals(lost, [URI]);
  await using ended = mountedUpstreams({ answer: TOOLS });
  await ended.mounted.target(subscribe(ada));
  await ended.mounted[Symbol.asyncDispose]();
  assertEquals(lost, [URI], "the end of the daemon is no loss of a server");
});
