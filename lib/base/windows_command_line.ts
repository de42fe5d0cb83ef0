/**
 * One command line of a program and its arguments, which the program splits by the rules of Microsoft's C runtime.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { joinCommandLine } from "./windows_command_line.ts";
 *
 * const line = joinCommandLine("C:\\Program Files\\it.exe", ["plain", "a b", 'say "hi"', "C:\\dir name\\", ""]);
 * assertEquals(line, String.raw`"C:\Program Files\it.exe" plain "a b" "say \"hi\"" "C:\dir name\\" ""`);
 * ```
 */
export function joinCommandLine(program: string, args: readonly string[]): string {
  // The name of the program is read up to the next quote, without escapes.
  return [`"${program}"`, ...args.map(quoteArgument)].join(" ");
}

/** One argument of a command line: backslashes are doubled only before a quote. */
export function quoteArgument(arg: string): string {
  if (arg !== "" && !/[\s"]/.test(arg)) return arg;
  let quoted = "";
  let backslashes = 0;
  for (const char of arg) {
    if (char === '"') quoted += "\\".repeat(backslashes) + '\\"';
    else quoted += char;
    backslashes = char === "\\" ? backslashes + 1 : 0;
  }
  return `"${quoted}${"\\".repeat(backslashes)}"`;
}
