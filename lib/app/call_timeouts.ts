import { withTimeout } from "../admission/policies.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import { MIB } from "../base/units.ts";
import type { Caller, Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";
import { AwaitServer } from "../admission/await_call.ts";
import { DetachedCalls } from "../admission/detached_calls.ts";
import { detaching } from "../admission/detaching.ts";

/** Limits on the results kept for one session: the same as for a client that is disconnected. */
const KEPT = { maxResults: 256, maxChars: 16 * MIB };

type CallTimeoutSettings = Pick<Settings, "callTimeoutMs" | "detachAfterMs" | "detachMaxMs">;

/** The time limits of calls, and the calls that are detached from their requests when they take long. */
export class CallTimeouts {
  readonly #settings: CallTimeoutSettings;
  readonly #own: Server;
  readonly #calls: DetachedCalls;
  readonly #awaiting: AwaitServer;

  /** `own`: the server of EXAI's own tools, to which the settings apply. */
  constructor(settings: CallTimeoutSettings, own: Server, options: { budget?: ByteBudget } = {}) {
    this.#calls = new DetachedCalls({ ...KEPT, ...options });
    this.#awaiting = new AwaitServer(this.#calls);
    this.#settings = settings;
    this.#own = own;
  }

  /** `servers`, with the server of the tool that waits for detached calls if any server detaches calls. */
  withAwaiting(servers: readonly Server[]): Server[] {
    return servers.some((server) => this.detaches(server)) ? [...servers, this.#awaiting] : [...servers];
  }

  /** Whether calls of `server` may be answered with a handle, which does not match an output schema. */
  detaches(server: Server): boolean {
    return this.#afterMs(server) > 0;
  }

  /** Whether calls of `server` only wait for other calls, which hold permits already. */
  onlyWaits(server: Server): boolean {
    return server === this.#awaiting;
  }

  /** The time limit of the calls of `server`. */
  limit(server: Server): Policy {
    const { detachMaxMs } = this.#settings;
    if (this.onlyWaits(server)) return withTimeout(detachMaxMs);
    const short = this.queryLimit(server);
    const afterMs = this.#afterMs(server);
    if (afterMs === 0) return short;
    return detaching(this.#calls, {
      afterMs,
      short,
      whole: withTimeout(server.callTimeoutMs ?? detachMaxMs),
    });
  }

  /** The time limit of queries about `server`, and of its calls that are not detached. */
  queryLimit(server: Server): Policy {
    return withTimeout(server.callTimeoutMs ?? this.#settings.callTimeoutMs);
  }

  /** Drops the detached calls of a session that has ended. */
  forget(caller: Caller): void {
    this.#calls.forget(caller);
  }

  /** How many detached calls run. */
  get running(): number {
    return this.#calls.running;
  }

  /** Resolves when no detached call runs. */
  idle(): Promise<void> {
    return this.#calls.idle();
  }

  #afterMs(server: Server): number {
    return server === this.#own ? this.#settings.detachAfterMs : server.detachAfterMs ?? 0;
  }
}
