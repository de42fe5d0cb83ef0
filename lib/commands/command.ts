import type { LoadedSettings } from "../config/load.ts";
import type { SettingsFaults } from "../config/program_settings.ts";
import type { ExitCode } from "./exit_codes.ts";
import type { CommandProgress } from "./progress.ts";

/** A command of `exai-daemon`: all that `--help`, shell completion, the documentation and the parser know of it. */
export type Command = Action | CommandGroup;

/** What every command has. */
interface CommandFacts {
  /** What it does, in one line of a list. */
  summary: string;
  /** More about it, for its help: one paragraph each. */
  about?: readonly string[];
}

/** A command that does something. */
export interface Action extends CommandFacts {
  /** The ways to call it, each with what that does. */
  forms: readonly CommandForm[];
  /** The flags it takes beside those of the settings and `--json`, which every command has. */
  flags?: readonly CommandFlag[];
  /** Whether it runs when settings have faults or the state directory cannot be used, to say what is wrong. */
  worksDespiteFaults?: boolean;
  /**
   * How many words go before the command line of another program, whose flags are its own. A URL, or JSON, is none.
   */
  wordsBeforeCommand?: number;
  /** What is said of a word too many, which may be a secret and is then not shown. */
  wordTooMany?: string;
  /** What an exit code means here, where that is more than {@linkcode EXIT_MEANINGS} says. */
  exits?: Partial<Record<ExitCode, string>>;
  /**
   * Does it. What it does over a second long, it says by `progress`.
   *
   * @throws {UsageError} for arguments that make no sense: exit code 2
   * @throws {ExaiError} `DAEMON_UNAVAILABLE` where it needs a daemon and none answers: exit code 3
   */
  run(invocation: Invocation): Promise<string | CommandResult>;
}

/** A command of subcommands: `servers add`, `servers list`. */
export interface CommandGroup extends CommandFacts {
  actions: Readonly<Record<string, Action>>;
  /** The name of the action that is run when no word follows, or none that is one. */
  fallback?: string;
}

/** One way to call a command. */
interface CommandForm {
  /** What follows the command's name; upper case is a value of the caller's, brackets are optional, `...` repeats. */
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
export interface Invocation
  extends Pick<LoadedSettings, "settings" | "switches" | "options" | "own">, Partial<SettingsFaults> {
  /** The words after the command's name, and after that of the subcommand. */
  args: readonly string[];
  /** How the command is called, for messages. */
  usage: string;
  /** All commands by name. */
  commands: Readonly<Record<string, Command>>;
  /** Shows what the command is waiting for. */
  progress: CommandProgress;
  /**
   * Prints a text before the command ends.
   *
   * @throws {OutputClosed} nobody reads it any more: the command ends
   */
  print(text: string): void;
}

/** What a command prints at its end, and its exit code. */
export interface CommandResult {
  text: string;
  /** 0 when left out. */
  code?: ExitCode;
  /** What is printed with `--json` in place of `text`; left out where `text` is JSON then. */
  json?: unknown;
}

/** The flag that every command has; a command need not list it. */
export const JSON_FLAG: CommandFlag = {
  name: "json",
  help: "Print the result as JSON; an error too, as {error, exit_code}",
};
