import type { JsonObject } from "../../base/json.ts";
import { whyNoDiff, whyNotShown } from "./change_filter.ts";
import type { ChangedFile } from "./git_diff.ts";
import type { Omission } from "./left_out.ts";

/** Characters of a list of changes: about 3,000 tokens of an answer. */
const MAX_CHARS = 10_000;
/** Directories whose files are counted instead of named. */
const MAX_DIRECTORIES = 10;

/** A changed file in a list. */
export interface ListedChange extends JsonObject {
  path: string;
  /** The set of changes it belongs to, such as `staged`. */
  in: string;
}

/** Describes a file that git tracks, in one set of changes. */
export function describeChange(
  file: ChangedFile,
  { set, directory }: { set: string; directory: string },
): ListedChange {
  const { path, from, status, mode, added, removed, isBinary } = file;
  return {
    path,
    in: set,
    added,
    removed,
    ...(from === undefined ? {} : { [status === "copied" ? "copied_from" : "renamed_from"]: from }),
    ...(mode === undefined ? {} : { mode }),
    ...(status === "conflict" ? { conflict: true } : {}),
    ...(isBinary ? { binary: true } : {}),
    ...notShown(whyNoDiff(file, directory)),
  };
}

/** Describes a file that git does not track. */
export function describeUntracked(path: string, directory: string): ListedChange {
  return { path, in: "untracked", ...notShown(whyNotShown(path, directory)) };
}

/** Tells the caller of files with secrets in the change, whose content no model is shown. */
function notShown(why: Pick<Omission, "reason" | "kind"> | undefined): JsonObject {
  return why?.kind === "secret" ? { not_shown: why.reason } : {};
}

/** A list of changes in bounded space: the first by name, the others by directory and number. */
export function listChanges(changes: readonly ListedChange[]): JsonObject {
  const files: ListedChange[] = [];
  let chars = 0;
  for (const change of changes) {
    chars += JSON.stringify(change).length;
    if (chars > MAX_CHARS) break;
    files.push(change);
  }
  const rest = changes.slice(files.length);
  return rest.length === 0 ? { files } : { files, not_listed: countByDirectory(rest) };
}

function countByDirectory(changes: readonly ListedChange[]): JsonObject {
  const counts = new Map<string, number>();
  for (const { path, in: set } of changes) {
    const end = path.indexOf("/");
    const place = `${set}: ${end < 0 ? "." : path.slice(0, Math.min(end, 100))}`;
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  const largest = [...counts].sort((a, b) => b[1] - a[1]);
  return {
    files: changes.length,
    by_directory: Object.fromEntries(largest.slice(0, MAX_DIRECTORIES)),
    further_directories: Math.max(0, largest.length - MAX_DIRECTORIES) || undefined,
    why: "the list is longer than an answer has room for; run git status there, or name a directory in path",
  };
}
