import type { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Caller, Root } from "../../call/call.ts";
import type { ListKind } from "../../call/server.ts";
import type { Era } from "../../wire/client_claim.ts";
import type { Implementation } from "../../wire/mcp.ts";
import type { KnownEra } from "./link/find_era.ts";
import type { OrphanedHandles } from "../tasks/orphaned_handles.ts";

/** What an instance is made with. */
export interface InstanceOptions {
  /** The server's name, for messages. */
  name: string;
  clientInfo: Implementation;
  /** Client capabilities advertised to the server. */
  capabilities: JsonObject;
  /** The roots its sessions share, `none` when they have none; undefined: each session has its own. */
  roots: readonly Root[] | "none" | undefined;
  /** The roots its first session has when it starts. */
  rootsAtStart?: readonly Root[];
  startTimeoutMs: number;
  /** Which era of MCP it is known to speak. */
  era: KnownEra;
  /** Called when it has shown which; undefined: what was known is wrong. */
  onEra?(era: Era | undefined): void;
  /** Handles given out by earlier instances of the server. */
  orphaned?: OrphanedHandles;
  /** What to do about a question that was refused because it could not be attributed. */
  refusalAdvice: string;
  /** How long after a call a message of the server may still be about it, in milliseconds. */
  settleMs?: number;
  /** Takes a line about a message that belongs to no session. */
  log?(line: string): void;
  /** Called when the server sends a request to a client. */
  onQuestion?(question: ServerQuestion): void;
  /** Called when the server asks for the roots its sessions share. */
  onRootsAsked?(): void;
  /** Unanswered calls in a row, with no other message, after which it is given up; default: 2. */
  maxSilences?: number;
  /**
   * Called when the connection is lost. `isFault`: the server has failed, rather than dropped a session on which it had
   * answered.
   */
  onConnectionLost?(why: ExaiError, options: { isFault: boolean }): void;
  /** Called when the server has ended the subscription of a session to `uri`. */
  onSubscriptionLost?(caller: Caller, uri: string, why: string): void;
  /** Called when the server has announced that some of its lists changed. */
  onListChanged(kinds: readonly ListKind[]): void;
}

/** A request of a server to a client. */
export interface ServerQuestion {
  method: string;
  /** The client capability it needs; undefined for a method that is not in MCP. */
  capability: string | undefined;
  /** Sessions a refused question may be for. */
  candidates: readonly Caller[];
  /** Whether it was refused because it could not be attributed. */
  isRefused: boolean;
}

/** Questions of a server that were refused because they could not be attributed to one session. */
export interface RefusedQuestions {
  count: number;
  lastMethod: string;
  lastAt: Date;
}
