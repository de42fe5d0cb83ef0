import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Settings } from "../../lib/config/settings.ts";
import { LEAN_TOOLS } from "../../lib/tool/tool_selection.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { openAiFaults } from "../helpers/json_schema.ts";
import { sdkClient, type SdkClientOptions, textOf } from "../helpers/sdk_client.ts";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { sharedServer } from "../helpers/shared_server.ts";
import { until } from "../helpers/until.ts";

type Build = (server: McpServer) => void;

/** A window of a daemon with one mounted server of these tools. */
async function windowOn(build: Build, settings: Partial<Settings>, client: SdkClientOptions = {}) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(sharedServer({ config: { name: "desk" }, build }));
  const it = stack.use(await testDaemon({ settings, servers: [server.mounted] }));
  const window = stack.use(await sdkClient(it.url, client));
  return {
    it,
    window,
    names: async () => (await window.listTools()).tools.map(({ name }) => name),
    find: async (query: string, more: JsonObject = {}) => {
      const result = await window.callTool({ name: "find_tool", arguments: { query, ...more } });
      return JSON.parse(textOf(result)) as {
        tools: { name: string; inputSchema: JsonObject }[];
        names?: string[];
      };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const say = (text: string) => ({ content: [{ type: "text" as const, text }] });

/** Tools as a person's many servers have them. */
const OFFICE: Record<string, string> = {
  create_issue: "Open a new issue in a repository, with a title and a body.",
  listIssues: "List the issues of a repository, newest first.",
  merge_pull_request: "Merge a pull request into its base branch.",
  send_mail: "Send an e-mail to one or more people.",
  search_mail: "Search the mailbox for messages.",
  query_database: "Run a read-only SQL query and give its rows.",
  browser_screenshot: "Take a screenshot of the page that is open.",
  create_event: "Put an appointment into the calendar.",
};

const office: Build = (server) => {
  for (const [name, description] of Object.entries(OFFICE)) {
    server.registerTool(
      name,
      { description, inputSchema: { id: z.string() } },
      ({ id }) => say(`${name} ${id}`),
    );
  }
};

Deno.test("with tool search a window sees the core tools and the two search tools", async () => {
  await using on = await windowOn(office, { toolSearch: "on" });
  assertEquals(await on.names(), [...LEAN_TOOLS, "find_tool", "call_tool"]);
  for (const tool of (await on.window.listTools()).tools.slice(-2)) {
    assertEquals(openAiFaults(tool as unknown as JsonObject), []);
  }
  await using off = await windowOn(office, {});
  assertEquals((await off.names()).includes("find_tool"), false);
  const error = await assertRejects(() => off.find("mail")) as Error;
  assertStringIncludes(error.message, "there is no tool");
});

Deno.test("find_tool gives what fits best first, with all that is needed to call it", async () => {
  await using on = await windowOn(office, { toolSearch: "on" });
  const first = async (query: string) => (await on.find(query)).tools[0]?.name;
  assertEquals(await first("make a new issue"), "create_issue");
  assertEquals(await first("list issues"), "listIssues");
  assertEquals(await first("email somebody"), "send_mail");
  assertEquals(await first("screnshot"), "browser_screenshot");
  assertEquals(await first("SQL"), "query_database");
  assertEquals(await first("calendar appointment"), "create_event");
  assertEquals(await first("plan in steps"), "planner");
  const { tools } = await on.find("desk", { limit: 3 });
  assertEquals(tools.length, 3);
  assertEquals((tools[0]!.inputSchema.properties as JsonObject).id !== undefined, true);
  const nothing = await on.find("zzzzz");
  assertEquals([nothing.tools.length, nothing.names!.includes("send_mail")], [0, true]);
  for (const args of [{}, { query: " " }, { query: "mail", limit: 0 }]) {
    const result = await on.window.callTool({ name: "find_tool", arguments: args });
    assertEquals(result.isError, true);
  }
});

Deno.test("call_tool passes everything through: progress, structured content, failures, questions, cancellation", async () => {
  const stopped = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const tools: Build = (server) => {
    server.registerTool("counted", { outputSchema: { n: z.number() } }, async (extra) => {
      const { progressToken } = extra._meta ?? {};
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken: progressToken!, progress: 1, message: "half" },
      });
      return { content: [{ type: "text", text: "1" }], structuredContent: { n: 1 } };
    });
    server.registerTool("fails", {}, () => ({ ...say("no such row"), isError: true }));
    server.registerTool("asks", {}, async () => {
      const requestedSchema = { type: "object" as const, properties: { name: { type: "string" as const } } };
      const answer = await server.server.elicitInput({ message: "Who?", requestedSchema });
      return say(JSON.stringify(answer.content));
    });
    server.registerTool("waits", {}, ({ signal }) => {
      begun.resolve();
      return new Promise((_, reject) => {
        signal.onabort = () => {
          stopped.resolve();
          reject(new Error("stopped"));
        };
      });
    });
  };
  await using at = await windowOn(tools, { toolSearch: "on" }, {
    name: "ada",
    capabilities: { elicitation: {} },
  });
  const call = (name: string, more = {}) =>
    at.window.callTool({ name: "call_tool", arguments: { name } }, undefined, more);
  const progress: (string | undefined)[] = [];
  const counted = await call("counted", {
    onprogress: ({ message }: { message?: string }) => progress.push(message),
  });
  assertEquals([counted.structuredContent, progress], [{ n: 1 }, ["half"]]);
  const failed = await call("fails");
  assertEquals([failed.isError, textOf(failed)], [true, "no such row"]);
  assertStringIncludes(textOf(await call("asks")), "ada");
  const controller = new AbortController();
  const waiting = call("waits", { signal: controller.signal });
  await begun.promise;
  controller.abort();
  await assertRejects(() => waiting);
  await stopped.promise;
  const activity = textOf(await at.window.callTool({ name: "call_tool", arguments: { name: "activity" } }));
  assertStringIncludes(activity, " counted ok ");
  assertEquals(activity.includes("call_tool"), false, "a call is recorded under the tool that ran");
});

