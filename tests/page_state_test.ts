import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerStatus, SessionStatus } from "../lib/admin/status_rows.ts";
import type { WatchEvent } from "../lib/admin/watch_event.ts";
import { MAX_ENDED, MAX_LOG_LINES } from "../lib/admin/known_state.ts";
import { stateInWords, toneOf } from "../lib/admin/state_words.ts";
import {
  buildMatrix,
  chosenAt,
  filterLines,
  loadOf,
  loadsByCell,
  placeOf,
} from "../lib/page/browser/matrix_model.ts";
import { visibleRange } from "../lib/page/browser/scroll.ts";
import { filterCalls, MAX_SAMPLES, PageState } from "../lib/page/browser/page_state.ts";
import { perform, stopServer } from "../lib/page/browser/requests.ts";
import { WatchClient, type WatchLink } from "../lib/page/browser/watch_client.ts";
import { until } from "./helpers/until.ts";
import { hello, sample, serverRow, sessionRow } from "./helpers/watch_rows.ts";

function shown(): { state: PageState; clock: { ms: number } } {
  const clock = { ms: 1000 };
  const state = new PageState(() => clock.ms);
  state.take(hello());
  return { state, clock };
}

function callRow(id: string, outcome: string, more: JsonObject = {}): JsonObject {
  return { id, outcome, server: "files", tool: "read", session: "s1", duration_ms: 5, ...more };
}

function calls(rows: JsonObject[], more: Partial<WatchEvent> = {}): WatchEvent {
  return { type: "calls", at_ms: 0, whole: false, calls: rows, left_out: 0, ...more } as WatchEvent;
}

Deno.test("rows change by key, and the whole replaces what was there", () => {
  const { state } = shown();
  const rows = { files: serverRow("files"), git: serverRow("git") };
  state.take({ type: "servers", at_ms: 1, whole: true, rows, gone: [] });
  state.take({
    type: "servers",
    at_ms: 2,
    whole: false,
    rows: { git: serverRow("git", "failed") },
    gone: ["files"],
  });
  assertEquals([...state.servers].map(([key, row]) => [key, row.state]), [["git", "failed"]]);
  state.take({ type: "servers", at_ms: 3, whole: true, rows: { web: serverRow("web") }, gone: [] });
  assertEquals([...state.servers.keys()], ["web"]);
});

Deno.test("a call that has ended never runs again, whatever is heard late", () => {
  const { state } = shown();
  state.take(calls([callRow("a", "running"), callRow("b", "running")]));
  state.take(calls([callRow("a", "ok")]));
  state.take(calls([callRow("a", "running")]));
  state.takePast([callRow("a", "running"), callRow("0", "ok")]);
  assertEquals(state.calls.map(({ id, isRunning }) => [id, isRunning]), [["b", true], ["a", false], [
    "0",
    false,
  ]]);
  state.take(calls([callRow("c", "running")], { whole: true }));
  assertEquals([...state.running].map(({ id }) => id), ["c"], "b has ended meanwhile");
});

Deno.test("calls that ended while the page was cut off stand where they ended", () => {
  const { state } = shown();
  const at = (seconds: number, id: string) =>
    callRow(id, "ok", { started_at: `2026-11-28T10:00:0${seconds}.000Z`, duration_ms: 900 });
  state.take(calls([at(1, "a"), at(5, "c")]));
  state.takePast([at(0, "0"), at(1, "a"), at(3, "b")]);
  assertEquals(state.calls.map(({ id }) => id), ["c", "b", "a", "0"]);
});

Deno.test("a line that is not as it should be is passed over and told, until the stream begins again", () => {
  const { state } = shown();
  state.take({ type: "servers", at_ms: 1, whole: true, rows: { web: serverRow("web") }, gone: [] });
  state.take({ type: "servers", at_ms: 1, whole: true } as WatchEvent);
  assertMatch(state.oddLine!, /^servers: /);
  assertEquals([...state.servers.keys()], ["web"]);
  state.take({ type: "servers", at_ms: 1, whole: true, rows: { git: serverRow("git") }, gone: [] });
  assertEquals([...state.servers.keys()], ["git"]);
  state.take(hello());
  assertEquals(state.oddLine, undefined);
});

