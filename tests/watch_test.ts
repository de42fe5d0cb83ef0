import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { LineSplitter } from "../lib/base/line_splitter.ts";
import type {
  CallsEvent,
  HelloEvent,
  SampleEvent,
  ServersEvent,
  SessionsEvent,
  WatchEvent,
} from "../lib/admin/watch_event.ts";
import { bad, heldReads, mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";

/** Reads `GET /watch` until `isWanted` says so; resolves with all lines up to there. */
async function watchUntil(
  http: string,
  isWanted: (event: WatchEvent) => boolean,
  { query = "", onLine = () => {} }: { query?: string; onLine?(event: WatchEvent): unknown } = {},
): Promise<WatchEvent[]> {
  const response = await fetch(new URL(`/watch${query}`, http));
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "application/x-ndjson");
  const events: WatchEvent[] = [];
  const lines = new LineSplitter();
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    for (const line of lines.take(part)) {
      const event = JSON.parse(line) as WatchEvent;
      events.push(event);
      await onLine(event);
      if (isWanted(event)) return events;
    }
  }
  return events;
}

function ofType<T extends WatchEvent["type"]>(events: readonly WatchEvent[], type: T) {
  return events.filter((event): event is Extract<WatchEvent, { type: T }> => event.type === type);
}

Deno.test("who watches is told which daemon it is, and all there is, first", async () => {
  using _reads = heldReads();
  await using it = await mountingDaemon({ silent: bad("ok") });
  using client = await RawClient.hello(it.url, { client: "one" });
  const events = await watchUntil(it.http, ({ type }) => type === "notice");
  const [hello, servers, sessions, calls] = events as [HelloEvent, ServersEvent, SessionsEvent, CallsEvent];
  assertEquals(hello.type, "hello");
  assertEquals(hello.pid, Deno.pid);
  assertEquals(hello.address.url, it.url);
  assertEquals([servers.type, servers.whole, Object.keys(servers.rows)], ["servers", true, ["silent"]]);
  assertEquals(servers.rows.silent!.state, "not started");
  assertEquals([sessions.type, sessions.whole], ["sessions", true]);
  assertEquals(Object.keys(sessions.rows), [client.ack.session_id]);
  assertEquals([calls.type, calls.whole, calls.calls], ["calls", true, []]);
  const times = events.map((event) => (event as JsonObject).at_ms as number);
  assertEquals(times, times.toSorted((a, b) => a - b));
  await client.close();
});

Deno.test("a call is told when it begins and when it ends, and a server when it starts", async () => {
  using _reads = heldReads();
  await using it = await mountingDaemon({ ok: bad("ok") });
  using client = await RawClient.hello(it.url);
  let answer: Promise<JsonObject> | undefined;
  const events = await watchUntil(
    it.http,
    (event) => event.type === "calls" && event.calls.some(({ outcome }) => outcome === "CANCELLED"),
    {
      async onLine(event) {
        if (event.type === "notice") answer = client.call("ok_hold");
        if (event.type !== "servers" || event.whole) return;
        const [row] = Object.values(event.rows);
        if (row?.inflight !== 1) return;
        const { calls } = await (await fetch(new URL("/calls?outcome=running", it.http))).json();
        await (await fetch(new URL(`/cancel?id=${calls[0].id}`, it.http), { method: "POST" })).body?.cancel();
      },
    },
  );
  const calls = ofType(events, "calls").flatMap((event) => event.calls).filter(({ tool }) =>
    tool === "ok_hold"
  );
  assertEquals(calls[0]!.outcome, "running");
  assertEquals(calls.at(-1)!.outcome, "CANCELLED");
  assertEquals(new Set(calls.map(({ id }) => id)).size, 1);
  assert(calls.some(({ server }) => server === "ok"));
  const rows = ofType(events, "servers").flatMap((event) => Object.entries(event.rows));
  const running = rows.find(([, row]) => row.state === "running")!;
  assertEquals(running[0], `ok#${running[1].share_key}`);
  assertEquals(running[1].sessions, [client.ack.session_id]);
  assert(ofType(events, "servers").some(({ gone }) => gone.includes("ok")));
  await answer;
  await client.close();
});

Deno.test("samples hold what calls took and what processes hold, measured", async () => {
  await using it = await mountingDaemon({ ok: bad("ok") });
  using one = await RawClient.hello(it.url, { pid: Deno.pid });
  using two = await RawClient.hello(it.url);
  for (const client of [one, two]) await client.call("ok_echo", { text: "hi" });
  const events = await watchUntil(it.http, ({ type }) => type === "sample", {
    async onLine({ type }) {
      if (type === "notice") {
        for (const client of [one, two]) await client.call("ok_echo", { text: "hi" });
      }
    },
  });
  const sample = ofType(events, "sample").at(-1)! as SampleEvent;
  assertEquals([sample.calls, sample.failed, sample.windows], [2, 0, 2]);
  assert(sample.p50_ms! > 0 && sample.p95_ms! >= sample.p50_ms!);
  assert(sample.interval_ms >= 2000);
  const { memory, saved } = sample;
  assert(memory.servers! > 10e6, `${memory.servers} bytes`);
  assertEquals([memory.processes, memory.shims_measured], [1, 1]);
  // Two windows share one process; the daemon, its watchdog and the one shim that is known are taken off.
  assertEquals(saved.processes, 1 - (Deno.build.os === "windows" ? 2 : 3));
  assertEquals(saved.counted, Deno.build.os === "linux" ? "private" : "resident");
  assert(saved.bytes! < memory.servers!);
  assertStringIncludes(saved.note!, "of 1 of 2 sessions");
  await Promise.all([one.close(), two.close()]);
});

/** What the log of a server has when its process is gone. */
const isOfEnd = (line: string) => line.includes("(") && !line.includes("(started)");

Deno.test("the log of a server is told as it is written", async () => {
  await using it = await mountingDaemon({ ok: bad("ok") });
  using client = await RawClient.hello(it.url);
  await client.call("ok_echo", { text: "hi" });
  const events = await watchUntil(
    it.http,
    (event) => event.type === "log" && event.lines.some(isOfEnd),
    {
      query: "?log=ok",
      async onLine(event) {
        if (event.type !== "log" || !event.lines.some((line) => line.includes("(started)"))) return;
        await (await fetch(new URL("/kill?what=upstream&id=ok", it.http), { method: "POST" })).body?.cancel();
      },
    },
  );
  assert(ofType(events, "log").length >= 1);
  assertEquals(await statusOf(it.http, "?log=nothing"), 404);
  assertEquals(await statusOf(it.http, "?log=../../etc/passwd"), 404);
  assertEquals(await statusOf(it.http, "?logs=ok"), 400);
  await client.close();
});

async function statusOf(http: string, query: string): Promise<number> {
  const { status, body } = await fetch(new URL(`/watch${query}`, http));
  await body?.cancel();
  return status;
}