Deno.test("a hidden tool is served by its own name too, and what is wrong with a call is said", async () => {
  await using on = await windowOn(office, { toolSearch: "on" });
  await on.names();
  assertEquals(
    textOf(await on.window.callTool({ name: "send_mail", arguments: { id: "1" } })),
    "send_mail 1",
  );
  const through = (args: JsonObject) => on.window.callTool({ name: "call_tool", arguments: args });
  assertEquals(textOf(await through({ name: "send_mail", arguments: '{"id": "2"}' })), "send_mail 2");
  for (
    const [args, why] of [
      [{ name: "send_male" }, "find_tool finds tools by what they do"],
      [{ arguments: {} }, "name of call_tool must be the name of a tool"],
      [{ name: "send_mail", arguments: [1] }, "arguments of call_tool must be an object"],
      [{ name: "call_tool" }, "there is no tool"],
    ] as const
  ) {
    const error = await assertRejects(() => through(args as unknown as JsonObject)) as Error;
    assertStringIncludes(error.message, why);
  }
});

Deno.test("a client's entry in mcp.json says how it searches, and hidden tools are not found", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-tool-search-" });
  try {
    const clients = { "small*": { search: "on", exclude: ["*_mail"] } };
    await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ clients }));
    await using at = await windowOn(office, { home }, { name: "small-window" });
    assertEquals((await at.names()).slice(-2), ["find_tool", "call_tool"]);
    assertEquals((await at.find("mail")).tools.filter(({ name }) => name.endsWith("_mail")), []);
    const error = await assertRejects(() =>
      at.window.callTool({ name: "call_tool", arguments: { name: "send_mail", arguments: { id: "1" } } })
    ) as Error;
    assertStringIncludes(error.message, 'hidden from this client by clients["small*"]');
    await using other = await sdkClient(at.it.url, { name: "large" });
    assertEquals((await other.listTools()).tools.some(({ name }) => name === "send_mail"), true);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a server's own find_tool is called where the window does not search, and through call_tool where it does", async () => {
  const build: Build = (server) => server.registerTool("find_tool", {}, () => say("mine"));
  await using off = await windowOn(build, {});
  assertEquals(textOf(await off.window.callTool({ name: "find_tool" })), "mine");
  await using auto = await windowOn(build, { toolSearch: "auto", toolSearchChars: 10_000_000 });
  assertEquals(textOf(await auto.window.callTool({ name: "find_tool" })), "mine");
  await using on = await windowOn(build, { toolSearch: "on" });
  assertEquals((await on.names()).filter((name) => name === "find_tool").length, 1);
  assertEquals(
    textOf(await on.window.callTool({ name: "call_tool", arguments: { name: "find_tool" } })),
    "mine",
  );
});

Deno.test("500 mounted tools take the space of a dozen, and auto switches tool search on by itself", async () => {
  const many: Build = (server) => {
    for (let i = 0; i < 500; i++) {
      const inputSchema = { id: z.string().describe("which one"), depth: z.number().optional() };
      const description =
        `Does task number ${i} of the many tasks that a mounted server offers, and tells what came of it.`;
      server.registerTool(`task_${i}`, { description, inputSchema }, ({ id }) => say(`${i} ${id}`));
    }
  };
  await using all = await windowOn(many, {});
  await using auto = await windowOn(many, { toolSearch: "auto" });
  await using few = await windowOn(() => {}, { toolSearch: "auto" });
  const chars = async (window: typeof all) => JSON.stringify((await window.window.listTools()).tools).length;
  const [without, withSearch] = [await chars(all), await chars(auto)];
  assert(without > 150_000 && withSearch < 20_000, `${without} and ${withSearch} characters`);
  assertEquals((await auto.names()).length, LEAN_TOOLS.length + 2);
  assertEquals((await auto.find("task number 333")).tools[0]!.name, "task_333");
  const args = { name: "task_333", arguments: { id: "a" } };
  assertEquals(textOf(await auto.window.callTool({ name: "call_tool", arguments: args })), "333 a");
  assertEquals((await few.names()).includes("find_tool"), false, "few tools are all shown");
});

Deno.test("tools that a server announces are found at once, without a new tools/list", async () => {
  await using it = await mountingDaemon({ desk: bad("none") }, { toolSearch: "on" });
  await using client = await sdkClient(it.url);
  await client.listTools();
  const found = async (query: string) => {
    const result = await client.callTool({ name: "find_tool", arguments: { query } });
    return (JSON.parse(textOf(result)) as { tools: { name: string }[] }).tools.map(({ name }) => name);
  };
  assertEquals((await found("v1")).includes("v1"), true);
  await client.callTool({ name: "call_tool", arguments: { name: "none_change" } });
  await until("the new tool", async () => (await found("v2")).includes("v2") || undefined);
});
