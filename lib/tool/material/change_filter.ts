import { NOT_WORTH_READING, notWorthReading, usuallyHoldsSecrets } from "../../workspace/worth_reading.ts";
import type { ChangedFile } from "./git_diff.ts";
import type { Omission } from "./left_out.ts";

/** Why something is left out. */
export type WhyNot = Pick<Omission, "reason" | "kind">;

/** Why an untracked file below `directory` is not shown. */
export function whyNotShown(path: string, directory: string): WhyNot | undefined {
  if (path.endsWith("/")) return { reason: "a git repository of its own", kind: "skipped" };
  const why = notWorthReading(`${directory}/${path}`, directory);
  return why && NOT_WORTH_READING[why];
}

/**
 * Why the diff of a file below `directory` is not shown. In which directory a tracked file lies does not matter, but for
 * those of credentials.
 */
export function whyNoDiff({ path, from, isBinary }: ChangedFile, directory: string): WhyNot | undefined {
  if ([path, from].some((name) => name !== undefined && usuallyHoldsSecrets(`${directory}/${name}`))) {
    return { reason: "changed; a file of this name usually holds secrets", kind: "secret" };
  }
  if (isBinary) return { reason: "changed; it is binary", kind: "skipped" };
  const why = notWorthReading(path);
  if (why !== "binary" && why !== "generated") return undefined;
  return { reason: `changed; ${NOT_WORTH_READING[why].reason}`, kind: "skipped" };
}
