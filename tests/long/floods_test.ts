import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { InboundQueue } from "../../lib/session/inbound_queue.ts";
import type { UrlServerConfig } from "../../lib/config/server_config.ts";
import { MIB } from "../../lib/base/units.ts";
import { LineSource } from "../../lib/transport/line_source.ts";
import { connectUrl } from "../../lib/remote/url_transport.ts";
import type { RpcResponse } from "../../lib/wire/rpc.ts";
import { receive } from "../helpers/inbound.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { FAR } from "../helpers/far_server.ts";
import { testHost } from "../helpers/processes.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const MESSAGES = 100_000;
/** Each is read by itself, which takes longer. */
const EVENTS = 20_000;
/** How often a neighbour is answered meanwhile at least; held up, it is some three times. */
const MIN_ANSWERS = 8;

/** What one message costs in the tests that count portions. */
const WORK_MS = 0.02;
/** Some times what a slice of 5 ms has room for. */
const MAX_PORTION = 2000;

const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}';
/** An answer to a request nobody has made. */
const STRAY = '{"jsonrpc":"2.0","id":"nobody asked","result":{}}';

/** How often a window at `url` is answered, one request after the other, until `flood` is over. */
async function answersDuring(url: string, flood: () => Promise<unknown>): Promise<number> {
  using neighbour = await RawClient.hello(url);
  let answers = 0;
  let isOver = false;
  const flooded = flood().finally(() => isOver = true);
  while (!isOver) {
    await neighbour.ask({ jsonrpc: "2.0", id: answers, method: "ping" });
    if (!isOver) answers++;
  }
  await flooded;
  return answers;
}

/** The most messages that came in between two turns of the event loop, each of them taking its time. */
class Portions implements Disposable {
  all = 0;
  longest = 0;
  #run = 0;
  readonly #timer = setInterval(() => this.#run = 0, 0);

  take(): void {
    this.all++;
    this.longest = Math.max(this.longest, ++this.#run);
    for (const untilMs = performance.now() + WORK_MS; performance.now() < untilMs;);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

Deno.test("a server that floods its stdout and ends is taken in portions, in order, to its last line", async () => {
  await using host = testHost();
  const script = `import sys
sys.stdout.write("".join('{"jsonrpc":"2.0","id":%d,"result":{}}\\n' % i for i in range(${MESSAGES})))`;
  const command = Deno.build.os === "windows" ? "python" : "python3";
  const process = await host.spawn({ name: "f", title: "f", command, args: ["-c", script], env: {} });
  using portions = new Portions();
  process.onmessage = (message) => {
    assertEquals((message as RpcResponse).id, portions.all);
    portions.take();
  };
  await process.start();
  await process.closed;
  assertEquals(portions.all, MESSAGES);
  assertLess(portions.longest, MAX_PORTION);
});

for (const kind of ["events", "batch"] as const) {
  Deno.test(`a flood of a server behind a URL, as ${kind}, is taken in portions`, async () => {
    const [first, stray] = [ANSWER, STRAY].map((text) => kind === "events" ? `data: ${text}\n\n` : text);
    const strays = kind === "events" ? EVENTS : MESSAGES;
    const body = kind === "events"
      ? first! + stray!.repeat(strays)
      : `[${first},${Array(strays).fill(stray)}]`;
    const type = kind === "events" ? "text/event-stream" : "application/json";
    await using server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response(body, { headers: { "content-type": type } }),
    );
    const url = `http://127.0.0.1:${server.addr.port}/`;
    const config = { ...FAR, url } as UrlServerConfig;
    const transport = connectUrl(config, { maxMessageBytes: 64 * MIB });
    using portions = new Portions();
    transport.onmessage = () => portions.take();
    await transport.start();
    await transport.send({ jsonrpc: "2.0", id: 1, method: "ping" });
    await until("all of it", () => portions.all === strays + 1 || undefined);
    assertLess(portions.longest, MAX_PORTION);
    await transport.close();
  });
}

Deno.test("what a window's editor writes at once to the shim's stdin is taken in portions, the reading held up", async () => {
  using portions = new Portions();
  const chunk = new TextEncoder().encode(`${STRAY}\n`.repeat(1000));
  let isTaking = false;
  const source = new LineSource({
    async readAll(take) {
      for (let at = 0; at < 100; at++) {
        assertEquals(isTaking, false);
        const wait = take(chunk);
        isTaking = wait !== undefined;
        if (wait) await wait;
        isTaking = false;
      }
    },
  }, { maxLineBytes: MIB });
  source.on("data", () => portions.take());
  await source.run();
  assertEquals(portions.all, MESSAGES);
  assertLess(portions.longest, MAX_PORTION);
});

Deno.test("of a flood no more than so much waits: beyond it the oldest are taken at once, in order", async () => {
  const taken: string[] = [];
  let most = 0;
  let waiting = 0;
  const handle = (text: string) => {
    taken.push(text);
    for (const untilMs = performance.now() + WORK_MS; performance.now() < untilMs;);
  };
  const intake = new InboundQueue({
    handle,
    onSizeChange: (chars) => most = Math.max(most, waiting += chars),
    maxChars: 5000,
  });
  const sent = Array.from({ length: 20_000 }, (_, at) => String(at).padStart(10));
  for (const text of sent) receive(intake, handle, text);
  assertLess(taken.length, sent.length);
  await until("all of it", () => taken.length === sent.length || undefined);
  assertEquals(taken, sent);
  assertLess(most, 5020);
  assertEquals(waiting, 0);
});

for (const linesPerFrame of [1, 1000]) {
  Deno.test(`while a window sends a flood, ${linesPerFrame} in a frame, others are answered, and all of its own in order`, async () => {
    await using it = await testDaemon();
    const flooder = await RawClient.hello(it.url, { lines: true });
    const ids: number[] = [];
    const done = Promise.withResolvers<void>();
    flooder.socket.onmessage = ({ data }) => {
      for (const line of data.split("\n")) ids.push(JSON.parse(line).id);
      if (ids.length === MESSAGES) done.resolve();
    };
    const answers = await answersDuring(it.url, async () => {
      for (let id = 0; id < MESSAGES; id += linesPerFrame) {
        const lines = Array.from(
          { length: linesPerFrame },
          (_, at) => JSON.stringify({ jsonrpc: "2.0", id: id + at, method: "ping" }),
        );
        flooder.send(lines.join("\n"));
      }
      await done.promise;
    });
    assertGreater(answers, MIN_ANSWERS);
    assert(ids.every((id, at) => id === at));
    await flooder.close();
  });
}
