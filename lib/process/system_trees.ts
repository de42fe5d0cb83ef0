import { PLATFORM } from "../config/inherited_variables.ts";
import { PosixTrees } from "./posix_trees.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { WindowsTrees } from "./windows_trees.ts";

/** The process trees of this system. */
export function systemTrees(): ProcessTrees {
  return PLATFORM === "windows" ? new WindowsTrees() : new PosixTrees();
}
