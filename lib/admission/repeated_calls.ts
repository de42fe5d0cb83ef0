import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { sortedJson } from "../base/sorted_json.ts";
import type { Call } from "../call/call.ts";
import { isSameSession, mayUse, ownerKey } from "../call/owner.ts";

/** A call that the same call made again can be given the result of. */
export interface RepeatableCall {
  readonly call: Pick<Call, "caller">;
  readonly startedAtMs: number;
  /** Whether its caller is still to be answered with its result. */
  readonly isAwaited: boolean;
  /** When it ended, in milliseconds since 1970; undefined while it runs. */
  readonly endedAtMs: number | undefined;
}

/** A client that makes a running call again within this time means two calls; later it has given the first one up. */
const MIN_RETRY_MS = 10 * SECOND_MS;

/** How long a result that nobody got answers the same call made again: what it is about may change. */
const MAX_AGE_MS = 15 * MINUTE_MS;

/** Calls by what they ask, so that a client that makes a call again is not billed twice for it. */
export class RepeatedCalls<T extends RepeatableCall> {
  readonly #byKey = new Map<string, Set<T>>();

  add(key: string, call: T): void {
    const calls = this.#byKey.get(key) ?? new Set<T>();
    this.#byKey.set(key, calls.add(call));
  }

  delete(key: string, call: T): void {
    const calls = this.#byKey.get(key);
    if (calls?.delete(call) && calls.size === 0) this.#byKey.delete(key);
  }

  /** Whether {@linkcode find} may find something. */
  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  /** The call that `call` makes again, if it belongs to the same workspace. */
  async find(key: string, { caller }: Pick<Call, "caller">): Promise<T | undefined> {
    for (const earlier of [...this.#byKey.get(key) ?? []]) {
      if (isTooOld(earlier)) {
        this.delete(key, earlier);
        continue;
      }
      // A window that is started anew makes its call again before the end of the former one is known.
      if (earlier.isAwaited && !earlier.call.caller.isAway) {
        const isRetry = isSameSession(earlier.call.caller, caller) &&
          Date.now() - earlier.startedAtMs >= MIN_RETRY_MS;
        if (isRetry) return earlier;
        continue;
      }
      const owner = await earlier.call.caller.belonging.owner();
      if (mayUse(await caller.identity(), ownerKey(owner))) return earlier;
    }
    return undefined;
  }
}

function isTooOld({ endedAtMs }: RepeatableCall): boolean {
  return endedAtMs !== undefined && Date.now() - endedAtMs > MAX_AGE_MS;
}

/** A key that is equal for equal calls, in whatever order their arguments are written. */
export function repeatKey({ params }: Pick<Call, "params">): string {
  return JSON.stringify([params.name ?? null, sortedJson(params.arguments ?? {})]);
}
