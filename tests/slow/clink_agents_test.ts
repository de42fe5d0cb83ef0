import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const NESTED = fromFileUrl(new URL("../fixtures/nested_agent.ts", import.meta.url));

/** What a call answers with, as the text of its envelope. */
function contentOf({ result }: JsonObject): string {
  const [{ text }] = (result as { content: [{ text: string }] }).content;
  return String(JSON.parse(text).content);
}

/** A program that notes its process id, starts one that does not end when asked, and waits. */
async function waitingAgent(dir: string): Promise<string> {
  const path = `${dir}/agent.sh`;
  const script =
    `#!/bin/sh\nsh -c 'trap "" TERM; echo $$ > ${dir}/child; while :; do sleep 1; done' &\nwait\n`;
  await Deno.writeTextFile(path, script);
  await Deno.chmod(path, 0o755);
  return path;
}

async function childOf(dir: string): Promise<number> {
  const pid = async () => await Deno.readTextFile(`${dir}/child`).catch(() => "");
  return Number(await until("its child", async () => (await pid()).endsWith("\n") ? await pid() : undefined));
}

async function isGone(pid: number): Promise<true | undefined> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return status === "" || /^State:\s+Z/m.test(status) || undefined;
}

Deno.test("an agent that mounts EXAI by its shim is told that clink starts no agent for it", async () => {
  await using dir = await tempDir({ "work/file": "" });
  await using at = await testDaemon({ settings: { findLocal: false } });
  const port = new URL(at.url).port;
  const args = ["run", "-A", "--no-check", NESTED, port, at.home, "cat"];
  const agents = { nested: { command: Deno.execPath(), args }, cat: { command: "/bin/cat" } };
  const env = { DENO_DIR: Deno.env.get("DENO_DIR") ?? null, EXAI_WS_AUTOSTART: "false" };
  Object.assign(agents.nested, { env });
  await Deno.writeTextFile(`${at.home}/clink.json`, JSON.stringify({ agents }), { mode: 0o600 });
  await using shim = await Shim.ready({ port: Number(port), home: at.home, cwd: `${dir.path}/work` });
  await until("the file is read", async () => {
    const said = contentOf(await shim.call("clink", { prompt: "hello", agent: "cat" }));
    return said.includes("# Task\nhello") || undefined;
  });
  const said = contentOf(await shim.call("clink", { prompt: "p", agent: "nested" }));
  assertStringIncludes(said, "maxDepth of clink.json is 1");
});

Deno.test("an agent that outlasts the client's patience goes on, and await_call gives its answer", async () => {
  await using dir = await tempDir({ "work/file": "" });
  const command = `${dir.path}/agent.sh`;
  const script = `#!/bin/sh\nwhile [ ! -e "${dir.path}/go" ]; do sleep 0.05; done\necho it is done\n`;
  await Deno.writeTextFile(command, script, { mode: 0o755 });
  await using home = await tempDir({ "clink.json": JSON.stringify({ agents: { slow: { command } } }) });
  const settings = { home: home.path, findLocal: false, detachAfterMs: 100 };
  await using at = await testDaemon({ settings });
  const port = Number(new URL(at.url).port);
  await using shim = await Shim.ready({ port, home: home.path, cwd: `${dir.path}/work` });
  const { result } = await shim.call("clink", { prompt: "p", agent: "slow" });
  const handle = /"(?:call_id|handle)":\s*"([^"]+)"/.exec(JSON.stringify(result).replaceAll('\\"', '"'));
  assert(handle !== null, JSON.stringify(result));
  await Deno.writeTextFile(`${dir.path}/go`, "");
  const ended = await shim.call("await_call", { handle: handle?.[1] ?? "" });
  assertStringIncludes(JSON.stringify(ended), "it is done");
});

Deno.test("an agent ends with a daemon that is killed, and so does what it has started", async () => {
  await using dir = await tempDir({ "work/file": "" });
  const command = await waitingAgent(dir.path);
  const clink = JSON.stringify({ agents: { waiting: { command } } });
  await using home = await tempDir({ "clink.json": clink });
  await using at = await startDaemon({ home: home.path, env: { EXAI_DRAIN_TIMEOUT: "0" } });
  const port = Number(new URL(at.url).port);
  await using shim = await Shim.ready({ port, home: home.path, cwd: `${dir.path}/work` });
  await shim.send({
    jsonrpc: "2.0",
    id: 7,
    method: "tools/call",
    params: { name: "clink", arguments: { prompt: "p", agent: "waiting" } },
  });
  const child = await childOf(dir.path);
  assertEquals(await isGone(child), undefined);
  // By then the daemon has told its guard of the agent.
  await shim.call("version");
  at.process.kill("SIGKILL");
  await at.process.status;
  await until("the end of its child", () => isGone(child), 10_000);
});
