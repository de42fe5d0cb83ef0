import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type ErrorCode, ExaiError } from "../lib/base/errors.ts";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { readLines } from "../lib/replay/lines.ts";
import { readRecording } from "../lib/replay/recording.ts";
import type { ReplaySpeed } from "../lib/replay/recorded_target.ts";
import { serveRecording } from "../lib/replay/serve.ts";
import { tempDir } from "./helpers/files.ts";
import { modernRequest } from "./helpers/modern.ts";

const HEADER = { type: "header", exai_calls: 1, exai: "1.2.3" };

const shown = (method: string, result: JsonObject, session = "s1"): JsonObject => ({
  type: "shown",
  session,
  method,
  request: {},
  result,
});

const call = (tool: string, more: JsonObject = {}): JsonObject => ({
  type: "call",
  session: "s1",
  id: "c1",
  method: "tools/call",
  tool,
  outcome: "ok",
  duration_ms: 0,
  request: {},
  answer: { content: [{ type: "text", text: tool }] },
  ...more,
});

const end = (calls: number): JsonObject => ({ type: "end", calls });

const text = (...lines: JsonObject[]) => lines.map((line) => JSON.stringify(line) + "\n").join("");

/** Has a replay of `lines` answer `requests`; what it writes. */
async function replayed(
  lines: JsonObject[],
  requests: JsonObject[],
  options: { speed?: ReplaySpeed; session?: string; isDeaf?: boolean } = {},
): Promise<JsonObject[]> {
  await using dir = await tempDir({ "one.ndjson": text(HEADER, ...lines) });
  const recording = await readRecording(`${dir.path}/one.ndjson`, { session: options.session });
  const written: string[] = [];
  const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];
  const io = {
    readAll: async (handle: (chunk: Uint8Array) => void | Promise<void>) =>
      await handle(encoder.encode(text(...requests))),
    write: (data: Uint8Array) => {
      if (options.isDeaf) return Promise.reject(new Deno.errors.BrokenPipe());
      return Promise.resolve(written.push(decoder.decode(data))).then(() => data.length);
    },
  };
  await serveRecording(recording, { speed: options.speed ?? "0", io });
  return written.join("").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

const request = (id: Json, method: string, params: JsonObject = {}): JsonObject => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});
const callOf = (id: Json, name: string, more: JsonObject = {}) =>
  request(id, "tools/call", { name, ...more });
const INITIALIZE = request(0, "initialize", {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
});

Deno.test("what is said during a call is said again, in order and under the token of this request", async () => {
  const step = (progress: number) => ({
    after_ms: progress,
    kind: "notification",
    method: "notifications/progress",
    params: { progressToken: "theirs", progress },
  });
  const lines = [call("work", { events: [step(1), step(2)] }), call("work", { events: [step(1)] }), end(2)];
  const said = await replayed(lines, [
    INITIALIZE,
    callOf(1, "work", { _meta: { progressToken: 7 } }),
    callOf(2, "work"),
  ]);
  assertEquals(said.filter(({ id }) => id !== 0 && id !== 2), [
    { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 7, progress: 1 } },
    { jsonrpc: "2.0", method: "notifications/progress", params: { progressToken: 7, progress: 2 } },
    { jsonrpc: "2.0", id: 1, result: { content: [{ type: "text", text: "work" }] } },
  ]);
  // That client has given no token.
  assertEquals(said.filter(({ id }) => id === 2).length, 1);
});

Deno.test("equal calls are answered in order, in whatever order their arguments are written", async () => {
  const answer = (text: string) => ({ content: [{ type: "text", text }] });
  const lines = [
    call("read", { request: { a: 1, b: { c: 1, d: 2 } }, answer: answer("first") }),
    call("read", { request: { a: 1, b: { c: 1, d: 2 } }, answer: answer("second") }),
    call("read", { request: { a: 2 }, answer: answer("other"), outcome: "tool_error" }),
    end(3),
  ];
  const read = (id: number, args: JsonObject) => callOf(id, "read", { arguments: args });
  const said = await replayed(lines, [
    read(1, { a: 2 }),
    read(2, { b: { d: 2, c: 1 }, a: 1 }),
    read(3, { a: 1, b: { c: 1, d: 2 } }),
    read(4, { a: 2 }),
  ]);
  const byId = new Map(said.map((message) => [message.id, message]));
  assertEquals([1, 2, 3].map((id) => byId.get(id)?.result), [
    answer("other"),
    answer("first"),
    answer("second"),
  ]);
  assertStringIncludes(JSON.stringify(byId.get(4)?.error), "recorded less often");
});

