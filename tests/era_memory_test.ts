import { assertEquals } from "@std/assert";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { SqliteServerLists } from "../lib/state/saved_lists.ts";
import { EraMemory } from "../lib/upstream/era_memory.ts";

const HOUR_MS = 3_600_000;

const STDIO = {
  kind: "stdio",
  name: "a",
  title: "a",
  command: "x",
  args: [],
  env: {},
} as unknown as ServerConfig;

Deno.test("the era of a server is remembered by what its configuration starts, one of the legacy era for a day", () => {
  using store = new SqliteServerLists(":memory:");
  const memory = new EraMemory(STDIO, store);
  assertEquals(memory.known(0), { is: "unknown" });
  memory.found("legacy", 0);
  assertEquals(memory.known(23 * HOUR_MS), { is: "remembered", era: "legacy" });
  assertEquals(memory.known(24 * HOUR_MS), { is: "unknown" });
  // The clock was set back.
  assertEquals(memory.known(-1), { is: "unknown" });
  memory.found("modern", 0);
  const renamed = new EraMemory({ ...STDIO, name: "b", title: "b" }, store);
  assertEquals(renamed.known(9000 * HOUR_MS), { is: "remembered", era: "modern" });
  assertEquals(new EraMemory({ ...STDIO, args: ["y"] } as ServerConfig, store).known(0), { is: "unknown" });
  memory.found(undefined);
  assertEquals(renamed.known(0), { is: "unknown" });
});

Deno.test("what the configuration says goes before what is remembered", () => {
  using store = new SqliteServerLists(":memory:");
  new EraMemory(STDIO, store).found("modern");
  const memory = new EraMemory({ ...STDIO, era: "legacy" }, store);
  assertEquals(memory.known(), { is: "configured", era: "legacy" });
  const sse = { kind: "sse", name: "a", title: "a", url: "http://a", headers: {} } as unknown as ServerConfig;
  assertEquals(new EraMemory(sse, store).known(), { is: "configured", era: "legacy" });
  assertEquals(new EraMemory(STDIO).known(), { is: "unknown" });
});

Deno.test("what ended at whatever it was asked is taken for of the legacy era until it has started", () => {
  using store = new SqliteServerLists(":memory:");
  new EraMemory(STDIO, store).found("modern");
  const memory = new EraMemory(STDIO, store);
  memory.presumeLegacy(true);
  assertEquals(memory.known(), { is: "presumed", era: "legacy" });
  assertEquals(new EraMemory(STDIO, store).known(), { is: "remembered", era: "modern" }, "it is not kept");
  memory.presumeLegacy(false);
  assertEquals(memory.known(), { is: "remembered", era: "modern" });
});

Deno.test("the era of a server is remembered by account", () => {
  using store = new SqliteServerLists(":memory:");
  const memory = new EraMemory(STDIO, store);
  memory.found("modern");
  assertEquals(memory.of("default").known(), { is: "remembered", era: "modern" });
  assertEquals(memory.of("work").known(), { is: "unknown" });
  memory.of("work").found("legacy");
  const next = new EraMemory(STDIO, store);
  assertEquals(next.of("work").known(), { is: "remembered", era: "legacy" });
  assertEquals(next.of(undefined).known(), { is: "remembered", era: "modern" });
});
