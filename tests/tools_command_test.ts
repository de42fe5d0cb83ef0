import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError, UsageError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { askDaemon } from "../lib/client/daemon_client.ts";
import { callCommand } from "../lib/commands/call.ts";
import { authCommand } from "../lib/commands/auth.ts";
import { toolsCommand } from "../lib/commands/tools.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { outcomeOf } from "./helpers/command.ts";
import { commandsOf, GOOD, scripted, SUM, tool } from "./helpers/command_rig.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { OddServer } from "./helpers/odd_server.ts";

const FAILS = scripted({
  "tools/list": { tools: [tool("fails")] },
  "tools/call": { isError: true, content: [{ type: "text", text: "no such issue" }] },
});

Deno.test("tools lists what a window is offered, by server, and says why a server has none", async () => {
  await using it = await commandsOf({
    good: GOOD,
    gone: { command: "exai-no-such-program" },
    off: { ...GOOD, disabled: true },
  });
  const { text, json, code } = await it.tools();
  assertEquals(code, 0);
  assert(/^sum +good +Adds numbers\.$/m.test(text), text);
  assert(/^version +exai /m.test(text), text);
  assertStringIncludes(text, "no tools of gone: ");
  assertStringIncludes(text, "exai-no-such-program");
  assert(!text.includes("no tools of off"), text);
  const { tools, missing } = json as { tools: JsonObject[]; missing: JsonObject[] };
  assertEquals(tools.find(({ name }) => name === "sum"), { ...SUM, name: "sum", server: "good" });
  assertEquals(missing.map(({ server }) => server), ["gone"]);
  const off = await it.tools("off");
  assertEquals(off.code, 1);
  assertStringIncludes(off.text, "it is switched off in mcp.json");
  await assertRejects(() => it.call("off__sum"), ExaiError, "it is switched off in mcp.json");
});

Deno.test("tools NAME shows one server, or one tool with its arguments, and the nearest name of neither", async () => {
  await using it = await commandsOf({ good: GOOD, gone: { command: "exai-no-such-program" } });
  assertEquals((await it.tools("good")).text.split("\n").length, 3);
  const { text } = await it.tools("sum");
  for (const part of ["sum of the server good", "More of it.", /a +number +required +the first/]) {
    assert(typeof part === "string" ? text.includes(part) : part.test(text), text);
  }
  assertStringIncludes(text, "exai-daemon call sum a=... b=...");
  assertEquals((await it.tools("good/sum")).text, text);
  const gone = await it.tools("gone");
  assertEquals(gone.code, 1, "the answer is no");
  assertStringIncludes(gone.text, "exai-no-such-program");
  await assertRejects(() => it.tools("sun"), ExaiError, "did you mean sum?");
});

Deno.test("call types what it is given by the tool's schema, and prints what the tool says", async () => {
  await using it = await commandsOf({ good: GOOD });
  for (const name of ["sum", "good/sum", "good__sum", "good.sum"]) {
    const { text, code } = await it.call(name, "a=1", "b=2.5", "note=7");
    assertEquals([JSON.parse(text).params.arguments, code], [{ a: 1, b: 2.5, note: "7" }, 0], name);
  }
  const { json } = await it.call("plain", "x=[1]");
  assertEquals(JSON.parse((json as { content: { text: string }[] }).content[0]!.text).params.arguments, {
    x: [1],
  });
});

Deno.test("a tool that says it has failed makes call exit with 1", async () => {
  await using it = await commandsOf({ fails: FAILS });
  const { text, code, json } = await it.call("fails");
  assertEquals([text, code, (json as JsonObject).isError], ["no such issue", 1, true]);
});

