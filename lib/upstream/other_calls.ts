import { untilAborted } from "../base/abort.ts";
import type { Call, Caller } from "../call/call.ts";
import { waitingFor } from "../call/wait.ts";
import { uriOf } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import type { Exchange } from "./exchange.ts";
import type { Handles } from "./handles.ts";
import type { LiveTasks } from "./live_tasks.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { SubscriptionRequest, Subscriptions } from "./subscriptions.ts";

/** What of an instance the calls are about that change something its sessions share. */
export interface OtherCallsParts {
  /** The server's name, for messages. */
  name: string;
  exchange: Exchange;
  handles: Handles;
  tasks: LiveTasks;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
  startTimeoutMs: number;
}

/** All calls of one instance that are no calls of tools: some are about what its sessions share, or each has of it. */
export class OtherCalls {
  readonly #parts: OtherCallsParts;

  constructor(parts: OtherCallsParts) {
    this.#parts = parts;
  }

  /**
   * Passes a call on as {@linkcode Exchange.forward} does, once for all sessions where one request is enough.
   *
   * @throws {ExaiError} as there; `INVALID_PARAMS` for the task of another session
   */
  async run(call: Call): Promise<Result> {
    switch (call.method) {
      case "resources/subscribe":
      case "resources/unsubscribe":
        return await this.#aboutResource(call);
      case "logging/setLevel":
        return await this.#aboutLogLevel(call);
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return await this.#aboutTask(call);
    }
    return await this.#parts.exchange.forward(call);
  }

  /** Subscribes a session again that was subscribed to `uri` on the instance before this one. */
  async resubscribe(caller: Caller, uri: string): Promise<Result> {
    const params = { uri };
    const ask = () => this.#parts.exchange.ask("resources/subscribe", params, this.#parts.startTimeoutMs);
    return await this.#parts.subscriptions.subscribe(uri, caller, { ask });
  }

  async #aboutTask(call: Call): Promise<Result> {
    const { taskId } = call.params;
    const own = this.#parts.handles.ownTask(call.caller, taskId);
    const result = await this.#parts.exchange.forward(call);
    this.#parts.tasks.answered(call.method, own, result);
    return result;
  }

  #aboutLogLevel(call: Call): Promise<Result> {
    const told = untilAborted(this.#parts.logLevel.update(), call.signal);
    return waitingFor(call, `server "${this.#parts.name}" to take a log level`, told);
  }

  #aboutResource(call: Call): Promise<Result> {
    const uri = uriOf(call);
    const options: SubscriptionRequest = {
      ask: () => this.#parts.exchange.forward(call),
      turn: (before) =>
        waitingFor(call, "what was asked about this resource before", untilAborted(before, call.signal)),
    };
    return call.method === "resources/subscribe"
      ? this.#parts.subscriptions.subscribe(uri, call.caller, options)
      : this.#parts.subscriptions.unsubscribe(uri, call.caller, options);
  }
}
