import type { ServerConfig, Share } from "../../config/server_config.ts";
import { knownServer } from "./known_servers.ts";

/** How far a server is shared, once `auto` is decided. */
export type Scope = Exclude<Share, "auto">;

/** How far a server is shared, and why. */
export interface ShareDecision {
  scope: Scope;
  /** In a few words, for `ps --why`. */
  why: string;
  /** Whether a session may get its own process where its calls must run apart from those of others. */
  canIsolate: boolean;
}

/** Decides how far `config` is shared; undefined: leaves that to the next one. */
type Decider = (config: ServerConfig) => ShareDecision | undefined;

/** In order of precedence: the user's configuration, the table of known servers, a default by kind. */
const DECIDERS: readonly Decider[] = [asConfigured, asKnown, byKind];

const decisions = new WeakMap<ServerConfig, ShareDecision>();

/** How far `config`, as the configuration file has it, is shared. */
export function decideShare(config: ServerConfig): ShareDecision {
  let decision = decisions.get(config);
  if (!decision) {
    for (const decide of DECIDERS) if ((decision = decide(config))) break;
    decisions.set(config, decision!);
  }
  return decision!;
}

function asConfigured({ share }: ServerConfig): ShareDecision | undefined {
  if (share === "auto") return undefined;
  // `machine` asks for one process in any case; `project` allows sharing but does not demand it.
  return { scope: share, why: `share is ${share} in mcp.json`, canIsolate: share === "project" };
}

function asKnown(config: ServerConfig): ShareDecision | undefined {
  const known = knownServer(config);
  return known &&
    { scope: known.share, why: known.why, canIsolate: known.share !== "session" && !known.exclusive };
}

function byKind({ kind }: ServerConfig): ShareDecision {
  return kind === "stdio"
    ? { scope: "project", why: "a command's process serves the windows of one directory", canIsolate: true }
    : { scope: "machine", why: "one connection to a URL serves all windows", canIsolate: true };
}

/** What to do when a question of this server was refused because it could not be attributed to one session. */
export function refusalAdvice({ share }: ServerConfig, canIsolate: boolean): string {
  if (canIsolate) return "call again: windows that are asked run apart from now on";
  const alone = "call again when no other window's call runs on it";
  return share === "machine" ? `${alone}, or give it "share": "project" or "session" in mcp.json` : alone;
}
