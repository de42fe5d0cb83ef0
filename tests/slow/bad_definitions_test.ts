import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Json, JsonObject } from "../../lib/base/json.ts";
import { sift } from "../../lib/call/definitions.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { scripted, tool } from "../helpers/scripted.ts";
import { sdkClient } from "../helpers/sdk_client.ts";

const nested = (depth: number): Json => depth === 0 ? {} : { properties: { a: nested(depth - 1) } };

/** Entries of a list of tools that a client refuses, by what is wrong. */
const BAD_TOOLS: Record<string, unknown> = {
  "properties is an array": tool("bad", { inputSchema: { type: "object", properties: [] } }),
  "no schema": { name: "bad" },
  "a schema of another type": tool("bad", { inputSchema: { type: "string" } }),
  "a schema that is null": tool("bad", { inputSchema: null }),
  "no name": { inputSchema: { type: "object" } },
  "a name that is a number": { name: 5, inputSchema: { type: "object" } },
  "an empty name": tool(""),
  "null": null,
  "an array": [],
  "a number": 7,
  "annotations that are a text": tool("bad", { annotations: "none" }),
  "_meta that is an array": tool("bad", { _meta: [] }),
  "icons that are an object": tool("bad", { icons: {} }),
  "an outputSchema that is a text": tool("bad", { outputSchema: "object" }),
  "a title that is a number": tool("bad", { title: 5 }),
  "task support of no known kind": tool("bad", { execution: { taskSupport: "perhaps" } }),
  "a property that is true": tool("bad", { inputSchema: { type: "object", properties: { a: true } } }),
  "a schema nested deeply": tool("bad", { inputSchema: { type: "object", ...nested(400) as JsonObject } }),
};

for (const [what, entry] of Object.entries(BAD_TOOLS)) {
  Deno.test(`one bad definition of a tool is left out and named, and no other: ${what}`, () => {
    const { entries, faults } = sift("tools", [tool("before"), entry as Json, tool("after")]);
    assertEquals(entries.map(({ name }) => name), ["before", "after"]);
    assertEquals(faults.length, 1);
    assertStringIncludes(faults[0]!, "is left out: ");
  });
}

Deno.test("bad definitions of tools cost no window any other tool, and are named in ps", async () => {
  const tools = [tool("before"), ...Object.values(BAD_TOOLS) as Json[], tool("after")];
  await using it = await mountingDaemon({
    odd: scripted({ "tools/list": { tools } }),
    well: scripted({ "tools/list": { tools: [tool("neighbour")] } }),
  });
  await using client = await sdkClient(it.url);
  const names = (await client.listTools()).tools.map(({ name }) => name);
  for (const name of ["before", "after", "neighbour", "version"]) {
    assert(names.includes(name), names.join());
  }
  assert(!names.includes("bad"));
  const row = (await it.status()).find(({ server }) => server === "odd")!;
  assertStringIncludes(String(row.list_faults), "is left out: ");
  assertEquals((await it.status()).find(({ server }) => server === "well")!.list_faults, undefined);
});

Deno.test("what is null stands for what is not there, and the tool is shown", async () => {
  const odd = tool("odd_tool", {
    title: null,
    description: null,
    annotations: null,
    outputSchema: null,
    icons: null,
    _meta: null,
    inputSchema: { type: "object", properties: null, required: null },
  });
  await using it = await mountingDaemon({ odd: scripted({ "tools/list": { tools: [odd] } }) });
  await using client = await sdkClient(it.url);
  const found = (await client.listTools()).tools.find(({ name }) => name === "odd_tool");
  assertEquals(found, { name: "odd_tool", inputSchema: { type: "object" } });
  const [row] = await it.status();
  assertStringIncludes(String(row!.list_faults), 'tool "odd_tool": ');
});

