import type { ServerConfig, Share } from "../../config/server_config.ts";
import type { EvidenceStore } from "../evidence_store.ts";
import { ServerEvidence } from "./evidence.ts";
import { canBeObserved, knownServer, namesWorkspace } from "./known_servers.ts";
import { type ProcessInspector, UsageObserver } from "./usage_observer.ts";

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

/** In order of precedence: the user's configuration, the table of known servers, what was observed, a default by kind. */
const DECIDERS: readonly Decider[] = [asConfigured, asKnown, asLearned, byKind];

/** Decisions that no observation changes. */
const decisions = new WeakMap<ServerConfig, ShareDecision>();

/** What was observed of the servers whose sharing depends on it. */
const learned = new WeakMap<ServerConfig, ServerEvidence>();

/** With what the sharing of servers in no table is learned. */
export interface Learning {
  /** Keeps what was observed across restarts of the daemon. */
  store: EvidenceStore | undefined;
  inspector: ProcessInspector;
}

/** Observes the processes of one server, so that {@linkcode decideShare} decides by what they do. */
export interface SharingObserver {
  /** Observes a process that is started in `workspace`. */
  observe(workspace: string | undefined): UsageObserver;
}

/** Learns how far the server of `config` may be shared; undefined where the user or the table says so. */
export function learnSharing(
  config: ServerConfig,
  { store, inspector }: Learning,
): SharingObserver | undefined {
  if (config.kind !== "stdio" || config.cwdFree || (asConfigured(config) ?? asKnown(config))) {
    return undefined;
  }
  const evidence = new ServerEvidence(config, store);
  if (namesWorkspace(config)) evidence.addSign("entry", "its entry names the workspace");
  learned.set(config, evidence);
  const seen = canBeObserved(config) ? inspector : undefined;
  return { observe: (workspace) => new UsageObserver(evidence, { workspace, inspector: seen }) };
}

/** How far `config`, as the configuration file has it, is shared. */
export function decideShare(config: ServerConfig): ShareDecision {
  const known = decisions.get(config);
  if (known) return known;
  const { scope, why } = DECIDERS.values().map((decide) => decide(config)).find((made) => made)!;
  const decision = { scope, why, canIsolate: scope !== "session" && !isExclusive(config) };
  if (!learned.has(config)) decisions.set(config, decision);
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

function asLearned(config: ServerConfig) {
  const decision = learned.get(config)?.decision;
  return decision && { scope: decision.share, why: decision.why };
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
