import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { FileLock } from "../../lib/state/file_lock.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { tempDir } from "../helpers/files.ts";
import { killDaemon, startDaemon } from "../helpers/program.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

interface Endpoint {
  url: string;
  pid: number;
}

/** A home whose daemon, started by whichever shim, ends with the test. */
async function home() {
  const path = await Deno.makeTempDir({ prefix: "exai-home-" });
  const endpoint = async (): Promise<Endpoint> => JSON.parse(await Deno.readTextFile(`${path}/daemon.json`));
  return {
    path,
    endpoint,
    async [Symbol.asyncDispose]() {
      const running = await endpoint().catch(() => undefined);
      if (running) await killDaemon(running);
      await Deno.remove(path, { recursive: true });
    },
  };
}

Deno.test("ten windows opened at once start one daemon, and each gets its answer", async () => {
  await using place = await home();
  const env = { EXAI_WS_AUTOSTART: "true" };
  const shims = await Promise.all(
    Array.from({ length: 10 }, () => Shim.start({ port: 0, home: place.path, env })),
  );
  try {
    await Promise.all(shims.map((shim) => shim.initialize()));
    const versions = await Promise.all(shims.map((shim) => shim.call("version")));
    for (const version of versions) assertEquals(version.error, undefined);
    await Promise.all(shims.map((shim) => shim.end()));
    const started = shims.filter(({ stderr }) => stderr.includes("no daemon answers; starting"));
    assertEquals(started.length, 1);
    const pids = new Set(
      shims.map(({ stderr }) => /connected to daemon \S+ process (\d+)/.exec(stderr)?.[1]),
    );
    assertEquals([...pids], [String((await place.endpoint()).pid)]);
  } finally {
    await Promise.all(shims.map((shim) => shim[Symbol.asyncDispose]()));
  }
});

Deno.test("a window does not wait for another that starts the daemon once the daemon is there", async () => {
  await using place = await tempDir({});
  using lock = await FileLock.tryTake(`${place.path}/start.lock`);
  assert(lock);
  const env = { EXAI_WS_AUTOSTART: "true" };
  await using shim = await Shim.start({ port: 0, home: place.path, env });
  const answer = shim.ask("initialize", INITIALIZE);
  await using _daemon = await startDaemon({ home: place.path });
  assertEquals((await answer).error, undefined);
  assert(!shim.stderr.includes("starting"), shim.stderr);
});

Deno.test("the daemon a shim started goes on when the shim ends, and serves the next one", async () => {
  await using place = await home();
  const env = { EXAI_WS_AUTOSTART: "true" };
  const pids: number[] = [];
  for (let count = 0; count < 2; count++) {
    await using shim = await Shim.ready({ port: 0, home: place.path, env });
    assertEquals((await shim.call("version")).error, undefined);
    pids.push((await place.endpoint()).pid);
  }
  assertEquals(pids[0], pids[1]);
});

Deno.test("a daemon that cannot start is reported with its exit code and where to look", async () => {
  await using place = await home();
  await Deno.mkdir(`${place.path}/daemon.lock`);
  const env = { EXAI_WS_AUTOSTART: "true" };
  await using shim = await Shim.start({ port: 0, home: place.path, env });
  const answer = shim.ask("initialize", INITIALIZE);
  await shim.logged("exit code 1");
  await shim.end();
  const { message } = (await answer).error as { message: string };
  for (const part of ["exit code 1", `${place.path}/logs`, "daemon.ts"]) assertStringIncludes(message, part);
});

Deno.test("a port that belongs to something else is said, and no daemon is started over it", async () => {
  await using place = await home();
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("hello"),
  );
  const env = { EXAI_WS_AUTOSTART: "true", EXAI_WS_CONNECT_TIMEOUT: "0.5" };
  await using shim = await Shim.start({ port: server.addr.port, home: place.path, env });
  const { error } = await shim.ask("initialize", INITIALIZE);
  assertStringIncludes((error as { message: string }).message, "does not answer as a daemon");
  assertEquals(shim.stderr.includes("starting"), false);
});

Deno.test("a killed daemon is started again with the next request, and the window never notices", async () => {
  await using place = await home();
  const env = { EXAI_WS_AUTOSTART: "true" };
  await using shim = await Shim.ready({ port: 0, home: place.path, env });
  const tools = await shim.ask("tools/list");
  const first = await place.endpoint();
  await killDaemon(first);
  assertEquals((await shim.ask("tools/list")).result, tools.result);
  assertEquals((await shim.call("version")).error, undefined);
  assert((await place.endpoint()).pid !== first.pid);
});

Deno.test("with EXAI_WS_TOKEN=auto each shim finds the token in force by itself, and no log holds it", async () => {
  const place = await Deno.makeTempDir({ prefix: "exai-home-" });
  const [old, next] = ["the first of two tokens", "the second of two tokens"];
  await Deno.writeTextFile(`${place}/token`, `${old}\n`, { mode: 0o600 });
  {
    await using daemon = await startDaemon({ home: place, env: { EXAI_WS_TOKEN: "auto" } });
    for (const token of [old, next]) {
      await using shim = await Shim.ready({
        port: 0,
        home: place,
        env: { EXAI_WS_TOKEN: "auto", LOG_LEVEL: "trace" },
      });
      assertEquals((await shim.call("version")).error, undefined);
      assertEquals(shim.stderr.includes(token), false);
      using client = await RawClient.hello(daemon.url, { token });
      await client.ask({ op: "rotate_token", old: token, new: next });
      await client.close();
    }
  }
  await Deno.remove(place, { recursive: true });
});

Deno.test("the SDK's own client works through the shim: initialize, list, call, ping, log level", async () => {
  await using daemon = await startDaemon();
  const transport = new StdioClientTransport({
    command: Deno.execPath(),
    args: ["run", "-A", "--no-check", fromFileUrl(new URL("../../shim.ts", import.meta.url))],
    env: { ...Deno.env.toObject(), EXAI_HOME: daemon.home, EXAI_WS_PORT: "0", EXAI_WS_AUTOSTART: "false" },
    stderr: "ignore",
  });
  const client = new Client({ name: "sdk", version: "1" });
  await client.connect(transport);
  assertEquals(client.getServerVersion()?.name, "exai");
  const { tools } = await client.listTools();
  assert(tools.some(({ name }) => name === "version"));
  const result = await client.callTool({ name: "version", arguments: {} });
  assertEquals(result.isError ?? false, false);
  assertEquals(await client.ping(), {});
  await client.setLoggingLevel("error");
  await client.close();
});
