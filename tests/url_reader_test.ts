import { assert, assertEquals, assertRejects } from "@std/assert";
import { delay } from "@std/async/delay";
import type { RequestId, RpcMessage } from "../lib/wire/rpc.ts";
import { BoundedFetch } from "../lib/remote/bounded_fetch.ts";
import { ServerEndpoint } from "../lib/remote/server_endpoint.ts";
import { eventsOf, lineEndUnifier } from "../lib/remote/server_events.ts";
import { HttpStatusError, ResponseCutError } from "../lib/remote/http_errors.ts";
import { MessageReader } from "../lib/remote/message_reader.ts";
import { parsed } from "./helpers/messages.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";

/** What a reader makes of `text`: whether it held the answer, the messages, and what was wrong. */
function read(text: string, asked?: RequestId) {
  const messages: RpcMessage[] = [];
  const errors: string[] = [];
  const refusals: unknown[] = [];
  const reader = new MessageReader({
    server: "far",
    onMessage: (message) => void messages.push(parsed(message)),
    onRefused: (answer) => void refusals.push(answer.id),
    onError: ({ message }) => void errors.push(message),
  });
  const isAnswered = reader.take(text, asked);
  return { isAnswered, messages: messages as unknown, errors, ...(refusals.length > 0 && { refusals }) };
}

const NOTE = { jsonrpc: "2.0", method: "x" };
const answerTo = (id: unknown) => ({ jsonrpc: "2.0", id, result: {} });
const text = JSON.stringify;

Deno.test("a message is passed on, and it is told whether it was the answer", () => {
  assertEquals(read(text(NOTE)), { isAnswered: false, messages: [NOTE], errors: [] });
  assertEquals(read(text(answerTo(1)), 1), { isAnswered: true, messages: [answerTo(1)], errors: [] });
  assertEquals(read(text(answerTo("1")), 1).isAnswered, true);
  assertEquals(read(text(answerTo(2)), 1).isAnswered, false);
  assertEquals(read(text(answerTo(1))).isAnswered, false);
  assertEquals(read(text({ ...NOTE, id: 1 }), 1).isAnswered, false);
});

Deno.test("a batch is taken message by message", () => {
  const found = read(text([NOTE, answerTo(1), "odd"]), 1);
  assertEquals([found.isAnswered, found.messages], [true, [NOTE, answerTo(1)]]);
  assertEquals(found.errors, ['server "far" sent a message that is none: a message must be an object']);
});

Deno.test("an answer that names no request is to the one whose body it stands in alone", () => {
  for (const nameless of [{ jsonrpc: "2.0", result: {} }, answerTo(null)]) {
    assertEquals(read(text(nameless), 7), { isAnswered: true, messages: [answerTo(7)], errors: [] });
    assertEquals(read(text([nameless]), 7).isAnswered, true);
    assertEquals(read(text([nameless, NOTE]), 7).isAnswered, false);
    assertEquals(read(text(nameless)).isAnswered, false);
  }
  assertEquals(read(text(NOTE), 7), { isAnswered: false, messages: [NOTE], errors: [] });
  assertEquals(read(text("odd"), 7).isAnswered, false);
});

Deno.test("what is not JSON answers the request whose body it is, and is told otherwise", () => {
  const { isAnswered, messages, errors } = read("<html>", 7);
  assertEquals([isAnswered, errors], [true, []]);
  const [{ id, error }] = messages as [{ id: number; error: { message: string } }];
  assertEquals([id, error.message], [7, 'server "far" sent a malformed answer: it is not JSON']);
  assertEquals(read("<html>"), {
    isAnswered: false,
    messages: [],
    errors: ['server "far" sent a message that is none: a message must be JSON'],
  });
});

