import { delay } from "@std/async/delay";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ListKind } from "../lib/call/server.ts";
import type { Call } from "../lib/call/call.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { ProcessStoppedError } from "../lib/upstream/next_process.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { Upstream, Window } from "./helpers/instance.ts";
import { lists, type MountedOptions, mountedUpstreams, namesOf, TOOLS } from "./helpers/mounted.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { until } from "./helpers/until.ts";

/** A window of the one directory there is. */
const windowOf = (id: string, capabilities = {}) => new Window(id, capabilities, { cwd: "/w" });

/** A server each process of which starts when the test says. */
function startedByHand(options: MountedOptions = {}) {
  const starts = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const it = mountedUpstreams({ answer: TOOLS, onStart: (n) => starts[n - 1]!.promise, ...options });
  return Object.assign(it, {
    start: (n: number) => starts[n - 1]!.resolve(),
    /** Resolves when `n` processes have been begun. */
    begun: (n: number) => until(`start ${n}`, () => it.starts() === n || undefined),
    /** Stops what runs or starts, as `exai-daemon kill` does. */
    kill: () => [...it.mounted.slots].forEach((slot) => it.mounted.end(slot)),
  });
}

type Mount = Pick<ReturnType<typeof startedByHand>, "mounted">;

const list = ({ mounted }: Mount, kind: ListKind, window: Window) => mounted.list(kind, lists(window));

/** What a window can want of a server, and what it is of the process that did it. */
const WANTS: Record<string, (it: Mount, window: Window) => Promise<unknown>> = {
  "a list": async (it, window) => namesOf(await list(it, "tools", window)),
  "a description": async ({ mounted }, { caller }) =>
    (await mounted.describe(caller, new AbortController().signal)).serverInfo.name,
  "a name that is looked for": ({ mounted }, window) =>
    mounted.refresh("tools", window.call(), { isNamed: true }),
};
const METHODS = ["tools/call", "prompts/get", "resources/read", "completion/complete", "ping", "tools/list"];
for (const method of METHODS) {
  const params = method === "tools/call" ? { name: "probe" } : {};
  WANTS[method] = async ({ mounted }, window) => {
    const { result, error } = await mounted.target(window.call({ method, params }));
    return error ?? (method === "tools/list" ? namesOf(result!.tools) : result!.n);
  };
}

/** As {@linkcode WANTS} of process `n`. */
function expected(want: string, n: number): unknown {
  if (want === "a list" || want === "tools/list") return ["probe", "b"];
  return want === "a description" ? "it" : want === "a name that is looked for" ? true : n;
}

Deno.test("a list comes from the process that was started for another window, though that has gone", async () => {
  // Windows do not wait for a process that hangs, and yet for its lists.
  using _time = new HurriedTime((ms) => ms === 5000);
  await using it = startedByHand({
    config: { share: "session", startTimeoutMs: 4000 },
    capabilities: { tools: {}, resources: {} },
  });
  const brief = windowOf("brief");
  // Its own resources attach it to the process.
  const theirs = [list(it, "tools", brief), list(it, "resources", brief)];
  for (const one of theirs) one.catch(() => {});
  await it.begun(1);
  const mine = list(it, "tools", windowOf("mine"));
  await delay(50);
  it.mounted.detach(brief.caller);
  it.start(1);
  assertEquals([namesOf(await mine), it.starts()], [["probe", "b"], 1]);
});

Deno.test("a list that was to be read for a window that has gone is read for the next", async () => {
  await using it = mountedUpstreams({ answer: TOOLS, config: { share: "session" } });
  const gone = Promise.withResolvers<undefined>();
  let asked = 0;
  const roots = () => ++asked < 3 ? Promise.resolve(undefined) : gone.promise;
  const brief = new Window("brief", {}, { cwd: "/w", roots });
  list(it, "tools", brief).catch(() => {});
  await until("it is to be read", () => asked === 3 || undefined);
  const mine = it.mounted.refresh("tools", windowOf("mine").call(), { isNamed: false });
  await delay(50);
  gone.reject(new ExaiError("CANCELLED", "the session is over"));
  assertEquals([await mine, it.starts()], [true, 1]);
});

