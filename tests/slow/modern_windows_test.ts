import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Json, JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { claimOf, modernRequest, subscriptionOf } from "../helpers/modern.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const fixture = (name: string) => fromFileUrl(new URL(`../fixtures/${name}`, import.meta.url));
const WATCHED = "test://watched-resource";
const UPDATED = "notifications/resources/updated";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

/** A home whose daemons mount a server with lists that change, and one that notes each run of its tools. */
async function place() {
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const runs = `${home.path}/runs`;
  const deno = (file: string, ...args: string[]) => ({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", fixture(file), ...args],
    share: "machine",
  });
  const mcpServers = { eras: deno("eras_server.ts", "--era", "legacy"), gate: deno("gate_server.ts", runs) };
  await home.write("mcp.json", JSON.stringify({ mcpServers }));
  await home.write("runs", "");
  const env = { EXAI_SOCKET: "off" };
  return {
    daemon: () => startDaemon({ home: home.path, env }),
    shim: () => Shim.start({ port: 0, home: home.path, env }),
    runs: async () => (await Deno.readTextFile(runs)).split("\n").filter(Boolean).sort(),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

/** Asks as a client of the modern era. */
function ask(shim: Shim, id: Json, method: string, params: JsonObject = {}): Promise<JsonObject> {
  const answer = shim.answer(id as string);
  return shim.send(modernRequest(id, method, params)).then(() => answer);
}

async function listen(shim: Shim, id: string, notifications: JsonObject): Promise<JsonObject> {
  await shim.send(modernRequest(id, "subscriptions/listen", { notifications }));
  return await shim.next((message) => message.method === ACKNOWLEDGED && subscriptionOf(message) === id);
}

/** The next notification of `method` of a listen. */
function told(shim: Shim, method: string): Promise<JsonObject> {
  return shim.next((message) => message.method === method && subscriptionOf(message) !== undefined);
}

function count(shim: Shim, text: string): number {
  return shim.lines.filter((line) => line.includes(text)).length;
}

function textOf({ result, error }: JsonObject): Json | undefined {
  const content = (result as JsonObject | undefined)?.content as JsonObject[] | undefined;
  return content?.[0]?.text ?? ((error as JsonObject).data as JsonObject).code;
}

Deno.test("two windows of either era see the same server, and are told of its changes in their own way", async () => {
  await using it = await place();
  await using _daemon = await it.daemon();
  await using old = await it.shim();
  await using young = await it.shim();
  await old.initialize();
  const discovered = await ask(young, "d", "server/discover");
  assertEquals((discovered.result as JsonObject).supportedVersions, ["2026-07-28"]);
  const names = ({ result }: JsonObject) =>
    ((result as JsonObject).tools as JsonObject[]).map(({ name }) => name);
  await until("the tools of both servers", async () => {
    const known = names(await old.ask("tools/list"));
    return known.includes("change") && known.includes("hold") || undefined;
  });
  assertEquals(names(await ask(young, "t", "tools/list")), names(await old.ask("tools/list")));
  await old.ask("resources/subscribe", { uri: WATCHED });
  await listen(young, "l", { toolsListChanged: true, resourceSubscriptions: [WATCHED] });
  await ask(young, "c", "tools/call", { name: "change", arguments: { kind: "tools" } });
  const changed = "notifications/tools/list_changed";
  assertEquals(subscriptionOf(await told(young, changed)), "l");
  assertEquals((await old.next(({ method }) => method === changed)).params ?? {}, {});
  await old.call("update", { uri: WATCHED });
  assertEquals(((await told(young, UPDATED)).params as JsonObject).uri, WATCHED);
  const { params } = await old.next(({ method }) => method === UPDATED);
  assertEquals(params, { uri: WATCHED });
  await young.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "l" } });
  await old.call("update", { uri: WATCHED });
  await old.next(({ method }) => method === UPDATED);
  await ask(young, "e", "tools/call", { name: "echo", arguments: { text: "x" } });
  assertEquals([count(young, UPDATED), count(old, "subscriptionId")], [1, 0]);
});

