import { ExaiError } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { LoadedSettings } from "../config/load.ts";
import { statePaths } from "../config/paths.ts";
import { checkStateDir } from "../state/state_files.ts";
import { callCommand } from "./call.ts";
import { callsCommand } from "./calls.ts";
import { cancelCommand } from "./cancel.ts";
import { certsCommand } from "./certs.ts";
import {
  type Command,
  type CommandFlag,
  type CommandResult,
  type Invocation,
  takesArguments,
  usageOf,
} from "./command.ts";
import { completionsCommand } from "./completions.ts";
import { killCommand } from "./kill.ts";
import { newToolCommand } from "./new_tool.ts";
import { psCommand } from "./ps.ts";
import { reloadCommand } from "./reload.ts";
import { threadsCommand } from "./threads.ts";
import { tokenCommand } from "./token.ts";
import { toolsCommand } from "./tools.ts";

/** The commands of `exai-daemon` by name, in the order of `--help` and docs/operations.md. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  ps: psCommand,
  tools: toolsCommand,
  call: callCommand,
  calls: callsCommand,
  cancel: cancelCommand,
  kill: killCommand,
  reload: reloadCommand,
  threads: threadsCommand,
  token: tokenCommand,
  certs: certsCommand,
  "new-tool": newToolCommand,
  completions: completionsCommand,
};

/** The flags `exai-daemon` takes without a command, beside those of the settings. */
export const PROGRAM_FLAGS: readonly CommandFlag[] = [
  { name: "if-not-running", help: "Exit with 0 when a daemon already answers at the address" },
  { name: "version", help: "Show the version and exit" },
];

/** The flags of the program and its commands as `loadSettings` takes them. */
export function flagNames(): { switches: string[]; options: string[] } {
  const flags = [...PROGRAM_FLAGS, ...Object.values(COMMANDS).flatMap(({ flags = [] }) => flags)];
  const named = (isWanted: (flag: CommandFlag) => boolean) => [
    ...new Set(flags.filter(isWanted).map(({ name }) => name)),
  ];
  return {
    switches: named(({ value }) => value === undefined),
    options: named(({ value }) => value !== undefined),
  };
}

/**
 * Runs the command the command line names.
 *
 * @throws {ExaiError} `CONFIG` for a word that is not a command; what the command itself throws
 */
export async function runCommand(
  { words, ...loaded }: LoadedSettings,
  print: Invocation["print"],
): Promise<CommandResult> {
  const [name = "", ...args] = words;
  const command = ownEntry(COMMANDS, name);
  if (!command || (args.length > 0 && !takesArguments(command))) {
    const known = Object.keys(COMMANDS);
    const meant = command ? `; ${name} takes no more words` : didYouMean(name, known);
    throw new ExaiError(
      "CONFIG",
      `${quoteName(words.join(" "))} is not a command${meant}; there are: ${known.join(", ")}`,
    );
  }
  checkOptions(loaded, name);
  await checkStateDir(statePaths(loaded.settings));
  const result = await command.run({
    ...loaded,
    args,
    print,
    usage: usageOf(name, command),
    commands: COMMANDS,
  });
  return typeof result === "string" ? { text: result, code: 0 } : result;
}

/**
 * Checks that each flag with a value belongs to the command `name`. Switches of other commands are ignored.
 *
 * @param name undefined when the command line names none
 * @throws {ExaiError} `CONFIG`, naming the command that takes the flag
 */
export function checkOptions({ options }: Pick<LoadedSettings, "options">, name?: string): void {
  for (const [option, values] of options) {
    const owners = Object.entries(COMMANDS)
      .filter(([, { flags = [] }]) => flags.some((flag) => flag.name === option)).map(([owner]) => owner);
    if (values.length === 0 || owners.includes(name ?? "")) continue;
    const advice = name ? `${name} does not take it` : `write exai-daemon ${owners[0]} --${option}=...`;
    throw new ExaiError("CONFIG", `--${option} is a flag of ${owners[0]}; ${advice}`);
  }
}