Deno.test("what a line changes is drawn anew, and how old it is all is known", () => {
  const clock = { ms: 1000 };
  const state = new PageState(() => clock.ms);
  assertEquals(state.ageMs, undefined);
  const versionsAfter = (event: WatchEvent) => {
    state.take(event);
    return [state.version, state.rowsVersion, state.callsVersion];
  };
  assertEquals(versionsAfter(hello()), [1, 0, 1], "calls of another daemon are gone");
  assertEquals(versionsAfter({ type: "servers", at_ms: 1, whole: true, rows: {}, gone: [] }), [2, 1, 1]);
  assertEquals(versionsAfter({ type: "sessions", at_ms: 1, whole: true, rows: {}, gone: [] }), [3, 2, 1]);
  assertEquals(versionsAfter(calls([])), [4, 2, 2]);
  assertEquals(versionsAfter(sample()), [5, 2, 2]);
  state.takePast([]);
  assertEquals(state.callsVersion, 3);
  clock.ms += 700;
  assertEquals(state.ageMs, 700);
});

Deno.test("how long a call runs follows the monotonic clocks alone", () => {
  const { state, clock } = shown();
  state.take(calls([callRow("a", "running", { duration_ms: 400 })], { at_ms: 10_000 }));
  clock.ms += 600;
  assertEquals(state.tookMs(state.call("a")!), 1000);
  state.take({ type: "notice", at_ms: 12_000, faults: [], notes: [] });
  assertEquals(state.tookMs(state.call("a")!), 2400);
  state.take(calls([callRow("a", "ok", { duration_ms: 2500 })], { at_ms: 12_100 }));
  clock.ms += 60_000;
  assertEquals(state.tookMs(state.call("a")!), 2500);
});

Deno.test("another daemon's hello ends what belongs to the one before, and keeps the calls that ended", () => {
  const { state } = shown();
  state.take(sample());
  state.take(calls([callRow("a", "running"), callRow("b", "ok")]));
  state.take(hello());
  assertEquals([state.samples.length, state.calls.length], [1, 2], "the same daemon");
  state.take({ ...hello(), started_at: "2026-11-28T11:00:00.000Z" });
  assertEquals([state.samples.length, state.calls.map(({ id }) => id)], [0, ["b"]]);
  state.take(calls([callRow("c", "running")], { left_out: 3 }));
  state.take({ ...hello(), started_at: "2026-11-28T11:00:00.000Z", pid: 1 });
  assertEquals([state.leftOut, [...state.running]], [0, []], "two may have begun at the same time");
});

Deno.test("the log stays until its stream begins anew, and tells its last lines again", () => {
  const { state } = shown();
  state.take({ type: "log", at_ms: 1, lines: ["of no log"] });
  assertEquals([state.log, state.oddLine], [undefined, undefined]);
  state.watchLog("files");
  const lines = { type: "log", at_ms: 1, lines: ["one", "two"] } as const;
  for (let i = 0; i < 2; i++) {
    state.take(hello());
    assertEquals(state.log!.lines, []);
    state.take({ ...lines, lines: [...lines.lines] });
    assertEquals(state.log!.lines, ["one", "two"]);
  }
  state.watchLog("git");
  assertEquals(state.log!.lines, []);
});

Deno.test("calls, samples and lines of a log are bounded", () => {
  const { state } = shown();
  state.watchLog("files");
  for (let i = 0; i < MAX_ENDED + 10; i++) state.take(calls([callRow(`c${i}`, "ok")]));
  for (let i = 0; i < MAX_SAMPLES + 10; i++) state.take(sample(i));
  state.take({ type: "log", at_ms: 1, lines: Array.from({ length: MAX_LOG_LINES + 10 }, (_, i) => `${i}`) });
  assertEquals(state.calls.length, MAX_ENDED);
  assertEquals(state.calls[0]!.id, `c${MAX_ENDED + 9}`);
  state.takePast([callRow("past", "ok")]);
  assertEquals([state.calls.length, state.call("past")], [MAX_ENDED, undefined]);
  assertEquals(state.samples.length, MAX_SAMPLES);
  assertEquals(state.samples.at(-1)!.at_ms, MAX_SAMPLES + 9);
  assertEquals([state.log!.lines.length, state.log!.lines[0]], [MAX_LOG_LINES, "10"]);
});

