import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { RawHttp, sseMessages } from "./helpers/http_client.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { scripted, toolsPage } from "./helpers/scripted.ts";
import { Shim } from "./helpers/shim.ts";

/** One way in: sends text, gives the next answer. */
interface Door extends AsyncDisposable {
  ask(text: string): Promise<JsonObject>;
}

const initialize = (protocolVersion: string) => ({
  jsonrpc: "2.0",
  id: "init",
  method: "initialize",
  params: { protocolVersion, capabilities: {}, clientInfo: { name: "t", version: "1" } },
});

async function socketDoor(url: string, revision: string): Promise<Door> {
  const client = await RawClient.connect(url, ["mcp"]);
  await client.ask(initialize(revision));
  return { ask: (text) => client.ask(text), [Symbol.asyncDispose]: () => client.close() };
}

async function httpDoor(http: string, revision: string): Promise<Door> {
  const client = new RawHttp(`${http}mcp`);
  client.headers["mcp-protocol-version"] = revision;
  const response = await client.post(JSON.stringify(initialize(revision)));
  await response.body?.cancel();
  client.headers["mcp-session-id"] = response.headers.get("mcp-session-id")!;
  return {
    async ask(text) {
      const response = await client.post(text);
      return response.ok ? (await sseMessages(response))[0]! : await response.json();
    },
    [Symbol.asyncDispose]: async () => void await client.delete(),
  };
}

async function shimDoor(home: string, url: string, revision: string): Promise<Door> {
  const shim = await Shim.start({ home, port: Number(new URL(url).port) });
  await shim.initialize(initialize(revision).params);
  return {
    async ask(text) {
      await shim.send(text);
      return await shim.next();
    },
    [Symbol.asyncDispose]: () => shim[Symbol.asyncDispose](),
  };
}

const request = (id: unknown, method: string, params?: unknown) =>
  JSON.stringify({ jsonrpc: "2.0", id, method, ...(params === undefined ? {} : { params }) });

async function atEachDoor(
  revision: string,
  work: (door: Door, name: string) => Promise<void>,
): Promise<void> {
  await using it = await mountingDaemon({ s: scripted({ "tools/list": toolsPage(["echo"]) }) });
  const doors: Record<string, () => Promise<Door>> = {
    socket: () => socketDoor(it.url, revision),
    http: () => httpDoor(it.http, revision),
    shim: () => shimDoor(it.home, it.url, revision),
  };
  for (const [name, open] of Object.entries(doors)) {
    await using door = await open();
    await work(door, name);
  }
}

Deno.test("null where nothing need stand is taken for nothing, at each door", async () => {
  await atEachDoor("2025-11-25", async (door, name) => {
    const good = [
      request(1, "ping", null),
      request(2, "tools/list", null),
      request(3, "tools/list", { cursor: null }),
      request(4, "tools/list", { cursor: null, _meta: null }),
      request(5, "tools/call", { name: "echo", arguments: null, _meta: null }),
    ];
    for (const text of good) {
      const answer = await door.ask(text);
      assertEquals([answer.error, answer.result !== undefined], [undefined, true], `${name} ${text}`);
    }
    const { result } = await door.ask(good[4]!);
    assertEquals(JSON.parse(((result as JsonObject).content as { text: string }[])[0]!.text).params, {
      name: "echo",
    });
  });
});

Deno.test("what is no message is refused in the same words at each door", async () => {
  const bad = [
    request(1.5, "ping"),
    request({}, "ping"),
    request(3, "ping", 3),
    request(4, "ping", []),
    JSON.stringify({ jsonrpc: "2.0", id: 5, method: 7 }),
    JSON.stringify({ id: 6, method: "ping" }),
    JSON.stringify([JSON.parse(request(7, "ping"))]),
  ];
  const said = new Map<string, unknown[]>();
  await atEachDoor("2025-11-25", async (door, name) => {
    const answers: unknown[] = [];
    for (const text of bad) {
      const { id, error } = await door.ask(text);
      answers.push([id, (error as JsonObject)?.code, (error as JsonObject)?.message]);
    }
    said.set(name, answers);
  });
  assertEquals(said.get("http"), said.get("socket"));
  assertEquals(said.get("shim"), said.get("socket"));
  const [fraction] = said.get("socket") as [unknown[]];
  assertEquals(fraction.slice(0, 2), [1.5, -32600]);
  assertStringIncludes(String(said.get("socket")!.at(-1)), "only MCP 2025-03-26 has batches");
});

Deno.test("a batch is taken at each door from a client of the revision that has them", async () => {
  await atEachDoor("2025-03-26", async (door, name) => {
    const answer = await door.ask(`[${request(1, "ping", null)}]`);
    assertEquals([answer.id, answer.result], [1, {}], name);
  });
});

Deno.test("HTTP clients are served whatever way they write what they take and send", async () => {
  await using it = await mountingDaemon({});
  const ways: Record<string, string>[] = [
    { accept: "*/*", "content-type": "application/json" },
    { accept: "application/*, text/*", "content-type": "application/json; charset=utf-8" },
    { accept: "Application/JSON, Text/Event-Stream", "content-type": "Application/JSON;charset=UTF-8" },
    { accept: "application/json;q=0.9, text/event-stream;q=0.1", "content-type": "APPLICATION/JSON" },
    { accept: "", "content-type": "application/json" },
  ];
  for (const headers of ways) {
    const client = new RawHttp(`${it.http}mcp`);
    Object.assign(client.headers, headers);
    const response = await client.post(JSON.stringify(initialize("2025-11-25")));
    assertEquals(response.status, 200, JSON.stringify(headers));
    assertEquals((await sseMessages(response))[0]!.id, "init");
    client.headers["mcp-session-id"] = response.headers.get("mcp-session-id")!;
    const stream = await client.get();
    assertEquals(stream.status, 200);
    await stream.body?.cancel();
    await client.delete();
  }
  const client = new RawHttp(`${it.http}mcp`);
  Object.assign(client.headers, { accept: "application/json" });
  const response = await client.post(JSON.stringify(initialize("2025-11-25")));
  assertEquals(response.status, 406);
  await response.body?.cancel();
});
