import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { bad } from "../helpers/mounts.ts";
import { startDaemon } from "../helpers/program.ts";
import { scripted, toolsPage } from "../helpers/scripted.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const CHANGED = "notifications/tools/list_changed";

/** A home whose mcp.json names servers, and the daemons and windows of it. */
async function homeOf(servers: Record<string, JsonObject>) {
  const home = await Deno.makeTempDir({ prefix: "exai-first-" });
  await Deno.chmod(home, 0o700);
  const write = (servers: Record<string, JsonObject>) =>
    Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: servers }));
  await write(servers);
  return {
    home,
    write,
    daemon: () => startDaemon({ home }),
    window: (url: string, options: { params?: JsonObject; cwd?: string } = {}) =>
      windowOf({ home, port: Number(new URL(url).port), ...options }),
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}

async function windowOf({ params, ...options }: Parameters<typeof Shim.start>[0] & { params?: JsonObject }) {
  const shim = await Shim.start(options);
  await shim.initialize(params ?? INITIALIZE);
  return shim;
}

/** A server that notes each of its starts in a file. */
async function noted(dir: string, script: JsonObject) {
  const file = await Deno.makeTempFile({ dir, prefix: "starts-" });
  const { command, args } = scripted(script) as { command: string; args: string[] };
  const pids = async () => (await Deno.readTextFile(file)).trim().split("\n").filter((line) => line !== "");
  return {
    entry: {
      command: "/bin/sh",
      args: ["-c", 'echo $$ >> "$0"; exec "$@"', file, command, ...args],
      share: "machine",
    } as JsonObject,
    starts: async () => (await pids()).length,
    /** Resolves once it has been started and every process of it has ended. */
    ended: () =>
      until("its processes have ended", async () => {
        const all = await pids();
        return all.length > 0 && all.every((pid) => !isAlive(Number(pid))) || undefined;
      }, 20_000),
  };
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, 0 as unknown as Deno.Signal);
    return true;
  } catch {
    return false;
  }
}

const namesIn = ({ result }: JsonObject) =>
  ((result as JsonObject).tools as { name: string }[]).map(({ name }) => name);

const listed = async (shim: Shim) => namesIn(await shim.ask("tools/list"));

const told = (shim: Shim) => shim.next(({ method }) => method === CHANGED);

const changes = (shim: Shim) => shim.lines.filter((line) => line.includes(CHANGED)).length;

const announcing = (names: string[], more: JsonObject = {}): JsonObject => ({
  initialize: { capabilities: { tools: { listChanged: true } } },
  "tools/list": toolsPage(names),
  ...more,
});

Deno.test("a window's first list has what is known, and waits for no server that is slow or hangs", async () => {
  const known = scripted(announcing(["known"]));
  await using at = await homeOf({ known });
  {
    await using daemon = await at.daemon();
    await using shim = await at.window(daemon.url);
    await until("it is known", async () => (await listed(shim)).includes("known") || undefined);
  }
  await at.write({
    known,
    slow: scripted(announcing(["late"], { delayMs: 3000 })),
    hangs: bad("hangs", { startTimeoutMs: 60_000 }),
  });
  await using daemon = await at.daemon();
  await using shim = await at.window(daemon.url);

  const first = await listed(shim);

  assertEquals([first.includes("version"), first.includes("known"), first.includes("late")], [
    true,
    true,
    false,
  ]);
  assertEquals(changes(shim), 0, "what the slow server has is known before it has answered");
  await told(shim);
  assertEquals((await listed(shim)).includes("late"), true);
});

Deno.test("each server's tools follow when they are known, one notification each; one that hangs costs nothing", async () => {
  await using at = await homeOf({
    first: scripted(announcing(["one"], { delayMs: 1500 })),
    second: scripted(announcing(["two"], { delayMs: 4000 })),
    hangs: bad("hangs", { startTimeoutMs: 60_000 }),
  });
  await using daemon = await at.daemon();
  await using shim = await at.window(daemon.url);
  const has = async () => (await listed(shim)).filter((name) => name === "one" || name === "two");
  assertEquals(await has(), []);
  await told(shim);
  assertEquals(await has(), ["one"]);
  await told(shim);
  assertEquals(await has(), ["one", "two"]);

  for (let n = 0; n < 20; n++) await listed(shim);

  assertEquals(changes(shim), 2);
});

Deno.test("a tool that was not listed yet is waited for, by its own name and by its server's", async () => {
  await using at = await homeOf({
    slow: scripted(announcing(["late"], { delayMs: 2000 })),
    hangs: bad("hangs", { startTimeoutMs: 60_000 }),
  });
  await using daemon = await at.daemon();
  await using shim = await at.window(daemon.url);
  const answers = await Promise.all(["late", "slow__late"].map((name) => shim.call(name)));
  for (const { result } of answers) assert(JSON.stringify(result).includes("asked"), JSON.stringify(result));
});

