import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { HttpStatusError, ResponseCutError, SessionLostError } from "../lib/remote/http_errors.ts";
import { StreamableHttp } from "../lib/remote/streamable_http.ts";
import type { RpcMessage } from "../lib/wire/rpc.ts";
import { events, FAR, Far, json, openEvents } from "./helpers/far_server.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { settled } from "./helpers/instance.ts";

const request = (id: number, method = "tools/call") =>
  ({ jsonrpc: "2.0", id, method, params: {} }) as RpcMessage;
const note = (method: string, params = {}) => ({ jsonrpc: "2.0", method, params }) as RpcMessage;
const answerTo = (id: unknown) => ({ jsonrpc: "2.0", id, result: { ok: true } });
const event = (value: unknown, id = "") => `${id && `id: ${id}\n`}data: ${JSON.stringify(value)}\n\n`;
const accepted = () => new Response(null, { status: 202 });
const refused = (status: number, body = "") => new Response(body, { status });

/** A connection to a server that answers requests as `answer` says and accepts everything else. */
function connected(
  answer: Far["answer"] = ({ message }) => json(answerTo(message.id)),
  stream?: Far["answer"],
) {
  const far = new Far((asked) => {
    if (asked.method === "GET") return stream ? stream(asked) : refused(405);
    if (asked.method === "DELETE") return new Response();
    if (asked.message.method === "initialize") {
      return json(answerTo(asked.message.id), { "mcp-session-id": "s1" });
    }
    return asked.message.id === undefined ? accepted() : answer(asked);
  });
  return { far, http: far.hear(new StreamableHttp(FAR, far.fetch)) };
}

/** The same, initialized. */
async function initialized(...args: Parameters<typeof connected>) {
  const it = connected(...args);
  await it.http.start();
  await it.http.send(request(0, "initialize"));
  it.http.setProtocolVersion("2025-11-25");
  await it.http.send(note("notifications/initialized"));
  await settled();
  it.far.messages.length = 0;
  return it;
}

const errorOf = (message: unknown) => (message as { id: number; error: { message: string } }).error.message;

Deno.test("the session and the revision a server gave go with every message from then on", async () => {
  const { far, http } = await initialized();
  const [init, told] = far.of("POST");
  assertEquals([init!.headers.get("mcp-session-id"), told!.headers.get("mcp-session-id")], [null, "s1"]);
  assertEquals(told!.headers.get("mcp-protocol-version"), "2025-11-25");
  await http.send(request(1));
  assertEquals([far.asked.at(-1)!.headers.get("mcp-session-id"), far.messages], ["s1", [answerTo(1)]]);
  await http.send(request(2, "initialize"));
  assertEquals(far.asked.at(-1)!.headers.get("mcp-session-id"), null);
});

Deno.test("an answer may come as JSON of some kind, or in a stream", async () => {
  for (const type of ["application/json; charset=utf-8", " Application/JSON", "application/x.y-z+json"]) {
    const { far, http } = await initialized(({ message }) => json(answerTo(message.id), {}, type));
    await http.send(request(1));
    assertEquals(far.messages, [answerTo(1)], type);
  }
  for (const type of ["text/event-stream", " TEXT/event-stream; x=1"]) {
    const { far, http } = await initialized(() =>
      events(event(note("x")) + "event: other\ndata: 1\n\ndata: \n\n" + event(answerTo(1)), {
        "content-type": type,
      })
    );
    await http.send(request(1));
    assertEquals(far.messages, [note("x"), answerTo(1)], type);
    assertEquals(far.log, ["error it answered with HTTP status 405"]);
  }
});

