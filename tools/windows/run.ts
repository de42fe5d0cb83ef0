import { stripVTControlCharacters } from "node:util";
import { messageOf } from "../../lib/base/errors.ts";
import { progress } from "../lib/run_tool.ts";

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

/**
 * Deno 2.9.6 holds mio 1.0.3, which ends the whole program when the other end of a pipe goes away between the start of a
 * read and the look at how it went (tokio-rs/mio#1819, mended in mio 1.1). Wine is slow enough there to meet it.
 */
const CUT_PIPE = /panicked at \S*mio-1\.0\.\d+\S*named_pipe\.rs/;

/** How often a program is started that a cut pipe has ended: which test that happens in is chance. */
const MAX_STARTS = 2;

/** Runs a program with its output in a file, and shows the file as it grows. */
const FOLLOWED =
  'out=$1; shift; : >"$out"; "$@" >"$out" 2>&1 </dev/null & tail -s 0.1 --pid=$! -n +1 -f "$out"; wait $!';

/**
 * Runs a program and shows what it prints. One that {@link CUT_PIPE} has ended is started once more, which is said.
 *
 * @throws when it fails
 */
export async function run(wanted: Run): Promise<void> {
  for (let started = 1;; started++) {
    const end = await runOnce(wanted);
    if (end.isDone) return;
    if (started === MAX_STARTS || !CUT_PIPE.test(end.output)) {
      throw new Error(`they failed, or ended with exit code ${end.code}`);
    }
    progress("a cut pipe has ended Deno itself (tokio-rs/mio#1819): started once more");
  }
}

interface End {
  isDone: boolean;
  code: number;
  /** Empty where it went to the terminal alone. */
  output: string;
}

async function runOnce({ command, args, cwd, env, outputFile }: Run): Promise<End> {
  const to = outputFile === undefined ? command : "/bin/sh";
  const all = outputFile === undefined ? [...args] : ["-c", FOLLOWED, "sh", outputFile, command, ...args];
  const child = new Deno.Command(to, { args: all, cwd, env, stdin: "null" }).spawn();
  const { success, code } = await child.status;
  if (outputFile === undefined) return { isDone: success, code, output: "" };
  const output = stripVTControlCharacters(await textIn(outputFile));
  // Wine does not always pass on how a program ended; the last line of the tests does.
  return { isDone: success && DONE.test(output), code, output };
}

async function textIn(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (thrown) {
    throw new Error(`the tests printed nothing: ${messageOf(thrown)}`);
  }
}
