import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path/join";
import type { JsonObject } from "../lib/base/json.ts";
import { loadSettings } from "../lib/config/load.ts";
import { windowModes } from "../lib/app/window_modes.ts";
import { LEAN_TOOLS } from "../lib/tool/tool_selection.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { Shim } from "./helpers/shim.ts";

/** The rules of the setting `text`. */
function rules(text: string) {
  return loadSettings({ args: ["--exai", text], env: { ENV_FILE: "" } }).settings.ownTools;
}

const KIMI_TOOLS = ["kimi_chat_with_tools", "kimi_upload_and_extract"];

/** Tools that need no model. */
const ALWAYS = [
  ..."version health activity listmodels provider_capabilities challenge planner tracer docgen".split(" "),
];

Deno.test("which own tools a window is offered goes by its client and directory, the first rule that fits", () => {
  const mode = (text: string, client?: string, cwd?: string) =>
    windowModes(rules(text), { home: "/home/me", realPath: (dir) => dir })({ client, cwd });
  assertEquals(mode("lean", "any"), "lean");
  assertEquals(mode(" LEAN ", "any"), "lean");
  const text = "codex*=lean, ~/work=off, /srv/app/=auto, all";
  assertEquals(mode(text, "Codex-mcp-client", "/home/me/work"), "lean");
  assertEquals(mode(text, "cursor", "/home/me/work"), "off");
  assertEquals(mode(text, "cursor", "/home/me/work/deep/er"), "off");
  assertEquals(mode(text, "cursor", "/home/me/workshop"), "all");
  assertEquals(mode(text, "cursor", "/srv/app"), "auto");
  assertEquals(mode(text, "cursor", "/srv/app/../other"), "all");
  assertEquals(mode(text), "all");
  assertEquals(mode("codex=off", "cursor"), "all", "no rule fits");
  assertEquals(mode('{"a,b=c": "off", "*": "auto"}', "a,b=c"), "off");
  assertEquals(mode('{"a,b=c": "off", "*": "auto"}', "other"), "auto");
});

Deno.test("a mode that is none stops the program with what is allowed", () => {
  for (const text of ["some", "codex=", "=lean", "lean,,off", "{}", '{"a": 1}', "{"]) {
    const error = assertThrows(() => rules(text));
    assertStringIncludes(String(error), "EXAI_OWN_TOOLS (--exai) is");
    assertStringIncludes(String(error), "all, auto, lean or off");
  }
});

/** The names of the tools that a client named `name` with these capabilities is offered. */
async function offered(url: string, name: string, capabilities = {}): Promise<string[]> {
  await using client = await sdkClient(url, { name, capabilities });
  const names = (await client.listTools()).tools.map(({ name }) => name);
  // Whether it is offered depends on what this machine has.
  return names.filter((name) => name !== "clink");
}

Deno.test("each window is offered the tools of its mode, and a call of another says which setting hides it", async () => {
  const ownTools = rules("lean-client=lean, off-client=off, all");
  await using at = await testDaemon({ settings: { ownTools, findLocal: false } });
  assertEquals(await offered(at.url, "lean-client"), [...LEAN_TOOLS, "await_call"]);
  assertEquals(await offered(at.url, "off-client"), []);
  assertEquals((await offered(at.url, "other")).length, 23);
  await using lean = await sdkClient(at.url, { name: "lean-client" });
  assertStringIncludes(textOf(await lean.callTool({ name: "version", arguments: {} })), "MCP revisions");
  const error = await assertRejects(() => lean.callTool({ name: "tracer", arguments: {} })) as Error;
  assertStringIncludes(error.message, "the tool tracer is not offered to this window");
  assertStringIncludes(error.message, "EXAI_OWN_TOOLS");
  await using off = await sdkClient(at.url, { name: "off-client" });
  assertEquals((await off.listPrompts()).prompts, []);
  assertEquals(off.getInstructions(), undefined);
  assertStringIncludes(lean.getInstructions()!, "step_number");
});

Deno.test("a rule for a directory behind a link holds for windows there", async () => {
  await using dir = await tempDir({ "real/file": "" });
  await Deno.symlink(join(dir.path, "real"), join(dir.path, "link"), { type: "dir" });
  const ownTools = rules(`${join(dir.path, "link")}=off, all`);
  await using at = await testDaemon({ settings: { ownTools, findLocal: false } });
  await using shim = await Shim.ready({
    port: Number(new URL(at.url).port),
    home: at.home,
    cwd: join(dir.path, "link"),
  });
  const { result } = await shim.ask("tools/list");
  assertEquals((result as JsonObject).tools, []);
});

Deno.test("auto offers what can work: a client that lends its model sees the tools that ask one", async () => {
  const ownTools = rules("auto");
  await using at = await testDaemon({ settings: { ownTools, findLocal: false } });
  assertEquals(await offered(at.url, "plain"), ALWAYS);
  await using plain = await sdkClient(at.url);
  const error = await assertRejects(() => plain.callTool({ name: "chat", arguments: {} })) as Error;
  assertStringIncludes(error.message, "the tool chat needs a model");
  const lending = await offered(at.url, "lending", { sampling: {} });
  assert(lending.includes("chat") && lending.includes("codereview"));
  assertEquals(KIMI_TOOLS.filter((name) => lending.includes(name)), []);
  await using withKimi = await testDaemon({
    settings: { ownTools, findLocal: false, kimiApiKey: "k-123456" },
  });
  assertEquals((await offered(withKimi.url, "plain")).length, 23);
});

Deno.test("in the mode auto a window is told when a model comes and when it goes", async () => {
  await using home = await tempDir({ "models.json": "{}" });
  const settings = { home: home.path, ownTools: rules("auto"), findLocal: false };
  await using at = await testDaemon({ settings });
  await using client = await sdkClient(at.url);
  const listed = async () => (await client.listTools()).tools.map(({ name }) => name);
  const turns: (() => void)[] = [];
  client.fallbackNotificationHandler = () => Promise.resolve(turns.shift()?.());
  const reload = async () => void await (await fetch(`${at.http}reload`, { method: "POST" })).body?.cancel();
  const told = () => new Promise<void>((resolve) => turns.push(resolve));
  assertEquals(await listed(), ALWAYS);
  const lab = { url: "http://127.0.0.1:9/v1", models: ["llama"] };
  await home.write("models.json", JSON.stringify({ providers: { lab } }));
  await Promise.all([told(), reload()]);
  assert((await listed()).includes("chat"));
  await home.write("models.json", "{}");
  await Promise.all([told(), reload()]);
  assertEquals(await listed(), ALWAYS);
});
