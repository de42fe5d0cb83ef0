import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Settings } from "../lib/config/settings.ts";
import type { WatchEvent } from "../lib/admin/watch_event.ts";
import { Feed } from "../lib/commands/top/feed.ts";
import { PLAIN } from "../lib/commands/top/paint.ts";
import type { KeyPress } from "../lib/commands/top/press.ts";
import { Top } from "../lib/commands/top/run.ts";
import { watchLines } from "../lib/commands/top/terminal_run.ts";
import { hello, SCENE, serverRow, servers } from "./helpers/watch_scene.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";
import { until } from "./helpers/until.ts";

/** A queue that is read as it is filled; `fail` breaks it off. */
class Lines<T> {
  readonly #stream: ReadableStream<T>;
  #controller!: ReadableStreamDefaultController<T>;

  constructor(...first: T[]) {
    this.#stream = new ReadableStream({ start: (controller) => void (this.#controller = controller) });
    this.add(...first);
  }

  add(...more: T[]): void {
    for (const one of more) this.#controller.enqueue(one);
  }

  fail(error: Error): void {
    this.#controller.error(error);
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#stream.values();
  }
}

const linesOf = (...events: WatchEvent[]) => new Lines(...events.map((event) => JSON.stringify(event)));

/** `top` on a screen that is a text, with the streams of a daemon in the order it asks for them. */
async function running(streams: (Lines<string> | Error)[], ask: (path: string) => Promise<JsonObject>) {
  const keys = new Lines<KeyPress>();
  const followed: (string | undefined)[] = [];
  const it = { text: "", followed };
  /** What was drawn since the picture that was seen last, and that. */
  const drawn: string[] = [];
  const ended = new AbortController();
  const top = new Top({
    follow: (log) => {
      followed.push(log);
      const next = streams.shift() ?? new Error("nobody listens");
      return next instanceof Error ? failing(next) : next;
    },
    ask,
  }, { end: ended.signal, paint: PLAIN });
  await top.start();
  const shown = top.show({
    size: { columns: 80, rows: 24 },
    draw: (lines) => {
      it.text = lines.map((line) => line.trimEnd()).join("\n");
      drawn.push(it.text);
    },
    clear() {},
    keys: () => keys,
  });
  return Object.assign(it, {
    press: (...pressed: string[]) =>
      keys.add(...pressed.map((name) => ({ name, sequence: name, ctrl: false }))),
    /** Some are there for a moment only. */
    sees: (pattern: RegExp) =>
      until(`${pattern}`, () => {
        const seen = drawn.findIndex((text) => pattern.test(text));
        return seen < 0 ? undefined : drawn.splice(0, seen);
      }),
    async [Symbol.asyncDispose]() {
      ended.abort();
      await shown;
    },
  });
}

// deno-lint-ignore require-yield
async function* failing(error: Error): AsyncGenerator<string> {
  await Promise.resolve();
  throw error;
}

Deno.test("a stream that ends is begun again, with what is shown marked until then, and a daemon that is another begins anew", async () => {
  using _clock = new SteadyClock();
  const first = linesOf(...SCENE);
  const second = linesOf(hello("2026-11-28T10:00:00.000Z"), servers(serverRow("other")));
  await using top = await running(
    [first, new Error("connection refused"), second],
    () => Promise.resolve({}),
  );
  await top.sees(/^> files/m);
  first.fail(new Error("cut off"));
  await top.sees(/^! no daemon, all below is .* old, tried again in 1 s: cut off[^]*^> files/m);
  await top.sees(/: connection refused$/m);
  await top.sees(/^exai 1\.2\.3[^]*^> other/m);
  assertEquals(top.followed, [undefined, undefined, undefined]);
});

Deno.test("a log that is chosen is followed with the same stream, and one that is not there says so", async () => {
  const withLog = linesOf(...SCENE, { type: "log", at_ms: 0, lines: ["it has begun"] });
  const none = new ExaiError("RESOURCE_NOT_FOUND", "there is no server files");
  await using top = await running(
    [linesOf(...SCENE), withLog, none, linesOf(...SCENE)],
    () => Promise.resolve({}),
  );
  await top.sees(/^> files/m);
  top.press("l");
  await top.sees(/\[4 log\] {2}files\n {2}it has begun$/m);
  top.press("d");
  await top.sees(/there is no server files/);
  await until("it goes on without a log", () => top.followed.length === 4 || undefined);
  assertEquals(top.followed, [undefined, "files", "daemon", undefined]);
});

