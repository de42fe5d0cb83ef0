import { ExaiError, type ExaiErrorOptions } from "./errors.ts";
import { SECOND_MS } from "./units.ts";

/** The system errors that mean that the machine, or this process, is out of something. */
const EXHAUSTED: readonly { codes: readonly string[]; what: string }[] = [
  { codes: ["EMFILE", "ENFILE"], what: "no file handles are left (see ulimit -n)" },
  { codes: ["EAGAIN"], what: "no process can be started" },
  { codes: ["ENOMEM"], what: "no memory is left" },
];

type System = typeof Deno.build.os;

const UNIX: Readonly<Record<number, string>> = { 12: "ENOMEM", 23: "ENFILE", 24: "EMFILE" };
const LINUX = { ...UNIX, 11: "EAGAIN" };
const BSD = { ...UNIX, 35: "EAGAIN" };

/** The codes of {@linkcode EXHAUSTED} by the number of each system: one number means different errors on them. */
const CODES: Readonly<Record<System, Readonly<Record<number, string>>>> = {
  linux: LINUX,
  android: LINUX,
  solaris: LINUX,
  illumos: LINUX,
  aix: LINUX,
  darwin: BSD,
  freebsd: BSD,
  netbsd: BSD,
  // ERROR_TOO_MANY_OPEN_FILES, WSAEMFILE, ERROR_NOT_ENOUGH_MEMORY, ERROR_OUTOFMEMORY.
  windows: { 4: "EMFILE", 10024: "EMFILE", 8: "ENOMEM", 14: "ENOMEM" },
};

/** How the runtime writes the system error into a message when it sets no `code`, as for `fetch`. */
const OS_ERROR = /\(os error (\d+)\)/;

const RETRY_AFTER_MS = SECOND_MS;
const MAX_CAUSES = 5;

/**
 * The resource the machine is out of, in words, if that is why `thrown` was thrown; no server or provider is at fault
 * then. What a server says of itself does not count, so our own errors and errors with its text are skipped.
 *
 * @param os the system whose error numbers the messages hold
 */
export function exhaustedResource(thrown: unknown, os: System = Deno.build.os): string | undefined {
  let error: unknown = thrown;
  let isRuntimes = false;
  for (let depth = 0; error instanceof Error && depth < MAX_CAUSES; depth++) {
    if (error instanceof ExaiError) return undefined;
    const code = (error as { code?: unknown }).code;
    // A plain `Error` without a code may hold the text of a server, unless it is the cause that `fetch` gives.
    isRuntimes = isRuntimes || typeof code === "string" || error.name !== "Error";
    const errno = isRuntimes ? Number(OS_ERROR.exec(error.message)?.[1]) : NaN;
    const named = CODES[os][errno];
    const found = EXHAUSTED.find(({ codes }) =>
      codes.includes(String(code)) || (named !== undefined && codes.includes(named))
    );
    if (found) return found.what;
    isRuntimes = error instanceof TypeError;
    error = error.cause;
  }
  return undefined;
}

/**
 * The refusal `OVER_CAPACITY` of what failed, if the machine is out of something.
 *
 * @param what what failed, as the beginning of the message
 * @param details those of the error, as the server it is about
 */
export function overCapacityFor(
  what: string,
  thrown: unknown,
  details?: ExaiErrorOptions["details"],
): ExaiError | undefined {
  const resource = exhaustedResource(thrown);
  if (resource === undefined) return undefined;
  return new ExaiError(
    "OVER_CAPACITY",
    `${what}: on this machine ${resource} just now; try again in a moment`,
    {
      cause: thrown,
      retryAfterMs: RETRY_AFTER_MS,
      details,
    },
  );
}
