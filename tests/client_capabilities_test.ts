import { assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { ownCapabilities } from "../lib/upstream/share_key.ts";
import { malformedCapability, wellFormedCapabilities } from "../lib/wire/client_capabilities.ts";
import { call } from "./helpers/call.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";
import { ModernHttp } from "./helpers/modern_http.ts";

const TASKS = "io.modelcontextprotocol/tasks";

/** Malformed in both eras: what is wrong, and what is left of it for a client of the legacy era. */
const MALFORMED: [declared: JsonObject, fault: string, left: JsonObject][] = [
  [{ extensions: { "a/b": 0 } }, 'extensions["a/b"] must be an object', { extensions: {} }],
  [{ extensions: { [TASKS]: "yes" } }, `extensions["${TASKS}"] must be an object`, { extensions: {} }],
  [{ extensions: [] }, "extensions must be an object", {}],
  [{ elicitation: { form: 3, url: {} } }, "elicitation.form must be an object", { elicitation: { url: {} } }],
  [{ elicitation: { url: true } }, "elicitation.url must be an object", { elicitation: { url: {} } }],
  [{ sampling: { tools: 7, x: 1 } }, "sampling.tools must be an object", { sampling: { x: 1 } }],
  [{ sampling: true, odd: 5 }, "sampling must be an object", { odd: 5 }],
  [{ experimental: { a: null } }, "experimental.a must be an object", { experimental: {} }],
  [{ roots: "all" }, "roots must be an object", {}],
];

/** Malformed by what the legacy era alone knows. */
const LEGACY: [declared: JsonObject, fault: string, left: JsonObject][] = [
  [{ roots: { listChanged: 1 } }, "roots.listChanged must be true or false", { roots: {} }],
  [
    { tasks: { requests: { sampling: { createMessage: 1 } } } },
    "tasks.requests.sampling.createMessage must be an object",
    {
      tasks: { requests: { sampling: {} } },
    },
  ],
];

const WELL: JsonObject[] = [
  {},
  { roots: { listChanged: false }, sampling: { tools: {}, context: {}, more: 1 }, elicitation: {} },
  { unknown: 7, constructor: 1, extensions: { "a/b": { c: 1 } }, experimental: {} },
  { tasks: { list: {}, cancel: {}, requests: { elicitation: { create: {} } } } },
];

Deno.test("capabilities are checked by the schema of their era, and those that are not known pass", () => {
  for (const [declared, fault, left] of [...MALFORMED, ...LEGACY]) {
    assertEquals(malformedCapability(declared, "legacy"), fault);
    assertEquals(wellFormedCapabilities(declared), left);
  }
  for (const [declared, fault] of MALFORMED) assertEquals(malformedCapability(declared, "modern"), fault);
  for (const [declared] of LEGACY) assertEquals(malformedCapability(declared, "modern"), undefined);
  for (const well of WELL) {
    assertEquals([malformedCapability(well, "legacy"), malformedCapability(well, "modern")], [
      undefined,
      undefined,
    ]);
    assertStrictEquals(wellFormedCapabilities(well), well);
  }
});

Deno.test("what one era does not know is not told malformed to a server of the other", () => {
  for (const [capabilities, , left] of LEGACY) {
    assertEquals(ownCapabilities({ ...call().caller, capabilities }, "own"), left);
  }
});

Deno.test("over HTTP a malformed capability is refused in either era, and named", async () => {
  await using it = await testDaemon();
  const url = new URL("/mcp", it.http).href;
  const client = new ModernHttp(url);
  for (const [capabilities, fault] of MALFORMED) {
    const response = await client.call(1, "version", {}, { capabilities });
    const { error } = await response.json();
    assertEquals([response.status, error.code], [400, -32602]);
    assertStringIncludes(error.message, fault);
  }
  const clientInfo = { name: "t", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: { elicitation: { form: 3 } }, clientInfo };
  const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params };
  const { error } = await (await client.post(initialize, { headers: { "mcp-method": undefined } })).json();
  assertEquals([error.code, error.message], [-32602, "elicitation.form must be an object"]);
});

Deno.test("a client of the legacy era is served without the capability that is malformed", async () => {
  for (const [capabilities, , left] of [...MALFORMED, ...LEGACY]) {
    const it = daemonHooks();
    const [channel, ack] = it.hello();
    const params = { protocolVersion: "2025-11-25", capabilities };
    channel.say({ jsonrpc: "2.0", id: 0, method: "initialize", params });
    await settle();
    const [{ error }] = channel.take() as [JsonObject];
    assertEquals([error, it.registry.get(ack.session_id as string)!.capabilities], [undefined, left]);
  }
});
