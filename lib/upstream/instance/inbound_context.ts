import type { Caller } from "../../call/call.ts";
import type { ListKind } from "../../call/server.ts";
import type { RpcMessage } from "../../wire/rpc.ts";
import type { PendingQuestions } from "../questions/pending_questions.ts";
import type { HandleOwners } from "../tasks/handle_owners.ts";
import type { UnfetchedTasks } from "../tasks/unfetched_tasks.ts";
import type { Attribution } from "./attribution.ts";
import type { InFlightTable } from "./inflight.ts";
import type { InstanceOptions } from "./instance_options.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { StartRoots } from "./start_roots.ts";
import type { Subscriptions } from "./subscriptions.ts";

type InboundOptions = Pick<
  InstanceOptions,
  "name" | "capabilities" | "refusalAdvice" | "log" | "onQuestion"
>;

/** What the handling of a server's messages needs of the instance they come from. */
export interface InboundContext extends InboundOptions {
  /** What the server is told when it asks for roots. */
  roots: Pick<StartRoots, "current" | "asked">;
  inflight: InFlightTable;
  attribution: Attribution;
  pendingQuestions: PendingQuestions;
  tasks: UnfetchedTasks;
  attached: ReadonlyMap<string, Caller>;
  handles: HandleOwners;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
  send(message: RpcMessage): void;
  onListChanged(kinds: readonly ListKind[]): void;
}
