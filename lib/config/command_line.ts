import { closeMatches } from "../base/suggest.ts";
import { trimStartOf } from "../base/text.ts";

/** The flags of a command that are not settings, without their dashes. */
export interface FlagNames {
  switches: readonly string[];
  /** Those that take a value. */
  options: readonly string[];
  /** How many words go before the command line of another program, whose flags are its own; undefined: none follows. */
  wordsBeforeCommand?: number;
}

/**
 * The flags of each command by its path: `calls`, `servers add`; the empty path is the program without a command. A
 * command with subcommands has those of all of them.
 */
export type CommandFlags = ReadonlyMap<string, FlagNames>;

/** Whether `args` ask for JSON, also where they cannot be parsed. */
export function asksForJson(args: readonly string[] = Deno.args): boolean {
  return asksFor("json", args);
}

/** Whether `args` say that the daemon has no terminal, also where they cannot be parsed. */
export function asksForBackground(args: readonly string[] = Deno.args): boolean {
  return asksFor("background", args);
}

function asksFor(name: string, args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? args.length : end).some((arg) =>
    arg === `--${name}` || arg === `--${name}=true`
  );
}

/**
 * The flags that `args` may have by the command they name. The same flag can be a switch of one command and take a value
 * in another, so the command is found first.
 *
 * @param settings the flags of the settings, each with a value
 */
export function flagsFor(
  args: readonly string[],
  commands: CommandFlags,
  settings: readonly string[],
): FlagNames & { path: string } {
  let path = "";
  for (const word of firstWords(args, (flag) => takesValue(flag, { path, commands, settings }))) {
    const longer = `${path} ${word}`.trim();
    if (!commands.has(longer)) {
      // A misspelt command is reported as such, and not by its flags.
      return path === "" ? { path, ...union([...commands.values()]) } : { path, ...commands.get(path)! };
    }
    path = longer;
  }
  return { path, ...commands.get(path) ?? { switches: [], options: [] } };
}

/**
 * `args` with `--` before the command line of another program that they end with, so that its flags stay its own: before
 * `npx` in `servers add files npx -y x`.
 */
export function separateCommand(
  args: readonly string[],
  { path, wordsBeforeCommand, options }: FlagNames & { path: string },
  settings: readonly string[],
): readonly string[] {
  if (wordsBeforeCommand === undefined) return args;
  let wordsLeft = path.split(" ").length + wordsBeforeCommand;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return args;
    if (!arg.startsWith("-") || arg === "-") {
      if (wordsLeft-- > 0) continue;
      return /^(?:https?:\/\/|\s*\{)/i.test(arg) ? args : args.toSpliced(i, 0, "--");
    }
    const name = trimStartOf(arg, "-");
    if (!arg.includes("=") && (options.includes(name) || settings.includes(name))) i++;
  }
  return args;
}

interface Grammar {
  path: string;
  commands: CommandFlags;
  settings: readonly string[];
}

function takesValue(flag: string, { path, commands, settings }: Grammar): boolean {
  const found = commands.get(path);
  if (found?.switches.includes(flag)) return false;
  return settings.includes(flag) || (found?.options.includes(flag) ?? false);
}

/** The words of a command line, each yielded before the flags that follow it are looked at. */
function* firstWords(args: readonly string[], takesValue: (flag: string) => boolean): Generator<string> {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return;
    if (!arg.startsWith("-") || arg === "-") yield arg;
    else if (!arg.includes("=") && takesValue(trimStartOf(arg, "-"))) i++;
  }
}

function union(all: readonly FlagNames[]): FlagNames {
  const merged = (key: "switches" | "options") => [...new Set(all.flatMap((names) => names[key]))];
  const options = merged("options");
  return { switches: merged("switches").filter((name) => !options.includes(name)), options };
}

/** What is wrong with a flag that the command at `path` does not take. */
export function describeUnknownFlag(
  arg: string,
  { path, known, commands }: { path: string; known: readonly string[]; commands: CommandFlags },
): string {
  const name = trimStartOf(arg.split("=", 1)[0]!, "-");
  const owner = [...commands].find(([owner, { switches, options }]) =>
    owner !== path && [...switches, ...options].includes(name)
  );
  if (owner !== undefined) {
    const isSwitch = owner[1].switches.includes(name);
    const advice = path === ""
      ? `write exai-daemon ${owner[0]} --${name}${isSwitch ? "" : "=..."}`.replaceAll(/ {2,}/g, " ")
      : `${path} does not take it`;
    return `--${name} is a flag of ${
      owner[0] === "" ? "exai-daemon without a command" : owner[0]
    }; ${advice}`;
  }
  const close = closeMatches(name, known).map((flag) => `--${flag}`).join(" or ");
  const advice = close === "" ? "" : ` (did you mean ${close}?)`;
  const help = path === "" ? "--help" : `${path} --help`;
  return `${arg} is no flag of this program${advice}; ${help} lists them all`;
}
