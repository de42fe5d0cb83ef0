import { ExaiError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { LoadedSettings } from "../config/load.ts";
import { statePaths } from "../config/paths.ts";
import { checkStateDir } from "../state/state_files.ts";
import { callsCommand } from "./calls.ts";
import { cancelCommand } from "./cancel.ts";
import { certsCommand } from "./certs.ts";
import type { Command, CommandFlag, CommandResult, Invocation } from "./command.ts";
import { completionsCommand } from "./completions.ts";
import { killCommand } from "./kill.ts";
import { newToolCommand } from "./new_tool.ts";
import { psCommand } from "./ps.ts";
import { reloadCommand } from "./reload.ts";
import { threadsCommand } from "./threads.ts";
import { tokenCommand } from "./token.ts";

/** The commands of `exai-daemon`, in the order of `--help` and docs/operations.md. */
export const COMMANDS: readonly Command[] = [
  psCommand,
  callsCommand,
  cancelCommand,
  killCommand,
  reloadCommand,
  threadsCommand,
  tokenCommand,
  certsCommand,
  newToolCommand,
  completionsCommand,
];

/** The flags `exai-daemon` takes without a command, beside those of the settings. */
export const PROGRAM_FLAGS: readonly CommandFlag[] = [
  { name: "if-not-running", help: "Exit with 0 when a daemon already answers at the address" },
  { name: "version", help: "Show the version and exit" },
];

/** The flags of the program and its commands as `loadSettings` takes them. */
export function flagNames(): { switches: string[]; options: string[] } {
  const flags = [...PROGRAM_FLAGS, ...COMMANDS.flatMap((command) => command.flags)];
  const named = (isWanted: (flag: CommandFlag) => boolean) => [
    ...new Set(flags.filter(isWanted).map(({ name }) => name)),
  ];
  return {
    switches: named(({ value }) => value === undefined),
    options: named(({ value }) => value !== undefined),
  };
}

/** The command of this name; undefined when there is none. */
export function findCommand(name: string | undefined): Command | undefined {
  return COMMANDS.find((command) => command.name === name);
}

/**
 * Runs the command the command line names.
 *
 * @throws {ExaiError} `CONFIG` for a word that is no command; what the command itself throws
 */
export async function runCommand(
  { words, ...loaded }: LoadedSettings,
  print: Invocation["print"],
): Promise<CommandResult> {
  const [name = "", ...args] = words;
  const command = findCommand(name);
  const takesArguments = command !== undefined && command.usage !== command.name;
  if (!command || (args.length > 0 && !takesArguments)) {
    const known = COMMANDS.map(({ name }) => name);
    const meant = command ? `; ${name} takes no more words` : didYouMean(name, known);
    throw new ExaiError(
      "CONFIG",
      `${quoteName(words.join(" "))} is no command${meant}; there are: ${known.join(", ")}`,
    );
  }
  checkOptions(loaded, command);
  await checkStateDir(statePaths(loaded.settings));
  const result = await command.run({ ...loaded, args, commands: COMMANDS, print });
  return typeof result === "string" ? { text: result, code: 0 } : result;
}

/**
 * Checks that each flag with a value belongs to `command`. Switches of other commands are ignored.
 *
 * @param command undefined when the command line names none
 * @throws {ExaiError} `CONFIG`, naming the command that takes the flag
 */
export function checkOptions({ options }: Pick<LoadedSettings, "options">, command?: Command): void {
  for (const [option, values] of options) {
    const takes = ({ flags }: Command) => flags.some(({ name }) => name === option);
    if (values.length === 0 || (command && takes(command))) continue;
    const owner = COMMANDS.find(takes)?.name;
    const advice = command
      ? `${command.name} does not take it`
      : `write exai-daemon ${owner} --${option}=...`;
    throw new ExaiError("CONFIG", `--${option} is a flag of ${owner}; ${advice}`);
  }
}
