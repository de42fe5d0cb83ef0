import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ByteBudget } from "../lib/base/byte_budget.ts";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { encode } from "../lib/session/encode.ts";
import { type ClientPeer, Session, type SessionOptions } from "../lib/session/session.ts";
import { SubscriptionQuota } from "../lib/session/subscription_quota.ts";
import { FakeClock } from "./helpers/fake_clock.ts";

/** A session, and what its client was told and asked. */
function sessionOf(parts: Partial<SessionOptions> = {}) {
  const session = new Session({
    id: "a",
    namedDirs: "read",
    principal: "owner",
    isResumable: true,
    replayLimits: { maxMessages: 9, maxChars: 999 },
    maxFrameBytes: 100,
    ...parts,
  });
  const told: unknown[] = [];
  let roots: () => Promise<{ result: JsonObject } | { error: { code: number; message: string } }> = () =>
    Promise.resolve({ result: { roots: [{ uri: "file:///r" }] } });
  const speaker: ClientPeer = {
    notify: (...what) => told.push(what),
    ask: (method, params, options) => (told.push(["ask", method, params, options?.timeoutMs]), roots()),
    rootsChanged: () => told.push("roots arrived"),
  };
  session.bindPeer(speaker);
  return { session, take: () => told.splice(0), setRoots: (next: typeof roots) => roots = next };
}

Deno.test("a client that has not initialized is told nothing and asked nothing", async () => {
  const { session, take } = sessionOf();
  session.notify("n", { a: 1 });
  const error = await assertRejects(() => session.ask("m", {}), ExaiError);
  assertEquals([error.code, error.message.includes("does not speak MCP"), take()], [
    "METHOD_NOT_FOUND",
    true,
    [],
  ]);
  session.revision = "2025-11-25";
  session.notify("n", { a: 1 });
  await session.ask("m", { b: 2 }, { timeoutMs: 3 });
  assertEquals(take(), [["n", { a: 1 }], ["ask", "m", { b: 2 }, 3]]);
  session.bindPeer(undefined);
  session.notify("n");
  await assertRejects(() => session.ask("m", {}), ExaiError);
});

Deno.test("a client is asked for roots if it has any to tell, and one of another user is not", async () => {
  const { session, take } = sessionOf();
  session.revision = "2025-11-25";
  assertEquals([await session.roots(), session.rootsState, take()], [undefined, undefined, []]);
  session.capabilities = { roots: {}, sampling: {} };
  assertEquals([session.rootsState, await session.roots()], ["unasked", [{ uri: "file:///r" }]]);
  assertEquals([session.rootsState, take()], ["known", [["ask", "roots/list", {}, 300_000]]]);
  session.forgetRoots();
  assertEquals(session.rootsState, "unasked");
  const other = sessionOf({ namedDirs: "none", cwd: "/x" });
  other.session.capabilities = { roots: {}, sampling: {} };
  assertEquals([other.session.capabilities, other.session.cwd], [{ sampling: {} }, undefined]);
  assertEquals(sessionOf({ cwd: "/x" }).session.cwd, "/x");
});

Deno.test("a window whose roots are not known is told why and where its servers run, and moves when they come", async () => {
  using clock = new FakeClock();
  for (const cwd of ["/work", undefined]) {
    const { session, take, setRoots } = sessionOf({ cwd });
    session.revision = "2025-11-25";
    session.capabilities = { roots: {} };
    const answer = Promise.withResolvers<{ result: JsonObject }>();
    setRoots(() => answer.promise);
    const waiting = session.roots();
    await clock.pass(10_000);
    assertEquals(await waiting, undefined);
    const [, [method, params]] = take() as [unknown, [string, JsonObject]];
    assertEquals([method, params.level, params.logger], ["notifications/message", "warning", "exai"]);
    assertStringIncludes(params.data as string, "it has not answered roots/list within 10 s");
    assertStringIncludes(
      params.data as string,
      cwd === undefined ? "run without a directory" : "run in /work",
    );
    session.retryOverdueRoots();
    assertEquals(take(), []);
    await clock.pass(1);
    session.retryOverdueRoots();
    assertEquals(take().length, 1, "roots that are overdue are asked for again");
    answer.resolve({ result: { roots: [{ uri: "file:///r" }] } });
    await clock.settle();
    assertEquals(take(), ["roots arrived"]);
    session.retryOverdueRoots();
    assertEquals(take(), []);
  }
});

Deno.test("a window is told how many messages to it are lost, if any are", () => {
  const { session, take } = sessionOf();
  session.revision = "2025-11-25";
  session.warnOfUndelivered(0);
  assertEquals(take(), []);
  session.warnOfUndelivered(3);
  const [[method, params]] = take() as [[string, JsonObject]];
  assertEquals([method, params.level, params.logger], ["notifications/message", "warning", "exai"]);
  assertStringIncludes(params.data as string, "3 messages for this window are lost");
});

