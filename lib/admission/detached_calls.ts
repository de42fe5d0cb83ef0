import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytesOf } from "../base/heap_bytes.ts";
import type { Caller, Progress, Whereabouts } from "../call/call.ts";
import { type Belonging, mayUse, ownerKey } from "../call/owner.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";

/** The tool that waits for a detached call. */
export const AWAIT_CALL = "await_call";

/** How much of finished calls is kept for one session. */
interface DetachedLimits {
  maxResults: number;
  /** Their size in UTF-16 code units, together. */
  maxChars: number;
  /** The bound on what is held for all sessions together. */
  budget?: ByteBudget;
}

/** A call that outlasts the request it came with; windows of its workspace ask for it by its handle. */
export interface DetachedCall {
  readonly handle: string;
  /** The tool's name, as the session knows it. */
  readonly tool: string;
  readonly startedAtMs: number;
  /** The last progress it told. */
  readonly progress: Progress | undefined;
  /** Resolves with its outcome; never rejects. */
  readonly outcome: Promise<Result>;
  readonly isOver: boolean;
  /** Those who wait, called with each progress. */
  readonly watchers: Set<(progress: Progress) => void>;
  /** Stops it; its outcome is an error that says so. */
  cancel(reason: ExaiError): void;
}

/** What a call that is to be detached gives. */
type Detachable = Pick<DetachedCall, "tool" | "startedAtMs" | "progress" | "outcome" | "cancel">;

interface KeptDetachedCall extends Detachable {
  readonly handle: string;
  readonly belonging: Belonging;
  isOver: boolean;
  chars: number;
  /** What its result holds of the budget of all. */
  account: ByteAccount | undefined;
  progress: Progress | undefined;
  readonly watchers: Set<(progress: Progress) => void>;
}

/** The detached calls of every session. */
export class DetachedCalls {
  readonly #limits: DetachedLimits;
  readonly #sessions = new Map<string, Map<string, KeptDetachedCall>>();
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(limits: DetachedLimits) {
    this.#limits = limits;
  }

  /** Takes a call over. */
  add(caller: Caller, call: Detachable): DetachedCall & { tell(progress: Progress): void } {
    const calls = this.#sessions.get(caller.id) ?? new Map<string, KeptDetachedCall>();
    this.#sessions.set(caller.id, calls);
    const handle = `call-${crypto.randomUUID()}`;
    const kept: KeptDetachedCall = {
      ...call,
      handle,
      belonging: caller.belonging,
      isOver: false,
      chars: 0,
      account: undefined,
      watchers: new Set(),
    };
    const outcome = call.outcome.then((result) => this.#finished(calls, kept, result));
    calls.set(handle, Object.assign(kept, { outcome }));
    this.#running++;
    const tell = (progress: Progress) => {
      kept.progress = progress;
      for (const watch of kept.watchers) watch(progress);
    };
    return Object.assign(kept, { tell });
  }

  /**
   * The call `handle`, where it belongs to the workspace of `caller`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when there is no such call, not any more, or it belongs to others
   */
  async get(caller: Whereabouts, handle: string): Promise<DetachedCall> {
    const found = this.#find(handle);
    if (found && mayUse(await caller.identity(), ownerKey(await found.belonging.owner()))) return found;
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no call ${
        JSON.stringify(handle)
      } here: a handle is good in the workspace it was given to, until the ` +
        "window that got it goes, newer results take its place or the daemon is started anew; what became of a call " +
        "that is gone is not known",
      { details: { outcome: "unknown" } },
    );
  }

  #find(handle: string): KeptDetachedCall | undefined {
    for (const calls of this.#sessions.values()) {
      const found = calls.get(handle);
      if (found) return found;
    }
    return undefined;
  }

  /** Stops the calls of a session that is over. */
  forget(caller: Caller): void {
    const calls = this.#sessions.get(caller.id);
    this.#sessions.delete(caller.id);
    const reason = new ExaiError("CANCELLED", "the session is over");
    for (const call of calls?.values() ?? []) {
      call.account?.set(0);
      if (!call.isOver) call.cancel(reason);
    }
    calls?.clear();
  }

  /** Resolves when none is running. */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  #finished(calls: Map<string, KeptDetachedCall>, call: KeptDetachedCall, result: Result): Result {
    call.isOver = true;
    call.watchers.clear();
    call.chars = lengthOf(result);
    this.#charge(calls, call, result);
    if (--this.#running === 0) this.#idle?.resolve();
    const { maxResults, maxChars } = this.#limits;
    const over = [...calls.values()].filter(({ isOver }) => isOver);
    let chars = over.reduce((sum, { chars }) => sum + chars, 0);
    for (const [i, { handle, chars: size }] of over.entries()) {
      if (over.length - i <= 1 || (over.length - i <= maxResults && chars <= maxChars)) break;
      drop(calls, handle);
      chars -= size;
    }
    return result;
  }

  /** Has the result counted, unless its session is over; when room is needed its handle is forgotten. */
  #charge(calls: Map<string, KeptDetachedCall>, call: KeptDetachedCall, result: Result): void {
    if (!calls.has(call.handle)) return;
    const budget = this.#limits.budget ?? UNBOUNDED;
    call.account = budget.open({
      rank: EVICTION_RANK.results,
      sinceMs: performance.now(),
      evict: () => drop(calls, call.handle),
    });
    call.account.add(heapBytesOf(result));
  }
}

function drop(calls: Map<string, KeptDetachedCall>, handle: string): void {
  calls.get(handle)?.account?.set(0);
  calls.delete(handle);
}

/** The outcome of `work`, with what it throws as its error. */
export function settled(work: Promise<Result>): Promise<Result> {
  return work.catch((thrown) => ({ error: toRpcError(thrown) }));
}

/** How far a call has come, as a sentence with a space behind it. */
export function progressText(progress: Progress | undefined): string {
  if (!progress) return "";
  const { progress: step, total, message } = progress;
  const said = message ? `: ${message}` : "";
  return `Its progress is ${step}${total === undefined ? "" : ` of ${total}`}${said}. `;
}

function lengthOf(result: Result): number {
  try {
    return JSON.stringify(result).length;
  } catch {
    return 0;
  }
}
