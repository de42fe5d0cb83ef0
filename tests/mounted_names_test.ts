import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { Shim } from "./helpers/shim.ts";

const scriptedServer = fromFileUrl(new URL("fixtures/scripted_server.ts", import.meta.url));

/** The entry of a server with these tools; `id` is what it answers calls with. */
function entry(id: string, tools: string[], more: JsonObject = {}): JsonObject {
  const script = {
    "tools/list": { tools: tools.map((name) => ({ name, inputSchema: { type: "object" } })) },
    "tools/call": { content: [{ type: "text", text: id }] },
  };
  return {
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", scriptedServer, JSON.stringify(script)],
    share: "machine",
    ...more,
  };
}

/** The names a new window sees of mounted servers. */
async function namesAt(it: { url: string }) {
  await using ada = await sdkClient(it.url);
  const { tools } = await ada.listTools();
  return tools.map(({ name }) => name).filter((name) => name.startsWith("t_") || name.includes("__"));
}

Deno.test("mounting a second server with the same tools renames none; unmounted and back, it all stays", async () => {
  await using it = await mountingDaemon({ zoo: entry("zoo", ["t_one", "t_two"]) });
  assertEquals(await namesAt(it), ["t_one", "t_two"]);
  await using ada = await sdkClient(it.url);
  assertEquals(textOf(await ada.callTool({ name: "t_one" })), "zoo");
  const ape = entry("ape", ["t_two", "t_one"]);
  await it.remount({ zoo: entry("zoo", ["t_one", "t_two"]), ape });
  assertEquals(await namesAt(it), ["ape__t_two", "ape__t_one", "t_one", "t_two"]);
  assertEquals(textOf(await ada.callTool({ name: "t_one" })), "zoo");
  assertEquals(textOf(await ada.callTool({ name: "ape__t_one" })), "ape");
  assertEquals(textOf(await ada.callTool({ name: "zoo__t_one" })), "zoo");
  await it.remount({ ape });
  assertEquals(await namesAt(it), ["ape__t_two", "ape__t_one"]);
  await it.remount({ ape, zoo: entry("zoo", ["t_one", "t_two"]) });
  assertEquals(await namesAt(it), ["ape__t_two", "ape__t_one", "t_one", "t_two"]);
});

Deno.test("a name kept for a server that is switched off or gone calls no other server's tool", async () => {
  const zoo = entry("zoo", ["t_one"]);
  await using it = await mountingDaemon({ zoo });
  await using ada = await sdkClient(it.url);
  await ada.listTools();
  const ape = entry("ape", ["t_one"]);
  await it.remount({ zoo, ape });
  assertEquals(textOf(await ada.callTool({ name: "ape__t_one" })), "ape");
  const refused = async (...parts: string[]) => {
    const { message } = await assertRejects(() => ada.callTool({ name: "t_one" }), Error);
    for (const part of parts) assertStringIncludes(message, part);
  };
  await it.remount({ zoo: { ...zoo, disabled: true }, ape });
  await refused("switched off", "another server has one of this name: it is ape__t_one now");
  await it.remount({ ape });
  await refused("another server has one of this name: it is ape__t_one now");
  await it.remount({ zoo, ape });
  assertEquals(textOf(await ada.callTool({ name: "t_one" })), "zoo");
});

Deno.test("a tool of a server that is switched off is refused at once beside one that never starts", async () => {
  const hanging = { command: "sleep", args: ["600"], share: "machine" };
  await using it = await mountingDaemon({ hanging, off: { command: "x", disabled: true } }, {
    listWaitMs: 100,
  });
  await using ada = await sdkClient(it.url);
  const refused = assertRejects(() => ada.callTool({ name: "off__any" }), Error, "switched off");
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("late"), 5000);
  assertEquals(await Promise.race([refused.then(() => "at once"), late.promise]), "at once");
  clearTimeout(timer);
});

Deno.test("a window that is open is told when a server that came into mcp.json is known", async () => {
  const zoo = entry("zoo", ["t_one"]);
  await using it = await mountingDaemon({ zoo }, { listWaitMs: 1 });
  const isTold = ({ method }: JsonObject) => method === "notifications/tools/list_changed";
  await using shim = await Shim.ready({ port: Number(new URL(it.url).port), home: it.home });
  await shim.ask("tools/list");
  await shim.call("zoo__t_one");
  await shim.ask("tools/list");
  await it.remount({ zoo, ape: entry("ape", ["t_two"]) });
  let names: string[] = [];
  while (!names.includes("t_two")) {
    await shim.next(isTold);
    const { result } = await shim.ask("tools/list");
    names = ((result as JsonObject).tools as JsonObject[]).map(({ name }) => String(name));
  }
});

Deno.test("an entry that is renamed in mcp.json keeps the names of its tools", async () => {
  await using it = await mountingDaemon({ zoo: entry("zoo", ["t_one"]) });
  assertEquals(await namesAt(it), ["t_one"]);
  await it.remount({ park: entry("zoo", ["t_one"]), ape: entry("ape", ["t_one"]) });
  assertEquals(await namesAt(it), ["ape__t_one", "t_one"]);
});

Deno.test("prefix: always puts the server's name before every tool, but not where an entry has a prefix of its own", async () => {
  await using it = await mountingDaemon({ one: entry("one", ["t_a"]), two: entry("two", ["t_b"]) });
  assertEquals(await namesAt(it), ["t_a", "t_b"]);
  await using ada = await sdkClient(it.url);
  await ada.listTools();
  const servers = {
    one: entry("one", ["t_a", "t_c"], { rename: { t_c: "t_sea" } }),
    two: entry("two", ["t_b"], { prefix: "t_my_" }),
    three: entry("three", ["t_d"], { prefix: "" }),
  };
  await Deno.writeTextFile(it.config, JSON.stringify({ prefix: "always", mcpServers: servers }));
  await it.reload();
  assertEquals(await namesAt(it), ["one__t_a", "t_sea", "t_d", "t_my_t_b"]);
  assertEquals(textOf(await ada.callTool({ name: "t_a" })), "one", "the name it had is good for calls");
  await it.remount({ one: entry("one", ["t_a"]), two: entry("two", ["t_b"], { prefix: "always" }) });
  assertEquals(await namesAt(it), ["t_a", "two__t_b"]);
});

Deno.test("any other prefix beside the servers is a fault that is named, and the servers stay", async () => {
  await using it = await mountingDaemon({ one: entry("one", ["t_a"]) });
  const file = { prefix: "never", mcpServers: { one: entry("one", ["t_a"]) } };
  await Deno.writeTextFile(it.config, JSON.stringify(file));
  const { faults } = await it.reload();
  assertStringIncludes(String(faults), 'prefix is "never"; allowed: always');
  assertEquals(await namesAt(it), ["t_a"]);
});
