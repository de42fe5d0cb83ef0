import { join } from "@std/path";

/** Encloses what {@linkcode NPX_SHELL} prints. */
export const MARK = "_exai_program_begins_or_ends_";

const FILE = "npx-shell";

/**
 * A POSIX shell script that npm is told to use as its shell (`script-shell`). npm resolves and installs the package,
 * then starts its shell with the name of the program, in the environment the program would have. For that one command
 * the script prints what would run, instead of running it; install scripts of packages run as ever.
 */
const NPX_SHELL = `#!/bin/sh
# Written by exai-daemon, which asks npx with it what it would run.
[ "$npm_lifecycle_event" = npx ] && [ "$1" = -c ] || exec sh "$@"
eval "set -- $2"
[ $# = 1 ] || exit 1
printf '%s\\0' ${MARK}"$(command -v "$1")"
/usr/bin/env -0 2>/dev/null || /usr/bin/env
printf %s ${MARK}
`;

/** Writes the script into `dir` and returns its path. */
export async function writeNpxShell(dir: string): Promise<string> {
  const path = join(dir, FILE);
  if (await Deno.readTextFile(path).catch(() => undefined) === NPX_SHELL) return path;
  const draft = `${path}.${crypto.randomUUID()}`;
  await Deno.writeTextFile(draft, NPX_SHELL, { mode: 0o700 });
  await Deno.rename(draft, path);
  return path;
}
