import { ownEntry } from "../base/json.ts";
import type { Action, Command, CommandFlag, CommandGroup } from "./command.ts";
import { JSON_FLAG } from "./command.ts";

/** A command or subcommand under its full name: `ps`, `servers add`. */
export interface NamedAction {
  path: string;
  action: Action;
}

/** Whether `command` consists of subcommands. */
export function isGroup(command: Command): command is CommandGroup {
  return "actions" in command;
}

/** The actions of a command, itself when it has no subcommands, by their full names. */
export function actionsOf(name: string, command: Command): NamedAction[] {
  if (!isGroup(command)) return [{ path: name, action: command }];
  return Object.entries(command.actions).map(([word, action]) => ({ path: `${name} ${word}`, action }));
}

/** What a group does when no subcommand is named. */
export function fallbackOf({ actions, fallback }: CommandGroup): Action | undefined {
  return fallback === undefined ? undefined : actions[fallback];
}

/** The flags of an action that are not settings, `--json` included. */
export function flagsOf({ flags = [] }: Pick<Action, "flags">): CommandFlag[] {
  return [...flags.filter(({ name }) => name !== JSON_FLAG.name), JSON_FLAG];
}

/**
 * The usage of the command `path` in one line, flags included.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { usageOf } from "./usage.ts";
 *
 * const forms = [{ args: "[ID]", does: "lists calls, or shows one" }];
 * const flags = [{ name: "session", value: "ID", help: "Of one session" }];
 * assertEquals(usageOf("calls", { forms, flags }), "calls [ID] [--session=ID] [--json]");
 * ```
 */
export function usageOf(path: string, action: Pick<Action, "forms" | "flags">): string {
  const calls = action.forms.filter(({ args }) => !args.startsWith("--")).map(({ args }) =>
    `${path} ${args}`.trimEnd()
  );
  const shown = flagsOf(action).map(({ name, value }) =>
    value === undefined ? `[--${name}]` : `[--${name}=${value}]`
  );
  return [[...new Set(calls)].join(" | ") || path, ...shown].join(" ");
}

/** How many words may follow the name of an action. */
export function maxWords({ forms }: Pick<Action, "forms">): number {
  return Math.max(
    0,
    ...forms.map(({ args }) => {
      if (/\.\.\.|…/.test(args)) return Infinity;
      return args.split(" ").filter((word) => word !== "" && !/^\[?-/.test(word)).length;
    }),
  );
}

/** The words that may follow the name of a command: subcommands, or the literal arguments of an action. */
export function wordsAfter(command: Command): string[] {
  if (isGroup(command)) return Object.keys(command.actions);
  const first = command.forms.map(({ args }) => args.split(" ", 1)[0]!.replace(/^\[(.+)\]$/, "$1"));
  return [...new Set(first.flatMap((word) => word.split("|")).filter((word) => /^[a-z]/.test(word)))];
}

/** The flags `exai-daemon` takes without a command, beside those of the settings. */
export const PROGRAM_FLAGS: readonly CommandFlag[] = [
  { name: "if-not-running", help: "Exit with 0 when a daemon already answers at the address" },
  { name: "background", help: "Run as a service does: with the environment of the login shell" },
  { name: "version", help: "Show the version and exit" },
];

/** The action or group that `words` name; undefined when they name none. */
export function findCommand(
  commands: Readonly<Record<string, Command>>,
  [name = "", word = ""]: readonly string[],
): { path: string; command: Command } | undefined {
  const command = ownEntry(commands, name);
  if (!command) return undefined;
  const action = isGroup(command) ? ownEntry(command.actions, word) : undefined;
  return action ? { path: `${name} ${word}`, command: action } : { path: name, command };
}
