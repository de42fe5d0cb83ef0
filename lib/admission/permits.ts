import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call } from "../call/call.ts";
import { beginWait } from "../call/wait.ts";
import { FairQueue } from "./fair_queue.ts";
import { Tally } from "../base/tally.ts";

interface PermitLimits {
  /** Permits one key (a session) may hold at once. */
  perKey: number;
  /** Permits held at once in all. */
  total: number;
  /** Whether a key that holds none gets one even when `total` are held, so that no key is blocked by others. */
  everyKeyRuns?: boolean;
  /** Waiters one key may have; the next is refused. */
  queueMax: number;
  /** Waiters in all before a key with more than its share is refused; left out: unlimited. */
  queueTotalMax?: number;
  /** Whose permits these are, for messages, when one key may hold all; left out: the daemon's. */
  holder?: string;
}

/** An admission slot, released by `using`; disposing it again has no effect. */
export interface Permit extends Disposable {
  readonly key: string;
  /** Total time it was lent back, in milliseconds. */
  readonly lentMs: number;
  /** Releases it while its call waits for a client or a provider, until {@linkcode takeBack}. */
  lend(): void;
  /**
   * Reacquires a permit that was lent, ahead of calls that have not begun; waits while none is free.
   *
   * @throws {ExaiError} the signal's reason
   */
  takeBack(call: WaitingCall): Promise<void>;
}

/** The part of a call that is needed to wait for a permit. */
type WaitingCall = Pick<Call, "signal" | "trace">;

interface Waiter {
  grant(): void;
}

/**
 * A counting semaphore with limits by key and in all, and a bounded, fair queue.
 *
 * @example
 * ```ts
 * import { Permits } from "./permits.ts";
 *
 * const permits = new Permits({ perKey: 1, total: 10, queueMax: 5 });
 * {
 *   using _permit = await permits.acquire("session-1", new AbortController().signal);
 *   console.assert(permits.held === 1);
 * }
 * console.assert(permits.held === 0);
 * ```
 */
export class Permits {
  readonly #limits: PermitLimits;
  readonly #held = new Tally();
  readonly #queue = new FairQueue<Waiter>();
  /** Calls that have lent their permit; served first, since they have begun. */
  readonly #returning = new FairQueue<Waiter>();
  /** Moving average of how long a permit is held, in milliseconds; `retry_after_ms` is estimated from it. */
  #averageHoldMs = 0;

  constructor(limits: PermitLimits) {
    this.#limits = limits;
  }

  get held(): number {
    return this.#held.total;
  }

  get waiting(): number {
    return this.#queue.size + this.#returning.size;
  }

