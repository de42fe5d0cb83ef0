import { ExaiError, messageOf, OutputClosed } from "../base/errors.ts";
import { visibleLines } from "../base/visible.ts";

/** How long a pipe that is full, and does not block, is left alone. */
const BUSY_MS = 5;

/**
 * Prints to standard output. Only this file writes to the terminal, and it escapes control characters in the text of
 * clients, tools and servers. `console.log` would not tell that nobody reads it.
 *
 * @throws {OutputClosed} nobody reads it any more
 */
export function print(text: string): void {
  let rest = new TextEncoder().encode(`${visibleLines(text)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(Deno.stdout.writeSync(rest));
    } catch (thrown) {
      if (thrown instanceof Deno.errors.BrokenPipe) throw new OutputClosed();
      if (!(thrown instanceof Deno.errors.WouldBlock)) throw thrown;
      // Another program that has the same pipe or terminal has made it so.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
    }
  }
}

/** Prints `text`, where that can be: a program that also does something else goes on. The exit code of success. */
export function say(text: string): number {
  try {
    print(text);
  } catch {
    // Nobody sees it.
  }
  return 0;
}

/** Reports why `program` failed; the exit code of failure. */
export function fail(program: string, thrown: unknown): number {
  complainAs(program, thrown instanceof ExaiError ? thrown.message : `unexpected: ${messageOf(thrown)}`);
  return 1;
}

/** Prints to standard error, each line prefixed with the name of the program. */
function complainAs(program: string, text: string): void {
  const lines = visibleLines(text).split("\n");
  // deno-lint-ignore no-console -- the log may not be set up yet
  console.error(lines.map((line) => `${program}: ${line}`).join("\n"));
}

/** On Windows SIGHUP says that the window of the console is closed, or that the user signs out. */
const SIGNALS: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK", "SIGHUP"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/** Resolves with the first signal that asks the program to stop; a second one ends it at once. */
export function stopSignal(): Promise<Deno.Signal> {
  const { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  let asked = false;
  for (const signal of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (asked) Deno.exit(130);
      asked = true;
      resolve(signal);
    });
  }
  return promise;
}
