import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { askDaemon, followDaemon } from "../lib/client/daemon_client.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { answerCommand } from "../lib/session/command_request.ts";
import type { ChannelEnd, FrameChannel } from "../lib/transport/channel.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";

const DEADLINE_MS = 10_000;
const token = "correct-horse-battery";
const COMMAND = { op: "request", method: "GET", path: "/x" } as const;

for (const socket of Deno.build.os === "windows" ? ["off"] : ["off", "auto"]) {
  const way = socket === "off" ? "address" : "socket";
  Deno.test(`with a token, commands are answered through the ${way}, and calls are followed until the end`, async () => {
    await using it = await testDaemon({ settings: { token, socket } });
    const settings = defaultSettings({ home: it.home, port: 0, token, socket });
    assert(Array.isArray((await askDaemon(settings, "/status")).sessions));
    assertEquals(it.daemon.health().sessions, 0, "a command has no session");
    const lines = followDaemon(settings, "/calls/follow?tool=version");
    const first = lines.next();
    using client = await RawClient.hello(it.url, { token });
    // The first that ends after the follower has come.
    let seen = false;
    void first.then(() => seen = true);
    const calling = async () => {
      while (!seen) await client.call("version");
    };
    await deadline(calling(), DEADLINE_MS);
    assertEquals(JSON.parse((await first).value!).tool, "version");
    const rest = (async () => {
      while (!(await lines.next()).done);
    })();
    await it.daemon.stop();
    await deadline(rest, DEADLINE_MS);
  });
}

Deno.test("a command for what is not there, or with a wrong method, is told so by the daemon", async () => {
  await using it = await testDaemon({ settings: { token } });
  const settings = defaultSettings({ home: it.home, port: 0, token });
  for (const path of ["/nowhere", "/mcp", "//evil.example/status"]) {
    const error = await assertRejects(() => askDaemon(settings, path), ExaiError);
    assertEquals(error.code, path === "//evil.example/status" ? error.code : "RESOURCE_NOT_FOUND", path);
  }
  const error = await assertRejects(() => askDaemon(settings, "/reload"), ExaiError);
  assert(error.message.includes("takes POST only"), error.message);
});

/** A connection whose peer reads when it is told to. */
class SlowChannel implements FrameChannel {
  queuedBytes = 0;
  readonly bytesIn = 0;
  readonly bytesOut = 0;
  readonly frames: JsonObject[] = [];
  closed: number | undefined;
  onclose?: (end: ChannelEnd) => void;

  constructor(readonly countsUnread: boolean) {}

  send(text: string): void {
    if (this.countsUnread) this.queuedBytes += text.length;
    this.frames.push(JSON.parse(text));
  }

  close(code: number): void {
    this.closed = code;
  }

  get text(): string {
    return this.frames.flatMap(({ op, text }) => op === "response_part" ? [text] : []).join("");
  }
}

Deno.test("a long answer comes in parts, whole, whatever its characters", async () => {
  const text = "é🙂x".repeat(400_000);
  const channel = new SlowChannel(false);
  const hooks = { command: () => Promise.resolve(new Response(text, { status: 418 })) };
  await answerCommand(channel, COMMAND, { hooks, token: undefined, isOwner: true });
  assertEquals(channel.frames[0], { op: "response", status: 418 });
  assertEquals([channel.frames.at(-1)?.op, channel.closed], ["response_end", 1000]);
  assert(channel.text === text);
});

Deno.test("no more of an answer is sent than is read, and who leaves ends the work behind it", async () => {
  const channel = new SlowChannel(true);
  const cancelled = Promise.withResolvers<void>();
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(1024 * 1024).fill(120)),
    cancel: () => cancelled.resolve(),
  });
  const hooks = { command: () => Promise.resolve(new Response(endless)) };
  const answering = answerCommand(channel, COMMAND, { hooks, token: undefined, isOwner: true });
  const deadlineMs = performance.now() + DEADLINE_MS;
  while (channel.queuedBytes <= 4 * 1024 * 1024) {
    assert(performance.now() < deadlineMs, `only ${channel.queuedBytes} bytes were sent`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { length } = channel.frames;
  channel.onclose?.({ code: 1006, wasClean: false });
  await deadline(Promise.all([answering, cancelled.promise]), DEADLINE_MS);
  assertEquals(channel.frames.length, length, "nothing more was sent");
  assert(channel.queuedBytes < 6 * 1024 * 1024, `${channel.queuedBytes}`);
});

Deno.test("who leaves while nothing comes ends the work behind its command, and is not written to", async () => {
  const channel = new SlowChannel(false);
  const cancelled = Promise.withResolvers<void>();
  const silent = new ReadableStream<Uint8Array>({ cancel: () => cancelled.resolve() });
  const hooks = { command: () => Promise.resolve(new Response(silent)) };
  const answering = answerCommand(channel, COMMAND, { hooks, token: undefined, isOwner: true });
  await new Promise((resolve) => setTimeout(resolve, 0));
  channel.onclose?.({ code: 1006, wasClean: false });
  await deadline(Promise.all([answering, cancelled.promise]), DEADLINE_MS);
  assertEquals([channel.frames.length, channel.closed], [1, undefined]);
});

Deno.test("no part of an answer is empty", async () => {
  const channel = new SlowChannel(false);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(new Uint8Array(256 * 1024).fill(120));
      controller.close();
    },
  });
  const hooks = { command: () => Promise.resolve(new Response(body)) };
  await answerCommand(channel, COMMAND, { hooks, token: undefined, isOwner: true });
  assertEquals(channel.frames.map(({ op }) => op), ["response", "response_part", "response_end"]);
});
