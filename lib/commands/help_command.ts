import { UsageError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { commandHelp, commandList } from "./help.ts";
import { actionsOf, findCommand, flagsOf } from "./usage.ts";
import { wrapHelp } from "./help_lines.ts";

export const helpCommand: Action = {
  summary: "Show the commands, or the help of one",
  forms: [
    { args: "", does: "the commands, without the settings that --help lists" },
    { args: "[COMMAND [WORD]]", does: "the same as `COMMAND WORD --help`" },
  ],
  run: help,
};

/** @throws {UsageError} for a word that is not a command */
// deno-lint-ignore require-await -- every command is asynchronous
async function help({ args, commands }: Invocation): Promise<CommandResult> {
  if (args.length === 0) {
    const list = Object.entries(commands).map(([name, { summary }]) => ({ name, summary }));
    return { text: wrapHelp(commandList(commands)), json: { commands: list } };
  }
  const found = findCommand(commands, args);
  if (!found || found.path !== args.join(" ")) {
    const known = found
      ? actionsOf(found.path, found.command).map(({ path }) => path)
      : Object.keys(commands);
    throw new UsageError(`${quoteName(args.join(" "))} is not a command${didYouMean(args.join(" "), known)}`);
  }
  const { path, command } = found;
  const actions = actionsOf(path, command).map(({ path, action }) => ({
    name: path,
    summary: action.summary,
    forms: action.forms,
    flags: flagsOf(action),
  }));
  return {
    text: wrapHelp(commandHelp(path, command)),
    json: { name: path, summary: command.summary, actions },
  };
}
