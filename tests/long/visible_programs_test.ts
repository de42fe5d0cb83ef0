// deno-lint-ignore-file no-sync-fn-in-async-fn -- the test has nothing else to do meanwhile
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { HOSTILE, UNSEEN } from "../helpers/hostile_text.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

Deno.test("no text of a client or a tool reaches the terminal or a log as it came", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-visible-" });
  const command = "printf 'last words \\033[2J\\302\\233 \\rFORGED\\n' >&2; exit 3";
  const servers = { ["evil\u202e\x1b[2J"]: { command: "sh", args: ["-c", command], cwd: "/" } };
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: servers }));
  const env = { LOG_LEVEL: "debug", EXAI_CALLS_BODIES: "true", EXAI_DRAIN_TIMEOUT: "0" };
  await using daemon = await startDaemon({ home, env });
  const run = async (...args: string[]) => {
    const env = { EXAI_WS_PORT: new URL(daemon.url).port };
    const { stdout, stderr } = await runDaemon({ home, args, env });
    assert(!UNSEEN.test(stdout), `${args}: ${JSON.stringify(stdout)}`);
    assert(!UNSEEN.test(stderr), `${args}: ${JSON.stringify(stderr)}`);
    return stdout + stderr;
  };
  const name = HOSTILE.toWellFormed();
  using client = await RawClient.hello(daemon.url, { client: { name, version: name }, cwd: `/tmp/${name}` });
  await client.call(name, { text: name });
  await client.ask({ op: "list_tools" });
  await client.call("chat", { prompt: name, continuation_id: name });
  using long = await RawClient.hello(daemon.url, { client: "n".repeat(1_000_000) });
  const ps = await run("ps");
  assertEquals(ps.split("\n").filter((line) => line.startsWith("FORGED")), []);
  assertStringIncludes(ps, "a\\x1b[2J\\x1b]0;title\\x07b\\r\\nFORGED row\\tc\\x7f\\x9b31m\\u202e");
  assertStringIncludes(ps, "last words \\x1b[2J\\x9b \\rFORGED");
  assert(ps.length < 10_000, "a long name is cut");
  const { sessions } = JSON.parse(await run("ps", "--json")) as { sessions: JsonObject[] };
  assertEquals(sessions[0]?.client, name, "JSON means what the client said");
  await run("calls");
  const calls = JSON.parse(await run("calls", "--json")) as JsonObject[];
  for (const { id } of calls) assertStringIncludes(await run("calls", String(id)), String(id));
  for (
    const args of [["threads"], ["reload"], ["cancel", name.replaceAll("\0", "")], [
      "kill",
      "call",
      "\x1b[2J",
    ]]
  ) {
    await run(...args);
  }
  await run("\x1b[2J", `\u202e`);
  await run(`--\x1b[2J=1`);
  await client.close();
  await long.close();
  const logs = [...Deno.readDirSync(`${home}/logs`)].map(({ name }) => `logs/${name}`);
  assert(logs.length > 1, "the server has a log of its own");
  for (const file of [...logs, "metrics.jsonl"]) {
    const text = await Deno.readTextFile(`${home}/${file}`).catch(() => "");
    assert(!UNSEEN.test(text), `${file}: ${JSON.stringify(text.slice(0, 2000))}`);
  }
  daemon.process.kill("SIGTERM");
  await daemon.process.status;
  await Deno.remove(home, { recursive: true });
});