Deno.test("an output schema that clients cannot compile is left off its tool", async () => {
  const outputSchema = { type: "object", properties: { a: { $ref: "#/$defs/nowhere" } } };
  const cyclic = { type: "object", properties: { next: { $ref: "#" } } };
  const tools = [tool("lost_ref", { outputSchema }), tool("cyclic", { outputSchema: cyclic })];
  await using it = await mountingDaemon({ odd: scripted({ "tools/list": { tools } }) });
  await using client = await sdkClient(it.url);
  const shown = new Map((await client.listTools()).tools.map((tool) => [tool.name, tool.outputSchema]));
  assertEquals([shown.has("lost_ref"), shown.get("lost_ref"), shown.get("cyclic")], [
    true,
    undefined,
    cyclic as never,
  ]);
  assertStringIncludes(String((await it.status())[0]!.list_faults), "lost_ref");
});

Deno.test("a tool that stands twice in its server's list is shown once", async () => {
  const tools = [tool("twin", { title: "first" }), tool("twin", { title: "second" })];
  await using it = await mountingDaemon({ odd: scripted({ "tools/list": { tools } }) });
  await using client = await sdkClient(it.url);
  const shown = (await client.listTools()).tools.filter(({ name }) => name.includes("twin"));
  assertEquals(shown.map(({ name, title }) => [name, title]), [["twin", "first"]]);
});

Deno.test("bad prompts, resources and templates are left out of the merged lists", async () => {
  await using it = await mountingDaemon({
    odd: scripted({
      "prompts/list": {
        prompts: [
          { name: "good" },
          { name: "nulls", arguments: null },
          { name: "bad", arguments: {} },
          null,
          {},
        ],
      },
      "resources/list": {
        resources: [
          { uri: "a://good", name: "good" },
          { uri: "a://bad" },
          { name: "bad" },
          { uri: 5, name: "bad" },
          null,
        ],
      },
      "resources/templates/list": {
        resourceTemplates: [{ uriTemplate: "a://{x}", name: "good" }, { name: "bad" }, "bad"],
      },
    }),
  });
  await using client = await sdkClient(it.url);
  const { prompts } = await client.listPrompts();
  assertEquals(prompts.map(({ name }) => name).filter((name) => ["good", "nulls", "bad"].includes(name)), [
    "good",
    "nulls",
  ]);
  const { resources } = await client.listResources();
  assertEquals(resources.map(({ uri }) => uri).filter((uri) => !uri.startsWith("exai:")), ["a://good"]);
  const { resourceTemplates } = await client.listResourceTemplates();
  const templates = resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  assertEquals(templates.filter((uri) => !uri.startsWith("exai:")), ["a://{x}"]);
});

Deno.test("at its own door a server's list passes as it came", async () => {
  const tools = [tool("good", { description: null }), null, { name: "bad" }];
  await using it = await mountingDaemon({ odd: scripted({ "tools/list": { tools } }) });
  for (let round = 0; round < 2; round++) {
    const socket = new WebSocket(it.url + "mcp/odd", ["mcp"]);
    const answer = Promise.withResolvers<JsonObject>();
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }));
    socket.onmessage = ({ data }) => answer.resolve(JSON.parse(data));
    assertEquals((await answer.promise).result, { tools });
    const closed = new Promise((resolve) => socket.onclose = resolve);
    socket.close();
    await closed;
  }
});

Deno.test("entries of megabytes, and lists of many, are left out before they fill a client's message", () => {
  const large = tool("large", { description: "x".repeat(1_100_000) });
  const many = Array.from({ length: 6 }, (_, i) => tool(`t${i}`, { description: "x".repeat(900_000) }));
  const { entries, faults } = sift("tools", [large, ...many]);
  assertEquals(entries.map(({ name }) => name), ["t0", "t1", "t2", "t3"]);
  assertStringIncludes(faults[0]!, 'tool "large" is left out');
  assertStringIncludes(faults[1]!, 'the 2 entries from tool "t4" on are left out');
});

Deno.test("of many bad entries some are named, and how many more there are", () => {
  const { entries, faults } = sift("tools", Array.from({ length: 500 }, () => null));
  assertEquals([entries.length, faults.length, faults.at(-1)], [0, 11, "and 490 more"]);
});