Deno.test("what is no answer ends its request at once, with what it is", async () => {
  const cases: [Response, RegExp][] = [
    [
      new Response("<html>", { headers: { "content-type": "text/html" } }),
      /its content type is "text\/html"$/,
    ],
    [new Response(new Uint8Array([1])), /its content type is not given$/],
    [json(answerTo(1), {}, "xapplication/json"), /its content type is "xapplication\/json"$/],
    [json(answerTo(1), {}, "application/jsonx"), /its content type is/],
    [accepted(), /it has no body \(HTTP status 202\)$/],
    [new Response(null, { status: 204 }), /it has no body \(HTTP status 204\)$/],
    [new Response(null, { status: 200 }), /it has no body \(HTTP status 200\)$/],
    [json(answerTo(9)), /it holds no response to the request$/],
    [json(note("x")), /it holds no response to the request$/],
  ];
  for (const [response, expected] of cases) {
    const { far, http } = await initialized(() => response);
    await http.send(request(1));
    assertMatch(errorOf(far.messages.at(-1)), expected);
    assertMatch(errorOf(far.messages.at(-1)), /^server "far" sent a malformed answer/);
  }
});

Deno.test("where a server's own stream is open, an answer may come on that", async () => {
  const stream = openEvents();
  const { far, http } = await initialized(() => accepted(), () => stream.response);
  assertEquals(http.listening, "open");
  await http.send(request(1));
  assertEquals(far.messages, []);
  stream.say(event(answerTo(1)) + "event: other\ndata: 1\n\ndata: \n\n");
  await settled();
  assertEquals([far.messages, far.log], [[answerTo(1)], []]);
  await http.close();
});

Deno.test("a body that is cut may have run; one that is too large or was given up is what it is", async () => {
  const failing = (error: unknown, type = "application/json") =>
    new Response(new ReadableStream({ pull: (control) => control.error(error) }), {
      headers: { "content-type": type },
    });
  for (const type of ["application/json", "text/event-stream"]) {
    const cuts = [
      new TypeError("odd"),
      Object.assign(new Error("odd"), { name: "Http" }),
      new Error("Connection lost"),
      new Error("error reading a body"),
      new Error("it was reset"),
      new Error("stream closed"),
    ];
    for (const error of cuts) {
      const { http } = await initialized(() => failing(error, type));
      const cut = await assertRejects(() => http.send(request(1)), ResponseCutError);
      assertEquals([cut.message, cut.cause], [
        `the connection was cut before the answer was whole (${error.message})`,
        error,
      ]);
    }
    for (const error of [new ExaiError("TOO_LARGE", "a body too large"), new Error("odd")]) {
      const { http } = await initialized(() => failing(error, type));
      const thrown = await assertRejects(() => http.send(request(1)), Error);
      assertEquals([thrown instanceof ResponseCutError, thrown.message], [false, error.message]);
    }
  }
});

Deno.test("a stream that ends without the answer and without a place to go on from may have run", async () => {
  const { http } = await initialized(() => events(event(note("x"))));
  await assertRejects(
    () => http.send(request(1)),
    ResponseCutError,
    "the stream of its answer ended without an answer",
  );
});

Deno.test("a stream that is cut before its answer is taken up after its last event, a little later", async () => {
  for (
    const [before, pauseMs] of [["", 500], ["retry: 2000\n\n", 2000], ["retry: 99000\n\n", 30_000]] as const
  ) {
    let opened = 0;
    const { far, http } = await initialized(
      () => events(before + event(note("x"), "7")),
      ({ headers }) => {
        if (headers.get("last-event-id") === null) return refused(405);
        return ++opened === 1 ? refused(503) : events(event(answerTo(1), "8"));
      },
    );
    using time = new HurriedTime((ms) => ms > 0 && ms !== 5000);
    await http.send(request(1));
    assertEquals(far.messages, [note("x"), answerTo(1)]);
    const resumed = far.of("GET").filter(({ headers }) => headers.get("last-event-id") === "7");
    assertEquals([resumed.length, resumed[0]!.headers.get("accept")], [2, "text/event-stream"]);
    assertEquals(time.delaysMs.map((ms) => Math.floor(ms)), [pauseMs, Math.floor(pauseMs * 1.5)]);
  }
});