Deno.test("failures are played back as they were, and a cut answer is an error that says so", async () => {
  const lines = [
    call("refused", { outcome: "error", answer: { code: -32055, message: "no", data: { why: 1.0 } } }),
    call("late", { outcome: "TIMEOUT", message: "took too long", answer: undefined }),
    call("long", { answer: undefined, answer_cut: '{"content": [' }),
    call("asked", {
      request: undefined,
      request_cut: `${JSON.stringify({ long: "x".repeat(100) }).slice(0, 60)}… (cut off)`,
    }),
    end(4),
  ];
  const said = await replayed(lines, [
    callOf(1, "refused"),
    callOf(2, "late"),
    callOf(3, "long"),
    callOf(4, "asked", { arguments: { long: "x".repeat(100) } }),
  ]);
  const byId = new Map(said.map((message) => [message.id, message as JsonObject & { error: JsonObject }]));
  assertEquals(byId.get(1)?.error, { code: -32055, message: "no", data: { why: 1 } });
  assertEquals([byId.get(2)?.error.message, (byId.get(2)?.error.data as JsonObject).code], [
    "took too long",
    "TIMEOUT",
  ]);
  assertStringIncludes(String(byId.get(3)?.error.message), "EXAI_CALLS_BODY_MAX_BYTES");
  assert(byId.get(4)?.result);
});

Deno.test("a call is found by what is recorded of its request, however much that is", async () => {
  const cut = (chars: number, answer: string) =>
    call("write", {
      request: undefined,
      request_cut: `${JSON.stringify({ to: answer, text: "x".repeat(100) }).slice(0, chars)}… (cut off)`,
      answer: { content: [{ type: "text", text: answer }] },
    });
  const write = (id: number, to: string) => callOf(id, "write", { arguments: { to, text: "x".repeat(100) } });
  const requests = [write(1, "a"), write(2, "b"), write(3, "b"), write(4, "b"), write(5, "c")];
  const said = await replayed([cut(30, "a"), cut(60, "b"), cut(60, "b"), end(3)], requests);
  const texts = requests.map(({ id }) => {
    const { result, error } = said.find((message) => message.id === id) as Record<string, JsonObject>;
    return JSON.stringify(result?.content ?? error?.message);
  });
  for (const [at, text] of ['"a"', '"b"', '"b"', "recorded less often", "and not with"].entries()) {
    assertStringIncludes(texts[at]!, text);
  }
});

Deno.test("a client that has closed its end gets the answers that take time, if it still reads", async () => {
  const slow = call("slow", { duration_ms: 60 });
  const said = await replayed([slow, end(1)], [callOf(1, "slow")], { speed: "real" });
  assertEquals(said.map(({ id }) => id), [1]);
  // It waits for 10 minutes otherwise.
  const lines = [call("fast"), call("slow", { duration_ms: 600_000 }), end(2)];
  const requests = [callOf(1, "fast"), callOf(2, "slow")];
  assertEquals(await replayed(lines, requests, { speed: "real", isDeaf: true }), []);
});

Deno.test("only what was recorded is offered, and a list is repeated", async () => {
  const capabilities = { tools: {}, prompts: {}, resources: {}, completions: {}, logging: {}, tasks: {} };
  const serverInfo = { name: "theirs", version: "2" };
  const tools = { tools: [{ name: "a", inputSchema: { type: "object" } }] };
  const lines = [
    shown("initialize", { protocolVersion: "2025-11-25", capabilities, serverInfo, instructions: "as told" }),
    shown("tools/list", { tools: [] }),
    shown("tools/list", tools),
    end(0),
  ];
  const said = await replayed(lines, [
    INITIALIZE,
    ...[1, 2, 3].map((id) => request(id, "tools/list")),
    request(4, "prompts/list"),
    modernRequest(5, "server/discover"),
    modernRequest(6, "tools/list"),
  ]);
  const result = (wanted: number) => said.find(({ id }) => id === wanted)?.result as JsonObject;
  assertEquals(result(0), {
    protocolVersion: "2025-06-18",
    capabilities: { tools: {}, logging: {} },
    serverInfo,
    instructions: "as told",
  });
  assertEquals([1, 2, 3].map((id) => result(id)), [{ tools: [] }, tools, tools]);
  assertStringIncludes(
    JSON.stringify(said.find(({ id }) => id === 4)?.error),
    "prompts/list was not recorded",
  );
  assertEquals(result(5).instructions, "as told");
  assertEquals((result(5)._meta as JsonObject)["io.modelcontextprotocol/serverInfo"], serverInfo);
  assertEquals([result(6).tools, result(6).resultType], [tools.tools, "complete"]);
});

