import { dirname } from "@std/path";
import type { StatePaths } from "../config/paths.ts";
import { findDistrust } from "../config/trust.ts";
import { fault, type Finding } from "./finding.ts";
import { realPath } from "../config/real_path.ts";

/**
 * That the file at `path` is not used because other users can change it. Its own mode is mended, and that of EXAI's own
 * directories; another directory may be open on purpose.
 */
export function trustFinding(
  path: string,
  { home, settings }: Pick<StatePaths, "home" | "settings">,
): Finding | undefined {
  const found = findDistrust(path);
  if (!found) return undefined;
  const isOurs = [realPath(path), realPath(home), realPath(dirname(settings))].includes(found.path);
  const repairs = isOurs && found.mode !== undefined
    ? [{ kind: "chmod" as const, path: found.path, mode: found.mode }]
    : [];
  return fault("file-untrusted", `${path} is not used: ${found.why}`, "run the command it names", ...repairs);
}
