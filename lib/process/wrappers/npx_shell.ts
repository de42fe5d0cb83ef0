import { join } from "@std/path";
import { parseEnvironment } from "../environment.ts";
import type { Launch } from "../launch.ts";
import { type AnswerOptions, MARK, markedOutput, writeOnce } from "./question.ts";

/** The setting of npm for its shell, as a variable. npm reads it in any case of letters. */
const SHELL_VARIABLE = "npm_config_script_shell";

/**
 * A POSIX shell script that npm is told to use as its shell. npm resolves and installs the package, then starts its
 * shell with the name of the program, in the environment the program would have. For that one command the script
 * prints what would run, instead of running it; install scripts of packages run as ever.
 */
const SHELL = `#!/bin/sh
# Written by exai-daemon, which asks npx with it what it would run.
[ "$npm_lifecycle_event" = npx ] && [ "$1" = -c ] || exec sh "$@"
# Not $2: some versions of npm put the command into a file.
eval "set -- $npm_lifecycle_script"
[ $# = 1 ] || exit 1
printf '%s\\0' ${MARK}"$(command -v "$1")"
/usr/bin/env -0 2>/dev/null || /usr/bin/env
printf %s ${MARK}
`;

/** Asks npx by the shell it starts the program with. Not on Windows, where that cannot be a script. */
export async function askByShell(launch: Launch, options: AnswerOptions): Promise<Launch> {
  if (Object.keys(launch.env).some((name) => name.toLowerCase() === SHELL_VARIABLE)) {
    throw new Error(`its environment sets ${SHELL_VARIABLE}`);
  }
  const shell = await writeOnce(join(options.dir, "npx-shell"), SHELL);
  const asked = { ...launch, env: { ...launch.env, [SHELL_VARIABLE]: shell } };
  const [file, ...variables] = (await markedOutput(asked, options)).split("\0");
  const env = parseEnvironment(variables.join("\0"));
  delete env[SHELL_VARIABLE];
  return { file: file!, args: [], env, cwd: launch.cwd };
}