Deno.test("a stream that was cut is taken up too, and each piece of it begins the count anew", async () => {
  let opened = 0;
  const { far, http } = await initialized(
    () => {
      const stream = openEvents(event(note("x"), "0"));
      setTimeout(() => stream.cut(new TypeError("reset")), 0);
      return stream.response;
    },
    ({ headers }) => {
      if (headers.get("last-event-id") === null) return refused(405);
      return ++opened < 9 ? events(event(note("x"), String(opened))) : events(event(answerTo(1), "end"));
    },
  );
  using time = new HurriedTime((ms) => ms > 0 && ms !== 5000);
  await http.send(request(1));
  assertEquals(far.messages.at(-1), answerTo(1));
  assertEquals(time.delaysMs.filter((ms) => ms !== 500), []);
  assertEquals(far.of("GET").at(-1)!.headers.get("last-event-id"), "8");
});

Deno.test("a stream that cannot be taken up, or never brings anything, is given up as one that may have run", async () => {
  using _time = new HurriedTime((ms) => ms > 0 && ms !== 30_000);
  const refusing = await initialized(
    () => events(event(note("x"), "7")),
    ({ headers }) => headers.get("last-event-id") === null ? refused(405) : refused(404, "gone"),
  );
  const gone = await assertRejects(() => refusing.http.send(request(1)), ResponseCutError);
  assertMatch(gone.message, /was cut and cannot be taken up: it answered with HTTP status 404: gone$/);
  assert(gone.cause instanceof HttpStatusError);
  for (const answer of [() => events(""), () => refused(500)]) {
    const { far, http } = await initialized(
      () => events(event(note("x"), "7")),
      ({ headers }) => headers.get("last-event-id") === null ? refused(405) : answer(),
    );
    await assertRejects(
      () => http.send(request(1)),
      ResponseCutError,
      "the stream of its answer was cut again and again",
    );
    assertEquals(far.of("GET").length, 7);
  }
});

Deno.test("a stream may say something after its answer, for five seconds", async () => {
  const stream = openEvents();
  const { far, http } = await initialized(() => stream.response);
  using time = new HurriedTime((ms) => ms === 5000);
  let isSent = false;
  const sent = http.send(request(1)).then(() => isSent = true);
  await settled();
  stream.say(event(answerTo(1)) + event(note("x")));
  await settled();
  assertEquals([far.messages, time.delaysMs], [[answerTo(1), note("x")], [5000]]);
  await sent;
  assertEquals([isSent, far.of("POST").at(-1)!.signal.aborted], [true, true]);
  const ending = openEvents(event(answerTo(2)));
  const second = await initialized(() => ending.response);
  setTimeout(() => ending.cut(new TypeError("reset")), 0);
  await second.http.send(request(2));
  assertEquals(second.far.messages, [answerTo(2)]);
});

Deno.test("a session that is not known any more is told once, and what was refused did not run", async () => {
  const { far, http } = await initialized(() => refused(404, "gone"));
  const lost = await assertRejects(() => http.send(request(1)), SessionLostError);
  await assertRejects(() => http.send(request(2)), SessionLostError);
  assertEquals(far.log.filter((line) => line.startsWith("lost")), [`lost ${lost.message}`]);
  await http.close();
  assertEquals(far.of("DELETE"), []);
  const other = await initialized(() => refused(500, "it broke"));
  await assertRejects(() => other.http.send(request(1)), HttpStatusError);
  const first = connected();
  first.far.answer = () => refused(404, "session");
  await assertRejects(() => first.http.send(request(0, "initialize")), HttpStatusError);
});

Deno.test("a server without session ids may say that it was not initialized", async () => {
  const far = new Far(({ method, message }) =>
    method === "GET" || message.id === 0 ? json(answerTo(0)) : refused(400, "Server not initialized")
  );
  const http = far.hear(new StreamableHttp(FAR, far.fetch));
  await http.send(request(0, "initialize"));
  await assertRejects(() => http.send(request(1)), SessionLostError);
  await http.close();
  assertEquals(far.of("DELETE"), []);
});