for (const [want, ask] of Object.entries(WANTS)) {
  Deno.test(`${want} comes from the next process when the one it waits for is stopped, however often`, async () => {
    await using it = startedByHand();
    const answer = ask(it, windowOf("ada"));
    for (const n of [1, 2]) {
      await it.begun(n);
      it.kill();
    }
    await it.begun(3);
    it.start(3);
    assertEquals(await answer, expected(want, 3));
    // What a stopped start was waited for by nobody must not live on.
    for (const n of [1, 2]) it.start(n);
    await until("they end", () => it.upstreams.filter(({ isClosed }) => isClosed).length === 2 || undefined);
  });

  Deno.test(`${want} comes from the server of now when it is changed in mcp.json during the start`, async () => {
    await using it = startedByHand();
    await using next = mountedUpstreams({ answer: TOOLS });
    const answer = ask(it, windowOf("ada"));
    await it.begun(1);
    next.mounted.inherit(it.mounted);
    const retired = it.mounted.retire();
    it.start(1);
    assertEquals(await answer, expected(want, 1));
    await retired;
  });
}

/** A server whose first process takes as long to end as the test says. */
function slowToEnd(answer: MountedOptions["answer"] = TOOLS) {
  const ended = Promise.withResolvers<void>();
  const upstreams: Upstream[] = [];
  const it = mountedServer({}, () => {
    const upstream = new Upstream();
    const n = upstreams.push(upstream);
    upstream.answer = (request) => answer!(request, n);
    const close = upstream.close.bind(upstream);
    if (n === 1) upstream.close = () => close().then(() => ended.promise).then(() => upstream.onclose?.());
    return Promise.resolve(upstream);
  }, { settleMs: 0 });
  return Object.assign(it, { upstreams, end: ended.resolve });
}

for (const want of ["tools/call", "prompts/get", "resources/read", "ping", "a list"]) {
  Deno.test(`${want} does not wait for a process that ends slowly once it is stopped`, async () => {
    await using it = slowToEnd();
    const ada = windowOf("ada");
    await WANTS["tools/call"]!(it, ada);
    const [slot] = it.mounted.slots;
    const instance = slot!.started!;
    it.mounted.end(slot!);
    assertEquals([instance.alive, it.upstreams[0]!.isClosed], [false, true]);
    await assertRejects(() => instance.call(ada.call()), ProcessStoppedError);
    assertEquals(await WANTS[want]!(it, ada), expected(want, 2));
    it.end();
  });
}

Deno.test("a list that is being read when its process is stopped is read from the next", async () => {
  await using it = slowToEnd((request, n) => n === 1 ? undefined : TOOLS!(request, n));
  const answer = list(it, "tools", windowOf("ada"));
  await until("it is asked", () => it.upstreams[0]?.last("tools/list"));
  it.mounted.end([...it.mounted.slots][0]!);
  it.end();
  assertEquals([namesOf(await answer), it.upstreams.length], [["probe", "b"], 2]);
});

Deno.test("a call that comes while a process is ending by itself runs on the next, and is not blamed", async () => {
  await using it = slowToEnd();
  const ada = windowOf("ada");
  await WANTS["tools/call"]!(it, ada);
  const [first] = it.upstreams;
  const [slot] = it.mounted.slots;
  Object.assign(first!, { isEnding: true, describeEnd: () => "it exited with code 3" });
  const sent = first!.sent.length;
  const answers = [WANTS["tools/call"]!(it, ada), WANTS.ping!(it, ada)];
  await delay(10);
  first!.onclose!();
  assertEquals(await Promise.all(answers), [2, 2]);
  assertEquals([first!.sent.length, slot!.started!.suspect], [sent, undefined]);
});

Deno.test("a call whose client gives it up while its process is stopped is not made on another", async () => {
  await using it = startedByHand();
  const controller = new AbortController();
  const call: Call = windowOf("ada").call({ signal: controller.signal });
  const answer: Promise<Result | string> = it.mounted.target(call).catch(({ message }) => message);
  await it.begun(1);
  controller.abort();
  it.kill();
  it.start(1);
  assertMatch(String(await answer), /cancelled/);
  assertEquals(it.starts(), 1);
});