Deno.test("of a file with several sessions one is chosen", async () => {
  const lines = [call("a"), call("b", { session: "other" }), end(2)];
  const [said] = await replayed(lines, [callOf(1, "b")], { session: "oth" });
  assert(said!.result);
  // An id may be the beginning of another.
  const longer = [call("a"), call("c", { session: "s12" }), end(2)];
  const [none] = await replayed(longer, [callOf(1, "c")], { session: "s1" });
  assertStringIncludes(JSON.stringify(none!.error), "not recorded in session s1");
  for (
    const [session, code, why] of [
      [undefined, "INVALID_PARAMS", "2 sessions; choose one by --session: s1 (1 calls), other (1 calls)"],
      ["x", "RESOURCE_NOT_FOUND", 'no session "x"; it has s1 (1 calls)'],
    ] as const
  ) {
    const thrown = await assertRejects(() => replayed(lines, [], { session }), ExaiError);
    assertEquals(thrown.code, code);
    assertStringIncludes(thrown.message, why);
  }
});

Deno.test("a call that went well and has no answer in the file is an error that says so", async () => {
  const lines = [
    call("none", { answer: undefined }),
    call("list", { answer: [1] }),
    call("refused", { outcome: "error", message: "no", answer: { why: "by hand" } }),
    end(3),
  ];
  const said = await replayed(lines, [callOf(1, "none"), callOf(2, "list"), callOf(3, "refused")]);
  const messages = new Map(said.map(({ id, error }) => [id, (error as JsonObject | undefined)?.message]));
  assertStringIncludes(String(messages.get(1)), "is not in the file");
  assertStringIncludes(String(messages.get(2)), "is not in the file");
  assertEquals(messages.get(3), "no");
});

Deno.test("a file that is no record of calls, or not all of one, is refused with the reason", async () => {
  const cases: [name: string, content: string | Uint8Array<ArrayBuffer>, why: string][] = [
    ["empty", "", "it is empty"],
    ["foreign", '{"some": "json"}\n', "its first line is no header"],
    ["text", "hello\n", "its first line is no header"],
    ["binary", new Uint8Array([0xff, 0xfe, 0, 1]), "no text in UTF-8"],
    ["later", text({ ...HEADER, exai_calls: 2, exai: "99.0.0" }), "EXAI 99.0.0 has made it"],
    ["cut", text(HEADER, call("a")), "it is cut: it ends after 1 calls"],
    ["cut within", text(HEADER, call("a"), call("b")).slice(0, -30), "line 3 is no JSON object"],
    ["less", text(HEADER, call("a"), end(2)), "has 1 calls, and says that there are 2"],
    ["more", text(HEADER, call("a"), end(1), call("b")), "line 4 follows the end"],
    ["odd", text(HEADER, { type: "call" }, end(1)), "line 2 is neither a call"],
    ["no session", text(HEADER, end(0)), "it has no session"],
  ];
  await using dir = await tempDir({});
  for (const [name, content, why] of cases) {
    const path = `${dir.path}/${name}`;
    await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    await assertFault(path, "CONFIG", why);
  }
  await assertFault(`${dir.path}/missing`, "CONFIG", "cannot be replayed");
  await assertFault(dir.path, "CONFIG", "it is no file");
});

Deno.test("a line that no export has is not held in memory", async () => {
  await using dir = await tempDir({ long: `short\n${"x".repeat(100)}` });
  const read = (most: number) => Array.fromAsync(readLines(`${dir.path}/long`, most));
  assertEquals((await read(100)).length, 2);
  await assertRejects(() => read(99), ExaiError, "a line of more than 99 B");
});

Deno.test("a file that is too large is refused before it is read", async () => {
  await using dir = await tempDir({ huge: "" });
  await Deno.truncate(`${dir.path}/huge`, 2 ** 31);
  await assertFault(`${dir.path}/huge`, "CONFIG", "export one session by --session");
});

async function assertFault(path: string, code: ErrorCode, why: string): Promise<void> {
  const thrown = await assertRejects(() => readRecording(path), ExaiError, undefined, path);
  assertEquals(thrown.code, code);
  assertStringIncludes(thrown.message, why);
}
