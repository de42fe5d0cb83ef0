import { deadline } from "@std/async/deadline";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { UrlServerConfig } from "../lib/config/server_config.ts";
import { ExaiError } from "../lib/base/errors.ts";
import {
  HttpStatusError,
  ModernOnlyError,
  ResponseCutError,
  SessionLostError,
} from "../lib/remote/http_errors.ts";
import { LegacySse } from "../lib/remote/legacy_sse.ts";
import { connectUrl } from "../lib/remote/url_transport.ts";
import type { RpcMessage } from "../lib/wire/rpc.ts";
import { FAR, Far, json, openEvents } from "./helpers/far_server.ts";
import { liveHeapBytes } from "./helpers/gc.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { settled } from "./helpers/instance.ts";
import { until } from "./helpers/until.ts";

const request = (id: number, method = "tools/call") =>
  ({ jsonrpc: "2.0", id, method, params: {} }) as RpcMessage;
const note = (method: string, params = {}) => ({ jsonrpc: "2.0", method, params }) as RpcMessage;
const answerTo = (id: unknown) => ({ jsonrpc: "2.0", id, result: {} });
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const refused = (status: number, body = "") => new Response(body, { status });

/** A connection to a server whose stream begins with `first`; messages are answered by `post`. */
function connected(first = "event: endpoint\ndata: /post?s=1\n\n", post: Far["answer"] = () => refused(202)) {
  const stream = openEvents(first);
  const far = new Far((asked) => asked.method === "GET" ? stream.response : post(asked));
  return { far, stream, sse: far.hear(new LegacySse(FAR, far.fetch)) };
}

Deno.test("messages go where the server says, and its own come on its stream", async () => {
  const { far, stream, sse } = connected();
  await assertRejects(() => sse.send(request(0)), Error, "it was stopped");
  await sse.start();
  assertEquals(far.asked[0]!.headers.get("accept"), "text/event-stream");
  sse.setProtocolVersion("2024-11-05");
  await sse.send(request(1));
  const [posted] = far.of("POST");
  assertEquals([posted!.url, posted!.message as unknown, posted!.headers.get("mcp-protocol-version")], [
    "https://far/post?s=1",
    request(1),
    "2024-11-05",
  ]);
  stream.say(`${event(answerTo(1))}event: other\ndata: 1\n\ndata: \n\n`);
  await settled();
  assertEquals([far.messages, far.log], [[answerTo(1)], []]);
  stream.say("data: 7\n\n");
  await settled();
  assertMatch(far.log[0]!, /^error server "far" sent a message that is none/);
  await sse.close();
});

Deno.test("what is no event stream is refused with what it is", async () => {
  for (
    const [response, expected] of [
      [json({}), "it answered with no event stream but application/json"],
      [
        new Response(null, { headers: { "content-type": "text/event-stream" } }),
        /no event stream but text\/event-str/,
      ],
      [new Response(new Uint8Array([1])), "it answered with no event stream but nothing"],
      [new Response("x", { headers: { "content-type": "xtext/event-stream" } }), "no event stream but xtext"],
    ] as [Response, string | RegExp][]
  ) {
    const far = new Far(() => response);
    const error = await assertRejects(() => new LegacySse(FAR, far.fetch).start(), Error);
    assertMatch(error.message, new RegExp(expected));
  }
  const cased = openEvents("event: endpoint\ndata: /p\n\n").response;
  const far = new Far(() =>
    new Response(cased.body, { headers: { "content-type": " TEXT/Event-Stream; x=1" } })
  );
  const sse = far.hear(new LegacySse(FAR, far.fetch));
  await sse.start();
  await sse.close();
});

for (
  const [what, endpoint, expected] of [
    ["at another origin", "https://other/post", "its endpoint is at another origin, https://other"],
    ["no URL", "https://[", 'its endpoint "https://[" is no URL'],
  ] as const
) {
  Deno.test(`an endpoint that is ${what} is not used`, async () => {
    const { far, sse } = connected(`event: endpoint\ndata: ${endpoint}\n\n`);
    const error = await assertRejects(() => sse.start(), Error);
    assertEquals(error.message, `its event stream was cut (${expected})`);
    assertEquals(far.log, ["closed"]);
  });
}

Deno.test("the connection is over with its stream, and says how that ended", async () => {
  const ended = connected();
  await ended.sse.start();
  ended.stream.end();
  await settled();
  assertEquals([ended.far.log, ended.sse.describeEnd()], [["closed"], "its event stream ended"]);
  await assertRejects(() => ended.sse.send(request(1)), Error, "its event stream ended");
  const cut = connected();
  await cut.sse.start();
  cut.stream.cut(new Error("reset"));
  await settled();
  assertEquals(cut.sse.describeEnd(), "its event stream was cut (reset)");
  const large = connected();
  await large.sse.start();
  large.stream.cut(new ExaiError("TOO_LARGE", "an event is too large"));
  await settled();
  assertEquals(large.sse.describeEnd(), "an event is too large");
  const early = connected("");
  setTimeout(() => early.stream.end(), 0);
  await assertRejects(() => early.sse.start(), Error, "its event stream ended");
});

