import { UsageError } from "../base/errors.ts";
import { isObject, type Json } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";

/** What the name of a secret may be, for messages. */
const ALLOWED = "1 to 64 letters, digits, dots, hyphens and underscores";

/** Gives the secrets that a configuration names as `${secret:NAME}`. */
export interface SecretReader {
  /**
   * The secret of that name.
   *
   * @throws {Error} where there is none, or it cannot be had now; the message is a clause that says why and what to do
   */
  read(name: string): Promise<string>;
}

/** How a secret is had from a program of the user's: an entry of `secrets` in `exai.json`. */
export interface SecretCommand {
  /** The program and its arguments. */
  command: readonly string[];
  /** Variables it has beside those every mounted server inherits. */
  env: Readonly<Record<string, string>>;
  /** How long it may take, in milliseconds; undefined: as long as any. */
  timeoutMs?: number;
}

/** Names within `${secret:NAME}`. */
const NAMED = /\$\{secret:([A-Za-z0-9._-]{1,64})\}/g;

/** The secrets that `text` names, each once. */
export function secretsNamedIn(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(NAMED), ([, name]) => name!))];
}

/**
 * Whether `name` may be that of a secret: one that needs no quotes in any shell, and ends at the brace of `${secret:NAME}`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isNameOfSecret } from "./secrets.ts";
 *
 * assertEquals(["github.token", "a b", ""].map(isNameOfSecret), [true, false, false]);
 * ```
 */
export function isNameOfSecret(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name);
}

/** @throws {UsageError} saying what is allowed */
export function checkNameOfSecret(name: string): void {
  if (isNameOfSecret(name)) return;
  // What is no name may be the value.
  const shown = name.length <= 64 ? quoteName(name) : "that";
  throw new UsageError(`${shown} is no name of a secret; allowed: ${ALLOWED}`);
}

/** What an entry of `secrets` in `exai.json` looks like, for messages. */
const FORM = '{"command": ["op", "read", "op://…"]}, with env and timeout (seconds) beside it';

const KEYS = ["command", "env", "timeout"];

/** What is wrong with `secrets` at `path` within it. */
type ReportSecret = (path: readonly string[], message: string) => void;

/**
 * Reads `secrets` of `exai.json`: programs that print secrets, by name. Those with a fault are left out.
 *
 * @param expand fills in the variables of a text, or reports a fault and gives undefined
 */
export async function readSecretCommands(
  value: Json,
  { report, expand }: {
    report: ReportSecret;
    expand(path: readonly string[], text: string): Promise<string | undefined>;
  },
): Promise<Map<string, SecretCommand>> {
  const commands = new Map<string, SecretCommand>();
  if (!isObject(value)) {
    report([], `must be an object of programs by the names of secrets: {"NAME": ${FORM}}`);
    return commands;
  }
  for (const [name, entry] of Object.entries(value)) {
    const faulty = faultOf(name, entry);
    if (faulty !== undefined) {
      report([name], faulty);
      continue;
    }
    const { command, env = {}, timeout } = entry as unknown as RawCommand;
    const words = await Promise.all(command.map((word) => expand([name, "command"], word)));
    const variables = await Promise.all(
      Object.entries(env).map(async ([key, text]) => [key, await expand([name, "env", key], text)]),
    );
    // A fault is reported by then.
    if ([...words, ...variables.map(([, text]) => text)].includes(undefined)) continue;
    commands.set(name, {
      command: words as string[],
      env: Object.fromEntries(variables),
      ...timeout === undefined ? {} : { timeoutMs: timeout * SECOND_MS },
    });
  }
  return commands;
}

interface RawCommand {
  command: string[];
  env?: Record<string, string>;
  timeout?: number;
}

/** Longest time a program may be given, in seconds. */
const MAX_TIMEOUT = 300;

function faultOf(name: string, entry: Json | undefined): string | undefined {
  if (!isNameOfSecret(name)) return `is no name of a secret; allowed: ${ALLOWED}`;
  if (!isObject(entry)) {
    return `must be ${FORM}; the value of a secret itself is set by exai-daemon secret set ${name}`;
  }
  const { command, env, timeout } = entry;
  const strange = Object.keys(entry).find((key) => !KEYS.includes(key));
  if (strange !== undefined) return `has ${quoteName(strange)}, which means nothing here; allowed: ${FORM}`;
  const isText = (part: unknown) => typeof part === "string";
  if (!Array.isArray(command) || command.length === 0 || !command.every(isText) || command[0] === "") {
    return `needs a command, the program and its arguments, as an array of texts: ${FORM}`;
  }
  if (env !== undefined && !(isObject(env) && Object.values(env).every(isText))) {
    return "has an env that is no object of texts";
  }
  const isTime = timeout === undefined ||
    typeof timeout === "number" && timeout > 0 && timeout <= MAX_TIMEOUT;
  return isTime ? undefined : `has a timeout that is no number of seconds up to ${MAX_TIMEOUT}`;
}
