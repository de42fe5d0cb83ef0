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

/**
 * Runs a program and shows what it prints.
 *
 * @throws when it fails
 */
export async function run({ command, args, cwd, env, outputFile }: Run): Promise<void> {
  const to = outputFile === undefined ? command : "/bin/sh";
  const all = outputFile === undefined
    ? [...args]
    : ["-c", 'out=$1; shift; exec "$@" >"$out" 2>&1 </dev/null', "sh", outputFile, command, ...args];
  const child = new Deno.Command(to, { args: all, cwd, env, stdin: "null" }).spawn();
  const { success, code } = await child.status;
  // Wine does not always pass on how a program ended; the last line of the tests does.
  const isDone = outputFile === undefined || /^ok \| /m.test(await show(outputFile));
  if (!success || !isDone) throw new Error(`the tests ended with exit code ${code}`);
}

/** Shows the file at `path`, and returns its text. */
async function show(path: string): Promise<string> {
  try {
    const bytes = await Deno.readFile(path);
    await Deno.stdout.write(bytes);
    return new TextDecoder().decode(bytes);
  } catch (thrown) {
    throw new Error(`the tests printed nothing: ${messageOf(thrown)}`);
  }
}
