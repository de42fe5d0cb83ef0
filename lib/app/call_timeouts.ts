import { withTimeout } from "../admission/policies.ts";
import type { ByteBudget } from "../base/byte_budget.ts";
import { MIB } from "../base/units.ts";
import type { Caller, Policy } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";
import { AwaitServer } from "../admission/await_call.ts";
import { DetachedCalls } from "../admission/detached_calls.ts";
import { detaching } from "../admission/detaching.ts";

/** What is kept of finished calls for one session: as much as for a client that is away. */
const KEPT = { maxResults: 256, maxChars: 16 * MIB };

type CallTimeoutSettings = Pick<Settings, "callTimeoutMs" | "detachAfterMs" | "detachMaxMs">;

/** How long callers wait, and calls may take: time limits, and calls that are detached from their requests. */
export class CallTimeouts {
  readonly #settings: CallTimeoutSettings;
  readonly #own: Server;
  readonly #calls: DetachedCalls;
  readonly #awaiting: AwaitServer;

  /** `own`: the server of the daemon's own tools, for which the settings speak. */
  constructor(settings: CallTimeoutSettings, own: Server, options: { budget?: ByteBudget } = {}) {
    this.#calls = new DetachedCalls({ ...KEPT, ...options });
    this.#awaiting = new AwaitServer(this.#calls);
    this.#settings = settings;
    this.#own = own;
  }

  /** `servers`, with the one that waits for detached calls when there may be such. */
  withAwaiting(servers: readonly Server[]): Server[] {
    return servers.some((server) => this.detaches(server)) ? [...servers, this.#awaiting] : [...servers];
  }

  /** Whether calls of `server` may be answered with a handle, which no output schema allows for. */
  detaches(server: Server): boolean {
    return this.#afterMs(server) > 0;
  }

  /** Whether `server` does no work of its own: its calls wait for others that have their permits. */
  onlyWaits(server: Server): boolean {
    return server === this.#awaiting;
  }

  /** The time limit of the calls of `server`. */
  limit(server: Server): Policy {
    const { callTimeoutMs, detachMaxMs } = this.#settings;
    if (this.onlyWaits(server)) return withTimeout(detachMaxMs);
    const short = withTimeout(server.callTimeoutMs ?? callTimeoutMs);
    const afterMs = this.#afterMs(server);
    if (afterMs === 0) return short;
    return detaching(this.#calls, {
      afterMs,
      short,
      whole: withTimeout(server.callTimeoutMs ?? detachMaxMs),
    });
  }

  /** A session is over: nobody waits for its calls any more. */
  forget(caller: Caller): void {
    this.#calls.forget(caller);
  }

  /** Resolves when no detached call runs. */
  idle(): Promise<void> {
    return this.#calls.idle();
  }

  #afterMs(server: Server): number {
    return server === this.#own ? this.#settings.detachAfterMs : server.detachAfterMs ?? 0;
  }
}
