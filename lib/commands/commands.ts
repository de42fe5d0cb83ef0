import { UsageError } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { CommandFlags, FlagNames } from "../config/command_line.ts";
import type { LoadedSettings } from "../config/load.ts";
import type { SettingsFaults } from "../config/program_settings.ts";
import { statePaths } from "../config/paths.ts";
import { checkStateDir } from "../state/state_files.ts";
import { callCommand } from "./call.ts";
import { callsCommand } from "./calls.ts";
import { cancelCommand } from "./cancel.ts";
import { certsCommand } from "./certs.ts";
import type { Action, Command, CommandFlag, CommandResult, Invocation } from "./command.ts";
import { configCommand } from "./config.ts";
import { completionsCommand } from "./completions.ts";
import { EXIT, type ExitCode } from "./exit_codes.ts";
import { doctorCommand } from "./doctor.ts";
import { killCommand } from "./kill.ts";
import { newToolCommand } from "./new_tool.ts";
import { psCommand } from "./ps.ts";
import { reloadCommand } from "./reload.ts";
import { serversCommand } from "./servers.ts";
import { serviceCommand } from "./service/service.ts";
import { threadsCommand } from "./threads.ts";
import { tokenCommand } from "./token.ts";
import { toolsCommand } from "./tools.ts";
import { updateCommand } from "./update.ts";
import { actionsOf, flagsOf, isGroup, maxWords, type NamedAction, usageOf } from "./usage.ts";

/** The commands of `exai-daemon` by name, in the order of `--help` and docs/commands.md. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  ps: psCommand,
  servers: serversCommand,
  tools: toolsCommand,
  call: callCommand,
  config: configCommand,
  calls: callsCommand,
  cancel: cancelCommand,
  kill: killCommand,
  reload: reloadCommand,
  threads: threadsCommand,
  token: tokenCommand,
  certs: certsCommand,
  "new-tool": newToolCommand,
  service: serviceCommand,
  doctor: doctorCommand,
  update: updateCommand,
  completions: completionsCommand,
};

/** The flags `exai-daemon` takes without a command, beside those of the settings. */
export const PROGRAM_FLAGS: readonly CommandFlag[] = [
  { name: "if-not-running", help: "Exit with 0 when a daemon already answers at the address" },
  { name: "background", help: "Run as a service does: with the environment of the login shell" },
  { name: "version", help: "Show the version and exit" },
];

/** The flags of the program and its commands as `loadSettings` takes them. */
export function commandFlags(): CommandFlags {
  const table = new Map<string, FlagNames>([["", namesOf(PROGRAM_FLAGS)]]);
  for (const [name, command] of Object.entries(COMMANDS)) {
    const actions = actionsOf(name, command);
    table.set(name, namesOf(actions.flatMap(({ action }) => flagsOf(action))));
    for (const { path, action } of actions) {
      table.set(path, { ...namesOf(flagsOf(action)), wordsBeforeCommand: action.wordsBeforeCommand });
    }
  }
  return table;
}

function namesOf(flags: readonly CommandFlag[]): FlagNames {
  const named = (isWanted: (flag: CommandFlag) => boolean) => [
    ...new Set(flags.filter(isWanted).map(({ name }) => name)),
  ];
  return {
    switches: named(({ value }) => value === undefined),
    options: named(({ value }) => value !== undefined),
  };
}

/** What a command ended with; `text` is to be printed. */
interface CommandOutcome {
  text: string;
  code: ExitCode;
  json?: unknown;
}

/**
 * Runs the command the command line names.
 *
 * @throws {UsageError} for a word that is not a command, or a flag or word it does not take
 * @throws what the command itself throws
 */
export async function runCommand(
  { words, ...loaded }: LoadedSettings & Partial<SettingsFaults>,
  io: Pick<Invocation, "print" | "progress">,
): Promise<CommandOutcome> {
  const { path, action, args } = findAction(words);
  checkFlags(loaded, { path, action });
  if (!action.worksDespiteFaults) await checkStateDir(statePaths(loaded.settings));
  return await runAction({ path, action }, { ...loaded, ...io, args });
}

/** Runs one action. */
export async function runAction(
  { path, action }: NamedAction,
  invocation: Omit<Invocation, "usage" | "commands">,
): Promise<CommandOutcome> {
  const usage = usageOf(path, action);
  const extra = invocation.args[maxWords(action)];
  if (extra !== undefined) {
    throw new UsageError(`${quoteName(extra)} is a word too many; ${path} takes no more words: ${usage}`);
  }
  invocation.progress.step(`${path}: at work`);
  const ended = await action.run({ ...invocation, usage, commands: COMMANDS });
  const result: CommandResult = typeof ended === "string" ? { text: ended } : ended;
  return { code: EXIT.done, ...result };
}

/**
 * The action that `words` name, and the words after it.
 *
 * @throws {UsageError} naming the nearest command, or the subcommands there are
 */
function findAction([name = "", ...rest]: readonly string[]): NamedAction & { args: string[] } {
  const command = ownEntry(COMMANDS, name);
  if (!command) {
    const known = Object.keys(COMMANDS);
    throw new UsageError(
      `${quoteName(name)} is not a command${didYouMean(name, known)}; there are: ${known.join(", ")}`,
    );
  }
  if (!isGroup(command)) return { path: name, action: command, args: rest };
  const [word = "", ...args] = rest;
  const action = ownEntry(command.actions, word);
  if (action) return { path: `${name} ${word}`, action, args };
  const fallback = command.fallback === undefined ? undefined : command.actions[command.fallback];
  if (fallback && rest.length <= maxWords(fallback)) {
    return { path: `${name} ${command.fallback}`, action: fallback, args: rest };
  }
  const known = Object.keys(command.actions);
  const wrong = rest.length === 0
    ? `${name} needs to know what to do`
    : `${quoteName(word)} is nothing to do with ${name}${didYouMean(word, known)}`;
  throw new UsageError(`${wrong}; there are: ${known.map((word) => `${name} ${word}`).join(", ")}`);
}

/**
 * Checks that each flag that was given belongs to the action, and has a value where it takes one.
 *
 * @throws {UsageError} naming the flag
 */
function checkFlags(
  { options, switches }: Pick<LoadedSettings, "options" | "switches">,
  at: NamedAction,
): void {
  const known = new Map(flagsOf(at.action).map((flag) => [flag.name, flag]));
  const given = [...options].filter(([, values]) => values.length > 0);
  for (const name of [...switches, ...given.map(([name]) => name)]) {
    if (known.has(name)) continue;
    throw new UsageError(`${at.path} takes no --${name}; usage: ${usageOf(at.path, at.action)}`);
  }
  for (const [name, values] of given) {
    if (!values.includes("")) continue;
    const value = known.get(name)?.value ?? "VALUE";
    throw new UsageError(`--${name} needs a value: --${name}=${value}`);
  }
}

/** Whether `words` name a command that says what is wrong with settings, and so runs with them. */
export function worksDespiteFaults(words: readonly string[]): boolean {
  const found = findCommand(words);
  return found !== undefined && !isGroup(found.command) && found.command.worksDespiteFaults === true;
}

/** The action or group that `words` name, for its help; undefined when they name none. */
export function findCommand([name = "", word = ""]: readonly string[]):
  | { path: string; command: Command }
  | undefined {
  const command = ownEntry(COMMANDS, name);
  if (!command) return undefined;
  const action: Action | undefined = isGroup(command) ? ownEntry(command.actions, word) : undefined;
  return action ? { path: `${name} ${word}`, command: action } : { path: name, command };
}
