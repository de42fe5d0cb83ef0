import { join } from "@std/path";
import { MIB } from "../../base/units.ts";
import { unusable } from "./guard.ts";
import { commonDirOf, gitDirOf, type RepositoryLocation } from "./locate.ts";

/** The arguments that list what {@linkcode checkSubmodules} looks at, and how much of it is read. */
export const LIST_STAGED = ["ls-files", "-z", "--stage", "--full-name"];
export const MAX_STAGED_BYTES = 64 * MIB;

const MAX_FILE_BYTES = 64 * MIB;

/**
 * Looks at the submodules in `staged`, the output of {@linkcode LIST_STAGED}. Git opens their directories to tell
 * whether another commit is checked out, even where it is told to ignore submodules.
 *
 * @throws {ExaiError} `FORBIDDEN` when one lies outside the session's directories, `INVALID_PARAMS`
 */
export async function checkSubmodules(staged: string, { top, guard }: RepositoryLocation): Promise<void> {
  for (const entry of staged.split("\0")) {
    if (!entry.startsWith("160000 ")) continue;
    const way = entry.slice(entry.indexOf("\t") + 1);
    // A name in another encoding came out changed: what is looked at would not be what git opens.
    if (way.includes("\ufffd")) throw unusable(way, "is a submodule whose name is not UTF-8");
    const gitDir = await gitDirOf(join(top, way, ".git"), guard);
    if (gitDir === undefined) continue;
    const commonDir = await commonDirOf(gitDir, guard);
    const files = [join(gitDir, "HEAD"), join(commonDir, "config"), join(commonDir, "packed-refs")];
    for (const file of files) await guard.file(file, MAX_FILE_BYTES);
  }
}
