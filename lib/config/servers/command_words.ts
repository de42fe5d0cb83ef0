import { isAbsolutePath } from "../workspace_variables.ts";

/** A command that stands with its arguments in one text, taken apart. */
type CommandLine =
  | { is: "program" }
  | { is: "line"; words: readonly string[] }
  /** Only a shell understands it. */
  | { is: "shell"; because: string };

/** What systems allow for a path; each blank in it may be the end of the program. */
const MAX_CHARS = 4096;

/**
 * Takes the text in `command` apart where it is a whole command line, such as `npx -y some-server`. A path with spaces is a
 * program: only where `isProgram` says that the whole is none, and its first word is, it is a command line.
 */
export function readCommand(text: string, isProgram: (path: string) => boolean): CommandLine {
  const trimmed = text.trim();
  if (!/\s/.test(trimmed) || trimmed.length > MAX_CHARS) return { is: "program" };
  const words = splitWords(trimmed);
  const [first = ""] = words;
  const isQuoted = /^["']/.test(trimmed);
  if (!isQuoted && (isAbsolutePath(trimmed) || /^(?:\.{1,2}|~|\$\{[^}]*\})[/\\]/.test(trimmed))) {
    const program = programIn(trimmed, isProgram);
    // "/Users/me/Library/Application Support/x/server" is one program.
    if (program === trimmed || program === undefined) return { is: "program" };
    return { is: "line", words: [program, ...splitWords(trimmed.slice(program.length))] };
  }
  // A blank in the name of a program that is no path: most likely a quote is not closed.
  if (/\s/.test(first) && !/[/\\]/.test(first)) return { is: "shell", because: first };
  if (words.length === 1) return { is: "line", words };
  const operator = words.find((word) => /^(?:[|;&<>]+|\d?>&?\d?|.+;)$/.test(word));
  if (operator !== undefined) return { is: "shell", because: operator };
  if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(first)) return { is: "shell", because: first.replace(/=.*$/s, "=…") };
  return { is: "line", words };
}

/** The path that `text` begins with: the longest that is a program, or up to the ending of one of Windows. */
function programIn(text: string, isProgram: (path: string) => boolean): string | undefined {
  const ends = [...text.matchAll(/\s+/g)].map(({ index }) => index);
  const found = [text.length, ...ends.reverse()].map((end) => text.slice(0, end)).find(isProgram);
  return found ?? /^[A-Za-z]:[/\\].*?\.(?:exe|cmd|bat|com)(?=\s|$)/i.exec(text)?.[0];
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
