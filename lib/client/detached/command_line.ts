/**
 * One command line of a program and its arguments, which the program splits by the rules of Microsoft's C runtime.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { joinCommandLine } from "./command_line.ts";
 *
 * const line = joinCommandLine("C:\\Program Files\\it.exe", ["plain", "a b", 'say "hi"', "C:\\dir name\\", ""]);
 * assertEquals(line, String.raw`"C:\Program Files\it.exe" plain "a b" "say \"hi\"" "C:\dir name\\" ""`);
 * ```
 */
export function joinCommandLine(program: string, args: readonly string[]): string {
  // The name of the program is read up to the next quote, without escapes.
  return [`"${program}"`, ...args.map(quoted)].join(" ");
}

function quoted(arg: string): string {
  if (arg !== "" && !/[\s"]/.test(arg)) return arg;
  // Backslashes are only doubled before a quote.
  return `"${arg.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1")}"`;
}
