/** What the codes mean with which Windows ends a process (ntstatus.h), for people. */
const STATUSES: ReadonlyMap<number, string> = new Map([
  [0xC000_0005, "it accessed memory that is not its own"],
  [0xC000_0017, "there was no memory left"],
  [0xC000_001D, "this processor lacks an instruction of it"],
  [0xC000_007B, "a DLL of it is damaged, or for another kind of processor"],
  [0xC000_00FD, "its stack overflowed"],
  [0xC000_0135, "a DLL it needs is not installed"],
  [0xC000_0139, "a DLL it needs is of another version"],
  [0xC000_013A, "Ctrl+C, or the end of its console"],
  [0xC000_0142, "a DLL of it could not be initialized"],
  [0xC000_0374, "its memory was damaged"],
  [0xC000_0409, "it found its memory damaged"],
  [0xE06D_7363, "an uncaught exception of C++"],
]);

/** The highest bits of a status that is an error. */
const ERRORS_OF_NT = 0xC;

/** What `cmd.exe` and the shortcuts of the Microsoft Store exit with when there is no such program. */
const NO_SUCH_PROGRAM = 9009;

/**
 * How a process ended on Windows, which has no signals: `Deno` and Node.js report one where the process was terminated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeWindowsExit } from "./exit_code.ts";
 *
 * assertEquals(describeWindowsExit({ code: 3, signal: null }), "it exited with code 3");
 * assertEquals(describeWindowsExit({ code: null, signal: "SIGKILL" }), "it was terminated");
 * assertEquals(
 *   describeWindowsExit({ code: 3221225786, signal: null }),
 *   "Windows ended it with 0xC000013A (Ctrl+C, or the end of its console)",
 * );
 * ```
 */
export function describeWindowsExit(
  { code, signal }: { code: number | null; signal: string | null },
): string {
  if (code === null || signal !== null) return "it was terminated";
  const status = code >>> 0;
  if (status === NO_SUCH_PROGRAM) return `it exited with code ${code} (the program was not found)`;
  const known = STATUSES.get(status);
  // A program may itself exit with a negative code, as -1.
  if (known === undefined && status >>> 28 !== ERRORS_OF_NT) return `it exited with code ${code | 0}`;
  return `Windows ended it with 0x${status.toString(16).toUpperCase()}${
    known === undefined ? "" : ` (${known})`
  }`;
}