Deno.test("the matrix tells who shares what: one number in a line is one process", () => {
  const servers = new Map<string, ServerStatus>([
    ["files#1", { ...serverRow("files"), sessions: ["s1", "s2"] }],
    ["files#2", { ...serverRow("files"), sessions: ["s3"] }],
    ["git", serverRow("git", "needs a login")],
  ]);
  const sessions = new Map<string, SessionStatus>([
    ["s1", { ...sessionRow("s1"), window: "10", cwd: "/home/a/one" }],
    ["s2", { ...sessionRow("s2"), window: "20", cwd: "C:\\work\\two" }],
    // An agent in the first window.
    ["s3", { ...sessionRow("s3"), window: "10", cwd: "/home/a/one" }],
  ]);
  const { lines, columns } = buildMatrix(servers, sessions);
  assertEquals(columns.map(({ label, detail }) => [label, detail]), [["codex one", "10"], [
    "codex two",
    "20",
  ]]);
  const numbers = (line: number, column: number) =>
    lines[line]!.byColumn.get(columns[column]!.key)?.map(({ number }) => number);
  assertEquals([numbers(0, 0), numbers(0, 1), numbers(1, 0)], [[1, 2], [1], undefined]);
  assertEquals(lines.map(({ name, tone, state }) => [name, tone, state]), [
    ["files", "ok", "running ×2"],
    ["git", "ask", "needs a login"],
  ]);
  assertEquals(filterLines(lines, " LOGIN ").map(({ name }) => name), ["git"]);
});

Deno.test("one program with windows in two directories has a column for each", () => {
  const sessions = new Map(["/a/one", "/a/two"].map((cwd, i): [string, SessionStatus] => [
    `s${i}`,
    { ...sessionRow(`s${i}`), window: "10", cwd },
  ]));
  assertEquals(buildMatrix(new Map(), sessions).columns.map(({ label }) => label), [
    "codex one",
    "codex two",
  ]);
});

Deno.test("what is chosen stays chosen when servers and windows come and go", () => {
  const matrixOf = (servers: string[], sessions: string[]) =>
    buildMatrix(
      new Map(servers.map((name) => [name, serverRow(name)])),
      new Map(sessions.map((id) => [id, { ...sessionRow(id), cwd: `/${id}` }])),
    );
  const before = matrixOf(["files", "git"], ["s2"]);
  const chosen = chosenAt({ row: 1, column: 0 }, before);
  assertEquals(placeOf(chosen, matrixOf(["a", "files", "git"], ["s1", "s2"])), { row: 2, column: 1 });
  assertEquals(placeOf(chosen, matrixOf(["files"], [])), { row: 0, column: -1 });
  assertEquals(placeOf(chosen, matrixOf([], [])), { row: 0, column: -1 });
});

Deno.test("calls of a window that wait are told apart from those that run", () => {
  const { state } = shown();
  state.take(calls([callRow("a", "running"), callRow("b", "running", { waits_for: "a slot" })]));
  const { columns } = buildMatrix(new Map(), new Map([["s1", sessionRow("s1")]]));
  assertEquals(loadOf(loadsByCell(state.running), "files", columns[0]!), { running: 1, waiting: 1 });
});

Deno.test("a state nobody has heard of is a fault, and an open breaker needs a look", () => {
  assertEquals(toneOf(serverRow("x", "exploded" as ServerStatus["state"])), "bad");
  assertEquals(toneOf({ ...serverRow("x"), breaker: { state: "open" } }), "ask");
  assertEquals(stateInWords({ ...serverRow("x", "not started"), lists_known: false }), "not started, new");
  assertEquals(stateInWords({ ...serverRow("x"), listening: "waiting" }), "running, not heard");
});

Deno.test("only what is seen of many is drawn", () => {
  const [from, to] = visibleRange({ scroll: 3600, extent: 360, size: 36, count: 500 });
  assertEquals([from, to], [96, 116]);
  // A scroll of less than the step draws nothing anew.
  assertEquals(visibleRange({ scroll: 3650, extent: 360, size: 36, count: 500 }), [from, to]);
  assertEquals(visibleRange({ scroll: 0, extent: 360, size: 36, count: 0 }), [0, 0]);
});

