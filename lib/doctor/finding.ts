import { quoteForShell } from "../base/text.ts";
import { type ConfigFault, formatFault } from "../config/config_fault.ts";

/** Something in a user's installation that is wrong, or is likely to be. */
export interface Finding {
  /** Names the kind of fault; stable, for scripts: `port-taken`. */
  id: string;
  /** A `fault` keeps something from working; a `warning` may be intended, or become a fault later. */
  severity: "fault" | "warning";
  /** What is wrong. */
  what: string;
  /** What to do about it. */
  remedy: string;
  /** The changes that mend it, where that is safe: nothing is lost by them. */
  repairs: readonly Repair[];
}

/** A change that `doctor --fix` makes. */
export type Repair =
  /** Takes rights away from other users, or lets the owner run a program. */
  | { kind: "chmod"; path: string; mode: number }
  /** Removes a file that EXAI has left behind, or an empty directory. */
  | { kind: "remove"; path: string }
  /** Replaces a token that cannot be used, while no daemon runs. */
  | { kind: "new token"; path: string }
  /** Stops a daemon that runs no call; the next window starts this version. */
  | { kind: "stop daemon"; pid: number };

/** A finding that keeps something from working. */
export function fault(id: string, what: string, remedy: string, ...repairs: Repair[]): Finding {
  return { id, severity: "fault", what, remedy, repairs };
}

/** A finding that keeps nothing from working now. */
export function warning(id: string, what: string, remedy: string, ...repairs: Repair[]): Finding {
  return { id, severity: "warning", what, remedy, repairs };
}

const PRIVATE_FILE = 0o600;

/** A warning about a file of configuration; one that others can read and should not is closed by `--fix`. */
export function configWarning(id: string, found: ConfigFault, remedy: string): Finding {
  const { path, isExposed } = found;
  return isExposed
    ? warning("file-readable", formatFault(found), `chmod 600 ${quoteForShell(path)}`, {
      kind: "chmod",
      path,
      mode: PRIVATE_FILE,
    })
    : warning(id, formatFault(found), remedy);
}

/** `repair` in words. */
export function describeRepair(repair: Repair): string {
  switch (repair.kind) {
    case "chmod":
      return `chmod ${repair.mode.toString(8)} ${repair.path}`;
    case "remove":
      return `remove ${repair.path}`;
    case "new token":
      return `make a new token in ${repair.path}`;
    case "stop daemon":
      return `stop the daemon (process ${repair.pid})`;
  }
}
