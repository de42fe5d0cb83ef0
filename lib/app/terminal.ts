import { visibleLines } from "../base/visible.ts";

/**
 * Prints to standard output. Only this file writes to the terminal, and it escapes control characters in the text of
 * clients, tools and servers.
 */
export function print(text: string): void {
  // deno-lint-ignore no-console -- the one place that prints
  console.log(visibleLines(text));
}

/** Prints to standard error, each line prefixed with the name of the program. */
export function complainAs(program: string, text: string): void {
  const lines = visibleLines(text).split("\n");
  // deno-lint-ignore no-console -- the log may not be set up yet
  console.error(lines.map((line) => `${program}: ${line}`).join("\n"));
}
