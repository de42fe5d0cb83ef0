/** What is evicted first when the budget is used up, lowest first; within a rank the oldest. */
export const EVICTION_RANK = {
  /** Requests still being read: nothing has run, and the client gets an error. */
  incoming: 0,
  /** Answers that were sent, kept in case part of them was lost on the way. */
  delivered: 1,
  /** Messages for a client that is disconnected. */
  away: 2,
  /** Results of calls that outlasted their request. */
  results: 3,
  /** Messages that a connected client has not confirmed. */
  unconfirmed: 4,
  /** Notices that replace evicted answers. */
  notice: 5,
  /** Output that a connected client leaves unread; its connection is closed. */
  unread: 6,
} as const;

/** A holder of bytes that can be evicted. */
interface BudgetHolder {
  /** One of {@linkcode EVICTION_RANK}, as it is now. */
  rank(): number;
  /** Since when it holds them, by `performance.now()`. */
  sinceMs(): number;
  /** Frees at least `bytes` if it holds as many, the oldest first, and adjusts its account. */
  evict(bytes: number): void;
  /** Adjusts the account, for a holder that does not report freed bytes. */
  recount?(): void;
}

/** The share of the budget for the arguments of all calls. */
const CALLS_PART = 1 / 2;
/** The same with the reserve for callers that hold less than others. */
const MAX_CALLS_PART = 3 / 4;

interface ByteBudgetOptions {
  maxBytes: number;
  /** Called after an eviction. */
  onEvict?(): void;
}

/**
 * One bound on everything held for clients, beside the bounds of each holder: many holders within their own limits
 * could use up the memory of the process together. Adding to an account costs two additions; holders are checked
 * only beyond the bound.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ByteBudget, EVICTION_RANK } from "./byte_budget.ts";
 *
 * const budget = new ByteBudget({ maxBytes: 100 });
 * const queue = budget.open({
 *   rank: () => EVICTION_RANK.away,
 *   sinceMs: () => 0,
 *   evict: () => queue.set(0),
 * });
 * queue.add(101);
 * assertEquals([budget.bytes, budget.evictions], [0, 1]);
 * ```
 */
export class ByteBudget {
  /** How many times a holder freed bytes. */
  evictions = 0;
  /** When the last one did, by `performance.now()`. */
  lastEvictionMs = -Infinity;
  readonly maxBytes: number;
  readonly #onEvict: (() => void) | undefined;
  /** Accounts that are not empty. */
  readonly #accounts = new Set<ByteAccount>();
  readonly #calls: ByteAccount;
  /** Bytes of the arguments of calls, by caller. */
  readonly #callers = new Map<object, number>();
  #bytes = 0;
  #evicting = false;

  constructor({ maxBytes, onEvict }: ByteBudgetOptions) {
    this.maxBytes = maxBytes;
    this.#onEvict = onEvict;
    this.#calls = this.open(undefined);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Opens an account. Without a `holder` nothing is ever evicted from it. */
  open(holder: BudgetHolder | undefined): ByteAccount {
    return new ByteAccount(holder, (account, bytes) => this.#moved(account, bytes));
  }

  /**
   * Takes `bytes` for the arguments of a call, which cannot be evicted while it waits or runs.
   *
   * @returns false when the call must be rejected: calls hold half of the budget and this caller its share of that,
   * or little is left of the reserve
   */
  tryTakeCall(bytes: number, caller: object): boolean {
    if (bytes === 0) return true;
    const own = (this.#callers.get(caller) ?? 0) + bytes;
    const total = this.#calls.bytes;
    const most = this.maxBytes * CALLS_PART;
    if (total > 0 && total + bytes > most) {
      const others = this.#callers.size - (this.#callers.has(caller) ? 1 : 0);
      // As if there were one caller more, so that something is left for the next.
      const share = most / (others + 2);
      const left = this.maxBytes * MAX_CALLS_PART - total;
      if (own > share || bytes > left / 2) return false;
    }
    this.#callers.set(caller, own);
    this.#calls.add(bytes);
    return true;
  }

  /** Gives back what {@linkcode tryTakeCall} took. */
  giveBackCall(bytes: number, caller: object): void {
    if (bytes === 0) return;
    const own = (this.#callers.get(caller) ?? 0) - bytes;
    if (own > 0) this.#callers.set(caller, own);
    else this.#callers.delete(caller);
    this.#calls.add(-bytes);
  }

  /** Adjusts the accounts of holders that do not report freed bytes. */
  recount(): void {
    for (const { holder } of [...this.#accounts]) holder?.recount?.();
  }

  #moved(account: ByteAccount, bytes: number): void {
    this.#bytes += bytes;
    if (account.bytes > 0) this.#accounts.add(account);
    else this.#accounts.delete(account);
    if (this.#bytes > this.maxBytes && bytes > 0 && !this.#evicting) this.#evict();
  }

  #evict(): void {
    this.#evicting = true;
    try {
      this.recount();
      // A little more than needed, so that the next byte does not start another eviction.
      const target = this.maxBytes * 15 / 16;
      // A holder with nothing left in its rank moves to a higher one, and is asked again.
      for (let emptyRounds = 0; this.#bytes > this.maxBytes && emptyRounds < 2;) {
        emptyRounds = this.#evictRound(target) ? 0 : emptyRounds + 1;
        this.recount();
      }
    } finally {
      this.#evicting = false;
    }
  }

  /** Asks one holder after the other; false when none freed anything. */
  #evictRound(target: number): boolean {
    const before = this.#bytes;
    const holders = Array.from(this.#accounts, ({ holder }) => holder)
      .filter((holder) => holder !== undefined)
      .map((holder) => ({ holder, rank: holder.rank(), sinceMs: holder.sinceMs() }))
      .sort((a, b) => a.rank - b.rank || a.sinceMs - b.sinceMs);
    for (const { holder, rank } of holders) {
      if (this.#bytes <= target) break;
      // A holder that moved to a higher rank is asked in the next round.
      if (holder.rank() > rank) continue;
      const had = this.#bytes;
      holder.evict(had - target);
      if (this.#bytes < had) this.#recordEviction();
    }
    return this.#bytes < before;
  }

  #recordEviction(): void {
    this.evictions++;
    this.lastEvictionMs = performance.now();
    this.#onEvict?.();
  }
}

/** The bytes of one holder. */
export class ByteAccount implements Disposable {
  bytes = 0;
  readonly holder: BudgetHolder | undefined;
  readonly #onMove: (account: ByteAccount, bytes: number) => void;

  /** @param onMove called after each change */
  constructor(holder: BudgetHolder | undefined, onMove: (account: ByteAccount, bytes: number) => void) {
    this.holder = holder;
    this.#onMove = onMove;
  }

  /** Adds `bytes`, or subtracts them if negative. */
  add(bytes: number): void {
    if (bytes === 0) return;
    this.bytes += bytes;
    this.#onMove(this, bytes);
  }

  /** Sets the number of bytes. */
  set(bytes: number): void {
    this.add(bytes - this.bytes);
  }

  [Symbol.dispose](): void {
    this.set(0);
  }
}

/** A budget without a bound, for use outside a daemon. */
export const UNBOUNDED = new ByteBudget({ maxBytes: Infinity });
