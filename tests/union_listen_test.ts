import { assertEquals, assertMatch } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { ListenStream } from "../lib/upstream/instance/link/server_link.ts";
import { UnionListen } from "../lib/upstream/instance/union_listen.ts";
import type { Params } from "../lib/wire/raw_object.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { until } from "./helpers/until.ts";

interface Opened {
  filter: JsonObject;
  deliver(method: string, params: Params): void;
  isClosed: boolean;
  end(): void;
}

/** A server whose streams honour what `honours` says, and what has happened to it, in order. */
class ScriptedListens {
  readonly opened: Opened[] = [];
  readonly events: string[] = [];
  honours = (filter: JsonObject): JsonObject => filter;
  refusal: ExaiError | undefined;
  readonly union: UnionListen;

  constructor(lists: JsonObject = {}) {
    this.union = new UnionListen({
      lists,
      open: (filter, deliver) => this.#open(filter, deliver),
      deliver: (method, params) => this.events.push(`${method} ${(params as JsonObject).uri ?? ""}`.trim()),
      onGap: () => this.events.push("gap"),
      onLost: (uri) => this.events.push(`lost ${uri}`),
    });
  }

  #open(filter: JsonObject, deliver: Opened["deliver"]): Promise<ListenStream> {
    if (this.refusal) return Promise.reject(this.refusal);
    const ended = Promise.withResolvers<{ isGraceful: boolean }>();
    const opened = { filter, deliver, isClosed: false, end: () => ended.resolve({ isGraceful: false }) };
    this.opened.push(opened);
    return Promise.resolve({
      honoured: this.honours(filter),
      ended: ended.promise,
      close: () => void (opened.isClosed = true, ended.resolve({ isGraceful: true })),
    });
  }
}

/** Lets everything that needs no time happen. */
async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}

Deno.test("what all windows want of a server is asked for in one stream, and another replaces it without a gap", async () => {
  const server = new ScriptedListens({ toolsListChanged: true });
  server.union.start();
  await settle();
  assertEquals(server.opened.map(({ filter }) => filter), [{ toolsListChanged: true }]);
  const answers = await Promise.all([server.union.subscribe("a:1"), server.union.subscribe("a:2")]);
  assertEquals(answers, [{ result: {} }, { result: {} }]);
  assertEquals(server.opened[1]!.filter, { toolsListChanged: true, resourceSubscriptions: ["a:1", "a:2"] });
  assertEquals(server.opened.map(({ isClosed }) => isClosed), [true, false]);
  server.opened[0]!.deliver("notifications/resources/updated", { uri: "of the old stream" });
  server.opened[1]!.deliver("notifications/resources/updated", { uri: "a:1" });
  assertEquals(server.events, ["notifications/resources/updated a:1"]);
  await server.union.unsubscribe("a:2");
  await until("the third stream", () => server.opened[2]);
  assertEquals(server.opened[2]!.filter, { toolsListChanged: true, resourceSubscriptions: ["a:1"] });
  assertEquals(server.opened.length, 3);
});

Deno.test("what a server says along with its acknowledgement is told, however close it follows", async () => {
  for (let ticks = 0; ticks < 6; ticks++) {
    const events: string[] = [];
    const acknowledged = Promise.withResolvers<ListenStream>();
    let say: Opened["deliver"];
    const union = new UnionListen({
      lists: { toolsListChanged: true },
      open: (_filter, deliver) => (say = deliver, acknowledged.promise),
      deliver: (method) => events.push(method),
      onGap: () => {},
      onLost: () => {},
    });
    union.start();
    await settle();
    acknowledged.resolve({ honoured: { toolsListChanged: true }, ended: new Promise(() => {}), close() {} });
    for (let n = 0; n < ticks; n++) await Promise.resolve();
    say!("notifications/tools/list_changed", {});
    assertEquals(events, ["notifications/tools/list_changed"], `after ${ticks} turns`);
  }
});

Deno.test("resources that are asked for one group after another are gathered, and a single one does not wait", async () => {
  using timers = new FakeTimers();
  const server = new ScriptedListens();
  for (const uri of ["a:1", "a:2"]) await server.union.subscribe(uri);
  assertEquals([server.opened.length, timers.set], [2, 0]);
  const given = (uris: string[]) => Promise.all(uris.map((uri) => server.union.subscribe(uri)));
  await given(["b:1", "b:2"]);
  const answers = [given(["c:1", "c:2"])];
  await settle();
  answers.push(given(["d:1"]));
  await settle();
  assertEquals([server.opened.length, timers.lastMs], [3, 20]);
  timers.pass(20);
  assertEquals((await Promise.all(answers)).flat(), Array(3).fill({ result: {} }));
  assertEquals(server.opened.length, 4);
  void given(["e:1"]).catch(() => {});
  await settle();
  server.union.close(new ExaiError("CANCELLED", "enough"));
  await settle();
  assertEquals([server.opened.length, timers.size], [4, 0]);
});

Deno.test("a server that announces nothing gets no stream until a resource is wanted, and none after that", async () => {
  const server = new ScriptedListens();
  server.union.start();
  await settle();
  assertEquals(server.opened, []);
  await server.union.subscribe("a:1");
  await server.union.unsubscribe("a:1");
  await settle();
  assertEquals(server.opened.map(({ isClosed }) => isClosed), [true]);
});

