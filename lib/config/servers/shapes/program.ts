import { quoteName } from "../../../base/text.ts";
import { readCommand } from "../command_words.ts";
import { missingPackage, whyNoServer } from "../not_servers.ts";
import type { EntryDraft, EntryPath } from "./entry_draft.ts";

/**
 * Takes a whole command line in `command` apart, as far as that does not depend on which files there are, and names what is
 * no MCP server.
 */
export function convertProgram(draft: EntryDraft): void {
  const { command } = draft.entry;
  if (typeof command !== "string") return;
  if (findLostBackslashes(draft)) return;
  const line = readCommand(command, () => false);
  if (line.is === "shell") return draft.note("fault", ["command"], adviceOnShell(line.because));
  if (line.is === "line") splitLine(draft, line.words);
  const args = argsOf(draft).filter((arg) => typeof arg === "string");
  const why = whyNoServer(String(draft.entry.command), args);
  if (why !== undefined) draft.note("fault", ["command"], why);
  const missing = missingPackage(String(draft.entry.command), args);
  if (missing !== undefined) draft.note("lost", ["args"], missing);
}

/** `C:\\tools` with one backslash in the file: that and the letter behind it are a tab then. */
const LOST_BACKSLASH = /^"?[A-Za-z]:\S*[\b\t\n\f\r]\S/;

function findLostBackslashes(draft: EntryDraft): boolean {
  const { command, cwd } = draft.entry;
  const texts: [EntryPath, unknown][] = [
    [["command"], command],
    [["cwd"], cwd],
    ...argsOf(draft).map((arg, i): [EntryPath, unknown] => [["args", i], arg]),
  ];
  const lost = texts.filter(([, text]) => typeof text === "string" && LOST_BACKSLASH.test(text));
  for (const [path] of lost) {
    draft.note(
      "fault",
      path,
      "has a control character in a path of Windows; each \\ of it is written twice in the file, or a / in its place",
    );
  }
  return lost.length > 0;
}

/** What to write for a line that only a shell understands. */
export function adviceOnShell(because: string): string {
  return `is a line of a shell (${quoteName(because)}), and no shell reads it here; write "command": "sh", ` +
    '"args": ["-c", "…"], or the program alone, its arguments in args and variables in env';
}

function splitLine(draft: EntryDraft, [program = "", ...words]: readonly string[]): void {
  const { args } = draft.entry;
  // What args is instead is a fault of its own.
  if (args !== undefined && !Array.isArray(args)) return;
  const source = draft.sourceOf(["command"]);
  const sources = argsOf(draft).map((_, i) => draft.sourceOf(["args", i]));
  const all = [...words, ...args ?? []];
  draft.put("command", program, ["command"]);
  if (all.length > 0) draft.put("args", all, args === undefined ? ["command"] : ["args"]);
  for (const i of words.keys()) draft.moved(["args", i], source);
  for (const [i, from] of sources.entries()) draft.moved(["args", words.length + i], from);
  if (words.length > 0) draft.note("converted", ["command"], "is taken apart into command and args");
}

function argsOf(draft: EntryDraft) {
  const { args } = draft.entry;
  return Array.isArray(args) ? args : [];
}
