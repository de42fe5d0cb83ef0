import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/server/completable"
import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ListResourcesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { testDaemon } from "../helpers/daemon.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";

/** A server whose every part says which of two it is. */
function library(name: string) {
  return sharedServer({
    config: { name },
    build: (server) => {
      const say = (text: string) => ({ contents: [{ uri: "", text: `${name}: ${text}` }] });
      server.registerTool("who", {}, () => ({ content: [{ type: "text", text: name }] }));
      server.registerTool(
        `only-${name}`,
        {},
        () => ({ content: [{ type: "text", text: `only ${name}` }] }),
      );
      server.registerPrompt(
        "greet",
        { argsSchema: { town: completable(z.string(), (begun) => [`${begun} of ${name}`]) } },
        ({ town }) => ({
          messages: [{ role: "user", content: { type: "text", text: `${name}: ${town}` } }],
        }),
      );
      server.registerResource("shared", "test://shared", {}, () => say("shared"));
      server.registerResource("own", `test://${name}/listed`, {}, () => say("listed"));
      server.registerResource(
        "item",
        new ResourceTemplate(`test://${name}/items/{id}`, {
          list: undefined,
          complete: { id: (begun) => [`${begun}1 of ${name}`] },
        }),
        {},
        (_uri, { id }) => say(`item ${id}`),
      );
    },
  });
}

async function twoLibraries() {
  const stack = new AsyncDisposableStack();
  const [red, blue] = [stack.use(library("red")), stack.use(library("blue"))];
  const it = stack.use(await testDaemon({ servers: [red.mounted, blue.mounted] }));
  const client = stack.use(await sdkClient(it.url));
  return { it, client, red, blue, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function contentOf(result: { contents: unknown[] }): string {
  return (result.contents[0] as { text: string }).text;
}

Deno.test("tools of one name are told apart by their server's name; unique ones keep theirs", async () => {
  await using two = await twoLibraries();
  const names = (await two.client.listTools()).tools.map(({ name }) => name);
  const wanted = ["blue__who", "only-blue", "only-red", "red__who"];
  assertEquals(names.filter((name) => wanted.includes(name) || name === "who").sort(), wanted);
  for (const server of ["red", "blue"]) {
    assertEquals(textOf(await two.client.callTool({ name: `${server}__who` })), server);
    assertEquals(textOf(await two.client.callTool({ name: `only-${server}` })), `only ${server}`);
  }
  const error = await assertRejects(() => two.client.callTool({ name: "who" })) as Error;
  assertStringIncludes(error.message, '"who"');
});

Deno.test("prompts of one name are got from the server they are named after, and their arguments completed there", async () => {
  await using two = await twoLibraries();
  const prompts = (await two.client.listPrompts()).prompts.map(({ name }) => name);
  const theirs = prompts.filter((name) => name.endsWith("greet"));
  assertEquals(theirs.toSorted(), ["blue__greet", "red__greet"]);
  assertEquals(prompts.includes("codereview"), true, "EXAI's own stand beside them");
  for (const server of ["red", "blue"]) {
    const name = `${server}__greet`;
    const { messages } = await two.client.getPrompt({ name, arguments: { town: "Ulm" } });
    assertEquals(messages[0]!.content, { type: "text", text: `${server}: Ulm` });
    const { completion } = await two.client.complete({
      ref: { type: "ref/prompt", name },
      argument: { name: "town", value: "U" },
    });
    assertEquals(completion.values, [`U of ${server}`]);
  }
  await assertRejects(() => two.client.getPrompt({ name: "greet", arguments: { town: "Ulm" } }));
});

Deno.test("a resource is read by its place in the list and by the template it fits; a template is completed", async () => {
  await using two = await twoLibraries();
  for (const server of ["red", "blue"]) {
    const read = async (uri: string) => contentOf(await two.client.readResource({ uri }));
    assertEquals(await read(`test://${server}/listed`), `${server}: listed`);
    assertEquals(await read(`test://${server}/items/7`), `${server}: item 7`);
    const { completion } = await two.client.complete({
      ref: { type: "ref/resource", uri: `test://${server}/items/{id}` },
      argument: { name: "id", value: "x" },
    });
    assertEquals(completion.values, [`x1 of ${server}`]);
  }
  const { resourceTemplates } = await two.client.listResourceTemplates();
  const templates = resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  assertEquals(templates, ["exai://threads/{id}", "test://red/items/{id}", "test://blue/items/{id}"]);
});

Deno.test("a resource two servers offer stands in the list once, and always the same one answers for it", async () => {
  await using two = await twoLibraries();
  const { resources } = await two.client.listResources();
  assertEquals(resources.filter(({ uri }) => uri === "test://shared").length, 1);
  for (let i = 0; i < 3; i++) {
    assertEquals(contentOf(await two.client.readResource({ uri: "test://shared" })), "red: shared");
  }
});

/** A server that answers for resources it does not list, and notes what it is asked about. */
function discreet(name: string, uris: readonly string[]) {
  const asked: string[] = [];
  const shared = sharedServer({
    config: { name },
    build: ({ server }) => {
      server.setRequestHandler(ListResourcesRequestSchema, () => ({
        resources: [{ uri: `${name}://listed`, name: "listed" }],
      }));
      server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
        asked.push(uri);
        if (!uris.includes(uri)) throw new McpError(-32002, `no ${uri}`);
        return { contents: [{ uri, text: name }] };
      });
      server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
        asked.push(`+${uri}`);
        return {};
      });
    },
  });
  return Object.assign(shared, { asked });
}

Deno.test("a resource that stands in no list is read from the server that knows it", async () => {
  await using first = discreet("first", []);
  await using second = discreet("second", ["test://hidden"]);
  await using it = await testDaemon({ servers: [first.mounted, second.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals(contentOf(await client.readResource({ uri: "test://hidden" })), "second");
  const error = await assertRejects(() => client.readResource({ uri: "test://nowhere" }));
  assertEquals((error as McpError).code, -32002);
});

Deno.test("a resource in no list is looked for first, and subscribed to, where others of its scheme are", async () => {
  await using first = discreet("first", ["second://unlisted"]);
  await using second = discreet("second", ["second://unlisted"]);
  await using it = await testDaemon({ servers: [first.mounted, second.mounted] });
  await using client = await sdkClient(it.url);
  assertEquals(contentOf(await client.readResource({ uri: "second://unlisted" })), "second");
  await client.subscribeResource({ uri: "second://unlisted" });
  assertEquals([first.asked, second.asked], [[], ["second://unlisted", "+second://unlisted"]]);
});

Deno.test("a subscription to a resource whose server nobody can tell is left with each that may have it", async () => {
  await using first = discreet("first", []);
  await using second = discreet("second", []);
  await using it = await testDaemon({ servers: [first.mounted, second.mounted] });
  await using client = await sdkClient(it.url);
  await client.subscribeResource({ uri: "third://unlisted" });
  assertEquals([first.asked, second.asked], [["+third://unlisted"], ["+third://unlisted"]]);
});
