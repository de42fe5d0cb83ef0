import type { LoadedSettings } from "../config/load.ts";

/** A command of `exai-daemon`: all that `--help`, shell completion, the documentation and the parser know of it. */
export interface Command {
  /** What it does, for the list in `exai-daemon --help`. */
  summary: string;
  /** The ways to call it, each with what that does. */
  forms: readonly CommandForm[];
  /** The flags it takes beside those of the settings. */
  flags?: readonly CommandFlag[];
  /** @throws {ExaiError} `CONFIG` for arguments that make no sense; what the daemon answers */
  run(invocation: Invocation): Promise<string | CommandResult>;
}

/** One way to call a command. */
interface CommandForm {
  /** What follows the command's name; upper case is a value of the caller's, brackets are optional. */
  args: string;
  does: string;
}

/** A flag of a command that is not a setting. */
export interface CommandFlag {
  /** Without its dashes. */
  name: string;
  /** What its value is, as `ID`; undefined for a switch. */
  value?: string;
  /** Values that shells complete. */
  completions?: readonly string[];
  help: string;
}

/** What a command is run with. */
export interface Invocation extends Pick<LoadedSettings, "settings" | "switches" | "options" | "own"> {
  /** The words after the command's name. */
  args: readonly string[];
  /** How the command is called, for messages. */
  usage: string;
  /** All commands by name. */
  commands: Readonly<Record<string, Command>>;
  /** Prints a text before the command ends. */
  print(text: string): void;
}

/** What a command prints at its end, and its exit code. */
export interface CommandResult {
  text: string;
  code: number;
}

/** The flag `--json` of the commands that have one. */
export const JSON_FLAG: CommandFlag = { name: "json", help: "Print all of it as JSON" };

/**
 * The usage of the command `name` in one line, flags included.
 *
 * @example
 * ```ts
 * import { usageOf } from "./command.ts";
 *
 * const forms = [{ args: "[ID]", does: "lists calls, or shows one" }];
 * const flags = [{ name: "session", value: "ID", help: "Of one session" }, { name: "json", help: "As JSON" }];
 * console.log(usageOf("calls", { forms, flags })); // calls [ID] [--session=ID] [--json]
 * ```
 */
export function usageOf(name: string, { forms, flags = [] }: Pick<Command, "forms" | "flags">): string {
  const calls = forms.filter(({ args }) => !args.startsWith("--")).map(({ args }) =>
    `${name} ${args}`.trimEnd()
  );
  const shown = flags.map(({ name, value }) => value === undefined ? `[--${name}]` : `[--${name}=${value}]`);
  return [calls.join(" | "), ...shown].join(" ");
}

/** Whether words may follow the name of `command`. */
export function takesArguments({ forms }: Pick<Command, "forms">): boolean {
  return forms.some(({ args }) => args !== "" && !args.startsWith("--"));
}

/** The literal words that may follow the name of `command`: `rotate` and `show` of `token`. */
export function literalArguments({ forms }: Pick<Command, "forms">): string[] {
  const first = forms.map(({ args }) => args.split(" ", 1)[0]!.replace(/^\[(.+)\]$/, "$1"));
  return [...new Set(first.filter((word) => /^[a-z]/.test(word)))];
}
