import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { UrlServerConfig } from "../lib/config/server_config.ts";
import { meansLegacy } from "../lib/remote/era_refusals.ts";
import { ModernOnlyError } from "../lib/remote/http_errors.ts";
import { connectUrl } from "../lib/remote/url_transport.ts";
import { META } from "../lib/wire/client_claim.ts";
import type { RpcResponse } from "../lib/wire/rpc.ts";
import { type Era, serveEras } from "./fixtures/eras/http.ts";
import { parsed } from "./helpers/messages.ts";
import { until } from "./helpers/until.ts";

const CLAIM = {
  [META.revision]: "2026-07-28",
  [META.client]: { name: "exai", version: "1" },
  [META.capabilities]: {},
};

const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "exai", version: "1" },
};

/** A connection to the server of SDK 1.32 or SDK 2.4 that speaks `era`. */
async function connected(era: Era) {
  const server = serveEras(era);
  const config = {
    name: "eras",
    title: "eras",
    kind: "http",
    url: server.url,
    headers: {},
    startTimeoutMs: 5000,
  };
  const transport = connectUrl({ ...config, fallBackToSse: true } as never as UrlServerConfig, {
    maxMessageBytes: 2 ** 24,
  });
  const messages: JsonObject[] = [];
  transport.onmessage = (message) => void messages.push(parsed(message) as JsonObject);
  await transport.start();
  let last = 0;
  /** The answer to a request. */
  async function ask(method: string, params: JsonObject): Promise<JsonObject> {
    const id = ++last;
    await transport.send({ jsonrpc: "2.0", id, method, params });
    return messages.find((message) => message.id === id && !("method" in message))!;
  }
  return {
    server,
    transport,
    messages,
    ask,
    /** The same with a claim. */
    modern: (method: string, params: JsonObject = {}) =>
      ask(method, { ...params, _meta: { ...CLAIM, ...params._meta as JsonObject } }),
    async [Symbol.asyncDispose]() {
      await transport.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

for (const era of ["modern", "both"] as const) {
  Deno.test(`a server of SDK 2 that speaks ${era} is found, listed and called`, async () => {
    await using it = await connected(era);
    const discovered = (await it.modern("server/discover")).result as JsonObject;
    assertEquals(discovered.supportedVersions, ["2026-07-28"]);
    const { tools } = (await it.modern("tools/list")).result as { tools: { name: string }[] };
    assert(tools.some(({ name }) => name === "echo"));
    const { result } = await it.modern("tools/call", { name: "echo", arguments: { text: "ü" } });
    assertEquals((result as JsonObject).content, [{ type: "text", text: "ü" }]);
    const args = { ms: 1, steps: 2 };
    await it.modern("tools/call", { name: "slow", arguments: args, _meta: { progressToken: 7 } });
    const progress = it.messages.filter(({ method }) => method === "notifications/progress");
    assertEquals(progress.map(({ params }) => (params as JsonObject).progress), [1, 2]);
    // What is wrong comes as the answer, with whatever status.
    for (const [method, params] of [["no/such", {}], ["tools/call", { name: "nothing" }]] as const) {
      assert(isObjectWithError(await it.modern(method, params)), method);
    }
  });
}

const isObjectWithError = ({ error }: JsonObject) => typeof (error as JsonObject).code === "number";

Deno.test("closing the POST of a call tells a server of SDK 2 that it is withdrawn", async () => {
  await using it = await connected("modern");
  const meta = { ...CLAIM, progressToken: 7 };
  const params = { name: "slow", arguments: { ms: 50, steps: 1000, key: "mine" }, _meta: meta };
  const call = it.transport.send({ jsonrpc: "2.0", id: "slow", method: "tools/call", params });
  const ended = assertRejects(() => call);
  await until(
    "its progress",
    () => it.messages.some(({ method }) => method === "notifications/progress") || undefined,
  );
  it.transport.withdraw!("slow");
  await ended;
  await it.server.world.cancelled("mine").promise;
});

Deno.test("a server of SDK 2 tells what changes on a stream that stays open", async () => {
  await using it = await connected("modern");
  const params = { notifications: { toolsListChanged: true }, _meta: CLAIM };
  const listening = it.transport.send({
    jsonrpc: "2.0",
    id: "listen",
    method: "subscriptions/listen",
    params,
  });
  const ended = assertRejects(() => listening);
  const has = (method: string) =>
    until(method, () => it.messages.some((one) => one.method === method) || undefined);
  await has("notifications/subscriptions/acknowledged");
  await it.modern("tools/call", { name: "change", arguments: { kind: "tools" } });
  await has("notifications/tools/list_changed");
  it.transport.withdraw!("listen");
  await ended;
});

Deno.test("a server of SDK 1 refuses the modern form in a way that means the legacy era, and is initialized", async () => {
  await using it = await connected("legacy");
  const found = await it.modern("server/discover").catch((thrown) => thrown);
  if (found instanceof Error) assert(meansLegacy(found), found.message);
  else assertMatch(JSON.stringify(found.error), /-32000|-32601/);
  const { result } = await it.ask("initialize", INITIALIZE);
  assertEquals((result as JsonObject).protocolVersion, "2025-11-25");
  it.transport.setProtocolVersion!("2025-11-25");
  await it.transport.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const echoed = await it.ask("tools/call", { name: "echo", arguments: { text: "old" } }) as
    & RpcResponse
    & JsonObject;
  assertEquals((echoed.result as JsonObject).content, [{ type: "text", text: "old" }]);
});

Deno.test("a server that speaks both is initialized after it was asked in the modern form", async () => {
  await using it = await connected("both");
  await it.modern("server/discover");
  const { result } = await it.ask("initialize", INITIALIZE);
  assertEquals((result as JsonObject).protocolVersion, "2025-11-25");
});

Deno.test("a server of SDK 2 that knows no initialize is named as such, and not taken for one of SSE", async () => {
  await using it = await connected("modern");
  const { message } = await assertRejects(() => it.ask("initialize", INITIALIZE), ModernOnlyError);
  assertMatch(message, /speaks only revisions of MCP without initialize/);
});
