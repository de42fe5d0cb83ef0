import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { formatFault, readServers, serversJsonSchema } from "../lib/config/servers.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { sharedServer } from "./helpers/shared_server.ts";

const files = () =>
  sharedServer({
    config: { name: "files" },
    build: (server) => {
      for (const name of ["read_file", "write_file"]) {
        server.registerTool(name, {}, () => ({ content: [{ type: "text", text: `did ${name}` }] }));
      }
    },
  });

/** A daemon with one mounted server and `clients` in its mcp.json. */
async function withClients(clients: unknown) {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir({ "mcp.json": JSON.stringify({ clients }) }));
  const server = stack.use(files());
  const it = stack.use(await testDaemon({ settings: { home: home.path }, servers: [server.mounted] }));
  return {
    it,
    home,
    window: async (name: string) => stack.use(await sdkClient(it.url, { name })),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("each client sees the tools its entry in mcp.json gives it, whatever the case of its name", async () => {
  await using at = await withClients({
    "cursor*": { include: ["version", "files/*", "ch*"], exclude: ["write_file", "chat"] },
    "vscode": { exclude: ["*"] },
  });
  const names = async (client: string) => {
    const window = await at.window(client);
    return (await window.listTools()).tools.map(({ name }) => name).sort();
  };
  assertEquals(await names("Cursor-vscode"), ["challenge", "read_file", "version"]);
  assertEquals(await names("vscode"), []);
  assertEquals((await names("zed")).length, 26);
  using client = await RawClient.hello(at.it.url, { client: "cursor" });
  const { tools } = await client.ask({ op: "list_tools" });
  assertEquals((tools as unknown[]).length, 3);
  await client.close();
});

Deno.test("a hidden tool is refused by name with what to change, and a shown one runs", async () => {
  await using at = await withClients({ "cursor*": { exclude: ["files/write_file"] } });
  const window = await at.window("cursor");
  assertEquals(textOf(await window.callTool({ name: "read_file" })), "did read_file");
  const error = await assertRejects(() => window.callTool({ name: "write_file" })) as Error;
  assertStringIncludes(
    error.message,
    'write_file is hidden from this client by clients["cursor*"] in mcp.json',
  );
  assertEquals(textOf(await (await at.window("zed")).callTool({ name: "write_file" })), "did write_file");
});

Deno.test("a change takes effect on reload, and only the windows it concerns are told", async () => {
  await using at = await withClients({ "cursor": { exclude: ["chat"] } });
  const [cursor, zed] = [await at.window("cursor"), await at.window("zed")];
  const told: string[] = [];
  const heard = new Promise<void>((resolve) => {
    for (const [name, window] of Object.entries({ cursor, zed })) {
      window.fallbackNotificationHandler = ({ method }) => {
        told.push(`${name} ${method}`);
        if (name === "cursor") resolve();
        return Promise.resolve();
      };
    }
  });
  const reload = async (clients: unknown) => {
    await at.home.write("mcp.json", JSON.stringify({ clients }));
    return (await (await fetch(`${at.it.http}reload`, { method: "POST" })).json()).faults as string[];
  };
  const seen = async () => (await cursor.listTools()).tools.map(({ name }) => name);
  await Promise.all([cursor, zed].map((window) => window.listTools()));
  assertEquals(await reload({ "cursor": { include: ["version"] } }), []);
  await heard;
  assertEquals(await seen(), ["version"]);
  await zed.ping();
  assertEquals(told, ["cursor notifications/tools/list_changed"]);
  const faults = await reload({ "cursor": { includes: ["chat"] } });
  assertEquals(faults.length, 1);
  assertStringIncludes(faults[0]!, "clients.cursor.includes is no key of a client; write: include");
  assertEquals(await seen(), ["version"], "what is faulty changes nothing");
});

Deno.test("faults in clients name line and key, and cost no server", async () => {
  const text = `{
  "mcpServers": { "s": { "command": "c" } },
  "clients": {
    "a": { "include": "chat" },
    "b": 3,
    "c": { "search": "maybe" },
    "d": { "hide": [] }
  }
}`;
  await using dir = await tempDir({ "mcp.json": text, "odd.json": '{"clients": []}' });
  const file = await readServers(join(dir.path, "mcp.json"), { env: {} });
  assertEquals([...file.servers.keys()], ["s"]);
  assertEquals(file.faults.map(({ line, key }) => [line, key]), [
    [4, "clients.a.include"],
    [5, "clients.b"],
    [6, "clients.c.search"],
    [7, "clients.d.hide"],
  ]);
  assertStringIncludes(formatFault(file.faults[2]!), 'is "maybe"; allowed: off, auto, on');
  const odd = await readServers(join(dir.path, "odd.json"), { env: {} });
  assertStringIncludes(odd.faults.map(formatFault).join(), "clients must be an object");
});

Deno.test("the JSON Schema of mcp.json knows clients", () => {
  const { properties } = serversJsonSchema() as {
    properties: Record<string, { additionalProperties: object }>;
  };
  assert(JSON.stringify(properties.clients).includes("find_tool"));
});
