import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { newToolCommand } from "../../lib/commands/new_tool.ts";
import { runCommandAlone } from "../helpers/command.ts";
import { UserTools } from "../../lib/user_tools/user_tools.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import type { Settings } from "../../lib/config/settings.ts";
import { OpenAiServer, say } from "../fixtures/openai_server.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { TestTools } from "../helpers/exai_tools.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon } from "../helpers/program.ts";
import { firstText, RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const tool = (run: string, more = "") =>
  `export default { description: "A test.", ${more} run(args, context) { ${run} } };`;

/** A daemon with `files` as its user's tools, and a client of it. */
async function withTools(files: Record<string, string>, settings: Partial<Settings> = {}) {
  const home = await tempDir(Object.fromEntries(Object.entries(files).map(([k, v]) => [`tools/${k}`, v])));
  await Deno.mkdir(join(home.path, "tools"), { recursive: true });
  const project = await tempDir({});
  const running = await testDaemon({ settings: { findLocal: false, ...settings, home: home.path } });
  const client = await RawClient.hello(running.url, { cwd: project.path });
  return {
    project,
    url: running.url,
    client,
    dir: join(home.path, "tools"),
    write: (name: string, text: string) => home.write(`tools/${name}`, text),
    names: async () => {
      client.send({ op: "list_tools" });
      const { tools } = await client.nextWhere(({ op }) => op === "list_tools_res");
      return (tools as JsonObject[]).map(({ name }) => String(name));
    },
    call: async (name: string, args: JsonObject = {}, more: JsonObject = {}) => {
      const reply = await client.call(name, args, more);
      if (reply.error) return { failed: true, content: JSON.stringify(reply.error) };
      return { failed: reply.is_error === true, content: JSON.parse(firstText(reply)).content };
    },
    reload: async () => await (await fetch(`${running.http}reload`, { method: "POST" })).json(),
    reasons: async () => (await (await fetch(`${running.http}health`)).json()).reasons as string[],
    async [Symbol.asyncDispose]() {
      await client.close();
      await running[Symbol.asyncDispose]();
      await project[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}

async function docsExample(): Promise<string> {
  const page = await Deno.readTextFile(fromFileUrl(new URL("../../docs/user-tools.md", import.meta.url)));
  return /```js\n([\s\S]*?)```/.exec(page)![1]!;
}

Deno.test("the example of docs/user-tools.md is listed, checked and run like a tool of EXAI's own", async () => {
  await using at = await withTools({ "todo_count.js": await docsExample() });
  await at.project.write("a.txt", "TODO this, TODO that");
  assert((await at.names()).includes("todo_count"));
  at.client.send({ op: "call_tool", request_id: "r", name: "todo_count", arguments: { files: ["a.txt"] } });
  const progress = await at.client.next();
  assertEquals([progress.op, progress.message], ["progress", "a.txt"]);
  const reply = await at.client.next();
  const { content, metadata } = JSON.parse(firstText(reply));
  assertEquals(content, { mark: "TODO", counts: { "a.txt": 2 } });
  assertEquals(metadata.tool, "todo_count");
  assertEquals(reply.structured, JSON.parse(firstText(reply)));
  const wrong = await at.call("todo_count", { file: ["a.txt"] });
  assert(wrong.failed);
  assertStringIncludes(wrong.content, "files is required: an array");
  assertStringIncludes(wrong.content, '"file" is no field of this tool (did you mean files?)');
  assertStringIncludes((await at.call("todo_count", { files: ["/etc/passwd"] })).content, "/etc/passwd");
});

Deno.test("a tool that comes, changes or goes is there at once, and windows are told", async () => {
  await using at = await withTools({});
  at.client.send({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
  });
  await at.client.next();
  at.client.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  const told = () => at.client.nextWhere(({ method }) => method === "notifications/tools/list_changed");
  await at.names();
  await at.write("_words.js", 'export const word = "one";');
  await at.write("mine.js", `import { word } from "./_words.js";\n${tool("return word;")}`);
  await told();
  assertEquals((await at.call("mine")).content, "one");
  // What it does is not in the list.
  await at.write("_words.js", 'export const word = "two!";');
  await until("the change", async () => (await at.call("mine")).content === "two!" || undefined);
  await at.write("typed.ts", "const n: number = 3;\n" + tool("return { n };", 'name: "renamed",'));
  await told();
  assertEquals((await at.call("renamed")).content, { n: 3 });
  await Deno.remove(join(at.dir, "mine.js"));
  await told();
  assertEquals((await at.names()).filter((name) => ["mine", "renamed"].includes(name)), ["renamed"]);
});

Deno.test("faulty files are named with what is wrong in health and by reload, and hide no other", async () => {
  await using at = await withTools({
    "good.js": tool("return 1;"),
    "throws.js": 'throw new Error("no luck");',
    "shapeless.js": "export const x = 1;",
    "idle.js": "export default { description: 'x' };",
    "nameless.js": tool("", 'name: "a b",'),
    "taken.js": tool("", 'name: "chat",'),
    "twin.js": tool("", 'name: "good",'),
    "mute.js": "export default { run() {} };",
    "unschemed.js": tool("", 'inputSchema: { type: "array" },'),
    "typo.js": "export default {",
  });
  const expected = {
    "idle.js": "its default export has no function run",
    "mute.js": "description is missing",
    "nameless.js": 'name is "a b"; allowed',
    "shapeless.js": "no default export",
    "taken.js": "a tool of EXAI's own",
    "throws.js": "no luck",
    "typo.js": "typo.js",
    "unschemed.js": "inputSchema must be a JSON Schema of an object",
    "twin.js": "its tool is called good, as the one in good.js",
  };
  const { faults, tools } = await at.reload();
  assertEquals(tools, ["good"]);
  assertEquals(faults.length, Object.keys(expected).length, faults.join("\n"));
  for (const [name, why] of Object.entries(expected)) {
    const fault = faults.find((line: string) => line.startsWith(join(at.dir, name)));
    assertStringIncludes(fault ?? "none", why);
  }
  assertEquals((await at.reasons()).toSorted(), faults.toSorted());
  assertEquals((await at.call("good")).content, "1");
});

Deno.test("the last good version of a tool stays when a change of it is faulty", async () => {
  await using at = await withTools({ "mine.js": tool("return 'first';") });
  await at.write("mine.js", "export default 3;");
  const { faults } = await at.reload();
  assertStringIncludes(faults.join(), "its last good version stays");
  assertEquals((await at.call("mine")).content, "first");
  await at.write("mine.js", tool("return 'third';"));
  assertEquals((await at.reload()).faults, []);
  assertEquals((await at.call("mine")).content, "third");
});

Deno.test("a module that never ends loading is named, and keeps neither the daemon nor other tools", async () => {
  await using dir = await tempDir({
    "good.js": tool(""),
    "loops.js": "for (;;);",
    "waits.js": "await new Promise(() => {});",
  });
  let onChange = () => {};
  await using tools = await UserTools.open(dir.path, { loadTimeoutMs: 2000, onChange: () => onChange() });
  assertEquals(tools.tools.map(({ name }) => name), ["good"]);
  await new Promise<void>((resolve) => onChange = resolve);
  const faults = tools.faults();
  assertEquals(faults.length, 2, faults.join());
  for (const fault of faults) assertStringIncludes(fault, "was not loaded within 2 s");
});

Deno.test("a tool that throws, loops, never ends or fails beside its call hurts nobody else", async () => {
  await using at = await withTools({
    "throws.js": tool('throw new Error("give a city");'),
    "loops.js": tool(
      "if (args.forever) for (;;); return 'ended';",
      "inputSchema: {type: 'object', properties: {forever: {type: 'boolean'}}},",
    ),
    "waits.js": tool("return new Promise(() => {});"),
    "late.js": tool(
      "Promise.reject(new Error('late')); setTimeout(() => { throw new Error('later') }, 0); return 'fine';",
    ),
    "leaves.js": tool(
      "context.signal.addEventListener('abort', () => {}); return { cwd: context.cwd, client: context.client };",
    ),
    "odd.js": tool("const o = {}; o.o = o; return o;"),
    "empty.js": tool(""),
  });
  const thrown = await at.call("throws");
  assertEquals([thrown.failed, thrown.content], [true, "throws failed: give a city"]);
  assertStringIncludes((await at.call("odd")).content, "circular");
  assertStringIncludes((await at.call("empty")).content, "nothing to say");
  const replies = await Promise.all(
    [["loops", { forever: true }], ["waits", {}]].map(async ([name, args]) => {
      using client = await RawClient.hello(at.url);
      const reply = await client.call(name as string, args as JsonObject, { timeout_ms: 300 });
      await client.close();
      return (reply.error as JsonObject).code;
    }),
  );
  assertEquals(replies, ["TIMEOUT", "TIMEOUT"]);
  assertEquals((await at.call("late")).content, "fine");
  assertEquals((await at.call("late")).content, "fine");
  assertEquals((await at.call("leaves")).content, { cwd: at.project.path, client: "test" });
  // Its thread is given up a moment after the time-out; until then a call waits behind the loop.
  assertEquals((await at.call("loops")).content, "ended");
  assertEquals(await at.reasons(), []);
});

Deno.test("a tool asks a model with a file of the window, by way of the context", async () => {
  await using server = new OpenAiServer(say("Blue."));
  const ask =
    'const { text, model } = await context.ask({ prompt: "Which?", files: ["a.txt"] }); return { text, model };';
  await using at = await withTools({ "asks.js": tool(ask).replace("run(", "async run(") }, {
    customUrl: server.url,
    customModel: "m",
  });
  await at.project.write("a.txt", "the colour is blue");
  assertEquals((await at.call("asks")).content, { text: "Blue.", model: "m" });
  assertStringIncludes(JSON.stringify(server.chats[0]!.body), "the colour is blue");
});

Deno.test({
  name: "what others could change is not loaded, and the fault says what mends it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await tempDir({ "mine.js": tool(""), "open.js": tool("") });
    await Deno.chmod(join(dir.path, "open.js"), 0o666);
    await using tools = await UserTools.open(dir.path);
    assertEquals(tools.tools.map(({ name }) => name), ["mine"]);
    assertStringIncludes(tools.faults().join(), `chmod go-w '${join(dir.path, "open.js")}'`);
    await Deno.chmod(dir.path, 0o777);
    await tools.reload();
    assertStringIncludes(tools.faults()[0]!, `${dir.path} is not used: others may write to ${dir.path}`);
    await using none = await UserTools.open(dir.path);
    assertEquals(none.tools, []);
    await Deno.chmod(dir.path, 0o700);
    await Deno.chmod(join(dir.path, "open.js"), 0o600);
    await none.reload();
    assertEquals([none.tools.length, none.faults()], [2, []]);
  },
});

Deno.test("LEAN_MODE leaves the tools of the user's own, DISABLED_TOOLS takes them away by name", async () => {
  await using dir = await tempDir({ "mine.js": tool(""), "other.js": tool("") });
  await using user = await UserTools.open(dir.path);
  using tools = new TestTools({ userTools: user.tools, leanMode: true, disabledTools: ["other"] });
  assertEquals(tools.server.toolNames.slice(-2), ["debug", "mine"]);
  assertEquals(tools.server.warnings, []);
});

Deno.test("new-tool writes a tool that works and says where, and never writes over one", async () => {
  await using home = await tempDir({});
  const settings = defaultSettings({ home: home.path });
  const path = join(home.path, "tools", "count-words.js");
  assertStringIncludes(await runCommandAlone(newToolCommand, ["count-words"], { settings }), `wrote ${path}`);
  await Deno.writeTextFile(path, "// mine\n", { append: true });
  const error = await assertRejects(
    () => runCommandAlone(newToolCommand, ["count-words"], { settings }),
    ExaiError,
  );
  assertStringIncludes(error.message, "is there already");
  assertStringIncludes(await Deno.readTextFile(path), "// mine");
  for (const words of [[], ["a b"], ["../a"], ["_a"]]) {
    await assertRejects(
      () => runCommandAlone(newToolCommand, words, { settings }),
      ExaiError,
      "cannot be the name of a tool",
    );
  }
  await using tools = await UserTools.open(join(home.path, "tools"));
  assertEquals(tools.faults(), []);
  using server = new TestTools({ userTools: tools.tools });
  assertEquals(await server.content("count-words", { text: "a b c" }), { count: 3, unit: "words" });
  const { answer } = await server.call("count-words", { text: " " });
  assertStringIncludes(String(answer.content), "text is empty");
});

Deno.test("exai-daemon new-tool prints where the tool is", async () => {
  await using home = await tempDir({});
  const { code, stdout } = await runDaemon({ home: home.path, args: ["new-tool", "mine"] });
  assertEquals(code, 0);
  assertStringIncludes(stdout, join(home.path, "tools", "mine.js"));
});
