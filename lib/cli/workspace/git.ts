import { execFile } from "node:child_process";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import type { GitOptions, GitOutput } from "../../tool/workspace.ts";

/**
 * What every run of git begins with. A repository may name programs of its own in its configuration: none that merely
 * looking would start is started, and nothing is written.
 */
const ALWAYS = [
  "--no-pager",
  "--no-optional-locks",
  "--literal-pathspecs",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "core.quotePath=false",
  "-c",
  "color.ui=false",
];

const KILLED_FOR_OUTPUT = "ERR_CHILD_PROCESS_STDIO_MAXBUFFER";

/**
 * Runs git in `dir`, without a shell.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when git cannot be started; the reason `options.signal` was aborted with
 */
export function runGit(dir: string, args: readonly string[], options: GitOptions): Promise<GitOutput> {
  const { signal, maxBytes } = options;
  if (signal.aborted) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => {
    const settings = { cwd: dir, maxBuffer: maxBytes, windowsHide: true, signal, encoding: "utf8" as const };
    const child = execFile("git", [...ALWAYS, ...args], settings, (error, stdout, stderr) => {
      if (signal.aborted) return reject(abortError(signal));
      const cut = error?.code as unknown === KILLED_FOR_OUTPUT;
      // A number is git's own exit status; anything else is the system's word for why it did not run.
      if (error && !cut && typeof error.code !== "number") return reject(cannotRun(error));
      resolve({ ok: error === null || cut, stdout, stderr, cut });
    });
    child.stdin?.end();
  });
}

function cannotRun(error: Error): ExaiError {
  return new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    `git cannot be run (${messageOf(error)}); install it, or start the daemon where its PATH has it`,
    { cause: error },
  );
}