Deno.test("closing ends stream and requests, is told once, and is what it is called afterwards", async () => {
  const { far, sse } = connected(undefined, () => new Promise<Response>(() => {}));
  await sse.start();
  const sent = sse.send(request(1));
  await sse.close();
  await sse.close();
  await assertRejects(() => sent);
  await settled();
  assertEquals([far.log, sse.describeEnd(), far.asked[0]!.signal.aborted], [
    ["closed"],
    "it was stopped",
    true,
  ]);
  await assertRejects(() => sse.send(request(2)), Error, "it was stopped");
});

Deno.test("a server that forgets whose messages it gets is told of once; other refusals are what they are", async () => {
  let answer = refused(404);
  const { far, sse } = connected(undefined, () => answer);
  await sse.start();
  const lost = await assertRejects(() => sse.send(request(1)), SessionLostError);
  answer = refused(400, "no such session");
  await assertRejects(() => sse.send(request(1)), SessionLostError);
  answer = refused(500, "session");
  await assertRejects(() => sse.send(request(1)), HttpStatusError);
  assertEquals(far.log, [`lost ${lost.message}`]);
  const broken = connected(undefined, () => new TypeError("reset"));
  await broken.sse.start();
  await assertRejects(() => broken.sse.send(request(1)), ResponseCutError);
  await Promise.all([sse.close(), broken.sse.close()]);
});

Deno.test("a request that is withdrawn is ended here too", async () => {
  const { far, sse } = connected(
    undefined,
    ({ message }) => message.id === 1 ? new Promise<Response>(() => {}) : refused(202),
  );
  await sse.start();
  const sent = sse.send(request(1));
  sent.catch(() => {});
  await sse.send(note("notifications/other", { requestId: 1 }));
  assertEquals(far.of("POST")[0]!.signal.aborted, false);
  await sse.send(note("notifications/cancelled", { requestId: 1 }));
  await assertRejects(() => sent);
  await sse.close();
});

Deno.test("a request that is withdrawn is ended also where the server takes no word of it", async () => {
  using time = new HurriedTime((ms) => ms === 5000);
  const { sse } = connected(undefined, () => new Promise<Response>(() => {}));
  await sse.start();
  const sent = sse.send(request(1));
  sent.catch(() => {});
  const told = sse.send(note("notifications/cancelled", { requestId: 1 }));
  told.catch(() => {});
  await assertRejects(() => sent);
  assertEquals(time.delaysMs, [5000]);
  await sse.close();
  await assertRejects(() => told);
});

