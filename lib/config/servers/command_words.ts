import { isAbsolutePath } from "../workspace_variables.ts";

/** A command that stands with its arguments in one text, taken apart. */
type CommandLine =
  | { is: "program" }
  | { is: "line"; words: readonly string[] }
  /** Only a shell understands it. */
  | { is: "shell"; because: string };

/**
 * Takes the text in `command` apart where it is a whole command line, such as `npx -y some-server`. A path with spaces is a
 * program: only where `isProgram` says that the whole is none, and its first word is, it is a command line.
 */
export function readCommand(text: string, isProgram: (path: string) => boolean): CommandLine {
  const trimmed = text.trim();
  if (!/\s/.test(trimmed)) return { is: "program" };
  const words = splitWords(trimmed);
  const [first = ""] = words;
  const isQuoted = /^["']/.test(trimmed);
  if (!isQuoted && (isAbsolutePath(trimmed) || /^(?:\.{1,2}|~|\$\{[^}]*\})[/\\]/.test(trimmed))) {
    // "/Users/me/Library/Application Support/x/server" is one program.
    if (isProgram(trimmed) || !isProgram(first)) return { is: "program" };
  }
  if (words.length === 1) return { is: "line", words };
  const operator = words.find((word) => /^(?:[|;&<>]+|\d?>&?\d?|.+;)$/.test(word));
  if (operator !== undefined) return { is: "shell", because: operator };
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(first)) return { is: "shell", because: first.replace(/=.*$/s, "=…") };
  return { is: "line", words };
}

/** The words of `text`; quotes are taken off. A backslash is a character, as in paths of Windows, but before a quote. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  const token = /((?:"(?:[^"\\]|\\"|\\)*(?:"|$)|'[^']*(?:'|$)|[^\s"'])+)/g;
  for (const [word] of text.matchAll(token)) {
    words.push(word.replace(/"((?:[^"\\]|\\"|\\)*)(?:"|$)|'([^']*)(?:'|$)/g, (_, double, single) => {
      return single ?? (double as string).replaceAll('\\"', '"');
    }));
  }
  return words;
}
