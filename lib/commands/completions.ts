import { ExaiError } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { settingFlags } from "../config/help.ts";
import { type Command, type Invocation, literalArguments } from "./command.ts";
import { type CompletedFlag, type CompletedProgram, COMPLETION_SCRIPTS } from "./completion_scripts.ts";

// The scripts are static and generated from the table of commands. Completion libraries (@bomb.sh/tab, omelette) start
// the program at each press of the Tab key instead, which takes a tenth of a second from source.
const SHELLS = Object.keys(COMPLETION_SCRIPTS);

export const completionsCommand: Command = {
  summary: `Print a completion script for ${SHELLS.join(", ")}`,
  forms: [
    {
      args: "bash",
      does: 'a script to complete commands and flags: `eval "$(exai-daemon completions bash)"`',
    },
    { args: "zsh", does: "the same, to save as `_exai-daemon` in a directory of `$fpath`" },
    { args: "fish", does: "the same, to save as `~/.config/fish/completions/exai-daemon.fish`" },
    { args: "powershell", does: "the same, to run from `$PROFILE`: `... | Out-String | Invoke-Expression`" },
  ],
  run: completions,
};

/** @throws {ExaiError} `CONFIG` for an unknown shell */
// deno-lint-ignore require-await -- every command is asynchronous
async function completions({ args, commands, usage }: Invocation): Promise<string> {
  const [shell = "", ...rest] = args;
  const script = ownEntry(COMPLETION_SCRIPTS, shell);
  if (script === undefined || rest.length > 0) {
    throw new ExaiError(
      "CONFIG",
      `${quoteName(args.join(" "))} is no shell that completions knows; ${usage}`,
    );
  }
  return script(completedProgram(commands)).trimEnd();
}

/** What a shell completes. */
function completedProgram(commands: Invocation["commands"]): CompletedProgram {
  const settings = settingFlags("daemon").map(({ flag, help, values = [] }): CompletedFlag => ({
    name: flag,
    help,
    takesValue: true,
    values,
  }));
  return {
    name: "exai-daemon",
    flags: [{ name: "help", help: "Show the help and exit", takesValue: false, values: [] }, ...settings],
    commands: Object.entries(commands).map(([name, command]) => ({
      name,
      summary: command.summary,
      words: literalArguments(command),
      flags: (command.flags ?? []).map(({ name, value, completions = [], help }) => ({
        name,
        help,
        takesValue: value !== undefined,
        values: completions,
      })),
    })),
  };
}