Deno.test("what the daemon refuses is said, and a call is shown in full with what it has recorded", async () => {
  const asked: string[] = [];
  await using top = await running([linesOf(...SCENE)], (path) => {
    asked.push(path);
    if (path.startsWith("/calls")) return Promise.resolve({ call: { id: "c-2", request: '{"path":\n"x"}' } });
    if (path.startsWith("/servers/stop")) return Promise.resolve({ failed: ["files is not there any more"] });
    return Promise.reject(new ExaiError("RESOURCE_NOT_FOUND", "files does not run"));
  });
  top.press("r", "y");
  await top.sees(/^files does not run$/m);
  top.press("s", "y");
  await top.sees(/^files is not there any more$/m);
  top.press("1", "return");
  await top.sees(/^request +\{"path":\n +"x"\}$/m);
  assertMatch(top.text, /^call c-2\n/);
  assertEquals(asked, [
    "/servers/restart?name=files&key=a1",
    "/servers/stop?name=files&key=a1",
    "/calls?id=c-2",
  ]);
});

Deno.test("a daemon that is not there is said before the terminal is taken", async () => {
  const gone = new ExaiError("DAEMON_UNAVAILABLE", "nobody listens");
  const start = () => running([gone], () => Promise.resolve({}));
  assertEquals((await assertRejects(start, ExaiError)).message, "nobody listens");
});

Deno.test("a daemon that is too old to be watched is said, and what to do about it", async () => {
  const old = () => failing(new ExaiError("RESOURCE_NOT_FOUND", "there is no /watch"));
  const settings = { home: "/nowhere" } as Settings;
  const error = await assertRejects(() => watchLines(settings, undefined, undefined, old).next(), ExaiError);
  assertEquals(error.code, "DAEMON_UNAVAILABLE");
  assertMatch(error.message, /older than this program/);
});

/** A feed of streams that say what they have and then nothing, and how many of them are open. */
function silentStreams(lines: readonly string[], silentMs?: number) {
  const it = { begun: 0, open: 0, lost: "" };
  const feed = new Feed({
    async *follow(_, signal) {
      it.begun++;
      it.open++;
      signal.addEventListener("abort", () => it.open--);
      yield* lines;
      await new Promise(() => {});
    },
    onEvent() {},
    onContact: () => it.lost = feed.contact.lost?.why ?? "",
    onNoLog() {},
    silentMs,
  });
  return Object.assign(it, { feed });
}

Deno.test("a stream that is not read any more is closed, also where it says nothing", async () => {
  const it = silentStreams([JSON.stringify(hello())]);
  await it.feed.start();
  for (const log of ["a", "b", "c"]) it.feed.followLog(log);
  assertEquals([it.begun, it.open], [4, 1]);
  it.feed[Symbol.dispose]();
  assertEquals(it.open, 0);
});

Deno.test("a daemon that is there again is asked again soon after its next end", async () => {
  const waits: number[] = [];
  let begun = 0;
  using feed: Feed = new Feed({
    async *follow() {
      // Once it is not there for long, and then it comes and goes.
      if (++begun > 1 && begun < 8) throw new Error("nobody listens");
      yield JSON.stringify(hello());
      await Promise.resolve();
    },
    onEvent() {},
    onContact: () => void waits.push(feed.contact.lost!.retryAtMs),
    onNoLog() {},
    // Contact is told by another line.
    now: () => begun / 1e6,
    retry: { minMs: 0.1, maxMs: 10 },
  });
  await feed.start();
  await until("it went ten times", () => waits.length >= 12 || undefined);
  assert(Math.max(...waits.slice(8)) < 1, JSON.stringify(waits));
  assert(Math.max(...waits.slice(0, 8)) > 1, JSON.stringify(waits));
});

Deno.test("a stream that says nothing for long is closed and begun anew", async () => {
  const it = silentStreams([JSON.stringify(hello())], 5);
  await it.feed.start();
  await until("it is given up", () => it.lost || undefined);
  assertEquals([it.lost, it.begun, it.open], ["the daemon says nothing", 1, 0]);
  it.feed[Symbol.dispose]();
});
