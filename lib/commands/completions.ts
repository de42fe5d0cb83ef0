import { UsageError } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { settingFlags } from "../config/help.ts";
import { type Action, type Command, type CommandResult, type Invocation, JSON_FLAG } from "./command.ts";
import { actionsOf, fallbackOf, flagsOf, isGroup, wordsAfter } from "./usage.ts";
import {
  type CompletedCommand,
  type CompletedFlag,
  type CompletedProgram,
  COMPLETION_SCRIPTS,
} from "./completion_scripts.ts";

// The scripts are static and generated from the table of commands. Completion libraries (@bomb.sh/tab, omelette) start
// the program at each press of the Tab key instead, which takes a tenth of a second from source.
const SHELLS = Object.keys(COMPLETION_SCRIPTS);

export const completionsCommand: Action = {
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

/** @throws {UsageError} for an unknown shell */
// deno-lint-ignore require-await -- every command is asynchronous
async function completions({ args, commands, usage }: Invocation): Promise<CommandResult> {
  const [shell = ""] = args;
  const script = ownEntry(COMPLETION_SCRIPTS, shell);
  if (script === undefined) {
    throw new UsageError(
      `${quoteName(shell)} is no shell that completions knows${didYouMean(shell, SHELLS)}; ${usage}`,
    );
  }
  const text = script(completedProgram(commands)).trimEnd();
  return { text, json: { shell, script: text } };
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
    flags: [
      { name: "help", help: "Show the help and exit", takesValue: false, values: [] },
      { name: JSON_FLAG.name, help: JSON_FLAG.help, takesValue: false, values: [] },
      ...settings,
    ],
    commands: Object.entries(commands).map(([name, command]) => ({
      ...completedCommand(name, command),
      actions: isGroup(command)
        ? actionsOf(name, command).map(({ path, action }) => completedCommand(path, action))
        : [],
    })),
  };
}

function completedCommand(path: string, command: Command): CompletedCommand {
  const action = isGroup(command) ? fallbackOf(command) : command;
  const flags = action ? flagsOf(action).filter((flag) => flag.name !== JSON_FLAG.name) : [];
  return {
    name: path,
    summary: command.summary,
    words: wordsAfter(command),
    flags: flags.map(({ name, value, completions = [], help }) => ({
      name,
      help,
      takesValue: value !== undefined,
      values: completions,
    })),
  };
}
