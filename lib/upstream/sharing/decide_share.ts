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
type Decider = (config: ServerConfig) => Omit<ShareDecision, "canIsolate"> | undefined;

/** In order of precedence: the user's configuration, the table of known servers, a default by kind. */
const DECIDERS: readonly Decider[] = [asConfigured, asKnown, byKind];

const decisions = new WeakMap<ServerConfig, ShareDecision>();

/** How far `config`, as the configuration file has it, is shared. */
export function decideShare(config: ServerConfig): ShareDecision {
  let decision = decisions.get(config);
  if (!decision) {
    const { scope, why } = DECIDERS.values().map((decide) => decide(config)).find((made) => made)!;
    decisions.set(config, decision = { scope, why, canIsolate: scope !== "session" && !isExclusive(config) });
  }
  return decision;
}

/** Whether at most one process may run for those who share it, as two would damage what they keep. */
function isExclusive(config: ServerConfig): boolean {
  return config.exclusive ?? knownServer(config)?.exclusive ?? false;
}

function asConfigured({ share }: ServerConfig) {
  return share === "auto" ? undefined : { scope: share, why: `share is ${share} in mcp.json` };
}

function asKnown(config: ServerConfig) {
  const known = knownServer(config);
  return known && { scope: known.share, why: known.why };
}

function byKind({ kind }: ServerConfig) {
  return kind === "stdio"
    ? { scope: "project", why: "a command's process serves the windows of one directory" } as const
    : { scope: "machine", why: "one connection to a URL serves all windows" } as const;
}

/** What to do when a question of this server was refused because it could not be attributed to one session. */
export function refusalAdvice(canIsolate: boolean): string {
  return canIsolate
    ? "call again: windows that are asked take turns from now on, and get processes of their own if that takes long"
    : 'call again when no other window\'s call runs on it, or give it "share": "session" or "exclusive": false in mcp.json';
}
