import { ExaiError } from "../base/errors.ts";

/** The exit codes of commands. */
export const EXIT = { done: 0, no: 1, usage: 2, noDaemon: 3 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What each means, unless a command says more. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: "it is done, or the answer is yes",
  1: "it did not work, or the answer is no",
  2: "the command line is wrong",
  3: "no daemon answers, and the command needs one",
};

/** The exit code for an error. */
export function exitCodeOf(thrown: unknown): ExitCode {
  if (!(thrown instanceof ExaiError)) return EXIT.no;
  if (thrown.code === "INVALID_PARAMS") return EXIT.usage;
  return thrown.code === "DAEMON_UNAVAILABLE" ? EXIT.noDaemon : EXIT.no;
}

/** An error as `--json` prints it. */
export function errorJson(thrown: unknown): Record<string, unknown> {
  const { code, message, retryAfterMs, details } = ExaiError.from(thrown);
  return { error: { code, message, retry_after_ms: retryAfterMs, details }, exit_code: exitCodeOf(thrown) };
}
