import stringWidth from "string-width";
import { terminalColumns } from "./terminal.ts";
import { wrap } from "./wrap.ts";

const INDENT = "      ";

/**
 * The lines of a help, those that are wider than the terminal broken between words. What follows the name of a command or
 * a flag stays in its column.
 *
 * @param columns of the terminal; undefined: any width fits, as in a file or a pipe
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { wrapHelp } from "./help_lines.ts";
 *
 * assertEquals(wrapHelp("  --json  Print it as JSON", 20), "  --json  Print it\n          as JSON");
 * ```
 */
export function wrapHelp(text: string, columns: number | undefined = terminalColumns()): string {
  if (columns === undefined) return text;
  return text.split("\n").flatMap((line) => wrapLine(line, columns)).join("\n");
}

function wrapLine(line: string, columns: number): string[] {
  if (stringWidth(line) <= columns) return [line];
  const [, name, text = ""] = /^( +\S.*? {2,})(\S.*)$/.exec(line) ?? [];
  if (name === undefined) {
    const [first = "", ...rest] = wrap(line, line.startsWith("Usage:") ? columns - INDENT.length : columns);
    return [first, ...rest.map((part) => line.startsWith("Usage:") ? INDENT + part : part)];
  }
  const width = stringWidth(name);
  // A name that takes more than half of the line has a line of its own.
  if (width > columns / 2) {
    return [name.trimEnd(), ...wrap(text, columns - INDENT.length).map((part) => INDENT + part)];
  }
  return wrap(text, columns - width).map((part, i) => (i === 0 ? name : " ".repeat(width)) + part);
}
