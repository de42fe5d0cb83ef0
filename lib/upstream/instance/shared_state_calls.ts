import type { Call } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";
import type { UpstreamExchange } from "./exchange.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What of an instance the calls are about that change something its sessions share. */
interface OtherCallsParts {
  /** The server's name, for messages. */
  name: string;
  exchange: UpstreamExchange;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
}

/** All calls of one instance that are no calls of tools: some are about what its sessions share, or each has of it. */
export class SharedStateCalls {
  readonly #parts: OtherCallsParts;

  constructor(parts: OtherCallsParts) {
    this.#parts = parts;
  }

  /**
   * Passes a call on as {@linkcode UpstreamExchange.forward} does, once for all sessions where one request is enough.
   *
   * @throws {ExaiError} as there; `INVALID_PARAMS` for the task of another session
   */
  async run(call: Call): Promise<Result> {
    const { name, exchange, subscriptions, logLevel } = this.#parts;
    switch (call.method) {
      case "resources/subscribe":
      case "resources/unsubscribe":
        return await subscriptions.call(call, () => exchange.forward(call));
      case "logging/setLevel":
        return await logLevel.call(call, name);
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return await exchange.forwardTaskCall(call);
    }
    return await exchange.forward(call);
  }
}
