import { assert, assertEquals, assertMatch } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import type { RpcMessage } from "../../lib/wire/rpc.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { EventStream, ScriptedUrlServer } from "../helpers/scripted_url_server.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";

const never = () => new Promise<Response>(() => {});

const isCall = (message: RpcMessage) => "method" in message && message.method === "tools/call";

Deno.test("a stream of a server whose headers never come is opened again, and what changed meanwhile is noticed", async () => {
  const tools = [{ name: "work", inputSchema: { type: "object" } }];
  const streams: EventStream[] = [];
  await using server = new ScriptedUrlServer({
    tools,
    get(n) {
      if (n < 3) return never();
      return streams[streams.push(new EventStream()) - 1]!.response;
    },
  });
  await using it = await mountingDaemon({ mute: { url: server.url, startTimeoutMs: 300 } });
  await using ada = await sdkClient(`${it.url}mcp/mute`);
  const changed = Promise.withResolvers<void>();
  ada.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve());
  await ada.listTools();
  tools.push({ name: "added", inputSchema: { type: "object" } });
  await until("it is open", () => streams[0]);
  await changed.promise;
  assertEquals([server.gets, streams.length], [3, 1]);
  assertEquals(textOf(await ada.callTool({ name: "work" })), "ok");
});

const AWAY: Record<string, [number, string]> = {
  "409, for it has not noticed the end of the last": [
    409,
    "Conflict: Only one SSE stream is allowed per session",
  ],
  "400, for it has not noticed the end of the last": [400, "only one SSE stream is allowed"],
  "403, as what stands before a server does": [403, "try later"],
};

for (const [why, [status, body]] of Object.entries(AWAY)) {
  Deno.test(`a stream that was open and is refused with HTTP ${why}, is asked for until it is there again`, async () => {
    await using server = new ScriptedUrlServer({
      get(n) {
        if (n === 2) return new Response(body, { status });
        const stream = new EventStream();
        server.streams.push(stream);
        return stream.response;
      },
    });
    await using it = await mountingDaemon({ remote: { url: server.url } });
    await using ada = await sdkClient(`${it.url}mcp/remote`);
    await ada.listTools();
    (await until("the first stream", () => server.streams[0])).close();
    await until("the third stream", () => server.streams[1]);
  });
}

Deno.test("a server that has its streams taken up again without a pause is not asked in a hot loop", async () => {
  const progress = (n: number) =>
    `retry: 0\nid: ${n}\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x","progress":${n}}}\n\n`;
  const events = { headers: { "content-type": "text/event-stream" } };
  let callId: unknown;
  const at: number[] = [];
  await using server = new ScriptedUrlServer({
    post(message) {
      if (message.method !== "tools/call") return undefined;
      callId = message.id;
      return new Response(progress(0), events);
    },
    get(n) {
      if (n === 1) return new Response(null, { status: 405 });
      at.push(performance.now());
      if (n < 6) return new Response(progress(n), events);
      const answer = { jsonrpc: "2.0", id: callId, result: { content: [{ type: "text", text: "done" }] } };
      return new Response(`data: ${JSON.stringify(answer)}\n\n`, events);
    },
  });
  await using it = await mountingDaemon({ remote: { url: server.url } });
  await using ada = await sdkClient(`${it.url}mcp/remote`);
  assertEquals(textOf(await ada.callTool({ name: "work" })), "done");
  assert(at.at(-1)! - at[0]! >= 4 * 190, `${at.length} streams in ${at.at(-1)! - at[0]!} ms`);
});

for (const kind of ["headers", "events"]) {
  Deno.test(`a call whose ${kind} never come ends with its time limit, and its request with it, although nothing is answered any more`, async () => {
    const stream = new EventStream();
    await using server = new ScriptedUrlServer({
      post(message) {
        if (message.method === "notifications/cancelled") return never();
        if (message.method !== "tools/call") return undefined;
        return kind === "headers" ? never() : stream.response;
      },
    });
    await using it = await mountingDaemon({ mute: { url: server.url, callTimeoutMs: 200 } });
    await using ada = await sdkClient(`${it.url}mcp/mute`);
    const beganMs = performance.now();
    const said = String(await ada.callTool({ name: "work" }).catch((thrown) => thrown));
    assertMatch(said, /200 ms|0\.2 s|time/);
    assert(performance.now() - beganMs < 3000);
    await until(
      "its HTTP request is ended",
      () => server.dropped.some(isCall) || stream.isLeft || undefined,
      10_000,
    );
  });
}

Deno.test("a request whose answer has come elsewhere does not stay open for ever", async () => {
  const events = new EventStream();
  const server: ScriptedUrlServer = new ScriptedUrlServer({
    isLegacy: true,
    get() {
      events.sendEvent("endpoint", "/messages");
      return events.response;
    },
    post(message) {
      if (message.method !== "tools/call") {
        if (message.id !== undefined) {
          events.send({ id: message.id, result: server.resultOf(message.method) });
        }
        return new Response(null, { status: 202 });
      }
      events.send({ id: message.id, result: { content: [{ type: "text", text: "by the stream" }] } });
      return never();
    },
  });
  await using _server = server;
  await using it = await mountingDaemon({ old: { type: "sse", url: server.url } });
  await using ada = await sdkClient(`${it.url}mcp/old`);
  assertEquals(textOf(await ada.callTool({ name: "work" })), "by the stream");
  await until("its HTTP request is ended", () => server.dropped.some(isCall) || undefined, 10_000);
});
