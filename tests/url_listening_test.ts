import { assertEquals } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ServerEvent } from "../lib/remote/server_events.ts";
import { HttpStatusError } from "../lib/remote/http_errors.ts";
import { StandaloneStream, type StandaloneStreamOptions } from "../lib/remote/standalone_stream.ts";
import { HurriedTime } from "./helpers/hurried_time.ts";
import { settled } from "./helpers/instance.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

type Open = () => Response | Error | Promise<Response>;

/** Listens to a server that answers each opening as the next of `opens` says, and refuses with 405 after the last. */
async function heard(opens: Open[], options: Partial<StandaloneStreamOptions> = {}) {
  const log: string[] = [];
  const controller = new AbortController();
  const events: ServerEvent[] = [];
  const listening = new StandaloneStream({
    open: async (lastEventId) => {
      log.push(`open ${lastEventId ?? "-"}`);
      const answer = await (opens.shift() ?? (() => refusal(405)))();
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onEvent: (event) => void events.push(event),
    onResumed: () => void log.push("resumed"),
    onSessionLost: ({ status }) => void log.push(`lost ${status}`),
    check: () => Promise.resolve("alive"),
    onFatal: ({ code }) => void log.push(`fatal ${code}`),
    onError: (error) => void log.push(`error ${(error as Error).message.slice(0, 40)}`),
    signal: controller.signal,
    hasSession: true,
    ...options,
  });
  await listening.run();
  return { log, events, listening };
}

const refusal = (status: number, body = "") => new HttpStatusError(new Response(null, { status }), body);
const stream = (text = "") => new Response(text, { headers: { "content-type": "text/event-stream" } });
const empty: Open = () => stream();

Deno.test("a stream that ends is opened again after the last event, and what was missed is told", async () => {
  using _time = new HurriedTime();
  const { log, events, listening } = await heard([
    () => stream("id: 7\ndata: one\n\ndata: two\n\n"),
    () => new Response(null),
  ]);
  assertEquals(log, ["open -", "open 7", "resumed", "open 7", "error it answered with HTTP status 405"]);
  assertEquals([events.map(({ data }) => data), listening.state], [["one", "two"], "none"]);
});

Deno.test("the pauses grow up to half a minute, and a stream that lasted begins them anew", async () => {
  using clock = new SteadyClock();
  using time = new HurriedTime();
  const lasting: Open = () => (clock.pass(10_000), stream());
  const brief: Open = () => (clock.pass(9999), stream());
  await heard([...Array(11).fill(empty), brief, lasting, empty]);
  assertEquals(time.delaysMs.map((ms) => Math.floor(ms)), [
    1000,
    1500,
    2250,
    3375,
    5062,
    7593,
    11390,
    17085,
    25628,
    30000,
    30000,
    30000,
    1000,
    1500,
  ]);
});

Deno.test("a server that says when to come back is heeded, within half a minute", async () => {
  using time = new HurriedTime();
  await heard([
    () => stream("retry: 5000\n\n"),
    empty,
    () => stream("retry: 90000\n\n"),
    () => stream("retry: 1\n\n"),
  ]);
  assertEquals(time.delaysMs, [5000, 5000, 30_000, 3375]);
});

Deno.test("not all come back at the same moment: each pause is up to a quarter shorter", async () => {
  using time = new HurriedTime();
  Math.random = () => 0;
  await heard([empty]);
  assertEquals(time.delaysMs, [750]);
});

for (const status of [408, 429, 500, 503]) {
  Deno.test(`a stream refused with ${status} is tried again`, async () => {
    using _time = new HurriedTime();
    const { log } = await heard([() => refusal(status)]);
    assertEquals(log.filter((line) => line.startsWith("open")).length, 2);
  });
}

Deno.test("a cut is told and tried again; what cannot be got over is told and ends it", async () => {
  using _time = new HurriedTime();
  const cut = await heard([() => new Error("reset")]);
  assertEquals(cut.log.slice(0, 3), ["open -", "error reset", "open -"]);
  const fatal = await heard([() => new ExaiError("TOO_LARGE", "too much")]);
  assertEquals([fatal.log, fatal.listening.state], [["open -", "error too much", "fatal TOO_LARGE"], "none"]);
});

Deno.test("a refusal is about the session only of a stream that was open before", async () => {
  using _time = new HurriedTime();
  assertEquals((await heard([() => refusal(404)])).log, ["open -", "error it answered with HTTP status 404"]);
  const { log } = await heard([empty, () => refusal(404)]);
  assertEquals(log.slice(-2), ["error it answered with HTTP status 404", "lost 404"]);
  const without = await heard([empty, () => refusal(404)], { hasSession: false });
  assertEquals(without.log.filter((line) => line.startsWith("lost")), []);
});

Deno.test("listening ends with the connection, quietly, wherever it is", async () => {
  const controller = new AbortController();
  const never = await heard([empty], { signal: AbortSignal.abort() });
  assertEquals([never.log, never.listening.state], [[], "none"]);
  const during = await heard([() => (controller.abort(), new Error("aborted"))], {
    signal: controller.signal,
  });
  assertEquals(during.log, ["open -"]);
  const pausing = new AbortController();
  setTimeout(() => pausing.abort(), 20);
  const beganMs = performance.now();
  const { log, listening } = await heard([() => stream("retry: 20000\n\n")], { signal: pausing.signal });
  assertEquals([log, listening.state, performance.now() - beganMs < 10_000], [["open -"], "none", true]);
});

/** A stream that has ended, and waits to be opened again. */
async function waiting(clock: SteadyClock) {
  const log: string[] = [];
  const controller = new AbortController();
  const opened = Promise.withResolvers<Response>();
  const listening = new StandaloneStream({
    open: () => (log.push("open"), log.length === 1 ? opened.promise : Promise.resolve(stream())),
    onEvent: () => {},
    onResumed: () => {},
    onSessionLost: () => {},
    check: () => Promise.resolve("alive"),
    onFatal: () => {},
    onError: () => {},
    signal: controller.signal,
    hasSession: true,
  });
  assertEquals(listening.state, "opening");
  const done = listening.run();
  listening.retryNow();
  const body = Promise.withResolvers<void>();
  opened.resolve(
    new Response(
      new ReadableStream({ pull: (stream) => body.promise.then(() => stream.close()) }),
    ),
  );
  await settled();
  assertEquals(listening.state, "open");
  clock.pass(1000);
  listening.retryNow();
  body.resolve();
  await settled();
  clock.pass(-1000);
  assertEquals([listening.state, log], ["waiting", ["open"]]);
  return { listening, log, end: () => (controller.abort(), done) };
}

Deno.test("a server that answers otherwise is tried at once, but not within a second of the last time", async () => {
  using clock = new SteadyClock();
  const { listening, log, end } = await waiting(clock);
  clock.pass(999);
  listening.retryNow();
  await settled();
  assertEquals(log.length, 1);
  clock.pass(1);
  listening.retryNow();
  await settled();
  assertEquals(log.length, 2);
  await end();
  assertEquals(listening.state, "none");
});
