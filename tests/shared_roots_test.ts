import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import type { RpcMessage, RpcRequest } from "../lib/wire/rpc.ts";
import { tempDir } from "./helpers/files.ts";
import { Window } from "./helpers/instance.ts";
import { rawServer } from "./helpers/raw_server.ts";
import { until } from "./helpers/until.ts";

type Connection = ReturnType<typeof rawServer>["connections"][number];

const sent = ({ received }: Connection, method: string) =>
  received.find((message) => "method" in message && message.method === method) as RpcRequest | undefined;

/**
 * A server that asks for roots once it is initialized, where its client offers them, and takes them in place of its
 * arguments, as `@modelcontextprotocol/server-filesystem` does; a call tells what it works on.
 */
function filesServer(config: Partial<ServerConfig>, args: readonly string[]) {
  const allowed = new Map<Connection, Promise<string>>();
  const ask = async (connection: Connection): Promise<string> => {
    const offered = sent(connection, "initialize")!.params!.capabilities as JsonObject;
    if (!offered.roots) return `args ${args}`;
    connection.send({ id: "roots", method: "roots/list" });
    const answer = await connection.message((message) => !("method" in message) && message.id === "roots");
    const { result } = answer as RpcMessage & { result?: { roots: { uri: string }[] } };
    return result?.roots.length ? `roots ${result.roots.map(({ uri }) => uri)}` : `args ${args}`;
  };
  const raw = rawServer({
    config: { share: "project", command: "npx", args, ...config } as Partial<ServerConfig>,
    answer: ({ id, method, params }, connection) => {
      if (method !== "tools/call") return {};
      if (params?.name === "hold") return undefined;
      let works = allowed.get(connection);
      if (!works) allowed.set(connection, works = ask(connection));
      void works.then((on) =>
        connection.send({ id, result: { on, n: raw.connections.indexOf(connection) } })
      );
      return undefined;
    },
  });
  return Object.assign(raw, {
    /** What the server works on for `window`, and which of its processes that is. */
    async on(window: Window): Promise<unknown[]> {
      const { result } = await raw.mounted.target(window.call());
      return [result!.on, result!.n];
    },
  });
}

/** A window of a client that declares roots, and one of a client that does not, in the same directory. */
function brands(dir: string, roots = [{ uri: `file://${dir}` }]) {
  const rooted = { roots: {}, elicitation: {} };
  return {
    rooted: new Window("rooted", rooted, { cwd: dir, roots: () => Promise.resolve(roots) }),
    plain: new Window("plain", { elicitation: { form: {}, url: {} }, experimental: {} }, { cwd: dir }),
  };
}

for (const first of ["rooted", "plain"] as const) {
  Deno.test(`windows of two brands share the process of their directory, and its root, when the ${first} one comes first`, async () => {
    await using dir = await tempDir({ "x": "" });
    for (const args of [["${workspaceFolder}"], ["."]]) {
      await using it = filesServer({}, args);
      const { rooted, plain } = brands(dir.path);
      const order = first === "rooted" ? [rooted, plain] : [plain, rooted];
      for (const window of [...order, ...order]) {
        assertEquals(await it.on(window), [`roots file://${dir.path}`, 0], `${args}`);
      }
      assertEquals(it.connections.length, 1);
    }
  });

  Deno.test(`a directory that an entry names stays that of a window without roots beside one with roots, when the ${first} one comes first`, async () => {
    await using dir = await tempDir({ "work/x": "", "data/x": "" });
    const [work, data] = [`${dir.path}/work`, `${dir.path}/data`];
    for (const args of [[data], ["${workspaceFolder}", data], []]) {
      await using it = filesServer({}, args);
      const { rooted, plain } = brands(work);
      const order = first === "rooted" ? [rooted, plain] : [plain, rooted];
      for (const window of order) await it.on(window);
      await until("it is known to ask", async () => {
        const [[one], [other]] = [await it.on(rooted), await it.on(plain)];
        return one === `roots file://${work}` && other === `args ${args}` || undefined;
      });
    }
  });
}

Deno.test("a window that declares roots and names none is one without roots", async () => {
  await using dir = await tempDir({ "work/x": "", "data/x": "" });
  const { rooted: empty } = brands(`${dir.path}/work`, []);
  await using shared = filesServer({}, ["${workspaceFolder}"]);
  assertEquals(await shared.on(empty), [`roots file://${dir.path}/work`, 0]);
  await using apart = filesServer({}, [`${dir.path}/data`]);
  await apart.on(empty);
  assertEquals((await apart.on(empty))[0], `args ${dir.path}/data`);
});

Deno.test("a window with several roots is apart from one whose only root is the first of them", async () => {
  await using dir = await tempDir({ "work/x": "", "other/x": "" });
  const work = `${dir.path}/work`;
  const two = [work, `${dir.path}/other`].map((path) => ({ uri: `file://${path}` }));
  await using it = filesServer({}, ["${workspaceFolder}"]);
  const { rooted, plain } = brands(work);
  const several = new Window("several", { roots: {} }, { cwd: work, roots: () => Promise.resolve(two) });
  assertEquals([await it.on(plain), await it.on(several), await it.on(rooted)], [
    [`roots file://${work}`, 0],
    [`roots ${two.map(({ uri }) => uri)}`, 1],
    [`roots file://${work}`, 0],
  ]);
});

Deno.test("a server for the whole machine is told of no roots, nor is the copy of it that a window gets", async () => {
  await using dir = await tempDir({ "x": "" });
  await using it = filesServer({ share: "machine" }, [dir.path]);
  const { rooted } = brands(dir.path);
  assertEquals(await it.on(rooted), [`args ${dir.path}`, 0]);
  const [slot] = it.mounted.slots;
  slot!.usedCapabilities.add("elicitation");
  // What a call that was withdrawn may still ask keeps the others waiting for longer than they wait.
  const other = new Window("other", { elicitation: {} });
  const controller = new AbortController();
  const held = it.mounted.target(other.call({ signal: controller.signal, params: { name: "hold" } }));
  await until(
    "it runs",
    () =>
      it.connections[0]!.received.some((one) => "params" in one && one.params?.name === "hold") || undefined,
  );
  controller.abort();
  await held.catch(() => {});
  assertEquals(await it.on(rooted), [`args ${dir.path}`, 1]);
});
