import type { Call } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";
import type { UpstreamExchange } from "./exchange.ts";
import type { SharedLogLevel } from "./log_level.ts";
import type { Subscriptions } from "./subscriptions.ts";

interface SharedStateParts {
  /** The server's name, for messages. */
  name: string;
  exchange: UpstreamExchange;
  subscriptions: Subscriptions;
  logLevel: SharedLogLevel;
}

/** Calls other than `tools/call`: some change state that sessions share, such as subscriptions and the log level. */
export class SharedStateCalls {
  readonly #parts: SharedStateParts;

  constructor(parts: SharedStateParts) {
    this.#parts = parts;
  }

  /**
   * Forwards a call; one that changes shared state only where the server does not have that state already.
   *
   * @throws {ExaiError} as {@linkcode UpstreamExchange.forward}; `INVALID_PARAMS` for the task of another session
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
