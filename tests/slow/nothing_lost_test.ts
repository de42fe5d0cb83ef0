import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { MIB } from "../../lib/base/units.ts";
import type { Call } from "../../lib/call/call.ts";
import type { Server } from "../../lib/call/server.ts";
import { textResult } from "../../lib/wire/mcp.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { signalProgram } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

/** A server with one tool, `tool`, that does what the test says. */
function oneTool(tool: (call: Call) => Promise<string>): Server {
  const serverInfo = { name: "one", version: "1" };
  return {
    name: "one",
    list: (kind) =>
      Promise.resolve(kind === "tools" ? [{ name: "tool", inputSchema: { type: "object" } }] : []),
    target: async (call) => ({ result: textResult(await tool(call)) }),
    describe: () =>
      Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo }),
  };
}

const asking = (call: Call, n = 0) => call.ask("sampling/createMessage", { messages: [], maxTokens: 1, n });
const outcome = async (asked: ReturnType<Call["ask"]>) => {
  const { result, error } = await asked;
  return error
    ? String((error.data as JsonObject | undefined)?.code ?? error.code)
    : String((result!.text as string).length);
};

async function sampler(url: string, home: string, env = {}): Promise<Shim> {
  const shim = await Shim.start({ home, port: Number(new URL(url).port), env });
  await shim.initialize({ ...INITIALIZE, capabilities: { sampling: {} } });
  return shim;
}

/** Answers `count` questions with `bytes` each. */
async function answerAll(shim: Shim, count: number, bytes: number): Promise<void> {
  const text = "x".repeat(bytes);
  for (let n = 0; n < count; n++) {
    const { id } = await shim.next(({ method }) => method === "sampling/createMessage");
    await shim.send({ jsonrpc: "2.0", id, result: { text } });
  }
}

Deno.test("forty answers of six megabytes within one call all arrive, and the shim holds few of them at a time", async () => {
  const count = 40;
  const one = oneTool(async (call) => {
    const answers = await Promise.all(Array.from({ length: count }, (_, n) => outcome(asking(call, n))));
    return answers.join(" ");
  });
  await using it = await testDaemon({ servers: [one] });
  await using shim = await sampler(it.url, it.home);
  const answer = shim.call("tool");
  await answerAll(shim, count, 6 * MIB);
  const { content } = (await answer).result as { content: { text: string }[] };
  assertEquals(content[0]!.text, Array(count).fill(String(6 * MIB)).join(" "));
  if (Deno.build.os === "linux") {
    const status = await Deno.readTextFile(`/proc/${shim.process.pid}/status`);
    const peakMib = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024;
    assertEquals(peakMib < 450, true, `the shim took ${peakMib} MiB`);
  }
});

Deno.test("an answer too large for the daemon is told to the one who asked, who does not wait", async () => {
  const one = oneTool((call) => outcome(asking(call)));
  await using it = await testDaemon({ servers: [one], settings: { maxFrameBytes: MIB } });
  await using shim = await sampler(it.url, it.home);
  const answer = shim.call("tool");
  await answerAll(shim, 1, 2 * MIB);
  assertStringIncludes(JSON.stringify((await answer).result), "TOO_LARGE");
});

Deno.test("a question too large for the window, and an answer that is none, are told to the one who asked", async () => {
  const large = "x".repeat(2 * MIB);
  const one = oneTool(async (call) => {
    const refused = await call.ask("sampling/createMessage", { large }).catch(({ code }) => code);
    const malformed = await outcome(asking(call));
    return `${refused} ${malformed}`;
  });
  await using it = await testDaemon({ servers: [one], settings: { maxFrameBytes: MIB } });
  await using shim = await sampler(it.url, it.home);
  const answer = shim.call("tool");
  const { id } = await shim.next(({ method }) => method === "sampling/createMessage");
  await shim.send({ jsonrpc: "2.0", id, result: "no object" });
  assertStringIncludes(JSON.stringify((await answer).result), "TOO_LARGE INVALID_REQUEST");
});

/** A client that can be cut off, initialized. */
async function resumable(url: string, resume: true | JsonObject, session_id?: string) {
  const client = await RawClient.hello(url, {
    resume,
    receipts: true,
    ...(session_id ? { session_id } : {}),
  });
  if (resume !== true) return client;
  await client.ask({
    jsonrpc: "2.0",
    id: 0,
    method: "initialize",
    params: {
      protocolVersion: "2025-06-18",
      capabilities: { sampling: {} },
      clientInfo: { name: "t", version: "1" },
    },
  });
  return client;
}

/** Ends the connection as a cut does: with a code that is no goodbye. */
async function cut(client: RawClient): Promise<void> {
  client.socket.close(4999);
  await client.closed;
}

