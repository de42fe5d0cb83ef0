import type { JsonObject } from "../../base/json.ts";
import type { Caller, Root } from "../../call/call.ts";
import type { ListKind } from "../../call/server.ts";
import type { RpcMessage } from "../../wire/rpc.ts";
import type { Attribution } from "./attribution.ts";
import type { HandleOwners } from "../tasks/handle_owners.ts";
import type { InFlightTable } from "./inflight.ts";
import type { UnfetchedTasks } from "../tasks/unfetched_tasks.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What deciding where a message belongs needs to know of the instance it came from. */
export interface InboundContext {
  name: string;
  /** The roots its sessions share, `none` when they have none to tell; undefined when each has its own. */
  roots: readonly Root[] | "none" | undefined;
  onRootsAsked(): void;
  /** The client capabilities the upstream was told of. */
  advertised: JsonObject;
  inflight: InFlightTable;
  attribution: Attribution;
  tasks: UnfetchedTasks;
  attached: ReadonlyMap<string, Caller>;
  handles: HandleOwners;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
  send(message: RpcMessage): void;
  /** Takes what belongs to no session, one line. */
  log(line: string): void;
  /** What a window can do whose question was refused because it might have been another's. */
  refusalAdvice: string;
  onQuestion(question: ServerQuestion): void;
  onListChanged(kinds: readonly ListKind[]): void;
}

/** What an upstream has asked. */
export interface ServerQuestion {
  method: string;
  /** The client capability it is about; undefined for a method that is none of MCP. */
  capability: string | undefined;
  /** Whose question it may be, where that is not certain: it was refused. */
  candidates: readonly Caller[];
  /** Whether it was refused, as it cannot be told whose it is. */
  isRefused: boolean;
}