Deno.test("calls are found by words, and failed ones by the word", () => {
  const { state } = shown();
  state.take(
    calls([callRow("a", "ok"), callRow("b", "TIMEOUT"), callRow("c", "running", { tool: "write" })]),
  );
  const found = (filter: string) => filterCalls(state.calls, filter).map(({ id }) => id);
  assertEquals([found("failed"), found("running"), found("files write"), found("<b>")], [
    ["b"],
    ["c"],
    ["c"],
    [],
  ]);
});

/** A watch client of streams that a test makes, with what it said in between. */
function client(answers: (() => Response | Promise<Response>)[]) {
  const heard: string[] = [];
  const ended = new AbortController();
  const paths: string[] = [];
  const watch = new WatchClient({
    fetch(path) {
      paths.push(path);
      const answer = answers.shift();
      if (answer) return Promise.resolve().then(answer);
      ended.abort();
      return Promise.reject(new TypeError("nothing listens"));
    },
    wait: (ms, signal) =>
      ms > 10_000
        ? new Promise((resolve) => signal.addEventListener("abort", () => resolve()))
        : Promise.resolve(),
    onEvent: ({ type }) => heard.push(type),
    onLink: (link: WatchLink) =>
      heard.push(link.is === "lost" ? `lost: ${link.why}; ${link.retryInMs}` : link.is),
  });
  return { heard, paths, watch, run: () => watch.run(ended.signal) };
}

Deno.test("a stream that breaks off is begun again, each time after a longer wait, and the reason is told", async () => {
  const body = JSON.stringify(hello()) + "\n" + JSON.stringify(sample()) + "\n";
  const { heard, run } = client([
    () => new Response(body.slice(0, 40) + body.slice(40)),
    () => Promise.reject(new TypeError("refused")),
    () => Response.json({ error: { code: "FORBIDDEN", message: "only for the owner" } }, { status: 403 }),
    () => new Response("<html>"),
  ]);
  await run();
  assertEquals(heard.slice(0, 5), [
    "connecting",
    "live",
    "hello",
    "sample",
    "lost: the daemon has ended the connection; 500",
  ]);
  assertMatch(heard[6]!, /^lost: the daemon does not answer.*; 1000$/);
  assertEquals(heard[8], "lost: only for the owner (FORBIDDEN); 2000");
  assertMatch(heard[10]!, /^lost: .*; 4000$/);
});

Deno.test("without the token the page is signed out, and says what the daemon said", async () => {
  const { heard, watch, run } = client([
    () => Response.json({ error: { code: "UNAUTHORIZED", message: "a token is required" } }, { status: 401 }),
  ]);
  const running = run();
  await until("signed out", () => heard.includes("signed out") || undefined);
  assertEquals(heard, ["connecting", "signed out"]);
  watch.retry();
  await running;
});

Deno.test("a stream that is open ends when another request is refused, and nothing is asked until somebody signs in", async () => {
  const { heard, paths, watch, run } = client([
    () =>
      new Response(
        new ReadableStream({
          start: (it) => it.enqueue(new TextEncoder().encode(JSON.stringify(hello()) + "\n")),
        }),
      ),
  ]);
  const running = run();
  await until("live", () => heard.includes("hello") || undefined);
  watch.signOut("the token has been rotated");
  await until("signed out", () => heard.includes("signed out") || undefined);
  assertEquals([heard, paths.length], [["connecting", "live", "hello", "signed out"], 1]);
  watch.retry();
  await running;
  assertEquals(paths.length, 2);
});

Deno.test("an action that the daemon could not do as a whole is told from one that is done", async () => {
  const { fetch } = globalThis;
  try {
    const why: unknown[] = [];
    for (const failed of [[], ["it has not ended"], undefined]) {
      globalThis.fetch = () => Promise.resolve(Response.json({ failed }));
      why.push(await perform(stopServer("files")));
    }
    globalThis.fetch = () => Promise.reject(new Error("gone"));
    why.push(typeof await perform(stopServer("files")));
    assertEquals(why, [undefined, "it has not ended", undefined, "string"]);
  } finally {
    globalThis.fetch = fetch;
  }
});
