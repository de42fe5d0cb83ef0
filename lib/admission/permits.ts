import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call } from "../call/call.ts";
import { beginWait } from "../call/wait.ts";
import { FairQueue } from "./fair_queue.ts";
import { Tally } from "./tally.ts";

interface PermitLimits {
  /** Permits one key (a session) may hold at once. */
  perKey: number;
  /** Permits held at once in all. */
  total: number;
  /** Whether a key that holds none gets one even when `total` are held, so that no key waits for what others run. */
  everyKeyRuns?: boolean;
  /** Waiters one key may have; the next is refused. */
  queueMax: number;
  /** Waiters there may be in all before a key with more than its share is refused; left out: any number. */
  queueTotalMax?: number;
  /** Whose permits these are, for messages, where one key may hold all; left out: the daemon's. */
  holder?: string;
}

/** An admission slot; given back by `using`, once however often it is disposed. */
export interface Permit extends Disposable {
  readonly key: string;
  /** How long it has been lent back in all, in milliseconds. */
  readonly lentMs: number;
  /** Gives it back for as long as its call waits for somebody; the call gets it again by {@linkcode takeBack}. */
  lend(): void;
  /**
   * Gets a permit back that was lent, before all who have not had one; waits while none is free.
   *
   * @throws {ExaiError} the signal's reason
   */
  takeBack(call: WaitingCall): Promise<void>;
}

/** What waiting for a permit needs to know of a call. */
type WaitingCall = Pick<Call, "signal" | "trace">;

interface Waiter {
  grant(): void;
}

/** Counting permits with a bounded, fair queue in front of them. */
export class Permits {
  readonly #limits: PermitLimits;
  readonly #held = new Tally();
  readonly #queue = new FairQueue<Waiter>();
  /** Those that had a permit and lent it back: they come first, for what they have begun is held up. */
  readonly #returning = new FairQueue<Waiter>();
  /** Moving average of how long a permit is held, in milliseconds: what `retry_after_ms` is reckoned from. */
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
   * A permit for `key`, at once when one is free, otherwise when its turn comes. A waiter whose `signal` aborts
   * leaves the queue at once and takes nobody's place.
   *
   * @throws {ExaiError} `OVER_CAPACITY` with `retryAfterMs` when the queue of this key is full; the signal's reason
   */
  acquire(key: string, signal: AbortSignal, trace?: Call["trace"]): Permit | Promise<Permit> {
    if (signal.aborted) throw abortError(signal);
    // Nobody waits who might hold one: whoever gives one back passes it on.
    if (this.#mayHold(key)) {
      this.#held.add(key);
      return new HeldPermit(this, key);
    }
    if (this.#isFull(key)) throw this.overCapacity(key);
    return this.#wait(this.#queue, key, { signal, trace }).then(() => new HeldPermit(this, key));
  }

  /** Takes a permit again for a call that had one; `giveBack` follows. */
  async reacquire(key: string, call: WaitingCall): Promise<void> {
    if (call.signal.aborted) throw abortError(call.signal);
    if (this.#mayHold(key)) this.#held.add(key);
    else await this.#wait(this.#returning, key, call);
  }

  /** A permit of `key` is free that was held for `heldMs`. */
  giveBack(key: string, heldMs: number): void {
    this.#averageHoldMs += (heldMs - this.#averageHoldMs) / 16;
    this.#held.remove(key);
    this.#pass();
  }

  /** The refusal of a call of `key` that more than may wait are before. */
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

  /** A key that waits for little is taken even when many wait, so that a few busy sessions do not lock it out. */
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
      // Counted at once: whoever asks before the waiter has noticed must not get the same one.
      grant: () => {
        signal.removeEventListener("abort", onAbort);
        noted[Symbol.dispose]();
        this.#held.add(key);
        resolve();
      },
    };
    const noted = beginWait({ trace }, () => this.#describe(queue.ahead(key, waiter)));
    signal.addEventListener("abort", onAbort);
    queue.push(key, waiter);
    return promise;
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

  // One that is given back may serve two: whoever is next, and its own key, which may then hold none.
  #pass(): void {
    const mayServe = (key: string) => this.#mayHold(key);
    let next: Waiter | undefined;
    while ((next = this.#returning.take(mayServe) ?? this.#queue.take(mayServe))) next.grant();
  }
}

class HeldPermit implements Permit {
  readonly key: string;
  readonly #permits: Permits;
  #sinceMs = performance.now();
  #isOver = false;
  /** Those that wait for somebody now: the permit is given back with the first, and taken with the last. */
  #lent = 0;
  /** Set while the permit is not held though nothing has ended. */
  #isAway = false;
  #lentSinceMs = 0;
  #lentMs = 0;
  #return: Promise<void> | undefined;

  constructor(permits: Permits, key: string) {
    this.#permits = permits;
    this.key = key;
  }

  get lentMs(): number {
    return this.#isAway ? this.#lentMs + performance.now() - this.#lentSinceMs : this.#lentMs;
  }

  lend(): void {
    this.#lent++;
    if (!this.#isOver && !this.#isAway) this.#giveAway();
  }

  async takeBack(call: WaitingCall): Promise<void> {
    if (--this.#lent > 0 || this.#isOver || !this.#isAway) return;
    await (this.#return ??= this.#reacquire(call).finally(() => this.#return = undefined));
  }

  async #reacquire(call: WaitingCall): Promise<void> {
    await this.#permits.reacquire(this.key, call);
    const nowMs = performance.now();
    this.#lentMs += nowMs - this.#lentSinceMs;
    this.#sinceMs = nowMs;
    this.#isAway = false;
    if (this.#isOver) this.#permits.giveBack(this.key, 0);
    else if (this.#lent > 0) this.#giveAway();
  }

  #giveAway(): void {
    this.#isAway = true;
    this.#lentSinceMs = performance.now();
    this.#permits.giveBack(this.key, this.#lentSinceMs - this.#sinceMs);
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (!this.#isAway) this.#permits.giveBack(this.key, performance.now() - this.#sinceMs);
  }
}
