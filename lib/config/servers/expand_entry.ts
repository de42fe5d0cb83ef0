import type { ConfigFault } from "../config_fault.ts";
import { type Expander, type OwnVariables, VariableFault } from "../variables.ts";

/** Reports something wrong at `path` within the entry. */
export type Report = (path: PropertyKey[], message: string, more?: Pick<ConfigFault, "unset">) => void;

/** What an entry is read with. */
export interface EntryContext {
  /** The server's name in the catalog and in the file. */
  name: string;
  title: string;
  expander: Expander;
  /** Where this daemon listens; undefined when that is not known. */
  ownPort?: number;
  /** Whether tools have the server's name before theirs where the entry has no `prefix`. */
  isPrefixed?: boolean;
  fault: Report;
  warn: Report;
}

/** How a text of an entry is filled in. */
interface ExpandOptions {
  context: EntryContext;
  /** The server's own variables. */
  own?: OwnVariables;
  /** Whether what looks like a shell's variable is left to a shell. */
  isForShell?: boolean;
}

/** `text` at `path` of an entry with its variables filled in; one that has no value is a fault. */
export async function expandAt(path: PropertyKey[], text: string, options: ExpandOptions): Promise<string> {
  try {
    return await expandText(path, text, options);
  } catch (thrown) {
    if (!(thrown instanceof VariableFault)) throw thrown;
    options.context.fault(path, thrown.message, { unset: thrown.unset });
    return "";
  }
}

/**
 * As {@linkcode expandAt}, for the caller to say what is wrong.
 *
 * @throws {VariableFault}
 */
export async function expandText(
  path: PropertyKey[],
  text: string,
  { context: { expander, warn }, own = {}, isForShell = false }: ExpandOptions,
): Promise<string> {
  if (isForShell) return await expander.expand(text, own);
  const spelt = await expander.spellPlainVariables(text, own);
  const expanded = await expander.expand(spelt.text, own);
  for (const name of spelt.unset) {
    const message =
      `holds ${name} as a shell writes a variable; it is passed on as it is, as no such variable is set; ` +
      `write \${env:${name}} where a variable is meant`;
    warn(path, message);
  }
  return expanded;
}

/**
 * Reports a secret in `text` at `path`, which is filled in and becomes an argument of a program: the list of processes shows
 * those to every user of the machine.
 */
export function checkNoSecret(path: PropertyKey[], text: string, { expander, fault }: EntryContext): void {
  const name = expander.secretIn(text);
  if (name === undefined) return;
  fault(
    path,
    `holds the secret ${name}, and other users of this machine can see the arguments of a program; give it in env, ` +
      "and write $${NAME} where the program itself fills in a variable",
  );
}

/**
 * Whether there is no secret in `text` at `path`, which is filled in and names a file or directory; reports one. The health
 * report and errors show paths as they are, and so does the system.
 */
export function isPathWithoutSecret(
  path: PropertyKey[],
  text: string,
  { expander, fault }: EntryContext,
): boolean {
  const name = expander.secretIn(text);
  if (name === undefined) return true;
  fault(
    path,
    `holds the secret ${name}, and a path is shown in status and errors; write one without it`,
  );
  return false;
}
