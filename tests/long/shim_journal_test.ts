import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import type { JsonObject } from "../../lib/base/json.ts";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import { tempDir } from "../helpers/files.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";

const GATE = fromFileUrl(new URL("../fixtures/gate_server.ts", import.meta.url));

/** A state directory whose daemons mount the gate server. */
async function place() {
  const home = await tempDir({});
  await Deno.chmod(home.path, 0o700);
  const runs = `${home.path}/runs`;
  const gate = { command: Deno.execPath(), args: ["run", "-A", "--no-check", GATE, runs], share: "machine" };
  await home.write("mcp.json", JSON.stringify({ mcpServers: { gate } }));
  await home.write("runs", "");
  return {
    path: home.path,
    daemon: (env: Record<string, string> = {}) =>
      startDaemon({ home: home.path, env: { EXAI_SOCKET: "off", ...env } }),
    shim: (options: { port?: number; env?: Record<string, string> } = {}) =>
      Shim.ready({ port: options.port ?? 0, home: home.path, env: { EXAI_SOCKET: "off", ...options.env } }),
    /** Each run of a tool, as `name n`, sorted. */
    runs: async () => (await Deno.readTextFile(runs)).split("\n").filter(Boolean).sort(),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

type Place = Awaited<ReturnType<typeof place>>;
type Daemon = Awaited<ReturnType<Place["daemon"]>>;

/** Calls `hold` as request `id` and waits until it runs; the answer, and the process that holds it. */
async function hold(shim: Shim, id: number) {
  const params = { name: "hold", arguments: { n: id }, _meta: { progressToken: id } };
  const answer = shim.ask("tools/call", params, id);
  const { params: progress } = await shim.next(({ method }) => method === "notifications/progress");
  const pid = Number((progress as JsonObject).message);
  return { answer, release: () => Deno.kill(pid, "SIGUSR1") };
}

async function crash({ process }: Daemon): Promise<void> {
  process.kill("SIGKILL");
  await process.status;
}

/** Asks the daemon again and again until `done`. */
async function until(daemon: Daemon, done: (status: JsonObject) => boolean): Promise<void> {
  const url = daemon.url.replace(/^ws/, "http") + "status";
  while (!done(await (await fetch(url)).json()));
}

/** Whether the journal holds an answer: in its tail at first, in the database within a second. */
function hasAnswer(home: string): boolean {
  const [memory] = Array.from(Deno.readDirSync(home), ({ name }) => name).filter((name) =>
    name.startsWith("exai-")
  );
  const tails = Array.from(Deno.readDirSync(`${home}/${memory}`), ({ name }) => `${home}/${memory}/${name}`);
  if (tails.some((path) => /^a /m.test(Deno.readTextFileSync(path)))) return true;
  try {
    using db = new DatabaseSync(`${home}/journal.db`, { readOnly: true, timeout: 5000 });
    return db.prepare("SELECT 1 FROM answer").get() !== undefined;
  } catch (thrown) {
    // The daemon makes the file at the moment.
    if (/locked/.test(String(thrown))) return false;
    throw thrown;
  }
}

function textOf(answer: JsonObject): unknown {
  const content = (answer.result as JsonObject | undefined)?.content as JsonObject[] | undefined;
  const error = answer.error as JsonObject | undefined;
  return content?.[0]?.text ?? (error?.data as JsonObject | undefined)?.code ?? error?.code;
}

function portOf({ url }: Daemon): number {
  return Number(new URL(url).port);
}

Deno.test("a daemon killed between finishing a call and delivering it: the next one delivers, nothing runs twice", async () => {
  await using it = await place();
  await using first = await it.daemon();
  let blocked = false;
  await using proxy = new CuttingProxy(portOf(first), () => blocked ? 0 : Infinity);
  await using shim = await it.shim({ port: proxy.port });
  const held = await hold(shim, 1);
  blocked = true;
  proxy.cutAll();
  held.release();
  await until(first, () => hasAnswer(it.path));
  await crash(first);
  await using second = await it.daemon();
  proxy.target = portOf(second);
  blocked = false;
  assertEquals(textOf(await held.answer), "hold 1");
  assertEquals(await it.runs(), ["hold 1"]);
});

Deno.test("a daemon killed with calls: what began is unknown, what only reads is run again, what never began is sent", async () => {
  await using it = await place();
  const one = { EXAI_WS_SESSION_MAX_INFLIGHT: "2" };
  await using first = await it.daemon(one);
  await using shim = await it.shim();
  await shim.ask("tools/list");
  const { answer: unknown } = await hold(shim, 1);
  const { answer: unknownToo } = await hold(shim, 2);
  const queued = [shim.call("mark", { n: 3 }), shim.call("look", { n: 4 })];
  // An answer to what was sent after them: they are in the daemon's queue.
  await shim.ask("ping");
  await crash(first);
  await using _second = await it.daemon(one);
  assertEquals([textOf(await unknown), textOf(await unknownToo)], ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
  assertEquals((await Promise.all(queued)).map(textOf), ["mark 3", "look 4"]);
  assertEquals(await it.runs(), ["hold 1", "hold 2", "look 4", "mark 3"]);
});

Deno.test("a daemon that is stopped lets calls finish, and what comes meanwhile goes to the next one", async () => {
  await using it = await place();
  await using first = await it.daemon();
  await using shim = await it.shim();
  const held = await hold(shim, 1);
  first.process.kill("SIGTERM");
  using other = await RawClient.hello(first.url);
  while (textOf(await other.call("version")) !== "SHUTTING_DOWN");
  const next = shim.call("mark", { n: 2 });
  await shim.ask("ping");
  held.release();
  assertEquals(textOf(await held.answer), "hold 1");
  assertEquals((await first.process.status).code, 0);
  await using _second = await it.daemon();
  assertEquals(textOf(await next), "mark 2");
  assertEquals(await it.runs(), ["hold 1", "mark 2"]);
});

const QUICK_PINGS = { EXAI_WS_PING_INTERVAL: "1", EXAI_WS_PING_TIMEOUT: "1" };

Deno.test("a stopped daemon is noticed and not replaced while it holds its port; woken, it answers what it had", async () => {
  await using it = await place();
  await using daemon = await it.daemon();
  const env = { ...QUICK_PINGS, EXAI_WS_AUTOSTART: "true", EXAI_WS_CONNECT_TIMEOUT: "0.5" };
  await using shim = await it.shim({ env });
  const held = await hold(shim, 1);
  daemon.process.kill("SIGSTOP");
  await shim.logged("does not answer pings");
  const refused = await shim.call("mark", { n: 2 });
  assertEquals(textOf(refused), "DAEMON_UNAVAILABLE");
  daemon.process.kill("SIGCONT");
  held.release();
  assertEquals(textOf(await held.answer), "hold 1");
  assertEquals(textOf(await shim.call("mark", { n: 3 })), "mark 3");
  assertEquals(await it.runs(), ["hold 1", "mark 3"]);
  assertEquals(shim.stderr.includes("starting"), false);
});

Deno.test("a shim that was stopped for longer than the ping limits gets its answer, once", async () => {
  await using it = await place();
  await using daemon = await it.daemon(QUICK_PINGS);
  await using shim = await it.shim();
  const held = await hold(shim, 1);
  shim.process.kill("SIGSTOP");
  held.release();
  const { pid } = daemon.process;
  await until(daemon, ({ sessions }) => (sessions as JsonObject[]).every(({ connected }) => !connected));
  shim.process.kill("SIGCONT");
  assertEquals(textOf(await held.answer), "hold 1");
  assertEquals(textOf(await shim.call("mark", { n: 2 })), "mark 2");
  assertEquals(shim.lines.filter((line) => JSON.parse(line).id === 1).length, 1);
  assertStringIncludes(shim.stderr, `process ${pid}`);
});