  /**
   * A permit for `key`: synchronously when one is free, otherwise when its turn comes. A waiter whose `signal` aborts
   * leaves the queue at once.
   *
   * @throws {ExaiError} `OVER_CAPACITY` with `retryAfterMs` when the queue of this key is full; the signal's reason
   */
  acquire(key: string, signal: AbortSignal, trace?: Call["trace"]): Permit | Promise<Permit> {
    if (signal.aborted) throw abortError(signal);
    // A free permit means an empty queue: a released permit goes to the next waiter.
    if (this.#mayHold(key)) {
      this.#held.add(key);
      return new HeldPermit(this, key);
    }
    if (this.#isFull(key)) throw this.overCapacity(key);
    return this.#wait(this.#queue, key, { signal, trace }).then(() => new HeldPermit(this, key));
  }

  /** Reacquires a permit for a call that had one; `giveBack` follows. */
  async reacquire(key: string, call: WaitingCall): Promise<void> {
    if (call.signal.aborted) throw abortError(call.signal);
    if (this.#mayHold(key)) this.#held.add(key);
    else await this.#wait(this.#returning, key, call);
  }

  /** Releases a permit of `key` that was held for `heldMs`. */
  giveBack(key: string, heldMs: number): void {
    this.#averageHoldMs += (heldMs - this.#averageHoldMs) / 16;
    this.#held.remove(key);
    this.#grantNext();
  }

  /** The error for a call of `key` when the queue is full. */
  overCapacity(key: string): ExaiError {
    const { holder, perKey } = this.#limits;
    const waiting = holder === undefined ? this.#queue.sizeOf(key) : this.#queue.size;
    const rounds = Math.ceil((waiting + 1) / perKey);
    const retryAfterMs = Math.min(60 * SECOND_MS, Math.max(100, Math.round(this.#averageHoldMs * rounds)));
    return new ExaiError(
      "OVER_CAPACITY",
      `${holder ?? "this session"} already has ${perKey} calls running and ${
        Math.max(waiting, this.#limits.queueMax)
      } waiting; try again in ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }

  /** A key with few waiters is admitted even when many wait, so that busy sessions do not lock it out. */
  #isFull(key: string): boolean {
    const { queueMax, queueTotalMax = Infinity } = this.#limits;
    const waiting = this.#queue.sizeOf(key);
    if (waiting >= queueMax) return true;
    return this.#queue.size >= queueTotalMax && waiting >= queueTotalMax / (this.#queue.keys + 1);
  }

  #wait(queue: FairQueue<Waiter>, key: string, { signal, trace }: WaitingCall): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => {
      if (!queue.remove(key, waiter)) return;
      noted[Symbol.dispose]();
      reject(abortError(signal));
    };
    const waiter: Waiter = {
      // Counted at once: an `acquire` before the waiter resumes must not get the same permit.
      grant: () => {
        signal.removeEventListener("abort", onAbort);
        noted[Symbol.dispose]();
        this.#held.add(key);
        resolve();
      },
    };
    signal.addEventListener("abort", onAbort);
    queue.push(key, waiter);
    // In the queue first: a call with a span is asked at once how many are before it.
    const what = () => this.#describe(this.#ahead(queue, key, waiter));
    const noted = beginWait({ trace }, what, { asBegun: true });
    return promise;
  }

  #ahead(queue: FairQueue<Waiter>, key: string, waiter: Waiter): number {
    const returning = queue === this.#queue ? this.#returning.size : 0;
    return returning + queue.ahead(key, waiter);
  }

  #describe(ahead: number): string {
    const { holder, perKey, total } = this.#limits;
    const before = `${ahead} before it`;
    if (holder !== undefined) return `a permit of ${holder} (${before})`;
    return this.held >= total
      ? `a permit of the daemon, which runs ${total} calls (${before})`
      : `a permit of its session, which runs ${perKey} calls (${before})`;
  }

  #mayHold(key: string): boolean {
    const { perKey, total, everyKeyRuns } = this.#limits;
    const own = this.#held.of(key);
    return own < perKey && (this.held < total || (everyKeyRuns === true && own === 0));
  }

  // One released permit may admit two waiters: the next one, and one of its own key, which may then hold none.
  #grantNext(): void {
    if (this.waiting === 0) return;
    const mayServe = (key: string) => this.#mayHold(key);
    let next: Waiter | undefined;
    while ((next = this.#returning.take(mayServe) ?? this.#queue.take(mayServe))) next.grant();
  }
}

class HeldPermit implements Permit {
  readonly key: string;
  readonly #permits: Permits;
  #sinceMs = performance.now();
  #isDisposed = false;
  /** Number of waits in progress: the permit is released with the first and reacquired after the last. */
  #lent = 0;
  /** Set while the permit is lent. */
  #isLent = false;
  #lentSinceMs = 0;
  #lentMs = 0;
  #return: Promise<void> | undefined;

  constructor(permits: Permits, key: string) {
    this.#permits = permits;
    this.key = key;
  }

  get lentMs(): number {
    return this.#isLent ? this.#lentMs + performance.now() - this.#lentSinceMs : this.#lentMs;
  }

  lend(): void {
    this.#lent++;
    if (!this.#isDisposed && !this.#isLent) this.#release();
  }

  async takeBack(call: WaitingCall): Promise<void> {
    if (--this.#lent > 0 || this.#isDisposed || !this.#isLent) return;
    await (this.#return ??= this.#reacquire(call).finally(() => this.#return = undefined));
  }

  async #reacquire(call: WaitingCall): Promise<void> {
    await this.#permits.reacquire(this.key, call);
    const nowMs = performance.now();
    this.#lentMs += nowMs - this.#lentSinceMs;
    this.#sinceMs = nowMs;
    this.#isLent = false;
    if (this.#isDisposed) this.#permits.giveBack(this.key, 0);
    else if (this.#lent > 0) this.#release();
  }

  #release(): void {
    this.#isLent = true;
    this.#lentSinceMs = performance.now();
    this.#permits.giveBack(this.key, this.#lentSinceMs - this.#sinceMs);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (!this.#isLent) this.#permits.giveBack(this.key, performance.now() - this.#sinceMs);
  }
}
