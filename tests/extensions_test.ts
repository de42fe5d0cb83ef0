import { assertEquals, assertStrictEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { publicUri } from "../lib/call/scoped_uris.ts";
import { readDiscover } from "../lib/upstream/instance/link/discover.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import { withPublicLinks } from "../lib/router/scoped_results.ts";
import { ask, callerOf, failure, FakeServer, routerOf } from "./helpers/fake_server.ts";

const [UI, SKILLS] = ["io.modelcontextprotocol/ui", "io.modelcontextprotocol/skills"];

/** A server that is known to declare `extensions`. */
function serverWith(name: string, extensions: JsonObject, lists: FakeServer["lists"] = {}): FakeServer {
  const known = () => ({ instructions: undefined, extensions, tools: undefined });
  return Object.assign(new FakeServer(name, lists), { known });
}

async function extensionsOf(...servers: FakeServer[]): Promise<unknown> {
  return ((await ask(routerOf(servers), "initialize")).capabilities as JsonObject).extensions;
}

Deno.test("extensions that are merged are declared once, and others where one server alone has them", async () => {
  const a = serverWith("a", { [UI]: { mimeTypes: ["text/html"] }, [SKILLS]: {}, "com.example/x": { n: 1 } });
  const b = serverWith("b", { [SKILLS]: { directoryRead: true }, "com.example/y": {} });
  assertEquals(await extensionsOf(a, b), {
    [UI]: { mimeTypes: ["text/html"] },
    [SKILLS]: { directoryRead: true },
    "com.example/x": { n: 1 },
    "com.example/y": {},
  });
  assertEquals(await extensionsOf(a, serverWith("c", { "com.example/x": { n: 2 } })), {
    [UI]: { mimeTypes: ["text/html"] },
    [SKILLS]: {},
  });
  assertEquals(await extensionsOf(new FakeServer("d")), undefined);
});

Deno.test("a method of an extension that one server has is passed to it as it came, and to no server that has none", async () => {
  const [plain, a, b] = [
    new FakeServer("plain"),
    serverWith("a", { "com.example/x": {} }),
    serverWith("b", { "com.example/y": {}, [UI]: {} }),
  ];
  a.answer = () => ({ error: { code: -32601, message: "not here" } });
  b.answer = ({ params }) => ({ result: { asked: params } });
  const router = routerOf([plain, a, b]);
  assertEquals(await ask(router, "com.example/y/run", { n: 1 }), { asked: { n: 1 } });
  assertEquals([plain, a, b].map(({ calls }) => calls.map(({ method }) => method)), [
    [],
    ["com.example/y/run"],
    ["com.example/y/run"],
  ]);
  b.answer = a.answer;
  assertEquals((await failure(ask(router, "com.example/z")))[0], "METHOD_NOT_FOUND");
  assertEquals((await failure(ask(router, "elicitation/create")))[0], "METHOD_NOT_FOUND");
  assertEquals((await failure(ask(routerOf([plain]), "com.example/y/run")))[0], "METHOD_NOT_FOUND");
  // Where two servers have one extension it is declared for neither.
  const twice = routerOf([
    serverWith("c", { "com.example/x": {} }),
    serverWith("d", { "com.example/x": {} }),
  ]);
  assertEquals((await failure(ask(twice, "com.example/x/run")))[0], "METHOD_NOT_FOUND");
});

const app = (server: string) =>
  serverWith(server, { [UI]: {} }, {
    tools: [
      {
        name: `${server}_show`,
        inputSchema: {},
        _meta: { ui: { resourceUri: "ui://app/main", visibility: [] } },
      },
      { name: `${server}_old`, inputSchema: {}, _meta: { "ui/resourceUri": "ui://app/main", other: 1 } },
      { name: `${server}_plain`, inputSchema: {} },
    ],
    resources: [{ uri: "ui://app/main", name: "main" }, { uri: "file:///a", name: "file" }],
    templates: [{ uriTemplate: "ui://app/{page}", name: "page" }],
  });

Deno.test("two servers with the same app resource have one each, and their tools name their own", async () => {
  const servers = [app("one"), app("two")];
  for (const server of servers) {
    server.answer = ({ params }) => ({ result: { contents: [{ uri: params.uri!, text: server.name }] } });
  }
  const router = routerOf(servers);
  const { resources } = await ask(router, "resources/list");
  assertEquals((resources as JsonObject[]).map(({ uri }) => uri), [
    "ui://one.exai/app/main",
    "file:///a",
    "ui://two.exai/app/main",
  ]);
  const { tools } = await ask(router, "tools/list");
  assertEquals((tools as JsonObject[]).map(({ _meta }) => _meta), [
    { ui: { resourceUri: "ui://one.exai/app/main", visibility: [] } },
    { "ui/resourceUri": "ui://one.exai/app/main", other: 1 },
    undefined,
    { ui: { resourceUri: "ui://two.exai/app/main", visibility: [] } },
    { "ui/resourceUri": "ui://two.exai/app/main", other: 1 },
    undefined,
  ]);
  for (const server of ["one", "two"]) {
    const uri = publicUri(server, "ui://app/main");
    assertEquals(await ask(router, "resources/read", { uri }), { contents: [{ uri, text: server }] });
  }
  // One that is in no list is asked for where its URI says.
  const uri = publicUri("two", "ui://app/unlisted");
  assertEquals(await ask(router, "resources/read", { uri }), { contents: [{ uri, text: "two" }] });
  assertEquals(servers[1]!.calls.at(-1)!.params.uri, "ui://app/unlisted");
});

Deno.test("a link or resource in a result is read where it came from, and all other results pass as they came", async () => {
  const servers = [app("one"), app("two")];
  const link = { type: "resource_link", uri: "ui://app/main", name: "main" };
  const embedded = { type: "resource", resource: { uri: "skill://a/SKILL.md", text: "ui://app/main" } };
  const text = { type: "text", text: "ui://app/main" };
  const [two] = servers.slice(1);
  two!.answer = () => ({ result: { content: [link, embedded, text], _meta: { a: 1 } } });
  const router = routerOf(servers);
  assertEquals(await ask(router, "tools/call", { name: "two_plain" }), {
    content: [
      { ...link, uri: "ui://two.exai/app/main" },
      { ...embedded, resource: { uri: "skill://two.exai/a/SKILL.md", text: "ui://app/main" } },
      text,
    ],
    _meta: { a: 1 },
  });
  const message = (content: JsonObject) => ({ result: { messages: [{ role: "user", content }] } });
  const { result } = withPublicLinks(message(link), "two") as { result: JsonObject };
  assertEquals(result, message({ ...link, uri: "ui://two.exai/app/main" }).result);
  const limits = { depth: 9, members: 99 };
  const raw = (text: string) =>
    rawResult(readRawMessage(`{"jsonrpc":"2.0","id":1,"result":${text}}`, limits)!)!;
  const plain = raw('{"content":[{"type":"resource_link","uri":"file:///a","n":1.0}]}');
  assertStrictEquals(withPublicLinks(plain, "two"), plain);
  const scoped = withPublicLinks(raw('{"content":[{"type":"resource_link","uri":"ui://a"}]}'), "two");
  assertEquals(scoped, { result: { content: [{ type: "resource_link", uri: "ui://two.exai/a" }] } });
});

Deno.test("a session of one server alone sees the URIs that the server gave", async () => {
  const server = app("one");
  const caller = callerOf({ server: "one" });
  server.answer = ({ method, params }) => {
    return {
      result: method === "resources/list" ? { resources: server.lists.resources! as JsonObject[] } : params,
    };
  };
  const router = routerOf([server, app("two")]);
  const { resources } = await ask(router, "resources/list", {}, { caller });
  assertEquals((resources as JsonObject[])[0]!.uri, "ui://app/main");
  assertEquals(await ask(router, "resources/read", { uri: "ui://app/main" }, { caller }), {
    uri: "ui://app/main",
  });
});

const skill = (name: string): JsonObject => ({
  uri: `skill://${name}/SKILL.md`,
  frontmatter: { name, description: name },
  resources: [{ uri: `skill://${name}/SKILL.md`, digest: "d", size: 1 }],
});

const shownSkill = (server: string, name: string): JsonObject => ({
  uri: `skill://${server}.exai/${name}/SKILL.md`,
  frontmatter: { name, description: name },
  resources: [{ uri: `skill://${server}.exai/${name}/SKILL.md`, digest: "d", size: 1 }],
});

Deno.test("the skills of all servers are listed together, each with its files, and fetched from their server", async () => {
  const servers = ["one", "two"].map((name) => serverWith(name, { [SKILLS]: {} }));
  for (const server of servers) {
    server.answer = ({ method, params }) => {
      if (method === "skills/get") return { result: { skill: skill("git"), ttlMs: 1, cacheScope: "public" } };
      const isFirst = params.cursor === undefined;
      const page = { skills: [skill(isFirst ? "git" : server.name)], ttlMs: 90_000, cacheScope: "public" };
      return { result: isFirst ? { ...page, nextCursor: "2" } : page };
    };
  }
  const router = routerOf([...servers, new FakeServer("none")]);
  const { skills, ttlMs, cacheScope } = await ask(router, "skills/list");
  assertEquals(skills as unknown, [
    shownSkill("one", "git"),
    shownSkill("one", "one"),
    shownSkill("two", "git"),
    shownSkill("two", "two"),
  ]);
  assertEquals([Number(ttlMs) > 80_000, cacheScope], [true, "public"]);
  const got = await ask(router, "skills/get", { uri: "skill://two.exai/git/SKILL.md" });
  assertEquals(got, { skill: shownSkill("two", "git"), ttlMs: 1, cacheScope: "public" });
  assertEquals(servers[1]!.calls.at(-1)!.params.uri, "skill://git/SKILL.md");
});

Deno.test("a server that fails to list its skills leaves those of others, which are stale at once", async () => {
  const [good, bad] = [serverWith("good", { [SKILLS]: {} }), serverWith("bad", { [SKILLS]: {} })];
  good.answer = () => ({ result: { skills: [skill("git")], ttlMs: 90_000, cacheScope: "public" } });
  bad.answer = () => ({ error: { code: -32603, message: "broken" } });
  const { skills, ttlMs } = await ask(routerOf([good, bad]), "skills/list");
  assertEquals([(skills as JsonObject[]).length, ttlMs], [1, 0]);
  assertEquals(await failure(ask(routerOf([new FakeServer("none")]), "skills/list")), [
    "METHOD_NOT_FOUND",
    "no server here has skills",
  ]);
});

Deno.test("a server's tasks of the extension are no extension of it to clients, which the daemon has them follow", () => {
  const declared = (extensions: JsonObject) => {
    const asked = "2026-07-28";
    const result = { supportedVersions: [asked], capabilities: { tools: {}, extensions } };
    const verdict = readDiscover({ result }, { asked, server: "one" });
    return verdict.is === "modern" && verdict.description.capabilities;
  };
  const tasks = { "io.modelcontextprotocol/tasks": {} };
  assertEquals(declared(tasks), { tools: {} });
  assertEquals(declared({ ...tasks, [UI]: { a: 1 } }), { tools: {}, extensions: { [UI]: { a: 1 } } });
});
