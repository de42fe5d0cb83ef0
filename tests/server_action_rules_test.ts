import { assertEquals, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { type ServerActionAnswer, serverActionRoutes } from "../lib/admin/server_actions.ts";
import { messageOf } from "../lib/base/errors.ts";
import type { Session } from "../lib/session/session.ts";
import type { MountedServerOptions } from "../lib/upstream/server_options.ts";
import { UNLIMITED } from "../lib/call/admission.ts";
import type { RpcRequest } from "../lib/wire/rpc.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { Upstream, Window } from "./helpers/instance.ts";
import { TOOLS } from "./helpers/mounted.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { until } from "./helpers/until.ts";

const windowOf = (id: string, cwd = "/w") => new Window(id, {}, { cwd });

interface Played {
  /** The processes that never answer `initialize`, counted from 1. */
  hanging?: number[];
  /** The processes that cannot be started. */
  failing?: number[];
  /** What the end of process 1 waits for. */
  closed?: Promise<void>;
  /** Whether process `n` leaves `request` unanswered. */
  holds?(request: RpcRequest, n: number): boolean;
  /** What each start waits for. */
  opened?: Promise<void>;
  admissionFor?: MountedServerOptions["admissionFor"];
}

/** A server whose processes are played by the test, with the owner's actions. */
function acted(
  { hanging = [], failing = [], holds = () => false, opened, closed, admissionFor }: Played = {},
  sessions: Partial<Session>[] = [],
) {
  const upstreams: Upstream[] = [];
  const it = mountedServer({ startTimeoutMs: 60_000 }, async () => {
    await opened;
    const upstream = new Upstream();
    const n = upstreams.push(upstream);
    if (failing.includes(n)) throw new Error("its port is taken");
    upstream.answer = (request) => holds(request, n) ? undefined : TOOLS!(request, n);
    const { send, close } = upstream;
    if (hanging.includes(n)) upstream.send = () => Promise.resolve();
    else upstream.send = (message) => send.call(upstream, message);
    upstream.close = async () => {
      if (n === 1) await closed;
      await close.call(upstream);
      upstream.onclose?.();
    };
    return upstream;
  }, { settleMs: 0, admissionFor });
  const access = { ...sessions, [Symbol.iterator]: () => sessions.values() } as never;
  const routes = new Map(serverActionRoutes({
    servers: () => [it.mounted],
    sessions: access,
    troubleOf: () => undefined,
    unmounted: () => [],
  }));
  return Object.assign(it, {
    upstreams,
    async act(what: string, key?: string): Promise<ServerActionAnswer> {
      const query = new URLSearchParams({ name: "shared", ...(key === undefined ? {} : { key }) });
      const request = new Request(`http://x/servers/${what}?${query}`, { method: "POST" });
      return await (await routes.get(`/servers/${what}`)!(request, { isOwner: true })).json();
    },
    /** The number of the process that answers, or why none does. */
    call: (window: Window, request: Partial<RpcRequest> = { params: { name: "probe" } }) =>
      it.mounted.target(window.call(request as never)).then(
        ({ result, error }) => error ?? result?.n,
        messageOf,
      ),
    begun: (n: number) => until(`start ${n}`, () => upstreams.length === n || undefined),
    asked: (n: number, method = "tools/call") => until(method, () => upstreams[n - 1]?.last(method)),
    /** Answers the call that a process holds. */
    release: (n: number) =>
      upstreams[n - 1]!.say({ id: upstreams[n - 1]!.last("tools/call").id, result: { n } }),
  });
}

const holdsFirst = { holds: ({ method }: RpcRequest, n: number) => n === 1 && method === "tools/call" };

Deno.test("a restart ends a process that hangs at its start, and what waited for it goes on in the next", async () => {
  await using it = acted({ hanging: [1] });
  const answer = it.call(windowOf("ada"));
  await it.begun(1);
  const { ended, started, failed } = await it.act("restart");
  assertEquals([ended.length, started.length, failed, await answer], [1, 1, [], 2]);
  assertEquals(it.upstreams.map(({ isClosed }) => isClosed), [true, false]);
});

for (const before of [[], ["park"], ["restart", "park"]]) {
  const name = ["a process that hangs at its start", ...before].join(", then ");
  Deno.test(`a stop ends ${name}, and what waited for it starts no other`, async () => {
    const hanging = before.includes("restart") ? [1, 2] : [1];
    await using it = acted({ hanging });
    const answer = it.call(windowOf("ada"));
    await it.begun(1);
    for (const what of before) void it.act(what);
    await it.begun(hanging.length);
    assertEquals((await it.act("stop")).failed, []);
    assertStringIncludes(String(await answer), "stopped by its user");
    assertEquals(it.upstreams.map(({ isClosed }) => isClosed), hanging.map(() => true));
    assertEquals(await it.call(windowOf("ada")), hanging.length + 1);
  });
}

Deno.test("a daemon that stops does not wait for a start under a park", async () => {
  const it = acted({ hanging: [1] });
  const answer = it.call(windowOf("ada"));
  await it.begun(1);
  await it.act("park");
  await it[Symbol.asyncDispose]();
  assertEquals(it.upstreams[0]!.isClosed, true);
  await answer;
});

Deno.test("a process that is parked while it starts serves what waits for it, and ends then", async () => {
  const opened = Promise.withResolvers<void>();
  let before: Promise<unknown> = Promise.resolve();
  // One after the other, with a pause in which nothing is in flight.
  const run: typeof UNLIMITED.run = (...asked) => {
    const mine = before.then(() => delay(5)).then(() => UNLIMITED.run(...asked));
    before = mine;
    return mine;
  };
  await using it = acted({ opened: opened.promise, admissionFor: () => ({ ...UNLIMITED, run }) });
  const answers = ["ada", "bob"].map((id) => it.call(windowOf(id)));
  await until("it starts", () => [...it.mounted.slots][0]?.calls.size === 2 || undefined);
  await it.act("park");
  opened.resolve();
  assertEquals(await Promise.all(answers), [1, 1]);
  await until("it ends", () => it.upstreams[0]!.isClosed || undefined);
});

for (const what of ["park", "stop"]) {
  Deno.test(`after a ${what} a subscription starts nothing, and is made again with the next call`, async () => {
    await using it = acted();
    const ada = windowOf("ada");
    await it.call(ada, { method: "resources/subscribe", params: { uri: "x://a" } });
    assertEquals((await it.act(what)).ended.length, 1);
    await until("it ends", () => it.upstreams[0]!.isClosed || undefined);
    await delay(20);
    assertEquals([it.upstreams.length, [...it.mounted.retiring]], [1, []]);
    assertEquals(await it.call(ada), 2);
    await it.asked(2, "resources/subscribe");
    await until(
      "it is told",
      () => ada.heard.find(({ method }) => method === "notifications/resources/updated"),
    );
  });
}

Deno.test("a restart waits for what runs, starts nothing beside it, and is joined by a second", async () => {
  await using it = acted(holdsFirst);
  const [ada, bob] = [windowOf("ada"), windowOf("bob")];
  await it.call(bob, { method: "resources/subscribe", params: { uri: "x://a" } });
  const answer = it.call(ada);
  await it.asked(1);
  const restarts = [it.act("restart"), it.act("restart")];
  await delay(20);
  assertEquals([it.upstreams.length, it.upstreams[0]!.isClosed], [1, false]);
  it.release(1);
  const [first, second] = await Promise.all(restarts);
  assertEquals([await answer, first, it.upstreams.length], [1, second, 2]);
  assertEquals(first!.started.map(({ sessions, inflight }) => [sessions.toSorted(), inflight]), [[[
    "ada",
    "bob",
  ], 0]]);
  await it.asked(2, "resources/subscribe");
});

Deno.test("a second restart does not end what the first is starting", async () => {
  await using it = acted({ hanging: [2] });
  await it.call(windowOf("ada"));
  const restarts = [it.act("restart")];
  await it.begun(2);
  restarts.push(it.act("restart"));
  await delay(5);
  await it.act("stop");
  const [first, second] = await Promise.all(restarts);
  assertEquals([first, it.upstreams.length], [second, 2]);
  assertStringIncludes(first!.failed.join(), "stopped by its user");
});

for (const what of ["park", "stop"]) {
  Deno.test(`a ${what} during a restart counts: nothing is started`, async () => {
    await using it = acted(holdsFirst);
    const answer = it.call(windowOf("ada"));
    await it.asked(1);
    const restarting = it.act("restart");
    await delay(5);
    const { ended } = await it.act(what);
    assertEquals(ended.map(({ inflight }) => inflight), [1]);
    if (what === "park") it.release(1);
    const { started, failed } = await restarting;
    assertEquals([started, failed], [[], ["it was stopped or parked meanwhile"]]);
    await answer;
    assertEquals([it.upstreams.length, it.upstreams[0]!.isClosed], [1, true]);
  });
}

for (const isWhole of [true, false]) {
  Deno.test(`a restart after a park counts: of ${isWhole ? "all" : "one process of a restart of all"}`, async () => {
    await using it = acted({ holds: ({ method }, n) => n <= 2 && method === "tools/call" });
    const answers = [it.call(windowOf("ada", "/a"))];
    await it.asked(1);
    answers.push(it.call(windowOf("bob", "/b")));
    await it.asked(2);
    const key = isWhole ? undefined : [...it.mounted.slots][0]!.keyHash;
    const first = it.act("restart");
    await delay(5);
    await it.act("park", key);
    const second = it.act("restart", key);
    await delay(5);
    for (const n of [1, 2]) it.release(n);
    const counts = (await Promise.all([first, second])).map(({ started, failed }) => [
      started.length,
      failed.length,
    ]);
    assertEquals(counts, isWhole ? [[0, 1], [2, 0]] : [[1, 0], [1, 0]]);
    await Promise.all(answers);
    assertEquals(it.upstreams.length, 4);
  });
}

for (const isRunning of [false, true]) {
  const which = isRunning ? "of a process that runs" : "at a start";
  Deno.test(`a list that is being read ${which} starts nothing, once a person has stopped that`, async () => {
    await using it = acted({ holds: ({ method }, n) => n === 1 && method === "tools/list" });
    const ada = windowOf("ada");
    if (isRunning) await it.call(ada);
    const list = it.mounted.list("tools", ada.call({ method: "tools/list" })).catch(messageOf);
    await it.asked(1, "tools/list");
    await delay(5);
    await it.act("stop");
    assertStringIncludes(String(await list), "stopped by its user");
    await delay(5);
    assertEquals(it.upstreams.length, 1);
  });
}

Deno.test("a call that could be made again is not, once a person has stopped its process", async () => {
  await using it = acted({ holds: ({ method }, n) => n === 1 && method === "resources/read" });
  const answer = it.call(windowOf("ada"), { method: "resources/read", params: { uri: "x://a" } });
  await it.asked(1, "resources/read");
  await it.act("stop");
  assertStringIncludes(String(await answer), "stopped by its user");
  assertEquals(it.upstreams.length, 1);
});

Deno.test("a restart ends calls that take too long, a park does not", async () => {
  using time = new HurriedTime((ms) => ms >= 11_000 && ms < 50_000);
  await using it = acted(holdsFirst);
  const answer = it.call(windowOf("ada"));
  await it.asked(1);
  time.delaysMs.length = 0;
  await it.act("park");
  await delay(5);
  assertEquals([time.delaysMs, it.upstreams[0]!.isClosed], [[], false]);
  assertEquals((await it.act("restart")).started.length, 1);
  assertEquals([time.delaysMs, it.upstreams[0]!.isClosed], [[30_000], true]);
  await answer;
});

Deno.test("an action with a key is about that process, and leaves the others and their back-off", async () => {
  await using it = acted();
  await it.call(windowOf("ada", "/a"));
  await it.call(windowOf("bob", "/b"));
  const [a, b] = it.mounted.slots;
  assertEquals((await it.act("stop", a!.keyHash)).ended.map(({ share_key }) => share_key), [a!.keyHash]);
  assertEquals(it.upstreams.map(({ isClosed }) => isClosed), [true, false]);
  await it.act("restart", b!.keyHash);
  assertEquals(it.upstreams.map(({ isClosed }) => isClosed), [true, true, false]);
});

Deno.test("a server that does not run is started for the window that was used last; without one it is said why not", async () => {
  const { caller } = windowOf("ada");
  const session = Object.assign(caller, { isConnected: true, lastUsedMs: 1 }) as Partial<Session>;
  await using it = acted({}, [session]);
  assertEquals((await it.act("restart")).started.length, 1);
  await using none = acted();
  const { ended, started, failed } = await none.act("restart");
  assertEquals([ended, started, failed.length], [[], [], 1]);
  assertStringIncludes(failed[0]!, "no window is open");
});

Deno.test("a restart with the key of a process that has failed starts it, for a window of its directory", async () => {
  const windows = [windowOf("ada", "/a"), windowOf("bob", "/b")];
  const sessions = windows.map(({ caller }, lastUsedMs) =>
    Object.assign(caller, { isConnected: true, lastUsedMs }) as Partial<Session>
  );
  await using it = acted({ failing: [1] }, sessions);
  assertStringIncludes(String(await it.call(windows[0]!)), "its port is taken");
  const [record] = it.mounted.records;
  const { ended, started, failed } = await it.act("restart", record!.keyHash);
  assertEquals([ended, started.map(({ sessions }) => sessions), failed], [[], [["ada"]], []]);
  assertEquals(await it.call(windows[0]!), 2);
});

Deno.test("a restart and a stop say of a process that it has not ended in time", async () => {
  using _time = new HurriedTime((ms) => ms >= 10_000 && ms < 50_000);
  const closed = Promise.withResolvers<void>();
  await using it = acted({ closed: closed.promise });
  await it.call(windowOf("ada"));
  const { started, failed } = await it.act("restart");
  assertEquals([started.length, failed.length], [1, 1]);
  assertEquals((await it.act("stop")).failed, failed);
  closed.resolve();
});
