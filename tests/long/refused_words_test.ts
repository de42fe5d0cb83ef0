import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { runDaemon, startDaemon } from "../helpers/program.ts";

const SHIM = fromFileUrl(new URL("../../shim.ts", import.meta.url));

/** The daemon refuses the first, the parser of flags the second, the table of commands the third. */
const AS_JSON = ["--limit=-1", "--limt=3", "cals"];

Deno.test("a command line that makes no sense is refused with the nearest that does", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-words-" });
  try {
    await using daemon = await startDaemon({ home });
    const env = { EXAI_WS_PORT: new URL(daemon.url).port };
    const wrong: [string[], string][] = [
      [["calls", "--limit=-1"], "allowed: a whole number from 1"],
      [["calls", "--limit=abc"], 'limit is "abc"'],
      [["calls", "--outcome=bogus"], "allowed: ok, failed, running"],
      [["calls", "--outcome=TIMEOUTS"], "did you mean TIMEOUT"],
      [["calls", "--since=yesterday-ish"], "allowed: how long ago"],
      [["calls", "--limt=3"], "did you mean --limit"],
      [["cals"], "did you mean call or calls"],
      [["ps", "now"], "ps takes no more words"],
      [["ps", "--limit=3"], "--limit is a flag of calls"],
      [["--since=1h"], "exai-daemon calls --since"],
    ];
    const runs = [];
    for (const [args, expected] of wrong) {
      const { code, stdout, stderr } = await runDaemon({ home, args, env });
      assertEquals([code, stdout], [2, ""], args.join(" "));
      assertStringIncludes(stderr, expected);
      runs.push(args);
      if (!AS_JSON.includes(args[1] ?? args[0]!)) continue;
      const asJson = await runDaemon({ home, args: [...args, "--json"], env });
      assertEquals([asJson.code, asJson.stderr], [2, ""], args.join(" "));
      const { error, exit_code: exitCode } = JSON.parse(asJson.stdout);
      assertEquals([error.code, exitCode], ["INVALID_PARAMS", 2]);
      assertStringIncludes(error.message, expected);
    }
    assertEquals(runs.length, wrong.length);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("exai-shim says that a word means nothing to it, and ends", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SHIM, "foo"],
    env: { ENV_FILE: "" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  assertEquals([code, text.decode(stdout)], [1, ""]);
  assertStringIncludes(text.decode(stderr), '"foo" means nothing to exai-shim');
});

Deno.test("reload prints every warning, and exits with 1 on a fault", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-words-" });
  const write = (entry: unknown) =>
    Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { s: entry } }));
  try {
    await write({ command: "c", fancy: 1 });
    await using daemon = await startDaemon({ home });
    const reload = () =>
      runDaemon({ home, args: ["reload"], env: { EXAI_WS_PORT: new URL(daemon.url).port } });
    const warned = await reload();
    assertEquals(warned.code, 0, warned.stderr);
    assertStringIncludes(warned.stdout, "warning: ");
    assertStringIncludes(warned.stdout, "fancy is no key");
    await write({ command: "c", shared: "machine" });
    const faulty = await reload();
    assertEquals(faulty.code, 1);
    assertStringIncludes(faulty.stdout, "shared is no key that EXAI reads; write share");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