Deno.test("a resource that the server does not watch is refused to who asked, and to nobody else", async () => {
  const server = new ScriptedListens();
  server.honours = () => ({ resourceSubscriptions: ["a:1"] });
  const [good, bad] = await Promise.all([server.union.subscribe("a:1"), server.union.subscribe("b:1")]);
  assertEquals(good, { result: {} });
  assertMatch(bad.error!.message, /does not tell when "b:1" changes/);
  assertEquals(await server.union.subscribe("a:1"), { result: {} });
  assertEquals(server.opened.length, 1);
});

Deno.test("a stream that breaks is opened again with a growing delay, and says what may have been missed", async () => {
  using timers = new FakeTimers();
  const server = new ScriptedListens({ toolsListChanged: true });
  await server.union.subscribe("a:1");
  server.refusal = new ExaiError("UPSTREAM_UNAVAILABLE", "it is away");
  server.opened[0]!.end();
  await settle();
  const delays: number[] = [];
  for (let n = 0; n < 3; n++) {
    delays.push(timers.lastMs!);
    timers.pass(timers.lastMs!);
    await settle();
  }
  assertEquals(delays.every((ms, i) => ms >= 500 * 2 ** i && ms <= 1000 * 2 ** i), true);
  assertEquals([server.opened.length, server.events], [1, []]);
  server.refusal = undefined;
  timers.pass(timers.lastMs!);
  await settle();
  assertEquals(server.opened[1]!.filter, { toolsListChanged: true, resourceSubscriptions: ["a:1"] });
  assertEquals(server.events, ["gap"]);
  server.honours = () => ({ toolsListChanged: true });
  server.opened[1]!.end();
  await settle();
  timers.pass(timers.lastMs!);
  await settle();
  assertEquals(server.events, ["gap", "gap", "lost a:1"]);
});

Deno.test("a first stream that opens late says what may have been missed, where lists are announced", async () => {
  using timers = new FakeTimers();
  const seen: string[][] = [];
  for (const lists of [{ toolsListChanged: true }, {} as JsonObject]) {
    const server = new ScriptedListens(lists);
    server.refusal = new ExaiError("UPSTREAM_UNAVAILABLE", "it is busy");
    if (lists.toolsListChanged) server.union.start();
    else assertEquals((await server.union.subscribe("a:1")).error!.message, "it is busy");
    await settle();
    server.refusal = undefined;
    const taken = server.union.subscribe("a:2");
    await settle();
    timers.pass(timers.lastMs!);
    assertEquals(await taken, { result: {} });
    seen.push(server.events);
  }
  assertEquals(seen, [["gap"], []]);
});

Deno.test("a stream that ends as soon as it is open is opened again with a growing delay", async () => {
  using timers = new FakeTimers();
  const server = new ScriptedListens({ toolsListChanged: true });
  server.union.start();
  await settle();
  const delays: number[] = [];
  for (let n = 0; n < 4; n++) {
    server.opened[n]!.end();
    await settle();
    delays.push(timers.lastMs!);
    timers.pass(timers.lastMs!);
    await settle();
  }
  assertEquals(delays.every((ms, i) => ms >= 500 * 2 ** i && ms <= 1000 * 2 ** i), true, String(delays));
  timers.pass(10_000);
  server.opened[4]!.end();
  await settle();
  assertEquals(timers.lastMs! <= 1000, true);
  server.union.close(new ExaiError("CANCELLED", "enough"));
});

Deno.test("a server without streams is asked once, and says so to who subscribes", async () => {
  const server = new ScriptedListens({ toolsListChanged: true });
  server.refusal = new ExaiError("METHOD_NOT_FOUND", "no such method");
  const { error } = await server.union.subscribe("a:1");
  assertEquals(error!.message, "no such method");
  await server.union.subscribe("a:2").then(() => assertEquals(1, 2), (thrown) => {
    assertEquals(thrown.code, "METHOD_NOT_FOUND");
  });
});

Deno.test("who subscribes while the next attempt is far off waits a second at most, and has the next one soon after it", async () => {
  using timers = new FakeTimers();
  const server = new ScriptedListens({ toolsListChanged: true });
  server.refusal = new ExaiError("UPSTREAM_UNAVAILABLE", "it is away");
  server.union.start();
  await settle();
  for (let n = 0; n < 6; n++) {
    timers.pass(timers.lastMs!);
    await settle();
  }
  assertEquals(timers.lastMs! > 30_000, true);
  timers.pass(200);
  const refused = server.union.subscribe("a:1");
  await settle();
  assertEquals(timers.lastMs, 800);
  timers.pass(800);
  assertEquals((await refused).error!.message, "it is away");
  await settle();
  timers.pass(5000);
  server.refusal = undefined;
  assertEquals(await server.union.subscribe("a:2"), { result: {} });
  server.refusal = new ExaiError("UPSTREAM_UNAVAILABLE", "it is away again");
  timers.pass(10_000);
  server.opened[0]!.end();
  await settle();
  assertEquals(timers.lastMs! <= 1000, true);
  server.union.close(new ExaiError("CANCELLED", "enough"));
});
