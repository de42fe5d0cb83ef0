import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const GATE = fromFileUrl(new URL("../fixtures/gate_server.ts", import.meta.url));

/** A daemon in a process of its own, and two windows with a process of `gate` each; the windows are real shims. */
async function desk() {
  const stack = new AsyncDisposableStack();
  const home = stack.use(await tempDir({}));
  await Deno.chmod(home.path, 0o700);
  const args = ["run", "-A", "--no-check", GATE, `${home.path}/runs`];
  const gate = { command: Deno.execPath(), args, share: "session" };
  await home.write("mcp.json", JSON.stringify({ mcpServers: { gate } }));
  await home.write("runs", "");
  const daemon = stack.use(await startDaemon({ home: home.path }));
  const windows = [
    stack.use(await Shim.ready({ port: 0, home: home.path })),
    stack.use(await Shim.ready({ port: 0, home: home.path })),
  ] as const;
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runDaemon({ home: home.path, args });
    return { code, said: stdout + stderr };
  };
  return {
    windows,
    servers: (...args: string[]) => run("servers", ...args),
    /** What runs of `gate`, by process. */
    async rows(): Promise<Map<number, JsonObject>> {
      const response = await fetch(new URL("/status", daemon.url.replace("ws", "http")));
      const { servers } = await response.json() as { servers: JsonObject[] };
      return new Map(servers.flatMap((row) => row.pid === undefined ? [] : [[Number(row.pid), row]]));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A call that goes on until its process is sent SIGUSR1. */
async function hold(window: Shim) {
  const id = nextId++;
  const answer = window.ask(
    "tools/call",
    { name: "hold", arguments: { n: id }, _meta: { progressToken: id } },
    id,
  );
  const { params } = await window.next(({ method }) => method === "notifications/progress");
  return { pid: Number((params as JsonObject).message), answer, text: `hold ${id}` };
}
let nextId = 1;

function textOf(answer: JsonObject): string {
  const { result, error } = answer as { result?: { content: { text: string }[] }; error?: JsonObject };
  return result?.content[0]?.text ?? `error: ${error?.message}`;
}

async function isAnswered(answer: Promise<JsonObject>): Promise<boolean> {
  return await Promise.race([answer.then(() => true), Promise.resolve().then(() => false)]);
}

function serverTest(name: string, fn: () => Promise<void>): void {
  // Windows has no signals by which the server is told to go on.
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });
}

serverTest("a restart of all loses no call, and both windows go on with new processes", async () => {
  await using at = await desk();
  const held = await Promise.all(at.windows.map(hold));
  const restarting = at.servers("restart", "gate");
  await until("both to end", async () => {
    const rows = await at.rows();
    return held.every(({ pid }) => rows.get(pid)?.state === "ending") || undefined;
  });
  for (const { pid } of held) Deno.kill(pid, "SIGUSR1");
  for (const { answer, text } of held) assertEquals(textOf(await answer), text);
  const { code, said } = await restarting;
  assertEquals(code, 0, said);
  for (const { pid } of held) assertStringIncludes(said, `gate (process ${pid}) ended, for 1 session`);
  const after = [...(await at.rows()).keys()];
  for (const pid of after) assertStringIncludes(said, `gate (process ${pid}) started`);
  assertEquals(after.filter((pid) => held.some((one) => one.pid === pid)), []);
  const next = await Promise.all(at.windows.map(hold));
  assertEquals(
    next.map(({ pid }) => pid).sort(),
    after.sort(),
    "the calls are made by those that were started",
  );
  for (const { pid } of next) Deno.kill(pid, "SIGUSR1");
  for (const { answer, text } of next) assertEquals(textOf(await answer), text);
});

serverTest(
  "the process of one window is parked and stopped, and the other's call goes on",
  async () => {
    await using at = await desk();
    const [mine, other] = await Promise.all([hold(at.windows[0]), hold(at.windows[1])]);
    const key = String((await at.rows()).get(mine.pid)!.share_key);
    const parked = await at.servers("park", "gate", `--key=${key}`);
    assertStringIncludes(parked.said, `gate (process ${mine.pid}) ends once idle, for 1 session\n`);
    assertEquals([(await at.rows()).get(mine.pid)?.state, await isAnswered(mine.answer)], ["ending", false]);
    Deno.kill(mine.pid, "SIGUSR1");
    assertEquals(textOf(await mine.answer), mine.text);
    await until("it ends", async () => (await at.rows()).has(mine.pid) ? undefined : true);

    const again = await hold(at.windows[0]);
    assertNotEquals(again.pid, mine.pid);
    const stopped = await at.servers("stop", "gate", `--key=${key}`);
    assertStringIncludes(stopped.said, `gate (process ${again.pid}) ended, for 1 session\n`);
    assertEquals(/started|other/.test(stopped.said), false, stopped.said);
    assertMatch(textOf(await again.answer), /^error: .*stopped/);
    assertEquals(textOf(await at.windows[0].call("mark", { n: 7 })), "mark 7");
    assertEquals(await isAnswered(other.answer), false);
    Deno.kill(other.pid, "SIGUSR1");
    assertEquals(textOf(await other.answer), other.text);
  },
);

serverTest("an action on what is not there ends nothing, and names what is near", async () => {
  await using at = await desk();
  const { pid, answer } = await hold(at.windows[0]);
  const key = String((await at.rows()).get(pid)!.share_key);
  const wrong = await at.servers("stop", "gate", `--key=${key.slice(0, -1)}`);
  assertEquals(wrong.code, 1);
  assertStringIncludes(wrong.said, `(did you mean ${key}?)`);
  const misspelt = await at.servers("park", "gaet");
  assertEquals(misspelt.code, 1);
  assertStringIncludes(misspelt.said, 'no server "gaet" is mounted (did you mean gate?)');
  assertEquals((await at.servers("restart")).code, 2);
  assertEquals([(await at.rows()).get(pid)?.state, await isAnswered(answer)], ["running", false]);
  Deno.kill(pid, "SIGUSR1");
  await answer;
});
