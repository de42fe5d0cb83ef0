import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { MemoryWindow } from "./helpers/memory_window.ts";
import { modernRequest } from "./helpers/modern.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { modernHeaders } from "./helpers/raw_modern.ts";

/** How long the clients that probe for the era wait for an answer, and some time for the start of the shim. */
const PROBE_MS = 1500;

Deno.test("a window that finds no daemon answers server/discover while one is started, and its calls wait", async () => {
  using timers = new FakeTimers();
  using it = new MemoryWindow();
  it.write(modernRequest("probe", "server/discover"));
  timers.pass(500);
  assertEquals(it.client.take(), [], "most daemons answer themselves");
  it.write(modernRequest("list", "tools/list"));
  timers.pass(PROBE_MS - 500);
  const [answer, ...others] = it.client.take();
  assertEquals([answer!.id, (answer!.result as JsonObject).supportedVersions], ["probe", ["2026-07-28"]]);
  assertEquals(others, []);
  const connected = it.connect();
  timers.pass(0);
  await connected;
  assertEquals(it.daemon.take().map(({ id }) => id), ["list"]);
});

Deno.test("what only a daemon can say of server/discover waits for one", () => {
  using timers = new FakeTimers();
  using all = new MemoryWindow();
  using one = new MemoryWindow({ server: "one" });
  all.write(modernRequest("other", "server/discover", {}, { revision: "2031-01-01" }));
  all.write({ jsonrpc: "2.0", id: "plain", method: "server/discover" });
  one.write(modernRequest("one", "server/discover"));
  timers.pass(PROBE_MS);
  assertEquals([all.client.take(), one.client.take()], [[], []]);
});

Deno.test("a window says of itself without a daemon what the daemon says", async () => {
  await using daemon = await mountingDaemon({});
  const response = await fetch(new URL("/mcp", daemon.http), {
    method: "POST",
    headers: modernHeaders("server/discover", {}),
    body: JSON.stringify(modernRequest("probe", "server/discover")),
  });
  const { instructions: _, ...said } = (await response.json()).result;
  using timers = new FakeTimers();
  using it = new MemoryWindow();
  it.write(modernRequest("probe", "server/discover"));
  timers.pass(PROBE_MS);
  assertEquals(it.client.take().map(({ result }) => result), [said]);
});
