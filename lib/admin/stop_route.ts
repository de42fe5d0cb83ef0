import { SECOND_MS } from "../base/units.ts";
import type { Route } from "../edge/http_handler.ts";
import { allowMethod } from "./route_guards.ts";

/** The answer to a command is sent before the connections are closed. */
const ANSWER_MS = SECOND_MS / 10;

/** What the route says of the daemon it stops. */
interface StopAnswer {
  pid: number;
  version: string;
  /** How many calls run, which are waited for as long as `drain_timeout_ms`. */
  calls: number;
  drain_timeout_ms: number;
}

/** Waits for `exai-daemon stop`. */
export class StopRequest {
  readonly #accepted = Promise.withResolvers<string>();

  /** Resolves with the reason, in a clause, when this daemon has to stop. */
  get accepted(): Promise<string> {
    return this.#accepted.promise;
  }

  accept(): void {
    setTimeout(() => this.#accepted.resolve("exai-daemon stop"), ANSWER_MS);
  }
}

/** `POST /stop`: the daemon stops as it does for a signal. */
export function stopRoute(request: StopRequest, describe: () => StopAnswer): Route {
  return allowMethod("POST", () => {
    request.accept();
    return Response.json(describe());
  });
}
