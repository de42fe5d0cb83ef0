import { stripVTControlCharacters } from "node:util";
import { messageOf } from "../../lib/base/errors.ts";

/** A program and how it is started. */
export interface Run {
  command: string;
  args: readonly string[];
  cwd: string;
  env?: Readonly<Record<string, string>>;
  /** Where its output goes first: under Wine a pipe would be held open by what the tests leave. */
  outputFile?: string;
}

/** The last line of tests, or of the smoke test, that have gone well. */
const DONE = /^(?:ok \| |smoke: ok)/m;

/** Runs a program with its output in a file, and shows the file as it grows. */
const FOLLOWED =
  'out=$1; shift; : >"$out"; "$@" >"$out" 2>&1 </dev/null & tail --pid=$! -n +1 -f "$out"; wait $!';

/**
 * Runs a program and shows what it prints.
 *
 * @throws when it fails
 */
export async function run({ command, args, cwd, env, outputFile }: Run): Promise<void> {
  const to = outputFile === undefined ? command : "/bin/sh";
  const all = outputFile === undefined ? [...args] : ["-c", FOLLOWED, "sh", outputFile, command, ...args];
  const child = new Deno.Command(to, { args: all, cwd, env, stdin: "null" }).spawn();
  const { success, code } = await child.status;
  // Wine does not always pass on how a program ended; the last line of the tests does.
  const isDone = outputFile === undefined || DONE.test(stripVTControlCharacters(await textIn(outputFile)));
  if (!success || !isDone) throw new Error(`they failed, or ended with exit code ${code}`);
}

async function textIn(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (thrown) {
    throw new Error(`the tests printed nothing: ${messageOf(thrown)}`);
  }
}
