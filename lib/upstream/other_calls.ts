import { untilAborted } from "../base/abort.ts";
import type { Call } from "../call/call.ts";
import { waitingFor } from "../call/wait.ts";
import type { Result } from "../wire/rpc.ts";
import type { Exchange } from "./exchange.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What of an instance such calls are about. */
export interface OtherCallsParts {
  /** The server's name, for messages. */
  name: string;
  exchange: Exchange;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
}

/** Runs a call that is none of a tool: some are about what the sessions of an instance share, or each has of it. */
export async function callOther(call: Call, parts: OtherCallsParts): Promise<Result> {
  const { name, exchange, subscriptions, logLevel } = parts;
  switch (call.method) {
    case "resources/subscribe":
    case "resources/unsubscribe":
      return await subscriptions.call(call, () => exchange.forward(call));
    case "logging/setLevel": {
      const told = untilAborted(logLevel.update(), call.signal);
      return await waitingFor(call, `server "${name}" to take a log level`, told);
    }
    case "tasks/get":
    case "tasks/result":
    case "tasks/cancel":
      return await exchange.aboutTask(call);
  }
  return await exchange.forward(call);
}
