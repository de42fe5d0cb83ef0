import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import stringWidth from "string-width";
import { ExaiError, UsageError } from "../lib/base/errors.ts";
import { commandFlags, COMMANDS, runCommand } from "../lib/commands/commands.ts";
import { errorJson, exitCodeOf } from "../lib/commands/exit_codes.ts";
import { commandHelp, programHelp } from "../lib/commands/help.ts";
import { helpCommand } from "../lib/commands/help_command.ts";
import { ProgressLine } from "../lib/commands/progress.ts";
import { cutToWidth, formatTable } from "../lib/commands/table.ts";
import { actionsOf, flagsOf } from "../lib/commands/usage.ts";
import { wrapHelp } from "../lib/commands/help_lines.ts";
import { asksForJson, flagsFor } from "../lib/config/command_line.ts";
import { defaultSettings, loadSettings } from "../lib/config/load.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

const ACTIONS = Object.entries(COMMANDS).flatMap(([name, command]) => actionsOf(name, command));

/** Parses `args` as the program does. */
function parse(...args: string[]) {
  return loadSettings({ args, env: { ENV_FILE: "" }, switches: ["version"], commands: commandFlags() });
}

/** Why the command line `args` makes no sense. */
async function refusal(...args: string[]): Promise<string> {
  const io = { print: () => {}, progress: { step() {}, end() {} } };
  return (await assertRejects(async () => await runCommand(parse(...args), io), UsageError)).message;
}

Deno.test("each command and each subcommand has a help with its usage, flags and exit codes, and no settings", () => {
  for (const { path, action } of ACTIONS) {
    const help = commandHelp(path, action);
    assertStringIncludes(help, `Usage: exai-daemon ${path}`);
    for (const { name } of flagsOf(action)) assertStringIncludes(help, `--${name}`);
    for (const code of [0, 1, 2, 3]) assert(help.includes(`\n  ${code}  `), `${path}: ${code}`);
    assert(!help.includes("--log-level"), path);
  }
  for (const [name, command] of Object.entries(COMMANDS)) {
    for (const { path } of actionsOf(name, command)) assertStringIncludes(commandHelp(name, command), path);
    assertStringIncludes(programHelp(COMMANDS), `\n  ${name} `);
  }
});

Deno.test("each command takes --json, and refuses flags, words and values that are not its own", async () => {
  for (const { path, action } of ACTIONS) {
    const words = path.split(" ");
    assert(parse(...words, "--json").switches.has("json"), path);
    assertThrows(() => parse(...words, "--no-such-flag"), UsageError, "is no flag");
    for (const { name, value } of action.flags ?? []) {
      if (value !== undefined) {
        assertStringIncludes(await refusal(...words, `--${name}=`), `--${name} needs a value`);
      }
    }
  }
  assertStringIncludes(await refusal("servers", "--env=A=B"), "servers list takes no --env");
  assertStringIncludes(await refusal("ps", "now"), '"now" is a word too many');
  assertStringIncludes(await refusal("status", "ps"), "takes no more words");
});

Deno.test("a misspelt command, subcommand or flag is refused with the nearest one", async () => {
  assertStringIncludes(await refusal("stauts"), "did you mean status");
  assertStringIncludes(await refusal("cals", "--limit=3"), "did you mean call or calls");
  assertStringIncludes(await refusal("token", "rotat"), "did you mean rotate");
  assertStringIncludes(await refusal("kill"), "kill call, kill session, kill upstream");
  assertThrows(() => parse("logs", "--folow"), UsageError, "did you mean --follow");
  assertThrows(() => parse("ps", "--follow"), UsageError, "--follow is a flag of");
  assertThrows(() => parse("--limit=3"), UsageError, "write exai-daemon calls --limit=...");
});

Deno.test("flags may stand before, between and behind the words of a command", () => {
  for (
    const args of [
      ["--home", "/x", "kill", "--json", "call", "12"],
      ["kill", "call", "12", "--json", "--home=/x"],
      ["--json", "kill", "call", "--home", "/x", "12"],
    ]
  ) {
    const { words, switches, settings } = parse(...args);
    assertEquals([words, switches.has("json"), settings.home], [["kill", "call", "12"], true, "/x"]);
    assertEquals(flagsFor(args, commandFlags(), ["home"]).path, "kill call");
  }
  assertEquals(["--json", "--json=true"].map((arg) => asksForJson(["ps", arg])), [true, true]);
  assertEquals([[], ["--", "--json"], ["--jsonx"]].map(asksForJson), [false, false, false]);
});

Deno.test("the exit code tells a wrong command line, no daemon and all else apart, and --json has it", () => {
  const cases = [
    [new UsageError("x"), 2],
    [new ExaiError("INVALID_PARAMS", "x"), 2],
    [new ExaiError("DAEMON_UNAVAILABLE", "x"), 3],
    [new ExaiError("RESOURCE_NOT_FOUND", "x"), 1],
    [new ExaiError("CONFIG", "x"), 1],
    [new TypeError("x"), 1],
  ] as const;
  for (const [thrown, code] of cases) {
    assertEquals(exitCodeOf(thrown), code);
    assertEquals(errorJson(thrown).exit_code, code);
  }
  assertEquals(JSON.parse(JSON.stringify(errorJson(new UsageError("wrong\x1b")))), {
    error: { code: "INVALID_PARAMS", message: "wrong\x1b" },
    exit_code: 2,
  });
});