Deno.test("a daemon killed under a listen and calls: the next one goes on with both, and runs nothing twice", async () => {
  await using it = await place();
  await using first = await it.daemon();
  await using shim = await it.shim();
  await ask(shim, "t", "tools/list");
  await listen(shim, "l", { toolsListChanged: true });
  const began = shim.next(({ method }) => method === "notifications/progress");
  const meta = { progressToken: "p" };
  const held = shim.answer("hold");
  await shim.send(modernRequest("hold", "tools/call", { name: "hold", arguments: { n: 1 } }, { meta }));
  assertEquals(((await began).params as JsonObject).progressToken, "p");
  first.process.kill("SIGKILL");
  await first.process.status;
  const look = ask(shim, "look", "tools/call", { name: "look", arguments: { n: 2 } });
  await using second = await it.daemon();
  assertEquals([textOf(await held), textOf(await look)], ["OUTCOME_UNKNOWN", "look 2"]);
  assertEquals(await it.runs(), ["hold 1", "look 2"]);
  await ask(shim, "c", "tools/call", { name: "change", arguments: { kind: "tools" } });
  assertEquals(subscriptionOf(await told(shim, "notifications/tools/list_changed")), "l");
  // A daemon that is stopped ends the listen, and the client does not see it.
  second.process.kill("SIGTERM");
  assertEquals((await second.process.status).code, 0);
  await using _third = await it.daemon();
  await ask(shim, "t3", "tools/list");
  await ask(shim, "c3", "tools/call", { name: "change", arguments: { kind: "tools" } });
  assertEquals(subscriptionOf(await told(shim, "notifications/tools/list_changed")), "l");
  assertEquals([count(shim, ACKNOWLEDGED), count(shim, '"id":"l"')], [1, 0]);
});

Deno.test("after a daemon was killed a window of either era is told that what it watches may have changed", async () => {
  await using it = await place();
  await using first = await it.daemon();
  await using old = await it.shim();
  await using young = await it.shim();
  await old.initialize();
  await old.ask("resources/subscribe", { uri: WATCHED });
  await listen(young, "l", { resourceSubscriptions: [WATCHED] });
  first.process.kill("SIGKILL");
  await first.process.status;
  await using _second = await it.daemon();
  const { params } = await old.next(({ method }) => method === UPDATED);
  assertEquals(params, { uri: WATCHED });
  const again = await told(young, UPDATED);
  assertEquals([subscriptionOf(again), (again.params as JsonObject).uri], ["l", WATCHED]);
  assertEquals([old, young].map((shim) => count(shim, UPDATED)), [1, 1], "once, after the cut");
});

Deno.test("over WebSocket both eras share a connection, and a listen ends with the daemon", async () => {
  await using it = await place();
  await using daemon = await it.daemon();
  using client = await RawClient.connect(daemon.url, ["mcp"]);
  const send = (message: JsonObject) => client.send(message);
  const next = (wanted: (message: JsonObject) => boolean) => client.nextWhere(wanted);
  send({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {} },
  });
  assertEquals(((await next(({ id }) => id === 1)).result as JsonObject).protocolVersion, "2025-06-18");
  send(modernRequest("l", "subscriptions/listen", { notifications: { toolsListChanged: true } }));
  assertEquals(subscriptionOf(await next(({ method }) => method === ACKNOWLEDGED)), "l");
  send({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "echo", arguments: { text: "old" } } });
  assertEquals(textOf(await next(({ id }) => id === 2)), "old");
  send({ ...modernRequest(3, "tools/call", { name: "echo", arguments: { text: "new" } }) });
  const answer = await next(({ id }) => id === 3);
  assertEquals([textOf(answer), (answer.result as JsonObject).resultType], ["new", "complete"]);
  send({ jsonrpc: "2.0", id: 4, method: "ping", params: { _meta: claimOf() } });
  assertEquals(((await next(({ id }) => id === 4)).error as JsonObject).code, -32601);
  daemon.process.kill("SIGTERM");
  assertEquals(subscriptionOf(await next(({ id }) => id === "l")), "l");
});
