import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { ClientToolsConfig } from "../lib/config/server_config.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { isObject, type JsonObject, textOf } from "../lib/base/json.ts";
import type { RouterOptions } from "../lib/router/router.ts";
import { SEARCH_TOOLS } from "../lib/router/tool_search.ts";
import { toolSetsOf } from "../lib/router/tool_set.ts";
import { call } from "./helpers/call.ts";
import { ask, callerOf, FakeServer, routerOf, toolsOf } from "./helpers/fake_server.ts";

const searching = { caller: callerOf({ id: "searching" }) };

/** The names a window sees, and what `find_tool` gives it, of one server's tools. */
function windowOn(tools: readonly JsonObject[], options: Partial<RouterOptions> = {}, parts = searching) {
  const server = new FakeServer("desk", { tools });
  server.answer = ({ params }) => ({ result: { content: [{ type: "text", text: JSON.stringify(params) }] } });
  const router = routerOf([server], { search: "on", ...options });
  const run = (name: string, args?: JsonObject) =>
    ask(router, "tools/call", args === undefined ? { name } : { name, arguments: args }, parts);
  return {
    server,
    router,
    run,
    names: async () => {
      const { tools } = await ask(router, "tools/list", {}, parts);
      return (tools as JsonObject[]).map(({ name }) => name);
    },
    find: async (query: string, more: JsonObject = {}) =>
      (await run("find_tool", { query, ...more })).structuredContent as JsonObject & {
        tools: JsonObject[];
        names?: string[];
      },
  };
}

const namesIn = ({ tools }: { tools: JsonObject[] }) => tools.map(({ name }) => name);
const textIn = ({ content }: JsonObject) => (content as JsonObject[])[0]!.text as string;

