/** Who gives way first when the budget is used up, lowest first; within a rank the one that has waited longest. */
export const EVICTION_RANK = {
  /** Requests still being read: nothing has run, and the client is told. */
  incoming: 0,
  /** Answers that were sent to the end, kept in case some of it was lost on the way. */
  delivered: 1,
  /** What waits for a client that is away. */
  away: 2,
  /** Results of calls that outlasted their request. */
  results: 3,
  /** What a client that is there has not confirmed. */
  unconfirmed: 4,
  /** The word that an answer was given and had to make room, which is all that is left of it. */
  notice: 5,
  /** What a client that is there leaves unread; its connection is closed. */
  unread: 6,
} as const;

/** Somebody who holds bytes for others, and can let go of them. */
interface BudgetHolder {
  /** One of {@linkcode EVICTION_RANK}. */
  readonly rank: number;
  /** Since when it waits, by `performance.now()`. */
  readonly sinceMs: number;
  /** Lets go of at least `bytes` if it has so many, the oldest first; its account is told as ever. */
  evict(bytes: number): void;
  /** Sets the account right, where bytes go without a word. */
  recount?(): void;
}

/** The part of the budget that the arguments of calls may have, whosever they are. */
const CALLS_PART = 1 / 2;
/** The part they may have with what is set aside for callers that have less than others. */
const MAX_CALLS_PART = 3 / 4;

interface ByteBudgetOptions {
  maxBytes: number;
  /** Called when something had to give way. */
  onevict?(): void;
}

/**
 * One bound on all that is held for others, beside the bounds of each holder: many that keep to their own limit could
 * use up the memory of the process together. To add to an account costs two additions; only beyond the bound are the
 * holders looked at.
 */
export class ByteBudget {
  /** How often a holder had to give way. */
  evictions = 0;
  /** When the last one had to, by `performance.now()`. */
  lastEvictionMs = -Infinity;
  readonly maxBytes: number;
  readonly #onevict: (() => void) | undefined;
  /** Accounts that are not empty. */
  readonly #accounts = new Set<ByteAccount>();
  readonly #calls: ByteAccount;
  /** What calls hold for each of their callers. */
  readonly #callers = new Map<object, number>();
  #bytes = 0;
  #evicting = false;

  constructor({ maxBytes, onevict }: ByteBudgetOptions) {
    this.maxBytes = maxBytes;
    this.#onevict = onevict;
    this.#calls = this.open(undefined);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** An account; `holder` is asked to give way, and without one nothing is ever taken from it. */
  open(holder: BudgetHolder | undefined): ByteAccount {
    return new ByteAccount(holder, (account, bytes) => this.#moved(account, bytes));
  }

  /**
   * Takes `bytes` for the arguments of a call of `caller`, which are not held any less while it waits or runs. False
   * when the call is to be refused: calls have half of the budget already, and this caller its share of that, or there
   * is little left of what is set aside for those that have less.
   */
  tryTakeCall(bytes: number, caller: object): boolean {
    if (bytes === 0) return true;
    const own = (this.#callers.get(caller) ?? 0) + bytes;
    const total = this.#calls.bytes;
    const most = this.maxBytes * CALLS_PART;
    if (total > 0 && total + bytes > most) {
      const others = this.#callers.size - (this.#callers.has(caller) ? 1 : 0);
      // As if there were one more, so that there is something left for the next.
      const share = most / (others + 2);
      const left = this.maxBytes * MAX_CALLS_PART - total;
      if (own > share || bytes > left / 2) return false;
    }
    this.#callers.set(caller, own);
    this.#calls.add(bytes);
    return true;
  }

  /** The call is over. */
  giveBackCall(bytes: number, caller: object): void {
    if (bytes === 0) return;
    const own = (this.#callers.get(caller) ?? 0) - bytes;
    if (own > 0) this.#callers.set(caller, own);
    else this.#callers.delete(caller);
    this.#calls.add(-bytes);
  }

  /** Sets right the accounts of holders whose bytes go without a word. */
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
      // A little more than needed: the next byte must not begin all this anew.
      const target = this.maxBytes * 15 / 16;
      // A holder that has no more to give in its rank takes a higher one, and is asked again.
      for (let idleRounds = 0; this.#bytes > this.maxBytes && idleRounds < 2;) {
        idleRounds = this.#evictRound(target) ? 0 : idleRounds + 1;
        this.recount();
      }
    } finally {
      this.#evicting = false;
    }
  }

  /** Asks one holder after the other; false when none has anything left to give. */
  #evictRound(target: number): boolean {
    const before = this.#bytes;
    const asked = Array.from(this.#accounts, ({ holder }) => holder)
      .filter((holder) => holder !== undefined)
      .map((holder) => ({ holder, rank: holder.rank, sinceMs: holder.sinceMs }))
      .sort((a, b) => a.rank - b.rank || a.sinceMs - b.sinceMs);
    for (const { holder, rank } of asked) {
      if (this.#bytes <= target) break;
      // One that let go of what it held in a lower rank takes its new place in the next round.
      if (holder.rank > rank) continue;
      const had = this.#bytes;
      holder.evict(had - target);
      if (this.#bytes < had) this.#note();
    }
    return this.#bytes < before;
  }

  #note(): void {
    this.evictions++;
    this.lastEvictionMs = performance.now();
    this.#onevict?.();
  }
}

/** What one holder holds. */
export class ByteAccount implements Disposable {
  bytes = 0;
  readonly holder: BudgetHolder | undefined;
  readonly #onmove: (account: ByteAccount, bytes: number) => void;

  /** @param onmove told of each change, after it */
  constructor(holder: BudgetHolder | undefined, onmove: (account: ByteAccount, bytes: number) => void) {
    this.holder = holder;
    this.#onmove = onmove;
  }

  /** It holds so many bytes more; fewer, below zero. */
  add(bytes: number): void {
    if (bytes === 0) return;
    this.bytes += bytes;
    this.#onmove(this, bytes);
  }

  /** It holds so many bytes now. */
  set(bytes: number): void {
    this.add(bytes - this.bytes);
  }

  [Symbol.dispose](): void {
    this.set(0);
  }
}

/** For what is used without a daemon around it: anything fits. */
export const UNBOUNDED = new ByteBudget({ maxBytes: Infinity });
