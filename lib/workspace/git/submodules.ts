import { join } from "@std/path";
import { MIB } from "../../base/units.ts";
import { unusable } from "./git_guard.ts";
import { commonDirOf, gitDirOf, type RepositoryLocation } from "./locate.ts";

/** The command whose output {@linkcode checkSubmodules} checks, and the limit of that output, in bytes. */
export const LIST_STAGED = ["ls-files", "-z", "--stage", "--full-name"];
export const MAX_STAGED_BYTES = 64 * MIB;

const MAX_FILE_BYTES = 64 * MIB;

/**
 * Checks the submodules in `staged`, the output of {@linkcode LIST_STAGED}. Git opens their directories to see which
 * commit is checked out, even with the option to ignore submodules.
 *
 * @returns their absolute paths
 * @throws {ExaiError} `FORBIDDEN` when one is outside the session's directories, `INVALID_PARAMS` when one is damaged
 */
export async function checkSubmodules(
  staged: string,
  { top, guard }: RepositoryLocation,
): Promise<string[]> {
  const submodules: string[] = [];
  for (const entry of staged.split("\0")) {
    if (!entry.startsWith("160000 ")) continue;
    const path = entry.slice(entry.indexOf("\t") + 1);
    // A name that was not decoded exactly would lead to another directory than the one git opens.
    if (path.includes("\ufffd")) throw unusable(path, "is a submodule whose name is not UTF-8");
    submodules.push(join(top, path));
    const gitDir = await gitDirOf(join(top, path, ".git"), guard);
    if (gitDir === undefined) continue;
    const commonDir = await commonDirOf(gitDir, guard);
    const files = [join(gitDir, "HEAD"), join(commonDir, "config"), join(commonDir, "packed-refs")];
    for (const file of files) await guard.file(file, MAX_FILE_BYTES);
  }
  return submodules;
}
