import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { FairQueue } from "./fair_queue.ts";

export interface PermitLimits {
  /** Permits one key (a session) may hold at once. */
  perKey: number;
  /** Permits held at once in all. */
  total: number;
  /** Waiters one key may have; the next is refused. */
  queueMax: number;
  /** Who is over capacity, for the message; left out: this session. */
  holder?: string;
}

/** An admission slot; given back by `using`, once however often it is disposed. */
export interface Permit extends Disposable {
  readonly key: string;
}

interface Waiter {
  grant(): void;
}

/** Counting permits with a bounded, fair queue in front of them. */
export class Permits {
  readonly #limits: PermitLimits;
  readonly #held = new Map<string, number>();
  readonly #queue = new FairQueue<Waiter>();
  #heldInAll = 0;
  /** Moving average of how long a permit is held, in milliseconds: what `retry_after_ms` is reckoned from. */
  #averageHoldMs = 0;

  constructor(limits: PermitLimits) {
    this.#limits = limits;
  }

  get held(): number {
    return this.#heldInAll;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * A permit for `key`, at once when one is free, otherwise when its turn comes. A waiter whose `signal` aborts
   * leaves the queue at once and takes nobody's place.
   *
   * @throws {ExaiError} `OVER_CAPACITY` with `retryAfterMs` when the queue of this key is full; the signal's reason
   */
  acquire(key: string, signal: AbortSignal): Permit | Promise<Permit> {
    if (signal.aborted) throw abortError(signal);
    if (this.#mayHold(key) && this.#queue.sizeOf(key) === 0) return this.#hold(key);
    if (this.#queue.sizeOf(key) >= this.#limits.queueMax) throw this.#overCapacity(key);
    return this.#wait(key, signal);
  }

  #wait(key: string, signal: AbortSignal): Promise<Permit> {
    const { promise, resolve, reject } = Promise.withResolvers<Permit>();
    const onAbort = () => {
      if (this.#queue.remove(key, waiter)) reject(abortError(signal));
    };
    const waiter: Waiter = {
      grant: () => {
        signal.removeEventListener("abort", onAbort);
        resolve(this.#hold(key));
      },
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#queue.push(key, waiter);
    return promise;
  }

  #mayHold(key: string): boolean {
    return this.#heldInAll < this.#limits.total && (this.#held.get(key) ?? 0) < this.#limits.perKey;
  }

  #hold(key: string): Permit {
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    this.#heldInAll++;
    const since = performance.now();
    let released = false;
    return {
      key,
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#release(key, performance.now() - since);
      },
    };
  }

  #release(key: string, heldMs: number): void {
    this.#averageHoldMs += (heldMs - this.#averageHoldMs) / 16;
    const left = this.#held.get(key)! - 1;
    if (left === 0) this.#held.delete(key);
    else this.#held.set(key, left);
    this.#heldInAll--;
    this.#queue.take((waiting) => this.#mayHold(waiting))?.grant();
  }

  #overCapacity(key: string): ExaiError {
    const rounds = Math.ceil((this.#queue.sizeOf(key) + 1) / this.#limits.perKey);
    const retryAfterMs = Math.min(60 * SECOND_MS, Math.max(100, Math.round(this.#averageHoldMs * rounds)));
    return new ExaiError(
      "OVER_CAPACITY",
      `${
        this.#limits.holder ?? "this session"
      } already has ${this.#limits.perKey} calls running and ${this.#limits.queueMax} waiting; ` +
        `try again in ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }
}