Deno.test("what is nested too deeply is the answer where it names no other, and told of by name otherwise", () => {
  const deep = "[".repeat(5000) + "]".repeat(5000);
  const answered = (text: string, asked?: RequestId) => {
    const { messages, isAnswered, errors, refusals = [] } = read(text, asked);
    const ids = (messages as { id: unknown; error: { message: string } }[]).map(({ id, error }) => {
      assertEquals(
        error.message,
        'server "far" sent a malformed answer: it is nested deeper than 4096 levels',
      );
      return id;
    });
    return [isAnswered, ids, errors.length, refusals];
  };
  const result = `"result":{"a":${deep}}`;
  assertEquals(answered(`{"jsonrpc":"2.0","id":"7",${result}}`, 7), [true, ["7"], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0","id":8,${result}}`, 7), [false, [8], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0","id":8,${result}}`), [false, [8], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"data":${deep}}}`, 7), [
    true,
    [7],
    1,
    [],
  ]);
  assertEquals(answered(`{"jsonrpc":"2.0","id":null,"error":{"code":1,"data":${deep}}}`), [
    false,
    [null],
    1,
    [],
  ]);
  assertEquals(answered(deep, 7), [true, [7], 0, []]);
  assertEquals(answered(deep), [false, [], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0",${result}}`, 7), [true, [7], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0","method":"x","params":{"a":${deep}}}`, 7), [false, [], 1, []]);
  assertEquals(answered(`{"jsonrpc":"2.0","id":"q","method":"x","params":{"a":${deep}}}`, 7), [
    false,
    [],
    1,
    ["q"],
  ]);
});

async function eventsIn(...chunks: string[]) {
  const encoder = new TextEncoder();
  const body = ReadableStream.from(chunks.map((chunk) => encoder.encode(chunk)));
  const retries: number[] = [];
  const events = await Array.fromAsync(eventsOf(body, { onRetry: (ms) => void retries.push(ms) }));
  return { events: events.map(({ event, data, id }) => [event, data, id]), retries };
}

Deno.test("events are read whatever ends their lines, wherever they are cut", async () => {
  assertEquals(await eventsIn("data: a\n\n", "event: e\nid: 1\nda", "ta: b\n\ndata: c\n\n", "retry: 5\n\n"), {
    events: [["message", "a", undefined], ["e", "b", "1"], ["message", "c", undefined]],
    retries: [5],
  });
  for (const end of ["\r", "\r\n"]) {
    const whole = `data: a${end}data: b${end}${end}data: c${end}${end}`;
    const expected = [["message", "a\nb", undefined], ["message", "c", undefined]];
    assertEquals((await eventsIn(whole)).events, expected);
    assertEquals((await eventsIn(...whole)).events, expected);
  }
  assertEquals((await eventsIn("data: never ended")).events, []);
});

Deno.test("line ends are made one, also when CR and LF come apart", () => {
  const unified = (...chunks: string[]) => {
    const unify = lineEndUnifier();
    return chunks.map((chunk) => unify(chunk));
  };
  assertEquals(unified("a\nb", "c"), ["a\nb", "c"]);
  assertEquals(unified("a\r", "\nb", "\nc"), ["a\n", "b", "\nc"]);
  assertEquals(unified("a\r", "", "\nb"), ["a\n", "", "b"]);
  assertEquals(unified("a\rb", "\nc"), ["a\nb", "\nc"]);
  assertEquals(unified("a\r", "b\r\r\nc\r"), ["a\n", "b\n\nc\n"]);
});

type Asked = {
  url: string;
  method: string;
  headers: Record<string, string>;
  body: unknown;
  signal: AbortSignal;
};

/** An endpoint whose server answers as the next of `answers` says, the last one again and again. */
function endpointOf(...answers: (Response | Error)[]) {
  const asked: Asked[] = [];
  const endpoint = new ServerEndpoint(
    { url: "https://far/mcp", headers: { authorization: "Bearer k", accept: "own" }, startTimeoutMs: 1000 },
    {
      fetch: (url, init) => {
        const { method, headers, body, signal } = init!;
        asked.push({
          url: String(url),
          method: method!,
          headers: Object.fromEntries(new Headers(headers)),
          body,
          signal: signal!,
        });
        const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    },
  );
  return { endpoint, asked };
}

const signal = new AbortController().signal;

Deno.test("a request carries the session, the revision and the headers of the configuration, which win", async () => {
  const { endpoint, asked } = endpointOf(new Response("ok"));
  await endpoint.fetch({ signal });
  assertEquals([asked[0]!.url, asked[0]!.method, asked[0]!.headers], ["https://far/mcp", "GET", {
    authorization: "Bearer k",
    accept: "own",
  }]);
  endpoint.sessionId = "s1";
  endpoint.revision = "2025-11-25";
  await endpoint.fetch({ url: "https://far/2", method: "DELETE", headers: { a: "1", b: undefined }, signal });
  assertEquals([asked[1]!.url, asked[1]!.method, asked[1]!.headers], ["https://far/2", "DELETE", {
    a: "1",
    accept: "own",
    authorization: "Bearer k",
    "mcp-session-id": "s1",
    "mcp-protocol-version": "2025-11-25",
  }]);
});

Deno.test("a refusal is told with what the server says, a redirect elsewhere is not followed, a failure is told apart", async () => {
  const refused = await assertRejects(
    () => endpointOf(new Response("no", { status: 400 })).endpoint.fetch({ signal }),
    HttpStatusError,
  );
  assertEquals([refused.status, refused.body], [400, "no"]);
  const elsewhere = new Response(null, { status: 302, headers: { location: "https://other/" } });
  const redirect = await assertRejects(
    () => endpointOf(elsewhere).endpoint.fetch({ signal }),
    HttpStatusError,
  );
  assert(redirect.status === 302 && redirect.body !== "", redirect.message);
  await assertRejects(() => endpointOf(new TypeError("reset")).endpoint.fetch({ signal }), ResponseCutError);
});

Deno.test("a message is posted as JSON, and its answer can be ended while it is taken", async () => {
  const { endpoint, asked } = endpointOf(new Response("ok"));
  const request = { jsonrpc: "2.0", id: 1, method: "x" } as const;
  let taken: AbortSignal | undefined;
  await endpoint.post(request, "https://far/post", async (response, signal) => {
    taken = signal;
    assertEquals(await response.text(), "ok");
    endpoint.cancel(2);
    assertEquals(signal.aborted, false);
    endpoint.cancel(1);
  });
  assertEquals([asked[0]!.url, asked[0]!.method, asked[0]!.headers["content-type"], asked[0]!.body], [
    "https://far/post",
    "POST",
    "application/json",
    text(request),
  ]);
  assertEquals(taken!.aborted, true);
  endpoint.cancel(1);
  const plain = new ServerEndpoint({ url: "https://far/", headers: {}, startTimeoutMs: 1000 }, {
    fetch: (_, init) => {
      assertEquals(new Headers(init!.headers).get("accept"), "application/json, text/event-stream");
      return Promise.resolve(new Response());
    },
  });
  await plain.post(request, undefined, () => Promise.resolve());
});

Deno.test("what is over cannot be ended any more, and a later request of the same id can", async () => {
  const { endpoint, asked } = endpointOf(new Response("ok"));
  const request = { jsonrpc: "2.0", id: 1, method: "x" } as const;
  await endpoint.post(request, undefined, () => Promise.resolve());
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = endpoint.post(request, undefined, () => first.promise);
  const two = endpoint.post(request, undefined, () => second.promise);
  first.resolve();
  await one;
  endpoint.cancel(1);
  assertEquals(asked.map(({ signal }) => signal.aborted), [false, false, true]);
  second.resolve();
  await two;
});

Deno.test("what wants no answer is given up after half a minute, a request is not", async () => {
  using time = new HurriedTime((ms) => ms === 30_000);
  const { endpoint, asked } = endpointOf(new Response("ok"));
  const hold = () => new Promise<void>((resolve) => void delay(20).then(resolve));
  await endpoint.post({ jsonrpc: "2.0", id: 1, method: "x" }, undefined, hold);
  assertEquals([time.delaysMs, asked[0]!.signal.aborted], [[], false]);
  await endpoint.post({ jsonrpc: "2.0", method: "x" }, undefined, hold);
  assertEquals([time.delaysMs, asked[1]!.signal.aborted], [[30_000], true]);
});

Deno.test("closing ends every request that is open, and none that is over", async () => {
  const { endpoint, asked } = endpointOf(new Response("ok"));
  await endpoint.post({ jsonrpc: "2.0", id: 1, method: "x" }, undefined, () => Promise.resolve());
  const held = Promise.withResolvers<void>();
  const open = endpoint.post({ jsonrpc: "2.0", id: 2, method: "x" }, undefined, () => held.promise);
  await delay(0);
  const stream = endpoint.signal();
  endpoint.close();
  assertEquals([asked[0]!.signal.aborted, asked[1]!.signal.aborted, stream.aborted], [false, true, true]);
  held.resolve();
  await open;
});

/** Fetches from a server that answers so, at most 100 bytes of it. */
async function bounded(answer: () => Response): Promise<Response> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, answer);
  const { fetch } = new BoundedFetch({ server: "far", maxBytes: 100 });
  try {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
    const body = await response.text();
    return new Response(body, { headers: response.headers });
  } finally {
    await server.shutdown();
  }
}

Deno.test("of an answer no more is taken than it may be, whether its length is told or not", async () => {
  const streamed = (bytes: number, type = "application/json") =>
    new Response(ReadableStream.from([new TextEncoder().encode("x".repeat(bytes))]), {
      headers: { "content-type": type },
    });
  assertEquals((await (await bounded(() => new Response("x".repeat(100)))).text()).length, 100);
  assertEquals((await (await bounded(() => streamed(100))).text()).length, 100);
  for (const large of [() => new Response("x".repeat(101)), () => streamed(101)]) {
    const error = await assertRejects(() => bounded(large), Error);
    assertEquals(
      error.message.startsWith('server "far" sent an answer of more than 100 '),
      true,
      error.message,
    );
  }
  const event = await assertRejects(() => bounded(() => streamed(200, " text/event-stream; x=1")), Error);
  assertEquals(event.message.startsWith('server "far" sent an event of more than 100 '), true, event.message);
  const many = "data: x\n\n".repeat(40);
  const events = () => new Response(many, { headers: { "content-type": "TEXT/event-stream" } });
  assertEquals(await (await bounded(events)).text(), many);
  const refused = await bounded(() => new Response("x".repeat(10_000), { status: 500 }));
  assertEquals((await refused.text()).length, 4096);
});
