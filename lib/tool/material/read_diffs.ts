import { MIB } from "../../base/units.ts";
import type { GitOutput } from "../../workspace/workspace.ts";
import type { WhyNot } from "./change_filter.ts";
import { type ChangedFile, splitDiff } from "./git_diff.ts";

/** Most bytes of one run of git, and of all. */
export const MAX_DIFF_BYTES = 4 * MIB;
const MAX_ALL_BYTES = 16 * MIB;

/** Characters of the paths given to one run: Windows takes 32,000 in all. */
const MAX_PATH_CHARS = 20_000;

/** The diffs by path, or why there is none. */
type Diffs = Map<string, { text: string } | WhyNot>;

/**
 * Reads the diffs of `files`, and only of them: one that is not shown would take the room of the others. A file whose
 * diff is longer than git may print is left out, and the others are read without it.
 *
 * @param run gets the paths
 */
export async function readDiffs(
  files: readonly ChangedFile[],
  run: (paths: readonly string[]) => Promise<GitOutput>,
): Promise<Diffs> {
  const diffs: Diffs = new Map();
  // Git could not be given such a path as it is.
  const isNamed = ({ path, from = "" }: ChangedFile) => !`${path}${from}`.includes("\ufffd");
  for (const file of files) if (!isNamed(file)) diffs.set(file.path, UNNAMED);
  let left = files.filter(isNamed);
  let bytesLeft = MAX_ALL_BYTES;
  while (left.length > 0 && bytesLeft > 0) {
    const batch = takeBatch(left);
    const { bytes, cut } = await run(
      batch.flatMap(({ path, from }) => from === undefined ? [path] : [from, path]),
    );
    bytesLeft -= bytes.length;
    const parts = splitDiff(bytes, batch);
    const last = cut ? parts.pop() : undefined;
    for (const { path, text } of parts) diffs.set(path, text === undefined ? UNCLEAR : { text });
    if (last) diffs.set(last.path, TOO_LONG);
    // Without a cut, what is missing has changed since it was listed.
    const done = cut ? batch.filter(({ path }) => diffs.has(path)) : batch;
    if (done.length === 0) break;
    left = left.filter((file) => !done.includes(file));
  }
  for (const { path } of left) diffs.set(path, BEYOND_END);
  return diffs;
}

const UNNAMED = { reason: "changed; its name is not UTF-8", kind: "unreadable" } as const;
const UNCLEAR = { reason: "its encoding cannot be told; save it as UTF-8", kind: "unreadable" } as const;
const TOO_LONG = { reason: `its diff is longer than ${MAX_DIFF_BYTES} bytes`, kind: "no_room" } as const;
const BEYOND_END = { reason: `beyond the first ${MAX_ALL_BYTES} bytes of diffs`, kind: "no_room" } as const;

function takeBatch(files: readonly ChangedFile[]): ChangedFile[] {
  let chars = 0;
  const end = files.findIndex(({ path, from = "" }) =>
    (chars += path.length + from.length + 2) > MAX_PATH_CHARS
  );
  return files.slice(0, end < 0 ? files.length : Math.max(1, end));
}