Deno.test("a server saved in mcp.json is read without a window and let go, and shown by the next daemon unstarted", async () => {
  await using at = await homeOf({});
  const fresh = await noted(at.home, announcing(["fresh"]));
  {
    await using _daemon = await at.daemon();
    await at.write({ fresh: fresh.entry });
    await fresh.ended();
  }
  assertEquals(await fresh.starts(), 1);
  // Who shares it, how long it may take and what is offered of it does not change what it lists.
  await at.write({ fresh: { ...fresh.entry, share: "project", startTimeoutMs: 9000, exclude: ["other"] } });
  await using daemon = await at.daemon();
  await using shim = await at.window(daemon.url);
  const startsBefore = await fresh.starts();
  assertEquals((await listed(shim)).includes("fresh"), true);
  assertEquals(startsBefore, 1);
});

Deno.test("clients that can do everything, or nothing, are shown the same bytes, wherever they are", async () => {
  await using at = await homeOf({
    plain: { ...scripted(announcing(["a", "b"])), share: "project" },
    own: { ...scripted(announcing(["c"])), share: "session" },
  });
  await using daemon = await at.daemon();
  const all = { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } };
  await using able = await at.window(daemon.url, { params: { ...INITIALIZE, capabilities: all } });
  const dir = await Deno.makeTempDir({ dir: at.home });
  await using plain = await at.window(daemon.url, { cwd: dir });
  const bytes = async (shim: Shim) => {
    await shim.ask("tools/list", {}, "same");
    return shim.lines.findLast((line) => line.includes('"id":"same"'));
  };
  await until("all are known", async () => (await listed(plain)).includes("c") || undefined);
  await until("all are known", async () => (await listed(plain)).includes("a") || undefined);
  assertEquals(await bytes(able), await bytes(plain));
});

Deno.test("a window that has asked for lists in vain is told when the server is well, after its entry is corrected", async () => {
  await using at = await homeOf({ moody: { command: "no-such-program-anywhere" } });
  await using daemon = await at.daemon();
  await using shim = await at.window(daemon.url);
  await listed(shim);
  const error = JSON.stringify(await shim.call("moody__well"));
  assert(error.includes("no-such-program-anywhere"), error);
  await at.write({ moody: scripted(announcing(["well"])) });
  await told(shim);
  await until("it is shown", async () => (await listed(shim)).includes("well") || undefined);
});

Deno.test("a window that has to start the daemon has at once what was known before", async () => {
  await using at = await homeOf({ known: scripted(announcing(["known"])), hangs: bad("hangs") });
  for (const isKnown of [false, true]) {
    await using shim = await windowOf({ home: at.home, port: 0, env: { EXAI_WS_AUTOSTART: "true" } });
    if (isKnown) {
      assertEquals((await listed(shim)).includes("known"), true);
      assertEquals(changes(shim), 0);
    }
    await until("it is known", async () => (await listed(shim)).includes("known") || undefined);
    const { pid } = JSON.parse(await Deno.readTextFile(`${at.home}/daemon.json`));
    Deno.kill(pid, "SIGTERM");
    await until("the daemon has ended", () => !isAlive(pid) || undefined);
  }
});

Deno.test("a server that depends on its directory shows each window what its own has, from the first list after a restart", async () => {
  const program = fromFileUrl(new URL("../fixtures/directory_server.ts", import.meta.url));
  const directory: JsonObject = { command: Deno.execPath(), args: ["run", "-A", "--no-check", program] };
  await using at = await homeOf({ directory });
  const dirs = ["p", "q"].map((name) => `${at.home}/${name}`);
  for (const dir of dirs) await Deno.mkdir(dir);
  const own = async (shim: Shim) => (await listed(shim)).filter((name) => name.startsWith("in_"));
  {
    await using daemon = await at.daemon();
    for (const dir of dirs) {
      await using shim = await at.window(daemon.url, { cwd: dir });
      await shim.call("anywhere");
      await until(dir, async () => (await own(shim)).join() === `in_${dir.at(-1)}` || undefined);
    }
  }
  await using daemon = await at.daemon();
  for (const dir of dirs) {
    await using shim = await at.window(daemon.url, { cwd: dir });
    assertEquals(await own(shim), [`in_${dir.at(-1)}`]);
  }
});

Deno.test("a server that needs a directory is read for the first window that has one, before that asks for lists", async () => {
  await using at = await homeOf({});
  const fresh = await noted(at.home, announcing(["fresh"]));
  await at.write({ fresh: { ...fresh.entry, env: { DIR: "${workspaceFolder}" }, share: "project" } });
  await using daemon = await at.daemon();
  assertEquals(await fresh.starts(), 0);
  await using shim = await at.window(daemon.url, { cwd: at.home });
  await fresh.ended();
  assertEquals([await fresh.starts(), (await listed(shim)).includes("fresh")], [1, true]);
});