Deno.test("what a session keeps is its directory's until the client tells of another", async () => {
  const { session, setRoots } = sessionOf({
    cwd: "/work",
    findWorkspace: ({ cwd, roots }) => Promise.resolve(roots?.[0]?.uri ?? cwd),
  });
  const workspace = async () => (await session.identity()).workspaces[0];
  assertEquals(await workspace(), "/work");
  session.revision = "2025-11-25";
  session.capabilities = { roots: {} };
  assertEquals(await workspace(), "file:///r");
  assertEquals((await session.belonging.owner()).workspace, "file:///r");
  setRoots(() => Promise.resolve({ result: { roots: [{ uri: "file:///s" }] } }));
  assertEquals(await workspace(), "file:///r");
  session.forgetRoots();
  assertEquals(await session.identity(), {
    principal: "owner",
    workspaces: ["file:///s", "file:///r", "/work"],
  });
});

Deno.test("the end of a session aborts its calls and frees what it held", async () => {
  const budget = new ByteBudget({ maxBytes: 1000 });
  const { session } = sessionOf({ replayLimits: { maxMessages: 9, maxChars: 999, budget } });
  const ended: string[] = [];
  session.ended.addEventListener("abort", () => ended.push(session.ended.reason.message));
  session.subscriptions.add("a:1");
  session.output.sendResponse(1, "one");
  session.output.attach({ send: () => {}, close: () => {} });
  assertEquals(session.isConnected, true);
  const request = { id: 1, method: "m", params: {}, notify: () => {}, ask: () => Promise.reject() };
  const work = session.calls.run(
    request,
    session,
    ({ signal }) => new Promise((_, reject) => signal.onabort = () => reject(signal.reason)),
  );
  session.end("enough");
  session.end("again");
  const { error } = await work;
  assertEquals([error!.message, (error!.data as JsonObject).code], ["enough", "CANCELLED"]);
  assertEquals([ended, budget.bytes, session.subscriptions.size, session.isConnected], [
    ["enough"],
    0,
    0,
    false,
  ]);
});

Deno.test("when a client last said something is told by the clock on the wall", async () => {
  using clock = new FakeClock();
  const { session } = sessionOf();
  await clock.pass(5000);
  const agoMs = () => Date.now() - session.lastUsedAt.getTime();
  assert(Math.abs(agoMs() - 5000) < 1000, String(agoMs()));
  session.touch();
  assert(Math.abs(agoMs()) < 1000, String(agoMs()));
});

Deno.test("an answer that is too large, or none, is replaced by why", () => {
  const why = (error: ExaiError) => `${error.code}: ${error.message}`;
  const circle: JsonObject = {};
  circle.self = circle;
  const write = (value: unknown) => encode(() => JSON.stringify(value), 20, why);
  assertEquals(write("x".repeat(18)), `"${"x".repeat(18)}"`);
  const large = write("x".repeat(19));
  assertStringIncludes(large, "TOO_LARGE: the answer is larger than the 20 B one message may hold");
  assertStringIncludes(large, "EXAI_WS_MAX_BYTES");
  assertMatch(write(circle), /INTERNAL: the answer cannot be written as JSON: .*circular/);
  assertStringIncludes(write("é".repeat(10)), "TOO_LARGE", "bytes are counted, not characters");
});

Deno.test("a session's subscriptions are bounded in length too, and each counts once", () => {
  const quota = new SubscriptionQuota();
  const long = "x".repeat(8192);
  assertEquals([quota.add(long), quota.add(long), quota.size], [true, false, 1]);
  const { code, message } = assertThrows(() => quota.add(`${long}x`), ExaiError);
  assertEquals([code, message], ["INVALID_PARAMS", "uri may hold 8192 characters at most, not 8193"]);
  const uri = (n: number) => String(n).padStart(8192, "u");
  for (let n = 1; n < 128; n++) assertEquals(quota.add(uri(n)), true);
  assertEquals(assertThrows(() => quota.add("y"), ExaiError).code, "OVER_CAPACITY");
  quota.remove("never there");
  assertThrows(() => quota.add("y"), ExaiError);
  quota.remove(long);
  quota.remove(long);
  assertEquals([quota.add(uri(128)), quota.size], [true, 128]);
  assertThrows(() => quota.add("y"), ExaiError);
  quota.clear();
  for (let n = 1; n <= 128; n++) assertEquals(quota.add(uri(n)), true);
});

Deno.test("a subscription that is lost counts no more among those of its session", () => {
  const { session } = sessionOf();
  session.subscriptions.add("a:");
  session.subscriptionLost("b:");
  assertEquals(session.subscriptions.size, 1);
  session.subscriptionLost("a:");
  assertEquals([session.subscriptions.size, session.subscriptions.add("a:")], [0, true]);
});
