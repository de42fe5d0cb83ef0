// deno-lint-ignore-file no-control-regex no-sync-fn-in-async-fn -- controls are what is looked for
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { jsonEscaped, visible, visibleJson, visibleLines } from "../lib/base/visible.ts";
import { formatTable } from "../lib/commands/table.ts";
import { runDaemon, startDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";

/** One of each kind of what a terminal obeys or does not show. */
const HOSTILE =
  "a\x1b[2J\x1b]0;title\x07b\r\nFORGED row\tc\x7f\x9b31m\u202e\u2066\u200e\u061c\u2028\u2029\u200b\u200d\ufeff" +
  "\ud800\u3164\u034f\u{e0041}\0\x08";

/** What must not be in what a terminal is sent: controls but line ends, direction marks, what has no width. */
const UNSEEN =
  /[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u3164\u034f\u{e0000}-\u{e007f}\ud800-\udfff]/u;

Deno.test("what cannot be seen is written out, on one line, and a long text is cut", () => {
  assertEquals(
    visible("a\x1b[31m\x9bb\x7f\n\u202e\u{e0041}"),
    "a\\x1b[31m\\x9bb\\x7f\\n\\u202e\\udb40\\udc41",
  );
  assert(!UNSEEN.test(visible(HOSTILE)) && !visible(HOSTILE).includes("\n"));
  assertEquals(visible("x".repeat(1000)).length, 201);
  assertEquals(visible("é ü 漢字 ❤️ 😀 e\u0301 \\n"), "é ü 漢字 ❤️ 😀 e\u0301 \\n", "what can be seen stays");
  assertEquals(visible(`z${"\u0301".repeat(100)}y`), `z${"\u0301".repeat(4)}…y`);
  assertEquals(visible("x".repeat(199) + "😀").at(-1), "…", "half of a pair is written out too");
  assertEquals(visibleLines("a\n\tb\r\u009b"), "a\n\tb\\r\\x9b");
});

Deno.test("JSON stays JSON and means the same", () => {
  const value = { [HOSTILE]: [HOSTILE, '\\ " \n'] };
  const text = visibleJson(value, 2);
  assert(!UNSEEN.test(text));
  assertEquals(JSON.parse(text), JSON.parse(JSON.stringify(value)));
  assertEquals(JSON.parse(jsonEscaped(JSON.stringify(value))), JSON.parse(JSON.stringify(value)));
});

Deno.test("a cell of a table is one line, and wide letters keep the columns straight", () => {
  const table = formatTable(["NAME", "N"], [["漢字", 1], [HOSTILE, 2], ["e\u0301", undefined]]).split("\n");
  assertEquals(table.length, 4);
  assertEquals(formatTable(["NAME", "N"], [["漢字", 1], ["abcd", 2]]), "NAME  N\n漢字  1\nabcd  2");
});

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

/** Files of lib that write to a terminal, and what of. */
const PRINTERS = new Map([
  ["app/program_io.ts", "everything the programs print"],
  ["state/log_files.ts", "the log, which is escaped where it is formatted"],
  ["app/double_click.ts", "one sentence of its own"],
  ["transport/process_stdio.ts", "MCP on standard output, which is JSON for a program"],
]);

Deno.test("nothing prints but what writes out what cannot be seen", () => {
  const root = fromFileUrl(new URL("../lib/", import.meta.url));
  const printers = filesBelow(root).filter((path) =>
    /\bconsole\.|Deno\.std(out|err)\b|process\.std(out|err)\b/.test(
      Deno.readTextFileSync(path).replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, ""),
    )
  );
  assertEquals(printers.map((path) => path.slice(root.length)).toSorted(), [...PRINTERS.keys()].toSorted());
});

function filesBelow(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(`${dir}${name}/`) : name.endsWith(".ts") ? [dir + name] : []
  );
}