Deno.test("arguments the schema rules out are refused before the tool is called; --args sends them as they are", async () => {
  await using it = await commandsOf({ good: GOOD });
  await assertRejects(() => it.call(), UsageError, "needs the name of a tool");
  await assertRejects(() => it.call("sum", "a=1"), UsageError, "sum also needs b (number)");
  await assertRejects(() => it.call("sum", "a=1", "b=x"), UsageError, 'b is "x"; allowed: number');
  await assertRejects(() => it.call("sum", "c=1"), UsageError, "the tool has no argument");
  await assertRejects(() => it.call("sums", "a=1"), ExaiError, "did you mean sum?");
  const whole = (value: string, ...words: string[]) =>
    it.run(callCommand, ["sum", ...words], { options: new Map([["args", [value]]]) });
  const { text } = await whole('{"a": "one", "z": null}', "b=2");
  assertEquals(JSON.parse(text).params.arguments, { a: "one", z: null, b: 2 });
  await Deno.writeTextFile(`${it.home}/args.json`, '{"a": 5}');
  assertEquals(JSON.parse((await whole(`@${it.home}/args.json`)).text).params.arguments, { a: 5 });
  await assertRejects(() => whole("[1]"), UsageError, "a JSON object");
  await assertRejects(() => whole("{"), UsageError, "no JSON");
  await assertRejects(() => whole(`@${it.home}/none.json`), UsageError, "none.json");
});

Deno.test("what is no text in a result is named, with its size", async () => {
  const content = [
    { type: "text", text: "one" },
    { type: "image", mimeType: "image/png", data: "A".repeat(4096) },
    { type: "resource_link", uri: "file:///x", name: "x" },
    { type: "resource", resource: { uri: "file:///y", text: "the text of y" } },
    { type: "hologram" },
  ];
  const script = { "tools/list": { tools: [tool("shows"), tool("bare")] }, "tools/call": { content } };
  await using it = await commandsOf({
    odd: scripted(script),
    empty: scripted({
      "tools/list": { tools: [tool("nothing")] },
      "tools/call": { content: [], structuredContent: { a: 1 } },
    }),
  });
  const { text } = await it.call("shows");
  assertEquals(text.split("\n"), [
    "one",
    "(image, image/png, 3 KiB; --json has it as base64)",
    "(resource file:///x)",
    "the text of y",
    '{"type":"hologram"}',
  ]);
  assertEquals((await it.call("nothing")).text, '{\n  "a": 1\n}');
});

Deno.test("progress of a tool is shown while call waits", async () => {
  await using it = await commandsOf({}, [new OddServer()]);
  const steps: string[] = [];
  const progress = { step: (what: string) => void steps.push(what), end() {} };
  const { text } = await it.run(callCommand, ["steps", "total=2"], { progress });
  assertEquals(text, "done");
  assertEquals(steps.slice(-2), ["steps: 1 of 2 step 1", "steps: 2 of 2 step 2"]);
});

Deno.test("without a daemon that may be started, commands that start one say so and exit with 3", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-none-" });
  const settings = defaultSettings({ home, port: 0, autostart: false });
  const auth = ["status", "login", "logout"].map((action) => [authCommand, [action, "x"]] as const);
  for (const [command, args] of [[toolsCommand, ["x"]] as const, [callCommand, ["x"]] as const, ...auth]) {
    const thrown = await assertRejects(() => outcomeOf(command, args, { settings }), ExaiError);
    assertEquals(thrown.code, "DAEMON_UNAVAILABLE");
    // Of those that start none it is said where one may run already.
    assertMatch(thrown.message, /start one with exai-daemon$/);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("tools shows what search hides from windows, and not what clients in mcp.json hides", async () => {
  await using it = await mountingDaemon({ good: GOOD }, { token: "auto", toolSearch: "on" });
  const clients = { "exai-*": { exclude: ["plain"] } };
  await Deno.writeTextFile(it.config, JSON.stringify({ mcpServers: { good: GOOD }, clients }));
  const settings = defaultSettings({
    home: it.home,
    port: Number(new URL(it.url).port),
    token: "auto",
    autostart: false,
  });
  await askDaemon(settings, "/reload", "POST");
  const { json } = await outcomeOf(toolsCommand, ["good"], { settings });
  assertEquals((json as { tools: JsonObject[] }).tools.map(({ name }) => name), ["sum"]);
  assertEquals((await outcomeOf(callCommand, ["sum", "a=1", "b=2"], { settings })).code, 0);
  await assertRejects(
    () => outcomeOf(callCommand, ["plain"], { settings }),
    ExaiError,
    "hidden from this command",
  );
});
