import { execFile } from "node:child_process";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import type { GitOptions, GitOutput } from "../workspace.ts";
import { GLOBAL_ARGS } from "./hardening.ts";

/** How git is started. */
interface GitStart {
  cwd: string;
  env: Readonly<Record<string, string>>;
  /** Time limit, in milliseconds: a named pipe or an endless file in a repository would block git forever. */
  timeoutMs: number;
}

const KILLED_FOR_OUTPUT = "ERR_CHILD_PROCESS_STDIO_MAXBUFFER";

/**
 * Runs git without a shell.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when git cannot be started; `TIMEOUT`; the abort reason of
 * `options.signal`
 */
export function runGit(
  args: readonly string[],
  { cwd, env, timeoutMs }: GitStart,
  { signal, maxBytes, stdin = new Uint8Array() }: GitOptions & { stdin?: Uint8Array },
): Promise<GitOutput> {
  if (signal.aborted) return Promise.reject(abortError(signal));
  const deadline = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const child = execFile("git", [...GLOBAL_ARGS, ...args], {
      cwd,
      env: { ...env },
      maxBuffer: maxBytes,
      windowsHide: true,
      signal: AbortSignal.any([signal, deadline]),
      killSignal: "SIGKILL",
      encoding: "buffer" as const,
    }, (error, stdout, stderr) => {
      if (signal.aborted) return reject(abortError(signal));
      const cut = error?.code as unknown === KILLED_FOR_OUTPUT;
      if (error && !cut && typeof error.code !== "number") {
        // A number is the exit status of git; anything else is the system's code for why it did not run.
        return reject(deadline.aborted ? tooSlow(args[0], timeoutMs) : cannotRun(error));
      }
      resolve({
        ok: error === null || cut,
        bytes: stdout,
        get stdout() {
          return decode(stdout);
        },
        stderr: decode(stderr),
        cut,
      });
    });
    // Git may end without reading its input.
    child.stdin?.on("error", () => {});
    child.stdin?.end(stdin);
  });
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function tooSlow(command: string | undefined, timeoutMs: number): ExaiError {
  return new ExaiError(
    "TIMEOUT",
    `git ${command} did not end within ${
      timeoutMs / 1000
    } s; look for files in the repository that are no files ` +
      "(named pipes, links to devices) or very large, or name a smaller directory",
  );
}

function cannotRun(error: Error): ExaiError {
  return new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    `git cannot be run (${messageOf(error)}); install it, or start the daemon where its PATH has it`,
    { cause: error },
  );
}