Deno.test("a call that is withdrawn is ended here too", async () => {
  const { far, http } = await initialized(() => new Promise<Response>(() => {}));
  const sent = http.send(request(1));
  sent.catch(() => {});
  await http.send(note("notifications/cancelled", { requestId: 2 }));
  assertEquals(far.asked.find(({ message }) => message?.id === 1)!.signal.aborted, false);
  await http.send(note("notifications/other", { requestId: 1 }));
  assertEquals(far.asked.find(({ message }) => message?.id === 1)!.signal.aborted, false);
  // A request of that name withdraws nothing.
  const odd = http.send({
    jsonrpc: "2.0",
    id: 9,
    method: "notifications/cancelled",
    params: { requestId: 1 },
  });
  odd.catch(() => {});
  assertEquals(far.asked.find(({ message }) => message?.id === 1)!.signal.aborted, false);
  await http.send(note("notifications/cancelled", { requestId: 9 }));
  await http.send(note("notifications/cancelled", { requestId: 1 }));
  await assertRejects(() => sent);
});

Deno.test("closing ends everything, gives the session back and is told once", async () => {
  const stream = openEvents();
  const { far, http } = await initialized(() => new Promise<Response>(() => {}), () => stream.response);
  const sent = http.send(request(1));
  sent.catch(() => {});
  await settled();
  await http.close();
  await http.close();
  await assertRejects(() => sent);
  assertEquals([far.log, far.of("DELETE").length, far.of("DELETE")[0]!.headers.get("mcp-session-id")], [
    ["closed"],
    1,
    "s1",
  ]);
  assertEquals([http.describeEnd(), far.of("GET")[0]!.signal.aborted], ["it was stopped", true]);
  await assertRejects(() => http.send(request(2)), Error, "it was stopped");
  await settled();
  assertEquals(http.listening, "none");
});

Deno.test("a server that does not take its session back holds nobody up", async () => {
  const { far, http } = await initialized();
  const timeout = AbortSignal.timeout;
  const asked: number[] = [];
  AbortSignal.timeout = (ms) => (asked.push(ms), timeout.call(AbortSignal, 5));
  try {
    far.answer = () => new Promise<Response>(() => {});
    await http.close();
  } finally {
    AbortSignal.timeout = timeout;
  }
  assertEquals(asked, [1000]);
});

Deno.test("its own stream is listened to from its initialization on, and what is too large in it ends the connection", async () => {
  const stream = openEvents();
  const { far, http } = connected(undefined, () => stream.response);
  assertEquals(http.listening, undefined);
  await http.send(note("notifications/other"));
  assertEquals(far.of("GET"), []);
  await http.send(note("notifications/initialized"));
  await settled();
  stream.say(event(note("notifications/x")));
  await settled();
  assertEquals(far.messages, [note("notifications/x")]);
  stream.cut(new ExaiError("TOO_LARGE", "an event is too large"));
  await settled();
  assertEquals([far.log, http.describeEnd()], [
    ["error an event is too large", "closed"],
    "an event is too large",
  ]);
});

Deno.test("a stream that comes back is told, and so is one that the server knows nothing of any more", async () => {
  using _time = new HurriedTime((ms) => ms >= 1000 && ms !== 5000 && ms !== 30_000);
  let opened = 0;
  const { far, http } = await initialized(undefined, () => ++opened < 3 ? events("") : refused(404));
  for (let n = 0; n < 10; n++) await settled();
  assertEquals(far.log.map((line) => line.slice(0, 12)), ["resumed", "error it ans", "lost it does"]);
  await http.close();
});

Deno.test("a message that is none goes to the log", async () => {
  const { far, http } = await initialized(() => events("data: 1\n\n" + event(answerTo(1))));
  await http.send(request(1));
  assertMatch(far.log.at(-1)!, /^error server "far" sent a message that is none/);
});

Deno.test("whoever closes a connection waits until its session was given back", async () => {
  const given = Promise.withResolvers<Response>();
  const { far, http } = await initialized();
  far.answer = () => given.promise;
  const first = http.close();
  let isClosed = false;
  const second = http.close().then(() => isClosed = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(isClosed, false);
  given.resolve(new Response());
  await Promise.all([first, second]);
});
