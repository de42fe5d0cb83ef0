import { UsageError } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import type { CommandFlags, FlagNames } from "../config/command_line.ts";
import type { LoadedSettings } from "../config/load.ts";
import type { SettingsFaults } from "../config/program_settings.ts";
import { statePaths } from "../config/paths.ts";
import { checkStateDir } from "../state/state_files.ts";
import { adoptCommand } from "./adopt.ts";
import { authCommand } from "./auth.ts";
import { callCommand } from "./call.ts";
import { callsCommand } from "./calls.ts";
import { cancelCommand } from "./cancel.ts";
import { certsCommand } from "./certs.ts";
import { completionsCommand } from "./completions.ts";
import { configCommand } from "./config.ts";
import { doctorCommand } from "./doctor.ts";
import { killCommand } from "./kill.ts";
import { logsCommand } from "./logs.ts";
import { newToolCommand } from "./new_tool.ts";
import { pageCommand } from "./page.ts";
import { psCommand } from "./ps.ts";
import { reloadCommand } from "./reload.ts";
import { replayCommand } from "./replay.ts";
import { restartCommand } from "./restart.ts";
import { secretCommand } from "./secret.ts";
import { serversCommand } from "./servers.ts";
import { serviceCommand } from "./service/service.ts";
import { statusCommand } from "./status.ts";
import { stopCommand } from "./stop.ts";
import { threadsCommand } from "./threads.ts";
import { tokenCommand } from "./token.ts";
import { toolsCommand } from "./tools.ts";
import { topCommand } from "./top.ts";
import { updateCommand } from "./update.ts";
import { versionCommand } from "./version.ts";
import { helpCommand } from "./help_command.ts";
import type { Command, CommandFlag, CommandResult, Invocation } from "./command.ts";
import { EXIT, type ExitCode } from "./exit_codes.ts";
import {
  actionsOf,
  fallbackOf,
  findCommand,
  flagsOf,
  isGroup,
  maxWords,
  type NamedAction,
  PROGRAM_FLAGS,
  usageOf,
} from "./usage.ts";

/** The commands of `exai-daemon` by name, in the order of `--help` and docs/commands.md. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  status: statusCommand,
  stop: stopCommand,
  restart: restartCommand,
  ps: psCommand,
  page: pageCommand,
  top: topCommand,
  logs: logsCommand,
  servers: serversCommand,
  tools: toolsCommand,
  call: callCommand,
  config: configCommand,
  calls: callsCommand,
  replay: replayCommand,
  cancel: cancelCommand,
  kill: killCommand,
  reload: reloadCommand,
  threads: threadsCommand,
  auth: authCommand,
  token: tokenCommand,
  secret: secretCommand,
  certs: certsCommand,
  adopt: adoptCommand,
  "new-tool": newToolCommand,
  service: serviceCommand,
  doctor: doctorCommand,
  update: updateCommand,
  completions: completionsCommand,
  version: versionCommand,
  help: helpCommand,
};

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
  if (extra !== undefined && action.wordTooMany !== undefined) throw new UsageError(action.wordTooMany);
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
  if (!command) throw unknownCommand(name);
  if (!isGroup(command)) return { path: name, action: command, args: rest };
  const [word = "", ...args] = rest;
  const action = ownEntry(command.actions, word);
  if (action) return { path: `${name} ${word}`, action, args };
  const fallback = fallbackOf(command);
  if (fallback && rest.length <= maxWords(fallback)) {
    return { path: `${name} ${command.fallback}`, action: fallback, args: rest };
  }
  const known = Object.keys(command.actions);
  const wrong = rest.length === 0
    ? `${name} needs to know what to do`
    : `${quoteName(word)} is nothing to do with ${name}${didYouMean(word, known)}`;
  throw new UsageError(`${wrong}; there are: ${known.map((word) => `${name} ${word}`).join(", ")}`);
}

/** The error of a word that is not a command, with the nearest that is. */
export function unknownCommand(word: string): UsageError {
  const meant = didYouMean(word, Object.keys(COMMANDS));
  return new UsageError(`${quoteName(word)} is not a command${meant}; exai-daemon help lists them`);
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
  const found = findCommand(COMMANDS, words);
  return found !== undefined && !isGroup(found.command) && found.command.worksDespiteFaults === true;
}
