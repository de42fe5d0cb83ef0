import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../lib/commands/commands.ts";
import { actionsOf } from "../../lib/commands/usage.ts";
import { commandLine, WORDS } from "../helpers/command_line.ts";
import { wordsOf } from "../helpers/pages.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon } from "../helpers/program.ts";

/** What a test of its own runs with `--json`: it ends the daemon, or changes what is outside of its home. */
const ELSEWHERE = ["stop", "restart", "adopt", "service", "config edit"];

Deno.test("every command prints one JSON document with --json", async () => {
  await using line = await commandLine();
  const forms = Object.entries(COMMANDS).flatMap(([name, command]) =>
    actionsOf(name, command).flatMap(({ path, action }) =>
      action.forms.map(({ args }) => `exai-daemon ${path} ${args}`.trimEnd())
    )
  );
  let count = 0;
  for (const form of forms) {
    if (ELSEWHERE.some((path) => form.startsWith(`exai-daemon ${path}`)) || form.includes("--follow")) {
      continue;
    }
    if (form.includes("new-tool")) {
      await Deno.remove(`${line.home}/tools`, { recursive: true }).catch(() => {});
    }
    const words = WORDS[form] ?? await line.fill(wordsOf(form).slice(1));
    const { code, text } = await line.run(["--json", ...words]);
    assert(code === 0 || form.includes("doctor"), `${form}: ${code} ${text}`);
    const parsed = JSON.parse(text);
    assert(typeof parsed === "object" && parsed !== null, `${form}: ${text}`);
    count++;
  }
  assert(count > 30, `${count}`);
});

Deno.test("a command that needs a daemon exits with 3 where none runs, as text and as JSON", async () => {
  await using dir = await tempDir({});
  await Deno.chmod(dir.path, 0o700);
  for (const args of [["ps"], ["cancel", "x"], ["reload"], ["kill", "session", "x"]]) {
    const { code, stdout, stderr } = await runDaemon({ home: dir.path, args });
    assertEquals([code, stdout], [3, ""], args.join(" "));
    assert(stderr.includes("start one with exai-daemon"), stderr);
  }
  const { code, stdout, stderr } = await runDaemon({ home: dir.path, args: ["ps", "--json"] });
  const { error, exit_code: exitCode } = JSON.parse(stdout);
  assertEquals([code, stderr, error.code, exitCode], [3, "", "DAEMON_UNAVAILABLE", 3]);
});
