import { ownEntry } from "../../base/json.ts";
import { decodeDiff } from "./text_content.ts";

/** A changed file, as `git diff --raw --numstat -z` has it. */
export interface ChangedFile {
  path: string;
  /** The former path of a renamed or copied file. */
  from?: string;
  status: "added" | "changed" | "deleted" | "renamed" | "copied" | "type changed" | "conflict";
  /** Such as `100644 → 100755`, when it changed. */
  mode?: string;
  /** Lines; undefined for a binary file. */
  added?: number;
  removed?: number;
  isBinary: boolean;
}

const STATUS: Readonly<Record<string, ChangedFile["status"]>> = {
  A: "added",
  C: "copied",
  D: "deleted",
  M: "changed",
  R: "renamed",
  T: "type changed",
  U: "conflict",
};

/**
 * Parses the output of `git diff --raw --numstat -z`. Only this form has names as they are: elsewhere git quotes them, and
 * `a/x b/y` may be one name or two. A file whose content is unchanged, of which only the time is another, has no counts and
 * is left out.
 */
export function parseChanges(output: string): ChangedFile[] {
  const fields = output.split("\0");
  const raw = new Map<string, Pick<ChangedFile, "from" | "status" | "mode">>();
  const files = new Map<string, ChangedFile>();
  // Without the last field: it is empty, or the part of one that was cut off.
  for (let i = 0; i < fields.length - 1; i++) {
    const field = fields[i]!;
    const header = /^:(\d+) (\d+) \S+ \S+ ([A-Z])/.exec(field);
    if (header !== null) {
      const [, before, after, letter] = header as unknown as [string, string, string, string];
      const from = letter === "R" || letter === "C" ? fields[++i] : undefined;
      const path = fields[++i] ?? "";
      const isOther = before !== after && before !== "000000" && after !== "000000";
      const status = ownEntry(STATUS, letter) ?? "changed";
      // A file in conflict is listed a second time, compared with one side of it.
      if (raw.get(path)?.status === "conflict") continue;
      raw.set(path, { from, status, mode: isOther ? `${before} → ${after}` : undefined });
      if (status === "conflict") files.set(path, { path, status, isBinary: false });
      continue;
    }
    const counts = /^(\d+|-)\t(\d+|-)\t([^]*)$/.exec(field);
    if (counts === null) continue;
    let path = counts[3]!;
    if (path === "") [, path] = [fields[++i], fields[++i] ?? ""];
    const isBinary = counts[1] === "-";
    const numbers = isBinary ? {} : { added: Number(counts[1]), removed: Number(counts[2]) };
    const known = raw.get(path) ?? { status: "changed" as const };
    if (known.status === "conflict") continue;
    files.set(path, { ...known, path, ...numbers, isBinary });
  }
  return [...files.values()];
}

/** The diff of one file. */
interface FileDiff {
  path: string;
  /** Undefined when its encoding cannot be told; `candidates` are those it could have. */
  text: string | undefined;
}

const SECTION = /^(?:diff --git |diff --cc |diff --combined |\* Unmerged path )/;

/** Splits a diff by file. The names are those of `files`: the heading of a part alone is ambiguous. */
export function splitDiff(diff: Uint8Array, files: readonly ChangedFile[]): FileDiff[] {
  const byHeading = new Map(files.flatMap((file) => headingsOf(file).map((heading) => [heading, file.path])));
  // A file that becomes a link has two parts.
  const parts = new Map<string, Uint8Array[]>();
  for (const part of partsOf(diff)) {
    const end = part.indexOf(LINE_FEED);
    const heading = new TextDecoder().decode(part.subarray(0, end < 0 ? part.length : end));
    const path = byHeading.get(heading) ?? pathIn(heading);
    parts.set(path, [...parts.get(path) ?? [], part]);
  }
  return [...parts].map(([path, texts]) => {
    const decoded = texts.map(decodeDiff).map((one) => one.kind === "text" ? one.text : undefined);
    return { path, text: decoded.includes(undefined) ? undefined : decoded.join("") };
  });
}

const LINE_FEED = 0x0a;

function partsOf(diff: Uint8Array): Uint8Array[] {
  // One character for each byte, so that positions are the same.
  const text = new TextDecoder("windows-1252").decode(diff);
  const starts: number[] = [];
  for (let start = 0; start < text.length;) {
    // A line of a file begins with a sign, so it is no heading.
    if (SECTION.test(text.slice(start, start + 20))) starts.push(start);
    const end = text.indexOf("\n", start);
    start = end < 0 ? text.length : end + 1;
  }
  return starts.map((start, i) => diff.subarray(start, starts[i + 1] ?? diff.length));
}

/** The lines that git may begin the diff of `file` with. */
function headingsOf({ path, from }: ChangedFile): string[] {
  return [
    `diff --git ${quotePath(`a/${from ?? path}`)} ${quotePath(`b/${path}`)}`,
    `diff --cc ${quotePath(path)}`,
    `diff --combined ${quotePath(path)}`,
    `* Unmerged path ${path}`,
  ];
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

/** A path as git writes it in a heading, with `core.quotePath` off. */
function quotePath(path: string): string {
  const quoted = Array.from(path, (char) => {
    const escaped = ownEntry(ESCAPES, char);
    if (escaped !== undefined) return escaped;
    return char < " " || char === "\x7f" ? `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}` : char;
  }).join("");
  return quoted === path ? path : `"${quoted}"`;
}

/** The path in a heading of a file that is not in the list, which was changed since. */
function pathIn(heading: string): string {
  const names = heading.replace(SECTION, "");
  const half = names.slice(0, (names.length - 1) / 2);
  return names === `${half} ${half.replace(/^a\//, "b/")}` ? half.slice(2) : names;
}
