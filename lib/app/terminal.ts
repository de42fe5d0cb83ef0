import { visibleLines } from "../base/visible.ts";

/**
 * Prints on standard output. The only places that write to a terminal are here, so that no text of a client, a tool or
 * a server reaches one as it came.
 */
export function print(text: string): void {
  // deno-lint-ignore no-console -- the one place that prints
  console.log(visibleLines(text));
}

/** Prints on standard error, each line after the name of the program. */
export function complainAs(program: string, text: string): void {
  const lines = visibleLines(text).split("\n");
  // deno-lint-ignore no-console -- the log may not be set up yet
  console.error(lines.map((line) => `${program}: ${line}`).join("\n"));
}
