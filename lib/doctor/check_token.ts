import { isToken, TOKEN_RULE } from "../config/token_rule.ts";
import { findDistrust } from "../config/trust.ts";
import { readOwnFile } from "../client/own_files.ts";
import { fault, type Finding, type Repair } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** The file of a generated token: whose it is, and whether it holds one. */
export async function checkToken({ settings, paths, daemon }: Installation): Promise<Finding[]> {
  if (settings.token !== "auto") return [];
  const { token: path } = paths;
  const distrust = findDistrust(path);
  if (distrust) {
    const repairs: Repair[] = distrust.path === path && distrust.mode !== undefined
      ? [{ kind: "chmod", path, mode: distrust.mode & ~0o077 }]
      : [];
    const what = `the token in ${path} is not used, since others may know it: ${distrust.why}`;
    return [fault("token-foreign", what, "do that, then exai-daemon token rotate", ...repairs)];
  }
  const { text, fault: why } = await readOwnFile(path);
  if (why !== undefined) {
    return [fault("token-unreadable", why, `remove ${path}; the daemon makes a new one`)];
  }
  // A missing one is made by the daemon.
  if (text === undefined || text.trim() === "" || isToken(text.trim())) return [];
  const what = `${path} holds no token, which is ${TOKEN_RULE}`;
  // While a daemon runs, it knows the token that windows are asked for, and rotating it writes the file.
  return (await daemon).is === "stopped"
    ? [
      fault("token-malformed", what, `remove ${path}; the daemon makes a new one`, {
        kind: "new token",
        path,
      }),
    ]
    : [fault("token-malformed", what, "stop the daemon, then run exai-daemon doctor --fix")];
}
