import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { COMMANDS } from "../lib/commands/commands.ts";
import { actionsOf } from "../lib/commands/usage.ts";
import { completionsCommand } from "../lib/commands/completions.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { SETTINGS } from "../lib/config/settings.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { tempDir } from "./helpers/files.ts";

const settings = defaultSettings();
const NAMES = Object.keys(COMMANDS);

function script(shell: string): Promise<string> {
  return runCommandAlone(completionsCommand, [shell], { settings });
}

/** Whether `program` is installed. */
async function has(program: string): Promise<boolean> {
  try {
    await new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch {
    return false;
  }
}

/** What `program` prints when it runs `text`, in lines. */
async function linesOf(program: string, args: readonly string[], text: string): Promise<string[]> {
  await using dir = await tempDir({ "script": text, "some-file": "" });
  const command = new Deno.Command(program, {
    args: [...args, `${dir.path}/script`],
    cwd: dir.path,
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([success, err], [true, ""]);
  return out!.split("\n").filter((line) => line !== "");
}

/** What bash offers for the last of `words`; it makes words of its own of `=`. */
async function inBash(...words: string[]): Promise<string[]> {
  const quoted = ["exai-daemon", ...words].map((word) => `'${word}'`).join(" ");
  const text = `${await script("bash")}
COMP_WORDS=(${quoted})
COMP_CWORD=${words.length}
_exai_daemon
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return await linesOf("bash", [], text);
}

Deno.test({
  name: "bash completes commands, what follows them, flags and their values",
  ignore: !await has("bash"),
  async fn() {
    assertEquals(await inBash(""), NAMES);
    assertEquals(await inBash("c"), NAMES.filter((name) => name.startsWith("c")));
    assertEquals(await inBash("--home", "=", "/x", "rel"), ["reload"]);
    assertEquals(await inBash("kill", ""), ["call", "session", "upstream"]);
    assertEquals(await inBash("token", "s"), ["show"]);
    assertEquals(await inBash("kill", "call", ""), []);
    assertEquals(await inBash("calls", "--s"), [
      "--session=",
      "--server=",
      "--since=",
      "--socket=",
      "--session-idle=",
      "--session-max-inflight=",
    ]);
    assertEquals(await inBash("calls", "--outcome", "=", "f"), ["failed"]);
    assertEquals(await inBash("calls", "--outcome", "="), ["ok", "tool_error", "failed", "running"]);
    assertEquals(await inBash("calls", "--outcome=f"), ["--outcome=failed"]);
    assertEquals(await inBash("--log-level=d"), ["--log-level=debug"]);
    assertEquals(await inBash("--lean-mode", ""), ["true", "false"]);
    assertEquals(await inBash("--tool-search", "=", ""), ["off", "auto", "on"]);
    assertEquals(await inBash("ps", "--env-file", "some"), ["some-file"]);
    assert((await inBash("ps", "--")).includes("--why"));
    assertEquals(await inBash("servers", "a"), ["add"]);
    assert((await inBash("servers", "add", "--e")).includes("--env="));
    assertEquals((await inBash("servers", "list", "--e")).filter((flag) => flag === "--env="), []);
    assertEquals(await inBash("config", "pa"), ["path"]);
    assert(!(await inBash("cancel", "--")).includes("--why"));
  },
});

Deno.test({
  name: "fish completes commands, what follows them, flags and their values",
  ignore: !await has("fish"),
  async fn() {
    const inFish = async (line: string) => {
      const found = await linesOf("fish", [], `${await script("fish")}\ncomplete -C 'exai-daemon ${line}'`);
      return found.map((text) => text.split("\t")[0]!);
    };
    assertEquals(await inFish(""), NAMES.toSorted());
    assertEquals(await inFish("kill "), ["call", "session", "upstream"]);
    assertEquals(await inFish("calls --outcome=f"), ["--outcome=failed"]);
    assert((await inFish("ps --w")).includes("--why"));
    assertEquals(await inFish("servers a"), ["add"]);
    assert((await inFish("servers add --e")).includes("--env"));
    assert(!(await inFish("servers list --e")).includes("--env"));
  },
});

Deno.test({
  name: "zsh completes commands, what follows them, flags and their values",
  ignore: !await has("zsh"),
  async fn() {
    // The functions of its completion system, which works in an editor's line alone.
    const system = `compdef() { }
compset() { }
compadd() { [[ $1 == -- ]] && shift; print -l -- "$@" }
_describe() {
  local name
  for name in "$@"; do [[ $name == (found|switches|valued) ]] && print -l -- \${(P)name}; done
}
_files() { print -- files }`;
    const inZsh = async (...words: string[]) => {
      const quoted = ["exai-daemon", ...words].map((word) => `'${word}'`).join(" ");
      const text = `${system}\n${await script("zsh")}
words=(${quoted})
CURRENT=${words.length + 1}
_exai_daemon
true`;
      return (await linesOf("zsh", ["-f"], text)).map((line) => line.split(":")[0]!);
    };
    assertEquals(await inZsh(""), NAMES);
    assertEquals(await inZsh("kill", ""), ["call", "session", "upstream"]);
    assertEquals(await inZsh("calls", "--outcome", ""), ["ok", "tool_error", "failed", "running"]);
    assertEquals(await inZsh("ps", "--home", ""), ["files"]);
    assert((await inZsh("ps", "--")).includes("--why"));
    assert((await inZsh("servers", "add", "--")).includes("--env"));
    assert(!(await inZsh("servers", "list", "--")).includes("--env"));
  },
});

Deno.test("each script names every command, every flag of one and every setting of the daemon", async () => {
  const settingFlags = Object.values(SETTINGS)
    .filter(({ programs }) => (programs as readonly string[]).includes("daemon")).map(({ flag }) => flag);
  const names = [
    ...NAMES,
    ...Object.entries(COMMANDS).flatMap(([name, command]) =>
      actionsOf(name, command).flatMap(({ action: { flags = [] } }) => flags.map(({ name }) => name))
    ),
    ...settingFlags,
  ];
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const text = await script(shell);
    assertEquals(names.filter((name) => !text.includes(name)), [], shell);
  }
});

Deno.test("a shell nobody has a script for is refused with those there are", async () => {
  const run = () => runCommandAlone(completionsCommand, ["tcsh"], { settings });
  await assertRejects(run, ExaiError, "is no shell that completions knows");
});