/** A real server, for the transport that a configuration names. */
function served(answer: (request: Request) => Response | Promise<Response>) {
  const requests: string[] = [];
  const streams: ReturnType<typeof openEvents>[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`);
    return answer(request);
  });
  const url = `http://127.0.0.1:${server.addr.port}/mcp`;
  return {
    requests,
    streams,
    connect: (parts: Partial<UrlServerConfig> = {}) => {
      const config = { ...FAR, url, startTimeoutMs: 10_000, fallBackToSse: true, ...parts };
      const heard: string[] = [];
      const transport = connectUrl(config, { maxMessageBytes: 1_000_000 });
      transport.onmessage = (message) => void heard.push(JSON.stringify("id" in message ? message.id : 0));
      transport.onerror = ({ message }) => void heard.push(message);
      transport.onclose = () => void heard.push("closed");
      transport.onlost = () => void heard.push("lost");
      return { transport, heard };
    },
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** A server of before 2025-03-26: it refuses a POST to its URL. */
const old = (status: number, body = "") => {
  const stream = openEvents("event: endpoint\ndata: /post\n\n");
  const it = served(async (request) => {
    const { pathname } = new URL(request.url);
    if (request.method === "GET") return stream.response;
    const { id } = await request.json();
    if (pathname !== "/post") return refused(status, body);
    if (id !== undefined) stream.say(event(answerTo(id)));
    return refused(202);
  });
  return Object.assign(it, { stream });
};

for (const status of [400, 404, 405, 406, 499]) {
  Deno.test(`a server that refuses with ${status} is taken for one of the older transport, once`, async () => {
    await using it = old(status);
    const { transport, heard } = it.connect();
    await transport.start();
    await transport.send(request(0, "initialize"));
    assertEquals(it.requests, ["POST /mcp", "GET /mcp", "POST /post"]);
    transport.setProtocolVersion!("2024-11-05");
    for (let n = 0; n < 100 && heard.length === 0; n++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(heard, ["0"]);
    await transport.send(request(1));
    assertEquals([it.requests.length, transport.listening], [4, undefined]);
    await transport.close();
    assertEquals([heard.at(-1), transport.describeEnd!()], ["closed", "it was stopped"]);
  });
}

for (
  const [status, body] of [[401], [403], [408], [429], [500], [400, "Unsupported protocol version"]] as const
) {
  Deno.test(`a server that refuses with ${status} ${body ?? ""} is not taken for one of the older transport`, async () => {
    await using it = old(status, body);
    const { transport, heard } = it.connect();
    await transport.start();
    const error = await assertRejects(() => transport.send(request(0, "initialize")), HttpStatusError);
    assertEquals([error.status, it.requests, heard], [status, ["POST /mcp"], []]);
    await transport.close();
  });
}

for (const transport of ["SSE", "Streamable HTTP"]) {
  Deno.test(`closing ends the open stream of a server of ${transport}, also one that has been open for long`, async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    const stream = () => {
      const first = new TextEncoder().encode("event: endpoint\ndata: /post\n\n");
      const body = new ReadableStream({
        start: (control) => control.enqueue(first),
        cancel: () => resolve(),
      });
      opened.resolve();
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    };
    const it = served(async (request) => {
      if (request.method === "GET") return stream();
      if (request.method === "DELETE") return new Response();
      const { id } = await request.json();
      if (transport === "SSE") return refused(404);
      return id === undefined ? refused(202) : json(answerTo(id));
    });
    const { transport: client } = it.connect();
    await client.start();
    const initialized = client.send(request(0, "initialize")).then(() =>
      client.send(note("notifications/initialized"))
    );
    initialized.catch(() => {});
    await opened.promise;
    await until("its stream", () => transport === "SSE" || client.listening === "open" || undefined);
    await settled();
    // What is open for long lives through many collections.
    for (let times = 0; times < 3; times++) await liveHeapBytes();
    await client.close();
    await deadline(ended, 5000);
    await it[Symbol.asyncDispose]();
  });
}

Deno.test("a server that is neither is told as both, and one whose configuration names a transport is only that", async () => {
  await using it = served(() => refused(404, "nothing here"));
  const { transport } = it.connect();
  await transport.start();
  const both = await assertRejects(() => transport.send(request(0, "initialize")), Error);
  assertMatch(
    both.message,
    /^it answered with HTTP status 404: nothing here; as a server of the older HTTP with SSE: it a/,
  );
  assert(both.cause instanceof HttpStatusError);
  const http = it.connect({ fallBackToSse: false }).transport;
  await assertRejects(() => http.send(request(0, "initialize")), HttpStatusError);
  it.requests.length = 0;
  const sse = it.connect({ kind: "sse" }).transport;
  await assertRejects(() => sse.start(), HttpStatusError);
  assertEquals(it.requests, ["GET /mcp"]);
});

Deno.test("once a server has answered, what it refuses is no reason to go over", async () => {
  await using it = served(async (request) => {
    if (request.method !== "POST") return refused(405);
    const { id, method } = await request.json();
    return method === "initialize" ? json(answerTo(id), { "mcp-session-id": "s" }) : refused(404, "session");
  });
  const { transport, heard } = it.connect();
  await transport.start();
  await transport.send(request(0, "initialize"));
  await assertRejects(() => transport.send(request(1)), SessionLostError);
  // The third asks whether the session is lost, or the message alone was refused.
  assertEquals([it.requests, heard], [["POST /mcp", "POST /mcp", "POST /mcp"], ["0", "lost"]]);
  await transport.close();
  await assertRejects(() => transport.send(request(2)), Error, "it was stopped");
});

Deno.test("a server is asked in the modern form until it is initialized, which takes no headers of it along", async () => {
  const headers: (string | null)[] = [];
  await using it = served(async (request) => {
    if (request.method !== "POST") return refused(405);
    headers.push(request.headers.get("mcp-method"));
    const { id, method } = await request.json();
    return method === "initialize" ? json(answerTo(id)) : refused(400);
  });
  const { transport, heard } = it.connect();
  await transport.start();
  await assertRejects(() => transport.send(request(0, "server/discover")), HttpStatusError);
  await transport.send(request(1, "initialize"));
  assertEquals([headers, heard, it.requests], [["server/discover", null], ["1"], ["POST /mcp", "POST /mcp"]]);
  await transport.close();
  assertEquals(heard, ["1", "closed"]);
});

for (
  const [status, code] of [[400, -32022], [400, -32020], [404, -32601]] as const
) {
  Deno.test(`a server that refuses initialize with ${status} and ${code} is not taken for an older one`, async () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: null, error: { code, message: "not that" } });
    await using it = served(() => new Response(body, { status }));
    const { transport } = it.connect();
    await transport.start();
    const { message } = await assertRejects(() => transport.send(request(0, "initialize")), ModernOnlyError);
    assertMatch(message, /it speaks only revisions of MCP without initialize.*HTTP status \d+: .*not that/);
    assertEquals(it.requests, ["POST /mcp"]);
    await transport.close();
  });
}
