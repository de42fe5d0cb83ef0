import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { ProcessHost } from "../lib/process/process_host.ts";
import { ListsInMemory } from "../lib/upstream/lists/lists_in_memory.ts";
import { checkServer } from "../lib/upstream/server_check.ts";
import { serverIdentity } from "../lib/upstream/server_identity.ts";
import { tryServer } from "../lib/upstream/try_server.ts";
import { exactResult } from "../lib/wire/raw_message.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { Window } from "./helpers/instance.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { until } from "./helpers/until.ts";

const FIXTURE = fromFileUrl(new URL("fixtures/eras_server.ts", import.meta.url));
const CONFIG = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", FIXTURE, "--era", "modern"],
  era: undefined,
  share: "machine",
  startTimeoutMs: 30_000,
} as const;

/** A real server of SDK v2 that speaks the modern era alone, mounted, with how often it was started. */
function mounted() {
  const host = new ProcessHost({ env: Deno.env.toObject(), login: {} });
  const lists = new ListsInMemory();
  let starts = 0;
  const it = mountedServer(CONFIG, (config) => {
    starts++;
    return config.kind === "stdio" ? host.spawn(config) : Promise.reject(new Error("no process"));
  }, { lists });
  return {
    ...it,
    host,
    lists,
    starts: () => starts,
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    },
  };
}

const call = (window: Window, name: string, args: JsonObject = {}, more = {}) =>
  window.call({ method: "tools/call", params: { name, arguments: args }, ...more });

const textOf = (result: Result): unknown => {
  const [block] = exactResult(result as { result: JsonObject }).content as { text: string }[];
  return JSON.parse(block!.text);
};

Deno.test("two windows of different capabilities share a process, and each is asked only what it can answer", async () => {
  await using it = mounted();
  const ada = new Window("ada", { elicitation: {} }, { cwd: "/" });
  const bob = new Window("bob", { sampling: {} }, { cwd: "/" });
  ada.answer = () => Promise.resolve({ result: { action: "accept", content: { name: "Ada" } } });
  bob.answer = () =>
    Promise.resolve({ result: { role: "assistant", content: { type: "text", text: "hi" }, model: "m" } });
  const [told, other] = await Promise.all([ada, bob].map((w) => it.mounted.target(call(w, "capabilities"))));
  // The daemon follows tasks for clients that do not.
  const extensions = { "io.modelcontextprotocol/tasks": {} };
  assertEquals([textOf(told!), textOf(other!)], [
    { elicitation: {}, extensions },
    { sampling: {}, extensions },
  ]);
  // At the same time, which no process of the legacy era can do.
  const [form, sampled] = await Promise.all([
    it.mounted.target(call(ada, "ask_form")),
    it.mounted.target(call(bob, "sample")),
  ]);
  assertEquals(textOf(form), { action: "accept", content: { name: "Ada" } });
  assert(sampled.result);
  assertEquals([ada, bob].map(({ asked }) => asked.map(({ method, by }) => `${method} by ${by}`)), [
    ["elicitation/create by call"],
    ["sampling/createMessage by call"],
  ]);
  const { error } = await it.mounted.target(call(bob, "ask_form"));
  assertEquals((error?.data as JsonObject).requiredCapabilities, { elicitation: { form: {} } });
  assertEquals([it.starts(), [...it.mounted.slots].length], [1, 1]);
});

Deno.test("two questions at once, two rounds, progress and log messages reach the call they are about", async () => {
  await using it = mounted();
  const window = new Window("ada", { elicitation: {} }, { cwd: "/", logLevel: "error" });
  window.answer = (_, { message }) =>
    Promise.resolve({
      result: { action: "accept", content: { [`${message}`.includes("name") ? "name" : "color"]: "x" } },
    });
  const both = [{ action: "accept", content: { name: "x" } }, { action: "accept", content: { color: "x" } }];
  for (const tool of ["ask_two", "ask_twice"]) {
    assertEquals(textOf(await it.mounted.target(call(window, tool))), both);
  }
  window.heard.length = 0;
  await it.mounted.target(call(window, "log"));
  assertEquals(window.heard.map(({ params }) => params?.level), ["error", "critical", "alert", "emergency"]);
  window.heard.length = 0;
  const slow = window.call({
    method: "tools/call",
    params: { name: "slow", arguments: { ms: 5 }, _meta: { progressToken: "p" } },
    progressToken: "p",
  });
  await it.mounted.target(slow);
  assertEquals(window.heard.map(({ params }) => [params?.progressToken, params?.progress]), [["p", 1], [
    "p",
    2,
  ], ["p", 3]]);
});

Deno.test("a window hears of changes of lists and of resources that it has subscribed to", async () => {
  await using it = mounted();
  const window = new Window("ada", {}, { cwd: "/" });
  const uri = "test://watched-resource";
  const subscribed = await it.mounted.target(window.call({ method: "resources/subscribe", params: { uri } }));
  assertEquals(subscribed, { result: {} });
  await it.mounted.target(call(window, "update", { uri }));
  const updated = () => window.heard.find(({ method }) => method === "notifications/resources/updated");
  assertEquals((await until("the update", updated)).params, { uri });
  await it.mounted.target(window.call({ method: "tools/list", params: {} }));
  await it.mounted.target(call(window, "change", { kind: "tools" }));
  await until(
    "the change",
    () => window.heard.find(({ method }) => method === "notifications/tools/list_changed"),
  );
});

Deno.test("its era is found once, remembered, and told to those who check it", async () => {
  await using it = mounted();
  const { era, protocol, lists } = await checkServer(it.mounted, new Window("ada", {}, { cwd: "/" }).caller);
  assertEquals([era, protocol, lists.tools! > 10], ["modern", "2026-07-28", true]);
  assertEquals(it.lists.era(serverIdentity(it.mounted.config))?.era, "modern");
  const trial = await tryServer(it.mounted.config, {
    connect: (config) => it.host.spawn(config as never),
    clientInfo: { name: "exai", version: "1" },
    timeoutMs: 30_000,
  });
  assertEquals([trial.outcome, "era" in trial && trial.era], ["answers", "modern"]);
});
