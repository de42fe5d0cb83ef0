import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { MIB } from "../../lib/base/units.ts";
import type { Server } from "../../lib/call/server.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { liveHeapBytes } from "../helpers/gc.ts";
import { RawClient } from "../helpers/raw_client.ts";

const TIMES = 10;

/** What a client can make as long as a frame may be, and the daemon remembers the beginning of. */
const SAID: Record<string, (long: string) => JsonObject> = {
  "the name of a tool": (name) => ({ method: "tools/call", params: { name, arguments: {} } }),
  "a method": (method) => ({ method, params: {} }),
  "the name of a prompt": (name) => ({ method: "prompts/get", params: { name } }),
  "the URI of a resource": (uri) => ({ method: "resources/read", params: { uri } }),
  "a level": (level) => ({ method: "logging/setLevel", params: { level } }),
  "what a client is called": (name) => ({
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name, version: name } },
  }),
};

/** A server whose tools fail with long messages. */
const WORDY: Server = {
  name: "wordy",
  describe: () =>
    Promise.resolve({
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "wordy", version: "1" },
    }),
  list: (kind) =>
    Promise.resolve(
      kind === "tools" ? ["fails", "errs"].map((name) => ({ name, inputSchema: { type: "object" } })) : [],
    ),
  refresh: () => Promise.resolve(false),
  target: ({ params }) => {
    const text = longText();
    if (params.name === "errs") return Promise.resolve({ error: { code: -1, message: text } });
    return Promise.resolve({ result: { isError: true, content: [{ type: "text", text }] } });
  },
};

/** A mebibyte of text that is like no other. */
function longText(): string {
  return "x".repeat(MIB) + crypto.randomUUID();
}

/** By how much more is kept after `work`, in MiB, than before it. */
async function keptMib(work: () => Promise<void>): Promise<number> {
  const before = await liveHeapBytes();
  await work();
  return (await liveHeapBytes() - before) / MIB;
}

Deno.test("of a long name, method or URI in a call no more is kept than the record of calls shows", async () => {
  await using it = await testDaemon();
  const client = await RawClient.hello(it.url);
  await client.call("version");
  for (const [what, say] of Object.entries(SAID)) {
    const kept = await keptMib(async () => {
      for (let id = 0; id < TIMES; id++) {
        client.send({ jsonrpc: "2.0", id: `${what} ${id}`, ...say(longText()) });
        await client.nextWhere((frame) => frame.id === `${what} ${id}`);
      }
    });
    assert(kept < TIMES / 3, `${what}: of ${TIMES} MiB ${kept.toFixed(1)} are still held`);
  }
  await client.close();
});

Deno.test("of the long messages of a server that fails no more is kept than the record of calls shows", async () => {
  await using it = await testDaemon({ servers: [WORDY] });
  const client = await RawClient.hello(it.url);
  await client.call("version");
  for (const tool of ["fails", "errs"]) {
    const kept = await keptMib(async () => {
      for (let n = 0; n < TIMES; n++) await client.call(tool);
    });
    assert(kept < TIMES / 3, `${tool}: of ${TIMES} MiB ${kept.toFixed(1)} are still held`);
  }
  await client.close();
});

Deno.test("a directory that is longer than any path is refused, so that no session holds it", async () => {
  await using it = await testDaemon();
  const client = await RawClient.connect(it.url);
  const { ok, error } = await client.ask({ op: "hello", client: "test", cwd: `/${longText()}` });
  assertEquals(ok, false);
  assertStringIncludes(String(error), "cwd may hold");
});

Deno.test("a call of what is not there leaves no timer behind", async () => {
  await using it = await testDaemon({ servers: [WORDY] });
  const client = await RawClient.hello(it.url);
  const { timeout } = AbortSignal;
  let left = 0;
  AbortSignal.timeout = (ms) => (left++, timeout.call(AbortSignal, ms));
  try {
    await client.call("none");
    client.send({ jsonrpc: "2.0", id: "r", method: "resources/read", params: { uri: "none://x" } });
    assert((await client.nextWhere(({ id }) => id === "r")).error);
  } finally {
    AbortSignal.timeout = timeout;
  }
  assertEquals(left, 0, "timers that cannot be taken back before their time");
  await client.close();
});
