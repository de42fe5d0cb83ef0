import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { ExaiError } from "../../lib/base/errors.ts";
import { ProcessHost } from "../../lib/process/process_host.ts";
import type { KnownEra } from "../../lib/upstream/instance/link/find_era.ts";
import { startSpoken } from "../../lib/upstream/start_spoken.ts";
import type { Era } from "../../lib/wire/client_claim.ts";

const FIXTURE = fromFileUrl(new URL("../fixtures/era_server.ts", import.meta.url));

const INITIALIZED: JsonObject = {
  result: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "old", version: "1" },
  },
};
const DISCOVERED: JsonObject = {
  result: {
    resultType: "complete",
    supportedVersions: ["2026-07-28"],
    capabilities: { tools: {}, tasks: {} },
    instructions: "be brief",
    _meta: { "io.modelcontextprotocol/serverInfo": { name: "new", version: "2" } },
  },
};
const UNKNOWN: JsonObject = { error: { code: -32601, message: "no such method" } };

interface Behaviour {
  discover?: unknown;
  initialize?: unknown;
  startMs?: number;
  isLoud?: boolean;
}

/** Starts a server that behaves so; what it was, what it read, how often it was started, and what was learned. */
async function started(
  behaviour: Behaviour,
  { known = { is: "unknown" }, startTimeoutMs = 30_000 }: { known?: KnownEra; startTimeoutMs?: number } = {},
) {
  const seen = await Deno.makeTempFile();
  const found: (Era | undefined)[] = [];
  let starts = 0;
  await using host = new ProcessHost({
    env: Deno.env.toObject(),
    limits: { closeGraceMs: 50, termGraceMs: 50 },
  });
  const connect = () => {
    starts++;
    const script = { discover: UNKNOWN, initialize: INITIALIZED, ...behaviour, seen };
    const args = ["run", "-A", "--no-check", FIXTURE, JSON.stringify(script)];
    return host.spawn({ name: "it", title: "it", command: Deno.execPath(), args, env: {} });
  };
  const read = async () => (await Deno.readTextFile(seen)).trim().split("\n");
  try {
    const parts = {
      connect,
      eras: {
        known: () => known,
        found: (era: Era | undefined) => void found.push(era),
        presumeLegacy: () => {},
      },
      signal: new AbortController().signal,
    };
    await using instance = await startSpoken(await connect(), parts, {
      name: "it",
      clientInfo: { name: "exai", version: "1" },
      capabilities: {},
      roots: "none",
      startTimeoutMs,
      refusalAdvice: "",
      onListChanged: () => {},
    });
    const { era, revision } = instance.speaks;
    const tools = (await instance.lists.get("tools")).length;
    return { era, revision, tools, starts, found, description: instance.description, read: await read() };
  } catch (thrown) {
    if (thrown instanceof Error) Object.assign(thrown, { starts, found });
    throw thrown;
  } finally {
    await Deno.remove(seen);
  }
}

Deno.test("a server of the legacy era costs one request more at its first start, and none later", async () => {
  const first = await started({});
  assertEquals([first.era, first.revision, first.starts, first.found], ["legacy", "2025-11-25", 1, [
    "legacy",
  ]]);
  assertEquals(first.read.slice(0, 3), ["server/discover", "initialize", "notifications/initialized"]);
  const later = await started({}, { known: { is: "remembered", era: "legacy" } });
  assertEquals(later.read.slice(0, 2), ["initialize", "notifications/initialized"]);
  assertEquals(later.found, []);
});

Deno.test("a server of the modern era is asked once, and described as others are", async () => {
  for (const known of [{ is: "unknown" }, { is: "remembered", era: "modern" }] as const) {
    const it = await started({ discover: DISCOVERED, initialize: UNKNOWN }, { known });
    assertEquals([it.era, it.revision, it.tools, it.starts], ["modern", "2026-07-28", 1, 1]);
    assertEquals(it.read, ["server/discover", "tools/list"]);
    assertEquals(it.found, known.is === "unknown" ? ["modern"] : []);
    assertEquals(it.description, {
      protocolVersion: "2025-11-25",
      capabilities: { tools: {} },
      serverInfo: { name: "new", version: "2" },
      instructions: "be brief",
    });
  }
});

Deno.test("whatever a server answers that is not of the modern era, it is initialized", async () => {
  const invalid = { error: { code: -32602, message: "invalid" } };
  for (const discover of [invalid, { error: { code: -32000, message: "not initialized" } }, { result: {} }]) {
    const it = await started({ discover });
    assertEquals([it.era, it.starts, it.found], ["legacy", 1, ["legacy"]]);
  }
});