Deno.test("the two search tools say what they take, and that finding changes nothing", () => {
  const shapes = SEARCH_TOOLS.map(({ name, inputSchema, annotations }) => {
    const { properties, ...schema } = inputSchema as JsonObject;
    const types = Object.entries(properties as JsonObject).map(([name, property]) => {
      const { description: _, ...rest } = property as JsonObject;
      return [name, rest];
    });
    return { name, ...schema, types: Object.fromEntries(types), annotations };
  });
  const object = { type: "object", additionalProperties: false };
  assertEquals(shapes as unknown[], [
    {
      name: "find_tool",
      ...object,
      required: ["query"],
      types: { query: { type: "string" }, limit: { type: "integer", minimum: 1, maximum: 20 } },
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    {
      name: "call_tool",
      ...object,
      required: ["name"],
      types: { name: { type: "string" }, arguments: { type: "object", additionalProperties: true } },
      annotations: undefined,
    },
  ]);
  const [find, through] = SEARCH_TOOLS as [JsonObject, JsonObject];
  for (
    const [tool, words] of [[find, /inputSchema.*call_tool/], [through, /find_tool.*inputSchema/]] as const
  ) {
    assert(words.test(tool.description as string), tool.description as string);
    assert((tool.title as string).length > 5);
    const { properties } = tool.inputSchema as { properties: JsonObject };
    const { query, name } = properties as Record<string, JsonObject>;
    assert(((query ?? name)!.description as string).length > 10, "a model is told what to write");
  }
});

Deno.test("find_tool gives five tools unless told otherwise, at most twenty, with all that calling one needs", async () => {
  const inputSchema = { type: "object", properties: { id: { type: "string" } } };
  const annotations = { readOnlyHint: true };
  const tools = Array.from({ length: 30 }, (_, n) => ({
    name: `draw_${n}`,
    description: "draws",
    inputSchema,
    annotations,
    title: "Draw",
    outputSchema: {},
  }));
  const { find, run } = windowOn(tools);
  const found = await find("draw");
  assertEquals(found.tools.length, 5);
  assertEquals(found.tools[0], {
    name: found.tools[0]!.name,
    description: "draws",
    inputSchema,
    annotations,
  });
  assertEquals((await find("draw", { limit: 1 })).tools.length, 1);
  assertEquals((await find("draw", { limit: 20 })).tools.length, 20);
  assertEquals((await find("draw", { limit: "3" })).tools.length, 3);
  for (const limit of [0, 21, 1.5, "three"]) {
    const result = await run("find_tool", { query: "draw", limit });
    assertEquals([textIn(result), result.isError], ["limit must be a whole number from 1 to 20", true]);
  }
  const whole = await run("find_tool", { query: "draw", limit: 2 });
  assertEquals([JSON.parse(textIn(whole)), whole.isError], [whole.structuredContent, undefined]);
  assertEquals((whole.content as JsonObject[])[0]!.type, "text");
});

Deno.test("a query that says nothing is refused with an example", async () => {
  const { run } = windowOn(toolsOf("t"));
  for (const args of [{}, { query: 3 }, { query: "  " }, undefined]) {
    const result = await run("find_tool", args);
    assertEquals([result.isError, (result.content as JsonObject[])[0]!.type], [true, "text"]);
    assertStringIncludes(textIn(result), '{"query": "list issues"}');
  }
});

Deno.test("when nothing fits, a hundred names are told and how many more there are", async () => {
  const nothing = async (count: number) => {
    const { find } = windowOn(toolsOf(...Array.from({ length: count }, (_, n) => `t${n}`)));
    return await find("zzzzzz");
  };
  const [few, exactly, many] = [await nothing(2), await nothing(100), await nothing(103)];
  assertEquals([few.tools, few.names, few.more_names], [[], ["t0", "t1"], undefined]);
  assert((few.note as string).length > 0);
  assertEquals([exactly.names!.length, exactly.more_names], [100, undefined]);
  assertEquals([many.names!.length, many.more_names], [100, 3]);
  assertEquals((await windowOn(toolsOf("t")).find("t")).note, undefined);
});

Deno.test("a tool is found by its name in any spelling, its server, title, description and parameters", async () => {
  const tool = (name: string, more: JsonObject = {}) => ({ name, inputSchema: { type: "object" }, ...more });
  const { find } = windowOn([
    tool("createIssue2Go"),
    tool("plain", { title: "Zebra painter" }),
    tool("spoken", { description: "Reads aloud what is written. Nothing else?" }),
    tool("counted", {
      inputSchema: {
        type: "object",
        properties: { velocity: { description: "metres travelled" }, weight: 3, odd: { description: 4 } },
      },
    }),
    tool("bare", { inputSchema: 5, title: 6, description: 7 }),
    tool("Stryker"),
  ]);
  const first = async (query: string) => namesIn(await find(query))[0];
  for (
    const query of ["create", "issue", "issues", "Issue 2", "create_issue", "create-issue", "creat", "crate"]
  ) {
    assertEquals(await first(query), "createIssue2Go", query);
  }
  assertEquals(await first("zebra"), "plain");
  assertEquals(await first("ALOUD"), "spoken");
  assertEquals(await first("velocity"), "counted");
  assertEquals(await first("metre"), "counted");
  assertEquals(await first("weight"), "counted");
  assertEquals(await first("zzzzz?"), undefined, "no word is not a word");
  assertEquals((await find("desk", { limit: 20 })).tools.length, 6, "all of the server");
  assertEquals(await first("was here"), undefined, "what is not there is found by no words");
  // Words of two letters are too short to begin others, those of four to be misspelt.
  assertEquals(namesIn(await find("cr")), []);
  assertEquals(namesIn(await find("cre")), ["createIssue2Go"]);
  assertEquals(namesIn(await find("bake")), []);
  assertEquals(namesIn(await find("zebro")), ["plain"]);
});

Deno.test("a word in a name weighs more than in a title, and there more than in a description", async () => {
  const tool = (name: string, more: JsonObject = {}) => ({ name, inputSchema: { type: "object" }, ...more });
  const { find } = windowOn([
    tool("described", { description: "mail mail mail" }),
    tool("titled", { title: "mail box" }),
    tool("mail in a box of many"),
  ]);
  const [heaviest, ...rest] = namesIn(await find("mail"));
  assertEquals([String(heaviest).startsWith("desk__mail_in"), rest], [true, ["titled", "described"]]);
  // Where two servers have the same name it is found by that as well.
  const [a, b] = [
    new FakeServer("a", { tools: toolsOf("send") }),
    new FakeServer("b", { tools: toolsOf("send") }),
  ];
  const router = routerOf([a, b], { search: "on" });
  const { structuredContent } = await ask(router, "tools/call", {
    name: "find_tool",
    arguments: { query: "b send" },
  });
  const [best] = (structuredContent as { tools: JsonObject[] }).tools;
  assertEquals(best!.name, "b__send");
});

Deno.test("short words keep their s, and so do those that end in two", async () => {
  const { find } = windowOn(toolsOf("gas", "class", "things", "cat", `${"x".repeat(90)}_zebra`));
  assertEquals(namesIn(await find("cats")), ["cat"]);
  assertEquals((await find("zebra")).tools.length, 1, "also by what its name was too long for");
  assertEquals(namesIn(await find("gas")), ["gas"]);
  assertEquals(namesIn(await find("ga")), []);
  assertEquals(namesIn(await find("class")), ["class"]);
  assertEquals(namesIn(await find("thing")), ["things"]);
});

Deno.test("call_tool calls what it names, with an object or the text of one", async () => {
  const { run, server } = windowOn(toolsOf("send"));
  assertEquals(
    textIn(await run("call_tool", { name: "send", arguments: { id: 1 } })),
    '{"name":"send","arguments":{"id":1}}',
  );
  assertEquals(textIn(await run("call_tool", { name: "send" })), '{"name":"send","arguments":{}}');
  assertEquals(
    textIn(await run("call_tool", { name: "send", arguments: '{"id":2}' })),
    '{"name":"send","arguments":{"id":2}}',
  );
  server.calls.length = 0;
  const through = (args?: JsonObject) => assertRejects(() => run("call_tool", args), ExaiError);
  for (const args of [undefined, {}, { name: "" }, { name: 3 }]) {
    const { code, message } = await through(args);
    assertEquals([code, message.includes("name of call_tool must be")], ["INVALID_PARAMS", true]);
  }
  for (const wrong of [[1], "{", "[1]", 3]) {
    const { code, message } = await through({ name: "send", arguments: wrong });
    assertEquals([code, message.includes("arguments of call_tool must be an object")], [
      "INVALID_PARAMS",
      true,
    ]);
  }
  assertEquals(server.calls, []);
});

Deno.test("call_tool keeps what belongs to the call itself", async () => {
  const { router, server } = windowOn(toolsOf("send"));
  const params = { name: "call_tool", arguments: { name: "send" }, _meta: { progressToken: 7 } };
  const made = call({ params, progressToken: 7, timeoutMs: 5, ...searching });
  await router.target(made);
  const [{ params: seen, progressToken, timeoutMs, signal }] = server.calls as [typeof made];
  assertEquals(seen, { name: "send", arguments: {}, _meta: { progressToken: 7 } });
  assertEquals([progressToken, timeoutMs, signal], [7, 5, made.signal]);
});

Deno.test("with tool search a window sees the core and the search tools, each of its names once", async () => {
  const tools = toolsOf("a", "find_tool", "b", "call_tool");
  const isCore = (name: string, { server }: { server: { name: string } }) =>
    name !== "b" && server.name === "desk";
  assertEquals(await windowOn(tools, { isCore }).names(), ["a", "find_tool", "call_tool"]);
  assertEquals(await windowOn(tools).names(), ["find_tool", "call_tool"]);
  assertEquals(await windowOn(tools, { search: "off" }).names(), ["a", "find_tool", "b", "call_tool"]);
  assertEquals(await windowOn(tools, { search: undefined }).names(), ["a", "find_tool", "b", "call_tool"]);
});

Deno.test("auto switches tool search on beyond so many characters, and off again", async () => {
  const tools = toolsOf("a");
  const chars = JSON.stringify(tools).length;
  const auto = (searchChars?: number) => windowOn(tools, { search: "auto", searchChars });
  assertEquals(await auto(chars).names(), ["a"]);
  assertEquals(await auto().names(), ["a"]);
  const window = auto(chars - 1);
  assertEquals(await window.names(), ["find_tool", "call_tool"]);
  const advice = async () => (await assertRejects(() => window.run("none"), ExaiError)).message;
  assertStringIncludes(await advice(), "find_tool finds tools by what they do");
  window.server.lists.tools = [];
  assertEquals(await window.names(), []);
  assertStringIncludes(await advice(), "tools/list names them all");
});

Deno.test("a server's own find_tool and call_tool are called where the window does not search", async () => {
  const own = (search: RouterOptions["search"]) => windowOn(toolsOf("find_tool", "call_tool"), { search });
  for (const name of ["find_tool", "call_tool"]) {
    for (const search of ["off", "auto", undefined] as const) {
      assertEquals(
        textIn(await own(search).run(name, { query: "x" })),
        `{"name":"${name}","arguments":{"query":"x"}}`,
      );
    }
  }
  // A window that was shown the search tools means those, even if it has not listed since the daemon restarted.
  const shown = own("on");
  await shown.names();
  assertEquals(namesIn(await shown.find("find_tool")).includes("find_tool"), true);
  const fresh = windowOn(toolsOf("other"), { search: "auto" });
  assertEquals(namesIn(await fresh.find("other")), ["other"]);
  const off = windowOn(toolsOf("other"), { search: "off" });
  assertEquals((await assertRejects(() => off.find("other"), ExaiError)).code, "TOOL_NOT_FOUND");
  const unsaid = windowOn(toolsOf("other"), { search: undefined });
  assertEquals((await assertRejects(() => unsaid.find("other"), ExaiError)).code, "TOOL_NOT_FOUND");
});

Deno.test("a window of one server has no front: its names are that server's own", async () => {
  const { router, server } = windowOn(toolsOf("t"));
  server.lists.prompts = [{ name: "find_tool" }];
  await ask(router, "tools/call", { name: "find_tool" }, { caller: callerOf({ server: "desk" }) });
  await ask(router, "prompts/get", { name: "find_tool" });
  assertEquals(server.takeMethods(), ["tools/call", "prompts/get"]);
});

const config = (parts: Partial<ClientToolsConfig>): ClientToolsConfig => ({
  client: "*",
  include: undefined,
  exclude: [],
  search: undefined,
  ...parts,
});

Deno.test("the first entry that fits a client counts, whatever the case; one without a name is any", () => {
  const sets = toolSetsOf([config({ client: "Cursor*", search: "on" }), config({ client: "zed" })]);
  assertEquals(sets("cursor-vscode")?.config.search, "on");
  assertEquals(sets("ZED")?.config.client, "zed");
  assertEquals(sets("vim"), undefined);
  assertEquals(sets(undefined), undefined);
  const any = toolSetsOf([config({ client: "" }), config({ client: "*" })]);
  assertEquals([any(undefined)?.config.client, any("x")?.config.client], ["", "*"]);
});

Deno.test("a tool is named in include and exclude as the catalog has it or as server/tool", () => {
  const server = new FakeServer("desk");
  const shows = (parts: Partial<ClientToolsConfig>, name: string, own: JsonObject = { name: "own" }) =>
    toolSetsOf([config(parts)])("x")!.shows(name, { server, name: textOf(own.name) ?? "", own });
  assertEquals(shows({}, "t"), true);
  assertEquals(shows({ include: [] }, "t"), false);
  assertEquals(shows({ include: ["t"] }, "t"), true);
  assertEquals(shows({ include: ["desk/own"] }, "t"), true);
  assertEquals(shows({ include: ["desk/t"] }, "t"), false);
  assertEquals(shows({ include: ["T"] }, "t"), false);
  assertEquals(shows({ exclude: ["t"] }, "t"), false);
  assertEquals(shows({ exclude: ["desk/own"] }, "t"), false);
  assertEquals(shows({ exclude: ["u"] }, "t"), true);
  assertEquals(shows({ include: ["*"], exclude: ["desk/*"] }, "t"), false);
  assertEquals(shows({ include: ["desk/"] }, "t", { name: 3 }), true);
});

Deno.test("a client's own entry says what it sees, finds and may call, and how it searches", async () => {
  const toolSets = () => toolSetsOf([config({ client: "small", exclude: ["*_mail"], search: "off" })]);
  const client = (name: string) => ({ caller: callerOf({ id: name, client: { name, version: "1" } }) });
  const tools = toolsOf("send_mail", "read");
  const small = windowOn(tools, { toolSets }, client("small"));
  assertEquals(await small.names(), ["read"]);
  const { code, message } = await assertRejects(() => small.run("send_mail"), ExaiError);
  assertEquals(code, "TOOL_NOT_FOUND");
  assertStringIncludes(message, 'send_mail is hidden from this client by clients["small"] in mcp.json');
  assertStringIncludes(message, "exclude");
  const large = windowOn(tools, { toolSets }, client("large"));
  assertEquals(await large.names(), ["find_tool", "call_tool"]);
  assertEquals(namesIn(await large.find("mail")), ["send_mail"]);
  assertEquals(textIn(await large.run("send_mail", {})), '{"name":"send_mail","arguments":{}}');
  const unnamed = windowOn(tools, { toolSets: () => toolSetsOf([config({ exclude: ["read"] })]) });
  assertEquals(await unnamed.run("send_mail", {}) !== undefined, true);
  assertEquals((await assertRejects(() => unnamed.run("read"), ExaiError)).code, "TOOL_NOT_FOUND");
  unnamed.server.lists.prompts = [{ name: "read" }];
  unnamed.router.invalidate();
  await ask(unnamed.router, "prompts/get", { name: "read" });
  const on = () => toolSetsOf([config({ client: "small", exclude: ["*_mail"], search: "on" })]);
  const searches = windowOn(tools, { toolSets: on, search: "off" }, client("small"));
  assertEquals(await searches.names(), ["find_tool", "call_tool"]);
  assertEquals((await searches.find("mail")).names, ["read"]);
  assertEquals(namesIn(await searches.find("read")), ["read"]);
  assertEquals(isObject((await searches.run("find_tool", { query: "read" })).structuredContent), true);
});