Deno.test("no line of a help is wider than the terminal, and none of its words is lost", () => {
  const wordsIn = (text: string) => text.split(/\s+/);
  for (const { path, action } of ACTIONS) {
    const help = commandHelp(path, action);
    for (const columns of [120, 80, 60]) {
      const wrapped = wrapHelp(help, columns);
      assertEquals(wordsIn(wrapped), wordsIn(help), path);
      const wide = wrapped.split("\n").filter((line) => stringWidth(line) > columns && /\S\s+\S/.test(line));
      assertEquals(wide, [], path);
    }
    assertEquals(wrapHelp(help, undefined), help);
  }
});

Deno.test("help shows the commands, and the same of one as --help", async () => {
  const settings = defaultSettings();
  const list = await runCommandAlone(helpCommand, [], { settings });
  for (const name of Object.keys(COMMANDS)) assertStringIncludes(list, `\n  ${name} `);
  const one = await runCommandAlone(helpCommand, ["kill", "session"], { settings });
  assertStringIncludes(one, "Usage: exai-daemon kill session ID");
  const json = await runCommandAlone(helpCommand, ["calls"], { settings, switches: new Set(["json"]) });
  assertEquals(JSON.parse(json).actions[0].name, "calls list");
  assertStringIncludes(await refusal("help", "stauts"), "did you mean status");
  assertStringIncludes(await refusal("help", "kill", "sesion"), "did you mean kill session");
});

Deno.test("a table fits the terminal: wide columns are cut, paths at their beginning, ids as long as they can be", () => {
  const path = "/home/someone/projects/deep/in/a/tree";
  const rows = [["files", "running", path], [
    "漢字".repeat(20),
    "x".repeat(30),
    "C:\\Users\\Jörg\\Quelltexte\\eins",
  ]];
  const headings = ["SERVER", "STATE", "DIRECTORY"];
  for (const columns of [120, 60, 45, 30]) {
    const lines = formatTable(headings, rows, { columns }).split("\n");
    assertEquals(lines.length, 3);
    for (const line of lines) assert(stringWidth(line) <= columns, `${columns}: ${line}`);
    assertEquals(lines[0]!.split(/\s+/), headings);
  }
  assertStringIncludes(formatTable(headings, rows, { columns: 60 }), "…");
  assertEquals(cutToWidth(path, 10), "…in/a/tree");
  assertEquals(cutToWidth("some words", 6), "some …");
  assertStringIncludes(formatTable(headings, rows, { columns: undefined }), path);
});

Deno.test("a narrow terminal does without optional columns, the empty ones first, and cuts no number and no time", () => {
  const headings = ["CALL", "STARTED", "TOOL", "TOOK", "WAITS FOR", "SESSION"];
  const rows = [
    ["c12", "2026-11-27 16:50:01.123", "read_text_file", "12.5 ms", undefined, "0b6f2a1c-1111-2222"],
    ["c13", "2026-11-27 16:50:02.456", "write_file", "1.5 s", undefined, "0b6f2a1c-1111-3333"],
  ];
  const head = (columns: number) =>
    formatTable(headings, rows, { columns, optional: ["SESSION", "WAITS FOR"] }).split("\n")[0]!.split(
      / {2,}/,
    );
  assertEquals(head(120), headings);
  assertEquals(head(78), ["CALL", "STARTED", "TOOL", "TOOK", "SESSION"]);
  assertEquals(head(55), ["CALL", "STARTED", "TOOL", "TOOK"]);
  const narrow = formatTable(headings, rows, { columns: 50, optional: ["SESSION", "WAITS FOR"] });
  for (const text of ["2026-11-27 16:50:01.123", "12.5 ms", "c13"]) assertStringIncludes(narrow, text);
  for (const line of narrow.split("\n")) assert(stringWidth(line) <= 50, line);
});

Deno.test("a terminal that is too narrow for a table gets a list of each row's values", () => {
  const headings = ["SERVER", "STATE", "PID", "SHARED", "SESSIONS"];
  const text = formatTable(headings, [["files", "running", 42, "machine", 3], ["git", "failed"]], {
    columns: 24,
  });
  assertEquals(text.split("\n").slice(0, 3), ["SERVER    files", "STATE     running", "PID       42"]);
  for (const line of text.split("\n")) assert(stringWidth(line) <= 24, line);
});

Deno.test("what a command waits for is said once it takes a second, and not before", () => {
  using timers = new FakeTimers();
  const written: string[] = [];
  using progress = new ProgressLine({ write: (text) => written.push(text) });
  progress.step("asking");
  timers.pass(900);
  progress.step("waiting for 2 calls\x1b[2J");
  timers.pass(900);
  assertEquals(written, []);
  timers.pass(100);
  timers.pass(5000);
  for (let i = 0; i < 4; i++) {
    progress.step("waiting for 2 calls\x1b[2J");
    timers.pass(500);
  }
  const first = "waiting for 2 calls\\x1b[2J (1 s)\n";
  assertEquals(written, [first], "one line for a step where there is no terminal");
  for (let i = 0; i < 4; i++) {
    progress.step("a wait that is begun again and again");
    timers.pass(500);
  }
  assertEquals(written, [first, "a wait that is begun again and again (1 s)\n"]);
});

Deno.test("on a terminal progress is one line, which is rewritten, fits, and is gone when the result is printed", () => {
  using timers = new FakeTimers();
  const written: string[] = [];
  using progress = new ProgressLine({ columns: 20, write: (text) => written.push(text) });
  progress.step("waiting for 2 calls to end");
  timers.pass(1000);
  timers.pass(1000);
  const clear = "\r\x1b[2K";
  assertEquals(written, [`${clear}waiting for 2 call…`, `${clear}waiting for 2 call…`]);
  progress.end();
  timers.pass(5000);
  assertEquals(written.slice(2), [clear]);
});