Deno.test("a server that ends, or closes its pipe, at a message it does not know is started once more", async () => {
  for (const discover of ["exit", "close"]) {
    const it = await started({ discover });
    assertEquals([it.era, it.starts, it.found], ["legacy", 2, ["legacy"]]);
    assertEquals(it.read.filter((method) => method === "server/discover").length, 1);
  }
});

Deno.test("a server that ends at every message is started twice, and its end is told", async () => {
  const failure = await assertRejects(
    () => started({ discover: "exit", initialize: "exit" }),
    ExaiError,
    "exited",
  );
  assertEquals((failure as unknown as { starts: number }).starts, 2);
});

Deno.test("a server that answers nothing before initialize gets it, without being started again", async () => {
  for (const isLoud of [false, true]) {
    const it = await started({ discover: "silent", isLoud }, { startTimeoutMs: 8000 });
    assertEquals([it.era, it.starts, it.found], ["legacy", 1, ["legacy"]]);
    assertEquals(it.read.slice(0, 2), ["server/discover", "initialize"]);
  }
});

Deno.test("a server of the modern era that starts slowly is not taken for one of the legacy era", async () => {
  const behaviour = { discover: DISCOVERED, initialize: UNKNOWN, startMs: 2500 };
  for (const isLoud of [false, true]) {
    const it = await started({ ...behaviour, isLoud }, { startTimeoutMs: 8000 });
    assertEquals([it.era, it.starts, it.found], ["modern", 1, ["modern"]]);
    assert(it.read.includes("server/discover"));
  }
});

Deno.test("a slow server of the modern era that leaves initialize unanswered is waited for no longer than that", async () => {
  const behaviour = { discover: DISCOVERED, initialize: "silent", startMs: 2500, isLoud: true };
  const it = await started(behaviour, { startTimeoutMs: 8000 });
  assertEquals([it.era, it.found], ["modern", ["modern"]]);
});

Deno.test("a slow server of both eras runs as it was initialized, and the next start is of the modern era", async () => {
  const behaviour = { discover: DISCOVERED, startMs: 2500, isLoud: true };
  const it = await started(behaviour, { startTimeoutMs: 8000 });
  assertEquals([it.era, it.starts, it.found.at(-1)], ["legacy", 1, "modern"]);
  const known: KnownEra = { is: "remembered", era: "modern" };
  const next = await started(behaviour, { known, startTimeoutMs: 8000 });
  assertEquals([next.era, next.read.includes("initialize")], ["modern", false]);
});

Deno.test("a server that speaks another revision is asked in it, initialized in an older one, or refused", async () => {
  const refusal = (...supported: string[]) => ({
    error: { code: -32022, message: "unsupported", data: { supported, requested: "2026-07-28" } },
  });
  const older = await started({ discover: refusal("2025-11-25") });
  assertEquals([older.era, older.found], ["legacy", ["legacy"]]);
  const message = "it speaks MCP 2031-01-01; EXAI speaks 2026-07-28, 2025-11-25";
  await assertRejects(() => started({ discover: refusal("2031-01-01") }), ExaiError, message);
  await assertRejects(() => started({ discover: refusal("2026-07-28") }), ExaiError, "and refuses it");
  const missing = { error: { code: -32021, message: "say more", data: { requiredCapabilities: {} } } };
  await assertRejects(
    () => started({ discover: missing }),
    ExaiError,
    "it refused server/discover: say more",
  );
});

Deno.test("what was remembered and is wrong is forgotten, and found out anew", async () => {
  const updated = await started(
    { discover: DISCOVERED, initialize: UNKNOWN },
    { known: { is: "remembered", era: "legacy" } },
  );
  assertEquals([updated.era, updated.starts, updated.found], ["modern", 1, [undefined, "modern"]]);
  const ended = await started(
    { discover: DISCOVERED, initialize: "exit" },
    { known: { is: "remembered", era: "legacy" } },
  );
  assertEquals([ended.era, ended.starts, ended.found], ["modern", 2, [undefined, "modern"]]);
  const older = await started({}, { known: { is: "remembered", era: "modern" } });
  assertEquals([older.era, older.starts, older.found], ["legacy", 1, ["legacy"]]);
});

Deno.test("a server is spoken with in no other way than its configuration says", async () => {
  const legacy = await started({ discover: DISCOVERED }, { known: { is: "configured", era: "legacy" } });
  assertEquals([legacy.era, legacy.read[0], legacy.found], ["legacy", "initialize", []]);
  const known: KnownEra = { is: "configured", era: "modern" };
  const modern = await started({ discover: DISCOVERED }, { known });
  assertEquals([modern.era, modern.found], ["modern", []]);
  await assertRejects(() => started({}, { known }), ExaiError, "take era out of its entry, or write legacy");
});
