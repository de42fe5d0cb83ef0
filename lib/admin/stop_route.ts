import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { StatePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import type { Route } from "../edge/http_handler.ts";
import type { CallControl } from "./call_control.ts";
import { allowMethod } from "./route_guards.ts";

/** The answer to a command is sent before the connections are closed. */
const ANSWER_MS = SECOND_MS / 10;

/** Waits for `exai-daemon stop`. */
export class StopRequest {
  readonly #accepted = Promise.withResolvers<string>();
  readonly #home: string;
  readonly #drainTimeoutMs: number;

  constructor({ drainTimeoutMs }: Pick<Settings, "drainTimeoutMs">, { home }: Pick<StatePaths, "home">) {
    this.#drainTimeoutMs = drainTimeoutMs;
    this.#home = home;
  }

  /** Resolves with the reason, in a clause, when this daemon has to stop. */
  get accepted(): Promise<string> {
    return this.#accepted.promise;
  }

  /**
   * Stops the daemon in a moment.
   *
   * @param home the real path of the state directory whose daemon is meant; null: whichever this one has
   * @throws {ExaiError} `FORBIDDEN` when this daemon has another
   */
  async accept(home: string | null): Promise<{ drain_timeout_ms: number }> {
    const own = await Deno.realPath(this.#home).catch(() => this.#home);
    if (home !== null && home !== own) {
      const advice = `to stop this one, give --home=${own}`;
      throw new ExaiError("FORBIDDEN", `it has the state directory ${own}, and not ${home}; ${advice}`);
    }
    setTimeout(() => this.#accepted.resolve("exai-daemon stop"), ANSWER_MS);
    return { drain_timeout_ms: this.#drainTimeoutMs };
  }
}

/** `POST /stop?home=PATH`: the daemon stops as it does for a signal. `calls` is the number of those it waits for. */
export function stopRoute(request: StopRequest, { running }: Pick<CallControl, "running">): Route {
  return allowMethod("POST", async ({ url }) => {
    const answer = await request.accept(new URL(url).searchParams.get("home"));
    return Response.json({ pid: Deno.pid, version: VERSION, calls: [...running].length, ...answer });
  });
}
