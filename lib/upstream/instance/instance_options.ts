import type { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { Caller, Root } from "../../call/call.ts";
import type { ListKind } from "../../call/server.ts";
import type { Implementation } from "../../wire/mcp.ts";
import type { ServerQuestion } from "./inbound_context.ts";
import type { OrphanedHandles } from "../tasks/orphaned_handles.ts";

/** What an instance is made with. */
export interface InstanceOptions {
  /** The server's name, for messages. */
  name: string;
  clientInfo: Implementation;
  /** Client capabilities the upstream is told of: those of the sessions that share it. */
  capabilities: JsonObject;
  /** The roots the sessions share, `none` when they have none to tell; undefined when each has its own. */
  roots: readonly Root[] | "none" | undefined;
  startTimeoutMs: number;
  /** What was given out on the connections before this one. */
  orphaned?: OrphanedHandles;
  /** What a window can do whose question was refused because it might have been another's. */
  refusalAdvice: string;
  /** How long after a call what the server says may be about it, in milliseconds. */
  settleMs?: number;
  /** Takes what belongs to no session, one line. */
  log?(line: string): void;
  /** Called when the server asks a session something. */
  onQuestion?(question: ServerQuestion): void;
  /** Called when the server asks for the roots the sessions share. */
  onRootsAsked?(): void;
  /** So many calls in a row it may leave without an answer, and say nothing, before it is given up; left out: two. */
  maxSilences?: number;
  /**
   * Called when the connection is of no use any more. `isFault`: the server has failed, and not just forgotten a
   * connection on which it was well.
   */
  onLost?(why: ExaiError, options: { isFault: boolean }): void;
  /** Called when a session that was told it is subscribed to `uri` hears no more of it, and the server has said why. */
  onSubscriptionLost?(caller: Caller, uri: string, why: string): void;
  /** Called when the upstream says that some of its lists have changed. */
  onListChanged(kinds: readonly ListKind[]): void;
}
