import { type ByteAccount, type ByteBudget, EVICTION_RANK } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytesOf } from "../base/heap_bytes.ts";
import { Tally } from "../base/tally.ts";
import type { Caller } from "../call/call.ts";
import { OWN_USER, principalOf, sessionIdOf } from "../call/owner.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";
import type { ParkableCall } from "./parkable_call.ts";
import { ExpiringMap } from "./expiring_map.ts";
import type { HeldRequest } from "./request.ts";
import { STATE_TTL_MS } from "./sealed_states.ts";

/** Calls of one session that wait for its client at once, whatever the requests declare. */
const MAX_PER_CLIENT = 64;

/** Calls that wait for clients at once. */
const MAX_PARKED = 1000;

/** Those of another user or token than the daemon's own, which may have any number of sessions. */
const MAX_PER_OTHER = MAX_PARKED / 4;

/**
 * The share of the memory for clients that is for the requests of calls that wait. Requests have half of it together, and
 * those with the answers need the rest of that.
 */
const HELD_PART = 1 / 4;

interface ParkedCall {
  readonly parkable: ParkableCall;
  /** Counts the request it began with, which it carries until it has ended and its result was fetched. */
  readonly held: HeldRequest | undefined;
  /** Counts a result that nobody has fetched. */
  account?: ByteAccount;
}

/** The calls that wait for another request of their client, or have a result for it. */
export class ParkedCalls implements Disposable {
  readonly #budget: ByteBudget;
  readonly #sessions = new Tally();
  readonly #principals = new Tally();
  #heldBytes = 0;
  readonly #calls = new ExpiringMap<ParkedCall>({
    ttlMs: STATE_TTL_MS,
    max: MAX_PARKED,
    onDrop: ({ parkable, account, held }) => {
      account?.set(0);
      this.#sessions.remove(sessionIdOf(parkable.first.caller));
      this.#principals.remove(principalOf(parkable.first.caller));
      parkable.giveUp();
      if (held) void parkable.ended.then(() => this.#release(held));
    },
  });

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  get size(): number {
    return this.#calls.size;
  }

  get(id: string): ParkableCall | undefined {
    return this.#calls.get(id)?.parkable;
  }

  /** Lets a call wait for another request of its client; returns why not, if it is one too many. */
  park(parkable: ParkableCall): ExaiError | undefined {
    const { id, first: { caller, place } } = parkable;
    const known = this.#calls.get(id);
    if (known) {
      // It is waited for anew.
      this.#calls.set(id, known);
      return undefined;
    }
    const refusal = this.#refusalOf(caller);
    if (refusal !== undefined) return tooMany(refusal);
    const held = place.hold?.();
    this.#heldBytes += held?.bytes ?? 0;
    if (held && this.#heldBytes > this.#budget.maxBytes * HELD_PART) {
      this.#release(held);
      return tooMany(
        "calls that wait for answers of clients carry a quarter of EXAI_MAX_HELD_BYTES, which is the most",
      );
    }
    this.#sessions.add(sessionIdOf(caller));
    this.#principals.add(principalOf(caller));
    this.#calls.set(id, { parkable, held });
    return undefined;
  }

  /** Why no more calls of `caller` may wait. */
  #refusalOf(caller: Caller): string | undefined {
    if (this.size >= MAX_PARKED) return `${MAX_PARKED} calls wait for answers of clients`;
    const principal = principalOf(caller);
    if (principal !== OWN_USER && this.#principals.of(principal) >= MAX_PER_OTHER) {
      return `${MAX_PER_OTHER} calls wait for answers of this user or token, whatever their windows`;
    }
    if (this.#sessions.of(sessionIdOf(caller)) >= MAX_PER_CLIENT) {
      return `${MAX_PER_CLIENT} calls of this client wait for its answers`;
    }
    return undefined;
  }

  #release(held: HeldRequest): void {
    this.#heldBytes -= held.bytes;
    held[Symbol.dispose]();
  }

  /** Keeps the result of a call that waits. */
  keep(parkable: ParkableCall, result: Result): void {
    const parked = this.#calls.get(parkable.id);
    if (!parked) return;
    parked.account = chargeResult(this.#budget, result, () => parkable.dropResult(lost()));
  }

  /** A call has been answered with its result. */
  delete(id: string): void {
    this.#calls.delete(id);
  }

  /** Ends the calls of a client that has gone. */
  forget(isGone: (caller: Caller) => boolean): void {
    this.#calls.deleteWhere(({ parkable }) => isGone(parkable.first.caller));
  }

  [Symbol.dispose](): void {
    this.#calls[Symbol.dispose]();
  }
}

function tooMany(why: string): ExaiError {
  const what = "so it was not asked this; answer some of them, and call again";
  return new ExaiError("OVER_CAPACITY", `${why}, ${what}`);
}

function lost(): Result {
  const why =
    "the call has ended while it waited for this answer, and its result had to make room for others";
  return { error: toRpcError(new ExaiError("OUTCOME_UNKNOWN", why)) };
}

/** Counts `result` against `budget` until the account is set to 0; `evict` is called when the memory is needed. */
export function chargeResult(budget: ByteBudget, result: Result, evict: () => void): ByteAccount {
  const sinceMs = performance.now();
  const account = budget.open({
    rank: () => EVICTION_RANK.results,
    sinceMs: () => sinceMs,
    evict: () => {
      account.set(0);
      evict();
    },
  });
  account.add(heapBytesOf(result.error ?? result.result));
  return account;
}
