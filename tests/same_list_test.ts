import { assertEquals } from "@std/assert";
import { listText, listWith, shuffled, timesTold } from "./helpers/list_windows.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { Shim } from "./helpers/shim.ts";
import { until } from "./helpers/until.ts";

const portOf = ({ url }: { url: string }) => Number(new URL(url).port);

Deno.test("a server that crashes, restarts and shuffles its list changes nothing in a window's", async () => {
  await using it = await mountingDaemon({ a: shuffled(5) });
  await using ada = await Shim.ready({ port: portOf(it), home: it.home });
  const text = await listWith(ada, "tool_4");
  const told = timesTold(ada);
  for (let round = 0; round < 3; round++) {
    await ada.call("crash");
    await ada.call("touch");
    assertEquals(await listText(ada), text);
  }
  assertEquals(timesTold(ada), told);
});

Deno.test("a window is told when its tools have really changed, with what it had in its place, and ps says why", async () => {
  await using it = await mountingDaemon({ a: shuffled(2) });
  await using ada = await Shim.ready({ port: portOf(it), home: it.home });
  await listWith(ada, "tool_1");
  const before = JSON.parse(await listText(ada));
  const told = timesTold(ada);
  await ada.call("grow");
  await until("the change", () => timesTold(ada) > told || undefined);
  const after = JSON.parse(await listText(ada));
  assertEquals(after.filter(({ name }: { name: string }) => !name.startsWith("grown_")), before);
  assertEquals(after.length, before.length + 1);
  const status = await (await fetch(new URL("/status", it.http))).json();
  const [{ cause, server, count }] = status.list_changes;
  assertEquals([cause, server, count], ["changed", "a", 1]);
  const health = await (await fetch(new URL("/health", it.http))).json();
  assertEquals(health.list_changes.causes.changed, 1);
  const metrics = await (await fetch(new URL("/metrics", it.http))).text();
  assertEquals(/^exai_list_changes_total\{cause="changed",server="a"\} 1$/m.test(metrics), true);
});

Deno.test("a server with the same tools that is mounted and unmounted leaves every other entry as it was", async () => {
  await using it = await mountingDaemon({ zoo: shuffled(4) });
  await using ada = await Shim.ready({ port: portOf(it), home: it.home });
  const text = await listWith(ada, "tool_3");
  for (let round = 0; round < 2; round++) {
    const told = timesTold(ada);
    await it.remount({ zoo: shuffled(4), ape: shuffled(4) });
    await listWith(ada, "ape__tool_3");
    assertEquals(await listText(ada, "ape"), text);
    await it.remount({ zoo: shuffled(4) });
    await until("the unmount", () => timesTold(ada) > told || undefined);
    assertEquals(await listText(ada), text);
  }
});
