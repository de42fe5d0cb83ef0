/** A command that installs a package if need be and runs a program of it. */
export interface WrapperCall {
  kind: "npx" | "uvx" | "pnpm";
  /** What to start the wrapper with so that it says what it would run. */
  question: readonly string[];
  /** The name of the program; undefined when the wrapper says it, or the first package. */
  program?: string;
  /** The arguments of the program. */
  args: readonly string[];
  /** The packages it installs, as they are written. */
  packages: readonly string[];
  /** Whether the packages are fixed to a version, so that a later answer is the same. */
  isFixed: boolean;
}

/** The options of a program as far as they are known here. */
interface KnownOptions {
  /** Take no value. */
  flags: ReadonlySet<string>;
  /** Take a value: the next argument, or what follows `=`. */
  values: ReadonlySet<string>;
}

/** The leading options of a command line, and what follows them. */
interface SplitOptions {
  /** The options as they are written, with their values, and `--` if it ends them. */
  options: readonly string[];
  /** The values of those that take one, in order. */
  given: readonly { name: string; value: string }[];
  /** From the first argument that is no option on. */
  rest: readonly string[];
}

/**
 * Splits the options at the beginning of `args` from what follows.
 *
 * @returns undefined when one is not known, since it could take the next argument as its value
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { splitOptions } from "./wrapper_call.ts";
 *
 * const known = { flags: new Set(["-y"]), values: new Set(["-p"]) };
 * assertEquals(splitOptions(["-y", "-p", "a", "b", "-y"], known)?.rest, ["b", "-y"]);
 * assertEquals(splitOptions(["--new", "a", "b"], known), undefined);
 * ```
 */
export function splitOptions(args: readonly string[], known: KnownOptions): SplitOptions | undefined {
  const given: { name: string; value: string }[] = [];
  let at = 0;
  while (at < args.length) {
    const word = args[at]!;
    if (word === "--") {
      at++;
      break;
    }
    if (!word.startsWith("-")) break;
    const cut = word.indexOf("=");
    const name = cut === -1 ? word : word.slice(0, cut);
    const value = cut === -1 ? args[at + 1] : word.slice(cut + 1);
    if (cut === -1 && known.flags.has(name)) {
      at++;
    } else if (known.values.has(name) && value !== undefined) {
      given.push({ name, value });
      at += cut === -1 ? 2 : 1;
    } else {
      return undefined;
    }
  }
  return { options: args.slice(0, at), given, rest: args.slice(at) };
}

/** A set of the words in `lines`. */
export function wordSet(...lines: string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => line.split(" ")));
}
