import { delay } from "@std/async/delay";
import { OutputClosed } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";

/** How often it is looked whether the output is still read, while nothing is printed. */
const LOOK_MS = SECOND_MS;

/**
 * Hands each of `lines` to `show` as it comes, until there are no more, or nobody reads the output.
 *
 * @throws {OutputClosed} nobody reads it; also while no line comes, where the system tells that
 */
export async function followLines(
  lines: AsyncIterable<string>,
  show: (line: string) => void,
  { isRead = isOutputRead, lookMs = LOOK_MS } = {},
): Promise<void> {
  const ended = new AbortController();
  const showing = (async () => {
    for await (const line of lines) show(line);
  })();
  const watching = (async () => {
    while (!ended.signal.aborted) {
      if (!isRead()) throw new OutputClosed();
      await delay(lookMs, { signal: ended.signal }).catch(() => {});
    }
  })();
  await Promise.race([showing, watching]).finally(() => ended.abort());
}

const LIBC = { poll: { parameters: ["buffer", "u64", "i32"], result: "i32" } } as const;
const STDOUT = 1;
const POLLERR = 0x8;

let library: Deno.DynamicLibrary<typeof LIBC> | undefined;

/** Whether anybody may still read the standard output: only a system call tells that without a write. */
function isOutputRead(): boolean {
  if (Deno.build.os !== "linux") return true;
  try {
    library ??= Deno.dlopen("libc.so.6", LIBC);
  } catch {
    return true;
  }
  // struct pollfd: a descriptor, what is asked for, and what is so.
  const watched = new Int16Array([STDOUT, 0, 0, 0]);
  library.symbols.poll(watched, 1n, 0);
  return (watched[3]! & POLLERR) === 0;
}