for (const seen of [0, 1]) {
  Deno.test(`a question ${seen ? "that arrived before a cut is not asked twice" : "lost in a cut is asked again"}`, async () => {
    const one = oneTool((call) => outcome(asking(call)));
    await using it = await testDaemon({ servers: [one] });
    const first = await resumable(it.url, true);
    first.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "tool" } });
    const question = await first.next();
    await cut(first);
    const { session_id, resume_token: token } = first.ack as { session_id: string; resume_token: string };
    using second = await resumable(it.url, { token, waiting: [1], posts: seen }, session_id);
    assertEquals([second.ack.posts, second.ack.received, second.ack.unseen], [seen, 2, []]);
    if (seen === 0) assertEquals(await second.next(), question);
    second.send({ jsonrpc: "2.0", id: question.id, result: { text: "abc" } });
    assertEquals(((await second.next()).result as { content: unknown[] }).content, [{
      type: "text",
      text: "3",
    }]);
    await second.close();
  });
}

Deno.test("a window that was away learns how many messages had to make room", async () => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const flooded = Promise.withResolvers<void>();
  const one = oneTool(async (call) => {
    begun.resolve();
    await go.promise;
    for (let n = 1; n <= 300; n++) call.notify("notifications/message", { level: "info", data: n });
    flooded.resolve();
    return "done";
  });
  await using it = await testDaemon({ servers: [one] });
  const first = await resumable(it.url, true);
  first.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "tool" } });
  await begun.promise;
  await cut(first);
  go.resolve();
  await flooded.promise;
  const { session_id, resume_token: token } = first.ack as { session_id: string; resume_token: string };
  using second = await resumable(it.url, { token, waiting: [1], posts: 0 }, session_id);
  const data: unknown[] = [];
  let warning = "";
  for (let n = 0; n < 258; n++) {
    const { params } = await second.next();
    const { logger, data: one } = (params ?? {}) as JsonObject;
    if (logger === "exai") warning = String(one);
    else if (params) data.push(one);
  }
  assertEquals([data.length, data[0], data.at(-1)], [256, 45, 300]);
  assertMatch(warning, /^44 messages for this window are lost/);
  await second.close();
});

Deno.test("a client that reads its stdout late has every message, in order and once", async () => {
  const count = 60;
  const one = oneTool(async (call) => {
    for (let n = 0; n < count; n++) {
      call.notify("notifications/message", { level: "info", data: { n, x: "x".repeat(MIB) } });
      await delay(0);
    }
    return "done";
  });
  await using it = await testDaemon({ servers: [one], settings: { maxFrameBytes: 64 * MIB } });
  await using late = lateReader(it.home, it.url);
  const initialize = { jsonrpc: "2.0", id: 0, method: "initialize", params: INITIALIZE };
  await late.send(initialize, { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "tool" } });
  await late.logged("does not read");
  const seen: unknown[] = [];
  let answered = false;
  for await (const message of late.messages()) {
    answered ||= message.id === 1;
    const { data } = (message.params ?? {}) as JsonObject;
    if (data) seen.push((data as JsonObject).n);
    if (answered && seen.length >= count) break;
  }
  assertEquals(seen, Array.from({ length: count }, (_, n) => n));
});

/** The real shim whose stdout is read when the test says so. */
function lateReader(home: string, url: string) {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", fromFileUrl(new URL("../../shim.ts", import.meta.url))],
    env: {
      EXAI_HOME: home,
      EXAI_WS_PORT: new URL(url).port,
      EXAI_WS_AUTOSTART: "false",
      EXAI_WS_MAX_QUEUED_BYTES: String(8 * MIB),
      LOG_LEVEL: "info",
      ENV_FILE: "",
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  const errors = process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const lines = linesOf(process.stdout);
  return {
    async send(...messages: JsonObject[]): Promise<void> {
      for (const message of messages) {
        await writer.write(new TextEncoder().encode(JSON.stringify(message) + "\n"));
      }
    },
    async logged(text: string): Promise<void> {
      for (let all = ""; !all.includes(text);) {
        const { value, done } = await errors.read();
        if (done) throw new Error(all);
        all += value;
      }
    },
    async *messages(): AsyncGenerator<JsonObject> {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) return;
        yield JSON.parse(value);
      }
    },
    async [Symbol.asyncDispose]() {
      await errors.cancel();
      await writer.close().catch(() => {});
      signalProgram(process, "SIGKILL");
      await process.status;
      await lines.return(undefined);
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest: string[] = [];
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const [first, ...more] = text.split("\n");
    rest.push(first!);
    for (const next of more) {
      yield rest.join("");
      rest = [next];
    }
  }
}
