import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { HealingServer, type Refusal } from "../helpers/healing_server.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { until } from "../helpers/until.ts";

const JSON_TYPE = "application/json";
const EVENTS = "text/event-stream";

/** A server behind a URL, and two windows on it. */
async function healing(answer?: (message: JsonObject) => Response | undefined) {
  const server = new HealingServer({ answer });
  const it = await mountingDaemon({ remote: { url: server.url } });
  const windows = [
    await McpWindow.open(`${it.url}mcp/remote`),
    await McpWindow.open(`${it.url}mcp/remote`),
  ] as const;
  return {
    server,
    windows,
    async [Symbol.asyncDispose]() {
      for (const window of windows) await window[Symbol.asyncDispose]();
      await it[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const textOf = ({ result }: JsonObject) =>
  ((result as JsonObject | undefined)?.content as JsonObject[] | undefined)?.[0]?.text;

const error = (code: number, message: string) => ({ id }: JsonObject) =>
  JSON.stringify({ jsonrpc: "2.0", id: id ?? null, error: { code, message } });

const unnamed = (id: string | null, code: number, message: string) =>
  JSON.stringify({ jsonrpc: "2.0", id, error: { code, message } });

const event = (body: (message: JsonObject) => string) => (message: JsonObject) =>
  `event: message\ndata: ${body(message)}\n\n`;

const told = ({ id, method }: JsonObject) =>
  error(-32600, `Unknown session id '0fbc7f3f' for '${method}'; client should reinitialize`)({ id });

/** How servers have been seen to say that they do not know a session, beside HTTP 404. */
const LOST: Record<string, Refusal> = {
  "200 and a text for an error": { status: 200, type: JSON_TYPE, body: '{"error":"Session not found"}' },
  "200, an event and a text for an error": {
    status: 200,
    type: EVENTS,
    body: event(() => '{"error":"Session not found"}'),
  },
  "200 and an error of no request": {
    status: 200,
    type: JSON_TYPE,
    body: unnamed("server-error", -32600, "Session not found"),
  },
  "200 and an error of the request": {
    status: 200,
    type: JSON_TYPE,
    body: error(-32005, "Session not found or expired"),
  },
  "200, an event and an error of the request": { status: 200, type: EVENTS, body: event(told) },
  "400 and an error of the request": {
    status: 400,
    type: JSON_TYPE,
    body: error(-32000, "Bad Request: No valid session ID provided"),
  },
  "400 and an error that names the method": { status: 400, type: JSON_TYPE, body: told },
  "400 for what is no initialize request": {
    status: 400,
    body: unnamed(null, -32000, "Bad Request: No valid session ID or not an initialize request"),
  },
  "400 for an unknown header": { status: 400, body: "Bad Request: Unknown Mcp-Session-Id header" },
  "404 and an error of the request": {
    status: 404,
    type: JSON_TYPE,
    body: error(-32001, "Session not found"),
  },
  "422 in other words": { status: 422, body: "session has been terminated" },
  "500 of what stands before the server": {
    status: 500,
    body: unnamed(null, -32000, "Bad Request: No valid session ID provided"),
  },
};

for (const [how, refusal] of Object.entries(LOST)) {
  Deno.test(`a session that is not known any more, said with ${how}, is made anew, and each call runs once`, async () => {
    await using it = await healing();
    it.server.refusal = refusal;
    assertEquals(textOf(await it.windows[0].call("write")), "1");
    it.server.forgetSessions();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) => it.windows[n % 2]!.call("write")),
    );
    assertEquals(new Set(answers.map(textOf)).size, 10, JSON.stringify(answers[0]));
    assertEquals([it.server.runs.length, it.server.count("POST initialize")], [11, 2]);
  });
}

const isWrite = ({ params }: JsonObject) => (params as JsonObject | undefined)?.name === "write";

/** Errors a tool may give that are about something of its own. */
const OWN: Record<string, Refusal> = {
  "200": { status: 200, type: JSON_TYPE, body: error(-32602, "Session abc not found") },
  "200 and an event": { status: 200, type: EVENTS, body: event(error(-32000, "browser session expired")) },
  "404": { status: 404, type: JSON_TYPE, body: error(-32601, "there is no session of that kind") },
};

for (const [how, { status, type, body }] of Object.entries(OWN)) {
  Deno.test(`an error of a tool about a session of its own, with ${how}, is its window's answer, and nothing is run or made again`, async () => {
    await using it = await healing((message) =>
      isWrite(message)
        ? new Response((body as (message: JsonObject) => string)(message), {
          status,
          headers: { "content-type": type! },
        })
        : undefined
    );
    const answer = await it.windows[0].call("write");
    assertMatch(String((answer.error as JsonObject).message), /session/i);
    assertEquals(
      (answer.error as JsonObject).code,
      JSON.parse(/\{.*\}/.exec((body as (message: JsonObject) => string)({ id: 1 }))![0]).error.code,
    );
    assertEquals([it.server.count("POST tools/call"), it.server.count("POST initialize")], [1, 1]);
    assertEquals(textOf(await it.windows[1].call("read")), "1");
  });
}

Deno.test("a call whose own error looks like a lost session is not run again when the session is lost in other words", async () => {
  let isForgotten = false;
  const it: Awaited<ReturnType<typeof healing>> = await healing((message) => {
    if (!isWrite(message) || isForgotten) return undefined;
    isForgotten = true;
    queueMicrotask(() => it.server.forgetSessions());
    return Response.json({
      jsonrpc: "2.0",
      id: message.id!,
      error: { code: -32603, message: "wrote it, then the session expired" },
    });
  });
  await using _it = it;
  it.server.refusal = { status: 404, body: "Session not found" };
  const answer = await it.windows[0].call("write");
  assertMatch(String((answer.error as JsonObject).message), /wrote it/);
  assertEquals(it.server.count("POST tools/call"), 1);
  assertEquals(textOf(await it.windows[0].call("write")), "1", "and the next has another session");
});

const REFUSED_TOOLS: Record<string, Refusal> = {
  "404": { status: 404, body: JSON.stringify({ error: "document not found" }) },
  "401 with the word session": { status: 401, body: JSON.stringify({ error: "token for session expired" }) },
  "400 with the word session": { status: 400, body: "Session not found" },
};

for (const [how, { status, body }] of Object.entries(REFUSED_TOOLS)) {
  Deno.test(`a tool that is refused with HTTP ${how} on a session made for it is refused for itself, and nobody else is`, async () => {
    await using it = await healing((message) =>
      isWrite(message) ? new Response(body as string, { status }) : undefined
    );
    const [one, other] = it.windows;
    assertEquals(textOf(await other.call("read")), "1");
    const refused = await one.call("write");
    const { message, data } = refused.error as { message: string; data: JsonObject };
    assertMatch(message, new RegExp(`HTTP status ${status}`));
    assertEquals([data.status, data.fault], [status, "caller"]);
    const sessions = it.server.count("POST initialize");
    for (let n = 0; n < 8; n++) {
      assertEquals(((await one.call("write")).error as JsonObject).message, message);
      assertEquals(textOf(await other.call("read")), String(n + 2));
    }
    assertEquals([sessions, it.server.count("POST initialize")], [2, 2], "the session is kept");
    // What is lost indeed is made anew all the same.
    it.server.forgetSessions();
    assertEquals(textOf(await other.call("read")), "10");
  });
}

for (const status of [400, 401, 410]) {
  Deno.test(`a server that refuses everything with a bare ${status} gets one other session for all calls, and is well again once it takes them`, async () => {
    let isWell = true;
    await using it = await healing((message) =>
      isWell || message.method === "initialize" ? undefined : new Response(null, { status })
    );
    const [one, other] = it.windows;
    assertEquals(textOf(await one.call("read")), "1");
    isWell = false;
    for (const window of [one, other, one]) {
      const { message } = (await window.call("write")).error as { message: string };
      assertMatch(message, new RegExp(`HTTP status ${status}`));
    }
    assertEquals([it.server.count("POST initialize"), it.server.runs.length], [2, 1]);
    isWell = true;
    assertEquals(textOf(await other.call("read")), "2");
    // The refusals of before say nothing of this loss.
    await other.request("tools/list");
    it.server.refusal = { status };
    it.server.forgetSessions();
    await until("it to be asked for its tools on the session that is gone", async () => {
      await it.windows[0].call("read");
      return it.server.count("POST initialize") === 3 || undefined;
    });
    assertEquals(textOf(await one.call("read")) !== undefined, true);
  });

  Deno.test(`a tool that is refused with a bare ${status} is asked about, and the session of the others is kept`, async () => {
    await using it = await healing((message) =>
      isWrite(message) ? new Response(null, { status }) : undefined
    );
    const [one, other] = it.windows;
    for (let n = 1; n < 8; n++) {
      const { message } = (await one.call("write")).error as { message: string };
      assertMatch(message, new RegExp(`HTTP status ${status}`));
      assertEquals(textOf(await other.call("read")), String(n));
    }
    assertEquals(it.server.count("POST initialize"), 1);
  });
}

Deno.test("a window that only listens gets another session when its stream is refused with a bare 410", async () => {
  await using it = await healing();
  assertEquals(textOf(await it.windows[0].call("read")), "1");
  await until("its stream", () => it.server.streams === 1 || undefined);
  it.server.refusal = { status: 410 };
  it.server.cutStreams();
  it.server.forgetSessions();
  await until("a stream of another session", () => it.server.streams === 1 || undefined, 8000);
  assertEquals(it.server.count("POST initialize"), 2);
});
